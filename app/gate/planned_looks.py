"""Looks that an owner plans before the first label: where they are kept, and when they end."""

from collections.abc import Mapping

from sqlalchemy.orm import Session

from app.db import Database, now
from app.errors import Invalid
from app.gate.certificates import passages_changed
from app.gate.labels import ANY_DAY, labels_of
from app.gate.reviewer_error import gold_result, second_result
from app.gate.strata import Stratum
from app.gate.tables import PlannedLookRow
from app.records.audit import append_audit, lock_head
from guardrails.contract import canonical_sha256
from guardrails.gate.betting import upper_limit_anytime
from guardrails.gate.binomial import GateInvalid
from guardrails.gate.certify import TestedRate
from guardrails.gate.planned import Plan

LATE = "There are labels already: a look is planned before the first one."
PLANNED = "A look is planned already; it cannot be changed."


def plan_look(
    database: Database,
    stratum: Stratum,
    lineage: Mapping[str, str],
    labels: int,
    alpha: float,
    delta: float,
    by: str,
) -> Plan:
    """Fix the number of labels of one exact look, before the first label of a stratum.

    Raises ``Invalid`` when there are labels or a plan already, or so few labels could never pass.
    """
    with database.transaction() as session:
        lock_head(session)  # no other plan, and no first label, comes between these looks and it
        if planned_look(session, stratum, lineage) is not None:
            raise Invalid(PLANNED)
        if labels_of(session, stratum, lineage, ANY_DAY):
            raise Invalid(LATE)
        plan = _new_plan(session, stratum, labels, alpha, delta)
        event = {"collection": stratum.collection, "risk_class": stratum.risk_class, "by": by}
        number = append_audit(session, "look_planned", {**event, "labels": labels})
        key = _key(stratum, canonical_sha256(dict(lineage)))
        if (ended := session.get(PlannedLookRow, key)) is not None:
            session.delete(ended)
            session.flush()
        session.add(
            PlannedLookRow(
                collection=key[0],
                risk_class=key[1],
                lineage_sha256=key[2],
                labels=labels,
                alpha=alpha,
                delta=delta,
                miss_bound=plan.miss_bound,
                spent=False,
                number=number,
                planned_by=by,
                planned_at=now(),
            )
        )
    return plan


def _new_plan(session: Session, stratum: Stratum, labels: int, alpha: float, delta: float) -> Plan:
    gold = gold_result(session, stratum.collection)
    second = second_result(session, stratum.collection)
    try:
        known = TestedRate.of(alpha, delta, gold, second, upper_limit_anytime)
        return Plan(labels, alpha, delta, known.miss_bound)
    except GateInvalid as error:
        raise Invalid(f"{error}.") from error


def planned_look(session: Session, stratum: Stratum, lineage: Mapping[str, str]) -> Plan | None:
    """The plan of a stratum; None without one, or when its passages changed since."""
    row = session.get(PlannedLookRow, _key(stratum, canonical_sha256(dict(lineage))))
    if row is None:
        return None
    since = passages_changed(session, stratum)
    if since is not None and since > row.number:
        return None
    return Plan(row.labels, row.alpha, row.delta, row.miss_bound, row.spent)


def _key(stratum: Stratum, lineage_sha256: str) -> tuple[str, str, str]:
    return stratum.collection, stratum.risk_class, lineage_sha256
