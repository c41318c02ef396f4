"""What is printed on one PDF page: words with their places, rules, and nothing that is not seen."""

import ctypes
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ingestion.formats.pdf_sight import Box, Things, drawn_things, unseen_objects
from ingestion.formats.seeing import SMALLEST_PT

LINE_ENDS = frozenset((10, 13))
HYPHENS = frozenset((0x02, 0xFFFE))
"""How pdfium marks a hyphen at a line end that may belong to the word or not."""
FIRST_SURROGATE = 0xD800
LOOSE = 1.1
"""A character's loose box is about so much higher than its font size."""
NARROWEST = 0.06
"""The least width of a letter, in sizes of print; narrower ones cannot be told apart."""
UNMAPPED_SHARE = 0.4
"""A page with a larger share of characters without a meaning cannot be read as text."""


@dataclass(slots=True)
class Word:
    """Letters that stand together. Lengths are in points; ``y`` is the base line, upwards.

    ``order`` counts words as they were drawn. ``space`` says that a space comes before, and
    ``filled`` that it was filled into a form.
    """

    text: str
    x0: float
    x1: float
    y: float
    size: float
    order: int
    space: bool = True
    hyphenated: bool = False
    filled: bool = False
    bold: bool = False
    object: int = 0
    box: Box = (0.0, 0.0, 0.0, 0.0)
    turn: int = 0
    """The direction of the print in degrees, counter-clockwise."""


@dataclass
class Printed:
    """The words of a page that people see, its rules, and its size.

    ``unmapped`` is the share of characters whose meaning the file does not say.
    """

    words: list[Word]
    things: Things
    width: float
    height: float
    unmapped: float = 0.0


def printed(page: Any, form: Any | None) -> Printed:
    """Read one page; ``form`` is the document's form environment."""
    textpage = page.get_textpage()
    words, unmapped = _words(textpage)
    things = drawn_things(page)
    paper = left, bottom, right, top = _paper(page)
    hidden = unseen_objects(page, things, _boxes(words))
    hidden |= {word.object for word in words if _is_squeezed(word)}
    words = [w for w in words if w.object not in hidden and _on_paper(w, paper)]
    if form is not None:
        words += _form_words(page, form, len(words))
    words = [word for word in words if not things.strikes(word.box)]
    textpage.close()
    return Printed(words, things, right - left, top - bottom, unmapped)


def _paper(page: Any) -> Box:
    """The part of the page that is shown."""
    from pypdfium2 import raw

    rect = raw.FS_RECTF()
    if not raw.FPDF_GetPageBoundingBox(page.raw, rect):
        return 0.0, 0.0, *page.get_size()
    return rect.left, rect.bottom, rect.right, rect.top


def _on_paper(word: Word, paper: Box) -> bool:
    left, bottom, right, top = word.box
    x, y = (left + right) / 2, (bottom + top) / 2
    inside = paper[0] <= x <= paper[2] and paper[1] <= y <= paper[3]
    return inside and word.size >= SMALLEST_PT * LOOSE


def _is_squeezed(word: Word) -> bool:
    letters = len(word.text)
    return letters > 2 and word.x1 - word.x0 < NARROWEST * word.size * letters


def _boxes(words: list[Word]) -> dict[int, list[Box]]:
    """The boxes of each text object's words."""
    found: dict[int, list[Box]] = {}
    for word in words:
        found.setdefault(word.object, []).append(word.box)
    return found


@dataclass
class _Run:
    """Characters of one word, while they are read."""

    codes: list[int] = field(default_factory=list)
    first: int = 0
    last: int = 0
    level: float = 0.0


def _words(textpage: Any) -> tuple[list[Word], float]:
    """All words as drawn, and the share of characters without a meaning."""
    from pypdfium2 import raw

    # Read character by character: the text as a whole leaves some characters out, and then its
    # offsets no longer lead to their boxes.
    words: list[Word] = []
    unmapped, seen = 0, 0
    run, space, turn = _Run(), True, 0.0
    x, y = ctypes.c_double(), ctypes.c_double()
    unicode, origin, raw_page = raw.FPDFText_GetUnicode, raw.FPDFText_GetCharOrigin, textpage.raw
    for i in range(textpage.count_chars()):
        code = unicode(raw_page, i)
        if code <= 32 or code == 0xA0 or code in HYPHENS:
            if code == 0:
                unmapped, seen = unmapped + 1, seen + 1
            if run.codes:
                words.append(_word(textpage, run, space, len(words), turn))
                run, space = _Run(), False
            if code in HYPHENS and words:
                words[-1].hyphenated = True
            space = True
            continue
        seen += 1
        unmapped += code == 0xFFFD or 0xE000 <= code <= 0xF8FF
        origin(raw_page, i, x, y)
        if not run.codes:
            turn = -raw.FPDFText_GetCharAngle(raw_page, i)  # clockwise
        level = y.value * math.cos(turn) - x.value * math.sin(turn) if turn else y.value
        if run.codes and abs(level - run.level) > (3.0 if turn else 0.8):
            words.append(_word(textpage, run, space, len(words), turn))
            run, space = _Run(), False
        if not run.codes:
            run.first, run.level = i, level
        run.codes.append(code)
        run.last = i
    if run.codes:
        words.append(_word(textpage, run, space, len(words), turn))
    return words, unmapped / seen if seen else 0.0


def _word(textpage: Any, run: _Run, space: bool, order: int, turn: float) -> Word:
    from pypdfium2 import raw

    rect = raw.FS_RECTF()
    raw.FPDFText_GetLooseCharBox(textpage.raw, run.first, rect)
    left, bottom, right, top = rect.left, rect.bottom, rect.right, rect.top
    if run.last != run.first:
        raw.FPDFText_GetLooseCharBox(textpage.raw, run.last, rect)
        left, bottom = min(left, rect.left), min(bottom, rect.bottom)
        right, top = max(right, rect.right), max(top, rect.top)
    box = (left, bottom, right, top)
    degrees = round(math.degrees(turn)) % 360
    x0, x1, size = _turned(box, degrees)
    pointer = raw.FPDFText_GetTextObject(textpage.raw, run.first)
    address = ctypes.cast(pointer, ctypes.c_void_p).value or 0
    bold = raw.FPDFText_GetFontWeight(textpage.raw, run.first) >= 600
    text = _from_utf16(run.codes)
    return Word(
        text,
        x0,
        x1,
        run.level,
        max(size, 0.1),
        order,
        space,
        bold=bold,
        object=address,
        box=box,
        turn=degrees,
    )


def _turned(box: Box, degrees: int) -> tuple[float, float, float]:
    """(start, end, height) of a box along print of a direction."""
    left, bottom, right, top = box
    if degrees == 90:
        return bottom, top, right - left
    if degrees == 180:
        return -right, -left, top - bottom
    if degrees == 270:
        return -top, -bottom, right - left
    return left, right, top - bottom


def _from_utf16(codes: list[int]) -> str:
    text = "".join(map(chr, codes))
    if max(codes) < FIRST_SURROGATE:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")


# --- Forms -----------------------------------------------------------------------------------

WIDGET, FREE_TEXT = 20, 3
HIDDEN_FLAGS = 0x02 | 0x20
"""Hidden, and not for viewing."""
CHECKBOX, RADIO, COMBO, LIST, TEXT = 2, 3, 4, 5, 6
PASSWORD = 1 << 13
TICKED, EMPTY_BOX = "☒", "☐"


def _form_words(page: Any, form: Any, order: int) -> Iterator[Word]:
    """The values of form fields, and text written over the page, where they stand."""
    from pypdfium2 import raw

    rect = raw.FS_RECTF()
    for i in range(raw.FPDFPage_GetAnnotCount(page.raw)):
        annotation = raw.FPDFPage_GetAnnot(page.raw, i)
        kind = raw.FPDFAnnot_GetSubtype(annotation)
        seen = not raw.FPDFAnnot_GetFlags(annotation) & HIDDEN_FLAGS
        if seen and kind in (WIDGET, FREE_TEXT) and raw.FPDFAnnot_GetRect(annotation, rect):
            if kind == WIDGET:
                text = _field_value(form.raw, annotation)
            else:
                text = _string(raw.FPDFAnnot_GetStringValue, annotation, b"Contents")
            yield from _placed(text, (rect.left, rect.bottom, rect.right, rect.top), order + i)
        raw.FPDFPage_CloseAnnot(annotation)


def _field_value(form: Any, annotation: Any) -> str:
    from pypdfium2 import raw

    kind = raw.FPDFAnnot_GetFormFieldType(form, annotation)
    if kind in (CHECKBOX, RADIO):
        return TICKED if raw.FPDFAnnot_IsChecked(form, annotation) else EMPTY_BOX
    if kind in (COMBO, LIST):
        count = raw.FPDFAnnot_GetOptionCount(form, annotation)
        chosen = [
            _string(raw.FPDFAnnot_GetOptionLabel, form, annotation, n)
            for n in range(min(count, 1000))
            if raw.FPDFAnnot_IsOptionSelected(form, annotation, n)
        ]
        if chosen:
            return ", ".join(chosen)
    elif kind != TEXT or raw.FPDFAnnot_GetFormFieldFlags(form, annotation) & PASSWORD:
        return ""
    return _string(raw.FPDFAnnot_GetFormFieldValue, form, annotation)


def _string(function: Any, *arguments: Any) -> str:
    """What a function of pdfium writes as UTF-16 into a buffer."""
    size = function(*arguments, None, 0)
    if size < 2:
        return ""
    buffer = (ctypes.c_ushort * (size // 2 + 1))()
    function(*arguments, buffer, size)
    return bytes(buffer)[:size].decode("utf-16-le", "ignore").split("\0")[0].strip()


def _placed(text: str, box: Box, order: int) -> Iterator[Word]:
    """The lines of a value as words inside its box."""
    left, bottom, right, top = box
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    if not lines:
        return
    height = max((top - bottom) / len(lines), 1.0)
    size = min(height, 12.0)
    for number, line in enumerate(lines):
        middle = top - height * (number + 0.5)
        y = middle - size * 0.3
        box = (left, y, right, y + size)
        yield Word(line, left, right, y, size, order, filled=True, box=box)
