"""Ask a question, read answers, follow a held one live, and open a citation's passage."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Header, Request
from pydantic import BaseModel, Field
from sse_starlette import EventSourceResponse, ServerSentEvent

from app.access.principals import Principal
from app.answering.answerer import Ask, OnStage
from app.api.requests import Body, IdempotencyKey, PrincipalDep, ServicesDep, Text, once, page_limit
from app.errors import CountersignError, NotFound
from app.records.views import AnswerView
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


router = APIRouter(prefix="/v1", tags=["questions"])
POLL_S = 0.4
log = structlog.get_logger()
FINAL = frozenset({"released", "blocked", "abstained", "rejected"})


@router.post(
    "/ask",
    response_model=AnswerView,
    summary="Ask a question",
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def ask(
    body: AskBody,
    request: Request,
    services: ServicesDep,
    principal: PrincipalDep,
    key: IdempotencyKey = None,
    accept: Annotated[str, Header()] = "application/json",
) -> Any:
    """The answer as JSON, or with `Accept: text/event-stream` as events: `stage` several times,
    then, of a released answer, its `sentence`s, then one `answer` (or one `error`). A draft that
    was not released is never part of either: the verdict is on the whole draft, so the first
    sentence is sent after the release is recorded."""
    principal.require("asker")
    question = _Question(services, principal, body, key)
    if "text/event-stream" in accept:
        return EventSourceResponse(_ask_events(question, request.state.request_id))
    return await asyncio.to_thread(question.answer, lambda _name, _detail: None)


@dataclass(frozen=True)
class _Question:
    services: Services
    principal: Principal
    body: AskBody
    key: str | None

    def answer(self, on_stage: OnStage) -> dict[str, Any]:
        """The answer; with an idempotency key the question is asked once, ever."""

        def run() -> dict[str, Any]:
            self.services.access.charge_question(self.principal)
            wanted = Ask(**self.body.model_dump())
            answered = self.services.answerer.answer(self.principal, wanted, on_stage)
            return {"answer_id": answered["answer_id"]} if self.key else answered

        done = once(
            self.services.access, self.principal, self.key, ["ask", self.body.model_dump()], run
        )
        if self.key is None:
            return done
        return self.services.answerer.view(self.principal, done["answer_id"])


async def _ask_events(question: _Question, request_id: str) -> AsyncIterator[ServerSentEvent]:
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[ServerSentEvent | None] = asyncio.Queue()

    def post(event: ServerSentEvent | None) -> None:
        loop.call_soon_threadsafe(events.put_nowait, event)

    def work() -> None:
        try:
            answer = question.answer(
                lambda name, detail: post(_event("stage", {"stage": name, "detail": detail}))
            )
            for event in _outcome_events(answer, question.services.settings.stream):
                post(event)
        except CountersignError as error:
            post(_event("error", error.wire(request_id)))
        finally:
            post(None)

    running = asyncio.create_task(asyncio.to_thread(work))
    while (event := await events.get()) is not None:
        yield event
    try:
        await running
    except Exception:  # the ASGI edge: the stream has begun, so no 500 is possible
        log.exception("request_crashed", request_id=request_id, path="/v1/ask")
        yield _event("error", CountersignError().wire(request_id))


def _outcome_events(answer: dict[str, Any], stream: str) -> Iterator[ServerSentEvent]:
    """What is sent once the record stands: the view holds an answer only when it was released."""
    if stream == "sentences" and answer["status"] == "released":
        told = {"provisional": bool(answer["gate"] and answer["gate"]["provisional"])}
        for index, sentence in enumerate(answer["answer"]["sentences"]):
            yield _event("sentence", {"index": index, **sentence, **told})
    yield _answer_event(answer)


def _answer_event(answer: dict[str, Any]) -> ServerSentEvent:
    return _event("answer", answer)


def _event(name: str, data: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(data, ensure_ascii=False), event=name)


@router.get("/answers", response_model=AnswersView, summary="The caller's newest answers")
def answers(services: ServicesDep, principal: PrincipalDep, limit: int = 20) -> Any:
    """Newest first; held ones have no answer yet."""
    return {"answers": services.answerer.history(principal, page_limit(limit, 100))}


@router.get("/answers/{answer_id}", response_model=AnswerView, summary="One answer")
def answer(answer_id: str, services: ServicesDep, principal: PrincipalDep) -> Any:
    """As it stands now; only to whom asked."""
    return services.answerer.view(principal, answer_id)


@router.get(
    "/answers/{answer_id}/events",
    summary="Follow an answer until it is final",
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def answer_events(answer_id: str, services: ServicesDep, principal: PrincipalDep) -> Any:
    """An `answer` event now, and again whenever its status changes; ends when it is final."""
    first = await asyncio.to_thread(services.answerer.view, principal, answer_id)

    async def follow() -> AsyncIterator[ServerSentEvent]:
        current = first
        yield _answer_event(current)
        while current["status"] not in FINAL:
            await asyncio.sleep(POLL_S)
            latest = await asyncio.to_thread(services.answerer.view, principal, answer_id)
            if latest["status"] != current["status"]:
                current = latest
                yield _answer_event(current)

    return EventSourceResponse(follow(), ping=15)


@router.get("/collections", response_model=CollectionsView, summary="Collections in scope")
def collections(services: ServicesDep, principal: PrincipalDep) -> Any:
    """Each with its number of documents."""
    return {"collections": list(_readable_collections(services, principal))}


def _readable_collections(services: Services, principal: Principal) -> Iterator[dict[str, Any]]:
    for name, documents in services.corpus.collections().items():
        if principal.may_read(name):
            yield {"name": name, "documents": documents}


@router.get("/passages/{passage_id}", response_model=PassageView, summary="One passage")
def passage(passage_id: str, services: ServicesDep, principal: PrincipalDep) -> Any:
    """The text a citation points into; 404 once it was removed or is out of scope."""
    found, source = services.corpus.passage_with_source(passage_id)
    if not principal.may_read(found.collection):
        raise NotFound("This source was removed, or it is not yours to see.")
    return {
        "passage_id": found.id,
        "document_id": found.document_id,
        "title": found.title,
        "collection": found.collection,
        "page": found.page,
        "text": found.text,
        "start": found.start,
        "end": found.end,
        "source": PurePath(source).name,  # where it lies on the server is not for askers
    }
