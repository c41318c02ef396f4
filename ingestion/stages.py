"""What happens to one document, stage by stage: extract, cut, embed, mark what gives orders.

Pure: nothing here knows a database, the service or a thread, so that any executor can run it.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tokenizers import Tokenizer

from app.errors import DocumentRefused
from app.ports import Embedder, Vectors
from ingestion.chunk import Cut, cut_passages
from ingestion.formats.document import Extracted
from ingestion.formats.jail import extract_jailed
from ingestion.formats.recognition import recognised
from ingestion.suspects import Suspects


@dataclass(frozen=True)
class Prepared:
    """A passage ready to be stored.

    ``suspect`` says why it seems to give orders, or why people may not see it.
    """

    cut: Cut
    vector: Vectors
    suspect: str | None


class Spent:
    """Seconds of the wall clock by stage, over all documents; safe to call from any thread."""

    def __init__(self) -> None:
        self._adding = threading.Lock()
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def on(self, stage: str) -> Iterator[None]:
        """Add what the block takes."""
        began = time.perf_counter()
        try:
            yield
        finally:
            with self._adding:
                self.seconds[stage] += time.perf_counter() - began


@dataclass(frozen=True)
class Stages:
    """The stages of one run; all documents are treated alike. ``languages`` are those of scans."""

    embedder: Embedder
    tokenizer: Tokenizer
    suspects: Suspects
    passage_tokens: int
    languages: str
    spent: Spent = field(default_factory=Spent)

    def prepare(self, path: Path, name: str) -> tuple[Extracted, list[Prepared]]:
        """Everything of one document; raises ``DocumentRefused`` with a reason."""
        extracted, cuts = self.read(path, name)
        return extracted, self.mark(extracted.title, cuts)

    def read(self, path: Path, name: str) -> tuple[Extracted, list[Cut]]:
        """The text of a document, and its passages; raises ``DocumentRefused``."""
        with self.spent.on("extract"):
            extracted = self._extracted(path, name)
        with self.spent.on("cut"):
            cuts = cut_passages(extracted, self.tokenizer, self.passage_tokens)
        if not cuts:
            raise DocumentRefused("empty", "The document holds no text.")
        return extracted, cuts

    def _extracted(self, path: Path, name: str) -> Extracted:
        try:
            return extract_jailed(path, name)
        except DocumentRefused as refusal:
            if refusal.reason != "empty":
                raise
            return recognised(path, name, self.languages, refusal)

    def mark(self, title: str, cuts: Sequence[Cut]) -> list[Prepared]:
        """Passages with their vectors, those marked that give orders; raises ``ModelRefused``."""
        with self.spent.on("embed"):
            vectors = self.embedder.embed(
                [embedding_text(title, cut.text, cut.headings) for cut in cuts]
            )
        with self.spent.on("suspects"):
            reasons = self.suspects.reasons([cut.text for cut in cuts], vectors)
        marked = zip(cuts, vectors, reasons, strict=True)
        return [Prepared(cut, vector, cut.doubt or why) for cut, vector, why in marked]


def embedding_text(title: str, text: str, headings: Sequence[str] = ()) -> str:
    """What is embedded for a passage: its document's title puts it in context, and so do the
    headings above it that it does not hold itself."""
    above = dict.fromkeys((title, *(one for one in headings if one not in text)))
    return "\n".join([*filter(None, above), text])
