"""Labelling sessions over HTTP: the next answer to judge, and the way to a certificate."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from app.access.permissions import authorise
from app.access.principals import Principal
from app.api.requests import Body, Guarded, May, ServicesDep, Text
from app.gate.plan import LabelProgressView
from app.gate.strata import STANDARD, Stratum, members_of
from app.review.labelling import LabellingSession, NextLabelView
from app.wiring import Services


class LabelDrawBody(Body):
    """Whose answers are to be labelled."""

    collection: Text = Field(min_length=1, max_length=400)
    risk_class: Text = Field(default=STANDARD, min_length=1, max_length=80)


router = APIRouter(prefix="/v1/labelling", tags=["labelling"], route_class=Guarded)
Labeller = Annotated[Principal, Depends(May("reviews.decide"))]
Watcher = Annotated[Principal, Depends(May("gate.read"))]
NO_COLLECTION = "There is no such collection, or you may not see it."


@router.post("/next", response_model=NextLabelView, summary="The next answer to label")
def next_label(body: LabelDrawBody, services: ServicesDep, principal: Labeller) -> Any:
    """The oldest open task whose label helps a certificate; claim and decide it as any other."""
    authorise(principal, "reviews.decide", members_of(body.collection), NO_COLLECTION)
    return _session(services).next_task(principal, Stratum(body.collection, body.risk_class))


@router.get("/progress", response_model=LabelProgressView, summary="How far a certificate is")
def progress(
    services: ServicesDep, principal: Watcher, collection: Text, risk_class: Text = STANDARD
) -> Any:
    """Labels, how many are missing, and the betting curve. Looking changes nothing."""
    authorise(principal, "gate.read", members_of(collection), NO_COLLECTION)
    return _session(services).progress(Stratum(collection, risk_class))


def _session(services: Services) -> LabellingSession:
    return LabellingSession(services.database, services.settings, services.gate.certificates)
