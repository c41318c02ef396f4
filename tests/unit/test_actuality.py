"""What a source says of the past, of a plan or of a supposed case is no answer about today."""

import pytest

from guardrails.checks.actuality import not_so


@pytest.mark.parametrize(
    ("question", "quote", "place"),
    [
        ("How often does the ferry sail?", "In our early years the ferry sailed each hour.", ""),
        ("Is lunch free for staff?", "Until 2019 staff paid nothing for lunch.", ""),
        ("What does a locker cost?", "A locker used to cost two euros.", ""),
        ("Do pensioners get a discount?", "Originally pensioners had a fifth off.", ""),
        ("Is there a lift?", "A lift is to be installed at the north gate.", ""),
        ("When do quiet hours begin?", "The tenants' group proposes ten o'clock.", ""),
        ("Are dogs allowed in the hall?", "It has been suggested to let dogs in.", ""),
        ("Can I pay by card?", "We hope to take cards at every till.", ""),
        ("How many rooms does the wing have?", "The wing would have had 40 rooms.", ""),
        ("What does the firm pay for a mile?", "Suppose a firm pays 45p for a mile.", ""),
        ("Are visitors allowed on Sundays?", "Visitors are allowed on Sundays.", "Draft rules"),
    ],
)
def test_what_is_not_so_today_is_found(question: str, quote: str, place: str) -> None:
    assert not_so(question, quote, place)


@pytest.mark.parametrize(
    ("question", "quote", "place"),
    [
        ("How often did the ferry sail?", "In our early years the ferry sailed each hour.", ""),
        ("What did staff pay in 2018?", "Until 2019 staff paid nothing for lunch.", ""),
        ("What is planned for the north gate?", "A lift is to be installed there.", ""),
        ("When must the rent be paid?", "Rent is to be paid by the third.", ""),
        ("When is the rent due?", "Rent is to be paid by the third.", ""),
        ("Do you take cheques?", "We stopped taking cheques in 2022.", ""),
        ("What does a locker cost?", "A locker has cost two euros since 2019.", ""),
        ("What is the key used for?", "The key is used to open the gate.", ""),
        ("How do I book if I would like a window seat?", "Ask at the desk.", ""),
        ("How do I get a window seat?", "If you would like one, ask at the desk.", ""),
        ("Is there a fee for large groups?", "If you plan to bring twenty, there is.", ""),
        ("Is the site meant for children?", "The site is intended for adults.", ""),
        ("What is the pump set to?", "In winter the pump is set to 35 degrees.", ""),
        ("What does the draft say on visitors?", "Visitors are allowed.", "Draft rules"),
        ("Who founded the school?", "In 1902 two sisters founded the school.", ""),
    ],
)
def test_what_is_so_or_was_asked_for_is_not(question: str, quote: str, place: str) -> None:
    assert not not_so(question, quote, place)
