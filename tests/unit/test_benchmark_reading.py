"""Another toolkit's reader in the place of ours: its Markdown is judged as ours is."""

import sys
from pathlib import Path

import pytest

from app.errors import DependencyFailed
from benchmarks.reading import measure
from benchmarks.reading.facts import facts

TOOLKIT = """
class MarkItDownException(Exception):
    pass


class MarkItDown:
    def convert_local(self, file):
        if file.suffix != ".md":
            raise MarkItDownException("only Markdown")
        return type("Read", (), {"text_content": file.read_text("utf-8")})
"""


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """One with a toolkit that hands Markdown on, and refuses all else."""
    (tmp_path / "markitdown.py").write_text(TOOLKIT, "utf-8")
    found = tmp_path / "markitdown-1.0.dist-info"
    found.mkdir()
    (found / "METADATA").write_text("Metadata-Version: 2.1\nName: markitdown\nVersion: 1.0\n")
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    line = f'PYTHONPATH="$PYTHONPATH:{tmp_path}" exec {sys.executable} "$@"'
    python.write_text(f"#!/bin/sh\n{line}\n")
    python.chmod(0o755)
    return tmp_path


def test_what_another_reader_makes_is_judged_as_ours(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = [fact for fact in facts(numbers=[0]) if fact.kind in {"raised-marks", "struck"}]
    monkeypatch.setattr(measure, "facts", lambda: chosen)
    found = measure.measure_peer("markitdown", environment)
    assert found["version"] == "1.0"
    assert found["facts"] == len(chosen)
    kinds = found["by_kind"]
    assert kinds["struck md"] == {"facts": 1, "right": 1, "wrong": 0}
    assert kinds["struck html"] == {"facts": 1, "right": 0, "wrong": 0}
    assert found["failed"][".html MarkItDownException"] == 2


def test_a_missing_environment_says_what_goes_into_it(tmp_path: Path) -> None:
    with pytest.raises(DependencyFailed, match="reading_requirements"):
        measure.measure_peer("markitdown", tmp_path / "nothing")
