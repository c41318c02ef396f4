"""Fixtures shared by all tests: both databases, a running set of services, and no network."""

import fcntl
import gc
import os
import shutil
import socket
import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from argon2 import PasswordHasher
from sqlalchemy import Connection, Engine, create_engine, event, func, inspect, update
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from app import db
from app.access import oidc, passwords
from app.corpus.tables import DocumentRow
from app.db import Database, migrate
from app.inference.networks import onnx_encoder
from app.main import Described
from app.notices import mail, webhook
from app.proof import checkpoints
from app.settings import Settings
from app.telemetry import configure_logging
from app.wiring import Services, build_services
from guardrails import judge
from guardrails.contract import Check
from ingestion.pipeline import pipeline_for
from ingestion.sources import find_files
from tests.effort import SLOWEST
from tests.fakes import Stock
from tests.postgres import PostgresServer, postgres_server

os.environ.setdefault("COUNTERSIGN_UNDO_SECONDS", "0")
"""Decisions are measured at once, but for the tests of undoing them."""
os.environ.setdefault("COUNTERSIGN_DEADLINE_S", "100")
"""On a busy machine an answer may take long; what a deadline does has tests of its own."""
hypothesis.settings.register_profile(
    "the same everywhere",
    deadline=None,  # a busy machine is slow, and what is slow has tests of its own
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    derandomize=True,  # what fails, fails again
    database=None,
)
hypothesis.settings.load_profile("the same everywhere")
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
NO_BROWSER = (
    "NO CHROMIUM WAS FOUND: the browser tests did not run. Install it, for example with "
    "`apt-get install chromium` or `brew install chromium`, and run the tests again."
)


def find_browser() -> str | None:
    """The path of the system's Chromium, or None."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly, as the last words of the run, when the browser tests were left out."""
    if find_browser() is None:
        terminalreporter.write_sep("!", NO_BROWSER, red=True, bold=True)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """As the service starts: what is imported stays, so nobody looks for garbage in it, neither
    while it is imported nor when a test has made some."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


class BrowserTogether(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """A file's tests together, as ever, and all that look at pages: they wait for a browser most
    of their time, so several at once leave a core idle, and start one browser each."""

    def _split_scope(self, nodeid: str) -> str:
        return PAGES if nodeid.startswith(PAGES) else super()._split_scope(nodeid)


PAGES = "tests/e2e/"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """How the tests are given to workers; another ``--dist`` than ``loadfile`` stays as it is."""
    return BrowserTogether(config, log) if config.getvalue("dist") == "loadfile" else None


LOCAL_HOSTS = {"127.0.0.1", "::1", "localhost"}


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """A test that would reach beyond this machine fails loudly."""
    real = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in LOCAL_HOSTS:
            raise AssertionError(f"a test tried to reach {address[0]}")
        real(self, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", guarded)
    yield
    patch.undo()


STRONG = passwords.HASHER
"""How passwords are hashed outside of the tests."""


@pytest.fixture(autouse=True, scope="session")
def plain_logs() -> None:
    """As the service logs: a traceback in colours takes longer than the test that it is of."""
    configure_logging()


@pytest.fixture(autouse=True, scope="session")
def cheap_passwords() -> Iterator[None]:
    """Hundreds of accounts are made here, and a real hash takes a tenth of a second."""
    patch = pytest.MonkeyPatch()
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    patch.setattr(passwords, "HASHER", cheap)
    yield
    patch.undo()


def _nothing(connection: Connection) -> None:
    """There is nothing to ask."""


MANY_STATEMENTS = 10_000
"""More than all tests have; the usual 500 would be pushed out by each other."""


@pytest.fixture(autouse=True, scope="session")
def statements_compiled_once() -> Iterator[None]:
    """Every test has a database of its own, and an engine compiles each statement anew: that took
    a quarter of the time of all tests."""
    first: dict[str, Engine] = {}

    def sharing(url: str, **options: Any) -> Engine:
        engine = create_engine(url, query_cache_size=MANY_STATEMENTS, **options)
        known = first.get(engine.name)
        if known is not None:
            # What a dialect asks a server at its first connection is known already.
            engine.dialect.initialize = _nothing  # type: ignore[method-assign]
            engine.dialect, engine._compiled_cache = known.dialect, known._compiled_cache
            return engine

        def keep(_connection: Connection) -> None:
            first.setdefault(engine.name, engine)

        event.listen(engine, "engine_connect", keep, once=True)
        return engine

    patch = pytest.MonkeyPatch()
    patch.setattr(db, "create_engine", sharing)
    yield
    patch.undo()


class ReadOnce:
    """A compiled encoder that reads no text twice: hundreds of tests ask the same few questions of
    the same handbook. It reads each text alone, so what it makes of one is always the same."""

    def __init__(self, session: Any, most_bytes: int = 50_000_000) -> None:
        self._session, self._room = session, most_bytes
        self._kept: dict[bytes, Any] = {}

    def run(self, names: list[str], feed: dict[str, Any]) -> Any:
        """As ONNX Runtime's own session."""
        key = blake2b(b"|".join(part.tobytes() for part in feed.values())).digest()
        states = self._kept.get(key)
        if states is None:
            (states,) = self._session.run(names, feed)
            if (room := self._room - states.nbytes) >= 0:
                self._room, self._kept[key] = room, states
        return [states]


@pytest.fixture(autouse=True, scope="session")
def texts_are_read_once() -> Iterator[None]:
    """The shipped models answer as ever, and sooner."""
    real = onnx_encoder._session
    patch = pytest.MonkeyPatch()
    patch.setattr(onnx_encoder, "_session", lambda *given: ReadOnce(real(*given)))
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def an_interface_is_described_once() -> Iterator[None]:
    """Apps of the same routes have the same OpenAPI document, which takes half a second."""
    made: dict[tuple[str, ...], dict[str, Any]] = {}
    real = Described.openapi

    def openapi(self: Described) -> dict[str, Any]:
        # The routers are the same objects for every app; what else an app has is known by its path.
        own = [getattr(route, "original_router", route) for route in self.routes]
        routes = tuple(getattr(route, "path", repr(route)) for route in own)
        if routes not in made:
            made[routes] = real(self)
        return made[routes]

    patch = pytest.MonkeyPatch()
    patch.setattr(Described, "openapi", openapi)
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def our_checks_have_time() -> Iterator[None]:
    """A check that is late holds an answer. One of a test is late on purpose, one of ours only
    where the machine is busy with something else for seconds."""
    real = judge._Runner.__init__

    def patient(runner: judge._Runner, check: Check) -> None:
        real(runner, check)
        if type(check).__module__.startswith(("guardrails.", "app.")):
            runner.timeout_s = max(runner.timeout_s, SLOWEST)

    patch = pytest.MonkeyPatch()
    patch.setattr(judge._Runner, "__init__", patient)
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def receivers_have_time() -> Iterator[None]:
    """Webhooks, mail and sign-in providers of tests are threads of the same busy process."""
    patch = pytest.MonkeyPatch()
    for module in (webhook, mail, oidc):
        patch.setattr(module, "TIMEOUT_S", SLOWEST)
    patch.setattr(checkpoints, "WEBHOOK_TIMEOUT_S", SLOWEST)
    yield
    patch.undo()


DURABLE = db.PRAGMAS
"""How SQLite is opened outside of the tests."""


@pytest.fixture(autouse=True, scope="session")
def nothing_waits_for_the_disk() -> Iterator[None]:
    """Thousands of commits each waited for the disk; no test outlives a loss of power."""
    patch = pytest.MonkeyPatch()
    pragmas = tuple(pragma.replace("synchronous=FULL", "synchronous=OFF") for pragma in DURABLE)
    patch.setattr(db, "PRAGMAS", pragmas)
    patch.setattr(os, "fsync", lambda _handle: None)
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def a_write_waits_as_long_as_it_takes() -> Iterator[None]:
    """Where many threads write to one SQLite file on a busy machine, the last may wait longer than
    a service would."""
    patch = pytest.MonkeyPatch()
    patch.setattr(db, "WRITE_WAIT_MS", 240_000)
    yield
    patch.undo()


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """The folder that ``make`` filled, for all processes of a run of tests: the first that asks for
    it makes it."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    made = base / name
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            part = base / f"{name}.part"
            part.mkdir()
            make(part)
            part.rename(made)
    return made


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy from."""
    return sqlite_template(tmp_path_factory)


def sqlite_template(factory: pytest.TempPathFactory) -> Path:
    """The same outside of a fixture."""

    def make(folder: Path) -> None:
        database = Database(f"sqlite:///{folder / 'template.db'}")
        migrate(database)
        database.close()

    return made_once(factory, "migrated-sqlite", make) / "template.db"


@pytest.fixture(autouse=True, scope="session")
def new_databases_are_copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Who opens an empty SQLite database migrates it, by the same steps each time. ``migrate`` has
    tests of its own, which call it by name."""

    def as_template(database: Database) -> None:
        if not database.embedded or inspect(database.engine).get_table_names():
            migrate(database)
            return
        with (
            closing(sqlite3.connect(sqlite_template(tmp_path_factory))) as template,
            database.engine.connect() as connection,
        ):
            template.backup(connection.connection.driver_connection)  # type: ignore[arg-type]

    patch = pytest.MonkeyPatch()
    patch.setattr(db, "migrate", as_template)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL."""
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh, migrated database of each kind."""
    if request.param == "sqlite":
        path = tmp_path / "countersign.db"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
        yield f"sqlite:///{path}"
        return
    with request.getfixturevalue("postgres").migrated() as address:
        yield address


on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""Of a test on what is decided before or after the database has its part."""


@pytest.fixture
def empty_postgres(postgres: PostgresServer) -> Iterator[str]:
    """A PostgreSQL database without any table."""
    with postgres.empty() as address:
        yield address


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open database of each kind."""
    opened = Database(database_url)
    yield opened
    opened.close()


HANDBOOK = {
    "claims.md": """# Making a claim

You must report a theft to the police within 24 hours. Send your claim form within 30 days of
the event. The excess for water damage is £350.

Claims are paid into your bank account within 10 working days of approval.
""",
    "cancelling.txt": """Cancelling your policy

You can cancel within 14 days of the start date and get a full refund. After that the
cancellation fee is £25.
""",
    "office.html": """<html><head><title>Our offices</title></head><body>
<nav><a href="/">Home</a></nav><main><h1>Our offices</h1>
<p>The head office is in Tarnbridge. It is open from 9 am to 5 pm on weekdays.</p>
</main><footer>Legal notice</footer></body></html>
""",
}
"""A small collection for tests that need the real models."""


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    """A folder with the documents of ``HANDBOOK``."""
    folder = tmp_path / "handbook"
    folder.mkdir()
    for name, text_ in HANDBOOK.items():
        (folder / name).write_text(text_, "utf-8")
    return folder


HANDBOOKS: dict[str, tuple[Stock, Path]] = {}
"""By kind of database: what it holds after the handbook of a folder was ingested."""


def begin_with_handbook(built: Services, handbook: Path) -> None:
    """Ingest it, or store what became of it the first time, under the paths that it has now."""
    kind, index_dir = built.database.engine.name, built.settings.index_dir
    if kind in HANDBOOKS:
        stock, folder = HANDBOOKS[kind]
        stock.put(built.database, index_dir)
        with built.database.transaction() as session:
            for column in (DocumentRow.source, DocumentRow.stored_at):
                moved = func.replace(column, str(folder), str(handbook))
                session.execute(update(DocumentRow).values({column: moved}))
        built.retriever.live_passages()  # who ingests has the index in memory, too
        return
    pipeline_for(built).ingest(find_files([handbook]), "main")
    HANDBOOKS[kind] = Stock.of(built.database, index_dir), handbook


@pytest.fixture
def services(database_url: str, tmp_path: Path, handbook: Path) -> Iterator[Services]:
    """Real services over each database, with the handbook ingested into collection main."""
    settings = Settings(
        database_url=database_url,
        data_dir=tmp_path / "data",
        questions_per_minute=10_000,
        gate_mode="off",  # what the gate does has tests of its own
        audit_share=0.0,
    )
    built = build_services(settings)
    begin_with_handbook(built, handbook)
    yield built
    built.close()
