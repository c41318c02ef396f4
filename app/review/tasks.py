"""Review tasks: opened, claimed, given back, expired."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.db import now
from app.errors import AlreadyDecided, ClaimLost, Invalid, NotFound
from app.records.audit import append_audit
from app.records.tables import RecordRow
from app.review.probes import hidden_tasks, mix_in_gold, record_of
from app.review.tables import ProbeRow, ReviewTaskRow
from app.settings import Settings

Task = ReviewTaskRow | ProbeRow
UNDECIDED = ("open", "claimed")


def open_task(session: Session, record: RecordRow, settings: Settings, kind: str = "held") -> str:
    """Put a recorded draft before reviewers, in the transaction that records it.

    ``kind`` is ``audit`` for an answer that is released already; reviewers are not told. The
    record's verdict names the queue, the deadline, and whether four eyes are needed.
    """
    hours = record.verdict.get("deadline_hours")
    time_left = timedelta(days=settings.review_days) if hours is None else timedelta(hours=hours)
    task = ReviewTaskRow(
        id=secrets.token_hex(16),
        answer_id=record.answer_id,
        state="open",
        claimed_by=None,
        lease_until=None,
        fence=0,
        created_at=now(),
        kind=kind,
        expires_at=now() + time_left,
        queue=record.verdict.get("queue", ""),
        four_eyes=record.verdict.get("four_eyes", False),
    )
    session.add(task)
    append_audit(session, kind, {"answer_id": record.answer_id, "task_id": task.id})
    mix_in_gold(session, task, record, settings)
    return task.id


def finish(session: Session, task: Task, reviewer: Principal, fence: int) -> bool:
    """The one statement that decides a race: it matches for the newest claim only, once."""
    table = type(task)
    done = session.execute(
        update(table)
        .where(
            table.id == task.id,
            table.state == "claimed",
            table.claimed_by == reviewer.name,
            table.fence == fence,
            table.lease_until >= now(),
        )
        .values(state="decided", lease_until=None)
    )
    return row_changed(done)


def explain_refusal(session: Session, task: Task) -> None:
    session.refresh(task)
    if task.state == "decided":
        raise AlreadyDecided
    if task.state == "expired":
        raise AlreadyDecided("This draft expired before anybody decided; it stays unreleased.")
    raise ClaimLost


def give_back(session: Session, task: ReviewTaskRow) -> None:
    """Open the task again, for a second reviewer; the transaction has hidden its being decided."""
    session.execute(
        update(ReviewTaskRow)
        .where(ReviewTaskRow.id == task.id)
        .values(state="open", claimed_by=None, lease_until=None)
    )


def past_deadline(table: type[Task]) -> Sequence[Any]:
    return table.state.in_(UNDECIDED), table.expires_at <= now()


def row_changed(result: Any) -> bool:
    return cast("CursorResult[Any]", result).rowcount == 1


def states_named(state: str) -> tuple[str, ...]:
    if state == "all":
        return (*UNDECIDED, "decided", "expired")
    if state == "open":
        return UNDECIDED
    if state in ("claimed", "decided", "expired"):
        return (state,)
    raise Invalid("A review state is open, claimed, decided, expired or all.")


def may_read(reviewer: Principal, record: RecordRow) -> bool:
    return all(reviewer.may_read(passage["collection"]) for passage in record.evidence)


def load_task(session: Session, reviewer: Principal, task_id: str) -> tuple[Task, RecordRow]:
    task: Task | None = session.get(ReviewTaskRow, task_id) or session.get(ProbeRow, task_id)
    record = record_shown(session, task) if task is not None else None
    if task is None or record is None or not may_read(reviewer, record):
        raise NotFound("There is no such review task.")
    if task.id in hidden_tasks(session, reviewer.name):
        raise NotFound("There is no such review task.")
    return task, record


def record_shown(session: Session, task: Task) -> RecordRow | None:
    if isinstance(task, ProbeRow):
        return record_of(task)
    return session.get(RecordRow, task.answer_id)
