"""Pages of the review queue on both databases: filters, cursors, scope, and what they cost."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, update

from app.access.principals import Principal
from app.corpus.corpus import Corpus
from app.db import Database, now
from app.errors import AlreadyDecided, BadRequest, Invalid
from app.records import recording
from app.records.release import answer_view
from app.records.tables import AuditRow, RecordRow, SettlementRow
from app.review import listing
from app.review.decisions import Decision
from app.review.desk import ReviewDesk
from app.review.sources import changed_sources
from app.review.tables import ReviewTaskRow, TaskScopeRow
from app.review.tasks import open_task
from app.settings import Settings
from tests.clocks import every_clock_off
from tests.conftest import on_sqlite
from tests.trails import add_ready_document, only_passage, trail

RITA = Principal("rita", frozenset({"reviewer"}))


class Queue:
    """Opens tasks whose evidence comes from the collections that a test names."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database, self.settings = database, settings
        add_ready_document(Corpus(database))
        self.passage = only_passage(Corpus(database))

    def add(self, *collections: str, queue: str = "") -> str:
        made = trail(self.passage)
        evidence = [replace(self.passage, collection=name) for name in collections or ("main",)]
        verdict = replace(made.verdict, queue=queue)
        with self.database.transaction() as session:
            made = replace(made, evidence=evidence, verdict=verdict)
            return open_task(session, recording.write(session, made), self.settings)


@pytest.fixture
def queue(database: Database, settings: Settings) -> Queue:
    return Queue(database, settings)


def ids(desk: ReviewDesk, who: Principal = RITA, state: str = "open", **options: Any) -> list[str]:
    return [task.task_id for task in desk.tasks(who, state, **options).tasks]


def walk(desk: ReviewDesk, state: str, limit: int) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        page = desk.tasks(RITA, state, limit, cursor=cursor)
        assert len(page.tasks) <= limit
        found += [task.task_id for task in page.tasks]
        if (cursor := page.next_cursor) is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_pages_follow_each_other_without_a_gap_or_a_double(
    database: Database, desk: ReviewDesk, queue: Queue, limit: int
) -> None:
    added = [queue.add() for _ in range(7)]
    same = now()  # many that came in one moment
    with database.transaction() as session:
        few = ReviewTaskRow.id.in_(added[2:6])
        session.execute(update(ReviewTaskRow).where(few).values(created_at=same))
    assert sorted(walk(desk, "open", limit)) == sorted(added)
    assert walk(desk, "open", limit) == ids(desk)
    with database.transaction() as session:
        session.execute(update(ReviewTaskRow).values(state="decided", undecided=False))
    assert walk(desk, "decided", limit) == walk(desk, "all", limit)[::-1]


@on_sqlite
@pytest.mark.parametrize("cursor", ["", "x", "é", "bm90aGluZw==", "AAAA", "MjAyNi0wMS0wMSAA"])
def test_a_cursor_of_ones_own_is_refused(desk: ReviewDesk, cursor: str) -> None:
    with pytest.raises(BadRequest):
        desk.tasks(RITA, "open", cursor=cursor)


def test_an_unknown_state_is_refused(desk: ReviewDesk) -> None:
    with pytest.raises(Invalid):
        desk.tasks(RITA, "lost")


def test_a_task_is_for_those_who_may_read_all_collections_of_its_evidence(
    database: Database, desk: ReviewDesk, queue: Queue
) -> None:
    main, board, both = queue.add("main"), queue.add("board"), queue.add("board", "main", "main")

    def seen(*scope: str) -> list[str]:
        who = Principal("eve", frozenset({"reviewer"}), scope)
        page = desk.tasks(who, "open")
        assert page.open == len(page.tasks)
        return [task.task_id for task in page.tasks]

    assert seen("main") == [main]
    assert seen("board", "other") == [board]
    assert seen("main", "board") == [main, board, both]
    assert seen() == seen("other") == []
    assert ids(desk, collection="board") == [board, both]
    assert ids(desk, collection="nowhere") == []
    narrow = Principal("eve", frozenset({"reviewer"}), ("main",))
    assert ids(desk, narrow, collection="board") == []
    with database.reading() as session:  # the same set is written once
        assert len(session.scalars(select(TaskScopeRow)).all()) == 4


def test_the_count_ends_where_the_screens_say_and_more(
    desk: ReviewDesk, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_COUNTED", 2)
    for _ in range(2):
        queue.add("main")
    page = desk.tasks(RITA, "open")
    assert (page.open, page.open_more) == (2, False)
    queue.add("board")
    page = desk.tasks(RITA, "open")
    assert (page.open, page.open_more, len(page.tasks)) == (2, True, 3)
    page = desk.tasks(RITA, "open", collection="board")
    assert (page.open, page.open_more) == (1, False)
    assert desk.count_open() == 3  # what is measured of the whole service has no end
    monkeypatch.setattr(listing, "MOST_COUNTED_BY_WORDS", 1)
    found = desk.tasks(RITA, "open", text="a")
    assert (found.open, found.open_more, len(found.tasks)) == (1, True, 2)


def test_words_are_found_wherever_they_stand_in_the_queue(
    database: Database, desk: ReviewDesk, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_COUNTED_BY_WORDS", 2)
    monkeypatch.setattr(listing, "SAMPLE", 3)
    for _ in range(10):
        queue.add("main")
    *others, last = ids(desk)
    with database.transaction() as session:  # beyond the eight that are looked at first
        session.get_one(ReviewTaskRow, last).question = "Where is the trombone?"
    with statements(database) as said:
        page = desk.tasks(RITA, "open", 3, text="Excess")
    assert ([one.task_id for one in page.tasks], page.open, page.open_more) == (others[:3], 2, True)
    assert said.count("WITH") == 1, "many tasks have it: no other is looked at"
    page = desk.tasks(RITA, "open", 3, text="TROMBONE")
    assert ([one.task_id for one in page.tasks], page.open, page.open_more) == ([last], 1, False)
    assert desk.tasks(RITA, "open", 3, text="tuba").tasks == []


def test_a_page_is_one_look_at_the_tasks_with_all_that_is_shown_of_them(
    database: Database, desk: ReviewDesk, queue: Queue
) -> None:
    for _ in range(3):
        queue.add("main")
    with statements(database) as first:
        assert len(desk.tasks(RITA, "open").tasks) == 3
    # The page, certificates that are named, and whether the sources still stand.
    assert first.count("SELECT") + first.count("WITH") <= 3 + (not database.embedded)


def test_a_task_is_read_by_few_statements(
    database: Database, desk: ReviewDesk, queue: Queue
) -> None:
    task = queue.add("main")
    with statements(database) as said:
        desk.task(RITA, task)
    # Of approvals nothing is asked where one reviewer decides.
    assert said.count("SELECT") <= 11 + 2 * (not database.embedded)


def test_sources_are_looked_up_together(database: Database) -> None:
    cited = [{"passage_id": f"{number:032x}"} for number in range(3)]
    with database.reading() as session, statements(database) as said:
        assert changed_sources(session, {"citations": cited}, []) == []
    assert said == ["SELECT"]


def test_a_kept_statement_asks_with_the_time_and_the_reviewer_of_now(
    desk: ReviewDesk, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = queue.add("main")
    assert desk.tasks(RITA, "open").open == desk.tasks(RITA, "all").open == 1
    desk.snooze(RITA, task, now() + timedelta(hours=1))
    assert (desk.tasks(RITA, "open").open, desk.tasks(RITA, "snoozed").open) == (0, 1)
    narrow = Principal("rita", frozenset({"reviewer"}), ("board",))
    assert desk.tasks(narrow, "snoozed").tasks == []
    with every_clock_off(monkeypatch, seconds=3601):
        assert (desk.tasks(RITA, "open").open, desk.tasks(RITA, "snoozed").open) == (1, 0)


def test_filters_go_together_and_the_count_follows_them(desk: ReviewDesk, queue: Queue) -> None:
    wanted = queue.add("board", queue="urgent")
    queue.add("main", queue="urgent")
    queue.add("board")
    page = desk.tasks(RITA, "open", 1, "urgent", collection="board")
    assert ([task.task_id for task in page.tasks], page.open) == ([wanted], 1)
    assert desk.tasks(RITA, "open", 1).open == 3
    assert desk.tasks(RITA, "decided", queue="urgent").open == 3


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    said: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement.split()[0].upper())

    event.listen(database.engine, "before_cursor_execute", note)
    yield said
    event.remove(database.engine, "before_cursor_execute", note)


def test_a_page_costs_as_many_statements_with_many_decided_tasks_as_with_few(
    database: Database, desk: ReviewDesk, queue: Queue
) -> None:
    for _ in range(3):
        queue.add()
    with statements(database) as few:
        desk.tasks(RITA, "open")
    with database.transaction() as session:
        session.execute(update(ReviewTaskRow).values(state="decided", undecided=False))
    for _ in range(12):
        queue.add()
    with statements(database) as many:
        desk.tasks(RITA, "open", 3)
    assert many == few and len(few) <= 7
    assert set(few) <= {"SELECT", "WITH", "BEGIN"}  # looking changes nothing


def test_an_overdue_task_has_expired_for_everybody_before_it_is_closed(
    database: Database, desk: ReviewDesk, queue: Queue
) -> None:
    task_id = queue.add()
    claimed = desk.claim(RITA, task_id)
    with database.transaction() as session:
        session.execute(update(ReviewTaskRow).values(expires_at=now() - timedelta(seconds=1)))
    assert ids(desk) == ids(desk, state="claimed") == []
    assert (desk.tasks(RITA, "open").open, desk.count_open()) == (0, 0)
    assert [task.state for task in desk.tasks(RITA, "all").tasks] == ["expired"]
    assert desk.task(RITA, task_id).state == "expired"
    with database.reading() as session:
        assert session.get_one(ReviewTaskRow, task_id).state == "claimed"  # nobody has closed it
    with pytest.raises(AlreadyDecided):
        desk.decide(RITA, task_id, Decision("approve", claimed.content_sha256, claimed.fence))
    assert ids(desk, state="expired") == [task_id]
    with pytest.raises(AlreadyDecided):
        desk.claim(RITA, task_id)


def test_an_expired_task_settles_its_answer_in_the_same_transaction(
    database: Database, desk: ReviewDesk, queue: Queue
) -> None:
    task_id = queue.add()
    answer_id = desk.task(RITA, task_id).answer_id
    assert desk.expire_overdue() == 0
    with database.transaction() as session:
        session.execute(update(ReviewTaskRow).values(expires_at=now() - timedelta(seconds=1)))
    assert (desk.expire_overdue(), desk.expire_overdue()) == (1, 0)
    with database.reading() as session:
        settled = session.get_one(SettlementRow, answer_id)
        link = session.get_one(AuditRow, settled.number)
        shown = answer_view(session, session.get_one(RecordRow, answer_id), [])
    assert (settled.state, link.kind, link.event["answer_id"]) == ("expired", "expired", answer_id)
    assert (shown.status, shown.answer) == ("rejected", None)


def test_each_settlement_points_at_the_newest_audit_link_of_its_answer(
    database: Database, desk: ReviewDesk, queue: Queue
) -> None:
    wanted = {"approve": "released", "edit": "released", "reject": "refused"}
    for kind, state in wanted.items():
        seen = desk.claim(RITA, queue.add())
        said: Any = kind
        decision = Decision(said, seen.content_sha256, seen.fence, "no", "It is £350 [1].")
        desk.decide(RITA, seen.task_id, decision)
        with database.reading() as session:
            settled = session.get_one(SettlementRow, seen.answer_id)
            link = session.get_one(AuditRow, settled.number)
        assert (settled.state, link.kind) == (state, state)
