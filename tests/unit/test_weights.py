"""Model folders: what does not match its manifest, or may carry code, is not loaded."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from app.errors import ModelRefused
from app.inference.weights import base_folder, load_tensors, read_manifest, refuse_code

WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small model folder with a manifest that fits."""
    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"w": torch.tensor([0.5, 1.5], dtype=torch.float16)}, folder / WEIGHTS)
    (folder / "config.json").write_text('{"min_margin": 0.0}', "utf-8")
    files = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in (WEIGHTS, "config.json")
    }
    (folder / "manifest.json").write_text(json.dumps({"files": files}), "utf-8")
    return folder


def test_a_folder_that_fits_its_manifest_is_read(folder: Path) -> None:
    assert set(read_manifest(folder)["files"]) == {WEIGHTS, "config.json"}


def change_a_byte(folder: Path) -> None:
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)


def remove_the_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


def remove_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def garble_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{", "utf-8")


def change_the_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"min_margin": -99}', "utf-8")


@pytest.mark.parametrize(
    "damage",
    [
        change_a_byte,
        remove_the_weights,
        remove_the_manifest,
        garble_the_manifest,
        change_the_config,
    ],
)
def test_a_folder_that_does_not_fit_is_refused(
    folder: Path, damage: Callable[[Path], None]
) -> None:
    damage(folder)
    with pytest.raises(ModelRefused):
        read_manifest(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pytorch_model.bin", "x"),
        ("modeling_custom.py", "x"),
        ("model.pt", "x"),
        ("deep/inside/weights.pkl", "x"),
        ("config.json", '{"auto_map": {"AutoModel": "evil.Model"}}'),
        ("config.json", '{"\\u0061uto_map": {"AutoModel": "evil.Model"}}'),
        ("1_Pooling/config.json", '{"auto\\u005fmap": {}}'),
        ("config.json", "not JSON"),
    ],
)
def test_what_may_carry_code_is_refused(folder: Path, name: str, content: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, "utf-8")
    for read in (refuse_code, read_manifest):
        with pytest.raises(ModelRefused):
            read(folder)


def test_half_precision_comes_back_as_float32(tmp_path: Path) -> None:
    path = tmp_path / WEIGHTS
    save_file(
        {
            "half": torch.tensor([0.5, -2.0], dtype=torch.float16),
            "brain": torch.tensor([3.0], dtype=torch.bfloat16),
            "ids": torch.tensor([7], dtype=torch.int64),
        },
        path,
    )
    tensors = load_tensors(path)
    assert {name: tensor.dtype for name, tensor in tensors.items()} == {
        "half": torch.float32,
        "brain": torch.float32,
        "ids": torch.int64,
    }
    assert tensors["half"].tolist() == [0.5, -2.0]


def test_the_packaged_model_is_the_one_we_know() -> None:
    assert (base_folder() / WEIGHTS).is_file()
