"""Word documents, in the state a reader sees: insertions accepted, deletions gone."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from ingestion.formats.document import Read
from ingestion.formats.docx_numbers import BULLET, Numbering
from ingestion.formats.docx_styles import Styles, W, is_doubtful, is_hidden, value, w
from ingestion.formats.equations import M, from_omml
from ingestion.formats.limits import corrupt
from ingestion.formats.numerals import numeral
from ingestion.formats.ooxml import RELATION_ID, Package
from ingestion.formats.pieces import (
    LIST,
    MAX_HEADING,
    TERM,
    TOLD,
    Piece,
    is_question,
    joined,
    kind_of,
    with_questions,
)
from ingestion.formats.tables import Table
from ingestion.formats.text import lowered, raised
from ingestion.formats.titles import is_garbage_title

COMPATIBILITY = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
# Deleted and moved-away text is still in the file; Fallback repeats what Choice already says.
DROPPED = frozenset(
    [f"{W}{tag}" for tag in ("del", "moveFrom", "pPr", "rPr", "instrText", "tblPr", "sdtPr")]
    + [f"{W}{tag}" for tag in ("delText", "footnoteRef", "endnoteRef", "separator")]
    + [f"{COMPATIBILITY}Fallback"]
)
WHITE = {f"{W}tab": " ", f"{W}ptab": " ", f"{W}br": "\n", f"{W}cr": "\n", f"{W}noBreakHyphen": "-"}
WRAPPERS = frozenset(
    f"{W}{tag}" for tag in ("sdt", "sdtContent", "customXml", "smartTag", "ins", "moveTo")
)
SIGNS = {"F0FE": "☒", "F0FD": "☒", "F0A8": "☐", "F06F": "☐", "F0FC": "✓", "F0E0": "→", "F0B7": "•"}
"""What the symbol fonts of Word show for their private characters."""
PAGE_FIELD = re.compile(r"\s*(?:PAGE|NUMPAGES|SECTIONPAGES|PAGEREF)\b", re.IGNORECASE)
CONTENTS = re.compile(r"(?:toc|table of figures)\b", re.IGNORECASE)
DOUBT = "It is white, on a ground that is not known."
PAPER = "FFFFFF"


def read(data: bytes) -> Read:
    """The body in reading order, then what stands in headers and footers."""
    package = Package.open(data)
    main = package.main()
    body = package.xml(main).find(f"{W}body")
    if body is None:
        raise corrupt()
    reader = _Reader(
        Styles.of(package.related(main, "styles")),
        Numbering.of(package.related(main, "numbering")),
        {kind: _notes(package.related(main, f"{kind}s")) for kind in ("footnote", "endnote")},
    )
    blocks = [*with_questions([*reader.blocks(body)]), *_margins(package, main, body, reader)]
    stated = package.title()
    stated = "" if is_garbage_title(stated) else stated
    titles = [block.text for block in blocks if block.kind == "Title"]
    headings = [block.text for block in blocks if block.level and not block.asks]
    title = [*titles[:1], *filter(None, [stated]), *headings[:1], ""][0]
    return Read(title, list(joined(blocks)))


def _notes(root: Any | None) -> dict[str, Any]:
    if root is None:
        return {}
    plain = (one for one in root if one.get(f"{W}type") in (None, "normal"))
    return {one.get(f"{W}id") or "": one for one in plain}


def _margins(package: Package, main: str, body: Any, reader: "_Reader") -> list[Piece]:
    """What headers and footers say, each once."""
    relations = package.relations(main)
    found: dict[str, Piece] = {}
    for tag in ("headerReference", "footerReference"):
        for one in body.iter(f"{W}{tag}"):
            relation = relations.get(one.get(RELATION_ID) or "")
            if relation is None or relation.target not in package.archive.NameToInfo:
                continue
            lines = [p.text for p in reader.blocks(package.xml(relation.target)) if p.text]
            text = "\n".join(lines)
            if len(re.findall(r"[^\W\d_]{2,}", text)) > 1:
                found.setdefault(text, Piece("Margin", text))
    return list(found.values())


def children(parent: Any, *tags: str) -> Iterator[Any]:
    """The children with one of these tags, also those that stand in controls and the like."""
    stack = list(reversed(parent))
    while stack:
        node = stack.pop()
        if node.tag in tags:
            yield node
        elif node.tag in WRAPPERS:
            stack.extend(reversed(node))


@dataclass
class _Paragraph:
    """What was found in one paragraph so far."""

    style: str
    background: str | None = PAPER
    parts: list[str] = field(default_factory=list)
    boxes: list[Any] = field(default_factory=list)
    notes: list[tuple[str, Any]] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)
    """The instructions of open fields; "=" is put before one whose result has begun."""
    doubt: str = ""
    is_bold: bool = True
    """Whether all of its print so far is."""
    question: str = ""
    """A line in bold that begins it, and asks."""

    def takes(self, text: str) -> None:
        """Before more text is added: what stands there may be a question on its own line."""
        breaks = text.startswith("\n") or (self.parts and self.parts[-1].endswith("\n"))
        if breaks and self.is_bold and not self.question:
            said = "".join(self.parts).strip()
            if is_question(said):
                self.question, self.parts = said, []

    @property
    def in_page_field(self) -> bool:
        return any(one[:1] == "=" and PAGE_FIELD.match(one[1:]) for one in self.fields)


@dataclass
class _Reader:
    styles: Styles
    numbering: Numbering
    notes: dict[str, dict[str, Any]]
    _cited: dict[str, int] = field(default_factory=lambda: {"footnote": 0, "endnote": 0})
    _background: str | None = PAPER
    """The ground of the cell or box that is read; None where it is not known."""
    _table_depth: int = 0

    def blocks(self, parent: Any) -> Iterator[Piece]:
        """The pieces of a body, cell, box or note, in reading order."""
        held: _Paragraph | None = None
        for child in children(parent, f"{W}p", f"{W}tbl"):
            if child.tag == f"{W}tbl":
                yield from self._table(child)
                continue
            paragraph = self._paragraph(child, held)
            held = paragraph if child.find(w("pPr/rPr/del")) is not None else None
            if held is None:
                yield from self._finished(child, paragraph)

    def _finished(self, node: Any, found: _Paragraph) -> Iterator[Piece]:
        text = re.sub(r" {2,}", " ", "".join(found.parts)).strip()
        name = self.styles.name(found.style)
        if text and not CONTENTS.match(name):
            label = self._label(node, found.style)
            kind = kind_of(name)
            level = self._level(node, found.style, name)
            listed = name.startswith("List") and kind not in (TERM, TOLD)
            if label == BULLET or (not label and listed):
                label = BULLET if not level else ""
            kind = LIST if label and not level else kind
            asks = found.is_bold and not (label or level) and is_question(text)
            if found.question and not (label or level):
                yield Piece(kind, found.question, asks=True)
            elif found.question:
                text = f"{found.question}\n{text}"
            yield Piece(kind, f"{label} {text}" if label else text, level, found.doubt, asks)
        for mark, note in found.notes:
            said = " ".join(piece.text for piece in self.blocks(note) if piece.text)
            yield Piece("Note", f"{mark} {said}")
        for box in found.boxes:
            outside, self._background = self._background, None
            yield from self.blocks(box)
            self._background = outside

    def _label(self, node: Any, style: str) -> str:
        own = node.find(w("pPr/numPr"))
        from_style = self.styles.paragraph_value(style, "numPr")
        num_id = "" if own is None else value(own, "numId")
        num_id = num_id or ("" if from_style is None else value(from_style, "numId"))
        if not num_id or num_id == "0":
            return ""
        stated = "" if own is None else value(own, "ilvl")
        stated = stated or ("" if from_style is None else value(from_style, "ilvl"))
        at = int(stated) if stated.isdigit() else self.numbering.level_of_style(num_id, style)
        return self.numbering.label(num_id, at)

    def _level(self, node: Any, style: str, name: str) -> int:
        found = re.fullmatch(r"heading (\d)", name, re.IGNORECASE)
        if found:
            return min(int(found[1]), MAX_HEADING)
        if name.lower() == "title":
            return 1
        own = node.find(w("pPr/outlineLvl"))
        outline = own if own is not None else self.styles.paragraph_value(style, "outlineLvl")
        stated = "" if outline is None else outline.get(f"{W}val") or ""
        return int(stated) + 1 if stated.isdigit() and int(stated) < MAX_HEADING else 0

    def _paragraph(self, node: Any, before: _Paragraph | None) -> _Paragraph:
        found = before or _Paragraph(value(node, "pPr/pStyle"), self._background)
        shade = node.find(w("pPr/shd"))
        if shade is None:
            shade = self.styles.paragraph_value(found.style, "shd")
        fill = "" if shade is None else shade.get(f"{W}fill") or ""
        if len(fill) == 6:
            found.background = fill
        stack = [node]
        while stack:
            one = stack.pop()
            if one.tag == f"{W}r":
                self._run(one, found)
            elif one.tag == f"{M}oMath":
                found.parts.append(f" {from_omml(one)} ")
            elif one.tag == f"{W}fldSimple" and PAGE_FIELD.match(one.get(f"{W}instr") or ""):
                continue
            elif one.tag not in DROPPED:
                if one.tag == f"{W}p" and one is not node and found.parts:
                    found.parts.append("\n")
                stack.extend(reversed(one))
        return found

    def _run(self, run: Any, found: _Paragraph) -> None:
        looks = self.styles.run(run, found.style)
        hidden = is_hidden(looks, found.background)
        mark: list[str] = []
        stack = list(reversed(run))
        while stack:
            node = stack.pop()
            tag = node.tag
            if tag == f"{W}fldChar" or tag == f"{W}instrText":
                _field(node, found.fields)
            elif hidden or found.in_page_field or tag in DROPPED:
                continue
            elif tag == f"{W}txbxContent":
                found.boxes.append(node)
            elif tag in (f"{W}footnoteReference", f"{W}endnoteReference"):
                self._cite(node, found)
            elif (text := _text(node)) is not None:
                mark.append(text)
            elif not _is_unseen_shape(node):
                stack.extend(reversed(node))
        text = "".join(mark)
        if text and found.background is None and is_doubtful(looks):
            found.doubt = DOUBT
        found.takes(text)
        if text.strip():
            found.is_bold = found.is_bold and looks.get("b") == "1"
        found.parts.append(_placed(text, looks, found.parts))

    def _cite(self, node: Any, found: _Paragraph) -> None:
        kind = "footnote" if node.tag == f"{W}footnoteReference" else "endnote"
        note = self.notes[kind].get(node.get(f"{W}id") or "")
        if note is None:
            return
        self._cited[kind] += 1
        number = numeral(self._cited[kind], "decimal" if kind == "footnote" else "lower-roman")
        mark = raised(number, "") if kind == "footnote" else f"[{number}]"
        found.parts.append(mark if kind == "footnote" else f" {mark}")
        found.notes.append((mark, note))

    def _table(self, table: Any) -> Iterator[Piece]:
        rows = Table()
        above: dict[int, str] = {}
        dark = self._has_dark_style(table)
        for number, row in enumerate(children(table, f"{W}tr")):
            properties = row.find(f"{W}trPr")
            if properties is not None and (
                properties.find(f"{W}del") is not None or properties.find(f"{W}hidden") is not None
            ):
                continue
            is_header = properties is not None and properties.find(f"{W}tblHeader") is not None
            rows.open_row(in_head=is_header or (number == 0 and _first_row_is_header(table)))
            yield from self._row(row, rows, above, dark)
        yield Piece("End", "")

    def _row(self, row: Any, rows: Table, above: dict[int, str], dark: bool) -> Iterator[Piece]:
        column, after, doubt = 0, [], ""
        for cell in children(row, f"{W}tc"):
            span = int(value(cell, "tcPr/gridSpan") or "1") if _plain(cell) else 1
            pieces = [piece for piece in self._cell(cell, dark) if piece.text]
            after += [piece for piece in pieces if piece.kind == "Note"]
            text = _cell_text([piece for piece in pieces if piece.kind != "Note"])
            merged = cell.find(w("tcPr/vMerge"))
            if merged is not None and merged.get(f"{W}val", "continue") == "continue":
                text = above.get(column, "")
            doubt = doubt or next((piece.doubt for piece in pieces if piece.doubt), "")
            rows.open_cell(span, 1, is_header=False)
            rows.write(text, space=False)
            rows.close_cell()
            above[column] = text
            column += max(1, span)
        for line, breaks in rows.close_row():
            if breaks > 1:
                yield Piece("End", "")
            yield Piece("Row", line, doubt=doubt)
        yield from after

    def _cell(self, cell: Any, dark: bool) -> list[Piece]:
        shade = cell.find(w("tcPr/shd"))
        fill = "" if shade is None else shade.get(f"{W}fill") or ""
        outside = self._background
        self._background = fill if len(fill) == 6 else "" if dark else outside
        found = list(self.blocks(cell))
        self._background = outside
        return found

    def _has_dark_style(self, table: Any) -> bool:
        """Whether the table's style shades rows: white print may be meant for these."""
        for style in self.styles.chain(value(table, "tblPr/tblStyle")):
            if any((one.get(f"{W}fill") or "auto") != "auto" for one in style.node.iter(f"{W}shd")):
                return True
        return False


def _plain(cell: Any) -> bool:
    return bool(re.fullmatch(r"\d{0,3}", value(cell, "tcPr/gridSpan")))


def _first_row_is_header(table: Any) -> bool:
    look = table.find(w("tblPr/tblLook"))
    if look is None:
        return False
    flag = look.get(f"{W}firstRow")
    if flag is not None:
        return flag in ("1", "true", "on")
    stated = look.get(f"{W}val") or "0"
    return re.fullmatch(r"[0-9A-Fa-f]{1,4}", stated) is not None and bool(int(stated, 16) & 0x20)


def _text(node: Any) -> str | None:
    """The text of a leaf of a run; None for what is no text."""
    tag = node.tag
    if tag == f"{W}t":
        return node.text or ""
    if tag in WHITE:
        return WHITE[tag]
    if tag == f"{M}t":
        return node.text or ""
    if tag == f"{W}sym":
        code = (node.get(f"{W}char") or "").upper()
        return SIGNS.get(code, "")
    return None


def _is_unseen_shape(node: Any) -> bool:
    """A drawing that is switched off."""
    if not isinstance(node.tag, str):
        return True
    if any(one.tag.endswith("}docPr") and one.get("hidden") in ("1", "true") for one in node):
        return True
    return "visibility:hidden" in (node.get("style") or "").replace(" ", "")


def _field(node: Any, fields: list[str]) -> None:
    kind = node.get(f"{W}fldCharType")
    if node.tag == f"{W}instrText":
        if fields and fields[-1][:1] != "=":
            fields[-1] += node.text or ""
    elif kind == "begin":
        fields.append("")
    elif kind == "separate" and fields:
        fields[-1] = "=" + fields[-1]
    elif kind == "end" and fields:
        fields.pop()


def _placed(text: str, looks: dict[str, str], parts: list[str]) -> str:
    """Text of a run, set apart when it is raised or lowered."""
    place = looks.get("vertAlign", "")
    shift = looks.get("position", "0")
    if place not in ("superscript", "subscript") and shift.lstrip("-").isdigit():
        place = "superscript" if int(shift) >= 4 else "subscript" if int(shift) <= -4 else ""
    if not text.strip() or place not in ("superscript", "subscript") or len(text) > 40:
        return text
    before = next((part for part in reversed(parts) if part), "")
    mark = raised(text, before) if place == "superscript" else lowered(text, before)
    return f"{mark} " if text[-1:].isspace() else mark


def _cell_text(pieces: Sequence[Piece]) -> str:
    """What a cell says on one line; rows of a table within it are parted by semicolons."""
    said = [
        piece.text.replace(" | ", " ") + ";" * (piece.kind == after.kind == "Row")
        if piece.kind == "Row"
        else piece.text
        for piece, after in zip_longest(pieces, pieces[1:], fillvalue=Piece("End", ""))
    ]
    return " ".join(" ".join(said).split())
