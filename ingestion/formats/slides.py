"""PowerPoint presentations: each slide that is shown is a page, with its notes."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from ingestion.formats.document import Block, Read
from ingestion.formats.ooxml import RELATION_ID, Package
from ingestion.formats.symbol_fonts import printed
from ingestion.formats.tables import Table, cell_text
from ingestion.formats.text import shifted
from ingestion.formats.titles import is_garbage_title

A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
MOST_SERIES, MOST_POINTS = 50, 2_000
LONGEST_OF_CARD = 40
STRUCK = ("sngStrike", "dblStrike")
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
        blocks += _charts(package, relation.target, number)
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
        lines = [line for p in body.iter(f"{A}p") if (line := _text(p)).strip()]
        text = box_text(lines, is_placed=bool(kind))
        yield Block(text, page, level=1 if kind in TITLES else 0)


def box_text(lines: Sequence[str], is_placed: bool) -> str:
    """The text of a box; one of its own, no placeholder, may hold a name and a figure that is told
    of it."""
    is_card = not is_placed and len(lines) == 2 and max(map(len, lines)) <= LONGEST_OF_CARD
    figures = [any(map(str.isdigit, line)) for line in lines]
    named = is_card and figures == [False, True] and lines[0][-1] not in ".:;,!?"
    return (": " if named else "\n").join(lines)


def _charts(package: Package, part: str, page: int) -> Iterator[Block]:
    """The figures of the charts of a slide, a row for each category."""
    for one in package.relations(part).values():
        if one.kind == "chart" and one.target in package.archive.NameToInfo:
            yield from _chart(package.xml(one.target), page)


def _chart(chart: Any, page: int) -> Iterator[Block]:
    series = [*chart.iter(f"{C}ser")][:MOST_SERIES]
    names = [_values(one.find(f"{C}tx")) for one in series]
    figures = [_values(one.find(f"{C}val")) for one in series]
    labels = next((found for one in series if (found := _values(one.find(f"{C}cat")))), {})
    places = sorted({*labels, *(at for one in figures for at in one)})[:MOST_POINTS]
    if not places or not any(figures):
        return
    title = " ".join(node.text or "" for node in chart.iterfind(f"{C}chart/{C}title//{A}t"))
    head = " | ".join(["", *(next(iter(name.values()), "") for name in names)])
    rows = [
        " | ".join([labels.get(at, ""), *(one.get(at, "") for one in figures)]) for at in places
    ]
    yield Block("\n".join([*([title] if title.strip() else []), head, *rows]), page)


def _values(node: Any) -> dict[int, str]:
    """What a chart keeps of the cells that it draws, by their place."""
    found: dict[int, str] = {}
    for point in node.iter(f"{C}pt") if node is not None else ():
        value = point.find(f"{C}v")
        place = point.get("idx") or ""
        if value is not None and place.isdecimal() and len(place) < 7:
            found.setdefault(int(place), cell_text(value.text or ""))
    return found


def _shapes(slide: Any) -> Iterator[tuple[Any, str]]:
    """(shape, kind of placeholder) of all that can be seen, in the order of the file."""
    for shape in slide.iter(f"{P}sp", f"{P}graphicFrame"):
        facts = shape.find(f".//{P}cNvPr")
        if facts is not None and facts.get("hidden") in ("1", "true"):
            continue
        place = shape.find(f".//{P}nvPr/{P}ph")
        yield shape, "" if place is None else place.get("type") or "body"


def _text(paragraph: Any) -> str:
    parts: list[str] = []
    for node in paragraph.iter(f"{A}t", f"{A}br"):
        looks = node.getparent().find(f"{A}rPr")
        if node.tag == f"{A}br":
            parts.append("\n")
        elif looks is None or looks.get("strike") not in STRUCK:
            shift = _shift("" if looks is None else looks.get("baseline") or "")
            parts.append(shifted(_printed(node.text or "", looks), shift, parts))
    text = "".join(parts)
    facts = paragraph.find(f"{A}pPr")
    is_below = facts is not None and facts.get("lvl") not in (None, "0")
    return f"- {text}" if is_below and text.strip() else text


def _printed(text: str, looks: Any | None) -> str:
    """The text of a run as its fonts show it; one for signs is none for plain letters."""
    fonts = [None if looks is None else looks.find(f"{A}{name}") for name in ("latin", "sym")]
    if fonts[0] is not None:
        return printed(text, fonts[0].get("typeface") or "")
    if fonts[1] is None or text.isascii():
        return text
    font = fonts[1].get("typeface") or ""
    return re.sub("[^\x00-\x7f]", lambda one: printed(one[0], font), text)


def _shift(stated: str) -> int:
    """How far a run is raised; programs write percents of its size, with or without the sign."""
    found = re.fullmatch(r"(-?\d{1,9})(?:\.\d{1,9})?%?", stated)
    return int(found[1]) if found else 0


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
