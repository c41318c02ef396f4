"""A real PostgreSQL for the tests. A database that a test has used is emptied and used again."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from sqlalchemy import URL, make_url

from app.db import Database, migrate
from benchmarks.postgres import started

TEMPLATE = "template_countersign"
MOST_BYTES = 16_000_000
"""Of one database: to empty more would take as long as to copy an empty one."""
SHAPE: LiteralString = """
SELECT sum(hashtextextended(thing, 0)) FROM (
    SELECT concat_ws(',', 'column', attrelid, attnum, attname, atttypid, attnotnull, attisdropped)
        FROM pg_attribute WHERE attrelid >= 16384
    UNION ALL SELECT concat_ws(',', 'relation', oid, relname, relnamespace)
        FROM pg_class WHERE oid >= 16384
    UNION ALL SELECT concat_ws(',', 'constraint', oid, convalidated)
        FROM pg_constraint WHERE oid >= 16384
    UNION ALL SELECT concat_ws(',', 'trigger', oid, tgenabled) FROM pg_trigger
    UNION ALL SELECT concat_ws(',', 'function', oid) FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT concat_ws(',', 'schema', oid, nspname) FROM pg_namespace
        WHERE nspname !~ '^pg_(toast_)?temp_'
    UNION ALL SELECT concat_ws(',', 'extension', oid) FROM pg_extension
) AS things (thing)
"""
"""Changes with anything that statements define. What PostgreSQL itself defines lies below 16384,
and a copy of a database has the ids of its template."""
FILLED: LiteralString = """
SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
    AND pg_relation_size(oid) > 0
"""
SIZE: LiteralString = """
SELECT sum(pg_relation_size(oid))::bigint FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'i')
"""
STATE: LiteralString = f"SELECT ({SHAPE}), ARRAY({FILLED}), ({SIZE})"
EMPTIED: LiteralString = """
BEGIN;
SET LOCAL session_replication_role = replica;
{deletes};
SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence WHERE seqrelid >= 16384;
COMMIT
"""
HAS_TEMPLATE: LiteralString = f"SELECT 1 FROM pg_database WHERE datname = '{TEMPLATE}'"
Connection = psycopg.Connection[Any]


class PostgresServer:
    """A server, and databases on it for one process.

    To copy and drop a database costs a sixth of a second, more than many a test takes: so one
    whose schema is as it was is emptied, named anew, and used by the next test. Whoever still
    writes to it under its old name finds nothing there, as after a drop.
    """

    def __init__(self, address: URL) -> None:
        self._address = address
        self._server = self._connect(str(address.database))
        # The data need not outlive the tests, and nobody else is to change the files.
        for setting in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum"):
            self._run(f"ALTER SYSTEM SET {setting} = off")
        self._run("SELECT pg_reload_conf()")
        self._free: list[str] = []
        self._run("SELECT pg_advisory_lock(1)")  # one process makes the template, for all
        try:
            if not self._server.execute(HAS_TEMPLATE).fetchone():
                self._migrate()
            with self._connect(TEMPLATE) as connection:
                self._shape, filled, _ = _state(connection)
                self._first = set(filled)
                self._inserts = [one for table in filled for one in _inserts(connection, table)]
        finally:
            self._run("SELECT pg_advisory_unlock(1)")

    def _migrate(self) -> None:
        name = _new_name()
        self._run(f"CREATE DATABASE {name}")
        database = Database(self._named(name))
        migrate(database)
        database.close()
        self._run(f"ALTER DATABASE {name} RENAME TO {TEMPLATE}")

    def close(self) -> None:
        """Let go of the server."""
        self._server.close()

    @contextmanager
    def empty(self) -> Iterator[str]:
        """The address of a new database without any table, which is dropped in the end."""
        name = _new_name()
        self._run(f"CREATE DATABASE {name}")
        yield self._named(name)
        self._drop(name)

    @contextmanager
    def migrated(self) -> Iterator[str]:
        """The address of a database with the schema, and nothing in it."""
        if self._free:
            name = self._free.pop()
        else:
            name = _new_name()
            # As files: through the log, as is usual, takes twice as long.
            self._run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
        yield self._named(name)
        self._take_back(name)

    def _take_back(self, name: str) -> None:
        again = _new_name()
        try:
            self._run(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                f" WHERE datname = '{name}'"
            )
            self._run(f"ALTER DATABASE {name} RENAME TO {again}")
            usable = self._emptied(again)
        except psycopg.Error:  # somebody came back to it at once, or it is damaged
            usable = False
        if usable:
            self._free.append(again)
        else:
            self._drop(name)
            self._drop(again)

    def _emptied(self, name: str) -> bool:
        """Whether it is as its template again; not where a test has changed the schema, or has
        stored much."""
        with self._connect(name) as connection:
            shape, filled, size = _state(connection)
            if shape != self._shape or size > MOST_BYTES:
                return False
            tables = [sql.Identifier(name) for name in filled]
            deletes = sql.SQL("; ").join(map(sql.SQL("DELETE FROM {}").format, tables))
            connection.execute(sql.SQL(EMPTIED).format(deletes=deletes))
            # So that the files are empty, too: rows come back in the order in which they were
            # stored, and tests ask for the first one.
            connection.execute(sql.SQL("VACUUM {}").format(sql.SQL(", ").join(tables)))
            connection.execute(sql.SQL("; ").join(self._inserts))
            return {name for (name,) in connection.execute(FILLED)} == self._first

    def _drop(self, name: str) -> None:
        self._run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _named(self, name: str) -> str:
        return self._address.set(database=name).render_as_string(hide_password=False)

    def _connect(self, name: str) -> Connection:
        plain = self._address.set(drivername="postgresql", database=name)
        return psycopg.connect(plain.render_as_string(hide_password=False), autocommit=True)

    def _run(self, statement: str) -> None:
        self._server.execute(statement.encode())


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """The server of all processes of a run of tests; it ends with the last of them."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex
    # Not below pytest's own folder: the server runs as another user when tests run as root.
    folder = Path(tempfile.gettempdir()) / f"countersign-postgres-{run}"
    folder.mkdir(mode=0o755, exist_ok=True)
    server = started(folder / "data")
    address = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    databases = PostgresServer(make_url(address))
    try:
        yield databases
    finally:
        databases.close()
        server.cleanup()
        with suppress(OSError):  # another process is still there
            folder.rmdir()


def _new_name() -> str:
    return f"test_{uuid.uuid4().hex}"


def _state(connection: Connection) -> tuple[int, list[str], int]:
    """The shape, the tables that have held something, and how large all of it is."""
    ((shape, filled, size),) = connection.execute(STATE)
    return int(shape), list(filled), size


def _inserts(connection: Connection, table: str) -> Iterator[sql.Composed]:
    """What the migrations themselves put into a table."""
    rows = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
    for row in rows:
        values = sql.SQL(", ").join(map(sql.Literal, row))
        yield sql.SQL("INSERT INTO {} VALUES ({})").format(sql.Identifier(table), values)
