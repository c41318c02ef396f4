"""The gate keeps its promise in simulation, and the same tests refuse gates that do not."""

import gzip
import json
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.errors import CountersignError
from benchmarks.gate import (
    Outcomes,
    World,
    calibrated_levels,
    measure_outcomes,
    read_outcomes,
)
from guardrails.calibration import auroc, calibration_error, risk_coverage
from guardrails.gate.binomial import (
    GRID,
    ClockBackwards,
    GateInvalid,
    binomial_tail,
    level_of,
    lower_limit,
    passes,
    upper_limit,
    zero_error_minimum,
)
from guardrails.gate.certificate import MEASURED, Certificate
from guardrails.gate.certify import (
    Gold,
    Label,
    NotCertifiable,
    SecondReviews,
    certify,
    first_level,
    more_labels,
)
from guardrails.gate.running_test import EProcess
from tests.effort import cpu_of

TIMES = 2000
ALPHA = DELTA = 0.05
DAY = "2026-11-25"


def certified(labels: Sequence[Label], **more: Any) -> Certificate:
    result = certify(labels, ALPHA, DELTA, **{"date": DAY, "collection": "main"} | more)
    assert isinstance(result, Certificate), result
    return result


def refused(labels: Sequence[Label], **more: Any) -> NotCertifiable:
    result = certify(labels, ALPHA, DELTA, **{"date": DAY, "collection": "main"} | more)
    assert isinstance(result, NotCertifiable), result
    return result


def labels_with(right: int, wrong: int, score: float = 0.1, weight: float = 1.0) -> list[Label]:
    return [Label(score, n < wrong, weight) for n in range(right + wrong)]


def keeps_its_promise(broken: int, times: int, delta: float = DELTA) -> bool:
    """The yardstick of every simulation here: the false certificates do not exceed delta."""
    return lower_limit(broken, times, 0.025) <= delta


def times_broken(world: World, levels: NDArray[np.int_], alpha: float = ALPHA) -> int:
    """How many of the certified levels release more than alpha of wrong answers, in truth."""
    return int((np.where(levels >= 0, world.errors[levels], 0) > alpha).sum())


# The figures


@pytest.mark.parametrize("rate", [Fraction(1, 20), Fraction(1, 100), Fraction(3, 10)])
@pytest.mark.parametrize("n", [1, 7, 59, 300])
def test_the_binomial_tail_is_exact(n: int, rate: Fraction) -> None:
    exact = Fraction(0)
    for k in range(n + 1):
        exact += math.comb(n, k) * rate**k * (1 - rate) ** (n - k)
        found = binomial_tail(k, n, float(rate))
        assert found == pytest.approx(float(exact), rel=1e-11)


def test_the_binomial_tail_does_not_underflow_in_large_samples() -> None:
    assert binomial_tail(0, 50_000, 0.05) == 0.0
    assert binomial_tail(2_500, 50_000, 0.05) == pytest.approx(0.5, abs=0.01)
    assert binomial_tail(25_000, 50_000, 0.05) == 1.0
    assert binomial_tail(49_999, 50_000, 0.5) == 1.0
    assert (binomial_tail(-1, 5, 0.5), binomial_tail(5, 5, 0.5)) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("errors", "alpha", "needed"),
    [
        *[(0, 0.05, 59), (0, 0.02, 149), (0, 0.01, 299)],
        *[(5, 0.05, 208), (5, 0.02, 523), (5, 0.01, 1049)],
        *[(20, 0.05, 577), (20, 0.02, 1449), (20, 0.01, 2902)],
    ],
)
def test_the_labels_needed_are_those_of_the_published_table(
    errors: int, alpha: float, needed: int
) -> None:
    assert passes(errors, needed, alpha, 0.05)
    assert not passes(errors, needed - 1, alpha, 0.05)
    assert errors > 0 or zero_error_minimum(alpha, 0.05) == needed


def test_the_upper_limit_is_where_the_test_turns() -> None:
    for errors, n in [(0, 1), (0, 59), (3, 40), (39, 40)]:
        limit = upper_limit(errors, n, 0.05)
        assert passes(errors, n, limit, 0.05)
        assert not passes(errors, n, limit - 1e-6, 0.05)
    assert upper_limit(0, 0, 0.05) == upper_limit(4, 4, 0.05) == 1.0
    assert upper_limit(0, 59, 0.05) == pytest.approx(1 - 0.05 ** (1 / 59), abs=1e-8)


@given(st.floats(0, 1))
def test_scores_are_rounded_up_and_levels_stay_themselves(score: float) -> None:
    level = level_of(score)
    assert level / GRID >= score - 1e-11
    assert (level - 1) / GRID < score or level == 0
    assert level_of(level / GRID) == level


# The promise


def flat(rate: float) -> World:
    """Scores that say nothing: every level has the same error rate."""
    return World(np.full(GRID + 1, 1 / (GRID + 1)), np.full(GRID + 1, rate))


def lumps(*parts: tuple[float, float]) -> World:
    """A population on few levels: (share, error rate) each."""
    mass, rate = np.zeros(GRID + 1), np.zeros(GRID + 1)
    for place, (share, wrong) in enumerate(parts, start=1):
        mass[place * 100], rate[place * 100] = share, wrong
    return World(mass, rate)


def upside_down() -> World:
    """The strictest answers are the worst; all levels together lie just above alpha."""
    mass = np.full(GRID + 1, 1 / (GRID + 1))
    rate = np.linspace(0.1, 0.0, GRID + 1)
    return World(mass, rate + (0.0501 - (mass * rate).sum()))


WORLDS = [
    *[
        (f"binormal {base} {area}", World.binormal(base, area), n)
        for base, area in [(0.1, 0.75), (0.2, 0.85), (0.4, 0.93)]
        for n in (100, 400, 1500)
    ],
    ("flat", flat(0.0501), 500),
    ("upside down", upside_down(), 1000),
    ("lumps", lumps((0.08, 0.0), (0.3, 0.0636), (0.62, 0.4)), 600),
    ("lumps upside down", lumps((0.1, 0.15), (0.5, 0.0304), (0.4, 0.4)), 600),
]


@pytest.mark.simulation
@pytest.mark.parametrize(("name", "world", "n"), WORLDS, ids=[f"{w[0]} {w[2]}" for w in WORLDS])
def test_false_certificates_are_no_more_frequent_than_delta(
    name: str, world: World, n: int
) -> None:
    levels = calibrated_levels(world, n, TIMES, ALPHA, DELTA, seed=n)
    assert keeps_its_promise(times_broken(world, levels), TIMES), name


def best_looking(world: World, n: int) -> NDArray[np.int_]:
    """A wrong gate: the laxest level whose errors among the labels are at most alpha."""
    counts, errors = world.draw(n, TIMES, np.random.default_rng(n))
    good = (errors <= ALPHA * counts) & (counts > 0)
    return np.where(good.any(1), GRID - good[:, ::-1].argmax(1), -1)


def any_level_tested(world: World, n: int) -> NDArray[np.int_]:
    """A wrong gate: exact tests, but the laxest level that passes, however many were tried."""
    counts, errors = world.draw(n, TIMES, np.random.default_rng(n))
    levels = []
    for row, wrong in zip(counts.tolist(), errors.tolist(), strict=True):
        pairs = enumerate(zip(wrong, row, strict=True))
        levels.append(max((t for t, (e, c) in pairs if passes(e, c, ALPHA, DELTA)), default=-1))
    return np.array(levels)


@pytest.mark.simulation
@pytest.mark.parametrize("wrong_gate", [best_looking, any_level_tested])
def test_a_gate_that_picks_among_thresholds_is_caught_and_fails_closed(
    wrong_gate: Callable[[World, int], NDArray[np.int_]],
) -> None:
    world = flat(0.0501)
    assert not keeps_its_promise(times_broken(world, wrong_gate(world, 500)), TIMES)


def test_the_gate_releases_much_of_what_could_be_released() -> None:
    world = World.binormal(0.2, 0.93)
    levels = calibrated_levels(world, 1000, 500, ALPHA, DELTA)
    oracle = world.shares[world.errors <= ALPHA].max()
    assert world.shares[levels].mean() > 0.85 * oracle


@pytest.mark.simulation
def test_when_scores_come_in_lumps_no_two_level_world_breaks_the_promise() -> None:
    """Exact enumeration of the case that the proof in guardrails/gate/certify.py leaves open."""
    least = zero_error_minimum(ALPHA, DELTA)
    for n in (3 * least + 1, 6 * least):
        for share in np.linspace(0.3 * least, min(3.6 * least, 0.95 * n), 12) / n:
            for times in (1.001, 1.02, 1.1, 1.3, 1.6, 2, 3, 6):
                if (rest := (ALPHA - share * times * ALPHA) / (1 - share)) >= 0:
                    total = false_pass(n, share, times * ALPHA, rest * (1 + 1e-9))
                    assert total <= DELTA * (1 + 1e-6), (n, share, times)


def false_pass(n: int, share: float, below: float, lump: float) -> float:
    """P(false pass), given n > m labels up to the lump; ``share`` of them belong below it."""
    least = zero_error_minimum(ALPHA, DELTA)
    most = most_passing(n)
    strict, loose = binomials(n, below, most), binomials(n, lump, most).cumsum(1)
    total = 0.0
    for count, chance in enumerate(binomials_of_all(n, share)):
        if count < least:  # too few below: the lump is the start
            total += chance * float(strict[count] @ loose[n - count][::-1])
        elif count <= 3 * least:  # the start is below the lump, and bad as well
            total += chance * float(strict[count][: most_passing(count) + 1].sum())
        else:  # it lies lower still: its test is exact
            total += chance * DELTA
    return total


@cache
def most_passing(n: int) -> int:
    """The most errors among ``n`` with which the test passes."""
    return max(k for k in range(n) if passes(k, n, ALPHA, DELTA))


@lru_cache(1)
def binomials_of_all(n: int, rate: float) -> NDArray[np.float64]:
    """P(Bin(n, rate) = column) for columns 0 to n."""
    row: NDArray[np.float64] = binomials(n, rate, n)[n]
    return row


def binomials(n: int, rate: float, most: int) -> NDArray[np.float64]:
    """P(Bin(row, rate) = column) for rows 0 to n and columns 0 to ``most``."""
    table = np.zeros((n + 1, most + 1))
    table[0, 0] = 1
    for row in range(1, n + 1):
        table[row] = table[row - 1] * (1 - rate)
        table[row, 1:] += table[row - 1, :-1] * rate
    return table


# Weights


def audited(rng: np.random.Generator, n: int) -> list[Label]:
    """Half of all answers (12 % wrong) are labelled one in ten, the others (never wrong) always.

    So 6 % of all answers are wrong at every level, but about 1 % of the labels.
    """
    heavy = rng.random(n) < 1 / 11
    wrong = heavy & (rng.random(n) < 0.12)
    scores = rng.integers(1, 51, n) / 50
    return [
        LABELS[score, bad, weight]
        for score, bad, weight in zip(
            scores.tolist(), wrong.tolist(), np.where(heavy, 10.0, 1.0).tolist(), strict=True
        )
    ]


LABELS = {
    (place / 50, wrong, weight): Label(place / 50, wrong, weight)
    for place in range(1, 51)
    for wrong in (True, False)
    for weight in (1.0, 10.0)
}


@pytest.mark.simulation
def test_weighted_labels_keep_the_promise() -> None:
    rng = np.random.default_rng(5)
    results = [
        certify(audited(rng, 900), ALPHA, DELTA, date=DAY, collection="m", max_weight=10, seed=seed)
        for seed in range(TIMES)
    ]
    broken = sum(isinstance(result, Certificate) for result in results)
    assert broken > 0, "the world must be hard enough to tempt the gate"
    assert keeps_its_promise(broken, TIMES)


@pytest.mark.simulation
def test_a_gate_that_ignores_weights_is_caught_and_fails_closed() -> None:
    rng = np.random.default_rng(5)
    plain = [
        [LABELS[label.score, label.wrong, 1.0] for label in audited(rng, 900)] for _ in range(200)
    ]
    results = [certify(labels, ALPHA, DELTA, date=DAY, collection="main") for labels in plain]
    assert not keeps_its_promise(sum(isinstance(r, Certificate) for r in results), 200)


def test_thinning_loses_nothing_where_all_weights_are_the_largest() -> None:
    labels = labels_with(400, 4, weight=10.0)
    plain, thinned = certified(labels), certified(labels, max_weight=10)
    assert (plain.threshold, plain.n, plain.errors) == (0.1, 404, 4)
    assert (thinned.threshold, thinned.n, thinned.errors) == (0.1, 404, 4)
    assert (plain.test, thinned.test) == ("binomial", "thinned binomial")


def test_the_released_share_is_weighted() -> None:
    labels = labels_with(200, 0, 0.1, 10.0) + labels_with(0, 1000, 0.9, 1.0)
    assert certified(labels, max_weight=10).released_share == pytest.approx(2 / 3)


def test_unequal_weights_without_a_largest_weight_are_refused_and_fails_closed() -> None:
    labels = labels_with(400, 0, weight=10.0) + labels_with(400, 0, 0.2)
    with pytest.raises(GateInvalid, match="max_weight"):
        certified(labels)
    with pytest.raises(GateInvalid, match="above max_weight"):
        certified(labels, max_weight=9.9)


# Reviewers who miss errors


def seen_by_reviewers(rng: np.random.Generator, n: int) -> list[Label]:
    """5.5 % of the answers are wrong; reviewers call half of those right."""
    wrong = rng.random(n) < 0.055 * 0.5
    scores = (rng.integers(1, 51, n) / 50).tolist()
    return [LABELS[score, bad, 1.0] for score, bad in zip(scores, wrong.tolist(), strict=True)]


@pytest.mark.simulation
def test_measured_reviewers_keep_the_promise() -> None:
    rng = np.random.default_rng(8)
    broken = 0
    for missed in rng.binomial(200, 0.5, TIMES).tolist():
        labels = seen_by_reviewers(rng, 700)
        gold = Gold(missed, 200)
        result = certify(labels, ALPHA, DELTA, date=DAY, collection="main", gold=gold)
        broken += isinstance(result, Certificate)
    assert broken > 0, "the world must be hard enough to tempt the gate"
    assert keeps_its_promise(broken, TIMES)


@pytest.mark.simulation
@pytest.mark.parametrize(
    ("miss", "gold", "labels"), [(0.1, 30, 600), (0.3, 60, 1500), (0.6, 25, 1500)]
)
def test_reviewers_of_any_quality_keep_the_promise(miss: float, gold: int, labels: int) -> None:
    """5.01 % of the answers are wrong everywhere. Reviewers also call some right ones wrong, and a
    second reviewer, who misses half of what the first misses, looks at a tenth of the answers."""
    rng = np.random.default_rng(gold)
    broken = 0
    for _ in range(TIMES // 2):
        wrong, first, second = opinions(rng, labels, miss)
        seen = SecondReviews(*counted(first, second)) if rng.random() < 0.5 else None
        scores = (rng.integers(1, 51, labels) / 50).tolist()
        judged = [LABELS[s, w, 1.0] for s, w in zip(scores, first.tolist(), strict=True)]
        measured = Gold(int(rng.binomial(gold, miss)), gold)
        result = certify(judged, ALPHA, DELTA, date=DAY, collection="m", gold=measured, second=seen)
        broken += isinstance(result, Certificate)
    assert keeps_its_promise(broken, TIMES // 2), wrong.mean()


def opinions(
    rng: np.random.Generator, n: int, miss: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """(what is wrong, what the first and the second reviewer call wrong) of ``n`` answers."""
    wrong = rng.random(n) < 0.0501
    missed = rng.random(n) < miss
    alarm = rng.random(n) < 0.001
    return wrong, (wrong & ~missed) | alarm, wrong & ~(missed & (rng.random(n) < 0.5))


def counted(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """(n, agreed, called wrong, missed) over the first tenth."""
    some = slice(0, len(first) // 10)
    one, two = first[some], second[some]
    return len(one), int((one == two).sum()), int(two.sum()), int((~one & two).sum())


@pytest.mark.simulation
def test_taking_the_share_of_missed_gold_items_as_the_truth_is_caught_and_fails_closed() -> None:
    """A wrong gate: alpha times (1 - missed / n), without a bound and with the whole of delta."""
    rng = np.random.default_rng(4)
    broken = 0
    for _ in range(400):
        _, first, _ = opinions(rng, 3000, 0.4)
        alpha = ALPHA * (1 - rng.binomial(20, 0.4) / 20)
        judged = [LABELS[0.5, wrong, 1.0] for wrong in first.tolist()]
        result = certify(judged, alpha, DELTA, date=DAY, collection="main")
        broken += isinstance(result, Certificate)
    assert not keeps_its_promise(broken, 400)


def test_second_reviews_only_ever_make_the_gate_stricter() -> None:
    labels = labels_with(600, 6)
    gold, agreeing = Gold(0, 100), SecondReviews(50, 50, 10, 0)
    plain = certified(labels, gold=gold)
    assert certified(labels, gold=gold, second=agreeing).threshold == plain.threshold
    assert certified(labels, second=agreeing).miss_bound == 0.0
    least = lower_limit(19, 20, DELTA / 5)
    for more in ({}, {"gold": gold}):
        found = refused(labels, second=SecondReviews(40, 21, 20, 19), **more)
        assert f"{least:.1%}" in found.message and "gold" in found.message


@pytest.mark.parametrize(
    "figures",
    [(-1, 0, 0, 0), (5, 6, 0, 0), (5, 3, 1, 2), (5, 4, 2, 2), (5.0, 0, 0, 0), (True, 0, 0, 0)],
)
def test_impossible_second_reviews_fails_closed(figures: Any) -> None:
    with pytest.raises(GateInvalid, match="second reviews"):
        SecondReviews(*figures)


def test_a_certificate_records_how_its_reviewers_did_or_that_nobody_knows() -> None:
    labels = labels_with(600, 2)
    plain = certified(labels)
    assert plain.reviewer_error == "not measured: assumed 0"
    assert set(MEASURED).isdisjoint(plain.to_json()), "older certificates keep their hash"
    assert "nothing was measured" in certified(labels, provisional=True).reviewer_error
    found = certified(labels, gold=Gold(1, 60), second=SecondReviews(40, 39, 5, 1))
    assert (found.gold, found.gold_missed) == (60, 1)
    assert found.gold_delta == pytest.approx(DELTA / 5)
    assert (found.second_reviews, found.second_agreed) == (40, 39)
    assert "10.6%" in found.reviewer_error and "1 of 60" in found.reviewer_error
    assert Certificate.from_json(json.loads(json.dumps(found.to_json()))) == found
    for change in ({"gold_missed": 61}, {"second_agreed": 41}, {"gold_delta": 2.0}):
        with pytest.raises(GateInvalid):
            Certificate.from_json(found.to_json() | change)
    with pytest.raises(GateInvalid):
        Certificate.from_json({**plain.to_json(), "gold": 60})


def test_trusting_such_reviewers_is_caught_and_fails_closed() -> None:
    rng = np.random.default_rng(8)
    runs = [seen_by_reviewers(rng, 700) for _ in range(400)]
    results = [certify(labels, ALPHA, DELTA, date=DAY, collection="main") for labels in runs]
    assert not keeps_its_promise(sum(isinstance(r, Certificate) for r in results), 400)


def test_the_bound_of_misses_enters_the_test_and_the_upper_bound() -> None:
    labels = labels_with(600, 6)
    plain, bounded = certified(labels), certified(labels, gold=Gold(2, 60))
    assert plain.miss_bound == 0.0
    assert bounded.miss_bound == pytest.approx(upper_limit(2, 60, DELTA / 5))
    assert bounded.upper_bound == pytest.approx(
        upper_limit(6, 606, DELTA * 0.8) / (1 - bounded.miss_bound)
    )
    assert plain.upper_bound < bounded.upper_bound <= ALPHA


@pytest.mark.parametrize("gold", [Gold(0, 0), Gold(5, 5)])
def test_reviewers_without_a_bound_certify_nothing_and_fails_closed(gold: Gold) -> None:
    result = refused(labels_with(5000, 0), gold=gold)
    assert (result.code, result.more_labels) == ("reviewers_unreliable", None)
    assert "gold" in result.message


# Certificates


def test_a_certificate_says_what_was_counted() -> None:
    labels = labels_with(295, 5, 0.1234) + labels_with(10, 90, 0.8)
    found = certified(labels, lineage={"policy": "ab"}, provisional=True, risk_class="low")
    assert (found.threshold, found.n, found.errors) == (0.124, 300, 5)
    assert found.released_share == 0.75
    assert (found.alpha, found.delta, found.labels, found.date) == (ALPHA, DELTA, 400, DAY)
    assert (found.collection, found.risk_class, found.provisional) == ("main", "low", True)
    assert found.upper_bound == pytest.approx(upper_limit(5, 300, DELTA))
    assert found.lineage == {"policy": "ab"}


def test_a_certificate_releases_up_to_its_threshold() -> None:
    found = certified(labels_with(300, 2, 0.1234))
    assert found.releases(0.0) and found.releases(0.1239) and found.releases(0.124)
    assert not found.releases(0.1241) and not found.releases(1.0)


@pytest.mark.parametrize("score", [math.nan, -0.1, 1.1, math.inf, None, "0", True])
def test_a_score_that_is_no_risk_is_held_and_fails_closed(score: Any) -> None:
    assert not certified(labels_with(300, 0, 1.0)).releases(score)


def test_a_certificate_reads_back_from_json_with_the_same_hash() -> None:
    found = certified(labels_with(300, 2), lineage={"index": "01", "policy": "ab"})
    again = Certificate.from_json(json.loads(json.dumps(found.to_json())))
    assert again == found
    assert again.sha256 == found.sha256
    assert certified(labels_with(300, 2), lineage={"index": "02"}).sha256 != found.sha256


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": 1.5},
        {"threshold": -0.01},
        {"released_share": 1.01},
        {"threshold": math.nan},
        {"threshold": "0.1"},
        {"threshold": True},
        {"alpha": 0.0},
        {"delta": 1.0},
        {"grid": 200},
        {"errors": 400},
        {"n": 0, "errors": 0},
        {"provisional": 1},
        {"provisional": None},
        {"date": "soon"},
        {"lineage": {"policy": 3}},
        {"lineage": None},
        {"extra": 1},
        {"upper_bound": -0.1},
    ],
)
def test_a_damaged_certificate_fails_closed(change: dict[str, Any]) -> None:
    whole = certified(labels_with(300, 2)).to_json()
    assert Certificate.from_json(whole)
    with pytest.raises(GateInvalid):
        Certificate.from_json(whole | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": 0.0}, "^alpha must"),
        ({"delta": 1.0}, "^delta must"),
        ({"released_share": 1.5}, "^certificate: released_share must lie from 0 to 1$"),
        ({"grid": 200}, "^certificate: made for a grid of 200, ours is"),
        ({"errors": 400}, "^certificate: errors, n and labels do not fit each other$"),
        ({"lineage": {"policy": 3}}, "^certificate: lineage must map names to hashes$"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_said(change: dict[str, Any], message: str) -> None:
    with pytest.raises(GateInvalid, match=message):
        Certificate.from_json(certified(labels_with(300, 2)).to_json() | change)


@pytest.mark.parametrize(("n", "errors"), [(300, 0), (300, 300)])
def test_all_or_none_of_the_labels_may_be_wrong(n: int, errors: int) -> None:
    whole = certified(labels_with(300, 2)).to_json()
    assert Certificate.from_json(whole | {"errors": errors, "n": n}).errors == errors


@pytest.mark.parametrize("value", [None, [], {}, "certificate"])
def test_what_is_no_certificate_fails_closed(value: Any) -> None:
    with pytest.raises(GateInvalid):
        Certificate.from_json(value)


def test_too_few_labels_are_not_certifiable_and_fails_closed() -> None:
    nothing, few, enough = refused([]), refused(labels_with(58, 0)), labels_with(59, 0)
    assert (nothing.code, few.code) == ("too_few_labels", "too_few_labels")
    assert nothing.more_labels == 180
    assert few.more_labels is not None and few.more_labels > 0
    assert "about" in few.message and "58 labels" in few.message
    assert certified(enough).threshold == 0.1


def test_too_many_errors_are_not_certifiable_and_fails_closed() -> None:
    result = refused(labels_with(250, 250))
    assert (result.code, result.more_labels, result.n) == ("too_many_errors", None, 500)
    assert "will not help" in result.message


@pytest.mark.simulation
def test_the_estimate_of_labels_needed_is_of_the_right_size() -> None:
    world = World.binormal(0.2, 0.85)
    counts, errors = world.draw(100, 1, np.random.default_rng(3))
    more = more_labels(counts[0].tolist(), errors[0].tolist(), ALPHA, DELTA)
    assert more is not None
    levels = calibrated_levels(world, 100 + 3 * more, 300, ALPHA, DELTA)
    assert (levels >= 0).mean() > 0.5


def test_a_start_fixed_beforehand_is_used() -> None:
    labels = labels_with(30, 0, 0.1) + labels_with(400, 4, 0.3) + labels_with(30, 30, 0.9)
    assert certified(labels, start=0.3).threshold == 0.3
    assert refused(labels, start=0.1).n == 30
    assert refused(labels, start=0.9).code == "too_many_errors"


def test_the_sequence_starts_where_there_are_labels_enough() -> None:
    even = list(range(0, 10 * (GRID + 1), 10))
    assert even[first_level(even, ALPHA, DELTA)] == 500, "a twentieth of many"
    assert first_level([5 * n for n in even], ALPHA, DELTA) == 50
    few = [n // 10 for n in even]
    assert few[first_level(few, ALPHA, DELTA)] == 177, "three times the minimum"
    assert first_level([40] * (GRID + 1), ALPHA, DELTA) == GRID + 1, "no level has enough"
    assert first_level([0] * 300 + [500] * (GRID - 299), ALPHA, DELTA) == 300, "a lump"


def test_nothing_is_released_from_levels_without_labels() -> None:
    labels = labels_with(300, 0, 0.1) + labels_with(0, 300, 0.9)
    assert certified(labels).threshold == 0.1
    assert certified(labels_with(60, 0, 0.1)).threshold == 0.1
    assert certified(labels_with(300, 0, 0.1), start=0.5).threshold == 0.1


def test_five_thousand_labels_are_certified_in_far_less_than_a_tenth_of_a_second() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(5000) ** 2
    wrong = rng.random(5000) < scores * 0.4
    pairs = zip(scores.tolist(), wrong.tolist(), strict=True)
    labels = [Label(score, bad) for score, bad in pairs]
    seconds = []
    for _ in range(5):
        binomial_tail.cache_clear()
        seconds.append(cpu_of(lambda: certified(labels)))
    assert min(seconds) < 0.1


# Bad input


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 1.1, math.nan, math.inf, True, None, "0.05"])
def test_a_promise_that_is_no_probability_fails_closed(value: Any) -> None:
    for name, alpha, delta in (("alpha", value, 0.05), ("delta", 0.05, value)):
        with pytest.raises(GateInvalid, match=f"^{name} must") as raised:
            certify(labels_with(300, 0), alpha, delta, date=DAY, collection="main")
        assert raised.value.code == "gate_invalid"
        with pytest.raises(GateInvalid, match=f"^{name} must"):
            EProcess.start(alpha, delta, "c")


def test_a_largest_weight_that_is_no_number_fails_closed() -> None:
    with pytest.raises(GateInvalid, match=r"^max_weight must"):
        EProcess.start(0.05, 0.05, "c", 0.0)


def test_a_running_test_begins_untouched() -> None:
    started = EProcess.start(0.05, 0.1, "c")
    assert started.broken is False and started.seen == 0
    assert (started.alpha, started.delta, started.certificate) == (0.05, 0.1, "c")


@pytest.mark.parametrize("score", [math.nan, -0.001, 1.001, math.inf, None, "0.5", True])
def test_a_label_without_a_risk_fails_closed(score: Any) -> None:
    with pytest.raises(GateInvalid, match="risk score"):
        Label(score, False)


@pytest.mark.parametrize("weight", [0.0, -1.0, math.nan, math.inf, None, True])
def test_a_label_with_an_impossible_weight_fails_closed(weight: Any) -> None:
    with pytest.raises(GateInvalid, match="weight"):
        Label(0.5, False, weight)


@pytest.mark.parametrize("wrong", [None, 0, 1, "no", math.nan])
def test_a_label_that_is_neither_right_nor_wrong_fails_closed(wrong: Any) -> None:
    with pytest.raises(GateInvalid, match="wrong"):
        Label(0.5, wrong)


@pytest.mark.parametrize(("missed", "n"), [(-1, 5), (6, 5), (0.5, 5), (True, 5), (0, None)])
def test_impossible_gold_items_fails_closed(missed: Any, n: Any) -> None:
    with pytest.raises(GateInvalid, match="gold"):
        Gold(missed, n)


def test_a_clock_that_goes_backwards_fails_closed() -> None:
    labels = labels_with(300, 0)
    assert certified(labels, not_before=DAY).date == DAY
    assert certified(labels, date="2026-11-25T12:00:00+02:00", not_before="2026-11-25T09:59:00")
    with pytest.raises(ClockBackwards) as raised:
        certified(labels, not_before="2026-11-25T00:00:01")
    assert raised.value.code == "clock_backwards"
    for bad in ("yesterday", "", None):
        with pytest.raises(GateInvalid):
            certified(labels, date=bad)


# The running test


def alarms(rate: float, paths: int, steps: int, weighted: bool = False) -> int:
    """How many of ``paths`` are violated at any moment of ``steps`` audits."""
    rng = np.random.default_rng(11)
    found = 0
    for _ in range(paths):
        process = EProcess.start(ALPHA, DELTA, "c", 4.0 if weighted else 1.0)
        for wrong, weight in audits(rng, rate, steps, weighted):
            process = process.observe(wrong, weight)
        found += process.violated
    return found


def audits(
    rng: np.random.Generator, rate: float, steps: int, weighted: bool
) -> list[tuple[bool, float]]:
    """Audited releases; weighted: half of all releases, with twice the error rate, are drawn four
    times as often as the others, which have none."""
    if not weighted:
        return [(wrong, 1.0) for wrong in (rng.random(steps) < rate).tolist()]
    often = rng.random(steps) < 0.8
    wrong = often & (rng.random(steps) < 2 * rate)
    return list(zip(wrong.tolist(), np.where(often, 1.0, 4.0).tolist(), strict=True))


@pytest.mark.simulation
@pytest.mark.parametrize("weighted", [False, True])
def test_the_running_test_rarely_alarms_however_often_one_looks(weighted: bool) -> None:
    assert keeps_its_promise(alarms(ALPHA, 400, 400, weighted), 400)


def test_looking_again_and_again_at_a_plain_test_is_caught_and_fails_closed() -> None:
    wrong = np.random.default_rng(11).random((400, 400)) < ALPHA
    errors, n = wrong.cumsum(1), np.arange(1, 401)
    z = (errors - n * ALPHA) / np.sqrt(n * ALPHA * (1 - ALPHA))
    alarmed = int((z[:, 30:] > 1.645).any(1).sum())
    assert not keeps_its_promise(alarmed, 400)


@pytest.mark.simulation
def test_twice_the_promised_error_is_found() -> None:
    assert alarms(2 * ALPHA, 60, 500) >= 55
    assert alarms(4 * ALPHA, 60, 100) >= 55


def test_a_late_change_is_found() -> None:
    process = EProcess.start(ALPHA, DELTA, "c")
    for n in range(2000):
        process = process.observe(n % 50 == 0)
    assert not process.violated
    for n in range(600):
        process = process.observe(n % 10 == 0)
    assert process.violated


def test_a_violated_process_stays_violated_and_fails_closed() -> None:
    process = EProcess.start(ALPHA, DELTA, "c")
    while not process.violated:
        process = process.observe(True)
    assert process.seen < 10
    for _ in range(500):
        process = process.observe(False)
    assert process.violated and math.isinf(process.e_value)
    assert EProcess.restore(process.to_state(), ALPHA, DELTA, "c").violated
    assert EProcess.restore(process.to_state(), ALPHA, DELTA, "new").violated
    assert not EProcess.start(ALPHA, DELTA, "new").violated


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(0.01, 3)), max_size=60))
def test_the_running_test_goes_on_from_its_stored_state(seen: list[tuple[bool, float]]) -> None:
    straight = stored = EProcess.start(0.2, 0.01, "c", 3.0)
    for wrong, weight in seen:
        straight = straight.observe(wrong, weight)
        state = json.loads(json.dumps(stored.observe(wrong, weight).to_state()))
        stored = EProcess.restore(state, 0.2, 0.01, "c", 3.0)
    assert stored == straight


STATE = EProcess.start(ALPHA, DELTA, "c").observe(False).observe(True).to_state()


@pytest.mark.parametrize(
    "state",
    [
        None,
        {},
        [],
        "{}",
        STATE | {"seen": 3},
        STATE | {"logs": [math.nan] * 3},
        STATE | {"logs": None},
        STATE | {"broken": None},
        STATE | {"sha256": "0" * 64},
        STATE | {"more": 1},
        {name: value for name, value in STATE.items() if name != "logs"},
    ],
)
def test_a_lost_or_damaged_state_is_violated_and_fails_closed(state: Any) -> None:
    assert not EProcess.restore(STATE, ALPHA, DELTA, "c").violated
    assert EProcess.restore(state, ALPHA, DELTA, "c").violated


@pytest.mark.parametrize(
    "changed",
    [
        *[{"logs": [math.nan] * 3}, {"logs": [0.0]}, {"logs": 3}, {"logs": ["0"] * 3}],
        *[{"logs": [1e9] * 3}, {"seen": -1}, {"seen": 1.0}, {"broken": 0}],
    ],
)
def test_a_state_with_impossible_figures_and_a_true_hash_fails_closed(
    changed: dict[str, Any],
) -> None:
    from guardrails.contract import canonical_sha256

    content = {name: value for name, value in (STATE | changed).items() if name != "sha256"}
    state = content | {"sha256": canonical_sha256(content)}
    assert EProcess.restore(state, ALPHA, DELTA, "c").violated


def test_a_state_of_another_promise_fails_closed() -> None:
    assert EProcess.restore(STATE, 0.06, DELTA, "c").violated
    assert EProcess.restore(STATE, ALPHA, 0.04, "c").violated
    assert EProcess.restore(STATE, ALPHA, DELTA, "other").violated
    assert EProcess.restore(STATE, ALPHA, DELTA, "c", 2.0).violated


@pytest.mark.parametrize(
    ("wrong", "weight"),
    [(None, 1.0), (1, 1.0), (True, math.nan), (False, 0.0), (False, -1.0), (False, 1.01)],
)
def test_an_impossible_audit_fails_closed(wrong: Any, weight: Any) -> None:
    with pytest.raises(GateInvalid):
        EProcess.start(ALPHA, DELTA, "c").observe(wrong, weight)


# The benchmark

SCORES = np.array([0.1, 0.2, 0.2, 0.9])
WRONG = np.array([False, False, True, True])


def test_measures_of_a_risk_score_by_hand() -> None:
    assert auroc(SCORES, WRONG) == pytest.approx(3.5 / 4)
    assert auroc(SCORES, np.zeros(4, dtype=bool)) is None
    assert calibration_error(SCORES.tolist(), WRONG.tolist()) == pytest.approx(
        (0.1 + 2 * 0.3 + 0.1) / 4
    )
    curve = risk_coverage(SCORES, WRONG)
    assert curve.coverage == (0.25, 0.75, 1.0)
    assert curve.error == pytest.approx([0, 1 / 3, 1 / 2])
    assert curve.aurc == pytest.approx((0 + 2 / 3 + 1 / 2) / 4)


def outcomes(n: int, seed: int = 0) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    scores = rng.random(n) ** 2
    wrong = rng.random(n) < scores
    return [
        {"score": score, "wrong": bad, "answerable": place % 2 == 0}
        for place, (score, bad) in enumerate(zip(scores.tolist(), wrong.tolist(), strict=True))
    ]


@pytest.mark.simulation
def test_outcomes_are_measured_over_splits(tmp_path: Path) -> None:
    file = tmp_path / "outcomes.jsonl.gz"
    with gzip.open(file, "wt", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in outcomes(4000))
    found = measure_outcomes(read_outcomes(file), splits=20, labels=1000)
    assert found["n"] == 4000
    assert 15 <= found["certifiable_splits"] <= 20
    assert found["splits_within_alpha"] >= 0.9
    assert 0.1 < found["released_share"] < 0.5
    assert found["released_share_answerable"] == pytest.approx(found["released_share"], abs=0.03)
    assert found["error_among_released"] <= 0.05
    assert found["ece"] < 0.03 and 0.7 < found["auroc"] < 0.95
    assert found == measure_outcomes(read_outcomes(file), splits=20, labels=1000)


def test_outcomes_that_certify_nothing_release_nothing() -> None:
    rng = np.random.default_rng(0)
    found = measure_outcomes(Outcomes(rng.random(500), rng.random(500) < 0.5), splits=5, labels=200)
    assert (found["certifiable_splits"], found["released_share"]) == (0, 0.0)
    assert found["splits_within_alpha"] == 1.0
    assert found["error_among_released"] is found["released_share_answerable"] is None


@pytest.mark.parametrize(
    "row",
    [
        {"score": 0.5},
        {"wrong": True},
        {"score": 1.5, "wrong": True},
        {"score": math.nan, "wrong": True},
        {"score": 0.5, "wrong": "no"},
        {"score": 0.5, "wrong": True, "answerable": None},
        {"score": 0.5, "wrong": True, "answerable": 3},
    ],
)
def test_a_bad_row_is_named_and_fails_closed(tmp_path: Path, row: dict[str, Any]) -> None:
    file = tmp_path / "outcomes.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in [*outcomes(3), row]), "utf-8")
    with pytest.raises(CountersignError) as raised:
        read_outcomes(file)
    assert raised.value.code == "invalid"
    assert "outcomes.jsonl" in str(raised.value)


@pytest.mark.parametrize("content", [b"[]\n", b"{\n", b"\xff\xfe\n"])
def test_a_file_of_something_else_fails_closed(tmp_path: Path, content: bytes) -> None:
    for name, data in (("a.jsonl", content), ("a.jsonl.gz", gzip.compress(content)[:-9])):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(CountersignError):
            read_outcomes(tmp_path / name)


@pytest.mark.parametrize("asked", [{"labels": 60}, {"labels": 0}, {"splits": 0}, {"alpha": 0.0}])
def test_a_benchmark_that_cannot_be_fails_closed(asked: dict[str, Any]) -> None:
    small = Outcomes(np.full(60, 0.5), np.zeros(60, dtype=bool))
    with pytest.raises(CountersignError) as raised:
        measure_outcomes(small, **{"labels": 30, "splits": 2} | asked)
    assert raised.value.code == "invalid"
