"""The screens: calibrated scores from a text and the embedding it has anyway.

No encoder runs here. Each head reads the text's unit vector, and the words of the text as a
hashed bag, and says how likely it is that the text is what the head looks for.
"""

import itertools
import json
import math
import re
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from app.errors import ModelRefused
from app.inference.networks.weights import WEIGHTS, read_manifest
from app.inference.orders import lines, read, speaks_of_reply
from app.ports import Embedder, Vectors
from guardrails.checks.wording import folded

CONFIG = "config.json"
LONG = 300
"""Characters above which a text is long: honest role-plays are, and share the words of attacks."""
TOKEN = re.compile(r"\w+|[^\w\s]")
ORDER = "order"
NO_VECTOR = np.zeros(0, np.float32)
"""What a head reads that knows words alone."""
MAX_TOKENS = 4000
"""Of a longer text the first and last halves of this are read: an order may stand at the end."""


def bag(text: str, buckets: int) -> NDArray[np.int64]:
    """The buckets of the words and pairs of words of ``text``, each once, in order."""
    tokens = TOKEN.findall(folded(text))
    if len(tokens) > MAX_TOKENS:
        tokens = tokens[: MAX_TOKENS // 2] + tokens[-MAX_TOKENS // 2 :]
    pairs = [f"{left} {right}" for left, right in itertools.pairwise(tokens)]
    seen = {zlib.crc32(token.encode("utf-8")) % buckets for token in (*tokens, *pairs)}
    return np.fromiter(sorted(seen), dtype=np.int64, count=len(seen))


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
        t = self.tensors
        outputs = np.maximum(vector @ t["w1"] + t["b1"], 0) @ t["w2"] + t["b2"]
        if "bag" in t:
            places = bag(text, len(t["bag"]))
            outputs = outputs + t["bag"][places].sum(0) / math.sqrt(max(1, len(places)))
        odds: NDArray[np.float64] = outputs.astype(np.float64)
        return np.array([odds[-1] - np.logaddexp.reduce(odds[:-1])]) if self.one_of else odds

    def scores(self, text: str, vector: Vectors) -> dict[str, float]:
        """The probability of each name, in [0, 1]."""
        odds = np.array(self.scale) * self.raw(text, vector) + np.array(self.shift)
        odds += self.long_shift if len(text) > LONG else 0.0
        chances = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
        return dict(zip(self.names, map(float, chances), strict=True))


@dataclass(frozen=True)
class OrderHead:
    """Reads lines of documents by their words alone; no vector is needed.

    ``at_least`` is the least probability at which a line counts as an order, ``of_reply`` that
    of a line that speaks of a reply: few honest documents do.
    """

    head: Head
    at_least: float
    of_reply: float

    def score(self, line: str) -> float:
        """The probability that ``line`` gives orders to whoever answers from it, in [0, 1]."""
        return self.head.scores(read(line), NO_VECTOR)[ORDER]

    def order_in(self, text: str) -> str | None:
        """The line of ``text`` most like an order, None when none is like enough."""
        found = [(self.score(line), line) for line in lines(text)]
        orders = [pair for pair in found if pair[0] >= self._least(pair[1])]
        return max(orders)[1] if orders else None

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
        found: dict[str, float] = {}
        for head in self._loaded():
            if vector.shape != head.tensors["w1"].shape[:1] or not np.isfinite(vector).all():
                raise ModelRefused("the screens need a finite vector of all-MiniLM-L6-v2")
            found |= head.scores(text, vector)
        return found

    def order_in(self, text: str) -> str | None:
        """The line of a passage that gives orders to whoever answers from it, None for none.

        Raises ``ModelRefused`` for damaged files.
        """
        with self._loading:
            if self._orders is None:
                self._orders = _order_head(self._folder)
        return self._orders.order_in(text)

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

    def order_in(self, text: str) -> str | None:
        """As ``Screens.order_in``."""
        return self._screens.order_in(text)


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
