"""The process itself: a restart loses nothing, a stop drains, a taken port is said clearly."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from app.access.principals import ROLES
from app.settings import PROJECT
from tests.e2e.conftest import service


def sign_in(client: httpx.Client, login: dict[str, str]) -> dict[str, str]:
    answer = client.post("/v1/session", json=login)
    assert answer.status_code == 200
    return {"X-CSRF-Token": answer.json()["csrf_token"]}


def test_a_restart_loses_nothing(tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "fees.txt").write_text("Fees\n\nThe cancellation fee is £25.\n", "utf-8")
    data = tmp_path / "data"
    with (
        service(data, ingest=documents, stop=signal.SIGTERM) as announced,
        httpx.Client(base_url=announced["chat"], timeout=120) as client,
    ):
        login = announced["first_login"]
        own = client.post("/v1/session", json=login).json()
        assert set(own["roles"]) == set(ROLES)
        assert client.get("/v1/users").json()["users"][0]["name"] == login["username"]
        question = {"question": "How much is the cancellation fee?"}
        asked = client.post("/v1/ask", json=question, headers=sign_in(client, login)).json()
    with (
        service(data, ingest=documents) as announced,
        httpx.Client(base_url=announced["chat"], timeout=120) as client,
    ):
        assert announced["first_login"] is None
        sign_in(client, login)
        (kept,) = client.get("/v1/answers").json()["answers"]
        assert kept == asked
        assert client.get("/readyz").status_code == 200


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = subprocess.run(
            [sys.executable, "-m", "cli", "serve"],
            cwd=PROJECT,
            env={
                **os.environ,
                "COUNTERSIGN_DATA_DIR": str(tmp_path),
                "COUNTERSIGN_PORT": str(taken.getsockname()[1]),
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 1
    assert "COUNTERSIGN_PORT" in done.stderr
    assert "Traceback" not in done.stderr
