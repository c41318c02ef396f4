"""Excel workbooks: what each sheet shows, row by row under its header."""

import io
from collections.abc import Iterator
from datetime import date, time, timedelta
from typing import Any

from ingestion.formats.delimited import grouped
from ingestion.formats.document import Block, Read
from ingestion.formats.limits import DAMAGED, corrupt
from ingestion.formats.number_formats import moment, number, span
from ingestion.formats.ooxml import RELATION_ID, Package
from ingestion.formats.tables import MAX_LABEL, cell_text
from ingestion.formats.titles import is_garbage_title

MAX_COLUMNS = 200
MAX_HEIGHT = 100
"""Rows of a merged label that stands in each of its columns."""
LONGEST_FORMAT = 255
DRAWN = b"xl/drawings/drawing"
"""In the list of a workbook's parts, where something is drawn over its cells."""
S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
D = "{http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing}"
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
VISIBLE = "visible"


def read(data: bytes) -> Read:
    """Each sheet that can be seen under its name; hidden rows, columns and sheets are left out.

    A cell shows its value as its format writes it, a formula the value it had when saved.
    """
    import openpyxl

    try:
        book = openpyxl.load_workbook(io.BytesIO(data), data_only=True)
        shown = [sheet for sheet in book.worksheets if sheet.sheet_state == VISIBLE]
        boxes = _boxes(data) if DRAWN in data else {}
        blocks = [
            block for sheet in shown for block in (*_sheet(sheet), *boxes.get(sheet.title, ()))
        ]
    except (*DAMAGED, TypeError, AttributeError, SyntaxError, AssertionError) as error:
        # How the library and its XML parser report what no workbook holds.
        raise corrupt() from error
    stated = str(book.properties.title or "")
    return Read("" if is_garbage_title(stated) else stated, blocks)


def _boxes(data: bytes) -> dict[str, list[Block]]:
    """What stands in boxes over the cells, by the name of the sheet."""
    package = Package.open(data)
    main = package.main()
    relations = package.relations(main)
    found: dict[str, list[Block]] = {}
    for sheet in package.xml(main).iter(f"{S}sheet"):
        relation = relations.get(sheet.get(RELATION_ID) or "")
        drawing = package.related(relation.target, "drawing") if relation else None
        if drawing is not None:
            found[sheet.get("name") or ""] = [Block(text) for text in _texts(drawing)]
    return found


def _texts(drawing: Any) -> Iterator[str]:
    for shape in drawing.iter(f"{D}sp"):
        facts = shape.find(f".//{D}cNvPr")
        if facts is None or facts.get("hidden") not in ("1", "true"):
            lines = ["".join(t.text or "" for t in p.iter(f"{A}t")) for p in shape.iter(f"{A}p")]
            yield "\n".join(line for line in lines if line.strip())


def _sheet(sheet: Any) -> Iterator[Block]:
    lines = list(_lines(sheet))
    if any(lines):
        yield Block(str(sheet.title), level=1)
        for table in tables_of(lines):
            yield from grouped(table)


def tables_of(lines: list[str]) -> Iterator[list[str]]:
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


def _lines(sheet: Any) -> Iterator[str]:
    """Each row that can be seen; an empty one is blank."""
    hidden = {
        column
        for letter, dimension in sheet.column_dimensions.items()
        if dimension.hidden
        for column in range(dimension.min or 0, (dimension.max or 0) + 1)
    }
    merged = _merged(sheet)
    for place, row in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS), start=1):
        dimension = sheet.row_dimensions.get(place)
        if dimension is not None and dimension.hidden:
            continue
        seen = [
            merged.get((place, column), cell)
            for column, cell in enumerate(row, start=1)
            if column not in hidden
        ]
        cells = [_shown(cell) for cell in _once(seen)]
        while cells and not cells[-1]:
            cells.pop()
        yield " | ".join(cells)


def _merged(sheet: Any) -> dict[tuple[int, int], Any]:
    """The cell whose value each merged place shows: its label reaches into every row, and if it is
    short into every column."""
    found = {}
    for area in sheet.merged_cells.ranges:
        first = sheet.cell(area.min_row, area.min_col)
        last = min(area.max_row, area.min_row + 10_000)
        is_label = len(str(first.value or "")) <= MAX_LABEL and last - area.min_row < MAX_HEIGHT
        right = min(area.max_col, MAX_COLUMNS) if is_label else area.min_col
        for row in range(area.min_row, last + 1):
            for column in range(area.min_col, right + 1):
                found[row, column] = first
    return found


def _once(cells: list[Any]) -> list[Any]:
    """The cells of a row; one alone where it is merged over all that the row shows."""
    filled = [cell for cell in cells if cell.value is not None]
    alone = len(filled) > 1 and len({id(cell) for cell in filled}) == 1
    return filled[:1] if alone else cells


def _shown(cell: Any) -> str:
    """The cell's value as its number format writes it."""
    value, style = cell.value, str(cell.number_format or "General")[:LONGEST_FORMAT]
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, timedelta):
        return span(value, style)
    if isinstance(value, date | time):
        return moment(value, style)
    if isinstance(value, int | float):
        return number(value, style)
    return cell_text(str(value))
