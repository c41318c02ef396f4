"""Short codes of large collections: a scan of a few bits a number names candidates.

For collections whose vectors stand so far apart that an inverted file would have to look at most of
its lists. As there, whoever searches scores the candidates exactly, by the kept vectors.
"""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from app.ports import Vectors
from app.retrieval.faiss_files import Listed, map_faiss, read_listing, write_faiss, write_listing
from app.retrieval.inverted_file import (
    DEPTH,
    Asked,
    Positions,
    large,
    nearest,
    never_asked,
    recall_of,
    sampled_queries,
)

LEAST_RECALL = 0.999
"""The share of the exact ``DEPTH`` best that must be among the candidates."""
STEPS = (200, 400, 800, 1600)
"""How many candidates are tried, until there are enough for that recall."""
BITS, TOGETHER = 4, 2
"""Of a code, and how many numbers of a vector have one code (PQ)."""
TAUGHT = 20_000
"""Vectors that codes are learned from."""
LISTING = "codes.json"
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Coding(Listed):
    """The codes of one collection: their file, how many candidates are taken for the ``DEPTH``
    best, and the recall that was measured with them."""

    candidates: int
    recall: float


class Codes:
    """The codes of one collection; positions count its vectors from 0."""

    def __init__(self, index: faiss.IndexPQFastScan, count: int) -> None:
        self._index, self._count = index, count

    def wanted(self, k: int) -> int:
        """How many candidates are to be scored for the ``k`` best."""
        return max(self._count, self._count * k // DEPTH)

    def candidates(
        self, queries: Vectors, count: int, bits: NDArray[np.uint8] | None = None
    ) -> Positions:
        """Up to ``count`` positions for each of ``queries`` [m, dimension], -1 for none.

        ``bits`` are those that count, a bit for each.
        """
        if bits is None:
            plain: Positions = self._index.search(queries, min(count, self._index.ntotal))[1]
            return plain
        # The scan knows no selection: it names more, and what does not count is dropped.
        counts = np.unpackbits(bits, count=self._index.ntotal, bitorder="little").astype(bool)
        more = min(int((~counts).sum()), count)
        named = self.candidates(queries, count + more)
        return np.where((named >= 0) & counts[named], named, -1)


def write_codes(
    folder: Path,
    vectors: Vectors,
    ranges: Mapping[str, tuple[int, int]],
    asked: Asked = never_asked,
) -> dict[str, Coding]:
    """Codes of those collections of ``vectors`` [n, dimension] that are large and whose recall is
    high enough with them; ``ranges`` gives each collection's [first, last)."""
    written: dict[str, Coding] = {}
    if vectors.shape[1] % TOGETHER:
        return written
    for number, (name, (first, last)) in enumerate(large(ranges).items()):
        path = folder / f"codes-{number}.faiss"
        coding = _write_one(path, np.ascontiguousarray(vectors[first:last]), asked(name))
        if coding is not None:
            written[name] = coding
    write_listing(folder / LISTING, written)
    return written


def read_codes(folder: Path, files: Collection[str]) -> dict[str, Codes]:
    """The codes of a segment by collection.

    Only ``files``, which were checked, are read. Raises ``OSError``, ``ValueError``, ``TypeError``
    or ``RuntimeError`` for damage.
    """
    found = read_listing(folder / LISTING, files, Coding)
    return {name: _opened(folder, coding) for name, coding in found.items()}


def _opened(folder: Path, coding: Coding) -> Codes:
    index = map_faiss(folder / coding.file)
    if not isinstance(index, faiss.IndexPQFastScan):
        raise ValueError(f"{coding.file} holds no codes")
    return Codes(index, coding.candidates)


def _write_one(path: Path, vectors: Vectors, asked: Vectors) -> Coding | None:
    index = _coded(vectors)
    kinds = sampled_queries(vectors, asked)
    best = [nearest(queries, vectors) for queries in kinds]
    for count in STEPS:
        codes = Codes(index, count)
        found = [codes.candidates(queries, count) for queries in kinds]
        recall = min(map(recall_of, found, best))
        if recall >= LEAST_RECALL:
            write_faiss(index, path)
            coding = Coding(path.name, count, round(recall, 5))
            logger.info("codes of %d vectors: %s", len(vectors), coding)
            return coding
    return None


def _coded(vectors: Vectors) -> faiss.IndexPQFastScan:
    dimension = vectors.shape[1]
    parts = dimension // TOGETHER
    index = faiss.IndexPQFastScan(dimension, parts, BITS, faiss.METRIC_INNER_PRODUCT)
    rng = np.random.default_rng(len(vectors))
    chosen = rng.choice(len(vectors), min(TAUGHT, len(vectors)), replace=False)
    index.train(vectors[np.sort(chosen)])
    index.add(vectors)
    return index
