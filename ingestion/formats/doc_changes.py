"""How print and paragraphs of old Word files look: their changes (sprm) as properties.

Print has the properties that runs of new files have (``docx_styles``).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ingestion.formats.docx_styles import Properties

SIZES = (1, 1, 2, 4, 2, 2, -1, 3)
"""Bytes of a change's value by the upper three bits of its code; -1: as its first byte says."""
ROW_CELLS, TABS = 0xD608, 0xC615
SWITCHES = {0x0835: "b", 0x083C: "vanish", 0x0837: "strike", 0x2A53: "dstrike"}
AS_STYLE, AGAINST_STYLE = 0x80, 0x81
DELETED, SPECIAL, LOOKS_LIKE, SIZE, RAISED, SHIFT = 0x0800, 0x0855, 0x4A30, 0x4A43, 0x2A48, 0x4845
COLOUR, COLOUR_NUMBER, MARKED, GROUND, OLD_GROUND, SIGN = (
    0x6870,
    0x2A42,
    0x2A0C,
    0xCA71,
    0x4866,
    0x6A09,
)
PLACES = {0: "baseline", 1: "superscript", 2: "subscript"}
PALETTE = (
    "auto 000000 0000FF 00FFFF 00FF00 FF00FF FF0000 FFFF00 FFFFFF 000080 008080 008000".split()
)
PALETTE += "800080 800000 808000 808080 C0C0C0".split()
IN_TABLE, ROW_END, DEPTH, INNER_CELL, INNER_ROW = 0x2416, 0x2417, 0x6649, 0x244B, 0x244C
LEVEL, LIST, OUTLINE, P_GROUND, P_OLD_GROUND = 0x260A, 0x460B, 0x2640, 0xC64D, 0x442D
INITIAL = 0x442C
ELSEWHERE = (0x6646, 0x646B)
"""Changes that stand in the stream ``Data``."""
HEADER, LOOK, JOINED, GROUNDS, MORE_GROUNDS, LAST_GROUNDS, OLD_GROUNDS = (
    0x3404,
    0x740A,
    0xD62B,
    0xD612,
    0xD616,
    0xD60C,
    0xD609,
)
HAS_HEADER = 0x20
MOST_DEPTH = 8
"""Tables within tables; deeper ones are read as text of these."""
CELLS_OF_GROUNDS = {GROUNDS: 0, MORE_GROUNDS: 22, LAST_GROUNDS: 44}


def changes(stored: bytes) -> Iterator[tuple[int, bytes]]:
    """Each change as its code and its value; what is cut off is left out."""
    at = 0
    while at + 2 < len(stored):
        code = struct.unpack_from("<H", stored, at)[0]
        at += 2
        size = SIZES[code >> 13]
        if code == ROW_CELLS and at + 2 <= len(stored):
            size, at = struct.unpack_from("<H", stored, at)[0] - 1, at + 2
        elif code == TABS and stored[at] == 255:
            return
        elif size < 0:
            size, at = stored[at], at + 1
        if size < 0 or at + size > len(stored):
            return
        yield code, stored[at : at + size]
        at += size


def looks(stored: bytes) -> Properties:
    """What a run states of its print; "same" and "other" are to be held against its style."""
    found: Properties = {}
    for code, value in changes(stored):
        if code in SWITCHES:
            stated = {AS_STYLE: "same", AGAINST_STYLE: "other"}
            found[SWITCHES[code]] = stated.get(value[0], str(int(value[0] == 1)))
        elif code == DELETED:
            found["deleted"] = str(int(value[0] != 0))
        elif code == SPECIAL:
            found["special"] = str(int(value[0] != 0))
        elif code == LOOKS_LIKE:
            found["style"] = str(_word(value))
        elif code == SIZE:
            found["sz"] = str(_word(value))
        elif code == RAISED:
            found["vertAlign"] = PLACES.get(value[0], "baseline")
        elif code == SHIFT:
            found["position"] = str(struct.unpack("<h", value)[0])
        elif code == COLOUR:
            found["color"] = _colour(value)
        elif code == COLOUR_NUMBER:
            found["color"] = _of_palette(value[0])
        elif code == MARKED:
            found["highlight"] = "none" if value[0] == 0 else _of_palette(value[0])
        elif code in (GROUND, OLD_GROUND):
            found["fill"] = ground(value)
        elif code == SIGN:
            found["sign"] = f"F0{_word(value[2:]) & 0xFF:02X}"
    return found


def over(style: Properties, own: Properties) -> Properties:
    """What holds where print of a style states properties of its own."""
    found = style | own
    for name in SWITCHES.values():
        before = style.get(name, "0")
        if found.get(name) == "same":
            found[name] = before
        elif found.get(name) == "other":
            found[name] = "0" if before == "1" else "1"
    return found


@dataclass(frozen=True)
class Cell:
    """A cell as its row says: its edges, and whether it is one with that before or above it."""

    left: int
    right: int
    goes_across: bool = False
    goes_down: bool = False
    ground: str = ""


@dataclass(frozen=True)
class Layout:
    """What a paragraph states; -1 where it states nothing of lists and levels."""

    depth: int = 0
    """In so many tables, one within the other."""
    ends_cell: bool = False
    ends_row: bool = False
    list: int = -1
    level: int = -1
    outline: int = -1
    ground: str = ""
    is_initial: bool = False
    """Whether it is the large first letter of the next one."""
    is_header: bool = False
    has_header: bool = False
    cells: tuple[Cell, ...] = field(default=())


def layout(stored: bytes, data: bytes) -> Layout:
    """What the changes of a paragraph come to; ``data`` is the stream where long ones stand."""
    found = Layout()
    for code, value in _with_those_elsewhere(stored, data):
        if code == IN_TABLE:
            found = replace(found, depth=max(found.depth, 1) if value[0] else 0)
        elif code == DEPTH:
            depth = struct.unpack("<i", value)[0]
            found = replace(found, depth=max(0, min(depth, MOST_DEPTH)))
        elif code in (ROW_END, INNER_ROW):
            found = replace(found, ends_row=value[0] == 1)
        elif code == INNER_CELL:
            found = replace(found, ends_cell=value[0] == 1)
        elif code == LEVEL:
            found = replace(found, level=value[0])
        elif code == LIST:
            found = replace(found, list=abs(struct.unpack("<h", value)[0]))
        elif code == OUTLINE:
            found = replace(found, outline=value[0])
        elif code == INITIAL:
            found = replace(found, is_initial=bool(value[0] & 7))
        elif code in (P_GROUND, P_OLD_GROUND):
            found = replace(found, ground=ground(value))
        else:
            found = _row(found, code, value)
    return found


def _with_those_elsewhere(stored: bytes, data: bytes) -> Iterator[tuple[int, bytes]]:
    for code, value in changes(stored):
        if code in ELSEWHERE:
            at = struct.unpack("<I", value)[0]
            size = int.from_bytes(data[at : at + 2], "little")
            yield from changes(data[at + 2 : at + 2 + size])
        else:
            yield code, value


def _row(found: Layout, code: int, value: bytes) -> Layout:
    """What a row states of its cells."""
    if code == ROW_CELLS:
        return replace(found, cells=tuple(_cells(value)))
    if code == HEADER:
        return replace(found, is_header=value[0] == 1)
    if code == LOOK:
        return replace(found, has_header=bool(_word(value[2:]) & HAS_HEADER))
    cells = list(found.cells)
    if code == JOINED and len(value) == 2 and value[0] < len(cells):
        cells[value[0]] = replace(cells[value[0]], goes_down=value[1] == 1)
    elif code in CELLS_OF_GROUNDS or code == OLD_GROUNDS:
        size, first = (2, 0) if code == OLD_GROUNDS else (10, CELLS_OF_GROUNDS[code])
        for number in range(min(len(value) // size, len(cells) - first)):
            shade = ground(value[size * number :][:size])
            cells[first + number] = replace(cells[first + number], ground=shade)
    else:
        return found
    return replace(found, cells=tuple(cells))


def _cells(value: bytes) -> Iterator[Cell]:
    count = value[0] if value else 0
    if len(value) < 1 + 2 * (count + 1):
        return
    edges = struct.unpack_from(f"<{count + 1}h", value, 1)
    for number in range(count):
        at = 1 + 2 * (count + 1) + 20 * number
        flags = _word(value[at : at + 2]) if at + 2 <= len(value) else 0
        down = flags & 0x20 and not flags & 0x40
        yield Cell(edges[number], edges[number + 1], bool(flags & 2), bool(down))


def ground(value: bytes) -> str:
    """The colour behind print, six hex digits or "auto"."""
    if len(value) == 2:
        bits = _word(value)
        front, behind, pattern = bits & 0x1F, bits >> 5 & 0x1F, bits >> 10
        return _of_palette(front if pattern == 1 else behind)
    if len(value) < 10:
        return "auto"
    return _colour(value[:4] if _word(value[8:]) == 1 else value[4:8])


def _colour(value: bytes) -> str:
    return "auto" if value[3:4] == b"\xff" else value[:3].hex().upper()


def _of_palette(number: int) -> str:
    return PALETTE[number] if number < len(PALETTE) else "auto"


def _word(value: bytes) -> int:
    return int.from_bytes(value[:2], "little")
