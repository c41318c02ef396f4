"""Does every named term of a sentence stand in the passages the sentence cites?

A named term is a capitalised name, an acronym, a word in mixed case, or words in quotation marks.
As with numbers, the claim is read strictly and the evidence generously; a single capitalised
word that begins a sentence is left alone, as nothing tells a name from a plain word there.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from guardrails.checks.figures import CURRENCIES, MEASURES, missing_figures, read_figures
from guardrails.checks.wording import folded
from guardrails.contract import Case, Draft, Finding, Outcome, Stage, sentence_bounds
from guardrails.words import STOP_WORDS

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_PLAIN_WORD = re.compile(r"[^\W_]+")
_QUOTED = re.compile(r'["\u201c\u201e]([^"\u201c\u201d\u201e]{2,200})["\u201d]')
_BEFORE_OPENING = " \t\r\"'([\u201c\u2018*\u2022-"
"""Signs that may stand between the end of a sentence or line and the next word."""
_MIN_STEM, _MAX_ENDING = 4, 4
"""Letters that two forms of one name must share, and those one may have more (Iran, Iranian)."""
_TITLES = frozenset("mr mrs ms miss dr prof sir madam".split())
_CALENDAR = re.compile(
    r"(?:jan(?:uary|uar|vier)?|feb(?:ruary|ruar)?|mar(?:ch|z|zo|s)?|apr(?:ile?)?|ma[yi]|jun[ei]?"
    r"|jul[yi]?|aug(?:ust)?|sep(?:t(?:embre|ember)?)?|o[ck]t(?:ober|obre)?|nov(?:embre|ember)?"
    r"|de[cz](?:embre|ember)?)$"
)
"""Months of a few languages, whole: Martin, Marsh and Augusta are names."""


@dataclass(frozen=True)
class Piece:
    """A part of a claim, ``claim[start:end]``, that its evidence does not hold."""

    start: int
    end: int
    text: str
    kind: str
    """``number`` (with its unit, or a date) or ``term``."""


@dataclass(frozen=True)
class Held:
    """The words of evidence, folded: alone, in a row, and as initials of capitalised neighbours."""

    words: frozenset[str]
    text: str
    initials: str
    every_initial: str
    """Also of words in lower case."""


class TermsCheck:
    """Every named term of a sentence stands in the passages the sentence cites."""

    name = "terms"
    stage: Stage = "draft"
    timeout_s = 3.0

    def run(self, case: Case) -> list[Finding]:
        """A fail for each term that its sources do not hold, else one pass."""
        if case.draft is None:
            return [Finding(self.name, Outcome.FAIL, "There is no draft.")]
        texts = {p.id: f"{p.place}\n{p.text}" for p in case.evidence}
        found = [
            Finding(
                self.name, Outcome.FAIL, f"The sources do not hold {piece.text}.", "", sentence.text
            )
            for sentence in case.draft.sentences
            for piece in unmatched_terms(
                sentence.text, cited_texts(case.draft, sentence.citations, texts)
            )
        ]
        return found or [Finding(self.name, Outcome.PASS, "Every name stands in its source.")]


def cited_texts(draft: Draft, numbers: Sequence[int], texts: Mapping[str, str]) -> tuple[str, ...]:
    """The texts, by passage id, that the citations ``numbers`` of ``draft`` point to."""
    cited = [c.passage_id for c in draft.citations if c.number in numbers]
    return tuple(texts[key] for key in dict.fromkeys(cited) if key in texts)


def unmatched(claim: str, sources: Sequence[str]) -> list[Piece]:
    """The numbers, units, dates and named terms of ``claim`` that ``sources`` do not hold."""
    figures = [read_figures(source, True) for source in sources]
    missing = missing_figures(read_figures(claim, False), figures)
    pieces = [_located(claim, spelled) for spelled in missing]
    return sorted([*pieces, *unmatched_terms(claim, sources)], key=lambda piece: piece.start)


def unmatched_terms(claim: str, sources: Sequence[str]) -> list[Piece]:
    """The named terms of ``claim`` that ``sources`` do not hold, in order of place."""
    held = held_words(tuple(sources))
    quoted = [piece for piece in _quotes(claim) if not _holds_quote(held, piece.text)]
    inside = [(piece.start, piece.end) for piece in _quotes(claim)]
    named = [
        piece
        for piece in named_pieces(claim)
        if not any(start <= piece.start < end for start, end in inside)
        and not holds_term(held, piece.text)
    ]
    return sorted([*quoted, *named], key=lambda piece: piece.start)


def _located(claim: str, spelled: str) -> Piece:
    """Where ``spelled`` stands; a number that is written otherwise marks the whole claim."""
    words = r"\W*".join(map(re.escape, re.findall(r"\w+|[^\w\s]", spelled)))
    match = re.search(rf"(?<![\w.,]){words}(?!\w)", claim, re.I) or re.search(words, claim, re.I)
    start, end = match.span() if match else (0, len(claim))
    return Piece(start, end, claim[start:end], "number")


def _quotes(claim: str) -> Iterator[Piece]:
    for match in _QUOTED.finditer(claim):
        yield Piece(match.start(1), match.end(1), match[1], "term")


def named_pieces(claim: str) -> Iterator[Piece]:
    """Each word of a name, but function words, titles, months and plain numbers."""
    openings = {start for start, _ in sentence_bounds(claim)}
    words = list(_WORD.finditer(claim))
    for place, match in enumerate(words):
        word = match[0]
        before = claim[words[place - 1].end() if place else 0 : match.start()]
        opens = match.start() in openings or _ends_sentence(before, first=not place)
        if _is_named(word) and (not opens or _is_sure(claim, words, place)):
            bare = re.sub(r"['\u2019]s?$", "", word)
            yield Piece(match.start(), match.start() + len(bare), bare, "term")


def _ends_sentence(between: str, *, first: bool) -> bool:
    """Whether what stands before a word, up to the word before it, lets it open a sentence."""
    end = between.rstrip(_BEFORE_OPENING)[-1:]
    return end in tuple(".!?:;\n\v\f") if end else first


def _is_named(word: str) -> bool:
    """Whether a word that does not begin a sentence is part of a name; digits are for numbers."""
    plain = folded(word)
    if len(word) < 2 or word.islower() or any(c.isdigit() for c in word):
        return False
    unit = plain in MEASURES or plain in CURRENCIES
    pronoun = plain.partition("'")[0] in STOP_WORDS  # "I'm" as much as "I"
    return not (unit or pronoun or plain in _TITLES or _CALENDAR.match(plain))


def _is_sure(claim: str, words: Sequence[re.Match[str]], place: int) -> bool:
    """Whether a word that begins a sentence is a name all the same: FBI, iPhone, Ada Lovelace."""
    word = words[place][0]
    if any(c.isupper() for c in word[1:]):
        return True
    if place + 1 == len(words):
        return False
    between = claim[words[place].end() : words[place + 1].start()]
    return between == " " and _is_named(words[place + 1][0])


@lru_cache(maxsize=256)
def held_words(sources: tuple[str, ...]) -> Held:
    """What ``sources`` hold."""
    text = "\n".join(sources)
    plain = folded(text)
    words = set(_WORD.findall(plain))
    words |= {part for word in words if "'" in word for part in word.split("'")}
    initials = "".join(word[0] for word in _WORD.findall(text) if word[0].isupper())
    row = _row(plain)
    every = "".join(word[0] for word in row.split())
    return Held(frozenset(words), row, initials, every)


def _row(plain: str) -> str:
    """The words of folded text, a space around each."""
    return f" {' '.join(_PLAIN_WORD.findall(plain))} "


def _holds_quote(held: Held, quote: str) -> bool:
    row = _row(folded(quote))
    return row in held.text or not row.strip()


def holds_term(held: Held, term: str) -> bool:
    """Whether a word of a name stands there, in this or a near form, or as initials."""
    word = folded(term)
    if word in held.words or word.rstrip("s") in held.words or word + "s" in held.words:
        return True
    if term.isupper() and term in held.initials:
        return True
    return any(_same_stem(word, other) for other in held.words)


def _same_stem(one: str, other: str) -> bool:
    alike = one.startswith(other) or other.startswith(one)
    return (
        alike
        and min(len(one), len(other)) >= _MIN_STEM
        and abs(len(one) - len(other)) <= _MAX_ENDING
    )
