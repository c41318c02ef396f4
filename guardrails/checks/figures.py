"""The numbers, amounts and dates of a text: read, and compared.

What an answer claims is read strictly, what the evidence holds generously: in doubt a number is not
supported, and a person looks at the answer.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from guardrails.checks.wording import pattern, replaced
from guardrails.words import TENS, UNITS, WORDS

SCALES = {
    "hundred": 100,
    "thousand": 1_000,
    "k": 1_000,
    "million": 1_000_000,
    "m": 1_000_000,
    "billion": 1_000_000_000,
    "bn": 1_000_000_000,
}
ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
).split()
MEASURES = {
    **dict.fromkeys(["km", "kilometre", "kilometer"], "km"),
    **dict.fromkeys(["mile", "mi"], "mile"),
    **dict.fromkeys(["metre", "meter", "m"], "metre"),
    **dict.fromkeys(["foot", "feet", "ft"], "foot"),
    **dict.fromkeys(["inch", "inche"], "inch"),
    "yard": "yard",
    **dict.fromkeys(["m^2", "sqm", "square metre", "square meter"], "m2"),
    **dict.fromkeys(["ft^2", "sq ft", "square foot", "square feet"], "ft2"),
    **dict.fromkeys(["m^3", "cubic metre", "cubic meter"], "m3"),
    **dict.fromkeys(["acre", "hectare"], "acre") | {"hectare": "hectare", "ha": "hectare"},
    **dict.fromkeys(["km/h", "kmh", "kph"], "km/h"),
    **dict.fromkeys(["mph"], "mph"),
    **dict.fromkeys(["gallon"], "gallon"),
    **dict.fromkeys(["pint"], "pint"),
    **dict.fromkeys(["ounce", "oz"], "ounce"),
    **dict.fromkeys(["lb", "lbs"], "lb"),
    **dict.fromkeys(["watt", "w"], "watt"),
    **dict.fromkeys(["volt", "v"], "volt"),
    **dict.fromkeys(["amp", "ampere"], "amp"),
    **dict.fromkeys(["mw", "megawatt"], "mw") | dict.fromkeys(["gw", "gigawatt"], "gw"),
    **{"mwh": "mwh", "gwh": "gwh", "kv": "kv", "kilovolt": "kv"},
    **{"hz": "hz", "hertz": "hz", "khz": "khz", "mhz": "mhz", "ghz": "ghz"},
    **{"bar": "bar", "psi": "psi", "mbit/s": "mbit/s", "mbps": "mbit/s"},
    **{"gbit/s": "gbit/s", "gbps": "gbit/s", "kbit/s": "kbit/s", "kbps": "kbit/s"},
    **dict.fromkeys(["cm", "centimetre", "centimeter"], "cm"),
    **dict.fromkeys(["mm", "millimetre", "millimeter"], "mm"),
    **dict.fromkeys(["kg", "kilogram", "kilo"], "kg"),
    **dict.fromkeys(["mg", "milligram"], "mg"),
    **dict.fromkeys(["gram", "gramme", "g"], "gram"),
    **dict.fromkeys(["tonne", "ton"], "tonne"),
    **dict.fromkeys(["litre", "liter"], "litre"),
    **dict.fromkeys(["ml", "millilitre", "milliliter"], "ml"),
    **dict.fromkeys(["cl", "centilitre", "centiliter"], "cl") | {"dl": "dl", "mah": "mah"},
    **dict.fromkeys(["kb", "kilobyte"], "kb"),
    **dict.fromkeys(["mb", "megabyte"], "mb"),
    **dict.fromkeys(["gb", "gigabyte"], "gb"),
    **dict.fromkeys(["tb", "terabyte"], "tb"),
    **dict.fromkeys(["kw", "kilowatt"], "kw"),
    **dict.fromkeys(["kwh"], "kwh"),
    **dict.fromkeys(["\u00b0c", "degrees c", "degrees celsius"], "celsius"),
    **dict.fromkeys(["\u00b0f", "degrees f", "degrees fahrenheit"], "fahrenheit"),
}
CURRENCIES = {
    **dict.fromkeys(["£", "gbp", "pound", "pounds"], "£"),
    **dict.fromkeys(["€", "eur", "euro", "euros"], "€"),
    **dict.fromkeys(["$", "us$", "usd", "dollar", "dollars"], "$"),
    **dict.fromkeys(["¥", "jpy", "yen"], "¥"),
    "chf": "chf",
}
WORTH = {
    **{"second": ("time", "1"), "minute": ("time", "60"), "hour": ("time", "3600")},
    **{"day": ("time", "86400"), "week": ("time", "604800")},
    **{
        "month": ("months", "1"),
        "year": ("months", "12"),
        "%": ("part", "10"),
        "\u2030": ("part", "1"),
    },
    **{"mm": ("length", "1"), "cm": ("length", "10"), "metre": ("length", "1000")},
    **{"km": ("length", "1000000"), "mg": ("mass", "1"), "gram": ("mass", "1000")},
    **{"kg": ("mass", "1000000"), "tonne": ("mass", "1000000000")},
    **{
        "ml": ("volume", "1"),
        "cl": ("volume", "10"),
        "dl": ("volume", "100"),
        "litre": ("volume", "1000"),
        "m3": ("volume", "1000000"),
    },
    **{"watt": ("power", "1"), "kw": ("power", "1000"), "mw": ("power", "1000000")},
    **{"gw": ("power", "1000000000"), "kwh": ("energy", "1"), "mwh": ("energy", "1000")},
    **{"gwh": ("energy", "1000000"), "volt": ("voltage", "1"), "kv": ("voltage", "1000")},
    **{"hz": ("pitch", "1"), "khz": ("pitch", "1000"), "mhz": ("pitch", "1000000")},
    **{"ghz": ("pitch", "1000000000"), "kbit/s": ("rate", "1"), "mbit/s": ("rate", "1000")},
    "gbit/s": ("rate", "1000000"),
}
"""What units are worth in a common one of their dimension, exactly: 250 mg are 0.25 g."""
_HUNDREDTHS = {"cent": ("\u20ac", "$"), "pence": ("\u00a3",), "p": ("\u00a3",)}
WRAPPED = 50
"""Characters of a line before a number at its end that is prose, and no cell."""
APART = Fraction(1, 20)
"""How far what a claim calls "about" may be from what the evidence says, if it is rounded."""
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()

_MONTH = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(\d{4})(?!\d)"
_TO = r"\s*(?:-|to|and|or|until|till|through|&)\s*"
_ISO = re.compile(r"(?<!\d)(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?!\d)")
_NUMERIC = re.compile(r"(?<![\d./-])(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})(?![\d/-]|\.\d)")
_MONTH_YEAR = re.compile(r"(?<![\d/])(\d{1,2})/(\d{4})(?![\d/])")
_DAY_FIRST = re.compile(
    rf"(?<![\d.,/£$€])(?:{_DAY}{_TO})?{_DAY}(?:\s+of)?[\s-]*{_MONTH}(?:[\s,-]+{_YEAR})?", re.I
)
_MONTH_FIRST = re.compile(
    rf"\b{_MONTH}[\s-]*{_DAY}(?:{_TO}{_DAY})?(?![\d:]|[.,]\d{{1,3}}(?!\d))(?:,?\s+{_YEAR})?", re.I
)
_MONTH_NAME = re.compile(rf"\b{_MONTH}(?:,?[\s-]+{_YEAR})?", re.I)
_BEFORE_MONTH = re.compile(
    r"\b(?:in|by|of|since|until|till|from|to|before|after|during|each|every|last|next|early|late"
    r"|mid|and|or)[\s-]$",
    re.I,
)

_BELOW_100 = rf"(?:(?:{'|'.join(TENS)})(?:[\s-](?:{'|'.join(UNITS[1:10])}))?|{'|'.join(UNITS)})"
_BELOW_1000 = rf"{_BELOW_100}(?:\s+hundred(?:\s+(?:and\s+)?{_BELOW_100})?)?"
# The looks ahead change nothing but the time: they give up early where nothing can begin.
_WORD_NUMBER = re.compile(
    r"\b(?=[zotfsen](?:[einvowl]|h[ir]))"
    rf"(?:({_BELOW_1000})\s+thousand,?\s+(?:and\s+)?)?({_BELOW_1000})\b",
    re.I,
)
_COUNTED = re.compile(
    r"[\s-](?:working|business|calendar|full|whole|per|hundred|thousand|million|billion|percent"
    r"|second|minute|hour|day|night|week|month|quarter|year|time|pound|euro|dollar|claim|mile)",
    re.I,
)
_ORDINAL = re.compile(rf"\b({'|'.join(ORDINALS)})\b(\s+quarter\b)?", re.I)
_AND_A = re.compile(r"\band a $")
_ORDINAL_FIGURE = re.compile(r"(?<!\d)(\d{1,4})(?:st|nd|rd|th)\b", re.I)
_PARTS_OF = {
    "half": "1/2", "third": "1/3", "quarter": "1/4", "fifth": "1/5", "eighth": "1/8",
    "tenth": "1/10",
}  # fmt: skip
_PART = re.compile(
    r"\b(?:(?:(an?|one|two|three|four)[\s-])?(third|quarter|fifth|eighth|tenth)s?\b(?= of\b)"
    r"|(one|two|three|four)[\s-](third|quarter|fifth|eighth|tenth)s\b|(half)\b)",
    re.I,
)
_MULTIPLE = re.compile(r"\b(twice|doubles?d?|thrice|triples?d?|dozens?)\b", re.I)
_MULTIPLES = {"tw": "2", "do": "2", "th": "3", "tr": "3"}
_MIXED = re.compile(r"(?<![\d.,/])(\d+)(?: and a half\b| (1/2|1/4|3/4)(?![\d/]))")
_EXACT = re.compile(r"-?\d{1,400}(?:\.\d{1,400}|/[1-9]\d*)?")
_EIGHTHS = {"1/4": ".25", "3/4": ".75"}
_A_HUNDRED = re.compile(r"\ban? (?=(?:hundred|thousand|million|billion)\b)", re.I)

_CODE = re.compile(
    r"\b(?!(?i:gbp|eur|usd|chf|jpy)\d)(?:[A-Za-z]+|[A-Z]{1,8}-(?=\d))\d[A-Za-z\d]*(?:[-/]\d+)*"
    r"|(?<![\d.])\d+(?:\.\d+){2,}"
)
_DOTTED = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{3}){2,}(?!\w|\.\d)")
"""Thousands as much of Europe writes them: 1.250.000."""
_CUT = re.compile(r"(?<=\w )(\d{1,3},?)\n(?=\d{3}(?!\d))")
"""A number that the end of a line cuts in two, as "a total of 12" and "400 tonnes"."""
_FORTNIGHT = re.compile(r"\b(?:a |one )?fortnight\b", re.I)
_BULLET = re.compile(r"^[ \t]*-[ \t]+", re.MULTILINE)
_CURRENCY = r"us\$|gbp|eur|usd|chf|jpy|[£€$¥]"
_AMOUNT = re.compile(
    rf"(?=[-.\d\s£€$¥mugecj])(?=[-£€$¥]|\s?\.?\d|minus\s|{_CURRENCY})"
    rf"(?P<minus>(?<![\w.)%])(?<![\d%] )-|\bminus\s)?(?P<before>(?<![a-z])(?:{_CURRENCY}))?\s?"
    r"(?P<number>\d{1,2}:\d{2}(?!\d)|\d{1,2}\.\d{2}(?=\s?[ap]\.?m\b)|\d{1,2}/\d{1,2}(?![\d/])"
    r"|(?<!\d)\d{1,3}(?:,\d{2,3})*,\d{3}(?!\d)(?:\.\d+)?"
    r"|(?<!\d)\d{1,3}(?:[ ']\d{3})+(?!\d)(?:\.\d+)?"
    r"|\d+,\d{1,2}(?!\d)|\d+(?:\.\d+)?|(?<!\d)\.\d+)"
    r"(?P<scale>\s?(?:hundred|thousand|million|billion)\b|(?:bn|k|m)\b)?"
    rf"(?:[\s-]?(?P<after>[%\u2030]|per\s?mill?e?\b|per\s?cent(?:age points?)?\b"
    rf"|(?:{_CURRENCY})(?!\w)"
    r"|(?:pound|euro|dollar|cent|franc|rupee|peso|rand|zloty|koruna)s?\b|yen\b|yuan\b"
    r"|kron(?:e|er|a|or)\b|p(?:ence)?\b|[ap]\.?m\b"
    r"|(?:(?:working|business|calendar|full|whole)[\s-])?"
    r"(?:second|minute|hour|day|week|month|year)s?\b"
    rf"|(?:{'|'.join(map(re.escape, sorted(MEASURES, key=len, reverse=True)))})s?\b))?"
)

_ROUGH = re.compile(
    r"\b(?:about|around|roughly|approximately|some|nearly|almost|circa|ca\.|c\.)\s?$"
)
_ONE_IN = re.compile(
    rf"\b(?:one|1) (?:in|out of) (?:every )?(\d{{1,3}}|{'|'.join([*UNITS[2:], *TENS])})\b"
    r"(?![.,:/%-]?\d)",
    re.I,
)
"""A share: one in 20."""
_SHARES = ("ne in ", "ne out of ", "1 in ", "1 out of ")
_SENTENCE = re.compile(r"\s(?<=[.!?]\s)(?=[A-Z])")
_SIGN = pattern(
    rf"\d|\b(?:half|thirds?|quarters?|fifths?|eighths?|tenths?|twice|thrice|doubl|tripl"
    rf"|dozen|fortnight|{'|'.join(ORDINALS)})"
    rf"|\b(?:{'|'.join([*WORDS, *MONTHS])})|\b(?:{'|'.join(SCALES)})\b"
)


@dataclass(frozen=True)
class Amount:
    """A number in one spelling and what it counts: a currency, ``%``, ``clock``, a span of time,
    or "" when the text does not say."""

    value: str
    unit: str
    rough: bool = False
    """Whether a claim says "about"."""

    def fits(self, other: "Amount") -> bool:
        """Whether both may be the same amount."""
        same_unit = self.unit == other.unit or not self.unit or not other.unit
        return self.value == other.value and same_unit

    def equals(self, other: "Amount") -> bool:
        """Whether both are the same in other units (250 mg, 0.25 g), or this one is the other,
        rounded."""
        mine, theirs = self._worth(), other._worth()
        if mine is None or theirs is None or mine[0] != theirs[0]:
            return self._in_hundredths(other) or other._in_hundredths(self)
        return mine[1] == theirs[1] or (self.rough and self._rounds(theirs[1], mine[1]))

    def of_kind(self, other: "Amount") -> bool:
        """Whether both are money, or of one dimension, such as times."""
        if self.unit == other.unit:
            return self.unit not in ("", "date")
        kinds = [
            WORTH.get(one.unit, ("", ""))[0].replace("months", "time") for one in (self, other)
        ]
        money = self.unit in CURRENCIES and other.unit in CURRENCIES
        return money or kinds[0] == kinds[1] != ""

    def _worth(self) -> tuple[str, Fraction] | None:
        """The dimension and the value in its common unit, where the value is a plain number."""
        value = exact(self.value)
        if value is None:
            return None
        dimension, worth = WORTH.get(self.unit, (self.unit, "1"))
        return dimension, value * Fraction(worth)

    def _in_hundredths(self, whole: "Amount") -> bool:
        """Whether this is ``whole`` in cents or pence."""
        if whole.unit not in _HUNDREDTHS.get(self.unit, ()):
            return False
        mine, theirs = self._worth(), whole._worth()
        return mine is not None and theirs is not None and mine[1] == 100 * theirs[1]

    def _rounds(self, exact: Fraction, mine: Fraction) -> bool:
        """Whether ``exact`` rounds to ``mine`` at the last digit that is written."""
        whole, _, decimals = self.value.partition(".")
        zeros = len(whole) - len(whole.rstrip("0")) if not decimals else -len(decimals)
        step = Fraction(10) ** zeros * (mine / Fraction(self.value) if mine else 1)
        return abs(exact - mine) <= min(step / 2, APART * abs(mine))


@dataclass(frozen=True)
class Date:
    """A date, or the part of one that the text gives; 0 is not given."""

    day: int
    month: int
    year: int

    def within(self, other: "Date") -> bool:
        """Whether ``other`` gives all that this date says."""
        pairs = ((self.day, other.day), (self.month, other.month), (self.year, other.year))
        return all(mine in (0, theirs) for mine, theirs in pairs)


@dataclass(frozen=True)
class Figures:
    """The amounts and dates of a text with their spelling in it; a date has one or two readings."""

    amounts: tuple[tuple[str, Amount], ...]
    dates: tuple[tuple[str, tuple[Date, ...]], ...]


def missing_figures(claimed: Figures, sources: Sequence[Figures]) -> list[str]:
    """The numbers and dates that are ``claimed``, as written, and that no source holds."""
    amounts = [amount for source in sources for _, amount in source.amounts]
    dates = [date for source in sources for _, readings in source.dates for date in readings]
    missing = [
        spelled
        for spelled, readings in claimed.dates
        if not any(mine.within(theirs) for mine in readings for theirs in dates)
    ]
    missing += [
        spelled
        for spelled, amount in claimed.amounts
        if not any(amount.fits(other) for other in amounts)
        and not any(amount.equals(other) for other in amounts)
    ]
    return list(dict.fromkeys(missing))


@lru_cache(maxsize=512)  # each sentence of an answer asks for its sources
def read_figures(text: str, generous: bool) -> Figures:
    """All numbers and dates of a text.

    ``generous`` is for evidence: the day and year of a date count as numbers too, every "one"
    is a 1 and every month name a month. Otherwise only what surely is a number counts.
    """
    return _Reader(generous).read(text)


class _Reader:
    """Takes dates, codes and amounts out of a text, in this order: what one has taken, the next
    does not see."""

    def __init__(self, generous: bool) -> None:
        self._generous = generous
        self._amounts: list[tuple[str, Amount]] = []
        self._dates: list[tuple[str, tuple[Date, ...]]] = []

    def read(self, text: str) -> Figures:
        """The figures of ``text``; a reader reads once."""
        text = _CUT.sub(_rejoined, text) if "\n" in text else text
        text = _DOTTED.sub(_without_dots, _with_figures(_plain(text)))
        text = _FORTNIGHT.sub("two weeks", text) if self._generous else text
        text = self._without_dates(text)
        text = _CODE.sub(self._code, _ORDINAL_FIGURE.sub(self._ordinal, text))
        if any(share in text for share in _SHARES):  # far faster than the look for it
            text = _ONE_IN.sub(self._one_in, text)
        text = _PART.sub(self._part, _MULTIPLE.sub(self._multiple, text))
        text = _MIXED.sub(_with_part, _words_as_digits(text, self._generous))
        for match in _AMOUNT.finditer(text.lower()):
            found = _amounts(match, self._generous)
            if not self._generous and _ROUGH.search(_before(match)):
                found = (replace(amount, rough=True) for amount in found)
            self._amounts.extend((match[0].strip(), amount) for amount in found)
        if self._generous:
            self._amounts.extend(_parts(self._dates))
        self._amounts.extend(_ordinals(text, self._generous))
        return Figures(tuple(self._amounts), tuple(self._dates))

    def _without_dates(self, text: str) -> str:
        text = _ISO.sub(lambda m: self._numeric(m, _date(m[4], m[3], m[1])), text)
        text = _NUMERIC.sub(
            lambda m: self._numeric(m, _date(m[1], m[3], m[4]), _date(m[3], m[1], m[4])), text
        )
        text = _MONTH_YEAR.sub(lambda m: self._numeric(m, _date(None, m[1], m[2])), text)
        text = _DAY_FIRST.sub(lambda m: self._named(m, m[3], m[4], m[2], m[1]), text)
        text = _MONTH_FIRST.sub(lambda m: self._named(m, m[1], m[4], m[2], m[3]), text)
        return _MONTH_NAME.sub(self._month, text)

    def _numeric(self, match: re.Match[str], *readings: Date | None) -> str:
        """A date in digits: any valid reading will do. Without one it stands for itself, as its
        parts alone could be found anywhere."""
        valid = tuple(reading for reading in readings if reading)
        if valid:
            self._dates.append((match[0], valid))
        else:
            self._amounts.append((match[0], Amount(match[0], "")))
        return " ; "

    def _named(self, match: re.Match[str], month: str, year: str | None, *days: str | None) -> str:
        """A date with the month's name; both days of "1 to 3 March" are claimed."""
        if not year and month in ("may", "march", "mar"):  # "those over 30 may cancel"
            return match[0]
        number = str(MONTHS.index(month[:3].lower()) + 1)
        dates = [_date(day, number, year) for day in days if day]
        if None in dates:
            return match[0]
        self._dates.extend((match[0].strip(), (date,)) for date in dates if date)
        return " ; "

    def _month(self, match: re.Match[str]) -> str:
        """A month without a day, where it surely is one."""
        if match[2] or self._is_month(match):
            month = MONTHS.index(match[1][:3].lower()) + 1
            self._dates.append((match[0], (Date(0, month, int(match[2] or 0)),)))
            return " ; "
        return match[0]

    def _is_month(self, match: re.Match[str]) -> bool:
        """``May`` and ``March`` are words too, ``Dec`` may be anything."""
        name, unsure = match[1], match[1].lower() in ("may", "march")
        if self._generous:
            return not (unsure and name.islower())
        if unsure:
            led = _BEFORE_MONTH.search(_before(match))
            return bool(led) and name[0].isupper()
        return len(name) > 3

    def _ordinal(self, match: re.Match[str]) -> str:
        self._amounts.append((match[0], Amount(match[1].lstrip("0") or "0", "")))
        return " ; "

    def _part(self, match: re.Match[str]) -> str:
        """A half, two thirds; evidence may mean the part of anything."""
        times, part = match[1] or match[3] or "a", match[2] or match[4] or match[5]
        top = WORDS.get(times.lower(), 1)
        below = _PARTS_OF[part.lower()].partition("/")[2]
        if part.lower() == "half" and _AND_A.search(_before(match)):
            return match[0]
        self._amounts.append((match[0], Amount(f"{top}/{below}", "")))
        return " ; "

    def _one_in(self, match: re.Match[str]) -> str:
        """One in 20, as 1/20 and as 5 %."""
        below = WORDS.get(match[1].lower()) or int(match[1])
        if below < 2:
            return match[0]
        self._amounts.append((match[0], Amount(f"1/{below}", "")))
        if self._generous and 1000 % below == 0:
            self._amounts.append((match[0], Amount(_value(str(100 / below)), "%")))
        return " ; "

    def _multiple(self, match: re.Match[str]) -> str:
        word = match[1].lower()
        value = "12" if word.startswith("dozen") else _MULTIPLES[word[:2]]
        self._amounts.append((match[0], Amount(value, "")))
        return " ; "

    def _code(self, match: re.Match[str]) -> str:
        self._amounts.append((match[0], Amount(match[0].lower().replace("-", ""), "")))
        return " ; "


def _rejoined(match: re.Match[str]) -> str:
    """The first part of a number that goes on in the next line, where prose was wrapped."""
    line = match.start() - (match.string.rfind("\n", 0, match.start()) + 1)
    if line < WRAPPED:
        return match[0]
    return match[1] if match[1].endswith(",") else f"{match[1]} "


def _without_dots(match: re.Match[str]) -> str:
    return match[0].replace(".", "")


def _date(day: str | None, month: str, year: str | None) -> Date | None:
    """The date, unless there is none such. A year of two digits is of this century."""
    date = Date(int(day or 0), int(month), int(year or 0) + 2000 * (len(year or "") == 2))
    given = (day is None or 1 <= date.day <= 31) and (year is None or date.year > 0)
    return date if given and 1 <= date.month <= 12 else None


def _plain(text: str) -> str:
    """One spelling for digits, fractions, powers, dashes and spaces."""
    if not text.isascii():
        text = replaced(text, {char: _spelled(char) for char in set(text) if not char.isascii()})
        text = unicodedata.normalize("NFKC", text).replace("\u2044", "/").replace("\u2019", "'")
        text = re.sub("[\u2010-\u2015\u2212]", "-", text)
    # "- 30 % when you order" is an item of a list; a negative number has no space behind its sign.
    return re.sub(r"[ \t]+", " ", _BULLET.sub("", text))


def _with_figures(text: str) -> str:
    """The sentences in which something may be a figure: looking closer costs far more."""
    return " ".join(piece for piece in _SENTENCE.split(text) if _SIGN.search(piece))


def _spelled(char: str) -> str:
    kind = unicodedata.decomposition(char).partition(">")[0]
    if kind in ("<super", "<sub"):
        return f"^{char}"
    if kind == "<fraction":
        return f" {char}"
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    return "" if unicodedata.category(char) == "Cf" else char


def _words_as_digits(text: str, generous: bool) -> str:
    def digits(match: re.Match[str]) -> str:
        # "One" is mostly a pronoun: in an answer it counts only where something is counted.
        counted = generous or _COUNTED.match(match.string, match.end())
        if match[0].lower() == "one" and not counted:
            return match[0]
        return str(1000 * _below_1000(match[1] or "") + _below_1000(match[2]))

    return _WORD_NUMBER.sub(digits, _A_HUNDRED.sub("1 ", text))


def _below_1000(words: str) -> int:
    total = 0
    for word in re.findall("[a-z]+", words.lower()):
        total = total * 100 if word == "hundred" else total + WORDS.get(word, 0)
    return total


def _amounts(match: re.Match[str], generous: bool) -> Iterator[Amount]:
    number, after = match["number"], match["after"] or ""
    scale = (match["scale"] or "").strip()
    unit = _unit(match["before"], after)
    if ":" in number or unit == "clock":
        value, unit = _clock(number, after[:1]), "clock"
    else:
        value = _value(number)
    if scale and (scale != "m" or match["before"]):  # "5m" may be five metres
        value = _scaled(value, SCALES[scale])
    yield Amount(f"-{value}" if match["minus"] else value, unit)
    if generous and " " in number and not unit:  # "12 500" may be one number or two
        yield from (Amount(_value(piece), "") for piece in number.split())


def _unit(before: str | None, after: str) -> str:
    if before or not after:
        return CURRENCIES[before] if before else ""
    if after.startswith(("per m", "perm", "\u2030")):
        return "\u2030"
    if after.startswith(("per", "%")):
        return "%"
    if after in ("am", "pm", "a.m", "p.m"):
        return "clock"
    measure = MEASURES.get(after) or MEASURES.get(after.removesuffix("s"))
    return CURRENCIES.get(after) or measure or re.split(r"[\s-]", after)[-1].rstrip("s")


def _clock(number: str, half: str) -> str:
    """The time on 24 hours, without minutes when it is a full hour."""
    hours, _, minutes = number.replace(".", ":").partition(":")
    if not hours.isdecimal() or len(hours) > 2:
        return number
    hour = int(hours) % 12 + 12 * (half == "p") if half in ("a", "p") else int(hours)
    return f"{hour}:{minutes}" if minutes.strip("0") else str(hour)


def _value(number: str) -> str:
    """The number without separators and idle zeros; fractions stay as they are."""
    if "/" in number:
        return number
    if re.fullmatch(r"\d+,\d{1,2}", number):
        number = number.replace(",", ".")
    whole, _, decimals = re.sub("[,' ]", "", number).partition(".")
    whole, decimals = whole.lstrip("0") or "0", decimals.rstrip("0")
    return f"{whole}.{decimals}" if decimals else whole


def exact(value: str) -> Fraction | None:
    """The value of a number in the spelling of an ``Amount``; None for what cannot be reckoned
    with, as 10:30, 24/0 or thousands of digits."""
    return Fraction(value) if _EXACT.fullmatch(value) else None


def _scaled(value: str, factor: int) -> str:
    number = exact(value)
    if number is None:
        return value
    product = number * factor
    return str(product.numerator) if product.denominator == 1 else str(product)


def _before(match: re.Match[str]) -> str:
    """The few characters before a match: to search all of them for each would be quadratic."""
    return match.string[max(0, match.start() - 16) : match.start()]


def _with_part(match: re.Match[str]) -> str:
    """Two and a half, or 2 1/2, as 2.5."""
    return match[1] + _EIGHTHS.get(match[2] or "", ".5")


def _ordinals(text: str, generous: bool) -> Iterator[tuple[str, Amount]]:
    """The ordinals in words, and what those of evidence may be called in a claim: 4th, 4, Q4.

    In a claim "first" and "second" say mostly something else.
    """
    for match in _ORDINAL.finditer(text):
        value = ORDINALS.index(match[1].lower()) + 1
        if not generous and (value < 3 or match[2]):
            continue
        yield match[0], Amount(str(value), "")
        if match[2]:
            yield match[0], Amount(f"q{value}", "")


def _parts(dates: Sequence[tuple[str, tuple[Date, ...]]]) -> Iterator[tuple[str, Amount]]:
    """The days and years of dates as amounts that count nothing else."""
    for spelled, readings in dates:
        for date in readings:
            yield from ((spelled, Amount(str(n), "date")) for n in (date.day, date.year) if n)
