"""The support check with its shipped model: what it lets pass, what not, and when it refuses."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.errors import ModelRefused
from app.files import sha256_file
from app.inference.evidence_selection import condensed
from app.inference.support import SUPPORTED, SupportCheck, read_shipped, token_spans
from app.settings import PROJECT
from benchmarks.support import choose_numbers, measure_support
from guardrails.contract import Case, Citation, Draft, Outcome, Passage, Sentence

FOLDER = PROJECT / "models" / "support"
TEXT = (
    "The excess for water damage is £350. Claims must be made in writing within 30 days of the "
    "damage. The office in Leeds was opened by Anna Bell in 2004, and it does not accept cash."
)
PASSAGE = Passage("p1", "d1", "main", "Handbook", TEXT, 0, len(TEXT))
CITATION = Citation(1, "p1", "d1", "Handbook", None, TEXT, 0, len(TEXT))


@pytest.fixture(scope="module")
def check() -> SupportCheck:
    return SupportCheck(FOLDER, "cpu")


def draft(*said: str) -> Draft:
    return Draft(tuple(Sentence(text, (1,)) for text in said), (CITATION,), "fake")


def case(*said: str) -> Case:
    return Case("What is said?", draft(*said), (PASSAGE,))


@pytest.mark.parametrize(
    "said",
    [
        "For water damage the excess is £350.",
        "The Leeds office was opened in 2004 by Anna Bell.",
        "Claims have to be made in writing within thirty days.",
    ],
)
def test_a_sentence_in_other_words_passes(check: SupportCheck, said: str) -> None:
    assert [f.outcome for f in check.run(case(said))] == [Outcome.PASS]


@pytest.mark.parametrize(
    ("said", "marked"),
    [
        ("The excess for water damage is £250.", "£250"),
        ("The office in Leeds was opened by Peter Bell in 2004.", "Peter"),
        ("Claims need not be made in writing.", ""),
        ("The office in Leeds accepts cash.", ""),
        ("Football is played by two teams of eleven players.", ""),
    ],
)
def test_a_sentence_that_says_something_else_fails(
    check: SupportCheck, said: str, marked: str
) -> None:
    (found,) = check.run(case(said))
    assert found.outcome is Outcome.FAIL
    assert found.excerpt == said
    assert marked in found.message


def test_each_unsupported_sentence_is_a_finding(check: SupportCheck) -> None:
    wrong = "The excess for water damage is £250."
    right = "Claims must be made in writing within 30 days of the damage."
    found = check.run(case(right, wrong, "Football is played by two teams."))
    assert [f.excerpt for f in found] == [wrong, "Football is played by two teams."]


def test_a_verbatim_sentence_needs_no_model(tmp_path: Path) -> None:
    without = SupportCheck(tmp_path / "none", "cpu")
    verbatim = draft("The excess for water  damage is £350.")
    assert without.draft_support(verbatim, (PASSAGE,)) == [SUPPORTED]
    assert without.run(Case("?", verbatim, (PASSAGE,)))[0].outcome is Outcome.PASS


def test_without_its_model_the_check_raises(tmp_path: Path) -> None:
    without = SupportCheck(tmp_path / "none", "cpu")
    with pytest.raises(ModelRefused):
        without.run(case("The excess is £350 for water damage."))
    with pytest.raises(ModelRefused):
        without.warm_up()


def test_only_the_cited_passages_count(check: SupportCheck) -> None:
    other = replace(PASSAGE, id="p2", text="Dogs are welcome.")
    cited = replace(CITATION, passage_id="p2", quote="Dogs are welcome.")
    said = Draft((Sentence("For water damage the excess is £350.", (1,)),), (cited,), "fake")
    assert check.run(Case("?", said, (PASSAGE, other)))[0].outcome is Outcome.FAIL
    uncited = Draft((Sentence("For water damage the excess is £350.", ()),), (), "fake")
    assert check.run(Case("?", uncited, (PASSAGE, other)))[0].outcome is Outcome.PASS


def test_scores_come_in_the_order_of_the_sentences(check: SupportCheck) -> None:
    said = draft(TEXT[:36], "The excess for water damage is £250.")
    first, second = (one.probability for one in check.draft_support(said, (PASSAGE,)))
    assert first == 1.0 and 0 <= second < check.threshold


def test_without_a_draft_or_sentences_nothing_is_claimed(check: SupportCheck) -> None:
    assert check.run(Case("?"))[0].outcome is Outcome.FAIL
    assert check.run(Case("?", Draft((), (), "fake"), (PASSAGE,)))[0].outcome is Outcome.PASS


def test_an_empty_or_endless_claim_is_judged_too(check: SupportCheck) -> None:
    found = check.claims([("", [TEXT]), ("word " * 3000, [TEXT]), ("The excess.", [])])
    assert all(0 <= support.probability <= 1 for support in found)


def test_marks_are_places_in_the_claim(check: SupportCheck) -> None:
    claim = "The excess is £350. The office in Leeds was opened by Peter Bell in 2004."
    (support,) = check.claims([(claim, [TEXT])])
    assert "Peter" in " ".join(claim[start:end] for start, end in support.unsupported)
    edges = [edge for span in support.unsupported for edge in span]
    assert edges == sorted(edges)


def with_config(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A copy of the shipped model whose config, changed, is vouched for by its manifest."""
    shutil.copytree(FOLDER, folder)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    change(config)
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest["files"]["config.json"] = sha256_file(folder / "config.json")
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    return folder


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config.update(threshold=0),
        lambda config: config.update(threshold=float("nan")),
        lambda config: config.update(term_factor="0.5"),
        lambda config: config.update(number_factor=1.5),
        lambda config: config.update(length_power=-1),
        lambda config: config.pop("threshold"),
    ],
)
def test_numbers_that_would_let_all_pass_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    folder = with_config(tmp_path / "model", change)
    with pytest.raises(ModelRefused):
        read_shipped(folder)


def test_a_long_text_is_condensed_to_what_speaks_of_the_claim() -> None:
    filler = "Nothing of note was said about the weather that day. " * 60
    text = f"{filler}The bridge was finished in 1890. {filler}It cost 3 million pounds. {filler}"
    short = condensed("The bridge, finished in 1890, cost 3 million.", text, 200)
    assert len(short) <= 200
    assert short.index("The bridge was finished") < short.index("It cost 3 million")
    assert condensed("Anything.", "A short text.", 200) == "A short text."


def test_a_text_without_any_stop_is_condensed_too() -> None:
    text = "word " * 4000 + "the bridge opened " + "word " * 4000
    assert len(condensed("The bridge opened.", text, 900)) <= 900
    assert "bridge" in condensed("The bridge opened.", text, 900)
    assert condensed("The bridge.", "x" * 5000, 900)


def test_tokens_are_found_one_after_the_other() -> None:
    assert token_spans("a b a.", ["a", "b", "a", "."]) == [(0, 1), (2, 3), (4, 5), (5, 6)]
    assert token_spans("a b", ["a", "x", "b"]) == [(0, 1), (0, 0), (2, 3)]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    tokens = ["The", "excess", "is", "£250", "."]
    written: list[dict[str, Any]] = [
        {"context": TEXT, "claim": "The excess for water damage is £350.", "label": "supported"},
        {"context": TEXT, "claim": "Dogs eat meat on Mars.", "label": "not_supported"},
        {
            "context": TEXT,
            "claim": "The excess is £250.",
            "label": "partially_supported",
            "claim_tokens": tokens,
            "non_supported": [token == "£250" for token in tokens],
        },
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in written), "utf-8")
    return path


def test_the_benchmark_counts_what_is_right(rows: Path) -> None:
    found = measure_support(rows)
    assert (found["n"], found["supported"]) == (3, 1)
    assert found["balanced_accuracy"] == found["auroc"] == 1.0
    assert found["token_recall"] == 1.0 and 0 < found["token_f1"] <= 1
    assert measure_support(rows, 1)["balanced_accuracy"] is None


def test_the_chosen_numbers_fit_the_rows(rows: Path) -> None:
    chosen = choose_numbers([rows])
    assert chosen["balanced_accuracy"] == 1.0
    assert 0 < chosen["threshold"] < 1
