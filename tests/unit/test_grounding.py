"""Grounding: markers become verbatim citations, and what cannot be tied to evidence is not."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.inference.writing.grounding import (
    MAX_QUOTE,
    MAX_TEXT,
    best_span,
    draft_from_text,
    quotable_bounds,
    visible,
)
from app.inference.writing.units import CONTENTS, span_answer
from guardrails.contract import Draft, Passage
from guardrails.words import content_words
from tests.effort import cpu_within

NOTICE = "The notice period is 30 days. It must be given in writing."
FEES = "Members pay 1,200 euros a year. The fee is not refundable."


def passage(name: str, text: str) -> Passage:
    return Passage(name, f"doc-{name}", "main", f"Title {name}", text, 100, 100 + len(text))


EVIDENCE = (passage("a", NOTICE), passage("b", FEES))


def drafted(text: str, evidence: tuple[Passage, ...] = EVIDENCE, truncated: bool = False) -> Draft:
    return draft_from_text(text, "What applies?", evidence, "m", {"x": 1.0}, truncated)


def shape(draft: Draft) -> list[tuple[str, tuple[int, ...]]]:
    return [(sentence.text, sentence.citations) for sentence in draft.sentences]


def answer(text: str, span: str, question: str = "What applies?") -> Draft:
    start = text.index(span)
    return span_answer(
        passage("p", text), start, start + len(span), question, "reader", {"margin": 2.0}
    )


@pytest.mark.parametrize(
    "text",
    [
        "The notice period is 30 days [1]. Members pay 1,200 euros [2].",
        "The notice period is 30 days. [1] Members pay 1,200 euros. [2]",
        "The notice period is 30 days.[1] Members pay 1,200 euros.[2]",
        "- The notice period is 30 days. [1]\n- Members pay 1,200 euros. [2]",
        "1. The notice period is 30 days. [1]\n2. Members pay 1,200 euros. [2]",
        "The notice period is 30 days\u30101\u3011. Members pay 1,200 euros [Passage 2].",
        "<think>[2]?</think>The notice period is 30 days [1].\n\nMembers pay 1,200 euros [2].",
        "**The notice period is 30 days** [1]. Members\u200b pay 1,200 euros [2][9].",
    ],
)
def test_markers_in_any_usual_place(text: str) -> None:
    draft = drafted(text)
    assert [words.rstrip(".") for words, _ in shape(draft)] == [
        "The notice period is 30 days",
        "Members pay 1,200 euros",
    ]
    assert [numbers for _, numbers in shape(draft)] == [(1,), (2,)]
    assert [c.quote for c in draft.citations] == [
        "The notice period is 30 days.",
        "Members pay 1,200 euros a year.",
    ]


def test_citations_are_numbered_by_appearance_and_shared() -> None:
    draft = drafted("Members pay 1,200 euros a year [2]. The notice period is 30 days [1, 2].")
    assert [numbers for _, numbers in shape(draft)] == [(1,), (2, 1)]
    assert [(c.number, c.passage_id) for c in draft.citations] == [(1, "b"), (2, "a")]
    assert draft.features == {"x": 1.0}


def test_a_range_of_markers() -> None:
    assert shape(drafted("Both papers apply to members [1-2]."))[0][1] == (1, 2)


def test_the_quote_is_the_sentence_that_says_it() -> None:
    draft = drafted("Refunds of the fee are not given [2].")
    assert [c.quote for c in draft.citations] == ["The fee is not refundable."]


def test_a_marker_without_a_passage_leaves_the_sentence_uncited() -> None:
    draft = drafted("Dogs are welcome in the garden [7].")
    assert shape(draft) == [("Dogs are welcome in the garden.", ())]
    assert draft.citations == ()


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("The notice period is 30 days.", "The notice period is 30 days."),
        ("Notice must be given in writing.", "It must be given in writing."),
        ("The notice period is 60 days.", None),
        ("The fee is refundable.", None),
        ("The fee isn't refundable.", "The fee is not refundable."),
        ("30 days.", None),
        ("The notice period is 30 days and includes Sundays, holidays and leave.", None),
    ],
)
def test_an_uncited_sentence_is_tied_only_to_what_plainly_holds_it(
    text: str, quote: str | None
) -> None:
    assert [c.quote for c in drafted(text).citations] == ([quote] if quote else [])


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n ",
        "NO_ANSWER",
        "NO_ANSWER.",
        "**NO_ANSWER**",
        "__NO_ANSWER__: nothing fits.",
        "The notice period is 30 days [1].\nNO_ANSWER",
        "I cannot answer this question from the evidence.",
        "I can\u2019t answer that.",
        "The evidence does not mention this.",
        "There is no information about this.",
        "The provided documents don't contain the answer. I do not know.",
        "Unanswerable.",
        "---",
        "[1]",
    ],
)
def test_abstention(text: str) -> None:
    draft = drafted(text)
    assert draft.abstained and draft.citations == () and draft.features == {"x": 1.0}


@pytest.mark.parametrize(
    "text",
    [
        "The information is not provided to third parties [1].",
        "No documents are required [1].",
        "The notice period is 30 days [1]. The evidence does not say who pays.",
    ],
)
def test_statements_that_only_look_like_refusals_stay(text: str) -> None:
    assert not drafted(text).abstained


def test_a_truncated_text_loses_its_last_sentence_unless_it_is_the_only_one() -> None:
    text = "The notice period is 30 days [1]. Members pay 1"
    assert len(drafted(text, truncated=True).sentences) == 1
    assert len(drafted("The notice period is 30", truncated=True).sentences) == 1


def test_long_text_is_capped() -> None:
    draft = drafted("The notice period is 30 days [1]. " * 1_000)
    assert len(draft.text) <= MAX_TEXT


def test_unseen_characters_go() -> None:
    hidden = "a\u200bb\u202ec\x00d\ue000e\ud800f\U000e0041g\ufe0fh\u3164i\r\nj\tk"
    assert visible(hidden) == "abcdefghi\nj\tk"


def test_a_bare_yes_is_tied_to_the_sentence_the_question_asks_about() -> None:
    draft = draft_from_text("Yes [1].", "Must notice be in writing?", EVIDENCE, "m", {})
    assert [c.quote for c in draft.citations] == ["It must be given in writing."]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["[1]", "[2]", "[99]", "[1", "2]", ". ", "\n", "- ", "NO", " days", "The ", "\ud800"]
        )
        | st.text(max_size=8),
        max_size=30,
    ),
    st.text(max_size=200),
)
def test_any_text_over_any_evidence_gives_a_lawful_draft(pieces: list[str], source: str) -> None:
    evidence = (passage("a", source), passage("b", NOTICE))
    draft = draft_from_text("".join(pieces), "", evidence, "m", {})
    by_id = {p.id: p for p in evidence}
    for citation in draft.citations:
        text = by_id[citation.passage_id].text
        assert citation.quote == text[citation.start : citation.end] != ""
    numbers = [c.number for c in draft.citations]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {n for s in draft.sentences for n in s.citations} == set(numbers)
    assert all(s.text == " ".join(visible(s.text).split()) != "" for s in draft.sentences)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300), st.data())
def test_any_span_of_any_passage_gives_a_lawful_draft(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    draft = span_answer(passage("p", text), start, end, "", "m", {})
    nothing = not visible(text[start:end]).split()
    if draft.abstained:  # a line that is only a page's number answers nothing
        assert nothing or any(map(CONTENTS.search, text.split("\n")))
    else:
        assert not nothing
    for citation in draft.citations:
        assert citation.quote == text[citation.start : citation.end]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(["word", "A|", "\t", "\n", ". ", "- ", ", ", "x" * 150, "\n\n"])))
def test_quotable_spans_are_short_ordered_and_apart(pieces: list[str]) -> None:
    text = "".join(pieces)
    last = 0
    for start, end in quotable_bounds(text):
        assert last <= start < end <= len(text)
        assert end - start <= MAX_QUOTE
        assert text[start:end] == text[start:end].strip()
        last = end


def test_only_a_quote_that_goes_over_the_page_names_two_pages() -> None:
    text = "The stage is wide. Bring your\nown chairs."
    over = replace(passage("p", text), page=3, last_page=4)
    pages = [
        (cited.page, cited.last_page)
        for span in ("wide", "chairs")
        for cited in span_answer(
            over, text.index(span), text.index(span) + len(span), "", "reader", {}
        ).citations
    ]
    assert pages == [(3, None), (3, 4)]


def test_a_span_is_answered_by_its_whole_sentence() -> None:
    text = "First things first. The notice\n period is 30 days [12] here. And so on."
    draft = answer(text, "30 days")
    assert draft.short == "30 days"
    assert shape(draft) == [("The notice period is 30 days here.", (1,))]
    assert draft.citations[0].quote == "The notice\n period is 30 days [12] here."
    assert draft.features == {"margin": 2.0}
    assert draft.model == "reader"


@pytest.mark.parametrize(
    ("text", "span", "quote"),
    [
        ("Bring:\n- a badge\n- 30 euros in cash\n- time", "30 euros", "30 euros in cash"),
        ("Steps\n1. Open the lid\n2. Press 7 times", "7 times", "Press 7 times"),
        ("| Term | Length |\n|---|---|\n| Trial | 6 months |", "6 months", "Trial | 6 months"),
        ("Term\tLength\nTrial\t6 months\nNotice\t30 days", "6 months", "Trial\t6 months"),
        (
            "Notice period\nThe notice period of every contract is 30 days.",
            "30 days",
            "The notice period of every contract is 30 days.",
        ),
        ("Notice period of 30 days\n\nIt is given in writing.", "30 days", None),
        ("A was 5. B was 6. C was 7.", "5. B was 6", "A was 5. B was 6."),
    ],
)
def test_fragments_stand_alone(text: str, span: str, quote: str | None) -> None:
    expected = quote or "Notice period of 30 days"
    assert expected in [citation.quote for citation in answer(text, span).citations]


def test_a_very_long_sentence_is_cut_at_clauses_around_the_span() -> None:
    clause = "the parties keep the records of the year for a long time"
    text = "; ".join([clause] * 20 + ["the notice period is 30 days"] + [clause] * 20) + "."
    draft = answer(text, "30 days")
    quote = draft.citations[0].quote
    assert "the notice period is 30 days" in quote and len(quote) <= MAX_QUOTE
    assert quote.startswith("the ") and quote in text


def test_a_span_in_a_text_without_breaks() -> None:
    text = "x" * 1_000 + "30" + "y" * 1_000
    assert "30" in answer(text, "30").citations[0].quote


def test_blank_and_impossible_spans() -> None:
    assert span_answer(passage("p", "a  b"), 1, 3, "", "m", {}).abstained
    for start, end in [(-1, 2), (3, 2), (0, 5)]:
        with pytest.raises(ValueError, match="span"):
            span_answer(passage("p", "a  b"), start, end, "", "m", {})


def test_content_words_ignore_form() -> None:
    assert content_words("The fees are 1,200 Euros") == content_words("fee of 1200 euro")
    assert "not" in content_words("It isn't") & content_words("never") & content_words("cannot")


def test_no_words_no_span() -> None:
    assert best_span("anything", "", "") == (0, 0)
    assert best_span("anything", "", "?! ---") == (0, 0)


@pytest.mark.parametrize("piece", ["[1] ", "[1-999]", "\n ", ". ", "| ", "<think>", "- \n", "a, "])
def test_hostile_text_costs_linear_time(piece: str) -> None:
    with cpu_within(3):
        drafted(piece * 20_000)
        quotable_bounds(piece * 20_000)
