"""What a caller may do as of now: credentials and scope are read again where time has passed."""

from collections.abc import Collection

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.access.principals import LOCAL, Principal, principal_of
from app.access.tables import ApiKeyRow, PrincipalRow, SessionRow
from app.db import now


def as_of_now(session: Session, principal: Principal) -> Principal:
    """The principal with the roles and the scope that are stored now.

    Whoever has no row, such as the command line, stays as they are.
    """
    if principal == LOCAL:
        return principal
    row = session.get(PrincipalRow, principal.name)
    return principal if row is None else principal_of(row)


def ended_credentials(session: Session, credentials: Collection[str]) -> set[str]:
    """Those hashes of API keys and session tokens that hold no more."""
    moment = now()
    keys = select(ApiKeyRow.key_sha256).where(
        ApiKeyRow.key_sha256.in_(credentials),
        ApiKeyRow.revoked_at.is_(None),
        or_(ApiKeyRow.expires_at.is_(None), ApiKeyRow.expires_at > moment),
    )
    sessions = select(SessionRow.token_sha256).where(
        SessionRow.token_sha256.in_(credentials), SessionRow.expires_at > moment
    )
    return set(credentials) - set(session.scalars(keys.union_all(sessions)))
