"""How long a reviewer must have a risky task before them until they can decide it."""

import math
from datetime import timedelta

from sqlalchemy.orm import Session

from app.db import database_time, iso
from app.errors import TooSoon
from app.review.priority import urgency_of
from app.review.tables import ReviewTaskRow
from app.settings import Settings


def reading_seconds(task: ReviewTaskRow, settings: Settings) -> float:
    """The least time for this task; 0 for one that is neither urgent nor, as far as reviewers may
    see it, risky. It looks at nothing that would tell a probe or an audit apart."""
    risky = task.risk is not None and task.risk >= settings.reading_risk
    if risky or urgency_of(task.priority) != "normal":
        return settings.min_reading_seconds
    return 0.0


def reading_until(task: ReviewTaskRow, settings: Settings) -> str | None:
    """From when its holder can decide; null while nobody holds it, or where nothing is asked."""
    least = reading_seconds(task, settings)
    if not least or task.claimed_at is None or task.state != "claimed":
        return None
    return iso(task.claimed_at + timedelta(seconds=least))


def check_read(session: Session, task: ReviewTaskRow, settings: Settings) -> None:
    """Raise ``TooSoon`` when whoever claimed the task cannot have read it."""
    least = reading_seconds(task, settings)
    if not least:
        return
    moment = database_time(session)
    since = (moment - (task.claimed_at or moment)).total_seconds()
    # A clock that went back must not keep a task closed for longer than it would have been.
    if 0 <= since < least:
        raise TooSoon(
            f"This task is risky. Start it and read it: {math.ceil(least - since)} seconds more."
        )
