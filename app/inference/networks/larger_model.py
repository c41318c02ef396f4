"""The larger pair model in torch: to train it, and to run it on a GPU."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from app.inference.networks.onnx_graph import PARTS, distance_buckets
from app.inference.networks.pair_tensors import (
    DISTANCES,
    LARGER_EPSILON,
    Floats,
    Heads,
    PairTensors,
)

WORDS, POSITIONS, BUCKETS = 30522, 512, 32
CLOSED = -1e4
"""What attention adds for padding."""
FROZEN = ("words", "positions", "norm", "distances")
PARTS_OF_LAYER = {
    "o": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "norm": "output.LayerNorm",
}
"""Modules of ``Layer``, and what ``BertModel`` calls them."""


@dataclass(frozen=True)
class Size:
    """How large an encoder is; ``width`` is that of a state, the heads' together."""

    layers: int
    width: int
    heads: int


class Layer(nn.Module):
    """One layer; query, key and value in one product: a quarter faster on a CPU than in three."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.o = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, LARGER_EPSILON)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.norm = nn.LayerNorm(width, LARGER_EPSILON)

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        """States [B, L, H] after attention under ``bias`` [B x heads, L, L]."""
        rows, length, width = states.shape
        size = width // self._heads
        split = self.qkv(states).view(rows, length, 3, self._heads, size)
        q, k, v = split.permute(2, 0, 3, 1, 4).reshape(3, -1, length, size)
        scores = torch.baddbmm(bias, q, k.transpose(1, 2), alpha=size**-0.5)
        mixed = torch.bmm(scores.softmax(-1), v).view(rows, self._heads, length, size)
        states = self.attention_norm(states + self.o(mixed.transpose(1, 2).reshape(states.shape)))
        normed: Tensor = self.norm(states + self.down(functional.gelu(self.up(states))))
        return normed


class LargerModel(nn.Module):
    """Called as ``PairModel`` is; it knows no token types."""

    def __init__(self, size: Size, heads: Heads, *, half: bool = False) -> None:
        """``half`` keeps the encoder in bf16; the heads stay in fp32."""
        super().__init__()
        self.size, width = size, size.width
        self.words = nn.Embedding(WORDS, width)
        self.positions = nn.Embedding(POSITIONS, width)
        self.norm = nn.LayerNorm(width, LARGER_EPSILON)
        self.distances = nn.Embedding(BUCKETS, size.heads)
        self.layers = nn.ModuleList(Layer(width, size.heads) for _ in range(size.layers))
        if half:
            self.bfloat16()
        self.token = nn.Linear(width, heads.token)
        self.pair = nn.Linear(width, heads.pair)
        for name in FROZEN:
            self.get_submodule(name).requires_grad_(False)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Token scores [B, L, token] and pair scores [B, pair]."""
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        states = self.norm(self.words(input_ids) + self.positions(places))
        bias = self._bias(attention_mask).to(states.dtype)
        for layer in self.layers:
            states = layer(states, bias)
        states = states.to(self.token.weight.dtype)
        return self.token(states), self.pair(states[:, 0])

    def _bias(self, mask: Tensor) -> Tensor:
        """What is added to the scores of attention [B x heads, L, L]."""
        rows, length = mask.shape
        at = np.arange(length)
        buckets = torch.from_numpy(distance_buckets(at[None] - at[:, None], BUCKETS))
        near = self.distances(buckets.to(mask.device)).permute(2, 0, 1)[None]
        closed = (1 - mask[:, None, None].to(near.dtype)) * CLOSED
        bias: Tensor = (near + closed).reshape(rows * self.size.heads, length, length)
        return bias

    def trained_state(self) -> dict[str, Tensor]:
        """The tensors that training changes."""
        return {k: v for k, v in self.state_dict().items() if not k.startswith(FROZEN)}


def larger_model(found: PairTensors, heads: Heads) -> LargerModel:
    """The model of a folder in torch."""
    named = dict(found.encoder)
    tensors = {
        "words.weight": named["embeddings.word_embeddings.weight"],
        "positions.weight": named["embeddings.position_embeddings.weight"],
        "distances.weight": named[DISTANCES],
    }
    width = len(named["embeddings.LayerNorm.bias"])
    depth = sum(name.endswith(".attention.self.query.bias") for name in named)
    for kind in ("weight", "bias"):
        tensors[f"norm.{kind}"] = named[f"embeddings.LayerNorm.{kind}"]
        for number in range(depth):
            own, theirs = f"layers.{number}.", f"encoder.layer.{number}."
            parts = [named[f"{theirs}attention.self.{part}.{kind}"] for part in PARTS]
            tensors[f"{own}qkv.{kind}"] = np.concatenate(parts)
            for name, other in PARTS_OF_LAYER.items():
                tensors[f"{own}{name}.{kind}"] = named[f"{theirs}{other}.{kind}"]
    for name, head in (("token", found.token), ("pair", found.pair)):
        tensors |= {f"{name}.weight": head.weight, f"{name}.bias": head.bias}
    model = LargerModel(Size(depth, width, found.shape.attention_heads), heads)
    model.load_state_dict({name: torch.tensor(array) for name, array in tensors.items()})
    return model.eval()


def larger_tensors(model: LargerModel) -> dict[str, Floats]:
    """The tensors of ``model`` as a folder holds them: what ``larger_model`` undoes."""
    own = {
        name: tensor.detach().float().cpu().numpy() for name, tensor in model.state_dict().items()
    }
    named = {
        "embeddings.word_embeddings.weight": own["words.weight"],
        "embeddings.position_embeddings.weight": own["positions.weight"],
        "embeddings.token_type_embeddings.weight": np.zeros((2, model.size.width), np.float32),
        DISTANCES: own["distances.weight"],
    }
    for kind in ("weight", "bias"):
        named[f"embeddings.LayerNorm.{kind}"] = own[f"norm.{kind}"]
        for number in range(model.size.layers):
            mine, theirs = f"layers.{number}.", f"encoder.layer.{number}."
            for part, array in zip(PARTS, np.split(own[f"{mine}qkv.{kind}"], 3), strict=True):
                named[f"{theirs}attention.self.{part}.{kind}"] = array
            for name, other in PARTS_OF_LAYER.items():
                named[f"{theirs}{other}.{kind}"] = own[f"{mine}{name}.{kind}"]
    heads = {name: own[name] for name in own if name.startswith(("token.", "pair."))}
    return {f"encoder.{name}": array for name, array in named.items()} | heads
