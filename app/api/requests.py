"""What every route needs: the services, the caller with their permission, and idempotent POSTs."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import partial
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends, Header, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict
from starlette.requests import ClientDisconnect

from app.access.keys import sha256
from app.access.permissions import Action, authorise
from app.access.principals import Principal
from app.access.service import Access
from app.access.sessions import SignIn, check_csrf
from app.api.openai.errors import is_openai
from app.errors import BadRequest, CallerGone, Invalid, Unauthenticated
from app.made import noting
from app.serving.admission import Permit
from app.wiring import Services
from guardrails.checks.wording import as_seen


def is_storable(text: str) -> bool:
    """Whether every database stores the text: no NUL, no half of a character."""
    return "\0" not in text and not any("\ud800" <= one <= "\udfff" for one in text)


def _storable(text: str) -> str:
    if not is_storable(text):
        raise ValueError("it holds NUL or half a character")
    return text


Text = Annotated[str, AfterValidator(_storable)]
"""Text that every database stores."""


Words = Annotated[Text, AfterValidator(as_seen)]
"""What one person writes for another to read: without what the pages would not show."""


def _as_written(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        raise ValueError("it must be a day such as 2026-12-31")
    return value


Day = Annotated[date, BeforeValidator(_as_written)]
"""A day as people write it: a number would be taken for seconds since 1970."""
SOON_S = 0.1
"""A body that has come by then came soon."""
MAX_INT = 2**31 - 1
"""The largest number that an integer column holds."""
T = TypeVar("T")
EVENTS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}
"""What the OpenAPI document says of a route that may answer with events."""


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
PARAM, FIELD = "parameter", "field"
"""What a name belongs to: the address, or the body."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
bearer = HTTPBearer(auto_error=False, description="An API key: `cs_…`")
cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="A browser sign-in")


async def services(request: Request) -> Services:
    """The process's services."""
    return cast("Services", request.app.state.services)


ServicesDep = Annotated[Services, Depends(services)]


class May:
    """The caller, who has the permission for ``action``: the dependency of every route that is
    not public. ``Guarded`` has checked it before the body was read."""

    def __init__(self, action: Action) -> None:
        self.action: Action = action

    async def __call__(
        self,
        request: Request,
        _key: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
        _token: Annotated[str | None, Depends(cookie)],
        _csrf: Annotated[str | None, Header(alias="X-CSRF-Token")] = None,
    ) -> Principal:
        """The principal of this request."""
        return cast("Principal", request.state.principal)


async def permit(request: Request) -> AsyncIterator[Permit]:
    """A place for an answer, given back when the response is sent: the one that is held since the
    request came, or where the body took its time, one that is taken now."""
    held: Permit | None = getattr(request.state, "place", None)
    request.state.place = None
    taken = held or cast("Services", request.app.state.services).places.enter()
    try:
        yield taken
    finally:
        taken.close()


def meant(name: str, known: Iterable[str]) -> str:
    """Of what is known, the name that is nearest to one that is not, as a question."""
    near = get_close_matches(name, list(known), 1)
    return f" Is it {near[0]}?" if near else ""


def only_known(sent: Iterable[str], known: Collection[str], kind: str) -> None:
    """Refuse what would be lost: a ``kind`` that is misspelt, or the first of two of one name.

    Raises ``Invalid``.
    """
    seen: set[str] = set()
    for name in sent:
        shown = name[:80] if name.isprintable() else ""
        if name in seen:
            raise Invalid(f"{shown}: it is given twice.", param=shown or None)
        if name not in known:
            others = f" There are {', '.join(sorted(known))}." if known else ""
            told = f"there is no such {kind}.{meant(name, known) or others}"
            raise Invalid(f"{shown}: {told}", param=shown or None)
        seen.add(name)


def _parameters(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for within in dependant.dependencies:
        yield from _parameters(within)


class StrictRequest(Request):
    """A request whose JSON says one thing only: of a name that comes twice, one reader takes the
    first value and another the last."""

    async def json(self) -> Any:
        """The body. Raises ``Invalid`` for a doubled name, ``ValueError`` for what is no JSON."""
        if not hasattr(self, "_json"):
            found = json.loads(await self.body(), object_pairs_hook=_once_each, parse_constant=_no)
            self._json = found
        return self._json


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        only_known((name for name, _ in pairs), found, FIELD)
    return found


def _no(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


class Guarded(APIRoute):
    """A route that knows its caller, and that the caller may, before it reads a body.

    Parameters of its address that it has not are refused, but for probes, which monitors lengthen,
    and for OpenAI's clients, which send what is not known here.

    Where a route needs a ``permit``, a place is held already while the caller is looked up:
    whoever comes when all are taken is told at once, and costs no look at the database. It is
    kept where the body comes soon; else it is given back meanwhile.
    """

    @property
    def action(self) -> Action | None:
        """What the route does, as ``permissions`` names it; None: it is public."""
        calls = (dependency.call for dependency in self.dependant.dependencies)
        return next((call.action for call in calls if isinstance(call, May)), None)

    @property
    def answers(self) -> bool:
        """Whether the route needs a place for an answer."""
        return any(dependency.call is permit for dependency in self.dependant.dependencies)

    @property
    def only_known(self) -> bool:
        """Whether parameters that it has not are refused."""
        return self.path.startswith("/v1/") and not is_openai(self.path)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, behind the guard."""
        inner, action, answers = super().get_route_handler(), self.action, self.answers
        known = frozenset(_parameters(self.dependant)) if self.only_known else None

        async def handler(request: Request) -> Response:
            if known is not None:
                only_known((name for name, _ in request.query_params.multi_items()), known, PARAM)
            return await inner(request)

        async def guarded(plain: Request) -> Response:
            request = StrictRequest(plain.scope, plain.receive)
            if action is None:
                return await handler(request)
            shown = await _shown(request)
            with _place(request) if answers else nullcontext() as place:
                request.state.principal = await _caller(request, *shown)
                authorise(request.state.principal, action)
                if place is not None:
                    await _read(request, place)
                return await handler(request)

        return guarded


@contextmanager
def _place(request: Request) -> Iterator[Permit]:
    """A place that is given back at the end, unless ``permit`` has it by then."""
    place = cast("Services", request.app.state.services).places.enter()
    request.state.place = place
    try:
        yield place
    finally:
        if request.state.place is place:
            place.close()


async def _read(request: Request, place: Permit) -> None:
    """Read the body; who sends it slowly keeps no place from others meanwhile.

    Raises ``CallerGone``, and what ``Limits`` raises.
    """
    reading = asyncio.create_task(request.body())
    try:
        done, _ = await asyncio.wait({reading}, timeout=SOON_S)
        if not done:
            place.close()
            request.state.place = None
        await reading
    except ClientDisconnect:
        raise CallerGone from None
    finally:
        reading.cancel()


async def _shown(request: Request) -> tuple[HTTPAuthorizationCredentials | None, str]:
    """The API key and the cookie that came; raises ``Unauthenticated`` without any."""
    key, token = await bearer(request), await cookie(request)
    if key is None and token is None:
        raise Unauthenticated
    return key, token or ""


async def _caller(
    request: Request, key: HTTPAuthorizationCredentials | None, token: str
) -> Principal:
    """Who asks, looked up on threads that nothing else uses."""
    request.state.sign_in = None
    services = cast("Services", request.app.state.services)
    await asyncio.sleep(0)  # refusals of the same burst go out before any thread has work
    return await asyncio.get_running_loop().run_in_executor(
        services.lookups, _admit, request, key, token
    )


def _admit(request: Request, key: HTTPAuthorizationCredentials | None, token: str) -> Principal:
    """The caller, by API key or by cookie; a cookie needs a CSRF token to change anything."""
    access = cast("Services", request.app.state.services).access
    if key is not None:
        return access.keys.principal(key.credentials)
    session = access.sessions.find(token)
    if request.method not in SAFE_METHODS:
        check_csrf(session, request.headers.get("X-CSRF-Token"))
    request.state.sign_in = session
    return session.principal


def sign_in(request: Request) -> SignIn:
    """The browser session that the caller came with; raises ``Unauthenticated`` for a key."""
    session = cast("SignIn | None", request.state.sign_in)
    if session is None:
        raise Unauthenticated
    return session


@dataclass(frozen=True)
class Credential:
    """What a caller showed, as its hash, and the way to look at it again."""

    sha256: str
    principal: Callable[[], Principal]


async def credential(
    request: Request,
    services: ServicesDep,
    key: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    token: Annotated[str | None, Depends(cookie)],
) -> Credential:
    """For what outlives a request: ``principal()`` raises when the credential has ended, or its
    owner may not do any more what the route does."""
    access, action = services.access, cast("Guarded", request.scope["route"]).action
    shown = token or "" if key is None else key.credentials

    def found() -> Principal:
        by_cookie = key is None
        caller = (
            access.sessions.find(shown).principal if by_cookie else access.keys.principal(shown)
        )
        if action is not None:
            authorise(caller, action)
        return caller

    return Credential(sha256(shown), found)


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
    run: Callable[[], T],
    again: Callable[[str], T],
) -> T:
    """``run()``, or ``again(id)`` when this principal's key has run before.

    ``run`` says what it makes with ``note_made``. Only that id is kept: what was deleted since, or
    is out of scope now, is not shown again.
    """
    if key is None:
        return run()
    # As ASCII, because a body may hold lone surrogates, which cannot be hashed as they are.
    begun = access.requests.begin(principal, key, json.dumps(body, sort_keys=True))
    if isinstance(begun, str):
        return again(begun)
    done = False
    try:
        with noting(partial(access.requests.finish, principal, key)):
            response = run()
        done = True
        return response
    finally:
        if not done:
            access.requests.give_back(begun)


def page_limit(limit: int, most: int) -> int:
    """A page size within bounds; raises ``BadRequest``."""
    if not 1 <= limit <= most:
        raise BadRequest(f"limit is 1 to {most}.")
    return limit
