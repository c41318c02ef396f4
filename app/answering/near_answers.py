"""Readings lent from a question to one that asks the same in other words.

Most of what a question costs are the passages that lose: the reader looks at up to eight, and one
answers. So a question is searched for like any other, and where one like it was answered before,
only the passages which that answer stands in are read with the new words. If the reader takes the
same place again, what it made of the other passages before serves once more; if not, they are
read. The draft is made, judged, gated and recorded anew. Nothing of an earlier answer is told:
what is lent are the scores of passages that did not answer.
"""

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from app.answering.kept_answers import drafted_under, passage_sha256
from app.answering.stages import Drafted, Retrieved, Screened
from app.deadline import Deadline
from app.inference.extremes import asks_extreme
from app.inference.writing.question_types import core
from app.ports import Reading, Vectors
from app.retrieval.identity import asked_of
from app.retrieval.retriever import Over, Read
from app.telemetry import Telemetry
from guardrails.checks.conditions import conditions_of
from guardrails.checks.contradiction import OPPOSITES
from guardrails.checks.figures import read_figures
from guardrails.checks.language import language
from guardrails.checks.roles import stem
from guardrails.contract import Draft, Passage, canonical_sha256
from guardrails.words import content_words

NEAREST = 3
"""Kept questions that are looked at, nearest first."""
LEAST_MARGIN, LEAST_LEAD = 2.0, 2.0
"""Of the place that the reader takes again, and of the draft over those of other passages, whose
readings were lent; chosen on questions altered to mislead and on paraphrases (benchmarks/LOG.md).
"""
_ASKS_FOR = re.compile(
    r"\b(?:who|whom|whose|when|where|why|what (?:year|time|day|date|percentage)"
    r"|how (?:much|many|long|often|far|old|big|soon|late|high|fast))\b"
)
"""What says which kind of thing is asked for."""
Search = Callable[[Over | None], Retrieved | Drafted]
"""Searches and drafts, with what stands before the reader."""


def stems(text: str) -> frozenset[str]:
    """The words of content, without the endings of their forms."""
    return frozenset(map(stem, content_words(text)))


_OPPOSED = frozenset(map(stem, OPPOSITES))
"""The stems of words of which one denies another."""


@dataclass(frozen=True)
class Telling:
    """What tells a question from others in nearly the same words.

    ``same`` are its numbers, dates and codes, its conditions (adult or child, before or after), its
    negation and what it asks for: questions that ask the same have the same ones. ``words`` are
    the stems of its words of content, of which passages that are lent hold all or none.
    """

    same: tuple[object, ...]
    words: frozenset[str]
    language: str

    def agrees(self, other: "Telling") -> bool:
        """Whether nothing tells the two questions apart but words."""
        languages = {self.language, other.language} - {""}
        return self.same == other.same and len(languages) < 2


@lru_cache(maxsize=512)
def telling(question: str) -> Telling:
    """What tells ``question`` from others."""
    asked, figures = asked_of(question), read_figures(question, generous=False)
    said, words = core(question), stems(question)
    same = (
        asks_extreme(said),
        asked.latest,
        frozenset((one.kind, one.value) for one in asked.identifiers),
        frozenset(amount.value for _, amount in figures.amounts),
        frozenset(dates for _, dates in figures.dates),
        conditions_of(question),
        _OPPOSED & words,
        frozenset(_ASKS_FOR.findall(said)),
        "not" in words,
    )
    return Telling(same, words, language(question))


@dataclass(frozen=True)
class NearAnswer:
    """A draft that readings may be lent from: its question, what the reader made of each passage,
    by id and with the hash of the passage, the passages it cites, and the seconds that it took.

    ``key`` is all else that it came from.
    """

    answer_id: str
    key: str
    asked: Telling
    readings: Mapping[str, tuple[str, Reading]]
    cited: frozenset[str]
    seconds: float

    def reading(self, passage: Passage) -> Reading | None:
        """What the reader made of the passage, if that stands as it did."""
        sha256, reading = self.readings.get(passage.id, ("", None))
        return reading if reading is not None and sha256 == passage_sha256(passage) else None

    def may_lend(self, asked: Telling, passages: Sequence[Passage]) -> bool:
        """Whether nothing tells the questions apart, and the answer stands, as it did, in passages
        that were found for both: in the first one, too."""
        cited = [one for one in passages if one.id in self.cited]
        found = len(cited) == len(self.cited) and passages[0].id in self.cited
        return found and self.asked.agrees(asked) and all(map(self.reading, cited))

    def lent(self, asked: Telling, passages: Sequence[Passage]) -> dict[str, Reading]:
        """The readings, by passage, that may serve for ``asked``: of passages that stand as they
        did and hold no word that only one of the two questions has."""
        apart = self.asked.words ^ asked.words
        others = [one for one in passages if one.id not in self.cited]
        alike = [one for one in others if not apart & stems(f"{one.place} {one.text}")]
        readings = ((one.id, self.reading(one)) for one in alike)
        return {name: reading for name, reading in readings if reading is not None}

    def is_confirmed(self, passage: Passage, reading: Reading) -> bool:
        """Whether the reader surely takes the same place of a cited passage again."""
        before, now = self.reading(passage), reading.span
        if before is None or before.span is None or now is None or now.margin < LEAST_MARGIN:
            return False
        return before.span.start < now.end and now.start < before.span.end

    def says(self, draft: Draft) -> bool:
        """Whether the draft is this answer, from the same passages, and no other one is near."""
        cited = {one.passage_id for one in draft.citations}
        return cited == self.cited and draft.features.get("lead", LEAST_LEAD) >= LEAST_LEAD


class Lending:
    """What kept answers lend to one question, and what the reader makes of it.

    ``used`` is the answer that lends, None so far; ``read`` are the passages that were read, by id,
    and ``asked`` is what tells the question, as it is read, from others.
    """

    def __init__(self, near: Sequence[NearAnswer]) -> None:
        """``near`` come nearest first."""
        self._near = near
        self.used: NearAnswer | None = None
        self.asked: Telling | None = None
        self.read: dict[str, tuple[Passage, Reading]] = {}

    def over(self, read: Read) -> Read:
        """``read`` of what nobody lends."""

        def read_here(question: str, passages: Sequence[Passage], deadline: Deadline) -> None:
            if passages:
                readings = read(question, passages, deadline)
                pairs = zip(passages, readings, strict=True)
                self.read |= {one.id: (one, reading) for one, reading in pairs}

        def read_or_lent(
            question: str, passages: Sequence[Passage], deadline: Deadline
        ) -> list[Reading]:
            if self.asked is None:
                self.asked = telling(question)
                lender = self._lender(self.asked, passages)
                cited = [one for one in passages if lender and one.id in lender.cited]
                read_here(question, cited, deadline)
                self.used = lender if self._confirms(lender, cited) else None
            lent = self.used.lent(self.asked, passages) if self.used else {}
            known = lent.keys() | self.read.keys()
            read_here(question, [one for one in passages if one.id not in known], deadline)
            own = {name: reading for name, (_, reading) in self.read.items()}
            return [{**lent, **own}[one.id] for one in passages]

        return read_or_lent

    def _lender(self, asked: Telling, passages: Sequence[Passage]) -> NearAnswer | None:
        return next((one for one in self._near if one.may_lend(asked, passages)), None)

    def _confirms(self, lender: NearAnswer | None, cited: Sequence[Passage]) -> bool:
        return lender is not None and all(lender.is_confirmed(*self.read[one.id]) for one in cited)


class NearAnswers:
    """The newest drafts of one process that may lend, at most ``most``, to questions whose cosine
    is ``least`` or more; safe to use from any thread."""

    def __init__(
        self, models: Mapping[str, str], telemetry: Telemetry, most: int, least: float
    ) -> None:
        self._models, self._most, self._least = dict(models), most, least
        self._counter, self._saved = telemetry.kept_answers, telemetry.kept_answers_saved
        self._kept: list[NearAnswer] = []
        self._vectors: Vectors = np.zeros((0, 0), np.float32)
        self._next = 0
        self._lock = threading.Lock()

    def drafted(self, screened: Screened, search: Search) -> Retrieved | Drafted:
        """What ``search`` comes to, with what kept answers lend; where that is another answer than
        theirs, without it. What nothing was lent to is kept."""
        key = self._key(screened)
        if key is None:
            return search(None)
        lending, began = Lending(self._near(key, screened.vector)), time.perf_counter()
        reached, used = search(lending.over), lending.used
        if used is not None and isinstance(reached, Drafted) and used.says(reached.draft):
            self._counter.labels("near").inc()
            self._saved.inc(max(used.seconds - (time.perf_counter() - began), 0.0))
            return replace(reached, kept_from=used.answer_id)
        if used is not None:
            self._counter.labels("differed").inc()
            lending, began = Lending(()), time.perf_counter()
            reached = search(lending.over)
        if isinstance(reached, Drafted) and lending.asked is not None:
            self._keep(key, lending.asked, reached, lending.read, time.perf_counter() - began)
        return reached

    def _near(self, key: str, vector: Vectors) -> list[NearAnswer]:
        """What is kept of questions near this one that came from the same."""
        with self._lock:
            cosines = self._vectors[: len(self._kept)] @ vector if self._kept else np.zeros(0)
            order = np.argsort(cosines, kind="stable")[::-1]
            near = [self._kept[place] for place in order if cosines[place] >= self._least]
        return [one for one in near if one.key == key][:NEAREST]

    def _keep(
        self,
        key: str,
        asked: Telling,
        drafted: Drafted,
        read: Mapping[str, tuple[Passage, Reading]],
        seconds: float,
    ) -> None:
        """Keep what a draft came from, unless it has no answer, or a part of the service or of
        what was found was left out."""
        if drafted.degraded or drafted.draft.abstained:
            return
        if drafted.retrieved.found.hits != drafted.retrieved.hits:
            return
        kept = NearAnswer(
            drafted.screened.asked.answer_id,
            key,
            asked,
            {name: (passage_sha256(one), reading) for name, (one, reading) in read.items()},
            frozenset(one.passage_id for one in drafted.draft.citations),
            seconds,
        )
        with self._lock:
            self._put(kept, drafted.screened.vector)

    def _put(self, kept: NearAnswer, vector: Vectors) -> None:
        """In the place of the oldest one, where there is no other."""
        if not len(self._vectors):
            self._vectors = np.zeros((self._most, len(vector)), np.float32)
        if len(self._kept) < self._most:
            self._kept.append(kept)
        else:
            self._kept[self._next] = kept
        self._vectors[self._next] = vector
        self._next = (self._next + 1) % self._most

    def _key(self, screened: Screened) -> str | None:
        """None also where an answer must fit a schema: a second draft may be from any passage."""
        under = drafted_under(screened, self._models)
        if under is None or screened.asked.ask.answer_schema is not None:
            return None
        return canonical_sha256(under)
