"""Dates of birth, e-mail addresses, network addresses and phone numbers."""

import ipaddress
import re
from collections.abc import Iterator

from guardrails.checks.wording import pattern
from guardrails.personal_data.matching import (
    CONTEXT,
    Finder,
    Offsets,
    digits_of,
    finder,
    stands_alone,
    within,
)

_MONTHS = (
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|januar|februar|märz|mai|juni|juli|okt|dez"
    r"|janv|févr|avril|juin|juil|août|gen|mag|giu|lug|ago|set|ott|dic|ene|abr)\p{L}*\.?"
)
_DATE = (
    r"(?:\d{1,4}[./-]\d{1,2}[./-]\d{1,4}"
    r"|\d{1,2}[./ -]{1,2}(?:i{1,3}|i?v|vi{1,3}|ix|xi{0,2})[./ -]{1,2}\d{4}"
    rf"|\d{{1,2}}(?:st|nd|rd|th|\.)? (?:of |de )?{_MONTHS},? (?:de )?\d{{4}}"
    rf"|{_MONTHS} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}})"
)
_BORN = (
    r"\b(?:date of birth|d\.?o\.?b\b\.?|birth ?date|birthday|born|b\.|geboren am|geb\. ?(?:am)?"
    r"|geburtsdatum|née? le|date de naissance|nacid[oa] el|fecha de nacimiento|nat[oa] il"
    r"|data di nascita)"
)
_EMAIL = r"[\p{L}\d_.%+'-]+@(?:[\p{L}\d-]+\.)+\p{L}{2,}"
_IPV4 = r"\d{1,3}(?:(?:\.| \. |\[\.\]|\(\.\))\d{1,3}){3}"
_IPV6 = r"[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}"
_VERSION = pattern(
    r"(?:\bv|version|release|section|clause|§|software|firmware|logiciel|build|update)\s*$"
)


def _is_public_address(text: str) -> bool:
    """Addresses of a local network name no person."""
    try:
        return ipaddress.ip_address(re.sub(r"[\s()\[\]]", "", text)).is_global
    except ValueError:
        return False


def ip_addresses(text: str) -> Iterator[Offsets]:
    """Addresses of the public network; numbers of versions and sections are none."""
    for start, end in _finder_ipv4(text):
        if not _VERSION.search(text[max(0, start - 12) : start]):
            yield start, end
    yield from _finder_ipv6(text)


def emails(text: str) -> Iterator[Offsets]:
    """E-mail addresses, also as people spell them."""
    if "@" in text:
        yield from _finder_email(text)
    if _MAY_BE_WRITTEN_OUT.search(text):
        yield from _finder_written_out(text)


_COMMON_END = (
    r"(?:com|org|net|edu|gov|info|biz|de|fr|uk|eu|ch|nl|es|pl|se|dk|io|ca|au|jp|br|in|it|ie|at|us)"
)
_AT_BETWEEN, _DOT_BETWEEN = (
    r" ?[\[({<] ?(?:at|@|ät) ?[\])}>] ?",
    r" ?[\[({<] ?(?:dot|punkt|\.) ?[\])}>] ?",
)
_LOCAL = r"[\p{L}\d_+-]+(?:(?:\.| dot )[\p{L}\d_+-]+)*"
_DOMAIN = r"[\p{L}\d-]+"
_MAY_BE_WRITTEN_OUT = pattern(r"[\[({<] ?(?:at|@|ät) ?[\])}>]|\bat [\p{L}\d-]+(?: dot |\.)\p{L}")
_WRITTEN_OUT = (
    rf"{_LOCAL}{_AT_BETWEEN}{_DOMAIN}(?:(?:{_DOT_BETWEEN}| ?dot |\.)[\p{{L}}\d-]+){{0,2}}"
    rf"(?:{_DOT_BETWEEN}| dot |\.)\p{{L}}{{2,6}}"
    rf"|{_LOCAL} at {_DOMAIN}(?: dot [\p{{L}}\d-]+)?"
    r" dot (?:com|org|net|edu|gov|info|biz|de|fr|uk|eu|ch|nl|es|pl|se|dk|io|ca|au|co dot uk)"
    rf"|[\p{{L}}\d]+[._-][\p{{L}}\d._-]+ at {_DOMAIN}(?:\.{_DOMAIN})?\.{_COMMON_END}"
)
"""An address as people spell it: h dot moreau at example dot org."""


_finder_email = finder(_EMAIL)
_finder_written_out = finder(_WRITTEN_OUT)
_finder_ipv4 = finder(_IPV4, _is_public_address)
_finder_ipv6 = finder(_IPV6, _is_public_address)
_NUMBER_RUN = pattern(
    r"(?:\+ ?)?\(?\d(?:(?:[ .-]|\) ?|\)[.-]| \(|/)?\d){5,20}(?: ?(?:x|ext\.? ?)\d{1,5})?"
)
_PHONE_WORDS = pattern(
    r"\b(?:(?:tele|cell)?phones?|tel|mobile|cell|fax|call|dial|ring|text|sms|whatsapp|contact"
    r"|hot-?line|help-?line|answering|reach|messages?|handy|telefon\w*|rufnummer|t[ée]l[ée]phone"
    r"|tel[ée]fon[oe]|m[óo]vil|cellulare|puhelin)\b[^?!\n]{0,24}[\s:(]$"
)
_PHONE_SHAPE = pattern(
    r"^(?:0[1-9][\d ().\-/]{7,14}|0[1-9]\d{8,9}"
    r"|(?:1[ .-])?\(?[2-9]\d{2}\)?[ .-]?[2-9]\d{2}[.-]\d{4}"
    r"|\(\d{2,5}\)[ -]?\d{3}[ -]?\d{3,5}|\d{2}(?:-\d{2}){3,4})$"
)
_PHONE_LABEL = pattern(
    r"\b(?:(?:(?:tele|cell)?phone|tel|mobile|cell|fax|whatsapp|desk|telefon|rufnummer)\b\.?"
    r"(?: (?:number|no\.?))?(?: is)?|(?:call|calling|reach\w*|answering|ring|text)"
    r"(?:(?: (?:me|us|him|her|them))? (?:at|under)| (?:me|us|him|her|them) on))[:\s]{1,3}\(?$"
)
_PHONE_AFTER = pattern(
    r"^[ ,(-]{1,3}(?:office|fax|mobile|cell|home|work|desk)\b ?(?:[\\,;.)]|\s*$|\s*\n)"
)
"""What kind of number it was: business cards and signatures write that behind it."""
_DATE_SHAPE = pattern(
    r"^\d{1,2}[.:]\d{2}-\d{1,2}[.:]\d{2}$"
    r"|^\d{1,2}[./-]\d{1,2}[./-]\d{2,4}$|^\d{4}[./-]\d{1,2}[./-]\d{1,2}\b"
)
_THOUSANDS = pattern(r"^\d{1,3}(?:[ .]\d{3}){1,2}$")


def phones(text: str) -> Iterator[Offsets]:
    """Phone numbers, by their shape or by a word that says what they are."""
    for match in _NUMBER_RUN.finditer(text):
        start, end = match.span()
        before = text[max(0, start - CONTEXT) : start]
        labelled = bool(_PHONE_AFTER.search(text[end : end + 20]))
        is_amount = before[-1:] in tuple("£$€#") or _VERSION.search(before)
        alone = stands_alone(text, start, end)
        if is_amount or not (alone or (labelled and text[end] == "-")):
            continue
        if _is_phone(match.group(0), before, labelled):
            yield start, end


def _is_phone(written: str, before: str, labelled: bool = False) -> bool:
    number = re.split(" ?(?:x|ext)", written.lower())[0].rstrip()
    digits = len(digits_of(number))
    if number[0] == "+" or re.match("00[1-9]", number):
        return 8 <= digits <= 17 and len(set(digits_of(number))) > 2
    if _DATE_SHAPE.search(number):
        return False
    if _PHONE_SHAPE.search(number):
        return digits >= 8
    if labelled or _PHONE_LABEL.search(before):
        return 6 <= digits <= 15
    if digits < 9 and _THOUSANDS.search(number):
        return False
    return 6 <= digits <= 15 and bool(_PHONE_WORDS.search(before))


_IS_BORN, _IS_DATE, _CELL = pattern(_BORN), pattern(_DATE), re.compile(r"[^|]+")


def _births_in_rows(text: str) -> Iterator[Offsets]:
    """Dates in the rows of a table, in a column that a row before calls dates of birth."""
    column, start = -1, 0
    for line in text.split("\n") if "|" in text else ():
        cells = list(_CELL.finditer(line)) if "|" in line else []
        named = [place for place, cell in enumerate(cells) if _IS_BORN.search(cell[0])]
        if named and not _IS_DATE.search(line):
            column = named[0]
        elif 0 <= column < len(cells) and (date := _IS_DATE.search(cells[column][0])):
            first = start + cells[column].start()
            yield first + date.start(), first + date.end()
        start += len(line) + 1


_born = within(rf"{_BORN}[^\d\n]{{0,12}}?({_DATE})")
_NOBODY = pattern(
    r"\b(?:company|firm|brand|idea|club|band|team|project|product|society|magazine|movement|party"
    r"|nation|state|city|festival|association|church|school)\s(?:was|is)\s(?:re)?born\b[^\d]{0,12}$"
)


def births(text: str) -> Iterator[Offsets]:
    """Dates on which somebody was born; companies are no persons."""
    for start, end in _born(text):
        if not _NOBODY.search(text[max(0, start - CONTEXT) : start]):
            yield start, end


BIRTHS: tuple[Finder, ...] = (
    births,
    within(
        r"\b(?:date of birth|d\.?o\.?b\b\.?|birth ?date)\s(?:of|for)(?:\s[\p{L}.'-]+){1,4}"
        rf"(?:\s(?:is|was)|\s?[:=])\s({_DATE})"
    ),
    _births_in_rows,
)
