"""Practice over HTTP: reviewers judge answers that are known, and are told at once."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from app.access.principals import Principal
from app.api.requests import Body, Guarded, May, ServicesDep
from app.review.practice import Practice, PracticeView, Truth


class PracticeBody(Body):
    """What a reviewer takes an answer to be."""

    wrong: bool = Field(description="Whether it should not go out as it is.")


router = APIRouter(prefix="/v1/practice", tags=["reviews"], route_class=Guarded)
Reader = Annotated[Principal, Depends(May("reviews.read"))]
Decider = Annotated[Principal, Depends(May("reviews.decide"))]


@router.get("", response_model=PracticeView, summary="Answers to practise with")
def burst(services: ServicesDep, principal: Reader) -> Any:
    """At most five answers that are known to be wrong or right, and that the caller has not seen;
    none where there are none yet. Practice measures nobody."""
    return Practice(services.database).burst(principal)


@router.post("/{item_id}", response_model=Truth, summary="Judge one, and be told")
def answer(item_id: str, body: PracticeBody, services: ServicesDep, principal: Decider) -> Any:
    """A second word on the same answer changes nothing."""
    return Practice(services.database).answer(principal, item_id, wrong=body.wrong)
