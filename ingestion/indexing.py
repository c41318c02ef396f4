"""Index versions from the stored passages: built in full, or extended by what changed; verified,
and promoted atomically."""

import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from app.corpus.corpus import Corpus
from app.corpus.leases import renewed
from app.corpus.passages import IndexedPassage
from app.corpus.versions import Extension, IndexVersion
from app.db import Database
from app.errors import Conflict, CountersignError, DependencyFailed, StorageFull, from_os_error
from app.ports import Embedder, Vectors
from app.records.asked import asked_of
from app.retrieval.entries import Entry, read_entries
from app.retrieval.inverted_file import SAMPLED, Asked, never_asked
from app.retrieval.live_index import LiveIndex
from app.retrieval.passage_index import (
    MANIFEST,
    FileKey,
    PassageIndex,
    extend_index,
    listed_in,
    write_index,
)
from app.retrieval.vector import MAX_GPU_K, best_products

CANARIES = 32
"""Vectors whose nearest neighbours are compared with an exact search before promotion."""
FULL_DISK_WORDS = ("no space left", "file too large", "quota exceeded")
REBUILT_BELOW = 1_000
"""Passages: fewer are indexed anew within a second, and word frequencies are exact then."""
APART_FROM = 5_000
"""Passages of the live version from which a full build takes a process of its own: below, starting
one costs more."""
FOLD_SHARE, FOLD_LEAST = 0.05, 64
"""The share of a full build's passages, and the number, beyond which changes are folded in."""
FOLD_AFTER_S, FOLD_AFTER_PASSAGE_S = 600.0, 0.01
"""How old a full build may become beneath changes, and more for each of its passages: what was
removed leaves the files then, at a cost of about a fortieth of one core."""
MOST_SEGMENTS = 32
MOST_CHANGED = 0.2
"""The share of a full build's passages beyond which a version is a full build at once."""
TRIES = 3
"""Another process may promote a version meanwhile."""
REST_S = 20.0
"""After a build that failed, no thread tries at once; nor is a mended version mended at once."""


def asked_vectors(database: Database, embedder: Callable[[], Embedder], collection: str) -> Vectors:
    """The vectors [m, dimension] of the newest questions that ``collection`` was asked.

    ``embedder`` is called only where there are any: a process that builds has none loaded.
    """
    with database.reading() as session:
        questions = asked_of(session, collection, SAMPLED)
    return embedder().embed(questions) if questions else never_asked(collection)


class IndexBuilder:
    """Makes index versions of one corpus for one embedder, in one folder.

    ``keep`` and ``hours`` say which versions stay for a rollback. ``live_index`` is what answers
    in this process: it shares what it has loaded, and is told of each index before it goes live.
    """

    def __init__(
        self,
        corpus: Corpus,
        embedder: str,
        folder: Path,
        *,
        keep: int,
        hours: int = 0,
        device: str = "auto",
        live_index: LiveIndex | None = None,
    ) -> None:
        self._corpus, self._embedder, self.folder = corpus, embedder, folder
        self._keep, self._hours, self._device = keep, hours, device
        self._live_index = live_index
        self.apart: Callable[[str], Mapping[FileKey, str]] | None = None
        """Calls ``write`` in another process, where questions are answered meanwhile; returns the
        hashes of the files that it has checked."""
        self.asked: Asked = never_asked
        """Gives the vectors of the questions that a collection was asked: how a large one is
        searched is chosen with them."""
        self._promoting = threading.Lock()
        self._rests_until = self._mends_from = 0.0
        self.rebuilt_below = REBUILT_BELOW

    def build(self) -> str:
        """Build and verify a new version of everything ready; returns its id, not yet live.

        Raises ``Conflict`` when nothing is ready, ``StorageFull`` or ``DependencyFailed`` when
        the folder cannot be written; the live version is untouched then, and nothing is left
        behind.
        """
        with self._building() as version_id:
            live = self._corpus.versions.live()
            if self.apart is None or live is None or live.passages < APART_FROM:
                index = self.write(version_id)
            else:
                checked = self.apart(version_id)
                digest = self._corpus.versions.get(version_id).manifest_sha256
                folder = self.folder / version_id
                index = PassageIndex(folder, self._device, digest, checked=checked)
        self._tell(version_id, index)
        return version_id

    def write(self, version_id: str) -> PassageIndex:
        """Write and verify everything ready as this version, which is being built; errors as of
        ``build``, and what was written is left then."""
        passages = list(self._corpus.passages.indexable(self._embedder))
        if not passages:
            raise Conflict("There is nothing to index: no document is ready.")
        vectors, folder = _vectors(passages), self.folder / version_id
        with _disk_errors():
            entries, texts = _entries(passages), _texts(passages)
            digest = write_index(folder, entries, texts, vectors, self._embedder, self.asked)
        index = PassageIndex(folder, self._device)
        _verify(index, vectors, len(vectors))
        self._corpus.versions.mark_verified(version_id, passages, digest)
        return index

    def build_and_promote(self) -> str:
        """Build a version, make it live unless a newer one already is, and drop old ones."""
        version_id = self.build()
        self._corpus.versions.promote(version_id, over_newer=False)
        self.forget_old()
        return version_id

    def update(self, most: float = MOST_CHANGED) -> str:
        """Make live what changed since the live version, and drop old ones; returns its id.

        That is a version that extends the live one, or a full build where more than the share
        ``most`` of its passages changed, or it is small or damaged. Errors as of ``build``.
        """
        with self._promoting:
            return self._update(most)

    def update_if_needed(self) -> str | None:
        """``update``, unless another thread has just done it, or has just failed to."""
        with self._promoting:
            if time.monotonic() < self._rests_until or not self._corpus.versions.unindexed():
                return None
            with self._resting():
                return self._update(MOST_CHANGED)

    def mend(self, is_damaged: Callable[[], bool]) -> str | None:
        """Build in full in the place of a damaged version, unless another thread has just done so,
        or that was just tried: a build that does not help must not follow the one before."""
        with self._promoting:
            resting = time.monotonic() < max(self._rests_until, self._mends_from)
            if resting or not is_damaged():
                return None
            with self._resting():
                version_id = self.build_and_promote()
            self._mends_from = time.monotonic() + REST_S
            return version_id

    @contextmanager
    def _resting(self) -> Iterator[None]:
        """After a build that failed, whatever it was for, none begins at once."""
        try:
            yield
        except CountersignError:
            self._rests_until = time.monotonic() + REST_S
            raise

    def _update(self, most: float) -> str:
        versions = self._corpus.versions
        for _ in range(TRIES):
            live = versions.live()
            version_id = self._extend(live, most) if live is not None else None
            if live is None or version_id is None:
                break
            if versions.promote(version_id, instead_of=live.id):
                self._drop_old()
                return version_id
            self._discard(version_id)
        return self.build_and_promote()

    def fold_is_due(self) -> bool:
        """Whether the live version extends a full build by so much that a new one is due.

        After a rollback it is not: a new build would hold again what was set aside.
        """
        live = self._corpus.versions.live()
        if live is None or live.base_id is None or self._corpus.versions.rolled_back():
            return False
        index = self._open(live)
        if index is None:
            return False
        late = FOLD_AFTER_S + FOLD_AFTER_PASSAGE_S * len(index.segments[0])
        return (
            index.changed > _allowed(index, FOLD_SHARE)
            or len(index.segments) > MOST_SEGMENTS
            or self._corpus.versions.age_s(live.base_id) > late
        )

    def fold(self) -> str | None:
        """Build in full, take up what changed meanwhile, and make that live in the place of the
        version that extends an older build.

        None when somebody promoted a version of another build meanwhile, or went back.
        """
        before = self._corpus.versions.live()
        built = self._corpus.versions.get(self.build())
        with self._promoting:
            for _ in range(TRIES):
                live = self._corpus.versions.live()
                if before is None or live is None or not _follows(live, before):
                    break
                version_id = self._brought_up_to_date(built)
                if self._corpus.versions.promote(version_id, instead_of=live.id):
                    self.forget_old()
                    return version_id
                if version_id != built.id:
                    self._discard(version_id)
        self._discard(built.id)
        return None

    def forget_old(self, *, passages: bool = True) -> None:
        """Remove index versions beyond those that are kept, what dead builders left, and
        superseded ``passages`` that nobody can need again."""
        self._drop_old()
        if not passages or not (superseded := self._corpus.passages.superseded()):
            return
        kept = [self.folder / version.version_id for version in self._corpus.versions.all()]
        try:
            parts = [part for one in kept if (one / MANIFEST).exists() for part in listed_in(one)]
            # Versions share segments, which are told by their files.
            segments = {_identity(folder, files): (folder, files) for folder, files in parts}
            for folder, files in segments.values():
                superseded -= read_entries(folder, files).naming(superseded)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return  # a damaged version cannot say what it needs: keep everything
        self._corpus.passages.purge(superseded)

    def _brought_up_to_date(self, built: IndexVersion) -> str:
        if not self._corpus.documents.changed_since(built.number):
            return built.id
        return self._extend(built, MOST_CHANGED) or self.build()

    def _extend(self, version: IndexVersion, most: float) -> str | None:
        """A verified version that holds what ``version`` does, brought up to date; None when a
        full build is better."""
        base = self._open(version)
        if base is None or len(base) < self.rebuilt_below:
            return None
        changed = self._corpus.documents.changed_since(version.number)
        replaced = [document for document in changed if base.positions_of([document])]
        gone = len(base.positions_of(replaced))
        if base.changed + gone + self._corpus.passages.count([*changed]) > _allowed(base, most):
            return None
        with self._building(version.family) as version_id:
            passages = self._corpus.passages.indexable_of(self._embedder, [*changed])
            vectors, folder = _vectors(passages), self.folder / version_id
            with _disk_errors():
                entries, texts = _entries(passages), _texts(passages)
                digest = extend_index(folder, base, replaced, entries, texts, vectors)
            index = PassageIndex(folder, self._device, digest, base)
            _verify(index, vectors, len(base) - gone + len(passages))
            extension = Extension(version, {name: changed[name] for name in replaced})
            noted = self._corpus.versions.mark_verified
            noted(version_id, passages, digest, extension, len(index))
        self._tell(version_id, index)
        return version_id

    def _open(self, version: IndexVersion) -> PassageIndex | None:
        """The version in memory, or read; None when it is damaged, or of another embedder."""
        if version.embedder != self._embedder:
            return None
        loaded = self._live_index.loaded if self._live_index else None
        folder = self.folder / version.id
        if loaded is not None and loaded.folder == folder:
            return loaded
        try:
            return PassageIndex(folder, self._device, version.manifest_sha256, loaded)
        except DependencyFailed:
            return None

    def _tell(self, version_id: str, index: PassageIndex) -> None:
        if self._live_index is not None:
            self._live_index.expect(version_id, index)

    @contextmanager
    def _building(self, base_id: str | None = None) -> Iterator[str]:
        """The id of a new version while it is built; on an error nothing of it stays."""
        version_id = self._corpus.versions.create(self._embedder, base_id)
        try:
            with renewed(partial(self._corpus.versions.renew, version_id)):
                yield version_id
        except BaseException:
            self._discard(version_id)
            raise

    def _discard(self, version_id: str) -> None:
        if self._corpus.versions.mark_failed(version_id):
            shutil.rmtree(self.folder / version_id, ignore_errors=True)

    def _drop_old(self) -> None:
        """A version is set aside before its folder goes, and forgotten after: a crash in between
        leaves nothing that the next run does not find."""
        self._corpus.versions.give_up_abandoned()
        failed = self._corpus.versions.set_aside(self._keep, self._hours)
        for version_id in failed:
            shutil.rmtree(self.folder / version_id, ignore_errors=True)
        self._corpus.versions.forget(failed, self._keep)


def _identity(folder: Path, files: Collection[str]) -> frozenset[tuple[int, int]]:
    """Devices and inodes of these files of a folder."""
    found = [(folder / name).stat() for name in files]
    return frozenset((one.st_dev, one.st_ino) for one in found)


def _follows(live: IndexVersion, before: IndexVersion) -> bool:
    """Whether what is live came from ``before`` by documents that changed, and nothing else."""
    return live.family == before.family and live.number >= before.number


def _allowed(index: PassageIndex, share: float) -> float:
    """How many passages may have changed since the full build beneath."""
    most = max(FOLD_LEAST, share * len(index.segments[0]))
    return min(most, MAX_GPU_K // 2) if index.segments[0].on_gpu else most


def _vectors(passages: Sequence[IndexedPassage]) -> Vectors:
    """Shape [n, dimension]."""
    return np.array([passage.embedding for passage in passages], dtype=np.float32)


def _entries(passages: Sequence[IndexedPassage]) -> list[Entry]:
    return [Entry(p.id, p.document_id, p.collection) for p in passages]


def _texts(passages: Sequence[IndexedPassage]) -> list[tuple[str, str]]:
    return [(p.place, p.text) for p in passages]


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise from_os_error(error) from error
    except (ValueError, RuntimeError) as error:  # how tantivy reports a failed write
        if any(words in str(error).lower() for words in FULL_DISK_WORDS):
            raise StorageFull from error
        raise DependencyFailed("The lexical index could not be written.") from error


def _verify(index: PassageIndex, vectors: Vectors, passages: int) -> None:
    """Counts, and recall of a few canaries among the new ``vectors``, the last of the index."""
    if len(index) != passages:
        raise DependencyFailed("The new index misses passages.")
    if not len(vectors):
        return
    everywhere = sorted(index.counts)
    canaries = min(CANARIES, len(vectors))
    queries = vectors[np.linspace(0, len(vectors) - 1, canaries, dtype=int)]
    for query, best in zip(queries, best_products(queries, vectors), strict=True):
        found = index.dense(query, everywhere, 1)
        if not found or found[0][1] < best - 1e-3:
            raise DependencyFailed("The new index does not find what it holds.")
