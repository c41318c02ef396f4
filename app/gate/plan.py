"""How many more labels a certificate needs, in plain words and in days."""

import math
from dataclasses import dataclass

from app.gate.certify import Certifier
from guardrails.gate.certificate import Certificate

MINUTES_EACH = 1.0
"""What a label is taken to cost a reviewer."""


@dataclass(frozen=True)
class LabelPlan:
    """What stands between a collection and its certificate.

    ``first_test`` and ``errors`` are the labels at the strictest level, and the wrong ones among
    them. ``more_labels`` is 0 when it can be certified now and None when more of these labels will
    not help; ``days`` follows from it. Rough: they can be off by a factor of two.
    """

    collection: str
    risk_class: str
    labels: int
    first_test: int
    errors: int
    more_labels: int | None
    days: int | None
    message: str


def plan_labels(
    certifier: Certifier,
    collection: str,
    risk_class: str,
    alpha: float,
    delta: float,
    minutes_a_day: float,
) -> LabelPlan:
    """The plan for a stratum if reviewers label so long each day; it puts nothing in force.

    Raises ``Invalid`` for figures that cannot be.
    """
    found = certifier.tried(collection, risk_class, alpha, delta)
    more = 0 if isinstance(found, Certificate) else found.more_labels
    days = None if more is None else math.ceil(more * MINUTES_EACH / minutes_a_day)
    return LabelPlan(
        collection,
        risk_class,
        found.labels,
        found.n,
        found.errors,
        more,
        days,
        _in_words(more, days, minutes_a_day, found.labels),
    )


def _in_words(more: int | None, days: int | None, minutes: float, labels: int) -> str:
    if more == 0:
        return f"The {labels} labels are enough: certify now."
    if more is None:
        return (
            f"Of the answers that look safest too many are wrong ({labels} labels): more labels "
            "will not help. Better documents, another generator or a larger alpha may."
        )
    time = "one day" if days == 1 else f"{days} days"
    return (
        f"About {more} more labels are needed, beside the {labels} there are: with "
        f"{minutes:g} minutes a day and a minute for each about {time}. Certify every day; "
        "it may pass earlier."
    )
