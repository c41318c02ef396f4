"""The HTTP service: ``create_app`` puts routes, pages, limits and error handling together."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from functools import partial
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Route

from app.api import (
    accounts,
    conversations,
    documents,
    gaps,
    gate,
    jobs,
    labelling,
    operations,
    pages,
    practice,
    questions,
    released,
    reviews,
    sessions,
    suspects,
    widget,
)
from app.api.described import describe, groups
from app.api.edge import Door, Edge, Heads, Limits, error_response
from app.api.openai import routes as openai
from app.api.requests import ErrorView, meant
from app.errors import BadRequest, CountersignError, Invalid, MethodNotAllowed, NotFound, TooLarge
from app.ports import PageImages
from app.settings import Settings
from app.telemetry import configure_logging
from app.wiring import Services, open_services
from countersign import __version__

MODULES = (
    questions,
    conversations,
    openai,
    reviews,
    released,
    documents,
    jobs,
    suspects,
    sessions,
    accounts,
    operations,
    gate,
    gaps,
    labelling,
    practice,
    widget,
)
ROUTERS = tuple(module.router for module in MODULES)
PAGE_NAMES = (
    ("/", "chat"),
    ("/review", "review"),
    ("/label", "label"),
    ("/operations", "operations"),
    ("/documents", "documents"),
    ("/people", "people"),
    ("/account", "account"),
    ("/docs", "reference"),
    ("/login", "login"),
)
NO_OBJECT = ("model_attributes_type", "model_type", "dict_type", "missing")
"""What pydantic calls a body that is none of the fields' names and values."""
PLACES = ("body", "query", "path", "header", "cookie")
WORDS = {
    "Input should": "it must",
    "String should": "it must",
    "List should": "it must",
    "Dictionary should": "it must",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid string": "a text",
    "a valid list": "a list",
    "a valid dictionary": "an object",
    "a valid boolean": "true or false",
    "a valid date or datetime": "a day such as 2026-12-31",
    "Expected UploadFile, received: <class 'str'>": "it must be a file",
}
"""What pydantic says, and what we say."""
Background = Callable[[Services], AbstractContextManager[None]]
"""Work beside the routes (ingestion, periodic work): entered at start, left at the end."""


class Described(FastAPI):
    """FastAPI, with a document that also says who may do what and how each operation fails."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if self.openapi_schema is None:
            routes = (route for router in ROUTERS for route in router.routes)
            describe(super().openapi(), [one for one in routes if isinstance(one, APIRoute)])
        return super().openapi()


def create_app(
    settings: Settings | None = None,
    background: Sequence[Background] = (),
    services: Services | None = None,
    page_images: PageImages | None = None,
) -> FastAPI:
    """The service. ``background`` runs in this process while it serves; without ``page_images``
    no page is drawn.

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

    app = Described(
        title="Countersign",
        summary="Answers from your documents, and nothing risky goes out without a signature.",
        version=__version__,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_url="/v1/openapi.json",
        openapi_tags=groups(),
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        responses={"default": {"model": ErrorView, "description": "Any error"}},
    )
    app.state.page_images = page_images
    for router in ROUTERS:
        app.include_router(router)
    _add_pages(app)
    _add_error_handlers(app)
    app.add_middleware(widget.Preflights)
    app.add_middleware(Limits, settings=chosen)
    app.add_middleware(Door, routes=[one for router in ROUTERS for one in router.routes])
    app.add_middleware(Heads)
    app.add_middleware(Edge)
    return app


def _add_pages(app: FastAPI) -> None:
    async def frame(request: Request, key: str = "") -> Response:
        return await widget.page(request, key)

    for path, name in PAGE_NAMES:
        route = app.api_route(path, methods=["GET", "HEAD"], include_in_schema=False)
        route(partial(pages.page, name))
    app.api_route("/widget", methods=["GET", "HEAD"], include_in_schema=False)(frame)
    app.api_route("/widget.js", methods=["GET", "HEAD"], include_in_schema=False)(widget.loader)
    app.mount(pages.STATIC, pages.PageFiles(directory=pages.FOLDER), name="static")


def _add_error_handlers(app: FastAPI) -> None:
    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, CountersignError)
        return error_response(error, request.state.request_id, request.url.path)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        found = _validation_error(error, request)
        return error_response(found, request.state.request_id, request.url.path)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 404 and _is_looked_at(request):
            return pages.missing()
        response = error_response(_http_error(error), request.state.request_id, request.url.path)
        response.headers.update(error.headers or {})
        if error.status_code == 405 and (allowed := _allowed(request)):
            response.headers["Allow"] = ", ".join(sorted(allowed))
        return response

    app.add_exception_handler(CountersignError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


def _is_looked_at(request: Request) -> bool:
    """Whether a person typed the address or followed a link to it."""
    path, accepted = request.url.path, request.headers.get("Accept", "")
    return "text/html" in accepted and not path.startswith(("/v1/", f"{pages.STATIC}/"))


def _validation_error(error: RequestValidationError, request: Request) -> CountersignError:
    first = error.errors()[0]
    content_type = request.headers.get("Content-Type", "")
    if first["loc"] == ("body",) and first["type"] in NO_OBJECT:
        named = "" if "json" in content_type.lower() else ", with Content-Type: application/json"
        return Invalid(f"body: it must be a JSON object{named}.")
    # A part in brackets is pydantic's name of a validator, not the caller's.
    parts = [str(part) for part in first["loc"][:1] if part not in PLACES]
    parts += [str(part) for part in first["loc"][1:] if "[" not in str(part)]
    place = ".".join(parts) or "body"
    param = place if place.isprintable() else None
    if first["type"] in ("json_invalid", "json_type"):
        return BadRequest("The body is not valid JSON.")
    if first["type"] == "missing" and _wants_form(request, content_type):
        return Invalid(f"{place}: it is missing. Send a form (multipart/form-data).", param=param)
    meant = _meant(place, request) if first["type"] == "extra_forbidden" else ""
    return Invalid(f"{place}: {_plainly(first)}{meant}", param=param)


def _wants_form(request: Request, content_type: str) -> bool:
    """Whether the route takes a form, and something else came."""
    params = request.scope["route"].dependant.body_params
    return not content_type.startswith("multipart/") and any(
        isinstance(param.field_info, Form) for param in params
    )


def _meant(name: str, request: Request) -> str:
    """The field of the body whose name is nearest to one that it does not have."""
    params = request.scope["route"].dependant.body_params
    form = params[0].field_info.annotation if params else None
    return meant(name, getattr(form, "model_fields", ()))


def _plainly(fault: Mapping[str, Any]) -> str:
    """What is wrong with one value, in words that need no knowledge of pydantic."""
    if fault["type"] == "missing":
        return "it is missing."
    if fault["type"] == "extra_forbidden":
        return "there is no such field."
    told = str(fault["msg"]).split(", unable to")[0].split(" after validation")[0]
    told = told.removeprefix("Value error, ")
    for theirs, ours in WORDS.items():
        told = told.replace(theirs, ours, 1)
    return told


def _allowed(request: Request) -> set[str]:
    """The methods that an address takes; each of its routes knows its own only."""
    routes = [*(route for router in ROUTERS for route in router.routes), *request.app.routes]
    taking = (one for one in routes if isinstance(one, Route | APIRoute))
    found = (one.methods for one in taking if one.path_regex.match(request.url.path))
    allowed = set().union(*(methods for methods in found if methods))
    return allowed | {"HEAD"} if "GET" in allowed else allowed


def _unreadable(error: HTTPException) -> str:
    """Why a body could not be read, as far as that is known."""
    cause = error.__cause__
    if isinstance(cause, UnicodeDecodeError):
        return "The body is not text in UTF-8. Send it as it is, not compressed."
    if isinstance(cause, RecursionError):
        return "The body is nested too deeply."
    return "The body is not valid JSON." if isinstance(cause, ValueError) else str(error.detail)


def _http_error(error: HTTPException) -> CountersignError:
    if isinstance(error.__cause__, CountersignError):  # raised while the body was read
        return error.__cause__
    if error.status_code == 404:
        return NotFound("There is no such address.")
    if error.status_code == 413:
        return TooLarge()
    if error.status_code == 405:
        return MethodNotAllowed()
    return BadRequest(_unreadable(error))
