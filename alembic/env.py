"""Run migrations on the database named by the caller, or by the settings."""

from alembic import context

from app.db import Database
from app.settings import Settings
from app.tables import Base


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
