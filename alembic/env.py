"""Run migrations on the database named by the caller, or by the settings."""

from alembic import context

import app.access.tables
import app.corpus.tables
import app.gate.tables
import app.records.tables
import app.review.tables  # noqa: F401 - every owner's tables stand in the metadata
from app.db import Base, Database
from app.settings import Settings


def run() -> None:
    """Migrate inside one transaction; batch mode lets SQLite alter tables."""
    database = context.config.attributes.get("database") or Database(Settings().database)
    with database.engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=database.embedded,
            compare_type=True,
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()


run()
