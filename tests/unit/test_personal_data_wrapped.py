"""Personal data over line ends and with other separators, and nothing of it left after masking."""

import pytest

from guardrails.contract import AnswerObject, CitationObject
from guardrails.personal_data.find import find_personal_data, mask
from guardrails.redaction import redacted
from tests.effort import assert_linear

IBAN, CARD, DOTTED = "GB29 NWBK\n6016 1331 9268 19", "4111 1111\n1111 1111", "4111.1111.1111.1111"
SPACED, SECRET = "NL91\u00a0ABNA\u00a00417\u00a01643\u00a000", "Heron-42-Marsh"
PROSE = "Refunds of the rowing club go to the account of its treasurer"


def found(text: str) -> list[tuple[str, str]]:
    return [(match.kind, text[match.start : match.end]) for match in find_personal_data(text)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        (f"{PROSE}, IBAN {IBAN}, soon.", "iban", IBAN),
        ("Pay to IBAN NL91.ABNA.0417.1643.00 please.", "iban", "NL91.ABNA.0417.1643.00"),
        ("Pay to IBAN NL 91 ABNA 0417  1643 00 please.", "iban", "NL 91 ABNA 0417  1643 00"),
        (f"Pay to {SPACED} please.", "iban", SPACED),
        (f"The card {DOTTED} is blocked.", "card", DOTTED),
        ("The card 4111/1111/1111/1111 is blocked.", "card", "4111/1111/1111/1111"),
        (f"The card of the harbour office is {CARD} until May.", "card", CARD),
        (
            "The passport of the guest bears number\n512340099 until May.",
            "national_id",
            "512340099",
        ),
        (f"The password of the guest network is\n{SECRET} until June.", "secret", SECRET),
        (f"The password for the printer in the hall is {SECRET} now.", "secret", SECRET),
        ("Her social security number is 078 05 1120 today.", "national_id", "078 05 1120"),
    ],
)
def test_it_is_found_over_line_ends_and_with_other_separators(
    text: str, kind: str, value: str
) -> None:
    assert (kind, value) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "| 4111 | 1111 |\n| 1111 | 1111 |",
        "4111\n1111\n1111\n1111",
        "Totals\n4111 1111\n1111 1111\n2222 3333",
        "Release 4.1111.1111.1111.111 is out.",
        "The password is required.",
        "The password of the network is changed every month.",
    ],
)
def test_rows_lists_and_words_are_no_personal_data(text: str) -> None:
    assert found(text) == []


def answer(text: str, quote: str, short: str | None) -> AnswerObject:
    citation: CitationObject = {
        "number": 1, "passage_id": "p1", "document_id": "d1", "title": "Accounts", "page": None,
        "quote": quote, "start": 0, "end": len(quote),
    }  # fmt: skip
    return {
        "text": text,
        "short": short,
        "sentences": [{"text": text, "citations": [1]}],
        "citations": [citation],
    }


@pytest.mark.parametrize(
    ("quote", "short"),
    [
        (f"{PROSE}, IBAN GB29 NWBK\n6016 1331 9268 19, soon.", "6016 1331"),
        (f"{PROSE}, IBAN GB29 NWBK", "GB29NWBK60161331926819"),
        ("6016 1331 9268 19, soon.", "9268 19"),
        ("9268 19, soon.", None),
    ],
)
def test_no_part_of_an_account_is_left(quote: str, short: str | None) -> None:
    text = f"{PROSE}, IBAN GB29 NWBK 6016 1331 9268 19, soon."
    hidden = redacted(answer(text, quote, short), ["iban", "card"])
    left = repr(hidden)
    assert all(part not in left for part in ("NWBK", "6016", "1331", "9268", "GB29")), left


def test_other_numbers_stay() -> None:
    text = f"{PROSE}, IBAN GB29 NWBK 6016 1331 9268 19, within 10 days of 6016 members."
    hidden = redacted(answer(text, "Within 10 days.", None), ["iban"])
    assert "within 10 days of 6016 members" in str(hidden["text"])
    assert hidden["citations"][0]["quote"] == "Within 10 days."


@pytest.mark.parametrize("piece", [" ", "a b c\n", "1.", "A", "12 ", "x |\n", "1 1\n"])
def test_time_grows_with_the_length_of_the_text_only(piece: str) -> None:
    def hidden(length: int) -> None:
        text = piece * (length // len(piece))
        mask(text, ["card", "iban"])
        redacted(answer(f"IBAN GB29NWBK60161331926819 {text}", text, None), ["iban"])

    assert_linear(hidden, 20_000)
