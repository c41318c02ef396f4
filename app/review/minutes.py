"""How long reviewers took, from claim to decision, and how long held answers wait for them."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from app.db import now
from app.review.tables import DecisionRow, ReviewTaskRow

SHORTEST_S = 0.5
MOST_S = 1800.0
"""A claim over lunch is not half an hour of work, let alone more."""
MOST_READ = 5000
"""Decisions whose times are looked at, the newest ones."""
LATELY = timedelta(days=30)
LOOKED_AT = 50
FEWEST = 5
"""Decisions without which nothing is said of how long answers wait."""


@dataclass(frozen=True)
class WaitView:
    """How long a held answer usually waits."""

    usual_seconds: Annotated[
        float | None,
        Field(description="Median of the newest decisions of 30 days; null: too few to say."),
    ]


def seconds_taken(claimed: datetime | None, decided: datetime) -> float | None:
    """None for who claimed and decided in one step: nobody knows how long they read."""
    taken = None if claimed is None else (decided - claimed).total_seconds()
    return taken if taken is not None and taken >= SHORTEST_S else None


def seconds_on(session: Session, task_id: str) -> float | None:
    """How long the decision on one task took, as far as that is known."""
    row = session.execute(_times().where(DecisionRow.task_id == task_id)).first()
    return None if row is None else seconds_taken(*row)


def review_seconds(
    session: Session, since: datetime, of: Sequence[ColumnElement[bool]] = ()
) -> float:
    """All decisions on such tasks since then; those of unknown time take as long as the others do
    on average."""
    conditions = [DecisionRow.decided_at >= since, *of]
    joined = DecisionRow.task_id == ReviewTaskRow.id
    decided = select(func.count()).select_from(DecisionRow).join(ReviewTaskRow, joined)
    number = session.scalar(decided.where(*conditions)) or 0
    newest = _times().where(*conditions).order_by(DecisionRow.decided_at.desc()).limit(MOST_READ)
    times = [seconds_taken(*row) for row in session.execute(newest)]
    known = [min(one, MOST_S) for one in times if one is not None]
    return statistics.fmean(known) * number if known else 0.0


def usual_wait(session: Session) -> WaitView:
    """The median of the newest decisions on held answers."""
    query = (
        select(ReviewTaskRow.created_at, DecisionRow.decided_at)
        .join(DecisionRow, DecisionRow.task_id == ReviewTaskRow.id)
        .where(ReviewTaskRow.kind == "held", DecisionRow.decided_at >= now() - LATELY)
        .order_by(DecisionRow.decided_at.desc())
        .limit(LOOKED_AT)
    )
    waits = [max(0.0, (row[1] - row[0]).total_seconds()) for row in session.execute(query)]
    return WaitView(round(statistics.median(waits), 1) if len(waits) >= FEWEST else None)


def _times() -> Select[*tuple[Any, ...]]:
    return select(ReviewTaskRow.claimed_at, DecisionRow.decided_at).join(
        ReviewTaskRow, ReviewTaskRow.id == DecisionRow.task_id
    )
