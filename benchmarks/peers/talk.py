"""How a system under comparison is run: a process that answers in rounds, asked over its pipes.

It runs in any environment, and imports nothing of ours. Lines are JSON: at the start
``{"ready": {...}}``, then for each ``{"users", "seconds", "questions"}`` on standard input one
``{"answered", "seconds", "cpu_s", "filled"}``.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

Answer = Callable[[str], str]


@dataclass(frozen=True)
class Task:
    """What is compared: rows {id, title, text}, the models' folders, and how many passages are
    read for an answer."""

    passages: Sequence[Mapping[str, str]]
    embedder: Path
    answer_model: Path
    read: int


def read_task(file: Path) -> Task:
    """The task that a file of JSON states."""
    told = json.loads(file.read_text("utf-8"))
    lines = Path(told["passages"]).read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return Task(rows, Path(told["embedder"]), Path(told["answer_model"]), told["read"])


def serve(build: Callable[[Task], Answer], version: str) -> None:
    """Build the system over the task named on the command line, then answer rounds."""
    out, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no reply
    answer = build(read_task(Path(sys.argv[1])))

    def reply(told: Mapping[str, Any]) -> None:
        print(json.dumps(told), file=out, flush=True)

    reply({"ready": {"version": version, "cpu_s": round(time.process_time(), 1)}})
    for line in sys.stdin:
        told = json.loads(line)
        reply(run_round(answer, told["questions"], told["users"], told["seconds"]))


def run_round(
    answer: Answer, questions: Sequence[str], users: int, seconds: float
) -> dict[str, float]:
    """``users`` ask again as soon as they are answered, until time or questions are over."""
    source, lock = iter(questions), Lock()
    began, cpu = time.perf_counter(), time.process_time()
    ends = began + seconds

    def use() -> list[str]:
        answers = []
        while time.perf_counter() < ends:
            with lock:
                question = next(source, None)
            if question is None:
                break
            answers.append(answer(question))
        return answers

    with ThreadPoolExecutor(users) as pool:
        answers = [one for own in pool.map(lambda _: use(), range(users)) for one in own]
    return {
        "answered": len(answers),
        "seconds": time.perf_counter() - began,
        "cpu_s": time.process_time() - cpu,
        "filled": sum(bool(one) for one in answers),
    }
