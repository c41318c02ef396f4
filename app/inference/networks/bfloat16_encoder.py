"""MiniLM's encoder on a CPU in bfloat16 through torch: fast where the processor multiplies it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from app.inference.networks.pair_tensors import EncoderShape, Floats

Ids = NDArray[np.int64]
PARTS = ("query", "key", "value")


@dataclass(frozen=True)
class _Linear:
    weight: Tensor
    bias: Tensor

    def __call__(self, states: Tensor) -> Tensor:
        return functional.linear(states, self.weight, self.bias)


class Bfloat16Encoder:
    """BERT without pooling, from its tensors; safe to call from any thread.

    One call runs on the thread that calls: side by side, batches use every core.
    """

    def __init__(self, tensors: Mapping[str, Floats], shape: EncoderShape) -> None:
        self._tensors = {name: torch.tensor(array).bfloat16() for name, array in tensors.items()}
        self._heads, self._epsilon = shape.attention_heads, shape.epsilon
        layers = sum(name.endswith("attention.output.dense.weight") for name in tensors)
        self._layers = [f"encoder.layer.{number}" for number in range(layers)]
        self._projections = {layer: self._projection(layer) for layer in self._layers}

    def pooled(self, ids: Ids, mask: Ids) -> Floats:
        """The mean state [B, H] of the tokens of B texts, from [B, L] each; ``mask`` is 0 where a
        row is padded."""
        torch.set_num_threads(1)
        with torch.inference_mode():
            kept = torch.from_numpy(mask)
            seen = None if bool(kept.all()) else kept.bool()[:, None, None, :]
            states = self._embedded(torch.from_numpy(ids))
            for layer in self._layers:
                states = self._layer(layer, states, seen)
            weights = kept.unsqueeze(-1).float()
            summed = (states.float() * weights).sum(1) / weights.sum(1)
            found: Floats = summed.numpy()
            return found

    def _embedded(self, ids: Tensor) -> Tensor:
        of = self._tensors
        states = functional.embedding(ids, of["embeddings.word_embeddings.weight"])
        states = states + of["embeddings.position_embeddings.weight"][: ids.shape[1]]
        states = states + of["embeddings.token_type_embeddings.weight"][0]
        return self._normed("embeddings.LayerNorm", states)

    def _layer(self, layer: str, states: Tensor, seen: Tensor | None) -> Tensor:
        rows, length, width = states.shape
        parts = self._projections[layer](states).view(rows, length, 3, self._heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        mixed = self._linear(f"{layer}.attention.output.dense")(
            mixed.transpose(1, 2).reshape(rows, length, width)
        )
        states = self._normed(f"{layer}.attention.output.LayerNorm", states + mixed)
        inner = functional.gelu(self._linear(f"{layer}.intermediate.dense")(states))
        outer = self._linear(f"{layer}.output.dense")(inner)
        return self._normed(f"{layer}.output.LayerNorm", states + outer)

    def _projection(self, layer: str) -> _Linear:
        """Query, key and value in one product."""
        found = [self._linear(f"{layer}.attention.self.{part}") for part in PARTS]
        weight = torch.cat([one.weight for one in found])
        return _Linear(weight, torch.cat([one.bias for one in found]))

    def _linear(self, name: str) -> _Linear:
        return _Linear(self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"])

    def _normed(self, name: str, states: Tensor) -> Tensor:
        weight, bias = self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"]
        return functional.layer_norm(states, states.shape[-1:], weight, bias, self._epsilon)
