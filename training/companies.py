"""What customers ask over documents of small companies, as rows for the reader.

A folder of companies, as ``benchmarks/companies`` and ``training/company_questions``: each has
``documents/`` and ``questions.jsonl`` with a pattern of what is right. The documents are read and
cut as the service does it. A question is taken over a passage that holds what is right, and over
those that the embedder finds nearest and that do not: there no span is right. One that has no
answer is taken over the nearest ones alone. Beside them ``pairs.jsonl`` may hold pairs of questions
about one place of a document, of which it answers only one: both are taken over it.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Encoding, Tokenizer

from app.files import read_rows
from app.inference.embedder import MiniLMEmbedder, load_tokenizer
from app.inference.writing.question_types import as_question
from app.ports import Vectors
from app.settings import Settings
from guardrails.contract import PLACE, block_ends
from ingestion.chunk import Cut, cut_passages
from ingestion.formats.extract import extract
from ingestion.stages import embedding_text
from training.data import MAX_QUESTION_TOKENS, MAX_TITLE_TOKENS, SpanExample

WRONG = 3
"""Passages without the answer, for each question."""
NEAREST = 8
"""They are drawn from so many that are nearest."""
MOST_SPAN_TOKENS = 40
"""As much as the reader looks for; of more the beginning counts."""


@dataclass(frozen=True)
class Asked:
    """One question over passages of its company: ``right`` hold the answer, nearest first, and
    ``wrong`` do not. ``tempting`` is another question over the passage that answers this one, and
    does not answer that."""

    right: tuple[SpanExample, ...]
    wrong: tuple[SpanExample, ...]
    tempting: SpanExample | None = None


@dataclass(frozen=True)
class _Passages:
    """The passages of one company: their tokens, those of their places, and vectors [n, H]."""

    cuts: list[Cut]
    encodings: list[Encoding]
    places: list[tuple[int, ...]]
    vectors: Vectors


def asked_of(folder: Path, times: int = 1) -> Iterator[Asked]:
    """Every question of the companies in ``folder`` that stands alone, and every pair so often."""
    for path in sorted(folder.rglob("questions.jsonl")):
        passages = _passages(path.parent / "documents")
        rows = [row for row in read_rows(path) if not row.get("after")]
        vectors = _embedder().embed([row["question"] for row in rows])
        for row, vector in zip(rows, vectors, strict=True):
            found = _asked(row, vector, passages)
            if found.right or not row["answerable"]:
                yield found
        yield from times * list(_pairs(path.with_name("pairs.jsonl"), passages))


def _pairs(path: Path, passages: _Passages) -> Iterator[Asked]:
    pairs = list(read_rows(path)) if path.is_file() else []
    vectors = _embedder().embed([pair["good"] for pair in pairs]) if pairs else ()
    for pair, vector in zip(pairs, vectors, strict=True):
        right = pattern_of(pair["tempting"])
        row = {"question": pair["good"], "answers": [pair["answer"]], "right": right}
        found = _asked({**row, "answerable": True}, vector, passages)
        if found.right:
            other = replace(found.right[0], question=_question(pair["bad"]), start=-1, end=-1)
            yield replace(found, tempting=other)


def pattern_of(place: str) -> str:
    """A pattern for the words of a place, whatever stands between them."""
    return r"\s+".join(map(re.escape, place.split()))


def rows_of(asked: Asked, rng: random.Random) -> Iterator[tuple[SpanExample, bool]]:
    """A group's rows, each with whether it is ranked: the first of those before the others."""
    wrong = rng.sample(asked.wrong, min(WRONG, len(asked.wrong)))
    if asked.right:
        yield asked.right[0] if rng.random() < 0.7 else rng.choice(asked.right), True
    if asked.tempting:  # about the same thing, so it says nothing against the passage's relevance
        yield asked.tempting, False
        wrong = wrong[:1]
    yield from ((one, bool(asked.right)) for one in wrong)


@cache
def _embedder() -> MiniLMEmbedder:
    return MiniLMEmbedder("cpu")


@cache
def _tokenizer() -> Tokenizer:
    return load_tokenizer()


def _passages(folder: Path) -> _Passages:
    titled: list[tuple[str, Cut]] = []
    most = Settings().passage_tokens
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        extracted = extract(path.read_bytes(), path.name)
        cuts = cut_passages(extracted, _tokenizer(), most)
        titled += [(extracted.title, cut) for cut in cuts]
    places = [PLACE.join(dict.fromkeys(filter(None, (t, *cut.headings)))) for t, cut in titled]
    texts = [embedding_text(title, cut.text, cut.headings) for title, cut in titled]
    return _Passages(
        [cut for _, cut in titled],
        [_encode(cut.text) for _, cut in titled],
        [tuple(_encode(place).ids[:MAX_TITLE_TOKENS]) for place in places],
        _embedder().embed(texts),
    )


def _encode(text: str) -> Encoding:
    return _tokenizer().encode(text, add_special_tokens=False)


def _question(text: str) -> tuple[int, ...]:
    return tuple(_encode(as_question(text)).ids[:MAX_QUESTION_TOKENS])


def _asked(row: dict[str, Any], vector: Vectors, passages: _Passages) -> Asked:
    question = _question(row["question"])
    right: list[SpanExample] = []
    wrong: list[SpanExample] = []
    for at in np.argsort(-(passages.vectors @ vector), kind="stable").tolist():
        encoding, title = passages.encodings[at], passages.places[at]
        span = _span(row, passages.cuts[at].text, encoding) if row["answerable"] else None
        example = SpanExample(question, tuple(encoding.ids), *(span or (-1, -1)), title)
        (right if span else wrong).append(example)
    return Asked(tuple(right), tuple(wrong[:NEAREST]))


def _span(row: dict[str, Any], text: str, encoding: Encoding) -> tuple[int, int] | None:
    """The tokens of what is right in ``text``: of the short answer where it stands within the
    match of the pattern, else of the match, as far as it goes in one line."""
    match = re.search(row["right"], text, re.IGNORECASE)
    if match is None:
        return None
    start, end = match.span()
    within = match[0].casefold()
    short = [one for one in row["answers"] if one.casefold() in within]
    if short:
        longest = max(short, key=len)
        start += within.rindex(longest.casefold())
        end = start + len(longest)
    else:
        end = min([end, *(one for one in block_ends(text) if one > start)])
        end = start + len(text[start:end].rstrip())
    return _tokens(encoding, start, end)


def _tokens(encoding: Encoding, start: int, end: int) -> tuple[int, int] | None:
    inside = [n for n, (a, b) in enumerate(encoding.offsets) if a < end and start < b]
    return (inside[0], min(inside[-1], inside[0] + MOST_SPAN_TOKENS - 1)) if inside else None
