"""Which row of a table a quantity of the question falls into: ages, weights, days before.

"Two weeks before" is the row "8 to 21 days before", "after 4 years" the row "3 to 5" below "Years
of service". Words alone never meet there.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

_WORDS = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve".split()
    )
}
_NUMBER = rf"(?:\d+(?:[.,]\d+)?|{'|'.join([*_WORDS, 'a', 'an'])})"
_TIMES = {
    **dict.fromkeys(["minute", "min"], 1 / 1440),
    **dict.fromkeys(["hour", "hr"], 1 / 24),
    **{"day": 1.0, "night": 1.0, "week": 7.0, "month": 30.4, "year": 365.0},
}
"""Units of time, in days."""
_OTHER_UNITS = "kg g lb km m cm mm mile litre kw mbit gb mb person people guest adult".split()
_UNIT = "|".join(sorted([*_TIMES, *_OTHER_UNITS], key=len, reverse=True))
_ASKED = re.compile(rf"(?<![\w.,-])({_NUMBER})[ -]?({_UNIT})s?\b", re.IGNORECASE)
_NAMED_UNIT = re.compile(rf"\b({_UNIT})s?\b", re.IGNORECASE)
_FIGURE = r"(\d+(?:[.,]\d+)?)"
_AND_UNIT = rf"\s*(?:(?:{_UNIT})s?)?"
_BETWEEN = re.compile(
    rf"{_FIGURE}{_AND_UNIT}\s*(?:to|-|\u2013|\u2014|and|bis|until)\s*{_FIGURE}", re.IGNORECASE
)
_OVER = re.compile(rf"\b(?:more than|over|above|longer than|older than)\s*{_FIGURE}", re.IGNORECASE)
_UNDER = re.compile(rf"\b(?:less than|fewer than|under|below|younger than)\s*{_FIGURE}", re.I)
_LEAST = re.compile(
    rf"\b(?:at least|from)\s*{_FIGURE}|{_FIGURE}{_AND_UNIT}\s*(?:or (?:more|older|over|above)"
    rf"|and (?:more|older|over|above)|\+)",
    re.IGNORECASE,
)
_MOST = re.compile(
    rf"\b(?:up to|at most|no more than|until|within)\s*{_FIGURE}"
    rf"|{_FIGURE}{_AND_UNIT}\s*or (?:less|fewer|younger|under)",
    re.IGNORECASE,
)
_DATED = re.compile(r"\b(?:19|20)\d\d\b|\d:\d\d|\d ?[ap]\.?m\b", re.IGNORECASE)
"""What has numbers that are no quantities."""
_AGE = re.compile(r"\bage[ds]?\b", re.IGNORECASE)
LEAST_ROWS = 2


@dataclass(frozen=True)
class Quantity:
    """A number with its unit; ``said`` are the words of the question that say it."""

    value: float
    unit: str
    said: str

    def in_unit(self, unit: str) -> float | None:
        """The number in another unit, None where that measures something else."""
        if self.unit == unit:
            return self.value
        if self.unit in _TIMES and unit in _TIMES:
            return self.value * _TIMES[self.unit] / _TIMES[unit]
        return None


@dataclass(frozen=True)
class _Range:
    low: float
    high: float
    open_low: bool = False
    open_high: bool = False

    def holds(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below


def quantity(question: str) -> Quantity | None:
    """The one quantity that a question names; None where it names none, or several."""
    found = {match.span(): match for match in _ASKED.finditer(question)}
    if len(found) != 1:
        return None
    (match,) = found.values()
    said = match[1].lower()
    value = 1 if said in ("a", "an") else _WORDS.get(said)
    return Quantity(_figure(said) if value is None else value, match[2].lower(), match[0])


def row_of(asked: Quantity, names: Sequence[str], column: str) -> int | None:
    """Which of the rows with these ``names`` the quantity falls into; None where none does, several
    do, or they are no ranges. ``column`` is what stands over the names."""
    ranges = [_range(name) for name in names]
    if sum(one is not None for one in ranges) < LEAST_ROWS:
        return None
    held = []
    for place, (name, one) in enumerate(zip(names, ranges, strict=True)):
        unit = _unit(name) or _unit(column)
        value = asked.in_unit(unit) if unit else None
        if one is not None and value is not None and one.holds(value):
            held.append(place)
    return held[0] if len(held) == 1 else None


def _unit(text: str) -> str:
    """The last unit that ``text`` names; ages are in years."""
    named = next((unit.lower() for unit in reversed(_NAMED_UNIT.findall(text))), "")
    return named or ("year" if _AGE.search(text) else "")


def _range(name: str) -> _Range | None:
    if _DATED.search(name):
        return None
    if found := _BETWEEN.search(name):
        return _Range(_figure(found[1]), _figure(found[2]))
    over, under = _OVER.search(name), _UNDER.search(name)
    low, high = over or _LEAST.search(name), under or _MOST.search(name)
    if not low and not high:
        return None
    return _Range(
        _figure(next(filter(None, low.groups()))) if low else -math.inf,
        _figure(next(filter(None, high.groups()))) if high else math.inf,
        open_low=over is not None,
        open_high=under is not None,
    )


def _figure(text: str) -> float:
    return float(text.replace(",", "."))
