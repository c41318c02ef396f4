"""Publishable keys: what a chat widget on another site may ask with, and who its visitors are."""

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.principals import LOCAL, MAX_NAME, Principal, lock_active
from app.access.standing import VISIT as OF_A_VISIT
from app.access.tables import PrincipalRow, WidgetKeyRow
from app.db import Database, iso
from app.errors import CredentialsExpired, Invalid, NotFound, Unauthenticated
from app.records.audit import append_audit

KEY_PREFIX, TOKEN_PREFIX = "pk_", "cw_"
MAX_ORIGINS = 50
MAX_USER = 60
QUESTIONS_PER_MINUTE = 20
SIGNED_FOR = timedelta(hours=1)
"""How far from now the time may be that a site signed with its user."""
VISIT = timedelta(hours=12)
_ORIGIN = re.compile(r"(https?)://([a-z0-9.-]{1,253}|\[[0-9a-f:]{2,45}\])(?::(\d{1,5}))?")
_DEFAULT_PORTS = {"https": "443", "http": "80"}


@dataclass(frozen=True)
class WidgetKeyEntry:
    """A publishable key as it is listed. It stands in pages for anybody to read."""

    key_id: str
    principal: str
    key: str
    origins: list[str]
    questions_per_minute: int
    created_at: str
    revoked_at: str | None


@dataclass(frozen=True)
class NewWidgetKey:
    """A key that was just made; the site's server signs its users with ``secret``, shown once."""

    key_id: str
    key: str
    secret: str
    origins: list[str]


@dataclass(frozen=True)
class WidgetKey:
    """A key in force, with the scope of its account as it is now."""

    key_id: str
    key: str
    secret: str = field(repr=False)
    origins: tuple[str, ...]
    questions_per_minute: int
    may_ask: bool
    scope: tuple[str, ...] | None


@dataclass(frozen=True)
class Visit:
    """A visitor's token: whoever has it asks, and reads the answers to what it asked."""

    token: str
    expires_at: str


class WidgetKeys:
    """The publishable keys of all accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        principal: str,
        origins: Sequence[str],
        *,
        questions_per_minute: int = QUESTIONS_PER_MINUTE,
        by: str = LOCAL.name,
    ) -> NewWidgetKey:
        """A new key for these sites; what it may search is the scope of its account.

        Raises ``Invalid`` for an origin that is none, ``NotFound`` for an unknown or disabled
        account.
        """
        named = check_origins(origins)
        key_id, key = secrets.token_hex(8), KEY_PREFIX + secrets.token_urlsafe(24)
        secret = secrets.token_urlsafe(32)
        with self._database.transaction() as session:
            lock_active(session, principal)
            session.add(
                WidgetKeyRow(
                    id=key_id,
                    principal=principal,
                    key=key,
                    secret=secret,
                    origins=named,
                    questions_per_minute=questions_per_minute,
                    created_at=self._database.time(session),
                )
            )
            event = {"key_id": key_id, "principal": principal, "origins": named, "by": by}
            append_audit(session, "widget_key_created", event)
        return NewWidgetKey(key_id, key, secret, named)

    def all(self, principal: str | None = None) -> list[WidgetKeyEntry]:
        """Every key, or one account's, newest first."""
        query = select(WidgetKeyRow).order_by(WidgetKeyRow.created_at.desc(), WidgetKeyRow.id)
        if principal is not None:
            query = query.where(WidgetKeyRow.principal == principal)
        with self._database.reading() as session:
            return [_entry(row) for row in session.scalars(query)]

    def revoke(self, key_id: str, by: str = LOCAL.name) -> None:
        """End a key and every visit at once; raises ``NotFound`` for an unknown id."""
        with self._database.transaction() as session:
            row = session.get(WidgetKeyRow, key_id, with_for_update=True)
            if row is None:
                raise NotFound(f"There is no widget key {key_id}.")
            if row.revoked_at is None:
                row.revoked_at = self._database.time(session)
                append_audit(session, "widget_key_revoked", {"key_id": key_id, "by": by})

    def find(self, key: str) -> WidgetKey:
        """A key in force; raises ``NotFound``."""
        query = (
            select(WidgetKeyRow, PrincipalRow)
            .join(PrincipalRow, PrincipalRow.name == WidgetKeyRow.principal)
            .where(WidgetKeyRow.key == key, WidgetKeyRow.revoked_at.is_(None))
            .where(PrincipalRow.disabled_at.is_(None))
        )
        with self._database.reading() as session:
            found = session.execute(query).first()
        if found is None:
            raise NotFound("There is no such widget, or it was switched off.")
        return _key(found[0], found[1])

    def visit(
        self, key: WidgetKey, user: str | None, issued: int | None, signature: str | None
    ) -> Visit:
        """A token for a visitor: a new one without a name, or a user whom the site has signed.

        ``signature`` is the hexadecimal HMAC-SHA-256 of ``user``, a line feed and ``issued``
        (seconds since 1970) under the key's secret. Raises ``Unauthenticated`` unless it fits and
        is fresh, ``Invalid`` for a user that cannot be one.
        """
        moment = self._time()
        if user is None:
            return _visit(key, f"/{secrets.token_hex(8)}", moment)
        if not 1 <= len(user) <= MAX_USER or not user.isprintable() or "/" in user:
            raise Invalid(f"A user has 1 to {MAX_USER} printable characters, and no slash.")
        wanted = sign(key.secret, f"{user}\n{issued}")
        if issued is None or not hmac.compare_digest(wanted.encode(), (signature or "").encode()):
            raise Unauthenticated("The signature of the user does not fit.")
        if abs(moment.timestamp() - issued) > SIGNED_FOR.total_seconds():
            raise CredentialsExpired("The signature of the user is too old; reload the page.")
        return _visit(key, user, moment)

    def principal(self, key: WidgetKey, token: str) -> Principal:
        """Who a token stands for: an asker within the scope of the key's account.

        Raises ``Unauthenticated`` or ``CredentialsExpired``.
        """
        said, _, signature = token.removeprefix(TOKEN_PREFIX).partition(".")
        fits = hmac.compare_digest(_signed_visit(key, said).encode(), signature.encode())
        if not token.startswith(TOKEN_PREFIX) or not fits:
            raise Unauthenticated("This visit is not known.")
        user, ends = json.loads(base64.urlsafe_b64decode(said))
        if ends <= self._time().timestamp():
            raise CredentialsExpired("This visit has ended.")
        roles = frozenset({"asker"}) if key.may_ask else frozenset[str]()
        name = f"{key.key_id}/{user}"[:MAX_NAME]
        return Principal(name, roles, key.scope, OF_A_VISIT + key.key_id)

    def _time(self) -> datetime:
        with self._database.reading() as session:
            return self._database.time(session).replace(tzinfo=UTC)


def sign(secret: str, text: str) -> str:
    """The hexadecimal HMAC-SHA-256 of a text."""
    key = secret.encode()
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def check_origins(origins: Sequence[str]) -> list[str]:
    """The origins as browsers write them, in order; raises ``Invalid``."""
    found = []
    for origin in origins:
        match = _ORIGIN.fullmatch(origin.strip().rstrip("/").lower())
        if match is None:
            shown = origin[:100]
            raise Invalid(f"{shown!r} is no origin: scheme and host, such as https://example.org.")
        scheme, host, port = match.groups()
        standard = port is None or port == _DEFAULT_PORTS[scheme]
        found.append(f"{scheme}://{host}" if standard else f"{scheme}://{host}:{int(port)}")
    named = list(dict.fromkeys(found))
    if not 1 <= len(named) <= MAX_ORIGINS:
        raise Invalid(f"A widget key has 1 to {MAX_ORIGINS} origins.")
    return named


def forget_widget_keys(session: Session, principal: str) -> None:
    """Delete the keys of an account that is erased."""
    for key in session.scalars(select(WidgetKeyRow).where(WidgetKeyRow.principal == principal)):
        session.delete(key)


def _visit(key: WidgetKey, user: str, moment: datetime) -> Visit:
    ends = moment + VISIT
    said = json.dumps([user, int(ends.timestamp())]).encode()
    text = base64.urlsafe_b64encode(said).decode()
    token = f"{TOKEN_PREFIX}{text}.{_signed_visit(key, text)}"
    return Visit(token, iso(ends.replace(tzinfo=None)) or "")


def _signed_visit(key: WidgetKey, text: str) -> str:
    # Another beginning than what sites sign, so that neither can stand for the other.
    return sign(key.secret, f"\n{key.key_id}\n{text}")


def _key(row: WidgetKeyRow, owner: PrincipalRow) -> WidgetKey:
    return WidgetKey(
        key_id=row.id,
        key=row.key,
        secret=row.secret,
        origins=tuple(row.origins),
        questions_per_minute=row.questions_per_minute,
        may_ask="asker" in owner.roles,
        scope=None if owner.scope is None else tuple(str(name) for name in owner.scope),
    )


def _entry(row: WidgetKeyRow) -> WidgetKeyEntry:
    return WidgetKeyEntry(
        row.id,
        row.principal,
        row.key,
        list(row.origins),
        row.questions_per_minute,
        iso(row.created_at) or "",
        iso(row.revoked_at),
    )
