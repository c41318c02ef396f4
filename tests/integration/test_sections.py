"""What an asker may read while an answer waits, on both databases."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from app.access.principals import Principal
from app.answering.sections import Sections, sections_of
from app.corpus.corpus import Corpus
from app.corpus.tables import PassageRow
from app.db import Database
from app.errors import NotFound
from app.records import recording
from app.records.erasing import erase_answer
from app.records.tables import RecordRow
from app.review.decisions import Decision
from app.review.desk import ReviewDesk
from app.review.tasks import open_task
from guardrails.contract import Finding, Outcome
from tests.trails import EMBEDDER, add_ready_document, settings_for, trail

ANN = Principal("ann", frozenset({"asker"}))
RITA = Principal("rita", frozenset({"reviewer"}))
TEXTS = {
    "water": "The excess for water damage is £350. Claims must be made within 30 days.",
    "fire": "The excess for fire is £500. Call the fire brigade first.",
    "theft": "Theft is reported to the police. The excess is £200.",
    "glass": "Broken glass is replaced. There is no excess.",
}


class House:
    """Four documents that were found for a question, in the order of ``TEXTS``."""

    def __init__(self, database: Database, url: str, folder: Path) -> None:
        self.database, self.settings = database, settings_for(url, folder)
        self.corpus = Corpus(database)
        self.ids = {n: add_ready_document(self.corpus, f"{n}.txt", t) for n, t in TEXTS.items()}
        found = self.corpus.passages.indexable(EMBEDDER)
        passages = self.corpus.passages.find([one.id for one in found]).values()
        self.passages = [
            next(one for one in passages if one.document_id == document)
            for document in self.ids.values()
        ]

    def record(self, outcome: str = "held", **values: Any) -> str:
        made = trail(self.passages[0], outcome)
        made = replace(made, **{"evidence": self.passages, **values})
        with self.database.transaction() as session:
            record = recording.write(session, made)
            if outcome == "held":
                open_task(session, record, self.settings)
        return made.answer_id

    def told(self, answer_id: str, asker: Principal = ANN, *, shown: bool = True) -> list[str]:
        sections = Sections(self.database, shown=shown).of(asker, answer_id).sections
        names = {document: name for name, document in self.ids.items()}
        return [names[one.document_id] for one in sections]


@pytest.fixture
def house(database: Database, database_url: str, tmp_path: Path) -> House:
    return House(database, database_url, tmp_path)


def test_the_closest_three_are_told_while_an_answer_waits_and_where_there_is_none(
    house: House,
) -> None:
    assert house.told(house.record()) == ["water", "fire", "theft"]
    assert house.told(house.record("abstained")) == ["water", "fire", "theft"]
    assert house.told(house.record("released")) == []
    assert house.told(house.record("blocked")) == []
    assert house.told(house.record(), shown=False) == []


def test_passages_of_one_section_are_one_section(house: House) -> None:
    water, fire, *_ = house.passages
    answer_id = house.record(evidence=[fire, fire, water])
    assert house.told(answer_id) == ["fire", "water"]
    pages = [replace(water, page=1), replace(water, page=2), replace(water, page=1)]
    assert [one.page for one in sections_of(pages)] == [1, 2]
    headed = [replace(one, headings=("Fire",)) for one in pages]
    assert [one.page for one in sections_of(headed)] == [1]


def test_they_are_the_askers_own(house: House) -> None:
    answer_id = house.record()
    with pytest.raises(NotFound):
        house.told(answer_id, Principal("ben", frozenset({"asker", "admin"})))
    with pytest.raises(NotFound):
        house.told("none")
    assert house.told(answer_id, replace(ANN, scope=("other",))) == []


def test_once_it_is_decided_nothing_is_told(house: House) -> None:
    answer_id = house.record()
    desk = ReviewDesk(house.database, house.settings)
    (task,) = desk.tasks(RITA, "open").tasks
    seen = desk.task(RITA, task.task_id)
    desk.decide(RITA, task.task_id, Decision("reject", seen.content_sha256, None, reason="no"))
    assert house.told(answer_id) == []


def test_what_was_removed_changed_or_gives_orders_is_not_told(house: House) -> None:
    answer_id = house.record()
    house.corpus.documents.delete(house.ids["water"])
    add_ready_document(house.corpus, "fire.txt", "The excess for fire is £600.")
    orders = update(PassageRow).where(PassageRow.document_id == house.ids["theft"])
    with house.database.transaction() as session:
        session.execute(orders.values(suspect="gives orders"))
    assert house.told(answer_id) == ["glass"]


@pytest.mark.parametrize(
    ("check", "outcome", "label"),
    [
        ("injection_question", Outcome.FAIL, ""),
        ("injection_question", Outcome.COULD_NOT_RUN, ""),
        ("screens", Outcome.FAIL, "injection_likely"),
        ("screens", Outcome.COULD_NOT_RUN, "medical_advice"),
    ],
)
def test_who_may_attack_is_led_nowhere(
    house: House, check: str, outcome: Outcome, label: str
) -> None:
    assert house.told(house.record(findings=[Finding(check, outcome, "an attack", label)])) == []


def test_who_asks_for_a_decision_or_for_advice_may_read_what_is_written(house: House) -> None:
    found = [Finding("screens", Outcome.FAIL, "a decision", "claim_decision")]
    assert house.told(house.record(findings=found)) == ["water", "fire", "theft"]


def test_an_urgent_question_is_for_a_person_and_not_for_reading(house: House) -> None:
    verdict = replace(trail(house.passages[0]).verdict, urgency="urgent")
    assert house.told(house.record(verdict=verdict)) == []
    assert house.told(house.record(verdict=replace(verdict, urgency="high"))) != []


def test_of_an_erased_question_nothing_is_left(house: House) -> None:
    answer_id = house.record("abstained")
    with house.database.transaction() as session:
        erase_answer(session, session.get_one(RecordRow, answer_id), {"question_kept": False})
    assert house.told(answer_id) == []
