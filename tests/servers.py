"""A service behind a real socket of this machine, for clients that speak HTTP themselves."""

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from app import backends
from app.main import create_app
from app.ports import DraftRequest
from app.records.views import CitationView
from app.settings import Settings
from app.wiring import Services, build_services
from guardrails.contract import Draft
from ingestion.pipeline import pipeline_for
from ingestion.sources import find_files
from tests.conftest import HANDBOOK
from tests.fakes import FixedScreens, HashEmbedder, QuotingGenerator, ScriptedCheck
from tests.site import Site, site_over


@dataclass(frozen=True)
class Served:
    """A service with its people, and its address."""

    site: Site
    address: str

    def release(self, answer_id: str, kind: str = "approve", **more: str) -> None:
        """Rita decides a held answer over HTTP."""
        task = self.site.claim("rita", self.site.task_of(answer_id))
        decided = self.site.decide("rita", task, kind, **more)
        assert decided.status_code == 200, decided.text


@dataclass
class Quoting:
    """The quoting generator where the service calls it, in batches."""

    name: str = "reader"

    def warm_up(self) -> None:
        """There is nothing to load."""

    def draft(self, asked: Sequence[DraftRequest]) -> list[Draft]:
        """One draft for each request."""
        return [QuotingGenerator().submit(one, one.deadline) for one in asked]


class Support(ScriptedCheck):
    """Says nothing against any sentence."""

    def warm_up(self) -> None:
        """There is nothing to load."""


def tiny_services(folder: Path, migrated: Path, database_url: str = "", **more: Any) -> Services:
    """Services over tiny models, which load nothing, with the handbook in collection main.

    ``database_url`` is that of a migrated database, a new SQLite where it is empty.
    """
    if not database_url:
        shutil.copy(migrated, folder / "countersign.db")
    chosen = Settings(
        database_url=database_url or f"sqlite:///{folder / 'countersign.db'}",
        data_dir=folder / "data",
        questions_per_minute=100_000,
        rerank_passages=0,
        gate_mode="off",
        audit_share=0.0,
        min_similarity=-1,
        **more,
    )
    for name, text in HANDBOOK.items():
        (folder / name).write_text(text, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(backends.EMBEDDERS, "minilm", lambda _settings: HashEmbedder())
        patch.setitem(backends.GENERATORS, "reader", lambda _settings: Quoting())
        patch.setattr(backends, "build_screens", lambda *_parts: FixedScreens())
        patch.setattr(backends, "build_support", lambda _settings: Support(name="support"))
        services = build_services(chosen)
    pipeline_for(services).ingest(find_files([folder / name for name in HANDBOOK]), "main")
    return services


def handbook_services(folder: Path, migrated: Path) -> Services:
    """Real services with the handbook in collection main, without a gate."""
    shutil.copy(migrated, folder / "countersign.db")
    settings = Settings(
        database_url=f"sqlite:///{folder / 'countersign.db'}",
        data_dir=folder / "data",
        questions_per_minute=10_000,
        model_threads=1,
        gate_mode="off",
        audit_share=0.0,
    )
    for name, text in HANDBOOK.items():
        (folder / name).write_text(text, "utf-8")
    services = build_services(settings)
    pipeline_for(services).ingest(find_files([folder / name for name in HANDBOOK]), "main")
    return services


@contextmanager
def served(services: Services) -> Iterator[Served]:
    """Those services on a free port, with everybody of ``PEOPLE``; closed at the end."""
    for site in site_over(services):
        app = create_app(services.settings)
        app.state.services = services
        port = free_port()
        with listening(uvicorn.Config(app, port=port, lifespan="off", log_level="error")):
            yield Served(site, f"http://127.0.0.1:{port}")


PORTS = range(11_000, 31_000)
"""Below those that a system gives to outgoing connections, and above those that browsers refuse."""
WORKERS = 20
_TRIED = count(os.getpid())


def free_port() -> int:
    """A port of this machine that nobody listens on. Until its service does, nobody else takes it:
    no connection, and no other worker of the tests, which has ports of its own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    own = PORTS[worker::WORKERS]
    for number in _TRIED:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", own[number % len(own)]))
            return own[number % len(own)]
    raise AssertionError("there is no end to numbers")


@contextmanager
def listening(config: uvicorn.Config) -> Iterator[None]:
    """A server on a thread of this process, from when it listens until the block is left."""
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=120)


def citation(number: int) -> CitationView:
    """Some citation with that number."""
    return CitationView(number, f"p{number}", "d1", "Title", 3, "quote", 0, 5)
