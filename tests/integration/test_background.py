"""Periodic work: one process at a time on both databases, and routes that read change nothing."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import select, update

from app.access.service import Access
from app.background import Background, Job, background_of, notice_jobs, record_jobs, service_jobs
from app.db import Database, now
from app.errors import ClaimLost, DependencyFailed
from app.gate.drift import DriftMonitors
from app.lease import Lease, LeaseRow
from app.records.tables import AuditHeadRow
from app.review.desk import ReviewDesk
from app.review.tables import ReviewTaskRow
from app.wiring import Services
from tests.site import Site, site_over
from tests.trails import hold, settings_for


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """The time now."""
        return self.seconds


def process(database: Database, clock: Clock) -> Lease:
    return Lease(database, "work", patience_s=30, clock=clock)


def test_a_lease_has_one_holder_until_it_is_given_back(database: Database) -> None:
    first, second = process(database, Clock()), process(database, Clock())
    assert first.take() and first.take()
    assert not second.take()
    first.release()
    assert second.take()
    assert not first.take()


def test_a_holder_that_stands_still_is_replaced_and_fenced_off(database: Database) -> None:
    clock = Clock()
    first, second = process(database, Clock()), process(database, clock)
    assert first.take() and not second.take()
    clock.seconds = 29
    assert not second.take()
    assert first.take()  # it lives: the count begins anew
    clock.seconds = 58
    assert not second.take()
    clock.seconds = 87
    assert not second.take()
    clock.seconds = 88
    assert second.take()
    with database.transaction() as session:
        second.check(session)
    with pytest.raises(ClaimLost), database.transaction() as session:
        first.check(session)
    assert not first.take()
    first.release()  # what it no longer has it cannot give back
    assert second.take()


def test_a_lease_does_not_look_at_the_clock_on_the_wall(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = process(database, Clock()), process(database, Clock())
    assert first.take()
    monkeypatch.setattr("app.db.now", lambda: now() + timedelta(days=5))
    assert not second.take()
    with database.reading() as session:
        row = session.get_one(LeaseRow, "work")
    assert set(vars(row)) & {"until", "expires_at"} == set() and row.beat == 1


def test_of_many_that_start_at_once_one_works(database: Database) -> None:
    start = Barrier(4)

    def take(_number: int) -> bool:
        lease = process(database, Clock())
        start.wait()
        return lease.take()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(take, range(4))) == [False, False, False, True]


def test_a_job_that_fails_does_not_stop_the_others(database: Database) -> None:
    ran: list[str] = []

    def fails() -> None:
        raise DependencyFailed

    def crashes() -> None:
        raise ValueError("a bug")

    clock = Clock()
    jobs = [
        Job("fails", 10, fails),
        Job("crashes", 10, crashes),
        Job("often", 10, lambda: ran.append("often")),
        Job("seldom", 100, lambda: ran.append("seldom")),
    ]
    work = Background(process(database, clock), jobs, clock)
    assert work.run_due() == ["often", "seldom"]
    assert work.run_due() == []
    clock.seconds = 10
    assert work.run_due() == ["often"]
    assert ran == ["often", "seldom", "often"]
    assert Background(process(database, Clock()), jobs, clock).run_due() is None


def test_overdue_reviews_expire_in_the_background(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    settings = settings_for(database_url, tmp_path)
    task_id, _ = hold(database, settings)
    with database.transaction() as session:
        session.execute(update(ReviewTaskRow).values(expires_at=now() - timedelta(days=30)))
    desk, access = ReviewDesk(database, settings), Access(database, settings)
    work = background_of(database, desk, DriftMonitors(database), access, settings)
    jobs = [
        *service_jobs(desk, DriftMonitors(database), access),
        *record_jobs(database, settings),
        *notice_jobs(database, settings),
    ]
    assert work.run_due() == [job.name for job in jobs]
    with database.reading() as session:
        assert session.get_one(ReviewTaskRow, task_id).state == "expired"


@pytest.fixture
def site(services: Services) -> Iterator[Site]:
    """A service over each database; nothing runs in its background."""
    yield from site_over(services)


def test_routes_that_read_change_nothing(site: Site) -> None:
    task_id, answer_id = site.held()
    database = site.services.database
    with database.transaction() as session:
        session.execute(update(ReviewTaskRow).values(expires_at=now() - timedelta(days=30)))
        before = session.get_one(AuditHeadRow, 1).number
    for path in sorted(site.app.openapi()["paths"]):
        if "{" not in path:
            site.call("eve", "GET", path)
    for path in (f"/v1/reviews/{task_id}", f"/v1/answers/{answer_id}"):
        site.call("ann", "GET", path)
        site.call("rita", "GET", path)
    with database.reading() as session:
        assert session.get_one(AuditHeadRow, 1).number == before
        assert session.scalars(select(ReviewTaskRow.state)).all() == ["open"]
    work = background_of(
        database,
        site.services.desk,
        site.services.drift,
        site.services.access,
        site.services.settings,
    )
    work.run_due()
    answer = site.call("ann", "GET", f"/v1/answers/{answer_id}").json()
    assert (answer["status"], answer["answer"]) == ("rejected", None)
