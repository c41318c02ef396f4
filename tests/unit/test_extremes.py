"""The row that has the most or the least of what a question asks for."""

import pytest

from app.inference.evidence_selection import stems
from app.inference.extremes import extreme_row
from app.inference.tables import misplaced

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
        ("how much is a week", None),
    ],
)
def test_the_row_is_told_by_the_values_of_the_column_that_is_named(
    question: str, row: int | None
) -> None:
    columns = [stems(name) for name in HEAD]
    assert extreme_row(question, stems(question), columns, BIKES) == row


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
