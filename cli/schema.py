"""``migrate``: bring the database to the schema of this release."""

from app.db import migrate, newest_revision, schema_revision
from app.settings import Settings
from app.wiring import connect_database
from cli.output import Json, console, print_json


def migrate_database(as_json: Json = False) -> None:
    """Migrate the database; one process does it, others wait. SQLite does it by itself."""
    database = connect_database(Settings())
    try:
        before = schema_revision(database)
        migrate(database)
    finally:
        database.close()
    after = newest_revision()
    if as_json:
        print_json({"before": before, "after": after})
    elif before == after:
        console.print(f"The schema is {after} already.", highlight=False)
    else:
        console.print(f"Migrated from {before or 'nothing'} to {after}.", highlight=False)
