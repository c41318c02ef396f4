"""Questions without an answer over HTTP, for who looks after the documents."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from app.access.permissions import authorise
from app.access.principals import Principal
from app.answering.gaps import Gaps, GapsView, NearestQuotes
from app.api.asking import while_connected
from app.api.requests import Guarded, May, ServicesDep, Text, permit
from app.deadline import Deadline
from app.review.quotes import QuotesView
from app.serving.admission import Permit
from app.wiring import Services

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
    return _gaps(services).list(principal, days, collection)


@router.get("/{gap_id}/quotes", response_model=QuotesView, summary="What came nearest")
async def quotes(
    permit: Annotated[Permit, Depends(permit)],
    gap_id: str,
    request: Request,
    services: ServicesDep,
    principal: Reader,
) -> Any:
    """Up to three quotes out of what a search for the question finds now, as the reader would quote
    them, however unsure it is. Nothing of it is kept."""
    nearest = NearestQuotes(
        _gaps(services), services.retriever, services.quotes, services.settings.evidence_passages
    )

    def run(deadline: Deadline) -> QuotesView:
        return nearest.of(principal, gap_id, deadline)

    return await while_connected(request, permit.run(run))


def _gaps(services: Services) -> Gaps:
    return Gaps(services.database, services.embedder.embed)
