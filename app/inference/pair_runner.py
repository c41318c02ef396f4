"""Runs a pair model over texts: tokenised, sorted by length, batched, and back in order."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Encoding

from app.inference.embedder import load_tokenizer, pick_device
from app.inference.pair_model import Heads, load_pair_model

MAX_TOKENS = 384
"""Of both texts together; the second is cut."""
BATCH_SIZE = 16
Floats = NDArray[np.float32]
Ids = NDArray[np.int64]


class PairScores:
    """What a model says of one pair: ``token`` [L, token heads], ``pair`` [pair heads].

    ``encoding`` holds the L tokens with their offsets, special tokens included, padding too.
    """

    __slots__ = ("encoding", "pair", "token")

    def __init__(self, encoding: Encoding, token: Floats, pair: Floats) -> None:
        self.encoding, self.token, self.pair = encoding, token, pair


class PairNetwork(Protocol):
    """One way to compute a pair model."""

    def __call__(self, ids: Ids, mask: Ids, types: Ids) -> tuple[Floats, Floats]:
        """From [B, L] each: token scores [B, L, token heads] and pair scores [B, pair heads]."""


class TorchNetwork:
    """The network in torch, on any device."""

    def __init__(self, folder: Path, heads: Heads, device: torch.device) -> None:
        """Raises ``ModelRefused``."""
        self._device = device
        self._model = load_pair_model(folder, heads).to(device)

    def __call__(self, ids: Ids, mask: Ids, types: Ids) -> tuple[Floats, Floats]:
        with torch.inference_mode():
            tensors = (torch.from_numpy(array).to(self._device) for array in (ids, mask, types))
            token, pair = self._model(*tensors)
        return token.float().cpu().numpy(), pair.float().cpu().numpy()


class PairRunner:
    """A pair model ready to run; construction loads it."""

    def __init__(self, network: PairNetwork, max_tokens: int = MAX_TOKENS) -> None:
        self._network = network
        self._tokenizer = load_tokenizer()
        self._tokenizer.enable_truncation(max_tokens, strategy="only_second")
        self._tokenizer.enable_padding()

    def run(self, pairs: Sequence[tuple[str, str]]) -> list[PairScores]:
        """Scores of each pair, in order. The first text must leave room for the second."""
        scores: dict[int, PairScores] = {}
        order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]) + len(pairs[i][1]))
        for first in range(0, len(order), BATCH_SIZE):
            chosen = order[first : first + BATCH_SIZE]
            encoded = self._tokenizer.encode_batch([pairs[i] for i in chosen])
            columns = ("ids", "attention_mask", "type_ids")
            arrays = [np.array([getattr(e, c) for e in encoded], np.int64) for c in columns]
            token, pair = self._network(*arrays)
            for place, index in enumerate(chosen):
                scores[index] = PairScores(encoded[place], token[place], pair[place])
        return [scores[index] for index in range(len(pairs))]


def load_pair_runner(folder: Path, heads: Heads, device: str = "auto") -> PairRunner:
    """The pair model of ``folder`` on ``device``; raises ``ModelRefused``."""
    return PairRunner(TorchNetwork(folder, heads, pick_device(device)))
