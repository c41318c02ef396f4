"""New drafts for review tasks: the same task and question, another content with another hash."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import now
from app.errors import Invalid
from app.records.audit import append_audit
from app.records.erasing import no_answer
from app.records.recording import Trail, content_hash, keep_policy
from app.records.tables import RecordRow
from app.review.priority import cause_of, shown_risk
from app.review.scopes import scope_of
from app.review.tables import ApprovalRow, RedraftRow, ReviewTaskRow
from guardrails.contract import AnswerObject

SERVICE = ""
"""Who makes the draft of an answer that is reviewed again."""


def newest_redraft(session: Session, task_id: str) -> RedraftRow | None:
    """The draft that counts instead of the record's, if one was made."""
    query = select(RedraftRow).where(RedraftRow.task_id == task_id)
    return session.scalar(query.order_by(RedraftRow.number.desc()).limit(1))


def newest_redrafts(session: Session, task_ids: Iterable[str]) -> dict[str, RedraftRow]:
    """By task, the draft that counts."""
    query = select(RedraftRow).where(RedraftRow.task_id.in_(list(task_ids)))
    return {row.task_id: row for row in session.scalars(query.order_by(RedraftRow.number))}


def with_redraft(record: RecordRow, redraft: RedraftRow | None) -> RecordRow:
    """What reviewers see of the record; with a new draft it is in no session and never stored."""
    if redraft is None:
        return record
    kept = {name: getattr(record, name) for name in ("answer_id", "principal", "question")}
    same = {"outcome": record.outcome, "message": record.message, "facts": record.facts}
    return RecordRow(
        **kept,
        **same,
        **redraft.content,
        content_sha256=redraft.content_sha256,
        created_at=record.created_at,
    )


def keep_redraft(
    session: Session, task: ReviewTaskRow, record: RecordRow, trail: Trail, by: str
) -> None:
    """Put what a new run over the same question came to in the place of the draft.

    Approvals of the draft before count no more. Raises ``Invalid`` for what the policy blocks.
    """
    if trail.outcome == "blocked":
        raise Invalid("The policy blocks this question now; reject it.")
    exchange_draft(session, task, record, drafted_content(trail), by)
    keep_policy(session, trail)
    session.flush()


def drafted_content(trail: Trail) -> dict[str, Any]:
    """What a run over the question came to, in the fields of a record that reviewers see."""
    return {
        "draft": trail.draft_object() or no_answer(),
        "evidence": trail.evidence_objects(),
        "findings": [asdict(finding) for finding in trail.findings],
        "verdict": asdict(trail.verdict),
        "lineage": dict(trail.lineage),
        "searched": dict(trail.searched),
        "inputs": trail.inputs(),
        "gate": None if trail.gate is None else dict(trail.gate),
    }


def hash_of(record: RecordRow, content: Mapping[str, Any]) -> str:
    """The content hash of the task once it shows ``content``."""
    parts = (content[name] for name in ("draft", "evidence", "lineage"))
    return content_hash(record.question, *parts)


def exchange_draft(
    session: Session, task: ReviewTaskRow, record: RecordRow, content: dict[str, Any], by: str
) -> None:
    """Put ``content`` in the place of the draft, with what lists show of the task."""
    _keep(session, task, record, content, by)
    verdict = content["verdict"]
    task.scope = scope_of(session, content["evidence"], content["searched"])
    task.four_eyes = task.four_eyes or verdict["four_eyes"]
    task.cause = cause_of(content["draft"], content["findings"], verdict)
    task.risk = shown_risk(verdict, content["gate"])
    session.flush()


def keep_released(
    session: Session,
    task: ReviewTaskRow,
    record: RecordRow,
    answer: AnswerObject,
    cited: Sequence[Mapping[str, Any]],
) -> None:
    """Let reviewers see what went out, where a reviewer had written it, and what that cites."""
    names = ("findings", "verdict", "lineage", "searched", "inputs", "gate")
    content = {name: getattr(record, name) for name in names}
    known = {one["id"] for one in record.evidence}
    more = [dict(one) for one in cited if one["id"] not in known]
    content |= {"draft": answer, "evidence": [*record.evidence, *more]}
    _keep(session, task, record, content, SERVICE)


def _keep(
    session: Session, task: ReviewTaskRow, record: RecordRow, content: dict[str, Any], by: str
) -> None:
    before = newest_redraft(session, task.id)
    newest = select(func.max(ApprovalRow.number)).where(ApprovalRow.task_id == task.id)
    row = RedraftRow(
        task_id=task.id,
        number=1 if before is None else before.number + 1,
        content=content,
        content_sha256=hash_of(record, content),
        approvals_before=session.scalar(newest) or 0,
        made_by=by,
        made_at=now(),
    )
    session.add(row)
    event = {"task_id": task.id, "by": by, "content_sha256": row.content_sha256}
    append_audit(session, "drafted_again", event)
