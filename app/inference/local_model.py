"""A generator from a local transformers folder."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    LogitsProcessor,
)

from app.errors import DependencyFailed, ModelRefused, SettingsInvalid
from app.inference.networks.weights import refuse_code
from app.inference.writing.drafting import ModelText, draft_of
from app.inference.writing.evidence_only import EvidenceOnly, evidence_tokens
from app.inference.writing.grounding import NO_ANSWER
from app.inference.writing.json_form import JsonForm
from app.inference.writing.prompt import (
    INSTRUCTIONS,
    JSON_INSTRUCTIONS,
    Chat,
    Prompt,
    answerable,
    build_prompt,
    messages,
    rewrite_prompt,
    source_texts,
)
from app.inference.writing.search import (
    Decoding,
    Search,
    UntilDeadline,
    Written,
    decoder_opening,
    opening_tokens,
)
from app.ports import DraftRequest, RewriteRequest
from guardrails.contract import Draft

GREEDY = Decoding()

_MIN_ROOM = 64
"""Tokens a model's window must leave for question and evidence beside the instructions."""


class TransformersGenerator:
    """A seq2seq or causal model from a local transformers folder, decoded as ``decoding`` says.

    Loads safetensors only and never runs code from the folder. On CUDA it computes in bfloat16,
    else on the CPU in float32.

    Features of a draft, all of the model's own distribution without the constraint (natural
    logarithm; a token is one that was written, the closing one included):

    - ``mean_logprob``, ``min_logprob``: log-probability of the tokens.
    - ``entropy``: mean entropy of the distributions the tokens were taken from, in nats.
    - ``abstain_margin``: log-probability of the first token less that of the token that begins
      ``NO_ANSWER``; left out under the constraint ``json``, where both begin alike.
    - ``copied``: share of the content words that stand in the evidence, 0 to 1.
    - ``tokens``: how many were written.
    - ``truncated``: 1.0 when stopped by ``max_new_tokens``, else 0.0.
    """

    def __init__(
        self,
        path: Path,
        device: str = "auto",
        max_new_tokens: int = 160,
        max_input_tokens: int = 4_096,
        decoding: Decoding = GREEDY,
    ) -> None:
        self.name = path.name
        self._path = path
        self._device = device
        self._sizes = Sizes(max_new_tokens, max_input_tokens)
        self._decoding = decoding
        self._lock = threading.Lock()
        self._loaded: LoadedModel | None = None

    def warm_up(self) -> None:
        """Load the folder once; raises ``ModelRefused`` when it is unsafe, broken or unfit, and
        ``SettingsInvalid`` when it cannot decode as told."""
        self._load()

    def draft(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        """One draft per request. The whole batch ends with ``DeadlineExceeded`` at its earliest
        deadline, which is looked at before every token."""
        for request in requests:
            request.deadline.remaining()
        drafts = [Draft((), (), self.name) for _ in requests]
        places = [i for i, request in enumerate(requests) if answerable(request)]
        if places:
            written = self._write([requests[i] for i in places])
            for i, draft in zip(places, written, strict=True):
                drafts[i] = draft
        return drafts

    def rewrite(self, requests: Sequence[RewriteRequest]) -> list[str]:
        """Each question as the model says it stands alone; nothing constrains its words."""
        loaded = self._load()
        try:
            return loaded.rewrite(requests)
        except torch.OutOfMemoryError:
            raise DependencyFailed("the generator's device ran out of memory") from None

    def _write(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        loaded = self._load()
        try:
            written = loaded.write(requests)
        except torch.OutOfMemoryError:
            raise DependencyFailed("the generator's device ran out of memory") from None
        as_json = self._decoding.constraint == "json"
        return [
            draft_of(request, prompt, text, self.name, as_json)
            for request, (prompt, text) in zip(requests, written, strict=True)
        ]

    def _load(self) -> "LoadedModel":
        with self._lock:
            if self._loaded is None:
                self._loaded = load_model(self._path, self._device, self._sizes, self._decoding)
            return self._loaded


@dataclass(frozen=True)
class Sizes:
    """Tokens a model may write and read."""

    max_new_tokens: int
    max_input_tokens: int


def load_model(path: Path, device: str, sizes: Sizes, decoding: Decoding) -> "LoadedModel":
    """The transformers folder at ``path``, ready to write; raises ``ModelRefused`` when it is
    unsafe, broken or unfit. Training loads models this way too, so that both show the same prompt.
    """
    if not path.is_dir():
        raise ModelRefused(f"{path} is not a folder")
    refuse_code(path)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    safe = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(path, **safe)
        if config.is_encoder_decoder and decoding.constraint == "json":
            raise SettingsInvalid("generator_constraint json needs a causal model or a server.")
        family: Any = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        tokenizer = AutoTokenizer.from_pretrained(path, **safe)
        model, report = family.from_pretrained(
            path,
            use_safetensors=True,
            dtype=torch.bfloat16 if device.startswith("cuda") else torch.float32,
            output_loading_info=True,
            **safe,
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise ModelRefused(f"{path} cannot be loaded: {error}") from error
    if report["missing_keys"]:
        raise ModelRefused(f"{path} lacks weights: {sorted(report['missing_keys'])[:3]}")
    return LoadedModel(model.eval().to(device), tokenizer, sizes, decoding)


class LoadedModel:
    """A model on its device with its tokenizer, and the prompt room its window leaves."""

    def __init__(self, model: Any, tokenizer: Any, sizes: Sizes, decoding: Decoding) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self._decoding = decoding
        self._chat = Chat(tokenizer)
        self._causal = not model.config.is_encoder_decoder
        self._set_padding()
        self._set_room(sizes)
        self._set_search(sizes.max_new_tokens)

    def write(self, requests: Sequence[DraftRequest]) -> list[tuple[Prompt, ModelText]]:
        """Each request's prompt and text; raises ``DeadlineExceeded`` when all deadlines passed."""
        prompts = [
            build_prompt(request, self.count, self.room, self._instructions) for request in requests
        ]
        inputs = self._inputs(prompts)
        constraint = self._constraint(requests, prompts, self._search.begin(inputs))
        until = UntilDeadline([request.deadline for request in requests])
        written = self._search.write(inputs, constraint, until)
        return list(zip(prompts, map(self._text, written), strict=True))

    def rewrite(self, requests: Sequence[RewriteRequest]) -> list[str]:
        """Each question's stand-alone form; "" for one that was cut off."""
        prompts = [rewrite_prompt(request, self.count, self.room) for request in requests]
        until = UntilDeadline([request.deadline for request in requests])
        written = self._search.write(self._inputs(prompts), None, until)
        return ["" if one.truncated else self._text(one).text for one in written]

    def _text(self, written: Written) -> ModelText:
        text = self.tokenizer.decode(written.tokens, skip_special_tokens=True)
        return ModelText(text, written.features, written.truncated)

    def _inputs(self, prompts: Sequence[Prompt]) -> dict[str, Tensor]:
        """The padded prompts [batch, longest], and for a seq2seq model what opens its answers."""
        rows = self.encode([self._chat.text(prompt.messages) for prompt in prompts])
        # Padding in the call itself would change the tokenizer that other threads use.
        inputs: dict[str, Tensor] = dict(
            self.tokenizer.pad(
                {"input_ids": [row[: self.window] for row in rows]},
                return_attention_mask=True,
                return_tensors="pt",
                verbose=False,
            )
        )
        if not self._causal:
            opening = decoder_opening(self.model.generation_config)
            inputs["decoder_input_ids"] = torch.tensor([opening] * len(rows))
        return {name: tensor.to(self.model.device) for name, tensor in inputs.items()}

    def _constraint(
        self, requests: Sequence[DraftRequest], prompts: Sequence[Prompt], begin: int
    ) -> LogitsProcessor | None:
        shown = [prompt.evidence for prompt in prompts]
        if self._form:
            return self._form.processor([len(e) for e in shown], begin, self._decoding.beams)
        if not self._words:
            return None
        allowed = [
            self._words.allowed(source_texts(request.question, evidence), len(evidence))
            for request, evidence in zip(requests, shown, strict=True)
        ]
        return EvidenceOnly(allowed, self._vocabulary, self._decoding.beams)

    def _set_padding(self) -> None:
        tokenizer = self.tokenizer
        if tokenizer.pad_token is None:
            if tokenizer.eos_token is None:
                raise ModelRefused("the tokenizer has neither a padding nor an end token")
            tokenizer.pad_token = tokenizer.eos_token
        tokenizer.padding_side = "left" if self._causal else "right"

    def _set_room(self, sizes: Sizes) -> None:
        as_json = self._decoding.constraint == "json"
        self._instructions = JSON_INSTRUCTIONS if as_json else INSTRUCTIONS
        self.window = min(sizes.max_input_tokens, self._context(sizes.max_new_tokens))
        bare = self._chat.text(messages([], "", self._instructions))
        self.room = self.window - len(self.encode([bare])[0]) - 16
        if self.room < _MIN_ROOM:
            raise ModelRefused(f"a window of {self.window} tokens is too small for the prompt")

    def _set_search(self, max_new_tokens: int) -> None:
        kind, tokenizer = self._decoding.constraint, self.tokenizer
        # A JSON answer and a JSON refusal begin alike.
        refusals = [] if kind == "json" else opening_tokens(tokenizer, NO_ANSWER)
        self._search = Search(
            self.model, self._decoding, max_new_tokens, tokenizer.pad_token_id, refusals
        )
        ends = self._search.ends
        self._vocabulary = self.model.get_output_embeddings().weight.shape[0]
        self._form = JsonForm(tokenizer, self._vocabulary, ends) if kind == "json" else None
        self._words = evidence_tokens(tokenizer, ends) if kind == "evidence" else None

    def _context(self, max_new_tokens: int) -> int:
        """Tokens the model can read: what its config or tokenizer states, less what it writes."""
        config = self.model.config.get_text_config()
        stated = [
            getattr(config, "max_position_embeddings", None),
            getattr(config, "n_positions", None),
            self.tokenizer.model_max_length,
        ]
        window = min(size for size in stated if size)
        return int(window - max_new_tokens if self._causal else window)

    def count(self, text: str) -> int:
        """Tokens of ``text`` within a prompt."""
        return len(self.tokenizer.encode(text, add_special_tokens=False, verbose=False))

    def encode(self, texts: list[str]) -> list[list[int]]:
        """The token ids of whole prompts."""
        encoded = self.tokenizer(texts, add_special_tokens=self._chat.special_tokens, verbose=False)
        ids: list[list[int]] = encoded["input_ids"]
        return ids
