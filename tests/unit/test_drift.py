"""The drift tests: quiet when nothing changed, loud when something did."""

import random

import pytest

from guardrails.drift import LEAST, Change, share_changed, shifted


def sample(n: int, mean: float, seed: int) -> list[float]:
    rng = random.Random(seed)
    return [rng.gauss(mean, 1) for _ in range(n)]


def test_the_same_world_raises_almost_no_alarm() -> None:
    alarms = 0
    for seed in range(500):
        change = shifted(sample(300, 0, seed), sample(200, 0, 10_000 + seed))
        assert change is not None
        alarms += change.alarming
    assert alarms == 0


def test_the_chance_is_what_it_says() -> None:
    chances = []
    for seed in range(600):
        change = shifted(sample(150, 0, seed), sample(150, 0, 10_000 + seed))
        assert change is not None
        chances.append(change.chance)
    assert sum(chance <= 0.1 for chance in chances) / len(chances) == pytest.approx(0.1, abs=0.04)


def test_a_shift_is_found() -> None:
    change = shifted(sample(300, 0, 1), sample(200, 1, 2))
    assert change is not None
    assert change.alarming and change.size > 0.3


def test_distances_by_hand() -> None:
    same = shifted([1.0] * LEAST, [1.0] * LEAST)
    apart = shifted([1.0] * LEAST, [2.0] * LEAST)
    assert same == Change(0.0, 1.0)
    assert apart is not None
    assert apart.size == 1.0 and apart.chance < 1e-12


def test_small_windows_say_nothing() -> None:
    assert shifted([1.0] * (LEAST - 1), [2.0] * LEAST) is None
    assert shifted([float("nan")] * LEAST, [2.0] * LEAST) is None
    assert share_changed([True] * LEAST, [False] * (LEAST - 1)) is None


def test_shares() -> None:
    same = share_changed([True] * LEAST, [True] * LEAST)
    assert same == Change(0.0, 1.0)
    slight = share_changed([True, False] * 100, [True, False, False] * 70)
    assert slight is not None and not slight.alarming
    great = share_changed([True, False] * 150, [True] * 200)
    assert great is not None and great.alarming
