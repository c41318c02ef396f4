"""A page of a PDF as a grey image for text recognition: drawn in the jail."""

import re
import sys
from typing import Any

from app.errors import DocumentRefused
from ingestion.formats.limits import MAX_DOCUMENT_BYTES, corrupt

DPI, POINTS_AN_INCH = 300, 72
MOST_PIXELS = 40_000_000
"""Beyond it, as on a poster, a page is drawn smaller."""
LETTERS, NO_LETTERS = "letters", "no-letters"
HEADER = re.compile(rb"P5 (\d{1,5}) (\d{1,5}) 255\n")


def child_main(page: str, letters: str = LETTERS) -> None:
    """In the child: reads the PDF from stdin, writes the page (from 1) as PGM, nothing when there
    is no such page. What is printed over a scan is drawn with ``LETTERS`` only."""
    import pypdfium2

    data = sys.stdin.buffer.read(MAX_DOCUMENT_BYTES + 1)
    with pypdfium2.PdfDocument(data) as document:
        if int(page) <= len(document):
            shown = document[int(page) - 1]
            if letters != LETTERS:
                _leave_out_print(shown)
            sys.stdout.buffer.write(drawn(shown))


def _leave_out_print(page: Any) -> None:
    from ingestion.formats.pdf_calls import PDFIUM
    from ingestion.formats.pdf_sight import drawn_things

    for address in drawn_things(page).texts:
        PDFIUM.FPDFPageObj_SetIsActive(address, False)


def checked(image: bytes) -> bytes:
    """The image, if it is one; raises ``DocumentRefused``."""
    found = HEADER.match(image)
    if found is None or len(image) - found.end() != int(found[1]) * int(found[2]):
        raise corrupt()
    return image


def drawn(page: Any) -> bytes:
    """A page as PGM; raises ``DocumentRefused``."""
    width, height = page.get_size()
    if not (width > 0 and height > 0):
        raise DocumentRefused("corrupt", "A page has no size.")
    scale = min(DPI / POINTS_AN_INCH, (MOST_PIXELS / (width * height)) ** 0.5)
    bitmap = page.render(scale=scale, grayscale=True, fill_color=(255, 255, 255, 255))
    rows, wide = bytes(bitmap.buffer), bitmap.width
    lines = [rows[at : at + wide] for at in range(0, bitmap.height * bitmap.stride, bitmap.stride)]
    return b"P5 %d %d 255\n" % (wide, bitmap.height) + b"".join(lines)
