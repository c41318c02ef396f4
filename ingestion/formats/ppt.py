"""PowerPoint presentations as programs up to 2003 wrote them (.ppt): each slide that is shown is
a page, with its notes."""

import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingestion.formats import summary
from ingestion.formats.compound import Compound
from ingestion.formats.document import Block, Read
from ingestion.formats.limits import corrupt
from ingestion.formats.ppt_records import LIST, LISTED, NOTES, SLIDE, Deck, Record
from ingestion.formats.ppt_text import TITLES, Text, texts
from ingestion.formats.slides import box_text
from ingestion.formats.tables import Table

SLIDES_LISTED, NOTES_LISTED = 0, 2
ABOUT, SHOW = 1007, 1017
"""What a slide says of itself, and of how it is shown."""
HIDDEN_SLIDE = 4
DRAWING, PAGE, GROUP, SHAPE = 1036, 0xF002, 0xF003, 0xF004
FACTS, OPTIONS, MORE_OPTIONS, BOX, ANCHOR, CLIENT = 0xF00A, 0xF00B, 0xF122, 0xF00D, 0xF00F, 0xF011
PLACED, BY_OUTLINE = 3011, 3998
TABLE, HIDING = 0x39F, 0x3BF
HIDES, LINE = 0x20002, 20
LEFT_OUT = frozenset((5, 7, 8, 9, 10, 11))
"""Placeholders that say nothing of their own: the slide's picture, date, number, running lines."""
DELETED = 8
MOST_SHAPES, MOST_CELLS = 100_000, 5_000


def read(data: bytes) -> Read:
    """The slides in their order; hidden ones and hidden shapes are left out. Raises
    ``DocumentRefused``."""
    file = Compound.open(data)
    blocks: list[Block] = []
    number = 0
    try:
        deck = Deck.open(file)
        notes = {about.slide: about for about in _listed(deck, NOTES_LISTED, NOTES)}
        for about in _listed(deck, SLIDES_LISTED, SLIDE):
            if _is_hidden(about.part):
                continue
            number += 1
            blocks += _slide(about, number)
            below = notes.get(_notes_of(about.part))
            if below is not None:
                blocks += [Block(one.text, number, one.gap) for one in _slide(below, number)]
    except (struct.error, IndexError, LookupError, ValueError, OverflowError) as error:
        raise corrupt() from error
    headings = [block.text for block in blocks if block.level]
    return Read(summary.title_of(file) or next(iter(headings), ""), blocks, pages=number)


@dataclass(frozen=True)
class _Listed:
    """A slide or its notes: its number, its part, and its texts in the outline."""

    slide: int
    part: Record
    texts: Sequence[Text]


def _listed(deck: Deck, instance: int, kind: int) -> Iterator[_Listed]:
    """What a list of the document names, each part once."""
    found = deck.document.first(LIST, instance)
    seen: set[int] = set()
    groups: list[list[Record]] = []
    for one in found.children() if found else ():
        if one.kind == LISTED:
            groups.append([])
        if groups:
            groups[-1].append(one)
    for first, *rest in groups:
        number, _, _, slide = first.numbers("<IIiI")
        part = deck.part(number, kind)
        if part is not None and part.start not in seen:
            seen.add(part.start)
            yield _Listed(slide, part, [*texts(rest)])


def _is_hidden(slide: Record) -> bool:
    shown = slide.first(SHOW)
    return shown is not None and bool(shown.numbers("<H", 10)[0] & HIDDEN_SLIDE)


def _notes_of(slide: Record) -> int:
    about = slide.first(ABOUT)
    return about.numbers("<I", 16)[0] if about is not None else 0


@dataclass(frozen=True)
class _Shape:
    """A shape that can be seen: its text, and its place in its group."""

    text: Text | None
    placed: int
    """The kind of placeholder, 0 for none."""
    edges: tuple[int, int, int, int]
    """Left, top, right, bottom."""


def _slide(about: _Listed, page: int) -> Iterator[Block]:
    found = [*_shapes(about)]
    # The title is what a slide is about, wherever its author put it in the file.
    for one in sorted(found, key=lambda shape: not _is_title(shape)):
        if not isinstance(one, _Shape):
            yield _table(one, page)
        elif one.text is not None and one.placed not in LEFT_OUT:
            text = box_text(one.text.lines(), is_placed=one.placed != 0)
            yield Block(text, page, level=1 if _is_title(one) else 0)


_Found = _Shape | list[_Shape]
"""A shape, or the cells of a table."""


def _is_title(found: _Found) -> bool:
    return isinstance(found, _Shape) and found.text is not None and found.text.kind in TITLES


def _shapes(about: _Listed) -> Iterator[_Found]:
    """All shapes, in the order of the file; those of a group stand in its place."""
    drawing = about.part.first(DRAWING)
    page = drawing.first(PAGE) if drawing is not None else None
    waiting = [*(page.children() if page is not None else ())][::-1]
    for _ in range(MOST_SHAPES):
        if not waiting:
            return
        one = waiting.pop()
        if one.kind == SHAPE:
            shape = _shape(one, about.texts)
            if shape is not None and shape.text is not None:
                yield shape
        elif one.kind == GROUP:
            inside = [*one.children()]
            if inside and _options(inside[0]).get(TABLE):
                cells = (_shape(cell, about.texts) for cell in inside[1:] if cell.kind == SHAPE)
                yield [cell for cell in cells if cell is not None]
            else:
                waiting += inside[::-1]


def _shape(record: Record, outline: Sequence[Text]) -> _Shape | None:
    """The shape, None for one that is hidden, deleted, or a line."""
    text, placed, edges = None, 0, (0, 0, 0, 0)
    if _options(record).get(HIDING, 0) & HIDES == HIDES:
        return None
    for one in record.children():
        if one.kind == FACTS:
            if one.instance == LINE or one.numbers("<I", 4)[0] & DELETED:
                return None
        elif one.kind == ANCHOR:
            left, top, right, bottom = one.numbers("<4i")
            edges = left, top, right, bottom
        elif one.kind == CLIENT and (stated := one.first(PLACED)) is not None:
            placed = stated.numbers("<B", 4)[0]
        elif one.kind == BOX:
            text = _text(one, outline)
    return _Shape(text, placed, edges)


def _text(box: Record, outline: Sequence[Text]) -> Text | None:
    named = box.first(BY_OUTLINE)
    if named is not None:
        number = named.numbers("<I")[0]
        return outline[number] if number < len(outline) else None
    return next(texts(box.children()), None)


def _options(shape: Record) -> dict[int, int]:
    """What a shape states in numbers, by theirs."""
    found: dict[int, int] = {}
    for one in shape.children():
        if one.kind in (OPTIONS, MORE_OPTIONS):
            data = one.data
            count = min(one.instance, len(data) // 6)
            for key, value in struct.iter_unpack("<HI", data[: 6 * count]):
                found[key & 0x3FFF] = value
    return found


def _table(cells: Sequence[_Shape], page: int) -> Block:
    """The cells of a table, told by where they lie."""
    by_row: dict[int, list[_Shape]] = {}
    for cell in sorted(cells[:MOST_CELLS], key=lambda cell: cell.edges[0]):
        by_row.setdefault(cell.edges[1], []).append(cell)
    across = sorted({edge for row in by_row.values() for cell in row for edge in cell.edges[::2]})
    down = sorted({edge for row in by_row.values() for cell in row for edge in cell.edges[1::2]})
    rows = Table()
    lines: list[str] = []
    for number, top in enumerate(down[:-1]):
        rows.open_row(in_head=number == 0)
        for cell in by_row.get(top, ()):
            left, _, right, below = cell.edges
            spans = bisect_left(across, right) - bisect_left(across, left)
            rows.open_cell(spans, bisect_left(down, below) - number, is_header=number == 0)
            rows.write(" ".join(cell.text.lines() if cell.text else ()), space=False)
            rows.close_cell()
        lines += [line for line, _ in rows.close_row()]
    return Block("\n".join(lines), page)
