"""The wheel, installed into an environment of its own and run in an empty folder."""

import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import httpx
import pytest

from app.settings import PROJECT
from countersign import __version__
from tests.e2e.conftest import service
from tests.e2e.test_service import sign_in


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of an environment that holds the wheel and its requirements.

    The requirements are borrowed from this environment, since installing them takes minutes; its
    own link to the repository is not: a path in a ``.pth`` file has no ``.pth`` files read.
    """
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = ["wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*pip, *build, str(folder), str(PROJECT)], check=True, cwd=folder)
    (wheel,) = folder.glob("countersign-*.whl")
    venv.create(folder / "env", with_pip=False)
    commands = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
    into = [*pip, "--python", str(commands / "python"), "install", "--no-deps", "--no-index"]
    # What is run compiles itself; most of it is not.
    subprocess.run([*into, "--no-compile", str(wheel)], check=True, cwd=folder)
    (packages,) = (folder / "env").glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    return commands


def test_it_takes_one_name_and_says_its_version(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (packages,) = installed.parent.glob("lib/python*/site-packages")
    own = {path.name for path in packages.iterdir()} - {"borrowed.pth"}
    assert own == {"countersign", f"countersign-{__version__}.dist-info"}
    run = [str(installed / "countersign"), "--version"]
    monkeypatch.delenv("PYTHONPATH", raising=False)
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == ["countersign", __version__]
    # A program that only calls a service elsewhere loads nothing of the service.
    alone = "import sys, countersign.client; sys.exit('app' in sys.modules)"
    subprocess.run([str(installed / "python"), "-c", alone], cwd=tmp_path, check=True)


def test_it_ingests_and_answers_in_an_empty_folder(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    (examples,) = installed.parent.glob("lib/python*/site-packages/countersign/examples")
    with (
        service(
            tmp_path / "data",
            ingest=examples / "documents" / "staff",
            command=[str(installed / "countersign")],
            folder=tmp_path,
        ) as announced,
        httpx.Client(base_url=announced["chat"], timeout=120) as client,
    ):
        headers = sign_in(client, announced["first_login"])
        asked = {"question": "How long must a password be?"}
        answer = client.post("/v1/ask", json=asked, headers=headers).json()
        assert answer["status"] in ("released", "held")
        page = client.get("/")
        assert "<title>" in page.text
        for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text):
            assert client.get(address).status_code == 200
        assert client.get("/v1/openapi.json").json()["info"]["version"] == __version__
