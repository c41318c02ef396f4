"""Messages as Outlook saves them (.msg): subject, people, date, text; its members are the
attachments."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.errors import DocumentRefused
from ingestion.formats import html
from ingestion.formats.aligned import blocks_of
from ingestion.formats.charset import decode
from ingestion.formats.compound import Compound, Path
from ingestion.formats.document import Block, Read
from ingestion.formats.limits import corrupt

PROPERTIES = "__properties_version1.0"
ATTACHED = "__attach_version1.0_"
SUBJECT, BODY, PAGE = "0037", "1000", "1013"
SENDER, ADDRESS, SMTP, RECEIVERS, COPIES = "0C1A", "0C1F", "5D01", "0E04", "0E03"
SENT, ARRIVED, CODE_PAGE = 0x0039, 0x0E06, 0x3FDE
DATA, LONG_NAME, SHORT_NAME = "3701", "3707", "3704"
NESTED = "__substg1.0_3701000D"
"""A message within a message."""
TEXT, BYTES_TEXT, BINARY = "001F", "001E", "0102"
MOST_PROPERTIES, MAX_DEPTH = 4_000, 3
EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
CODE_PAGES = {65001: "utf-8", 20127: "ascii", 28591: "cp1252", 932: "cp932", 936: "gb18030"}


def read(data: bytes) -> Read:
    """The message; one within it stands below it. Raises ``DocumentRefused``."""
    message = _Message(Compound.open(data), ())
    subject = message.text(SUBJECT)
    blocks = list(_blocks(message, 1))
    if not any(block.text.strip() for block in blocks):
        raise corrupt()
    return Read(subject, blocks, members=_attachments(message))


@dataclass(frozen=True)
class _Message:
    """A message or an attachment: the streams below a storage."""

    file: Compound
    path: Path

    def bytes_of(self, number: str, kind: str) -> bytes:
        """The stream of a property, empty where there is none."""
        return self.file.read((*self.path, f"__substg1.0_{number}{kind}"))

    def text(self, number: str) -> str:
        """A property that is text."""
        if wide := self.bytes_of(number, TEXT):
            return wide.decode("utf-16-le", "replace").rstrip("\0")
        narrow = self.bytes_of(number, BYTES_TEXT).rstrip(b"\0")
        page = self.numbers().get(CODE_PAGE, 0)
        name = CODE_PAGES.get(page, f"cp{page}" if page else "")
        try:
            return narrow.decode(name) if name else decode(narrow)
        except (LookupError, UnicodeDecodeError):
            return decode(narrow)

    def numbers(self) -> dict[int, int]:
        """The properties that are numbers or moments."""
        stream = self.file.read((*self.path, PROPERTIES))
        head = 8 if self.path and self.path[-1].startswith(ATTACHED) else 24 if self.path else 32
        end = min(len(stream), head + 16 * MOST_PROPERTIES)
        found = {}
        for at in range(head, end - 15, 16):
            tag, _, value = struct.unpack_from("<IIQ", stream, at)
            found[tag >> 16] = value & 0xFFFFFFFF if tag & 0xFFFF == 3 else value
        return found

    def date(self) -> str:
        """When it was sent, or arrived."""
        numbers = self.numbers()
        value = numbers.get(SENT) or numbers.get(ARRIVED) or 0
        try:
            moment = EPOCH + timedelta(microseconds=value // 10)
        except OverflowError:
            return ""
        return f"{moment:%a, %d %b %Y %H:%M} UTC" if value else ""

    def attachments(self) -> Iterator["_Message"]:
        """Those of it, in the order of their names."""
        depth = len(self.path)
        names = {
            path[depth]
            for path in self.file.streams
            if path[:depth] == self.path and len(path) > depth and path[depth].startswith(ATTACHED)
        }
        return (_Message(self.file, (*self.path, name)) for name in sorted(names))


def _blocks(message: _Message, level: int) -> Iterator[Block]:
    yield Block(" ".join(message.text(SUBJECT).split()), level=level)
    yield Block("\n".join(_facts(message)))
    yield from _body(message)
    if level > MAX_DEPTH:
        return
    for attached in message.attachments():
        nested = _Message(message.file, (*attached.path, NESTED))
        if nested.text(SUBJECT) or nested.text(BODY):
            yield from _blocks(nested, level + 1)


def _facts(message: _Message) -> Iterator[str]:
    name = message.text(SENDER)
    address = message.text(SMTP) or message.text(ADDRESS)
    address = address if "@" in address and address != name else ""
    sender = f"{name} <{address}>" if name and address else name or address
    facts = {"From": sender, "To": message.text(RECEIVERS), "Cc": message.text(COPIES)}
    facts["Date"] = message.date()
    for label, said in facts.items():
        if said.strip():
            yield f"{label}: {' '.join(said.split())}"


def _body(message: _Message) -> Iterator[Block]:
    """The page where there is one, as its tables are rows there; else the plain text."""
    source = message.bytes_of(PAGE, BINARY)
    shown = decode(source) if source else message.text(PAGE)
    if shown.strip():
        yield from html.page(shown).blocks
        return
    text = message.text(BODY).replace("\r\n", "\n").replace("\r", "\n")
    for paragraph in re.split(r"\n[ \t]*\n", text):
        yield from blocks_of(paragraph)


def _attachments(message: _Message) -> Iterator[tuple[str, bytes | DocumentRefused]]:
    for attached in message.attachments():
        data = attached.bytes_of(DATA, BINARY)
        if data:
            yield attached.text(LONG_NAME) or attached.text(SHORT_NAME), data
