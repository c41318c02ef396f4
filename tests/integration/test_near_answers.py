"""What is lent from a question to one in other words changes what is read, never what is said."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.access.principals import Principal
from app.answering.near_answers import NearAnswers, telling
from app.answering.stages import Ask
from app.corpus.tables import PassageRow
from app.db import Database
from app.deadline import Deadline
from app.gate.modes import switch_mode
from app.inference.reader import Reader, Tuning
from app.inference.reader_generator import ReaderGenerator
from app.ports import DraftRequest, Reading, Span
from app.retrieval.retriever import Rerank, Retriever
from app.telemetry import Telemetry
from guardrails.contract import Case, Draft, Finding, Outcome, Passage
from tests.fakes import ScriptedCheck
from tests.integration.test_answering import ANN, BEN, OLGA, Desk
from tests.trails import WireAnswerer

EXCESS = "What is the excess for water damage?"
OTHERWISE = "Please tell me: what is the excess for water damage?"
THIRD = "Hello, what is the excess for water damage, please?"
SALARY = "What does the director of the company earn?"
SALARY_OTHERWISE = "Hello, what does the director of the company earn?"
EXCESSES, SALARIES = ("£350", "£351", "£45,000"), ("£90,000",)
"""What the reader points at, wherever it stands; the latter where it is asked who earns what."""


class Pointing(Reader):
    """A reader that points at what was asked for, or at what ``instead`` says for a question."""

    def __init__(self) -> None:
        self.tuning = Tuning(0.0, 0.0, 0.5)
        self.read_texts: list[str] = []
        self.instead: dict[str, str] = {}
        self.margin, self.rival = 9.0, -9.0

    def warm_up(self) -> None:
        """There is nothing to load."""

    def read(self, requests: Sequence[tuple[str, Sequence[Passage]]]) -> list[list[Reading]]:
        """A sure span where the answer stands, an unsure one elsewhere."""
        return [[self._one(question, one) for one in passages] for question, passages in requests]

    def read_one(
        self, question: str, passages: Sequence[Passage], _deadline: Deadline
    ) -> list[Reading]:
        """As the retriever asks."""
        return self.read([(question, passages)])[0]

    def _one(self, question: str, passage: Passage) -> Reading:
        self.read_texts.append(passage.text)
        usual = SALARIES if "earn" in question else EXCESSES
        wanted = [self.instead[question]] if question in self.instead else usual
        found = next((one for one in wanted if one in passage.text), "")
        if not found:
            return Reading(-5.0, Span(0, 3, self.rival, 1.0, 1.0))
        start = passage.text.index(found)
        return Reading(5.0, Span(start, start + len(found), self.margin, 9.0, 0.1))


@dataclass
class Drafts:
    """The reader's generator, without a queue."""

    generator: ReaderGenerator

    def submit(self, item: DraftRequest, _deadline: Deadline) -> Draft:
        """The draft for one request."""
        return self.generator.draft([item])[0]


@dataclass
class House:
    """A desk whose answerer lends readings."""

    desk: Desk
    telemetry: Telemetry = field(default_factory=Telemetry)
    checks: list[ScriptedCheck] = field(default_factory=list)
    reader: Pointing = field(default_factory=Pointing)
    answerer: WireAnswerer = field(init=False)

    def __post_init__(self) -> None:
        self.open()

    def open(self, most: int = 10, least: float = 0.6, **models: str) -> None:
        """A new answerer, with nothing kept unless another one has the same models."""
        if not hasattr(self, "near") or models or most != 10 or least != 0.6:
            self.near: NearAnswers | None = NearAnswers(models, self.telemetry, most, least)
        desk, generator = self.desk, ReaderGenerator(self.reader)
        self.answerer = desk.answerer(*self.checks, generator=Drafts(generator))
        folder, rerank = desk.settings.index_dir, Rerank(self.reader.read_one, 8)
        self.answerer.answerer._retriever = Retriever(
            desk.corpus, desk.embedder.question, desk.embedder.name, folder, "cpu", rerank
        )
        self.answerer.answerer._near = self.near

    def ask(self, question: str, principal: Principal = ANN, **values: Any) -> dict[str, Any]:
        """The answer; ``reader.read_texts`` is what was read for it."""
        self.reader.read_texts.clear()
        return self.answerer.answer(principal, Ask(question, **values))

    def lender(self, answer: dict[str, Any]) -> str:
        """The answer that lent to this one, "" where none did."""
        return str(self.desk.record(answer["answer_id"]).lineage.get("kept_from", ""))

    def count(self, outcome: str) -> int:
        """How often something came of a kept answer."""
        name = "countersign_kept_answers_total"
        return int(self.telemetry.registry.get_sample_value(name, {"outcome": outcome}) or 0)


@pytest.fixture
def house(migrated_sqlite: Path, tmp_path: Path) -> Iterator[House]:
    path = tmp_path / "countersign.db"
    path.write_bytes(migrated_sqlite.read_bytes())
    database = Database(f"sqlite:///{path}")
    desk = Desk(database, tmp_path)
    desk.stock()
    yield House(desk)
    database.close()


def test_only_the_answers_own_passage_is_read_again(house: House) -> None:
    first = house.ask(EXCESS)
    everything = set(house.reader.read_texts)
    assert len(everything) == 3 and first["answer"]["short"] == "£350"
    second = house.ask(OTHERWISE)
    assert house.reader.read_texts == ["The excess for water damage is £350."]
    assert (second["status"], second["answer"]) == (first["status"], first["answer"])
    assert house.lender(second) == first["answer_id"] != second["answer_id"]
    assert second["searched"]["question"] == OTHERWISE
    records = [house.desk.record(seen["answer_id"]) for seen in (first, second)]
    assert {one["id"] for one in records[1].evidence} == {one["id"] for one in records[0].evidence}
    assert house.count("near") == 1
    saved = "countersign_kept_answers_saved_seconds_total"
    assert house.telemetry.registry.get_sample_value(saved) is not None
    # What was lent is not lent on: its own readings are those of one passage.
    assert house.lender(house.ask(THIRD)) == first["answer_id"]


def test_who_is_answered_without_it_is_told_the_same(house: House) -> None:
    for question in (EXCESS, OTHERWISE, SALARY, SALARY_OTHERWISE):
        lent = house.ask(question)
        house.answerer.answerer._near = None
        plain = house.ask(question)
        house.answerer.answerer._near = house.near
        risks = [(house.desk.record(one["answer_id"]).gate or {})["risk"] for one in (lent, plain)]
        assert (lent["status"], lent["answer"]) == (plain["status"], plain["answer"])
        assert risks[0] == risks[1]
    assert house.count("near") == 2


def test_where_the_reader_takes_another_place_all_is_read(house: House) -> None:
    house.ask(EXCESS)
    house.reader.instead[OTHERWISE] = "water damage"
    seen = house.ask(OTHERWISE)
    assert len(house.reader.read_texts) == 3 == len(set(house.reader.read_texts))
    assert house.lender(seen) == "" and house.count("near") == 0


def test_where_the_draft_becomes_another_one_all_is_read_again(house: House) -> None:
    house.ask(EXCESS)

    class Otherwise(ReaderGenerator):
        def draft(self, requests: Sequence[DraftRequest]) -> list[Draft]:
            """Only of the last passage of all."""
            (request,) = requests
            passages, readings = request.evidence[-1:], request.readings[-1:]
            return [Draft((), (), self.name) for _ in zip(passages, readings, strict=True)]

    house.answerer.answerer._in_use.drafting.generator = Otherwise(house.reader)  # type: ignore[attr-defined]
    seen = house.ask(OTHERWISE)
    assert len(house.reader.read_texts) == 1 + 3 and seen["answer"] is None
    assert (house.count("near"), house.count("differed")) == (0, 1)
    assert house.lender(seen) == ""


def test_a_check_that_fails_now_holds(house: House) -> None:
    assert house.ask(EXCESS)["status"] == "released"

    def fail(_case: Case) -> list[Finding]:
        return [Finding("numbers", Outcome.FAIL, "Wrong.")]

    house.checks.append(ScriptedCheck(fail))
    house.open()
    seen = house.ask(OTHERWISE)
    assert house.lender(seen) and (seen["status"], seen["answer"]) == ("held", None)


def test_one_scope_lends_nothing_to_another(house: House) -> None:
    assert house.ask(SALARY, ANN)["answer"]["short"] == "£90,000"
    seen = house.ask(SALARY_OTHERWISE, BEN)
    assert "£90,000" not in str(seen) and house.lender(seen) == ""
    assert len(house.reader.read_texts) == 2  # all that is in his scope
    assert house.lender(house.ask(SALARY_OTHERWISE, ANN))


def test_it_is_found_by_all_that_a_draft_comes_from(house: House) -> None:
    first = house.ask(EXCESS)
    assert house.lender(house.ask(OTHERWISE, previous_answer_id=first["answer_id"])) == ""
    schema = {"type": "object"}
    assert house.lender(house.ask(OTHERWISE, answer_schema=schema)) == ""
    assert house.lender(house.ask(OTHERWISE, collections=["main"])) == ""
    switch_mode(house.desk.database, "review_everything", "test", OLGA.name, "main")
    assert house.lender(house.ask(OTHERWISE)) == ""
    house.open(other="model")
    assert house.lender(house.ask(THIRD)) == ""


def test_drifted_documents_never_lend_a_stale_answer(house: House) -> None:
    desk = house.desk
    house.ask(EXCESS)
    desk.shelf.store("handbook.txt", "The excess for water damage is £351.")
    desk.shelf.index()
    seen = house.ask(OTHERWISE)
    assert seen["answer"]["short"] == "£351" and house.lender(seen) == ""
    assert house.lender(house.ask(THIRD)) == seen["answer_id"]
    desk.corpus.documents.delete(desk.shelf.ids["handbook.txt"])
    gone = house.ask(THIRD)
    assert "£35" not in str(gone) and house.lender(gone) == ""
    assert house.count("near") == 1


@pytest.mark.parametrize("changed", ["The excess for water damage is £351.", "Ask us. £350."])
def test_a_passage_that_changed_beneath_its_index_lends_nothing(house: House, changed: str) -> None:
    house.ask(EXCESS)
    with house.desk.database.transaction() as session:
        for row in session.query(PassageRow):
            row.text = changed if "£350" in row.text else row.text
    seen = house.ask(OTHERWISE)
    assert house.lender(seen) == "" and len(house.reader.read_texts) == 3
    assert seen["answer"]["short"] in changed


def test_a_passage_with_a_word_that_only_one_of_the_questions_has_is_read(house: House) -> None:
    house.ask(EXCESS)
    seen = house.ask("What is the excess for water damage if nobody claims, director?")
    assert house.lender(seen)
    assert "The director of the company earns £90,000 a year." in house.reader.read_texts
    assert "Claims must be made within 30 days." in house.reader.read_texts


def test_a_place_that_the_reader_is_not_sure_of_is_not_the_same(house: House) -> None:
    house.ask(EXCESS)
    house.reader.margin = 1.9
    assert house.lender(house.ask(OTHERWISE)) == ""
    assert len(house.reader.read_texts) == 3


def test_where_another_answer_is_near_all_is_read(house: House) -> None:
    house.reader.rival = 7.5
    house.ask(EXCESS)
    assert house.lender(house.ask(OTHERWISE)) == ""
    assert len(house.reader.read_texts) == 1 + 3 and house.count("differed") == 1


def test_another_passage_that_changed_is_read_anew(house: House) -> None:
    house.ask(EXCESS)
    with house.desk.database.transaction() as session:
        for row in session.query(PassageRow):
            row.text = row.text.replace("30 days", "31 days")
    seen = house.ask(OTHERWISE)
    assert house.lender(seen) and len(house.reader.read_texts) == 2
    assert "31 days" in house.reader.read_texts[1]


def test_nothing_is_lent_where_another_passage_is_found_first(house: House) -> None:
    desk = house.desk
    desk.shelf.store("cars.txt", "For a car the excess is £45,000, as everyone knows.")
    desk.shelf.index()
    asked = "What is the excess, as everyone knows, for a car?"
    house.ask(EXCESS)
    house.near = NearAnswers({}, house.telemetry, 10, 0.1)
    house.open()
    house.ask(EXCESS)
    seen = house.ask(asked)
    assert seen["answer"]["short"] == "£45,000" and house.lender(seen) == ""
    assert len(house.reader.read_texts) == 4


def test_only_the_newest_are_kept(house: House) -> None:
    house.open(most=1)
    house.ask(EXCESS)
    house.ask(SALARY)
    assert house.lender(house.ask(OTHERWISE)) == ""
    assert house.lender(house.ask(EXCESS))


def test_a_question_that_is_not_near_enough_is_read(house: House) -> None:
    house.open(least=0.99)
    house.ask(EXCESS)
    assert house.lender(house.ask(OTHERWISE)) == ""


def test_it_is_off_unless_it_is_set(house: House) -> None:
    assert house.desk.settings.near_answers == 0
    plain = house.desk.answerer()
    assert plain.answerer._near is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is the excess for water damage?", "Please, what is the excess for water damage?"),
        ("How much is a day ticket for adults?", "how much is a day ticket for adults"),
        (
            "When does the Zurich office open?",
            "I'd like to know when the office opens. Many thanks!",
        ),
        ("Can I bring a dog?", "One question: can I bring a dog?"),
    ],
)
def test_nothing_tells_these_apart(one: str, other: str) -> None:
    assert telling(one).agrees(telling(other)) and telling(other).agrees(telling(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How much is a ticket for adults?", "How much is a ticket for children?"),
        ("What does error E-4471 mean?", "What does error E-4472 mean?"),
        ("What was the revenue in 2022?", "What was the revenue in 2023?"),
        ("Who may cancel within 14 days?", "Who may cancel within 30 days?"),
        ("Is glass covered?", "Is glass not covered?"),
        ("When does the shop open?", "Where does the shop open?"),
        ("What is the minimum stay?", "What is the maximum stay?"),
        ("Is parking free?", "How much is parking?"),
        ("What is the cheapest ticket?", "What is the ticket?"),
        ("Can I arrive before noon?", "Can I arrive after noon?"),
    ],
)
def test_what_tells_questions_apart_is_seen(one: str, other: str) -> None:
    assert not telling(one).agrees(telling(other)) and not telling(other).agrees(telling(one))
