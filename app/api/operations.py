"""For operators and their tools: health, readiness, metrics, index versions and the policy."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from app.access.principals import Principal
from app.api.requests import Body, Guarded, May, ServicesDep, Text
from app.corpus.index_changes import IndexChangesView, index_changes
from app.corpus.versions import IndexVersionView
from app.errors import DependencyFailed
from app.proof.audit_checks import AuditChecks, AuditCheckView
from app.proof.dry_run import dry_run, read_policy
from app.proof.policy_report import PolicyReportView, policy_report
from app.wiring import Services


class ReadyView(BaseModel):
    """What a probe is told: of a damaged index the last good version answers, and of a policy file
    that is invalid the policy before it."""

    status: Literal["ready"] = "ready"
    index: Literal["ok", "damaged"] = "ok"
    policy: Literal["ok", "invalid file"] = "ok"


class IndexView(BaseModel):
    """All index versions, newest first, which one is live, and what is wrong with it here ("":
    nothing; else which one answers instead)."""

    live: str | None
    problem: str
    versions: list[IndexVersionView]


class PolicyNameView(BaseModel):
    """A policy, and what is wrong with its file ("": nothing; else an older one is in force)."""

    name: str
    version: int
    sha256: str
    problem: str


class PolicyView(PolicyNameView):
    """The policy in force, and the one in the shadow."""

    shadow: PolicyNameView | None


class AuditChecksView(BaseModel):
    """Checks of the database against its audit chain, newest first."""

    checks: list[AuditCheckView]


class DryRunBody(Body):
    """A policy to try on recorded answers."""

    policy: Text = Field(max_length=500_000, description="The policy file's text, YAML.")
    since_days: float | None = Field(
        default=None, gt=0, le=36_500, description="Only answers of the last days; null: all."
    )


class ChangedView(BaseModel):
    """An answer that the policy would have treated in another way."""

    answer_id: str
    question: str
    created_at: str
    was: str
    becomes: str
    reasons: list[str]


class DryRunView(BaseModel):
    """What a policy would have done; ``change`` is how many more have each outcome."""

    policy: str
    policy_sha256: str
    answers: int
    unchanged: int
    change: dict[str, int]
    summary: str
    changed: list[ChangedView]


router = APIRouter(tags=["operations"], route_class=Guarded)
IndexReader = Annotated[Principal, Depends(May("index.read"))]
IndexChanger = Annotated[Principal, Depends(May("index.change"))]
PolicyReader = Annotated[Principal, Depends(May("policy.read"))]
Prover = Annotated[Principal, Depends(May("records.prove"))]
PolicyTrier = Annotated[Principal, Depends(May("policy.try"))]


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", summary="Is the process alive?")
async def healthz(services: ServicesDep) -> dict[str, str]:
    """Ok while the process answers and its workers run; else 503, and it must be restarted."""
    if dead := services.dead():
        raise DependencyFailed(f"Restart the service: a worker has stopped ({', '.join(dead)}).")
    return {"status": "ok"}


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", response_model=ReadyView, summary="Can it answer questions?")
def readyz(services: ServicesDep) -> ReadyView:
    """503 until a database, an index version and the models are there."""
    services.retriever.live_passages()
    # Whoever asks has not said who they are: no more than that something is wrong.
    return ReadyView(
        index="damaged" if services.retriever.problem else "ok",
        policy="invalid file" if services.policies.status()["problem"] else "ok",
    )


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
def metrics(services: ServicesDep) -> Response:
    """Counts and timings; no question text."""
    queue = services.desk.queue()
    services.telemetry.open_reviews.set(queue.open)
    services.telemetry.escalated_reviews.set(queue.escalated)
    services.telemetry.oldest_review.set(queue.oldest_s)
    services.telemetry.drift_alarms.set(len(services.drift.alarms()))
    live = services.corpus.versions.live()
    services.telemetry.passages.set(live.passages if live else 0)
    services.telemetry.policy_problem.set(bool(services.policies.status()["problem"]))
    return Response(services.telemetry.exposition(), media_type="text/plain; version=0.0.4")


@router.get("/v1/index", response_model=IndexView, summary="Index versions")
def index(services: ServicesDep, _principal: IndexReader) -> Any:
    """Newest first."""
    return _index_view(services)


@router.post("/v1/index/rollback", response_model=IndexView, summary="Go back one version")
def rollback(services: ServicesDep, _principal: IndexChanger) -> Any:
    """Promotes the version that was live before."""
    services.corpus.versions.rollback()
    return _index_view(services)


@router.post(
    "/v1/index/{version_id}/promote", response_model=IndexView, summary="Make a version live"
)
def promote(version_id: str, services: ServicesDep, _principal: IndexChanger) -> Any:
    """In every process, at once; 409 unless the version is verified."""
    services.corpus.versions.promote(version_id)
    return _index_view(services)


@router.get(
    "/v1/index/{version_id}/changes",
    response_model=IndexChangesView,
    summary="What changed between two versions",
)
def changes(
    version_id: str,
    services: ServicesDep,
    _principal: IndexReader,
    since: Annotated[
        Text | None, Query(max_length=40, description="The version before; null: the live one.")
    ] = None,
) -> Any:
    """By document; 409 where it is not known what a version holds."""
    live = services.corpus.versions.live()
    before = since or (live.id if live else version_id)
    return index_changes(services.database, before, version_id)


@router.get("/v1/policy", response_model=PolicyView, summary="The policy in force")
def policy(services: ServicesDep, _principal: PolicyReader) -> Any:
    """Its version and hash, and what is wrong with a newer file that could not take over."""
    return services.policies.status()


@router.get(
    "/v1/policy/report", response_model=PolicyReportView, summary="What changed in the policy"
)
def report_policy(services: ServicesDep, principal: PolicyReader) -> Any:
    """The policy in force: what differs from the one that judged before it, and how far the shadow
    policy agreed with what happened."""
    in_force = services.policies.current()
    with services.database.reading() as session:
        return policy_report(session, principal, in_force.policy, in_force.shadow)


@router.post("/v1/policy/dry-run", response_model=DryRunView, summary="Try a policy")
def policy_dry_run(body: DryRunBody, services: ServicesDep, principal: PolicyTrier) -> Any:
    """Decide recorded answers again: how many more would be held or released, and which."""
    tried = read_policy(body.policy, "policy")
    return dry_run(services.database, principal, tried, body.since_days)


@router.get("/v1/audit/checks", response_model=AuditChecksView, summary="Checks of the audit chain")
def audit_checks(services: ServicesDep, _principal: Prover) -> Any:
    """The newest first; nothing is compared by this."""
    return AuditChecksView(checks=AuditChecks(services.database, services.settings).newest())


@router.post(
    "/v1/audit/checks",
    status_code=202,
    response_model=AuditCheckView,
    summary="Check the audit chain",
)
def check_audit(services: ServicesDep, principal: Prover) -> Any:
    """Ask for a comparison of every row with the chain. It is done beside the service; one that
    waits or runs already is not asked for again."""
    return AuditChecks(services.database, services.settings).ask(principal.name)


def _index_view(services: Services) -> IndexView:
    live = services.corpus.versions.live()
    return IndexView(
        live=live.id if live else None,
        problem=services.retriever.problem,
        versions=services.corpus.versions.all(),
    )
