"""What is known of activations makes int8 come nearer, and changes nothing else."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from app.errors import ModelRefused
from app.files import sha256_file
from app.inference.embedder import load_tokenizer
from app.inference.networks.onnx_encoder import OnnxEncoder
from app.inference.networks.onnx_graph import Precision, evening
from app.inference.networks.pair_model import load_pair_model
from app.inference.networks.pair_tensors import (
    LARGER_BASE,
    RANGES,
    READER_HEADS,
    Floats,
    base_encoder_arrays,
    base_shape,
    ranged_encoder_arrays,
    read_pair_tensors,
)
from app.inference.networks.weights import verify_model
from app.inference.reader import load_tuning
from app.settings import PROJECT
from training.ranges import cli, write_embedder_ranges, write_ranges
from training.reader import seal_reader

READER = PROJECT / "models" / "reader"
EMBEDDER = PROJECT / "models" / "embedder-ranges"
PAIRS = [
    ("What is the excess for water damage?", "The excess for water damage is £350 for each claim."),
    ("When does the office open?", "The office opens at nine on weekdays and at ten on Saturdays."),
    ("Who signs the lease?", "Both the tenant and the landlord sign; a witness is not needed."),
]


def states_of(tensors: dict[str, Floats], precision: Precision) -> list[Floats]:
    encoder = OnnxEncoder(tensors, base_shape(), precision, threads=1)
    tokenizer = load_tokenizer()
    encodings = [tokenizer.encode(*pair) for pair in PAIRS]
    return [
        encoder(*(np.array([column]) for column in (one.ids, one.attention_mask, one.type_ids)))
        for one in encodings
    ]


def test_the_shipped_ranges_take_a_third_of_the_error_of_int8() -> None:
    tensors = dict(read_pair_tensors(READER, READER_HEADS).encoder)
    without = {name: array for name, array in tensors.items() if not name.startswith(RANGES)}
    assert len(tensors) - len(without) == 13
    exact = states_of(tensors, "fp32")
    errors = [
        sum(
            float(((a - b) ** 2).sum()) for a, b in zip(exact, states_of(some, "int8"), strict=True)
        )
        for some in (tensors, without)
    ]
    assert 0 < errors[0] < 0.67 * errors[1]


def test_ranges_are_written_beside_the_weights(tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    shutil.copytree(READER, folder)
    before = {k: t for k, t in load_file(READER / "model.safetensors").items() if RANGES not in k}
    save_file(before, folder / "model.safetensors")
    seal_reader(folder, load_tuning(READER), {"examples": 1})
    write_ranges(folder, PAIRS)
    after = load_file(folder / "model.safetensors")
    assert all((after[name] == tensor).all() for name, tensor in before.items())
    added = {name: tensor for name, tensor in after.items() if name not in before}
    assert len(added) == 13 and all((tensor > 0).all() for tensor in added.values())
    assert load_tuning(folder) == load_tuning(READER)
    load_pair_model(folder, READER_HEADS)


def test_a_larger_reader_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    shutil.copytree(READER, folder)
    seal_reader(folder, load_tuning(READER), {"examples": 1}, LARGER_BASE)
    before = sha256_file(folder / "model.safetensors")
    asked = CliRunner().invoke(cli, ["reader", "--data", str(tmp_path), "--model", str(folder)])
    assert asked.exit_code == 2 and "training.larger export" in asked.output
    assert sha256_file(folder / "model.safetensors") == before


def test_ranges_of_another_width_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    shutil.copytree(READER, folder)
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name in tensors if RANGES in name)
    save_file(tensors | {name: tensors[name][:7]}, folder / "model.safetensors")
    seal_reader(folder, load_tuning(READER), {})
    with pytest.raises(ModelRefused, match="do not fit"):
        read_pair_tensors(folder, READER_HEADS)


def test_the_ranges_of_the_embedder_are_a_folder_of_their_own(tmp_path: Path) -> None:
    write_embedder_ranges(tmp_path / "ranges", [text for _, text in PAIRS])
    verify_model(tmp_path / "ranges")
    tensors = ranged_encoder_arrays(tmp_path / "ranges")
    added = {name: array for name, array in tensors.items() if name.startswith(RANGES)}
    assert len(added) == 13 and all((array >= 0).all() for array in added.values())
    assert tensors.keys() - added.keys() == base_encoder_arrays().keys()
    shipped = ranged_encoder_arrays(EMBEDDER)
    assert shipped.keys() == tensors.keys()
    largest = {name: int(array.argmax()) for name, array in added.items()}
    same = [shipped[name].argmax() == at for name, at in largest.items()]
    assert np.mean(same) > 0.7  # the channel that is large is so in whatever text


def test_ranges_that_do_not_fit_the_embedder_are_refused(tmp_path: Path) -> None:
    whole = load_file(EMBEDDER / "model.safetensors")
    name = next(iter(whole))
    for at, tensors in enumerate(({**whole, name: whole[name][:7]}, {name: whole[name]})):
        folder = tmp_path / str(at)
        shutil.copytree(EMBEDDER, folder)
        save_file(tensors, folder / "model.safetensors")
        with pytest.raises(ModelRefused, match="SHA-256"):
            ranged_encoder_arrays(folder)
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        manifest["files"]["model.safetensors"] = sha256_file(folder / "model.safetensors")
        (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
        with pytest.raises(ModelRefused, match="do not fit"):
            ranged_encoder_arrays(folder)


def test_large_channels_are_divided_by_more_and_the_mean_stays() -> None:
    ranges = np.array([0.0, 1.0, 10.0], np.float32)
    factor = evening(ranges, np.ones(3, np.float32))
    assert factor[0] < factor[1] < factor[2]
    assert np.exp(np.log(factor).mean()) == pytest.approx(1, abs=1e-5)
    assert (evening(ranges, np.array([1, 2, 1], np.float32)) < factor)[1]
