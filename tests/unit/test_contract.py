"""The vocabulary: markers, the answer object, hashes and where sentences end."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.contract import (
    SEVERITY,
    Action,
    Citation,
    Draft,
    Sentence,
    answer_object,
    canonical_sha256,
    sentence_bounds,
    with_markers,
)

CITATION = Citation(1, "p1", "d1", "Claims", 3, "Pay within 30 days.", 0, 19)
DRAFT = Draft(
    (Sentence("Pay within 30 days.", (1,)), Sentence("Is it late?", (1, 1))),
    (CITATION,),
    "reader",
    "30 days",
    {"margin": 0.5},
)


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_bounds(text)]


@pytest.mark.parametrize(
    ("text", "citations", "shown"),
    [
        ("The period is 30 days.", (1,), "The period is 30 days [1]."),
        ("Really?", (1, 2), "Really [1] [2]?"),
        ("Stop!  ", (3,), "Stop [3]!"),
        ("No full stop", (1,), "No full stop [1]"),
        ("A list:", (1,), "A list: [1]"),
        ("Nothing cited.", (), "Nothing cited."),
        ("", (), ""),
        ("", (1,), " [1]"),
    ],
)
def test_markers_stand_before_the_closing_mark(
    text: str, citations: tuple[int, ...], shown: str
) -> None:
    assert with_markers(Sentence(text, citations)) == shown


def test_the_text_of_a_draft_has_markers() -> None:
    assert DRAFT.text == "Pay within 30 days [1]. Is it late [1] [1]?"
    assert not DRAFT.abstained


def test_a_draft_without_sentences_abstains() -> None:
    assert Draft((), (), "reader").abstained
    assert Draft((), (), "reader").text == ""


def test_the_answer_object_is_plain_json_and_holds_no_raw_figures() -> None:
    answer = answer_object(DRAFT)
    assert json.loads(json.dumps(answer)) == answer
    assert answer == {
        "text": DRAFT.text,
        "short": "30 days",
        "sentences": [
            {"text": "Pay within 30 days.", "citations": [1]},
            {"text": "Is it late?", "citations": [1, 1]},
        ],
        "citations": [
            {
                "number": 1,
                "passage_id": "p1",
                "document_id": "d1",
                "title": "Claims",
                "page": 3,
                "quote": "Pay within 30 days.",
                "start": 0,
                "end": 19,
            }
        ],
    }


def test_actions_are_ordered() -> None:
    assert sorted(Action, key=SEVERITY.__getitem__) == [Action.RELEASE, Action.REVIEW, Action.BLOCK]


def reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_the_hash_does_not_depend_on_the_order_of_keys(value: Any) -> None:
    assert canonical_sha256(value) == canonical_sha256(reversed_keys(value))


@settings(max_examples=60, deadline=None)
@given(JSON, JSON)
def test_other_content_has_another_hash(left: Any, right: Any) -> None:
    same = json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
    assert (canonical_sha256(left) == canonical_sha256(right)) == same


def test_the_hash_has_one_fixed_spelling() -> None:
    # printf '{"a":["\xc3\xa9",1]}' | sha256sum
    expected = "5f2a140e23e24baf60c8bfdc297882950ac707c9e5e662729c3473746fbf7511"
    assert canonical_sha256({"a": ["é", 1]}) == expected
    assert canonical_sha256(["a", "b"]) != canonical_sha256(["b", "a"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\n\t ", []),
        ("One. Two? Three!", ["One.", "Two?", "Three!"]),
        ("  One.   Two.  ", ["One.", "Two."]),
        ("He said “stop.” Then he left.", ["He said “stop.”", "Then he left."]),
        ("(See the notes.) The rest follows.", ["(See the notes.)", "The rest follows."]),
        ("it ends. but goes on", ["it ends. but goes on"]),
        ("Heading\n\nThe text. More.", ["Heading", "The text.", "More."]),
        ("Heading\n \t\nText", ["Heading", "Text"]),
        ("Bring:\n- a badge\n- a key", ["Bring:", "- a badge", "- a key"]),
        ("Steps\n1. Open it\n2) Close it", ["Steps", "1. Open it", "2) Close it"]),
        ("1. Open it. Now\n 12. Wait.", ["1. Open it.", "Now", "12. Wait."]),
        ("Closed since 2015. Open again.", ["Closed since 2015.", "Open again."]),
        ("one line\nand the next of it", ["one line\nand the next of it"]),
        ("• first\n  • second", ["• first", "• second"]),
        ("The fee is 5 max. The rest is free.", ["The fee is 5 max.", "The rest is free."]),
        ("He came in Jan. We left.", ["He came in Jan.", "We left."]),
        ("(a) one item;\n(b) another one", ["(a) one item;", "(b) another one"]),
    ],
)
def test_where_sentences_end(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize(
    "first",
    [
        "Dr. Lane and Mr. Hill met Mrs. Moss.",
        "See Fig. 3 and Sec. 4 of No. 7.",
        "Use a lock, e.g. A chain.",
        "Goods, i.e. Books, and tools, cf. Tools.",
        "Bags, etc. Nothing else.",
        "The fee is 2.50 pounds or 3.5 percent.",
        "The U.S. Office is closed.",
        "Smith et al. Wrote it vs. Jones Ltd. Last year.",
        "It takes approx. 10 days, max. 15 and min. 5.",
        "See para. 7, vol. 3 and ch. 2 before Jan. 20.",
        "Fernhill Co. Ltd. is led by Prof. Adams.",
        "Nr. 5 gilt, z. B. Katzen, u. a. Hunde, ab 22. August.",
        "2.1. Music ends at noon.",
        "b. Broken glass is not covered.",
    ],
)
def test_abbreviations_and_decimals_end_nothing(first: str) -> None:
    assert sentences(f"{first} They left.") == [first, "They left."]


PIECES = st.lists(
    st.sampled_from(
        [". ", "? ", "!", "\n", "\n\n", "- ", "1. ", "Dr. ", "e.g. ", "A", "word ", "3.5", "”", "("]
    )
    | st.text(max_size=4),
    max_size=25,
).map("".join)


@settings(max_examples=200, deadline=None)
@given(PIECES)
def test_spans_are_ordered_apart_trimmed_and_cover_all_text(text: str) -> None:
    last, covered = 0, ""
    for start, end in sentence_bounds(text):
        assert last <= start < end <= len(text)
        assert not text[last:start].strip()
        assert text[start:end] == text[start:end].strip()
        covered += text[start:end]
        last = end
    assert not text[last:].strip()
    assert "".join(covered.split()) == "".join(text.split())
