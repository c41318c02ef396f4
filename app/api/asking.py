"""One question of a request: asked once, dropped when nobody waits, and told of as it goes."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import structlog
from fastapi import Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from app.access.principals import Principal
from app.answering.answerer import OnStage
from app.answering.stages import Ask
from app.api.requests import Credential, T, once
from app.deadline import Deadline
from app.errors import CallerGone, CountersignError
from app.records.views import AnswerView
from app.serving.admission import Permit
from app.wiring import Services

log = structlog.get_logger()
FINAL = frozenset({"released", "blocked", "abstained", "rejected", "withdrawn"})
"""The statuses of an answer that nothing but a later review changes."""
FINISH_S = 9.0
"""How long a question that is being asked may go on when the service is told to end: a little less
than the server then waits for its requests. Streams that only follow something are cut at once."""


@dataclass(frozen=True)
class Stage:
    """A stage begins; ``detail`` is for people."""

    name: str
    detail: str


News = Stage | AnswerView | CountersignError
"""What there is to tell of a question: stages, then its answer or an error."""


@dataclass(frozen=True)
class Question:
    """A question that may be asked once.

    ``request`` is what the idempotency ``key`` stands for; ``wanted`` is asked only when the
    question really is, on the thread that answers it; so is ``charge`` called, which counts it
    against what other quotas there are and may refuse it.
    """

    services: Services
    principal: Principal
    wanted: Callable[[], Ask]
    request: Any
    key: str | None
    charge: Callable[[], None] = lambda: None

    def answer(
        self, deadline: Deadline, on_stage: OnStage = lambda _name, _detail: None
    ) -> AnswerView:
        """The answer; with an idempotency key the question is asked once, ever."""

        def run() -> AnswerView:
            self.charge()
            self.services.access.charge_question(self.principal)
            answerer = self.services.answerer
            return answerer.answer(self.principal, self.wanted(), on_stage, deadline)

        def again(answer_id: str) -> AnswerView:
            return self.services.answerer.view(self.principal, answer_id)

        access = self.services.access
        return once(access, self.principal, self.key, self.request, run, again)


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
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


def asked_stream(events: AsyncIterator[ServerSentEvent]) -> EventSourceResponse:
    """The events of a question that is being asked; when the service is told to end they are
    finished, as an answer without a stream is."""
    return EventSourceResponse(events, ping=15, shutdown_grace_period=FINISH_S)


async def news_of(question: Question, permit: Permit, request: Request) -> AsyncGenerator[News]:
    """The stages as they begin, then the answer as it is recorded, or why there is none."""
    loop = asyncio.get_running_loop()
    stages: asyncio.Queue[Stage | None] = asyncio.Queue()

    def tell(name: str, detail: str) -> None:
        loop.call_soon_threadsafe(stages.put_nowait, Stage(name, detail))

    running = asyncio.create_task(permit.run(lambda deadline: question.answer(deadline, tell)))
    running.add_done_callback(lambda _done: stages.put_nowait(None))
    try:
        while (stage := await stages.get()) is not None:
            yield stage
        yield running.result()
    except CountersignError as error:
        yield error
    except Exception:  # the ASGI edge: the stream has begun, so no 500 is possible
        found = request.state.request_id
        log.exception("request_crashed", request_id=found, path=request.url.path)
        yield CountersignError()
    finally:
        running.cancel()  # whoever hung up waits for nothing


async def begun(request: Request, news: AsyncGenerator[News]) -> AsyncGenerator[News]:
    """The same news, once there is any; raises an error that comes before all else, so that it is
    answered with its status: clients act on that, and not on what a stream says."""

    async def next_one() -> News:
        return await anext(news)

    first = await while_connected(request, next_one())
    if isinstance(first, CountersignError):
        await news.aclose()
        raise first
    return _after(first, news)


async def _after(first: News, news: AsyncGenerator[News]) -> AsyncGenerator[News]:
    async with aclosing(news):
        yield first
        async for one in news:
            yield one


async def follow(
    services: Services,
    first: AnswerView,
    seen: int | None,
    credential: Credential,
    *,
    keep: bool = False,
) -> AsyncGenerator[AnswerView | CountersignError]:
    """The answer now, and again whenever its status changes, until it is final; an error when the
    credential has ended. ``seen`` is what the watch had seen before ``first`` was read.

    With ``keep`` a released answer is not final: it may be corrected or withdrawn.
    """
    view, answer_id, told = services.answerer.view, first.answer_id, first
    final = FINAL - {"released"} if keep else FINAL
    yield first
    with services.watch.follow(answer_id, credential.sha256, seen) as stream:
        while told.status not in final:
            await stream.change()
            try:
                latest = await services.watch.run(lambda: view(credential.principal(), answer_id))
            except CountersignError as error:
                yield error
                return
            if (latest.status, latest.released_at) != (told.status, told.released_at):
                told = latest
                yield latest
