"""Codes, rooms, plans, clauses, years and names of a question against the answer's passage."""

import pytest

from guardrails.checks.identifiers import IdentifiersCheck, identifiers
from guardrails.contract import Case, Citation, Draft, Finding, Outcome, Passage, Sentence
from tests.effort import assert_linear

CHECK = IdentifiersCheck()


def judged(question: str, cited: str, text: str = "", title: str = "Notes") -> list[Finding]:
    """Findings on an answer that quotes ``cited`` out of ``text``."""
    text = text or cited
    start = text.index(cited)
    passage = Passage("p1", "d1", "main", title, text, 0, len(text))
    citation = Citation(1, "p1", "d1", title, None, cited, start, start + len(cited))
    draft = Draft((Sentence(cited, (1,)),), (citation,), "fake")
    return CHECK.run(Case(question, draft, (passage,)))


def holds(question: str, cited: str, text: str = "", title: str = "Notes") -> bool:
    return any(found.outcome is Outcome.FAIL for found in judged(question, cited, text, title))


PARTS = "The seal TR-5120-C costs 4 euros.\nThe seal TR-5102-C costs 9 euros."
HALLS = "Hall 27 is used by the judo class. Hall 72 is used by the dance class."
HALL_TABLE = "| Hall | Used by |\n|---|---|\n| 27 | judo |\n| 72 | dance |"
FEES = "The berth fee for 2023 was 410 euros. The berth fee for 2024 was 455 euros."


@pytest.mark.parametrize(
    ("question", "cited", "text"),
    [
        ("How much is TR-5120-C?", "The seal TR-5102-C costs 9 euros.", PARTS),
        ("how much is tr-5121-c?", "The seal TR-5120-C costs 4 euros.", PARTS),
        ("What does the Vento 200X weigh?", "The Vento 200 weighs 4 kg.", ""),
        (
            "how many users has the Cargo Pro plan",
            "The Cargo Plus plan has 5 users.",
            "Plus, Pro: The Cargo Plus plan has 5 users.",
        ),
        ("Who runs the East Moor clinic?", "The West Moor clinic is run by Dr Pye.", ""),
        ("What does fault F-208 mean?", "Fault F-207 means that the lid is open.", ""),
        ("Who uses hall 27?", "Hall 72 is used by the dance class.", HALLS),
        ("Who uses hall 29?", "Hall 27 is used by the judo class.", HALLS),
        ("Who uses hall 27?", "| 72 | dance |", HALL_TABLE),
        ("What does plan Q4 cost?", "Plan Q3 costs 12 euros a month.", ""),
        ("What does plan B cost?", "Plan A costs 12 euros a month.", ""),
        ("price of plan b", "Plan A costs 12 euros a month.", ""),
        (
            "deposit for group h",
            "| A, B | 500 euros |",
            "| Group | Deposit |\n| A, B | 500 euros |",
        ),
        ("hours of zone d please", "Zone C: 8 am to 6 pm", ""),
        ("What does clause 7.3 say?", "Clause 7.2: the tenant pays the repair.", ""),
        ("What does Article IX forbid?", "Article VII forbids noise after ten.", ""),
        ("What was the berth fee in 2024?", "The berth fee for 2023 was 410 euros.", FEES),
        ("What was the berth fee in 2019?", "The berth fee for 2023 was 410 euros.", FEES),
        ("Who is at extension number 4417?", "Extension 4471 is the porter.", ""),
        ("Is order 99120417 on its way?", "Order 99120471 left the depot on Monday.", ""),
        (
            "How long does pump P-31 run?",
            "It runs for 40 minutes.",
            "Pump P-30 stands in the cellar. It runs for 40 minutes. Pump P-31 is broken.",
        ),
        ("What is the excess with Larkfield Gold?", "With Larkfield Silver it is 90 euros.", ""),
        ("When was Maria Olmedo elected?", "The chair was elected in May.", ""),
    ],
)
def test_an_answer_about_another_one_is_held(question: str, cited: str, text: str) -> None:
    assert holds(question, cited, text)


@pytest.mark.parametrize(
    ("question", "cited", "text"),
    [
        ("How much is TR-5120-C?", "The seal TR-5120-C costs 4 euros.", PARTS),
        ("How much is TR 5120 C?", "The seal TR-5120-C costs 4 euros.", PARTS),
        ("Who uses hall 27?", "Hall 27 is used by the judo class.", HALLS),
        ("Who uses hall 27?", "| 27 | judo |", HALL_TABLE),
        ("Which rows use halls 27 and 72?", "Hall 27 is used by the judo class.", HALLS),
        ("Who uses room 114?", "Rooms 110 to 118 are used by the choir.", ""),
        (
            "What does plan B cost?",
            "It costs 12 euros.",
            "Plan B has two visits. It costs 12 euros.",
        ),
        (
            "deposit for group b",
            "| A, B | 500 euros |",
            "| Group | Deposit |\n| A, B | 500 euros |",
        ),
        ("what do you order a lot", "Order a book at the desk.", ""),
        ("who pays for the group's guide", "The club pays the guide.", ""),
        ("What does section 7.2 say?", "The tenant pays.", "7.2 Repairs\n\nThe tenant pays."),
        ("What does part two cover?", "Part 2 covers the garden.", ""),
        ("What does Article IX forbid?", "Article 9 forbids noise after ten.", ""),
        ("What was the berth fee in 2024?", "The berth fee for 2024 was 455 euros.", FEES),
        ("What happened in 1986?", "In the 1980s the mill was closed.", ""),
        ("What happened in 2004?", "From 2001 to 2006 the mill was closed.", ""),
        ("Can I order 3 tickets?", "Tickets are sold at the desk.", ""),
        ("How long is the 16-year-old allowed to stay?", "Young people stay until ten.", ""),
        ("What does it cost for 2000 people?", "It costs 12 euros a head.", ""),
        ("Is it open at 10am on the 24th?", "The hall is open every day.", ""),
        ("Who was Lovelase?", "Lovelace wrote the notes.", ""),
        ("What did the NHS say?", "The National Health Service said no.", ""),
        ("What is a British plug?", "The plug has three pins.", ""),
        ("What's the fee?", "The fee is 3 euros.", ""),
        ("Wann beginnt die Ruhezeit im Haus?", "Ab 22 Uhr ist Ruhe.", ""),
        ("WHAT IS THE EXCESS FOR THEFT?", "It is 90 euros.", ""),
        ("What does the Vento 200 weigh?", "The Vento 200 weighs 4 kg.", ""),
        ("Who runs the West-Moor Clinic?", "The West Moor clinic is run by Dr Pye.", ""),
        ("Does Pro Cargo have users?", "Cargo Pro has 5 users. Cargo Plus has 9.", ""),
    ],
)
def test_an_answer_about_what_was_asked_passes(question: str, cited: str, text: str) -> None:
    assert [f.message for f in judged(question, cited, text) if f.outcome is Outcome.FAIL] == []


def test_the_title_of_the_document_counts() -> None:
    assert holds("What is the fee in 2031?", "The fee is 3 euros.")
    assert not holds("What is the fee in 2031?", "The fee is 3 euros.", title="Fees 2031")


def test_the_finding_names_what_was_asked_for() -> None:
    (found,) = judged("Who uses hall 29?", "Hall 27 is used by the judo class.")
    assert "hall 29" in found.message and found.check == "identifiers"


def test_without_a_draft_the_check_fails() -> None:
    assert CHECK.run(Case("Who uses hall 29?"))[0].outcome is Outcome.FAIL


def test_made_neighbours_of_every_kind_are_told_apart() -> None:
    """Of two things whose identifier differs in one sign each answers for itself only."""
    kinds = ["Room {}", "Fault {}", "Plan {}", "Clause {}", "Bus line {}", "Part {}", "Form {}"]
    values = [("114", "141"), ("E-4472", "E-4471"), ("B3", "A3"), ("7.1", "7.11"), ("12a", "12b")]
    for kind in kinds:
        for mine, other in values:
            question = f"What is said of {kind.format(mine).lower()}?"
            right = f"{kind.format(mine)} is opened on Monday."
            wrong = f"{kind.format(other)} is opened on Monday."
            text = f"{right} {wrong}"
            assert not holds(question, right, text), question
            assert holds(question, wrong, text), question
            assert holds(question, wrong), question


def test_time_grows_with_the_length_of_the_text_only() -> None:
    for piece in ("1-", "a1/", " 2001 to", "| 1 ", "A ", "IX", "room "):

        def found(length: int, piece: str = piece) -> None:
            text = piece * (length // len(piece))
            list(identifiers(text[:length]))
            holds(
                "What is in room 17 and E-44 in 1999 at Larkfield Gold?",
                "It is red.",
                f"{text}\nIt is red.",
            )

        assert_linear(found, 100_000)


def test_a_setting_is_not_another_that_holds_its_name() -> None:
    text = "cache_size\n\nPages that are kept.\n\ndisk_cache_size\n\nThe default is 40."
    assert [one.value for one in identifiers("default of cache_size")] == ["cache_size"]
    assert holds("default of cache_size", "The default is 40.", text)
    assert not holds("default of disk_cache_size", "The default is 40.", text)
    assert not holds("default of cache_size", "Pages that are kept.", text)


@pytest.mark.parametrize(
    ("question", "short", "held"),
    [
        ("when does the autumn term 2027 start", "28 Sep 2026", True),
        ("when does the autumn term 2026 start", "28 Sep 2026", False),
        ("when are the autumn exams in 2027", "11-22 Jan 2027", False),
        ("where is the autumn term 2027 held", "Main hall", False),
    ],
)
def test_a_year_stands_in_the_cell_that_answers(question: str, short: str, held: bool) -> None:
    row = "Autumn | 28 Sep 2026 | Main hall | 11-22 Jan 2027"
    text = f"Term | Teaching starts | Place | Exams\n{row}"
    passage = Passage("p1", "d1", "main", "Notes", text, 0, len(text))
    citation = Citation(1, "p1", "d1", "Notes", None, row, text.index(row), len(text))
    draft = Draft((Sentence(row, (1,)),), (citation,), "fake", short)
    found = CHECK.run(Case(question, draft, (passage,)))
    assert any(one.outcome is Outcome.FAIL for one in found) is held
