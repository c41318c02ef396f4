"""Passages as they are stored, found and indexed."""

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from app.corpus.tables import BATCH, DELETED, DocumentRow, PassageRow
from app.ports import Vectors
from guardrails.contract import Passage


@dataclass(frozen=True)
class NewPassage:
    """A passage to store, with its unit vector of shape [dimension].

    ``suspect`` says why it seems to give orders.
    """

    text: str
    start: int
    end: int
    page: int | None
    embedding: Vectors
    suspect: str | None = None


@dataclass(frozen=True)
class IndexedPassage:
    """What an index version needs of a passage."""

    id: str
    document_id: str
    collection: str
    title: str
    text: str
    embedding: Vectors


def find_passages(session: Session, ids: Iterable[str]) -> Iterator[tuple[Passage, str]]:
    """(passage, source) of those passages that exist and whose document is not deleted."""
    for some in batches(list(ids)):
        rows = session.execute(
            select(PassageRow, DocumentRow)
            .join(DocumentRow, DocumentRow.id == PassageRow.document_id)
            .where(PassageRow.id.in_(some), DocumentRow.state != DELETED)
            .options(defer(PassageRow.embedding))
        )
        for passage, document in rows:
            yield passage_of(passage, document), document.source


def current_passages(session: Session, ids: Iterable[str]) -> dict[str, str]:
    """Text by id of those passages that belong to their document's current revision."""
    found: dict[str, str] = {}
    for some in batches(list(ids)):
        rows = session.execute(
            select(PassageRow.id, PassageRow.text)
            .join(DocumentRow, DocumentRow.id == PassageRow.document_id)
            .where(PassageRow.id.in_(some), DocumentRow.state != DELETED)
            .where(PassageRow.revision == DocumentRow.revision)
        )
        found.update({row[0]: row[1] for row in rows})
    return found


def passage_row(
    document: DocumentRow, ordinal: int, embedder: str, passage: NewPassage
) -> PassageRow:
    return PassageRow(
        id=secrets.token_hex(16),
        document_id=document.id,
        revision=document.revision,
        ordinal=ordinal,
        text=passage.text,
        start=passage.start,
        end=passage.end,
        page=passage.page,
        embedder=embedder,
        embedding=np.ascontiguousarray(passage.embedding, dtype=np.float32).tobytes(),
        suspect=passage.suspect,
    )


def suspect_wire(passage: PassageRow, document: DocumentRow) -> dict[str, Any]:
    return {
        "passage_id": passage.id,
        "collection": document.collection,
        "source": document.source,
        "page": passage.page,
        "reason": passage.suspect,
        "text": passage.text,
    }


def passage_of(row: PassageRow, document: DocumentRow) -> Passage:
    return Passage(
        id=row.id,
        document_id=document.id,
        collection=document.collection,
        title=document.title,
        text=row.text,
        start=row.start,
        end=row.end,
        page=row.page,
        valid_until=document.valid_until,
        suspect=row.suspect,
    )


def batches(ids: list[str]) -> Iterator[list[str]]:
    for first in range(0, len(ids), BATCH):
        yield ids[first : first + BATCH]
