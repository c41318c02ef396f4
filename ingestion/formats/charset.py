"""Bytes to text: the encoding that is stated or detected, or a refusal; never mojibake."""

import codecs
import re
import unicodedata

from app.errors import DocumentRefused
from ingestion.formats.limits import too_long

DECLARED = re.compile(
    rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w-]{2,40})|<\?xml[^>]{0,200}encoding\s*=\s*[\"']"
    rb"([\w-]{2,40})",
    re.IGNORECASE,
)
WEB_NAMES = {"iso-8859-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252", "ascii": "cp1252"}
WEB_NAMES |= {"shift_jis": "cp932", "shift-jis": "cp932", "gb2312": "gb18030", "gbk": "gb18030"}
WEB_NAMES |= {"euc-kr": "cp949", "iso-8859-9": "cp1254", "big5": "big5hkscs", "tis-620": "cp874"}
"""What browsers read for a name, where it is not what the name says."""
CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufffd]")
FEW = 6
"""With fewer bytes above ASCII the text is Latin, and statistics say little."""
WESTERN = ("cp1252", "mac_roman", "cp437", "cp850")
RARE = re.compile(
    "[^\x00-\x7f’‘“”…•€£°©®éèàáíóúñçüöäßêâôîûïëåøæÉÖÄÜ²³½\xa0–—]|(?<=[a-z])[–—](?=[a-z])"
)
"""What an English or western text in Windows-1252 seldom holds beside ASCII."""
NON_LATIN = re.compile("[\u0370-\u1dff\u2c60-\ua71f\ua800-\ufaff]")
ISO_2022 = b"\x1b$"
SAMPLE = 200_000
BYTES_A_CHARACTER = 4
"""No encoding takes more."""


def decode(data: bytes, most: int | None = None) -> str:
    """The text of ``data``, of at most so many characters where ``most`` is given; raises
    ``DocumentRefused`` where it is longer, or where its encoding is not sure.

    In this order: a byte order mark, UTF-8, what the page declares, what a detector finds. What
    comes out must look like text.
    """
    if most is not None and len(data) > BYTES_A_CHARACTER * most:
        raise too_long()
    text = _marked(data)
    if text is None:
        text = _declared(data) or _detected(data)
    if text is None or CONTROLS.search(text):
        raise DocumentRefused("not_text", "The file is not readable text; save it as UTF-8.")
    if most is not None and len(text) > most:
        raise too_long()
    return text


def _marked(data: bytes) -> str | None:
    try:
        if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
            return data.decode("utf-32")
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return data.decode("utf-16")
        if b"\x00" in data[:SAMPLE]:
            return _wide(data)
        # These controls are harmless leftovers, and dropped later; NUL is not.
        if ISO_2022 in data[:SAMPLE]:
            return None
        return re.sub("[\x01-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]", "", data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return None


def _wide(data: bytes) -> str:
    """UTF-16 without its mark: every other byte of western text is zero. Else ``\\x00`` stays."""
    even, odd = data[0:SAMPLE:2].count(0), data[1:SAMPLE:2].count(0)
    name = "utf-16-le" if odd > even else "utf-16-be"
    if max(even, odd) < 0.3 * len(data[:SAMPLE]) / 2 or min(even, odd) > 0.02 * max(even, odd):
        return "\x00"
    return data.decode(name)


def _declared(data: bytes) -> str | None:
    found = DECLARED.search(data[:4096])
    if found is None:
        return None
    name = (found[1] or found[2]).decode("ascii").lower()
    return _plausible(data, WEB_NAMES.get(name, name), is_told=True)


def _detected(data: bytes) -> str | None:
    import chardet

    sample = data[:SAMPLE]
    found = [one["encoding"] or "" for one in chardet.detect_all(sample)]
    texts = (_plausible(data, name) for name in found[:8])
    if sum(byte > 127 for byte in sample) < FEW and ISO_2022 not in sample:
        tried = [_plausible(data, name) for name in [WESTERN[0], *found[:8], *WESTERN]]
        if tried[0] is None or RARE.search(tried[0]):
            del tried[0]
        texts = (text for text in tried if text and not NON_LATIN.search(text))
    return next((text for text in texts if text), None)


def _plausible(data: bytes, encoding: str, is_told: bool = False) -> str | None:
    """The text in an encoding, None where it looks like none; what is told needs less proof."""
    try:
        text = data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return None
    if CONTROLS.search(text):
        return None
    found = FOREIGN.finditer(text[:SAMPLE])
    strange = sum(_is_strange(text, match.start(), is_told) for match in found)
    return None if strange > len(FOREIGN.findall(text[:SAMPLE])) / 50 else text


FOREIGN = re.compile("[^\x00-\x7f]")
NEVER_WITHIN = frozenset("†‡•§©®™°…€£¥¢»‹«›„‚“”¡¿¶×÷±¼½¾¹²³")
"""Marks that no word holds between two of its letters."""


def _is_strange(text: str, at: int, may_be_alone: bool) -> bool:
    """Whether a character does not fit its neighbours: a wrong encoding shows in such pairs.

    A letter by itself may be one of a list, or a sign of a font that the page names.
    """
    char, before, after = text[at], text[at - 1 : at], text[at + 1 : at + 2]
    category = unicodedata.category(char)
    if category == "Lo" or char in "ªº" or category[0] in "MNZ":
        return False
    if category[0] != "L":
        return _is_strange_mark(char, category, before, after)
    if any(c.isalpha() and _script(c) != _script(char) for c in (before, after)):
        return True
    if category == "Lu":
        # A capital inside or at the end of a word in small letters.
        return before.islower() and text[at - 2 : at] != "Mc"
    alone = not may_be_alone and not before.isalpha() and not after.isalpha()
    return before.isdigit() or (alone and char not in "àáéèêíóòôöåæøãõîъвскиаояуїєàηοτή")


def _is_strange_mark(char: str, category: str, before: str, after: str) -> bool:
    if char in NEVER_WITHIN and before.isalpha() and after.isalpha():
        return True
    if char in "‚„‹" and before.isalpha():
        return True
    if char in "£€¥¢":
        return not any(c.isdigit() or c.isspace() for c in (before, after))
    return category in ("So", "Sm", "Sk", "Cf", "Co") and char not in KNOWN_SIGNS


KNOWN_SIGNS = frozenset("©®™°±×÷−√≤≥≠≈´¨№☐☑☒✓→←↑↓■□▪●○◦★☆\xad\u200c\u200d\u200b\u200e\u200f")


def _script(char: str) -> str:
    return unicodedata.name(char, "?").split()[0]
