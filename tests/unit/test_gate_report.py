"""``gate report``: figures and curves of labelled answers, and clear refusals."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from app.errors import Invalid
from cli.gate_report import RiskOutcomes, write_page


def rows(tmp_path: Path, *found: Any) -> Path:
    path = tmp_path / "<outcomes>.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in found), "utf-8")
    return path


GOOD = [{"score": n / 100, "wrong": n > 70, "abstained": False} for n in range(100)]


def test_figures_leave_abstentions_out(tmp_path: Path) -> None:
    judged = RiskOutcomes.read(
        rows(tmp_path, *GOOD, {"score": 1.0, "wrong": False, "abstained": True})
    )
    found = judged.figures()
    assert (found["n"], found["auroc"], found["wrong"]) == (100, 1.0, 0.29)
    assert 0 < found["aurc"] < 0.29


def test_the_page_stands_alone_and_names_nothing_outside(tmp_path: Path) -> None:
    judged = RiskOutcomes.read(rows(tmp_path, *GOOD))
    write_page(judged, "<script>alert(1)</script>", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<script" not in page and "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert page.count("<svg") == 2
    for start in (page.index("<svg"), page.rindex("<svg")):
        drawing = ElementTree.fromstring(page[start : page.index("</svg>", start) + 6])
        assert len(drawing) >= 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"score": "0.1", "wrong": True},
        {"score": float("nan"), "wrong": True},
        {"score": 1.1, "wrong": True},
        {"score": 0.1},
        {"score": 0.1, "wrong": "no"},
        [],
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(Invalid):
        RiskOutcomes.read(rows(tmp_path, *GOOD, wrong))


def test_nothing_to_report_is_said(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="no labels"):
        RiskOutcomes.read(rows(tmp_path)).figures()
