"""Certifies: which risk threshold keeps the promised error rate?

The promise: of the answers that are released (risk score at or below the threshold) at most a
share ``alpha`` is wrong; a certificate that says so is itself wrong with probability ``delta``
at most. The method is Learn-then-Test with fixed-sequence testing (Angelopoulos, Bates, Candès,
Jordan, Lei, 2021) over exact binomial tests.

**Why the test is exact.** Scores are rounded up to a grid that is fixed beforehand. At a fixed
level t, given that n labels have a score at or below t, the number of wrong ones among them is
binomial with n and R(t), the true error rate of what t would release. If R(t) > alpha, then
P(Bin(n, alpha) <= errors) <= delta happens with probability delta at most. Levels are tested
from the strictest upwards, until the first failure. So a false certificate needs a false pass at
the *first* level on the way whose true rate is too high: one test, one delta.

**Why the start may depend on the scores.** Count labels from the laxest level down. Write n(t)
for the number of labels at or below t. The start S is the first level met with n(S) <= m, where m
depends on the number of labels only. To know that S = t one needs n(t), n(t+1), ... and nothing
below t. Given these, the labels at or below t are still independent draws from their population:
the test at S stays exact. Now let t be a bad level (R(t) > alpha) above S, with only good levels u,
..., t-1 between. It is the first bad one when n(t+1) > m, which changes nothing, and n(u) <= m.
The latter makes labels from the good part rarer, so wrong ones more frequent, and a false pass
less likely. All these events exclude each other, and each has a conditional probability of a
false pass of delta at most: so has their union. No wrong/right of a label was used for S.

**Two liberties.** When S holds too few labels for any test, the start is the next level T (scores
come in lumps). And where no label stands between a lower level and S, the lower one is taken. Both
need that the score is not upside down there: that no good answers above hide bad ones below.
Without this, exact enumeration over worlds of two levels and simulation of upside-down scores
found no case above delta (tests/unit/test_gate.py). ``start`` fixes the level beforehand.
"""

import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any

from guardrails.gate.binomial import (
    GRID,
    GateInvalid,
    check_loss,
    check_order,
    check_positive,
    check_probability,
    level_of,
    lower_limit,
    passes,
    upper_limit,
    zero_error_minimum,
)
from guardrails.gate.certificate import Certificate

GOLD_SHARE = 0.2
"""The share of delta that is spent on the bound of the reviewers' misses, when measured."""

LABELS_THAT_TELL = 20
"""Fewer say of no collection that more of them will not help: the first ones may be chance."""
UNRELIABLE = "Not certifiable yet: the gold items allow no bound on what reviewers miss."


@dataclass(frozen=True, slots=True)
class Label:
    """One judged answer: its risk score in [0, 1], and whether it was wrong.

    ``weight`` is 1 / (the known probability with which this answer was chosen to be labelled), and
    ``largest`` the largest weight that any answer could have got then; None: not stated.
    ``ceiling``: answers with more risk were left out when this one was drawn. ``loss`` is how much
    the answer counts if it is wrong, above 0 and at most 1.
    Labels must be independent draws. One list is one stratum: a caller that separates
    collections or risk classes certifies each alone. Raises ``GateInvalid``.
    """

    score: float
    wrong: bool
    weight: float = 1.0
    largest: float | None = None
    ceiling: float = 1.0
    loss: float = 1.0

    @property
    def counted(self) -> float:
        """What the answer costs: its loss if it is wrong."""
        return self.loss if self.wrong else 0.0

    def __post_init__(self) -> None:
        check_loss(self.loss)
        if level_of(self.score) > level_of(self.ceiling):
            raise GateInvalid(f"score {self.score!r} is above ceiling, {self.ceiling!r}")
        if not isinstance(self.wrong, bool):
            raise GateInvalid(f"wrong must be true or false, not {self.wrong!r}")
        check_positive("weight", self.weight)
        if self.largest is not None:
            check_positive("largest", self.largest)
            if self.weight > self.largest:
                raise GateInvalid(f"weight {self.weight!r} is above largest, {self.largest!r}")


@dataclass(frozen=True, slots=True)
class Gold:
    """How reviewers did on ``n`` answers known to be wrong: ``missed`` were called right."""

    missed: int
    n: int

    def __post_init__(self) -> None:
        for name, value in (("missed", self.missed), ("n", self.n)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise GateInvalid(f"gold {name} must be a whole number, 0 or more, not {value!r}")
        if self.missed > self.n:
            raise GateInvalid(f"{self.missed} gold items missed, of only {self.n}")


@dataclass(frozen=True, slots=True)
class SecondReviews:
    """How ``n`` blind second reviews compare with the first ones: ``agreed`` said the same.

    ``called_wrong`` answers were wrong to the second reviewer; ``missed`` of these were right to
    the first.
    """

    n: int
    agreed: int
    called_wrong: int
    missed: int

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise GateInvalid(f"second reviews: {name} must be a whole number, not {value!r}")
        if self.agreed + self.missed > self.n or self.missed > self.called_wrong:
            raise GateInvalid("second reviews: the numbers do not fit each other")

    def least_misses(self, delta: float) -> float:
        """What share of the wrong answers first reviewers miss at least, as far as these show."""
        return lower_limit(self.missed, self.called_wrong, delta)


@dataclass(frozen=True)
class NotCertifiable:
    """No threshold can be certified yet; everything stays held.

    ``code`` is ``too_few_labels``, ``too_many_errors`` (at the strictest level that has enough
    labels, of which ``n`` and ``errors`` speak), ``reviewers_unreliable`` (the gold items allow no
    bound) or ``look_awaited`` (a planned look needs ``more_labels`` more, exactly). Else
    ``more_labels`` is a rough estimate; None: more labels of this kind will not help.
    """

    code: str
    message: str
    more_labels: int | None
    n: int
    errors: int
    labels: int
    alpha: float
    delta: float
    date: str
    collection: str
    risk_class: str


def certify(
    labels: Sequence[Label],
    alpha: float,
    delta: float,
    *,
    date: str,
    collection: str,
    risk_class: str = "",
    lineage: Mapping[str, str] | None = None,
    provisional: bool = False,
    gold: Gold | None = None,
    second: SecondReviews | None = None,
    max_weight: float | None = None,
    start: float | None = None,
    seed: int = 0,
    not_before: str | None = None,
) -> Certificate | NotCertifiable:
    """The laxest threshold whose error is at most ``alpha``, with confidence 1 - ``delta``.

    ``max_weight`` is the largest weight that the sampling *could* give (1 / its smallest
    probability), known by design. Then each label is kept with probability weight / max_weight:
    what is kept are independent draws from all answers, so that the binomial test is exact again.
    Without it all weights must be equal. ``seed`` must be fixed before the labels are seen, and so
    must ``start``, a risk at which the sequence begins. ``date`` is ISO 8601 and must not lie
    before ``not_before``, the date of the earlier certificate.

    ``gold`` bounds the reviewers' misses: of wrong answers at most a share m is called right, with
    confidence 1 - delta/5 (Clopper-Pearson). A true rate above alpha then shows as more than
    alpha·(1 - m) in the labels; that is tested with the other four fifths of delta. ``second`` can
    only raise m, to what the second reviews show that first reviewers miss at least: two reviewers
    may miss the same errors, so that their agreement bounds nothing.

    Raises ``GateInvalid``, or ``ClockBackwards``.
    """
    check_order(date, not_before)
    test = TestedRate.of(alpha, delta, gold, second)
    kept = _thinned(labels, max_weight, seed)
    counts, errors = cumulated(kept)
    stated: dict[str, Any] = {"alpha": alpha, "delta": delta, "labels": len(labels), "date": date}
    stated |= {"collection": collection, "risk_class": risk_class}
    if test.alpha <= 0:
        return NotCertifiable("reviewers_unreliable", UNRELIABLE, None, 0, 0, **stated)
    begin = first_level(counts, *test.levels) if start is None else level_of(start)
    level = last_level(counts, errors, begin, *test.levels)
    if level is None:
        return _not_certifiable(counts, errors, begin, test, stated)
    worst = upper_limit(errors[level], counts[level], test.delta) / (1 - test.miss_bound)
    return Certificate(
        threshold=level / GRID,
        released_share=released_share(labels, level),
        n=counts[level],
        errors=errors[level],
        upper_bound=min(worst, 1.0),
        miss_bound=test.miss_bound,
        test="binomial" if max_weight is None else "thinned binomial",
        seed=seed,
        grid=GRID,
        lineage=dict(lineage or {}),
        provisional=provisional,
        **measured(delta, gold, second),
        **stated,
    )


def measured(delta: float, gold: Gold | None, second: SecondReviews | None) -> dict[str, Any]:
    """The certificate's fields ``MEASURED``."""
    found: dict[str, Any] = {}
    if gold is not None:
        found |= {"gold": gold.n, "gold_missed": gold.missed, "gold_delta": delta * GOLD_SHARE}
    if second is not None:
        found |= {"second_reviews": second.n, "second_agreed": second.agreed}
    return found


@dataclass(frozen=True)
class TestedRate:
    """The error rate and the share of delta that the labels are tested with."""

    alpha: float
    delta: float
    miss_bound: float

    @classmethod
    def of(
        cls,
        alpha: float,
        delta: float,
        gold: Gold | None,
        second: SecondReviews | None,
        limit: Callable[[int, int, float], float] = upper_limit,
    ) -> "TestedRate":
        """``limit`` bounds the rate of misses from (missed, n, the share of delta spent)."""
        check_probability("alpha", alpha)
        check_probability("delta", delta)
        spent = delta * GOLD_SHARE
        # A larger bound is only stricter, so this one costs no part of delta.
        least = second.least_misses(spent) if second is not None else 0.0
        if gold is None:
            return cls(alpha * (1 - least), delta, least)
        bound = max(limit(gold.missed, gold.n, spent), least)
        return cls(alpha * (1 - bound), delta - spent, bound)

    @property
    def levels(self) -> tuple[float, float]:
        return self.alpha, self.delta


def first_level(counts: Sequence[int], alpha: float, delta: float) -> int:
    """Where the sequence begins; ``counts[t]`` is the number of labels at or below level t.

    The last level with at most m labels, where m is about three times the minimum without errors;
    a third of all labels when these are few, a twentieth when they are many. GRID + 1 is no level.
    """
    least, total = zero_error_minimum(alpha, delta), counts[-1]
    most = max(math.ceil(1.25 * least), min(max(3 * least, total // 20), total // 3))
    level = bisect_right(counts, most) - 1
    return level if level >= 0 and counts[level] >= least else level + 1


def last_level(
    counts: Sequence[int], errors: Sequence[int], begin: int, alpha: float, delta: float
) -> int | None:
    """The last level before the first failure, from ``begin`` upwards; None if that fails.

    ``counts`` and ``errors`` are cumulated over the levels 0 to GRID. Of levels with the same
    labels the strictest is taken: nothing is released from where no label stood.
    """
    level = None
    for t in range(begin, GRID + 1):
        if level is not None and counts[t] == counts[level]:
            continue
        if not passes(errors[t], counts[t], alpha, delta):
            break
        level = t
    return level if level is None else bisect_left(counts, counts[level])


def more_labels(
    counts: Sequence[int], errors: Sequence[int], alpha: float, delta: float
) -> int | None:
    """About how many more labels would certify something, if the next are like these.

    For twenty levels: the error rate there (drawn to alpha / 2, as if by ten labels), the labels
    that the test would need at that rate, and the total that puts so many at or below the level.
    """
    total, least = counts[-1], zero_error_minimum(alpha, delta)
    if total == 0:
        return rounded_up(3 * least)
    wanted = []
    for place in range(1, 21):
        level = min(bisect_right(counts, total * place // 20), GRID)
        n = counts[level]
        needed = _labels_for((errors[level] + 5 * alpha) / (n + 10), alpha, delta)
        if needed is not None:
            wanted.append(needed * total / n)
    return rounded_up(max(min(wanted) - total, least / 5)) if wanted else None


def _labels_for(rate: float, alpha: float, delta: float) -> int | None:
    """The labels that the test needs when errors come at ``rate``, with one standard deviation of
    bad luck; None when the rate is too high."""
    if rate > 0.9 * alpha:
        return None
    return least_labels(
        lambda n: passes(math.ceil(rate * n + math.sqrt(rate * n)), n, alpha, delta)
    )


def least_labels(good: Callable[[int], bool]) -> int:
    """The least number that is ``good``, if every larger one is too."""
    high = 1
    while not good(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if good(middle) else (middle, high)
    return high


def more_in_words(more: int | None, labels: int) -> str:
    """What ``labels`` say of how many more it takes; few of them say nothing that is final."""
    if more:
        return f"about {more} more labels are needed"
    if labels < LABELS_THAT_TELL:
        return "too few labels to tell how many more are needed"
    return "more labels alone will not help"


def rounded_up(value: float) -> int:
    return math.ceil(value / 10) * 10


def _thinned(labels: Sequence[Label], max_weight: float | None, seed: int) -> Sequence[Label]:
    if max_weight is None:
        if len({label.weight for label in labels}) > 1:
            raise GateInvalid("weights differ: max_weight must say how large they can be")
        return labels
    check_positive("max_weight", max_weight)
    if any(label.weight > max_weight for label in labels):
        raise GateInvalid(f"a weight is above max_weight, which is {max_weight!r}")
    draw = random.Random(seed)
    return [label for label in labels if draw.random() * max_weight < label.weight]


def cumulated(labels: Sequence[Label]) -> tuple[list[int], list[int]]:
    """(labels, wrong ones) at or below each level 0 to GRID."""
    counts, errors = [0] * (GRID + 1), [0] * (GRID + 1)
    for label in labels:
        level = level_of(label.score)
        counts[level] += 1
        errors[level] += label.wrong
    return list(accumulate(counts)), list(accumulate(errors))


def released_share(labels: Sequence[Label], level: int) -> float:
    released = sum(label.weight for label in labels if level_of(label.score) <= level)
    return released / sum(label.weight for label in labels)


def _not_certifiable(
    counts: Sequence[int],
    errors: Sequence[int],
    begin: int,
    test: TestedRate,
    stated: Mapping[str, Any],
) -> NotCertifiable:
    at = min(begin, GRID)
    few = counts[at] < zero_error_minimum(*test.levels)
    more = more_labels(counts, errors, *test.levels)
    found = (
        f"{stated['labels']} labels; the first test counts {errors[at]} wrong among {counts[at]}"
    )
    helps = more_in_words(more, counts[GRID])
    if test.miss_bound:
        helps += f", or more gold items: reviewers may miss {test.miss_bound:.1%} of the errors"
    return NotCertifiable(
        "too_few_labels" if few else "too_many_errors",
        f"Not certifiable yet: {found}; {helps}.",
        more,
        counts[at],
        errors[at],
        **stated,
    )
