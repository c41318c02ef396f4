"""The styles of an old Word file (MS-DOC, STSH): what each states, and what it is based on."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ingestion.formats.doc_changes import Layout, layout, looks, over
from ingestion.formats.docx_styles import Properties

BUILT_IN = {number: f"heading {number}" for number in range(1, 10)}
BUILT_IN |= {number: f"toc {number - 18}" for number in range(19, 28)}
BUILT_IN |= {35: "table of figures", 62: "Title"}
BUILT_IN |= dict.fromkeys(range(47, 62), "List")
"""Names of styles that Word brings with it, by their numbers: files have them in any language."""
PARAGRAPH, CHARACTER = 1, 2
NONE, NUMBER = 0xFFF, 0xFFF
MAX_CHAIN = 30
FULL = 18
"""Bytes before the name in files of later programs."""


@dataclass(frozen=True)
class _Style:
    name: str
    based_on: int
    looks: Properties
    layout: Layout


@dataclass
class Styles:
    """The styles by their numbers."""

    _by_number: dict[int, _Style] = field(default_factory=dict)
    _looks: dict[int, Properties] = field(default_factory=dict)
    _layouts: dict[int, Layout] = field(default_factory=dict)

    @staticmethod
    def of(part: bytes) -> "Styles":
        """Read the part ``STYLES``; what is damaged is left out."""
        styles = Styles()
        if len(part) < 6:
            return styles
        head, count, base = struct.unpack_from("<HHH", part)
        at = 2 + head
        for number in range(count):
            if at + 2 > len(part):
                break
            size = struct.unpack_from("<H", part, at)[0]
            found = _style(part[at + 2 : at + 2 + size], base)
            if found is not None:
                styles._by_number[number] = found
            at += 2 + size + size % 2
        return styles

    def name(self, number: int) -> str:
        """A style's name, in English for one that Word brings with it."""
        return self._by_number[number].name if number in self._by_number else ""

    def looks(self, number: int) -> Properties:
        """What holds for print of a style, and of those that it is based on."""
        if number not in self._looks:
            found: Properties = {}
            for style in reversed([*self._chain(number)]):
                found = over(found, style.looks)
            self._looks[number] = found
        return self._looks[number]

    def layout(self, number: int) -> Layout:
        """What holds for paragraphs of a style: its list, level, outline and ground."""
        if number not in self._layouts:
            found = Layout()
            for style in reversed([*self._chain(number)]):
                found = laid_over(found, style.layout)
            self._layouts[number] = found
        return self._layouts[number]

    def _chain(self, number: int) -> Iterator[_Style]:
        for _ in range(MAX_CHAIN):
            if number not in self._by_number:
                return
            yield self._by_number[number]
            number = self._by_number[number].based_on


def laid_over(style: Layout, own: Layout) -> Layout:
    """What holds for a paragraph that states this itself."""
    return replace(
        own,
        list=style.list if own.list < 0 else own.list,
        level=style.level if own.level < 0 else own.level,
        outline=style.outline if own.outline < 0 else own.outline,
        ground=own.ground or style.ground,
    )


def _style(stored: bytes, base: int) -> _Style | None:
    if len(stored) < base + 4 or base < 10:
        return None
    first, second, third = struct.unpack_from("<HHH", stored)
    kind, based_on, parts = second & 15, second >> 4, third & 15
    size = struct.unpack_from("<H", stored, base)[0]
    at = base + 2 + 2 * size + 2
    name = stored[base + 2 : base + 2 + 2 * size].decode("utf-16-le", "replace")
    name = BUILT_IN.get(first & NUMBER, name.split(",")[0])
    changed: list[bytes] = []
    for _ in range(min(parts, 3)):
        at += at % 2
        length = int.from_bytes(stored[at : at + 2], "little")
        changed.append(stored[at + 2 : at + 2 + length])
        at += 2 + length
    changed += [b"", b""]
    if kind == CHARACTER:
        return _Style(name, based_on, looks(changed[0]), Layout())
    if kind != PARAGRAPH:
        return _Style(name, NONE, {}, Layout())
    return _Style(name, based_on, looks(changed[1]), layout(changed[0][2:], b""))
