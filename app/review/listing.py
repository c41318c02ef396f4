"""Lists of review tasks, and one task with all that a decision needs."""

import base64
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, and_, func, select, tuple_
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.corpus.passages import current_passages
from app.db import database_time, iso
from app.errors import BadRequest
from app.gate.certificates import provisional_among
from app.records.recording import recorded_second_try, searched_for
from app.records.release import without_removed
from app.records.tables import RecordRow
from app.records.views import AnswerBody, view_of
from app.review.decisions import APPROVALS, approvers_of, decision_of, newest_proposal, shown_sha256
from app.review.probes import PROBES, open_to, visible_to
from app.review.scopes import from_collection, readable_by
from app.review.states import UNDECIDED, in_state, state_at, waiting
from app.review.tables import ApprovalRow, ProbeRow, ReviewTaskRow
from app.review.views import (
    EvidenceView,
    FindingView,
    ProposalView,
    SecondTryView,
    TaskDetailView,
    TaskState,
    TasksView,
    TaskView,
    VerdictView,
)
from guardrails.contract import AnswerObject

UNSIGNED = "A person must look at this answer."
"""Why a draft without any finding is here; the same for audits, so that they stay unmarked."""
OLDEST_FIRST = ("open", "all")
"""The states that are listed as they came in; the others begin with the newest task."""
MOST_COUNTED = 1000


@dataclass(frozen=True)
class TaskFilter:
    """Which tasks to list: ``queue`` None means all, "" those in no queue."""

    state: str = "open"
    queue: str | None = None
    collection: str | None = None


@dataclass(frozen=True)
class _Shown:
    """What a list shows of a record, or of the content of a probe."""

    question: str
    searched: Mapping[str, Any]
    principal: str
    verdict: Mapping[str, Any]
    lineage: Mapping[str, str]


_COLUMNS = tuple(_Shown.__dataclass_fields__)


def list_tasks(
    session: Session, reviewer: Principal, wanted: TaskFilter, limit: int, cursor: str | None
) -> TasksView:
    """One page of what the reviewer may see, and how many of their tasks are open.

    The count is of the queue and collection that are asked for, of open tasks; beside other
    states it is of all. It ends at ``MOST_COUNTED``: a page costs the same however many wait.
    Raises ``Invalid`` and ``BadRequest``.
    """
    moment = database_time(session)
    rows = _page(session, reviewer, wanted, limit, cursor, moment)
    page, more = rows[:limit], len(rows) > limit
    counted = wanted if wanted.state in OLDEST_FIRST else TaskFilter()
    waiting_tasks = _count_for(session, reviewer, counted, moment)
    return TasksView(
        tasks=_views(session, page, moment),
        open=min(waiting_tasks, MOST_COUNTED),
        next_cursor=_cursor(page[-1]) if more else None,
        open_more=waiting_tasks > MOST_COUNTED,
    )


def count_open(session: Session, moment: datetime) -> int:
    """How many tasks wait for anybody."""
    begun = ReviewTaskRow.created_at <= moment
    query = select(func.count()).select_from(ReviewTaskRow).where(waiting(moment), begun)
    return session.scalar(query) or 0


def _count_for(session: Session, reviewer: Principal, wanted: TaskFilter, moment: datetime) -> int:
    """How many tasks wait for the reviewer, but at most one more than ``MOST_COUNTED``."""
    conditions = [waiting(moment), readable_by(reviewer), open_to(reviewer, moment)]
    found = select(ReviewTaskRow.id).where(*conditions, *_narrowed(wanted))
    # In the order of the index, or the database looks for them among all that were decided.
    found = found.order_by(ReviewTaskRow.created_at, ReviewTaskRow.id).limit(MOST_COUNTED + 1)
    return session.scalar(select(func.count()).select_from(found.subquery())) or 0


def _page(
    session: Session,
    reviewer: Principal,
    wanted: TaskFilter,
    limit: int,
    cursor: str | None,
    moment: datetime,
) -> list[ReviewTaskRow]:
    """One row more than ``limit`` when there is a next page."""
    conditions = [
        in_state(wanted.state, moment),
        readable_by(reviewer),
        (open_to if wanted.state in UNDECIDED else visible_to)(reviewer, moment),
        *_narrowed(wanted),
    ]
    key = tuple_(ReviewTaskRow.created_at, ReviewTaskRow.id)
    upwards = wanted.state in OLDEST_FIRST
    if cursor is not None:
        after = tuple_(*_place(cursor))
        conditions.append(key > after if upwards else key < after)
    columns = (ReviewTaskRow.created_at, ReviewTaskRow.id)
    order = columns if upwards else tuple(column.desc() for column in columns)
    # By their ids first: these come from an index alone, and only rows of the page are read.
    chosen = select(ReviewTaskRow.id).where(and_(*conditions)).order_by(*order).limit(limit + 1)
    query = select(ReviewTaskRow).where(ReviewTaskRow.id.in_(chosen.scalar_subquery()))
    return list(session.scalars(query.order_by(*order)))


def _narrowed(wanted: TaskFilter) -> list[ColumnElement[bool]]:
    queue = [] if wanted.queue is None else [ReviewTaskRow.queue == wanted.queue]
    return queue if wanted.collection is None else [*queue, from_collection(wanted.collection)]


def _cursor(task: ReviewTaskRow) -> str:
    place = f"{task.created_at.isoformat()} {task.id}"
    return base64.urlsafe_b64encode(place.encode()).decode()


def _place(cursor: str) -> tuple[datetime, str]:
    try:
        moment, _, task_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        place = datetime.fromisoformat(moment), task_id
    except ValueError as error:
        raise BadRequest("The cursor is not one that this list gave.") from error
    if place[0].tzinfo is not None or "\0" in task_id:
        raise BadRequest("The cursor is not one that this list gave.")
    return place


def _views(session: Session, page: Sequence[ReviewTaskRow], moment: datetime) -> list[TaskView]:
    shown = _shown(session, page)
    approvers = approvers_of(session, page)
    shipped = _shipped(session, [one.lineage for one in shown.values()])
    return [
        TaskView(**_row(task, shown[task.id], approvers, shipped, moment))
        for task in page
        if task.id in shown
    ]


def _shown(session: Session, page: Sequence[ReviewTaskRow]) -> dict[str, _Shown]:
    """What is shown of each task, by its id, in the few columns that a list needs."""
    answers = {task.answer_id: task.id for task in page if task.kind not in PROBES}
    columns = (getattr(RecordRow, name) for name in _COLUMNS)
    query = select(RecordRow.answer_id, *columns).where(RecordRow.answer_id.in_(answers))
    found = {answers[row[0]]: _Shown(*row[1:]) for row in session.execute(query)}
    probes = [task.id for task in page if task.kind in PROBES]
    contents = select(ProbeRow.task_id, ProbeRow.content).where(ProbeRow.task_id.in_(probes))
    for task_id, content in session.execute(contents) if probes else ():
        found[task_id] = _Shown(**{name: content[name] for name in _COLUMNS})
    return found


def _shipped(session: Session, lineages: Iterable[Mapping[str, str]]) -> set[str]:
    """The provisional certificates in these lineages.

    By the lineage, which gold items have too: what else a record knows would tell them apart.
    """
    return provisional_among(session, filter(None, (one.get("certificate") for one in lineages)))


def _row(
    task: ReviewTaskRow,
    shown: _Shown | RecordRow,
    approvers: Mapping[str, Sequence[str]],
    shipped: Container[str],
    moment: datetime,
) -> dict[str, Any]:
    return {
        "task_id": task.id,
        "answer_id": task.answer_id,
        "state": cast("TaskState", state_at(task, moment)),
        "question": shown.question,
        "searched_for": searched_for(shown),
        "asker": shown.principal,
        "reasons": shown.verdict["reasons"] or [UNSIGNED],
        "created_at": iso(task.created_at),
        "expires_at": iso(task.expires_at),
        "claimed_by": task.claimed_by,
        "queue": task.queue,
        "four_eyes": task.four_eyes,
        "approved_by": list(approvers.get(task.id, ())),
        "approvals_needed": APPROVALS if task.four_eyes else 1,
        "provisional": shown.lineage.get("certificate", "") in shipped,
    }


def task_detail(
    session: Session, task: ReviewTaskRow, probe: ProbeRow | None, record: RecordRow
) -> TaskDetailView:
    """Everything a decision needs; removed sources have lost their text."""
    texts = current_passages(session, [passage["id"] for passage in record.evidence])
    draft = cast("AnswerObject", record.draft)
    proposal = newest_proposal(session, task)
    approvers, shipped = approvers_of(session, [task]), _shipped(session, [record.lineage])
    return TaskDetailView(
        **_row(task, record, approvers, shipped, database_time(session)),
        draft=AnswerBody.of(without_removed(draft, texts)),
        second_try=_second_try(record),
        proposal=_proposal(proposal, texts),
        evidence=_evidence(record, texts),
        findings=[view_of(FindingView, finding) for finding in record.findings],
        verdict=view_of(VerdictView, record.verdict),
        lineage=record.lineage,
        content_sha256=shown_sha256(record, proposal),
        decision=decision_of(session, task, probe),
        fence=task.fence,
        lease_until=iso(task.lease_until),
    )


def _evidence(record: RecordRow, texts: Mapping[str, str]) -> list[EvidenceView]:
    draft = cast("AnswerObject", record.draft)
    cited = {citation["passage_id"] for citation in draft["citations"]}
    return [
        EvidenceView(
            passage_id=passage["id"],
            document_id=passage["document_id"],
            title=passage["title"],
            page=passage["page"],
            text=texts.get(passage["id"], ""),
            removed=passage["id"] not in texts,
            cited=passage["id"] in cited,
            last_page=passage.get("last_page"),
            headings=list(passage.get("headings", ())),
        )
        for passage in record.evidence
    ]


def _second_try(record: RecordRow) -> SecondTryView | None:
    tried = recorded_second_try(record)
    return None if tried is None else SecondTryView(tried.judged, tried.message)


def _proposal(row: ApprovalRow | None, texts: Mapping[str, str]) -> ProposalView | None:
    if row is None:
        return None
    return ProposalView(
        reviewer=row.reviewer,
        edited=row.edited,
        answer=AnswerBody.of(without_removed(row.answer, texts)),
        approved_at=cast("str", iso(row.approved_at)),
    )
