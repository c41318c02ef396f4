"""Excel workbooks as programs up to 2003 wrote them (.xls): what each sheet shows."""

import codecs
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from app.errors import DocumentRefused
from ingestion.formats import summary
from ingestion.formats.compound import Compound
from ingestion.formats.document import Block, Read
from ingestion.formats.grid import MAX_COLUMNS, Area, Grid, lines_of, sheet_blocks
from ingestion.formats.limits import MAX_TEXT_CHARACTERS, corrupt, protected, too_long
from ingestion.formats.sheet import shown
from ingestion.formats.xls_records import (
    BOF,
    Record,
    Strings,
    packed_number,
    records,
    shared_strings,
)

STREAMS = (("Workbook",), ("Book",))
BIFF_8 = 0x600
WORKSHEET = 0
FILEPASS, BOUNDSHEET, STRINGS, FORMAT, FORM, DATES, CODE_PAGE = (
    0x2F,
    0x85,
    0xFC,
    0x41E,
    0xE0,
    0x22,
    0x42,
)
ROW, COLUMNS, MERGED, OBJECT, DRAWN_TEXT = 0x208, 0x7D, 0xE5, 0x5D, 0x1B6
SHARED, LABEL, RICH_LABEL, NUMBER, PACKED, PACKED_ROW = 0xFD, 0x204, 0xD6, 0x203, 0x27E, 0xBD
TRUTH, FORMULA, STRING = 0x205, 0x06, 0x207
HIDDEN_ROW, HIDDEN_COLUMN = 0x20, 1
COMMENT = 0x19
"""The kind of object that a comment is."""
ENCODINGS = {1200: "utf-16-le", 367: "ascii", 10000: "mac-roman", 32768: "mac-roman"}
ENCODINGS |= {32769: "cp1252"}
ERRORS = {0: "#NULL!", 7: "#DIV/0!", 15: "#VALUE!", 23: "#REF!", 29: "#NAME?", 36: "#NUM!"}
ERRORS |= {42: "#N/A"}
Value = str | float | bool


def read(data: bytes) -> Read:
    """Each sheet that can be seen under its name; hidden rows, columns and sheets are left out.

    A cell shows its value as its format writes it, a formula the value it had when saved. Raises
    ``DocumentRefused``.
    """
    file = Compound.open(data)
    stream = next(filter(None, map(file.read, STREAMS)), b"")
    try:
        book = _Book.of(stream)
        blocks: list[Block] = []
        for name, at in book.sheets:
            blocks += _sheet(book, stream, name, at)
            if sum(len(block.text) for block in blocks) > MAX_TEXT_CHARACTERS:
                raise too_long()
    except (struct.error, IndexError, LookupError, ValueError, OverflowError) as error:
        raise corrupt() from error
    return Read(summary.title_of(file), blocks)


def _sheet(book: "_Book", stream: bytes, name: str, at: int) -> Iterator[Block]:
    sheet = _Sheet(book)
    for record in records(stream, at):
        sheet.take(record)
    yield from sheet_blocks(name, lines_of(sheet.grid()))
    yield from map(Block, sheet.boxes)


@dataclass
class _Book:
    """What holds for all sheets; ``sheets`` are the names of those that can be seen, and where
    each begins."""

    wide: bool
    encoding: str = "cp1252"
    sheets: list[tuple[str, int]] = field(default_factory=list)
    strings: list[str] = field(default_factory=list)
    from_1904: bool = False
    _formats: dict[int, str] = field(default_factory=dict)
    _forms: list[int] = field(default_factory=list)
    _styles: dict[int, tuple[str, bool, bool]] = field(default_factory=dict)

    @staticmethod
    def of(stream: bytes) -> "_Book":
        """The workbook's own records; raises ``DocumentRefused``."""
        kind, _, version = struct.unpack_from("<HHH", stream, 0)
        if kind != BOF:
            raise corrupt()
        book = _Book(version >= BIFF_8)
        for record in records(stream, 0):
            book._take(record)
        return book

    def _take(self, record: Record) -> None:
        data = record.data
        if record.kind == FILEPASS:
            raise protected()
        if record.kind == CODE_PAGE:
            self._decode_as(struct.unpack_from("<H", data)[0])
        elif record.kind == DATES:
            self.from_1904 = data[:1] == b"\1"
        elif record.kind == STRINGS:
            self.strings = shared_strings(record)
        elif record.kind == FORMAT:
            with suppress(DocumentRefused):  # a damaged one is that of plain numbers
                number = struct.unpack_from("<H", data)[0]
                self._formats[number] = self.text(record, 2, 2 if self.wide else 1)
        elif record.kind == FORM:
            self._forms.append(struct.unpack_from("<H", data, 2)[0])
        elif record.kind == BOUNDSHEET:
            at, state, sort = struct.unpack_from("<IBB", data)
            # A second sheet at the same place would be the first one again.
            if (
                not state & 3
                and sort == WORKSHEET
                and at not in [place for _, place in self.sheets]
            ):
                self.sheets.append((self.text(record, 6, 1), at))

    def _decode_as(self, page: int) -> None:
        encoding = ENCODINGS.get(page, f"cp{page}")
        try:
            codecs.lookup(encoding)
        except LookupError:
            return
        self.encoding = encoding

    def text(self, record: Record, at: int, size: int) -> str:
        """A string at an offset of a record, whose length has so many bytes."""
        count = int.from_bytes(record.data[at : at + size], "little")
        if self.wide:
            return Strings(record.parts, at=at + size).text(count)
        return record.data[at + size : at + size + count].decode(self.encoding, "replace")

    def shown(self, value: Value, form: int) -> str:
        """A value as the format of its cell writes it."""
        if form not in self._styles:
            self._styles[form] = self._style(form)
        style, is_moment, is_span = self._styles[form]
        if isinstance(value, float) and is_moment:
            return self._moment(value, style, is_span)
        return shown(value, style)

    def _style(self, form: int) -> tuple[str, bool, bool]:
        """A number format, and whether it writes moments or lengths of time."""
        from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_timedelta_format

        number = self._forms[form] if form < len(self._forms) else 0
        style = self._formats.get(number) or BUILTIN_FORMATS.get(number) or "General"
        return style, bool(is_date_format(style)), bool(is_timedelta_format(style))

    def _moment(self, value: float, style: str, is_span: bool) -> str:
        from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH, from_excel

        epoch: datetime = MAC_EPOCH if self.from_1904 else WINDOWS_EPOCH
        try:
            return shown(from_excel(value, epoch, timedelta=is_span), style)
        except (OverflowError, ValueError):
            return shown(value, "General")


@dataclass
class _Sheet:
    """The cells of a sheet as its records give them."""

    book: _Book
    boxes: list[str] = field(default_factory=list)
    _cells: dict[int, dict[int, str]] = field(default_factory=dict)
    _hidden_rows: set[int] = field(default_factory=set)
    _hidden_columns: set[int] = field(default_factory=set)
    _merged: list[Area] = field(default_factory=list)
    _awaited: tuple[int, int, int] | None = None
    """Row, column and form of the formula whose text follows."""
    _object: int = 0
    """The kind of the object that was last begun."""

    def grid(self) -> Grid:
        """All of it."""
        rows = range(max(self._cells, default=-1) + 1)
        return Grid(map(self._row, rows), self._hidden_rows, self._hidden_columns, self._merged)

    def _row(self, place: int) -> Sequence[str]:
        cells = self._cells.get(place, {})
        return [cells.get(column, "") for column in range(max(cells, default=-1) + 1)]

    def take(self, record: Record) -> None:
        """One more record; raises ``DocumentRefused``."""
        data = record.data
        if record.kind == ROW:
            row, flags = struct.unpack_from("<H10xI", data)
            if flags & HIDDEN_ROW:
                self._hidden_rows.add(row)
        elif record.kind == COLUMNS:
            first, last, _, _, flags = struct.unpack_from("<5H", data)
            if flags & HIDDEN_COLUMN:
                self._hidden_columns.update(range(first, min(last, MAX_COLUMNS) + 1))
        elif record.kind == MERGED:
            count = struct.unpack_from("<H", data)[0]
            self._merged += [struct.unpack_from("<4H", data, 2 + 8 * n) for n in range(count)]
        elif record.kind == OBJECT:
            self._object = struct.unpack_from("<H", data, 4)[0]
        elif record.kind == DRAWN_TEXT and self._object != COMMENT and len(record.parts) > 1:
            count = struct.unpack_from("<H", data, 10)[0]
            self.boxes.append(Strings(record.parts, part=1).plain(count))
        elif record.kind == STRING and self._awaited is not None:
            row, column, form = self._awaited
            self._put(row, column, form, self.book.text(record, 0, 2))
        elif record.kind in _CELLS:
            _CELLS[record.kind](self, record, *struct.unpack_from("<HHH", data))

    def _put(self, row: int, column: int, form: int, value: Value) -> None:
        if column < MAX_COLUMNS:
            self._cells.setdefault(row, {})[column] = self.book.shown(value, form)

    def _shared(self, record: Record, row: int, column: int, form: int) -> None:
        number = struct.unpack_from("<I", record.data, 6)[0]
        self._put(row, column, form, self.book.strings[number])

    def _label(self, record: Record, row: int, column: int, form: int) -> None:
        self._put(row, column, form, self.book.text(record, 6, 2))

    def _number(self, record: Record, row: int, column: int, form: int) -> None:
        self._put(row, column, form, struct.unpack_from("<d", record.data, 6)[0])

    def _packed(self, record: Record, row: int, column: int, form: int) -> None:
        bits = struct.unpack_from("<I", record.data, 6)[0]
        self._put(row, column, form, packed_number(bits))

    def _packed_row(self, record: Record, row: int, column: int, form: int) -> None:
        for number in range((len(record.data) - 6) // 6):
            form, bits = struct.unpack_from("<HI", record.data, 4 + 6 * number)
            self._put(row, column + number, form, packed_number(bits))

    def _truth(self, record: Record, row: int, column: int, form: int) -> None:
        value, is_error = struct.unpack_from("<BB", record.data, 6)
        self._put(row, column, form, ERRORS.get(value, "") if is_error else bool(value))

    def _formula(self, record: Record, row: int, column: int, form: int) -> None:
        result = record.data[6:14]
        self._awaited = None
        if result[6:] != b"\xff\xff":
            self._number(record, row, column, form)
        elif result[0] == 0:
            self._awaited = row, column, form
        elif result[0] == 1:
            self._put(row, column, form, bool(result[2]))
        elif result[0] == 2:
            self._put(row, column, form, ERRORS.get(result[2], ""))


_CELLS = {
    SHARED: _Sheet._shared,
    LABEL: _Sheet._label,
    RICH_LABEL: _Sheet._label,
    NUMBER: _Sheet._number,
    PACKED: _Sheet._packed,
    PACKED_ROW: _Sheet._packed_row,
    TRUTH: _Sheet._truth,
    FORMULA: _Sheet._formula,
}
