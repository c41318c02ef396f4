"""The service in a process of its own on this machine, and clients that cost it little."""

import asyncio
import heapq
import json
import math
import os
import re
import selectors
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Self, cast

import httpx

from app.access.service import Access
from app.errors import DependencyFailed, Overloaded
from app.files import read_rows
from app.serving.turns import take_short_turns
from app.settings import PROJECT, Settings
from app.wiring import open_database
from benchmarks.machine import cpu_seconds, memory_mb

START_S = 600
"""Longest time for the service to start, models and examples included."""
LATER_S = 60.0
"""After that long an answer is not waited for."""
LOOK_S = 1.0
"""The longest wait of a client before it looks for answers that will not come."""
REFUSED_S = 0.1
"""How long who was refused waits in a closed loop."""
STATUS_LINE = b"HTTP/1.1 200"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
ARRIVALS, MOMENT = 35, struct.Struct("qq")
"""Linux's SO_TIMESTAMPNS: with what has come, seconds and nanoseconds of when."""
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
    milliseconds from when it was due.

    ``served`` are those of the service alone, from when the question was sent to when the system
    had the first bytes of the answer: where client and service share the cores, what the client
    waits for one is not the service's. NaN where the system does not say.
    """

    status: int
    milliseconds: float
    served: float = math.nan


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


async def ask(port: int, key: str, question: str) -> Told:
    """Ask on a connection of its own."""
    with Asking(port, key) as asking:
        asking.ask(question, time.perf_counter())
        (told,) = await asyncio.to_thread(asking.told)
    return told


async def ask_at_rate(
    port: int, key: str, questions: Sequence[str], rate: float, seconds: float
) -> list[Told]:
    """Open loop: a question every ``1 / rate`` seconds, whether or not others were answered. The
    time of each counts from when it was due, so a service that stalls is not spared."""
    return await asyncio.to_thread(_at_rate, port, key, questions, rate, seconds)


def _at_rate(
    port: int, key: str, questions: Sequence[str], rate: float, seconds: float
) -> list[Told]:
    began, count, told = time.perf_counter(), int(rate * seconds), list[Told]()
    with Asking(port, key) as asking:
        for number in range(count):
            due = began + number / rate
            told += asking.told(until=due)
            asking.ask(questions[number % len(questions)], due)
        while len(told) < count:
            told += asking.told()
    return told


async def ask_in_turn(
    port: int, key: str, questions: Iterable[str], askers: int, seconds: float
) -> list[Told]:
    """Closed loop: each of ``askers`` asks again as soon as it was told; who was refused waits a
    tenth of a second. The questions are handed out one after the other."""
    return await asyncio.to_thread(_in_turn, port, key, questions, askers, seconds)


def _in_turn(
    port: int, key: str, questions: Iterable[str], askers: int, seconds: float
) -> list[Told]:
    ends, source, told = time.perf_counter() + seconds, iter(questions), list[Told]()
    ready = [0.0] * askers  # when each asker who waits for nothing asks again; a heap
    with Asking(port, key) as asking:
        while ready or asking.waiting:
            now = time.perf_counter()
            while ready and ready[0] <= now:
                heapq.heappop(ready)
                if now < ends and (question := next(source, None)) is not None:
                    asking.ask(question, now)
            for one in asking.told(until=min(ready, default=None)):
                pause = REFUSED_S if one.status == Overloaded.status else 0.0
                heapq.heappush(ready, time.perf_counter() + pause)
                told.append(one)
    return told


@dataclass
class _Call:
    """A question that waits: what was sent and when (``time.time``), when it was due, and what has
    come of its answer."""

    sent: bytes
    due: float
    fresh: bool
    sent_at: float = 0.0
    came: bytes = b""
    told: Told | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all of the answer has come; one without a length ends with its connection."""
        head, end, body = self.came.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        return bool(end) and length is not None and len(body) >= int(length[1])


class Asking:
    """Questions over plain sockets, which are used again, by one thread and without tasks: where a
    client shares its cores with the service, what it costs is missing there."""

    def __init__(self, port: int, key: str) -> None:
        self._port, self._key = port, key
        self._selector = selectors.DefaultSelector()
        take_short_turns()  # else its own waiting for a core is told as the service's
        self._calls: dict[socket.socket, _Call] = {}
        self._free: list[socket.socket] = []
        self._lost: list[Told] = []
        self._looked_at = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for connection in (*self._calls, *self._free):
            connection.close()
        self._selector.close()

    @property
    def waiting(self) -> int:
        """How many questions have no answer yet."""
        return len(self._calls) + len(self._lost)

    def ask(self, question: str, due: float) -> None:
        """Ask; the time counts from ``due`` (``time.perf_counter``)."""
        body = json.dumps({"question": question})
        sent = ASK.format(self._key, len(body.encode()), body).encode()
        self._send(_Call(sent, due, fresh=not self._free))

    def told(self, until: float | None = None) -> list[Told]:
        """What was answered, not before ``until``; without it, what comes next."""
        found, self._lost = self._lost, []
        while until is not None or (self._calls and not found):
            found += self._give_up()
            left = LOOK_S if until is None else until - time.perf_counter()
            for ready, _ in self._selector.select(min(max(left, 0.0), LOOK_S)):
                found += self._receive(cast("socket.socket", ready.fileobj))
            if until is not None and time.perf_counter() >= until:
                break
        return found

    def _send(self, call: _Call) -> None:
        try:
            connection = self._connected() if call.fresh else self._free.pop()
        except OSError:
            self._lost.append(Told(0, (time.perf_counter() - call.due) * 1000))
            return
        call.sent_at = time.time()
        self._calls[connection] = call
        with suppress(OSError):  # that it has ended is seen when it is read
            connection.sendall(call.sent)

    def _connected(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), LATER_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sys.platform == "linux":
            connection.setsockopt(socket.SOL_SOCKET, ARRIVALS, 1)
        self._selector.register(connection, selectors.EVENT_READ)
        return connection

    def _receive(self, connection: socket.socket) -> list[Told]:
        """What came on one connection: the time is that of the first line."""
        (came, arrived), call = _received(connection), self._calls.get(connection)
        if not came:
            return self._ended(connection)
        if call is None:
            return []
        call.came += came
        told = []
        if call.told is None and len(call.came) >= len(STATUS_LINE):
            spent = (time.perf_counter() - call.due) * 1000
            served = (arrived - call.sent_at) * 1000
            call.told = Told(int(call.came.split(maxsplit=2)[1]), spent, served)
            told = [call.told]
        if call.is_whole:
            del self._calls[connection]
            self._free.append(connection)
        return told

    def _ended(self, connection: socket.socket) -> list[Told]:
        """The other side has closed; a question on a connection that was used before is asked once
        more, as it may have come too late."""
        self._selector.unregister(connection)
        connection.close()
        call = self._calls.pop(connection, None)
        if call is None:
            self._free.remove(connection)
        elif call.told is None and not call.fresh:
            self._send(replace(call, fresh=True))
        elif call.told is None:
            return [Told(0, (time.perf_counter() - call.due) * 1000)]
        return []

    def _give_up(self) -> list[Told]:
        """Those that were not answered for too long; looked for now and then."""
        now = time.perf_counter()
        if now - self._looked_at < LOOK_S:
            return []
        self._looked_at = now
        late = [one for one, call in self._calls.items() if call.due < now - LATER_S]
        for connection in late:
            self._calls[connection].fresh = True
        return [told for connection in late for told in self._ended(connection)]


def _received(connection: socket.socket) -> tuple[bytes, float]:
    """What has come, nothing at the end, and when the system had it (``time.time``), NaN where it
    does not say."""
    try:
        came, told, *_ = connection.recvmsg(1 << 16, socket.CMSG_SPACE(MOMENT.size))
    except OSError:
        return b"", math.nan
    for _, kind, value in told:
        if kind == ARRIVALS:
            seconds, nanoseconds = MOMENT.unpack(value[: MOMENT.size])
            return came, seconds + nanoseconds / 1e9
    return came, math.nan
