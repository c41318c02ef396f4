"""How long held answers wait for their reviewer, from what the queue did lately."""

from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Annotated

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import now
from app.review.tables import DecisionRow, ReviewTaskRow

LATELY = timedelta(days=30)
LOOKED_AT = 50
FEWEST = 5
"""Decisions without which nothing is said."""


@dataclass(frozen=True)
class WaitView:
    """How long a held answer usually waits."""

    usual_seconds: Annotated[
        float | None,
        Field(description="Median of the newest decisions of 30 days; null: too few to say."),
    ]


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
    return WaitView(round(median(waits), 1) if len(waits) >= FEWEST else None)
