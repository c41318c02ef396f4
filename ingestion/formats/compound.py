"""Compound files (OLE), as Outlook and old Office programs write them: streams by their paths."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from ingestion.formats.limits import corrupt

MARK = bytes.fromhex("d0cf11e0a1b11ae1")
HEADER, ENTRY = 512, 128
FIRST_SECTORS = 109
"""Sectors of the allocation table that the header names; others are in a chain."""
NO_SECTOR, NO_ENTRY = 0xFFFFFFFA, 0xFFFFFFFF
"""The first number that is none of a sector, and the entry that is none."""
STORAGE, STREAM, ROOT = 1, 2, 5
MOST_ENTRIES, MOST_DEPTH = 20_000, 20
SMALL_SECTOR = 64
Path = tuple[str, ...]


@dataclass(frozen=True)
class _Entry:
    """A stream or a storage: where it starts, how long it is, and those beside and below it."""

    name: str
    kind: int
    start: int
    size: int
    near: tuple[int, int]
    child: int


@dataclass(frozen=True)
class Compound:
    """The streams of a file, by their paths; raises ``DocumentRefused`` for what is damaged."""

    _data: bytes
    _sector: int
    _table: Sequence[int]
    _small_below: int
    _small_table: Sequence[int]
    _small: bytes
    streams: Mapping[Path, _Entry]

    @staticmethod
    def open(data: bytes) -> "Compound":
        """The file in ``data``."""
        try:
            return _opened(data)
        except (struct.error, IndexError, ValueError, OverflowError) as error:
            raise corrupt() from error

    @cached_property
    def _folded(self) -> dict[Path, _Entry]:
        return {tuple(map(str.casefold, path)): entry for path, entry in self.streams.items()}

    def read(self, path: Path) -> bytes:
        """The content of a stream; empty where there is none. Capitals do not matter."""
        entry = self.streams.get(path) or self._folded.get(tuple(map(str.casefold, path)))
        if entry is None:
            return b""
        if entry.size >= self._small_below:
            whole = b"".join(_sectors(self._data, self._sector, self._table, entry.start))
        else:
            parts = _chain(self._small_table, entry.start)
            at = [number * SMALL_SECTOR for number in parts]
            whole = b"".join(self._small[begin : begin + SMALL_SECTOR] for begin in at)
        return whole[: entry.size]


def _opened(data: bytes) -> Compound:
    if not data.startswith(MARK) or len(data) < HEADER:
        raise corrupt()
    shift = struct.unpack_from("<H", data, 30)[0]
    if shift not in (9, 12):
        raise corrupt()
    sector = 1 << shift
    directory, _, small_below, small_start, _, more, _ = struct.unpack_from("<7I", data, 48)
    first = [n for n in struct.unpack_from(f"<{FIRST_SECTORS}I", data, 76) if n < NO_SECTOR]
    table: list[int] = []
    for number in chain(first, _more_of_table(data, sector, more)):
        # Nothing beyond the end of the file needs an entry.
        if len(table) > len(data) // sector:
            break
        table += _numbers(_at(data, sector, number))
    entries = list(_entries(b"".join(_sectors(data, sector, table, directory))))
    if not entries or entries[0].kind != ROOT:
        raise corrupt()
    small_table = _numbers(b"".join(_sectors(data, sector, table, small_start)))
    small = b"".join(_sectors(data, sector, table, entries[0].start))[: entries[0].size]
    return Compound(data, sector, table, small_below, small_table, small, _paths(entries))


def _at(data: bytes, sector: int, number: int) -> bytes:
    start = (number + 1) * sector
    return data[start : start + sector]


def _numbers(data: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4]))


def _more_of_table(data: bytes, sector: int, number: int) -> Iterator[int]:
    seen: set[int] = set()
    while number < NO_SECTOR and number not in seen and (number + 1) * sector < len(data):
        seen.add(number)
        *found, number = _numbers(_at(data, sector, number))
        yield from (one for one in found if one < NO_SECTOR)


def _chain(table: Sequence[int], number: int) -> Iterator[int]:
    """The sectors of a chain; one that leads back to itself is damaged."""
    left = len(table)
    while number < NO_SECTOR:
        if number >= len(table) or left <= 0:
            raise corrupt()
        yield number
        number, left = table[number], left - 1


def _sectors(data: bytes, sector: int, table: Sequence[int], start: int) -> Iterator[bytes]:
    for number in _chain(table, start):
        if (number + 1) * sector >= len(data):
            raise corrupt()
        yield _at(data, sector, number)


def _entries(directory: bytes) -> Iterator[_Entry]:
    for at in range(0, min(len(directory), MOST_ENTRIES * ENTRY) - ENTRY + 1, ENTRY):
        size, kind, _, left, right, child = struct.unpack_from("<HBBIII", directory, at + 64)
        start, length = struct.unpack_from("<II", directory, at + 116)
        name = directory[at : at + max(0, min(size, 64) - 2)].decode("utf-16-le", "replace")
        yield _Entry(name, kind, start, length, (left, right), child)


def _paths(entries: Sequence[_Entry]) -> dict[Path, _Entry]:
    """The streams by their paths; an entry that stands in two places counts in the first."""
    found: dict[Path, _Entry] = {}
    waiting: list[tuple[int, Path]] = [(entries[0].child, ())]
    seen: set[int] = set()
    while waiting:
        number, above = waiting.pop()
        if number == NO_ENTRY or number >= len(entries) or number in seen:
            continue
        seen.add(number)
        entry = entries[number]
        waiting += [(one, above) for one in entry.near]
        path = (*above, entry.name)
        if entry.kind == STREAM:
            found[path] = entry
        elif entry.kind == STORAGE and len(path) < MOST_DEPTH:
            waiting.append((entry.child, path))
    return found
