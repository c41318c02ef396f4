"""MiniLM's encoder on a CPU in bfloat16 through torch: fast where the processor multiplies it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from app.inference.networks.pair_tensors import EncoderShape, Floats

Ids = NDArray[np.int64]
PARTS = ("query", "key", "value")


class _Affine(NamedTuple):
    """Of a product the weight [in, out] and bias [out]; of a norm those by which it ends."""

    weight: Tensor
    bias: Tensor

    def rounded(self) -> "_Affine":
        return _Affine(self.weight.bfloat16(), self.bias.bfloat16())

    def after(self, shift: Tensor) -> "_Affine":
        """The product that says of states with ``shift`` added what this says without."""
        return _Affine(self.weight, self.bias - shift @ self.weight)


@dataclass(frozen=True)
class _Layer:
    projections: _Affine
    mixed: Tensor
    attention_norm: _Affine
    inner: _Affine
    outer: Tensor
    output_norm: _Affine


class Bfloat16Encoder:
    """BERT without pooling, from its tensors; safe to call from any thread.

    One call runs on the thread that calls: side by side, batches use every core. What a product
    adds to the states it is given is added by the product itself, to states that the norm before
    has given the product's bias already; what else reads these states takes it off by its own bias.
    """

    def __init__(self, tensors: Mapping[str, Floats], shape: EncoderShape) -> None:
        of = {name: torch.from_numpy(array) for name, array in tensors.items()}
        self._heads, self._epsilon = shape.attention_heads, shape.epsilon
        count = sum(name.endswith("attention.output.dense.weight") for name in of)
        names = [f"encoder.layer.{number}" for number in range(count)]
        # Of the product that each norm is followed by; after the last layer there is none.
        biases = [of[f"{name}.attention.output.dense.bias"] for name in names]
        biases.append(torch.zeros_like(biases[0]))
        self._words = of["embeddings.word_embeddings.weight"].bfloat16()
        types = of["embeddings.token_type_embeddings.weight"]
        self._places = (of["embeddings.position_embeddings.weight"] + types[0]).bfloat16()
        self._first_norm = _norm(of, "embeddings.LayerNorm", biases[0])
        self._layers = [
            _layer(of, name, *pair)
            for name, *pair in zip(names, biases[:-1], biases[1:], strict=True)
        ]

    def pooled(self, ids: Ids, mask: Ids) -> Floats:
        """The mean state [B, H] of the tokens of B texts, from [B, L] each; ``mask`` is 0 where a
        row is padded."""
        torch.set_num_threads(1)
        with torch.inference_mode():
            kept = torch.from_numpy(mask)
            seen = None if bool(kept.all()) else kept.bool()[:, None, None, :]
            states = functional.embedding(torch.from_numpy(ids), self._words)
            states = states + self._places[: ids.shape[1]]
            states = self._normed(self._first_norm, states).flatten(0, 1)
            for layer in self._layers:
                states = self._through(layer, states, seen, ids.shape)
            weights = kept.unsqueeze(-1).float()
            rows = states.view(*ids.shape, -1).float()
            summed = (rows * weights).sum(1) / weights.sum(1)
            found: Floats = summed.numpy()
            return found

    def _through(
        self, layer: _Layer, states: Tensor, seen: Tensor | None, shape: tuple[int, ...]
    ) -> Tensor:
        """The next states, [B x L, H] as these."""
        parts = _product(layer.projections, states).view(*shape, 3, self._heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        mixed = mixed.transpose(1, 2).reshape(states.shape)
        states = self._normed(layer.attention_norm, torch.addmm(states, mixed, layer.mixed))
        inner = functional.gelu(_product(layer.inner, states))
        return self._normed(layer.output_norm, torch.addmm(states, inner, layer.outer))

    def _normed(self, norm: _Affine, states: Tensor) -> Tensor:
        return functional.layer_norm(states, states.shape[-1:], *norm, self._epsilon)


def _product(of: _Affine, states: Tensor) -> Tensor:
    return torch.addmm(of.bias, states, of.weight)


def _layer(of: Mapping[str, Tensor], name: str, bias: Tensor, following: Tensor) -> _Layer:
    """``bias`` is that of the product that mixes, ``following`` that of the next layer's."""
    parts = [_affine(of, f"{name}.attention.self.{part}") for part in PARTS]
    weights, biases = ([part[at] for part in parts] for at in range(2))
    projections = _Affine(torch.cat([one.t() for one in weights]).t(), torch.cat(biases))
    outer = _affine(of, f"{name}.output.dense")
    return _Layer(
        projections.after(bias).rounded(),
        _affine(of, f"{name}.attention.output.dense").rounded().weight,
        _norm(of, f"{name}.attention.output.LayerNorm", outer.bias),
        _affine(of, f"{name}.intermediate.dense").after(outer.bias).rounded(),
        outer.rounded().weight,
        _norm(of, f"{name}.output.LayerNorm", following),
    )


def _affine(of: Mapping[str, Tensor], name: str) -> _Affine:
    return _Affine(of[f"{name}.weight"].t(), of[f"{name}.bias"])


def _norm(of: Mapping[str, Tensor], name: str, shift: Tensor) -> _Affine:
    return _Affine(of[f"{name}.weight"], of[f"{name}.bias"] + shift).rounded()
