"""The benchmark of the runtimes: every job and way measured, with ratios to torch."""

import pytest

from app.inference.embedder import load_tokenizer
from benchmarks import runtime
from benchmarks.runtime import BASE, PASSAGE_TOKENS, _texts, measure_runtime


def test_texts_have_exactly_the_tokens_they_should() -> None:
    texts = _texts(3, PASSAGE_TOKENS)
    encoded = load_tokenizer().encode_batch(texts, add_special_tokens=False)
    assert [len(e.ids) for e in encoded] == [PASSAGE_TOKENS] * 3
    assert len(set(texts)) == 3


def test_every_way_is_measured_against_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "PASSAGES", 2)
    monkeypatch.setattr(runtime, "PASSAGE_TOKENS", 16)
    figures = measure_runtime(runs=1, threads=1)
    for job in ("rerank", "embed_query", "embed_passages"):
        assert set(figures[job]) == {BASE, "onnx_fp32", "onnx_int8"}
        assert figures[job][BASE]["ratio"] == 1
        assert all(way["ms_p50"] > 0 for way in figures[job].values())
    assert figures["embed_passages"]["onnx_fp32"]["passages_per_second"] > 0
