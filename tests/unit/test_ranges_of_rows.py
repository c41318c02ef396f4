"""A quantity of a question falls into one row of a table, in whatever unit it is said."""

import pytest

from app.inference.ranges import quantity, row_of

AGES = ["Cubs (3 to 11 months)", "Foxes (1 year)", "Bears (2 to 5 years)", "over 5 years"]
WEIGHTS = ["up to 2 kg", "over 2 kg up to 10 kg", "over 10 kg"]


@pytest.mark.parametrize(
    ("question", "names", "column", "row"),
    [
        ("price for a 3 year old", AGES, "", 2),
        ("place for a baby of six months", AGES, "", 0),
        ("a ticket at 9 years", AGES, "", 3),
        ("parcel of 7 kg", WEIGHTS, "", 1),
        ("parcel of 2 kg", WEIGHTS, "", 0),
        ("parcel of 7 m", WEIGHTS, "", None),
        ("fee for 40 years", ["under 6", "6 or more"], "Age", 1),
        ("fee for 40 years", ["under 6", "6 or more"], "Rooms", None),
        ("fee for 9 days", ["Monday to Friday", "9 am to 5 pm", "2024 to 2026"], "Days", None),
        ("after 1 year", ["only 3 years"], "", None),
    ],
)
def test_the_row_is_found_by_its_range(
    question: str, names: list[str], column: str, row: int | None
) -> None:
    asked = quantity(question)
    assert asked is not None
    assert row_of(asked, names, column) == row


@pytest.mark.parametrize("question", ["how old must I be", "from 2 days to 3 weeks", "room 2"])
def test_no_quantity_or_several_name_no_row(question: str) -> None:
    assert quantity(question) is None
