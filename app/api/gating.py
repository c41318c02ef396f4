"""The release gate over HTTP: its state, and the kill switch."""

from typing import Any

from fastapi import APIRouter

from app.api.requests import PrincipalDep, ServicesDep
from app.api.wire import GateModeBody, GateModeView, GateStatusView
from app.gate import switch_mode

router = APIRouter(prefix="/v1/gate", tags=["gate"])


@router.get("", response_model=GateStatusView, summary="What stands behind releases")
def status(services: ServicesDep, principal: PrincipalDep) -> Any:
    """Modes, certificates with their running tests, labels and alarms of drift."""
    principal.require("operator")
    services.drift.check_sometimes()
    return {**services.gate.status(), "alarms": services.drift.alarms()}


@router.post("/mode", response_model=GateModeView, summary="Switch how answers are released")
def mode(body: GateModeBody, services: ServicesDep, principal: PrincipalDep) -> Any:
    """Counts at once, in every process; kept in the audit log."""
    principal.require("operator")
    return switch_mode(services.database, body.mode, body.reason, principal.name, body.collection)
