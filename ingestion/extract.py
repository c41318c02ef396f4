"""The bytes of one document to its text, with a map of where each page starts and ends.

The parsers are imported inside the functions that need them: a child process that reads one
Markdown file should not pay for a PDF library.
"""

import codecs
import io
import re
import statistics
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from pathlib import PurePath
from typing import Any

from app.errors import DocumentRefused

MAX_DOCUMENT_BYTES = 100_000_000
MAX_TEXT_CHARACTERS = 20_000_000
MAX_INFLATED_BYTES = 200_000_000

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
HTML = "text/html"
MARKDOWN = "text/markdown"
TEXT = "text/plain"

MEDIA_TYPES = {
    ".pdf": PDF,
    ".docx": DOCX,
    ".html": HTML,
    ".htm": HTML,
    ".xhtml": HTML,
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".txt": TEXT,
    ".text": TEXT,
}


@dataclass(frozen=True)
class Page:
    """One page; ``start``/``end`` are offsets in the document's text, ``number`` counts from 1."""

    number: int
    start: int
    end: int


@dataclass(frozen=True)
class Extracted:
    """A document's text. ``pages`` is empty for formats without pages.

    ``valid_until`` is the last valid day that the document states, None when it states none.
    """

    title: str
    text: str
    media_type: str
    pages: tuple[Page, ...]
    valid_until: date | None = None


def extract(data: bytes, name: str) -> Extracted:
    """The text of a document; raises ``DocumentRefused`` with a reason code.

    ``name`` is the file's name: its ending must agree with the content, and its stem is the
    title of a document that states none.
    """
    media_type = detect_media_type(data, name)
    if media_type == PDF:
        title, texts = _read_pdf(data)
    else:
        readers = {DOCX: _read_docx, HTML: _read_html, MARKDOWN: _read_markdown, TEXT: _read_text}
        title, body = readers[media_type](data)
        texts = [body]
    text, pages = _assemble([tidy(page) for page in texts])
    if not text.strip():
        raise DocumentRefused(
            "empty", "No text was found. If this is a scan, run text recognition on it first."
        )
    return Extracted(
        title=_one_line(title) or _one_line(PurePath(name).stem) or "Untitled",
        text=text,
        media_type=media_type,
        pages=pages if media_type == PDF else (),
        valid_until=_valid_until(data, media_type),
    )


def _assemble(texts: list[str]) -> tuple[str, tuple[Page, ...]]:
    pages, start = [], 0
    for number, text in enumerate(texts, 1):
        pages.append(Page(number, start, start + len(text)))
        start += len(text) + 2
    if start > MAX_TEXT_CHARACTERS:
        raise DocumentRefused(
            "too_large", "The text is longer than 20 million characters; split the document."
        )
    return "\n\n".join(texts), tuple(pages)


# --- What kind of document is this? ---------------------------------------------------------

OLE_HEADER = bytes.fromhex("d0cf11e0a1b11ae1")
# Stream names inside OLE files are UTF-16; this one exists only in encrypted Office files.
OLE_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")


def detect_media_type(data: bytes, name: str) -> str:
    """The media type that content and file ending agree on; raises ``DocumentRefused``."""
    if len(data) > MAX_DOCUMENT_BYTES:
        raise DocumentRefused("too_large", "The file is larger than 100 MB; split the document.")
    declared = MEDIA_TYPES.get(PurePath(name).suffix.lower())
    if declared is None:
        raise DocumentRefused(
            "unsupported_type",
            f"Only these file endings can be read: {', '.join(sorted(MEDIA_TYPES))}.",
        )
    if not data.strip():
        raise DocumentRefused("empty", "The file is empty; check that it was saved completely.")
    found = _sniff(data, declared)
    if found != declared:
        raise DocumentRefused(
            "type_mismatch",
            f"The file ending says {declared}, but the content is {found}; rename the file or "
            "save it in the format its ending names.",
        )
    return declared


def _sniff(data: bytes, declared: str) -> str:
    if b"%PDF-" in data[:1024] and (declared == PDF or data.startswith(b"%PDF-")):
        return PDF
    if data.startswith(OLE_HEADER):
        return _sniff_ole(data, declared)
    if data.startswith(b"PK\x03\x04"):
        return _sniff_zip(data, declared)
    if declared in (PDF, DOCX):
        return "something else"
    head = decode(data)[:1024].lstrip().lower()
    if declared != HTML and head.startswith(("<!doctype html", "<html")):
        return HTML
    return declared


def _sniff_ole(data: bytes, declared: str) -> str:
    if declared != DOCX:
        return "an old Office file"
    if OLE_ENCRYPTED in data:
        raise DocumentRefused(
            "encrypted", "The document is protected by a password; save it without one."
        )
    raise DocumentRefused("unsupported_type", "This is an old Word file; save it as .docx.")


def _sniff_zip(data: bytes, declared: str) -> str:
    if declared != DOCX:
        return "a ZIP archive"
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, EOFError) as error:
        raise _corrupt() from error
    _guard_zip(entries)
    return DOCX if any(entry.filename.startswith("word/") for entry in entries) else "not Word"


def _guard_zip(entries: list[zipfile.ZipInfo]) -> None:
    # zipfile never inflates an entry beyond its declared size, so the declared sum is a bound.
    if sum(entry.file_size for entry in entries) > MAX_INFLATED_BYTES or len(entries) > 10_000:
        raise DocumentRefused(
            "zip_bomb", "The document unpacks to more than 200 MB; remove large embedded files."
        )
    if any(entry.flag_bits & 1 for entry in entries):
        raise DocumentRefused(
            "encrypted", "The document is protected by a password; save it without one."
        )


def _corrupt() -> DocumentRefused:
    return DocumentRefused(
        "corrupt", "The file is damaged; open it in its program and save it again."
    )


# --- Characters -----------------------------------------------------------------------------

# Text that people cannot see but models read: zero-width and bidirectional controls, tag
# characters, variation selectors, filler letters; also lone surrogates and non-characters.
INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e0fff]"
)
LINE_BREAK = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
WIDE_SPACE = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")
LIGATURE = re.compile("[\ufb00-\ufb06]")


def tidy(text: str) -> str:
    """Visible characters only, composed (NFC), with ``\\n`` ends and at most one blank line."""
    text = LINE_BREAK.sub("\n", unicodedata.normalize("NFC", text))
    text = WIDE_SPACE.sub(" ", INVISIBLE.sub("", text))
    text = LIGATURE.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    text = re.sub(r"[ \t]+(?=\n|\Z)", "", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


def decode(data: bytes) -> str:
    """Text of unknown encoding: UTF-8, UTF-16 with its mark, else Windows-1252 if plausible."""
    try:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text = data.decode("utf-16")
        else:
            text = data.decode("utf-8-sig")
        plausible = "\x00" not in text
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
        plausible = not re.search("[\x00-\x08\x0e-\x1f\x7f\ufffd]", text)
        plausible = plausible and not _declares_other_charset(data)
    if not plausible:
        raise DocumentRefused("not_text", "The file is not readable text; save it as UTF-8.")
    return text


def _declares_other_charset(data: bytes) -> bool:
    found = re.search(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w-]+)", data[:2048], re.IGNORECASE)
    known = (b"utf-8", b"iso-8859-1", b"windows-1252", b"latin1", b"us-ascii")
    return found is not None and found[1].lower() not in known


def _one_line(text: str) -> str:
    return " ".join(tidy(text).split())[:200].strip()


def _valid_until(data: bytes, media_type: str) -> date | None:
    """What the front matter of Markdown or a ``meta`` element of HTML states."""
    stated: str | None = None
    if media_type == MARKDOWN:
        front = FRONT_MATTER.match(LINE_BREAK.sub("\n", decode(data)))
        found = VALID_UNTIL.search(front[1]) if front else None
        stated = found[1] if found else None
    elif media_type == HTML:
        stated = _meta_valid_until(decode(data))
    if stated is None:
        return None
    try:
        return date.fromisoformat(stated.strip())
    except ValueError as error:
        raise DocumentRefused(
            "bad_date", "valid_until is not a day such as 2026-12-31; correct it."
        ) from error


def _meta_valid_until(source: str) -> str | None:
    if "valid" not in source.lower():
        return None
    from selectolax.lexbor import LexborHTMLParser

    meta = LexborHTMLParser(source).css_first(
        "meta[name='valid_until' i], meta[name='valid-until' i]"
    )
    return (meta.attributes.get("content") or "") if meta else None


# --- Plain text and Markdown ----------------------------------------------------------------


def _read_text(data: bytes) -> tuple[str, str]:
    return "", decode(data)


FRONT_MATTER = re.compile(
    r"\A---[ \t]*\n((?:[\w-]+[ \t]*:.*\n|[ \t#-].*\n|\n)*)(?:---|\.\.\.)[ \t]*\n"
)

VALID_UNTIL = re.compile(r"(?m)^valid_until[ \t]*:[ \t]*[\"']?([^\"'\n#]*?)[\"']?[ \t]*(?:#.*)?$")


def _read_markdown(data: bytes) -> tuple[str, str]:
    # Through HTML, so that raw HTML inside Markdown is judged by the same rules: text hidden in
    # a <div> that spans several blocks stays out.
    from markdown_it import MarkdownIt

    source = LINE_BREAK.sub("\n", decode(data))
    front = FRONT_MATTER.match(source)
    rendered = (
        MarkdownIt("commonmark", {"maxNesting": 100})
        .enable("table")
        .render(source[front.end() :] if front else source)
    )
    _, heading, body = _html_text(rendered)
    stated = re.search(
        r"(?m)^title[ \t]*:[ \t]*[\"']?(.*?)[\"']?[ \t]*$", front[1] if front else ""
    )
    return heading or (stated[1] if stated else ""), body


# --- HTML -----------------------------------------------------------------------------------

DROPPED = frozenset(
    {"audio", "button", "canvas", "datalist", "footer", "head", "iframe", "math", "nav"}
    | {"noscript", "object", "script", "select", "style", "svg", "template", "textarea", "video"}
)
DROPPED_ROLES = frozenset({"navigation", "contentinfo", "search"})
HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
PARAGRAPHS = HEADINGS | {"address", "article", "aside", "blockquote", "dl", "fieldset", "figure"}
PARAGRAPHS |= {"header", "hr", "main", "p", "pre", "section", "table"}
LINES = frozenset(
    {"body", "br", "caption", "dd", "details", "div", "dt", "figcaption", "form", "legend", "li"}
    | {"summary", "tr"}
)
HIDING_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)"
    r"|(?:font-size|opacity)\s*:\s*0*\.?0+(?:[a-z%]+)?\s*(?:!|;|$)",
    re.IGNORECASE,
)


def _read_html(data: bytes) -> tuple[str, str]:
    title, heading, body = _html_text(decode(data))
    return title or heading, body


def _html_text(source: str) -> tuple[str, str, str]:
    """(title, first heading, text) of an HTML page or fragment."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(source)
    if tree.root is None:
        return "", "", ""
    title = tree.css_first("head > title")
    writer = _HtmlWriter()
    # An explicit stack: hostile pages nest deeper than Python recurses.
    stack: list[tuple[Any, bool]] = [(tree.root, False)]
    while stack:
        node, closing = stack.pop()
        if closing:
            writer.close(node.tag)
        elif node.tag == "-text":
            writer.text(node.text_content or "")
        elif node.is_element_node and not _unseen(node):
            writer.open(node)
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(list(node.iter(include_text=True))))
    return title.text() if title else "", writer.heading, "".join(writer.parts)


def _unseen(node: Any) -> bool:
    if node.tag in DROPPED:
        return True
    if node.tag == "header" and node.css_first("nav") and not node.css_first("h1"):
        return True
    attributes = node.attributes
    return (
        "hidden" in attributes
        or (attributes.get("aria-hidden") or "").lower() == "true"
        or (attributes.get("role") or "").lower() in DROPPED_ROLES
        or bool(HIDING_STYLE.search(attributes.get("style") or ""))
    )


@dataclass
class _HtmlWriter:
    """Turns opened and closed elements into text as a reader would see it."""

    parts: list[str] = field(default_factory=list)
    heading: str = ""
    _breaks: int = 0
    _space: bool = False
    _after_marker: bool = False
    _pre: int = 0
    _row: int | None = None
    _cell: bool = False
    _lists: list[int | None] = field(default_factory=list)
    _layouts: list[bool] = field(default_factory=list)
    _heading_at: int | None = None

    def open(self, node: Any) -> None:
        tag = node.tag
        self._break_around(tag)
        if tag == "li":
            self._open_item()
        elif tag in ("ul", "ol"):
            self._lists.append(1 if tag == "ol" else None)
        elif tag == "pre":
            self._pre += 1
        elif tag == "table":
            self._layouts.append(_is_layout(node))
        elif tag == "tr":
            self._row = 0
        elif tag in ("td", "th"):
            self._open_cell()
        elif tag in HEADINGS and not self.heading:
            self._heading_at = len(self.parts)

    def close(self, tag: str) -> None:
        if tag in ("ul", "ol"):
            self._lists.pop()
        elif tag == "pre":
            self._pre -= 1
        elif tag == "table":
            self._layouts.pop()
        elif tag in ("td", "th"):
            self._cell = False
        elif tag in HEADINGS and self._heading_at is not None:
            self.heading = "".join(self.parts[self._heading_at :]).strip()
            self._heading_at = None
        self._break_around(tag)

    def text(self, text: str) -> None:
        if self._pre and not self._cell:
            self._flush(space=False)
            self.parts.append(text)
            return
        words = text.split()
        if words:
            self._flush(space=self._space or text[0].isspace())
            self.parts.append(" ".join(words))
        self._space = text[-1:].isspace() or (self._space and not words)

    def _flush(self, space: bool) -> None:
        if self._breaks and self.parts:
            self.parts.append("\n" * self._breaks)
        elif space and self.parts and not self._after_marker:
            self.parts.append(" ")
        self._breaks, self._space, self._after_marker = 0, False, False

    def _break_around(self, tag: str) -> None:
        wanted = 2 if tag in PARAGRAPHS else 1 if tag in LINES else 0
        if tag in ("ul", "ol"):
            wanted = 2
        if tag in ("ul", "ol", "p") and self._lists:
            wanted = 1
        if tag in ("td", "th") and self._layouts and self._layouts[-1]:
            wanted = 1
        if not wanted or self._after_marker:
            return
        if self._cell:
            self._space = True
        else:
            self._breaks = max(self._breaks, wanted)

    def _open_item(self) -> None:
        number = self._lists[-1] if self._lists else None
        if number is not None:
            self._lists[-1] = number + 1
        if self._cell:
            return
        self._flush(space=False)
        indent = "  " * (len(self._lists) - 1)
        self.parts.append(f"{indent}{'-' if number is None else f'{number}.'} ")
        self._after_marker = True

    def _open_cell(self) -> None:
        if self._layouts and self._layouts[-1]:
            return
        if self._row:
            self._flush(space=False)
            self.parts.append(" | ")
            self._after_marker = True
        self._row = (self._row or 0) + 1
        self._cell = True


def _is_layout(table: Any) -> bool:
    """Tables that arrange a page hold blocks; a row of theirs is no line of text."""
    return table.css_first("table table, h1, h2, h3, h4, pre, blockquote, p + p") is not None


# --- Word -----------------------------------------------------------------------------------

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
# Deleted and moved-away text is still in the file; Fallback repeats what Choice already says.
DOCX_DROPPED = frozenset(
    [f"{W}{tag}" for tag in ("del", "moveFrom", "pPr", "rPr", "instrText", "tblPr", "sdtPr")]
    + ["{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"]
)
DOCX_WHITE = {f"{W}tab": " ", f"{W}br": "\n", f"{W}cr": "\n", f"{W}noBreakHyphen": "-"}


def _read_docx(data: bytes) -> tuple[str, str]:
    body, styles, stated = _open_docx(data)
    blocks = list(_docx_blocks(body, styles))
    titles = [text for kind, text in blocks if kind == "Title"]
    headings = [text for kind, text in blocks if kind.startswith("Heading")]
    stated = "" if _garbage_title(stated) else stated
    return [*titles[:1], *filter(None, [stated]), *headings[:1], ""][0], _join_blocks(blocks)


def _open_docx(data: bytes) -> tuple[Any, dict[str, str], str]:
    """(body element, style names by id, stated title) of a Word document."""
    import zlib

    import docx
    from docx.opc.exceptions import OpcError
    from docx.oxml.exceptions import XmlchemyError
    from lxml.etree import XMLSyntaxError

    try:
        document = docx.Document(io.BytesIO(data))
        styles = {style.style_id: style.name or "" for style in document.styles}
        return document.element.body, styles, document.core_properties.title
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, OSError, EOFError) as error:
        raise _corrupt() from error
    # python-docx does not check what it reads: missing parts surface as plain Python errors.
    except (OpcError, XmlchemyError, XMLSyntaxError, LookupError) as error:
        raise _corrupt() from error
    except (AttributeError, TypeError, ValueError) as error:
        raise _corrupt() from error


def _docx_blocks(parent: Any, styles: dict[str, str]) -> Iterator[tuple[str, str]]:
    """(style name, text) of each paragraph, list item and table row, in reading order."""
    for child in parent:
        if child.tag == f"{W}p":
            text = _docx_paragraph(child).strip()
            if text:
                style = styles.get(_docx_value(child, "pPr/pStyle"), "")
                listed = style.startswith("List") or child.find(_w("pPr/numPr")) is not None
                listed = listed and not style.startswith("Heading")
                yield ("List", f"- {text}") if listed else (style, text)
        elif child.tag == f"{W}tbl":
            for row in child.iter(f"{W}tr"):
                cells = [" ".join(_docx_cell(cell).split()) for cell in row.iterchildren(f"{W}tc")]
                if any(cells):
                    yield "Row", " | ".join(cells)
            yield "End", ""
        elif child.tag in (f"{W}sdt", f"{W}sdtContent", f"{W}customXml"):
            yield from _docx_blocks(child, styles)


def _docx_cell(cell: Any) -> str:
    return " ".join(_docx_paragraph(p) for p in cell.iterchildren(f"{W}p", f"{W}sdt"))


def _docx_paragraph(paragraph: Any) -> str:
    parts, stack = [], [paragraph]
    while stack:
        node = stack.pop()
        if node.tag == f"{W}t":
            parts.append(node.text or "")
        elif node.tag in DOCX_WHITE:
            parts.append(DOCX_WHITE[node.tag])
        elif node.tag not in DOCX_DROPPED and not (node.tag == f"{W}r" and _docx_hidden(node)):
            if node.tag == f"{W}p" and parts:
                parts.append("\n")
            stack.extend(reversed(node))
    return "".join(parts)


def _docx_hidden(run: Any) -> bool:
    vanish = run.find(_w("rPr/vanish"))
    if vanish is not None and vanish.get(f"{W}val", "true") not in ("0", "false", "off"):
        return True
    # Sizes are in half points: nobody reads two half points.
    return _docx_value(run, "rPr/sz") in ("0", "1", "2")


def _docx_value(node: Any, path: str) -> str:
    found = node.find(_w(path))
    return "" if found is None else str(found.get(f"{W}val", ""))


def _w(path: str) -> str:
    return "/".join(W + step for step in path.split("/"))


def _join_blocks(blocks: Iterable[tuple[str, str]]) -> str:
    parts: list[str] = []
    last = ""
    for kind, text in blocks:
        if parts:
            parts.append("\n" if kind == last and kind in ("List", "Row") else "\n\n")
        parts.append(text)
        last = kind
    return "".join(parts)


# --- PDF ------------------------------------------------------------------------------------


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


def _read_pdf(data: bytes) -> tuple[str, list[str]]:
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
        raise _corrupt() from error
    title = _big_line(pages[0] if pages else []) if _garbage_title(stated) else stated
    known = {word for lines in pages for line in lines for word in COMPOUND.findall(line.text)}
    return title, [_unwrap(lines, known) for lines in pages]


COMPOUND = re.compile(r"[^\W\d_]+(?:-\w+)*")
GARBAGE_TITLE = re.compile(
    r"\s*(?:microsoft (?:word|powerpoint|excel)\b.*|untitled.*|document\d*|word document|title"
    r"|.*\.(?:docx?|odt|rtf|tex|dvi|pdf|ps|indd|qxd|pptx?|xlsx?|html?|pages|p65|fm)"
    r"|[^ ]*\\[^ ]*|(?:/|file:)[^ ]*)?\s*",
    re.IGNORECASE | re.DOTALL,
)


def _garbage_title(title: str) -> bool:
    """True for titles that a program wrote and no author: empty, file names, defaults."""
    return len(re.findall(r"[^\W\d_]", title)) < 2 or GARBAGE_TITLE.fullmatch(title) is not None


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
