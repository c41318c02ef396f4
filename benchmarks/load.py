"""Many at once: what a burst of askers is told and when, and what open event streams cost."""

import asyncio
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from app.access.service import Access
from app.errors import DependencyFailed
from app.settings import PROJECT, Settings
from app.wiring import open_database
from benchmarks.metrics import percentile

QUESTION = {"question": "What excess applies to an escape of water claim on the home policy?"}
BURSTS = 5
SETTLED_MS = 10.0
"""A service that answers its health within this has nothing else to do."""
START_S = 600
"""Longest time for the service to start, models and examples included."""
STREAM = "GET /v1/answers/{} HTTP/1.1\r\nHost: load\r\nAuthorization: Bearer {}\r\n\r\n"
ASK = (
    "POST /v1/ask HTTP/1.1\r\nHost: load\r\nAuthorization: Bearer {}\r\n"
    "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}"
)


def measure_load(askers: int, streams: int, answers: int) -> dict[str, Any]:
    """Figures of the service over the examples, in a process of its own on this machine.

    ``answer_ms`` are of ``answers`` questions one after the other, alone and with ``streams``
    open event streams; then ``askers`` ask at once, ``BURSTS`` times, on connections that are open
    already and when the streams are closed, so that bursts are measured and not this client or
    what it costs to end a thousand streams. Times are milliseconds, counts are of all bursts.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as folder, _service(Path(folder)) as (port, process, key):
        return asyncio.run(_measure(port, process, key, askers, streams, answers))


@contextmanager
def _service(folder: Path) -> Iterator[tuple[int, int, str]]:
    """A running service: its port, its process and the key of an asker."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(data_dir=folder, questions_per_minute=100_000)
    database = open_database(settings)
    access = Access(database, settings)
    access.accounts.create("load", ["asker"])
    key = access.keys.create("load").key
    database.close()
    environment = {
        **os.environ,
        "COUNTERSIGN_DATA_DIR": str(folder),
        "COUNTERSIGN_PORT": str(port),
        "COUNTERSIGN_QUESTIONS_PER_MINUTE": "100000",
        # Every draft waits for a reviewer: so there is something to follow.
        "COUNTERSIGN_GATE_MODE": "review_everything",
    }
    documents = str(PROJECT / "examples" / "documents")
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "serve", "--json", "--ingest", documents],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_until_ready(port, process)
        yield port, process.pid, key
    finally:
        process.terminate()
        process.wait(60)


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


async def _measure(
    port: int, process: int, key: str, askers: int, streams: int, answers: int
) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key}"}
    address, limits = f"http://127.0.0.1:{port}", httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=address, headers=headers, limits=limits, timeout=120
    ) as client:
        held = (await client.post("/v1/ask", json=QUESTION)).json()
        alone = [await _asked(client) for _ in range(answers)]
        threads = _threads(process)
        opened = [await _open_stream(port, held["answer_id"], key) for _ in range(streams)]
        beside = [await _asked(client) for _ in range(answers)]
        more = _threads(process) - threads
        for writer in opened:
            writer.close()
        burst = []
        for _ in range(BURSTS):
            await _settled(client)
            burst += await _burst(port, key, askers)
    refused = [spent for status, spent in burst if status == 503]
    answered = [spent for status, spent in burst if status == 200]
    return {
        "streams": streams,
        "threads_more": more,
        "answer_ms": {"alone": _figures(alone), "with_streams": _figures(beside)},
        "askers": askers,
        "bursts": BURSTS,
        "answered": len(answered),
        "answered_ms_max": round(max(answered, default=0.0), 1),
        "refused": len(refused),
        "refused_ms_p50": round(percentile(refused, 0.5), 1) if refused else None,
        "refused_ms_p95": round(percentile(refused, 0.95), 1) if refused else None,
        "others": len(burst) - len(answered) - len(refused),
    }


async def _asked(client: httpx.AsyncClient) -> tuple[int, float]:
    """The status of one question, and how long it took, in milliseconds."""
    began = time.perf_counter()
    response = await client.post("/v1/ask", json=QUESTION)
    return response.status_code, (time.perf_counter() - began) * 1000


async def _settled(client: httpx.AsyncClient) -> None:
    """Wait until the service is idle, but no longer than ten seconds."""
    ends = time.monotonic() + 10
    spent = SETTLED_MS + 1
    while spent > SETTLED_MS and time.monotonic() < ends:
        began = time.perf_counter()
        await client.get("/healthz")
        spent = (time.perf_counter() - began) * 1000
        await asyncio.sleep(0.05)


async def _burst(port: int, key: str, askers: int) -> list[tuple[int, float]]:
    """The status of each question of many at once, and how long it took, in milliseconds."""
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(askers)]
    body = json.dumps(QUESTION)
    question = ASK.format(key, len(body), body).encode()

    async def answered(reader: asyncio.StreamReader) -> tuple[int, float]:
        line = await reader.readline()
        return int(line.split()[1]), (time.perf_counter() - began) * 1000

    began = time.perf_counter()
    for _, writer in opened:
        writer.write(question)
    burst = await asyncio.gather(*(answered(reader) for reader, _ in opened))
    for _, writer in opened:
        writer.close()
    return burst


async def _open_stream(port: int, answer_id: str, key: str) -> asyncio.StreamWriter:
    """An event stream whose first event has come; raises ``DependencyFailed``."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(STREAM.format(f"{answer_id}/events", key).encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head.splitlines()[0]:
        raise DependencyFailed("The service refused an event stream.")
    await reader.readuntil(json.dumps(answer_id).encode())
    return writer


def _threads(process: int) -> int:
    """How many threads a process has; needs Linux."""
    status = Path(f"/proc/{process}/status").read_text("utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("Threads"))


def _figures(asked: list[tuple[int, float]]) -> dict[str, float]:
    times = [spent for _, spent in asked]
    return {"p50": round(percentile(times, 0.5), 1), "p95": round(percentile(times, 0.95), 1)}
