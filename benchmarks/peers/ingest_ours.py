"""Countersign under the comparison of ingestion: jail, passages, screens, store and index."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np

from app.inference.embedder import MiniLMEmbedder
from app.ports import Vectors
from benchmarks.peers.ingest_talk import DIMENSION, Ingested, IngestTask, run
from benchmarks.pipeline import temporary_service
from countersign import __version__
from ingestion.formats.jail import SERVERS, extract_jailed
from ingestion.pipeline import pipeline_for

PROCESS_CLOCK = 2
"""Of another process (``clock_getcpuclockid``)."""


class SameVector:
    """In the embedder's place: one vector for all texts."""

    name, dimension = MiniLMEmbedder.name, DIMENSION

    def warm_up(self) -> None:
        """There is nothing to load."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Shape [len(texts), 384], unit length."""
        vectors = np.zeros((len(texts), DIMENSION), np.float32)
        vectors[:, 0] = 1.0
        return vectors


def prepare(task: IngestTask) -> Callable[[], Ingested]:
    """The ingestion of a service on a temporary store, with its models loaded."""
    stack = ExitStack()
    services, _ = stack.enter_context(temporary_service())
    services.screens.warm_up()
    if task.embedder is None:
        services = replace(services, embedder=SameVector())
    pipeline = pipeline_for(services)
    pipeline.warm_up()
    with NamedTemporaryFile(
        suffix=".html"
    ) as page:  # the readers' imports, as the peers have theirs
        page.write(b"<p>Nothing.</p>")
        page.flush()
        extract_jailed(Path(page.name), page.name)
    prepared = _cpu_s(SERVERS.current().process.pid)

    def ingest() -> Ingested:
        report = pipeline.ingest([Path(file) for file in task.files], "main")
        SERVERS.close()  # so that the CPU time of its children counts
        stages = {name: round(spent, 3) for name, spent in sorted(pipeline.spent.seconds.items())}
        stack.close()
        return Ingested(report.ingested, report.passages, stages, prepared)

    return ingest


def _cpu_s(pid: int) -> float:
    """What a process has used so far; 0 where the system has no such clock."""
    if sys.platform != "linux":
        return 0.0
    return time.clock_gettime(~pid << 3 | PROCESS_CLOCK)


if __name__ == "__main__":
    run(prepare, __version__)
