"""The betting test of thresholds: evidence for one that holds however often somebody looks.

For each threshold t play money is bet against "more than alpha of what t releases is wrong": an
answer at or below t multiplies it by 1 + bet * gain, where gain is above 0 for a right answer and
below 0 for a wrong one (Waudby-Smith and Ramdas, 2024; weighted labels and a predictor after Xu,
Karampatziakis and Mineiro, 2024). docs/gate.md proves what follows from it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from guardrails.gate.binomial import TAIL_MARGIN, GateInvalid, level_of, zero_error_minimum

BETS = np.array([1.0, 0.9, 0.75, 0.55, 0.35])
"""Shares of the largest bet that leaves the wealth at 0 or more. For plain labels the share u is
the best one when (1 - u) * alpha of the answers are wrong."""
PURSES = np.array([0.6, 0.12, 0.12, 0.08, 0.08])
"""The wealth that each bet starts with; together 1."""

START_SHARE = 0.2
"""The sequence begins no lower than where this share of the first labels lies."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int_]


@dataclass(frozen=True)
class Stream:
    """Answers in the order in which they were given: levels [n], gains [n] and largest bets [n].

    A gain is alpha - p - (L / q)(r - p): L says whether the answer was labelled, which had the
    chance q, r whether it is wrong (1) or right (0), and p is what a helper predicted of r before
    (0 to 1). ``largest`` is known before each answer, and 1 + largest * gain is never below 0.
    """

    levels: Ints
    gains: Floats
    largest: Floats

    @classmethod
    def labelled(
        cls,
        alpha: float,
        levels: Ints | Sequence[int],
        wrong: NDArray[np.bool_] | Sequence[bool],
        shares: Floats | Sequence[float],
    ) -> "Stream":
        """Labelled answers without a helper: p is alpha, so unlabelled ones have no gain.

        ``shares`` are q_min / q in (0, 1]: the weight of each as a share of the largest possible.
        """
        weights = np.asarray(shares, dtype=float)
        _check(bool(((weights > 0) & (weights <= 1)).all()), "a weight is above max_weight")
        gains = weights * (alpha - np.asarray(wrong, dtype=bool))
        return cls(np.asarray(levels, dtype=int), gains, np.full(len(levels), 1 / (1 - alpha)))

    @classmethod
    def helped(
        cls,
        alpha: float,
        levels: Ints,
        wrong: NDArray[np.bool_],
        chances: Floats,
        labelled: NDArray[np.bool_],
        predicted: Floats,
        floor: float,
    ) -> "Stream":
        """All answers, labelled with ``chances`` >= ``floor``, and a helper's ``predicted``.

        ``wrong`` is not looked at where there is no label. Raises ``GateInvalid``.
        """
        _check(bool(((chances >= floor) & (chances <= 1)).all()) and 0 < floor <= 1, "chances")
        _check(bool(((predicted >= 0) & (predicted <= 1)).all()), "predictions")
        gains = alpha - predicted - labelled / chances * (wrong - predicted)
        return cls(levels, gains, np.full(len(levels), 1 / (1 / floor - alpha)))

    def log_wealth(self, level: int) -> Floats:
        """The logarithm of the wealth after each answer at or below ``level``."""
        return _mixed(self._steps()[:, self.levels <= level])

    def _steps(self) -> Floats:
        factors = 1 + BETS[:, None] * (self.largest * self.gains)
        with np.errstate(divide="ignore"):
            steps: Floats = np.log(np.maximum(factors, 0.0))
        return steps

    def passed(self, begin: int, delta: float) -> list["Passed"]:
        """The levels that pass one after the other from ``begin``, and when each did.

        A level passes when its wealth was ever 1/delta; the first that never did ends the sequence.
        Of levels above with the same answers only the strictest counts.
        """
        steps, wanted = self._steps(), math.log(1 / delta) + TAIL_MARGIN
        found: list[Passed] = []
        for level in _steps_from(self.levels, begin):
            places = np.flatnonzero(self.levels <= level)
            wealth = _mixed(steps[:, places])
            reached = wealth >= wanted
            if not reached.any():
                break
            first = int(places[reached.argmax()]) + 1
            found.append(Passed(level, max(first, found[-1].after if found else 0)))
        return found


@dataclass(frozen=True)
class Passed:
    """A level that passed, with all stricter ones, ``after`` so many answers of the stream."""

    level: int
    after: int


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise GateInvalid(f"{what}: outside of what the design allows")


def _mixed(steps: Floats) -> Floats:
    """The logarithm of the whole wealth after each step [bets, n]."""
    logs = steps.cumsum(axis=1) + np.log(PURSES)[:, None]
    most = logs.max(axis=0, initial=-1e300)
    mixed: Floats = most + np.log(np.exp(logs - most).sum(axis=0))
    return mixed


def _steps_from(levels: Ints, begin: int) -> Sequence[int]:
    """``begin`` and the levels above it at which something new is released.

    None where nothing lies at or below ``begin``: to skip it would be a start chosen by labels.
    """
    held = np.unique(levels)
    steps: list[int] = [begin, *held[held > begin].tolist()]
    return steps if (held <= begin).any() else []


def first_level(levels: Ints | Sequence[int], alpha: float, delta: float) -> int | None:
    """Where the sequence begins: the risk alpha / 2, or that of ``START_SHARE`` of the first labels
    if it is more; None before there are labels enough for any test.

    Only the first labels count, so that it is the same at every look.
    """
    first = zero_error_minimum(alpha, delta)
    if len(levels) < first:
        return None
    least = int(np.sort(levels[:first])[math.ceil(START_SHARE * first) - 1])
    return max(level_of(alpha / 2), least)


def zero_error_labels(alpha: float, delta: float) -> int:
    """How many labels without any error the test needs: 64 for 5 % and 95 % confidence."""
    n = zero_error_minimum(alpha, delta)
    while wealth_of(0, n, alpha) < (1 + TAIL_MARGIN) / delta:
        n += 1
    return n


def upper_limit_anytime(errors: int, n: int, delta: float) -> float:
    """An upper bound of a rate that holds at all times at once with confidence 1 - ``delta``.

    The smallest rate that the bets refuse after ``errors`` among ``n``; 1 when there is none.
    """
    low, high = (errors / n if n else 0.0), 1.0
    if errors >= n:
        return 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        refused = wealth_of(errors, n, middle) >= (1 + TAIL_MARGIN) / delta
        low, high = (low, middle) if refused else (middle, high)
    return high


def wealth_of(errors: int, n: int, rate: float) -> float:
    """The wealth after so many plain labels; their order does not matter."""
    with np.errstate(divide="ignore"):
        logs = (n - errors) * np.log1p(BETS * rate / (1 - rate))
    return float((PURSES * (1 - BETS) ** errors * np.exp(np.minimum(logs, 700))).sum())
