"""The shipped reader: ranks passages, points at the answer, and knows when there is none."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from app.errors import ModelRefused
from app.inference.asides import asides
from app.inference.embedder import shared_tokenizer
from app.inference.limits import beside_limits
from app.inference.networks.pair_runner import PairRunner, PairScores, load_pair_runner
from app.inference.networks.pair_tensors import CONFIG, READER_HEADS
from app.inference.tables import MOST_MISSED, Offsets, cell_ends, misplaced, named_cell
from app.inference.writing.grounding import quotable_bounds, visible
from app.inference.writing.question_types import as_question
from app.inference.writing.units import named_list
from app.ports import Reading, Span
from guardrails.contract import Passage, block_ends

MAX_QUESTION_TOKENS = 96
"""A longer question is cut for the reader; retrieval has read it whole."""
MAX_PLACE_TOKENS = 32
"""A longer title with its headings is cut: the passage needs the room."""
MAX_SPAN_TOKENS = 40
TOP_EDGES = 12
"""Best starts and ends that are paired; the best span is almost always among them."""
MOST_LEAD = 20.0
"""The lead of a span without a rival in its passage; a larger one says no more."""
MISPLACED = 2.5
"""What each edge of a span loses for each word that its row or column lacks."""
NAMED = 4.0
"""How far at least the margin of a cell that the question names by its row and its column is above
the least one: a reader of sentences is seldom sure of it."""
_STOPS = (".", "!")
LEAST_CHANCE = 1e-12
"""Stands for a probability of 0, whose logarithm is none."""
SEPARATOR = "[SEP]"
"""The tokenizer reads it as its own token: question and title stay apart, as in training."""
RELEVANCE, ANSWERS = 0, 1
"""The columns of the pair scores."""
FIGURES = ("min_margin", "answer_weight", "relevance_weight")
"""What a reader's config must hold."""


@dataclass(frozen=True)
class Tuning:
    """Figures chosen after training, from the reader's config.

    ``min_margin`` is the least margin of an answer. ``answer_weight`` is what the score "this
    passage answers" adds to a span's margin, and ``relevance_weight`` what relevance adds when
    the passage to answer from is chosen. ``titles`` says whether it was trained with the titles of
    the passages' documents: only then does it read them.
    """

    min_margin: float
    answer_weight: float
    relevance_weight: float
    titles: bool = False


class Reader:
    """Reads passages with a question."""

    name = "reader"

    def __init__(self, folder: Path, device: str = "auto") -> None:
        self._folder, self._device = folder, device
        self._runner: PairRunner | None = None

    def warm_up(self) -> None:
        """Load weights and tuning once; raises ``ModelRefused``."""
        if self._runner is not None:
            return
        runner = load_pair_runner(self._folder, READER_HEADS, self._device)
        self.tuning = load_tuning(self._folder)
        self._plain = shared_tokenizer()
        self._runner = runner

    def read(self, requests: Sequence[tuple[str, Sequence[Passage]]]) -> list[list[Reading]]:
        """For each (question, passages) the readings, in order; all share batches."""
        scores = iter(self._scores(requests))
        return [
            [self._reading(next(scores), asked, passage) for passage in passages]
            for asked, passages in requests
        ]

    def places(self, question: str, passages: Sequence[Passage], most: int) -> list[list[Reading]]:
        """Of each passage up to ``most`` readings, the best first, whose spans stand in different
        sentences, items or rows."""
        scores = self._scores([(question, passages)])
        return [
            self._apart(own, question, passage, most)
            for own, passage in zip(scores, passages, strict=True)
        ]

    def _scores(self, requests: Sequence[tuple[str, Sequence[Passage]]]) -> list[PairScores]:
        if self._runner is None:
            self.warm_up()
        assert self._runner is not None
        pairs = [
            (self._under(question, passage.place), passage.text)
            for asked, passages in requests
            for question in [self._cut(as_question(visible(asked)), MAX_QUESTION_TOKENS)]
            for passage in passages
        ]
        return self._runner.run(pairs)

    def _under(self, question: str, place: str) -> str:
        """The first text of the pair: ``question``, and what the passage belongs to."""
        if not self.tuning.titles:
            return question
        # The title stands there and not in the passage, where no span may point at it.
        place = self._cut(visible(place).strip(), MAX_PLACE_TOKENS)
        return f"{question} {SEPARATOR} {place}" if place else question

    def _reading(self, scores: PairScores, question: str, passage: Passage) -> Reading:
        text, logits = passage.text, self._logits(scores, question, passage)
        span = best_span(logits, scores.encoding, text, self._bonus(scores))
        cell = named_cell(question, text, passage.place) if span else None
        if span is not None and cell is None:
            cell = named_list(question, passage)
        if span is not None and cell is not None:
            least = self.tuning.min_margin + NAMED
            told = text[slice(*cell)].endswith(_STOPS)
            span = of_cell(span, cell, least, whole=not told)
        return _with_span(scores, span)

    def _apart(
        self, scores: PairScores, question: str, passage: Passage, most: int
    ) -> list[Reading]:
        """Up to ``most`` readings of one passage, each beside the sentences of those before it."""
        found = [self._reading(scores, question, passage)]
        logits, bounds = self._logits(scores, question, passage), quotable_bounds(passage.text)
        while len(found) < most and (last := found[-1].span) is not None:
            told = [(one, math.inf) for one in bounds if one[0] < last.end and last.start < one[1]]
            logits = lowered(logits, scores.encoding, [((last.start, last.end), math.inf), *told])
            span = best_span(logits, scores.encoding, passage.text, self._bonus(scores))
            found.append(_with_span(scores, span))
        return [one for one in found if one.span is not None]

    def _logits(self, scores: PairScores, question: str, passage: Passage) -> NDArray[np.float32]:
        end = headings_end(passage)
        heads = ((0, end), MOST_MISSED)  # what names a section answers nothing
        beside = beside_limits(question, passage.text)
        parts = [
            heads,
            *misplaced(question, passage.text),
            *beside,
            *asides(question, passage, end),
        ]
        return lowered(scores.token, scores.encoding, parts)

    def _bonus(self, scores: PairScores) -> float:
        return self.tuning.answer_weight * float(scores.pair[ANSWERS])

    def _cut(self, text: str, most: int) -> str:
        """The first ``most`` tokens of ``text``."""
        if len(text) <= most:  # each has a character at least
            return text
        offsets = self._plain.encode(text, add_special_tokens=False).offsets
        return text if len(offsets) <= most else text[: offsets[most - 1][1]]


def _with_span(scores: PairScores, span: Span | None) -> Reading:
    return Reading(float(scores.pair[RELEVANCE]), span, float(scores.pair[ANSWERS]))


def of_cell(span: Span, cell: Offsets, least: float, *, whole: bool = True) -> Span:
    """The cell in the place of the span that was found, which may be in another one; the words of
    a sentence that were found in it stay unless they are to be the ``whole`` of it."""
    inside = is_inside(span, cell)
    margin = max(span.margin, least) if inside else least
    if inside and not whole:
        return replace(span, margin=margin)
    return replace(span, start=cell[0], end=cell[1], margin=margin)


def is_inside(span: Span, cell: Offsets | None) -> bool:
    """Whether the span stands in the cell; in none it does not."""
    return cell is not None and cell[0] <= span.start and span.end <= cell[1]


def load_tuning(folder: Path) -> Tuning:
    """The tuning in the reader's config, which its manifest vouches for.

    Raises ``ModelRefused`` unless every figure is a finite number and ``titles`` a truth value.
    """
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
        values = {name: config[name] for name in FIGURES}
        titles = config.get("titles", False)
    except (LookupError, TypeError) as error:
        raise ModelRefused(f"{folder / CONFIG} lacks {error}") from error
    for name, value in values.items():
        # A NaN would let every span pass.
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise ModelRefused(f"{folder / CONFIG}: {name} is not a finite number")
    if not isinstance(titles, bool):
        raise ModelRefused(f"{folder / CONFIG}: titles is neither true nor false")
    return Tuning(**{name: float(value) for name, value in values.items()}, titles=titles)


def headings_end(passage: Passage) -> int:
    """Where the headings end that the passage begins with; 0 without any."""
    end = 0
    for name in dict.fromkeys((passage.title, *passage.headings)):
        line = passage.text[end:].lstrip().split("\n", 1)
        if name and len(line) > 1 and " ".join(line[0].split()) == name:
            end = len(passage.text) - len(line[1])
    return end


def lowered(
    logits: NDArray[np.float32], encoding: Encoding, parts: Sequence[tuple[tuple[int, int], float]]
) -> NDArray[np.float32]:
    """``logits`` [L, 2], lower on the tokens of these parts of the passage, by the words that each
    lacks."""
    if not any(start < end for (start, end), _ in parts):
        return logits
    inside = np.array(encoding.type_ids) == 1
    starts = np.array([offset[0] for offset in encoding.offsets])
    lower = logits.copy()
    for (start, end), missed in parts:
        lower[inside & (starts >= start) & (starts < end)] -= MISPLACED * missed
    return lower


def best_span(
    logits: NDArray[np.float32], encoding: Encoding, text: str, bonus: float = 0.0
) -> Span | None:
    """The highest start + end over the passage's tokens, at most ``MAX_SPAN_TOKENS`` long.

    ``logits`` [L, 2]; ``bonus`` is added to the margin over [CLS], the place of "no answer". A
    span never crosses a paragraph, a list item or a cell of a table.
    """
    inside = (np.array(encoding.type_ids) == 1) & (np.array(encoding.special_tokens_mask) == 0)
    positions = np.flatnonzero(inside & (np.array(encoding.attention_mask) == 1))
    if not len(positions):
        return None
    starts = positions[np.argsort(-logits[positions, 0])[:TOP_EDGES]]
    ends = positions[np.argsort(-logits[positions, 1])[:TOP_EDGES]]
    totals = logits[starts, 0][:, None] + logits[ends, 1][None, :]
    lengths = ends[None, :] - starts[:, None]
    edges = sorted({*block_ends(text), *cell_ends(text)})
    block = np.searchsorted(edges, [offset[0] for offset in encoding.offsets])
    together = block[starts][:, None] == block[ends][None, :]
    fits = (lengths >= 0) & (lengths < MAX_SPAN_TOKENS) & together
    totals = np.where(fits, totals, -np.inf)
    row, column = np.unravel_index(int(totals.argmax()), totals.shape)
    score = float(totals[row, column])
    if not np.isfinite(score):
        return None
    margin = score - float(logits[0, 0] + logits[0, 1]) + bonus
    offsets = encoding.offsets
    elsewhere = (starts[:, None] > ends[column]) | (ends[None, :] < starts[row])
    lead = score - float(np.where(elsewhere, totals, -np.inf).max())
    return Span(
        offsets[starts[row]][0],
        offsets[ends[column]][1],
        margin,
        min(lead, MOST_LEAD),
        _entropy(logits[positions, 0]) + _entropy(logits[positions, 1]),
    )


def _entropy(logits: NDArray[np.float32]) -> float:
    """In nats, of the softmax of ``logits`` [n]."""
    chances = np.exp(logits.astype(np.float64) - logits.max())
    chances /= chances.sum()
    return float(-(chances * np.log(np.maximum(chances, LEAST_CHANCE))).sum())
