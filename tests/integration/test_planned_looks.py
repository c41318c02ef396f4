"""A planned look in the service: before the first label only, and it ends when labels move."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from app.access.principals import LOCAL
from app.answering.answerer import Ask
from app.db import Database
from app.errors import Invalid
from app.gate import planned_looks
from app.gate.carry import carry_labels
from app.gate.certify import Certifier
from app.gate.labels import labels_of
from app.gate.plan import plan_labels
from app.gate.planned_looks import plan_look, planned_look
from app.gate.tables import LabelRow, PlannedLookRow
from app.records import audit
from guardrails.gate.certificate import Certificate
from guardrails.gate.certify import Label, NotCertifiable
from guardrails.gate.planned import Plan
from tests.integration.test_answering import Desk
from tests.integration.test_gate_service import MAIN, House, label, risk_model


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    desk = Desk(database, tmp_path)
    desk.stock()
    return House(desk, None, gate_mode="review_everything", self_review=True)


def planned(house: House, labels: int = 90) -> Plan:
    database, lineage = house.desk.database, house.gate.lineage
    return plan_look(database, MAIN, lineage, labels, 0.05, 0.05, "olga")


def current(house: House) -> Plan | None:
    with house.desk.database.reading() as session:
        return planned_look(session, MAIN, house.gate.lineage)


def test_a_look_is_planned_before_the_first_label_once_and_certifies_at_its_number(
    house: House,
) -> None:
    with pytest.raises(Invalid, match="at least 83"):
        planned(house, 82)
    assert planned(house) == current(house) == Plan(90, 0.05, 0.05)
    with pytest.raises(Invalid, match="already"):
        planned(house)
    label(house, 1, 88)
    early = house.certify()
    assert isinstance(early, NotCertifiable) and early.code == "look_awaited"
    maker = Certifier(house.desk.database, house.settings, house.gate.certificates)
    told = plan_labels(maker, "main", "standard", 0.05, 0.05, 20.0)
    assert told.more_labels == 1 and "The planned look needs 1 more" in told.message
    with pytest.raises(Invalid, match="single look"):
        house.certify(looks="once")
    label(house, 0, 1)
    made = house.certify()
    assert isinstance(made, Certificate) and (made.test, made.n) == ("planned look", 70)
    with house.desk.database.reading() as session:
        assert audit.broken_audit_link(session) is None


def test_of_two_plans_at_once_the_first_stands(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2, timeout=1)

    def looked(*args: Any) -> list[Label]:
        with suppress(threading.BrokenBarrierError):  # where one waits for the other
            both.wait()
        return labels_of(*args)

    monkeypatch.setattr(planned_looks, "labels_of", looked)
    with ThreadPoolExecutor(2) as pool:
        tried = [pool.submit(planned, house, labels) for labels in (90, 120)]
        refused = [one for one in tried if isinstance(one.exception(), Invalid)]
    (made,) = [one.result() for one in tried if one not in refused]
    assert current(house) == made


def test_with_labels_there_is_nothing_to_plan(house: House) -> None:
    label(house, 0, 1)
    with pytest.raises(Invalid, match="before the first"):
        planned(house)
    assert current(house) is None
    assert isinstance(house.certify(), NotCertifiable)


def test_when_labels_are_moved_the_look_is_spent(house: House) -> None:
    """A look at other labels than before would be a second one."""
    planned(house)
    answer = house.ask(1.0)["answer_id"]
    house.decide(answer, "approve")

    def carry() -> None:
        def ask(question: str) -> object:
            return house.answerer.rehearse(LOCAL, Ask(question))

        carry_labels(house.desk.database, MAIN, ask, "olga")  # type: ignore[arg-type]

    carry()
    assert current(house) == Plan(90, 0.05, 0.05), "nothing moved"
    house.gate._risk = risk_model(low=0.03)
    carry()
    assert current(house) == Plan(90, 0.05, 0.05, spent=True)
    with house.desk.database.reading() as session:
        (row,) = session.scalars(select(PlannedLookRow))
        assert (row.labels, row.planned_by) == (90, "olga")


def test_what_a_wrong_answer_counts_is_kept_with_its_label(house: House) -> None:
    answer = house.ask(1.0)["answer_id"]
    gate = house.desk.record(answer).gate
    assert gate is not None and gate["loss"] == 1.0
    house.decide(answer, "reject", reason="wrong")
    with house.desk.database.transaction() as session:
        (row,) = session.scalars(select(LabelRow))
        assert row.loss == 1.0
        session.execute(update(LabelRow).values(loss=0.2))
    with house.desk.database.reading() as session:
        (label_,) = labels_of(session, MAIN, house.gate.lineage)
    assert (label_.loss, label_.counted) == (0.2, 0.2)
