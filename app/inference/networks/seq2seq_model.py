"""The small generator's network: MiniLM reads each passage, a short decoder writes, and points.

Each passage is encoded with the question; the decoder attends over all of them at once
(fusion-in-decoder: Izacard and Grave, 2021). Each token written is a mixture of the vocabulary
and of a pointer over the tokens that were read (See et al., 2017). The pointer also says where
a word came from, and so which passage to cite: the network writes no citation markers.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertModel, GenerationMixin, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput

from app.errors import ModelRefused
from app.inference.networks.pair_model import base_encoder_tensors, unfilled_encoder
from app.inference.networks.weights import WEIGHTS, base_folder, load_tensors, read_manifest

PAD, CLS, SEP = 0, 101, 102
OPEN, CLOSE, NO_ANSWER = 1077, 1090, 1078
"""The marks around the short answer, and "no answer": the entries of "«", "»" and "¬" in
MiniLM's vocabulary. Its unused entries would not do: they were never trained, lie close
together, and the frozen table cannot tell them apart. None of the three is ever copied."""

FROZEN_PREFIXES = ("encoder.embeddings.", "decoder.embeddings.")
"""MiniLM's embeddings stay frozen, are shared by both halves and are not shipped."""

_EPSILON = 1e-9


@dataclass(frozen=True)
class Encoded:
    """What the encoder made of B questions, each over the same number of passages.

    ``states`` [B, S, H] are the passages' token states in a row; ``mask`` [B, S] is 1 where a
    token is; ``source`` [B, S] holds the token id where it may be copied, else -1. ``keys``
    [B, S, H] are what the pointer looks at, where they are kept for many steps.
    """

    states: Tensor
    mask: Tensor
    source: Tensor
    keys: Tensor | None = None


def encoded_of(
    states: Tensor, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
) -> Encoded:
    """What B questions over K passages read: ``states`` [B * K, L, H], the others [B, K, L]."""
    copied = (token_type_ids == 1) & (attention_mask == 1)
    copied[:, 0] = attention_mask[:, 0] == 1
    for special in (CLS, SEP, OPEN, CLOSE, NO_ANSWER):
        copied &= input_ids != special
    return Encoded(
        states.view(len(input_ids), -1, states.shape[-1]),
        attention_mask.flatten(1),
        torch.where(copied, input_ids, -1).flatten(1),
    )


class Seq2SeqConfig(PreTrainedConfig):  # type: ignore[no-untyped-call]
    """What ``generate`` needs to know of the network; sizes are MiniLM's."""

    model_type = "countersign-seq2seq"

    def __init__(self, decoder_layers: int = 3, **kwargs: Any) -> None:
        self.decoder_layers = decoder_layers
        self.num_hidden_layers = decoder_layers
        fixed = {
            "is_encoder_decoder": True,
            "decoder_start_token_id": CLS,
            "eos_token_id": SEP,
            "pad_token_id": PAD,
        }
        super().__init__(**{**kwargs, **fixed})


class Seq2SeqModel(PreTrainedModel, GenerationMixin):  # type: ignore[no-untyped-call]
    """``read`` the passages once, then ``forward`` gives the next token's log-probabilities."""

    config_class = Seq2SeqConfig
    main_input_name = "input_ids"
    _supports_sdpa = True

    def __init__(self, config: Seq2SeqConfig, bert: BertConfig) -> None:
        super().__init__(config)
        self.encoder = unfilled_encoder(bert)
        self.decoder = unfilled_encoder(_decoder_config(bert, config.decoder_layers))
        self.decoder.embeddings = self.encoder.embeddings
        size = bert.hidden_size
        self.word = nn.Sequential(
            nn.Linear(size, size), nn.GELU(), nn.LayerNorm(size), nn.Linear(size, size)
        )
        self.word_bias = nn.Parameter(torch.zeros(bert.vocab_size))
        self.query = nn.Linear(size, size)
        self.key = nn.Linear(size, size)
        self.go_on = nn.Linear(size, 1)
        self.copy_gate = nn.Linear(size, 1)

    def get_encoder(self, *_: Any, **__: Any) -> nn.Module:
        """The half that reads (asked for by ``generate``)."""
        return self.encoder

    def read(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Encoded:
        """Read [B, K, L] token ids (question and passage in each row of K passages).

        What may be copied: the passages' tokens, and the question's where it stands first.
        """
        states = self.encoder(
            input_ids=input_ids.flatten(0, 1),
            attention_mask=attention_mask.flatten(0, 1),
            token_type_ids=token_type_ids.flatten(0, 1),
        ).last_hidden_state
        assert states is not None
        return encoded_of(states, input_ids, attention_mask, token_type_ids)

    def write(self, reading: Encoded, tokens: Tensor, past: Any = None) -> tuple["Writing", Any]:
        """Decode ``tokens`` [B, T] over the reading; returns the writing and the cache."""
        output = self._decode(reading, tokens, past)
        states = output.last_hidden_state
        pointer = self._point(reading, states, tokens)
        writing = Writing(self._gate(states), pointer, self._words(states))
        return writing, output.past_key_values

    def target_log_probs(
        self, reading: Encoded, tokens: Tensor, targets: Tensor, copies: Tensor, written: Tensor
    ) -> Tensor:
        """Log-probability [N] of each target token where ``written`` [B, T] is true.

        ``copies`` [B, T, S] is true where the source token is one that the target may be copied
        from. The vocabulary's scores are computed for the N real steps only: most are padding.
        """
        states = self._decode(reading, tokens, None).last_hidden_state
        from_source = (self._point(reading, states, tokens) * copies).sum(-1)[written]
        states, targets = states[written], targets[written]
        from_words = -functional.cross_entropy(self._words(states), targets, reduction="none")
        gate = self._gate(states)
        return torch.logaddexp(
            functional.logsigmoid(gate) + from_source.clamp_min(_EPSILON).log(),
            functional.logsigmoid(-gate) + from_words,
        )

    def _decode(self, reading: Encoded, tokens: Tensor, past: Any) -> Any:
        return self.decoder(
            input_ids=tokens,
            encoder_hidden_states=reading.states,
            encoder_attention_mask=reading.mask,
            past_key_values=past,
            use_cache=past is not None,
        )

    def _point(self, reading: Encoded, states: Tensor, tokens: Tensor) -> Tensor:
        """Where to copy from, [B, T, S]: by content, and more so right after the token written
        last (``go_on`` learns how much), which is what keeps a copied phrase together."""
        keys = self.key(reading.states) if reading.keys is None else reading.keys
        scores = self.query(states) @ keys.transpose(1, 2)
        scores = scores.float() / states.shape[-1] ** 0.5
        before = functional.pad(reading.source[:, :-1], (1, 0), value=-1)
        follows = before.unsqueeze(1) == tokens.unsqueeze(-1)
        scores = scores + follows * self.go_on(states).float()
        pointer: Tensor = scores.masked_fill(reading.source.unsqueeze(1) < 0, -1e4).softmax(-1)
        return pointer

    def _words(self, states: Tensor) -> Tensor:
        scores = self.word(states) @ self.encoder.embeddings.word_embeddings.weight.T
        words: Tensor = scores.float() + self.word_bias
        return words

    def _gate(self, states: Tensor) -> Tensor:
        gate: Tensor = self.copy_gate(states)
        return gate.float().squeeze(-1)

    def forward(
        self,
        decoder_input_ids: Tensor,
        encoder_outputs: BaseModelOutput,
        attention_mask: Tensor,
        source: Tensor,
        keys: Tensor | None = None,
        past_key_values: Any = None,
        **_: Any,
    ) -> Seq2SeqLMOutput:
        """One step of ``generate``: ``logits`` [B, T, V] are log-probabilities of the mixture."""
        states = encoder_outputs.last_hidden_state
        assert states is not None
        writing, cache = self.write(
            Encoded(states, attention_mask, source, keys), decoder_input_ids, past_key_values
        )
        return Seq2SeqLMOutput(logits=writing.log_probs(source), past_key_values=cache)

    def trained_state(self) -> dict[str, Tensor]:
        """The tensors that training changes and ``models/`` ships."""
        return {
            name: tensor
            for name, tensor in self.state_dict().items()
            if not name.startswith(FROZEN_PREFIXES)
        }


@dataclass(frozen=True)
class Writing:
    """For each of T steps: the copy gate's logit [B, T], the pointer over the source
    [B, T, S] and the vocabulary's logits [B, T, V]."""

    gate: Tensor
    pointer: Tensor
    vocabulary: Tensor

    def log_probs(self, source: Tensor) -> Tensor:
        """Log-probabilities [B, T, V] of the mixture of pointer and vocabulary."""
        copy = torch.sigmoid(self.gate).unsqueeze(-1)
        mixed = self.vocabulary.softmax(-1) * (1 - copy)
        index = source.clamp(min=0).unsqueeze(1).expand_as(self.pointer)
        mixed = mixed.scatter_add(-1, index, self.pointer * copy)
        return mixed.clamp_min(_EPSILON).log()


def _decoder_config(bert: BertConfig, layers: int) -> BertConfig:
    values = bert.to_dict()
    values.update(num_hidden_layers=layers, is_decoder=True, add_cross_attention=True)
    config = BertConfig(**values)
    config._attn_implementation = bert._attn_implementation
    return config


def new_seq2seq_model(decoder_layers: int = 3, attention: str = "sdpa") -> Seq2SeqModel:
    """MiniLM as encoder; a decoder begun from evenly spaced layers of MiniLM, whose
    cross-attention begins as a copy of the same layer's self-attention. No dropout."""
    folder = base_folder()
    bert = BertConfig.from_pretrained(folder)
    bert.hidden_dropout_prob = bert.attention_probs_dropout_prob = 0.0
    bert._attn_implementation = attention
    model = Seq2SeqModel(Seq2SeqConfig(decoder_layers), bert)
    tensors = base_encoder_tensors()
    model.encoder.load_state_dict(tensors, strict=True)
    _begin_decoder(model.decoder, tensors, bert.num_hidden_layers)
    model.encoder.embeddings.requires_grad_(False)
    return model


def _begin_decoder(decoder: BertModel, tensors: dict[str, Tensor], depth: int) -> None:
    layers = decoder.config.num_hidden_layers
    shared = decoder.embeddings.state_dict()
    state = {f"embeddings.{name}": tensor for name, tensor in shared.items()}
    for number in range(layers):
        source = f"encoder.layer.{(number + 1) * depth // layers - 1}."
        for name, tensor in tensors.items():
            if name.startswith(source):
                rest = name.removeprefix(source)
                state[f"encoder.layer.{number}.{rest}"] = tensor
                if rest.startswith("attention."):
                    state[f"encoder.layer.{number}.cross{rest}"] = tensor
    decoder.load_state_dict(state, strict=True)


def load_seq2seq_model(folder: Path) -> Seq2SeqModel:
    """The shipped generator: base embeddings plus the verified tensors of ``folder``."""
    read_manifest(folder, opened=(WEIGHTS, "config.json"))
    model = new_seq2seq_model(_decoder_layers(folder / "config.json"))
    try:
        missing, unexpected = model.load_state_dict(load_tensors(folder / WEIGHTS), strict=False)
    except RuntimeError as error:  # a tensor of another shape
        raise ModelRefused(f"{folder}: tensors do not fit the network") from error
    if unexpected or any(not name.startswith(FROZEN_PREFIXES) for name in missing):
        raise ModelRefused(f"{folder}: tensors do not fit the network")
    model.train(False)
    return model


def _decoder_layers(config: Path) -> int:
    try:
        layers = json.loads(config.read_text("utf-8"))["decoder_layers"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelRefused(f"{config} has no decoder_layers") from error
    if layers not in range(1, 7):
        raise ModelRefused(f"{config}: decoder_layers is not 1 to 6")
    return int(layers)
