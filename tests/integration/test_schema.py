"""Migrations on both databases: they build exactly the tables the code declares, and undo them."""

import itertools
import os
import re
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Boolean, DateTime, bindparam, event, inspect, select, text
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.access.service import Access
from app.corpus.corpus import Corpus
from app.corpus.tables import DocumentRow, LiveIndexRow
from app.db import (
    Base,
    Database,
    _scripts,
    ensure_schema,
    migrate,
    newest_revision,
    schema_revision,
)
from app.errors import IdempotencyMismatch, SchemaNewer, SchemaOutdated
from app.gate.certificates import passages_changed
from app.gate.strata import Stratum
from app.gate.tables import LabelRow
from app.records.tables import AuditHeadRow, RecordRow
from app.settings import PROJECT
from tests.children import begin, ended
from tests.trails import hold, settings_for


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


BEFORE_NUMBERS = """
INSERT INTO documents (id, collection, source, stored_at, title, media_type, sha256, revision,
    state, created_at, updated_at) VALUES
    ('in', 'main', 'in', '', '', '', '', 1, 'ready', :t1, :t1),
    ('out', 'main', 'out', '', '', '', '', 1, 'ready', :t1, :t3),
    ('tie', 'main', 'tie', '', '', '', '', 1, 'ready', :t1, :t2),
    ('gone', 'board', 'gone', '', '', '', '', 1, 'deleted', :t1, :t4);
INSERT INTO index_versions (id, state, passages, embedder, created_at, promoted_at) VALUES
    ('b', 'retired', 1, 'e', :t1, :t1), ('a', 'live', 1, 'e', :t2, :t2);
UPDATE live_index SET version_id = 'a';
INSERT INTO certificates (id, collection, risk_class, state, certificate, process, index_version,
    reason, created_at, ended_at) VALUES
    ('c', 'main', 'standard', 'revoked', '{}', '{}', 'a', 'passages changed: x', :t1, :t2);
INSERT INTO records (answer_id, principal, question, outcome, message, evidence, findings, verdict,
    lineage, searched, timings_ms, content_sha256, created_at) VALUES
    ('before', 'ann', 'q', 'held', '', '[]', '[]', '{}', '{}', '{}', '{}', '', :t1),
    ('after', 'ann', 'q', 'held', '', '[]', '[]', '{}', '{}', '{}', '{}', '', :t3);
INSERT INTO labels (answer_id, collection, risk_class, risk, wrong, weight, source, certificate,
    lineage_sha256, labelled_at) VALUES
    ('before', 'main', 'standard', 0.1, :no, 1, 'review', '', '', :t4),
    ('after', 'main', 'standard', 0.1, :no, 1, 'review', '', '', :t3)
"""


def test_what_was_ordered_by_time_keeps_its_order_by_number(database: Database) -> None:
    database.close()
    config = Config()
    config.set_main_option("script_location", str(PROJECT / "alembic"))
    config.attributes["database"] = database
    command.downgrade(config, "0008")
    times = {f"t{day}": datetime(2026, 1, day) for day in range(1, 5)}
    with database.transaction() as session:
        for statement in BEFORE_NUMBERS.split(";"):
            names = set(re.findall(r":(\w+)", statement))
            typed = [bindparam(n, type_=Boolean if n == "no" else DateTime) for n in names]
            values = {n: {**times, "no": False}[n] for n in names}
            session.execute(text(statement).bindparams(*typed), values)
    migrate(database)
    corpus = Corpus(database)
    assert [version.version_id for version in corpus.versions.all()] == ["a", "b"]
    live = corpus.versions.live()
    assert live is not None and live.number < 0
    with database.reading() as session:
        newer = select(DocumentRow.id).where(DocumentRow.number > live.number)
        assert set(session.scalars(newer)) == {"out", "tie", "gone"}
        since = passages_changed(session, Stratum("main", "standard"))
        assert since is not None
        labels = select(LabelRow.answer_id).order_by(LabelRow.number)
        assert list(session.scalars(labels)) == ["after", "before"]
        assert list(session.scalars(labels.where(LabelRow.answered >= since))) == ["after"]
    assert corpus.documents.deleted_since(live.number) == ["gone"]
    assert corpus.documents.collections() == {"main": 3}
    assert corpus.versions.unindexed()


def test_the_newest_revision_is_that_of_the_files_in_their_order() -> None:
    assert newest_revision() == _scripts().get_current_head()


def test_migrating_twice_changes_nothing(database: Database) -> None:
    with database.transaction() as session:
        session.get_one(AuditHeadRow, 1).number = 7
    migrate(database)
    assert differences(database) == []
    assert start_rows(database) == [(1, 7), (1, None)]


def test_a_server_is_migrated_on_purpose_only(empty: Database) -> None:
    if empty.embedded:
        ensure_schema(empty)
        assert schema_revision(empty) == newest_revision()
        return
    for _ in range(2):
        with pytest.raises(SchemaOutdated):
            ensure_schema(empty)
    assert tables(empty) == set()
    migrate(empty)
    ensure_schema(empty)
    upgrade_to(empty, "base", down=True)
    upgrade_to(empty, "0001")
    with pytest.raises(SchemaOutdated):
        ensure_schema(empty)
    assert schema_revision(empty) == "0001"


def test_a_newer_schema_is_refused_and_kept(database: Database) -> None:
    with database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'from_the_future'"))
    for use in (ensure_schema, migrate):
        with pytest.raises(SchemaNewer):
            use(database)
    assert schema_revision(database) == "from_the_future"


def test_many_that_migrate_at_once_do_it_once(empty: Database) -> None:
    def migrate_anew() -> int:
        migrate(Database(empty.url))
        return 0

    empty.close()
    children = [begin(migrate_anew) for _ in range(3)]
    assert [ended(child) for child in children] == [0, 0, 0]
    assert differences(empty) == []
    assert start_rows(empty) == [(1, 0), (1, None)]


@pytest.mark.parametrize("statements", [5, 60, 150])
def test_an_upgrade_that_is_killed_is_done_by_the_next_one(
    empty: Database, statements: int
) -> None:
    upgrade_to(empty, "0001")
    with empty.transaction() as session:
        insert_released(session)

    def killed_half_way() -> int:
        done = itertools.count()

        def count(*_: object) -> None:
            if next(done) == statements:
                os.kill(os.getpid(), signal.SIGKILL)

        database = Database(empty.url)
        event.listen(database.engine, "before_cursor_execute", count)
        migrate(database)
        return 0

    empty.close()
    assert ended(begin(killed_half_way)) == -signal.SIGKILL
    assert schema_revision(empty) == "0001"
    migrate(empty)
    assert differences(empty) == []
    with empty.reading() as session:
        for name in RELEASED:
            assert session.scalar(text(f"SELECT count(*) FROM {name}")) == 1


def insert_released(session: Session) -> None:
    """The rows of ``RELEASED``."""
    for name, row in RELEASED.items():
        values = ", ".join(f":{column}" for column in row)
        names = ", ".join(f'"{column}"' for column in row)
        session.execute(text(f"INSERT INTO {name} ({names}) VALUES ({values})"), row)


RELEASED: dict[str, dict[str, Any]] = {
    "principals": {
        "name": "ann",
        "roles": '["asker"]',
        "scope": "null",
        "password_hash": None,
        "created_at": "2026-11-24 00:00:00",
    },
    "api_keys": {
        "id": "k",
        "principal": "ann",
        "key_sha256": "0" * 64,
        "created_at": "2026-11-24 00:00:00",
        "expires_at": None,
        "revoked_at": None,
    },
    "sessions": {
        "token_sha256": "1" * 64,
        "principal": "ann",
        "csrf_token": "c",
        "expires_at": "2099-11-24 00:00:00",
    },
    "idempotency_keys": {
        "principal": "ann",
        "key": "k",
        "request_sha256": "0" * 64,
        "response": '{"answer_id": "a"}',
        "created_at": "2026-11-24 00:00:00",
    },
}
"""A row as 0.1.0 writes it, of every table of access: the columns of revision 0001, all of them."""


def test_the_last_release_writes_to_the_new_schema(empty: Database, tmp_path: Path) -> None:
    """Expand, then contract: while hosts are exchanged one by one, old code works on new tables."""
    upgrade_to(empty, "0001")
    columns = {
        name: {column["name"] for column in inspect(empty.engine).get_columns(name)}
        for name in RELEASED
    }
    assert {name: set(row) for name, row in RELEASED.items()} == columns
    migrate(empty)
    with empty.transaction() as session:
        insert_released(session)
    access = Access(empty, settings_for(empty.url, tmp_path))
    (account,) = access.accounts.all()
    assert (account.scope, account.disabled, account.sessions, account.keys) == (None, False, 1, 1)
    assert access.keys.all()[0].last_used_at is None
    assert access.sessions.all("ann")[0].started_at is None
    ann = Principal("ann", frozenset({"asker"}))
    with pytest.raises(IdempotencyMismatch):
        access.requests.begin(ann, "k", "another body")


def upgrade_to(database: Database, revision: str, *, down: bool = False) -> None:
    config = Config()
    config.set_main_option("script_location", str(PROJECT / "alembic"))
    config.attributes["database"] = database
    (command.downgrade if down else command.upgrade)(config, revision)


def test_records_get_the_number_of_the_link_that_recorded_them(
    empty: Database, tmp_path: Path
) -> None:
    migrate(empty)
    answers = [hold(empty, settings_for(empty.url, tmp_path))[1] for _ in range(2)]
    numbers = order_of_records(empty)
    assert list(numbers) == answers and min(numbers.values()) > 0
    upgrade_to(empty, "0013", down=True)
    migrate(empty)
    assert order_of_records(empty) == numbers


def order_of_records(database: Database) -> dict[str, int]:
    with database.reading() as session:
        query = select(RecordRow.answer_id, RecordRow.number).order_by(RecordRow.number)
        return {row[0]: row[1] for row in session.execute(query)}
