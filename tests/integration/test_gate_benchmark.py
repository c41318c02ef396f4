"""``benchmarks gate --examples``: labelled questions through the whole service, nothing faked."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.errors import Invalid
from benchmarks.__main__ import app
from benchmarks.pipeline import measure_quotes, score_examples

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DOCUMENTS = (
    "products/travel.md",
    "products/motor.html",
    "handbook/membership.docx",
    "suppliers/northmere-glass-note.html",
)
OTHERS = ("u12", "u14", "i07")
"""Two questions off the subject, and one that gives orders."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part of ``examples/``: four documents, what they answer, and three other questions."""
    part = tmp_path_factory.mktemp("part")
    for name in DOCUMENTS:
        (part / "documents" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(EXAMPLES / "documents" / name, part / "documents" / name)
    lines = (EXAMPLES / "questions.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    kept = [row for row in rows if row["id"] in OTHERS or _answered_by(row)]
    (part / "questions.jsonl").write_text("".join(json.dumps(r) + "\n" for r in kept), "utf-8")
    return part


def _answered_by(row: dict[str, Any]) -> bool:
    named = row["evidence_doc_ids"]
    return bool(named) and set(named) <= set(DOCUMENTS)


@pytest.fixture(scope="module")
def measured(folder: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The figures that the command prints, and the rows that it writes, by id."""
    saved = folder / "outcomes.jsonl"
    found = _run("--examples", "--folder", folder, "--splits", 5, "--save-outcomes", saved)
    rows = [json.loads(line) for line in saved.read_text("utf-8").splitlines()]
    return found, {row["id"]: row for row in rows}


def _run(*options: object) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["gate", *map(str, options), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def test_every_question_has_an_outcome(
    measured: tuple[dict[str, Any], dict[str, dict[str, Any]]],
) -> None:
    found, rows = measured
    assert found["n"] == len(rows) >= 10
    answered = [row for row in rows.values() if not row["abstained"]]
    assert found["answers"] == len(answered) > 5
    assert found["releasable"] == sum(not row["held"] for row in answered) > 1
    assert all(0 < row["score"] < 1 and row["features"] for row in answered)
    assert not any(row["wrong"] or row["held"] for row in rows.values() if row["abstained"])


def test_what_the_policy_holds_or_blocks_is_never_releasable(
    measured: tuple[dict[str, Any], dict[str, dict[str, Any]]],
) -> None:
    _, rows = measured
    assert rows["i07"]["abstained"] and rows["i07"]["score"] == 1
    hostile = [row for name, row in rows.items() if name in ("i01", "i02", "i03", "i04", "i05")]
    assert len(hostile) == 5
    assert all(row["held"] or row["abstained"] for row in hostile)


def test_a_few_questions_certify_nothing_but_have_figures(
    measured: tuple[dict[str, Any], dict[str, dict[str, Any]]], folder: Path
) -> None:
    found, rows = measured
    assert (found["certifiable_splits"], found["released_share"]) == (0, 0.0)
    assert found["labels"] == found["releasable"] // 2
    answered = [row for row in rows.values() if not row["abstained"]]
    share = sum(row["wrong"] for row in answered) / len(answered)
    assert found["error_of_all"] == pytest.approx(share, abs=1e-4)
    assert 0 <= found["ece"] <= 1 and 0 <= found["brier"] <= 1
    again = _run("--outcomes", folder / "outcomes.jsonl", "--splits", 5, "--labels", 1)
    assert {**again, "labels": found["labels"]} == found


@pytest.mark.parametrize("options", [[], ["--examples", "--outcomes", __file__]])
def test_there_is_one_source_of_outcomes(options: list[str]) -> None:
    done = CliRunner().invoke(app, ["gate", *options])
    assert isinstance(done.exception, Invalid)
    assert "--examples" in done.exception.message


def test_what_a_reviewer_sees_beside_the_draft_is_measured(tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    text = "The excess for water damage is £350. The excess for fire is £500. Call us first."
    (documents / "cover.md").write_text(f"# Home cover\n\n{text}\n", "utf-8")
    asked = "What is the excess for water damage?"
    rows = [
        {"question": asked, "answers": ["x"], "answerable": True, "right": right}
        for right in ("350", "500", "nowhere")
    ]
    rows.append({"question": "Who sells tea?", "answers": [], "answerable": False})
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "questions.jsonl").write_text(lines, "utf-8")
    done = CliRunner().invoke(app, ["quotes", "--folder", str(tmp_path), "--json"])
    found = json.loads(done.output)
    assert (found["n"], found["held"], found["right"] + found["wrong"]) == (3, 3, 3)
    assert found["right"] <= found["right_with_1"] <= found["right_with_2"] <= 2
    assert found["right_with_3"] == 2
    with pytest.raises(Invalid, match="questions"):
        measure_quotes(tmp_path / "documents")


def test_a_folder_without_questions_or_documents_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="questions"):
        score_examples(tmp_path)
    row = {"question": "What is it?", "answers": [], "answerable": False}
    (tmp_path / "questions.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    with pytest.raises(Invalid, match="documents"):
        score_examples(tmp_path)
    (tmp_path / "questions.jsonl").write_text(json.dumps({**row, "answers": "it"}) + "\n", "utf-8")
    with pytest.raises(Invalid, match="row 1"):
        score_examples(tmp_path)
