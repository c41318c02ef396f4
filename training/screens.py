"""Train the screens: small heads on the question's embedding and the words of the text.

Run as:
    python -m training.screens --data DATA --out models/screens --vectors CACHE.npz

Embedding takes minutes, the heads seconds; ``--vectors`` keeps the embeddings for the next run.
Calibration and operating points come from the public development sets, training from the
training sets only. The same seed gives the same heads.
"""

import hashlib
import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from app.files import read_rows
from app.inference.classifiers import Head
from app.inference.embedder import MiniLMEmbedder
from app.inference.hashed_words import bag
from app.inference.networks.weights import WEIGHTS
from app.ports import Vectors
from guardrails.checks.screens import FirstTier
from guardrails.policy.load import load_policy
from training.model_folder import seal, training_figures
from training.screen_rows import ADVICE_NAMES, ROWS, Rows, held_out, read_sources
from training.screen_texts import ADVICE, filled

BUCKETS = 1 << 15
DIMENSION = MiniLMEmbedder.dimension
SEED = 11
KEPT_TWEETS = 1500
BENIGN = ("benign", "in_scope", "out_of_scope")
"""Labels of the development sets that are honest questions, whatever an intent covers."""
OPERATING_POINTS = {
    "injection_certain": ("injection", 0.0075),
    "injection_likely": ("injection", 0.0117),
    **{name: (name, 0.0005) for name in ADVICE_NAMES},
    "toxicity": ("toxicity", 0.002),
    "out_of_scope": ("out_of_scope", 0.05),
}
"""Label: (score, the highest false-positive rate of patterns and head together)."""
LONG_SHIFT = {"injection": -0.75}
"""Log-odds by which a head's score of a long text is lowered, chosen on the development sets."""
Tensors = Mapping[str, NDArray[np.float16]]


@dataclass(frozen=True)
class Recipe:
    """How one head is trained; ``classes`` above 0: one of so many, the last is "none"."""

    names: tuple[str, ...]
    hidden: int = 64
    epochs: int = 4
    words: bool = True
    classes: int = 0
    prior: float = 0.0
    """The log-odds that training starts from: what a text of unknown words gets."""


RECIPES = {
    "injection": Recipe(("injection",)),
    "advice": Recipe(ADVICE_NAMES),
    "toxicity": Recipe(("toxicity",)),
    "scope": Recipe(("out_of_scope",), hidden=128, epochs=5, words=False, classes=151),
}


class Network(nn.Module):
    """A head in training: a two-layer network on the vector, plus a weight for each word."""

    def __init__(self, dimension: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.words = nn.EmbeddingBag(BUCKETS, outputs, mode="sum")
        nn.init.zeros_(self.words.weight)
        self.first, self.second = nn.Linear(dimension, hidden), nn.Linear(hidden, outputs)
        self.drop = nn.Dropout(0.2)

    def forward(self, vectors: Tensor, bags: Sequence[NDArray[np.int64]] | None) -> Tensor:
        """Logits [n, outputs] of ``vectors`` [n, dimension]; ``bags`` None: no words."""
        logits: Tensor = self.second(self.drop(functional.relu(self.first(vectors))))
        if bags is None:
            return logits
        weights = np.concatenate(
            [np.full(len(b), 1 / math.sqrt(max(1, len(b))), np.float32) for b in bags]
        )
        starts = np.cumsum([0, *(len(b) for b in bags[:-1])])
        words: Tensor = self.words(
            torch.from_numpy(np.concatenate(bags)),
            torch.from_numpy(starts),
            per_sample_weights=torch.from_numpy(weights),
        )
        return logits + words

    def tensors(self, words: bool) -> dict[str, NDArray[np.float16]]:
        """The weights as a ``Head`` reads them, in half precision."""
        kept = {
            "w1": self.first.weight.T,
            "b1": self.first.bias,
            "w2": self.second.weight.T,
            "b2": self.second.bias,
        } | ({"bag": self.words.weight} if words else {})
        return {
            name: np.ascontiguousarray(tensor.detach().numpy().astype(np.float16))
            for name, tensor in kept.items()
        }


def fit(
    rows: Rows, vectors: Vectors, recipe: Recipe, seed: int = SEED, batch: int = 256
) -> dict[str, NDArray[np.float16]]:
    """The tensors of one trained head; ``vectors`` [len(rows.texts), dimension]."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    targets, weights = map(torch.from_numpy, rows.arrays())
    bags = [bag(text, BUCKETS) for text in rows.texts] if recipe.words else None
    network = Network(vectors.shape[1], recipe.hidden, recipe.classes or targets.shape[1])
    if recipe.prior:
        nn.init.constant_(network.second.bias, recipe.prior)
    layers = [*network.first.parameters(), *network.second.parameters()]
    optimizer = torch.optim.AdamW(
        [
            {"params": network.words.parameters(), "lr": 2e-2, "weight_decay": 1e-3},
            {"params": layers, "lr": 3e-3, "weight_decay": 1e-4},
        ]
    )
    total = recipe.epochs * math.ceil(len(rows.texts) / batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.01 - step / total)
    for _ in range(recipe.epochs):
        order = rng.permutation(len(rows.texts))
        for chosen in (order[i : i + batch] for i in range(0, len(order), batch)):
            found = network(torch.from_numpy(vectors[chosen]), bags and [bags[i] for i in chosen])
            loss = _loss(found, targets[chosen], weights[chosen], recipe)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return network.tensors(recipe.words)


def _loss(found: Tensor, targets: Tensor, weights: Tensor, recipe: Recipe) -> Tensor:
    if recipe.classes:
        each = functional.cross_entropy(found, targets[:, 0].long(), reduction="none")
    else:
        each = functional.binary_cross_entropy_with_logits(found, targets, reduction="none").mean(1)
    return (each * weights).mean()


class VectorCache:
    """Embeddings by the SHA-256 of their text, kept in an npz file between runs."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, Vectors] = {}
        if path is not None and path.exists():
            with np.load(path, allow_pickle=False) as kept:
                self._known = dict(zip(kept["keys"].tolist(), kept["vectors"], strict=True))

    def embed(self, texts: Sequence[str], missing: bool = True) -> Vectors:
        """Shape [len(texts), 384]; only texts not seen before are embedded.

        With ``missing`` off they are not embedded but get a zero vector.
        """
        keys = [_key(text) for text in texts]
        new = {k: t for k, t in zip(keys, texts, strict=True) if k not in self._known}
        if new and missing:
            embedder = MiniLMEmbedder("cpu", 64)
            ordered = sorted(new.items(), key=lambda item: len(item[1]))
            for part in (ordered[i : i + 2048] for i in range(0, len(ordered), 2048)):
                found = embedder.embed([text for _, text in part])
                self._known.update(zip((key for key, _ in part), found, strict=True))
                self._save()
        nothing = np.zeros(DIMENSION, np.float32)
        return np.stack([self._known.get(key, nothing) for key in keys])

    def _save(self) -> None:
        if self._path is not None:
            np.savez(
                self._path,
                keys=np.array(list(self._known)),
                vectors=np.stack([*self._known.values()]),
            )


def _key(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def platt(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> tuple[float, float]:
    """(scale, shift) that make log-odds of raw scores.

    Both classes weigh the same: the probabilities are for as many positives as negatives.
    The targets are smoothed as Platt did, so that separable scores stay finite.
    """
    counts = int(positive.sum()), int((~positive).sum())
    target = np.where(positive, (counts[0] + 1) / (counts[0] + 2), 1 / (counts[1] + 2))
    weight = np.where(positive, 0.5 / counts[0], 0.5 / counts[1])
    middle, spread = float(scores.mean()), max(1e-6, float(scores.std()))
    x, wanted, weights = map(torch.from_numpy, ((scores - middle) / spread, target, weight))
    line = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([line], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        found = functional.binary_cross_entropy_with_logits(
            line[0] * x + line[1], wanted, weight=weights, reduction="sum"
        )
        found.backward()  # type: ignore[no-untyped-call]
        return found

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    scale, shift = line.tolist()
    return scale / spread, shift - scale * middle / spread


def operating_point(
    negatives: NDArray[np.float64], caught: NDArray[np.bool_], rate: float
) -> float:
    """The lowest threshold at which at most ``rate`` of the negatives are found.

    ``caught`` are those that the patterns find already: no threshold can spare them.
    """
    allowed = math.floor(rate * len(negatives)) - int(caught.sum())
    free = np.sort(negatives[~caught])[::-1]
    highest = free[max(0, allowed)] if len(free) > max(0, allowed) else 0.0
    return float(math.ceil((highest + 1e-6) * 1e4) / 1e4)


@dataclass(frozen=True)
class Measured:
    """Texts of one screen to choose on: their vectors, and which are positive."""

    texts: list[str]
    vectors: Vectors
    positive: NDArray[np.bool_]


def development(name: str, data: Path, cache: VectorCache) -> dict[str, Measured]:
    """For each output of a head the texts it is calibrated on.

    Negatives are the public development sets. Where they hold no positives, those are texts kept
    from training: tweets, or our templates filled anew.
    """
    honest = _labelled(data, "clinc150", "wildguard_benign", "xstest", labels=BENIGN)
    if name == "injection":
        sets = {"injection": (_labelled(data, "prompt_injections", labels=("attack",)), honest)}
    elif name == "scope":
        sets = {
            "out_of_scope": (
                _labelled(data, "clinc150", labels=("out_of_scope",)),
                _labelled(data, "clinc150", labels=("in_scope",)),
            )
        }
    elif name == "toxicity":
        kept = [
            row["text"]
            for row in read_rows(data / "train/guard/offensive_tweets.jsonl.gz")
            if row["label"] != "neither" and held_out(row["text"])
        ]
        sets = {"toxicity": (kept[:KEPT_TWEETS], honest)}
    else:
        rng = random.Random(SEED + 1)
        sets = {own: (filled(ADVICE[own], 100, rng), honest) for own in ADVICE_NAMES}
    return {own: _measured(*pair, cache) for own, pair in sets.items()}


def _labelled(data: Path, *names: str, labels: Sequence[str]) -> list[str]:
    paths = (data / f"eval/guard/{name}.jsonl.gz" for name in names)
    return [row["text"] for path in paths for row in read_rows(path) if row["label"] in labels]


def _measured(positive: list[str], negative: list[str], cache: VectorCache) -> Measured:
    texts = positive + negative
    return Measured(texts, cache.embed(texts), np.arange(len(texts)) < len(positive))


def calibrated(recipe: Recipe, tensors: Tensors, sets: Mapping[str, Measured]) -> Head:
    """The head with a scale and a shift for each output."""
    count = len(recipe.names)
    single = {name: tensor.astype(np.float32) for name, tensor in tensors.items()}
    plain = Head(recipe.names, single, (1.0,) * count, (0.0,) * count, bool(recipe.classes))
    found = []
    for place, own in enumerate(recipe.names):
        measured = sets[own]
        pairs = zip(measured.texts, measured.vectors, strict=True)
        raw = np.array([plain.raw(text, vector)[place] for text, vector in pairs])
        found.append(platt(raw, measured.positive))
    scale, shift = zip(*found, strict=True)
    long_shift = LONG_SHIFT.get(recipe.names[0], 0.0)
    return replace(plain, scale=scale, shift=shift, long_shift=long_shift)


def points(head: Head, sets: Mapping[str, Measured], patterns: FirstTier) -> list[dict[str, Any]]:
    """The head's operating points: label, threshold, and the two rates measured there."""
    chosen = []
    for label, (own, rate) in OPERATING_POINTS.items():
        if own not in head.names:
            continue
        measured = sets[own]
        pairs = zip(measured.texts, measured.vectors, strict=True)
        scores = np.array([head.scores(text, vector)[own] for text, vector in pairs])
        caught = np.array([patterns.catches(own, text) for text in measured.texts])
        negative = ~measured.positive
        least = operating_point(scores[negative], caught[negative], rate)
        hit = (scores >= least) | caught
        chosen.append(
            {
                "label": label,
                "score": own,
                "at_least": least,
                "false_positive_rate": round(float(hit[negative].mean()), 4),
                "recall": round(float(hit[~negative].mean()), 4),
                "n": len(hit),
            }
        )
    return chosen


def train(
    data: Annotated[Path, typer.Option(help="The folder with train/ and eval/.", exists=True)],
    out: Annotated[Path, typer.Option(help="Where the heads are written.")],
    vectors: Annotated[Path | None, typer.Option(help="Keeps embeddings between runs.")] = None,
    embed: Annotated[
        bool, typer.Option(help="Off: training texts not in the cache count by words alone.")
    ] = True,
    only: Annotated[
        list[str] | None, typer.Option(help="Train these heads, keep the others of --out.")
    ] = None,
) -> None:
    """Train, calibrate and write every head, or some of them."""
    cache, patterns = VectorCache(vectors), FirstTier(load_policy())
    sources = read_sources(data)
    there = bool(only) or (out / "config.json").exists()
    tensors, config, counts = kept(out, only or tuple(RECIPES)) if there else ({}, {}, {})
    heads, chosen = config.get("heads", {}), config.get("operating_points", [])
    for name in only or RECIPES:
        recipe = RECIPES[name]
        rows = ROWS[name](sources, random.Random(SEED))
        found_vectors = cache.embed(rows.texts, embed)
        found = fit(rows, found_vectors, recipe)
        sets = development(name, data, cache)
        head = calibrated(recipe, found, sets)
        chosen += points(head, sets, patterns)
        tensors |= {f"{name}.{key}": tensor for key, tensor in found.items()}
        heads[name] = {
            "names": head.names,
            "scale": head.scale,
            "shift": head.shift,
            "one_of": head.one_of,
            "long_shift": head.long_shift,
        }
        counts[name] = {
            "texts": len(rows.texts),
            "by_words_alone": int((~found_vectors.any(1)).sum()),
        }
        typer.echo(f"{name}: {counts[name]}; {chosen[-len(head.names) :]}")
    write(out, tensors, config | {"heads": heads, "operating_points": chosen}, counts)


def kept(out: Path, without: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any], Any]:
    """(tensors, config, counts) of the heads in ``out`` but those to be trained anew."""
    tensors = {
        name: tensor
        for name, tensor in load_file(out / WEIGHTS).items()
        if name.partition(".")[0] not in without
    }
    config = json.loads((out / "config.json").read_text("utf-8"))
    gone = {own for name in without if name in RECIPES for own in RECIPES[name].names}
    points = [point for point in config["operating_points"] if point["score"] not in gone]
    counts = training_figures(out)
    return tensors, {**config, "operating_points": points}, counts


def write(
    out: Path, tensors: Mapping[str, Any], config: Mapping[str, Any], training: Mapping[str, Any]
) -> None:
    """Write weights, config and the manifest that vouches for both."""
    out.mkdir(parents=True, exist_ok=True)
    save_file(dict(tensors), out / WEIGHTS)
    seal(out, "screens", config, training)


if __name__ == "__main__":
    typer.run(train)
