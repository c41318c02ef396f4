"""The tables of documents, passages and index versions; only ``app.corpus`` writes them."""

from datetime import date, datetime

from sqlalchemy import ForeignKey, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base

DELETED = "deleted"
READY = "ready"
PENDING = "pending"
FAILED = "failed"
USABLE = ("verified", "live", "retired")
"""States of index versions whose folder is complete."""
BATCH = 500
"""Rows per statement: under every database's limit on bound values."""


def iso_day(day: date | None) -> str | None:
    return day.isoformat() if day else None


class DocumentRow(Base):
    """A document (owner: corpus). ``revision`` counts changes of its content.

    ``stored_at`` is the file to read, ``source`` the name people know it by, ``valid_until`` its
    last valid day (ISO 8601).
    """

    __tablename__ = "documents"
    __table_args__ = (UniqueConstraint("collection", "source"),)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    collection: Mapped[str] = mapped_column(String(80), index=True)
    source: Mapped[str] = mapped_column(String(1000))
    stored_at: Mapped[str] = mapped_column(String(2000))
    title: Mapped[str] = mapped_column(String(500))
    media_type: Mapped[str] = mapped_column(String(120))
    sha256: Mapped[str] = mapped_column(String(64))
    revision: Mapped[int]
    state: Mapped[str] = mapped_column(String(12), index=True)
    error_code: Mapped[str | None] = mapped_column(String(40))
    error_message: Mapped[str | None] = mapped_column(Text)
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    valid_until: Mapped[str | None] = mapped_column(String(10))


class PassageRow(Base):
    """A passage of one revision of a document, with its embedding (owner: corpus).

    ``suspect`` says why it seems to give orders; null: it does not.
    """

    __tablename__ = "passages"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    document_id: Mapped[str] = mapped_column(
        ForeignKey("documents.id", ondelete="CASCADE"), index=True
    )
    revision: Mapped[int]
    ordinal: Mapped[int]
    text: Mapped[str] = mapped_column(Text)
    start: Mapped[int]
    end: Mapped[int]
    page: Mapped[int | None]
    embedder: Mapped[str] = mapped_column(String(200))
    embedding: Mapped[bytes] = mapped_column(LargeBinary)
    suspect: Mapped[str | None] = mapped_column(String(200))


class IndexVersionRow(Base):
    """An index version: building, verified, live, retired or failed (owner: corpus)."""

    __tablename__ = "index_versions"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    state: Mapped[str] = mapped_column(String(12), index=True)
    passages: Mapped[int]
    embedder: Mapped[str] = mapped_column(String(200))
    manifest_sha256: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    promoted_at: Mapped[datetime | None]


class LiveIndexRow(Base):
    """The one pointer to the live index version (owner: corpus)."""

    __tablename__ = "live_index"
    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[str | None] = mapped_column(ForeignKey("index_versions.id"))
