"""Documents that hold documents: ZIP archives, and e-mails with attachments."""

import email
import email.policy
import io
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from email.message import EmailMessage
from pathlib import PurePosixPath

from app.errors import DocumentRefused
from ingestion.formats import html
from ingestion.formats.document import Block, Read
from ingestion.formats.limits import DAMAGED, MAX_INFLATED_BYTES, corrupt, guard_zip

MAX_HEADING = 6
MAX_DEPTH = 2
"""Containers within containers."""
HEADERS = ("From", "To", "Cc", "Date")
_depth: ContextVar[int] = ContextVar("depth", default=0)
_spent: ContextVar[int] = ContextVar("spent", default=0)
"""Bytes unpacked so far for the document that is read."""


def read_zip(data: bytes) -> Read:
    """The documents of an archive, each under its name; what cannot be read is left out.

    Raises ``DocumentRefused`` when nothing in it can be read, and for a bomb.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        entries = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
    except DAMAGED as error:
        raise corrupt() from error
    guard_zip(entries)
    with _deeper():
        blocks = list(_members(_inflated(archive, entries)))
    if not blocks:
        raise DocumentRefused("empty", "The archive holds no document that can be read.")
    return Read("", blocks)


def read_mail(data: bytes) -> Read:
    """Subject, sender, receivers and date, the text, and the attachments under their names."""
    try:
        message = email.message_from_bytes(data, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        subject = str(message["Subject"] or "")
        facts = [f"{name}: {message[name]}" for name in HEADERS if message[name]]
        text = list(_body(message))
        with _deeper():
            attached = list(_members(_attachments(message)))
    except (ValueError, LookupError, TypeError, AttributeError, IndexError) as error:
        raise corrupt() from error
    if not facts and not subject:
        raise corrupt()
    return Read(subject, [Block(subject, level=1), Block("\n".join(facts)), *text, *attached])


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
        yield Block(content)


def _attachments(message: EmailMessage) -> Iterator[tuple[str, bytes]]:
    for part in message.iter_attachments():
        name = part.get_filename() or ""
        if part.get_content_type() == "message/rfc822":
            inner = part.get_content()
            yield name or "message.eml", _spend(inner.as_bytes())
        elif isinstance(content := part.get_payload(decode=True), bytes):
            yield name, _spend(content)


def _inflated(
    archive: zipfile.ZipFile, entries: Iterable[zipfile.ZipInfo]
) -> Iterator[tuple[str, bytes]]:
    for entry in entries:
        _spend(b"", entry.file_size)
        try:
            yield entry.filename, archive.read(entry)
        except DAMAGED:
            continue


def _members(named: Iterable[tuple[str, bytes]]) -> Iterator[Block]:
    """The blocks of each document that can be read, under its name."""
    from ingestion.formats.sniff import detect_format  # the list of formats holds this reader

    for name, data in named:
        if not data or any(
            part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts
        ):
            continue
        try:
            found = detect_format(data, name).read(data)
        except DocumentRefused as refused:
            if refused.reason == "zip_bomb":
                raise
            continue
        blocks = [block for block in found.blocks if block.text.strip()]
        if blocks:
            yield Block(found.title or PurePosixPath(name).name, level=1)
        for block in blocks:
            # The pages of one member are not those of the whole.
            yield Block(
                block.text,
                None,
                block.gap,
                min(block.level + 1, 6) if block.level else 0,
                block.doubt,
            )


@contextmanager
def _deeper() -> Iterator[None]:
    depth = _depth.get()
    if depth >= MAX_DEPTH:
        raise DocumentRefused("zip_bomb", "Archives are nested too deeply; unpack them first.")
    spent = _spent.get()
    _depth.set(depth + 1)
    try:
        yield
    finally:
        _depth.set(depth)
        if depth == 0:
            _spent.set(spent)


def _spend(data: bytes, size: int = 0) -> bytes:
    """``data``, counted; raises ``DocumentRefused`` once all together is too much."""
    total = _spent.get() + max(len(data), size)
    if total > MAX_INFLATED_BYTES:
        raise DocumentRefused(
            "zip_bomb", "The document unpacks to more than 200 MB; remove large embedded files."
        )
    _spent.set(total)
    return data
