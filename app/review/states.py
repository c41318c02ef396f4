"""The states of review tasks, as conditions: a task that is overdue has expired at that moment."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, false, not_, true
from sqlalchemy.orm import aliased

from app.errors import Invalid
from app.review.tables import ReviewTaskRow

UNDECIDED = ("open", "claimed")
Moment = datetime | ColumnElement[datetime]
"""A time, or the parameter of a statement that stands for one."""


def waiting(moment: Moment, task: Any = ReviewTaskRow) -> ColumnElement[bool]:
    """Nobody has decided, and there is still time.

    It says "past is false" rather than "later": nearly all open tasks are later, so an index by
    time would be the wrong one to take; PostgreSQL takes "not past" for "later".
    """
    return and_(task.undecided == true(), _in_time(moment, task))


def _in_time(moment: Moment, task: Any) -> ColumnElement[bool]:
    past: ColumnElement[bool] = task.expires_at <= moment
    return past.is_(false())


def held(moment: Moment) -> ColumnElement[bool]:
    """Somebody holds it: a claim that has ended holds nothing."""
    return and_(ReviewTaskRow.state == "claimed", ReviewTaskRow.lease_until > moment)


def snoozed(moment: Moment) -> ColumnElement[bool]:
    """It is put off, and not to be listed yet."""
    until = ReviewTaskRow.snoozed_until
    return and_(until.is_not(None), until > moment)


def overdue(moment: Moment) -> ColumnElement[bool]:
    """Nobody has decided, and the time is up."""
    return and_(ReviewTaskRow.undecided == true(), ReviewTaskRow.expires_at <= moment)


def early(moment: Moment) -> ColumnElement[bool]:
    """Expired, though there is still time: a clock was ahead.

    A probe stays expired: its item was offered again, or its reviewers saw the first decision.
    """
    expired = ReviewTaskRow.state == "expired", ReviewTaskRow.expires_at > moment
    return and_(*expired, ReviewTaskRow.kind.in_(("held", "audit")))


def in_state(state: str, moment: Moment) -> ColumnElement[bool]:
    """Tasks in a state by its name; open includes claimed, not snoozed. Raises ``Invalid``."""
    if state == "all":
        return true()
    if state == "open":
        return and_(waiting(moment), not_(snoozed(moment)))
    if state == "claimed":
        # Not by "undecided": the index by state has a few of these, the one of open tasks has all.
        return and_(held(moment), _in_time(moment, ReviewTaskRow))
    if state == "snoozed":
        return and_(snoozed(moment), waiting(moment))
    if state in ("decided", "expired"):
        return ReviewTaskRow.state == state
    raise Invalid("A review state is open, claimed, snoozed, decided, expired or all.")


def state_at(task: ReviewTaskRow, moment: datetime) -> str:
    """The state of a task at that moment; one whose claim has ended is open."""
    if task.undecided and task.expires_at <= moment:
        return "expired"
    return "open" if task.state == "claimed" and not is_held(task, moment) else task.state


def is_held(task: ReviewTaskRow, moment: datetime) -> bool:
    """Whether somebody holds the task, as ``held`` says of rows."""
    lease = task.lease_until
    return task.state == "claimed" and lease is not None and lease > moment


def another_task() -> Any:
    """A second name for the table, for a task beside the task."""
    return aliased(ReviewTaskRow)
