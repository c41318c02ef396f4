"""The pair models in torch: to train them, and to run them on a GPU."""

import threading
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import BertConfig, BertModel
from transformers.initialization import no_init_weights

from app.inference.networks.larger_model import larger_model
from app.inference.networks.pair_tensors import (
    DISTANCES,
    FROZEN_PREFIX,
    RANGES_PREFIX,
    EncoderShape,
    Floats,
    Heads,
    PairTensors,
    base_encoder_arrays,
    read_pair_tensors,
)
from app.inference.networks.weights import base_folder

Ids = NDArray[np.int64]

_UNFILLED = threading.Lock()
"""``no_init_weights`` holds for the whole process while a network is made."""


def unfilled_encoder(config: BertConfig) -> BertModel:
    """An encoder to load every tensor of: random numbers for all of them take half a second."""
    with _UNFILLED, no_init_weights():
        return BertModel(config, add_pooling_layer=False)


class PairModel(nn.Module):
    """``forward`` maps token ids [B, L] to token scores [B, L, token] and pair scores [B, pair]."""

    def __init__(self, config: BertConfig, heads: Heads) -> None:
        super().__init__()
        self.encoder = unfilled_encoder(config)
        self.token = nn.Linear(config.hidden_size, heads.token)
        self.pair = nn.Linear(config.hidden_size, heads.pair)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
    ) -> tuple[Tensor, Tensor]:
        states = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state
        return self.token(states), self.pair(states[:, 0])

    def trained_state(self) -> dict[str, Tensor]:
        """The tensors that training changes and ``models/`` ships."""
        return {k: v for k, v in self.state_dict().items() if not k.startswith(FROZEN_PREFIX)}


def new_pair_model(heads: Heads, attention: str = "sdpa") -> PairModel:
    """MiniLM's weights with new heads and no dropout (under one epoch needs none)."""
    config = BertConfig.from_pretrained(base_folder())
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    config._attn_implementation = attention
    model = PairModel(config, heads)
    model.encoder.load_state_dict(base_encoder_tensors(), strict=True)
    model.encoder.embeddings.requires_grad_(False)
    return model


def base_encoder_tensors() -> dict[str, Tensor]:
    """The base encoder's tensors, each a copy of its own."""
    return {name: torch.tensor(array) for name, array in base_encoder_arrays().items()}


def load_pair_model(folder: Path, heads: Heads) -> PairModel:
    """A shipped pair model in torch; raises ``ModelRefused``."""
    return _pair_model(read_pair_tensors(folder, heads), heads)


def _pair_model(found: PairTensors, heads: Heads) -> PairModel:
    model = new_pair_model(heads)
    named = {f"encoder.{name}": array for name, array in found.encoder.items()}
    tensors = {k: array for k, array in named.items() if not k.startswith(RANGES_PREFIX)}
    for name, head in (("token", found.token), ("pair", found.pair)):
        tensors |= {f"{name}.weight": head.weight, f"{name}.bias": head.bias}
    model.load_state_dict({name: torch.tensor(array) for name, array in tensors.items()})
    return model.eval()


def encoder_arrays(model: BertModel) -> tuple[dict[str, Floats], EncoderShape]:
    """What ``OnnxEncoder`` needs of an encoder in torch."""
    tensors = {name: t.detach().float().numpy() for name, t in model.state_dict().items()}
    return tensors, EncoderShape(model.config.num_attention_heads, model.config.layer_norm_eps)


class TorchNetwork:
    """A pair model in torch, on any device."""

    def __init__(self, folder: Path, heads: Heads, device: str, half: bool) -> None:
        """``half`` computes in float16. Raises ``ModelRefused``."""
        self._device = torch.device(device)
        found = read_pair_tensors(folder, heads)
        larger = DISTANCES in found.encoder
        model = larger_model(found, heads) if larger else _pair_model(found, heads)
        model.to(self._device)
        self._model = model.half() if half else model

    def __call__(self, ids: Ids, mask: Ids, types: Ids) -> tuple[Floats, Floats]:
        with torch.inference_mode():
            tensors = (torch.from_numpy(array).to(self._device) for array in (ids, mask, types))
            token, pair = self._model(*tensors)
        return token.float().cpu().numpy(), pair.float().cpu().numpy()
