"""How well a screen tells what it looks for from the rest, at its shipped threshold."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.backends import build_embedder
from app.errors import Invalid
from app.files import read_rows
from app.inference.classifiers import Screens
from app.settings import Settings
from benchmarks.metrics import rounded, share
from guardrails.calibration import auroc
from guardrails.checks.screens import TOPICS, FirstTier
from guardrails.policy.load import load_policy

SCORES = {
    "injection": ("injection",),
    "scope": ("out_of_scope",),
    "advice": tuple(TOPICS),
    "toxicity": ("toxicity",),
}
"""The scores that belong to a screen's name; the strongest counts."""
POSITIVE = {
    "injection": {"attack", "harmful", "injection", "jailbreak", "unsafe"},
    "scope": {"out_of_scope"},
    "advice": {"advice", *TOPICS},
    "toxicity": {"offensive", "hateful", "toxic"},
}
"""Labels of rows that the screen should find; all others are honest to it."""


def measure_screen(name: str, files: Sequence[Path]) -> dict[str, Any]:
    """recall, false_positive_rate, auroc and n over the rows {text, label} of all ``files``.

    Patterns and head count together, as shipped. A rate without rows is None. ``*_head`` are
    the head's alone. Raises ``Invalid`` for an unknown name.
    """
    if name not in SCORES:
        raise Invalid(f"There is no screen {name!r}; there are: {', '.join(SCORES)}.")
    rows = [row for file in files for row in read_rows(file)]
    settings = Settings(embedder="minilm")
    vectors = build_embedder(settings).embed([row["text"] for row in rows])
    screens, policy = Screens(settings.models_dir / "screens"), load_policy()
    first, points = FirstTier(policy), screens.operating_points()
    scores, found, caught = [], [], []
    for row, vector in zip(rows, vectors, strict=True):
        all_scores = screens.scores(row["text"], vector)
        own = {score: all_scores[score] for score in SCORES[name]}
        caught.append(any(first.catches(score, row["text"]) for score in own))
        found.append(any(value >= points[score] for score, value in own.items()))
        scores.append(max(own.values()))
    positive = np.array([row["label"] in POSITIVE[name] for row in rows], bool)
    return _figures(positive, np.array(scores), np.array(found, bool), np.array(caught, bool))


def _figures(
    positive: NDArray[np.bool_],
    scores: NDArray[np.float64],
    found: NDArray[np.bool_],
    caught: NDArray[np.bool_],
) -> dict[str, Any]:
    both = found | caught
    return {
        "recall": share(int(both[positive].sum()), int(positive.sum())),
        "false_positive_rate": share(int(both[~positive].sum()), int((~positive).sum())),
        # What a pattern finds stands above whatever the head thinks of it.
        "auroc": rounded(auroc(scores + caught, positive)),
        "recall_head": share(int(found[positive].sum()), int(positive.sum())),
        "false_positive_rate_head": share(int(found[~positive].sum()), int((~positive).sum())),
        "auroc_head": rounded(auroc(scores, positive)),
        "n": len(positive),
    }
