"""Index versions on a made corpus: time of builds, of one document's way in, and of searches."""

import hashlib
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.corpus.corpus import Corpus
from app.corpus.passages import NewPassage
from app.db import Database, migrate
from app.ports import Vectors
from app.retrieval.live_index import LiveIndex
from app.retrieval.passage_index import FUSION_DEPTH, PassageIndex
from benchmarks.machine import took_ms
from benchmarks.vectors import memory_gb_s
from ingestion.indexing import IndexBuilder

COLLECTION, EMBEDDER, DIMENSION = "made", "made", 384
PER_DOCUMENT, WORDS, VOCABULARY = 20, 90, 30_000
QUESTIONS, CHANGES = 200, 10
SYLLABLES = [f"{first}{second}" for first in "bcdfghjklmnprtvw" for second in "aou"]


@dataclass
class Made:
    """A corpus of passages of random words, common ones often, with random unit vectors."""

    corpus: Corpus
    rng: np.random.Generator

    def passages(self, count: int) -> list[NewPassage]:
        texts = [spelled(row) for row in self.words((count, WORDS))]
        pairs = zip(texts, self.vectors(count), strict=True)
        return [NewPassage(text, 0, len(text), None, vector) for text, vector in pairs]

    def words(self, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """By Zipf's law."""
        drawn: NDArray[np.int64] = self.rng.zipf(1.2, shape) % VOCABULARY
        return drawn

    def vectors(self, count: int) -> Vectors:
        drawn = self.rng.normal(size=(count, DIMENSION)).astype(np.float32)
        unit: Vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
        return unit

    def store(self, source: str, count: int = PER_DOCUMENT) -> str:
        """Make a document ready; the same source again is a new revision."""
        passages = self.passages(count)
        digest = hashlib.sha256(passages[0].text.encode()).hexdigest()
        added = self.corpus.documents.add(COLLECTION, source, f"/made/{source}", digest)
        self.corpus.documents.save(
            added.document_id,
            digest,
            title=source,
            media_type="text/plain",
            embedder=EMBEDDER,
            passages=passages,
        )
        return added.document_id


def measure_index(passages: int) -> dict[str, Any]:
    """All figures of one corpus of so many passages, on SQLite; times are of the wall clock.

    ``live_ms`` is from a document that is ready until a search finds it so: one that was added,
    one that was changed, and one that was deleted, where nothing need be indexed. ``live_cpu_ms``
    is what the first takes of the CPU, whoever else uses it.
    """
    with tempfile.TemporaryDirectory(prefix="countersign-index-") as name:
        database = Database(f"sqlite:///{Path(name) / 'index.db'}")
        try:
            migrate(database)
            return _measured(Made(Corpus(database), np.random.default_rng(3)), Path(name), passages)
        finally:
            database.close()


def _measured(made: Made, folder: Path, passages: int) -> dict[str, Any]:
    corpus, index_dir = made.corpus, folder / "index"
    for number in range(passages // PER_DOCUMENT):
        made.store(f"{number}.txt")
    live = LiveIndex(corpus, EMBEDDER, index_dir, "cpu")
    builder = IndexBuilder(
        corpus, EMBEDDER, index_dir, keep=3, hours=24, device="cpu", live_index=live
    )
    begun, cpu = time.perf_counter(), time.process_time()
    built = builder.build_and_promote()
    figures: dict[str, Any] = {
        "passages": passages,
        "build_s": round(time.perf_counter() - begun, 2),
        "build_cpu_s": round(time.process_time() - cpu, 2),
        "bytes_a_passage": round(_size(index_dir / built) / passages),
        "load_ms": round(took_ms(lambda: PassageIndex(index_dir / built, "cpu")), 1),
        "memory_gb_s": memory_gb_s(),
    }
    figures |= _searched(made, live, "built")
    figures["live_ms"] = _changed(made, builder, live)
    figures["live_cpu_ms"] = figures["live_ms"].pop("cpu")
    figures["rollback_ms"] = round(took_ms(corpus.versions.rollback), 1)
    figures["promote_ms"] = round(
        took_ms(lambda: corpus.versions.promote(corpus.versions.all()[0].version_id)), 1
    )
    return figures | _searched(made, live, "extended") | _compared(made, builder, live)


def _changed(made: Made, builder: IndexBuilder, live: LiveIndex) -> dict[str, float]:
    """Milliseconds until a change counts, the median of some, by kind of change."""
    took: dict[str, list[float]] = {"added": [], "changed": [], "deleted": [], "cpu": []}

    def indexed() -> None:
        builder.update()
        live.current()

    for number in range(CHANGES):
        made.store(f"added-{number}.txt")
        cpu = time.process_time()
        took["added"].append(took_ms(indexed))
        took["cpu"].append((time.process_time() - cpu) * 1000)
        made.store(f"{number}.txt")
        took["changed"].append(took_ms(indexed))
        gone = made.store(f"{number + CHANGES}.txt")
        indexed()
        took["deleted"].append(took_ms(lambda gone=gone: made.corpus.documents.delete(gone)))  # type: ignore[misc]
    return {kind: round(float(np.median(times)), 1) for kind, times in took.items()}


def _searched(made: Made, live: LiveIndex, which: str) -> dict[str, Any]:
    index, deleted = live.current()
    dense, lexical = [], []
    for question, vector in made_questions(made):
        dense.append(
            took_ms(lambda v=vector: index.index.dense(v, [COLLECTION], FUSION_DEPTH, deleted))  # type: ignore[misc]
        )
        lexical.append(
            took_ms(lambda q=question: index.index.lexical(q, [COLLECTION], FUSION_DEPTH, deleted))  # type: ignore[misc]
        )
    times = {"dense": dense, "lexical": lexical}
    figures: dict[str, Any] = {
        f"{which}_{kind}_ms": [round(float(np.percentile(ms, at)), 2) for at in (50, 95)]
        for kind, ms in times.items()
    }
    scanned = len(index.index) * DIMENSION * 4
    figures[f"{which}_scan_gb_s"] = round(scanned / np.median(dense) / 1e6, 1)
    return figures | {f"{which}_segments": len(index.index.segments)}


def _compared(made: Made, builder: IndexBuilder, live: LiveIndex) -> dict[str, Any]:
    """How often the first ten hits of each search are those of a fresh build."""
    ours, deleted = live.current()
    fresh_id = builder.build()
    figures = {"n": QUESTIONS, "dense_as_built": 0, "lexical_as_built": 0}
    fresh = PassageIndex(builder.folder / fresh_id, "cpu")
    for question, vector in made_questions(made):
        found = [_hits(ours.index, question, vector, deleted), _hits(fresh, question, vector, ())]
        for kind in ("dense", "lexical"):
            figures[f"{kind}_as_built"] += found[0][kind] == found[1][kind]
    return figures


def _hits(
    index: PassageIndex, question: str, vector: Vectors, deleted: Sequence[str]
) -> dict[str, list[str]]:
    rankings = {
        "dense": index.dense(vector, [COLLECTION], 10, deleted),
        "lexical": index.lexical(question, [COLLECTION], 10, deleted),
    }
    return {
        kind: [index.entry(position).passage_id for position, _ in ranking]
        for kind, ranking in rankings.items()
    }


def spelled(words: Iterable[int]) -> str:
    """Words of three syllables: with digits they would be codes, which are looked for otherwise."""
    base = len(SYLLABLES)
    places = [(number // base**2, number // base % base, number % base) for number in words]
    return " ".join("".join(SYLLABLES[one] for one in place) for place in places)


def made_questions(made: Made, count: int = QUESTIONS) -> list[tuple[str, Vectors]]:
    """Questions of random words, with random vectors."""
    words = made.words((count, 8))
    return [(spelled(row), vector) for row, vector in zip(words, made.vectors(count), strict=True)]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
