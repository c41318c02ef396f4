"""Do the content of a document and the ending of its name say the same format?"""

import io
import zipfile

from app.errors import DocumentRefused
from ingestion.formats import limits
from ingestion.formats.charset import decode
from ingestion.formats.limits import corrupt, guard_zip
from ingestion.formats.registry import BY_SUFFIX, DOCX, FORMATS, HTML, PDF, Format, format_of

OLE_HEADER = bytes.fromhex("d0cf11e0a1b11ae1")
# Stream names inside OLE files are UTF-16; this one exists only in encrypted Office files.
OLE_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")


def detect_format(data: bytes, name: str) -> Format:
    """The format that content and file ending agree on; raises ``DocumentRefused``."""
    if len(data) > limits.MAX_DOCUMENT_BYTES:
        raise DocumentRefused("too_large", "The file is larger than 100 MB; split the document.")
    declared = format_of(name)
    if declared is None:
        raise DocumentRefused(
            "unsupported_type",
            f"Only these file endings can be read: {', '.join(sorted(BY_SUFFIX))}.",
        )
    if not data.strip():
        raise DocumentRefused("empty", "The file is empty; check that it was saved completely.")
    found = _sniff(data, declared)
    if found != declared.media_type:
        raise DocumentRefused(
            "type_mismatch",
            f"The file ending says {declared.media_type}, but the content is {found}; rename the "
            "file or save it in the format its ending names.",
        )
    return declared


def _sniff(data: bytes, declared: Format) -> str:
    # Programs put a few bytes before a PDF; a text that mentions one only further on is no PDF.
    if PDF.magic in data[:1024] and (declared is PDF or data.startswith(PDF.magic)):
        return PDF.media_type
    if data.startswith(OLE_HEADER):
        return _sniff_ole(data, declared)
    if data.startswith(b"PK\x03\x04"):
        return _sniff_zip(data, declared)
    if not declared.is_text:
        return "something else"
    head = decode(data)[:1024].lstrip().lower()
    if declared is not HTML and head.startswith(("<!doctype html", "<html")):
        return HTML.media_type
    return declared.media_type


def _sniff_ole(data: bytes, declared: Format) -> str:
    if declared is not DOCX:
        return "an old Office file"
    if OLE_ENCRYPTED in data:
        raise DocumentRefused(
            "encrypted", "The document is protected by a password; save it without one."
        )
    raise DocumentRefused("unsupported_type", "This is an old Word file; save it as .docx.")


def _sniff_zip(data: bytes, declared: Format) -> str:
    if not declared.part:
        return "a ZIP archive"
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, EOFError) as error:
        raise corrupt() from error
    guard_zip(entries)
    names = [entry.filename for entry in entries]
    for format in FORMATS:
        if format.part and any(name.startswith(format.part) for name in names):
            return format.media_type
    return "another archive"
