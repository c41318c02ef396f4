"""The statistics of the gate beside plain ones: loops over labels, as docs/gate.md has them."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy import stats

from guardrails.gate.aims import PLACES, aims_of, ceiling_of, ceiling_of_pilot
from guardrails.gate.anytime import betting_curve, certify_anytime, more_labels_anytime, share_below
from guardrails.gate.betting import BETS, PURSES, Aims, Stream, upper_limit_anytime, wealth_of
from guardrails.gate.binomial import GRID, GateInvalid, upper_limit
from guardrails.gate.certificate import Certificate
from guardrails.gate.certify import Gold, Label, NotCertifiable, SecondReviews, least_labels
from guardrails.gate.planned import Looked, Plan, look

ALPHA = DELTA = 0.05
DAY = "2026-11-29"
TOLD: dict[str, Any] = {"date": DAY, "collection": "main"}
BET, PURSE = BETS.tolist(), PURSES.tolist()
Row = tuple[int, float, float, int]
"""Level, loss, share of the largest weight, and ceiling."""


# Aims and ceilings


def plain_aims(
    levels: list[int], losses: list[float], shares: list[float], tops: list[int], alpha: float
) -> tuple[list[int], list[int]]:
    """The walking and the steady aim of each label, from those before it."""

    def at(place: int, n: int) -> tuple[float, float]:
        counted = [j for j in range(n) if levels[j] <= place <= tops[j]]
        return sum(shares[j] for j in counted), sum(shares[j] * losses[j] for j in counted)

    def strictest(wanted: float, n: int) -> int:
        enough = (p for p in places if at(p, n)[0] >= max(wanted, 1e-9))
        return min(next(enough, GRID), tops[n])

    def growth(weight: float, lost: float) -> float:
        rate = min((lost + 0.25) / (weight + 5), alpha)
        return rate * math.log(rate / alpha) + (1 - rate) * math.log((1 - rate) / (1 - alpha))

    places, walking, steady = range(0, GRID + 1, 5), [], []
    for n, top in enumerate(tops):
        under = at(top // 5 * 5, n)
        steady.append(-1 if n == 0 else max(strictest(0.3 * under[0], n), min(25, top)))
        won = {p: at(p, n)[0] * growth(*at(p, n)) for p in places if p <= top}
        best = max(won, key=lambda p: (won[p], p))
        found = strictest(0.85 * at(best, n)[0], n) if won[best] > 0 else 0
        walking.append(-1 if n < 20 else top if under[1] == 0 else found)
    return walking, steady


def some_labels(seed: int, n: int, wide: int = 400) -> tuple[Any, ...]:
    """Levels, losses, shares and falling ceilings, few and coarse so that ties are frequent."""
    rng = random.Random(seed)
    tops = sorted((rng.choice([wide // 2 + 4, wide, GRID]) for _ in range(n)), reverse=True)
    levels = [min(rng.randrange(0, wide, 12), top) for top in tops]
    likely = 0.06 if seed % 2 else 0.3
    losses = [rng.choice([1.0, 0.5]) * (rng.random() < likely * lv / wide * 2) for lv in levels]
    return levels, losses, [rng.choice([0.25, 0.5, 1.0]) for _ in levels], tops


@pytest.mark.parametrize("seed", range(4))
def test_aims_are_those_of_the_page(seed: int) -> None:
    levels, losses, shares, tops = some_labels(seed, 44)
    arrays = np.array(levels), np.array(losses), np.array(shares), np.array(tops)
    found = aims_of(*arrays, ALPHA)
    assert found.levels.tolist() == list(plain_aims(levels, losses, shares, tops, ALPHA))
    assert found.purses.tolist() == [[w * p for p in PURSE] for w in (0.35, 0.65)]


@pytest.mark.parametrize("seed", range(6))
def test_the_ceiling_is_that_of_the_page(seed: int) -> None:
    levels, losses, _, tops = some_labels(seed, 60)
    for n in (19, 20, 33, 60):
        good, first = [], None
        for place in PLACES.tolist():
            counted = [j for j in range(n) if levels[j] <= place <= tops[j]]
            first = place if counted and first is None else first
            if counted and sum(losses[j] for j in counted) - 0.5 <= ALPHA * len(counted):
                good.append(place)
        wanted = GRID if n < 20 else good[-1] if good else first
        assert ceiling_of(levels[:n], losses[:n], tops[:n], ALPHA) == wanted


def test_one_right_answer_is_enough_for_a_ceiling_above_it() -> None:
    assert ceiling_of([100] + [500] * 30, [0.0] + [1.0] * 30, [GRID] * 31, ALPHA) == 495


# The bets


def plain_wealth(
    rows: Sequence[Row],
    aims: Sequence[Sequence[int]],
    purses: Sequence[Sequence[float]],
    level: int,
    alpha: float,
) -> list[float]:
    """The wealth after each label (level, loss, share, ceiling)."""
    held, found = [list(way) for way in purses], []
    for n, (at, loss, share, top) in enumerate(rows):
        for way, aim in enumerate(aims):
            if aim[n] >= 0 and at <= max(level, aim[n]) <= top:
                gain = share * (alpha - loss) / (1 - alpha)
                held[way] = [w * (1 + b * gain) for w, b in zip(held[way], BET, strict=True)]
        found.append(sum(map(sum, held)))
    return found


def plain_passed(
    rows: Sequence[Row],
    aims: Sequence[Sequence[int]],
    purses: Sequence[Sequence[float]],
    begin: int,
    promise: tuple[float, float],
) -> list[tuple[int, int]]:
    found, last = [], 0
    levels = [at for at, *_ in rows]
    if min(levels) > max(begin, *map(max, aims)):
        return []
    for level in range(begin, 30):
        wealth = plain_wealth(rows, aims, purses, level, promise[0])
        after = next((n for n, won in enumerate(wealth, 1) if won >= 1 / promise[1]), None)
        if after is None:
            break
        last = max(last, after)
        if level in levels or level == begin > 0:
            found.append((level, last))
    return found


@pytest.mark.parametrize("seed", range(24))
def test_levels_pass_as_on_the_page(seed: int) -> None:
    rng, alpha, delta, n = random.Random(seed), 0.3, 0.2, 26
    tops = sorted((rng.choice([14, 20, GRID]) for _ in range(n)), reverse=True)
    levels = [min(rng.randrange(2 * (seed % 3), 24), top) for top in tops]
    losses = [rng.choice([1.0, 0.25]) * (rng.random() < lv / 50) for lv in levels]
    shares = [rng.choice([0.5, 1.0, 1.0]) for _ in range(n)]
    aims = [[rng.randrange(-1, 16) for _ in range(n)], [-1] * 3 + [8] * (n - 3)]
    purses = [[0.4 * p for p in PURSE], [0.6 * p for p in PURSE]]
    stream = Stream.labelled(
        alpha, levels, losses, shares, tops, Aims(np.array(aims), np.array(purses))
    )
    rows = list(zip(levels, losses, shares, tops, strict=True))
    for begin in (0, 3, 9):
        wealth = plain_wealth(rows, aims, purses, begin, alpha)
        assert np.exp(stream.log_wealth(begin)).tolist() == pytest.approx(wealth, rel=1e-9)
        found = [(one.level, one.after) for one in stream.passed(begin, delta)]
        assert found == plain_passed(rows, aims, purses, begin, (alpha, delta))


def test_no_answer_no_level() -> None:
    assert Stream.labelled(0.3, [], [], []).passed(0, 0.2) == []
    clean = Stream.labelled(0.3, [5] * 20, [0.0] * 20, [1.0] * 20)
    assert [one.level for one in clean.passed(6, 0.2)] == [6]
    low = Stream.labelled(0.3, [0] * 20 + [GRID] * 20, [0.0] * 40, [1.0] * 40)
    assert [one.level for one in low.passed(1, 0.2)] == [1, GRID]
    assert clean.passed(4, 0.2) == [] and clean.passed(5, 0.2) and clean.passed(6, 0.2)


# Certificates


def labels_at(*risks: float, wrong: tuple[int, ...] = (), **more: Any) -> list[Label]:
    return [Label(risk, n in wrong, **more) for n, risk in enumerate(risks)]


SPREAD = [0.01 + n * 37 % 97 / 100 for n in range(200)]


def rows_of(labels: Sequence[Label], shares: Sequence[float]) -> list[Row]:
    return [
        (math.ceil(x.score * GRID - 1e-9), x.counted, share, round(x.ceiling * GRID))
        for x, share in zip(labels, shares, strict=True)
    ]


def aims_at(rows: Sequence[Row]) -> tuple[list[int], list[int]]:
    levels, losses, shares, tops = map(list, zip(*rows, strict=True))
    return plain_aims(levels, losses, shares, tops, ALPHA)


TWO = [[w * p for p in PURSE] for w in (0.35, 0.65)]


def test_the_curve_is_the_wealth_as_a_share_of_what_is_needed() -> None:
    labels = labels_at(*SPREAD[:40], wrong=(3, 17))
    labels += [Label(0.2, False, 2.0, 4.0, ceiling=0.6), Label(0.1, True, 4.0, 4.0, loss=0.3)]
    rows = rows_of(labels, [1.0] * 40 + [0.5, 1.0])
    for gold, plan, spent in (
        (None, None, DELTA),
        (None, Plan(90, ALPHA, DELTA), DELTA * 0.1),
        (Gold(1, 90), None, DELTA * 0.8),
    ):
        bound = upper_limit_anytime(1, 90, DELTA / 5) if gold else 0.0
        wealth = plain_wealth(rows, aims_at(rows), TWO, 0, ALPHA * (1 - bound))
        expected = [math.log(won) / math.log(1 / spent) for won in wealth]
        found = betting_curve(labels, ALPHA, DELTA, gold=gold, plan=plan)
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert betting_curve([], ALPHA, DELTA) == []
    assert betting_curve(labels, ALPHA, DELTA, gold=Gold(3, 3)) == []
    heavy = labels_at(*[0.0] * 9, weight=2.0)
    halved = plain_wealth(
        rows_of(heavy, [0.5] * 9), aims_at(rows_of(heavy, [0.5] * 9)), TWO, 0, ALPHA
    )
    found_halved = betting_curve(heavy, ALPHA, DELTA, max_weight=4.0)
    assert found_halved == pytest.approx([math.log(w) / math.log(20) for w in halved], abs=1e-9)
    missed = SecondReviews(30, 18, 12, 12)
    assert betting_curve(labels, ALPHA, DELTA, second=missed)[-1] < found[-1]


@pytest.mark.parametrize("others", [6, 40])
def test_lent_labels_move_aims_and_half_of_the_money_as_on_the_page(others: int) -> None:
    lent = labels_at(*SPREAD[60 : 60 + others], wrong=(2,), weight=3.0, largest=9.0)
    mine = labels_at(*SPREAD[:40], wrong=(5,))
    theirs = rows_of(lent, [1.0] * others)
    both = [*rows_of(lent, [min(1.0, 10 / others)] * others), *rows_of(mine, [1.0] * 40)]
    held = []
    for way, purses in zip(aims_at(theirs), TWO, strict=True):
        rows = [(theirs, [way], [[p if k == m else 0.0 for m in range(5)]], 0, ALPHA)
                for k, p in enumerate(purses)]  # fmt: skip
        held.append([plain_wealth(*row)[-1] for row in rows])
    total = sum(map(sum, held))
    purses = [
        [(p + w / total) / 2 for p, w in zip(way, won, strict=True)]
        for way, won in zip(TWO, held, strict=True)
    ]
    aims = [way[others:] for way in aims_at(both)]
    wealth = plain_wealth(rows_of(mine, [1.0] * 40), aims, purses, 0, ALPHA)
    found = betting_curve(mine, ALPHA, DELTA, lent=lent)
    assert found == pytest.approx([math.log(won) / math.log(20) for won in wealth], abs=1e-9)


def test_a_certificate_says_all_that_it_comes_from() -> None:
    labels = [*labels_at(*SPREAD, wrong=(34,)), *labels_at(*[0.99] * 20, wrong=tuple(range(15)))]
    labels[205] = replace(labels[205], loss=0.5)
    more: dict[str, Any] = {
        "risk_class": "low",
        "lineage": {"a": "b"},
        "second": SecondReviews(9, 8, 0, 0),
    }
    found = certify_anytime(labels, ALPHA, DELTA, **TOLD, **more)
    assert isinstance(found, Certificate)
    kept = [x for x in labels if x.score <= found.threshold]
    rows = rows_of(labels, [1.0] * 220)
    level = round(found.threshold * GRID)

    levels, losses, shares, tops = map(np.array, zip(*rows, strict=True))
    aims = aims_of(levels, losses, shares, tops, ALPHA).levels.tolist()

    def most(alpha: float) -> float:
        return max(plain_wealth(rows, aims, TWO, level, alpha))

    assert found.threshold == 0.97 and len(kept) == 200
    assert most(found.upper_bound) >= 20 > most(found.upper_bound - 2e-5)
    assert found == Certificate(
        threshold=found.threshold,
        released_share=len(kept) / 220,
        alpha=ALPHA,
        delta=DELTA,
        n=len(kept),
        errors=sum(x.wrong for x in kept),
        upper_bound=found.upper_bound,
        miss_bound=0.0,
        test="betting",
        seed=0,
        grid=GRID,
        labels=220,
        lineage={"a": "b"},
        date=DAY,
        provisional=False,
        collection="main",
        risk_class="low",
        second_reviews=9,
        second_agreed=8,
        weighed=True,
    )


def test_a_planned_certificate_says_all_that_it_comes_from() -> None:
    labels = labels_at(*SPREAD, wrong=(34, 152))
    gold, bound = Gold(0, 600), upper_limit_anytime(0, 600, DELTA / 5)
    plan = Plan(200, ALPHA, DELTA, bound)
    found = certify_anytime(labels, ALPHA, DELTA, plan=plan, gold=gold, **TOLD)
    assert isinstance(found, Certificate)
    seen = look(labels, [1.0] * 200, plan, ALPHA * (1 - bound), DELTA * 0.8)
    assert seen is not None and seen.level is not None
    assert (found.threshold, found.n, found.errors) == (seen.level / GRID, seen.n, seen.errors)
    assert (found.test, found.miss_bound, found.gold_delta) == ("planned look", bound, DELTA * 0.2)
    limit = upper_limit(seen.errors, seen.n, DELTA * 0.8 * 0.9) / (1 - bound)
    assert found.upper_bound == pytest.approx(limit, rel=1e-9)
    assert not found.weighed and found.seed == 0 and found.lineage == {}
    assert found.risk_class == ""
    late = [*labels, *labels_at(*[0.001] * 60, wrong=tuple(range(40)))]
    ended = certify_anytime(late, ALPHA, DELTA, plan=plan, **TOLD)
    assert isinstance(ended, NotCertifiable) and (ended.n, ended.errors) == (60, 40)


def told(labels: list[Label], **more: Any) -> NotCertifiable:
    found = certify_anytime(labels, ALPHA, DELTA, **TOLD, **more)
    assert isinstance(found, NotCertifiable)
    return found


def test_what_is_missing_is_said_in_numbers() -> None:
    stated: dict[str, Any] = {"alpha": ALPHA, "delta": DELTA, "date": DAY, "collection": "main"}
    few = told(labels_at(*[0.1] * 30), risk_class="low")
    assert few == NotCertifiable(
        code="too_few_labels",
        message="Not certifiable yet: 30 labels; of 30 with a risk up to 1 0 are wrong; about 80 "
        "more labels are needed.",
        more_labels=80,
        n=30,
        errors=0,
        labels=30,
        risk_class="low",
        **stated,
    )
    bad = told([Label(0.3, n % 3 == 0) for n in range(120)])
    assert (bad.code, bad.more_labels, bad.n, bad.errors) == ("too_many_errors", None, 120, 40)
    assert bad.message == (
        "Not certifiable yet: 120 labels; of 120 with a risk up to 0.3 40 are wrong; more labels "
        "alone will not help."
    )
    started = told([Label(0.3, n % 3 == 0) for n in range(120)], start=0.25)
    assert "of 0 with a risk up to 0.25 0 are wrong" in started.message
    assert started.code == "too_few_labels"
    bound = upper_limit_anytime(2, 40, DELTA / 5)
    missed = told(labels_at(*[0.1] * 60), gold=Gold(2, 40))
    assert missed.message == (
        "Not certifiable yet: 60 labels; of 60 with a risk up to 1 0 are wrong; about "
        f"{missed.more_labels} more labels are needed, or more gold items: reviewers may miss "
        f"{bound:.1%} of the errors."
    )
    plan = Plan(100, ALPHA, DELTA)
    awaited = told(labels_at(*SPREAD[:40], wrong=(1, 2)), plan=plan)
    assert (awaited.code, awaited.more_labels) == ("look_awaited", 60)
    assert (awaited.n, awaited.errors, awaited.labels) == (40, 2, 40)
    assert awaited.message == "Not certifiable yet: 40 labels; the planned look needs 60 more."
    hopeless = told(labels_at(*[0.1] * 60), gold=Gold(4, 4))
    assert (hopeless.code, hopeless.more_labels, hopeless.n) == ("reviewers_unreliable", None, 0)
    assert hopeless.errors == 0
    assert hopeless.message == (
        "Not certifiable yet: the gold items allow no bound on what reviewers miss."
    )


def test_weights_must_say_how_large_they_can_be() -> None:
    with pytest.raises(GateInvalid, match=r"^weights differ: max_weight must say how large"):
        told(labels_at(0.1, 0.2, weight=2.0) + labels_at(0.1, weight=3.0))
    with pytest.raises(GateInvalid, match=r"^max_weight must be a positive number"):
        told(labels_at(0.1), max_weight=0.0)
    with pytest.raises(GateInvalid, match=r"^the plan is for another promise$"):
        told(labels_at(0.1), plan=Plan(100, ALPHA, 0.1))
    # Those that state their largest need no other; alike ones are the largest themselves.
    same = labels_at(*[0.1] * 72, weight=5.0)
    mixed = [*same, *labels_at(0.1, weight=2.0, largest=8.0)]
    assert isinstance(certify_anytime(same, ALPHA, DELTA, **TOLD), Certificate)
    assert isinstance(certify_anytime(mixed, ALPHA, DELTA, **TOLD), Certificate)


@pytest.mark.parametrize("seed", range(8))
def test_the_share_below_a_level_is_a_product(seed: int) -> None:
    rng = random.Random(seed)
    tops = sorted((rng.choice([300, 500, 800, GRID]) for _ in range(30)), reverse=True)
    labels = [
        Label(rng.randrange(0, top, 20) / GRID, False, rng.choice([1.0, 3.0]), ceiling=top / GRID)
        for top in tops
    ]
    for level in (200, 300, 650):
        share, high = Fraction(1), GRID
        for low in [top for top in (800, 500, 300) if top > level and top in tops] + [level]:
            drawn = [x for x in labels if x.score * GRID <= high <= round(x.ceiling * GRID)]
            under = [x for x in drawn if round(x.score * GRID) <= low]
            if drawn:
                share *= Fraction(sum(round(x.weight) for x in under))
                share /= sum(round(x.weight) for x in drawn)
            high = low
        assert share_below(labels, level) == pytest.approx(float(share))


@pytest.mark.parametrize("seed", range(6))
def test_the_labels_still_needed_are_the_least_of_twenty_levels(seed: int) -> None:
    rng = random.Random(seed)
    labels = [Label(rng.random(), False) for _ in range(90)]
    labels = [replace(x, wrong=rng.random() < x.score**2 * (seed + 1) / 4) for x in labels]
    top = ceiling_of([math.ceil(x.score * GRID) for x in labels],
                     [x.counted for x in labels], [GRID] * 90, ALPHA)  # fmt: skip
    drawn = sorted((math.ceil(x.score * GRID), x.wrong) for x in labels if x.score * GRID <= top)
    places = {drawn[len(drawn) * place // 20][0] for place in range(20)} | {drawn[-1][0]}
    wanted = []
    for level in places:
        below = [wrong for at, wrong in drawn if at <= level]
        rate = (sum(below) + 0.1) / (len(below) + 10)
        if rate <= 0.0375:

            def enough(k: int, rate: float = rate) -> bool:
                return wealth_of(round(rate * k), k, ALPHA) >= 20 / 0.65

            needed = max(least_labels(enough), 108)
            wanted.append(max(needed - len(below), 1) * len(drawn) / len(below))
    expected = math.ceil(min(wanted) / 10) * 10 if wanted else None
    assert more_labels_anytime(labels, ALPHA, DELTA) == expected


# The planned look


@cache
def plain_needed(errors: int, alpha: Fraction, delta: Fraction) -> int:
    def tail(n: int) -> Fraction:
        return sum(
            (math.comb(n, k) * alpha**k * (1 - alpha) ** (n - k) for k in range(errors + 1)),
            Fraction(0),
        )

    return next(n for n in range(errors + 1, 4000) if tail(n) <= delta)


def plain_pilot_ceiling(pilot: Sequence[Label], total: int) -> int:
    """Of an alpha of 1/5 and a delta of 18/100."""
    if not any(x.wrong for x in pilot):
        return GRID
    rows = sorted((math.ceil(x.score * GRID - 1e-9), x.wrong) for x in pilot)
    allowed = max(k for k in range(30) if plain_needed(k, *FIFTHS) <= total)
    promised, chances = [0.0] * len(rows), 0.0
    for slope in (0.25, 1.0):
        for quarter in range(-16, 17):
            logs = [slope * math.log((lv - 0.5) / (GRID + 0.5 - lv)) for lv, _ in rows]
            rates = [1 / (1 + math.exp(-log - quarter / 4)) for log in logs]
            chance = math.exp(-((quarter / 6) ** 2) / 2)
            for rate, (_, wrong) in zip(rates, rows, strict=True):
                chance *= rate if wrong else 1 - rate
            means = np.cumsum(rates) / np.arange(1, len(rows) + 1)
            passing = stats.binom.cdf(allowed, total, means)
            promised = [p + chance * q for p, q in zip(promised, passing.tolist(), strict=True)]
            chances += chance
    worth = [p * place / chances for place, p in enumerate(promised, 1)]
    best = max(place for place, one in enumerate(worth) if one >= 0.8 * max(worth))
    best = max(best, math.ceil(len(rows) / 10) - 1)
    return GRID if best == len(rows) - 1 else rows[best][0]


@pytest.mark.parametrize("seed", range(10))
def test_a_pilot_s_ceiling_is_that_of_the_page(seed: int) -> None:
    rng = random.Random(seed)
    risks = [rng.randrange(1, 41) / 40 for _ in range(24)]
    pilot = [Label(risk, rng.random() < risk * seed / 9) for risk in risks]
    levels, wrong = [round(x.score * GRID) for x in pilot], [x.wrong for x in pilot]
    for total in (63, 150):
        found = ceiling_of_pilot(levels, wrong, total, 0.2, 0.18)
        assert found == plain_pilot_ceiling(pilot, total)
    assert seed or found == GRID


@pytest.mark.parametrize(("n", "places"), [(20, 2), (21, 3), (30, 3)])
def test_a_pilot_s_ceiling_is_not_below_a_tenth_of_it(n: int, places: int) -> None:
    levels = list(range(10, 10 * n + 10, 10))
    bad = ceiling_of_pilot(levels[::-1], [True] * n, 150, ALPHA, DELTA)
    assert bad == levels[places - 1]


FIFTHS = Fraction(1, 5), Fraction(18, 100)


def plain_look(sample: Sequence[Label], top: int, pilot: Sequence[Label]) -> Looked:
    """The look at alpha 1/5 and delta 1/5 of labels that weigh alike."""
    most = {k: plain_needed(k, *FIFTHS) for k in range(30)}
    levels = sorted((math.ceil(x.score * GRID - 1e-9), x.wrong) for x in sample)
    levels = [one for one in levels if one[0] <= top]
    total = len(levels)
    lumps = Counter(math.ceil(x.score * GRID - 1e-9) for x in pilot)
    heavy = max((n for at, n in lumps.items() if at <= top), default=0)
    slack = 2 + len(sample) * max(0, heavy - 2) // len(pilot)
    first = max(k for k in most if k == 0 or most[k] <= min(total / 2, 4 * most[0]))
    gates = []
    for k in range(first, 29):
        room = min(most[k] + slack, most[k + 1] - 1)
        if room >= total:
            break
        fits = [at for at in range(top + 1) if sum(lv <= at for lv, _ in levels) <= room]
        if fits and sum(lv <= fits[-1] for lv, _ in levels) >= most[k]:
            gates.append(fits[-1])
    found = Looked(None, 0, 0)
    for gate in [*gates, top]:
        below = [one for one in levels if one[0] <= gate]
        wrong = sum(bad for _, bad in below)
        if not below or most[wrong] > len(below):
            return found if found.level is not None else Looked(None, len(below), wrong)
        found = Looked(below[-1][0], len(below), wrong)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_the_look_is_that_of_the_page(seed: int) -> None:
    rng = random.Random(seed)
    fine = [1000, 40, 12][seed % 3]
    plan = Plan(90, 0.2, 0.2)

    def drawn(top: float) -> Label:
        risk = rng.randrange(1, int(fine * top + 1e-9) + 1) / fine
        return Label(risk, rng.random() < risk * (0.25 + 0.05 * seed), ceiling=top)

    pilot = [drawn(1.0) for _ in range(20)]
    ceiling = plain_pilot_ceiling(pilot, 70)
    top = max(ceiling, 100)
    labels = [*pilot, *(drawn(top / GRID) for _ in range(70))]
    if seed % 4 == 3:
        labels = [*labels[:-1], replace(labels[-1], score=0.05, ceiling=0.5)]
    lowest = min(ceiling, *(round(x.ceiling * GRID) for x in labels[20:]))
    found = look(labels, [1.0] * 90, plan, 0.2, 0.2)
    assert found == plain_look(labels[20:], lowest, pilot)


def test_a_plan_says_what_it_cannot_be() -> None:
    with pytest.raises(GateInvalid, match=r"^a look needs at least 83 labels, not 82$"):
        Plan(82, ALPHA, DELTA)
    with pytest.raises(GateInvalid, match=r"^miss_bound must lie from 0 to 1, not 1\.0$"):
        Plan(200, ALPHA, DELTA, 1.0)
    for name, figures in (("alpha", (0.0, 0.1)), ("delta", (0.1, 1.5))):
        with pytest.raises(GateInvalid, match=f"^{name} must lie between 0 and 1"):
            Plan(200, *figures)
