"""Rows, columns and entries that a question does not name hold no answer to it."""

import numpy as np
import pytest

from app.inference.embedder import load_tokenizer
from app.inference.reader import best_span, headings_end, lowered, of_cell
from app.inference.tables import (
    MOST_MISSED,
    cells_of,
    header_rows,
    misplaced,
    named_cell,
    passed_over,
)
from app.ports import Span
from guardrails.contract import Passage

RATES = """Rates

What | Limit or rate
Lunch, more than 20 miles from the office | £12
Dinner on an overnight stay | £30
"""
PLANS = """Plan | Basic | Lifetime
Vet fees | £3,000 | £8,000
Third parties | no | £1m
"""
LEVELS = """LEVELS

  Roadside    39 pounds   repair at the roadside
  Complete    99 pounds   recovery to anywhere
"""
GLOSSARY = """Peril. An event that a policy insures against, such as fire.

Subrogation. Our right to recover the money.

Flood: Water that enters the home.
"""
STORED = """How long | Storage fee
up to 7 days | free
8 to 21 days | €9
more than 21 days | €30
"""
CALLS = """Service | Working days | Nights and weekends
Call-out | £60 | £90
Repair | £40 | £55
"""
SPEEDS = """Model | Top | Range
Silver 100 | 30 mph | 60 miles
Silver 200 | 48 mph | 70 miles
"""
WRAPPED = """A driver who is alone is given priority.
On a motorway, leave the vehicle. Then wait behind the barrier until we are
there. Labour is free for the first hour. Parts are charged.
"""


MODELS = """ | TX-20 | TX-30
Tank | 1.2 litres | 1.8 litres
Weight | 6 kg | 8.5 kg
"""
YEARS = """Fee | 2023 | 2024
Joining | £40 | £45
Monthly | £12 | £13
"""
DESKS = """ | Flex desk | Team room
Price per month | €140 | €980
Meeting room credits | 2 hours | 20 hours
"""
WAYS = """Method | Yearly | Monthly
Credit card | yes | no
Cheque | yes | no
"""
NOT_NAMED = """Tank | 1.2 litres | 1.8 litres
Power | 1,200 W | 1,500 W
Weight | 6 kg | 8.5 kg
"""
LOWER = ["A5", "A2", "€49", "€45"]
TWO_HEADS = """Print | Size | Price | Price
Print | Size | standard (5 days) | express (2 days)
Flyer | A5 | €49 | €72
Poster | A2 | €45 | €70
"""
EVENTS = """- 3 May: Plant fair, admission free.
- 9 June: Choir night, 8 EUR.
- 1 July: Plant swap for members.
"""
QUESTIONS = ["Q: How can I pay?", "Q: May I send food?"]
ASKED = """Q: How can I pay?
A: By card or invoice.

Q: May I send food?
A: Only tins. Whoever sends anything else pays a fee of 9 EUR.
"""


def not_meant(question: str, text: str) -> list[str]:
    return [text[start:end] for (start, end), _ in misplaced(question, text)]


@pytest.mark.parametrize(
    ("question", "text", "parts"),
    [
        (
            "How much may I spend on dinner?",
            RATES,
            ["Lunch, more than 20 miles from the office | £12"],
        ),
        ("What does subrogation mean?", GLOSSARY, ["Peril", "Flood"]),
        ("What is the price of Complete?", LEVELS, ["Roadside    39 pounds"]),
        ("How high are vet fees for Lifetime?", PLANS, ["Third parties", "£3,000", "no"]),
        ("weight of the tx-30", MODELS, ["Tank", "| TX-20", "6 kg", "1.2"]),
        ("joining fee 2024", YEARS, ["Monthly", "Fee |", "£40", "£12"]),
        ("price of a flyer, express", TWO_HEADS, ["Poster", "Print", "Print", *LOWER]),
        ("When is the choir night?", EVENTS, ["3 May", "1 July"]),
        ("how do i pay", ASKED, ["\nA: Only tins", *QUESTIONS]),
    ],
)
def test_what_the_question_does_not_name_is_lowered(
    question: str, text: str, parts: list[str]
) -> None:
    found = [
        part for part in not_meant(question, text) if not part.startswith(("What |", "Plan |"))
    ]
    assert len(found) == len(parts)
    assert all(any(one.startswith(part) for one in found) for part in parts)


@pytest.mark.parametrize(
    "text", [WRAPPED, "One paragraph. It has no table.", "", "a | b", GLOSSARY]
)
def test_elsewhere_nothing_is_lowered(text: str) -> None:
    assert not misplaced("Who pays for parts, and how much is lunch?", text)


def test_a_row_that_holds_all_that_was_asked_leaves_others_no_chance() -> None:
    all_asked = dict(misplaced("When is the choir night?", EVENTS)).values()
    some = dict(misplaced("When is the choir night of the school?", EVENTS)).values()
    assert (set(all_asked), max(some)) == ({MOST_MISSED}, MOST_MISSED)
    plans = dict(misplaced("What does Lifetime cost for third parties?", PLANS))
    assert plans[PLANS.index("Vet"), PLANS.index("\nThird")] == MOST_MISSED


def test_steps_are_no_entries() -> None:
    assert misplaced("What follows the pump?", "1. Lock the gate.\n2. Switch off the pump.") == []


@pytest.mark.parametrize("head", ["2.5 | 3.5 | 4.5", "12 kg | 14 kg | 9 kg", "2020 | 2021 | 2022"])
def test_a_row_of_values_names_no_columns(head: str) -> None:
    assert header_rows([head.split(" | "), ["1.0", "2.0", "3.0"], ["2.0", "2.5", "3.0"]]) == 0


def test_a_table_without_names_has_none() -> None:
    assert header_rows([line.split(" | ") for line in NOT_NAMED.splitlines()]) == 0
    assert header_rows([line.split(" | ") for line in TWO_HEADS.splitlines()]) == 2


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        (" | a | b", ["", "a", "b"]),
        ("| a | b |", ["a", "b"]),
        ("a | b |", ["a", "b", ""]),
        ("a\tb", ["a", "b"]),
        ("no row", []),
    ],
)
def test_an_empty_cell_keeps_its_place(line: str, cells: list[str]) -> None:
    assert [line[slice(*cell)] for cell in cells_of(line)] == cells


def test_of_answers_in_several_passages_that_to_the_question_asked_is_meant() -> None:
    other = "Q: Who are you?\nA: A shop.\n\nQ: Are you open on Sundays?\nA: No, nobody pays then."
    places = [(ASKED, ASKED.index("By card")), (other, other.index("nobody")), (PLANS, 30)]
    assert passed_over("how do i pay", places) == [0, 1, 0]
    assert passed_over("how do i pay", [(PLANS, 3)]) == [0]


def test_names_of_columns_stand_beside_an_empty_corner() -> None:
    rows = [line.split(" | ") for line in TERMS.removeprefix("|").split("\n")]
    rows[0] = ["", *(cell.strip() for cell in rows[0])]
    assert header_rows(rows) == 1
    assert header_rows([["x", *rows[0][1:]], *rows[1:]]) == 0
    assert header_rows([*rows, ["", "April 1", "May 2"]]) == 0


def test_a_row_that_names_columns_is_always_lowered() -> None:
    assert not_meant("Who pays?", RATES) == ["What | Limit or rate"]


def test_the_best_span_moves_to_the_row_that_is_named() -> None:
    encoding = load_tokenizer().encode("How much may I spend on dinner?", RATES)
    logits = np.zeros((len(encoding.ids), 2), np.float32)
    for place, (start, _) in enumerate(encoding.offsets):
        if encoding.type_ids[place] == 1:
            near = RATES[start : start + 3] in ("£12", "£30")
            logits[place] = (4.0 if RATES[start : start + 3] == "£12" else 3.0) if near else -5.0
    plain = best_span(logits, encoding, RATES)
    assert plain is not None and RATES[plain.start :].startswith("£12")
    moved = lowered(logits, encoding, misplaced("How much may I spend on dinner?", RATES))
    named = best_span(moved, encoding, RATES)
    assert named is not None and RATES[named.start :].startswith("£30")


PER_YEAR = """| Free | Plus | Pro
Monthly price | €0 | €16 | €34
Yearly price | €0 | €149 | €319
Certificates included per year | none | 4 | unlimited"""
TERMS = """| Fall 2025 | Spring 2026
Registration opens | April 21 | November 10
Classes begin | August 25 | January 12"""
MOWERS = """| G42 (push) | G38-E (battery)
Grass box | 45 l | 40 l
Weight | 24.5 kg | 16.8 kg"""
LATE = """Days before departure | Guided tours | Walks
56 to 29 | 45% | 30%
28 to 15 | 70% | 55%"""


@pytest.mark.parametrize(
    ("question", "text", "cell"),
    [
        ("what does lifetime pay for vet fees", PLANS, "£8,000"),
        ("how big is the tank of the TX-30", MODELS, "1.8 litres"),
        ("joining fee 2024", YEARS, "£45"),
        ("price of a poster, express", TWO_HEADS, "€70"),
        ("weight of the TX-30 kettle", MODELS, "8.5 kg"),  # by its place
        ("price of the team room", DESKS, "€980"),
        ("price of a large meeting room", DESKS, None),  # "room" stands in both names
        ("credit charge for paying monthly", WAYS, None),
        ("can I pay monthly by credit card", WAYS, "no"),
        ("vet fees", PLANS, None),  # of which plan?
        ("what does platinum pay for vet fees", PLANS, None),
        ("vet fees for a horse with lifetime", PLANS, None),
        ("what does a flyer cost", TWO_HEADS, None),
        ("how much may I spend on dinner", RATES, None),
        ("what is the tank", NOT_NAMED, None),
        ("what is a peril", GLOSSARY, "An event that a policy insures against, such as fire."),
        ("peril of flood", GLOSSARY, None),  # of which entry?
        ("storage fee after two weeks", STORED, "€9"),
        ("storage fee after 40 days", STORED, "€30"),
        ("storage fee after 4 miles", STORED, None),
        ("call-out on sunday", CALLS, "£90"),
        ("top speed silver 200", SPEEDS, "48 mph"),
        ("pro price per year", PER_YEAR, "€319"),
        ("when do classes begin in spring 2026", TERMS, "January 12"),
        ("how heavy is the battery one", MOWERS, "16.8 kg"),
        ("cancelling a tour 20 days ahead, what do you keep", LATE, "70%"),
        ("cancelling 20 days ahead, what do you keep", LATE, None),  # of what?
    ],
)
def test_a_cell_is_named_by_its_row_and_its_column(
    question: str, text: str, cell: str | None
) -> None:
    found = named_cell(question, text, "Kettles")
    assert (found and text[slice(*found)]) == cell


def test_a_named_cell_is_the_span_and_sure_enough() -> None:
    cell = named_cell("joining fee 2024", YEARS)
    assert cell is not None
    inside, outside = (Span(at, at + 2, -9.0, 1.0, 0.5) for at in (cell[0], 0))
    for span in (inside, outside):
        assert of_cell(span, cell, 0.0) == Span(*cell, 0.0, 1.0, 0.5)
    sure = Span(*cell, 7.0, 1.0, 0.5)
    assert of_cell(sure, cell, 0.0) == sure


def test_a_question_is_no_answer_to_itself() -> None:
    one = "Q: How can I pay?\nA: By card."
    assert not_meant("how do i pay", one) == ["Q: How can I pay?"]


@pytest.mark.parametrize(
    ("text", "headings", "end"),
    [
        ("House\n\nRules\n\nNo dogs.", ("House", "Rules"), "House\n\nRules\n"),
        ("Rules\n=====\nNo dogs.", ("House", "Rules"), "Rules\n"),
        ("Rules of the house are kept.", ("House", "Rules"), ""),
        ("No dogs.", ("House",), ""),
        ("Rules", ("House", "Rules"), ""),
    ],
)
def test_where_the_headings_end(text: str, headings: tuple[str, ...], end: str) -> None:
    passage = Passage("p", "d", "main", "House", text, 0, len(text), headings=headings)
    assert text[: headings_end(passage)] == end


def test_what_stands_before_a_colon_may_have_a_comma() -> None:
    prices = "Check-up: £52\nHygienist, 30 minutes: £68\nFilling, white: £120\nCrown: £710"
    less = {prices[start:end] for (start, end), _ in misplaced("hygienist cost", prices)}
    assert less == {"Check-up: £52", "Filling, white: £120", "Crown: £710"}
    rules = "In May, we close. The door stays open.\nIn June, we open. The door is shut."
    assert misplaced("when is the door shut in june", rules) == []


FEES = """| Service | Price |
|---|---|
| Consultation | £48 |
| Second consultation within 14 days | £36 |
| Microchip | £22 |
| Nail clip | free with the club |"""


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("how much is a consultation", "£48"),
        ("consultation", "£48"),
        ("cost of a microchip", "£22"),
        ("second consultation within 14 days price", "£36"),
        ("how long is a consultation", None),
        ("is a microchip painful", None),
        ("how much is a rabbit consultation", None),
        ("how much is a nail clip", None),  # no amount
    ],
)
def test_a_row_that_says_one_thing_is_named_by_its_name(question: str, told: str | None) -> None:
    cell = named_cell(question, FEES)
    assert (cell and FEES[slice(*cell)]) == told


@pytest.mark.parametrize(
    ("question", "row"),
    [
        ("how loud is it", "Sound power"),
        ("how heavy is the push one", "Weight"),
        ("yearly cost", "Annual fee"),
        ("how wide does it cut", "Cutting width"),
    ],
)
def test_a_row_is_meant_by_another_word_for_what_it_measures(question: str, row: str) -> None:
    lines = ["Model | Push | Ride", "Weight | 31 kg | 90 kg", "Sound power | 94 dB | 99 dB"]
    lines += ["Cutting width | 42 cm | 80 cm", "Annual fee | £12 | £20"]
    text = "\n".join(lines)
    lowered = {text[slice(*part)].split(" |")[0] for part, _ in misplaced(question, text)}
    assert row not in lowered
    assert {line.split(" |")[0] for line in lines[1:]} - {row} <= lowered


@pytest.mark.parametrize("first", ["", "Permit   "], ids=["no name for the rows", "named"])
def test_of_columns_the_one_that_an_age_falls_into_is_meant(first: str) -> None:
    lines = [f"{first}Adult    Senior 67+   Junior 10-17", "Day, river   14.00    10.00   4.00"]
    text = "\n".join([*lines, "Day, pool    18.00    11.00    8.00"])
    question = "day at the pool for a 12 yr old"
    lowered = {text[slice(*part)] for part, _ in misplaced(question, text)}
    assert {"18.00", "11.00"} <= lowered and "8.00" not in lowered
