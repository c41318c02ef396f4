"""What tests of the desk begin with; a module may say otherwise."""

from pathlib import Path

import pytest

from app.db import Database
from app.review.desk import ReviewDesk
from app.settings import Settings
from tests.trails import settings_for


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return settings_for(database_url, tmp_path)


@pytest.fixture
def desk(database: Database, settings: Settings) -> ReviewDesk:
    return ReviewDesk(database, settings)
