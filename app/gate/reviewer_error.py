"""How often reviewers call a wrong answer right, from gold items and second reviews."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database
from app.gate.strata import united
from app.gate.tables import ReviewerCheckRow
from guardrails.gate.betting import upper_limit_anytime
from guardrails.gate.certify import GOLD_SHARE, Gold, SecondReviews


@dataclass(frozen=True)
class ReviewerCheck:
    """One thing a reviewer said of an answer that is known to be right or wrong.

    ``expected_wrong`` is the truth of a gold item, or of a second review what the first reviewer
    said. ``task_id`` is the review task that it comes from.
    """

    kind: Literal["gold", "second"]
    collection: str
    reviewer: str
    expected_wrong: bool
    called_wrong: bool
    task_id: str


@dataclass(frozen=True)
class ReviewerFigures:
    """How one reviewer did on gold items, and as the second of two.

    ``gold_kappa`` is Cohen's kappa with the truth of gold items, ``kappa`` that with what first
    reviewers said, over ``pairs`` of which ``agreed`` were the same; None: not known.
    """

    reviewer: str
    wrong_items: int
    missed: int
    right_items: int
    false_alarms: int
    gold_kappa: float | None
    pairs: int
    agreed: int
    kappa: float | None

    @classmethod
    def nothing(cls, reviewer: str) -> "ReviewerFigures":
        """Of somebody who was never measured."""
        return _figures(reviewer, (), ())


@dataclass(frozen=True)
class ReviewerReport:
    """Reviewer error, for operators only.

    ``miss_bound`` is that of a certificate which may be looked at any day: it holds at all times
    with confidence 1 - ``gold_delta``, the part of delta that it spends on it; None: not
    measured.
    """

    gold: Gold | None
    miss_bound: float | None
    gold_delta: float
    second: SecondReviews | None
    agreement: float | None
    reviewers: list[ReviewerFigures]


def report_check(session: Session, check: ReviewerCheck) -> None:
    """Count what a reviewer said, in the transaction of the decision; one task counts once."""
    session.add(ReviewerCheckRow(**asdict(check)))


def gold_result(session: Session, collection: str | None = None) -> Gold | None:
    """How many wrong gold items of a collection (None: all) were missed; None without any."""
    said = [row.called_wrong for row in _checks(session, "gold", collection) if row.expected_wrong]
    return Gold(said.count(False), len(said)) if said else None


def miss_bound(session: Session, collection: str, delta: float) -> float:
    """What the reviewers of a collection miss at most, at all times at once with confidence
    1 - ``GOLD_SHARE`` * ``delta``; 1 without gold items."""
    gold = gold_result(session, collection)
    return 1.0 if gold is None else upper_limit_anytime(gold.missed, gold.n, delta * GOLD_SHARE)


def second_result(session: Session, collection: str | None = None) -> SecondReviews | None:
    """How the blind second reviews of a collection (None: all) went; None without any."""
    rows = _checks(session, "second", collection)
    pairs = [(row.expected_wrong, row.called_wrong) for row in rows]
    if not pairs:
        return None
    return SecondReviews(
        n=len(pairs),
        agreed=sum(first == second for first, second in pairs),
        called_wrong=sum(second for _, second in pairs),
        missed=pairs.count((False, True)),
    )


def reviewer_report(
    database: Database, delta: float, collection: str | None = None
) -> ReviewerReport:
    """Reviewer error in a collection; None means all."""
    spent = delta * GOLD_SHARE
    with database.reading() as session:
        gold, second = gold_result(session, collection), second_result(session, collection)
        rows = _checks(session, "gold", collection)
        pairs = _checks(session, "second", collection)
    bound = None if gold is None else upper_limit_anytime(gold.missed, gold.n, spent)
    return ReviewerReport(
        gold=gold,
        miss_bound=None if bound is None else round(bound, 4),
        gold_delta=round(spent, 6),
        second=second,
        agreement=None if second is None else round(second.agreed / second.n, 4),
        reviewers=[
            _figures(name, _of(name, rows), _of(name, pairs))
            for name in sorted({row.reviewer for row in [*rows, *pairs]})
        ],
    )


def _checks(session: Session, kind: str, collection: str | None) -> Sequence[ReviewerCheckRow]:
    query = select(ReviewerCheckRow).where(ReviewerCheckRow.kind == kind)
    if collection is not None:
        query = query.where(ReviewerCheckRow.collection.in_(united(collection)))
    return session.scalars(query.order_by(ReviewerCheckRow.number)).all()


def cohens_kappa(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    """Agreement of two raters beyond chance, from -1 to 1 (Cohen 1960); None where chance alone
    would agree always, as when both say the same of everything."""
    if not pairs:
        return None
    n = len(pairs)
    first, second = (sum(pair[side] for pair in pairs) / n for side in (0, 1))
    by_chance = first * second + (1 - first) * (1 - second)
    observed = sum(one == other for one, other in pairs) / n
    return None if by_chance == 1 else round((observed - by_chance) / (1 - by_chance), 4)


def _of(name: str, rows: Sequence[ReviewerCheckRow]) -> list[ReviewerCheckRow]:
    return [row for row in rows if row.reviewer == name]


def _pairs(rows: Sequence[ReviewerCheckRow]) -> list[tuple[bool, bool]]:
    return [(row.expected_wrong, row.called_wrong) for row in rows]


def _figures(
    name: str, rows: Sequence[ReviewerCheckRow], second: Sequence[ReviewerCheckRow]
) -> ReviewerFigures:
    wrong = [row.called_wrong for row in rows if row.expected_wrong]
    right = [row.called_wrong for row in rows if not row.expected_wrong]
    return ReviewerFigures(
        reviewer=name,
        wrong_items=len(wrong),
        missed=wrong.count(False),
        right_items=len(right),
        false_alarms=right.count(True),
        gold_kappa=cohens_kappa(_pairs(rows)),
        pairs=len(second),
        agreed=sum(one == other for one, other in _pairs(second)),
        kappa=cohens_kappa(_pairs(second)),
    )
