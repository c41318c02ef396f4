"""A generator version that is tried: who drafts, what is recorded, and when it is stopped."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from app.answering.stages import Ask
from app.answering.trying import Trying, Version
from app.corpus.corpus import Corpus
from app.db import Database
from app.errors import Conflict, Invalid, NotFound
from app.gate.admission import Gate
from app.gate.certificates import Premises
from app.gate.tables import ShadowAnswerRow
from app.gate.trials import Trials, TrialView
from app.inference.model_server import OpenAIGenerator
from app.ports import Generator
from app.proof.erasure import Eraser
from app.records.tables import AuditRow
from app.serving.batcher import Concurrent
from cli.__main__ import app as commands
from guardrails.risk import NOBODY
from tests.conformance.generators import ModelServer, Reply, save_causal, tiny
from tests.integration.test_answering import ANN, Desk
from tests.integration.test_gate_service import LINEAGE, Measured, certificate, risk_model
from tests.trails import WireAnswerer, settings_for

EXCESS = "What is the excess for water damage, case {}?"


class Trial:
    """A desk with a version that can be tried beside the one in use."""

    def __init__(self, desk: Desk, generator: Generator, gate: Gate | None = None) -> None:
        self.desk, self.database = desk, desk.database
        self.trials = Trials(desk.database, ["next"], 0.05)
        settings = settings_for(desk.database.url, desk.folder, device="cpu")
        own = Gate(desk.database, settings, NOBODY, Premises(None, {"generator": generator.name}))
        models = {"embedder": "hash-embedder", "generator": generator.name}
        version = Version("next", Concurrent(generator.draft, 4), own, models)
        self.trying = Trying(desk.database, self.trials, {"next": version}, 30)
        self.answerer: WireAnswerer = desk.answerer(
            gate=gate, gate_mode="off" if gate is None else "provisional"
        )
        self.answerer.answerer._trying = self.trying

    def ask(self, first: int, count: int) -> list[dict[str, Any]]:
        """Questions with numbers from ``first`` on, one after the other."""
        asked = [Ask(EXCESS.format(n)) for n in range(first, first + count)]
        return [self.answerer.answer(ANN, one) for one in asked]

    def versions(self, answers: list[dict[str, Any]]) -> list[str]:
        """The version that each answer's record names; "" is the one in use."""
        records = [self.desk.record(one["answer_id"]) for one in answers]
        return [record.lineage.get("generator_version", "") for record in records]

    def now(self) -> TrialView:
        """The newest trial."""
        return self.trials.listed()[0]

    def settle(self) -> None:
        """Wait until the shadow has answered all."""
        self.trying._thread.shutdown(wait=True)
        self.trying._thread = ThreadPoolExecutor(1)

    def links(self) -> list[str]:
        with self.database.reading() as session:
            kinds = session.scalars(select(AuditRow.kind).order_by(AuditRow.number))
            return [kind for kind in kinds if kind.startswith("trial_")]


def served(server: ModelServer) -> OpenAIGenerator:
    return OpenAIGenerator(server.url, "served-model", None, timeout_s=60)


def test_a_canary_takes_its_share_and_its_records_name_it(
    database: Database, tmp_path: Path, server: ModelServer
) -> None:
    desk = Desk(database, tmp_path)
    desk.stock()
    trial = Trial(desk, served(server))
    assert trial.versions(trial.ask(0, 2)) == ["", ""]  # nothing is tried yet
    trial.trials.start("next", 0.5, "ola")
    answers = trial.ask(0, 12)
    versions = trial.versions(answers)
    assert set(versions) == {"", "next"}
    assert trial.versions(trial.ask(0, 12)) == versions  # the same request, the same version
    assert {answer["status"] for answer in answers} == {"released"}
    assert len(server.bodies) == 2 * versions.count("next")
    canary = desk.record(answers[versions.index("next")]["answer_id"])
    other = desk.record(answers[versions.index("")]["answer_id"])
    assert canary.lineage["generator"] == "served-model"
    assert other.lineage["generator"] == "quoting-generator"
    counted = trial.now().answers
    assert counted["tried"] == {"answers": 2 * versions.count("next")}
    assert counted["other"] == {"answers": 2 * versions.count("")}
    trial.trials.stop("ola", "seen enough")
    assert set(trial.versions(trial.ask(0, 12))) == {""}
    assert trial.links() == ["trial_started", "trial_stopped"]


def test_a_canary_that_fails_is_stopped_by_itself_and_no_asker_notices(
    small: Desk, server: ModelServer
) -> None:
    server.replies.extend([Reply(400)] * 200)
    trial = Trial(small, served(server))
    trial.trials.start("next", 0.5, "ola")
    answers = trial.ask(0, 36)
    assert {answer["status"] for answer in answers} == {"released"}
    assert set(trial.versions(answers)) == {""}  # the one in use wrote them all
    ended = trial.now()
    assert (ended.state, ended.reason) == ("rolled_back", "It fails more often.")
    assert ended.ended_by == "trial"
    tries = len(server.bodies)
    assert 7 <= tries < 26
    trial.ask(40, 4)
    assert len(server.bodies) == tries
    assert trial.links() == ["trial_started", "trial_rolled_back"]


def test_a_shadow_that_does_worse_is_stopped_and_nobody_sees_what_it_wrote(
    small: Desk, tmp_path: Path
) -> None:
    # A real model that always writes of a notice period, whatever it is asked.
    trial = Trial(small, tiny(save_causal(tmp_path / "model")))
    trial.trials.start("next", 1.0, "ola", shadow=True)
    answers = trial.ask(0, 12)
    trial.settle()
    assert {answer["status"] for answer in answers} == {"released"}
    assert "notice period" not in json.dumps(answers)
    assert set(trial.versions(answers)) == {""}
    ended = trial.now()
    assert ended.state == "rolled_back"
    found = trial.trials.shadow_answers()
    assert 7 <= len(found) <= 12
    assert {one.version for one in found} == {"next"}
    assert found[-1].recorded != found[-1].draft
    settings = settings_for(small.database.url, small.folder)
    Eraser(small.database, settings, Corpus(small.database)).answer(found[0].answer_id, "ola")
    with small.database.reading() as session:
        assert session.get(ShadowAnswerRow, found[0].answer_id) is None


def test_a_shadow_that_is_as_good_goes_on_and_takes_no_part(
    small: Desk, server: ModelServer
) -> None:
    trial = Trial(small, served(server))
    trial.trials.start("next", 1.0, "ola", shadow=True)
    trial.ask(0, 12)
    trial.settle()
    assert trial.now().state == "running"
    assert trial.now().answers["tried"] == {"answers": 12}
    rehearsed = trial.answerer.rehearse(ANN, Ask(EXCESS.format(99)))
    trial.settle()
    assert "generator_version" not in rehearsed.lineage
    assert len(server.bodies) == 12


def test_a_canary_without_a_risk_model_is_held_and_not_blamed_for_that(
    small: Desk, server: ModelServer
) -> None:
    small.generator = Measured()
    settings = settings_for(small.database.url, small.folder, gate_mode="provisional")
    premises = Premises(certificate(threshold=0.95), LINEAGE)
    trial = Trial(small, served(server), Gate(small.database, settings, risk_model(), premises))
    trial.trials.start("next", 0.5, "ola")
    answers = trial.ask(0, 24)
    versions = trial.versions(answers)
    by_version = {
        name: {a["status"] for a, v in zip(answers, versions, strict=True) if v == name}
        for name in set(versions)
    }
    assert by_version == {"next": {"held"}, "": {"released"}}
    gate = small.record(answers[versions.index("next")]["answer_id"]).gate or {}
    assert (gate["risk"], gate["admitted"]) == (1.0, False)
    assert trial.now().state == "running"


def test_what_cannot_be_tried_is_refused(small: Desk, server: ModelServer) -> None:
    trials = Trial(small, served(server)).trials
    with pytest.raises(NotFound, match="'other'"):
        trials.start("other", 0.1, "ola")
    for share in (0.0, 1.5, float("nan")):
        with pytest.raises(Invalid):
            trials.start("next", share, "ola")
    with pytest.raises(NotFound):
        trials.stop("ola", "")
    trials.start("next", 0.1, "ola")
    with pytest.raises(Conflict, match="stop it first"):
        trials.start("next", 0.2, "ola")
    # A process whose settings do not name the version answers as before.
    elsewhere = Trials(small.database, ["another"], 0.05)
    with small.database.reading() as session:
        assert elsewhere.running(session) is None


def test_the_commands(small: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = json.dumps({"next": {"generator": "seq2seq", "generator_beams": 2}})
    monkeypatch.setenv("COUNTERSIGN_GENERATOR_VERSIONS", versions)
    monkeypatch.setenv("COUNTERSIGN_DATABASE_URL", small.database.url)

    def told(*words: str) -> Any:
        done = CliRunner().invoke(commands, ["canary", *words, "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.output)

    assert told("start", "next", "--share", "0.2", "--shadow")["state"] == "running"
    assert [one["version"] for one in told("status")] == ["next"]
    assert told("answers") == []
    assert told("stop", "--reason", "enough")["reason"] == "enough"
    assert CliRunner().invoke(commands, ["canary", "stop"]).exit_code == 1
