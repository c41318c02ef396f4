"""Words of a page to pieces of lines, and the pieces that stand on one level."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from ingestion.formats.pdf_columns import Row
from ingestion.formats.pdf_grid import Grid
from ingestion.formats.pdf_page import Word
from ingestion.formats.text import lowered, raised

SPLIT = 1.2
"""Gaps wider than so many times the size part a line; narrower ones are spaces of a line."""


@dataclass(frozen=True)
class Line:
    """One printed line, or one row of a table. Lengths are in points; ``y`` is its base line.

    ``cells`` is empty for a line of prose. ``table`` numbers the tables of a page from 1.
    ``aside`` is print in another direction than the page's. ``head`` says that a row names columns,
    ``filled`` that a line was filled into a form.
    """

    text: str
    hyphenated: bool
    left: float
    right: float
    y: float
    size: float
    bold: bool = False
    cells: tuple[str, ...] = ()
    table: int = 0
    aside: bool = False
    head: bool = False
    filled: bool = False


@dataclass
class Segment:
    """Words that stand side by side on one base line, without a wide gap; or a whole table."""

    words: list[Word]
    x0: float
    x1: float
    y: float
    size: float
    text: str = ""
    tables: Grid | None = None

    @property
    def order(self) -> int:
        """When its first word was drawn."""
        return self.words[0].order if self.words else 0


@dataclass
class LevelRow:
    """What stands on one base line, from left to right."""

    y: float
    size: float
    segments: list[Segment] = field(default_factory=list)
    by_words: Row | None = None
    shared: tuple[int, list[float]] | None = None
    """How many rows from this one on share strips between words, and the middles of these."""


def segments_of(words: Iterable[Word]) -> list[Segment]:
    """Words in the order they were drawn, joined as long as they stand side by side."""
    found: list[Segment] = []
    for word in words:
        if not found or not _joins(found[-1], word):
            found.append(Segment([word], word.x0, word.x1, word.y, word.size, word.text))
    return [one for one in found if one.text.strip()]


def _joins(segment: Segment, word: Word) -> bool:
    """Whether a word was added to a segment."""
    size = max(segment.size, word.size)
    gap = word.x0 - segment.x1
    if word.x1 < segment.x0:
        gap = segment.x0 - word.x1
    if not -0.35 * size < gap < SPLIT * size:
        return False
    rise = word.y - segment.y
    joint = " " if word.space or gap > 0.17 * size else ""
    if abs(rise) <= 0.12 * size:
        text = joint + word.text
    elif _leads(segment, gap / size, rise / size):
        segment.y, segment.size = word.y, word.size
        text = (joint or " ") + word.text
    elif word.size < 0.86 * segment.size and 0.12 * size < rise < 0.85 * size:
        joint = joint if gap > 0.35 * size else ""
        text = joint + raised(word.text, joint or segment.text)
    elif word.size < 0.86 * segment.size and -0.45 * size < rise < 0:
        text = joint + lowered(word.text, joint or segment.text)
    elif _opens(segment, word, rise):
        # A raised mark opens the line: the note that it belongs to.
        segment.text = raised(segment.text, "")
        segment.y, segment.size = word.y, word.size
        text = (joint or " ") + word.text
    else:
        return False
    segment.text += text
    segment.words.append(word)
    segment.x0, segment.x1 = min(segment.x0, word.x0), max(segment.x1, word.x1)
    return True


ITEM_MARK = re.compile(r"\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)]?|[•●○▪■◦–-]")


def _leads(segment: Segment, gap: float, rise: float) -> bool:
    """Whether a segment is the mark of an item in larger print, a little below the line that it
    begins; gap and rise in sizes of print."""
    is_mark = len(segment.words) == 1 and ITEM_MARK.fullmatch(segment.text) is not None
    return is_mark and gap > 0.35 and 0.12 < abs(rise) < 0.5


def _opens(segment: Segment, word: Word, rise: float) -> bool:
    """Whether a segment is a raised mark before the line that ``word`` begins."""
    small = len(segment.words) == 1 and segment.size < 0.86 * word.size
    return small and -0.85 * word.size < rise < -0.12 * word.size


SPACED_OUT = re.compile(r"(?<!\S)(?:\S ){3,}\S(?!\S)")


def _closed_up(segment: Segment) -> str:
    """The text of a segment; letters that are spaced out for show join into their words."""
    if not SPACED_OUT.search(segment.text) or len(segment.words) < 4:
        return segment.text
    gaps = [b.x0 - a.x1 for a, b in pairwise(segment.words)]
    single = [
        gap
        for gap, (a, b) in zip(gaps, pairwise(segment.words), strict=True)
        if len(a.text) == len(b.text) == 1
    ]
    least = min(single, default=0.0)
    if len(single) < 0.7 * len(gaps) or least > 0.9 * segment.size:
        return segment.text
    limit = max(1.6 * least, least + 0.12 * segment.size)
    parts = [segment.words[0].text]
    for gap, word in zip(gaps, segment.words[1:], strict=True):
        parts.append(word.text if gap <= limit else f" {word.text}")
    return "".join(parts)


def line_of(segments: list[Segment]) -> Line:
    """Segments side by side as one line."""
    segments = sorted(segments, key=lambda one: one.x0)
    if sum(map(_is_right_to_left, segments)) * 2 > len(segments):
        segments.reverse()
    words = [word for one in segments for word in one.words]
    main = max(segments, key=lambda one: len(one.text))
    parts = [_closed_up(segments[0])]
    for before, one in pairwise(segments):
        touching = one.x0 - before.x1 < 0.1 * main.size and not one.words[0].space
        parts.append(("" if touching else " ") + _closed_up(one))
    last = max(words, key=lambda word: word.x1)
    bold = sum(len(w.text) for w in words if w.bold) * 2 > sum(len(w.text) for w in words)
    return Line(
        "".join(parts),
        last.hyphenated,
        min(one.x0 for one in segments),
        max(one.x1 for one in segments),
        main.y,
        main.size,
        bold,
        filled=any(word.filled for word in words),
    )


def _is_right_to_left(segment: Segment) -> bool:
    return re.search("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]", segment.text) is not None


# --- Rows, bands, columns --------------------------------------------------------------------


def level_rows(segments: list[Segment]) -> list[LevelRow]:
    rows: list[LevelRow] = []
    for one in sorted(segments, key=lambda one: (-one.y, one.x0)):
        row = rows[-1] if rows else None
        if row is not None and _beside(row, one):
            row.segments.append(one)
            row.size = max(row.size, one.size)
        else:
            rows.append(LevelRow(one.y, one.size, [one]))
    for row in rows:
        row.segments.sort(key=lambda one: one.x0)
    return rows


def _beside(row: LevelRow, one: Segment) -> bool:
    if row.y - one.y > 0.45 * min(row.size, one.size):
        return False
    slack = 0.2 * one.size
    return all(one.x0 >= other.x1 - slack or one.x1 <= other.x0 + slack for other in row.segments)
