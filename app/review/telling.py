"""What reviewers are told of tasks: a new one, an urgent one, one whose deadline is near.

Audits and probes are told of like any other task, and when they appear: else a notice, or its
absence, would mark them.
"""

from datetime import timedelta

from sqlalchemy.orm import Session

from app.db import database_time
from app.outbox import note_event
from app.review.priority import urgency_of
from app.review.tables import ReviewTaskRow
from app.settings import Settings


def note_task(session: Session, task: ReviewTaskRow, settings: Settings) -> None:
    """Have it told that a task appears, and later that its deadline is near."""
    opened, time_left = task.created_at, task.expires_at - task.created_at
    urgent = urgency_of(task.priority) != "normal"
    note_event(session, "task_urgent" if urgent else "task_opened", task.id, opened)
    near = min(timedelta(hours=settings.notice_deadline_hours), time_left / 2)
    note_event(session, "task_deadline", task.id, opened, task.expires_at - near)


def note_urgent(session: Session, task: ReviewTaskRow) -> None:
    """Have it told that somebody escalated a task."""
    note_event(session, "task_urgent", task.id, database_time(session))
