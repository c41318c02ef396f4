"""Browser sign-in and sign-out, and one's own password."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from app.access.passwords import LONGEST, SHORTEST
from app.access.principals import Principal
from app.access.sessions import SignIn
from app.api.requests import COOKIE, Body, Guarded, May, ServicesDep, Text, cookie, sign_in
from app.db import iso


class SignInBody(Body):
    """A name and a password."""

    username: Text = Field(max_length=80)
    password: str = Field(max_length=LONGEST)


class PasswordBody(Body):
    """A person's own new password."""

    current: str = Field(max_length=LONGEST, description="The password as it is now.")
    new: Text = Field(min_length=SHORTEST, max_length=LONGEST)


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
    address = request.client.host if request.client else ""
    session = services.access.sessions.sign_in(body.username, body.password, address)
    response.set_cookie(
        COOKIE,
        session.token,
        max_age=int(services.settings.session_hours * 3600),
        httponly=True,
        samesite="strict",
        secure=services.settings.secure_cookies,
    )
    return _view(session)


@router.get("", response_model=SessionView, summary="Who is signed in")
def current(_principal: Own, session: SignInDep) -> SessionView:
    """The session of the cookie; 401 without one."""
    return _view(session)


@router.delete("", status_code=204, summary="Sign out", name="sign_out")
def end(
    services: ServicesDep,
    _principal: Own,
    token: Annotated[str | None, Depends(cookie)],
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
    address = request.client.host if request.client else ""
    services.access.quotas.charge_sign_in(principal.name, address)
    services.access.accounts.change_password(principal, body.current, body.new)


def _view(session: SignIn) -> SessionView:
    return SessionView(
        name=session.principal.name,
        roles=sorted(session.principal.roles),
        csrf_token=session.csrf_token,
        expires_at=iso(session.expires_at) or "",
    )
