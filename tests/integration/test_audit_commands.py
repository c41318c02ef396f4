"""``countersign audit`` and ``countersign erase``, as an operator runs them."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from app.answering.answerer import Ask
from app.db import Database
from cli.__main__ import app as commands
from tests.integration.test_answering import ANN, COVERAGE, EXCESS, Desk
from tests.integration.test_audit import check

Command = Any


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    built = Desk(database, tmp_path)
    built.stock()
    return built


@pytest.fixture
def run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Command:
    """One command's JSON value; it must end with that status."""
    monkeypatch.setenv("COUNTERSIGN_DATABASE_URL", desk.database.url)
    monkeypatch.setenv("COUNTERSIGN_DATA_DIR", str(desk.folder))
    monkeypatch.setenv("COUNTERSIGN_DEVICE", "cpu")

    def run(*words: str, status: int = 0) -> Any:
        done = CliRunner().invoke(commands, [*words, "--json"])
        assert done.exit_code == status, (done.output, done.exception)
        return json.loads(done.stdout)

    return run


def edit(database: Database, statement: str) -> None:
    with database.transaction() as session:
        session.execute(text(statement))


def test_verify_sign_and_export(desk: Desk, run: Command, tmp_path: Path) -> None:
    answer_id = desk.ask(EXCESS)["answer_id"]
    desk.ask(COVERAGE)
    assert run("audit", "verify")["checkpoint"] is None
    kept = tmp_path / "elsewhere" / "kept.json"
    kept.parent.mkdir()
    signed = run("audit", "checkpoint", "--out", str(kept))
    told = run("audit", "verify")
    assert (told["sound"], told["checkpoint"]) == (True, signed["number"])
    key = run("audit", "rotate")["key"]
    assert key != signed["key"]
    assert run("audit", "verify", "--checkpoint", str(kept))["problems"] == []
    assert run("audit", "seal") == {"sealed": 0}
    out = tmp_path / "elsewhere" / "proof.json"
    for words in (("audit", "export"), ("export",)):
        assert run(*words, answer_id, "--out", str(out))["sound"]
        proof = json.loads(out.read_text("utf-8"))
        assert check(tmp_path / "elsewhere", proof)[0] == 0
    edit(desk.database, "UPDATE releases SET released_by = 'reviewer'")
    found = run("audit", "verify", status=2)
    assert [problem["where"] for problem in found["problems"]] == ["releases"]
    edit(desk.database, "DELETE FROM audit_log")
    edit(desk.database, "UPDATE audit_head SET number = 0, sha256 = ''")
    again = run("audit", "verify", "--checkpoint", str(kept), status=2)["problems"]
    assert {"checkpoint", "records", "releases"} <= {problem["where"] for problem in again}
    kept.write_text(kept.read_text("utf-8").replace(signed["at"], "2000-01-01"), "utf-8")
    done = CliRunner().invoke(commands, ["audit", "verify", "--checkpoint", str(kept)])
    assert getattr(done.exception, "code", "") == "audit_broken"


def test_people_see_what_does_not_fit(desk: Desk, run: Command) -> None:
    desk.ask(EXCESS)
    edit(desk.database, "UPDATE records SET outcome = 'held'")
    done = CliRunner().invoke(commands, ["audit", "verify"])
    assert done.exit_code == 2 and "records" in done.stdout


def test_nothing_is_erased_before_somebody_says_so(desk: Desk, run: Command) -> None:
    answer_id = desk.ask(EXCESS)["answer_id"]
    for kind, name in (("answer", answer_id), ("principal", "ann"), ("document", "any")):
        for said in ("n\n", ""):
            ended = CliRunner().invoke(commands, ["erase", kind, name], input=said)
            assert ended.exit_code == 1 and "for good?" in ended.stdout
        refused = CliRunner().invoke(commands, ["erase", kind, name, "--json"])
        assert getattr(refused.exception, "code", "") == "invalid"
    assert desk.answerer().view(ANN, answer_id)["answer"] is not None
    ended = CliRunner().invoke(commands, ["erase", "answer", answer_id], input="y\n")
    assert ended.exit_code == 0 and "Erased 1 answer" in ended.stdout
    assert desk.answerer().view(ANN, answer_id)["answer"] is None


def test_erase_by_command(desk: Desk, run: Command) -> None:
    first, second = (desk.ask(EXCESS)["answer_id"] for _ in range(2))
    assert run("erase", "answer", first, "--reason", "asked for it", "--yes")["answers"] == 1
    document = desk.shelf.ids["handbook.txt"]
    erased = run("erase", "document", document, "--no-compact", "--yes")
    assert (erased["documents"], erased["compacted"]) == (1, False)
    assert desk.answerer().view(ANN, second)["answer"] is None
    assert desk.ask(EXCESS)["status"] == "abstained"
    assert [one.state for one in desk.corpus.versions.all() if one.state != "failed"] == ["live"]
    assert run("erase", "principal", "ann", "--yes")["answers"] == 3
    assert desk.answerer().history(ANN, 5) == []
    assert run("audit", "verify")["sound"]
    assert desk.answerer().answer(ANN, Ask(EXCESS))["status"] == "abstained"
