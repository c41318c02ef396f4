"""Hard questions go to a larger generator, as far as its budget lasts: a second draft in time for
the answer, judged and gated like any other. Whatever goes wrong leaves the first draft."""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy.orm import Session

from app.answering.stages import Admitted, Drafted, Judged, Retrieved, route_of
from app.answering.trying import Judging, Version, admission
from app.db import Database
from app.gate.admission import NO_CERTIFICATE, Admission, Gate
from app.gate.expected_gain import Cell
from app.gate.hard_questions import FAILED, FIRST_STOOD, LATE, SPENT, STOOD, HardQuestions, Route
from app.inference.writing.question_types import question_type
from app.ports import DraftRequest
from guardrails.contract import SEVERITY, Action, Draft

LEAST_LEFT = 1 / 3
"""Of the deadline so much must be left: half of that is for the larger draft, the rest for judging
and recording."""
NEAR = -6.0
"""From this margin on the reader nearly had an answer."""
RISK_BANDS = 4
First = Drafted | Judged
Drafts = Callable[[Version, Retrieved], Drafted | None]
"""A version's draft, None where it failed."""
Price = Callable[[DraftRequest, Draft], float]
"""What a draft cost, in the unit of the budget."""


def under_a_certificate(said: Admission) -> Admission:
    """Whether a larger draft may go out: never without a certificate, also where no gate decides.
    Of the answers to hard questions more are wrong, and checks that held one draft let another
    pass."""
    if not said.admitted or said.certificate is not None:
        return said
    return replace(said, admitted=False, reason=NO_CERTIFICATE, audited=False, audit_share=0.0)


class AskingLarger:
    """The larger generator, and who decides which questions it is asked."""

    def __init__(
        self,
        database: Database,
        hard: HardQuestions,
        version: Version,
        in_use: Gate,
        price: Price,
        deadline_s: float,
    ) -> None:
        self._database, self._hard, self.version, self._in_use = database, hard, version, in_use
        self._price, self._deadline_s = price, deadline_s

    def warm_up(self) -> None:
        """Load the larger generator."""
        self.version.warm_up()

    def improved(self, first: First, drafts: Drafts, judge: Judging) -> First:
        """The larger generator's draft where it was asked and is no worse, else the first; either
        with what was decided."""
        route = self._route(first)
        if route is None:
            return first
        if route.outcome in (SPENT, LATE) or not self._taken(first, route):
            return _with(first, route)
        if not self._hard.claim(route.cost):
            return _with(first, replace(route, outcome=SPENT))
        route = replace(route, claimed=route.cost)
        second = drafts(self.version, first.retrieved)
        if second is None:
            return _with(first, replace(route, outcome=FAILED))
        route = replace(route, cost=self._price(second.retrieved.request, second.draft))
        # With its route the draft is judged by the risk that counts for hard questions.
        second = replace(second, route=replace(route, outcome=STOOD))
        other = second if second.draft.abstained else judge(second)
        if _no_worse(first, other):
            return other
        return _with(first, replace(route, outcome=FIRST_STOOD))

    def note(self, session: Session, admitted: Admitted) -> None:
        """Keep what was decided, in the transaction that records the answer."""
        if (route := route_of(admitted.reached)) is not None:
            self._hard.note(session, admitted.reached.screened.asked.answer_id, route)

    def _route(self, first: First) -> Route | None:
        """What is expected of asking; None where the question is not hard, or is not for others."""
        asked = first.screened.asked
        # While a version is tried, its outcomes are compared with those of the one in use alone.
        if not asked.others or asked.trial is not None:
            return None
        with self._database.reading() as session:
            group = self._group(session, first)
            if group is None:
                return None
            kind = question_type(first.screened.meaning.question).value
            route = self._hard.route(session, Cell(group, kind))
        route = replace(route, version=self.version.name)
        if asked.deadline.remaining() < self._deadline_s * LEAST_LEFT:
            return replace(route, outcome=LATE)
        return route

    def _taken(self, first: First, route: Route) -> bool:
        screened = first.screened
        question = screened.meaning.question
        return self._hard.drawn(screened.asked.principal.name, question, route.chance)

    def _group(self, session: Session, first: First) -> str | None:
        """How the first draft failed to go out; None where it goes out, or a person is to see the
        question anyway."""
        drafted = first.drafted if isinstance(first, Judged) else first
        screened, ranked = drafted.screened, drafted.retrieved.found.ranked
        if screened.verdict.action is not Action.RELEASE or not ranked:
            return None
        if drafted.degraded:
            return "degraded"
        if not isinstance(first, Judged):
            return f"abstained:{_margin_band(drafted.retrieved)}"
        if first.verdict.action is Action.BLOCK:
            return None
        band = min(int(first.scored.risk * RISK_BANDS), RISK_BANDS - 1)
        if first.verdict.action is Action.REVIEW:
            return f"checks:{band}"
        said = admission(session, self._in_use, first, screened.asked.before.modes)
        return None if said.admitted else f"gate:{band}"


def _no_worse(first: First, second: First) -> bool:
    """Whether the second draft may take the place of the first: its verdict is no stricter."""
    if not isinstance(second, Judged) or second.verdict.action is Action.BLOCK:
        return False
    if not isinstance(first, Judged):
        return True
    return SEVERITY[second.verdict.action] <= SEVERITY[first.verdict.action]


def _with(reached: First, route: Route) -> First:
    if isinstance(reached, Judged):
        return replace(reached, drafted=replace(reached.drafted, route=route))
    return replace(reached, route=route)


def _margin_band(retrieved: Retrieved) -> str:
    margins = [
        hit.reading.span.margin for hit in retrieved.hits if hit.reading and hit.reading.span
    ]
    if not margins:
        return "unread"
    return "near" if max(margins) >= NEAR else "far"
