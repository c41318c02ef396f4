"""Find the evidence for a question: embed, search both indexes, fuse, and rerank."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import structlog

from app.corpus.corpus import Corpus
from app.corpus.editions import names_edition
from app.corpus.relations import Related
from app.deadline import Deadline
from app.errors import DependencyFailed
from app.ports import Reading, Vectors
from app.retrieval.identity import Asked, asked_of, fits
from app.retrieval.lexical import Weighted
from app.retrieval.live_index import LiveIndex, Pointer
from app.retrieval.passage_index import FUSION_DEPTH, PassageIndex, fuse
from app.retrieval.segment import RankedPositions
from app.tracing import span
from guardrails.checks.freshness import utc_today
from guardrails.contract import Passage
from guardrails.words import WORD, content_words

log = structlog.get_logger()


@dataclass(frozen=True)
class Hit:
    """A passage found for a question.

    ``similarity`` is its cosine, None if only words matched; ``bm25`` is 0 if no word did;
    ``fused`` is its score in the fused ranking; ``fit`` in [-1, 1] says whether it is about the
    year, quarter or code that was asked for; ``reading`` is what the reader made of it, None where
    nothing is reranked.
    """

    passage: Passage
    similarity: float | None
    bm25: float = 0.0
    fused: float = 0.0
    fit: float = 0.0
    reading: Reading | None = None


@dataclass(frozen=True)
class Found:
    """Hits, best first, the index version they come from, and how many passages of the
    collections searched it holds. Without ``ranked`` the reader failed, and the order is that of
    the search. With ``certain`` one of the first passages answers so surely that the others were
    not read. ``respelled`` is the question as it was read where slips in it were mended."""

    hits: tuple[Hit, ...]
    version_id: str
    searched_passages: int
    ranked: bool = True
    certain: bool = False
    respelled: str = ""

    @property
    def best_similarity(self) -> float:
        """The highest cosine among the hits; -1 when the dense search found none."""
        return best_similarity(self.hits)


def best_similarity(hits: Sequence[Hit]) -> float:
    """The highest cosine among hits; -1 where none has one."""
    return max((hit.similarity for hit in hits if hit.similarity is not None), default=-1.0)


RELEVANCE_WEIGHT, SIMILARITY_WEIGHT, BM25_WEIGHT, FUSION_WEIGHT = 0.8, 20.0, 2.0, 100.0
"""What the shipped reader's relevance counts and what the search's own scores do, chosen on public
development sets: the reader knows passages that answer, the search what a text is about."""
TITLE_WEIGHT = 6.0
"""What it counts that the document's title has all words of the question. The reader takes an
answer about a namesake for one; documents of one subject each say in the title which it is."""
FIT_WEIGHT, FIT_RANKS = 8.0, 0.006
"""What the fit counts beside all these, and beside the fused score when it is decided what is
read: about as much as fifteen ranks."""
FIT_DEPTH = 24
"""Passages that are looked at for their fit, where the question names what tells them apart."""
MOST_ALIKE = 2
"""Passages of the same words that are read: under another title they may mean another thing."""
MOST_DIFFERENT = 0.2
"""Share of the words in which passages of near copies that say the same may differ."""
NO_SIMILARITY = 0.2
"""Stands for the cosine of a passage that only words found."""


Scores = dict[int, tuple[float | None, float, float]]


def search_scores(dense: RankedPositions, lexical: RankedPositions) -> Scores:
    """(similarity, bm25, fused) of each position, as in ``Hit``, best fused first.

    Only the first ``FUSION_DEPTH`` of each ranking count.
    """
    dense, lexical = dense[:FUSION_DEPTH], lexical[:FUSION_DEPTH]
    similarity, bm25 = dict(dense), dict(lexical)
    return {
        position: (similarity.get(position), bm25.get(position, 0.0), fused)
        for position, fused in fuse([dense, lexical])
    }


Read = Callable[[str, Sequence[Passage], Deadline], list[Reading]]
"""A question and passages to one reading for each passage, in order."""
Over = Callable[[Read], Read]
"""What stands before a reader and may know what it would say."""


Certain = Callable[[str, Sequence[Passage], Sequence[Reading]], bool]
"""Whether passages, best found first, answer a question so surely that no more need be read."""


@dataclass(frozen=True)
class Rerank:
    """Read the first ``depth`` passages of the fused ranking, and put the best first.

    The ``first`` of them are read before the others, which are left unread where those are
    ``certain``; without ``certain`` all are read at once. ``ahead`` of the others are read
    together with the first ones, on threads that would have nothing to do: what is certain does
    not depend on them.
    """

    read: Read
    depth: int
    first: int = 0
    certain: Certain | None = None
    ahead: int = 0

    def __call__(self, question: str, hits: list[Hit], deadline: Deadline) -> list[Hit]:
        """``hits`` in their new order; those that were not read follow as they were."""
        passages = [hit.passage for hit in hits[: self.depth]]
        readings = self._readings(question, passages, deadline)
        chosen = zip(hits[: len(readings)], readings, strict=True)
        read = [replace(hit, reading=reading) for hit, reading in chosen]
        asked = content_words(question)
        best_first = sorted(read, key=lambda hit: _worth(hit, asked), reverse=True)
        return [*best_first, *hits[len(read) :]]

    def _readings(
        self, question: str, passages: Sequence[Passage], deadline: Deadline
    ) -> list[Reading]:
        """Of the passages, or of the first ones where those are certain."""
        if self.certain is None:
            return self._read_all(question, passages, deadline)
        first = passages[: self.first]
        readings = self._read_all(question, passages[: self.first + self.ahead], deadline)
        if self.certain(question, first, readings[: len(first)]):
            return readings[: len(first)]
        rest = passages[len(readings) :]
        return [*readings, *(self._read_all(question, rest, deadline) if rest else ())]

    def _read_all(
        self, question: str, passages: Sequence[Passage], deadline: Deadline
    ) -> list[Reading]:
        """As ``read``; raises ``ValueError`` when one is missing."""
        readings = self.read(question, passages, deadline)
        return [reading for reading, _ in zip(readings, passages, strict=True)]

    def stopped(self, hits: Sequence[Hit]) -> bool:
        """Whether some of the ``hits`` that would have been read were not."""
        return any(hit.reading is None for hit in hits[: self.depth])


def prefer_meant(asked: Asked, hits: list[Hit]) -> list[Hit]:
    """The hits with their fit, those that the question means first."""
    told = fits(asked, [hit.passage for hit in hits])
    marked = [replace(hit, fit=fit) for hit, fit in zip(hits, told, strict=True)]
    return sorted(marked, key=lambda hit: hit.fused + FIT_RANKS * hit.fit, reverse=True)


def meant_first(asked: Asked, hits: list[Hit]) -> list[Hit]:
    """What is read first: what the question means among the best ones, few of the same words."""
    if asked.is_told:
        hits = [*prefer_meant(asked, hits[:FIT_DEPTH]), *hits[FIT_DEPTH:]]
    return seldom_alike(hits)


def seldom_alike(hits: list[Hit]) -> list[Hit]:
    """The hits without those whose text ``MOST_ALIKE`` before them have, word for word.

    What stands in every contract must not crowd out what stands in one.
    """
    seen: Counter[str] = Counter()
    kept = []
    for hit in hits:
        text = " ".join(hit.passage.text.split())
        seen[text] += 1
        if seen[text] <= MOST_ALIKE:
            kept.append(hit)
    return kept


def that_count(question: str, hits: list[Hit], related: Related) -> list[Hit]:
    """The hits without those of editions that others among them replace, unless the question
    names the edition."""

    def counts(document_id: str) -> bool:
        newer = related.replaced.get(document_id)
        editions = related.editions
        return newer is None or names_edition(question, editions[document_id], editions[newer])

    return [hit for hit in hits if counts(hit.passage.document_id)]


def copies_once(hits: list[Hit], copies: Mapping[str, frozenset[str]]) -> list[Hit]:
    """The hits without those that say what one before them says in a near copy of the document."""
    kept: list[Hit] = []
    for hit in hits:
        others = copies.get(hit.passage.document_id, frozenset())
        before = (one.passage for one in kept if one.passage.document_id in others)
        if not any(says_the_same(hit.passage.text, one.text) for one in before):
            kept.append(hit)
    return kept


def says_the_same(text: str, other: str) -> bool:
    """Whether two passages of near copies differ in a few plain words at most: not in a number or
    in a name, which may be all that the copies differ in."""
    ours, theirs = set(WORD.findall(text)), set(WORD.findall(other))
    differ = ours ^ theirs
    plain = all(word.islower() for word in differ)
    return plain and len(differ) <= MOST_DIFFERENT * len(ours | theirs)


def _worth(hit: Hit, asked: frozenset[str]) -> float:
    """How far forward a hit belongs, for a question of the content words ``asked``."""
    relevance = RELEVANCE_WEIGHT * hit.reading.relevance if hit.reading else 0.0
    similarity = NO_SIMILARITY if hit.similarity is None else hit.similarity
    # The logarithm: BM25 grows with the length of the question.
    words = math.log1p(hit.bm25)
    found = SIMILARITY_WEIGHT * similarity + BM25_WEIGHT * words + FUSION_WEIGHT * hit.fused
    titled = len(asked & content_words(hit.passage.title)) / max(len(asked), 1)
    return relevance + found + FIT_WEIGHT * hit.fit + TITLE_WEIGHT * titled


class Retriever:
    """Searches the index version that is live."""

    def __init__(
        self,
        corpus: Corpus,
        embed: Callable[[str, Deadline], Vectors],
        embedder_name: str,
        index_dir: Path,
        device: str = "auto",
        rerank: Rerank | None = None,
        respell: Callable[[str, Sequence[Passage]], str] | None = None,
    ) -> None:
        self._corpus, self._embed, self._rerank = corpus, embed, rerank
        self._respell = respell
        self.live_index = LiveIndex(corpus, embedder_name, index_dir, device)

    @property
    def problem(self) -> str:
        """What is wrong with the live index version; "" when nothing is."""
        return self.live_index.problem

    def embed(self, question: str, deadline: Deadline) -> Vectors:
        """The question's unit vector, shape [dimension]."""
        return self._embed(question, deadline)

    def retrieve(
        self,
        question: str,
        collections: Sequence[str],
        k: int,
        deadline: Deadline,
        earlier: Weighted = (),
        vector: Vectors | None = None,
        pointer: Pointer | None = None,
        over: Over | None = None,
    ) -> Found:
        """The ``k`` best passages of ``collections`` for the question.

        Each of the ``earlier`` texts of the conversation counts by its weight beside 1.
        ``vector`` is what ``embed`` made of the question; without it it is embedded here. Scope
        and deletions act inside both searches, before anything is read. ``pointer`` is read here
        where the caller has not done so. ``over`` stands before the reader and may know what it
        would say. Raises ``NotReady`` before the first promotion.
        """
        live, deleted = self.live_index.current(pointer)
        known = {} if vector is None else {question: vector}
        depth = max(k, self._rerank.depth) if self._rerank else k

        def search(asked: str) -> list[Hit]:
            vector = mean_vector(
                [(asked, 1.0), *earlier],
                lambda text: known[text] if text in known else self._embed(text, deadline),
            )
            with span("dense search"):
                dense = live.index.dense(vector, collections, FUSION_DEPTH, deleted)
            with span("word search"):
                lexical = live.index.lexical(asked, collections, FUSION_DEPTH, deleted, earlier)
            deadline.remaining()
            scores = search_scores(dense, lexical)
            with span("passages"):
                return self._meant(asked, live.index, scores, depth, collections)

        hits, meant = search(question), question
        if self._respell is not None:
            meant = self._respell(question, [hit.passage for hit in hits])
            hits = hits if meant == question else search(meant)
        hits, ranked, certain = self._ranked(meant, hits, deadline, over)
        searched = sum(live.passages.get(name, 0) for name in set(collections))
        respelled = "" if meant == question else meant
        return Found(tuple(hits[:k]), live.version.id, searched, ranked, certain, respelled)

    def _ranked(
        self,
        question: str,
        hits: list[Hit],
        deadline: Deadline,
        over: Over | None,
    ) -> tuple[list[Hit], bool, bool]:
        """The hits as they were read, whether that worked, and whether some were left unread."""
        if self._rerank is None or not hits:
            return hits, True, False
        rerank = self._rerank
        if over is not None:
            rerank = replace(rerank, read=over(rerank.read))
        try:
            read = rerank(question, hits, deadline)
        except (DependencyFailed, RuntimeError) as error:
            log.warning("reader_failed", error=type(error).__name__)
            return hits, False, False
        return read, True, rerank.stopped(read)

    def _meant(
        self,
        question: str,
        index: PassageIndex,
        scores: Scores,
        depth: int,
        collections: Sequence[str],
    ) -> list[Hit]:
        """The ``depth`` best hits: what the question means first, text of many documents seldom."""
        asked = asked_of(question)

        def first(count: int) -> tuple[list[Hit], bool]:
            read, related = self._read(index, list(scores), count)
            hits = [Hit(p, *scores[place]) for place, p in read if p.collection in collections]
            return hits, related

        hits, related = first(max(depth, FIT_DEPTH) if asked.is_told else depth)
        if not asked.is_told and (related or len(seldom_alike(hits)) < len(hits)):
            hits, related = first(max(depth, FIT_DEPTH))
        if not related:
            return meant_first(asked, hits)[:depth]
        known = self._corpus.relations.among(
            {hit.passage.document_id for hit in hits}, utc_today().isoformat()
        )
        hits = meant_first(asked, that_count(question, hits, known))
        return copies_once(hits, known.copies)[:depth]

    def live_passages(self) -> int:
        """How many passages the loaded index has; raises ``NotReady``."""
        return len(self.live_index.current()[0].index)

    def _read(
        self, index: PassageIndex, ranked: Sequence[int], k: int
    ) -> tuple[list[tuple[int, Passage]], bool]:
        """The first ``k`` that still exist, as some hits may be gone since the search; and whether
        something is known of how their documents belong together."""
        read: list[tuple[int, Passage]] = []
        related = False
        while ranked and len(read) < k:
            chosen, ranked = ranked[: k - len(read)], ranked[k - len(read) :]
            entries = [(p, index.entry(p).passage_id) for p in chosen]
            found, some = self._corpus.passages.find_related([one for _, one in entries])
            read += [(p, found[passage_id]) for p, passage_id in entries if passage_id in found]
            related = related or some
        return read, related


def mean_vector(texts: Weighted, embed: Callable[[str], Vectors]) -> Vectors:
    """The weighted mean of the texts' vectors, unit length, shape [dimension]."""
    weighed = [embed(text) * np.float32(weight) for text, weight in texts]
    total: Vectors = np.stack(weighed).sum(axis=0)
    length = np.linalg.norm(total)
    return total / length if length > 0 else total
