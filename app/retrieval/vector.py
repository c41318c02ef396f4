"""Exact inner-product search with FAISS, one flat index per collection.

Collections are searched separately, so a passage outside the caller's scope is never even
compared with the question. On CUDA (faiss-gpu and a device) the same indexes live there.
"""

from collections.abc import Mapping, Sequence

import faiss
import numpy as np
from numpy.typing import NDArray

from app.ports import Vectors

Positions = NDArray[np.int64]
MAX_GPU_K = 2048
"""FAISS selects at most this many neighbours on a GPU."""


def gpu_available() -> bool:
    """Whether this FAISS build has CUDA and finds a device."""
    return hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus() > 0


class Mask:
    """The positions of [0, size) that count: all but the removed ones."""

    def __init__(self, size: int, removed: Positions) -> None:
        self._alive = np.ones(size, dtype=bool)
        self._alive[removed] = False
        self._bits: dict[tuple[int, int], NDArray[np.uint8] | None] = {}
        self.removed = int(size - self._alive.sum())

    def without(self, more: Sequence[int]) -> "Mask":
        """The same, less ``more`` positions."""
        if not len(more):
            return self
        gone = np.flatnonzero(~self._alive)
        return Mask(self._alive.size, np.concatenate([gone, np.asarray(more, dtype=np.int64)]))

    def counts(self, position: int) -> bool:
        """Whether the position counts."""
        return bool(self._alive[position])

    def alive(self, first: int, last: int) -> int:
        """How many positions of [first, last) count."""
        return int(self._alive[first:last].sum())

    def dropped(self, first: int, last: int) -> Positions:
        """The positions of [first, last) that do not count, from 0."""
        return np.flatnonzero(~self._alive[first:last])

    def bits(self, first: int, last: int) -> NDArray[np.uint8] | None:
        """The positions of [first, last) that count, a bit for each; None when all do."""
        if (first, last) not in self._bits:
            part = self._alive[first:last]
            packed = np.packbits(part, bitorder="little")
            self._bits[first, last] = None if part.all() else packed
        return self._bits[first, last]


class FlatVectors:
    """Vectors of shape [n, dimension]; ``ranges`` gives each collection's [first, last)."""

    def __init__(
        self, vectors: Vectors, ranges: Mapping[str, tuple[int, int]], device: str = "auto"
    ) -> None:
        self.on_gpu = device != "cpu" and gpu_available()
        self._ranges = dict(ranges)
        self._resources = faiss.StandardGpuResources() if self.on_gpu else None
        self._indexes = {
            name: self._flat(vectors[first:last]) for name, (first, last) in ranges.items()
        }

    def search(
        self, query: Vectors, collections: Sequence[str], k: int, mask: Mask | None = None
    ) -> list[tuple[int, float]]:
        """The ``k`` best (position, inner product) for one vector [dimension], best first.

        Positions that do not count for ``mask`` are never returned.
        """
        found: list[tuple[int, float]] = []
        for name in collections:
            if name in self._indexes:
                found.extend(self._search_one(name, query, k, mask))
        return sorted(found, key=lambda hit: -hit[1])[:k]

    def _search_one(
        self, name: str, query: Vectors, k: int, mask: Mask | None
    ) -> list[tuple[int, float]]:
        first, last = self._ranges[name]
        bits = mask.bits(first, last) if mask is not None else None
        dropped: set[int] = set()
        parameters = None
        if bits is not None and self.on_gpu:
            # GPU flat indexes take no selector: there the search asks for more and drops.
            dropped = set(mask.dropped(first, last).tolist()) if mask is not None else set()
        elif bits is not None:
            parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))  # type: ignore[call-arg,arg-type]
        most = MAX_GPU_K if self.on_gpu else last - first
        wanted = min(last - first, k + len(dropped), most)
        scores, positions = self._indexes[name].search(query[None, :], wanted, params=parameters)
        return [
            (first + position, score)
            for position, score in zip(positions[0].tolist(), scores[0].tolist(), strict=True)
            if position >= 0 and position not in dropped
        ]

    def _flat(self, vectors: Vectors) -> faiss.Index:
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(np.ascontiguousarray(vectors))
        if self._resources is None:
            return index
        return faiss.index_cpu_to_gpu(self._resources, 0, index)


def to_bytes(vectors: Vectors) -> bytes:
    """The vectors as a serialised FAISS flat index."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(np.ascontiguousarray(vectors))
    return bytes(faiss.serialize_index(index))


def from_bytes(data: bytes) -> Vectors:
    """The vectors [n, dimension] of a serialised FAISS flat index."""
    index = faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8))
    vectors: Vectors = index.reconstruct_n(0, index.ntotal)
    return vectors
