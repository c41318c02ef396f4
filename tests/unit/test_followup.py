"""Follow-up questions: the rules, and what is taken from a model that writes."""

from collections.abc import Sequence

import pytest

from app.answering.followup import (
    HISTORY_WEIGHTS,
    MAX_GROWTH,
    Rewrite,
    make_stand_alone,
    stand_alone,
)
from app.deadline import Deadline
from app.errors import CountersignError, DeadlineExceeded, DependencyFailed, Overloaded
from app.ports import RewriteRequest


@pytest.mark.parametrize(
    ("earlier", "question", "alone"),
    [
        (
            "What is the gold policy?",
            "How much does it cost?",
            "How much does the gold policy cost?",
        ),
        (
            "What is Red Hat OpenShift?",
            "What benefits does it offer?",
            "What benefits does Red Hat OpenShift offer?",
        ),
        (
            "What is the minimum age for a chainsaw?",
            "How heavy is it?",
            "How heavy is a chainsaw?",
        ),
        ("What is the cancellation fee?", "Is it refunded?", "Is the cancellation fee refunded?"),
        ("What is Red Hat OpenShift?", "Its price?", "Red Hat OpenShift's price?"),
        (
            "What is enterprise value?",
            "How is it calculated?",
            "How is enterprise value calculated?",
        ),
        ("What is the excess for water damage?", "And for theft?", "What is the excess for theft?"),
        (
            "How long do I have to cancel?",
            "What about after 14 days?",
            "How long do I have to cancel after 14 days?",
        ),
        ("how much is lunch in room 2", "and in room 3?", "how much is lunch in room 3?"),
        ("weight of the mx40", "And the MX-60?", "weight of the MX-60?"),
        ("When do you open on Monday?", "and on sundays?", "When do you open on sundays?"),
        (
            "How much is a morning for guests?",
            "What about evening?",
            "How much is a evening for guests?",
        ),
        (
            "what does a ticket for adults cost",
            "And for students?",
            "what does a ticket for students cost?",
        ),
        ("What does the pass for dogs cost?", "and bikes?", "What does the pass for bikes cost?"),
    ],
)
def test_a_question_that_leans_on_the_last_one_stands_alone(
    earlier: str, question: str, alone: str
) -> None:
    assert stand_alone(question, [earlier]) == alone


@pytest.mark.parametrize(
    "question",
    [
        "What is the excess for theft?",
        "Is it possible to cancel?",
        "Is it the same for theft?",
        "If I buy a bike, is it covered?",
        "I bought Acme shares, are they safe?",
        "and the forms that you sent me?",
        "Does he live there?",
        "",
    ],
)
def test_what_needs_nothing_or_is_unsure_stays_as_it_is(question: str) -> None:
    assert stand_alone(question, ["What is the excess for water damage?"]) == question
    assert stand_alone(question, []) == question


def test_the_subject_may_lie_further_back() -> None:
    earlier = ["What is the gold policy?", "And why?"]
    assert stand_alone("What does it cost?", earlier) == "What does the gold policy cost?"


def test_rules_weigh_the_newest_earlier_questions() -> None:
    earlier = ["What is a bond?", "What is the gold policy?", "Who sells bikes?"]
    found = make_stand_alone("Where is the office?", earlier, None, Deadline(5))
    assert found.question == "Where is the office?"
    weights = dict(found.history)
    assert list(weights) == ["Who sells bikes?", "What is the gold policy?"]
    assert tuple(weights.values()) == HISTORY_WEIGHTS
    assert make_stand_alone("Where?", [], None, Deadline(5)).history == ()


def writes(text: str) -> Rewrite:
    return lambda request, deadline: text


def test_a_models_rewrite_is_taken_and_the_search_needs_no_history() -> None:
    asked: list[tuple[RewriteRequest, float]] = []

    def rewrite(request: RewriteRequest, deadline: Deadline) -> str:
        asked.append((request, deadline.remaining()))
        return ' "What does the gold\npolicy cost?" '

    found = make_stand_alone("What is it?", ["What is the gold policy?"], rewrite, Deadline(8))
    assert (found.question, found.history) == ("What does the gold policy cost?", ())
    ((request, seconds),) = asked
    assert request.earlier == ("What is the gold policy?",)
    assert 0 < seconds <= 2


def fails(error: type[CountersignError]) -> Rewrite:
    def rewrite(request: RewriteRequest, deadline: Deadline) -> str:
        raise error

    return rewrite


@pytest.mark.parametrize(
    "rewrite",
    [
        *map(fails, (DependencyFailed, DeadlineExceeded, Overloaded)),
        *map(
            writes,
            (
                "",
                "\n",
                "It costs 350 pounds.",
                "Sure! Xyz.",
                "What does the gold policy cost? \x1b[31m",
                "gold " + "policy " * MAX_GROWTH,
            ),
        ),
    ],
)
def test_a_rewrite_that_fails_or_is_none_leaves_it_to_the_rules(rewrite: Rewrite) -> None:
    earlier: Sequence[str] = ["What is the gold policy?"]
    found = make_stand_alone("What does it cost?", earlier, rewrite, Deadline(5))
    assert found.question == "What does the gold policy cost?"
    assert found.history == (("What is the gold policy?", HISTORY_WEIGHTS[0]),)


def test_a_question_without_history_asks_no_model() -> None:
    found = make_stand_alone("What is it?", [], fails(DependencyFailed), Deadline(5))
    assert found.question == "What is it?"


@pytest.mark.parametrize(
    ("earlier", "question", "alone"),
    [
        # What was typed without a question is one all the same.
        ("price of a locker for a year", "and for a month", "price of a locker for a month?"),
        ("requests per minute on team", "what about business", "requests per minute on business?"),
        ("we have a locker for a year", "what about the office", "what about the office"),
        # Another case.
        (
            "how long do i have to report a claim",
            "and if it was a riot",
            "how long do i have to report a claim if it was a riot?",
        ),
        ("Is it open when it rains?", "And when it is full?", "Is it open when it is full?"),
        ("how do I cancel", "and when can i book again", "and when can i book again"),
        ("my dog is ill", "and if my cat is", "and if my cat is"),
        # A number goes with its name, and haste names nothing.
        ("fee to leave fix 24", "is it refunded", "is fix 24 refunded"),
        (
            "what do u pay for my solar if someone else fits it",
            "how often do you pay it out",
            "how often do you pay solar out",
        ),
        (
            "until when can i fly when im pregnant",
            "is it different for twins?",
            "is it different for twins?",
        ),
        (
            "how long is the guarantee on the motor",
            "and the battery",
            "how long is the guarantee on the battery?",
        ),
        ("how much is a rear mudguard", "and for the front?", "how much is a front mudguard?"),
    ],
)
def test_questions_as_customers_type_them_are_followed_up(
    earlier: str, question: str, alone: str
) -> None:
    assert stand_alone(question, [earlier]) == alone
