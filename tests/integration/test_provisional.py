"""Wherever an answer stands that was released under the provisional certificate, it says so."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app.access.service import Access
from app.db import Database
from app.review.gold import add_gold_answer
from cli.__main__ import app as commands
from cli.output import console
from cli.serve import _print_answer
from tests.integration.test_answering import EXCESS, Desk
from tests.integration.test_gate_service import House, certificate, certified
from tests.integration.test_probes import RAJ, Quiz
from tests.integration.test_streaming import TwoSentences, client
from tests.site import events

PEOPLE = {"ann": ["asker"], "rita": ["reviewer"], "olga": ["operator"]}
QUESTION = {"question": EXCESS}


@dataclass
class Site:
    """The service over HTTP, where every released answer is audited."""

    house: House
    http: TestClient
    keys: dict[str, str]

    def call(self, name: str, method: str, path: str, **request: Any) -> Any:
        bearer = {"Authorization": f"Bearer {self.keys[name]}", "Accept": "application/json"}
        headers = {**bearer, **request.pop("headers", {})}
        response = self.http.request(method, path, headers=headers, **request)
        assert response.status_code == 200, response.text
        return response

    def ask(self, **headers: str) -> Any:
        return self.call("ann", "POST", "/v1/ask", json=QUESTION, headers=headers)


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    built = Desk(database, tmp_path, generator=TwoSentences())
    built.stock()
    return built


@pytest.fixture
def site(desk: Desk) -> Iterator[Site]:
    house = House(desk, certificate(), audit_share=1.0)
    with client(desk, house.answerer) as http:
        access = Access(desk.database, house.settings)
        for name in ("rita", "olga"):
            access.accounts.create(name, PEOPLE[name])
        yield Site(house, http, {name: access.keys.create(name).key for name in PEOPLE})


@pytest.fixture
def by_command(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_DATABASE_URL", desk.database.url)
    monkeypatch.setenv("COUNTERSIGN_DATA_DIR", str(desk.folder))
    monkeypatch.setattr(console, "width", 300)


def run(*words: str) -> str:
    done = CliRunner().invoke(commands, words)
    assert done.exit_code == 0, done.output
    return done.output


def answers_of(site: Site) -> list[dict[str, Any]]:
    """One answer by each way that leads to an asker."""
    first = site.ask().json()
    streamed = events(site.ask(Accept="text/event-stream").text)
    path = f"/v1/answers/{first['answer_id']}"
    followed = events(site.call("ann", "GET", f"{path}/events").text)
    return [
        first,
        *(data for name, data in (*streamed, *followed) if name == "answer"),
        *(site.ask(**{"Idempotency-Key": "one"}).json() for _ in range(2)),
        site.call("ann", "GET", path).json(),
        *site.call("ann", "GET", "/v1/answers").json()["answers"],
    ]


def test_every_response_with_an_answer_says_provisional(site: Site) -> None:
    found = answers_of(site)
    assert len(found) == 9
    assert {(one["status"], one["gate"]["provisional"]) for one in found} == {("released", True)}
    streamed = events(site.ask(Accept="text/event-stream").text)
    sentences = [data for name, data in streamed if name == "sentence"]
    assert [one["provisional"] for one in sentences] == [True]


def test_every_review_task_says_provisional(site: Site) -> None:
    released = site.ask().json()["answer_id"]
    site.house.generator.margin = 0.0
    assert site.ask().json()["status"] == "held"
    tasks = site.call("rita", "GET", "/v1/reviews").json()["tasks"]
    assert [task["provisional"] for task in tasks] == [True, True]
    (audit,) = [task["task_id"] for task in tasks if task["answer_id"] == released]
    path = f"/v1/reviews/{audit}"
    assert site.call("rita", "GET", path).json()["provisional"]
    claimed = site.call("rita", "POST", f"{path}/claim").json()
    assert claimed["provisional"]
    body = {"kind": "approve", **{n: claimed[n] for n in ("content_sha256", "fence")}}
    assert site.call("rita", "POST", f"{path}/decision", json=body).json()["provisional"]
    gate = site.call("olga", "GET", "/v1/gate").json()
    (row,) = gate["certificates"]
    assert (gate["provisional"]["provisional"], row["certificate"]["provisional"]) == (True, True)
    assert row["state"] == "live"
    # It has a row now, and is provisional as before.
    again = site.call("rita", "GET", "/v1/reviews?state=all").json()["tasks"]
    assert [task["provisional"] for task in again] == [True, True]


def test_a_gold_item_says_what_the_tasks_beside_it_say(desk: Desk) -> None:
    quiz = Quiz(desk, gate_mode="provisional", gold_share=1.0, audit_share=1.0)
    add_gold_answer(desk.database, quiz.first(), wrong=False, by="olga")
    quiz.ask()
    tasks = quiz.tasks(RAJ)
    assert [task["provisional"] for task in tasks] == [True, True]
    assert [quiz.reviews.task(RAJ, task["task_id"])["provisional"] for task in tasks] == [True] * 2


@pytest.mark.usefixtures("by_command")
def test_every_command_that_shows_an_answer_says_provisional(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = site.ask().json()
    _print_answer(answer)
    said = "provisional: nothing was measured on these documents"
    shown = " ".join(capsys.readouterr().out.split())
    assert said in shown and "%" not in shown
    (task,) = site.call("rita", "GET", "/v1/reviews").json()["tasks"]
    assert "provisional certificate" in run("review", "list")
    assert "provisional certificate" in run("review", "show", task["task_id"])
    assert json.loads(run("review", "show", task["task_id"], "--json"))["provisional"]
    out = tmp_path / "proof.json"
    run("export", answer["answer_id"], "--out", str(out))
    assert json.loads(out.read_text("utf-8"))["record"]["gate"]["provisional"] is True
    run("review", "approve", task["task_id"], "--yes")
    assert "provisional" in run("gate", "status").split("Certificates")[1].split("Labels")[0]


@pytest.mark.usefixtures("by_command")
def test_under_a_certificate_of_ones_own_nothing_says_provisional(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    certified(site.house)
    found = [one for one in answers_of(site) if one["question"] == EXCESS]
    assert {(one["status"], one["gate"]["provisional"]) for one in found} == {("released", False)}
    streamed = events(site.ask(Accept="text/event-stream").text)
    assert not any(data["provisional"] for name, data in streamed if name == "sentence")
    tasks = site.call("rita", "GET", "/v1/reviews").json()["tasks"]
    assert tasks and not any(task["provisional"] for task in tasks)
    assert "provisional" not in run("review", "list")
    _print_answer(found[0])
    shown = " ".join(capsys.readouterr().out.split())
    assert "certified: at most 5.0%" in shown and "provisional" not in shown
