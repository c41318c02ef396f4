"""A lease: periodic work runs in one process at a time, on both databases.

No clock is compared between hosts. The holder counts up a number (its beat); who wants the lease
watches that number with its own monotonic clock, and takes over when it stood still for long
enough. Every change of holder raises the fence, and what the holder writes can be bound to it.
"""

import secrets
import time
from collections.abc import Callable

from sqlalchemy import String
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.db import SEQUENCE, Base, Database
from app.errors import ClaimLost

PATIENCE_S = 30.0
"""A holder that did not count up for this long has ended or hangs."""


class LeaseRow(Base):
    """Who does one kind of periodic work (owner: lease); ``holder`` "" is nobody."""

    __tablename__ = "leases"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(String(32))
    fence: Mapped[int] = mapped_column(SEQUENCE)
    beat: Mapped[int] = mapped_column(SEQUENCE)


class Lease:
    """One process's view of the lease ``name``."""

    def __init__(
        self,
        database: Database,
        name: str,
        *,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._name = database, name
        self._patience_s, self._clock = patience_s, clock
        self._me, self._fence = secrets.token_hex(16), 0
        self._seen, self._since = (0, 0), clock()

    def take(self) -> bool:
        """Take the lease, or renew it: whether this process holds it now."""
        try:
            with self._database.transaction() as session:
                return self._take(session)
        except IntegrityError:  # another process made the row at the same moment
            return False

    def check(self, session: Session) -> None:
        """Raise ``ClaimLost`` unless this process still holds the lease; until the transaction
        ends, nobody else can take it."""
        row = session.get(LeaseRow, self._name, with_for_update=True, populate_existing=True)
        if row is None or not self._is_mine(row):
            raise ClaimLost("Another process does this work now.")

    def release(self) -> None:
        """Give the lease back at once, if this process holds it."""
        with self._database.transaction() as session:
            row = session.get(LeaseRow, self._name, with_for_update=True)
            if row is not None and self._is_mine(row):
                row.holder = ""

    def _take(self, session: Session) -> bool:
        row = session.get(LeaseRow, self._name, with_for_update=True)
        if row is None:
            row = LeaseRow(name=self._name, holder="", fence=0, beat=0)
            session.add(row)
        if not self._is_mine(row):
            if row.holder and not self._stood_still(row):
                return False
            row.holder, row.fence = self._me, row.fence + 1
            self._fence = row.fence
        row.beat += 1
        session.flush()
        return True

    def _is_mine(self, row: LeaseRow) -> bool:
        return row.holder == self._me and row.fence == self._fence

    def _stood_still(self, row: LeaseRow) -> bool:
        seen = (row.fence, row.beat)
        if seen != self._seen:
            self._seen, self._since = seen, self._clock()
        return self._clock() - self._since >= self._patience_s
