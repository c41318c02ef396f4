"""The bytes of one document to its text, with a map of where each page starts and ends."""

from collections.abc import Sequence
from datetime import date
from pathlib import PurePath

from app.errors import DocumentRefused
from ingestion.formats.document import Block, Doubt, Extracted, Heading, Page
from ingestion.formats.limits import MAX_TEXT_CHARACTERS
from ingestion.formats.members import Budget, member_blocks
from ingestion.formats.sniff import detect_format
from ingestion.formats.text import one_line, tidy
from ingestion.formats.titles import told_apart


def extract(data: bytes, name: str) -> Extracted:
    """The text of a document; raises ``DocumentRefused`` with a reason code.

    ``name`` is the file's name: its ending must agree with the content, and its stem is the
    title of a document that states none.
    """
    format = detect_format(data, name)
    found = format.read(data)
    budget = Budget()
    text, placed = _assemble([*found.blocks, *member_blocks(found, budget)])
    if not text.strip():
        raise DocumentRefused(
            "empty",
            "No text was found. If this is a scan, install tesseract here, or run text recognition "
            "on it first.",
        )
    return Extracted(
        title=_title(found.title, PurePath(name).stem, text),
        text=text,
        media_type=format.media_type,
        pages=_page_map(placed, found.pages),
        valid_until=_day(found.valid_until),
        headings=_headings(placed),
        doubts=_doubts(placed),
        left_out=tuple(budget.left_out),
    )


def assembled(
    blocks: Sequence[Block], pages: int, stem: str, media_type: str, heading: str
) -> Extracted:
    """A document of these blocks, all under one heading that is not in its text."""
    text, placed = _assemble(blocks)
    return Extracted(
        title=_title("", stem, text),
        text=text,
        media_type=media_type,
        pages=_page_map(placed, pages),
        headings=(Heading(1, heading, 0),),
        doubts=_doubts(placed),
    )


def _title(stated: str, stem: str, text: str) -> str:
    title = one_line(stated)
    return told_apart(title, stem, text) if title else one_line(stem) or "Untitled"


Placed = tuple[Block, int, int]
"""A block, and where its text starts and ends in the document's."""


def _assemble(blocks: Sequence[Block]) -> tuple[str, list[Placed]]:
    """The text of all blocks, and where each lies in it; empty ones are left out."""
    parts: list[str] = []
    placed: list[Placed] = []
    at = 0
    for block in blocks:
        text = tidy(block.text)
        if not text.strip():
            continue
        if parts:
            parts.append(block.gap)
            at += len(block.gap)
        parts.append(text)
        placed.append((block, at, at + len(text)))
        at += len(text)
    if at > MAX_TEXT_CHARACTERS:
        raise DocumentRefused(
            "too_large", "The text is longer than 20 million characters; split the document."
        )
    return "".join(parts), placed


def _headings(placed: Sequence[Placed]) -> tuple[Heading, ...]:
    found = []
    for block, start, _ in placed:
        if block.ends:
            found.append(Heading(block.ends, "", start))
        if block.level:
            found.append(Heading(block.level, one_line(block.text), start))
    return tuple(found)


def _doubts(placed: Sequence[Placed]) -> tuple[Doubt, ...]:
    return tuple(Doubt(start, end, block.doubt) for block, start, end in placed if block.doubt)


def _page_map(placed: Sequence[Placed], pages: int) -> tuple[Page, ...]:
    """Where each page starts and ends; those without text have no length."""
    bounds: dict[int, tuple[int, int]] = {}
    for block, start, end in placed:
        if block.page is not None:
            bounds[block.page] = (bounds.get(block.page, (start, end))[0], end)
    found, end = [], 0
    for number in range(1, pages + 1):
        start, end = bounds.get(number, (end, end))
        found.append(Page(number, start, end))
    return tuple(found)


def _day(stated: str | None) -> date | None:
    if stated is None:
        return None
    try:
        return date.fromisoformat(stated.strip())
    except ValueError as error:
        raise DocumentRefused(
            "bad_date", "valid_until is not a day such as 2026-12-31; correct it."
        ) from error
