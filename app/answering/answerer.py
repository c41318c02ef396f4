"""The spine: one question in, one answer or one held draft out. Read this first.

Embed and screen the question, retrieve, draft, judge, then record and release or hold in one
transaction. No database transaction is open while models run, and nothing that was not
recorded is ever released.
"""

import secrets
import threading
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.answering.followup import HISTORY_WEIGHTS, Rewrite, Standing, make_stand_alone
from app.answering.policies import InForce, Policies
from app.corpus.documents import Corpus
from app.corpus.passages import find_passages
from app.db import Database
from app.deadline import Deadline
from app.errors import (
    Invalid,
    ModelRefused,
    NotFound,
    Overloaded,
    QuestionEmpty,
    QuestionNotText,
    SchemaRefused,
    TooLarge,
)
from app.gate.admission import Admission, Gate, Scored
from app.ports import Drafting, DraftRequest, Misfit, Screening, Vectors
from app.records import recording, release
from app.records.recording import SecondTry
from app.records.tables import RecordRow
from app.retrieval.retriever import Hit, Retrieved, Retriever
from app.review.tasks import open_task
from app.settings import Settings
from app.telemetry import StageClock, Telemetry
from guardrails.checks.schema import SchemaCheck, SchemaInvalid, check_caller_schema, misfit
from guardrails.contract import (
    SEVERITY,
    Action,
    Asker,
    Case,
    Draft,
    Finding,
    Outcome,
    Passage,
    Verdict,
    answer_object,
    passage_object,
)
from guardrails.policy.redecide import OUTCOMES, Judged

OnStage = Callable[[str, str], None]
"""Called with a stage's name and a detail for people, before the stage begins."""

ABSTAINED_MESSAGE = (
    "The documents do not answer this question. Try other words, or ask something more specific."
)
RETRIEVAL_ONLY_MESSAGE = (
    "Answers are switched off at present. These documents are the closest to your question."
)


@dataclass(frozen=True)
class Ask:
    """A question, the collections to search (None: all in scope), the caller's schema, and the
    asker's own answer that it follows."""

    question: str
    collections: Sequence[str] | None = None
    answer_schema: Mapping[str, Any] | None = None
    previous_answer_id: str | None = None


@dataclass
class _Work:
    """What has been found out about one question so far."""

    ask: Ask
    principal: Principal
    collections: list[str]
    deadline: Deadline
    clock: StageClock
    earlier: Sequence[str]
    standing: Standing
    in_force: InForce
    findings: list[Finding] = field(default_factory=list)
    vector: Vectors | None = None
    scores: dict[str, Mapping[str, float] | None] = field(default_factory=dict)
    retrieved: Retrieved | None = None
    draft: Draft | None = None
    scored: Scored | None = None
    second_try: SecondTry | None = None
    admission: Admission | None = None
    answer_id: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def evidence(self) -> tuple[Passage, ...]:
        return tuple(hit.passage for hit in self.retrieved.hits) if self.retrieved else ()

    @property
    def case(self) -> Case:
        """What is judged: the question as it stands alone."""
        asker = Asker(self.principal.name, tuple(sorted(self.principal.roles)))
        schema = self.ask.answer_schema
        question = self.standing.question
        risk = self.scored.risk if self.scored is not None else None
        return Case(question, self.draft, self.evidence, schema, asker, risk)

    @property
    def request(self) -> DraftRequest:
        """What the generator is asked."""
        hits = self.retrieved.hits if self.retrieved else ()
        readings = tuple(hit.reading for hit in hits if hit.reading is not None)
        return DraftRequest(self.standing.question, self.evidence, self.deadline, readings)


@dataclass(frozen=True)
class _Judgement:
    """A draft with all that was said of it."""

    draft: Draft
    scored: Scored
    findings: Sequence[Finding]
    verdict: Verdict

    @property
    def form(self) -> set[Outcome]:
        """What the check of the schemas said of the draft."""
        return {one.outcome for one in self.findings if one.check == SchemaCheck.name}


class Answerer:
    """Answers questions; every collaborator comes from ``wiring``."""

    def __init__(
        self,
        *,
        database: Database,
        corpus: Corpus,
        retriever: Retriever,
        screens: Screening,
        generator: Drafting,
        policies: Policies,
        gate: Gate,
        models: Mapping[str, str],
        settings: Settings,
        telemetry: Telemetry,
        rewrite: Rewrite | None = None,
    ) -> None:
        self._database, self._corpus, self._retriever = database, corpus, retriever
        self._generator, self._policies, self._screens = generator, policies, screens
        self._gate = gate
        self._models, self._settings, self._telemetry = models, settings, telemetry
        self._rewrite = rewrite
        self._places = threading.BoundedSemaphore(settings.max_running_answers)

    def answer(
        self, principal: Principal, ask: Ask, on_stage: OnStage = lambda _name, _detail: None
    ) -> dict[str, Any]:
        """The answer as the asker may see it: released, held, blocked or abstained.

        Raises ``BadRequest``, ``TooLarge``, ``NotFound`` (a collection out of scope),
        ``NotReady``, ``Overloaded``, ``DeadlineExceeded`` or ``DependencyFailed``.
        """
        principal.require("asker")
        work = self._begin(principal, ask)
        if not self._places.acquire(blocking=False):
            raise Overloaded
        try:
            with self._telemetry.running.track_inprogress():
                outcome, message, verdict = self._decide(work, on_stage)
        finally:
            self._places.release()
        return self._record(work, outcome, message, verdict)

    def specimen(
        self, principal: Principal, ask: Ask, draft: Draft, cited: Sequence[Passage]
    ) -> dict[str, Any]:
        """What a reviewer would see of a draft that somebody wrote; nothing is recorded.

        It is searched for and judged like any other; the passages it cites are among its evidence.
        Raises like ``answer``, and ``Invalid`` for a draft that the policy would block.
        """
        work = self._begin(principal, ask)
        screened = self._screen(work)
        self._retrieve(work)
        assert work.retrieved is not None
        work.retrieved = replace(
            work.retrieved,
            hits=_with_cited(work.retrieved.hits, cited, self._settings.evidence_passages),
        )
        work.draft = draft
        # No second try: a person wrote this draft, and no other is wanted.
        judged = self._judge(work, draft)
        if Action.BLOCK in (screened.action, judged.verdict.action):
            raise Invalid("The policy blocks this question or answer, so no reviewer would see it.")
        return {
            "question": ask.question,
            "searched": _searched(work),
            "draft": answer_object(draft),
            "evidence": [passage_object(passage) for passage in work.evidence],
            "findings": [asdict(finding) for finding in judged.findings],
            "verdict": asdict(judged.verdict),
        }

    def _begin(self, principal: Principal, ask: Ask) -> _Work:
        return _Work(
            _checked(ask, self._settings.max_question_chars),
            principal,
            self._scope(principal, ask.collections),
            Deadline(self._settings.deadline_s),
            StageClock(self._telemetry),
            self._earlier(principal, ask.previous_answer_id),
            Standing(ask.question),
            self._policies.current(),
        )

    def view(self, principal: Principal, answer_id: str) -> dict[str, Any]:
        """One of the principal's own answers as it stands now; raises ``NotFound``."""
        with self._database.reading() as session:
            record = session.get(RecordRow, answer_id)
            if record is None or record.principal != principal.name:
                raise NotFound("There is no such answer.")
            return _view(session, principal, record)

    def history(self, principal: Principal, limit: int) -> list[dict[str, Any]]:
        """The principal's newest answers, newest first."""
        with self._database.reading() as session:
            return [
                _view(session, principal, record)
                for record in recording.own_records(session, principal.name, limit)
            ]

    def _decide(self, work: _Work, on_stage: OnStage) -> tuple[str, str, Verdict]:
        on_stage("screening", "Screening the question")
        screened = self._screen(work)
        if screened.action is Action.BLOCK:
            return "blocked", screened.message, screened
        on_stage("searching", f"Searching {', '.join(work.collections) or 'no collection'}")
        self._retrieve(work)
        if self._drafts_nothing(work):
            return self._abstain(work, screened, RETRIEVAL_ONLY_MESSAGE)
        on_stage("drafting", f"Reading {len(work.evidence)} passages")
        self._draft(work)
        if work.draft is None or work.draft.abstained:
            return self._abstain(work, screened)
        on_stage("judging", "Checking the draft")
        verdict = self._judge_draft(work)
        outcome, message = OUTCOMES[verdict.action], verdict.message
        admission = self._ask_gate(work, verdict)
        if verdict.action is Action.RELEASE and not admission.admitted:
            return "held", release.HELD_MESSAGE, verdict
        return outcome, message, verdict

    def _screen(self, work: _Work) -> Verdict:
        """The stricter verdict on what was asked and, of a follow-up, on what will be searched:
        earlier questions must not carry in what this one could not."""
        with work.clock.stage("screening"):
            asked = self._screen_text(work, work.ask.question)
            if asked.action is Action.BLOCK or not work.earlier:
                return asked
            work.standing = make_stand_alone(
                work.ask.question, work.earlier, self._rewrite, work.deadline
            )
            searched = self._screen_text(work, work.standing.question)
        return max(asked, searched, key=lambda verdict: SEVERITY[verdict.action])

    def _screen_text(self, work: _Work, text: str) -> Verdict:
        scores = self._scores(work, text)
        work.scores[text] = scores
        case = replace(work.case, question=text, scores=scores)
        findings, verdict = work.in_force.judge.screen_question(case)
        work.findings.extend(finding for finding in findings if finding not in work.findings)
        return verdict

    def _scores(self, work: _Work, text: str) -> Mapping[str, float] | None:
        """What the screens say of the text; None, so a review, when they cannot run."""
        work.vector = self._retriever.embed(text, work.deadline)
        try:
            return self._screens.scores(text, work.vector)
        except ModelRefused:
            return None

    def _retrieve(self, work: _Work) -> None:
        with work.clock.stage("searching"):
            work.retrieved = self._retriever.retrieve(
                work.standing.question,
                work.collections,
                self._settings.evidence_passages,
                work.deadline,
                work.standing.history,
                work.vector,
            )

    def _draft(self, work: _Work) -> None:
        retrieved = work.retrieved
        if retrieved is None or retrieved.best_similarity < self._settings.min_similarity:
            return
        with work.clock.stage("drafting"):
            work.draft = self._generator.submit(work.request, work.deadline)

    def _judge_draft(self, work: _Work) -> Verdict:
        """The verdict on the draft, or on a second one where that fits the schemas better."""
        assert work.draft is not None
        judged = self._judge(work, work.draft)
        if Outcome.FAIL in judged.form and judged.verdict.action is not Action.BLOCK:
            judged = self._try_again(work, judged)
        work.draft, work.scored = judged.draft, judged.scored
        work.findings = list(judged.findings)
        return judged.verdict

    def _judge(self, work: _Work, draft: Draft) -> _Judgement:
        scored = self._gate.score(work.standing.question, draft, _with_cosines(work))
        case = replace(work.case, draft=draft, risk=scored.risk)
        with work.clock.stage("judging"):
            findings, verdict = work.in_force.judge.judge(case, work.findings)
        return _Judgement(draft, scored, findings, verdict)

    def _try_again(self, work: _Work, first: _Judgement) -> _Judgement:
        """The judgement on one more draft if that fits the schemas, else on the first.

        Whatever goes wrong here, the first draft stands with its finding, so it is held.
        """
        try:
            problem = misfit(first.draft, work.ask.answer_schema)
            second = self._second(work, problem)
        except Exception as error:  # noqa: BLE001 - the second try: a crash leaves the first draft
            work.second_try = SecondTry("first", type(error).__name__)
            return first
        if second is not None and second.form == {Outcome.PASS}:
            work.second_try = SecondTry("second", recording.FITS, problem)
            return second
        outcome = recording.NO_OTHER if second is None else recording.FITS_NEITHER
        work.second_try = SecondTry("first", outcome, problem)
        return first

    def _second(self, work: _Work, problem: str) -> _Judgement | None:
        # Half of the time that is left: judging and recording come after it.
        deadline = Deadline(work.deadline.remaining() / 2)
        refused = Misfit(problem, lambda draft: not misfit(draft, work.ask.answer_schema))
        request = replace(work.request, deadline=deadline, misfit=refused)
        with work.clock.stage("second try"):
            draft = self._generator.submit(request, deadline)
        return None if draft.abstained else self._judge(work, draft)

    def _drafts_nothing(self, work: _Work) -> bool:
        found = {passage.collection for passage in work.evidence}
        return self._gate.mode(sorted(found)) == "retrieval_only"

    def _ask_gate(self, work: _Work, verdict: Verdict) -> Admission:
        """The gate's word on a draft; it never releases what the policy holds."""
        assert work.draft is not None and work.scored is not None
        asked = verdict.action is Action.RELEASE
        with work.clock.stage("gate"):
            work.admission = self._gate.admit(
                work.answer_id,
                work.draft,
                work.evidence,
                work.findings,
                work.scored,
                asked=asked,
            )
        if asked:
            told = str(work.admission.admitted).lower()
            self._telemetry.gate.labels(work.admission.mode, told).inc()
        return work.admission

    def _abstain(
        self, work: _Work, screened: Verdict, message: str = ABSTAINED_MESSAGE
    ) -> tuple[str, str, Verdict]:
        """No answer was found. A question the policy wants a person to see is held all the
        same: the reviewer may write the answer, or reject."""
        if screened.action is Action.REVIEW:
            work.draft = work.draft or Draft((), (), self._models["generator"])
            return "held", screened.message, screened
        return "abstained", message, screened

    def _record(self, work: _Work, outcome: str, message: str, verdict: Verdict) -> dict[str, Any]:
        shadow = self._shadow(work, outcome)
        trail = recording.Trail(
            answer_id=work.answer_id,
            principal=work.principal.name,
            question=work.ask.question,
            outcome=outcome,
            message=message or (release.HELD_MESSAGE if outcome == "held" else ""),
            draft=work.draft,
            evidence=work.evidence,
            findings=work.findings,
            verdict=verdict,
            lineage=self._lineage(work),
            searched=_searched(work),
            timings_ms=work.clock.timings_ms,
            gate=self._gate_entry(work),
            answer_schema=work.ask.answer_schema,
            second_try=work.second_try,
            scores=work.scores,
            policy=work.in_force.policy.content,
            facts={"roles": list(work.case.asker.roles), "risk": work.case.risk},
            shadow=shadow,
        )
        with self._database.transaction() as session:
            record = recording.write(session, trail)
            if outcome == "held":
                open_task(session, record, self._settings)
            elif outcome == "released" and work.admission and work.admission.audited:
                open_task(session, record, self._settings, kind="audit")
            view = _view(session, work.principal, record)
        self._count(outcome, work.findings)
        return view

    def _gate_entry(self, work: _Work) -> dict[str, Any]:
        if work.admission is not None:
            return work.admission.stored(self._gate.lineage)
        return self._gate.unasked(work.retrieved.best_similarity if work.retrieved else None)

    def _lineage(self, work: _Work) -> dict[str, str]:
        version = work.retrieved.version_id if work.retrieved else ""
        risk = {"risk_sha256": self._gate.lineage.get("risk_sha256", "")}
        if work.admission is not None and work.admission.certificate_id:
            risk["certificate"] = work.admission.certificate_id
        policy = {"policy_sha256": work.in_force.policy.sha256}
        return {"index_version": version, **self._models, **policy, **risk}

    def _shadow(self, work: _Work, outcome: str) -> dict[str, Any] | None:
        """The shadow policy's verdict, for the record and the count only."""
        judged = Judged(work.case, tuple(work.findings), outcome)
        shadow = work.in_force.shadow_verdict(judged)
        if shadow is not None:
            self._telemetry.shadow.labels(shadow["agreement"]).inc()
        return shadow

    def _count(self, outcome: str, findings: Sequence[Finding]) -> None:
        self._telemetry.answers.labels(outcome).inc()
        for finding in findings:
            if finding.outcome is not Outcome.PASS:
                self._telemetry.findings.labels(finding.check, finding.outcome.value).inc()

    def _earlier(self, principal: Principal, answer_id: str | None) -> list[str]:
        """The questions this one follows, oldest first, as they stand alone; no answers, and no
        question that was blocked. Raises ``NotFound`` for an answer that is not the asker's."""
        if answer_id is None:
            return []
        with self._database.reading() as session:
            turns = recording.conversation(session, principal.name, answer_id, len(HISTORY_WEIGHTS))
            if not turns:
                raise NotFound("There is no such answer to follow.")
            return [recording.searched_for(row) for row in turns if row.outcome != "blocked"]

    def _scope(self, principal: Principal, wanted: Sequence[str] | None) -> list[str]:
        readable = principal.readable(self._corpus.collections())
        if wanted is None:
            return readable
        for name in wanted:
            if name not in readable:
                raise NotFound(f"There is no collection {name[:80]!r}, or it is not yours to see.")
        return list(dict.fromkeys(wanted))


def _checked(ask: Ask, max_chars: int) -> Ask:
    """The question, stripped; raises when it is empty, too long or not text."""
    question = ask.question.strip()
    if len(question) > max_chars:
        raise TooLarge(f"A question has at most {max_chars} characters.")
    if any(unicodedata.category(c) in ("Cc", "Cs", "Co") and c not in "\n\t\r" for c in question):
        raise QuestionNotText
    if not any(c.isalnum() for c in question):
        raise QuestionEmpty
    if ask.answer_schema is not None:
        try:
            check_caller_schema(ask.answer_schema)
        except SchemaInvalid as error:
            raise SchemaRefused(str(error)) from error
    return replace(ask, question=question)


def _with_cosines(work: _Work) -> list[tuple[Passage, float | None]]:
    hits = work.retrieved.hits if work.retrieved else ()
    return [(hit.passage, hit.similarity) for hit in hits]


def _with_cited(hits: Sequence[Hit], cited: Sequence[Passage], most: int) -> tuple[Hit, ...]:
    """At most ``most`` hits, or all that are cited; those that were not found come first."""
    named = {passage.id for passage in cited}
    found = {hit.passage.id for hit in hits}
    first = [Hit(passage, None) for passage in dict.fromkeys(cited) if passage.id not in found]
    others = [hit for hit in hits if hit.passage.id not in named][: max(most - len(named), 0)]
    return (*first, *(hit for hit in hits if hit.passage.id in named or hit in others))


def _searched(work: _Work) -> dict[str, Any]:
    titles = dict.fromkeys(passage.title for passage in work.evidence)
    return {
        "question": work.standing.question,
        "previous_answer_id": work.ask.previous_answer_id,
        "collections": work.collections,
        "passages": work.retrieved.searched_passages if work.retrieved else 0,
        "titles": list(titles)[:5],
    }


def _view(session: Session, principal: Principal, record: RecordRow) -> dict[str, Any]:
    cited = release.cited_passages(record)
    readable = [
        passage.id
        for passage, _ in find_passages(session, cited)
        if principal.may_read(passage.collection)
    ]
    return asdict(release.answer_view(session, record, readable))
