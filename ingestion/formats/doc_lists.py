"""The numbered lists of old Word files (MS-DOC, LST and LFO), counted as those of new files."""

import struct

from ingestion.formats.doc_file import LISTS, OVERRIDES, WordFile
from ingestion.formats.docx_numbers import Level, Numbering

KINDS = {0: "decimal", 1: "upper-roman", 2: "lower-roman", 3: "upper-alpha", 4: "lower-alpha"}
KINDS |= {22: "decimal-leading-zero", 23: "bullet", 255: "none"}
LIST_SIZE, LEVEL_SIZE, OVERRIDE_SIZE = 28, 28, 16
LEVELS, MOST_LISTS = 9, 20_000
IS_SIMPLE, LEGAL, GOES_ON = 1, 4, 8
STARTS_ANEW, OWN_LEVEL = 0x10, 0x20


def numbering(file: WordFile) -> Numbering:
    """All lists of a file, by the numbers that paragraphs give; none where they are damaged."""
    try:
        return _numbering(file)
    except (struct.error, IndexError):
        return Numbering()


def _numbering(file: WordFile) -> Numbering:
    part = file.part(LISTS)
    count = min(struct.unpack_from("<H", part)[0], MOST_LISTS) if len(part) > 1 else 0
    levels = _Levels(file.after(LISTS)) if count else _Levels(b"")
    lists: dict[str, dict[int, Level]] = {}
    for number in range(count):
        stored = part[2 + LIST_SIZE * number :][:LIST_SIZE]
        simple = stored[26:27] and stored[26] & IS_SIMPLE
        found = {at: levels.next() for at in range(1 if simple else LEVELS)}
        lists[str(struct.unpack_from("<i", stored)[0])] = found
    return Numbering.made(lists, _overrides(file.part(OVERRIDES)))


def _overrides(part: bytes) -> dict[str, tuple[str, dict[int, int], dict[int, Level]]]:
    """By the number of a paragraph's list: the list, and what is set anew in it."""
    count = min(struct.unpack_from("<I", part)[0], MOST_LISTS) if len(part) > 3 else 0
    found = {}
    levels = _Levels(part, 4 + OVERRIDE_SIZE * count)
    for number in range(count):
        stored = part[4 + OVERRIDE_SIZE * number :][:OVERRIDE_SIZE]
        starts: dict[int, int] = {}
        own: dict[int, Level] = {}
        levels.at += 4
        for _ in range(stored[12]):
            start, flags = struct.unpack_from("<II", part, levels.at)
            levels.at += 8
            if flags & STARTS_ANEW:
                starts[flags & 15] = start
            if flags & OWN_LEVEL:
                own[flags & 15] = levels.next()
        found[str(number + 1)] = str(struct.unpack_from("<i", stored)[0]), starts, own
    return found


class _Levels:
    """Levels of lists, one after the other."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def next(self) -> Level:
        """The next one; in its text a character below 9 stands for the number of a level."""
        start, kind, flags = struct.unpack_from("<iBB", self.data, self.at)
        characters, paragraphs = struct.unpack_from("<BB", self.data, self.at + 24)
        self.at += LEVEL_SIZE + characters + paragraphs
        size = struct.unpack_from("<H", self.data, self.at)[0]
        text = self.data[self.at + 2 : self.at + 2 + 2 * size].decode("utf-16-le", "replace")
        self.at += 2 + 2 * size
        written = "".join(f"%{ord(one) + 1}" if ord(one) < LEVELS else one for one in text)
        return Level(
            start=start,
            kind=KINDS.get(kind, "decimal"),
            text=written,
            style="",
            legal=bool(flags & LEGAL),
            restarts=not flags & GOES_ON,
        )
