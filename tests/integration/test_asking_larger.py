"""Hard questions and the larger generator: who drafts, what it may cost, and what is recorded."""

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from app.answering.asking_larger import AskingLarger
from app.answering.stages import Ask
from app.answering.trying import Trying, Version
from app.corpus.corpus import Corpus
from app.db import Database
from app.errors import SettingsInvalid
from app.gate.admission import NO_CERTIFICATE, Gate
from app.gate.certificates import Premises
from app.gate.certify import Certifier, _enforce
from app.gate.expected_gain import Cell
from app.gate.hard_questions import HardQuestions, LargerView, Route
from app.gate.labels import ONCE
from app.gate.tables import HardQuestionRow, LargerHourRow
from app.gate.trials import Trials
from app.inference.model_server import OpenAIGenerator
from app.ports import Drafting, DraftRequest
from app.proof.erasure import Eraser
from app.records import audit
from app.records.tables import RecordRow
from app.serving.batcher import Concurrent
from app.settings import GeneratorVersion
from app.wiring import Services, build_services
from cli.__main__ import app as commands
from guardrails.contract import Case, Finding, Outcome
from guardrails.gate.certificate import Certificate
from guardrails.risk import NOBODY, RiskModel
from tests.conformance.generators import ModelServer, Reply
from tests.fakes import ScriptedCheck
from tests.integration.test_answering import ANN, Desk
from tests.integration.test_gate_service import MAIN, House, Measured, certificate
from tests.trails import settings_for

EXCESS = "What is the excess for water damage, case {}?"
COUNT = "How many days is the excess for water damage, case {}?"
AFTER_QUOTING = "served-model after quoting-generator"
SURE, UNSURE = 1.0, 0.0
"""Margins of the first draft: it goes out, or the gate holds it."""


class Larger:
    """A house whose hard questions a larger generator is asked, behind a real model server."""

    def __init__(
        self,
        desk: Desk,
        drafting: Drafting,
        *checks: ScriptedCheck,
        budget: float = 60.0,
        risk: RiskModel = NOBODY,
        deadline_s: float = 30.0,
    ) -> None:
        self.house = House(desk, certificate(), deadline_s=deadline_s)
        self.desk, self.database = desk, desk.database
        premises = Premises(None, {"generator": AFTER_QUOTING})
        self.gate = own = Gate(desk.database, self.house.settings, risk, premises)
        models = {"embedder": "hash-embedder", "generator": "served-model"}
        version = Version("large", drafting, own, models)
        self.hard = HardQuestions(desk.database, AFTER_QUOTING, budget)
        self.trials = Trials(desk.database, ["large"], 0.05)
        chosen: dict[str, Any] = {"gate_mode": "provisional", "deadline_s": deadline_s}
        self.house.answerer = desk.answerer(
            *checks, generator=self.house.generator, gate=self.house.gate, **chosen
        )
        answerer = self.house.answerer.answerer
        answerer._trying = Trying(desk.database, self.trials, {"large": version}, deadline_s)
        answerer._larger = AskingLarger(
            desk.database, self.hard, version, self.house.gate, lambda *_: 1.0, deadline_s
        )

    def ask(self, margin: float, *numbers: int, question: str = EXCESS) -> list[dict[str, Any]]:
        return [self.house.ask(margin, question.format(n)) for n in numbers]

    def routes(self, answers: Sequence[dict[str, Any]]) -> list[str]:
        """What became of asking the larger one; "" where the question was not hard."""
        gates = [self.desk.record(one["answer_id"]).gate or {} for one in answers]
        return [gate.get("route", {}).get("outcome", "") for gate in gates]

    def versions(self, answers: Sequence[dict[str, Any]]) -> list[str]:
        records = [self.desk.record(one["answer_id"]) for one in answers]
        return [record.lineage.get("generator_version", "") for record in records]

    def counted(self, outcome: str) -> float:
        registry = self.house.answerer.answerer._telemetry.registry
        name = "countersign_hard_questions_total"
        return registry.get_sample_value(name, {"outcome": outcome}) or 0.0

    def view(self) -> LargerView:
        return self.hard.view("large")

    def rows(self) -> int:
        with self.database.reading() as session:
            return session.scalar(select(func.count()).select_from(HardQuestionRow)) or 0


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    built = Desk(database, tmp_path)
    built.stock()
    return built


def served(server: ModelServer) -> Concurrent[DraftRequest, Any]:
    generator = OpenAIGenerator(server.url, "served-model", None, timeout_s=60)
    return Concurrent(generator.draft, 8)


def test_only_hard_questions_go_to_the_larger_one_and_its_drafts_wait_for_a_reviewer(
    desk: Desk, server: ModelServer
) -> None:
    larger = Larger(desk, served(server))
    easy = larger.ask(SURE, *range(8))
    assert {one["status"] for one in easy} == {"released"}
    assert (set(larger.routes(easy)), server.bodies, larger.rows()) == ({""}, [], 0)

    hard = larger.ask(UNSURE, *range(8))
    assert {one["status"] for one in hard} == {"held"}
    routes = larger.routes(hard)
    assert set(routes) <= {"stood", "not_asked"}
    stood = routes.count("stood")
    assert 5 <= stood == len(server.bodies) == larger.counted("stood") == larger.view().spent
    assert larger.versions(hard) == ["large" if one == "stood" else "" for one in routes]
    assert larger.routes(larger.ask(UNSURE, *range(8))) == routes  # the same request, the same way
    record = desk.record(hard[routes.index("stood")]["answer_id"])
    gate = record.gate or {}
    assert record.lineage["generator"] == "served-model"
    # Nothing was measured of the larger one: its risk is unknown, and the record says why it wrote.
    assert (gate["risk"], gate["admitted"], gate["certificate"]) == (1.0, False, "")
    told = gate["route"]
    assert (told["version"], told["group"], told["kind"]) == ("large", "gate:3", "fact")
    assert told["cost"] == 1.0 and told["gain"] > 0 and 0.9 < told["chance"] < 1
    with desk.database.reading() as session:
        assert audit.broken_audit_link(session) is None


@pytest.mark.parametrize("reply", [Reply(400), Reply(500), Reply(hang=True)])
def test_a_larger_one_that_fails_or_is_late_leaves_the_first_draft(
    small: Desk, server: ModelServer, reply: Reply
) -> None:
    server.replies.extend([reply] * 20)
    larger = Larger(small, served(server), deadline_s=6.0 if reply.hang else 120.0)
    began = time.monotonic()
    answers = larger.ask(UNSURE, 0, 1)
    assert time.monotonic() - began < 2 * 6 if reply.hang else True
    assert {one["status"] for one in answers} == {"held"}
    assert set(larger.versions(answers)) == {""}
    assert "failed" in larger.routes(answers)
    # A failure is paid, and teaches nothing.
    view = larger.view()
    assert view.spent == larger.counted("failed") > 0
    assert {cell.known_asked for cell in view.cells} == {0}


def test_a_draft_that_the_checks_say_worse_of_does_not_stand(
    small: Desk, server: ModelServer
) -> None:
    def of_the_larger(case: Case) -> list[Finding]:
        drafted = case.draft is not None and case.draft.model != "quoting-generator"
        return [Finding("scripted", Outcome.FAIL if drafted else Outcome.PASS, "Doubtful.")]

    larger = Larger(small, served(server), ScriptedCheck(of_the_larger))
    answers = larger.ask(UNSURE, *range(6))
    assert "first_stood" in larger.routes(answers)
    assert set(larger.versions(answers)) == {""}
    said = [one for a in answers for one in small.record(a["answer_id"]).findings]
    assert {one["outcome"] for one in said if one["check"] == "scripted"} == {"pass"}


def test_an_hour_costs_no_more_than_its_budget_whatever_processes_there_are(
    desk: Desk, server: ModelServer
) -> None:
    larger = Larger(desk, served(server), budget=2)
    answers = larger.ask(UNSURE, *range(12))
    assert len(server.bodies) == 2
    assert "spent" in larger.routes(answers)
    elsewhere = [HardQuestions(desk.database, "b after a", 20) for _ in range(4)]
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(lambda n: elsewhere[n % 4].claim(1.0), range(40)))
    assert sum(taken) == 18  # of twenty, two were taken before
    with desk.database.reading() as session:
        assert session.scalars(select(LargerHourRow.spent)).all() == [20.0]


def test_it_learns_from_what_reviewers_decide(desk: Desk, server: ModelServer) -> None:
    larger = Larger(desk, served(server), budget=1000)
    answers = larger.ask(UNSURE, *range(20)) + larger.ask(UNSURE, *range(20), question=COUNT)
    before = {cell.kind: cell for cell in larger.view().cells}
    assert {kind: cell.known_asked for kind, cell in before.items()} == {"fact": 0, "count": 0}
    for one in answers:
        record = desk.record(one["answer_id"])
        asked = (record.gate or {})["route"]["outcome"] == "stood"
        good = asked == ("How many" not in record.question)
        if good:
            larger.house.decide(one["answer_id"], "approve")
        else:
            larger.house.decide(one["answer_id"], "reject", reason="No.")
    after = {cell.kind: cell for cell in larger.view().cells}
    assert after["fact"].known_asked + after["fact"].known_without == 20
    assert after["fact"].gain > before["fact"].gain
    assert after["count"].gain < 0 < after["fact"].gain
    assert (after["count"].chance, after["fact"].chance) == (0.05, 0.95)
    # Other generators are another pair: nothing is known of them.
    assert HardQuestions(desk.database, "m after quoting-generator", 9).view("large").cells == []


def test_its_certificate_is_of_hard_questions_and_leaves_that_of_the_other_in_force(
    small: Desk,
) -> None:
    model = {
        "needs": ["margin"],
        "terms": [{"feature": "margin", "knots": [5.0, 9.0], "values": [1.0, 0.0]}],
        "calibration": {"knots": [0.0, 1.0], "values": [0.02, 0.9]},
    }
    risk = RiskModel.parse({"format": 1, "generators": {"served-model": model}})
    larger = Larger(small, Measured("served-model"), budget=1000, risk=risk)
    of_all = certificate(provisional=False)
    of_the_same = replace(of_all, lineage={"generator": "served-model"})
    with small.database.transaction() as session:
        _enforce(session, MAIN, of_the_same, "ola", {})  # asked everything, it may have been good
        _enforce(session, MAIN, of_all, "ola", {})
    answers = larger.ask(UNSURE, *range(40))
    assert {one["status"] for one in answers} == {"held"}
    for one, route in zip(answers, larger.routes(answers), strict=True):
        if route == "stood":
            larger.house.decide(one["answer_id"], "approve")
    maker = Certifier(small.database, larger.house.settings, larger.gate.certificates)
    made = maker.certify("main", "standard", 0.2, 0.1, "ola", ONCE)
    assert isinstance(made, Certificate)
    assert made.lineage == {"generator": AFTER_QUOTING}
    (easy,) = larger.ask(SURE, 99)
    assert (easy["status"], easy["gate"]["certified"]) == ("released", True)
    hard = larger.ask(UNSURE, *range(40))
    went = {(route, one["status"]) for route, one in zip(larger.routes(hard), hard, strict=True)}
    assert went == {("stood", "released"), ("not_asked", "held")}
    gates = [small.record(one["answer_id"]).gate or {} for one in hard if one["answer"]]
    assert {gate["certificate"] for gate in gates} == {made.sha256}


def test_rehearsals_and_trials_leave_it_out_and_an_erasure_takes_what_was_noted(
    small: Desk, server: ModelServer
) -> None:
    larger = Larger(small, served(server))
    larger.house.generator.margin = UNSURE
    larger.house.answerer.rehearse(ANN, Ask(EXCESS.format(1)))
    larger.trials.start("large", 0.01, "ola")
    assert set(larger.routes(larger.ask(UNSURE, *range(4)))) == {""}
    larger.trials.stop("ola", "enough")
    # The trial itself may have asked it, with the chance of its share.
    assert (larger.rows(), larger.view().spent) == (0, 0.0)
    (seen,) = larger.ask(UNSURE, 5)
    assert larger.rows() == 1
    settings = settings_for(small.database.url, small.folder)
    Eraser(small.database, settings, Corpus(small.database)).answer(seen["answer_id"], "ola")
    assert larger.rows() == 0


def test_a_price_is_claimed_as_it_is_expected_and_corrected_by_what_it_was(small: Desk) -> None:
    hard = HardQuestions(small.database, "b after a", 0.05, 0.02, "price")
    (answer,) = Larger(small, small.generator).ask(SURE, 1)
    with small.database.reading() as session:
        route = hard.route(session, Cell("gate:3", "fact"))
    assert route.cost == 0.02
    assert hard.claim(route.cost)
    spent = Route(route.cell, route.chance, route.gain, "stood", 0.04, route.cost)
    with small.database.transaction() as session:
        hard.note(session, answer["answer_id"], spent)
    assert hard.view("large").spent == pytest.approx(0.04)
    assert not hard.claim(0.02)


# Real parts


@pytest.fixture
def with_seq2seq(services: Services) -> Iterator[Services]:
    """The reader first, and the shipped generator that writes for hard questions."""
    settings = services.settings.model_copy(
        update={
            "generator_versions": {"writer": GeneratorVersion(generator="seq2seq")},
            "larger_generator": "writer",
        }
    )
    built = build_services(settings)
    yield built
    built.close()


def test_the_reader_first_and_the_generator_that_writes_for_what_is_hard(
    with_seq2seq: Services,
) -> None:
    built = with_seq2seq
    built.warm_up()

    def asked(question: str) -> tuple[str, RecordRow, str]:
        seen = built.answerer.answer(ANN, Ask(question))
        with built.database.reading() as session:
            record = session.get_one(RecordRow, seen.answer_id)
        return seen.status, record, (record.gate or {}).get("route", {}).get("outcome", "")

    easy = asked("What is the excess for water damage?")
    assert (easy[0], easy[2]) == ("released", "")
    # The reader finds no answer. What the other one writes is wrong, and no gate decides here:
    # without a certificate for hard questions it goes to a reviewer all the same.
    status, record, outcome = asked("How fast do refunds come?")
    assert (status, outcome) == ("held", "stood")
    assert record.draft is not None and record.draft["text"] == "14 days [1]."
    assert record.lineage["generator_version"] == "writer"
    assert (record.gate or {})["reason"] == NO_CERTIFICATE
    status, record, outcome = asked("Who signs the cancellation form?")
    assert (status, outcome) == ("abstained", "first_stood")
    assert "generator_version" not in record.lineage


def test_the_command(small: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_DATABASE_URL", small.database.url)
    assert "names none" in CliRunner().invoke(commands, ["larger"]).output
    versions = json.dumps({"writer": {"generator": "seq2seq"}})
    monkeypatch.setenv("COUNTERSIGN_GENERATOR_VERSIONS", versions)
    monkeypatch.setenv("COUNTERSIGN_LARGER_GENERATOR", "writer")
    done = CliRunner().invoke(commands, ["larger", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert (found["version"], found["budget"], found["cells"]) == ("writer", 60.0, [])
    certify = ["gate", "certify", "--larger", "--collection", "main"]
    assert CliRunner().invoke(commands, certify).exit_code == 1  # not yet
    assert "spent this hour" in CliRunner().invoke(commands, ["larger"]).output


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"larger_generator": "other"}, "none of generator_versions"),
        ({"larger_generator": "writer", "larger_budget_unit": "price"}, "above 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(small: Desk, wrong: dict[str, Any], said: str) -> None:
    versions = {"writer": GeneratorVersion(generator="seq2seq")}
    settings = settings_for(small.database.url, small.folder, generator_versions=versions, **wrong)
    with pytest.raises(SettingsInvalid, match=said):
        build_services(settings)
