"""Certifies with the betting test: one may look after every label, and stop when it passes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from guardrails.gate.betting import (
    Stream,
    first_level,
    upper_limit_anytime,
    wealth_of,
    zero_error_labels,
)
from guardrails.gate.binomial import GRID, GateInvalid, check_order, check_positive, level_of
from guardrails.gate.certificate import Certificate
from guardrails.gate.certify import (
    UNRELIABLE,
    Gold,
    Label,
    NotCertifiable,
    SecondReviews,
    TestedRate,
    least_labels,
    measured,
    released_share,
    rounded_up,
)

BETTING = "betting"


def certify_anytime(
    labels: Sequence[Label],
    alpha: float,
    delta: float,
    *,
    date: str,
    collection: str,
    risk_class: str = "",
    lineage: Mapping[str, str] | None = None,
    gold: Gold | None = None,
    second: SecondReviews | None = None,
    max_weight: float | None = None,
    start: float | None = None,
    not_before: str | None = None,
) -> Certificate | NotCertifiable:
    """The laxest threshold that keeps ``alpha``, of ``labels`` in the order they were given.

    As ``certify``, but the promise covers every look at a growing list of labels together: all
    looks are wrong with probability ``delta`` at most. ``max_weight`` is the largest weight of
    labels that do not state it themselves. Nothing is certified whose labels show more than
    ``alpha`` now, whatever they showed before. Raises ``GateInvalid`` or ``ClockBackwards``.
    """
    check_order(date, not_before)
    test = TestedRate.of(alpha, delta, gold, second, upper_limit_anytime)
    stated: dict[str, Any] = {"alpha": alpha, "delta": delta, "labels": len(labels), "date": date}
    stated |= {"collection": collection, "risk_class": risk_class}
    if test.alpha <= 0:
        return NotCertifiable("reviewers_unreliable", UNRELIABLE, None, 0, 0, **stated)
    shares = _shares(labels, max_weight)
    begin = _begin(labels, test, start)
    level = _laxest(labels, shares, begin, test)
    if level is None:
        return _not_certifiable(labels, begin, test, stated)
    n, errors = _counted(labels, level)
    return Certificate(
        threshold=level / GRID,
        released_share=released_share(labels, level),
        n=n,
        errors=errors,
        upper_bound=min(_upper_bound(labels, shares, level, test) / (1 - test.miss_bound), 1.0),
        miss_bound=test.miss_bound,
        test=BETTING,
        seed=0,
        grid=GRID,
        lineage=dict(lineage or {}),
        provisional=False,
        **measured(delta, gold, second),
        **stated,
    )


def _shares(labels: Sequence[Label], max_weight: float | None) -> list[float]:
    """Each label's weight as a share of the largest that was possible."""
    if max_weight is not None:
        check_positive("max_weight", max_weight)
    elif len({label.weight for label in labels if label.largest is None}) > 1:
        raise GateInvalid("weights differ: max_weight must say how large they can be")
    largest = [label.largest or max_weight or label.weight for label in labels]
    return [label.weight / most for label, most in zip(labels, largest, strict=True)]


def _begin(labels: Sequence[Label], test: TestedRate, start: float | None) -> int | None:
    if start is not None:
        return level_of(start)
    return first_level(_levels(labels), *test.levels)


def _laxest(
    labels: Sequence[Label], shares: Sequence[float], begin: int | None, test: TestedRate
) -> int | None:
    if begin is None:
        return None
    level = None
    for passed in _stream(labels, shares, test.alpha).passed(begin, test.delta):
        if _shown(labels, passed.level) > test.alpha:
            break
        level = passed.level
    return level


def _stream(labels: Sequence[Label], shares: Sequence[float], alpha: float) -> Stream:
    return Stream.labelled(alpha, _levels(labels), [label.wrong for label in labels], shares)


def _levels(labels: Sequence[Label]) -> list[int]:
    return [level_of(label.score) for label in labels]


def _shown(labels: Sequence[Label], level: int) -> float:
    """The weighted share of wrong ones at or below the level."""
    kept = [label for label in labels if level_of(label.score) <= level]
    return sum(label.weight * label.wrong for label in kept) / sum(label.weight for label in kept)


def _counted(labels: Sequence[Label], level: int | None) -> tuple[int, int]:
    """(labels, wrong ones) at or below the level; nothing without one."""
    chosen = [x.wrong for x in labels if level is not None and level_of(x.score) <= level]
    return len(chosen), sum(chosen)


def _upper_bound(
    labels: Sequence[Label], shares: Sequence[float], level: int, test: TestedRate
) -> float:
    """The smallest rate that the bets at the level refuse now or refused before."""
    low, high = 0.0, test.alpha
    while high - low > 1e-5:
        middle = (low + high) / 2
        wealth = _stream(labels, shares, middle).log_wealth(level).max()
        low, high = (low, middle) if wealth >= math.log(1 / test.delta) else (middle, high)
    return high


def more_labels_anytime(n: int, errors: int, total: int, alpha: float, delta: float) -> int | None:
    """About how many more labels would certify something, if the next are like these.

    ``n`` and ``errors`` are those at the first level, of ``total`` labels. None: at this rate of
    errors more labels will not help. Errors are drawn to alpha / 5, as if by ten labels.
    """
    rate = (errors + 2 * alpha) / (n + 10)
    if rate > 0.9 * alpha:
        return None
    needed = least_labels(lambda k: wealth_of(round(rate * k), k, alpha) >= 1 / delta)
    needed = max(needed, zero_error_labels(alpha, delta))
    share = n / total if n else 1.0
    return rounded_up(max((needed - n) / share, 1))


def _not_certifiable(
    labels: Sequence[Label], begin: int | None, test: TestedRate, stated: Mapping[str, Any]
) -> NotCertifiable:
    n, errors = _counted(labels, GRID if begin is None else begin)
    few = n < zero_error_labels(*test.levels)
    more = more_labels_anytime(n, errors, len(labels), *test.levels)
    found = f"{len(labels)} labels; the first test counts {errors} wrong among {n}"
    helps = f"about {more} more labels are needed" if more else "more labels alone will not help"
    if test.miss_bound:
        helps += f", or more gold items: reviewers may miss {test.miss_bound:.1%} of the errors"
    code = "too_few_labels" if few else "too_many_errors"
    return NotCertifiable(
        code, f"Not certifiable yet: {found}; {helps}.", more, n, errors, **stated
    )
