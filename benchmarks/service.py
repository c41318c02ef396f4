"""The service in a process of its own on this machine, and clients that cost it little."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import httpx

from app.access.service import Access
from app.errors import DependencyFailed, Overloaded
from app.files import read_rows
from app.settings import PROJECT, Settings
from app.wiring import open_database
from benchmarks.machine import cpu_seconds, memory_mb

START_S = 600
"""Longest time for the service to start, models and examples included."""
LATER_S = 60
"""After that long an answer is not waited for."""
ASK = (
    "POST /v1/ask HTTP/1.1\r\nHost: benchmark\r\nAuthorization: Bearer {}\r\n"
    "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}"
)
ASKERS = ("", "Please tell me: ", "I would like to know: ", "One question: ", "Hello! ", "Again: ")
MANNERS = ("", " Thanks.", " Thank you.", " Many thanks!", " Please be brief.", " It is urgent.")


@dataclass(frozen=True)
class Running:
    """A service that is ready: its port, its process, the key of an asker, and the CPU seconds
    and memory that it took to be ready."""

    port: int
    process: int
    key: str
    ready_cpu_s: float
    ready_mb: float


@dataclass(frozen=True)
class Told:
    """What one question was answered with (status 0: nothing in time), and after how many
    milliseconds from when it was due."""

    status: int
    milliseconds: float


@contextmanager
def running_service(
    folder: Path, environment: Mapping[str, str], documents: Path | None = None
) -> Iterator[Running]:
    """The service over ``folder`` until the block ends; ``documents`` are ingested first.

    Raises ``DependencyFailed`` when it does not start.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    key = _asker(folder)
    told = {
        "COUNTERSIGN_DATA_DIR": str(folder),
        "COUNTERSIGN_DATABASE_URL": "",
        "COUNTERSIGN_HOST": "127.0.0.1",
        "COUNTERSIGN_PORT": str(port),
        "COUNTERSIGN_QUESTIONS_PER_MINUTE": "1000000",
        **environment,
    }
    command = [sys.executable, "-m", "cli", "serve", "--json"]
    command += ["--ingest", str(documents)] if documents else []
    process = subprocess.Popen(
        command, cwd=PROJECT, env={**os.environ, **told}, stdout=subprocess.DEVNULL
    )
    try:
        _wait_until_ready(port, process)
        used, memory = cpu_seconds(process.pid), memory_mb(process.pid)
        yield Running(port, process.pid, key, round(used, 2), memory)
    finally:
        process.terminate()
        process.wait(60)


def _asker(folder: Path) -> str:
    """The key of a new asker of the store in ``folder``."""
    settings = Settings(data_dir=folder, database_url="")
    database = open_database(settings)
    try:
        access = Access(database, settings)
        name = f"asker-{time.time_ns()}"
        access.accounts.create(name, ["asker"])
        return access.keys.create(name).key
    finally:
        database.close()


def _wait_until_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    ends = time.monotonic() + START_S
    while time.monotonic() < ends and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(0.2)
    raise DependencyFailed("The service did not start.")


def example_questions() -> list[str]:
    """The questions of the examples, each in many forms, so that hardly one is asked twice: what
    is kept of an earlier answer must not make a figure."""
    rows = read_rows(PROJECT / "examples" / "questions.jsonl")
    plain = [str(row["question"]) for row in rows]
    return [f"{asker}{one}{manner}" for asker, manner in product(ASKERS, MANNERS) for one in plain]


async def ask(port: int, key: str, question: str, due: float | None = None) -> Told:
    """Ask on a connection of its own; the time counts from ``due`` (``time.perf_counter``)."""
    body = json.dumps({"question": question})
    began = time.perf_counter() if due is None else due
    writer = None
    try:
        async with asyncio.timeout(LATER_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(ASK.format(key, len(body.encode()), body).encode())
            line = await reader.readline()
            status = int(line.split()[1]) if line else 0
    except (TimeoutError, OSError):
        status = 0
    finally:
        if writer is not None:
            writer.close()
    return Told(status, (time.perf_counter() - began) * 1000)


async def ask_at_rate(
    port: int, key: str, questions: Sequence[str], rate: float, seconds: float
) -> list[Told]:
    """Open loop: a question every ``1 / rate`` seconds, whether or not others were answered. The
    time of each counts from when it was due, so a service that stalls is not spared."""
    began = time.perf_counter()
    waiting = []
    for number in range(int(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        asked = ask(port, key, questions[number % len(questions)], due)
        waiting.append(asyncio.create_task(asked))
    return await asyncio.gather(*waiting)


async def ask_in_turn(
    port: int, key: str, questions: Iterable[str], askers: int, seconds: float
) -> list[Told]:
    """Closed loop: each of ``askers`` asks again as soon as it was told; who was refused waits a
    tenth of a second. The questions are handed out one after the other."""
    ends = time.perf_counter() + seconds
    source, told = iter(questions), list[Told]()

    async def one() -> None:
        while time.perf_counter() < ends and (question := next(source, None)) is not None:
            told.append(await ask(port, key, question))
            if told[-1].status == Overloaded.status:
                await asyncio.sleep(0.1)

    await asyncio.gather(*(one() for _ in range(askers)))
    return told
