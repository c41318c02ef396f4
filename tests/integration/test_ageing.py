"""Reviews that nobody takes escalate by age: once, told once, whatever the clock says."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select, update

from app.access.principals import Principal
from app.access.service import Access
from app.background import Background, service_jobs
from app.db import Database
from app.gate.drift import DriftMonitors
from app.lease import Lease
from app.notices.sender import Sender
from app.outbox import OutboxRow
from app.proof.verify import verify_audit
from app.records.audit import append_audit
from app.records.tables import AuditRow
from app.review.decisions import Decision
from app.review.desk import ReviewDesk
from app.review.released import ReleasedAnswers
from app.review.tables import ReviewTaskRow
from app.review.views import TaskDetailView
from app.settings import Settings
from tests.clocks import every_clock_off
from tests.mailbox import mailbox
from tests.trails import hold, settings_for

RITA = Principal("rita", frozenset({"reviewer"}))


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return settings_for(database_url, tmp_path, gold_share=0.0)


@pytest.fixture
def desk(database: Database, settings: Settings) -> ReviewDesk:
    return ReviewDesk(database, settings)


def opened(database: Database, settings: Settings, age_h: float, **held: Any) -> str:
    """A task that was opened so many hours ago, and has that much less time left."""
    task_id, _ = hold(database, settings, **held)
    with database.transaction() as session:
        task = session.get_one(ReviewTaskRow, task_id)
        for name in ("created_at", "expires_at", "escalates_at"):
            moment = getattr(task, name)
            setattr(task, name, moment and moment - timedelta(hours=age_h))
        append_audit(session, "for the test", {})
    return task_id


def reject(desk: ReviewDesk, task_id: str) -> None:
    seen = desk.task(RITA, task_id)
    desk.decide(RITA, task_id, Decision("reject", seen.content_sha256, None, "It is wrong."))


def told(database: Database) -> list[str]:
    query = select(OutboxRow.subject).where(OutboxRow.kind == "task_escalated")
    with database.reading() as session:
        return list(session.scalars(query))


def of_age(task: TaskDetailView) -> list[tuple[str, str]]:
    kind = "escalated_by_age"
    return [(note.written_by, note.about) for note in task.notes if note.kind == kind]


def test_what_nobody_took_for_a_day_stands_first_and_is_told_once(
    database: Database, settings: Settings, desk: ReviewDesk
) -> None:
    old, young = opened(database, settings, 24.1), opened(database, settings, 23.5, urgency="high")
    before = desk.task(RITA, old)
    assert (before.urgency, before.escalated_at, desk.queue().escalated) == ("normal", None, 0)
    assert (desk.escalate_aged(), desk.escalate_aged()) == (1, 0)
    assert [task.task_id for task in desk.tasks(RITA, "open").tasks] == [old, young]
    task = desk.task(RITA, old)
    assert task.urgency == "urgent" and task.escalated_at
    assert of_age(task) == [("", task.created_at)]
    assert told(database) == [old]
    with database.reading() as session:
        links = session.scalars(select(AuditRow).where(AuditRow.kind == "task_note")).all()
    said = [{k: link.event[k] for k in ("task_id", "kind", "by")} for link in links]
    assert said == [{"task_id": old, "kind": "escalated_by_age", "by": ""}]
    assert verify_audit(database).problems == []


def test_the_queue_says_how_old_it_is_and_what_escalated(
    database: Database, settings: Settings, desk: ReviewDesk
) -> None:
    assert (desk.queue().open, desk.queue().oldest_s) == (0, 0.0)
    for age_h in (30, 2):
        opened(database, settings, age_h)
    desk.escalate_aged()
    queue = desk.queue()
    assert (queue.open, queue.escalated) == (2, 1)
    assert 30 * 3600 <= queue.oldest_s < 31 * 3600
    reject(desk, told(database)[0])
    assert (desk.queue().escalated, desk.queue().oldest_s < 3 * 3600) == (0, True)


def test_a_short_deadline_escalates_after_half_of_it_and_0_never(
    database: Database, settings: Settings
) -> None:
    soon = opened(database, settings, 2.1, deadline_hours=4)
    opened(database, settings, 1.9, deadline_hours=4)
    off = settings.model_copy(update={"escalate_hours": 0.0})
    opened(database, off, 60)
    assert ReviewDesk(database, off).escalate_aged() == 0
    assert ReviewDesk(database, settings).escalate_aged() == 1
    assert told(database) == [soon]


def test_a_claim_holds_it_off_for_as_long_once_and_one_that_ended_does_not(
    database: Database, settings: Settings, desk: ReviewDesk
) -> None:
    kept, let_go = opened(database, settings, 30), opened(database, settings, 30)
    for task_id in (kept, let_go):
        desk.claim(RITA, task_id)
    assert desk.escalate_aged() == 0
    with database.transaction() as session:
        ended = session.get_one(ReviewTaskRow, let_go)
        ended.lease_until = ended.created_at
    assert desk.escalate_aged() == 1 and told(database) == [let_go]
    with database.transaction() as session:
        held = session.get_one(ReviewTaskRow, kept)
        assert held.claimed_at is not None
        held.claimed_at -= timedelta(hours=24.1)
    assert desk.escalate_aged() == 1 and told(database).count(kept) == 1
    task = desk.task(RITA, kept)
    assert (task.claimed_by, task.urgency) == ("rita", "urgent"), "it stays theirs"
    assert of_age(task)[0][1] > task.created_at


def test_what_is_put_off_escalates_once_that_time_is_over(
    database: Database, settings: Settings, desk: ReviewDesk
) -> None:
    task_id = opened(database, settings, 20)
    with database.transaction() as session:
        task = session.get_one(ReviewTaskRow, task_id)
        task.snoozed_until = task.created_at + timedelta(hours=30)
        task.created_at -= timedelta(hours=5)
        assert task.escalates_at is not None
        task.escalates_at -= timedelta(hours=5)
    assert desk.escalate_aged() == 0
    with database.transaction() as session:
        session.execute(update(ReviewTaskRow).values(snoozed_until=ReviewTaskRow.created_at))
    assert desk.escalate_aged() == 1


def test_a_task_that_was_decided_or_expired_does_not_escalate(
    database: Database, settings: Settings, desk: ReviewDesk
) -> None:
    decided, overdue = opened(database, settings, 30), opened(database, settings, 80)
    reject(desk, decided)
    assert desk.escalate_aged() == 0
    desk.expire_overdue()
    assert desk.escalate_aged() == 0
    assert desk.task(RITA, overdue).state == "expired" and told(database) == []


def test_many_processes_at_once_escalate_each_task_once(
    database: Database, settings: Settings
) -> None:
    tasks = {opened(database, settings, 30 + number) for number in range(6)}
    start = Barrier(4)

    def one(_number: int) -> int:
        other = Database(database.url)
        try:
            desk = ReviewDesk(other, settings)
            start.wait()
            return desk.escalate_aged()
        finally:
            other.close()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(one, range(4))) == len(tasks)
    assert sorted(told(database)) == sorted(tasks)
    assert all(len(of_age(ReviewDesk(database, settings).task(RITA, one))) == 1 for one in tasks)


def test_it_is_work_of_the_process_that_holds_the_lease(
    database: Database, settings: Settings, desk: ReviewDesk
) -> None:
    opened(database, settings, 30)
    first, second = Lease(database, "background"), Lease(database, "background")
    jobs = service_jobs(desk, DriftMonitors(database), Access(database, settings))
    assert first.take()
    assert Background(second, jobs).run_due() is None and told(database) == []
    assert "escalation" in (Background(first, jobs).run_due() or [])
    assert len(told(database)) == 1


@pytest.mark.parametrize("days", [-400, -5, 1.5, 5, 4000])
def test_a_clock_that_jumps_escalates_nothing_twice_and_nothing_for_good_too_late(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, days: float
) -> None:
    """Ahead within the deadline it escalates too early, which stays; beyond it, it expires, and is
    open again once the clock is right; behind, nothing happens until the time has come."""
    task_id = opened(database, settings, 0)
    desk = ReviewDesk(database, settings)
    with every_clock_off(monkeypatch, days=days):
        desk.expire_overdue()
        assert desk.escalate_aged() == (days == 1.5)
    desk.expire_overdue()
    assert desk.escalate_aged() == 0
    assert desk.task(RITA, task_id).state == "open"
    with every_clock_off(monkeypatch, days=1.1):
        assert desk.escalate_aged() == (days != 1.5)
    assert told(database) == [task_id]
    assert len(of_age(desk.task(RITA, task_id))) == 1
    assert verify_audit(database).problems == []


def test_a_task_that_was_opened_under_a_clock_that_was_behind_escalates_at_once(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with every_clock_off(monkeypatch, days=-2):
        hold(database, settings)
    assert ReviewDesk(database, settings).escalate_aged() == 1


def test_what_comes_before_reviewers_again_escalates_anew(
    database: Database, settings: Settings, desk: ReviewDesk
) -> None:
    task_id = opened(database, settings, 30)
    assert desk.escalate_aged() == 1
    seen = desk.task(RITA, task_id)
    desk.decide(RITA, task_id, Decision("approve", seen.content_sha256, None))
    again = ReleasedAnswers(database, settings).review_again(RITA, seen.answer_id)
    assert again == task_id and desk.task(RITA, task_id).escalated_at is None
    assert desk.escalate_aged() == 0
    with database.transaction() as session:
        task = session.get_one(ReviewTaskRow, task_id)
        for name in ("created_at", "escalates_at"):
            setattr(task, name, getattr(task, name) - timedelta(hours=25))
    assert desk.escalate_aged() == 1


def test_a_notice_goes_to_whom_the_settings_name_while_nobody_decided(
    database: Database, settings: Settings
) -> None:
    with mailbox() as box:
        by_mail = settings.model_copy(
            update={
                "smtp_host": "127.0.0.1",
                "smtp_port": box.port,
                "smtp_security": "none",
                "smtp_from": "desk@example.com",
                "notice_reviewers": "a@example.com",
                "notice_escalated": "lead@example.com",
            }
        )
        _, last = (opened(database, by_mail, 30) for _ in range(2))
        desk = ReviewDesk(database, by_mail)
        assert desk.escalate_aged() == 2
        reject(desk, last)
        Sender(database, by_mail).run()
        Sender(database, by_mail).run()
        assert [message["To"] for message in box.messages] == ["lead@example.com"]
        assert box.messages[0]["Subject"] == "A draft has waited too long for a reviewer"


def test_a_task_of_the_release_before_never_escalates_by_itself(
    database: Database, settings: Settings, desk: ReviewDesk
) -> None:
    opened(database, settings, 60)
    with database.transaction() as session:
        session.execute(update(ReviewTaskRow).values(escalates_at=None))
    assert desk.escalate_aged() == 0
