"""Which of the sentences beside each other a number, a date or a "not" of a question means."""

import math

import pytest

from app.deadline import Deadline
from app.inference.limits import beside_limits, told_clauses
from app.inference.reader_generator import UNSURE, ReaderGenerator
from app.ports import DraftRequest, Reading, Span
from tests.unit.test_fitting import Unasked, passage

RETURNS = (
    "Up to 20 km you get everything back; from 21 to 100 km we keep 10%. Beyond 100 km there is no "
    "return."
)
PARCELS = "Parcels up to 5 kg cost £5. From 5 to 15 kg we charge £9. Heavier ones cost £14."
STORE = "Boxes of up to 3 cubic feet are free. Larger ones cost £4."
FILMS = (
    "Members of 1 to 4 years get one free film at renewal. From 5 to 9 years it is two. "
    "From 10 years on it is five."
)
FEES = (
    "Standard membership costs £35. Students pay £20. Members under 18 pay £12. "
    "People aged 65 or over pay £24."
)
YOUNG = "Single membership costs £45. Under-26s pay £15."
LEAVING = (
    "If you leave before April you get back half. From April to July you get a quarter. After July "
    "we pay nothing."
)
ABROAD = "Parcels to Norway take 5 to 8 days. Parcels to Spain take 2 to 6 days."
LATE = (
    "If a parcel is up to one day late, we refund half. If it is two or more days late, we refund "
    "all of it."
)

AHEAD = (
    "Up to 72 hours ahead we refund all but £2. From 71 to 24 hours before, half. Later than that, "
    "nothing is refunded."
)


def meant(question: str, text: str) -> str | None:
    (told,) = told_clauses(question, text) or (None,)
    return None if told is None or told.meant is None else text[slice(*told.meant)].strip(" ;")


@pytest.mark.parametrize(
    ("question", "text", "clause"),
    [
        ("I did 60 km, what do I get back", RETURNS, "from 21 to 100 km we keep 10%."),
        ("returned after 12 km", RETURNS, "Up to 20 km you get everything back"),
        ("it has done 300 kilometres", RETURNS, "Beyond 100 km there is no return."),
        ("price for 3 kilos", PARCELS, "Parcels up to 5 kg cost £5."),
        ("price for 20 kg", PARCELS, "Heavier ones cost £14."),
        ("a box of 5 cubic feet", STORE, "Larger ones cost £4."),
        ("member for 7 years, how many free films", FILMS, "From 5 to 9 years it is two."),
        ("my son is 15, what does he pay", FEES, "Members under 18 pay £12."),
        ("what does a 70 year old pay", FEES, "People aged 65 or over pay £24."),
        ("I'm 22, how much is membership", YOUNG, "Under-26s pay £15."),
        ("leaving in june, what do I get", LEAVING, "From April to July you get a quarter."),
        ("I cancel 4 days before", AHEAD, "Up to 72 hours ahead we refund all but £2."),
        ("I cancel 30 hours ahead", AHEAD, "From 71 to 24 hours before, half."),
        ("I cancel 2 hours ahead", AHEAD, "Later than that, nothing is refunded."),
        ("it came three days late", LATE, "If it is two or more days late, we refund all of it."),
    ],
)
def test_the_clause_whose_limit_holds_it_is_meant(question: str, text: str, clause: str) -> None:
    assert meant(question, text) == clause


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("what do I get back", RETURNS),
        ("price for 5 kg", PARCELS),  # two hold it
        ("price for 3 hours", PARCELS),
        ("it has taken 7 days to Spain", ABROAD),  # what is told is no limit
        ("how much is membership", FEES),
        ("can I leave when I'm 30", FILMS),  # years that one has been a member are no age
        ("is there a room 7", "Room 5 is for up to 8 people. Room 7 is for up to 20."),
        (
            "who complained in July",
            "The merger was stopped in May, and a complaint was filed by Ann in July.",
        ),
        ("what did the hymn Not given express", "The hymn was given. It expresses joy."),
        ("I arrive at 9", "From 8 to 10 there is breakfast. After 10 there is none."),
        ("12 km", "| 0 to 20 km | free |\n| 21 to 100 km | £6 |"),  # a table
    ],
)
def test_elsewhere_no_clause_is_told(question: str, text: str) -> None:
    assert list(told_clauses(question, text)) == []


def test_what_the_asker_is_not_is_lowered_with_what_names_a_limit() -> None:
    lowered = {FEES[slice(*span)] for span, _ in beside_limits("I'm not a student, fee?", FEES)}
    assert lowered == {
        "Students pay £20.",
        "Members under 18 pay £12.",
        "People aged 65 or over pay £24.",
    }
    assert beside_limits("I'm a student, fee?", FEES) == []
    assert beside_limits("why not", FEES) == []


def drafted(question: str, text: str, span: str, margin: float) -> tuple[str, str]:
    start = text.index(span)
    readings = (Reading(1.0, Span(start, start + len(span), margin, 1.0, 0.1)),)
    request = DraftRequest(question, (passage(0, text),), Deadline(60), readings)
    draft = ReaderGenerator(Unasked()).draft([request])[0]
    return " ".join(one.text for one in draft.sentences), draft.model


def test_a_draft_that_is_far_from_sure_gives_way_for_a_reviewer() -> None:
    asked = "how much to send 12 kg"
    assert drafted(asked, PARCELS, "£5", 1.0) == ("From 5 to 15 kg we charge £9.", UNSURE)
    assert drafted(asked, PARCELS, "£5", -20.0) == ("From 5 to 15 kg we charge £9.", UNSURE)
    assert drafted(asked, PARCELS, "£5", 9.0) == ("Parcels up to 5 kg cost £5.", "reader")
    assert drafted(asked, PARCELS, "£9", 1.0) == ("From 5 to 15 kg we charge £9.", "reader")
    other = f"{PARCELS}\n\nA courier comes for £3."
    assert drafted(asked, other, "£3", 1.0) == ("A courier comes for £3.", "reader")
    request = DraftRequest(
        asked,
        (passage(0, PARCELS),),
        Deadline(60),
        (Reading(1.0, Span(0, 5, 1.0, 1.0, 0.1)),),
    )
    assert ReaderGenerator(Unasked()).draft([request])[0].features["margin"] == -math.inf
