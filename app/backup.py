"""One archive of everything a service holds, from either database, and back into an empty place.

The archive is a ZIP file: ``tables/NAME.jsonl`` with every row of one snapshot, ``data/`` with the
index versions, uploads and keys, and last ``manifest.json`` with the SHA-256 of each member. Rows
are written by the types of the columns, so a backup of SQLite can be restored into PostgreSQL.
"""

import base64
import fcntl
import hashlib
import json
import lzma
import os
import secrets
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, Any

from sqlalchemy import (
    JSON,
    Connection,
    DateTime,
    LargeBinary,
    MetaData,
    Select,
    Table,
    Text,
    cast,
    inspect,
    select,
    text,
)

from app.db import Database, iso, knows_revision, migrate, now, storage_errors
from app.errors import BackupRefused, from_os_error
from app.files import all_below, link_or_copy, remove_dead, to_disk
from app.records.audit import broken_audit_link
from app.settings import Settings
from countersign import __version__

FORMAT = 1
MANIFEST = "manifest.json"
REVISIONS = "alembic_version"
BATCH = 500
BLOCK = 1 << 20
UNFINISHED = "restore-unfinished"
"""A file of the data folder as long as a restore into it lasts."""
DATABASE_FILES = ("countersign.db", "countersign.db-wal", "countersign.db-shm")
"""The embedded database, which the tables stand for."""
PART = ".countersign-part"
"""How the name of a backup ends until it is whole: no other program's files end so."""
PARTS = (PART, ".part")
"""The same, with that of earlier releases."""
DAMAGED = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,  # a damaged mark: another compression or version of the format
    RuntimeError,  # a damaged mark: a password
    LookupError,
    ValueError,
)
"""How an archive shows that bits of it are not as they were written."""


@dataclass
class Manifest:
    """What an archive holds: ``members`` maps names to SHA-256, ``rows`` tables to counts.

    ``links`` maps names of files to the member that is the same file: index versions share theirs.
    """

    format: int = FORMAT
    version: str = __version__
    revision: str = ""
    created_at: str = ""
    data_dir: str = ""
    rows: dict[str, int] = field(default_factory=dict)
    members: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)


@storage_errors()
def back_up(database: Database, settings: Settings, out: Path) -> Manifest:
    """Write ``out``; the service may go on meanwhile. Raises ``BackupRefused`` where it exists.

    The rows are of one moment. Files are copied after it: index versions never change, and what
    is deleted in between is left out.
    """
    manifest = Manifest(created_at=iso(now()) or "", data_dir=str(settings.data_dir.resolve()))
    if out.exists():
        raise BackupRefused(f"{out} is there already; choose another name.")
    try:
        remove_dead(out.parent, f"*{PART}")
        with _new_part(out) as part:
            with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                _write_tables(database, archive, manifest)
                _write_files(settings.data_dir, archive, manifest)
                archive.writestr(MANIFEST, json.dumps(asdict(manifest), indent=1) + "\n")
            to_disk([part])
            part.rename(out)
            to_disk([out.parent])
    except OSError as error:
        raise from_os_error(error, out) from error
    return manifest


@contextmanager
def _new_part(out: Path) -> Iterator[Path]:
    """What becomes ``out`` once it is whole: of this backup alone, and nobody else may read it.

    It is locked as long as this process lives: whoever finds it without a lock may remove it. Its
    name is known before it is there, so that whoever ends this process meanwhile leaves nothing.
    """
    part, handle = out.with_name(f"{out.name}.{secrets.token_hex(8)}{PART}"), -1
    try:
        handle = _locked(part)
        while not os.fstat(handle).st_nlink:  # another backup took it for dead before the lock
            gone, handle = handle, _locked(part)
            os.close(gone)
        yield part
    finally:
        part.unlink(missing_ok=True)
        if handle >= 0:
            os.close(handle)


def _locked(part: Path) -> int:
    handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def _write_tables(database: Database, archive: zipfile.ZipFile, manifest: Manifest) -> None:
    engine = database.engine
    if not database.embedded:  # SQLite's reading transaction is one snapshot anyway
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with engine.connect() as connection:
        if database.embedded:
            connection = connection.execution_options(countersign_reading=True)
        tables = _reflected(connection)
        if REVISIONS not in tables:
            raise BackupRefused("This database holds nothing yet.")
        manifest.revision = str(connection.scalar(select(tables[REVISIONS].c.version_num)))
        for name, table in tables.items():
            if name != REVISIONS:
                rows = connection.execution_options(yield_per=BATCH).execute(_everything(table))
                manifest.rows[name] = _write_rows(
                    archive, manifest, table, (dict(row) for row in rows.mappings())
                )


def _write_rows(
    archive: zipfile.ZipFile, manifest: Manifest, table: Table, rows: Iterable[dict[str, Any]]
) -> int:
    count, member = 0, f"tables/{table.name}.jsonl"
    digest = hashlib.sha256()
    with archive.open(member, "w", force_zip64=True) as stream:
        for row in rows:
            line = json.dumps(_encoded(table, row), ensure_ascii=False).encode() + b"\n"
            digest.update(line)
            stream.write(line)
            count += 1
    manifest.members[member] = digest.hexdigest()
    return count


def _write_files(data_dir: Path, archive: zipfile.ZipFile, manifest: Manifest) -> None:
    first: dict[tuple[int, int], str] = {}
    for path in sorted(all_below(data_dir, _unless_deleted)):
        if (
            path.is_symlink()
            or not path.is_file()
            or path.name in DATABASE_FILES
            or _is_newer_checkpoint(path, manifest)
            or (path.parent == data_dir and _is_backup(path))
        ):
            continue
        member = f"data/{path.relative_to(data_dir).as_posix()}"
        try:
            found = path.stat()
            same = first.setdefault((found.st_dev, found.st_ino), member)
            if same in manifest.members:
                manifest.links[member] = same
                continue
            with path.open("rb") as source, archive.open(member, "w", force_zip64=True) as target:
                manifest.members[member] = _copied(source, target)
        except FileNotFoundError:
            continue  # deleted since the rows were read


def _unless_deleted(error: OSError) -> None:
    """A folder that may not be read is not left out in silence."""
    if not isinstance(error, FileNotFoundError):
        raise from_os_error(error, error.filename) from error


def _is_newer_checkpoint(path: Path, manifest: Manifest) -> bool:
    """Whether it was signed over links that came after the rows were read."""
    number = path.name.partition("-")[0]
    signed = path.parent.name == "checkpoints" and number.isdigit()
    return signed and int(number) > manifest.rows.get("audit_log", 0)


def _is_backup(path: Path) -> bool:
    """Whether it is a backup, or the beginning of one: none holds the ones before it."""
    if path.name.endswith(PARTS):
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            return MANIFEST in archive.namelist()
    except (OSError, *DAMAGED):
        return False


@storage_errors()
def restore(database: Database, settings: Settings, source: Path) -> Manifest:
    """Put an archive into an empty database and data folder; nothing is left when it fails.

    Everything is verified before anything is written, and the audit chain at the end. An archive
    of an older schema is migrated. Raises ``BackupRefused``.
    """
    _refuse_unless_empty(database, settings.data_dir)
    try:
        archive, manifest = _opened(source)
        with archive:
            try:
                _begin(settings.data_dir)
                _restore_files(archive, manifest, settings.data_dir)
                _restore_tables(database, archive, manifest, settings)
                _end(settings.data_dir)
            except BaseException:
                _undo(database, settings.data_dir)
                raise
    except OSError as error:
        raise from_os_error(error, error.filename or source) from error
    return manifest


def refuse_unfinished(data_dir: Path) -> None:
    """Raise ``BackupRefused`` where a restore was killed: what is there looks like a service."""
    if (data_dir / UNFINISHED).exists():
        raise BackupRefused(
            f"A restore into {data_dir} did not end. Empty that folder and the database, and "
            "restore again."
        )


def _begin(data_dir: Path) -> None:
    data_dir.mkdir(parents=True, exist_ok=True)
    (data_dir / UNFINISHED).touch()
    to_disk([data_dir])


def _end(data_dir: Path) -> None:
    (data_dir / UNFINISHED).unlink()
    to_disk([data_dir])


def _opened(source: Path) -> tuple[zipfile.ZipFile, Manifest]:
    """The archive, every member of which has been read and is as the manifest says."""
    try:
        archive = zipfile.ZipFile(source)
        try:
            return archive, _verified(archive)
        except BaseException:
            archive.close()
            raise
    except DAMAGED as error:
        raise BackupRefused(f"{source} is not a whole archive.") from error


def _refuse_unless_empty(database: Database, data_dir: Path) -> None:
    refuse_unfinished(data_dir)
    if inspect(database.engine).get_table_names():
        raise BackupRefused("The database is not empty; restore into a new one.")
    others = [path for path in data_dir.rglob("*") if path.name not in DATABASE_FILES]
    if any(path.is_file() for path in others):
        raise BackupRefused(f"{data_dir} is not empty; restore into a new folder.")


def _verified(archive: zipfile.ZipFile) -> Manifest:
    """The manifest, after the SHA-256 of every member; members it does not list are refused."""
    manifest = _manifest(archive)
    names = set(archive.namelist()) - {MANIFEST}
    if names != set(manifest.members):
        raise BackupRefused("The archive and its manifest do not list the same members.")
    for name in (*manifest.members, *manifest.links):
        place = PurePosixPath(name)
        if place.is_absolute() or ".." in place.parts or place.parts[0] not in ("tables", "data"):
            raise BackupRefused(f"The archive names a file outside its folders: {name!r}.")
    if not set(manifest.links.values()) <= names:
        raise BackupRefused("The archive names a file that it does not hold.")
    for name, expected in manifest.members.items():
        with archive.open(name) as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != expected:  # type: ignore[arg-type]
                raise BackupRefused(f"{name} does not match its SHA-256 in the manifest.")
    return manifest


def _manifest(archive: zipfile.ZipFile) -> Manifest:
    try:
        told = dict(json.loads(archive.read(MANIFEST)))
    except (KeyError, TypeError, ValueError) as error:
        raise BackupRefused("The archive has no readable manifest.") from error
    if told.get("format") != FORMAT or not told.keys() <= asdict(Manifest()).keys():
        by = str(told.get("version", "unknown"))[:40]
        raise BackupRefused(
            f"The archive is of another form, which version {by} wrote: restore it with that one."
        )
    return Manifest(**told)


def _restore_files(archive: zipfile.ZipFile, manifest: Manifest, data_dir: Path) -> None:
    for name in manifest.members:
        if name.startswith("data/"):
            path = data_dir / name.removeprefix("data/")
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source, path.open("xb") as target:
                if _is_secret(path):
                    path.chmod(0o600)
                shutil.copyfileobj(source, target, BLOCK)
    for name, same in manifest.links.items():
        path = data_dir / name.removeprefix("data/")
        path.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(data_dir / same.removeprefix("data/"), path)


def _is_secret(path: Path) -> bool:
    return path.name == "audit_seed" or path.parent.name == "audit_keys"


def _restore_tables(
    database: Database, archive: zipfile.ZipFile, manifest: Manifest, settings: Settings
) -> None:
    if not knows_revision(manifest.revision):
        raise BackupRefused(
            f"This version does not know the schema {manifest.revision!r} of the archive, "
            f"which {manifest.version} wrote."
        )
    migrate(database, manifest.revision)
    moved = Path(manifest.data_dir), settings.data_dir.resolve()
    with database.transaction() as session:
        connection = session.connection()
        tables = _reflected(connection)
        if set(tables) - {REVISIONS} != set(manifest.rows):
            raise BackupRefused("The archive does not hold the tables of its schema.")
        ordered = [table for table in tables.values() if table.name != REVISIONS]
        for table in reversed(ordered):  # what a migration wrote stands in the archive too
            connection.execute(table.delete())
        for table in ordered:
            _insert(connection, table, archive, moved)
            _continue_sequences(connection, table)
    migrate(database)
    with database.reading() as session:
        broken = broken_audit_link(session)
    if broken is not None:
        raise BackupRefused(f"The audit chain of the archive breaks at link {broken}.")


def _insert(
    connection: Connection, table: Table, archive: zipfile.ZipFile, moved: tuple[Path, Path]
) -> None:
    with archive.open(f"tables/{table.name}.jsonl") as lines:
        rows = (_decoded(table, json.loads(line), moved) for line in lines)
        while batch := list(islice(rows, BATCH)):
            connection.execute(table.insert(), batch)


def _continue_sequences(connection: Connection, table: Table) -> None:
    """PostgreSQL numbers on after the largest number that was restored."""
    if connection.dialect.name != "postgresql":
        return
    for column in table.primary_key:
        call = text("SELECT pg_get_serial_sequence(:table, :column)")
        names = {"table": table.name, "column": column.name}
        if sequence := connection.scalar(call, names):
            largest = connection.scalar(select(column).order_by(column.desc()).limit(1))
            if largest is not None:
                values = {"sequence": sequence, "largest": largest}
                connection.execute(text("SELECT setval(:sequence, :largest)"), values)


def _undo(database: Database, data_dir: Path) -> None:
    """Leave the place as empty as it was found."""
    metadata = MetaData()
    metadata.reflect(database.engine)
    metadata.drop_all(database.engine)
    for path in data_dir.iterdir() if data_dir.is_dir() else ():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in DATABASE_FILES:
            path.unlink()


def _reflected(connection: Connection) -> dict[str, Table]:
    """The tables as the database has them, each after those that it refers to."""
    metadata = MetaData()
    metadata.reflect(connection)
    for table in metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, JSON):
                column.type.none_as_null = True  # JSON.NULL is what means a null of JSON
    return {table.name: table for table in metadata.sorted_tables}


def _everything(table: Table) -> Select[Any]:
    """All rows; JSON as its text, which keeps a null of JSON apart from a missing value. What the
    database computes itself is left out."""
    columns = [
        cast(column, Text).label(column.name) if isinstance(column.type, JSON) else column
        for column in table.columns
        if column.computed is None
    ]
    return select(*columns)


def _encoded(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _to_json(table, name, value) for name, value in row.items()}


def _to_json(table: Table, name: str, value: Any) -> Any:
    kind = table.c[name].type
    if value is None:
        return None
    if isinstance(kind, LargeBinary):
        return base64.b64encode(value).decode("ascii")
    return value.isoformat() if isinstance(kind, DateTime) else value


def _decoded(table: Table, row: Mapping[str, Any], moved: tuple[Path, Path]) -> dict[str, Any]:
    return {name: _from_json(table, name, value, moved) for name, value in row.items()}


def _from_json(table: Table, name: str, value: Any, moved: tuple[Path, Path]) -> Any:
    kind = table.c[name].type
    if value is None:
        return None
    if isinstance(kind, JSON):
        return JSON.NULL if value == "null" else json.loads(value)
    if isinstance(kind, LargeBinary):
        return base64.b64decode(value)
    if isinstance(kind, DateTime):
        return datetime.fromisoformat(value)
    if name == "stored_at" and Path(value).is_relative_to(moved[0]):
        return str(moved[1] / Path(value).relative_to(moved[0]))  # uploads lie in the new folder
    return value


def _copied(source: IO[bytes], target: IO[bytes]) -> str:
    """Copies all of ``source``; returns its SHA-256."""
    digest = hashlib.sha256()
    for block in _blocks(source):
        digest.update(block)
        target.write(block)
    return digest.hexdigest()


def _blocks(source: IO[bytes]) -> Iterator[bytes]:
    while block := source.read(BLOCK):
        yield block
