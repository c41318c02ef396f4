"""Which text of a PDF page nobody sees: whatever leaves the picture unchanged when it is left out.

Most text is plain black on white, and is never asked about. Where colour, transparency, clipping or
something drawn over it makes the answer doubtful, the page is drawn twice, with and without it.
"""

import ctypes
from dataclasses import dataclass, field
from typing import Any

from ingestion.formats.seeing import WHITE, Colour, can_be_told

Box = tuple[float, float, float, float]
"""Left, bottom, right, top in points, upwards."""
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
    pointer: Any
    box: Box
    colour: Colour | None
    alpha: float = 1.0
    mode: int = 0
    clip: Box | None = None
    layered: bool = False


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
        for rule in self.across:
            through = rule.start <= left + 0.15 * width and rule.end >= right - 0.15 * width
            if through and low <= rule.at <= high:
                return True
        return False


def drawn_things(page: Any) -> Things:
    """Every object of a page."""
    things = Things()
    _collect(page, things)
    _struck_by_annotation(page, things)
    return things


def _collect(page: Any, things: Things) -> None:
    from pypdfium2 import raw

    identity: tuple[float, ...] = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
    count = raw.FPDFPage_CountObjects(page.raw)
    stack = [(raw.FPDFPage_GetObject(page.raw, i), identity, 0) for i in reversed(range(count))]
    order = 0
    while stack and order < MAX_OBJECTS:
        pointer, matrix, depth = stack.pop()
        order += 1
        kind = raw.FPDFPageObj_GetType(pointer)
        if kind == FORM:
            if depth < MAX_NESTING:
                inner = _times(_matrix(pointer), matrix)
                number = raw.FPDFFormObj_CountObjects(pointer)
                for i in reversed(range(number)):
                    stack.append((raw.FPDFFormObj_GetObject(pointer, i), inner, depth + 1))
            continue
        thing = _thing(pointer, kind, order, matrix)
        if kind == TEXT:
            things.texts[ctypes.cast(pointer, ctypes.c_void_p).value or 0] = thing
        elif kind == PATH:
            _path(pointer, thing, matrix, things)
        else:
            things.areas.append(thing)


def _thing(pointer: Any, kind: int, order: int, matrix: tuple[float, ...]) -> _Thing:
    from pypdfium2 import raw

    box = (0.0, 0.0, 0.0, 0.0)
    if kind != TEXT:  # the boxes of text are those of its words
        edges = [ctypes.c_float() for _ in range(4)]
        raw.FPDFPageObj_GetBounds(pointer, *edges)
        box = _moved((edges[0].value, edges[1].value, edges[2].value, edges[3].value), matrix)
    thing = _Thing(order, kind, pointer, box, None)
    if kind == TEXT:
        thing.mode = raw.FPDFTextObj_GetTextRenderMode(pointer)
        thing.clip = _clip(pointer)
        thing.layered = raw.FPDFPageObj_CountMarks(pointer) > 0
    if kind in (TEXT, PATH):
        stroked = kind == TEXT and thing.mode in STROKED
        get = raw.FPDFPageObj_GetStrokeColor if stroked else raw.FPDFPageObj_GetFillColor
        parts = [ctypes.c_uint() for _ in range(4)]
        if get(pointer, *parts):
            red, green, blue, alpha = (part.value / 255 for part in parts)
            thing.colour, thing.alpha = (red, green, blue), alpha
    return thing


def _matrix(pointer: Any) -> tuple[float, ...]:
    from pypdfium2 import raw

    found = raw.FS_MATRIX()
    if not raw.FPDFPageObj_GetMatrix(pointer, found):
        return (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
    return found.a, found.b, found.c, found.d, found.e, found.f


def _times(one: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, ...]:
    a, b, c, d, e, f = one
    g, h, i, j, k, m = other
    return (
        a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j,
        e * g + f * i + k, e * h + f * j + m,
    )  # fmt: skip


def _point(x: float, y: float, matrix: tuple[float, ...]) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def _moved(box: Box, matrix: tuple[float, ...]) -> Box:
    corners = [_point(x, y, matrix) for x in (box[0], box[2]) for y in (box[1], box[3])]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


def _clip(pointer: Any) -> Box | None:
    """The box that all clip paths leave, None without any."""
    from pypdfium2 import raw

    path = raw.FPDFPageObj_GetClipPath(pointer)
    count = raw.FPDFClipPath_CountPaths(path) if path else -1
    if count <= 0:
        return None
    left, bottom, right, top = -1e9, -1e9, 1e9, 1e9
    x, y = ctypes.c_float(), ctypes.c_float()
    for i in range(min(count, 20)):
        xs, ys = [], []
        for j in range(min(raw.FPDFClipPath_CountPathSegments(path, i), 100)):
            raw.FPDFPathSegment_GetPoint(raw.FPDFClipPath_GetPathSegment(path, i, j), x, y)
            xs.append(x.value)
            ys.append(y.value)
        if xs:
            left, right = max(left, min(xs)), min(right, max(xs))
            bottom, top = max(bottom, min(ys)), min(top, max(ys))
    return left, bottom, right, top


def _path(pointer: Any, thing: _Thing, matrix: tuple[float, ...], things: Things) -> None:
    """An area that may cover text, or rules, or both."""
    from pypdfium2 import raw

    fill, stroke = ctypes.c_int(), ctypes.c_int()
    raw.FPDFPath_GetDrawMode(pointer, fill, stroke)
    left, bottom, right, top = thing.box
    thin = min(right - left, top - bottom) <= THIN
    if fill.value and not thin:
        things.areas.append(thing)
    if fill.value and thin and not stroke.value:
        _rule(things, (left, (bottom + top) / 2), (right, (bottom + top) / 2))
        _rule(things, ((left + right) / 2, bottom), ((left + right) / 2, top))
    elif stroke.value and len(things.across) + len(things.upright) < MAX_OBJECTS:
        _edges(pointer, _times(_matrix(pointer), matrix), things)


def _edges(pointer: Any, matrix: tuple[float, ...], things: Things) -> None:
    from pypdfium2 import raw

    x, y = ctypes.c_float(), ctypes.c_float()
    first = last = None
    for i in range(min(raw.FPDFPath_CountSegments(pointer), 2000)):
        segment = raw.FPDFPath_GetPathSegment(pointer, i)
        raw.FPDFPathSegment_GetPoint(segment, x, y)
        point = _point(x.value, y.value, matrix)
        if raw.FPDFPathSegment_GetType(segment) == raw.FPDF_SEGMENT_MOVETO:
            first = last = point
            continue
        if last is not None and raw.FPDFPathSegment_GetType(segment) == raw.FPDF_SEGMENT_LINETO:
            _rule(things, last, point)
        last = point
        if raw.FPDFPathSegment_GetClose(segment) and first is not None:
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
                things.areas.append(_Thing(MAX_OBJECTS + i, SHADING, None, box, None))
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
    if text.mode in INVISIBLE or text.alpha < 1 or text.colour is None or text.layered:
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


def _around(boxes: list[Box]) -> Box:
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
    """A drawn page in grey, row by row from the top."""

    data: bytes
    width: int
    height: int
    stride: int

    def rows(self, box: tuple[int, int, int, int]) -> list[bytes]:
        left, top, right, bottom = box
        return [
            self.data[y * self.stride + left : y * self.stride + right]
            for y in range(max(top, 0), min(bottom, self.height))
        ]


def _without_effect(page: Any, things: Things, asked: dict[int, list[Box]]) -> set[int]:
    from pypdfium2 import raw

    scale = min(2.0, LONGEST_SIDE / max(*page.get_size(), 1.0))
    whole = _draw(page, scale)
    for address in asked:
        raw.FPDFPageObj_SetIsActive(things.texts[address].pointer, False)
    without = _draw(page, scale)
    for address in asked:
        raw.FPDFPageObj_SetIsActive(things.texts[address].pointer, True)
    images = [area.box for area in things.areas if area.kind == IMAGE]
    found = set()
    for address, boxes in asked.items():
        places = [_pixels(page, box, whole) for box in boxes]
        if any(_differs(whole.rows(place), without.rows(place)) for place in places):
            continue
        scanned = any(_overlap(_around(boxes), image) > 0.8 for image in images)
        if not (scanned and any(_has_ink(whole.rows(place)) for place in places)):
            found.add(address)
    return found


def _draw(page: Any, scale: float) -> _Picture:
    bitmap = page.render(scale=scale, grayscale=True, may_draw_forms=True)
    picture = _Picture(bytes(bitmap.buffer), bitmap.width, bitmap.height, bitmap.stride)
    bitmap.close()
    return picture


def _pixels(page: Any, box: Box, picture: _Picture) -> tuple[int, int, int, int]:
    from pypdfium2 import raw

    x, y = ctypes.c_int(), ctypes.c_int()
    corners = []
    for left, bottom in ((box[0], box[1]), (box[2], box[3])):
        raw.FPDF_PageToDevice(page.raw, 0, 0, picture.width, picture.height, 0, left, bottom, x, y)
        corners.append((x.value, y.value))
    (x0, x1), (y0, y1) = (sorted(axis) for axis in zip(*corners, strict=True))
    return max(x0 - 1, 0), y0 - 1, min(x1 + 2, picture.width), y1 + 2


def _differs(one: list[bytes], other: list[bytes]) -> bool:
    changed = (pair for pair in zip(one, other, strict=True) if pair[0] != pair[1])
    return any(abs(a - b) >= LEAST_CHANGE for rows in changed for a, b in zip(*rows, strict=True))


def _has_ink(rows: list[bytes]) -> bool:
    values = [value for row in rows if row for value in (min(row), max(row))]
    return bool(values) and max(values) - min(values) >= INK
