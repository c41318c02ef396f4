"""The release gate: which risk threshold keeps the promised error rate, and does it still hold?

The promise: of the answers that are released (risk score at or below the threshold) at most a
share ``alpha`` is wrong; a certificate that says so is itself wrong with probability ``delta``
at most. The method is Learn-then-Test with fixed-sequence testing (Angelopoulos, Bates, Candès,
Jordan, Lei, 2021) over exact binomial tests; the running test is a betting e-process (Ville's
inequality; Waudby-Smith and Ramdas, 2024).

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
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from functools import lru_cache
from itertools import accumulate
from typing import Any, ClassVar

from guardrails.contract import canonical_sha256

GRID = 1000
"""Scores are rounded up to multiples of 1/GRID. Changing it voids every certificate."""

GOLD_SHARE = 0.2
"""The share of delta that is spent on the bound of the reviewers' misses, when measured."""

ROUNDING = 1e-9
"""A score this little above a level, in levels, is at it: 0.3 must not become 0.301."""

TAIL_MARGIN = 1e-7
"""A tail must stay below delta by this share: more than its floating-point error."""


PUBLIC = "none: the labels come from public data"
NOT_MEASURED = "not measured: assumed 0"
UNRELIABLE = "Not certifiable yet: the gold items allow no bound on what reviewers miss."


class GateInvalid(ValueError):
    """A figure that the gate cannot use; the message names it."""

    code: ClassVar[str] = "gate_invalid"


class ClockBackwards(GateInvalid):
    """A date that lies before one that is already on record."""

    code: ClassVar[str] = "clock_backwards"


@dataclass(frozen=True, slots=True)
class Label:
    """One judged answer: its risk score in [0, 1], and whether it was wrong.

    ``weight`` is 1 / (the known probability with which this answer was chosen to be labelled).
    Labels must be independent draws. One list is one stratum: a caller that separates
    collections or risk classes certifies each alone. Raises ``GateInvalid``.
    """

    score: float
    wrong: bool
    weight: float = 1.0

    def __post_init__(self) -> None:
        level_of(self.score)
        if not isinstance(self.wrong, bool):
            raise GateInvalid(f"wrong must be true or false, not {self.wrong!r}")
        _positive("weight", self.weight)


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


MEASURED = ("gold", "gold_missed", "gold_delta", "second_reviews", "second_agreed")
"""What a certificate says of measured reviewers. Without a measurement these fields are left out
of its JSON, so that certificates from before there were such keep their hash."""


@dataclass(frozen=True)
class Certificate:
    """The threshold that keeps the promise for one collection and risk class.

    ``n`` and ``errors`` are what the test at the threshold counted. ``released_share`` is the
    share of answers at or below the threshold, an estimate. ``upper_bound`` is the plain
    Clopper-Pearson bound at the threshold, for information: the promised bound is ``alpha``.
    ``miss_bound`` bounds the rate at which reviewers call wrong answers right; 0 means that it was
    not measured and labels are taken as true. It comes from ``gold_missed`` of ``gold`` items with
    confidence 1 - ``gold_delta``; of ``second_reviews`` blind ones ``second_agreed``. ``test`` is
    ``binomial`` or ``thinned binomial``; ``seed`` is what the thinning drew with. ``lineage`` maps
    names to hashes.
    """

    threshold: float
    released_share: float
    alpha: float
    delta: float
    n: int
    errors: int
    upper_bound: float
    miss_bound: float
    test: str
    seed: int
    grid: int
    labels: int
    lineage: Mapping[str, str]
    date: str
    provisional: bool
    collection: str
    risk_class: str
    gold: int = 0
    gold_missed: int = 0
    gold_delta: float = 0.0
    second_reviews: int = 0
    second_agreed: int = 0

    @property
    def reviewer_error(self) -> str:
        """What is known of the reviewers who gave the labels, in words."""
        if self.provisional:
            return PUBLIC
        if self.gold:
            counted = f"{self.gold_missed} of {self.gold} gold items missed"
            return f"at most {self.miss_bound:.1%} of wrong answers called right ({counted})"
        if self.miss_bound:
            return f"no gold items; second reviews show at least {self.miss_bound:.1%} missed"
        return NOT_MEASURED

    def releases(self, score: float) -> bool:
        """Whether an answer with this risk may go out; False for a score that is no risk."""
        try:
            return level_of(score) <= level_of(self.threshold)
        except GateInvalid:
            return False

    @property
    def sha256(self) -> str:
        """The canonical hash of the certificate, for lineages and records."""
        return canonical_sha256(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; ``from_json`` reads them back."""
        stated = {**asdict(self), "lineage": dict(self.lineage)}
        left_out = () if self.gold or self.second_reviews else MEASURED
        return {name: value for name, value in stated.items() if name not in left_out}

    @classmethod
    def from_json(cls, value: Any) -> "Certificate":
        """Read a certificate; raises ``GateInvalid`` for anything unexpected in it."""
        names = {field.name: field.type for field in fields(cls)}
        if isinstance(value, Mapping) and not set(value) & set(MEASURED):
            names = {name: kind for name, kind in names.items() if name not in MEASURED}
        if not isinstance(value, Mapping) or set(value) != set(names):
            raise GateInvalid("a certificate must have exactly the fields of a certificate")
        for name, kind in names.items():
            _check_type(name, value[name], kind)
        certificate = cls(**{**value, "lineage": dict(value["lineage"])})
        _check_certificate(certificate)
        return certificate


@dataclass(frozen=True)
class NotCertifiable:
    """No threshold can be certified yet; everything stays held.

    ``code`` is ``too_few_labels``, ``too_many_errors`` (at the strictest level that has enough
    labels, of which ``n`` and ``errors`` speak) or ``reviewers_unreliable`` (the gold items allow
    no bound). ``more_labels`` is a rough estimate; None: more labels of this kind will not help.
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
    _check_order(date, not_before)
    test = _Test.of(alpha, delta, gold, second)
    kept = _thinned(labels, max_weight, seed)
    counts, errors = _cumulated(kept)
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
        released_share=_share(labels, level),
        n=counts[level],
        errors=errors[level],
        upper_bound=min(worst, 1.0),
        miss_bound=test.miss_bound,
        test="binomial" if max_weight is None else "thinned binomial",
        seed=seed,
        grid=GRID,
        lineage=dict(lineage or {}),
        provisional=provisional,
        **_measured(delta, gold, second),
        **stated,
    )


def _measured(delta: float, gold: Gold | None, second: SecondReviews | None) -> dict[str, Any]:
    """The certificate's fields ``MEASURED``."""
    found: dict[str, Any] = {}
    if gold is not None:
        found |= {"gold": gold.n, "gold_missed": gold.missed, "gold_delta": delta * GOLD_SHARE}
    if second is not None:
        found |= {"second_reviews": second.n, "second_agreed": second.agreed}
    return found


@dataclass(frozen=True)
class _Test:
    """The error rate and the share of delta that the labels are tested with."""

    alpha: float
    delta: float
    miss_bound: float

    @classmethod
    def of(
        cls, alpha: float, delta: float, gold: Gold | None, second: SecondReviews | None
    ) -> "_Test":
        _probability("alpha", alpha)
        _probability("delta", delta)
        spent = delta * GOLD_SHARE
        # A larger bound is only stricter, so this one costs no part of delta.
        least = second.least_misses(spent) if second is not None else 0.0
        if gold is None:
            return cls(alpha * (1 - least), delta, least)
        bound = max(upper_limit(gold.missed, gold.n, spent), least)
        return cls(alpha * (1 - bound), delta - spent, bound)

    @property
    def levels(self) -> tuple[float, float]:
        return self.alpha, self.delta


def level_of(score: float) -> int:
    """The grid level of a risk in [0, 1], rounded up; raises ``GateInvalid``.

    Labels and releases use this one function, so that rounding can never part them.
    """
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        raise GateInvalid(f"a risk score must be a number from 0 to 1, not {score!r}")
    return math.ceil(score * GRID - ROUNDING)


@lru_cache(maxsize=1 << 16)
def binomial_tail(errors: int, n: int, rate: float) -> float:
    """P(Bin(n, rate) <= errors), with a relative error below ``TAIL_MARGIN``.

    Sums from the largest term of the shorter side, so that nothing underflows unnoticed.
    """
    if errors < 0 or errors >= n:
        return float(errors >= n)
    upper = errors >= n * rate
    k = errors + 1 if upper else errors
    log_term = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    term = math.exp(log_term + k * math.log(rate) + (n - k) * math.log1p(-rate))
    odds = rate / (1 - rate)
    total = 0.0
    while term > total * 1e-17:
        total += term
        if upper:
            term *= (n - k) / (k + 1) * odds
            k += 1
        else:
            term *= k / ((n - k + 1) * odds)
            k -= 1
    return min(1.0, 1 - total if upper else total)


def passes(errors: int, n: int, alpha: float, delta: float) -> bool:
    """Whether ``errors`` among ``n`` labels reject "the true rate is above alpha"."""
    return n > 0 and binomial_tail(errors, n, alpha) * (1 + TAIL_MARGIN) <= delta


def zero_error_minimum(alpha: float, delta: float) -> int:
    """How many labels without any error are needed: 59 for 5 % and 95 % confidence."""
    n = max(1, math.floor(math.log(delta) / math.log1p(-alpha)))
    return n if passes(0, n, alpha, delta) else n + 1


def upper_limit(errors: int, n: int, delta: float) -> float:
    """Clopper-Pearson's upper bound of a rate, with confidence 1 - ``delta``; 1 without labels."""
    if errors >= n:
        return 1.0
    low, high = errors / n, 1.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (low, middle) if passes(errors, n, middle, delta) else (middle, high)
    return high


def lower_limit(errors: int, n: int, delta: float) -> float:
    """Clopper-Pearson's lower bound of a rate, with confidence 1 - ``delta``; 0 without labels."""
    return 1 - upper_limit(n - errors, n, delta)


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
        return _rounded_up(3 * least)
    wanted = []
    for place in range(1, 21):
        level = min(bisect_right(counts, total * place // 20), GRID)
        n = counts[level]
        needed = _labels_for((errors[level] + 5 * alpha) / (n + 10), alpha, delta)
        if needed is not None:
            wanted.append(needed * total / n)
    return _rounded_up(max(min(wanted) - total, least / 5)) if wanted else None


def _labels_for(rate: float, alpha: float, delta: float) -> int | None:
    """The labels that the test needs when errors come at ``rate``, with one standard deviation of
    bad luck; None when the rate is too high."""
    if rate > 0.9 * alpha:
        return None

    def good(n: int) -> bool:
        return passes(math.ceil(rate * n + math.sqrt(rate * n)), n, alpha, delta)

    high = 1
    while not good(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if good(middle) else (middle, high)
    return high


def _rounded_up(value: float) -> int:
    return math.ceil(value / 10) * 10


def _thinned(labels: Sequence[Label], max_weight: float | None, seed: int) -> Sequence[Label]:
    if max_weight is None:
        if len({label.weight for label in labels}) > 1:
            raise GateInvalid("weights differ: max_weight must say how large they can be")
        return labels
    _positive("max_weight", max_weight)
    if any(label.weight > max_weight for label in labels):
        raise GateInvalid(f"a weight is above max_weight, which is {max_weight!r}")
    draw = random.Random(seed)
    return [label for label in labels if draw.random() * max_weight < label.weight]


def _cumulated(labels: Sequence[Label]) -> tuple[list[int], list[int]]:
    """(labels, wrong ones) at or below each level 0 to GRID."""
    counts, errors = [0] * (GRID + 1), [0] * (GRID + 1)
    for label in labels:
        level = level_of(label.score)
        counts[level] += 1
        errors[level] += label.wrong
    return list(accumulate(counts)), list(accumulate(errors))


def _share(labels: Sequence[Label], level: int) -> float:
    released = sum(label.weight for label in labels if level_of(label.score) <= level)
    return released / sum(label.weight for label in labels)


def _not_certifiable(
    counts: Sequence[int],
    errors: Sequence[int],
    begin: int,
    test: _Test,
    stated: Mapping[str, Any],
) -> NotCertifiable:
    at = min(begin, GRID)
    few = counts[at] < zero_error_minimum(*test.levels)
    more = more_labels(counts, errors, *test.levels)
    found = (
        f"{stated['labels']} labels; the first test counts {errors[at]} wrong among {counts[at]}"
    )
    helps = f"about {more} more labels are needed" if more else "more labels alone will not help"
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


def _probability(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise GateInvalid(f"{name} must lie between 0 and 1, not {value!r}")


def _positive(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise GateInvalid(f"{name} must be a positive number, not {value!r}")


def _moment(text: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise GateInvalid(f"not an ISO date: {text!r}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _check_order(date: str, not_before: str | None) -> None:
    moment = _moment(date)
    if not_before is not None and moment < _moment(not_before):
        raise ClockBackwards(f"{date} lies before {not_before}, which is on record")


KINDS: dict[Any, tuple[type, ...]] = {
    float: (float, int),
    int: (int,),
    str: (str,),
    bool: (bool,),
    Mapping[str, str]: (Mapping,),
}


def _check_type(name: str, value: Any, kind: Any) -> None:
    if isinstance(value, bool) is not (kind is bool) or not isinstance(value, KINDS[kind]):
        raise GateInvalid(f"certificate: {name} has the wrong type: {value!r}")


def _check_certificate(certificate: Certificate) -> None:
    _probability("alpha", certificate.alpha)
    _probability("delta", certificate.delta)
    _moment(certificate.date)
    for name in ("threshold", "released_share", "upper_bound", "miss_bound", "gold_delta"):
        if not 0 <= getattr(certificate, name) <= 1:
            raise GateInvalid(f"certificate: {name} must lie from 0 to 1")
    if certificate.grid != GRID:
        raise GateInvalid(f"certificate: made for a grid of {certificate.grid}, ours is {GRID}")
    if not 0 <= certificate.errors <= certificate.n <= certificate.labels or certificate.n == 0:
        raise GateInvalid("certificate: errors, n and labels do not fit each other")
    reviewed = certificate.second_reviews, certificate.second_agreed
    golden = certificate.gold, certificate.gold_missed
    if not all(0 <= part <= whole for whole, part in (golden, reviewed)):
        raise GateInvalid("certificate: the figures of the reviewers do not fit each other")
    text = [*certificate.lineage, *certificate.lineage.values()]
    if not all(isinstance(part, str) for part in text):
        raise GateInvalid("certificate: lineage must map names to hashes")


BETS = (1.5, 2.0, 4.0)
"""The running test bets that the true rate is this many times alpha."""

LARGEST_BET = 0.5
"""No single right answer may cost more than this share of a bet's wealth."""

NOTHING = -1e6
"""The logarithm of a wealth of nothing, as a JSON number."""


@dataclass(frozen=True)
class EProcess:
    """Watches audited releases: has the error rate risen above alpha?

    Each observation is one released answer that the audit drew with a known probability;
    ``weight`` is its inverse. For each bet b the wealth is multiplied by
    1 + b·(weight / max_weight)·(wrong - alpha) / alpha. While the rate is at most alpha this is a
    fair game at best, so the wealth, which starts at 1, reaches 1/delta with probability delta at
    most, *however long and however often one looks* (Ville). A part of the starting wealth is put
    on the table at each step (what is unspent after t steps is 1/log2(t + 2)), so that a change
    after a long good time is found quickly.

    Immutable: ``observe`` returns the next state. Once ``violated`` it stays so, and nothing but a
    new certificate starts anew. What cannot be read back is violated.
    """

    alpha: float
    delta: float
    max_weight: float
    certificate: str
    seen: int
    logs: tuple[float, ...]
    broken: bool

    @classmethod
    def start(
        cls, alpha: float, delta: float, certificate: str, max_weight: float = 1.0
    ) -> "EProcess":
        """A fresh process for one certificate (its hash); raises ``GateInvalid``."""
        _probability("alpha", alpha)
        _probability("delta", delta)
        _positive("max_weight", max_weight)
        logs = (NOTHING,) * len(BETS)
        return cls(alpha, delta, max_weight, certificate, 0, logs, False)

    @property
    def e_value(self) -> float:
        """The wealth now; evidence that the rate is above alpha. Infinite once broken."""
        if self.broken:
            return math.inf
        return _unspent(self.seen) + sum(map(math.exp, self.logs)) / len(self.logs)

    @property
    def violated(self) -> bool:
        """Whether releases must stop now."""
        return not self.e_value < 1 / self.delta

    def observe(self, wrong: bool, weight: float = 1.0) -> "EProcess":
        """The process after one audited release; raises ``GateInvalid``."""
        if not isinstance(wrong, bool):
            raise GateInvalid(f"wrong must be true or false, not {wrong!r}")
        _positive("weight", weight)
        if weight > self.max_weight:
            raise GateInvalid(f"weight {weight!r} is above max_weight, {self.max_weight!r}")
        return self._after((wrong - self.alpha) / self.alpha * (weight / self.max_weight))

    def _after(self, outcome: float) -> "EProcess":
        """The process after an outcome in [-1, (1 - alpha) / alpha]."""
        seen = self.seen + 1
        if self.violated:
            return EProcess(*self._identity(), seen, self.logs, True)
        fresh = math.log(_unspent(seen - 1) - _unspent(seen))
        logs = tuple(
            _rounded_down(_log_sum(log, fresh) + math.log1p(bet * outcome))
            for log, bet in zip(self.logs, _bets(self.alpha), strict=True)
        )
        after = EProcess(*self._identity(), seen, logs, False)
        return EProcess(*self._identity(), seen, logs, True) if after.violated else after

    def _identity(self) -> tuple[float, float, float, str]:
        return self.alpha, self.delta, self.max_weight, self.certificate

    def to_state(self) -> dict[str, Any]:
        """Plain JSON types, with a hash over them."""
        state = {**asdict(self), "logs": list(self.logs)}
        return {**state, "sha256": canonical_sha256(state)}

    @classmethod
    def restore(
        cls, state: Any, alpha: float, delta: float, certificate: str, max_weight: float = 1.0
    ) -> "EProcess":
        """The stored process; a violated one if ``state`` is missing, damaged or of another
        promise or certificate. Raises ``GateInvalid`` only for the arguments beside ``state``."""
        fresh = cls.start(alpha, delta, certificate, max_weight)
        lost = EProcess(*fresh._identity(), 0, fresh.logs, True)
        if not isinstance(state, Mapping) or set(state) != {*asdict(fresh), "sha256"}:
            return lost
        content = {name: state[name] for name in asdict(fresh)}
        if not _intact(content, state["sha256"]):
            return lost
        stored = cls(**{**content, "logs": tuple(content["logs"])})
        return stored if stored._identity() == fresh._identity() else lost


def _intact(content: Mapping[str, Any], sha256: Any) -> bool:
    """Whether a stored state has its own hash and only figures that a process can have."""
    try:
        same = canonical_sha256(content) == sha256
    except (TypeError, ValueError, RecursionError):
        return False
    logs, seen = content["logs"], content["seen"]
    return (
        same
        and isinstance(logs, list)
        and len(logs) == len(BETS)
        and all(isinstance(log, float) and NOTHING <= log < 1e3 for log in logs)
        and type(seen) is int
        and seen >= 0
        and isinstance(content["broken"], bool)
    )


def _bets(alpha: float) -> list[float]:
    """For a true rate q the wealth grows fastest with the bet (q - alpha) / (1 - alpha)."""
    return [min(alpha * (times - 1) / (1 - alpha), LARGEST_BET) for times in BETS]


def _unspent(seen: int) -> float:
    return 1 / math.log2(seen + 2)


def _log_sum(left: float, right: float) -> float:
    high, low = max(left, right), min(left, right)
    return high + math.log1p(math.exp(low - high))


def _rounded_down(log: float) -> float:
    """To nine decimals, so that the state reads back as it was; down, in favour of no alarm."""
    return max(NOTHING, math.floor(log * 1e9) / 1e9)
