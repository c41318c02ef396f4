"""Which answers are worth a label, and where the betting test places its bets.

Both look at earlier labels only, so that they can waste labels but never make a certificate
false: docs/gate.md proves it. A *ceiling* is the risk above which a labelling session leaves
answers out; an *aim* is the level on which stricter levels bet too.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from guardrails.gate.betting import PURSES, Aims, Floats, Ints
from guardrails.gate.binomial import GRID, binomial_tail, level_of, passes

PLACES = np.arange(0, GRID + 1, 5)
"""Levels that can be a ceiling or an aim: fixed, so that no later label can move an earlier one."""
FIRST = 20
"""So many labels are drawn from all answers before there is a ceiling."""
WAIT = 20
"""So many labels pass before the walking aim bets."""
PURSES_OF_AIMS = np.array([0.35, 0.65])
"""The wealth of the walking aim, which follows the errors so far, and of the steady one."""
STEADY_SHARE = 0.3
"""The steady aim lies where this share of the labels under the ceiling does, or at the risk
alpha / 2 if that is higher."""
WALKING_SHARE = 0.85
"""The walking aim stays where this share lies of what has done best: the next may be worse."""
DOUBT = (0.25, 5.0)
"""Errors and labels that are added before an error rate is believed."""

SHIFTS = np.linspace(-4, 4, 33)
"""By how much, in log-odds, errors may be more frequent than their risk says, before a pilot."""
SHIFT_SPREAD = 1.5
SLOPES = np.array([0.25, 1.0])
"""How far the log-odds of errors may follow those of the risk: hardly, or as it says."""
NEARLY = 0.8
"""A pilot's ceiling promises this share of the most: higher ones leave more to certify."""
LEAST_BELOW = 10
"""One answer in so many lies under a pilot's ceiling, so that a label does not cost too many."""
RATES = (np.arange(500) + 0.5) / 500

Flags = NDArray[np.bool_]


def ceiling_of_pilot(
    levels: Ints | Sequence[int],
    wrong: Flags | Sequence[bool],
    total: int,
    alpha: float,
    delta: float,
) -> int:
    """Where a pilot of all answers puts the ceiling for ``total`` labels of one exact look.

    A level promises the share of answers below it times the chance that so many labels there pass
    the test of ``alpha`` and ``delta``, if errors follow the risk with a shift and a slope, which
    the pilot's labels make more or less likely. The highest level is taken that promises nearly
    the most, and GRID in the place of the highest of all, or where the pilot shows no error. It is
    not lower than a tenth of the pilot.
    """
    if not any(wrong):
        return GRID
    order = np.argsort(np.asarray(levels), kind="stable")
    placed, flags = np.asarray(levels)[order], np.asarray(wrong, dtype=bool)[order]
    rates, likely = _rates_by_shift(placed, flags)
    n = np.arange(1, len(placed) + 1)
    passing = likely @ np.interp(rates.cumsum(axis=1) / n, RATES, _power(total, alpha, delta))
    promised = passing * n
    best = int(np.flatnonzero(promised >= NEARLY * promised.max())[-1])
    best = max(best, (len(placed) - 1) // LEAST_BELOW)
    return GRID if best == len(placed) - 1 else int(placed[best])


def _rates_by_shift(placed: Ints, wrong: Flags) -> tuple[Floats, Floats]:
    """(the error rate at each label [shifts and slopes, n], how likely each of these is)."""
    risks = np.clip((placed - 0.5) / GRID, 0.5 / GRID, 1 - 0.5 / GRID)
    odds = np.log(risks / (1 - risks))
    slopes, shifts = (each.ravel() for each in np.meshgrid(SLOPES, SHIFTS))
    rates = 1 / (1 + np.exp(-(slopes[:, None] * odds + shifts[:, None])))
    seen = np.log(np.where(wrong, rates, 1 - rates)).sum(axis=1)
    logs = seen - (shifts / SHIFT_SPREAD) ** 2 / 2
    weights = np.exp(logs - logs.max())
    return rates, weights / weights.sum()


@lru_cache(maxsize=64)
def _power(total: int, alpha: float, delta: float) -> Floats:
    """The chance that ``total`` labels pass, for each error rate of ``RATES``."""
    allowed = -1
    while passes(allowed + 1, total, alpha, delta):
        allowed += 1
    return np.array([binomial_tail(allowed, total, rate) for rate in RATES.tolist()])


def ceiling_of(
    levels: Ints | Sequence[int],
    losses: Floats | Flags | Sequence[float],
    ceilings: Ints | Sequence[int],
    alpha: float,
) -> int:
    """The highest level whose labels do not show more than ``alpha`` wrong, with half an error of
    doubt; GRID while there are few. Above it labels would be spent on what is not released.

    ``losses`` are 0 for a right answer, and for a wrong one what it counts, at most 1."""
    placed, most = np.asarray(levels), np.asarray(ceilings)
    lost = np.asarray(losses, dtype=float)
    if len(placed) < FIRST:
        return GRID
    n, errors = _sums(placed, most, np.ones(len(placed))), _sums(placed, most, lost)
    good = PLACES[(errors - 0.5 <= alpha * n) & (n > 0)]
    return int(good[-1] if len(good) else PLACES[n > 0][0])


def aims_of(
    levels: Ints, losses: Floats | Flags, shares: Floats, ceilings: Ints, alpha: float
) -> Aims:
    """The walking and the steady aim [2, n] of a stream of labels; each from those before it.

    ``alpha`` is the promised one, whatever reviewers miss: aims must not move when that changes.
    """
    n, places = len(levels), _changing(levels, ceilings)
    weights = _counts(levels, ceilings, places) * shares[:, None]
    counts, errors = _before(weights), _before(weights * losses[:, None])
    tops = np.searchsorted(places, ceilings, side="right") - 1
    wanted = STEADY_SHARE * counts[np.arange(n), tops]
    steady = _level_with(places, counts, wanted, ceilings)
    steady = np.minimum(np.maximum(steady, level_of(alpha / 2)), ceilings)
    walking = _walking(places, counts, errors, tops, ceilings, alpha)
    walking[:WAIT] = steady[:1] = -1
    return Aims(np.stack([walking, steady]), PURSES_OF_AIMS[:, None] * PURSES)


def lent_aims(lent: Aims, spread: Floats, own: int) -> Aims:
    """The aims of the last ``own`` answers of a stream that others' labels began.

    Half of the money is put where it did best with the others: ``spread`` [ways, bets]. How much
    they won counts nowhere, so that the promise stays one about the own answers.
    """
    n = lent.levels.shape[1]
    return Aims(lent.levels[:, n - own :], (lent.purses + spread) / 2)


def _changing(levels: Ints, ceilings: Ints) -> Ints:
    """Of places at which the same labels count the strictest."""
    changes = np.zeros(len(PLACES) + 1, dtype=bool)
    changes[0] = True
    for places in _enters_and_leaves(levels, ceilings):
        changes[places] = True
    changing: Ints = PLACES[changes[:-1]]
    return changing


def _counts(levels: Ints, ceilings: Ints, places: Ints) -> Flags:
    """Which labels count at which places [n, places]."""
    counts: Flags = (levels[:, None] <= places) & (ceilings[:, None] >= places)
    return counts


def _sums(levels: Ints, ceilings: Ints, values: Floats) -> Floats:
    """What the labels that count at each of ``PLACES`` sum to."""
    enters, leaves = _enters_and_leaves(levels, ceilings)
    leaves = np.maximum(enters, leaves)
    size = len(PLACES) + 1
    come, go = (np.bincount(at, values, size) for at in (enters, leaves))
    sums: Floats = (come - go)[:-1].cumsum()
    return sums


def _enters_and_leaves(levels: Ints, ceilings: Ints) -> tuple[Ints, Ints]:
    """From which of ``PLACES`` on each label counts, and from which on no more."""
    return np.searchsorted(PLACES, levels), np.searchsorted(PLACES, ceilings, side="right")


def _before(steps: Floats) -> Floats:
    """Sums over the rows before each."""
    sums: Floats = np.vstack([np.zeros((1, steps.shape[1])), steps[:-1].cumsum(axis=0)])
    return sums


def _level_with(places: Ints, counts: Floats, wanted: Floats, ceilings: Ints) -> Ints:
    """The strictest place of each row under which so many labels lie, at most its ceiling."""
    reached = counts >= np.maximum(wanted, 1e-9)[:, None]
    found = np.where(reached.any(axis=1), places[reached.argmax(axis=1)], GRID)
    lowest: Ints = np.minimum(found, ceilings)
    return lowest


def _walking(
    places: Ints, counts: Floats, errors: Floats, tops: Ints, ceilings: Ints, alpha: float
) -> Ints:
    """The ceiling while there are no errors; else a share of the level whose labels would have won
    most; 0 where none would, so that each level bets on its own answers."""
    rows = np.arange(len(tops))
    won = counts * _growth((errors + DOUBT[0]) / (counts + DOUBT[1]), alpha)
    won[np.arange(len(places)) > tops[:, None]] = 0.0
    # Of equally good levels the laxest.
    best = len(places) - 1 - won[:, ::-1].argmax(axis=1)
    found = _level_with(places, counts, WALKING_SHARE * counts[rows, best], ceilings)
    found = np.where(won[rows, best] > 0, found, 0)
    walking: Ints = np.where(errors[rows, tops] == 0, ceilings, found)
    return walking


def _growth(rate: Floats, alpha: float) -> Floats:
    """KL(rate || alpha) where the rate is below alpha, else 0: how fast the best bet wins."""
    low = np.minimum(rate, alpha)
    grown: Floats = low * np.log(low / alpha) + (1 - low) * np.log((1 - low) / (1 - alpha))
    return grown
