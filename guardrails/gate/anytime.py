"""Certifies with the betting test: one may look after every label, and stop when it passes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from guardrails.gate.aims import PURSES_OF_AIMS, WAIT, aims_of, lent_aims
from guardrails.gate.betting import (
    Aims,
    Stream,
    upper_limit_anytime,
    wealth_of,
    zero_error_labels,
)
from guardrails.gate.binomial import (
    GRID,
    GateInvalid,
    check_order,
    check_positive,
    level_of,
    upper_limit,
)
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
    more_in_words,
    rounded_up,
)
from guardrails.gate.planned import LOOK_SHARE, Looked, Plan, ceiling_now, look

BETTING = "betting"
PLANNED = "planned look"
MOST_LENT = 10
"""Others' labels count no more than so many own ones."""


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
    lent: Sequence[Label] = (),
    plan: Plan | None = None,
    not_before: str | None = None,
) -> Certificate | NotCertifiable:
    """The laxest threshold that keeps ``alpha``, of ``labels`` in the order they were given.

    As ``certify``, but the promise covers every look at a growing list of labels together: all
    looks are wrong with probability ``delta`` at most. ``max_weight`` is the largest weight of
    labels that do not state it themselves. ``lent`` are labels of other strata, all given before
    the first of ``labels``: they say where to bet first, and count for nothing else. Nothing is
    certified whose labels show more than ``alpha`` now, whatever they showed before. With a
    ``plan``, which must be of this promise, most of ``delta`` is for its look, and any other day
    has the rest. Raises ``GateInvalid`` or ``ClockBackwards``.
    """
    check_order(date, not_before)
    test = TestedRate.of(alpha, delta, gold, second, upper_limit_anytime)
    stated: dict[str, Any] = {"alpha": alpha, "delta": delta, "labels": len(labels), "date": date}
    stated |= {"collection": collection, "risk_class": risk_class}
    if test.alpha <= 0:
        return NotCertifiable("reviewers_unreliable", UNRELIABLE, None, 0, 0, **stated)
    shares = _shares(labels, max_weight)
    looked = _look(labels, shares, plan, test, alpha, delta)
    any_day = test if plan is None else replace(test, delta=test.delta * (1 - LOOK_SHARE))
    aims = None if start is not None else _aims(labels, shares, alpha, lent)
    begin = 0 if start is None else level_of(start)
    stream = _stream(labels, shares, any_day.alpha, aims)
    bet = _laxest(labels, stream, begin, any_day)
    seen = None if looked is None else looked.level
    level = max((x for x in (seen, bet) if x is not None), default=None)
    if level is None:
        if plan is not None and plan.awaits(len(labels)):
            return _not_yet(labels, plan, stated)
        at, bets = begin or ceiling_now(labels, alpha), stream if labels else None
        return _not_certifiable(labels, at, any_day, stated, bets)
    if looked is None or level == bet:
        counted, name = _counted(labels, level), BETTING
        worst = _upper_bound(labels, shares, level, any_day, aims)
    else:
        counted, name = (looked.n, looked.errors), PLANNED
        worst = upper_limit(looked.errors, looked.n, test.delta * LOOK_SHARE)
    return Certificate(
        threshold=level / GRID,
        released_share=share_below(labels, level),
        n=counted[0],
        errors=counted[1],
        upper_bound=min(worst / (1 - test.miss_bound), 1.0),
        miss_bound=test.miss_bound,
        test=name,
        weighed=any(label.loss < 1 for label in labels),
        seed=0,
        grid=GRID,
        lineage=dict(lineage or {}),
        provisional=False,
        **measured(delta, gold, second),
        **stated,
    )


def _look(
    labels: Sequence[Label],
    shares: Sequence[float],
    plan: Plan | None,
    test: TestedRate,
    alpha: float,
    delta: float,
) -> Looked | None:
    """What a plan's look certifies; nothing without a plan, or while it has too few labels, and no
    level whose labels show more than alpha by now."""
    if plan is None:
        return None
    if (plan.alpha, plan.delta) != (alpha, delta):
        raise GateInvalid("the plan is for another promise")
    found = look(labels, shares, plan, *test.levels)
    if found is None or found.level is None or _shown(labels, found.level) > test.alpha:
        return None
    return found


def _not_yet(labels: Sequence[Label], plan: Plan, stated: Mapping[str, Any]) -> NotCertifiable:
    n, errors = len(labels), sum(label.wrong for label in labels)
    more = plan.awaits(n)
    message = f"Not certifiable yet: {n} labels; the planned look needs {more} more."
    return NotCertifiable("look_awaited", message, more, n, errors, **stated)


def betting_curve(
    labels: Sequence[Label],
    alpha: float,
    delta: float,
    *,
    gold: Gold | None = None,
    second: SecondReviews | None = None,
    max_weight: float | None = None,
    lent: Sequence[Label] = (),
    plan: Plan | None = None,
) -> list[float]:
    """The evidence for a first threshold after each label, as a share of what is needed any day:
    the logarithm of the wealth at the strictest level by that of 1/delta, of what a plan leaves of
    delta. Empty when reviewers may miss everything."""
    test = TestedRate.of(alpha, delta, gold, second, upper_limit_anytime)
    if test.alpha <= 0 or not labels:
        return []
    spent = test.delta * (1.0 if plan is None else 1 - LOOK_SHARE)
    shares = _shares(labels, max_weight)
    stream = _stream(labels, shares, test.alpha, _aims(labels, shares, alpha, lent))
    points: list[float] = (stream.log_wealth(0) / math.log(1 / spent)).tolist()
    return points


def _aims(
    labels: Sequence[Label], shares: Sequence[float], alpha: float, lent: Sequence[Label] = ()
) -> Aims:
    if not lent:
        return _aims_of(labels, shares, alpha)
    began = _stream(lent, [1.0] * len(lent), alpha, _aims_of(lent, [1.0] * len(lent), alpha))
    # However many the others are, the own labels soon decide where to bet.
    theirs = [min(1.0, MOST_LENT / len(lent))] * len(lent)
    both = _aims_of([*lent, *labels], [*theirs, *shares], alpha)
    return lent_aims(both, began.spread(0), len(labels))


def _aims_of(labels: Sequence[Label], shares: Sequence[float], alpha: float) -> Aims:
    losses = np.array([label.counted for label in labels], dtype=float)
    placed = np.array(_levels(labels), dtype=int), np.array(_ceilings(labels), dtype=int)
    return aims_of(placed[0], losses, np.array(shares, dtype=float), placed[1], alpha)


def _shares(labels: Sequence[Label], max_weight: float | None) -> list[float]:
    """Each label's weight as a share of the largest that was possible."""
    if max_weight is not None:
        check_positive("max_weight", max_weight)
    elif len({label.weight for label in labels if label.largest is None}) > 1:
        raise GateInvalid("weights differ: max_weight must say how large they can be")
    largest = [label.largest or max_weight or label.weight for label in labels]
    return [label.weight / most for label, most in zip(labels, largest, strict=True)]


def _laxest(labels: Sequence[Label], stream: Stream, begin: int, test: TestedRate) -> int | None:
    level = None
    for passed in stream.passed(begin, test.delta):
        if _shown(labels, passed.level) > test.alpha:
            break
        level = passed.level
    return level


def _stream(
    labels: Sequence[Label], shares: Sequence[float], alpha: float, aims: Aims | None
) -> Stream:
    losses = [label.counted for label in labels]
    return Stream.labelled(alpha, _levels(labels), losses, shares, _ceilings(labels), aims)


def _levels(labels: Sequence[Label]) -> list[int]:
    return [level_of(label.score) for label in labels]


def _ceilings(labels: Sequence[Label]) -> list[int]:
    return [level_of(label.ceiling) for label in labels]


def _shown(labels: Sequence[Label], level: int) -> float:
    """The weighted mean loss at or below the level."""
    kept = _at_or_below(labels, level)
    return sum(label.weight * label.counted for label in kept) / sum(label.weight for label in kept)


def _at_or_below(labels: Sequence[Label], level: int) -> list[Label]:
    """Labels at or below the level, of draws that left nothing out there."""
    return [x for x in labels if level_of(x.score) <= level <= level_of(x.ceiling)]


def _counted(labels: Sequence[Label], level: int) -> tuple[int, int]:
    """(labels, wrong ones) at or below the level."""
    kept = _at_or_below(labels, level)
    return len(kept), sum(label.wrong for label in kept)


def share_below(labels: Sequence[Label], level: int) -> float:
    """The share of all answers at or below the level, from labels with ceilings: how many lie
    under each ceiling of those under the one above it, and so on down."""
    steps = sorted({c for c in _ceilings(labels) if c > level} | {level}, reverse=True)
    share = 1.0
    for high, low in pairwise([GRID, *steps]):
        drawn = _at_or_below(labels, high)
        under = sum(label.weight for label in drawn if level_of(label.score) <= low)
        share *= under / sum(label.weight for label in drawn) if drawn else 1.0
    return share


def _upper_bound(
    labels: Sequence[Label],
    shares: Sequence[float],
    level: int,
    test: TestedRate,
    aims: Aims | None,
) -> float:
    """The smallest rate that the bets at the level refuse now or refused before."""
    low, high = 0.0, test.alpha
    while high - low > 1e-5:
        middle = (low + high) / 2
        wealth = _stream(labels, shares, middle, aims).log_wealth(level).max()
        low, high = (low, middle) if wealth >= math.log(1 / test.delta) else (middle, high)
    return high


def least_labels_anytime(alpha: float, delta: float) -> int:
    """How many labels without any error certify: 108 for 5 % and 95 % confidence, if their risks
    differ; fewer if they do not."""
    return WAIT + zero_error_labels(alpha, delta * float(PURSES_OF_AIMS[0]))


def more_labels_anytime(
    labels: Sequence[Label], alpha: float, delta: float, stream: Stream | None = None
) -> int | None:
    """About how many more labels would certify something, if the next are like these.

    For twenty levels under the ceiling: the rate of errors there, drawn to alpha / 5 as if by ten
    labels, and the labels that the bets need at that rate. Where the bets of the ``stream`` have
    won less than so many labels win, as they came in another order or to other levels, it is what
    they lack that counts. None: more labels will not help.
    """
    drawn = _at_or_below(labels, ceiling_now(labels, alpha))
    if not drawn:
        return rounded_up(least_labels_anytime(alpha, delta))
    levels = sorted(_levels(drawn))
    won = 1.0 if stream is None else float(stream.log_wealth(0)[-1]) / math.log(1 / delta)
    wanted = []
    for level in {levels[len(levels) * place // 20] for place in range(20)} | {levels[-1]}:
        below = _at_or_below(drawn, level)
        n, errors = len(below), sum(label.counted for label in below)
        needed = _labels_for((errors + 2 * alpha) / (n + 10), alpha, delta)
        if needed is not None:
            wanted.append(max(needed - n, (needed - WAIT) * (1 - won), 1) * len(drawn) / n)
    return rounded_up(min(wanted)) if wanted else None


def _labels_for(rate: float, alpha: float, delta: float) -> int | None:
    # The smallest bet wins nothing where more than about 0.8 alpha is wrong.
    if rate > 0.75 * alpha:
        return None
    spent = delta * float(PURSES_OF_AIMS.max())
    needed = least_labels(lambda k: wealth_of(round(rate * k), k, alpha) >= 1 / spent)
    return max(needed, least_labels_anytime(alpha, delta))


def _not_certifiable(
    labels: Sequence[Label],
    level: int,
    test: TestedRate,
    stated: Mapping[str, Any],
    stream: Stream | None,
) -> NotCertifiable:
    n, errors = _counted(labels, level)
    few = n < least_labels_anytime(*test.levels)
    more = more_labels_anytime(labels, *test.levels, stream)
    found = f"{len(labels)} labels; of {n} with a risk up to {level / GRID:g} {errors} are wrong"
    helps = more_in_words(more, len(labels))
    if test.miss_bound:
        helps += f", or more gold items: reviewers may miss {test.miss_bound:.1%} of the errors"
    code = "too_few_labels" if few else "too_many_errors"
    return NotCertifiable(
        code, f"Not certifiable yet: {found}; {helps}.", more, n, errors, **stated
    )
