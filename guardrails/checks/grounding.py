"""Does every sentence cite real evidence verbatim, and does every number stand in it?"""

import re
from collections.abc import Iterator, Mapping

from guardrails.checks import Stage
from guardrails.contract import Case, Citation, Draft, Finding, Outcome, Passage, Sentence

UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
MONTHS = (
    "january february march april may june july august september october november december"
).split()
WORD_VALUES = {
    **{word: value for value, word in enumerate(UNITS)},
    **{word: 10 * value for value, word in enumerate(TENS, start=2)},
}
COMPOUND = re.compile(rf"\b({'|'.join(TENS)})[- ]({'|'.join(UNITS[1:10])})\b")
WORD_NUMBER = re.compile(rf"\b({'|'.join([*UNITS[2:], *TENS])})\b")
MONTH = re.compile(rf"\b({'|'.join(f'{m[:3]}(?:{m[3:]})?' for m in MONTHS)})\b\.?")
ISO_DATE = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b")
SLASH_DATE = re.compile(r"\b(\d{1,2})[/.](\d{1,2})[/.](\d{2,4})\b")
NUMBER = re.compile(r"\d+(?:[,'\u00a0\u202f ]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")


class CitationsCheck:
    """Every sentence cites, every marker exists, every quote is verbatim in the evidence."""

    name = "citations"
    stage: Stage = "draft"
    timeout_s = 1.0

    def run(self, case: Case) -> list[Finding]:
        """A fail for each fault, else one pass."""
        if case.draft is None:
            return [Finding(self.name, Outcome.FAIL, "There is no draft.")]
        passages = {passage.id: passage for passage in case.evidence}
        faults = [*_marker_faults(case.draft), *_quote_faults(case.draft, passages)]
        found = [Finding(self.name, Outcome.FAIL, fault, "", text) for fault, text in faults]
        return found or [Finding(self.name, Outcome.PASS, "Every sentence quotes its source.")]


def _marker_faults(draft: Draft) -> Iterator[tuple[str, str]]:
    numbers = [citation.number for citation in draft.citations]
    if len(set(numbers)) != len(numbers):
        yield "Two citations share a number.", ""
    for sentence in draft.sentences:
        if not sentence.citations:
            yield "A sentence cites no source.", sentence.text
        for number in sentence.citations:
            if number not in numbers:
                yield f"There is no citation [{number}].", sentence.text


def _quote_faults(draft: Draft, passages: Mapping[str, Passage]) -> Iterator[tuple[str, str]]:
    for citation in draft.citations:
        passage = passages.get(citation.passage_id)
        if passage is None:
            yield f"Citation [{citation.number}] is not of the evidence.", citation.quote
        elif not citation.quote or passage.text[citation.start : citation.end] != citation.quote:
            yield f"Citation [{citation.number}] does not quote its source.", citation.quote


class NumbersCheck:
    """Every number and date of a sentence stands in the passages the sentence cites."""

    name = "numbers"
    stage: Stage = "draft"
    timeout_s = 1.0

    def run(self, case: Case) -> list[Finding]:
        """A fail for each number that its sources do not hold, else one pass."""
        if case.draft is None:
            return [Finding(self.name, Outcome.FAIL, "There is no draft.")]
        passages = {passage.id: passage.text for passage in case.evidence}
        cited = {citation.number: citation for citation in case.draft.citations}
        found = [
            Finding(
                self.name, Outcome.FAIL, f"The sources do not hold {number}.", "", sentence.text
            )
            for sentence in case.draft.sentences
            for number in _unsupported(sentence, cited, passages)
        ]
        return found or [Finding(self.name, Outcome.PASS, "Every number stands in its source.")]


def _unsupported(
    sentence: Sentence, cited: Mapping[int, Citation], passages: Mapping[str, str]
) -> list[str]:
    sources = [
        passages.get(cited[number].passage_id, "")
        for number in sentence.citations
        if number in cited
    ]
    held = numbers_in(" \n ".join(sources))
    return sorted(numbers_in(sentence.text) - held)


def numbers_in(text: str) -> set[str]:
    """The numbers of a text in one spelling: ``1,500`` and ``1500.00`` are ``1500``; a date gives
    its day, month name and year, whichever way round it is written."""
    text = text.lower()
    found = {word[:3] for word in MONTH.findall(text) if _is_date_month(word, text)}
    for year, month, day in ISO_DATE.findall(text):
        found |= _date(day, month, year)
    for first, second, year in SLASH_DATE.findall(text):
        found |= _date(first, second, year)
    text = SLASH_DATE.sub(" ", ISO_DATE.sub(" ", text))
    text = COMPOUND.sub(lambda m: str(WORD_VALUES[m[1]] + WORD_VALUES[m[2]]), text)
    text = WORD_NUMBER.sub(lambda m: str(WORD_VALUES[m[1]]), text)
    return found | {_plain(number) for number in NUMBER.findall(text)}


def _is_date_month(word: str, text: str) -> bool:
    """``may`` and ``march`` are words too: only beside a number are they months."""
    if word not in ("may", "march", "mar"):
        return True
    return bool(re.search(rf"\d(?:st|nd|rd|th)?\s+(?:of\s+)?{word}\b|\b{word}\.?\s+\d", text))


def _date(day: str, month: str, year: str) -> set[str]:
    """Day and month may be either way round: both readings count, in answer and evidence alike."""
    spelled = {_plain(day), _plain(month), _plain(year)}
    return spelled | {MONTHS[int(n) - 1][:3] for n in (day, month) if 1 <= int(n) <= 12}


def _plain(number: str) -> str:
    digits = re.sub(r"[,'\u00a0\u202f ]", "", number)
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return digits.lstrip("0") or "0"
