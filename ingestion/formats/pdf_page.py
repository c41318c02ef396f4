"""What is printed on one PDF page: words with their places, rules, and nothing that is not seen."""

import ctypes
import itertools
import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ingestion.formats.pdf_calls import PDFIUM, address_of
from ingestion.formats.pdf_sight import IMAGE, Box, Things, drawn_things, unseen_objects
from ingestion.formats.seeing import SMALLEST_PT

HYPHENS = frozenset((0x02, 0xFFFE))
"""How pdfium marks a hyphen at a line end that may belong to the word or not."""
FIRST_SURROGATE = "\ud800"
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
    is_scan: bool = False
    """Whether what people read on it is an image, with a stamp or a running head at most."""


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
    scan = _is_scan(words, things, paper)
    return Printed(words, things, right - left, top - bottom, unmapped, scan)


# --- Pages that are images -------------------------------------------------------------------

MOST_AT_EDGES, MOST_STAMPED = 60, 12
"""Words that may be printed over a scan: at its edges all together, and elsewhere."""
EDGE = 0.14
"""The share of a page's height at its top and its foot."""
COVERED, SHOWN = 0.6, 0.05
"""The least share of a page that images cover: of one with words, and of one without any."""
OUTLINES = 40
"""So many drawn areas on a page without a word may be its letters."""
GRID = 20


def _is_scan(words: list[Word], things: Things, paper: Box) -> bool:
    _, bottom, _, top = paper
    edge = EDGE * (top - bottom)
    inside = sum(bottom + edge < (w.box[1] + w.box[3]) / 2 < top - edge for w in words)
    if inside > MOST_STAMPED or len(words) - inside > MOST_AT_EDGES:
        return False
    images = [area.box for area in things.areas if area.kind == IMAGE]
    covered = _covered(paper, images)
    return covered >= COVERED or (not words and (covered >= SHOWN or len(things.areas) >= OUTLINES))


def _covered(paper: Box, images: Sequence[Box]) -> float:
    """The share of a page that lies under images, which may overlap or be strips of a scan."""
    left, bottom, right, top = paper
    xs = [left + (right - left) * (i + 0.5) / GRID for i in range(GRID)]
    ys = [bottom + (top - bottom) * (i + 0.5) / GRID for i in range(GRID)]
    cells: set[tuple[float, float]] = set()
    for x0, y0, x1, y1 in images:
        cells.update(itertools.product(_between(xs, x0, x1), _between(ys, y0, y1)))
        if len(cells) == GRID * GRID:
            break
    return len(cells) / (GRID * GRID)


def _between(places: Sequence[float], low: float, high: float) -> Sequence[float]:
    return places[bisect_left(places, low) : bisect_right(places, high)]


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


PIECE = re.compile("[\x02\ufffe]|[^\x00-\x20\xa0\ufffe]+")
"""A hyphen's mark, or characters that stand together."""
WITHOUT_MEANING = re.compile("[\x00\ufffd\ue000-\uf8ff]")
RAISED, SMALL, SIZE_OF_DIGIT = 0.25, 0.5, 1.5
"""Of the height of a line, how far above it a raised digit begins and how high it is at most; and
the size of print whose digits are so high."""
FIRST_OF_OTHER_WRITING = "\u0590"
"""Letters from here on may run from right to left, which pdfium sorts."""


def _words(textpage: Any) -> tuple[list[Word], float]:
    """All words as drawn, and the share of characters without a meaning."""
    # Read character by character: the text as a whole leaves some characters out, and then its
    # offsets no longer lead to their boxes.
    page, words, seen = _Print(textpage), list[Word](), 0
    text = page.characters()
    for piece in PIECE.finditer(text):
        letters, first = piece[0], piece.start()
        if ord(letters[0]) in HYPHENS:
            if words:
                words[-1].hyphenated = True
            continue
        seen += len(letters)
        turn = page.turn(first)
        for start, end, level in page.runs(letters, first, turn):
            word = page.word(start, end - 1, level, turn)
            word.text = _from_utf16(letters[start - first : end - first])
            word.order, word.space = len(words), start == first
            words.append(word)
    seen += text.count("\0")
    return words, len(WITHOUT_MEANING.findall(text)) / seen if seen else 0.0


class _Print:
    """The characters of a page, by their numbers. Turns are in radians, counter-clockwise."""

    def __init__(self, textpage: Any) -> None:
        from pypdfium2 import raw

        self._page, self._count = address_of(textpage.raw), textpage.count_chars()
        self._x, self._y, self._rect = ctypes.c_double(), ctypes.c_double(), raw.FS_RECTF()
        self._to_x, self._to_y = ctypes.addressof(self._x), ctypes.addressof(self._y)
        self._to_rect = ctypes.addressof(self._rect)
        self._left, self._right = ctypes.c_double(), ctypes.c_double()
        self._bottom, self._top = ctypes.c_double(), ctypes.c_double()
        self._to_left, self._to_right = ctypes.addressof(self._left), ctypes.addressof(self._right)
        self._to_bottom, self._to_top = ctypes.addressof(self._bottom), ctypes.addressof(self._top)
        # Of digits that their font draws small and raised.
        self._heights: dict[int, float] = {}
        # By the address of text objects, of which all has one turn, and of fonts.
        self._turns: dict[int, float] = {}
        self._bold: dict[int, bool] = {}
        # Of text objects in fonts that do not say how far their letters reach.
        self._sizes: dict[int, float] = {}
        self._tight: dict[int, bool] = {}

    def characters(self) -> str:
        """All of them, as UTF-16 has them."""
        page = itertools.repeat(self._page, self._count)
        return "".join(map(chr, map(PDFIUM.FPDFText_GetUnicode, page, range(self._count))))

    def turn(self, at: int) -> float:
        """The direction of the print at a character."""
        drawn = self._object(at)
        turn = self._turns.get(drawn)
        if turn is None:
            turn = -PDFIUM.FPDFText_GetCharAngle(self._page, at)  # clockwise
            if drawn:
                self._turns[drawn] = turn
        return turn

    def runs(self, letters: str, first: int, turn: float) -> Iterator[tuple[int, int, float]]:
        """(first, last + 1, level) of the parts of ``letters``, each on one base line."""
        last, most = first + len(letters) - 1, 3.0 if turn else 0.8
        begun, level = first, self._level(first, turn)
        if not self._is_one(letters, first, last) or abs(self._level(last, turn) - level) > most:
            for at in range(first, last + 1):
                here = self._level(at, turn)
                if not turn and letters[at - first].isdecimal():
                    here = self._drawn_above(at, here)
                level = here if at == first else level
                if abs(here - level) > most:
                    yield begun, at, level
                    begun, level = at, here
        yield begun, last + 1, level

    def _drawn_above(self, at: int, level: float) -> float:
        """Where a digit stands that its font draws raised, on the base line though it is set."""
        call = PDFIUM.FPDFText_GetCharBox
        if not call(self._page, at, self._to_left, self._to_right, self._to_bottom, self._to_top):
            return level
        loose = self._box(at)
        height, bottom = self._top.value - self._bottom.value, self._bottom.value
        if bottom - level < RAISED * (loose[3] - loose[1]) or height > SMALL * (
            loose[3] - loose[1]
        ):
            return level
        self._heights[at] = SIZE_OF_DIGIT * height
        return bottom

    def _is_one(self, letters: str, first: int, last: int) -> bool:
        """Whether one object draws them all, so that those in between need not be asked."""
        plain = max(letters) < FIRST_OF_OTHER_WRITING
        return plain and self._object(first) == self._object(last) != 0

    def word(self, first: int, last: int, level: float, turn: float) -> Word:
        """The word of these characters, without its text and its place in the order."""
        left, bottom, right, top = self._box(first)
        if last != first:
            other = self._box(last)
            left, bottom = min(left, other[0]), min(bottom, other[1])
            right, top = max(right, other[2]), max(top, other[3])
        box, drawn = (left, bottom, right, top), self._object(first)
        degrees = round(math.degrees(turn)) % 360
        x0, x1, size = _turned(box, degrees)
        size = self._heights.get(first, size)
        bold = self._is_bold(drawn, first)
        if drawn in self._sizes:
            size = max(size, self._sizes[drawn])
        return Word(
            "", x0, x1, level, max(size, 0.1), 0, bold=bold, object=drawn, box=box, turn=degrees
        )

    def _is_bold(self, drawn: int, at: int) -> bool:
        """Whether a font says by its weight or by its name that it is; many state no weight."""
        bold = self._bold.get(drawn)
        if bold is None or not drawn:
            font = PDFIUM.FPDFTextObj_GetFont(drawn) if drawn else None
            if font and self._is_tight(font):
                self._sizes[drawn] = _size_of(drawn)
            bold = self._bold.get(font) if font else None
            if bold is None:
                heavy = PDFIUM.FPDFText_GetFontWeight(self._page, at) >= 600
                bold = heavy or _is_named_bold(font)
            self._bold[font or 0] = self._bold[drawn] = bold
        return bold

    def _is_tight(self, font: int) -> bool:
        """Whether a font says that no letter reaches below its base line."""
        tight = self._tight.get(font)
        if tight is None:
            descent = ctypes.c_float()
            told = PDFIUM.FPDFFont_GetDescent(font, 1.0, ctypes.addressof(descent))
            tight = self._tight[font] = bool(told) and descent.value >= 0
        return tight

    def _level(self, at: int, turn: float) -> float:
        """How high a character's base line is, across the print."""
        PDFIUM.FPDFText_GetCharOrigin(self._page, at, self._to_x, self._to_y)
        x, y = self._x.value, self._y.value
        return y * math.cos(turn) - x * math.sin(turn) if turn else y

    def _box(self, at: int) -> Box:
        rect = self._rect
        PDFIUM.FPDFText_GetLooseCharBox(self._page, at, self._to_rect)
        return rect.left, rect.bottom, rect.right, rect.top

    def _object(self, at: int) -> int:
        """The address of what draws a character; 0 for one that pdfium put in between."""
        return PDFIUM.FPDFText_GetTextObject(self._page, at) or 0


def _size_of(drawn: int) -> float:
    """The height of the lines of a text object, as far as its size of print says."""
    size, matrix = ctypes.c_float(), (ctypes.c_float * 6)(1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
    PDFIUM.FPDFTextObj_GetFontSize(drawn, ctypes.addressof(size))
    PDFIUM.FPDFPageObj_GetMatrix(drawn, ctypes.addressof(matrix))
    return LOOSE * abs(size.value) * math.hypot(matrix[2], matrix[3])


BOLD = re.compile(rb"bold|black|heavy", re.IGNORECASE)
LONGEST_NAME = 200


def _is_named_bold(font: int | None) -> bool:
    if not font:
        return False
    name = ctypes.create_string_buffer(LONGEST_NAME)
    PDFIUM.FPDFFont_GetBaseFontName(font, ctypes.addressof(name), LONGEST_NAME)
    return BOLD.search(name.value) is not None


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


def _from_utf16(text: str) -> str:
    if max(text) < FIRST_SURROGATE:
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
