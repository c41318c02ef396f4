"""The HTTP service: ``create_app`` puts routes, pages, limits and error handling together."""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import documents, gate, operations, questions, reviews, sessions
from app.api.requests import ErrorView
from app.errors import (
    BadRequest,
    CountersignError,
    Invalid,
    MethodNotAllowed,
    NotFound,
    TooLarge,
)
from app.settings import PROJECT, Settings
from app.telemetry import configure_logging
from app.wiring import Services, open_services
from countersign import __version__

PAGES = PROJECT / "review_ui"
UPLOAD_ROUTE = "/v1/documents"
PAGE_NAMES = (
    ("/", "chat"),
    ("/review", "review"),
    ("/operations", "operations"),
    ("/login", "login"),
)
MULTIPART_OVERHEAD = 64_000
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self'; font-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
log = structlog.get_logger()
Background = Callable[[Services], AbstractContextManager[None]]
"""Work beside the routes (the ingestion worker): entered at start, left at the end."""


def create_app(
    settings: Settings | None = None,
    background: Sequence[Background] = (),
    services: Services | None = None,
) -> FastAPI:
    """The service. ``background`` runs in this process while it serves.

    ``services`` that are open already are used, and closed at the end all the same.
    """
    if not structlog.is_configured():  # the default prints local variables: keys, questions
        configure_logging()
    chosen = settings or Settings()
    opened = services

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = opened or open_services(chosen)
        app.state.services = services
        with ExitStack() as stack:
            stack.callback(services.close)
            services.warm_up()
            for start in background:
                stack.enter_context(start(services))
            yield

    app = FastAPI(
        title="Countersign",
        summary="Answers from your documents, and nothing risky goes out without a signature.",
        version=__version__,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        responses={"default": {"model": ErrorView, "description": "Any error"}},
    )
    for module in (questions, reviews, documents, sessions, operations, gate):
        app.include_router(module.router)
    _add_pages(app)
    _add_error_handlers(app)
    app.add_middleware(_Limits, settings=chosen)
    app.add_middleware(_Edge)
    return app


def _add_pages(app: FastAPI) -> None:
    def page(name: str) -> Callable[[], FileResponse]:
        return lambda: FileResponse(PAGES / name / "index.html", media_type="text/html")

    for path, name in PAGE_NAMES:
        route = app.api_route(path, methods=["GET", "HEAD"], include_in_schema=False)
        route(page(name))
    app.mount("/static", StaticFiles(directory=PAGES), name="static")


def _add_error_handlers(app: FastAPI) -> None:
    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, CountersignError)
        return error_response(error, request.state.request_id)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return error_response(_validation_error(error), request.state.request_id)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        response = error_response(_http_error(error), request.state.request_id)
        response.headers.update(error.headers or {})  # a 405 names what is allowed
        return response

    app.add_exception_handler(CountersignError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


def error_response(error: CountersignError, request_id: str) -> JSONResponse:
    """The one wire form of every error."""
    headers = {"Retry-After": str(error.retry_after_s)} if error.retry_after_s else None
    return JSONResponse(error.wire(request_id), error.status, headers)


def _validation_error(error: RequestValidationError) -> CountersignError:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part != "body") or "body"
    if first["type"] in ("json_invalid", "json_type"):
        return BadRequest("The body is not valid JSON.")
    return Invalid(f"{place}: {first['msg']}")


def _http_error(error: HTTPException) -> CountersignError:
    if isinstance(error.__cause__, CountersignError):  # raised while the body was read
        return error.__cause__
    if error.status_code == 404:
        return NotFound("There is no such address.")
    if error.status_code == 413:
        return TooLarge()
    if error.status_code == 405:
        return MethodNotAllowed()
    return BadRequest(str(error.detail))


class _Edge:
    """The ASGI edge: request ids, security headers, counts, and a coded answer to any crash."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_headers(request_id)]
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except CountersignError as error:
            await error_response(error, request_id)(scope, receive, sending)
        except Exception:  # the ASGI edge: one coded 500 for whatever is a bug
            log.exception("request_crashed", request_id=request_id, path=scope["path"])
            if status == 0:
                await error_response(CountersignError(), request_id)(scope, receive, sending)
        finally:
            _count(scope, status)


def _headers(request_id: str) -> list[tuple[bytes, bytes]]:
    named = {**HEADERS, "X-Request-Id": request_id}
    return [(name.lower().encode(), value.encode()) for name, value in named.items()]


def _count(scope: Scope, status: int) -> None:
    services: Services | None = (
        getattr(scope["app"].state, "services", None) if "app" in scope else None
    )
    if services is not None:
        route = getattr(scope.get("route"), "path", "unmatched")
        services.telemetry.requests.labels(scope["method"], route, str(status)).inc()


class _Limits:
    """Refuses bodies over the limit, announced or not, and addresses no database can look up."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if "\0" in scope["path"]:  # PostgreSQL knows no NUL, so nothing has such an id
            raise NotFound("There is no such address.")
        most = self._most(scope)
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > most:
            raise TooLarge
        seen = 0

        async def receiving() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                raise TooLarge
            return message

        await self.app(scope, receiving, send)

    def _most(self, scope: Scope) -> int:
        if scope["path"] == UPLOAD_ROUTE:
            return self._settings.max_upload_bytes + MULTIPART_OVERHEAD
        return self._settings.max_body_bytes
