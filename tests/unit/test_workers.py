"""Several processes: their share of the cores, what they count together, and when one ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.inference.device import cpu_threads
from app.settings import PROJECT, Settings
from app.telemetry import SHARED_METRICS
from app.wiring import Services
from cli import workers

COUNT = """
import sys
from app.telemetry import Telemetry
telemetry = Telemetry()
telemetry.answers.labels("released").inc(int(sys.argv[1]))
telemetry.running.inc(2)
telemetry.passages.set(int(sys.argv[1]))
telemetry.stages.labels("judging").observe(0.02)
print(telemetry.exposition().decode())
"""


def counted(folder: Path, number: int) -> dict[str, float]:
    """What a process exposes that has counted so much, and has ended since."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT, str(number)],
        env={**os.environ, "PYTHONPATH": str(PROJECT), SHARED_METRICS: str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in done.stdout.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_each_process_exposes_the_metrics_of_all(tmp_path: Path) -> None:
    counted(tmp_path, 3)
    told = counted(tmp_path, 4)
    assert told['countersign_answers_total{outcome="released"}'] == 7
    assert told['countersign_stage_seconds_count{stage="judging"}'] == 2
    assert told["countersign_index_passages"] == 4
    assert told["countersign_running_answers"] == 4


def test_what_a_dead_process_worked_on_no_longer_counts(tmp_path: Path) -> None:
    counted(tmp_path, 3)
    workers.forget_dead(tmp_path)
    told = counted(tmp_path, 4)
    assert told["countersign_running_answers"] == 2
    assert told['countersign_answers_total{outcome="released"}'] == 7


def test_processes_share_the_cores_unless_it_is_said() -> None:
    assert workers.share_of(Settings(), 1).model_threads == cpu_threads()
    assert workers.share_of(Settings(), 64).model_threads == max(1, cpu_threads() // 64)
    assert workers.share_of(Settings(model_threads=3), 2).model_threads == 3


@pytest.mark.parametrize("ends", ["a thread has stopped", "the parent has gone", ""])
def test_a_process_ends_itself_when_it_should(ends: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(workers, "LOOK_EVERY_S", 0.01)
    dead = ["drafts"] if "thread" in ends else []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))
    parents = iter([1, 2 if "parent" in ends else 1])
    monkeypatch.setattr(os, "getppid", lambda: next(parents, 1))
    try:
        with workers.minded(cast(Services, SimpleNamespace(dead=lambda: dead))):
            signal.sigtimedwait([], 0.2)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert told == ([signal.SIGTERM] if ends else [])
