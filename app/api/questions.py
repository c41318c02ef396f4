"""Ask a question, read answers, follow a held one live, and open a citation's passage."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Header, Request
from pydantic import BaseModel, Field
from sse_starlette import EventSourceResponse, ServerSentEvent

from app.access.permissions import authorise
from app.access.principals import Principal
from app.answering.answerer import OnStage
from app.answering.stages import Ask
from app.api.requests import (
    Body,
    Credential,
    CredentialDep,
    Guarded,
    IdempotencyKey,
    May,
    ServicesDep,
    Text,
    once,
    page_limit,
    permit,
)
from app.deadline import Deadline
from app.errors import CallerGone, CountersignError
from app.records.views import AnswerView
from app.serving.admission import Permit
from app.wiring import Services


class AskBody(Body):
    """A question for the service."""

    question: str = Field(description="The question, plain text.")
    collections: list[str] | None = Field(
        default=None, description="Collections to search; null searches all in scope."
    )
    answer_schema: dict[str, Any] | None = Field(
        default=None,
        description="A JSON schema (2020-12, no patterns, no references outside itself) that the "
        "answer object must satisfy; otherwise a reviewer decides.",
    )
    previous_answer_id: Text | None = Field(
        default=None,
        max_length=64,
        description="The caller's own answer that this question follows, in a conversation.",
    )


class AnswersView(BaseModel):
    """The caller's newest answers, newest first."""

    answers: list[AnswerView]


class CollectionView(BaseModel):
    """A collection within the caller's scope."""

    name: str
    documents: int


class CollectionsView(BaseModel):
    """The collections within the caller's scope."""

    collections: list[CollectionView]


class PassageView(BaseModel):
    """A passage with its document's name."""

    passage_id: str
    document_id: str
    title: str
    collection: str
    page: int | None
    text: str
    start: int
    end: int
    source: str
    last_page: int | None = None
    headings: list[str] = []


router = APIRouter(prefix="/v1", tags=["questions"], route_class=Guarded)
Asking = Annotated[Principal, Depends(May("answers.ask"))]
Owner = Annotated[Principal, Depends(May("answers.own"))]
Reader = Annotated[Principal, Depends(May("passages.read"))]
log = structlog.get_logger()
FINAL = frozenset({"released", "blocked", "abstained", "rejected"})


@router.post(
    "/ask",
    response_model=AnswerView,
    summary="Ask a question",
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def ask(
    permit: Annotated[Permit, Depends(permit)],
    body: AskBody,
    request: Request,
    services: ServicesDep,
    principal: Asking,
    key: IdempotencyKey = None,
    accept: Annotated[str, Header()] = "application/json",
) -> Any:
    """The answer as JSON, or with `Accept: text/event-stream` as events: `stage` several times,
    then, of a released answer, its `sentence`s, then one `answer` (or one `error`). A draft that
    was not released is never part of either: the verdict is on the whole draft, so the first
    sentence is sent after the release is recorded."""
    question = _Question(services, principal, body, key)
    if "text/event-stream" in accept:
        return EventSourceResponse(_ask_events(question, permit, request.state.request_id))
    return await _while_connected(request, permit.run(question.answer))


@dataclass(frozen=True)
class _Question:
    services: Services
    principal: Principal
    body: AskBody
    key: str | None

    def answer(
        self, deadline: Deadline, on_stage: OnStage = lambda _name, _detail: None
    ) -> AnswerView:
        """The answer; with an idempotency key the question is asked once, ever."""

        def run() -> AnswerView:
            self.services.access.charge_question(self.principal)
            wanted = Ask(**self.body.model_dump())
            return self.services.answerer.answer(self.principal, wanted, on_stage, deadline)

        def again(answer_id: str) -> AnswerView:
            return self.services.answerer.view(self.principal, answer_id)

        access, request = self.services.access, ["ask", self.body.model_dump()]
        return once(access, self.principal, self.key, request, run, _id, again)


def _id(answer: AnswerView) -> str:
    return answer.answer_id


async def _while_connected(request: Request, work: Coroutine[Any, Any, AnswerView]) -> AnswerView:
    """What ``work`` returns; it is cancelled when the caller hangs up."""
    working = asyncio.create_task(work)
    hung_up = asyncio.create_task(_hung_up(request))
    try:
        await asyncio.wait({working, hung_up}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise CallerGone
        return await working
    finally:
        hung_up.cancel()
        working.cancel()


async def _hung_up(request: Request) -> None:
    """Returns when the caller closes the connection; the body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _ask_events(
    question: _Question, permit: Permit, request_id: str
) -> AsyncIterator[ServerSentEvent]:
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[ServerSentEvent | None] = asyncio.Queue()

    def tell(name: str, detail: str) -> None:
        event = _event("stage", {"stage": name, "detail": detail})
        loop.call_soon_threadsafe(events.put_nowait, event)

    running = asyncio.create_task(permit.run(lambda deadline: question.answer(deadline, tell)))
    running.add_done_callback(lambda _done: events.put_nowait(None))
    try:
        while (event := await events.get()) is not None:
            yield event
        for event in _outcome_events(running.result(), question.services.settings.stream):
            yield event
    except CountersignError as error:
        yield _event("error", error.wire(request_id))
    except Exception:  # the ASGI edge: the stream has begun, so no 500 is possible
        log.exception("request_crashed", request_id=request_id, path="/v1/ask")
        yield _event("error", CountersignError().wire(request_id))
    finally:
        running.cancel()  # whoever hung up waits for nothing


def _outcome_events(answer: AnswerView, stream: str) -> Iterator[ServerSentEvent]:
    """What is sent once the record stands: the view holds an answer only when it was released."""
    if stream == "sentences" and answer.status == "released" and answer.answer is not None:
        told = {"provisional": bool(answer.gate and answer.gate.provisional)}
        for index, sentence in enumerate(answer.answer.sentences):
            yield _event("sentence", {"index": index, **asdict(sentence), **told})
    yield _answer_event(answer)


def _answer_event(answer: AnswerView) -> ServerSentEvent:
    return _event("answer", asdict(answer))


def _event(name: str, data: Mapping[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(data, ensure_ascii=False), event=name)


@router.get("/answers", response_model=AnswersView, summary="The caller's newest answers")
def answers(services: ServicesDep, principal: Owner, limit: int = 20) -> Any:
    """Newest first; held ones have no answer yet."""
    return {"answers": services.answerer.history(principal, page_limit(limit, 100))}


@router.get("/answers/{answer_id}", response_model=AnswerView, summary="One answer")
def answer(answer_id: str, services: ServicesDep, principal: Owner) -> Any:
    """As it stands now; only to whom asked."""
    return services.answerer.view(principal, answer_id)


@router.get(
    "/answers/{answer_id}/events",
    summary="Follow an answer until it is final",
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def answer_events(
    answer_id: str,
    request: Request,
    services: ServicesDep,
    principal: Owner,
    credential: CredentialDep,
) -> Any:
    """An `answer` event now, and again whenever its status changes; ends when it is final, or
    with an `error` event when the key or the sign-in has ended."""
    view, seen = services.answerer.view, services.watch.seen
    first = await services.watch.run(lambda: view(principal, answer_id))
    events = _follow(services, first, seen, credential, request.state.request_id)
    return EventSourceResponse(events, ping=15)


async def _follow(
    services: Services, first: AnswerView, seen: int | None, credential: Credential, request_id: str
) -> AsyncIterator[ServerSentEvent]:
    view, answer_id, status = services.answerer.view, first.answer_id, first.status
    yield _answer_event(first)
    with services.watch.follow(answer_id, credential.sha256, seen) as stream:
        while status not in FINAL:
            await stream.change()
            try:
                latest = await services.watch.run(lambda: view(credential.principal(), answer_id))
            except CountersignError as error:
                yield _event("error", error.wire(request_id))
                return
            if latest.status != status:
                status = latest.status
                yield _answer_event(latest)


@router.get("/collections", response_model=CollectionsView, summary="Collections in scope")
def collections(services: ServicesDep, principal: Reader) -> Any:
    """Each with its number of documents."""
    return {"collections": list(_readable_collections(services, principal))}


def _readable_collections(services: Services, principal: Principal) -> Iterator[CollectionView]:
    for name, documents in services.corpus.documents.collections().items():
        if principal.may_read(name):
            yield CollectionView(name=name, documents=documents)


@router.get("/passages/{passage_id}", response_model=PassageView, summary="One passage")
def passage(passage_id: str, services: ServicesDep, principal: Reader) -> Any:
    """The text a citation points into; 404 once it was removed or is out of scope."""
    found, source = services.corpus.passages.with_source(passage_id)
    gone = "This source was removed, or you may not see it."
    authorise(principal, "passages.read", [found.collection], gone)
    return {
        "passage_id": found.id,
        "document_id": found.document_id,
        "title": found.title,
        "collection": found.collection,
        "page": found.page,
        "text": found.text,
        "start": found.start,
        "end": found.end,
        "last_page": found.last_page,
        "headings": list(found.headings),
        "source": PurePath(source).name,  # where it lies on the server is not for askers
    }
