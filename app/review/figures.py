"""What the service did lately: answers by outcome and day, what became of them, waits, times."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.db import iso, now
from app.records.tables import RecordRow, SettlementRow
from app.review.scopes import from_collection, readable_by
from app.review.tables import ReviewTaskRow

MOST = 20_000
"""Answers that are looked at, the newest first: a page must not read a whole year."""
BATCH = 1000
OUTCOMES = ("released", "held", "abstained", "blocked")
RELEASED = ("released", "corrected")


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


@dataclass(frozen=True)
class FiguresView:
    """Figures of the last days; ``complete`` False: only the newest answers were looked at."""

    days: list[DayView]
    answers: int
    released: Annotated[int, Field(description="By the policy or by a reviewer, not withdrawn.")]
    waiting: Annotated[int, Field(description="Of these answers, those still held.")]
    stages: list[StageView]
    backlog: BacklogView
    complete: bool


@dataclass(frozen=True)
class _Answer:
    at: datetime
    outcome: str
    settled: str | None
    timings: Mapping[str, float]


def figures(
    session: Session, principal: Principal, collection: str | None, days: int
) -> FiguresView:
    """Of answers for which the collection was searched, or of all within the principal's scope;
    for ``days`` whole days, today among them."""
    today = now().date()
    first = today - timedelta(days=days - 1)
    read = list(_answers(session, principal, collection, first))
    found = [answer for answer in read if answer is not None]
    return FiguresView(
        days=_by_day(found, first, today),
        answers=len(found),
        released=sum(_is_released(answer) for answer in found),
        waiting=sum(answer.outcome == "held" and answer.settled is None for answer in found),
        stages=_stages(answer.timings for answer in found),
        backlog=_backlog(session, principal, collection),
        complete=len(read) < MOST,
    )


def _answers(
    session: Session, principal: Principal, collection: str | None, first: date
) -> Iterator[_Answer | None]:
    """The newest answers, and None for each that is not asked for."""
    query: Select[*tuple[Any, ...]] = (
        select(
            RecordRow.created_at,
            RecordRow.outcome,
            SettlementRow.state,
            RecordRow.timings_ms,
            RecordRow.searched,
        )
        .outerjoin(SettlementRow, SettlementRow.answer_id == RecordRow.answer_id)
        .where(RecordRow.created_at >= datetime.combine(first, datetime.min.time()))
        .order_by(RecordRow.created_at.desc())
        .limit(MOST)
        .execution_options(yield_per=BATCH)
    )
    for at, outcome, settled, timings, searched in session.execute(query):
        names = searched.get("collections", ())
        wanted = collection is None or collection in names
        mine = all(map(principal.may_read, names))
        yield _Answer(at, outcome, settled, timings) if wanted and mine else None


def _by_day(answers: Iterable[_Answer], first: date, last: date) -> list[DayView]:
    counts: dict[date, Counter[str]] = defaultdict(Counter)
    for answer in answers:
        counts[answer.at.date()][answer.outcome] += 1
    whole = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [
        DayView(day.isoformat(), **{name: counts[day][name] for name in OUTCOMES}) for day in whole
    ]


def _is_released(answer: _Answer) -> bool:
    return (answer.settled or answer.outcome) in RELEASED


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


def _backlog(session: Session, principal: Principal, collection: str | None) -> BacklogView:
    moment = now()
    waiting = [ReviewTaskRow.undecided, ReviewTaskRow.kind == "held", readable_by(principal)]
    if collection is not None:
        waiting.append(from_collection(collection))
    count = select(func.count(), func.min(ReviewTaskRow.created_at)).where(*waiting)
    number, oldest = session.execute(count).one()
    late = select(func.count()).where(*waiting, ReviewTaskRow.expires_at <= moment)
    return BacklogView(number, session.scalar(late) or 0, iso(oldest))
