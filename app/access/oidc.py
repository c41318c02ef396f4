"""Sign-in by an OpenID Connect provider: authorization code with PKCE, accounts by subject."""

import hmac
import secrets
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.access.accounts import refuse_taken
from app.access.keys import sha256
from app.access.principals import ROLES, check_name, check_scope
from app.access.sessions import Sessions, SignIn, end_sign_ins
from app.access.tables import OidcAttemptRow, PrincipalRow
from app.addresses import is_safe
from app.db import Database
from app.errors import (
    Conflict,
    DependencyFailed,
    Forbidden,
    Invalid,
    NotFound,
    OidcRefused,
    SettingsInvalid,
)
from app.records.audit import append_audit
from app.settings import Settings

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Signatures of public keys only: with a shared one, who checks a token could make it."""
ATTEMPT = timedelta(minutes=10)
"""How long somebody may take at the provider."""
LEEWAY_S = 60
"""Seconds that the provider's clock may differ from ours."""
KNOWN_FOR_S, AGAIN_AFTER_S = 3600.0, 30.0
"""How long the provider's addresses and keys are kept, and the pause before new keys are asked."""
TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Begun:
    """Where the browser goes, and the token of the cookie that binds what comes back to it."""

    address: str
    token: str


@dataclass(frozen=True)
class _Known:
    """What the provider says of itself, and since when we know it (monotonic seconds)."""

    addresses: Mapping[str, Any]
    keys: Any
    since: float


class OidcSignIn:
    """Signs people in whom the provider vouches for; their groups say what they may do here.

    Raises ``SettingsInvalid`` for settings that no provider could work with.
    """

    def __init__(self, database: Database, settings: Settings, sessions: Sessions) -> None:
        check_oidc_settings(settings)
        self._database, self._settings, self._sessions = database, settings, sessions
        self._known: _Known | None = None
        self._lock = threading.Lock()

    @property
    def configured(self) -> bool:
        """Whether there is a provider at all."""
        return bool(self._settings.oidc_issuer)

    def check(self) -> str:
        """The issuer, after it was asked for its addresses and keys; raises what is wrong."""
        self._provider()
        return self._settings.oidc_issuer

    def begin(self, redirect: str) -> Begun:
        """A new attempt, which comes back to ``redirect``. Raises ``NotFound`` where there is no
        provider, ``DependencyFailed`` where it does not answer."""
        state, nonce, verifier, token = (secrets.token_urlsafe(32) for _ in range(4))
        endpoint = self._provider().addresses["authorization_endpoint"]
        with self._client(redirect) as client:
            address, _ = client.create_authorization_url(
                endpoint, state=state, nonce=nonce, code_verifier=verifier
            )
        with self._database.transaction() as session:
            session.add(
                OidcAttemptRow(
                    state_sha256=sha256(state),
                    token_sha256=sha256(token),
                    nonce=nonce,
                    verifier=verifier,
                    expires_at=self._database.time(session) + ATTEMPT,
                )
            )
        return Begun(str(address), token)

    def finish(self, token: str, state: str, code: str, redirect: str) -> SignIn:
        """The sign-in of whom the provider vouches for; each attempt counts once.

        Raises ``OidcRefused`` for an attempt that is not this browser's, and for a token that does
        not hold; ``Forbidden`` where no group gives a role or the account is disabled;
        ``Conflict`` where the name belongs to somebody else.
        """
        attempt = self._take(state, token)
        claims = self._claims(attempt, code, redirect)
        try:
            row = self._admitted(claims)
        except (IntegrityError, Conflict):  # perhaps theirs, or one of that name, was made just now
            row = self._admitted(claims)
        return self._sessions.start(row, row.password_hash)

    def purge(self, session: Session, moment: datetime) -> None:
        """Delete the attempts that nobody finished."""
        session.execute(delete(OidcAttemptRow).where(OidcAttemptRow.expires_at <= moment))

    def _take(self, state: str, token: str) -> OidcAttemptRow:
        """The attempt, which nobody can take again."""
        with self._database.transaction() as session:
            row = session.get(OidcAttemptRow, sha256(state), with_for_update=True)
            if row is None:
                raise OidcRefused("This sign-in was finished before, or it was never begun here.")
            session.delete(row)
            late = row.expires_at <= self._database.time(session)
        if not hmac.compare_digest(row.token_sha256, sha256(token)):
            raise OidcRefused("This sign-in was begun in another browser.")
        if late:
            raise OidcRefused("This sign-in took too long.")
        return row

    def _claims(self, attempt: OidcAttemptRow, code: str, redirect: str) -> Mapping[str, Any]:
        """What the provider says of the person, checked."""
        from authlib.common.errors import AuthlibBaseError
        from httpx2 import HTTPError

        endpoint = self._provider().addresses["token_endpoint"]
        try:
            with self._client(redirect) as client:
                told = client.fetch_token(endpoint, code=code, code_verifier=attempt.verifier)
        except AuthlibBaseError as error:
            raise OidcRefused("The provider did not accept the sign-in.") from error
        except (HTTPError, ValueError) as error:
            raise DependencyFailed("The sign-in provider did not answer.") from error
        if not isinstance(told.get("id_token"), str):
            raise OidcRefused("The provider sent no ID token.")
        return self._checked(told["id_token"], attempt.nonce, told.get("access_token"))

    def _checked(self, token: str, nonce: str, access_token: object) -> Mapping[str, Any]:
        """The claims of an ID token: signature, issuer, audience, times and nonce."""
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import JoseError

        client_id = self._settings.oidc_client_id
        expected = {
            "iss": {"essential": True, "value": self._settings.oidc_issuer},
            "aud": {"essential": True, "value": client_id},
        }
        params = {"nonce": nonce, "client_id": client_id, "access_token": access_token}
        try:
            decoded = self._decoded(jwt, token)
            claims = CodeIDToken(decoded.claims, decoded.header, expected, params)
            claims.validate(int(time.time()), LEEWAY_S)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise OidcRefused("The provider's ID token does not hold.") from error
        return cast("Mapping[str, Any]", claims)

    def _decoded(self, jwt: Any, token: str) -> Any:
        """The token under one of the provider's keys; new keys are asked for once."""
        from joserfc.errors import JoseError

        known = self._provider()
        try:
            return jwt.decode(token, known.keys, algorithms=list(ALGORITHMS))
        except (JoseError, ValueError):
            if time.monotonic() - known.since < AGAIN_AFTER_S:
                raise
        return jwt.decode(token, self._provider(anew=True).keys, algorithms=list(ALGORITHMS))

    def _rights(self, claims: Mapping[str, Any]) -> tuple[list[str], list[str] | None]:
        """Roles and scope of somebody in these groups."""
        told = claims.get(self._settings.oidc_groups_claim) or []
        groups = [told] if isinstance(told, str) else told if isinstance(told, list) else []
        roles = _mapped(self._settings.oidc_roles, groups)
        collections = self._settings.oidc_collections
        return roles, _mapped(collections, groups) if collections else None

    def _admitted(self, claims: Mapping[str, Any]) -> PrincipalRow:
        """The account of the person, with what their groups say."""
        roles, scope = self._rights(claims)
        if not roles:
            self._shut_out(claims, scope)
            raise Forbidden("None of your groups may use this service.")
        with self._database.transaction() as session:
            row = self._account(session, claims)
            _change(session, row, roles, scope)
        return row

    def _shut_out(self, claims: Mapping[str, Any], scope: list[str] | None) -> None:
        """Take roles and sign-ins from the account of a person whose groups give no role any more.
        API keys of theirs stay, and can do nothing until groups give one again."""
        with self._database.transaction() as session:
            row = self._known_account(session, claims)
            if row is None or not row.roles:
                return
            _change(session, row, [], scope)
            end_sign_ins(session, row.name, "oidc")

    def _known_account(self, session: Session, claims: Mapping[str, Any]) -> PrincipalRow | None:
        """The account that the person has, locked."""
        query = select(PrincipalRow).where(PrincipalRow.oidc_subject == self._subject(claims))
        return session.scalar(query.with_for_update())

    def _subject(self, claims: Mapping[str, Any]) -> str:
        return sha256(f"{self._settings.oidc_issuer}\n{claims['sub']}")

    def _account(self, session: Session, claims: Mapping[str, Any]) -> PrincipalRow:
        """The account of the person, a new one at their first sign-in."""
        row = self._known_account(session, claims)
        if row is not None:
            if row.disabled_at is not None:
                raise Forbidden("This account is disabled.")
            return row
        name = claims.get(self._settings.oidc_name_claim)
        try:
            check_name(name if isinstance(name, str) else "")
        except Invalid as error:
            claim = self._settings.oidc_name_claim
            raise OidcRefused(
                f"The claim {claim} is no name for an account: {error.message}"
            ) from error
        refuse_taken(session, str(name))  # who has it here need not be who has it there
        row = PrincipalRow(
            name=str(name),
            roles=[],
            created_at=self._database.time(session),
            oidc_subject=self._subject(claims),
        )
        session.add(row)
        return row

    def _provider(self, *, anew: bool = False) -> _Known:
        """The provider's addresses and keys, asked for now and then."""
        if not self.configured:
            raise NotFound("There is no sign-in by a provider here.")
        with self._lock:
            known, moment = self._known, time.monotonic()
            if known is None or anew or moment - known.since > KNOWN_FOR_S:
                self._known = known = self._discovered(moment)
            return known

    def _discovered(self, moment: float) -> _Known:
        import httpx2
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        issuer = self._settings.oidc_issuer
        _check_address("oidc_issuer", issuer)
        try:
            with httpx2.Client(timeout=TIMEOUT_S) as client:
                found = client.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
                addresses = found.raise_for_status().json()
                # All of them before any is called: who can change the keys can be anybody.
                for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                    _check_address("An address of the sign-in provider", str(addresses[name]))
                keys = KeySet.import_key_set(client.get(addresses["jwks_uri"]).json())
        except (httpx2.HTTPError, JoseError, ValueError, KeyError, TypeError) as error:
            raise DependencyFailed("The sign-in provider did not answer.") from error
        if addresses.get("issuer") != issuer:
            raise SettingsInvalid("The provider calls itself otherwise than oidc_issuer says.")
        return _Known(addresses, keys, moment)

    def _client(self, redirect: str) -> Any:
        from authlib.integrations.httpx_client import OAuth2Client

        return OAuth2Client(
            self._settings.oidc_client_id,
            self._settings.oidc_client_secret or None,
            scope=self._settings.oidc_scopes,
            redirect_uri=redirect,
            code_challenge_method="S256",
            timeout=TIMEOUT_S,
        )


def check_oidc_settings(settings: Settings) -> None:
    """Raise ``SettingsInvalid`` for groups that are given roles which do not exist."""
    unknown = {role for roles in settings.oidc_roles.values() for role in roles} - set(ROLES)
    if unknown:
        raise SettingsInvalid(f"oidc_roles names no roles: {', '.join(sorted(unknown))}.")
    for collections in settings.oidc_collections.values():
        check_scope(collections)
    if settings.oidc_issuer and not (settings.oidc_client_id and settings.oidc_roles):
        raise SettingsInvalid("oidc_issuer needs oidc_client_id and oidc_roles.")


def _check_address(what: str, address: str) -> None:
    if not is_safe(address):
        raise SettingsInvalid(f"{what} must be an address with https.")


def _mapped(mapping: Mapping[str, Sequence[str]], groups: Iterable[object]) -> list[str]:
    found = (mapping.get(group, ()) for group in groups if isinstance(group, str))
    return sorted({name for names in found for name in names})


def _change(session: Session, row: PrincipalRow, roles: list[str], scope: list[str] | None) -> None:
    """Give the account what the provider's groups say, with a link where that is new."""
    before = {"roles": list(row.roles), "scope": row.scope}
    if before == {"roles": roles, "scope": scope}:
        return
    kind = "principal_created" if row in session.new else "principal_changed"
    row.roles, row.scope = roles, list(scope) if scope is not None else None
    session.flush()
    after = {"roles": roles, "scope": scope}
    append_audit(session, kind, {"name": row.name, "before": before, "after": after, "by": "oidc"})
