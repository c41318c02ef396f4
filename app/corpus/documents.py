"""Documents: registered, claimed by a worker, then ready, failed or deleted."""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.orm import Session

from app.corpus.jobs import forget_items, new_job, next_turn, settle_items, take_up
from app.corpus.leases import LEASE, LONGEST_WAIT, Clock, is_free
from app.corpus.passages import NewPassage, batches, passage_row, suspect_row
from app.corpus.relations import near_copies, part, relate
from app.corpus.tables import (
    BATCH,
    DELETED,
    FAILED,
    PDF,
    PENDING,
    READY,
    CollectionRow,
    DocumentRow,
    PassageRow,
    iso_day,
    requeue,
)
from app.corpus.versions import lock_index
from app.db import Database, insert_or, iso, now
from app.errors import Invalid, NotFound
from app.made import note_made
from app.records.audit import append_audit

MAX_ATTEMPTS = 5
FIRST_WAIT = timedelta(seconds=30)
"""After the first attempt that failed; it doubles with each further one."""
GAVE_UP = "gave_up"
USUAL_COLLECTION = "main"
"""Where documents go when nobody names another one: it is always there."""
MAX_SIZE = 2**31 - 1
MAX_SOURCE = 1000
FORGOTTEN = "erased "
"""Begins the source of a document that was erased; its id follows."""


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
    passages: int
    updated_at: str
    job_id: Annotated[str | None, Field(description="The job that gave its content.")]
    left_out: Annotated[
        list[str], Field(description="Documents within it that could not be read, and why.")
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
class Added:
    """A registered document; ``changed`` False: exactly this content is ready already.

    ``replaced`` is the file that it was read from before, "" when that is still its file.
    """

    document_id: str
    changed: bool
    replaced: str


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


@dataclass(frozen=True)
class ClaimedDocument:
    """A document that one worker has taken, and the how many-th attempt that is."""

    id: str
    source: str
    stored_at: str
    sha256: str
    attempt: int
    collection: str


class Documents:
    """The documents of all collections. Every method is one transaction."""

    def __init__(
        self, database: Database, after_change: Callable[[Session], None], clock: Clock
    ) -> None:
        self._database, self._after_change, self._clock = database, after_change, clock

    def add(
        self,
        collection: str,
        source: str,
        stored_at: str,
        sha256: str,
        embedder: str = "",
        *,
        valid_until: date | None = None,
        owner: str | None = None,
        size: int = 0,
        job_id: str | None = None,
        by: str = "",
        create: bool = True,
    ) -> Added:
        """Register a file as pending, unless exactly this content is ready already.

        With ``embedder`` given, content that another embedder embedded is not ready. A
        ``valid_until`` counts at once; without one the earlier stays. It is an item of the job, or
        of a new one of ``by``. Raises ``NotFound`` for a collection that is new, unless it may
        ``create`` it.
        """
        check_collection_name(collection)
        with self._database.transaction() as session:
            if not create:
                _require_collection(session, collection)
            job_id = job_id or new_job(session, collection, by).id
            row = _locked(session, collection, source)
            note_made(session, row.id)
            replaced = row.stored_at if row.stored_at not in ("", stored_at) else ""
            row.stored_at = stored_at
            row.valid_until = iso_day(valid_until) or row.valid_until
            row.owner = owner or row.owner
            changed = not _is_ready(session, row, sha256, embedder)
            take_up(session, job_id, row, changed=changed)
            if changed:
                if row.state == DELETED:
                    _count(session, collection, 1)
                row.sha256, row.size = sha256, min(size, MAX_SIZE)
                requeue(row, row.turn)
            return Added(row.id, changed, replaced)

    def require_collection(self, collection: str) -> None:
        """Raise ``NotFound`` for a collection that has no document and is not the usual one."""
        with self._database.reading() as session:
            _require_collection(session, collection)

    def claim(
        self, only: Sequence[str] | None = None, largest: int | None = None
    ) -> ClaimedDocument | None:
        """Take one pending document that nobody holds; None when there is none.

        Of files up to ``largest`` bytes only, where that is given. Those that were tried least
        come first, and of them those whose turn it is. One whose last attempt was lost with its
        worker, and which has no attempt left, is given up on the way.
        """
        if not self._is_any_pending():  # workers ask often: without the lock of those who write
            return None
        with self._database.transaction() as session:
            moment = self._clock(session)
            query = select(DocumentRow).where(
                DocumentRow.state == PENDING, is_free(DocumentRow.lease_until, moment)
            )
            if only is not None:
                query = query.where(DocumentRow.id.in_(only))
            if largest is not None:
                query = query.where(DocumentRow.size <= largest)
            query = query.order_by(
                DocumentRow.attempts, DocumentRow.turn, DocumentRow.updated_at, DocumentRow.id
            )
            query = query.limit(1).with_for_update(skip_locked=True)
            while (row := session.scalar(query)) is not None and row.attempts >= MAX_ATTEMPTS:
                _give_up(row, "The worker ended each time while it read this document.")
                session.flush()
            if row is None:
                return None
            row.attempts += 1
            row.lease_until = moment + LEASE
            return ClaimedDocument(
                row.id, row.source, row.stored_at, row.sha256, row.attempts, row.collection
            )

    def _is_any_pending(self) -> bool:
        with self._database.reading() as session:
            query = select(DocumentRow.id).where(DocumentRow.state == PENDING)
            return session.scalar(query.limit(1)) is not None

    def renew(self, claimed: ClaimedDocument) -> None:
        """Keep a claimed document for another while; another's claim is left alone."""
        with self._database.transaction() as session:
            until = self._clock(session) + LEASE
            session.execute(update(DocumentRow).where(*_of(claimed)).values(lease_until=until))

    def save(
        self,
        document_id: str,
        sha256: str,
        *,
        title: str,
        media_type: str,
        embedder: str,
        passages: Sequence[NewPassage],
        left_out: Sequence[str] = (),
        metadata: Metadata = Metadata(),
        signature: bytes | None = None,
    ) -> bool:
        """Store a new revision and mark the document ready, in one transaction.

        Without a ``valid_until`` and an ``owner`` in its metadata the earlier ones stay.
        ``signature`` is the MinHash of its words, by which near copies are found.

        False, and nothing stored, when the document changed or was deleted meanwhile.
        """
        with self._database.transaction() as session:
            row = session.get(DocumentRow, document_id, with_for_update=True)
            if row is None or row.state != PENDING or row.sha256 != sha256:
                return False
            row.revision += 1
            ready = {"document_id": row.id, "revision": row.revision, "sha256": sha256}
            row.number = append_audit(session, "document_ready", ready)
            row.title, row.media_type, row.left_out = title[:500], media_type, list(left_out)
            row.valid_from, row.language = iso_day(metadata.valid_from), metadata.language
            row.valid_until = iso_day(metadata.valid_until) or row.valid_until
            row.owner, row.about = metadata.owner or row.owner, dict(metadata.about)
            row.signature = signature
            row.state, row.lease_until, row.updated_at = READY, None, now()
            row.error_code = row.error_message = None
            session.flush()
            rows = [passage_row(row, *pair, embedder) for pair in enumerate(passages)]
            for some in range(0, len(rows), BATCH):
                session.execute(insert(PassageRow), rows[some : some + BATCH])
            relate(session, row, metadata.version)
            return True

    def fail(self, claimed: ClaimedDocument, code: str, message: str) -> None:
        """Report why a document could not be ingested; an earlier revision stays served."""
        with self._database.transaction() as session:
            row = session.scalar(select(DocumentRow).where(*_of(claimed)).with_for_update())
            if row is not None:
                _fail(row, code, message)

    def withdraw(self, claimed: ClaimedDocument, code: str, message: str) -> None:
        """As ``fail``, of a document that may not be here: no earlier revision is served."""
        with self._database.transaction() as session:
            row = session.scalar(select(DocumentRow).where(*_of(claimed)).with_for_update())
            if row is None:
                return
            lock_index(session)
            session.execute(delete(PassageRow).where(PassageRow.document_id == row.id))
            _fail(row, code, message)
            part(session, row)
            self._after_change(session)

    def put_back(self, claimed: ClaimedDocument, code: str, message: str) -> None:
        """The attempt failed for a reason that may pass: try again later, at most five times."""
        with self._database.transaction() as session:
            row = session.scalar(select(DocumentRow).where(*_of(claimed)).with_for_update())
            if row is None:
                return
            row.error_code, row.error_message = code, message
            if row.attempts >= MAX_ATTEMPTS:
                _give_up(row, message)
                return
            wait = min(FIRST_WAIT * 2 ** (row.attempts - 1), LONGEST_WAIT)
            row.lease_until = self._clock(session) + wait

    def retry(self, document_ids: Sequence[str]) -> list[str]:
        """Make documents that failed pending again, all of them without ids; returns them."""
        with self._database.transaction() as session:
            query = select(DocumentRow).where(DocumentRow.state == FAILED).with_for_update()
            if document_ids:
                query = query.where(DocumentRow.id.in_(document_ids))
            rows = session.scalars(query).all()
            turn = next_turn(session)
            for at, row in enumerate(rows):
                requeue(row, turn + at)
        return [row.id for row in rows]

    def outcomes(self, document_ids: Sequence[str]) -> dict[str, Outcome]:
        """What became of these documents so far, by id; of deleted ones nothing."""
        found: dict[str, Outcome] = {}
        with self._database.reading() as session:
            for some in batches(document_ids):
                query = select(DocumentRow).where(DocumentRow.id.in_(some))
                counts, suspects = _passage_counts(session, some), _suspect_counts(session, some)
                for row in session.scalars(query.where(DocumentRow.state != DELETED)):
                    passages, _ = counts.get(row.id, (0, None))
                    found[row.id] = _outcome(row, passages, suspects.get(row.id, 0))
        return found

    def delete(self, document_id: str) -> str:
        """Remove a document and its passages at once; returns its file. Raises ``NotFound``."""
        with self._database.transaction() as session:
            row = session.get(DocumentRow, document_id, with_for_update=True)
            if row is None or row.state == DELETED:
                raise NotFound("There is no such document.")
            lock_index(session)
            settle_items(session, row)
            session.execute(delete(PassageRow).where(PassageRow.document_id == document_id))
            _count(session, row.collection, -1)
            row.number = append_audit(session, "document_deleted", {"document_id": document_id})
            row.state, row.sha256, row.updated_at = DELETED, "", now()
            part(session, row)
            self._after_change(session)
            return row.stored_at

    def remove_passage(self, passage_id: str, by: str) -> None:
        """Take a suspect passage out, at once; it comes back if its document is ingested again.

        Raises ``NotFound``.
        """
        with self._database.transaction() as session:
            row = suspect_row(session, passage_id)
            lock_index(session)
            event = {"passage_id": row.id, "reason": row.suspect, "by": by}
            append_audit(session, "passage_removed", event)
            session.delete(row)
            session.flush()
            self._after_change(session)

    def with_content(self, collection: str, sha256: str) -> list[tuple[str, str]]:
        """(id, file) of the collection's ready documents with this content that are read from
        where people know them, oldest first."""
        query = (
            select(DocumentRow.id, DocumentRow.stored_at)
            .where(
                DocumentRow.collection == collection,
                DocumentRow.sha256 == sha256,
                DocumentRow.state == READY,
                DocumentRow.stored_at == DocumentRow.source,
            )
            .order_by(DocumentRow.created_at, DocumentRow.id)
        )
        with self._database.reading() as session:
            return [(row[0], row[1]) for row in session.execute(query)]

    def move(self, document_id: str, before: str, source: str) -> bool:
        """The document's file lies elsewhere now; False when it is another one meanwhile, or that
        place has a document."""
        with self._database.transaction() as session:
            row = session.get(DocumentRow, document_id, with_for_update=True)
            if row is None or row.source != before or row.state != READY:
                return False
            taken = select(DocumentRow).where(
                DocumentRow.collection == row.collection, DocumentRow.source == source
            )
            other = session.scalar(taken)
            if other is not None and other.state != DELETED:
                return False
            if other is not None:  # its name is free: that of a deleted document only says so
                other.source = f"{source[: MAX_SOURCE - 40]} ({other.id})"
                session.flush()
            append_audit(session, "document_moved", {"document_id": document_id})
            if row.title == PurePath(before).stem != PurePath(source).stem:
                row.sha256 = ""  # its file's name is its title: it must be read again
            row.source = row.stored_at = source
            return True

    def below(self, collection: str, folder: str) -> list[tuple[str, str]]:
        """(id, file) of the collection's documents that are read from files below a folder."""
        prefix = folder.rstrip("/") + "/"
        query = select(DocumentRow.id, DocumentRow.source).where(
            DocumentRow.collection == collection,
            DocumentRow.state != DELETED,
            DocumentRow.source.startswith(prefix, autoescape=True),
            DocumentRow.stored_at == DocumentRow.source,
        )
        with self._database.reading() as session:
            rows = session.execute(query.order_by(DocumentRow.source))
            return [(row[0], row[1]) for row in rows if row[1].startswith(prefix)]

    def hide(self, document_id: str) -> tuple[str, str]:
        """Remove a document if it is not removed yet; returns its title and its file.

        Raises ``NotFound``.
        """
        with self._database.reading() as session:
            found = session.get(DocumentRow, document_id)
        if found is None:
            raise NotFound("There is no such document.")
        if found.state != DELETED:
            self.delete(document_id)
        return found.title, found.stored_at

    def forget(self, document_id: str, by: str, reason: str) -> None:
        """Blank the names of a removed document, with the link that says it was erased."""
        with self._database.transaction() as session:
            row = session.get_one(DocumentRow, document_id, with_for_update=True)
            row.source, row.title, row.stored_at = FORGOTTEN + document_id, "", ""
            forget_items(session, document_id, row.source)
            row.error_code = row.error_message = None
            row.left_out = []
            row.about, row.owner, row.language = {}, None, None
            said = {"document_id": document_id, "by": by, "reason": reason}
            append_audit(session, "document_erased", said)

    def deleted_before(self, moment: datetime) -> list[str]:
        """Documents that were deleted before, and not erased."""
        with self._database.reading() as session:
            query = select(DocumentRow.id).where(
                DocumentRow.state == DELETED,
                DocumentRow.updated_at < moment,
                DocumentRow.source != FORGOTTEN + DocumentRow.id,
            )
            return list(session.scalars(query))

    def get(self, document_id: str) -> DocumentView:
        """One document; raises ``NotFound``, also for a deleted one."""
        with self._database.reading() as session:
            found = _views(session, DocumentRow.id == document_id)
        if not found:
            raise NotFound("There is no such document.")
        return found[0]

    def printed(self, document_id: str) -> tuple[str, str]:
        """File and SHA-256 of a ready PDF; raises ``NotFound`` for any other document."""
        with self._database.reading() as session:
            row = session.get(DocumentRow, document_id)
        if row is None or row.state != READY or row.media_type != PDF:
            raise NotFound("This document has no pages that can be drawn.")
        return row.stored_at, row.sha256

    def page(
        self,
        collections: Sequence[str],
        *,
        limit: int = 100,
        offset: int = 0,
        state: str | None = None,
        find: str = "",
        in_source: bool = False,
    ) -> DocumentsView:
        """A page of the collections' documents by source; with ``find``, of those whose title
        holds it, or ``in_source``, which tells where files lie on the server."""
        wanted: ColumnElement[bool] = DocumentRow.collection.in_(collections)
        if state is not None:
            wanted &= DocumentRow.state == state
        if find:
            named = DocumentRow.title.icontains(find, autoescape=True)
            source = DocumentRow.source.icontains(find, autoescape=True)
            wanted &= named | source if in_source else named
        with self._database.reading() as session:
            if state is None and not find:  # what is counted already need not be counted again
                counted = select(func.sum(CollectionRow.documents))
                counted = counted.where(CollectionRow.name.in_(collections))
            else:
                counted = select(func.count()).where(wanted, DocumentRow.state != DELETED)
            total = session.scalar(counted)
            return DocumentsView(_views(session, wanted, limit, offset), total or 0)

    def collections(self) -> dict[str, int]:
        """Each collection's name and its number of documents."""
        with self._database.reading() as session:
            rows = session.execute(
                select(CollectionRow.name, CollectionRow.documents)
                .where(CollectionRow.documents > 0)
                .order_by(CollectionRow.name)
            )
            return {row[0]: row[1] for row in rows}

    def deleted_since(self, number: int) -> list[str]:
        """Documents deleted after ``number``: an index begun then must not find them."""
        with self._database.reading() as session:
            query = select(DocumentRow.id).where(
                DocumentRow.state == DELETED, DocumentRow.number > number
            )
            return list(session.scalars(query))

    def changed_since(self, number: int) -> dict[str, str]:
        """Documents that became ready or were deleted after ``number``, with their collections:
        an index begun then does not hold them as they are."""
        with self._database.reading() as session:
            query = select(DocumentRow.id, DocumentRow.collection).where(
                DocumentRow.number > number
            )
            return {row[0]: row[1] for row in session.execute(query)}

    def files(self) -> set[str]:
        """The files that documents are read from."""
        with self._database.reading() as session:
            query = select(DocumentRow.stored_at).where(DocumentRow.state != DELETED)
            return set(session.scalars(query))


def _views(
    session: Session, wanted: ColumnElement[bool], limit: int = 1, offset: int = 0
) -> list[DocumentView]:
    query = select(DocumentRow).where(wanted, DocumentRow.state != DELETED)
    query = query.order_by(DocumentRow.source, DocumentRow.id).limit(limit).offset(offset)
    rows = session.scalars(query).all()
    ids = [row.id for row in rows]
    counts, copies = _passage_counts(session, ids), near_copies(session, ids)
    return [_view(row, *counts.get(row.id, (0, None)), copies.get(row.id, [])) for row in rows]


def check_collection_name(collection: str) -> None:
    """Raise ``Invalid`` for what cannot be the name of a collection."""
    if not 1 <= len(collection) <= 80 or not collection.isprintable():
        raise Invalid("A collection's name has 1 to 80 printable characters.")


def _require_collection(session: Session, collection: str) -> None:
    if collection == USUAL_COLLECTION:
        return
    query = select(CollectionRow.name).where(
        CollectionRow.documents > 0, CollectionRow.name == collection
    )
    if session.scalar(query) is None:
        raise NotFound(
            f"There is no collection {collection[:80]!r}. If the name is right, say that it may be "
            "new (--create; over HTTP, create)."
        )


def _outcome(row: DocumentRow, passages: int, suspects: int) -> Outcome:
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


def _suspect_counts(session: Session, document_ids: Sequence[str]) -> dict[str, int]:
    found = _passage_counts(session, document_ids, PassageRow.suspect.is_not(None))
    return {document_id: count for document_id, (count, _) in found.items()}


def _passage_counts(
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


def _locked(session: Session, collection: str, source: str) -> DocumentRow:
    """The row of a document, made as of a deleted one if need be; two may make it at once."""
    query = select(DocumentRow).where(
        DocumentRow.collection == collection, DocumentRow.source == source
    )
    row = session.scalar(query.with_for_update())
    if row is not None:
        return row
    made = {
        "id": secrets.token_hex(16),
        "collection": collection,
        "source": source,
        "stored_at": "",
        "title": source.rsplit("/", 1)[-1],
        "media_type": "",
        "sha256": "",
        "revision": 0,
        "state": DELETED,
        "created_at": now(),
        "updated_at": now(),
    }
    session.execute(insert_or(session, DocumentRow).values(made).on_conflict_do_nothing())
    return session.scalars(query.with_for_update()).one()


def _is_ready(session: Session, row: DocumentRow, sha256: str, embedder: str) -> bool:
    if row.state != READY or row.sha256 != sha256:
        return False
    query = select(PassageRow.embedder).where(
        PassageRow.document_id == row.id, PassageRow.revision == row.revision
    )
    return not embedder or session.scalar(query.limit(1)) == embedder


def _count(session: Session, collection: str, change: int) -> None:
    """Add to the number of a collection's documents."""
    first = insert_or(session, CollectionRow).values(name=collection, documents=max(change, 0))
    session.execute(
        first.on_conflict_do_update(
            index_elements=["name"], set_={"documents": CollectionRow.documents + change}
        )
    )


def _of(claimed: ClaimedDocument) -> Iterable[ColumnElement[bool]]:
    """The document is still as it was claimed, and nobody took it up since."""
    return (
        DocumentRow.id == claimed.id,
        DocumentRow.sha256 == claimed.sha256,
        DocumentRow.state == PENDING,
        DocumentRow.attempts == claimed.attempt,
    )


def _fail(row: DocumentRow, code: str, message: str) -> None:
    row.state, row.error_code, row.error_message = FAILED, code, message
    row.lease_until, row.updated_at = None, now()


def _give_up(row: DocumentRow, why: str) -> None:
    _fail(row, GAVE_UP, f"Given up after {row.attempts} attempts. {why}")
