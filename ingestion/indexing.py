"""Build an index version from the stored passages, verify it, and promote it atomically."""

import shutil
from functools import partial
from pathlib import Path

import numpy as np

from app.corpus.corpus import Corpus
from app.corpus.leases import renewed
from app.corpus.passages import IndexedPassage
from app.errors import Conflict, DependencyFailed, StorageFull, from_os_error
from app.ports import Vectors
from app.retrieval.passage_index import Entry, PassageIndex, read_entries, write_index

CANARIES = 32
"""Vectors whose nearest neighbours are compared with an exact search before promotion."""
FULL_DISK_WORDS = ("no space left", "file too large", "quota exceeded")


def build_index(corpus: Corpus, embedder: str, index_dir: Path, *, device: str = "auto") -> str:
    """Build and verify a new version of everything ready; returns its id, not yet live.

    Raises ``Conflict`` when nothing is ready, ``StorageFull`` or ``DependencyFailed`` when the
    folder cannot be written; the live version is untouched then, and nothing is left behind.
    """
    version_id = corpus.versions.create(embedder)
    folder = index_dir / version_id
    try:
        with renewed(partial(corpus.versions.renew, version_id)):
            passages = list(corpus.passages.indexable(embedder))
            if not passages:
                raise Conflict("There is nothing to index: no document is ready.")
            vectors = np.stack([passage.embedding for passage in passages])
            digest = _write(folder, passages, vectors, embedder)
            _verify(PassageIndex(folder, device), vectors)
        corpus.versions.mark_verified(version_id, passages, digest)
    except BaseException:
        if corpus.versions.mark_failed(version_id):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return version_id


def build_and_promote(
    corpus: Corpus, embedder: str, index_dir: Path, *, keep: int, device: str = "auto"
) -> str:
    """Build a version, make it live unless a newer one already is, and drop old ones."""
    version_id = build_index(corpus, embedder, index_dir, device=device)
    corpus.versions.promote(version_id, over_newer=False)
    forget_old(corpus, index_dir, keep)
    return version_id


def forget_old(corpus: Corpus, index_dir: Path, keep: int) -> None:
    """Remove index versions beyond ``keep``, what dead builders left, and superseded passages
    that nobody can need again.

    A version is set aside before its folder goes, and forgotten after: a crash in between leaves
    nothing that the next run does not find.
    """
    corpus.versions.give_up_abandoned()
    failed = corpus.versions.set_aside(keep)
    for version_id in failed:
        shutil.rmtree(index_dir / version_id, ignore_errors=True)
    corpus.versions.forget(failed, keep)
    kept = [index_dir / version.version_id for version in corpus.versions.all()]
    try:
        needed = {
            entry.passage_id
            for folder in kept
            if (folder / "manifest.json").exists()
            for entry in read_entries(folder)
        }
    except (OSError, ValueError, TypeError):
        return  # a damaged version cannot say what it needs: keep everything
    corpus.passages.purge(needed)


def _write(folder: Path, passages: list[IndexedPassage], vectors: Vectors, embedder: str) -> str:
    entries = [Entry(p.id, p.document_id, p.collection) for p in passages]
    try:
        return write_index(
            folder, entries, [(p.place, p.text) for p in passages], vectors, embedder
        )
    except OSError as error:
        raise from_os_error(error) from error
    except (ValueError, RuntimeError) as error:  # how tantivy reports a failed write
        if any(words in str(error).lower() for words in FULL_DISK_WORDS):
            raise StorageFull from error
        raise DependencyFailed("The lexical index could not be written.") from error


def _verify(index: PassageIndex, vectors: Vectors) -> None:
    """Counts, and recall of a few canaries against exact search in NumPy."""
    if len(index) != len(vectors):
        raise DependencyFailed("The new index misses passages.")
    everywhere = sorted({entry.collection for entry in index.entries})
    for position in np.linspace(0, len(vectors) - 1, min(CANARIES, len(vectors)), dtype=int):
        query = vectors[position]
        best = float((vectors @ query).max())
        found = index.dense(query, everywhere, 1)
        if not found or found[0][1] < best - 1e-3:
            raise DependencyFailed("The new index does not find what it holds.")
