"""Review tasks: opened, claimed, given back, expired, opened again.

Times are those of the database's clock, which all processes share.
"""

import secrets
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, and_, case, false, or_, select, true, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.db import database_time
from app.errors import AlreadyDecided, ClaimLost, Invalid, NotFound
from app.records.audit import append_audit
from app.records.release import expire, reopen
from app.records.seals import touch
from app.records.tables import RecordRow, SettlementRow
from app.review.priority import escalation_time, task_facts
from app.review.probes import CONTENT, mix_in_gold, probe_of, record_of, visible_to
from app.review.redrafts import newest_redraft, with_redraft
from app.review.scopes import readable_by, scope_of
from app.review.states import UNDECIDED, early, overdue
from app.review.tables import ProbeRow, ReviewTaskRow
from app.review.telling import note_task
from app.settings import Settings

LEAST_OF_ID = 6
"""Characters that a task may be named by."""
EXPIRED = "This draft expired before anybody decided; it stays unreleased."


def open_task(session: Session, record: RecordRow, settings: Settings, kind: str = "held") -> str:
    """Put a recorded draft before reviewers, in the transaction that records it.

    ``kind`` is ``audit`` for an answer that is released already; reviewers are not told. The
    record's verdict names the queue, the deadline, and whether four eyes are needed.
    """
    task_id = secrets.token_hex(16)
    append_audit(session, kind, {"answer_id": record.answer_id, "task_id": task_id})
    hours = record.verdict.get("deadline_hours")
    time_left = timedelta(days=settings.review_days) if hours is None else timedelta(hours=hours)
    created = database_time(session)
    expires = created + time_left
    shown = {name: getattr(record, name) for name in CONTENT}
    task = ReviewTaskRow(
        id=task_id,
        answer_id=record.answer_id,
        kind=kind,
        state="open",
        undecided=True,
        queue=record.verdict.get("queue", ""),
        scope=scope_of(session, record.evidence, record.searched),
        four_eyes=record.verdict.get("four_eyes", False),
        claimed_by=None,
        lease_until=None,
        fence=0,
        created_at=created,
        expires_at=expires,
        escalates_at=escalation_time(created, expires, settings.escalate_hours),
        **task_facts(shown, record.gate, created, expires),
    )
    session.add(task)
    session.flush()
    note_task(session, task, settings)
    mix_in_gold(session, task, record, settings)
    return task_id


def take(
    session: Session,
    task: ReviewTaskRow,
    reviewer: Principal,
    lease: timedelta,
    *,
    take_over: bool = False,
) -> bool:
    """Claim the task, or renew the claim; whether nobody else holds it, or it is taken over.

    A lease that reaches much further than leases do was set by a clock that was ahead.
    """
    moment = database_time(session)
    free = or_(
        true() if take_over else false(),
        ReviewTaskRow.state == "open",
        ReviewTaskRow.claimed_by == reviewer.name,
        ReviewTaskRow.lease_until < moment,
        ReviewTaskRow.lease_until > moment + 2 * lease,
    )
    return _changed(
        session,
        update(ReviewTaskRow)
        .where(ReviewTaskRow.id == task.id, *_in_time(moment), free)
        .values(
            state="claimed",
            claimed_by=reviewer.name,
            claimed_at=case((_renews(reviewer), ReviewTaskRow.claimed_at), else_=moment),
            lease_until=moment + lease,
            fence=ReviewTaskRow.fence + 1,
        ),
    )


def _renews(reviewer: Principal) -> ColumnElement[bool]:
    mine = ReviewTaskRow.state == "claimed", ReviewTaskRow.claimed_by == reviewer.name
    return and_(*mine, ReviewTaskRow.claimed_at.is_not(None))


def _newest_claim(
    task: ReviewTaskRow, reviewer: Principal, fence: int
) -> tuple[ColumnElement[bool], ...]:
    """That this claim is the newest one, and still held."""
    return (
        ReviewTaskRow.id == task.id,
        ReviewTaskRow.state == "claimed",
        ReviewTaskRow.claimed_by == reviewer.name,
        ReviewTaskRow.fence == fence,
    )


def finish(session: Session, task: ReviewTaskRow, reviewer: Principal, fence: int) -> bool:
    """The one statement that decides a race: it matches for the newest claim only, once.

    A lease that has ended lets others claim; while nobody did, its holder's claim is the newest.
    """
    moment = database_time(session)
    finished = _changed(
        session,
        update(ReviewTaskRow)
        .where(
            *_newest_claim(task, reviewer, fence),
            *_in_time(moment),
        )
        .values(state="decided", undecided=False, lease_until=None),
    )
    if finished:
        touch(session, task)
    return finished


def let_go(session: Session, task: ReviewTaskRow, reviewer: Principal, fence: int) -> None:
    """End this claim, if it is the newest and nothing was decided: nobody waits for its end."""
    ended = _changed(
        session,
        update(ReviewTaskRow)
        .where(*_newest_claim(task, reviewer, fence))
        .values(state="open", claimed_by=None, lease_until=None),
    )
    if ended:
        touch(session, task)


def give_back(session: Session, task: ReviewTaskRow) -> None:
    """Open the task again, for a second reviewer; the transaction has hidden its being decided."""
    session.execute(
        update(ReviewTaskRow)
        .where(ReviewTaskRow.id == task.id)
        .values(state="open", undecided=True, claimed_by=None, lease_until=None)
    )
    touch(session, task)


def open_again(session: Session, task: ReviewTaskRow, reviewer: str, lease: timedelta) -> None:
    """A decided task waits once more, held by this reviewer."""
    session.execute(
        update(ReviewTaskRow)
        .where(ReviewTaskRow.id == task.id)
        .values(
            state="claimed",
            undecided=True,
            claimed_by=reviewer,
            claimed_at=database_time(session),
            lease_until=database_time(session) + lease,
            fence=ReviewTaskRow.fence + 1,
        )
    )
    touch(session, task)


def expire_task(session: Session, task_id: str, moment: datetime) -> bool:
    """Close a task whose time is up, and settle the answer that was held for it.

    False when somebody decided it, or it expired before.
    """
    if not _changed(
        session,
        update(ReviewTaskRow)
        .where(ReviewTaskRow.id == task_id, overdue(moment))
        .values(state="expired", undecided=False),
    ):
        return False
    task = session.get_one(ReviewTaskRow, task_id)
    touch(session, task)
    append_audit(session, "task_expired", {"task_id": task_id})
    if task.kind == "held":
        expire(session, task.answer_id)
    return True


def overdue_tasks(session: Session, moment: datetime) -> list[str]:
    """Ids of the undecided tasks whose time is up."""
    query = select(ReviewTaskRow.id).where(overdue(moment)).order_by(ReviewTaskRow.expires_at)
    return list(session.scalars(query))


def reopen_task(session: Session, task_id: str, moment: datetime) -> bool:
    """Open a task that expired while a clock was ahead: its time is not up.

    False when it was opened before, or its answer was erased meanwhile.
    """
    task = session.get(ReviewTaskRow, task_id, with_for_update=True, populate_existing=True)
    if task is None or task.state != "expired" or task.expires_at <= moment:
        return False
    settled = session.get(SettlementRow, task.answer_id)
    became = settled.state if settled is not None else None
    if became == "erased" or (task.kind == "held" and became != "expired"):
        return False
    task.state, task.undecided, task.claimed_by, task.lease_until = "open", True, None, None
    append_audit(session, "task_reopened", {"task_id": task_id})
    if task.kind == "held":
        reopen(session, task.answer_id)
    return True


def early_tasks(session: Session, moment: datetime) -> list[str]:
    """Ids of the expired tasks whose time is not up."""
    return list(session.scalars(select(ReviewTaskRow.id).where(early(moment))))


def explain_refusal(session: Session, task: ReviewTaskRow) -> None:
    """Raise the error that says why a claim or decision did not match."""
    session.refresh(task)
    if task.state == "decided":
        raise AlreadyDecided
    if task.state == "expired" or task.expires_at <= database_time(session):
        raise AlreadyDecided(EXPIRED)
    raise ClaimLost


def load_task(
    session: Session, reviewer: Principal, task_id: str
) -> tuple[ReviewTaskRow, ProbeRow | None, RecordRow]:
    """A task with the facts of a probe, if it is one, and what is shown of it.

    Raises ``NotFound`` for a task that this reviewer must not see.
    """
    conditions = ReviewTaskRow.id == task_id, readable_by(reviewer)
    visible = visible_to(reviewer, database_time(session))
    task = session.scalar(select(ReviewTaskRow).where(*conditions, visible))
    if task is None:
        raise NotFound("There is no such review task.")
    probe, redraft = probe_of(session, task), newest_redraft(session, task.id)
    if probe is not None:
        return task, probe, with_redraft(record_of(task, probe), redraft)
    return task, None, with_redraft(session.get_one(RecordRow, task.answer_id), redraft)


def task_id_of(session: Session, reviewer: Principal, beginning: str) -> str:
    """The id that begins so, of the tasks that this reviewer may see; ``beginning`` itself where
    none does, or where it is shorter than ``LEAST_OF_ID``. Raises ``Invalid`` where several do.
    """
    begins = ReviewTaskRow.id.startswith(beginning, autoescape=True), readable_by(reviewer)
    visible = visible_to(reviewer, database_time(session))
    if len(beginning) < LEAST_OF_ID:
        return beginning
    found = session.scalars(select(ReviewTaskRow.id).where(*begins, visible).limit(2)).all()
    if len(found) > 1:
        raise Invalid(f"Several review tasks begin with {beginning}; write more of the id.")
    return found[0] if found else beginning


def _in_time(moment: datetime) -> tuple[Any, ...]:
    return ReviewTaskRow.state.in_(UNDECIDED), ReviewTaskRow.expires_at > moment


def _changed(session: Session, statement: Any) -> bool:
    done = session.execute(statement.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", done).rowcount == 1
