"""Does another passage of the evidence give a different value for what the answer states?

Only values are compared: amounts with a unit, and dates. Two sentences speak of the same thing
when they share most of their words, hold the same plain numbers and codes, and cover the same words
of the question; a document about another product is another subject. In doubt there is no
contradiction: a reviewer who sees many false ones stops reading them.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial

from guardrails.checks.numbers import SCALES, WORDS, Date, read_figures
from guardrails.contract import Case, Draft, Finding, Outcome, Passage, Sentence, Stage
from guardrails.words import content_words

ALIKE, LEAST_SHARED = 0.6, 2
"""Least share (Jaccard) and number of the words that two sentences about the same thing have in
common, unless all their words are the same."""
SENTENCE = re.compile(r"\s(?<=[.!?]\s)\s*(?=[^a-z\s])|\n(?![a-z])")
"""Cuts too often rather than too rarely: a part of a sentence is less like another one."""
OF_VALUES = frozenset(
    "january february march april may june july august september october november december pound "
    "euro dollar per cent percent second minute hour day week month year".split()
).union(WORDS, SCALES)
"""Words that are part of a value, not of what it is the value of."""

Value = tuple[str, ...]


@dataclass(frozen=True)
class Claim:
    """The plain numbers of a sentence, and its values by what they count."""

    names: frozenset[str]
    values: dict[str, frozenset[Value]]

    @classmethod
    def read(cls, text: str) -> "Claim":
        """What ``text`` claims."""
        figures = read_figures(text, generous=False)
        values: dict[str, set[Value]] = {}
        for _, amount in figures.amounts:
            if amount.unit:
                values.setdefault(amount.unit, set()).add((amount.value,))
        for _, readings in figures.dates:
            values.setdefault("date", set()).add(_day(readings[0]))
        names = frozenset(amount.value for _, amount in figures.amounts if not amount.unit)
        return cls(names, {unit: frozenset(found) for unit, found in values.items()})

    def contradicts(self, other: "Claim") -> bool:
        """Whether both are of the same number, code or level, and one kind of value stands once
        in each and differs."""
        return self.names == other.names and any(
            len(mine) == len(theirs) == 1 and mine != theirs
            for unit, mine in self.values.items()
            if (theirs := other.values.get(unit))
        )


class ContradictionCheck:
    """Fails for each other sentence of the evidence that gives another value."""

    name = "contradiction"
    stage: Stage = "draft"
    timeout_s = 3.0

    def run(self, case: Case) -> list[Finding]:
        """A fail for each contradicting sentence, else one pass."""
        if case.draft is None:
            return [Finding(self.name, Outcome.FAIL, "There is no draft.")]
        others = _Search(case, case.draft).contradicting()
        message = "Another source gives a different value."
        found = [Finding(self.name, Outcome.FAIL, message, "", other[:200]) for other in others]
        return found or [Finding(self.name, Outcome.PASS, "No source gives a different value.")]


class _Search:
    """One look through the evidence; each sentence is read once."""

    def __init__(self, case: Case, draft: Draft) -> None:
        self._case, self._draft = case, draft
        self._asked = content_words(case.question)
        self._read, self._words = cache(Claim.read), cache(_words)

    def contradicting(self) -> list[str]:
        """The sentences that give another value, each once."""
        found = (other for one in self._draft.sentences for other in self._against(one))
        return list(dict.fromkeys(found))

    def _against(self, sentence: Sentence) -> Iterator[str]:
        claim, words = self._read(sentence.text), _words(sentence.text)
        if not claim.values:
            return
        cited = {c.passage_id for c in self._draft.citations if c.number in sentence.citations}
        sources = [passage for passage in self._case.evidence if passage.id in cited]
        subject = self._asked & _subject(words, sources)
        for passage in self._case.evidence:
            if passage.id in cited or not _may_hold(words, passage.text):
                continue
            for text in filter(partial(_may_hold, words), SENTENCE.split(passage.text)):
                theirs = self._words(text)
                same = _are_alike(words, theirs) and subject <= _subject(theirs, [passage])
                if same and claim.contradicts(self._read(text)):
                    yield text.strip()


def _are_alike(words: frozenset[str], others: frozenset[str]) -> bool:
    shared = len(words & others)
    if words == others:
        return bool(words)
    return shared >= LEAST_SHARED and shared >= ALIKE * len(words | others)


def _may_hold(words: frozenset[str], text: str) -> bool:
    """Whether ``text`` holds so many of the words that it can be alike: a cheap first look."""
    lower = text.lower()
    return sum(word in lower for word in words) >= ALIKE * len(words)


def _words(text: str) -> frozenset[str]:
    return frozenset(w for w in content_words(text) - OF_VALUES if not w[0].isdigit())


def _subject(words: frozenset[str], sources: Iterable[Passage]) -> frozenset[str]:
    """Words of a sentence and of the titles it stands under."""
    return words.union(*(content_words(source.title) for source in sources))


def _day(date: Date) -> Value:
    return (str(date.day), str(date.month), str(date.year))
