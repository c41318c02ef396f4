"""What a start costs: the service is put together without the libraries of the models."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from app.settings import PROJECT

UNUSED = ("alembic", "ingestion", "prompt_toolkit", "fastapi", "sqlalchemy.dialects.postgresql")
"""What a question by command needs nothing of; each takes a good part of a second to import."""
HEAVY = ("torch", "transformers", "sentence_transformers", "onnxruntime", "onnx")


def run(script: str, **environment: str) -> str:
    """What a Python of its own says last."""
    inherited = {**os.environ, "PYTHONPATH": str(PROJECT), **environment}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=inherited, capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


def test_the_service_is_imported_without_the_libraries_of_the_models() -> None:
    assert run(f"import sys, app.main; print([m for m in {HEAVY!r} if m in sys.modules])") == "[]"


def test_a_question_by_command_imports_nothing_that_it_does_not_use(
    migrated_sqlite: Path, tmp_path: Path
) -> None:
    shutil.copy(migrated_sqlite, tmp_path / "countersign.db")
    script = f"""
import sys
from app.settings import Settings
from app.wiring import open_services
import cli.serve
open_services(Settings()).close()
print([m for m in {UNUSED!r} if m in sys.modules])
"""
    assert run(script, COUNTERSIGN_DATA_DIR=str(tmp_path)) == "[]"


def test_imports_are_not_searched_for_garbage_and_what_comes_after_is() -> None:
    script = """
import gc
import cli.__main__ as command_line
from cli.commands import load_command

def called():
    before = gc.isenabled()
    load_command("ask")
    print(before, gc.isenabled(), gc.get_freeze_count() > 10_000)

command_line.app = called
command_line.main()
"""
    assert run(script) == "False True True"
