"""Measures against hand-worked values."""

import pytest

from benchmarks.metrics import (
    exact_match,
    f1,
    normalise,
    percent,
    percentile,
    ranking_scores,
    share,
    unsupported_words,
)


def test_squads_normal_form() -> None:
    assert normalise("The  Eiffel-Tower, a tower!") == "eiffeltower tower"


def test_f1_takes_the_best_reference() -> None:
    assert f1("the red car", ["a blue bike", "red car of mine"]) == pytest.approx(2 * 2 / 6)
    assert f1("", ["x"]) == 0.0
    assert f1("x", []) == 0.0
    assert f1("The", ["a"]) == 1.0


def test_exact_match_ignores_case_articles_and_punctuation() -> None:
    assert exact_match("The Tower.", ["tower"]) == 1.0
    assert exact_match("towers", ["tower"]) == 0.0


def test_ranking_scores() -> None:
    scores = ranking_scores([["a", "b"], ["c", "d"], ["e"]], [{"a"}, {"d"}, {"z"}])
    assert scores == {"recall@1": 0.3333, "recall@5": 0.6667, "recall@10": 0.6667, "mrr@10": 0.5}


def test_percentiles_and_percent() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([], 0.5) == 0.0
    assert percent([1.0, 0.0, 0.0]) == 33.33


@pytest.mark.parametrize(
    ("answer", "sources", "expected"),
    [
        ("The fee is £25.", ["A FEE of £25 applies."], (0, 4)),
        ("The fee is 250 euros.", ["A fee of 25 euros"], (1, 5)),
        ("Bees sting bees.", ["sting"], (2, 3)),
        ("STRASSE", ["Straße"], (0, 1)),
        ("It was paid", ["they pay"], (1, 3)),
        ("1,000 and 2.5", ["1,000", "2"], (1, 3)),
        ("", ["x"], (0, 0)),
        ("anything", [], (1, 1)),
    ],
)
def test_words_without_a_source_are_counted_each_time(
    answer: str, sources: list[str], expected: tuple[int, int]
) -> None:
    assert unsupported_words(answer, sources) == expected


def test_a_share_of_nothing_is_none() -> None:
    assert share(1, 3) == 0.3333
    assert share(0, 4) == 0.0
    assert share(0, 0) is None
