"""A draft that is kept is used again only where nothing has changed, and is judged like any."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.access.principals import Principal
from app.answering.kept_answers import KeptAnswers
from app.answering.stages import Ask
from app.corpus.tables import PassageRow
from app.db import Database
from app.gate.modes import switch_mode
from app.telemetry import Telemetry
from guardrails.contract import Case, Finding, Outcome
from tests.fakes import ScriptedCheck
from tests.integration.test_answering import ANN, BEN, COVERAGE, EXCESS, OLGA, SALARY, Desk
from tests.trails import WireAnswerer


class Keeping:
    """A desk whose answerer keeps drafts, and what was searched for."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.telemetry, self.checks = desk, Telemetry(), list[ScriptedCheck]()
        self.open()

    def open(self, most: int = 10, **models: str) -> None:
        """A new answerer over the same drafts, or with other models over none of theirs."""
        if not hasattr(self, "kept") or models or most != 10:
            self.kept = KeptAnswers(self.desk.database, models, self.telemetry, most)
        self.answerer = self.desk.answerer(*self.checks)
        self.answerer.answerer._kept = self.kept

    def ask(self, question: str, principal: Principal = ANN, **values: Any) -> dict[str, Any]:
        return self.answerer.answer(principal, Ask(question, **values))

    def used(self) -> int:
        found = self.telemetry.registry.get_sample_value(
            "countersign_kept_answers_total", {"outcome": "used"}
        )
        return int(found or 0)


@pytest.fixture
def house(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Keeping]:
    path = tmp_path / "countersign.db"
    path.write_bytes(migrated_sqlite.read_bytes())
    database = Database(f"sqlite:///{path}")
    desk = Desk(database, tmp_path)
    desk.stock()
    yield Keeping(desk)
    database.close()


def test_the_same_question_is_searched_once_and_each_answer_has_its_own_record(
    house: Keeping,
) -> None:
    first = house.ask(EXCESS)
    for key, kept in house.kept._answers.items():  # it took a minute, however busy the machine is
        house.kept._answers[key] = replace(kept, seconds=60.0)
    second = house.ask(EXCESS)
    assert house.desk.searches == [EXCESS]
    assert second["answer_id"] != first["answer_id"]
    for told in ("status", "answer", "searched"):
        assert second[told] == first[told]
    records = [house.desk.record(seen["answer_id"]) for seen in (first, second)]
    assert records[1].lineage == {**records[0].lineage, "kept_from": first["answer_id"]}
    assert records[1].evidence == records[0].evidence
    assert house.desk.kept()[:2] == [2, 2]
    assert house.used() == 1
    saved = house.telemetry.registry.get_sample_value(
        "countersign_kept_answers_saved_seconds_total"
    )
    assert saved is not None and saved > 0
    written = house.answerer.answerer._telemetry.registry.get_sample_value(
        "countersign_generator_tokens_total", {"direction": "written"}
    )
    assert written == len(first["answer"]["text"]) / 4  # once, though it was told twice


def test_what_is_held_is_held_again_and_a_check_that_fails_now_holds(house: Keeping) -> None:
    assert [house.ask(COVERAGE)["status"] for _ in range(2)] == ["held", "held"]
    assert house.ask(EXCESS)["status"] == "released"

    def fail(_case: Case) -> list[Finding]:
        return [Finding("numbers", Outcome.FAIL, "Wrong.")]

    house.checks.append(ScriptedCheck(fail))
    house.open()
    seen = house.ask(EXCESS)
    assert (seen["status"], seen["answer"], house.used()) == ("held", None, 2)


def test_a_question_is_found_by_all_that_its_draft_came_from(house: Keeping) -> None:
    house.ask(EXCESS)
    searches = house.desk.searches
    house.ask(f"{EXCESS} Please.")
    house.ask(EXCESS, collections=["main"])
    house.ask(EXCESS, previous_answer_id=house.ask(EXCESS)["answer_id"])
    assert len(searches) == 4
    switch_mode(house.desk.database, "retrieval_only", "test", OLGA.name, "main")
    assert house.ask(EXCESS, collections=["main"])["answer"] is None
    assert len(searches) == 5
    house.open(other="model")
    house.ask(EXCESS)
    assert len(searches) == 6


def test_a_draft_of_one_scope_never_serves_another(house: Keeping) -> None:
    assert "£90,000" in str(house.ask(SALARY, ANN)["answer"])
    for _ in range(2):
        seen = house.ask(SALARY, BEN)
        assert "£90,000" not in str(seen)
        assert "director" not in str(house.desk.record(seen["answer_id"]).evidence)
    # Those of one scope share theirs.
    cat = Principal("cat", frozenset({"asker"}), scope=("main", "board"))
    assert "£90,000" in str(house.ask(SALARY, cat)["answer"])
    assert house.used() == 2


def test_drifted_documents_never_serve_a_stale_answer(house: Keeping) -> None:
    desk = house.desk
    wrong = 0
    for amount in range(351, 361):
        house.ask(EXCESS)
        desk.shelf.store("handbook.txt", f"The excess for water damage is £{amount}.")
        desk.shelf.index()
        answers = [house.ask(EXCESS)["answer"]["text"] for _ in range(2)]
        wrong += sum(f"£{amount}" not in answer for answer in answers)
    assert (wrong, house.used()) == (0, 19)  # each second one was kept; each first one was new
    desk.corpus.documents.delete(desk.shelf.ids["handbook.txt"])
    assert house.ask(EXCESS)["status"] == "abstained"


def test_a_passage_that_changed_beneath_its_index_is_seen(house: Keeping) -> None:
    house.ask(EXCESS)
    with house.desk.database.transaction() as session:
        for row in session.query(PassageRow):
            row.suspect = "it gives orders"
    house.ask(EXCESS)
    counter = "countersign_kept_answers_total"
    registry = house.telemetry.registry
    assert registry.get_sample_value(counter, {"outcome": "changed"}) == 1
    assert len(house.desk.searches) == 2


def test_only_the_newest_in_use_are_kept(house: Keeping) -> None:
    house.open(most=1)
    for question in (EXCESS, SALARY, EXCESS):
        house.ask(question)
    assert len(house.desk.searches) == 3


def test_it_is_off_unless_it_is_set(house: Keeping) -> None:
    plain: WireAnswerer = house.desk.answerer()
    for _ in range(2):
        plain.answer(ANN, Ask(EXCESS))
    assert house.desk.searches == [EXCESS] * 2
    assert house.desk.settings.answer_cache == 0
