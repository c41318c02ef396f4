"""The simulated streams: they refuse a gate that lies, and their worlds are what they say."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import certify as measured
from benchmarks.power import measure_power
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


def test_power_on_a_score_set_releases_what_is_good_and_counts_false_certificates(
    tmp_path: Path,
) -> None:
    """The lower third is right, the rest half wrong: a session labels the lower third only."""
    file = tmp_path / "scores.jsonl"
    rows = [{"score": n / 300, "wrong": n > 100 and n % 2 == 0} for n in range(300)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    found = measure_power(file, labels=(150,), splits=20)
    by_way = {row["way"]: row for row in found["rows"]}
    assert list(by_way) == ["once", "any day", "session", "planned", "oracle"]
    assert found["best_share"] == pytest.approx(0.37, abs=0.01)
    assert by_way["session"]["certified"] >= 0.3 > by_way["any day"]["certified"]
    assert by_way["planned"]["released"] > by_way["once"]["released"]
    assert 0.1 < by_way["session"]["released"] <= 0.37
    assert 0.37 >= by_way["oracle"]["released"] > by_way["planned"]["released"]
    assert all(row["false"] <= 0.2 for row in found["rows"])


def test_a_run_that_was_interrupted_goes_on_with_what_it_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = measured.SCENARIOS[:1] + [
        one for one in measured.SCENARIOS if one[0].startswith("a plan")
    ]
    monkeypatch.setattr(measured, "SCENARIOS", two)
    keep = tmp_path / "rows"
    found = measured.measure_certify(streams=3, keep=keep)
    rows = keep.read_text("utf-8").splitlines()
    assert [json.loads(row) for row in rows] == found["scenarios"]
    keep.write_text(rows[0].replace('"violations": 0', '"violations": 3') + "\n", "utf-8")
    again = measured.measure_certify(streams=3, keep=keep)["scenarios"]
    assert again[0]["violations"] == 3, "it was kept"
    assert again[1:] == found["scenarios"][1:], "each scenario has chances of its own"


def test_a_certificate_of_a_bad_level_is_counted() -> None:
    rng = np.random.default_rng(0)
    good = measured.SCENARIOS[0][1](rng, 5)
    assert not good.bad.any()
    lie = replace(good, bad=np.ones_like(good.bad))
    assert measured._measured("a lie", lie, rng)["violations"] == 5
    planned = dict(measured.SCENARIOS)["a planned look, 10 %, 0.85"](rng, 12)
    lie = replace(planned, bad=np.ones_like(planned.bad))
    assert measured._measured("a lie", lie, rng)["violations"] >= 3


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
