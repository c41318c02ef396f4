"""What every route needs: the services, the caller, and idempotent POSTs."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, Header, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AfterValidator, BaseModel, ConfigDict

from app.access.keys import sha256
from app.access.principals import Principal
from app.access.sessions import Access, SignIn, check_csrf
from app.errors import BadRequest, Unauthenticated
from app.wiring import Services


def _storable(text: str) -> str:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("it holds NUL or half a character")
    return text


Text = Annotated[str, AfterValidator(_storable)]
"""Text that every database stores."""
MAX_INT = 2**31 - 1
"""The largest number that an integer column holds."""


class Body(BaseModel):
    """A request body: unknown fields are refused, so that a typo is not silently ignored."""

    model_config = ConfigDict(extra="forbid")


class ErrorView(BaseModel):
    """The one form of every error."""

    code: str
    message: str
    retryable: bool
    request_id: str


COOKIE = "countersign_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
bearer = HTTPBearer(auto_error=False, description="An API key: `cs_…`")
cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="A browser sign-in")


async def services(request: Request) -> Services:
    """The process's services."""
    return cast("Services", request.app.state.services)


ServicesDep = Annotated[Services, Depends(services)]


def sign_in(services: ServicesDep, token: Annotated[str | None, Depends(cookie)]) -> SignIn:
    """The browser session of the cookie; raises ``Unauthenticated``."""
    if token is None:
        raise Unauthenticated
    return services.access.by_session(token)


SignInDep = Annotated[SignIn, Depends(sign_in)]


def principal(
    request: Request,
    services: ServicesDep,
    key: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    token: Annotated[str | None, Depends(cookie)],
    csrf: Annotated[str | None, Header(alias="X-CSRF-Token")] = None,
) -> Principal:
    """The caller, by API key or by cookie; a cookie needs a CSRF token to change anything."""
    if key is not None:
        return services.access.by_key(key.credentials)
    session = sign_in(services, token)
    if request.method not in SAFE_METHODS:
        check_csrf(session, csrf)
    return session.principal


PrincipalDep = Annotated[Principal, Depends(principal)]


@dataclass(frozen=True)
class Credential:
    """What a caller showed, as its hash, and the way to look at it again."""

    sha256: str
    principal: Callable[[], Principal]


async def credential(
    services: ServicesDep,
    key: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    token: Annotated[str | None, Depends(cookie)],
) -> Credential:
    """For what outlives a request: ``principal()`` raises when the credential has ended."""
    if key is not None:
        shown = key.credentials
        return Credential(sha256(shown), lambda: services.access.by_key(shown))
    session = token or ""
    return Credential(sha256(session), lambda: services.access.by_session(session).principal)


CredentialDep = Annotated[Credential, Depends(credential)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="A key of your choice: the same request with it runs only once.",
    ),
]


def once(
    access: Access,
    principal: Principal,
    key: str | None,
    body: Any,
    run: Callable[[], dict[str, Any]],
) -> dict[str, Any]:
    """``run()``, or the stored response when this principal's key has run before."""
    if key is None:
        return run()
    # As ASCII, because a body may hold lone surrogates, which cannot be hashed as they are.
    stored = access.begin_request(principal, key, json.dumps(body, sort_keys=True))
    if stored is not None:
        return stored
    response: dict[str, Any] | None = None
    try:
        response = run()
        return response
    finally:
        access.finish_request(principal, key, response)


def page_limit(limit: int, most: int) -> int:
    """A page size within bounds; raises ``BadRequest``."""
    if not 1 <= limit <= most:
        raise BadRequest(f"limit is 1 to {most}.")
    return limit
