"""The review queue over HTTP: list, open, claim, decide."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from app.access.principals import Principal
from app.api.questions import AnswerBody
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


class TaskView(BaseModel):
    """A review task in a list."""

    task_id: str
    answer_id: str
    state: Literal["open", "claimed", "decided", "expired"]
    question: str
    searched_for: str
    asker: str
    reasons: list[str]
    created_at: str
    expires_at: str
    claimed_by: str | None
    queue: str
    four_eyes: bool
    approved_by: list[str] = Field(
        description="With four eyes: who approved the answer that is proposed now."
    )
    approvals_needed: int
    provisional: bool = Field(
        description="Whether the gate looked at it under the certificate from public data; true "
        "says nothing about whether it was released."
    )


class TasksView(BaseModel):
    """Review tasks, and how many wait."""

    tasks: list[TaskView]
    open: int


class EvidenceView(BaseModel):
    """A passage given to the generator; a removed one has lost its text."""

    passage_id: str
    document_id: str
    title: str
    page: int | None
    text: str
    removed: bool
    cited: bool


class FindingView(BaseModel):
    """What one check said."""

    check: str
    outcome: Literal["pass", "fail", "could_not_run"]
    message: str
    label: str
    excerpt: str


class VerdictView(BaseModel):
    """What the policy decided, and which policy."""

    action: Literal["release", "review", "block"]
    reasons: list[str]
    message: str
    policy: str
    policy_sha256: str
    queue: str = ""
    four_eyes: bool = False
    deadline_hours: float | None = None
    redact: list[str] = Field(default=[], description="Kinds of personal data to be masked.")
    disclaimers: list[str] = []


class ProposalView(BaseModel):
    """The answer that a first reviewer approved, where a second one must approve it too."""

    reviewer: str
    edited: bool
    answer: AnswerBody
    approved_at: str


class SecondTryView(BaseModel):
    """A first draft did not fit a schema, so a second one was asked for."""

    shown: Literal["first", "second"] = Field(description="Which of the two `draft` is.")
    message: str = Field(description="Why, what became of it, and which is shown, for people.")


class DecisionView(BaseModel):
    """The decision on a task."""

    kind: Literal["approve", "edit", "reject"]
    reviewer: str
    reason: str
    text: str
    decided_at: str


class TaskDetailView(TaskView):
    """Everything a decision needs; send ``content_sha256`` and ``fence`` back with it."""

    draft: AnswerBody
    second_try: SecondTryView | None
    proposal: ProposalView | None
    evidence: list[EvidenceView]
    findings: list[FindingView]
    verdict: VerdictView
    lineage: dict[str, str]
    content_sha256: str
    decision: DecisionView | None
    fence: int
    lease_until: str | None


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
    queue: str | None = None,
) -> Any:
    """`open` includes claimed tasks; also `claimed`, `decided`, `expired` or `all`."""
    return services.desk.tasks(principal, state, page_limit(limit, 200), queue)


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

    def run() -> dict[str, Any]:
        decided = services.desk.decide(principal, task_id, Decision(**body.model_dump()))
        if decided["decision"] is not None:  # the first of two approvals decides nothing
            services.telemetry.decisions.labels(body.kind).inc()
        return decided

    def made(decided: dict[str, Any]) -> str:
        return str(decided["task_id"])

    def again(task_id: str) -> dict[str, Any]:
        return services.desk.task(principal, task_id)

    request = ["decide", task_id, body.model_dump()]
    return once(services.access, principal, key, request, run, made, again)
