"""What people and programs are to be told, written in the transaction that makes it true."""

import secrets
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import Index, String, delete, false
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.db import Base

NoticeKind = Literal[
    "task_opened",
    "task_urgent",
    "task_escalated",
    "task_deadline",
    "answer_released",
    "answer_corrected",
    "answer_withdrawn",
    "answer_refused",
    "answer_expired",
]
KINDS: tuple[NoticeKind, ...] = get_args(NoticeKind)


class OutboxRow(Base):
    """Something to tell, and to whom (owner: outbox); it goes once it was told.

    ``event_id`` is the same in every try. ``destination`` is empty until it is known who is to be
    told: then there is a row for each. ``subject`` is the id of a task or an answer; no words of
    them are kept here. ``problem`` is what the last try came to.
    """

    __tablename__ = "outbox"
    event_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    destination: Mapped[str] = mapped_column(String(340), primary_key=True)
    kind: Mapped[str] = mapped_column(String(24))
    subject: Mapped[str] = mapped_column(String(32))
    happened_at: Mapped[datetime]
    due_at: Mapped[datetime]
    attempts: Mapped[int]
    problem: Mapped[str] = mapped_column(String(200))
    gave_up: Mapped[bool] = mapped_column(server_default=false(), default=False)
    __table_args__ = (Index("ix_outbox_due", "gave_up", "due_at"),)


def forget_destination(session: Session, name: str) -> None:
    """Tell nothing more to somebody who is erased."""
    session.execute(delete(OutboxRow).where(OutboxRow.destination == name))


def note_event(
    session: Session, kind: NoticeKind, subject: str, at: datetime, due_at: datetime | None = None
) -> None:
    """Have it told that this happened to a task or an answer, not before ``due_at``."""
    session.add(
        OutboxRow(
            event_id=secrets.token_hex(16),
            destination="",
            kind=kind,
            subject=subject,
            happened_at=at,
            due_at=at if due_at is None else due_at,
            attempts=0,
            problem="",
        )
    )
