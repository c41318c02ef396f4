"""Words of a page to lines in reading order: columns one after the other, tables row by row."""

import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from ingestion.formats.pdf_bands import edges
from ingestion.formats.pdf_boxes import in_boxes
from ingestion.formats.pdf_close_tables import (
    cells_of,
    close_table,
    continued_rows,
    head_of,
    without_markers,
)
from ingestion.formats.pdf_grid import Cells, Grid, find_grids
from ingestion.formats.pdf_groups import with_labels
from ingestion.formats.pdf_heads import Head
from ingestion.formats.pdf_page import Printed, Word
from ingestion.formats.pdf_rows import joined, rows_of
from ingestion.formats.pdf_segments import LevelRow, Line, Segment, level_rows, line_of, segments_of
from ingestion.formats.pdf_sight import PATH, Box
from ingestion.formats.pdf_strips import by_gutters, columns_are_prose, find_strips
from ingestion.formats.pdf_turned import DOWN, UP, laid

NOTE = re.compile(r"[\u00b9\u00b2\u00b3\u2070-\u2079]+ ?\S|[*\u2217\u2020\u2021\u00a7] ?\w")
NOTE_SIZE = 0.92
"""How a note at the foot of a column begins, and its print beside that of the text at most."""
MOST_BOX_ROWS = 60
LIGHTEST, WIDEST_BOX, LOWEST_BOX, LEAST_LINES, MOST_BOXES = 0.98, 0.6, 40.0, 3, 40
"""What a shaded box beside text is: its colour, its share of the width, points, lines; how many
of them a page of text may have."""


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
        rows = level_rows(segments)
        at = 0
        while at < len(rows):
            boxes = in_boxes(rows[at : at + MOST_BOX_ROWS]) if len(rows[at].segments) > 1 else []
            if boxes:
                yield from self._pairs(rows[at : at + 2 * len(boxes)], boxes)
                at += 2 * len(boxes)
                continue
            end, gutters, is_prose = find_strips(rows, at)
            if gutters and not is_prose and not _has_rows(rows[at:end]):
                end, gutters = at + 1, []
            close = None if is_prose else close_table(rows, at, end, gutters)
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
        self, rows: list[LevelRow], boxes: list[list[tuple[Segment, Segment]]]
    ) -> Iterator[Line]:
        """Names that stand above their values, each with its own."""
        left = min(row.segments[0].x0 for row in rows)
        right = max(row.segments[-1].x1 for row in rows)
        place = Segment([], left, right, rows[0].y, rows[0].size)
        cells = [(name.text, value.text) for pairs in boxes for name, value in pairs]
        yield from self._table(cells, place, rows[-1].y)

    def _row(self, row: LevelRow) -> Iterator[Line]:
        plain = [one for one in row.segments if one.tables is None]
        if plain:
            yield line_of(plain)
        for one in row.segments:
            if one.tables is not None:
                rows = with_labels(one.tables.rows, one.tables.middles, is_ruled=True)
                yield from self._table(rows, one, one.tables.box[1], one.tables.heads)

    def _band(self, rows: list[LevelRow], gutters: list[float], depth: int) -> Iterator[Line]:
        columns = by_gutters(rows, gutters)
        columns, rows = without_markers(columns, rows)
        if len(columns) < 2:
            for row in rows:
                yield from self._row(row)
        elif columns_are_prose(columns):
            for column in _notes_last(columns):
                yield from self._ordered(column, depth + 1)
        else:
            yield from self._table_of(rows, columns, head_of(rows, columns))

    def _table_of(
        self, rows: list[LevelRow], columns: list[list[Segment]], head: Head | None
    ) -> Iterator[Line]:
        column_of = {id(one): number for number, column in enumerate(columns) for one in column}
        left = min(row.segments[0].x0 for row in rows)
        right = max(row.segments[-1].x1 for row in rows)
        place = Segment([], left, right, rows[0].y, rows[0].size)
        body = rows[head.lines :] if head else rows
        lines = [cells_of(row, column_of, len(columns)) for row in body]
        texts = [[cell.text if cell else "" for cell in line.cells] for line in lines]
        box = (left, body[-1].y, right, body[0].y)
        groups = rows_of(lines, edges(self.page.things, box) if len(body) > 2 else ())
        if groups is None:
            groups = continued_rows(texts, body)
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


def _has_rows(rows: list[LevelRow]) -> bool:
    """Whether cells of these rows stand beside each other, on one base line from the first on."""
    return len(rows[0].segments) > 1 and sum(len(row.segments) > 1 for row in rows) > 1


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
            line_of(row.segments).text for row in level_rows(segments_of(inside))
        )
        if not grid.is_table():
            rest += grid.words
            continue
        size = statistics.median(word.size for word in grid.words)
        left, _, right, top = grid.box
        tables.append(Segment([grid.words[0]], left, right, top - size, size, "table", grid))
    rest.sort(key=lambda word: word.order)
    return rest, tables
