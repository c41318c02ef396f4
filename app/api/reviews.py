"""The review queue over HTTP: list, open, claim, decide."""

from typing import Any

from fastapi import APIRouter

from app.api.requests import IdempotencyKey, PrincipalDep, ServicesDep, once, page_limit
from app.api.wire import DecisionBody, TaskDetailView, TasksView
from app.review import Decision

router = APIRouter(prefix="/v1/reviews", tags=["reviews"])


@router.get("", response_model=TasksView, summary="Review tasks")
def tasks(
    services: ServicesDep,
    principal: PrincipalDep,
    state: str = "open",
    limit: int = 50,
    queue: str | None = None,
) -> Any:
    """`open` includes claimed tasks; also `claimed`, `decided`, `expired` or `all`."""
    return services.desk.tasks(principal, state, page_limit(limit, 200), queue)


@router.get("/{task_id}", response_model=TaskDetailView, summary="One review task")
def task(task_id: str, services: ServicesDep, principal: PrincipalDep) -> Any:
    """The draft beside its sources, the findings and the policy."""
    return services.desk.task(principal, task_id)


@router.post("/{task_id}/claim", response_model=TaskDetailView, summary="Claim or renew")
def claim(task_id: str, services: ServicesDep, principal: PrincipalDep) -> Any:
    """Hold the task for a few minutes; 409 when another reviewer holds it."""
    return services.desk.claim(principal, task_id)


@router.post("/{task_id}/decision", response_model=TaskDetailView, summary="Decide")
def decide(
    task_id: str,
    body: DecisionBody,
    services: ServicesDep,
    principal: PrincipalDep,
    key: IdempotencyKey = None,
) -> Any:
    """Approve, edit or reject exactly what was seen; 409 when that changed or was decided."""

    def run() -> dict[str, Any]:
        decided = services.desk.decide(principal, task_id, Decision(**body.model_dump()))
        if decided["decision"] is not None:  # the first of two approvals decides nothing
            services.telemetry.decisions.labels(body.kind).inc()
        return decided

    request = ["decide", task_id, body.model_dump()]
    return once(services.access, principal, key, request, run)
