"""Many passages to unit vectors on a CPU: in int8, or in bfloat16, batched by their tokens."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
from tokenizers import Tokenizer

from app.allocator import keep_freed_memory
from app.inference.device import cpu_threads
from app.inference.embedder import MAX_TOKENS, MiniLMEmbedder, load_tokenizer
from app.inference.networks.onnx_encoder import Ids, OnnxEncoder
from app.inference.networks.onnx_graph import Floats
from app.inference.networks.pair_tensors import (
    base_encoder_arrays,
    base_shape,
    ranged_encoder_arrays,
)
from app.ports import Embedder, Vectors

BATCH_TOKENS = 1024
"""Padding included: the states of more do not fit into a core's cache."""
LENGTHS = 16
"""Batches are padded to a multiple of this: torch's attention takes up to twice as long between
two of them."""


class Encoder(Protocol):
    """MiniLM without its tokenizer, in some numbers."""

    def means(self, texts: Sequence[Ids]) -> Floats:
        """The mean state [B, H] of the tokens of B texts, from the tokens' numbers [L] of each."""


class ManyMiniLM:
    """all-MiniLM-L6-v2 for many passages, by the encoder that ``load`` makes."""

    name, dimension = MiniLMEmbedder.name, MiniLMEmbedder.dimension

    def __init__(self, load: Callable[[], Encoder]) -> None:
        self._load, self._loading = load, threading.Lock()
        self._loaded: tuple[Tokenizer, Encoder] | None = None

    def warm_up(self) -> None:
        """Load the packaged weights, once; raises ``ModelRefused``."""
        self._ready()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Shape [len(texts), 384]: mean of the token states, then unit length."""
        tokenizer, encoder = self._ready()
        encoded = tokenizer.encode_batch(list(texts))
        means = encoder.means([np.array(one.ids, np.int64) for one in encoded])
        unit: Vectors = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
        return unit

    def _ready(self) -> tuple[Tokenizer, Encoder]:
        with self._loading:
            if self._loaded is None:
                tokenizer = load_tokenizer(MAX_TOKENS)
                tokenizer.no_padding()
                self._loaded = tokenizer, self._load()
            return self._loaded


def int8_encoder(ranges: Path) -> Encoder:
    """Through ONNX Runtime, each text alone: its vector depends on nothing beside it.

    ``ranges`` is the folder of what was measured of the embedder's channels. Raises
    ``ModelRefused``.
    """
    return OnnxEncoder(ranged_encoder_arrays(ranges), base_shape(), "int8")


class Bfloat16Batches:
    """Through torch, a batch on each thread.

    Only for processes that embed much: what they free is kept for the next batch.
    """

    def __init__(self) -> None:
        from app.inference.networks.bfloat16_encoder import Bfloat16Encoder

        keep_freed_memory()
        self._threads = ThreadPoolExecutor(cpu_threads(), "bfloat16")
        self._encoder = Bfloat16Encoder(base_encoder_arrays(), base_shape())

    def means(self, texts: Sequence[Ids]) -> Floats:
        """As ``Encoder`` says."""
        rows = list(batched_by_tokens([len(ids) for ids in texts]))
        batches = [[texts[row] for row in some] for some in rows]
        means = np.zeros((len(texts), ManyMiniLM.dimension), np.float32)
        for some, found in zip(rows, self._threads.map(self._pooled, batches), strict=True):
            means[some] = found
        return means

    def _pooled(self, texts: Sequence[Ids]) -> Floats:
        shape = len(texts), padded(max(map(len, texts)))
        ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, own in enumerate(texts):
            ids[row, : len(own)], mask[row, : len(own)] = own, 1
        return self._encoder.pooled(ids, mask)


class PassageEmbedder:
    """``embedder`` for the first ``few`` texts, then ``many``: the same model in other numbers.

    To load what embeds faster takes as long as those few: whoever has fewer does not wait for it.
    """

    def __init__(self, embedder: Embedder, many: Embedder, few: int) -> None:
        self.name, self.dimension = embedder.name, embedder.dimension
        self._embedder, self._many, self._left = embedder, many, few

    def warm_up(self) -> None:
        """Load both; from then on ``many`` embeds all."""
        self._embedder.warm_up()
        self._many.warm_up()
        self._left = 0

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Shape [len(texts), dimension], unit length."""
        if self._left <= 0:
            return self._many.embed(texts)
        self._left -= len(texts)
        return self._embedder.embed(texts)


def padded(tokens: int) -> int:
    """How many a batch has in each row whose longest text has so many."""
    return -(-tokens // LENGTHS) * LENGTHS


def batched_by_tokens(lengths: Sequence[int]) -> Iterator[list[int]]:
    """The places of texts with so many tokens, the longest first, in batches of at most
    ``BATCH_TOKENS`` with their padding."""
    batch: list[int] = []
    for at in sorted(range(len(lengths)), key=lambda one: -lengths[one]):
        if batch and (len(batch) + 1) * padded(lengths[batch[0]]) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(at)
    if batch:
        yield batch
