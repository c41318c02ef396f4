"""What is said around a span: the unit that answers the question, and nothing that answers none."""

import pytest

from app.inference.writing.units import named_list, span_answer, with_paragraph
from guardrails.contract import Passage
from guardrails.features import risk_features

FARES = "Fares of the bay line:\nZone | Ticket | Price\nNorth | Day | £14\nSouth | One day | £19"
CONTACTS = "Manager | Ines Vale\nDeputy | Tom Arkwright\nDesk | Ground floor"
CLOSING = (
    "Closing the pool\n\nBefore you leave, close the pool as follows:\n"
    "1. Lock the gate.\n2. Roll out the cover.\n3. Switch off the pump.\n\nThen go home."
)
CANCELLING = (
    "You may cancel for free if:\n\n- you are ill\n\n- your flight is late\n\nTell us soon."
)
DEPOSIT = (
    "A deposit of £80 is due at booking. It is paid back within a week. "
    "However, damage is taken off first. Keys go in the box."
)


def said(text: str, span: str, question: str) -> list[str]:
    """The sentences of the answer, each with exactly one citation that quotes it."""
    passage = Passage("p", "d", "main", "Title", text, 0, len(text))
    start = text.index(span)
    draft = span_answer(passage, start, start + len(span), question, "reader", {})
    quotes = [citation.quote for citation in draft.citations]
    assert [sentence.citations for sentence in draft.sentences] == [
        (number,) for number in range(1, len(quotes) + 1)
    ]
    assert all(quote in text for quote in quotes)
    return [sentence.text for sentence in draft.sentences]


def test_a_row_comes_with_its_header() -> None:
    said_row = said(FARES, "£19", "What does a day in the south cost?")
    assert said_row == ["Zone | Ticket | Price", "South | One day | £19"]


def test_a_header_may_name_models_and_have_two_rows() -> None:
    models = " | TX-20 | TX-30\nTank | 1.2 litres | 1.8 litres\nWeight | 6 kg | 8.5 kg"
    assert said(models, "8.5 kg", "How heavy is the TX-30?") == [
        "| TX-20 | TX-30",
        "Weight | 6 kg | 8.5 kg",
    ]
    prices = (
        "Print | Price\nPrint | standard | express (2 days)\nFlyer | €49 | €72\nCard | €9 | €12"
    )
    assert said(prices, "€72", "What does an express flyer cost?") == [
        "Print | Price",
        "Print | standard | express (2 days)",
        "Flyer | €49 | €72",
    ]


def test_steps_answer_where_the_words_above_them_were_found() -> None:
    text = (
        "Rinsing\n\nRinse it every month. Use soft water.\n\n1. Fill the tank.\n2. Press Go.\n\nEnd"
    )
    asked = "How do I rinse the machine?"
    assert said(text, "every month", asked) == ["Use soft water.", "Fill the tank.", "Press Go."]
    assert said(text, "every month", "When must I rinse it?") == ["Rinse it every month."]


def test_a_bare_no_stands_with_its_question_and_what_follows() -> None:
    text = "Q: Do you open on Sundays?\nA: No. We open from Monday to Saturday. Come early."
    assert said(text, "No", "are you open on sunday") == [
        "Q: Do you open on Sundays?",
        "A: No.",
        "We open from Monday to Saturday.",
    ]


def test_a_header_is_never_an_answer() -> None:
    assert said(FARES, "Ticket", "What do I need for the south?") == []


def test_the_first_of_two_columns_may_say_what_the_second_is() -> None:
    assert said(CONTACTS, "Ines Vale", "Who is the manager?") == ["Manager | Ines Vale"]


def test_steps_come_whole_and_in_order() -> None:
    steps = ["Lock the gate.", "Roll out the cover.", "Switch off the pump."]
    lead = "Before you leave, close the pool as follows:"
    assert said(CLOSING, "Roll out the cover", "How do I close the pool?") == [lead, *steps]
    assert said(CLOSING, "close the pool", "What happens before I leave?") == [lead, *steps]


CHARGES = """2.2 Cancellation charges are as follows.

Days before | Tours | Walks
57 or more | deposit | £50
56 to 29 | 45% | 30%

2.3 We may cancel a tour with too few walkers."""


def test_a_sentence_that_leads_to_a_table_comes_with_it() -> None:
    question = "What are the cancellation charges?"
    table = ["Days before | Tours | Walks", "57 or more | deposit | £50", "56 to 29 | 45% | 30%"]
    lead = "Cancellation charges are as follows."
    assert said(CHARGES, "as follows", question) == [f"2.2 {lead}", *table]
    assert len(said(CHARGES, "We may", question)) == 1
    # What is no table stays apart.
    assert said(CHARGES.replace(" | ", ", "), "as follows", question) == [f"2.2 {lead}"]


def test_an_item_alone_keeps_what_leads_to_it() -> None:
    assert said(CANCELLING, "your flight is late", "Can I cancel when my flight is late?") == [
        "You may cancel for free if:",
        "your flight is late",
    ]


def test_a_list_with_blank_lines_is_one_list() -> None:
    items = ["you are ill", "your flight is late"]
    lead = "You may cancel for free if:"
    assert said(CANCELLING, "you are ill", "What are the conditions for cancelling?") == [
        lead,
        *items,
    ]


def test_a_heading_is_followed_by_what_it_heads() -> None:
    assert said(CLOSING, "Closing the pool", "What must be closed?") == [
        "Closing the pool",
        "Before you leave, close the pool as follows:",
    ]


def test_a_sentence_keeps_what_it_leans_on_and_what_limits_it() -> None:
    assert said(DEPOSIT, "within a week", "When do I get my deposit back?") == [
        "A deposit of £80 is due at booking.",
        "It is paid back within a week.",
        "However, damage is taken off first.",
    ]
    assert said(DEPOSIT, "£80", "How much is the deposit?") == [
        "A deposit of £80 is due at booking."
    ]


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("Opening hours ........ 12\nPrices ....... 14", "12"),
        ("Opening hours . . . . . . 12\nPrices", "Opening hours"),
        ("The pool is open.\n\nPage 3 of 9\n\nThe bar is closed.", "3"),
        ("The pool is open.\n\n- 7 -\n\nThe bar is closed.", "7"),
    ],
)
def test_page_numbers_and_contents_answer_nothing(text: str, span: str) -> None:
    assert said(text, span, "When is the pool open?") == []


def test_a_list_that_is_too_long_is_not_read_out() -> None:
    text = "Rooms:\n" + "\n".join(f"- Room number {n} is free" for n in range(40))
    assert said(text, "Room number 7 is free", "What are the rooms?") == [
        "Rooms:",
        "Room number 7 is free",
    ]


def test_a_list_is_whole_where_the_question_says_what_leads_to_it() -> None:
    text = "Limits\n\nThe guarantee does not cover:\n- rust,\n- scratches,\n- lost keys."
    whole = ["The guarantee does not cover:", "rust,", "scratches,", "lost keys."]
    assert said(text, "rust", "what does the guarantee not cover") == whole
    assert said(text, "rust", "does the guarantee cover rust") == [whole[0], "rust,"]


def test_lines_that_tell_of_a_term_are_items_and_no_headings() -> None:
    text = "Charges\n\nSet-up: £30\nVisit: £65, by appointment\nDelivery: £7"
    assert said(text, "£30", "how much is set-up") == ["Set-up: £30"]
    every = ["Set-up: £30", "Visit: £65, by appointment", "Delivery: £7"]
    assert said(text, "£30", "what are the charges") == every
    assert said("Note: we close early\n\nCome soon.", "early", "when do you close")[0].startswith(
        "N"
    )


def test_what_leans_on_the_paragraph_above_comes_with_it() -> None:
    text = "--quiet\n\nSay only what fails.\n\nThis is the opposite of --loud."
    found = said(text, "the opposite of --loud", "what does --quiet do")
    assert found == ["Say only what fails.", "This is the opposite of --loud."]


STEPS = "Starting\n\n1. Open the tap.\n2. Press Start.\n\nMind:\n\n- heat\n- steam"


@pytest.mark.parametrize(
    ("question", "text", "first"),
    [
        ("how do I start the mx40", STEPS, "Open the tap."),
        ("how do I clean the mx40", STEPS, None),
        ("how much is starting", STEPS, None),  # no list is asked for
        ("which dangers does the mx40 have", STEPS, None),
        ("which parts does the mx40 have", "Buy:\n- belt\n- hose", None),  # only the title says it
        (
            "when do you lend tools",
            "We lend tools if:\n- you are 18\n- you live here",
            "you are 18",
        ),
        ("when do you lend bikes", "We lend tools if:\n- you are 18\n- you live here", None),
    ],
)
def test_a_list_is_named_by_its_headings_and_what_leads_to_it(
    question: str, text: str, first: str | None
) -> None:
    passage = Passage("p", "d", "main", "MX-40", text, 0, len(text), headings=("Starting",))
    found = named_list(question, passage)
    assert (found and text[slice(*found)]) == first


def test_what_happens_if_is_answered_with_the_other_condition_beside_it() -> None:
    text = "Arrive from 2 pm to 9 pm. If you come later, call us. The gate is green."
    late = ["Arrive from 2 pm to 9 pm.", "If you come later, call us."]
    assert said(text, "2 pm to 9 pm", "what if we arrive after 9") == late
    assert said(text, "2 pm to 9 pm", "when can we arrive") == late[:1]


def test_a_reason_goes_on_and_an_opening_phrase_leans_on_what_was_said() -> None:
    text = "Old pipes lose heat. Because of this loss, we wrap them. This saves gas. Call us."
    why = ["Old pipes lose heat.", "Because of this loss, we wrap them.", "This saves gas."]
    assert said(text, "we wrap them", "why do you wrap old pipes") == [*why, "Call us."]
    long = text.replace("Call us.", "Call us on any day. " * 30)
    assert said(long, "we wrap them", "why do you wrap old pipes") == why
    assert said(text, "we wrap them", "who wraps old pipes") == why[:2]
    paper = "Old pipes lose heat. As of this year, we wrap them."
    assert said(paper, "we wrap them", "who wraps old pipes") == ["As of this year, we wrap them."]


def test_the_number_of_a_step_stands_for_the_step() -> None:
    question = "Where is the gate key?"
    assert said(CLOSING, "2", question) == said(CLOSING, "Roll out", question)


DRAINING = "Draining\n\nTurn the red tap. Water runs out for a minute. Close the lid."


@pytest.mark.parametrize(
    ("question", "whole"),
    [
        ("how do I drain it", True),
        ("what can I do if it is frozen", True),
        ("it froze last night", True),  # only tells of something
        ("the tap that is red", False),  # in words that the sentence has
        ("which tap is red", False),
        ("how many taps are there", False),
    ],
)
def test_what_to_do_is_told_by_the_whole_paragraph(question: str, whole: bool) -> None:
    every = ["Turn the red tap.", "Water runs out for a minute.", "Close the lid."]
    assert said(DRAINING, "red tap", question) == (every if whole else every[:1])


def test_a_paragraph_comes_without_what_a_passage_cuts_and_what_only_points() -> None:
    text = "and so it ends. Turn the tap. See Section 4 for more. It turns twice. Then you"
    assert said(text, "the tap", "how do I drain it") == ["Turn the tap.", "It turns twice."]
    long = "Turn the tap. " + "Wait until it is dry. " * 30
    assert said(long, "the tap", "how do I drain it") == ["Turn the tap."]


def test_a_list_is_whole_where_its_item_has_no_word_of_what_is_told() -> None:
    text = "Never insured:\n- rust\n- damage by animals\n- war"
    every = ["Never insured:", "rust", "damage by animals", "war"]
    assert said(text, "war", "my dog ate the sofa") == every
    assert said(text, "war", "there is a war") == [every[0], "war"]


def test_a_reviewer_sees_the_paragraph_around_the_one_sentence() -> None:
    passage = Passage("p", "d", "main", "Pump", DRAINING, 0, len(DRAINING))
    start = DRAINING.index("Water")
    draft = span_answer(passage, start, start + 5, "when does it run", "reader", {"margin": 1.0})
    wide = with_paragraph(draft, passage)
    assert [one.text for one in wide.sentences] == [
        "Turn the red tap.",
        "Water runs out for a minute.",
        "Close the lid.",
    ]
    assert (wide.short, wide.features) == (draft.short, draft.features)
    assert all(one.quote in DRAINING for one in wide.citations)
    assert with_paragraph(wide, passage) == wide
    row = FARES.index("North")
    of_row = span_answer(
        Passage("p", "d", "main", "T", FARES, 0, len(FARES)), row, row + 5, "q", "m", {}
    )
    assert with_paragraph(of_row, Passage("p", "d", "main", "T", FARES, 0, len(FARES))) == of_row


def test_a_row_is_told_whole_whatever_sentences_it_has() -> None:
    text = "Code | What to do\nE12 | No water. Fill the tank.\nE23 | Too hot. Wait an hour."
    whole = ["Code | What to do", "E23 | Too hot.", "Wait an hour."]
    assert said(text, "Too hot", "what is E23") == whole


@pytest.mark.parametrize(
    ("text", "span", "question", "fewer"),
    [
        (DRAINING, "Water runs", "how do I drain it", "when does it run"),
        (CLOSING.replace("1. ", "- "), "Roll out", "it rains a lot here", "where is the cover"),
    ],
)
def test_what_stands_around_an_answer_makes_it_no_surer(
    text: str, span: str, question: str, fewer: str
) -> None:
    passage = Passage("p", "d", "main", "Title", text, 0, len(text))
    start = text.index(span)
    place = start, start + len(span)
    wide = span_answer(passage, *place, question, "reader", {"margin": 1.0})
    narrow = span_answer(passage, *place, fewer, "reader", {"margin": 1.0})
    assert len(wide.sentences) > len(narrow.sentences)
    weighed = [risk_features("may I drain the cover", one, [passage]) for one in (wide, narrow)]
    assert weighed[0] == weighed[1]


def test_a_case_that_is_told_first_gets_the_paragraph() -> None:
    text = (
        "The guarantee covers faults, not loss. A dog that chews it counts as loss. We lend aids."
    )
    told = said(text, "faults, not loss", "My dog ate it. Guarantee?")
    assert len(told) == 3
    assert said(text, "faults, not loss", "What does the guarantee cover?") == told[:1]
    # How much is one thing, whatever the case.
    assert said(text, "faults, not loss", "my dog ate it, how much do I pay") == told[:1]


def test_steps_are_told_whole_to_who_only_says_what_is_wrong() -> None:
    text = "Check in this order:\n\n1. Look at the icon.\n2. Rename the file.\n3. Restart."
    assert len(said(text, "Look at the icon", "icon file broken help")) == 4
    assert len(said(text, "Rename the file", "Where do I rename the file?")) == 2
    loose = "Parts\n\n- the icon\n- the file\n\nEnd"
    assert said(loose, "the icon", "icon file broken help") == ["the icon"]
