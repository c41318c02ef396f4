"""What the service did lately: answers by outcome and day, what became of them, waits, times,
and what a released one costs."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import ColumnElement, Select, Text, cast, func, select
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.db import iso, now
from app.records.tables import AnswerDayRow, RecordRow
from app.review.minutes import review_seconds
from app.review.scopes import from_collection, readable_by
from app.review.tables import ReviewTaskRow
from app.telemetry import FREE, Prices

MOST_TIMED = 2000
"""Answers whose times are looked at, the newest first: a page must not read a whole year."""
BATCH = 1000
OUTCOMES = ("released", "held", "abstained", "blocked")
RELEASED = ("released", "corrected")
UNSETTLED = ("", "reopened", "recalled")


@dataclass(frozen=True)
class DayView:
    """A day (UTC) and its answers by what was decided at once."""

    day: str
    released: int
    held: int
    abstained: int
    blocked: int


@dataclass(frozen=True)
class StageView:
    """How long a stage took, in milliseconds; ``total`` is all of them together."""

    stage: str
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class BacklogView:
    """Held answers that wait for a reviewer now."""

    waiting: int
    overdue: Annotated[int, Field(description="Past their deadline; they expire soon.")]
    oldest_at: str | None
    escalated: Annotated[
        int, Field(description="Of these, escalated by age: nobody had taken them.")
    ] = 0


@dataclass(frozen=True)
class CostView:
    """What the answers of these days took, and what that costs at the prices of the settings.

    A process's CPU time since its last answer counts for the next one, whatever it was spent on.
    """

    cpu_s: float
    tokens_read: float
    tokens_written: float
    reviewer_minutes: Annotated[
        float, Field(description="From claim to decision, each at most half an hour.")
    ]
    total: Annotated[float | None, Field(description="null: no price is set.")]
    per_released: Annotated[float | None, Field(description="null: no price, or none released.")]


@dataclass(frozen=True)
class FiguresView:
    """Figures of the last days; ``stages`` are of the newest ``timed`` answers."""

    days: list[DayView]
    answers: int
    released: Annotated[int, Field(description="By the policy or by a reviewer, not withdrawn.")]
    waiting: Annotated[int, Field(description="Of these answers, those still held.")]
    stages: list[StageView]
    timed: int
    backlog: BacklogView
    cost: CostView


def figures(
    session: Session, principal: Principal, collection: str | None, days: int, prices: Prices = FREE
) -> FiguresView:
    """Of answers for which the collection was searched, or of all within the principal's scope;
    for ``days`` whole days, today among them."""
    today = now().date()
    first = today - timedelta(days=days - 1)
    counted = _counted(session, principal, collection, first)
    released = _answers(row for row in counted if (row.state or row.outcome) in RELEASED)
    held = (row for row in counted if row.outcome == "held" and row.state in UNSETTLED)
    timings = list(_timings(session, principal, collection, first))
    return FiguresView(
        days=_by_day(counted, first, today),
        answers=_answers(counted),
        released=released,
        waiting=_answers(held),
        stages=_stages(timings),
        timed=len(timings),
        backlog=_backlog(session, _tasks_of(principal, collection)),
        cost=_cost(session, _tasks_of(principal, collection), counted, first, released, prices),
    )


def _counted(
    session: Session, principal: Principal, collection: str | None, first: date
) -> Sequence[Any]:
    """The rows of ``AnswerDayRow`` that are asked for."""
    row, since = AnswerDayRow, AnswerDayRow.day >= first.isoformat()
    sets = select(row.searched, cast(row.collections, Text)).where(since).distinct()
    wanted = [
        searched
        for searched, names in session.execute(sets)
        if _is_wanted(principal, collection, json.loads(names))
    ]
    amounts = (row.answers, row.cpu_s, row.tokens_read, row.tokens_written)
    summed = [func.sum(one).label(one.key) for one in amounts]
    query = select(row.day, row.outcome, row.state, *summed).where(since)
    query = query.where(row.searched.in_(wanted)).group_by(row.day, row.outcome, row.state)
    return session.execute(query).all()


def _is_wanted(principal: Principal, collection: str | None, names: Sequence[str]) -> bool:
    """Whether an answer counts for which these collections were searched."""
    return (collection is None or collection in names) and principal.may_read_all(names)


def _answers(rows: Iterable[Any]) -> int:
    return int(sum(row.answers for row in rows))


def _by_day(counted: Iterable[Any], first: date, last: date) -> list[DayView]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in counted:
        counts[row.day][row.outcome] += int(row.answers)
    whole = [(first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)]
    return [DayView(day, **{name: counts[day][name] for name in OUTCOMES}) for day in whole]


def _timings(
    session: Session, principal: Principal, collection: str | None, first: date
) -> Iterator[Mapping[str, float]]:
    """Of the newest answers, those that are asked for."""
    query: Select[*tuple[Any, ...]] = (
        select(RecordRow.timings_ms, RecordRow.searched)
        .where(RecordRow.created_at >= _midnight(first))
        .order_by(RecordRow.created_at.desc())
        .limit(MOST_TIMED)
        .execution_options(yield_per=BATCH)
    )
    for timings, searched in session.execute(query):
        if _is_wanted(principal, collection, searched.get("collections", ())):
            yield timings


def _midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time())


def _stages(timings: Iterable[Mapping[str, float]]) -> list[StageView]:
    """In the order of the stages, the total first; of each, answers that came so far."""
    times: dict[str, list[float]] = {"total": []}
    for one in timings:
        if one:
            times["total"].append(sum(one.values()))
        for stage, milliseconds in one.items():
            times.setdefault(stage, []).append(milliseconds)
    return [
        StageView(stage, *(_percentile(sorted(found), share) for share in (0.5, 0.95, 0.99)))
        for stage, found in times.items()
        if found
    ]


def _percentile(ordered: list[float], share: float) -> float:
    """The nearest rank: a value that occurred."""
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)


def _tasks_of(principal: Principal, collection: str | None) -> list[ColumnElement[bool]]:
    """Conditions on review tasks: those whose evidence is asked for."""
    of = [readable_by(principal)]
    return of if collection is None else [*of, from_collection(collection)]


def _backlog(session: Session, of: Sequence[ColumnElement[bool]]) -> BacklogView:
    waiting = [ReviewTaskRow.undecided, ReviewTaskRow.kind == "held", *of]
    count = select(func.count(), func.min(ReviewTaskRow.created_at)).where(*waiting)
    number, oldest = session.execute(count).one()
    aged = select(func.count()).where(*waiting, ReviewTaskRow.escalated_at.is_not(None))
    late = select(func.count()).where(*waiting, ReviewTaskRow.expires_at <= now())
    escalated = session.scalar(aged) or 0
    return BacklogView(number, session.scalar(late) or 0, iso(oldest), escalated)


def _cost(
    session: Session,
    of: Sequence[ColumnElement[bool]],
    counted: Sequence[Any],
    first: date,
    released: int,
    prices: Prices,
) -> CostView:
    cpu = sum(row.cpu_s for row in counted)
    read = sum(row.tokens_read for row in counted)
    written = sum(row.tokens_written for row in counted)
    reviewing = review_seconds(session, _midnight(first), of)
    total = prices.of_cpu(cpu) + prices.of_tokens(read, written) + prices.of_reviewers(reviewing)
    priced = prices != FREE
    return CostView(
        cpu_s=round(cpu, 1),
        tokens_read=round(read),
        tokens_written=round(written),
        reviewer_minutes=round(reviewing / 60, 1),
        total=round(total, 4) if priced else None,
        per_released=round(total / released, 4) if priced and released else None,
    )
