"""Many passages in int8 or bfloat16: near what float32 says, and when which is used."""

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
    Bfloat16Batches,
    ManyMiniLM,
    PassageEmbedder,
    batched_by_tokens,
    int8_encoder,
    padded,
)
from app.ports import Embedder, Vectors
from app.settings import PROJECT
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
def many() -> ManyMiniLM:
    return ManyMiniLM(Bfloat16Batches)


@pytest.fixture(scope="module")
def in_int8() -> ManyMiniLM:
    return ManyMiniLM(lambda: int8_encoder(PROJECT / "models" / backends.RANGES_FOLDER))


@pytest.fixture(scope="module")
def exactly() -> MiniLMEmbedder:
    return MiniLMEmbedder("cpu")


def texts_of(*words: int) -> list[str]:
    pick = random.Random(6)
    return [" ".join(pick.choices(WORDS, k=count)) for count in words]


@pytest.mark.parametrize(("way", "least"), [("many", 0.9995), ("in_int8", 0.995)])
def test_vectors_are_those_of_float32_in_the_order_of_the_texts(
    way: str, least: float, exactly: MiniLMEmbedder, request: pytest.FixtureRequest
) -> None:
    texts = texts_of(3, 240, 17, 90, 1, 60)
    near, exact = request.getfixturevalue(way).embed(texts), exactly.embed(texts)
    assert near.dtype == np.float32 and near.shape == exact.shape
    assert np.linalg.norm(near, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert least < (near * exact).sum(axis=1).min() < 1 - 1e-6
    assert (near @ exact.T).argmax(axis=1).tolist() == list(range(len(texts)))


@pytest.mark.parametrize("way", ["many", "in_int8"])
def test_no_texts_and_a_text_without_words_have_vectors(
    way: str, request: pytest.FixtureRequest
) -> None:
    embedder = request.getfixturevalue(way)
    assert embedder.embed([]).shape == (0, embedder.dimension)
    assert np.linalg.norm(embedder.embed([""])) == pytest.approx(1.0, abs=1e-5)


def test_a_vector_in_int8_does_not_depend_on_what_is_embedded_beside_it(
    in_int8: ManyMiniLM,
) -> None:
    texts = texts_of(200, 12, 77, 3, 140)
    together = in_int8.embed(texts)
    for text, vector in zip(texts, together, strict=True):
        assert (in_int8.embed([text])[0] == vector).all()


def test_the_measured_ranges_take_half_of_the_error_of_int8(
    in_int8: ManyMiniLM, exactly: MiniLMEmbedder
) -> None:
    texts = [
        "Water damage\nThe excess for water damage is £350 for each claim, from May on.",
        "Opening hours\nThe office opens at nine on weekdays and at ten on Saturdays.",
        "Leases\nBoth the tenant and the landlord sign; a witness is not needed.",
        *texts_of(40, 120),
    ]
    exact = exactly.embed(texts)
    without = MiniLMEmbedder("cpu", runtime="int8").embed(texts)
    errors = [
        1 - (vectors * exact).sum(axis=1).mean() for vectors in (in_int8.embed(texts), without)
    ]
    assert 0 < errors[0] < 0.5 * errors[1], errors


def test_batches_have_a_length_that_attention_is_fast_at(
    many: ManyMiniLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: list[tuple[int, ...]] = []
    _, encoder = many._ready()
    assert isinstance(encoder, Bfloat16Batches)
    pooled = encoder._encoder.pooled

    def noted(ids: Ids, mask: Ids) -> Vectors:
        shapes.append((*ids.shape, int(mask.sum())))
        return pooled(ids, mask)

    monkeypatch.setattr(encoder._encoder, "pooled", noted)
    many.embed(["the fee", "the fee for a room is due in May and later " * 2])
    assert shapes == [(2, 2 * LENGTHS, 28)]


@pytest.mark.skipif(sys.platform != "linux", reason="it is glibc that is told")
def test_memory_of_one_batch_is_there_for_the_next(many: ManyMiniLM) -> None:
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
    embedder = PassageEmbedder(usual, many, 5)
    for _ in range(3):
        embedder.embed(["a", "b", "c"])
    assert (usual.asked, many.asked) == (6, 3)
    warm = PassageEmbedder(usual, many, 5)
    warm.warm_up()
    warm.embed(["a"])
    assert (usual.asked, many.asked) == (6, 4)
    assert (warm.name, warm.dimension) == (usual.name, usual.dimension)


def way_of(chosen: Embedder) -> str:
    """``usual``, ``int8``, ``bfloat16``, and after how many texts it is."""
    if isinstance(chosen, PassageEmbedder):
        return f"{way_of(chosen._many)} after {chosen._left}"
    if not isinstance(chosen, ManyMiniLM):
        return "usual"
    return "bfloat16" if chosen._load is Bfloat16Batches else "int8"


@pytest.mark.parametrize(
    ("wanted", "fastest", "way"),
    [
        ("auto", "bfloat16", f"bfloat16 after {backends.FEW_PASSAGES}"),
        ("auto", "int8", "int8"),
        ("auto", "float32", "usual"),
        ("float32", "int8", "usual"),
        ("bfloat16", "float32", "bfloat16"),
        ("int8", "bfloat16", "int8"),
    ],
)
def test_the_setting_and_the_processor_choose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str, fastest: str, way: str
) -> None:
    monkeypatch.setattr(device, "passage_numbers", lambda: fastest)
    settings = settings_for("", tmp_path, device="cpu", embed_precision=wanted)
    usual = MiniLMEmbedder("cpu")
    chosen = backends.build_passage_embedder(settings, usual)
    assert way_of(chosen) == way
    assert (chosen.name, chosen.dimension) == (usual.name, usual.dimension)
    other = HashEmbedder()
    assert backends.build_passage_embedder(settings, other) is other
    monkeypatch.setattr(device, "_driver_present", lambda: True)
    monkeypatch.setattr(device, "_torch_sees_cuda", lambda: True)
    on_gpu = settings.model_copy(update={"device": "cuda"})
    assert backends.build_passage_embedder(on_gpu, usual) is usual


@pytest.mark.parametrize(
    ("flags", "numbers"),
    [
        ("fpu avx512_vnni amx_bf16 amx_tile", "bfloat16"),
        ("avx512_bf16 avx512_vnni fpu", "int8"),
        ("fpu avx_vnni", "int8"),
        ("fpu avx512f avx512_bf16 bf16 avx512_vnni_of_another", "float32"),
    ],
)
def test_what_the_processor_can_is_read_from_the_system(
    monkeypatch: pytest.MonkeyPatch, flags: str, numbers: str
) -> None:
    told = SimpleNamespace(read_text=lambda _encoding: f"flags\t\t: {flags}\nbugs\t\t:\n")
    monkeypatch.setattr(device, "Path", lambda _name: told)
    assert device.passage_numbers.__wrapped__() == numbers


def test_other_systems_embed_passages_as_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "Path", lambda _name: Path("/nowhere/at/all"))
    assert device.passage_numbers.__wrapped__() == "float32"
