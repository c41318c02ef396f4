"""The release gate over HTTP: its state, and the kill switch."""

from collections.abc import Callable, Container
from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from app.access.permissions import authorise
from app.access.principals import Principal
from app.api.requests import Body, Guarded, May, ServicesDep, Text, Words
from app.errors import Invalid
from app.gate.certify import Certifier
from app.gate.modes import GateModeView, switch_mode
from app.gate.plan import LabelPlan, plan_labels
from app.gate.reviewer_error import reviewer_report
from app.gate.status import GateStatusView, gate_status
from app.gate.strata import SERVICE, STANDARD, members_of
from app.review.disagreements import disagreements
from app.review.figures import FiguresView, figures
from app.review.sharpness import ReviewerView, reviewer_work
from app.wiring import Services


class GateModeBody(Body):
    """A switch of the release mode."""

    mode: Literal["off", "provisional", "certified", "review_everything", "retrieval_only"]
    reason: Words = Field(min_length=1, max_length=4000, description="Why; kept in the audit log.")
    collection: Text = Field(default="", max_length=400, description="Empty: the whole service.")


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


router = APIRouter(prefix="/v1/gate", tags=["gate"], route_class=Guarded)
Reader = Annotated[Principal, Depends(May("gate.read"))]
Switcher = Annotated[Principal, Depends(May("gate.switch"))]
NO_COLLECTION = "There is no such collection, or you may not see it."


@router.get("", response_model=GateStatusView, summary="What stands behind releases")
def status(services: ServicesDep, principal: Reader) -> Any:
    """Modes, certificates with their running tests, labels and alarms of drift.

    An operator with a scope sees what concerns its collections, and the mode of the service.
    """
    found = gate_status(services.database, services.gate.certificates)
    if principal.scope is None:
        return found
    may_see = _within(services, principal)
    return replace(
        found,
        modes=[row for row in found.modes if may_see(row.collection)],
        certificates=[row for row in found.certificates if may_see(row.collection)],
        labels=[row for row in found.labels if may_see(row.collection)],
        alarms=[row for row in found.alarms if may_see(row.collection)],
    )


@router.get("/reviewers", response_model=ReviewersView, summary="How often reviewers err")
def reviewers(
    services: ServicesDep,
    principal: Reader,
    collection: Text | None = None,
    days: Annotated[int, Query(ge=1, le=3650, description="Of decisions.")] = 90,
) -> Any:
    """From gold items and blind second reviews, with what each decided lately, how fast, and what
    may be a rubber stamp; and the pairs that disagree.

    An operator with a scope must name a collection of it.
    """
    if collection is not None:
        authorise(principal, "gate.read", [collection], NO_COLLECTION)
    elif principal.scope is not None:
        raise Invalid("Please name a collection: your account has a scope.")
    report = reviewer_report(services.database, services.settings.gate_delta, collection)
    with services.database.reading() as session:
        work = reviewer_work(session, report.reviewers, collection, days)
    pairs = [asdict(pair) for pair in disagreements(services.database, collection)]
    return {**asdict(report), "reviewers": work, "disagreements": pairs}


@router.get("/plan", response_model=LabelPlan, summary="How many more labels a certificate needs")
def plan(
    services: ServicesDep,
    principal: Reader,
    collection: Text,
    minutes: Annotated[float, Query(ge=1, le=1440, description="Of labelling each day.")] = 20,
) -> Any:
    """With how many days of labelling; it changes nothing."""
    authorise(principal, "gate.read", [collection], NO_COLLECTION)
    settings = services.settings
    certifier = Certifier(services.database, settings, services.gate.certificates)
    alpha, delta = settings.gate_alpha, settings.gate_delta
    return plan_labels(certifier, collection, STANDARD, alpha, delta, minutes)


@router.get("/figures", response_model=FiguresView, summary="What the service did lately")
def lately(
    services: ServicesDep,
    principal: Reader,
    collection: Text | None = None,
    days: Annotated[int, Query(ge=1, le=90)] = 14,
) -> Any:
    """Answers by day and outcome, what became of them, the backlog, how long stages take, and what
    a released answer costs."""
    if collection is not None:
        authorise(principal, "gate.read", [collection], NO_COLLECTION)
    with services.database.reading() as session:
        return figures(session, principal, collection, days, services.telemetry.prices)


@router.post("/mode", response_model=GateModeView, summary="Switch how answers are released")
def mode(body: GateModeBody, services: ServicesDep, principal: Switcher) -> Any:
    """Counts at once, in every process; kept in the audit log."""
    if body.collection == SERVICE:
        authorise(principal, "gate.switch_service")
    else:
        names = _collections_of(services, body.collection)
        authorise(principal, "gate.switch", names, NO_COLLECTION)
    return switch_mode(services.database, body.mode, body.reason, principal.name, body.collection)


def _within(services: Services, principal: Principal) -> Callable[[str], bool]:
    """Whether a stratum is the principal's to see: all its collections are within the scope."""
    collections = services.corpus.documents.collections()

    def may_see(stratum: str) -> bool:
        return all(principal.may_read(name) for name in _parts(stratum, collections))

    return may_see


def _collections_of(services: Services, stratum: str) -> list[str]:
    return _parts(stratum, services.corpus.documents.collections())


def _parts(stratum: str, collections: Container[str]) -> list[str]:
    """The collections of a stratum; one whose own name holds a plus sign is taken as it is."""
    return [stratum] if stratum in collections else members_of(stratum)
