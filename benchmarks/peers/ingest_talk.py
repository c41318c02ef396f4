"""How a system under comparison ingests: a process with files, a model and one line of figures.

It runs in any environment, and imports nothing of ours.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PASSAGE_WORDS, PASSAGE_TOKENS = 120, 160
"""What our own passages are cut to, in words and in tokens."""


@dataclass(frozen=True)
class IngestTask:
    """The files to ingest, and the folder of the embedder in sentence-transformers' form; None:
    all vectors are the same, so that only the rest is measured."""

    files: Sequence[str]
    embedder: str | None


@dataclass
class Ingested:
    """What came of them: those that can be searched now, and seconds by stage.

    ``prepared_cpu_s`` is what a process that is waited for at the end used before the clock ran.
    """

    documents: int
    passages: int
    stages: dict[str, float]
    prepared_cpu_s: float = 0.0


DIMENSION = 384


class TimedEmbedder:
    """sentence-transformers on the CPU, and the seconds it took; unit vectors."""

    def __init__(self, folder: str | None) -> None:
        self.seconds = 0.0
        self._model: Any = None
        if folder is not None:
            from sentence_transformers import SentenceTransformer

            self._model = SentenceTransformer(folder, device="cpu", local_files_only=True)

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text, with the library's own batches and order."""
        if self._model is None:
            return [[1.0, *[0.0] * (DIMENSION - 1)] for _ in texts]
        began = time.perf_counter()
        vectors = self._model.encode(
            list(texts), normalize_embeddings=True, show_progress_bar=False
        )
        self.seconds += time.perf_counter() - began
        found: list[list[float]] = vectors.tolist()
        return found


def run(prepare: Callable[[IngestTask], Callable[[], Ingested]], version: str) -> None:
    """Prepare outside of the time that counts, ingest, and print the figures."""
    out, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no figure
    told = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    ingest = prepare(IngestTask(told["files"], told["embedder"]))
    began, cpu = time.perf_counter(), _cpu()
    found = ingest()
    figures: dict[str, Any] = {
        "version": version,
        "documents": found.documents,
        "passages": found.passages,
        "stages": found.stages,
        "seconds": time.perf_counter() - began,
        "cpu_s": _cpu() - cpu - found.prepared_cpu_s,
        "peak_rss_mb": _peak_mb(),
    }
    print(json.dumps(figures), file=out, flush=True)


def _cpu() -> float:
    """Of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _peak_mb() -> float:
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(kilobytes / (1024**2 if sys.platform == "darwin" else 1024), 1)
