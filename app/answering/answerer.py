"""The spine: one question in, one answer or one held draft out. Read this first.

Screen the question, retrieve, draft, judge, then admit, record and release or hold in one
transaction. No database transaction is open while models run, and nothing that was not
recorded is ever released.
"""

import secrets
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import structlog
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.answering.asking_back import choices, picked
from app.answering.asking_larger import AskingLarger, under_a_certificate
from app.answering.followup import Rewrite, StandAlone, make_stand_alone
from app.answering.kept_answers import KeptAnswers
from app.answering.near_answers import NearAnswers
from app.answering.policies import Policies
from app.answering.reading import Recheck, own_view, read_again, read_before
from app.answering.small_talk import reply_to
from app.answering.stages import (
    Admitted,
    Ask,
    Asked,
    Drafted,
    Judged,
    Reached,
    Retrieved,
    Screened,
    kept_from,
    retrieved_of,
    route_of,
    tokens_of,
    version_of,
)
from app.answering.trying import LEAST_TIME, Trying, Version, admission
from app.db import Database
from app.deadline import Deadline
from app.errors import (
    CountersignError,
    DependencyFailed,
    Invalid,
    ModelRefused,
    NotFound,
    NotReady,
    QuestionEmpty,
    QuestionNotText,
    SchemaRefused,
    TooLarge,
)
from app.gate.admission import Gate
from app.made import note_made
from app.ports import Drafting, DraftRequest, Misfit, Screening, Vectors
from app.records import recording, release
from app.records.recording import SecondTry
from app.records.tables import RecordRow
from app.records.views import AnswerView
from app.retrieval.retriever import Hit, Over, Retriever
from app.review.tasks import open_task
from app.settings import Settings
from app.telemetry import StageClock, Telemetry
from app.tracing import span
from guardrails.checks.language import FUNCTION_WORDS
from guardrails.checks.schema import SchemaInvalid, check_caller_schema, misfit
from guardrails.contract import (
    SEVERITY,
    Action,
    Draft,
    Outcome,
    Passage,
    answer_object,
    passage_object,
)
from guardrails.policy import redecide

__all__ = ["Answerer", "Ask", "OnStage"]
OnStage = Callable[[str, str], None]
"""Called with a stage's name and a detail for people, before the stage begins."""

ABSTAINED_MESSAGE = (
    "The documents do not answer this question. Try other words, or ask something more specific."
)
ASK_BACK_MESSAGE = (
    "The documents answer this for more than one thing. Please say which one you mean, or ask "
    "about another."
)
RETRIEVAL_ONLY_MESSAGE = (
    "Answers are switched off for now. These documents are the closest to your question."
)
SOURCE_GONE_MESSAGE = (
    "A source of this answer was removed while the answer was written. Please ask again."
)
FAILURES = (CountersignError, RuntimeError, ValueError, LookupError, OSError, MemoryError)
"""How another version may fail."""
COMMIT_S = 0.05
"""What it may take until a recorded answer is told: with less time left it would be late."""
NO_GENERATOR = "The generator could not be reached, so the reader drafted this answer."
NO_READER = "The reader failed, so the passages stand in the order of the search."
log = structlog.get_logger()


class Answerer:
    """Answers questions; every collaborator comes from ``wiring``."""

    def __init__(
        self,
        *,
        database: Database,
        retriever: Retriever,
        screens: Screening,
        generator: Drafting,
        policies: Policies,
        gate: Gate,
        models: Mapping[str, str],
        settings: Settings,
        telemetry: Telemetry,
        rewrite: Rewrite | None = None,
        extractive: Drafting | None = None,
        kept: KeptAnswers | None = None,
        near: NearAnswers | None = None,
        trying: Trying | None = None,
        larger: AskingLarger | None = None,
    ) -> None:
        """``extractive`` drafts where ``generator`` cannot; None where that is the same one.
        Without ``kept`` every question is searched and drafted anew, without ``near`` all that is
        found is read for each; without ``trying`` no other version of the generator is tried;
        without ``larger`` hard questions have the first draft.
        """
        self._database, self._retriever = database, retriever
        self._policies, self._screens, self._gate = policies, screens, gate
        self._models, self._settings, self._telemetry = models, settings, telemetry
        self._rewrite, self._extractive, self._kept = rewrite, extractive, kept
        self._near = near
        self._in_use = Version("", generator, gate, models)
        self._trying, self._larger = trying, larger
        self._kept_policies: set[str] = set()

    def answer(
        self,
        principal: Principal,
        ask: Ask,
        on_stage: OnStage = lambda _name, _detail: None,
        deadline: Deadline | None = None,
    ) -> AnswerView:
        """The answer as the asker may see it: released, held, blocked or abstained.

        ``deadline`` counts from when the question arrived; without one it counts from now.
        Raises ``BadRequest``, ``TooLarge``, ``NotFound`` (a collection out of scope),
        ``NotReady``, ``Overloaded``, ``DeadlineExceeded``, ``CallerGone`` or
        ``DependencyFailed``.
        """
        principal.require("asker")
        deadline = deadline or Deadline(self._settings.deadline_s)
        asked = self._begin(principal, ask, deadline, tried=True)
        reached = self._work(asked, on_stage)
        return self._record(reached)

    def _work(self, asked: Asked, on_stage: OnStage) -> Reached:
        """Screen, retrieve, draft and judge, as far as the question comes."""

        def begin(name: str, detail: str) -> None:
            asked.deadline.remaining()  # whoever hung up costs no further stage
            on_stage(name, detail)

        begin("screening", "Screening the question")
        screened = self._screen(asked)
        if screened.verdict.action is Action.BLOCK or screened.reply:
            return screened
        begin("searching", "Searching the documents")
        if screened.is_urgent:
            return self._switched_on(self._retrieve(screened))
        drafted = self._kept_draft(screened) or self._new_draft(screened, begin)
        if not isinstance(drafted, Drafted):
            return drafted
        if drafted.draft.abstained:
            return self._larger_asked(drafted, begin)
        begin("judging", "Checking the draft")
        return self._larger_asked(self._judge_or_try_again(drafted), begin)

    def _new_draft(self, screened: Screened, begin: OnStage) -> Retrieved | Drafted:
        """Search and draft, with what near questions lend."""

        def search(over: Over | None = None) -> Retrieved | Drafted:
            return self._searched_draft(screened, begin, over)

        began, usual = time.perf_counter(), self._canary(screened) is None
        near = self._near if usual else None
        drafted = near.drafted(screened, search) if near is not None else search()
        if isinstance(drafted, Drafted) and self._kept is not None and usual:
            self._kept.keep(drafted, time.perf_counter() - began)
        return drafted

    def _searched_draft(
        self, screened: Screened, begin: OnStage, over: Over | None
    ) -> Retrieved | Drafted:
        """Search and draft; nothing is drafted where that would be a guess."""
        retrieved = self._switched_on(self._retrieve(screened, over))
        if retrieved.mode == "retrieval_only":
            return retrieved
        begin("drafting", f"Reading {len(retrieved.evidence)} passages")
        if not retrieved.is_about(self._settings.min_similarity):
            return retrieved
        if retrieved.language and self._extractive is None:
            return retrieved  # the reader could only quote, in a language that was not asked in
        retrieved = self._asked_back(retrieved)
        return retrieved if retrieved.choices else self._draft(retrieved)

    def _larger_asked(self, first: Drafted | Judged, begin: OnStage) -> Drafted | Judged:
        """The first draft, or of a hard question that of the larger generator."""
        if self._larger is None:
            return first

        def drafts(version: Version, retrieved: Retrieved) -> Drafted | None:
            begin("drafting", "Asking a larger model")
            with first.screened.asked.clock.stage("larger draft"):
                return self._tried(version, retrieved)

        return self._larger.improved(first, drafts, self._judge)

    def _kept_draft(self, screened: Screened) -> Drafted | None:
        """The draft of the same question from before, if nothing of it has changed."""
        if self._kept is None or self._canary(screened) is not None:
            return None
        with screened.asked.clock.stage("kept answer"):
            return self._kept.find(screened)

    def specimen(
        self, principal: Principal, ask: Ask, draft: Draft, cited: Sequence[Passage]
    ) -> dict[str, Any]:
        """What a reviewer would see of a draft that somebody wrote; nothing is recorded.

        It is searched for and judged like any other; the passages it cites are among its evidence.
        Raises like ``answer``, and ``Invalid`` for a draft that the policy would block.
        """
        asked = self._begin(principal, ask, Deadline(self._settings.deadline_s))
        screened = self._screen(asked)
        retrieved = self._retrieve(screened)
        hits = _with_cited(retrieved.hits, cited, self._settings.evidence_passages)
        retrieved = replace(retrieved, hits=hits, found=replace(retrieved.found, hits=hits))
        # No second try: a person wrote this draft, and no other is wanted.
        judged = self._judge(Drafted(retrieved, draft))
        if Action.BLOCK in (screened.verdict.action, judged.verdict.action):
            raise Invalid("The policy blocks this question or answer, so no reviewer would see it.")
        return {
            "question": ask.question,
            "searched": retrieved.searched,
            "draft": answer_object(draft),
            "evidence": [passage_object(passage) for passage in retrieved.evidence],
            "findings": [asdict(finding) for finding in judged.findings],
            "verdict": asdict(judged.verdict),
            "gate": {"risk": judged.scored.risk, "drivers": list(judged.scored.drivers)},
        }

    def rehearse(
        self, principal: Principal, ask: Ask, deadline: Deadline | None = None
    ) -> recording.Trail:
        """What would be recorded if this were asked now; nothing is. Raises like ``answer``."""
        principal.require("asker")
        asked = self._begin(principal, ask, deadline or Deadline(self._settings.deadline_s))
        reached = self._work(asked, lambda _name, _detail: None)
        with self._database.reading() as session:
            now = read_again(session, principal, reached.evidence, self._gate, asked.before)
            return self._trail(self._admit(session, reached, now))

    def view(self, principal: Principal, answer_id: str) -> AnswerView:
        """One of the principal's own answers as it stands now; raises ``NotFound``."""
        with self._database.reading() as session:
            return own_view(session, principal, _own_record(session, principal, answer_id))

    def schema(self, principal: Principal, answer_id: str) -> Mapping[str, Any] | None:
        """The schema that one of the principal's own questions came with; raises ``NotFound``."""
        with self._database.reading() as session:
            inputs = _own_record(session, principal, answer_id).inputs or {}
            found: Mapping[str, Any] | None = inputs.get("answer_schema")
            return found

    def history(self, principal: Principal, limit: int) -> list[AnswerView]:
        """The principal's newest answers, newest first."""
        with self._database.reading() as session:
            return [
                own_view(session, principal, record)
                for record in recording.own_records(session, principal.name, limit)
            ]

    # Before the models

    def _begin(
        self, principal: Principal, ask: Ask, deadline: Deadline, *, tried: bool = False
    ) -> Asked:
        """``tried``: another version of the generator may have a part in it."""
        ask = _checked(ask, self._settings.max_question_chars)
        with span("beginning"), self._database.reading() as session:
            before = read_before(session, principal, ask.previous_answer_id, self._gate)
            asked = Asked(
                secrets.token_hex(16),
                ask,
                principal,
                _wanted(ask.collections, before.collections),
                before,
                self._policies.current(),
                deadline,
                StageClock(self._telemetry),
                others=tried,
            )
            if tried and self._trying is not None:
                asked = self._trying.with_trial(session, asked)
        return asked

    # The stages

    def _screen(self, asked: Asked) -> Screened:
        """The stricter verdict on what was asked and, of a follow-up, on what will be searched:
        earlier questions must not carry in what this one could not."""
        with asked.clock.stage("screening"):
            first = self._screen_text(asked, StandAlone(asked.ask.question))
            if not picked(asked.ask.question, asked.before.offered):
                first = replace(first, reply=reply_to(asked.ask.question))
            earlier = asked.before.earlier
            if first.verdict.action is Action.BLOCK or first.reply or not earlier:
                return first
            second = self._screen_text(asked, self._meaning(asked))
        new = [finding for finding in second.findings if finding not in first.findings]
        return replace(
            second,
            scores={**first.scores, **second.scores},
            findings=(*first.findings, *new),
            verdict=max(first.verdict, second.verdict, key=lambda one: SEVERITY[one.action]),
        )

    def _meaning(self, asked: Asked) -> StandAlone:
        """The follow-up as it stands alone; who names one of the things that were asked back has
        asked the full question."""
        question = asked.ask.question
        if choice := picked(question, asked.before.offered):
            return StandAlone(choice.question)
        return make_stand_alone(question, asked.before.earlier, self._rewrite, asked.deadline)

    def _screen_text(self, asked: Asked, meaning: StandAlone) -> Screened:
        vector = self._retriever.embed(meaning.question, asked.deadline)
        scores = self._scores(meaning.question, vector)
        case = replace(asked.case(meaning.question), scores=scores)
        findings, verdict = asked.in_force.judge.screen_question(case)
        said = {meaning.question: scores}
        return Screened(asked, meaning, vector, said, tuple(findings), verdict)

    def _scores(self, text: str, vector: Vectors) -> Mapping[str, float] | None:
        """What the screens say of the text; None, so a review, when they cannot run."""
        try:
            return self._screens.scores(text, vector)
        except ModelRefused:
            return None

    def _retrieve(self, screened: Screened, over: Over | None = None) -> Retrieved:
        asked, meaning = screened.asked, screened.meaning
        if asked.before.pointer is None:
            raise NotReady
        with asked.clock.stage("searching"):
            found = self._retriever.retrieve(
                meaning.question,
                asked.collections,
                self._settings.evidence_passages,
                asked.deadline,
                meaning.history,
                screened.vector,
                asked.before.pointer,
                over,
            )
        return Retrieved(screened, found, found.hits, asked.before.modes.service)

    def _switched_on(self, retrieved: Retrieved) -> Retrieved:
        """Without the hits of collections where nothing is drafted; a collection that is switched
        off leaves the others alone."""
        modes = retrieved.screened.asked.before.modes
        kept = tuple(
            hit
            for hit in retrieved.hits
            if modes.strictest([hit.passage.collection]) != "retrieval_only"
        )
        nothing = bool(retrieved.hits) and not kept
        return replace(retrieved, hits=kept, mode="retrieval_only" if nothing else modes.service)

    def _asked_back(self, retrieved: Retrieved) -> Retrieved:
        """With what the question may be about, where it leaves that open; what a person is to see
        anyway goes to that person."""
        screened = retrieved.screened
        if screened.verdict.action is not Action.RELEASE:
            return retrieved
        earlier = screened.asked.before.earlier
        found = choices(retrieved.question, retrieved.evidence, earlier)
        return replace(retrieved, choices=found)

    def _draft(self, retrieved: Retrieved) -> Drafted:
        with retrieved.screened.asked.clock.stage("drafting"):
            canary = self._canary(retrieved.screened)
            if canary is None:
                return self._drafted(retrieved)
            return self._tried(canary, retrieved) or replace(
                self._drafted(retrieved), failed_version=canary.name
            )

    def _drafted(self, retrieved: Retrieved) -> Drafted:
        """The draft of the version in use; where that fails, the reader's, for a reviewer."""
        asked = retrieved.screened.asked
        try:
            draft = self._written(retrieved.request)
        except DependencyFailed as error:
            if self._extractive is None:
                raise
            log.warning("generator_failed", code=error.code)
            draft = self._extractive.submit(retrieved.request, asked.deadline)
            return Drafted(retrieved, draft, NO_GENERATOR)
        return Drafted(retrieved, draft, _missing(retrieved))

    def _tried(self, version: Version, retrieved: Retrieved) -> Drafted | None:
        """The draft of another version; None where it failed, so that the one in use writes."""
        deadline = retrieved.screened.asked.deadline
        request = replace(retrieved.request, deadline=deadline.part(LEAST_TIME))
        try:
            draft = self._written(request, version)
        except FAILURES as error:
            deadline.remaining()  # whoever hung up says nothing of a version
            log.warning("version_failed", version=version.name, error=type(error).__name__)
            return None
        return Drafted(retrieved, draft, _missing(retrieved), version=version.name)

    def _canary(self, screened: Screened) -> Version | None:
        return self._trying.canary(screened) if self._trying is not None else None

    def _version(self, reached: Reached) -> Version:
        """The version that drafted, with the gate for what it drafted."""
        name = version_of(reached)
        if not name or self._trying is None:
            return self._in_use
        if self._larger is not None and route_of(reached) is not None:
            return self._larger.version
        return self._trying.versions[name]

    def _written(self, request: DraftRequest, version: Version | None = None) -> Draft:
        """The generator's draft, with its tokens counted."""
        draft = (version or self._in_use).drafting.submit(request, request.deadline)
        self._telemetry.spent_tokens(*tokens_of(request, draft))
        return draft

    def _judge_or_try_again(self, drafted: Drafted) -> Judged:
        """The verdict on the draft, or on a second one where that fits the schemas better."""
        judged = self._judge(drafted)
        if Outcome.FAIL in judged.form and judged.verdict.action is not Action.BLOCK:
            return self._try_again(judged)
        return judged

    def _judge(self, drafted: Drafted) -> Judged:
        retrieved, asked = drafted.retrieved, drafted.screened.asked
        evidence = [(hit.passage, hit.similarity) for hit in retrieved.hits]
        question, modes = drafted.screened.meaning.question, asked.before.modes
        scored = self._version(drafted).gate.score(question, drafted.draft, evidence, modes)
        scored = replace(scored, degraded=drafted.degraded)
        case = replace(drafted.case, risk=scored.risk, gated=scored.mode != "off")
        with asked.clock.stage("judging"):
            findings, verdict = asked.in_force.judge.judge(case, drafted.findings)
        return Judged(drafted, scored, tuple(findings), verdict)

    def _try_again(self, first: Judged) -> Judged:
        """The judgement on one more draft if that fits the schemas, else on the first.

        Whatever goes wrong here, the first draft stands with its finding, so it is held.
        """
        try:
            problem = misfit(first.draft, first.screened.asked.ask.answer_schema)
            second = self._second(first.drafted, problem)
        except Exception as error:  # noqa: BLE001 - the second try: a crash leaves the first draft
            return replace(first, second_try=SecondTry("first", type(error).__name__))
        if second is not None and second.form == {Outcome.PASS}:
            return replace(second, second_try=SecondTry("second", recording.FITS, problem))
        outcome = recording.NO_OTHER if second is None else recording.FITS_NEITHER
        return replace(first, second_try=SecondTry("first", outcome, problem))

    def _second(self, first: Drafted, problem: str) -> Judged | None:
        asked, retrieved = first.screened.asked, first.retrieved
        # Half of the time that is left: judging and recording come after it.
        deadline = asked.deadline.part(0.5)
        refused = Misfit(problem, lambda draft: not misfit(draft, asked.ask.answer_schema))
        request = replace(retrieved.request, deadline=deadline, misfit=refused)
        with asked.clock.stage("second try"):
            draft = self._written(request, self._version(first))
        if draft.abstained:
            return None
        degraded = _missing(retrieved)
        return self._judge(replace(first, draft=draft, degraded=degraded, kept_from=""))

    # After the models

    def _record(self, reached: Reached) -> AnswerView:
        """Admit and record in one transaction, with what is true as of then."""
        asked = reached.screened.asked
        keeping, transaction = self._telemetry.keeping(), self._database.transaction()
        with span("recording"), keeping as spent, transaction as session:
            now = read_again(session, asked.principal, reached.evidence, self._gate, asked.before)
            now.principal.require("asker")
            admitted = self._admit(session, reached, now)
            # A late answer is none; nor is one that nobody waits for.
            asked.deadline.remaining(COMMIT_S)
            trail = self._trail(admitted)
            record = recording.write(session, trail, spent)
            note_made(session, record.answer_id)
            if admitted.outcome == "held":
                open_task(session, record, self._settings)
            elif admitted.outcome == "released" and admitted.audited:
                open_task(session, record, self._settings, kind="audit")
            if self._trying is not None:
                self._trying.note(session, admitted)
            if self._larger is not None:
                self._larger.note(session, admitted)
            _kept = list(session.new)  # the session forgets rows that nobody holds
            session.flush()
            view = release.answer_view(session, record, now.standing, written_now=True)
        self._kept_policies.add(asked.in_force.policy.sha256)
        if self._trying is not None:
            self._trying.follow(admitted, self._judge)
        self._count(admitted, trail.shadow)
        return view

    def _admit(self, session: Session, reached: Reached, now: Recheck) -> Admitted:
        if not isinstance(reached, Judged):
            return self._unanswered(reached)
        verdict, asked = reached.verdict, reached.screened.asked
        with asked.clock.stage("gate"):
            said = admission(session, self._version(reached).gate, reached, now.modes)
            if version_of(reached) and route_of(reached) is not None:
                said = under_a_certificate(said)
        outcome, message = redecide.OUTCOMES[verdict.action], verdict.message
        if verdict.action is Action.RELEASE:
            if not _sources_stand(reached, now.standing):
                return self._unanswered(_without_gone(reached, now), SOURCE_GONE_MESSAGE)
            if not said.admitted:
                outcome, message = "held", release.HELD_MESSAGE
        return Admitted(reached, outcome, message, reached.draft, said)

    def _unanswered(
        self, reached: Screened | Retrieved | Drafted, message: str = ABSTAINED_MESSAGE
    ) -> Admitted:
        """No answer was found. A question the policy wants a person to see is held all the
        same: the reviewer may write the answer, or reject."""
        verdict, draft = reached.verdict, reached.draft
        if verdict.action is Action.BLOCK:
            return Admitted(reached, "blocked", verdict.message, draft)
        if verdict.action is Action.REVIEW:
            nothing = Draft((), (), self._models["generator"])
            return Admitted(reached, "held", verdict.message, draft or nothing)
        if isinstance(reached, Screened):
            message = reached.reply
        elif isinstance(reached, Retrieved) and reached.mode == "retrieval_only":
            message = RETRIEVAL_ONLY_MESSAGE
        elif isinstance(reached, Retrieved) and reached.choices:
            message = ASK_BACK_MESSAGE
        elif message == ABSTAINED_MESSAGE and (found := retrieved_of(reached)) and found.language:
            message = other_language_message(found.language)
        return Admitted(reached, "abstained", message, draft)

    def _trail(self, admitted: Admitted) -> recording.Trail:
        reached, screened = admitted.reached, admitted.reached.screened
        asked, policy = screened.asked, screened.asked.in_force.policy
        retrieved, case = retrieved_of(reached), replace(reached.case, draft=admitted.draft)
        shadow = asked.in_force.shadow_verdict(
            redecide.JudgedAnswer(case, reached.findings, admitted.outcome)
        )
        held = release.HELD_MESSAGE if admitted.outcome == "held" else ""
        return recording.Trail(
            answer_id=asked.answer_id,
            principal=asked.principal.name,
            question=asked.ask.question,
            outcome=admitted.outcome,
            message=admitted.message or held,
            draft=admitted.draft,
            evidence=reached.evidence,
            findings=reached.findings,
            verdict=reached.verdict,
            lineage=self._lineage(admitted, retrieved),
            searched=retrieved.searched if retrieved else screened.searched,
            timings_ms=asked.clock.timings_ms,
            gate=self._gate_entry(admitted, retrieved),
            answer_schema=asked.ask.answer_schema,
            second_try=reached.second_try if isinstance(reached, Judged) else None,
            scores=screened.scores,
            policy=None if policy.sha256 in self._kept_policies else policy.content,
            facts={"roles": list(case.asker.roles), "risk": case.risk},
            shadow=shadow,
        )

    def _gate_entry(self, admitted: Admitted, retrieved: Retrieved | None) -> dict[str, Any]:
        route = route_of(admitted.reached)
        entry = self._gate_words(admitted, retrieved)
        return entry if route is None else {**entry, "route": route.stored()}

    def _gate_words(self, admitted: Admitted, retrieved: Retrieved | None) -> dict[str, Any]:
        if admitted.admission is not None:
            return admitted.admission.stored(self._version(admitted.reached).gate.lineage)
        if retrieved is None:
            return self._gate.unasked(admitted.reached.screened.asked.before.modes.service, None)
        return self._gate.unasked(retrieved.mode, retrieved.found.best_similarity)

    def _lineage(self, admitted: Admitted, retrieved: Retrieved | None) -> dict[str, str]:
        version = retrieved.found.version_id if retrieved else ""
        drafted_by = self._version(admitted.reached)
        risk = {"risk_sha256": drafted_by.gate.lineage.get("risk_sha256", "")}
        if admitted.admission is not None and admitted.admission.certificate_id:
            risk["certificate"] = admitted.admission.certificate_id
        policy = {"policy_sha256": admitted.reached.screened.asked.in_force.policy.sha256}
        kept = kept_from(admitted.reached)
        first = {"kept_from": kept} if kept else {}
        tried = {"generator_version": drafted_by.name} if drafted_by.name else {}
        return {"index_version": version, **drafted_by.models, **policy, **risk, **first, **tried}

    def _count(self, admitted: Admitted, shadow: Mapping[str, Any] | None) -> None:
        self._telemetry.answers.labels(admitted.outcome).inc()
        if shadow is not None:
            self._telemetry.shadow.labels(shadow["agreement"]).inc()
        said = admitted.admission
        if said is not None and admitted.reached.verdict.action is Action.RELEASE:
            self._telemetry.gate.labels(said.mode, str(said.admitted).lower()).inc()
        if (route := route_of(admitted.reached)) is not None:
            self._telemetry.larger.labels(route.outcome).inc()
        for finding in admitted.reached.findings:
            if finding.outcome is not Outcome.PASS:
                self._telemetry.findings.labels(finding.check, finding.outcome.value).inc()


def _own_record(session: Session, principal: Principal, answer_id: str) -> RecordRow:
    record = session.get(RecordRow, answer_id)
    if record is None or record.principal != principal.name:
        raise NotFound("There is no such answer.")
    return record


def _checked(ask: Ask, max_chars: int) -> Ask:
    """With the question stripped; raises where something of it cannot be asked."""
    question = checked_question(ask.question, max_chars)
    if ask.answer_schema is not None:
        try:
            check_caller_schema(ask.answer_schema)
        except SchemaInvalid as error:
            raise SchemaRefused(str(error)) from error
    return replace(ask, question=question)


def checked_question(text: str, max_chars: int) -> str:
    """The question, stripped; raises when it is empty, too long or not text."""
    question = text.strip()
    if len(question) > max_chars:
        raise TooLarge(f"A question has at most {max_chars} characters.")
    if any(unicodedata.category(c) in ("Cc", "Cs", "Co") and c not in "\n\t\r" for c in question):
        raise QuestionNotText
    if not any(c.isalnum() for c in question):
        raise QuestionEmpty
    return question


def other_language_message(language: str) -> str:
    """What who asked in another language than ``language``, that of what was found, is told."""
    if language not in FUNCTION_WORDS:  # the name of a script
        return "Please ask in the language of the documents."
    return f"Please ask in {language}: what was found is in that language."


def _wanted(collections: Sequence[str] | None, readable: Sequence[str]) -> tuple[str, ...]:
    """The collections to search; what is out of scope looks like what does not exist."""
    if collections is None:
        return tuple(readable)
    for name in collections:
        if name not in readable:
            raise NotFound(f"There is no collection {name[:80]!r}, or you may not see it.")
    return tuple(dict.fromkeys(collections))


def _missing(retrieved: Retrieved) -> str:
    return "" if retrieved.found.ranked else NO_READER


def _sources_stand(judged: Judged, standing: frozenset[str]) -> bool:
    cited = {citation.passage_id for citation in judged.draft.citations}
    return {passage.id for passage in judged.evidence} & cited <= standing


def _without_gone(judged: Judged, now: Recheck) -> Retrieved:
    """What was found, without what is gone: no record is made of it."""
    retrieved = judged.retrieved
    hits = tuple(hit for hit in retrieved.hits if hit.passage.id in now.standing)
    found = replace(retrieved.found, hits=hits)
    return replace(retrieved, found=found, hits=hits)


def _with_cited(hits: Sequence[Hit], cited: Sequence[Passage], most: int) -> tuple[Hit, ...]:
    """At most ``most`` hits, or all that are cited; those that were not found come first."""
    named = {passage.id for passage in cited}
    found = {hit.passage.id for hit in hits}
    first = [Hit(passage, None) for passage in dict.fromkeys(cited) if passage.id not in found]
    others = [hit for hit in hits if hit.passage.id not in named][: max(most - len(named), 0)]
    return (*first, *(hit for hit in hits if hit.passage.id in named or hit in others))
