"""What tests of the desk begin with; a module may say otherwise."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.db import Database
from app.review.desk import ReviewDesk
from app.settings import Settings
from tests.conformance.generators import ModelServer, model_server
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
