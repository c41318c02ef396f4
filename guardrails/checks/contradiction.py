"""Does another passage of the evidence give a different value for what the answer states?

Only values are compared: amounts with a unit, and dates. Two sentences speak of the same thing
when they share most of their words, hold the same plain numbers and codes, and cover the same words
of the question; a document about another product is another subject. In doubt there is no
contradiction: a reviewer who sees many false ones stops reading them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from guardrails.checks import Stage
from guardrails.checks.numbers import Amount, Date, read_figures
from guardrails.contract import Case, Draft, Finding, Outcome, Passage, Sentence, sentence_bounds
from guardrails.words import content_words

ALIKE = 0.6
"""Least share of words (Jaccard) that two sentences about the same thing have in common."""
LEAST_SHARED = 2
"""Least number of words in common: "The excess is £350" has two with "The excess is £500"."""

Value = tuple[str, ...]


@dataclass(frozen=True)
class Claim:
    """One sentence: its words without numbers, plain numbers, and values by what they count."""

    text: str
    words: frozenset[str]
    names: frozenset[str]
    values: dict[str, frozenset[Value]]

    @classmethod
    def read(cls, text: str) -> "Claim":
        """What ``text`` claims."""
        figures = read_figures(text, generous=False)
        amounts = [amount for _, amount in figures.amounts]
        values: dict[str, set[Value]] = {}
        for amount in amounts:
            if amount.unit:
                values.setdefault(amount.unit, set()).add((amount.value,))
        for _, readings in figures.dates:
            values.setdefault("date", set()).add(_day(readings[0]))
        return cls(
            text, _words(text), _names(amounts), {u: frozenset(v) for u, v in values.items()}
        )

    def is_about(self, other: "Claim") -> bool:
        """Whether both sentences speak of the same thing."""
        shared = len(self.words & other.words)
        alike = shared >= LEAST_SHARED and shared >= ALIKE * len(self.words | other.words)
        return alike and self.names == other.names

    def contradicts(self, other: "Claim") -> bool:
        """Whether one kind of value is given in both, once in each, and differs."""
        return any(
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
        message = "Another source gives a different value."
        others = dict.fromkeys(
            other
            for sentence in case.draft.sentences
            for other in _contradicting(sentence, case.draft, case)
        )
        found = [Finding(self.name, Outcome.FAIL, message, "", other[:200]) for other in others]
        return found or [Finding(self.name, Outcome.PASS, "No source gives a different value.")]


def _contradicting(sentence: Sentence, draft: Draft, case: Case) -> Iterator[str]:
    claim = Claim.read(sentence.text)
    if not claim.values:
        return
    cited = {c.passage_id for c in draft.citations if c.number in sentence.citations}
    sources = [passage for passage in case.evidence if passage.id in cited]
    asked = content_words(case.question)
    subject = asked & _subject(claim.words, sources)
    for passage in case.evidence:
        if passage.id not in cited:
            for text in _candidates(claim, passage):
                other = Claim.read(text)
                same = claim.is_about(other) and subject <= _subject(other.words, [passage])
                if same and claim.contradicts(other):
                    yield text


def _candidates(claim: Claim, passage: Passage) -> Iterator[str]:
    """Sentences that may be about the same; most passages are left at the first look."""
    lower = passage.text.lower()
    if sum(word in lower for word in claim.words) < ALIKE * len(claim.words):
        return
    for start, end in sentence_bounds(passage.text):
        words = _words(lower[start:end]) if len(lower) == len(passage.text) else claim.words
        if len(words & claim.words) >= LEAST_SHARED:
            yield passage.text[start:end]


def _words(text: str) -> frozenset[str]:
    return frozenset(word for word in content_words(text) if not word[0].isdigit())


def _subject(words: frozenset[str], sources: Iterable[Passage]) -> frozenset[str]:
    """Words of a sentence and of the titles it stands under."""
    return words.union(*(content_words(source.title) for source in sources))


def _names(amounts: Iterable[Amount]) -> frozenset[str]:
    """Numbers that count nothing: of a section, a form, a level."""
    return frozenset(amount.value for amount in amounts if not amount.unit)


def _day(date: Date) -> Value:
    return (str(date.day), str(date.month), str(date.year))
