"""The chat on other sites: a publishable key lets their origins ask, and follow what they asked."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import FileResponse, Response
from fastapi.security import HTTPAuthorizationCredentials
from pydantic import BaseModel, Field
from sse_starlette import EventSourceResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.permissions import authorise
from app.access.principals import Principal
from app.access.widgets import WidgetKey
from app.answering.stages import Ask
from app.api import pages
from app.api.asking import Question, follow
from app.api.edge import HEADERS
from app.api.questions import AnswersView, asked_as, follow_events
from app.api.requests import (
    EVENTS,
    Body,
    Credential,
    Guarded,
    IdempotencyKey,
    ServicesDep,
    Text,
    bearer,
    page_limit,
    permit,
)
from app.errors import OriginRefused, Unauthenticated
from app.records.views import AnswerView
from app.serving.admission import Permit
from app.wiring import Services

PATH = "/v1/widget/"
ALLOWED = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key",
    "Access-Control-Max-Age": "600",
}
"""What a browser is told that asks before it sends a request from another site."""
LATEST = 2**53


class VisitBody(Body):
    """Who visits: nobody in particular, or a user whom the site's server has signed."""

    user: Text | None = Field(default=None, max_length=60, description="The site's own id.")
    issued: int | None = Field(
        default=None, ge=0, le=LATEST, description="When it was signed, in seconds since 1970."
    )
    signature: Text | None = Field(
        default=None,
        max_length=64,
        description="HMAC-SHA-256 of `user`, a line feed and `issued` under the key's secret, in "
        "hexadecimal.",
    )


class VisitView(BaseModel):
    """Send `token` as `Authorization: Bearer …`; it reads only what it asked itself."""

    token: str
    expires_at: str


class WidgetQuestion(Body):
    """A question of a visitor."""

    question: str = Field(description="The question, plain text.", examples=["Is it open today?"])
    previous_answer_id: Text | None = Field(
        default=None, max_length=64, description="The visitor's own answer that it follows."
    )


async def visitor(
    request: Request, _token: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Principal:
    """The visitor of the token; ``WidgetRoute`` has found them before the body was read."""
    return cast("Principal", request.state.principal)


class WidgetRoute(Guarded):
    """A route that other sites call: it looks at the key in its address, at the origin, and where
    it needs one at the visitor's token, before it reads a body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, behind these looks."""
        handler = super().get_route_handler()
        visited = any(one.call is visitor for one in self.dependant.dependencies)

        async def opened(request: Request) -> Response:
            key = await _key(request.scope, request.path_params["key"])
            request.state.widget = key
            request.state.headers = _let_in(request, key)
            if visited:
                shown = await bearer(request)
                request.state.principal = await _looked_up(request.scope, _visitor, key, shown)
            return await handler(request)

        return opened


router = APIRouter(prefix="/v1/widget/{key}", tags=["widget"], route_class=WidgetRoute)
Visitor = Annotated[Principal, Depends(visitor)]


@router.post("/visits", status_code=201, response_model=VisitView, summary="Begin a visit")
def visit(key: Text, body: VisitBody, request: Request, services: ServicesDep) -> Any:
    """A token for one visitor. With `user` it continues what that user asked before."""
    services.access.quotas.charge_visit(request.client.host if request.client else "")
    found = cast("WidgetKey", request.state.widget)
    made = services.access.widgets.visit(found, body.user, body.issued, body.signature)
    return asdict(made)


@router.post(
    "/questions",
    response_model=AnswerView,
    summary="Ask as a visitor",
    responses=EVENTS,
)
async def ask(
    key: Text,
    permit: Annotated[Permit, Depends(permit)],
    body: WidgetQuestion,
    request: Request,
    services: ServicesDep,
    principal: Visitor,
    once: IdempotencyKey = None,
    accept: Annotated[str, Header()] = "application/json",
) -> Any:
    """As `POST /v1/ask`, over what the account of the key may read."""
    authorise(principal, "answers.ask")
    found = cast("WidgetKey", request.state.widget)

    def charge() -> None:
        services.access.quotas.charge_widget(found.key_id, found.questions_per_minute)

    asked = {**body.model_dump(), "collections": None, "answer_schema": None}
    wanted = ["widget", asked]
    question = Question(services, principal, lambda: Ask(**asked), wanted, once, charge)
    return await asked_as(accept, question, permit, request)


@router.get("/answers", response_model=AnswersView, summary="A visitor's newest answers")
def answers(key: Text, services: ServicesDep, principal: Visitor, limit: int = 20) -> Any:
    """Newest first; of a user whom the site signed, those of earlier visits too."""
    return {"answers": services.answerer.history(principal, page_limit(limit, 100))}


@router.get("/answers/{answer_id}", response_model=AnswerView, summary="One of a visitor's answers")
def answer(key: Text, answer_id: str, services: ServicesDep, principal: Visitor) -> Any:
    """As it stands now; only to the visitor who asked."""
    return services.answerer.view(principal, answer_id)


@router.get(
    "/answers/{answer_id}/events",
    summary="Follow a visitor's answer until it is final",
    response_class=EventSourceResponse,
    responses=EVENTS,
)
async def answer_events(
    key: Text, answer_id: str, request: Request, services: ServicesDep, principal: Visitor
) -> Any:
    """An `answer` event now, and again whenever its status changes; ends when it is final, or
    with an `error` event when the key or the visit has ended."""
    view, seen, widgets = services.answerer.view, services.watch.seen, services.access.widgets
    token = cast("HTTPAuthorizationCredentials", await bearer(request)).credentials
    first = await services.watch.run(lambda: view(principal, answer_id))
    credential = Credential(key, lambda: widgets.principal(widgets.find(key), token))
    views = follow(services, first, seen, credential)
    return EventSourceResponse(follow_events(views, request.state.request_id), ping=15)


class Preflights:
    """Answers browsers that ask whether a page of another site may call the widget's routes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        is_asked = scope["type"] == "http" and scope["method"] == "OPTIONS"
        if not is_asked or not scope["path"].startswith(PATH):
            await self.app(scope, receive, send)
            return
        name = scope["path"].removeprefix(PATH).partition("/")[0]
        allowed = _let_in(Request(scope), await _key(scope, name))
        await Response(status_code=204, headers={**ALLOWED, **allowed})(scope, receive, send)


async def page(request: Request, key: str) -> Response:
    """The chat within a frame, which only the origins of the key may show."""
    found = await _key(request.scope, key)
    policy = HEADERS["Content-Security-Policy"]
    ancestors = f"frame-ancestors {' '.join(found.origins)}"
    policy = policy.replace("frame-ancestors 'none'", ancestors)
    request.state.headers = {"Content-Security-Policy": policy}
    return pages.page("widget")


def loader() -> Response:
    """The script that other sites include."""
    return FileResponse(pages.FOLDER / "widget" / "loader.js", media_type="text/javascript")


async def _looked_up(scope: Scope, look: Callable[..., Any], *arguments: Any) -> Any:
    """What ``look(access, …)`` finds, on a thread that nothing else uses."""
    services = cast("Services", scope["app"].state.services)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(services.lookups, look, services.access, *arguments)


async def _key(scope: Scope, key: str) -> WidgetKey:
    return cast("WidgetKey", await _looked_up(scope, lambda access: access.widgets.find(key)))


def _visitor(access: Any, key: WidgetKey, shown: HTTPAuthorizationCredentials | None) -> Principal:
    if shown is None:
        raise Unauthenticated("Begin a visit, and send its token.")
    return cast("Principal", access.widgets.principal(key, shown.credentials))


def _let_in(request: Request, key: WidgetKey) -> dict[str, str]:
    """Headers for the origin that asks; raises ``OriginRefused`` for one that the key lacks.

    Without an origin it is our own frame, or no browser: what no browser sends proves nothing,
    and the key is public.
    """
    origin = request.headers.get("origin")
    if origin is None or origin.partition("://")[2] == request.headers.get("host"):
        return {}
    if origin not in key.origins:
        raise OriginRefused
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
