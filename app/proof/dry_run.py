"""What another policy would have done with recorded answers, and how far the shadow agrees."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

from app.access.principals import Principal
from app.db import Database, iso, now
from app.errors import PolicyRefused
from app.records import recording
from app.records.tables import RecordRow
from app.review.scopes import may_read
from guardrails.policy.decide import Policy
from guardrails.policy.load import PolicyInvalid, policy_from_text
from guardrails.policy.redecide import JudgedAnswer, redecide, tally

MOST_ANSWERS = 10_000
"""Newest answers that one dry run looks at."""
EXCERPT = 120


def read_policy(text: str, name: str) -> Policy:
    """A policy from YAML; raises ``PolicyRefused``."""
    try:
        return policy_from_text(text, name)
    except PolicyInvalid as error:
        raise PolicyRefused(str(error)) from error


@dataclass(frozen=True)
class Compared:
    """One recorded answer: what became of it, and what would have."""

    record: RecordRow
    was: str
    becomes: str
    reasons: Sequence[str]

    def wire(self) -> dict[str, Any]:
        """For operators."""
        question = self.record.question
        return {
            "answer_id": self.record.answer_id,
            "question": question[:EXCERPT] + ("…" if len(question) > EXCERPT else ""),
            "created_at": iso(self.record.created_at),
            "was": self.was,
            "becomes": self.becomes,
            "reasons": list(self.reasons),
        }


def dry_run(
    database: Database, operator: Principal, policy: Policy, since_days: float | None = None
) -> dict[str, Any]:
    """Decide the recorded answers again: counts, the change of each outcome, and which answers.

    Only answers whose evidence the operator may read are looked at. Raises ``Forbidden``.
    """
    found = [_compare(policy, row) for row in _rows(database, operator, since_days)]
    report = _report(found)
    return {"policy": f"{policy.name} {policy.version}", "policy_sha256": policy.sha256, **report}


def shadow_report(
    database: Database, operator: Principal, since_days: float | None = None
) -> dict[str, Any]:
    """How far the shadow policy agreed with what happened, by the records."""
    rows = [row for row in _rows(database, operator, since_days) if row.shadow is not None]
    told = [cast("Mapping[str, Any]", row.shadow) for row in rows]
    found = [
        Compared(row, row.outcome, shadow["outcome"], shadow["reasons"])
        for row, shadow in zip(rows, told, strict=True)
        if "outcome" in shadow
    ]
    agreement = dict(Counter(shadow["agreement"] for shadow in told))
    policies = sorted({f"{shadow['policy']} ({shadow['policy_sha256'][:12]})" for shadow in told})
    return {"policies": policies, "agreement": agreement, **_report(found)}


def _rows(database: Database, operator: Principal, since_days: float | None) -> list[RecordRow]:
    operator.require("operator")
    since = None if since_days is None else now() - timedelta(days=since_days)
    with database.reading() as session:
        rows = recording.recent_records(session, since, MOST_ANSWERS)
    return [row for row in rows if may_read(operator, row.evidence, row.searched)]


def _compare(policy: Policy, row: RecordRow) -> Compared:
    judged = judged_of(row)
    becomes, verdict = redecide(policy, judged)
    return Compared(row, judged.outcome, becomes, verdict.reasons)


def judged_of(row: RecordRow) -> JudgedAnswer:
    """A recorded answer as it was judged, without the generator's figures: a dry run keeps the
    findings that rest on them."""
    case = recording.recorded_case(row)
    if case.draft is not None:
        case = replace(case, draft=replace(case.draft, features={}))
    return JudgedAnswer(case, recording.recorded_findings(row), row.outcome)


def _report(found: Iterable[Compared]) -> dict[str, Any]:
    compared = list(found)
    changed = [one for one in compared if one.was != one.becomes]
    change = tally([(one.was, one.becomes) for one in compared])
    return {
        "answers": len(compared),
        "unchanged": len(compared) - len(changed),
        "change": change,
        "summary": _summary(change),
        "changed": [one.wire() for one in changed],
    }


def _summary(change: Mapping[str, int]) -> str:
    """In words: "held 31 more, released 4 fewer"."""
    parts = [f"{n} {abs(c)} {'more' if c > 0 else 'fewer'}" for n, c in sorted(change.items())]
    return ", ".join(parts) or "no change"
