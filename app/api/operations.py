"""For operators and their tools: health, readiness, metrics, index versions and the policy."""

from typing import Any

from fastapi import APIRouter, Response

from app.api.requests import PrincipalDep, ServicesDep
from app.api.wire import DryRunBody, DryRunView, IndexView, PolicyView
from app.corpus import version_wire
from app.dry_run import dry_run, read_policy
from app.wiring import Services

router = APIRouter(tags=["operations"])


@router.get("/healthz", summary="Is the process alive?")
def healthz() -> dict[str, str]:
    """Always ok while the process answers."""
    return {"status": "ok"}


@router.get("/readyz", summary="Can it answer questions?")
def readyz(services: ServicesDep) -> dict[str, Any]:
    """503 until a database, an index version and the models are there."""
    passages = services.retriever.live_passages()
    return {
        "status": "ready",
        "passages": passages,
        "policy": "invalid file" if services.policies.status()["problem"] else "ok",
        "gate": services.gate.mode(),
    }


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
def metrics(services: ServicesDep) -> Response:
    """Counts and timings; no question text."""
    services.telemetry.open_reviews.set(services.desk.count_open())
    services.drift.check_sometimes()
    services.telemetry.drift_alarms.set(len(services.drift.alarms()))
    live = services.corpus.live_version()
    services.telemetry.passages.set(live.passages if live else 0)
    services.telemetry.policy_problem.set(bool(services.policies.status()["problem"]))
    return Response(services.telemetry.exposition(), media_type="text/plain; version=0.0.4")


@router.get("/v1/index", response_model=IndexView, summary="Index versions")
def index(services: ServicesDep, principal: PrincipalDep) -> Any:
    """Newest first."""
    principal.require("operator")
    return _index_wire(services)


@router.post("/v1/index/rollback", response_model=IndexView, summary="Go back one version")
def rollback(services: ServicesDep, principal: PrincipalDep) -> Any:
    """Promotes the version that was live before."""
    principal.require("operator")
    services.corpus.rollback()
    return _index_wire(services)


@router.get("/v1/policy", response_model=PolicyView, summary="The policy in force")
def policy(services: ServicesDep, principal: PrincipalDep) -> Any:
    """Its version and hash, and what is wrong with a newer file that could not take over."""
    principal.require("operator")
    return services.policies.status()


@router.post("/v1/policy/dry-run", response_model=DryRunView, summary="Try a policy")
def policy_dry_run(body: DryRunBody, services: ServicesDep, principal: PrincipalDep) -> Any:
    """Decide recorded answers again: how many more would be held or released, and which."""
    principal.require("operator")
    tried = read_policy(body.policy, "policy")
    return dry_run(services.database, principal, tried, body.since_days)


def _index_wire(services: Services) -> dict[str, Any]:
    live = services.corpus.live_version()
    return {
        "live": live.id if live else None,
        "versions": [version_wire(row) for row in services.corpus.versions()],
    }
