"""Yes and no are said in words with what they hang on, and a count says a number or the list."""

import math
from collections.abc import Sequence

import pytest

from app.deadline import Deadline
from app.inference.reader import Reader, Tuning
from app.inference.reader_generator import ReaderGenerator
from app.inference.risk import load_risk
from app.inference.writing.fitting import IMPLIED, row_whether, says_besides, telling
from app.ports import DraftRequest, Misfit, Reading, Span
from app.settings import PROJECT
from guardrails.checks.confidence import ConfidenceCheck
from guardrails.contract import Case, Draft, Outcome, Passage, Sentence
from guardrails.risk import NOBODY, UNKNOWN

DOGS = (
    "Small dogs may stay in the flat. If a dog is large, ask the office first. "
    "The office is on the ground floor."
)
WINDOW = "Windows may be cleaned from outside. Only trained staff may do so. Call them by ten."
DEPENDS = (
    "Whether a bicycle is covered depends on its price. Up to £300 it is covered. "
    "Above that it must be named. The form is online."
)
TEAM = "The team on site:\n\n- a cook\n- a cleaner\n- a driver\n\nThey live in the annex."


class Unasked(Reader):
    """Whatever it would read was read already; every margin counts."""

    def __init__(self) -> None:
        self.tuning = Tuning(0.0, 0.0, 0.5)

    def read(self, requests: Sequence[tuple[str, Sequence[Passage]]]) -> list[list[Reading]]:
        assert not requests, "it was read already"
        return []


def passage(number: int, text: str, title: str = "House rules") -> Passage:
    return Passage(f"p{number}", f"d{number}", "main", title, text, 0, len(text))


def drafted(question: str, *found: tuple[str, str], misfit: Misfit | None = None) -> Draft:
    """The draft when the reader points at the second text in each first one, best first."""
    evidence = tuple(passage(number, text) for number, (text, _) in enumerate(found))
    readings = tuple(
        Reading(1.0, Span(text.index(span), text.index(span) + len(span), 9.0 - n, 1.0, 0.1))
        for n, (text, span) in enumerate(found)
    )
    request = DraftRequest(question, evidence, Deadline(60), readings, misfit)
    return ReaderGenerator(Unasked()).draft([request])[0]


def said(question: str, *found: tuple[str, str]) -> list[str]:
    return [sentence.text for sentence in drafted(question, *found).sentences]


def test_a_yes_comes_with_its_condition_and_no_more() -> None:
    assert said("Can I keep a dog in the flat?", (DOGS, "may stay in the flat")) == [
        "Small dogs may stay in the flat.",
        "If a dog is large, ask the office first.",
    ]
    assert said("Are windows cleaned from outside?", (WINDOW, "cleaned from outside")) == [
        "Windows may be cleaned from outside.",
        "Only trained staff may do so.",
    ]


def test_what_depends_says_on_what() -> None:
    told = said("Is my bicycle covered?", (DEPENDS, "depends on its price"))
    assert told == [
        "Whether a bicycle is covered depends on its price.",
        "Up to £300 it is covered.",
        "Above that it must be named.",
    ]


@pytest.mark.parametrize(
    ("question", "text", "span"),
    [
        ("Is breakfast included?", "Breakfast is served from seven to ten.", "seven to ten"),
        ("Can I park a lorry?", "A lorry stands behind the mill.", "behind the mill"),
        ("Do I have to pay for towels?", "Towels are white and blue.", "white and blue"),
    ],
)
def test_a_yes_or_no_that_nobody_says_is_not_made_up(question: str, text: str, span: str) -> None:
    draft = drafted(question, (text, span))
    assert (draft.model, draft.features["margin"]) == (IMPLIED, -math.inf)


def test_what_speaks_of_other_things_implies_nothing() -> None:
    fires = drafted("can we make a campfire", ("Open fires are forbidden.", "Open fires"))
    assert (fires.model, fires.short) == (IMPLIED, "Open fires")
    assert drafted("Are pets insured?", ("A lead is kept by the door.", "by the door")).abstained


def test_what_only_implies_a_yes_or_no_is_for_a_person() -> None:
    """Without a word on whether, the risk is unknown and no policy's least margin is met."""
    text = "Breakfast is served from seven to ten."
    draft = drafted("Is breakfast included?", (text, "seven to ten"))
    assert [sentence.text for sentence in draft.sentences] == [text]
    assert NOBODY.risk(draft.model, draft.features) == UNKNOWN
    shipped = load_risk(PROJECT / "models" / "risk")
    assert shipped.risk(draft.model, {**draft.features, "margin": 99.0}) == UNKNOWN
    found = ConfidenceCheck(-1e9).run(Case("Is breakfast included?", draft))
    assert [one.outcome for one in found] == [Outcome.FAIL]


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Is breakfast included?", "Breakfast is included in the price."),
        ("Is damage by frost covered?", "Damage by frost is not covered."),
        ("Can I cancel online?", "You cannot cancel online."),
        ("Is the pool open on Sundays?", "The pool is open from Monday to Saturday."),
        ("are you open mondays", "On Mondays we are closed."),
        ("are motorboats allowed", "Motor boats are not allowed on the lake."),
        ("Must visitors sign in?", "Every visitor signs in at the desk."),
        ("Ist das Frühstück inbegriffen?", "Das Frühstück ist nicht inbegriffen."),
    ],
)
def test_a_yes_or_no_that_is_said_is_quoted(question: str, text: str) -> None:
    assert said(question, (text, text)) == [text]


@pytest.mark.parametrize(
    ("question", "text", "plain"),
    [
        ("Can I cancel after 14 days?", "You may cancel within 14 days of the start.", False),
        ("Can I cancel within 14 days?", "You may cancel within 14 days of the start.", True),
        ("Can I cancel after 14 days?", "After 14 days you may cancel for a fee of £30.", True),
        ("Is a bike over £500 covered?", "A bike is covered up to £500.", False),
        ("Is a bike under £500 covered?", "A bike is covered up to £500.", True),
        ("Is a bike of £500 covered?", "A bike is covered up to £500.", True),
    ],
)
def test_the_other_side_of_a_number_says_nothing(question: str, text: str, plain: bool) -> None:
    assert (drafted(question, (text, text)).model == "reader") == plain


@pytest.mark.parametrize(
    ("question", "text", "span", "told"),
    [
        (
            "do you refund part of a plan",
            "Tell us in the app. We do not refund parts of a year. Pay by card.",
            "in the app",
            "We do not refund parts of a year.",
        ),
        ("is damage by moths covered", "Limits\n\nDamage by moths is not covered.", "Limits", None),
        (
            "may I cancel",
            "You may cancel. A refund is not paid.",
            "You may cancel",
            "You may cancel.",
        ),
    ],
)
def test_the_sentence_that_speaks_of_what_was_asked_says_yes_or_no(
    question: str, text: str, span: str, told: str | None
) -> None:
    assert said(question, (text, span))[0] == (told or text.split("\n\n")[1])


MACHINES = (
    "Machine | Under 18 allowed | Own wood allowed\n"
    "Laser cutter | no | yes\nSewing machine | yes | \u2013\n3D printer | yes | no"
)
RULES = "Dogs | no\nHot drinks | yes\nBonfires | no\nOpen | 9 to 17"


@pytest.mark.parametrize(
    ("question", "text", "row"),
    [
        ("may a 16 year old use the laser cutter", MACHINES, "Laser cutter | no | yes"),
        ("is own wood ok on the sewing machine", MACHINES, "Sewing machine | yes | \u2013"),
        ("is it ok to light a bonfire", RULES, "Bonfires | no"),
        ("may I come with two dogs", RULES, "Dogs | no"),
        ("are under 18s allowed", MACHINES, None),  # on which?
        ("is it open", RULES, None),  # says when
        ("can I pay the fee for my dog by card", RULES, None),  # that says another thing
        ("is there a lift", RULES, None),
    ],
)
def test_the_row_that_says_whether_is_told(question: str, text: str, row: str | None) -> None:
    found = row_whether(question, passage(0, text), "")
    assert (None if found is None else text[slice(*found)].strip()) == row


def test_a_row_says_whether_for_a_reviewer_where_no_draft_does() -> None:
    other = "The laser cutter stands in the hall."
    (told,) = [drafted("may a 16 year old use the laser cutter", (MACHINES, "18"), (other, "hall"))]
    assert (told.sentences[-1].text, told.model) == ("Laser cutter | no | yes", "reader:unsure")
    assert row_whether("is a bonfire ok", passage(0, RULES), "A bonfire is ok.") is None


def test_an_answer_says_what_the_question_above_it_asks() -> None:
    text = "Is there a quiet room?\nYes, on the second floor.\n\nWhere is it?\nBehind the lift."
    draft = drafted("is there a quiet room", (text, "on the second floor"))
    assert (draft.model, draft.short) == ("reader", "on the second floor")
    assert drafted("is there a quiet room", (text, "Behind the lift")).abstained


def test_the_next_passage_answers_where_the_first_does_not_say_it() -> None:
    served, included = "Breakfast is served at seven.", "Breakfast is not included in the price."
    told = said("Is breakfast included?", (served, "at seven"), (included, "not included"))
    assert told == [included]


def test_a_count_is_a_number_or_the_list() -> None:
    assert said("How many staff are on site?", (TEAM, "a cleaner")) == [
        "The team on site:",
        "a cook",
        "a cleaner",
        "a driver",
    ]
    text = "There are twelve lockers. Each locker is blue."
    assert said("How many lockers are there?", (text, "twelve")) == ["There are twelve lockers."]
    assert said("How many lockers are there?", (text, "locker is blue")) == []
    assert (
        drafted("How many lockers are there?", (text, "locker is blue")).features["margin"] == 9.0
    )


def test_what_a_word_means_is_told_where_the_word_stands() -> None:
    flood = ("Flood. Water that enters the home.", "Flood")
    term = ("Subrogation. Our right to recover the money.", "Our right to recover the money")
    assert said("What does subrogation mean?", flood, term) == ["Our right to recover the money."]
    assert said("What does subrogation mean?", flood) == []
    assert said("What is a flood?", flood) != []  # asks about the thing


def test_a_second_try_is_another_answer_than_the_first_that_fitted() -> None:
    served = "Breakfast is served at seven."
    no, yes = "Breakfast is not included in the price.", "Breakfast is included on Sundays."
    found = [(served, "at seven"), (no, "not included"), (yes, "on Sundays")]
    question = "Is breakfast included?"
    assert said(question, *found) == [no]
    misfit = Misfit("$: no", lambda draft: True)
    second = drafted(question, *found, misfit=misfit)
    assert [sentence.text for sentence in second.sentences] == [yes]
    assert drafted(question, *found[:2], misfit=misfit).abstained


def test_a_sentence_that_says_whether_is_kept_though_it_uses_other_words() -> None:
    text = "Never mow slopes steeper than 15°. Persons under 16 must not operate the machine."
    passage = Passage("p", "d", "main", "Safety", text, 0, len(text))
    start = text.index("Persons")
    for question in ("can my son mow the lawn with it?", "may I mow on a hill?"):
        assert telling(question, passage, (start, len(text))) == (start, len(text))


@pytest.mark.parametrize(
    ("added", "said", "says"),
    [
        ("why (the pool shut)?", "The pool is shut because the roof leaks.", True),
        ("why (the pool shut)?", "The pool is shut until May.", False),
        ("how much (i use the car)?", "The car costs £95.", True),
        ("how much (i use the car)?", "You may use our car.", False),
        ("when (the shop open)?", "It is open on Mondays.", True),
        ("when (the shop open)?", "The shop is open.", False),
        ("where (the shop open)?", "The shop is open.", True),
    ],
)
def test_a_draft_may_say_what_was_asked_besides(added: str, said: str, says: bool) -> None:
    assert says_besides(added, Draft((Sentence(said, ()),), (), "reader")) is says
