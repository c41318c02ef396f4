"""A trained model as a folder: its weights, and the manifest that vouches for its files.

The mean of two trainings' weights does better on unseen kinds of text than either. The second
must have gone on from the first (Wortsman et al., 2022: robust fine-tuning by weight averaging);
means of unrelated weights are useless.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from app.files import sha256_file
from app.inference.networks.weights import BASE_NAME, MANIFEST, WEIGHTS, load_tensors

CONFIG = "config.json"


def write_weights(out: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write ``tensors`` in float16; the folder is made where there is none."""
    out.mkdir(parents=True, exist_ok=True)
    halves = {name: t.detach().cpu().half().contiguous() for name, t in tensors.items()}
    save_file(halves, out / WEIGHTS)
    (out / WEIGHTS).chmod(0o644)


def seal(
    out: Path,
    name: str,
    config: Mapping[str, Any],
    training: Mapping[str, Any],
    base: str = BASE_NAME,
) -> None:
    """Write the config, and the manifest of config and weights."""
    (out / CONFIG).write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    write_manifest(out, name, training, (CONFIG, WEIGHTS), base)


def write_manifest(
    out: Path, name: str, training: Mapping[str, Any], files: Iterable[str], base: str = BASE_NAME
) -> None:
    """Write the manifest with the SHA-256 of ``files``; ``training`` are figures of the run."""
    manifest = {
        "name": name,
        "base": base,
        "training": training,
        "files": {file: sha256_file(out / file) for file in files},
    }
    (out / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")


def training_figures(folder: Path) -> Any:
    """What the manifest says of the run that made the model."""
    return json.loads((folder / MANIFEST).read_text("utf-8"))["training"]


def base_of(folder: Path) -> str:
    """What the model was fine-tuned from."""
    return str(json.loads((folder / MANIFEST).read_text("utf-8"))["base"])


def mean_weights(first: Path, second: Path, share: float) -> dict[str, Tensor]:
    """The mean of the tensors of both model folders; the second counts ``share``.

    A head that the first was never trained for (missing, or all zeros) comes from the second.
    """
    one, two = load_tensors(first / WEIGHTS), load_tensors(second / WEIGHTS)
    return {
        name: one[name].lerp(tensor, share) if name in one and one[name].any() else tensor
        for name, tensor in two.items()
    }


def write_mean(first: Path, second: Path, out: Path, share: float = 0.5) -> dict[str, float]:
    """Write ``mean_weights`` into ``out``; returns how many examples and tokens both saw."""
    write_weights(out, mean_weights(first, second, share))
    runs = [training_figures(folder) for folder in (first, second)]
    return {key: sum(run[key] for run in runs) for key in ("examples", "tokens")}
