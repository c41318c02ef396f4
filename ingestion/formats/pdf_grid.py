"""Tables with ruled lines: which cells the rules make, and what stands in each."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from ingestion.formats.pdf_heads import FIGURES
from ingestion.formats.pdf_page import Word
from ingestion.formats.pdf_sight import Box, Rule, Things

NEAR = 2.0
"""Points within which rules count as meeting, or as one."""
MAX_RULES = 3000
Spans = tuple[list[float], list[float]]
"""Starts and ends."""
Cells = tuple[str, ...]
"""The texts of one row of a table, one for each column."""


@dataclass
class Grid:
    """Rules that meet: ``xs`` and ``ys`` are where they run, from left and from the top."""

    xs: list[float]
    ys: list[float]
    across: list[Rule]
    upright: list[Rule]
    words: list[Word] = field(default_factory=list)
    """What stands in it; all are there before its rows are asked for."""
    read: Callable[[list[Word]], str] = lambda words: " ".join(word.text for word in words)

    @property
    def box(self) -> Box:
        """Its outer edges."""
        return self.xs[0], self.ys[-1], self.xs[-1], self.ys[0]

    def holds(self, x: float, y: float) -> bool:
        """Whether a point lies inside."""
        left, bottom, right, top = self.box
        return left - NEAR <= x <= right + NEAR and bottom - NEAR <= y <= top + NEAR

    @property
    def middles(self) -> list[float]:
        """The heights of its rows."""
        return [(above + below) / 2 for above, below in pairwise(self.ys)]

    @property
    def heads(self) -> int:
        """How many rows its head has where a name stands over several columns of it: 0 where it
        has none such."""
        if len(self.rows) < 3:
            return 0
        first, second = self.rows[:2]
        over = any(a and a == b for a, b in pairwise(first))
        below = [text for text, above in zip(second, first, strict=True) if text != above]
        named = all(second) and len({*second}) > 1 and not any(map(FIGURES.search, second))
        return 2 if over and below and named and len({*first}) > 1 else 0

    def is_table(self) -> bool:
        """Whether at least two cells side by side hold text, in two rows or more."""
        rows = self.rows
        filled = [row for row in rows if len({cell for cell in row if cell}) > 1]
        return len(self.xs) > 2 and len(self.ys) > 2 and len(filled) >= 1 and len(rows) > 1

    @cached_property
    def rows(self) -> list[Cells]:
        """Each row's cells; one that spans rows or columns stands in each of them."""
        by_cell: dict[tuple[int, int], list[Word]] = {}
        for word in self.words:
            x, y = (word.x0 + word.x1) / 2, word.y + 0.3 * word.size
            by_cell.setdefault(self._cell(x, y), []).append(word)
        texts = {cell: self.read(words) for cell, words in by_cell.items()}
        found = []
        for row in range(len(self.ys) - 1):
            y = (self.ys[row] + self.ys[row + 1]) / 2
            cells = []
            for column in range(len(self.xs) - 1):
                x = (self.xs[column] + self.xs[column + 1]) / 2
                cells.append(texts.get(self._cell(x, y), ""))
            found.append(tuple(cells))
        return found

    def _cell(self, x: float, y: float) -> tuple[int, int]:
        """The first row and column of the cell around a point: as far as no rule parts it."""
        row = max(bisect_left(self._down, -y) - 1, 0)
        column = max(bisect_left(self.xs, x) - 1, 0)
        row, column = min(row, len(self.ys) - 2), min(column, len(self.xs) - 2)
        middle = (self.xs[column] + self.xs[column + 1]) / 2
        while row > 0 and not _within(self._ruled_across[row], middle):
            row -= 1
        while column > 0 and not _within(self._ruled_upright[column], y):
            column -= 1
        return row, column

    @cached_property
    def _down(self) -> list[float]:
        return [-edge for edge in self.ys]

    @cached_property
    def _ruled_across(self) -> list[Spans]:
        return [_ruled(self.across, edge) for edge in self.ys]

    @cached_property
    def _ruled_upright(self) -> list[Spans]:
        return [_ruled(self.upright, edge) for edge in self.xs]


def _ruled(rules: list[Rule], edge: float) -> Spans:
    """Where rules run along an edge of cells: from where to where, in order."""
    near = [(rule.start - NEAR, rule.end + NEAR) for rule in rules if abs(rule.at - edge) <= NEAR]
    starts, ends = list[float](), list[float]()
    for start, end in sorted(near):
        if ends and start <= ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    return starts, ends


def _within(spans: Spans, where: float) -> bool:
    starts, ends = spans
    at = bisect_right(starts, where) - 1
    return at >= 0 and where <= ends[at]


def find_grids(things: Things) -> list[Grid]:
    """The groups of rules on a page that make at least two cells."""
    across, upright = things.across[:MAX_RULES], things.upright[:MAX_RULES]
    if len(across) < 2 or len(upright) < 2:
        return []
    groups = _met(across, upright)
    found = []
    for lines, posts in groups:
        ys = sorted(_merged([rule.at for rule in lines]), reverse=True)
        xs = _merged([rule.at for rule in posts])
        if len(ys) >= 2 and len(xs) >= 2 and len(ys) + len(xs) > 4:
            found.append(Grid(xs, ys, lines, posts))
    return found


def _met(across: list[Rule], upright: list[Rule]) -> list[tuple[list[Rule], list[Rule]]]:
    """Rules across and upright that meet, directly or through others."""
    home = list(range(len(across) + len(upright)))

    def top(one: int) -> int:
        while home[one] != one:
            home[one] = home[home[one]]
            one = home[one]
        return one

    posts = sorted(range(len(upright)), key=lambda i: upright[i].at)
    for i, line in enumerate(across):
        for j in posts:
            post = upright[j]
            if post.at > line.end + NEAR:
                break
            if post.at >= line.start - NEAR and post.start - NEAR <= line.at <= post.end + NEAR:
                home[top(i)] = top(len(across) + j)
    groups: dict[int, tuple[list[Rule], list[Rule]]] = {}
    for i, line in enumerate(across):
        groups.setdefault(top(i), ([], []))[0].append(line)
    for j, post in enumerate(upright):
        groups.setdefault(top(len(across) + j), ([], []))[1].append(post)
    return list(groups.values())


def _merged(values: list[float]) -> list[float]:
    """Sorted, with those that lie close together taken as one."""
    found: list[float] = []
    for value in sorted(values):
        if not found or value - found[-1] > NEAR:
            found.append(value)
    return found
