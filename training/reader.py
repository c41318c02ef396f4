"""Fine-tune the reader from all-MiniLM-L6-v2: rank passages, point at the answer, know when not.

Run as:
    python -m training.mining --data DATA --out NEGATIVES
    python -m training.reader train --data DATA --negatives NEGATIVES --minutes 90 --out WORK
    python -m training.reader blend --first BEFORE --second models/reader
    python -m training.ranges reader --data DATA                 # after each change of the weights
    python -m benchmarks margin --questions F --questions G      # choose the least margin
    python -m training.reader tune --min-margin 1.5 --answer-weight 1 --relevance-weight 0.5

A step takes groups: a question over the passage that answers it, with the questions that people
wrote to look answerable over the same passage; and, by shares, over passages that the search found
wrongly, over its own passage without the answer's sentence, the question with one word changed
over the passage as it is and with the same words exchanged, and the passage without its subject's
name under the right title and under another one. Made passages of ``training.handbook`` stand
beside them. The learning rate and the passage length follow
the clock, not the step count, so that any budget ends with a finished model: short windows around
the answer first, whole passages last. A run that was stopped goes on when it is started again
with the same ``--state``.
"""

import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Protocol

import torch
import typer
from torch import Tensor
from torch.nn import functional

from app.inference.embedder import load_tokenizer
from app.inference.networks.larger_model import LargerModel
from app.inference.networks.pair_model import PairModel, new_pair_model
from app.inference.networks.pair_tensors import READER_HEADS
from app.inference.networks.weights import BASE_NAME, WEIGHTS, load_tensors
from app.inference.reader import Tuning, load_tuning
from training.companies import Asked, asked_of, rows_of
from training.data import ReaderData, ReaderExample, SpanExample, load_reader_data, shuffled
from training.handbook import made_examples
from training.master_weights import MasterAdamW, adamw
from training.model_folder import base_of, seal, training_figures, write_mean, write_weights
from training.runs import Meter, Progress, load_progress, save_progress

CLS, SEP = 101, 102
IGNORED = -1e4
UNTUNED = Tuning(min_margin=0.0, answer_weight=1.0, relevance_weight=0.0, titles=True)
Phases = Sequence[tuple[float, int]]
PHASES: Phases = ((0.5, 128), (1.0, 224))
"""(share of the budget at which the phase ends, passage tokens during it)"""

TOGETHER = 12
"""Batches that are drawn at once and share their groups by length: less padding."""
NEGATIVES = 2
"""Passages that the search found wrongly, in a group that is ranked."""
RANKED_SHARE = 0.1
"""How many groups are ranked; the others leave more time for pointing at answers."""
ALTERED_SHARE = 0.08
"""How often a group also holds the question with one word changed."""
COUNTERPART_SHARE = 0.08
"""How often it also holds the passage with the same words exchanged, under both questions."""
REMOVED_SHARE = 0.05
"""How often it also holds the passage without the answer's sentence."""
NAMELESS_SHARE = 0.2
"""How often it also holds the passage without its subject's name, under the right title and under
another one; only where the question says the name."""
TITLED_SHARE = 0.7
"""How many groups are told the titles of their passages."""
PLAIN_SHARE = 0.6
"""How many of the questions without an unanswerable twin take part in one pass over the data."""
SAVE_EVERY_S = 240.0
Trained = PairModel | LargerModel
LOSSES = ("span_loss", "ranking_loss", "answer_loss")


@dataclass(frozen=True)
class Row:
    """One question over one passage; ``group`` says with which rows it is ranked, -1 with none."""

    example: SpanExample
    group: int


@dataclass(frozen=True)
class Batch:
    """Padded token ids and masks [batch, length]; positions [batch, 2] of start and end.

    ``groups`` [batch] is the group of each row. The first row of a group is the one to find.
    """

    input_ids: Tensor
    attention_mask: Tensor
    token_type_ids: Tensor
    positions: Tensor
    groups: Tensor


def group_rows(
    example: ReaderExample, data: ReaderData, group: int, rng: random.Random
) -> list[Row]:
    """``example`` over its passage and over what does not answer it."""
    gold = example.gold
    rows = [Row(gold, group)]
    if rng.random() < RANKED_SHARE:
        pool = example.negatives or tuple(data.passages)
        wrong = [data.passages[key] for key in rng.sample(pool, min(NEGATIVES, len(pool)))]
        rows += [
            Row(SpanExample(gold.question, passage.text, -1, -1, passage.title), group)
            for passage in wrong
            if passage.text != gold.passage
        ]
    # About the same thing, so these say nothing against the passage's relevance.
    rows += [Row(other, -1) for other in _near_misses(example, rng)]
    if rng.random() < TITLED_SHARE:
        return rows + [Row(other, -1) for other in _nameless(example, data, rng)]
    return [replace(row, example=replace(row.example, title=())) for row in rows]


def _near_misses(example: ReaderExample, rng: random.Random) -> Iterator[SpanExample]:
    gold = example.gold
    yield from example.unanswerable
    if example.altered and rng.random() < ALTERED_SHARE:
        yield replace(gold, question=example.altered, start=-1, end=-1)
    if example.counterpart and rng.random() < COUNTERPART_SHARE:
        yield example.counterpart
        yield replace(example.counterpart, question=gold.question, start=-1, end=-1)
    if rng.random() < REMOVED_SHARE and (removed := example.without_answer()):
        yield removed


def _nameless(
    example: ReaderExample, data: ReaderData, rng: random.Random
) -> Iterator[SpanExample]:
    if not example.nameless or rng.random() >= NAMELESS_SHARE:
        return
    yield example.nameless
    other = data.passages[rng.choice(example.negatives or tuple(data.passages))].title
    if other and other != example.gold.title:
        yield replace(example.nameless, title=other, start=-1, end=-1)


def collate(rows: Sequence[Row], window: int, rng: random.Random) -> Batch:
    """``[CLS] question [SEP] title [SEP] passage window [SEP]``, padded to the longest.

    Question and title are the first text; without a title it is the question alone.
    """
    ids, types, positions = [], [], []
    for row in rows:
        passage, start, end = row.example.window(window, rng)
        first = [CLS, *row.example.question, SEP]
        if row.example.title:
            first += [*row.example.title, SEP]
        offset = len(first)
        ids.append([*first, *passage, SEP])
        types.append([0] * offset + [1] * (len(passage) + 1))
        positions.append((0, 0) if start < 0 else (start + offset, end + offset))
    width = -(-max(map(len, ids)) // 16) * 16  # few distinct shapes: kernels are cached by shape
    return Batch(
        torch.tensor([row + [0] * (width - len(row)) for row in ids]),
        torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ids]),
        torch.tensor([row + [0] * (width - len(row)) for row in types]),
        torch.tensor(positions),
        torch.tensor([row.group for row in rows]),
    )


def passes(examples: Sequence[ReaderExample], rng: random.Random) -> Iterator[int]:
    """Endless indices of ``examples``, pass after pass in a new order.

    All with an unanswerable twin, and of the others ``PLAIN_SHARE``.
    """
    while True:
        order = [
            place
            for place, example in enumerate(examples)
            if example.unanswerable or rng.random() < PLAIN_SHARE
        ]
        rng.shuffle(order)
        yield from order


def batches(
    data: ReaderData, order: Iterator[int], window: int, tokens: int, rng: random.Random
) -> list[list[Row]]:
    """``TOGETHER`` batches of whole groups of about ``tokens`` tokens, alike in length."""
    groups: list[list[Row]] = []
    size = 0
    while size < tokens * TOGETHER:
        place = next(order)
        groups.append(group_rows(data.examples[place], data, place, rng))
        size += sum(_size(row.example, window) for row in groups[-1])
    groups.sort(key=lambda rows: max(_size(row.example, window) for row in rows))
    cut: list[list[list[Row]]] = [[]]
    size = 0
    for rows in groups:
        if size >= tokens:
            cut.append([])
            size = 0
        cut[-1].append(rows)
        size += sum(_size(row.example, window) for row in rows)
    rng.shuffle(cut)
    return [[row for rows in some for row in rows] for some in cut]


def _size(example: SpanExample, window: int) -> int:
    return len(example.question) + len(example.title) + min(len(example.passage), window)


class Source(Protocol):
    """Where a training's batches come from."""

    def start(self, done: Progress) -> None:
        """Go on after what was drawn before, counted in ``done``, which goes on counting."""

    def next(self, window: int) -> Batch:
        """The next batch, of at most ``window`` passage tokens in a row."""


class DrawnBatches:
    """Batches drawn from rows, without end."""

    def __init__(self, data: ReaderData, tokens: int, seed: int) -> None:
        self._data, self._tokens, self._seed = data, tokens, seed
        self._drawn: list[list[Row]] = []
        self.start(Progress())

    def start(self, done: Progress) -> None:
        """See ``Source``."""
        self._rng = random.Random(self._seed + done.step)
        self._order = _from(passes(self._data.examples, random.Random(self._seed)), done)

    def next(self, window: int) -> Batch:
        """See ``Source``."""
        if not self._drawn:
            self._drawn = batches(self._data, self._order, window, self._tokens, self._rng)
        return collate(self._drawn.pop(), window, self._rng)


class MixedBatches:
    """Batches of other rows, and for a ``share`` of them such of companies' questions."""

    def __init__(
        self, others: Source, asked: Sequence[Asked], share: float, tokens: int, seed: int
    ) -> None:
        self._others, self._asked, self._share = others, asked, share
        self._tokens, self._seed = tokens, seed
        self._rng = random.Random(seed)
        self._order = shuffled(len(asked), self._rng)

    def start(self, done: Progress) -> None:
        """See ``Source``."""
        self._rng = random.Random(self._seed + done.step)
        self._order = shuffled(len(self._asked), self._rng)
        self._others.start(done)

    def next(self, window: int) -> Batch:
        """See ``Source``."""
        if self._rng.random() >= self._share:
            return self._others.next(window)
        rows: list[Row] = []
        while sum(_size(row.example, window) for row in rows) < self._tokens:
            place = next(self._order)
            some = rows_of(self._asked[place], self._rng)
            rows += [Row(one, place if ranked else -1) for one, ranked in some]
        return collate(rows, window, self._rng)


def span_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of start and end over [CLS] and the passage's tokens."""
    candidate = (batch.token_type_ids == 1) & (batch.attention_mask == 1)
    candidate[:, 0] = True
    masked = logits.float().masked_fill(~candidate.unsqueeze(-1), IGNORED)
    return functional.cross_entropy(
        masked.transpose(1, 2).reshape(-1, masked.shape[1]), batch.positions.reshape(-1)
    )


def ranking_loss(relevance: Tensor, groups: Tensor) -> Tensor:
    """Cross-entropy of the first row of each group against all rows of the group."""
    losses = [relevance.sum() * 0]  # a batch may hold no group
    for group in torch.unique(groups[groups >= 0]):
        scores = relevance[groups == group].float()
        losses.append(-scores.log_softmax(0)[0])
    return torch.stack(losses).sum() / max(1, len(losses) - 1)


def answer_loss(answers: Tensor, positions: Tensor) -> Tensor:
    """Binary cross-entropy of "the passage answers"."""
    return functional.binary_cross_entropy_with_logits(
        answers.float(), (positions[:, 0] > 0).float()
    )


def schedule(
    progress: float, step: int, phases: Phases = PHASES, warmup: int = 150
) -> tuple[float, int]:
    """(learning-rate factor, passage tokens) at ``progress`` in [0, 1] of the budget."""
    window = next(size for until, size in phases if progress <= until)
    return min(1.0, (step + 1) / warmup) * max(0.02, 1 - progress), window


def freeze(model: PairModel, layers: int) -> None:
    """Leave the lowest ``layers`` of the encoder as they are: a step costs less."""
    for layer in model.encoder.encoder.layer[:layers]:
        layer.requires_grad_(False)


def losses_of(model: Trained, batch: Batch, device: torch.device, half: bool) -> Tensor:
    """The three losses [3]: span, ranking, answerability; ``half`` computes in bf16."""
    with torch.autocast(device.type, torch.bfloat16, enabled=half):
        token, pair = model(
            batch.input_ids.to(device),
            batch.attention_mask.to(device),
            batch.token_type_ids.to(device),
        )
    token, pair = token.cpu(), pair.cpu()
    return torch.stack(
        [
            span_loss(token, batch),
            ranking_loss(pair[:, 0], batch.groups),
            answer_loss(pair[:, 1], batch.positions),
        ]
    )


def fastest(device: torch.device) -> tuple[str, bool]:
    """(attention, whether in bf16) that trains fastest here, measured over a few seconds.

    Eager attention in bf16 wins on a CPU with AMX, fp32 with the fused kernel on others.
    """
    if device.type != "cpu":
        return "sdpa", True
    rates = {
        (attention, half): _tokens_per_second(attention, half)
        for attention, half in (("eager", True), ("sdpa", False))
    }
    for (attention, half), rate in rates.items():
        typer.echo(f"{attention} {'bf16' if half else 'fp32'}: {rate:.0f} tokens/s")
    return max(rates, key=lambda way: rates[way])


def _tokens_per_second(attention: str, half: bool, rows: int = 32, length: int = 128) -> float:
    model = new_pair_model(READER_HEADS, attention)
    row = SpanExample((2054,) * 10, (2003,) * (length - 14), 3, 4)
    batch = collate([Row(row, n) for n in range(rows)], length, random.Random(0))
    times = []
    for _ in range(4):  # the first ones build the kernels
        began = time.monotonic()
        losses_of(model, batch, torch.device("cpu"), half).sum().backward()  # type: ignore[no-untyped-call]
        times.append(time.monotonic() - began)
    return batch.input_ids.numel() / min(times[1:])


def train(
    model: Trained,
    source: Source,
    *,
    minutes: float,
    learning_rate: float,
    out: Path,
    device: torch.device,
    half: bool = True,
    state: Path | None = None,
    phases: Phases = PHASES,
    save_every_s: float = SAVE_EVERY_S,
) -> dict[str, float]:
    """Train for ``minutes`` in all; returns figures.

    Every ``save_every_s`` it saves the reader to ``out``, and to ``state`` all that it needs to
    go on, from which it does go on when there is one.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = adamw(parameters, learning_rate)
    done = load_progress(state, model, optimizer) if state else Progress()
    if isinstance(optimizer, MasterAdamW):
        optimizer.take()
    source.start(done)
    saved = time.monotonic()
    began = saved - done.seconds
    meter = Meter(done.rows, done.tokens)
    model.train()
    while (progress := (time.monotonic() - began) / (minutes * 60)) < 1:
        factor, window = schedule(progress, done.step, phases)
        for settings in optimizer.param_groups:
            settings["lr"] = learning_rate * factor
        batch = source.next(window)
        losses = losses_of(model, batch, device, half)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seen = len(batch.groups), int(batch.attention_mask.sum())
        meter.add(*seen, **dict(zip(LOSSES, losses.tolist(), strict=True)))
        done.step += 1
        elapsed = time.monotonic() - began
        if done.step % 50 == 0:
            typer.echo(f"step {done.step} progress {progress:.3f} {meter.line(elapsed)}")
        if time.monotonic() - saved > save_every_s:
            saved = time.monotonic()
            save(model, out, meter.figures(elapsed))
            done.seconds, done.rows, done.tokens = elapsed, meter.examples, meter.tokens
            if state:
                save_progress(state, model, optimizer, done)
    return meter.figures(time.monotonic() - began)


def _from(order: Iterator[int], done: Progress) -> Iterator[int]:
    """``order`` after what was drawn before, counted in ``done``."""
    for _ in range(done.drawn):
        next(order)
    for place in order:
        done.drawn += 1
        yield place


def save(model: Trained, out: Path, figures: dict[str, float]) -> None:
    """Write the trained tensors, without a tuning yet."""
    write_weights(out, model.trained_state())
    seal_reader(out, UNTUNED, figures)


def seal_reader(
    out: Path, tuning: Tuning, figures: dict[str, float], base: str = BASE_NAME
) -> None:
    """Write the tuning as the config, and the manifest."""
    seal(out, "reader", asdict(tuning), figures, base)


def start_from(model: PairModel, init: Path) -> None:
    """Load an earlier reader, or the encoder of a generator; new heads stay as they are."""
    own = {name: tensor.shape for name, tensor in model.state_dict().items()}
    tensors = load_tensors(init / WEIGHTS)
    kept = {k: t for k, t in tensors.items() if own.get(k) == t.shape}
    if not any(name.startswith("encoder.") for name in kept):
        raise typer.BadParameter(f"{init} holds no encoder of this size")
    model.load_state_dict(kept, strict=False)


def reader_rows(
    data: Path, seed: int, negatives: Path | None, made: int, limit: int | None
) -> ReaderData:
    """The rows of ``data``, at most ``limit`` of them, with ``made`` passages beside."""
    tokenizer = load_tokenizer()
    loaded = load_reader_data(data, tokenizer, seed, negatives)
    examples = [*loaded.examples[:limit], *made_examples(tokenizer, made, seed)]
    typer.echo(f"{len(examples)} questions")
    return ReaderData(examples, loaded.passages)


app = typer.Typer(help="Train the reader.", no_args_is_help=True)


@app.command()
def tune(
    min_margin: Annotated[float, typer.Option(help="least margin; see `benchmarks margin`")],
    answer_weight: Annotated[float, typer.Option(help="what answerability adds to a margin")],
    relevance_weight: Annotated[float, typer.Option(help="what relevance adds to the choice")],
    out: Annotated[Path, typer.Option(help="model folder")] = Path("models/reader"),
) -> None:
    """Set the tuning of a trained reader."""
    titles = load_tuning(out).titles  # a matter of the training, not of the tuning
    tuning = Tuning(min_margin, answer_weight, relevance_weight, titles)
    seal_reader(out, tuning, training_figures(out), base_of(out))


@app.command()
def blend(
    first: Annotated[Path, typer.Option(help="a trained reader")],
    second: Annotated[Path, typer.Option(help="one that was trained on from it")],
    out: Annotated[Path, typer.Option(help="model folder to write")] = Path("models/reader"),
    share: Annotated[float, typer.Option(help="what the second counts", min=0, max=1)] = 0.5,
) -> None:
    """The mean of two readers' weights; tune it afterwards."""
    seal_reader(out, UNTUNED, write_mean(first, second, out, share))


@app.command("train")
def main(
    data: Annotated[Path, typer.Option(help="folder with train/qa")],
    out: Annotated[Path, typer.Option(help="model folder to write")] = Path("models/reader"),
    minutes: Annotated[float, typer.Option(help="training budget, wall clock")] = 60.0,
    learning_rate: float = 3e-4,
    state: Annotated[Path | None, typer.Option(help="folder to go on from after a stop")] = None,
    tokens_per_batch: int = 5000,
    seed: int = 7,
    negatives: Annotated[Path | None, typer.Option(help="file of training.mining")] = None,
    frozen_layers: Annotated[int, typer.Option(help="lowest layers left as they are")] = 0,
    init: Annotated[Path | None, typer.Option(help="start from this reader or generator")] = None,
    made: Annotated[int, typer.Option(help="passages of training.handbook beside")] = 20000,
    limit: Annotated[int | None, typer.Option(help="use only this many examples")] = None,
    companies: Annotated[
        list[Path] | None, typer.Option(help="folder of companies with questions (repeatable)")
    ] = None,
    share: Annotated[float, typer.Option(help="of the batches that are of companies")] = 0.5,
    pairs: Annotated[int, typer.Option(help="how often a pair of questions counts")] = 1,
) -> None:
    """Fine-tune the reader."""
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    attention, half = fastest(device)
    model = new_pair_model(READER_HEADS, attention)
    if init is not None:
        start_from(model, init)
    freeze(model, frozen_layers)
    rows = reader_rows(data, seed, negatives, made, limit)
    source: Source = DrawnBatches(rows, tokens_per_batch, seed)
    if companies:
        asked = [one for folder in companies for one in asked_of(folder, pairs)]
        typer.echo(f"{len(asked)} questions of companies")
        source = MixedBatches(source, asked, share, tokens_per_batch, seed)
    figures = train(
        model.to(device),
        source,
        minutes=minutes,
        learning_rate=learning_rate,
        out=out,
        device=device,
        half=half,
        state=state,
    )
    save(model, out, figures)
    typer.echo(json.dumps(figures))


if __name__ == "__main__":
    app()
