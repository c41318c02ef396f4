"""What reviewers do to a task besides deciding it: comment, assign, snooze, escalate, take over."""

import secrets
from datetime import UTC, datetime
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.principals import principal_of
from app.access.tables import PrincipalRow
from app.db import database_time, iso
from app.errors import Invalid
from app.records.audit import append_audit
from app.review.priority import STEP, more_urgent
from app.review.scopes import sees
from app.review.tables import ReviewTaskRow, TaskNoteRow
from app.review.telling import note_urgent
from app.review.views import ColleaguesView, NoteKind, NoteView


def add_note(
    session: Session, task: ReviewTaskRow, kind: NoteKind, by: str, text: str = "", about: str = ""
) -> None:
    """Write down what somebody did, with its link of the audit chain; words stay out of that."""
    said = {"task_id": task.id, "kind": kind, "by": by, "about": about}
    session.add(
        TaskNoteRow(
            id=secrets.token_hex(16),
            task_id=task.id,
            kind=kind,
            written_by=by,
            about=about,
            text=text.strip(),
            number=append_audit(session, "task_note", said),
            written_at=database_time(session),
        )
    )
    session.flush()


def notes_of(session: Session, task: ReviewTaskRow) -> list[NoteView]:
    """All notes on a task, oldest first."""
    query = select(TaskNoteRow).where(TaskNoteRow.task_id == task.id)
    return [
        NoteView(cast("NoteKind", row.kind), row.written_by, row.about, row.text, _time(row))
        for row in session.scalars(query.order_by(TaskNoteRow.number))
    ]


def _time(row: TaskNoteRow) -> str:
    return cast("str", iso(row.written_at))


def assign(session: Session, task: ReviewTaskRow, by: str, to: str | None) -> None:
    """Say who is to decide; None: anybody. Raises ``Invalid`` for who may not see the task."""
    if to is not None:
        _check_reviewer(session, task, to)
    task.assigned_to = to
    if to != by and task.claimed_by == by:
        task.lease_until = database_time(session)  # it need not be taken over from who gives it
    add_note(session, task, "assigned", by, about=to or "")


def _check_reviewer(session: Session, task: ReviewTaskRow, name: str) -> None:
    row = session.get(PrincipalRow, name)
    if row is None or not may_decide(session, row, task):
        raise Invalid(f"{name[:80]} is no reviewer who may see this task.")


def may_decide(session: Session, row: PrincipalRow, task: ReviewTaskRow) -> bool:
    """Whether the account is of a reviewer who may see the task."""
    found = principal_of(row)
    may = row.disabled_at is None and "reviewer" in found.roles
    return may and sees(session, found, task)


def reviewers_of(session: Session, task: ReviewTaskRow) -> ColleaguesView:
    """Those whom the task may be assigned to, by name."""
    rows = session.scalars(select(PrincipalRow).order_by(PrincipalRow.name))
    return ColleaguesView([row.name for row in rows if may_decide(session, row, task)])


def snooze(session: Session, task: ReviewTaskRow, by: str, until: datetime | None) -> None:
    """Put the task off until then; None: it is to be listed again. Raises ``Invalid``."""
    if until is not None and until.tzinfo is not None:
        until = until.astimezone(UTC).replace(tzinfo=None)
    if until is not None:
        if task.priority < STEP:
            raise Invalid("This task is urgent; it cannot be put off.")
        if not database_time(session) < until < task.expires_at:
            raise Invalid("A task is put off until a time before its deadline.")
    task.snoozed_until = until
    add_note(session, task, "snoozed", by, about=iso(until) or "")


def escalate(session: Session, task: ReviewTaskRow, by: str, reason: str) -> None:
    """Put the task before all others, with the reason, for somebody who knows more."""
    if not reason.strip():
        raise Invalid("Please say why this is escalated.")
    task.priority, task.snoozed_until = more_urgent(task.priority), None
    if task.assigned_to == by:
        task.assigned_to = None
    add_note(session, task, "escalated", by, reason)
    note_urgent(session, task)
