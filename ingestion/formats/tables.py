"""Rows of a table as lines of text, each with the labels of merged cells that reach into it."""

from dataclasses import dataclass, field

MAX_COLUMNS = 200
"""As far as a cell is repeated over the columns that it spans; a cell of its own always counts."""
MAX_LABEL = 200
"""The longest text that is repeated in each row and column that its cell spans."""
REPEAT_AFTER = 400
"""Characters of rows after which the header is written once more, so that no passage of a long
table goes without."""
MAX_HEADER = 400


def cell_text(text: str) -> str:
    """A cell's text on one line, in which no bar seems to part two cells."""
    return " ".join(text.split()).replace(" | ", "|")


@dataclass
class _Label:
    text: str
    rows: int


@dataclass
class Table:
    """Cells in reading order to lines; spans of more than a row or column are filled in."""

    in_cell: bool = False
    doubt: str = ""
    _row: dict[int, str] = field(default_factory=dict)
    _carried: dict[int, _Label] = field(default_factory=dict)
    _cell: list[str] = field(default_factory=list)
    _spans: tuple[int, int] = (1, 1)
    _next: int = 0
    """No column before this one is free in the open row."""
    _headers: int = 0
    """Header cells of the open row, -1 once it holds another cell."""
    _in_head: bool = False
    _header: list[str] = field(default_factory=list)
    _only_headers: bool = True
    _since: int = 0

    def open_row(self, in_head: bool = False) -> None:
        """A row, or a group of rows, begins."""
        self._in_head = in_head
        self._row, self._headers, self.doubt, self._next = {}, 0, "", 0

    def open_cell(self, columns: int, rows: int, is_header: bool) -> None:
        """A cell that spans so many columns and rows (0: all that follow)."""
        self.in_cell = True
        self._cell = []
        self._spans = (max(1, min(columns, MAX_COLUMNS)), rows if rows > 0 else 1 << 30)
        self._headers = self._headers + 1 if is_header and self._headers >= 0 else -1

    def write(self, text: str, space: bool, doubt: str = "") -> None:
        """Text of the open cell."""
        self._cell += [" ", text] if space and self._cell else [text]
        self.doubt = self.doubt or doubt

    def write_row(self, line: str) -> None:
        """A row of a table within the open cell."""
        self.write("; " if self._cell else "", space=False)
        self.write(line.replace(" | ", " "), space=False)

    def close_cell(self) -> None:
        """The open cell ends; cells that reach down from above come before it."""
        if not self.in_cell:
            return
        self.in_cell = False
        text = cell_text("".join(self._cell))
        columns, rows = self._spans
        at = self._free()
        for column in range(at, max(at + 1, min(at + columns, MAX_COLUMNS))):
            shown = text if column == at or len(text) <= MAX_LABEL else ""
            self._row[column] = shown
            if rows > 1:
                self._carried[column] = _Label(text if len(text) <= MAX_LABEL else "", rows)

    def _free(self) -> int:
        column = self._next
        while column in self._row or (column in self._carried and self._carried[column].rows > 0):
            if column not in self._row:
                self._row[column] = self._carried[column].text
            column += 1
        self._next = column
        return column

    def close_row(self) -> list[tuple[str, int]]:
        """The lines of the row, each with the line breaks before it; none for an empty row."""
        if not self._row:
            return []
        self._free()
        for column in [c for c in self._carried if c not in self._row]:
            self._row[column] = self._carried[column].text
        line = self._line()
        is_header = self._only_headers and (self._headers > 1 or self._in_head)
        self._count_down()
        self._row = {}
        if not line:
            return []
        if is_header:
            self._header.append(line)
            return [(line, 1)]
        self._only_headers = False
        return self._with_header(line)

    def _line(self) -> str:
        cells = [self._row.get(column, "") for column in range(max(self._row) + 1)]
        if len(set(cells)) == 1:
            cells = cells[:1]  # one cell over the whole width
        return " | ".join(cells) if any(cells) else ""

    def _count_down(self) -> None:
        for column in list(self._carried):
            label = self._carried[column]
            label.rows -= 1
            if label.rows <= 0:
                del self._carried[column]

    def _with_header(self, line: str) -> list[tuple[str, int]]:
        header = "\n".join(self._header)
        lines = [(line, 1)]
        if header and len(header) <= MAX_HEADER and self._since + len(line) > REPEAT_AFTER:
            lines = [(header, 2), (line, 1)]
            self._since = 0
        self._since += len(line)
        return lines
