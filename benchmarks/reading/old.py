"""The facts of made documents once more, as LibreOffice writes them into .doc, .xls and .ppt."""

import io
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from app.errors import Invalid
from benchmarks.reading.facts import EACH, PLACES, Fact, facts

OLD = {"docx": "doc", "rtf": "doc", "xlsx": "xls", "fodp": "ppt"}
CONVERT_S = 900
Made = tuple[tuple[str, ...], tuple[str, ...]]
"""What must stand together, and what must stand nowhere."""


def old_facts() -> Iterator[Fact]:
    """Each fact in a file of an old program; raises ``Invalid`` where LibreOffice is missing."""
    program = shutil.which("soffice")
    if program is None:
        raise Invalid("LibreOffice (soffice) is not installed here; it writes the old files.")
    known = [fact for fact in facts() if fact.format in OLD]
    made = [*known, *_sheets(), *_decks()]
    with tempfile.TemporaryDirectory() as folder:
        _convert(program, made, Path(folder))
        for fact in made:
            old = OLD[fact.format]
            path = Path(folder) / old / f"{_stem(fact)}.{old}"
            yield replace(fact, format=old, name=path.name, data=path.read_bytes())


def _convert(program: str, made: list[Fact], folder: Path) -> None:
    for new, old in OLD.items():
        source = folder / new
        source.mkdir()
        files = [source / f"{_stem(fact)}.{new}" for fact in made if fact.format == new]
        chosen = [fact.data for fact in made if fact.format == new]
        for path, data in zip(files, chosen, strict=True):
            path.write_bytes(data)
        command = [program, f"-env:UserInstallation=file://{folder}/profile", "--headless"]
        command += ["--convert-to", old, "--outdir", str(folder / old), *map(str, files)]
        subprocess.run(command, check=True, capture_output=True, timeout=CONVERT_S)


def _stem(fact: Fact) -> str:
    return f"{fact.format}-{fact.name.rpartition('.')[0]}"


# --- Workbooks -------------------------------------------------------------------------------


def _sheets() -> Iterator[Fact]:
    import openpyxl

    for kind, fill in SHEETS.items():
        for number in range(EACH):
            book = openpyxl.Workbook()
            right, wrong = fill(book, number)
            buffer = io.BytesIO()
            book.save(buffer)
            yield Fact(kind, "xlsx", f"{kind}-{number}.xlsx", buffer.getvalue(), right, wrong)


def _rows(sheet: Any, number: int, figures: list[Any], style: str = "General") -> list[str]:
    """Rows of places with a figure each; their names."""
    sheet.append(["Place", "Figure", "Note"])
    names = [PLACES[(number + at) % len(PLACES)] for at in range(len(figures))]
    for name, figure in zip(names, figures, strict=True):
        sheet.append([name, figure, "as told"])
        sheet.cell(sheet.max_row, 2).number_format = style
    return names


def _money(book: Any, number: int) -> Made:
    names = _rows(book.active, number, [1250.5 + number, 70 + number], "£#,##0.00")
    return (names[0], f"£1,25{number}.50"), ()


def _days(book: Any, number: int) -> Made:
    day = date(2026, 3, 4) + timedelta(days=40 * number)
    names = _rows(book.active, number, [day, day + timedelta(days=1)], "yyyy-mm-dd")
    return (names[1], (day + timedelta(days=1)).isoformat()), ()


def _shares(book: Any, number: int) -> Made:
    names = _rows(book.active, number, [0.0125 + number / 100, 0.5], "0.0%")
    return (names[0], f"{number + 1}.3%"), ()


def _spans(book: Any, number: int) -> Made:
    names = _rows(book.active, number, [timedelta(hours=26 + number, minutes=30)], "[h]:mm")
    return (names[0], f"{26 + number}:30"), ()


def _codes(book: Any, number: int) -> Made:
    names = _rows(book.active, number, [412 + number, 7], "00000")
    return (names[0], f"00{412 + number}"), ()


def _formulas(book: Any, number: int) -> Made:
    _rows(book.active, number, [20 + number, 31])
    book.active.append(["All", "=SUM(B2:B3)", '=IF(B2>B3,"up","down")'])
    return ("All", str(51 + number), "down"), ("SUM",)


def _labels(book: Any, number: int) -> Made:
    names = _rows(book.active, number, [61 + number, 62 + number])
    book.active["C2"] = "by the day"
    book.active.merge_cells("C2:C3")
    return (names[1], str(62 + number), "by the day"), ()


def _unseen(book: Any, number: int) -> Made:
    sheet = book.active
    names = _rows(sheet, number, [71 + number, 8100 + number])
    sheet["D1"], sheet["D2"] = "Margin", 9100 + number
    sheet.row_dimensions[3].hidden = True
    sheet.column_dimensions["D"].hidden = True
    other = book.create_sheet("Drafts")
    other["A1"] = 7100 + number
    other.sheet_state = "hidden"
    return (names[0], str(71 + number)), tuple(f"{n}1{number:02}" for n in (7, 8, 9))


def _long(book: Any, number: int) -> Made:
    sheet = book.active
    sheet.append(["Place", "By day", "By week"])
    for row in range(80):
        sheet.append([f"{PLACES[row % len(PLACES)]} {row}", 100 + row, 500 + row + number])
    return ("By week", f"{PLACES[77 % len(PLACES)]} 77", str(577 + number)), ()


def _texts(book: Any, number: int) -> Made:
    """Text of two bytes a character, longer than a record: it goes on in the next one."""
    names = _rows(book.active, number, [f"{'Größe Ω ' * 700}{number}"])
    book.active.append(["Last", True, "−5 °C"])
    return ("Last", "TRUE", "−5 °C"), (f"{names[0]}{number}",)


SHEETS: dict[str, Callable[[Any, int], Made]] = {
    "money": _money,
    "days": _days,
    "shares": _shares,
    "spans": _spans,
    "codes": _codes,
    "formulas": _formulas,
    "merged-cells": _labels,
    "hidden": _unseen,
    "long-tables": _long,
    "long-texts": _texts,
}


# --- Presentations ---------------------------------------------------------------------------

NAMES = ("office", "style", "text", "table", "presentation")
SPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in NAMES
)
SPACES += ' xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"'
SPACES += ' xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0"'
STYLES = (
    '<style:style style:name="out" style:family="drawing-page"><style:drawing-page-properties '
    'presentation:visibility="hidden"/></style:style><style:style style:name="up" '
    'style:family="text"><style:text-properties style:text-position="super 58%"/></style:style>'
)


def _decks() -> Iterator[Fact]:
    for kind, fill in DECKS.items():
        for number in range(EACH):
            slides, right, wrong = fill(number, PLACES[number % len(PLACES)])
            body = (
                '<?xml version="1.0" encoding="UTF-8"?>'
                f'<office:document {SPACES} office:version="1.3" office:mimetype='
                '"application/vnd.oasis.opendocument.presentation">'
                f"<office:automatic-styles>{STYLES}</office:automatic-styles>"
                f"<office:body><office:presentation>{slides}"
                "</office:presentation></office:body></office:document>"
            )
            name = f"{kind}-{number}.fodp"
            yield Fact(kind, "fodp", name, body.encode(), right, wrong)


def _slide(title: str, *frames: str, style: str = "", notes: str = "") -> str:
    look = f' draw:style-name="{style}"' if style else ""
    below = f"<presentation:notes>{_box(notes, 'notes')}</presentation:notes>" if notes else ""
    return f"<draw:page{look}>{_box(title, 'title')}{''.join(frames)}{below}</draw:page>"


def _box(text: str, kind: str = "") -> str:
    placed = f' presentation:class="{kind}"' if kind else ""
    return (
        f'<draw:frame{placed} svg:width="9cm" svg:height="2cm" svg:x="1cm" svg:y="3cm">'
        f"<draw:text-box><text:p>{text}</text:p></draw:text-box></draw:frame>"
    )


def _grid(rows: list[list[str]]) -> str:
    columns = "<table:table-column/>" * len(rows[0])
    body = "".join(f"<table:table-row>{''.join(map(_cell, row))}</table:table-row>" for row in rows)
    return (
        '<draw:frame svg:width="20cm" svg:height="6cm" svg:x="1cm" svg:y="6cm">'
        f"<table:table>{columns}{body}</table:table></draw:frame>"
    )


def _cell(text: str) -> str:
    return f"<table:table-cell><text:p>{text}</text:p></table:table-cell>"


Slides = tuple[str, tuple[str, ...], tuple[str, ...]]


def _hidden(number: int, place: str) -> Slides:
    out = _slide("Old fees", _box(f"A berth costs £{900 + number}."), style="out")
    seen = f"A berth at {place} costs £{40 + number}."
    return _slide("Fees", _box(seen)) + out, (seen,), (f"£{900 + number}",)


def _noted(number: int, place: str) -> Slides:
    said = f"Say that the deposit is £{50 + number}."
    return _slide(place, _box("See the list."), notes=said), (said,), ()


def _priced(number: int, place: str) -> Slides:
    rows = [["Place", "Day", "Week"], [place, f"£{60 + number}", f"£{300 + number}"]]
    return _slide("Prices", _grid(rows)), (f"{place} | £{60 + number} | £{300 + number}",), ()


def _raised(number: int, place: str) -> Slides:
    said = f'The tank at {place} holds 10<text:span text:style-name="up">{number + 2}</text:span>'
    return _slide("Tanks", _box(f"{said} litres.")), (place, "litres"), (f"10{number + 2}",)


DECKS: dict[str, Callable[[int, str], Slides]] = {
    "hidden": _hidden,
    "notes": _noted,
    "tables": _priced,
    "raised-marks": _raised,
}
