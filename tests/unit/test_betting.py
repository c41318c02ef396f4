"""The betting test: exact against rationals, valid at every look, and the tests refuse others."""

import math
import random
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.gate.aims import FIRST, PLACES, WAIT, aims_of, ceiling_of, lent_aims
from guardrails.gate.anytime import (
    certify_anytime,
    least_labels_anytime,
    more_labels_anytime,
    share_below,
)
from guardrails.gate.betting import (
    BETS,
    PURSES,
    Aims,
    Stream,
    upper_limit_anytime,
    wealth_of,
    zero_error_labels,
)
from guardrails.gate.binomial import (
    GRID,
    ClockBackwards,
    GateInvalid,
    lower_limit,
    passes,
    upper_limit,
)
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
        exact = exact_wealth(gains, 1 / (1 - alpha))
        assert math.exp(found.log_wealth(level)[-1]) == pytest.approx(float(exact), rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 3), st.integers(-1, 3), st.integers(1, 4)),
        min_size=1,
        max_size=9,
    )
)
def test_the_wealth_of_aims_under_ceilings_is_exact(rows: list[tuple[bool, int, int, int]]) -> None:
    """A label counts for a level if it lies at or below the level or the aim, whichever is laxer,
    and that is not above its ceiling; without an aim there is no bet."""
    alpha = Fraction(1, 20)
    rows = [(w, min(lv, top), min(aim, top), top) for w, lv, aim, top in rows]
    wrong, levels, aims, tops = map(np.array, zip(*rows, strict=True))
    purses = np.array([[0.25], [0.75]]) * PURSES
    both = Aims(np.stack([aims, np.zeros_like(aims)]), purses)
    found = Stream.labelled(ALPHA, levels, wrong, np.ones(len(rows)), tops, both)
    for level in range(5):
        exact = Fraction(0)
        for way, purse in enumerate((Fraction(1, 4), Fraction(3, 4))):
            placed = [max(level, aim if way == 0 else 0) for _, _, aim, _ in rows]
            gains = [
                alpha - int(w)
                for (w, lv, aim, top), t in zip(rows, placed, strict=True)
                if lv <= t <= top and (way == 1 or aim >= 0)
            ]
            exact += purse * exact_wealth(gains, 1 / (1 - alpha))
        assert math.exp(found.log_wealth(level)[-1]) == pytest.approx(float(exact), rel=1e-9)


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


@settings(deadline=None)
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


@pytest.mark.parametrize(("errors", "needed"), [(0, 66), (1, 137), (2, 179), (3, 219), (5, 291)])
def test_the_labels_needed_are_those_of_the_published_table(errors: int, needed: int) -> None:
    assert wealth_of(errors, needed, ALPHA) >= LIMIT > wealth_of(errors, needed - 1, ALPHA)
    last = stream([1] * needed, [n < errors for n in range(needed)]).log_wealth(1)
    assert math.exp(last[-1]) == pytest.approx(wealth_of(errors, needed, ALPHA))
    assert math.exp(last[-2]) < LIMIT


@pytest.mark.parametrize(
    ("alpha", "delta", "needed"), [(0.05, 0.05, 66), (0.02, 0.05, 168), (0.01, 0.01, 507)]
)
def test_without_errors_few_more_labels_than_the_exact_test(
    alpha: float, delta: float, needed: int
) -> None:
    assert zero_error_labels(alpha, delta) == needed
    assert (1 - alpha) ** needed < delta


def chance_of_passing(
    rate: float, most: int, against: float = ALPHA, bound: float = LIMIT
) -> float:
    """P(the wealth is ever ``bound`` within ``most`` plain labels of that rate), exactly."""
    alive, passed = np.zeros(most + 1), 0.0
    alive[0] = 1.0
    for n in range(1, most + 1):
        alive[1:] = alive[1:] * (1 - rate) + alive[:-1] * rate
        alive[0] *= 1 - rate
        for errors in range(min(n, 60)):
            if alive[errors] and wealth_of(errors, n, against) >= bound:
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
    assert 1 - 1e-6 < upper_limit_anytime(39, 40, 0.01) <= 1
    for errors, n in [(0, 1), (0, 60), (3, 40), (20, 40)]:
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
    assert [(p.level, p.after) for p in found.passed(100, DELTA)] == [(100, 106), (200, 106)]
    assert found.passed(150, DELTA)[0].level == 150, "what was fixed beforehand is tested"
    assert found.passed(50, DELTA) == [], "a start without labels is not skipped"


def test_a_first_level_that_fails_ends_the_sequence_and_fails_closed() -> None:
    levels = [100] * 60 + [200] * 1000
    wrong = [n % 4 == 0 for n in range(60)] + [False] * 1000
    assert stream(levels, wrong).passed(100, DELTA) == []
    assert [p.level for p in stream(levels, wrong).passed(200, DELTA)] == [200]


def test_a_wider_level_never_passes_before_the_stricter_ones() -> None:
    levels = [300] * 66 + [100] * 66
    found = stream(levels, [False] * 132).passed(100, DELTA)
    assert [(p.level, p.after) for p in found] == [(100, 132), (300, 132)]


def test_a_level_just_above_a_ceiling_is_tested_and_ends_the_sequence() -> None:
    """Labels of a session say nothing above its ceiling, so that others must carry what lies
    there, though no label stands between."""
    levels, ceilings = np.array([100] * 70 + [300] * 70), np.array([200] * 70 + [GRID] * 70)
    wrong = np.array([False] * 140)
    wide = Stream.labelled(ALPHA, levels, wrong, np.ones(140), ceilings)
    assert [p.level for p in wide.passed(100, DELTA)] == [100]
    near = Stream.labelled(ALPHA, np.minimum(levels, 202), wrong, np.ones(140), ceilings)
    assert [p.level for p in near.passed(100, DELTA)] == [100], "201 is tested too"
    open_above = Stream.labelled(ALPHA, levels, wrong, np.ones(140))
    assert [p.level for p in open_above.passed(100, DELTA)] == [100, 300]


# Aims and ceilings


def random_labels(n: int, seed: int) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    ceilings = np.sort(rng.integers(200, GRID + 1, n))[::-1]
    levels = (rng.random(n) * ceilings).astype(int)
    return levels, rng.random(n) < levels / 2000, ceilings


@pytest.mark.parametrize("seed", range(5))
def test_no_later_label_moves_an_aim(seed: int) -> None:
    """Else a bet would know what it bets on."""
    levels, wrong, ceilings = random_labels(120, seed)
    whole = aims_of(levels, wrong, np.ones(120), ceilings, ALPHA).levels
    assert len(np.unique(whole)) > 3
    for n in (1, 7, 40, 119):
        part = aims_of(levels[:n], wrong[:n], np.ones(n), ceilings[:n], ALPHA).levels
        assert (part == whole[:, :n]).all()
        flipped = np.append(wrong[: n - 1], ~wrong[n - 1 : n])
        last = aims_of(levels[:n], flipped, np.ones(n), ceilings[:n], ALPHA).levels
        assert (last[:, -1] == whole[:, n - 1]).all(), "not even its own label"


def test_aims_stay_under_the_ceiling() -> None:
    for seed in range(5):
        levels, wrong, ceilings = random_labels(120, seed)
        found = aims_of(levels, wrong, np.ones(120), ceilings, ALPHA)
        assert (found.levels <= ceilings).all() and (found.levels >= -1).all()
        assert found.purses.sum() == pytest.approx(1.0)


def test_the_walking_aim_waits_then_starts_wide_and_falls_with_the_errors() -> None:
    levels = np.tile(np.arange(100, 1000, 100), 8)
    clean = aims_of(levels, levels < 0, np.ones(72), np.full(72, 900), ALPHA).levels[0]
    assert (clean[:WAIT] == -1).all() and (clean[WAIT:] == 900).all()
    wrong = levels >= 600
    walked = aims_of(levels, wrong, np.ones(72), np.full(72, GRID), ALPHA).levels[0]
    assert set(walked[WAIT:]) <= {100, 200, 300, 400, 500} and walked[-1] == 500
    bad = aims_of(levels, levels > 0, np.ones(72), np.full(72, GRID), ALPHA).levels[0]
    assert (bad[WAIT:] == 0).all(), "each level bets on its own answers"


def test_the_steady_aim_is_a_share_of_the_labels_or_half_alpha() -> None:
    levels = np.tile(np.arange(100, 1100, 100), 10)
    steady = aims_of(levels, levels < 0, np.ones(100), np.full(100, GRID), ALPHA).levels[1]
    assert steady[0] == -1 and (steady[50:] == 300).all()
    low = np.full(50, 3)
    assert (aims_of(low, low < 0, np.ones(50), np.full(50, GRID), ALPHA).levels[1, 1:] == 25).all()


def test_the_ceiling_falls_to_what_the_labels_allow() -> None:
    levels = np.tile([100, 200, 300, 400], 10)
    everything = np.full(40, GRID)
    assert ceiling_of(levels[: FIRST - 1], levels[: FIRST - 1] > 0, everything[:19], ALPHA) == GRID
    assert ceiling_of(levels, levels < 0, everything, ALPHA) == GRID
    assert ceiling_of(levels, levels >= 300, everything, ALPHA) == 295
    assert ceiling_of(levels, levels > 0, everything, ALPHA) == 100
    one = np.arange(40) == 3
    assert ceiling_of(levels, one, everything, ALPHA) == GRID, "one in forty is not too many"
    assert ceiling_of(levels, np.arange(40) % 20 == 3, everything, ALPHA) == GRID
    assert ceiling_of(levels, np.arange(40) % 13 == 3, everything, ALPHA) == 395
    assert ceiling_of(levels, levels < 0, np.full(40, 500), ALPHA) == 500
    assert PLACES[0] == 0 and PLACES[-1] == GRID


def test_labels_of_a_session_are_no_word_on_what_lies_above_their_ceiling() -> None:
    session = [Label(0.1, False, ceiling=0.2)] * 100
    assert certified(session).threshold == 0.1
    above = [*session, *([Label(0.3, False)] * 30)]
    assert certified(above).threshold == 0.1, "thirty alone certify nothing"
    assert certified([Label(0.1, False)] * 100 + [Label(0.3, False)] * 30).threshold == 0.3
    with pytest.raises(GateInvalid, match="ceiling"):
        Label(0.3, False, ceiling=0.2)


def test_lent_labels_say_where_to_begin_and_are_no_evidence() -> None:
    others = [Label(0.01 + n * 37 % 50 / 100, False) for n in range(300)]
    mine = [Label(0.01 + n * 37 % 50 / 100, False) for n in range(80)]
    assert refused(mine).n == 80
    helped = certified(mine, lent=others)
    assert (helped.n, helped.labels, helped.errors) == (80, 80, 0)
    assert refused(mine[:50], lent=others * 3).n == 50, "however many others there are"
    misled = [Label(0.01 + n * 37 % 50 / 100, True) for n in range(300)]
    late = [Label(0.01 + n * 37 % 50 / 100, False) for n in range(400)]
    assert certified(late, lent=misled).errors == 0, "bad examples cost labels, not the promise"
    bad = [Label(0.2, n % 8 == 0) for n in range(400)]
    assert refused(bad, lent=others).code == "too_many_errors"


def test_lent_aims_are_the_last_of_the_whole_stream() -> None:
    levels, wrong, ceilings = random_labels(60, 1)
    whole = aims_of(levels, wrong, np.ones(60), ceilings, ALPHA)
    spread = np.zeros((2, len(BETS)))
    spread[1, 2] = 1.0
    own = lent_aims(whole, spread, 20)
    assert (own.levels == whole.levels[:, 40:]).all()
    assert own.purses.sum() == pytest.approx(1.0)
    assert own.purses[1, 2] == pytest.approx((whole.purses[1, 2] + 1) / 2)


def test_the_spread_of_the_wealth_is_each_purse_s_share() -> None:
    found = stream([0] * 3, [False, True, False])
    exact = [
        purse * (1 + bet * 0.05 / 0.95) ** 2 * (1 - bet)
        for bet, purse in zip(BETS.tolist(), PURSES.tolist(), strict=True)
    ]
    assert found.spread(0)[0] == pytest.approx(np.array(exact) / sum(exact))
    assert found.spread(0)[0, 0] < 1e-12, "all on no error, after one"


def test_the_share_below_a_level_multiplies_what_each_ceiling_left() -> None:
    labels = [Label(score / 100, False) for score in (10, 30, 50, 90)]
    assert share_below(labels, 500) == 0.75
    session = [Label(score / 100, False, ceiling=0.5) for score in (10, 10, 20, 40, 40, 50)]
    assert share_below([*labels, *session], 500) == 0.75
    assert share_below([*labels, *session], 300) == pytest.approx(0.75 * 5 / 9)
    assert share_below(session, 500) == 1.0, "nothing is known of what lies above"


@pytest.mark.parametrize("shares", [[1.5], [0.0], [-0.1], [math.nan]])
def test_a_share_that_the_design_cannot_give_fails_closed(shares: list[float]) -> None:
    with pytest.raises(GateInvalid, match=r"^a weight is above max_weight: outside"):
        stream([1], [False], shares)


@pytest.mark.parametrize(
    ("chance", "predicted", "floor", "what"),
    [
        *[(0.1, 0.5, 0.2, "chances"), (1.1, 0.5, 0.2, "chances"), (0.5, 1.1, 0.2, "predictions")],
        *[(0.5, 0.5, 0.0, "chances"), (1.0, 0.5, 1.5, "chances"), (0.5, -0.1, 0.2, "predictions")],
    ],
)
def test_a_draw_under_its_floor_fails_closed(
    chance: float, predicted: float, floor: float, what: str
) -> None:
    yes, no = np.array([True]), np.array([False])
    with pytest.raises(GateInvalid, match=f"^{what}: outside of what the design allows$"):
        Stream.helped(
            ALPHA, np.array([1]), no, np.array([chance]), yes, np.array([predicted]), floor
        )


# Certificates


def test_seventy_two_labels_without_an_error_certify_and_one_less_does_not() -> None:
    found = certified(plain(72, 0))
    assert (found.threshold, found.n, found.errors, found.test) == (0.1, 72, 0, "betting")
    assert DELTA - 0.001 < found.upper_bound <= ALPHA
    less = refused(plain(71, 0))
    assert (less.code, less.more_labels, less.n) == ("too_few_labels", 40, 71)
    assert refused([]).code == "too_few_labels"
    assert Certificate.from_json(found.to_json()) == found


def test_what_passed_once_is_certified_later_while_the_labels_show_no_more_than_alpha() -> None:
    assert certified(plain(72, 0) + plain(10, 2)).errors == 2
    assert certified(plain(95, 5)).errors == 5, "just alpha is not more than alpha"
    late = refused(plain(120, 0) + plain(0, 8))
    assert late.code == "too_many_errors"


def test_too_many_errors_are_not_certifiable_and_fails_closed() -> None:
    result = refused(plain(250, 250))
    assert (result.code, result.more_labels, result.n) == ("too_many_errors", None, 500)


def test_a_start_fixed_beforehand_is_used_by_both_tests() -> None:
    labels = plain(80, 0, 0.3) + plain(80, 0, 0.6) + plain(0, 80, 0.9)
    assert certified(labels, start=0.6).threshold == 0.6
    assert refused(labels, start=0.9).code == "too_many_errors"
    assert certified(plain(66, 0), start=0.1).n == 66, "all bets are on that level: no aims"


def test_weights_are_shares_of_the_largest_that_was_possible() -> None:
    heavy = [Label(0.1, False, 20.0, 20.0)] * 72
    assert certified(heavy).n == 72
    assert certified([Label(0.1, False, 20.0)] * 72, max_weight=20.0).n == 72
    light = [Label(0.1, False, 1.0, 20.0)] * 110
    assert refused(light).code == "too_many_errors"
    mixed = plain(72, 0) + light
    assert certified(mixed).n == 182, "held answers of the time before audits keep their full bet"
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
    assert least_labels_anytime(ALPHA, DELTA) == 108
    spread = [Label(0.01 + n * 37 % 97 / 100, False) for n in range(108)]
    assert certified(spread).released_share == 1.0
    assert more_labels_anytime([], ALPHA, DELTA) == 110
    assert more_labels_anytime(plain(32, 0), ALPHA, DELTA) == 80
    assert more_labels_anytime(plain(10, 90), ALPHA, DELTA) is None
    assert more_labels_anytime(plain(90, 10), ALPHA, DELTA) is None
    half = [*plain(30, 0), *plain(0, 30, 0.9)]
    assert more_labels_anytime(half, ALPHA, DELTA) == 80, "a session leaves the others out"


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
@pytest.mark.parametrize("bad_from", [0, 50, 250, 600])
def test_with_aims_and_a_session_the_first_bad_level_passes_with_delta_at_most(
    bad_from: int,
) -> None:
    """Up to a level hardly anything is wrong, above just so much that alpha is exceeded there."""
    rng, broken, times = np.random.default_rng(bad_from), 0, 300
    for _ in range(times):
        levels = rng.integers(0, GRID, 1500)
        good = 0.01
        rate = np.where(levels < bad_from, good, ALPHA + 0.001 + bad_from / 25 * (ALPHA - good))
        wrong = rng.random(1500) < np.minimum(rate, 1.0)
        kept: list[int] = []
        ceilings: list[int] = []
        ceiling = GRID
        for place, level in enumerate(levels.tolist()):
            if level <= ceiling and len(kept) < 300:
                kept.append(place)
                ceilings.append(ceiling)
                if len(kept) % 20 == 0:
                    ceiling = ceiling_of(levels[kept], wrong[kept], ceilings, ALPHA)
        tops = np.array(ceilings)
        aims = aims_of(levels[kept], wrong[kept], np.ones(len(kept)), tops, ALPHA)
        found = Stream.labelled(
            ALPHA, levels[kept], wrong[kept], np.ones(len(kept)), tops, aims
        ).passed(0, DELTA)
        broken += any(p.level >= bad_from + 25 for p in found)
    assert lower_limit(broken, times, 0.025) <= DELTA


@pytest.mark.simulation
def test_strata_that_lend_keep_the_promise_of_the_one_that_borrows() -> None:
    """The lender is nearly faultless, the borrower a little worse than alpha everywhere."""
    rng, broken, times = np.random.default_rng(11), 0, 300
    for _ in range(times):
        lent = [Label(float(x), bool(rng.random() < 0.005)) for x in rng.random(150)]
        mine = [Label(float(x), bool(rng.random() < 0.0505)) for x in rng.random(250)]
        shares = np.ones(len(mine))
        both = aims_of(
            np.array([math.ceil(x.score * GRID) for x in (*lent, *mine)]),
            np.array([x.wrong for x in (*lent, *mine)]),
            np.ones(len(lent) + len(mine)),
            np.full(len(lent) + len(mine), GRID),
            ALPHA,
        )
        began = Stream.labelled(
            ALPHA,
            [math.ceil(x.score * GRID) for x in lent],
            [x.wrong for x in lent],
            np.ones(len(lent)),
            None,
            Aims(both.levels[:, : len(lent)], both.purses),
        )
        aims = lent_aims(both, began.spread(0), len(mine))
        found = Stream.labelled(
            ALPHA,
            [math.ceil(x.score * GRID) for x in mine],
            [x.wrong for x in mine],
            shares,
            None,
            aims,
        )
        broken += bool(found.passed(0, DELTA))
    assert lower_limit(broken, times, 0.025) <= DELTA


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


def until_certified(seed: int) -> list[tuple[int, int]]:
    """(how many more labels were said to be needed, how many were) at every eighth label; one in a
    hundred is wrong."""
    draw = random.Random(seed)
    labels: list[Label] = []
    said: list[tuple[int, int]] = []
    while len(labels) < 400:
        risk = round(draw.random() * 0.6, 3)
        labels.append(Label(risk, draw.random() < 0.02 * risk / 0.6))
        if len(labels) % 8 or len(labels) < 40:
            continue
        found = certify_anytime(labels, 0.05, 0.05, date=DAY, collection="main")
        if isinstance(found, Certificate):
            return [(more, len(labels) - n) for n, more in said]
        said.append((len(labels), found.more_labels or 0))
    return []


def test_how_many_more_labels_are_needed_is_no_promise_that_moves_away() -> None:
    """ "About 10 more" was said from the 103rd label to the 137th and beyond."""
    looks = [look for seed in range(10) for look in until_certified(seed)]
    late = [(said, true) for said, true in looks if true >= 20]
    assert len(late) > 50
    assert sum(said < true / 2 for said, true in late) < len(late) / 5
    assert 0.7 < sum(s for s, _ in late) / sum(t for _, t in late) < 1.4
