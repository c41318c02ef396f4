"""One idempotency key runs one request once; what is kept is what it made, not what it said."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.access.tables import IdempotencyRow
from app.db import Database
from app.errors import IdempotencyMismatch, Invalid, RequestInProgress
from guardrails.contract import canonical_sha256

STALE_REQUEST = timedelta(minutes=1)
"""An idempotent request that never finished is given up after this long: its process was killed.
One that only takes longer makes nothing more once another has finished under its key."""
KEPT = timedelta(days=30)
"""How long a key is remembered."""
MAX_KEY = 200


@dataclass(frozen=True)
class Reservation:
    """A key that belongs to one request, and since when: a later one may have it by now."""

    principal: str
    key: str
    since: datetime


class IdempotentRequests:
    """The requests that came with a key, by principal and key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, principal: Principal, key: str, body: str) -> Reservation | str:
        """Reserve a key, or the id of what the request made when it ran before.

        Raises ``IdempotencyMismatch`` when the key came with another body before, and
        ``RequestInProgress`` while the first request is still running.
        """
        if not 1 <= len(key) <= MAX_KEY or not key.isprintable():
            raise Invalid(f"An idempotency key has 1 to {MAX_KEY} printable characters.")
        digest = canonical_sha256(body)
        with self._database.transaction() as session:
            row = session.get(IdempotencyRow, (principal.name, key), with_for_update=True)
            if row is not None and self._is_stale(session, row):
                session.delete(row)
                session.flush()
                row = None
            if row is None:
                return self._reserve(session, principal.name, key, digest)
            if row.request_sha256 != digest:
                raise IdempotencyMismatch
            if row.response is None:
                raise RequestInProgress
            return _made(row)

    def finish(self, principal: Principal, key: str, session: Session, made: str) -> None:
        """Keep the id of what the request makes, in the transaction that makes it.

        Raises ``RequestInProgress`` when the key was given up meanwhile and another request has
        finished under it, or its owner was erased: then this one must make nothing.
        """
        row = session.get(IdempotencyRow, (principal.name, key), with_for_update=True)
        if row is None or row.response is not None:
            raise RequestInProgress
        row.response = {"id": made}
        session.flush()

    def give_back(self, own: Reservation) -> None:
        """Forget a key whose request failed; one whose request made something all the same, though
        the commit was reported as failed, stays, and so does one that another request has taken
        since this one was given up."""
        with self._database.transaction() as session:
            row = session.get(IdempotencyRow, (own.principal, own.key), with_for_update=True)
            if row is not None and row.response is None and row.created_at == own.since:
                session.delete(row)

    def purge(self, session: Session, moment: datetime) -> None:
        """Forget the keys that are old at ``moment``, in a transaction that is open."""
        session.execute(delete(IdempotencyRow).where(IdempotencyRow.created_at < moment - KEPT))

    def _is_stale(self, session: Session, row: IdempotencyRow) -> bool:
        # Either way: a clock that was ahead when it began must not keep the key for days.
        age = abs(self._database.time(session) - row.created_at)
        return row.response is None and age > STALE_REQUEST

    def _reserve(self, session: Session, principal: str, key: str, digest: str) -> Reservation:
        since = self._database.time(session)
        session.add(
            IdempotencyRow(
                principal=principal,
                key=key,
                request_sha256=digest,
                response=None,
                created_at=since,
            )
        )
        try:
            session.flush()
        except IntegrityError as error:
            raise RequestInProgress from error
        return Reservation(principal, key, since)


def _made(row: IdempotencyRow) -> str:
    """The id; rows from before it was all that is kept hold a whole response."""
    kept = row.response or {}
    names = ("id", "task_id", "document_id", "answer_id")
    return next((str(kept[name]) for name in names if name in kept), "")
