"""Documents that hold documents: ZIP archives, and e-mails with attachments."""

import email
import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from email.message import EmailMessage
from email.policy import EmailPolicy
from typing import Any

from app.errors import DocumentRefused
from ingestion.formats import html
from ingestion.formats.aligned import blocks_of
from ingestion.formats.document import Block, Read
from ingestion.formats.limits import DAMAGED, corrupt, guard_zip

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
    content = part.get_content()
    if not isinstance(content, str):
        return
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
