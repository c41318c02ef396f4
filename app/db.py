"""The database engine, and the one way to open a transaction."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import (
    JSON,
    URL,
    BigInteger,
    ColumnElement,
    Connection,
    DateTime,
    Engine,
    Integer,
    Table,
    create_engine,
    event,
    func,
    inspect,
    literal,
    select,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    InternalError,
    OperationalError,
    PendingRollbackError,
    SQLAlchemyError,
)
from sqlalchemy.orm import DeclarativeBase, Session

from app.errors import DependencyFailed, SchemaNewer, SchemaOutdated, SettingsInvalid, StorageFull
from app.settings import PROJECT

if TYPE_CHECKING:  # alembic takes a moment to import, and only commands need it
    from alembic.config import Config
    from alembic.script import ScriptDirectory


def now() -> datetime:
    """The current time in UTC, without a zone: the one form stored in the database."""
    return datetime.now(UTC).replace(tzinfo=None)


def iso(moment: datetime | None) -> str | None:
    """A stored time as the wire shows it: ISO 8601 with ``Z``."""
    return None if moment is None else moment.isoformat(timespec="milliseconds") + "Z"


def window_of(moment: datetime, length_s: int) -> tuple[int, float]:
    """The number of the window of time that a moment of the database lies in, counted from 1970,
    and the seconds into it."""
    seconds = moment.replace(tzinfo=UTC).timestamp()
    return int(seconds // length_s), seconds % length_s


def compact_json(value: Any) -> str:
    """How JSON columns are written: without spaces, so that a digest of a row can be taken from
    what is stored."""
    return json.dumps(value, separators=(",", ":"))


UNANSWERED = (OperationalError, InternalError)
"""The database is away. So it is for ``InternalError`` and ``PendingRollbackError`` where somebody
took the first failure for one of their own and went on in the same transaction, as the gate does.
"""
DAMAGED = (
    "The database file is damaged: keep it, and restore a backup into a new folder "
    "(docs/disaster-recovery.md)."
)
DISK_FAILS = "The disk does not read or write the database's file: it may be full, away or broken."
NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")
"""How SQLite says that the disk is full; the second where its shared memory finds no room."""
NOT_WRITABLE = "The database cannot be written: see to the rights of its file and its folder."


TAKEN = "It is `postgresql+psycopg://user:password@host/name`, or empty for SQLite."


def _files(path: str | None) -> list[Path]:
    """SQLite's file with its log and its shared memory."""
    return [Path(f"{path}{end}") for end in ("", "-wal", "-shm")] if path else []


class Database:
    """One engine; ``transaction()`` commits on leaving and rolls back on any error."""

    def __init__(self, url: str) -> None:
        self.url = url
        parsed = _address(url)
        self.embedded = parsed.get_backend_name() == "sqlite"
        if self.embedded and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        self.files = _files(parsed.database) if self.embedded else []
        self.engine = _sqlite_engine(url) if self.embedded else _server_engine(parsed)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session in one transaction. Committed before the block's caller goes on.

        On SQLite every transaction takes the write lock at once (BEGIN IMMEDIATE): a
        transaction that reads and then writes can never fail half-way for a stale snapshot.
        """
        with (
            storage_errors(),
            Session(self.engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only reads; it takes no write lock and commits nothing."""
        with storage_errors(), Session(self.engine, expire_on_commit=False) as session:
            session.connection(execution_options={"countersign_reading": True})
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection whose statements all see the database as of the first one."""
        engine = self.engine
        if not self.embedded:  # SQLite's reading transaction is one snapshot anyway
            engine = engine.execution_options(isolation_level="REPEATABLE READ")
        with storage_errors(), engine.connect() as connection:
            yield connection.execution_options(countersign_reading=True)

    def compact(self) -> bool:
        """Rewrite the files without what was deleted; False when others use the database.

        SQLite: the file and its log. PostgreSQL: every table; its log and archives are its own.
        """
        plain = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        try:
            with plain.connect() as connection:
                if not self.embedded:
                    connection.exec_driver_sql("VACUUM FULL")
                    return True
                cursor: Any = connection.connection.driver_connection
                cursor.execute("VACUUM")
                busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                return not busy
        except (DBAPIError, sqlite3.OperationalError):
            return False

    def empty_log(self) -> bool:
        """Cut off SQLite's write-ahead log, where old pages still hold what was deleted since;
        False when somebody reads for longer. The log of a server is its own."""
        if not self.embedded:
            return True
        plain = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        try:
            with plain.connect() as connection:
                return _truncated(connection.connection.driver_connection)
        except (DBAPIError, sqlite3.OperationalError):
            return False

    def clock(self) -> ColumnElement[datetime]:
        """The database's own time as an SQL expression: one clock for every host that uses it."""
        if self.embedded:
            return literal(now(), DateTime())
        return func.timezone("utc", func.clock_timestamp(), type_=DateTime())

    def time(self, session: Session) -> datetime:
        """The database's own time, in the form of ``now()``."""
        return database_time(session)

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def database_time(session: Session) -> datetime:
    """The time by the one clock that all processes on this database share, UTC without a zone."""
    if session.get_bind().dialect.name != "postgresql":
        return now()
    return session.execute(_SERVER_TIME).scalar_one()


_SERVER_TIME = select(func.timezone("utc", func.clock_timestamp(), type_=DateTime()))


def insert_or(session: Session, table: Any) -> Any:
    """An insert of the session's database that knows what to do with a row that is there."""
    if session.get_bind().dialect.name == "postgresql":
        # It takes a tenth of a second to import, which is too long where SQLite is used.
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)


def table_of(mapped: type[DeclarativeBase]) -> Table:
    """The table of a mapped class: many rows are inserted into it sooner than through the class."""
    return cast("Table", mapped.__table__)


LOG_WAIT_MS, WRITE_WAIT_MS = 500, 30_000
"""How long a cut of the log waits for those that read, while nobody can write; and a write for
another."""


def _truncated(connection: Any) -> bool:
    """Whether SQLite's log is empty now."""
    connection.execute(f"PRAGMA busy_timeout={LOG_WAIT_MS}")
    try:
        busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy
    finally:
        connection.execute(f"PRAGMA busy_timeout={WRITE_WAIT_MS}")


PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON")
"""``secure_delete``: what is deleted or overwritten leaves no bytes in free pages."""


def _sqlite_engine(url: str) -> Engine:
    connect = {"timeout": WRITE_WAIT_MS / 1000, "check_same_thread": False}
    # Parameters can hold question text: errors must not repeat them.
    engine = create_engine(
        url, connect_args=connect, hide_parameters=True, json_serializer=compact_json
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not open transactions on its own
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        reading = connection.get_execution_options().get("countersign_reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _address(url: str) -> URL:
    """The parts of an address; ``postgres://`` and the like, as hosts of databases hand them out,
    mean the driver that we have. Raises ``SettingsInvalid``, which does not show the address."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SettingsInvalid(f"COUNTERSIGN_DATABASE_URL is no address. {TAKEN}") from None
    if parsed.drivername in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        called = f"COUNTERSIGN_DATABASE_URL begins with '{parsed.drivername}'"
        raise SettingsInvalid(f"{called}, which is not known. {TAKEN}")
    return parsed


def _server_engine(url: URL) -> Engine:
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=20,
        hide_parameters=True,
        json_serializer=compact_json,
    )


@contextmanager
def storage_errors() -> Iterator[None]:
    """What becomes of the database within the block is said by our errors: ``StorageFull``, else
    ``DependencyFailed``."""
    try:
        yield
    except DatabaseError as error:
        # The class itself, and none below it: how SQLite says that a file is no database of its.
        if type(error) is DatabaseError or isinstance(error, UNANSWERED):
            raise _storage_error(error) from error
        raise
    except PendingRollbackError as error:
        raise _storage_error(error) from error


def _storage_error(error: SQLAlchemyError) -> DependencyFailed:
    cause = getattr(error, "orig", None)
    text, named = str(cause).lower(), getattr(cause, "sqlite_errorname", "")
    if "disk is full" in text or "no space left" in text or named in NO_ROOM:
        return StorageFull()
    if "disk i/o error" in text:
        return DependencyFailed(DISK_FAILS)
    if "not a database" in text or "malformed" in text:
        return DependencyFailed(DAMAGED)
    if "readonly database" in text or "unable to open database file" in text:
        return DependencyFailed(NOT_WRITABLE)
    return DependencyFailed("The database did not answer.")


MIGRATING = 0x636F756E
"""The advisory lock that a migration holds on a server database."""


def migrate(database: Database, revision: str = "head") -> None:
    """Bring the schema up to ``revision``, the newest one unless said; one process at a time.

    Raises ``SchemaNewer`` when the database knows a revision that this release does not.
    """
    from alembic import command

    _refuse_newer(database)
    with storage_errors():
        command.upgrade(_alembic(database), revision)


def ensure_schema(database: Database) -> None:
    """What every command needs before it uses the database.

    SQLite is migrated here. A server database is shared: there only ``countersign migrate``
    changes the schema, and another one than ours raises ``SchemaOutdated`` or ``SchemaNewer``.
    """
    if schema_revision(database) == newest_revision():
        return
    if database.embedded:
        migrate(database)
        return
    _refuse_newer(database)
    raise SchemaOutdated


def schema_revision(database: Database) -> str | None:
    """The revision of the database's schema; None for an empty database."""
    with database.reading() as session:
        if not inspect(session.connection()).has_table("alembic_version"):
            return None
        found = session.scalar(text("SELECT version_num FROM alembic_version"))
        return None if found is None else str(found)


def newest_revision() -> str:
    """The revision that this release was written for."""
    # Numbered files, so alembic need not be imported, which only a migration needs.
    return max(path.name[:4] for path in (PROJECT / "alembic" / "versions").glob("[0-9]*.py"))


def knows_revision(revision: str) -> bool:
    """Whether this release has the migration to that schema."""
    return revision in {script.revision for script in _scripts().walk_revisions()}


def _refuse_newer(database: Database) -> None:
    found = schema_revision(database)
    if found is not None and not knows_revision(found):
        raise SchemaNewer


def _scripts() -> "ScriptDirectory":
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_alembic())


def _alembic(database: Database | None = None) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(PROJECT / "alembic"))
    config.attributes["database"] = database
    return config


Json = dict[str, Any]
SEQUENCE = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """The declarative base; Alembic compares the database with its metadata."""

    type_annotation_map = {Json: JSON, list[str]: JSON, list[Any]: JSON}  # noqa: RUF012
