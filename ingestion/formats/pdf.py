"""PDF: what is printed, back to paragraphs, tables and headings, page by page."""

import re
import statistics
from typing import Any

from app.errors import DocumentRefused
from ingestion.formats.document import Block, Read
from ingestion.formats.limits import corrupt
from ingestion.formats.titles import is_boilerplate, is_garbage_title


def read(data: bytes) -> Read:
    """The text of all pages; a sentence that a page end cuts goes on in the next page's text."""
    from ingestion.formats.pdf_paragraphs import paragraphs, without_running

    stated, pages = _pages(data)
    scans = [page.number for page in pages if page.is_scan]
    title = _big_line(pages[0].lines) if pages and not pages[0].is_scan else ""
    without_running(pages)
    found = paragraphs(pages)
    blocks = [Block(one.text, page=one.page, gap=one.gap, level=one.level) for one in found]
    if not title and not is_garbage_title(stated):
        title = stated
    if not title and 1 not in scans:  # a stamp is no title
        title = _first_line(blocks)
    return Read(title, blocks, pages=len(pages), scans=scans)


def _pages(data: bytes) -> tuple[str, list[Any]]:
    """The stated title, and the lines of each page."""
    import pypdfium2

    from ingestion.formats.pdf_layout import lines_of
    from ingestion.formats.pdf_page import UNMAPPED_SHARE, printed
    from ingestion.formats.pdf_paragraphs import PageLines

    pages, unmapped = [], 0
    try:
        with pypdfium2.PdfDocument(data) as document:
            form = None
            if document.get_formtype():
                document.init_forms()
                form = document.formenv
            stated = document.get_metadata_value("Title")
            for number in range(len(document)):
                page = document[number]
                found = printed(page, form)
                unmapped += found.unmapped > UNMAPPED_SHARE
                pages.append(PageLines(number + 1, lines_of(found), found.height, found.is_scan))
                page.close()
    except pypdfium2.PdfiumError as error:
        if error.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD:
            raise DocumentRefused(
                "encrypted", "The PDF is protected by a password; save it without one."
            ) from error
        raise corrupt() from error
    if unmapped * 2 > len(pages):
        raise DocumentRefused(
            "not_text", "The PDF does not say what its letters mean; run text recognition on it."
        )
    return stated, pages


def _big_line(lines: list[Any]) -> str:
    """The first print on the page that is larger than most and long enough for a title."""
    upright = [line for line in lines if not line.aside and not line.cells]
    if not upright:
        return ""
    large = 1.2 * statistics.median(line.size for line in upright)
    title: list[Any] = []
    for line in upright[:40]:
        if title and not 0.95 < line.size / title[0].size < 1.05:
            break
        if is_boilerplate(line.text):
            continue
        if title or (line.size >= large and len(line.text) >= 8):
            title.append(line)
    text = " ".join(line.text for line in title)
    return text if len(text) <= 200 and not is_garbage_title(text) else ""


def _first_line(blocks: list[Block]) -> str:
    """A first line that stands alone like a title; empty when there is none."""
    first = blocks[0].text.split("\n", 1)[0] if blocks else ""
    alone = len(first) <= 80 and len(first) >= 4 and first[-1] not in ".,;:!?|"
    plain = " | " not in first and not re.match(r"[\W\d]", first)
    if alone and plain and not is_boilerplate(first) and not is_garbage_title(first):
        return first
    return ""
