"""The records of old PowerPoint files (MS-PPT): the edit that counts, and the parts it names."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.errors import DocumentRefused
from ingestion.formats.compound import Compound
from ingestion.formats.limits import corrupt, protected

STREAMS = ("PowerPoint Document", "Current User")
NEWER = "PP97_DUALSTORAGE"
"""Where files for two releases keep what is for the newer one."""
HEAD = 8
IS_CONTAINER = 15
DOCUMENT, SLIDE, NOTES, LIST, LISTED = 1000, 1006, 1008, 4080, 1011
EDIT, DIRECTORY = 4085, 6002
LOCKED = 0xF3D1C4DF
"""The token of a file with a password."""
WITH_SESSION = 32
"""The size of an edit that names what encrypts the file."""
MOST_EDITS, SHORTEST_USER = 1_000, 20


@dataclass(frozen=True)
class Record:
    """A record: its number among those of its kind, and where its content lies."""

    kind: int
    instance: int
    stream: bytes
    start: int
    end: int

    @property
    def data(self) -> bytes:
        """Its content."""
        return self.stream[self.start : self.end]

    def children(self) -> Iterator["Record"]:
        """The records within it."""
        yield from records(self.stream, self.start, self.end)

    def first(self, kind: int, instance: int = -1) -> "Record | None":
        """The first one of a kind within it."""
        for one in self.children():
            if one.kind == kind and instance in (-1, one.instance):
                return one
        return None

    def numbers(self, form: str, at: int = 0) -> tuple[int, ...]:
        """Numbers in its content; raises ``struct.error``."""
        return struct.unpack_from(
            form, self.stream[self.start : min(self.end, self.start + 64)], at
        )


def records(stream: bytes, start: int, end: int) -> Iterator[Record]:
    """The records from one place to another; one that is longer is cut off."""
    while start + HEAD <= end:
        marks, kind, size = struct.unpack_from("<HHI", stream, start)
        begins = start + HEAD
        yield Record(kind, marks >> 4, stream, begins, min(begins + size, end))
        start = begins + size


@dataclass(frozen=True)
class Deck:
    """An opened presentation: where each of its parts begins in the last edit."""

    stream: bytes
    document: Record
    _places: Mapping[int, int]

    @staticmethod
    def open(file: Compound) -> "Deck":
        """Raises ``DocumentRefused``, also for one with a password."""
        newer = any(path[0] == NEWER for path in file.streams)
        stream, user = (file.read((*((NEWER,) if newer else ()), name)) for name in STREAMS)
        if len(user) < SHORTEST_USER:
            raise DocumentRefused(
                "unsupported_type",
                "Slides of PowerPoint 95 and before are not read; save as .pptx.",
            )
        token, at = struct.unpack_from("<II", user, 12)
        if token == LOCKED:
            raise protected()
        places: dict[int, int] = {}
        number, known = 0, set[int]()
        for _ in range(MOST_EDITS):
            edit = next(records(stream, at, len(stream)), None)
            if edit is None or edit.kind != EDIT:
                raise corrupt()
            if edit.end - edit.start >= WITH_SESSION:
                raise protected()
            before, directory, document = edit.numbers("<III", 8)
            number = number or document
            for key, place in () if directory in known else _listed(stream, directory):
                places.setdefault(key, place)
            known.add(directory)
            if not before or before >= at:
                break
            at = before
        found = _at(stream, places.get(number), DOCUMENT)
        if found is None:
            raise corrupt()
        return Deck(stream, found, places)

    def part(self, number: int, kind: int) -> Record | None:
        """A part by the number that lists give it."""
        return _at(self.stream, self._places.get(number), kind)


def _at(stream: bytes, place: int | None, kind: int) -> Record | None:
    if place is None:
        return None
    found = next(records(stream, place, len(stream)), None)
    return found if found is not None and found.kind == kind else None


def _listed(stream: bytes, place: int) -> Iterator[tuple[int, int]]:
    """What a directory lists: numbers of parts, and where these begin."""
    found = _at(stream, place, DIRECTORY)
    if found is None:
        raise corrupt()
    data = found.data
    at = 0
    while at + 4 <= len(data):
        marks = struct.unpack_from("<I", data, at)[0]
        first, count = marks & 0xFFFFF, marks >> 20
        places = struct.unpack_from(f"<{count}I", data, at + 4)
        yield from enumerate(places, start=first)
        at += 4 + 4 * count
