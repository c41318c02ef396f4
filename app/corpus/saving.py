"""New revisions of documents: their passages stored, and the documents ready."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from app.corpus.passages import NewPassage, batches, passage_row
from app.corpus.relations import relate
from app.corpus.tables import BATCH, PENDING, READY, DocumentRow, PassageRow, iso_day
from app.db import now, table_of
from app.records.audit import append_audit, lock_head


@dataclass(frozen=True)
class Metadata:
    """What is said about a document beside its text; ``about`` is free.

    ``access`` are the collections that it may be in, any where it is empty.
    """

    access: tuple[str, ...] = ()
    owner: str | None = None
    valid_from: date | None = None
    valid_until: date | None = None
    language: str | None = None
    version: str = ""
    about: Mapping[str, str | list[str]] = field(default_factory=dict)


NO_METADATA = Metadata()
INTO_PASSAGES = insert(table_of(PassageRow))
"""Of the table: to insert mapped rows takes twice as long."""


@dataclass(frozen=True)
class NewRevision:
    """What was made of a document's content ``sha256``.

    ``signature`` is the MinHash of its words, by which near copies are found.
    """

    document_id: str
    sha256: str
    title: str
    media_type: str
    passages: Sequence[NewPassage]
    left_out: Sequence[str] = ()
    metadata: Metadata = NO_METADATA
    signature: bytes | None = None


def save_revisions(session: Session, revisions: Sequence[NewRevision], embedder: str) -> list[bool]:
    """As ``Documents.save_all``, in an open transaction."""
    lock_head(session)
    rows = _locked(session, [revision.document_id for revision in revisions])
    saved = [(one, row) for one in revisions if (row := _awaited(rows, one)) is not None]
    for revision, row in saved:
        _become_ready(session, row, revision)
    passages = [
        passage_row(row, *pair, embedder)
        for revision, row in saved
        for pair in enumerate(revision.passages)
    ]
    for first in range(0, len(passages), BATCH):
        session.execute(INTO_PASSAGES, passages[first : first + BATCH])
    relate(session, [(row, revision.metadata.version) for revision, row in saved])
    stored = {revision.document_id for revision, _ in saved}
    return [revision.document_id in stored for revision in revisions]


def _locked(session: Session, document_ids: Sequence[str]) -> dict[str, DocumentRow]:
    query = select(DocumentRow).order_by(DocumentRow.id).with_for_update()
    return {
        row.id: row
        for some in batches(sorted(document_ids))
        for row in session.scalars(query.where(DocumentRow.id.in_(some)))
    }


def _awaited(rows: Mapping[str, DocumentRow], revision: NewRevision) -> DocumentRow | None:
    """The document's row, None where it changed or was deleted meanwhile."""
    row = rows.get(revision.document_id)
    waits = row is not None and row.state == PENDING and row.sha256 == revision.sha256
    return row if waits else None


def _become_ready(session: Session, row: DocumentRow, revision: NewRevision) -> None:
    metadata = revision.metadata
    row.revision += 1
    ready = {"document_id": row.id, "revision": row.revision, "sha256": row.sha256}
    row.number = append_audit(session, "document_ready", ready)
    row.title, row.media_type = revision.title[:500], revision.media_type
    row.left_out, row.signature = list(revision.left_out), revision.signature
    row.language = metadata.language
    row.valid_from = iso_day(metadata.valid_from) or row.valid_from
    row.valid_until = iso_day(metadata.valid_until) or row.valid_until
    row.owner, row.about = metadata.owner or row.owner, dict(metadata.about)
    row.state, row.lease_until, row.updated_at = READY, None, now()
    row.error_code = row.error_message = None
