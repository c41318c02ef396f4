"""The row that has the most or the least of what a question asks for."""

import pytest

from app.inference.evidence_selection import stems
from app.inference.extremes import extreme_row
from app.inference.tables import misplaced, told_row

HEAD = ["Bike", "Day", "Week", "Range", "Built"]
BIKES = [
    ["City", "£20", "£95", "40 km", "2019"],
    ["Trail", "£35", "£90", "60 km", "2022"],
    ["Cargo", "£50", "£240", "60 km", "2016"],
]
LOANS = [["Gold", "2 weeks"], ["Silver", "10 days"], ["Green", "36 hours"], ["Red", "none"]]


@pytest.mark.parametrize(
    ("question", "row"),
    [
        ("cheapest bike per week", 1),
        ("which is the dearest for a day?", 2),
        ("which bike is the oldest, when was it built", 2),
        ("the newest one built", 1),
        ("which has the shortest range", 0),
        ("which has the longest range", None),  # two have as much
        ("the cheapest bike", None),  # by day or by week?
        ("what is the highest", None),
        ("how much is the longest ride on the trail per day", None),  # the row is named
        ("which bike costs least per day", 0),
        ("how much is a week", None),
    ],
)
def test_the_row_is_told_by_the_values_of_the_column_that_is_named(
    question: str, row: int | None
) -> None:
    columns = [stems(name) for name in HEAD]
    assert extreme_row(question, stems(question), columns, BIKES) == row


def test_columns_that_agree_need_no_name_and_rows_that_are_named_are_compared_alone() -> None:
    columns = [stems(name) for name in ("Room", "Term", "Year", "Walk to campus")]
    rows = [
        ["Ash, en suite", "£178", "£171", "6 min"],
        ["Ash, twin", "£120", "£110", "6 min"],
        ["Elm, twin", "£104", "£99", "25 min"],
        ["Oak, single", "£90", "£160", "2 min"],
        ["Yew, single", "£150", "£165", "9 min"],
    ]
    for asked, row in (
        ("which room is the cheapest", None),  # Oak for a term, Elm for a year
        ("which is the cheapest twin room", 2),
        ("which room is the dearest", 0),
        ("which is the closest room to campus", 3),
        ("what is the cheapest elm room", None),
    ):
        assert extreme_row(asked, stems(asked), columns, rows) == row


def test_times_are_compared_whatever_their_unit() -> None:
    columns = [stems("Card"), stems("Loan")]
    asked = "which card has the longest loan", "which card has the shortest loan"
    assert [extreme_row(one, stems(one), columns, LOANS) for one in asked] == [0, 2]
    mixed = [*LOANS[:2], ["Green", "3 kg"]]
    assert extreme_row(asked[0], stems(asked[0]), columns, mixed) is None


def test_the_only_column_of_prices_needs_no_name() -> None:
    columns = [stems("Card"), stems("Fee"), stems("Books")]
    rows = [["Gold", "£9", "40"], ["Silver", "£5", "10"], ["Green", "£2", "4"]]
    assert extreme_row("cheapest one?", stems("cheapest one"), columns, rows) == 2
    assert extreme_row("which has most books?", stems("books"), columns, rows) == 0
    assert extreme_row("the highest one?", stems("the highest one"), columns, rows) is None


def test_the_other_rows_are_no_answer() -> None:
    text = "Bikes\n\n" + "\n".join(" | ".join(row) for row in [HEAD, *BIKES])
    lowered = {text[start:end] for (start, end), _ in misplaced("cheapest one by the week", text)}
    assert {"City | £20 | £95 | 40 km | 2019", "Cargo | £50 | £240 | 60 km | 2016"} <= lowered
    assert "Trail | £35 | £90 | 60 km | 2022" not in lowered


def test_what_half_of_the_rows_are_called_names_none_of_them() -> None:
    columns = [stems("Scheme"), stems("Monthly")]
    rows = [["Starter grant", "£900"], ["Return grant", "£950"], ["Fellowship", "£990"]]
    for asked, row in (
        ("which grant has the highest monthly pay", 2),
        ("highest starter grant monthly", None),
    ):
        assert extreme_row(asked, stems(asked), columns, rows) == row
    one = [["For one", "£9"], ["For two", "£12"], ["Family", "£15"]]
    columns = [stems("Pass"), stems("Price")]
    assert extreme_row("dearest one?", stems("dearest one?"), columns, one) == 2


@pytest.mark.parametrize(
    ("question", "row"),
    [
        ("closing time in june", "May to August | 8 to 21"),
        ("which part of the year has the earliest last entry", None),
        ("when are you open", None),
        ("opening hours in april and june", None),
    ],
)
def test_a_row_is_told_by_its_values(question: str, row: str | None) -> None:
    text = "Season | Open\nMarch to April | 9 to 18\nMay to August | 8 to 21\nWinter | 9 to 16"
    found = told_row(question, text)
    assert (found and text[slice(*found)]) == row
