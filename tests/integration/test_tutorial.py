"""The tutorial, played through on the shipped models, and the questions that come with it."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from app.settings import PROJECT
from benchmarks.tutorial import change_documents, play_tutorial
from ingestion.formats.extract import extract

pytestmark = pytest.mark.timeout(600)
EXAMPLES = PROJECT / "examples"
DOCUMENTS = ("handbook/opening-hours.txt", "products/gadget.txt")


def questions() -> list[dict[str, Any]]:
    lines = (EXAMPLES / "tutorial.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\xa0", " ")).casefold()


def test_there_are_questions_enough_and_a_third_has_no_answer() -> None:
    rows = questions()
    assert len(rows) >= 150 and len({row["question"] for row in rows}) == len(rows)
    unanswerable = [row for row in rows if not row["answerable"]]
    assert len(unanswerable) >= len(rows) / 3
    assert all(not row["answers"] and not row["evidence_doc_ids"] for row in unanswerable)


def test_each_answer_stands_in_the_document_that_it_names() -> None:
    texts: dict[str, str] = {}
    for row in questions():
        for name in row["evidence_doc_ids"]:
            if name not in texts:
                path = EXAMPLES / "documents" / name
                texts[name] = plain(extract(path.read_bytes(), path.name).text)
            assert any(plain(answer) in texts[name] for answer in row["answers"]), row["question"]


def test_a_tenth_of_the_documents_is_changed_and_no_word(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(EXAMPLES / "documents", tmp_path / "documents"))
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    before = {path: path.read_bytes() for path in files}
    assert change_documents(folder) == 4
    changed = [path for path in files if path.read_bytes() != before[path]]
    assert len(changed) == 4
    for path in changed:
        assert re.sub(rb"\d", b"", path.read_bytes()) == re.sub(rb"\d", b"", before[path])


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two documents and the questions about them, with some that have no answer."""
    folder = tmp_path_factory.mktemp("tutorial")
    for name in DOCUMENTS:
        (folder / "documents" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(EXAMPLES / "documents" / name, folder / "documents" / name)
    rows = questions()
    about = [row for row in rows if set(row["evidence_doc_ids"]) & set(DOCUMENTS)]
    without = [row for row in rows if not row["answerable"]]
    chosen = [*about, *without[:3]]
    file = folder / "questions.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in chosen), "utf-8")
    return play_tutorial(folder / "documents", file)


def test_the_tutorial_ends_in_a_certificate_or_says_what_is_missing(played: dict[str, Any]) -> None:
    assert played["questions"] == 12
    assert 0 < played["labels"] <= 12 and 0 <= played["wrong"] <= played["labels"]
    assert not played["certified"], "so few labels can certify nothing"
    assert "labels" in played["message"]


def test_labels_of_unchanged_documents_outlive_a_change_and_another_model(
    played: dict[str, Any],
) -> None:
    assert played["documents_changed"] == 1
    assert played["kept"] + played["changed"] + played["gone"] == played["labels"]
    assert played["kept"] > 0 and played["changed"] + played["gone"] > 0
