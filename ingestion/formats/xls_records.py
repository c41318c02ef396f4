"""The records of old Excel workbooks (BIFF 5 and 8): numbers, strings and their continuations."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from ingestion.formats.limits import MAX_TEXT_CHARACTERS, corrupt, too_long

BOF, EOF, CONTINUE = 0x809, 0x0A, 0x3C
WIDE, ASIAN, RICH = 1, 4, 8
"""What a string's flags say: two bytes a character; more follows it, of Asian or of rich text."""


@dataclass(frozen=True)
class Record:
    """A record of a kind, and the parts that continue it."""

    kind: int
    parts: list[bytes] = field(default_factory=list)

    @property
    def data(self) -> bytes:
        """Its own content, without what continues it."""
        return self.parts[0]


def records(stream: bytes, at: int) -> Iterator[Record]:
    """The records from an offset on to the end of what begins there; charts and the like that
    begin and end within it are left out."""
    depth, last = 0, None
    while at + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, at)
        part = stream[at + 4 : at + 4 + size]
        at += 4 + size
        if kind == CONTINUE and last is not None:
            last.parts.append(part)
            continue
        if last is not None:
            yield last
        last = None
        depth += (kind == BOF) - (kind == EOF)
        if depth <= 0:
            return
        if depth == 1:
            last = Record(kind, [part])
    if last is not None:
        yield last


@dataclass
class Strings:
    """Reads strings from parts of a record: each part that continues characters says anew how
    many bytes they have."""

    parts: list[bytes]
    part: int = 0
    at: int = 0

    def take(self, size: int) -> bytes:
        """So many bytes, out of as many parts as they stand in."""
        found = b""
        while len(found) < size:
            if self.at >= len(self.parts[self.part]):
                self._turn()
                continue
            taken = self.parts[self.part][self.at : self.at + size - len(found)]
            self.at += len(taken)
            found += taken
        return found

    def text(self, count: int) -> str:
        """A string of so many characters, after its flags."""
        flags = self.take(1)[0]
        rich = struct.unpack("<H", self.take(2))[0] if flags & RICH else 0
        asian = struct.unpack("<I", self.take(4))[0] if flags & ASIAN else 0
        found = self.characters(count, bool(flags & WIDE))
        self._skip(4 * rich + asian)
        return found

    def plain(self, count: int) -> str:
        """A string of so many characters, which only says how many bytes each has."""
        return self.characters(count, bool(self.take(1)[0] & WIDE))

    def characters(self, count: int, wide: bool) -> str:
        """So many characters of one or of two bytes."""
        found: list[str] = []
        while count > 0:
            if self.at >= len(self.parts[self.part]):
                self._turn()
                wide = bool(self.take(1)[0] & WIDE)
            size = 2 if wide else 1
            part = self.parts[self.part][self.at : self.at + count * size]
            part = part[: len(part) // size * size]
            if not part:
                raise corrupt()
            self.at += len(part)
            count -= len(part) // size
            found.append(part.decode("utf-16-le" if wide else "latin-1", "replace"))
        return "".join(found)

    def _skip(self, size: int) -> None:
        while size > 0:
            left = len(self.parts[self.part]) - self.at
            if left >= size:
                self.at += size
                return
            size -= left
            self._turn()

    def _turn(self) -> None:
        if self.part + 1 >= len(self.parts):
            raise corrupt()
        self.part, self.at = self.part + 1, 0


def shared_strings(record: Record) -> list[str]:
    """The strings of a workbook, which its cells name by their numbers."""
    reader = Strings(record.parts, at=8)
    found: list[str] = []
    size = 0
    for _ in range(struct.unpack_from("<I", record.data, 4)[0]):
        if reader.part + 1 == len(reader.parts) and reader.at >= len(reader.parts[-1]):
            break
        text = reader.text(struct.unpack("<H", reader.take(2))[0])
        size += len(text)
        if size > MAX_TEXT_CHARACTERS:
            raise too_long()
        found.append(text)
    return found


def packed_number(bits: int) -> float:
    """A number in four bytes: a whole one, or the upper half of a float; of either a hundredth."""
    if bits & 2:
        value = float((bits & 0xFFFFFFFC) - (1 << 32 if bits & 0x80000000 else 0)) / 4
    else:
        value = float(struct.unpack("<d", struct.pack("<II", 0, bits & 0xFFFFFFFC))[0])
    return value / 100 if bits & 1 else value
