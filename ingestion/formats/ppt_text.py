"""The text of boxes in old PowerPoint files: lines, how deep each is indented, raised marks."""

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ingestion.formats.ppt_records import Record
from ingestion.formats.text import shifted

HEADER, WIDE, NARROW, LOOKS = 3999, 4000, 4008, 4001
FIELDS = frozenset((4056, 4087, 4088, 4089, 4090))
"""What stands for the number of the slide, the date, the header and the footer."""
TITLES = (0, 6)
OTHER = 4
BREAK, LINE = "\r", "\x0b"
TABS = 0x100000
BEFORE_TABS = {0xF: 2, 0x80: 2, 0x10: 2, 0x40: 2, 0x20: 4, 0x800: 2, 0x1000: 2, 0x2000: 2}
BEFORE_TABS |= {0x4000: 2, 0x100: 2, 0x400: 2, 0x8000: 2}
AFTER_TABS = {0x10000: 2, 0xE0000: 2, 0x200000: 2}
"""The bytes of what a paragraph states, by the flags that say that it does."""
BEFORE_SHIFT = {0xFFFF: 2, 0x10000: 2, 0x200000: 2, 0x400000: 2, 0x800000: 2, 0x20000: 2}
BEFORE_SHIFT |= {0x40000: 4}
SHIFT = 0x80000


_One = Callable[[bytes, int], tuple[int, int]]
"""Reads what is said of a run at a place: what counts of it, and where the next one is."""


@dataclass
class Text:
    """The text of one box; ``kind`` is what it is for, as ``TITLES``."""

    kind: int = OTHER
    said: str = ""
    fields: set[int] = field(default_factory=set)
    """The places of signs that stand for a number or date."""
    looks: bytes = b""

    def lines(self) -> list[str]:
        """Its paragraphs that are not empty; "- " before one that is indented."""
        levels, shifts = self._levels_and_shifts()
        found = []
        start = 0
        for paragraph in self.said.split(BREAK):
            end = start + len(paragraph)
            line = self._shown(start, end, shifts).strip(" \t")
            if line.strip():
                found.append(f"- {line}" if levels.at(start) else line)
            start = end + 1
        return found

    def _shown(self, start: int, end: int, shifts: "_Runs") -> str:
        shown: list[str] = []
        for first, last, shift in shifts.within(start, end):
            signs = [self.said[at] for at in range(first, last) if at not in self.fields]
            part = "".join(signs).replace(LINE, "\n")
            shown.append(shifted(part, shift, shown))
        return "".join(shown)

    def _levels_and_shifts(self) -> tuple["_Runs", "_Runs"]:
        """Where each run of paragraphs ends, and its level; the same of how print is shifted."""
        levels, shifts = _Runs(), _Runs()
        try:
            at = self._read(0, levels, _paragraph)
            self._read(at, shifts, _print)
        except (struct.error, IndexError):
            pass  # what was read of it counts
        return levels, shifts

    def _read(self, at: int, found: "_Runs", one: _One) -> int:
        end = 0
        while end <= len(self.said) and at < len(self.looks):
            count = struct.unpack_from("<I", self.looks, at)[0]
            value, at = one(self.looks, at + 4)
            end += max(1, count)
            found.ends.append(end)
            found.values.append(value)
        return at


@dataclass
class _Runs:
    """Where each run ends, and its value."""

    ends: list[int] = field(default_factory=list)
    values: list[int] = field(default_factory=list)

    def at(self, place: int) -> int:
        """The value at a place; 0 beyond the last run."""
        number = bisect_right(self.ends, place)
        return self.values[number] if number < len(self.values) else 0

    def within(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """The runs between two places, each from where to where with its value."""
        for number in range(bisect_right(self.ends, start), len(self.ends)):
            if start >= end:
                return
            last = min(self.ends[number], end)
            yield start, last, self.values[number]
            start = last
        if start < end:
            yield start, end, 0


def texts(records: Iterable[Record]) -> Iterator[Text]:
    """The texts that stand one after the other, each with what is said of it."""
    found: Text | None = None
    for one in records:
        if one.kind == HEADER:
            if found is not None:
                yield found
            found = Text(one.numbers("<I")[0])
        elif found is not None:
            _add(found, one)
    if found is not None:
        yield found


def _add(found: Text, one: Record) -> None:
    if one.kind == WIDE:
        data = one.data
        found.said = data[: len(data) // 2 * 2].decode("utf-16-le", "replace")
    elif one.kind == NARROW:
        found.said = one.data.decode("latin-1")
    elif one.kind == LOOKS:
        found.looks = one.data
    elif one.kind in FIELDS:
        found.fields.update(one.numbers("<I"))


def _paragraph(looks: bytes, at: int) -> tuple[int, int]:
    level, flags = struct.unpack_from("<HI", looks, at)
    at += 6 + _size(flags, BEFORE_TABS)
    if flags & TABS:
        at += 2 + 4 * int(struct.unpack_from("<H", looks, at)[0])
    return level, at + _size(flags, AFTER_TABS)


def _print(looks: bytes, at: int) -> tuple[int, int]:
    flags = struct.unpack_from("<I", looks, at)[0]
    at += 4 + _size(flags, BEFORE_SHIFT)
    if not flags & SHIFT:
        return 0, at
    return struct.unpack_from("<h", looks, at)[0], at + 2


def _size(flags: int, sizes: dict[int, int]) -> int:
    return sum(size for flag, size in sizes.items() if flags & flag)
