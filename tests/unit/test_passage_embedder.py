"""Many passages in bfloat16: batches by tokens, near what float32 says, and when it is used."""

import random
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from app import backends
from app.inference import device
from app.inference.embedder import MiniLMEmbedder
from app.inference.networks.bfloat16_encoder import Ids
from app.inference.passage_embedder import (
    BATCH_TOKENS,
    LENGTHS,
    Bfloat16MiniLM,
    PassageEmbedder,
    batched_by_tokens,
    padded,
)
from app.ports import Vectors
from tests.fakes import HashEmbedder
from tests.trails import settings_for

WORDS = "the fee for a room is due in May and whoever pays later pays nine pounds more".split()


def test_batches_hold_each_text_once_and_no_more_tokens_than_they_may() -> None:
    pick = random.Random(5)
    lengths = [pick.randint(3, 256) for _ in range(200)] + [BATCH_TOKENS + 1]
    batches = list(batched_by_tokens(lengths))
    assert sorted(at for batch in batches for at in batch) == list(range(len(lengths)))
    assert batches[0] == [200]
    for batch in batches[1:]:
        assert len(batch) * padded(max(lengths[at] for at in batch)) <= BATCH_TOKENS
    assert len(batches) < len(lengths) / 5
    assert list(batched_by_tokens([])) == []


@pytest.fixture(scope="module")
def many() -> Bfloat16MiniLM:
    return Bfloat16MiniLM()


def test_vectors_are_those_of_float32_in_the_order_of_the_texts(many: Bfloat16MiniLM) -> None:
    pick = random.Random(6)
    texts = [" ".join(pick.choices(WORDS, k=length)) for length in (3, 240, 17, 90, 1, 60)]
    near = many.embed(texts)
    exact = MiniLMEmbedder("cpu").embed(texts)
    assert near.dtype == np.float32 and near.shape == exact.shape
    assert np.linalg.norm(near, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert (near * exact).sum(axis=1).min() > 0.9995
    assert (near @ exact.T).argmax(axis=1).tolist() == list(range(len(texts)))


def test_batches_have_a_length_that_attention_is_fast_at(
    many: Bfloat16MiniLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: list[tuple[int, ...]] = []
    many.warm_up()
    assert many._encoder is not None
    pooled = many._encoder.pooled

    def noted(ids: Ids, mask: Ids) -> Vectors:
        shapes.append((*ids.shape, int(mask.sum())))
        return pooled(ids, mask)

    monkeypatch.setattr(many._encoder, "pooled", noted)
    many.embed(["the fee", "the fee for a room is due in May and later " * 2])
    assert shapes == [(2, 2 * LENGTHS, 28)]


@pytest.mark.skipif(sys.platform != "linux", reason="it is glibc that is told")
def test_memory_of_one_batch_is_there_for_the_next(many: Bfloat16MiniLM) -> None:
    texts = ["the fee for a room is due in May and later " * 10] * 8
    faults = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        many.embed(texts)
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    assert min(faults) < 500, faults


class Counting(HashEmbedder):
    """Counts what it was asked for."""

    asked = 0

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.asked += len(texts)
        return super().embed(texts)


def test_few_are_embedded_as_ever_and_those_after_them_faster() -> None:
    usual, many = Counting(), Counting()
    embedder = PassageEmbedder(usual, 5)
    embedder._many = many  # type: ignore[assignment]
    for _ in range(3):
        embedder.embed(["a", "b", "c"])
    assert (usual.asked, many.asked) == (6, 3)
    warm = PassageEmbedder(usual, 5)
    warm._many = many  # type: ignore[assignment]
    warm.warm_up()
    warm.embed(["a"])
    assert (usual.asked, many.asked) == (6, 4)
    assert (warm.name, warm.dimension) == (usual.name, usual.dimension)


@pytest.mark.parametrize(
    ("precision", "multiplies", "few"),
    [
        ("auto", True, backends.FEW_PASSAGES),
        ("auto", False, None),
        ("float32", True, None),
        ("bfloat16", False, 0),
    ],
)
def test_the_setting_and_the_processor_choose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str, multiplies: bool, few: int
) -> None:
    monkeypatch.setattr(device, "multiplies_bfloat16", lambda: multiplies)
    settings = settings_for("", tmp_path, device="cpu", embed_precision=precision)
    usual = MiniLMEmbedder("cpu")
    chosen = backends.build_passage_embedder(settings, usual)
    assert (chosen._left if isinstance(chosen, PassageEmbedder) else None) == few
    other = HashEmbedder()
    assert backends.build_passage_embedder(settings, other) is other
    on_gpu = settings.model_copy(update={"device": "cuda"})
    assert backends.build_passage_embedder(on_gpu, usual) is usual


@pytest.mark.parametrize(
    ("flags", "multiplies"),
    [("fpu amx_bf16 amx_tile", True), ("avx512_bf16 fpu", True), ("fpu avx512f bf16", False)],
)
def test_what_the_processor_can_is_read_from_the_system(
    monkeypatch: pytest.MonkeyPatch, flags: str, multiplies: bool
) -> None:
    told = SimpleNamespace(read_text=lambda _encoding: f"flags\t\t: {flags}\nbugs\t\t:\n")
    monkeypatch.setattr(device, "Path", lambda _name: told)
    assert device.multiplies_bfloat16.__wrapped__() is multiplies
