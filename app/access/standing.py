"""What a caller may do as of now: credentials and scope are read again where time has passed."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.access.principals import LOCAL, Principal, principal_of
from app.access.tables import ApiKeyRow, PrincipalRow, SessionRow, WidgetKeyRow
from app.db import now


def as_of_now(session: Session, principal: Principal) -> Principal:
    """The principal with the roles and the scope that are stored now; without roles if disabled.

    Whoever has no row, such as the command line, stays as they are.
    """
    if principal == LOCAL:
        return principal
    row = session.get(PrincipalRow, principal.name)
    if row is None:
        return principal
    found = principal_of(row)
    return found if row.disabled_at is None else replace(found, roles=frozenset())


def asker_of(session: Session, name: str, collections: Sequence[str]) -> Principal:
    """Who asked, as of now; one without a row may read the collections that were searched."""
    if name == LOCAL.name:
        return LOCAL
    return as_of_now(session, Principal(name, frozenset({"asker"}), tuple(collections)))


def ended_credentials(session: Session, credentials: Collection[str]) -> set[str]:
    """Those hashes of API keys and session tokens, and those widget keys, that hold no more."""
    moment = now()
    disabled = select(PrincipalRow.name).where(PrincipalRow.disabled_at.is_not(None))
    keys = select(ApiKeyRow.key_sha256).where(
        ApiKeyRow.key_sha256.in_(credentials),
        ApiKeyRow.revoked_at.is_(None),
        ApiKeyRow.principal.not_in(disabled),
        or_(ApiKeyRow.expires_at.is_(None), ApiKeyRow.expires_at > moment),
    )
    sessions = select(SessionRow.token_sha256).where(
        SessionRow.token_sha256.in_(credentials),
        SessionRow.expires_at > moment,
        SessionRow.principal.not_in(disabled),
    )
    widgets = select(WidgetKeyRow.key).where(
        WidgetKeyRow.key.in_(credentials),
        WidgetKeyRow.revoked_at.is_(None),
        WidgetKeyRow.principal.not_in(disabled),
    )
    return set(credentials) - set(session.scalars(keys.union_all(sessions, widgets)))
