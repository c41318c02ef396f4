"""How well the support check tells supported claims from others, and which words it marks."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.errors import Invalid
from app.files import read_rows
from app.inference.support import Shipped, Support, SupportCheck, token_spans
from app.settings import Settings
from benchmarks.metrics import rounded
from guardrails.calibration import auroc

KEYS = {"context": str, "claim": str, "label": str}
"""What a row must hold, and of which type; ``supported`` is the positive label."""
GROUP = 32
"""Rows whose claims share the model's batches."""


FACTORS = (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05)
POWERS = (0.0, 0.5, 1.0, 2.0, 3.0)
THRESHOLDS = np.arange(0.02, 0.99, 0.02)


def measure_support(path: Path, limit: int | None = None) -> dict[str, Any]:
    """Figures of the shipped check on rows {context, claim, label, ...}, first ``limit`` only.

    ``balanced_accuracy`` is at the shipped threshold; it and ``auroc`` are None when all rows
    have one label. ``token_f1`` of the unsupported words, with precision and recall, where rows
    have ``claim_tokens`` and ``non_supported``. Raises ``Invalid`` or ``ModelRefused``.
    """
    rows, check = _rows(path, limit), _shipped_check()
    began = time.perf_counter()
    found = list(_judged(check, rows))
    elapsed = time.perf_counter() - began
    supported = np.array([row["label"] == "supported" for row in rows])
    scores = np.array([support.probability for support in found])
    return {
        "balanced_accuracy": balanced_accuracy(scores >= check.threshold, supported),
        "auroc": rounded(auroc(1 - scores, ~supported)),
        "n": len(rows),
        "supported": int(supported.sum()),
        **_token_figures(rows, found),
        "ms_per_row": round(1000 * elapsed / len(rows), 1),
    }


def choose_numbers(paths: Sequence[Path], limit: int | None = None) -> dict[str, Any]:
    """The threshold, factors and power with the best mean balanced accuracy over ``paths``.

    Of equally good ones (within half a point) the best mean AUROC counts; the shipped
    ``length_power`` stays. Raises ``Invalid``.
    """
    check = _shipped_check()
    measured = []
    for path in paths:
        rows = _rows(path, limit)
        supported = np.array([row["label"] == "supported" for row in rows])
        measured.append((list(_judged(check, rows)), supported))
    tried = [
        _best(measured, Shipped(0.5, number, term, power, 0.0))
        for number in FACTORS
        for term in FACTORS
        for power in POWERS
    ]
    best = max(one["balanced_accuracy"] for one in tried)
    near = [one for one in tried if one["balanced_accuracy"] >= best - 0.005]
    return max(near, key=lambda one: one["auroc"])


def _best(measured: Sequence[tuple[list[Support], Any]], shipped: Shipped) -> dict[str, Any]:
    """The threshold with the best mean balanced accuracy, with the figures of each file."""
    scores = [
        (np.array([shipped.lowered(one.model, one.covered, one.lacks) for one in found]), supported)
        for found, supported in measured
    ]
    means = [
        np.mean([balanced_accuracy(values >= cut, truth) or 0.0 for values, truth in scores])
        for cut in THRESHOLDS
    ]
    cut = float(THRESHOLDS[int(np.argmax(means))])
    areas = [auroc(1 - values, ~truth) or 0.0 for values, truth in scores]
    return {
        "number_factor": shipped.number_factor,
        "term_factor": shipped.term_factor,
        "cover_power": shipped.cover_power,
        "threshold": round(cut, 2),
        "balanced_accuracy": float(max(means)),
        "auroc": float(np.mean(areas)),
        "files": [
            [balanced_accuracy(values >= cut, truth), rounded(area)]
            for (values, truth), area in zip(scores, areas, strict=True)
        ],
    }


def _shipped_check() -> SupportCheck:
    check = SupportCheck(Settings().models_dir / "support")
    check.warm_up()
    return check


def _rows(path: Path, limit: int | None) -> list[Mapping[str, Any]]:
    rows = [_checked(row, path) for row in read_rows(path)][:limit]
    if not rows:
        raise Invalid(f"{path} holds no rows.")
    return rows


def _checked(row: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    for key, kind in KEYS.items():
        if not isinstance(row.get(key), kind):
            raise Invalid(f"{path}: each row needs {key} ({kind.__name__}).")
    return row


def _judged(check: SupportCheck, rows: Sequence[Mapping[str, Any]]) -> Iterator[Support]:
    for first in range(0, len(rows), GROUP):
        group = rows[first : first + GROUP]
        yield from check.claims([(row["claim"], [row["context"]]) for row in group])


def balanced_accuracy(said: Any, supported: Any) -> float | None:
    """The mean of the shares found right among the supported and among the others."""
    if supported.all() or not supported.any():
        return None
    return round(float((said[supported].mean() + (~said)[~supported].mean()) / 2), 4)


def _token_figures(
    rows: Sequence[Mapping[str, Any]], found: Sequence[Support]
) -> dict[str, float | None]:
    """Precision, recall and F1 of the marked words over all rows together."""
    right = marked = wanted = 0
    labelled = False
    for row, support in zip(rows, found, strict=True):
        if "claim_tokens" not in row or "non_supported" not in row:
            continue
        labelled = True
        spans = token_spans(row["claim"], row["claim_tokens"])
        for (start, end), bad in zip(spans, row["non_supported"], strict=True):
            said = any(start < last and first < end for first, last in support.unsupported)
            right, marked, wanted = right + (said and bad), marked + said, wanted + bad
    if not labelled:
        return {}
    return {
        "token_f1": round(2 * right / max(1, marked + wanted), 4),
        "token_precision": round(right / max(1, marked), 4),
        "token_recall": round(right / max(1, wanted), 4),
    }
