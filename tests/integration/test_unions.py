"""Collections that share one certificate: whose answers it is for, and what ends it."""

from pathlib import Path

import pytest
from sqlalchemy import select, update

from app.corpus.corpus import Corpus
from app.corpus.tables import CollectionRow
from app.db import Database
from app.errors import Invalid, NotFound, SettingsInvalid
from app.gate.modes import known_stratum, switch_mode
from app.gate.reviewer_error import ReviewerCheck, gold_result, report_check
from app.gate.strata import Stratum, members_of, parts_of
from app.gate.tables import LabelRow
from app.settings import Settings
from guardrails.gate.certificate import Certificate
from guardrails.gate.certify import Gold
from tests.conftest import on_sqlite
from tests.integration.test_answering import Desk
from tests.integration.test_gate_service import House, label

UNION = Stratum("main|other", "standard")
UNIONS = (("other", "main"),)


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    desk = Desk(database, tmp_path)
    desk.stock()
    return House(desk, None, gate_mode="certified", gate_unions=UNIONS, audit_share=0.0)


def pooled(house: House, wrong: int, right: int) -> None:
    """Labels of answers of the union, whichever collection they cite."""
    label(house, wrong, right)
    with house.desk.database.transaction() as session:
        session.execute(update(LabelRow).values(collection=UNION.collection))


def test_a_certificate_of_a_union_is_for_the_answers_of_each_of_its_collections(
    house: House,
) -> None:
    pooled(house, 0, 80)
    assert house.ask()["status"] == "held", "its own collection has no certificate"
    maker = house.gate.certificates
    made = house.certify(collection=UNION.collection)
    assert isinstance(made, Certificate) and made.collection == "main|other"
    seen = house.ask()
    record = house.desk.record(seen["answer_id"])
    assert record.gate is not None and record.gate["collection"] == "main|other"
    assert (seen["status"], seen["gate"]["certified"]) == ("released", True)
    switch_mode(house.desk.database, "review_everything", "why", "olga", "main")
    assert house.ask()["status"] == "held", "the mode of what it cites counts"
    assert maker.revoke("main", "standard", "not a union", "olga") == 0


def test_gold_items_of_all_its_collections_bound_what_its_reviewers_miss(house: House) -> None:
    with house.desk.database.transaction() as session:
        for number, name in enumerate(("main", "other", "elsewhere")):
            report_check(session, ReviewerCheck("gold", name, "rita", True, False, str(number)))
    with house.desk.database.reading() as session:
        assert gold_result(session, UNION.collection) == Gold(2, 2)
        assert gold_result(session, "main") == Gold(1, 1)
        assert session.scalars(select(LabelRow)).all() == []


def test_who_sees_a_union_must_see_all_of_it() -> None:
    assert members_of("a|b+c") == ["a", "b", "c"] and members_of("a") == ["a"]
    assert parts_of("a|b") == ("a|b", "a", "b")
    answer = Stratum("a|b", "standard", ("b",))
    assert answer.collections == ("a|b", "b"), "not the mode of what it does not cite"
    assert answer == Stratum("a|b", "standard")
    assert Stratum("a+b", "standard").collections == ("a+b", "a", "b")


@on_sqlite
def test_collections_joined_have_one_name_in_whatever_order(database: Database) -> None:
    with database.transaction() as session:
        session.add_all(CollectionRow(name=name, documents=1) for name in ("a", "b"))
    with database.reading() as session:
        assert known_stratum(session, "b|a|a") == "a|b"
        assert known_stratum(session, "b+a") == "a+b"
        for slip in ("a|c", "c", "a+c"):
            with pytest.raises(NotFound):
                known_stratum(session, slip)


@pytest.mark.parametrize("unions", [(("a",),), (("a", "b"), ("b", "c")), (("a", "a"),)])
def test_unions_that_overlap_are_refused(unions: tuple[tuple[str, ...], ...]) -> None:
    with pytest.raises(SettingsInvalid, match="union"):
        Settings(gate_unions=unions)


@on_sqlite
@pytest.mark.parametrize("name", ["a+b", "a|b", "main ", "ｍain", "m\u0430in"])
def test_a_new_collection_is_not_named_like_another_or_like_two(
    database: Database, name: str
) -> None:
    """A certificate of answers that cite a and b would be that of the collection a+b too."""
    documents = Corpus(database).documents
    with pytest.raises(Invalid, match="neither"):
        documents.add(name, "a.txt", "/nowhere/a.txt", "0" * 64)
    with database.transaction() as session:  # one of an earlier release
        session.add(CollectionRow(name=name, documents=1))
    assert documents.add(name, "a.txt", "/nowhere/a.txt", "0" * 64).document_id
