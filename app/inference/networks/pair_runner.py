"""Runs a pair model over texts: tokenised, sorted by length, batched, and back in order."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from app.inference.device import pick_device
from app.inference.embedder import load_tokenizer
from app.inference.networks.onnx_encoder import OnnxEncoder, WantedPrecision
from app.inference.networks.onnx_graph import Precision
from app.inference.networks.pair_tensors import Floats, Heads, Linear, read_pair_tensors

MAX_TOKENS = 384
"""Of both texts together; the second is cut."""
BATCH_SIZE = 16
Ids = NDArray[np.int64]


class PairScores:
    """What a model says of one pair: ``token`` [L, token heads], ``pair`` [pair heads].

    ``encoding`` holds the L tokens with their offsets, special tokens included, padding too. Token
    scores say something of [CLS], and of the text that the model's ``Heads`` name.
    """

    __slots__ = ("encoding", "pair", "token")

    def __init__(self, encoding: Encoding, token: Floats, pair: Floats) -> None:
        self.encoding, self.token, self.pair = encoding, token, pair


class PairNetwork(Protocol):
    """One way to compute a pair model."""

    def __call__(self, ids: Ids, mask: Ids, types: Ids) -> tuple[Floats, Floats]:
        """From [B, L] each: token scores [B, L, token heads] and pair scores [B, pair heads]."""


class OnnxNetwork:
    """The network on a CPU: the encoder through ONNX Runtime, the heads in numpy."""

    def __init__(self, folder: Path, heads: Heads, precision: Precision) -> None:
        """Raises ``ModelRefused``."""
        tensors = read_pair_tensors(folder, heads)
        self._encoder = OnnxEncoder(tensors.encoder, tensors.shape, precision, some=True)
        self._token, self._pair, self._text = tensors.token, tensors.pair, heads.text

    def __call__(self, ids: Ids, mask: Ids, types: Ids) -> tuple[Floats, Floats]:
        wanted = types == self._text
        wanted[:, 0] = True
        states = self._encoder(ids, mask, types, wanted)
        return _scores(states, self._token), _scores(states[:, 0], self._pair)


def _scores(states: Floats, head: Linear) -> Floats:
    scores: Floats = states @ head.weight.T + head.bias
    return scores


class PairRunner:
    """A pair model ready to run; construction loads it."""

    def __init__(self, network: PairNetwork) -> None:
        self._network, self._tokenizer = network, _tokenizer_of_pairs()

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


@cache
def _tokenizer_of_pairs() -> Tokenizer:
    tokenizer = load_tokenizer()
    tokenizer.enable_truncation(MAX_TOKENS, strategy="only_second")
    tokenizer.enable_padding()
    return tokenizer


def load_pair_runner(
    folder: Path, heads: Heads, device: str = "auto", precision: WantedPrecision = "auto"
) -> PairRunner:
    """The pair model of ``folder`` on ``device``; raises ``ModelRefused``.

    ``auto`` is int8 on a CPU and float16 on a GPU; int8 runs on a CPU only (``ValueError``).
    """
    place = pick_device(device)
    if place == "cpu":
        return PairRunner(OnnxNetwork(folder, heads, "fp32" if precision == "fp32" else "int8"))
    if precision == "int8":
        raise ValueError("int8 runs on a CPU only")
    from app.inference.networks.pair_model import TorchNetwork

    return PairRunner(TorchNetwork(folder, heads, place, half=precision == "auto"))
