"""Reviewers as processes that decide the same tasks at once, while some of them are killed."""

import os
import random
import secrets
import select as readiness
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from sqlalchemy import select

from app.access.principals import Principal
from app.answering.stages import Ask
from app.db import Database, migrate
from app.errors import AlreadyDecided, ClaimLost
from app.records import recording
from app.review.decisions import Decision
from app.review.desk import ReviewDesk
from app.review.tables import DecisionRow
from app.review.tasks import open_task
from app.review.views import DecisionKind
from app.settings import Settings
from benchmarks.invariants import broken_invariants
from benchmarks.kills import ASKER, QUESTION, House
from benchmarks.postgres import own_postgres

CLAIM_MINUTES = 0.05
"""What a killed reviewer held is free again after three seconds."""
PAGE = 40
KILLED_SHARE = 0.5
"""Of the reviewers, so many are killed once, and another process goes on under their name."""
IDLE_S = 0.5
KINDS: tuple[DecisionKind, ...] = ("approve", "reject", "edit")


@dataclass
class Worker:
    """One process, and what it has said so far."""

    name: str
    pid: int
    pipe: IO[bytes]
    said: list[str] = field(default_factory=list)


def measure_reviewers(
    reviewers: int, tasks: int, most_s: float = 600.0, seed: int = 0
) -> dict[str, Any]:
    """``reviewers`` processes decide ``tasks`` held answers on each database; some are killed.

    ``twice`` counts tasks whose decision was acknowledged to two reviewers, ``lost`` those that
    were acknowledged and are not there. null where no PostgreSQL is installed.
    """
    with tempfile.TemporaryDirectory(prefix="countersign-reviewers-") as name:
        url = f"sqlite:///{name}/c.db"
        embedded = _measured(url, Path(name), reviewers, tasks, most_s, seed)
        with own_postgres() as address:
            server = address and _measured(
                address, Path(name) / "server", reviewers, tasks, most_s, seed
            )
    return {"reviewers": reviewers, "tasks": tasks, "sqlite": embedded, "postgresql": server}


def _measured(
    url: str, folder: Path, reviewers: int, tasks: int, most_s: float, seed: int
) -> dict[str, Any]:
    settings = _prepare(url, folder, tasks)
    began, chance = time.monotonic(), random.Random(seed)
    ends = began + most_s
    workers = [_start(url, settings, f"reviewer-{n}", seed + n, ends) for n in range(reviewers)]
    victims = chance.sample(workers, round(KILLED_SHARE * reviewers))
    after = sorted(chance.uniform(0.1, 0.8) * tasks for _ in victims)
    killed = _watch(workers, list(zip(after, victims, strict=True)), url, settings, ends)
    seconds = time.monotonic() - began
    said = [line for worker in workers for line in worker.said]
    return {"killed": killed, "seconds": round(seconds, 1), **_compared(url, settings, said)}


def _prepare(url: str, folder: Path, tasks: int) -> Settings:
    """One document, and held answers over it, recorded and opened as the service does."""
    house = House(url, folder)
    migrate(house.database)
    house.files.mkdir(parents=True)
    (house.files / "water.txt").write_text("The excess for water damage is £500.", "utf-8")
    house.ingest()
    held = house.answerer.rehearse(ASKER, Ask(QUESTION))
    for first in range(0, tasks, 100):
        with house.database.transaction() as session:
            for number in range(first, min(first + 100, tasks)):
                question = f"{QUESTION} ({number})"
                trail = replace(held, answer_id=secrets.token_hex(16), question=question)
                open_task(session, recording.write(session, trail), house.settings)
    house.database.close()
    return house.settings.model_copy(update={"claim_minutes": CLAIM_MINUTES})


# The processes


def _start(url: str, settings: Settings, name: str, seed: int, ends: float) -> Worker:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _work(url, settings, name, random.Random(seed), writing, ends)
    os.close(writing)
    return Worker(name, pid, os.fdopen(reading, "rb", buffering=0))


def _work(
    url: str, settings: Settings, name: str, chance: random.Random, pipe: int, ends: float
) -> None:
    """In the child: decide until nothing waits; never returns."""
    status = 3
    try:  # whatever happens, the child must never go on as its parent
        desk = ReviewDesk(Database(url), settings)
        reviewer = Principal(name, frozenset({"reviewer"}))
        while time.monotonic() < ends:
            waiting = [one.task_id for one in desk.tasks(reviewer, "open", PAGE).tasks]
            if not waiting:
                status = 0
                break
            chance.shuffle(waiting)
            said = [_decide(desk, reviewer, task_id, chance) for task_id in waiting[:8]]
            os.write(pipe, "".join(f"{line}\n" for line in said).encode())
            if not any(line.startswith("decided") for line in said):
                time.sleep(IDLE_S)  # others hold what is left
    finally:
        os._exit(status)


def _decide(desk: ReviewDesk, reviewer: Principal, task_id: str, chance: random.Random) -> str:
    """One decision, half of the time with a claim before it; what came of it."""
    kind = chance.choice(KINDS)
    reason = "It is wrong." if kind == "reject" else ""
    text = "The excess for water damage is £500 [1]." if kind == "edit" else ""
    try:
        fence = None
        if chance.random() < 0.5:
            fence = desk.claim(reviewer, task_id).fence
        seen = desk.task(reviewer, task_id)
        decision = Decision(kind, seen.content_sha256, fence, reason, text)
        desk.decide(reviewer, task_id, decision)
    except (AlreadyDecided, ClaimLost) as error:
        return f"late {task_id} {error.code}"
    return f"decided {task_id} {kind} {reviewer.name}"


def _watch(
    workers: list[Worker],
    victims: list[tuple[float, Worker]],
    url: str,
    settings: Settings,
    ends: float,
) -> int:
    """Read what the processes say until all have ended; kill the victims, and start others."""
    open_pipes = {worker.pipe.fileno(): worker for worker in workers}
    decided, killed, unfinished = 0, 0, {worker.pid: b"" for worker in workers}
    while open_pipes:
        for number in readiness.select(list(open_pipes), [], [], 1.0)[0]:
            worker = open_pipes[number]
            data = os.read(number, 65_536)
            if not data:
                os.waitpid(open_pipes.pop(number).pid, 0)
                continue
            *lines, unfinished[worker.pid] = (unfinished[worker.pid] + data).split(b"\n")
            worker.said += [line.decode() for line in lines]
            decided += sum(line.startswith(b"decided") for line in lines)
        while victims and decided >= victims[0][0]:
            victim = victims.pop(0)[1]
            if victim.pipe.fileno() in open_pipes:
                os.kill(victim.pid, signal.SIGKILL)
                killed += 1
                again = _start(url, settings, victim.name, killed + 1000, ends)
                workers.append(again)
                open_pipes[again.pipe.fileno()], unfinished[again.pid] = again, b""
    return killed


# What is compared


def _compared(url: str, settings: Settings, said: Sequence[str]) -> dict[str, Any]:
    told = [line.split(" ") for line in said if line.startswith("decided")]
    acknowledged = {task_id: (kind, name) for _, task_id, kind, name in told}
    database = Database(url)
    try:
        with database.reading() as session:
            rows = session.execute(
                select(DecisionRow.task_id, DecisionRow.kind, DecisionRow.reviewer)
            )
            stored = {row[0]: (row[1], row[2]) for row in rows}
        broken = Counter(one.kind for one in broken_invariants(database, settings))
        left = ReviewDesk(database, settings).count_open()
    finally:
        database.close()
    times = Counter(task_id for _, task_id, _, _ in told)
    return {
        "decided": len(stored),
        "acknowledged": len(acknowledged),
        "raced": sum(line.startswith("late") for line in said),
        "twice": sum(n > 1 for n in times.values()) + broken["doubled"],
        "lost": sum(stored.get(key) != value for key, value in acknowledged.items())
        + broken["lost"]
        + broken["unsigned"],
        "chain_broken": broken["chain"],
        "open": left,
        "by_kind": dict(Counter(kind for kind, _ in stored.values())),
    }
