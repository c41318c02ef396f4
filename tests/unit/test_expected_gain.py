"""Which hard questions a larger generator is asked: what is learned, and how budgets are spent."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import mean

import pytest

from app.gate.expected_gain import LEAST, Cell, ExpectedGain, Seen

GROUPS = ("abstained:near", "abstained:far", "checks:0", "gate:1", "gate:3")
KINDS = ("fact", "list", "yes_no", "other")
HARD, OTHER = Cell("gate:3", "list"), Cell("abstained:far", "fact")
NEVER_LEARNED = ExpectedGain([])


def outcomes(cell: Cell, without: list[float], asked: list[float]) -> list[Seen]:
    return [Seen(cell, False, one) for one in without] + [
        Seen(cell, True, one, 1.0) for one in asked
    ]


def recent(cell: Cell, count: int) -> list[Seen]:
    """Questions of the last hour of which nothing is known yet."""
    return [Seen(cell, False, None, recent=True) for _ in range(count)]


def test_on_the_first_day_it_asks_as_far_as_the_budget_lasts() -> None:
    assert NEVER_LEARNED.known(HARD).gain > 0
    assert NEVER_LEARNED.chance(HARD, 10, 1.0) == pytest.approx(1 - LEAST)
    assert NEVER_LEARNED.chance(HARD, 0.5, 1.0) == 0.0
    busy = ExpectedGain(recent(HARD, 60) + recent(OTHER, 40))
    # Nothing tells the cells apart: a fifth of the questions can be paid, so a fifth is asked.
    for cell in (HARD, OTHER):
        assert busy.chance(cell, 20, 1.0) == pytest.approx(0.2, abs=0.02)


def test_the_budget_goes_where_it_gains_most_and_never_where_it_harms() -> None:
    helps = outcomes(HARD, [0.0] * 40, [1.0] * 40)
    harms = outcomes(OTHER, [1.0] * 40, [0.0] * 40)
    learned = ExpectedGain(helps + harms + recent(HARD, 10) + recent(OTHER, 10))
    assert learned.known(HARD).gain > 0.5
    assert learned.known(OTHER).gain < -0.3
    assert learned.chance(HARD, 20, 1.0) == pytest.approx(1 - LEAST)
    assert learned.chance(OTHER, 20, 1.0) == pytest.approx(LEAST)
    # Less is left than the better cell alone would take.
    assert 0.4 < learned.chance(HARD, 5, 1.0) < 0.6
    assert learned.chance(OTHER, 5, 1.0) < LEAST


def test_what_is_left_near_the_end_of_the_hour_is_spent() -> None:
    busy = ExpectedGain(recent(HARD, 100))
    chances = [busy.chance(HARD, 10, hours) for hours in (1.0, 0.5, 0.1)]
    assert chances == sorted(chances)
    assert chances[-1] == pytest.approx(1 - LEAST)


def test_a_few_outcomes_say_little_and_the_group_speaks_for_a_cell_that_is_new() -> None:
    once = ExpectedGain(outcomes(HARD, [1.0], [0.0]))
    assert abs(once.known(HARD).gain - NEVER_LEARNED.known(HARD).gain) < 0.2
    many = outcomes(HARD, [0.0] * 50, [1.0] * 50)
    new = Cell(HARD.group, "fact")
    assert ExpectedGain(many).known(new).gain > 0.5
    assert ExpectedGain(many).known(OTHER).gain == pytest.approx(NEVER_LEARNED.known(OTHER).gain)


def test_unknown_outcomes_teach_nothing_and_costs_are_those_that_were_paid() -> None:
    waiting = [Seen(HARD, True, None, 0.02)] * 9
    learned = ExpectedGain(waiting, default_cost=0.01)
    assert learned.known(HARD).gain == NEVER_LEARNED.known(HARD).gain
    assert learned.known(HARD).cost == pytest.approx(0.02)
    assert ExpectedGain([], default_cost=0.01).known(HARD).cost == 0.01


@dataclass
class Town:
    """Hard questions as they come over days, more by day than by night; what they are worth with
    the larger generator and without it differs by cell, and is known hours later."""

    seed: int
    budget: float
    hours: int = 72
    rate: float = 40.0
    rows: list[tuple[float, Cell, bool, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = random.Random(self.seed)
        self.worth: dict[Cell, tuple[float, float]] = {}
        for group in GROUPS:
            base, lift = rng.uniform(0.1, 0.6), rng.gauss(0.0, 0.2)
            for kind in KINDS:
                without = base + rng.gauss(0, 0.1)
                pair = without, without + lift + rng.gauss(0, 0.15)
                self.worth[Cell(group, kind)] = tuple(min(max(p, 0.02), 0.98) for p in pair)  # type: ignore[assignment]
        self.often = [rng.expovariate(1.0) for _ in self.worth]

    def seen(self, moment: float) -> list[Seen]:
        return [
            Seen(cell, asked, worth if then < moment - 4 else None, float(asked), then > moment - 1)
            for then, cell, asked, worth in self.rows[-2000:]
        ]

    def live(self, asks: "Asks") -> tuple[float, float]:
        """(mean worth of an answer, calls an hour); no hour spends more than its budget."""
        rng, draws = random.Random(self.seed + 1), random.Random(self.seed + 2)
        calls = 0
        for hour in range(self.hours):
            spent, busy = 0, self.rate * (1 + 0.8 * math.sin(hour / 12 * math.pi))
            count = max(int(rng.gauss(busy, math.sqrt(busy))), 1)
            for place in range(count):
                moment = hour + place / count
                (cell,) = rng.choices(list(self.worth), self.often)
                chance, luck = draws.random(), rng.random()
                left = self.budget - spent
                asked = left >= 1 and chance < asks(self, cell, left, moment)
                worth = float(luck < self.worth[cell][asked])
                self.rows.append((moment, cell, asked, worth))
                spent += asked
            assert spent <= self.budget
            calls += spent
        return mean(row[3] for row in self.rows), calls / self.hours


Asks = Callable[[Town, Cell, float, float], float]


class Learning:
    """Learns anew each half hour."""

    def __init__(self) -> None:
        self.at, self.learned = -1.0, NEVER_LEARNED

    def __call__(self, town: Town, cell: Cell, left: float, moment: float) -> float:
        if moment >= self.at + 0.5:
            self.at, self.learned = moment, ExpectedGain(town.seen(moment))
        return self.learned.chance(cell, left, math.floor(moment) + 1 - moment)


def never(_town: Town, _cell: Cell, _left: float, _moment: float) -> float:
    return 0.0


def first_come(_town: Town, _cell: Cell, _left: float, _moment: float) -> float:
    return 1.0


def at_random(town: Town, _cell: Cell, _left: float, _moment: float) -> float:
    return town.budget / town.rate


@pytest.mark.parametrize("budget", [8.0, 1000.0])
def test_what_learns_does_better_at_the_same_budget_than_what_does_not(budget: float) -> None:
    seeds = range(3)
    worth = {
        asks.__name__: mean(Town(seed, budget).live(asks)[0] for seed in seeds)
        for asks in (never, first_come, at_random)
    }
    found = [Town(seed, budget).live(Learning()) for seed in seeds]
    learned = mean(one for one, _ in found)
    assert learned > max(worth.values()) + 0.015, (learned, worth)
    if budget < 40:  # it leaves little of a scarce budget unspent
        assert mean(calls for _, calls in found) > 0.8 * budget
