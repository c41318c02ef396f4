"""Decisions undone, answers withdrawn, and answers whose sources changed, on both databases."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.access.principals import Principal
from app.corpus.corpus import Corpus
from app.db import Database, now
from app.errors import ApprovalVoid, Conflict, Forbidden, Invalid, NotFound, UndoTooLate
from app.gate.tables import LabelRow
from app.proof.export import proof_of
from app.proof.verify import verify_audit
from app.records import recording
from app.records.release import answer_view, cited_passages
from app.records.tables import AuditRow, CitationRow, RecordRow, SettlementRow
from app.records.views import AnswerView
from app.review.decisions import Decision
from app.review.desk import ReviewDesk
from app.review.released import ReleasedAnswers
from app.review.tables import DecisionRow, PendingDecisionRow, SupersededDecisionRow
from app.review.tasks import open_task
from tests.trails import add_ready_document, only_passage, settings_for, trail

RITA = Principal("rita", frozenset({"reviewer"}))
RAJ = Principal("raj", frozenset({"reviewer"}))
NARROW = Principal("nell", frozenset({"reviewer"}), ("other",))
NEW = "The excess for water damage is £400. Claims must be made within 30 days."
GATE = {
    "asked": True,
    "collection": "main",
    "risk_class": "standard",
    "risk": 0.4,
    "certificate": "",
    "lineage_sha256": "0" * 64,
    "audit_share": 0.5,
    **{"mode": "off", "certified": False, "provisional": False, "alpha": None, "delta": None},
}


class House:
    """A desk with ten seconds to undo, over one document."""

    def __init__(self, database: Database, url: str, folder: Path) -> None:
        self.database = database
        self.settings = settings_for(url, folder, undo_seconds=100.0)
        self.desk = ReviewDesk(database, self.settings)
        self.released = ReleasedAnswers(database, self.settings)
        self.corpus = Corpus(database)
        self.document = add_ready_document(self.corpus)

    def open(self, kind: str = "held", **verdict: Any) -> tuple[str, str]:
        made = trail(only_passage(self.corpus), "held" if kind == "held" else "released")
        made = replace(made, gate=GATE, verdict=replace(made.verdict, **verdict))
        with self.database.transaction() as session:
            record = recording.write(session, made)
            return open_task(session, record, self.settings, kind), made.answer_id

    def out(self) -> str:
        """An answer that the policy released."""
        made = trail(only_passage(self.corpus), "released")
        with self.database.transaction() as session:
            recording.write(session, made)
        return made.answer_id

    def decide(
        self, task_id: str, kind: Any = "approve", who: Principal = RITA, **more: Any
    ) -> Any:
        seen = self.desk.task(who, task_id)
        return self.desk.decide(who, task_id, Decision(kind, seen.content_sha256, None, **more))

    def view(self, answer_id: str) -> AnswerView:
        with self.database.reading() as session:
            record = session.get_one(RecordRow, answer_id)
            return answer_view(session, record, cited_passages(record))

    def count(self, table: Any) -> int:
        with self.database.reading() as session:
            return session.scalar(select(func.count()).select_from(table)) or 0

    def links(self) -> list[str]:
        with self.database.reading() as session:
            return list(session.scalars(select(AuditRow.kind).order_by(AuditRow.number)))

    def later(self, seconds: float = 101) -> None:
        with self.database.transaction() as session:
            before = PendingDecisionRow.due_at > now()
            due = now() - timedelta(seconds=1)
            session.execute(update(PendingDecisionRow).where(before).values(due_at=due))
        assert seconds > self.settings.undo_seconds

    def change(self) -> None:
        add_ready_document(self.corpus, text=NEW)

    def changed(self, who: Principal = RITA) -> list[str]:
        return [one.answer_id for one in self.released.changed(who).answers]

    def check_chain(self) -> None:
        report = verify_audit(self.database)
        assert report.sound, report.problems


@pytest.fixture
def house(database: Database, database_url: str, tmp_path: Path) -> House:
    return House(database, database_url, tmp_path)


# Undo


@pytest.mark.parametrize("kind", ["approve", "edit", "reject"])
def test_a_decision_can_be_undone_and_made_again(house: House, kind: str) -> None:
    task_id, answer_id = house.open()
    seen = house.decide(task_id, kind, reason="no", text="It is £350 [1].")
    assert seen.undo_until is not None
    assert house.view(answer_id).status == ("rejected" if kind == "reject" else "released")
    undone = house.desk.undo(RITA, task_id)
    assert (undone.state, undone.claimed_by, undone.decision) == ("claimed", "rita", None)
    held = house.view(answer_id)
    assert (held.status, held.answer, held.released_at) == ("held", None, None)
    house.decide(task_id)
    assert house.view(answer_id).answer is not None
    assert (house.count(DecisionRow), house.count(SupersededDecisionRow)) == (1, 1)
    house.check_chain()
    assert len(proof_of(house.database, answer_id)["superseded_decisions"]) == 1


def test_only_who_decided_undoes_and_only_in_time_and_once(house: House) -> None:
    task_id, answer_id = house.open()
    with pytest.raises(UndoTooLate):
        house.desk.undo(RITA, task_id)
    house.decide(task_id)
    with pytest.raises(UndoTooLate):
        house.desk.undo(RAJ, task_id)
    house.later()
    with pytest.raises(UndoTooLate):
        house.desk.undo(RITA, task_id)
    assert house.view(answer_id).status == "released"
    again, _ = house.open()
    house.decide(again)
    house.desk.undo(RITA, again)
    with pytest.raises(UndoTooLate):
        house.desk.undo(RITA, again)


def test_nothing_is_measured_of_a_decision_before_it_stands(house: House) -> None:
    task_id, _ = house.open()
    house.decide(task_id, "reject", reason="wrong")
    assert (house.desk.measure_decisions(), house.count(LabelRow)) == (0, 0)
    house.desk.undo(RITA, task_id)
    house.decide(task_id)
    house.later()
    assert (house.desk.expire_overdue(), house.desk.measure_decisions()) == (0, 0)
    with house.database.reading() as session:
        (label,) = session.scalars(select(LabelRow))
        assert (label.wrong, session.scalars(select(PendingDecisionRow)).all()) == (False, [])


def test_an_audit_undone_shows_the_release_as_it_was(house: House) -> None:
    acts: dict[str, Callable[[str], Any]] = {
        "withdrawn": lambda t: house.decide(t, "reject", reason="wrong"),
        "released": lambda t: house.decide(t, "edit", text="It is £350, says the handbook [1]."),
    }
    for status, act in acts.items():
        task_id, answer_id = house.open("audit")
        before = house.view(answer_id)
        act(task_id)
        assert house.view(answer_id).status == status != "held"
        assert house.view(answer_id) != before
        house.desk.undo(RITA, task_id)
        assert house.view(answer_id).answer == before.answer
        assert house.view(answer_id).released_by == "policy"
    house.check_chain()


def test_the_second_of_two_approvals_undone_leaves_the_first(house: House) -> None:
    task_id, answer_id = house.open(four_eyes=True)
    assert house.decide(task_id, who=RAJ).undo_until is None
    house.decide(task_id)
    seen = house.desk.undo(RITA, task_id)
    assert seen.approved_by == ["raj"]
    house.decide(task_id)
    assert house.view(answer_id).status == "released"


# Withdrawal


def test_a_withdrawn_answer_tells_its_asker_and_its_record_why(house: House) -> None:
    answer_id = house.out()
    house.released.withdraw(RITA, answer_id, "The price list was old.", "Please call 0800 1.")
    seen = house.view(answer_id)
    assert (seen.status, seen.answer) == ("withdrawn", None)
    assert "withdrawn" in seen.message and seen.message.endswith("Please call 0800 1.")
    assert "price list" not in seen.message
    with house.database.reading() as session:
        settled = session.get_one(SettlementRow, answer_id)
        link = session.get_one(AuditRow, settled.number)
    assert (settled.state, link.kind, link.event["by"]) == ("withdrawn", "withdrawn", "rita")
    assert link.event["reason"] == "The price list was old."
    house.check_chain()
    with pytest.raises(Conflict):
        house.released.withdraw(RITA, answer_id, "twice")


def test_who_may_withdraw_and_what(house: House) -> None:
    answer_id = house.out()
    _, held = house.open()
    with pytest.raises(NotFound):
        house.released.withdraw(NARROW, answer_id, "x")
    with pytest.raises(Forbidden):
        house.released.withdraw(Principal("ann", frozenset({"asker"})), answer_id, "x")
    with pytest.raises(Invalid):
        house.released.withdraw(RITA, answer_id, " ")
    with pytest.raises(Conflict):
        house.released.withdraw(RITA, held, "x")
    assert house.view(answer_id).status == "released"


def test_an_audit_of_an_answer_that_was_withdrawn_does_not_bring_it_back(house: House) -> None:
    task_id, answer_id = house.open("audit")
    house.released.withdraw(RAJ, answer_id, "wrong")
    house.decide(task_id, "edit", text="It is £350, as it says [1].")
    assert house.view(answer_id).status == "withdrawn"


# Sources that changed


def test_answers_over_a_document_that_changed_are_listed_until_somebody_acts(house: House) -> None:
    kept, pulled, standing = house.out(), house.out(), house.out()
    assert house.changed() == []
    house.change()
    fresh = house.out()
    assert sorted(house.changed()) == sorted([kept, pulled, standing])
    assert house.changed(NARROW) == []
    (one, *_) = house.released.changed(RITA, 1).answers
    assert [(doc.document_id, doc.removed) for doc in one.documents] == [(house.document, False)]
    house.released.keep(RITA, kept, "The change is about something else.")
    house.released.withdraw(RITA, pulled, "The excess is higher now.")
    assert house.changed() == [standing] and fresh not in house.changed()
    house.corpus.documents.delete(house.document)
    assert sorted(house.changed()) == sorted([standing, fresh])
    house.check_chain()


def test_the_list_of_changed_answers_has_pages(house: House) -> None:
    answers = [house.out() for _ in range(5)]
    house.change()
    found: list[str] = []
    cursor = None
    while True:
        page = house.released.changed(RITA, 2, cursor)
        found += [one.answer_id for one in page.answers]
        if (cursor := page.next_cursor) is None:
            break
    assert found == answers


@pytest.mark.parametrize("released_by", ["policy", "reviewer"])
def test_an_answer_reviewed_again_is_corrected_or_withdrawn(house: House, released_by: str) -> None:
    if released_by == "policy":
        answer_id = house.out()
    else:
        task, answer_id = house.open()
        house.decide(task, "edit", text="The excess is £350, we think [1].")
        with pytest.raises(Conflict):
            house.released.review_again(RITA, answer_id)  # it may be undone yet
        house.later()
        house.desk.measure_decisions()
    house.change()
    labels = house.count(LabelRow)
    task_id = house.released.review_again(RITA, answer_id)
    assert house.released.review_again(RAJ, answer_id) == task_id
    seen = house.desk.task(RITA, task_id)
    assert (seen.stale, seen.urgency, seen.decision) == (True, "high", None)
    assert seen.draft.text == (house.view(answer_id).answer or seen.draft).text
    with pytest.raises(ApprovalVoid):
        house.decide(task_id)
    new = trail(only_passage(house.corpus))
    house.desk.redraft(RITA, task_id, new, seen.content_sha256)
    assert house.view(answer_id).status == "released"
    house.decide(task_id)
    corrected = house.view(answer_id)
    assert corrected.answer is not None and "£400" in corrected.answer.text
    assert house.changed() == []
    house.later()
    house.desk.measure_decisions()
    assert house.count(LabelRow) == labels
    house.check_chain()


def test_a_rejection_of_an_answer_reviewed_again_withdraws_it(house: House) -> None:
    answer_id = house.out()
    house.change()
    house.decide(house.released.review_again(RITA, answer_id), "reject", reason="It is £400 now.")
    assert house.view(answer_id).status == "withdrawn"
    assert house.changed() == []


def test_citations_follow_what_is_released(house: House) -> None:
    task_id, _ = house.open()
    assert house.count(CitationRow) == 0
    house.decide(task_id, "edit", text="Please call us.")
    assert house.count(CitationRow) == 0
    house.desk.undo(RITA, task_id)
    house.decide(task_id)
    assert house.count(CitationRow) == 1
