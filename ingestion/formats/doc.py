"""Word documents as programs up to 2003 wrote them (.doc), in the state a reader sees."""

import re
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ingestion.formats import doc_changes, doc_file, summary
from ingestion.formats.compound import Compound
from ingestion.formats.doc_changes import Layout
from ingestion.formats.doc_file import Run, WordFile, positions
from ingestion.formats.doc_lists import numbering
from ingestion.formats.doc_styles import Styles, laid_over
from ingestion.formats.document import Read
from ingestion.formats.docx_numbers import Numbering
from ingestion.formats.docx_styles import Properties, is_hidden
from ingestion.formats.limits import MAX_TEXT_CHARACTERS, corrupt, too_long
from ingestion.formats.pieces import END, MAX_HEADING, NOTE, Piece, joined, with_questions
from ingestion.formats.word import (
    CONTENTS,
    ENDNOTE,
    FOOTNOTE,
    PAPER,
    SIGNS,
    Cell,
    Paragraph,
    Rows,
    heading_level,
    is_in_page_field,
    margins,
    title_of,
)

BEGINS, RESULT, ENDS = "\x13", "\x14", "\x15"
"""Of a field: its instruction, its result, its end."""
FIELD_SIGNS = (BEGINS, RESULT, ENDS)
PARTS = re.compile("[\x13-\x15]|[^\x13-\x15]+")
LONGEST_INSTRUCTION, MOST_FIELDS, MOST_WITHIN = 100, 50, 4
CELL_END, NOTE_MARK, SYMBOL = "\x07", "\x02", "("
WHITE = str.maketrans("\t\x0b\x0e\x0c\x1e", " \n\n\n-", "\r\x07\x1f\x01\x02\x05\x08")
"""What characters of Word's own show; those that stand for drawings and marks show nothing."""
MARGINS_FROM = 6
"""The first parts of the headers are the lines between text and notes."""
NEAR = 30
"""Twentieths of a point between edges of cells that are one edge."""
Span = tuple[int, int]


def read(data: bytes) -> Read:
    """The text in reading order, then what stands in headers and footers; raises
    ``DocumentRefused``."""
    file = Compound.open(data)
    try:
        reader = _Reader.of(WordFile.open(file))
        pieces = [*with_questions([*reader.body()]), *margins(reader.margins())]
    except (struct.error, IndexError, LookupError, ValueError, OverflowError) as error:
        raise corrupt() from error
    title = title_of(pieces, summary.title_of(file))
    return Read(title, list(joined(pieces)))


@dataclass(frozen=True)
class _Lines:
    """A paragraph's place in the text, and how it is laid out."""

    start: int
    end: int
    style: int
    layout: Layout


@dataclass
class _Fields:
    """The open fields of a story: their instructions, "=" before one whose result has begun."""

    _open: list[str] = field(default_factory=list)
    _deeper: int = 0
    """How many are open within the last one that is looked at."""

    def take(self, sign: str) -> None:
        """A sign that begins, divides or ends one."""
        if sign == BEGINS and len(self._open) < MOST_FIELDS:
            self._open.append("")
        elif sign == BEGINS or self._deeper:
            self._deeper += (sign == BEGINS) - (sign == ENDS)
        elif sign == RESULT and self._open:
            self._open[-1] = "=" + self._open[-1].removeprefix("=")
        elif sign == ENDS and self._open:
            self._open.pop()

    def hide(self, text: str) -> bool:
        """Whether text is an instruction, which is kept, or the number of a page."""
        if self._open and self._open[-1][:1] != "=":
            self._open[-1] = (self._open[-1] + text)[:LONGEST_INSTRUCTION]
        return any(one[:1] != "=" for one in self._open) or is_in_page_field(self._open)


@dataclass
class _Reader:
    file: WordFile
    styles: Styles
    numbering: Numbering
    runs: Sequence[Run]
    lines: Sequence[_Lines]
    notes: Mapping[int, tuple[str, Span]]
    """By the place of a mark: the kind of the note, and where its text is."""
    boxes: Mapping[int, Span]
    """By the place of an anchor: where the text of the box is."""
    _cited: dict[str, int] = field(default_factory=lambda: {FOOTNOTE: 0, ENDNOTE: 0})
    _background: str | None = PAPER
    _fields: "_Fields" = field(default_factory=lambda: _Fields())
    _looks: dict[tuple[int, bytes], Properties] = field(default_factory=dict)
    _read: set[Span] = field(default_factory=set)
    """Notes and boxes that were read: each stands in one place."""
    _marks: list[int] = field(default_factory=list)
    """The places of marks of notes, in their order."""
    _within: int = 0
    """How many stories, each in the one before, are being read."""
    _size: int = 0

    def __post_init__(self) -> None:
        self._marks = sorted(self.notes)

    @staticmethod
    def of(file: WordFile) -> "_Reader":
        """The reader of a file; raises what ``WordFile`` does."""
        styles = Styles.of(file.part(doc_file.STYLES))
        layouts: dict[bytes, Layout] = {}
        lines: list[_Lines] = []
        for one in file.paragraphs():
            if one.changes not in layouts:
                own = doc_changes.layout(one.changes[2:], file.data)
                style = int.from_bytes(one.changes[:2], "little")
                layouts[one.changes] = laid_over(styles.layout(style), own)
            style = int.from_bytes(one.changes[:2], "little")
            lines.append(_Lines(one.start, one.end, style, layouts[one.changes]))
        return _Reader(
            file, styles, numbering(file), file.runs(), lines, _notes(file), _boxes(file)
        )

    def body(self) -> Iterator[Piece]:
        """The pieces of the text; boxes that nothing anchors follow it."""
        yield from self._story(self.file.stories["text"])
        for span in self.boxes.values():
            if span not in self._read:
                yield from self._box(span)

    def margins(self) -> Iterator[Sequence[Piece]]:
        """The pieces of each header and footer."""
        first = self.file.stories["headers"][0]
        part = self.file.part(doc_file.HEADERS)
        places = struct.unpack(f"<{len(part) // 4}I", part[: len(part) // 4 * 4])
        for start, end in zip(places[MARGINS_FROM:], places[MARGINS_FROM + 1 :], strict=False):
            if start < end:
                yield [*self._story((first + start, first + end))]
        for _, span in _boxes_in(self.file, "outer boxes", doc_file.OUTER_BOXES):
            yield [*self._box(span)]

    def _story(self, span: Span) -> Iterator[Piece]:
        """The pieces of a part of the text with fields of its own."""
        span = span[0], min(span[1], len(self.file.text))
        self._size += max(0, span[1] - span[0])
        if self._size > MAX_TEXT_CHARACTERS:
            raise too_long()
        if self._within >= MOST_WITHIN:
            return
        outside, self._fields = self._fields, _Fields()
        self._within += 1
        first = bisect_right(self.lines, span[0], key=lambda one: one.end)
        last = bisect_right(self.lines, span[1], key=lambda one: one.end)
        yield from self._pieces(self.lines[first:last], 0)
        self._within -= 1
        self._fields = outside

    def _box(self, span: Span) -> Iterator[Piece]:
        self._read.add(span)
        outside, self._background = self._background, None
        yield from self._story(span)
        self._background = outside

    def _pieces(self, lines: Sequence[_Lines], depth: int) -> Iterator[Piece]:
        """The pieces of paragraphs that stand in so many tables; deeper ones are tables."""
        held: Paragraph | None = None
        at = 0
        while at < len(lines):
            end = at
            while end < len(lines) and lines[end].layout.depth > depth:
                end += 1
            if end > at:
                yield from self._table(lines[at:end], depth + 1)
                at = end
                continue
            paragraph, goes_on = self._paragraph(lines[at], held)
            held = paragraph if goes_on or lines[at].layout.is_initial else None
            if held is None:
                yield from self._finished(lines[at], paragraph)
            at += 1

    def _finished(self, line: _Lines, found: Paragraph) -> Iterator[Piece]:
        name = self.styles.name(line.style)
        if found.text and not CONTENTS.match(name):
            level = heading_level(name)
            outline = line.layout.outline
            if not level and 0 <= outline < MAX_HEADING:
                level = outline + 1
            yield from found.pieces(name, self._label(line.layout), level)
        for mark, span in found.notes:
            said = " ".join(piece.text for piece in self._story(span) if piece.text)
            yield Piece(NOTE, f"{mark} {said}" if mark else said)
        for span in found.boxes:
            yield from self._box(span)

    def _label(self, layout: Layout) -> str:
        return self.numbering.label(str(layout.list), max(0, layout.level))

    def _paragraph(self, line: _Lines, before: Paragraph | None) -> tuple[Paragraph, bool]:
        """What a paragraph says, and whether its end was deleted, so that it goes on."""
        found = before or Paragraph(line.style, self._background)
        if len(line.layout.ground) == len(PAPER):
            found.background = line.layout.ground
        first = bisect_right(self.runs, line.start, key=lambda one: one.end)
        looks: Properties = {}
        for number in range(first, len(self.runs)):
            run = self.runs[number]
            if run.start >= line.end:
                break
            looks = self._looks_of(run, line.style)
            start, end = max(run.start, line.start), min(run.end, line.end)
            self._run(start, end, looks, found)
        return found, looks.get("deleted") == "1"

    def _looks_of(self, run: Run, style: int) -> Properties:
        key = style, run.changes
        if key not in self._looks:
            own = doc_changes.looks(run.changes)
            print_style = self.styles.looks(int(own["style"])) if "style" in own else {}
            outer = doc_changes.over(self.styles.looks(style), print_style)
            self._looks[key] = doc_changes.over(outer, own)
        return self._looks[key]

    def _run(self, start: int, end: int, looks: Properties, found: Paragraph) -> None:
        unseen = looks.get("deleted") == "1" or is_hidden(looks, found.background)
        for part in PARTS.finditer(self.file.text, start, end):
            if part[0] in FIELD_SIGNS:
                self._fields.take(part[0])
            elif self._fields.hide(part[0]) or unseen:
                continue
            elif looks.get("special") == "1":
                for at in range(part.start(), part.end()):
                    self._special(at, looks, found)
            else:
                first = bisect_left(self._marks, part.start())
                for at in self._marks[first : bisect_left(self._marks, part.end())]:
                    self._cite(at, found)
                said = part[0].translate(WHITE).encode("utf-16-le", "surrogatepass")
                found.take(said.decode("utf-16-le", "replace"), looks)

    def _special(self, at: int, looks: Properties, found: Paragraph) -> None:
        """A sign that stands for something else."""
        sign = self.file.text[at]
        box = self.boxes.get(at)
        if at in self.notes:
            self._cite(at, found)
        elif box is not None and box not in self._read:
            self._read.add(box)
            found.boxes.append(box)
        elif sign == SYMBOL and "sign" in looks:
            found.take(SIGNS.get(looks["sign"], ""), looks)
        else:
            found.take(sign.translate(WHITE), looks)

    def _cite(self, at: int, found: Paragraph) -> None:
        """A note; one with a mark of its own begins with that."""
        kind, span = self.notes[at]
        if span in self._read:
            return
        self._read.add(span)
        if self.file.text[at] != NOTE_MARK:
            found.notes.append(("", span))
            return
        self._cited[kind] += 1
        found.cite(kind, self._cited[kind], span)

    def _table(self, lines: Sequence[_Lines], depth: int) -> Iterator[Piece]:
        """The rows of a table, whose paragraphs stand in so many tables."""
        edges = _edges(lines, depth)
        rows, cells, begun = Rows(), list[Sequence[_Lines]](), list[_Lines]()
        is_first = True
        for line in lines:
            here = line.layout.depth == depth
            mark = self.file.text[line.end - 1]
            if here and line.layout.ends_row:
                is_header = line.layout.is_header or (is_first and line.layout.has_header)
                if not self._is_deleted(line):
                    yield from rows.take(self._cells(cells, line.layout, edges, depth), is_header)
                cells, begun, is_first = [], [], False
                continue
            begun.append(line)
            if here and (line.layout.ends_cell or (depth == 1 and mark == CELL_END)):
                cells.append(begun)
                begun = []
        for rest in (*cells, begun):
            yield from self._pieces([one for one in rest if one.layout.depth <= depth], depth)
        yield Piece(END, "")

    def _is_deleted(self, row: _Lines) -> bool:
        at = bisect_right(self.runs, row.end - 1, key=lambda one: one.end)
        looks = self._looks_of(self.runs[at], row.style) if at < len(self.runs) else {}
        return looks.get("deleted") == "1"

    def _cells(
        self, cells: Sequence[Sequence[_Lines]], row: Layout, edges: Sequence[int], depth: int
    ) -> Iterator[Cell]:
        for number, lines in enumerate(cells):
            stated = row.cells[number] if number < len(row.cells) else doc_changes.Cell(0, 0)
            if stated.goes_across and number:
                continue
            right = stated.right
            for after in row.cells[number + 1 :]:
                if not after.goes_across:
                    break
                right = after.right
            spans = _place(edges, right) - _place(edges, stated.left)
            outside = self._background
            if len(stated.ground) == len(PAPER):
                self._background = stated.ground
            pieces = [*self._pieces(lines, depth)]
            self._background = outside
            yield Cell(pieces, max(1, spans), stated.goes_down)


def _edges(lines: Sequence[_Lines], depth: int) -> list[int]:
    """The edges of a table's columns, from left to right."""
    stated = {
        edge
        for line in lines
        if line.layout.depth == depth and line.layout.ends_row
        for cell in line.layout.cells
        for edge in (cell.left, cell.right)
    }
    found: list[int] = []
    for edge in sorted(stated):
        if not found or edge - found[-1] > NEAR:
            found.append(edge)
    return found


def _place(edges: Sequence[int], edge: int) -> int:
    return bisect_right(edges, edge)


def _notes(file: WordFile) -> dict[int, tuple[str, Span]]:
    found: dict[int, tuple[str, Span]] = {}
    for kind, marks, texts in (
        (FOOTNOTE, doc_file.FOOTNOTE_MARKS, doc_file.FOOTNOTES),
        (ENDNOTE, doc_file.ENDNOTE_MARKS, doc_file.ENDNOTES),
    ):
        first = file.stories[f"{kind}s"][0]
        places = positions(file.part(marks), 2)[0][:-1]
        spans = positions(file.part(texts), 0)[0]
        for place, start, end in zip(places, spans, spans[1:], strict=False):
            found[place] = kind, (first + start, first + end)
    return found


def _boxes(file: WordFile) -> dict[int, Span]:
    """The texts of boxes by their anchors; those that have none by numbers below zero."""
    anchors = {}
    places, kept = positions(file.part(doc_file.ANCHORS), 26)
    for place, one in zip(places, kept, strict=False):
        anchors[one[:4]] = place
    found = {}
    for number, (shape, span) in enumerate(_boxes_in(file, "boxes", doc_file.BOXES)):
        found[anchors.get(shape, -1 - number)] = span
    return found


def _boxes_in(file: WordFile, story: str, part: int) -> Iterator[tuple[bytes, Span]]:
    """The boxes of a story: what their shapes are called, and where their texts are."""
    first = file.stories[story][0]
    places, kept = positions(file.part(part), 22)
    for number, one in enumerate(kept):
        span = first + places[number], first + places[number + 1]
        if span[0] < span[1] and one[14:18] != bytes(4):
            yield one[14:18], span
