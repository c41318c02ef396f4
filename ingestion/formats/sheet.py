"""Excel workbooks: what each sheet shows, row by row under its header."""

import io
import re
from collections.abc import Iterator, Sequence
from datetime import date, time, timedelta
from typing import Any

from ingestion.formats.document import Block, Read
from ingestion.formats.grid import MAX_COLUMNS, Grid, lines_of, sheet_blocks
from ingestion.formats.limits import DAMAGED, corrupt
from ingestion.formats.number_formats import moment, number, span
from ingestion.formats.ooxml import RELATION_ID, Package
from ingestion.formats.symbol_fonts import printed
from ingestion.formats.tables import cell_text
from ingestion.formats.text import shifted
from ingestion.formats.titles import is_garbage_title
from ingestion.formats.word import SHIFTS

LONGEST_FORMAT = 255
DRAWN = b"xl/drawings/drawing"
"""In the list of a workbook's parts, where something is drawn over its cells."""
S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
D = "{http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing}"
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
VISIBLE = "visible"
NO_TEXT = re.compile("^(?:[^;]*;){3}$")
"""A format whose fourth part, for text, shows nothing."""


def read(data: bytes) -> Read:
    """Each sheet that can be seen under its name; hidden rows, columns and sheets are left out.

    A cell shows its value as its format writes it, a formula the value it had when saved.
    """
    import openpyxl

    try:
        book = openpyxl.load_workbook(io.BytesIO(data), data_only=True, rich_text=True)
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
    yield from sheet_blocks(str(sheet.title), lines_of(_grid(sheet)))


def _grid(sheet: Any) -> Grid:
    hidden = {
        column - 1
        for letter, dimension in sheet.column_dimensions.items()
        if dimension.hidden
        for column in range(dimension.min or 0, (dimension.max or 0) + 1)
    }
    areas = [
        (area.min_row - 1, area.max_row - 1, area.min_col - 1, area.max_col - 1)
        for area in sheet.merged_cells.ranges
    ]
    looks: dict[int, _Looks] = {}
    rows = ([_cell(cell, looks) for cell in row] for row in sheet.iter_rows(max_col=MAX_COLUMNS))
    unseen = {row - 1 for row, dimension in sheet.row_dimensions.items() if dimension.hidden}
    return Grid(rows, unseen, hidden, areas)


_Looks = tuple[bool, str]
"""Whether print is struck, and its font."""


def _cell(cell: Any, known: dict[int, _Looks]) -> str:
    """What a cell shows; ``known`` are the looks of cells by their style."""
    if (value := cell.value) is None:
        return ""
    style = cell.style_id
    if style not in known:
        known[style] = bool(cell.font.strike), cell.font.name or ""
    struck, font = known[style]
    if isinstance(value, list):
        return cell_text(_of_runs(value, struck, font))
    return "" if struck else printed(shown(value, cell.number_format), font)


def _of_runs(runs: Sequence[Any], struck: bool, font: str) -> str:
    """The text of a cell that is printed in several ways."""
    parts: list[str] = []
    for run in runs:
        looks = getattr(run, "font", None)
        if struck if looks is None else looks.strike:
            continue
        own = font if looks is None else looks.rFont or ""
        place = "" if looks is None else looks.vertAlign or ""
        text = printed(run if looks is None else run.text, own)
        parts.append(shifted(text, SHIFTS.get(place, 0), parts))
    return "".join(parts)


def shown(value: Any, number_format: str | None) -> str:
    """A cell's value as its number format writes it."""
    style = str(number_format or "General")[:LONGEST_FORMAT]
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
    return "" if NO_TEXT.search(style) else cell_text(str(value))
