"""Which text of a PDF page nobody sees: whatever leaves the picture unchanged when it is left out.

Most text is plain black on white, and is never asked about. Where colour, transparency, clipping or
something drawn over it makes the answer doubtful, the page is drawn twice, with and without it.
"""

import ctypes
import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from ingestion.formats.pdf_calls import PDFIUM, address_of
from ingestion.formats.seeing import WHITE, Colour, can_be_told

Box = tuple[float, float, float, float]
"""Left, bottom, right, top in points, upwards."""
Place = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels, downwards."""
Matrix = tuple[float, float, float, float, float, float]
TEXT, PATH, IMAGE, SHADING, FORM = 1, 2, 3, 4, 5
INVISIBLE, STROKED = (3, 7), (1, 5)
"""Ways to draw text that leave no print, or only its outline."""
LEAST_CHANGE = 10
"""Levels of grey, of 255, by which at least one pixel changes when text is left out."""
INK = 40
"""Levels of grey between paper and print of a scan."""
LONGEST_SIDE = 1400.0
"""Pixels of a drawn page."""
MAX_OBJECTS = 50_000
MAX_COMPARED = 400_000
MAX_NESTING = 6
THIN = 2.0
"""Points: a filled strip that is no thicker is a line."""
SHORTEST_RULE = 4.0


@dataclass(frozen=True)
class Rule:
    """A straight line along an axis: at ``at`` on the other axis, from ``start`` to ``end``."""

    at: float
    start: float
    end: float


@dataclass
class _Thing:
    """Something drawn: when, what, where, and in which colour (None: it is not known)."""

    order: int
    kind: int
    pointer: int
    box: Box
    colour: Colour | None
    alpha: float = 1.0
    mode: int = 0
    clip: Box | None = None
    unsure: bool = False
    """On a layer, or mixed with what lies behind it: only a picture tells what is seen of it."""


@dataclass
class Things:
    """What is drawn on a page, and the rules among it."""

    texts: dict[int, _Thing] = field(default_factory=dict)
    areas: list[_Thing] = field(default_factory=list)
    across: list[Rule] = field(default_factory=list)
    upright: list[Rule] = field(default_factory=list)

    def strikes(self, box: Box) -> bool:
        """Whether a rule runs through the middle of a word."""
        left, bottom, right, top = box
        low, high = bottom + 0.32 * (top - bottom), bottom + 0.66 * (top - bottom)
        width = right - left
        for rule in self.by_height[bisect_left(self._heights, low) :]:
            if rule.at > high:
                return False
            if rule.start <= left + 0.15 * width and rule.end >= right - 0.15 * width:
                return True
        return False

    @cached_property
    def by_height(self) -> list[Rule]:
        """The rules across, from below; all of them are known when this is asked for."""
        return sorted(self.across, key=lambda rule: rule.at)

    @cached_property
    def _heights(self) -> list[float]:
        return [rule.at for rule in self.by_height]


def drawn_things(page: Any) -> Things:
    """Every object of a page."""
    things = Things()
    _collect(address_of(page.raw), things)
    _struck_by_annotation(page, things)
    return things


def _collect(page: int, things: Things) -> None:
    count = PDFIUM.FPDFPage_CountObjects(page)
    stack = [(PDFIUM.FPDFPage_GetObject(page, i), IDENTITY, 0) for i in reversed(range(count))]
    order = 0
    while stack and order < MAX_OBJECTS:
        pointer, matrix, depth = stack.pop()
        order += 1
        kind = PDFIUM.FPDFPageObj_GetType(pointer)
        if kind == FORM:
            if depth < MAX_NESTING:
                inner = _times(_matrix(pointer), matrix)
                number = PDFIUM.FPDFFormObj_CountObjects(pointer)
                for i in reversed(range(number)):
                    stack.append((PDFIUM.FPDFFormObj_GetObject(pointer, i), inner, depth + 1))
            continue
        thing = _thing(pointer, kind, order, matrix)
        if kind == TEXT:
            things.texts[pointer] = thing
        elif kind == PATH:
            _path(pointer, thing, matrix, things)
        else:
            things.areas.append(thing)


IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
FLOATS, NUMBERS = (ctypes.c_float * 6)(), (ctypes.c_uint * 4)()
"""What pdfium writes its answers into: one thread reads a document."""
TO_FLOATS = [ctypes.addressof(FLOATS) + 4 * i for i in range(6)]
NAME = (ctypes.c_ubyte * 16)()
LAYER = "OC\0".encode("utf-16-le")
"""The name of the mark of what is on a layer."""
TO_NUMBERS = [ctypes.addressof(NUMBERS) + 4 * i for i in range(4)]


def _thing(pointer: int, kind: int, order: int, matrix: Matrix) -> _Thing:
    box = (0.0, 0.0, 0.0, 0.0)
    if kind != TEXT:  # the boxes of text are those of its words
        if PDFIUM.FPDFPageObj_GetBounds(pointer, *TO_FLOATS[:4]):
            box = FLOATS[0], FLOATS[1], FLOATS[2], FLOATS[3]
        box = _moved(box, matrix)
    thing = _Thing(order, kind, pointer, box, None)
    if kind == TEXT:
        thing.mode = PDFIUM.FPDFTextObj_GetTextRenderMode(pointer)
        thing.clip = _clip(pointer)
        thing.unsure = _is_layered(pointer) or bool(PDFIUM.FPDFPageObj_HasTransparency(pointer))
    if kind in (TEXT, PATH):
        stroked = kind == TEXT and thing.mode in STROKED
        get = PDFIUM.FPDFPageObj_GetStrokeColor if stroked else PDFIUM.FPDFPageObj_GetFillColor
        if get(pointer, *TO_NUMBERS):
            red, green, blue, alpha = NUMBERS
            thing.colour, thing.alpha = (red / 255, green / 255, blue / 255), alpha / 255
    return thing


def _is_layered(pointer: int) -> bool:
    """Whether it is on a layer, which may be switched off; other marks say what it is."""
    count = PDFIUM.FPDFPageObj_CountMarks(pointer)
    for i in range(min(count, MAX_NESTING)):
        mark = PDFIUM.FPDFPageObj_GetMark(pointer, i)
        told = PDFIUM.FPDFPageObjMark_GetName(mark, NAME, ctypes.sizeof(NAME), TO_NUMBERS[0])
        if told and NUMBERS[0] == len(LAYER) and bytes(NAME)[: len(LAYER)] == LAYER:
            return True
    return bool(count > MAX_NESTING)


def _matrix(pointer: int) -> Matrix:
    if not PDFIUM.FPDFPageObj_GetMatrix(pointer, TO_FLOATS[0]):
        return IDENTITY
    a, b, c, d, e, f = FLOATS
    return a, b, c, d, e, f


def _times(one: Matrix, other: Matrix) -> Matrix:
    a, b, c, d, e, f = one
    g, h, i, j, k, m = other
    return (
        a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j,
        e * g + f * i + k, e * h + f * j + m,
    )  # fmt: skip


def _point(x: float, y: float, matrix: Matrix) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def _moved(box: Box, matrix: Matrix) -> Box:
    if matrix is IDENTITY:
        return box
    corners = [_point(x, y, matrix) for x in (box[0], box[2]) for y in (box[1], box[3])]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


def _clip(pointer: int) -> Box | None:
    """The box that all clip paths leave, None without any."""
    path = PDFIUM.FPDFPageObj_GetClipPath(pointer)
    count = PDFIUM.FPDFClipPath_CountPaths(path) if path else -1
    if count <= 0:
        return None
    left, bottom, right, top = -1e9, -1e9, 1e9, 1e9
    for i in range(min(count, 20)):
        xs, ys = [], []
        for j in range(min(PDFIUM.FPDFClipPath_CountPathSegments(path, i), 100)):
            x, y = _end(PDFIUM.FPDFClipPath_GetPathSegment(path, i, j))
            xs.append(x)
            ys.append(y)
        if xs:
            left, right = max(left, min(xs)), min(right, max(xs))
            bottom, top = max(bottom, min(ys)), min(top, max(ys))
    return left, bottom, right, top


def _end(segment: int) -> tuple[float, float]:
    """Where a segment of a path ends."""
    PDFIUM.FPDFPathSegment_GetPoint(segment, *TO_FLOATS[:2])
    return FLOATS[0], FLOATS[1]


def _path(pointer: int, thing: _Thing, matrix: Matrix, things: Things) -> None:
    """An area that may cover text, or rules, or both."""
    known = PDFIUM.FPDFPath_GetDrawMode(pointer, *TO_NUMBERS[:2])
    fill, stroke = NUMBERS[:2] if known else (0, 0)
    left, bottom, right, top = thing.box
    thin = min(right - left, top - bottom) <= THIN
    if fill and not thin:
        things.areas.append(thing)
    if fill and thin and not stroke:
        _rule(things, (left, (bottom + top) / 2), (right, (bottom + top) / 2))
        _rule(things, ((left + right) / 2, bottom), ((left + right) / 2, top))
    elif (
        stroke
        and max(right - left, top - bottom) >= SHORTEST_RULE
        and len(things.across) + len(things.upright) < MAX_OBJECTS
    ):
        _edges(pointer, _times(_matrix(pointer), matrix), things)


LINE_TO, MOVE_TO = 0, 2
"""Kinds of segments."""


def _edges(pointer: int, matrix: Matrix, things: Things) -> None:
    first = last = None
    for i in range(min(PDFIUM.FPDFPath_CountSegments(pointer), 2000)):
        segment = PDFIUM.FPDFPath_GetPathSegment(pointer, i)
        point = _point(*_end(segment), matrix)
        kind = PDFIUM.FPDFPathSegment_GetType(segment)
        if kind == MOVE_TO:
            first = last = point
            continue
        if last is not None and kind == LINE_TO:
            _rule(things, last, point)
        last = point
        if PDFIUM.FPDFPathSegment_GetClose(segment) and first is not None:
            _rule(things, last, first)
            last = first


def _rule(things: Things, one: tuple[float, float], other: tuple[float, float]) -> None:
    (x0, x1), (y0, y1) = sorted((one[0], other[0])), sorted((one[1], other[1]))
    if y1 - y0 <= 1.0 and x1 - x0 >= SHORTEST_RULE:
        things.across.append(Rule((y0 + y1) / 2, x0, x1))
    elif x1 - x0 <= 1.0 and y1 - y0 >= SHORTEST_RULE:
        things.upright.append(Rule((x0 + x1) / 2, y0, y1))


STRIKE_OUT, COVERS = 12, (5, 13, 28)
"""Kinds of annotation: struck text; squares, stamps and redactions may lie over text."""


def _struck_by_annotation(page: Any, things: Things) -> None:
    from pypdfium2 import raw

    rect = raw.FS_RECTF()
    for i in range(raw.FPDFPage_GetAnnotCount(page.raw)):
        annotation = raw.FPDFPage_GetAnnot(page.raw, i)
        kind = raw.FPDFAnnot_GetSubtype(annotation)
        if kind in (STRIKE_OUT, *COVERS) and raw.FPDFAnnot_GetRect(annotation, rect):
            if kind == STRIKE_OUT:
                middle = (rect.bottom + rect.top) / 2
                things.across.append(Rule(middle, rect.left, rect.right))
            else:
                box = (rect.left, rect.bottom, rect.right, rect.top)
                things.areas.append(_Thing(MAX_OBJECTS + i, SHADING, 0, box, None))
        raw.FPDFPage_CloseAnnot(annotation)


def unseen_objects(page: Any, things: Things, boxes: dict[int, list[Box]]) -> set[int]:
    """The text objects, by address, that nobody sees; ``boxes`` are those of their words."""
    asked = [
        address
        for address, thing in things.texts.items()
        if address in boxes and _is_doubtful(thing, boxes[address], things)
    ]
    if not asked or len(things.texts) > MAX_OBJECTS:
        return set()
    return _without_effect(page, things, {address: boxes[address] for address in asked})


def _is_doubtful(text: _Thing, boxes: list[Box], things: Things) -> bool:
    if text.mode in INVISIBLE or text.alpha < 1 or text.colour is None or text.unsure:
        return True
    box = _around(boxes)
    if text.clip is not None and _overlap(box, text.clip) < 0.9:
        return True
    behind: Colour | None = WHITE
    if len(things.areas) * len(things.texts) > MAX_COMPARED:
        return True
    left, bottom, right, top = box
    for area in things.areas:
        other = area.box
        if other[0] >= right or other[2] <= left or other[1] >= top or other[3] <= bottom:
            continue
        if _overlap(box, other) < 0.3:
            continue
        if area.order > text.order or area.kind != PATH:
            return True
        behind = area.colour if area.alpha == 1 else None
    return behind is None or not can_be_told(text.colour, behind)


Edge = TypeVar("Edge", int, float)


def _around(boxes: Sequence[tuple[Edge, Edge, Edge, Edge]]) -> tuple[Edge, Edge, Edge, Edge]:
    return (
        min(b[0] for b in boxes), min(b[1] for b in boxes),
        max(b[2] for b in boxes), max(b[3] for b in boxes),
    )  # fmt: skip


def _overlap(box: Box, other: Box) -> float:
    """The share of ``box`` that lies in ``other``."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    area = (box[2] - box[0]) * (box[3] - box[1])
    return max(width, 0.0) * max(height, 0.0) / area if area > 0 else 1.0


@dataclass(frozen=True)
class _Picture:
    """The part of a drawn page in grey whose pixels begin at ``left`` and ``top``, row by row."""

    data: bytes
    left: int
    top: int
    stride: int

    def rows(self, place: Place) -> list[bytes]:
        left, top, right, bottom = place
        begins = [self.stride * (y - self.top) - self.left for y in range(top, bottom)]
        return [self.data[begin + left : begin + right] for begin in begins]


def _without_effect(page: Any, things: Things, asked: dict[int, list[Box]]) -> set[int]:
    scale = min(2.0, LONGEST_SIDE / max(*page.get_size(), 1.0))
    size = math.ceil(page.get_width() * scale), math.ceil(page.get_height() * scale)
    places = {
        address: [_pixels(page, box, size) for box in boxes] for address, boxes in asked.items()
    }
    drawn = _around([place for some in places.values() for place in some])
    whole = _draw(page, scale, size, drawn)
    for address in asked:
        PDFIUM.FPDFPageObj_SetIsActive(address, False)
    without = _draw(page, scale, size, drawn)
    for address in asked:
        PDFIUM.FPDFPageObj_SetIsActive(address, True)
    images = [area.box for area in things.areas if area.kind == IMAGE]
    found = set()
    for address, boxes in asked.items():
        if any(_differs(whole.rows(place), without.rows(place)) for place in places[address]):
            continue
        scanned = any(_overlap(_around(boxes), image) > 0.8 for image in images)
        if not (scanned and any(_has_ink(whole.rows(place)) for place in places[address])):
            found.add(address)
    return found


def _draw(page: Any, scale: float, size: tuple[int, int], place: Place) -> _Picture:
    """The pixels of a place, one at least, on a page of this size in pixels."""
    left, top = min(place[0], size[0] - 1), min(place[1], size[1] - 1)
    right, bottom = max(place[2], left + 1), max(place[3], top + 1)
    # A little less than each edge: what is cut off is rounded up to whole pixels.
    cut = [max(edge - 0.5, 0.0) / scale for edge in (left, size[1] - bottom, size[0] - right, top)]
    bitmap = page.render(scale=scale, crop=cut, grayscale=True, may_draw_forms=True)
    picture = _Picture(bytes(bitmap.buffer), left, top, bitmap.stride)
    bitmap.close()
    return picture


def _pixels(page: Any, box: Box, size: tuple[int, int]) -> Place:
    """Where a box lies on a page of this size in pixels, with one around it; empty beyond it."""
    from pypdfium2 import raw

    x, y = ctypes.c_int(), ctypes.c_int()
    corners = []
    for left, bottom in ((box[0], box[1]), (box[2], box[3])):
        raw.FPDF_PageToDevice(page.raw, 0, 0, *size, 0, left, bottom, x, y)
        corners.append((x.value, y.value))
    (x0, x1), (y0, y1) = (sorted(axis) for axis in zip(*corners, strict=True))
    left, top = min(max(x0 - 1, 0), size[0]), min(max(y0 - 1, 0), size[1])
    return left, top, max(min(x1 + 2, size[0]), left), max(min(y1 + 2, size[1]), top)


def _differs(one: list[bytes], other: list[bytes]) -> bool:
    changed = (pair for pair in zip(one, other, strict=True) if pair[0] != pair[1])
    return any(abs(a - b) >= LEAST_CHANGE for rows in changed for a, b in zip(*rows, strict=True))


def _has_ink(rows: list[bytes]) -> bool:
    values = [value for row in rows if row for value in (min(row), max(row))]
    return bool(values) and max(values) - min(values) >= INK
