"""The formulas of docs/gate.md against SciPy and exact rationals; the page names each test."""

import itertools
import math
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats

from app.gate.reviewer_error import cohens_kappa
from app.gate.sampling import audit_chance, audit_floor
from guardrails.calibration import auroc
from guardrails.drift import share_changed, shifted
from guardrails.gate.aims import _growth, aims_of, lent_aims
from guardrails.gate.anytime import certify_anytime
from guardrails.gate.betting import (
    BETS,
    PURSES,
    Stream,
    upper_limit_anytime,
    wealth_of,
    zero_error_labels,
)
from guardrails.gate.binomial import (
    binomial_tail,
    lower_limit,
    passes,
    upper_limit,
    zero_error_minimum,
)
from guardrails.gate.certificate import Certificate
from guardrails.gate.certify import Gold, Label, SecondReviews, certify
from guardrails.gate.certify import TestedRate as Rate
from guardrails.gate.planned import LOOK_SHARE, Plan, gates
from guardrails.gate.running_test import EProcess
from tests.unit.test_betting import chance_of_passing

ALPHA = DELTA = 0.05
DAY = "2026-11-29"


# One look


@pytest.mark.parametrize("rate", [0.001, 0.05, 0.3, 0.9])
@pytest.mark.parametrize("n", [1, 59, 1000, 50_000])
def test_the_binomial_tail_is_scipys(n: int, rate: float) -> None:
    for errors in {0, n // 1000, n // 20, n // 3, n - 1}:
        expected = float(stats.binom.cdf(errors, n, rate))
        assert binomial_tail(errors, n, rate) == pytest.approx(expected, rel=1e-7, abs=1e-300)


@pytest.mark.parametrize(("errors", "n"), [(0, 1), (0, 59), (1, 60), (3, 40), (22, 639), (39, 40)])
@pytest.mark.parametrize("delta", [0.05, 0.01])
def test_the_bounds_of_clopper_and_pearson_are_quantiles_of_beta(
    errors: int, n: int, delta: float
) -> None:
    upper = stats.beta.ppf(1 - delta, errors + 1, n - errors)
    assert upper_limit(errors, n, delta) == pytest.approx(upper, abs=2e-8)
    lower = stats.beta.ppf(delta, errors, n - errors + 1) if errors else 0.0
    assert lower_limit(errors, n, delta) == pytest.approx(lower, abs=2e-8)


@pytest.mark.parametrize(("alpha", "delta"), [("1/20", "1/20"), ("1/100", "1/20"), ("3/10", "1/5")])
def test_without_errors_the_least_number_is_exact(alpha: str, delta: str) -> None:
    rate, chance = Fraction(alpha), Fraction(delta)
    n = zero_error_minimum(float(rate), float(chance))
    assert (1 - rate) ** n <= chance < (1 - rate) ** (n - 1)


@pytest.mark.parametrize("missed", [Fraction(1, 20), Fraction(1, 5), Fraction(1, 2)])
@pytest.mark.parametrize("n", [150, 600])
def test_bound_of_misses_and_labels_together_are_wrong_with_delta_at_most(
    missed: Fraction, n: int
) -> None:
    """Every number of missed gold items, and all errors of labels that show 5.01 % (1 - missed)."""
    gold, shown, total = 40, 0.0501 * float(1 - missed), 0.0
    for count in range(gold + 1):
        test = Rate.of(ALPHA, DELTA, Gold(count, gold), None)
        if test.alpha > 0:
            allowed = [k for k in range(n) if passes(k, n, *test.levels)]
            passing = stats.binom.cdf(max(allowed), n, shown) if allowed else 0.0
            total += stats.binom.pmf(count, gold, float(missed)) * passing
    assert total <= DELTA
    assert Rate.of(ALPHA, DELTA, Gold(1, 60), None).miss_bound == pytest.approx(
        stats.beta.ppf(1 - DELTA / 5, 2, 59), abs=2e-8
    )
    seen = Rate.of(ALPHA, DELTA, None, SecondReviews(40, 21, 20, 19))
    least = stats.beta.ppf(DELTA / 5, 19, 2)
    assert seen.levels == pytest.approx((ALPHA * (1 - least), DELTA), abs=1e-8)


# Any day


def rational_wealth(errors: int, n: int, rate: Fraction) -> Fraction:
    return sum(
        (
            Fraction(str(purse))
            * (1 - Fraction(str(bet))) ** errors
            * (1 + Fraction(str(bet)) * rate / (1 - rate)) ** (n - errors)
            for bet, purse in zip(BETS.tolist(), PURSES.tolist(), strict=True)
        ),
        Fraction(0),
    )


@pytest.mark.parametrize("rate", [Fraction(1, 20), Fraction(1, 100), Fraction(7, 10)])
def test_the_wealth_of_plain_labels_is_exact(rate: Fraction) -> None:
    for errors, n in [(0, 0), (0, 66), (1, 137), (7, 40), (40, 40)]:
        exact = float(rational_wealth(errors, n, rate))
        assert wealth_of(errors, n, float(rate)) == pytest.approx(exact, rel=1e-12)
    assert math.isfinite(wealth_of(0, 10**6, 0.5)), "no more than a float can hold"


@pytest.mark.parametrize(("errors", "n", "delta"), [(0, 40, 0.05), (1, 60, 0.01), (9, 30, 0.01)])
def test_the_bound_that_holds_at_all_times_is_the_root_of_the_wealth(
    errors: int, n: int, delta: float
) -> None:
    def above(rate: float) -> float:
        return float(math.log(wealth_of(errors, n, rate) * delta))

    root = optimize.brentq(above, max(errors / n, 1e-6), 0.999, xtol=1e-12)
    assert upper_limit_anytime(errors, n, delta) == pytest.approx(root, abs=1e-7)


def test_gold_items_bound_misses_at_all_times_at_once() -> None:
    assert 0.003 < chance_of_passing(0.2, 200, against=0.2, bound=100) <= 0.01


def test_a_margin_lies_above_what_floats_can_err() -> None:
    """At a wealth of exactly 1/delta nothing passes yet."""
    exactly = 1 / wealth_of(0, 70, ALPHA)
    assert zero_error_labels(ALPHA, exactly) == 71
    assert zero_error_labels(ALPHA, exactly * (1 + 1e-6)) == 70
    stream = Stream.labelled(ALPHA, [3] * 71, [False] * 71, [1.0] * 71)
    assert [one.after for one in stream.passed(3, exactly)] == [71]
    assert [one.after for one in stream.passed(3, exactly * (1 + 1e-6))] == [70]
    assert upper_limit_anytime(0, 70, exactly) > ALPHA


RISKS = np.array([30, 400, 120, 700, 60, 250, 500, 90, 300, 10] * 3)


@pytest.mark.parametrize("level", [0, 100, 400])
@pytest.mark.parametrize("rate", [ALPHA, 2 * ALPHA])
def test_whatever_the_aims_the_game_is_fair_at_alpha_and_loses_above(
    level: int, rate: float
) -> None:
    """All that six more labels may say after 24: aims, ceilings and lent money move with them."""
    known = np.array([place % 11 == 3 for place in range(24)])
    ceilings = np.array([1000] * 20 + [600] * 10)
    levels = np.minimum(RISKS, ceilings)
    before = after = 0.0
    for further in itertools.product((False, True), repeat=6):
        wrong = np.append(known, further)
        aims = aims_of(levels, wrong, np.ones(30), ceilings, ALPHA)
        aims = lent_aims(aims, aims.purses[::-1], 30)
        logs = Stream.labelled(ALPHA, levels, wrong, np.ones(30), ceilings, aims).log_wealth(level)
        chance = math.prod(rate if one else 1 - rate for one in further)
        before, after = before + chance * math.exp(logs[23]), after + chance * math.exp(logs[-1])
    if rate == ALPHA:
        assert after == pytest.approx(before, rel=1e-12)
    else:
        assert after < before * (1 - 1e-3)


def kl(rate: float, alpha: float) -> float:
    return float(special.rel_entr(rate, alpha) + special.rel_entr(1 - rate, 1 - alpha))


@pytest.mark.parametrize("rate", [0.001, 0.005, 0.02, 0.049])
def test_how_fast_the_best_bet_wins_is_the_divergence(rate: float) -> None:
    grown = _growth(np.array([rate, 0.06]), ALPHA)
    assert grown == pytest.approx([kl(rate, ALPHA), 0.0])
    share = optimize.minimize_scalar(
        lambda u: -(1 - rate) * math.log1p(u * ALPHA / (1 - ALPHA)) - rate * math.log1p(-u),
        bounds=(0, 1 - 1e-9),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert -share.fun == pytest.approx(kl(rate, ALPHA), rel=1e-6)
    assert share.x == pytest.approx(1 - rate / ALPHA, abs=1e-4), "as BETS says"


@pytest.mark.parametrize(("rate", "least"), [(0.005, 87), (0.01, 121), (0.02, 247)])
def test_the_labels_that_any_test_needs_on_average_are_those_of_the_page(
    rate: float, least: int
) -> None:
    bound = math.log(1 / DELTA) / kl(rate, ALPHA)
    assert round(bound) == least
    alive, expected = np.array([1.0]), 0.0
    for n in range(1, 1201):
        alive = np.append(alive * (1 - rate), 0.0) + np.append(0.0, alive * rate)
        alive[[e for e in range(len(alive)) if wealth_of(e, n, ALPHA) >= 1 / DELTA]] = 0.0
        alive = alive[:40]
        expected += float(alive.sum())
    assert bound <= 1 + expected < 1.4 * bound


# Planned looks


@pytest.mark.parametrize("total", [100, 300, 600])
def test_each_gate_spends_nine_tenths_of_delta_at_most(total: int) -> None:
    plan = Plan(total, ALPHA, DELTA)
    assert LOOK_SHARE == 0.9
    for n in gates(list(range(total - plan.pilot + 1)), *plan.rates):
        allowed = max(k for k in range(n) if passes(k, n, ALPHA, DELTA * LOOK_SHARE))
        tail, more = (
            sum(math.comb(n, e) * 19 ** (n - e) for e in range(k + 1))
            for k in (allowed, allowed + 1)
        )
        assert Fraction(tail, 20**n) <= Fraction(45, 1000) < Fraction(more, 20**n)


def test_beside_a_plan_any_day_has_a_tenth_of_delta() -> None:
    """67 right answers at one risk win 20 for both aims; 200 is won with 115."""
    plan = Plan(300, ALPHA, DELTA)
    told = {"date": DAY, "collection": "main"}
    few, enough = ([Label(0.1, False)] * n for n in needed_of_both(0.005))
    assert isinstance(certify_anytime(enough, ALPHA, DELTA, plan=plan, **told), Certificate)  # type: ignore[arg-type]
    assert not isinstance(certify_anytime(few, ALPHA, DELTA, plan=plan, **told), Certificate)  # type: ignore[arg-type]


def needed_of_both(delta: float) -> tuple[int, int]:
    """(one label too few, enough): the steady aim misses the first label, the walking one 20."""
    n = next(
        n
        for n in itertools.count(21)
        if 0.65 * rational_wealth(0, n - 1, Fraction(1, 20))
        + 0.35 * rational_wealth(0, n - 20, Fraction(1, 20))
        >= 1 / delta
    )
    return n - 1, n


# Weights, the running test, reviewers, drift


@pytest.mark.parametrize("share", [Fraction(1, 10), Fraction(1, 2), Fraction(1)])
def test_audits_are_drawn_with_their_share_on_average(share: Fraction) -> None:
    chances = [audit_chance(float(share), risk / 100, 1.0) for risk in range(101)]
    assert sum(chances) / 101 == pytest.approx(float(share))
    half = float(share * (1 - share) / 2)
    assert (chances[0], chances[-1]) == pytest.approx((share - half, share + half))
    assert audit_floor(float(share)) == chances[0] == min(chances) and max(chances) <= 1
    assert audit_chance(float(share), 0.3, 0.1) == audit_chance(float(share), 0.0, 0.0)


@pytest.mark.parametrize("loss", [1.0, 0.4])
def test_the_running_test_is_fair_at_alpha(loss: float) -> None:
    """All that eight audits may say, drawn with chances 1 and 1/4, when the mean loss is alpha."""
    rate, expected = 0.1 / loss, 0.0
    weights = [1.0, 4.0, 1.0, 4.0, 4.0, 1.0]
    for said in itertools.product((False, True), repeat=len(weights)):
        process = EProcess.start(0.1, 1e-9, "c", 4.0)
        for wrong, weight in zip(said, weights, strict=True):
            process = process.observe(wrong, weight, loss)
        expected += math.prod(rate if one else 1 - rate for one in said) * process.e_value
    assert expected == pytest.approx(1.0, abs=1e-7)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_kappa_is_exact(pairs: list[tuple[bool, bool]]) -> None:
    n = len(pairs)
    one, two = (Fraction(sum(pair[side] for pair in pairs), n) for side in (0, 1))
    chance = one * two + (1 - one) * (1 - two)
    agreed = Fraction(sum(first == second for first, second in pairs), n)
    found = cohens_kappa(pairs)
    if chance == 1:
        assert found is None
    else:
        assert found == pytest.approx(float((agreed - chance) / (1 - chance)), abs=6e-5)


def test_auroc_and_drift_are_scipys() -> None:
    rng = np.random.default_rng(1)
    scores, wrong = rng.integers(0, 20, 300) / 20, rng.random(300) < 0.3
    area = stats.mannwhitneyu(scores[wrong], scores[~wrong]).statistic
    assert auroc(scores, wrong) == pytest.approx(area / (wrong.sum() * (~wrong).sum()))
    change = shifted(scores[:180].tolist(), (scores[180:] + 0.1).tolist())
    tested = stats.ks_2samp(scores[:180], scores[180:] + 0.1, method="asymp")
    assert change is not None and change.size == pytest.approx(tested.statistic)
    assert change.chance == pytest.approx(tested.pvalue, rel=0.3)
    shares = share_changed([True] * 40 + [False] * 80, [True] * 60 + [False] * 70)
    table = stats.chi2_contingency([[40, 80], [60, 70]], correction=False)
    assert shares is not None and shares.chance == pytest.approx(table.pvalue)


def test_a_thinned_sample_is_a_draw_from_all_answers() -> None:
    """Half of the answers were drawn one in four: a label weighs 1/q, and one of the others stays
    with a chance of 1/4, so that both halves count alike. In binomial bounds of SciPy."""
    labels = [Label(0.1, False, 4.0)] * 250 + [Label(0.1, False, 1.0)] * 1000
    found = certify(labels, ALPHA, DELTA, date=DAY, collection="main", max_weight=4.0, seed=3)
    assert isinstance(found, Certificate)
    low, high = stats.binom.ppf([1e-4, 1 - 1e-4], 1000, 0.25)
    assert low <= found.n - 250 <= high


def test_the_page_names_tests_that_exist() -> None:
    here = Path(__file__)
    files = ("formulas", "plainly")
    sources = [here.with_name(f"test_gate_{name}.py") for name in files]
    sources += [here.with_name(f"test_{name}.py") for name in ("betting", "gate", "losses")]
    tests = [t for f in sources for t in re.findall(r"^def (test_\w+)", f.read_text("utf-8"), re.M)]
    page = (here.parents[2] / "docs/gate.md").read_text("utf-8")
    table = page.split("## The formulas and their tests")[1]
    named = re.findall(r"`((?:test_|…_)[\w…]+)`", table)
    assert len(named) > 20
    for name in named:
        begin, _, end = name.partition("…")
        assert any(test.startswith(begin) and test.endswith(end) for test in tests), name
