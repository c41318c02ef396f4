"""Fits a monotone risk model: logistic over piecewise-linear terms, then an isotonic curve."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from guardrails.features import DIRECTIONS, RAISES

Floats = NDArray[np.float64]

PIECES = 8
"""Straight pieces of one term, over equal shares of the rows."""
LEAST_KNOWN = 0.05
"""A figure that fewer rows have is left out."""
RIDGE = 2e-4
STEPS = 3000
FOLDS = 5
LEAST_BLOCK = 60
"""Rows behind one point of the calibration curve, at least."""
DIGITS = 6


@dataclass(frozen=True)
class _Basis:
    """The rising steps of one figure; a weight on each, never negative, makes its term."""

    feature: str
    knots: Floats

    def of(self, values: Floats) -> Floats:
        """Shape [n, len(knots) - 1] in [0, 1]; 1 is the worst, also for what is missing."""
        low, high = self.knots[:-1], self.knots[1:]
        steps = np.clip((values[:, None] - low) / (high - low), 0.0, 1.0)
        worse = steps if DIRECTIONS[self.feature] == RAISES else 1 - steps
        return np.where(np.isnan(values)[:, None], 1.0, worse)

    def term(self, weights: Floats) -> dict[str, Any]:
        """The term as the risk model's JSON."""
        if DIRECTIONS[self.feature] == RAISES:
            values = np.concatenate([[0.0], np.cumsum(weights)])
        else:
            values = np.concatenate([np.cumsum(weights[::-1])[::-1], [0.0]])
        return {
            "feature": self.feature,
            "knots": [float(knot) for knot in self.knots],
            "values": [round(float(value), DIGITS) for value in values],
        }


def fit_model(
    rows: Sequence[Mapping[str, float]],
    wrong: NDArray[np.bool_],
    groups: Sequence[str],
    counts: Floats | None = None,
) -> dict[str, Any]:
    """The JSON of one generator's model: {needs, terms, calibration}.

    ``rows`` are the figures of n drafts, ``wrong`` [n] says which were wrong. The calibration
    curve is fitted on log-odds of models that have not seen the row's group (its passage). The
    bias is part of the curve. ``counts`` [n] is how much each row counts, 1 without it. Raises
    ``ValueError`` when one of right and wrong is missing.
    """
    if wrong.all() or not wrong.any():
        raise ValueError("there must be right answers and wrong ones to learn from")
    counts = np.ones(len(rows)) if counts is None else counts * (len(rows) / counts.sum())
    bases = _bases(rows)
    if not bases:
        raise ValueError("the drafts have no figures to learn from")
    design = np.concatenate([basis.of(_column(rows, basis.feature)) for basis in bases], axis=1)
    fold = np.array([zlib.crc32(group.encode("utf-8")) % FOLDS for group in groups])
    unseen = np.zeros(len(rows))
    for one in np.unique(fold):
        inside = fold != one
        unseen[~inside] = design[~inside] @ _weights(design[inside], wrong[inside], counts[inside])
    weights = _weights(design, wrong, counts)
    edges = np.cumsum([0, *(len(basis.knots) - 1 for basis in bases)])
    terms = [
        basis.term(weights[edges[place] : edges[place + 1]]) for place, basis in enumerate(bases)
    ]
    kept = [term for term in terms if max(term["values"]) > 0]
    strongest = max(kept, key=lambda term: max(term["values"]))
    return {
        "needs": [strongest["feature"]],
        "terms": kept,
        "calibration": _calibration(unseen, wrong, counts),
    }


def _column(rows: Sequence[Mapping[str, float]], feature: str) -> Floats:
    return np.array([row.get(feature, np.nan) for row in rows], dtype=float)


def _bases(rows: Sequence[Mapping[str, float]]) -> list[_Basis]:
    bases = []
    for feature in DIRECTIONS:
        values = _column(rows, feature)
        known = values[~np.isnan(values)]
        if len(known) < LEAST_KNOWN * len(rows):
            continue
        knots = np.unique(np.quantile(known, np.linspace(0.005, 0.995, PIECES + 1)).round(DIGITS))
        if len(knots) > 1:
            bases.append(_Basis(feature, knots))
    return bases


def _weights(design: Floats, wrong: NDArray[np.bool_], counts: Floats) -> Floats:
    """Non-negative weights of the logistic loss with a free bias, by accelerated descent."""
    matrix = np.concatenate([design, np.ones((len(design), 1))], axis=1)
    target = wrong.astype(float)
    ridge = np.append(np.full(design.shape[1], RIDGE), 0.0)
    weighed = matrix * (counts / counts.sum())[:, None]
    step = 1 / (np.linalg.eigvalsh(matrix.T @ weighed)[-1] / 4 + RIDGE)
    lowest = np.append(np.zeros(design.shape[1]), -np.inf)
    share = float(np.average(target, weights=counts))
    now = np.append(np.zeros(design.shape[1]), np.log(share / (1 - share)))
    ahead, momentum = now, 1.0
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-(matrix @ ahead)))
        slope = weighed.T @ (chance - target) + ridge * ahead
        after = np.maximum(ahead - step * slope, lowest)
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = after + (momentum - 1) / following * (after - now)
        now, momentum = after, following
    weights: Floats = now[:-1]
    return weights


def _calibration(
    scores: Floats, wrong: NDArray[np.bool_], counts: Floats
) -> dict[str, list[float]]:
    """The isotonic curve from scores to probabilities, straight between the blocks' centres.

    Its ends go beyond the outermost blocks, so that the safest answers still differ in risk.
    """
    order = np.argsort(scores, kind="stable")
    blocks = _isotonic(scores[order], wrong[order].astype(float), counts[order])
    knots, values = [float(scores[order[0]]) - 1.0], [blocks[0][1] / 2]
    for centre, rate in blocks:
        if centre > knots[-1] + 1e-5:
            knots.append(centre)
            values.append(rate)
    knots.append(max(float(scores[order[-1]]), knots[-1]) + 1.0)
    values.append((1 + blocks[-1][1]) / 2)
    return {
        "knots": [round(float(knot), DIGITS) for knot in knots],
        "values": [round(float(value), DIGITS) for value in np.maximum.accumulate(values)],
    }


def _isotonic(scores: Floats, wrong: Floats, counts: Floats) -> list[tuple[float, float]]:
    """(mean score, rate of wrong ones) of blocks whose rates rise; one wrong half is added."""
    blocks: list[list[float]] = []  # sums of scores and of wrong ones, and the rows
    edges = range(0, len(scores), LEAST_BLOCK)
    for first in edges:
        part = slice(first, first + LEAST_BLOCK)
        weighed = counts[part]
        sums = (scores[part] @ weighed, wrong[part] @ weighed, weighed.sum())
        blocks.append([float(total) for total in sums])
        while len(blocks) > 1 and blocks[-2][1] / blocks[-2][2] >= blocks[-1][1] / blocks[-1][2]:
            last = blocks.pop()
            blocks[-1] = [left + right for left, right in zip(blocks[-1], last, strict=True)]
    return [(total / n, (bad + 0.5) / (n + 1)) for total, bad, n in blocks]
