"""The tables of documents, passages and index versions; only ``app.corpus`` writes them.

What happened first is told by ``number``, the number of the audit link that was written in the
same transaction. Writers queue at the head of the audit log, so numbers grow in the order of the
commits, whatever the clocks of the hosts say; times are for people.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    and_,
    false,
    or_,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db import SEQUENCE, Base, now

DELETED = "deleted"
READY = "ready"
PENDING = "pending"
FAILED = "failed"
LASTING = frozenset(
    """unsupported_type type_mismatch empty not_text encrypted corrupt zip_bomb too_large bad_date
    bad_metadata wrong_access not_allowed not_found changed bad_name""".split()
)
"""Reasons of a failure that the same file meets again: only another one helps."""
WRONG_ACCESS = "wrong_access"
"""The reason of a failure that takes a document out: nothing of it is served any more."""
PDF = "application/pdf"
"""The media type of documents whose pages can be drawn."""
BATCH = 500
"""Rows per statement: under every database's limit on bound values."""


def iso_day(day: date | None) -> str | None:
    return day.isoformat() if day else None


class CollectionRow(Base):
    """How many documents a collection has, kept where that changes (owner: corpus)."""

    __tablename__ = "collections"
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    documents: Mapped[int]


class DocumentRow(Base):
    """A document (owner: corpus). ``revision`` counts changes of its content.

    ``stored_at`` is the file to read, ``source`` the name people know it by, ``valid_until`` its
    last valid day (ISO 8601). ``number`` is when it last became ready, was deleted or withdrawn.
    Nobody else takes it before ``lease_until``, the database's time; ``attempts`` counts how often
    somebody did since its content changed. ``owner`` is who added its content over HTTP, if anybody
    did. ``job_id`` is the job that gave its content, ``turn`` its place in the queue, ``size`` the
    bytes of its file, ``left_out`` the documents within it that could not be read, each with its
    reason. ``valid_from``, ``language`` and ``about`` are what its metadata say. Documents of one
    ``series`` are editions of one: ``superseded_by`` is the newest of them where this is not it.
    ``signature`` is the MinHash of its words; ``linked``: it may have near copies.
    """

    __tablename__ = "documents"
    __table_args__ = (UniqueConstraint("collection", "source"),)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    collection: Mapped[str] = mapped_column(String(80), index=True)
    source: Mapped[str] = mapped_column(String(1000))
    stored_at: Mapped[str] = mapped_column(String(2000))
    title: Mapped[str] = mapped_column(String(500))
    media_type: Mapped[str] = mapped_column(String(120))
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    revision: Mapped[int]
    state: Mapped[str] = mapped_column(String(12), index=True)
    error_code: Mapped[str | None] = mapped_column(String(40))
    error_message: Mapped[str | None] = mapped_column(Text)
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    valid_until: Mapped[str | None] = mapped_column(String(10))
    number: Mapped[int] = mapped_column(SEQUENCE, server_default="0")
    attempts: Mapped[int] = mapped_column(server_default="0")
    owner: Mapped[str | None] = mapped_column(String(80))
    job_id: Mapped[str | None] = mapped_column(String(32))
    turn: Mapped[int] = mapped_column(server_default="0")
    size: Mapped[int] = mapped_column(server_default="0")
    left_out: Mapped[list[str]] = mapped_column(JSON, server_default="[]")
    valid_from: Mapped[str | None] = mapped_column(String(10))
    language: Mapped[str | None] = mapped_column(String(35))
    about: Mapped[dict[str, Any]] = mapped_column(JSON, server_default="{}")
    series: Mapped[str | None] = mapped_column(String(200), index=True)
    edition: Mapped[str | None] = mapped_column(String(80))
    superseded_by: Mapped[str | None] = mapped_column(String(32))
    signature: Mapped[bytes | None] = mapped_column(LargeBinary)
    linked: Mapped[bool] = mapped_column(server_default=false())


def is_hidden() -> ColumnElement[bool]:
    """The document is deleted or was withdrawn: an index that it was in must not find it."""
    told = or_(DocumentRow.state == DELETED, DocumentRow.error_code == WRONG_ACCESS)
    return and_(DocumentRow.state.in_((DELETED, FAILED)), told)  # found by the index of states


def requeue(row: DocumentRow, turn: int) -> None:
    """The document waits to be read, from the first attempt on."""
    row.state, row.updated_at, row.attempts, row.turn = PENDING, now(), 0, turn
    row.error_code = row.error_message = row.lease_until = None


class DocumentBandRow(Base):
    """A band of a document's signature (owner: corpus): near copies share at least one value."""

    __tablename__ = "document_bands"
    document_id: Mapped[str] = mapped_column(
        ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True
    )
    band: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger, index=True)


class NearCopyRow(Base):
    """Two documents that share most of their words, once for each of both (owner: corpus)."""

    __tablename__ = "near_copies"
    document_id: Mapped[str] = mapped_column(
        ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True
    )
    other_id: Mapped[str] = mapped_column(
        ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    similarity: Mapped[float] = mapped_column(Float)


class FetchedRow(Base):
    """A document of a remote source (owner: corpus): ``origin`` is the source that listed it,
    ``etag`` and ``modified`` what the server said of the content that was fetched."""

    __tablename__ = "fetched"
    document_id: Mapped[str] = mapped_column(
        ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True
    )
    origin: Mapped[str] = mapped_column(String(1000), index=True)
    etag: Mapped[str] = mapped_column(String(200))
    modified: Mapped[str] = mapped_column(String(100))


class JobRow(Base):
    """An ingestion job (owner: corpus); ``by`` is the principal who gave the files.

    ``turn`` is that of its first item: of documents that wait, the lowest turn is taken up first.
    """

    __tablename__ = "jobs"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    collection: Mapped[str] = mapped_column(String(80))
    by: Mapped[str] = mapped_column(String(80))
    turn: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(index=True)
    cancelled_at: Mapped[datetime | None]


class JobItemRow(Base):
    """A file of a job (owner: corpus); a null ``outcome`` is that of its document now."""

    __tablename__ = "job_items"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(String(1000))
    document_id: Mapped[str | None] = mapped_column(String(32), index=True)
    outcome: Mapped[str | None] = mapped_column(String(12))
    error_code: Mapped[str | None] = mapped_column(String(40))
    error_message: Mapped[str | None] = mapped_column(Text)


class PassageRow(Base):
    """A passage of one revision of a document, with its embedding (owner: corpus).

    ``suspect`` says why it seems to give orders; null: it does not. ``headings`` is the path of
    headings it stands under, outermost first; its last sentence ends on ``last_page``.
    """

    __tablename__ = "passages"
    __table_args__ = (Index("ix_passages_document_revision", "document_id", "revision"),)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    document_id: Mapped[str] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    revision: Mapped[int]
    ordinal: Mapped[int]
    text: Mapped[str] = mapped_column(Text)
    start: Mapped[int]
    end: Mapped[int]
    page: Mapped[int | None]
    embedder: Mapped[str] = mapped_column(String(200))
    embedding: Mapped[bytes] = mapped_column(LargeBinary)
    suspect: Mapped[str | None] = mapped_column(String(200))
    headings: Mapped[list[str]] = mapped_column(JSON, server_default="[]")
    last_page: Mapped[int | None]


class IndexVersionRow(Base):
    """An index version: building, verified, live, retired or failed (owner: corpus).

    ``number`` is when it was begun: what changed later, it cannot hold. Its builder renews
    ``lease_until``, the database's time; past it nobody builds it any more. ``base_id`` is the
    full build that it extends; null: it is one.
    """

    __tablename__ = "index_versions"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    state: Mapped[str] = mapped_column(String(12), index=True)
    passages: Mapped[int]
    embedder: Mapped[str] = mapped_column(String(200))
    manifest_sha256: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    promoted_at: Mapped[datetime | None]
    number: Mapped[int] = mapped_column(SEQUENCE, server_default="0")
    lease_until: Mapped[datetime | None]
    base_id: Mapped[str | None] = mapped_column(String(40))


class IndexPassagesRow(Base):
    """What an index version holds of a collection, beside what its base does (owner: corpus).

    ``passages`` are pairs of hashes, of document and text, 16 bytes each. ``replaced`` are the
    hashes of documents, 8 bytes each, of which the base's passages count no more.
    """

    __tablename__ = "index_passages"
    version_id: Mapped[str] = mapped_column(
        ForeignKey("index_versions.id", ondelete="CASCADE"), primary_key=True
    )
    collection: Mapped[str] = mapped_column(String(80), primary_key=True)
    passages: Mapped[bytes] = mapped_column(LargeBinary)
    replaced: Mapped[bytes | None] = mapped_column(LargeBinary)


class LiveIndexRow(Base):
    """The one pointer to the live index version (owner: corpus)."""

    __tablename__ = "live_index"
    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[str | None] = mapped_column(ForeignKey("index_versions.id"))
