"""Random days of an installation, with kills, failing disks and wrong clocks: no promise breaks.

`make simulate` runs thousands of seeds, `make simulate SEED=n` one of them again.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from io import BytesIO
from typing import Any

import pytest
from fastapi import UploadFile
from sqlalchemy import func, select

from app.answering import answerer
from app.answering.stages import Ask
from app.api import documents
from app.api.requests import once
from app.errors import DependencyFailed
from app.gate.admission import Admission, Gate
from app.gate.modes import switch_mode
from app.records import recording
from app.records.audit import append_audit, newest_link
from app.records.tables import RecordRow
from app.records.views import AnswerView
from benchmarks.invariants import broken_invariants, left_over
from tests.simulation.actions import Actions
from tests.simulation.faults import Killed
from tests.simulation.run import recover, run
from tests.simulation.seeds import quiet, template
from tests.simulation.world import Ground, world

SEEDS = range(30)


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    quiet()
    with template() as folder:
        yield Ground(folder / "test", folder / "template.db")


@pytest.mark.simulation
@pytest.mark.timeout(900)
def test_no_seed_breaks_a_promise(ground: Ground) -> None:
    verdicts = [run(seed, ground) for seed in SEEDS]
    assert {f"make simulate SEED={v.seed}": v.wrong for v in verdicts if v.wrong} == {}
    outcomes = {name for verdict in verdicts for name in verdict.outcomes}
    # Else the days are too quiet to prove anything.
    assert {"released", "held", "blocked", "abstained", "approve decided"} <= outcomes
    assert {"edit decided", "reject decided", "expired"} <= outcomes
    assert sum(verdict.faults for verdict in verdicts) > 4 * len(SEEDS)


def test_a_seed_runs_the_same_way_again(ground: Ground) -> None:
    first, second = run(3, ground), run(3, ground)
    assert first.said == second.said and len(first.said) > 20


# What it found once


def test_an_upload_in_doubt_keeps_its_file(actions: Actions) -> None:
    """The commit went through, but nobody was told so."""
    olga, services = actions.who("olga"), actions.services()
    file = UploadFile(BytesIO(b"The excess for fire damage is 700 pounds."), filename="fire.txt")
    actions.world.faults.arm_at("error", 2, " commit")
    with pytest.raises(DependencyFailed):
        documents.add(file, "main", services, olga)
    actions.world.faults.disarm()
    recover(actions)
    page = actions.process.corpus.documents.page(["main"])
    assert {one.source.rsplit("/")[-1]: one.state for one in page.documents}["fire.txt"] == "ready"


def test_a_key_makes_one_answer_wherever_its_process_is_killed(actions: Actions) -> None:
    process, faults = actions.process, actions.world.faults
    asked = Ask("What is the excess for water damage?")

    def ask_with(key: str) -> str:
        process, who = actions.process, actions.who("ann")
        ask = partial(process.answerer.answer, who, asked)
        view = once(process.access, who, key, 1, ask, lambda made: process.answerer.view(who, made))
        return view.answer_id

    for number in range(1, 20):
        before = count_records(actions)
        faults.arm_at("kill", number, " commit")
        try:
            ask_with(f"key {number}")
        except Killed:
            actions.world.restart()
        else:
            break
        actions.world.clock.wait(3600)
        answers = {ask_with(f"key {number}") for _ in range(2)}
        assert (len(answers), count_records(actions)) == (1, before + 1)
    assert number > 4  # before and after the commits of the key and of the answer
    assert process is not actions.process


def count_records(actions: Actions) -> int:
    with actions.process.database.reading() as session:
        return session.scalar(select(func.count()).select_from(RecordRow)) or 0


# It can fail: a service that forgets a check is found out


@pytest.fixture
def actions(ground: Ground) -> Iterator[Actions]:
    """A world in the mode off with one document."""
    with world(0, ground) as made:
        actions = Actions(made)
        ingest(actions, "The excess for water damage is £350.")
        switch_mode(made.process.database, "off", "a test", "olga")
        yield actions


def ingest(actions: Actions, text: str) -> None:
    folder = actions.world.files / "main"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "water.txt").write_text(text, "utf-8")
    actions.process.pipeline.ingest([folder / "water.txt"], "main")


def ask(actions: Actions, meanwhile: Callable[[], None] | None = None) -> AnswerView:
    actions.process.writer.meanwhile = meanwhile
    asked = Ask("What is the excess for water damage?")
    return actions.process.answerer.answer(actions.who("ann"), asked)


def broken(actions: Actions) -> str:
    return "; ".join(map(str, broken_invariants(actions.process.database, actions.world.settings)))


def delete(actions: Actions) -> None:
    stored = actions.process.corpus.documents
    (found,) = stored.page(["main"]).documents
    stored.delete(found.document_id)


def test_an_honest_service_is_not_accused(actions: Actions) -> None:
    assert ask(actions).status == "released"
    assert ask(actions, lambda: delete(actions)).status == "abstained"
    assert broken(actions) == ""


def test_an_answer_from_a_deleted_source_is_found(
    actions: Actions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answerer, "_sources_stand", lambda *_read: True)
    assert ask(actions, lambda: delete(actions)).status == "released"
    assert "unsigned" in broken(actions) and "cites the deleted" in broken(actions)


def test_a_gate_that_lets_everything_out_is_found(
    actions: Actions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lax(_gate: Gate, _answer_id: str, held: Admission) -> Admission:
        return replace(held, admitted=True)

    switch_mode(actions.process.database, "review_everything", "a test", "olga")
    monkeypatch.setattr(Gate, "_admission", lax)
    assert ask(actions).status == "released"
    assert "the gate did not admit it" in broken(actions)


def test_a_text_that_nobody_released_is_found(actions: Actions) -> None:
    answer_id = ask(actions).answer_id
    with actions.process.database.transaction() as session:
        row = session.get_one(RecordRow, answer_id)
        row.question = "Is everything covered?"
    assert "is not what its link says" in broken(actions)


def test_an_index_that_is_left_behind_is_found(
    actions: Actions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "rmtree", lambda *_a, **_n: None)
    for number in range(4):
        ingest(actions, f"The excess for water damage is £{number}.")
    recover(actions)
    found = left_over(actions.process.database, actions.world.settings)
    assert any("index folders" in one.what for one in found)


def test_a_run_reports_a_service_that_forgets_its_links(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = append_audit

    def forgetful(session: Any, kind: str, event: dict[str, Any]) -> int:
        return newest_link(session) if kind == "recorded" else append(session, kind, event)

    monkeypatch.setattr(recording, "append_audit", forgetful)
    verdict = run(1, ground, each_step=True)
    assert any("has 0 links" in one for one in verdict.wrong)
    assert "asks" in verdict.said[-1]
