"""How documents belong together: near copies, and editions of one of which the newest counts.

Kept where a document becomes ready or is deleted, in that transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import Select, delete, or_, select, update
from sqlalchemy.orm import Session, aliased

from app.corpus.editions import DAY, Edition, edition_of, is_newer
from app.corpus.tables import READY, DocumentBandRow, DocumentRow, FetchedRow, NearCopyRow
from app.db import Database

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


def relate(session: Session, row: DocumentRow, version: str) -> None:
    """Link a document that becomes ready with its near copies and its other editions."""
    before = row.series
    made = edition_of(row.title, version, row.valid_from or "")
    row.series, row.edition = made.series, f"{made.kind} {made.mark}"
    session.flush()
    _link_copies(session, row)
    for series in {before, row.series} - {None, ""}:
        _order(session, row.collection, series or "")


def part(session: Session, row: DocumentRow) -> None:
    """A document goes: nothing is linked with it any more, and its content is not known."""
    _unlink(session, row.id)
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


def _link_copies(session: Session, row: DocumentRow) -> None:
    _unlink(session, row.id)
    row.linked = False
    if row.signature is None:
        return
    values = _bands(row.signature)
    session.add_all(
        DocumentBandRow(document_id=row.id, band=band, value=value)
        for band, value in enumerate(values)
    )
    candidates = (
        select(DocumentRow.id, DocumentRow.signature)
        .join(DocumentBandRow, DocumentBandRow.document_id == DocumentRow.id)
        .where(
            DocumentBandRow.value.in_(values),
            DocumentRow.id != row.id,
            DocumentRow.collection == row.collection,
        )
        .distinct()
        .limit(4 * MOST_NEAR)
    )
    found = [(_similarity(row.signature, other), id) for id, other in session.execute(candidates)]
    near = [pair for pair in sorted(found, reverse=True)[:MOST_NEAR] if pair[0] >= LEAST]
    for similarity, other in near:
        for one, two in ((row.id, other), (other, row.id)):
            session.add(NearCopyRow(document_id=one, other_id=two, similarity=similarity))
    alike = [other for similarity, other in near if similarity >= ALIKE]
    row.linked = bool(alike)
    session.execute(update(DocumentRow).where(DocumentRow.id.in_(alike)).values(linked=True))
    session.flush()


def _unlink(session: Session, document_id: str) -> None:
    session.execute(delete(DocumentBandRow).where(DocumentBandRow.document_id == document_id))
    of = or_(NearCopyRow.document_id == document_id, NearCopyRow.other_id == document_id)
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


def _order(session: Session, collection: str, series: str) -> None:
    """Say of each document of a series which newer one counts."""
    columns = (DocumentRow.id, DocumentRow.edition, DocumentRow.signature)
    query = select(*columns, DocumentRow.superseded_by).where(
        DocumentRow.collection == collection,
        DocumentRow.series == series,
        DocumentRow.state == READY,
    )
    rows = session.execute(query.order_by(DocumentRow.id).limit(MOST_EDITIONS)).all()
    editions = [_edition(series, row.edition) for row in rows]
    for row, edition in zip(rows, editions, strict=True):
        newer = [
            (other.mark, peer.id)
            for peer, other in zip(rows, editions, strict=True)
            if is_newer(other, edition)
            and _are_of_one(other, edition, peer.signature, row.signature)
        ]
        newest = max(newer)[1] if newer else None
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
