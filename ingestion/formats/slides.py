"""PowerPoint presentations: each slide that is shown is a page, with its notes."""

from collections.abc import Iterator
from typing import Any

from ingestion.formats.document import Block, Read
from ingestion.formats.ooxml import RELATION_ID, Package
from ingestion.formats.tables import Table
from ingestion.formats.titles import is_garbage_title

A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
TITLES = ("title", "ctrTitle")
LEFT_OUT = ("sldNum", "dt", "ftr", "hdr", "sldImg")
"""Placeholders that say nothing of their own: number, date, running lines, the slide's picture."""


def read(data: bytes) -> Read:
    """The slides in their order; hidden ones and hidden shapes are left out."""
    package = Package.open(data)
    main = package.main()
    relations = package.relations(main)
    blocks: list[Block] = []
    number = 0
    for one in package.xml(main).iter(f"{P}sldId"):
        relation = relations.get(one.get(RELATION_ID) or "")
        if relation is None or relation.target not in package.archive.NameToInfo:
            continue
        slide = package.xml(relation.target)
        if slide.get("show") in ("0", "false"):
            continue
        number += 1
        blocks += _slide(slide, number)
        notes = package.related(relation.target, "notesSlide")
        if notes is not None:
            blocks += [Block(b.text, number, b.gap, 0) for b in _slide(notes, number)]
    stated = package.title()
    headings = [block.text for block in blocks if block.level]
    title = "" if is_garbage_title(stated) else stated
    return Read(title or next(iter(headings), ""), blocks, pages=number)


def _slide(slide: Any, page: int) -> Iterator[Block]:
    shapes = list(_shapes(slide))
    # The title is what a slide is about, wherever its author put it in the file.
    for shape, kind in sorted(shapes, key=lambda found: found[1] not in TITLES):
        if kind in LEFT_OUT:
            continue
        if (table := shape.find(f".//{A}tbl")) is not None:
            yield from _table(table, page)
            continue
        body = shape.find(f"{P}txBody")
        if body is None:
            continue
        lines = [_text(paragraph) for paragraph in body.iter(f"{A}p")]
        text = "\n".join(line for line in lines if line.strip())
        yield Block(text, page, level=1 if kind in TITLES else 0)


def _shapes(slide: Any) -> Iterator[tuple[Any, str]]:
    """(shape, kind of placeholder) of all that can be seen, in the order of the file."""
    for shape in slide.iter(f"{P}sp", f"{P}graphicFrame"):
        facts = shape.find(f".//{P}cNvPr")
        if facts is not None and facts.get("hidden") in ("1", "true"):
            continue
        place = shape.find(f".//{P}nvPr/{P}ph")
        yield shape, "" if place is None else place.get("type") or "body"


def _text(paragraph: Any) -> str:
    parts = []
    for node in paragraph.iter(f"{A}t", f"{A}br"):
        parts.append("\n" if node.tag == f"{A}br" else node.text or "")
    text = "".join(parts)
    facts = paragraph.find(f"{A}pPr")
    is_below = facts is not None and facts.get("lvl") not in (None, "0")
    return f"- {text}" if is_below and text.strip() else text


def _table(table: Any, page: int) -> Iterator[Block]:
    rows = Table()
    lines: list[str] = []
    for number, row in enumerate(table.iter(f"{A}tr")):
        rows.open_row(in_head=number == 0)
        for cell in row.iter(f"{A}tc"):
            if cell.get("hMerge") or cell.get("vMerge"):
                continue
            spans = [_count(cell.get(name)) for name in ("gridSpan", "rowSpan")]
            rows.open_cell(spans[0], spans[1], is_header=number == 0)
            rows.write(" ".join(_text(p) for p in cell.iter(f"{A}p")), space=False)
            rows.close_cell()
        lines += [line for line, _ in rows.close_row()]
    yield Block("\n".join(lines), page)


def _count(stated: str | None) -> int:
    return int(stated) if stated and stated.isdecimal() and len(stated) < 4 else 1
