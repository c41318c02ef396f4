"""Answers that two reviewers judged differently, for a third person to look at."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database
from app.review.tables import DecisionRow, ProbeRow, ReviewTaskRow
from guardrails.personal_data.find import without_accidents


@dataclass(frozen=True)
class Opinion:
    """What one of two reviewers decided."""

    reviewer: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Disagreement:
    """A decided answer and its blind second review; the first decision is in force."""

    answer_id: str
    question: str
    first: Opinion
    second: Opinion
    decided_at: str | None


def disagreements(database: Database, collection: str | None = None) -> list[Disagreement]:
    """The pairs of a collection (None: all) that differ, oldest first; for operators only."""
    query = (
        select(ProbeRow)
        .join(ReviewTaskRow, ReviewTaskRow.id == ProbeRow.task_id)
        .where(ReviewTaskRow.kind == "second", ReviewTaskRow.state == "decided")
        .where(ProbeRow.called_wrong != ProbeRow.expected_wrong)
        .order_by(ReviewTaskRow.created_at, ReviewTaskRow.id)
    )
    if collection is not None:
        query = query.where(ProbeRow.collection == collection)
    with database.reading() as session:
        return [_disagreement(session, probe) for probe in session.scalars(query)]


def _disagreement(session: Session, probe: ProbeRow) -> Disagreement:
    task = session.get_one(ReviewTaskRow, probe.first_task)
    first = session.get_one(DecisionRow, task.id)
    second = probe.decision or {}
    return Disagreement(
        answer_id=task.answer_id,
        question=without_accidents(probe.content["question"]),
        first=Opinion(first.reviewer, first.kind, first.reason),
        second=Opinion(*(second.get(name, "") for name in ("reviewer", "kind", "reason"))),
        decided_at=second.get("decided_at"),
    )
