"""OpenDocument texts: headings, paragraphs, lists, tables and notes in reading order."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ingestion.formats.document import Read
from ingestion.formats.limits import corrupt
from ingestion.formats.odf_styles import OFFICE, Look, Styles, T, label, start_of, whole
from ingestion.formats.ooxml import Package
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
    joined,
    kind_of,
    with_questions,
)
from ingestion.formats.tables import Table, cell_text
from ingestion.formats.text import lowered, raised
from ingestion.formats.titles import is_garbage_title

TAB = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
DC_TITLE = "{http://purl.org/dc/elements/1.1/}title"
UNSEEN = frozenset(
    f"{T}{tag}" for tag in ("tracked-changes", "hidden-text", "hidden-paragraph", "sequence-decls")
) | {f"{OFFICE}annotation", f"{OFFICE}annotation-end", f"{OFFICE}forms"}
WHITE = {f"{T}tab": " ", f"{T}line-break": "\n"}
MAX_INDENT, MOST_BLANKS = 8, 100


def read(data: bytes) -> Read:
    """The body in reading order, changes accepted; notes follow the paragraph that cites them."""
    package, body = opened(data, "text")
    pieces = [*with_questions([*Body(Styles.of(package)).pieces(body)])]
    headings = [piece.text for piece in pieces if piece.level and not piece.asks]
    return Read(title_of(package) or next(iter(headings), ""), list(joined(pieces)))


def opened(data: bytes, kind: str) -> tuple[Package, Any]:
    """The package, and the body of a document of this kind; raises ``DocumentRefused``."""
    package = Package.open(data)
    body = package.xml("content.xml").find(f"{OFFICE}body/{OFFICE}{kind}")
    if body is None:
        raise corrupt()
    return package, body


def title_of(package: Package) -> str:
    """What the properties of the document say."""
    if "meta.xml" not in package.archive.NameToInfo:
        return ""
    found = package.xml("meta.xml").find(f".//{DC_TITLE}")
    stated = "" if found is None else found.text or ""
    return "" if is_garbage_title(stated) else stated


@dataclass
class _Said:
    """What a paragraph shows so far."""

    parts: list[str] = field(default_factory=list)
    notes: list[Piece] = field(default_factory=list)
    is_bold: bool = True
    question: str = ""
    """A line in bold that begins it, and asks."""

    def add(self, text: str, look: Look) -> None:
        """More text; line breaks are parts of their own."""
        if not text or look.unseen:
            return
        if text == "\n" and self.is_bold and not self.question:
            said = "".join(self.parts).strip()
            if is_question(said):
                self.question, self.parts = said, []
                return
        if text.strip():
            self.is_bold = self.is_bold and look.bold
        self.parts.append(text)


@dataclass
class Body:
    """Reads what stands below a node; lists go on counting where they say so."""

    styles: Styles
    _counts: dict[tuple[str, int], int] = field(default_factory=dict)
    """The number of the last item, by the list's name and level."""

    def pieces(
        self, parent: Any, bullet: str = "", numbers: tuple[int, ...] = ()
    ) -> Iterator[Piece]:
        """The pieces below ``parent``; ``bullet`` stands before the first one of a list item, which
        has these numbers in the lists that it is in."""
        for node in parent:
            if node.tag in UNSEEN or node.get(f"{T}display") == "none":
                continue
            if node.tag in (f"{T}p", f"{T}h"):
                yield from self._paragraph(node, bullet)
                bullet = ""
            elif node.tag == f"{T}list":
                yield from self._list(node, "", numbers)
            elif node.tag == f"{TAB}table":
                yield from self.table(node)
            elif isinstance(node.tag, str):
                yield from self.pieces(node, bullet, numbers)

    def _list(self, node: Any, name: str, numbers: tuple[int, ...]) -> Iterator[Piece]:
        name = node.get(f"{T}style-name") or name or self._named_within(node)
        depth = len(numbers) + 1
        level = self.styles.level(name, depth)
        goes_on = node.get(f"{T}continue-numbering") == "true" or node.get(f"{T}continue-list")
        number = self._counts.get((name, depth), 0) if goes_on else start_of(level) - 1
        indent = "  " * min(depth - 1, MAX_INDENT)
        for item in node.iterchildren(f"{T}list-item", f"{T}list-header"):
            own = ""
            if item.tag == f"{T}list-item":
                number = whole(item.get(f"{T}start-value"), number + 1)
                mark = label([*numbers, number], level)
                own = f"{indent}{mark} " if mark and not _is_only_list(item) else ""
            for piece in self._item(item, own, name, (*numbers, number)):
                yield (
                    piece if piece.level or piece.kind in (ROW, END) else replace(piece, kind=LIST)
                )
        self._counts[name, depth] = number

    def _item(self, item: Any, mark: str, name: str, numbers: tuple[int, ...]) -> Iterator[Piece]:
        for node in item:
            if node.tag == f"{T}list":
                yield from self._list(node, name, numbers)
            else:
                yield from self.pieces([node], mark, numbers)
                mark = ""

    def _named_within(self, node: Any) -> str:
        """The list that the style of its first paragraph names."""
        first = next(node.iter(f"{T}p"), None)
        return "" if first is None else self.styles.of_list(first.get(f"{T}style-name") or "")

    def _paragraph(self, node: Any, bullet: str) -> Iterator[Piece]:
        style = node.get(f"{T}style-name") or ""
        look, said = self.styles.look("paragraph", style), _Said()
        self._say(node, look, said)
        text = "".join(said.parts).strip()
        stated = node.get(f"{T}outline-level") or "1"
        level = min(int(stated), MAX_HEADING) if stated.isdecimal() else 1
        kinds = [kind_of(one) for one in self.styles.names(style)]
        kind = next((one for one in kinds if one in (TERM, TOLD)), "Text")
        level = level if node.tag == f"{T}h" else 1 if "Title" in kinds else 0
        plain = not bullet and not level
        if said.question:
            yield Piece(kind, f"{bullet}{said.question}", level, asks=plain)
        if text:
            first = "" if said.question else bullet
            asks = plain and said.is_bold and not said.question and is_question(text)
            yield Piece(kind, f"{first}{text}", 0 if said.question else level, asks=asks)
        yield from said.notes

    def of_cell(self, cell: Any) -> str:
        """What a cell of a sheet shows, on one line: without comments and drawings."""
        look = self.styles.look("table-cell", cell.get(f"{TAB}style-name") or "")
        said = _Said()
        for paragraph in cell.iterchildren(f"{T}p"):
            said.add(" ", look)
            self._say(paragraph, look, said)
        return cell_text("".join(said.parts))

    def _say(self, node: Any, look: Look, said: _Said) -> None:
        """Adds what an element shows; lxml bounds how deep they nest."""
        said.add(node.text or "", look)
        for child in node:
            if isinstance(child.tag, str) and child.tag not in UNSEEN:
                self._say_child(child, look, said)
            said.add(child.tail or "", look)

    def _say_child(self, child: Any, look: Look, said: _Said) -> None:
        if child.tag == f"{T}note":
            self._cite(child, said)
        elif child.tag == f"{T}s":
            said.add(" " * min(whole(child.get(f"{T}c"), 1), MOST_BLANKS), look)
        elif child.tag in WHITE:
            said.add(WHITE[child.tag], look)
        elif child.tag == f"{T}span":
            own = self._over(look, self.styles.look("text", child.get(f"{T}style-name") or ""))
            if own.mark:
                inner = _Said()
                self._say(child, replace(own, mark=""), inner)
                place = raised if own.mark == "sup" else lowered
                said.add(place("".join(inner.parts), "".join(said.parts[-1:])), own)
            else:
                self._say(child, own, said)
        elif child.get(f"{T}display") != "none":
            self._say(child, look, said)

    def _over(self, outer: Look, own: Look) -> Look:
        return Look(outer.bold or own.bold, outer.unseen or own.unseen, own.mark)

    def _cite(self, note: Any, said: _Said) -> None:
        cited = note.find(f"{T}note-citation")
        body = note.find(f"{T}note-body")
        mark = raised("" if cited is None else cited.text or "", "".join(said.parts[-1:]))
        said.parts.append(mark)
        if body is not None:
            text = " ".join(piece.text for piece in self.pieces(body))
            said.notes.append(Piece(NOTE, f"{mark} {text}"))

    def table(self, table: Any) -> Iterator[Piece]:
        """The rows of a table; notes that its cells cite follow it."""
        rows, notes = Table(), list[Piece]()
        for row in table.iter(f"{TAB}table-row"):
            rows.open_row(in_head=row.getparent().tag == f"{TAB}table-header-rows")
            for cell in row.iterchildren(f"{TAB}table-cell"):
                rows.open_cell(_span(cell, "columns"), _span(cell, "rows"), is_header=False)
                found = [*self.pieces(cell)]
                notes += [piece for piece in found if piece.kind == NOTE]
                rows.write(" ".join(p.text for p in found if p.kind != NOTE), space=False)
                rows.close_cell()
            for line, breaks in rows.close_row():
                yield from [Piece(END, "")] * (breaks > 1)
                yield Piece(ROW, line)
        yield from notes
        yield Piece(END, "")


def _is_only_list(item: Any) -> bool:
    """Whether an item holds nothing but a list within it, as where a level is left out."""
    return [node.tag for node in item] == [f"{T}list"]


def _span(cell: Any, name: str) -> int:
    return min(whole(cell.get(f"{TAB}number-{name}-spanned"), 1), 999)
