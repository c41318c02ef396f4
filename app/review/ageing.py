"""Tasks that nobody takes escalate by age: once, with a note of the service, before all others.

When a task would escalate is written down as it opens, like its deadline. A clock that is ahead
escalates too early, and that stays: a task that stands further up loses nothing.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import not_, select
from sqlalchemy.orm import Session

from app.db import iso
from app.outbox import note_event
from app.review.notes import add_note
from app.review.priority import more_urgent
from app.review.states import held, is_held, snoozed, state_at, waiting
from app.review.tables import ReviewTaskRow

SERVICE = ""
"""Who writes a note that no person wrote."""
MOST = 200
"""Tasks that escalate in one go, the oldest first: other work must not wait for a full queue."""


def aged_tasks(session: Session, moment: datetime) -> Sequence[str]:
    """Ids of the tasks that escalate now."""
    row = ReviewTaskRow
    due = (
        waiting(moment),
        row.escalated_at.is_(None),
        row.escalates_at <= moment,
        not_(snoozed(moment)),
    )
    query = select(row.id).where(*due).order_by(row.escalates_at).limit(MOST)
    free = session.scalars(query.where(not_(held(moment)))).all()
    taken = session.scalars(select(row).where(*due, held(moment))).all()
    return [*free, *(task.id for task in taken if _is_due(task, moment))]


def escalate_by_age(session: Session, task_id: str, moment: datetime) -> bool:
    """Put the task before all others, and have it told. False when there is no more reason to:
    somebody took or decided it, or another process was faster."""
    task = session.get(ReviewTaskRow, task_id, with_for_update=True, populate_existing=True)
    if task is None or not _is_due(task, moment):
        return False
    since = _since(task, moment)
    task.escalated_at, task.priority = moment, more_urgent(task.priority)
    add_note(session, task, "escalated_by_age", SERVICE, about=iso(since) or "")
    note_event(session, "task_escalated", task.id, moment)
    return True


def _is_due(task: ReviewTaskRow, moment: datetime) -> bool:
    if task.escalates_at is None or task.escalated_at is not None:
        return False
    put_off = task.snoozed_until is not None and task.snoozed_until > moment
    if put_off or state_at(task, moment) not in ("open", "claimed"):
        return False
    return moment - _since(task, moment) >= task.escalates_at - task.created_at


def _since(task: ReviewTaskRow, moment: datetime) -> datetime:
    """Since when nothing has come of it: a claim that is kept up counts from when it began, unless
    a clock that was ahead says when that was."""
    begun = task.claimed_at if is_held(task, moment) else None
    return task.created_at if begun is None or begun > moment else begun
