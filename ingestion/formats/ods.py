"""OpenDocument spreadsheets: what each sheet shows, row by row under its header."""

from collections.abc import Iterator
from typing import Any

from ingestion.formats.document import Block, Read
from ingestion.formats.grid import MAX_COLUMNS, MAX_HEIGHT, sheet_blocks
from ingestion.formats.limits import MAX_TEXT_CHARACTERS, too_long
from ingestion.formats.odf_styles import STYLE, Styles, whole
from ingestion.formats.odt import TAB, Body, opened, title_of
from ingestion.formats.tables import MAX_LABEL

MOST_ALIKE = 1_000
"""Rows in one that say the same."""
UNSEEN = ("collapse", "filter")
ROWS = f"{TAB}table-row"
GROUPS = (f"{TAB}table-row-group", f"{TAB}table-rows", f"{TAB}table-header-rows")
COLUMN_GROUPS = (f"{TAB}table-column-group", f"{TAB}table-columns", f"{TAB}table-header-columns")


def read(data: bytes) -> Read:
    """Each sheet that can be seen under its name; hidden rows, columns and sheets are left out."""
    package, body = opened(data, "spreadsheet")
    styles, blocks = Styles.of(package), list[Block]()
    for table in body.iterchildren(f"{TAB}table"):
        if _is_shown(table, styles):
            blocks += sheet_blocks(
                table.get(f"{TAB}name") or "", _Sheet(table, Body(styles)).lines()
            )
    return Read(title_of(package), blocks)


def _is_shown(table: Any, styles: Styles) -> bool:
    style = styles.nodes.get(("table", table.get(f"{TAB}style-name") or ""))
    properties = None if style is None else style.find(f"{STYLE}table-properties")
    return properties is None or properties.get(f"{TAB}display") != "false"


class _Sheet:
    """One sheet; labels of merged cells reach into all their rows and columns."""

    def __init__(self, table: Any, body: Body) -> None:
        self._table, self._body = table, body
        self._hidden = self._hidden_columns()
        self._labels: dict[tuple[int, int], str] = {}
        self._row = 0
        self._size = 0

    def lines(self) -> Iterator[str]:
        """Each row that can be seen, an empty one blank; raises ``DocumentRefused``."""
        for row in _within(self._table, ROWS, GROUPS):
            cells = self._cells(row)
            seen = [text for at, text in enumerate(cells) if at not in self._hidden]
            while seen and not seen[-1]:
                seen.pop()
            self._row += 1
            if row.get(f"{TAB}visibility") in UNSEEN:
                continue
            # A cell over all that a row shows is one.
            seen = seen[:1] if len({*seen}) == 1 and self._spans(row) else seen
            often = whole(row.get(f"{TAB}number-rows-repeated"), 1) if seen else 1
            line, often = " | ".join(seen), min(often, MOST_ALIKE)
            self._size += len(line) * often
            if self._size > MAX_TEXT_CHARACTERS:
                raise too_long()
            yield from [line] * often

    def _hidden_columns(self) -> set[int]:
        at, hidden = 0, set[int]()
        for column in _within(self._table, f"{TAB}table-column", COLUMN_GROUPS):
            after = min(at + whole(column.get(f"{TAB}number-columns-repeated"), 1), MAX_COLUMNS)
            if column.get(f"{TAB}visibility") in UNSEEN:
                hidden.update(range(at, after))
            at = after
        return hidden

    def _spans(self, row: Any) -> bool:
        return any(cell.get(f"{TAB}number-columns-spanned") for cell in row)

    def _cells(self, row: Any) -> list[str]:
        cells: list[str] = []
        for cell in row:
            often = whole(cell.get(f"{TAB}number-columns-repeated"), 1)
            at = len(cells)
            count = min(often, MAX_COLUMNS - at)
            if cell.tag == f"{TAB}covered-table-cell":
                cells += [self._labels.get((self._row, n), "") for n in range(at, at + count)]
            elif cell.tag == f"{TAB}table-cell":
                text = self._body.of_cell(cell)
                self._spread(cell, text, at)
                cells += [text] * count
            if len(cells) >= MAX_COLUMNS:
                break
        return cells

    def _spread(self, cell: Any, text: str, at: int) -> None:
        columns = whole(cell.get(f"{TAB}number-columns-spanned"), 1)
        rows = whole(cell.get(f"{TAB}number-rows-spanned"), 1)
        if (columns > 1 or rows > 1) and 0 < len(text) <= MAX_LABEL:
            for row in range(self._row, self._row + min(rows, MAX_HEIGHT)):
                for column in range(at, min(at + columns, MAX_COLUMNS)):
                    self._labels[row, column] = text


def _within(parent: Any, tag: str, groups: tuple[str, ...]) -> Iterator[Any]:
    """The children with a tag, also those in groups that are open."""
    for node in parent:
        if node.tag == tag:
            yield node
        elif node.tag in groups and node.get(f"{TAB}display") != "false":
            yield from _within(node, tag, groups)
