"""How large each channel of an encoder's activations becomes: int8 loses less when it is known.

Run as:
    python -m training.ranges reader --data DATA --model models/reader
    python -m training.ranges embedder --data DATA --out models/embedder-ranges

A few channels of what a normalisation gives are ten times as large as the others, and one scale
for all of them leaves the others few of the 256 steps. The largest values over some training texts
are written beside the reader's weights, and into a folder of their own for the packaged embedder;
the graph divides by them and multiplies the weights (Xiao et al., 2023: SmoothQuant).
"""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor, nn

from app.files import read_rows
from app.inference.embedder import load_tokenizer
from app.inference.networks.pair_model import PairModel, load_pair_model, new_pair_model
from app.inference.networks.pair_tensors import RANGES_PREFIX, READER_HEADS
from app.inference.networks.weights import BASE_NAME, WEIGHTS, load_tensors
from app.inference.reader import SEPARATOR, load_tuning
from training.data import title_of
from training.model_folder import base_of, training_figures, write_manifest, write_weights
from training.reader import seal_reader

TEXTS = 24
"""Of so many the largest values hardly grow any more."""

Data = Annotated[Path, typer.Option(help="folder with train/qa")]
cli = typer.Typer(no_args_is_help=True)


def measure_ranges(
    model: nn.Module, norms: Mapping[str, nn.Module], texts: Sequence[tuple[str, str | None]]
) -> dict[str, Tensor]:
    """The largest absolute value of each channel [H] that each of ``norms`` gives, named as in a
    file, over ``texts``, each with another or alone."""
    found: dict[str, Tensor] = {}

    def note(name: str, states: Tensor) -> None:
        largest = states.detach().float().abs().amax((0, 1))
        found[name] = torch.maximum(found[name], largest) if name in found else largest

    hooks = [
        module.register_forward_hook(lambda _module, _inputs, out, name=name: note(name, out))
        for name, module in norms.items()
    ]
    tokenizer = load_tokenizer()
    for text, pair in texts:
        encoded = tokenizer.encode(text, pair)
        columns = (encoded.ids, encoded.attention_mask, encoded.type_ids)
        with torch.inference_mode():
            model(*(torch.tensor([column]) for column in columns))
    for hook in hooks:
        hook.remove()
    return {f"{RANGES_PREFIX}{name}": tensor for name, tensor in found.items()}


def _norms(model: PairModel) -> dict[str, nn.Module]:
    return {n: m for n, m in model.encoder.named_modules() if isinstance(m, nn.LayerNorm)}


def texts_of(data: Path, rng: random.Random, count: int) -> list[tuple[str, str]]:
    """Random training questions with their titles, each with its passage."""
    rows = read_rows(data / "train/qa/passages.jsonl.gz")
    passages = {row["passage_id"]: row for row in rows}
    asked = [row for row in read_rows(data / "train/qa/questions.jsonl.gz") if row["answerable"]]
    return [
        (f"{row['question']} {SEPARATOR} {title_of(passage)}", passage["text"])
        for row in rng.sample(asked, count)
        for passage in [passages[row["passage_ids"][0]]]
    ]


def write_ranges(folder: Path, pairs: Sequence[tuple[str, str | None]]) -> None:
    """Measure the reader of ``folder`` over ``pairs`` and write the ranges beside its weights."""
    model = load_pair_model(folder, READER_HEADS)
    ranges = measure_ranges(model, _norms(model), pairs)
    write_weights(folder, load_tensors(folder / WEIGHTS) | ranges)
    seal_reader(folder, load_tuning(folder), training_figures(folder))


def write_embedder_ranges(folder: Path, texts: Sequence[str]) -> None:
    """Measure the packaged embedder over ``texts`` and write its ranges, and nothing else, into
    ``folder``."""
    encoder = new_pair_model(READER_HEADS).eval()
    ranges = measure_ranges(encoder, _norms(encoder), [(one, None) for one in texts])
    write_weights(folder, ranges)
    write_manifest(folder, folder.name, {"texts": len(texts)}, (WEIGHTS,))


@cli.command()
def reader(
    data: Data,
    model: Annotated[Path, typer.Option(help="model folder to change")] = Path("models/reader"),
    seed: int = 0,
) -> None:
    """Measure over random training questions and their passages."""
    if base_of(model) != BASE_NAME:
        raise typer.BadParameter(f"{model} is a larger reader: `training.larger export` does it.")
    write_ranges(model, texts_of(data, random.Random(seed), TEXTS))


@cli.command()
def embedder(
    data: Data,
    out: Annotated[Path, typer.Option(help="folder to write")] = Path("models/embedder-ranges"),
    seed: int = 0,
) -> None:
    """Measure over random training passages with their titles."""
    rows = list(read_rows(data / "train/qa/passages.jsonl.gz"))
    chosen = random.Random(seed).sample(rows, TEXTS)
    write_embedder_ranges(out, [f"{title_of(row)}\n{row['text']}" for row in chosen])


if __name__ == "__main__":
    cli()
