"""Do reviewers stay sharp? What each of them decided lately, how fast, and what gold items and
second reviews say of it: for who leads them, never for themselves."""

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app.access.accounts import standing_of
from app.db import database_time
from app.gate.reviewer_error import ReviewerFigures
from app.review.minutes import seconds_taken
from app.review.tables import DecisionRow, ReviewTaskRow, TaskScopeRow

Warning_ = Literal["misses_wrong", "approves_nearly_all", "very_fast", "agrees_little"]
MOST_READ = 20_000
"""Decisions that are looked at, the newest ones."""
MISSED, PLANTED = 0.3, 5
"""So large a share of at least so many wrong gold items was approved."""
APPROVED, DECIDED = 0.98, 50
FAST_S, TIMED = 5.0, 20
LITTLE_KAPPA, PAIRS = 0.4, 10


@dataclass(frozen=True)
class ReviewerView:
    """One reviewer: what they decided in the time asked for, and how they were measured ever.

    ``timed`` decisions were claimed first; only of those it is known how long they took.
    """

    reviewer: str
    authority: str
    trained_on: str | None
    decisions: int
    approved: int
    edited: int
    rejected: int
    timed: int
    median_seconds: float | None
    wrong_items: int
    missed: int
    right_items: int
    false_alarms: int
    gold_kappa: Annotated[
        float | None, Field(description="Cohen's kappa with the truth of gold items.")
    ]
    pairs: Annotated[int, Field(description="Second reviews in which they were the second.")]
    agreed: int
    kappa: Annotated[float | None, Field(description="Cohen's kappa with the first reviewers.")]
    warnings: list[Warning_] = field(default_factory=list)


@dataclass(frozen=True)
class _Decided:
    kind: str
    seconds: float | None


def reviewer_work(
    session: Session,
    measured: Sequence[ReviewerFigures],
    collection: str | None = None,
    days: int = 90,
) -> list[ReviewerView]:
    """Everybody who decided or was measured, by name; of one collection, or of all."""
    decided = _decided(session, collection, days)
    by_name = {one.reviewer: one for one in measured}
    names = sorted(decided.keys() | by_name.keys())
    standing = standing_of(session, names)
    return [
        _work(
            name,
            decided.get(name, ()),
            by_name.get(name, ReviewerFigures.nothing(name)),
            standing.get(name, ("", None)),
        )
        for name in names
    ]


def _decided(
    session: Session, collection: str | None, days: int
) -> Mapping[str, Sequence[_Decided]]:
    since = database_time(session) - timedelta(days=days)
    query = (
        select(
            DecisionRow.reviewer, DecisionRow.kind, DecisionRow.decided_at, ReviewTaskRow.claimed_at
        )
        .join(ReviewTaskRow, ReviewTaskRow.id == DecisionRow.task_id)
        .where(ReviewTaskRow.state == "decided", DecisionRow.decided_at >= since)
        .order_by(DecisionRow.decided_at.desc())
        .limit(MOST_READ)
    )
    if collection is not None:
        named = TaskScopeRow.scope == ReviewTaskRow.scope, TaskScopeRow.collection == collection
        query = query.where(exists().where(*named))
    found: dict[str, list[_Decided]] = defaultdict(list)
    for reviewer, kind, decided_at, claimed_at in session.execute(query):
        found[reviewer].append(_Decided(kind, seconds_taken(claimed_at, decided_at)))
    return found


def _work(
    name: str,
    decided: Sequence[_Decided],
    measured: ReviewerFigures,
    standing: tuple[str, str | None],
) -> ReviewerView:
    kinds = [one.kind for one in decided]
    times = [one.seconds for one in decided if one.seconds is not None]
    work = ReviewerView(
        reviewer=name,
        authority=standing[0],
        trained_on=standing[1],
        decisions=len(decided),
        approved=kinds.count("approve"),
        edited=kinds.count("edit"),
        rejected=kinds.count("reject"),
        timed=len(times),
        median_seconds=round(statistics.median(times), 1) if times else None,
        wrong_items=measured.wrong_items,
        missed=measured.missed,
        right_items=measured.right_items,
        false_alarms=measured.false_alarms,
        gold_kappa=measured.gold_kappa,
        pairs=measured.pairs,
        agreed=measured.agreed,
        kappa=measured.kappa,
    )
    work.warnings.extend(_warnings(work))
    return work


def _warnings(work: ReviewerView) -> list[Warning_]:
    """What may be a rubber stamp; each is a reason to talk, none is a proof."""
    found: dict[Warning_, bool] = {
        "misses_wrong": work.wrong_items >= PLANTED and work.missed >= MISSED * work.wrong_items,
        "approves_nearly_all": work.decisions >= DECIDED
        and work.approved >= APPROVED * work.decisions,
        "very_fast": work.timed >= TIMED and (work.median_seconds or 0) < FAST_S,
        "agrees_little": work.pairs >= PAIRS
        and work.kappa is not None
        and work.kappa < LITTLE_KAPPA,
    }
    return [name for name, true in found.items() if true]
