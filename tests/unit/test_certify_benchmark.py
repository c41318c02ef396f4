"""The simulated streams: they refuse a gate that lies, and their worlds are what they say."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import certify as measured
from guardrails.gate.binomial import lower_limit


def test_every_scenario_says_what_was_asked_and_keeps_delta() -> None:
    found = measured.measure_certify(streams=6, seed=3)["scenarios"]
    names = [row["name"] for row in found]
    assert len(names) == len(set(names)) >= 12
    for row in found:
        assert row["streams"] == 6
        assert lower_limit(row["violations"], 6, 0.025) <= measured.DELTA
        assert row["violations"] / 6 < row["upper_95"] <= 1
    medians = {row["name"]: row["median_labels"] for row in found}
    assert medians["0.5 % wrong, AUROC 0.70"] <= 100
    assert medians["useless risk, just above alpha"] is None


def test_a_certificate_of_a_bad_level_is_counted() -> None:
    rng = np.random.default_rng(0)
    good = measured.SCENARIOS[0][1](rng, 5)
    assert not good.bad.any()
    lie = replace(good, bad=np.ones_like(good.bad))
    assert measured._measured("a lie", lie, rng)["violations"] == 5


@pytest.mark.parametrize(("name", "make"), measured.SCENARIOS)
def test_levels_are_on_the_grid_and_bad_ones_are_wrong_too_often(
    name: str, make: measured.Make
) -> None:
    drawn = make(np.random.default_rng(1), 40)
    n = measured.LABELS if drawn.ceilings is None else measured.SESSION
    assert drawn.levels.shape == drawn.wrong.shape == (40, n)
    if drawn.ceilings is not None:
        assert (drawn.levels <= drawn.ceilings).all() and drawn.ceilings.min() < 1000
    assert set(np.unique(drawn.levels % measured.STEP)) == {0}
    if drawn.bad.all():
        assert drawn.wrong.mean() > 0.045, name
