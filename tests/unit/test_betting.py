"""The betting test: exact against rationals, valid at every look, and the tests refuse others."""

import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.gate.anytime import certify_anytime, more_labels_anytime
from guardrails.gate.betting import (
    BETS,
    PURSES,
    Stream,
    first_level,
    upper_limit_anytime,
    wealth_of,
    zero_error_labels,
)
from guardrails.gate.binomial import ClockBackwards, GateInvalid, lower_limit, passes, upper_limit
from guardrails.gate.certificate import Certificate
from guardrails.gate.certify import Gold, Label, NotCertifiable, SecondReviews, certify

ALPHA = DELTA = 0.05
DAY = "2026-11-29"
LIMIT = 1 / DELTA


def stream(levels: list[int], wrong: list[bool], shares: list[float] | None = None) -> Stream:
    chosen = np.array(shares or [1.0] * len(levels))
    return Stream.labelled(ALPHA, np.array(levels), np.array(wrong, dtype=bool), chosen)


def plain(right: int, wrong: int, score: float = 0.1) -> list[Label]:
    """The wrong ones last."""
    return [Label(score, n >= right) for n in range(right + wrong)]


def certified(labels: list[Label], **more: Any) -> Certificate:
    result = certify_anytime(labels, ALPHA, DELTA, **{"date": DAY, "collection": "main"} | more)
    assert isinstance(result, Certificate), result
    return result


def refused(labels: list[Label], **more: Any) -> NotCertifiable:
    result = certify_anytime(labels, ALPHA, DELTA, **{"date": DAY, "collection": "main"} | more)
    assert isinstance(result, NotCertifiable), result
    return result


def exact_wealth(gains: list[Fraction], largest: Fraction) -> Fraction:
    total = Fraction(0)
    for bet, purse in zip(BETS.tolist(), PURSES.tolist(), strict=True):
        product = Fraction(str(purse))
        for gain in gains:
            product *= 1 + Fraction(str(bet)) * largest * gain
        total += product
    return total


# The figures


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 4), st.integers(0, 3)), min_size=1, max_size=9)
)
def test_the_wealth_of_weighted_labels_is_exact(rows: list[tuple[bool, int, int]]) -> None:
    alpha = Fraction(1, 20)
    found = stream([lv for _, _, lv in rows], [w for w, _, _ in rows], [k / 4 for _, k, _ in rows])
    for level in range(4):
        gains = [Fraction(k, 4) * (alpha - w) for w, k, lv in rows if lv <= level]
        wealth = found.log_wealth(level)
        assert len(wealth) == len(gains)
        if gains:
            exact = exact_wealth(gains, 1 / (1 - alpha))
            assert math.exp(wealth[-1]) == pytest.approx(float(exact), rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.booleans(), st.integers(2, 5), st.integers(0, 4)),
        min_size=1,
        max_size=9,
    )
)
def test_the_wealth_with_a_helper_is_exact(rows: list[tuple[bool, bool, int, int]]) -> None:
    alpha, floor = Fraction(1, 20), Fraction(2, 5)
    wrong, drawn, fifths, quarters = zip(*rows, strict=True)
    found = Stream.helped(
        ALPHA,
        np.zeros(len(rows), dtype=int),
        np.array(wrong),
        np.array(fifths) / 5,
        np.array(drawn),
        np.array(quarters) / 4,
        0.4,
    )
    gains = [
        alpha - Fraction(p, 4) - (Fraction(5, q) * (w - Fraction(p, 4)) if d else 0)
        for w, d, q, p in rows
    ]
    exact = exact_wealth(gains, 1 / (1 / floor - alpha))
    assert math.exp(found.log_wealth(0)[-1]) == pytest.approx(float(exact), rel=1e-9)


@given(st.booleans(), st.booleans(), st.floats(0.1, 1), st.floats(0, 1))
def test_no_answer_takes_more_than_the_wealth(
    wrong: bool, drawn: bool, chance: float, predicted: float
) -> None:
    one = np.array([0])
    found = Stream.helped(
        ALPHA,
        one,
        np.array([wrong]),
        np.array([chance]),
        np.array([drawn]),
        np.array([predicted]),
        0.1,
    )
    assert 1 + found.largest[0] * found.gains[0] >= -1e-12


@pytest.mark.parametrize("alpha", [Fraction(1, 20), Fraction(1, 100), Fraction(1, 5)])
@pytest.mark.parametrize("chance", [Fraction(1), Fraction(1, 3), Fraction(1, 20)])
@pytest.mark.parametrize("predicted", [Fraction(0), Fraction(1, 3), Fraction(1)])
def test_the_game_is_fair_at_alpha_whatever_the_helper_says(
    alpha: Fraction, chance: Fraction, predicted: Fraction
) -> None:
    """The expected gain is alpha minus the rate: nothing at alpha, less above."""
    for rate in (alpha, 2 * alpha):
        expected = Fraction(0)
        for wrong in (0, 1):
            for drawn in (0, 1):
                likely = (rate if wrong else 1 - rate) * (chance if drawn else 1 - chance)
                gain = Stream.helped(
                    float(alpha),
                    np.array([0]),
                    np.array([bool(wrong)]),
                    np.array([float(chance)]),
                    np.array([bool(drawn)]),
                    np.array([float(predicted)]),
                    float(chance),
                ).gains[0]
                expected += likely * Fraction(float(gain))
        assert float(expected) == pytest.approx(float(alpha - rate), abs=1e-12)


def test_the_purses_are_one_wealth() -> None:
    assert PURSES.sum() == pytest.approx(1.0) and (PURSES > 0).all()
    assert BETS.max() == 1.0 and BETS.min() > 0
    assert stream([], []).log_wealth(5).size == 0


@pytest.mark.parametrize(("errors", "needed"), [(0, 64), (1, 145), (2, 187), (3, 227), (5, 300)])
def test_the_labels_needed_are_those_of_the_published_table(errors: int, needed: int) -> None:
    assert wealth_of(errors, needed, ALPHA) >= LIMIT > wealth_of(errors, needed - 1, ALPHA)
    last = stream([1] * needed, [n < errors for n in range(needed)]).log_wealth(1)
    assert math.exp(last[-1]) == pytest.approx(wealth_of(errors, needed, ALPHA))
    assert math.exp(last[-2]) < LIMIT


@pytest.mark.parametrize(
    ("alpha", "delta", "needed"), [(0.05, 0.05, 64), (0.02, 0.05, 162), (0.01, 0.01, 491)]
)
def test_without_errors_few_more_labels_than_the_exact_test(
    alpha: float, delta: float, needed: int
) -> None:
    assert zero_error_labels(alpha, delta) == needed
    assert (1 - alpha) ** needed < delta


def chance_of_passing(rate: float, most: int) -> float:
    """P(the wealth is ever 1/delta within ``most`` plain labels), exactly."""
    alive, passed = np.zeros(most + 1), 0.0
    alive[0] = 1.0
    for n in range(1, most + 1):
        alive[1:] = alive[1:] * (1 - rate) + alive[:-1] * rate
        alive[0] *= 1 - rate
        for errors in range(min(n, 60)):
            if alive[errors] and wealth_of(errors, n, ALPHA) >= LIMIT:
                passed, alive[errors] = passed + alive[errors], 0.0
    return passed


def test_looking_after_every_label_a_bad_level_passes_with_delta_at_most() -> None:
    assert 0.03 < chance_of_passing(ALPHA, 600) <= DELTA
    assert chance_of_passing(0.06, 300) < chance_of_passing(ALPHA, 300)
    assert chance_of_passing(0.005, 300) > 0.95


def test_the_exact_test_looked_at_after_every_label_is_caught_and_fails_closed() -> None:
    """It passes too often: what the betting test pays its few more labels for."""
    alive, passed = np.zeros(601), 0.0
    alive[0] = 1.0
    for n in range(1, 601):
        alive[1:] = alive[1:] * (1 - ALPHA) + alive[:-1] * ALPHA
        alive[0] *= 1 - ALPHA
        good = np.array([passes(errors, n, ALPHA, DELTA) for errors in range(601)])
        passed += alive[good].sum()
        alive[good] = 0.0
    assert passed > 2 * DELTA


def test_the_anytime_limit_is_where_the_bets_turn_and_above_the_exact_one() -> None:
    for errors, n in [(0, 1), (0, 60), (3, 40), (39, 40)]:
        limit = upper_limit_anytime(errors, n, 0.01)
        assert wealth_of(errors, n, limit) >= 100 > wealth_of(errors, n, limit - 1e-6)
        assert limit > upper_limit(errors, n, 0.01)
    assert upper_limit_anytime(0, 0, 0.05) == upper_limit_anytime(4, 4, 0.05) == 1.0
    limits = [upper_limit_anytime(0, n, 0.01) for n in (20, 60, 200)]
    assert all(low > high for low, high in pairwise(limits))


# The sequence


def test_levels_pass_from_the_strictest_until_the_first_that_does_not() -> None:
    levels = [300] * 40 + [100] * 70 + [200] * 70 + [400] * 400
    found = stream(levels, [True] * 40 + [False] * 540)
    assert [(p.level, p.after) for p in found.passed(100, DELTA)] == [(100, 104), (200, 104)]
    assert found.passed(150, DELTA)[0].level == 150, "what was fixed beforehand is tested"
    assert found.passed(50, DELTA) == [], "a start without labels is not skipped"


def test_a_first_level_that_fails_ends_the_sequence_and_fails_closed() -> None:
    levels = [100] * 60 + [200] * 1000
    wrong = [n % 4 == 0 for n in range(60)] + [False] * 1000
    assert stream(levels, wrong).passed(100, DELTA) == []
    assert [p.level for p in stream(levels, wrong).passed(200, DELTA)] == [200]


def test_a_wider_level_never_passes_before_the_stricter_ones() -> None:
    levels = [300] * 64 + [100] * 64
    found = stream(levels, [False] * 128).passed(100, DELTA)
    assert [(p.level, p.after) for p in found] == [(100, 128), (300, 128)]


def test_the_start_is_the_same_at_every_look() -> None:
    rng = np.random.default_rng(2)
    levels = rng.integers(0, 1001, 400)
    assert first_level(levels[:58], ALPHA, DELTA) is None
    found = {first_level(levels[:n], ALPHA, DELTA) for n in range(59, 400, 20)}
    assert found == {int(np.sort(levels[:59])[11])}
    assert first_level(np.full(59, 3), ALPHA, DELTA) == 25


@pytest.mark.parametrize("shares", [[1.5], [0.0], [-0.1], [math.nan]])
def test_a_share_that_the_design_cannot_give_fails_closed(shares: list[float]) -> None:
    with pytest.raises(GateInvalid):
        stream([1], [False], shares)


@pytest.mark.parametrize(
    ("chance", "predicted", "floor"), [(0.1, 0.5, 0.2), (1.1, 0.5, 0.2), (0.5, 1.1, 0.2)]
)
def test_a_draw_under_its_floor_fails_closed(chance: float, predicted: float, floor: float) -> None:
    yes, no = np.array([True]), np.array([False])
    with pytest.raises(GateInvalid):
        Stream.helped(
            ALPHA, np.array([1]), no, np.array([chance]), yes, np.array([predicted]), floor
        )


# Certificates


def test_sixty_four_labels_without_an_error_certify_and_one_less_does_not() -> None:
    found = certified(plain(64, 0))
    assert (found.threshold, found.n, found.errors, found.test) == (0.1, 64, 0, "betting")
    assert DELTA - 0.001 < found.upper_bound <= ALPHA
    less = refused(plain(63, 0))
    assert (less.code, less.more_labels, less.n) == ("too_few_labels", 10, 63)
    assert refused([]).code == "too_few_labels"
    assert Certificate.from_json(found.to_json()) == found


def test_what_passed_once_is_certified_later_while_the_labels_show_no_more_than_alpha() -> None:
    assert certified(plain(64, 0) + plain(10, 2)).errors == 2
    late = refused(plain(64, 0) + plain(0, 4))
    assert late.code == "too_many_errors"


def test_too_many_errors_are_not_certifiable_and_fails_closed() -> None:
    result = refused(plain(250, 250))
    assert (result.code, result.more_labels, result.n) == ("too_many_errors", None, 500)


def test_a_start_fixed_beforehand_is_used_by_both_tests() -> None:
    labels = plain(80, 0, 0.3) + plain(80, 0, 0.6) + plain(0, 80, 0.9)
    assert certified(labels, start=0.6).threshold == 0.6
    assert refused(labels, start=0.9).code == "too_many_errors"


def test_weights_are_shares_of_the_largest_that_was_possible() -> None:
    heavy = [Label(0.1, False, 20.0, 20.0)] * 64
    assert certified(heavy).n == 64
    assert certified([Label(0.1, False, 20.0)] * 64, max_weight=20.0).n == 64
    light = [Label(0.1, False, 1.0, 20.0)] * 64
    assert refused(light).code == "too_many_errors"
    mixed = plain(64, 0) + light
    assert certified(mixed).n == 128, "held answers of the time before audits keep their full bet"
    with pytest.raises(GateInvalid, match="max_weight"):
        certified([Label(0.1, False, 20.0), Label(0.1, False)] * 64)
    with pytest.raises(GateInvalid):
        certified([Label(0.1, False, 20.0)] * 64, max_weight=19.0)


def test_the_released_share_is_weighted() -> None:
    labels = [Label(0.1, False, 10.0, 10.0)] * 200 + [Label(0.9, True, 1.0, 10.0)] * 1000
    assert certified(labels).released_share == pytest.approx(2 / 3)


def test_the_bound_of_misses_holds_at_every_look_and_enters_the_test() -> None:
    labels = plain(600, 0)
    bounded = certified(labels, gold=Gold(1, 60))
    assert bounded.miss_bound == pytest.approx(upper_limit_anytime(1, 60, DELTA / 5))
    assert certified(labels).upper_bound < bounded.upper_bound <= ALPHA
    assert refused(labels, gold=Gold(5, 5)).code == "reviewers_unreliable"
    least = lower_limit(19, 20, DELTA / 5)
    assert f"{least:.1%}" in refused(labels[:100], second=SecondReviews(40, 21, 20, 19)).message


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, math.nan, True])
def test_a_promise_that_is_no_probability_fails_closed(value: Any) -> None:
    for alpha, delta in ((value, 0.05), (0.05, value)):
        with pytest.raises(GateInvalid):
            certify_anytime(plain(100, 0), alpha, delta, date=DAY, collection="main")


def test_a_clock_that_goes_backwards_fails_closed() -> None:
    with pytest.raises(ClockBackwards):
        certified(plain(100, 0), not_before="2026-12-01")


def test_the_estimate_of_labels_needed_is_what_the_bets_need() -> None:
    assert more_labels_anytime(0, 0, 0, ALPHA, DELTA) == 190
    assert more_labels_anytime(32, 0, 64, ALPHA, DELTA) == 70
    assert more_labels_anytime(100, 20, 100, ALPHA, DELTA) is None
    some = more_labels_anytime(100, 1, 100, ALPHA, DELTA)
    assert some is not None and some == 90


def test_one_look_at_a_number_fixed_beforehand_stays_the_stronger_test() -> None:
    """No test that may be looked at any day can be as strong at each number of labels."""
    labels = plain(88, 5)
    random = np.random.default_rng(3).permutation(len(labels))
    shuffled = [labels[n] for n in random]
    one_look = certify(plain(208, 5), ALPHA, DELTA, date=DAY, collection="main")
    assert isinstance(one_look, Certificate)
    assert isinstance(
        certify_anytime(shuffled, ALPHA, DELTA, date=DAY, collection="main"), NotCertifiable
    )


# Simulated promises


@pytest.mark.simulation
@pytest.mark.parametrize("judge", ["useless", "hostile", "perfect"])
def test_whatever_the_judge_says_the_promise_holds(judge: str) -> None:
    rng, broken, times = np.random.default_rng(7), 0, 400
    for _ in range(times):
        wrong = rng.random(400) < 0.0501
        predicted = {
            "useless": rng.random(400),
            "hostile": np.where(wrong, 0.0, 0.3),
            "perfect": wrong.astype(float),
        }[judge]
        chances = np.where(predicted > 0.2, 1.0, 0.5)
        found = Stream.helped(
            ALPHA, np.zeros(400, int), wrong, chances, rng.random(400) < chances, predicted, 0.5
        )
        broken += bool(found.passed(0, DELTA))
    assert lower_limit(broken, times, 0.025) <= DELTA


@pytest.mark.simulation
def test_labels_drawn_by_chances_of_their_own_keep_the_promise() -> None:
    """Half of the answers (10 % wrong) are drawn one in twenty, the others always."""
    rng, broken, times = np.random.default_rng(9), 0, 300
    for _ in range(times):
        heavy = rng.random(2000) < 0.5
        wrong = heavy & (rng.random(2000) < 0.101)
        kept = ~heavy | (rng.random(2000) < 0.05)
        shares = np.where(heavy, 1.0, 0.05)
        found = Stream.labelled(ALPHA, np.zeros(kept.sum(), int), wrong[kept], shares[kept])
        broken += bool(found.passed(0, DELTA))
    assert lower_limit(broken, times, 0.025) <= DELTA
