"""Bounds, ranges and rates that a claim turns around; figures that a question takes for granted."""

import pytest

from guardrails.checks.asked_figures import contradicted_figures
from guardrails.checks.bounds import turned_bounds
from guardrails.checks.figures import missing_figures, read_figures
from tests.effort import cpu_within


def values(text: str) -> list[str]:
    return [amount.value for _, amount in read_figures(text, False).amounts]


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        ("Loans of up to £5,000 are granted.", "At least £5,000 are granted as a loan."),
        ("The load must not exceed 40 kg.", "The load must exceed 40 kg."),
        ("Members are over 16.", "All members are under 16."),
        ("Stay for 18 months or more.", "One stays for at most 18 months."),
        ("Delivery takes 5 to 7 days.", "The delivery takes 5 days."),
        ("Tickets are £12 per person.", "A ticket is £12 per group."),
        ("It costs €9 a month.", "The price is €9 a year."),
    ],
)
def test_what_a_source_bounds_otherwise_is_found(source: str, claim: str) -> None:
    assert turned_bounds(claim, [source], values)


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        ("Loans of up to £5,000 are granted.", "At most £5,000 are granted as a loan."),
        ("The load must not exceed 40 kg.", "The load is 40 kg or less."),
        ("Delivery takes 5 to 7 days.", "The delivery takes between five and seven days."),
        ("Tickets are £12 per person per night.", "A ticket is £12 a night."),
        ("Up to 40 guests come. The hall seats 40.", "The hall seats at least 40."),
        ("Pay within 14 days.", "Pay within 14 days."),
        ("From 2019 to 2021 it was shut.", "It was shut in 2019."),
    ],
)
def test_what_says_the_same_is_not(source: str, claim: str) -> None:
    assert not turned_bounds(claim, [source], values)


@pytest.mark.parametrize(
    ("claim", "source", "held"),
    [
        ("It weighs 0.25 g.", "It weighs 250 mg.", True),
        ("It lasts 42 days.", "It lasts 6 weeks.", True),
        ("It lasts 12 months.", "It lasts one year.", True),
        ("It lasts 30 days.", "It lasts one month.", False),
        ("One in 20 is 5 %.", "One in 20 fails.", True),
        ("It is 20 %.", "One in 20 fails.", False),
        ("The rate is about 3.5 %.", "The rate is 3.47 %.", True),
        ("The rate is 3.5 %.", "The rate is 3.47 %.", False),
        ("About 3 % pay.", "3.47 % pay.", False),
    ],
)
def test_the_same_in_other_units_or_rounded_is_held(claim: str, source: str, held: bool) -> None:
    missing = missing_figures(read_figures(claim, False), [read_figures(source, True)])
    assert (not missing) is held


@pytest.mark.parametrize(
    ("question", "source", "found"),
    [
        ("How do I use the 2-year warranty?", "The warranty lasts 1 year.", True),
        ("How do I use the 2-year warranty?", "The warranty lasts 24 months.", False),
        ("How do I use the 2-year warranty?", "A warranty lasts up to 3 years.", False),
        ("How do I use the 2-year warranty?", "Rent is due after 1 year.", False),
        ("Where is the 60-car ferry?", "The ferry takes 40 cars.", True),
        ("How is the $50 voucher sent?", "The voucher is worth €50.", True),
        ("Is a 2-year warranty offered?", "The warranty lasts 1 year.", False),
    ],
)
def test_figures_taken_for_granted(question: str, source: str, found: bool) -> None:
    assert bool(contradicted_figures(question, [source])) is found


def test_a_question_of_hundreds_of_figures_takes_no_seconds() -> None:
    source = "The pass lasts 3 weeks. The pass costs 4 euros. " * 50
    with cpu_within(2.0):
        contradicted_figures("".join(f"the {n} days pass " for n in range(300)), [source] * 20)
    many = "How long does the 2-year warranty last? " * 100
    assert contradicted_figures(many, ["The warranty is one year."]) == ["the 2-year warranty last"]
