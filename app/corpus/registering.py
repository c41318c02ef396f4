"""The rows of documents that are registered: made where they are new, and whether they changed."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.corpus.passages import batches
from app.corpus.scans import gains_scans
from app.corpus.tables import BATCH, DELETED, READY, CollectionRow, DocumentRow, PassageRow, iso_day
from app.db import insert_or, now
from app.errors import Invalid


@dataclass(frozen=True)
class NewFile:
    """A file to register: ``stored_at`` is where it is read, ``source`` how people know it."""

    source: str
    stored_at: str
    sha256: str
    size: int = 0


@dataclass(frozen=True)
class ValidDays:
    """The first and the last valid day that somebody gives with documents; None: as they are.

    Raises ``Invalid`` where no day lies between them.
    """

    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        if self.first and self.last and self.first > self.last:
            raise Invalid(f"valid_from ({self.first}) lies after valid_until ({self.last}).")

    def beside(self, row: DocumentRow) -> tuple[str | None, str | None]:
        """Both days of the document as they are to be; raises ``Invalid``, as above."""
        first, last = iso_day(self.first) or row.valid_from, iso_day(self.last) or row.valid_until
        if self != AS_IT_IS and first and last and first > last:
            named = Path(row.source).name
            raise Invalid(f"{named}: valid_from ({first}) lies after valid_until ({last}).")
        return first, last


AS_IT_IS = ValidDays()


def locked_rows(
    session: Session, collection: str, sources: Sequence[str]
) -> dict[str, DocumentRow]:
    """The rows of documents by source, made as of deleted ones if need be; two may make them at
    once, and always in the same order."""
    found = _found(session, collection, sources)
    if missing := sorted(set(sources) - found.keys()):
        made = [_blank(collection, source) for source in missing]
        for first in range(0, len(made), BATCH):
            statement = insert_or(session, DocumentRow).on_conflict_do_nothing()
            session.execute(statement, made[first : first + BATCH])
        found |= _found(session, collection, missing)
    return found


def unchanged(
    session: Session, files: Sequence[NewFile], rows: Mapping[str, DocumentRow], embedder: str
) -> set[str]:
    """The ids of those that are ready with exactly this content, embedded by ``embedder`` where
    that is given; not those of which scans were left out that can be recognised by now."""
    pairs = [(file, rows[file.source]) for file in files]
    same = [
        row.id
        for file, row in pairs
        if row.state == READY and row.sha256 == file.sha256 and not gains_scans(row.left_out)
    ]
    if not embedder:
        return set(same)
    query = select(PassageRow.document_id).join(DocumentRow).distinct()
    query = query.where(PassageRow.revision == DocumentRow.revision)
    query = query.where(PassageRow.embedder == embedder)
    return {
        document_id
        for some in batches(same)
        for document_id in session.scalars(query.where(DocumentRow.id.in_(some)))
    }


def count_documents(session: Session, collection: str, change: int) -> None:
    """Add to the number of a collection's documents."""
    first = insert_or(session, CollectionRow).values(name=collection, documents=max(change, 0))
    session.execute(
        first.on_conflict_do_update(
            index_elements=["name"], set_={"documents": CollectionRow.documents + change}
        )
    )


def _found(session: Session, collection: str, sources: Sequence[str]) -> dict[str, DocumentRow]:
    query = select(DocumentRow).where(DocumentRow.collection == collection)
    query = query.order_by(DocumentRow.id).with_for_update()  # as they are saved
    return {
        row.source: row
        for some in batches(sorted(set(sources)))
        for row in session.scalars(query.where(DocumentRow.source.in_(some)))
    }


def _blank(collection: str, source: str) -> dict[str, Any]:
    return {
        "id": secrets.token_hex(16),
        "collection": collection,
        "source": source,
        "stored_at": "",
        "title": source.rsplit("/", 1)[-1][:500],
        "media_type": "",
        "sha256": "",
        "revision": 0,
        "state": DELETED,
        "created_at": now(),
        "updated_at": now(),
    }
