"""What the recognisers of personal data share: how text is read, and what counts as a match."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator

from guardrails.checks.wording import pattern

CONTEXT = 60
"""Characters before a number in which a word may say what it is."""
Offsets = tuple[int, int]
Finder = Callable[[str], Iterator[Offsets]]


class _Plain(dict[int, str]):
    """One ASCII character for each other digit, dash, space and wide letter; offsets stay."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kind = unicodedata.category(char)
        if kind == "Pd" or char == "\u2212":
            plain = "-"
        elif char in "\u00b7\u2022\u2219\u2027":
            plain = "."
        elif kind in ("Zs", "Cf"):
            plain = " "
        elif kind == "Nd":
            plain = str(unicodedata.decimal(char))
        else:
            wide = unicodedata.normalize("NFKC", char)
            plain = wide if len(wide) == 1 and wide.isascii() else char
        self[code] = plain
        return plain


_PLAIN = _Plain()


def plain_text(text: str) -> str:
    """The text with plain digits, dashes and spaces, wrapped lines joined; as long as before."""
    plain = text if text.isascii() else text.translate(_PLAIN)
    return _WRAP.sub(_joined, plain) if "\n" in plain else plain


_WRAP = re.compile(r"^[^\n|]*[^\n|\s][ \t\r]*\n(?=[^\n|]*[^\s|])", re.M)
_WORDS_OF_PROSE = 3


def _joined(line: re.Match[str]) -> str:
    """A line of prose with the line break after it as a space: it was wrapped there."""
    words = sum(word.isalpha() for word in line[0].split())
    return f"{line[0][:-1]} " if words >= _WORDS_OF_PROSE else line[0]


def digits_of(text: str) -> str:
    """The ASCII digits of a text, without what stands between them."""
    return "".join(char for char in text if "0" <= char <= "9")


def stands_alone(text: str, start: int, end: int) -> bool:
    """Whether the span is no part of a longer word or number."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if before[-1:].isalnum() or after[:1].isalnum():
        return False
    joined = before[-1:] in tuple(".,-/_") and before[:-1].isdigit()
    return not joined and not (after[:1] in tuple("-/_") and after[1:].isalnum())


def finder(
    expression: str, valid: Callable[[str], bool] = bool, context: str = "", group: int = 0
) -> Finder:
    """Finds what ``expression`` matches alone, ``valid`` accepts, and a word of ``context`` leads
    to, if any is given."""
    wanted = pattern(expression)
    leading = pattern(rf"\b(?:{context})") if context else None

    def find(text: str) -> Iterator[Offsets]:
        for match in wanted.finditer(text):
            start, end = match.span(group)
            if not stands_alone(text, start, end) or not valid(text[start:end]):
                continue
            if leading is None or leading.search(text[max(0, start - CONTEXT) : start]):
                yield start, end

    return find


def within(expression: str, valid: Callable[[str], bool] = bool) -> Finder:
    """Finds the first group of ``expression``; it may stand inside other characters."""
    wanted = pattern(expression)

    def find(text: str) -> Iterator[Offsets]:
        for match in wanted.finditer(text):
            if valid(match.group(1)):
                yield match.span(1)

    return find


def luhn(digits: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1)."""
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    total = sum(map(int, digits[-1::-2])) + sum(n - 9 * (n > 9) for n in doubled)
    return total % 10 == 0


def weighted(digits: str, weights: Iterable[int]) -> int:
    """The sum of the digits, each times its weight."""
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def is_day(day: int, month: int) -> bool:
    """Whether some year may have this day."""
    return 1 <= day <= 31 and 1 <= month <= 12
