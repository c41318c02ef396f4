"""The embedded generator: reads each passage with the question, points at the answer span.

The draft is the evidence's own sentence around the span, so it cannot say what the evidence
does not. It abstains when "no answer" outscores the best span by more than the shipped margin.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Encoding

from app.errors import ModelRefused
from app.inference.embedder import load_tokenizer, pick_device
from app.inference.grounding import sentence_answer, visible
from app.inference.pair_model import CONFIG, READER_HEADS, PairModel, load_pair_model
from app.ports import DraftRequest
from guardrails.contract import Draft, Passage, block_ends

MAX_TOKENS = 384
MAX_QUESTION_TOKENS = 96
"""A longer question is cut for the reader; retrieval has read it whole."""
MAX_SPAN_TOKENS = 40
TOP_EDGES = 12
"""Best starts and ends that are paired; the best span is almost always among them."""
READ_BATCH = 16


@dataclass(frozen=True)
class Span:
    """An answer candidate: offsets in the passage's text, and two raw scores.

    ``margin`` is the span's score minus the passage's own no-answer score.
    """

    start: int
    end: int
    score: float
    margin: float


class SpanReader:
    """The shipped span reader behind the Generator port."""

    name = "reader"

    def __init__(self, folder: Path, device: str = "auto", min_margin: float | None = None) -> None:
        """``min_margin`` overrides the shipped least margin (to measure others)."""
        self._folder, self._wanted, self._override = folder, device, min_margin
        self._model: PairModel | None = None

    def warm_up(self) -> None:
        """Load weights and thresholds; raises ``ModelRefused``."""
        model = load_pair_model(self._folder, READER_HEADS)
        shipped = _shipped_margin(self._folder)
        self._min_margin = shipped if self._override is None else self._override
        self._device = pick_device(self._wanted)
        self._plain = load_tokenizer()
        self._tokenizer = load_tokenizer()
        self._tokenizer.enable_truncation(MAX_TOKENS, strategy="only_second")
        self._tokenizer.enable_padding()
        self._model = model.to(self._device)

    def draft(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        """One extractive draft per request; all their passages share the model's batches."""
        for request in requests:
            request.deadline.remaining()
        if self._model is None:
            self.warm_up()
        questions = [self._cut_question(request.question) for request in requests]
        pairs = [
            (question, passage.text)
            for question, request in zip(questions, requests, strict=True)
            for passage in request.evidence
        ]
        spans = iter(self._read(pairs))
        return [
            self._best_draft(request.evidence, [next(spans) for _ in request.evidence])
            for request in requests
        ]

    def _cut_question(self, question: str) -> str:
        question = visible(question)
        offsets = self._plain.encode(question, add_special_tokens=False).offsets
        return (
            question
            if len(offsets) <= MAX_QUESTION_TOKENS
            else question[: offsets[MAX_QUESTION_TOKENS - 1][1]]
        )

    def _read(self, pairs: Sequence[tuple[str, str]]) -> list[Span | None]:
        """The best span for each (question, passage text); None when the passage is empty."""
        spans: list[Span | None] = [None] * len(pairs)
        order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][1]))
        for first in range(0, len(order), READ_BATCH):
            chosen = order[first : first + READ_BATCH]
            for index, span in zip(
                chosen, self._read_batch([pairs[i] for i in chosen]), strict=True
            ):
                spans[index] = span
        return spans

    def _read_batch(self, pairs: list[tuple[str, str]]) -> list[Span | None]:
        assert self._model is not None
        encoded = self._tokenizer.encode_batch(pairs)
        logits = self._logits(encoded)
        return [
            _best_span(row, encoding, text)
            for row, encoding, (_, text) in zip(logits, encoded, pairs, strict=True)
        ]

    def _logits(self, encoded: Sequence[Encoding]) -> NDArray[np.float32]:
        assert self._model is not None
        with torch.inference_mode():
            logits, _ = self._model(
                torch.tensor([e.ids for e in encoded], device=self._device),
                torch.tensor([e.attention_mask for e in encoded], device=self._device),
                torch.tensor([e.type_ids for e in encoded], device=self._device),
            )
        array: NDArray[np.float32] = logits.float().cpu().numpy()
        return array

    def _best_draft(self, evidence: Sequence[Passage], spans: Sequence[Span | None]) -> Draft:
        found = [(span, passage) for span, passage in zip(spans, evidence, strict=True) if span]
        if not found:
            return Draft((), (), self.name)
        span, passage = max(found, key=lambda pair: pair[0].margin)
        features = {"margin": span.margin, "span_score": span.score}
        if span.margin < self._min_margin:
            return Draft((), (), self.name, features=features)
        return sentence_answer(passage, span.start, span.end, self.name, features)


def _shipped_margin(folder: Path) -> float:
    """The least margin from the reader's config, which its manifest vouches for."""
    try:
        margin = json.loads((folder / CONFIG).read_text("utf-8"))["min_margin"]
    except (LookupError, TypeError) as error:
        raise ModelRefused(f"{folder / CONFIG} has no min_margin") from error
    # A NaN would let every span pass.
    if not isinstance(margin, int | float) or not math.isfinite(margin):
        raise ModelRefused(f"{folder / CONFIG}: min_margin is not a finite number")
    return float(margin)


def _best_span(logits: NDArray[np.float32], encoding: Encoding, text: str) -> Span | None:
    """The highest start + end over the passage's tokens, at most ``MAX_SPAN_TOKENS`` long.

    A span never crosses a paragraph, a list item or a table row.
    """
    inside = (np.array(encoding.type_ids) == 1) & (np.array(encoding.special_tokens_mask) == 0)
    positions = np.flatnonzero(inside & (np.array(encoding.attention_mask) == 1))
    if not len(positions):
        return None
    starts = positions[np.argsort(-logits[positions, 0])[:TOP_EDGES]]
    ends = positions[np.argsort(-logits[positions, 1])[:TOP_EDGES]]
    totals = logits[starts, 0][:, None] + logits[ends, 1][None, :]
    lengths = ends[None, :] - starts[:, None]
    block = np.searchsorted(block_ends(text), [offset[0] for offset in encoding.offsets])
    together = block[starts][:, None] == block[ends][None, :]
    fits = (lengths >= 0) & (lengths < MAX_SPAN_TOKENS) & together
    totals = np.where(fits, totals, -np.inf)
    row, column = np.unravel_index(int(totals.argmax()), totals.shape)
    score = float(totals[row, column])
    if not np.isfinite(score):
        return None
    null = float(logits[0, 0] + logits[0, 1])
    offsets = encoding.offsets
    return Span(offsets[starts[row]][0], offsets[ends[column]][1], score, score - null)
