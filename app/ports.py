"""Every replaceable part of the service, on one screen.

Each port has two real implementations today and one conformance suite in
``tests/conformance``. Construction is cheap; ``warm_up`` loads.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from app.deadline import Deadline
from guardrails.contract import Draft, Passage

Vectors = NDArray[np.float32]
"""Unit-length rows, shape [n, dimension]."""
TOKENS_READ, TOKENS_WRITTEN = "tokens_read", "tokens_written"
"""Features of a draft: what a generator counted itself, where it tells."""


class PageImages(Protocol):
    """Pages of documents to images."""

    def image(self, path: Path, sha256: str, page: int) -> bytes:
        """The page (from 1) as PNG, of the file with that content. Raises ``NotFound`` where there
        is none, ``DocumentRefused`` where it cannot be drawn, ``Overloaded``."""


class Embedder(Protocol):
    """Texts to unit vectors."""

    name: str
    dimension: int

    def warm_up(self) -> None:
        """Load weights; raises ``ModelRefused`` when they do not match their manifest."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Shape [len(texts), dimension], float32, unit length; longer texts are truncated."""


@dataclass(frozen=True)
class Span:
    """An answer candidate: character offsets in the passage's text, and raw scores.

    ``margin`` says how far it is above "this passage does not answer", ``lead`` how far
    above the best span elsewhere in the passage, and ``entropy`` (nats) how scattered the places
    are where the answer might start and end.
    """

    start: int
    end: int
    margin: float
    lead: float
    entropy: float


@dataclass(frozen=True)
class Reading:
    """What the reader makes of one passage for one question; raw scores, no probabilities.

    ``relevance`` ranks passages; ``span`` is the best answer candidate, None in an empty passage;
    ``answers`` says how surely the passage answers at all, None where that was not asked.
    """

    relevance: float
    span: Span | None
    answers: float | None = None


@dataclass(frozen=True)
class Misfit:
    """Why a first draft will not do: it does not fit a JSON schema of the answer.

    ``problem`` says where, for a model that takes instructions; it holds text of the caller.
    ``fits`` says whether another draft does, for one that has several answers to choose from.
    """

    problem: str
    fits: Callable[[Draft], bool]


@dataclass(frozen=True)
class DraftRequest:
    """One question over its evidence, best passage first.

    ``readings`` are those of the evidence, in order, where it was reranked; else empty. With
    ``certain`` they are those of the first passages, one of which answers so surely that the
    others need not be read. ``misfit`` makes it a second try, after a draft that did not fit.
    """

    question: str
    evidence: tuple[Passage, ...]
    deadline: Deadline
    readings: tuple[Reading, ...] = ()
    misfit: Misfit | None = None
    certain: bool = False


class Generator(Protocol):
    """A question and evidence to a draft whose every sentence cites the evidence."""

    name: str

    def warm_up(self) -> None:
        """Load weights or reach the server; raises ``ModelRefused`` or ``DependencyFailed``."""

    def draft(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        """One draft per request, in order; abstains (no sentences) rather than guess.

        Every citation's quote is verbatim in its passage. A second try gives another draft than
        the first, one that fits where it can, or abstains. Raises ``DeadlineExceeded`` or
        ``DependencyFailed``.
        """


@dataclass(frozen=True)
class RewriteRequest:
    """A follow-up question and the questions before it, oldest first."""

    question: str
    earlier: tuple[str, ...]
    deadline: Deadline


@runtime_checkable
class Rewriter(Protocol):
    """What a generator that can follow any instruction does besides drafting."""

    def rewrite(self, requests: Sequence[RewriteRequest]) -> list[str]:
        """Each question written so that it stands alone; what comes back is not trusted.

        Raises ``DeadlineExceeded`` or ``DependencyFailed``.
        """


class Screening(Protocol):
    """How the screens are reached; what they read is embedded already."""

    def warm_up(self) -> None:
        """Load the heads; raises ``ModelRefused`` when they do not match their manifest."""

    def scores(self, text: str, vector: Vectors) -> Mapping[str, float]:
        """The probability of each screen's name; raises ``ModelRefused``."""

    def chances(self, name: str, texts: Sequence[str], vectors: Vectors) -> Sequence[float]:
        """The probability of one screen's name for each text; raises ``ModelRefused``."""

    def orders_in(self, texts: Sequence[str]) -> Sequence[str | None]:
        """Of each passage the line that gives orders, None for none; raises ``ModelRefused``."""


class Drafting(Protocol):
    """How the spine reaches the generator: batched, bounded, with a deadline."""

    def submit(self, item: DraftRequest, deadline: Deadline) -> Draft:
        """The draft for one request."""
