"""On both databases: a clock that is days ahead, or behind, costs nothing for good."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from app.access.idempotency import Reservation
from app.access.principals import Principal
from app.access.quotas import Quotas
from app.access.service import Access
from app.corpus.corpus import Corpus
from app.db import Database, iso, now
from app.errors import (
    AlreadyDecided,
    ClaimLost,
    CredentialsExpired,
    QuotaExceeded,
    UndoTooLate,
)
from app.notices.sender import Sender, waiting_notices
from app.proof.erasure import Eraser
from app.proof.verify import verify_audit
from app.records import recording
from app.records.audit import append_audit
from app.records.release import answer_view
from app.records.tables import AuditRow, RecordRow, SettlementRow
from app.records.trusted_time import doubted_since, trusted_time
from app.review.decisions import Decision
from app.review.desk import ReviewDesk
from app.review.tasks import open_task
from app.settings import Settings
from app.wiring import build_corpus
from tests.clocks import clock_off, every_clock_off
from tests.mailbox import mailbox
from tests.trails import add_ready_document, hold, only_passage, settings_for, trail

PASSWORD = "correct horse battery"
RITA, ROB = (Principal(name, frozenset({"reviewer"})) for name in ("rita", "rob"))


def put(database: Database, settings: Settings, kind: str) -> tuple[str, str]:
    """A review task of that kind; returns (task id, answer id)."""
    corpus = Corpus(database)
    add_ready_document(corpus)
    told = trail(only_passage(corpus), "held" if kind == "held" else "released")
    with database.transaction() as session:
        record = recording.write(session, told)
        return open_task(session, record, settings, kind), told.answer_id


# Reviews


@pytest.mark.parametrize("days", [-5, 5])
def test_reviews_go_by_the_clock_of_the_server_whatever_a_host_says(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: float
) -> None:
    if database.embedded:
        pytest.skip("SQLite has the clock of its one host")
    settings = settings_for(database.url, tmp_path, review_days=3)
    with clock_off(monkeypatch, days=days):
        task_id, _ = hold(database, settings)
        desk = ReviewDesk(database, settings)
        assert desk.expire_overdue() == 0
        claimed = desk.claim(RITA, task_id)
        assert [task.task_id for task in desk.tasks(RITA, "open").tasks] == [task_id]
    with pytest.raises(ClaimLost):
        desk.claim(ROB, task_id)
    assert desk.expire_overdue() == 0
    decided = desk.decide(RITA, task_id, Decision("approve", claimed.content_sha256, claimed.fence))
    assert decided.state == "decided"


@pytest.mark.parametrize("kind", ["held", "audit"])
def test_what_expired_while_the_clock_was_ahead_is_open_again_when_it_returns(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Also when the service is started anew under the wrong clock, and it stays so for days."""
    settings = settings_for(database.url, tmp_path, review_days=3)
    task_id, answer_id = put(database, settings, kind)
    for days in (5, 6, 40):
        with every_clock_off(monkeypatch, days=days):
            desk = ReviewDesk(database, settings)
            assert desk.expire_overdue() == (days == 5)
            assert [task.task_id for task in desk.tasks(RITA, "expired").tasks] == [task_id]
            with pytest.raises(AlreadyDecided):
                desk.claim(RITA, task_id)
    desk = ReviewDesk(database, settings)
    assert (desk.expire_overdue(), desk.expire_overdue()) == (0, 0)
    with database.reading() as session:
        record = session.get_one(RecordRow, answer_id)
        assert answer_view(session, record, []).status == record.outcome
        links = session.scalars(select(AuditRow.kind).order_by(AuditRow.number))
        kinds = [kind for kind in links if kind != "sealed"]
    held = kind == "held"
    assert kinds[-4:] == ["task_expired", "expired", "task_reopened", "reopened"] or not held
    assert kinds[-2:] == ["task_expired", "task_reopened"] or held
    claimed = desk.claim(RITA, task_id)
    decision = Decision("approve", claimed.content_sha256, claimed.fence)
    assert desk.decide(RITA, task_id, decision).state == "decided"
    assert verify_audit(database).problems == []
    with database.reading() as session:
        record = session.get_one(RecordRow, answer_id)
        assert answer_view(session, record, []).status == "released"


def test_what_was_erased_while_the_clock_was_ahead_stays_closed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(database.url, tmp_path, review_days=3)
    tasks = [put(database, settings, kind) for kind in ("held", "held", "audit")]
    desk = ReviewDesk(database, settings)
    eraser = Eraser(database, settings, build_corpus(settings, database))
    eraser.answer(tasks[0][1], "olga")
    with every_clock_off(monkeypatch, days=5):
        assert desk.expire_overdue() == 2
        for _, answer_id in tasks[1:]:
            eraser.answer(answer_id, "olga")
    desk.expire_overdue()
    assert desk.count_open() == 0
    assert verify_audit(database).problems == []


@pytest.mark.parametrize("days", [0.2, 5])
def test_what_is_to_be_told_does_not_wait_for_a_clock_that_was_ahead(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: float
) -> None:
    with mailbox() as box:
        server = {"smtp_host": "127.0.0.1", "smtp_port": box.port, "smtp_security": "none"}
        people = {"smtp_from": "a@example.com", "notice_reviewers": "b@example.com"}
        settings = settings_for(database.url, tmp_path, gold_share=0.0, **server, **people)
        sender = Sender(database, settings)
        with every_clock_off(monkeypatch, days=days):
            hold(database, settings, urgency="urgent")
            box.refuse = True
            sender.run()  # it is not taken: to be tried again in five seconds
            hold(database, settings, asker="bob", urgency="urgent")
        assert {one.attempts for one in waiting_notices(database) if one.destination} == {1}
        box.refuse = False
        sender.run()
        assert len(box.messages) == 2
        hold(database, settings, asker="eve", urgency="urgent")
        box.refuse = True
        sender.run()
        (left,) = (one for one in waiting_notices(database) if one.destination)
        assert left.next_try_at < str(iso(now() + timedelta(hours=2))), (
            "the pause goes by the clock"
        )


def test_a_decision_that_was_made_while_a_clock_was_ahead_stands_and_is_measured(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(database.url, tmp_path, undo_seconds=10)
    desk = ReviewDesk(database, settings)
    with every_clock_off(monkeypatch, days=2):
        task_id, _ = hold(database, settings)
        seen = desk.claim(RITA, task_id)
        decision = Decision("reject", seen.content_sha256, seen.fence, "It is wrong.")
        assert desk.decide(RITA, task_id, decision).undo_until
    assert desk.task(RITA, task_id).undo_until is None
    with pytest.raises(UndoTooLate):
        desk.undo(RITA, task_id)
    assert (desk.measure_decisions(), desk.measure_decisions()) == (1, 0)


def test_an_undo_goes_by_the_clock_of_the_server_whatever_a_host_says(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database.embedded:
        pytest.skip("SQLite has the clock of its one host")
    settings = settings_for(database.url, tmp_path, undo_seconds=60)
    desk = ReviewDesk(database, settings)
    with clock_off(monkeypatch, days=-1):
        task_id, _ = hold(database, settings)
        seen = desk.claim(RITA, task_id)
        decision = Decision("reject", seen.content_sha256, seen.fence, "It is wrong.")
        desk.decide(RITA, task_id, decision)
        assert desk.measure_decisions() == 0
    assert desk.undo(RITA, task_id).state == "claimed"


def test_a_claim_of_a_clock_that_was_ahead_keeps_no_task_from_escalating(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(database.url, tmp_path, review_days=30, claim_minutes=60 * 24 * 30)
    desk = ReviewDesk(database, settings)
    task_id, _ = hold(database, settings)
    with every_clock_off(monkeypatch, days=5):
        desk.claim(RITA, task_id)
    with every_clock_off(monkeypatch, days=1.1):
        assert desk.escalate_aged() == 1


# What is erased for good


@pytest.fixture
def aged(database: Database, tmp_path: Path) -> Iterator[tuple[Settings, list[str]]]:
    """Settings with a retention of 30 days, and answers that are 27 and 31 days old."""
    settings = settings_for(database.url, tmp_path, keep_answers_days=30, keep_deleted_days=30)
    answers = []
    for days in (27, 31):
        _, answer_id = put(database, settings, "held")
        answers.append(answer_id)
        with database.transaction() as session:
            record = session.get_one(RecordRow, answer_id)
            record.created_at -= timedelta(days=days)
            append_audit(session, "for the test", {})
    yield settings, answers


def erased(database: Database) -> set[str]:
    query = select(SettlementRow.answer_id).where(SettlementRow.state == "erased")
    with database.reading() as session:
        return set(session.scalars(query))


def test_a_clock_that_is_ahead_erases_nothing_that_is_not_old(
    database: Database, aged: tuple[Settings, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it jumps while the service runs or before it starts, and when it jumps twice."""
    settings, (younger, older) = aged
    with every_clock_off(monkeypatch, days=5):
        assert retain(database, settings) == 1
    assert erased(database) == {older}
    for days in (5, 5.5, 5, 5.8, 4000):
        with every_clock_off(monkeypatch, days=days):
            assert retain(database, settings) == 0
            with database.reading() as session:
                assert doubted_since(session) is not None
    assert retain(database, settings) == 0
    assert erased(database) == {older}
    with database.reading() as session:
        assert doubted_since(session) is None
    with every_clock_off(monkeypatch, days=5):
        assert retain(database, settings) == 0
    with every_clock_off(monkeypatch, days=6):
        assert retain(database, settings) == 1  # it went on for a day and did not come back
    assert erased(database) == {older, younger}


def retain(database: Database, settings: Settings) -> int:
    return Eraser(database, settings, build_corpus(settings, database)).retain()


def test_time_that_passes_is_believed_at_once(
    database: Database, aged: tuple[Settings, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, _ = aged
    assert retain(database, settings) == 1
    for hour in range(1, 75):
        with every_clock_off(monkeypatch, seconds=3600 * hour):
            trusted_time(database)
    with every_clock_off(monkeypatch, days=3.1):
        assert retain(database, settings) == 1


def test_a_clock_that_is_ahead_purges_no_sign_in_and_no_idempotency_key(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = Access(database, settings_for(database.url, tmp_path))
    ann = access.accounts.create("ann", ["asker"], password=PASSWORD)
    token = access.sessions.sign_in("ann", PASSWORD).token
    assert isinstance(access.requests.begin(ann, "key", "body"), Reservation)
    with database.transaction() as session:
        access.requests.finish(ann, "key", session, "answer 42")
    with every_clock_off(monkeypatch, days=45):
        access.purge()
    access.purge()
    assert access.sessions.find(token).principal.name == "ann"
    assert access.requests.begin(ann, "key", "body") == "answer 42"


def test_a_sign_in_of_a_clock_that_was_ahead_has_ended(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would last days longer than sign-ins may."""
    access = Access(database, settings_for(database.url, tmp_path))
    access.accounts.create("ann", ["asker"], password=PASSWORD)
    with every_clock_off(monkeypatch, days=5):
        token = access.sessions.sign_in("ann", PASSWORD).token
        assert access.sessions.find(token).principal.name == "ann"
    with pytest.raises(CredentialsExpired):
        access.sessions.find(token)
    assert access.accounts.one("ann").sessions == 0
    with every_clock_off(monkeypatch, seconds=60):
        token = access.sessions.sign_in("ann", PASSWORD).token
    assert access.sessions.find(token).principal.name == "ann"


@pytest.mark.parametrize("days", [-400, -5])
def test_quotas_of_a_clock_that_was_ahead_keep_nobody_out(
    monkeypatch: pytest.MonkeyPatch, days: float
) -> None:
    quotas, ann, real = Quotas(2), Principal("ann", frozenset({"asker"})), time.time
    for _ in range(2):
        quotas.charge_question(ann)
    for _ in range(10):
        quotas.charge_sign_in("ann", "192.0.2.1")
    with pytest.raises(QuotaExceeded):
        quotas.charge_question(ann)
    monkeypatch.setattr(time, "time", lambda: real() + days * 86_400)
    quotas.charge_question(ann)
    quotas.charge_sign_in("ann", "192.0.2.1")
    quotas.charge_question(ann)
    with pytest.raises(QuotaExceeded):
        quotas.charge_question(ann)


def test_an_erasure_follows_a_conversation_whatever_its_times_say(
    database: Database, tmp_path: Path
) -> None:
    """A clock that went back between two turns must not keep the words of the first in the
    second."""
    settings = settings_for(database.url, tmp_path)
    first, second = (put(database, settings, "held")[1] for _ in range(2))
    with database.transaction() as session:
        turn = session.get_one(RecordRow, second)
        turn.searched = {**turn.searched, "previous_answer_id": first, "question": "the excess"}
        turn.conversation = first
        turn.created_at -= timedelta(days=5)
        append_audit(session, "for the test", {})
    Eraser(database, settings, build_corpus(settings, database)).answer(first, "olga")
    with database.reading() as session:
        assert "question" not in session.get_one(RecordRow, second).searched
