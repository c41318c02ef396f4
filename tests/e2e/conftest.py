"""A running service over the examples, and a headless Chromium to look at it.

What only looks at pages shares the process of the tests, which has loaded the models already:
``running``. What is about the process itself starts one: ``service``.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from app import background
from app.access.principals import ROLES
from app.api.protocol import timed_protocol
from app.main import create_app
from app.settings import PROJECT, Settings
from app.wiring import Services, open_services
from cli.workers import server_options
from ingestion.formats.page_image import PageImages
from ingestion.pipeline import pipeline_for
from ingestion.sources import find_files
from ingestion.worker import worker
from tests.commands import countersign
from tests.conftest import NO_BROWSER, find_browser, made_once
from tests.servers import Served, free_port, listening, served, tiny_services
from tests.site import PASSWORD

PATIENCE_MS = 60_000
"""A busy machine is slow; what is right is seen at once all the same."""
expect.set_options(timeout=PATIENCE_MS)
ON_POSTGRES = os.environ.get("COUNTERSIGN_PAGES_ON") == "postgresql"
"""Whether PostgreSQL is beneath ``running`` and ``tiny``, and not SQLite."""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


WIDE: ViewportSize = {"width": 1280, "height": 800}


@contextmanager
def faultless_page(browser: Browser, **options: Any) -> Iterator[tuple[Page, list[str]]]:
    """A page on which no script may fail, and what was wrong on it: nothing, at the end."""
    context = browser.new_context(**{"viewport": WIDE, **options})
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page, problems
    context.close()
    assert problems == []


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page on which no script may fail; a module may have another one."""
    with faultless_page(browser) as (page, _):
        yield page


@dataclass(frozen=True)
class Running:
    """A started service."""

    address: str
    username: str
    password: str


@contextmanager
def service(
    data: Path,
    *,
    ingest: Path | None = None,
    stop: int = signal.SIGINT,
    command: Sequence[str] = (sys.executable, "-m", "cli"),
    folder: Path = PROJECT,
    options: Sequence[str] = (),
) -> Iterator[dict[str, Any]]:
    """A started service, as announced; stopped at the end whatever happens.

    ``command`` is what runs ``countersign``, in ``folder``; ``options`` are more of ``serve``.
    """
    process, announced = start_service(
        data, ingest=ingest, command=command, folder=folder, options=options
    )
    try:
        wait_until_ready(announced["chat"])
        yield announced
        process.send_signal(stop)
        code = process.wait(timeout=120)
        assert code == 0 or stop != signal.SIGINT
    finally:
        process.kill()
        process.wait()


def start_service(
    data: Path,
    *,
    ingest: Path | None = None,
    command: Sequence[str] = (sys.executable, "-m", "cli"),
    folder: Path = PROJECT,
    options: Sequence[str] = (),
) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """Start ``countersign serve`` on a free port; returns it and what it announced."""
    ingested = () if ingest is None else ("--ingest", str(ingest))
    process = subprocess.Popen(
        [*command, "serve", "--json", *ingested, *options],
        cwd=folder,
        env={
            **os.environ,
            "COUNTERSIGN_DATA_DIR": str(data),
            "COUNTERSIGN_PORT": str(free_port()),
            "COUNTERSIGN_QUESTIONS_PER_MINUTE": "1000",
            "COUNTERSIGN_UNDO_SECONDS": "10",
            "COUNTERSIGN_AUDIT_SHARE": "0",  # a drawn audit would be one more open task
        },
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    announced = ""
    for line in process.stdout:
        announced += line
        if line.rstrip() == "}":
            break
    return process, json.loads(announced)


def wait_until_ready(address: str) -> None:
    """Return when the service answers. Who comes once it is announced waits for what it still
    loads, and is never turned away: so this asks once."""
    healthy = httpx.get(f"{address.rstrip('/')}/healthz", timeout=PATIENCE_MS / 1000)
    assert healthy.status_code == 200


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the examples ingested, to copy from."""

    def make(data: Path) -> None:
        documents = str(PROJECT / "examples" / "documents")
        settings = {"COUNTERSIGN_DATA_DIR": str(data)}
        done = countersign("ingest", documents, "--json", settings=settings)
        assert done.returncode == 0, done.stderr + done.stdout

    return made_once(tmp_path_factory, "examples", make)


@pytest.fixture(scope="module")
def undo_seconds() -> float:
    """How long decisions can be taken back; a module may say otherwise."""
    return 1.0


@pytest.fixture(scope="module")
def pages_database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a new database for ``running``; "" is SQLite in the data folder."""
    if not ON_POSTGRES:
        yield ""
        return
    with request.getfixturevalue("postgres").migrated() as address:
        yield address


@pytest.fixture(scope="module")
def example_services(
    examples: Path,
    pages_database: str,
    tmp_path_factory: pytest.TempPathFactory,
    undo_seconds: float,
) -> Services:
    """Services over the examples, with data of their own; who serves them closes them."""
    data = tmp_path_factory.mktemp("service") / "data"
    if not pages_database:
        shutil.copytree(examples, data)
    settings = Settings(
        data_dir=data,
        database_url=pages_database,
        port=free_port(),
        questions_per_minute=1000,
        undo_seconds=undo_seconds,
        audit_share=0.0,  # a drawn audit would be one more open task
        model_threads=1,
    )
    services = open_services(settings)
    if pages_database:
        documents = find_files([PROJECT / "examples" / "documents"])
        pipeline_for(services).ingest(documents, "main")
    return services


@pytest.fixture(scope="module")
def running(example_services: Services) -> Iterator[Running]:
    """They, served as ``serve`` does it, but in this process."""
    settings = example_services.settings
    example_services.access.accounts.create("admin", ROLES, password=PASSWORD)
    app = create_app(settings, [worker, background.worker], example_services, PageImages())
    options = server_options(settings)
    config = uvicorn.Config(app, http=timed_protocol(settings.header_timeout_s), **options)
    with listening(config):
        yield Running(f"http://127.0.0.1:{settings.port}", "admin", PASSWORD)


@pytest.fixture(scope="module")
def tiny(
    tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path, pages_database: str
) -> Iterator[Served]:
    """A service over tiny models, for what does not look at answers; it starts in no time."""
    folder = tmp_path_factory.mktemp("tiny")
    with served(tiny_services(folder, migrated_sqlite, pages_database)) as running:
        yield running


SETTLED = """async () => {
  for (let before = -1, look = 0; look < 400; look += 1) {
    const now = document.body.innerText.length;
    if (now === before && !document.querySelector("[aria-busy=true]")) return;
    before = now;
    await new Promise((done) => setTimeout(done, 150));
  }
}"""


def settle(page: Page) -> None:
    """Return when the page shows no more than a moment ago; event streams keep it busy for ever."""
    page.evaluate(SETTLED)


def sign_in_as_eve(page: Page, running: Served, path: str = "/") -> None:
    """On a service over tiny models; Eve has every role."""
    page.goto(f"{running.address}/login?next={quote(path, safe='/')}")
    page.get_by_test_id("login-username").fill("eve")
    page.get_by_test_id("login-password").fill(PASSWORD)
    page.get_by_test_id("login-submit").click()
    page.wait_for_url(f"{running.address}{path}")


# Not for the session: while it lives, Playwright's event loop runs in this thread.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The system's Chromium; without one the tests are skipped loudly, or fail in CI."""
    path = find_browser()
    if path is None:
        if os.environ.get("COUNTERSIGN_REQUIRE_BROWSER"):
            pytest.fail(NO_BROWSER)
        pytest.skip(NO_BROWSER)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=path, args=FLAGS, timeout=2 * PATIENCE_MS
        )
        make = launched.new_context

        def patient(**options: Any) -> BrowserContext:
            context = make(**options)
            context.set_default_timeout(PATIENCE_MS)
            return context

        launched.new_context = patient  # type: ignore[method-assign]
        yield launched
        launched.close()
