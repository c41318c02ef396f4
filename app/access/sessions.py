"""Who may do what: principals, API keys, sign-ins, quotas and idempotency keys."""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from app.access.idempotency import STALE_REQUEST, reserve_key
from app.access.keys import KEY_PREFIX, sha256
from app.access.principals import Principal, check_principal, principal_of
from app.access.tables import ApiKeyRow, IdempotencyRow, PrincipalRow, SessionRow
from app.db import Database, iso, now
from app.errors import (
    Conflict,
    CredentialsExpired,
    CsrfFailed,
    IdempotencyMismatch,
    Invalid,
    NotFound,
    QuotaExceeded,
    RequestInProgress,
    Unauthenticated,
)
from app.records.audit import append_audit
from app.settings import Settings
from guardrails.contract import canonical_sha256

SIGN_INS_PER_MINUTE = 10


@dataclass(frozen=True)
class SignIn:
    """A browser session: the cookie's token is known only when it was just created."""

    principal: Principal
    csrf_token: str
    expires_at: datetime
    token: str = ""

    def wire(self) -> dict[str, Any]:
        """What the pages learn about the session."""
        return {
            "name": self.principal.name,
            "roles": sorted(self.principal.roles),
            "csrf_token": self.csrf_token,
            "expires_at": iso(self.expires_at),
        }


class Access:
    """Authenticates callers and keeps their quotas."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._session_length = timedelta(hours=settings.session_hours)
        self._passwords = PasswordHasher()
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._questions = RateLimitItemPerMinute(settings.questions_per_minute)
        self._sign_ins = RateLimitItemPerMinute(SIGN_INS_PER_MINUTE)
        # Checked when a name is unknown, so that both cases take the same time.
        self._nobody_hash = self._passwords.hash(secrets.token_urlsafe(16))

    def create_principal(
        self,
        name: str,
        roles: Sequence[str],
        *,
        scope: Sequence[str] | None = None,
        password: str | None = None,
    ) -> Principal:
        """Add a principal; raises ``Invalid`` for unknown roles, ``Conflict`` for a taken name."""
        check_principal(name, roles)
        row = PrincipalRow(
            name=name,
            roles=sorted(set(roles)),
            scope=list(scope) if scope is not None else None,
            password_hash=self._passwords.hash(password) if password is not None else None,
            created_at=now(),
        )
        try:
            with self._database.transaction() as session:
                session.add(row)
                session.flush()
                append_audit(session, "principal_created", {"name": name, "roles": row.roles})
        except IntegrityError as error:
            raise Conflict(f"There is already a principal named {name}.") from error
        return principal_of(row)

    def has_principals(self) -> bool:
        """Whether anybody at all can sign in yet."""
        with self._database.reading() as session:
            return bool(session.scalar(select(func.count()).select_from(PrincipalRow)))

    def create_key(self, principal: str, *, expires_at: datetime | None = None) -> tuple[str, str]:
        """A new API key as (id, key). The key is shown once; only its SHA-256 is stored."""
        key = KEY_PREFIX + secrets.token_urlsafe(32)
        key_id = secrets.token_hex(8)
        with self._database.transaction() as session:
            if session.get(PrincipalRow, principal) is None:
                raise NotFound(f"There is no principal named {principal}.")
            session.add(
                ApiKeyRow(
                    id=key_id,
                    principal=principal,
                    key_sha256=sha256(key),
                    created_at=now(),
                    expires_at=expires_at,
                    revoked_at=None,
                )
            )
            append_audit(session, "key_created", {"key_id": key_id, "principal": principal})
        return key_id, key

    def revoke_key(self, key_id: str) -> None:
        """End a key at once; raises ``NotFound`` for an unknown id."""
        with self._database.transaction() as session:
            row = session.get(ApiKeyRow, key_id)
            if row is None:
                raise NotFound(f"There is no API key {key_id}.")
            row.revoked_at = row.revoked_at or now()
            append_audit(session, "key_revoked", {"key_id": key_id})

    def by_key(self, key: str) -> Principal:
        """The principal of an API key; raises ``Unauthenticated`` or ``CredentialsExpired``."""
        with self._database.reading() as session:
            row = session.scalar(select(ApiKeyRow).where(ApiKeyRow.key_sha256 == sha256(key)))
            if row is None:
                raise Unauthenticated("The API key is not known.")
            if row.revoked_at is not None or (row.expires_at and row.expires_at <= now()):
                raise CredentialsExpired
            return principal_of(session.get_one(PrincipalRow, row.principal))

    def sign_in(self, name: str, password: str) -> SignIn:
        """Start a browser session; raises ``Unauthenticated`` or ``QuotaExceeded``."""
        if not self._limiter.hit(self._sign_ins, "sign-in", name):
            raise QuotaExceeded("Too many sign-ins; try again in a minute.")
        with self._database.reading() as session:
            row = session.get(PrincipalRow, name)
        known = row is not None and row.password_hash is not None
        right = self._password_fits(
            row.password_hash if row and row.password_hash else self._nobody_hash, password
        )
        if not known or not right or row is None:
            raise Unauthenticated("The name or the password is wrong.")
        return self._start_session(principal_of(row))

    def by_session(self, token: str) -> SignIn:
        """The session of a cookie's token; raises ``CredentialsExpired``."""
        with self._database.reading() as session:
            row = session.get(SessionRow, sha256(token))
            if row is None or row.expires_at <= now():
                raise CredentialsExpired("Your sign-in has ended; please sign in again.")
            principal = principal_of(session.get_one(PrincipalRow, row.principal))
        return SignIn(principal, row.csrf_token, row.expires_at)

    def sign_out(self, token: str) -> None:
        """End a browser session; an unknown one is fine."""
        with self._database.transaction() as session:
            session.execute(delete(SessionRow).where(SessionRow.token_sha256 == sha256(token)))

    def charge_question(self, principal: Principal) -> None:
        """Count one question against the quota; raises ``QuotaExceeded``."""
        if not self._limiter.hit(self._questions, "question", principal.name):
            raise QuotaExceeded

    def _password_fits(self, stored: str, password: str) -> bool:
        try:
            return self._passwords.verify(stored, password)
        except Argon2Error:
            return False

    def _start_session(self, principal: Principal) -> SignIn:
        token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        expires_at = now() + self._session_length
        with self._database.transaction() as session:
            session.execute(delete(SessionRow).where(SessionRow.expires_at <= now()))
            session.add(
                SessionRow(
                    token_sha256=sha256(token),
                    principal=principal.name,
                    csrf_token=csrf,
                    expires_at=expires_at,
                )
            )
        return SignIn(principal, csrf, expires_at, token)

    def begin_request(self, principal: Principal, key: str, body: Any) -> dict[str, Any] | None:
        """Reserve an idempotency key; returns the stored response when the work is done.

        Raises ``IdempotencyMismatch`` when the key came with another body before, and
        ``RequestInProgress`` while the first request is still running.
        """
        if not 1 <= len(key) <= 200:
            raise Invalid("An idempotency key has 1 to 200 characters.")
        digest = canonical_sha256(body)
        with self._database.transaction() as session:
            row = session.get(IdempotencyRow, (principal.name, key), with_for_update=True)
            if row is not None and row.response is None and row.created_at < now() - STALE_REQUEST:
                session.delete(row)
                session.flush()
                row = None
            if row is None:
                reserve_key(session, principal.name, key, digest)
                return None
            if row.request_sha256 != digest:
                raise IdempotencyMismatch
            if row.response is None:
                raise RequestInProgress
            return row.response

    def finish_request(
        self, principal: Principal, key: str, response: dict[str, Any] | None
    ) -> None:
        """Store the response, or with None give the key back after a failure."""
        with self._database.transaction() as session:
            row = session.get(IdempotencyRow, (principal.name, key))
            if row is None:
                return
            if response is None:
                session.delete(row)
            else:
                row.response = response


def check_csrf(sign_in: SignIn, header: str | None) -> None:
    """Raise ``CsrfFailed`` unless the header carries the session's token."""
    if header is None or not hmac.compare_digest(sign_in.csrf_token.encode(), header.encode()):
        raise CsrfFailed
