"""A quantity of a question falls into one row of a table, in whatever unit it is said."""

import pytest

from app.inference.ranges import quantities, row_of, row_of_date

AGES = ["Cubs (3 to 11 months)", "Foxes (1 year)", "Bears (2 to 5 years)", "over 5 years"]
TICKETS = [
    "Infant (under 3)",
    "Child (3 to 14)",
    "Teen (15 to 17)",
    "Adult (18–64)",
    "Senior (65+)",
]
ORDERS = ["under £25", "£25 to £74.99", "£75 and more"]
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
        ("price for my 16 yr old on tuesday", TICKETS, "Ticket", 2),
        ("a day ticket for my 16 year old", TICKETS, "Ticket", 2),
        ("my son is 4 and we cancel 20 days ahead", ["28 to 15", "14 to 0"], "Days before", 0),
        ("a 3 year old kitten", ["up to 24 months", "over 24 months"], "", 1),
        ("I'm 22, what do I pay", TICKETS, "Ticket", 3),
        ("my son is four", TICKETS, "Ticket", 1),
        ("I'm 10 minutes late", TICKETS, "Ticket", None),
        ("my nan is 70 and lives 12 miles away", TICKETS, "Ticket", 4),
        ("20 days ahead", ["56 to 29", "28 to 15", "14 to 0"], "Days before", 1),
        ("postage on a £30 order", ORDERS, "Order", 1),
        ("postage for an 80 pound order", ORDERS, "Order", 2),
        ("postage for an 80 euro order", ORDERS, "Order", None),
        ("price for 4,000 contacts", ["500 – 2,500", "2,501 – 5,000"], "Contacts", 1),
        ("price for 4,000 stamps", ["500 – 2,500", "2,501 – 5,000"], "Contacts", None),
        ("10 min in the car park", ["Up to 15 minutes", "Up to 30 minutes"], "", 0),
        ("day pass for a boat under 8 m", ["Under 8 m", "8 – 14 m", "over 14 m"], "", 0),
        ("day pass for a boat over 14 m", ["Under 8 m", "8 – 14 m", "over 14 m"], "", 2),
        ("change 3 days before", ["more than 7 days", "7 days to 2 hours"], "", 1),
        ("change 1 hour before", ["more than 7 days", "7 days to 2 hours"], "", None),
        ("20 min in the car park", ["Up to 15 minutes", "Up to 30 minutes"], "", 1),
    ],
)
def test_the_row_is_found_by_its_range(
    question: str, names: list[str], column: str, row: int | None
) -> None:
    assert row_of(quantities(question), names, column) == row


@pytest.mark.parametrize("question", ["how old must I be", "from 2 days to 3 weeks", "room 2"])
def test_no_quantity_or_several_name_no_row(question: str) -> None:
    assert quantities(question) == ()


SEASONS = ["March – April", "May - August", "Sept to Oct", "November – February"]
OPEN = ["Mon–Thu", "Friday", "Saturdays and Sundays"]


@pytest.mark.parametrize(
    ("question", "names", "row"),
    [
        ("when do you close in june", SEASONS, 1),
        ("last entry in May?", SEASONS, 1),
        ("last entry during december", SEASONS, 3),
        ("open in January 2027", SEASONS, 3),
        ("may I come in", SEASONS, None),  # the verb
        ("may I come in october", SEASONS, 2),
        ("from june to september", SEASONS, None),
        ("are you open on wednesday", OPEN, 0),
        ("open on a sunday", OPEN, 2),
        ("open on a sunday", ["Friday", "every day"], None),
        ("open in june", OPEN, None),
    ],
)
def test_the_row_is_found_by_its_months_or_days(
    question: str, names: list[str], row: int | None
) -> None:
    assert row_of_date(question, names) == row
