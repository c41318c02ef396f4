"""Documents: registered, claimed by a worker, then ready, failed or deleted."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, takewhile
from pathlib import PurePath

from sqlalchemy import ColumnElement, Select, bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from app.corpus.jobs import call_off, forget_items, new_job, settle_items, take_up, wait_again
from app.corpus.leases import LEASE, LONGEST_WAIT, Clock, is_free
from app.corpus.passages import NewPassage, batches, suspect_row
from app.corpus.registering import (
    AS_IT_IS,
    NewFile,
    ValidDays,
    count_documents,
    locked_rows,
    unchanged,
)
from app.corpus.relations import part
from app.corpus.saving import NO_METADATA, Metadata, NewRevision, save_revisions
from app.corpus.tables import (
    DELETED,
    FAILED,
    PDF,
    PENDING,
    READY,
    CollectionRow,
    DocumentRow,
    PassageRow,
    is_hidden,
    requeue,
)
from app.corpus.versions import lock_index
from app.corpus.views import (
    DocumentsView,
    DocumentView,
    Outcome,
    document_views,
    outcome_of,
    passage_counts,
    suspect_counts,
)
from app.db import Database, now
from app.errors import Invalid, NotFound
from app.look_alikes import is_plain
from app.made import note_made
from app.records.audit import append_audit, lock_head

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
class Added:
    """A registered document; ``changed`` False: exactly this content is ready already.

    ``replaced`` is the file that it was read from before, "" when that is still its file.
    """

    document_id: str
    changed: bool
    replaced: str


@dataclass(frozen=True)
class ClaimedDocument:
    """A document that one worker has taken, and the how many-th attempt that is.

    ``valid_from`` and ``valid_until`` are what it has so far (ISO 8601).
    """

    id: str
    source: str
    stored_at: str
    sha256: str
    attempt: int
    collection: str
    valid_from: str | None = None
    valid_until: str | None = None


class Documents:
    """The documents of all collections. Every method is one transaction.

    What locks several documents, or one and then the audit head, locks the head first: who makes
    one ready has the head, and changes others of its series.
    """

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
        valid: ValidDays = AS_IT_IS,
        owner: str | None = None,
        size: int = 0,
        job_id: str | None = None,
        by: str = "",
        create: bool = True,
    ) -> Added:
        """As ``add_all``, of one file. ``owner`` is who gave it. Raises ``NotFound`` for a
        collection that is new, unless it may ``create`` it."""
        check_collection_name(collection)
        with self._database.transaction() as session:
            if not create:
                _require_collection(session, collection)
            job_id = job_id or new_job(session, collection, by).id
            files = [NewFile(source, stored_at, sha256, size)]
            (added,) = _add(session, collection, files, embedder, job_id, valid, owner)
            return added

    def add_all(
        self,
        collection: str,
        files: Sequence[NewFile],
        embedder: str,
        job_id: str,
        valid: ValidDays = AS_IT_IS,
    ) -> list[Added]:
        """Register files as pending, but for those of which exactly this content is ready already.

        Of each source one file. With ``embedder`` given, content that another embedder embedded is
        not ready. A valid day counts at once; without one the earlier stays. They become
        items of the job, in their order. Raises ``Invalid`` where no day would be valid.
        """
        check_collection_name(collection)
        with self._database.transaction() as session:
            return _add(session, collection, files, embedder, job_id, valid)

    def require_collection(self, collection: str) -> None:
        """Raise ``NotFound`` for a collection that has no document and is not the usual one."""
        with self._database.reading() as session:
            _require_collection(session, collection)

    def claim(
        self, only: Sequence[str] | None = None, largest: int | None = None
    ) -> ClaimedDocument | None:
        """As ``claim_some``, of one document; None when there is none."""
        return next(iter(self.claim_some(1, 0, only, largest)), None)

    def claim_some(
        self,
        most: int,
        most_bytes: int,
        only: Sequence[str] | None = None,
        largest: int | None = None,
    ) -> list[ClaimedDocument]:
        """Take pending documents that nobody holds, those that were tried least and of them those
        whose turn it is; at most ``most``, and no second one beyond ``most_bytes`` in all.

        Of files up to ``largest`` bytes only, where that is given. One that was tried before is
        taken alone: whoever took it may have ended by it. One whose last attempt was lost with its
        worker, and which has no attempt left, is given up on the way.
        """
        if not self._is_any_pending():  # workers ask often: without the lock of those who write
            return []
        with self._database.transaction() as session:
            moment = self._clock(session)
            query = _claimable(moment, only, largest).limit(most).with_for_update(skip_locked=True)
            rows = session.scalars(query).all()
            while rows and rows[0].attempts >= MAX_ATTEMPTS:
                _give_up(rows[0], "The worker ended each time while it read this document.")
                session.flush()
                rows = session.scalars(query).all()
            taken = _together(rows, most_bytes)
            for row in taken:
                row.attempts += 1
                row.lease_until = moment + LEASE
            return [
                ClaimedDocument(
                    row.id,
                    row.source,
                    row.stored_at,
                    row.sha256,
                    row.attempts,
                    row.collection,
                    row.valid_from,
                    row.valid_until,
                )
                for row in taken
            ]

    def _is_any_pending(self) -> bool:
        with self._database.reading() as session:
            return session.scalar(_ANY_PENDING) is not None

    def renew(self, *claimed: ClaimedDocument) -> None:
        """Keep claimed documents for another while; another's claim is left alone."""
        with self._database.transaction() as session:
            lock_head(session)
            until = self._clock(session) + LEASE
            for one in sorted(claimed, key=lambda one: one.id):  # as ``save_all`` locks them
                session.execute(update(DocumentRow).where(*_of(one)).values(lease_until=until))

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
        metadata: Metadata = NO_METADATA,
        signature: bytes | None = None,
    ) -> bool:
        """As ``save_all``, of one document."""
        (saved,) = self.save_all(
            [
                NewRevision(
                    document_id, sha256, title, media_type, passages, left_out, metadata, signature
                )
            ],
            embedder,
        )
        return saved

    def save_all(self, revisions: Sequence[NewRevision], embedder: str) -> list[bool]:
        """Store new revisions and mark their documents ready, all in one transaction.

        Without valid days and an ``owner`` in its metadata a document's earlier ones stay.

        False for a document that changed or was deleted meanwhile: nothing of it is stored.
        """
        with self._database.transaction() as session:
            return save_revisions(session, revisions, embedder)

    def fail(self, claimed: ClaimedDocument, code: str, message: str) -> None:
        """Report why a document could not be ingested; an earlier revision stays served."""
        with self._database.transaction() as session:
            row = session.scalar(select(DocumentRow).where(*_of(claimed)).with_for_update())
            if row is not None:
                _fail(row, code, message)

    def withdraw(self, claimed: ClaimedDocument, code: str, message: str) -> None:
        """As ``fail``, of a document that may not be here: no earlier revision is served."""
        with self._database.transaction() as session:
            lock_index(session)
            lock_head(session)
            row = session.scalar(select(DocumentRow).where(*_of(claimed)).with_for_update())
            if row is None:
                return
            session.execute(delete(PassageRow).where(PassageRow.document_id == row.id))
            row.number = append_audit(session, "document_withdrawn", {"document_id": row.id})
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
            query = select(DocumentRow).where(DocumentRow.state == FAILED)
            if document_ids:
                query = query.where(DocumentRow.id.in_(document_ids))
            return wait_again(session, query)

    def outcomes(self, document_ids: Sequence[str]) -> dict[str, Outcome]:
        """What became of these documents so far, by id; of deleted ones nothing."""
        found: dict[str, Outcome] = {}
        with self._database.reading() as session:
            for some in batches(document_ids):
                query = select(DocumentRow).where(DocumentRow.id.in_(some))
                counts, suspects = passage_counts(session, some), suspect_counts(session, some)
                for row in session.scalars(query.where(DocumentRow.state != DELETED)):
                    passages, _ = counts.get(row.id, (0, None))
                    found[row.id] = outcome_of(row, passages, suspects.get(row.id, 0))
        return found

    def delete(self, document_id: str) -> str:
        """Remove a document and its passages at once; returns its file. Raises ``NotFound``."""
        with self._database.transaction() as session:
            lock_index(session)
            lock_head(session)
            row = session.get(DocumentRow, document_id, with_for_update=True)
            if row is None or row.state == DELETED:
                raise NotFound("There is no such document.")
            settle_items(session, row)
            session.execute(delete(PassageRow).where(PassageRow.document_id == document_id))
            count_documents(session, row.collection, -1)
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

    def with_content(
        self, collection: str, digests: Sequence[str]
    ) -> dict[str, list[tuple[str, str]]]:
        """By SHA-256 (id, file) of the collection's ready documents with such a content that are
        read from where people know them, oldest first."""
        query = (
            select(DocumentRow.sha256, DocumentRow.id, DocumentRow.stored_at)
            .where(
                DocumentRow.collection == collection,
                DocumentRow.state == READY,
                DocumentRow.stored_at == DocumentRow.source,
            )
            .order_by(DocumentRow.created_at, DocumentRow.id)
        )
        found: dict[str, list[tuple[str, str]]] = {}
        with self._database.reading() as session:
            for some in batches(digests):
                for digest, *one in session.execute(query.where(DocumentRow.sha256.in_(some))):
                    found.setdefault(digest, []).append((one[0], one[1]))
        return found

    def move(self, document_id: str, before: str, source: str) -> bool:
        """The document's file lies elsewhere now; False when it is another one meanwhile, or that
        place has a document."""
        with self._database.transaction() as session:
            lock_head(session)
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
            if _reads_otherwise(row, PurePath(before), PurePath(source)):
                row.sha256 = ""
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
            lock_head(session)
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
            found = document_views(session, DocumentRow.id == document_id)
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
            return DocumentsView(document_views(session, wanted, limit, offset), total or 0)

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
        """Documents deleted or withdrawn after ``number``: an index begun then must not find
        them."""
        with self._database.reading() as session:
            return list(session.scalars(_DELETED_SINCE, {"number": number}))

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


# Workers ask these again and again, and to build a statement costs more than to run it.
_ANY_PENDING = select(DocumentRow.id).where(DocumentRow.state == PENDING).limit(1)
_DELETED_SINCE = select(DocumentRow.id).where(is_hidden(), DocumentRow.number > bindparam("number"))


def check_collection_name(collection: str) -> None:
    """Raise ``Invalid`` for what cannot be the name of a collection."""
    if not 1 <= len(collection) <= 80 or not collection.isprintable():
        raise Invalid("A collection's name has 1 to 80 printable characters.")


OF_STRATA = "+|"
"""What joins collections in the names of ``app.gate.strata``."""


def _refuse_odd(session: Session, collection: str) -> None:
    """Raise ``Invalid`` for a new name that looks like another, or like the stratum of two
    collections: a certificate of one would be that of the other. Those that are there stay."""
    if is_plain(collection) and not set(collection) & set(OF_STRATA):
        return
    query = select(CollectionRow.name).where(CollectionRow.name == collection)
    if session.scalar(query) is None:
        raise Invalid(
            f"The name of a new collection has neither {' nor '.join(OF_STRATA)}, no space at its "
            "ends, nothing invisible, and letters of one script in their usual form."
        )


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


def _add(
    session: Session,
    collection: str,
    files: Sequence[NewFile],
    embedder: str,
    job_id: str,
    valid: ValidDays,
    owner: str | None = None,
) -> list[Added]:
    _refuse_odd(session, collection)
    lock_head(session)
    rows = locked_rows(session, collection, [file.source for file in files])
    ready = unchanged(session, files, rows, embedder)
    pairs = [(file, rows[file.source]) for file in files]
    for _, row in pairs:
        note_made(session, row.id)
    job = take_up(session, job_id, [(row, row.id not in ready) for _, row in pairs])
    revived = sum(row.state == DELETED for _, row in pairs)
    if revived:
        count_documents(session, collection, revived)
    added = [
        _registered(file, row, valid, owner, changed=row.id not in ready) for file, row in pairs
    ]
    if job.cancelled_at is not None:
        for _, row in pairs:
            if row.id not in ready:
                call_off(row)
    return added


def _registered(
    file: NewFile, row: DocumentRow, valid: ValidDays, owner: str | None, *, changed: bool
) -> Added:
    replaced = row.stored_at if row.stored_at not in ("", file.stored_at) else ""
    row.stored_at = file.stored_at
    if row.state == DELETED:  # what was said of the one before does not hold for this one
        row.valid_from = row.valid_until = row.owner = None
    row.valid_from, row.valid_until = valid.beside(row)
    row.owner = owner or row.owner
    if changed:
        row.sha256, row.size = file.sha256, min(file.size, MAX_SIZE)
        requeue(row, row.turn)
    return Added(row.id, changed, replaced)


def _reads_otherwise(row: DocumentRow, before: PurePath, name: PurePath) -> bool:
    """Whether its file says something else under another name: the stem may be its title, and the
    ending tells the format of text."""
    return row.title == before.stem != name.stem or before.suffix.lower() != name.suffix.lower()


def _claimable(
    moment: datetime, only: Sequence[str] | None, largest: int | None
) -> Select[DocumentRow]:
    """Pending documents that nobody holds, in the order in which they are taken."""
    query = select(DocumentRow).where(
        DocumentRow.state == PENDING, is_free(DocumentRow.lease_until, moment)
    )
    if only is not None:
        query = query.where(DocumentRow.id.in_(only))
    if largest is not None:
        query = query.where(DocumentRow.size <= largest)
    return query.order_by(
        DocumentRow.attempts, DocumentRow.turn, DocumentRow.updated_at, DocumentRow.id
    )


def _together(rows: Sequence[DocumentRow], most_bytes: int) -> Sequence[DocumentRow]:
    """The first of them that one worker may hold at once."""
    if not rows or rows[0].attempts:
        return rows[:1]
    sizes = accumulate(row.size for row in rows)
    fits = (not row.attempts and size <= most_bytes for row, size in zip(rows, sizes, strict=True))
    return rows[: max(1, len(list(takewhile(bool, fits))))]


def _of(claimed: ClaimedDocument) -> Iterable[ColumnElement[bool]]:
    """The document is still as it was claimed, and nobody took it up since."""
    return (
        DocumentRow.id == claimed.id,
        DocumentRow.sha256 == claimed.sha256,
        DocumentRow.stored_at == claimed.stored_at,  # the same content may have come again
        DocumentRow.state == PENDING,
        DocumentRow.attempts == claimed.attempt,
    )


def _fail(row: DocumentRow, code: str, message: str) -> None:
    row.state, row.error_code, row.error_message = FAILED, code, message
    row.lease_until, row.updated_at = None, now()


def _give_up(row: DocumentRow, why: str) -> None:
    _fail(row, GAVE_UP, f"Given up after {row.attempts} attempts. {why}")
