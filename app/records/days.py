"""Answers counted by day, by what was searched and by what became of them, in the transaction that
records or settles them: figures of many days cost no look at every answer."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from sqlalchemy import Executable, Table, select, update
from sqlalchemy.orm import Session

from app.db import insert_or
from app.records.tables import AnswerDayRow, RecordRow
from app.telemetry import NOTHING, Spent
from guardrails.contract import canonical_sha256

KEY = ("day", "searched", "outcome", "state")
COUNTED = ("answers", "cpu_s", "tokens_read", "tokens_written")


def count_recorded(session: Session, record: RecordRow, spent: Spent) -> None:
    """One answer more, and what the process has spent since the one before.

    The transaction must hold the lock of the audit chain, as must ``count_settled``.
    """
    names = record.searched.get("collections", ())
    key = _key(record.created_at.date().isoformat(), names, record.outcome)
    with session.no_autoflush:  # else what is written anyway goes out in two parts
        _add(session, key, names, spent)


def count_settled(session: Session, answer_id: str, before: str, after: str) -> None:
    """An answer goes from one state to another; one that was never counted stays so."""
    if before == after:
        return
    columns = RecordRow.created_at, RecordRow.searched, RecordRow.outcome
    row = session.execute(select(*columns).where(RecordRow.answer_id == answer_id)).one()
    created, searched, outcome = row
    names = searched.get("collections", ())
    key = _key(created.date().isoformat(), names, outcome, before)
    counted = AnswerDayRow.answers > 0
    fewer = update(AnswerDayRow).filter_by(**key).where(counted)
    done: Any = session.execute(fewer.values(answers=AnswerDayRow.answers - 1))
    if done.rowcount:
        _add(session, {**key, "state": after}, names, NOTHING)


def searched_key(names: Iterable[str]) -> str:
    """The name of a set of collections."""
    return canonical_sha256(sorted(set(names)))


def _key(day: str, names: Iterable[str], outcome: str, state: str = "") -> dict[str, str]:
    return {"day": day, "searched": searched_key(names), "outcome": outcome, "state": state}


def _add(session: Session, key: Mapping[str, str], names: Iterable[str], spent: Spent) -> None:
    row = {
        **key,
        "collections": sorted(set(names)),
        "answers": 1,
        "cpu_s": spent.cpu_s,
        "tokens_read": spent.tokens_read,
        "tokens_written": spent.tokens_written,
    }
    session.execute(_adding(session), row)


_ADDING: dict[str, Executable] = {}


def _adding(session: Session) -> Executable:
    """The statement that adds a row to what is counted; built once, for each answer runs it."""
    dialect = session.get_bind().dialect.name
    if dialect not in _ADDING:
        table = cast("Table", AnswerDayRow.__table__)
        row = insert_or(session, table)
        more = {name: table.c[name] + row.excluded[name] for name in COUNTED}
        _ADDING[dialect] = row.on_conflict_do_update(index_elements=list(KEY), set_=more)
    return _ADDING[dialect]
