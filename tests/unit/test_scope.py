"""A question is asked of passages that are about it: by meaning, or nearly so and by its words."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.answering.stages import READS_IT, TAKES_FOR_RELEVANT, Retrieved
from app.ports import Reading, Span
from app.retrieval.retriever import Found, Hit
from guardrails.contract import Passage

TEXT = "Average. A reduction of a claim. Endorsement. A written change to the standard terms."


def is_about(
    question: str, similarity: float | None, margin: float = -9.0, relevance: float = -5.0
) -> bool:
    reading = Reading(relevance, Span(0, 7, margin, 1.0, 1.0))
    passage = Passage("p", "d", "main", "Glossary", TEXT, 0, len(TEXT))
    screened = cast("Any", SimpleNamespace(meaning=SimpleNamespace(question=question)))
    hits = (Hit(passage, similarity, 1.0, 0.1), Hit(passage, similarity, reading=reading))
    found = Found(hits, "v1", 1)
    return Retrieved(screened, found, hits, "provisional").is_about(0.32)


@pytest.mark.parametrize(
    ("question", "similarity", "about"),
    [
        ("What is an endorsement?", 0.30, True),
        ("What is an endorsement?", 0.19, False),  # words alone are not enough
        ("What is an endorsement?", None, False),
        ("How do I bake sourdough bread?", 0.30, False),
        ("How do I bake sourdough bread?", 0.33, True),
        ("Who signs the endorsement of a passport?", 0.30, False),  # one word of three
    ],
)
def test_words_stand_for_a_little_similarity(
    question: str, similarity: float | None, about: bool
) -> None:
    assert is_about(question, similarity) is about


def test_an_answer_that_the_reader_found_stands_for_similarity() -> None:
    assert is_about("How do I bake sourdough bread?", 0.1, READS_IT)
    assert not is_about("How do I bake sourdough bread?", 0.1, READS_IT - 0.1)


def test_a_passage_that_the_reader_takes_for_relevant_needs_no_similarity() -> None:
    question = "does my membership carry on by itself?"
    assert is_about(question, 0.1, relevance=TAKES_FOR_RELEVANT)
    assert not is_about(question, 0.1, relevance=TAKES_FOR_RELEVANT - 0.1)
