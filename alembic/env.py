"""Run migrations on the database named by the caller, or by the settings."""

from alembic import context
from sqlalchemy import text

import app.access.tables
import app.corpus.tables
import app.gate.tables
import app.lease
import app.outbox
import app.proof.audit_checks
import app.records.tables
import app.review.tables  # noqa: F401 - every owner's tables stand in the metadata
from app.db import MIGRATING, Base, Database
from app.settings import Settings

OF_A_SERVER = {"ix_review_tasks_words"}
"""Indexes that only some servers can have: see migration 0030."""


def is_compared(_object: object, name: str | None, *_: object) -> bool:
    """Whether the database and the tables of the code are compared in it."""
    return name not in OF_A_SERVER


def run() -> None:
    """Migrate inside one transaction; batch mode lets SQLite alter tables.

    One process at a time: on SQLite by the write lock that every transaction takes first, on a
    server by an advisory lock that ends with the transaction.
    """
    database = context.config.attributes.get("database") or Database(Settings().database)
    with database.engine.connect() as connection:
        if not database.embedded:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATING})"))
        # SQLite alters a table by building it anew; rows that refer to it must not stop that.
        driver = connection.connection.driver_connection
        if database.embedded and driver is not None:
            driver.execute("PRAGMA foreign_keys=OFF")
            # Else each migration is a transaction of its own, and another process gets between.
            connection.begin()
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=database.embedded,
            compare_type=True,
            include_object=is_compared,
        )
        with context.begin_transaction():
            context.run_migrations()
        if database.embedded:
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
            if broken:
                raise RuntimeError(f"rows without what they refer to: {broken[:5]}")
        connection.commit()
        if database.embedded and driver is not None:
            driver.execute("PRAGMA foreign_keys=ON")


run()
