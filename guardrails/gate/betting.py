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

from guardrails.gate.binomial import GRID, TAIL_MARGIN, GateInvalid, zero_error_minimum

BETS = np.array([1.0, 0.9, 0.75, 0.55, 0.35])
"""Shares of the largest bet that leaves the wealth at 0 or more. For plain labels the share u is
the best one when (1 - u) * alpha of the answers are wrong."""
PURSES = np.array([0.45, 0.18, 0.15, 0.12, 0.1])
"""The wealth that each bet starts with; together 1."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int_]


@dataclass(frozen=True)
class Aims:
    """Where the bets of stricter levels are placed: ``levels`` [ways, n].

    ``purses`` [ways, bets] is what each way and each of ``BETS`` starts with, together 1.

    In its i-th bet the hypothesis of a level t bets on the answers at or below t or levels[way, i],
    whichever is laxer; -1: it bets on nothing. Each aim is fixed before its answer is judged.
    """

    levels: Ints
    purses: Floats


def _no_aims(n: int) -> Aims:
    return Aims(np.zeros((1, n), dtype=int), PURSES[None])


@dataclass(frozen=True)
class Stream:
    """Answers in the order in which they were given: levels [n], gains [n] and largest bets [n].

    A gain is alpha - p - (L / q)(r - p): L says whether the answer was labelled, which had the
    chance q, r whether it is wrong (1) or right (0), and p is what a helper predicted of r before
    (0 to 1). ``largest`` is known before each answer, and 1 + largest * gain is never below 0.
    ``ceilings`` [n]: answers above were left out when this one was drawn, so that it says nothing
    of levels above its ceiling.
    """

    levels: Ints
    gains: Floats
    largest: Floats
    ceilings: Ints
    aims: Aims

    @classmethod
    def labelled(
        cls,
        alpha: float,
        levels: Ints | Sequence[int],
        wrong: NDArray[np.bool_] | Floats | Sequence[float],
        shares: Floats | Sequence[float],
        ceilings: Ints | Sequence[int] | None = None,
        aims: Aims | None = None,
    ) -> "Stream":
        """Labelled answers without a helper: p is alpha, so unlabelled ones have no gain.

        ``shares`` are q_min / q in (0, 1]: the weight of each as a share of the largest possible.
        ``wrong`` may be losses from 0 to 1: then the bets are against a mean loss above alpha.
        """
        n, weights = len(levels), np.asarray(shares, dtype=float)
        losses = np.asarray(wrong, dtype=float)
        _check(bool(((losses >= 0) & (losses <= 1)).all()), "a loss is not from 0 to 1")
        _check(bool(((weights > 0) & (weights <= 1)).all()), "a weight is above max_weight")
        gains = weights * (alpha - losses)
        most = np.full(n, GRID) if ceilings is None else np.asarray(ceilings, dtype=int)
        placed = np.asarray(levels, dtype=int)
        return cls(placed, gains, np.full(n, 1 / (1 - alpha)), most, aims or _no_aims(n))

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
        aims: Aims | None = None,
    ) -> "Stream":
        """All answers, labelled with ``chances`` >= ``floor``, and a helper's ``predicted``.

        ``wrong`` is not looked at where there is no label. Raises ``GateInvalid``.
        """
        _check(bool(((chances >= floor) & (chances <= 1)).all()) and 0 < floor <= 1, "chances")
        _check(bool(((predicted >= 0) & (predicted <= 1)).all()), "predictions")
        gains = alpha - predicted - labelled / chances * (wrong - predicted)
        n = len(levels)
        largest, most = np.full(n, 1 / (1 / floor - alpha)), np.full(n, GRID)
        return cls(levels, gains, largest, most, aims or _no_aims(n))

    def log_wealth(self, level: int) -> Floats:
        """The logarithm of the wealth against ``level`` after each answer of the stream."""
        return _mixed(self._purses(self._steps(), self._counts(level)))

    def spread(self, level: int) -> Floats:
        """How the wealth against ``level`` lies in the purses at the end [ways, bets]; sum 1."""
        counts = self._counts(level)
        logs = (self._steps()[None] * counts[:, None]).sum(axis=2) + np.log(self.aims.purses)
        shares = np.exp(logs - logs.max())
        spread: Floats = shares / shares.sum()
        return spread

    def _steps(self) -> Floats:
        factors = 1 + BETS[:, None] * (self.largest * self.gains)
        steps: Floats = np.log(np.maximum(factors, 1e-300))
        return steps

    def _counts(self, level: int) -> NDArray[np.bool_]:
        """Which answers the bets against ``level`` are on [ways, n]."""
        placed = np.maximum(self.aims.levels, level)
        counts: NDArray[np.bool_] = (self.levels <= placed) & (self.ceilings >= placed)
        return counts & (self.aims.levels >= 0)

    def _purses(self, steps: Floats, counts: NDArray[np.bool_]) -> Floats:
        """The logarithm of each purse [ways, bets, n] after each step [bets, n] that counts
        [ways, n]."""
        logs = (steps[None] * counts[:, None]).cumsum(axis=2)
        logs += np.log(self.aims.purses)[:, :, None]
        return logs

    def passed(self, begin: int, delta: float) -> list["Passed"]:
        """The levels that pass one after the other from ``begin``, and when each did.

        A level passes when its wealth was ever 1/delta; the first that never did ends the sequence.
        Only levels are told at which an answer lies.
        """
        steps, wanted = self._steps(), math.log(1 / delta) + TAIL_MARGIN
        found: list[Passed] = []
        last = 0
        for level in self._tested(begin):
            after = self._first_reached(steps, level, wanted)
            if after is None:
                break
            last = max(after, last)
            if level in self.levels or level == begin > 0:
                found.append(Passed(level, last))
        return found

    def _first_reached(self, steps: Floats, level: int, wanted: float) -> int | None:
        """After how many answers the wealth against the level was first ``wanted``."""
        counts = self._counts(level)
        some = np.flatnonzero(counts.any(axis=0))
        purses = self._purses(steps[:, some], counts[:, some])
        # All purses together hold no more than as many of the largest.
        near = np.flatnonzero(purses.max(axis=(0, 1)) >= wanted - math.log(len(BETS) * len(counts)))
        reached = near[_mixed(purses[:, :, near]) >= wanted]
        return int(some[reached[0]]) + 1 if len(reached) else None

    def _tested(self, begin: int) -> Sequence[int]:
        """``begin`` and the levels above it at which other answers count than just below.

        None where no answer can count for ``begin``: to skip it would be a start chosen by labels.
        """
        if not len(self.levels) or self.levels.min() > max(begin, self.aims.levels.max(initial=0)):
            return []
        changes = {*self.levels.tolist(), *(self.ceilings + 1).tolist()}
        return [begin, *sorted(level for level in changes if begin < level <= GRID)]


@dataclass(frozen=True)
class Passed:
    """A level that passed, with all stricter ones, ``after`` so many answers of the stream."""

    level: int
    after: int


def _mixed(purses: Floats) -> Floats:
    """The logarithm of all purses together [n], of their logarithms [ways, bets, n]."""
    most = purses.max(axis=(0, 1), initial=-1e300)
    mixed: Floats = most + np.log(np.exp(purses - most).sum(axis=(0, 1)))
    return mixed


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise GateInvalid(f"{what}: outside of what the design allows")


def zero_error_labels(alpha: float, delta: float) -> int:
    """How many labels without any error the bets need: 68 for 5 % and 95 % confidence."""
    n = zero_error_minimum(alpha, delta)
    while wealth_of(0, n, alpha) < (1 + TAIL_MARGIN) / delta:
        n += 1
    return n


def upper_limit_anytime(errors: int, n: int, delta: float) -> float:
    """An upper bound of a rate that holds at all times at once with confidence 1 - ``delta``.

    The smallest rate that the bets refuse after ``errors`` among ``n``; 1 when there is none.
    """
    if errors >= n:
        return 1.0
    low, high = 0.0, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        refused = wealth_of(errors, n, middle) >= (1 + TAIL_MARGIN) / delta
        low, high = (low, middle) if refused else (middle, high)
    return high


def wealth_of(errors: int, n: int, rate: float) -> float:
    """The wealth after so many plain labels; their order does not matter."""
    logs = (n - errors) * np.log1p(BETS * rate / (1 - rate))
    return float((PURSES * (1 - BETS) ** errors * np.exp(np.minimum(logs, 700))).sum())
