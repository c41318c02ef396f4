"""Ingestion jobs over HTTP: list, watch, cancel, try again. The worker does what is pending."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from app.access.permissions import Action, authorise
from app.access.principals import Principal
from app.api.requests import (
    EVENTS,
    MAX_INT,
    Credential,
    CredentialDep,
    Guarded,
    May,
    ServicesDep,
    page_limit,
)
from app.corpus.jobs import ItemState, JobDetails, JobsView, JobView
from app.errors import CountersignError
from app.wiring import Services

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=Guarded)
Reader = Annotated[Principal, Depends(May("jobs.read"))]
Changer = Annotated[Principal, Depends(May("jobs.change"))]
Offset = Annotated[int, Query(ge=0, le=MAX_INT)]
LOOK_EVERY_S = 0.5
RECHECK_EVERY_S = 5.0


@router.get("", response_model=JobsView, summary="Ingestion jobs in scope")
def jobs(services: ServicesDep, principal: Reader, limit: int = 20, offset: Offset = 0) -> Any:
    """Newest first."""
    names = principal.readable(services.corpus.jobs.collections())
    return services.corpus.jobs.page(names, limit=page_limit(limit, 100), offset=offset)


@router.get("/{job_id}", response_model=JobDetails, summary="One ingestion job")
def job(
    job_id: str,
    services: ServicesDep,
    principal: Reader,
    limit: int = 100,
    offset: Offset = 0,
    state: Annotated[ItemState | None, Query(description="Only files that are so.")] = None,
) -> Any:
    """How far it is, and a page of its files with the reasons of those that failed."""
    found = services.corpus.jobs.get(
        job_id, limit=page_limit(limit, 500), offset=offset, state=state
    )
    _authorise(principal, "jobs.read", found.job)
    return found


@router.get(
    "/{job_id}/events",
    summary="Follow an ingestion job until it has ended",
    response_class=EventSourceResponse,
    responses=EVENTS,
)
async def job_events(
    job_id: str,
    request: Request,
    services: ServicesDep,
    principal: Reader,
    credential: CredentialDep,
) -> Any:
    """A `job` event now, and again whenever something of it changes; ends when nothing is pending,
    or with an `error` event when the key or the sign-in has ended."""
    first = await services.watch.run(lambda: _view(services, job_id, principal))
    events = _follow(services, first, credential, request.state.request_id)
    return EventSourceResponse(events, ping=15)


@router.post("/{job_id}/cancel", response_model=JobView, summary="Cancel a job")
def cancel(job_id: str, services: ServicesDep, principal: Changer) -> Any:
    """What is pending of it is not read; what is ready stays."""
    _authorise(principal, "jobs.change", services.corpus.jobs.view(job_id))
    return services.corpus.jobs.cancel(job_id)


@router.post("/{job_id}/retry", response_model=JobView, summary="Try again what failed of a job")
def retry(job_id: str, services: ServicesDep, principal: Changer) -> Any:
    """Its documents that failed or were cancelled are pending again, without those that the same
    file makes fail again."""
    _authorise(principal, "jobs.change", services.corpus.jobs.view(job_id))
    services.corpus.jobs.retry(job_id, lasting=False)
    return services.corpus.jobs.view(job_id)


async def _follow(
    services: Services, view: JobView, credential: Credential, request_id: str
) -> AsyncIterator[ServerSentEvent]:
    yield _event("job", asdict(view))
    checked = time.monotonic()
    while view.state == "running":
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            if time.monotonic() - checked > RECHECK_EVERY_S:
                principal = await services.watch.run(credential.principal)
                _authorise(principal, "jobs.read", view)
                checked = time.monotonic()
            seen = await services.watch.run(partial(services.corpus.jobs.view, view.job_id))
        except CountersignError as error:
            yield _event("error", error.wire(request_id))
            return
        if seen != view:
            view = seen
            yield _event("job", asdict(view))


def _view(services: Services, job_id: str, principal: Principal) -> JobView:
    found = services.corpus.jobs.view(job_id)
    _authorise(principal, "jobs.read", found)
    return found


def _authorise(principal: Principal, action: Action, job: JobView) -> None:
    authorise(principal, action, [job.collection], "There is no such job.")


def _event(name: str, value: Any) -> ServerSentEvent:
    return ServerSentEvent(data=json.dumps(value), event=name)
