"""What callers did in the last minute, counted for all processes on one database.

A count slides: of the minute before, that part counts which is still within the last sixty
seconds. A process takes a few at a time, so that not every question writes; what it does not use
within the minute is lost, so a limit may be reached a little early, and is never passed.
"""

import threading
import time
from collections import OrderedDict
from datetime import UTC, datetime

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.access.keys import sha256
from app.access.tables import QuotaCountRow
from app.db import Database

WINDOW_S = 60
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
        key = sha256("\0".join(names))
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
    moment = database.time(session).replace(tzinfo=UTC).timestamp()
    minute, into = int(moment // WINDOW_S), moment % WINDOW_S
    _begin(session, key, minute)
    own = QuotaCountRow.key == key
    count = select(QuotaCountRow.count).where(own, QuotaCountRow.minute == minute)
    now = session.execute(count.with_for_update()).scalar_one()
    before = session.scalar(
        select(QuotaCountRow.count).where(own, QuotaCountRow.minute == minute - 1)
    )
    free = limit - now - (before or 0) * (1 - into / WINDOW_S)
    taken = max(0, min(wanted, int(free)))
    if taken:
        session.execute(
            update(QuotaCountRow)
            .where(own, QuotaCountRow.minute == minute)
            .values(count=QuotaCountRow.count + taken)
        )
    session.execute(delete(QuotaCountRow).where(own, QuotaCountRow.minute < minute - 1))
    return taken, WINDOW_S - into


def _begin(session: Session, key: str, minute: int) -> None:
    """A row for this minute, if there is none."""
    kind = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    row = kind.insert(QuotaCountRow).values(key=key, minute=minute, count=0)
    session.execute(row.on_conflict_do_nothing())


def purge_counts(session: Session, moment: datetime) -> None:
    """Delete the counts of minutes that are over."""
    minute = int(moment.replace(tzinfo=UTC).timestamp() // WINDOW_S)
    session.execute(delete(QuotaCountRow).where(QuotaCountRow.minute < minute - 1))
