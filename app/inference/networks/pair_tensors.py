"""The models that read a pair of texts, as arrays: MiniLM's encoder with two linear heads.

The ``token`` head scores every token (the reader: where an answer starts and ends), the ``pair``
head scores the pair as a whole from the state of [CLS] (the reader: relevance). Both heads
share the one pass of the encoder.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import ModelRefused
from app.inference.networks.weights import (
    BASE_NAME,
    WEIGHTS,
    base_folder,
    load_arrays,
    read_manifest,
)

Floats = NDArray[np.float32]
CONFIG = "config.json"
"""A pair model's own settings, beside its weights."""
RANGES = "ranges."
"""Before a normalisation's name: the largest value of each of its channels [H]. Optional, and only
for int8 (``training.ranges``)."""
NORM_ENDING = ".LayerNorm.weight"
RANGES_PREFIX = f"encoder.{RANGES}"
FROZEN_PREFIX = "encoder.embeddings."
"""MiniLM's embeddings stay frozen and are not shipped: they come from the base package."""


@dataclass(frozen=True)
class Heads:
    """How many scores a model gives for each token and for each pair; ``text`` is the one of the
    pair whose tokens' scores are used, 0 or 1."""

    token: int
    pair: int
    text: int


READER_HEADS = Heads(token=2, pair=2, text=1)
"""Start and end of the answer; relevance of the passage, and whether it answers."""
SUPPORT_HEADS = Heads(token=1, pair=3, text=0)
"""Whether a word of the claim is unsupported; supported, contradicted, or unknown."""


@dataclass(frozen=True)
class EncoderShape:
    """What the tensors do not say: attention heads, and the epsilon of the normalisations."""

    attention_heads: int
    epsilon: float


@dataclass(frozen=True)
class Linear:
    """A head: ``weight`` [outputs, width] and ``bias`` [outputs]."""

    weight: Floats
    bias: Floats


@dataclass(frozen=True)
class PairTensors:
    """A pair model: the encoder's tensors, named as ``BertModel`` names them, and two heads."""

    encoder: Mapping[str, Floats]
    token: Linear
    pair: Linear


@cache
def base_shape() -> EncoderShape:
    """The shape of the packaged MiniLM."""
    config = json.loads((base_folder() / "config.json").read_text("utf-8"))
    return EncoderShape(config["num_attention_heads"], config["layer_norm_eps"])


@cache
def base_encoder_arrays() -> Mapping[str, Floats]:
    """The packaged encoder's tensors, without the pooler and buffers no task here uses.

    Kept, since every model on it shares its embeddings.
    """
    tensors = load_arrays(base_folder() / WEIGHTS)
    return {k: v for k, v in tensors.items() if not k.startswith("pooler.") and "_ids" not in k}


def ranged_encoder_arrays(folder: Path) -> Mapping[str, Floats]:
    """``base_encoder_arrays`` with the ranges of ``folder``: what int8 makes more of.

    Raises ``ModelRefused`` when the folder fails its manifest or has not each norm's ranges.
    """
    read_manifest(folder)
    base, ranges = base_encoder_arrays(), load_arrays(folder / WEIGHTS)
    wanted = {
        RANGES_PREFIX + name.removesuffix(".weight"): array.shape
        for name, array in base.items()
        if name.endswith(NORM_ENDING)
    }
    if {name: array.shape for name, array in ranges.items()} != wanted:
        raise ModelRefused(f"{folder}: ranges do not fit {BASE_NAME}")
    return {**base, **{name.removeprefix("encoder."): array for name, array in ranges.items()}}


def read_pair_tensors(folder: Path, heads: Heads) -> PairTensors:
    """A shipped pair model: base embeddings plus the verified tensors of ``folder``.

    Raises ``ModelRefused`` when the folder fails its manifest or the tensors do not fit.
    """
    read_manifest(folder, opened=(WEIGHTS, CONFIG))
    base = {f"encoder.{name}": tensor for name, tensor in base_encoder_arrays().items()}
    tensors = load_arrays(folder / WEIGHTS)
    width = base["encoder.embeddings.LayerNorm.bias"].shape[0]
    wanted = {
        name: tensor.shape
        for name, tensor in base.items()
        if name in tensors or not name.startswith(FROZEN_PREFIX)
    }
    wanted |= _head_shapes(heads, width)
    wanted |= {name: (width,) for name in tensors if name.startswith(RANGES_PREFIX)}
    if {name: tensor.shape for name, tensor in tensors.items()} != wanted:
        raise ModelRefused(f"{folder}: tensors do not fit the pair model")
    every = base | tensors
    encoder = {
        name.removeprefix("encoder."): tensor
        for name, tensor in every.items()
        if name.startswith("encoder.")
    }
    token, pair = (
        Linear(every[f"{head}.weight"], every[f"{head}.bias"]) for head in ("token", "pair")
    )
    return PairTensors(encoder, token, pair)


def _head_shapes(heads: Heads, width: int) -> dict[str, tuple[int, ...]]:
    return {
        "token.weight": (heads.token, width),
        "token.bias": (heads.token,),
        "pair.weight": (heads.pair, width),
        "pair.bias": (heads.pair,),
    }
