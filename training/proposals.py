"""What the reader would say to the training questions, right and wrong: rows for the support check.

Run as:
    python -m training.proposals --data DATA --out PROPOSALS
    python -m training.support train --data DATA --proposals PROPOSALS ...

A question gives its answer, and the best span that is another one. A question changed so that
nothing answers it, and one over a passage that the search found wrongly, give what the reader
says nevertheless. Passages that are held out take no part: the risk score is fitted on those.
"""

import gzip
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from app.files import read_rows
from app.inference.condense import condensed
from app.inference.reader import Reader
from app.ports import Span
from training.claims import REFUTED, SUPPORTED, Claim
from training.data import held_out
from training.scoring import RIGHT_F1, f1
from training.unanswerable import alter

TOGETHER = 64
"""Questions that are read in one go."""
CANDIDATES = 30
"""Spans among which another answer is looked for."""
ALTERED_SHARE, ELSEWHERE_SHARE = 0.5, 0.3
"""How often a question is also asked changed, and over a passage that does not answer it."""
SURE_SHARE = 0.15
"""How much is kept of what the reader itself would not have said."""
GOLD_SHARE = 0.2
"""How often the reference stands for the right answer, and not the reader's own words."""
MAX_ANSWER_CHARS, MAX_QUESTION_CHARS = 160, 300
BUDGETS = (600, 900)
"""Characters of evidence; the second is what the service shows."""


@dataclass(frozen=True)
class _Asked:
    """A question over a text; without references no answer is right."""

    question: str
    text: str
    references: tuple[str, ...]


def main(
    data: Annotated[Path, typer.Option(help="folder with train/qa")],
    out: Annotated[Path, typer.Option(help="file to write, JSON lines, gzip")],
    reader: Annotated[Path, typer.Option(help="whose answers")] = Path("models/reader"),
    limit: Annotated[int, typer.Option(help="questions")] = 40_000,
    seed: int = 11,
) -> None:
    """Ask the reader, and write its answers as claims."""
    rng = random.Random(seed)
    read = Reader(reader)
    asked = _asked(data, limit, rng)
    written = 0
    with gzip.open(out, "wt", encoding="utf-8") as target:
        for first in range(0, len(asked), TOGETHER):
            some = asked[first : first + TOGETHER]
            spans = read.candidates([(one.question, one.text) for one in some], CANDIDATES)
            for one, found in zip(some, spans, strict=True):
                for claim in _claims(one, found, rng):
                    target.write(json.dumps(asdict(claim)) + "\n")
                    written += 1
            if first % (TOGETHER * 50) == 0:
                typer.echo(f"{first} of {len(asked)} asked, {written} claims")


def read_proposals(path: Path) -> Iterator[Claim]:
    """The claims of a file that ``main`` wrote."""
    for row in read_rows(path):
        marked = tuple((start, end) for start, end in row["unsupported"])
        yield Claim(row["text"], row["evidence"], row["label"], marked)


def _asked(data: Path, limit: int, rng: random.Random) -> list[_Asked]:
    texts = {
        row["passage_id"]: row["text"] for row in read_rows(data / "train/qa/passages.jsonl.gz")
    }
    others = {
        row["id"]: [key for key in row["distractors"] if not held_out(key)]
        for row in read_rows(data / "train/qa/distractors.jsonl.gz")
    }
    rows = [
        row
        for row in read_rows(data / "train/qa/questions.jsonl.gz")
        if row["answerable"]
        and len(row["passage_ids"]) == 1
        and not held_out(row["passage_ids"][0])
        and len(row["question"]) <= MAX_QUESTION_CHARS
        and row["answers"][0] in texts[row["passage_ids"][0]]
    ]
    rng.shuffle(rows)
    return [
        one
        for row in rows[:limit]
        for one in _kinds(row, texts[row["passage_ids"][0]], others.get(row["id"], []), texts, rng)
    ]


def _kinds(
    row: dict[str, Any], text: str, others: list[str], texts: dict[str, str], rng: random.Random
) -> Iterator[_Asked]:
    """The question as it is, changed, and over another passage."""
    yield _Asked(row["question"], text, tuple(row["answers"]))
    if rng.random() < ALTERED_SHARE:
        changed = alter(row["question"], text, row["answers"][0], rng)
        if changed:
            yield _Asked(changed, text, ())
    if others and rng.random() < ELSEWHERE_SHARE:
        other = texts[rng.choice(others)]
        if not any(answer.casefold() in other.casefold() for answer in row["answers"]):
            yield _Asked(row["question"], other, ())


def _claims(one: _Asked, found: Sequence[Span], rng: random.Random) -> Iterator[Claim]:
    """The right answer, and the best wrong one; twice, where the reader would have said it."""
    if not found:
        return
    said = one.text[found[0].start : found[0].end]
    wrong = next((s for s in found if not _right(one, one.text[s.start : s.end])), None)
    if one.references:
        own = _right(one, said) and rng.random() >= GOLD_SHARE
        yield _claim(one, said if own else one.references[0], SUPPORTED, rng)
    elif found[0].margin < 0 and rng.random() >= SURE_SHARE:
        return
    if wrong is not None:
        claim = _claim(one, one.text[wrong.start : wrong.end], REFUTED, rng)
        yield from [claim] * (2 if wrong is found[0] and wrong.margin > 0 else 1)


def _right(one: _Asked, answer: str) -> bool:
    return bool(one.references) and f1(answer, one.references) >= RIGHT_F1


def _claim(one: _Asked, answer: str, label: int, rng: random.Random) -> Claim:
    answer = answer[:MAX_ANSWER_CHARS]
    text = f"{one.question} {answer}"
    marked = () if label == SUPPORTED else ((len(one.question) + 1, len(text)),)
    return Claim(text, condensed(text, one.text, rng.choice(BUDGETS)), label, marked)


if __name__ == "__main__":
    typer.run(main)
