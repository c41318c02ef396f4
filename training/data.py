"""Training rows for reader and generator: question, passages and answer as token ids.

Reads the layout ``DATA/train/qa/{passages,questions}.jsonl.gz`` (see the model card for the
sources and their licences).
"""

import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Encoding, Tokenizer

from app.files import read_rows
from guardrails.contract import sentence_bounds
from training.statements import state
from training.unanswerable import alter, exchange

MAX_QUESTION_TOKENS = 48
MAX_ANSWER_TOKENS = 40
NEGATIVE_SHARE = {"squad1_train_negatives": 0.5}
"""Share of a source's unanswerable rows that is kept; 1.0 where a source is not named."""


def held_out(passage_id: str) -> bool:
    """Whether no reader is trained on this passage: one in 25 is kept for the risk score."""
    return hashlib.sha256(passage_id.encode("utf-8")).digest()[0] * 25 < 256


@dataclass(frozen=True)
class SpanExample:
    """One question over one passage; ``start``/``end`` are inclusive passage-token indices.

    Both are -1 when the passage does not answer.
    """

    question: tuple[int, ...]
    passage: tuple[int, ...]
    start: int
    end: int

    def window(self, size: int, rng: random.Random) -> tuple[tuple[int, ...], int, int]:
        """At most ``size`` passage tokens that hold the whole answer, placed at random."""
        spare = len(self.passage) - size
        if spare <= 0:
            return self.passage, self.start, self.end
        if self.start < 0:
            offset = rng.randint(0, spare)
            return self.passage[offset : offset + size], -1, -1
        first = max(0, self.end + 1 - size)
        offset = rng.randint(min(first, spare), max(first, min(self.start, spare)))
        return self.passage[offset : offset + size], self.start - offset, self.end - offset


@dataclass(frozen=True)
class ReaderExample:
    """An answerable question with what does not answer it.

    ``negatives`` are keys of ``ReaderData.passages`` that the search found wrongly; ``altered``
    is the question with one word changed (None where no rule fits); ``counterpart`` is that
    question over the passage with the same words exchanged, which answers it (None where the
    words do not stand in the passage); ``sentence`` are the inclusive passage-token indices of
    the sentence around the answer.
    """

    gold: SpanExample
    negatives: tuple[str, ...]
    altered: tuple[int, ...] | None
    counterpart: SpanExample | None
    sentence: tuple[int, int]

    def without_answer(self) -> SpanExample | None:
        """The passage without the answer's sentence; None where nothing else would be left."""
        first, last = self.sentence
        rest = self.gold.passage[:first] + self.gold.passage[last + 1 :]
        return SpanExample(self.gold.question, rest, -1, -1) if len(rest) > 4 else None


@dataclass(frozen=True)
class ReaderData:
    """Examples, and the token ids of every passage."""

    examples: list[ReaderExample]
    passages: dict[str, tuple[int, ...]]


def load_reader_data(
    data: Path, tokenizer: Tokenizer, seed: int, negatives: Path | None = None
) -> ReaderData:
    """The answerable rows of ``data`` whose answer is a verbatim span, shuffled.

    ``negatives`` are rows {id, negatives} of ``training.mining``; a question without one takes
    the data's own distractors. Passages that are held out take no part.
    """
    rng = random.Random(seed)
    texts = {
        row["passage_id"]: row["text"] for row in read_rows(data / "train/qa/passages.jsonl.gz")
    }
    encoded = dict(zip(texts, _encode(tokenizer, list(texts.values())), strict=True))
    found = {
        row["id"]: row["distractors"] for row in read_rows(data / "train/qa/distractors.jsonl.gz")
    }
    if negatives is not None:
        found |= {row["id"]: row["negatives"] for row in read_rows(negatives)}
    rows = [
        row
        for row in read_rows(data / "train/qa/questions.jsonl.gz")
        if row["answerable"]
        and len(row["passage_ids"]) == 1
        and not held_out(row["passage_ids"][0])
    ]
    questions = _encode(tokenizer, [row["question"] for row in rows])
    changed = [
        alter(row["question"], texts[row["passage_ids"][0]], row["answers"][0], rng) for row in rows
    ]
    altered = _encode(tokenizer, [text or "" for text in changed])
    examples = []
    for row, question, text, other in zip(rows, questions, changed, altered, strict=True):
        key = row["passage_ids"][0]
        span = _answer_tokens(row, texts[key], encoded[key])
        if span is None:
            continue
        gold = SpanExample(
            tuple(question.ids[:MAX_QUESTION_TOKENS]), tuple(encoded[key].ids), *span
        )
        kept = tuple(k for k in found.get(row["id"], ()) if not held_out(k))
        sentence = _sentence_tokens(texts[key], encoded[key], span)
        asked = tuple(other.ids[:MAX_QUESTION_TOKENS]) or None
        counterpart = text and _counterpart(row, text, asked or (), texts[key], tokenizer)
        examples.append(ReaderExample(gold, kept, asked, counterpart or None, sentence))
    rng.shuffle(examples)
    return ReaderData(examples, {key: tuple(encoding.ids) for key, encoding in encoded.items()})


def _counterpart(
    row: dict[str, Any], altered: str, ids: tuple[int, ...], text: str, tokenizer: Tokenizer
) -> SpanExample | None:
    """The question ``altered`` (``ids``) over ``text`` changed in the same way."""
    answer = row["answers"][0]
    start = _best_occurrence(answer, text, row["question"])
    if start is None:
        return None
    found = exchange(row["question"], altered, text, answer, start)
    if found is None:
        return None
    passage, at = found
    encoding = tokenizer.encode(passage, add_special_tokens=False)
    first, last = encoding.char_to_token(at), encoding.char_to_token(at + len(answer) - 1)
    if first is None or last is None:
        return None
    return SpanExample(ids, tuple(encoding.ids), first, last)


def _sentence_tokens(text: str, encoding: Encoding, span: tuple[int, int]) -> tuple[int, int]:
    """The tokens of the sentences that the span touches, inclusive."""
    start, end = encoding.offsets[span[0]][0], encoding.offsets[span[1]][1]
    touched = [(a, b) for a, b in sentence_bounds(text) if a < end and start < b]
    first, last = min(a for a, _ in touched), max(b for _, b in touched)
    inside = [n for n, (a, b) in enumerate(encoding.offsets) if a < last and first < b]
    return inside[0], inside[-1]


def shuffled(count: int, rng: random.Random) -> Iterator[int]:
    """Endless indices under ``count``: each once, then each once again."""
    while True:
        order = list(range(count))
        rng.shuffle(order)
        yield from order


def _encode(tokenizer: Tokenizer, texts: list[str]) -> list[Encoding]:
    return tokenizer.encode_batch(texts, add_special_tokens=False)


def _kept(row: dict[str, object], rng: random.Random) -> bool:
    share = 1.0 if row["answerable"] else NEGATIVE_SHARE.get(str(row["source"]), 1.0)
    return rng.random() < share


def _answer_tokens(row: dict[str, object], text: str, encoding: Encoding) -> tuple[int, int] | None:
    if not row["answerable"]:
        return -1, -1
    answer = str(row["answers"][0])  # type: ignore[index]
    start = _best_occurrence(answer, text, str(row["question"]))
    if start is None:
        return None
    first = encoding.char_to_token(start)
    last = encoding.char_to_token(start + len(answer) - 1)
    if first is None or last is None or last - first >= MAX_ANSWER_TOKENS:
        return None
    return first, last


def _best_occurrence(answer: str, text: str, question: str) -> int | None:
    """Where ``answer`` stands; of several places the one whose surroundings share most words
    with the question (the rows carry no offsets)."""
    starts = [match.start() for match in re.finditer(re.escape(answer), text)] if answer else []
    if not starts:
        return None
    wanted = set(re.findall(r"\w+", question.lower()))

    def overlap(start: int) -> int:
        around = text[max(0, start - 120) : start + len(answer) + 120].lower()
        return len(wanted & set(re.findall(r"\w+", around)))

    return max(starts, key=overlap)


@dataclass(frozen=True)
class Answer:
    """A target text as token ids: ``before``, the short answer, ``after``.

    ``span`` is where the short answer stands in its passage (inclusive token indices), or None
    where it is not a verbatim span.
    """

    before: tuple[int, ...]
    short: tuple[int, ...]
    after: tuple[int, ...]
    span: tuple[int, int] | None


@dataclass(frozen=True)
class FusedExample:
    """One question over several passages, by their keys in ``FusedData.passages``.

    ``gold`` answers it; with ``answer`` None, ``gold`` is one more passage that does not.
    """

    question: tuple[int, ...]
    gold: str
    distractors: tuple[str, ...]
    answer: Answer | None
    source: str


@dataclass(frozen=True)
class FusedData:
    """Examples, the token ids of every passage, and each source's passages to draw from."""

    examples: list[FusedExample]
    passages: dict[str, tuple[int, ...]]
    by_source: dict[str, list[str]]


def load_fused_data(data: Path, tokenizer: Tokenizer, seed: int) -> FusedData:
    """Rows of ``data`` with one gold passage, and up to four distractors where there are any.

    Answers that are no verbatim span are kept: the generator may write them.
    """
    rng = random.Random(seed)
    texts = {
        row["passage_id"]: row["text"] for row in read_rows(data / "train/qa/passages.jsonl.gz")
    }
    encoded = dict(zip(texts, _encode(tokenizer, list(texts.values())), strict=True))
    rows = [
        row
        for row in read_rows(data / "train/qa/questions.jsonl.gz")
        if len(row["passage_ids"]) == 1 and _kept(row, rng)
    ]
    distractors = {
        row["id"]: tuple(row["distractors"])
        for row in read_rows(data / "train/qa/distractors.jsonl.gz")
    }
    questions = _encode(tokenizer, [row["question"] for row in rows])
    examples = []
    by_source: dict[str, set[str]] = {}
    for row, question in zip(rows, questions, strict=True):
        gold = row["passage_ids"][0]
        answer = _answer(row, texts[gold], encoded[gold], tokenizer) if row["answerable"] else None
        if row["answerable"] and answer is None:
            continue
        by_source.setdefault(row["source"], set()).add(gold)
        ids = tuple(question.ids[:MAX_QUESTION_TOKENS])
        others = distractors.get(row["id"], ())
        examples.append(FusedExample(ids, gold, others, answer, row["source"]))
    rng.shuffle(examples)
    passages = {key: tuple(encoding.ids) for key, encoding in encoded.items()}
    return FusedData(examples, passages, {k: sorted(v) for k, v in by_source.items()})


def _answer(
    row: dict[str, Any], text: str, encoding: Encoding, tokenizer: Tokenizer
) -> Answer | None:
    span = _answer_tokens(row, text, encoding)
    said = row["answers"][0]
    if span is None:
        short = tokenizer.encode(said, add_special_tokens=False).ids
        if not 0 < len(short) <= MAX_ANSWER_TOKENS:
            return None
        return Answer((), tuple(short), (), None)
    parts = state(row["question"], said)
    before, after = (
        tuple(tokenizer.encode(part, add_special_tokens=False).ids)
        for part in (parts.before, parts.after)
    )
    return Answer(before, tuple(encoding.ids[span[0] : span[1] + 1]), after, span)
