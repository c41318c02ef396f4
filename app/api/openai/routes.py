"""The doors for OpenAI's clients: chat completions, responses, models, embeddings.

They lead to the same answers as ``/v1/ask``, with the same permissions, quotas, places, checks,
gate and record. A held answer is a response that stays in progress until a person signs.
"""

import base64
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel
from sse_starlette import EventSourceResponse, ServerSentEvent

from app.access.principals import Principal
from app.answering.stages import Ask
from app.api.asking import (
    News,
    Question,
    Stage,
    asked_stream,
    begun,
    follow,
    news_of,
    while_connected,
)
from app.api.openai import wire
from app.api.openai.answers import (
    Told,
    chat_chunks,
    chat_completion,
    follows,
    response,
    response_events,
)
from app.api.openai.bodies import (
    MODEL,
    ChatBody,
    EmbeddingsBody,
    ResponsesBody,
    Wanted,
    answer_id_of,
    collections_of,
)
from app.api.openai.errors import OpenAIErrorView, openai_error
from app.api.requests import (
    EVENTS,
    CredentialDep,
    Guarded,
    IdempotencyKey,
    May,
    ServicesDep,
    permit,
)
from app.deadline import Deadline
from app.errors import CountersignError, Invalid, NotFound
from app.ports import Vectors
from app.records.views import AnswerView
from app.serving.admission import Permit
from app.wiring import Services

HISTORY = 50
"""Newest answers of the caller among which the one that the assistant said is looked for."""
MAX_TEXTS = 256
"""Texts to embed in one request."""

router = APIRouter(
    prefix="/v1",
    tags=["openai"],
    route_class=Guarded,
    responses={"default": {"model": OpenAIErrorView, "description": "Any error"}},
)
Asking = Annotated[Principal, Depends(May("answers.ask"))]
Owner = Annotated[Principal, Depends(May("answers.own"))]
Reader = Annotated[Principal, Depends(May("passages.read"))]
PermitDep = Annotated[Permit, Depends(permit)]


@router.post(
    "/chat/completions",
    response_model=wire.ChatCompletion,
    summary="Answer a conversation",
    responses=EVENTS,
)
async def chat_completions(
    permit: PermitDep,
    body: ChatBody,
    request: Request,
    services: ServicesDep,
    principal: Asking,
    key: IdempotencyKey = None,
) -> Any:
    """The last message of the user is the question. Messages of the system are ignored. When a
    person must check the answer, the text says so, with its id."""
    wanted = body.wanted()
    question = _question(services, principal, wanted, ["chat", _asked(body)], key)

    def told(view: AnswerView) -> Told:
        count = services.answer_tokens
        return Told(view, body.model, str(request.base_url), count, wanted.schema)

    if body.stream:
        usage = bool(body.stream_options and body.stream_options.include_usage)
        whole = services.settings.stream == "answer"

        def events(view: AnswerView) -> Iterable[ServerSentEvent]:
            chunks = chat_chunks(told(view), whole=whole, usage=usage)
            yield from (ServerSentEvent(one.model_dump_json()) for one in chunks)
            yield ServerSentEvent("[DONE]")

        news = await begun(request, news_of(question, permit, request))
        return asked_stream(_chat_events(news, events))
    return chat_completion(told(await while_connected(request, permit.run(question.answer))))


@router.post(
    "/responses", response_model=wire.Response, summary="Make a response", responses=EVENTS
)
async def make_response(
    permit: PermitDep,
    body: ResponsesBody,
    request: Request,
    services: ServicesDep,
    principal: Asking,
    key: IdempotencyKey = None,
) -> Any:
    """`previous_response_id` continues a conversation. While a person checks the answer the
    response is `in_progress`: read it again until it is `completed` or `failed`."""
    wanted = body.wanted()
    question = _question(services, principal, wanted, ["response", _asked(body)], key)
    telling = _Telling(request, services, body.model, wanted.schema)
    if body.stream:
        news = await begun(request, news_of(question, permit, request))
        return asked_stream(telling.events(news))
    return telling.response(await while_connected(request, permit.run(question.answer)))


@router.get(
    "/responses/{response_id}",
    response_model=wire.Response,
    summary="One response",
    responses=EVENTS,
)
async def one_response(
    response_id: str,
    request: Request,
    services: ServicesDep,
    principal: Owner,
    credential: CredentialDep,
    stream: bool = False,
    starting_after: Annotated[int, Query(ge=-1)] = -1,
) -> Any:
    """As it stands now, only to whom asked; with `stream` its events, until it is final, after the
    `sequence_number` in `starting_after` where a stream broke off."""
    answer_id, seen = answer_id_of(response_id), services.watch.seen
    answerer, watch = services.answerer, services.watch
    view = await watch.run(lambda: answerer.view(principal, answer_id))
    schema = await watch.run(lambda: answerer.schema(principal, answer_id))
    telling = _Telling(request, services, MODEL, schema)
    if stream:
        news = follow(services, view, seen, credential)
        return EventSourceResponse(telling.events(news, starting_after + 1), ping=15)
    return telling.response(view)


@router.get("/models", response_model=wire.ModelsView, summary="Models to name")
def models(services: ServicesDep, principal: Reader) -> Any:
    """One that searches all, and one for each collection within the caller's scope."""
    return wire.ModelsView(data=[wire.ModelView(id=name) for name in _names(services, principal)])


@router.get("/models/{model:path}", response_model=wire.ModelView, summary="One model")
def model(model: str, services: ServicesDep, principal: Reader) -> Any:
    """Whether the caller may name it."""
    if model not in _names(services, principal):
        raise NotFound("There is no such model, or it is not yours to see.", param="model")
    return wire.ModelView(id=model)


@router.post("/embeddings", response_model=wire.EmbeddingsView, summary="Embed texts")
async def embeddings(
    permit: PermitDep,
    body: EmbeddingsBody,
    request: Request,
    services: ServicesDep,
    principal: Asking,
) -> Any:
    """Unit vectors of the embedder that searches; it cuts long texts. One request counts as one
    question."""
    embedder, texts = services.embedder, body.texts(MAX_TEXTS)
    if body.model != embedder.name and collections_of(body.model) is not None:
        raise NotFound("A collection has no embedder of its own.", param="model")

    def run(deadline: Deadline) -> tuple[list[Vectors], int]:
        services.access.charge_question(principal)
        vectors = [services.retriever.embed(text, deadline) for text in texts]
        if body.dimensions not in (None, len(vectors[0])):
            raise Invalid(f"dimensions: they are {len(vectors[0])}.", param="dimensions")
        return vectors, sum(map(services.embedded_tokens, texts))

    vectors, spent = await while_connected(request, permit.run(run))
    return wire.EmbeddingsView(
        data=[
            wire.Embedding(index=index, embedding=_encoded(vector, body.encoding_format))
            for index, vector in enumerate(vectors)
        ],
        model=embedder.name,
        usage=wire.EmbeddingUsage(prompt_tokens=spent, total_tokens=spent),
    )


class _Telling:
    """How one request is told of its response."""

    def __init__(
        self, request: Request, services: Services, model: str, schema: Mapping[str, Any] | None
    ) -> None:
        self._address, self._model, self._schema = str(request.base_url), model, schema
        self._whole, self._count = services.settings.stream == "answer", services.answer_tokens

    def response(self, view: AnswerView) -> wire.Response:
        """The response as it stands."""
        return response(self._told(view))

    async def events(self, news: Any, sent: int = 0) -> AsyncIterator[ServerSentEvent]:
        """The events of what becomes known; those that were ``sent`` are not sent again."""
        async with aclosing(news):
            async for one in news:
                if isinstance(one, Stage):
                    continue
                if isinstance(one, CountersignError):
                    detail = openai_error(one).error.model_dump(exclude={"type"})
                    yield _event("error", sent, detail)
                    return
                for kind, fields in list(response_events(self._told(one), whole=self._whole))[
                    sent:
                ]:
                    yield _event(kind, sent, fields)
                    sent += 1

    def _told(self, view: AnswerView) -> Told:
        return Told(view, self._model, self._address, self._count, self._schema)


def _event(kind: str, number: int, fields: Mapping[str, Any]) -> ServerSentEvent:
    event = wire.ResponseEvent(type=kind, sequence_number=number, **fields)
    return ServerSentEvent(event.model_dump_json(), event=kind)


def _question(
    services: Services, principal: Principal, wanted: Wanted, request: Any, key: str | None
) -> Question:
    def ask() -> Ask:
        history = services.answerer.history(principal, HISTORY) if wanted.said else []
        previous = follows(wanted, history)
        return Ask(wanted.question, wanted.collections, wanted.schema, previous)

    return Question(services, principal, ask, request, key)


def _asked(body: BaseModel) -> Any:
    """What an idempotency key stands for: all but how the answer is sent."""
    return body.model_dump(exclude={"stream", "stream_options"})


async def _chat_events(
    asked: AsyncGenerator[News], events: Callable[[AnswerView], Iterable[ServerSentEvent]]
) -> AsyncIterator[ServerSentEvent]:
    async with aclosing(asked) as told:
        async for news in told:
            if isinstance(news, CountersignError):
                yield ServerSentEvent(openai_error(news).model_dump_json())
            elif not isinstance(news, Stage):
                for event in events(news):
                    yield event


def _names(services: Services, principal: Principal) -> list[str]:
    readable = principal.readable(services.corpus.documents.collections())
    return [MODEL, *(f"{MODEL}/{name}" for name in readable)]


def _encoded(vector: Vectors, form: str | None) -> list[float] | str:
    if form == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")
    return [float(value) for value in vector]
