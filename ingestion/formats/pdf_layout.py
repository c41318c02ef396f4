"""Words of a page to lines in reading order: columns one after the other, tables row by row."""

import re
import statistics
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from itertools import pairwise, takewhile

from ingestion.formats.pdf_bands import edges
from ingestion.formats.pdf_boxes import in_boxes
from ingestion.formats.pdf_columns import FAR, Row, columns, parts_of
from ingestion.formats.pdf_grid import Cells, Grid, find_grids
from ingestion.formats.pdf_groups import with_labels
from ingestion.formats.pdf_heads import MOST_LINES, Head, Name, one_row, two_rows
from ingestion.formats.pdf_page import Printed, Word
from ingestion.formats.pdf_rows import Cell, joined, rows_of
from ingestion.formats.pdf_rows import Line as CellLine
from ingestion.formats.pdf_sight import PATH, Box
from ingestion.formats.pdf_turned import DOWN, UP, laid
from ingestion.formats.text import lowered, raised

ENDS_SENTENCE = re.compile(r"[.!?:;][\"')\]\u2019\u201d]*$")
MARKER = re.compile(r"[•‣▪◦●∙*\u2013\u2014-]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxlc]{1,6})[.)]")
FIGURE = re.compile(r"\d")
SPLIT = 1.2
"""Gaps wider than so many times the size part a line; narrower ones are spaces of a line."""
GUTTER = 0.9
"""The least width of the free strip between columns, in sizes of print."""
NOTE = re.compile(r"[\u00b9\u00b2\u00b3\u2070-\u2079]+ ?\S|[*\u2217\u2020\u2021\u00a7] ?\w")
NOTE_SIZE = 0.92
"""How a note at the foot of a column begins, and its print beside that of the text at most."""
MOST_TURNS = 12
"""Rows above a line among which the one that it stands under is looked for."""
LARGER = 1.12
"""The size of print of a heading below a table, by that of the table."""
FAR_BELOW = 4.0
"""Rows further apart than so many sizes belong to different bands."""
APART, ALIGNED = 2.0, 2.5
"""The least step from one table to the next, in sizes of print; points by which edges that stand
below each other may differ."""
FLOWS = 0.25
"""Of the line ends of a column of prose, at least this share lies inside a sentence."""
LEAST_OF_PRINT = 6
"""Words of a line of print, in which figures say nothing of a table."""
MOST_WORDS, MOST_FLOWING = (3.5, 9.0), 4.5
LEAST_FILLED, LEAST_OF_COLUMN = 0.35, 0.12
"""Of a table whose columns stand close: words of a cell on average, in half of its columns, in
each, and in one of print; and the share of its places that hold something, in all and in each."""
LEAST_FIGURES = 2
"""Columns that mostly say figures, beside which others may be print."""
MOST_BOX_ROWS = 60
MOST_LARGER = 1.15
"""The size of print of a head, by that of the rows below it, and the other way round."""
MOST_SHORT = 0.6
"""Of the rows that share some strips, those that must share more of them."""
LEAST_GAP = 0.5
"""Between two names of columns, in sizes of print."""
MOST_IN_HEAD = 16
"""Words of a line that names columns of those below it."""
LISTED = re.compile(r"\[\w+\]|[\divxlcA-Za-z]{1,4}[.):]?|[•‣▪◦●∙*–—-]")
"""Before the items of a list, or the lines of a program."""
LIGHTEST, WIDEST_BOX, LOWEST_BOX, LEAST_LINES, MOST_BOXES = 0.98, 0.6, 40.0, 3, 40
"""What a shaded box beside text is: its colour, its share of the width, points, lines; how many
of them a page of text may have."""


@dataclass(frozen=True)
class Line:
    """One printed line, or one row of a table. Lengths are in points; ``y`` is its base line.

    ``cells`` is empty for a line of prose. ``table`` numbers the tables of a page from 1.
    ``aside`` is print in another direction than the page's. ``head`` says that a row names columns,
    ``filled`` that a line was filled into a form.
    """

    text: str
    hyphenated: bool
    left: float
    right: float
    y: float
    size: float
    bold: bool = False
    cells: tuple[str, ...] = ()
    table: int = 0
    aside: bool = False
    head: bool = False
    filled: bool = False


@dataclass
class Segment:
    """Words that stand side by side on one base line, without a wide gap; or a whole table."""

    words: list[Word]
    x0: float
    x1: float
    y: float
    size: float
    text: str = ""
    tables: Grid | None = None

    @property
    def order(self) -> int:
        """When its first word was drawn."""
        return self.words[0].order if self.words else 0


@dataclass
class _Row:
    y: float
    size: float
    segments: list[Segment] = field(default_factory=list)
    by_words: Row | None = None
    shared: tuple[int, list[float]] | None = None
    """How many rows from this one on share strips between words, and the middles of these."""


def lines_of(page: Printed) -> list[Line]:
    """The lines of a page in reading order; print across the page comes last."""
    turns: dict[int, list[Word]] = {}
    for word in page.words:
        turns.setdefault(word.turn, []).append(word)
    straight = {turn for turn in turns if turn % 90 == 0}
    main = max(straight or turns, key=lambda turn: sum(len(w.text) for w in turns[turn]), default=0)
    found: list[Line] = []
    apart: list[list[Word]] = []
    if main in turns:
        grids = find_grids(page.things) if main == 0 else []
        words = turns.pop(main)
        for turn in {UP, DOWN} & {*turns} if main == 0 else ():
            names, turns[turn] = laid(turns[turn], words)
            words += names
        if main == 0:
            words, apart = _without_boxes(page, words, grids)
        found = _Layout(page).lines(words, grids)
    for words in filter(None, [*apart, *turns.values()]):
        lines = _Layout(page).lines(words, [])
        found += [Line(**{**vars(line), "aside": True}) for line in lines]
    return found


def _without_boxes(
    page: Printed, words: list[Word], grids: list[Grid]
) -> tuple[list[Word], list[list[Word]]]:
    """The words without those of shaded boxes beside the text, and those of each such box."""
    apart = []
    for left, bottom, right, top in _shaded(page):
        level = [word for word in words if bottom <= word.y <= top]
        inside = [word for word in level if left <= (word.x0 + word.x1) / 2 <= right]
        ruled = any(grid.holds(word.x0, word.y) for word in inside for grid in grids)
        if 0 < len(inside) < len(level) and not ruled and not _is_column(inside, level):
            kept = {id(word) for word in inside}
            apart.append(inside)
            words = [word for word in words if id(word) not in kept]
    return words, apart


def _shaded(page: Printed) -> list[Box]:
    """The boxes of a colour that are no background of the page and higher than a row."""
    boxes = [
        area.box
        for area in page.things.areas
        if area.kind == PATH
        and area.colour is not None
        and min(area.colour) < LIGHTEST
        and area.box[2] - area.box[0] < WIDEST_BOX * page.width
        and area.box[3] - area.box[1] > LOWEST_BOX
    ]
    return boxes if len(boxes) <= MOST_BOXES else []


def _is_column(inside: list[Word], level: list[Word]) -> bool:
    """Whether most lines in a box stand on one base line with what is beside it, as in a table."""
    mine = {id(word) for word in inside}
    beside = [word for word in level if id(word) not in mine]
    lines = {round(word.y): word for word in inside}.values()
    shared = sum(any(abs(w.y - one.y) <= 0.12 * one.size for w in beside) for one in lines)
    return len(lines) < LEAST_LINES or 2 * shared > len(lines)


@dataclass
class _Layout:
    page: Printed
    _tables: int = 0

    def lines(self, words: list[Word], grids: list[Grid]) -> list[Line]:
        """All lines of words in one direction."""
        rest, tables = _into_grids(words, grids)
        return list(self._ordered([*segments_of(rest), *tables], 0))

    def _ordered(self, segments: list[Segment], depth: int) -> Iterator[Line]:
        rows = _rows(segments)
        at = 0
        while at < len(rows):
            boxes = in_boxes(rows[at : at + MOST_BOX_ROWS]) if len(rows[at].segments) > 1 else []
            if boxes:
                yield from self._pairs(rows[at : at + 2 * len(boxes)], boxes)
                at += 2 * len(boxes)
                continue
            end, gutters, is_prose = _strips(rows, at)
            if gutters and not is_prose and not _has_rows(rows[at:end]):
                end, gutters = at + 1, []
            close = None if is_prose else _close_table(rows, at, end, gutters)
            if close is not None:
                end = at + len(close[0])
                yield from self._table_of(*close)
            elif gutters and depth < 6:
                yield from self._band(rows[at:end], gutters, depth)
            else:
                end = at + 1
                yield from self._row(rows[at])
            at = end

    def _pairs(
        self, rows: list[_Row], boxes: list[list[tuple[Segment, Segment]]]
    ) -> Iterator[Line]:
        """Names that stand above their values, each with its own."""
        left = min(row.segments[0].x0 for row in rows)
        right = max(row.segments[-1].x1 for row in rows)
        place = Segment([], left, right, rows[0].y, rows[0].size)
        cells = [(name.text, value.text) for pairs in boxes for name, value in pairs]
        yield from self._table(cells, place, rows[-1].y)

    def _row(self, row: _Row) -> Iterator[Line]:
        plain = [one for one in row.segments if one.tables is None]
        if plain:
            yield _line(plain)
        for one in row.segments:
            if one.tables is not None:
                rows = with_labels(one.tables.rows, one.tables.middles, is_ruled=True)
                yield from self._table(rows, one, one.tables.box[1], one.tables.heads)

    def _band(self, rows: list[_Row], gutters: list[float], depth: int) -> Iterator[Line]:
        columns = _columns(rows, gutters)
        columns, rows = _without_markers(columns, rows)
        if len(columns) < 2:
            for row in rows:
                yield from self._row(row)
        elif _is_prose(columns):
            for column in _notes_last(columns):
                yield from self._ordered(column, depth + 1)
        else:
            yield from self._table_of(rows, columns, _head(rows, columns))

    def _table_of(
        self, rows: list[_Row], columns: list[list[Segment]], head: Head | None
    ) -> Iterator[Line]:
        column_of = {id(one): number for number, column in enumerate(columns) for one in column}
        left = min(row.segments[0].x0 for row in rows)
        right = max(row.segments[-1].x1 for row in rows)
        place = Segment([], left, right, rows[0].y, rows[0].size)
        body = rows[head.lines :] if head else rows
        lines = [_cells_of(row, column_of, len(columns)) for row in body]
        texts = [[cell.text if cell else "" for cell in line.cells] for line in lines]
        box = (left, body[-1].y, right, body[0].y)
        groups = rows_of(lines, edges(self.page.things, box) if len(body) > 2 else ())
        if groups is None:
            groups = _continued(texts, body)
        cells = [*joined(groups, lambda at, column: texts[at][column], len(columns))]
        ys = [(body[group[0]].y + body[group[-1]].y) / 2 for group in groups]
        heads = head.rows if head else ()
        top = max(row.y for row in rows) + 1
        cells = with_labels([*heads, *cells], [*(top for _ in heads), *ys])
        yield from self._table(cells, place, rows[-1].y, len(heads))

    def _table(
        self, cells: Sequence[Cells], place: Segment, bottom: float, heads: int = 0
    ) -> Iterator[Line]:
        """A table's rows as lines, evenly between the top of its place and ``bottom``."""
        self._tables += 1
        size = place.size
        step = (place.y - bottom) / max(len(cells) - 1, 1)
        for number, row in enumerate(cells):
            if any(row):
                text = " | ".join(row) if len(set(row)) > 1 or len(row) == 1 else row[0]
                y = place.y - number * step
                yield Line(
                    text, False, place.x0, place.x1, y, size,
                    cells=row, table=self._tables, head=number < heads,
                )  # fmt: skip


def _head(
    rows: Sequence[_Row], columns: Sequence[Sequence[Segment]], lines: int = 2
) -> Head | None:
    """The head in two rows that a table has, or in one where ``lines`` is 1."""
    first = min(MOST_LINES, len(rows) - 1)
    first = next((n for n in range(1, first) if not _follows(rows[n - 1], rows[n])), first)
    top = rows[first].y
    below = [[one for one in column if one.y <= top + 0.1] for column in columns]
    if not all(below) or first < 2:
        return None
    extents = [(min(o.x0 for o in c), max(o.x1 for o in c)) for c in below]
    if not _follows(rows[first - 1], rows[first]):
        return None
    names = [[Name(o.text, o.x0, o.x1, o.size) for o in row.segments] for row in rows[:first]]
    return one_row(names[0], extents) if lines == 1 else two_rows(names, extents)


def _follows(row: _Row, after: _Row) -> bool:
    """Whether a row of a table can be right below the other."""
    alike = 1 / MOST_LARGER < row.size / after.size < MOST_LARGER
    return alike and row.y - after.y <= FAR * max(row.size, after.size)


def _cells_of(row: _Row, column_of: dict[int, int], columns: int) -> CellLine:
    """What a line says in each column."""
    parts: list[list[Segment]] = [[] for _ in range(columns)]
    for one in row.segments:
        parts[column_of[id(one)]].append(one)
    cells = [
        Cell(
            " ".join(one.text for one in some),
            some[-1].x1 - some[0].x0,
            some[0].words[0].x1 - some[0].words[0].x0,
            some[0].y,
        )
        if some
        else None
        for some in parts
    ]
    return CellLine(tuple(cells), row.y, row.size)


def _continued(lines: list[list[str]], rows: list[_Row]) -> list[list[int]]:
    """The lines of each row, of which some only go on with the row above."""
    groups: list[list[int]] = []
    above: list[str] = []
    steps = [a.y - b.y for a, b in pairwise(rows)]
    usual = statistics.median(steps) if steps else 0.0
    for number, texts in enumerate(lines):
        if number and _continues(texts, above, steps[number - 1], usual):
            groups[-1].append(number)
            above = [f"{a} {b}".strip() for a, b in zip(above, texts, strict=True)]
        else:
            groups.append([number])
            above = texts
    return groups


def _continues(texts: list[str], above: list[str], step: float, usual: float) -> bool:
    """Whether a row only goes on with cells of the row above that were too long for one line."""
    if not any(texts) or all(texts):
        return False
    if any(text and not before for text, before in zip(texts, above, strict=True)):
        return False
    if step < 0.8 * usual:
        return True
    if len(texts) > 2 and all(texts[1:]):
        return False  # a row of its own, whose label stands above it
    pairs = [(before, text) for before, text in zip(above, texts, strict=True) if text]
    return all(text[0].islower() and not ENDS_SENTENCE.search(before) for before, text in pairs)


# --- Words to segments -----------------------------------------------------------------------


def segments_of(words: Iterable[Word]) -> list[Segment]:
    """Words in the order they were drawn, joined as long as they stand side by side."""
    found: list[Segment] = []
    for word in words:
        if not found or not _joins(found[-1], word):
            found.append(Segment([word], word.x0, word.x1, word.y, word.size, word.text))
    return [one for one in found if one.text.strip()]


def _joins(segment: Segment, word: Word) -> bool:
    """Whether a word was added to a segment."""
    size = max(segment.size, word.size)
    gap = word.x0 - segment.x1
    if word.x1 < segment.x0:
        gap = segment.x0 - word.x1
    if not -0.35 * size < gap < SPLIT * size:
        return False
    rise = word.y - segment.y
    joint = " " if word.space or gap > 0.17 * size else ""
    if abs(rise) <= 0.12 * size:
        text = joint + word.text
    elif _leads(segment, gap / size, rise / size):
        segment.y, segment.size = word.y, word.size
        text = (joint or " ") + word.text
    elif word.size < 0.86 * segment.size and 0.12 * size < rise < 0.85 * size:
        joint = joint if gap > 0.35 * size else ""
        text = joint + raised(word.text, joint or segment.text)
    elif word.size < 0.86 * segment.size and -0.45 * size < rise < 0:
        text = joint + lowered(word.text, joint or segment.text)
    elif _opens(segment, word, rise):
        # A raised mark opens the line: the note that it belongs to.
        segment.text = raised(segment.text, "")
        segment.y, segment.size = word.y, word.size
        text = (joint or " ") + word.text
    else:
        return False
    segment.text += text
    segment.words.append(word)
    segment.x0, segment.x1 = min(segment.x0, word.x0), max(segment.x1, word.x1)
    return True


ITEM_MARK = re.compile(r"\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)]?|[•●○▪■◦–-]")


def _leads(segment: Segment, gap: float, rise: float) -> bool:
    """Whether a segment is the mark of an item in larger print, a little below the line that it
    begins; gap and rise in sizes of print."""
    is_mark = len(segment.words) == 1 and ITEM_MARK.fullmatch(segment.text) is not None
    return is_mark and gap > 0.35 and 0.12 < abs(rise) < 0.5


def _opens(segment: Segment, word: Word, rise: float) -> bool:
    """Whether a segment is a raised mark before the line that ``word`` begins."""
    small = len(segment.words) == 1 and segment.size < 0.86 * word.size
    return small and -0.85 * word.size < rise < -0.12 * word.size


SPACED_OUT = re.compile(r"(?<!\S)(?:\S ){3,}\S(?!\S)")


def _closed_up(segment: Segment) -> str:
    """The text of a segment; letters that are spaced out for show join into their words."""
    if not SPACED_OUT.search(segment.text) or len(segment.words) < 4:
        return segment.text
    gaps = [b.x0 - a.x1 for a, b in pairwise(segment.words)]
    single = [
        gap
        for gap, (a, b) in zip(gaps, pairwise(segment.words), strict=True)
        if len(a.text) == len(b.text) == 1
    ]
    least = min(single, default=0.0)
    if len(single) < 0.7 * len(gaps) or least > 0.9 * segment.size:
        return segment.text
    limit = max(1.6 * least, least + 0.12 * segment.size)
    parts = [segment.words[0].text]
    for gap, word in zip(gaps, segment.words[1:], strict=True):
        parts.append(word.text if gap <= limit else f" {word.text}")
    return "".join(parts)


def _line(segments: list[Segment]) -> Line:
    """Segments side by side as one line."""
    segments = sorted(segments, key=lambda one: one.x0)
    if sum(map(_is_right_to_left, segments)) * 2 > len(segments):
        segments.reverse()
    words = [word for one in segments for word in one.words]
    main = max(segments, key=lambda one: len(one.text))
    parts = [_closed_up(segments[0])]
    for before, one in pairwise(segments):
        touching = one.x0 - before.x1 < 0.1 * main.size and not one.words[0].space
        parts.append(("" if touching else " ") + _closed_up(one))
    last = max(words, key=lambda word: word.x1)
    bold = sum(len(w.text) for w in words if w.bold) * 2 > sum(len(w.text) for w in words)
    return Line(
        "".join(parts),
        last.hyphenated,
        min(one.x0 for one in segments),
        max(one.x1 for one in segments),
        main.y,
        main.size,
        bold,
        filled=any(word.filled for word in words),
    )


def _is_right_to_left(segment: Segment) -> bool:
    return re.search("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]", segment.text) is not None


# --- Rows, bands, columns --------------------------------------------------------------------


def _rows(segments: list[Segment]) -> list[_Row]:
    rows: list[_Row] = []
    for one in sorted(segments, key=lambda one: (-one.y, one.x0)):
        row = rows[-1] if rows else None
        if row is not None and _beside(row, one):
            row.segments.append(one)
            row.size = max(row.size, one.size)
        else:
            rows.append(_Row(one.y, one.size, [one]))
    for row in rows:
        row.segments.sort(key=lambda one: one.x0)
    return rows


def _beside(row: _Row, one: Segment) -> bool:
    if row.y - one.y > 0.45 * min(row.size, one.size):
        return False
    slack = 0.2 * one.size
    return all(one.x0 >= other.x1 - slack or one.x1 <= other.x0 + slack for other in row.segments)


Interval = tuple[float, float]


def _strips(rows: list[_Row], at: int) -> tuple[int, list[float], bool]:
    """As ``_band``, and whether it is print in columns: only that goes on over headings in one."""
    for over_headings in (True, False):
        end, gutters = _band(rows, at, over_headings)
        end, is_prose = _prose_end(rows, at, end, gutters) if gutters else (end, False)
        if is_prose:
            break
    return end, gutters, is_prose


def _band(rows: list[_Row], at: int, over_headings: bool = False) -> tuple[int, list[float]]:
    """Where the rows end that share free strips from ``at`` on, and the middles of the strips."""
    free = _gaps(rows[at]) or _between(rows[at : at + 2])
    end, many = at + 1, 1
    while free and end < len(rows):
        row = rows[end]
        if rows[end - 1].y - row.y > FAR_BELOW * max(row.size, rows[end - 1].size):
            break
        if not over_headings and _is_larger(row, rows[at]):
            break
        left = _still_free(free, row)
        if not left or (
            _is_apart(rows, at, end)
            and _begins(rows, at, end, len(left) < max(len(free), len(_gaps(row))))
        ):
            break
        free, many = left, many + _is_beside(rows[end - 1], row)
        end += 1
    end = _trimmed(rows, at, end)
    if many < 2 or end - at < 2:
        return at + 1, []
    return end, [(left + right) / 2 for left, right in free]


def _begins(rows: list[_Row], at: int, row: int, parts_less: bool) -> bool:
    """Whether another table may begin with a row that stands further apart than those above: it
    has not their columns, as ``parts_less`` says or its edges do."""
    if not _by_rows(rows[at:row]):
        return False
    above, here = [o for one in rows[at:row] for o in one.segments], rows[row].segments
    aligned = any(min(abs(a.x0 - b.x0), abs(a.x1 - b.x1)) <= ALIGNED for a in above for b in here)
    return parts_less or not aligned


def _by_rows(rows: list[_Row]) -> bool:
    """Whether rows were drawn one after the other, and not what stands at the left first."""
    return all(
        min(o.order for o in after.segments) > max(o.order for o in row.segments)
        for row, after in pairwise(rows)
    )


def _is_apart(rows: list[_Row], at: int, row: int) -> bool:
    """Whether a row stands further below the one before than those from ``at`` on do."""
    step = rows[row - 1].y - rows[row].y
    if row - at < 2 or step < APART * max(rows[row].size, rows[row - 1].size):
        return False
    return step >= 1.5 * max(a.y - b.y for a, b in pairwise(rows[at:row]))


def _prose_end(rows: list[_Row], at: int, end: int, gutters: list[float]) -> tuple[int, bool]:
    """Where columns of print end, and whether they are such: lines below them that stand in one
    column only may be of what follows."""
    if _is_prose(_columns(rows[at:end], gutters)):
        return end, True
    last = max(i for i in range(at, end) if i == at or _spreads(rows[i], gutters))
    for shorter in range(end - 1, max(last, at + 1), -1):
        if _is_prose(_columns(rows[at:shorter], gutters)):
            return shorter, True
    return end, False


def _spreads(row: _Row, gutters: list[float]) -> bool:
    """Whether a row stands in more than one column."""
    return len(_columns([row], gutters)) > 1


def _has_rows(rows: list[_Row]) -> bool:
    """Whether cells of these rows stand beside each other, on one base line from the first on."""
    return len(rows[0].segments) > 1 and sum(len(row.segments) > 1 for row in rows) > 1


def _is_larger(row: _Row, first: _Row) -> bool:
    """Whether a line by itself is in larger print than the row that a table begins with."""
    return len(row.segments) == 1 and row.size >= LARGER * first.size


def _gaps(row: _Row) -> list[Interval]:
    return [
        (a.x1, b.x0)
        for a, b in pairwise(row.segments)
        if b.x0 - a.x1 >= GUTTER * min(a.size, b.size)
    ]


def _between(rows: list[_Row]) -> list[Interval]:
    """The strip between two rows that take turns."""
    if len(rows) < 2 or not _is_beside(*rows) or any(len(row.segments) > 1 for row in rows):
        return []
    left, right = sorted((row.segments[0] for row in rows), key=lambda one: one.x0)
    return [(left.x1, right.x0)]


def _still_free(free: list[Interval], row: _Row) -> list[Interval]:
    for one in row.segments:
        left = []
        for start, end in free:
            if one.x1 <= start or one.x0 >= end:
                left.append((start, end))
                continue
            left += [(start, one.x0), (one.x1, end)]
        free = left
    return [(start, end) for start, end in free if end - start >= 0.6 * row.size]


_Table = tuple[list[_Row], list[list[Segment]], Head | None]
"""Rows, columns, and a head that does not fit these."""


def _close_table(rows: list[_Row], at: int, end: int, gutters: list[float]) -> _Table | None:
    """A table that begins here with columns that only its words tell; None where there is none, or
    no more than ``end`` and ``gutters`` say."""
    most = 0
    for skipped, count, cuts in _cuts(rows, at, end - at):
        if count < end - at:
            if not _is_apart(rows, at, at + count):
                return None
            end = at + count
        least = len(_band(rows, at + skipped)[1]) if skipped else len(gutters)
        if len(cuts) < most:
            return None  # the names above the columns are not told
        parted = _parted_rows(rows[at + skipped : at + count], cuts)
        if len(cuts) < least or parted is None or at + skipped + len(parted) < end:
            continue
        close = _below(rows[at : at + skipped], parted, cuts)
        if close is None:
            most = len(cuts)
            continue
        table, found, head = close
        found, table = _without_markers(found, table)
        return (table, found, head) if len(found) > 1 else None
    return None


def _parted_rows(rows: list[_Row], cuts: Sequence[float]) -> list[_Row] | None:
    """The rows of the table that these cuts make; None where there is none."""
    parted = [_parted(row, cuts) for row in rows]
    parted = parted[: _trimmed(parted, 0, len(parted))]
    found = _columns(parted, cuts)
    return parted if _are_cells(found, len(parted)) and not _side_by_side(found) else None


def _below(lines: list[_Row], parted: list[_Row], cuts: Sequence[float]) -> _Table | None:
    """The table below ``lines`` that part less; None where these do not name its columns."""
    found = _columns(parted, cuts)
    if not lines:
        return parted, found, _head(parted, found)
    above = [_Row(row.y, row.size, [*map(copy, row.segments)]) for row in lines]
    table = [*above, *parted]
    head = _head(table, found)
    if head is None and len(lines) == 1:
        first = _parted(lines[0], cuts)
        apart = all(b.x0 - a.x1 >= LEAST_GAP * b.size for a, b in pairwise(first.segments))
        head = _head([first, *parted], found, 1) if apart else None
    if head is None or head.lines < len(lines):
        return None
    return table, _columns(table, cuts), head


def _cuts(rows: list[_Row], at: int, least: int) -> list[tuple[int, int, list[float]]]:
    """How many rows stand above others that share strips, how many there are with these, and the
    middles of the strips: first those that reach as far as ``least``, and that share the most."""
    is_long = sum(len(one.words) for one in rows[at].segments) > MOST_IN_HEAD
    found = []
    for skipped in range(1 if is_long else MOST_LINES):
        if at + skipped >= len(rows) or not _goes_on(rows, at, skipped):
            break
        count, cuts = _shared(rows, at + skipped)
        if cuts:
            found.append((skipped, skipped + count, cuts))
    if len(found) < 2:
        return found
    furthest = max(count for _, count, _ in found)
    enough = least if least > 1 else MOST_SHORT * furthest
    return sorted(found, key=lambda one: (-min(one[1], enough), -len(one[2]), one[0]))


def _goes_on(rows: list[_Row], at: int, skipped: int) -> bool:
    """Whether so many rows can be a head of what follows: they are near, and say no figure below
    the first of them."""
    if not skipped:
        return True
    last = rows[at + skipped - 1]
    said = skipped > 1 and any(FIGURE.search(one.text) for one in last.segments)
    return not said and _follows(last, rows[at + skipped])


def _shared(rows: list[_Row], at: int) -> tuple[int, list[float]]:
    """How many rows from one on share strips between words, and the middles of these."""
    found = rows[at].shared
    if found is None:
        first = next(_words_of(rows, at), None)
        found = columns(_words_of(rows, at)) if first is not None and first.gaps else (0, [])
        rows[at].shared = found
    return found


def _words_of(rows: list[_Row], at: int) -> Iterator[Row]:
    """The words of the rows from one on, as far as these are no ruled table."""
    for row in rows[at:]:
        if any(one.tables is not None for one in row.segments) or _is_larger(row, rows[at]):
            return
        if row.by_words is None:
            row.by_words = Row.of(row.segments)
        yield row.by_words


def _parted(row: _Row, cuts: Sequence[float]) -> _Row:
    """A copy of the row, whose segments end where a cut goes through them."""
    parts = [part for one in row.segments for part in parts_of(one.words, cuts)]
    if len(parts) == len(row.segments):
        return _Row(row.y, row.size, [copy(one) for one in row.segments])
    segments = [one for part in parts for one in segments_of(part)]
    return _Row(row.y, row.size, sorted(segments, key=lambda one: one.x0))


def _are_cells(found: list[list[Segment]], rows: int) -> bool:
    """Whether columns are those of a table: short cells, and no prose and no list."""
    if len(found) < 2 or _is_prose(found):
        return False
    texts = [_lines_in(column) for column in found]
    words = [statistics.mean(len(text.split()) for text in column) for column in texts]
    filled = [len(column) for column in texts]
    if min(filled) < max(2, LEAST_OF_COLUMN * rows) or max(words) > MOST_WORDS[1]:
        return False
    if sum(filled) < LEAST_FILLED * rows * len(found):
        return False
    flowing = [
        count > MOST_FLOWING and _flows(one) for count, one in zip(words, texts, strict=True)
    ]
    figures = sum(2 * sum(map(_is_figure, column)) > len(column) for column in texts)
    if figures < LEAST_FIGURES and (flowing[0] or sum(flowing) > 1):
        return False  # columns of print
    listed = sum(bool(LISTED.fullmatch(text)) for text in texts[0])
    if len(found) == 2 and (2 * listed > filled[0] or words[1] > MOST_WORDS[0] * 2):
        return False
    return 2 * sum(count <= MOST_WORDS[0] for count in words) >= len(found)


def _side_by_side(found: list[list[Segment]]) -> bool:
    """Whether columns are of two tables, or of print beside a table: one was drawn after the
    other."""
    orders = [[one.order for one in column] for column in found]
    firsts, lasts = [*map(min, orders)], [*map(max, orders)]
    for at in range(1, len(found)):
        if max(lasts[:at]) > min(firsts[at:]):
            continue
        if 1 < at < len(found) - 1:
            return True
        alone = found[0] if at == 1 else found[-1]
        if statistics.mean(len(text.split()) for text in _lines_in(alone)) > MOST_FLOWING:
            return True
    return False


def _lines_in(column: list[Segment]) -> list[str]:
    """What a column says in each row, from the top."""
    lines: list[str] = []
    y = 0.0
    for one in column:
        if lines and abs(y - one.y) <= 0.45 * one.size:
            lines[-1] += f" {one.text}"
        else:
            lines.append(one.text)
            y = one.y
    return lines


def _trimmed(rows: list[_Row], at: int, end: int) -> int:
    """Without single lines at the end that stand further down than the lines of a column do."""
    last = max(i for i in range(at, end) if i == at or _is_beside(rows[i - 1], rows[i]))
    steps = [_step(rows, at, i) for i in range(at + 1, last + 1)]
    usual = statistics.median(steps) if steps else 0.0
    while last + 1 < end and _step(rows, at, last + 1) <= 1.3 * max(usual, rows[last].size):
        last += 1
    return last + 1


def _is_beside(above: _Row, row: _Row) -> bool:
    """Whether a row has print in two columns, or takes turns with the row above, whose base line
    is a little higher."""
    near = above.y - row.y < min(above.size, row.size)
    return len(row.segments) > 1 or (near and not _is_under(above, row))


def _step(rows: list[_Row], at: int, below: int) -> float:
    """How far a row stands below what is printed above it, among the rows from ``at`` on."""
    row, above = rows[below], range(below - 1, max(at, below - MOST_TURNS) - 1, -1)
    over = next((i for i in above if _is_under(rows[i], row)), below - 1)
    return rows[over].y - row.y


def _is_under(above: _Row, row: _Row) -> bool:
    return any(a.x0 < b.x1 and b.x0 < a.x1 for a in above.segments for b in row.segments)


def _columns(rows: Sequence[_Row], gutters: Sequence[float]) -> list[list[Segment]]:
    columns: list[list[Segment]] = [[] for _ in range(len(gutters) + 1)]
    for row in rows:
        for one in row.segments:
            columns[sum(gutter < (one.x0 + one.x1) / 2 for gutter in gutters)].append(one)
    return [column for column in columns if column]


def _notes_last(columns: list[list[Segment]]) -> list[list[Segment]]:
    """Columns of print, and then the notes at the foot of each: what stands above them goes on in
    the next column, and a note that is continued in the next note."""
    body = statistics.median(one.size for column in columns for one in column)
    kept, notes = list[list[Segment]](), list[list[Segment]]()
    for column in columns:
        small = list(takewhile(lambda one: one.size <= NOTE_SIZE * body, reversed(column)))[::-1]
        first = next((at for at, one in enumerate(small) if NOTE.match(one.text)), len(small))
        cut = len(column) - len(small) + first
        kept.append(column[:cut])
        notes.append(column[cut:])
    return [column for column in [*kept, *notes] if column]


def _without_markers(
    columns: list[list[Segment]], rows: list[_Row]
) -> tuple[list[list[Segment]], list[_Row]]:
    """Numbers and bullets that hang before their items join them; they are no column."""
    at = 0
    while at + 1 < len(columns):
        if not all(MARKER.fullmatch(one.text) for one in columns[at]):
            at += 1
            continue
        for row in rows:
            for marker, item in pairwise(list(row.segments)):
                if marker in columns[at] and item in columns[at + 1]:
                    item.text = f"{marker.text} {item.text}"
                    item.words = [*marker.words, *item.words]
                    item.x0 = marker.x0
                    row.segments.remove(marker)
                    columns[at].remove(marker)
        columns[at + 1] += columns[at]
        del columns[at]
    return columns, rows


def _is_prose(columns: list[list[Segment]]) -> bool:
    """Whether columns are read one after the other, and not row by row."""
    if any(one.tables is not None for column in columns for one in column):
        return True
    if any(word.filled for column in columns for one in column for word in one.words):
        return False
    lines = [[one.text for one in column] for column in columns]
    figures = [sum(map(_is_figure, texts)) / len(texts) for texts in lines]
    ends = [(min(o.order for o in c), max(o.order for o in c)) for c in columns]
    in_turn = all(before[1] < after[0] for before, after in pairwise(ends))
    if in_turn and max(figures[1:]) < 0.5 and min(len(texts) for texts in lines) > 1:
        return True
    return min(len(texts) for texts in lines) > 1 and all(map(_flows, lines))


def _is_figure(text: str) -> bool:
    """Whether a line says a figure in a few words, as a cell does."""
    return FIGURE.search(text) is not None and len(text.split()) < LEAST_OF_PRINT


def _flows(texts: list[str]) -> bool:
    """Whether the lines of a column run on from one to the next."""
    words = statistics.mean(len(text.split()) for text in texts)
    within = sum(
        after[:1].islower() and not ENDS_SENTENCE.search(before)
        for before, after in pairwise(texts)
    )
    return words >= (2.5 if len(texts) > 2 else 4) and within >= FLOWS * (len(texts) - 1)


def _into_grids(words: list[Word], grids: list[Grid]) -> tuple[list[Word], list[Segment]]:
    """Words outside all ruled tables, and each table as one segment."""
    rest = []
    for word in words:
        x, y = (word.x0 + word.x1) / 2, word.y + 0.3 * word.size
        home = next((grid for grid in grids if grid.holds(x, y)), None)
        if home is None:
            rest.append(word)
        else:
            home.words.append(word)
    tables = []
    for grid in grids:
        if not grid.words:
            continue
        grid.read = lambda inside: " ".join(
            _line(row.segments).text for row in _rows(segments_of(inside))
        )
        if not grid.is_table():
            rest += grid.words
            continue
        size = statistics.median(word.size for word in grid.words)
        left, _, right, top = grid.box
        tables.append(Segment([grid.words[0]], left, right, top - size, size, "table", grid))
    rest.sort(key=lambda word: word.order)
    return rest, tables
