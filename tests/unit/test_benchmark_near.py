"""What the measurement of lent readings asks, and how it counts."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from app.errors import Invalid
from app.files import read_rows
from benchmarks.near import Told, altered, paraphrases, summary

RIGHT, WRONG = Told("yes", False, 0.1, True, 0.05), Told("no", True, 0.2, True, 0.05)


def write(path: Path, *rows: dict[str, Any]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as target:
        target.writelines(json.dumps(row) + "\n" for row in rows)


def test_an_answer_is_wrong_by_it_where_the_other_service_does_not_give_it() -> None:
    plain = Told("yes", False, 0.15, False, 0.1)
    alone = Told("", False, None, False, 0.1)
    figures = summary(
        [
            (RIGHT, plain),
            (WRONG, plain),
            (WRONG, Told("no", True, 0.2, False, 0.1)),
            (plain, alone),
        ]
    )
    assert (figures["asked"], figures["lent"], figures["hit_rate"]) == (4, 3, 75.0)
    assert (figures["wrong"], figures["wrong_without"], figures["wrong_by_it"]) == (2, 1, 1)
    assert (figures["differ"], figures["not_lent_differ"]) == (1, 1)
    assert (figures["risk_apart"], figures["risk_lower"]) == (0.05, 1)
    assert (figures["cpu_ms_hit"], figures["cpu_ms_hit_without"]) == (50.0, 100.0)


def test_nothing_asked_is_no_error() -> None:
    assert summary([])["hit_rate"] == 0


def test_each_question_is_asked_in_other_words_with_its_own_labels() -> None:
    rows = [
        {"question": "What is the excess for water damage?", "answers": ["£350"]},
        {"question": "And for fire?", "answers": ["£500"], "after": "What is the excess?"},
    ]
    cases = list(paraphrases(rows))
    assert len(cases) == 2 and cases == list(paraphrases(rows))
    for case in cases:
        assert case.first == rows[0]["question"] != case.then["question"]
        assert case.then["answers"] == ["£350"]


def test_an_altered_question_follows_the_one_it_was_made_from(tmp_path: Path) -> None:
    unpaired = {"id": "x", "question": "Who?", "passage_ids": ["q"], "answers": []}
    pair = {"id": "b", "question": "Who lost?", "passage_ids": ["p"], "pair": "a", "answers": []}
    write(tmp_path / "squad2_unanswerable.jsonl.gz", unpaired, pair)
    write(tmp_path / "questions.jsonl.gz", {"id": "a", "question": "Who won?"})
    passages = [{"passage_id": name, "title": "T", "text": f"Of {name}."} for name in "pq"]
    write(tmp_path / "passages.jsonl.gz", *passages)
    corpus = tmp_path / "corpus.jsonl"
    (case,) = altered(tmp_path, corpus, None)
    assert (case.first, case.then["question"]) == ("Who won?", "Who lost?")
    assert [row["text"] for row in read_rows(corpus)] == ["Of p."]
    write(tmp_path / "squad2_unanswerable.jsonl.gz", unpaired)
    with pytest.raises(Invalid):
        altered(tmp_path, corpus, None)
