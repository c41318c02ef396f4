"""What a sheet of a workbook shows: its rows as lines, its tables each under their header."""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ingestion.formats.delimited import grouped
from ingestion.formats.document import Block
from ingestion.formats.limits import MAX_TEXT_CHARACTERS, too_long
from ingestion.formats.tables import MAX_LABEL

MAX_COLUMNS = 200
MAX_HEIGHT, MOST_ROWS = 100, 10_000
"""Rows of a merged label that stands in each of its columns, and rows that one reaches into."""
Area = tuple[int, int, int, int]
"""The first and the last row, the first and the last column of merged cells, from 0."""
Cell = tuple[tuple[int, int], str]
"""The place of the cell whose text a place shows, and that text."""


@dataclass(frozen=True)
class Grid:
    """The texts of a sheet's cells, row by row; all places count from 0."""

    rows: Iterable[Sequence[str]]
    hidden_rows: Container[int] = ()
    hidden_columns: Container[int] = ()
    merged: Sequence[Area] = ()


def sheet_blocks(name: str, lines: Iterable[str]) -> Iterator[Block]:
    """A sheet under its name, its tables in groups of rows; nothing for one without text."""
    rows = list(lines)
    if any(rows):
        yield Block(name, level=1)
        for table in tables_of(rows):
            yield from grouped(table)


def tables_of(lines: Sequence[str]) -> Iterator[list[str]]:
    """The rows of each table of a sheet: one with a header of its own begins after a blank row."""
    table: list[str] = []
    for place, line in enumerate(lines):
        follows = lines[place + 1] if place + 1 < len(lines) else ""
        begins = place > 0 and not lines[place - 1] and _is_header(line, follows)
        if begins and len(table) > 1:
            yield table
            table = []
        if line:
            table.append(line)
    yield table


def _is_header(line: str, follows: str) -> bool:
    cells, below = line.split(" | "), follows.split(" | ")
    named = len(cells) > 1 and all(cells) and not any(map(str.isdigit, line))
    return named and len(below) > 1 and any(map(str.isdigit, follows))


def lines_of(grid: Grid) -> Iterator[str]:
    """Each row that can be seen, an empty one blank; raises ``DocumentRefused`` for too many."""
    merged, size = _Merged(grid.merged), 0
    for place, row in enumerate(grid.rows):
        cells = merged.filled(place, row)
        if place in grid.hidden_rows:
            continue
        seen = [cell for column, cell in enumerate(cells) if column not in grid.hidden_columns]
        texts = _once(seen)
        while texts and not texts[-1]:
            texts.pop()
        size += sum(map(len, texts))
        if size > MAX_TEXT_CHARACTERS:
            raise too_long()
        yield " | ".join(texts)


def _once(cells: Sequence[Cell]) -> list[str]:
    """The texts of a row; one alone where it is merged over all that the row shows."""
    filled = [cell for cell in cells if cell[1]]
    alone = len(filled) > 1 and len({place for place, _ in filled}) == 1
    return [text for _, text in (filled[:1] if alone else cells)]


class _Merged:
    """The labels of merged cells, as row after row is read: one reaches into each of its rows, and
    if it is short into each column."""

    def __init__(self, areas: Sequence[Area]) -> None:
        self._waiting = sorted(areas, reverse=True)
        self._open: list[tuple[Area, str]] = []

    def filled(self, place: int, row: Sequence[str]) -> list[Cell]:
        """The cells of the next row."""
        while self._waiting and self._waiting[-1][0] <= place:
            area = self._waiting.pop()
            text = row[area[2]] if area[2] < len(row) else ""
            self._open.append((area, text))
        self._open = [one for one in self._open if place <= min(one[0][1], one[0][0] + MOST_ROWS)]
        cells = [((place, column), text) for column, text in enumerate(row[:MAX_COLUMNS])]
        for (first, last, left, right), text in self._open:
            is_label = len(text) <= MAX_LABEL and last - first < MAX_HEIGHT
            end = min(right + 1, MAX_COLUMNS) if is_label else min(left + 1, MAX_COLUMNS)
            cells += [((place, column), "") for column in range(len(cells), end if text else 0)]
            for column in range(left, min(end, len(cells))):
                cells[column] = ((first, left), text)
        return cells
