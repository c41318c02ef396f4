"""The review queue over HTTP: list, open, claim, decide."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field
from sse_starlette import EventSourceResponse, ServerSentEvent

from app.access.principals import Principal
from app.answering.reading import REVIEWS
from app.api.asking import while_connected
from app.api.questions import HitsView, HitView, shown_hits
from app.api.requests import (
    EVENTS,
    MAX_INT,
    Body,
    Credential,
    CredentialDep,
    Guarded,
    IdempotencyKey,
    May,
    ServicesDep,
    Text,
    Words,
    once,
    page_limit,
    permit,
)
from app.deadline import Deadline
from app.errors import CountersignError
from app.review.decisions import Decision
from app.review.library import EarlierAnswers, Library
from app.review.listing import CountsView
from app.review.quotes import QuotesView
from app.review.views import ColleaguesView, TaskDetailView, TasksView
from app.serving.admission import Permit
from app.wiring import Services

TELL_EVERY_S = 2.0
"""Of what changes faster, a stream tells once."""


class DecisionBody(Body):
    """A reviewer's decision on exactly what they saw."""

    kind: Literal["approve", "edit", "reject"]
    content_sha256: str = Field(description="As in the task; proves what was seen.")
    fence: int | None = Field(
        default=None,
        ge=0,
        le=MAX_INT,
        description="As in the newest claim; proves who holds the task. null: claim it and decide "
        "in one step.",
    )
    reason: Words = Field(default="", max_length=4000, description="Required to reject.")
    text: Text = Field(default="", description="The whole new answer, for edit.")
    sources: dict[int, Text] = Field(
        default_factory=dict,
        max_length=20,
        description="For edit: passages beside those of the task, by the number that `[n]` in the "
        "text cites them by.",
    )
    override_reason: Words = Field(
        default="",
        max_length=4000,
        description="For edit: why it is to go out although checks fail. It is kept.",
    )


class EvidenceBody(Body):
    """What to look for in the documents."""

    text: Text = Field(min_length=1, max_length=4000)
    limit: int = Field(default=5, ge=1, le=20)


class RedraftBody(Body):
    """Which draft another one takes the place of."""

    content_sha256: str = Field(description="As in the task; proves what was seen.")
    background_sha256: str | None = Field(
        default=None,
        description="As in the task's `background_draft`: take that one. null: draft anew.",
    )


class CommentBody(Body):
    """Something for the other reviewers of a task."""

    text: Words = Field(min_length=1, max_length=4000)


class AssignBody(Body):
    """Who is to decide."""

    to: Text | None = Field(max_length=80, description="A reviewer's name; null: anybody.")


class SnoozeBody(Body):
    """Until when a task is put off."""

    until: datetime | None = Field(
        description="A time with its zone, before the deadline; null: list it again."
    )


class EscalateBody(Body):
    """Why a task goes before all others."""

    reason: Words = Field(min_length=1, max_length=4000)


router = APIRouter(prefix="/v1/reviews", tags=["reviews"], route_class=Guarded)
Reader = Annotated[Principal, Depends(May("reviews.read"))]
Decider = Annotated[Principal, Depends(May("reviews.decide"))]


@router.get("", response_model=TasksView, summary="Review tasks")
def tasks(
    services: ServicesDep,
    principal: Reader,
    state: str = "open",
    limit: int = 50,
    queue: Text | None = None,
    collection: Text | None = None,
    cause: Text | None = None,
    asker: Text | None = None,
    assigned_to: Text | None = None,
    min_risk: Annotated[float | None, Query(ge=0, le=1)] = None,
    text: Annotated[Text, Query(max_length=200)] = "",
    cursor: Text | None = None,
) -> Any:
    """`open` includes claimed tasks, the most urgent first; also `claimed`, `snoozed`, `decided`,
    `expired` or `all`. An empty `queue` or `assigned_to` means none; `text` is looked for in
    questions. Tasks of unknown risk are within every `min_risk`.

    `next_cursor` of a page, sent as `cursor` with the same filters, gives the next one.
    """
    return services.desk.tasks(
        principal,
        state,
        page_limit(limit, 200),
        queue,
        collection=collection,
        cursor=cursor,
        cause=cause,
        asker=asker,
        assigned_to=assigned_to,
        min_risk=min_risk,
        text=text,
    )


@router.get("/counts", response_model=CountsView, summary="How many review tasks wait")
def counts(services: ServicesDep, principal: Reader) -> Any:
    """Open tasks of the caller's scope, by queue and by what held them."""
    return services.desk.counts(principal)


@router.get(
    "/events",
    summary="Follow the review queue",
    response_class=EventSourceResponse,
    responses=EVENTS,
)
async def events(
    request: Request,
    services: ServicesDep,
    principal: Reader,
    credential: CredentialDep,
    keep: bool = False,
) -> Any:
    """A `changed` event, and with `keep` one more whenever review tasks may have changed, at most
    one in two seconds: read the list again. Claims are not told. Ends with an `error` event when
    the key or the sign-in has ended."""
    told = _changes(services, credential, request.state.request_id, keep=keep)
    return EventSourceResponse(told, ping=15)


async def _changes(
    services: Services, credential: Credential, request_id: str, *, keep: bool
) -> AsyncIterator[ServerSentEvent]:
    if not keep:
        yield ServerSentEvent("{}", event="changed")
        return
    with services.watch.follow(REVIEWS, credential.sha256, services.watch.seen) as stream:
        # The first event stands for all that is not known yet: what the watch finds when it begins
        # would else be told at once, and every page that opens would read its list twice.
        stream.wake()
        while True:
            await stream.change()
            try:
                await services.watch.run(credential.principal)
            except CountersignError as error:
                yield ServerSentEvent(json.dumps(error.wire(request_id)), event="error")
                return
            yield ServerSentEvent("{}", event="changed")
            await asyncio.sleep(TELL_EVERY_S)


@router.get("/{task_id}", response_model=TaskDetailView, summary="One review task")
def task(task_id: str, services: ServicesDep, principal: Reader) -> Any:
    """The draft beside its sources, the findings and the policy."""
    return services.desk.task(principal, task_id)


@router.get("/{task_id}/answered", response_model=EarlierAnswers, summary="Answered before")
def answered(task_id: str, services: ServicesDep, principal: Reader) -> Any:
    """What reviewers released on similar questions, as long as its sources stand unchanged, and
    both the caller and the task's asker may read them."""
    library = Library(services.database, services.embedder.embed)
    return library.answered_before(principal, task_id)


@router.get("/{task_id}/quotes", response_model=QuotesView, summary="Other places that may answer")
async def quotes(
    permit: Annotated[Permit, Depends(permit)],
    task_id: str,
    request: Request,
    services: ServicesDep,
    principal: Reader,
) -> Any:
    """Up to three quotes beside the draft, from the passages that the task shows: what the reader
    would quote next, however unsure it is. None once the task waits no more."""

    def run(deadline: Deadline) -> QuotesView:
        return services.quotes.beside_draft(principal, task_id, deadline)

    return await while_connected(request, permit.run(run))


@router.post("/{task_id}/claim", response_model=TaskDetailView, summary="Claim or renew")
def claim(task_id: str, services: ServicesDep, principal: Decider, take_over: bool = False) -> Any:
    """Hold the task for a few minutes; 409 when another reviewer holds it, unless `take_over`."""
    return services.desk.claim(principal, task_id, take_over=take_over)


@router.post("/{task_id}/comments", response_model=TaskDetailView, summary="Comment")
def comment(task_id: str, body: CommentBody, services: ServicesDep, principal: Decider) -> Any:
    """Write something to the other reviewers of the task."""
    return services.desk.comment(principal, task_id, body.text)


@router.get("/{task_id}/reviewers", response_model=ColleaguesView, summary="Who may decide")
def reviewers(task_id: str, services: ServicesDep, principal: Reader) -> Any:
    """Whom the task may be assigned to, by name."""
    return services.desk.reviewers(principal, task_id)


@router.put("/{task_id}/assignment", response_model=TaskDetailView, summary="Assign")
def assign(task_id: str, body: AssignBody, services: ServicesDep, principal: Decider) -> Any:
    """Say who is to decide. Others still may; 422 for who may not see the task."""
    return services.desk.assign(principal, task_id, body.to)


@router.put("/{task_id}/snooze", response_model=TaskDetailView, summary="Put off")
def snooze(task_id: str, body: SnoozeBody, services: ServicesDep, principal: Decider) -> Any:
    """Keep the task out of the open ones until then; 422 for an urgent one, or past the
    deadline."""
    return services.desk.snooze(principal, task_id, body.until)


@router.post("/{task_id}/escalate", response_model=TaskDetailView, summary="Escalate")
def escalate(task_id: str, body: EscalateBody, services: ServicesDep, principal: Decider) -> Any:
    """Put the task before all others, with a reason for who takes it up."""
    return services.desk.escalate(principal, task_id, body.reason)


@router.post("/{task_id}/decision", response_model=TaskDetailView, summary="Decide")
def decide(
    task_id: str,
    body: DecisionBody,
    services: ServicesDep,
    principal: Decider,
    key: IdempotencyKey = None,
) -> Any:
    """Approve, edit or reject exactly what was seen; 409 when that changed or was decided."""

    def run() -> TaskDetailView:
        decided = services.desk.decide(principal, task_id, Decision(**body.model_dump()))
        if decided.decision is not None:  # the first of two approvals decides nothing
            services.telemetry.decided(body.kind, services.desk.seconds_on(task_id))
        return decided

    def again(task_id: str) -> TaskDetailView:
        return services.desk.task(principal, task_id)

    request = ["decide", task_id, body.model_dump()]
    return once(services.access, principal, key, request, run, again)


@router.post("/{task_id}/evidence", response_model=HitsView, summary="Search for more evidence")
async def evidence(
    permit: Annotated[Permit, Depends(permit)],
    task_id: str,
    body: EvidenceBody,
    request: Request,
    services: ServicesDep,
    principal: Decider,
) -> Any:
    """Passages that an edit may cite: from collections that reviewer and asker may read."""

    def run(deadline: Deadline) -> list[HitView]:
        record = services.desk.shown(principal, task_id)
        wanted = services.reviser.readable(principal, record)
        found = services.retriever.retrieve(body.text, wanted, body.limit, deadline)
        return list(shown_hits(services, found.hits))

    return HitsView(passages=await while_connected(request, permit.run(run)))


@router.post("/{task_id}/draft", response_model=TaskDetailView, summary="Draft again")
async def draft_again(
    permit: Annotated[Permit, Depends(permit)],
    task_id: str,
    body: RedraftBody,
    request: Request,
    services: ServicesDep,
    principal: Decider,
) -> Any:
    """A new draft for the same question, from the documents as they are now, or the one that was
    made in the background: same task, new hash. 409 when the task has changed since, or another
    reviewer holds it."""

    def run(deadline: Deadline) -> TaskDetailView:
        seen, wanted = body.content_sha256, body.background_sha256
        if wanted is not None:
            return services.desk.take_background_draft(principal, task_id, wanted, seen)
        record = services.desk.shown(principal, task_id)
        trail = services.reviser.draft_again(principal, record, deadline)
        return services.desk.redraft(principal, task_id, trail, seen)

    return await while_connected(request, permit.run(run))


@router.post("/{task_id}/undo", response_model=TaskDetailView, summary="Undo")
def undo(task_id: str, services: ServicesDep, principal: Decider) -> Any:
    """Take one's own decision back, within `COUNTERSIGN_UNDO_SECONDS`; the answer is held again."""
    return services.desk.undo(principal, task_id)
