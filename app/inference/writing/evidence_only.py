"""Holds a local generator to words of its evidence."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor

from app.inference.writing.grounding import NO_ANSWER
from guardrails.words import STOP_WORDS, WORD

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
