"""The bytes of one document to its text, with a map of where each page starts and ends."""

from collections.abc import Sequence
from datetime import date
from pathlib import PurePath

from app.errors import DocumentRefused
from ingestion.formats.document import Block, Extracted, Page
from ingestion.formats.limits import MAX_TEXT_CHARACTERS
from ingestion.formats.sniff import detect_format
from ingestion.formats.text import one_line, tidy


def extract(data: bytes, name: str) -> Extracted:
    """The text of a document; raises ``DocumentRefused`` with a reason code.

    ``name`` is the file's name: its ending must agree with the content, and its stem is the
    title of a document that states none.
    """
    format = detect_format(data, name)
    found = format.read(data)
    text, pages = _assemble(found.blocks, found.pages)
    if not text.strip():
        raise DocumentRefused(
            "empty", "No text was found. If this is a scan, run text recognition on it first."
        )
    return Extracted(
        title=one_line(found.title) or one_line(PurePath(name).stem) or "Untitled",
        text=text,
        media_type=format.media_type,
        pages=pages,
        valid_until=_day(found.valid_until),
    )


def _assemble(blocks: Sequence[Block], pages: int) -> tuple[str, tuple[Page, ...]]:
    """The text of all blocks, and the map of ``pages`` pages; empty ones have no length."""
    parts: list[str] = []
    at = 0
    bounds: dict[int, tuple[int, int]] = {}
    for block in blocks:
        text = tidy(block.text)
        if not text:
            continue
        if parts:
            parts.append(block.gap)
            at += len(block.gap)
        if block.page is not None:
            start, _ = bounds.get(block.page, (at, at))
            bounds[block.page] = (start, at + len(text))
        parts.append(text)
        at += len(text)
    if at > MAX_TEXT_CHARACTERS:
        raise DocumentRefused(
            "too_large", "The text is longer than 20 million characters; split the document."
        )
    return "".join(parts), _page_map(bounds, pages)


def _page_map(bounds: dict[int, tuple[int, int]], pages: int) -> tuple[Page, ...]:
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
