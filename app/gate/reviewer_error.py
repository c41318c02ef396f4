"""How often reviewers call a wrong answer right, from gold items and second reviews."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database
from app.review.probes import Kind
from app.review.tables import DecisionRow, ProbeRow, ReviewTaskRow
from guardrails.gate.binomial import upper_limit
from guardrails.gate.certify import GOLD_SHARE, Gold, SecondReviews

# What they say about reviewers


def gold_result(session: Session, collection: str | None = None) -> Gold | None:
    """How many wrong gold items of a collection (None: all) were missed; None without any."""
    said = [
        row.called_wrong for row in _measured(session, "gold", collection) if row.expected_wrong
    ]
    return Gold(said.count(False), len(said)) if said else None


def second_result(session: Session, collection: str | None = None) -> SecondReviews | None:
    """How the blind second reviews of a collection (None: all) went; None without any."""
    pairs = [
        (row.expected_wrong, bool(row.called_wrong))
        for row in _measured(session, "second", collection)
    ]
    if not pairs:
        return None
    return SecondReviews(
        n=len(pairs),
        agreed=sum(first == second for first, second in pairs),
        called_wrong=sum(second for _, second in pairs),
        missed=pairs.count((False, True)),
    )


def _measured(session: Session, kind: Kind, collection: str | None) -> Sequence[ProbeRow]:
    query = select(ProbeRow).where(
        ProbeRow.kind == kind, ProbeRow.state == "decided", ProbeRow.called_wrong.is_not(None)
    )
    if collection is not None:
        query = query.where(ProbeRow.collection == collection)
    return session.scalars(query.order_by(ProbeRow.created_at, ProbeRow.id)).all()


def reviewer_report(
    database: Database, delta: float, collection: str | None = None
) -> dict[str, Any]:
    """Reviewer error as JSON types, for operators only; collection None means all.

    ``miss_bound`` holds with confidence 1 - ``gold_delta``, that is with the part of ``delta`` that
    a certificate spends on it; null: not measured.
    """
    spent = delta * GOLD_SHARE
    with database.reading() as session:
        gold, second = gold_result(session, collection), second_result(session, collection)
        rows = _measured(session, "gold", collection)
        pairs = _measured(session, "second", collection)
        disagreements = [
            _pair_wire(session, p) for p in pairs if p.called_wrong != p.expected_wrong
        ]
    return {
        "gold": None if gold is None else asdict(gold),
        "miss_bound": None if gold is None else round(upper_limit(gold.missed, gold.n, spent), 4),
        "gold_delta": round(spent, 6),
        "second": None if second is None else asdict(second),
        "agreement": None if second is None else round(second.agreed / second.n, 4),
        "reviewers": [
            _reviewer(name, [row for row in rows if row.claimed_by == name])
            for name in sorted({row.claimed_by or "" for row in rows})
        ],
        "disagreements": disagreements,
    }


def _reviewer(name: str, rows: Sequence[ProbeRow]) -> dict[str, Any]:
    wrong = [row.called_wrong for row in rows if row.expected_wrong]
    right = [row.called_wrong for row in rows if not row.expected_wrong]
    return {
        "reviewer": name,
        "wrong_items": len(wrong),
        "missed": wrong.count(False),
        "right_items": len(right),
        "false_alarms": right.count(True),
    }


def _pair_wire(session: Session, probe: ProbeRow) -> dict[str, Any]:
    task = session.get_one(ReviewTaskRow, probe.first_task)
    first = session.get_one(DecisionRow, task.id)
    second = probe.decision or {}
    return {
        "answer_id": task.answer_id,
        "question": probe.content["question"],
        "first": {"reviewer": first.reviewer, "kind": first.kind, "reason": first.reason},
        "second": {name: second.get(name, "") for name in ("reviewer", "kind", "reason")},
        "decided_at": second.get("decided_at"),
    }
