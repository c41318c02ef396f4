"""Where documents are fetched from, and what their server said of the content that is here."""

from dataclasses import dataclass

from sqlalchemy import select

from app.corpus.tables import DELETED, READY, DocumentRow, FetchedRow
from app.db import Database


@dataclass(frozen=True)
class Known:
    """What a server or a store said of a content: its validators, "" without them."""

    etag: str = ""
    modified: str = ""


class Fetched:
    """The documents of remote sources. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, collection: str, address: str) -> Known:
        """What was said of the content that is ready under the address; nothing without it."""
        query = (
            select(FetchedRow.etag, FetchedRow.modified)
            .join(DocumentRow, DocumentRow.id == FetchedRow.document_id)
            .where(
                DocumentRow.collection == collection,
                DocumentRow.source == address,
                DocumentRow.state == READY,
            )
        )
        with self._database.reading() as session:
            found = session.execute(query).first()
        return Known(*found) if found is not None else Known()

    def note(self, document_id: str, origin: str, said: Known) -> None:
        """The document was fetched, as one that the source ``origin`` holds."""
        with self._database.transaction() as session:
            row = session.get(FetchedRow, document_id)
            if row is None:
                row = FetchedRow(document_id=document_id)
                session.add(row)
            row.origin, row.etag, row.modified = origin, said.etag, said.modified

    def of(self, collection: str, origin: str) -> list[tuple[str, str]]:
        """(id, address) of the collection's documents that a source held when it was last read."""
        query = (
            select(DocumentRow.id, DocumentRow.source)
            .join(FetchedRow, FetchedRow.document_id == DocumentRow.id)
            .where(
                DocumentRow.collection == collection,
                DocumentRow.state != DELETED,
                FetchedRow.origin == origin,
            )
        )
        with self._database.reading() as session:
            return [(row[0], row[1]) for row in session.execute(query.order_by(DocumentRow.source))]
