"""The exact binomial test: tails, Clopper-Pearson bounds, grid levels and what may be tested."""

import math
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar

GRID = 1000
"""Scores are rounded up to multiples of 1/GRID. Changing it voids every certificate."""

ROUNDING = 1e-9
"""A score this little above a level, in levels, is at it: 0.3 must not become 0.301."""

TAIL_MARGIN = 1e-7
"""A tail must stay below delta by this share: more than its floating-point error."""


class GateInvalid(ValueError):
    """A figure that the gate cannot use; the message names it."""

    code: ClassVar[str] = "gate_invalid"


class ClockBackwards(GateInvalid):
    """A date that lies before one that is already on record."""

    code: ClassVar[str] = "clock_backwards"


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


def check_probability(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise GateInvalid(f"{name} must lie between 0 and 1, not {value!r}")


def check_positive(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise GateInvalid(f"{name} must be a positive number, not {value!r}")


def check_loss(value: Any) -> None:
    check_positive("loss", value)
    if value > 1:
        raise GateInvalid(f"loss must be at most 1, not {value!r}")


def moment_of(text: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise GateInvalid(f"not an ISO date: {text!r}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def check_order(date: str, not_before: str | None) -> None:
    moment = moment_of(date)
    if not_before is not None and moment < moment_of(not_before):
        raise ClockBackwards(f"{date} lies before {not_before}, which is on record")
