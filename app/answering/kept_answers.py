"""Drafts of questions that were answered before, each used again only where nothing has changed.

A draft is found by all that it came from: the question to the letter, the collections in the
asker's scope, the index version with what was deleted since, models, policy and modes. Then every
passage that it was written from is read again; unless each stands as it did, word for word, the
draft is dropped. What is left is judged, gated and recorded like any other draft.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from app.answering.stages import Drafted, Retrieved, Screened
from app.corpus.passages import find_passages
from app.db import Database
from app.retrieval.retriever import Found, Hit
from app.telemetry import Telemetry
from guardrails.contract import Draft, Passage, canonical_sha256


@dataclass(frozen=True)
class KeptAnswer:
    """A draft, what it was written from, and the seconds that it took.

    ``found`` holds no text of passages: ``passages`` are their hashes, in order.
    """

    answer_id: str
    draft: Draft
    found: Found
    passages: tuple[str, ...]
    seconds: float


class KeptAnswers:
    """The newest drafts in use of one process, at most ``most``; safe to use from any thread."""

    def __init__(
        self, database: Database, models: Mapping[str, str], telemetry: Telemetry, most: int
    ) -> None:
        self._database, self._models, self._most = database, dict(models), most
        self._counter = telemetry.kept_answers
        self._saved = telemetry.kept_answers_saved
        self._answers: OrderedDict[str, KeptAnswer] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, screened: Screened) -> Drafted | None:
        """The draft of this question from before, over its passages as they stand now."""
        key, began = self._key(screened), time.perf_counter()
        if key is None:
            return None
        with self._lock:
            kept = self._answers.get(key)
        if kept is None:
            self._counter.labels("missed").inc()
            return None
        hits = self._standing(kept, screened)
        if hits is None:
            with self._lock:
                self._answers.pop(key, None)
            self._counter.labels("changed").inc()
            return None
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
        self._counter.labels("used").inc()
        self._saved.inc(max(kept.seconds - (time.perf_counter() - began), 0.0))
        found = Found(hits, kept.found.version_id, kept.found.searched_passages)
        retrieved = Retrieved(screened, found, hits, screened.asked.before.modes.service)
        return Drafted(retrieved, kept.draft, kept_from=kept.answer_id)

    def keep(self, drafted: Drafted, seconds: float) -> None:
        """Keep a draft that took ``seconds``, unless a part of the service or of what was found was
        left out."""
        key = self._key(drafted.screened)
        asked, found = drafted.screened.asked, drafted.retrieved.found
        if key is None or drafted.degraded or found.hits != drafted.retrieved.hits:
            return
        bare = tuple(_without_text(hit) for hit in found.hits)
        kept = KeptAnswer(
            asked.answer_id,
            drafted.draft,
            Found(bare, found.version_id, found.searched_passages),
            tuple(passage_sha256(hit.passage) for hit in found.hits),
            seconds,
        )
        with self._lock:
            self._answers[key] = kept
            self._answers.move_to_end(key)
            while len(self._answers) > self._most:
                self._answers.popitem(last=False)

    def _key(self, screened: Screened) -> str | None:
        under = drafted_under(screened, self._models)
        if under is None:
            return None
        return canonical_sha256({**under, "question": screened.meaning.question})

    def _standing(self, kept: KeptAnswer, screened: Screened) -> tuple[Hit, ...] | None:
        """The hits with today's passages; None where one is gone, out of scope, or another."""
        ids = [hit.passage.id for hit in kept.found.hits]
        with self._database.reading() as session:
            today = {passage.id: passage for passage, _ in find_passages(session, ids)}
        scope = screened.asked.collections
        for name, sha256 in zip(ids, kept.passages, strict=True):
            now = today.get(name)
            if now is None or now.collection not in scope or passage_sha256(now) != sha256:
                return None
        return tuple(replace(hit, passage=today[hit.passage.id]) for hit in kept.found.hits)


def drafted_under(screened: Screened, models: Mapping[str, str]) -> dict[str, Any] | None:
    """All that a draft comes from but the question; None of a question that is not answered from
    its own words and the index alone."""
    asked, pointer = screened.asked, screened.asked.before.pointer
    if pointer is None or asked.before.earlier or asked.ask.previous_answer_id:
        return None
    return {
        "collections": sorted(asked.collections),
        "version": pointer.version.id,
        "deleted": sorted(pointer.deleted),
        "models": dict(models),
        "policy": asked.in_force.policy.sha256,
        "modes": [asked.before.modes.service, asked.before.modes.stored],
    }


def passage_sha256(passage: Passage) -> str:
    """The hash of a passage with all that is said of it: its place, page, last day, suspicion."""
    return canonical_sha256(asdict(passage))


def _without_text(hit: Hit) -> Hit:
    return replace(hit, passage=replace(hit.passage, title="", text="", headings=()))
