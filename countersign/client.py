"""A small client of a running service: ``Client``, and ``AsyncClient`` with the same methods.

    with Client("http://127.0.0.1:8000", "cs_...") as service:
        answer = service.follow(service.ask("How long must a password be?"))
        print(answer.text)

It needs nothing of the service but its address and an API key.
"""

import asyncio
import json
import math
import random
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel

__all__ = [
    "Answer",
    "AsyncClient",
    "Citation",
    "Client",
    "ClientError",
    "Collection",
    "Document",
    "Gate",
    "Hit",
    "Passage",
]
TIMEOUT = httpx.Timeout(60.0, connect=10.0)
SILENCE = httpx.Timeout(60.0, connect=10.0, read=45.0)
"""A service that lives sends something every 15 seconds while an answer is followed."""
PATIENCE_S = 90.0
"""For how long what may be tried again is, by default: longer than the minute for which the key of
a request stays taken whose service was killed, and its start."""
PAUSE_S = 0.5
LONGEST_PAUSE_S = 8.0
LOOK_S = 1.0
"""Between two looks at an answer whose events cannot be waited for."""
FINAL = frozenset({"released", "blocked", "abstained", "rejected", "withdrawn"})
Told = TypeVar("Told")
Model = TypeVar("Model", bound=BaseModel)


class ClientError(Exception):
    """The service refused: ``code`` as in its documentation, ``status`` of HTTP.

    ``retryable`` says that the same can succeed later, after ``retry_after_s`` where it is known.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int = 0,
        retryable: bool = False,
        request_id: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{message} ({code})")
        self.code, self.message, self.status = code, message, status
        self.retryable, self.request_id = retryable, request_id
        self.retry_after_s = retry_after_s


class Citation(BaseModel):
    """A source of an answer; ``start`` and ``end`` are code points in the passage's text."""

    number: int
    passage_id: str
    document_id: str
    title: str
    page: int | None = None
    last_page: int | None = None
    quote: str
    start: int
    end: int
    removed: bool = False
    redacted: bool = False


class Sentence(BaseModel):
    """A sentence and the numbers of its citations."""

    text: str
    citations: list[int]


class Content(BaseModel):
    """What was released."""

    text: str
    short: str | None = None
    sentences: list[Sentence] = []
    citations: list[Citation] = []


class Gate(BaseModel):
    """What stood behind a release."""

    mode: str
    certified: bool
    provisional: bool
    alpha: float | None = None
    delta: float | None = None
    weighed: bool = False


class Choice(BaseModel):
    """Something that a question may be about, and the full question to ask about it."""

    label: str
    question: str


class Answer(BaseModel):
    """An answer as it stood when it was read; ``content`` is None unless it was released."""

    answer_id: str
    status: Literal["released", "held", "blocked", "abstained", "rejected", "withdrawn"]
    question: str
    created_at: str
    released_at: str | None = None
    released_by: str | None = None
    edited: bool = False
    message: str = ""
    answer: Content | None = None
    disclaimer: str = ""
    gate: Gate | None = None
    reason: str = ""
    choices: list[Choice] = []

    @property
    def final(self) -> bool:
        """Whether nothing but a later review will change it."""
        return self.status in FINAL

    @property
    def text(self) -> str:
        """What was released, with ``[n]`` markers, or else the message about it."""
        return self.answer.text if self.answer else self.message

    @property
    def citations(self) -> list[Citation]:
        """The sources of what was released."""
        return self.answer.citations if self.answer else []


class Collection(BaseModel):
    """A collection within the caller's scope, with its number of documents."""

    name: str
    documents: int


class Section(BaseModel):
    """A section of a document; ``passage_id`` is a passage in it."""

    passage_id: str
    document_id: str
    title: str
    collection: str
    page: int | None = None
    last_page: int | None = None
    headings: list[str] = []


class Passage(Section):
    """The text that a citation points into."""

    text: str
    start: int
    end: int
    source: str = ""


class Hit(Passage):
    """A passage that was found. ``similarity`` is always None: scores stay inside the service."""

    similarity: float | None = None


class Document(BaseModel):
    """A document, and why it failed if it did."""

    document_id: str
    collection: str
    title: str
    state: str
    error_code: str | None = None
    error_message: str | None = None


@dataclass(frozen=True)
class _Call(Generic[Told]):
    """One request, whoever sends it, and how its response is read; one with a ``key`` does the
    same however often it comes."""

    method: str
    path: str
    read: Callable[[Any], Told]
    params: Mapping[str, Any] | None = None
    body: Any = None
    form: Mapping[str, str] | None = None
    file: tuple[str, bytes] | None = None
    key: str | None = None

    def arguments(self) -> dict[str, Any]:
        """As httpx takes it."""
        return {
            "method": self.method,
            "url": self.path,
            "params": self.params,
            "json": self.body,
            "data": self.form,
            "files": {"file": self.file} if self.file else None,
            "headers": {"Idempotency-Key": self.key} if self.key else None,
        }


def _listed(name: str, model: type[Model]) -> Callable[[Any], list[Model]]:
    """Reads what a response lists under a name."""
    return lambda told: [model.model_validate(one) for one in told[name]]


def _one(kind: str, name: str, model: type[Model]) -> _Call[Model]:
    return _Call("GET", f"/v1/{kind}/{quote(name, safe='')}", model.model_validate)


def _answer(answer: Answer | str) -> _Call[Answer]:
    return _one("answers", answer if isinstance(answer, str) else answer.answer_id, Answer)


def _asking(
    question: str,
    collections: Sequence[str] | None,
    answer_schema: Mapping[str, Any] | None,
    previous: Answer | str | None,
    key: str | None,
) -> _Call[Answer]:
    body = {
        "question": question,
        "collections": list(collections) if collections is not None else None,
        "answer_schema": answer_schema,
        "previous_answer_id": previous.answer_id if isinstance(previous, Answer) else previous,
    }
    key = key or uuid.uuid4().hex
    return _Call("POST", "/v1/ask", Answer.model_validate, body=body, key=key)


def _uploading(
    file: Path, collection: str, days: Mapping[str, str | None], create: bool, key: str | None
) -> _Call[Document]:
    form = {"collection": collection} | {name: day for name, day in days.items() if day}
    form |= {"create": "true"} if create else {}
    content = (file.name, file.read_bytes())
    key = key or uuid.uuid4().hex
    read = Document.model_validate
    return _Call("POST", "/v1/documents", read, form=form, file=content, key=key)


def _searching(question: str, collections: Sequence[str] | None, limit: int) -> _Call[list[Hit]]:
    wanted = list(collections) if collections is not None else None
    body = {"question": question, "collections": wanted, "limit": limit}
    return _Call("POST", "/v1/search", _listed("passages", Hit), body=body)


def _newest(limit: int) -> _Call[list[Answer]]:
    return _Call("GET", "/v1/answers", _listed("answers", Answer), params={"limit": limit})


def _sections(answer: Answer | str) -> _Call[list[Section]]:
    return _Call("GET", f"{_answer(answer).path}/sections", _listed("sections", Section))


def _collections() -> _Call[list[Collection]]:
    return _Call("GET", "/v1/collections", _listed("collections", Collection))


def _passage(passage: Citation | str) -> _Call[Passage]:
    name = passage if isinstance(passage, str) else passage.passage_id
    return _one("passages", name, Passage)


def _json(response: httpx.Response) -> Any:
    """The JSON object of a response; raises ``ClientError``, also for what only a proxy says."""
    try:
        told = response.json()
    except ValueError:
        told = None
    if response.is_success and isinstance(told, dict):
        return told
    error = told if isinstance(told, dict) else {}
    after = response.headers.get("retry-after", "")
    raise ClientError(
        str(error.get("code", "unknown")),
        str(error.get("message", f"The service answered with status {response.status_code}.")),
        status=response.status_code,
        retryable=bool(error.get("retryable", response.status_code >= 500)),
        request_id=str(error.get("request_id", "")),
        retry_after_s=float(after) if after.isdigit() else None,
    )


class _Tries:
    """When one call is tried again: at growing, random distances, so that not all callers come back
    at once, never before the service asks for it, and for ``patience_s`` seconds in all."""

    def __init__(self, patience_s: float) -> None:
        self._ends, self._longest = time.monotonic() + patience_s, PAUSE_S

    def pause(self, error: Exception) -> float | None:
        """Seconds until the next try; None when there is to be none."""
        if not _may_pass(error):
            return None
        wait = random.uniform(self._longest / 2, self._longest)
        self._longest = min(2 * self._longest, LONGEST_PAUSE_S)
        if isinstance(error, ClientError) and error.retry_after_s is not None:
            wait += error.retry_after_s
        return wait if time.monotonic() + wait <= self._ends else None


def _may_pass(error: Exception) -> bool:
    if isinstance(error, ClientError):
        return error.retryable
    return not isinstance(error, (httpx.UnsupportedProtocol, httpx.LocalProtocolError))


class _Events:
    """The answers of an event stream, as its text comes."""

    def __init__(self) -> None:
        self._name = self._rest = ""

    def read(self, text: str) -> Iterator[Answer]:
        """The answers that are complete with ``text``; raises ``ClientError`` for an error event.

        Only a line feed ends a line: what else does for Python, such as U+2028, people may write.
        """
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if found := self._line(line):
                yield found

    def _line(self, line: str) -> Answer | None:
        """The answer that a line brings; raises ``ClientError`` for an error event."""
        field, _, value = line.removesuffix("\r").partition(": ")
        if field == "event":
            self._name = value
        if field != "data" or self._name not in ("answer", "error"):
            return None
        data = json.loads(value)
        if self._name == "answer":
            return Answer.model_validate(data)
        raise ClientError(
            data["code"],
            data["message"],
            retryable=data["retryable"],
            request_id=data["request_id"],
        )


def _options(address: str, key: str) -> dict[str, Any]:
    return {
        # OpenAI's clients are given the address with /v1; here it may stand there, too.
        "base_url": address.rstrip("/").removesuffix("/v1"),
        "headers": {"Authorization": f"Bearer {key}"},
        "timeout": TIMEOUT,
    }


class Client:
    """A caller of the service at ``address``, with an API key.

    Every method raises ``ClientError`` for what the service refuses, and ``httpx.TransportError``
    when it cannot be reached. What may pass is tried again for ``patience_s`` seconds, the question
    itself with one idempotency key, so that it is asked once; 0: never.
    """

    def __init__(self, address: str, key: str, *, patience_s: float = PATIENCE_S) -> None:
        self._http, self._patience_s = httpx.Client(**_options(address, key)), patience_s

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(
        self,
        question: str,
        *,
        collections: Sequence[str] | None = None,
        answer_schema: Mapping[str, Any] | None = None,
        previous: Answer | str | None = None,
        key: str | None = None,
    ) -> Answer:
        """The answer, which may be held; ``previous`` is the answer that the question follows,
        ``key`` an idempotency key."""
        call = _asking(question, collections, answer_schema, previous, key)
        return self._call(call)

    def answer(self, answer_id: str) -> Answer:
        """An answer as it stands now."""
        return self._call(_answer(answer_id))

    def answers(self, limit: int = 20) -> list[Answer]:
        """The caller's newest answers, newest first."""
        return self._call(_newest(limit))

    def follow(self, answer: Answer | str, timeout_s: float | None = None) -> Answer:
        """The answer when it is final; raises ``TimeoutError`` after ``timeout_s`` seconds."""
        if timeout_s is not None:
            return self._wait(answer, time.monotonic() + timeout_s)
        tries = _Tries(math.inf)
        while True:
            wait = PAUSE_S
            try:
                for now in self.changes(answer):
                    tries = _Tries(math.inf)
                    if now.final:
                        return now
            except (ClientError, httpx.TransportError) as error:
                if (pause := tries.pause(error)) is None:
                    raise
                wait = pause
            time.sleep(wait)  # the connection was lost; the answer was not

    def _wait(self, answer: Answer | str, ends: float) -> Answer:
        """By asking now and then: a stream cannot be left in time while nothing comes."""
        call, left = _answer(answer), ends - time.monotonic()
        while not (now := self._call(call, left)).final:
            left = ends - time.monotonic()
            if left <= 0:
                raise TimeoutError("Nobody has decided on the answer yet.")
            time.sleep(min(LOOK_S, left))
        return now

    def changes(self, answer: Answer | str) -> Iterator[Answer]:
        """The answer now, and again whenever its status changes, until it is final."""
        path, events = f"{_answer(answer).path}/events", _Events()
        with self._http.stream("GET", path, timeout=SILENCE) as response:
            if not response.is_success:
                response.read()
                _json(response)
            for text in response.iter_text():
                yield from events.read(text)

    def sections(self, answer: Answer | str) -> list[Section]:
        """Sections to read while an answer waits, or where there is none; the closest first."""
        return self._call(_sections(answer))

    def collections(self) -> list[Collection]:
        """The collections that the caller may read."""
        return self._call(_collections())

    def search(
        self, question: str, *, collections: Sequence[str] | None = None, limit: int = 5
    ) -> list[Hit]:
        """The best passages for a question; nothing is drafted, nothing recorded."""
        return self._call(_searching(question, collections, limit))

    def passage(self, passage: Citation | str) -> Passage:
        """The passage that a citation points into."""
        return self._call(_passage(passage))

    def upload(
        self,
        file: Path,
        collection: str,
        *,
        valid_until: str | None = None,
        valid_from: str | None = None,
        create: bool = False,
        key: str | None = None,
    ) -> Document:
        """Add a document; it is read soon after, see ``document``. A collection that is new must
        be meant: ``create``. The days are written as ``2026-12-31``."""
        days = {"valid_from": valid_from, "valid_until": valid_until}
        call = _uploading(file, collection, days, create, key)
        return self._call(call)

    def document(self, document_id: str) -> Document:
        """A document as it stands now."""
        return self._call(_one("documents", document_id, Document))

    def _call(self, call: _Call[Told], most_s: float = math.inf) -> Told:
        tries = _Tries(min(self._patience_s, most_s))
        while True:
            try:
                return call.read(_json(self._http.request(**call.arguments())))
            except (ClientError, httpx.TransportError) as error:
                if (pause := tries.pause(error)) is None:
                    raise
            time.sleep(pause)


class AsyncClient:
    """``Client`` for asyncio."""

    def __init__(self, address: str, key: str, *, patience_s: float = PATIENCE_S) -> None:
        self._http, self._patience_s = httpx.AsyncClient(**_options(address, key)), patience_s

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ask(
        self,
        question: str,
        *,
        collections: Sequence[str] | None = None,
        answer_schema: Mapping[str, Any] | None = None,
        previous: Answer | str | None = None,
        key: str | None = None,
    ) -> Answer:
        """As ``Client.ask``."""
        call = _asking(question, collections, answer_schema, previous, key)
        return await self._call(call)

    async def answer(self, answer_id: str) -> Answer:
        """As ``Client.answer``."""
        return await self._call(_answer(answer_id))

    async def answers(self, limit: int = 20) -> list[Answer]:
        """As ``Client.answers``."""
        return await self._call(_newest(limit))

    async def follow(self, answer: Answer | str, timeout_s: float | None = None) -> Answer:
        """As ``Client.follow``, but ``timeout_s`` ends the wait at once."""
        tries = _Tries(math.inf)
        async with asyncio.timeout(timeout_s):
            while True:
                wait = PAUSE_S
                try:
                    async for now in self.changes(answer):
                        tries = _Tries(math.inf)
                        if now.final:
                            return now
                except (ClientError, httpx.TransportError) as error:
                    if (pause := tries.pause(error)) is None:
                        raise
                    wait = pause
                await asyncio.sleep(wait)  # the connection was lost; the answer was not

    async def changes(self, answer: Answer | str) -> AsyncIterator[Answer]:
        """As ``Client.changes``."""
        path, events = f"{_answer(answer).path}/events", _Events()
        async with self._http.stream("GET", path, timeout=SILENCE) as response:
            if not response.is_success:
                await response.aread()
                _json(response)
            async for text in response.aiter_text():
                for found in events.read(text):
                    yield found

    async def sections(self, answer: Answer | str) -> list[Section]:
        """As ``Client.sections``."""
        return await self._call(_sections(answer))

    async def collections(self) -> list[Collection]:
        """As ``Client.collections``."""
        return await self._call(_collections())

    async def search(
        self, question: str, *, collections: Sequence[str] | None = None, limit: int = 5
    ) -> list[Hit]:
        """As ``Client.search``."""
        return await self._call(_searching(question, collections, limit))

    async def passage(self, passage: Citation | str) -> Passage:
        """As ``Client.passage``."""
        return await self._call(_passage(passage))

    async def upload(
        self,
        file: Path,
        collection: str,
        *,
        valid_until: str | None = None,
        valid_from: str | None = None,
        create: bool = False,
        key: str | None = None,
    ) -> Document:
        """As ``Client.upload``."""
        days = {"valid_from": valid_from, "valid_until": valid_until}
        call = await asyncio.to_thread(_uploading, file, collection, days, create, key)
        return await self._call(call)

    async def document(self, document_id: str) -> Document:
        """As ``Client.document``."""
        return await self._call(_one("documents", document_id, Document))

    async def _call(self, call: _Call[Told]) -> Told:
        tries = _Tries(self._patience_s)
        while True:
            try:
                return call.read(_json(await self._http.request(**call.arguments())))
            except (ClientError, httpx.TransportError) as error:
                if (pause := tries.pause(error)) is None:
                    raise
            await asyncio.sleep(pause)
