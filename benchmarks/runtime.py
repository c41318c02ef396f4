"""How fast the shipped models run on this CPU in torch and in ONNX Runtime, side by side."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from app.inference.embedder import MiniLMEmbedder, load_tokenizer
from app.inference.networks.pair_model import TorchNetwork
from app.inference.networks.pair_runner import PairRunner, load_pair_runner
from app.inference.networks.pair_tensors import READER_HEADS
from app.settings import Settings
from benchmarks.metrics import percentile

PASSAGES, PASSAGE_TOKENS, QUESTION_TOKENS = 8, 128, 12
BASE = "torch_fp32"
SEED = 7


def measure_runtime(runs: int = 50, threads: int = 2) -> dict[str, Any]:
    """Milliseconds, and ratios to torch in float32, for each way to run the models.

    The ways take turns, so that load on the machine meets all of them alike.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return {"runs": runs, "threads": threads, "passages": PASSAGES, **_measure(runs)}
    finally:
        torch.set_num_threads(before)


def _measure(runs: int) -> dict[str, dict[str, dict[str, float]]]:
    texts = _texts(PASSAGES, PASSAGE_TOKENS)
    (question,) = _texts(1, QUESTION_TOKENS)
    rerankers, embedders = _rerankers(), _embedders()
    pairs = [(question, text) for text in texts]
    seconds = {
        "rerank": _time({n: _call(r.run, pairs) for n, r in rerankers.items()}, runs),
        "embed_query": _time({n: _call(e.embed, [question]) for n, e in embedders.items()}, runs),
        "embed_passages": _time({n: _call(e.embed, texts) for n, e in embedders.items()}, runs),
    }
    figures = {job: _figures(times) for job, times in seconds.items()}
    for way, times in seconds["embed_passages"].items():
        figures["embed_passages"][way]["passages_per_second"] = round(
            PASSAGES / percentile(times, 0.5), 1
        )
    return figures


def _rerankers() -> dict[str, PairRunner]:
    folder = Settings().models_dir / "reader"
    in_torch = TorchNetwork(folder, READER_HEADS, "cpu", half=False)
    return {
        BASE: PairRunner(in_torch),
        "onnx_fp32": load_pair_runner(folder, READER_HEADS, "cpu", "fp32"),
        "onnx_int8": load_pair_runner(folder, READER_HEADS, "cpu", "int8"),
    }


def _embedders() -> dict[str, MiniLMEmbedder]:
    embedders = {
        BASE: MiniLMEmbedder("cpu", runtime="torch"),
        "onnx_fp32": MiniLMEmbedder("cpu", runtime="fp32"),
        "onnx_int8": MiniLMEmbedder("cpu", runtime="int8"),
    }
    for embedder in embedders.values():
        embedder.warm_up()
    return embedders


def _texts(count: int, tokens: int) -> list[str]:
    """Texts of exactly so many tokens: words of MiniLM's vocabulary at random."""
    words = sorted(w for w in load_tokenizer().get_vocab() if w.isascii() and w.isalpha())
    rng = np.random.default_rng(SEED)
    return [" ".join(rng.choice(words, tokens)) for _ in range(count)]


def _call(function: Callable[[Any], object], argument: object) -> Callable[[], object]:
    return lambda: function(argument)


def _time(ways: Mapping[str, Callable[[], object]], runs: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for run in range(runs + 2):
        for way, call in ways.items():
            began = time.perf_counter()
            call()
            if run > 1:  # the first two fill caches and pools
                seconds[way].append(time.perf_counter() - began)
    return seconds


def _figures(seconds: Mapping[str, list[float]]) -> dict[str, dict[str, float]]:
    base = percentile(seconds[BASE], 0.5)
    return {
        way: {
            "ms_p50": round(1000 * percentile(times, 0.5), 1),
            "ms_p95": round(1000 * percentile(times, 0.95), 1),
            "ratio": round(percentile(times, 0.5) / base, 3),
        }
        for way, times in seconds.items()
    }
