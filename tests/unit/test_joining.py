"""Answers joined from several places: all of it quoted, each side named, nothing claimed of one."""

import pytest

from app.inference.writing.joining import (
    JOINED,
    both_answers,
    compared,
    headed_table,
    joined_draft,
    listed_rows,
    sides,
    speaks_of_both,
    summary,
)
from app.inference.writing.question_types import question_type
from app.inference.writing.units import span_answer
from app.ports import Reading, Span
from app.settings import PROJECT
from guardrails.contract import Case, Draft, Outcome, Passage
from guardrails.default_checks import default_checks
from guardrails.policy.load import load_policy

PLANS = """The Basic plan costs £4 a month. It covers theft up to £500.

The Plus plan costs £9 a month. Plus also covers theft up to £2,000.

Both are paid by direct debit."""
TABLE = """Plan | Price | Theft
Basic | £4 | £500
Plus | £9 | £2,000
Family | £12 | £3,000"""
COLUMNS = """Feature | Basic | Plus
Price | £4 | £9
Theft limit | £500 | £2,000
Call-out | no | yes"""


def passage(text: str, title: str = "Plans", *headings: str, number: int = 0) -> Passage:
    size = len(text)
    return Passage(f"p{number}", f"d-{title}", "main", title, text, 0, size, headings=headings)


def joined(question: str, *evidence: Passage) -> Draft | None:
    readings = [Reading(1.0, Span(0, 1, 2.0, 1.0, 0.5), 0.5) for _ in evidence]
    draft = joined_draft(question_type(question), question, evidence, readings)
    for citation in draft.citations if draft else ():
        source = next(one for one in evidence if one.id == citation.passage_id)
        assert citation.quote == source.text[citation.start : citation.end]
    return draft


def said(question: str, *evidence: Passage) -> list[str] | None:
    draft = joined(question, *evidence)
    return None if draft is None else [sentence.text for sentence in draft.sentences]


@pytest.mark.parametrize(
    ("question", "first", "second"),
    [
        ("What is the difference between Basic and Plus?", "basic", "plus"),
        ("Which is cheaper, the day ticket or the weekly ticket?", "day ticket", "weekly ticket"),
        ("Which is cheaper A1 or B2?", "a1", "b2"),
        ("Compare the gold card with the silver card.", "gold card", "silver card"),
        ("Basic vs Plus", "basic", "plus"),
        ("How does the Mark 2 differ from the Mark 1?", "mark 2", "mark 1"),
        ("How do leases and rentals differ?", "leases", "rentals"),
        ("What distinguishes a permit from a licence?", "permit", "licence"),
        ("Was ist der Unterschied zwischen Basis und Plus?", "basis", "plus"),
        ("Quelle est la différence entre Basic et Plus ?", "basic", "plus"),
        ("¿Cuál es la diferencia entre Básico y Plus?", "basico", "plus"),
        ("What is the difference between Basic and Plus in price?", "basic", "plus"),
        ("Day ticket or weekly ticket?", "day ticket", "weekly ticket"),
    ],
)
def test_both_sides_are_named(question: str, first: str, second: str) -> None:
    assert sides(question) == (first, second)


@pytest.mark.parametrize(
    "question", ["What is a better investment?", "What are the differences?", "Basic vs Basic"]
)
def test_a_comparison_without_two_names_has_no_sides(question: str) -> None:
    assert sides(question) is None
    assert joined(question, passage(PLANS)) is None


def test_two_quotes_stand_side_by_side() -> None:
    assert said("Which is cheaper, Basic or Plus?", passage(PLANS)) == [
        "The Basic plan costs £4 a month.",
        "The Plus plan costs £9 a month.",
    ]


def test_a_side_that_only_a_heading_names_is_said() -> None:
    basic = passage("Theft is covered up to £500.", "Home cover", "Basic", number=1)
    plus = passage("Theft is covered up to £2,000.", "Home cover", "Plus plan", number=2)
    told = said("What is the difference between Basic and Plus for theft?", basic, plus)
    assert told == [
        "Basic: Theft is covered up to £500.",
        "Plus plan: Theft is covered up to £2,000.",
    ]


def test_rows_come_below_their_header_once() -> None:
    question = "What is the difference between Basic and Plus?"
    assert said(question, passage(TABLE)) == [
        "Plan | Price | Theft",
        "Basic | £4 | £500",
        "Plus | £9 | £2,000",
    ]


def test_columns_are_compared_in_the_rows_that_are_asked_about() -> None:
    assert said("How do Basic and Plus differ on theft?", passage(COLUMNS)) == [
        "Feature | Basic | Plus",
        "Theft limit | £500 | £2,000",
    ]
    assert said("difference between basic and plus theft limit", passage(COLUMNS)) == [
        "Feature | Basic | Plus",
        "Theft limit | £500 | £2,000",
    ]
    assert len(said("What is the difference between Basic and Plus?", passage(COLUMNS)) or []) == 4


def test_what_one_thing_is_compared_to_may_be_two_things() -> None:
    text = "Gold is best. Its service is as fast as Plus, but Basic takes a day longer than Plus."
    question = "How does the service under Gold compare to Basic and Plus?"
    assert said(question, passage(text)) == [
        "Its service is as fast as Plus, but Basic takes a day longer than Plus."
    ]


def test_a_sentence_that_compares_them_itself_is_enough() -> None:
    text = "Basic is for one person. Plus costs £5 more than Basic. Plus is for two people."
    assert said("Which costs more, Plus or Basic?", passage(text)) == [
        "Plus costs £5 more than Basic."
    ]


@pytest.mark.parametrize(
    "question",
    [
        "What is the difference between Basic and Gold?",
        "Which is cheaper, Plus or Silver?",
        "Compare the pet plan with the Plus plan.",
        "Which has the longer warranty, Basic or Plus?",
    ],
)
def test_one_side_alone_is_no_comparison(question: str) -> None:
    draft = joined(question, passage(PLANS), passage(TABLE, "Prices", number=1))
    assert draft is not None and draft.abstained


@pytest.mark.parametrize(
    ("question", "known"),
    [
        ("How does the Plus plan differ from the Basic plan?", True),
        ("How does Plus compare to Basic and other plans?", True),
        ("How does the Plus plan differ from the Gold plan?", False),
        ("What does the Plus plan cost?", False),
    ],
)
def test_evidence_may_speak_of_both_sides_and_compare_them_nowhere(
    question: str, known: bool
) -> None:
    assert speaks_of_both(question, [passage(PLANS), passage(TABLE, number=1)]) is known


def test_a_number_that_counts_something_else_names_no_side() -> None:
    text = "The Mark 1 has a tank of 2 litres. It weighs 4 kg and heats in 1 minute."
    draft = joined("How does the Mark 2 differ from the Mark 1?", passage(text))
    assert draft is not None and draft.abstained


CANCELLING = """You may cancel within 14 days of the start. We pay back the whole price.

After 14 days we keep £25 for our work. We pay back the rest by the day.

We pay nothing back if you made a claim. Write to the address on the schedule. The letter must
name your policy. Calls are not enough."""


def test_a_summary_keeps_to_its_section() -> None:
    section = passage(CANCELLING, "Home policy", "Cancelling your policy", number=1)
    other = passage(
        "We may change the price once a year. We tell you first.",
        "Home policy",
        "Renewal",
        number=2,
    )
    told = said("Summarise the cancellation section", other, section)
    assert told is not None and 2 <= len(told) <= 5
    assert all(sentence in " ".join(CANCELLING.split()) for sentence in told)
    assert told[0] == "You may cancel within 14 days of the start."


def test_a_short_section_comes_whole_and_in_order() -> None:
    text = "Dogs must be on a lead.\n\nThey may not enter the pool.\n\nGuide dogs may go anywhere."
    told = said("What does the handbook say about dogs?", passage(text, "Handbook", "Dogs"))
    assert told == text.split("\n\n")


def test_a_topic_without_a_heading_is_gathered_from_where_it_is_spoken_of() -> None:
    first = passage("The yard closes at six. Bicycles stand in the yard at no cost.", "Yard")
    second = passage(
        "A lift takes you up. Bicycles must not be taken into the lift.", "Lift", number=1
    )
    told = said("What does the handbook say about bicycles?", first, second)
    assert told == [
        "Bicycles stand in the yard at no cost.",
        "Bicycles must not be taken into the lift.",
    ]


def test_nothing_is_summed_up_that_nobody_speaks_of() -> None:
    assert joined("Summarise the parrot section", passage(CANCELLING)) is None
    assert joined("Tell me about it", passage(CANCELLING)) is None
    assert len(said("Summarise the handbook", passage(CANCELLING, "Handbook")) or []) == 5
    pension = passage("The scheme pays from 65. You pay in 5 % each month.", "Pension scheme")
    assert joined("Tell me about the bonus scheme.", pension) is None
    assert joined("Tell me about the pension scheme.", pension) is not None


def test_rows_page_numbers_and_leads_are_no_sentences_of_a_summary() -> None:
    text = "Refunds\n\nRefunds take a week to arrive. They go to the card you paid with.\n\n"
    text += "Amount | Fee\n£10 | £1\n\nThe fees are as follows:\n\n- nothing\n\nPage 3 of 9"
    told = said("Summarise the refund rules", passage(text, "Refunds"))
    assert told == ["Refunds take a week to arrive.", "They go to the card you paid with."]


@pytest.mark.parametrize(
    ("question", "evidence"),
    [
        ("Which is cheaper, Basic or Plus?", (passage(PLANS),)),
        ("What is the difference between Basic and Plus?", (passage(TABLE),)),
        ("What is the difference between Basic and Plus?", (passage(COLUMNS),)),
        ("Summarise the cancellation section", (passage(CANCELLING, "Policy", "Cancellation"),)),
    ],
)
def test_what_is_joined_passes_the_checks(question: str, evidence: tuple[Passage, ...]) -> None:
    draft = joined(question, *evidence)
    assert draft is not None and draft.model == JOINED
    policy = load_policy(PROJECT / "guardrails" / "policies" / "default.yaml")
    for check in default_checks(policy):
        if check.stage == "draft":
            found = check.run(Case(question, draft, evidence, gated=True))
            assert [one for one in found if one.outcome is not Outcome.PASS] == []


def test_the_figures_of_a_joined_draft_are_the_worst_of_its_passages() -> None:
    evidence = (passage("Basic costs £4."), passage("Plus costs £9.", number=1))
    readings = [
        Reading(1.0, Span(0, 1, 5.0, 3.0, 0.1), 0.9),
        Reading(0.5, Span(0, 1, -2.0, 4.0, 0.7), 0.4),
    ]
    question = "Which is cheaper, Basic or Plus?"
    draft = joined_draft(question_type(question), question, evidence, readings)
    assert draft is not None and draft.features == {
        "margin": -2.0, "span_lead": 3.0, "span_entropy": 0.7, "relevance": 0.5, "answers": 0.4,
    }  # fmt: skip


def test_columns_are_compared_where_they_differ_if_nothing_more_is_asked() -> None:
    text = " | Basic | Plus\nPrice | £9 | £15\nPost | yes | yes\nHelp | 2 days | 1 day"
    plans = Passage("p", "d", "main", "Service plans", text, 0, len(text))
    found = compared("difference between basic and plus plan", ("basic", "plus"), [plans])
    assert [text[slice(*one.span)] for one in found] == [
        "| Basic | Plus",
        "Price | £9 | £15",
        "Help | 2 days | 1 day",
    ]


def test_the_rows_of_a_table_answer_who_asks_what_there_is() -> None:
    text = "Plan | Price\nSmall | £8\nLarge | £19"
    plans = Passage("p", "d", "main", "Mobile plans", text, 0, len(text))
    every = ["Plan | Price", "Small | £8", "Large | £19"]
    for question in ("which mobile plans are there", "how many plans do you have"):
        assert [text[slice(*one.span)] for one in listed_rows(question, [plans])] == every
    assert listed_rows("which plans have roaming", [plans]) == []
    assert listed_rows("which prices do you have", [plans]) == []


def test_a_table_is_answered_whole_where_its_heading_is_all_that_is_asked_for() -> None:
    table = "Day | Hours\nMonday | closed\nFriday | 10 to 18"
    text = f"Opening hours\n\n{table}\n\nClosed on holidays here."
    hours = Passage("p", "d", "main", "Guide", text, 0, len(text), headings=("Opening hours",))
    every = ["Day | Hours", "Monday | closed", "Friday | 10 to 18", "Closed on holidays here."]
    for question in ("What are your opening hours?", "opening hours", "When do you open?"):
        assert [text[slice(*one.span)] for one in headed_table(question, [hours])] == every
    for question in ("When do you open on Friday?", "Are you open?", "What are your prices?"):
        assert headed_table(question, [hours]) == []


def test_a_summary_is_of_the_section_that_all_headings_together_name() -> None:
    text = "Ships leave at noon. Tickets are sold on board. Bring a coat."
    parts = [
        Passage(f"p{n}", "d", "main", "Travel", f"{name}. {text}", n, n + 1, headings=("Sea", name))
        for n, name in enumerate(("Trains", "Ships"))
    ]
    found = summary("summarise travel by ships", parts)
    assert {quote.passage.id for quote in found} == {"p1"}


def test_the_answers_to_two_questions_are_quoted_once_each() -> None:
    text = "A pass is £8. You pay at the gate."
    page = Passage("p", "d", "main", "Bay", text, 0, len(text))
    fee, way = (
        span_answer(page, start, end, "when do I pay", "reader", {})
        for start, end in ((0, 9), (18, 33))
    )
    joined = both_answers((fee, way), [page], [])
    assert joined is not None and joined.model == JOINED
    assert [one.text for one in joined.sentences] == ["A pass is £8.", "You pay at the gate."]
    assert [one.citations for one in joined.sentences] == [(1,), (2,)]
    assert both_answers((fee, fee), [page], []) is None
    assert both_answers((fee, Draft((), (), "reader")), [page], []) is None
