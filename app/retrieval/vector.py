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
        self,
        query: Vectors,
        collections: Sequence[str],
        k: int,
        excluded: Positions | None = None,
    ) -> list[tuple[int, float]]:
        """The ``k`` best (position, inner product) for one vector [dimension], best first.

        Positions in ``excluded`` are never returned.
        """
        found: list[tuple[int, float]] = []
        for name in collections:
            if name in self._indexes:
                found.extend(self._search_one(name, query, k, excluded))
        return sorted(found, key=lambda hit: -hit[1])[:k]

    def _search_one(
        self, name: str, query: Vectors, k: int, excluded: Positions | None
    ) -> list[tuple[int, float]]:
        first, last = self._ranges[name]
        local = None
        if excluded is not None and len(excluded):
            local = excluded[(excluded >= first) & (excluded < last)] - first
        extra = len(local) if local is not None and self.on_gpu else 0
        wanted = min(last - first, k + extra, MAX_GPU_K if self.on_gpu else last - first)
        parameters = self._selector(local)
        scores, positions = self._indexes[name].search(query[None, :], wanted, params=parameters)
        dropped = set(local.tolist()) if local is not None else set()
        return [
            (first + position, score)
            for position, score in zip(positions[0].tolist(), scores[0].tolist(), strict=True)
            if position >= 0 and position not in dropped
        ]

    def _selector(self, local: Positions | None) -> faiss.SearchParameters | None:
        # GPU flat indexes take no selector: there the search asks for more and drops.
        if local is None or not len(local) or self.on_gpu:
            return None
        selector = faiss.IDSelectorNot(faiss.IDSelectorBatch(local))
        return faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]

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
