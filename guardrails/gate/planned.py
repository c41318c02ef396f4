"""A planned look: one exact test at a number of labels that was fixed before the first of them.

Most of delta is kept for that one look; the bets, which may be looked at any day, get the rest. The
first labels, the *pilot*, only say above which risk answers are left out. The labels after it are
tested at *gates*: levels at which just as many of them lie as the test needs with no error, with
one more, and so on. docs/gate.md proves what follows.
"""

import random
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from guardrails.gate.aims import FIRST, ceiling_of, ceiling_of_pilot
from guardrails.gate.binomial import (
    GRID,
    GateInvalid,
    check_probability,
    level_of,
    passes,
    zero_error_minimum,
)
from guardrails.gate.certify import GOLD_SHARE, Label, cumulated, least_labels

LOOK_SHARE = 0.9
"""The part of delta that the look may spend."""
SLACK = 2
"""A gate takes so many labels more than the test needs: risks come in lumps."""
STARTS = 4
"""The first gate has at most so many times the labels that the test needs without an error."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A look at the first ``total`` labels, planned when there were none.

    ``alpha`` and ``delta`` are the promise, ``miss_bound`` what reviewers were known to miss then.
    ``spent``: labels were moved, so that there is no look any more. Raises ``GateInvalid`` when so
    few labels could never pass.
    """

    total: int
    alpha: float
    delta: float
    miss_bound: float = 0.0
    spent: bool = False

    def __post_init__(self) -> None:
        check_probability("alpha", self.alpha)
        check_probability("delta", self.delta)
        if not 0 <= self.miss_bound < 1:
            raise GateInvalid(f"miss_bound must lie from 0 to 1, not {self.miss_bound!r}")
        if self.total < self.least:
            raise GateInvalid(f"a look needs at least {self.least} labels, not {self.total}")

    @property
    def rates(self) -> tuple[float, float]:
        """The error rate and the share of delta by which the gates are placed."""
        spent = GOLD_SHARE if self.miss_bound else 0.0
        return self.alpha * (1 - self.miss_bound), self.delta * (1 - spent) * LOOK_SHARE

    @property
    def least(self) -> int:
        """The fewest labels that a look can be planned for."""
        return FIRST + zero_error_minimum(*self.rates) + SLACK

    @property
    def pilot(self) -> int:
        """How many labels come before those that the look counts."""
        return min(max(FIRST, self.total // 10), 2 * FIRST)

    def awaits(self, labels: int) -> int:
        """How many labels the look still needs, of so many; 0 when it was, or will never be."""
        return 0 if self.spent else max(self.total - labels, 0)


@dataclass(frozen=True, slots=True)
class Looked:
    """What the look found: the last level that passed (None: none did), and at the last gate that
    was tried the labels and the wrong ones among them."""

    level: int | None
    n: int
    errors: int


def look(
    labels: Sequence[Label], shares: Sequence[float], plan: Plan, alpha: float, delta: float
) -> Looked | None:
    """The planned look at ``labels`` in the order they were given; None while they are too few.

    ``shares`` are their weights as shares of the largest possible. ``alpha`` and ``delta`` are what
    it tests with: the promise less what reviewers miss and what the bound of that spent. A wrong
    answer counts in full, whatever its loss: the exact test knows no other.
    """
    if plan.spent or plan.awaits(len(labels)):
        return None
    sample = labels[plan.pilot : plan.total]
    # Where an earlier draw left more out, nothing is known above.
    top = min(_pilot_ceiling(labels, plan), *(level_of(x.ceiling) for x in sample))
    counts, errors = cumulated(_drawn_alike(sample, shares[plan.pilot : plan.total]))
    found: Looked | None = None
    for level in gates(counts[: top + 1], *plan.rates, _slack(labels, plan, top)):
        n, wrong = counts[level], errors[level]
        if not passes(wrong, n, alpha, delta * LOOK_SHARE):
            return found or Looked(None, n, wrong)
        found = Looked(bisect_left(counts, n), n, wrong)
    return found


def ceiling_now(labels: Sequence[Label], alpha: float, plan: Plan | None = None) -> int:
    """The level above which a label would be spent on what will not be released. A plan's pilot is
    drawn from all answers, and the ceiling stays where it puts it until the look."""
    if plan is not None and plan.awaits(len(labels)):
        return _pilot_ceiling(labels, plan) if len(labels) >= plan.pilot else GRID
    levels, ceilings = [level_of(x.score) for x in labels], [level_of(x.ceiling) for x in labels]
    return ceiling_of(levels, [x.counted for x in labels], ceilings, alpha)


def _pilot_ceiling(labels: Sequence[Label], plan: Plan) -> int:
    pilot = labels[: plan.pilot]
    levels, wrong = [level_of(x.score) for x in pilot], [x.wrong for x in pilot]
    return ceiling_of_pilot(levels, wrong, plan.total - plan.pilot, *plan.rates)


def gates(counts: Sequence[int], alpha: float, delta: float, slack: int = SLACK) -> list[int]:
    """The levels that are tested, strictest first; ``counts`` are the labels at or below each.

    For each number of errors from the first gate on: the highest level with at most so many labels
    as the test needs with these errors, and ``slack``; none where there are fewer than it needs. At
    last the highest level of all. Which they are depends on counts at and above each gate only.
    """
    total, found = counts[-1], []
    allowed = _first_allowed(total, alpha, delta)
    while (most := _room(allowed, alpha, delta, slack)) < total:
        level = bisect_right(counts, most) - 1
        if level >= 0 and counts[level] >= _needed(allowed, alpha, delta):
            found.append(level)
        allowed += 1
    return [*found, len(counts) - 1]


def _room(errors: int, alpha: float, delta: float, slack: int) -> int:
    """The most labels that a gate for so many errors takes."""
    needed, more = (_needed(k, alpha, delta) for k in (errors, errors + 1))
    return min(needed + slack, more - 1)


@lru_cache(maxsize=1 << 12)
def _needed(errors: int, alpha: float, delta: float) -> int:
    """The least labels that pass with so many errors."""
    return least_labels(lambda n: passes(errors, n, alpha, delta))


def _first_allowed(total: int, alpha: float, delta: float) -> int:
    """With how many errors the first gate may pass: it holds about half of the labels when these
    are few."""
    most = min(total / 2, STARTS * _needed(0, alpha, delta))
    allowed = 0
    while _needed(allowed + 1, alpha, delta) <= most:
        allowed += 1
    return allowed


def _slack(labels: Sequence[Label], plan: Plan, top: int) -> int:
    """More where many answers have the same risk, as far as the pilot shows."""
    pilot = [level_of(x.score) for x in labels[: plan.pilot]]
    most = max(Counter(level for level in pilot if level <= top).values(), default=0)
    return SLACK + (plan.total - plan.pilot) * max(0, most - 2) // plan.pilot


def _drawn_alike(sample: Sequence[Label], shares: Sequence[float]) -> list[Label]:
    """Labels that were likelier to be drawn than others are dropped with the chance that makes up
    for it, by a seed that no label can change."""
    draw = random.Random(0)
    return [label for label, share in zip(sample, shares, strict=True) if draw.random() < share]
