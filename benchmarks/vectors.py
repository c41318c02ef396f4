"""Vector search at several sizes: exact and through inverted files, on clustered vectors."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.ports import Vectors
from app.retrieval import inverted_file
from app.retrieval.entries import Entry
from app.retrieval.inverted_file import DEPTH
from app.retrieval.segment import Segment, write_segment
from app.retrieval.vector import Mask
from benchmarks.machine import took_ms

COLLECTION, DIMENSION, BLOCK = "made", 384, 50_000
PER_DOCUMENT, PER_TOPIC = 20, 1_000
"""Passages of a document, and of a topic."""
TOPIC, DOCUMENT, QUESTION = 0.45, 0.72, 0.65
"""Cosines of passages of one topic, of one document, and of a question and its passage."""
DECAY = 0.35
"""The spread of dimension i is that of the first by (i + 1) to the minus of this."""
STREAMED_BYTES = 1 << 28
QUESTIONS = 200


class Clustered:
    """Unit vectors of made passages: a topic's direction, a document's, and the passage's own,
    each of them normal with a spread that falls by dimension."""

    def __init__(self, count: int, dimension: int = DIMENSION, seed: int = 3) -> None:
        self._rng = np.random.default_rng(seed)
        self._spread = (np.arange(dimension) + 1.0).astype(np.float32) ** np.float32(-DECAY)
        self._topics = self._directions(max(1, count // PER_TOPIC))
        self._count = count

    def passages(self, path: Path) -> Vectors:
        """Shape [count, dimension], kept in a file: documents after each other, each of a topic at
        random."""
        shape = self._count, self._spread.size
        vectors: Vectors = np.lib.format.open_memmap(path, "w+", np.dtype(np.float32), shape)
        for first in range(0, self._count, BLOCK):
            part = vectors[first : first + BLOCK]
            documents = -(-len(part) // PER_DOCUMENT)
            topic = self._topics[self._rng.integers(len(self._topics), size=documents)]
            document = self._near(topic, (TOPIC / DOCUMENT) ** 0.5)
            part[:] = self._near(
                np.repeat(document, PER_DOCUMENT, axis=0)[: len(part)], DOCUMENT**0.5
            )
        return vectors

    def questions(self, vectors: Vectors, count: int) -> Vectors:
        """Shape [count, dimension]: each about a passage at random."""
        return self._near(vectors[self._rng.integers(len(vectors), size=count)], QUESTION)

    def _near(self, directions: Vectors, cosine: float) -> Vectors:
        away = self._directions(len(directions))
        return _unit(cosine * directions + (1 - cosine**2) ** 0.5 * away)

    def _directions(self, count: int) -> Vectors:
        drawn = self._rng.standard_normal((count, self._spread.size), dtype=np.float32)
        return _unit(drawn * self._spread)


def measure_vectors(sizes: Sequence[int]) -> dict[str, Any]:
    """Latency, recall and bytes of each size, and how fast this machine reads memory.

    ``ms`` are percentiles 50, 95 and 99 of the wall clock; ``cpu_ms``, the median of CPU time, is
    changed less by whatever else the machine does.
    """
    figures = {str(size): _measured(size, QUESTIONS) for size in sizes}
    return {"questions": QUESTIONS, "memory_gb_s": memory_gb_s(), "sizes": figures}


def _measured(size: int, questions: int) -> dict[str, Any]:
    made = Clustered(size)
    entries = [Entry(f"p{n}", f"d{n // PER_DOCUMENT}", COLLECTION) for n in range(size)]
    with tempfile.TemporaryDirectory(prefix="countersign-vectors-") as name:
        vectors = made.passages(Path(name) / "made.npy")
        asked = made.questions(vectors, questions)
        folders = {way: Path(name) / way for way in ("exact", "inverted")}
        seconds = {way: _write(folders[way], entries, vectors, way) for way in folders}
        figures: dict[str, Any] = {
            way: {"build_s": round(seconds[way], 1), "disk_bytes_a_vector": _size(folder) // size}
            for way, folder in folders.items()
        }
        if not (folders["inverted"] / inverted_file.LISTING).exists():
            figures["inverted"]["refused"] = "the recall asked for was not reached"
        return _searched(folders, asked, figures)


def _write(folder: Path, entries: Sequence[Entry], vectors: Vectors, way: str) -> float:
    """Seconds that it took; ``way`` is ``exact`` or ``inverted``, whatever the size."""
    folder.mkdir()
    kept = inverted_file.EXACT_UP_TO
    inverted_file.EXACT_UP_TO = len(vectors) if way == "exact" else 0
    try:
        began = time.perf_counter()
        write_segment(folder, entries, vectors)
        return time.perf_counter() - began
    finally:
        inverted_file.EXACT_UP_TO = kept


def _searched(folders: dict[str, Path], asked: Vectors, figures: dict[str, Any]) -> dict[str, Any]:
    """The ways take turns, so that load on the machine meets both alike."""
    segments = {}
    for way, folder in folders.items():
        before = _resident()
        segments[way] = Segment(folder, [path.name for path in folder.iterdir()], "cpu")
        figures[way]["memory_mb"] = round((_resident() - before) / 1e6)
    mask = Mask(len(segments["exact"]), np.array([], dtype=np.int64))
    took: dict[str, list[float]] = {way: [] for way in segments}
    spent: dict[str, list[float]] = {way: [] for way in segments}
    shares = []
    for query in asked:
        found = {}
        for way, segment in segments.items():
            began, cpu = time.perf_counter(), time.process_time()
            hits = segment.search(query, [COLLECTION], DEPTH, mask)
            took[way].append((time.perf_counter() - began) * 1000)
            spent[way].append((time.process_time() - cpu) * 1000)
            found[way] = {position for position, _ in hits}
        shares.append(len(found["inverted"] & found["exact"]) / len(found["exact"]))
    for way, times in took.items():
        figures[way]["ms"] = [round(float(np.percentile(times, at)), 2) for at in (50, 95, 99)]
        figures[way]["cpu_ms"] = round(float(np.median(spent[way])), 2)
    figures["recall"] = round(float(np.mean(shares)), 4)
    return figures


def memory_gb_s() -> float:
    """How fast this machine reads memory, in one thread."""
    block = np.ones(STREAMED_BYTES // 4, dtype=np.float32)
    return round(
        STREAMED_BYTES / min(took_ms(lambda: float(np.max(block))) for _ in range(3)) / 1e6, 1
    )


def _resident() -> int:
    """Bytes of this process that are no file's."""
    found = [line.split() for line in Path("/proc/self/status").read_text("ascii").splitlines()]
    return next(int(words[1]) for words in found if words[0] == "RssAnon:") * 1024


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _unit(vectors: Vectors) -> Vectors:
    unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit
