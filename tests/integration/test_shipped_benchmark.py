"""``benchmarks shipped``: what a new installation would release of labelled questions."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.settings import Settings
from benchmarks.__main__ import app
from benchmarks.gate import score_questions
from benchmarks.pipeline import ask_questions, temporary_service
from benchmarks.shipped import Released, default_gate, summary
from guardrails.gate.binomial import upper_limit

TEXT = (
    "The excess for an escape of water is £350. The office in Leeds opens at nine and closes at "
    "five. The policy number has eleven digits."
)
ROWS = [
    ("What is the excess for an escape of water?", ["£350"]),
    ("When does the office in Leeds open?", ["nine"]),
    ("How many digits has the policy number?", ["twelve"]),
    ("Who painted the ceiling of the chapel?", []),
]
KEYS = {"n", "released", "released_share_answerable", "wrong_among_released", "upper_95"}


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    rows = [
        {"question": question, "contexts": [TEXT], "answers": answers, "answerable": bool(answers)}
        for question, answers in ROWS
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def run(*options: object) -> dict[str, Any]:
    words = ["shipped", *map(str, options), "--json"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def test_what_goes_out_is_counted_with_its_bound() -> None:
    right, wrong = Released(True, False, True), Released(True, True, False)
    held = Released(False, True, True)
    found = summary([right] * 18 + [wrong] * 2 + [held] * 18)
    assert found == {
        "n": 38,
        "released": 20,
        "released_share_answerable": 0.5,
        "wrong_among_released": 0.1,
        "upper_95": round(upper_limit(2, 20, 0.05), 4),
    }
    nothing = summary([replace(held, answerable=False)])
    assert [nothing[key] for key in ("released", "wrong_among_released", "upper_95")] == [
        0,
        None,
        None,
    ]
    assert nothing["released_share_answerable"] is None


@pytest.mark.parametrize("mode", ["off", "review_everything", "provisional"])
def test_the_gate_decides_on_what_the_policy_lets_pass(
    mode: str, questions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERSIGN_GATE_MODE", mode)
    assert Settings().gate_mode == mode
    rows = score_questions(questions)
    passed = [row for row in rows if not row["abstained"] and not row["held"]]
    with temporary_service() as (services, _):
        releases, certificate = default_gate(services), services.gate.certificates.shipped
    threshold = certificate.threshold if certificate else -1.0
    least = {"off": 1.0, "review_everything": -1.0, "provisional": threshold}[mode]
    kept = [row for row in passed if row["score"] <= least]
    assert [releases(row["score"]) for row in passed] == [row in kept for row in passed]
    found = run("--questions", questions)
    assert set(found) == KEYS
    assert (found["n"], found["released"]) == (4, len(kept))
    if mode == "off":
        assert kept, "the reader answers none of the questions"
        wrong = sum(row["wrong"] for row in kept)
        assert found["wrong_among_released"] == round(wrong / len(kept), 4)


def test_with_a_corpus_the_whole_service_answers(
    questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERSIGN_GATE_MODE", "off")
    corpus = tmp_path / "documents"
    corpus.mkdir()
    (corpus / "cover.md").write_text(f"# Home cover\n\n{TEXT}\n", "utf-8")
    found = run("--questions", questions, "--corpus", corpus)
    outcomes = ask_questions(corpus, questions)[1]
    released = [one for one in outcomes if one["status"] == "released"]
    assert found["n"] == 4 and found["released"] == len(released) > 0
    assert found["wrong_among_released"] == round(
        sum(one["wrong"] for one in released) / len(released), 4
    )
