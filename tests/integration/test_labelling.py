"""Labelling sessions: what they show, what they leave out, and what a label of theirs is worth."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from app.access.principals import LOCAL
from app.answering.answerer import Ask
from app.db import Database
from app.errors import Forbidden
from app.gate.carry import carry_labels
from app.gate.draws import note_draw
from app.gate.labels import ANY_DAY, ONCE, labels_of, lent_to
from app.gate.strata import Stratum
from app.gate.tables import LabelDrawRow, LabelRow
from app.review.labelling import LabellingSession
from app.review.tables import ReviewTaskRow
from guardrails.gate.certify import Label
from tests.integration.test_answering import ANN, RITA, Desk
from tests.integration.test_gate_service import MAIN, House, label, risk_model

CLAIMS = "When must claims be made?"


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    desk = Desk(database, tmp_path)
    desk.stock()
    return House(desk, None, gate_mode="review_everything", self_review=True)


def session_of(house: House) -> LabellingSession:
    return LabellingSession(house.desk.database, house.settings, house.gate.certificates)


def next_answer(house: House, stratum: Stratum = MAIN) -> str | None:
    task_id = session_of(house).next_task(RITA, stratum).task_id
    if task_id is None:
        return None
    with house.desk.database.reading() as session:
        return session.get_one(ReviewTaskRow, task_id).answer_id


def draws(house: House) -> dict[str, float]:
    with house.desk.database.reading() as session:
        return {row.answer_id: row.ceiling for row in session.scalars(select(LabelDrawRow))}


def labels(house: House, looks: str = ANY_DAY) -> list[Label]:
    with house.desk.database.reading() as session:
        return labels_of(session, MAIN, house.gate.lineage, ONCE if looks == ONCE else ANY_DAY)


def lower_the_ceiling(house: House) -> None:
    label(house, 0, 25, 0.02)
    label(house, 5, 0, 0.9)


def test_while_labels_are_few_the_oldest_task_comes_first_whatever_its_risk(house: House) -> None:
    risky = house.ask(0.0)["answer_id"]
    house.ask(1.0, CLAIMS)
    assert next_answer(house) == risky == next_answer(house), "nobody skips a hard one"
    assert draws(house) == {risky: 1.0}


def test_above_the_ceiling_nothing_is_shown_and_the_label_says_nothing_of_it(house: House) -> None:
    risky = house.ask(0.0)["answer_id"]
    safe = house.ask(1.0, CLAIMS)["answer_id"]
    lower_the_ceiling(house)
    assert next_answer(house) == safe
    assert draws(house) == {safe: 0.895}
    house.decide(safe, "approve")
    assert next_answer(house) is None
    assert [one.ceiling for one in labels(house)] == [1.0] * 30 + [0.895]
    assert len(labels(house, ONCE)) == 30, "an exact test counts no label of a session"
    house.decide(risky, "reject", reason="no")
    assert risky not in draws(house)


def test_other_strata_held_by_policy_and_claimed_ones_are_not_shown(house: House) -> None:
    house.ask(1.0)
    assert next_answer(house, Stratum("main", "money")) is None
    assert next_answer(house, Stratum("elsewhere", "standard")) is None
    task_id = session_of(house).next_task(RITA, MAIN).task_id
    assert task_id is not None
    house.desk.reviews.claim(replace(RITA, name="sam"), task_id)
    assert next_answer(house) is None
    with pytest.raises(Forbidden):
        session_of(house).next_task(ANN, MAIN)


def test_nobody_is_shown_what_they_asked_themselves(house: House) -> None:
    """As in the queue, where the service does not allow them to decide it."""
    house.ask(1.0)
    asker = replace(RITA, name=ANN.name)
    strict = house.settings.model_copy(update={"self_review": False})
    found = LabellingSession(house.desk.database, strict, house.gate.certificates)
    assert found.next_task(asker, MAIN).task_id is None
    assert found.next_task(RITA, MAIN).task_id is not None
    assert session_of(house).next_task(asker, MAIN).task_id is not None


def test_the_progress_says_labels_curve_and_words_and_certifies_nothing(house: House) -> None:
    empty = session_of(house).progress(MAIN)
    assert (empty.labels, empty.curve, empty.certified) == (0, [], False)
    label(house, 1, 30)
    some = session_of(house).progress(MAIN)
    assert (some.labels, some.wrong, len(some.curve)) == (31, 1, 31)
    assert some.curve[-1] < 1 and "more labels" in some.message
    label(house, 0, 250)
    enough = session_of(house).progress(MAIN)
    assert enough.certified and enough.more_labels == 0 and max(enough.curve) >= 1
    assert len(enough.curve) <= 201 and house.certificates() == []


def test_a_label_of_a_session_does_not_outlive_the_risk_that_chose_it(house: House) -> None:
    """What the session left out by the old risk is missing at the new one, nobody knows where."""
    lower_the_ceiling(house)
    safe = house.ask(1.0)["answer_id"]
    assert next_answer(house) == safe
    house.decide(safe, "approve")

    def carry() -> tuple[int, int, int]:
        def ask(question: str) -> object:
            return house.answerer.rehearse(LOCAL, Ask(question))

        found = carry_labels(house.desk.database, MAIN, ask, "olga")  # type: ignore[arg-type]
        return found.kept, found.changed, found.gone

    def kept() -> list[float]:
        return [one.ceiling for one in labels(house) if one.ceiling < 1]

    carry()
    assert kept() == [0.895], "the same risk: it stays"
    house.gate._risk = risk_model(low=0.03)
    carry()
    assert kept() == []


def test_only_earlier_labels_of_other_collections_in_the_class_lend(house: House) -> None:
    def lent() -> int:
        with house.desk.database.reading() as session:
            return len(lent_to(session, MAIN, house.gate.lineage))

    label(house, 2, 5)
    with house.desk.database.transaction() as session:
        for row in session.scalars(select(LabelRow)):
            row.collection, row.number = "other", 1
    assert lent() == 0, "without labels of its own nothing is asked"
    label(house, 0, 1)
    assert lent() == 7
    with house.desk.database.transaction() as session:
        rows = session.scalars(select(LabelRow).where(LabelRow.collection == "other")).all()
        rows[0].number, rows[1].risk_class = 1 << 40, "money"
        rows[2].lineage_sha256 = "another"
    assert lent() == 4


def test_the_draw_of_an_answer_that_is_shown_twice_keeps_the_lower_ceiling(house: House) -> None:
    safe = house.ask(1.0)["answer_id"]
    assert next_answer(house) == safe and draws(house) == {safe: 1.0}
    lower_the_ceiling(house)
    assert next_answer(house) == safe and draws(house) == {safe: 0.895}


def test_two_sessions_that_begin_at_once_are_both_shown_an_answer(house: House) -> None:
    answer_id = house.ask(1.0)["answer_id"]
    with ThreadPoolExecutor(1) as pool:
        with house.desk.database.transaction() as session:
            note_draw(session, answer_id, 0.5)
            session.flush()
            second = pool.submit(next_answer, house)
            time.sleep(0.5)  # it waits for the first
        assert second.result() == answer_id
    assert draws(house) == {answer_id: 0.5}
