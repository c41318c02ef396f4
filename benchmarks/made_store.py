"""A store of any size made within a minute: real documents, and passages made of theirs."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.corpus.passages import IndexedPassage, NewPassage
from app.ports import Vectors
from app.wiring import Services
from ingestion.pipeline import pipeline_for
from ingestion.sources import find_files

PER_DOCUMENT = 500
WORD = re.compile(r"([A-Za-z]{4,})")
REPLACED = 0.5
"""Share of the longer words that are others in a made passage."""
LIKENESS = 0.55
"""Cosine of a made passage with the one it was made of: found beside it, and seldom before it."""
SEED = 5
Words = NDArray[np.str_]


def make_store(services: Services, documents: Path, passages: int) -> int:
    """Ingest ``documents``, add made passages up to ``passages``, and index all; returns how many
    there are. Half of the longer words of a made passage are other words of the documents, so that
    both searches and the reader have as much to do as with real ones."""
    pipeline = pipeline_for(services)
    pipeline.ingest(find_files([documents]), "main")
    real = list(services.corpus.passages.indexable(services.embedder.name))
    rng = np.random.default_rng(SEED)
    words = np.array([word for one in real for word in WORD.findall(one.text)])
    for first in range(len(real), passages, PER_DOCUMENT):
        count = min(PER_DOCUMENT, passages - first)
        _store(services, f"made-{first:07}.txt", _made(real, words, rng, count))
    if passages > len(real):
        pipeline.index.build_and_promote()
    return max(passages, len(real))


def _made(
    real: Sequence[IndexedPassage], words: Words, rng: np.random.Generator, count: int
) -> list[NewPassage]:
    """So many passages, each after a real one that is drawn."""
    chosen = [real[place] for place in rng.integers(len(real), size=count)]
    vectors = _near(np.stack([one.embedding for one in chosen]), rng)
    texts = [_reworded(one.text, words, rng) for one in chosen]
    pairs = zip(texts, vectors, strict=True)
    return [NewPassage(text, 0, len(text), None, vector) for text, vector in pairs]


def _reworded(text: str, words: Words, rng: np.random.Generator) -> str:
    pieces = WORD.split(text)  # every second one is a word
    drawn = rng.choice(words, size=len(pieces) // 2)
    for place in np.flatnonzero(rng.random(len(drawn)) < REPLACED):
        pieces[2 * place + 1] = str(drawn[place])
    return "".join(pieces)


def _near(vectors: Vectors, rng: np.random.Generator) -> Vectors:
    """Unit vectors [n, dimension] at ``LIKENESS`` to the given ones, in drawn directions."""
    noise = rng.normal(size=vectors.shape).astype(np.float32)
    noise -= (noise * vectors).sum(axis=1, keepdims=True) * vectors
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    near: Vectors = np.float32(LIKENESS) * vectors + np.float32((1 - LIKENESS**2) ** 0.5) * noise
    return near


def _store(services: Services, source: str, passages: Sequence[NewPassage]) -> None:
    digest = hashlib.sha256(source.encode()).hexdigest()
    added = services.corpus.documents.add("main", source, f"/made/{source}", digest)
    services.corpus.documents.save(
        added.document_id,
        digest,
        title=source,
        media_type="text/plain",
        embedder=services.embedder.name,
        passages=passages,
    )
