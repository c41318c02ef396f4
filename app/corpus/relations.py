"""How documents belong together: near copies, and editions of one of which the newest counts.

Kept where a document becomes ready or is deleted, in that transaction.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Select, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session, aliased

from app.corpus.editions import DAY, Edition, edition_of, is_newer
from app.corpus.tables import BATCH, DELETED, DocumentBandRow, DocumentRow, FetchedRow, NearCopyRow
from app.db import Database, table_of

BANDS, ROWS = 32, 4
"""Documents that share half of their words have a band in common in 87 of 100 cases, those that
share four fifths always."""
ALIKE = 0.8
"""Similarity from which two documents are near copies."""
SAME = 0.6
"""Similarity that makes two titles with other dates editions of one document."""
REVISED = 0.1
"""The same for two version numbers: the notes of each release share next to no sentence."""
LEAST = 0.5
MOST_NEAR = 50
"""Near copies that one document is linked with, and candidates for them four times as many."""
MOST_EDITIONS = 200
"""The newest of a series, with which each of it is compared."""
INTO_BANDS = insert(table_of(DocumentBandRow))


@dataclass(frozen=True)
class Related:
    """Of some documents: near copies of each, and for an edition the one that counts instead."""

    copies: Mapping[str, frozenset[str]] = field(default_factory=dict)
    replaced: Mapping[str, str] = field(default_factory=dict)
    editions: Mapping[str, Edition] = field(default_factory=dict)
    """Those of ``replaced``, on both sides."""


class Relations:
    """What is known of documents together. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def among(self, document_ids: Iterable[str], today: str) -> Related:
        """How these belong together, on the day ``today`` (ISO 8601): an edition that is not
        valid yet is replaced by the ones before it."""
        ids = sorted(set(document_ids))
        if len(ids) < 2:
            return Related()
        newer = aliased(DocumentRow)
        both: Select[*tuple[Any, ...]] = select(DocumentRow.id, newer.id, newer.valid_from)
        both = both.add_columns(DocumentRow.series, DocumentRow.edition, newer.edition)
        both = both.join(newer, newer.id == DocumentRow.superseded_by)
        both = both.where(DocumentRow.id.in_(ids), newer.id.in_(ids))
        near = select(NearCopyRow.document_id, NearCopyRow.other_id).where(
            NearCopyRow.document_id.in_(ids),
            NearCopyRow.other_id.in_(ids),
            NearCopyRow.similarity >= ALIKE,
        )
        replaced: dict[str, str] = {}
        editions: dict[str, Edition] = {}
        copies: dict[str, set[str]] = {}
        with self._database.reading() as session:
            for row in session.execute(both):
                older, newest, begins, series, *marks = row
                valid = begins is None or begins <= today
                replaced[older if valid else newest] = newest if valid else older
                editions[older], editions[newest] = (_edition(series, mark) for mark in marks)
            for one, other in session.execute(near):
                copies.setdefault(one, set()).add(other)
        alike = {one: frozenset(others) for one, others in copies.items()}
        return Related(alike, replaced, editions)


def relate(session: Session, made: Sequence[tuple[DocumentRow, str]]) -> None:
    """Link documents that become ready, given with their versions, with their near copies and
    their other editions: as if one became ready after the other."""
    touched = {(row.collection, row.series) for row, _ in made}
    for row, version in made:
        edition = edition_of(row.title, version, row.valid_from or "")
        row.series, row.edition = edition.series, f"{edition.kind} {edition.mark}"
        touched.add((row.collection, row.series))
    session.flush()
    _link_copies(session, [row for row, _ in made])
    for collection, series in _several(session, touched):
        _order(session, collection, series)


def part(session: Session, row: DocumentRow) -> None:
    """A document goes: nothing is linked with it any more, and its content is not known."""
    _unlink(session, [row.id])
    session.execute(delete(FetchedRow).where(FetchedRow.document_id == row.id))
    series, row.series, row.edition = row.series, None, None
    row.superseded_by, row.signature, row.linked = None, None, False
    session.flush()
    if series:
        _order(session, row.collection, series)


def near_copies(session: Session, document_ids: Sequence[str]) -> dict[str, list[str]]:
    """The near copies of each of these documents, the most alike first."""
    query = select(NearCopyRow.document_id, NearCopyRow.other_id).where(
        NearCopyRow.document_id.in_(document_ids), NearCopyRow.similarity >= ALIKE
    )
    query = query.order_by(NearCopyRow.similarity.desc(), NearCopyRow.other_id)
    found: dict[str, list[str]] = {}
    for one, other in session.execute(query):
        found.setdefault(one, []).append(other)
    return found


def _link_copies(session: Session, rows: Sequence[DocumentRow]) -> None:
    _unlink(session, [row.id for row in rows if row.revision > 1])
    bands = {row.id: _bands(row.signature) for row in rows if row.signature is not None}
    added = [
        {"document_id": document_id, "band": band, "value": value}
        for document_id, values in bands.items()
        for band, value in enumerate(values)
    ]
    for some in range(0, len(added), BATCH):
        session.execute(INTO_BANDS, added[some : some + BATCH])
    shared = _shared(session, list(chain.from_iterable(bands.values())))
    later = {row.id for row in rows}
    for row in rows:
        later.remove(row.id)
        row.linked = False
        if shared.intersection(values := bands.get(row.id, ())):
            _link(session, row, _alike(session, row, values, later))
    session.flush()


def _shared(session: Session, values: Sequence[int]) -> set[int]:
    """Those of the values that bands of several documents have."""
    found: set[int] = set()
    for first in range(0, len(values), BATCH):
        some = DocumentBandRow.value.in_(values[first : first + BATCH])
        query = select(DocumentBandRow.value).where(some).group_by(DocumentBandRow.value)
        found.update(session.scalars(query.having(func.count() > 1)))
    return found


def _alike(
    session: Session, row: DocumentRow, values: Sequence[int], later: Collection[str]
) -> list[tuple[float, str]]:
    """(similarity, id) of the documents most like this one, but for those that come ``later``."""
    candidates = (
        select(DocumentRow.id, DocumentRow.signature)
        .join(DocumentBandRow, DocumentBandRow.document_id == DocumentRow.id)
        .where(
            DocumentBandRow.value.in_(values),
            DocumentRow.id != row.id,
            DocumentRow.collection == row.collection,
        )
        .distinct()
        .limit(4 * MOST_NEAR + len(later))
    )
    found = [
        (_similarity(row.signature or b"", other), document_id)
        for document_id, other in session.execute(candidates)
        if document_id not in later
    ]
    return [pair for pair in sorted(found, reverse=True)[:MOST_NEAR] if pair[0] >= LEAST]


def _link(session: Session, row: DocumentRow, near: Sequence[tuple[float, str]]) -> None:
    session.add_all(
        NearCopyRow(document_id=one, other_id=two, similarity=similarity)
        for similarity, other in near
        for one, two in ((row.id, other), (other, row.id))
    )
    alike = [other for similarity, other in near if similarity >= ALIKE]
    if alike:
        row.linked = True
        session.flush()  # or a row of these that is changed here would be written over
        of = DocumentRow.id.in_(alike)
        session.execute(update(DocumentRow).where(of).values(linked=True))


def _unlink(session: Session, document_ids: Sequence[str]) -> None:
    for first in range(0, len(document_ids), BATCH):
        some = document_ids[first : first + BATCH]
        session.execute(delete(DocumentBandRow).where(DocumentBandRow.document_id.in_(some)))
        of = or_(NearCopyRow.document_id.in_(some), NearCopyRow.other_id.in_(some))
        session.execute(delete(NearCopyRow).where(of))


def _bands(signature: bytes) -> list[int]:
    """The bands of a signature as numbers of 63 bits, no two bands alike."""
    rows = np.frombuffer(signature, dtype="<u4").astype(np.uint64).reshape(BANDS, ROWS)
    mixed = np.arange(1, BANDS + 1, dtype=np.uint64)
    for at in range(ROWS):
        mixed = (mixed ^ rows[:, at]) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return [int(value) for value in mixed >> np.uint64(1)]


def _similarity(one: bytes, other: bytes | None) -> float:
    if other is None or len(one) != len(other):
        return 0.0
    same = np.frombuffer(one, dtype="<u4") == np.frombuffer(other, dtype="<u4")
    return float(same.mean())


def _several(session: Session, touched: Iterable[tuple[str, str | None]]) -> list[tuple[str, str]]:
    """Those of the series in which one document may count instead of another, or did."""
    named: dict[str, list[str]] = {}
    for collection, series in sorted((one, series) for one, series in touched if series):
        named.setdefault(collection, []).append(series)
    told = or_(func.count() > 1, func.count(DocumentRow.superseded_by) > 0)
    found = []
    for collection, all_series in named.items():
        for first in range(0, len(all_series), BATCH):
            of = _served_in(collection, *all_series[first : first + BATCH])
            query = select(DocumentRow.series).where(*of).group_by(DocumentRow.series)
            found += [(collection, one or "") for one in session.scalars(query.having(told))]
    return found


def _served_in(collection: str, *series: str) -> Iterable[ColumnElement[bool]]:
    """The documents of these series that answer: also those whose next content waits to be read,
    or could not be. Those that are gone are of no series."""
    return (
        DocumentRow.collection == collection,
        DocumentRow.series.in_(series),
        DocumentRow.state != DELETED,
    )


def _order(session: Session, collection: str, series: str) -> None:
    """Say of each document of a series which newer one counts."""
    columns = (DocumentRow.id, DocumentRow.edition, DocumentRow.signature)
    query = select(*columns, DocumentRow.superseded_by).where(*_served_in(collection, series))
    pairs = [(_edition(series, row.edition), row) for row in session.execute(query)]
    pairs.sort(key=lambda pair: (pair[0].mark, pair[1].id), reverse=True)
    for edition, row in pairs:
        newer = (
            peer.id
            for other, peer in pairs[:MOST_EDITIONS]
            if is_newer(other, edition)
            and _are_of_one(other, edition, peer.signature, row.signature)
        )
        newest = next(newer, None)
        if newest != row.superseded_by:
            of = DocumentRow.id == row.id
            session.execute(update(DocumentRow).where(of).values(superseded_by=newest))


def _are_of_one(newer: Edition, older: Edition, one: bytes | None, other: bytes | None) -> bool:
    """Whether two of a series are editions of one document, by their marks and their words."""
    told = DAY not in (newer.kind, older.kind) and "" not in (newer.mark, older.mark)
    if one is None or other is None:
        return told  # of few words, so only the marks can say it
    return _similarity(one, other) >= (REVISED if told else SAME)


def _edition(series: str | None, stored: str | None) -> Edition:
    kind, _, mark = (stored or "").partition(" ")
    return Edition(series or "", kind, mark)
