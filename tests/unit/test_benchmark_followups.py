"""The benchmark of follow-up questions, on a small file of each kind."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from app.errors import SettingsInvalid
from app.ports import RewriteRequest
from benchmarks.followups import measure_followups, rewriter_named

FIRST = "What is the excess for water damage?"
ALONE = "What is the excess for theft?"
THEFT = "Excesses\nThe excess for theft is 75 pounds. It is taken from what we pay."
WATER = "Excesses\nThe excess for water damage is 350 pounds."


def lines(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    rewrites = lines(
        tmp_path / "rewrites.jsonl",
        {"id": "a", "history": [], "question": FIRST, "rewrite": FIRST},
        {"id": "b", "history": [FIRST], "question": "And for theft?", "rewrite": ALONE},
    )
    dialogue = [["user", FIRST], ["agent", "350 pounds."], ["user", "And for theft?"]]
    tasks = lines(
        tmp_path / "tasks.jsonl",
        {"id": "a", "dialogue": dialogue[:1], "question": FIRST, "contexts": [WATER]},
        {"id": "b", "dialogue": dialogue, "question": "And for theft?", "contexts": [THEFT]},
    )
    return rewrites, tasks


def test_both_measures_count_only_questions_with_a_history(files: tuple[Path, Path]) -> None:
    found = measure_followups(*files)
    rewrite, retrieval = found["rewrite"], found["retrieval"]
    assert (rewrite["n"], retrieval["n"], retrieval["passages"]) == (1, 1, 2)
    assert rewrite["ours"]["f1"] == 100.0 and rewrite["ours"]["cosine"] == pytest.approx(1.0)
    assert rewrite["question"]["f1"] < 100.0 and rewrite["question"]["changed"] == 0
    assert rewrite["last_and_question"]["f1"] < 100.0
    assert retrieval["ours"]["recall@1"] == 1.0
    assert retrieval["a_person"] == {**retrieval["ours"], "n": 1}


def test_more_documents_can_be_searched_beside_them(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    more = lines(tmp_path / "corpus.jsonl", {"doc_id": "x", "title": "Bikes", "text": "Bikes."})
    assert measure_followups(None, files[1], more)["retrieval"]["passages"] == 3


class Parrot:
    """Writes the same whatever it is asked."""

    def rewrite(self, requests: Sequence[RewriteRequest]) -> list[str]:
        """One text for each."""
        return ["Tell me the excess for theft."] * len(requests)


def test_a_model_that_writes_is_measured_by_what_it_wrote(files: tuple[Path, Path]) -> None:
    ours = measure_followups(files[0], None, None, Parrot())["rewrite"]["ours"]
    assert 0 < ours["f1"] < 100.0


def test_a_generator_that_cannot_rewrite_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="reader"):
        rewriter_named("reader")
