"""Released answers come back: withdrawn, or reviewed again after a source has changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import and_, exists, select, tuple_, update
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.corpus.passages import find_passages
from app.corpus.tables import DELETED, DocumentRow, PassageRow
from app.db import Database, database_time, iso
from app.errors import BadRequest, Conflict, Invalid, NotFound
from app.records.audit import append_audit
from app.records.release import withdraw
from app.records.tables import CitationRow, RecordRow, ReleaseRow
from app.review.priority import STEP, escalation_time, urgency_of
from app.review.redrafts import keep_released
from app.review.scopes import may_read
from app.review.tables import DecisionRow, PendingDecisionRow, ReviewTaskRow
from app.review.tasks import open_task
from app.review.telling import note_task
from app.review.undo import supersede
from app.settings import Settings
from guardrails.contract import passage_object
from guardrails.personal_data.find import without_accidents

GONE = "There is no such released answer, or you may not see it."


@dataclass(frozen=True)
class ChangedDocument:
    """A document that an answer cites and that changed since, or was removed."""

    document_id: str
    title: str
    removed: bool


@dataclass(frozen=True)
class ChangedAnswer:
    """A released answer whose cited sources changed; ``task_id`` is its open review task."""

    answer_id: str
    question: str
    asker: str
    text: str
    released_at: str
    released_by: str
    documents: list[ChangedDocument]
    task_id: str | None


@dataclass(frozen=True)
class ChangedAnswers:
    """A page of such answers, the oldest release first."""

    answers: list[ChangedAnswer]
    next_cursor: str | None = None


class ReleasedAnswers:
    """What reviewers can do with answers that are out; every method checks role and scope."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings

    def changed(
        self, reviewer: Principal, limit: int = 50, cursor: str | None = None
    ) -> ChangedAnswers:
        """Released answers that cite what changed or is gone, but for those that were kept."""
        reviewer.require("reviewer")
        with self._database.reading() as session:
            rows = _changed(session, cursor, 4 * limit + 1)
            seen = [row for row in rows if _readable(session, reviewer, row)]
            page = seen[:limit]
            more = len(seen) > limit or len(rows) > 4 * limit
            last = page[-1] if len(seen) > limit else rows[-1] if rows else None
            found = [_view(session, row) for row in page]
            return ChangedAnswers(found, last.answer_id if more and last else None)

    def withdraw(self, reviewer: Principal, answer_id: str, reason: str, message: str = "") -> None:
        """Take a released answer back; ``message`` is for its asker, ``reason`` for the record.

        Raises ``NotFound``, ``Conflict`` for one that is not out, ``Invalid`` without a reason.
        """
        if not reason.strip():
            raise Invalid("Please say why the answer is withdrawn.")
        with self._database.transaction() as session:
            self._out(session, reviewer, answer_id)
            withdraw(
                session, answer_id, by=reviewer.name, reason=reason.strip(), message=message.strip()
            )

    def keep(self, reviewer: Principal, answer_id: str, reason: str) -> None:
        """Let an answer stand although its sources changed. Raises as ``withdraw``."""
        if not reason.strip():
            raise Invalid("Please say why the answer may stand.")
        with self._database.transaction() as session:
            self._out(session, reviewer, answer_id)
            event = {"answer_id": answer_id, "by": reviewer.name, "reason": reason.strip()}
            append_audit(session, "kept", event)
            mine = update(CitationRow).where(CitationRow.answer_id == answer_id)
            session.execute(mine.values(kept=True))

    def review_again(self, reviewer: Principal, answer_id: str) -> str:
        """Put a released answer before reviewers once more; returns the task's id.

        An edit or a new draft that is approved takes its place, a rejection withdraws it.
        """
        with self._database.transaction() as session:
            record, released = self._out(session, reviewer, answer_id)
            query = select(ReviewTaskRow).where(ReviewTaskRow.answer_id == answer_id)
            task = session.scalar(query.with_for_update())
            if task is not None and task.undecided:
                return task.id
            if task is None:
                task_id = open_task(session, record, self._settings, kind="recheck")
                task = session.get_one(ReviewTaskRow, task_id)
            else:
                self._reopen(session, task, reviewer)
                note_task(session, task, self._settings)
            if urgency_of(task.priority) == "normal":
                task.priority -= STEP
            if released.edited:
                keep_released(session, task, record, released.answer, _cited(session, released))
            return task.id

    def _reopen(self, session: Session, task: ReviewTaskRow, reviewer: Principal) -> None:
        if session.get(PendingDecisionRow, task.id) is not None:
            raise Conflict("This answer was decided a moment ago; try again in a few seconds.")
        if session.get(DecisionRow, task.id) is not None:
            supersede(session, task, "recheck", reviewer.name)
        moment = database_time(session)
        waited = moment - task.created_at
        task.kind, task.state, task.undecided, task.claimed_by = "recheck", "open", True, None
        task.created_at = moment
        task.expires_at = moment + timedelta(days=self._settings.review_days)
        hours = self._settings.escalate_hours
        task.escalates_at = escalation_time(task.created_at, task.expires_at, hours)
        task.escalated_at = None
        task.priority += int(waited.total_seconds() * 1000)
        event = {"task_id": task.id, "answer_id": task.answer_id, "by": reviewer.name}
        append_audit(session, "recheck", event)
        session.flush()

    def _out(
        self, session: Session, reviewer: Principal, answer_id: str
    ) -> tuple[RecordRow, ReleaseRow]:
        reviewer.require("reviewer")
        record, released = session.get(RecordRow, answer_id), session.get(ReleaseRow, answer_id)
        if record is None or not may_read(reviewer, record.evidence, record.searched):
            raise NotFound(GONE)
        if released is None or released.withdrawn_at is not None:
            raise Conflict("This answer is not out: it was never released, or taken back.")
        return record, released


def _changed(session: Session, cursor: str | None, limit: int) -> Sequence[ReleaseRow]:
    stands = exists(
        select(PassageRow.id)
        .join(
            DocumentRow,
            and_(
                DocumentRow.id == PassageRow.document_id,
                DocumentRow.revision == PassageRow.revision,
                DocumentRow.state != DELETED,
            ),
        )
        .where(PassageRow.id == CitationRow.passage_id)
    )
    cites = select(CitationRow.answer_id).where(~CitationRow.kept, ~stands)
    order = ReleaseRow.released_at, ReleaseRow.answer_id
    query = select(ReleaseRow).where(
        ReleaseRow.withdrawn_at.is_(None), ReleaseRow.answer_id.in_(cites)
    )
    if cursor is not None:
        before = session.get(ReleaseRow, cursor)
        if before is None:
            raise BadRequest("The cursor is not one that this list gave.")
        query = query.where(tuple_(*order) > tuple_(before.released_at, before.answer_id))
    return session.scalars(query.order_by(*order).limit(limit)).all()


def _readable(session: Session, reviewer: Principal, row: ReleaseRow) -> bool:
    record = session.get_one(RecordRow, row.answer_id)
    return may_read(reviewer, record.evidence, record.searched)


def _view(session: Session, row: ReleaseRow) -> ChangedAnswer:
    record = session.get_one(RecordRow, row.answer_id)
    query = select(ReviewTaskRow.id).where(ReviewTaskRow.answer_id == row.answer_id)
    return ChangedAnswer(
        answer_id=row.answer_id,
        question=without_accidents(record.question),
        asker=record.principal,
        text=row.answer["text"],
        released_at=cast("str", iso(row.released_at)),
        released_by=row.released_by,
        documents=_documents(session, row),
        task_id=session.scalar(query.where(ReviewTaskRow.undecided)),
    )


def _documents(session: Session, row: ReleaseRow) -> list[ChangedDocument]:
    """Those that a cited passage no longer belongs to."""
    found: dict[str, ChangedDocument] = {}
    for one in row.answer["citations"]:
        document = session.get(DocumentRow, one["document_id"])
        passage = session.get(PassageRow, one["passage_id"])
        removed = document is None or document.state == DELETED
        same = document is not None and passage is not None
        if removed or not same or passage.revision != document.revision:  # type: ignore[union-attr]
            title = one["title"] if document is None else document.title
            changed = ChangedDocument(one["document_id"], title, removed)
            found[one["document_id"]] = changed
    return list(found.values())


def _cited(session: Session, row: ReleaseRow) -> list[dict[str, Any]]:
    ids = {one["passage_id"] for one in row.answer["citations"]}
    return [passage_object(passage) for passage, _ in find_passages(session, ids)]
