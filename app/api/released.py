"""Released answers for reviewers: those whose sources changed, withdrawn or reviewed again."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from app.access.principals import Principal
from app.api.requests import Body, Guarded, May, ServicesDep, Text, Words, page_limit
from app.review.released import ChangedAnswers

router = APIRouter(prefix="/v1/released", tags=["reviews"], route_class=Guarded)
Reader = Annotated[Principal, Depends(May("reviews.read"))]
Decider = Annotated[Principal, Depends(May("reviews.decide"))]


class WithdrawalBody(Body):
    """Why an answer is taken back, and what its asker is told."""

    reason: Words = Field(min_length=1, max_length=4000, description="For the record.")
    message: Words = Field(default="", max_length=2000, description="For the asker.")


class KeepBody(Body):
    """Why an answer may stand."""

    reason: Words = Field(min_length=1, max_length=4000)


class ReviewAgainView(BaseModel):
    """The task in which an answer is reviewed again."""

    task_id: str


@router.get("/changed", response_model=ChangedAnswers, summary="Answers whose sources changed")
def changed(
    services: ServicesDep, principal: Reader, limit: int = 50, cursor: Text | None = None
) -> Any:
    """Released answers that cite a passage which was changed or removed since, oldest first."""
    return services.released.changed(principal, page_limit(limit, 200), cursor)


@router.post("/{answer_id}/withdrawal", status_code=204, summary="Withdraw")
def withdraw(
    answer_id: str, body: WithdrawalBody, services: ServicesDep, principal: Decider
) -> None:
    """Take a released answer back. Its asker sees the message, and no longer the answer."""
    services.released.withdraw(principal, answer_id, body.reason, body.message)


@router.post("/{answer_id}/review", response_model=ReviewAgainView, summary="Review again")
def review_again(answer_id: str, services: ServicesDep, principal: Decider) -> Any:
    """Put a released answer before reviewers; what they approve or write takes its place."""
    return {"task_id": services.released.review_again(principal, answer_id)}


@router.post("/{answer_id}/keep", status_code=204, summary="Let it stand")
def keep(answer_id: str, body: KeepBody, services: ServicesDep, principal: Decider) -> None:
    """The answer is right although its sources changed: it leaves the list."""
    services.released.keep(principal, answer_id, body.reason)
