"""Editions of one document: which titles are of one series, and which of them is newer.

"Fees (Version 2)" is an edition of "Fees"; so is "Fees, May 2026". A date may as well be the period
of a report, so there the texts must be alike, too.
"""

import re
from dataclasses import dataclass

from guardrails.words import STOP_WORDS

NUMBER, DAY = "number", "day"
FIRST = (NUMBER, "")
"""The edition of a title that states none, beside those that state a number."""
_WORD = r"(?:version|ver\.?|v\.?|rev(?:ision)?\.?|edition|fassung)"
_VERSION = re.compile(
    rf"(?<![^\W_]){_WORD}[\s:#-]?\s?(\d+(?:\.\d+){{0,3}})(?![^\W_])"
    r"|(?<![^\W_])rev(?:ision|\.)?[\s:#-]?\s?([A-Z])(?![^\W_])"
    r"|(?<![^\W_])(\d+)(?:st|nd|rd|th|\.)?\s+(?:edition|revision|version|auflage|fassung)(?![^\W_])",
    re.IGNORECASE,
)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_MONTH = r"(jan|feb|m[aä]r|apr|ma[yi]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-zä]*\.?"
_DATES = (
    re.compile(r"(?<!\d)(?P<y>(?:19|20)\d\d)-(?P<m>\d\d)(?:-(?P<d>\d\d))?(?!\d)"),
    re.compile(r"(?<!\d)(?:(?P<d>\d{1,2})\.\s?)?(?P<m>\d{1,2})[./](?P<y>(?:19|20)\d\d)(?!\d)"),
    re.compile(
        rf"(?<!\w)(?:(?P<d>\d{{1,2}})\.?\s+)?(?P<m>{_MONTH})\s+(?P<y>(?:19|20)\d\d)(?!\d)", re.I
    ),
    re.compile(rf"(?<!\w)(?P<m>{_MONTH})\s+(?P<d>\d{{1,2}}),?\s+(?P<y>(?:19|20)\d\d)(?!\d)", re.I),
    re.compile(r"(?<!\d)(?P<y>(?:19|20)\d\d)(?!\d)"),
)
_STAND = re.compile(
    r"\b(?:as of|status|stand|valid from|g[uü]ltig ab|effective)\b:?", re.IGNORECASE
)


@dataclass(frozen=True)
class Edition:
    """The series of a title, and which edition it is: ``mark`` sorts within one ``kind``."""

    series: str
    kind: str
    mark: str


def edition_of(title: str, version: str = "", valid_from: str = "") -> Edition:
    """What a title says, with the version and the first valid day that its metadata state."""
    rest, kind, mark = title, *FIRST
    if found := _VERSION.search(title):
        kind, mark = NUMBER, _sortable(next(filter(None, found.groups())))
        rest = _VERSION.sub(" ", rest)
    day, rest = _day(rest)
    if version:
        kind, mark = NUMBER, _sortable(version)
    elif valid_from or (day and not mark):
        kind, mark = DAY, valid_from or day
    words = re.findall(r"\w+", _STAND.sub(" ", rest).casefold())
    series = " ".join(word for word in words if word not in STOP_WORDS)
    return Edition(series[:200], kind, mark[:70])


def names_edition(question: str, edition: Edition, other: Edition) -> bool:
    """Whether a question asks for the one edition by its number or date, and not for the other."""
    asked = edition_of(question)
    mark = re.sub(r"(-00)+$", "", asked.mark)

    def fits(one: Edition) -> bool:
        return (
            one.kind == asked.kind
            and re.match(rf"{re.escape(mark)}(?![^.-])", one.mark) is not None
        )

    return bool(mark) and fits(edition) and not fits(other)


def is_newer(one: Edition, other: Edition) -> bool | None:
    """Whether ``one`` is the newer edition; None where the two cannot be compared."""
    if one.series != other.series or not one.series or one.mark == other.mark:
        return None
    if one.kind != other.kind and "" not in (one.mark, other.mark):
        return None
    return one.mark > other.mark


def _sortable(version: str) -> str:
    """ "2.10" after "2.9", "C" after "B"."""
    return ".".join(part.zfill(8) for part in re.findall(r"\d+|[a-z]+", version.casefold()))


def _day(title: str) -> tuple[str, str]:
    """The first date of a title as sortable text, "" without one; and the title without dates."""
    day = ""
    for pattern in _DATES:
        found = pattern.search(title)
        if found and not day:
            parts = found.groupdict()
            month, number = _month(parts.get("m") or ""), int(parts.get("d") or 0)
            day = f"{parts['y']}-{month:02}-{number:02}"
        title = pattern.sub(" ", title)
    return day, title


def _month(text: str) -> int:
    if text.isdecimal() or not text:
        return int(text or 0)
    alike = {"mär": "mar", "mai": "may", "okt": "oct", "dez": "dec"}
    begin = text[:3].casefold()
    return _MONTHS.index(alike.get(begin, begin)) + 1
