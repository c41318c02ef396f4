"""What so many labels of a real score set release: a single look, any day, a session, a session
with a planned look, and one level that somebody knew beforehand.

Answers are drawn from the set with replacement, so that its own error rates are the truth.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.certify import as_planned, labels_of, under_ceilings
from benchmarks.gate import read_outcomes
from guardrails.gate.aims import aims_of
from guardrails.gate.betting import Stream
from guardrails.gate.binomial import GRID, binomial_tail, level_of, passes
from guardrails.gate.certify import first_level, last_level
from guardrails.gate.planned import LOOK_SHARE, Plan, look

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
POOL = 20
"""So many times the labels are drawn as answers that a session may choose from."""


def measure_power(
    outcomes: Path,
    alpha: float = 0.05,
    delta: float = 0.05,
    labels: tuple[int, ...] = (150, 300, 600),
    splits: int = 100,
    seed: int = 0,
) -> dict[str, Any]:
    """For each number of labels and way to use them: the share released on average, how often
    there was a certificate, and how often a false one. Rows {score, wrong[, abstained, held]};
    raises ``Invalid``."""
    found = read_outcomes(outcomes)
    levels = np.array([level_of(float(x)) for x in found.scores[found.releasable]])
    wrong = found.wrong[found.releasable]
    counts = np.bincount(levels, minlength=GRID + 1).cumsum()
    rates = np.bincount(levels[wrong], minlength=GRID + 1).cumsum() / np.maximum(counts, 1)
    shares = counts / counts[-1]
    rng = np.random.default_rng(seed)
    rows = []
    for n in labels:
        drawn = [rng.integers(0, len(levels), n * POOL) for _ in range(splits)]
        for name, way in WAYS.items():
            passed = [way(levels[one], wrong[one], n, alpha, delta) for one in drawn]
            certified = [level for level in passed if level is not None]
            rows.append(
                {
                    "labels": n,
                    "way": name,
                    "released": round(float(sum(shares[level] for level in certified)) / splits, 4),
                    "certified": round(len(certified) / splits, 3),
                    "false": round(sum(rates[level] > alpha for level in certified) / splits, 3),
                }
            )
        rows.append(_oracle(shares, rates, n, alpha, delta))
    good = np.flatnonzero(rates[levels] <= alpha)
    best = float(shares[levels[good]].max()) if len(good) else 0.0
    return {"alpha": alpha, "delta": delta, "best_share": round(best, 4), "rows": rows}


def _oracle(
    shares: Floats, rates: Floats, n: int, alpha: float, delta: float
) -> dict[str, int | float | str]:
    """The row of somebody who knows the best level beforehand: all labels lie under it, and one
    exact test there has the whole of delta. What a pilot could win at most; only a sequence of
    levels, which has another when one fails, may release more."""
    allowed = max((k for k in range(n) if passes(k, n, alpha, delta)), default=-1)
    levels = np.flatnonzero((rates <= alpha) & (shares > 0))
    # Where nothing is wrong the tail has no logarithm; the test passes there as at hardly anything.
    chances = {int(t): binomial_tail(allowed, n, max(float(rates[t]), 1e-12)) for t in levels}
    best = max(chances, key=lambda t: shares[t] * chances[t], default=None)
    passing = 0.0 if best is None else chances[best]
    released = 0.0 if best is None else float(shares[best]) * passing
    told = {"released": round(released, 4), "certified": round(passing, 3), "false": 0.0}
    return {"labels": n, "way": "oracle", **told}


def _once(levels: Ints, wrong: Flags, n: int, alpha: float, delta: float) -> int | None:
    counts = np.bincount(levels[:n], minlength=GRID + 1).cumsum().tolist()
    errors = np.bincount(levels[:n][wrong[:n]], minlength=GRID + 1).cumsum().tolist()
    return last_level(counts, errors, first_level(counts, alpha, delta), alpha, delta)


def _any_day(levels: Ints, wrong: Flags, n: int, alpha: float, delta: float) -> int | None:
    return _bet(levels[:n], wrong[:n], np.full(n, GRID), alpha, delta)


def _session(levels: Ints, wrong: Flags, n: int, alpha: float, delta: float) -> int | None:
    return _bet(*under_ceilings(levels, wrong, n, alpha), alpha, delta)


def _planned(levels: Ints, wrong: Flags, n: int, alpha: float, delta: float) -> int | None:
    plan = Plan(n, alpha, delta)
    placed, flags, ceilings = as_planned(levels, wrong, plan)
    found = look(labels_of(placed, flags, ceilings), [1.0] * len(placed), plan, alpha, delta)
    bet = _bet(placed, flags, ceilings, alpha, delta * (1 - LOOK_SHARE))
    looked = None if found is None else found.level
    return max((level for level in (bet, looked) if level is not None), default=None)


def _bet(levels: Ints, wrong: Flags, ceilings: Ints, alpha: float, delta: float) -> int | None:
    each = np.ones(len(levels))
    aims = aims_of(levels, wrong, each, ceilings, alpha)
    stream = Stream.labelled(alpha, levels, wrong, each, ceilings, aims)
    level = None
    for passed in stream.passed(0, delta):
        counted = (levels <= passed.level) & (ceilings >= passed.level)
        if wrong[counted].mean() > alpha:
            break
        level = passed.level
    return level


Way = Callable[[Ints, Flags, int, float, float], int | None]
WAYS: dict[str, Way] = {
    "once": _once,
    "any day": _any_day,
    "session": _session,
    "planned": _planned,
}
