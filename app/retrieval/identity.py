"""Is a passage from the document that the question means? By years, quarters and codes.

Documents of one kind say the same in the same words: the report of 2022 and that of 2023, the
manual of one model and of the next. A search and a reader hardly see the one token that tells
them apart, so it is compared here, with the passage and with the place it stands in.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from guardrails.checks.identifiers import Identifier, holds, identifiers
from guardrails.contract import Passage

QUARTER, YEAR = "quarter", "year"
_LATEST = re.compile(
    r"\b(?:latest|newest|current|currently|most recent(?:ly)?|nowadays|right now|at present|today"
    r"|these days|this year|up[- ]to[- ]date)\b",
    re.I,
)
_SHORT_YEAR = re.compile(
    r"\b(?:FY|CY)[\s'\u2019-]?(\d\d|\d{4})(?:[/-]\d\d)?\b|(?<!\w)['\u2019](\d\d)\b"
)
_QUARTERS = (
    re.compile(r"\bQ([1-4])(?:[\s/'\u2019-]?(?:FY)?\s?'?(\d{4}|\d\d))?\b", re.I),
    re.compile(r"\b([1-4])Q[\s/'\u2019-]?(?:FY)?(\d{4}|\d\d)?\b", re.I),
    re.compile(
        r"\b(first|second|third|fourth|last) (?:fiscal )?quarter(?: of)?(?: (?:fiscal )?(\d{4}))?",
        re.I,
    ),
)
_ORDER = {"first": "1", "second": "2", "third": "3", "fourth": "4", "last": "4"}
_BARE_YEAR = re.compile(r"(?<![\d.,-])(?:19|20)\d\d(?![\d.,])")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Asked:
    """What a question says of the thing it is about; ``latest`` asks for the newest of its kind."""

    question: str
    identifiers: tuple[Identifier, ...]
    latest: bool

    @property
    def is_told(self) -> bool:
        """Whether there is anything to compare."""
        return bool(self.identifiers) or self.latest


def asked_of(question: str) -> Asked:
    """What ``question`` names; "latest" counts where it names no year."""
    found = tuple(_spelled_out(question))
    dated = any(one.kind in (YEAR, QUARTER) for one in found)
    return Asked(question, found, not dated and _LATEST.search(question) is not None)


def _spelled_out(text: str) -> Iterator[Identifier]:
    """The identifiers of a text, with years and quarters however they are written."""
    known = dict.fromkeys((one.kind, one.value) for one in _periods(text))
    periods = [Identifier(kind, value, value) for kind, value in known]
    yield from periods
    plain = text
    for pattern in (*_QUARTERS, _SHORT_YEAR):
        plain = pattern.sub(" ", plain)
    for one in identifiers(plain):
        if (one.kind, one.value) not in known:
            yield one


def _periods(text: str) -> Iterator[Identifier]:
    for pattern in _QUARTERS:
        for number, year in pattern.findall(text):
            yield Identifier(QUARTER, _ORDER.get(number.lower(), number), f"Q{number}")
            if year:
                yield Identifier(YEAR, _full_year(year), year)
    for pair in _SHORT_YEAR.findall(text):
        year = next(filter(None, pair))
        yield Identifier(YEAR, _full_year(year), year)


def _full_year(digits: str) -> str:
    return digits if len(digits) == 4 else f"{'19' if digits > '69' else '20'}{digits}"


@lru_cache(maxsize=4096)
def _named(text: str) -> frozenset[tuple[str, str]]:
    return frozenset((one.kind, one.value) for one in _spelled_out(text))


@lru_cache(maxsize=4096)
def _titled(place: str) -> frozenset[tuple[str, str]]:
    """What a title and headings name: there, four digits alone are a year."""
    return _named(place) | {(YEAR, year) for year in _BARE_YEAR.findall(place)}


def fits(asked: Asked, passages: Sequence[Passage]) -> list[float]:
    """How well each passage is about what was asked for, in [-1, 1]; 0 where nothing tells.

    1: all that the question names stands in the passage or over it. -1: the place names another
    one of the same kind, as the report of another year does, and the passage not the one asked.
    """
    newest = _newest(passages) if asked.latest else {}
    return [_fit(asked, passage, newest) for passage in passages]


def _fit(asked: Asked, passage: Passage, newest: dict[str, int]) -> float:
    marks = [_mark(one, passage) for one in asked.identifiers]
    if asked.latest and (dated := _dated(passage)):
        kind, day = dated
        marks.append(1.0 if day == newest[kind] else -1.0)
    return sum(marks) / len(marks) if marks else 0.0


def _mark(wanted: Identifier, passage: Passage) -> float:
    if _says(passage.place, wanted):
        return 1.0
    has_rival = any(kind == wanted.kind for kind, _ in _titled(passage.place))
    if _says(passage.text, wanted):
        return 0.0 if has_rival else 1.0
    return -1.0 if has_rival else 0.0


def _says(text: str, wanted: Identifier) -> bool:
    return (wanted.kind, wanted.value) in _named(text) or holds(text, wanted)


def _dated(passage: Passage) -> tuple[str, int] | None:
    """The kind of document that a passage is of (its title without numbers), and how new it is."""
    years = [int(value) for kind, value in _titled(passage.title) if kind == YEAR]
    if not years:
        return None
    quarters = [int(value) for kind, value in _titled(passage.title) if kind == QUARTER]
    return _NUMBER.sub("", passage.title), max(years) * 10 + max(quarters, default=0)


def _newest(passages: Sequence[Passage]) -> dict[str, int]:
    newest: dict[str, int] = {}
    for dated in filter(None, map(_dated, passages)):
        newest[dated[0]] = max(newest.get(dated[0], 0), dated[1])
    return newest
