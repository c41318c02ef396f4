"""Ingestion jobs: the files that somebody gave at once, and what became of each.

An item follows its document until another job takes that up, or it is deleted; then the item
keeps what had become of it.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, case, delete, func, insert, not_, or_, select, update
from sqlalchemy.orm import Session

from app.corpus.leases import Clock, is_free
from app.corpus.tables import (
    FAILED,
    LASTING,
    PENDING,
    READY,
    DocumentRow,
    JobItemRow,
    JobRow,
    PassageRow,
    requeue,
)
from app.db import Database, database_time, iso, now
from app.errors import NotFound
from app.records.audit import lock_head

UNCHANGED = "unchanged"
REPLACED = "replaced"
CANCELLED = "cancelled"
CANCELLED_MESSAGE = "Its ingestion was cancelled before it was read."
KEPT_DAYS = 30
"""Jobs that ended stay for as long."""
JobState = Literal["running", "done", "failed", "cancelled"]
ItemState = Literal["pending", "ready", "unchanged", "failed", "cancelled", "replaced"]


@dataclass(frozen=True)
class JobView:
    """An ingestion job and how far it is.

    ``passages`` counts those of its documents that are stored durably, with their vectors.
    ``failed`` counts files that could not be read, and ``replaced`` documents that another job
    took up, or that were deleted, before they were ready. ``retryable`` counts the documents that
    failed or were cancelled and may be ingested if they are tried again. ``first`` is the source of
    its first file, by which people know it; null: it has none yet. ``waits`` says of one that runs
    that nobody is at any of its documents now: it waits for its turn, or for a service.
    """

    job_id: str
    state: JobState
    waits: bool
    collection: str
    by: str
    created_at: str
    first: str | None
    items: int
    pending: int
    ready: int
    unchanged: int
    failed: int
    cancelled: int
    replaced: int
    retryable: int
    passages: int


@dataclass(frozen=True)
class JobItemView:
    """A file of a job: pending, ready, unchanged, failed with a reason, cancelled or replaced.

    ``left_out`` names documents and pages within it that could not be read.
    """

    source: str
    document_id: str | None
    state: ItemState
    error_code: str | None
    error_message: str | None
    left_out: list[str]


@dataclass(frozen=True)
class JobDetails:
    """A job with a page of its items, in the order in which they were given."""

    job: JobView
    items: list[JobItemView]


@dataclass(frozen=True)
class JobsView:
    """A page of jobs, newest first, and how many there are in all."""

    jobs: list[JobView]
    total: int


_STATE = func.coalesce(
    JobItemRow.outcome,
    case((DocumentRow.error_code == CANCELLED, CANCELLED), else_=DocumentRow.state),
)


class Jobs:
    """The jobs of all collections. Every method is one transaction, ``cancel`` two."""

    def __init__(self, database: Database, clock: Clock = database_time) -> None:
        self._database, self._clock = database, clock

    def create(self, collection: str, by: str) -> str:
        """A job without items yet; returns its id."""
        with self._database.transaction() as session:
            return new_job(session, collection, by).id

    def refuse(self, job_id: str, source: str, code: str, message: str) -> None:
        """A file that did not become a document, and why."""
        with self._database.transaction() as session:
            _, ordinal = _appended(session, job_id)
            told = {"outcome": FAILED, "error_code": code, "error_message": message}
            session.add(JobItemRow(job_id=job_id, ordinal=ordinal, source=source, **told))

    def get(
        self, job_id: str, *, limit: int = 100, offset: int = 0, state: ItemState | None = None
    ) -> JobDetails:
        """One job with a page of its items, of one state where that is given; raises
        ``NotFound``."""
        with self._database.reading() as session:
            found = self._views(session, [_job(session, job_id)])
            query = (
                select(JobItemRow, DocumentRow, _STATE)
                .outerjoin(DocumentRow, DocumentRow.id == JobItemRow.document_id)
                .where(JobItemRow.job_id == job_id)
                .order_by(JobItemRow.ordinal)
            )
            if state is not None:
                query = query.where(_STATE.in_([state]))
            rows = session.execute(query.limit(limit).offset(offset)).all()
            return JobDetails(found[0], [_item(*row) for row in rows])

    def view(self, job_id: str) -> JobView:
        """One job without its items; raises ``NotFound``."""
        return self.get(job_id, limit=0).job

    def page(self, collections: Sequence[str], *, limit: int = 20, offset: int = 0) -> JobsView:
        """A page of the jobs of these collections."""
        wanted = JobRow.collection.in_(collections)
        query = select(JobRow).where(wanted).order_by(JobRow.created_at.desc(), JobRow.id)
        with self._database.reading() as session:
            rows = session.scalars(query.limit(limit).offset(offset)).all()
            total = session.scalar(select(func.count()).select_from(JobRow).where(wanted))
            return JobsView(self._views(session, rows), total or 0)

    def collections(self) -> list[str]:
        """The collections that jobs are of, also those without a document yet."""
        with self._database.reading() as session:
            return list(session.scalars(select(JobRow.collection).distinct()))

    def exists(self, job_id: str) -> bool:
        """Whether there is such a job."""
        with self._database.reading() as session:
            return session.get(JobRow, job_id) is not None

    def cancel(self, job_id: str) -> JobView:
        """What is pending of the job is not read; what is ready stays. Raises ``NotFound``.

        Nor is what it is given later. A document that somebody is reading now is not stored. Its
        earlier revision stays served.
        """
        with self._database.transaction() as session:
            _job(session, job_id).cancelled_at = now()  # what is yet to be registered, too
        with self._database.transaction() as session:
            lock_head(session)
            query = _documents(job_id, PENDING).order_by(DocumentRow.id)
            for document in session.scalars(query.with_for_update()):  # as they are saved
                call_off(document)
        return self.view(job_id)

    def retry(self, job_id: str, *, lasting: bool = True) -> list[str]:
        """Make the documents of the job that failed or were cancelled pending again, with
        ``lasting`` also those that the same file makes fail again; returns them. Raises
        ``NotFound``."""
        with self._database.transaction() as session:
            row = _job(session, job_id)
            failed = _documents(job_id, FAILED)
            documents = wait_again(session, failed if lasting else failed.where(_may_pass()))
            row.cancelled_at = None
            return documents

    def _views(self, session: Session, rows: Sequence[JobRow]) -> list[JobView]:
        ids = [row.id for row in rows]
        counts, first = _counts(session, ids), _first(session, ids)
        held = _held(session, ids, self._clock(session))
        return [_view(row, counts[row.id], first.get(row.id), row.id in held) for row in rows]

    def purge(self) -> int:
        """Forget jobs that are older than ``KEPT_DAYS`` and have nothing pending."""
        waiting = select(DocumentRow.job_id).where(
            DocumentRow.state == PENDING, DocumentRow.job_id.is_not(None)
        )
        old = JobRow.created_at < now() - timedelta(days=KEPT_DAYS)
        with self._database.transaction() as session:
            doomed = session.scalars(select(JobRow.id).where(old, JobRow.id.not_in(waiting))).all()
            session.execute(delete(JobRow).where(JobRow.id.in_(doomed)))
        return len(doomed)


def new_job(session: Session, collection: str, by: str) -> JobRow:
    """A job whose first item comes next, however many items others have left."""
    row = JobRow(
        id=secrets.token_hex(16),
        collection=collection,
        by=by[:80],
        turn=next_turn(session),
        created_at=now(),
        cancelled_at=None,
    )
    session.add(row)
    session.flush()
    return row


def next_turn(session: Session) -> int:
    """The turn that is taken up next. Jobs count on from there, so each gets its share, a small
    one is not kept waiting by a large one, and many small ones do not hold up a large one."""
    query = select(func.min(DocumentRow.turn)).where(DocumentRow.state == PENDING)
    return session.scalar(query) or 0


def wait_again(session: Session, failed: Any) -> list[str]:
    """The documents of the query wait to be read again, in the order in which they did; returns
    their ids."""
    lock_head(session)  # and the documents in one order, as they are saved
    query = failed.order_by(DocumentRow.id).with_for_update()
    documents = sorted(session.scalars(query), key=lambda one: one.turn)
    turn = next_turn(session)
    for at, document in enumerate(documents):
        requeue(document, turn + at)
    return [document.id for document in documents]


def call_off(document: DocumentRow) -> None:
    """The document is not read any more."""
    document.state, document.lease_until, document.updated_at = FAILED, None, now()
    document.error_code, document.error_message = CANCELLED, CANCELLED_MESSAGE


def take_up(session: Session, job_id: str, taken: Sequence[tuple[DocumentRow, bool]]) -> JobRow:
    """The documents are items of this job from now on, in this order; what they were of others
    stays so. Each is given with whether its content changed. Returns the job, locked."""
    job, first = _appended(session, job_id)
    for ordinal, (document, changed) in enumerate(taken, first):
        if changed:
            if document.revision or document.job_id:
                settle_items(session, document)
            document.job_id, document.turn = job_id, job.turn + ordinal
    items = [
        {
            "job_id": job_id,
            "ordinal": ordinal,
            "source": document.source,
            "document_id": document.id,
            "outcome": None if changed else UNCHANGED,
        }
        for ordinal, (document, changed) in enumerate(taken, first)
    ]
    session.execute(insert(JobItemRow), items)
    return job


def settle_items(session: Session, document: DocumentRow) -> None:
    """The document changes for another reason than its job: items keep what became of it."""
    outcome = document.state if document.state in (READY, FAILED) else REPLACED
    if document.error_code == CANCELLED:
        outcome = CANCELLED
    session.execute(
        update(JobItemRow)
        .where(JobItemRow.document_id == document.id, JobItemRow.outcome.is_(None))
        .values(
            outcome=outcome, error_code=document.error_code, error_message=document.error_message
        )
    )


def forget_items(session: Session, document_id: str, name: str) -> None:
    """Items of an erased document lose its name."""
    session.execute(
        update(JobItemRow)
        .where(JobItemRow.document_id == document_id)
        .values(source=name, error_message=None)
    )


def _job(session: Session, job_id: str) -> JobRow:
    row = session.get(JobRow, job_id)
    if row is None:
        raise NotFound("There is no such job.")
    return row


def _appended(session: Session, job_id: str) -> tuple[JobRow, int]:
    """The job, locked, and the ordinal of its next item."""
    job = session.get_one(JobRow, job_id, with_for_update=True)
    count = select(func.count()).where(JobItemRow.job_id == job_id)
    return job, session.scalar(count) or 0


def _documents(job_id: str, state: str) -> Any:
    return select(DocumentRow).where(DocumentRow.job_id == job_id, DocumentRow.state == state)


def _counts(session: Session, job_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """How many items of each job are in which state, and how many ``passages`` and ``retryable``
    documents it has."""
    counted = session.execute(
        select(JobItemRow.job_id, _STATE, func.count())
        .outerjoin(DocumentRow, DocumentRow.id == JobItemRow.document_id)
        .where(JobItemRow.job_id.in_(job_ids))
        .group_by(JobItemRow.job_id, _STATE)
    )
    counts: dict[str, dict[str, int]] = {job_id: {} for job_id in job_ids}
    for job_id, state, number in counted:
        counts[job_id][state] = number
    for name, found in ("passages", _passages), ("retryable", _retryable):
        for job_id, number in found(session, job_ids).items():
            counts[job_id][name] = number
    return counts


def _held(session: Session, job_ids: Sequence[str], moment: datetime) -> set[str]:
    """Those of the jobs of which somebody has a document in hand."""
    query = (
        select(JobItemRow.job_id)
        .join(DocumentRow, DocumentRow.id == JobItemRow.document_id)
        .where(JobItemRow.job_id.in_(job_ids), JobItemRow.outcome.is_(None))
        .where(DocumentRow.state == PENDING, not_(is_free(DocumentRow.lease_until, moment)))
    )
    return set(session.scalars(query.distinct()))


def _first(session: Session, job_ids: Sequence[str]) -> dict[str, str]:
    """The source of each job's first item."""
    query = select(JobItemRow.job_id, JobItemRow.source)
    query = query.where(JobItemRow.job_id.in_(job_ids), JobItemRow.ordinal == 0)
    return {row[0]: row[1] for row in session.execute(query)}


def _passages(session: Session, job_ids: Sequence[str]) -> dict[str, int]:
    """How many passages of each job's documents are stored."""
    rows = session.execute(
        select(JobItemRow.job_id, func.count())
        .join(DocumentRow, DocumentRow.id == JobItemRow.document_id)
        .join(PassageRow, _current_of(DocumentRow))
        .where(JobItemRow.job_id.in_(job_ids), _became_ready())
        .group_by(JobItemRow.job_id)
    )
    return {row[0]: row[1] for row in rows}


def _retryable(session: Session, job_ids: Sequence[str]) -> dict[str, int]:
    """How many documents of each job failed and may be ingested if they are tried again."""
    rows = session.execute(
        select(DocumentRow.job_id, func.count())
        .where(DocumentRow.job_id.in_(job_ids), DocumentRow.state == FAILED, _may_pass())
        .group_by(DocumentRow.job_id)
    )
    return {row[0] or "": row[1] for row in rows}


def _may_pass() -> ColumnElement[bool]:
    return or_(DocumentRow.error_code.is_(None), DocumentRow.error_code.not_in(LASTING))


def _current_of(document: type[DocumentRow]) -> ColumnElement[bool]:
    return and_(PassageRow.document_id == document.id, PassageRow.revision == document.revision)


def _became_ready() -> ColumnElement[bool]:
    following = and_(JobItemRow.outcome.is_(None), DocumentRow.state == READY)
    return or_(following, JobItemRow.outcome == READY)


def _view(row: JobRow, counts: dict[str, int], first: str | None, held: bool) -> JobView:
    states = (PENDING, READY, UNCHANGED, FAILED, CANCELLED, REPLACED)
    number = {name: counts.get(name, 0) for name in states}
    state: JobState = "done"
    if number[PENDING]:
        state = "running"
    elif number[CANCELLED]:
        state = "cancelled"
    elif number[FAILED]:
        state = "failed"
    return JobView(
        job_id=row.id,
        state=state,
        waits=state == "running" and not held,
        collection=row.collection,
        by=row.by,
        created_at=iso(row.created_at) or "",
        first=first,
        items=sum(number.values()),
        retryable=counts.get("retryable", 0),
        passages=counts.get("passages", 0),
        **number,
    )


def _item(item: JobItemRow, document: DocumentRow | None, state: Any) -> JobItemView:
    follows = item.outcome is None and document is not None
    left_out = document.left_out if document is not None else []
    told = document if follows and document is not None else item
    return JobItemView(
        item.source, item.document_id, state, told.error_code, told.error_message, left_out
    )
