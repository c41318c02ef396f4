"""Leases of work in progress: whose holder died, another takes up."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.errors import DependencyFailed

LEASE = timedelta(seconds=30)
"""How long a killed holder's work waits; a holder that lives renews it."""
RENEW_S = LEASE.total_seconds() / 4
LONGEST_WAIT = timedelta(minutes=10)
"""Between two attempts. No lease reaches further, so one that does was set by a wrong clock."""
Clock = Callable[[Session], datetime]


def is_free(lease: InstrumentedAttribute[datetime | None], moment: datetime) -> ColumnElement[bool]:
    """Nobody holds it at ``moment``: no lease, one that ended, or one from a clock that was far
    ahead."""
    return or_(lease.is_(None), lease < moment, lease > moment + LONGEST_WAIT)


@contextmanager
def renewed(renew: Callable[[], Any]) -> Iterator[None]:
    """Call ``renew`` now and then beside the block."""
    done = threading.Event()

    def keep() -> None:
        while not done.wait(RENEW_S):
            with suppress(DependencyFailed):  # the database may answer again in time
                renew()

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
