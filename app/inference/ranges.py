"""Which row of a table a quantity of the question falls into: ages, weights, prices, days before,
and months and days of the week.

"Two weeks before" is the row "8 to 21 days before", "after 4 years" the row "3 to 5" below "Years
of service", "I'm 16" the row "Teen (15 to 17)". Words alone never meet there.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from app.inference.evidence_selection import stems

_WORDS = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve".split()
    )
}
_FIGURE = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:[.,]\d+)?"
_NUMBER = rf"(?:{_FIGURE}|{'|'.join([*_WORDS, 'a', 'an'])})"
_YEARS_OLD = rf"(?:{_FIGURE}|{'|'.join(_WORDS)})"
""""I'm a student" names no age."""
TIMES = {
    **dict.fromkeys(["minute", "min"], 1 / 1440),
    **dict.fromkeys(["hour", "hr"], 1 / 24),
    **{"day": 1.0, "night": 1.0, "week": 7.0, "wk": 7.0, "month": 30.4},
    **dict.fromkeys(["year", "yr"], 365.0),
}
"""Units of time, in days."""
_OTHER_UNITS = "kg g lb km m cm mm mile litre kw mbit gb mb person people guest adult".split()
_SHORT = {
    **dict.fromkeys("kilo kilogram kilogramme".split(), "kg"),
    **{"gram": "g", "liter": "litre"},
    **dict.fromkeys("kilometre kilometer".split(), "km"),
    **dict.fromkeys("metre meter".split(), "m"),
}
"""Units as they are spelled out, and as they are compared."""
_UNIT = "|".join(sorted([*TIMES, *_OTHER_UNITS, *_SHORT], key=len, reverse=True))
_MONEY = {
    **{"£": "£", "pound": "£", "quid": "£", "gbp": "£"},
    **{"€": "€", "euro": "€", "eur": "€", "$": "$", "dollar": "$", "usd": "$"},
}
_SIGN = "[£€$]"
_ASKED = re.compile(rf"(?<![\w.,£€$-])({_NUMBER})[ -]?({_UNIT})s?\b", re.IGNORECASE)
_SUM = re.compile(
    rf"({_SIGN}) ?({_FIGURE})(?![\w%])"
    rf"|(?<![\w.,-])({_FIGURE}) ?(pound|quid|gbp|euro|eur|dollar|usd)s?\b",
    re.IGNORECASE,
)
_GROUP = re.compile(
    rf"\b(?:group|party|class|team|family|crew|table) of ({_NUMBER})\b(?![.,:]?\d)", re.IGNORECASE
)
"""So many people."""
_COUNTED = re.compile(rf"(?<![\w.,:£€$/-])({_FIGURE}) ([a-z]{{4,}})\b", re.IGNORECASE)
"""So many of what has a name: "4000 contacts"."""
_WHO = "son daughter child kid boy girl mum dad mother father wife husband partner nan grandad"
_OLD = re.compile(
    rf"(?<![\w.,£€$-])({_NUMBER})[ -]?(?:years?|yrs?)[ -]?olds?\b"
    rf"|\b(?:aged?|age of|turn(?:s|ed|ing)?) ({_YEARS_OLD})\b(?![.,:]?\d)"
    r"|\b(?:i['’]?m|i am|(?:he|she|who)(?:['’]?s| is)|"
    rf"(?:{'|'.join(_WHO.split())})(?:['’]s| is))(?: only| just)? ({_YEARS_OLD})"
    rf"\b(?![.,:/-]?\d| ?(?:%|°|(?:{_UNIT})s?\b))",
    re.IGNORECASE,
)
"""Ages: "my 9-year-old", "aged 5", "I'm 22"."""
AGE = "age"
"""The unit of ages: beside one a question may name a time, as "a day ticket" does."""
_NAMED_UNIT = re.compile(rf"\b({_UNIT})s?\b", re.IGNORECASE)
_AND_UNIT = rf"\s*(?:(?:{_UNIT})s?)?"
_SAID = rf"(?:{'|'.join(_WORDS)})(?=[ -](?:{_UNIT})s?\b| or (?:more|less|fewer|over|older)\b)"
"""A number in a word, where it counts something: "from one of our sites" does not."""
_ONE = rf"{_SIGN}?\s?({_FIGURE}|{_SAID})"
_BETWEEN = re.compile(
    rf"{_ONE}\s*(?:({_UNIT})s?)?\s*(?:to|-|\u2013|\u2014|and|bis|until)\s*{_ONE}"
    rf"(?:\s*({_UNIT})s?\b)?",
    re.IGNORECASE,
)
_OVER = re.compile(
    rf"\b(?:more than|over|above|beyond|after|past|longer than|older than)[\s-]*{_ONE}",
    re.IGNORECASE,
)
_UNDER = re.compile(rf"\b(?:less than|fewer than|under|below|younger than)[\s-]*{_ONE}", re.I)
_LEAST = re.compile(
    rf"\b(?:at least|from)\s*{_ONE}|{_ONE}{_AND_UNIT}\s*(?:or (?:more|older|over|above)"
    rf"|and (?:more|older|over|above)|\+)",
    re.IGNORECASE,
)
_MOST = re.compile(
    rf"\b(?:up to|at most|no more than|until|within|the first)(?: the first)?\s*{_ONE}"
    rf"|{_ONE}{_AND_UNIT}\s*(?:or|and) (?:less|fewer|younger|under|below)",
    re.IGNORECASE,
)
_NO_LIMIT = re.compile(
    r":\d|[ -]?%| ?per cent\b| ?[ap]\.?m\b| o'clock|(?:st|nd|rd|th)\b"
    r"| (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b",
    re.IGNORECASE,
)
"""What follows the number of a time of day, of a date, or of a share."""
_NOUN = re.compile(r"[ -]?[^\W\d_]+")
_DATED = re.compile(r"\b(?:19|20)\d\d\b|\d:\d\d|\d ?[ap]\.?m\b", re.IGNORECASE)
"""What has numbers that are no quantities."""
_AGE = re.compile(
    r"\bage[ds]?\b|\b(?:child|kid|teen|junior|young|youth|infant|baby|toddler|senior|adult|student"
    r"|pensioner)\w*[ ,:(\u2013\u2014-]{1,3}(?:under |over |from |aged? )?\d",
    re.IGNORECASE,
)
"""Says that numbers are years of age."""
_ENDS_UNDER = re.compile(r"\b(?:under|below|(?:less|fewer|younger) than)\s*$", re.IGNORECASE)
_ENDS_OVER = re.compile(r"\b(?:over|above|(?:more|older|longer) than)\s*$", re.IGNORECASE)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_WEEK = "mon tue wed thu fri sat sun".split()
_CALENDARS = (
    re.compile(
        r"\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)(?:uary|ruary|ch|il|e|y|ust|t|tember|"
        r"ober|ember)?\b",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(mon|tue|wed|thu|fri|sat|sun)(?:day|sday|s|nesday|rsday|r|rs|urday)?s?\b", re.IGNORECASE
    ),
)
"""Names of months, and of days."""
_MAY_BE = re.compile(r"\bmay\b(?! \d)(?<!(?:in|of|by) may)(?<!during may)", re.IGNORECASE)
"""The verb."""
_THROUGH = re.compile(r"\s*(?:to|until|till|through|bis|-|\u2013|\u2014)\s*", re.IGNORECASE)
LITTLE = 1e-6
LEAST_ROWS = 2
LONGEST = 100
"""A unit of time that is longer by more measures something else: who is 10 minutes late is not 0
years old."""


@dataclass(frozen=True)
class Quantity:
    """A number with its unit, or with the noun that it counts; ``said`` are the words of the
    question that say it."""

    value: float
    unit: str
    said: str

    def in_unit(self, unit: str) -> float | None:
        """The number in another unit, None where that measures something else."""
        if self.unit == unit:
            return self.value
        if self.unit == AGE:
            return {"year": self.value, "month": 12 * self.value}.get(unit)
        if self.unit in TIMES and unit in TIMES:
            if TIMES[unit] > LONGEST * TIMES[self.unit]:
                return None
            return self.value * TIMES[self.unit] / TIMES[unit]
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


@lru_cache(maxsize=64)
def quantities(question: str) -> tuple[Quantity, ...]:
    """The quantities that a question names; () where it names one measure twice, as "from 2 to 3
    days" does. Kept, as it is asked of each passage that is read."""
    found = tuple(_named(question))
    kinds = ["time" if one.unit in TIMES else one.unit for one in found]
    return found if len(set(kinds)) == len(kinds) else ()


def _named(question: str) -> Iterator[Quantity]:
    ages = [match.span() for match in _OLD.finditer(question)]
    for match in _OLD.finditer(question):
        yield Quantity(_value(next(filter(None, match.groups()))), AGE, match[0])
    for match in _GROUP.finditer(question):
        yield Quantity(_value(match[1]), "people", match[0])
    sums = [match.span() for match in _SUM.finditer(question)]
    for match in _SUM.finditer(question):
        number, unit = (match[2], match[1]) if match[1] else (match[3], match[4])
        yield Quantity(_value(number), _MONEY[unit.lower()], match[0])
    taken = [*ages, *sums]
    for pattern in (_ASKED, _COUNTED):
        for match in pattern.finditer(question):
            if not any(start < match.end() and match.start() < end for start, end in taken):
                taken.append(match.span())
                value = _nudged(_value(match[1]), question[: match.start()])
                yield Quantity(value, _SHORT.get(match[2].lower(), match[2].lower()), match[0])


def _nudged(value: float, before: str) -> float:
    """What is "under 8" is a little less than 8, and "over 8" a little more."""
    if _ENDS_UNDER.search(before):
        return value * (1 - LITTLE)
    return value * (1 + LITTLE) if _ENDS_OVER.search(before) else value


def row_of(asked: Sequence[Quantity], names: Sequence[str], column: str) -> int | None:
    """Which of the rows with these ``names`` a quantity falls into; None where none does, several
    do, or they are no ranges. ``column`` is what stands over the names."""
    ranges = [_range(name) for name in names]
    if sum(one is not None for one in ranges) < LEAST_ROWS:
        return None
    rows = {_row(one, names, column, ranges) for one in asked} - {None}
    return rows.pop() if len(rows) == 1 else None


def limits_in(text: str) -> list[tuple[int, int]]:
    """Where ``text`` names limits ("up to 5 kg", "from 21 to 100 km"), in order, each with the word
    that follows its number."""
    found: list[tuple[int, int]] = []
    for pattern in (_BETWEEN, _OVER, _UNDER, _LEAST, _MOST):
        for one in pattern.finditer(text):
            counts = pattern is not _BETWEEN or _is_range(text, one)
            taken = any(start < one.end() and one.start() < end for start, end in found)
            if counts and not taken and not _NO_LIMIT.match(text, one.end()):
                noun = _NOUN.match(text, one.end())
                found.append((one.start(), noun.end() if noun else one.end()))
    return sorted(found)


def _is_range(text: str, two: re.Match[str]) -> bool:
    """Whether two numbers are the ends of one: "3 and 14" are so only after "between"."""
    if not re.search(r"\band\b", two[0]):
        return True
    return text[: two.start()].rstrip().lower().endswith("between")


def has_unit(limit: str) -> str:
    """The unit or the sign of money that ``limit`` names; "" for none."""
    sign = re.search(_SIGN, limit)
    return sign[0] if sign else _unit(limit)


def in_years(limit: str) -> str:
    """The limit as one of age, where it names no unit: "under 18"."""
    return limit if has_unit(limit) else f"{limit} years"


def holds(asked: Quantity, limit: str) -> bool | None:
    """Whether the quantity lies within ``limit``; None where that measures something else."""
    value, one = _in_row(asked, limit, ""), _range(limit)
    return None if value is None or one is None else one.holds(value)


def beyond(limit: str, *, more: bool) -> str:
    """What lies beyond ``limit``, or below it, as a limit; "" where it has no such end."""
    one = _range(limit)
    if one is None or math.isinf(end := one.high if more else one.low):
        return ""
    sign = re.search(_SIGN, limit)
    counted = re.split(r"\d", limit)[-1].strip()
    return f"{'over' if more else 'under'} {sign[0] if sign else ''}{end:g} {counted}".rstrip()


def names_date(question: str) -> bool:
    """Whether it names a month or a day of the week."""
    return any(calendar.search(question) for calendar in _CALENDARS)


def row_of_date(question: str, names: Sequence[str]) -> int | None:
    """Which of the rows with these ``names`` the month or the day of the week falls into that
    ``question`` names: "in June" into "May to August". None where it names none or several, and
    where no row holds it, or more than one."""
    question = _MAY_BE.sub(" ", question)
    for calendar, order in zip(_CALENDARS, (_MONTHS, _WEEK), strict=True):
        asked = _named_dates(question, calendar, order)
        held = [_named_dates(name, calendar, order) for name in names]
        if len(asked) != 1 or sum(map(bool, held)) < LEAST_ROWS:
            continue
        rows = [place for place, days in enumerate(held) if asked <= days]
        if len(rows) == 1:
            return rows[0]
    return None


def _named_dates(text: str, calendar: re.Pattern[str], order: Sequence[str]) -> frozenset[int]:
    """The places in ``order`` of all that ``text`` names, and what lies between two of them."""
    found = [(match, order.index(match[1].lower())) for match in calendar.finditer(text)]
    named = {place for _, place in found}
    for (first, begins), (last, ends) in pairwise(found):
        if _THROUGH.fullmatch(text, first.end(), last.start()):
            named |= {(begins + n) % len(order) for n in range((ends - begins) % len(order))}
    return frozenset(named)


def _row(
    asked: Quantity, names: Sequence[str], column: str, ranges: Sequence[_Range | None]
) -> int | None:
    held: list[tuple[int, _Range]] = []
    for place, (name, one) in enumerate(zip(names, ranges, strict=True)):
        value = _in_row(asked, name, column)
        if one is not None and value is not None and one.holds(value):
            held.append((place, one))
    return _tightest(held)


def _tightest(held: Sequence[tuple[int, _Range]]) -> int | None:
    """The one range, or of "up to 15", "up to 30", "up to 60" the first that suffices."""
    if not held:
        return None
    if len(held) > 1 and all(one.low == -math.inf for _, one in held):
        return min(held, key=lambda both: both[1].high)[0]
    if len(held) > 1 and all(one.high == math.inf for _, one in held):
        return max(held, key=lambda both: both[1].low)[0]
    return held[0][0] if len(held) == 1 else None


def _in_row(asked: Quantity, name: str, column: str) -> float | None:
    """The quantity as the row measures it, None where the row measures something else."""
    unit = _unit(name) or _unit(column)
    value = asked.in_unit(unit) if unit else None
    if value is not None:
        return value
    if asked.unit == AGE or asked.unit in TIMES or asked.unit in _OTHER_UNITS:
        return None
    if asked.unit in _MONEY:
        return asked.value if asked.unit in f"{name} {column}" else None
    return asked.value if stems(asked.unit) & stems(f"{name} {column}") else None


def _unit(text: str) -> str:
    """The last unit that ``text`` names; ages are in years."""
    named = next((unit.lower() for unit in reversed(_NAMED_UNIT.findall(text))), "")
    named = _SHORT.get(named, named)
    return "year" if _AGE.search(text) and named not in TIMES else named


def _range(name: str) -> _Range | None:
    if _DATED.search(name):
        return None
    if found := _BETWEEN.search(name):
        first, unit, second, last = found.groups()
        low_end, high_end = sorted((_value(first) * _times(unit, last), _value(second)))
        return _Range(low_end, high_end)
    over, under = _OVER.search(name), _UNDER.search(name)
    low, high = over or _LEAST.search(name), under or _MOST.search(name)
    if not low and not high:
        return None
    return _Range(
        _value(next(filter(None, low.groups()))) if low else -math.inf,
        _value(next(filter(None, high.groups()))) if high else math.inf,
        open_low=over is not None,
        open_high=under is not None,
    )


def _times(unit: str | None, last: str | None) -> float:
    """How many of the ``last`` unit one of the first is: of "7 days to 2 hours" 24."""
    first, second = (TIMES.get((one or "").lower()) for one in (unit, last))
    return first / second if first and second else 1.0


def _value(said: str) -> float:
    """The number that stands there in figures or in a word; a comma before three figures parts
    thousands."""
    said = said.lower()
    if said in ("a", "an"):
        return 1.0
    if said in _WORDS:
        return float(_WORDS[said])
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", said):
        return float(said.replace(",", ""))
    return float(said.replace(",", "."))
