"""Made passages: the answer stands where the example says, and the other questions have none."""

import random

import pytest

from app.inference.embedder import load_tokenizer
from training.handbook import made, made_examples


@pytest.mark.parametrize("seed", range(60))
def test_the_answer_stands_in_the_passage_once_as_a_whole_value(seed: int) -> None:
    one = made(random.Random(seed))
    answer = one.text[one.start : one.end]
    assert answer == answer.strip() and answer
    assert one.question not in one.others and one.others
    before, after = one.text[: one.start][-1:], one.text[one.end :][:1]
    assert not before.isalnum() and not after.isalnum()


def test_the_answer_of_a_table_is_in_the_row_that_was_asked_for() -> None:
    tables = [made(random.Random(seed)) for seed in range(400)]
    rows = [
        one.text[one.text.rfind("\n", 0, one.start) + 1 : one.end].split(" | ") for one in tables
    ]
    asked = [(row, one.question.lower()) for row, one in zip(rows, tables, strict=True) if row[1:]]
    assert len(asked) > 50
    assert all(word in question for row, question in asked for word in row[0].lower().split())


def test_examples_are_tokens_of_the_passage() -> None:
    tokenizer = load_tokenizer()
    for example in made_examples(tokenizer, 40, 5):
        gold = example.gold
        assert 0 <= gold.start <= gold.end < len(gold.passage)
        assert example.sentence[0] <= gold.start and gold.end <= example.sentence[1]
        assert all(
            other.start == -1 and other.passage == gold.passage for other in example.unanswerable
        )
    assert len(list(made_examples(tokenizer, 3, 5))) == 3
