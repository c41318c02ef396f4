"""One segment of an index version: passages that were added together, and never change."""

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from app.ports import Vectors
from app.retrieval.codes import write_codes
from app.retrieval.entries import Entry, entries_of, read_entries
from app.retrieval.inverted_file import Asked, never_asked, write_inverted
from app.retrieval.vector import Mask, SegmentVectors, write_vectors

RankedPositions = list[tuple[int, float]]


class Segment:
    """A loaded segment, which versions share. Positions count its passages from 0."""

    def __init__(self, folder: Path, files: Collection[str], device: str = "auto") -> None:
        """``files`` are the names of those that were checked.

        Raises ``OSError``, ``ValueError``, ``TypeError`` or ``RuntimeError`` for damage.
        """
        self.entries = read_entries(folder, files)
        self._vectors = SegmentVectors(folder, files, self.entries.ranges, device)
        if self._vectors.count != len(self.entries):
            raise ValueError("vectors and passages differ in number")
        self.on_gpu, self.dimension = self._vectors.on_gpu, self._vectors.dimension

    def __len__(self) -> int:
        return len(self.entries)

    def search(
        self, query: Vectors, collections: Sequence[str], k: int, mask: Mask
    ) -> RankedPositions:
        """The ``k`` nearest (position, cosine) of those that count for ``mask``."""
        return self._vectors.search(query, collections, k, mask)

    def positions_of(self, documents: Sequence[str]) -> list[int]:
        """Where the passages of these documents stand."""
        return [at for places in self.entries.positions(documents).values() for at in places]

    def counts(self, mask: Mask) -> Counter[str]:
        """How many passages of each collection count for ``mask``."""
        return Counter({name: mask.alive(*span) for name, span in self.entries.ranges.items()})


def write_segment(
    folder: Path, entries: Sequence[Entry], vectors: Vectors, asked: Asked = never_asked
) -> None:
    """Write entries and their unit ``vectors`` [n, dimension] into an existing folder.

    How a large collection is searched is chosen with the questions it was ``asked``.
    """
    kept = entries_of(entries)
    write_vectors(folder, vectors)
    ranges = kept.ranges
    inverted = write_inverted(folder, vectors, ranges, asked)
    others = {name: span for name, span in ranges.items() if name not in inverted}
    write_codes(folder, vectors, others, asked)
    kept.save(folder)
