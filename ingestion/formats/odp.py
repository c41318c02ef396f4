"""OpenDocument presentations: each slide that is shown is a page, with its notes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ingestion.formats.document import Block, Read
from ingestion.formats.odf_styles import STYLE, Styles
from ingestion.formats.odt import Body, opened, title_of
from ingestion.formats.pieces import Piece, joined

DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
PRESENTATION = "{urn:oasis:names:tc:opendocument:xmlns:presentation:1.0}"
CLASS = f"{PRESENTATION}class"
TITLE = "title"
LEFT_OUT = ("date-time", "footer", "header", "page-number", "page")
"""Frames that say nothing of their own: running lines, numbers, the slide's picture."""


def read(data: bytes) -> Read:
    """The slides in their order, each with its title first; hidden ones are left out."""
    package, body = opened(data, "presentation")
    styles = Styles.of(package)
    blocks: list[Block] = []
    number = 0
    for slide in body.iterchildren(f"{DRAW}page"):
        if not _is_hidden(slide, styles):
            number += 1
            blocks += _slide(slide, Body(styles), number)
    headings = [block.text for block in blocks if block.level]
    return Read(title_of(package) or next(iter(headings), ""), blocks, pages=number)


def _is_hidden(slide: Any, styles: Styles) -> bool:
    style = styles.nodes.get(("drawing-page", slide.get(f"{DRAW}style-name") or ""))
    properties = () if style is None else style.iterchildren(f"{STYLE}drawing-page-properties")
    return any(one.get(f"{PRESENTATION}visibility") == "hidden" for one in properties)


def _slide(slide: Any, body: Body, page: int) -> Iterator[Block]:
    shapes = [shape for shape in slide if isinstance(shape.tag, str)]
    for shape in sorted(shapes, key=lambda one: one.get(CLASS) != TITLE):
        if shape.get(CLASS) in LEFT_OUT:
            continue
        frames = shape if shape.tag == f"{PRESENTATION}notes" else [shape]
        shown = [frame for frame in frames if frame.get(CLASS) not in LEFT_OUT]
        pieces = [*body.pieces(shown)]
        if shape.get(CLASS) == TITLE:
            pieces = [Piece(TITLE, " ".join(piece.text for piece in pieces), level=1)]
        for block in joined(pieces):
            yield replace(block, page=page)
