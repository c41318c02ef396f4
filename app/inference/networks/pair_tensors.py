"""The models that read a pair of texts, as arrays: an encoder with two linear heads.

The ``token`` head scores every token (the reader: where an answer starts and ends), the ``pair``
head scores the pair as a whole from the state of [CLS] (the reader: relevance). Both heads
share the one pass of the encoder: MiniLM's, whose embeddings come from the base package, or a
larger one, all of which is in its own folder.
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
LARGER_BASE = "all-mpnet-base-v2"
"""The base of a larger encoder, as a manifest names it: its tensors are named as MiniLM's are, its
words are numbered as MiniLM's too, and it has ``DISTANCES`` besides."""
LARGER_EPSILON = 1e-5
DISTANCES = "distances.weight"
"""What attention adds by how far two tokens are apart [buckets, attention heads]."""
SCALE = ".scale"
"""After the name of a tensor that a file holds as int8 [N, K]: what each row of it counts [N]."""


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
    """A pair model: the encoder's tensors, named as ``BertModel`` names them, its shape, and two
    heads."""

    encoder: Mapping[str, Floats]
    shape: EncoderShape
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
    """A pair model: base embeddings plus the verified tensors of ``folder``, or those alone.

    Raises ``ModelRefused`` when the folder fails its manifest or the tensors do not fit.
    """
    manifest = read_manifest(folder, opened=(WEIGHTS, CONFIG))
    tensors = _unscaled(folder, load_arrays(folder / WEIGHTS))
    if manifest.get("base") == LARGER_BASE:
        every, wanted = tensors, _larger_shapes(folder, tensors)
        heads_of_attention = tensors[f"encoder.{DISTANCES}"].shape[1]
        shape = EncoderShape(heads_of_attention, LARGER_EPSILON)
    else:
        base = {f"encoder.{name}": tensor for name, tensor in base_encoder_arrays().items()}
        every, shape = base | tensors, base_shape()
        wanted = {
            name: tensor.shape
            for name, tensor in base.items()
            if name in tensors or not name.startswith(FROZEN_PREFIX)
        }
    width = every["encoder.embeddings.LayerNorm.bias"].shape[0]
    wanted |= _head_shapes(heads, width)
    wanted |= {name: (width,) for name in tensors if name.startswith(RANGES_PREFIX)}
    if {name: tensor.shape for name, tensor in tensors.items()} != wanted:
        raise ModelRefused(f"{folder}: tensors do not fit the pair model")
    encoder = {
        name.removeprefix("encoder."): tensor
        for name, tensor in every.items()
        if name.startswith("encoder.")
    }
    token, pair = (
        Linear(every[f"{head}.weight"], every[f"{head}.bias"]) for head in ("token", "pair")
    )
    return PairTensors(encoder, shape, token, pair)


def _unscaled(folder: Path, tensors: Mapping[str, Floats]) -> dict[str, Floats]:
    """The tensors of a file, those in int8 by their scales; raises ``ModelRefused``."""
    for name, scale in tensors.items():
        scaled = tensors.get(name.removesuffix(SCALE))
        if name.endswith(SCALE) and (scaled is None or scale.shape != scaled.shape[:1]):
            raise ModelRefused(f"{folder}: tensors do not fit the pair model")
    return {
        name: tensor * tensors[name + SCALE][:, None] if name + SCALE in tensors else tensor
        for name, tensor in tensors.items()
        if not name.endswith(SCALE)
    }


def _larger_shapes(folder: Path, tensors: Mapping[str, Floats]) -> dict[str, tuple[int, ...]]:
    """The tensors of a larger encoder as its own say how wide and deep it is: those of MiniLM in
    other sizes, and ``DISTANCES``. Raises ``ModelRefused`` where they do not say it."""
    small = base_encoder_arrays()
    narrow = small["embeddings.LayerNorm.bias"].shape[0]
    try:
        (wide,) = tensors["encoder.embeddings.LayerNorm.bias"].shape
        buckets, heads = tensors[f"encoder.{DISTANCES}"].shape
    except (KeyError, ValueError) as error:
        raise ModelRefused(f"{folder}: tensors do not fit the pair model") from error
    depth = sum(name.endswith(".attention.self.query.bias") for name in tensors)
    if not depth or not heads or wide % heads:
        raise ModelRefused(f"{folder}: tensors do not fit the pair model")
    first = "encoder.layer.0."
    wanted = {name: a.shape for name, a in small.items() if name.startswith("embeddings.")}
    for name, array in small.items():
        if name.startswith(first):
            kinds = (f"encoder.layer.{n}.{name.removeprefix(first)}" for n in range(depth))
            wanted |= dict.fromkeys(kinds, array.shape)
    sizes = {
        f"encoder.{name}": tuple(n * wide // narrow if n % narrow == 0 else n for n in shape)
        for name, shape in wanted.items()
    }
    return {**sizes, f"encoder.{DISTANCES}": (buckets, heads)}


def _head_shapes(heads: Heads, width: int) -> dict[str, tuple[int, ...]]:
    return {
        "token.weight": (heads.token, width),
        "token.bias": (heads.token,),
        "pair.weight": (heads.pair, width),
        "pair.bias": (heads.pair,),
    }
