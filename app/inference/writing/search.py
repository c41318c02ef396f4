"""How a local model's tokens are chosen: greedy or beam search, until a deadline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, StoppingCriteria

from app.deadline import Deadline
from app.errors import ModelRefused
from app.inference.writing.figures import draft_features, token_figures

MAX_BEAMS = 8


@dataclass(frozen=True)
class Decoding:
    """How an answer is searched for; raises ``ValueError`` for beams outside 1 to ``MAX_BEAMS``.

    ``beams`` 1 is greedy: the likeliest token at each step. More keep that many beginnings alive
    and take the finished text with the highest mean log-probability.

    ``constraint`` says what may be written: ``none`` leaves it to the model, ``evidence`` allows
    tokens of the evidence, the question and function words only (``EvidenceTokens``), ``json``
    allows only what ``answer_schema`` describes.
    """

    beams: int = 1
    constraint: Literal["none", "evidence", "json"] = "none"

    def __post_init__(self) -> None:
        if not 1 <= self.beams <= MAX_BEAMS:
            raise ValueError(f"beams must be 1 to {MAX_BEAMS}")


class UntilDeadline(StoppingCriteria):
    """Ends generation by raising once nobody of the batch waits any more.

    Whoever is late gets no answer from the batcher; the others must not pay for it.
    """

    def __init__(self, deadlines: Sequence[Deadline]) -> None:
        self._deadlines = deadlines

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        self.look()
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)

    def look(self) -> None:
        """Raise ``DeadlineExceeded`` or ``CallerGone`` when every deadline has passed."""
        if all(deadline.passed for deadline in self._deadlines):
            for deadline in self._deadlines:
                deadline.remaining()


class Watch(LogitsProcessor):
    """Applies ``inner`` and notes ``token_figures`` [batch, 3] of each token greedy decoding takes.

    The figures are of the model's own distribution, before ``inner``: a constraint that forces an
    unlikely token leaves it unlikely. Keeping whole distributions instead would cost vocabulary x
    steps floats for each request.
    """

    def __init__(self, inner: LogitsProcessor | None, refusals: Sequence[int]) -> None:
        self._inner = inner
        self._refusals = refusals
        self.steps: list[Tensor] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        kept = self._inner(input_ids, scores) if self._inner else scores
        self.steps.append(token_figures(scores, kept.argmax(dim=-1), self._refusals))
        return kept


def opening_tokens(tokenizer: Any, text: str) -> list[int]:
    """The tokens that ``text`` can begin with, alone or after a space; blank ones say nothing."""
    found = set()
    for form in (text, f" {text}"):
        tokens = tokenizer.encode(form, add_special_tokens=False)
        if tokens and tokenizer.decode(tokens[:1]).strip():
            found.add(tokens[0])
    return sorted(found - set(tokenizer.all_special_ids))


# --- the search -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """What a model wrote, its end token included: ``tokens`` [n], and ``token_figures`` [n, 3]."""

    tokens: Tensor
    figures: Tensor
    truncated: bool

    @property
    def features(self) -> dict[str, float]:
        """The ``draft_features`` of this text."""
        return draft_features(self.figures, self.truncated)


class Search:
    """Writes with a transformers model, greedily or by beam search, with its key/value cache.

    Nothing of the folder's own generation settings but its token ids counts. ``padding`` is the
    padding token, ``refusals`` are the tokens that begin a refusal (``opening_tokens``).
    """

    def __init__(
        self,
        model: Any,
        decoding: Decoding,
        max_new_tokens: int,
        padding: int,
        refusals: Sequence[int] = (),
    ) -> None:
        self._model = model
        self._beams = decoding.beams
        self._max_new_tokens = max_new_tokens
        self._padding = padding
        self._refusals = refusals
        self._causal = not model.config.is_encoder_decoder
        self._keeps_logits = self._causal and model._supports_logits_to_keep()
        # An end token forced at the limit would hide that the text was cut.
        model.generation_config.forced_eos_token_id = None
        self.ends = as_tokens(model.generation_config.eos_token_id)
        """The tokens that end a text."""

    def begin(self, inputs: Mapping[str, Tensor]) -> int:
        """Where in a row of tokens the text begins: after a prompt, or a decoder's opening."""
        return inputs["input_ids" if self._causal else "decoder_input_ids"].shape[1]

    def write(
        self, inputs: Mapping[str, Tensor], constraint: LogitsProcessor | None, until: UntilDeadline
    ) -> list[Written]:
        """One text for each row of ``inputs``, which lie on the model's device.

        ``inputs`` are ``input_ids`` and ``attention_mask`` [batch, longest], and for a seq2seq
        model ``decoder_input_ids`` [batch, opening]. Raises ``DeadlineExceeded``.
        """
        with torch.inference_mode():
            if self._beams == 1:
                return self._greedy(inputs, constraint, until)
            return self._beam_search(inputs, constraint, until)

    def _greedy(
        self, inputs: Mapping[str, Tensor], constraint: LogitsProcessor | None, until: UntilDeadline
    ) -> list[Written]:
        watch = Watch(constraint, self._refusals)
        rows = self._generate(inputs, watch, until)
        # On CUDA generate may run one step more than it returns.
        figures = torch.stack(watch.steps[: rows.shape[1]], dim=1)
        texts = [self._whole(row) for row in rows]
        return [
            self._written(tokens, seen[: len(tokens)])
            for tokens, seen in zip(texts, figures, strict=True)
        ]

    def _beam_search(
        self, inputs: Mapping[str, Tensor], constraint: LogitsProcessor | None, until: UntilDeadline
    ) -> list[Written]:
        found = []
        for place, row in enumerate(self._generate(inputs, constraint, until)):
            until.look()
            tokens = self._whole(row)
            found.append(self._written(tokens, self._reread(inputs, place, tokens)))
        return found

    def _generate(
        self, inputs: Mapping[str, Tensor], processor: LogitsProcessor | None, until: UntilDeadline
    ) -> Tensor:
        """The new tokens [batch, longest], padded."""
        output: Tensor = self._model.generate(
            **inputs,
            generation_config=self._settings(),
            stopping_criteria=[until],
            logits_processor=[processor] if processor else [],
        )
        return output[:, self.begin(inputs) :]

    def _reread(self, inputs: Mapping[str, Tensor], place: int, tokens: Tensor) -> Tensor:
        """``token_figures`` of a chosen text, by one pass of the model over prompt and text.

        Beam search scores many beginnings; to keep what it saw of each would cost far more.
        """
        prompt = inputs["input_ids"][place][inputs["attention_mask"][place].bool()]
        read = {"input_ids": torch.cat([prompt, tokens] if self._causal else [prompt])[None]}
        if not self._causal:
            opening = inputs["decoder_input_ids"][place]
            read["decoder_input_ids"] = torch.cat([opening, tokens])[None]
        read["attention_mask"] = torch.ones_like(read["input_ids"])
        keep = {"logits_to_keep": len(tokens) + 1} if self._keeps_logits else {}
        logits = self._model(**read, **keep, use_cache=False).logits[0]
        return token_figures(logits[-len(tokens) - 1 : -1], tokens, self._refusals)

    def _whole(self, row: Tensor) -> Tensor:
        """``row`` up to and with its first end token; what follows is padding."""
        ends = torch.isin(row, torch.tensor(self.ends, device=row.device)).nonzero()
        return row[: int(ends[0]) + 1] if len(ends) else row

    def _written(self, tokens: Tensor, figures: Tensor) -> Written:
        return Written(tokens.cpu(), figures.cpu(), int(tokens[-1]) not in self.ends)

    def _settings(self) -> GenerationConfig:
        return GenerationConfig(  # type: ignore[no-untyped-call]
            do_sample=False,
            num_beams=self._beams,
            num_return_sequences=1,
            length_penalty=1.0,
            early_stopping=False,
            use_cache=True,
            min_length=0,
            max_new_tokens=self._max_new_tokens,
            repetition_penalty=1.0,
            no_repeat_ngram_size=0,
            pad_token_id=self._padding,
        )


def as_tokens(tokens: int | Sequence[int] | None) -> list[int]:
    """A token id of a generation config, which may be one, several or none, as a list."""
    return [] if tokens is None else [tokens] if isinstance(tokens, int) else list(tokens)


def decoder_opening(settings: GenerationConfig) -> list[int]:
    """What a seq2seq model's texts begin with, before the first token it chooses."""
    start = settings.decoder_start_token_id
    opening = as_tokens(settings.bos_token_id if start is None else start)[:1]
    if not opening:
        raise ModelRefused("the model does not say which token starts its answers")
    return opening + as_tokens(settings.forced_bos_token_id)[:1]
