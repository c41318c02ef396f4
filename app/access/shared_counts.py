"""What callers did in the last minute, counted for all processes on one database.

A count slides: of the minute before, that part counts which is still within the last sixty
seconds. A process takes a few at a time, so that not every question writes; what it does not use
within the minute is lost, so a limit may be reached a little early, and is never passed. What must
be exact is looked at before it is raised, one by one (``reached``, ``add``).
"""

import threading
import time
from collections import OrderedDict
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.access.keys import sha256
from app.access.tables import QuotaCountRow
from app.db import Database, insert_or, window_of

WINDOW_S = 60
ROUNDING_S = 0.001
"""Whoever is told a time is let in at it, whatever the figures are rounded to."""
SHARE = 10
"""A process takes a tenth of a limit at once, and one where that is less."""
MOST_TAKEN = 10_000
"""Callers of whom something may be left to use."""


class SharedCounts:
    """The counts of one database; safe to use from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._left: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()

    def hit(self, limit: int, *names: str) -> bool:
        """Count one more under ``names``; False when there were ``limit`` in the last minute."""
        key = _key(*names)
        if self._use(key):
            return True
        with self._database.transaction() as session:
            taken, lasts = _take(session, self._database, key, limit, max(1, limit // SHARE))
        with self._lock:
            if taken > 1:
                self._left[key] = taken - 1, time.monotonic() + lasts
                while len(self._left) > MOST_TAKEN:
                    self._left.popitem(last=False)
        return taken > 0

    def reached(self, limit: int, *names: str) -> bool:
        """Whether ``limit`` were counted under ``names`` in the last minute; counts nothing."""
        with self._database.reading() as session:
            moment = self._database.time(session)
            return _free(session, _key(*names), limit, *window_of(moment, WINDOW_S)) < 1

    def wait(self, limit: int, *names: str) -> float:
        """Seconds until one more is free, if nobody else counts; 0 when one is."""
        with self._database.reading() as session:
            minute, into = window_of(self._database.time(session), WINDOW_S)
            counts = _counts(session, _key(*names), minute)
        now, before = counts.get(minute, 0), counts.get(minute - 1, 0)
        if now >= limit:  # of what is counted now enough must slide out of the next minute
            return ROUNDING_S + WINDOW_S - into + WINDOW_S * (1 - (limit - 1) / now)
        if now + before < limit:
            return 0.0
        return max(0.0, ROUNDING_S + WINDOW_S * (1 - (limit - 1 - now) / before) - into)

    def add(self, *names: str) -> None:
        """Count one more under ``names``, beyond any limit too."""
        key = _key(*names)
        with self._database.transaction() as session:
            minute, _ = window_of(self._database.time(session), WINDOW_S)
            _begin(session, key, minute)
            _raise_by(session, key, minute, 1)

    def _use(self, key: str) -> bool:
        """Use one of those that were taken before, while their minute lasts."""
        with self._lock:
            left, ends = self._left.pop(key, (0, 0.0))
            if not left or time.monotonic() >= ends:
                return False
            if left > 1:
                self._left[key] = left - 1, ends
            return True


def _take(
    session: Session, database: Database, key: str, limit: int, wanted: int
) -> tuple[int, float]:
    """How many of ``wanted`` may still be used, and the seconds until the minute is over."""
    minute, into = window_of(database.time(session), WINDOW_S)
    _begin(session, key, minute)
    own = QuotaCountRow.key == key
    session.execute(
        select(QuotaCountRow.count).where(own, QuotaCountRow.minute == minute).with_for_update()
    )
    taken = max(0, min(wanted, int(_free(session, key, limit, minute, into))))
    if taken:
        _raise_by(session, key, minute, taken)
    session.execute(delete(QuotaCountRow).where(own, QuotaCountRow.minute < minute - 1))
    return taken, WINDOW_S - into


def _key(*names: str) -> str:
    return sha256("\0".join(names))


def _free(session: Session, key: str, limit: int, minute: int, into: float) -> float:
    """How much of the limit is left; of the minute before, what is within sixty seconds counts."""
    counts = _counts(session, key, minute)
    return limit - counts.get(minute, 0) - counts.get(minute - 1, 0) * (1 - into / WINDOW_S)


def _counts(session: Session, key: str, minute: int) -> dict[int, int]:
    """What was counted in this minute and in the one before."""
    rows = session.execute(
        select(QuotaCountRow.minute, QuotaCountRow.count).where(
            QuotaCountRow.key == key, QuotaCountRow.minute.in_((minute, minute - 1))
        )
    )
    return {row[0]: row[1] for row in rows}


def _raise_by(session: Session, key: str, minute: int, count: int) -> None:
    session.execute(
        update(QuotaCountRow)
        .where(QuotaCountRow.key == key, QuotaCountRow.minute == minute)
        .values(count=QuotaCountRow.count + count)
    )


def _begin(session: Session, key: str, minute: int) -> None:
    """A row for this minute, if there is none."""
    row = insert_or(session, QuotaCountRow).values(key=key, minute=minute, count=0)
    session.execute(row.on_conflict_do_nothing())


def purge_counts(session: Session, moment: datetime) -> None:
    """Delete the counts of minutes that are over."""
    minute, _ = window_of(moment, WINDOW_S)
    session.execute(delete(QuotaCountRow).where(QuotaCountRow.minute < minute - 1))
