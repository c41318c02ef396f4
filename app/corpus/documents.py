"""Collections, documents, passages and index versions: the one owner of their tables."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from app.corpus.passages import (
    IndexedPassage,
    NewPassage,
    batches,
    find_passages,
    passage_of,
    passage_row,
    suspect_wire,
)
from app.corpus.tables import (
    BATCH,
    DELETED,
    FAILED,
    PENDING,
    READY,
    USABLE,
    DocumentRow,
    IndexVersionRow,
    LiveIndexRow,
    PassageRow,
    iso_day,
)
from app.corpus.versions import lock_index
from app.db import Database, iso, now
from app.errors import Conflict, Invalid, NotFound
from app.gate.coverage import note_index, revoke_changed
from app.records.audit import append_audit
from app.settings import PASSAGES_CHANGED
from guardrails.contract import Passage


class Corpus:
    """Documents in, passages out. Every method is one transaction.

    ``passages_changed`` is the share of a collection's passages that may change while its
    certificates stay in force.
    """

    def __init__(self, database: Database, passages_changed: float = PASSAGES_CHANGED) -> None:
        self._database, self._passages_changed = database, passages_changed

    # Documents

    def add_document(
        self,
        collection: str,
        source: str,
        stored_at: str,
        sha256: str,
        embedder: str = "",
        *,
        valid_until: date | None = None,
    ) -> tuple[DocumentRow, bool]:
        """Register a file as pending; (row, False) when exactly this content is ready already.

        With ``embedder`` given, content that another embedder embedded is not ready. A
        ``valid_until`` counts at once; without one the earlier stays.
        """
        if not 1 <= len(collection) <= 80 or not collection.isprintable():
            raise Invalid("A collection's name has 1 to 80 printable characters.")
        with self._database.transaction() as session:
            row = session.scalar(
                select(DocumentRow)
                .where(DocumentRow.collection == collection, DocumentRow.source == source)
                .with_for_update()
            )
            if row is not None and _is_ready(session, row, sha256, embedder):
                row.stored_at = stored_at
                row.valid_until = iso_day(valid_until) or row.valid_until
                return row, False
            if row is None:
                row = _new_document(collection, source)
                session.add(row)
            row.stored_at, row.sha256 = stored_at, sha256
            row.valid_until = iso_day(valid_until) or row.valid_until
            row.state, row.updated_at = PENDING, now()
            row.error_code = row.error_message = row.lease_until = None
            return row, True

    def claim_pending(
        self, lease: timedelta, only: Sequence[str] | None = None
    ) -> DocumentRow | None:
        """Take one pending document whose lease is free; None when there is none."""
        free = or_(DocumentRow.lease_until.is_(None), DocumentRow.lease_until < now())
        query = select(DocumentRow).where(DocumentRow.state == PENDING, free)
        if only is not None:
            query = query.where(DocumentRow.id.in_(only))
        with self._database.transaction() as session:
            row = session.scalar(
                query.order_by(DocumentRow.updated_at).limit(1).with_for_update(skip_locked=True)
            )
            if row is not None:
                row.lease_until = now() + lease
            return row

    def save_passages(
        self,
        document_id: str,
        sha256: str,
        *,
        title: str,
        media_type: str,
        embedder: str,
        passages: Sequence[NewPassage],
        valid_until: date | None = None,
    ) -> bool:
        """Store a new revision and mark the document ready, in one transaction.

        ``valid_until`` is what the document itself states; without it an earlier date stays.

        False, and nothing stored, when the document changed or was deleted meanwhile.
        """
        with self._database.transaction() as session:
            row = session.get(DocumentRow, document_id, with_for_update=True)
            if row is None or row.state != PENDING or row.sha256 != sha256:
                return False
            row.revision += 1
            append_audit(
                session,
                "document_ready",
                {"document_id": row.id, "revision": row.revision, "sha256": sha256},
            )
            row.title, row.media_type = title[:500], media_type
            row.valid_until = iso_day(valid_until) or row.valid_until
            row.state, row.lease_until, row.updated_at = READY, None, now()
            session.add_all(
                passage_row(row, ordinal, embedder, passage)
                for ordinal, passage in enumerate(passages)
            )
            return True

    def fail_document(self, document_id: str, sha256: str, code: str, message: str) -> None:
        """Report why a document could not be ingested; an earlier revision stays served."""
        with self._database.transaction() as session:
            session.execute(
                update(DocumentRow)
                .where(DocumentRow.id == document_id, DocumentRow.sha256 == sha256)
                .where(DocumentRow.state == PENDING)
                .values(
                    state=FAILED,
                    error_code=code,
                    error_message=message,
                    lease_until=None,
                    updated_at=now(),
                )
            )

    def delete_document(self, document_id: str) -> DocumentRow:
        """Remove a document and its passages at once; raises ``NotFound``.

        Certificates end that were made when there was much more in its collection.
        """
        with self._database.transaction() as session:
            row = session.get(DocumentRow, document_id, with_for_update=True)
            if row is None or row.state == DELETED:
                raise NotFound("There is no such document.")
            lock_index(session)
            session.execute(delete(PassageRow).where(PassageRow.document_id == document_id))
            row.state, row.sha256, row.updated_at = DELETED, "", now()
            append_audit(session, "document_deleted", {"document_id": document_id})
            revoke_changed(session, self._passages_changed)
            return row

    def document(self, document_id: str) -> DocumentRow:
        """One document; raises ``NotFound``, also for a deleted one."""
        with self._database.reading() as session:
            row = session.get(DocumentRow, document_id)
        if row is None or row.state == DELETED:
            raise NotFound("There is no such document.")
        return row

    def documents(
        self, collections: Sequence[str], *, limit: int = 100, offset: int = 0
    ) -> tuple[list[DocumentRow], int]:
        """A page of the collections' documents by source, and how many there are in all."""
        kept = (DocumentRow.collection.in_(collections), DocumentRow.state != DELETED)
        with self._database.reading() as session:
            total = session.scalar(select(func.count()).select_from(DocumentRow).where(*kept))
            query = select(DocumentRow).where(*kept).order_by(DocumentRow.source, DocumentRow.id)
            return list(session.scalars(query.limit(limit).offset(offset))), total or 0

    def passage_counts(self, document_ids: Sequence[str]) -> dict[str, int]:
        """How many passages the current revision of each document has."""
        with self._database.reading() as session:
            rows = session.execute(
                select(PassageRow.document_id, func.count())
                .join(DocumentRow, DocumentRow.id == PassageRow.document_id)
                .where(PassageRow.document_id.in_(document_ids))
                .where(PassageRow.revision == DocumentRow.revision)
                .group_by(PassageRow.document_id)
            )
            return {row[0]: row[1] for row in rows}

    def collections(self) -> dict[str, int]:
        """Each collection's name and its number of documents."""
        with self._database.reading() as session:
            rows = session.execute(
                select(DocumentRow.collection, func.count())
                .where(DocumentRow.state != DELETED)
                .group_by(DocumentRow.collection)
                .order_by(DocumentRow.collection)
            )
            return {row[0]: row[1] for row in rows}

    def deleted_documents(self, since: datetime) -> list[str]:
        """Documents deleted after ``since``: an index built then must not find them."""
        with self._database.reading() as session:
            query = select(DocumentRow.id).where(
                DocumentRow.state == DELETED, DocumentRow.updated_at >= since
            )
            return list(session.scalars(query))

    # Passages

    def passages(self, ids: Iterable[str]) -> dict[str, Passage]:
        """The passages that still exist, by id; deleted ones are simply absent."""
        with self._database.reading() as session:
            return {passage.id: passage for passage, _ in find_passages(session, ids)}

    def passage_with_source(self, passage_id: str) -> tuple[Passage, str]:
        """One passage and its document's source; raises ``NotFound``."""
        with self._database.reading() as session:
            for found in find_passages(session, [passage_id]):
                return found
        raise NotFound("This source was removed, or it is not yours to see.")

    def passage_with(self, collection: str, quote: str) -> Passage | None:
        """A current passage of the collection that holds ``quote``, verbatim; None without one."""
        query = (
            select(PassageRow, DocumentRow)
            .join(DocumentRow, DocumentRow.id == PassageRow.document_id)
            .where(DocumentRow.collection == collection, DocumentRow.state != DELETED)
            .where(PassageRow.revision == DocumentRow.revision)
            .where(PassageRow.text.contains(quote, autoescape=True))
            .order_by(PassageRow.id)
        )
        with self._database.reading() as session:
            # LIKE ignores the case on SQLite.
            rows = ((p, d) for p, d in session.execute(query) if quote in p.text)
            return next((passage_of(passage, document) for passage, document in rows), None)

    def indexable(self, embedder: str) -> Iterator[IndexedPassage]:
        """Every current passage of every document that ``embedder`` embedded, in a fixed order."""
        query = (
            select(PassageRow, DocumentRow)
            .join(DocumentRow, DocumentRow.id == PassageRow.document_id)
            .where(PassageRow.revision == DocumentRow.revision, DocumentRow.state != DELETED)
            .where(PassageRow.embedder == embedder)
            .order_by(DocumentRow.collection, DocumentRow.source, PassageRow.ordinal)
            .execution_options(yield_per=BATCH)
        )
        with self._database.reading() as session:
            for passage, document in session.execute(query):
                yield IndexedPassage(
                    passage.id,
                    document.id,
                    document.collection,
                    document.title,
                    passage.text,
                    np.frombuffer(passage.embedding, dtype=np.float32),
                )

    def suspects(self) -> list[dict[str, Any]]:
        """The current passages that seem to give orders, with document, page and reason."""
        query = (
            select(PassageRow, DocumentRow)
            .join(DocumentRow, DocumentRow.id == PassageRow.document_id)
            .where(PassageRow.revision == DocumentRow.revision, DocumentRow.state != DELETED)
            .where(PassageRow.suspect.is_not(None))
            .order_by(DocumentRow.collection, DocumentRow.source, PassageRow.ordinal)
        )
        with self._database.reading() as session:
            return [suspect_wire(*found) for found in session.execute(query)]

    def admit(self, passage_id: str) -> None:
        """A person has read the passage: it is suspect no more. Raises ``NotFound``."""
        with self._database.transaction() as session:
            row = session.get(PassageRow, passage_id, with_for_update=True)
            if row is None or row.suspect is None:
                raise NotFound("There is no such suspect passage.")
            append_audit(session, "passage_admitted", {"passage_id": row.id, "reason": row.suspect})
            row.suspect = None

    def unindexed(self) -> bool:
        """Whether a document became ready since the newest usable version was begun.

        Not the live one: after a rollback the newer version stays set aside.
        """
        usable = [v for v in self.versions() if v.state in USABLE]
        query = select(func.count()).select_from(DocumentRow).where(DocumentRow.state == READY)
        if usable:
            query = query.where(DocumentRow.updated_at >= usable[0].created_at)
        with self._database.reading() as session:
            return bool(session.scalar(query))

    # Index versions

    def create_version(self, embedder: str) -> str:
        """A new index version in state building; its id sorts by time.

        The audit head is locked before the clock is read, here and when a document becomes
        ready: so whatever this version cannot see has a later time than its own.
        """
        with self._database.transaction() as session:
            append_audit(session, "index_begun", {"embedder": embedder})
            begun = now()
            version_id = f"{begun:%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"
            session.add(
                IndexVersionRow(
                    id=version_id,
                    state="building",
                    passages=0,
                    embedder=embedder,
                    manifest_sha256=None,
                    created_at=begun,
                    promoted_at=None,
                )
            )
        return version_id

    def mark_verified(
        self, version_id: str, passages: Sequence[IndexedPassage], manifest_sha256: str
    ) -> None:
        """The version's folder is complete and checked, and holds these passages."""
        with self._database.transaction() as session:
            row = session.get_one(IndexVersionRow, version_id)
            row.state, row.passages = "verified", len(passages)
            row.manifest_sha256 = manifest_sha256
            note_index(
                session, version_id, ((p.collection, p.document_id, p.text) for p in passages)
            )

    def mark_failed(self, version_id: str) -> None:
        """The version could not be built; the live one is untouched."""
        with self._database.transaction() as session:
            session.get_one(IndexVersionRow, version_id).state = "failed"

    def promote(self, version_id: str) -> None:
        """Point every process at this version; raises ``NotFound`` or ``Conflict``.

        Certificates end in the same transaction whose collections changed too much.
        """
        with self._database.transaction() as session:
            pointer = lock_index(session)
            version = session.get(IndexVersionRow, version_id)
            if version is None:
                raise NotFound(f"There is no index version {version_id}.")
            if version.state not in USABLE:
                raise Conflict(f"Index version {version_id} is {version.state}, not verified.")
            if pointer.version_id not in (None, version_id):
                session.get_one(IndexVersionRow, pointer.version_id).state = "retired"
            version.state, version.promoted_at = "live", now()
            pointer.version_id = version_id
            session.flush()
            append_audit(session, "index_promoted", {"version_id": version_id})
            revoke_changed(session, self._passages_changed)

    def rollback(self) -> str:
        """Promote the version that was live before; raises ``Conflict`` when there is none."""
        live = self.live_version()
        with self._database.reading() as session:
            previous: str | None = session.scalar(
                select(IndexVersionRow.id)
                .where(IndexVersionRow.state == "retired")
                .where(IndexVersionRow.id < (live.id if live else ""))
                .order_by(IndexVersionRow.created_at.desc())
                .limit(1)
            )
        if previous is None:
            raise Conflict("There is no earlier index version to go back to.")
        self.promote(previous)
        return previous

    def live_version(self) -> IndexVersionRow | None:
        """The version the pointer names, or None before the first promotion."""
        with self._database.reading() as session:
            return session.scalar(
                select(IndexVersionRow).join(
                    LiveIndexRow, LiveIndexRow.version_id == IndexVersionRow.id
                )
            )

    def versions(self) -> list[IndexVersionRow]:
        """All index versions, newest first."""
        with self._database.reading() as session:
            return list(
                session.scalars(select(IndexVersionRow).order_by(IndexVersionRow.created_at.desc()))
            )

    def forget_versions(self, keep: int) -> list[str]:
        """Drop all but the newest ``keep`` usable versions and the live one; returns the ids."""
        live = self.live_version()
        versions = self.versions()
        usable = [v.id for v in versions if v.state in USABLE]
        failed = [v.id for v in versions if v.state == "failed"]
        dropped = [v for v in usable[keep:] if live is None or v != live.id] + failed[keep:]
        with self._database.transaction() as session:
            session.execute(delete(IndexVersionRow).where(IndexVersionRow.id.in_(dropped)))
        return dropped

    def purge_old_revisions(self, needed: set[str]) -> int:
        """Delete superseded passages that no kept index version names; returns how many."""
        with self._database.transaction() as session:
            old = session.scalars(
                select(PassageRow.id)
                .join(DocumentRow, DocumentRow.id == PassageRow.document_id)
                .where(PassageRow.revision < DocumentRow.revision)
            )
            doomed = [passage_id for passage_id in old if passage_id not in needed]
            for ids in batches(doomed):
                session.execute(delete(PassageRow).where(PassageRow.id.in_(ids)))
        return len(doomed)


def document_wire(row: DocumentRow, passages: int) -> dict[str, Any]:
    """A document as the API shows it."""
    return {
        "document_id": row.id,
        "collection": row.collection,
        "title": row.title,
        "source": row.source,
        "media_type": row.media_type,
        "state": row.state,
        "error_code": row.error_code,
        "error_message": row.error_message,
        "passages": passages,
        "updated_at": iso(row.updated_at),
        "valid_until": row.valid_until,
    }


def _new_document(collection: str, source: str) -> DocumentRow:
    return DocumentRow(
        id=secrets.token_hex(16),
        collection=collection,
        source=source,
        title=source.rsplit("/", 1)[-1],
        media_type="",
        revision=0,
        created_at=now(),
    )


def _is_ready(session: Session, row: DocumentRow, sha256: str, embedder: str) -> bool:
    if row.state != READY or row.sha256 != sha256:
        return False
    query = select(PassageRow.embedder).where(
        PassageRow.document_id == row.id, PassageRow.revision == row.revision
    )
    return not embedder or session.scalar(query.limit(1)) == embedder
