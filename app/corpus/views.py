"""Documents as values and JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from app.corpus.relations import near_copies
from app.corpus.tables import DELETED, FAILED, LASTING, PENDING, READY, DocumentRow, PassageRow
from app.db import iso


@dataclass(frozen=True)
class DocumentView:
    """A document and where it stands."""

    document_id: str
    collection: str
    title: str
    source: str
    media_type: str
    state: Literal["pending", "ready", "failed"]
    error_code: str | None
    error_message: str | None
    retryable: Annotated[
        bool, Field(description="It failed, and the same file may be ingested if tried again.")
    ]
    passages: int
    updated_at: str
    job_id: Annotated[str | None, Field(description="The job that gave its content.")]
    left_out: Annotated[
        list[str], Field(description="Documents or pages within it that were not read, and why.")
    ]
    valid_until: Annotated[str | None, Field(description="Its last valid day, if it has one.")]
    pages: Annotated[int | None, Field(description="Its last page with text; null: no pages.")]
    owner: Annotated[
        str | None, Field(description="As its metadata say, else who added it over HTTP.")
    ]
    valid_from: Annotated[str | None, Field(description="Its first valid day, if it has one.")]
    language: Annotated[str | None, Field(description="As its metadata say.")]
    about: Annotated[
        dict[str, str | list[str]], Field(description="What its metadata say besides.")
    ]
    superseded_by: Annotated[
        str | None, Field(description="The newest edition of the same document, if this is not it.")
    ]
    near_copies: Annotated[
        list[str], Field(description="Documents of its collection with nearly the same words.")
    ]


@dataclass(frozen=True)
class DocumentsView:
    """A page of documents, and how many there are in all."""

    documents: list[DocumentView]
    total: int


@dataclass(frozen=True)
class Outcome:
    """What became of a document that was to be ingested; ``waits`` for another attempt."""

    source: str
    state: str
    waits: bool
    error_code: str | None
    error_message: str | None
    passages: int
    suspects: int
    left_out: tuple[str, ...]


def document_views(
    session: Session, wanted: ColumnElement[bool], limit: int = 1, offset: int = 0
) -> list[DocumentView]:
    """Those documents that are not deleted, by source."""
    query = select(DocumentRow).where(wanted, DocumentRow.state != DELETED)
    query = query.order_by(DocumentRow.source, DocumentRow.id).limit(limit).offset(offset)
    rows = session.scalars(query).all()
    ids = [row.id for row in rows]
    counts, copies = passage_counts(session, ids), near_copies(session, ids)
    return [_view(row, *counts.get(row.id, (0, None)), copies.get(row.id, [])) for row in rows]


def outcome_of(row: DocumentRow, passages: int, suspects: int) -> Outcome:
    """What became of a document with so many passages and suspects."""
    ready = row.state == READY
    return Outcome(
        row.source,
        row.state,
        row.state == PENDING and row.error_code is not None,
        row.error_code,
        row.error_message,
        passages if ready else 0,
        suspects if ready else 0,
        tuple(row.left_out) if ready else (),
    )


def suspect_counts(session: Session, document_ids: Sequence[str]) -> dict[str, int]:
    """How many suspects the current revision of each document has."""
    found = passage_counts(session, document_ids, PassageRow.suspect.is_not(None))
    return {document_id: count for document_id, (count, _) in found.items()}


def passage_counts(
    session: Session, document_ids: Sequence[str], *wanted: ColumnElement[bool]
) -> dict[str, tuple[int, int | None]]:
    """How many passages the current revision of each document has, and its last page."""
    last = func.max(func.coalesce(PassageRow.last_page, PassageRow.page))
    rows = session.execute(
        select(PassageRow.document_id, func.count(), last)
        .join(DocumentRow, DocumentRow.id == PassageRow.document_id)
        .where(PassageRow.document_id.in_(document_ids))
        .where(PassageRow.revision == DocumentRow.revision, *wanted)
        .group_by(PassageRow.document_id)
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def _view(row: DocumentRow, passages: int, pages: int | None, copies: list[str]) -> DocumentView:
    state: Any = row.state
    return DocumentView(
        document_id=row.id,
        collection=row.collection,
        title=row.title,
        source=row.source,
        media_type=row.media_type,
        state=state,
        error_code=row.error_code,
        error_message=row.error_message,
        retryable=row.state == FAILED and row.error_code not in LASTING,
        passages=passages,
        updated_at=iso(row.updated_at) or "",
        job_id=row.job_id,
        left_out=row.left_out,
        valid_until=row.valid_until,
        pages=pages,
        owner=row.owner,
        valid_from=row.valid_from,
        language=row.language,
        about=row.about,
        superseded_by=row.superseded_by,
        near_copies=copies,
    )
