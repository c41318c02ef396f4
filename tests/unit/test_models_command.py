"""``countersign models`` as a user runs it, over sound and damaged copies of the reader."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.inference.networks.weights import BASE_NAME, WEIGHTS
from app.settings import PROJECT, Settings
from cli.models import find_models
from tests.commands import Ended, countersign

READER = PROJECT / "models" / "reader"


@dataclass(frozen=True)
class Models:
    """A models folder with a copy of the reader, and ``countersign models`` over it."""

    folder: Path

    @property
    def reader(self) -> Path:
        """The copy."""
        return self.folder / "reader"

    def run(self, *arguments: str, status: int = 0, **settings: str) -> Ended:
        """One command, which must end with that status."""
        chosen = {"COUNTERSIGN_MODELS_DIR": str(self.folder), **settings}
        done = countersign("models", *arguments, settings=chosen)
        assert done.returncode == status, done.stderr + done.stdout
        return done

    def json(self, *arguments: str, status: int = 0, **settings: str) -> Any:
        """One command's JSON value."""
        return json.loads(self.run(*arguments, "--json", status=status, **settings).stdout)

    def listed(self, **settings: str) -> dict[str, Any]:
        """The rows of ``list`` by name."""
        return {row["name"]: row for row in self.json("list", status=0, **settings)["models"]}


@pytest.fixture
def models(tmp_path: Path) -> Models:
    """A copy of the shipped reader in a models folder of its own."""
    shutil.copytree(READER, tmp_path / "models" / "reader")
    return Models(tmp_path / "models")


def flip_a_byte(folder: Path) -> None:
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / WEIGHTS).write_bytes(content)


def remove_a_file(folder: Path) -> None:
    (folder / "config.json").unlink()


def add_code(folder: Path) -> None:
    (folder / "modeling.py").write_text("print(1)", "utf-8")


def ask_for_code(folder: Path) -> None:
    (folder / "config.json").write_text('{"auto_map": {}}', "utf-8")


def truncate(folder: Path) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[:-100])
    change_manifest(folder, {WEIGHTS: hashlib.sha256(whole[:-100]).hexdigest()})


def list_nothing(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"name": "reader"}', "utf-8")


def climb_out(folder: Path) -> None:
    (folder.parent / "x").write_bytes(b"x")
    change_manifest(folder, {"../x": hashlib.sha256(b"x").hexdigest()})


def link_out(folder: Path) -> None:
    moved = folder.parent / "moved.safetensors"
    (folder / WEIGHTS).rename(moved)
    (folder / WEIGHTS).symlink_to(moved)


def change_manifest(folder: Path, files: dict[str, str]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest["files"] |= files
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")


DAMAGES: list[tuple[Callable[[Path], None], str]] = [
    (flip_a_byte, "does not match its SHA-256"),
    (remove_a_file, "is missing"),
    (add_code, "may carry code"),
    (ask_for_code, "auto_map"),
    (truncate, "not a whole safetensors file"),
    (list_nothing, "lists no files"),
    (climb_out, "outside the folder"),
    (link_out, "outside the folder"),
]


@pytest.mark.parametrize(
    ("damage", "said"), DAMAGES, ids=lambda part: getattr(part, "__name__", "")
)
def test_a_damaged_model_is_refused_with_its_code(
    models: Models, damage: Callable[[Path], None], said: str
) -> None:
    damage(models.reader)
    error = models.json("verify", "reader", status=1)
    assert error["code"] == "model_refused" and not error["retryable"]
    assert said in error["message"]


def test_every_damaged_model_is_named_and_the_sound_one_is_shown(models: Models) -> None:
    shutil.copytree(models.reader, models.folder / "second")
    add_code(models.reader)
    remove_a_file(models.folder / "second")
    done = models.run("verify", status=1)
    assert done.stderr.startswith("model_refused: ")
    told = "".join(done.stderr.split())
    assert "reader/modeling.pymaycarrycode" in told
    assert "second/config.jsonismissing" in told
    assert BASE_NAME in done.stdout


def test_sound_models_are_verified(models: Models) -> None:
    rows = models.json("verify")["models"]
    assert [(row["name"], row["problem"]) for row in rows] == [("reader", None), (BASE_NAME, None)]
    assert "2 verified" in models.run("verify").stdout


def test_a_model_that_is_not_there_is_not_found(models: Models) -> None:
    error = models.json("verify", "../reader", status=1)
    assert error["code"] == "not_found" and BASE_NAME in error["message"]


def test_the_list_tells_size_selection_and_training(models: Models) -> None:
    rows = models.listed()
    reader, base = rows["reader"], rows[BASE_NAME]
    # 6 layers of 12 h² + 13 h for h = 384, and four scores: start, end, relevance, answerability.
    assert reader["parameters"] == 6 * (12 * 384**2 + 13 * 384) + 4 * (384 + 1)
    assert reader["bytes"] == sum(path.stat().st_size for path in models.reader.iterdir())
    assert reader["base"] == BASE_NAME and base["base"] is None
    assert reader["training"]["examples"] > 0
    assert reader["selected_by"] == "COUNTERSIGN_GENERATOR=reader"
    assert base["selected_by"] == "COUNTERSIGN_EMBEDDER=minilm"
    assert reader["in_use"] and base["in_use"]
    assert "COUNTERSIGN_GENERATOR=reader" in models.run("list").stdout


def test_another_choice_takes_a_model_out_of_use(models: Models) -> None:
    writer = models.folder / "writer"
    writer.mkdir()
    (writer / "config.json").write_text('{"model_type": "t5"}', "utf-8")
    rows = models.listed(COUNTERSIGN_GENERATOR=str(writer), COUNTERSIGN_EMBEDDER="/elsewhere")
    used = {name: row["in_use"] for name, row in rows.items()}
    assert used == {"reader": False, "writer": True, BASE_NAME: False}
    assert rows["writer"]["selected_by"] == f"COUNTERSIGN_GENERATOR={writer}"
    rows = models.listed(COUNTERSIGN_EMBEDDER="/elsewhere")
    assert rows[BASE_NAME]["in_use"]  # the reader stands on it


def test_a_damaged_model_is_listed_with_its_problem(models: Models) -> None:
    (models.reader / WEIGHTS).write_bytes(b"\xff" * 64)
    (models.folder / "empty").mkdir()
    (models.folder / "odd").mkdir()
    odd = {"files": {WEIGHTS: "0"}, "base": ["x"], "training": 5}
    (models.folder / "odd" / "manifest.json").write_text(json.dumps(odd), "utf-8")
    rows = models.listed()
    assert "not a whole safetensors file" in rows["reader"]["problem"]
    assert rows["reader"]["parameters"] is None and rows["reader"]["in_use"]
    assert "no readable manifest.json" in rows["empty"]["problem"]
    assert (rows["odd"]["base"], rows["odd"]["training"]) == (None, None)


def test_without_a_models_folder_only_the_base_is_there(tmp_path: Path) -> None:
    found = find_models(Settings(models_dir=tmp_path / "none"))
    assert [model.name for model in found] == [BASE_NAME]


def test_no_model_library_is_loaded() -> None:
    code = (
        "import sys\nfrom cli.models import find_models\nfrom app.settings import Settings\n"
        "for model in find_models(Settings()): model.verify()\n"
        "print({'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
