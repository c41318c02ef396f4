"""The index version that answers: the live one, or the last good one while that is damaged."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import structlog

from app.corpus.corpus import Corpus
from app.corpus.versions import IndexVersion
from app.errors import DependencyFailed, NotReady
from app.retrieval.passage_index import PassageIndex

RETRY_S = 60.0
"""Between two attempts to load a damaged version: its disk may have come back."""
FREED_AFTER_S = 2.0
"""How long a version that no longer answers is held: questions that began with it end meanwhile."""
log = structlog.get_logger()


@dataclass(frozen=True)
class Pointer:
    """Which index version is live, and the documents it names that were deleted since."""

    version: IndexVersion
    deleted: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadedIndex:
    """A version in memory. ``instead_of`` is the damaged one it stands in for, else ""."""

    version: IndexVersion
    index: PassageIndex
    instead_of: str = ""
    until: float = float("inf")
    """When the damaged one is to be tried again, by this process's monotonic clock."""

    @cached_property
    def passages(self) -> Mapping[str, int]:
        """How many passages of each collection it holds."""
        return self.index.counts

    def serves(self, version_id: str) -> bool:
        """Whether it is to be used while that version is live."""
        if self.instead_of == version_id:
            return time.monotonic() < self.until
        return self.version.id == version_id and not self.instead_of


class LiveIndex:
    """Follows the pointer when another version is promoted; requests in flight keep theirs."""

    def __init__(
        self, corpus: Corpus, embedder: str, index_dir: Path, device: str = "auto"
    ) -> None:
        self._corpus, self._embedder = corpus, embedder
        self._index_dir, self._device = index_dir, device
        self._loaded: LoadedIndex | None = None
        self._expected: tuple[str, PassageIndex] | None = None
        self._problem = ""
        self._loading = threading.Lock()

    @property
    def problem(self) -> str:
        """What is wrong with the live version, and what answers for it; "" when all is well."""
        return self._problem

    @property
    def loaded(self) -> PassageIndex | None:
        """The version in memory; None before the first question."""
        return self._loaded.index if self._loaded else None

    def expect(self, version_id: str, index: PassageIndex) -> None:
        """This version may go live next: then it need not be read from the disk."""
        self._expected = version_id, index

    def current(self, pointer: Pointer | None = None) -> tuple[LoadedIndex, Sequence[str]]:
        """What answers now, and the documents that were deleted since it was begun.

        ``pointer`` is read here where the caller has not done so.

        Raises ``NotReady`` before the first promotion, ``DependencyFailed`` when the live version
        is damaged and no earlier one is good.
        """
        live = pointer.version if pointer else self._corpus.versions.live()
        if live is None:
            raise NotReady
        loaded = self._loaded
        if loaded is None or not loaded.serves(live.id):
            loaded = self._load(live)
        if pointer is not None and loaded.version.id == live.id:
            return loaded, pointer.deleted
        return loaded, self._corpus.documents.deleted_since(loaded.version.number)

    def _load(self, live: IndexVersion) -> LoadedIndex:
        with self._loading:
            if self._loaded is None or not self._loaded.serves(live.id):
                before = self._loaded
                self._loaded = self._live_or_earlier(live)
                _free_later(before)
            return self._loaded

    def _live_or_earlier(self, live: IndexVersion) -> LoadedIndex:
        try:
            loaded = LoadedIndex(live, self._open(live))
        except DependencyFailed as damage:
            self._problem = damage.message
            loaded = self._earlier(live, damage)
            self._problem = f"{damage.message} Version {loaded.version.id} answers instead."
            log.error("index_damaged", version=live.id, instead=loaded.version.id)
            return loaded
        self._problem = ""
        return loaded

    def _earlier(self, live: IndexVersion, damage: DependencyFailed) -> LoadedIndex:
        until = time.monotonic() + RETRY_S
        for version in self._corpus.versions.earlier():
            try:
                return LoadedIndex(version, self._open(version), live.id, until)
            except (DependencyFailed, NotReady):
                continue
        raise damage

    def _open(self, version: IndexVersion) -> PassageIndex:
        kept = self._loaded
        if kept is not None and kept.version.id == version.id:
            return kept.index
        expected, self._expected = self._expected, None
        if expected is not None and expected[0] == version.id:
            return expected[1]
        folder = self._index_dir / version.id
        like = kept.index if kept is not None else None
        index = PassageIndex(folder, self._device, version.manifest_sha256, like)
        if index.manifest["embedder"] != self._embedder:
            raise NotReady("The live index was built by another embedder; build it anew.")
        return index


def _free_later(before: LoadedIndex | None) -> None:
    """Free what no longer answers on a thread of its own, when no question holds it any more: to
    give its memory back takes as long as a search, and a question must not wait for that."""
    if before is not None:
        freeing = threading.Timer(FREED_AFTER_S, lambda _: None, [before])
        freeing.daemon = True
        freeing.start()
