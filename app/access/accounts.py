"""Accounts: principals are added, changed, disabled, and given passwords."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.access.passwords import Passwords, check_password
from app.access.principals import (
    LOCAL,
    Principal,
    check_name,
    check_roles,
    check_scope,
    principal_of,
)
from app.access.sessions import in_force
from app.access.tables import ApiKeyRow, PrincipalRow, SessionRow
from app.db import Database, iso
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.look_alikes import look
from app.records.audit import append_audit, lock_head


class _Unchanged:
    """The type of ``UNCHANGED``."""


UNCHANGED: Final = _Unchanged()
"""Leaves a scope as it is; None already means every collection."""


@dataclass(frozen=True)
class Account:
    """A principal as administrators see it; ``scope`` null means every collection.

    ``sessions`` and ``keys`` count those that are in force.
    """

    name: str
    roles: list[str]
    scope: list[str] | None
    disabled: bool
    created_at: str
    sessions: int
    keys: int
    authority: str = ""
    trained_on: str | None = None


class Accounts:
    """The principals of the service; every change has an audit link that says who made it."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database, self._passwords = database, passwords

    def create(
        self,
        name: str,
        roles: Sequence[str],
        *,
        scope: Sequence[str] | None = None,
        password: str | None = None,
        by: str = LOCAL.name,
    ) -> Principal:
        """Add a principal; raises ``Invalid`` for unknown roles, ``Conflict`` for a taken name."""
        check_name(name)
        check_roles(roles)
        check_scope(scope)
        hashed = self._passwords.hash(password) if password is not None else None
        try:
            with self._database.transaction() as session:
                refuse_taken(session, name)
                row = PrincipalRow(
                    name=name,
                    roles=sorted(set(roles)),
                    scope=list(scope) if scope is not None else None,
                    password_hash=hashed,
                    created_at=self._database.time(session),
                )
                session.add(row)
                session.flush()
                event = {"name": name, "roles": row.roles, "scope": row.scope, "by": by}
                append_audit(session, "principal_created", event)
        except IntegrityError as error:
            raise Conflict(f"There is already a principal named {name}.") from error
        return principal_of(row)

    def exist(self) -> bool:
        """Whether anybody at all can sign in yet."""
        with self._database.reading() as session:
            return bool(session.scalar(select(func.count()).select_from(PrincipalRow)))

    def all(self) -> list[Account]:
        """Every account, by name."""
        with self._database.reading() as session:
            rows = session.scalars(select(PrincipalRow).order_by(PrincipalRow.name)).all()
            sessions, keys = self._in_force(session)
        return [_account(row, sessions, keys) for row in rows]

    def one(self, name: str) -> Account:
        """One account; raises ``NotFound``."""
        with self._database.reading() as session:
            row = _row(session, name)
            sessions, keys = self._in_force(session)
        return _account(row, sessions, keys)

    def change(
        self,
        name: str,
        by: str,
        *,
        roles: Sequence[str] | None = None,
        scope: Sequence[str] | _Unchanged | None = UNCHANGED,
        disabled: bool | None = None,
        authority: str | None = None,
        trained_on: date | _Unchanged | None = UNCHANGED,
    ) -> Account:
        """Change what is given. It counts from the next request; event streams end.

        Disabling ends sign-ins and API keys, and enabling brings none of them back. Raises
        ``NotFound``, ``Invalid``, or ``Conflict`` when no administrator would be left.
        """
        if roles is not None:
            check_roles(roles)
        if not isinstance(scope, _Unchanged):
            check_scope(scope)
        with self._database.transaction() as session:
            row = _row(session, name, lock=True)
            before, led = _state(row), administers(row)
            if roles is not None:
                row.roles = sorted(set(roles))
            if not isinstance(scope, _Unchanged):
                row.scope = list(scope) if scope is not None else None
            if disabled is not None:
                self._set_disabled(session, row, disabled)
            if authority is not None:
                row.authority = check_authority(authority) or None
            if not isinstance(trained_on, _Unchanged):
                row.trained_on = trained_on.isoformat() if trained_on is not None else None
            event = {"name": name, "before": before, "after": _state(row), "by": by}
            append_audit(session, "principal_changed", event)
            # Behind the lock of the audit head: of two changes at once, the second sees the first.
            if led and not any(map(administers, session.scalars(select(PrincipalRow)))):
                raise Conflict("Nobody would be left to administer accounts.")
        return self.one(name)

    def reset_password(self, name: str, password: str, by: str) -> None:
        """Give a new password; ends every sign-in of the account. Raises ``NotFound``."""
        hashed = self._passwords.hash(password)
        with self._database.transaction() as session:
            row = _row(session, name)
            row.password_hash = hashed
            session.execute(delete(SessionRow).where(SessionRow.principal == name))
            append_audit(session, "password_reset", {"name": name, "by": by})

    def change_password(self, principal: Principal, current: str, new: str) -> None:
        """A person's own new password; every other sign-in of theirs ends.

        Raises ``Forbidden`` when ``current`` is wrong, by the time it is changed too, ``Invalid``
        for a bad new one.
        """
        check_password(new)
        with self._database.reading() as session:
            stored = _row(session, principal.name).password_hash
        if not self._passwords.fits(stored, current):
            raise Forbidden("The current password is wrong.")
        hashed = self._passwords.hash(new)
        with self._database.transaction() as session:
            row = _row(session, principal.name, lock=True)
            # The hashes took a while: who knows only a password of before must not undo a reset.
            if row.password_hash != stored or row.disabled_at is not None:
                raise Forbidden("The current password is wrong.")
            row.password_hash = hashed
            others = (
                SessionRow.principal == principal.name,
                SessionRow.token_sha256 != principal.credential,
            )
            session.execute(delete(SessionRow).where(*others))
            append_audit(session, "password_changed", {"name": principal.name})

    def _set_disabled(self, session: Session, row: PrincipalRow, disabled: bool) -> None:
        if not disabled:
            row.disabled_at = None
            return
        row.disabled_at = row.disabled_at or self._database.time(session)
        session.execute(delete(SessionRow).where(SessionRow.principal == row.name))
        open_keys = ApiKeyRow.principal == row.name, ApiKeyRow.revoked_at.is_(None)
        for key in session.scalars(select(ApiKeyRow).where(*open_keys)):
            key.revoked_at = row.disabled_at

    def _in_force(self, session: Session) -> tuple[dict[str, int], dict[str, int]]:
        """How many sign-ins and API keys each name has that count now."""
        live = in_force(self._database.time(session))
        signed_in = select(SessionRow.principal, func.count()).where(live)
        unexpired = ApiKeyRow.expires_at.is_(None) | (ApiKeyRow.expires_at > self._database.clock())
        valid = select(ApiKeyRow.principal, func.count()).where(
            ApiKeyRow.revoked_at.is_(None), unexpired
        )
        sessions = session.execute(signed_in.group_by(SessionRow.principal))
        keys = session.execute(valid.group_by(ApiKeyRow.principal))
        return {row[0]: row[1] for row in sessions}, {row[0]: row[1] for row in keys}


def _row(session: Session, name: str, *, lock: bool = False) -> PrincipalRow:
    row = session.get(PrincipalRow, name, with_for_update=lock)
    if row is None:
        raise NotFound(f"There is no principal named {name}.")
    return row


def _state(row: PrincipalRow) -> dict[str, object]:
    state = {"roles": row.roles, "scope": row.scope, "disabled": row.disabled_at is not None}
    # Its words can be erased, and links cannot.
    return {**state, "authority": row.authority is not None, "trained_on": row.trained_on}


def standing_of(session: Session, names: Iterable[str]) -> dict[str, tuple[str, str | None]]:
    """By what authority those people review, and when they were last trained."""
    query = select(PrincipalRow).where(PrincipalRow.name.in_(list(names)))
    return {row.name: (row.authority or "", row.trained_on) for row in session.scalars(query)}


def check_authority(text: str) -> str:
    """The text, stripped; raises ``Invalid`` for one that cannot be kept."""
    text = text.strip()
    if len(text) > 200 or not text.isprintable():
        raise Invalid("An authority is one line of at most 200 characters.")
    return text


def administers(row: PrincipalRow) -> bool:
    """Whether the account can change every account."""
    return "admin" in row.roles and row.scope is None and row.disabled_at is None


def _account(row: PrincipalRow, sessions: dict[str, int], keys: dict[str, int]) -> Account:
    return Account(
        row.name,
        list(row.roles),
        list(row.scope) if row.scope is not None else None,
        row.disabled_at is not None,
        iso(row.created_at) or "",
        sessions.get(row.name, 0),
        keys.get(row.name, 0),
        row.authority or "",
        row.trained_on,
    )


def refuse_taken(session: Session, name: str) -> None:
    """Raise ``Conflict`` for the name of somebody, however it is written, or for one that looks the
    same: who signs an answer must not look like another.

    Names are taken one after the other, behind the lock of the audit head: of two at one moment the
    second sees the first.
    """
    lock_head(session)
    for other in session.scalars(select(PrincipalRow.name)):
        if look(other) == look(name):
            raise Conflict(f"There is already a principal named {other}.")
