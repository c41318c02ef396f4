"""The planned look: its gates in whole numbers, what it counts, and that it keeps delta."""

import math
import random
from itertools import pairwise

import numpy as np
import pytest

from guardrails.gate.aims import FIRST
from guardrails.gate.anytime import betting_curve, certify_anytime
from guardrails.gate.binomial import GRID, GateInvalid, lower_limit
from guardrails.gate.certificate import Certificate
from guardrails.gate.certify import Gold, Label, NotCertifiable
from guardrails.gate.planned import (
    LOOK_SHARE,
    SLACK,
    Looked,
    Plan,
    _slack,
    ceiling_now,
    gates,
    look,
)

ALPHA = DELTA = 0.05
PLAN = Plan(200, ALPHA, DELTA)
DAY = "2026-11-29"


def even(n: int, wrong: set[int] = frozenset()) -> list[Label]:  # type: ignore[assignment]
    """Risks spread evenly in a mixed order; ``wrong`` are places in the order of the risk."""
    return [Label((k * 7919 % n + 1) / n, k * 7919 % n in wrong) for k in range(n)]


def after_a_clean_pilot(wrong: set[int]) -> list[Label]:
    """Nothing in the pilot is wrong, so that nothing is left out after it."""
    return [*even(20), *even(180, wrong)]


def looked(labels: list[Label], plan: Plan = PLAN, alpha: float = ALPHA) -> Looked | None:
    return look(labels, [1.0] * len(labels), plan, alpha, DELTA)


def certified(labels: list[Label], plan: Plan | None = PLAN) -> Certificate | NotCertifiable:
    return certify_anytime(labels, ALPHA, DELTA, date=DAY, collection="main", plan=plan)


def needed(errors: int) -> int:
    """The least labels that pass 0.9 of 5 % with so many errors, in whole numbers."""

    def passes(n: int) -> bool:
        tail = sum(math.comb(n, k) * 19 ** (n - k) for k in range(errors + 1))
        return bool(tail * 1000 <= 45 * 20**n)

    return next(n for n in range(errors + 1, 2000) if passes(n))


def test_gates_stand_where_one_more_error_is_allowed() -> None:
    counts = list(range(181))
    found = gates(counts, *PLAN.rates)
    first = [needed(k) for k in (0, 1, 2, 3)]
    assert first == [61, 96, 127, 156]
    assert found == [n + SLACK for n in first] + [180], "half of 180 is 90"
    late = gates(list(range(1001)), *PLAN.rates)
    starts = [needed(k) for k in range(12)]
    assert late[0] - SLACK == max(n for n in starts if n <= 4 * starts[0])
    assert late[-1] == 1000 and all(low < high for low, high in pairwise(late))


def test_a_gate_that_lumps_of_risk_jump_over_is_left_out() -> None:
    lumps = [0] * 10 + [50] * 10 + [70] * 10 + [96] * 10 + [180]
    assert gates(lumps, *PLAN.rates) == [39, 40]
    assert gates(lumps, *PLAN.rates, slack=20) == [29, 39, 40], "a wider gate takes them"
    assert gates(lumps, *PLAN.rates, slack=500)[0] == 29, "but never into the next one's room"
    assert gates([0] * 5, *PLAN.rates) == [4], "at last, everything"
    assert gates([62, 180], *PLAN.rates) == [0, 1]
    assert gates([95, 180], *PLAN.rates, slack=500) == [0, 1], "one more would be the next one's"
    assert gates([96, 180], *PLAN.rates, slack=500) == [0, 1]


@pytest.mark.parametrize("level", [40, 63, 97, 128])
def test_which_gates_come_above_a_level_is_told_by_counts_from_there_on(level: int) -> None:
    """What the proof needs: nothing below the first bad level chooses the test of it."""
    rng, whole = np.random.default_rng(level), list(range(181))
    for _ in range(50):
        below = np.sort(rng.integers(0, whole[level] + 1, level)).tolist()
        found = gates([*below, *whole[level:]], *PLAN.rates)
        expected = [gate for gate in gates(whole, *PLAN.rates) if gate >= level]
        assert [gate for gate in found if gate >= level] == expected


def test_the_pilot_is_not_counted_and_says_what_is_left_out() -> None:
    assert (PLAN.pilot, Plan(300, ALPHA, DELTA).pilot, Plan(900, ALPHA, DELTA).pilot) == (
        20,
        30,
        40,
    )
    pilot = [*[Label(k / 50, False) for k in range(16)], *[Label(0.9, True)] * 4]
    assert ceiling_now(pilot[:-1], ALPHA, PLAN) == GRID, "it is drawn from all answers"
    top = ceiling_now(pilot, ALPHA, PLAN)
    assert 60 <= top <= 180
    below = [Label(k % 7 / 100, False, ceiling=top / GRID) for k in range(180)]
    assert ceiling_now([*pilot, *below[:100]], ALPHA, PLAN) == top, "it does not move any more"
    moved = [*pilot, *[Label(0.01, True)] * 90]
    assert ceiling_now(moved, ALPHA, PLAN) == top > ceiling_now(moved, ALPHA)
    assert ceiling_now([*pilot, *below], ALPHA, PLAN) == ceiling_now([*pilot, *below], ALPHA)
    assert looked([*pilot, *below]) == Looked(60, 180, 0), "the errors of the pilot are not its"
    above = [Label(0.6, True)] * 30
    assert looked([*pilot, *below[:150], *above]) == Looked(60, 150, 0)
    unled = [*[Label(k % 7 / 100, False) for k in range(150)], *[Label(0.6, False)] * 30]
    assert looked([*pilot, *unled]) == Looked(60, 150, 0), "whoever labelled more, it says no more"
    lower = [*below[:-1], Label(0.03, False, ceiling=0.03)]
    assert looked([*pilot, *lower]).level == 30, "nothing is known above the lowest ceiling"  # type: ignore[union-attr]


def test_it_looks_at_its_number_of_labels_once_and_never_again() -> None:
    labels = even(200)
    assert looked(labels[:199]) is None
    found = looked(labels)
    assert found == looked([*labels, *[Label(0.1, True)] * 50]), "later labels change nothing"
    assert found is not None and found.level == GRID
    assert looked(labels, Plan(200, ALPHA, DELTA, spent=True)) is None
    assert PLAN.awaits(150) == 50 and PLAN.awaits(300) == 0
    assert Plan(200, ALPHA, DELTA, spent=True).awaits(0) == 0


def test_it_walks_up_to_the_first_gate_that_fails() -> None:
    """The wrong ones lie from 60 % of the risk on: the gate of two errors fails with three."""
    found = looked(after_a_clean_pilot(set(range(117, 180, 2))))
    assert found is not None and found.level is not None
    assert 0.45 * GRID < found.level < 0.65 * GRID and found.errors <= 1
    none = looked(even(200, set(range(0, 200, 9))))
    assert none is not None and none.level is None and none.errors > 1
    strict = looked(even(200), alpha=ALPHA / 2)
    assert strict is not None and strict.level is None, "gates stay where they were planned"


def test_a_gate_is_tested_with_nine_tenths_of_delta_and_not_above_the_ceiling() -> None:
    """93 labels pass one error at 5 %, and at 4.5 % only with 96."""
    plan = Plan(113, ALPHA, DELTA)
    sample = [Label((k + 1) / 100, k == 92) for k in range(93)]
    found = looked([*even(20), *sample], plan)
    assert found == Looked(630, 63, 0) and needed(1) == 96
    session = [Label(risk.score, False, ceiling=0.95) for risk in sample]
    just_above = [*session[:92], Label(0.951, True)]
    assert looked([*even(20), *just_above], plan) == Looked(920, 92, 0)


def test_a_gate_takes_more_where_the_pilot_s_risks_come_in_lumps() -> None:
    pilot = [Label(0.5, False)] * 5 + [Label(k / 100, False) for k in range(15)]
    labels = [*pilot, *even(180)]
    assert _slack(labels, PLAN, GRID) == _slack(labels, PLAN, 500) == 2 + 180 * 3 // 20
    assert _slack(labels, PLAN, 499) == SLACK


def test_labels_that_were_likelier_to_be_drawn_are_thinned_alike_each_time() -> None:
    labels = even(200)
    shares = [0.5 if label.score > 0.5 else 1.0 for label in labels]
    found = look(labels, shares, PLAN, ALPHA, DELTA)
    assert found is not None and 110 < found.n < 160 and found.level is not None
    assert found == look(labels, shares, PLAN, ALPHA, DELTA)
    draw = random.Random(0)
    assert found.n == sum(draw.random() < share for share in shares[20:]), "with the same seed"


def test_nine_tenths_of_delta_are_for_the_look_and_the_rest_for_any_day() -> None:
    early = certified(even(200)[:120])
    assert isinstance(early, NotCertifiable)
    assert (early.code, early.more_labels, early.n) == ("look_awaited", 80, 120)
    assert isinstance(certified(even(200)[:120], None), Certificate), "without a plan they do"
    found = certified(after_a_clean_pilot({135, 171}))
    assert isinstance(found, Certificate)
    assert (found.test, found.threshold, found.n) == ("planned look", 1.0, 180)
    assert found.upper_bound < ALPHA and Certificate.from_json(found.to_json()) == found
    clean = certified([Label(0.1, False)] * 199)
    assert isinstance(clean, Certificate) and clean.test == "betting", "any day, with the rest"
    curve = betting_curve(even(200)[:60], ALPHA, DELTA, plan=PLAN)
    assert curve[-1] < betting_curve(even(200)[:60], ALPHA, DELTA)[-1]


def test_what_reviewers_miss_makes_the_look_stricter() -> None:
    labels, plan = even(200, {150, 190}), Plan(200, ALPHA, DELTA, 0.05)
    assert plan.rates == (ALPHA * 0.95, DELTA * 0.8 * LOOK_SHARE)
    told = {"date": DAY, "collection": "main", "plan": plan}
    assert isinstance(certify_anytime(labels, ALPHA, DELTA, **told), Certificate)  # type: ignore[arg-type]
    bounded = certify_anytime(labels, ALPHA, DELTA, gold=Gold(2, 20), **told)  # type: ignore[arg-type]
    assert isinstance(bounded, NotCertifiable)
    late = certified([*even(200), *[Label(0.001, True)] * 40])
    assert isinstance(late, NotCertifiable), "what shows more than alpha by now is none"


@pytest.mark.parametrize(
    ("total", "alpha", "delta", "miss"),
    [(82, 0.05, 0.05, 0.0), (200, 0.0, 0.05, 0.0), (200, 0.05, 1.0, 0.0), (200, 0.05, 0.05, 1.0)],
)
def test_a_plan_that_cannot_pass_fails_closed(
    total: int, alpha: float, delta: float, miss: float
) -> None:
    with pytest.raises(GateInvalid):
        Plan(total, alpha, delta, miss)
    assert Plan(83, ALPHA, DELTA).least == 83 == FIRST + needed(0) + SLACK


def test_a_plan_of_another_promise_fails_closed() -> None:
    with pytest.raises(GateInvalid, match="another promise"):
        certify_anytime(even(200), 0.02, DELTA, date=DAY, collection="main", plan=PLAN)


@pytest.mark.simulation
@pytest.mark.parametrize("bad_from", [0, 300, 600])
def test_the_first_bad_level_passes_with_delta_at_most(bad_from: int) -> None:
    """Good answers up to a level, and so many errors above that alpha is exceeded at once."""
    rng, broken, times = np.random.default_rng(bad_from), 0, 1000
    for _ in range(times):
        levels = rng.integers(0, GRID, 1200)
        above = ALPHA + 0.001 + bad_from / 50 * (ALPHA - 0.03)
        wrong = rng.random(1200) < np.where(levels < bad_from, 0.03, above)
        plan = Plan(300, ALPHA, DELTA)
        pairs = list(zip(levels.tolist(), wrong.tolist(), strict=True))
        labels = [Label(level / GRID, bad) for level, bad in pairs[: plan.pilot]]
        top = ceiling_now(labels, ALPHA, plan)
        drawn = [pair for pair in pairs[plan.pilot :] if pair[0] <= top][: 300 - plan.pilot]
        rest = [Label(level / GRID, bad) for level, bad in drawn]
        found = looked([*labels, *rest], plan)
        broken += found is not None and found.level is not None and found.level >= bad_from + 50
    assert lower_limit(broken, times, 0.025) <= DELTA
