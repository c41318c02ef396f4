"""Redaction: what a policy names is masked everywhere in the answer, and quotes stay verbatim."""

from guardrails.contract import AnswerObject, CitationObject
from guardrails.personal_data.find import KINDS, find_personal_data
from guardrails.redaction import redacted

MAIL = "jo.doe@example.org"
QUOTE = f"Write to {MAIL} or phone 0161 496 0123."


def answer(short: str | None = None) -> AnswerObject:
    citation: CitationObject = {
        "number": 1, "passage_id": "p1", "document_id": "d1", "title": f"Letter of {MAIL}",
        "page": None, "quote": QUOTE, "start": 0, "end": len(QUOTE),
    }  # fmt: skip
    other: CitationObject = {
        **citation,
        "number": 2,
        "title": "Handbook",
        "quote": "We answer in a week.",
    }
    return {
        "text": f"{QUOTE[:-1]} [1]. We answer in a week [2].",
        "short": short,
        "sentences": [
            {"text": QUOTE, "citations": [1]},
            {"text": "We answer in a week.", "citations": [2]},
        ],
        "citations": [citation, other],
    }


def test_the_kinds_are_masked_in_every_text_and_others_stay() -> None:
    done = redacted(answer(MAIL), ["email"])
    assert done["text"].startswith("Write to [email] or phone 0161 496 0123 [1].")
    assert done["sentences"][0]["text"] == "Write to [email] or phone 0161 496 0123."
    assert done["short"] == "[email]"
    assert done["citations"][0]["title"] == "Letter of [email]"
    assert MAIL not in str(done)


def test_a_masked_quote_is_left_out_and_a_clean_one_stays_verbatim() -> None:
    first, second = redacted(answer(), ["email"])["citations"]
    assert (first["quote"], first["redacted"], first["passage_id"]) == ("", True, "p1")
    assert second == answer()["citations"][1]


def test_a_short_form_is_masked_though_no_word_says_what_it_is() -> None:
    assert find_personal_data("496 0123") == []
    assert redacted(answer("0161 496 0123"), ["phone"])["short"] == "[phone]"
    assert redacted(answer("496 0123"), ["phone"])["short"] == "[phone]"
    assert redacted(answer(""), ["phone"])["short"] == ""
    assert redacted(answer(None), ["phone"])["short"] is None


def test_one_digit_at_the_end_is_no_part_of_a_number() -> None:
    assert redacted(answer("Ask at desk 3"), ["phone"])["short"] == "Ask at desk 3"
    assert redacted(answer("Ask under 01"), ["phone"])["short"] == "Ask under [phone]"


def test_nothing_is_left_to_be_found() -> None:
    done = redacted(answer(MAIL), list(KINDS))
    texts = [done["text"], done["short"] or "", *(one["text"] for one in done["sentences"])]
    texts += [citation["quote"] for citation in done["citations"]]
    assert [found for text in texts for found in find_personal_data(text)] == []


def test_without_kinds_the_answer_is_the_same() -> None:
    assert redacted(answer(MAIL), []) == answer(MAIL)
    assert redacted(answer(MAIL), ["iban"]) == answer(MAIL)
