"""The gate in the service, on both databases: modes, certificates, audits, and the running test."""

import json
import math
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from functools import reduce
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from app.answering.answerer import Ask
from app.corpus.corpus import Corpus
from app.db import Database, now
from app.errors import CountersignError, Invalid, NotFound
from app.gate.admission import Gate
from app.gate.certificates import AFTER, AGAIN, Premises, provisional_id
from app.gate.certify import Certifier
from app.gate.drift import DriftMonitors
from app.gate.labels import ANY_DAY, Looks, observe
from app.gate.modes import MODES, read_modes, set_mode, switch_mode
from app.gate.plan import LabelPlan, plan_labels
from app.gate.sampling import audit_chance, audit_floor, drawn
from app.gate.status import CertificateView, gate_status
from app.gate.strata import DAMAGED, Stratum
from app.gate.tables import CertificateRow, GateModeRow, LabelRow
from app.proof.verify import verify_audit
from app.records import audit, recording, release
from app.records.erasing import no_answer
from app.records.tables import AuditRow, RecordRow, ReleaseRow
from app.review.decisions import Decision, same_words
from app.review.tables import ReviewTaskRow
from app.review.tasks import open_task
from app.settings import Settings
from cli.__main__ import app as commands
from guardrails.contract import Draft
from guardrails.gate.certificate import Certificate
from guardrails.gate.certify import NotCertifiable
from guardrails.gate.running_test import EProcess
from guardrails.policy.load import load_policy
from guardrails.risk import RiskModel
from tests.clocks import clock_off
from tests.conftest import on_sqlite
from tests.fakes import QuotingGenerator
from tests.integration.test_answering import (
    ANN,
    COVERAGE,
    EXCESS,
    RITA,
    UNANSWERABLE,
    Desk,
    Stocks,
    keep_stock,
    kept_stock,
)
from tests.trails import WireDesk, add_ready_document, only_passage, settings_for, trail

LINEAGE = {"generator": "quoting-generator", "policy_sha256": load_policy().sha256}
DAY = "2026-01-01T00:00:00+00:00"
MAIN = Stratum("main", "standard")


def risk_model(low: float = 0.02, high: float = 0.9) -> RiskModel:
    """Trusts the fake generator when its margin is 9, and not when it is 5."""
    model = {
        "needs": ["margin"],
        "terms": [{"feature": "margin", "knots": [5.0, 9.0], "values": [1.0, 0.0]}],
        "calibration": {"knots": [0.0, 1.0], "values": [low, high]},
    }
    return RiskModel.parse({"format": 1, "generators": {"quoting-generator": model}})


def certificate(threshold: float = 0.1, **more: Any) -> Certificate:
    values: dict[str, Any] = {
        "threshold": threshold,
        "released_share": 0.5,
        "alpha": 0.05,
        "delta": 0.05,
        "n": 100,
        "errors": 1,
        "upper_bound": 0.05,
        "miss_bound": 0.0,
        "test": "binomial",
        "seed": 0,
        "grid": 1000,
        "labels": 200,
        "lineage": LINEAGE,
        "date": DAY,
        "provisional": True,
        "collection": "public data",
        "risk_class": "standard",
    }
    return Certificate(**{**values, **more})


class Measured(QuotingGenerator):
    """The quoting generator with a margin that the test sets: 1 is safe, 0 is not, both pass the
    policy."""

    margin: float = 1.0

    def submit(self, item: Any, deadline: Any) -> Draft:
        return replace(super().submit(item, deadline), features={"margin": 5 + 4 * self.margin})


class House:
    """A desk with a gate of its own; every value of the settings can be set."""

    def __init__(self, desk: Desk, shipped: Certificate | None, **values: Any) -> None:
        self.desk, self.generator = desk, Measured()
        chosen = {"gate_mode": "provisional", "audit_share": 0.0, **values}
        self.settings = settings_for(desk.database.url, desk.folder, device="cpu", **chosen)
        self.premises = Premises(shipped, LINEAGE)
        self.gate = Gate(desk.database, self.settings, risk_model(), self.premises)
        self.answerer = desk.answerer(generator=self.generator, gate=self.gate, **chosen)

    def ask(self, margin: float = 1.0, question: str = EXCESS) -> dict[str, Any]:
        self.generator.margin = margin
        return self.answerer.answer(ANN, Ask(question))

    def decide(self, answer_id: str, kind: Any, **more: Any) -> dict[str, Any]:
        """Claim and decide the task of an answer."""
        tasks = self.desk.reviews.tasks(RITA, "open", 500)["tasks"]
        (task_id,) = [task["task_id"] for task in tasks if task["answer_id"] == answer_id]
        seen = self.desk.reviews.claim(RITA, task_id)
        decision = Decision(kind, seen["content_sha256"], seen["fence"], **more)
        return self.desk.reviews.decide(RITA, task_id, decision)

    def certify(
        self,
        collection: str = "main",
        alpha: float = 0.05,
        delta: float = 0.05,
        looks: Looks = ANY_DAY,
    ) -> Certificate | NotCertifiable:
        """Try to certify the standard stratum of a collection."""
        maker = Certifier(self.desk.database, self.settings, self.gate.certificates)
        return maker.certify(collection, "standard", alpha, delta, "olga", looks)

    def links(self) -> list[str]:
        """What the links of the audit log say, in order."""
        with self.desk.database.reading() as session:
            return list(session.scalars(select(AuditRow.kind).order_by(AuditRow.number)))

    def certificates(self) -> list[CertificateView]:
        """Every certificate as operators see it, newest first."""
        return gate_status(self.desk.database, self.gate.certificates).certificates

    def labels(self) -> list[tuple[bool, float, str]]:
        with self.desk.database.reading() as session:
            rows = session.scalars(select(LabelRow).order_by(LabelRow.labelled_at))
            return [(row.wrong, row.weight, row.source) for row in rows]


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    built = Desk(database, tmp_path)
    built.stock()
    return built


def statuses(house: House) -> list[str]:
    return [house.ask(margin)["status"] for margin in (1.0, 0.0)]


# Modes


@on_sqlite
@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        ("off", ["released", "released"]),
        ("provisional", ["released", "held"]),
        ("certified", ["held", "held"]),
        ("review_everything", ["held", "held"]),
        ("retrieval_only", ["abstained", "abstained"]),
    ],
)
def test_what_each_mode_releases(desk: Desk, mode: str, wanted: list[str]) -> None:
    house = House(desk, certificate(), gate_mode=mode)
    assert statuses(house) == wanted


@on_sqlite
@pytest.mark.parametrize(("mode", "wanted"), [("off", "held"), ("provisional", "released")])
def test_the_margin_of_the_policy_decides_only_without_a_gate(
    desk: Desk, mode: str, wanted: str
) -> None:
    house = House(desk, certificate(1.0), gate_mode=mode)
    assert house.ask(-1.0)["status"] == wanted


def test_a_gate_switched_off_while_an_answer_is_judged_counts_from_the_next_one(desk: Desk) -> None:
    house = House(desk, certificate())
    draft = Draft((), (), "quoting-generator", None, {"margin": 5})
    with desk.database.reading() as session:
        scored = house.gate.score(EXCESS, draft, [], house.gate.modes(session))
    switch_mode(desk.database, "off", "why", "olga")
    with desk.database.reading() as session:
        modes = house.gate.modes(session)
        admission = house.gate.admit(session, modes, "a1", draft, [], [], scored)
    assert (admission.mode, admission.admitted) == ("provisional", False)


def test_the_answer_says_what_stood_behind_its_release(desk: Desk) -> None:
    seen = House(desk, certificate()).ask()
    assert seen["gate"] == {
        "mode": "provisional",
        "certified": False,
        "provisional": True,
        "alpha": None,  # nothing was measured on these documents
        "delta": None,
        "weighed": False,
    }
    record = desk.record(seen["answer_id"])
    assert record.gate is not None
    assert record.gate["risk"] == pytest.approx(0.02)
    assert record.lineage["certificate"] == provisional_id(certificate(), MAIN)
    off = House(desk, certificate(), gate_mode="off").ask()
    assert (off["gate"]["mode"], off["gate"]["provisional"]) == ("off", False)
    unknown = House(desk, certificate()).ask(question=UNANSWERABLE)
    assert unknown["gate"]["mode"] == "provisional"
    assert "risk" not in seen["gate"]


def test_retrieval_only_names_what_was_found_and_drafts_nothing(desk: Desk) -> None:
    drafted: list[int] = []
    house = House(desk, certificate(), gate_mode="retrieval_only")
    house.generator.before = lambda: drafted.append(1)
    seen = house.ask()
    assert (seen["status"], seen["answer"], drafted) == ("abstained", None, [])
    assert "handbook" in seen["searched"]["titles"]
    assert "switched off" in seen["message"]
    assert house.ask(question=COVERAGE)["status"] == "held"


def test_the_gate_never_releases_what_the_policy_holds(desk: Desk) -> None:
    for mode in ("off", "provisional"):
        assert House(desk, certificate(1.0), gate_mode=mode).ask(1.0, COVERAGE)["status"] == "held"


def test_a_switch_counts_at_once_in_another_process(desk: Desk) -> None:
    here = House(desk, certificate())
    elsewhere = Database(desk.database.url)
    there = House(replace_database(desk, elsewhere), certificate())
    try:
        assert there.ask()["status"] == "released"
        switch_mode(here.desk.database, "review_everything", "an incident", "olga")
        assert there.gate.mode() == "review_everything"  # without a second look
        assert there.ask()["status"] == "held"
        switch_mode(elsewhere, "provisional", "it is over", "olga")
        assert here.ask()["status"] == "released"
    finally:
        elsewhere.close()
    with desk.database.reading() as session:
        rows = session.scalars(select(AuditRow).where(AuditRow.kind == "gate_mode"))
        events = [row.event for row in rows]
        assert audit.broken_audit_link(session) is None
    assert [(e["before"], e["mode"], e["by"]) for e in events] == [
        ("", "review_everything", "olga"),
        ("review_everything", "provisional", "olga"),
    ]


def test_the_first_two_switches_at_once_both_count(desk: Desk) -> None:
    with ThreadPoolExecutor(1) as pool:
        with desk.database.transaction() as session:
            set_mode(session, "", "off", "a trial", "olga")
            session.flush()
            args = desk.database, "review_everything", "an incident", "eve"
            second = pool.submit(switch_mode, *args)
            time.sleep(0.5)  # it waits for the first
        assert second.result().mode == "review_everything"
    with desk.database.reading() as session:
        assert read_modes(session, "provisional").service == "review_everything"


def replace_database(desk: Desk, database: Database) -> Desk:
    other = Desk(database, desk.folder)
    other.shelf.ids |= desk.shelf.ids
    return other


def test_the_strictest_mode_of_service_and_collection_counts(desk: Desk) -> None:
    house = House(desk, certificate())
    switch_mode(desk.database, "review_everything", "new documents", "olga", "board")
    assert house.ask()["status"] == "released"
    salary = house.ask(question="What does the director of the company earn?")
    assert salary["status"] == "held"
    switch_mode(desk.database, "off", "never mind", "olga", "board")
    again = house.ask(0.0, question="What does the director of the company earn?")
    assert (again["status"], again["gate"]["mode"]) == ("held", "provisional")


@on_sqlite
@pytest.mark.parametrize("wrong", [{"mode": "open"}, {"reason": "  "}, {"collection": "x" * 401}])
def test_a_switch_that_cannot_be_is_refused(database: Database, wrong: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        switch_mode(database, **{"mode": "off", "reason": "why", "by": "olga", **wrong})


@on_sqlite
@pytest.mark.parametrize("name", ["mian", "Main", " main", "main+", "main+mian", "+", "main board"])
def test_what_does_not_exist_is_neither_switched_nor_revoked(desk: Desk, name: str) -> None:
    house = House(desk, certificate())
    with pytest.raises(NotFound):
        switch_mode(desk.database, "review_everything", "an incident", "olga", name)
    with pytest.raises(NotFound):
        house.gate.certificates.revoke(name, "standard", "an incident", "olga")
    with desk.database.reading() as session:
        assert session.scalars(select(GateModeRow)).all() == []


@on_sqlite
@pytest.mark.parametrize("name", ["board+main", "main+board", "main+board+main"])
def test_several_collections_have_one_name_in_whatever_order(desk: Desk, name: str) -> None:
    switched = switch_mode(desk.database, "review_everything", "both at once", "olga", name)
    assert switched.collection == "board+main"
    assert switch_mode(desk.database, "off", "why", "olga", "main+main").collection == "main"


# Nothing fails open


def test_without_a_certificate_it_fails_closed(desk: Desk) -> None:
    assert statuses(House(desk, None)) == ["held", "held"]


@on_sqlite
@pytest.mark.parametrize(
    "unfit",
    [
        {"lineage": {**LINEAGE, "generator": "another"}},
        {"lineage": {}},
        {"date": "2999-01-01T00:00:00+00:00"},
        {"alpha": 0.06},
        {"delta": 0.06},
    ],
)
def test_a_certificate_of_something_else_fails_closed(desk: Desk, unfit: dict[str, Any]) -> None:
    house = House(desk, certificate(**unfit))
    assert statuses(house) == ["held", "held"]
    assert house.gate.certificates.shipped is None


@on_sqlite
@pytest.mark.parametrize("margin", [math.nan, math.inf, -math.inf])
def test_a_risk_that_is_no_number_fails_closed(desk: Desk, margin: float) -> None:
    assert House(desk, certificate()).ask(margin)["status"] == "held"


@on_sqlite
def test_a_generator_without_figures_fails_closed(desk: Desk) -> None:
    house = House(desk, certificate())
    plain = desk.answerer(generator=QuotingGenerator(), gate=house.gate)
    assert plain.answer(ANN, Ask(EXCESS))["status"] == "held"


@on_sqlite
def test_a_gate_that_crashes_fails_closed(desk: Desk) -> None:
    house = House(desk, certificate())

    class Broken(RiskModel):
        def risk(self, _generator: str, _features: Any) -> float:
            raise ZeroDivisionError

    house.gate._risk = Broken({}, "")
    seen = house.ask()
    assert (seen["status"], seen["answer"]) == ("held", None)
    entry = desk.record(seen["answer_id"]).gate
    assert entry is not None
    assert (entry["reason"], entry["asked"]) == (
        "The gate could not run: ZeroDivisionError.",
        False,
    )


@on_sqlite
@pytest.mark.parametrize("risk", [math.nan, -0.5, 2.0, "low", None])
def test_a_risk_model_that_says_nonsense_fails_closed(desk: Desk, risk: Any) -> None:
    house = House(desk, certificate(1.0))

    class Nonsense(RiskModel):
        def risk(self, _generator: str, _features: Any) -> float:
            return risk  # type: ignore[no-any-return]

    house.gate._risk = Nonsense({}, "")
    assert house.ask()["status"] == "held"


def test_a_mode_that_nobody_knows_fails_closed(desk: Desk) -> None:
    house = House(desk, certificate())
    switch_mode(desk.database, "off", "why", "olga")
    with desk.database.transaction() as session:
        session.get_one(GateModeRow, "").mode = "wide_open"
    assert house.ask()["status"] == "held"


def test_a_damaged_certificate_fails_closed(labelled: Desk) -> None:
    house = House(labelled, None)
    certified(house, 0)
    assert house.ask()["status"] == "released"
    with labelled.database.transaction() as session:
        row = session.scalars(select(CertificateRow)).one()
        row.certificate = {**row.certificate, "threshold": "1"}
    assert house.ask()["status"] == "held"


def test_a_certificate_is_not_for_an_older_index_that_answers_for_a_damaged_one(
    labelled: Desk,
) -> None:
    house = House(labelled, None, gate_mode="certified")
    certified(house, 0)
    problem = ["Index x is damaged."]
    premises = replace(house.premises, index_problem=lambda: problem[0])
    house.gate.certificates._premises = premises
    seen = house.ask()
    assert seen["status"] == "held"
    entry = labelled.record(seen["answer_id"]).gate
    assert entry is not None and entry["reason"] == DAMAGED
    problem[0] = ""
    assert house.ask()["status"] == "released"


# Certificates of one's own


def label(house: House, wrong: int, right: int, risk: float = 0.02) -> None:
    """Decided answers of main, as the service stores them."""
    corpus = Corpus(house.desk.database)
    passage = next(
        iter(
            corpus.passages.find(
                [p.id for p in corpus.passages.indexable("hash-embedder")]
            ).values()
        )
    )
    entry: dict[str, Any] = {
        "mode": "review_everything", "certified": False, "provisional": False, "alpha": None,
        "delta": None, "asked": True, "collection": "main", "risk_class": "standard",
        "risk": risk, "certificate": "", "threshold": None, "audit_share": 0.0,
        "lineage_sha256": lineage_hash(house),
    }  # fmt: skip
    with house.desk.database.transaction() as session:
        for place in range(wrong + right):
            entry = {**entry, "audit_number": audit.newest_link(session)}
            held = replace(trail(passage), gate=entry)
            record = recording.write(session, held)
            observe(session, record, wrong=place < wrong, audited=False)


def lineage_hash(house: House) -> str:
    from guardrails.contract import canonical_sha256

    return canonical_sha256(house.gate.lineage)


LABELLED: Stocks = {}


@pytest.fixture
def labelled(database: Database, tmp_path: Path) -> Desk:
    """A desk with as many right answers of main as certify it, made once."""
    built = Desk(database, tmp_path)
    if not kept_stock(LABELLED, built):
        built.stock()
        label(House(built, None), 0, 80)
        keep_stock(LABELLED, built)
    return built


def certified(house: House, more: int = 80) -> Certificate:
    """By so many right answers beside those that there are."""
    label(house, 0, more)
    result = house.certify()
    assert isinstance(result, Certificate), result
    return result


def test_enough_labels_certify_a_collection_and_release_its_answers(desk: Desk) -> None:
    house = House(desk, None, gate_mode="certified")
    assert statuses(house) == ["held", "held"]
    made = certified(house)
    assert made.lineage == LINEAGE
    seen = house.ask()
    assert seen["status"] == "released"
    assert (seen["gate"]["certified"], seen["gate"]["provisional"]) == (True, False)
    assert house.ask(0.0)["status"] == "held"
    salary = house.ask(question="What does the director of the company earn?")
    assert salary["status"] == "held"  # another collection
    (row,) = house.certificates()
    assert (row.state, row.collection, row.audits) == ("live", "main", 0)
    live = desk.corpus.versions.live()
    assert live is not None
    assert row.index_version == live.id


def test_too_few_labels_say_how_many_more_and_fail_closed(desk: Desk) -> None:
    house = House(desk, None, gate_mode="certified")
    label(house, 0, 20)
    result = house.certify()
    assert isinstance(result, NotCertifiable)
    assert (result.code, house.ask()["status"]) == ("too_few_labels", "held")
    assert result.more_labels is not None and "more labels" in result.message
    assert house.certificates() == []


@on_sqlite
@pytest.mark.parametrize(("alpha", "delta"), [(0.0, 0.05), (-1.0, 0.05), (0.05, 1.0), (2.0, 0.05)])
def test_figures_that_cannot_be_are_refused(desk: Desk, alpha: float, delta: float) -> None:
    with pytest.raises(Invalid):
        House(desk, None).certify("main", alpha, delta)


@pytest.mark.parametrize("days", [-5, 5])
def test_a_clock_that_jumps_changes_no_certificate(
    labelled: Desk, days: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The audit log says which certificate is the newest, and which labels came when."""
    house = House(labelled, None, gate_mode="certified")
    first = certified(house, 0)
    assert house.ask()["status"] == "released"
    with clock_off(monkeypatch, days):
        assert house.ask()["status"] == "released"
        label(house, 0, 40)
        second = house.certify()
        assert isinstance(second, Certificate) and second.labels == first.labels + 40
        assert [row.id for row in house.certificates()] == [second.sha256, first.sha256]
        assert house.ask()["status"] == "released"
    assert [row.state for row in house.certificates()] == ["live", "superseded"]
    assert house.ask()["status"] == "released"
    assert house.gate.certificates.revoke("main", "standard", "new rules", "olga") == 1
    assert house.ask()["status"] == "held"


def test_another_lineage_voids_a_certificate_at_once_and_its_labels_count_no_more(
    labelled: Desk,
) -> None:
    house = House(labelled, None, gate_mode="certified")
    certified(house, 0)
    changed = {**LINEAGE, "policy_sha256": "another"}
    house.gate.certificates._premises = replace(house.premises, lineage=changed)
    assert house.ask()["status"] == "held"
    (void,) = house.certificates()
    assert (void.state, void.reason) == ("void", f"made for another policy; {AGAIN}")
    result = house.certify()
    assert isinstance(result, NotCertifiable)
    assert result.labels == 0


@on_sqlite
@pytest.mark.parametrize("looks", ["day", "once"])
def test_a_try_that_certifies_nothing_leaves_the_audit_log_sound(desk: Desk, looks: Looks) -> None:
    house = House(desk, None, gate_mode="certified", undo_seconds=0)
    for kind in ("approve", "approve"):
        house.decide(house.ask()["answer_id"], kind)
    links = house.links()
    for _ in range(2):  # the second finds nothing to note
        assert isinstance(house.certify(looks=looks), NotCertifiable)
        assert verify_audit(desk.database).problems == []
    assert house.links() == [*links, "labels_looked_at"]


@on_sqlite
def test_a_certificate_that_promises_less_than_the_settings_ask_is_void(labelled: Desk) -> None:
    certified(House(labelled, None, gate_mode="certified"), 0)
    stricter = House(labelled, None, gate_mode="certified", gate_alpha=0.02, gate_delta=0.01)
    assert stricter.ask()["status"] == "held"
    (void,) = stricter.certificates()
    assert (void.state, void.reason) == (
        "void",
        "its alpha is 0.05, and the setting gate_alpha asks for 0.02; its delta is 0.05, and the "
        "setting gate_delta asks for 0.01: `countersign gate certify` anew",
    )
    laxer = House(labelled, None, gate_mode="certified", gate_alpha=0.1)
    assert laxer.ask()["status"] == "released"
    assert [row.state for row in laxer.certificates()] == ["live"]


@on_sqlite
def test_a_promise_made_weaker_on_purpose_counts_until_more_is_asked(labelled: Desk) -> None:
    house = House(labelled, None, gate_mode="certified", gate_alpha=0.04)
    label(house, 0, 100)
    assert isinstance(house.certify(alpha=0.3), Certificate)
    assert house.ask()["status"] == "released"
    states = {}
    for asked in (0.05, 0.04, 0.03):
        later = House(labelled, None, gate_mode="certified", gate_alpha=asked)
        states[asked] = (later.ask()["status"], later.certificates()[0].state)
    assert states == {
        0.05: ("released", "live"),
        0.04: ("released", "live"),
        0.03: ("held", "void"),
    }


@on_sqlite
def test_what_stands_behind_hard_questions_is_not_void_for_the_first_generator(
    labelled: Desk,
) -> None:
    house = House(labelled, None, gate_mode="certified")
    certified(house, 0)
    with labelled.database.transaction() as session:
        (row,) = session.scalars(select(CertificateRow))
        lineage = row.certificate["lineage"]
        hard = {**lineage, "generator": f"large{AFTER}{lineage['generator']}"}
        row.certificate = {**row.certificate, "lineage": hard}
    assert house.ask()["status"] == "held"
    (shown,) = house.certificates()
    assert (shown.state, shown.reason) == ("live", "")
    changed = {**LINEAGE, "generator": "another"}
    house.gate.certificates._premises = replace(house.premises, lineage=changed)
    assert house.certificates()[0].reason == f"made for another generator; {AGAIN}"


def test_a_newer_certificate_takes_over_and_a_revoked_one_fails_closed(labelled: Desk) -> None:
    house = House(labelled, None, gate_mode="certified")
    certified(house, 0)
    label(house, 0, 40)
    assert isinstance(house.certify(), Certificate)
    states = [row.state for row in house.certificates()]
    assert sorted(states) == ["live", "superseded"]
    assert house.gate.certificates.revoke("main", "standard", "new rules", "olga") == 1
    assert house.ask()["status"] == "held"


# Labels and audits


def test_decisions_on_held_drafts_are_labels(desk: Desk) -> None:
    house = House(desk, certificate(), gate_mode="review_everything")
    ids = [house.ask()["answer_id"] for _ in range(4)]
    house.decide(ids[0], "approve")
    house.decide(ids[1], "reject", reason="not true")
    house.decide(ids[2], "edit", text="The excess for water damage is £400 [1].")
    house.decide(ids[3], "edit", text="The excess, for water damage, is £350! [1]")
    assert house.labels() == [
        (False, 1.0, "review"),
        (True, 1.0, "review"),
        (True, 1.0, "review"),
        (False, 1.0, "review"),
    ]


@pytest.mark.parametrize(
    ("drafted", "edited", "same"),
    [
        ("It is £350 a year.", "It is €350 a year.", False),
        ("It is 1.5 days.", "It is 15 days.", False),
        ("It is 1.5 days.", "It is 1-5 days.", False),
        ("It is -5 °C.", "It is 5 °C.", False),
        ("It is \N{MINUS SIGN}5 °C.", "It is -5 °C.", True),
        ("For ages < 18.", "For ages > 18.", False),
        ("It is 5%.", "It is 5.", False),
        ("It is at 10:30.", "It is at 10, 30.", False),
        ("- Keys, and cards\n- Tools", "* keys; and **cards**.\n* tools [1]", True),
        ('It\N{RIGHT SINGLE QUOTATION MARK}s "open" (9 to 5).', "It's open: 9 to 5!", True),
    ],
)
def test_an_edit_leaves_the_words_only_where_it_says_the_same(
    drafted: str, edited: str, same: bool
) -> None:
    record: Any = SimpleNamespace(draft={"text": drafted})
    assert same_words(record, {**no_answer(), "text": edited}) is same


def test_what_the_policy_held_is_no_label(desk: Desk) -> None:
    house = House(desk, certificate())
    house.decide(house.ask(question=COVERAGE)["answer_id"], "approve")
    assert house.labels() == []


def test_an_audit_looks_like_any_other_task_and_changes_nothing_when_approved(desk: Desk) -> None:
    house = House(desk, certificate(), audit_share=1.0)
    audited = house.ask()
    held = house.ask(0.0)
    assert (audited["status"], held["status"]) == ("released", "held")
    tasks = desk.reviews.tasks(RITA, "open")["tasks"]
    details = [desk.reviews.task(RITA, task["task_id"]) for task in tasks]
    differing = {"task_id", "answer_id", "created_at", "expires_at", "content_sha256"}
    shown = [{k: v for k, v in task.items() if k not in differing} for task in details]
    assert shown[0] == shown[1]
    house.decide(audited["answer_id"], "approve")
    assert house.answerer.view(ANN, audited["answer_id"]) == audited
    assert house.labels() == [(False, 1.0, "audit")]


def test_a_rejected_audit_withdraws_the_answer_and_the_asker_sees_it(desk: Desk) -> None:
    house = House(desk, certificate(), audit_share=1.0)
    answer_id = house.ask()["answer_id"]
    house.decide(answer_id, "reject", reason="out of date")
    seen = house.answerer.view(ANN, answer_id)
    assert (seen["status"], seen["answer"], seen["released_at"]) == ("withdrawn", None, None)
    assert "withdrawn" in seen["message"]
    assert "£350" not in json.dumps(seen)
    assert house.labels() == [(True, 1.0, "audit")]


def test_an_edited_audit_corrects_what_the_asker_sees(desk: Desk) -> None:
    house = House(desk, certificate(), audit_share=1.0)
    answer_id = house.ask()["answer_id"]
    house.decide(answer_id, "edit", text="It is £350 a year [1].")
    seen = house.answerer.view(ANN, answer_id)
    assert (seen["status"], seen["edited"]) == ("released", True)
    assert seen["answer"]["text"] == "It is £350 a year [1]."
    assert house.labels() == [(True, 1.0, "audit")]


def test_the_draw_is_recorded_and_can_be_checked(desk: Desk) -> None:
    house = House(desk, certificate(), audit_share=0.5, audit_seed="secret")
    entries = []
    for _ in range(20):
        answer_id = house.ask()["answer_id"]
        entry = desk.record(answer_id).gate
        assert entry is not None
        chance = audit_chance(0.5, entry["risk"], entry["threshold"])
        assert entry["audit_share"] == chance > entry["audit_floor"] == audit_floor(0.5)
        assert entry["audited"] == drawn("secret", answer_id, chance)
        entries.append(entry["audited"])
    assert 0 < sum(entries) < 20
    assert desk.reviews.count_open() == sum(entries)


def test_unsure_answers_are_audited_more_often_and_none_under_the_floor() -> None:
    for share in (0.02, 0.05, 0.5, 1.0):
        chances = [audit_chance(share, risk / 100, 0.1) for risk in range(11)]
        assert chances == sorted(chances)
        assert chances[0] == audit_floor(share) >= share / 2
        assert chances[-1] <= min(1.0, 1.5 * share)
        assert sum(chances) / 11 == pytest.approx(share)
    assert audit_chance(0.05, 0.0, 0.0) == audit_chance(0.05, 0.1, 0.1)
    assert audit_chance(0.0, 0.05, 0.1) == audit_floor(0.0) == 0.0


def test_a_label_says_how_likely_it_was_and_the_running_test_weighs_it(desk: Desk) -> None:
    house = House(desk, certificate(), audit_share=0.5)
    while desk.reviews.count_open() == 0:
        seen = house.ask()
    house.decide(seen["answer_id"], "approve")
    chance, floor = audit_chance(0.5, 0.02, 0.1), audit_floor(0.5)
    with desk.database.reading() as session:
        (row,) = session.scalars(select(LabelRow))
    assert row.weight == pytest.approx(1 / chance) and row.largest == pytest.approx(1 / floor)
    (shown,) = house.certificates()
    expected = EProcess.start(0.05, 0.05, shown.id).observe(False, floor / chance)
    assert shown.e_value == round(expected.e_value, 4)


def test_what_was_held_before_any_release_keeps_its_full_weight(desk: Desk) -> None:
    house = House(desk, certificate(), gate_mode="review_everything", audit_share=0.05)
    house.decide(house.ask()["answer_id"], "approve")
    with desk.database.reading() as session:
        (row,) = session.scalars(select(LabelRow))
    assert (row.weight, row.largest, row.looked) == (1.0, 1.0, "")


def test_one_may_try_every_day_and_a_single_look_uses_labels_up(desk: Desk) -> None:
    house = House(desk, None, gate_mode="certified")
    label(house, 0, 60)
    assert isinstance(house.certify(), NotCertifiable)
    refused = house.certify(looks="once")
    assert isinstance(refused, NotCertifiable) and refused.labels == 0, "they were looked at"
    label(house, 0, 12)
    made = house.certify()
    assert isinstance(made, Certificate) and (made.labels, made.test) == (72, "betting")
    label(house, 0, 59)
    single = house.certify(looks="once")
    assert isinstance(single, Certificate) and (single.labels, single.test) == (59, "binomial")
    again = house.certify(looks="once")
    assert isinstance(again, NotCertifiable) and again.labels == 0
    later = house.certify()
    assert isinstance(later, Certificate) and later.labels == 72


def test_the_plan_says_labels_and_days_in_plain_words(desk: Desk) -> None:
    house = House(desk, None, gate_mode="certified")

    def planned(minutes: float = 20.0) -> LabelPlan:
        maker = Certifier(desk.database, house.settings, house.gate.certificates)
        return plan_labels(maker, "main", "standard", 0.05, 0.05, minutes)

    empty = planned()
    assert (empty.labels, empty.more_labels, empty.days) == (0, 110, 6)
    assert empty.message.startswith("There are no labels yet. If none of the first is wrong, about")
    label(house, 0, 32)
    half = planned()
    assert (half.labels, half.first_test, half.errors, half.more_labels) == (32, 32, 0, 80)
    assert half.days == 4 and planned(80.0).days == 1
    assert "About 80 more labels" in half.message and "4 days" in half.message
    assert "about one day" in planned(80.0).message
    label(house, 0, 40)
    assert (planned().more_labels, planned().days) == (0, 0)
    assert house.certificates() == [], "a plan puts nothing in force"
    label(house, 60, 0)
    bad = planned()
    assert bad.more_labels is None and bad.days is None and "will not help" in bad.message


def test_one_wrong_label_is_no_reason_to_give_up(desk: Desk) -> None:
    house = House(desk, None, gate_mode="certified")
    maker = Certifier(desk.database, house.settings, house.gate.certificates)
    label(house, 1, 0)
    first = plan_labels(maker, "main", "standard", 0.05, 0.05, 20.0)
    assert (first.labels, first.errors, first.more_labels) == (1, 1, None)
    assert first.message.startswith("Wrong so far: 1 of 1; at most 5 % may be.")
    assert "will not help" not in first.message and "label on, 19 more" in first.message
    label(house, 2, 5)
    eight = plan_labels(maker, "main", "standard", 0.05, 0.05, 20.0)
    assert "3 of 8" in eight.message and "label on, 12 more" in eight.message
    tried = maker.tried("main", "standard", 0.05, 0.05)
    assert isinstance(tried, NotCertifiable) and "too few labels to tell" in tried.message
    label(house, 5, 7)
    twenty = plan_labels(maker, "main", "standard", 0.05, 0.05, 20.0)
    assert "more labels of this kind will not help" in twenty.message


def test_the_draw_keeps_its_share() -> None:
    found = [drawn("s", str(n), 0.05) for n in range(20_000)]
    assert abs(sum(found) / len(found) - 0.05) < 0.006
    assert not any(drawn("s", str(n), 0.0) for n in range(100))
    assert all(drawn("s", str(n), 1.0) for n in range(100))


# The running test


def reject_audits(house: House) -> int:
    """Ask and reject until nothing is released any more; returns how many went out."""
    for count in range(200):
        seen = house.ask()
        if seen["status"] != "released":
            return count
        house.decide(seen["answer_id"], "reject", reason="wrong")
    raise AssertionError("the gate never closed")


@pytest.mark.parametrize("own", [True, False])
def test_a_broken_promise_stops_releases_at_once_until_a_new_certificate(
    desk: Desk, own: bool
) -> None:
    house = House(desk, None if own else certificate(), audit_share=1.0)
    if own:
        certified(house)
    released = reject_audits(house)
    assert 2 <= released <= 60
    assert house.gate.mode(["main"]) == "review_everything"
    row = next(r for r in house.certificates() if r.state == "violated")
    assert (row.audits, row.e_value) == (released, None)
    switch_mode(desk.database, "provisional", "I know better", "olga", "main")
    assert house.ask()["status"] == "held"
    label(house, 0, 300)
    assert isinstance(house.certify(), Certificate)
    assert house.ask()["status"] == "released"
    with desk.database.reading() as session:
        kinds = set(session.scalars(select(AuditRow.kind)))
        assert audit.broken_audit_link(session) is None
    assert {"certificate_violated", "gate_mode", "withdrawn", "certified", "audit"} <= kinds


def test_the_running_test_starts_where_it_was_after_a_restart(desk: Desk) -> None:
    house = House(desk, certificate(), audit_share=1.0)
    for _ in range(2):
        house.decide(house.ask()["answer_id"], "approve")
    again = House(desk, certificate(), audit_share=1.0)
    again.decide(again.ask()["answer_id"], "approve")
    (row,) = again.certificates()
    expected = EProcess.start(0.05, 0.05, row.id)
    for _ in range(3):
        expected = expected.observe(False)
    assert (row.audits, row.e_value) == (3, round(expected.e_value, 4))


def test_a_damaged_running_test_fails_closed(desk: Desk) -> None:
    house = House(desk, certificate(), audit_share=1.0)
    house.decide(house.ask()["answer_id"], "approve")
    with desk.database.transaction() as session:
        row = session.scalars(select(CertificateRow)).one()
        row.process = {**row.process, "seen": 0}
    house.decide(house.ask()["answer_id"], "approve")
    assert house.ask()["status"] == "held"


# Every path


def test_no_path_leads_from_a_draft_to_its_asker_without_a_release_verdict_or_an_approval(
    database: Database, tmp_path: Path
) -> None:
    """All outcomes, task kinds and sequences of up to three steps, and what the asker sees; on a
    server database of up to two, which have each of its statements."""
    walk = Walk(database, settings_for(database.url, tmp_path))
    seen = set()
    for outcome in ("held", "released", "blocked"):
        for path, at in walk.states(outcome):
            view = walk.view(at)
            assert (view["answer"] is not None) == at.allowed, (outcome, path, view["status"])
            seen.add((outcome, view["status"]))
    assert seen == {
        ("held", "held"),
        ("held", "released"),
        ("held", "rejected"),
        ("released", "released"),
        ("released", "withdrawn"),
        ("blocked", "blocked"),
    }


STEPS = ("claim", "approve", "edit", "reject", "expire", "stale")


def paths() -> list[tuple[str, ...]]:
    one = [(a,) for a in STEPS]
    two = [(a, b) for a in STEPS for b in STEPS]
    three = [("claim", a, b) for a in STEPS for b in STEPS]
    return [(), *one, *two, *three]


@dataclass(frozen=True)
class At:
    """Where a path has led; ``allowed`` by the rules alone: whether the asker may see the answer.

    ``content`` is the hash that a reviewer signs; ``task_id`` "" where there is none.
    """

    answer_id: str
    task_id: str
    content: str
    allowed: bool
    open: bool
    claimed: bool = False


class Walk:
    """Answers of one passage, and steps that reviewers and time take with their tasks."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database, self.settings = database, settings
        corpus = Corpus(database)
        add_ready_document(corpus)
        self.passage, self.desk = only_passage(corpus), WireDesk(database, settings)

    def states(self, outcome: str) -> Iterator[tuple[tuple[str, ...], At]]:
        """Each path, and where it led; blocked answers have no task to step on."""
        wanted = [path for path in paths() if self.database.embedded or len(path) < 3]
        if outcome == "blocked":
            yield (), self.begin(outcome)
        elif self.database.embedded:
            yield from self._beyond((), self.begin(outcome), wanted)
        else:
            for path in wanted:
                yield path, reduce(self.step, path, self.begin(outcome))

    def _beyond(
        self, path: tuple[str, ...], at: At, wanted: list[tuple[str, ...]]
    ) -> Iterator[tuple[tuple[str, ...], At]]:
        """A path and those that go on from it, each from the database as the shorter one left it:
        a copy of the file costs less than the way there."""
        yield path, at
        further = [one for one in wanted if one[:-1] == path and one]
        if not further:
            return
        with closing(sqlite3.connect(":memory:")) as kept:
            self._copy_to(kept)
            for one in further:
                self._copy_from(kept)
                yield from self._beyond(one, self.step(at, one[-1]), wanted)

    def _copy_to(self, kept: sqlite3.Connection) -> None:
        with self.database.engine.connect() as connection:
            connection.connection.driver_connection.backup(kept)  # type: ignore[union-attr]

    def _copy_from(self, kept: sqlite3.Connection) -> None:
        with self.database.engine.connect() as connection:
            kept.backup(connection.connection.driver_connection)  # type: ignore[arg-type]

    def begin(self, outcome: str) -> At:
        """A new answer, with the task that it gets."""
        written = trail(self.passage, outcome)
        task_id = ""
        with self.database.transaction() as session:
            record = recording.write(session, written)
            if outcome != "blocked":
                for_what = "audit" if outcome == "released" else "held"
                task_id = open_task(session, record, self.settings, for_what)
        parts = written.draft_object(), written.evidence_objects()
        content = recording.content_hash(written.question, *parts, written.lineage)
        released = outcome == "released"
        return At(written.answer_id, task_id, content, released, bool(task_id))

    def view(self, at: At) -> dict[str, Any]:
        """What the asker sees."""
        with self.database.reading() as session:
            record = session.get_one(RecordRow, at.answer_id)
            return asdict(release.answer_view(session, record, [self.passage.id]))

    def step(self, at: At, step: str) -> At:
        """Take it, or be refused."""
        try:
            return self._taken(at, step)
        except CountersignError:
            assert step in ("approve", "edit", "reject", "claim", "stale")
            return at

    def _taken(self, at: At, step: str) -> At:
        if step == "claim":
            self.desk.claim(RITA, at.task_id)
            return replace(at, claimed=at.claimed or at.open)
        if step == "expire":
            with self.database.transaction() as session:
                row = session.get_one(ReviewTaskRow, at.task_id)
                row.expires_at = now() - timedelta(seconds=1)
            self.desk.expire_overdue()
            return replace(at, open=False)
        with self.database.reading() as session:
            fence = session.get_one(ReviewTaskRow, at.task_id).fence
        kind: Any = "approve" if step == "stale" else step
        text = "It is £350 [1]." if kind == "edit" else ""
        decision = Decision(kind, at.content, fence - (step == "stale"), "why", text)
        self.desk.decide(RITA, at.task_id, decision)
        assert at.open and at.claimed and step != "stale"
        return replace(at, allowed=step != "reject", open=False)


def test_the_modes_are_ordered_from_the_laxest(desk: Desk) -> None:
    assert MODES[0] == "off"
    assert MODES.index("review_everything") > MODES.index("certified")
    with desk.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(ReleaseRow)) == 0


# Drift


def record_answers(
    house: House, count: int, risk: float, similarity: float, outcome: str = "held"
) -> None:
    corpus = Corpus(house.desk.database)
    ids = [indexed.id for indexed in corpus.passages.indexable("hash-embedder")]
    passage = next(iter(corpus.passages.find(ids).values()))
    with house.desk.database.transaction() as session:
        for place in range(count):
            spread = (place % 50) / 1000
            entry = {
                "mode": "off", "certified": False, "provisional": False, "alpha": None,
                "delta": None, "asked": True, "collection": "main", "risk_class": "standard",
                "risk": risk + spread, "features": {"similarity": similarity + spread},
            }  # fmt: skip
            written = replace(trail(passage), gate=entry, outcome=outcome)
            recording.write(session, written)


def test_a_shift_raises_one_alarm_and_ends_the_collections_certificate(labelled: Desk) -> None:
    house = House(labelled, None, gate_mode="certified")
    certified(house, 0)
    monitors = DriftMonitors(labelled.database)
    record_answers(house, 300, 0.1, 0.6)
    record_answers(house, 120, 0.1, 0.6)
    assert monitors.check() == []
    record_answers(house, 200, 0.1, 0.3)
    raised = monitors.check()
    assert [(alarm.collection, alarm.monitor) for alarm in raised] == [
        ("main", "question_distance")
    ]
    assert monitors.check() == []
    assert monitors.alarms() == raised
    (row,) = house.certificates()
    assert row.state == "revoked" and row.reason.startswith("drift: question_distance")
    assert house.ask()["status"] == "held"
    assert monitors.clear("seen", "olga") == 1
    assert monitors.alarms() == []


def test_what_was_looked_at_alarms_no_more_and_another_change_does(desk: Desk) -> None:
    house = House(desk, None)
    record_answers(house, 300, 0.1, 0.6)
    record_answers(house, 200, 0.1, 0.3)
    monitors = DriftMonitors(desk.database)
    assert [alarm.monitor for alarm in monitors.check()] == ["question_distance"]
    monitors.clear("the new catalogue", "olga")
    assert monitors.check() == DriftMonitors(desk.database).check() == []
    record_answers(house, 300, 0.1, 0.3)
    assert monitors.check() == []
    record_answers(house, 200, 0.5, 0.3)
    assert [alarm.monitor for alarm in monitors.check()] == ["risk"]
    assert monitors.clear("another reader", "olga") == 1
    assert monitors.check() == []


def test_a_sudden_silence_is_an_alarm_of_the_service(desk: Desk) -> None:
    house = House(desk, None)
    record_answers(house, 300, 0.1, 0.6)
    record_answers(house, 150, 0.1, 0.6, outcome="abstained")
    raised = DriftMonitors(desk.database).check()
    assert [(alarm.collection, alarm.monitor) for alarm in raised] == [("", "abstention")]


def test_drift_is_seen_after_a_certificate_of_a_clock_that_was_ahead(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(desk, None, gate_mode="certified")
    with clock_off(monkeypatch, 5):
        certified(house)
        record_answers(house, 300, 0.1, 0.6)
    record_answers(house, 200, 0.1, 0.3)
    (raised,) = DriftMonitors(desk.database).check()
    assert (raised.collection, raised.monitor) == ("main", "question_distance")
    assert [row.state for row in house.certificates()] == ["revoked"]


@on_sqlite
def test_few_answers_raise_no_alarm(desk: Desk) -> None:
    house = House(desk, None)
    record_answers(house, 60, 0.1, 0.6)
    record_answers(house, 60, 0.9, 0.1)
    assert DriftMonitors(desk.database).check() == []


# The command line


def command(monkeypatch: pytest.MonkeyPatch, desk: Desk, *words: str, status: int = 0) -> Any:
    """One ``countersign gate`` command's JSON value."""
    monkeypatch.setenv("COUNTERSIGN_DATABASE_URL", desk.database.url)
    monkeypatch.setenv("COUNTERSIGN_DATA_DIR", str(desk.folder))
    done = CliRunner().invoke(commands, ["gate", *words, "--json"])
    assert done.exit_code == status, done.output
    return json.loads(done.stdout)


def test_the_gate_by_command(desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    house = House(desk, certificate())
    label(house, 1, 29)
    switched = command(monkeypatch, desk, "mode", "certified", "--reason", "we have labels")
    assert switched["mode"] == "certified"
    found = command(monkeypatch, desk, "status")
    assert (found["mode"], found["alarms"]) == ("certified", [])
    assert sum(row["count"] for row in found["labels"]) == 30
    refused = command(monkeypatch, desk, "certify", "--collection", "main", status=1)
    assert (refused["certified"], refused["code"]) == (False, "too_few_labels")
    page = tmp_path / "report.html"
    reported = command(monkeypatch, desk, "report", "--html", str(page), "--collection", "main")
    assert (reported["n"], reported["wrong"]) == (30, pytest.approx(1 / 30, abs=1e-4))
    assert "<svg" in page.read_text("utf-8")
    revoke = ("revoke", "--collection", "main", "--reason", "no")
    assert command(monkeypatch, desk, *revoke) == {"revoked": 0}
    assert command(monkeypatch, desk, "clear", "--reason", "none there") == {"cleared": 0}


@on_sqlite
@pytest.mark.parametrize(("alpha", "bounded"), [("0", False), ("-1", True), ("nan", True)])
def test_a_wrong_alpha_is_refused_by_command(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, alpha: str, bounded: bool
) -> None:
    add_ready_document(Corpus(database))
    monkeypatch.setenv("COUNTERSIGN_DATABASE_URL", database.url)
    monkeypatch.setenv("COUNTERSIGN_DATA_DIR", str(tmp_path))
    words = ["gate", "certify", "--collection", "main", "--alpha", alpha]
    done = CliRunner().invoke(commands, words)
    # A number out of the option's bounds is refused before the service is asked.
    assert done.exit_code == 2 if bounded else isinstance(done.exception, Invalid)
