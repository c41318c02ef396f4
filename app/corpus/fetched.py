"""Where documents are fetched from, and what their server said of the content that is here."""

from dataclasses import dataclass

from sqlalchemy import select

from app.corpus.registering import AS_IT_IS, NewFile, ValidDays, unchanged
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

    def known(
        self, collection: str, address: str, embedder: str = "", valid: ValidDays = AS_IT_IS
    ) -> Known:
        """What was said of the content that is ready under the address; nothing without it.

        Nor where the same content would change something: another ``embedder`` has embedded it,
        scans can be recognised by now, or other days are given. Raises ``Invalid`` for such.
        """
        query = (
            select(DocumentRow, FetchedRow)
            .join(FetchedRow, FetchedRow.document_id == DocumentRow.id)
            .where(
                DocumentRow.collection == collection,
                DocumentRow.source == address,
                DocumentRow.state == READY,
            )
        )
        with self._database.reading() as session:
            for row, said in session.execute(query):
                same = NewFile(row.source, row.stored_at, row.sha256)
                stays = valid.beside(row) == (row.valid_from, row.valid_until)
                if stays and unchanged(session, [same], {row.source: row}, embedder):
                    return Known(said.etag, said.modified)
        return Known()

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
