"""Columns of tables without lines that stand so close that their words seem to be of one line."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from math import inf
from typing import Protocol

from ingestion.formats.pdf_page import Word

WIDE, SPACE = 0.5, 0.45
"""In sizes of print: the least gap between columns, and the widest between words."""
WIDER = 1.8
"""A gap is no space of its line that is so many times as wide as those."""
LEAST_ROWS, LEAST_SURE = 3, 0.6
"""Rows with print on both sides of a strip, and the share of them in which it can be no space."""
FAR = 2.6
"""Sizes between the base lines of two rows of one table."""
MOST_ROWS, MOST_STRIPS = 400, 60


class Run(Protocol):
    """Words that stand side by side."""

    words: list[Word]


@dataclass(frozen=True)
class Row:
    """The words of a row from the left, and the gaps between them that may part columns, each with
    whether it is no space of a line."""

    words: tuple[Word, ...]
    gaps: tuple[tuple[float, float, bool], ...]
    y: float
    size: float

    @classmethod
    def of(cls, runs: Sequence[Run]) -> "Row":
        """Of the runs of one row."""
        words = sorted((word for run in runs for word in run.words), key=lambda word: word.x0)
        size = max(word.size for word in words)
        ends = {id(run.words[-1]) for run in runs}
        between = [(a.x1, b.x0, id(a) in ends) for a, b in pairwise(words)]
        spaces = [b - a for a, b, _ in between if 0 < b - a <= SPACE * size]
        usual = statistics.median(spaces) if spaces else 0.0
        gaps = tuple(
            (a, b, ends_run or (usual > 0 and b - a >= WIDER * usual))
            for a, b, ends_run in between
            if b - a >= WIDE * size
        )
        return cls(tuple(words), gaps, statistics.median(word.y for word in words), size)


@dataclass(frozen=True)
class Strip:
    """A strip that rows leave free, those of them with print on both sides, and those in which it
    can be no space of a line."""

    left: float
    right: float
    both: int = 0
    sure: int = 0

    @property
    def middle(self) -> float:
        return (self.left + self.right) / 2

    @property
    def parts(self) -> bool:
        """Whether it parts two columns."""
        return self.both >= LEAST_ROWS and self.sure >= max(LEAST_ROWS, LEAST_SURE * self.both)


def columns(rows: Iterable[Row]) -> tuple[int, list[float]]:
    """How many rows from the first share strips between columns, and the middles of these."""
    strips = [Strip(-inf, inf)]
    count, above = 0, None
    for row in islice(rows, MOST_ROWS):
        if above is not None and above.y - row.y > FAR * max(row.size, above.size):
            break
        left = [piece for strip in strips for piece in _left_free(strip, row)]
        known = [strip for strip in strips if strip.parts]
        crossed = [one for one in known if not any(_within(piece, one) for piece in left)]
        if crossed or len(left) > MOST_STRIPS or not any(s.both for s in left):
            break
        strips, count, above = left, count + 1, row
    if not any(strip.parts for strip in strips):
        return count, []
    return count, [strip.middle for strip in strips if strip.both > 1 and strip.sure]


def _within(piece: Strip, strip: Strip) -> bool:
    return strip.left <= piece.left and piece.right <= strip.right


def _left_free(strip: Strip, row: Row) -> list[Strip]:
    """The parts of a strip that a row leaves free."""
    edge, pieces = strip.left, list[tuple[float, float]]()
    for word in row.words:
        if word.x1 > strip.left and word.x0 < strip.right:
            pieces.append((edge, word.x0))
            edge = max(edge, word.x1)
    pieces.append((edge, strip.right))
    return [_counted(strip, a, b, row) for a, b in pieces if b - a >= WIDE * row.size]


def _counted(strip: Strip, left: float, right: float, row: Row) -> Strip:
    sure = next((s for a, b, s in row.gaps if a <= left + 1 and right <= b + 1), None)
    if sure is None:
        return replace(strip, left=left, right=right)
    return Strip(left, right, strip.both + 1, strip.sure + sure)


def parts_of(words: Sequence[Word], cuts: Sequence[float]) -> list[list[Word]]:
    """The words in parts, where a cut goes between two of them."""
    parts: list[list[Word]] = [[]]
    for word in words:
        last = parts[-1][-1] if parts[-1] else None
        if last is not None and any(last.x1 <= cut <= word.x0 for cut in cuts):
            parts.append([])
        parts[-1].append(word)
    return parts
