"""Values of spreadsheet cells as their number formats write them (ECMA-376, part 1, 18.8.31)."""

import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from operator import eq, ge, gt, le, lt, ne

_WORD = re.compile(r'"([^"]*)"|\\(.)|\[\$([^\]\-]+)[^\]]*\]|([£$€¥₹° ()+:!&\'~{}<>=-])')
"""What a number format writes as it is: quoted words, escaped signs, currencies and spaces."""
_PADDING = re.compile(r'("[^"]*"|\\.)|[_*].')
"""Space as wide as a sign, and signs that fill a cell; not within what is written as it is."""
_ASIDE = re.compile(r"\[(?!\$|h+\]|m+\]|s+\])[^\]]*\]", re.IGNORECASE)
"""Colours and conditions."""
_ENDS = re.compile(r'("[^"]*"|\\.)|;')
_PLACES = re.compile(r"\.([0#?]+)")
_DIGITS = re.compile(r"[0#?][0#?,.]*[0#?]|[0#?]")
_SCALE = re.compile(r"[0#?](,+)(?![0#?,])")
_GROUPS = re.compile(r"[0#]+(?:(?:\\?-|\\?/|\\? |\\?\)\\? ?|\\?\.(?=\d{3}\.))[0#]+)+")
"""Digits with signs between them, as of a telephone."""
_DATE = re.compile(
    r'"([^"]*)"|\\(.)|(\[h+\]|\[m+\]|\[s+\])|(am/pm|a/p)|(y+|m+|d+|h+|s+)|(\.0+)|(.)',
    re.IGNORECASE | re.DOTALL,
)
_LOCALE = re.compile(r"\[(?!h+\]|m+\]|s+\])[^\]]*\]", re.IGNORECASE)
MONTHS = "January February March April May June July August September October November".split()
MONTHS += ["December"]
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


def number(value: float, style: str) -> str:
    """A number in its format; one that is not understood shows the plain number."""
    section, amount, signed = _section(value, style)
    if not section and ";" in style:
        return ""  # as of zeros that nobody is to see
    if section in ("General", "@", ""):
        return _plain(value)
    if not _DIGITS.search(_WORD.sub("", section)):
        return _quoted(section).strip()
    whole = isinstance(value, int) or value.is_integer()
    if whole and (grouped := _GROUPS.search(section)):
        return _in_groups(int(amount), section, grouped)
    if "E+" in section.upper() or "E-" in section.upper() or "?/?" in section:
        return _plain(value)
    percent = 100 if "%" in section else 1
    scale = _SCALE.search(_WORD.sub("", section))
    shown = amount * percent / 1000 ** (len(scale[1]) if scale else 0)
    before, after = _words(section)
    sign = "-" if signed and value < 0 else ""
    return f"{sign}{before}{_digits(shown, section)}{'%' if percent > 1 else ''}{after}"


def _section(value: float, style: str) -> tuple[str, float, bool]:
    """The part of a format for this value, the value as it is written by it, and whether a minus
    is still to be written."""
    # Within quotes a semicolon is one.
    parts = _ENDS.sub(lambda match: match[1] or "\0", style).split("\0")
    stated = _stated(parts, value)
    parts = [_ASIDE.sub("", part) for part in parts]
    if stated >= 0:
        return _PADDING.sub(lambda match: match[1] or "", parts[stated]).strip(), abs(value), True
    plain = [_PADDING.sub(lambda match: match[1] or "", part).strip() for part in parts]
    chosen = 1 if value < 0 and len(plain) > 1 else 2 if value == 0 and len(plain) > 2 else 0
    section = plain[chosen]
    if chosen == 1 and "(" in section and section.endswith(")"):
        # Only accountants read brackets as a minus.
        return section.replace("(", "-", 1)[:-1], abs(value), False
    return section, abs(value), chosen != 1


_CONDITION = re.compile(r"\[(<=|>=|<>|<|>|=)(-?\d+(?:\.\d+)?)\]")
_COMPARED = {"<": lt, "<=": le, ">": gt, ">=": ge, "=": eq, "<>": ne}


def _stated(parts: Sequence[str], value: float) -> int:
    """The part of a format whose condition holds, else the first without one; -1 where no part
    states a condition."""
    found = [_CONDITION.search(part) for part in parts]
    if not any(found):
        return -1
    for at, one in enumerate(found):
        if one is None or _COMPARED[one[1]](value, float(one[2])):
            return at
    return len(parts) - 1


def _plain(value: float) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _digits(value: float, section: str) -> str:
    bare = _WORD.sub("", section)
    if not value and "0" not in bare:
        return ""
    places = _PLACES.search(bare)
    most = len(places[1]) if places else 0
    comma = "," if re.search("[0#?],[0#?]", bare) else ""
    text = f"{_rounded(value, most):{comma}.{most}f}"
    if places and (free := len(places[1]) - len(places[1].rstrip("#?"))):
        kept = text[len(text) - free :].rstrip("0")
        text = (text[: len(text) - free] + kept).rstrip(".")
    whole = re.match(r"[^.]*", bare)
    least = (whole[0] if whole else "").count("0")
    missing = least - len(re.sub(r"\D", "", text.split(".")[0]))
    return "0" * missing + text if "," not in text else text


def _rounded(value: float, places: int) -> Decimal:
    """As spreadsheets round: halves away from zero, of the fifteen digits that they count in."""
    exact = Decimal(f"{value:.15g}")
    if exact.adjusted() > 20 or not exact.is_finite():
        return exact
    return exact.quantize(Decimal(1).scaleb(-min(places, 30)), ROUND_HALF_UP)


def _in_groups(value: int, section: str, pattern: re.Match[str]) -> str:
    """A whole number with the signs that its format puts between digits."""
    digits = [*str(value).rjust(sum(sign == "0" for sign in pattern[0]), "0")]
    shown: list[str] = []
    for sign in reversed(pattern[0].replace("\\", "")):
        if sign not in "0#":
            shown.append(sign)
        elif digits:
            shown.append(digits.pop())
    before, after = _quoted(section[: pattern.start()]), _quoted(section[pattern.end() :])
    return f"{before}{''.join(digits)}{''.join(reversed(shown)).lstrip('- /')}{after}"


def _words(style: str) -> tuple[str, str]:
    """What a format writes before a number and after it: currencies and quoted words."""
    at = re.search(r"[0#?]", _WORD.sub(lambda match: "~" * len(match[0]), style))
    place = at.start() if at else len(style)
    return _quoted(style[:place]), _quoted(style[place:])


def _quoted(style: str) -> str:
    return "".join("".join(found) for found in _WORD.findall(style))


def moment(value: datetime | date | time, style: str) -> str:
    """A day or a time. One that its format writes in figures only is told as in ISO 8601, the same
    for readers of every country; names of days and months, and parts alone, as they are shown."""
    parts = [found.lower() for found in _codes(style)]
    days = [part for part in parts if part[0] in "yd"] + [
        p for p in parts if p[0] == "m" and len(p) > 2
    ]
    named = any(len(part) > 2 and part[0] in "md" for part in parts)
    whole = any(part in ("d", "dd") for part in parts) and any(part[0] == "y" for part in parts)
    if isinstance(value, time) or (parts and (named or not whole) and (days or "h" in str(parts))):
        return _in_format(value, style)
    if not isinstance(value, datetime):
        return value.isoformat()
    return value.date().isoformat() if value.time() == time(0) else value.isoformat(" ", "minutes")


def _codes(style: str) -> list[str]:
    found = _DATE.findall(_LOCALE.sub("", style.split(";")[0]))
    return [one[4] for one in found if one[4]]


def _in_format(value: datetime | date | time, style: str) -> str:
    shown: list[str] = []
    found = [*_DATE.finditer(_LOCALE.sub("", style.split(";")[0]))]
    half = any(one[4] for one in found)
    codes = [(one[5] or "").lower() for one in found]
    for at, one in enumerate(found):
        if code := codes[at]:
            near = [c for c in codes[:at] if c][-1:] + [c for c in codes[at + 1 :] if c][:1]
            minutes = code[0] == "m" and any(c[0] in "hs" for c in near) and len(code) < 3
            minutes = minutes and (near[0][0] == "h" or near[-1][0] == "s")
            shown.append(_part(value, "n" * len(code) if minutes else code, half))
        elif one[4]:
            shown.append("PM" if getattr(value, "hour", 0) >= 12 else "AM")
        else:
            shown.append(one[1] or one[2] or one[7] or "")
    return " ".join("".join(shown).split())


def _part(value: datetime | date | time, code: str, half: bool) -> str:
    kind, size = code[0], len(code)
    if kind in "ymd" and not isinstance(value, date):
        return ""
    if kind == "y" and isinstance(value, date):
        return f"{value.year}" if size > 2 else f"{value.year % 100:02d}"
    if kind == "m" and isinstance(value, date):
        name = MONTHS[value.month - 1]
        return (name if size > 3 else name[:3]) if size > 2 else f"{value.month:0{size}d}"
    if kind == "d" and isinstance(value, date):
        name = DAYS[value.weekday()]
        return (name if size > 3 else name[:3]) if size > 2 else f"{value.day:0{size}d}"
    hour = getattr(value, "hour", 0)
    amount = {"h": (hour % 12 or 12) if half else hour, "n": getattr(value, "minute", 0)}
    return f"{amount.get(kind, getattr(value, 'second', 0)):0{min(size, 2)}d}"


def span(value: timedelta, style: str) -> str:
    """A length of time, in hours and minutes, with seconds where its format has some."""
    seconds = round(value.total_seconds())
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    return f"{sign}{hours}:{minutes:02d}" + (f":{left:02d}" if "s" in style.lower() else "")
