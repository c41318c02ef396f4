"""Holds a generator to the JSON form of an answer, and reads that form."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from llguidance import LLMatcher, LLTokenizer
from torch import Tensor
from transformers import LogitsProcessor

from app.errors import ModelRefused
from guardrails.contract import Sentence, sentence_bounds, with_markers

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
