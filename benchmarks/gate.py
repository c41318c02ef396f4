"""How well risk scores and the gate do on labelled outcomes, and on simulated ones.

Run as:
    python -m benchmarks gate --outcomes F --alpha 0.05 --delta 0.05 --splits 100 --labels 1000
    python -m benchmarks.gate          # the simulated grid of docs/decisions/0009; minutes
"""

import itertools
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import Invalid, from_os_error
from app.files import read_rows
from guardrails.gate import (
    GRID,
    Certificate,
    GateInvalid,
    Label,
    certify,
    first_level,
    last_level,
    level_of,
    upper_limit,
)

BINS = 15
DATE = "2000-01-01"
"""Certificates of a benchmark are thrown away; the date is not that of any release."""


@dataclass(frozen=True)
class Outcomes:
    """Risk scores [n] in [0, 1], wrong [n] and, where known, answerable [n]."""

    scores: NDArray[np.float64]
    wrong: NDArray[np.bool_]
    answerable: NDArray[np.bool_] | None = None


def measure_gate(
    outcomes: Path,
    alpha: float = 0.05,
    delta: float = 0.05,
    splits: int = 100,
    labels: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """``measure_outcomes`` on rows {score, wrong[, answerable]}; bad rows raise ``Invalid``."""
    return measure_outcomes(
        read_outcomes(outcomes), alpha=alpha, delta=delta, splits=splits, labels=labels, seed=seed
    )


def read_outcomes(path: Path) -> Outcomes:
    """The rows of JSON lines, plain or gzip; raises ``Invalid`` naming the row."""
    scores, wrong, answerable = [], [], []
    for number, row in enumerate(_rows(path), start=1):
        try:
            level_of(row["score"])
            scores.append(float(row["score"]))
            wrong.append(_flag(row, "wrong"))
            if row.get("answerable") is not None:
                answerable.append(_flag(row, "answerable"))
        except KeyError as error:
            raise Invalid(f"{path.name}: row {number}: {error.args[0]} is missing.") from error
        except GateInvalid as error:
            raise Invalid(f"{path.name}: row {number}: {error}.") from error
    if answerable and len(answerable) != len(scores):
        raise Invalid(f"{path.name}: some rows say whether they are answerable and some do not.")
    known = np.array(answerable, dtype=bool) if answerable else None
    return Outcomes(np.array(scores, dtype=float), np.array(wrong, dtype=bool), known)


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        return list(read_rows(path))
    except OSError as error:
        raise from_os_error(error) from error
    except (ValueError, EOFError, zlib.error) as error:
        raise Invalid(f"{path.name} cannot be read: {error}") from error


def _flag(row: dict[str, Any], name: str) -> bool:
    if row[name] not in (True, False):
        raise GateInvalid(f"{name} must be true or false, not {row[name]!r}")
    return bool(row[name])


def measure_outcomes(
    outcomes: Outcomes,
    *,
    alpha: float = 0.05,
    delta: float = 0.05,
    splits: int = 100,
    labels: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Certify on ``labels`` random rows and test on the rest, ``splits`` times.

    Shares are in [0, 1], averaged over splits; a split without a certificate releases nothing and
    is within alpha. ``error_among_released`` is averaged over the splits that released something,
    None if there are none. ``auroc`` is of the score against wrong, ``ece`` of the score as the
    probability of wrong. Raises ``Invalid``.
    """
    total = len(outcomes.scores)
    if splits < 1 or labels < 1:
        raise Invalid("splits and labels must be 1 or more.")
    if labels >= total:
        raise Invalid(f"{labels} labels leave nothing to test on: there are {total} outcomes.")
    try:
        runs = _runs(outcomes, alpha, delta, splits, labels, seed)
    except GateInvalid as error:
        raise Invalid(f"{error}.") from error
    errors = [run.error for run in runs if run.error is not None]
    answerable = [run.share_answerable for run in runs if run.share_answerable is not None]
    return {
        "auroc": _rounded(auroc(outcomes.scores, outcomes.wrong)),
        "ece": _rounded(calibration_error(outcomes.scores, outcomes.wrong)),
        "aurc": _rounded(risk_coverage(outcomes.scores, outcomes.wrong)["aurc"]),
        "splits_within_alpha": _rounded(np.mean([(run.error or 0) <= alpha for run in runs])),
        "released_share": _rounded(np.mean([run.share for run in runs])),
        "released_share_answerable": _rounded(np.mean(answerable)) if answerable else None,
        "error_among_released": _rounded(np.mean(errors)) if errors else None,
        "certifiable_splits": sum(run.certified for run in runs),
        "n": total,
    }


@dataclass(frozen=True)
class _Run:
    """One split; ``error`` is None when it released nothing."""

    certified: bool
    share: float
    share_answerable: float | None
    error: float | None


def _runs(
    outcomes: Outcomes, alpha: float, delta: float, splits: int, labels: int, seed: int
) -> list[_Run]:
    rng = np.random.default_rng(seed)
    pairs = zip(outcomes.scores.tolist(), outcomes.wrong.tolist(), strict=True)
    rows = [Label(score, wrong) for score, wrong in pairs]
    levels = np.array([level_of(row.score) for row in rows])
    runs = []
    for _ in range(splits):
        order = rng.permutation(len(rows))
        chosen = [rows[place] for place in order[:labels]]
        result = certify(chosen, alpha, delta, date=DATE, collection="benchmark")
        level = level_of(result.threshold) if isinstance(result, Certificate) else -1
        runs.append(_tested(outcomes, levels, order[labels:], level))
    return runs


def _tested(
    outcomes: Outcomes, levels: NDArray[np.int_], rest: NDArray[np.int_], level: int
) -> _Run:
    released = levels[rest] <= level
    wrong = outcomes.wrong[rest][released]
    share_answerable = None
    if outcomes.answerable is not None and outcomes.answerable[rest].any():
        share_answerable = float(released[outcomes.answerable[rest]].mean())
    error = float(wrong.mean()) if len(wrong) else None
    return _Run(level >= 0, float(released.mean()), share_answerable, error)


def auroc(scores: NDArray[np.float64], wrong: NDArray[np.bool_]) -> float | None:
    """P(a wrong answer scores above a right one), ties counted half; None for one class only."""
    bad = int(wrong.sum())
    good = len(wrong) - bad
    if not bad or not good:
        return None
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((ranks[wrong].sum() - bad * (bad + 1) / 2) / (bad * good))


def calibration_error(scores: NDArray[np.float64], wrong: NDArray[np.bool_]) -> float:
    """Expected calibration error over 15 bins of equal width; 0 without rows."""
    return float(sum(b["share"] * abs(b["score"] - b["wrong"]) for b in reliability(scores, wrong)))


def reliability(scores: NDArray[np.float64], wrong: NDArray[np.bool_]) -> list[dict[str, float]]:
    """For each bin that is not empty: its share of rows, mean score and share of wrong ones."""
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    return [
        {
            "share": float((bins == one).mean()),
            "score": float(scores[bins == one].mean()),
            "wrong": float(wrong[bins == one].mean()),
        }
        for one in np.unique(bins)
    ]


def risk_coverage(scores: NDArray[np.float64], wrong: NDArray[np.bool_]) -> dict[str, Any]:
    """The error among the rows of least risk, for each share of rows; ``aurc`` is its mean.

    Rows of one score stand or fall together: each has the error of all rows up to that score.
    """
    if not len(scores):
        return {"aurc": None, "coverage": [], "error": []}
    values, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    covered = np.cumsum(counts)
    error = np.cumsum(np.bincount(place, weights=wrong, minlength=len(values))) / covered
    return {
        "aurc": float((error * counts).sum() / len(scores)),
        "coverage": (covered / len(scores)).tolist(),
        "error": error.tolist(),
    }


def _rounded(value: Any) -> float | None:
    return None if value is None else round(float(value), 4)


@dataclass(frozen=True)
class World:
    """A population over the grid: P(level) [GRID + 1] and P(wrong | level) [GRID + 1]."""

    mass: NDArray[np.float64]
    rate: NDArray[np.float64]

    @classmethod
    def binormal(cls, base_rate: float, area: float) -> "World":
        """Calibrated scores whose evidence is normal, with this AUROC and rate of wrong answers."""
        shift = 2**0.5 * NormalDist().inv_cdf(area)
        risks = np.arange(1, GRID) / GRID
        prior = np.log(base_rate / (1 - base_rate))
        edges = (np.log(risks / (1 - risks)) - prior) / shift + shift / 2
        right = np.diff(_normal_cdf(edges), prepend=0, append=1)
        wrong = np.diff(_normal_cdf(edges - shift), prepend=0, append=1)
        mass = (1 - base_rate) * right + base_rate * wrong
        rate = base_rate * wrong / np.maximum(mass, 1e-300)
        return cls(np.concatenate([[0.0], mass / mass.sum()]), np.concatenate([[0.0], rate]))

    @property
    def shares(self) -> NDArray[np.float64]:
        """P(score at or below each level)."""
        return np.cumsum(self.mass)

    @property
    def errors(self) -> NDArray[np.float64]:
        """The true error among what each level would release; 0 where that is nothing."""
        released = self.shares
        return np.cumsum(self.mass * self.rate) / np.where(released > 0, released, 1)

    def draw(
        self, n: int, times: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(labels, wrong ones) at or below each level, both [times, GRID + 1]."""
        counts = rng.multinomial(n, self.mass, size=times)
        return counts.cumsum(1), rng.binomial(counts, self.rate).cumsum(1)


def _normal_cdf(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([NormalDist().cdf(value) for value in values])


def calibrated_levels(
    world: World, n: int, times: int, alpha: float, delta: float, seed: int = 0
) -> NDArray[np.int_]:
    """The level that the gate certifies on each of ``times`` calibrations; -1 for none."""
    counts, errors = world.draw(n, times, np.random.default_rng(seed))
    levels = []
    for row, wrong in zip(counts.tolist(), errors.tolist(), strict=True):
        level = last_level(row, wrong, first_level(row, alpha, delta), alpha, delta)
        levels.append(-1 if level is None else level)
    return np.array(levels)


def simulate(
    world: World, n: int, alpha: float, delta: float, times: int = 2000, seed: int = 0
) -> dict[str, float]:
    """How often the true error is above alpha (with its 97.5 % upper limit), and what is released.

    ``oracle`` is the share that could be released if the true rates were known.
    """
    levels = calibrated_levels(world, n, times, alpha, delta, seed)
    broken = int((np.where(levels >= 0, world.errors[levels], 0) > alpha).sum())
    good = world.errors <= alpha
    return {
        "above_alpha": broken / times,
        "above_alpha_limit": round(upper_limit(broken, times, 0.025), 4),
        "released_share": round(float(np.where(levels >= 0, world.shares[levels], 0).mean()), 4),
        "oracle": round(float(world.shares[good].max(initial=0)), 4),
        "certified": round(float((levels >= 0).mean()), 4),
    }


def simulated_grid(
    alphas: Sequence[float] = (0.1, 0.05, 0.02), times: int = 4000
) -> list[dict[str, float]]:
    """``simulate`` over base rates, AUROCs and label counts, at delta 0.05."""
    grid = itertools.product(alphas, (0.1, 0.2, 0.4), (0.75, 0.85, 0.93), (100, 300, 1000, 3000))
    return [
        {"alpha": alpha, "base_rate": base, "auroc": area, "labels": n}
        | simulate(World.binormal(base, area), n, alpha, 0.05, times)
        for alpha, base, area, n in grid
    ]


if __name__ == "__main__":
    for line in simulated_grid():
        print(json.dumps(line), flush=True)
