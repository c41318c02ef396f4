"""A real local Ray Serve with two replicas over PostgreSQL, one of which is killed under load.

Ray is no dependency: give a Python that has it (and this project's packages) in
COUNTERSIGN_RAY_PYTHON, or install `ray[serve]`; else this says loudly that it did not run.
"""

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from app.access.service import Access
from app.db import Database
from app.records.tables import RecordRow
from app.settings import PROJECT, Settings
from app.wiring import open_services
from ingestion.pipeline import pipeline_for
from ingestion.sources import find_files
from tests.servers import free_port

PYTHON = os.environ.get("COUNTERSIGN_RAY_PYTHON") or (
    sys.executable if importlib.util.find_spec("ray") else ""
)
if not PYTHON:
    warnings.warn("RAY WAS NOT FOUND: its test did not run", stacklevel=1)
pytestmark = [
    pytest.mark.skipif(not PYTHON, reason="RAY WAS NOT FOUND: set COUNTERSIGN_RAY_PYTHON"),
    pytest.mark.timeout(600),
]
START = """
import sys, time, ray
from ray import serve
ray.init(num_cpus=2, object_store_memory=80 * 2**20, include_dashboard=False)
serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
from application import Countersign
options = {"num_replicas": 2, "ray_actor_options": {"num_cpus": 0.5}}
serve.run(Countersign.options(health_check_period_s=1, **options).bind(), route_prefix="/")
print("ready", flush=True)
sys.stdin.read()
serve.shutdown()
ray.shutdown()
"""
QUESTION = "What is the excess for water damage? Case {}."
ASKERS, QUESTIONS = 6, 90
KILL_AFTER = 20


@contextmanager
def ray_serve(folder: Path, database_url: str) -> Iterator[tuple[str, str]]:
    """The address of the service with two replicas, and a mark that their environment has."""
    port = free_port()
    mark = uuid.uuid4().hex
    told = {
        "COUNTERSIGN_DATA_DIR": str(folder),
        "COUNTERSIGN_DATABASE_URL": database_url,
        "COUNTERSIGN_GATE_MODE": "off",
        "COUNTERSIGN_QUESTIONS_PER_MINUTE": "100000",
        "COUNTERSIGN_MODEL_THREADS": "1",
        "COUNTERSIGN_TEST_MARK": mark,
        "PYTHONPATH": f"{PROJECT}:{PROJECT / 'deploy' / 'ray'}",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    with (folder / "ray.log").open("wb") as log:
        process = subprocess.Popen(
            [PYTHON, "-c", START, str(port)],
            env={**os.environ, **told},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=folder,
        )
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            lines = iter(process.stdout.readline, b"")
            assert any(line == b"ready\n" for line in lines), (folder / "ray.log").read_text()
            yield f"http://127.0.0.1:{port}", mark
        finally:
            process.stdin.close()
            process.wait(60)


def replicas(mark: str) -> list[int]:
    """The processes of our replicas, told by our mark: only these may be killed."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            ours = mark.encode() in (folder / "environ").read_bytes()
        except OSError:
            continue  # it has ended, or is somebody else's
        if ours and command.startswith(b"ray::ServeReplica"):
            found.append(int(folder.name))
    return found


def stocked(folder: Path, database_url: str) -> str:
    """One document that is indexed, and the key of an asker."""
    (folder / "water.txt").write_text("The excess for water damage is £350.", "utf-8")
    settings = Settings(data_dir=folder, database_url=database_url, model_threads=1)
    services = open_services(settings)
    try:
        pipeline_for(services).ingest(find_files([folder / "water.txt"]), "main")
        access = Access(services.database, settings)
        access.accounts.create("ann", ["asker"])
        return access.keys.create("ann").key
    finally:
        services.close()


def asked_until_answered(client: httpx.Client, question: str) -> tuple[str, int]:
    """The id of the answer, and how many tries were broken: each is repeated under its key."""
    key, broken = uuid.uuid4().hex, 0
    ends = time.monotonic() + 120
    while time.monotonic() < ends:
        try:
            headers = {"Idempotency-Key": key}
            answer = client.post("/v1/ask", json={"question": question}, headers=headers)
        except httpx.TransportError:
            broken += 1
            continue
        if answer.status_code == 200:
            return str(answer.json()["answer_id"]), broken
        broken += answer.status_code == 500
        if answer.status_code == 409:  # the one that was killed holds the key
            key = uuid.uuid4().hex
        time.sleep(0.2)
    raise AssertionError(f"never answered: {question}")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_replica_killed_under_load_loses_no_accepted_question(
    database_url: str, tmp_path: Path
) -> None:
    api_key = stocked(tmp_path, database_url)
    told: list[tuple[str, int]] = []
    numbers = iter(range(QUESTIONS))
    lock = threading.Lock()

    def ask_on(address: str) -> None:
        headers = {"Authorization": f"Bearer {api_key}"}
        with httpx.Client(base_url=address, headers=headers, timeout=120) as client:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                told.append(asked_until_answered(client, QUESTION.format(number)))

    with ray_serve(tmp_path, database_url) as (address, mark):
        before = replicas(mark)
        assert len(before) == 2
        askers = [threading.Thread(target=ask_on, args=(address,)) for _ in range(ASKERS)]
        for asker in askers:
            asker.start()
        while len(told) < KILL_AFTER:
            time.sleep(0.05)
        os.kill(before[0], signal.SIGKILL)
        for asker in askers:
            asker.join()
        ends = time.monotonic() + 120
        while len(replicas(mark)) < 2 and time.monotonic() < ends:
            time.sleep(0.5)
        after = replicas(mark)
    assert len(after) == 2
    assert before[0] not in after
    answers = {answer_id for answer_id, _ in told}
    assert len(answers) == QUESTIONS
    database = Database(database_url)
    with database.reading() as session:
        kept = set(session.scalars(select(RecordRow.answer_id)))
        asked = session.scalar(select(func.count(func.distinct(RecordRow.question))))
    database.close()
    assert answers <= kept  # whatever was acknowledged is recorded
    assert asked == QUESTIONS
