"""Places for answers, and event streams that wait: both without a server and without a database."""

import asyncio
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from prometheus_client import CollectorRegistry, Gauge

from app.allocator import MOST_ARENAS
from app.api.edge import Door
from app.api.protocol import CROWDED_IDLE_S, IDLE_S, Corked, timed_protocol
from app.api.questions import router
from app.deadline import Deadline
from app.errors import CallerGone, DeadlineExceeded, NotReady, Overloaded
from app.serving.admission import AnswerPlaces, Pace
from app.serving.turns import SHORT_NS, take_short_turns
from app.serving.watching import Watch
from tests.effort import SLOWEST


def places(running: int, waiting: int, deadline_s: float = 60.0) -> AnswerPlaces:
    gauge = Gauge("running", "Answers.", registry=CollectorRegistry())
    return AnswerPlaces(running, waiting, deadline_s, gauge)


# Places


def test_beyond_running_and_waiting_everybody_is_refused_at_once() -> None:
    rooms, over = places(2, 1), threading.Event()

    async def scene() -> None:
        tasks = [asyncio.create_task(rooms.enter().run(lambda _: over.wait(60))) for _ in range(3)]
        began = time.monotonic()
        with pytest.raises(Overloaded):
            rooms.enter()
        assert time.monotonic() - began < 30  # not when one of them is over
        over.set()
        assert await asyncio.gather(*tasks) == [True] * 3
        assert rooms.taken == 0
        rooms.enter().close()
        assert rooms.taken == 0

    asyncio.run(scene())
    rooms.close()
    with pytest.raises(NotReady):
        rooms.enter()


def test_threads_are_started_before_the_first_burst() -> None:
    rooms = places(3, 0)
    before = set(threading.enumerate())
    rooms.warm_up()
    started = set(threading.enumerate()) - before
    assert len(started) == 3
    assert {thread.name.rpartition("_")[0] for thread in started} == {"answer"}

    async def scene() -> set[str]:
        names = [rooms.enter().run(lambda _: threading.current_thread().name) for _ in range(3)]
        return set(await asyncio.gather(*names))

    assert asyncio.run(scene()) <= {thread.name for thread in started}
    rooms.close()


def test_the_deadline_counts_from_arrival_not_from_a_free_thread() -> None:
    rooms, over = places(1, 1, deadline_s=1.0), threading.Event()
    has_thread, begun = threading.Event(), list[str]()

    def first_one(_deadline: Deadline) -> None:
        has_thread.set()
        over.wait(60)

    def late(_deadline: Deadline) -> None:
        begun.append("late")

    async def scene() -> None:
        first, second = rooms.enter(), rooms.enter()
        running = asyncio.create_task(first.run(first_one))
        await told_by(has_thread.is_set)
        with pytest.raises(DeadlineExceeded):
            await second.run(late)
        with pytest.raises(DeadlineExceeded):
            await running
        assert rooms.taken == 1  # the one that still runs; nobody may take its thread
        over.set()

    asyncio.run(scene())
    rooms.close()
    assert begun == []


def test_whoever_hangs_up_is_never_begun_or_ends_at_the_next_step() -> None:
    rooms, over = places(1, 4), threading.Event()
    begun: list[str] = []
    stopped = threading.Event()

    def work(deadline: Deadline) -> None:
        begun.append("work")
        over.wait(60)
        try:
            deadline.remaining()
        except CallerGone:
            stopped.set()
            raise

    async def scene() -> None:
        tasks = [asyncio.create_task(rooms.enter().run(work)) for _ in range(5)]
        await told_by(lambda: begun)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert rooms.taken == 1
        over.set()
        await told_by(lambda: not rooms.taken)

    asyncio.run(scene())
    assert stopped.wait(60)
    assert begun == ["work"]
    rooms.close()


def test_who_would_wait_longer_than_an_answer_may_take_is_told_at_once() -> None:
    rooms, over = places(1, 50, deadline_s=10.0), threading.Event()
    rooms._pace.note(1, 0.0)
    for number in range(1, 5):  # an answer every 1.1 seconds
        rooms._pace.note(1, 1.1 * number, answered=True)

    async def scene() -> None:
        tasks = []
        for _ in range(7):
            tasks.append(asyncio.create_task(rooms.enter().run(lambda _: over.wait(60))))
        with pytest.raises(Overloaded) as refused:
            rooms.enter()  # it would be answered after 8.8 seconds
        assert refused.value.retry_after_s == 9
        over.set()
        assert await asyncio.gather(*tasks) == [True] * 7
        rooms.enter().close()  # with a free place nobody is refused

    asyncio.run(scene())
    rooms.close()


def test_the_pace_is_that_of_full_places_only() -> None:
    pace = Pace(2)
    for second in range(10):  # one at a time, a second each
        pace.note(1, float(second))
        pace.note(1, second + 1.0, answered=True)
        pace.note(0, second + 1.0)
    assert pace.expected(5) == 0.0
    pace.note(1, 10.0)
    pace.note(3, 10.0)
    for number in range(1, 6):  # both places, and others wait: two answers a second
        pace.note(3, 10.0 + number / 2, answered=True)
    assert pace.expected(1) == 0.0
    assert pace.expected(5) == pytest.approx(6 * 0.5)


def test_an_answer_that_comes_after_its_deadline_is_none() -> None:
    rooms = places(1, 0, deadline_s=0.1)

    async def scene() -> None:
        job = asyncio.create_task(rooms.enter().run(lambda _: time.sleep(0.12)))
        await asyncio.sleep(0.02)
        time.sleep(0.2)  # the event loop is busy: it sees deadline and answer together
        with pytest.raises(DeadlineExceeded):
            await job

    asyncio.run(scene())
    rooms.close()


def test_whoever_has_a_place_when_the_places_close_is_told_so() -> None:
    rooms, begun, over = places(1, 2), threading.Event(), threading.Event()

    def work(_deadline: Deadline) -> bool:
        begun.set()
        return over.wait(60)

    async def scene() -> None:
        running = asyncio.create_task(rooms.enter().run(work))
        await asyncio.to_thread(begun.wait, 60)
        waiting = asyncio.create_task(rooms.enter().run(lambda _: None))
        await asyncio.sleep(0)
        entered = rooms.enter()
        rooms.close()
        with pytest.raises(NotReady):
            await entered.run(lambda _: None)
        with pytest.raises(NotReady):
            await waiting
        over.set()
        assert await running
        await told_by(lambda: not rooms.taken)

    asyncio.run(scene())


def test_an_error_gives_the_place_back() -> None:
    rooms = places(1, 0)

    async def scene() -> None:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await rooms.enter().run(lambda _: 1 // 0)

    asyncio.run(scene())
    assert rooms.taken == 0
    rooms.close()


# Streams


class Paper:
    """News by hand: what changed, and what ended; counts how often it is read."""

    def __init__(self) -> None:
        self.links: list[str] = []
        self.gone: set[str] = set()
        self.looks: list[str] = []
        self.away = False

    def newest(self) -> int:
        self.looks.append("newest")
        return len(self.links)

    def since(self, number: int) -> tuple[int, Collection[str]]:
        links = list(self.links)  # as they are now: the test goes on meanwhile
        self.looks.append("since")
        if self.away:
            raise ConnectionError
        return len(links), links[number:]

    def ended(self, credentials: Collection[str]) -> Collection[str]:
        self.looks.append("ended")
        return self.gone & set(credentials)


async def told_by(true: Callable[[], object]) -> None:
    """Return when it is true."""
    async with asyncio.timeout(SLOWEST):
        while not true():
            await asyncio.sleep(0.005)


async def looked(paper: Paper, *streams: Any) -> None:
    """Return when all was looked at once more, and nothing is left to tell these streams: a look
    begins when what the one before it found was told."""
    before = len(paper.looks)
    await told_by(lambda: len(paper.looks) >= before + 4)
    for stream in streams:
        await soon(stream, 0.01)


async def soon(stream: Any, within: float = SLOWEST) -> bool:
    """Whether the stream is woken."""
    try:
        await asyncio.wait_for(stream.change(), within)
    except TimeoutError:
        return False
    return True


def test_streams_are_woken_by_their_own_answer_in_one_look_for_all() -> None:
    paper = Paper()

    async def scene() -> None:
        watch = Watch(paper, every_s=0.01, recheck_s=60)
        with (
            watch.follow("a", "key", watch.seen) as mine,
            watch.follow("b", "key", watch.seen) as other,
        ):
            assert await soon(mine) and await soon(other)  # nobody knows what came before
            await looked(paper, mine, other)  # the first look wakes all
            paper.links.append("a")
            assert await soon(mine)
            assert not await soon(other, 0.1)
            assert len(watch) == 2
        assert len(watch) == 0
        assert watch._task is not None
        await asyncio.wait_for(watch._task, SLOWEST)
        looks = len(paper.looks)
        await asyncio.sleep(0.1)
        assert len(paper.looks) == looks  # without streams nobody looks
        watch.close()

    asyncio.run(scene())


def test_a_stream_is_woken_when_its_credential_ends() -> None:
    paper = Paper()

    async def scene() -> None:
        watch = Watch(paper, every_s=0.01, recheck_s=0.05)
        with (
            watch.follow("a", "revoked", watch.seen) as mine,
            watch.follow("a", "good", watch.seen) as other,
        ):
            await looked(paper, mine, other)
            paper.gone.add("revoked")
            assert await soon(mine)
            assert not await soon(other, 0.1)
        watch.close()

    asyncio.run(scene())


def test_a_stream_hears_of_what_changed_between_reading_and_following() -> None:
    paper = Paper()

    async def scene() -> None:
        watch = Watch(paper, every_s=0.01, recheck_s=60)
        with watch.follow("a", "key", watch.seen):
            await told_by(lambda: watch.seen is not None)
            with watch.follow("b", "key", watch.seen) as other:
                assert not await soon(other, 0.1)  # nothing changed, so it need not look
            before = watch.seen
            paper.links.append("b")
            await told_by(lambda: watch.seen != before)
            with watch.follow("b", "key", before) as other:
                assert await soon(other)
        watch.close()

    asyncio.run(scene())


def test_a_look_that_fails_is_made_up_for() -> None:
    paper = Paper()

    async def scene() -> None:
        watch = Watch(paper, every_s=0.01, recheck_s=60)
        with watch.follow("a", "key", watch.seen) as mine:
            await looked(paper, mine)
            paper.away = True
            paper.links.append("a")
            assert not await soon(mine, 0.1)
            paper.away = False
            assert await soon(mine)
        watch.close()

    asyncio.run(scene())


def test_a_thousand_streams_take_no_thread_each() -> None:
    paper = Paper()

    async def scene() -> None:
        watch = Watch(paper, every_s=0.01, recheck_s=0.05)
        before = threading.active_count()
        follows = [watch.follow(f"answer {n}", "key", watch.seen) for n in range(1000)]
        streams = [follow.__enter__() for follow in follows]
        await looked(paper, *streams)
        assert threading.active_count() <= before + 2
        paper.links.append("answer 7")
        assert await soon(streams[7])
        for follow in follows:
            follow.__exit__(None, None, None)
        assert len(watch) == 0
        watch.close()

    asyncio.run(scene())


# The door


@pytest.mark.parametrize(
    ("path", "shown", "refused"),
    [
        ("/v1/ask", b"Bearer cs_any", True),
        ("/v1/search", b"bearer cs_any", True),
        ("/v1/ask", b"", False),  # that nothing was shown is said first
        ("/v1/ask", b"Bearer ", False),
        ("/v1/ask", b"Basic cs_any", False),
        ("/v1/passages/one", b"Bearer cs_any", False),
    ],
)
def test_with_all_places_taken_a_question_is_refused_before_anything_else(
    path: str, shown: bytes, refused: bool
) -> None:
    rooms, passed = places(1, 0), []

    async def inner(_scope: Any, _receive: Any, _send: Any) -> None:
        passed.append(path)

    async def scene() -> None:
        state = SimpleNamespace(services=SimpleNamespace(places=rooms))
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "headers": [(b"content-length", b"99999999"), (b"authorization", shown)],
            "app": SimpleNamespace(state=state),
        }
        door: Any = Door(inner, router.routes)
        await door(scope, None, None)
        taken = rooms.enter()
        if refused:
            with pytest.raises(Overloaded):
                await door(scope, None, None)
            assert scope["route"].path == path  # type: ignore[attr-defined]
        else:
            await door(scope, None, None)
        taken.close()
        await door(scope, None, None)
        assert rooms.taken == 0

    asyncio.run(scene())
    rooms.close()
    assert passed == [path] * (2 if refused else 3)


class Wire:
    """A transport that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def write(self, data: bytes) -> None:
        self.told.append(data.decode())

    def close(self) -> None:
        self.told.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.told

    def get_extra_info(self, _name: str) -> None:
        """Of nobody."""


def test_head_and_body_of_a_response_are_sent_together_and_before_the_end() -> None:
    wire = Wire()

    async def scene() -> None:
        corked: Any = Corked(wire, asyncio.get_running_loop())  # type: ignore[arg-type]
        for part in (b"head ", b"", b"body"):
            corked.write(part)
        assert (wire.told, corked.is_closing()) == ([], False)
        await asyncio.sleep(0)
        assert wire.told == ["head body"]
        corked.write(b"")
        corked.write(b"more")
        await asyncio.sleep(0)
        corked.write(b"last")
        corked.close()
        await asyncio.sleep(0)
        assert wire.told == ["head body", "more", "last", "closed"]

    asyncio.run(scene())


def connection(app: Any, wire: Wire) -> Any:
    """A connection over that wire; needs a running loop."""
    config = uvicorn.Config(app, http=timed_protocol(60), ws="none", lifespan="off")
    config.load()
    protocol: Any = config.http_protocol_class(config, uvicorn.server.ServerState(), {})  # type: ignore[call-arg]
    protocol.connection_made(wire)
    return protocol


def test_a_response_that_is_complete_is_sent_before_the_turn_ends() -> None:
    wire, sent = Wire(), list[str]()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"4")]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        assert wire.told == []
        await send({"type": "http.response.body", "body": b"full"})
        sent.extend(wire.told)

    async def scene() -> None:
        protocol = connection(app, wire)
        protocol.data_received(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        await asyncio.sleep(0.01)
        protocol.connection_lost(None)

    asyncio.run(scene())
    assert len(sent) == 1
    assert sent[0].startswith("HTTP/1.1 503 ") and sent[0].endswith("full")


@pytest.mark.parametrize(("others", "seconds"), [(0, IDLE_S), (1, IDLE_S), (2, CROWDED_IDLE_S)])
def test_connections_wait_less_for_another_request_where_many_are_open(
    others: int, seconds: int
) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def scene() -> None:
        protocol = connection(app, Wire())
        protocol.limit_concurrency = 4
        protocol.connections.update(range(others))
        protocol.data_received(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        await asyncio.sleep(0.01)
        left = protocol.timeout_keep_alive_task.when() - asyncio.get_running_loop().time()
        assert seconds - 1 < left <= seconds
        protocol.connection_lost(None)

    asyncio.run(scene())


ARENAS = """
import ctypes, sys, threading
from app.allocator import use_few_arenas
print(use_few_arenas())
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
together = threading.Barrier(16)
def take():
    together.wait()
    libc.malloc(1000)
    together.wait()
threads = [threading.Thread(target=take) for _ in range(16)]
for one in threads: one.start()
for one in threads: one.join()
file = ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.parametrize(("stated", "kept"), [(None, MOST_ARENAS), ("7", 7)])
def test_a_process_keeps_memory_in_few_places(stated: str | None, kept: int) -> None:
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library")
    environment = {k: v for k, v in os.environ.items() if k != "MALLOC_ARENA_MAX"}
    environment |= {"MALLOC_ARENA_MAX": stated} if stated else {}
    command = [sys.executable, "-c", ARENAS]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    said, _, told = ran.stdout.partition("\n")
    assert said == str(stated is None)
    assert told.count("<heap nr=") == kept


STREAMS = """
import gc
from cli.workers import prompt
seen = []
gc.callbacks.append(lambda phase, told: seen.append(told["generation"]) if phase == "stop" else 0)
with prompt(None):
    streams = [[[] for _ in range(300)] for _ in range(1_000)]
print(max(seen), len(seen) > 100)
"""


def test_a_thousand_streams_are_not_looked_through_for_garbage() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", STREAMS], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["1", "True"]


FREED = """
from app.allocator import return_freed_memory
def megabytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 >> 20
blocks = [b"x" * (4000 + one % 50) for one in range(25_000)]  # 100 MB
kept = blocks[::25]
del blocks
held = megabytes()
return_freed_memory()
print(held - megabytes())
"""


def test_what_was_freed_amid_what_is_in_use_goes_back_to_the_system() -> None:
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library")
    ran = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True)
    assert int(ran.stdout) > 50


def test_short_turns_are_those_of_one_thread() -> None:
    told: list[tuple[bool, int]] = []

    def turn() -> int:
        lines = Path(f"/proc/self/task/{threading.get_native_id()}/sched").read_text().splitlines()
        return next(int(line.split(":")[1]) for line in lines if line.startswith("se.slice"))

    def take() -> None:
        told.append((take_short_turns(), turn()))
        within = threading.Thread(target=lambda: told.append((False, turn())))
        within.start()
        within.join()

    if (
        not Path("/proc/self/sched").exists()
        or "se.slice" not in Path("/proc/self/sched").read_text()
    ):
        pytest.skip("this kernel does not tell")
    # The thread of the tests may have taken short turns before: as the event loop of a service.
    elsewhere = threading.Thread(target=lambda: told.append((False, turn())))
    taking = threading.Thread(target=take)
    for thread in (elsewhere, taking):
        thread.start()
        thread.join()
    (_, before), (done, short), (_, usual) = told
    assert usual == before
    assert not done or short == SHORT_NS < usual
