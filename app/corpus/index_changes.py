"""What changed between two index versions, told by document."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.corpus.tables import DocumentRow, IndexPassagesRow, IndexVersionRow
from app.corpus.versions import PAIR, text_number
from app.db import Database
from app.errors import Conflict, NotFound

MOST_DOCUMENTS = 200
Held = dict[int, set[int]]
"""Hashes of the texts of each document, by the hash of its id."""


@dataclass(frozen=True)
class ChangedDocumentView:
    """A document that two index versions hold differently; ``title`` null: it was erased."""

    collection: str
    document_id: str | None
    title: str | None
    change: Literal["added", "removed", "changed"]
    passages_added: int
    passages_removed: int


@dataclass(frozen=True)
class IndexChangesView:
    """What ``newer`` holds and ``older`` does not, and the other way round."""

    older: str
    newer: str
    passages_added: int
    passages_removed: int
    passages_kept: int
    documents: list[ChangedDocumentView]
    more: Annotated[int, Field(description="Changed documents that are not listed.")]


@dataclass(frozen=True)
class _Change:
    collection: str
    document: int
    change: Literal["added", "removed", "changed"]
    added: int
    removed: int
    kept: int


def index_changes(database: Database, older: str, newer: str) -> IndexChangesView:
    """Compare two versions by what they hold; raises ``NotFound``, or ``Conflict`` where that is
    not known."""
    with database.reading() as session:
        before, after = _held(session, older), _held(session, newer)
        changes = list(_compared(before, after))
        changed = [one for one in changes if one.added or one.removed]
        changed.sort(key=lambda one: (one.collection, one.document))
        shown = changed[:MOST_DOCUMENTS]
        documents = sorted(
            _named(session, shown), key=lambda one: (one.collection, one.title or "")
        )
    return IndexChangesView(
        older=older,
        newer=newer,
        passages_added=sum(one.added for one in changes),
        passages_removed=sum(one.removed for one in changes),
        passages_kept=sum(one.kept for one in changes),
        documents=documents,
        more=len(changed) - len(shown),
    )


def _held(session: Session, version_id: str) -> dict[str, Held]:
    version = session.get(IndexVersionRow, version_id)
    if version is None:
        raise NotFound(f"There is no index version {version_id}.")
    query = select(IndexPassagesRow).where(IndexPassagesRow.version_id == version_id)
    rows = session.scalars(query).all()
    if version.manifest_sha256 is None or (version.passages and not rows):
        raise Conflict(f"It is not known what index version {version_id} holds.")
    found: dict[str, Held] = {}
    for row in rows:
        held: Held = defaultdict(set)
        for document, text in np.frombuffer(row.passages, dtype=PAIR).tolist():
            held[document].add(text)
        found[row.collection] = held
    return found


def _compared(before: dict[str, Held], after: dict[str, Held]) -> Iterable[_Change]:
    for collection in sorted({*before, *after}):
        old, new = before.get(collection, {}), after.get(collection, {})
        for document in {*old, *new}:
            had, has = old.get(document, set()), new.get(document, set())
            kind: Literal["added", "removed", "changed"] = "changed"
            if not had or not has:
                kind = "added" if has else "removed"
            yield _Change(
                collection, document, kind, len(has - had), len(had - has), len(had & has)
            )


def _named(session: Session, changes: list[_Change]) -> Iterable[ChangedDocumentView]:
    """The ids and titles behind the hashes; deleted documents keep theirs until they are erased."""
    collections = {one.collection for one in changes}
    query = select(DocumentRow.id, DocumentRow.title)
    rows = session.execute(query.where(DocumentRow.collection.in_(collections)))
    known = {text_number(row.id): row for row in rows}
    for one in changes:
        row = known.get(one.document)
        yield ChangedDocumentView(
            collection=one.collection,
            document_id=row.id if row else None,
            title=row.title or None if row else None,
            change=one.change,
            passages_added=one.added,
            passages_removed=one.removed,
        )
