"""The span reader's network: MiniLM's encoder with a start and an end score per token.

Position 0 ([CLS]) stands for "the passage does not answer", as in the SQuAD 2.0 baseline of
Devlin et al. (2018): a span competes with it on the same scale.
"""

from pathlib import Path

from torch import Tensor, nn
from transformers import BertConfig, BertModel

from app.errors import ModelRefused
from app.inference.weights import WEIGHTS, base_folder, load_tensors, read_manifest

CONFIG = "config.json"
"""The reader's own settings, beside its weights."""
FROZEN_PREFIX = "encoder.embeddings."
"""MiniLM's embeddings stay frozen and are not shipped: they come from the base package."""


class SpanModel(nn.Module):
    """``forward`` maps token ids [batch, length] to logits [batch, length, 2] (start, end)."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.encoder = BertModel(config, add_pooling_layer=False)
        self.span = nn.Linear(config.hidden_size, 2)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        states = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state
        logits: Tensor = self.span(states)
        return logits

    def trained_state(self) -> dict[str, Tensor]:
        """The tensors that training changes and ``models/`` ships."""
        return {k: v for k, v in self.state_dict().items() if not k.startswith(FROZEN_PREFIX)}


def base_span_model(attention: str = "sdpa") -> SpanModel:
    """MiniLM's weights with a new span head and no dropout (under one epoch needs none)."""
    folder = base_folder()
    config = BertConfig.from_pretrained(folder)
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    config._attn_implementation = attention
    model = SpanModel(config)
    model.encoder.load_state_dict(base_encoder_tensors(folder), strict=True)
    model.encoder.embeddings.requires_grad_(False)
    return model


def base_encoder_tensors(folder: Path) -> dict[str, Tensor]:
    """The base encoder's tensors, without the pooler and buffers no task here uses."""
    tensors = load_tensors(folder / WEIGHTS)
    return {k: v for k, v in tensors.items() if not k.startswith("pooler.") and "_ids" not in k}


def load_span_model(folder: Path) -> SpanModel:
    """The shipped reader: base embeddings plus the verified tensors of ``folder``.

    Raises ``ModelRefused`` when the folder fails its manifest or the tensors do not fit.
    """
    read_manifest(folder, opened=(WEIGHTS, CONFIG))
    model = base_span_model()
    try:
        missing, unexpected = model.load_state_dict(load_tensors(folder / WEIGHTS), strict=False)
    except RuntimeError as error:  # a tensor of another shape
        raise ModelRefused(f"{folder}: tensors do not fit the span model") from error
    if unexpected or any(not name.startswith(FROZEN_PREFIX) for name in missing):
        raise ModelRefused(f"{folder}: tensors do not fit the span model")
    return model.eval()
