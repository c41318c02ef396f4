"""Migrations on both databases: they build exactly the tables the code declares, and undo them."""

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import inspect, select, text

from app.corpus.tables import LiveIndexRow
from app.db import Base, Database, migrate
from app.records.tables import AuditHeadRow
from app.settings import PROJECT


@pytest.fixture
def empty(database: Database) -> Database:
    """The database with nothing in it, as a new installation finds it."""
    database.close()
    if database.embedded:
        path = Path(str(database.engine.url.database))
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            path.with_name(name).unlink(missing_ok=True)
    else:
        with database.transaction() as session:
            session.execute(text("DROP SCHEMA public CASCADE"))
            session.execute(text("CREATE SCHEMA public"))
    assert tables(database) == set()
    return database


def tables(database: Database) -> set[str]:
    return set(inspect(database.engine).get_table_names()) - {"alembic_version"}


def differences(database: Database) -> list[object]:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))


def downgrade(database: Database) -> None:
    config = Config()
    config.set_main_option("script_location", str(PROJECT / "alembic"))
    config.attributes["database"] = database
    command.downgrade(config, "base")


def start_rows(database: Database) -> list[object]:
    """The rows without which no answer can be recorded and no index promoted."""
    with database.reading() as session:
        heads = session.execute(select(AuditHeadRow.id, AuditHeadRow.number)).all()
        pointers = session.execute(select(LiveIndexRow.id, LiveIndexRow.version_id)).all()
    return [tuple(row) for row in [*heads, *pointers]]


def test_an_empty_database_becomes_exactly_what_the_code_declares(empty: Database) -> None:
    migrate(empty)
    assert tables(empty) == set(Base.metadata.tables)
    assert differences(empty) == []
    assert start_rows(empty) == [(1, 0), (1, None)]


def test_the_comparison_sees_a_difference(database: Database) -> None:
    with database.transaction() as session:
        session.execute(text("ALTER TABLE releases ADD COLUMN surprise INTEGER"))
        session.execute(text("DROP TABLE sessions"))
    kinds = {str(found[0]) for found in differences(database) if isinstance(found, tuple)}
    assert kinds == {"remove_column", "add_table"}


def test_down_to_nothing_and_up_again(empty: Database) -> None:
    migrate(empty)
    downgrade(empty)
    assert tables(empty) == set()
    migrate(empty)
    assert differences(empty) == []
    assert start_rows(empty) == [(1, 0), (1, None)]


def test_migrating_twice_changes_nothing(database: Database) -> None:
    with database.transaction() as session:
        session.get_one(AuditHeadRow, 1).number = 7
    migrate(database)
    assert differences(database) == []
    assert start_rows(database) == [(1, 7), (1, None)]
