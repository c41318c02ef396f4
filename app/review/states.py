"""The states of review tasks, as conditions: a task that is overdue has expired at that moment."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, false, true
from sqlalchemy.orm import aliased

from app.errors import Invalid
from app.review.tables import ReviewTaskRow

UNDECIDED = ("open", "claimed")


def waiting(moment: datetime, task: Any = ReviewTaskRow) -> ColumnElement[bool]:
    """Nobody has decided, and there is still time.

    It says "not past" rather than "later": nearly all open tasks are later, so an index by time
    would be the wrong one to take.
    """
    return and_(task.undecided == true(), _in_time(moment, task))


def _in_time(moment: datetime, task: Any) -> ColumnElement[bool]:
    in_time: ColumnElement[bool] = (task.expires_at <= moment) == false()
    return in_time


def overdue(moment: datetime) -> ColumnElement[bool]:
    """Nobody has decided, and the time is up."""
    return and_(ReviewTaskRow.undecided == true(), ReviewTaskRow.expires_at <= moment)


def in_state(state: str, moment: datetime) -> ColumnElement[bool]:
    """Tasks in a state by its name; open includes claimed. Raises ``Invalid``."""
    if state == "all":
        return true()
    if state == "open":
        return waiting(moment)
    if state == "claimed":
        # Not by "undecided": the index by state has a few of these, the one of open tasks has all.
        return and_(ReviewTaskRow.state == "claimed", _in_time(moment, ReviewTaskRow))
    if state in ("decided", "expired"):
        return ReviewTaskRow.state == state
    raise Invalid("A review state is open, claimed, decided, expired or all.")


def state_at(task: ReviewTaskRow, moment: datetime) -> str:
    """The state of a task at that moment."""
    return "expired" if task.undecided and task.expires_at <= moment else task.state


def another_task() -> Any:
    """A second name for the table, for a task beside the task."""
    return aliased(ReviewTaskRow)
