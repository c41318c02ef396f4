"""OpenDocument texts: headings, paragraphs, lists, tables and notes in reading order."""

from collections.abc import Iterator
from typing import Any

from ingestion.formats.document import Block, Read
from ingestion.formats.limits import corrupt
from ingestion.formats.ooxml import Package
from ingestion.formats.tables import Table
from ingestion.formats.text import raised
from ingestion.formats.titles import is_garbage_title

OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
T = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
TAB = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
DC_TITLE = "{http://purl.org/dc/elements/1.1/}title"
UNSEEN = frozenset(
    f"{T}{tag}" for tag in ("tracked-changes", "hidden-text", "hidden-paragraph", "sequence-decls")
)
WHITE = {f"{T}tab": " ", f"{T}line-break": "\n"}
STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
STYLED = ("content.xml", "styles.xml")
MAX_HEADING, MAX_INDENT = 6, 8


def read(data: bytes) -> Read:
    """The body in reading order, changes accepted; notes follow the paragraph that cites them."""
    package = Package.open(data)
    body = package.xml("content.xml").find(f"{OFFICE}body/{OFFICE}text")
    if body is None:
        raise corrupt()
    _drop_hidden(package, body)
    blocks = list(_blocks(body, ""))
    stated = ""
    if "meta.xml" in package.archive.NameToInfo:
        found = package.xml("meta.xml").find(f".//{DC_TITLE}")
        stated = "" if found is None else found.text or ""
    headings = [block.text for block in blocks if block.level]
    title = "" if is_garbage_title(stated) else stated
    return Read(title or next(iter(headings), ""), blocks)


def _drop_hidden(package: Package, body: Any) -> None:
    """Take out what a style hides, and hidden sections."""
    from lxml import etree

    parts = [one for one in STYLED if one in package.archive.NameToInfo]
    hidden = {
        style.get(f"{STYLE}name")
        for part in parts
        for style in package.xml(part).iter(f"{STYLE}style")
        if any(one.get(f"{T}display") == "none" for one in style.iter(f"{STYLE}text-properties"))
    }
    for node in [*body.iter(etree.Element)]:
        if node.get(f"{T}style-name") in hidden or node.get(f"{T}display") == "none":
            tail = node.tail
            node.clear()
            node.tail = tail


def _blocks(parent: Any, bullet: str, depth: int = 0) -> Iterator[Block]:
    """The blocks below ``parent``; ``bullet`` stands before the first one of a list item, which is
    in so many lists."""
    gap = "\n" if bullet else "\n\n"
    for node in parent:
        if node.tag in UNSEEN:
            continue
        if node.tag in (f"{T}p", f"{T}h"):
            yield from _paragraph(node, bullet, gap)
            bullet = ""
        elif node.tag == f"{T}list":
            for item in node:
                yield from _blocks(item, f"{'  ' * min(depth, MAX_INDENT)}- ", depth + 1)
        elif node.tag == f"{TAB}table":
            yield from _table(node)
        elif isinstance(node.tag, str):
            yield from _blocks(node, bullet, depth)


def _paragraph(node: Any, bullet: str, gap: str) -> Iterator[Block]:
    notes: list[str] = []
    text = _text(node, notes)
    if text.strip():
        stated = node.get(f"{T}outline-level") or "1"
        level = min(int(stated), MAX_HEADING) if stated.isdecimal() else 1
        yield Block(f"{bullet}{text}", gap=gap, level=level if node.tag == f"{T}h" else 0)
    for note in notes:
        yield Block(note, gap="\n")


def _text(node: Any, notes: list[str]) -> str:
    """What a paragraph shows; the text of its notes goes to ``notes``."""
    parts: list[str] = []
    stack: list[Any] = [node]
    while stack:
        one = stack.pop()
        if isinstance(one, str):
            parts.append(one)
            continue
        if one.tag in UNSEEN or not isinstance(one.tag, str):
            continue
        if one.tag == f"{T}note":
            _cite(one, parts, notes)
            continue
        if one.tag == f"{T}s":
            parts.append(" ")
        parts.append(WHITE.get(one.tag, ""))
        below: list[Any] = [one.text or ""]
        for child in one:
            below += [child, child.tail or ""]
        stack.extend(reversed(below))
    return "".join(parts)


def _cite(note: Any, parts: list[str], notes: list[str]) -> None:
    said = note.find(f"{T}note-citation")
    body = note.find(f"{T}note-body")
    mark = raised("" if said is None else said.text or "", "".join(parts[-1:]))
    parts.append(mark)
    if body is not None:
        notes.append(f"{mark} {' '.join(block.text for block in _blocks(body, ''))}")


def _table(table: Any) -> Iterator[Block]:
    rows = Table()
    lines: list[str] = []
    for row in table.iter(f"{TAB}table-row"):
        rows.open_row(in_head=row.getparent().tag == f"{TAB}table-header-rows")
        for cell in row.iterchildren(f"{TAB}table-cell"):
            columns, below = _span(cell, "columns"), _span(cell, "rows")
            rows.open_cell(columns, below, is_header=False)
            rows.write(" ".join(block.text for block in _blocks(cell, "")), space=False)
            rows.close_cell()
        lines += [line for line, _ in rows.close_row()]
    yield Block("\n".join(lines))


def _span(cell: Any, name: str) -> int:
    stated = cell.get(f"{TAB}number-{name}-spanned") or ""
    return int(stated) if stated.isdecimal() and len(stated) < 4 else 1
