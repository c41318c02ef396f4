"""A larger reader: its folder, its network on a CPU and in torch, and as a generator."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import layer_norm
from transformers import MPNetConfig, MPNetModel

from app.backends import build_generator
from app.deadline import Deadline
from app.errors import ModelRefused, SettingsInvalid
from app.files import sha256_file
from app.inference.networks.larger_model import LargerModel, Size, larger_tensors
from app.inference.networks.onnx_graph import distance_buckets
from app.inference.networks.pair_model import TorchNetwork
from app.inference.networks.pair_runner import OnnxNetwork
from app.inference.networks.pair_tensors import (
    DISTANCES,
    LARGER_BASE,
    READER_HEADS,
    read_pair_tensors,
)
from app.inference.networks.weights import MANIFEST, WEIGHTS
from app.inference.reader import Reader
from app.inference.reader_generator import LargerReader
from app.ports import DraftRequest, Reading
from app.settings import Settings
from guardrails.contract import Passage
from training.larger import load_larger, write_larger
from training.master_weights import MasterAdamW, adamw
from training.reader import UNTUNED, seal_reader

SMALL = Size(layers=2, width=24, heads=2)
WORD_VECTORS = "encoder.embeddings.word_embeddings.weight"
TEXT = "The workshop opens at nine. A chisel costs £12 and a saw £30."
PAIRS: list[tuple[str, str | None]] = [("What does a saw cost?", TEXT)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A larger reader of a small size that has learned nothing."""
    torch.manual_seed(0)
    out = tmp_path_factory.mktemp("models") / "reader-large"
    model = LargerModel(SMALL, READER_HEADS).eval()
    torch.nn.init.normal_(model.token.weight, std=0.5)
    write_larger(out, model, PAIRS)
    seal_reader(out, UNTUNED, {"examples": 0, "tokens": 0}, LARGER_BASE)
    return out


def a_batch() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two texts of different lengths, the shorter one padded."""
    rng = np.random.default_rng(0)
    ids = rng.integers(1000, 29000, (2, 40))
    mask, types = np.ones_like(ids), np.zeros_like(ids)
    ids[1, 25:] = mask[1, 25:] = 0
    types[:, 10:] = mask[:, 10:]
    return ids, mask, types


def test_both_networks_of_a_folder_say_the_same(folder: Path) -> None:
    ids, mask, types = a_batch()
    token, pair = TorchNetwork(folder, READER_HEADS, "cpu", half=False)(ids, mask, types)
    text = (types == 1) | (np.arange(ids.shape[1]) == 0)
    said, pairs = OnnxNetwork(folder, READER_HEADS, "fp32")(ids, mask, types)
    assert np.allclose(said[text], token[text], atol=1e-5)
    assert np.allclose(pairs, pair, atol=1e-5)
    whole, _ = OnnxNetwork(folder, READER_HEADS, "int8")(ids, mask, types)
    assert np.abs(whole[text] - token[text]).mean() < 0.1 * np.abs(token[text]).mean()
    # What a GPU computes in.
    halves, _ = TorchNetwork(folder, READER_HEADS, "cpu", half=True)(ids, mask, types)
    assert np.abs(halves[text] - token[text]).mean() < 0.02 * np.abs(token[text]).mean()
    alone, _ = TorchNetwork(folder, READER_HEADS, "cpu", half=False)(
        *(array[1:, :25] for array in (ids, mask, types))
    )
    assert np.allclose(alone[0], token[1, :25], atol=1e-5)


def test_the_network_is_the_one_that_the_base_was_made_with(folder: Path) -> None:
    """As transformers computes MPNet, whose words and positions begin at other numbers."""
    tensors = {name: torch.tensor(a) for name, a in _encoder(folder).items()}
    config = MPNetConfig(
        vocab_size=30522,
        hidden_size=SMALL.width,
        num_hidden_layers=SMALL.layers,
        num_attention_heads=SMALL.heads,
        intermediate_size=4 * SMALL.width,
        layer_norm_eps=1e-5,
    )
    theirs = MPNetModel(config, add_pooling_layer=False).train(False).encoder
    theirs.load_state_dict(
        {
            _mpnet_name(name): tensor
            for name, tensor in tensors.items()
            if name.startswith("encoder.layer.") or name == DISTANCES
        }
    )
    ids, mask, types = (torch.from_numpy(array[:1]) for array in a_batch())
    places = tensors["embeddings.position_embeddings.weight"][: ids.shape[1]]
    states = layer_norm(
        tensors["embeddings.word_embeddings.weight"][ids] + places,
        (SMALL.width,),
        tensors["embeddings.LayerNorm.weight"],
        tensors["embeddings.LayerNorm.bias"],
        1e-5,
    )
    with torch.inference_mode():
        states = theirs(states, attention_mask=torch.zeros(1, 1, 1, ids.shape[1]))[0]
    head = read_pair_tensors(folder, READER_HEADS).token
    token, _ = TorchNetwork(folder, READER_HEADS, "cpu", half=False)(
        ids.numpy(), mask.numpy(), types.numpy()
    )
    assert np.allclose(states.numpy() @ head.weight.T + head.bias, token, atol=1e-4)


def _encoder(folder: Path) -> dict[str, np.ndarray]:
    return dict(read_pair_tensors(folder, READER_HEADS).encoder)


def _mpnet_name(name: str) -> str:
    if name == DISTANCES:
        return "relative_attention_bias.weight"
    name = name.removeprefix("encoder.")
    for part in ("query", "key", "value"):
        name = name.replace(f"attention.self.{part}", f"attention.attn.{part[0]}")
    name = name.replace("attention.output.dense", "attention.attn.o")
    return name.replace("attention.output.LayerNorm", "attention.LayerNorm")


def test_near_distances_are_told_apart_and_before_from_after() -> None:
    near = distance_buckets(np.arange(-7, 8), 32)
    assert len(set(near.tolist())) == 15
    far = distance_buckets(np.array([-400, -128, -100, 100, 128, 400]), 32)
    assert far.tolist()[0] == far.tolist()[1] == 15
    assert far.tolist()[-1] == far.tolist()[-2] == 31
    assert far.max() < 32


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors.pop(f"encoder.{DISTANCES}"),
        lambda tensors: tensors.pop("encoder.encoder.layer.1.output.dense.bias"),
        lambda tensors: tensors.update(extra=torch.zeros(2)),
        lambda tensors: tensors.update({"pair.bias": torch.zeros(3)}),
        lambda tensors: tensors.update({f"{WORD_VECTORS}.scale": torch.ones(3)}),
        lambda tensors: tensors.pop(WORD_VECTORS),
        lambda tensors: tensors.update({f"encoder.{DISTANCES}": torch.zeros(32, 5)}),
        lambda tensors: [tensors.pop(name) for name in [*tensors] if ".layer." in name],
    ],
    ids=[
        "no distances",
        "no bias",
        "one more",
        "another head",
        "another scale",
        "a scale of nothing",
        "heads that do not share the width",
        "no layers",
    ],
)
def test_a_folder_whose_tensors_do_not_fit_is_refused(
    folder: Path, tmp_path: Path, change: object
) -> None:
    tensors = load_file(folder / WEIGHTS)
    change(tensors)  # type: ignore[operator]
    save_file(tensors, tmp_path / WEIGHTS)
    seal_reader(tmp_path, UNTUNED, {}, LARGER_BASE)
    with pytest.raises(ModelRefused, match="do not fit"):
        read_pair_tensors(tmp_path, READER_HEADS)


def test_what_was_trained_comes_back_from_its_folder(folder: Path) -> None:
    tensors = {f"encoder.{name}": array for name, array in _encoder(folder).items()}
    model = TorchNetwork(folder, READER_HEADS, "cpu", half=False)._model
    again = larger_tensors(model)  # type: ignore[arg-type]
    for name, array in again.items():
        if name.startswith("encoder."):
            assert np.array_equal(array, tensors[name]), name


def test_a_base_of_other_weights_is_refused(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / WEIGHTS)
    with pytest.raises(ModelRefused, match="SHA-256"):
        load_larger(tmp_path)


class Knows:
    """A reader that finds the price of a saw, and notes what it was asked."""

    def __init__(self, tuned: Reader) -> None:
        self.tuning, self.read_of = tuned.tuning, list[str]()

    def read(self, requests: object) -> list[list[Reading]]:
        found = []
        for question, passages in requests:  # type: ignore[attr-defined]
            self.read_of.append(question)
            found.append([Reading(1.0, None) for _ in passages])
        return found


def test_a_folder_is_a_generator_that_reads_the_evidence_itself(folder: Path) -> None:
    chosen = build_generator(Settings(generator=str(folder)))
    assert isinstance(chosen, LargerReader) and chosen.name == "reader-large"
    chosen.warm_up()
    passage = Passage("p", "d", "t", "Tools", TEXT, 0, len(TEXT))
    request = DraftRequest("What does a saw cost?", (passage,), Deadline(5))
    untold = Reading(-9.0, None)
    alone, beside = chosen.draft([request, replace(request, readings=(untold,))])
    assert alone == beside and alone.model in ("reader-large", "reader:unsure")
    reader = Knows(chosen._reader)
    LargerReader(reader, "mine").draft([replace(request, readings=(untold,))])  # type: ignore[arg-type]
    assert reader.read_of == [request.question]


@pytest.mark.parametrize("name", ["reader", "seq2seq"])
def test_nothing_else_bears_the_name_of_a_shipped_generator(tmp_path: Path, name: str) -> None:
    """The name stands for a risk model and a certificate."""
    (tmp_path / name).mkdir()
    with pytest.raises(SettingsInvalid, match="rename the folder"):
        build_generator(Settings(generator=str(tmp_path / name)))
    served = Settings(generator="http://127.0.0.1:1/v1", generator_model=f"{name}:next")
    with pytest.raises(SettingsInvalid, match="another one"):
        build_generator(served)


def test_a_changed_file_is_refused(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    manifest = json.loads((tmp_path / MANIFEST).read_text("utf-8"))
    assert manifest["files"][WEIGHTS] == sha256_file(tmp_path / WEIGHTS)
    (tmp_path / WEIGHTS).write_bytes(b"x" + (tmp_path / WEIGHTS).read_bytes()[1:])
    with pytest.raises(ModelRefused, match="SHA-256"):
        Reader(tmp_path, "cpu").warm_up()


def test_steps_smaller_than_a_bf16_number_add_up() -> None:
    def moved(dtype: torch.dtype) -> float:
        weight = torch.nn.Parameter(torch.ones(1, dtype=dtype))
        optimizer = adamw([weight], 1e-4)
        for _ in range(200):
            (weight * 2).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()
        return 1 - weight.item()

    assert moved(torch.bfloat16) == pytest.approx(moved(torch.float32), abs=0.004)
    assert moved(torch.float32) > 0.015


def test_copies_start_from_weights_that_were_loaded() -> None:
    weight = torch.nn.Parameter(torch.ones(1, dtype=torch.bfloat16))
    optimizer = adamw([weight], 1e-4)
    weight.data.fill_(3)
    assert isinstance(optimizer, MasterAdamW)
    optimizer.take()
    weight.sum().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    assert weight.item() == pytest.approx(3, abs=0.02)
