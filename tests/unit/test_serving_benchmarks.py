"""The benchmarks of the serving: their clocks, their made store, and the comparison with peers."""

import asyncio
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from app.errors import DependencyFailed, NotReady
from app.retrieval.retriever import Retriever
from app.tracing import span
from benchmarks import latency, made_store, rebuild, soak
from benchmarks.load import DEADLINE_S, _late
from benchmarks.machine import cpu_seconds, descriptors, machine, memory_mb, threads
from benchmarks.peers.measure import PEERS, compare_systems, measure_peers
from benchmarks.peers.models import _best_span
from benchmarks.peers.talk import run_round
from benchmarks.service import Told, ask_at_rate, ask_in_turn, example_questions
from tests.effort import wait_until

PEER = """
import itertools, os, sys, time
calls = itertools.count()
sys.argv = ["peer", sys.argv[1]]
from benchmarks.peers.talk import serve
from tests.effort import wait_until
def build(task):
    def answer(question):
        time.sleep({pause})
        return question if task.read == 3 else ""
    return answer
serve(build, "1.0")
"""


def burn(seconds: float) -> None:
    ends = time.process_time() + seconds
    while time.process_time() < ends:
        pass


def test_a_stage_is_charged_with_its_own_cpu_time_not_with_that_of_stages_within() -> None:
    # The clock is that of the process: what other tests left running counts, so it is read here.
    within = 0.0
    with latency._stage_times() as spent:
        began = time.process_time()
        with span("outer"):
            burn(0.02)
            for _ in range(2):
                inner = time.process_time()
                with span("inner"):
                    burn(0.03)
                within += time.process_time() - inner
            time.sleep(0.05)
        whole = time.process_time() - began
    assert within >= 0.06
    assert spent["inner"] == pytest.approx(within, abs=0.01)
    assert spent["outer"] == pytest.approx(whole - within, abs=0.01)


def test_the_open_loop_does_not_wait_for_answers_and_counts_from_when_a_question_was_due() -> None:
    arrived: list[int] = []

    async def scene() -> list[Told]:
        everybody = asyncio.Event()

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            arrived.append(1)
            if len(arrived) == 1:
                time.sleep(0.5)  # the client is held up: that counts too
            if len(arrived) == 10:
                everybody.set()
            await everybody.wait()  # nobody is answered before all have asked
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(slow, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await ask_at_rate(port, "key", ["a", "ü"], 50, 0.2)

    told = asyncio.run(scene())
    assert [one.status for one in told] == [200] * 10
    assert min(one.milliseconds for one in told) > 300


def test_connections_are_used_again_and_one_that_was_closed_meanwhile_loses_no_question() -> None:
    opened: list[int] = []

    async def scene() -> list[Told]:
        async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            opened.append(0)
            while opened[-1] < 2 and await reader.readline():  # two questions for a connection
                await reader.readuntil(b"}")
                opened[-1] += 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntold")
            if opened[-1] == 2:
                await asyncio.sleep(0.02)  # the third is on its way
            writer.close()

        async with await asyncio.start_server(served, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await ask_in_turn(port, "key", ["a", "b", "c", "d", "ü"], 1, 20)

    told = asyncio.run(scene())
    assert [one.status for one in told] == [200] * 5
    assert len(opened) == 3


def test_askers_in_turn_ask_each_question_once_and_nobody_listening_is_told_as_that() -> None:
    told = asyncio.run(ask_in_turn(1, "key", ["a", "b", "c"], askers=2, seconds=5))
    assert [one.status for one in told] == [0, 0, 0]
    assert len(set(example_questions())) == len(example_questions()) > 2000
    late = 1000 * DEADLINE_S + 1
    assert _late([Told(200, late), Told(200, late - 2), Told(503, late)]) == 1


def test_made_passages_are_like_real_ones_but_not_the_same() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=(5, 384)).astype(np.float32)
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    near = made_store._near(base, rng)
    assert np.allclose(np.linalg.norm(near, axis=1), 1, atol=1e-5)
    assert np.allclose((near * base).sum(axis=1), made_store.LIKENESS, atol=1e-5)
    text = "The excess for water damage is £350, as stated in section 4 of your schedule."
    made = made_store._reworded(text, np.array(["Other", "words"]), rng)
    assert made != text
    assert len(made.split()) == len(text.split())
    assert "£350," in made


def test_a_process_tells_what_it_uses_and_where_it_ran() -> None:
    import os

    burn(0.02)
    assert cpu_seconds(os.getpid()) > 0
    assert memory_mb(os.getpid()) <= memory_mb(os.getpid(), "VmHWM")
    assert (threads(os.getpid()) >= 1, descriptors(os.getpid()) > 2) == (True, True)
    assert {"processor", "cores", "load_average"} == set(machine())


def test_a_peer_that_is_not_installed_is_named_as_left_out(tmp_path: Path) -> None:
    told = measure_peers([1], 1.0, 1, 8, tmp_path / "nowhere")
    assert told["ratio"] == {}
    assert set(told["left_out"]) == set(PEERS)
    assert all("--install" in reason for reason in told["left_out"].values())


def test_systems_are_compared_in_one_run_and_a_broken_one_says_why(tmp_path: Path) -> None:
    passages, task = tmp_path / "passages.jsonl", tmp_path / "task.json"
    passages.write_text('{"id": "a", "title": "t", "text": "b"}', "utf-8")
    told = {"passages": str(passages), "embedder": "", "answer_model": "", "read": 3}
    task.write_text(json.dumps(told), "utf-8")

    def system(program: str) -> list[str]:
        return [sys.executable, "-c", program, str(task)]

    commands = {
        "ours": system(PEER.format(pause=0)),
        "slow": system(PEER.format(pause=0.5)),
        "broken": system("raise ImportError('no such toolkit')"),
        "fragile": system(PEER.format(pause="os._exit(1) if next(calls) > 2 else 0")),
    }
    seen = compare_systems(commands, [1, 4], 0.3, 1)
    ended = {"broken": "ImportError: no such toolkit", "fragile": "it ended in the middle"}
    assert seen["left_out"] == ended
    assert set(seen["systems"]) == {"ours", "slow"}
    assert set(seen["ratio"]) == {"1", "4"}
    assert seen["ratio"]["1"] > 1
    with pytest.raises(DependencyFailed):
        compare_systems({"ours": commands["broken"]}, [1], 0.1, 1)


def test_a_round_ends_with_its_questions_or_its_time() -> None:
    told = run_round(lambda question: question, ["a", "", "c"], users=2, seconds=60)
    assert (told["answered"], told["filled"]) == (3, 2)
    assert told["seconds"] < 30
    began = time.perf_counter()
    run_round(lambda _: time.sleep(0.05) or "", ["a"] * 1000, users=2, seconds=0.1)  # type: ignore[func-returns-value]
    assert time.perf_counter() - began < 12  # half of what all would take


def test_the_best_span_is_short_and_in_order() -> None:
    starts, ends = np.zeros(60, np.float32), np.zeros(60, np.float32)
    starts[5], ends[50], ends[3], ends[8] = 3, 9, 7, 2
    assert _best_span(starts, ends) == (9.0, 11, 50)
    assert _best_span(starts[:9], ends[:9]) == (7.0, 0, 3)


def test_a_soak_tells_growth_and_what_nobody_asked_for_from_what_was_meant() -> None:
    seen = soak.Seen(milliseconds=[10.0, 20.0])
    # It fills up first, then grows by 1 MB and half a descriptor a minute.
    seen.samples += [(60.0 * n, 500 + 40 * min(n, 5) + n, 20 + n // 2, 8) for n in range(21)]
    seen.statuses.update({("ask", 200): 90, ("ask", 503): 4, ("burst", 503): 6, ("wrong", 404): 3})
    seen.statuses.update({("ask", 500): 1, ("tasks", 503): 1, ("wrong", 200): 1, ("upload", 0): 2})
    found = soak.summary(seen)
    assert found["errors"] == {"ask 500": 1, "tasks 503": 1, "upload 0": 2, "wrong 200": 1}
    assert (found["requests"], found["rejects"]) == (108, 11)
    assert found["memory_mb_an_hour"] == pytest.approx(60)
    assert found["descriptors_an_hour"] == pytest.approx(30, abs=2)
    assert found["memory_mb"] == [500, 720, 720]
    assert found["memory_mb_by_tenth"][:4] == [500, 582, 664, 706]


def test_a_soak_approves_what_was_drafted_and_rejects_what_was_not() -> None:
    task = {"content_sha256": "a", "draft": {"sentences": [{"text": "Yes."}]}}
    assert soak.decision_on(task)["kind"] == "approve"
    assert soak.decision_on({**task, "draft": {"sentences": []}})["kind"] == "reject"


def test_what_fails_while_an_index_is_built_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "BEFORE_S", 0.0)
    asked: list[str] = []

    def retrieve(question: str, *_: object) -> SimpleNamespace:
        asked.append(question)
        if question == "b":
            raise NotReady("no index")
        return SimpleNamespace(hits=[1] if question == "a" else [])

    retriever = cast(Retriever, SimpleNamespace(retrieve=retrieve))
    questions = dict.fromkeys("abc", np.zeros(3, np.float32))

    def until_all_asked() -> None:
        wait_until(lambda: {*asked} == {*"abc"})

    took, wrong, _ = rebuild._asked_beside(retriever, questions, until_all_asked)
    assert len(asked) >= 3 and len(took) == len(asked) - asked.count("b")
    assert wrong == {"NotReady: no index": asked.count("b"), "nothing found": asked.count("c")}
