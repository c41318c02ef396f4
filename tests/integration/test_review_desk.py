"""Urgent tasks first, filters, and what reviewers do besides deciding, on both databases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from app.access.principals import Principal
from app.access.service import Access
from app.corpus.corpus import Corpus
from app.db import Database, iso, now
from app.errors import AlreadyDecided, BadRequest, Invalid, NotFound
from app.proof.erasure import Eraser
from app.records import recording
from app.records.tables import AuditRow
from app.review.desk import ReviewDesk
from app.review.tables import ReviewTaskRow, TaskNoteRow
from app.review.tasks import open_task
from app.settings import Settings
from guardrails.contract import Action
from tests.trails import add_ready_document, only_passage, trail

RITA = Principal("rita", frozenset({"reviewer"}))
RAJ = Principal("raj", frozenset({"reviewer"}))
HOURS = "What are your opening hours?"
PAINS = "I have chest pains"


class Inbox:
    """Opens tasks with the question, risk and verdict that a test names."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database, self.settings = database, settings
        add_ready_document(Corpus(database))
        self.passage = only_passage(Corpus(database))

    def add(
        self,
        question: str,
        risk: float | None = None,
        asker: str = "ann",
        age_h: float = 0.0,
        **verdict: Any,
    ) -> str:
        made = trail(self.passage, asker=asker)
        gate = None if risk is None else {"risk": risk, "asked": False}
        said = replace(made.verdict, **verdict)
        made = replace(made, question=question, verdict=said, gate=gate)
        with self.database.transaction() as session:
            task_id = open_task(session, recording.write(session, made), self.settings)
            row = session.get_one(ReviewTaskRow, task_id)
            row.created_at -= timedelta(hours=age_h)
            row.expires_at -= timedelta(hours=age_h)
            row.priority -= int(age_h * 3_600_000)
        return task_id


@pytest.fixture
def inbox(database: Database, settings: Settings) -> Inbox:
    return Inbox(database, settings)


def questions(desk: ReviewDesk, state: str = "open", **options: Any) -> list[str]:
    return [task.question for task in desk.tasks(RITA, state, **options).tasks]


def test_chest_pains_come_before_opening_hours_however_old_those_are(
    desk: ReviewDesk, inbox: Inbox
) -> None:
    for number in range(30):
        inbox.add(f"{HOURS} {number}", age_h=60 - number)
    inbox.add("Please complain for me", urgency="high")
    inbox.add(PAINS, urgency="urgent", queue="urgent", deadline_hours=12)
    listed = desk.tasks(RITA, "open").tasks
    assert [task.question for task in listed[:2]] == [PAINS, "Please complain for me"]
    assert [task.urgency for task in listed[:3]] == ["urgent", "high", "normal"]
    assert listed[2].question == f"{HOURS} 0"


def test_of_one_urgency_deadline_risk_and_age_decide(desk: ReviewDesk, inbox: Inbox) -> None:
    inbox.add("new and safe", risk=0.0)
    inbox.add("new and risky", risk=1.0)
    inbox.add("soon", risk=0.0, deadline_hours=24)
    inbox.add("old and safe", risk=0.0, age_h=2 * 24)
    assert questions(desk) == ["soon", "old and safe", "new and risky", "new and safe"]


def test_pages_by_priority_have_no_gap_and_no_double(
    database: Database, desk: ReviewDesk, inbox: Inbox
) -> None:
    for number in range(9):
        inbox.add(str(number), risk=number / 9, urgency="high" if number % 3 == 0 else "")
    with database.transaction() as session:
        session.execute(update(ReviewTaskRow).where(ReviewTaskRow.risk > 0.5).values(priority=7))
    walked: list[str] = []
    cursor = None
    while True:
        page = desk.tasks(RITA, "open", 2, cursor=cursor)
        walked += [task.question for task in page.tasks]
        if (cursor := page.next_cursor) is None:
            break
    assert walked == questions(desk) and sorted(walked) == [str(n) for n in range(9)]
    other = desk.tasks(RITA, "all", 1).next_cursor
    with pytest.raises(BadRequest):
        desk.tasks(RITA, "open", cursor=other)  # a place in another order is none


def test_filters_and_search_narrow_the_list_and_the_count(desk: ReviewDesk, inbox: Inbox) -> None:
    inbox.add("What is the EXCESS for 100% of water_damage?", risk=0.8, asker="bob", queue="claims")
    inbox.add("What is the excess for fire?", risk=0.2)
    inbox.add("Where are you?", risk=0.3)
    wanted = questions(desk)[0]

    def found(**options: Any) -> int:
        page = desk.tasks(RITA, "open", **options)
        assert page.open == len(page.tasks)
        return page.open

    assert (found(asker="bob"), found(queue="claims"), found(min_risk=0.5)) == (1, 1, 1)
    assert (found(text="Excess"), found(text="100%"), found(text="water_"), found(text="a_e")) == (
        2,
        1,
        1,
        0,
    )
    assert (found(cause="topics"), found(cause="numbers")) == (3, 0)
    assert questions(desk, text="excess", min_risk=0.5, asker="bob") == [wanted]


def test_what_the_gate_held_and_audits_are_not_told_apart_by_risk(
    desk: ReviewDesk, inbox: Inbox
) -> None:
    inbox.add("held by the gate", risk=0.9, action=Action.RELEASE)
    (task,) = desk.tasks(RITA, "open").tasks
    assert (task.risk, task.cause) == (None, "gate")
    assert desk.tasks(RITA, "open", min_risk=1.0).tasks == [task], "what is unknown may be high"


def test_counts_by_queue_and_cause(desk: ReviewDesk, inbox: Inbox) -> None:
    inbox.add("a", queue="urgent", urgency="urgent")
    inbox.add("b", queue="urgent")
    put_off = inbox.add("c")
    desk.snooze(RITA, put_off, now() + timedelta(hours=1))
    counted = desk.counts(RITA)
    assert [(one.queue, one.open, one.urgent) for one in counted.queues] == [("urgent", 2, 1)]
    assert (counted.causes, counted.mine, counted.snoozed) == ({"topics": 2}, 0, 1)


def test_a_snoozed_task_is_away_until_its_time(
    database: Database, desk: ReviewDesk, inbox: Inbox
) -> None:
    task_id = inbox.add("later")
    seen = desk.snooze(RITA, task_id, datetime.now(UTC) + timedelta(hours=2))
    assert questions(desk) == [] and questions(desk, "snoozed") == ["later"]
    assert seen.snoozed_until == seen.notes[-1].about != ""
    with database.transaction() as session:
        past = now() - timedelta(seconds=1)
        session.execute(update(ReviewTaskRow).values(snoozed_until=past))
    assert questions(desk) == ["later"] and questions(desk, "snoozed") == []
    desk.snooze(RITA, task_id, now() + timedelta(hours=2))
    desk.snooze(RAJ, task_id, None)
    assert questions(desk) == ["later"]
    for until in (now() - timedelta(hours=1), now() + timedelta(days=400)):
        with pytest.raises(Invalid):
            desk.snooze(RITA, task_id, until)
    urgent = inbox.add(PAINS, urgency="urgent")
    with pytest.raises(Invalid):
        desk.snooze(RITA, urgent, now() + timedelta(hours=1))


def test_escalating_puts_a_task_first_with_its_reason(desk: ReviewDesk, inbox: Inbox) -> None:
    inbox.add("urgent", urgency="urgent", age_h=0)
    task_id = inbox.add("odd", age_h=24)
    with pytest.raises(Invalid):
        desk.escalate(RITA, task_id, "  ")
    desk.snooze(RITA, task_id, now() + timedelta(hours=1))
    seen = desk.escalate(RITA, task_id, "A lawyer must look at this.")
    assert questions(desk) == ["odd", "urgent"]
    assert (seen.urgency, seen.notes[-1].text) == ("urgent", "A lawyer must look at this.")


def test_a_task_is_assigned_to_who_may_see_it(
    database: Database, settings: Settings, desk: ReviewDesk, inbox: Inbox
) -> None:
    accounts = Access(database, settings).accounts
    accounts.create("raj", ["reviewer"])
    accounts.create("eve", ["reviewer"], scope=["other"])
    accounts.create("ann", ["asker"])
    task_id = inbox.add("whose?")
    assert desk.reviewers(RITA, task_id).names == ["raj"]
    desk.claim(RITA, task_id)
    assert desk.assign(RITA, task_id, "raj").lease_until is not None
    assert desk.claim(RAJ, task_id).claimed_by == "raj"  # it need not be taken over
    desk.assign(RAJ, task_id, None)
    for name in ("eve", "ann", "nobody"):
        with pytest.raises(Invalid):
            desk.assign(RITA, task_id, name)
    assert desk.assign(RITA, task_id, "raj").assigned_to == "raj"
    assert questions(desk, assigned_to="raj") == ["whose?"]
    assert questions(desk, assigned_to="") == []
    assert desk.counts(RAJ).mine == 1
    assert desk.assign(RAJ, task_id, None).assigned_to is None
    assert questions(desk, assigned_to="") == ["whose?"]


def test_comments_stay_with_the_task_in_order_and_in_the_chain_without_words(
    database: Database, desk: ReviewDesk, inbox: Inbox
) -> None:
    task_id = inbox.add("hm?")
    desk.comment(RITA, task_id, " Ask the claims team. ")
    seen = desk.comment(RAJ, task_id, "They say yes.")
    said = [(note.written_by, note.text) for note in seen.notes]
    assert said == [("rita", "Ask the claims team."), ("raj", "They say yes.")]
    with database.reading() as session:
        links = session.scalars(select(AuditRow).where(AuditRow.kind == "task_note")).all()
    assert [link.event["by"] for link in links] == ["rita", "raj"]
    assert "claims team" not in str([link.event for link in links])
    with pytest.raises(Invalid):
        desk.comment(RITA, task_id, " ")
    with pytest.raises(NotFound):
        desk.comment(Principal("eve", frozenset({"reviewer"}), ("other",)), task_id, "x")


def test_a_decided_task_takes_no_comment_and_an_erased_one_has_lost_its_words(
    database: Database, settings: Settings, desk: ReviewDesk, inbox: Inbox
) -> None:
    task_id = inbox.add("secret words?")
    desk.comment(RITA, task_id, "secret words")
    with database.transaction() as session:
        values = {"state": "decided", "undecided": False}
        session.execute(update(ReviewTaskRow).values(**values))
    with pytest.raises(AlreadyDecided):
        desk.comment(RITA, task_id, "late")
    answer_id = desk.task(RITA, task_id).answer_id
    Eraser(database, settings, Corpus(database)).answer(answer_id, "olga")
    with database.reading() as session:
        task, note = session.get_one(ReviewTaskRow, task_id), session.scalars(select(TaskNoteRow))
        assert (task.question, task.asker, [one.text for one in note]) == ("", "", [""])
    assert iso(task.created_at)
