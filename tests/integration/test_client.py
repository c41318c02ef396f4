"""``countersign.client`` against a running service, with threads, asyncio and over MCP."""

import asyncio
import inspect
import math
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from app.access.idempotency import STALE_REQUEST
from app.errors import RequestInProgress
from app.settings import PROJECT
from countersign import client
from countersign.client import Answer, AsyncClient, Client, ClientError
from tests.commands import countersign
from tests.servers import Served, free_port, handbook_services, listening, served
from tests.site import HELD, RELEASED

EXCESS = "The excess for water damage is £350 [1]."


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Served]:
    """One service for the whole module."""
    folder = tmp_path_factory.mktemp("client")
    with served(handbook_services(folder, migrated_sqlite)) as opened:
        yield opened


@pytest.fixture
def ann(running: Served) -> Iterator[Client]:
    """Ann's client."""
    with Client(f"{running.address}/", running.site.keys["ann"]) as opened:
        yield opened


def test_a_question_its_source_and_what_follows(ann: Client) -> None:
    answer = ann.ask(RELEASED, collections=["main"])
    assert (answer.status, answer.final, answer.text) == ("released", True, EXCESS)
    (citation,) = answer.citations
    passage = ann.passage(citation)
    assert passage.text[citation.start : citation.end] == citation.quote
    assert ann.answers(1) == [answer] == [ann.answer(answer.answer_id)]
    assert ann.ask("How is it paid?", previous=answer).answer_id != answer.answer_id
    assert ("main", 3) in [(one.name, one.documents) for one in ann.collections()]
    assert ann.follow(answer) == ann.follow(answer, timeout_s=0) == answer


def test_the_address_that_openai_s_clients_take_will_do(running: Served) -> None:
    with Client(f"{running.address}/v1/", running.site.keys["ann"]) as opened:
        assert [one.name for one in opened.collections()]


def test_a_search_finds_passages_within_the_scope(running: Served, ann: Client) -> None:
    before = ann.answers(1)
    hits = ann.search(RELEASED, collections=["main"], limit=2)
    assert len(hits) == 2 and "£350" in hits[0].text and hits[0].source == "claims.md"
    assert hits[0].similarity is None  # the search's scores stay inside
    assert ann.passage(hits[0].passage_id).text == hits[0].text
    assert ann.answers(1) == before  # nothing was recorded
    with Client(running.address, running.site.keys["sam"]) as scoped:
        assert scoped.search(RELEASED) == []
        with pytest.raises(ClientError) as caught:
            scoped.search(RELEASED, collections=["main"])
    assert caught.value.code == "not_found"


def test_the_same_key_asks_once(ann: Client) -> None:
    assert ann.ask(RELEASED, key="client-once") == ann.ask(RELEASED, key="client-once")
    assert ann.ask(RELEASED).answer_id != ann.ask(RELEASED).answer_id


def test_a_held_answer_is_followed_until_it_is_signed(running: Served, ann: Client) -> None:
    held = ann.ask(HELD)
    assert (held.status, held.final, held.answer, held.citations) == ("held", False, None, [])
    first = ann.sections(held)[0]
    assert first.title == "Making a claim" and ann.passage(first.passage_id).text
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        ann.follow(held, timeout_s=0.2)
    assert time.monotonic() - began < 60  # nobody signs meanwhile: without an end it is for ever
    seen = []
    for answer in ann.changes(held):
        seen.append(answer.status)
        if len(seen) == 1:
            running.release(held.answer_id)
    assert seen == ["held", "released"]
    assert "£350" in ann.follow(held).text


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_answer_is_followed_whatever_ends_lines_in_its_question(
    running: Served, ann: Client, kind: str
) -> None:
    answer = ann.ask("What is the excess\u2028for water damage?\u2029")  # as word processors paste

    async def follow() -> list[Answer]:
        async with AsyncClient(running.address, running.site.keys["ann"]) as service:
            return [await service.follow(answer)]

    found = asyncio.run(follow()) if kind == "async" else list(ann.changes(answer))
    assert found == [answer] and "\u2028" in found[0].question


def test_what_the_service_refuses_has_its_code(running: Served, ann: Client) -> None:
    for call, status, code in (
        (lambda: ann.ask(" "), 400, "question_empty"),
        (lambda: ann.answer("../answers"), 404, "not_found"),
        (lambda: list(ann.changes("unknown")), 404, "not_found"),
        (lambda: ann.ask(RELEASED, collections=["nowhere"]), 404, "not_found"),
        (lambda: ann.upload(Path(__file__), "main"), 403, "forbidden"),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert (caught.value.status, caught.value.code) == (status, code)
        assert caught.value.request_id and not caught.value.retryable
    with Client(running.address, "cs_wrong") as stranger, pytest.raises(ClientError) as caught:
        stranger.collections()
    assert caught.value.code == "unauthenticated"


def test_what_can_be_tried_again_is(running: Served, ann: Client) -> None:
    places = running.site.services.places
    taken = [places.enter() for _ in range(places._most)]

    def free() -> None:
        for permit in taken:
            permit.close()

    freeing = threading.Timer(0.1, free)
    freeing.start()
    assert ann.ask(RELEASED).status == "released"
    freeing.join()


class Again:
    """The same service on another port, from some seconds on until the block is left; ``followed``
    is set once somebody waits for events of an answer there."""

    def __init__(self, seconds: float, running: Served, port: int) -> None:
        self._seconds, self._running, self._port = seconds, running, port
        self._over, self.followed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        self._over.wait(self._seconds)
        config = uvicorn.Config(self._app, port=self._port, lifespan="off", interface="asgi3")
        with listening(config):
            self._over.wait()

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path", "").endswith("/events"):
            self.followed.set()
        await self._running.site.app(scope, receive, send)

    def __enter__(self) -> "Again":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """All pauses a tenth as long, so that a service is away for tenths of seconds, too."""
    for name in ("PAUSE_S", "LONGEST_PAUSE_S"):
        monkeypatch.setattr(client, name, getattr(client, name) / 10)


@pytest.mark.parametrize("body", ["<h1>Bad gateway</h1>", "null", "5", '"gone"', "[1]", "[[1, 2]]"])
def test_what_a_proxy_says_is_an_error_of_the_client_too(body: str) -> None:
    with pytest.raises(ClientError) as caught:
        client._json(httpx.Response(502, text=body))
    assert (caught.value.code, caught.value.status) == ("unknown", 502) and caught.value.retryable
    with pytest.raises(ClientError) as caught:
        client._json(httpx.Response(200, text="<h1>Please sign in</h1>"))
    assert (caught.value.code, caught.value.status) == ("unknown", 200)
    assert not caught.value.retryable


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.usefixtures("impatient")
def test_a_service_that_was_killed_is_waited_for(running: Served, kind: str) -> None:
    port, key = free_port(), running.site.keys["ann"]
    hasty = Client(f"http://127.0.0.1:{port}", key, patience_s=0.05)
    with hasty, pytest.raises(httpx.ConnectError):
        hasty.collections()

    async def ask() -> Answer:
        async with AsyncClient(f"http://127.0.0.1:{port}", key) as service:
            return await service.ask(RELEASED)

    with Again(0.4, running, port):  # longer than three tries take
        if kind == "async":
            assert asyncio.run(ask()).status == "released"
        else:
            with Client(f"http://127.0.0.1:{port}", key) as service:
                assert service.ask(RELEASED).status == "released"


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.usefixtures("impatient")
def test_an_answer_is_followed_over_a_restart(running: Served, ann: Client, kind: str) -> None:
    port, key, held = free_port(), running.site.keys["ann"], ann.ask(HELD)

    def sign() -> None:
        assert back.followed.wait(60)
        running.release(held.answer_id)

    async def follow() -> Answer:
        async with AsyncClient(f"http://127.0.0.1:{port}", key) as service:
            return await service.follow(held)

    with Again(0.1, running, port) as back:
        signing = threading.Thread(target=sign)
        signing.start()
        if kind == "async":
            assert asyncio.run(follow()).status == "released"
        else:
            with Client(f"http://127.0.0.1:{port}", key) as service:
                assert service.follow(held).status == "released"
        signing.join()


def test_tries_come_at_growing_distances_within_the_patience() -> None:
    tries, lost = client._Tries(math.inf), httpx.ConnectError("refused")
    pauses = [tries.pause(lost) for _ in range(8)]
    for pause, longest in zip(pauses, [0.5, 1, 2, 4, 8, 8, 8, 8], strict=True):
        assert pause is not None and longest / 2 <= pause <= longest
    asked_for = ClientError("overloaded", "", retryable=True, retry_after_s=20.0)
    assert client._Tries(30.0).pause(asked_for) >= 20.0  # type: ignore[operator]
    assert client._Tries(10.0).pause(asked_for) is None
    for hopeless in (ClientError("not_found", ""), httpx.UnsupportedProtocol("no http://")):
        assert client._Tries(math.inf).pause(hopeless) is None


def test_the_patience_outlasts_the_key_of_a_request_that_was_killed() -> None:
    longest_pause = client.LONGEST_PAUSE_S + (RequestInProgress.retry_after_s or 0)
    assert STALE_REQUEST.total_seconds() + longest_pause < client.PATIENCE_S


def test_a_document_is_uploaded(running: Served, tmp_path: Path) -> None:
    file = tmp_path / "pets.md"
    file.write_text("# Pets\n\nDogs are welcome.\n", "utf-8")
    with Client(running.address, running.site.keys["olga"]) as olga:
        added = olga.upload(file, "house", valid_until="2031-01-01", create=True)
        assert (added.collection, added.state) == ("house", "pending")
        assert olga.document(added.document_id) == added


def test_the_same_with_asyncio(running: Served, tmp_path: Path) -> None:
    file = tmp_path / "cats.md"
    file.write_text("# Cats\n\nCats are welcome.\n", "utf-8")

    async def everything() -> None:
        async with AsyncClient(running.address, running.site.keys["ann"]) as ann:
            answer, held = await asyncio.gather(ann.ask(RELEASED), ann.ask(HELD))
            assert answer.text == EXCESS and held.status == "held"
            assert (await ann.passage(answer.citations[0])).title == "Making a claim"
            assert await ann.answer(answer.answer_id) in await ann.answers()
            assert "£350" in (await ann.search(RELEASED))[0].text
            assert "main" in [one.name for one in await ann.collections()]
            assert await ann.sections(held) and await ann.sections(answer) == []
            with pytest.raises(TimeoutError):
                await ann.follow(held, timeout_s=0.2)
            with pytest.raises(ClientError):
                await ann.follow("unknown")
            following = asyncio.create_task(ann.follow(held))
            await asyncio.to_thread(running.release, held.answer_id, "reject", reason="No.")
            done = await following
            assert (done.status, done.answer) == ("rejected", None) and "decided not" in done.text
        async with AsyncClient(running.address, running.site.keys["olga"]) as olga:
            added = await olga.upload(file, "house", create=True)
            assert (await olga.document(added.document_id)).state == "pending"

    asyncio.run(everything())


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(found).parameters)
            for name, found in vars(kind).items()
            if inspect.isfunction(found) and not name.startswith("_")
        }

    assert methods(Client) == methods(AsyncClient) and "follow" in methods(Client)


def test_an_assistant_asks_over_mcp(running: Served) -> None:
    from mcp import Client as McpClient
    from mcp import StdioServerParameters

    key = running.site.keys["ann"]
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "cli", "mcp", "--address", running.address],
        cwd=PROJECT,
        env={"COUNTERSIGN_API_KEY": key, "PYTHONPATH": str(PROJECT)},
    )

    async def talk() -> None:
        async with McpClient(server) as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}
            assert tools == {"ask", "follow", "search", "passage", "collections"}

            async def call(name: str, **arguments: Any) -> Any:
                done = await client.call_tool(name, arguments)
                assert not done.is_error, done.content
                return done.structured_content

            released = await call("ask", question=RELEASED, collections=["main"])
            assert released["answer"]["text"] == EXCESS
            (citation,) = released["answer"]["citations"]
            read = await call("passage", passage_id=citation["passage_id"])
            assert citation["quote"] in read["text"]
            assert "main" in str(await call("collections"))
            assert "£350" in str(await call("search", question=RELEASED, limit=1))
            held = await call("ask", question=HELD)
            assert (held["status"], held["answer"]) == ("held", None)
            waiting = await call("follow", answer_id=held["answer_id"], wait_s=0.1)
            assert waiting == held
            await asyncio.to_thread(running.release, held["answer_id"])
            signed = await call("follow", answer_id=held["answer_id"], wait_s=60)
            assert signed["status"] == "released" and "£350" in signed["answer"]["text"]
            refused = await client.call_tool("ask", {"question": " "})
            assert refused.is_error and "question_empty" in str(refused.content)

    asyncio.run(talk())


def test_mcp_needs_a_key() -> None:
    ended = countersign("mcp", settings={})
    assert ended.returncode == 1 and "COUNTERSIGN_API_KEY" in ended.stderr
