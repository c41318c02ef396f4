"""Seals: the digests of rows that a link of the audit chain carries, so that no row changes unseen.

A table that is ``Sealed`` has a seal for each of its rows in the newest link that changed it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from json.encoder import encode_basestring_ascii
from typing import Any, ClassVar, cast

from sqlalchemy import JSON, Boolean, Column, DateTime, Float, Integer, Table, inspect
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import get_history

from app.db import compact_json

TOUCHED, SEALED, LINKED = "seals touched", "seals written", "seals linked"
"""Names in ``Session.info``: changed rows, digests in links of this transaction, has links."""
RowKey = tuple[str, str]
"""Table and key of a row."""
Seal = tuple[str, str, str | None]
"""Table and key of a row, and its digest; None: it was deleted."""
_KNOWN: "dict[str, SealedTable]" = {}


class Sealed:
    """A table whose rows are sealed; a mixin.

    ``seal_key`` names a row, the primary key unless it says more; ``unsealed`` columns change
    without a link. Nulls are left out of the digest: a column that is added later is null in
    older rows, or unsealed.
    """

    seal_key: ClassVar[tuple[str, ...]] = ()
    unsealed: ClassVar[frozenset[str]] = frozenset()

    @staticmethod
    def as_sealed(values: Mapping[str, Any]) -> Mapping[str, Any]:
        """The values as they are sealed; some tables leave out what changes without a link."""
        return values


@dataclass(frozen=True)
class SealedTable:
    """How rows of a table are sealed; ``columns`` in the order of their names."""

    mapped: type[Sealed]
    table: Table
    key: tuple[str, ...]
    columns: tuple[Column[Any], ...]
    spelled: tuple[tuple[str, str, Callable[[Any], str]], ...]
    stored: tuple[tuple[str, Callable[[Any], str] | None], ...]

    def key_of(self, values: Mapping[str, Any]) -> str:
        """The name of a row in its table."""
        return "/".join([str(values[name]) for name in self.key])

    def digest(self, values: Mapping[str, Any]) -> str:
        """SHA-256 of a row as JSON: columns by name, without nulls, without spaces."""
        sealed = self.mapped.as_sealed(values)
        texts = (
            (before, spell(sealed[name]))
            for name, before, spell in self.spelled
            if sealed[name] is not None
        )
        return _sha256([before + text for before, text in texts if text != "null"])

    def stored_digest(self, row: Sequence[Any]) -> str:
        """``digest`` of a row with its columns in order, JSON and times as they are stored."""
        if self.mapped.as_sealed is not Sealed.as_sealed:
            values = {column.name: value for column, value in zip(self.columns, row, strict=True)}
            sealed = self.mapped.as_sealed(values)
            row = [sealed[column.name] for column in self.columns]
        parts = [
            before + (value if spell is None else spell(value))
            for value, (before, spell) in zip(row, self.stored, strict=True)
            if value is not None and (spell is not None or value != "null")
        ]
        return _sha256(parts)


def _sha256(parts: Sequence[str]) -> str:
    digest = hashlib.sha256(b"{")  # in three parts: the text is long, and would be copied twice
    digest.update(",".join(parts).encode("utf-8"))
    digest.update(b"}")
    return digest.hexdigest()


def sealed_table(mapped: type[Sealed]) -> SealedTable:
    """How the rows of a mapped class are sealed."""
    found = _KNOWN.get(mapped.__name__)
    if found is None or found.mapped is not mapped:
        found = _KNOWN[mapped.__name__] = _sealed_table(mapped)
    return found


def _sealed_table(mapped: type[Sealed]) -> SealedTable:
    mapper = inspect(mapped)
    table = cast("Table", mapper.local_table)
    kept = sorted((c for c in table.columns if c.name not in mapped.unsealed), key=_name)
    key = mapped.seal_key or tuple(c.name for c in table.primary_key)
    spelled = tuple((c.name, f'"{c.name}":', _speller(c)) for c in kept)
    stored = tuple((f'"{c.name}":', _stored_speller(c)) for c in kept)
    return SealedTable(mapped, table, key, tuple(kept), spelled, stored)


def touch(session: Session, row: Sealed) -> None:
    """Say that a row was changed by a statement that the session does not know of."""
    session.refresh(row)
    _note(session, row)


def note_changes(session: Session) -> None:
    """Remember the sealed rows that the session has new, changed or deleted."""
    for row in session.new:
        if isinstance(row, Sealed):
            _note(session, row)
    for row in session.dirty:
        if isinstance(row, Sealed) and _is_changed(row):
            _note(session, row)
    for row in session.deleted:
        if isinstance(row, Sealed):
            how = sealed_table(type(row))
            session.info.setdefault(TOUCHED, {})[how.table.name, how.key_of(_values(how, row))] = (
                None
            )


def new_seals(session: Session) -> list[Seal]:
    """The seals that this transaction's rows need and no link of it has yet."""
    note_changes(session)
    touched = session.info.get(TOUCHED, {})
    session.info[TOUCHED] = {}
    sealed: dict[RowKey, str | None] = session.info.setdefault(SEALED, {})
    found: list[Seal] = []
    for row_key, row in touched.items():
        how = None if row is None else sealed_table(type(row))
        digest = None if how is None else how.digest(_values(how, row))
        if row_key not in sealed or sealed[row_key] != digest:
            sealed[row_key] = digest
            found.append((*row_key, digest))
    return found


def _note(session: Session, row: Sealed) -> None:
    how = sealed_table(type(row))
    row_key = how.table.name, how.key_of(_values(how, row))
    session.info.setdefault(TOUCHED, {})[row_key] = row


def _values(how: SealedTable, row: Sealed) -> dict[str, Any]:
    names = {column.name for column in how.columns}.union(how.key)
    return {name: getattr(row, name) for name in names}


def _is_changed(row: Sealed) -> bool:
    how = sealed_table(type(row))
    return any(get_history(row, column.name).has_changes() for column in how.columns)


def _name(column: Column[Any]) -> str:
    return column.name


def _speller(column: Column[Any]) -> Callable[[Any], str]:
    """How a value of the column is written as JSON, the same from Python and from the database."""
    kind = column.type
    if isinstance(kind, JSON):
        return compact_json
    if isinstance(kind, DateTime):
        return _moment
    if isinstance(kind, Boolean):
        return lambda value: "true" if value else "false"
    if isinstance(kind, Float):
        return lambda value: repr(float(value))
    return str if isinstance(kind, Integer) else encode_basestring_ascii


def _stored_speller(column: Column[Any]) -> Callable[[Any], str] | None:
    """The same from what ``app.proof.verify`` selects; None: that is the JSON already."""
    if isinstance(column.type, JSON):
        return None
    return '"{}"'.format if isinstance(column.type, DateTime) else _speller(column)


def _moment(value: datetime) -> str:
    return f'"{value.isoformat(" ", "microseconds")}"'


def row_json(row: Sealed) -> Mapping[str, Any]:
    """A row as JSON types. Without its nulls, written compactly with sorted columns, it has the
    digest of its seal."""
    how = sealed_table(type(row))
    sealed = how.mapped.as_sealed(_values(how, row))
    return {
        name: None if sealed[name] is None else json.loads(spell(sealed[name]))
        for name, _, spell in how.spelled
    }
