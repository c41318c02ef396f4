"""Pairs of questions about one place: where it is found, and how figures are counted."""

import json
from pathlib import Path

import pytest

from app.errors import Invalid
from benchmarks.pairs import measure_pairs, places_of
from tests.unit.test_company_training import PRICES

NOTICE = "You can leave at any time with one week's notice, except in the first month."
PAIRS = [
    (NOTICE, "How much notice do I have to give to leave?", "What is the fee for a lost key?"),
    (
        "large | £31 | £27",
        "price of a large locker at Gorgie",
        "weight of a large locker at Gorgie",
    ),
    ("a place that no document has", "Who?", "Why?"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    documents = tmp_path / "lockers" / "documents"
    documents.mkdir(parents=True)
    (documents / "prices.md").write_text(PRICES, "utf-8")
    rows = [
        {"tempting": place, "good": good, "answer": place, "bad": bad, "kind": kind}
        for (place, good, bad), kind in zip(PAIRS, ("measure", "thing", "role"), strict=True)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "lockers" / "pairs.jsonl").write_text(lines, "utf-8")
    return tmp_path


def test_a_place_is_found_in_its_passage_whatever_its_spaces(folder: Path) -> None:
    said = [one.passage.text[one.start : one.end] for one in places_of(folder)]
    assert [" ".join(one.split()) for one in said] == [place for place, _, _ in PAIRS[:2]]


def test_the_figures_are_of_pairs_whose_place_was_found(folder: Path) -> None:
    figures = measure_pairs(folder)
    assert figures["pairs"] == 2 and set(figures["by_kind"]) == {"measure", "thing"}
    assert figures["told_apart"] == sum(figures["by_kind"].values()) / 2
    # Nothing in the passage is near a lost key: the notice is surer of its question.
    assert figures["by_kind"]["measure"] == 1.0 and figures["good_drafted"] >= 0.5
    assert 0.5 <= figures["auroc"] <= 1 and figures["found"] >= 0.5


def test_a_folder_without_pairs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="no pairs"):
        measure_pairs(tmp_path)
