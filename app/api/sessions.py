"""Browser sign-in, by password or a provider, sign-out, and one's own password."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from app.access.oidc import ATTEMPT
from app.access.passwords import LONGEST, SHORTEST
from app.access.principals import Principal
from app.access.sessions import SignIn
from app.api.requests import COOKIE, Body, Guarded, May, ServicesDep, Text, cookie, sign_in
from app.db import iso
from app.wiring import Services

ATTEMPT_COOKIE = "countersign_oidc"


class SignInBody(Body):
    """A name and a password."""

    username: Text = Field(max_length=80)
    password: str = Field(max_length=LONGEST)


class PasswordBody(Body):
    """A person's own new password."""

    current: str = Field(max_length=LONGEST, description="The password as it is now.")
    new: Text = Field(min_length=SHORTEST, max_length=LONGEST)


class MethodsView(BaseModel):
    """How people can sign in; a password always."""

    oidc: str | None = Field(description="Words on the button of the provider; null: there is none")


class OidcView(BaseModel):
    """Where the browser goes to sign in."""

    address: str


class OidcBody(Body):
    """What the provider sent the browser back with."""

    state: str = Field(max_length=200)
    code: str = Field(max_length=4000)


class SessionView(BaseModel):
    """Who is signed in; send ``csrf_token`` as ``X-CSRF-Token`` with every change."""

    name: str
    roles: list[str]
    csrf_token: str
    expires_at: str


router = APIRouter(prefix="/v1/session", tags=["sessions"], route_class=Guarded)
Own = Annotated[Principal, Depends(May("session.own"))]
SignInDep = Annotated[SignIn, Depends(sign_in)]


@router.post("", response_model=SessionView, summary="Sign in", name="sign_in")
def start(
    body: SignInBody, request: Request, response: Response, services: ServicesDep
) -> SessionView:
    """Sets an HttpOnly, SameSite=Strict cookie and returns the CSRF token."""
    session = services.access.sessions.sign_in(body.username, body.password, _address(request))
    _set_cookie(response, services, COOKIE, session.token, services.settings.session_hours)
    return _view(session)


@router.get("/methods", response_model=MethodsView, summary="How to sign in")
def methods(services: ServicesDep) -> MethodsView:
    """Whether there is a sign-in by a provider beside names and passwords."""
    oidc = services.access.oidc.configured
    return MethodsView(oidc=services.settings.oidc_label if oidc else None)


@router.post("/oidc", response_model=OidcView, summary="Begin a sign-in by the provider")
def begin_oidc(request: Request, response: Response, services: ServicesDep) -> OidcView:
    """Sets a cookie that binds what comes back to this browser."""
    services.access.quotas.charge_visit(_address(request))
    begun = services.access.oidc.begin(_back(request, services))
    _set_cookie(response, services, ATTEMPT_COOKIE, begun.token, ATTEMPT.total_seconds() / 3600)
    return OidcView(address=begun.address)


@router.post("/oidc/finish", response_model=SessionView, summary="Finish it")
def finish_oidc(
    body: OidcBody, request: Request, response: Response, services: ServicesDep
) -> SessionView:
    """As a sign-in by password; roles and scope become what the person's groups say."""
    services.access.quotas.charge_visit(_address(request))
    token = request.cookies.get(ATTEMPT_COOKIE, "")
    session = services.access.oidc.finish(token, body.state, body.code, _back(request, services))
    response.delete_cookie(ATTEMPT_COOKIE)
    _set_cookie(response, services, COOKIE, session.token, services.settings.session_hours)
    return _view(session)


@router.get("", response_model=SessionView, summary="Who is signed in")
def current(_principal: Own, session: SignInDep) -> SessionView:
    """The session of the cookie; 401 without one."""
    return _view(session)


@router.delete("", status_code=204, summary="Sign out", name="sign_out")
def end(
    services: ServicesDep, _principal: Own, token: Annotated[str | None, Depends(cookie)]
) -> Response:
    """Ends the session on the server and drops the cookie."""
    if token is not None:
        services.access.sessions.end(token)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE)
    return response


@router.put("/password", status_code=204, summary="Change one's own password")
def change_password(
    body: PasswordBody,
    request: Request,
    services: ServicesDep,
    principal: Annotated[Principal, Depends(May("password.own"))],
) -> None:
    """Ends every other sign-in of the caller; API keys stay."""
    services.access.quotas.charge_sign_in(principal.name, _address(request))
    services.access.accounts.change_password(principal, body.current, body.new)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _back(request: Request, services: Services) -> str:
    """Where the provider sends the browser back to."""
    return (services.settings.public_url or str(request.base_url)).rstrip("/") + "/login"


def _set_cookie(
    response: Response, services: Services, name: str, token: str, hours: float
) -> None:
    response.set_cookie(
        name,
        token,
        max_age=int(hours * 3600),
        httponly=True,
        samesite="strict",
        secure=services.settings.secure_cookies,
    )


def _view(session: SignIn) -> SessionView:
    return SessionView(
        name=session.principal.name,
        roles=sorted(session.principal.roles),
        csrf_token=session.csrf_token,
        expires_at=iso(session.expires_at) or "",
    )
