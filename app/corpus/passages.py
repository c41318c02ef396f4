"""Passages: stored with their document, found by id, listed for an index or for a person."""

import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Select, bindparam, delete, func, select
from sqlalchemy.orm import Session

from app.corpus.tables import BATCH, DELETED, DocumentRow, PassageRow
from app.db import Database
from app.errors import NotFound
from app.ports import Vectors
from app.records.audit import append_audit
from guardrails.contract import Passage

Columns = Select[*tuple[Any, ...]]


@dataclass(frozen=True)
class NewPassage:
    """A passage to store, with its unit vector of shape [dimension].

    ``suspect`` says why it seems to give orders; ``headings`` and ``last_page`` as in ``Passage``.
    """

    text: str
    start: int
    end: int
    page: int | None
    embedding: Vectors
    suspect: str | None = None
    headings: tuple[str, ...] = ()
    last_page: int | None = None


@dataclass(frozen=True)
class IndexedPassage:
    """What an index version needs of a passage; ``place`` as in ``Passage``."""

    id: str
    document_id: str
    collection: str
    place: str
    text: str
    embedding: Vectors


@dataclass(frozen=True)
class SuspectView:
    """A passage that seems to give orders, and why."""

    passage_id: str
    collection: str
    source: str
    page: int | None
    reason: str
    text: str
    document_id: str
    title: str


@dataclass(frozen=True)
class PlacedPassage:
    """A passage of a document's current revision, and why it is suspect, if it is.

    ``start`` and ``end`` count characters of the document; neighbours may overlap.
    """

    passage_id: str
    text: str
    start: int
    end: int
    page: int | None
    last_page: int | None
    headings: list[str]
    suspect: str | None


@dataclass(frozen=True)
class DocumentText:
    """Passages of a document in their order; ``first`` is the ordinal of the first of them."""

    passages: list[PlacedPassage]
    first: int
    total: int


class Passages:
    """The passages of all documents. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, ids: Iterable[str]) -> dict[str, Passage]:
        """The passages that still exist, by id; deleted ones are simply absent."""
        with self._database.reading() as session:
            return {passage.id: passage for passage, _ in find_passages(session, ids)}

    def find_related(self, ids: Iterable[str]) -> tuple[dict[str, Passage], bool]:
        """As ``find``, and whether a newer edition or near copies of their documents are known."""
        found, related = {}, False
        with self._database.reading() as session:
            for some in batches(list(ids)):
                for row in session.execute(_STANDING, {"ids": some}):
                    found[row.id] = _passage(row)
                    related = related or row.linked or row.superseded_by is not None
        return found, related

    def with_source(self, passage_id: str) -> tuple[Passage, str]:
        """One passage and its document's source; raises ``NotFound``."""
        with self._database.reading() as session:
            for found in find_passages(session, [passage_id]):
                return found
        raise NotFound("This source was removed, or you may not see it.")

    def text_of(
        self, document_id: str, *, first: int = 0, limit: int = 100, around: str | None = None
    ) -> DocumentText:
        """A document's current passages from ``first``, or with the passage ``around`` amid them;
        none of a document that is not ready. Raises ``NotFound`` when ``around`` is not of them."""
        of = PassageRow.document_id == document_id
        with self._database.reading() as session:
            count = select(func.count()).select_from(PassageRow).join(DocumentRow)
            total = session.scalar(_current(count).where(of)) or 0
            if around is not None:
                place = _current(select(PassageRow.ordinal).join(DocumentRow))
                ordinal = session.scalar(place.where(of, PassageRow.id == around))
                if ordinal is None:
                    raise NotFound("The document has changed: this passage is not in it any more.")
                first = max(0, min(ordinal - limit // 2, total - limit))
            query = _current(PLACED.join(DocumentRow)).where(of)
            query = query.where(PassageRow.ordinal >= first).order_by(PassageRow.ordinal)
            rows = session.execute(query.limit(limit))
            return DocumentText([PlacedPassage(*row) for row in rows], first, total)

    def quoting(self, collection: str, quote: str) -> Passage | None:
        """A current passage of the collection that holds ``quote``, verbatim; None without one."""
        query = _current(_evidence()).where(
            DocumentRow.collection == collection, PassageRow.text.contains(quote, autoescape=True)
        )
        with self._database.reading() as session:
            # LIKE ignores the case on SQLite.
            rows = (row for row in session.execute(query.order_by(PassageRow.id)))
            return next((_passage(row) for row in rows if quote in row.text), None)

    def indexable(self, embedder: str) -> Iterator[IndexedPassage]:
        """Every current passage of every document that ``embedder`` embedded, in a fixed order."""
        with self._database.reading() as session:
            query = _indexable(embedder).execution_options(yield_per=BATCH)
            yield from map(_indexed, session.execute(query))

    def indexable_of(self, embedder: str, documents: Sequence[str]) -> list[IndexedPassage]:
        """The same, of these documents alone."""
        found: list[IndexedPassage] = []
        with self._database.reading() as session:
            for some in batches(documents):
                query = _indexable(embedder).where(PassageRow.document_id.in_(some))
                found += map(_indexed, session.execute(query))
        return sorted(found, key=lambda passage: passage.collection)

    def count(self, documents: Sequence[str]) -> int:
        """How many current passages these documents have."""
        query = select(func.count()).select_from(PassageRow)
        query = _current(query.join(DocumentRow, DocumentRow.id == PassageRow.document_id))
        with self._database.reading() as session:
            return sum(
                session.scalar(query.where(PassageRow.document_id.in_(some))) or 0
                for some in batches(documents)
            )

    def suspects(self) -> list[SuspectView]:
        """The current passages that seem to give orders, with document, page and reason."""
        columns = select(
            PassageRow.id,
            DocumentRow.collection,
            DocumentRow.source,
            PassageRow.page,
            PassageRow.suspect,
            PassageRow.text,
            DocumentRow.id,
            DocumentRow.title,
        ).join(DocumentRow, DocumentRow.id == PassageRow.document_id)
        query = (
            _current(columns)
            .where(PassageRow.suspect.is_not(None))
            .order_by(DocumentRow.collection, DocumentRow.source, PassageRow.ordinal)
        )
        with self._database.reading() as session:
            return [SuspectView(*found) for found in session.execute(query)]

    def suspect(self, passage_id: str) -> SuspectView:
        """One suspect passage; raises ``NotFound``."""
        for found in self.suspects():
            if found.passage_id == passage_id:
                return found
        raise NotFound("There is no such suspect passage.")

    def admit(self, passage_id: str, by: str = "") -> None:
        """A person has read the passage: it is suspect no more. Raises ``NotFound``."""
        with self._database.transaction() as session:
            row = suspect_row(session, passage_id)
            event = {"passage_id": row.id, "reason": row.suspect}
            append_audit(session, "passage_admitted", {**event, "by": by} if by else event)
            row.suspect = None

    def superseded(self) -> set[str]:
        """The passages of earlier revisions of their documents."""
        # SQLite would look at every passage for its document. From an expression it goes the
        # other way, and an index tells at once that a document has no earlier ones.
        of = PassageRow.document_id == DocumentRow.id.concat("")
        query = select(PassageRow.id).select_from(DocumentRow).join(PassageRow, of)
        with self._database.reading() as session:
            return set(session.scalars(query.where(PassageRow.revision < DocumentRow.revision)))

    def purge(self, superseded: Collection[str]) -> None:
        """Delete passages that are superseded."""
        if not superseded:
            return
        with self._database.transaction() as session:
            for ids in batches(sorted(superseded)):
                session.execute(delete(PassageRow).where(PassageRow.id.in_(ids)))


PLACED: Columns = select(
    PassageRow.id,
    PassageRow.text,
    PassageRow.start,
    PassageRow.end,
    PassageRow.page,
    PassageRow.last_page,
    PassageRow.headings,
    PassageRow.suspect,
)


def suspect_row(session: Session, passage_id: str) -> PassageRow:
    """The row of a suspect passage, locked; raises ``NotFound``."""
    row = session.get(PassageRow, passage_id, with_for_update=True)
    if row is None or row.suspect is None:
        raise NotFound("There is no such suspect passage.")
    return row


def find_passages(session: Session, ids: Iterable[str]) -> Iterator[tuple[Passage, str]]:
    """(passage, source) of those passages that exist and whose document is not deleted."""
    for some in batches(list(ids)):
        query = _evidence().where(PassageRow.id.in_(some), DocumentRow.state != DELETED)
        for row in session.execute(query):
            yield _passage(row), row.source


def current_passages(session: Session, ids: Iterable[str]) -> dict[str, str]:
    """Text by id of those passages that belong to their document's current revision."""
    found: dict[str, str] = {}
    for some in batches(list(ids)):
        columns = select(PassageRow.id, PassageRow.text).join(
            DocumentRow, DocumentRow.id == PassageRow.document_id
        )
        rows = session.execute(_current(columns).where(PassageRow.id.in_(some)))
        found.update({row[0]: row[1] for row in rows})
    return found


def passage_row(
    document: DocumentRow, ordinal: int, passage: NewPassage, embedder: str
) -> dict[str, Any]:
    """The columns of a new row of the document's present revision."""
    return {
        "id": secrets.token_hex(16),
        "document_id": document.id,
        "revision": document.revision,
        "ordinal": ordinal,
        "text": passage.text,
        "start": passage.start,
        "end": passage.end,
        "page": passage.page,
        "embedder": embedder,
        "embedding": np.ascontiguousarray(passage.embedding, dtype=np.float32).tobytes(),
        "suspect": passage.suspect,
        "headings": list(passage.headings),
        "last_page": passage.last_page,
    }


def batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """The ids in runs that fit into one statement."""
    for first in range(0, len(ids), BATCH):
        yield ids[first : first + BATCH]


def _evidence() -> Columns:
    """The columns of a ``Passage`` and its source; never the embedding."""
    return select(
        PassageRow.id,
        PassageRow.document_id,
        DocumentRow.collection,
        DocumentRow.title,
        PassageRow.text,
        PassageRow.start,
        PassageRow.end,
        PassageRow.page,
        DocumentRow.valid_from,
        DocumentRow.valid_until,
        PassageRow.suspect,
        PassageRow.headings,
        PassageRow.last_page,
        DocumentRow.source,
        DocumentRow.superseded_by,
        DocumentRow.linked,
    ).join(DocumentRow, DocumentRow.id == PassageRow.document_id)


_STANDING = _evidence().where(
    PassageRow.id.in_(bindparam("ids", expanding=True)), DocumentRow.state != DELETED
)
"""Built once, as each question asks it."""


def _indexable(embedder: str) -> Columns:
    columns = _evidence().add_columns(PassageRow.embedding)
    query = _current(columns).where(PassageRow.embedder == embedder)
    return query.order_by(DocumentRow.collection, DocumentRow.source, PassageRow.ordinal)


def _indexed(row: Any) -> IndexedPassage:
    found, embedding = _passage(row), np.frombuffer(row.embedding, dtype=np.float32)
    return IndexedPassage(
        found.id, found.document_id, found.collection, found.place, found.text, embedding
    )


def _current(query: Columns) -> Columns:
    return query.where(PassageRow.revision == DocumentRow.revision, DocumentRow.state != DELETED)


def _passage(row: Any) -> Passage:
    return Passage(
        id=row.id,
        document_id=row.document_id,
        collection=row.collection,
        title=row.title,
        text=row.text,
        start=row.start,
        end=row.end,
        page=row.page,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        suspect=row.suspect,
        headings=tuple(row.headings),
        last_page=row.last_page,
    )
