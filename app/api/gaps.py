"""Questions without an answer over HTTP, for who looks after the documents."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from app.access.permissions import authorise
from app.access.principals import Principal
from app.answering.gaps import Gaps, GapsView
from app.api.requests import Guarded, May, ServicesDep, Text

router = APIRouter(prefix="/v1/gaps", tags=["documents"], route_class=Guarded)
Reader = Annotated[Principal, Depends(May("gaps.read"))]


@router.get("", response_model=GapsView, summary="Questions without an answer")
def gaps(
    services: ServicesDep,
    principal: Reader,
    collection: Text | None = None,
    days: Annotated[int, Query(ge=1, le=365)] = 30,
) -> Any:
    """Questions that were abstained from, rejected or not decided, those that ask the same
    together, the most asked first. Add a document that answers one, and it is answered next time;
    the gap closes when it was."""
    if collection is not None:
        authorise(principal, "gaps.read", [collection])
    return Gaps(services.database, services.embedder.embed).list(principal, days, collection)
