"""Fine-tune the support check: does the evidence support the claim, and which words does it not?

Run as:
    python -m training.support train --data DATA --init models/reader --minutes 20 --out FIRST
    python -m training.support train --data DATA --wordnet FOLDER --init FIRST --out SECOND \\
        --companies training/company_questions
    python -m training.support blend --first FIRST --second SECOND
    python -m benchmarks support-numbers --file F --file G      # measures these numbers
    python -m training.support choose --threshold 0.4 --number-factor 0.3 ...

The pair head tells supported, contradicted and unknown apart; the token head marks the words of
the claim that the evidence does not hold. The learning rate follows the clock, and every tenth
of the budget is saved, so that any stop leaves a finished model.
"""

import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from tokenizers import Encoding, Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from app.inference.embedder import load_tokenizer
from app.inference.networks.pair_model import PairModel, new_pair_model
from app.inference.networks.pair_tensors import FROZEN_PREFIX, SUPPORT_HEADS
from app.inference.networks.weights import WEIGHTS, load_tensors
from training.claims import REFUTED, SUPPORTED, Claim
from training.lexicon import load_lexicon
from training.model_folder import seal, training_figures, write_mean, write_weights
from training.runs import Meter
from training.support_data import load_claims

CLS, SEP = 101, 102
NO_LABEL = -100
MAX_CLAIM, MAX_EVIDENCE = 80, 220
TOKEN_WEIGHT = 0.5
"""Of the token head's loss beside the pair head's."""
UNCHOSEN = {
    "threshold": 0.5,
    "number_factor": 0.5,
    "term_factor": 0.5,
    "cover_power": 1.0,
    "length_power": 1.5,
}
"""What the config holds until ``choose`` writes what suits the development sets."""


@dataclass(frozen=True)
class Row:
    """Token ids of a claim and its evidence; ``marks`` is 1 for unsupported claim tokens."""

    claim: tuple[int, ...]
    evidence: tuple[int, ...]
    label: int
    marks: tuple[int, ...] | None

    def __len__(self) -> int:
        return len(self.claim) + len(self.evidence) + 3


@dataclass(frozen=True)
class Batch:
    """Padded ids and masks [batch, length], pair labels [batch], token labels [batch, length]."""

    input_ids: Tensor
    attention_mask: Tensor
    token_type_ids: Tensor
    labels: Tensor
    marks: Tensor


def encode(claims: Sequence[Claim], tokenizer: Tokenizer) -> list[Row]:
    """Rows in the order of ``claims``; both texts cut to what the model is trained on."""
    first = tokenizer.encode_batch([claim.text for claim in claims], add_special_tokens=False)
    second = tokenizer.encode_batch([claim.evidence for claim in claims], add_special_tokens=False)
    return [
        Row(
            tuple(text.ids[:MAX_CLAIM]),
            tuple(evidence.ids[:MAX_EVIDENCE]),
            claim.label,
            None if claim.unsupported is None else _marks(text, claim.unsupported)[:MAX_CLAIM],
        )
        for claim, text, evidence in zip(claims, first, second, strict=True)
    ]


def _marks(encoding: Encoding, spans: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    return tuple(
        int(any(start < last and first < end for first, last in spans))
        for start, end in encoding.offsets
    )


def collate(rows: Sequence[Row]) -> Batch:
    """``[CLS] claim [SEP] evidence [SEP]``, padded to the longest."""
    width = -(-max(map(len, rows)) // 16) * 16  # few distinct shapes: kernels are cached by shape
    ids, types, marks = [], [], []
    for row in rows:
        offset = len(row.claim) + 2
        tokens = [CLS, *row.claim, SEP, *row.evidence, SEP]
        ids.append(tokens + [0] * (width - len(tokens)))
        types.append([0] * offset + [1] * (len(tokens) - offset) + [0] * (width - len(tokens)))
        known = [NO_LABEL] * len(row.claim) if row.marks is None else list(row.marks)
        marks.append([NO_LABEL, *known, *[NO_LABEL] * (width - len(known) - 1)])
    input_ids = torch.tensor(ids)
    labels = torch.tensor([row.label for row in rows])
    mask = (input_ids != 0).long()
    return Batch(input_ids, mask, torch.tensor(types), labels, torch.tensor(marks))


def batches(rows: list[Row], tokens: int, rng: random.Random) -> Iterator[list[Row]]:
    """Endless batches of about ``tokens`` tokens and similar length, in random order."""
    while True:
        rng.shuffle(rows)
        for start in range(0, len(rows), 4096):
            groups: list[list[Row]] = [[]]
            for row in sorted(rows[start : start + 4096], key=len):
                if groups[-1] and len(row) * (len(groups[-1]) + 1) > tokens:
                    groups.append([])
                groups[-1].append(row)
            rng.shuffle(groups)
            yield from groups


def support_loss(token: Tensor, pair: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of the pair (REFUTED: of "not supported") plus that of the marked tokens."""
    logs = pair.float().log_softmax(dim=-1)
    refuted = logs[:, 1:].logsumexp(dim=-1)
    named = logs.gather(1, batch.labels.clamp(min=0).unsqueeze(1)).squeeze(1)
    loss = -torch.where(batch.labels == REFUTED, refuted, named).mean()
    known = batch.marks != NO_LABEL
    if known.any():
        scores = token.float().squeeze(-1)[known]
        marks = functional.binary_cross_entropy_with_logits(scores, batch.marks[known].float())
        loss = loss + TOKEN_WEIGHT * marks
    return loss


def train(
    model: PairModel,
    rows: list[Row],
    *,
    minutes: float,
    learning_rate: float,
    batch_tokens: int,
    seed: int,
    out: Path,
) -> dict[str, float]:
    """Train for ``minutes``; saves to ``out`` every tenth of the budget; returns figures."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.01, fused=True)
    began, meter, saves = time.monotonic(), Meter(), 0
    model.train()
    for step, group in enumerate(batches(rows, batch_tokens, random.Random(seed))):
        progress = min(1.0, (time.monotonic() - began) / (minutes * 60))
        if progress >= 1.0:
            break
        for settings in optimizer.param_groups:
            settings["lr"] = learning_rate * min(1.0, (step + 1) / 50) * max(0.02, 1 - progress)
        batch = collate(group)
        loss = _step(model, batch, optimizer, parameters)
        meter.add(len(group), int(batch.attention_mask.sum()), final_loss=loss)
        elapsed = time.monotonic() - began
        if step % 50 == 49:
            typer.echo(f"step {step + 1} progress {progress:.3f} {meter.line(elapsed)}")
        if int(progress * 10) > saves:
            saves = int(progress * 10)
            save(model, out, meter.figures(elapsed))
    return meter.figures(time.monotonic() - began)


def _step(
    model: PairModel, batch: Batch, optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter]
) -> float:
    with torch.autocast("cpu", torch.bfloat16):
        token, pair = model(batch.input_ids, batch.attention_mask, batch.token_type_ids)
    loss = support_loss(token, pair, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.item()


def save(model: PairModel, out: Path, figures: dict[str, float]) -> None:
    """Write the trained tensors, without chosen numbers yet."""
    write_weights(out, model.trained_state())
    seal(out, "support", UNCHOSEN, figures)


def start_from(model: PairModel, folder: Path) -> None:
    """Take the encoder of a trained reader or generator, or all of a support check."""
    tensors = load_tensors(folder / WEIGHTS)
    own = model.state_dict()
    fitting = {k: v for k, v in tensors.items() if k in own and own[k].shape == v.shape}
    missing, _ = model.load_state_dict(fitting, strict=False)
    lost = [k for k in missing if k.startswith("encoder.") and not k.startswith(FROZEN_PREFIX)]
    if lost:
        raise typer.BadParameter(f"{folder} has no {', '.join(lost[:3])}")


app = typer.Typer(help="Train the support check.", no_args_is_help=True)


@app.command()
def choose(
    threshold: Annotated[float, typer.Option(help="least probability of a supported claim")],
    number_factor: Annotated[float, typer.Option(help="what an unmatched number leaves of it")],
    term_factor: Annotated[float, typer.Option(help="what an unmatched name leaves of it")],
    cover_power: Annotated[float, typer.Option(help="power of the share of words found")],
    length_power: Annotated[float, typer.Option(help="how odds grow with the evidence")],
    out: Annotated[Path, typer.Option(help="model folder")] = Path("models/support"),
) -> None:
    """Set the numbers of a trained support check that were chosen on development data."""
    chosen = {
        "threshold": threshold,
        "number_factor": number_factor,
        "term_factor": term_factor,
        "cover_power": cover_power,
        "length_power": length_power,
    }
    seal(out, "support", chosen, training_figures(out))


@app.command()
def blend(
    first: Annotated[Path, typer.Option(help="a trained support check")],
    second: Annotated[Path, typer.Option(help="one that was trained on from it")],
    out: Annotated[Path, typer.Option(help="model folder to write")] = Path("models/support"),
) -> None:
    """The mean of two checks' weights: it does better on unseen kinds of text than either."""
    seal(out, "support", UNCHOSEN, write_mean(first, second, out))


@app.command("train")
def main(
    data: Annotated[Path, typer.Option(help="folder with train/support and train/qa")],
    out: Annotated[Path, typer.Option(help="model folder to write")] = Path("models/support"),
    wordnet: Annotated[
        Path | None, typer.Option(help="WordNet's data.* and index.sense; without, no edits")
    ] = None,
    companies: Annotated[
        Path | None, typer.Option(help="companies with claims.jsonl beside their documents")
    ] = None,
    minutes: Annotated[float, typer.Option(help="training budget, wall clock")] = 40.0,
    passages: Annotated[int, typer.Option(help="passages that claims are made from")] = 4000,
    learning_rate: float = 3e-4,
    batch_tokens: int = 2000,
    seed: int = 7,
    init: Annotated[Path | None, typer.Option(help="a model whose encoder to start from")] = None,
) -> None:
    """Fine-tune the support check on the CPU."""
    torch.manual_seed(seed)
    # Eager attention in bf16 trains 1.6 times as fast on a CPU as the fused kernel's backward.
    model = new_pair_model(SUPPORT_HEADS, "eager")
    if init is not None:
        start_from(model, init)
    lexicon = load_lexicon(wordnet) if wordnet else None
    claims = load_claims(data, lexicon, passages, seed, companies)
    rows = encode(claims, load_tokenizer())
    supported = sum(row.label == SUPPORTED for row in rows)
    typer.echo(f"{len(rows)} rows, {supported} supported")
    figures = train(
        model,
        rows,
        minutes=minutes,
        learning_rate=learning_rate,
        batch_tokens=batch_tokens,
        seed=seed,
        out=out,
    )
    save(model, out, figures)
    typer.echo(json.dumps(figures))


if __name__ == "__main__":
    app()
