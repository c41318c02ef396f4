"""Rows to fine-tune a local model on: questions of the data, and what reviewers edited."""

import random
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import Invalid
from app.files import read_rows
from app.inference.writing.grounding import NO_ANSWER
from app.review.decisions import MARKER
from guardrails.contract import Passage, Sentence, sentence_bounds, with_markers
from training.data import NEGATIVE_SHARE
from training.statements import statement

MOST_DISTRACTORS = 4
WITHOUT_GOLD = 0.2
"""Share of the questions with distractors of their own that are asked over these alone."""

EDIT_WEIGHT = 8
"""How often one reviewer's edit comes while each question of the data comes once."""


@dataclass(frozen=True)
class Row:
    """A question over evidence; ``answer`` has markers ``[n]`` for ``evidence[n-1]``, or is
    ``NO_ANSWER``."""

    question: str
    evidence: tuple[Passage, ...]
    answer: str

    @property
    def cited(self) -> set[int]:
        """The numbers of the passages that the answer cites."""
        return {int(number) for number in MARKER.findall(self.answer)}


@dataclass(frozen=True)
class Asked:
    """A question of the data: its passage, its answer ("" for none), its own distractors."""

    question: str
    gold: str
    answer: str
    distractors: tuple[str, ...]


class Rows:
    """Questions and reviewers' edits to draw rows from; ``len`` is one epoch."""

    def __init__(
        self, passages: Mapping[str, Passage], asked: Sequence[Asked], edits: Sequence[Row]
    ) -> None:
        self._passages = passages
        self._ids = list(passages)
        self._asked = asked
        self._edits = edits

    def __len__(self) -> int:
        return len(self._asked) + EDIT_WEIGHT * len(self._edits)

    def draw(self, index: int, rng: random.Random, most: int = MOST_DISTRACTORS) -> Row:
        """Row ``index`` with up to ``most`` distractors, chosen and shuffled by ``rng``."""
        if index >= len(self._asked):
            return self._edits[(index - len(self._asked)) % len(self._edits)]
        asked = self._asked[index]
        others = self._others(asked, rng, rng.randint(0, most))
        if asked.answer and asked.distractors and others and rng.random() < WITHOUT_GOLD:
            return self._row(asked.question, others, "")
        chosen = [asked.gold, *others]
        rng.shuffle(chosen)
        return self._row(asked.question, chosen, marked_answer(asked, chosen.index(asked.gold) + 1))

    def _row(self, question: str, ids: Sequence[str], answer: str) -> Row:
        return Row(question, tuple(self._passages[key] for key in ids), answer or NO_ANSWER)

    def _others(self, asked: Asked, rng: random.Random, count: int) -> list[str]:
        """Its own distractors, else passages by chance: one passage alone is rare in service."""
        if asked.distractors:
            return rng.sample(asked.distractors, min(count, len(asked.distractors)))
        found = dict.fromkeys(rng.choice(self._ids) for _ in range(count))
        return [key for key in found if key != asked.gold]


def marked_answer(asked: Asked, number: int) -> str:
    """The answer as sentences that each cite passage ``number``; "" when there is none."""
    if not asked.answer:
        return ""
    # A bracketed number of the source's own would read as a marker.
    text = " ".join(MARKER.sub("", statement(asked.question, asked.answer)).split())
    pieces = [text[start:end] for start, end in sentence_bounds(text)]
    return " ".join(with_markers(Sentence(piece, (number,))) for piece in pieces)


def load_rows(data: Path, edits: Path | None, seed: int, limit: int | None = None) -> Rows:
    """All questions of ``data`` with one passage (``limit`` of them), and the edits.

    An edit that cites nothing teaches to cite nothing and is left out. Raises ``Invalid`` for
    files that are missing, broken or of another form.
    """
    folder, rng = data / "train/qa", random.Random(seed)
    with readable("training data"):
        passages = {
            row["passage_id"]: _passage(row["passage_id"], row["title"], row["text"])
            for row in read_rows(folder / "passages.jsonl.gz")
        }
        own = {
            row["id"]: tuple(key for key in row["distractors"] if key in passages)
            for row in read_rows(folder / "distractors.jsonl.gz")
        }
        questions = read_rows(folder / "questions.jsonl.gz")
        asked = [_asked(row, own) for row in questions if _usable(row, passages, rng)]
    changed = _load_edits(edits) if edits is not None else []
    if not asked and not changed:
        raise Invalid("The training data hold no question with one passage.")
    rng.shuffle(asked)
    return Rows(passages, asked[:limit], changed)


def _usable(row: Mapping[str, Any], passages: Mapping[str, Passage], rng: random.Random) -> bool:
    share = 1.0 if row["answerable"] else NEGATIVE_SHARE.get(row["source"], 1.0)
    known = len(row["passage_ids"]) == 1 and row["passage_ids"][0] in passages
    said = not row["answerable"] or row["answers"][0].strip()
    return known and bool(row["question"].strip() and said) and rng.random() < share


def _asked(row: Mapping[str, Any], own: Mapping[str, tuple[str, ...]]) -> Asked:
    answer = row["answers"][0] if row["answerable"] else ""
    return Asked(row["question"], row["passage_ids"][0], answer, own.get(row["id"], ()))


def _load_edits(path: Path) -> list[Row]:
    with readable("file of edits"):
        rows = [_edit(row) for row in read_rows(path)]
    return [row for row in rows if row.cited]


def _edit(row: Mapping[str, Any]) -> Row:
    texts = row["evidence"]
    titles = row.get("titles") or [""] * len(texts)
    evidence = tuple(
        _passage(str(number), title, text)
        for number, (title, text) in enumerate(zip(titles, texts, strict=True), 1)
    )
    edit = Row(row["question"].strip(), evidence, row["answer"].strip())
    if edit.cited - set(range(1, len(evidence) + 1)):
        raise ValueError(f"an answer cites a passage that is not there: {edit.answer[:80]!r}")
    return edit


def _passage(key: str, title: str, text: str) -> Passage:
    if not isinstance(title, str) or not isinstance(text, str):
        raise ValueError(f"passage {key} is not text")
    return Passage(key, key, "train", title, text, 0, len(text))


@contextmanager
def readable(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Invalid(f"The {what} cannot be read: {error}") from error
    except (ValueError, TypeError, AttributeError, IndexError, EOFError, zlib.error) as error:
        raise Invalid(f"The {what} cannot be used: {error}") from error
    except KeyError as error:
        raise Invalid(f"The {what} cannot be used: a row has no {error}") from error
