"""What tests of the desk begin with; a module may say otherwise."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.db import Database
from app.review.desk import ReviewDesk
from app.settings import Settings
from app.wiring import Services, build_services
from ingestion.pipeline import pipeline_for
from ingestion.sources import find_files
from tests.conformance.generators import ModelServer, model_server
from tests.conftest import HANDBOOK
from tests.site import Site, site_over
from tests.trails import settings_for

if TYPE_CHECKING:  # pytest must see the asserts of its tests before anybody imports it
    from tests.integration.test_answering import Desk


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return settings_for(database_url, tmp_path)


@pytest.fixture
def desk(database: Database, settings: Settings) -> ReviewDesk:
    return ReviewDesk(database, settings)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest.fixture
def small(migrated_sqlite: Path, tmp_path: Path) -> "Iterator[Desk]":
    """A stocked desk on SQLite, where both databases would show the same."""
    from tests.integration.test_answering import Desk

    path = tmp_path / "countersign.db"
    path.write_bytes(migrated_sqlite.read_bytes())
    database = Database(f"sqlite:///{path}")
    built = Desk(database, tmp_path)
    built.stock()
    yield built
    database.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Site]:
    """One service on SQLite for the whole module, with the handbook in collection main."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(migrated_sqlite, folder / "countersign.db")
    settings = Settings(
        database_url=f"sqlite:///{folder / 'countersign.db'}",
        data_dir=folder / "data",
        questions_per_minute=10_000,
        max_upload_bytes=100_000,
        model_threads=1,
        gate_mode="off",  # what the gate does has tests of its own
        audit_share=0.0,
    )
    for name, text in HANDBOOK.items():
        (folder / name).write_text(text, "utf-8")
    services = build_services(settings)
    files = find_files([folder / name for name in HANDBOOK])
    pipeline_for(services).ingest(files, "main")
    yield from site_over(services)


@pytest.fixture
def fresh(services: Services) -> Iterator[Site]:
    """A service of its own over the test's database."""
    yield from site_over(services)
