"""sentence-transformers' own way to embed many texts: vectors into a file, one line of figures."""

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers.ingest_talk import Ingested, IngestTask, TimedEmbedder, run


def prepare(task: IngestTask) -> Callable[[], Ingested]:
    """The only file of the task holds the texts; its neighbour ``.npy`` is written."""
    import numpy as np

    path = Path(task.files[0])
    texts = json.loads(path.read_text("utf-8"))
    embedder = TimedEmbedder(task.embedder)
    embedder.embed(["warm"])

    def embed() -> Ingested:
        np.save(path.with_suffix(".npy"), np.array(embedder.embed(texts), np.float32))
        return Ingested(len(texts), len(texts), {})

    return embed


if __name__ == "__main__":
    run(prepare, version("sentence-transformers"))
