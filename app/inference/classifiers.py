"""The screens: calibrated scores from a text and the embedding it has anyway.

No encoder runs here. Each head reads the text's unit vector, and the words of the text as a
hashed bag, and says how likely it is that the text is what the head looks for.
"""

import itertools
import json
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from app.errors import ModelRefused
from app.inference.hashed_words import MAX_TOKENS, Hashes, bag, bags
from app.inference.networks.weights import WEIGHTS, read_manifest
from app.inference.orders import lines, read_all, speaks_of_reply
from app.ports import Embedder, Vectors

CONFIG = "config.json"
LONG = 300
"""Characters above which a text is long: honest role-plays are, and share the words of attacks."""
ORDER = "order"
NO_VECTOR = np.zeros(0, np.float32)
"""What a head reads that knows words alone."""
NO_WORDS = np.zeros(0, np.int64)
NO_LINES = np.zeros(0)


@dataclass(frozen=True)
class Head:
    """One screen: a small network over the vector, plus a weight for each word it knows.

    Tensors: ``w1`` [dimension, hidden], ``b1`` [hidden], ``w2`` [hidden, outputs], ``b2``
    [outputs], and ``bag`` [buckets, outputs] where the head reads words. ``names`` names the
    outputs; with ``one_of`` there is one name, for the last output against all the others.
    ``scale`` and ``shift`` turn raw log-odds into calibrated ones (Platt).
    """

    names: tuple[str, ...]
    tensors: Mapping[str, NDArray[np.floating[Any]]]
    scale: tuple[float, ...]
    shift: tuple[float, ...]
    one_of: bool = False
    long_shift: float = 0.0
    """What is added to the log-odds of a long text."""

    def raw(self, text: str, vector: Vectors) -> NDArray[np.float64]:
        """The log-odds of each name before calibration; ``vector`` [dimension], unit length."""
        return self._odds(bag(text, self.buckets) if self.buckets else NO_WORDS, vector)

    @property
    def buckets(self) -> int:
        """Of the words that the head reads, 0 when it reads none."""
        return len(self.tensors["bag"]) if "bag" in self.tensors else 0

    def scores(self, text: str, vector: Vectors) -> dict[str, float]:
        """The probability of each name, in [0, 1]."""
        return self.scores_of_words(
            bag(text, self.buckets) if self.buckets else NO_WORDS, text, vector
        )

    def scores_of_lines(self, lines: Sequence[str]) -> NDArray[np.float64]:
        """The probability of the head's first name for each short line, by its words alone."""
        odds = self._of_vector(NO_VECTOR) + self._of_words(lines)
        calibrated: NDArray[np.float64] = self._calibrated(self._named(odds))[:, 0]
        return calibrated

    def scores_of_texts(self, texts: Sequence[str], vectors: Vectors) -> NDArray[np.float64]:
        """As ``scores`` of each text, [n, names]; ``vectors`` [n, dimension]."""
        if any(len(text) > MAX_TOKENS for text in texts):  # of which some may not be read whole
            pairs = zip(texts, vectors, strict=True)
            return np.array([[*self.scores(*pair).values()] for pair in pairs])
        odds = self._of_vector(vectors).astype(np.float64)
        if self.buckets:
            odds += self._of_words([text.replace("\n", " ") for text in texts])
        long = np.array([len(text) > LONG for text in texts])
        return self._calibrated(self._named(odds), self.long_shift * long[:, None])

    def scores_of_words(self, places: Hashes, text: str, vector: Vectors) -> dict[str, float]:
        """The same where the text's ``bag`` for the ``buckets`` of the head is known."""
        odds = self._odds(places, vector)
        chances = self._calibrated(odds, self.long_shift if len(text) > LONG else 0.0)
        return dict(zip(self.names, map(float, chances), strict=True))

    def _of_words(self, lines: Sequence[str]) -> NDArray[np.float64]:
        """What the words of each line add to the log-odds, [n, outputs]."""
        places, line = bags(lines, self.buckets)
        weights = self.tensors["bag"][places].astype(np.float64)
        known = np.maximum(np.bincount(line, minlength=len(lines)), 1)[:, None]
        summed = np.stack([np.bincount(line, one, len(lines)) for one in weights.T], axis=1)
        found: NDArray[np.float64] = summed / np.sqrt(known)
        return found

    def _named(self, odds: NDArray[np.float64]) -> NDArray[np.float64]:
        """The log-odds of the names [n, names] from those of the outputs [n, outputs]."""
        if not self.one_of:
            return odds
        named: NDArray[np.float64] = odds[:, -1] - np.logaddexp.reduce(odds[:, :-1], axis=1)
        return named[:, None]

    def _odds(self, places: Hashes, vector: Vectors) -> NDArray[np.float64]:
        outputs = self._of_vector(vector)
        if self.buckets:
            words = self.tensors["bag"][places].sum(0)
            outputs = outputs + words / math.sqrt(max(1, len(places)))
        odds: NDArray[np.float64] = outputs.astype(np.float64)
        return np.array([odds[-1] - np.logaddexp.reduce(odds[:-1])]) if self.one_of else odds

    def _of_vector(self, vector: Vectors) -> Vectors:
        t = self.tensors
        outputs: Vectors = np.maximum(vector @ t["w1"] + t["b1"], 0) @ t["w2"] + t["b2"]
        return outputs

    def _calibrated(
        self, odds: NDArray[np.float64], shift: float | NDArray[np.float64] = 0.0
    ) -> NDArray[np.float64]:
        odds = np.array(self.scale) * odds + np.array(self.shift) + shift
        chances: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
        return chances


@dataclass(frozen=True)
class OrderHead:
    """Reads lines of documents by their words alone; no vector is needed.

    ``at_least`` is the least probability at which a line counts as an order, ``of_reply`` that
    of a line that speaks of a reply: few honest documents do.
    """

    head: Head
    at_least: float
    of_reply: float

    def scores(self, found: Sequence[str]) -> NDArray[np.float64]:
        """The probability of each line that it gives orders to whoever answers from it."""
        return self.head.scores_of_lines(read_all(found)) if found else NO_LINES

    def orders_in(self, texts: Sequence[str]) -> list[str | None]:
        """Of each text the line most like an order, None when none is like enough.

        Lines are read all at once, and those that stand in several texts once.
        """
        found = [lines(text) for text in texts]
        every = list(dict.fromkeys(itertools.chain.from_iterable(found)))
        least = min(self.of_reply, self.at_least)
        scored = zip(every, map(float, self.scores(every)), strict=True)
        orders = {
            line: score for line, score in scored if score >= least and score >= self._least(line)
        }
        chosen = ([(orders[line], line) for line in own if line in orders] for own in found)
        return [max(pairs)[1] if pairs else None for pairs in chosen]

    def _least(self, line: str) -> float:
        return self.of_reply if speaks_of_reply(line) else self.at_least


class Screens:
    """The shipped heads; construction is cheap, the first use or ``warm_up`` loads them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loading = threading.Lock()
        self._heads: tuple[Head, ...] | None = None
        self._orders: OrderHead | None = None

    def warm_up(self) -> None:
        """Load the heads; raises ``ModelRefused`` when they do not match their manifest."""
        self._loaded()

    def scores(self, text: str, vector: Vectors) -> dict[str, float]:
        """The probability of each screen's name, in [0, 1].

        ``vector`` is the text's all-MiniLM-L6-v2 embedding, shape [384]. Raises
        ``ModelRefused`` for damaged files, and for a vector of another shape or not finite.
        """
        heads = self._loaded()
        _check_vectors(vector[None], *heads)
        words = {size: bag(text, size) if size else NO_WORDS for size in {h.buckets for h in heads}}
        found: dict[str, float] = {}
        for head in heads:
            found |= head.scores_of_words(words[head.buckets], text, vector)
        return found

    def chances(self, name: str, texts: Sequence[str], vectors: Vectors) -> list[float]:
        """The probability of one screen's name for each text, as ``scores`` says it."""
        head = next(head for head in self._loaded() if name in head.names)
        _check_vectors(vectors, head)
        scores: list[float] = head.scores_of_texts(texts, vectors)[
            :, head.names.index(name)
        ].tolist()
        return scores

    def orders_in(self, texts: Sequence[str]) -> list[str | None]:
        """Of each passage the line that gives orders to whoever answers from it, None for none.

        Raises ``ModelRefused`` for damaged files.
        """
        with self._loading:
            if self._orders is None:
                self._orders = _order_head(self._folder)
        return self._orders.orders_in(texts)

    def order_in(self, text: str) -> str | None:
        """As ``orders_in``, of one passage."""
        return self.orders_in([text])[0]

    def operating_points(self) -> dict[str, float]:
        """The shipped threshold of each score, the lowest where there are several."""
        read_manifest(self._folder, (WEIGHTS, CONFIG))
        points = json.loads((self._folder / CONFIG).read_text("utf-8"))["operating_points"]
        ordered = sorted(points, key=lambda point: -point["at_least"])
        return {point["score"]: point["at_least"] for point in ordered}

    def _loaded(self) -> tuple[Head, ...]:
        with self._loading:
            if self._heads is None:
                self._heads = _heads(self._folder)
            return self._heads


class OwnVectors:
    """Screens beside another embedder: they embed the text with all-MiniLM-L6-v2 themselves."""

    def __init__(self, screens: Screens, embedder: Embedder) -> None:
        self._screens, self._embedder = screens, embedder

    def warm_up(self) -> None:
        """Load the heads and the embedder; raises ``ModelRefused``."""
        self._screens.warm_up()
        self._embedder.warm_up()

    def scores(self, text: str, _vector: Vectors) -> dict[str, float]:
        """As ``Screens.scores``; the vector given is of another embedder and is not used."""
        return self._screens.scores(text, self._embedder.embed([text])[0])

    def chances(self, name: str, texts: Sequence[str], _vectors: Vectors) -> list[float]:
        """As ``Screens.chances``; as of ``scores``, the vectors given are not used."""
        return self._screens.chances(name, texts, self._embedder.embed(texts))

    def orders_in(self, texts: Sequence[str]) -> list[str | None]:
        """As ``Screens.orders_in``."""
        return self._screens.orders_in(texts)


def _check_vectors(vectors: Vectors, *heads: Head) -> None:
    """Raise ``ModelRefused`` for vectors [n, dimension] that the heads cannot read."""
    shapes = {head.tensors["w1"].shape[:1] for head in heads}
    if shapes != {vectors.shape[1:]} or not np.isfinite(vectors).all():
        raise ModelRefused("the screens need a finite vector of all-MiniLM-L6-v2")


def _heads(folder: Path) -> tuple[Head, ...]:
    with _read(folder) as (config, tensors):
        return tuple(_head(name, head, tensors) for name, head in config["heads"].items())


def _order_head(folder: Path) -> OrderHead:
    with _read(folder) as (config, tensors):
        own = {"names": [ORDER], "one_of": False} | config[ORDER]
        least = float(own["at_least"]), float(own["of_reply"])
        return OrderHead(_head(ORDER, own, tensors), *least)


@contextmanager
def _read(folder: Path) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """(config, tensors) of the screens; raises ``ModelRefused`` when they do not fit each other."""
    read_manifest(folder, (WEIGHTS, CONFIG))
    try:
        yield json.loads((folder / CONFIG).read_text("utf-8")), load_file(folder / WEIGHTS)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ModelRefused(f"{folder} does not hold the screens that its config names") from error


def _head(name: str, config: Mapping[str, Any], tensors: Mapping[str, Any]) -> Head:
    own = {
        key.removeprefix(f"{name}."): tensor.astype(np.float32)
        for key, tensor in tensors.items()
        if key.startswith(f"{name}.")
    }
    missing = {"w1", "b1", "w2", "b2"} - own.keys()
    if missing:
        raise KeyError(*missing)
    scale, shift = tuple(map(float, config["scale"])), tuple(map(float, config["shift"]))
    long_shift = float(config.get("long_shift", 0.0))
    return Head(tuple(config["names"]), own, scale, shift, bool(config["one_of"]), long_shift)
