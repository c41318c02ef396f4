"""Does the evidence support a sentence? A comparison of words, then a small model.

The model reads a sentence with what its sources say about it (``condensed``) and gives the
probability that it is supported, and for each word that it is not. A sentence with a number, a
name or other words that its sources do not hold keeps only a part of its probability.
"""

import json
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.errors import ModelRefused
from app.inference.evidence_selection import condensed, covered
from guardrails.checks.terms import Piece, cited_texts, unmatched
from guardrails.contract import Case, Draft, Finding, Outcome, Passage, Stage, sentence_bounds

if TYPE_CHECKING:
    from app.inference.networks.pair_runner import PairRunner, PairScores

CONFIG = "config.json"
MAX_EVIDENCE_CHARS = 900
MAX_CLAIM_CHARS = 600
"""A longer sentence is cut for the model: its evidence needs room. Names and numbers are all
compared."""
PLAIN_CHARS = 200
"""Evidence up to this length needs no ``length_power``."""
MARKED = 0.5
"""Least probability at which a word is marked as unsupported."""


@dataclass(frozen=True)
class Support:
    """What is known of one claim: ``probability`` that it is supported, in [0, 1].

    It is the ``model``'s, lowered for each kind of piece (``number``, ``term``) in ``lacks``, which
    the sources do not hold, and for the content words that are not ``covered`` (a share).
    ``unsupported`` are the (start, end) of the words that the sources do not seem to hold.
    """

    probability: float
    model: float
    covered: float = 1.0
    lacks: frozenset[str] = frozenset()
    unsupported: tuple[tuple[int, int], ...] = ()


SUPPORTED = Support(1.0, 1.0)
"""A sentence that stands in its source word for word."""


@dataclass(frozen=True)
class Shipped:
    """The numbers chosen on development data that lie beside the weights."""

    threshold: float
    number_factor: float
    term_factor: float
    cover_power: float
    length_power: float

    def evened(self, probability: float, evidence: str) -> float:
        """The probability as if the evidence were short: the model doubts more, the more it reads.

        The odds grow with the length beyond ``PLAIN_CHARS``, to the ``length_power``.
        """
        times = math.pow(max(1.0, len(evidence) / PLAIN_CHARS), self.length_power)
        return probability * times / (1 - probability + probability * times)

    def lowered(self, model: float, covered: float, lacks: frozenset[str]) -> float:
        """The model's probability after what the comparison of words found."""
        number = self.number_factor if "number" in lacks else 1.0
        term = self.term_factor if "term" in lacks else 1.0
        return float(model * number * term * covered**self.cover_power)


class SupportCheck:
    """Every sentence of a draft is supported by the passages it cites."""

    name = "support"
    stage: Stage = "draft"
    timeout_s = 10.0

    def __init__(self, folder: Path, device: str = "auto") -> None:
        self._folder, self._device = folder, device
        self._lock = threading.Lock()
        self._loaded: tuple[PairRunner, Shipped] | None = None

    def warm_up(self) -> None:
        """Load weights and numbers; raises ``ModelRefused``."""
        self._model()

    @property
    def threshold(self) -> float:
        """The least probability of a supported claim; raises ``ModelRefused``."""
        return self._model()[1].threshold

    def run(self, case: Case) -> list[Finding]:
        """A fail for each sentence under the threshold, else one pass; raises ``ModelRefused``."""
        if case.draft is None:
            return [Finding(self.name, Outcome.FAIL, "There is no draft.")]
        found = [
            Finding(self.name, Outcome.FAIL, _said(sentence.text, support), "", sentence.text)
            for sentence, support in zip(
                case.draft.sentences, self.draft_support(case.draft, case.evidence), strict=True
            )
            if support is not SUPPORTED and support.probability < self.threshold
        ]
        return found or [Finding(self.name, Outcome.PASS, "The sources support every sentence.")]

    def draft_support(self, draft: Draft, evidence: Sequence[Passage]) -> list[Support]:
        """What is known of each sentence over the passages it cites, or over all without any.

        Verbatim sentences are supported by what they are: the model does not run for them.
        """
        texts = {passage.id: _shown(passage) for passage in evidence}
        sources = [
            cited_texts(draft, sentence.citations, texts) or tuple(texts.values())
            for sentence in draft.sentences
        ]
        claims = [
            (sentence.text, held)
            for sentence, held in zip(draft.sentences, sources, strict=True)
            if not _verbatim(sentence.text, held)
        ]
        found = iter(self.claims(claims) if claims else ())
        return [
            SUPPORTED if _verbatim(sentence.text, held) else next(found)
            for sentence, held in zip(draft.sentences, sources, strict=True)
        ]

    def claims(self, pairs: Sequence[tuple[str, Sequence[str]]]) -> list[Support]:
        """What is known of each claim over the texts of its sources; all share the batches.

        A claim of several sentences is as well supported as the worst of them.
        """
        runner, shipped = self._model()
        parts = [sentence_bounds(claim) or [(0, len(claim))] for claim, _ in pairs]
        read = [
            _pair(claim[start:end], sources)
            for (claim, sources), bounds in zip(pairs, parts, strict=True)
            for start, end in bounds
        ]
        scores = zip(runner.run(read), read, strict=True)
        found = []
        for (claim, sources), bounds in zip(pairs, parts, strict=True):
            judged = [_Part(start, *next(scores)) for start, _ in bounds]
            found.append(_joined(judged, unmatched(claim, sources), shipped))
        return found

    def _model(self) -> "tuple[PairRunner, Shipped]":
        # Imported only when a sentence needs it: torch takes seconds.
        from app.inference.networks.pair_runner import load_pair_runner
        from app.inference.networks.pair_tensors import SUPPORT_HEADS

        with self._lock:
            if self._loaded is None:
                runner = load_pair_runner(self._folder, SUPPORT_HEADS, self._device)
                self._loaded = runner, read_shipped(self._folder)
            return self._loaded


@dataclass(frozen=True)
class _Part:
    """One sentence of a claim: where it starts, what the model said, and of which texts."""

    start: int
    scores: "PairScores"
    read: tuple[str, str]


def read_shipped(folder: Path) -> Shipped:
    """The numbers in the config, which the manifest vouches for; raises ``ModelRefused``."""
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
        values = [config[field.name] for field in fields(Shipped)]
    except (LookupError, TypeError) as error:
        raise ModelRefused(f"{folder / CONFIG} lacks a number of the support check") from error
    # A threshold that is not a number, or is 0, would let every sentence pass.
    sound = all(isinstance(v, int | float) and math.isfinite(v) and v >= 0 for v in values)
    if not sound or not 0 < values[0] < 1 or max(values[1:3]) > 1:
        raise ModelRefused(f"{folder / CONFIG}: a number of the support check is out of its range")
    return Shipped(*map(float, values))


def _shown(passage: Passage) -> str:
    return f"{passage.place}\n{passage.text}"


def _verbatim(sentence: str, sources: Sequence[str]) -> bool:
    said = _spaced(sentence)
    return any(said in _spaced(source) for source in sources)


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _pair(claim: str, sources: Sequence[str]) -> tuple[str, str]:
    claim = claim[:MAX_CLAIM_CHARS]
    return claim, condensed(claim, "\n\n".join(sources), MAX_EVIDENCE_CHARS)


def _probability(scores: "PairScores") -> float:
    odds = np.exp(scores.pair - scores.pair.max())
    return float(odds[0] / odds.sum())


def _joined(parts: Sequence[_Part], pieces: Sequence[Piece], shipped: Shipped) -> Support:
    """The worst sentence counts; what the comparison found is marked too."""
    model = min(shipped.evened(_probability(part.scores), part.read[1]) for part in parts)
    held = min(covered(*part.read) for part in parts)
    lacks = frozenset(piece.kind for piece in pieces)
    marked = [(part.start + a, part.start + b) for part in parts for a, b in _marked(part.scores)]
    spans = _merged([*marked, *((piece.start, piece.end) for piece in pieces)])
    return Support(shipped.lowered(model, held, lacks), model, held, lacks, spans)


def _marked(scores: "PairScores") -> list[tuple[int, int]]:
    """Where the claim's words stand of which a token is likely unsupported."""
    encoding = scores.encoding
    logit = math.log(MARKED / (1 - MARKED))
    bad = {
        word
        for word, kind, score in zip(
            encoding.word_ids, encoding.type_ids, scores.token[:, 0], strict=True
        )
        if kind == 0 and word is not None and score > logit
    }
    spans = (encoding.word_to_chars(word, 0) for word in sorted(bad))
    return [span for span in spans if span]


def _merged(spans: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The spans in order; those that overlap become one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return tuple(merged)


def _said(sentence: str, support: Support) -> str:
    words = list(dict.fromkeys(sentence[start:end] for start, end in support.unsupported))
    if not words:
        return "The sources may not support this sentence."
    return f"The sources may not support this sentence; see: {', '.join(words)[:200]}."


def token_spans(text: str, tokens: Sequence[str]) -> list[tuple[int, int]]:
    """Where each of ``tokens`` stands in ``text``, one after the other; (0, 0): not found."""
    spans, at = [], 0
    for token in tokens:
        start = text.find(token, at)
        spans.append((start, start + len(token)) if start >= 0 else (0, 0))
        at = spans[-1][1] or at
    return spans
