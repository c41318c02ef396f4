"""Which format a document is: its content decides, the ending of its name where it cannot."""

import codecs
import io
import re
import zipfile
from collections.abc import Sequence
from pathlib import PurePath

from app.errors import DocumentRefused
from ingestion.formats import compound, limits, outlook, pictures, subtitles
from ingestion.formats.containers import PACKED_BY, is_tar
from ingestion.formats.limits import DAMAGED, corrupt, guard_zip, protected
from ingestion.formats.registry import (
    CSV,
    DOC,
    HTML,
    IMAGES,
    MAIL,
    MARKDOWN,
    ODT,
    OFFICE,
    OLD,
    OPEN,
    OUTLOOK,
    PACKED,
    PDF,
    PPT,
    PREVIEWED,
    RTF,
    SAVED_PAGE,
    SUBTITLES,
    TAR,
    TEXT,
    XLS,
    ZIP,
    Format,
    format_of,
)

CONTENT_TYPES = "[Content_Types].xml"
"""The entry that every Office document has."""
OPEN_KIND, OPEN_TYPE, LONGEST_KIND = "mimetype", "application/vnd.oasis.opendocument.", 200
"""The entry by which an OpenDocument file says what it is, how that begins, and its size."""
IWORK, IWORK_PART = frozenset({"QuickLook/Preview.pdf", "Index.zip"}), "Index/Document.iwa"
"""What documents of Pages, Numbers and Keynote hold."""
SAMPLE = 4096
MARKED = 1024
"""Bytes in which a PDF shows that it is one: programs put a few before its mark."""
MARKS_AND_SPACE = codecs.BOM_UTF8 + codecs.BOM_UTF16_LE + b" \t\r\n\x0b\x0c"
"""The bytes of byte order marks, and white space."""
UNREAD_ARCHIVES = {b"7z\xbc\xaf'\x1c": "7-Zip", b"Rar!\x1a\x07": "RAR"}
EMPTY_ARCHIVE = b"PK\x05\x06"
"""An archive without members begins with its end."""
ENCRYPTED = "encryptedpackage"
"""The stream that a DOCX, XLSX or PPTX file with a password is packed into."""
COMPOUNDS = {
    "worddocument": DOC,
    "workbook": XLS,
    "book": XLS,
    "powerpoint document": PPT,
    outlook.PROPERTIES.casefold(): OUTLOOK,
}
"""The formats of compound files, by the name of a stream, in small letters."""
BINARY, UTF_16 = b"\0", (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
TAKEN_AS = {XLS.media_type: CSV, DOC.media_type: TEXT}
"""How text is read under the ending of an old Office file: programs write such lists."""


def detect_format(data: bytes, name: str) -> Format:
    """What the content is: by its own mark, else, as text has none, by the file's ending.

    Raises ``DocumentRefused`` for what no reader takes, or when the ending promises a mark that
    the content lacks.
    """
    if len(data) > limits.MAX_DOCUMENT_BYTES:
        raise DocumentRefused("too_large", "The file is larger than 100 MB; split the document.")
    if not data.strip():
        raise DocumentRefused("empty", "The file is empty; check that it was saved completely.")
    declared = format_of(name)
    found = _marked(data, declared)
    if found is not None:
        return found
    if (found := _told_by_text(data, declared)) is not None:
        return found
    if declared is None:
        raise _unknown(name)
    if not declared.is_text:
        raise _mismatch(declared, "something else")
    # Readers of text decode it, and refuse what they cannot.
    return declared


def _told_by_text(data: bytes, declared: Format | None) -> Format | None:
    """The format that the beginning of text shows, where an ending says less than that."""
    plain = declared in (TEXT, MARKDOWN, *OLD, None)
    if plain and _is_page(data):
        return HTML
    if (plain or declared in (HTML, MAIL)) and _is_saved_page(data):
        return SAVED_PAGE
    if declared in OLD and (BINARY not in data[:SAMPLE] or data.startswith(UTF_16)):
        return TAKEN_AS.get(declared.media_type)
    is_cues = declared is TEXT and data[:SAMPLE].lstrip(MARKS_AND_SPACE).startswith(CUES)
    return SUBTITLES if is_cues else None


CUES = subtitles.MARK.encode()
SAVED = re.compile(rb"(?im)^Content-Type:\s*multipart/related\b")
HEADER = re.compile(rb"[A-Za-z][A-Za-z-]{1,40}:")
WITH_PAGE = b"text/html"


def _is_saved_page(data: bytes) -> bool:
    """Whether it begins with the headers of a page that was saved with its parts, which has no
    sender and no receiver."""
    head = re.split(rb"\r?\n\r?\n", data[:SAMPLE].lstrip(), maxsplit=1)[0]
    if not HEADER.match(head) or not SAVED.search(head) or WITH_PAGE not in data[: 4 * SAMPLE]:
        return False
    return not re.search(rb"(?im)^(?:To|Received|Message-ID):", head)


def _is_page(data: bytes) -> bool:
    """Whether text begins as a web page does, in whatever encoding: these letters are ASCII."""
    begins = data[:SAMPLE].replace(b"\0", b"").lstrip(MARKS_AND_SPACE).lower()
    return begins.startswith((b"<!doctype html", b"<html"))


def _marked(data: bytes, declared: Format | None) -> Format | None:
    """The format whose mark the content bears; None for text."""
    # A text that mentions one only further on is no PDF.
    if PDF.magic in data[:MARKED] and (declared is PDF or data.startswith(PDF.magic)):
        return PDF
    if data.startswith(compound.MARK):
        return _compound(data)
    if data.startswith(tuple(PACKED_BY)) or is_tar(data[:SAMPLE]):
        return TAR
    for mark, kind in UNREAD_ARCHIVES.items():
        if data.startswith(mark):
            raise DocumentRefused(
                "unsupported_type", f"Archives of {kind} are not read; pack the files as ZIP."
            )
    if data.startswith(RTF.magic):
        return RTF
    if data.startswith(EMPTY_ARCHIVE):
        raise DocumentRefused("empty", "The archive holds nothing; check that it was saved whole.")
    if kind := pictures.kind_of(data[: pictures.NEEDED]):
        return next(format for format in IMAGES if format.media_type == kind)
    return _packed(data, declared) if data.startswith(ZIP.magic) else None


def _unknown(name: str) -> DocumentRefused:
    """What helps, and not all the endings there are, of which there are many."""
    ending = PurePath(name).suffix
    files = f"Files that end in {ending[:20]}" if ending else "Files without an ending"
    return DocumentRefused(
        "unsupported_type",
        f"{files} cannot be read; save it as PDF, Word, HTML or plain text, for example.",
    )


def _mismatch(declared: Format, found: str) -> DocumentRefused:
    return DocumentRefused(
        "type_mismatch",
        f"By its name this is a file like {declared.suffixes[0]}, but its content is {found}; "
        "rename it, or save it again in the program that made it.",
    )


def _compound(data: bytes) -> Format:
    """The format of a compound file, which the names of its outermost streams tell."""
    names = {path[0].casefold() for path in compound.Compound.open(data).streams}
    if ENCRYPTED in names:
        raise protected()
    for name, format in COMPOUNDS.items():
        if name in names:
            return format
    raise DocumentRefused(
        "unsupported_type",
        "Of old Office files, texts, workbooks, presentations and messages are read; save it as "
        "PDF.",
    )


def _packed(data: bytes, declared: Format | None) -> Format:
    """The format of an archive: a document's, or a plain archive where the ending says so."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
    except DAMAGED as error:
        raise corrupt() from error
    guard_zip(entries)
    names = [entry.filename for entry in entries]
    is_office = CONTENT_TYPES in names
    for format in PACKED:
        # A plain archive may hold a folder of the same name.
        certain = is_office or format not in OFFICE or declared is format
        if certain and any(name.startswith(format.part) for name in names):
            return _open_kind(data, entries) if format is ODT else format
    if IWORK & set(names) or any(name.startswith(IWORK_PART) for name in names):
        return PREVIEWED
    if declared is ZIP:
        return ZIP
    if declared is None:
        raise DocumentRefused("unsupported_type", "No document was found in this archive.")
    raise _mismatch(declared, "another archive")


def _open_kind(data: bytes, entries: Sequence[zipfile.ZipInfo]) -> Format:
    """The kind of an OpenDocument file: its first entry says it, for a text it may be left out."""
    if not entries or entries[0].filename != OPEN_KIND or entries[0].file_size > LONGEST_KIND:
        return ODT
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            stated = archive.read(entries[0]).decode("ascii", "replace").strip()
    except DAMAGED as error:
        raise corrupt() from error
    # Templates and web pages of a kind are called like it, and more.
    kinds = [format for format in OPEN if stated.startswith(format.media_type)]
    if not kinds and stated.startswith(OPEN_TYPE):
        raise DocumentRefused(
            "unsupported_type", "Of OpenDocument files, texts, spreadsheets and slides are read."
        )
    return kinds[0] if kinds else ODT
