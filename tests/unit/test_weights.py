"""Model folders: what does not match its manifest, or may carry code, is not loaded."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from app.errors import ModelRefused
from app.inference.networks.pair_model import load_pair_model
from app.inference.networks.pair_tensors import READER_HEADS
from app.inference.networks.weights import (
    WEIGHTS,
    base_folder,
    load_arrays,
    load_tensors,
    models_sha256,
    read_headers,
    read_manifest,
    refuse_code,
    verify_model,
)
from app.inference.reader import Reader, load_tuning
from app.settings import PROJECT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small model folder with a manifest that fits."""
    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"w": torch.tensor([0.5, 1.5], dtype=torch.float16)}, folder / WEIGHTS)
    (folder / "config.json").write_text('{"min_margin": 0.0}', "utf-8")
    seal(folder, WEIGHTS, "config.json")
    return folder


def seal(folder: Path, *names: str) -> None:
    """Write a manifest that lists ``names`` with the hashes of what stands there now."""
    files = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if (folder / name).is_file()
        else "0" * 64
        for name in names
    }
    (folder / "manifest.json").write_text(json.dumps({"files": files}), "utf-8")


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
        ("MODEL.PT", "x"),
        ("config.json", "[" * 100_000),
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


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        [],
        "text",
        {"files": {}},
        {"files": None},
        {"files": [WEIGHTS]},
        {"files": {WEIGHTS: None}},
        {"files": {WEIGHTS: 5}},
    ],
)
def test_a_manifest_without_usable_files_is_refused(folder: Path, manifest: object) -> None:
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(ModelRefused):
        read_manifest(folder, opened=())


def test_what_the_loader_opens_must_be_listed(folder: Path) -> None:
    seal(folder, "config.json")
    with pytest.raises(ModelRefused, match=r"does not list model\.safetensors"):
        read_manifest(folder)
    seal(folder, WEIGHTS)
    read_manifest(folder)
    with pytest.raises(ModelRefused, match=r"does not list config\.json"):
        load_pair_model(folder, READER_HEADS)


def test_a_manifest_cannot_vouch_for_a_file_outside_its_folder(folder: Path) -> None:
    outside = folder.parent / "x"
    outside.write_bytes(b"x")
    (folder / "deep").mkdir()
    for name in ("../x", "deep/../../x", str(outside), "..", ".", "", "a//b", "deep\\x", "x\0"):
        digest = hashlib.sha256(b"x").hexdigest()
        (folder / "manifest.json").write_text(json.dumps({"files": {name: digest}}), "utf-8")
        with pytest.raises(ModelRefused, match="outside the folder"):
            read_manifest(folder, opened=())


def test_a_link_out_of_the_folder_is_refused_whatever_it_holds(folder: Path) -> None:
    outside = folder.parent / "moved.safetensors"
    (folder / WEIGHTS).rename(outside)
    (folder / WEIGHTS).symlink_to(outside)
    with pytest.raises(ModelRefused, match="outside the folder"):
        read_manifest(folder)


def test_weights_that_are_listed_but_broken_are_refused(folder: Path) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    for broken in (whole[:-1], whole + b"x", whole[:4], b"", b"\xff" * 64):
        (folder / WEIGHTS).write_bytes(broken)
        seal(folder, WEIGHTS, "config.json")
        for read in (read_headers, load_tensors):
            with pytest.raises(ModelRefused, match="not a whole safetensors file"):
                read(folder / WEIGHTS)
        with pytest.raises(ModelRefused, match="not a whole safetensors file"):
            verify_model(folder)


FLOATS = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float8_e5m2,
    torch.float8_e4m3fn,
]


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_a_number_that_is_not_finite_is_found_in_every_type(
    folder: Path, dtype: torch.dtype
) -> None:
    largest = torch.tensor([torch.finfo(dtype).max, 0.0], dtype=torch.float64)
    bad = [float("nan")] if dtype is torch.float8_e4m3fn else [float("nan"), float("-inf")]
    ids = torch.full((3,), -1)  # whole numbers with every bit set are fine
    save_file({"w": largest.to(dtype), "ids": ids}, folder / WEIGHTS)
    seal(folder, WEIGHTS, "config.json")
    verify_model(folder)
    for value in bad:
        save_file({"w": torch.tensor([1.0, value]).to(dtype)}, folder / WEIGHTS)
        seal(folder, WEIGHTS, "config.json")
        with pytest.raises(ModelRefused, match="not finite"):
            verify_model(folder)


def test_a_tensor_behind_the_first_block_is_read_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.inference.networks.weights._BLOCK", 16)
    numbers = torch.ones(100)
    numbers[-1] = float("inf")
    save_file({"a": torch.ones(7), "w": numbers}, folder / WEIGHTS)
    seal(folder, WEIGHTS, "config.json")
    with pytest.raises(ModelRefused, match="w holds a number that is not finite"):
        verify_model(folder)


@pytest.mark.parametrize("name", ["notes.txt", "extra.safetensors", "deep/more.json"])
def test_a_file_that_is_not_in_the_manifest_is_refused(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("{}", "utf-8")
    with pytest.raises(ModelRefused, match="not in the manifest"):
        verify_model(folder)


def test_a_model_card_need_not_be_listed(folder: Path) -> None:
    (folder / "README.md").write_text("# Model card", "utf-8")
    assert set(verify_model(folder)["files"]) == {WEIGHTS, "config.json"}


def test_only_safetensors_and_onnx_are_weights(folder: Path) -> None:
    (folder / "weights.gguf").write_bytes(b"x")
    seal(folder, WEIGHTS, "config.json", "weights.gguf")
    with pytest.raises(ModelRefused, match="safetensors, ONNX and text only"):
        verify_model(folder)
    (folder / "weights.gguf").rename(folder / "weights.onnx")
    seal(folder, WEIGHTS, "config.json", "weights.onnx")
    verify_model(folder)


def test_a_manifest_without_weights_is_refused(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    seal(folder, "config.json")
    with pytest.raises(ModelRefused, match="lists no weights"):
        verify_model(folder)


def test_links_out_of_the_folder_are_refused_even_when_they_are_folders(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir()
    (folder / "deep").symlink_to(folder.parent / "elsewhere")
    with pytest.raises(ModelRefused, match="leads out of the folder"):
        verify_model(folder)


def test_tensors_of_another_network_are_refused_with_a_code(folder: Path) -> None:
    with pytest.raises(ModelRefused, match="do not fit the pair model"):
        load_pair_model(folder, READER_HEADS)
    save_file({"token.weight": torch.ones(3, 3)}, folder / WEIGHTS)
    seal(folder, WEIGHTS, "config.json")
    with pytest.raises(ModelRefused, match="do not fit the pair model"):
        load_pair_model(folder, READER_HEADS)


@pytest.mark.parametrize("value", ["0", float("nan"), float("inf"), None])
@pytest.mark.parametrize("name", ["min_margin", "answer_weight", "relevance_weight"])
def test_a_reader_needs_tuning_that_can_be_compared(
    tmp_path: Path, name: str, value: object
) -> None:
    tuning = json.loads((PROJECT / "models" / "reader" / "config.json").read_text("utf-8"))
    without = {k: v for k, v in tuning.items() if k != name}
    configs: list[object] = [{**tuning, name: value}, without, []]
    for config in configs:
        (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
        with pytest.raises(ModelRefused, match=r"config\.json"):
            load_tuning(tmp_path)


def test_a_reader_without_such_tuning_reads_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    shutil.copytree(PROJECT / "models" / "reader", folder)
    (folder / "config.json").write_text('{"min_margin": NaN}', "utf-8")
    seal(folder, WEIGHTS, "config.json")
    reader = Reader(folder, "cpu")
    for _ in range(2):
        with pytest.raises(ModelRefused, match=r"config\.json"):
            reader.read([("What is the excess?", [])])


def test_the_shipped_reader_is_sound() -> None:
    headers = read_headers(PROJECT / "models" / "reader" / WEIGHTS)
    assert headers["token.weight"].shape == (2, 384)
    assert headers["token.weight"].parameters == 768
    assert verify_model(PROJECT / "models" / "reader")["name"] == "reader"


def test_one_hash_covers_every_model_that_may_serve(tmp_path: Path) -> None:
    shipped, other = tmp_path / "models", tmp_path / "mine"
    (shipped / "reader").mkdir(parents=True)
    other.mkdir()
    manifest, config, weights = (
        shipped / "reader" / "manifest.json",
        other / "config.json",
        other / "model.safetensors",
    )
    manifest.write_text('{"files": {}}')
    config.write_text("{}")
    weights.write_bytes(b"1234")
    seen = {models_sha256(shipped, ["minilm", str(other)])}
    assert models_sha256(shipped, ["minilm", str(other)]) in seen
    seen.add(models_sha256(shipped, ["minilm", "http://127.0.0.1/v1"]))
    manifest.write_text('{"files": {"a": "b"}}')
    seen.add(models_sha256(shipped, ["minilm", str(other)]))
    config.write_text('{"a": 1}')
    seen.add(models_sha256(shipped, ["minilm", str(other)]))
    weights.write_bytes(b"12345")
    seen.add(models_sha256(shipped, ["minilm", str(other)]))
    assert len(seen) == 5


def test_a_type_that_numpy_has_not_is_refused(tmp_path: Path) -> None:
    header = b'{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}'
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0")
    with pytest.raises(ModelRefused):
        load_arrays(path)
