"""For which questions a larger generator is worth its cost, learned from what became of answers.

Questions that the generator in use left hard fall into cells: a group (how its draft failed to go
out) and a kind (what is asked). For each cell two means are kept, of answers with the larger one
and without it, each drawn towards its group, and the group towards a prior, by as many made-up
answers (empirical Bayes). What asking gains is their difference; a cell of which little is known
counts for a little more (an upper confidence bound), so that it is tried. The budget goes to the
cells with the largest gain per cost, as far as it lasts: the fractional knapsack.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

PRIOR_WITHOUT, PRIOR_WITH = 0.3, 0.4
"""Mean worth of an answer to a hard question before any is known."""
WEIGHT = 10.0
"""So many answers a cell's group counts for in it, and the prior in a group."""
BONUS = 0.5
"""Standard errors by which little known cells count for more."""
LEAST = 0.05
"""Share of a cell that is asked, and that is not, whatever was learned: outcomes change."""


class Cell(NamedTuple):
    """Hard questions that are alike."""

    group: str
    kind: str


class Seen(NamedTuple):
    """One hard question: whether the larger generator was ``asked``, and what that cost; its
    answer's ``worth`` from 0 to 1, None where nobody knows yet; ``recent``: of the last hour."""

    cell: Cell
    asked: bool
    worth: float | None
    cost: float = 0.0
    recent: bool = False


@dataclass(frozen=True)
class Known:
    """What is known of a cell: answers of known worth without the larger generator and with it,
    the mean worth of each as it is expected, and what one call costs."""

    without: int
    asked: int
    worth_without: float
    worth_with: float
    cost: float

    @property
    def gain(self) -> float:
        """What asking is expected to add to the worth of an answer."""
        return self.worth_with - self.worth_without

    @cached_property
    def value(self) -> float:
        """The gain per cost by which cells are ranked, a little higher where little is known;
        rounded, so that cells of which as much is known are equal."""
        error = math.sqrt(sum(0.25 / (WEIGHT + n) for n in (self.without, self.asked)))
        return round((self.gain + BONUS * error) / self.cost, 9)


class ExpectedGain:
    """What the answers of ``seen`` teach; ``default_cost`` (above 0) is that of a call as long as
    none is known."""

    def __init__(self, seen: Sequence[Seen], default_cost: float = 1.0) -> None:
        self._seen, self._default_cost = seen, default_cost
        self._known: dict[Cell, Known] = {}
        self._sums: defaultdict[tuple[Cell | str, bool], float] = defaultdict(float)
        self._counts: Counter[tuple[Cell | str, bool]] = Counter()
        for one in seen:
            if one.worth is not None:
                for of in (one.cell, one.cell.group):
                    self._sums[of, one.asked] += one.worth
                    self._counts[of, one.asked] += 1

    @property
    def cells(self) -> list[Cell]:
        """Those that came up, in order."""
        return sorted(self._shares)

    def known(self, cell: Cell) -> Known:
        """What is known of a cell, also of one that never came up."""
        if cell not in self._known:
            without, asked = (self._counts[cell, one] for one in (False, True))
            means = self._mean(cell, PRIOR_WITHOUT, False), self._mean(cell, PRIOR_WITH, True)
            self._known[cell] = Known(without, asked, *means, self._cost)
        return self._known[cell]

    def chance(self, cell: Cell, left: float, hours: float) -> float:
        """With which chance a question of the cell is asked now, when ``left`` of the budget is to
        last for ``hours``; 0 where it does not pay one call."""
        own = self.known(cell)
        if left < own.cost:
            return 0.0
        expected = max(self._an_hour * hours, 1.0)
        before = beside = total = 0.0
        for known, share in self._ranked:
            cost = expected * share * known.cost
            total += cost
            before += cost if known.value > own.value else 0.0
            beside += cost if known.value == own.value else 0.0
        # The question itself is there, however seldom its like.
        beside, total = max(beside, own.cost), max(total, own.cost)
        share = min(max((left - before) / beside, 0.0), 1.0) if own.value > 0 else 0.0
        least = LEAST * min(left / total, 1.0)
        return least + (1 - LEAST - least) * share

    def _mean(self, cell: Cell, prior: float, asked: bool) -> float:
        mean = prior
        for of in (cell.group, cell):
            count, total = self._counts[of, asked], self._sums[of, asked]
            mean = (total + WEIGHT * mean) / (count + WEIGHT)
        return mean

    @cached_property
    def _cost(self) -> float:
        costs = [one.cost for one in self._seen if one.asked and one.cost > 0]
        return sum(costs) / len(costs) if costs else self._default_cost

    @cached_property
    def _shares(self) -> dict[Cell, float]:
        counts = Counter(one.cell for one in self._seen)
        return {cell: count / len(self._seen) for cell, count in counts.items()}

    @cached_property
    def _ranked(self) -> list[tuple[Known, float]]:
        return [(self.known(cell), share) for cell, share in self._shares.items()]

    @cached_property
    def _an_hour(self) -> int:
        return sum(one.recent for one in self._seen)
