"""What the tables of access hold of an answer, or of a principal, is erased."""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.access.accounts import administers
from app.access.known_places import forget_places
from app.access.tables import ApiKeyRow, IdempotencyRow, PrincipalRow, SessionRow
from app.access.widgets import forget_widget_keys
from app.db import compact_json, now
from app.errors import Conflict


def forget_answer(session: Session, principal: str, answer_id: str) -> None:
    """Delete the idempotency keys that made an answer."""
    made = IdempotencyRow.response.is_not(None)
    query = select(IdempotencyRow).where(IdempotencyRow.principal == principal, made)
    for row in session.scalars(query):
        if answer_id in compact_json(row.response):
            session.delete(row)


def forget_principal(session: Session, name: str) -> bool:
    """Disable an account and delete its password, keys, sign-ins and idempotency keys; False
    where there is none. Raises ``Conflict`` when nobody would be left to administer accounts."""
    session.execute(delete(IdempotencyRow).where(IdempotencyRow.principal == name))
    session.execute(delete(SessionRow).where(SessionRow.principal == name))
    forget_places(session, name)
    row = session.get(PrincipalRow, name, with_for_update=True)
    if row is None:
        return False
    led = administers(row)
    row.disabled_at, row.password_hash = row.disabled_at or now(), None
    row.authority = row.trained_on = None
    row.oidc_subject = None
    for key in session.scalars(select(ApiKeyRow).where(ApiKeyRow.principal == name)):
        session.delete(key)
    forget_widget_keys(session, name)
    if led and not any(map(administers, session.scalars(select(PrincipalRow)))):
        raise Conflict("Nobody would be left to administer accounts.")
    return True
