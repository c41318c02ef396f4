"""A local model with LoRA adapters, loaded and asked as the service does."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter, functional

from app.deadline import Deadline
from app.errors import (
    DependencyFailed,
    Invalid,
    ModelRefused,
)
from app.inference import local_model
from app.inference.writing.prompt import Chat, build_prompt, passage_line
from app.inference.writing.search import Decoding, as_tokens, decoder_opening
from app.ports import DraftRequest
from training.lora_rows import Row

MAX_NEW_TOKENS = 160
"""Longest target; the service stops a model there."""
DROPOUT = 0.05
IGNORED = -100


@dataclass(frozen=True)
class Example:
    """Token ids of a prompt, and of what to write after it, the closing token included."""

    prompt: list[int]
    target: list[int]


class Learner:
    """A model loaded as the service loads it, with LoRA adapters that start as no change."""

    def __init__(self, folder: Path, rank: int, max_tokens: int, device: str = "auto") -> None:
        sizes = local_model.Sizes(MAX_NEW_TOKENS, max_tokens)
        self._served = local_model.load_model(folder, device, sizes, Decoding())
        self.model: Any = self._served.model
        self.device = torch.device(self.model.device)
        self._tokenizer = self._served.tokenizer
        self._chat = Chat(self._tokenizer)
        settings = self.model.generation_config
        self._causal = not self.model.config.is_encoder_decoder
        self._opening = [] if self._causal else decoder_opening(settings)
        self._end = _closing(self._tokenizer, as_tokens(settings.eos_token_id))
        self._keeps_logits = "logits_to_keep" in signature(self.model.forward).parameters
        self._adapted = attach(self.model, rank)

    def adapters(self) -> dict[str, Parameter]:
        """The trained matrices by name."""
        return {k: p for k, p in self.model.named_parameters() if p.requires_grad}

    def load_adapters(self, tensors: Mapping[str, Tensor]) -> None:
        """Set all adapters; raises ``Invalid`` when ``tensors`` belong to another model."""
        adapters = self.adapters()
        if {k: p.shape for k, p in adapters.items()} != {k: t.shape for k, t in tensors.items()}:
            raise Invalid("The checkpoint was made with another model or rank.")
        with torch.no_grad():
            for name, parameter in adapters.items():
                parameter.copy_(tensors[name])

    def merged(self) -> Any:
        """The base with the adapters added to its weights; the learner is used up."""
        return self._adapted.merge_and_unload()

    def example(self, row: Row) -> Example | None:
        """``row`` in tokens; None when answer, or a passage it cites, does not fit whole."""
        request = DraftRequest(row.question, row.evidence, Deadline(math.inf))
        prompt = build_prompt(request, self._served.count, self._served.room)
        text = self._chat.text(prompt.messages)
        if max(row.cited, default=0) > len(prompt.evidence):
            return None
        # Only the first passage may have been cut.
        if 1 in row.cited and passage_line(1, row.evidence[0]) not in text:
            return None
        tokens = self._served.encode([text])[0]
        target = [*self._continuation(text, tokens, row.answer), self._end]
        if len(target) > MAX_NEW_TOKENS or len(tokens) > self._served.window:
            return None
        return Example(tokens, target)

    def _continuation(self, text: str, tokens: list[int], answer: str) -> list[int]:
        """The answer's tokens where it follows the prompt, as a causal model would write them."""
        gap = " " if self._causal and self._chat.special_tokens else ""
        if self._causal:
            joined: list[int] = self._served.encode([f"{text}{gap}{answer}"])[0]
            if joined[: len(tokens)] == tokens:
                return joined[len(tokens) :]
        alone: list[int] = self._tokenizer.encode(
            f"{gap}{answer}", add_special_tokens=False, verbose=False
        )
        return alone

    def loss(self, examples: Sequence[Example]) -> Tensor:
        """Mean cross-entropy of the target tokens in nats; a scalar."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=fast_bf16(self.device)):
            logits, labels = self._read(examples)
        return functional.cross_entropy(
            logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED
        )

    def _read(self, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
        """Logits [batch, length, vocabulary] and the labels [batch, length] they should predict."""
        if not self._causal:
            return self._read_seq2seq(examples)
        inputs = self._padded([[*e.prompt, *e.target] for e in examples])
        rows = [[*[IGNORED] * len(e.prompt), *e.target] for e in examples]
        labels = self._pad(rows, IGNORED)
        # Logits of the prompts would cost vocabulary x prompt floats, and are not needed.
        kept = labels.shape[1] - min(len(e.prompt) for e in examples) + 1
        few = {"logits_to_keep": kept} if self._keeps_logits else {}
        logits = self.model(**inputs, **few, use_cache=False).logits
        return logits[:, -kept:-1], labels[:, 1 - kept :]

    def _read_seq2seq(self, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
        opening = self._opening
        inputs = self._padded([e.prompt for e in examples])
        written = [[*opening, *e.target[:-1]] for e in examples]
        rows = [[*[IGNORED] * (len(opening) - 1), *e.target] for e in examples]
        decoder = self._pad(written, self._tokenizer.pad_token_id)
        logits = self.model(**inputs, decoder_input_ids=decoder, use_cache=False).logits
        return logits, self._pad(rows, IGNORED)

    def _padded(self, rows: Sequence[Sequence[int]]) -> dict[str, Tensor]:
        mask = self._pad([[1] * len(row) for row in rows], 0)
        return {"input_ids": self._pad(rows, self._tokenizer.pad_token_id), "attention_mask": mask}

    def _pad(self, rows: Sequence[Sequence[int]], filler: int) -> Tensor:
        width = max(map(len, rows))
        padded = [[*row, *[filler] * (width - len(row))] for row in rows]
        return torch.tensor(padded, device=self.device)


def attach(model: Any, rank: int) -> Any:
    """Add trainable adapters to every linear layer of ``model``, in place, but the output's.

    Raises ``DependencyFailed`` without peft, ``ModelRefused`` for a model without such layers.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise DependencyFailed("LoRA needs peft: install countersign[train].") from error
    config = LoraConfig(
        r=rank, lora_alpha=2 * rank, lora_dropout=DROPOUT, target_modules="all-linear"
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise ModelRefused(f"no adapters fit this model: {error}") from error


def fast_bf16(device: torch.device) -> bool:
    """Whether bfloat16 saves time: on CUDA, and on a CPU with instructions for it."""
    if device.type != "cpu":
        return device.type == "cuda"
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def _closing(tokenizer: Any, ends: Sequence[int]) -> int:
    """The token that ends an answer: the tokenizer's own where generation stops at it."""
    if not ends:
        raise ModelRefused("the model has no end token, so its answers would never end")
    return int(tokenizer.eos_token_id if tokenizer.eos_token_id in ends else ends[0])
