"""Other versions of the generator: which one drafts a question while one of them is tried."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import structlog
from sqlalchemy.orm import Session

from app.answering.stages import Admitted, Asked, Drafted, Judged, Reached, Screened, drafted_of
from app.db import Database
from app.deadline import Deadline
from app.gate.admission import Admission, Gate
from app.gate.modes import Modes
from app.gate.trials import Trials
from app.ports import Drafting
from guardrails.contract import Action
from guardrails.gate.comparison import ABSTAINED, FAILED, HELD, POLICY_HELD, Outcome

MOST_BEHIND = 16
"""Questions that wait for the shadow; what comes while so many wait is left out."""
LEAST_TIME = 0.5
"""A canary has that part of the time that is left: after it the other version still can answer."""
log = structlog.get_logger()


@dataclass(frozen=True)
class Version:
    """Who drafts, the gate with that generator's risk and certificates, and what records name."""

    name: str
    drafting: Drafting
    gate: Gate
    models: Mapping[str, str]
    warm_up: Callable[[], None] = lambda: None


Judging = Callable[[Drafted], Judged]


class Trying:
    """The versions beside the one in use, and the trial of one of them, where one runs."""

    def __init__(
        self, database: Database, trials: Trials, versions: Mapping[str, Version], deadline_s: float
    ) -> None:
        self._database, self._trials, self._deadline_s = database, trials, deadline_s
        self.versions = versions
        self._thread = ThreadPoolExecutor(1, "shadow")
        self._places = threading.BoundedSemaphore(MOST_BEHIND)

    def with_trial(self, session: Session, asked: Asked) -> Asked:
        """The question with the trial that runs."""
        return replace(asked, trial=self._trials.running(session))

    def canary(self, screened: Screened) -> Version | None:
        """The version that drafts this question as a canary; None: the one in use."""
        trial = screened.asked.trial
        if trial is None or trial.shadow or not _taken(screened):
            return None
        return self.versions[trial.version]

    def note(self, session: Session, admitted: Admitted) -> None:
        """What became of a question while a canary is tried, in the transaction that records it;
        what came to no draft says nothing of versions."""
        reached, trial = admitted.reached, admitted.reached.screened.asked.trial
        if trial is None or trial.shadow or not (drafted := drafted_of(reached)):
            return
        if drafted.failed_version:
            self._trials.note(session, trial, {FAILED: True}, tried=True)
            return
        outcome = _outcome(reached, admitted.admission)
        self._trials.note(session, trial, outcome, tried=bool(drafted.version))

    def follow(self, admitted: Admitted, judge: Judging) -> None:
        """Let the shadow answer what was just answered, on a thread of its own."""
        screened = admitted.reached.screened
        trial = screened.asked.trial
        if (
            trial is None
            or not trial.shadow
            or not _taken(screened)
            or not drafted_of(admitted.reached)
        ):
            return
        if self._places.acquire(blocking=False):
            self._thread.submit(self._shadow, admitted, judge)

    def warm_up(self) -> None:
        """Load the version that is tried now, if there is one."""
        with self._database.reading() as session:
            trial = self._trials.running(session)
        if trial is not None:
            self.versions[trial.version].warm_up()

    def close(self) -> None:
        """Begin nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _shadow(self, admitted: Admitted, judge: Judging) -> None:
        try:
            self._answer_beside(admitted, judge)
        except Exception as error:  # noqa: BLE001 - the worker loop: the next one must be answered
            log.warning("shadow_not_recorded", error=type(error).__name__)
        finally:
            self._places.release()

    def _answer_beside(self, admitted: Admitted, judge: Judging) -> None:
        drafted = drafted_of(admitted.reached)
        assert drafted is not None
        asked = drafted.screened.asked
        trial = asked.trial
        assert trial is not None
        version = self.versions[trial.version]
        other = _outcome(admitted.reached, admitted.admission)
        beside = self._drafted_by(version, drafted, judge)
        with self._database.transaction() as session:
            if beside is None:
                args = (trial, asked.answer_id, None, {FAILED: True})
                self._trials.note_shadow(session, *args, {**other, FAILED: False})
                return
            said = None
            if isinstance(beside, Judged):
                said = admission(session, version.gate, beside, version.gate.modes(session))
            tried = _outcome(beside, said)
            self._trials.note_shadow(session, trial, asked.answer_id, beside.draft, tried, other)

    def _drafted_by(
        self, version: Version, drafted: Drafted, judge: Judging
    ) -> Drafted | Judged | None:
        """The version's own draft over the same evidence, judged; None where it failed."""
        retrieved = drafted.retrieved
        request = replace(retrieved.request, deadline=Deadline(self._deadline_s))
        try:
            draft = version.drafting.submit(request, request.deadline)
        except Exception as error:  # noqa: BLE001 - the worker loop: a failure is an outcome here
            log.warning("shadow_failed", version=version.name, error=type(error).__name__)
            return None
        beside = Drafted(retrieved, draft, drafted.degraded, version=version.name)
        return beside if draft.abstained else judge(beside)


def _taken(screened: Screened) -> bool:
    trial, asked = screened.asked.trial, screened.asked
    return trial is not None and trial.takes(asked.principal.name, screened.meaning.question)


def _outcome(reached: Reached, admission: Admission | None) -> Outcome:
    """What is known of an answer, by measure; the gate's word counts only under a certificate."""
    if not isinstance(reached, Judged):
        return {FAILED: False, ABSTAINED: True, POLICY_HELD: False, HELD: False}
    held = reached.verdict.action is not Action.RELEASE
    found = {FAILED: False, ABSTAINED: False, POLICY_HELD: held}
    if admission is not None and admission.certificate is not None:
        found[HELD] = held or not admission.admitted
    return found


def admission(session: Session, gate: Gate, reached: Judged, modes: Modes) -> Admission:
    """What the gate says of a judged draft under these modes; nothing goes out by it."""
    asked = reached.screened.asked
    return gate.admit(
        session,
        modes,
        asked.answer_id,
        reached.draft,
        reached.evidence,
        reached.findings,
        reached.scored,
        asked=reached.verdict.action is Action.RELEASE,
        topics=asked.in_force.policy.topics,
    )
