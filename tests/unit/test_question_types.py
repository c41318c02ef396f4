"""What a question asks for: measured on questions of every type, and read fast."""

import pytest

from app.inference.writing.question_types import (
    QuestionType,
    added_question,
    as_question,
    question_type,
    two_questions,
)
from tests.effort import cpu_within
from tests.question_samples import SAMPLES

LABELLED = [
    (question, kind) for kind, block in SAMPLES.items() for question in block.strip().splitlines()
]


def test_there_are_questions_enough_of_each_type() -> None:
    assert set(SAMPLES) == set(QuestionType)
    assert len(LABELLED) >= 150 and len({question for question, _ in LABELLED}) == len(LABELLED)


@pytest.mark.parametrize("kind", list(QuestionType))
def test_each_type_is_told_from_the_others(kind: QuestionType) -> None:
    asked = [question for question, label in LABELLED if label is kind]
    missed = [question for question in asked if question_type(question) is not kind]
    taken = [q for q, label in LABELLED if label is not kind and question_type(q) is kind]
    assert len(missed) <= 0.1 * len(asked), missed
    assert len(taken) <= 0.1 * len(asked), taken


@pytest.mark.parametrize(
    "again",
    [str.upper, str.lower, lambda q: f"Hello, {q}", lambda q: f"  {q}  ", lambda q: f"Ok. {q}"],
)
def test_case_spaces_and_a_greeting_change_nothing(again) -> None:  # type: ignore[no-untyped-def]
    asked = [q for q, kind in LABELLED if kind is not QuestionType.OTHER]
    changed = [q for q in asked if question_type(again(q)) is not question_type(q)]
    assert len(changed) <= 0.03 * len(asked), changed


def test_what_the_asker_takes_back_does_not_count() -> None:
    said = "How long is, no wait, how many rooms are there?"
    assert question_type(said) is QuestionType.COUNT


def test_nothing_is_too_odd_or_too_long() -> None:
    for text in ["", "?", "???", "\u00bf?", "a" * 9000, "or " * 3000, "what is " * 2000, "1,2,3"]:
        with cpu_within(0.25):
            assert question_type(text) in QuestionType


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("where is the chapel", "where is the chapel?"),
        ("can i bring a friend ", "can i bring a friend?"),
        ("i lost my card, what does a new one cost", "i lost my card, what does a new one cost?"),
        ("phone number", "What is the phone number?"),
        ("academic price in april", "What is the academic price in april?"),
        ("list the exclusions", "list the exclusions?"),
        ("difference between gold and silver", "difference between gold and silver?"),
        ("i forgot my password", "i forgot my password?"),
        ("Wie lange dauert es", "Wie lange dauert es?"),
        ("Who is it?", "Who is it?"),
        ("Tell me about refunds.", "Tell me about refunds."),
        ("", ""),
    ],
)
def test_what_is_typed_is_given_the_form_of_a_question(typed: str, asked: str) -> None:
    assert as_question(typed) == asked


@pytest.mark.parametrize(
    ("asked", "halves"),
    [
        ("How much is a pass, and when do I pay?", ("How much is a pass?", "when do I pay?")),
        ("Are you open today? How do I get there?", ("Are you open today?", "How do I get there?")),
        ("Can I bring a dog and a cat?", None),
        ("what differs between how it is and what it was", None),
        ("what is it and who made it and when was it made", None),
        # The second says nothing without the first.
        (
            "What are the main plans, and how do they differ?",
            ("What are the main plans?", "how do they differ (the main plans)?"),
        ),
        (
            "How is the score made, and what were the results?",
            ("How is the score made?", "what were the results (the score made)?"),
        ),
    ],
)
def test_two_questions_at_once_are_told_apart(asked: str, halves: tuple[str, str] | None) -> None:
    assert two_questions(asked) == halves


@pytest.mark.parametrize(
    ("asked", "added"),
    [
        (
            "can i use your car for the test and how much",
            "how much (can i use your car for the test)?",
        ),
        ("Which data sets were used, and why?", "why (data sets were used)?"),
        ("can i raise the target and if not why", "why (can i raise the target)?"),
        ("is the cafe cheaper for members, why not?", "why not (is the cafe cheaper for members)?"),
        ("when is it open and how much is a ticket", None),
        ("why is it closed", None),
        ("pots and how", None),
        ("Who do I ask?", None),
    ],
)
def test_what_a_few_words_at_the_end_ask_besides(asked: str, added: str | None) -> None:
    assert added_question(asked) == added
