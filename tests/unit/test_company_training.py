"""Questions of customers as rows for the reader: spans stand at what is right, and nowhere else."""

import json
import random
import re
from pathlib import Path

import pytest

from app.files import read_rows
from app.inference.embedder import load_tokenizer
from app.settings import PROJECT
from ingestion.formats.extract import extract
from training.companies import Asked, asked_of, rows_of
from training.reader import Batch, MixedBatches
from training.runs import Progress
from training.support_data import OF_SENTENCE

COMPANY_QUESTIONS = PROJECT / "training" / "company_questions"
PRICES = """# Lockers

## Prices

| Size | Leith | Gorgie |
|---|---|---|
| small | £12.50 | £10 |
| large | £31 | £27 |

## Leaving

You can leave at any time with one week's notice, except in the first month.
"""
QUESTIONS = [
    ("big locker at gorgie", "£27", r"large.{0,40}£27"),
    ("how long before i go do i have to tell you", "one week's notice", r"one\s+week"),
    ("price of a medium locker", None, None),
]
PAIR = {
    "tempting": "You can leave at any time with one week's notice, except in the first month.",
    "good": "do i have to give notice",
    "answer": "one week's notice",
    "bad": "how do i give notice",
    "kind": "modality",
}


@pytest.fixture
def asked(tmp_path: Path) -> list[Asked]:
    folder = tmp_path / "lockers"
    (folder / "documents").mkdir(parents=True)
    (folder / "documents" / "prices.md").write_text(PRICES, "utf-8")
    (folder / "documents" / "hours.txt").write_text("Open from 7 am to 10 pm every day.", "utf-8")
    rows = [
        {
            "id": str(number),
            "question": question,
            "answers": [answer] if answer else [],
            "answerable": answer is not None,
            **({"right": right} if right else {}),
        }
        for number, (question, answer, right) in enumerate(QUESTIONS)
    ]
    rows.append({**rows[0], "question": "and in leith?", "after": "big locker at gorgie"})
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "questions.jsonl").write_text(lines, "utf-8")
    (folder / "pairs.jsonl").write_text(json.dumps(PAIR) + "\n", "utf-8")
    return list(asked_of(tmp_path))


def test_spans_stand_at_what_is_right(asked: list[Asked]) -> None:
    tokenizer = load_tokenizer()
    said = [
        [tokenizer.decode(one.passage[one.start : one.end + 1]) for one in each.right]
        for each in asked
    ]
    # The follow-up does not stand alone, and nothing answers the last question.
    assert said == [["£27"], ["one week"], [], ["one week ' s notice"]]
    assert all(one.start == one.end == -1 for each in asked for one in each.wrong)
    assert "lockers" in tokenizer.decode(asked[0].right[0].title)


def test_the_first_row_of_a_group_is_the_one_to_find(asked: list[Asked]) -> None:
    for one in asked:
        rows = list(rows_of(one, random.Random(1)))
        found = bool(one.right)
        assert [row.start >= 0 for row, _ in rows] == [found and not n for n in range(len(rows))]
        assert all(ranked is found for row, ranked in rows if row is not one.tempting)


def test_the_other_question_of_a_pair_is_asked_over_the_same_place(asked: list[Asked]) -> None:
    (pair,) = (one for one in asked if one.tempting)
    rows = list(rows_of(pair, random.Random(1)))
    (first, _), (other, ranked) = rows[:2]
    assert other is pair.tempting and not ranked and len(rows) == 3
    assert other.passage == first.passage and other.start == other.end == -1
    assert load_tokenizer().decode(other.question) == "how do i give notice?"


class _Others:
    """A source that says how often it was asked."""

    drawn = 0

    def start(self, done: Progress) -> None:
        """Nothing to do."""

    def next(self, window: int) -> Batch:
        """No batch at all."""
        self.drawn += 1
        raise StopIteration


def test_a_share_of_the_batches_is_of_companies(asked: list[Asked]) -> None:
    others = _Others()
    mixed = MixedBatches(others, asked, 0.5, 200, seed=3)
    own = 0
    for _ in range(200):
        try:
            batch = mixed.next(128)
        except StopIteration:
            continue
        own += 1
        first = batch.groups >= 0
        assert bool((batch.positions[:, 0] > 0).any()) and bool(first.any())
    assert others.drawn == 200 - own
    assert 60 < own < 140


def test_what_is_kept_for_training_can_be_learned_from() -> None:
    """Patterns are of words that stand in the company's documents, as they are read."""
    names = sorted(path.parent for path in COMPANY_QUESTIONS.glob("*/questions.jsonl"))
    assert len(names) >= 60
    for folder in random.Random(5).sample(names, 6):
        files = list((folder / "documents").iterdir())
        texts = [extract(path.read_bytes(), path.name).text for path in files]
        rows = list(read_rows(folder / "questions.jsonl"))
        assert all(row["answerable"] is bool(row.get("right")) for row in rows)
        assert sum(not row["answerable"] for row in rows) >= 0.2 * len(rows)
        found = [
            any(re.search(row["right"], text, re.IGNORECASE) for text in texts)
            for row in rows
            if row["answerable"]
        ]
        assert sum(found) >= 0.9 * len(found), folder.name


def test_pairs_and_claims_are_about_places_that_stand_in_the_documents() -> None:
    paths = sorted(COMPANY_QUESTIONS.glob("*/pairs.jsonl"))
    assert len(paths) >= 300
    for path in random.Random(6).sample(paths, 12):
        files = (path.parent / "documents").iterdir()
        texts = " ".join(extract(one.read_bytes(), one.name).text for one in files)
        whole = " ".join(texts.split())
        pairs = list(read_rows(path))
        assert len({pair["bad"].lower() for pair in pairs}) == len(pairs)
        for pair in pairs:
            place = " ".join(pair["tempting"].split())
            assert place in whole, path
            assert pair["answer"] in place and pair["good"].lower() != pair["bad"].lower(), path
        for row in read_rows(path.with_name("claims.jsonl")):
            assert " ".join(row["source"].split()) in whole, path
            assert len({row[name].lower() for name in OF_SENTENCE}) == 3, path
