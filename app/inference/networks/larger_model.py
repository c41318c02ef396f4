"""The larger pair model in torch: to train it, and to run it on a GPU."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from app.inference.networks.onnx_graph import PARTS, distance_buckets
from app.inference.networks.pair_tensors import (
    BUCKETS,
    DISTANCES,
    LARGER_EPSILON,
    LARGER_HEADS,
    LARGER_LAYERS,
    LARGER_WIDTH,
    Floats,
    Heads,
    PairTensors,
)

VOCABULARY, POSITIONS = 30522, 512
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


class Layer(nn.Module):
    """One layer; query, key and value in one product: a quarter faster on a CPU than in three."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(LARGER_WIDTH, 3 * LARGER_WIDTH)
        self.o = nn.Linear(LARGER_WIDTH, LARGER_WIDTH)
        self.attention_norm = nn.LayerNorm(LARGER_WIDTH, LARGER_EPSILON)
        self.up = nn.Linear(LARGER_WIDTH, 4 * LARGER_WIDTH)
        self.down = nn.Linear(4 * LARGER_WIDTH, LARGER_WIDTH)
        self.norm = nn.LayerNorm(LARGER_WIDTH, LARGER_EPSILON)

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        """States [B, L, H] after attention under ``bias`` [B x heads, L, L]."""
        rows, length, _ = states.shape
        size = LARGER_WIDTH // LARGER_HEADS
        split = self.qkv(states).view(rows, length, 3, LARGER_HEADS, size)
        q, k, v = split.permute(2, 0, 3, 1, 4).reshape(3, -1, length, size)
        scores = torch.baddbmm(bias, q, k.transpose(1, 2), alpha=size**-0.5)
        mixed = torch.bmm(scores.softmax(-1), v).view(rows, LARGER_HEADS, length, size)
        states = self.attention_norm(states + self.o(mixed.transpose(1, 2).reshape(states.shape)))
        normed: Tensor = self.norm(states + self.down(functional.gelu(self.up(states))))
        return normed


class LargerModel(nn.Module):
    """Called as ``PairModel`` is; it knows no token types."""

    def __init__(self, heads: Heads, *, half: bool = False) -> None:
        """``half`` keeps the encoder in bf16; the heads stay in fp32."""
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, LARGER_WIDTH)
        self.positions = nn.Embedding(POSITIONS, LARGER_WIDTH)
        self.norm = nn.LayerNorm(LARGER_WIDTH, LARGER_EPSILON)
        self.distances = nn.Embedding(BUCKETS, LARGER_HEADS)
        self.layers = nn.ModuleList(Layer() for _ in range(LARGER_LAYERS))
        if half:
            self.bfloat16()
        self.token = nn.Linear(LARGER_WIDTH, heads.token)
        self.pair = nn.Linear(LARGER_WIDTH, heads.pair)
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
        bias: Tensor = (near + closed).reshape(rows * LARGER_HEADS, length, length)
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
    for kind in ("weight", "bias"):
        tensors[f"norm.{kind}"] = named[f"embeddings.LayerNorm.{kind}"]
        for number in range(LARGER_LAYERS):
            own, theirs = f"layers.{number}.", f"encoder.layer.{number}."
            parts = [named[f"{theirs}attention.self.{part}.{kind}"] for part in PARTS]
            tensors[f"{own}qkv.{kind}"] = np.concatenate(parts)
            for name, other in PARTS_OF_LAYER.items():
                tensors[f"{own}{name}.{kind}"] = named[f"{theirs}{other}.{kind}"]
    for name, head in (("token", found.token), ("pair", found.pair)):
        tensors |= {f"{name}.weight": head.weight, f"{name}.bias": head.bias}
    model = LargerModel(heads)
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
        "embeddings.token_type_embeddings.weight": np.zeros((2, LARGER_WIDTH), np.float32),
        DISTANCES: own["distances.weight"],
    }
    for kind in ("weight", "bias"):
        named[f"embeddings.LayerNorm.{kind}"] = own[f"norm.{kind}"]
        for number in range(LARGER_LAYERS):
            mine, theirs = f"layers.{number}.", f"encoder.layer.{number}."
            for part, array in zip(PARTS, np.split(own[f"{mine}qkv.{kind}"], 3), strict=True):
                named[f"{theirs}attention.self.{part}.{kind}"] = array
            for name, other in PARTS_OF_LAYER.items():
                named[f"{theirs}{other}.{kind}"] = own[f"{mine}{name}.{kind}"]
    heads = {name: own[name] for name in own if name.startswith(("token.", "pair."))}
    return {f"encoder.{name}": array for name, array in named.items()} | heads
