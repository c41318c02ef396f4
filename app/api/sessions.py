"""Browser sign-in and sign-out."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from app.api.requests import COOKIE, Body, PrincipalDep, ServicesDep, SignInDep, Text, cookie


class SignInBody(Body):
    """A name and a password."""

    username: Text = Field(max_length=80)
    password: str = Field(max_length=1000)


class SessionView(BaseModel):
    """Who is signed in; send ``csrf_token`` as ``X-CSRF-Token`` with every change."""

    name: str
    roles: list[str]
    csrf_token: str
    expires_at: str


router = APIRouter(prefix="/v1/session", tags=["sessions"])


@router.post("", response_model=SessionView, summary="Sign in")
def sign_in(body: SignInBody, response: Response, services: ServicesDep) -> Any:
    """Sets an HttpOnly, SameSite=Strict cookie and returns the CSRF token."""
    session = services.access.sign_in(body.username, body.password)
    response.set_cookie(
        COOKIE,
        session.token,
        max_age=int(services.settings.session_hours * 3600),
        httponly=True,
        samesite="strict",
        secure=services.settings.secure_cookies,
    )
    return session.wire()


@router.get("", response_model=SessionView, summary="Who is signed in")
def current(session: SignInDep) -> Any:
    """The session of the cookie; 401 without one."""
    return session.wire()


@router.delete("", status_code=204, summary="Sign out")
def sign_out(
    services: ServicesDep,
    _principal: PrincipalDep,
    token: Annotated[str | None, Depends(cookie)],
) -> Response:
    """Ends the session on the server and drops the cookie."""
    if token is not None:
        services.access.sign_out(token)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE)
    return response
