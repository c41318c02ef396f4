"""Word documents, in the state a reader sees: insertions accepted, deletions gone."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ingestion.formats.document import Read
from ingestion.formats.docx_numbers import Numbering
from ingestion.formats.docx_styles import OFF, Styles, W, is_hidden, value, w
from ingestion.formats.equations import M, from_omml
from ingestion.formats.limits import corrupt
from ingestion.formats.ooxml import RELATION_ID, Package
from ingestion.formats.pieces import END, MAX_HEADING, NOTE, Piece, joined, with_questions
from ingestion.formats.symbol_fonts import USUAL_FONT, printed
from ingestion.formats.titles import is_garbage_title
from ingestion.formats.word import (
    CONTENTS,
    ENDNOTE,
    FOOTNOTE,
    PAGE_FIELD,
    PAPER,
    Cell,
    Paragraph,
    Rows,
    heading_level,
    is_in_page_field,
    margins,
    title_of,
)

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
        {kind: _notes(package.related(main, f"{kind}s")) for kind in (FOOTNOTE, ENDNOTE)},
    )
    texts = _margins(package, main, body, reader)
    pieces = [*with_questions([*reader.blocks(body)]), *margins(texts)]
    stated = package.title()
    title = title_of(pieces, "" if is_garbage_title(stated) else stated)
    return Read(title, list(joined(pieces)))


def _notes(root: Any | None) -> dict[str, Any]:
    if root is None:
        return {}
    plain = (one for one in root if one.get(f"{W}type") in (None, "normal"))
    return {one.get(f"{W}id") or "": one for one in plain}


def _margins(
    package: Package, main: str, body: Any, reader: "_Reader"
) -> Iterator[Sequence[Piece]]:
    """The pieces of each header and footer."""
    relations = package.relations(main)
    for tag in ("headerReference", "footerReference"):
        for one in body.iter(f"{W}{tag}"):
            relation = relations.get(one.get(RELATION_ID) or "")
            if relation is not None and relation.target in package.archive.NameToInfo:
                yield [*reader.blocks(package.xml(relation.target))]


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
class _Paragraph(Paragraph):
    """A paragraph, and its open fields."""

    fields: list[str] = field(default_factory=list)
    """Their instructions; "=" is put before one whose result has begun."""


@dataclass
class _Reader:
    styles: Styles
    numbering: Numbering
    notes: dict[str, dict[str, Any]]
    _cited: dict[str, int] = field(default_factory=lambda: {FOOTNOTE: 0, ENDNOTE: 0})
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
            frame = child.find(w("pPr/framePr"))
            # The mark at its end was deleted, or it is the large first letter of the next one.
            goes_on = child.find(w("pPr/rPr/del")) is not None or _is_initial(frame)
            held = paragraph if goes_on else None
            if held is None:
                yield from self._finished(child, paragraph)

    def _finished(self, node: Any, found: _Paragraph) -> Iterator[Piece]:
        name = self.styles.name(found.style)
        if found.text and not CONTENTS.match(name):
            label = self._label(node, found.style)
            yield from found.pieces(name, label, self._level(node, found.style, name))
        for mark, note in found.notes:
            said = " ".join(piece.text for piece in self.blocks(note) if piece.text)
            yield Piece(NOTE, f"{mark} {said}")
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
        if level := heading_level(name):
            return level
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
                if not hidden:
                    mark.append(_box(node))
            elif hidden or is_in_page_field(found.fields) or tag in DROPPED:
                continue
            elif tag == f"{W}txbxContent":
                found.boxes.append(node)
            elif tag in (f"{W}footnoteReference", f"{W}endnoteReference"):
                self._cite(node, found)
            elif tag == f"{W}sym":
                mark.append(_sign(node))
            elif (text := _text(node)) is not None:
                mark.append(printed(text, looks.get("font", "")))
            elif not _is_unseen_shape(node):
                stack.extend(reversed(node))
        found.take("".join(mark), looks)

    def _cite(self, node: Any, found: _Paragraph) -> None:
        kind = FOOTNOTE if node.tag == f"{W}footnoteReference" else ENDNOTE
        note = self.notes[kind].get(node.get(f"{W}id") or "")
        if note is None:
            return
        self._cited[kind] += 1
        found.cite(kind, self._cited[kind], note)

    def _table(self, table: Any) -> Iterator[Piece]:
        rows = Rows()
        dark = self._has_dark_style(table)
        for number, row in enumerate(children(table, f"{W}tr")):
            properties = row.find(f"{W}trPr")
            if properties is not None and (
                properties.find(f"{W}del") is not None or properties.find(f"{W}hidden") is not None
            ):
                continue
            is_header = properties is not None and properties.find(f"{W}tblHeader") is not None
            in_head = is_header or (number == 0 and _first_row_is_header(table))
            yield from rows.take(self._cells(row, dark), in_head)
        yield Piece(END, "")

    def _cells(self, row: Any, dark: bool) -> Iterator[Cell]:
        for cell in children(row, f"{W}tc"):
            span = int(value(cell, "tcPr/gridSpan") or "1") if _plain(cell) else 1
            merged = cell.find(w("tcPr/vMerge"))
            goes_on = merged is not None and merged.get(f"{W}val", "continue") == "continue"
            yield Cell(self._cell(cell, dark), span, goes_on)

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


def _is_initial(frame: Any | None) -> bool:
    return frame is not None and frame.get(f"{W}dropCap", "none") != "none"


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
    return None


def _sign(node: Any) -> str:
    """What a character of a font shows that is named with it."""
    code = node.get(f"{W}char") or ""
    font = node.get(f"{W}font") or USUAL_FONT
    return printed(chr(int(code, 16)), font) if re.fullmatch("[0-9A-Fa-f]{1,4}", code) else ""


def _box(node: Any) -> str:
    """The box of an old form that a field draws; empty for other fields."""
    box = node.find(w("ffData/checkBox"))
    if box is None:
        return ""
    stated = box.find(f"{W}checked")
    stated = box.find(f"{W}default") if stated is None else stated
    return "☐" if stated is None or stated.get(f"{W}val", "1") in OFF else "☒"


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
