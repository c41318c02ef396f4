"""A real server under a bounded load: who gets in, who is told at once, who is never computed."""

import asyncio
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from sqlalchemy import func, select

from app.access.principals import Principal
from app.access.tables import PrincipalRow
from app.api import requests
from app.db import Database
from app.main import create_app
from app.records.tables import RecordRow
from app.review.decisions import Decision
from app.wiring import Services
from benchmarks.load import _overload
from benchmarks.service import Running
from tests.fakes import QuotingGenerator
from tests.integration.test_answering import COVERAGE, EXCESS, RITA, Desk
from tests.integration.test_streaming import services_of

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ASK = {"question": EXCESS}


class Doors(QuotingGenerator):
    """A slow model: each draft waits for ``over``; ``begun`` counts those that were begun."""

    def __init__(self) -> None:
        super().__init__()
        self.over, self.begun = threading.Event(), 0
        self.before = self._wait

    def warm_up(self) -> None:
        """There is nothing to load."""

    def _wait(self) -> None:
        self.begun += 1
        assert self.over.wait(240)


class Warm:
    """In place of a model that no question here needs: a start waits for nothing."""

    def warm_up(self) -> None:
        """There is nothing to load."""


@dataclass
class House:
    """A running service, and a client with a key."""

    address: str
    services: Services
    model: Doors
    desk: Desk
    key: str
    key_id: str

    @asynccontextmanager
    async def client(self, key: str = "") -> AsyncIterator[httpx.AsyncClient]:
        headers = {"Authorization": f"Bearer {key or self.key}"}
        limits = httpx.Limits(max_connections=1000)
        async with httpx.AsyncClient(
            base_url=self.address, headers=headers, limits=limits, timeout=240, trust_env=False
        ) as opened:
            yield opened

    def records(self) -> int:
        with self.desk.database.reading() as session:
            return session.scalar(select(func.count()).select_from(RecordRow)) or 0


@contextmanager
def running(database: Database, folder: Path, **settings: Any) -> Iterator[House]:
    """The service on a free port of this machine, in a thread."""
    model = Doors()
    desk = Desk(database, folder, generator=model)
    desk.stock()
    chosen = {"questions_per_minute": 10_000, "rerank_passages": 0, **settings}
    services = services_of(desk, desk.answerer(**chosen), **chosen)
    services = replace(services, support=Warm())  # type: ignore[arg-type]
    services.access.accounts.create("ann", ["asker"])
    made = services.access.keys.create("ann")
    key_id, key = made.key_id, made.key
    config = uvicorn.Config(
        create_app(services.settings, services=services), port=0, log_level="warning"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started, 200)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield House(f"http://127.0.0.1:{port}", services, model, desk, key, key_id)
    finally:
        model.over.set()
        server.should_exit = True
        thread.join(120)
        services.places.close()
        services.watch.close()


def until(true: Callable[[], object], within: float = 120.0) -> None:
    """Return when it is true."""
    ends = time.monotonic() + within
    while not true():
        assert time.monotonic() < ends, "it did not become true"
        time.sleep(0.01)


async def soon(true: Callable[[], object], within: float = 120.0) -> None:
    """As ``until``, in an event loop."""
    ends = time.monotonic() + within
    while not true():
        assert time.monotonic() < ends, "it did not become true"
        await asyncio.sleep(0.01)


def test_beyond_the_limit_askers_are_told_at_once_and_nobody_is_late(
    database: Database, tmp_path: Path
) -> None:
    async def scene(house: House) -> None:
        async with house.client() as client:
            asked = [asyncio.create_task(client.post("/v1/ask", json=ASK)) for _ in range(40)]
            # All of these come back while not one draft is written.
            await soon(lambda: sum(task.done() for task in asked) == 32)
            for task in (task for task in asked if task.done()):
                refused = task.result()
                assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
                assert int(refused.headers["retry-after"]) > 0
            assert house.services.places.taken == 8
            refused = await client.post("/v1/ask", json=ASK)  # no draft is written before it
            assert (refused.status_code, house.model.over.is_set()) == (503, False)
            other = await client.get("/v1/collections")  # what is short does not wait for answers
            assert other.status_code == 200
            house.model.over.set()
            answered = [r for r in await asyncio.gather(*asked) if r.status_code != 503]
            assert [r.json()["status"] for r in answered] == ["released"] * 8
        assert house.services.places.taken == 0

    with running(database, tmp_path, max_running_answers=4, max_waiting_answers=4) as house:
        asyncio.run(scene(house))
        assert (house.model.begun, house.records()) == (8, 8)


def test_the_load_benchmark_tells_goodput_refusals_and_recovery(
    database: Database, tmp_path: Path
) -> None:
    with running(database, tmp_path, max_running_answers=1, max_waiting_answers=0) as house:
        house.model.before = lambda: time.sleep(0.1)
        port = int(house.address.rpartition(":")[2])
        service = Running(port, os.getpid(), house.key, 0.0, 0.0)
        told = asyncio.run(_overload(service, cycle([EXCESS]), 0.5, 6))
    assert told["peak"]["answered_s"] > 0
    assert told["asked_at_10x"] > told["rejects"] > 0
    assert told["rejects_p50_ms"] <= told["rejects_p99_ms"]
    assert told["late_answers_of"] >= told["late_answers"]
    assert told["recovery_s"] is not None
    assert [len(told[name]) for name in ("memory_mb", "descriptors")] == [2, 2]


def test_a_late_answer_is_none_and_is_not_recorded(database: Database, tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        async with house.client() as client:
            late = await asyncio.gather(*(client.post("/v1/ask", json=ASK) for _ in range(4)))
            assert [(r.status_code, r.json()["code"]) for r in late] == [
                (504, "deadline_exceeded")
            ] * 4
            assert not house.model.over.is_set()  # the model has not moved
            house.model.over.set()
            await soon(lambda: house.services.places.taken == 0)

    settings = {"max_running_answers": 2, "max_waiting_answers": 2, "deadline_s": 3.0}
    with running(database, tmp_path, **settings) as house:
        asyncio.run(scene(house))
        assert (house.model.begun, house.records()) == (2, 0)


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_askers_who_hang_up_are_never_computed(
    database: Database, tmp_path: Path, accept: str
) -> None:
    async def hang_up(house: House) -> None:
        """One asker is drafted for, four wait, and all of them go away."""
        async with house.client() as client:
            headers = {"Accept": accept}
            asked = [
                asyncio.create_task(client.post("/v1/ask", json=ASK, headers=headers))
                for _ in range(5)
            ]
            await soon(lambda: house.services.places.taken == 5 and house.model.begun == 1)
            for task in asked:
                task.cancel()
            await asyncio.wait(asked)

    async def scene(house: House) -> None:
        await hang_up(house)
        # Those that waited are gone although the model has not moved.
        await soon(lambda: house.services.places.taken == 1)
        house.model.over.set()
        async with house.client() as client:
            answered = await client.post("/v1/ask", json=ASK)
        assert answered.json()["status"] == "released"
        await soon(lambda: house.services.places.taken == 0)

    with running(database, tmp_path, max_running_answers=1, max_waiting_answers=8) as house:
        asyncio.run(scene(house))
        # The first had begun to be drafted, but nobody waited for it: it is no record.
        assert (house.model.begun, house.records()) == (2, 1)


async def events_of(house: House, answer_id: str, seen: list[Any]) -> None:
    """Follow an answer over a bare socket, and note each event's data in ``seen``."""
    host, port = house.address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [
        f"GET /v1/answers/{answer_id}/events HTTP/1.1",
        "Host: test",
        "Connection: close",
        f"Authorization: Bearer {house.key}",
    ]
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode())
        assert b" 200 " in await reader.readline()
        while line := await reader.readline():
            if line.startswith(b"data:"):
                seen.append(json.loads(line.removeprefix(b"data:")))
    finally:
        writer.close()


def test_open_streams_cost_no_threads_and_hear_of_their_decision(
    database: Database, tmp_path: Path
) -> None:
    async def scene(house: House) -> None:
        house.model.over.set()
        async with house.client() as client:
            held = (await client.post("/v1/ask", json={"question": COVERAGE})).json()
            waiting = (await client.post("/v1/ask", json={"question": COVERAGE})).json()
            threads = threading.active_count()
            seen: list[list[Any]] = [[] for _ in range(300)]
            ids = [held["answer_id"], *[waiting["answer_id"]] * 299]
            streams = [
                asyncio.create_task(events_of(house, answer_id, notes))
                for answer_id, notes in zip(ids, seen, strict=True)
            ]
            await soon(lambda: all(seen), 200)
            await soon(lambda: len(house.services.watch) == 300)
            # Routes share 40 threads; streams have none.
            assert threading.active_count() <= threads + 45
            assert (await client.post("/v1/ask", json=ASK)).json()["status"] == "released"
            await asyncio.to_thread(approve, house.desk, held["answer_id"])
            await asyncio.wait_for(streams[0], 240)
            assert [event["status"] for event in seen[0]] == ["held", "released"]
            assert all(len(notes) == 1 for notes in seen[1:])
            # A key that ends takes its streams along, and nothing else is told to them.
            await asyncio.to_thread(house.services.access.keys.revoke, house.key_id)
            await asyncio.wait(streams, timeout=240)
            assert all(task.done() for task in streams)
            assert {notes[-1]["code"] for notes in seen[1:]} == {"credentials_expired"}
            await soon(lambda: len(house.services.watch) == 0)

    with running(database, tmp_path) as house:
        asyncio.run(scene(house))


def test_a_stream_ends_when_its_owner_has_no_role_any_more(
    database: Database, tmp_path: Path
) -> None:
    """As after a sign-in by a provider whose groups give no role: API keys stay, and can do
    nothing."""

    async def scene(house: House) -> None:
        house.model.over.set()
        async with house.client() as client:
            held = (await client.post("/v1/ask", json={"question": COVERAGE})).json()
            seen: list[Any] = []
            stream = asyncio.create_task(events_of(house, held["answer_id"], seen))
            await soon(lambda: seen and house.services.watch.seen is not None)
            await asyncio.sleep(1)  # it has looked, and waits
            with database.transaction() as session:
                for row in session.scalars(select(PrincipalRow)):
                    row.roles = []
            await asyncio.wait_for(stream, 60)
            assert [event.get("code") for event in seen] == [None, "forbidden"]

    with running(database, tmp_path) as house:
        asyncio.run(scene(house))


def approve(desk: Desk, answer_id: str) -> None:
    """Approve the draft of a held answer."""
    tasks = desk.reviews.tasks(RITA, "open")["tasks"]
    (task_id,) = [task["task_id"] for task in tasks if task["answer_id"] == answer_id]
    seen = desk.reviews.claim(RITA, task_id)
    decision = Decision("approve", seen["content_sha256"], seen["fence"])
    desk.reviews.decide(RITA, task_id, decision)


async def in_two(rest: asyncio.Event) -> AsyncIterator[bytes]:
    """The body of a question, whose second part comes once ``rest`` is set."""
    yield b"{"
    await rest.wait()
    yield json.dumps(ASK).encode()[1:]


def lookups(house: House, monkeypatch: pytest.MonkeyPatch) -> list[Principal]:
    """The callers that are found from now on, in order."""
    keys, found = house.services.access.keys, []
    look_up = keys.principal

    def watched(key: str) -> Principal:
        found.append(look_up(key))
        return found[-1]

    monkeypatch.setattr(keys, "principal", watched)
    return found


def test_who_is_refused_for_want_of_a_place_is_not_looked_up(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(house: House) -> None:
        looked_up = lookups(house, monkeypatch)
        async with house.client() as client:
            asked = [asyncio.create_task(client.post("/v1/ask", json=ASK)) for _ in range(2)]
            await soon(lambda: house.services.places.taken == 2 and house.model.begun == 1)
            before = len(looked_up)
            refused = [await client.post("/v1/ask", json=ASK) for _ in range(5)]
            assert [response.status_code for response in refused] == [503] * 5
            assert len(looked_up) == before
            nothing_shown = await client.post("/v1/ask", json=ASK, headers={"Authorization": ""})
            assert nothing_shown.status_code == 401
            house.model.over.set()
            assert [r.status_code for r in await asyncio.gather(*asked)] == [200, 200]

    with running(database, tmp_path, max_running_answers=1, max_waiting_answers=1) as house:
        asyncio.run(scene(house))


def test_who_was_looked_up_keeps_the_place_until_the_body_is_there(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "SOON_S", 20.0)

    async def scene(house: House) -> None:
        sent, looked_up = asyncio.Event(), lookups(house, monkeypatch)

        house.model.over.set()
        async with house.client() as client:
            headers = {"Content-Type": "application/json"}
            first = asyncio.create_task(
                client.post("/v1/ask", content=in_two(sent), headers=headers)
            )
            await soon(lambda: len(looked_up) == 1)
            assert (await client.post("/v1/ask", json=ASK)).status_code == 503
            sent.set()
            assert (await first).status_code == 200
        assert (len(looked_up), house.services.places.taken) == (1, 0)

    with running(database, tmp_path, max_running_answers=1, max_waiting_answers=0) as house:
        asyncio.run(scene(house))


def test_refusals_of_a_burst_go_out_before_anybody_of_it_is_looked_up(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    async def scene(house: House) -> None:
        keys = house.services.access.keys
        look_up = keys.principal

        def watched(key: str) -> Principal:
            order.append("looked up")
            return look_up(key)

        monkeypatch.setattr(keys, "principal", watched)
        app = create_app(house.services.settings, services=house.services)
        app.state.services = house.services
        transport = httpx.ASGITransport(app)
        headers = {"Authorization": f"Bearer {house.key}"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://burst", headers=headers, timeout=240
        ) as client:

            async def ask() -> int:
                response = await client.post("/v1/ask", json=ASK)
                order.append(str(response.status_code))
                return response.status_code

            house.model.over.set()
            statuses = await asyncio.gather(*(ask() for _ in range(6)))
        assert sorted(statuses) == [200, 200, 503, 503, 503, 503]
        assert order[:4] == ["503"] * 4

    with running(database, tmp_path, max_running_answers=1, max_waiting_answers=1) as house:
        asyncio.run(scene(house))


def test_what_is_refused_keeps_no_place(database: Database, tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        house.services.access.accounts.create("rita", ["reviewer"])
        reviewer = house.services.access.keys.create("rita").key
        headers = {"Content-Type": "application/json"}
        for key, body, status in [
            ("cs_unknown", b"{}", 401),
            (reviewer, b"{}", 403),
            (house.key, b"{", 400),
            (house.key, b"{}", 422),
        ]:
            async with house.client(key) as client:
                refused = await client.post("/v1/ask", content=body, headers=headers)
            assert (refused.status_code, house.services.places.taken) == (status, 0)

    with running(database, tmp_path) as house:
        asyncio.run(scene(house))


def test_a_body_that_comes_slowly_holds_no_place(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(house: House) -> None:
        sent, looked_up = asyncio.Event(), lookups(house, monkeypatch)

        house.model.over.set()
        async with house.client() as client:
            headers = {"Content-Type": "application/json"}
            late = asyncio.create_task(
                client.post("/v1/ask", content=in_two(sent), headers=headers)
            )
            await soon(lambda: len(looked_up) == 1 and house.services.places.taken == 0)
            assert (await client.post("/v1/ask", json=ASK)).status_code == 200
            sent.set()
            assert (await late).status_code == 200

    with running(database, tmp_path, max_running_answers=1, max_waiting_answers=0) as house:
        asyncio.run(scene(house))


def test_callers_are_looked_up_while_every_thread_of_the_routes_is_busy(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(house: House) -> None:
        over, begun = threading.Event(), []
        documents = house.services.corpus.documents
        look = documents.collections

        def wait() -> dict[str, int]:
            begun.append(1)
            assert over.wait(240)
            return look()

        monkeypatch.setattr(documents, "collections", wait)
        async with house.client() as client:
            busy = [asyncio.create_task(client.get("/v1/collections")) for _ in range(45)]
            await soon(lambda: len(begun) == 40)
            house.model.over.set()
            assert (await client.post("/v1/ask", json=ASK)).json()["status"] == "released"
            over.set()
            assert {r.status_code for r in await asyncio.gather(*busy)} == {200}

    with running(database, tmp_path) as house:
        asyncio.run(scene(house))
