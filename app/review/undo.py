"""A decision taken back by its reviewer at once, and what waits until that is over.

The asker sees an approved answer at once. What is measured by a decision (labels, probes, second
reviews) waits until it can be undone no more: measurements cannot be taken back.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from app.db import database_time, iso, now
from app.errors import UndoTooLate
from app.records.audit import append_audit
from app.records.release import recall, restore
from app.records.tables import ReleaseRow
from app.review.tables import (
    ApprovalRow,
    DecisionRow,
    PendingDecisionRow,
    ProbeRow,
    ReviewTaskRow,
    SupersededDecisionRow,
)
from app.review.tasks import open_again

LONGEST = timedelta(seconds=600)
"""More than ``undo_seconds`` may be: what is due later was written while a clock was ahead."""
RELEASE_FIELDS = ("answer", "released_by", "edited")


def release_before(session: Session, answer_id: str) -> dict[str, Any] | None:
    """The release of an answer as it is before a decision, to be put back; None without one."""
    row = session.get(ReleaseRow, answer_id)
    if row is None or row.withdrawn_at is not None:
        return None
    return {name: getattr(row, name) for name in RELEASE_FIELDS} | {"at": iso(row.released_at)}


def keep_pending(
    session: Session,
    task: ReviewTaskRow,
    seconds: float,
    *,
    wrong: bool,
    before: dict[str, Any] | None,
) -> None:
    """Say until when a decision can be undone."""
    due = database_time(session) + timedelta(seconds=seconds)
    row = PendingDecisionRow(task_id=task.id, due_at=due, wrong=wrong, before=before)
    session.add(row)


def due_tasks(session: Session, moment: datetime) -> list[str]:
    """Tasks whose decision can be undone no more, and was not measured yet."""
    row = PendingDecisionRow
    due = or_(row.due_at <= moment, row.due_at > moment + LONGEST)
    return list(session.scalars(select(row.task_id).where(due).order_by(row.due_at)))


def is_over(pending: PendingDecisionRow, moment: datetime) -> bool:
    """Whether the decision can be undone no more."""
    return not moment < pending.due_at <= moment + LONGEST


def take_pending(session: Session, task_id: str) -> PendingDecisionRow | None:
    """The decision that waits, and waits no more; None when somebody else took it."""
    row = session.get(PendingDecisionRow, task_id, with_for_update=True)
    if row is not None:
        session.execute(delete(PendingDecisionRow).where(PendingDecisionRow.task_id == task_id))
        session.expunge(row)
    return row


def undo(
    session: Session, task: ReviewTaskRow, probe: ProbeRow | None, by: str, lease: timedelta
) -> None:
    """Take the decision on a task back; who decided holds it again. Raises ``UndoTooLate``."""
    pending = take_pending(session, task.id)
    late = pending is None or is_over(pending, database_time(session))
    if late or task.state != "decided" or task.claimed_by != by:
        raise UndoTooLate
    assert pending is not None
    if probe is not None:
        probe.decision = None
        append_audit(session, "undone", {"task_id": task.id, "by": by})
    else:
        kind = supersede(session, task, "undone", by)
        append_audit(session, "undone", {"task_id": task.id, "kind": kind, "by": by})
        _forget_approval(session, task, by)
        _put_back(session, task, kind, pending.before, by)
    open_again(session, task, by, lease)


def supersede(
    session: Session, task: ReviewTaskRow, cause: Literal["undone", "recheck"], by: str
) -> str:
    """Set the decision on a task aside; returns its kind."""
    row = session.get_one(DecisionRow, task.id)
    names = ("kind", "reviewer", "reason", "text", "content_sha256", "decided_at")
    session.add(
        SupersededDecisionRow(
            id=secrets.token_hex(16),
            task_id=task.id,
            cause=cause,
            superseded_by=by,
            superseded_at=now(),
            **{name: getattr(row, name) for name in names},
        )
    )
    kind = row.kind
    session.delete(row)
    session.flush()
    return kind


def _forget_approval(session: Session, task: ReviewTaskRow, by: str) -> None:
    query = select(ApprovalRow).where(ApprovalRow.task_id == task.id, ApprovalRow.reviewer == by)
    for row in session.scalars(query.order_by(ApprovalRow.number.desc()).limit(1)):
        session.delete(row)
    session.flush()


def _put_back(
    session: Session, task: ReviewTaskRow, kind: str, before: Mapping[str, Any] | None, by: str
) -> None:
    """The answer as its asker saw it before the decision."""
    if task.kind == "held":
        recall(session, task.answer_id, by=by)
    elif before is not None and kind != "approve":
        restore(session, task.answer_id, before, by=by)
