"""Which task comes first: the most urgent rule, then the deadline, sooner the higher the risk.

The key is worked out once and stored, and the order that it gives is right at any time: a task's
place depends on when it came and how long it has, not on what time it is now.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from guardrails.contract import URGENCIES, Action, Outcome

STEP = 10**13
"""What lies between two urgencies; more than there are milliseconds until the year 2286."""
Urgency = Literal["urgent", "high", "normal"]
WORDS: tuple[Urgency, ...] = ("urgent", "high", "normal")
"""What reviewers read, in the order of ``URGENCIES``."""
USUAL_RISK = 0.5
"""The risk of a draft whose risk nobody knows or may be shown."""
GATE, EMPTY = "gate", "empty"
"""The causes of a task where no check failed: the gate held it, or there is no draft."""


def priority_of(urgency: str, risk: float | None, created: datetime, expires: datetime) -> int:
    """The key of a task; the smallest comes first.

    Of two tasks of one urgency, that one comes first which must be decided first; a draft that is
    surely wrong must be decided in half of the time that it has.
    """
    rank = URGENCIES.index(urgency) if urgency in URGENCIES else len(URGENCIES) - 1
    wrong = USUAL_RISK if risk is None else min(max(risk, 0.0), 1.0)
    due = created + (expires - created) * (1 - wrong / 2)
    return rank * STEP + int(due.replace(tzinfo=UTC).timestamp() * 1000)


def urgency_of(priority: int) -> Urgency:
    """How urgent the task with that key is."""
    return WORDS[min(priority // STEP, len(WORDS) - 1)]


def more_urgent(priority: int) -> int:
    """The key of the same task once it was escalated: as urgent as can be."""
    return priority % STEP


def escalation_time(created: datetime, expires: datetime, hours: float) -> datetime | None:
    """When a task escalates that nobody has taken by then: after ``hours``, at most half of its
    time; None: never."""
    return created + min(timedelta(hours=hours), (expires - created) / 2) if hours else None


def cause_of(
    draft: Mapping[str, Any] | None, findings: Sequence[Mapping[str, Any]], verdict: Any
) -> str:
    """What made a task: ``empty``, ``gate``, or the first check that did not pass.

    Of what the policy let pass it is ``gate``, also of audits, which are not to be told apart.
    """
    if draft is None or not draft["sentences"]:
        return EMPTY
    if verdict["action"] == Action.RELEASE:
        return GATE
    failed = (one["check"] for one in findings if one["outcome"] != Outcome.PASS)
    return str(next(failed, GATE))[:40]


def shown_risk(verdict: Mapping[str, Any], gate: Mapping[str, Any] | None) -> float | None:
    """The risk that reviewers may see and filter by; None where it would tell audits apart.

    An audit was at or below the threshold, and what the gate held was above it.
    """
    found = (gate or {}).get("risk")
    return None if verdict["action"] == Action.RELEASE or found is None else float(found)


def task_facts(
    shown: Mapping[str, Any], gate: Mapping[str, Any] | None, created: datetime, expires: datetime
) -> dict[str, Any]:
    """The columns of a task that lists sort and filter by, from what is shown of it."""
    verdict = shown["verdict"]
    risk = (gate or {}).get("risk")
    return {
        "question": shown["question"],
        "asker": shown["principal"],
        "cause": cause_of(shown["draft"], shown["findings"], verdict),
        "risk": shown_risk(verdict, gate),
        "priority": priority_of(verdict.get("urgency", ""), risk, created, expires),
    }
