"""The parts of an old Word file (MS-DOC): its text, put together of pieces, and what formats it."""

import re
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from app.errors import DocumentRefused
from ingestion.formats.compound import Compound
from ingestion.formats.limits import MAX_TEXT_CHARACTERS, corrupt, protected, too_long

MARK, OLDEST = 0xA5EC, 0xC1
OLD_MARKS = frozenset((0xA5DB, 0xA5DC, 0xA697, 0xA698, 0xA699))
"""How the main stream begins since Word 97, the version of that, and how it began before."""
ENCRYPTED, SECOND_TABLE = 0x100, 0x200
PAGE = 512
FIRST_PART = 0x9A
"""Where the places of parts stand in the main stream; each by a number of its own."""
STYLES, FOOTNOTE_MARKS, FOOTNOTES, HEADERS = 1, 2, 3, 11
CHARACTERS, PARAGRAPHS, PIECES = 12, 13, 33
ANCHORS, ENDNOTE_MARKS, ENDNOTES, BOXES, OUTER_BOXES = 40, 46, 47, 56, 58
LISTS, OVERRIDES = 73, 74
STORIES = ("text", "footnotes", "headers", "macros", "comments", "endnotes", "boxes", "outer boxes")
LENGTHS_AT = 0x4C
PLAIN = 0x40000000
"""In the place of a piece: its characters have one byte."""
ENDS = re.compile("[\r\x07\x0c]")
"""The characters that end a paragraph, a cell or row, and a page."""


@dataclass(frozen=True)
class Run:
    """Characters from ``start`` to ``end`` that look alike, and the changes that make them so."""

    start: int
    end: int
    changes: bytes


@dataclass(frozen=True)
class _Piece:
    """Characters from ``start`` to ``end``, their place in the file and their bytes each."""

    start: int
    end: int
    place: int
    width: int
    changes: bytes


@dataclass
class WordFile:
    """An opened file; raises ``DocumentRefused`` and what struct and lookups raise."""

    main: bytes
    table: bytes
    data: bytes
    text: str = ""
    stories: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Where in the text each begins and ends."""
    _pieces: list[_Piece] = field(default_factory=list)

    @staticmethod
    def open(file: Compound) -> "WordFile":
        """The document in a compound file."""
        main = file.read(("WordDocument",))
        mark, version = struct.unpack_from("<HH", main)
        flags = struct.unpack_from("<H", main, 10)[0]
        if mark not in (MARK, *OLD_MARKS):
            raise corrupt()
        if flags & ENCRYPTED:
            raise protected()
        if version < OLDEST or mark != MARK:
            raise DocumentRefused(
                "unsupported_type", "Texts of Word 95 and before are not read; save it as .docx."
            )
        table = file.read(("1Table" if flags & SECOND_TABLE else "0Table",))
        found = WordFile(main, table, file.read(("Data",)))
        found._assemble()
        return found

    def part(self, number: int) -> bytes:
        """A part of the table stream; empty where there is none."""
        at = FIRST_PART + 8 * number
        if at + 8 > len(self.main):
            return b""
        start, size = struct.unpack_from("<II", self.main, at)
        return self.table[start : start + size]

    def after(self, number: int) -> bytes:
        """What follows a part."""
        start, size = struct.unpack_from("<II", self.main, FIRST_PART + 8 * number)
        return self.table[start + size :]

    def _assemble(self) -> None:
        lengths = struct.unpack_from("<8I", self.main, LENGTHS_AT)
        self._pieces = [*_pieces(self.part(PIECES))]
        parts, size = [], 0
        for piece in self._pieces:
            data = self.main[piece.place :][: (piece.end - piece.start) * piece.width]
            size += piece.end - piece.start
            if size > MAX_TEXT_CHARACTERS:
                raise too_long()
            if len(data) < (piece.end - piece.start) * piece.width:
                raise corrupt()
            parts.append(_decoded(data, piece.width))
        self.text = "".join(parts)
        at = 0
        for story, length in zip(STORIES, lengths, strict=False):
            self.stories[story] = at, min(at + length, len(self.text))
            at += length

    def runs(self) -> list[Run]:
        """The characters that look alike, in the order of the text."""
        formats = _Formats.of(self.main, self.part(CHARACTERS), _character_changes)
        return [
            Run(start, end, changes + piece.changes)
            for piece in self._pieces
            for start, end, changes in formats.within(piece)
        ]

    def paragraphs(self) -> list[Run]:
        """The paragraphs, each with the number of its style, in two bytes, before its changes."""
        formats = _Formats.of(self.main, self.part(PARAGRAPHS), _paragraph_changes)
        starts = [piece.start for piece in self._pieces]
        found: list[Run] = []
        start = 0
        for match in ENDS.finditer(self.text):
            at = match.start()
            piece = self._pieces[bisect_right(starts, at) - 1]
            changes = formats.at(piece.place + (at - piece.start) * piece.width)
            found.append(Run(start, at + 1, (changes or bytes(2)) + piece.changes))
            start = at + 1
        return found


def positions(part: bytes, size: int) -> tuple[tuple[int, ...], list[bytes]]:
    """The places of a list in the text, and what it keeps of each: so many bytes. There is one
    place more than that."""
    count = max(0, (len(part) - 4) // (4 + size))
    if not count:
        return (), []
    places = struct.unpack_from(f"<{count + 1}I", part)
    first = 4 * (count + 1)
    return places, [part[first + size * n :][:size] for n in range(count)]


def _pieces(part: bytes) -> Iterator[_Piece]:
    changes: list[bytes] = []
    at = 0
    while part[at : at + 1] == b"\1":
        size = struct.unpack_from("<H", part, at + 1)[0]
        changes.append(part[at + 3 : at + 3 + size])
        at += 3 + size
    if part[at : at + 1] != b"\2":
        raise corrupt()
    size = struct.unpack_from("<I", part, at + 1)[0]
    places, kept = positions(part[at + 5 : at + 5 + size], 8)
    for number, one in enumerate(kept):
        start, end = places[number : number + 2]
        place, change = struct.unpack_from("<IH", one, 2)
        own = changes[change >> 1] if change & 1 and change >> 1 < len(changes) else b""
        width = 1 if place & PLAIN else 2
        place = (place & ~PLAIN) // (2 if place & PLAIN else 1)
        if end < start or places[0]:
            raise corrupt()
        yield _Piece(start, end, place, width, own)


def _decoded(data: bytes, width: int) -> str:
    """One character for each place; halves of a pair are put together when a run is read."""
    if width == 1:
        return data.decode("cp1252", "replace")
    return "".join(map(chr, struct.unpack(f"<{len(data) // 2}H", data)))


_Changes = Callable[[bytes, int, int], bytes]
"""The changes of one entry of a page: the page, where its places end, and the entry's number."""


@dataclass
class _Formats:
    """What the file keeps of the characters or paragraphs at its places, in their order."""

    starts: list[int]
    kept: list[tuple[int, int, bytes]]

    @staticmethod
    def of(main: bytes, part: bytes, changes: _Changes) -> "_Formats":
        """From all pages that a part of the file lists."""
        kept: list[tuple[int, int, bytes]] = []
        seen: set[int] = set()
        for one in positions(part, 4)[1]:
            number = struct.unpack("<I", one)[0] & 0x3FFFFF
            page = main[number * PAGE : (number + 1) * PAGE]
            if number not in seen and len(page) == PAGE:
                seen.add(number)
                count = min(page[-1], (PAGE - 8) // 5)
                places = struct.unpack_from(f"<{count + 1}I", page)
                kept += [
                    (places[n], places[n + 1], changes(page, 4 * (count + 1), n))
                    for n in range(count)
                ]
        kept = sorted((one for one in kept if one[0] < one[1]), key=lambda one: one[0])
        return _Formats([start for start, _, _ in kept], kept)

    def at(self, place: int) -> bytes:
        """What holds at a place of the file; empty where nothing is kept."""
        number = bisect_right(self.starts, place) - 1
        if number < 0 or place >= self.kept[number][1]:
            return b""
        return self.kept[number][2]

    def within(self, piece: _Piece) -> Iterator[tuple[int, int, bytes]]:
        """The runs of a piece, without gaps: their places in the text, and what holds there."""
        at, end = piece.start, piece.end
        number = max(0, bisect_right(self.starts, piece.place) - 1)
        while at < end:
            place = piece.place + (at - piece.start) * piece.width
            while number < len(self.kept) and self.kept[number][1] <= place:
                number += 1
            start, last, changes = (
                self.kept[number] if number < len(self.kept) else (1 << 40, 1 << 40, b"")
            )
            until = last if start <= place else start
            reached = piece.start + max(1, -(-(until - piece.place) // piece.width))
            reached = min(end, max(at + 1, reached))
            yield at, reached, changes if start <= place else b""
            at = reached


def _character_changes(page: bytes, after: int, number: int) -> bytes:
    at = 2 * int.from_bytes(page[after + number : after + number + 1], "little")
    return page[at + 1 : at + 1 + page[at]] if at else b""


def _paragraph_changes(page: bytes, after: int, number: int) -> bytes:
    place = after + 13 * number
    at = 2 * int.from_bytes(page[place : place + 1], "little")
    if not at:
        return b""
    if page[at]:
        return page[at + 1 : at + 2 * page[at]]
    return page[at + 2 : at + 2 + 2 * page[at + 1]] if at + 1 < len(page) else b""
