"""Training rows for reader and generator: question, passages and answer as token ids.

Reads the layout ``DATA/train/qa/{passages,questions,squad2_unanswerable}.jsonl.gz``, the last
where it is there (see the model card for the sources and their licences).
"""

import hashlib
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tokenizers import Encoding, Tokenizer

from app.files import read_rows
from guardrails.contract import sentence_bounds
from training.noise import noisy
from training.statements import state
from training.unanswerable import alter, exchange

MAX_QUESTION_TOKENS = 64
MAX_ANSWER_TOKENS = 40
MAX_TITLE_TOKENS = 32
NOISY_SHARE = 0.15
"""How many questions are asked as people type them (``training.noise``)."""
NEGATIVE_SHARE = {"squad1_train_negatives": 0.5}
"""Share of a source's unanswerable rows that is kept; 1.0 where a source is not named."""
NAMELESS = "it"
"""Stands in a passage for the name that its title tells."""


OLD_NEGATIVES = "squad1_train_negatives"
"""Questions of other passages of the same title: any reader tells them, so they teach nothing."""


def question_rows(data: Path) -> Iterator[dict[str, Any]]:
    """The questions of ``data`` over one passage, with those that people wrote to look answerable
    and without ``OLD_NEGATIVES``."""
    for row in read_rows(data / "train/qa/questions.jsonl.gz"):
        if len(row["passage_ids"]) == 1 and row["source"] != OLD_NEGATIVES:
            yield row
    yield from _tempting_rows(data)


def _tempting_rows(data: Path) -> Iterator[dict[str, Any]]:
    path = data / "train/qa/squad2_unanswerable.jsonl.gz"
    if path.is_file():
        yield from read_rows(path)


def held_out(passage_id: str) -> bool:
    """Whether no reader is trained on this passage: one in 25 is kept for the risk score."""
    return hashlib.sha256(passage_id.encode("utf-8")).digest()[0] * 25 < 256


@dataclass(frozen=True)
class SpanExample:
    """One question over one passage; ``start``/``end`` are inclusive passage-token indices.

    Both are -1 when the passage does not answer. ``tempting`` are such indices of what looks
    like the answer then, None where nothing does. ``title`` is the title of the passage's
    document, empty where none is told.
    """

    question: tuple[int, ...]
    passage: tuple[int, ...]
    start: int
    end: int
    title: tuple[int, ...] = ()
    tempting: tuple[int, int] | None = None

    def window(self, size: int, rng: random.Random) -> tuple[tuple[int, ...], int, int]:
        """At most ``size`` passage tokens with the whole answer (or what tempts) at random."""
        spare = len(self.passage) - size
        if spare <= 0:
            return self.passage, self.start, self.end
        start, end = self.tempting or (self.start, self.end)
        if start < 0:
            offset = rng.randint(0, spare)
            return self.passage[offset : offset + size], -1, -1
        first = max(0, end + 1 - size)
        offset = rng.randint(min(first, spare), max(first, min(start, spare)))
        cut = self.passage[offset : offset + size]
        return (cut, -1, -1) if self.start < 0 else (cut, start - offset, end - offset)


@dataclass(frozen=True)
class ReaderExample:
    """An answerable question with what does not answer it.

    ``negatives`` are keys of ``ReaderData.passages`` that the search found wrongly; ``altered``
    is the question with one word changed (None where no rule fits); ``counterpart`` is that
    question over the passage with the same words exchanged, which answers it (None where the
    words do not stand in the passage); ``sentence`` are the inclusive passage-token indices of
    the sentence around the answer; ``unanswerable`` are questions that people wrote to look
    answerable over the passage; ``nameless`` is the passage without the name that its title and
    the question tell (None where they do not).
    """

    gold: SpanExample
    negatives: tuple[str, ...]
    altered: tuple[int, ...] | None
    counterpart: SpanExample | None
    sentence: tuple[int, int]
    unanswerable: tuple[SpanExample, ...] = ()
    nameless: SpanExample | None = None

    def without_answer(self) -> SpanExample | None:
        """The passage without the answer's sentence; None where nothing else would be left."""
        first, last = self.sentence
        rest = self.gold.passage[:first] + self.gold.passage[last + 1 :]
        if len(rest) <= 4:
            return None
        return SpanExample(self.gold.question, rest, -1, -1, self.gold.title)


@dataclass(frozen=True)
class TitledPassage:
    """The token ids of a passage and of its document's title, empty where it has none."""

    title: tuple[int, ...]
    text: tuple[int, ...]


@dataclass(frozen=True)
class ReaderData:
    """Examples, and every passage by its key."""

    examples: list[ReaderExample]
    passages: dict[str, TitledPassage]


def load_reader_data(
    data: Path, tokenizer: Tokenizer, seed: int, negatives: Path | None = None
) -> ReaderData:
    """The answerable rows of ``data`` whose answer is a verbatim span, shuffled.

    ``negatives`` are rows {id, negatives} of ``training.mining``; a question without one takes
    the data's own distractors. Passages that are held out take no part.
    """
    rng = random.Random(seed)
    table = list(read_rows(data / "train/qa/passages.jsonl.gz"))
    texts = {row["passage_id"]: row["text"] for row in table}
    encoded = dict(zip(texts, _encode(tokenizer, list(texts.values())), strict=True))
    titles = _encode(tokenizer, [title_of(row) for row in table])
    passages = {
        row["passage_id"]: TitledPassage(
            tuple(title.ids[:MAX_TITLE_TOKENS]), tuple(encoded[row["passage_id"]].ids)
        )
        for row, title in zip(table, titles, strict=True)
    }
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
    name = tuple(tokenizer.encode(NAMELESS, add_special_tokens=False).ids)
    questions = _encode(tokenizer, _asked(rows, rng))
    changed = [
        alter(row["question"], texts[row["passage_ids"][0]], row["answers"][0], rng) for row in rows
    ]
    altered = _encode(tokenizer, [text or "" for text in changed])
    examples: dict[str, ReaderExample] = {}
    for row, question, text, other in zip(rows, questions, changed, altered, strict=True):
        key = row["passage_ids"][0]
        span = _answer_tokens(row, texts[key], encoded[key])
        if span is None:
            continue
        ids, title = tuple(question.ids[:MAX_QUESTION_TOKENS]), passages[key].title
        gold = SpanExample(ids, passages[key].text, *span, title)
        kept = tuple(k for k in found.get(row["id"], ()) if not held_out(k))
        sentence = _sentence_tokens(texts[key], encoded[key], span)
        asked = tuple(other.ids[:MAX_QUESTION_TOKENS]) or None
        counterpart = text and _counterpart(row, text, asked or (), texts[key], tokenizer)
        counterpart = replace(counterpart, title=title) if counterpart else None
        examples[row["id"]] = ReaderExample(
            gold, kept, asked, counterpart, sentence, (), nameless(gold, name)
        )
    _add_unanswerable(data, tokenizer, examples, rows, rng)
    drawn = list(examples.values())
    rng.shuffle(drawn)
    return ReaderData(drawn, passages)


def title_of(row: dict[str, Any]) -> str:
    """The title of a passage's document in plain words; some sources give it as in a URL."""
    title = unquote(str(row.get("title") or ""))
    return title if " " in title else title.replace("-", " ").replace("_", " ")


def _asked(rows: Sequence[dict[str, Any]], rng: random.Random) -> list[str]:
    """The questions of ``rows``, ``NOISY_SHARE`` of them in another form."""
    others = defaultdict(list)
    for row in rows:
        others[row["passage_ids"][0]].append(row["question"])
    return [
        noisy(row["question"], rng.choice(others[row["passage_ids"][0]]), rng)
        if rng.random() < NOISY_SHARE
        else row["question"]
        for row in rows
    ]


def _add_unanswerable(
    data: Path,
    tokenizer: Tokenizer,
    examples: dict[str, ReaderExample],
    answerable: Sequence[dict[str, Any]],
    rng: random.Random,
) -> None:
    """Give each question that people wrote to look answerable to one example: that which it was
    written against, else that of its passage with the fewest."""
    rows = [row for row in _tempting_rows(data) if not held_out(row["passage_ids"][0])]
    over = defaultdict(list)
    for row in answerable:
        if row["id"] in examples:
            over[row["passage_ids"][0]].append(row["id"])
    questions = _encode(tokenizer, _asked(rows, rng))
    for row, question in zip(rows, questions, strict=True):
        paired = row.get("pair") in examples
        mates = [row["pair"]] if paired else over[row["passage_ids"][0]]
        if not mates:
            continue
        chosen = min(mates, key=lambda key: len(examples[key].unanswerable))
        gold = examples[chosen].gold
        wrong = SpanExample(
            tuple(question.ids[:MAX_QUESTION_TOKENS]),
            gold.passage,
            -1,
            -1,
            gold.title,
            (gold.start, gold.end) if paired else None,
        )
        examples[chosen] = replace(
            examples[chosen], unanswerable=(*examples[chosen].unanswerable, wrong)
        )


def nameless(example: SpanExample, name: tuple[int, ...]) -> SpanExample | None:
    """``example`` with ``name`` for each mention of its title in the passage.

    Only the title tells then what the passage is about. None where the question does not say
    the title or the answer holds it.
    """
    title, size = example.title, len(example.title)
    if not size or not _places(title, example.question):
        return None
    places = _places(title, example.passage)
    if any(at <= example.end and example.start < at + size for at in places):
        return None
    kept: list[int] = []
    last, shift = 0, 0
    for at in places:
        kept += [*example.passage[last:at], *name]
        last = at + size
        shift += (len(name) - size) if at < example.start else 0
    return replace(
        example,
        passage=(*kept, *example.passage[last:]),
        start=example.start + shift,
        end=example.end + shift,
    )


def _places(part: tuple[int, ...], whole: tuple[int, ...]) -> list[int]:
    """Where ``part`` stands in ``whole``, without overlaps."""
    places: list[int] = []
    for at in range(len(whole) - len(part) + 1):
        if whole[at : at + len(part)] == part and (not places or at >= places[-1] + len(part)):
            places.append(at)
    return places


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
