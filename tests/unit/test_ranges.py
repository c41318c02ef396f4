"""What is known of activations makes int8 come nearer, and changes nothing else."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from app.errors import ModelRefused
from app.inference.embedder import load_tokenizer
from app.inference.networks.onnx_encoder import OnnxEncoder
from app.inference.networks.onnx_graph import Precision, evening
from app.inference.networks.pair_model import load_pair_model
from app.inference.networks.pair_tensors import (
    RANGES,
    READER_HEADS,
    Floats,
    base_shape,
    read_pair_tensors,
)
from app.inference.reader import load_tuning
from app.settings import PROJECT
from training.ranges import write_ranges
from training.reader import seal

READER = PROJECT / "models" / "reader"
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
    seal(folder, load_tuning(READER), {"examples": 1})
    write_ranges(folder, PAIRS)
    after = load_file(folder / "model.safetensors")
    assert all((after[name] == tensor).all() for name, tensor in before.items())
    added = {name: tensor for name, tensor in after.items() if name not in before}
    assert len(added) == 13 and all((tensor > 0).all() for tensor in added.values())
    assert load_tuning(folder) == load_tuning(READER)
    load_pair_model(folder, READER_HEADS)


def test_ranges_of_another_width_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    shutil.copytree(READER, folder)
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name in tensors if RANGES in name)
    save_file(tensors | {name: tensors[name][:7]}, folder / "model.safetensors")
    seal(folder, load_tuning(READER), {})
    with pytest.raises(ModelRefused, match="do not fit"):
        read_pair_tensors(folder, READER_HEADS)


def test_large_channels_are_divided_by_more_and_the_mean_stays() -> None:
    ranges = np.array([0.0, 1.0, 10.0], np.float32)
    factor = evening(ranges, np.ones(3, np.float32))
    assert factor[0] < factor[1] < factor[2]
    assert np.exp(np.log(factor).mean()) == pytest.approx(1, abs=1e-5)
    assert (evening(ranges, np.array([1, 2, 1], np.float32)) < factor)[1]
