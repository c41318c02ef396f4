"""Trials of generator versions: as a canary one answers a share of the questions, in the shadow it
answers beside and nobody sees it; whichever does worse is stopped by itself."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.db import Database, iso, now
from app.errors import Conflict, Invalid, NotFound
from app.gate.tables import ShadowAnswerRow, TrialRow
from app.records.audit import append_audit, lock_head
from app.records.tables import RecordRow, SettlementRow
from guardrails.contract import Draft, answer_object
from guardrails.gate.binomial import GateInvalid
from guardrails.gate.comparison import ABSTAINED, FAILED, HELD, Comparison, Outcome

RUNNING, STOPPED, ROLLED_BACK = "running", "stopped", "rolled_back"
TRIED, OTHER = "tried", "other"
ITSELF = "trial"
"""Who ends a trial that is worse."""
MOST_WAITING = 20
"""Outcomes of one version that wait for one of the other; the oldest are left out."""
DAMAGED = "Its figures are damaged."
WORSE = {
    FAILED: "It fails more often.",
    ABSTAINED: "It abstains more often.",
    HELD: "It is held more often.",
}


@dataclass(frozen=True)
class Trial:
    """A trial that runs: ``version`` takes a ``share`` of the questions, in the ``shadow`` or as
    a canary."""

    id: str
    version: str
    shadow: bool
    share: float

    def takes(self, principal: str, question: str) -> bool:
        """Whether it takes this request: the same one always, whichever process is asked."""
        told = "\0".join((self.id, principal, question)).encode("utf-8", "surrogatepass")
        return int.from_bytes(blake2b(told, digest_size=7).digest()) < self.share * 2**56


@dataclass(frozen=True)
class TrialView:
    """A trial as operators see it; ``answers`` counts outcomes of both versions, ``pairs`` what
    the test knows."""

    id: str
    version: str
    shadow: bool
    share: float
    state: str
    reason: str
    answers: Mapping[str, Mapping[str, int]]
    pairs: Mapping[str, Mapping[str, int]]
    started_by: str
    started_at: str
    ended_by: str
    ended_at: str | None


@dataclass(frozen=True)
class ShadowAnswerView:
    """What a version in the shadow drafted beside a recorded draft; None where there is none."""

    answer_id: str
    version: str
    question: str
    recorded: Mapping[str, Any] | None
    draft: Mapping[str, Any] | None
    outcome: Outcome


class Trials:
    """The trials of one database, of which one runs at most; ``versions`` are those that the
    settings name, and ``delta`` is how often a trial may be stopped that is no worse."""

    def __init__(self, database: Database, versions: Collection[str], delta: float) -> None:
        self._database, self._versions, self._delta = database, versions, delta

    def start(self, version: str, share: float, by: str, *, shadow: bool = False) -> TrialView:
        """Begin a trial. Raises ``NotFound`` for a version that the settings do not name,
        ``Invalid`` for a share outside (0, 1], ``Conflict`` while another one runs."""
        if version not in self._versions:
            raise NotFound(f"The setting generator_versions names no version {version[:80]!r}.")
        if not 0 < share <= 1:
            raise Invalid("A share is above 0 and at most 1.")
        with self._database.transaction() as session:
            lock_head(session)
            if (other := _running(session)) is not None:
                raise Conflict(f"A trial of {other.version} runs; stop it first.")
            row = TrialRow(
                id=secrets.token_hex(16),
                version=version,
                shadow=shadow,
                share=share,
                state=RUNNING,
                reason="",
                comparison=Comparison.start().to_state(),
                answers={},
                waiting={},
                started_by=by,
                started_at=now(),
                ended_by="",
                ended_at=None,
            )
            session.add(row)
            told = {"trial": row.id, "version": version, "shadow": shadow, "share": share}
            append_audit(session, "trial_started", {**told, "by": by})
            return _view(row)

    def stop(self, by: str, reason: str) -> TrialView:
        """End the trial that runs; raises ``NotFound`` where none does."""
        with self._database.transaction() as session:
            lock_head(session)
            row = _running(session)
            if row is None:
                raise NotFound("No trial runs.")
            _end(session, row, STOPPED, reason, by)
            return _view(row)

    def listed(self, limit: int = 20) -> list[TrialView]:
        """The newest trials, newest first."""
        query = select(TrialRow).order_by(TrialRow.started_at.desc()).limit(limit)
        with self._database.reading() as session:
            return [_view(row) for row in session.scalars(query)]

    def shadow_answers(self, limit: int = 20) -> list[ShadowAnswerView]:
        """The newest answers of versions in the shadow, newest first; for operators only."""
        query = (
            select(ShadowAnswerRow, TrialRow.version, RecordRow.question, RecordRow.draft)
            .join(TrialRow, TrialRow.id == ShadowAnswerRow.trial_id)
            .join(RecordRow, RecordRow.answer_id == ShadowAnswerRow.answer_id)
            .order_by(ShadowAnswerRow.made_at.desc())
            .limit(limit)
        )
        with self._database.reading() as session:
            return [
                ShadowAnswerView(row.answer_id, version, question, draft, row.draft, row.outcome)
                for row, version, question, draft in session.execute(query)
            ]

    def running(self, session: Session) -> Trial | None:
        """The trial that runs, of a version that this process has."""
        row = _running(session)
        if row is None or row.version not in self._versions:
            return None
        return Trial(row.id, row.version, row.shadow, row.share)

    def note(self, session: Session, trial: Trial, outcome: Outcome, *, tried: bool) -> None:
        """What became of one answer of a canary, or beside it; each is paired with the newest of
        the other version that has no pair. The trial ends here when it is worse."""
        row = session.get(TrialRow, trial.id, with_for_update=True)
        if row is None or row.state != RUNNING:
            return
        mine, other = (TRIED, OTHER) if tried else (OTHER, TRIED)
        row.answers = _counted(row.answers, mine, outcome)
        waiting = {of: list(found) for of, found in row.waiting.items()}
        if not waiting.get(other):
            row.waiting = {mine: [*waiting.get(mine, ()), dict(outcome)][-MOST_WAITING:]}
            return
        beside = waiting[other].pop()
        row.waiting = waiting
        self._compare(session, row, *((outcome, beside) if tried else (beside, outcome)))

    def note_shadow(
        self,
        session: Session,
        trial: Trial,
        answer_id: str,
        draft: Draft | None,
        tried: Outcome,
        other: Outcome,
    ) -> None:
        """What the shadow made of an answer beside the version that answered it; its draft is
        kept, unless the answer has been erased meanwhile."""
        row = session.get(TrialRow, trial.id, with_for_update=True)
        if row is None or row.state != RUNNING:
            return
        row.answers = _counted(_counted(row.answers, TRIED, tried), OTHER, other)
        self._compare(session, row, tried, other)
        record = session.get(RecordRow, answer_id, with_for_update=True)
        settled = session.get(SettlementRow, answer_id)
        if record is not None and (settled is None or settled.state != "erased"):
            content = None if draft is None else dict(answer_object(draft))
            shadow = ShadowAnswerRow(answer_id=answer_id, trial_id=row.id, draft=content)
            shadow.outcome, shadow.made_at = dict(tried), now()
            session.add(shadow)

    def _compare(self, session: Session, row: TrialRow, tried: Outcome, other: Outcome) -> None:
        try:
            comparison = Comparison.restore(row.comparison).observe(tried, other)
        except GateInvalid:
            _end(session, row, ROLLED_BACK, DAMAGED, ITSELF)
            return
        row.comparison = comparison.to_state()
        if (measure := comparison.worse(self._delta)) is not None:
            _end(session, row, ROLLED_BACK, WORSE[measure], ITSELF)


def forget_shadow(session: Session, answer_id: str) -> None:
    """Delete what a shadow answered, in a transaction that is open."""
    session.execute(delete(ShadowAnswerRow).where(ShadowAnswerRow.answer_id == answer_id))


def _running(session: Session) -> TrialRow | None:
    return session.scalar(select(TrialRow).where(TrialRow.state == RUNNING).limit(1))


def _end(session: Session, row: TrialRow, state: str, reason: str, by: str) -> None:
    row.state, row.reason, row.ended_by, row.ended_at = state, reason, by, now()
    row.waiting = {}
    event = {"trial": row.id, "version": row.version, "reason": reason, "by": by}
    append_audit(session, f"trial_{state}", event)


def _counted(answers: Mapping[str, Any], of: str, outcome: Outcome) -> dict[str, Any]:
    """The counts with one answer more of one of the versions."""
    own = dict(answers.get(of, {}))
    for name in ("answers", *(measure for measure, bad in outcome.items() if bad)):
        own[name] = own.get(name, 0) + 1
    return {**answers, of: own}


def _view(row: TrialRow) -> TrialView:
    return TrialView(
        id=row.id,
        version=row.version,
        shadow=row.shadow,
        share=row.share,
        state=row.state,
        reason=row.reason,
        answers=row.answers,
        pairs=row.comparison,
        started_by=row.started_by,
        started_at=iso(row.started_at) or "",
        ended_by=row.ended_by,
        ended_at=iso(row.ended_at),
    )
