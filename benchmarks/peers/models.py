"""What every peer is given: the same embedder, and the same answer model over the passages found.

It runs in the peers' own environment, and imports nothing of ours.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_TOKENS, MAX_SPAN_TOKENS = 384, 40


class Embedder:
    """A sentence-transformers folder; unit vectors."""

    def __init__(self, folder: Path) -> None:
        from sentence_transformers import SentenceTransformer

        self.folder = folder
        self._model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape [n, dimension]."""
        vectors: NDArray[np.float32] = self._model.encode(
            list(texts), normalize_embeddings=True, show_progress_bar=False
        )
        return vectors


class AnswerModel:
    """An extractive reader in transformers' form: the best span of any passage, in one batch."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForQuestionAnswering, AutoTokenizer

        self._torch: Any = torch
        self._tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        self._model = AutoModelForQuestionAnswering.from_pretrained(
            str(folder), local_files_only=True
        ).eval()

    def answer(self, question: str, passages: Sequence[str]) -> str:
        """The words between the best start and end; "" without passages."""
        if not passages:
            return ""
        encoded = self._tokenizer(
            [question] * len(passages),
            list(passages),
            truncation="only_second",
            max_length=MAX_TOKENS,
            padding=True,
            return_tensors="pt",
            return_offsets_mapping=True,
        )
        offsets = encoded.pop("offset_mapping").numpy()
        types = encoded["token_type_ids"].numpy()
        with self._torch.inference_mode():
            scores = self._model(**encoded)
        starts, ends = (one.float().numpy() for one in (scores.start_logits, scores.end_logits))
        best, text = -np.inf, ""
        for row, passage in enumerate(passages):
            inside = np.flatnonzero((types[row] == 1) & (offsets[row][:, 1] > 0))
            score, first, last = _best_span(starts[row][inside], ends[row][inside])
            if score > best:
                first, last = offsets[row][inside[first]][0], offsets[row][inside[last]][1]
                best, text = score, passage[first:last]
        return text


def _best_span(starts: NDArray[np.float32], ends: NDArray[np.float32]) -> tuple[float, int, int]:
    """Score, start and end of the best span of at most ``MAX_SPAN_TOKENS``."""
    if not len(starts):
        return -np.inf, 0, 0
    totals = starts[:, None] + ends[None, :]
    lengths = np.arange(len(ends))[None, :] - np.arange(len(starts))[:, None]
    totals = np.where((lengths >= 0) & (lengths < MAX_SPAN_TOKENS), totals, -np.inf)
    first, last = np.unravel_index(int(totals.argmax()), totals.shape)
    return float(totals[first, last]), int(first), int(last)
