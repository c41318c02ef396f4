"""``serve --workers 2``: both processes answer, and one that is killed loses nothing silently."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.mmap_dict import MmapedDict

from tests.commands import countersign
from tests.e2e.conftest import service
from tests.e2e.test_service import sign_in

QUESTION = {"question": "How much is the cancellation fee?"}
LONGEST_S = 90.0


def until(told: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + LONGEST_S
    while not told():
        assert time.monotonic() < ends, what
        time.sleep(0.1)


def counts(folder: Path) -> dict[int, float]:
    """The answers that each process has counted so far, by its id."""
    found = {}
    for file in folder.glob("countersign-metrics-*/counter_*.db"):
        values = MmapedDict.read_all_values_from_file(str(file))  # type: ignore[no-untyped-call]
        named = ((json.loads(key), value) for key, value, *_ in values)
        answered = sum(value for key, value in named if key[0] == "countersign_answers")
        found[int(file.stem.rpartition("_")[2])] = answered
    return found


def living(folder: Path) -> set[int]:
    files = folder.glob("countersign-metrics-*/gauge_livesum_*.db")
    return {int(file.stem.rpartition("_")[2]) for file in files}


class Askers:
    """Ask on a connection of their own each, as many clients do."""

    def __init__(self, address: str, login: dict[str, str]) -> None:
        self._address = address
        with httpx.Client(base_url=address, timeout=120) as client:
            self.headers = sign_in(client, login)
            self.cookies = dict(client.cookies)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self._address + path, cookies=self.cookies, timeout=60)

    def ask(self, key: str) -> httpx.Response | None:
        """The response; None when the connection broke, which the client sees."""
        headers = {**self.headers, "Idempotency-Key": key}
        try:
            return httpx.post(
                f"{self._address}/v1/ask",
                json=QUESTION,
                headers=headers,
                cookies=self.cookies,
                timeout=120,
            )
        except httpx.TransportError:
            return None

    def all(self, keys: list[str]) -> dict[str, httpx.Response | None]:
        with ThreadPoolExecutor(4) as pool:
            return dict(zip(keys, pool.map(self.ask, keys), strict=True))


def answered(response: httpx.Response | None) -> dict[str, Any]:
    assert response is not None and response.status_code == 200, response and response.text
    found: dict[str, Any] = response.json()
    return found


@pytest.mark.timeout(600)  # three processes load their models
def test_one_of_two_processes_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared, documents = tmp_path / "shared", tmp_path / "documents"
    shared.mkdir()
    documents.mkdir()
    (documents / "fees.txt").write_text("Fees\n\nThe cancellation fee is £25.\n", "utf-8")
    data = tmp_path / "data"
    done = countersign("ingest", str(documents), settings={"COUNTERSIGN_DATA_DIR": str(data)})
    assert done.returncode == 0, done.stderr
    monkeypatch.setenv("TMPDIR", str(shared))
    with service(data, options=("--workers", "2")) as announced:
        askers = Askers(announced["chat"].rstrip("/"), announced["first_login"])
        until(lambda: len(living(shared)) == 2, "two processes serve")
        killed, _ = living(shared)
        made = _until_both_answer(askers, shared)
        made |= _with_a_kill(askers, killed)
        until(lambda: len(living(shared) - {killed}) == 2, "another process takes its place")
        assert killed not in living(shared)
        for answer_id in made:
            assert askers.get(f"/v1/answers/{answer_id}").status_code == 200
        listed = askers.get("/v1/answers?limit=100").json()["answers"]
        assert {answer["answer_id"] for answer in listed} == made
        counted = [
            float(line.split()[-1])
            for line in askers.get("/metrics").text.splitlines()
            if line.startswith("countersign_answers_total")
        ]
        assert len(made) - 4 <= sum(counted) <= len(made), "all processes count, also the dead"
    assert not list(shared.glob("countersign-metrics-*"))


def _until_both_answer(askers: Askers, shared: Path) -> set[str]:
    made: set[str] = set()

    def both() -> bool:
        keys = [f"first {len(made)} {number}" for number in range(4)]
        made.update(answered(response)["answer_id"] for response in askers.all(keys).values())
        return sum(count > 0 for count in counts(shared).values()) == 2

    until(both, "both processes answer")
    return made


def _with_a_kill(askers: Askers, killed: int) -> set[str]:
    """Ids of the answers to eight questions, while one process is killed; whoever is cut off asks
    again, and is told what became of the first request."""
    keys = [f"second {number}" for number in range(8)]
    kill = threading.Timer(0.3, os.kill, (killed, signal.SIGKILL))
    kill.start()
    first = askers.all(keys)
    kill.join()
    made = set()
    for key, response in first.items():
        if response is None:
            again = askers.ask(key)
            assert again is not None
            if again.status_code == 409:  # the key is kept for the request that was cut off
                assert again.json()["code"] == "request_in_progress"
                again = askers.ask(f"{key} anew")
            response = again
        made.add(answered(response)["answer_id"])
    assert len(made) == len(keys)
    return made
