"""What is known of one question after each stage; nothing of it changes later.

    Asked → Screened → Retrieved → Drafted → Judged → Admitted

Each stage holds the one before it. A question may end at any of them: blocked when it was screened,
abstained when it was retrieved or drafted, released or held when it was admitted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

from app.access.principals import Principal
from app.answering.asking_back import Choice
from app.answering.followup import StandAlone
from app.answering.policies import InForce
from app.answering.reading import Snapshot
from app.deadline import Deadline
from app.gate.admission import Admission, Scored
from app.gate.hard_questions import Route
from app.gate.modes import Mode
from app.gate.trials import Trial
from app.inference.evidence_selection import covered
from app.ports import TOKENS_READ, TOKENS_WRITTEN, DraftRequest, Reading, Vectors
from app.records.recording import SecondTry
from app.records.views import OTHER_LANGUAGE, SMALL_TALK
from app.retrieval.retriever import Found, Hit, best_similarity
from app.telemetry import CHARACTERS_PER_TOKEN, StageClock
from guardrails.checks.language import language_to_ask_in
from guardrails.checks.schema import SchemaCheck
from guardrails.contract import URGENCIES, Asker, Case, Draft, Finding, Outcome, Passage, Verdict

WORDS_STAND_FOR, SAYS_ITS_WORDS = 0.12, 2 / 3
"""What the least cosine is lowered by where a passage holds this share of the question's words."""
READS_IT = -3.0
"""The margin from which on the reader's own word counts for the cosine."""
TAKES_FOR_RELEVANT = -1.0
"""The relevance from which on it counts as well: customers' words are often not the documents'."""
Scores = Mapping[str, Mapping[str, float] | None]
"""What the screens say of each text that was screened; None: they could not run."""


@dataclass(frozen=True)
class Ask:
    """A question, the collections to search (None: all in scope), the caller's schema, and the
    asker's own answer that it follows."""

    question: str
    collections: Sequence[str] | None = None
    answer_schema: Mapping[str, Any] | None = None
    previous_answer_id: str | None = None


@dataclass(frozen=True)
class Asked:
    """A question that can be asked, who asks it, and what stood when it came.

    ``others``: other versions of the generator may have a part in it.
    """

    answer_id: str
    ask: Ask
    principal: Principal
    collections: tuple[str, ...]
    before: Snapshot
    in_force: InForce
    deadline: Deadline
    clock: StageClock
    trial: Trial | None = None
    others: bool = False

    def case(self, question: str) -> Case:
        """What is judged of ``question``, before there is a draft."""
        asker = Asker(self.principal.name, tuple(sorted(self.principal.roles)))
        return Case(question, None, (), self.ask.answer_schema, asker)


@dataclass(frozen=True)
class Screened:
    """The question as it stands alone, and the verdict on it.

    ``vector`` is that of ``meaning.question``. ``reply``: what is said to small talk, for which
    nothing is searched.
    """

    asked: Asked
    meaning: StandAlone
    vector: Vectors
    scores: Scores
    findings: tuple[Finding, ...]
    verdict: Verdict
    reply: str = ""

    evidence: ClassVar[tuple[Passage, ...]] = ()
    draft: ClassVar[None] = None

    @property
    def screened(self) -> "Screened":
        """Itself, as each later stage has it."""
        return self

    @property
    def is_urgent(self) -> bool:
        """Whether the policy calls the question urgent: a person writes to who may be in danger,
        so nothing is drafted that could be approved in haste."""
        return self.verdict.urgency == URGENCIES[0]

    @property
    def case(self) -> Case:
        """What is judged: the question as it stands alone."""
        return self.asked.case(self.meaning.question)

    @property
    def searched(self) -> dict[str, Any]:
        """What was searched, as the asker is told; for small talk, that it is why nothing was."""
        small_talk = {"reason": SMALL_TALK} if self.reply else {}
        return {
            "question": self.meaning.question,
            "previous_answer_id": self.asked.ask.previous_answer_id,
            "collections": list(self.asked.collections),
            "passages": 0,
            "titles": [],
            **small_talk,
        }


@dataclass(frozen=True)
class Retrieved:
    """What was found, and of it the ``hits`` that may be drafted from.

    ``mode`` is retrieval_only where nothing may be, else that of the service. ``choices`` are what
    the asker is asked back where the question leaves open what it is about.
    """

    screened: Screened
    found: Found
    hits: tuple[Hit, ...]
    mode: Mode
    choices: tuple[Choice, ...] = ()

    draft: ClassVar[None] = None

    @property
    def evidence(self) -> tuple[Passage, ...]:
        """The passages of the hits, best first."""
        return tuple(hit.passage for hit in self.hits)

    @property
    def question(self) -> str:
        """The question as it was read: alone, without slips of typing."""
        return self.found.respelled or self.screened.meaning.question

    @property
    def similarity(self) -> float:
        """The highest cosine among the hits; -1 without one."""
        return best_similarity(self.hits)

    def is_about(self, least: float) -> bool:
        """Whether a passage is about the question: by a cosine of ``least``, or a little less
        where the passage holds the question's words; or because the reader takes it for relevant,
        or found an answer in it.

        A word that stands once in a passage about other things moves its embedding little.
        """
        readings = [hit.reading for hit in self.hits if hit.reading]
        if self.similarity >= least or any(map(_says_about, readings)):
            return True
        near = self.similarity >= least - WORDS_STAND_FOR
        return near and any(
            covered(self.question, f"{one.place} {one.text}") >= SAYS_ITS_WORDS
            for one in self.evidence
        )

    @cached_property
    def language(self) -> str:
        """The language to ask in, where the question is surely in another than the passages."""
        texts = [hit.passage.text for hit in self.found.hits]
        return language_to_ask_in(self.screened.meaning.question, texts)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Those on the question."""
        return self.screened.findings

    @property
    def verdict(self) -> Verdict:
        """The verdict on the question."""
        return self.screened.verdict

    @property
    def case(self) -> Case:
        """What is judged, with the evidence."""
        return replace(self.screened.case, evidence=self.evidence)

    @property
    def request(self) -> DraftRequest:
        """What the generator is asked."""
        readings = tuple(hit.reading for hit in self.hits if hit.reading is not None)
        deadline = self.screened.asked.deadline
        # Where hits were taken out, the one that answers may be among them.
        certain = self.found.certain and self.hits == self.found.hits
        return DraftRequest(self.question, self.evidence, deadline, readings, certain=certain)

    @property
    def searched(self) -> dict[str, Any]:
        """As of ``Screened``, with the titles that were found, what the question was read as where
        slips were mended, and what is asked back, or that it is in another language."""
        titles = dict.fromkeys(hit.passage.title for hit in self.found.hits)
        passages = self.found.searched_passages
        found = {**self.screened.searched, "passages": passages, "titles": list(titles)[:5]}
        if self.found.respelled:
            found["read_as"] = self.found.respelled
        choices = [asdict(choice) for choice in self.choices]
        if self.language:
            return {**found, "reason": OTHER_LANGUAGE}
        return {**found, "choices": choices} if choices else found


@dataclass(frozen=True)
class Drafted:
    """A draft; without sentences the generator abstained. ``degraded`` says which part was missing
    when it was made, so that a person decides; ``kept_from`` is the answer that it was first made
    for, or that lent readings to it. ``version`` names the generator version that wrote it where
    that is not the one in use, and ``failed_version`` the one that should have. ``route`` is what
    was decided of a hard question.
    """

    retrieved: Retrieved
    draft: Draft
    degraded: str = ""
    kept_from: str = ""
    version: str = ""
    failed_version: str = ""
    route: Route | None = None

    @property
    def screened(self) -> Screened:
        """The question."""
        return self.retrieved.screened

    @property
    def evidence(self) -> tuple[Passage, ...]:
        """What it was drafted from."""
        return self.retrieved.evidence

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Those on the question."""
        return self.screened.findings

    @property
    def verdict(self) -> Verdict:
        """The verdict on the question."""
        return self.screened.verdict

    @property
    def case(self) -> Case:
        """What is judged, with the draft."""
        return replace(self.retrieved.case, draft=self.draft)


@dataclass(frozen=True)
class Judged:
    """A draft with all that was said of it; ``second_try`` where another was asked for."""

    drafted: Drafted
    scored: Scored
    findings: tuple[Finding, ...]
    verdict: Verdict
    second_try: SecondTry | None = None

    @property
    def screened(self) -> Screened:
        """The question."""
        return self.drafted.screened

    @property
    def retrieved(self) -> Retrieved:
        """What was found."""
        return self.drafted.retrieved

    @property
    def evidence(self) -> tuple[Passage, ...]:
        """What it was drafted from."""
        return self.drafted.evidence

    @property
    def draft(self) -> Draft:
        """The draft that was judged."""
        return self.drafted.draft

    @property
    def case(self) -> Case:
        """What is judged, with the draft, its risk, and whether a gate decides after the policy."""
        gated = self.scored.mode != "off"
        return replace(self.drafted.case, risk=self.scored.risk, gated=gated)

    @property
    def form(self) -> set[Outcome]:
        """What the check of the schemas said of the draft."""
        return {one.outcome for one in self.findings if one.check == SchemaCheck.name}


Reached = Screened | Retrieved | Drafted | Judged
"""How far a question came before its answer is recorded."""


@dataclass(frozen=True)
class Admitted:
    """What becomes of a question, as of the transaction that records it.

    ``admission`` is the gate's word where there is a judged draft.
    """

    reached: Reached
    outcome: str
    message: str
    draft: Draft | None
    admission: Admission | None = None

    @property
    def audited(self) -> bool:
        """Whether a reviewer is to see it although it was released."""
        return self.admission is not None and self.admission.audited


def retrieved_of(reached: Reached) -> Retrieved | None:
    """What was found, where the question came so far."""
    if isinstance(reached, Screened):
        return None
    return reached if isinstance(reached, Retrieved) else reached.retrieved


def drafted_of(reached: Reached) -> Drafted | None:
    """The draft, where the question came so far."""
    if isinstance(reached, Judged):
        return reached.drafted
    return reached if isinstance(reached, Drafted) else None


def version_of(reached: Reached) -> str:
    """The generator version that drafted, "" for the one in use."""
    drafted = drafted_of(reached)
    return "" if drafted is None else drafted.version


def kept_from(reached: Reached) -> str:
    """The answer that the draft was first made for, "" where it was made for this one."""
    drafted = drafted_of(reached)
    return "" if drafted is None else drafted.kept_from


def route_of(reached: Reached) -> Route | None:
    """What was decided of a hard question, None of another one."""
    drafted = drafted_of(reached)
    return None if drafted is None else drafted.route


def tokens_of(request: DraftRequest, draft: Draft) -> tuple[float, float]:
    """Tokens read and written, as the generator counted them, else about."""
    counted = draft.features
    if TOKENS_READ in counted and TOKENS_WRITTEN in counted:
        return counted[TOKENS_READ], counted[TOKENS_WRITTEN]
    read = len(request.question) + sum(len(one.text) for one in request.evidence)
    return read / CHARACTERS_PER_TOKEN, len(draft.text) / CHARACTERS_PER_TOKEN


def _says_about(reading: Reading) -> bool:
    """Whether the reader's own word is enough that the passage is about the question."""
    found = reading.span is not None and reading.span.margin >= READS_IT
    return found or reading.relevance >= TAKES_FOR_RELEVANT
