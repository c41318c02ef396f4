"""MiniLM's encoder on a CPU through ONNX Runtime: texts run side by side, one per thread."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.inference.device import cpu_threads
from app.inference.networks.onnx_graph import KEPT, Floats, Precision, encoder_graph
from app.inference.networks.pair_tensors import EncoderShape

# From 1.29 on ONNX Runtime reports to its makers, and writes a device number, as soon as it is
# imported. The pinned version has no such code; this is for whoever installs another one.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

Ids = NDArray[np.int64]
WantedPrecision = Literal["auto", "fp32", "int8"]
"""``auto`` leaves the choice to the model, which knows what it can bear."""


class OnnxEncoder:
    """BERT without pooling, compiled from its tensors; safe to call from any thread.

    Each text runs on one thread without padding: for eight passages that is a third faster than
    one batch on all threads, because the activations of one text fit into a core's cache.
    """

    def __init__(
        self,
        tensors: Mapping[str, Floats],
        shape: EncoderShape,
        precision: Precision,
        threads: int = 0,
        *,
        some: bool = False,
        each: int = 1,
    ) -> None:
        """``threads`` 0 takes ``cpu_threads()``. Of the tensors only the word vectors are kept.
        With ``some`` each call says of which tokens the states are wanted. ``each`` text may be
        read by so many threads: for short ones that run alone."""
        self._words = tensors["embeddings.word_embeddings.weight"]
        graph = encoder_graph(tensors, shape.attention_heads, shape.epsilon, precision, some=some)
        self._session = _session(graph, min(each, threads or cpu_threads()))
        self._pool = ThreadPoolExecutor(threads or cpu_threads(), "onnx")

    def __call__(
        self, ids: Ids, mask: Ids, types: Ids, wanted: NDArray[np.bool_] | None = None
    ) -> Floats:
        """States [B, L, H] of B texts, from [B, L] each; zeros where ``mask`` is 0, and where they
        are not ``wanted``.

        Padding stands at the end of a row.
        """
        lengths = mask.sum(axis=1)
        states = np.zeros((*ids.shape, self._words.shape[1]), np.float32)

        def read(row: int) -> None:
            own = slice(row, row + 1), slice(lengths[row])
            feed = {"words": self._words[ids[own]], "types": types[own]}
            kept: slice | Ids = own[1]
            if wanted is not None:
                kept = feed[KEPT] = np.flatnonzero(wanted[row, own[1]])
            states[row, kept] = self._session.run(["states"], feed)[0][0]

        if len(ids) == 1:
            read(0)
        else:  # the longest first, so that no thread is left with a long one at the end
            list(self._pool.map(read, np.argsort(-lengths).tolist()))
        return states

    def means(self, texts: Sequence[Ids]) -> Floats:
        """The mean state [B, H] of the tokens of B texts, from the tokens' numbers [L] of each."""
        found = np.zeros((len(texts), self._words.shape[1]), np.float32)

        def read(row: int) -> None:
            ids = texts[row][None]
            feed = {"words": self._words[ids], "types": np.zeros_like(ids)}
            found[row] = self._session.run(["states"], feed)[0][0].mean(axis=0)

        list(self._pool.map(read, sorted(range(len(texts)), key=lambda at: -len(texts[at]))))
        return found


def _session(graph: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # A thread without work sleeps: others have some.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Processors without VNNI add int8 products in 16 bits, which overflow; this has them widened.
    options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
