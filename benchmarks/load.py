"""Many at once: what a burst of askers is told and when, and what open event streams cost."""

import asyncio
import json
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx

from app.errors import DeadlineExceeded, DependencyFailed, Overloaded
from app.settings import PROJECT
from benchmarks.machine import cpu_seconds, descriptors, machine, memory_mb, threads
from benchmarks.metrics import percentile, share
from benchmarks.service import (
    ASK,
    Running,
    Told,
    ask,
    ask_at_rate,
    ask_in_turn,
    example_questions,
    running_service,
)

QUESTION = {"question": "What excess applies to an escape of water claim on the home policy?"}
BURSTS = 5
SETTLED_MS = 10.0
"""A service that answers its health within this has nothing else to do."""
STREAM = "GET /v1/answers/{} HTTP/1.1\r\nHost: load\r\nAuthorization: Bearer {}\r\n\r\n"
DEADLINE_S = 4.0
"""Of an answer, while the service is overloaded; short, so that many would be late."""
TIMES = 10
"""Overload: so many times what it can answer."""
BATCHED_ASKERS = 32
RECOVERED = 1.5
"""It is as before when an answer takes at most so many times what it took alone."""
LONGEST_RECOVERY_S = 30.0
# Every draft waits for a reviewer: so there is something to follow.
HELD = {"COUNTERSIGN_GATE_MODE": "review_everything", "COUNTERSIGN_AUDIT_SHARE": "0"}


def measure_load(
    askers: int, streams: int, answers: int, seconds: float, crowd: int
) -> dict[str, Any]:
    """Figures of the service over the examples, in a process of its own on this machine.

    ``answer_ms`` are of ``answers`` questions one after the other, alone and with ``streams``
    open event streams; then ``askers`` ask at once, ``BURSTS`` times, on connections that are open
    already and when the streams are closed, so that bursts are measured and not this client or
    what it costs to end a thousand streams. Times are milliseconds, counts are of all bursts.

    Then, each for ``seconds`` and with a deadline of ``DEADLINE_S``: the most that it answers, at
    ``TIMES`` times that rate (open loop), and ``crowd`` askers who ask again and again. At last
    the most that it answers with batching off. Of ``late_answers`` the caller was told after the
    deadline, by the caller's own clock. ``rejects_served`` leave out what this client waits for a
    core (``Told.served``).
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    questions = cycle(example_questions())
    examples = PROJECT / "examples" / "documents"
    hurried = {**HELD, "COUNTERSIGN_DEADLINE_S": str(DEADLINE_S)}
    with tempfile.TemporaryDirectory(prefix="countersign-load-") as name:
        folder = Path(name)
        with running_service(folder, HELD, examples) as service:
            figures = asyncio.run(_measure(service, askers, streams, answers))
            figures |= {"ready_cpu_s": service.ready_cpu_s, "ready_mb": service.ready_mb}
            batched = asyncio.run(_throughput(service, questions, BATCHED_ASKERS, seconds))
        with running_service(folder, hurried) as service:
            figures |= asyncio.run(_overload(service, questions, seconds, crowd))
        with running_service(folder, {**HELD, "COUNTERSIGN_BATCHING": "false"}) as service:
            alone = asyncio.run(_throughput(service, questions, BATCHED_ASKERS, seconds))
    ratio = share(batched["answered_s"], alone["answered_s"])
    return {**figures, "batching_ratio": ratio, "batching": {"on": batched, "off": alone}} | (
        machine()
    )


async def _throughput(
    service: Running, questions: Iterator[str], askers: int, seconds: float
) -> dict[str, float]:
    """Answers a second while ``askers`` ask again as soon as they are told, and what one costs."""
    began, cpu = time.perf_counter(), cpu_seconds(service.process)
    told = await ask_in_turn(service.port, service.key, questions, askers, seconds)
    took, spent = time.perf_counter() - began, cpu_seconds(service.process) - cpu
    answered = sum(one.status == 200 for one in told)
    return {
        "answered_s": round(answered / took, 3),
        "cpu_ms": round(1000 * spent / max(answered, 1), 1),
    }


async def _overload(
    service: Running, questions: Iterator[str], seconds: float, crowd: int
) -> dict[str, Any]:
    """What is left of the most that it answers when far more is asked, and afterwards."""
    port, key = service.port, service.key
    alone = [await ask(port, key, next(questions)) for _ in range(10)]
    before = memory_mb(service.process), descriptors(service.process)
    peak = await _throughput(service, questions, 8, seconds)
    rate = TIMES * max(peak["answered_s"], 0.1)
    asked = [next(questions) for _ in range(int(rate * seconds))]
    cpu = cpu_seconds(service.process)
    told = await ask_at_rate(port, key, asked, rate, seconds)
    cpu = cpu_seconds(service.process) - cpu
    usual = percentile([one.milliseconds for one in alone], 0.5)
    recovery = await _recovery(service, questions, usual)
    many = await ask_in_turn(port, key, questions, crowd, seconds)
    await _recovery(service, questions, usual)
    in_time = sum(one.status == 200 and one.milliseconds <= 1000 * DEADLINE_S for one in told)
    refused = [one for one in told if one.status == Overloaded.status]
    rejects, served = [one.milliseconds for one in refused], [one.served for one in refused]
    return {
        "peak": peak,
        "asked_at_10x": len(told),
        "goodput_at_10x": share(in_time / seconds, peak["answered_s"]),
        "cpu_ms_at_10x": round(1000 * cpu / max(in_time, 1), 1),
        "rejects": len(rejects),
        "rejects_p50_ms": round(percentile(rejects, 0.5), 1),
        "rejects_p99_ms": round(percentile(rejects, 0.99), 1),
        "rejects_served_p50_ms": round(percentile(served, 0.5), 2),
        "rejects_served_p99_ms": round(percentile(served, 0.99), 1),
        "gave_up": sum(one.status == DeadlineExceeded.status for one in (*told, *many)),
        "late_answers": _late(told) + _late(many),
        "late_answers_of": sum(one.status == 200 for one in (*told, *many)),
        "crowd": crowd,
        "recovery_s": recovery,
        "memory_mb": [before[0], memory_mb(service.process)],
        "descriptors": [before[1], descriptors(service.process)],
    }


def _late(told: Sequence[Told]) -> int:
    late = (one.status == 200 and one.milliseconds > 1000 * DEADLINE_S for one in told)
    return sum(late)


async def _recovery(service: Running, questions: Iterator[str], usual: float) -> float | None:
    """Seconds until a question takes hardly longer than ``usual``; None: not soon."""
    began = time.perf_counter()
    while (spent := time.perf_counter() - began) < LONGEST_RECOVERY_S:
        told = await ask(service.port, service.key, next(questions))
        if told.status == 200 and told.milliseconds <= RECOVERED * usual:
            return round(spent, 2)
        await asyncio.sleep(0.05)
    return None


async def _measure(service: Running, askers: int, streams: int, answers: int) -> dict[str, Any]:
    port, process, key = service.port, service.process, service.key
    headers = {"Authorization": f"Bearer {key}"}
    address, limits = f"http://127.0.0.1:{port}", httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=address, headers=headers, limits=limits, timeout=120
    ) as client:
        held = (await client.post("/v1/ask", json=QUESTION)).json()
        alone = [await _asked(client) for _ in range(answers)]
        before = threads(process)
        opened = [await _open_stream(port, held["answer_id"], key) for _ in range(streams)]
        beside = [await _asked(client) for _ in range(answers)]
        more = threads(process) - before
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


def _figures(asked: list[tuple[int, float]]) -> dict[str, float]:
    times = [spent for _, spent in asked]
    return {"p50": round(percentile(times, 0.5), 1), "p95": round(percentile(times, 0.95), 1)}
