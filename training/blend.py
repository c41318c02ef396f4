"""The mean of two trainings' weights: it does better on unseen kinds of text than either.

The second must have gone on from the first (Wortsman et al., 2022: robust fine-tuning by weight
averaging); means of unrelated weights are useless.
"""

import json
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from app.inference.networks.weights import MANIFEST, WEIGHTS, load_tensors


def mean_weights(first: Path, second: Path, share: float = 0.5) -> dict[str, Tensor]:
    """The mean of the tensors of both model folders, float16; the second counts ``share``.

    A head that the first was never trained for (missing, or all zeros) comes from the second.
    """
    one, two = load_tensors(first / WEIGHTS), load_tensors(second / WEIGHTS)
    return {
        name: (one[name].lerp(tensor, share) if name in one and one[name].any() else tensor)
        .half()
        .contiguous()
        for name, tensor in two.items()
    }


def write_mean(first: Path, second: Path, out: Path, share: float = 0.5) -> dict[str, float]:
    """Write ``mean_weights`` into ``out``; returns how many examples and tokens both saw."""
    tensors = mean_weights(first, second, share)
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out / WEIGHTS)
    (out / WEIGHTS).chmod(0o644)
    runs = [
        json.loads((folder / MANIFEST).read_text("utf-8"))["training"] for folder in (first, second)
    ]
    return {key: sum(run[key] for run in runs) for key in ("examples", "tokens")}
