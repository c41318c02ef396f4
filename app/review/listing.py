"""Lists of review tasks, and how many wait."""

import base64
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Select,
    Text,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.orm import Session, aliased

from app.access.principals import Principal
from app.db import database_time, iso
from app.errors import BadRequest
from app.gate.certificates import provisional_among
from app.records.tables import RecordRow
from app.review.decisions import (
    APPROVALS,
    approvers_of,
)
from app.review.priority import STEP, urgency_of
from app.review.probes import PROBES, open_to, visible_to
from app.review.scopes import from_collection, readable_by
from app.review.sources import stale
from app.review.states import in_state, is_held, state_at, waiting
from app.review.tables import ProbeRow, RedraftRow, ReviewTaskRow
from app.review.views import (
    TaskState,
    TasksView,
    TaskView,
)
from guardrails.personal_data.find import without_accidents

UNSIGNED = "A person must look at this answer."
"""Why a draft without any finding is here; the same for audits, so that they stay unmarked."""
BY_PRIORITY = ("open", "claimed", "snoozed")
"""The states that are listed by urgency; ``all`` as they came, the others with the newest first."""
MOST_STATES = ("open", "snoozed", "all")
"""The states beside which the count is of the same filters."""
COUNTED_STATES = ("open", "snoozed")
"""The states whose first page and count are of the same tasks."""
MOST_COUNTED, MOST_COUNTED_BY_WORDS = 1000, 200
"""Of what holds words each row is read; no page is longer than the second."""
NEAR, SAMPLE = 4, 60
"""Words are looked for first among so many times the tasks that are counted, where one in so many
has them of the first 60."""
MOST_KEPT = 64
"""Statements that are kept: of the pages that reviewers come back to."""
MOMENT = bindparam("moment", type_=DateTime)
WORDS = bindparam("words", type_=Text)
NO_CURSOR = "The cursor is not one that this list gave."


@dataclass(frozen=True)
class TaskFilter:
    """Which tasks to list; what is None or "" does not matter.

    ``queue`` "" are those in no queue, ``assigned_to`` "" those of nobody. ``cause`` is as in
    ``app.review.priority``, tasks of unknown risk are within every ``min_risk``, and ``text`` is
    looked for in questions, whatever its case.
    """

    state: str = "open"
    queue: str | None = None
    collection: str | None = None
    cause: str | None = None
    asker: str | None = None
    assigned_to: str | None = None
    min_risk: float | None = None
    text: str = ""


@dataclass(frozen=True)
class Shown:
    """What a list shows of a record, or of the content of a probe; ``citations`` are those of the
    draft that counts."""

    question: str
    asker: str
    searched_for: str
    reasons: list[str]
    certificate: str
    citations: list[Any]


@dataclass(frozen=True)
class _Listed:
    """A task of a page, and what is shown of it; None: there is nothing."""

    task: ReviewTaskRow
    shown: Shown | None


def list_tasks(
    session: Session, reviewer: Principal, wanted: TaskFilter, limit: int, cursor: str | None
) -> TasksView:
    """One page of what the reviewer may see, and how many of their tasks are open.

    The count is of the queue and collection that are asked for, of open tasks; beside other
    states it is of all. It ends at ``_most``: a page costs the same however many wait.
    Raises ``Invalid`` and ``BadRequest``.
    """
    moment = database_time(session)
    counted = wanted if wanted.state in MOST_STATES else TaskFilter()
    if cursor is None and wanted.state in COUNTED_STATES:
        rows, waiting_tasks = _first_page(session, reviewer, wanted, limit, moment)
    else:
        rows = _page(session, reviewer, wanted, limit, cursor, moment)
        waiting_tasks = _count_for(session, reviewer, counted, moment)
    page, more = rows[:limit], len(rows) > limit
    return TasksView(
        tasks=_views(session, page, moment),
        open=min(waiting_tasks, _most(counted)),
        next_cursor=_cursor(page[-1].task, wanted.state) if more else None,
        open_more=waiting_tasks > _most(counted),
    )


def _most(counted: TaskFilter) -> int:
    """Up to how many are counted."""
    return MOST_COUNTED_BY_WORDS if counted.text.strip() else MOST_COUNTED


def count_open(session: Session, moment: datetime) -> int:
    """How many tasks wait for anybody."""
    begun = ReviewTaskRow.created_at <= moment
    query = select(func.count()).select_from(ReviewTaskRow).where(waiting(moment), begun)
    return session.scalar(query) or 0


@dataclass(frozen=True)
class QueueState:
    """What waits for anybody: how many tasks, those of them that escalated by age, and the age of
    the oldest in seconds, 0 where there is none."""

    open: int
    escalated: int
    oldest_s: float


def queue_state(session: Session, moment: datetime) -> QueueState:
    """Of all tasks that wait at that moment, those that are put off too."""
    row = ReviewTaskRow
    open_now = waiting(moment), row.created_at <= moment
    # Two statements: the first reads an index alone, the second the few rows that escalated.
    number, oldest = session.execute(
        select(func.count(), func.min(row.created_at)).where(*open_now)
    ).one()
    aged = select(func.count()).where(*open_now, row.escalated_at.is_not(None))
    age = (moment - oldest).total_seconds() if oldest else 0.0
    return QueueState(number, session.scalar(aged) or 0, age)


def _count_for(session: Session, reviewer: Principal, wanted: TaskFilter, moment: datetime) -> int:
    """How many tasks wait for the reviewer, but at most one more than ``_most``."""
    state = wanted.state if wanted.state == "snoozed" else "open"
    query = _built(_counting, reviewer, replace(wanted, state=state), _most(wanted))
    return session.scalar(query, _values(wanted, moment)) or 0


def _counting(reviewer: Principal, wanted: TaskFilter, most: int) -> Select[int]:
    return select(func.count()).select_from(_counted(reviewer, wanted, most).subquery())


def _first_page(
    session: Session, reviewer: Principal, wanted: TaskFilter, limit: int, moment: datetime
) -> tuple[list[_Listed], int]:
    """As ``_page`` and ``_count_for``, by one look at the tasks; of a server for words, two where
    few tasks have them."""
    most, values = _most(wanted), _values(wanted, moment)
    if "words" in values and session.get_bind().dialect.name == "postgresql":
        rows = session.execute(
            _built(_first, reviewer, wanted, most, limit, _soonest), values
        ).all()
        if rows and rows[0][-1] > most:
            return [_listed(row) for row in rows], rows[0][-1]
    rows = session.execute(_built(_first, reviewer, wanted, most, limit, _counted), values).all()
    return [_listed(row) for row in rows], rows[0][-1] if rows else 0


def _first(
    reviewer: Principal, wanted: TaskFilter, most: int, limit: int, look: Callable[..., Select[Any]]
) -> Select[Any]:
    found = look(reviewer, wanted, most).cte("found")
    total = select(func.count()).select_from(found).scalar_subquery()
    chosen = select(found.c.id).order_by(found.c.priority, found.c.id).limit(limit + 1)
    return _listing(chosen).add_columns(total).order_by(ReviewTaskRow.priority, ReviewTaskRow.id)


def _built(build: Callable[..., Select[Any]], *shape: Any) -> Select[Any]:
    """``build(*shape)``: a statement whose parameters are ``_values``. It is kept, as building one
    takes longer than what it asks."""
    return _kept(build, tuple(map(_without_words, shape)))


def _without_words(part: Any) -> Any:
    """A filter for some words is one statement, whatever they are, and none that is kept holds
    words of a question."""
    if isinstance(part, TaskFilter) and part.text:
        return replace(part, text="*" if part.text.strip() else "")
    return part


def _values(wanted: TaskFilter, moment: datetime) -> dict[str, Any]:
    """The parameters of a statement for ``wanted``."""
    words = wanted.text.strip()
    return {"moment": moment} | ({"words": f"%{_literally(words)}%"} if words else {})


@lru_cache(MOST_KEPT)
def _kept(build: Callable[..., Select[Any]], shape: tuple[Any, ...]) -> Select[Any]:
    return build(*shape)


def _reads() -> Select[Any]:
    """Tasks with what is shown of them, in one statement, and of large columns only the part that
    a list needs."""
    redrafted = (
        select(RedraftRow.content[("draft", "citations")])
        .where(RedraftRow.task_id == ReviewTaskRow.id)
        .order_by(RedraftRow.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    record = RecordRow
    columns = (
        record.question,
        record.principal,
        func.coalesce(
            record.searched["read_as"].as_string(), record.searched["question"].as_string()
        ),
        record.verdict["reasons"],
        record.lineage["certificate"],
        record.draft["citations"],
    )
    return (
        select(ReviewTaskRow, ProbeRow.content, redrafted, *columns)
        .outerjoin(record, record.answer_id == ReviewTaskRow.answer_id)
        .outerjoin(ProbeRow, ProbeRow.task_id == ReviewTaskRow.id)
    )


_READS = _reads()


def _listing(chosen: Select[str]) -> Select[Any]:
    """Those tasks. By their ids first: these come from an index alone, and only rows of the page
    are read."""
    return _READS.where(ReviewTaskRow.id.in_(chosen.scalar_subquery()))


def _listed(row: Sequence[Any]) -> _Listed:
    """A row of ``_listing``."""
    task, content, redrafted, *of_record = row[:9]
    shown = _of_record(*of_record) if task.kind not in PROBES else _of_content(content)
    if shown is not None and redrafted is not None:
        shown = replace(shown, citations=redrafted)
    return _Listed(task, shown)


def _of_record(
    question: str | None,
    asker: str,
    meant: str | None,
    reasons: list[str],
    certificate: str | None,
    citations: list[Any] | None,
) -> Shown | None:
    if question is None:
        return None
    return Shown(question, asker, meant or question, reasons, certificate or "", citations or [])


def _of_content(content: Mapping[str, Any] | None) -> Shown | None:
    if content is None:
        return None
    draft, question = content["draft"] or {"citations": []}, content["question"]
    return Shown(
        question,
        content["principal"],
        content["searched"].get("read_as") or content["searched"].get("question") or question,
        content["verdict"]["reasons"],
        content["lineage"].get("certificate", ""),
        draft["citations"],
    )


def _counted(reviewer: Principal, wanted: TaskFilter, most: int) -> Select[str, int]:
    """The most urgent tasks of a state in ``COUNTED_STATES``, one more than ``most``."""
    row = ReviewTaskRow
    # ``undecided`` and the order are those of the index, or the database looks for them among
    # all that were decided.
    conditions = [row.undecided == true(), in_state(wanted.state, MOMENT)]
    conditions += [readable_by(reviewer), open_to(reviewer, MOMENT), *_narrowed(wanted)]
    found = select(row.id, row.priority).where(*conditions)
    return found.order_by(row.priority, row.id).limit(most + 1)


def _soonest(reviewer: Principal, wanted: TaskFilter, most: int) -> Select[str, int]:
    """Those of ``_counted`` that are among the first ``NEAR`` times as many without the words; none
    where ``SAMPLE`` says that these are too few.

    Words that many tasks have are found there, and no text of another task is read: PostgreSQL
    expects that hardly any task fits, reads all that wait, and sorts what it found.
    """
    anything = replace(wanted, text="")
    near = _counted(reviewer, anything, NEAR * most).subquery("near")
    sample = _counted(reviewer, anything, SAMPLE - 1).subquery("sample")
    hits = select(func.count()).select_from(sample).where(_has_words(sample.c.id))
    often = hits.scalar_subquery() * NEAR > SAMPLE
    found = select(near.c.id, near.c.priority).where(often, _has_words(near.c.id))
    return found.order_by(near.c.priority, near.c.id).limit(most + 1)


def _has_words(task_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether that task has the words; looked up for each, in the order in which they come."""
    task = aliased(ReviewTaskRow)
    words = select(task.words).where(task.id == task_id).scalar_subquery()
    return words.like(func.lower(WORDS), escape="/")


def _page(
    session: Session,
    reviewer: Principal,
    wanted: TaskFilter,
    limit: int,
    cursor: str | None,
    moment: datetime,
) -> list[_Listed]:
    """One row more than ``limit`` when there is a next page."""
    if cursor is None:
        query = _built(_paged, reviewer, wanted, limit)
    else:
        query = _paged(reviewer, wanted, limit, cursor)
    return [_listed(row) for row in session.execute(query, _values(wanted, moment))]


def _paged(
    reviewer: Principal, wanted: TaskFilter, limit: int, cursor: str | None = None
) -> Select[Any]:
    listed = wanted.state in BY_PRIORITY
    conditions = [
        in_state(wanted.state, MOMENT),
        readable_by(reviewer),
        (open_to if listed else visible_to)(reviewer, MOMENT),
        *_narrowed(wanted),
    ]
    order = (ReviewTaskRow.priority if listed else ReviewTaskRow.created_at, ReviewTaskRow.id)
    upwards = listed or wanted.state == "all"
    if listed and wanted.state != "claimed":  # the index begins with it
        conditions.append(ReviewTaskRow.undecided == true())
    if cursor is not None:
        after = tuple_(*_place(cursor, listed))
        conditions.append(tuple_(*order) > after if upwards else tuple_(*order) < after)
    columns = order if upwards else tuple(column.desc() for column in order)
    chosen = select(ReviewTaskRow.id).where(and_(*conditions)).order_by(*columns).limit(limit + 1)
    return _listing(chosen).order_by(*columns)


def _narrowed(wanted: TaskFilter) -> list[ColumnElement[bool]]:
    row, found = ReviewTaskRow, list[ColumnElement[bool]]()
    for column, value in (
        (row.queue, wanted.queue),
        (row.cause, wanted.cause),
        (row.asker, wanted.asker),
    ):
        if value is not None:
            found.append(column == value)
    if wanted.assigned_to is not None:
        found.append(func.coalesce(row.assigned_to, "") == wanted.assigned_to)
    if wanted.min_risk is not None:
        found.append(or_(row.risk >= wanted.min_risk, row.risk.is_(None)))
    if wanted.collection is not None:
        found.append(from_collection(wanted.collection))
    if wanted.text.strip():
        found.append(row.words.like(func.lower(WORDS), escape="/"))
    return found


def _literally(text: str) -> str:
    """The text as part of a pattern of ``LIKE`` with ``/`` as its escape."""
    return text.replace("/", "//").replace("%", "/%").replace("_", "/_")


def _cursor(task: ReviewTaskRow, state: str) -> str:
    listed = state in BY_PRIORITY
    place = f"{task.priority if listed else task.created_at.isoformat()} {task.id}"
    return base64.urlsafe_b64encode(place.encode()).decode()


def _place(cursor: str, listed: bool) -> tuple[datetime | int, str]:
    try:
        first, _, task_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        place = int(first) if listed else datetime.fromisoformat(first), task_id
    except ValueError as error:
        raise BadRequest(NO_CURSOR) from error
    known = abs(place[0]) < 2**63 if isinstance(place[0], int) else place[0].tzinfo is None
    if not known or "\0" in task_id:
        raise BadRequest(NO_CURSOR)
    return place


@dataclass(frozen=True)
class QueueCount:
    """How many open tasks one queue has; "" is that without a name."""

    queue: str
    open: int
    urgent: int


@dataclass(frozen=True)
class CountsView:
    """What waits for one reviewer: by queue, and what is theirs."""

    queues: list[QueueCount]
    causes: dict[str, int]
    mine: int
    snoozed: int


def count_waiting(session: Session, reviewer: Principal) -> CountsView:
    """Counts of the open tasks that the reviewer may see."""
    moment, row = database_time(session), ReviewTaskRow
    seen = [readable_by(reviewer), open_to(reviewer, moment)]
    urgent = func.sum(case((row.priority < STEP, 1), else_=0))
    mine = func.sum(case((row.assigned_to == reviewer.name, 1), else_=0))
    query = select(row.queue, row.cause, func.count(), urgent, mine)
    found = query.where(in_state("open", moment), *seen).group_by(row.queue, row.cause)
    queues, causes, own = dict[str, QueueCount](), Counter[str](), 0
    for queue, cause, waiting_tasks, pressing, assigned in session.execute(found):
        before = queues.get(queue, QueueCount(queue, 0, 0))
        queues[queue] = QueueCount(queue, before.open + waiting_tasks, before.urgent + pressing)
        causes[cause] += waiting_tasks
        own += assigned
    later = select(func.count()).where(in_state("snoozed", moment), *seen)
    return CountsView(
        [queues[name] for name in sorted(queues)],
        dict(sorted(causes.items())),
        own,
        session.scalar(later) or 0,
    )


def _views(session: Session, page: Sequence[_Listed], moment: datetime) -> list[TaskView]:
    shown = {one.task.id: (one.task, one.shown) for one in page if one.shown is not None}
    approvers = approvers_of(session, [one.task for one in page])
    shipped = shipped_among(session, [one.certificate for _, one in shown.values()])
    cited = {key: one.citations for key, (task, one) in shown.items() if task.undecided}
    old = stale(session, {key: {"citations": one} for key, one in cited.items()})
    return [
        TaskView(**task_row(task, one, approvers, shipped, moment), stale=key in old)
        for key, (task, one) in shown.items()
    ]


def shipped_among(session: Session, certificates: Iterable[str]) -> set[str]:
    """The provisional ones of these certificates.

    By the lineage, which gold items have too: what else a record knows would tell them apart.
    """
    return provisional_among(session, filter(None, certificates))


def task_row(
    task: ReviewTaskRow,
    shown: Shown,
    approvers: Mapping[str, Sequence[str]],
    shipped: Container[str],
    moment: datetime,
) -> dict[str, Any]:
    """The fields of a ``TaskView``; ``shipped`` are the provisional certificates."""
    return {
        "task_id": task.id,
        "answer_id": task.answer_id,
        "state": cast("TaskState", state_at(task, moment)),
        **_words(shown),
        "asker": shown.asker,
        "created_at": iso(task.created_at),
        "expires_at": iso(task.expires_at),
        "claimed_by": _holder(task, moment),
        "queue": task.queue,
        "four_eyes": task.four_eyes,
        "approved_by": list(approvers.get(task.id, ())),
        "approvals_needed": APPROVALS if task.four_eyes else 1,
        "provisional": shown.certificate in shipped,
        "urgency": urgency_of(task.priority),
        "escalated_at": iso(task.escalated_at),
        "cause": task.cause,
        "risk": task.risk,
        "assigned_to": task.assigned_to,
        "snoozed_until": iso(task.snoozed_until),
    }


def _words(shown: Shown) -> dict[str, Any]:
    """What was asked and why it waits, without a card number or password that the asker typed."""
    question = without_accidents(shown.question)
    reasons = shown.reasons or [UNSIGNED]
    if shown.searched_for == shown.question:
        searched_for = question
    else:
        searched_for = without_accidents(shown.searched_for)
    if question != shown.question:
        reasons = list(map(without_accidents, reasons))
    return {"question": question, "searched_for": searched_for, "reasons": reasons}


def _holder(task: ReviewTaskRow, moment: datetime) -> str | None:
    """Who holds it, or who decided it; nobody once a claim has ended."""
    return None if task.undecided and not is_held(task, moment) else task.claimed_by
