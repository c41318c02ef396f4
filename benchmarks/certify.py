"""How often certificates are false in simulated streams of labels, and how many labels they need.

The owner looks after every label. A stream is violated when a level was certified at any look
although more than alpha of what it releases is wrong, at every moment.
"""

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import from_os_error
from benchmarks.gate import World
from guardrails.gate.aims import aims_of, ceiling_of
from guardrails.gate.betting import BETS, PURSES, Stream, upper_limit_anytime
from guardrails.gate.binomial import GRID, upper_limit
from guardrails.gate.certify import GOLD_SHARE, Label, last_level
from guardrails.gate.certify import first_level as first_level_once
from guardrails.gate.planned import LOOK_SHARE, Looked, Plan, ceiling_now, look

ALPHA = DELTA = 0.05
LABELS = 1000
"""Answers of one stream; who has no certificate by then counts as never."""
STEP = 25
"""Risks are rounded up to multiples of 25/1000, as if the risk model knew no finer ones."""
TRIED = 200
"""Streams on which today's test is tried at fixed numbers of labels."""
FIXED = [59, 66, 74, 83, 93, 105, 120, 135, 150, 170, 190, 215, 240, 270, 300, 340, 380, 430]
FIXED += [480, 540, 600, 680, 760, 850, 1000]
SESSION = 300
"""Labels of a stream that a labelling session chooses from ``LABELS`` answers."""
GOLD, MISSED = 60, 0.1

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Streams:
    """Levels and wrong [streams, n] as the reviewers see them, and which levels are bad.

    ``misses``: [streams] gold items missed of ``GOLD``, where reviewers were measured.
    ``predicted`` and ``chances``: of a judge that helps, and of the draw it leads to.
    ``ceilings`` [streams, n]: of a labelling session that leaves out riskier answers of ``pool``.
    ``plan``: of the look that was planned before the first label.
    """

    levels: Ints
    wrong: Flags
    bad: Flags
    misses: Ints | None = None
    predicted: Floats | None = None
    chances: Floats | None = None
    ceilings: Ints | None = None
    pool: "Streams | None" = None
    plan: Plan | None = None

    def ceilings_of(self, place: int) -> Ints:
        if self.ceilings is None:
            return np.full(self.levels.shape[1], GRID)
        found: Ints = self.ceilings[place]
        return found


Rng = np.random.Generator
Make = Callable[[Rng, int], Streams]


def measure_certify(streams: int = 1000, seed: int = 0, keep: Path | None = None) -> dict[str, Any]:
    """Every scenario: violations with their upper 95 % limit, and median labels.

    ``median_labels_before`` is the least number of labels, fixed beforehand, at which one look with
    the exact test certifies at least half of the streams; ``labels_before_9_of_10`` the same for
    nine of ten. None: more than ``LABELS``. ``keep`` is a file of finished scenarios, a row each: a
    run that was interrupted goes on with it. Raises the error of a file that cannot be used.
    """
    kept = _kept(keep)
    rows = []
    for name, make in SCENARIOS:
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        row = kept.get(name)
        if row is None or row["streams"] != streams:
            row = _measured(name, make(rng, streams), rng)
            _append(keep, row)
        rows.append(row)
    return {"alpha": ALPHA, "delta": DELTA, "scenarios": rows}


def _kept(file: Path | None) -> dict[str, dict[str, Any]]:
    if file is None or not file.exists():
        return {}
    try:
        rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    except OSError as error:
        raise from_os_error(error) from error
    return {row["name"]: row for row in rows}


def _append(file: Path | None, row: dict[str, Any]) -> None:
    if file is not None:
        with file.open("a", encoding="utf-8") as target:
            target.write(json.dumps(row) + "\n")


def _measured(name: str, drawn: Streams, rng: Rng) -> dict[str, Any]:
    looks = [_first_and_false(drawn, place, rng) for place in range(len(drawn.levels))]
    violations, n = sum(false for _, false in looks), len(looks)
    return {
        "name": name,
        "streams": n,
        "violations": violations,
        "upper_95": round(upper_limit(violations, n, 0.05), 4),
        "median_labels": _reached([first for first, _ in looks], 0.5),
        "median_labels_before": _before(drawn.pool or drawn, 0.5),
        "labels_before_9_of_10": _before(drawn.pool or drawn, 0.9),
    }


def _first_and_false(drawn: Streams, place: int, rng: Rng) -> tuple[float, bool]:
    """(labels until the first certificate, whether a bad level was ever certified)."""
    levels, wrong = drawn.levels[place], drawn.wrong[place]
    alpha, delta = ALPHA, DELTA
    if drawn.misses is not None:
        spent = DELTA * GOLD_SHARE
        alpha *= 1 - upper_limit_anytime(int(drawn.misses[place]), GOLD, spent)
        delta -= spent
    labelled = np.ones(len(levels), dtype=bool)
    if drawn.predicted is None or drawn.chances is None:
        each = np.ones(len(levels))
        aims = aims_of(levels, wrong, each, drawn.ceilings_of(place), ALPHA)
        stream = Stream.labelled(alpha, levels, wrong, each, drawn.ceilings_of(place), aims)
    else:
        chances = drawn.chances[place]
        labelled = rng.random(len(levels)) < chances
        predicted, floor = drawn.predicted[place], float(drawn.chances.min())
        aims = aims_of(levels, wrong & labelled, labelled * 1.0, drawn.ceilings_of(place), ALPHA)
        stream = Stream.helped(alpha, levels, wrong, chances, labelled, predicted, floor, aims)
    looked = _look(drawn, place)
    passed = stream.passed(0, delta if looked is None else delta * (1 - LOOK_SHARE))
    first = float(labelled[: passed[0].after].sum()) if passed else np.inf
    false = any(drawn.bad[one.level] for one in passed)
    if drawn.plan is not None and looked is not None and looked.level is not None:
        first = min(first, drawn.plan.total)
        false |= bool(drawn.bad[looked.level])
    return first, false


def _look(drawn: Streams, place: int) -> Looked | None:
    """What the planned look of a stream found; None without a plan."""
    if drawn.plan is None:
        return None
    labels = labels_of(drawn.levels[place], drawn.wrong[place], drawn.ceilings_of(place))
    return look(labels, [1.0] * len(labels), drawn.plan, ALPHA, DELTA) or Looked(None, 0, 0)


def labels_of(levels: Ints, wrong: Flags, ceilings: Ints) -> list[Label]:
    rows = zip(levels.tolist(), wrong.tolist(), ceilings.tolist(), strict=True)
    return [Label(level / GRID, bad, ceiling=top / GRID) for level, bad, top in rows]


def _reached(firsts: list[float], share: float) -> int | None:
    middle = float(np.quantile(firsts, share, method="higher"))
    return None if np.isinf(middle) else int(middle)


def _before(drawn: Streams, share: float) -> int | None:
    """The least of ``FIXED`` at which the exact test certifies ``share`` of the streams."""
    return next((n for n in FIXED if _certified_once(drawn, n) >= share), None)


def _certified_once(drawn: Streams, n: int) -> float:
    alpha, delta = ALPHA, DELTA
    found = []
    for place in range(min(TRIED, len(drawn.levels))):
        if drawn.misses is not None:
            spent = DELTA * GOLD_SHARE
            alpha = ALPHA * (1 - upper_limit(int(drawn.misses[place]), GOLD, spent))
            delta = DELTA - spent
        levels, wrong = drawn.levels[place, :n], drawn.wrong[place, :n]
        counts = np.bincount(levels, minlength=GRID + 1).cumsum().tolist()
        errors = np.bincount(levels[wrong], minlength=GRID + 1).cumsum().tolist()
        begin = first_level_once(counts, alpha, delta)
        found.append(last_level(counts, errors, begin, alpha, delta) is not None)
    return sum(found) / len(found)


# The worlds


def _session(base: float, area: float) -> Make:
    """A labelling session: who labels sees only answers under the ceiling of the labels so far."""

    def make(rng: Rng, streams: int) -> Streams:
        return _chosen(_drawn(World.binormal(base, area), rng, streams), None)

    return make


def _planned(world: Callable[[Rng, int], Streams]) -> Make:
    """A labelling session for a look that was planned, and the bets of every day beside it."""

    def make(rng: Rng, streams: int) -> Streams:
        return _chosen(world(rng, streams), Plan(SESSION, ALPHA, DELTA))

    return make


def _chosen(pool: Streams, plan: Plan | None) -> Streams:
    pairs = zip(pool.levels, pool.wrong, strict=True)
    drawn = [_labelled(levels, wrong, plan) for levels, wrong in pairs]
    levels, wrong, ceilings = (np.array(part) for part in zip(*drawn, strict=True))
    return Streams(levels, wrong, pool.bad, ceilings=ceilings, pool=pool, plan=plan)


def _labelled(levels: Ints, wrong: Flags, plan: Plan | None) -> tuple[Ints, Flags, Ints]:
    """``SESSION`` labels; missing ones are wrong answers at the highest level."""
    found, flags, tops = (
        under_ceilings(levels, wrong, SESSION, ALPHA)
        if plan is None
        else as_planned(levels, wrong, plan)
    )
    unused = (0, SESSION - len(found))
    padded = [(found, GRID), (flags, True), (tops, GRID)]
    found, flags, tops = (np.pad(part, unused, constant_values=fill) for part, fill in padded)
    return found, flags, tops


def under_ceilings(levels: Ints, wrong: Flags, most: int, alpha: float) -> tuple[Ints, Flags, Ints]:
    """At most ``most`` labels that a session picks from a stream of answers: their levels, whether
    they are wrong, and their ceilings. The ceiling is looked at after every tenth."""
    picked, ceilings, ceiling = np.zeros(0, dtype=int), np.zeros(0, dtype=int), GRID
    place = 0
    while len(picked) < most and place < len(levels):
        fresh = place + np.flatnonzero(levels[place:] <= ceiling)[:10]
        if not len(fresh):
            break
        picked = np.append(picked, fresh)
        ceilings = np.append(ceilings, np.full(len(fresh), ceiling))
        ceiling = min(ceiling, ceiling_of(levels[picked], wrong[picked], ceilings, alpha))
        place = int(fresh[-1]) + 1
    picked, ceilings = picked[:most], ceilings[:most]
    return levels[picked], wrong[picked], ceilings


def as_planned(levels: Ints, wrong: Flags, plan: Plan) -> tuple[Ints, Flags, Ints]:
    """As ``under_ceilings``, of a session with a plan: all answers of the pilot, then those under
    the ceiling that it gives; fewer than ``plan.total`` where the stream ends."""
    n = plan.pilot
    first = labels_of(levels[:n], wrong[:n], np.full(n, GRID))
    ceiling = ceiling_now(first, plan.alpha, plan)
    rest = n + np.flatnonzero(levels[n:] <= ceiling)[: plan.total - n]
    picked = np.concatenate([np.arange(n), rest])
    ceilings = np.concatenate([np.full(n, GRID), np.full(len(rest), ceiling)])
    return levels[picked], wrong[picked], ceilings


def _calibrated(base: float, area: float) -> Make:
    """Independent answers with this rate of wrong ones and this AUROC of the risk."""

    def make(rng: Rng, streams: int) -> Streams:
        return _drawn(World.binormal(base, area), rng, streams)

    return make


def _drawn(world: World, rng: Rng, streams: int, rising: float = 0.0) -> Streams:
    """Draws of a world; ``rising``: by what share every error rate has risen at the end."""
    fine = rng.choice(GRID + 1, size=(streams, LABELS), p=world.mass)
    rate = world.rate[fine] * np.linspace(1, 1 + rising, LABELS)
    return Streams(_rounded_up(fine), rng.random(fine.shape) < rate, world.errors > ALPHA)


def _rounded_up(levels: Ints) -> Ints:
    return -(-levels // STEP) * STEP


def _flat(rng: Rng, streams: int) -> Streams:
    """The risk says nothing, and a little more than alpha is wrong: every certificate is false."""
    levels = rng.integers(1, GRID // STEP + 1, (streams, LABELS)) * STEP
    wrong = rng.random(levels.shape) < ALPHA * 1.002
    return Streams(levels, wrong, np.ones(GRID + 1, dtype=bool))


def _cliff(rng: Rng, streams: int) -> Streams:
    """Up to a level just less than alpha is wrong, and at the next one just more, at once."""
    levels = rng.integers(1, GRID // STEP + 1, (streams, LABELS)) * STEP
    rate = np.where(levels <= 325, 0.04, 0.21)
    return Streams(levels, rng.random(levels.shape) < rate, np.arange(GRID + 1) >= 350)


def _drift(rng: Rng, streams: int) -> Streams:
    return _drawn(World.binormal(0.1, 0.8), rng, streams, rising=1.0)


def _adversary(rng: Rng, streams: int) -> Streams:
    """Somebody who sees the labels chooses each next answer: while the bets at the strictest level
    gain he sends more like these, when they lose he sends others. All of them are bad."""
    levels = np.full((streams, LABELS), STEP)
    wrong = rng.random((streams, LABELS)) < ALPHA * 1.002
    purses = np.tile(PURSES, (streams, 1))
    for n in range(LABELS):
        losing = purses.sum(1) < 1
        levels[losing, n] = 3 * STEP
        gain = np.where(wrong[:, n], -1.0, ALPHA / (1 - ALPHA))
        purses *= np.where(losing[:, None], 1.0, 1 + BETS * gain[:, None])
        wrong[:, n] |= losing & (rng.random(streams) < 0.05)
    return Streams(levels, wrong, np.ones(GRID + 1, dtype=bool))


def _reviewers(rng: Rng, streams: int) -> Streams:
    """Reviewers call one wrong answer in ten right, and were measured on gold items."""
    drawn = _drawn(World.binormal(0.1, 0.85), rng, streams)
    seen = drawn.wrong & (rng.random(drawn.wrong.shape) >= MISSED)
    return Streams(drawn.levels, seen, drawn.bad, rng.binomial(GOLD, MISSED, streams))


def _judged(say: Callable[[Rng, Flags], Floats]) -> Make:
    """A judge foretells what is wrong; what it thinks right is labelled every second time."""

    def make(rng: Rng, streams: int) -> Streams:
        drawn = _drawn(World.binormal(0.1, 0.85), rng, streams)
        predicted = say(rng, drawn.wrong)
        chances = np.where(predicted > 0.1, 1.0, 0.5)
        return Streams(drawn.levels, drawn.wrong, drawn.bad, None, predicted, chances)

    return make


def _useless(rng: Rng, wrong: Flags) -> Floats:
    return np.where(rng.random(wrong.shape) < 0.1, 0.5, 0.02)


def _hostile(rng: Rng, wrong: Flags) -> Floats:
    return np.where(wrong, 0.0, np.where(rng.random(wrong.shape) < 0.1, 0.5, 0.02))


def _good(rng: Rng, wrong: Flags) -> Floats:
    return np.where(rng.random(wrong.shape) < np.where(wrong, 0.9, 0.05), 0.5, 0.01)


SCENARIOS: list[tuple[str, Make]] = [
    ("0.5 % wrong, AUROC 0.70", _calibrated(0.005, 0.70)),
    ("1 % wrong, AUROC 0.70", _calibrated(0.01, 0.70)),
    ("2 % wrong, AUROC 0.80", _calibrated(0.02, 0.80)),
    ("5 % wrong, AUROC 0.80", _calibrated(0.05, 0.80)),
    ("10 % wrong, AUROC 0.85", _calibrated(0.10, 0.85)),
    ("20 % wrong, AUROC 0.93", _calibrated(0.20, 0.93)),
    ("20 % wrong, AUROC 0.70", _calibrated(0.20, 0.70)),
    ("40 % wrong, AUROC 0.93", _calibrated(0.40, 0.93)),
    ("useless risk, just above alpha", _flat),
    ("drift: errors double", _drift),
    ("adversarial order, just above alpha", _adversary),
    ("reviewers miss one in ten", _reviewers),
    ("a labelling session, 10 %, 0.85", _session(0.10, 0.85)),
    ("a labelling session, 40 %, 0.93", _session(0.40, 0.93)),
    ("a planned look, just above alpha", _planned(_flat)),
    ("a planned look, good up to a level, bad above", _planned(_cliff)),
    ("a planned look, 10 %, 0.85", _planned(_calibrated(0.10, 0.85))),
    ("a planned look, 20 %, 0.70", _planned(_calibrated(0.20, 0.70))),
    ("a good judge helps", _judged(_good)),
    ("a useless judge helps", _judged(_useless)),
    ("a hostile judge helps", _judged(_hostile)),
]
