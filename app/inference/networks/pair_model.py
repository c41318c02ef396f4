"""The network of the models that read a pair of texts: MiniLM's encoder with two linear heads.

The ``token`` head scores every token (the reader: where an answer starts and ends), the ``pair``
head scores the pair as a whole from the state of [CLS] (the reader: relevance). Both heads
share the one pass of the encoder.
"""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn
from transformers import BertConfig, BertModel

from app.errors import ModelRefused
from app.inference.networks.weights import WEIGHTS, base_folder, load_tensors, read_manifest

CONFIG = "config.json"
"""A pair model's own settings, beside its weights."""
FROZEN_PREFIX = "encoder.embeddings."
"""MiniLM's embeddings stay frozen and are not shipped: they come from the base package."""


@dataclass(frozen=True)
class Heads:
    """How many scores a model gives for each token and for each pair."""

    token: int
    pair: int


READER_HEADS = Heads(token=2, pair=2)
"""Start and end of the answer; relevance of the passage, and whether it answers."""
SUPPORT_HEADS = Heads(token=1, pair=3)
"""Whether a word of the claim is unsupported; supported, contradicted, or unknown."""


class PairModel(nn.Module):
    """``forward`` maps token ids [B, L] to token scores [B, L, token] and pair scores [B, pair]."""

    def __init__(self, config: BertConfig, heads: Heads) -> None:
        super().__init__()
        self.encoder = BertModel(config, add_pooling_layer=False)
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
    folder = base_folder()
    config = BertConfig.from_pretrained(folder)
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    config._attn_implementation = attention
    model = PairModel(config, heads)
    model.encoder.load_state_dict(base_encoder_tensors(folder), strict=True)
    model.encoder.embeddings.requires_grad_(False)
    return model


def base_encoder_tensors(folder: Path) -> dict[str, Tensor]:
    """The base encoder's tensors, without the pooler and buffers no task here uses."""
    tensors = load_tensors(folder / WEIGHTS)
    return {k: v for k, v in tensors.items() if not k.startswith("pooler.") and "_ids" not in k}


def load_pair_model(folder: Path, heads: Heads) -> PairModel:
    """A shipped pair model: base embeddings plus the verified tensors of ``folder``.

    Raises ``ModelRefused`` when the folder fails its manifest or the tensors do not fit.
    """
    read_manifest(folder, opened=(WEIGHTS, CONFIG))
    model = new_pair_model(heads)
    try:
        missing, unexpected = model.load_state_dict(load_tensors(folder / WEIGHTS), strict=False)
    except RuntimeError as error:  # a tensor of another shape
        raise ModelRefused(f"{folder}: tensors do not fit the pair model") from error
    if unexpected or any(not name.startswith(FROZEN_PREFIX) for name in missing):
        raise ModelRefused(f"{folder}: tensors do not fit the pair model")
    return model.eval()
