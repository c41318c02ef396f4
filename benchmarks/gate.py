"""How well risk scores and the gate do on labelled outcomes, and on simulated ones.

Run as:
    python -m benchmarks gate --questions F --alpha 0.05 --delta 0.05 --splits 100 --labels 1000
    python -m benchmarks gate --outcomes F      # rows {score, wrong} of anybody's system
    python -m benchmarks gate --examples        # examples/ through the whole service
    python -m benchmarks.gate          # the simulated grid of docs/decisions/0009; minutes
"""

import itertools
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.backends import build_checks, build_embedder, build_generator, build_screens, build_support
from app.errors import Invalid, from_os_error
from app.files import read_rows
from app.inference.risk import RISK_FOLDER, load_risk
from app.settings import Settings
from benchmarks.answers import read_questions
from benchmarks.metrics import rounded
from guardrails.calibration import auroc, brier, calibration_error, risk_coverage
from guardrails.contract import Action, Case
from guardrails.gate.binomial import GRID, GateInvalid, level_of, upper_limit
from guardrails.gate.certificate import Certificate
from guardrails.gate.certify import Label, certify, first_level, last_level
from guardrails.judge import Judge
from guardrails.policy.load import load_policy
from guardrails.risk import UNKNOWN, RiskModel
from training.outcomes import LabelledDraft, draft_outcomes

DATE = "2000-01-01"
"""Certificates of a benchmark are thrown away; the date is not that of any release."""
LABELS = 1000
"""Answers that a split certifies on, unless told."""


@dataclass(frozen=True)
class Outcomes:
    """Risk scores [n] in [0, 1], wrong [n] and, where known, answerable [n].

    ``abstained`` [n]: there is no answer; ``held`` [n]: the policy holds it whatever its risk.
    Neither is ever released, and neither is a label.
    """

    scores: NDArray[np.float64]
    wrong: NDArray[np.bool_]
    answerable: NDArray[np.bool_] | None = None
    abstained: NDArray[np.bool_] | None = None
    held: NDArray[np.bool_] | None = None

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which rows have an answer."""
        return np.ones(len(self.scores), bool) if self.abstained is None else ~self.abstained

    @property
    def releasable(self) -> NDArray[np.bool_]:
        """Which rows the gate decides on."""
        return self.answered if self.held is None else self.answered & ~self.held


def read_outcomes(path: Path) -> Outcomes:
    """The rows of JSON lines, plain or gzip; raises ``Invalid`` naming the row."""
    return parse_outcomes(_rows(path), path.name)


def parse_outcomes(rows: list[dict[str, Any]], name: str) -> Outcomes:
    """Rows as arrays; ``name`` is used in messages. Raises ``Invalid`` naming the row."""
    scores, wrong = [], []
    for number, row in enumerate(rows, start=1):
        try:
            level_of(row["score"])
            scores.append(float(row["score"]))
            wrong.append(_flag(row, "wrong"))
        except KeyError as error:
            raise Invalid(f"{name}: row {number}: {error.args[0]} is missing.") from error
        except GateInvalid as error:
            raise Invalid(f"{name}: row {number}: {error}.") from error
    flags = (_flags(rows, flag, name) for flag in ("answerable", "abstained", "held"))
    return Outcomes(np.array(scores, dtype=float), np.array(wrong, dtype=bool), *flags)


def _flags(rows: list[dict[str, Any]], flag: str, name: str) -> NDArray[np.bool_] | None:
    """A column that all rows have or none; raises ``Invalid``."""
    known = [row for row in rows if row.get(flag) is not None]
    if not known:
        return None
    if len(known) != len(rows):
        raise Invalid(f"{name}: some rows say whether they are {flag} and some do not.")
    try:
        return np.array([_flag(row, flag) for row in rows], dtype=bool)
    except GateInvalid as error:
        raise Invalid(f"{name}: {error}.") from error


def score_questions(
    questions: Path, generator: str = "reader", limit: int | None = None
) -> list[dict[str, Any]]:
    """Rows for ``read_outcomes``: each question of ``questions`` drafted, judged and scored once.

    The contexts are the evidence. Raises ``Invalid``,
    ``SettingsInvalid`` or ``ModelRefused``.
    """
    rows = read_questions(questions)[:limit]
    settings = Settings(generator=generator)
    chosen, embedder = build_generator(settings), build_embedder(settings)
    risk = load_risk(settings.models_dir / RISK_FOLDER)
    rules = load_policy(settings.policy_file)
    judge = Judge(build_checks(rules, build_support(settings)), rules)
    screens = build_screens(settings, embedder)
    vectors = embedder.embed([row["question"] for row in rows])
    return [
        _scored(outcome, judge, risk, screens.scores(outcome.row["question"], vector))
        for outcome, vector in zip(draft_outcomes(rows, chosen, embedder), vectors, strict=True)
    ]


def _scored(
    outcome: LabelledDraft, judge: Judge, model: RiskModel, screens: Mapping[str, float]
) -> dict[str, Any]:
    draft, row = outcome.draft, outcome.row
    abstained = draft.abstained
    risk = UNKNOWN if abstained else model.risk(draft.model, outcome.features)
    held = False
    if not abstained:
        case = Case(row["question"], draft, outcome.passages, risk=risk, gated=True)
        screened, _ = judge.screen_question(Case(row["question"], scores=screens))
        held = judge.judge(case, screened)[1].action is not Action.RELEASE
    return {
        "id": row.get("id"),
        "score": risk,
        "wrong": not abstained and outcome.wrong,
        "answerable": bool(row["answerable"]),
        "abstained": abstained,
        "held": held,
        "searched": False,
        "features": {name: round(value, 6) for name, value in outcome.features.items()},
    }


def save_outcomes(rows: list[dict[str, Any]], path: Path) -> None:
    """Write rows as JSON lines."""
    try:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    except OSError as error:
        raise from_os_error(error) from error


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
    labels: int = LABELS,
    seed: int = 0,
) -> dict[str, Any]:
    """Certify on ``labels`` random answers and test on the rest, ``splits`` times.

    Shares are in [0, 1], averaged over splits; a split without a certificate releases nothing and
    is within alpha. ``error_among_released`` is averaged over the splits that released something,
    None if there are none. ``auroc`` is of the score against wrong, ``ece`` of the score as the
    probability of wrong, both over all answers. Raises ``Invalid``.
    """
    able = int(outcomes.releasable.sum())
    refuse_impossible(alpha, delta, splits, labels)
    if labels >= able:
        raise Invalid(f"{labels} labels leave nothing to test on: there are {able} answers.")
    try:
        runs = _runs(outcomes, alpha, delta, splits, labels, seed)
    except GateInvalid as error:
        raise Invalid(f"{error}.") from error
    errors = [run.error for run in runs if run.error is not None]
    answerable = [run.share_answerable for run in runs if run.share_answerable is not None]
    return {
        **_quality(outcomes),
        "splits_within_alpha": rounded(np.mean([(run.error or 0) <= alpha for run in runs])),
        "released_share": rounded(np.mean([run.share for run in runs])),
        "released_share_answerable": rounded(np.mean(answerable)) if answerable else None,
        "error_among_released": rounded(np.mean(errors)) if errors else None,
        "certifiable_splits": sum(run.certified for run in runs),
        "answers": int(outcomes.answered.sum()),
        "releasable": able,
        "labels": labels,
        "n": len(outcomes.scores),
    }


def half_of_labels(outcomes: Outcomes) -> int:
    """Half of the answers that the gate decides on: so many labels leave as many to test on."""
    return max(1, int(outcomes.releasable.sum()) // 2)


def refuse_impossible(alpha: float, delta: float, splits: int, labels: int) -> None:
    """Raise ``Invalid`` for a wish that no outcomes can meet, before hours are spent on it."""
    if splits < 1 or labels < 1:
        raise Invalid("splits and labels must be 1 or more.")
    if not (0 < alpha < 1 and 0 < delta < 1):
        raise Invalid("alpha and delta must lie between 0 and 1.")


def _quality(outcomes: Outcomes) -> dict[str, float | None]:
    answered = outcomes.answered
    scores, wrong = outcomes.scores[answered].tolist(), outcomes.wrong[answered].tolist()
    return {
        "auroc": rounded(auroc(scores, wrong)),
        "ece": rounded(calibration_error(scores, wrong)),
        "brier": rounded(brier(scores, wrong)),
        "aurc": rounded(risk_coverage(scores, wrong).aurc),
        "error_of_all": rounded(np.mean(wrong)) if wrong else None,
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
    levels = np.array([level_of(score) for score in outcomes.scores.tolist()])
    releasable = outcomes.releasable
    runs = []
    for _ in range(splits):
        order = rng.permutation(len(levels))
        # Rows up to the last label are used up, so that the rest is like all rows.
        able = np.flatnonzero(releasable[order])[:labels]
        chosen, rest = order[able], order[able[-1] + 1 :]
        pairs = zip(outcomes.scores[chosen].tolist(), outcomes.wrong[chosen].tolist(), strict=True)
        drawn = [Label(score, wrong) for score, wrong in pairs]
        result = certify(drawn, alpha, delta, date=DATE, collection="benchmark")
        level = level_of(result.threshold) if isinstance(result, Certificate) else -1
        runs.append(_tested(outcomes, levels, rest, level))
    return runs


def _tested(
    outcomes: Outcomes, levels: NDArray[np.int_], rest: NDArray[np.int_], level: int
) -> _Run:
    released = (levels[rest] <= level) & outcomes.releasable[rest]
    wrong = outcomes.wrong[rest][released]
    share_answerable = None
    if outcomes.answerable is not None and outcomes.answerable[rest].any():
        share_answerable = float(released[outcomes.answerable[rest]].mean())
    error = float(wrong.mean()) if len(wrong) else None
    return _Run(level >= 0, float(released.mean()), share_answerable, error)


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


def simulated_grid() -> list[dict[str, float]]:
    """``simulate`` over base rates, AUROCs and label counts, at delta 0.05."""
    alphas, labels = (0.1, 0.05, 0.02), (100, 300, 1000, 3000)
    grid = itertools.product(alphas, (0.1, 0.2, 0.4), (0.75, 0.85, 0.93), labels)
    return [
        {"alpha": alpha, "base_rate": base, "auroc": area, "labels": n}
        | simulate(World.binormal(base, area), n, alpha, 0.05, 4000)
        for alpha, base, area, n in grid
    ]


if __name__ == "__main__":
    for line in simulated_grid():
        print(json.dumps(line), flush=True)
