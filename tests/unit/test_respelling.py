"""Slips of typing are mended by the words of the passages, and nothing else changes."""

import pytest

from app.backends import is_word
from app.retrieval.respelling import Respelling, are_two_slips, is_slip, slips_between
from guardrails.contract import Passage

TEXT = (
    "The library of the Merrivale campus lends batteries and a projector for the theory test. "
    "An invoice comes by post. The forwarder keeps the parcel. Tell the porter about a lost card."
)
PAGE = Passage("p", "d", "main", "Borrowing equipment", TEXT, 0, len(TEXT))
respelled = Respelling(is_word)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("can i eat in the libary", "can i eat in the library"),
        ("how long is the theroy test", "how long is the theory test"),
        ("do you lend batteris", "do you lend batteris"),  # the beginning of a word
        ("do you lend batterries", "do you lend batteries"),
        ("borowing eqiupment", "borrowing equipment"),
        ("Libary rules?", "Library rules?"),
        ("WHERE IS THE LIBARY", "WHERE IS THE Library"),
        ("who gets the invioce and the prejector", "who gets the invoice and the projector"),
    ],
)
def test_a_slip_becomes_the_word_of_the_passages(typed: str, meant: str) -> None:
    assert respelled(typed, [PAGE]) == meant


@pytest.mark.parametrize(
    "typed",
    [
        "is the liberty bell here",  # a word of the language
        "is Merivale open",  # a name within the question
        "does merrivalle-2 fit",  # part of a code
        "mail libary@example.org or libary.pdf",
        "a porte",  # too short to be told
        "do you have a telly",  # an ending, not a slip
        "why is the card forwarded",
        "how much is a zebrafinch",
        "wo ist die Bücherei",
        "",
    ],
)
def test_words_names_and_codes_stay(typed: str) -> None:
    assert respelled(typed, [PAGE]) == typed


def test_two_words_as_near_are_not_told_apart() -> None:
    text = "The monitor has a stand. The monotor is sold alone."
    both = Passage("p", "d", "main", "Screens", text, 0, len(text))
    assert respelled("how much is the monutor", [both]) == "how much is the monutor"


def test_without_passages_nothing_changes() -> None:
    assert respelled("can i eat in the libary", []) == "can i eat in the libary"


@pytest.mark.parametrize(
    ("word", "meant", "slip"),
    [
        ("theroy", "theory", True),
        ("libary", "library", True),
        ("battarry", "battery", False),
        ("adress", "address", True),
        ("insurence", "insurance", True),
        ("cat", "bat", False),
        ("theory", "theory", False),
    ],
)
def test_one_slip_is_one_letter_or_two_neighbours(word: str, meant: str, slip: bool) -> None:
    assert is_slip(word, meant) is slip


@pytest.mark.parametrize(
    ("word", "meant", "slips"),
    [
        ("equpiemnt", "equipment", True),  # two pairs changed places
        ("contrubtor", "contributor", True),
        ("manufactoriing", "manufacturing", True),
        ("protestors", "protests", False),  # another ending
        ("prednisone", "prednisolone", False),  # two letters shorter
        ("library", "liberty", False),  # short
        ("equipment", "equipment", False),
        ("equimpent", "equipment", False),  # one slip
    ],
)
def test_two_slips_are_within_a_long_word(word: str, meant: str, slips: bool) -> None:
    assert are_two_slips(word, meant) is slips


def test_slips_are_counted() -> None:
    pairs = [("a", ""), ("ab", "ba"), ("abc", "acb"), ("abcd", "badc"), ("kitten", "sitting")]
    assert [slips_between(*pair) for pair in pairs] == [1, 1, 1, 2, 3]


def test_a_long_word_with_two_slips_is_read_as_it_was_meant() -> None:
    assert respelled("what does the equpiemnt cost", [PAGE]) == "what does the equipment cost"
