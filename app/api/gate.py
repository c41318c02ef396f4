"""The release gate over HTTP: its state, and the kill switch."""

from dataclasses import asdict
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.api.requests import Body, PrincipalDep, ServicesDep, Text
from app.gate.modes import switch_mode
from app.gate.reviewer_error import reviewer_report
from app.review.disagreements import disagreements


class GateModeBody(Body):
    """A switch of the release mode."""

    mode: Literal["off", "provisional", "certified", "review_everything", "retrieval_only"]
    reason: Text = Field(min_length=1, max_length=4000, description="Why; kept in the audit log.")
    collection: Text = Field(default="", max_length=400, description="Empty: the whole service.")


class GateModeView(BaseModel):
    """A switch as it stands; collection "" is the whole service."""

    collection: str
    mode: str
    reason: str
    changed_by: str
    changed_at: str


class CertificateView(BaseModel):
    """A certificate of one collection and risk class, and its running test.

    State ``void``: what it was made for no longer runs here. ``e_value`` null: the promise is
    broken.
    """

    id: str
    collection: str
    risk_class: str
    state: Literal["live", "void", "superseded", "revoked", "violated"]
    reason: str
    index_version: str
    created_at: str
    ended_at: str | None
    certificate: dict[str, Any]
    reviewer_error: str = Field(description='In words; "" where it is not known.')
    audits: int
    e_value: float | None
    limit: float


class LabelCountView(BaseModel):
    """How many labels of one kind there are."""

    collection: str
    risk_class: str
    source: Literal["audit", "review"]
    wrong: bool
    count: int


class AlarmView(BaseModel):
    """A monitor that saw answers change; collection "" is the whole service."""

    collection: str
    monitor: str
    detail: str
    raised_at: str


class GateStatusView(BaseModel):
    """The gate: the mode of the service, every switch, certificates, labels and alarms."""

    mode: str
    modes: list[GateModeView]
    provisional: dict[str, Any] | None
    certificates: list[CertificateView]
    labels: list[LabelCountView]
    alarms: list[AlarmView]


class GoldView(BaseModel):
    """Wrong gold items that were decided, and how many of them were called right."""

    missed: int
    n: int


class SecondReviewsView(BaseModel):
    """Blind second reviews; ``missed`` of those ``called_wrong`` were right to the first."""

    n: int
    agreed: int
    called_wrong: int
    missed: int


class ReviewerView(BaseModel):
    """How one reviewer did on gold items."""

    reviewer: str
    wrong_items: int
    missed: int
    right_items: int
    false_alarms: int


class OpinionView(BaseModel):
    """What one of two reviewers decided."""

    reviewer: str
    kind: Literal["approve", "edit", "reject"]
    reason: str


class DisagreementView(BaseModel):
    """An answer that two reviewers judged differently; the first decision is in force."""

    answer_id: str
    question: str
    first: OpinionView
    second: OpinionView
    decided_at: str | None


class ReviewersView(BaseModel):
    """Reviewer error. ``miss_bound`` null: not measured; it holds with 1 - ``gold_delta``."""

    gold: GoldView | None
    miss_bound: float | None
    gold_delta: float
    second: SecondReviewsView | None
    agreement: float | None
    reviewers: list[ReviewerView]
    disagreements: list[DisagreementView]


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
    report = reviewer_report(services.database, services.settings.gate_delta, collection)
    pairs = [asdict(pair) for pair in disagreements(services.database, collection)]
    return {**asdict(report), "disagreements": pairs}


@router.post("/mode", response_model=GateModeView, summary="Switch how answers are released")
def mode(body: GateModeBody, services: ServicesDep, principal: PrincipalDep) -> Any:
    """Counts at once, in every process; kept in the audit log."""
    principal.require("operator")
    return switch_mode(services.database, body.mode, body.reason, principal.name, body.collection)
