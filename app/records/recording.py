"""The write-once trail of every answer, and what is read back from it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import now
from app.records.audit import append_audit, lock_head
from app.records.days import count_recorded
from app.records.release import release
from app.records.tables import PolicyRow, RecordRow, SettlementRow
from app.telemetry import NOTHING, Spent
from guardrails.contract import (
    AnswerObject,
    Asker,
    Case,
    Citation,
    Draft,
    Finding,
    Outcome,
    Passage,
    Sentence,
    Verdict,
    answer_object,
    canonical_sha256,
    passage_object,
)

FITS, FITS_NEITHER, NO_OTHER = "it fits", "it does not fit either", "no other draft"
"""What became of a second try that did not crash."""


@dataclass(frozen=True)
class SecondTry:
    """A draft that did not fit a schema made the generator try once more.

    ``judged`` says which draft the record holds, and ``outcome`` why: words, or the type of an
    error. ``problem`` is where the first draft did not fit.
    """

    judged: Literal["first", "second"]
    outcome: str
    problem: str = ""

    @property
    def message(self) -> str:
        """For reviewers: why there was a second draft, and which of the two they see."""
        why = f" ({self.problem})" if self.problem else ""
        told = {FITS: FITS, FITS_NEITHER: FITS_NEITHER, NO_OTHER: "there was none"}
        became = told.get(self.outcome, f"that failed ({self.outcome})")
        shown = "and is" if self.judged == "second" else "so the first is"
        return (
            f"The first draft did not fit the schema{why}, so a second one was asked for: "
            f"{became}, {shown} shown here."
        )


@dataclass(frozen=True)
class Trail:
    """Everything about one answer that the record keeps.

    ``facts`` and ``shadow`` are as in the table's docstring.
    """

    answer_id: str
    principal: str
    question: str
    outcome: str
    message: str
    draft: Draft | None
    evidence: Sequence[Passage]
    findings: Sequence[Finding]
    verdict: Verdict
    lineage: Mapping[str, str]
    searched: Mapping[str, Any]
    timings_ms: Mapping[str, float]
    gate: Mapping[str, Any] | None = None
    answer_schema: Mapping[str, Any] | None = None
    second_try: SecondTry | None = None
    scores: Mapping[str, Mapping[str, float] | None] = field(default_factory=dict)
    policy: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    shadow: Mapping[str, Any] | None = None

    def draft_object(self) -> AnswerObject | None:
        """The draft as JSON types, or None when nothing was drafted."""
        return answer_object(self.draft) if self.draft is not None else None

    def inputs(self) -> dict[str, Any]:
        """What judging saw that the answer object leaves out; it never leaves the service."""
        return {
            "answer_schema": self.answer_schema,
            "second_try": asdict(self.second_try) if self.second_try is not None else None,
            "scores": {text: scores and dict(scores) for text, scores in self.scores.items()},
            "model": self.draft.model if self.draft is not None else "",
            "features": _storable(self.draft.features) if self.draft is not None else {},
        }

    def evidence_objects(self) -> list[dict[str, Any]]:
        """The evidence passages as JSON types."""
        return [passage_object(passage) for passage in self.evidence]


def _storable(features: Mapping[str, float]) -> dict[str, float | str]:
    """JSON has no NaN and no infinity: such figures are kept as words, which ``float`` reads."""
    return {k: float(v) if math.isfinite(v) else str(float(v)) for k, v in features.items()}


def content_hash(
    question: str, draft: Any, evidence: Sequence[Any], lineage: Mapping[str, str]
) -> str:
    """SHA-256 over what a reviewer sees; recomputed from the row before a decision counts."""
    return canonical_sha256(
        {"question": question, "draft": draft, "evidence": evidence, "lineage": lineage}
    )


def write(session: Session, trail: Trail, spent: Spent = NOTHING) -> RecordRow:
    """Add the record and its audit link; a released draft is released in the same breath.

    ``spent`` is what the process has spent since the record before.
    """
    draft, evidence, lineage = trail.draft_object(), trail.evidence_objects(), dict(trail.lineage)
    row = RecordRow(
        answer_id=trail.answer_id,
        principal=trail.principal,
        question=trail.question,
        outcome=trail.outcome,
        message=trail.message,
        draft=draft,
        evidence=evidence,
        findings=[dict(vars(finding)) for finding in trail.findings],
        verdict=asdict(trail.verdict),
        lineage=lineage,
        searched=dict(trail.searched),
        timings_ms=dict(trail.timings_ms),
        inputs=trail.inputs(),
        # What an approval binds to: the exact draft, its evidence and its lineage.
        content_sha256=content_hash(trail.question, draft, evidence, lineage),
        created_at=now(),
        gate=dict(trail.gate) if trail.gate is not None else None,
        facts=dict(trail.facts),
        shadow=None if trail.shadow is None else dict(trail.shadow),
        number=lock_head(session).number + 1,
        conversation=_conversation(session, trail),
    )
    session.add(row)
    session.flush()
    append_audit(
        session,
        "recorded",
        {"answer_id": row.answer_id, "outcome": row.outcome, "content_sha256": row.content_sha256},
    )
    count_recorded(session, row, spent)
    keep_policy(session, trail)
    if trail.outcome == "released" and row.draft is not None:
        release(session, row, row.draft, released_by="policy", edited=False)
    return row


def _conversation(session: Session, trail: Trail) -> str:
    """That of the answer it follows; a new one is called after its first answer."""
    previous = trail.searched.get("previous_answer_id")
    if previous is None:
        return trail.answer_id
    query = select(RecordRow.conversation).where(RecordRow.answer_id == previous)
    return session.scalar(query) or str(previous)


def keep_policy(session: Session, trail: Trail) -> None:
    """Store the policy once; after ``append_audit``, whose lock keeps other writers waiting."""
    sha256 = trail.verdict.policy_sha256
    if trail.policy is not None and session.get(PolicyRow, sha256) is None:
        session.add(PolicyRow(sha256=sha256, content=dict(trail.policy), first_used_at=now()))


def policy_content(session: Session, sha256: str) -> dict[str, Any] | None:
    """The content of a policy that judged an answer, or None when it was not kept."""
    row = session.get(PolicyRow, sha256)
    return row.content if row is not None else None


def own_records(session: Session, principal: str, limit: int) -> list[RecordRow]:
    """A principal's newest records, newest first."""
    query = (
        select(RecordRow)
        .where(RecordRow.principal == principal)
        .order_by(RecordRow.created_at.desc())
        .limit(limit)
    )
    return list(session.scalars(query))


def conversation(session: Session, principal: str, answer_id: str, turns: int) -> list[RecordRow]:
    """The answer and those it follows, oldest first, at most ``turns``; only the principal's own,
    so [] when the first is not."""
    found: list[RecordRow] = []
    wanted: str | None = answer_id
    while wanted is not None and len(found) < turns:
        row = session.get(RecordRow, wanted)
        if row is None or row.principal != principal:
            break
        found.insert(0, row)
        wanted = row.searched.get("previous_answer_id")
    return found


class Searched(Protocol):
    """What was asked, and what was searched for it: a record, or what a list shows of one."""

    @property
    def question(self) -> str:
        """As it was asked."""

    @property
    def searched(self) -> Mapping[str, Any]:
        """As in the record."""


def searched_for(record: Searched) -> str:
    """What the question was taken to mean: of a follow-up, the form that stands alone."""
    return record.searched.get("question") or record.question


def read_as(record: Searched) -> str:
    """What passages were read with: what was searched for, without slips of typing."""
    return record.searched.get("read_as") or searched_for(record)


def recorded_case(record: RecordRow) -> Case:
    """What was judged: the question as it stands alone, the draft and its evidence, on that day."""
    facts, inputs = record.facts or {}, record.inputs or {}
    return Case(
        searched_for(record),
        recorded_draft(record),
        tuple(map(recorded_passage, record.evidence)),
        inputs.get("answer_schema"),
        Asker(record.principal, tuple(facts.get("roles", ()))),
        facts.get("risk"),
        today=record.created_at.date(),
        gated=(record.gate or {}).get("mode", "off") != "off",
    )


def recorded_passage(stored: Mapping[str, Any]) -> Passage:
    """The passage as it was judged; older records know no headings."""
    return Passage(**{**stored, "headings": tuple(stored.get("headings", ()))})


def recorded_draft(record: RecordRow) -> Draft | None:
    """The draft, with the model and the features that the answer object leaves out."""
    if record.draft is None:
        return None
    inputs = record.inputs or {}
    return Draft(
        tuple(Sentence(s["text"], tuple(s["citations"])) for s in record.draft["sentences"]),
        tuple(map(_citation, record.draft["citations"])),
        inputs.get("model", ""),
        record.draft["short"],
        {name: float(value) for name, value in inputs.get("features", {}).items()},
    )


def _citation(stored: Mapping[str, Any]) -> Citation:
    return Citation(**stored)


def recorded_second_try(record: RecordRow) -> SecondTry | None:
    """The second try, or None when the first draft fitted."""
    kept = (record.inputs or {}).get("second_try")
    return None if kept is None else SecondTry(**kept)


def recorded_findings(record: RecordRow) -> tuple[Finding, ...]:
    """All findings on the question and the draft, in order."""
    return tuple(Finding(**{**one, "outcome": Outcome(one["outcome"])}) for one in record.findings)


def recent_records(session: Session, since: datetime | None, limit: int) -> list[RecordRow]:
    """All principals' newest records, newest first, none older than ``since``, and none whose words
    were erased: there is nothing left to judge."""
    erased = select(SettlementRow.answer_id).where(SettlementRow.state == "erased")
    query = select(RecordRow).where(RecordRow.answer_id.not_in(erased))
    query = query.order_by(RecordRow.created_at.desc()).limit(limit)
    if since is not None:
        query = query.where(RecordRow.created_at >= since)
    return list(session.scalars(query))
