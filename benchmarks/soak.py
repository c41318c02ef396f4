"""Mixed load for a long time: do memory and descriptors stay as they are, and does nothing fail?"""

import asyncio
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from app.access.principals import ROLES
from app.access.service import Access
from app.errors import Overloaded
from app.settings import PROJECT, Settings
from app.wiring import open_database
from benchmarks.machine import cpu_seconds, descriptors, machine, memory_mb, threads
from benchmarks.metrics import percentile
from benchmarks.service import Running, ask_in_turn, example_questions, running_service

SAMPLES = 240
"""How often memory and descriptors are looked at, at most once a second."""
BURST, BURST_EVERY_S = 40, 60.0
"""So many ask at once, so often: more than there are places, so that some are refused."""
SAID = 300
"""Characters that are kept of an error that nobody meant."""
SETTLED = 0.5
"""The slope is that of this last part of the time: before it, caches fill."""
PAGES = ("/v1/answers", "/v1/documents", "/v1/reviews/counts", "/metrics", "/readyz")
WRONG = ("/v1/answers/none", "/v1/nowhere", "/v1/passages/none")


@dataclass
class Seen:
    """Statuses by kind of request, what was said with the first of each that nobody meant, the
    milliseconds of questions, and samples of the process as (second, MB, descriptors, threads)."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    said: dict[str, str] = field(default_factory=dict)
    milliseconds: list[float] = field(default_factory=list)
    samples: list[tuple[float, float, int, int]] = field(default_factory=list)


def measure_soak(seconds: float, rate: float) -> dict[str, Any]:
    """Figures of the service over the examples under mixed load: questions at ``rate`` a second,
    bursts beyond its places, event streams, reviews, uploads and deletions, searches, pages of
    answers, metrics, and addresses that do not exist.

    ``errors`` are statuses that nothing of this asks for; rejects of bursts are none. Slopes are
    least squares over the second half. Needs Linux.
    """
    examples = PROJECT / "examples" / "documents"
    with tempfile.TemporaryDirectory(prefix="countersign-soak-") as name:
        folder = Path(name)
        key = _worker(folder)
        with running_service(folder, {}, examples) as service:
            began = cpu_seconds(service.process)
            seen = asyncio.run(_soak(service, key, seconds, rate))
            spent = cpu_seconds(service.process) - began
    return {
        "seconds": seconds,
        "rate": rate,
        **summary(seen),
        "cpu_s": round(spent, 1),
        **machine(),
    }


def _worker(folder: Path) -> str:
    """The key of somebody who may do everything."""
    settings = Settings(data_dir=folder, database_url="")
    database = open_database(settings)
    try:
        access = Access(database, settings)
        access.accounts.create("soak", ROLES)
        return access.keys.create("soak").key
    finally:
        database.close()


async def _soak(service: Running, key: str, seconds: float, rate: float) -> Seen:
    seen, ends = Seen(), time.monotonic() + seconds
    questions = cycle(example_questions())
    headers = {"Authorization": f"Bearer {key}"}
    address = f"http://127.0.0.1:{service.port}"
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=60) as client:
        work = Work(client, service, questions, seen)
        await asyncio.gather(
            _again(ends, 1 / rate, work.ask),
            _again(ends, BURST_EVERY_S, work.burst),
            _again(ends, 7.0, work.review),
            _again(ends, 11.0, work.upload_and_delete),
            _again(ends, 5.0, work.follow),
            _again(ends, 3.0, work.look_around),
            _again(ends, max(seconds / SAMPLES, 1.0), work.sample),
        )
    return seen


async def _again(ends: float, every: float, work: Callable[[], Awaitable[None]]) -> None:
    """Begin ``work`` every so many seconds until the end, and wait for what runs then."""
    running = set[asyncio.Task[None]]()
    due = time.monotonic()
    while due < ends:
        await asyncio.sleep(max(due - time.monotonic(), 0))
        running = {task for task in running if not task.done() or task.result()}
        running.add(asyncio.ensure_future(work()))
        due += every
    await asyncio.gather(*running)


class Work:
    """What is done in a soak; each notes its statuses."""

    def __init__(
        self, client: httpx.AsyncClient, service: Running, questions: Iterator[str], seen: Seen
    ) -> None:
        self._client, self._service, self._questions, self._seen = client, service, questions, seen
        self._began, self._newest = time.monotonic(), ""
        # Nobody decides on a question of their own.
        self._asker = {"Authorization": f"Bearer {service.key}"}

    async def ask(self) -> None:
        """One question."""
        began = time.perf_counter()
        question = {"question": next(self._questions)}
        answer = await self._send("ask", "POST", "/v1/ask", json=question, headers=self._asker)
        if answer is not None and answer.status_code == 200:
            self._seen.milliseconds.append(1000 * (time.perf_counter() - began))
            self._newest = answer.json()["answer_id"]

    async def burst(self) -> None:
        """Many questions at once, on connections of their own."""
        port, key = self._service.port, self._service.key
        told = await ask_in_turn(port, key, islice(self._questions, BURST), BURST, BURST_EVERY_S)
        self._seen.statuses.update(("burst", one.status) for one in told)

    async def review(self) -> None:
        """Decide on the most urgent task: approve its draft, or reject where there is none."""
        listed = await self._send("tasks", "GET", "/v1/reviews?limit=1")
        tasks = listed.json()["tasks"] if listed is not None and listed.is_success else []
        for task in tasks:
            address = f"/v1/reviews/{task['task_id']}"
            shown = await self._send("task", "GET", address)
            if shown is not None and shown.is_success:
                decision = decision_on(shown.json())
                await self._send("decision", "POST", f"{address}/decision", json=decision)

    async def upload_and_delete(self) -> None:
        """Add a small document, and take it out again."""
        text = f"The soak allowance {secrets.token_hex(4)} is {secrets.randbelow(900)} euros."
        file = {"file": (f"soak-{secrets.token_hex(4)}.txt", text.encode(), "text/plain")}
        form = {"collection": "main"}
        added = await self._send("upload", "POST", "/v1/documents", data=form, files=file)
        if added is not None and added.is_success:
            await asyncio.sleep(4)
            await self._send("delete", "DELETE", f"/v1/documents/{added.json()['document_id']}")

    async def follow(self) -> None:
        """Follow the newest answer for some seconds, then hang up."""
        if not self._newest:
            return
        try:
            async with asyncio.timeout(4):
                address = f"/v1/answers/{self._newest}/events?keep=true"
                follow = self._client.stream("GET", address, headers=self._asker)
                async with follow as stream:
                    self._seen.statuses["stream", stream.status_code] += 1
                    async for _ in stream.aiter_lines():
                        pass
        except TimeoutError:
            pass  # as meant
        except httpx.TransportError:
            self._seen.statuses["stream", 0] += 1

    async def look_around(self) -> None:
        """Pages, a search, metrics, and what does not exist."""
        for address in (
            "/v1/answers",
            "/v1/documents",
            "/v1/reviews/counts",
            "/metrics",
            "/readyz",
        ):
            await self._send(address, "GET", address)
        wanted = {"question": next(self._questions), "limit": 3}
        await self._send("search", "POST", "/v1/search", json=wanted)
        for address in WRONG:
            await self._send("wrong", "GET", address)

    async def sample(self) -> None:
        """What the process holds."""
        process = self._service.process
        moment = time.monotonic() - self._began
        held = memory_mb(process), descriptors(process), threads(process)
        self._seen.samples.append((moment, *held))

    async def _send(
        self, kind: str, method: str, address: str, **more: Any
    ) -> httpx.Response | None:
        try:
            answer = await self._client.request(method, address, **more)
        except httpx.TransportError:
            self._seen.statuses[kind, 0] += 1
            return None
        self._seen.statuses[kind, answer.status_code] += 1
        if not _meant(kind, answer.status_code):
            self._seen.said.setdefault(f"{kind} {answer.status_code}", answer.text[:SAID])
        return answer


def decision_on(task: Mapping[str, Any]) -> dict[str, str]:
    """What a reviewer who believes everything decides: a draft without a sentence is none."""
    drafted = task["draft"] is not None and task["draft"]["sentences"]
    kind = "approve" if drafted else "reject"
    return {"kind": kind, "content_sha256": task["content_sha256"], "reason": "There is no draft."}


def summary(seen: Seen) -> dict[str, Any]:
    """The figures; nothing that was asked for in vain counts as an error where that was meant."""
    errors = {
        f"{kind} {status}": count
        for (kind, status), count in sorted(seen.statuses.items())
        if not _meant(kind, status)
    }
    rejects = (n for (_, status), n in seen.statuses.items() if status == Overloaded.status)
    late = [one for one in seen.samples if one[0] >= SETTLED * seen.samples[-1][0]]
    return {
        "requests": sum(seen.statuses.values()),
        "rejects": sum(rejects),
        "errors": errors,
        "said": seen.said,
        "ask_p50_ms": round(percentile(seen.milliseconds, 0.5), 1),
        "ask_p95_ms": round(percentile(seen.milliseconds, 0.95), 1),
        "memory_mb": [seen.samples[0][1], seen.samples[-1][1], max(s[1] for s in seen.samples)],
        "memory_mb_by_tenth": [one[1] for one in seen.samples[:: max(len(seen.samples) // 10, 1)]],
        "memory_mb_an_hour": _slope([(s[0], s[1]) for s in late]),
        "descriptors": [seen.samples[0][2], seen.samples[-1][2], max(s[2] for s in seen.samples)],
        "descriptors_an_hour": _slope([(s[0], float(s[2])) for s in late]),
        "threads": [seen.samples[0][3], seen.samples[-1][3], max(s[3] for s in seen.samples)],
    }


def _meant(kind: str, status: int) -> bool:
    if kind == "wrong":
        return status == 404
    # A burst fills the places, also for who asks beside it; somebody else may decide first.
    refused = status == Overloaded.status and kind in ("ask", "burst", "search")
    return 200 <= status < 300 or refused or (kind == "decision" and status == 409)


def _slope(points: Sequence[tuple[float, float]]) -> float | None:
    """By least squares, for an hour; None with fewer than three points."""
    if len(points) < 3:
        return None
    x, y = np.array(points).T
    return round(float(np.polyfit(x, y, 1)[0]) * 3600, 2)
