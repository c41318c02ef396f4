"""Plain text: its encoding, and the characters that people can see."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from ingestion.formats.aligned import blocks_of
from ingestion.formats.charset import decode
from ingestion.formats.document import Block, Read
from ingestion.formats.limits import MAX_TEXT_CHARACTERS

# Text that people cannot see but models read: zero-width and bidirectional controls, tag
# characters, variation selectors, filler letters; also lone surrogates and non-characters.
INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e0fff]"
)
LINE_BREAK = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
WIDE_SPACE = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")
LIGATURE = re.compile("[\ufb00-\ufb06]")


JOINER = re.compile("[\u200c\u200d]")
NEEDS_JOINERS = re.compile(
    "[\u0620-\u06ff\u0700-\u074f\u0750-\u077f\u08a0-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u17ff"
    "\u1800-\u18af\u1b00-\u1c4f\ufb50-\ufdff\ufe70-\ufefc]"
)
"""Scripts in which a joiner or non-joiner changes how a word is written."""
EMOJI = re.compile("[\u2600-\u27bf\U0001f000-\U0001faff]\ufe0f?")
GAP_MARK = re.compile("\u200b+")
CLOSED_UP = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7a3]")
"""Scripts without spaces between words: a zero-width space there only allows a line break."""


def tidy(text: str) -> str:
    """Visible characters only, composed (NFC), with ``\\n`` ends and at most one blank line.

    Nothing joins a number that does not belong to it: a raised mark stands apart.
    """
    if text.isascii() and text.replace("\n", "").isprintable():
        if "\n" not in text:
            return text.rstrip(" ")
        if " \n" not in text and "\n\n\n" not in text:
            return text.rstrip(" ").strip("\n")
    text = LINE_BREAK.sub("\n", unicodedata.normalize("NFC", text))
    if not text.isascii():
        text = GAP_MARK.sub(_gap, JOINER.sub(_joiner, text))
        text = WIDE_SPACE.sub(" ", INVISIBLE.sub("", text)).replace(HELD_ZWNJ, "\u200c")
        text = text.replace(HELD_ZWJ, "\u200d")
        text = LIGATURE.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
        text = apart_from_numbers(text)
    else:
        text = INVISIBLE.sub("", text)
    lines = [line.rstrip(" \t") for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def _gap(match: re.Match[str]) -> str:
    before, after = match.string[match.start() - 1 : match.start()], match.string[match.end() :][:1]
    closed = CLOSED_UP.match(before) and CLOSED_UP.match(after)
    return "" if closed or not before.strip() or not after.strip() else " "


HELD_ZWNJ, HELD_ZWJ = "\uf8f0", "\uf8f1"
"""Private characters that stand for joiners while all other invisible characters are dropped."""


def _joiner(match: re.Match[str]) -> str:
    text, at = match.string, match.start()
    before, after = text[max(0, at - 2) : at], text[at + 1 : at + 2]
    if NEEDS_JOINERS.match(before[-1:]) and (
        NEEDS_JOINERS.match(after) or (before[-1:] and not after.strip(" .,;:!?\n"))
    ):
        return HELD_ZWNJ if match[0] == "\u200c" else HELD_ZWJ
    emoji = EMOJI.search(before) and (EMOJI.match(after) or after in "\u2640\u2642\u2695")
    return HELD_ZWJ if emoji and match[0] == "\u200d" and after else ""


RAISED_DIGITS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
RAISED = dict(zip("0123456789+-−=()n", RAISED_DIGITS + "⁺⁻⁻⁼⁽⁾ⁿ", strict=True))
RAISED |= dict(zip("abcdefghijklmoprstuvwxyz", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐᵒᵖʳˢᵗᵘᵛʷˣʸᶻ", strict=True))
LOWERED = dict(zip("0123456789+-=()", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎", strict=True))
RAISED_ALONE = "0123456789-−+n"
"""Marks that also stand raised after a letter: m², xⁿ."""
PLAIN_OF = {raised: plain for plain, raised in RAISED.items() if plain not in "−"}
POWER_OF_TEN = re.compile(
    f"(?<![\\d.,£$€¥])10(?!¹(?![{RAISED_DIGITS}]))([⁺⁻]?[{RAISED_DIGITS}]+)(?![⁺⁻{RAISED_DIGITS},])"
)
"""A raised 1 is a note: nobody writes the first power. A sum of money has no power either."""
AFTER_DIGIT = re.compile(
    "(?<=[0-9])(?=[⁰-⁹¹²³₀-₉½⅓¼¾⅔⅛⅜⅝⅞⅕⅖⅗⅘⅙⅚\u2460-\u249b\u2776-\u2793\u24ea\u24ff⁺⁻⁽ᵃ-ᵿ])"
)
ORDINALS = frozenset("st nd rd th er re e ème eme ère ere de ste".split())


def apart_from_numbers(text: str) -> str:
    """The text with powers of ten as ``10^3``, other raised marks a space after their number."""
    text = POWER_OF_TEN.sub(lambda m: "10^" + "".join(PLAIN_OF[c] for c in m[1]), text)
    return AFTER_DIGIT.sub(" ", text)


def raised(mark: str, before: str) -> str:
    """A raised mark as plain text that follows ``before`` without melting into it.

    Digits become raised digits, letters of an ordinal ("1st") stay as they are.
    """
    mark = " ".join(mark.split())
    mark = mark[1:-1] if re.fullmatch(r"\[\d{1,3}\]", mark) else mark
    after_digit = before[-1:].isdigit()
    if not mark or (mark.lower() in ORDINALS and after_digit):
        return mark
    if all(c in RAISED or c in ", " for c in mark) and (after_digit or mark[0] in RAISED_ALONE):
        return "".join(RAISED.get(c, c) for c in mark)
    return f" {mark}" if after_digit and mark[0] not in "*†‡§%°" else mark


def lowered(mark: str, before: str) -> str:
    """A lowered mark as plain text that follows ``before``; digits never join a number."""
    if before[-1:].isdigit() and mark[:1].isdigit():
        return "".join(LOWERED.get(c, c) for c in mark)
    return mark


LONGEST_MARK = 40


def shifted(text: str, by: int, parts: Sequence[str]) -> str:
    """The text of a run that is raised (above 0), lowered (below) or neither, set apart from the
    parts before it; a long one is no mark."""
    if not by or not text.strip() or len(text) > LONGEST_MARK:
        return text
    before = next((part for part in reversed(parts) if part), "")
    mark = raised(text, before) if by > 0 else lowered(text, before)
    return f"{mark} " if text[-1:].isspace() else mark


def one_line(text: str) -> str:
    """The text as a title: one tidy line of at most 200 characters."""
    return " ".join(tidy(text).split())[:200].strip()


UNDERLINE = re.compile(r"[ \t]*(?:={3,}|-{3,}|~{3,})[ \t]*")
NUMBERED = re.compile(r"(?:\d+\.)*\d+\.?[ \t]+[^\W\d_].*")
ASKED = re.compile(r"(?:Q|F|Question|Frage)\s?\d{0,3}\s?[.:)].{1,200}\?", re.IGNORECASE)
ANSWERED = re.compile(r"\s*(?:A|R|Answer|Antwort)\s?\d{0,3}\s?[.:)]", re.IGNORECASE)
QUESTION_LEVEL = 3
MOST_OF_HEADING = 80
"""Characters; a longer line is a sentence."""


def read(data: bytes) -> Read:
    """The decoded text; its title and headings are lines that stand out as such."""
    source = LINE_BREAK.sub("\n", decode(data, MAX_TEXT_CHARACTERS)).strip("\n")
    parts = re.split(r"\n[ \t]*\n\s*?(?=[^\n])", source)
    blocks: list[Block] = []
    is_answer = False
    for place, part in enumerate(parts):
        found = _asked(part) or _part(part, is_first=place == 0 and len(parts) > 1)
        asks = found[0].level == QUESTION_LEVEL if found else False
        if is_answer and found and not asks:
            found[0] = replace(found[0], ends=QUESTION_LEVEL)
        is_answer = asks or (is_answer and not found)
        blocks += found
    begins = blocks[0] if blocks else Block("")
    return Read(begins.text if begins.level else "", blocks)


def _asked(part: str) -> list[Block]:
    """A question that is marked as one, as the heading of its answer; none in other text."""
    first, _, rest = part.partition("\n")
    if not ASKED.fullmatch(first.strip()) or not ANSWERED.match(rest):
        return []
    return [Block(first.strip(), level=QUESTION_LEVEL), *blocks_of(rest, "\n")]


def _part(part: str, *, is_first: bool) -> list[Block]:
    """A paragraph, or a heading with what follows it at once."""
    lines = part.split("\n", 2)
    first, level = lines[0].strip(), 0
    rest: list[str] = []
    if len(lines) > 1 and UNDERLINE.fullmatch(lines[1]):
        level, rest = (1 if "=" in lines[1] else 2), lines[2:]
    elif len(lines) == 1:
        level = _level(first, is_first=is_first)
    if not (level and first):
        return [*blocks_of(part)]
    return [Block(first, level=level), *(one for text in rest for one in blocks_of(text, "\n"))]


def _level(line: str, *, is_first: bool) -> int:
    """The level of the heading that a line by itself is; 0 for none."""
    if not line or len(line) > MOST_OF_HEADING or line[-1] in ".,;:!?":
        return 0
    if is_first and line[0].isalnum():
        return 1
    capitals = line.isupper() and len(re.findall(r"[^\W\d_]", line)) > 2
    return 2 if capitals or NUMBERED.fullmatch(line) else 0
