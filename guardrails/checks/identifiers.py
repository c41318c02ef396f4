"""Is the answer about the code, room, plan, clause, year or name that was asked for?

Documents describe many things of one kind in the same words: room 114 and room 141, E-4471 and
E-4472, the fee of 2024 and of 2025. What tells them apart is one token, which a search and a reader
see as nearly nothing. So it is compared here: what was asked for must stand where the answer was
taken from, or govern it from before, and nothing else of its kind may stand nearer.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from guardrails.checks.asked_figures import contradicted_figures
from guardrails.checks.asked_names import missing_names, rival_names
from guardrails.checks.figures import MEASURES, MONTHS, ORDINALS, SCALES
from guardrails.contract import Case, Draft, Finding, Outcome, Passage, Stage
from guardrails.words import STOP_WORDS, UNITS

DESIGNATORS = {
    **{
        word: word
        for word in """agreement amendment annex apartment article bay berth block building bus
            branch cabin category channel chapter clause class code course desk diagram
            directive door edition episode error exhibit fault figure flat flight floor
            form gate grade group hall invoice item lane lesson level line locker lot
            machine method model module number option order package page paragraph part
            phase plan platform policy port procedure product programme protocol
            reference regulation release resolution room route row rule schedule seat
            section series shelf site slot stage stall stand station step storey suite
            table tariff terminal tier track tram type unit valve version volume ward
            week zone abschnitt absatz anlage artikel fehler gleis kapitel linie modell
            nummer paragraf raum regel saal seite tarif teil zimmer salle chambre sala""".split()
    },
    **dict.fromkeys(["no", "nr"], "number"),
    **dict.fromkeys(["sec", "sect"], "section"),
    **dict.fromkeys(["v", "ver"], "version"),
    **{"art": "article", "fig": "figure", "para": "paragraph", "ref": "reference"},
    **{"appendix": "annex", "program": "programme"},
}
"""Words after which a number or a letter says which one is meant, and the kind it is of."""
YEAR, SEASON, DIGITS, SETTING, CODE = "year", "season", "digits", "setting", "code"
LONG_NUMBER = 6
"""Digits in a row that are a number of something rather than how many there are."""
NUMBER_WORDS = {word: str(value) for value, word in enumerate(UNITS) if value} | {
    word: str(value) for value, word in enumerate(ORDINALS, 1)
}
_CARDINALS = {word: str(value) for value, word in enumerate(UNITS) if value}
_TOKEN = re.compile(r"[^\W_]+(?:[-/.][^\W_]+)*")
_SETTING = re.compile(r"(?<![^\W_])[A-Za-z][^\W_]*(?:_[^\W_]+)+")
"""A name as programs write it: work_mem is not maintenance_work_mem."""
_SIGNS = re.compile(r"[-/.]")
_GAP = re.compile(r"[\s.:#(§]{0,4}")
_QUANTITY = re.compile(
    r"\d[\d.]*(?:st|nd|rd|th|s|d|h|hrs?|min|sec|ms|k|m|bn|mn|x|km|[cnu]m|[km]?g|lbs?|oz|l|ml|[kmgt]b"
    r"|k?wh?|[kmg]?hz|v|m?ah|am|pm|a\.m|p\.m|ft|mph|kmh|c|f|px|fps|bit)"
)
_NAMED_PART = re.compile(r"(?![23]D)\d{1,3}[DH]")
"""Pier 7D: days and hours are written small."""
_COUNTED = re.compile(r"\d[\d.]*-[a-z]{2,}(?:-[a-z]+)*")
_VALUE = re.compile(r"\d{1,6}(?:[.-]\d{1,4})*[A-Za-z]?|[A-HJ-Z]|[b-hj-z]|[IVXL]{2,6}")
_YEAR = re.compile(r"(?:1[0-9]|20|21)\d\d")
_NEAR_YEAR = re.compile(r"20[12]\d")
_COUNTED_BY = frozenset("a per people kg km m cm mm g l w kw kwh mb gb kr".split())
"""What follows a number that says how many or how much."""
UNIT_NAMES = frozenset(
    "second minute hour day week month year night people persons percent per cent am pm euro pound"
    " dollar out".split()
).union(MEASURES, SCALES)
_SIZE = re.compile(
    r"(?<![\w.,-])(\d{1,5})[ -]?(second|minute|hour|day|week|month|year|"
    + "|".join(sorted((re.escape(unit) for unit in MEASURES if unit.isalpha()), key=len)[::-1])
    + r")[ -]([A-Za-z]{3,})",
    re.I,
)
"""A size that tells things apart: "a 30-day pass", "the 65 W charger"."""
_LEADS_TO_YEAR = frozenset(
    "in of since by for during until till before after from to between and or the early late mid "
    "around about year season through".split()
)
_BEFORE_AMOUNTS = (_LEADS_TO_YEAR - {"year", "season"}).union(
    """above under over below per about than least most only just exactly nearly almost roughly some
    at every each next last first other another these those has have had cost costs pay pays weigh
    weighs take takes age aged number born died are was were says score scored won lost not nor any
    all both one two three four five six seven eight nine ten""".split(),
    MONTHS,
    """january february march april june july august september october november december monday
    tuesday wednesday thursday friday saturday sunday what which how who does can""".split(),
)
"""Words before a number that says how much, how many or when."""
ORDERED = frozenset("floor edition storey grade amendment season volume".split())
_ORDERED = re.compile(
    rf"\b({'|'.join(ORDINALS)}|\d{{1,2}}(?:st|nd|rd|th)) ({'|'.join(sorted(ORDERED))}|quarter)\b",
    re.I,
)
"""A place in an order that tells one thing from others: the second floor."""
_SUB_ITEM = re.compile(
    r"(?<![\w.])(\d{1,3}(?:\.\d{1,3})*[a-z]?)\s?\(([a-z]|[ivx]{2,4}|\d{1,2})\)", re.I
)
"""A part of a clause: 7.1(b)."""
_ACRONYM = re.compile(r"[A-Z]{2,6}")
_NUMBERED_VALUE = re.compile(r"\d{1,4}(?:(?<=\d\d)[abdeinrtuvxyz])?")
"""Also the 300X beside the 300; a letter that may be a unit tells nothing."""
_ACRONYM_VALUE = re.compile(r"\d{1,6}(?:[-/.]\d{1,4})*")
_CLOCK = re.compile(r"(?<![\d:])\d{1,2}:[0-5]\d(?![\d:])")
_SEASON = re.compile(r"((?:1[0-9]|20|21)\d\d)[-/](\d{4}|\d\d)")
_SHORT_YEAR = re.compile(r"(?:^|[\s(])['\u2019]$")
_LETTER = re.compile(r" ([A-HJ-Z]|[b-h])(?![^\W_])")
_PERIOD = re.compile(
    r"(?<!\d)((?:1[0-9]|20|21)\d\d)(?:(s)\b|\s?(?:-|/|to|and|until|through)\s?(\d{4}|\d\d)(?!\d))"
)
_RANGE = re.compile(
    r"(?<![^\W_])([a-z]{0,4})-?(\d{1,6})\s?(?:-|to|bis|through|until|and)\s?\1-?(\d{1,6})(?!\w)"
)
_ITEM = re.compile(r"\s*(?:\||[-*\u2022]\s|\d{1,3}[.)]\s|\S[^\n|]{0,80}\|)")


@dataclass(frozen=True)
class Identifier:
    """What tells one thing from others of its ``kind``: ``value`` is in lower case, unhyphened."""

    kind: str
    value: str
    spelled: str


class IdentifiersCheck:
    """What the question names by a code, number or year is what the answer is about."""

    name = "identifiers"
    stage: Stage = "draft"
    timeout_s = 3.0

    def run(self, case: Case) -> list[Finding]:
        """A fail for each identifier that the answer is not about, else one pass."""
        if case.draft is None:
            return [Finding(self.name, Outcome.FAIL, "There is no draft.")]
        asked = list(identifiers(case.question))
        places = list(_places(case.draft, case.evidence))
        missed = [one.spelled for one in asked if _is_missed(one, asked, case.question, places)]
        missed += _years_of_other_cells(case.draft, asked)
        missed += _other_months(case.question, places)
        missed += _rivals(case.question, places)
        missed += _other_items(case.question, places)
        held = [place.everything for place in places]
        missed += missing_names(case.question, held)
        missed += rival_names(case.question, [place.near for place in places], held)
        missed += contradicted_figures(case.question, [p.text for p in case.evidence])
        found = [
            Finding(
                self.name,
                Outcome.FAIL,
                f"The answer is not about {spelled}.",
                "",
                case.draft.text[:200],
            )
            for spelled in dict.fromkeys(missed)
        ]
        return found or [Finding(self.name, Outcome.PASS, "The answer is about what was asked.")]


def _is_missed(
    wanted: Identifier, asked: Sequence[Identifier], question: str, places: Sequence["_Place"]
) -> bool:
    """Whether no place is about what was asked for, also as 12A for 12 (a); which floor an asker
    lives on counts only beside other floors."""
    joined = [
        replace(wanted, value=_value(one[1] + one[2]))
        for one in _SUB_ITEM.finditer(question)
        if _value(one[1]) == wanted.value
    ]
    if any(place.is_about(one, asked) for place in places for one in (wanted, *joined)):
        return False
    held = (one.kind for place in places for one in _read(place.everything))
    return wanted.kind not in ORDERED or wanted.kind in held


def _years_of_other_cells(draft: Draft, asked: Sequence[Identifier]) -> list[str]:
    """The years that were asked for and stand in the row of the answer, but where its own cell
    names another one: a row of a term that begins in 2026 has examinations in 2027."""
    years = [one for one in asked if one.kind == YEAR]
    rows = [one.text.split("|") for one in draft.sentences if "|" in one.text and draft.short]
    if not years or not rows:
        return []
    own = [cell for name, *cells in rows for cell in cells if (draft.short or "") in cell]
    named = [one for cell in own for one in _read(_plain(cell)) if one.kind == YEAR]
    known = {one.value for name, *_ in rows for one in _read(_plain(name)) if one.kind == YEAR}
    known |= {one.value for one in named}
    return [one.spelled for one in years if named and one.value not in known]


_MONTH_OF_YEAR = re.compile(
    r"\b(january|february|march|april|may|june|july|august|september|october|november|december)"
    r",? ((?:19|20)\d\d)\b",
    re.I,
)


def _other_months(question: str, places: Sequence["_Place"]) -> list[str]:
    """The months of a year that the question names, where the answer names other ones of that year
    alone."""
    asked = [(m[1].lower(), m[2], m[0]) for m in _MONTH_OF_YEAR.finditer(question)]
    if not asked:
        return []
    said = [(m[1].lower(), m[2]) for one in places for m in _MONTH_OF_YEAR.finditer(one.near)]
    return [
        spelled
        for month, year, spelled in asked
        if any(year == other for _, other in said)
        and not any(month in one.near.lower() for one in places)
    ]


def _rivals(question: str, places: Sequence["_Place"]) -> list[str]:
    """What the question tells by a number from others of its kind, where the passages only have
    others: "Windows 11" beside "Windows 10", "a 30-day pass" beside "a 7-day pass"."""
    asked = _numbered(_plain(question))
    held = [_numbered(place.everything) for place in places] if asked else []
    return [
        f"{name} {value}".strip() if name[:1].isalpha() else f"{value}{name}"
        for name, values in asked.items()
        for value in values
        if any(name in one for one in held) and not any(value in one.get(name, ()) for one in held)
    ]


def _other_items(question: str, places: Sequence["_Place"]) -> list[str]:
    """The parts of clauses that the question names where the passages have only other parts."""
    asked = [(one[0], *_item(one)) for one in _SUB_ITEM.finditer(question)]
    held = [set(map(_item, _SUB_ITEM.finditer(one.everything))) for one in places] if asked else []
    return [
        spelled
        for spelled, clause, part in asked
        if any(clause == other for items in held for other, _ in items)
        and not any((clause, part) in items for items in held)
    ]


def _item(match: re.Match[str]) -> tuple[str, str]:
    return match[1].lower(), match[2].lower()


@lru_cache(maxsize=512)
def _numbered(text: str) -> dict[str, frozenset[str]]:
    """The numbers of a text by what they tell apart: the word before them, or "-" with the unit and
    the noun after them."""
    found: dict[str, set[str]] = {}
    tokens = list(_TOKEN.finditer(text))
    for place, (word, number) in enumerate(itertools.pairwise(tokens)):
        name, value = word[0].lower(), number[0].lower()
        gap = text[word.end() : number.start()]
        values = _ACRONYM_VALUE if _ACRONYM.fullmatch(word[0]) else _NUMBERED_VALUE
        digits = _CARDINALS.get(value) or (value if values.fullmatch(value) else "")
        if gap not in (" ", "-") or not digits or not _may_be_numbered(word[0]):
            continue
        following = tokens[place + 2][0].lower() if place + 2 < len(tokens) else ""
        if not _counts(following, word[0].islower(), text[number.end() : number.end() + 2]):
            found.setdefault(name, set()).add(digits.lstrip("0"))
    for size in _SIZE.finditer(text):
        noun = size[3].lower().rstrip("s")
        if noun not in STOP_WORDS:
            found.setdefault(f"-{size[2].lower()} {noun}", set()).add(size[1])
    return {name: frozenset(values) for name, values in found.items()}


def _may_be_numbered(word: str) -> bool:
    low = word.lower()
    return (
        word.isalpha()
        and len(word) > (1 if word.isupper() else 2)
        and low not in DESIGNATORS
        and low not in _BEFORE_AMOUNTS | STOP_WORDS | MEASURES.keys()
    )


def _counts(following: str, plain: bool, after: str) -> bool:
    """Whether a number says how many there are of what follows, or is a part of another one;
    ``plain``: the word before it is no name."""
    noun = plain and len(following) > 3 and following.endswith("s")
    unit = following in _COUNTED_BY | UNIT_NAMES or following.rstrip("s") in UNIT_NAMES
    return noun or unit or re.match(r"[.,:/%\u2013-]\d|\s?[%\u00b0]", after) is not None


@dataclass(frozen=True)
class _Place:
    """Where a sentence of the answer was taken from."""

    near: str
    """The sentence, and the lines of the passage it quotes."""
    before: str
    siblings: tuple[str, ...]
    """The other rows or items of the passage, when the quote is one."""
    everything: str

    def is_about(self, wanted: Identifier, asked: Sequence[Identifier]) -> bool:
        if holds(self.near, wanted):
            return True
        if _others(self.near, wanted, asked):
            return False
        if any(holds(sibling, wanted) for sibling in self.siblings):
            return False
        governing = [one for one in _read(self.before) if one.kind == wanted.kind]
        if governing and not holds(governing[-1].spelled, wanted):
            return False
        return holds(self.everything, wanted)


def _places(draft: Draft, evidence: Sequence[Passage]) -> Iterator[_Place]:
    passages = {passage.id: passage for passage in evidence}
    for citation in draft.citations:
        passage = passages.get(citation.passage_id)
        if passage is None:
            continue
        text = passage.text
        start = text.rfind("\n", 0, citation.start) + 1
        end = text.find("\n", citation.end)
        lines = text[start : end if end >= 0 else len(text)]
        is_item = _ITEM.match(lines) is not None
        said = [s.text for s in draft.sentences if citation.number in s.citations]
        siblings = [line for line in text.split("\n") if _ITEM.match(line)] if is_item else []
        yield _Place(
            _plain("\n".join([*said, lines if is_item else citation.quote])),
            _plain(text[: start if is_item else citation.start]),
            tuple(_plain(line) for line in siblings),
            _plain(f"{passage.place}\n{text}\npage {passage.page or ''}"),
        )


def identifiers(text: str) -> Iterator[Identifier]:
    """The identifiers of ``text``, in order."""
    yield from _read(_plain(text))


@lru_cache(maxsize=512)
def _read(text: str) -> tuple[Identifier, ...]:
    text = _ORDERED.sub(_by_number, text)
    tokens = list(_TOKEN.finditer(text))
    found = (_identifier(text, tokens, place) for place in range(len(tokens)))
    settings = _SETTING.findall(text) if "_" in text else ()
    named = (Identifier(SETTING, name.lower(), name) for name in settings)
    return (*(one for one in found if one is not None), *named)


def _identifier(text: str, tokens: Sequence[re.Match[str]], place: int) -> Identifier | None:
    token = tokens[place][0]
    low, digits = token.lower(), sum(map(str.isdigit, token))
    kind, spelled = _designated(text, tokens, place), token
    if re.fullmatch(r"[vV]\d[\d.]*", token):
        return Identifier("version", _value(token), spelled)
    if seasons := _seasons(token):
        return Identifier(SEASON, seasons[0], spelled)
    if re.fullmatch(r"\d{3,}/\d+", token):
        return Identifier(f"{CODE} ", _value(token), spelled)
    if re.fullmatch(r"\d\d", token) and _SHORT_YEAR.search(text[: tokens[place].start()]):
        return Identifier(YEAR, f"20{token}" if token < "50" else f"19{token}", f"'{token}")
    if kind and _is_value(token, tokens, place):
        start, end = tokens[place - 1].start(), tokens[place].end()
        letter = _LETTER.match(text, end) if token.isdigit() else None
        value, end = (token + letter[1], letter.end()) if letter else (token, end)
        return Identifier(kind, _value(value), text[start:end])
    if digits and digits < len(_SIGNS.sub("", token)):
        if (_QUANTITY.fullmatch(low) and not _NAMED_PART.fullmatch(token)) or _COUNTED.fullmatch(
            low
        ):
            return None
        return Identifier(f"{CODE} {re.split(r'[^a-z]', low)[0]}", _value(token), spelled)
    if _YEAR.fullmatch(token) and _is_year(text, tokens, place):
        return Identifier(YEAR, token, spelled)
    is_long = token.isdigit() and digits >= LONG_NUMBER and not token.endswith("000")
    return Identifier(DIGITS, token, spelled) if is_long else None


def _designated(text: str, tokens: Sequence[re.Match[str]], place: int) -> str:
    """The kind that the word before says, "number" passing it on from the word before it."""
    kind = ""
    for back in (1, 2):
        if place < back:
            break
        word = tokens[place - back]
        gap = text[word.end() : tokens[place - back + 1].start()]
        named = DESIGNATORS.get(word[0].lower(), "")
        if not named or not _GAP.fullmatch(gap):
            break
        kind = named
        if named not in ("number", "code"):
            break
    return kind


def _is_value(token: str, tokens: Sequence[re.Match[str]], place: int) -> bool:
    """Whether a token after such a word says which: "order 3 books" does not."""
    if not (_VALUE.fullmatch(token) or any(map(str.isdigit, token))):
        return token.lower() in NUMBER_WORDS and not token.lower().endswith("th")
    following = tokens[place + 1][0] if place + 1 < len(tokens) else ""
    counts = len(following) > 4 and following.islower() and following.endswith("s")
    return not (token.isdigit() and counts)


def _is_year(text: str, tokens: Sequence[re.Match[str]], place: int) -> bool:
    """Whether four digits are a year and not how many there are of something."""
    start, end = tokens[place].span()
    if text[max(0, start - 1) : start] in tuple("£$€#.,-") or re.match(
        r"%|[.,]\d", text[end : end + 2]
    ):
        return False
    following = tokens[place + 1][0] if place + 1 < len(tokens) else ""
    if tokens[place][0].endswith("00") and following.islower() and following not in STOP_WORDS:
        return False
    before = tokens[place - 1][0] if place else ""
    if not before or before.lower() in _LEADS_TO_YEAR or before[0].isupper() or before.isdigit():
        return True
    # "autumn term 2027" as people type it; what is counted is seldom so uneven.
    counts = following.islower() and (following.endswith("s") or following in _COUNTED_BY)
    return _NEAR_YEAR.fullmatch(tokens[place][0]) is not None and not counts


def _seasons(text: str) -> list[str]:
    """Each season over the end of a year in one spelling: "2025-2026"."""
    years = [
        (first, last if len(last) == 4 else first[:2] + last)
        for first, last in _SEASON.findall(text)
    ]
    return [f"{first}-{last}" for first, last in years if int(last) == int(first) + 1]


def _value(token: str) -> str:
    plain = re.sub(r"^v(?=\d)", "", _SIGNS.sub("", token).lower())
    plain = re.sub(r"^([a-z]{1,3})0+(?=\d)", r"\1", plain)
    return NUMBER_WORDS.get(plain) or _roman(token) or plain.lstrip("0") or plain


def _roman(token: str) -> str:
    """The number that a Roman numeral of two signs and more stands for."""
    if len(token) < 2 or not re.fullmatch("[IVXL]+", token):
        return ""
    worth = [{"I": 1, "V": 5, "X": 10, "L": 50}[sign] for sign in token]
    pairs = zip(worth, [*worth[1:], 0], strict=True)
    return str(sum(-one if one < following else one for one, following in pairs))


def _others(near: str, wanted: Identifier, asked: Iterable[Identifier]) -> bool:
    """Whether ``near`` names another of the same kind that nobody asked for."""
    values = {one.value for one in asked}
    return any(one.kind == wanted.kind and one.value not in values for one in _read(near))


def holds(text: str, wanted: Identifier) -> bool:
    """Whether ``text`` says the identifier, or gives a range that it lies in."""
    return wanted.value in _values(text) or _spans(text, wanted)


@lru_cache(maxsize=512)
def _values(text: str) -> frozenset[str]:
    """Every token of a text as a value: alone, its parts, and joined with the next."""
    tokens = _TOKEN.findall(_CLOCK.sub(" ", _ORDERED.sub(_by_number, text)))
    parts = [part for token in tokens if _SIGNS.search(token) for part in _parts(token)]
    joined = [a + b for a, b in itertools.pairwise(tokens) if _are_one(a, b)]
    settings = [name.lower() for name in _SETTING.findall(text)] if "_" in text else []
    return frozenset([*map(_value, [*tokens, *parts, *joined]), *settings, *_seasons(text)])


def _parts(token: str) -> list[str]:
    """The parts of a code, and what stands before its last sign: 2014/53 of 2014/53/EU."""
    return [*_SIGNS.split(token), re.sub(r"[-/.][^-/.]*$", "", token)]


def _by_number(match: re.Match[str]) -> str:
    """ "floor 2" for "second floor", "Q2" for "second quarter"."""
    number = NUMBER_WORDS.get(match[1].lower()) or match[1][:-2]
    return f"Q{number}" if match[2].lower() == "quarter" else f"{match[2]} {number}"


def _are_one(left: str, right: str) -> bool:
    """Whether two tokens may be one code: "E 24", "12 A", "205/55 R16"."""
    if left.isalpha():
        return right[0].isdigit()
    return (len(right) == 1 and right.isalpha()) or (right[0].isalpha() and right[-1].isdigit())


def _spans(text: str, wanted: Identifier) -> bool:
    """Whether ``text`` gives a range that the identifier lies in."""
    match = re.fullmatch(r"([a-z]*)(\d{1,6})", wanted.value)
    if match is None:
        return False
    number = int(match[2])
    if wanted.kind == YEAR:
        return any(low <= number <= high for low, high in _periods(text))
    return any(
        prefix == match[1] and int(low) <= number <= int(high)
        for prefix, low, high in _RANGE.findall(text.lower())
    )


def _periods(text: str) -> Iterator[tuple[int, int]]:
    for first, decade, last in _PERIOD.findall(text):
        begin = int(first)
        if decade:
            yield begin, begin + (99 if first.endswith("00") else 9)
        else:
            yield begin, int(last if len(last) == 4 else first[:2] + last)


class _Dashes(dict[int, str]):
    """A plain hyphen for each dash, a space for each odd one; offsets stay."""

    def __missing__(self, code: int) -> str:
        kind = unicodedata.category(chr(code))
        self[code] = "-" if kind == "Pd" or code == 0x2212 else " " if kind == "Zs" else chr(code)
        return self[code]


_DASHES = _Dashes()


def _plain(text: str) -> str:
    return text if text.isascii() else text.translate(_DASHES)
