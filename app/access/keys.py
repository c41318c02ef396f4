"""API keys: random, stored hashed, shown once."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, DateTime, Select, bindparam, or_, select, update
from sqlalchemy.orm import Session

from app.access.principals import LOCAL, Principal, lock_active, principal_of
from app.access.standing import KEY
from app.access.tables import ApiKeyRow, PrincipalRow
from app.db import Database, iso
from app.errors import CredentialsExpired, DependencyFailed, NotFound, Unauthenticated
from app.records.audit import append_audit

KEY_PREFIX = "cs_"
LAST_USE_STEP = timedelta(minutes=5)
"""How exact the last use of a key is: not every request should write."""


@dataclass(frozen=True)
class NewKey:
    """A key that was just made; ``key`` is shown once, and only its SHA-256 is stored."""

    key_id: str
    principal: str
    key: str
    expires_at: str | None


@dataclass(frozen=True)
class KeyEntry:
    """A key as it is listed; ``last_used_at`` is exact to five minutes, null: never used."""

    key_id: str
    principal: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None


class Keys:
    """The API keys of all principals."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # Each request asks one of these, and to build a statement costs more than to run it.
        of_owner = PrincipalRow.name == ApiKeyRow.principal
        found = select(ApiKeyRow, PrincipalRow, self._moment()).join(PrincipalRow, of_owner)
        self._by_hash = found.where(ApiKeyRow.key_sha256 == bindparam("key"))
        self._by_id = found.where(ApiKeyRow.id == bindparam("key"))

    def create(
        self, principal: str, *, lifetime: timedelta | None = None, by: str = LOCAL.name
    ) -> NewKey:
        """A new key, for ever without a ``lifetime``; raises ``NotFound`` for an unknown or
        disabled principal."""
        key = KEY_PREFIX + secrets.token_urlsafe(32)
        key_id = secrets.token_hex(8)
        with self._database.transaction() as session:
            lock_active(session, principal)
            made = self._database.time(session)
            expires_at = None if lifetime is None else made + lifetime
            session.add(
                ApiKeyRow(
                    id=key_id,
                    principal=principal,
                    key_sha256=sha256(key),
                    created_at=made,
                    expires_at=expires_at,
                )
            )
            event = {"key_id": key_id, "principal": principal, "by": by}
            append_audit(session, "key_created", event)
        return NewKey(key_id, principal, key, iso(expires_at))

    def all(self, principal: str | None = None) -> list[KeyEntry]:
        """Every key, or one principal's, newest first."""
        query = select(ApiKeyRow).order_by(ApiKeyRow.created_at.desc(), ApiKeyRow.id)
        if principal is not None:
            query = query.where(ApiKeyRow.principal == principal)
        with self._database.reading() as session:
            return [_entry(row) for row in session.scalars(query)]

    def revoke(self, key_id: str, by: str = LOCAL.name) -> None:
        """End a key at once; raises ``NotFound`` for an unknown id."""
        with self._database.transaction() as session:
            row = session.get(ApiKeyRow, key_id, with_for_update=True)
            if row is None:
                raise NotFound(f"There is no API key {key_id}.")
            if row.revoked_at is None:
                row.revoked_at = self._database.time(session)
                append_audit(session, "key_revoked", {"key_id": key_id, "by": by})

    def principal(self, key: str) -> Principal:
        """The principal of a key; raises ``Unauthenticated`` or ``CredentialsExpired``."""
        with self._database.reading() as session:
            found = self._find(session, self._by_hash, sha256(key))
            if found is None:
                raise Unauthenticated("The API key is not known.")
            row, owner, time = found
        if not _in_force(row, owner, time):
            raise CredentialsExpired
        self._note_use(row, time)
        return principal_of(owner, KEY + row.id)

    def current(self, session: Session, key_id: str) -> Principal | None:
        """The principal of a key as of now; None when the key has ended."""
        found = self._find(session, self._by_id, key_id)
        if found is None or not _in_force(*found):
            return None
        return principal_of(found[1], KEY + key_id)

    def _find(
        self, session: Session, statement: "Select[ApiKeyRow, PrincipalRow, datetime]", key: str
    ) -> tuple[ApiKeyRow, PrincipalRow, datetime] | None:
        here = {"now": self._database.time(session)} if self._database.embedded else {}
        row = session.execute(statement, {"key": key, **here}).first()
        return None if row is None else (row[0], row[1], row[2])

    def _moment(self) -> ColumnElement[datetime]:
        """The database's own time, in a statement that is used again."""
        if self._database.embedded:
            return bindparam("now", type_=DateTime())
        return self._database.clock()

    def _note_use(self, row: ApiKeyRow, time: datetime) -> None:
        if row.last_used_at is not None and abs(time - row.last_used_at) < LAST_USE_STEP:
            return
        stale = or_(ApiKeyRow.last_used_at.is_(None), ApiKeyRow.last_used_at == row.last_used_at)
        statement = update(ApiKeyRow).where(ApiKeyRow.id == row.id, stale)
        try:
            with self._database.transaction() as session:
                session.execute(statement.values(last_used_at=time))
        except DependencyFailed:
            pass  # a full disk must not lock everybody out who only wants to read


def sha256(secret: str) -> str:
    """What is stored of a key or token. A random 32-byte secret needs no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _in_force(row: ApiKeyRow, owner: PrincipalRow, time: datetime) -> bool:
    expired = row.expires_at is not None and row.expires_at <= time
    return row.revoked_at is None and owner.disabled_at is None and not expired


def _entry(row: ApiKeyRow) -> KeyEntry:
    return KeyEntry(
        row.id,
        row.principal,
        iso(row.created_at) or "",
        iso(row.expires_at),
        iso(row.revoked_at),
        iso(row.last_used_at),
    )
