"""One idempotency key runs one request once."""

from datetime import timedelta

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.access.tables import IdempotencyRow
from app.db import now
from app.errors import RequestInProgress

STALE_REQUEST = timedelta(minutes=10)
"""An idempotent request that never finished is given up after this long."""


def reserve_key(session: Session, principal: str, key: str, digest: str) -> None:
    session.add(
        IdempotencyRow(
            principal=principal, key=key, request_sha256=digest, response=None, created_at=now()
        )
    )
    try:
        session.flush()
    except IntegrityError as error:
        raise RequestInProgress from error
