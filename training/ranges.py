"""How large each channel of the reader's activations becomes: int8 loses less when it is known.

Run as:
    python -m training.ranges --data DATA --model models/reader

A few channels of what a normalisation gives are ten times as large as the others, and one scale
for all of them leaves the others few of the 256 steps. The largest values over some training texts
are written beside the weights; the graph divides by them and multiplies the weights (Xiao et al.,
2023: SmoothQuant).
"""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer
from safetensors.torch import save_file
from torch import Tensor, nn

from app.files import read_rows
from app.inference.embedder import load_tokenizer
from app.inference.networks.pair_model import PairModel, load_pair_model
from app.inference.networks.pair_tensors import RANGES_PREFIX, READER_HEADS
from app.inference.networks.weights import MANIFEST, WEIGHTS, load_tensors
from app.inference.reader import SEPARATOR, load_tuning
from training.data import title_of
from training.reader import seal

TEXTS = 24
"""Of so many the largest values hardly grow any more."""


def measure_ranges(model: PairModel, pairs: Sequence[tuple[str, str]]) -> dict[str, Tensor]:
    """The largest absolute value of each channel [H] that a normalisation gives, by its name."""
    found: dict[str, Tensor] = {}

    def note(name: str, states: Tensor) -> None:
        largest = states.detach().abs().amax((0, 1))
        found[name] = torch.maximum(found[name], largest) if name in found else largest

    hooks = [
        module.register_forward_hook(lambda _module, _inputs, out, name=name: note(name, out))
        for name, module in model.encoder.named_modules()
        if isinstance(module, nn.LayerNorm)
    ]
    tokenizer = load_tokenizer()
    for pair in pairs:
        encoded = tokenizer.encode(*pair)
        columns = (encoded.ids, encoded.attention_mask, encoded.type_ids)
        with torch.inference_mode():
            model(*(torch.tensor([column]) for column in columns))
    for hook in hooks:
        hook.remove()
    return found


def write_ranges(folder: Path, pairs: Sequence[tuple[str, str]]) -> None:
    """Measure the reader of ``folder`` over ``pairs`` and write the ranges beside its weights."""
    ranges = measure_ranges(load_pair_model(folder, READER_HEADS), pairs)
    tensors = load_tensors(folder / WEIGHTS) | {
        f"{RANGES_PREFIX}{name}": tensor for name, tensor in ranges.items()
    }
    figures = json.loads((folder / MANIFEST).read_text("utf-8"))["training"]
    tuning = load_tuning(folder)
    save_file({k: t.half().contiguous() for k, t in tensors.items()}, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)
    seal(folder, tuning, figures)


def main(
    data: Annotated[Path, typer.Option(help="folder with train/qa")],
    model: Annotated[Path, typer.Option(help="model folder to change")] = Path("models/reader"),
    seed: int = 0,
) -> None:
    """Measure over random training questions and their passages."""
    rows = read_rows(data / "train/qa/passages.jsonl.gz")
    passages = {row["passage_id"]: row for row in rows}
    asked = [row for row in read_rows(data / "train/qa/questions.jsonl.gz") if row["answerable"]]
    chosen = random.Random(seed).sample(asked, TEXTS)
    pairs = [
        (f"{row['question']} {SEPARATOR} {title_of(passage)}", passage["text"])
        for row in chosen
        for passage in [passages[row["passage_ids"][0]]]
    ]
    write_ranges(model, pairs)


if __name__ == "__main__":
    typer.run(main)
