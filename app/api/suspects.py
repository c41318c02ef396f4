"""Passages that seem to give orders, over HTTP: list, admit, remove."""

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from app.access.permissions import authorise
from app.access.principals import Principal
from app.api.requests import Guarded, May, ServicesDep
from app.corpus.passages import SuspectView
from app.wiring import Services


class SuspectsView(BaseModel):
    """The suspect passages in scope."""

    suspects: list[SuspectView]


router = APIRouter(prefix="/v1/suspects", tags=["documents"], route_class=Guarded)
Changer = Annotated[Principal, Depends(May("documents.change"))]


@router.get("", response_model=SuspectsView, summary="Passages that seem to give orders")
def suspects(services: ServicesDep, principal: Changer) -> SuspectsView:
    """Answers that rest on one of them are held."""
    found = services.corpus.passages.suspects()
    return SuspectsView(
        suspects=[
            replace(one, source=PurePosixPath(one.source).name)
            for one in found
            if principal.may_read(one.collection)
        ]
    )


@router.post("/{suspect_id}/admit", status_code=204, summary="It is suspect no more")
def admit(suspect_id: str, services: ServicesDep, principal: Changer) -> None:
    """A person has read the passage and vouches for it."""
    _reachable(services, principal, suspect_id)
    services.corpus.passages.admit(suspect_id, principal.name)


@router.delete("/{suspect_id}", status_code=204, summary="Take the passage out")
def remove(suspect_id: str, services: ServicesDep, principal: Changer) -> None:
    """At once; it comes back if its document is ingested again."""
    _reachable(services, principal, suspect_id)
    services.corpus.documents.remove_passage(suspect_id, principal.name)


def _reachable(services: Services, principal: Principal, suspect_id: str) -> None:
    found = services.corpus.passages.suspect(suspect_id)
    authorise(
        principal, "documents.change", [found.collection], "There is no such suspect passage."
    )
