"""What a slower drafter wrote for a task: shown beside the task's own draft until a reviewer takes
it."""

from typing import Any, cast

from sqlalchemy import Text, delete, exists, not_, select, true
from sqlalchemy import cast as as_type
from sqlalchemy.orm import Session

from app.db import database_time, iso
from app.errors import ApprovalVoid
from app.records.audit import lock_head
from app.records.recording import Trail, keep_policy
from app.records.tables import RecordRow
from app.records.views import AnswerBody, view_of
from app.review.priority import EMPTY
from app.review.probes import probe_of, record_of
from app.review.redrafts import drafted_content, exchange_draft, hash_of
from app.review.sources import stale, standing
from app.review.states import held, waiting
from app.review.tables import ApprovalRow, BackgroundDraftRow, RedraftRow, ReviewTaskRow
from app.review.views import BackgroundDraftView, FindingView
from guardrails.contract import Outcome


def undrafted_tasks(session: Session, limit: int, *, every: bool) -> list[str]:
    """Ids of the most urgent tasks that nobody has begun with and no drafter has seen.

    Those without a draft, or with ``every`` all. Probes are among them, or they would stand out.
    """
    task, moment = ReviewTaskRow, database_time(session)
    begun = (
        exists(select(row.task_id).where(row.task_id == task.id))
        for row in (BackgroundDraftRow, RedraftRow, ApprovalRow)
    )
    query = select(task.id).where(
        task.undecided == true(),
        waiting(moment),
        not_(held(moment)),
        task.created_at <= moment,
        true() if every else task.cause == EMPTY,
        *map(not_, begun),
    )
    return list(session.scalars(query.order_by(task.priority, task.id).limit(limit)))


def begin_draft(session: Session, task_id: str, model: str) -> RecordRow | None:
    """Note that ``model`` drafts for the task; returns what is shown of it, only to be read.

    None where another process was faster, or the task waits no more. What was begun is not begun
    again, even if it never ends: a question that ends the process must not do so for ever.
    """
    task = session.get(ReviewTaskRow, task_id, with_for_update=True, populate_existing=True)
    if task is None or not task.undecided or session.get(BackgroundDraftRow, task_id) is not None:
        return None
    moment = database_time(session)
    session.add(BackgroundDraftRow(task_id=task_id, model=model, content_sha256="", made_at=moment))
    return _shown(session, task)


def forget_draft(session: Session, task_id: str) -> None:
    """As if nobody had begun to draft for the task, so that it is tried again."""
    session.execute(delete(BackgroundDraftRow).where(BackgroundDraftRow.task_id == task_id))


def finish_draft(session: Session, task_id: str, trail: Trail) -> bool:
    """Keep what the drafter came to: whether it is a draft, for a task that still waits, and of
    passages that still stand."""
    row = session.get(BackgroundDraftRow, task_id, with_for_update=True, populate_existing=True)
    lock_head(session)  # so that no source goes, and no policy comes, in between
    task = session.get(ReviewTaskRow, task_id)
    if row is None or task is None or not task.undecided or trail.outcome == "blocked":
        return False
    used = {passage.id for passage in trail.evidence}
    if trail.draft is None or trail.draft.abstained or not used <= standing(session, used):
        return False
    content = drafted_content(trail)
    row.content, row.content_sha256 = content, hash_of(_shown(session, task), content)
    row.made_at = database_time(session)
    keep_policy(session, trail)
    return True


def background_draft_of(session: Session, task: ReviewTaskRow) -> BackgroundDraftView | None:
    """What reviewers of the task are offered; nothing where a source that it cites changed."""
    row = session.get(BackgroundDraftRow, task.id) if task.undecided else None
    if row is None or row.content is None or stale(session, {task.id: row.content["draft"]}):
        return None
    failed = [one for one in row.content["findings"] if one["outcome"] != Outcome.PASS]
    return BackgroundDraftView(
        model=row.model,
        made_at=cast("str", iso(row.made_at)),
        draft=AnswerBody.of(row.content["draft"]),
        findings=[view_of(FindingView, finding) for finding in failed],
        content_sha256=row.content_sha256,
    )


def take_draft(
    session: Session, task: ReviewTaskRow, record: RecordRow, wanted: str, by: str
) -> dict[str, Any]:
    """Put the background draft with that hash in the place of the draft; returns its content.

    Raises ``ApprovalVoid`` where there is no such draft any more.
    """
    row = session.get(BackgroundDraftRow, task.id, with_for_update=True, populate_existing=True)
    if row is None or row.content is None or row.content_sha256 != wanted:
        raise ApprovalVoid
    content: dict[str, Any] = dict(row.content)
    session.delete(row)
    exchange_draft(session, task, record, content, by)
    return content


def forget_drafts_over(session: Session, document_id: str) -> None:
    """Remove the background drafts that have a passage of the document as evidence."""
    holds = as_type(BackgroundDraftRow.content, Text).contains(document_id)
    session.execute(delete(BackgroundDraftRow).where(holds))


def _shown(session: Session, task: ReviewTaskRow) -> RecordRow:
    probe = probe_of(session, task)
    return session.get_one(RecordRow, task.answer_id) if probe is None else record_of(task, probe)
