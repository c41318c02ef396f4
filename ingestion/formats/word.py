"""What paragraphs and tables of Word files become, of old files and of new: pieces of text."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from ingestion.formats.docx_numbers import BULLET
from ingestion.formats.docx_styles import Properties, is_doubtful
from ingestion.formats.numerals import numeral
from ingestion.formats.pieces import (
    END,
    LIST,
    MAX_HEADING,
    NOTE,
    ROW,
    TERM,
    TOLD,
    Piece,
    is_question,
    kind_of,
)
from ingestion.formats.tables import Table
from ingestion.formats.text import raised, shifted

FOOTNOTE, ENDNOTE, TITLE = "footnote", "endnote", "Title"
SIGNS = {"F0FE": "☒", "F0FD": "☒", "F0A8": "☐", "F06F": "☐", "F0FC": "✓", "F0FB": "✗", "F0E0": "→"}
SIGNS |= {"F0B7": "•"}
"""What the symbol fonts of Word show for their private characters."""
PAGE_FIELD = re.compile(r"\s*(?:PAGE|NUMPAGES|SECTIONPAGES|PAGEREF)\b", re.IGNORECASE)
CONTENTS = re.compile(r"(?:toc|table of figures)\b", re.IGNORECASE)
DOUBT = "It is white, on a ground that is not known."
PAPER = "FFFFFF"
LEAST_RAISED = 4
SHIFTS = {"superscript": 1, "subscript": -1}


@dataclass
class Paragraph:
    """What was found in one paragraph so far; what its notes and boxes say is still to be read."""

    style: Any
    background: str | None = PAPER
    """The ground of its print; None where it is not known."""
    parts: list[str] = field(default_factory=list)
    boxes: list[Any] = field(default_factory=list)
    notes: list[tuple[str, Any]] = field(default_factory=list)
    doubt: str = ""
    is_bold: bool = True
    """Whether all of its print so far is."""
    question: str = ""
    """A line in bold that begins it, and asks."""

    def take(self, text: str, looks: Properties) -> None:
        """Add the text of a run that can be seen."""
        if text and self.background is None and is_doubtful(looks):
            self.doubt = DOUBT
        breaks = text.startswith("\n") or (self.parts and self.parts[-1].endswith("\n"))
        if breaks and self.is_bold and not self.question:
            said = "".join(self.parts).strip()
            if is_question(said):
                self.question, self.parts = said, []
        if text.strip():
            self.is_bold = self.is_bold and looks.get("b") == "1"
        self.parts.append(_placed(text, looks, self.parts))

    def cite(self, kind: str, number: int, note: Any) -> None:
        """The mark of a note, which follows the paragraph."""
        said = numeral(number, "decimal" if kind == FOOTNOTE else "lower-roman")
        mark = raised(said, "") if kind == FOOTNOTE else f"[{said}]"
        self.parts.append(mark if kind == FOOTNOTE else f" {mark}")
        self.notes.append((mark, note))

    @property
    def text(self) -> str:
        """What it says after a question that begins it."""
        return re.sub(r" {2,}", " ", "".join(self.parts)).strip()

    def pieces(self, name: str, label: str, level: int) -> Iterator[Piece]:
        """The paragraph in a style of this name, with what is counted before it."""
        text, kind = self.text, kind_of(name)
        listed = name.startswith("List") and kind not in (TERM, TOLD)
        if label == BULLET or (not label and listed):
            label = BULLET if not level else ""
        kind = LIST if label and not level else kind
        asks = self.is_bold and not (label or level) and is_question(text)
        if self.question and not (label or level):
            yield Piece(kind, self.question, asks=True)
        elif self.question:
            text = f"{self.question}\n{text}"
        yield Piece(kind, f"{label} {text}" if label else text, level, self.doubt, asks)


def is_in_page_field(fields: Sequence[str]) -> bool:
    """Whether one of the open fields, "=" before its instruction, is the number of a page."""
    return any(one[:1] == "=" and PAGE_FIELD.match(one[1:]) for one in fields)


def heading_level(name: str) -> int:
    """The level that the name of a style says, 0 for none."""
    found = re.fullmatch(r"heading (\d)", name, re.IGNORECASE)
    return min(int(found[1]), MAX_HEADING) if found else int(name.lower() == TITLE.lower())


@dataclass(frozen=True)
class Cell:
    """A cell's pieces, the columns that it spans, and whether it goes on with the one above."""

    pieces: Sequence[Piece]
    columns: int = 1
    goes_on: bool = False


@dataclass
class Rows:
    """The rows of one table, as pieces."""

    _table: Table = field(default_factory=Table)
    _above: dict[int, str] = field(default_factory=dict)

    def take(self, cells: Iterable[Cell], in_head: bool) -> Iterator[Piece]:
        """One more row; notes that it cites follow it."""
        self._table.open_row(in_head)
        column, after, doubt = 0, list[Piece](), ""
        for cell in cells:
            pieces = [piece for piece in cell.pieces if piece.text]
            after += [piece for piece in pieces if piece.kind == NOTE]
            text = _cell_text([piece for piece in pieces if piece.kind != NOTE])
            text = self._above.get(column, "") if cell.goes_on else text
            doubt = doubt or next((piece.doubt for piece in pieces if piece.doubt), "")
            self._table.open_cell(cell.columns, 1, is_header=False)
            self._table.write(text, space=False)
            self._table.close_cell()
            self._above[column] = text
            column += max(1, cell.columns)
        for line, breaks in self._table.close_row():
            if breaks > 1:
                yield Piece(END, "")
            yield Piece(ROW, line, doubt=doubt)
        yield from after


def margins(texts: Iterable[Sequence[Piece]]) -> list[Piece]:
    """What headers and footers say, each once."""
    found: dict[str, Piece] = {}
    for pieces in texts:
        text = "\n".join(piece.text for piece in pieces if piece.text)
        if len(re.findall(r"[^\W\d_]{2,}", text)) > 1:
            found.setdefault(text, Piece("Margin", text))
    return list(found.values())


def title_of(pieces: Sequence[Piece], stated: str) -> str:
    """The title that stands in the text, else the one that is stated, else the first heading."""
    titles = [piece.text for piece in pieces if piece.kind == TITLE]
    headings = [piece.text for piece in pieces if piece.level and not piece.asks]
    return [*titles[:1], *filter(None, [stated]), *headings[:1], ""][0]


def _placed(text: str, looks: Properties, parts: Sequence[str]) -> str:
    """Text of a run, set apart when it is raised or lowered."""
    place = looks.get("vertAlign", "")
    shift = looks.get("position", "0")
    if place not in SHIFTS and shift.lstrip("-").isdigit():
        high = int(shift)
        place = "superscript" if high >= LEAST_RAISED else place
        place = "subscript" if high <= -LEAST_RAISED else place
    return shifted(text, SHIFTS.get(place, 0), parts)


def _cell_text(pieces: Sequence[Piece]) -> str:
    """What a cell says on one line; rows of a table within it are parted by semicolons."""
    said = [
        piece.text.replace(" | ", " ") + ";" * (piece.kind == after.kind == ROW)
        if piece.kind == ROW
        else piece.text
        for piece, after in zip_longest(pieces, pieces[1:], fillvalue=Piece(END, ""))
    ]
    return " ".join(" ".join(said).split())
