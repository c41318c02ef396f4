"""What happens to one document, stage by stage: extract, cut, embed, mark what gives orders.

Pure: nothing here knows a database, the service or a thread, so that any executor can run it.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from tokenizers import Tokenizer

from app.errors import CountersignError, DocumentRefused
from app.ports import Embedder, Vectors
from ingestion.chunk import Cut, cut_passages
from ingestion.formats.document import Extracted
from ingestion.formats.jail import extract_jailed
from ingestion.formats.recognition import completed, recognised
from ingestion.likeness import signature_of
from ingestion.suspects import Suspects

TOGETHER = 128
"""Passages that are embedded and looked through at once, from as many documents as that takes."""
READERS, AHEAD = 2, 10
"""Documents that are read at once, and those that may wait for those before them."""
Named = tuple[Path, str]
"""A file, and the name that says of which format it is."""
Result = TypeVar("Result")
Why = CountersignError | OSError
"""Why there is nothing of one document: that of another can still be had."""


@dataclass(frozen=True)
class Prepared:
    """A passage ready to be stored.

    ``suspect`` says why it seems to give orders, or why people may not see it.
    """

    cut: Cut
    vector: Vectors
    suspect: str | None


@dataclass(frozen=True)
class Read:
    """A document that was read and cut; ``orders`` is what the words of each passage say of it."""

    extracted: Extracted
    cuts: Sequence[Cut]
    orders: Sequence[str | None]
    signature: bytes | None


@dataclass(frozen=True)
class Document:
    """A document ready to be stored; ``signature`` is the MinHash of its words."""

    extracted: Extracted
    passages: Sequence[Prepared]
    signature: bytes | None


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

    def prepare_all(self, files: Sequence[Named]) -> Iterator[list[Document | Why]]:
        """Everything of these documents, or why there is nothing, in their order and in groups.

        Documents are read while those before them are embedded. Raises what a model raises, of
        any document of the group that it then was at.
        """
        group: list[Read | Why] = []
        for found in self._read_ahead(files):
            group.append(found)
            if sum(len(one.cuts) for one in group if isinstance(one, Read)) >= TOGETHER:
                yield self.mark_all(group)
                group = []
        if group:
            yield self.mark_all(group)

    def _read_ahead(self, files: Sequence[Named]) -> Iterator[Read | Why]:
        if len(files) == 1:
            yield attempt(partial(self.read, *files[0]))
            return
        with ThreadPoolExecutor(READERS, "read") as pool:
            reading: deque[Future[Read | Why]] = deque()
            for file in files:
                reading.append(pool.submit(attempt, partial(self.read, *file)))
                if len(reading) > AHEAD:
                    yield reading.popleft().result()
            while reading:
                yield reading.popleft().result()

    def read(self, path: Path, name: str) -> Read:
        """The text of a document, its passages, and what their words say; raises
        ``DocumentRefused`` or ``ModelRefused``."""
        with self.spent.on("extract"):
            extracted = self._extracted(path, name)
        with self.spent.on("cut"):
            cuts = cut_passages(extracted, self.tokenizer, self.passage_tokens)
        if not cuts:
            raise DocumentRefused("empty", "The document holds no text.")
        with self.spent.on("suspects"):
            orders = self.suspects.orders([cut.text for cut in cuts])
        with self.spent.on("signature"):
            signature = signature_of(extracted.text)
        return Read(extracted, cuts, orders, signature)

    def _extracted(self, path: Path, name: str) -> Extracted:
        try:
            found = extract_jailed(path, name)
        except DocumentRefused as refusal:
            if refusal.reason != "empty":
                raise
            return recognised(path, name, self.languages, refusal)
        return completed(path, name, found, self.languages)

    def mark_all(self, group: Sequence[Read | Why]) -> list[Document | Why]:
        """Passages with their vectors, those marked that give orders; raises ``ModelRefused``."""
        read = [one for one in group if isinstance(one, Read)]
        cuts = [cut for one in read for cut in one.cuts]
        if not cuts:
            return [one for one in group if not isinstance(one, Read)]
        with self.spent.on("embed"):
            vectors = self.embedder.embed(
                [
                    embedding_text(one.extracted.title, cut.text, cut.headings)
                    for one in read
                    for cut in one.cuts
                ]
            )
        with self.spent.on("suspects"):
            orders = [why for one in read for why in one.orders]
            reasons = self._suspected(orders, [cut.text for cut in cuts], vectors)
        marked = iter(
            Prepared(cut, vector, cut.doubt or why)
            for cut, vector, why in zip(cuts, vectors, reasons, strict=True)
        )
        return [
            Document(one.extracted, [next(marked) for _ in one.cuts], one.signature)
            if isinstance(one, Read)
            else one
            for one in group
        ]

    def _suspected(
        self, orders: Sequence[str | None], texts: Sequence[str], vectors: Vectors
    ) -> list[str | None]:
        """Why each passage is suspect, by its words and by its meaning; raises ``ModelRefused``."""
        reasons = self.suspects.with_scores(orders, texts, vectors)
        found = [at for at, why in enumerate(reasons) if why and orders[at] is None]
        if found:
            # A vector holds the title and the headings too, and an honest paper on attacks has
            # that word in each of them: what a passage says itself decides.
            own = [texts[at] for at in found]
            again = self.suspects.with_scores([None] * len(own), own, self.embedder.embed(own))
            for at, why in zip(found, again, strict=True):
                reasons[at] = why
        return reasons


def attempt(call: Callable[[], Result]) -> Result | Why:
    """What a call returns, or the error that tells why it cannot."""
    try:
        return call()
    except (CountersignError, OSError) as error:
        return error


def embedding_text(title: str, text: str, headings: Sequence[str] = ()) -> str:
    """What is embedded for a passage: its document's title puts it in context, and so do the
    headings above it that it does not hold itself."""
    above = dict.fromkeys((title, *(one for one in headings if one not in text)))
    return "\n".join([*filter(None, above), text])
