"""Both embedders, one suite: unit vectors, in order, and the same ones."""

from pathlib import Path

import numpy as np
import pytest

from app.errors import ModelRefused
from app.inference.embedder import MiniLMEmbedder, SentenceTransformerEmbedder
from app.inference.networks.weights import base_folder
from app.ports import Embedder

TEXTS = [
    "The excess for water damage is £350.",
    "Where is the head office?",
    "a",
    "You can cancel within 14 days of the start date and get a full refund. " * 3,
    "Ünïcödé, 中文, and an emoji 🙂.",
    "",
]
MODELS: dict[str, Embedder] = {}


@pytest.fixture(params=["minilm", "sentence-transformers"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    """Each implementation over the packaged model, loaded once."""
    return loaded(request.param)


def loaded(name: str) -> Embedder:
    if name not in MODELS:
        MODELS[name] = (
            MiniLMEmbedder("cpu", batch_size=2)
            if name == "minilm"
            else SentenceTransformerEmbedder(base_folder(), "cpu")
        )
        MODELS[name].warm_up()
    return MODELS[name]


def test_vectors_have_unit_length(embedder: Embedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert embedder.dimension == 384
    assert vectors.shape == (len(TEXTS), 384) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_the_order_is_kept_across_batches(embedder: Embedder) -> None:
    vectors = embedder.embed(TEXTS)
    for text, vector in zip(TEXTS, vectors, strict=True):
        assert np.allclose(embedder.embed([text])[0], vector, atol=1e-4)


def test_a_long_text_is_cut_not_refused(embedder: Embedder) -> None:
    start = "water damage " * 300
    long, longer = embedder.embed([start, start + "something else altogether " * 2000])
    assert np.allclose(long, longer, atol=1e-4)


def test_no_texts_give_no_vectors(embedder: Embedder) -> None:
    vectors = embedder.embed([])
    assert vectors.shape == (0, 384) and vectors.dtype == np.float32


def test_meaning_decides_what_is_near(embedder: Embedder) -> None:
    question, near, far = embedder.embed(
        ["How much is the deductible for a leak?", TEXTS[0], TEXTS[1]]
    )
    assert question @ near > question @ far + 0.1


def test_both_give_the_same_vectors() -> None:
    mine, theirs = (loaded(name).embed(TEXTS) for name in ("minilm", "sentence-transformers"))
    assert np.abs(mine - theirs).max() < 1e-4


@pytest.mark.parametrize(
    "files",
    [
        {"notes.txt": "no model at all"},
        {"config.json": "not JSON"},
        {"config.json": '{"model_type": "bert"}', "model.safetensors": "not weights"},
    ],
)
def test_a_folder_that_is_no_model_is_refused_by_name(
    tmp_path: Path, files: dict[str, str]
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(ModelRefused, match=str(tmp_path)):
        SentenceTransformerEmbedder(tmp_path, "cpu").warm_up()
