"""Many passages to unit vectors on a CPU: in bfloat16, batched by their tokens."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Encoding

from app.allocator import keep_freed_memory
from app.inference.device import cpu_threads
from app.inference.embedder import MAX_TOKENS, MiniLMEmbedder, load_tokenizer
from app.inference.networks.pair_tensors import base_encoder_arrays, base_shape
from app.ports import Embedder, Vectors

if TYPE_CHECKING:  # torch takes seconds to import
    from app.inference.networks.bfloat16_encoder import Bfloat16Encoder

BATCH_TOKENS = 1024
"""Padding included: the states of more do not fit into a core's cache."""
LENGTHS = 16
"""Batches are padded to a multiple of this: torch's attention takes up to twice as long between
two of them."""


class Bfloat16MiniLM:
    """all-MiniLM-L6-v2 in bfloat16 through torch, a batch on each thread.

    Only for processes that embed much: what they free is kept for the next batch.
    """

    name, dimension = MiniLMEmbedder.name, MiniLMEmbedder.dimension

    def __init__(self) -> None:
        self._loading = threading.Lock()
        self._encoder: Bfloat16Encoder | None = None

    def warm_up(self) -> None:
        """Load torch and the packaged weights, once."""
        with self._loading:
            if self._encoder is not None:
                return
            from app.inference.networks.bfloat16_encoder import Bfloat16Encoder

            keep_freed_memory()
            self._tokenizer = load_tokenizer(MAX_TOKENS)
            self._tokenizer.no_padding()
            self._threads = ThreadPoolExecutor(cpu_threads(), "bfloat16")
            self._encoder = Bfloat16Encoder(base_encoder_arrays(), base_shape())

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Shape [len(texts), 384]: mean of the token states, then unit length."""
        self.warm_up()
        encoded = self._tokenizer.encode_batch(list(texts))
        rows = list(batched_by_tokens([len(one.ids) for one in encoded]))
        batches = [[encoded[row] for row in some] for some in rows]
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for some, found in zip(rows, self._threads.map(self._embed_batch, batches), strict=True):
            vectors[some] = found
        return vectors

    def _embed_batch(self, encoded: Sequence[Encoding]) -> Vectors:
        assert self._encoder is not None
        shape = len(encoded), padded(max(len(one.ids) for one in encoded))
        ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, one in enumerate(encoded):
            ids[row, : len(one.ids)], mask[row, : len(one.ids)] = one.ids, 1
        mean = self._encoder.pooled(ids, mask)
        unit: Vectors = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
        return unit


class PassageEmbedder:
    """``embedder`` for the first ``few`` texts, then the same model in bfloat16.

    To load what embeds faster takes as long as those few: whoever has fewer does not wait for it.
    """

    def __init__(self, embedder: Embedder, few: int) -> None:
        self.name, self.dimension = embedder.name, embedder.dimension
        self._embedder, self._many, self._left = embedder, Bfloat16MiniLM(), few

    def warm_up(self) -> None:
        """Load both; from then on bfloat16 embeds all."""
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
