"""One idempotency key runs one request once; what is kept is what it made, not what it said."""

from datetime import timedelta

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.access.tables import IdempotencyRow
from app.db import Database
from app.errors import IdempotencyMismatch, Invalid, RequestInProgress
from guardrails.contract import canonical_sha256

STALE_REQUEST = timedelta(minutes=10)
"""An idempotent request that never finished is given up after this long."""
KEPT = timedelta(days=30)
"""How long a key is remembered."""
MAX_KEY = 200


class IdempotentRequests:
    """The requests that came with a key, by principal and key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, principal: Principal, key: str, body: str) -> str | None:
        """Reserve a key; returns the id of what the request made when it ran before.

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
                self._reserve(session, principal.name, key, digest)
                return None
            if row.request_sha256 != digest:
                raise IdempotencyMismatch
            if row.response is None:
                raise RequestInProgress
            return _made(row)

    def finish(self, principal: Principal, key: str, made: str | None) -> None:
        """Keep the id of what the request made, or with None give the key back after a failure."""
        with self._database.transaction() as session:
            row = session.get(IdempotencyRow, (principal.name, key))
            if row is None:
                return
            if made is None:
                session.delete(row)
            else:
                row.response = {"id": made}

    def purge(self, session: Session) -> None:
        """Forget the keys of long ago, in a transaction that is open."""
        oldest = self._database.time(session) - KEPT
        session.execute(delete(IdempotencyRow).where(IdempotencyRow.created_at < oldest))

    def _is_stale(self, session: Session, row: IdempotencyRow) -> bool:
        # Either way: a clock that was ahead when it began must not keep the key for days.
        age = abs(self._database.time(session) - row.created_at)
        return row.response is None and age > STALE_REQUEST

    def _reserve(self, session: Session, principal: str, key: str, digest: str) -> None:
        session.add(
            IdempotencyRow(
                principal=principal,
                key=key,
                request_sha256=digest,
                response=None,
                created_at=self._database.time(session),
            )
        )
        try:
            session.flush()
        except IntegrityError as error:
            raise RequestInProgress from error


def _made(row: IdempotencyRow) -> str:
    """The id; rows from before it was all that is kept hold a whole response."""
    kept = row.response or {}
    names = ("id", "task_id", "document_id", "answer_id")
    return next((str(kept[name]) for name in names if name in kept), "")
