"""What does a claim make of the room that its source leaves around a number?

"Up to £5,000" is not "at least £5,000", "5 to 7 days" are not 5 days, and "£12 per person" is not
"£12 per group", although every number stands in the source. Only what a claim says in other words
than its source is looked at; in doubt nothing is said.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from guardrails.checks.wording import readable
from guardrails.words import WORDS

LOW = (
    r"at least|(?:a |the )?min(?:imum|\.)(?: of| is)?|more than|over|above|exceed(?:s|ing)?"
    r"|upwards? of|(?:greater|larger|longer|higher|older|heavier|wider|taller|later) than"
    r"|start(?:s|ing)? (?:at|from)|from|after|since|as of"
)
HIGH = (
    r"at most|up to|(?:a |the )?max(?:imum|\.)(?: of| is)?|less than|fewer than|under|below|within"
    r"|(?:lower|smaller|shorter|younger|lighter|narrower|earlier) than|until|till|before|not later"
)
_NUMBER = rf"(?:[£€$]\s?)?(?:(?<![\d.,])\d[\d.,]{{0,15}}|(?:{'|'.join(WORDS)})\b)"
_BEFORE = re.compile(
    rf"(?P<not>\b(?:not|no|never|nor)\s(?:be\s)?)?\b(?:(?P<low>{LOW})|(?P<high>{HIGH}))"
    rf"\s(?:of\s|the\s|an?\s|about\s|age\s|usd\s|eur\s|gbp\s){{0,2}}(?P<figure>{_NUMBER})",
    re.I,
)
_AFTER = re.compile(
    rf"(?P<figure>{_NUMBER})(?:\s?[^\W\d]{{1,20}}|\s?%|\s?°\s?C?){{0,2}}?,?\s"
    r"(?:or|and)\s(?:(?P<low>more|over|older|above|longer|later|upwards?|higher)"
    r"|(?P<high>less|fewer|under|younger|below|shorter|earlier|lower))\b",
    re.I,
)
_RANGE = re.compile(
    rf"(?:(?P<between>between)\s|(?P<from>from)\s)?(?P<first>{_NUMBER})(?:\s?[^\W\d]{{1,20}}|\s?%)?"
    rf"(?:\s(?P<word>and|to)\s|\s?[-\u2013]\s?)(?P<last>{_NUMBER})",
    re.I,
)
_LINKS = "per|for|an?|each|every|to|in|of|and|or|from|at|by|on|the|with|plus|is"
_RATE = re.compile(
    rf"(?P<figure>{_NUMBER})(?:\s(?:thousand|million|billion))?"
    rf"(?:\s?%|\s?(?!(?:{_LINKS})\b)[^\W\d]{{1,12}}\b)?"
    r"(?P<rates>(?:\s(?:per|for each|for every|an?|each|every)\s[a-z]+)+)",
    re.I,
)
_EACH = re.compile(r"(?P<how>per|for each|for every|an?|each|every)\s(?P<what>[a-z]+)", re.I)
LARGEST_END = 1000.0
"""Beyond it two numbers are years, or parts of a code, as often as a range."""
SPANS = frozenset("second minute hour day night week fortnight month quarter year annum".split())
"""Spans of time that a rate may be of."""
Values = Callable[[str], Sequence[str]]
"""The numbers of a text, in one spelling."""
_WORD = re.compile(r"[^\W_]+|[£€$%]")


@dataclass(frozen=True)
class Bounds:
    """What a text says around its numbers: +1 for "at least", -1 for "at most", the numbers that
    end a range with the other end, and what a number is for each of."""

    sides: dict[str, list[int]]
    ranges: dict[str, list[str]]
    rates: dict[str, list[str]]
    values: Sequence[str]
    """All numbers of the text."""


def turned_bounds(claim: str, sources: Sequence[str], values: Values) -> list[str]:
    """The numbers of ``claim``, as written, whose bound, range or rate all sources give otherwise.

    A claim that a source holds word for word is not looked at.
    """
    if not sources or any(claim in source for source in sources):
        return []
    words = _row(claim)
    if any(words in _row(source) for source in sources):
        return []
    mine, theirs = read_bounds(claim, values), [read_bounds(one, values) for one in sources]
    found = [value for value in mine.sides if _is_turned(value, mine, theirs)]
    found += _halves(frozenset(values(claim)), mine, theirs)
    found += [value for value in mine.rates if _is_of_another(value, mine, theirs)]
    return list(dict.fromkeys(found))


def _is_turned(value: str, mine: Bounds, theirs: Sequence[Bounds]) -> bool:
    said = set(mine.sides[value])
    given = [side for one in theirs for side in one.sides.get(value, ())]
    # Where a source gives it once without a bound, the claim may be of that.
    always = len(given) == sum(one.values.count(value) for one in theirs)
    return always and len(set(given)) == 1 and len(said) == 1 and said.isdisjoint(given)


def _halves(held: frozenset[str], mine: Bounds, theirs: Sequence[Bounds]) -> Iterator[str]:
    """The numbers that are one end of a range of the sources, without the other end, alone."""
    if not any(one.ranges for one in theirs):
        return
    for value in held - mine.sides.keys() - mine.ranges.keys():
        ends = [end for one in theirs for end in one.ranges.get(value, ())]
        always = len(ends) == sum(one.values.count(value) for one in theirs)
        if ends and always and held.isdisjoint(ends):
            yield value


def _is_of_another(value: str, mine: Bounds, theirs: Sequence[Bounds]) -> bool:
    """Whether a number is for another span, or for each of something else."""
    given = {rate for one in theirs for rate in one.rates.get(value, ())}
    for said in mine.rates[value]:
        alike = {one for one in given if (one in SPANS) == (said in SPANS)}
        if alike and said not in alike:
            return True
    return False


@lru_cache(maxsize=128)
def read_bounds(text: str, values: Values) -> Bounds:
    """The bounds, ranges and rates of a text."""
    text = readable(text)
    ranges, taken = _ranges(text, values)
    sides: dict[str, list[int]] = {}
    rates: dict[str, list[str]] = {}
    for match in itertools.chain(_BEFORE.finditer(text), _AFTER.finditer(text)):
        if match.start("figure") not in taken:
            turned = bool(match.groupdict().get("not"))
            side = 1 if bool(match["low"]) != turned else -1
            sides.setdefault(_value(match["figure"], values), []).append(side)
    for match in _RATE.finditer(text):
        rates.setdefault(_value(match["figure"], values), []).extend(_rates(match["rates"]))
    return Bounds(sides, ranges, rates, values(text))


def _ranges(text: str, values: Values) -> tuple[dict[str, list[str]], set[int]]:
    """The ends of ranges with the other ends, and where each range begins."""
    ranges: dict[str, list[str]] = {}
    taken = set()
    for match in _RANGE.finditer(text):
        first, last = _value(match["first"], values), _value(match["last"], values)
        if _are_range(match, first, last):
            taken.add(match.start("first"))
            ranges.setdefault(first, []).append(last)
            ranges.setdefault(last, []).append(first)
    return ranges, taken


def _are_range(match: re.Match[str], first: str, last: str) -> bool:
    """Whether two numbers are the ends of a range: "5 and 7" alone are not, nor are years."""
    if match["word"] and match["word"].lower() == "and" and not match["between"]:
        return False
    return _as_number(first) < _as_number(last) < LARGEST_END


def _as_number(value: str) -> float:
    return float(value) if re.fullmatch(r"\d+(?:\.\d+)?", value) else LARGEST_END


def _rates(text: str) -> Iterator[str]:
    for match in _EACH.finditer(text):
        what = match["what"].lower().removesuffix("s")
        what = {"annum": "year", "head": "person"}.get(what, what)
        if what in SPANS or match["how"].lower() in ("per", "for each", "for every"):
            yield what


def _value(written: str, values: Values) -> str:
    """A number without its currency, in one spelling."""
    return next(iter(values(written)), written)


def _row(text: str) -> str:
    return f" {' '.join(_WORD.findall(readable(text).lower()))} "
