"""Train the small generator: MiniLM as encoder, a short decoder with a pointer.

Run as:
    python -m training.generator train --data DATA --encoder models/reader --minutes 90
    python -m training.generator train --data DATA --decoder-layers 6 --minutes 20   # on a GPU
    python -m training.generator lora --model FOLDER --data DATA --out FOLDER

As in the reader's training, everything follows the clock, so that any budget ends with a
finished model. Four phases, each a share of the budget: denoising (the decoder learns to copy
and to write), answering from short windows, then from longer ones, then whole passages. The
encoder, which begins as the reader's, stays frozen at first: its backward pass is two thirds
of the cost.
"""

import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor

from app.inference.embedder import load_tokenizer
from app.inference.networks.seq2seq_model import (
    CLOSE,
    CLS,
    NO_ANSWER,
    OPEN,
    SEP,
    Seq2SeqModel,
    new_seq2seq_model,
)
from app.inference.networks.weights import WEIGHTS, load_tensors
from training.data import FusedData, FusedExample, load_fused_data, shuffled
from training.lora import lora
from training.model_folder import seal, write_weights
from training.runs import Meter

MASK = 103
STATEMENT_WEIGHT = 0.3
"""What a token of the sentence around the answer weighs in the loss; the answer's own weigh 1."""

PASSAGE_COUNTS = {1: 0.4, 2: 0.15, 3: 0.25, 5: 0.2}
"""How many passages a batch's questions have, and how often."""

WITHOUT_GOLD = 0.15
"""Share of the answerable questions that are asked over distractors alone."""


@dataclass(frozen=True)
class Phase:
    """``until`` is a share of the budget; ``window`` the most tokens of a passage."""

    until: float
    window: int
    denoise: bool = False


PHASES = (Phase(0.05, 96, denoise=True), Phase(0.45, 72), Phase(0.8, 128), Phase(1.0, 256))


@dataclass(frozen=True)
class Item:
    """One example made concrete: rows of (question + passage) ids, and what to write.

    ``places`` holds for each target token the (row, index) pairs it may be copied from.
    """

    rows: list[list[int]]
    offsets: list[int]
    targets: list[int]
    weights: list[float]
    places: list[list[tuple[int, int]]]


@dataclass(frozen=True)
class Batch:
    """``input_ids``, ``attention_mask``, ``token_type_ids`` [B, K, L]; ``tokens`` (what the
    decoder sees), ``targets`` and ``weights`` [B, T]; ``copies`` [B, T, K * L]."""

    input_ids: Tensor
    attention_mask: Tensor
    token_type_ids: Tensor
    tokens: Tensor
    targets: Tensor
    weights: Tensor
    copies: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The batch on ``device``."""
        return Batch(*(tensor.to(device) for tensor in vars(self).values()))


def answer_item(
    example: FusedExample, data: FusedData, count: int, window: int, rng: random.Random
) -> Item:
    """``example`` over ``count`` passages in random order, each cut to ``window`` tokens."""
    others = _others(example, data, count, rng)
    has_gold = example.answer is not None
    if has_gold and len(others) >= count and rng.random() < WITHOUT_GOLD:
        has_gold = False
        chosen = others[:count]
    else:
        chosen = [example.gold, *others[: count - 1]]
    rng.shuffle(chosen)
    rows, offset, shift = [], len(example.question) + 2, 0
    for key in chosen:
        span = example.answer.span if has_gold and example.answer and key == example.gold else None
        start = _window_start(len(data.passages[key]), span, window, rng)
        if key == example.gold:
            shift = start
        passage = data.passages[key][start : start + window]
        rows.append([CLS, *example.question, SEP, *passage, SEP])
    if not has_gold or example.answer is None:
        return Item(rows, [offset] * count, [NO_ANSWER, SEP], [1.0, 1.0], [[], []])
    targets, weights, places = _targets(example, rows, chosen.index(example.gold), offset - shift)
    return Item(rows, [offset] * count, targets, weights, places)


def _others(example: FusedExample, data: FusedData, count: int, rng: random.Random) -> list[str]:
    others = rng.sample(example.distractors, len(example.distractors))
    pool = data.by_source[example.source]
    if len(pool) < 2:
        pool = list(data.passages)
    while len(others) < count:
        if (key := rng.choice(pool)) != example.gold:
            others.append(key)
    return others


def _window_start(
    length: int, span: tuple[int, int] | None, window: int, rng: random.Random
) -> int:
    """Where a window of a passage begins: anywhere, as long as it holds the whole span."""
    spare = length - window
    if spare <= 0:
        return 0
    if span is None:
        return rng.randint(0, spare)
    first = max(0, span[1] + 1 - window)
    return rng.randint(min(first, spare), max(first, min(span[0], spare)))


def _targets(
    example: FusedExample, rows: list[list[int]], gold: int, shift: int
) -> tuple[list[int], list[float], list[list[tuple[int, int]]]]:
    """Target ids, weights and copy places; a span is copied from exactly where it stands."""
    answer = example.answer
    assert answer is not None
    question = {(0, 1 + n): token for n, token in enumerate(example.question)}
    passage = {(gold, n): token for n, token in enumerate(rows[gold]) if n > len(example.question)}

    def anywhere(token: int) -> list[tuple[int, int]]:
        return [place for place, found in (question | passage).items() if found == token]

    if answer.span is None:
        short = [anywhere(token) for token in answer.short]
    else:
        short = [[(gold, answer.span[0] + shift + n)] for n in range(len(answer.short))]
    before = [anywhere(token) for token in answer.before]
    after = [anywhere(token) for token in answer.after]
    targets = [*answer.before, OPEN, *answer.short, CLOSE, *answer.after, SEP]
    around = [STATEMENT_WEIGHT] * len(before), [STATEMENT_WEIGHT] * len(after)
    weights = [*around[0], *([1.0] * (len(short) + 2)), *around[1], STATEMENT_WEIGHT]
    return targets, weights, [*before, [], *short, [], *after, []]


def denoise_item(passage: Sequence[int], window: int, rng: random.Random) -> Item:
    """Rebuild a passage around a hidden span: copy what stands there, write what is missing."""
    start = rng.randint(0, max(0, len(passage) - window))
    text = list(passage[start : start + window])
    hidden = rng.randint(1, min(6, max(1, len(text) // 4)))
    at = rng.randint(0, len(text) - hidden)
    first, last = max(0, at - 6), min(len(text), at + hidden + 6)
    row = [CLS, SEP, *text[:at], MASK, *text[at + hidden :], SEP]
    places: list[list[tuple[int, int]]] = []
    for index in range(first, last):
        if index < at:
            places.append([(0, index + 2)])
        elif index < at + hidden:
            places.append([])
        else:
            places.append([(0, index + 3 - hidden)])
    return Item([row], [2], [*text[first:last], SEP], [1.0] * (last - first + 1), [*places, []])


def collate(items: list[Item]) -> Batch:
    """Pad to the longest row and target; widths are multiples of 16 (kernels cache shapes)."""
    count = len(items[0].rows)
    length = -(-max(len(row) for item in items for row in item.rows) // 16) * 16
    steps = -(-max(len(item.targets) for item in items) // 8) * 8
    input_ids = np.zeros((len(items), count, length), np.int64)
    attention, types = np.zeros_like(input_ids), np.zeros_like(input_ids)
    tokens, targets = np.zeros((2, len(items), steps), np.int64)
    weights = np.zeros((len(items), steps), np.float32)
    copies = np.zeros((len(items), steps, count * length), np.bool_)
    for n, item in enumerate(items):
        for k, (row, offset) in enumerate(zip(item.rows, item.offsets, strict=True)):
            input_ids[n, k, : len(row)] = row
            attention[n, k, : len(row)] = 1
            types[n, k, offset : len(row)] = 1
        written = len(item.targets)
        tokens[n, :written] = [CLS, *item.targets[:-1]]
        targets[n, :written] = item.targets
        weights[n, :written] = item.weights
        for t, places in enumerate(item.places):
            for k, index in places:
                copies[n, t, k * length + index] = True
    arrays = (input_ids, attention, types, tokens, targets, weights, copies)
    return Batch(*map(torch.from_numpy, arrays))


def items_for(
    data: FusedData, phase: Phase, tokens_per_batch: int, stream: Iterator[int], rng: random.Random
) -> list[Item]:
    """One batch of items with the same number of passages, about ``tokens_per_batch`` tokens."""
    if phase.denoise:
        keys = rng.choices(list(data.passages), k=tokens_per_batch // phase.window)
        return [denoise_item(data.passages[key], phase.window, rng) for key in keys]
    count = rng.choices(list(PASSAGE_COUNTS), list(PASSAGE_COUNTS.values()))[0]
    size = max(2, tokens_per_batch // (count * (phase.window + 16)))
    examples = [data.examples[next(stream)] for _ in range(size)]
    return [answer_item(example, data, count, phase.window, rng) for example in examples]


def loss_of(model: Seq2SeqModel, batch: Batch, frozen: bool) -> Tensor:
    """Weighted negative log-likelihood of the targets under pointer and vocabulary."""
    with torch.set_grad_enabled(not frozen):
        reading = model.read(batch.input_ids, batch.attention_mask, batch.token_type_ids)
    written = batch.weights > 0
    log_probs = model.target_log_probs(reading, batch.tokens, batch.targets, batch.copies, written)
    weights = batch.weights[written]
    return -(log_probs * weights).sum() / weights.sum()


@dataclass(frozen=True)
class Plan:
    """How to train; rates are peaks, ``unfreeze`` is a share of the budget."""

    minutes: float
    learning_rate: float
    encoder_rate: float
    unfreeze: float
    tokens_per_batch: int
    seed: int


def train(
    model: Seq2SeqModel, data: FusedData, plan: Plan, out: Path, device: torch.device
) -> dict[str, float]:
    """Train by the clock; saves to ``out`` every tenth of the budget; returns figures."""
    rng = random.Random(plan.seed)
    stream = shuffled(len(data.examples), rng)
    groups = _groups(model, plan)
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    began = time.monotonic()
    meter, saves, step = Meter(), 0, 0
    model.train()
    while (progress := (time.monotonic() - began) / (plan.minutes * 60)) < 1:
        phase = next(phase for phase in PHASES if progress <= phase.until)
        factor = min(1.0, (step + 1) / 150) * max(0.02, 1 - progress)
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        batch = collate(items_for(data, phase, plan.tokens_per_batch, stream, rng))
        with torch.autocast(device.type, torch.bfloat16):
            loss = loss_of(model, batch.to(device), frozen=progress < plan.unfreeze)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_((p for g in groups for p in g["params"]), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        read = int(batch.attention_mask.sum()) + int((batch.weights > 0).sum())
        meter.add(len(batch.targets), read, loss=loss.item())
        step += 1
        if step % 50 == 0:
            elapsed = time.monotonic() - began
            typer.echo(f"step {step} progress {progress:.3f} {meter.line(elapsed)}")
        if int(progress * 10) > saves:
            saves = int(progress * 10)
            save(model, out, meter.figures(time.monotonic() - began))
    return meter.figures(time.monotonic() - began)


def _groups(model: Seq2SeqModel, plan: Plan) -> list[dict[str, Any]]:
    encoder = [p for p in model.encoder.parameters() if p.requires_grad]
    known = {id(p) for p in model.encoder.parameters()}
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
    return [
        {"params": rest, "peak": plan.learning_rate},
        {"params": encoder, "peak": plan.encoder_rate},
    ]


def save(model: Seq2SeqModel, out: Path, figures: dict[str, float]) -> None:
    """Write the trained tensors, the config and the manifest."""
    write_weights(out, model.trained_state())
    seal(out, "seq2seq", {"decoder_layers": model.config.decoder_layers}, figures)


def start_from(model: Seq2SeqModel, encoder: Path | None, init: Path | None) -> None:
    """Load a reader's encoder, or all tensors of an earlier generator."""
    if encoder is not None:
        tensors = load_tensors(encoder / WEIGHTS)
        kept = {k: v for k, v in tensors.items() if k.startswith("encoder.")}
        unexpected = model.load_state_dict(kept, strict=False).unexpected_keys
        if unexpected or not kept:
            raise typer.BadParameter(f"{encoder} holds no encoder of this size")
    if init is not None:
        model.load_state_dict(load_tensors(init / WEIGHTS), strict=False)


app = typer.Typer(help="Train the generator.", no_args_is_help=True)


@app.command("train")
def main(
    data: Annotated[Path, typer.Option(help="folder with train/qa")],
    out: Annotated[Path, typer.Option(help="model folder to write")] = Path("models/seq2seq"),
    minutes: Annotated[float, typer.Option(help="training budget, wall clock")] = 60.0,
    encoder: Annotated[Path | None, typer.Option(help="begin with this reader's encoder")] = None,
    init: Annotated[Path | None, typer.Option(help="begin with this generator")] = None,
    decoder_layers: Annotated[int, typer.Option(min=1, max=6)] = 3,
    learning_rate: float = 5e-4,
    encoder_rate: float = 1e-4,
    unfreeze: Annotated[float, typer.Option(help="share of the budget, 1 = never")] = 0.5,
    tokens_per_batch: int = 6_000,
    seed: int = 7,
) -> None:
    """Fine-tune the encoder-decoder with a pointer."""
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = new_seq2seq_model(decoder_layers, "eager" if device.type == "cpu" else "sdpa")
    start_from(model, encoder, init)
    fused = load_fused_data(data, load_tokenizer(), seed)
    typer.echo(f"{len(fused.examples)} examples, {len(fused.passages)} passages")
    plan = Plan(minutes, learning_rate, encoder_rate, unfreeze, tokens_per_batch, seed)
    model.to(device)  # type: ignore[arg-type]
    figures = train(model, fused, plan, out, device)
    save(model, out, figures)
    typer.echo(json.dumps(figures))


app.command("lora")(lora)


if __name__ == "__main__":
    app()
