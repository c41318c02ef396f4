"""Periodic work in one process at a time: overdue reviews expire, drift is looked for, the audit
chain is signed, notices are sent, and what nobody needs any more is purged. Routes that read change
nothing."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from app.access.service import Access
from app.db import Database
from app.errors import CountersignError
from app.gate.drift import DriftMonitors
from app.lease import Lease
from app.notices.sender import Sender, forget_given_up
from app.proof.audit_checks import AuditChecks
from app.proof.checkpoints import Checkpoints
from app.proof.erasure import Eraser
from app.review.desk import ReviewDesk
from app.settings import Settings
from app.wiring import Services, build_corpus, build_drafter

LEASE, DRAFTS_LEASE = "background", "review drafts"
TICK_S = 2.0
log = structlog.get_logger()


@dataclass(frozen=True)
class Job:
    """Work to be done every ``every_s`` seconds; running it twice does no harm."""

    name: str
    every_s: float
    run: Callable[[], object]


def service_jobs(desk: ReviewDesk, drift: DriftMonitors, access: Access) -> list[Job]:
    """What a service does periodically."""
    return [
        Job("expiry", 5.0, desk.expire_overdue),
        Job("escalation", 20.0, desk.escalate_aged),
        Job("drift", 60.0, drift.check),
        Job("purge", 3600.0, access.purge),
    ]


def notice_jobs(database: Database, settings: Settings) -> list[Job]:
    """What is told to people and programs. Raises ``SettingsInvalid``."""
    return [
        Job("notices", 2.0, Sender(database, settings).run),
        Job("old notices", 3600.0, lambda: forget_given_up(database)),
    ]


def record_jobs(database: Database, settings: Settings) -> list[Job]:
    """What is done periodically with records and their audit chain."""
    eraser = Eraser(database, settings, build_corpus(settings, database))
    return [
        Job("retention", 600.0, eraser.retain),
        Job("checkpoint", 60.0, Checkpoints(database, settings).make_if_due),
    ]


class Background:
    """Runs jobs when they are due, while this process holds the lease."""

    def __init__(
        self, lease: Lease, jobs: Sequence[Job], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lease, self._jobs, self._clock = lease, jobs, clock
        self._next = {job.name: clock() for job in jobs}

    def run_due(self) -> list[str] | None:
        """Run what is due; returns the names of the jobs that ran without an error, or None when
        another process holds the lease."""
        if not self._lease.take():
            return None
        ran = []
        for job in self._jobs:
            if self._clock() < self._next[job.name]:
                continue
            self._next[job.name] = self._clock() + job.every_s
            if not self._lease.take():  # renewed before each job: the one before may have hung
                break
            if _succeeds(job):
                ran.append(job.name)
        return ran

    def run_until(self, stop: threading.Event) -> None:
        """The loop of a worker; gives the lease back at the end."""
        while not stop.is_set():
            try:
                self.run_due()
            except CountersignError as error:
                log.warning("background_failed", code=error.code)
            stop.wait(TICK_S)
        self.end()

    def end(self) -> None:
        """Give the lease back, so that another process need not wait for it."""
        try:
            self._lease.release()
        except CountersignError as error:
            log.warning("background_failed", code=error.code)


def background_of(
    database: Database, desk: ReviewDesk, drift: DriftMonitors, access: Access, settings: Settings
) -> Background:
    """The periodic work of a service over that database."""
    jobs = [
        *service_jobs(desk, drift, access),
        *record_jobs(database, settings),
        *notice_jobs(database, settings),  # the last: others may take long to answer
    ]
    return Background(Lease(database, LEASE), jobs)


def drafts_of(services: Services) -> Background | None:
    """Drafts for reviewers, under a lease of their own: one may take minutes. None: none are made.

    Raises ``SettingsInvalid``.
    """
    drafter = build_drafter(services)
    if drafter is None:
        return None
    lease = Lease(services.database, DRAFTS_LEASE)
    return Background(lease, [Job("review drafts", TICK_S, drafter.run)])


@contextmanager
def worker(services: Services) -> Iterator[None]:
    """Do the periodic work beside the service until the block is left, and on a thread of its own
    what takes long."""
    work = background_of(
        services.database, services.desk, services.drift, services.access, services.settings
    )
    checks = AuditChecks(services.database, services.settings)
    drafts, stop = drafts_of(services), threading.Event()
    loops = [one.run_until for one in (work, checks, drafts) if one is not None]
    threads = [threading.Thread(target=run, args=(stop,), daemon=True) for run in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=30)


def _succeeds(job: Job) -> bool:
    try:
        job.run()
    except CountersignError as error:
        log.warning("background_failed", job=job.name, code=error.code)
    except Exception:  # the worker loop: one job that crashes must not end the others
        log.exception("background_crashed", job=job.name)
    else:
        return True
    return False
