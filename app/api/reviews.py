"""The review queue over HTTP: list, open, claim, decide."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field

from app.access.principals import Principal
from app.api.requests import (
    MAX_INT,
    Body,
    Guarded,
    IdempotencyKey,
    May,
    ServicesDep,
    Text,
    once,
    page_limit,
)
from app.review.decisions import Decision
from app.review.views import TaskDetailView, TasksView


class DecisionBody(Body):
    """A reviewer's decision on exactly what they saw."""

    kind: Literal["approve", "edit", "reject"]
    content_sha256: str = Field(description="As in the task; proves what was seen.")
    fence: int = Field(
        ge=0, le=MAX_INT, description="As in the newest claim; proves who holds the task."
    )
    reason: Text = Field(default="", max_length=4000, description="Required to reject.")
    text: Text = Field(default="", description="The whole new answer, for edit.")


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
    cursor: Text | None = None,
) -> Any:
    """`open` includes claimed tasks; also `claimed`, `decided`, `expired` or `all`.

    `next_cursor` of a page, sent as `cursor` with the same filters, gives the next one.
    """
    most = page_limit(limit, 200)
    return services.desk.tasks(principal, state, most, queue, collection=collection, cursor=cursor)


@router.get("/{task_id}", response_model=TaskDetailView, summary="One review task")
def task(task_id: str, services: ServicesDep, principal: Reader) -> Any:
    """The draft beside its sources, the findings and the policy."""
    return services.desk.task(principal, task_id)


@router.post("/{task_id}/claim", response_model=TaskDetailView, summary="Claim or renew")
def claim(task_id: str, services: ServicesDep, principal: Decider) -> Any:
    """Hold the task for a few minutes; 409 when another reviewer holds it."""
    return services.desk.claim(principal, task_id)


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
            services.telemetry.decisions.labels(body.kind).inc()
        return decided

    def again(task_id: str) -> TaskDetailView:
        return services.desk.task(principal, task_id)

    request = ["decide", task_id, body.model_dump()]
    return once(services.access, principal, key, request, run, again)
