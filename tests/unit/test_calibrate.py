"""The rows that the risk is fitted on, and the provisional certificate that is written with it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.errors import Invalid
from app.inference.networks.weights import MANIFEST
from app.inference.risk import CERTIFICATE, RISK, load_certificate, load_risk, verify_risk
from benchmarks.pipeline import half_unanswerable, is_wrong_draft, score_examples, score_whole
from guardrails.contract import Draft, Sentence
from guardrails.gate.certify import Label
from tests.training_rows import write_rows
from tests.unit.test_risk import content
from training.calibrate import app, risk_rows, worst_threshold
from training.data import OLD_NEGATIVES, held_out

HELD = [f"p{n}" for n in range(400) if held_out(f"p{n}")]
TRAINED = [f"p{n}" for n in range(40) if not held_out(f"p{n}")]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Questions on every passage, half of them without an answer."""
    passages = [*HELD, *TRAINED]
    questions = [
        {"id": f"q{p}{n}", "question": "Who?", "passage_ids": [p], "answers": ["Ann"] * n,
         "answerable": bool(n), "source": "s"}
        for p in passages for n in (0, 1)
    ]  # fmt: skip
    others = [
        {"id": f"q{p}1", "gold": p, "distractors": [o for o in passages if o != p][:4]}
        for p in passages
    ]
    texts = [{"passage_id": p, "title": p.upper(), "text": f"Ann is in {p}."} for p in passages]
    folder = tmp_path / "train" / "qa"
    write_rows(folder / "questions.jsonl.gz", questions)
    write_rows(folder / "distractors.jsonl.gz", others)
    write_rows(folder / "passages.jsonl.gz", texts)
    tempting = [
        {"id": f"u{p}", "question": "Who wept?", "passage_ids": [p], "answers": [],
         "answerable": False, "source": "s"}
        for p in passages
    ]  # fmt: skip
    write_rows(folder / "squad2_unanswerable.jsonl.gz", tempting)
    old = {"question": "Which?", "answers": [], "answerable": False}
    questions += [
        {"id": f"o{p}", "passage_ids": [p], "source": OLD_NEGATIVES, **old} for p in passages
    ]
    write_rows(folder / "questions.jsonl.gz", questions)
    return tmp_path


def test_rows_come_from_passages_that_no_reader_was_trained_on(data: Path) -> None:
    rows = risk_rows(data, None, 0)
    assert len(rows) == 3 * len(HELD)
    assert {row["question"] for row in rows} == {"Who?", "Who wept?"}
    assert {row["group"] for row in rows} == set(HELD)
    assert rows == risk_rows(data, None, 0)
    assert len(risk_rows(data, 3, 0)) == 3
    for row in rows:
        own = f"Ann is in {row['group']}."
        assert row["answerable"] == bool(row["answers"])
        assert own in row["contexts"] or not row["answerable"]
        assert 1 <= len(row["contexts"]) == len(row["context_titles"]) <= 3


def test_a_run_over_the_whole_service_goes_on_where_it_ended(tmp_path: Path) -> None:
    rows = [
        {"id": str(n), "question": "Who?", "contexts": [f"Ann {n}."], "answers": [f"ann {n}"],
         "answerable": True}
        for n in range(4)
    ]  # fmt: skip
    asked, _ = half_unanswerable(rows)
    kept = [{"id": row["id"], "answerable": row["answerable"], "score": 0.5} for row in asked]
    write_rows(tmp_path / "questions.jsonl.gz", rows)
    write_rows(tmp_path / "kept.jsonl.gz", kept)
    write_rows(tmp_path / "others.jsonl.gz", [{**row, "id": "x"} for row in kept])
    found = score_whole(tmp_path / "questions.jsonl.gz", keep=tmp_path / "kept.jsonl.gz")
    assert found == kept, "all are finished: nothing is asked again"
    with pytest.raises(Invalid, match="other questions"):
        score_whole(tmp_path / "questions.jsonl.gz", keep=tmp_path / "others.jsonl.gz")


def shipped(folder: Path) -> None:
    folder.mkdir()
    (folder / RISK).write_text(json.dumps(content()), "utf-8")


def certified(folder: Path, wrong: int, right: int, **more: Any) -> Any:
    found = {"searched": True, "answerable": True, **more}
    rows = [{"score": 0.05, "wrong": n < wrong, **found} for n in range(wrong + right)]
    without = {**found, "score": 0.0, "wrong": True, "answerable": False}
    rows += [{**without, "abstained": True, "held": False}] * 50
    rows += [{**without, "abstained": False, "held": True}] * 50
    path = folder.parent / "outcomes.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return CliRunner().invoke(app, ["certify", "--outcomes", str(path), "--out", str(folder)])


def test_the_certificate_is_provisional_and_of_this_risk_model(tmp_path: Path) -> None:
    folder = tmp_path / "risk"
    shipped(folder)
    done = certified(folder, 0, 100)
    assert done.exit_code == 0, done.output
    made = load_certificate(folder)
    assert made is not None
    assert (made.provisional, made.labels, made.threshold) == (True, 100, 0.05)
    assert made.lineage["risk_sha256"] == load_risk(folder).sha256
    assert made.lineage["generator"].startswith("reader@")
    verify_risk(folder)
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    assert set(manifest["files"]) == {RISK, CERTIFICATE}


def labels(*blocks: tuple[float, int, int]) -> list[Label]:
    """(score, wrong ones, right ones) of each block."""
    return [Label(score, n < wrong) for score, wrong, right in blocks for n in range(wrong + right)]


def test_the_threshold_goes_by_the_worst_set() -> None:
    good = labels((0.1, 0, 200), (0.3, 4, 196))
    assert worst_threshold([good], 0.05, 0.05) == 0.3
    # One that is wrong too often, one whose share is within alpha by luck, one that is tiny.
    assert worst_threshold([good, labels((0.2, 12, 188))], 0.05, 0.05) == 0.1
    assert worst_threshold([good, labels((0.2, 1, 24))], 0.05, 0.05) == 0.1
    assert worst_threshold([good, labels((0.2, 0, 5))], 0.05, 0.05) == 0.3
    assert worst_threshold([good, labels((0.05, 9, 1))], 0.05, 0.05) == -1


def test_what_cannot_be_certified_writes_nothing_and_fails_closed(tmp_path: Path) -> None:
    folder = tmp_path / "risk"
    shipped(folder)
    done = certified(folder, 50, 50)
    assert done.exit_code == 1
    assert "Not certifiable yet" in done.output
    assert not (folder / CERTIFICATE).exists()


def test_where_nothing_is_certified_the_old_certificate_goes(tmp_path: Path) -> None:
    folder = tmp_path / "risk"
    shipped(folder)
    assert certified(folder, 0, 100).exit_code == 0
    done = certified(folder, 50, 50)
    assert done.exit_code == 1 and "no provisional certificate now" in done.output
    assert load_certificate(folder) is None
    verify_risk(folder)


@pytest.mark.parametrize(
    ("right", "more", "said"),
    [(100, {"searched": False}, "its passages were given"), (101, {}, "less than half")],
)
def test_a_set_that_is_easier_than_the_service_is_refused_and_fails_closed(
    tmp_path: Path, right: int, more: dict[str, Any], said: str
) -> None:
    folder = tmp_path / "risk"
    shipped(folder)
    done = certified(folder, 0, right, **more)
    assert done.exit_code != 0 and said in str(done.exception)
    assert not (folder / CERTIFICATE).exists()


def test_a_set_whose_passages_were_given_only_counts_beside_one_that_was_searched(
    tmp_path: Path,
) -> None:
    folder, given = tmp_path / "risk", tmp_path / "given.jsonl"
    shipped(folder)
    certified(folder, 0, 10)  # too few by themselves
    assert not (folder / CERTIFICATE).exists()
    row = {"score": 0.04, "wrong": False, "answerable": True}
    rows = [row] * 90 + [{**row, "score": 0.05, "wrong": True}] * 10
    given.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    files = ["--outcomes", str(tmp_path / "outcomes.jsonl"), "--given", str(given)]
    done = CliRunner().invoke(app, ["certify", *files, "--out", str(folder)])
    assert done.exit_code == 0, done.output
    made = load_certificate(folder)
    assert made is not None and made.threshold < 0.05, "the given set holds it down"
    assert CliRunner().invoke(app, ["certify", "--given", str(given)]).exit_code != 0


def test_what_another_passage_may_answer_is_no_question_without_an_answer() -> None:
    texts = [f"Passage {n}." for n in range(10)]
    rows: list[dict[str, Any]] = [
        {"question": f"Q{n}?", "contexts": [texts[n]], "answers": ["PASSAGE", f"{n}."],
         "answerable": True}
        for n in range(10)
    ]  # fmt: skip
    assert half_unanswerable(rows) == ([], half_unanswerable(rows)[1]), "each may answer each"
    own = [{**row, "answers": row["answers"][1:]} for row in rows]
    found, left = half_unanswerable(own)
    assert len(left) == 5 and [row["answerable"] for row in found].count(False) == 5
    mixed = [*own[:8], *rows[8:]]
    found, left = half_unanswerable(mixed)
    lost = [row for row in found if not row["answerable"]]
    assert len(found) == 2 * len(lost) < 10
    assert {row["question"] for row in lost} <= {f"Q{n}?" for n in range(8)}


def test_passages_are_left_out_until_half_of_the_questions_have_no_answer() -> None:
    texts = [f"Passage {n}." for n in range(10)]
    rows = [
        {"question": f"Q{n}?", "contexts": [texts[n % 10]], "answers": ["x"], "answerable": True}
        for n in range(20)
    ]
    found, left = half_unanswerable(rows)
    assert len(found) == 20 and len(left) == 5
    for row in found:
        assert row["answerable"] == (row["contexts"][0] in left) == bool(row["answers"])
    assert half_unanswerable(rows) == (found, left)
    none = [{**row, "answerable": False, "answers": []} for row in rows]
    assert half_unanswerable([*none, *rows])[1] == texts, "half of them have none already"
    mixed = [{**rows[n], "contexts": texts[n : n + 2]} for n in range(9)]
    kept, some = half_unanswerable(mixed)
    assert all(row["contexts"][0] in some or not row["answerable"] for row in kept)
    assert all(len(set(row["contexts"]) & set(some)) != 1 for row in kept), "nobody knows which"


def test_a_right_answer_is_one_that_the_pattern_finds() -> None:
    sentences = (Sentence("Name | Fee", (1,)), Sentence("Tent | €18", (1,)))
    draft = Draft(sentences, (), "reader", "Tent")
    row = {"answers": ["€18"], "answerable": True, "right": r"Tent.*€18"}
    assert not is_wrong_draft(draft, row)
    assert is_wrong_draft(draft, {**row, "right": "Caravan.*€28"})
    assert is_wrong_draft(draft, {**row, "right": None}), "by its words it is"
    assert is_wrong_draft(draft, {**row, "answerable": False})


def test_a_folder_of_folders_is_asked_folder_by_folder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "questions.jsonl").write_text("{}\n", "utf-8")
    with pytest.raises(Invalid, match="row 1"):
        score_examples(tmp_path)
