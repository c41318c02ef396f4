"""Inner-product search with FAISS, one index per collection; every score is exact.

Collections are searched separately, so a passage outside the caller's scope is never even
compared with the question. A collection is searched exactly, or by the inverted file or the codes
that it has. On CUDA (faiss-gpu and a device) flat indexes live there, and every search is exact.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from app.ports import Vectors
from app.retrieval.codes import Codes, read_codes
from app.retrieval.faiss_files import map_faiss, write_faiss
from app.retrieval.inverted_file import EXACT_UP_TO, InvertedFile, Positions, read_inverted

Span = tuple[int, int]
"""[first, last) of a collection within its segment."""
Hits = list[tuple[int, float]]
"""(position, inner product), best first."""
VECTORS = "vectors.faiss"
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
        self._bits: dict[Span, NDArray[np.uint8] | None] = {}
        self._less: tuple[tuple[int, ...], Mask] | None = None
        self.removed = int(size - self._alive.sum())

    def without(self, more: Sequence[int]) -> "Mask":
        """The same, less ``more`` positions."""
        if not len(more):
            return self
        asked, less = tuple(more), self._less
        if less is None or less[0] != asked:
            gone = [np.flatnonzero(~self._alive), np.asarray(more, dtype=np.int64)]
            less = self._less = asked, Mask(self._alive.size, np.concatenate(gone))
        return less[1]

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

    def within(self, first: int, last: int) -> NDArray[np.uint8] | None:
        """The same, a bit for each position of all; None when all of them are these."""
        part = np.zeros(self._alive.size, dtype=bool)
        part[first:last] = self._alive[first:last]
        return None if part.all() else np.packbits(part, bitorder="little")


class SegmentVectors:
    """The vectors of a segment's folder; ``ranges`` gives each collection's [first, last)."""

    def __init__(
        self, folder: Path, files: Collection[str], ranges: Mapping[str, Span], device: str = "auto"
    ) -> None:
        """``files`` were checked; no other is read. Raises ``OSError``, ``ValueError``,
        ``TypeError`` or ``RuntimeError`` for damage."""
        kept = map_faiss(folder / VECTORS)
        self.count: int = kept.ntotal
        self.dimension: int = kept.d
        self.on_gpu = device != "cpu" and gpu_available()
        self._resources = faiss.StandardGpuResources() if self.on_gpu else None
        naming: dict[str, InvertedFile | Codes] = {}
        if not self.on_gpu:
            naming = {**read_codes(folder, files), **read_inverted(folder, files)}
        self._collections = {
            name: self._searched(kept, span, naming.get(name)) for name, span in ranges.items()
        }

    def search(
        self, query: Vectors, collections: Sequence[str], k: int, mask: Mask | None = None
    ) -> Hits:
        """The ``k`` best (position, inner product) for one vector [dimension], best first.

        Positions that do not count for ``mask`` are never returned.
        """
        counting = mask or Mask(self.count, np.array([], dtype=np.int64))
        found: Hits = []
        with _on_one_thread():
            for name in collections:
                if name in self._collections:
                    found.extend(self._collections[name].search(query, k, counting))
        return sorted(found, key=lambda hit: -hit[1])[:k]

    def _searched(
        self, kept: faiss.Index, span: Span, naming: InvertedFile | Codes | None
    ) -> "_InMemory | _Mapped | _Approximate":
        first, last = span
        if naming is not None:
            return _Approximate(kept, span, naming)
        if last - first > EXACT_UP_TO and not self.on_gpu:
            return _Mapped(kept, span)
        index = faiss.IndexFlatIP(kept.d)
        index.add(_vectors_of(kept)[first:last])
        if self._resources is None:
            return _InMemory(index, span, on_gpu=False)
        return _InMemory(faiss.index_cpu_to_gpu(self._resources, 0, index), span, on_gpu=True)


class _InMemory:
    """A collection whose every vector is compared, with an index of its own."""

    def __init__(self, index: faiss.Index, span: Span, *, on_gpu: bool) -> None:
        self._index, self._span, self._on_gpu = index, span, on_gpu

    def search(self, query: Vectors, k: int, mask: Mask) -> Hits:
        first, last = self._span
        bits = mask.bits(first, last)
        dropped: set[int] = set()
        parameters = None
        if bits is not None and self._on_gpu:
            # GPU flat indexes take no selector: there the search asks for more and drops.
            dropped = set(mask.dropped(first, last).tolist())
        else:
            parameters = _only(bits)
        most = MAX_GPU_K if self._on_gpu else last - first
        wanted = min(last - first, k + len(dropped), most)
        hits = _search(self._index, query, wanted, parameters)
        return [(first + position, score) for position, score in hits if position not in dropped]


class _Mapped:
    """The same of a large collection, in the file of the segment."""

    def __init__(self, kept: faiss.Index, span: Span) -> None:
        self._kept, self._span = kept, span

    def search(self, query: Vectors, k: int, mask: Mask) -> Hits:
        first, last = self._span
        wanted = min(k, mask.alive(first, last))
        return _search(self._kept, query, wanted, _only(mask.within(first, last)))


class _Approximate:
    """A collection whose inverted file, or codes, name candidates, which the kept vectors score."""

    def __init__(self, kept: faiss.Index, span: Span, naming: InvertedFile | Codes) -> None:
        self._kept, self._span, self._naming = kept, span, naming
        self._exact = _Mapped(kept, span)

    def search(self, query: Vectors, k: int, mask: Mask) -> Hits:
        first, last = self._span
        bits = mask.bits(first, last)
        count = last - first if bits is None else mask.alive(first, last)
        wanted = min(count, self._naming.wanted(k))
        if wanted < 1:
            return []
        named = self._naming.candidates(query[None, :], wanted, bits)[0]
        positions: Positions = named[named >= 0] + first
        if len(positions) < wanted:
            # Most of what is nearest was removed: what is next to it was not looked at.
            return self._exact.search(query, k, mask)
        scores = self._kept.reconstruct_batch(positions) @ query
        best = np.argsort(-scores, kind="stable")[:k]
        return list(zip(positions[best].tolist(), scores[best].tolist(), strict=True))


def best_products(queries: Vectors, vectors: Vectors) -> list[float]:
    """The highest inner product of each of ``queries`` [m, dimension] with any of ``vectors``
    [n, dimension], which are read once for all."""
    with _on_one_thread():
        best = faiss.knn(queries, vectors, 1, metric=faiss.METRIC_INNER_PRODUCT)[0]
    return [float(product) for product in best[:, 0]]


def write_vectors(folder: Path, vectors: Vectors) -> None:
    """Write ``vectors`` [n, dimension] into an existing folder; raises ``OSError``."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(np.ascontiguousarray(vectors))
    write_faiss(index, folder / VECTORS)


def _vectors_of(kept: faiss.Index) -> Vectors:
    """The vectors of a flat index [n, dimension] where they lie, for as long as it is kept."""
    if not isinstance(kept, faiss.IndexFlat):
        raise ValueError(f"{VECTORS} holds no plain vectors")
    numbers: Vectors = faiss.rev_swig_ptr(kept.get_xb(), kept.ntotal * kept.d)
    return numbers.reshape(kept.ntotal, kept.d)


@contextmanager
def _on_one_thread() -> Iterator[None]:
    """FAISS wakes all threads for one query too: they have nothing to do, and wait for each other
    at three times the CPU. The figure is that of the thread that sets it."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _only(bits: NDArray[np.uint8] | None) -> faiss.SearchParameters | None:
    if bits is None:
        return None
    return faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))  # type: ignore[call-arg,arg-type]


def _search(
    index: faiss.Index, query: Vectors, k: int, parameters: faiss.SearchParameters | None
) -> Hits:
    if k < 1:
        return []
    scores, positions = index.search(query[None, :], k, params=parameters)
    pairs = zip(positions[0].tolist(), scores[0].tolist(), strict=True)
    return [(position, score) for position, score in pairs if position >= 0]
