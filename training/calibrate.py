"""Fit the risk score on questions that the generator was not trained on, and certify it.

Run as:
    python -m training.calibrate fit --data DATA --out models/risk          # minutes
    python -m benchmarks gate --questions F --whole --save-outcomes G
    python -m training.calibrate certify --outcomes G --outcomes H --out models/risk

Rows come from passages that ``training.data.held_out`` keeps from the reader's training. Each is
drafted once: over its own passage, among distractors, or over distractors alone (then any answer
is wrong). The provisional certificate goes by the worst of several public sets, one file each, all
through the whole service: it had to find the passage, and half of the questions had no answer.
"""

import json
import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from app.backends import build_embedder, build_generator
from app.errors import Invalid
from app.files import read_rows, sha256_file
from app.inference.networks.weights import MANIFEST
from app.inference.risk import CERTIFICATE, RISK, generator_identity
from app.settings import Settings
from guardrails.calibration import auroc, brier, calibration_error, risk_coverage
from guardrails.contract import Draft
from guardrails.gate.binomial import GRID, level_of, upper_limit
from guardrails.gate.certificate import Certificate
from guardrails.gate.certify import Label, certify
from guardrails.risk import FORMAT, RiskModel
from training.data import held_out, question_rows, title_of
from training.fitting import fit_model
from training.outcomes import LabelledDraft, draft_outcomes

app = typer.Typer(help=__doc__, no_args_is_help=True)
Out = Annotated[Path, typer.Option(help="Folder of the risk model.")]
AMONG, ALONE = 0.3, 0.15
"""Shares of the questions with distractors that are asked among them, or over them alone."""
MOST_OTHERS = 2
"""Distractors of one question, at most: each costs as much as the question's own passage."""
LAXEST = 0.08
"""The upper bound of the wrong share that each set of the provisional certificate may have."""
SOURCE_POWER = 0.5
"""What a source counts in all: its rows to this power. 1 lets articles decide, which are most; 0
a few rows of tables."""
TEST_SHARE = 5
"""Every fifth passage is kept for the report, which is of a model fitted without it."""


def risk_rows(data: Path, limit: int | None, seed: int) -> list[dict[str, Any]]:
    """Held-out questions as rows {question, contexts, context_titles, answers, answerable, group,
    source}; ``group`` is the passage the question was written for."""
    rng = random.Random(seed)
    questions = [row for row in question_rows(data) if held_out(row["passage_ids"][0])]
    rng.shuffle(questions)
    texts = {row["passage_id"]: row for row in read_rows(data / "train/qa/passages.jsonl.gz")}
    others = {
        row["id"]: row["distractors"] for row in read_rows(data / "train/qa/distractors.jsonl.gz")
    }
    return [_row(row, others.get(row["id"], []), texts, rng) for row in questions[:limit]]


def _row(
    question: dict[str, Any], others: list[str], texts: dict[str, Any], rng: random.Random
) -> dict[str, Any]:
    gold, answerable = question["passage_ids"][0], bool(question["answerable"])
    drawn, shown = rng.random(), [gold]
    if others and drawn < AMONG + ALONE:
        shown = others[: rng.randint(1, min(len(others), MOST_OTHERS))]
        answerable = answerable and drawn < AMONG
        if drawn < AMONG:
            shown = [gold, *shown]
        rng.shuffle(shown)
    return {
        "question": question["question"],
        "contexts": [texts[passage]["text"] for passage in shown],
        "context_titles": [title_of(texts[passage]) for passage in shown],
        "answers": question["answers"] if answerable else [],
        "answerable": answerable,
        "group": gold,
        "source": question["source"],
    }


@app.command()
def fit(
    data: Annotated[Path, typer.Option(help="Folder with train/qa.")],
    out: Out = Path("models/risk"),
    generator: Annotated[str, typer.Option(help="As in the setting generator.")] = "reader",
    limit: Annotated[int, typer.Option(help="Questions to draft, at most.")] = 7000,
    also: Annotated[
        list[Path] | None,
        typer.Option(help="Outcomes of the whole service, a source each (repeatable)."),
    ] = None,
    seed: int = 0,
) -> None:
    """Draft, fit, report on passages that the reported model has not seen, and write."""
    settings = Settings(generator=generator)
    chosen = build_generator(settings)
    rows = risk_rows(data, limit, seed)
    drafted = [
        outcome
        for outcome in _counted(draft_outcomes(rows, chosen, build_embedder(settings)), len(rows))
        # What is joined or implied ("reader:joined") has a risk of its own, which is unknown.
        if not outcome.draft.abstained and not outcome.draft.model.startswith(f"{chosen.name}:")
    ]
    drafted += [outcome for path in also or () for outcome in _searched(path)]
    name = chosen.name
    report = _report(drafted, name)
    content = _existing(out)
    content["generators"][name] = _fitted(drafted) | {
        "fitted_for": generator_identity(name, settings.models_dir / name),
        "rows": len(drafted),
    }
    RiskModel.parse(content)
    _write(out, RISK, content, {"report": {name: report}})
    typer.echo(json.dumps({"generator": name, "rows": len(rows), **report}))


def _searched(path: Path) -> Iterator[LabelledDraft]:
    """The answers of a file of ``benchmarks gate``; each is of a group of its own."""
    for row in read_rows(path):
        # What has another risk than the reader's spans has no margin of its own.
        if not row["abstained"] and row["features"].get("margin", -math.inf) > -math.inf:
            told = {"source": path.name, "group": f"{path.name}/{row['id']}"}
            yield LabelledDraft(told, (), Draft((), (), "reader"), row["features"], row["wrong"])


def _counted(outcomes: Iterator[LabelledDraft], total: int) -> Iterator[LabelledDraft]:
    for number, outcome in enumerate(outcomes, start=1):
        if number % 500 == 0:
            typer.echo(f"{number} of {total} questions drafted", err=True)
        yield outcome


def _fitted(drafted: list[LabelledDraft]) -> dict[str, Any]:
    rows = Counter(str(outcome.row["source"]) for outcome in drafted)
    return fit_model(
        [outcome.features for outcome in drafted],
        np.array([outcome.wrong for outcome in drafted]),
        [str(outcome.row["group"]) for outcome in drafted],
        np.array([rows[str(o.row["source"])] ** (SOURCE_POWER - 1) for o in drafted]),
    )


def _report(drafted: list[LabelledDraft], generator: str) -> dict[str, Any]:
    """Measures on every fifth passage, of a model fitted on the others."""
    groups = sorted({str(outcome.row["group"]) for outcome in drafted})
    kept = set(groups[::TEST_SHARE])
    fitted = _fitted([outcome for outcome in drafted if outcome.row["group"] not in kept])
    model = RiskModel.parse({"format": FORMAT, "generators": {generator: fitted}})
    tested = [outcome for outcome in drafted if outcome.row["group"] in kept]
    scores = [model.risk(generator, outcome.features) for outcome in tested]
    wrong = [outcome.wrong for outcome in tested]
    found = {
        "auroc": auroc(scores, wrong),
        "ece": calibration_error(scores, wrong),
        "brier": brier(scores, wrong),
        "aurc": risk_coverage(scores, wrong).aurc,
        "wrong": sum(wrong) / len(wrong),
    }
    rounded = {key: value if value is None else round(value, 4) for key, value in found.items()}
    return {"answers": len(drafted), "tested": len(tested), **rounded}


@app.command(name="certify")
def certify_public(
    outcomes: Annotated[list[Path], typer.Option(help="Rows of --whole (repeatable).")],
    given: Annotated[
        list[Path] | None, typer.Option(help="Rows of sets whose passages were given (repeatable).")
    ] = None,
    out: Out = Path("models/risk"),
    generator: Annotated[str, typer.Option(help="The generator that wrote them.")] = "reader",
    alpha: float = 0.05,
    delta: float = 0.05,
) -> None:
    """Write the provisional certificate from outcomes on public data, one file for each set.

    Its threshold is the largest at which no set has more than ``alpha`` wrong among what is
    released, at which the upper bound of no set's share is over ``LAXEST`` (a set without a wrong
    one may be small), and which all sets together certify. ``given`` sets are larger and easier:
    the threshold must hold on them as well. Where there is none the old certificate is removed: a
    new installation then releases nothing.
    """
    content = _existing(out)
    sets = [_labels(path) for path in outcomes]
    sets += [_labels(path, whole=False) for path in given or ()]
    cap = worst_threshold(sets, alpha, delta)
    model = RiskModel.parse(content)
    identity = generator_identity(generator, Settings().models_dir / generator)
    result = certify(
        [label for labels in sets for label in labels if label.score <= cap],
        alpha,
        delta,
        start=max(cap, 0.0),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        collection="public data",
        risk_class="standard",
        lineage={"generator": identity, "risk_sha256": model.sha256},
        provisional=True,
    )
    if not isinstance(result, Certificate):
        _remove(out, CERTIFICATE)
        typer.echo(f"{result.message} There is no provisional certificate now.", err=True)
        raise typer.Exit(1)
    everything = sum(map(len, sets))
    result = replace(result, labels=everything, released_share=result.n / everything)
    _write(out, CERTIFICATE, result.to_json(), {})
    typer.echo(json.dumps(result.to_json()))


def _labels(path: Path, *, whole: bool = True) -> list[Label]:
    """The answers of a file that the gate decides on.

    Raises ``Invalid`` for a set that is easier than what the certificate will meet.
    """
    rows = list(read_rows(path))
    if whole and not all(row.get("searched") for row in rows):
        raise Invalid(f"{path.name}: its passages were given; ask with --whole or --examples.")
    if whole and 2 * sum(not row["answerable"] for row in rows) < len(rows):
        raise Invalid(f"{path.name}: less than half of its questions have no answer.")
    return [
        Label(float(row["score"]), bool(row["wrong"]))
        for row in rows
        if not row.get("abstained") and not row.get("held")
    ]


def worst_threshold(sets: Sequence[Sequence[Label]], alpha: float, delta: float) -> float:
    """The largest risk at which every set keeps ``alpha`` and ``LAXEST``; -1 for none."""
    for level in sorted({level_of(label.score) for labels in sets for label in labels})[::-1]:
        counts = [_released(labels, level) for labels in sets]
        if all(_keeps(wrong, n, alpha, delta) for wrong, n in counts):
            return level / GRID
    return -1.0


def _released(labels: Sequence[Label], level: int) -> tuple[int, int]:
    """(wrong ones, all) of the labels that ``level`` releases."""
    chosen = [label.wrong for label in labels if level_of(label.score) <= level]
    return sum(chosen), len(chosen)


def _keeps(wrong: int, n: int, alpha: float, delta: float) -> bool:
    return not wrong or (wrong <= alpha * n and upper_limit(wrong, n, delta) <= LAXEST)


def _existing(folder: Path) -> dict[str, Any]:
    """What the folder's risk model says of other generators."""
    path = folder / RISK
    if not path.is_file():
        return {"format": FORMAT, "generators": {}}
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content


def _write(folder: Path, name: str, content: dict[str, Any], facts: dict[str, Any]) -> None:
    """Write one file and renew the manifest; a new risk model voids the certificate beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    if name == RISK:
        (folder / CERTIFICATE).unlink(missing_ok=True)
    _renew_manifest(folder, facts)


def _remove(folder: Path, name: str) -> None:
    if (folder / name).is_file():
        (folder / name).unlink()
        _renew_manifest(folder, {})


def _renew_manifest(folder: Path, facts: dict[str, Any]) -> None:
    path = folder / MANIFEST
    manifest = json.loads(path.read_text("utf-8")) if path.is_file() else {"name": "risk"}
    for key, value in facts.items():
        manifest[key] = manifest.get(key, {}) | value
    present = [file for file in (RISK, CERTIFICATE) if (folder / file).is_file()]
    manifest["files"] = {file: sha256_file(folder / file) for file in present}
    path.write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    app()
