"""Browser sign-ins: started with a password, found by the cookie's token, ended at once."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, or_, select
from sqlalchemy.orm import Session

from app.access.keys import sha256
from app.access.passwords import Passwords
from app.access.principals import LOCAL, Principal, principal_of
from app.access.quotas import Quotas
from app.access.tables import PrincipalRow, SessionRow
from app.db import Database, iso
from app.errors import CredentialsExpired, CsrfFailed, NotFound, Unauthenticated
from app.records.audit import append_audit

CLOCK_SLACK = timedelta(minutes=5)
"""What a clock that is set right again may go back by without ending sign-ins."""


@dataclass(frozen=True)
class SignIn:
    """A browser session: the cookie's token is known only when it was just created."""

    principal: Principal
    csrf_token: str
    expires_at: datetime
    token: str = ""


@dataclass(frozen=True)
class SignInEntry:
    """A sign-in as it is listed; ``started_at`` null: from before that was kept."""

    session_id: str
    started_at: str | None
    expires_at: str


class Sessions:
    """The sign-ins of all principals; ``length`` is how long one lasts."""

    def __init__(
        self, database: Database, passwords: Passwords, quotas: Quotas, length: timedelta
    ) -> None:
        self._database, self._passwords, self._quotas = database, passwords, quotas
        self._length = length

    def sign_in(self, name: str, password: str, address: str = "") -> SignIn:
        """Start a session from a client's address; raises ``Unauthenticated`` or
        ``QuotaExceeded``."""
        self._quotas.charge_sign_in(name, address)
        with self._database.reading() as session:
            row = session.get(PrincipalRow, name)
        active = row is not None and row.disabled_at is None
        stored = row.password_hash if row is not None and active else None
        if not self._passwords.fits(stored, password) or row is None:
            self._quotas.note_failure(name, address)
            raise Unauthenticated("The name or the password is wrong.")
        self._quotas.note_success(name, address)
        return self.start(row, stored)

    def find(self, token: str) -> SignIn:
        """The session of a cookie's token; raises ``CredentialsExpired``."""
        with self._database.reading() as session:
            found = self._find(session, sha256(token))
        if found is None:
            raise CredentialsExpired("Your sign-in has ended; please sign in again.")
        row, owner = found
        return SignIn(principal_of(owner, row.token_sha256), row.csrf_token, row.expires_at)

    def current(self, session: Session, token_sha256: str) -> Principal | None:
        """Who is signed in under that hash as of now; None when the session has ended."""
        found = self._find(session, token_sha256)
        return None if found is None else principal_of(found[1], token_sha256)

    def end(self, token: str) -> None:
        """End a session; an unknown one is fine."""
        with self._database.transaction() as session:
            session.execute(delete(SessionRow).where(SessionRow.token_sha256 == sha256(token)))

    def all(self, name: str) -> list[SignInEntry]:
        """A principal's sign-ins that are in force, the one that ends last first."""
        query = select(SessionRow).where(SessionRow.principal == name)
        query = query.order_by(SessionRow.expires_at.desc())
        with self._database.reading() as session:
            _require(session, name)
            query = query.where(in_force(self._database.time(session)))
            return [_entry(row) for row in session.scalars(query)]

    def end_all(self, name: str, by: str = LOCAL.name) -> int:
        """End every sign-in of a principal; returns how many. Raises ``NotFound``."""
        with self._database.transaction() as session:
            _require(session, name)
            return end_sign_ins(session, name, by)

    def purge(self, session: Session, moment: datetime) -> None:
        """Delete the sessions that had ended at ``moment``, in a transaction that is open."""
        session.execute(delete(SessionRow).where(SessionRow.expires_at <= moment))

    def _find(self, session: Session, token_sha256: str) -> tuple[SessionRow, PrincipalRow] | None:
        query = (
            select(SessionRow, PrincipalRow)
            .join(PrincipalRow, PrincipalRow.name == SessionRow.principal)
            .where(SessionRow.token_sha256 == token_sha256)
            .where(in_force(self._database.time(session)))
            .where(PrincipalRow.disabled_at.is_(None))
        )
        row = session.execute(query).first()
        return None if row is None else (row[0], row[1])

    def start(self, row: PrincipalRow, checked: str | None) -> SignIn:
        """A new session of an account whose password hash was ``checked``; raises
        ``Unauthenticated`` when it is another one by now, or the account was disabled."""
        token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        with self._database.transaction() as session:
            owner = session.get(PrincipalRow, row.name, with_for_update=True)
            # The hash took a while: meanwhile the account may have been disabled or reset.
            if owner is None or owner.disabled_at is not None or owner.password_hash != checked:
                raise Unauthenticated("The name or the password is wrong.")
            started = self._database.time(session)
            session.add(
                SessionRow(
                    token_sha256=sha256(token),
                    principal=owner.name,
                    csrf_token=csrf,
                    started_at=started,
                    expires_at=started + self._length,
                )
            )
        principal = principal_of(owner, sha256(token))
        return SignIn(principal, csrf, started + self._length, token)


def end_sign_ins(session: Session, name: str, by: str) -> int:
    """End every sign-in of a principal in a transaction that is open; returns how many."""
    own = delete(SessionRow).where(SessionRow.principal == name)
    ended = len(session.scalars(own.returning(SessionRow.token_sha256)).all())
    append_audit(session, "sessions_ended", {"name": name, "sessions": ended, "by": by})
    return ended


def in_force(moment: datetime) -> ColumnElement[bool]:
    """Sign-ins that have not ended, nor were made by a clock that was far ahead: those would last
    that much longer than they may."""
    begun = or_(SessionRow.started_at.is_(None), SessionRow.started_at <= moment + CLOCK_SLACK)
    return and_(SessionRow.expires_at > moment, begun)


def check_csrf(sign_in: SignIn, header: str | None) -> None:
    """Raise ``CsrfFailed`` unless the header carries the session's token."""
    if header is None or not hmac.compare_digest(sign_in.csrf_token.encode(), header.encode()):
        raise CsrfFailed


def _require(session: Session, name: str) -> None:
    if session.get(PrincipalRow, name) is None:
        raise NotFound(f"There is no principal named {name}.")


def _entry(row: SessionRow) -> SignInEntry:
    # A part of the hash of a random token tells nobody the token.
    return SignInEntry(row.token_sha256[:16], iso(row.started_at), iso(row.expires_at) or "")
