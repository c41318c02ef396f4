"""How good risk scores are: AUROC, calibration, Brier score, and the risk-coverage curve."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

BINS = 15
"""Bins of equal width in which scores are compared with what came true."""


@dataclass(frozen=True)
class Bin:
    """One bin of the reliability curve: its share of rows, mean score, share of wrong ones."""

    share: float
    score: float
    wrong: float


@dataclass(frozen=True)
class RiskCoverage:
    """The error among the rows of least risk, at each coverage; ``aurc`` is its mean.

    Rows of one score stand or fall together: each has the error of all rows up to that score.
    ``aurc`` is None without rows.
    """

    coverage: tuple[float, ...]
    error: tuple[float, ...]
    aurc: float | None


def auroc(scores: Iterable[float], wrong: Iterable[bool]) -> float | None:
    """P(a wrong answer scores above a right one), ties counted half; None for one class only."""
    area, good, bad = 0.0, 0, 0
    for _, right_here, wrong_here in _steps(scores, wrong):
        area += wrong_here * (good + right_here / 2)
        good, bad = good + right_here, bad + wrong_here
    return area / (good * bad) if good and bad else None


def brier(scores: Sequence[float], wrong: Sequence[bool]) -> float | None:
    """The mean squared distance of the score from what came true; None without rows."""
    distances = [(float(s) - float(w)) ** 2 for s, w in zip(scores, wrong, strict=True)]
    return sum(distances) / len(distances) if distances else None


def calibration_error(scores: Sequence[float], wrong: Sequence[bool]) -> float:
    """Expected calibration error: the bins' mean distance, weighted by rows; 0 without rows."""
    return sum(b.share * abs(b.score - b.wrong) for b in reliability(scores, wrong))


def reliability(scores: Sequence[float], wrong: Sequence[bool]) -> list[Bin]:
    """The bins that are not empty, by score; scores lie in [0, 1]."""
    sums: dict[int, list[float]] = {}
    for score, bad in zip(scores, wrong, strict=True):
        place = min(int(score * BINS), BINS - 1)
        held = sums.setdefault(place, [0, 0.0, 0.0])
        sums[place] = [held[0] + 1, held[1] + float(score), held[2] + float(bad)]
    rows = len(scores)
    return [Bin(n / rows, total / n, bad / n) for _, (n, total, bad) in sorted(sums.items())]


def risk_coverage(scores: Iterable[float], wrong: Iterable[bool]) -> RiskCoverage:
    """The curve over all different scores, from the least risk on."""
    covered, bad, area = 0, 0, 0.0
    points = []
    for _, right_here, wrong_here in _steps(scores, wrong):
        here = right_here + wrong_here
        covered, bad = covered + here, bad + wrong_here
        points.append((covered, bad / covered))
        area += here * bad / covered
    return RiskCoverage(
        tuple(count / covered for count, _ in points),
        tuple(error for _, error in points),
        area / covered if covered else None,
    )


def _steps(scores: Iterable[float], wrong: Iterable[bool]) -> list[tuple[float, int, int]]:
    """(score, right rows, wrong rows) for each different score, rising."""
    pairs = sorted((float(s), bool(w)) for s, w in zip(scores, wrong, strict=True))
    steps = []
    for score, group in groupby(pairs, key=lambda pair: pair[0]):
        flags = [bad for _, bad in group]
        steps.append((score, len(flags) - sum(flags), sum(flags)))
    return steps
