"""Have the answers changed? Two-sample tests of recent figures against earlier ones."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEAST = 100
"""Figures in each window; with fewer nothing is said."""
SURE = 1e-4
"""The largest probability of chance at which a change is an alarm: the monitors look often."""
LARGE = 0.15
"""The least change, of any kind, that is worth an alarm, however sure it is."""


@dataclass(frozen=True)
class Change:
    """How far two windows differ, from 0 to 1, and the probability that this is chance."""

    size: float
    chance: float

    @property
    def alarming(self) -> bool:
        """Whether the change is both sure and large."""
        return self.chance <= SURE and self.size >= LARGE


def shifted(before: Sequence[float], after: Sequence[float]) -> Change | None:
    """Kolmogorov and Smirnov's test of two samples; None when one is too small.

    The size is the largest distance of the two distributions. Figures that are not finite are
    left out.
    """
    left = sorted(value for value in before if math.isfinite(value))
    right = sorted(value for value in after if math.isfinite(value))
    if min(len(left), len(right)) < LEAST:
        return None
    size, i, j = 0.0, 0, 0
    while i < len(left) and j < len(right):
        value = min(left[i], right[j])
        while i < len(left) and left[i] == value:
            i += 1
        while j < len(right) and right[j] == value:
            j += 1
        size = max(size, abs(i / len(left) - j / len(right)))
    root = math.sqrt(len(left) * len(right) / (len(left) + len(right)))
    return Change(size, _kolmogorov((root + 0.12 + 0.11 / root) * size))


def _kolmogorov(x: float) -> float:
    """P(the scaled distance is at least ``x``) when nothing changed (Stephens' form)."""
    if x < 0.2:
        return 1.0
    terms = (math.exp(-2 * k * k * x * x) * (1 if k % 2 else -1) for k in range(1, 101))
    return min(1.0, max(0.0, 2 * sum(terms)))


def share_changed(before: Sequence[bool], after: Sequence[bool]) -> Change | None:
    """The two-proportion test, two-sided; None when a window is too small."""
    n, m = len(before), len(after)
    if min(n, m) < LEAST:
        return None
    left, right = sum(before) / n, sum(after) / m
    pooled = (sum(before) + sum(after)) / (n + m)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    chance = math.erfc(abs(left - right) / spread / math.sqrt(2)) if spread else 1.0
    return Change(abs(left - right), chance)
