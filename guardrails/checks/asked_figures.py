"""Which figures does a question take for granted that the passages give otherwise?

"How do I claim under the 2-year warranty" is not answered by a passage whose warranty lasts one
year, whatever else it says. Compared is a figure that a question names as known ("the 2-year
warranty", "the £500 deposit") with what the passages say of the same noun. Where they leave room
(up to, at least, between), or give the figure anywhere, nothing is said.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from guardrails.checks.figures import (
    MEASURES,
    SCALES,
    Amount,
    read_figures,
)
from guardrails.words import STOP_WORDS, WORDS, content_words

_NUMBER = rf"(?:(?<![\d.,])\d[\d.,]{{0,15}}|{'|'.join(WORDS)})"
_UNIT = (
    r"(?:%|per\s?cent|seconds?|minutes?|hours?|days?|weeks?|months?|years?|pounds?|euros?|dollars?"
    rf"|(?:{'|'.join(map(re.escape, sorted(MEASURES, key=len, reverse=True)))})s?)(?!\w)"
)
_KNOWN = re.compile(
    r"\b(?:the|this|that|these|those|my|our|your|their)\s"
    rf"(?P<figure>[£€$]\s?{_NUMBER}|{_NUMBER}[\s-]{_UNIT}|{_NUMBER}\s?%"
    rf"|(?P<plain>{_NUMBER})(?=[\s-][a-z]))"
    r"(?P<rate>\s(?:an?|per)\s[a-z]+)?[\s-](?:of\s|for\s)?(?P<noun>[a-z]{3,})"
    r"(?P<more>(?:\s[a-z]{3,})?)",
    re.I,
)
"""A figure that a question names as known, with the noun it says something of."""
_ROOM = re.compile(
    r"\b(?:up to|at (?:least|most)|between|from|under|over|above|below|within|until|(?:more|less"
    r"|fewer|older|younger|longer) than|min(?:imum|\.)?|max(?:imum|\.)?|about|around|roughly"
    rf"|or more|or less|out of|each|every)\b|{_NUMBER}\s?(?:to|-|\u2013)\s?{_NUMBER}",
    re.I,
)
"""A sentence that leaves room for other figures."""
_A_SPAN = re.compile(
    r"(?<=\b(?:lasts|takes) )an? (hour|day|week|fortnight|month|year)\b(?! and)", re.I
)
"""How long something is: "a day" says how often elsewhere."""
MOST = 40
"""Different figures of a question that are looked for: of hundreds it would take seconds."""
_PIECE = re.compile(r"(?<=[.!?])\s+|\n+")
_OTHER = STOP_WORDS.union(
    SCALES, WORDS, "other first last next same different following old and not more less".split()
)
"""Words that are no noun of a figure."""


@dataclass(frozen=True)
class _Known:
    """A figure that is taken for granted; ``counted`` is the noun it counts, if it has no unit."""

    spelled: str
    amount: Amount
    nouns: frozenset[str]
    counted: str


def contradicted_figures(question: str, sources: Sequence[str]) -> list[str]:
    """The figures of ``question``, as written, that ``sources`` give otherwise."""
    asked = islice(dict.fromkeys(_known(question)), MOST)
    return [known.spelled for known in asked if _is_otherwise(known, sources)]


def _known(question: str) -> Iterator[_Known]:
    for match in _KNOWN.finditer(question):
        noun, following = match["noun"].lower(), match["more"].strip().lower()
        nouns = content_words(f"{noun} {following}") - _OTHER
        if noun in _OTHER or not nouns or re.fullmatch(r"[12]\d{3}", match["plain"] or ""):
            continue
        found = read_figures(match["figure"].replace("-", " "), generous=True).amounts
        if len(found) == 1:
            counted = _singular(noun) if match["plain"] else ""
            kept = content_words(noun) if not following else nouns
            yield _Known(match[0].strip(), found[0][1], kept, counted)


def _is_otherwise(known: _Known, sources: Iterable[str]) -> bool:
    """Whether a sentence gives another figure of the same kind for the noun, and none this one."""
    others = False
    for source in sources:
        for piece in _PIECE.split(source):
            given = list(_given(known, piece))
            if any(_is_same(known.amount, amount) for amount in given):
                return False
            others = others or (bool(given) and _speaks_of(known, piece))
    return others


def _speaks_of(known: _Known, piece: str) -> bool:
    """Whether a sentence names the noun, and leaves no room for other figures."""
    return not known.nouns.isdisjoint(content_words(piece)) and not _ROOM.search(piece)


def _given(known: _Known, piece: str) -> Iterator[Amount]:
    """The amounts of a sentence that are of the kind of a known one."""
    if known.counted:
        pattern = rf"\b({_NUMBER})[\s-](?:[a-z]+[\s-])?{re.escape(known.counted)}(?:s|es)?\b"
        for match in re.finditer(pattern, piece, re.I):
            value = str(WORDS.get(match[1].lower(), match[1].replace(",", "")))
            yield Amount(value, "")
        return
    piece = _A_SPAN.sub(r"1 \1", piece)
    amounts = read_figures(piece, generous=True).amounts if known.nouns else ()
    yield from (amount for _, amount in amounts if amount.of_kind(known.amount))


def _is_same(one: Amount, other: Amount) -> bool:
    return (one.unit == other.unit and one.value == other.value) or one.equals(other)


def _singular(noun: str) -> str:
    return noun[:-1] if noun.endswith("s") and not noun.endswith("ss") else noun
