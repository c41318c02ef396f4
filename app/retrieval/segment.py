"""One segment of an index version: passages that were added together, and never change."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from sys import intern
from typing import NamedTuple

from app.ports import Vectors
from app.retrieval.codes import write_codes
from app.retrieval.inverted_file import write_inverted
from app.retrieval.vector import Mask, SegmentVectors, write_vectors

PASSAGES = "passages.json"
RankedPositions = list[tuple[int, float]]


class Entry(NamedTuple):
    """One passage of an index version; entries of a collection stand together in a segment."""

    passage_id: str
    document_id: str
    collection: str


class Segment:
    """A loaded segment, which versions share. Positions count its passages from 0."""

    def __init__(self, folder: Path, files: Collection[str], device: str = "auto") -> None:
        """``files`` are the names of those that were checked.

        Raises ``OSError``, ``ValueError``, ``TypeError`` or ``RuntimeError`` for damage.
        """
        self.entries = read_segment(folder)
        self._ranges = collection_ranges(self.entries)
        self._vectors = SegmentVectors(folder, files, self._ranges, device)
        if self._vectors.count != len(self.entries):
            raise ValueError("vectors and passages differ in number")
        self.on_gpu = self._vectors.on_gpu

    def __len__(self) -> int:
        return len(self.entries)

    def search(
        self, query: Vectors, collections: Sequence[str], k: int, mask: Mask
    ) -> RankedPositions:
        """The ``k`` nearest (position, cosine) of those that count for ``mask``."""
        return self._vectors.search(query, collections, k, mask)

    def positions_of(self, documents: Sequence[str]) -> list[int]:
        """Where the passages of these documents stand."""
        return [p for document in documents for p in self._by_document.get(document, ())]

    def counts(self, mask: Mask) -> Counter[str]:
        """How many passages of each collection count for ``mask``."""
        return Counter({name: mask.alive(*span) for name, span in self._ranges.items()})

    @cached_property
    def _by_document(self) -> Mapping[str, Sequence[int]]:
        found: dict[str, list[int]] = {}
        for position, entry in enumerate(self.entries):
            found.setdefault(entry.document_id, []).append(position)
        return found


def write_segment(folder: Path, entries: Sequence[Entry], vectors: Vectors) -> None:
    """Write entries and their unit ``vectors`` [n, dimension] into an existing folder."""
    write_vectors(folder, vectors)
    ranges = collection_ranges(entries)
    inverted = write_inverted(folder, vectors, ranges)
    write_codes(folder, vectors, {n: span for n, span in ranges.items() if n not in inverted})
    listed = [[e.passage_id, e.document_id, e.collection] for e in entries]
    (folder / PASSAGES).write_text(json.dumps(listed), "utf-8")


def read_segment(folder: Path) -> list[Entry]:
    """The passages that a segment names, in position order."""
    listed = json.loads((folder / PASSAGES).read_text("utf-8"))
    # Passages share the names of documents and collections: there are as many as passages.
    return [Entry(passage, intern(document), intern(name)) for passage, document, name in listed]


def collection_ranges(entries: Sequence[Entry]) -> dict[str, tuple[int, int]]:
    """[first, last) of each collection; raises ``ValueError`` when one is split."""
    ranges: dict[str, tuple[int, int]] = {}
    first = 0
    for name, group in groupby(entries, key=lambda entry: entry.collection):
        last = first + sum(1 for _ in group)
        if name in ranges:
            raise ValueError(f"collection {name!r} is not contiguous")
        ranges[name] = (first, last)
        first = last
    return ranges
