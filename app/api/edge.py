"""The ASGI edge: request ids, security headers, counts, limits, and one form for every error."""

import asyncio
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import cast
from urllib.parse import urlsplit, urlunsplit

import structlog
from fastapi.responses import JSONResponse
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.openai.errors import is_openai, openai_error
from app.api.requests import Guarded, is_storable
from app.errors import CountersignError, Invalid, NotFound, RequestTimeout, TooLarge
from app.settings import Settings
from app.tracing import describe, request_span
from app.wiring import Services

UPLOAD_ROUTE, SIGN_IN_ROUTE = "/v1/documents", "/v1/session"
MULTIPART_OVERHEAD = 64_000
MAX_SIGN_IN_BYTES = 16_384
"""A name and a password: the one body that is read of somebody who has not signed in."""
SLOWEST_BODY = 4_096
"""Bytes per second that a body must bring, after its first seconds."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
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


def error_response(error: CountersignError, request_id: str, path: str) -> JSONResponse:
    """The one wire form of every error; on the addresses of OpenAI's clients it is theirs."""
    headers = {"Retry-After": str(error.retry_after_s)} if error.retry_after_s else {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = openai_error(error).model_dump() if is_openai(path) else error.wire(request_id)
    return JSONResponse(body, error.status, headers)


class Edge:
    """Gives every request an id and every response its headers; a crash becomes a coded 500."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if not scope["path"].startswith("/v1/"):  # pages and probes
            await self._serve(scope, receive, send)
            return
        with request_span(_method(scope), scope["headers"]) as begun:
            status = await self._serve(scope, receive, send)
            told = {"http.request.method": _method(scope), "http.response.status_code": status}
            route = _route(scope)
            describe(begun, f"{_method(scope)} {route}", {**told, "http.route": route})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Serve one request; returns the status it was answered with."""
        request_id = secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                sent = message["headers"] if status < 300 else map(_here, message["headers"])
                message["headers"] = [*sent, *_headers(request_id, scope)]
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except CountersignError as error:
            await error_response(error, request_id, scope["path"])(scope, receive, sending)
        except Exception:  # the ASGI edge: one coded 500 for whatever is a bug
            log.exception("request_crashed", request_id=request_id, path=scope["path"])
            if status == 0:
                crash = error_response(CountersignError(), request_id, scope["path"])
                await crash(scope, receive, sending)
        finally:
            _count(scope, status)
        return status


class Heads:
    """A HEAD is the GET of the same address, without its body: as allowed, as
    counted, and as found. Of a stream the headers are all that is made."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope.get("method") != "HEAD":
            await self.app(scope, receive, send)
            return
        asked, said = {**scope, "method": "GET"}, asyncio.Event()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b""})
                said.set()

        async def receiving() -> Message:
            if said.is_set():  # nobody waits for what else a stream would tell
                return {"type": "http.disconnect"}
            return await _unless(said, receive)

        try:
            await self.app(asked, receiving, sending)
        finally:
            scope["route"] = asked.get("route")


async def _unless(said: asyncio.Event, receive: Receive) -> Message:
    """What comes next, or that nobody is there any more once it is said."""
    coming, over = asyncio.ensure_future(receive()), asyncio.ensure_future(said.wait())
    try:
        await asyncio.wait({coming, over}, return_when=asyncio.FIRST_COMPLETED)
        return coming.result() if coming.done() else {"type": "http.disconnect"}
    finally:
        coming.cancel()
        over.cancel()


class Door:
    """Refuses questions for which there is no place before anything else of them is looked at:
    under overload they are most of all requests, and what they cost is lost for answers.

    Who shows no API key goes the usual way, where that is said first.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self.app = app
        answering = (one for one in routes if isinstance(one, Guarded) and one.answers)
        self._routes = {one.path: one for one in answering}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] == "POST":
            route = self._routes.get(scope["path"])
            if route is not None and _shows_key(scope):
                scope["route"] = route  # it is counted under its route, refused or not
                cast("Services", scope["app"].state.services).places.look()
        await self.app(scope, receive, send)


def _shows_key(scope: Scope) -> bool:
    shown = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    scheme, _, key = shown.partition(b" ")
    return bool(scheme.lower() == b"bearer" and key.strip())


class Limits:
    """Refuses bodies over the limit, announced or not, bodies that come too slowly, and addresses
    that no database can look up."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if not is_storable(scope["path"]):  # so nothing has such an id
            raise NotFound("There is no such address.")
        if b"%00" in scope["query_string"] or b"\0" in scope["query_string"]:
            raise Invalid("The query holds NUL.")
        most = self._most(scope)
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > most:
            raise TooLarge
        await self.app(scope, _Body(receive, most, self._settings.body_timeout_s).receive, send)

    def _most(self, scope: Scope) -> int:
        if scope["path"] == UPLOAD_ROUTE:
            return self._settings.max_upload_bytes + MULTIPART_OVERHEAD
        if scope["path"] == SIGN_IN_ROUTE:
            return min(MAX_SIGN_IN_BYTES, self._settings.max_body_bytes)
        return self._settings.max_body_bytes


class _Body:
    """Reads one body within ``most`` bytes and in time, counted from when reading begins."""

    def __init__(self, receive: Receive, most: int, timeout_s: float) -> None:
        self._receive, self._most, self._timeout_s = receive, most, timeout_s
        self._began: float | None = None
        self._seen, self._complete = 0, False

    async def receive(self) -> Message:
        """The next message; raises ``TooLarge`` or ``RequestTimeout``."""
        if self._complete:  # what comes now is that the client hangs up, however late
            return await self._receive()
        if self._began is None:
            self._began = time.monotonic()
        allowed = self._timeout_s + self._seen / SLOWEST_BODY
        left = self._began + allowed - time.monotonic()
        try:
            message = await asyncio.wait_for(self._receive(), max(left, 0))
        except TimeoutError:
            raise RequestTimeout from None
        self._seen += len(message.get("body", b""))
        if self._seen > self._most:
            raise TooLarge
        self._complete = not message.get("more_body", False)
        return message


def _here(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """The header; where an address goes on (without a slash at its end) is told without a host:
    behind a proxy nobody here knows it, nor whether the caller came encrypted."""
    name, value = header
    if name != b"location":
        return header
    _, _, path, query, _ = urlsplit(value.decode("latin-1"))
    return name, urlunsplit(("", "", path, query, "")).encode("latin-1")


def _headers(request_id: str, scope: Scope) -> list[tuple[bytes, bytes]]:
    """Those of every response; a route may say otherwise in ``request.state.headers``."""
    own = scope["state"].get("headers")
    usual = _encoded({**HEADERS, **own}) if own else USUAL
    return [*usual, (b"x-request-id", request_id.encode())]


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


USUAL = _encoded(HEADERS)


def _count(scope: Scope, status: int) -> None:
    services: Services | None = (
        getattr(scope["app"].state, "services", None) if "app" in scope else None
    )
    if services is not None:
        services.telemetry.requests.labels(_method(scope), _route(scope), str(status)).inc()


def _route(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", "unmatched"))


def _method(scope: Scope) -> str:
    # A word that a client invents must not become a series that stays for ever.
    return scope["method"] if scope["method"] in METHODS else "other"
