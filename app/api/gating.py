"""The release gate over HTTP: its state, and the kill switch."""

from typing import Any

from fastapi import APIRouter

from app.api.requests import PrincipalDep, ServicesDep
from app.api.wire import GateModeBody, GateModeView, GateStatusView, ReviewersView
from app.gate import switch_mode
from app.probes import reviewer_report

router = APIRouter(prefix="/v1/gate", tags=["gate"])


@router.get("", response_model=GateStatusView, summary="What stands behind releases")
def status(services: ServicesDep, principal: PrincipalDep) -> Any:
    """Modes, certificates with their running tests, labels and alarms of drift."""
    principal.require("operator")
    services.drift.check_sometimes()
    return {**services.gate.status(), "alarms": services.drift.alarms()}


@router.get("/reviewers", response_model=ReviewersView, summary="How often reviewers err")
def reviewers(services: ServicesDep, principal: PrincipalDep, collection: str | None = None) -> Any:
    """From gold items and blind second reviews; with the pairs that disagree."""
    principal.require("operator")
    return reviewer_report(services.database, services.settings.gate_delta, collection)


@router.post("/mode", response_model=GateModeView, summary="Switch how answers are released")
def mode(body: GateModeBody, services: ServicesDep, principal: PrincipalDep) -> Any:
    """Counts at once, in every process; kept in the audit log."""
    principal.require("operator")
    return switch_mode(services.database, body.mode, body.reason, principal.name, body.collection)
