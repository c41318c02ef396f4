"""PDF: printed lines back to paragraphs, page by page."""

import re
import statistics
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from app.errors import DocumentRefused
from ingestion.formats.document import Block, Read
from ingestion.formats.limits import corrupt
from ingestion.formats.titles import is_garbage_title


@dataclass(frozen=True)
class _Line:
    """One printed line. Lengths are in points; ``y`` is its base line, counted upwards."""

    text: str
    hyphenated: bool
    left: float
    right: float
    y: float
    size: float
    upright: bool


def read(data: bytes) -> Read:
    """The text of all pages; no page's text runs into the next."""
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(data) as document:
            stated = document.get_metadata_value("Title")
            pages = [_pdf_lines(page) for page in document]
    except pypdfium2.PdfiumError as error:
        if error.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD:
            raise DocumentRefused(
                "encrypted", "The PDF is protected by a password; save it without one."
            ) from error
        raise corrupt() from error
    title = _big_line(pages[0] if pages else []) if is_garbage_title(stated) else stated
    known = {word for lines in pages for line in lines for word in COMPOUND.findall(line.text)}
    blocks = [Block(_unwrap(lines, known), number) for number, lines in enumerate(pages, 1)]
    return Read(title, blocks, pages=len(pages))


COMPOUND = re.compile(r"[^\W\d_]+(?:-\w+)*")


def _pdf_lines(page: Any) -> list[_Line]:
    from pypdfium2 import raw

    textpage = page.get_textpage()
    # Read character by character: the text as a whole leaves some characters out, and then its
    # offsets no longer lead to their boxes.
    codes = [raw.FPDFText_GetUnicode(textpage.raw, i) for i in range(textpage.count_chars())]
    lines, start = [], 0
    for i, code in enumerate([*codes, 10]):
        hyphenated = code in (0x02, 0xFFFE)
        if not hyphenated and code not in (10, 13):
            continue
        seen = [k for k in range(start, i) if codes[k] > 32]
        if seen:
            text = _from_utf16(codes[seen[0] : seen[-1] + 1])
            lines.append(_measured(textpage, text, hyphenated, seen))
        start = i + 1
    textpage.close()
    page.close()
    return lines


def _from_utf16(codes: list[int]) -> str:
    text = "".join(map(chr, codes)).replace("\x00", "")
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")


def _measured(textpage: Any, text: str, hyphenated: bool, seen: list[int]) -> _Line:
    import ctypes

    from pypdfium2 import raw

    x, y = ctypes.c_double(), ctypes.c_double()
    probes = (seen[0], seen[len(seen) // 2], seen[-1])
    raw.FPDFText_GetCharOrigin(textpage.raw, probes[1], x, y)
    boxes = [textpage.get_charbox(index, loose=True) for index in probes]
    # The middle of three heights, so that a footnote mark at either end does not count.
    size = statistics.median(top - bottom for _, bottom, _, top in boxes)
    upright = abs(raw.FPDFText_GetCharAngle(textpage.raw, probes[1])) < 0.1
    return _Line(text, hyphenated, boxes[0][0], boxes[-1][2], y.value, max(size, 0.1), upright)


def _big_line(lines: list[_Line]) -> str:
    """The first print on the page that is larger than most and long enough for a title."""
    upright = [line for line in lines if line.upright]
    if not upright:
        return ""
    large = 1.2 * statistics.median(line.size for line in upright)
    title: list[_Line] = []
    for line in upright[:40]:
        if title and not 0.95 < line.size / title[0].size < 1.05:
            break
        if title or (line.size >= large and len(line.text) >= 8):
            title.append(line)
    text = " ".join(line.text for line in title)
    return text if len(text) <= 200 else ""


ENDS_SENTENCE = re.compile(r"[.!?:;][\"')\]\u2019\u201d]*$")
ITEM = re.compile(r"(?:[•‣▪◦●∙*\u2013-]|\(?(?:\d{1,2}|[a-z])[.)])\s")
NUMBERED_HEADING = re.compile(
    r"(?:(?:\d{1,2}|[A-Z])(?:\.\d{1,2})*\.?|(?:Appendix|Article|Chapter|Part|Section) \w+)"
    r"\s+\S.{1,80}"
)


def _unwrap(lines: list[_Line], known: set[str]) -> str:
    """One page's text: lines of one paragraph joined, paragraphs apart by a blank line.

    ``known`` holds the document's words and is asked whether a hyphen at a line end stays.
    """
    steps = [a.y - b.y for a, b in pairwise(lines) if 0 < a.y - b.y < 3 * a.size]
    step = statistics.median(steps) if steps else 0.0
    parts = []
    for i, line in enumerate(lines[:-1]):
        parts.append(line.text)
        if line.hyphenated:
            parts.append(_hyphen(line, lines[i + 1], known))
        else:
            parts.append(_gap(lines, i, step))
    return "".join([*parts, *(line.text for line in lines[-1:])])


def _hyphen(line: _Line, after: _Line, known: set[str]) -> str:
    left, right = re.search(r"[\w-]+$", line.text), re.match(r"[\w-]+", after.text)
    if not left or not right:
        return "-" if _same_size(line, after) else "-\n\n"
    joined, hyphened = left[0] + right[0], f"{left[0]}-{right[0]}"
    if (joined in known) != (hyphened in known):
        return "" if joined in known else "-"
    if right[0][0].islower() or (left[0].isupper() and right[0].isupper() and right[0].isalpha()):
        return ""
    return "-" if _same_size(line, after) else "-\n\n"


def _same_size(line: _Line, after: _Line) -> bool:
    return 0.87 < line.size / after.size < 1.15


def _gap(lines: list[_Line], i: int, step: float) -> str:
    """What stands between line ``i`` and the next: a space, a line end or a blank line."""
    line, after = lines[i], lines[i + 1]
    ended = ENDS_SENTENCE.search(line.text) is not None
    continues = after.text[0].islower() and not ended
    drop = line.y - after.y
    height = max(line.size, after.size)
    if abs(drop) < 0.8 * height and -0.2 < (after.left - line.right) / height < 1:
        return " "  # A raised or lowered mark within one row.
    if not _same_size(line, after) or drop > max(1.45 * step, 1.5 * line.size):
        return "\n\n"
    if drop < -line.size:
        return " " if continues else "\n\n"
    if ITEM.match(after.text) or _is_row(line.text) or _is_row(after.text):
        return "\n"
    if _ends_early(lines, i):
        heading = NUMBERED_HEADING.fullmatch(line.text) is not None
        return " " if continues else "\n\n" if ended or heading else "\n"
    indented = 0.7 * line.size < after.left - line.left < 4 * line.size
    return "\n\n" if ended and indented else " "


def _is_row(text: str) -> bool:
    """True for a table's row: three words or more, and half of them figures."""
    words = text.split()
    figures = sum(word == "-" or any(c.isdigit() for c in word) for word in words)
    return len(words) >= 3 and 2 * figures >= len(words)


def _ends_early(lines: list[_Line], i: int) -> bool:
    """True when the next line's first word would still have fitted on line ``i``."""
    line, after = lines[i], lines[i + 1]
    column = [
        other.right
        for other in lines[max(0, i - 6) : i + 8]
        if abs(other.left - line.left) < 2.5 * line.size
    ]
    edge = max(*column, after.right)
    width = (line.right - line.left) / len(line.text)
    return edge - line.right > width * (len(after.text.split()[0]) + 1.5)
