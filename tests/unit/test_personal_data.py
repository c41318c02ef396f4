"""Personal data and secrets are found by their shape and checksum, and nothing else is."""

import io
import json
from contextlib import redirect_stderr
from typing import Any

import pytest
import structlog
from hypothesis import assume, given
from hypothesis import strategies as st

from app.telemetry import configure_logging
from guardrails.checks.personal_data import PersonalDataCheck, QuestionPersonalDataCheck
from guardrails.contract import Case, Citation, Draft, Outcome, Sentence
from guardrails.personal_data.find import (
    KINDS,
    TYPED_BY_ACCIDENT,
    find_personal_data,
    mask,
    without_accidents,
)
from guardrails.personal_data.matching import luhn
from tests.effort import assert_linear

# Numbers that issuers publish for tests, or that no one holds.
FOUND = {
    "card": [
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "5555555555554444",
        "3782 822463 10005",
        "6011 1111 1111 1117",
        "\uff14111 1111 1111 1111",
    ],
    "iban": [
        "GB82 WEST 1234 5698 7654 32",
        "DE89370400440532013000",
        "FR14 2004 1010 0505 0001 3M02 606",
        "NL91 ABNA 0417 1643 00",
    ],
    "email": [
        "ann.lee+claims@example.co.uk",
        "o'hara@example.com",
        "m\u00fcller@b\u00fccher.example",
    ],
    "phone": [
        "+44 20 7946 0958",
        "+1 (555) 010-9999",
        "020 7946 0958",
        "(555) 234-5678",
        "0049 30 901820",
        "call us on 845 46 40",
        "Desk: 4031182290",
        "Reach her at 61 204 778.",
        "Ravn & Sons, Aarhus, 515 22 047 office",
        "(41) 552-907-Office, 071 330 2214-Fax",
    ],
    "national_id": [
        "078-05-1120",
        "QQ 12 34 56 C".replace("QQ", "AB"),
        "NHS number 943 476 5919",
        "12345678Z",
        "RSSMRA85T10A562S",
        "BSN 111222333",
        "756.9217.0769.85",
        "529.982.247-25",
        "social insurance number 046 454 286",
    ],
    "ip_address": ["8.8.8.8", "2001:4860:4860::8888"],
    "birth_date": [
        "date of birth: 12 March 1984",
        "born on 12/03/1984",
        "geboren am 12. M\u00e4rz 1984",
        "DOB 1984-03-12",
    ],
    "address": [
        "221B Baker Street, London NW1 6XE",
        "Hauptstra\u00dfe 12, 10115 Berlin",
        "12 rue de la Paix, Paris",
        "P.O. Box 1234",
        "Birkevej 13 is the house on the left",
        "Brink Strasse 48",
        "She lives at 318 lindevej 9, herning",
        "My new address is 4471 Metsa 17",
        "The parcel was delivered to 903 Olmos Verdes 1204",
        "Pihlajakuja 7, Tampere",
        "Lives at Solbakken 12, Bergen",
        "Via dei Serpenti 21",
        "Lives in Malmö,\nSweden 31204\nSince May",
        "FPO AE 09715",
        "Apt. 117",
    ],
    "secret": [
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_" + "a1B2" * 9,
        "password: hunter2!x",
        "the api key is 9f8a7c6b5d4e",
        "postgres://app:s3cr3t-word@db/main",
        "Authorization: Bearer dGhpcyBpcyBhIHRva2Vu0123==",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
        "my PIN is 4821",
    ],
}


@pytest.mark.parametrize(
    ("kind", "text"), [(k, text) for k, texts in FOUND.items() for text in texts]
)
def test_each_kind_is_found(kind: str, text: str) -> None:
    assert kind in {match.kind for match in find_personal_data(f"Please note: {text} .")}


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",  # the check digit is wrong
        "1234 5678 9012 3456",
        "0000 0000 0000 0000",
        "GB82 WEST 1234 5698 7654 33",
        "DE89 3704 0044 0532 0130 01",
        "000-12-3456",
        "12345678A",
        "The claim was paid on 12/03/2024 within 10 working days.",
        "Your policy number is HP-2024-001234.",
        "The limit is \u00a31,250,000 for each event, or 25 % of the sum insured.",
        "See section 4.2.1.3 of version 10.0.2.15 of the wording.",
        "Servers on 192.168.0.12 and 127.0.0.1 are local.",
        "Enter your password: it has at least 12 characters.",
        "The password is required. The token is optional.",
        "api_key = <your key here>",
        "password: ********",
        "Open from 9:00 to 17:30, Monday to Friday; 24 hours in an emergency.",
        "ISBN 978-0-306-40615-7",
        "The company was founded in 1984 and born of a merger.",
        "We insure 12 Main classes of vehicle and 3 Other ones.",
        "The form 1234567890123 and the reference 98765432109876543210.",
        "In 2023 we paid 12 345 678 pounds.",
        "We call on 250 000 members to vote.",
        "The office moved to 12 March 2027 terms.",
        "The fair stays at Hall 4, Level 2 until noon.",
        "Sales in Germany 15000 units above plan.",
        "Reading 512 204 office chairs were sold.",
        "Section 5 of the Apt list names 7 firms.",
    ],
)
def test_what_only_looks_like_it_is_not_found(text: str) -> None:
    assert find_personal_data(text) == []


@given(st.text(alphabet="0123456789", min_size=15, max_size=15))
def test_exactly_one_check_digit_makes_a_card(digits: str) -> None:
    assert sum(luhn(digits + str(last)) for last in range(10)) == 1


@given(st.integers(0, 15), st.integers(1, 9))
def test_a_changed_digit_makes_no_card(place: int, step: int) -> None:
    number = "4111111111111111"
    changed = number[:place] + str((int(number[place]) + step) % 10) + number[place + 1 :]
    assume(changed != number)
    assert "card" not in {match.kind for match in find_personal_data(changed)}


def test_masking_replaces_the_wanted_kinds_and_nothing_else() -> None:
    text = "Write to ann@example.com or pay with 4111 1111 1111 1111 today."
    assert mask(text, {"email", "card"}) == "Write to [email] or pay with [card] today."
    assert mask(text, {"card"}) == "Write to ann@example.com or pay with [card] today."
    assert mask(text, ()) == text
    assert without_accidents("Ask ann@example.com about 4111 1111 1111 1111.") == (
        "Ask ann@example.com about [card]."
    )
    assert without_accidents("My password is: Xk#pQwz!rTb") == mask(
        "My password is: Xk#pQwz!rTb", TYPED_BY_ACCIDENT
    )
    wide = "My card is ４１１１ １１１１ １１１１ １１１１ or ④①①① ①①①① ①①①① ①①①①"
    assert without_accidents(wide) == mask(wide, TYPED_BY_ACCIDENT)
    assert mask("Nothing here.", KINDS) == "Nothing here."


@given(st.text(max_size=200))
def test_spans_are_in_order_apart_and_inside(text: str) -> None:
    found = find_personal_data(text)
    edges = [0, *(edge for match in found for edge in (match.start, match.end)), len(text)]
    assert edges == sorted(edges)
    assert all(match.start < match.end for match in found)


def drafted(text: str, quote: str = "A quote.", short: str | None = None) -> Case:
    citation = Citation(1, "p", "d", "T", None, quote, 0, len(quote))
    return Case("Who?", Draft((Sentence(text, (1,)),), (citation,), "m", short))


@pytest.mark.parametrize(
    "judged",
    [
        drafted("Pay with 4111 1111 1111 1111."),
        drafted("Pay.", quote="with 4111 1111 1111 1111."),
        drafted("Pay.", short="4111 1111 1111 1111"),
    ],
)
def test_a_card_anywhere_in_the_answer_fails(judged: Case) -> None:
    (finding,) = PersonalDataCheck().run(judged)
    assert (finding.outcome, finding.label) == (Outcome.FAIL, "card")
    assert "4111" not in finding.excerpt and "[card]" in finding.excerpt


def test_texts_of_an_answer_are_not_read_across() -> None:
    (finding,) = PersonalDataCheck().run(drafted("It is 4111 1111", quote="1111 1111 is a part"))
    assert finding.outcome is Outcome.PASS


def test_each_kind_is_a_finding() -> None:
    found = PersonalDataCheck().run(drafted("Ann: ann@example.com, born on 12 March 1984."))
    assert {finding.label for finding in found} == {"email", "birth_date"}


@pytest.mark.parametrize(
    ("question", "label"),
    [
        ("Was my card 4111 1111 1111 1111 charged?", "card"),
        ("My password is hunter2!x, why can I not sign in?", "secret"),
        ("Is ann@example.com the right address for claims?", ""),
        ("What is the excess?", ""),
    ],
)
def test_only_what_nobody_needs_to_type_fails_in_a_question(question: str, label: str) -> None:
    (finding,) = QuestionPersonalDataCheck().run(Case(question))
    assert finding.label == label
    assert (finding.outcome is Outcome.FAIL) == bool(label)


@pytest.mark.parametrize(
    "text",
    ["1 " * 20_000, "a@" * 20_000, "A1" * 20_000, "(" * 40_000, "12 Aa " * 7_000, "-" * 40_000],
    ids=lambda text: text[:6],
)
def test_hostile_text_costs_little_time(text: str) -> None:
    assert_linear(lambda length: find_personal_data(text[:length]), len(text))


def logged(**values: Any) -> dict[str, Any]:
    """What one log line with an exception becomes."""
    stream = io.StringIO()
    before = structlog.get_config()
    with redirect_stderr(stream):
        configure_logging()
        try:
            raise ValueError("no row for ann@example.com with card 4111 1111 1111 1111")
        except ValueError:
            structlog.get_logger().exception("request_crashed", **values)
    structlog.configure(**before)
    line: dict[str, Any] = json.loads(stream.getvalue())
    return line


def test_log_lines_and_their_exceptions_are_masked() -> None:
    line = logged(path="/v1/documents/GB82WEST12345698765432", request_id="ab12")
    assert "no row for [email] with card [card]" in line["exception"]
    assert line["path"] == "/v1/documents/[iban]"
    assert (line["event"], line["request_id"]) == ("request_crashed", "ab12")
