"""Documents that hold documents: archives, e-mails, boxes of mails, saved pages, previews."""

import email
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from email.message import EmailMessage
from email.policy import EmailPolicy
from typing import Any

from app.errors import DocumentRefused
from ingestion.formats import html, pdf
from ingestion.formats.aligned import blocks_of
from ingestion.formats.charset import decode
from ingestion.formats.document import Block, Read
from ingestion.formats.limits import (
    DAMAGED,
    MAX_ARCHIVE_ENTRIES,
    MAX_INFLATED_BYTES,
    corrupt,
    guard_zip,
)

HEADERS = ("From", "To", "Cc", "Date")
LONGEST_HEADER = 16_000
"""Characters of one header that are read: parsing takes some 30 µs for each."""


class _Bounded(EmailPolicy):
    """The default policy, for headers of a length that can be."""

    def header_fetch_parse(self, name: str, value: str) -> Any:
        """The header as an object, of as much as is read."""
        return super().header_fetch_parse(name, value[:LONGEST_HEADER])


POLICY = _Bounded()


def read_zip(data: bytes) -> Read:
    """An archive says nothing but what its members say; raises ``DocumentRefused`` for a bomb."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        entries = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
    except DAMAGED as error:
        raise corrupt() from error
    guard_zip(entries)
    return Read("", [], members=_inflated(archive, entries))


def read_mail(data: bytes) -> Read:
    """Subject, sender, receivers and date, and the text; its members are the attachments."""
    try:
        message = email.message_from_bytes(data, policy=POLICY)
        assert isinstance(message, EmailMessage)
        subject = str(message["Subject"] or "")
        said = {name: message[name] for name in HEADERS}
        facts = [f"{name}: {value}" for name, value in said.items() if value]
        text, attached = list(_body(message)), list(_attachments(message))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise corrupt() from error
    if not facts and not subject:
        raise corrupt()
    blocks = [Block(subject, level=1), Block("\n".join(facts)), *text]
    return Read(subject, blocks, members=attached)


def _body(message: EmailMessage) -> Iterator[Block]:
    """The plain text where there is one: the HTML beside it says the same."""
    part = message.get_body(("plain", "html"))
    if part is None:
        return
    # What states no encoding is seldom ASCII, whatever the standard says.
    content = _text_of(part)
    if part.get_content_subtype() == "html":
        yield from html.page(content).blocks
    else:
        for paragraph in re.split(r"\n[ \t\r]*\n", content.replace("\r\n", "\n")):
            yield from blocks_of(paragraph)


def _attachments(message: EmailMessage) -> Iterator[tuple[str, bytes]]:
    for part in message.iter_attachments():
        name = part.get_filename() or ""
        if part.get_content_type() == "message/rfc822":
            inner = part.get_content()
            yield name or "message.eml", inner.as_bytes()
        elif isinstance(content := part.get_payload(decode=True), bytes):
            yield name, content


def _inflated(
    archive: zipfile.ZipFile, entries: Iterable[zipfile.ZipInfo]
) -> Iterator[tuple[str, bytes | DocumentRefused]]:
    for entry in entries:
        try:
            data = archive.read(entry)
        except DAMAGED:
            yield entry.filename, corrupt()
        else:
            yield entry.filename, data


# --- Boxes of mails, and saved pages ---------------------------------------------------------

MAIL_BEGINS = re.compile(rb"(?:\A|\n\r?\n)From [^\r\n]{0,1000}\r?\n(?=[!-9;-~]{1,100}:)")
"""The line above each message of a box, which stands below a blank one."""
QUOTED = re.compile(rb"(?m)^>(>*From )")
NO_MAIL = "No message was found in this box of mails."


def read_mails(data: bytes) -> Read:
    """A box of mails (mbox): its members are its messages."""
    begins = [found.span() for found in MAIL_BEGINS.finditer(data)]
    if not begins:
        raise DocumentRefused("corrupt", NO_MAIL)
    if len(begins) > MAX_ARCHIVE_ENTRIES:
        raise DocumentRefused(
            "zip_bomb", f"More than {MAX_ARCHIVE_ENTRIES:,} messages; split the box of mails."
        )
    ends = [start for start, _ in begins[1:]] + [len(data)]
    return Read(
        "",
        [],
        members=(
            (f"message {number}.eml", QUOTED.sub(rb"\1", data[start:end]))
            for number, ((_, start), end) in enumerate(zip(begins, ends, strict=True), start=1)
        ),
    )


SHEETS, SHEET_TYPE = 50, "text/css"
"""Style sheets of a saved page that are read: what they hide is not seen."""


def read_saved_page(data: bytes) -> Read:
    """A page saved with its parts (MHTML), as its browser showed it; pictures are left out."""
    try:
        message = email.message_from_bytes(data, policy=POLICY)
        parts = [part for part in message.walk() if not part.is_multipart()]
        pages = [part for part in parts if part.get_content_type() in PAGES]
        sheets = [part for part in parts if part.get_content_type() == SHEET_TYPE][:SHEETS]
        source = _text_of(pages[0]) if pages else ""
        looks = "".join(f"<style>{_text_of(one).replace('</', '')}</style>" for one in sheets)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise corrupt() from error
    if not source.strip():
        raise corrupt()
    head = re.search(r"<head[^>]{0,1000}>", source, re.IGNORECASE)
    at = head.end() if head else 0
    return html.page(source[:at] + looks + source[at:] if looks else source)


PAGES = ("text/html", "application/xhtml+xml")


def _text_of(part: Any) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        return content.decode(part.get_content_charset() or "utf-8")
    except (LookupError, UnicodeDecodeError):
        return decode(content)


# --- Other archives --------------------------------------------------------------------------

SLICE = 1 << 16
PACKED_BY = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz"}


class _Counted(io.RawIOBase):
    """What a packed file unpacks to, read forwards; raises ``DocumentRefused`` beyond the limit."""

    def __init__(self, data: bytes) -> None:
        self._file, self._left = _unpacking(data), MAX_INFLATED_BYTES

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Some of what follows."""
        found = self._file.read(min(len(buffer), SLICE))
        self._left -= len(found)
        if self._left < 0:
            raise DocumentRefused(
                "zip_bomb", "The document unpacks to more than 200 MB; remove large embedded files."
            )
        buffer[: len(found)] = found
        return len(found)


def _unpacking(data: bytes) -> Any:
    import bz2
    import gzip

    source = io.BytesIO(data)
    if data.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=source)
    if data.startswith(b"BZh"):
        return bz2.BZ2File(source)
    return lzma.LZMAFile(source) if data.startswith(b"\xfd7zXZ") else source


TAR_MARK, TAR_MARK_AT, TAR_BLOCK = b"ustar", 257, 512


def is_tar(head: bytes) -> bool:
    """Whether this is how a tar archive begins."""
    return head[TAR_MARK_AT : TAR_MARK_AT + len(TAR_MARK)] == TAR_MARK


UNREADABLE = (*DAMAGED, tarfile.TarError, zlib.error, lzma.LZMAError)


def read_tar(data: bytes) -> Read:
    """An archive of files, packed or not, or one packed file, whose name is not known.

    Links, devices and files with holes are left out. Raises ``DocumentRefused``.
    """
    unpacked = io.BufferedReader(_Counted(data), SLICE)
    try:
        head = unpacked.peek(TAR_BLOCK)
    except UNREADABLE as error:
        raise corrupt() from error
    return Read("", [], members=_files_of(unpacked) if is_tar(head) else _alone(unpacked))


def _alone(unpacked: Any) -> Iterator[tuple[str, bytes | DocumentRefused]]:
    try:
        yield "packed.txt", unpacked.read()
    except UNREADABLE:
        yield "packed.txt", corrupt()


def _files_of(unpacked: Any) -> Iterator[tuple[str, bytes | DocumentRefused]]:
    count = 0
    try:
        archive = tarfile.open(fileobj=unpacked, mode="r|")  # noqa: SIM115 - it is read on demand
        for entry in archive:
            count += 1
            if count > MAX_ARCHIVE_ENTRIES:
                raise DocumentRefused("zip_bomb", "The archive holds more than 10,000 files.")
            archive.members.clear()  # type: ignore[attr-defined]
            if not entry.isreg() or entry.issparse():
                continue
            if entry.size > MAX_INFLATED_BYTES:
                raise DocumentRefused("zip_bomb", "The archive unpacks to more than 200 MB.")
            file = archive.extractfile(entry)
            if file is not None:
                yield entry.name, file.read()
    except UNREADABLE:
        yield "the rest of the archive", corrupt()


# --- What Pages, Numbers and Keynote save ----------------------------------------------------

PREVIEWS = ("QuickLook/Preview.pdf", "preview.pdf")


def read_preview(data: bytes) -> Read:
    """The PDF that such a document holds beside its own form, which no other program reads."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            name = next((one for one in PREVIEWS if one in archive.NameToInfo), "")
            preview = archive.read(name) if name else b""
    except DAMAGED as error:
        raise corrupt() from error
    if not preview:
        raise DocumentRefused(
            "unsupported_type",
            "This document of Pages, Numbers or Keynote holds no preview as PDF; export it as "
            "PDF, Word, Excel or PowerPoint.",
        )
    return pdf.read(preview)
