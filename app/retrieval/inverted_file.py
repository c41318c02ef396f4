"""Inverted files for large collections: a search looks at the lists nearest to the question, and
at as many of them as the measured recall asks for.

A list holds vectors in 8 bits a number (IVF with SQ8). What it names are candidates: whoever
searches scores them exactly, by the kept vectors.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from app.ports import Vectors
from app.retrieval.faiss_files import Listed, map_faiss, read_listing, write_faiss, write_listing

Positions = NDArray[np.int64]
EXACT_UP_TO = 50_000
"""Vectors of a collection that are searched exactly: see docs/decisions/0015-inverted-files.md."""
LEAST_RECALL, DEPTH = 0.99, 50
"""The share of the exact ``DEPTH`` best that must be found; fusion looks as deep."""
CANDIDATES, LEAST_CANDIDATES = 4, 100
"""How many candidates are scored for each hit that is wanted, and the fewest."""
Asked = Callable[[str], Vectors]
"""The vectors [m, dimension] of questions that a collection was asked; m may be 0."""
SAMPLED = 128
"""Passages, and questions, that recall is measured with."""
LEAST_ASKED = 64
"""Questions that were asked, from which on nobody guesses what questions are like."""
QUESTION_COSINE = 0.6
GUESSED_TIMES = 2
"""How many times as many lists are looked at where questions are guessed: real ones need up to 1.83
times as many as disturbed passages do (docs/decisions/0015-inverted-files.md)."""
MOST_PROBED = 0.2
"""The share of lists beyond which an exact search is the better one: a vector in 8 bits takes up to
three times the CPU of one that is read as it is."""
POINTS_A_LIST, ROUNDS = 64, 10
"""What k-means learns from, and for how long."""
LISTING = "inverted.json"
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Probing(Listed):
    """How the inverted file of one collection is searched, and the recall that was measured."""

    lists: int
    probes: int
    recall: float


class InvertedFile:
    """The lists of one collection; positions count its vectors from 0."""

    def __init__(self, index: faiss.IndexIVF, probes: int) -> None:
        self._index, self.probes = index, probes

    def wanted(self, k: int) -> int:
        """How many candidates are to be scored for the ``k`` best."""
        return max(LEAST_CANDIDATES, CANDIDATES * k)

    def candidates(
        self, queries: Vectors, count: int, bits: NDArray[np.uint8] | None = None
    ) -> Positions:
        """Up to ``count`` positions for each of ``queries`` [m, dimension], -1 for none.

        ``bits`` are those that count, a bit for each.
        """
        selector = None if bits is None else faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg,arg-type]
        parameters = faiss.SearchParametersIVF(nprobe=self.probes, sel=selector)  # type: ignore[call-arg]
        found: Positions = self._index.search(queries, count, params=parameters)[1]
        return found


def never_asked(_collection: str) -> Vectors:
    """No question at all, as ``Asked``."""
    return np.zeros((0, 0), dtype=np.float32)


def write_inverted(
    folder: Path,
    vectors: Vectors,
    ranges: Mapping[str, tuple[int, int]],
    asked: Asked = never_asked,
) -> dict[str, Probing]:
    """Inverted files of those collections of ``vectors`` [n, dimension] that are large and whose
    recall is high enough with them; ``ranges`` gives each collection's [first, last)."""
    written: dict[str, Probing] = {}
    for number, (name, (first, last)) in enumerate(large(ranges).items()):
        path = folder / f"inverted-{number}.faiss"
        probing = _write_one(path, vectors[first:last], asked(name))
        if probing is not None:
            written[name] = probing
    write_listing(folder / LISTING, written)
    return written


def large(ranges: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """Those collections of ``ranges`` that are too large to be searched exactly."""
    return {name: span for name, span in ranges.items() if span[1] - span[0] > EXACT_UP_TO}


def read_inverted(folder: Path, files: Collection[str]) -> dict[str, InvertedFile]:
    """The inverted files of a segment by collection, none of one that is searched exactly.

    Only ``files``, which were checked, are read. Raises ``OSError``, ``ValueError``, ``TypeError``
    or ``RuntimeError`` for damage.
    """
    found = read_listing(folder / LISTING, files, Probing)
    return {name: _opened(folder, probing) for name, probing in found.items()}


def _opened(folder: Path, probing: Probing) -> InvertedFile:
    index = map_faiss(folder / probing.file)
    if not isinstance(index, faiss.IndexIVF):
        raise ValueError(f"{probing.file} holds no lists")
    return InvertedFile(index, probing.probes)


def _write_one(path: Path, vectors: Vectors, asked: Vectors) -> Probing | None:
    index = _built(np.ascontiguousarray(vectors))
    times = GUESSED_TIMES if len(asked) < LEAST_ASKED else 1
    chosen = _chosen(index, vectors, sampled_queries(vectors, asked), times)
    if chosen is None:
        logger.info("%d vectors stay searched exactly", len(vectors))
        return None
    probing = Probing(path.name, index.nlist, *chosen)
    write_faiss(index, path)
    logger.info("inverted file of %d vectors: %s", len(vectors), probing)
    return probing


def _built(vectors: Vectors) -> faiss.IndexIVF:
    count, dimension = vectors.shape
    lists = int(count**0.5)
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimension),
        dimension,
        lists,
        faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
    )
    index.cp.spherical, index.cp.niter = True, ROUNDS
    index.cp.max_points_per_centroid = POINTS_A_LIST
    index.train(vectors)
    index.add(vectors)
    return index


def _chosen(
    index: faiss.IndexIVF, vectors: Vectors, kinds: Sequence[Vectors], times: int
) -> tuple[int, float] | None:
    """``times`` the fewest lists with enough recall for each of ``kinds`` of queries, and the
    recall of the fewest; None when too many were needed."""
    best = [nearest(queries, vectors) for queries in kinds]
    for probes in _steps(int(MOST_PROBED * index.nlist / times)):
        file = InvertedFile(index, probes)
        found = [file.candidates(queries, CANDIDATES * DEPTH) for queries in kinds]
        recall = min(map(recall_of, found, best))
        if recall >= LEAST_RECALL:
            return probes * times, round(recall, 4)
    return None


def sampled_queries(vectors: Vectors, asked: Vectors) -> tuple[Vectors, Vectors]:
    """Passages of ``vectors`` [n, dimension] as queries, and the questions that were ``asked``.

    Where those are few, the same passages disturbed stand for them: questions are further from
    what they ask for than passages are from each other.
    """
    rng = np.random.default_rng(len(vectors))
    chosen = vectors[np.sort(rng.choice(len(vectors), min(SAMPLED, len(vectors)), replace=False))]
    noise = _unit(rng.normal(size=chosen.shape).astype(np.float32))
    if len(asked) >= LEAST_ASKED:
        return chosen, asked[:SAMPLED]
    away = np.float32((1 - QUESTION_COSINE**2) ** 0.5)
    return chosen, _unit(np.float32(QUESTION_COSINE) * chosen + away * noise)


def recall_of(found: Positions, best: Positions) -> float:
    """The share of the ``best`` [m, k] that is among those ``found`` [m, any]."""
    pairs = zip(found, best, strict=True)
    return float(np.mean([np.isin(wanted, named).mean() for named, wanted in pairs]))


def nearest(queries: Vectors, vectors: Vectors) -> Positions:
    """The ``DEPTH`` best positions of ``vectors`` for each of ``queries``, compared with all."""
    best: Positions = faiss.knn(queries, vectors, DEPTH, metric=faiss.METRIC_INNER_PRODUCT)[1]
    return best


def _steps(most: int) -> Iterator[int]:
    probes = 1
    while probes <= most:
        yield probes
        probes = max(probes + 1, int(probes * 1.25))


def _unit(vectors: Vectors) -> Vectors:
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
