"""What a caller may do as of now: credentials and scope are read again where time has passed."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from sqlalchemy import Text, cast, or_, select
from sqlalchemy.orm import Session

from app.access.principals import LOCAL, Principal, principal_of
from app.access.tables import ApiKeyRow, PrincipalRow, SessionRow, WidgetKeyRow
from app.db import compact_json, database_time

KEY, VISIT = "key:", "widget:"
"""What the credentials of API keys and of visitors begin with; others are those of sign-ins."""


def as_of_now(session: Session, principal: Principal) -> Principal:
    """The principal with the roles and the scope that are stored now; without roles if disabled,
    or where what they came with has ended. A visitor has those of the widget's account.

    Whoever has no row, such as the command line, stays as they are.
    """
    if principal == LOCAL:
        return principal
    visited = principal.credential.removeprefix(VISIT)
    if visited != principal.credential:
        return _visitor(session, principal, visited)
    row = session.get(PrincipalRow, principal.name)
    if row is None:
        return principal
    found = principal_of(row, principal.credential)
    ended = row.disabled_at is not None or _has_ended(session, principal.credential)
    return replace(found, roles=frozenset()) if ended else found


def _visitor(session: Session, visitor: Principal, key_id: str) -> Principal:
    key = session.get(WidgetKeyRow, key_id)
    row = None if key is None else session.get(PrincipalRow, key.principal)
    if key is None or row is None or key.revoked_at is not None or row.disabled_at is not None:
        return replace(visitor, roles=frozenset(), scope=())
    owner = principal_of(row)
    return replace(visitor, roles=owner.roles & {"asker"}, scope=owner.scope)


def _has_ended(session: Session, credential: str) -> bool:
    """Whether an API key was revoked or has expired, or a sign-in has ended, since it was shown."""
    if not credential:
        return False
    key_id = credential.removeprefix(KEY)
    if key_id == credential:
        signed_in = session.get(SessionRow, credential)
        return signed_in is None or signed_in.expires_at <= database_time(session)
    key = session.get(ApiKeyRow, key_id)
    if key is None or key.revoked_at is not None:
        return True
    return key.expires_at is not None and key.expires_at <= database_time(session)


def asker_of(session: Session, name: str, collections: Sequence[str]) -> Principal:
    """Who asked, as of now; one without a row may read the collections that were searched."""
    if name == LOCAL.name:
        return LOCAL
    key_id, slash, _ = name.partition("/")
    came_with = VISIT + key_id if slash else ""
    asker = Principal(name, frozenset({"asker"}), tuple(collections), came_with)
    return as_of_now(session, asker)


def ended_credentials(session: Session, credentials: Collection[str]) -> set[str]:
    """Those hashes of API keys and session tokens, and those widget keys, that hold no more, or
    whose owner has no role any more."""
    moment = database_time(session)
    without_roles = cast(PrincipalRow.roles, Text) == compact_json([])
    shut_out = or_(PrincipalRow.disabled_at.is_not(None), without_roles)
    out = select(PrincipalRow.name).where(shut_out)
    keys = select(ApiKeyRow.key_sha256).where(
        ApiKeyRow.key_sha256.in_(credentials),
        ApiKeyRow.revoked_at.is_(None),
        ApiKeyRow.principal.not_in(out),
        or_(ApiKeyRow.expires_at.is_(None), ApiKeyRow.expires_at > moment),
    )
    sessions = select(SessionRow.token_sha256).where(
        SessionRow.token_sha256.in_(credentials),
        SessionRow.expires_at > moment,
        SessionRow.principal.not_in(out),
    )
    widgets = select(WidgetKeyRow.key).where(
        WidgetKeyRow.key.in_(credentials),
        WidgetKeyRow.revoked_at.is_(None),
        WidgetKeyRow.principal.not_in(out),
    )
    return set(credentials) - set(session.scalars(keys.union_all(sessions, widgets)))
