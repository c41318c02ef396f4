"""Hard questions: which of them a larger generator is asked, what became of them, and its budget.

The budget is counted in the database, by clock hours and for all processes, before a call is made.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.db import Database, database_time, insert_or, window_of
from app.gate.expected_gain import Cell, ExpectedGain, Seen
from app.gate.tables import HardQuestionRow, LargerHourRow
from app.records.tables import RecordRow, ReleaseRow, SettlementRow
from guardrails.contract import canonical_sha256

LEARNED_FROM = 2000
"""The newest hard questions that are learned from: older ones say little of today's."""
LEARNED_AGAIN_S = 30.0
"""Seconds for which a process goes by what it learned."""
HOUR_S = 3600
ABSTAINED, EDITED = 0.25, 0.5
"""The worth of an honest abstention, and of a draft that a reviewer had to edit; one that went out
as it was counts 1, one that was rejected, corrected or withdrawn 0."""
STOOD, FIRST_STOOD, FAILED = "stood", "first_stood", "failed"
"""The larger one was asked, and its draft is the answer's; or the first one is, for that was no
worse; or because the larger one failed or came too late."""
NOT_ASKED, SPENT, LATE = "not_asked", "spent", "late"
"""It was not asked: others gain more; the budget of this hour is spent; there was no time left."""
OUTCOMES = (STOOD, FIRST_STOOD, FAILED, NOT_ASKED, SPENT, LATE)


@dataclass(frozen=True)
class Route:
    """What was decided of one hard question: the chance with which the larger generator was to be
    asked, the ``gain`` that was expected of it, what it cost, which was ``claimed`` of the budget,
    and what became of it."""

    cell: Cell
    chance: float
    gain: float
    outcome: str = NOT_ASKED
    cost: float = 0.0
    claimed: float = 0.0
    version: str = ""

    @property
    def asked(self) -> bool:
        """Whether the larger generator was asked."""
        return self.outcome in (STOOD, FIRST_STOOD, FAILED)

    def stored(self) -> dict[str, Any]:
        """Plain JSON types for the record."""
        return {
            "version": self.version,
            "group": self.cell.group,
            "kind": self.cell.kind,
            "chance": round(self.chance, 4),
            "gain": round(self.gain, 4),
            "outcome": self.outcome,
            "cost": self.cost,
        }


@dataclass(frozen=True)
class CellView:
    """A cell as operators see it: how many came, how many were asked, the answers whose worth is
    known of either, and what is expected."""

    group: str
    kind: str
    questions: int
    asked: int
    known_without: int
    known_asked: int
    worth_without: float
    worth_with: float
    gain: float
    chance: float


@dataclass(frozen=True)
class LargerView:
    """The larger generator as operators see it."""

    version: str
    budget: float
    unit: str
    spent: float
    an_hour: int
    cells: Sequence[CellView]


class HardQuestions:
    """The hard questions of one database, for one pair of generators."""

    def __init__(
        self,
        database: Database,
        pair: str,
        budget: float,
        call_cost: float = 1.0,
        unit: str = "calls",
    ) -> None:
        """``pair``: the larger generator after the one in use, as its gate names it. ``budget`` is
        for each hour; ``call_cost`` is that of a call as long as none was made."""
        self._database, self._pair = database, canonical_sha256(pair)
        self._budget, self._call_cost, self._unit = budget, call_cost, unit
        self._learned: tuple[float, ExpectedGain] | None = None

    def drawn(self, principal: str, question: str, chance: float) -> bool:
        """Whether this request is among those that are asked: the same one always, whichever
        process is asked, at the same chance."""
        told = "\0".join((self._pair, principal, question)).encode("utf-8", "surrogatepass")
        return int.from_bytes(blake2b(told, digest_size=7).digest()) < chance * 2**56

    def route(self, session: Session, cell: Cell) -> Route:
        """What is expected of a question of that cell now."""
        learned, moment = self._expected(session), database_time(session)
        hour, into = window_of(moment, HOUR_S)
        left = self._budget - _spent(session, hour)
        chance = learned.chance(cell, left, 1 - into / HOUR_S)
        outcome = SPENT if left < learned.known(cell).cost else NOT_ASKED
        return Route(cell, chance, learned.known(cell).gain, outcome, learned.known(cell).cost)

    def claim(self, cost: float) -> bool:
        """Take ``cost`` of this hour's budget; False where there is not so much left."""
        with self._database.transaction() as session:
            hour, _ = window_of(database_time(session), HOUR_S)
            row = insert_or(session, LargerHourRow).values(hour=hour, spent=0.0)
            session.execute(row.on_conflict_do_nothing())
            own, spent = LargerHourRow.hour == hour, LargerHourRow.spent + cost
            # The condition is looked at again under the row's lock: two processes never both pass.
            paid: Any = session.execute(
                update(LargerHourRow).where(own, spent <= self._budget).values(spent=spent)
            )
            session.execute(delete(LargerHourRow).where(LargerHourRow.hour < hour - 1))
            return bool(paid.rowcount)

    def note(self, session: Session, answer_id: str, route: Route) -> None:
        """Keep what was decided, in the transaction that records the answer, and correct what was
        claimed by what it cost."""
        moment = database_time(session)
        row = HardQuestionRow(answer_id=answer_id, pair=self._pair, came_at=moment)
        row.cell_group, row.kind = route.cell.group, route.cell.kind
        row.asked, row.failed = route.asked, route.outcome == FAILED
        row.cost = route.cost if route.asked else 0.0
        session.add(row)
        if route.asked and route.cost != route.claimed:
            hour, _ = window_of(moment, HOUR_S)
            spent = LargerHourRow.spent + (route.cost - route.claimed)
            session.execute(
                update(LargerHourRow).where(LargerHourRow.hour == hour).values(spent=spent)
            )

    def view(self, version: str) -> LargerView:
        """What operators see of it."""
        with self._database.reading() as session:
            seen, moment = self._seen(session), database_time(session)
            hour, into = window_of(moment, HOUR_S)
            spent = _spent(session, hour)
        learned = ExpectedGain(seen, self._call_cost)
        left, hours = self._budget - spent, 1 - into / HOUR_S
        cells = [_cell_view(cell, seen, learned, left, hours) for cell in learned.cells]
        recent = sum(one.recent for one in seen)
        return LargerView(version, self._budget, self._unit, spent, recent, cells)

    def _expected(self, session: Session) -> ExpectedGain:
        moment = time.monotonic()
        if self._learned is None or self._learned[0] < moment - LEARNED_AGAIN_S:
            learned = ExpectedGain(self._seen(session), self._call_cost)
            self._learned = moment, learned
        return self._learned[1]

    def _seen(self, session: Session) -> list[Seen]:
        """The newest hard questions with what became of them; what failed teaches nothing."""
        of = HardQuestionRow
        query = (
            select(of, RecordRow.outcome, SettlementRow.state, ReleaseRow.edited)
            .join(RecordRow, RecordRow.answer_id == of.answer_id)
            .outerjoin(SettlementRow, SettlementRow.answer_id == of.answer_id)
            .outerjoin(ReleaseRow, ReleaseRow.answer_id == of.answer_id)
            .where(of.pair == self._pair)
            .order_by(of.came_at.desc())
            .limit(LEARNED_FROM)
        )
        since = database_time(session) - timedelta(hours=1)
        found = []
        for row, outcome, state, edited in session.execute(query):
            worth = None if row.failed else worth_of(state or outcome, edited=bool(edited))
            cell = Cell(row.cell_group, row.kind)
            found.append(Seen(cell, row.asked, worth, row.cost, row.came_at > since))
        return found


def worth_of(state: str, *, edited: bool) -> float | None:
    """The worth of an answer in that state, 0 to 1; None where nobody knows yet."""
    if state == "released":
        return EDITED if edited else 1.0
    known: Mapping[str, float] = {
        "abstained": ABSTAINED,
        **dict.fromkeys(("corrected", "withdrawn", "refused"), 0.0),
    }
    return known.get(state)


def forget_hard_question(session: Session, answer_id: str) -> None:
    """Delete what was decided of an answer's question, in a transaction that is open."""
    session.execute(delete(HardQuestionRow).where(HardQuestionRow.answer_id == answer_id))


def _spent(session: Session, hour: int) -> float:
    found = session.scalar(select(LargerHourRow.spent).where(LargerHourRow.hour == hour))
    return found or 0.0


def _cell_view(
    cell: Cell, seen: Sequence[Seen], learned: ExpectedGain, left: float, hours: float
) -> CellView:
    known, own = learned.known(cell), [one for one in seen if one.cell == cell]
    return CellView(
        group=cell.group,
        kind=cell.kind,
        questions=len(own),
        asked=sum(one.asked for one in own),
        known_without=known.without,
        known_asked=known.asked,
        worth_without=round(known.worth_without, 3),
        worth_with=round(known.worth_with, 3),
        gain=round(known.gain, 3),
        chance=round(learned.chance(cell, left, hours), 3),
    )
