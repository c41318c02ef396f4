"""Find the evidence for a question: embed, search both indexes, fuse, and read the passages."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.corpus import Corpus
from app.deadline import Deadline
from app.errors import NotReady
from app.ports import Vectors
from app.retrieval.passage_index import FUSION_DEPTH, PassageIndex, fuse
from guardrails.contract import Passage


@dataclass(frozen=True)
class Hit:
    """A passage found for a question. ``similarity`` is its cosine, None if only words matched."""

    passage: Passage
    similarity: float | None


@dataclass(frozen=True)
class Retrieved:
    """Hits, best first, and the index version they come from."""

    hits: tuple[Hit, ...]
    version_id: str
    searched_passages: int

    @property
    def best_similarity(self) -> float:
        """The highest cosine among the hits; -1 when the dense search found none."""
        return max((h.similarity for h in self.hits if h.similarity is not None), default=-1.0)


@dataclass(frozen=True)
class _Live:
    version_id: str
    index: PassageIndex


class Retriever:
    """Searches the live index version; follows the pointer when another one is promoted."""

    def __init__(
        self,
        corpus: Corpus,
        embed: Callable[[str, Deadline], Vectors],
        embedder_name: str,
        index_dir: Path,
        device: str = "auto",
    ) -> None:
        self._corpus, self._embed, self._embedder_name = corpus, embed, embedder_name
        self._index_dir, self._device = index_dir, device
        self._live: _Live | None = None
        self._loading = threading.Lock()

    def embed(self, question: str, deadline: Deadline) -> Vectors:
        """The question's unit vector, shape [dimension]."""
        return self._embed(question, deadline)

    def retrieve(
        self,
        question: str,
        collections: Sequence[str],
        k: int,
        deadline: Deadline,
        vector: Vectors | None = None,
    ) -> Retrieved:
        """The ``k`` best passages of ``collections`` for the question.

        ``vector`` is what ``embed`` made of it; without it the question is embedded here. Scope
        and deletions act inside both searches. Raises ``NotReady`` before the first promotion.
        """
        live, deleted = self._current()
        if vector is None:
            vector = self.embed(question, deadline)
        dense = live.index.dense(vector, collections, FUSION_DEPTH, deleted)
        lexical = live.index.lexical(question, collections, FUSION_DEPTH, deleted)
        deadline.remaining()
        similarity = dict(dense)
        ranked = [position for position, _ in fuse([dense, lexical])]
        return Retrieved(
            tuple(
                Hit(passage, similarity.get(position))
                for position, passage in self._read(live.index, ranked, k)
                if passage.collection in collections
            ),
            live.version_id,
            len(live.index),
        )

    def live_passages(self) -> int:
        """How many passages the loaded index has; raises ``NotReady``."""
        return len(self._current()[0].index)

    def _read(
        self, index: PassageIndex, ranked: Sequence[int], k: int
    ) -> list[tuple[int, Passage]]:
        # Some hits may be gone since the search: read a few more than asked for.
        chosen = [(p, index.entries[p].passage_id) for p in ranked[: 2 * k + 8]]
        found = self._corpus.passages([passage_id for _, passage_id in chosen])
        return [(p, found[passage_id]) for p, passage_id in chosen if passage_id in found][:k]

    def _current(self) -> tuple[_Live, list[str]]:
        version = self._corpus.live_version()
        if version is None:
            raise NotReady
        live = self._live
        if live is None or live.version_id != version.id:
            live = self._load(version.id, version.manifest_sha256 or "")
        return live, self._corpus.deleted_documents(version.created_at)

    def _load(self, version_id: str, manifest_sha256: str) -> _Live:
        # The new version is loaded beside the old one; requests in flight keep theirs.
        with self._loading:
            if self._live is None or self._live.version_id != version_id:
                index = PassageIndex(self._index_dir / version_id, self._device, manifest_sha256)
                if index.manifest["embedder"] != self._embedder_name:
                    raise NotReady("The live index was built by another embedder; build it anew.")
                self._live = _Live(version_id, index)
            return self._live
