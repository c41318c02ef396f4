"""Passages of the year, quarter or code that a question names come first."""

import pytest
from fpdf import FPDF

from app.retrieval.identity import asked_of, fits
from app.retrieval.retriever import Hit, prefer_meant, seldom_alike
from guardrails.contract import Passage
from ingestion.formats.extract import extract
from ingestion.formats.titles import told_apart


def passage(title: str, text: str = "Revenue rose.", number: int = 0) -> Passage:
    return Passage(f"p{number}", f"d{number}", "c", title, text, 0, len(text))


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What was the revenue in 2022?", {("year", "2022")}),
        ("capital expenditure FY21", {("year", "2021")}),
        ("Sales in '19", {("year", "2019")}),
        ("net income Q3 2022", {("quarter", "3"), ("year", "2022")}),
        ("3Q22 net income", {("quarter", "3"), ("year", "2022")}),
        ("orders in the third quarter of 2023", {("quarter", "3"), ("year", "2023")}),
        ("What does error E-4471 mean?", {("error", "e4471")}),
        ("How do I cancel?", set()),
    ],
)
def test_years_quarters_and_codes_are_read_however_they_are_written(
    question: str, expected: set[tuple[str, str]]
) -> None:
    assert {(one.kind, one.value) for one in asked_of(question).identifiers} == expected


def test_the_edition_asked_for_fits_and_another_does_not() -> None:
    editions = [passage(f"Annual report {year}") for year in (2021, 2022, 2023)]
    assert fits(asked_of("What was the revenue in FY22?"), editions) == [-1.0, 1.0, -1.0]
    assert fits(asked_of("What was the revenue?"), editions) == [0.0, 0.0, 0.0]


def test_a_comparison_with_the_year_before_counts_less_than_the_report_itself() -> None:
    later = passage("Annual report 2023", "Revenue was 5, after 4 in 2022.")
    itself = passage("Annual report 2022", "Revenue was 4.")
    plain = passage("History", "In 2022 the company moved.")
    assert fits(asked_of("revenue of 2022"), [later, itself, plain]) == [0.0, 1.0, 1.0]


def test_the_latest_is_the_newest_of_the_same_kind_of_document() -> None:
    found = [
        passage("Price list 2021"),
        passage("Price list 2023"),
        passage("Annual report 2024"),
        passage("Opening hours"),
    ]
    assert fits(asked_of("What is the latest price of a ticket?"), found) == [-1.0, 1.0, 1.0, 0.0]
    quarters = [passage("Results Q1 2023"), passage("Results Q3 2023"), passage("Results Q4 2022")]
    assert fits(asked_of("What is our current margin?"), quarters) == [-1.0, 1.0, -1.0]
    assert not asked_of("What was current in 1999?").latest


def test_what_is_meant_comes_first_and_else_the_order_stays() -> None:
    hits = [
        Hit(passage("Manual KX-100", number=1), 0.8, fused=0.033),
        Hit(passage("Manual KX-200", number=2), 0.7, fused=0.031),
        Hit(passage("Safety", number=3), 0.6, fused=0.030),
    ]
    order = prefer_meant(asked_of("How do I reset the KX-200?"), hits)
    assert [hit.passage.id for hit in order] == ["p2", "p3", "p1"]
    assert [hit.fit for hit in order] == [1.0, 0.0, -1.0]
    plain = prefer_meant(asked_of("How do I reset it?"), hits)
    assert [hit.passage.id for hit in plain] == ["p1", "p2", "p3"]


def test_words_of_many_documents_do_not_crowd_out_others() -> None:
    copies = [Hit(passage(f"Contract {n}", "Either party may end it.", n), 0.5) for n in range(5)]
    other = Hit(passage("Contract 9", "It ends on 3 May.", 9), 0.4)
    assert [hit.passage.id for hit in seldom_alike([*copies, other])] == ["p0", "p1", "p9"]


@pytest.mark.parametrize(
    ("title", "stem", "text", "expected"),
    [
        ("Annual report", "report-2023", "", "Annual report (2023)"),
        ("Annual report 2023", "report-2023", "", "Annual report 2023"),
        ("Results", "halden_Q3_2022", "", "Results (Q3 2022)"),
        ("Handbook", "handbook-v2.1", "", "Handbook (v2.1)"),
        ("Handbook", "8f14e45fceea167a", "", "Handbook"),
        (
            "Halden Ferries, Inc.",
            "0000950170",
            "FORM 10-K\nFor the fiscal year ended December 31, 2022",
            "Halden Ferries, Inc. (fiscal year ended December 31, 2022)",
        ),
        (
            "Halden Ferries plc",
            "accounts",
            "Report for the year ending 31st March 2024.",
            "Halden Ferries plc (year ending 31st March 2024)",
        ),
    ],
)
def test_a_title_says_which_edition_it_is(title: str, stem: str, text: str, expected: str) -> None:
    assert told_apart(title, stem, text) == expected


def test_a_form_on_the_cover_is_no_title() -> None:
    pdf = FPDF()
    pdf.add_page()
    cover = [
        (14, "UNITED STATES"),
        (14, "SECURITIES AND EXCHANGE COMMISSION"),
        (16, "FORM 10-K"),
        (8, "For the fiscal year ended December 31, 2022"),
        (14, "HALDEN FERRIES, INC."),
        (8, "The company operates ferries in several countries and depends on fuel."),
        *[
            (8, f"It sold {count} tickets in harbour {count}, as it did before.")
            for count in range(9)
        ],
    ]
    for size, line in cover:
        pdf.set_font("Helvetica", size=size)
        pdf.cell(0, 8, line, new_x="LMARGIN", new_y="NEXT")
    title = extract(bytes(pdf.output()), "0000950170.pdf").title
    assert title == "HALDEN FERRIES, INC. (fiscal year ended December 31, 2022)"
