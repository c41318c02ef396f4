"""How a local model's tokens are chosen, what it may write, and how sure it was of each token."""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from llguidance import LLMatcher, LLTokenizer
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, StoppingCriteria

from app.deadline import Deadline
from app.errors import ModelRefused
from app.inference.grounding import NO_ANSWER
from guardrails.contract import Draft, Passage, Sentence, sentence_bounds, with_markers
from guardrails.words import STOP_WORDS, WORD, content_words

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
    """Ends generation by raising ``DeadlineExceeded`` once a deadline of the batch has passed."""

    def __init__(self, deadlines: Sequence[Deadline]) -> None:
        self._deadlines = deadlines

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        self.look()
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)

    def look(self) -> None:
        """Raise ``DeadlineExceeded`` when a deadline has passed."""
        for deadline in self._deadlines:
            deadline.remaining()


# --- how sure the model was -----------------------------------------------------------------


def token_figures(logits: Tensor, tokens: Tensor, refusals: Sequence[int]) -> Tensor:
    """What a model's ``logits`` [..., vocabulary] say of the ``tokens`` [...] written: [..., 3].

    The last axis holds the token's log-probability, the entropy of the whole distribution in
    nats, and the best log-probability of a token in ``refusals`` (not a number without any).
    """
    logprobs = logits.float().log_softmax(dim=-1)
    chosen = logprobs.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    entropy = torch.special.entr(logprobs.exp()).sum(dim=-1)
    if refusals:
        refusal = logprobs[..., list(refusals)].amax(dim=-1)
    else:
        refusal = torch.full_like(chosen, math.nan)
    return torch.stack([chosen, entropy, refusal], dim=-1)


def draft_features(figures: Tensor, truncated: bool) -> dict[str, float]:
    """The features of one text from its ``token_figures`` [tokens, 3], closing token included."""
    features = {"tokens": float(len(figures)), "truncated": float(truncated)}
    if not len(figures):
        return features
    chosen, entropy, refusal = figures.unbind(-1)
    features["mean_logprob"] = chosen.mean().item()
    features["min_logprob"] = chosen.min().item()
    features["entropy"] = entropy.mean().item()
    margin = (chosen[0] - refusal[0]).item()
    if math.isfinite(margin):
        features["abstain_margin"] = margin
    return features


def with_copied(draft: Draft, evidence: Sequence[Passage]) -> Draft:
    """``draft`` with the feature ``copied``: the share of its content words the evidence holds.

    Words count once, without regard to case and plural; 1.0 when nothing was written.
    """
    said = content_words(" ".join(sentence.text for sentence in draft.sentences))
    held = content_words(" ".join(f"{passage.title} {passage.text}" for passage in evidence))
    copied = len(said & held) / len(said) if said else 1.0
    return replace(draft, features={**draft.features, "copied": copied})


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
        self,
        inputs: Mapping[str, Tensor],
        constraint: LogitsProcessor | None,
        until: UntilDeadline,
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
        self,
        inputs: Mapping[str, Tensor],
        constraint: LogitsProcessor | None,
        until: UntilDeadline,
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
        self,
        inputs: Mapping[str, Tensor],
        constraint: LogitsProcessor | None,
        until: UntilDeadline,
    ) -> list[Written]:
        found = []
        for place, row in enumerate(self._generate(inputs, constraint, until)):
            until.look()
            tokens = self._whole(row)
            found.append(self._written(tokens, self._reread(inputs, place, tokens)))
        return found

    def _generate(
        self,
        inputs: Mapping[str, Tensor],
        processor: LogitsProcessor | None,
        until: UntilDeadline,
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


# --- only words of the evidence -------------------------------------------------------------

_PUNCTUATION = ".,;:!?()'\"-"
_MARKER_ENDS = (".", ",", "", "[1]", " [1]")
_ANCHOR = "the"
"""A word that is always allowed: what follows it gets the tokens it has inside a sentence."""


class EvidenceTokens:
    """Which tokens of a vocabulary an answer may use so that it keeps to its evidence.

    ``encode`` gives the tokens of each text, without special tokens; ``closing`` are the end
    tokens; ``never`` are tokens that no text may bring in (special ones). Function words are
    ``STOP_WORDS``: no negation is among them, so a "not" must come from evidence or question.

    The limit is on tokens: pieces of two words can still form a third, and digits of the markers
    can form a number. The checks judge words and numbers.
    """

    def __init__(
        self,
        encode: Callable[[list[str]], Sequence[Sequence[int]]],
        closing: Iterable[int],
        never: Iterable[int] = (),
    ) -> None:
        self._encode = encode
        self._never = frozenset(never)
        marks = [f"{_ANCHOR}{mark} {_ANCHOR}" for mark in _PUNCTUATION]
        self._always = self._tokens([*_forms(STOP_WORDS), *marks, *_placed([NO_ANSWER])])
        self._always |= set(closing)

    def allowed(self, texts: Sequence[str], passages: int) -> set[int]:
        """The tokens for an answer from ``texts`` (evidence, question) of ``passages`` passages.

        A word of the texts is allowed at the start, after a space and after a bracket, as it
        stands and with its first letter in the other case.
        """
        words = {word for text in texts for word in WORD.findall(text)}
        return self._always | self._tokens([*texts, *_forms(words), *_marker_forms(passages)])

    def _tokens(self, texts: list[str]) -> set[int]:
        return {token for tokens in self._encode(texts) for token in tokens} - self._never


def evidence_tokens(tokenizer: Any, closing: Iterable[int]) -> EvidenceTokens:
    """``EvidenceTokens`` of a transformers tokenizer."""

    def encode(texts: list[str]) -> Sequence[Sequence[int]]:
        tokens: list[list[int]] = tokenizer(texts, add_special_tokens=False, verbose=False)[
            "input_ids"
        ]
        return tokens

    return EvidenceTokens(encode, closing, tokenizer.all_special_ids)


def _forms(words: Iterable[str]) -> list[str]:
    return _placed({form for word in words for form in _cases(word)})


def _cases(word: str) -> Iterator[str]:
    yield word
    yield word[0].upper() + word[1:]
    # "NASA" has no form with a small first letter, "Notice" has.
    if not word[1:] or word[1:].islower():
        yield word[0].lower() + word[1:]


def _placed(words: Iterable[str]) -> list[str]:
    """All words after a space, after a line feed (as at the start) and after a bracket.

    Joined, because to encode each alone takes many times longer.
    """
    each = list(words)
    return [f"{_ANCHOR} " + " ".join(each), "\n".join(each), f"({' ('.join(each)}"]


def _marker_forms(passages: int) -> list[str]:
    marks = [f"[{number}]" for number in range(1, passages + 1)]
    return [
        f"{_ANCHOR}{gap}{mark}{end}" for mark in marks for gap in ("", " ") for end in _MARKER_ENDS
    ]


class EvidenceOnly(LogitsProcessor):
    """Refuses every token that is not allowed for its row.

    ``allowed`` is one set of token ids for each request, or a boolean tensor
    [batch, vocabulary]; ids outside the vocabulary are left out. With beam search, each request
    has ``beams`` rows next to each other. Raises ``ValueError`` when a request may write nothing.
    """

    def __init__(
        self, allowed: Sequence[set[int]] | Tensor, vocabulary: int, beams: int = 1
    ) -> None:
        rows = allowed if isinstance(allowed, Tensor) else _mask(allowed, vocabulary)
        if rows.dtype != torch.bool or rows.shape[1:] != (vocabulary,):
            raise ValueError("allowed must be boolean, [batch, vocabulary]")
        if not rows.any(dim=1).all():
            raise ValueError("a request allows no token at all")
        self._refused = ~rows.repeat_interleave(beams, dim=0)

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        self._refused = self._refused.to(scores.device)
        return scores.masked_fill(self._refused, -math.inf)


def _mask(allowed: Sequence[set[int]], vocabulary: int) -> Tensor:
    rows = torch.zeros(len(allowed), vocabulary, dtype=torch.bool)
    for row, tokens in zip(rows, allowed, strict=True):
        row[[token for token in tokens if 0 <= token < vocabulary]] = True
    return rows


# --- only the JSON form ---------------------------------------------------------------------

MAX_SENTENCES = 3
MAX_SENTENCE_CHARS = 300
MAX_SENTENCE_CITATIONS = 3


def answer_schema(passages: int) -> dict[str, Any]:
    """The JSON schema of an answer from ``passages`` passages; no sentences means no answer.

    Every length and number is bounded: an unbounded one could use up all tokens.
    """
    number = {"type": "integer", "minimum": 1, "maximum": passages}
    citations = {"items": number, "minItems": 1, "maxItems": MAX_SENTENCE_CITATIONS}
    text = {"type": "string", "minLength": 1, "maxLength": MAX_SENTENCE_CHARS}
    sentence = _closed({"text": text, "citations": {"type": "array", **citations}})
    sentences = {"type": "array", "items": sentence, "maxItems": MAX_SENTENCES}
    return _closed({"sentences": sentences})


def _closed(properties: Mapping[str, Any]) -> dict[str, Any]:
    """An object with exactly these properties."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


_OPENING = re.compile(r'\s*\{\s*"sentences"\s*:\s*\[\s*')
_BETWEEN = re.compile(r"[\s,]*")


def text_from_json(written: str) -> str:
    """The text with ``[n]`` markers that a JSON answer stands for, empty when it abstains.

    From an answer that was cut, the sentences that are whole are kept. Raises ``ValueError``
    for words that are no beginning of a JSON object.
    """
    if written.strip() and not written.lstrip().startswith("{"):
        raise ValueError("this is no JSON object")
    return "\n\n".join(piece for found in _items(written) for piece in _marked(found))


def _items(written: str) -> Iterator[Any]:
    """The whole items of the list ``sentences``."""
    opening = _OPENING.match(written)
    place = opening.end() if opening else len(written)
    while written.startswith("{", place):
        try:
            found, place = json.JSONDecoder().raw_decode(written, place)
        except (ValueError, RecursionError):
            return
        yield found
        between = _BETWEEN.match(written, place)
        place = between.end() if between else place


def _marked(found: Any) -> list[str]:
    """The sentences of one item, each with the item's markers; a malformed item has none."""
    match found:
        case {"text": str(text), "citations": [*cited]}:
            numbers = tuple(n for n in cited if type(n) is int and 1 <= n <= 999)
            line = " ".join(text.split())
            pieces = (line[start:end] for start, end in sentence_bounds(line))
            return [with_markers(Sentence(piece, numbers)) for piece in pieces]
    return []


class JsonForm:
    """The grammar of ``answer_schema`` over one tokenizer's vocabulary.

    ``vocabulary`` is the width of the model's scores, ``closing`` its end tokens. Raises
    ``ModelRefused`` for a tokenizer whose tokens are not plain bytes, or without end tokens.
    """

    def __init__(self, tokenizer: Any, vocabulary: int, closing: Sequence[int]) -> None:
        if not closing:
            raise ModelRefused("the model has no end token, so it cannot be held to JSON")
        try:
            self._tokenizer = _grammar_tokenizer(tokenizer, vocabulary, closing)
        except ValueError as error:
            raise ModelRefused(f"the tokenizer cannot be held to JSON: {error}") from error

    def processor(self, passages: Sequence[int], begin: int, beams: int) -> "JsonOnly":
        """For requests of that many passages each, their answers starting at token ``begin``."""
        return JsonOnly([self._matcher(count) for count in passages], begin, beams)

    def _matcher(self, passages: int) -> LLMatcher:
        # White space and escapes are bounded: a model could go on with either for ever.
        limits: Any = {"whitespace_pattern": " ?", "json_allowed_escapes": '"\\'}
        schema = answer_schema(passages)
        grammar = LLMatcher.grammar_from_json_schema(schema, overrides=limits)
        matcher = LLMatcher(self._tokenizer, grammar)
        if matcher.is_error():
            raise ModelRefused(f"the JSON form cannot be used: {matcher.get_error()}")
        return matcher


def _grammar_tokenizer(tokenizer: Any, vocabulary: int, closing: Sequence[int]) -> LLTokenizer:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ValueError("it is not a fast tokenizer")
    return LLTokenizer(backend.to_str(), n_vocab=vocabulary, eos_token=list(closing))


class JsonOnly(LogitsProcessor):
    """Refuses every token after which the text is no beginning of the JSON form.

    One matcher for each request. Beam search changes which beginnings are alive, so the matchers
    are kept by what was written; a step copies and advances the one of its beginning.
    """

    def __init__(self, matchers: Sequence[LLMatcher], begin: int, beams: int = 1) -> None:
        self._begin = begin
        self._beams = beams
        self._alive: list[dict[tuple[int, ...], LLMatcher]] = [{(): m} for m in matchers]

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        written = [tuple(row) for row in input_ids[:, self._begin :].tolist()]
        refused = []
        for place, alive in enumerate(self._alive):
            rows = written[place * self._beams : (place + 1) * self._beams]
            self._alive[place] = {row: _advanced(alive, row) for row in rows}
            refused += [_refused(self._alive[place][row]) for row in rows]
        return scores.masked_fill(torch.stack(refused).to(scores.device), -math.inf)


def _advanced(alive: Mapping[tuple[int, ...], LLMatcher], row: tuple[int, ...]) -> LLMatcher:
    if not row:
        return alive[row]
    matcher = alive[row[:-1]].deep_copy()
    # What follows the end is padding.
    if not matcher.is_stopped():
        matcher.consume_token(row[-1])
    return matcher


def _refused(matcher: LLMatcher) -> Tensor:
    return torch.frombuffer(bytearray(matcher.compute_logit_bias()), dtype=torch.uint8) == 0
