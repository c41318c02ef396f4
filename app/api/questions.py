"""Ask a question, read answers, follow a held one live, and open a citation's passage."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import asdict
from pathlib import PurePath
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from pydantic import BaseModel, Field
from sse_starlette import EventSourceResponse, ServerSentEvent

from app.access.permissions import authorise
from app.access.principals import Principal
from app.answering.answerer import checked_question
from app.answering.sections import SectionsView
from app.answering.stages import Ask
from app.api.asking import Question, Stage, asked_stream, follow, news_of, while_connected
from app.api.requests import (
    EVENTS,
    Body,
    CredentialDep,
    Guarded,
    IdempotencyKey,
    May,
    ServicesDep,
    Text,
    page_limit,
    permit,
)
from app.deadline import Deadline
from app.errors import CountersignError, NotFound
from app.records.views import AnswerView
from app.retrieval.retriever import Hit
from app.serving.admission import Permit
from app.wiring import Services
from guardrails.contract import Passage


class AskBody(Body):
    """A question for the service."""

    question: str = Field(
        description="The question, plain text.", examples=["How many days of leave do I have?"]
    )
    collections: list[str] | None = Field(
        default=None, min_length=1, description="Collections to search; null searches all in scope."
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


class SearchBody(Body):
    """What to search for; nothing is drafted and nothing recorded."""

    question: Text = Field(min_length=1, max_length=4000, examples=["leave in the first year"])
    collections: list[Text] | None = Field(
        default=None, min_length=1, description="Collections to search; null searches all in scope."
    )
    limit: int = Field(default=5, ge=1, le=20)


class HitView(PassageView):
    """A passage that was found. ``similarity`` is always null: what the search computes stays
    inside, since it tells more of a text than the text that is shown; the order says enough."""

    similarity: float | None = Field(deprecated=True)


class HitsView(BaseModel):
    """Passages, best first."""

    passages: list[HitView]


router = APIRouter(prefix="/v1", tags=["questions"], route_class=Guarded)
Asking = Annotated[Principal, Depends(May("answers.ask"))]
Owner = Annotated[Principal, Depends(May("answers.own"))]
Reader = Annotated[Principal, Depends(May("passages.read"))]


@router.post(
    "/ask",
    response_model=AnswerView,
    summary="Ask a question",
    responses=EVENTS,
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
    asked = body.model_dump()
    question = Question(services, principal, lambda: Ask(**asked), ["ask", asked], key)
    return await asked_as(accept, question, permit, request)


async def asked_as(accept: str, question: Question, permit: Permit, request: Request) -> Any:
    """The answer to a question that is asked now, as JSON or as events."""
    if "text/event-stream" in accept.lower():
        return asked_stream(_ask_events(question, permit, request))
    return await while_connected(request, permit.run(question.answer))


async def _ask_events(
    question: Question, permit: Permit, request: Request
) -> AsyncIterator[ServerSentEvent]:
    """The events of a question that is being asked: stages, sentences, then answer or error."""
    async with aclosing(news_of(question, permit, request)) as told:
        async for news in told:
            if isinstance(news, Stage):
                yield _event("stage", {"stage": news.name, "detail": news.detail})
            elif isinstance(news, CountersignError):
                yield _event("error", news.wire(request.state.request_id))
            else:
                for event in _outcome_events(news, question.services.settings.stream):
                    yield event


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
    responses=EVENTS,
)
async def answer_events(
    answer_id: str,
    request: Request,
    services: ServicesDep,
    principal: Owner,
    credential: CredentialDep,
    keep: bool = False,
) -> Any:
    """An `answer` event now, and again whenever its status changes; ends when it is final, or
    with an `error` event when the key or the sign-in has ended. With `keep` it stays open after a
    release, to tell of a correction or a withdrawal."""
    view, seen = services.answerer.view, services.watch.seen
    first = await services.watch.run(lambda: view(principal, answer_id))
    views = follow(services, first, seen, credential, keep=keep)
    events = follow_events(views, request.state.request_id)
    return EventSourceResponse(events, ping=15)


async def follow_events(
    followed: AsyncGenerator[AnswerView | CountersignError], request_id: str
) -> AsyncIterator[ServerSentEvent]:
    """The events of an answer that is followed."""
    async with aclosing(followed) as views:
        async for view in views:
            if isinstance(view, CountersignError):
                yield _event("error", view.wire(request_id))
            else:
                yield _answer_event(view)


@router.get(
    "/answers/{answer_id}/sections",
    response_model=SectionsView,
    summary="What to read meanwhile",
)
def answer_sections(answer_id: str, services: ServicesDep, principal: Owner) -> Any:
    """Up to three sections of the documents that were found for a question whose answer waits, or
    that has none, the closest first; nothing of a draft. None for an urgent question or an attack,
    and none if `COUNTERSIGN_SHOW_SECTIONS` is off."""
    return services.sections.of(principal, answer_id)


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
    return _shown(found, source)


@router.post("/search", response_model=HitsView, summary="Search passages")
async def search(
    permit: Annotated[Permit, Depends(permit)],
    body: SearchBody,
    request: Request,
    services: ServicesDep,
    principal: Asking,
) -> Any:
    """The passages that a draft would be written from, best first. Counts as one question."""

    def run(deadline: Deadline) -> list[HitView]:
        question = checked_question(body.question, services.settings.max_question_chars)
        readable = principal.readable(services.corpus.documents.collections())
        wanted = readable if body.collections is None else body.collections
        for name in wanted:
            if name not in readable:
                raise NotFound(f"There is no collection {name[:80]!r}, or it is not yours to see.")
        services.access.charge_question(principal)
        found = services.retriever.retrieve(question, wanted, body.limit, deadline)
        return list(shown_hits(services, found.hits))

    return HitsView(passages=await while_connected(request, permit.run(run)))


def shown_hits(services: Services, hits: Iterable[Hit]) -> Iterator[HitView]:
    """The passages of hits that still exist, with their documents' names."""
    for hit in hits:
        with suppress(NotFound):  # it was removed meanwhile
            found, source = services.corpus.passages.with_source(hit.passage.id)
            shown = _shown(found, source).model_dump()
            yield HitView(**shown, similarity=None)


def _shown(found: Passage, source: str) -> PassageView:
    return PassageView(
        passage_id=found.id,
        document_id=found.document_id,
        title=found.title,
        collection=found.collection,
        page=found.page,
        text=found.text,
        start=found.start,
        end=found.end,
        last_page=found.last_page,
        headings=list(found.headings),
        source=PurePath(source).name,  # where it lies on the server is not for askers
    )
