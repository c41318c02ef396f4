"""How good a generator's answers are when it is given the contexts."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.deadline import Deadline
from app.files import read_rows
from app.inference.reader import SpanReader
from app.ports import DraftRequest
from app.settings import Settings
from app.wiring import build_generator
from benchmarks.metrics import exact_match, f1, percent, percentile
from guardrails.contract import Draft, Passage

MARGINS = [step / 2 for step in range(-16, 17)]


def measure_answers(questions: Path, generator: str, limit: int | None = None) -> dict[str, Any]:
    """Draft an answer for each row {question, contexts, answers, answerable} and score it.

    A draft is scored by its short form where it has one. An unanswerable question counts 100
    when the generator abstains and 0 when it does not.
    """
    rows = list(read_rows(questions))[:limit]
    settings = Settings(generator=generator)
    chosen = build_generator(settings)
    chosen.warm_up()
    scores, milliseconds = [], []
    for row in rows:
        request = _request(row)
        began = time.perf_counter()
        draft = chosen.draft([request])[0]
        milliseconds.append((time.perf_counter() - began) * 1000)
        scores.append(_score(draft, row))
    return _summary(rows, scores, milliseconds)


def answer_text(draft: Draft) -> str:
    """What is scored: the extracted span, or the sentences without their markers."""
    return draft.short or " ".join(sentence.text for sentence in draft.sentences)


def _request(row: dict[str, Any]) -> DraftRequest:
    return DraftRequest(row["question"], _passages(row), Deadline(600))


def _passages(row: dict[str, Any]) -> tuple[Passage, ...]:
    return tuple(
        Passage(f"p{n}", f"d{n}", "benchmark", str(row.get("title") or ""), text, 0, len(text))
        for n, text in enumerate(row["contexts"])
        if text.strip()
    )


def _score(draft: Draft, row: dict[str, Any]) -> tuple[float, float, bool]:
    """(F1, exact match, abstained), both in [0, 1]."""
    if not row["answerable"]:
        return float(draft.abstained), float(draft.abstained), draft.abstained
    text = answer_text(draft)
    return f1(text, row["answers"]), exact_match(text, row["answers"]), draft.abstained


def _summary(
    rows: list[dict[str, Any]],
    scores: list[tuple[float, float, bool]],
    milliseconds: list[float],
) -> dict[str, Any]:
    answerable = [s for row, s in zip(rows, scores, strict=True) if row["answerable"]]
    unanswerable = [s for row, s in zip(rows, scores, strict=True) if not row["answerable"]]
    abstained = [row for row, s in zip(rows, scores, strict=True) if s[2]]
    right = [row for row in abstained if not row["answerable"]]
    return {
        "f1": percent([s[0] for s in scores]),
        "em": percent([s[1] for s in scores]),
        "f1_answerable": percent([s[0] for s in answerable]),
        "abstain_precision": round(len(right) / len(abstained), 4) if abstained else None,
        "abstain_recall": round(len(right) / len(unanswerable), 4) if unanswerable else None,
        "n": len(rows),
        "ms_p50": round(percentile(milliseconds, 0.5), 1),
        "ms_p95": round(percentile(milliseconds, 0.95), 1),
    }


def sweep_margins(files: Sequence[Path], limit: int | None = None) -> dict[str, Any]:
    """The reader's F1 in percent by file and least margin, and the margin with the best mean."""
    reader = SpanReader(Settings().models_dir / "reader", min_margin=float("-inf"))
    table: dict[str, dict[str, float]] = {}
    for file in files:
        drafted = [(reader.draft([_request(row)])[0], row) for row in list(read_rows(file))[:limit]]
        table[file.name] = {str(least): _f1_at(drafted, least) for least in MARGINS}
    means = {
        least: round(sum(column[str(least)] for column in table.values()) / len(table), 2)
        for least in MARGINS
    }
    return {**table, "mean": means, "best": max(means, key=lambda least: means[least])}


def _f1_at(drafted: Sequence[tuple[Draft, dict[str, Any]]], least: float) -> float:
    scores = []
    for draft, row in drafted:
        kept = draft.features.get("margin", float("-inf")) >= least
        scored = draft if kept else Draft((), (), draft.model)
        scores.append(_score(scored, row)[0])
    return percent(scores)
