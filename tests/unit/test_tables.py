"""Rows, columns and entries that a question does not name hold no answer to it."""

import numpy as np
import pytest

from app.inference.embedder import load_tokenizer
from app.inference.reader import best_span, without_misplaced
from app.inference.tables import misplaced

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
WRAPPED = """A driver who is alone is given priority.
On a motorway, leave the vehicle. Then wait behind the barrier until we are
there. Labour is free for the first hour. Parts are charged.
"""


def lowered(question: str, text: str) -> list[str]:
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
    ],
)
def test_what_the_question_does_not_name_is_lowered(
    question: str, text: str, parts: list[str]
) -> None:
    found = [part for part in lowered(question, text) if not part.startswith(("What |", "Plan |"))]
    assert len(found) == len(parts)
    assert all(any(one.startswith(part) for one in found) for part in parts)


@pytest.mark.parametrize(
    "text", [WRAPPED, "One paragraph. It has no table.", "", "a | b", GLOSSARY]
)
def test_elsewhere_nothing_is_lowered(text: str) -> None:
    assert not misplaced("Who pays for parts, and how much is lunch?", text)


def test_a_row_that_names_columns_is_always_lowered() -> None:
    assert lowered("Who pays?", RATES) == ["What | Limit or rate"]


def test_the_best_span_moves_to_the_row_that_is_named() -> None:
    encoding = load_tokenizer().encode("How much may I spend on dinner?", RATES)
    logits = np.zeros((len(encoding.ids), 2), np.float32)
    for place, (start, _) in enumerate(encoding.offsets):
        if encoding.type_ids[place] == 1:
            near = RATES[start : start + 3] in ("£12", "£30")
            logits[place] = (4.0 if RATES[start : start + 3] == "£12" else 3.0) if near else -5.0
    plain = best_span(logits, encoding, RATES)
    assert plain is not None and RATES[plain.start :].startswith("£12")
    moved = without_misplaced(logits, encoding, "How much may I spend on dinner?", RATES)
    named = best_span(moved, encoding, RATES)
    assert named is not None and RATES[named.start :].startswith("£30")
