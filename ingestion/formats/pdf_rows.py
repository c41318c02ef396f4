"""Rows of a table without lines whose cells go over several lines: which lines are one row."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingestion.formats.pdf_bands import parted

LEAST_WRAPPED = 4.0
"""In sizes of print, the width of a line that can have run into the edge of its column."""
SPACE, SURE_STEP = 0.25, 0.15
"""In sizes of print: a space, and by how much a step between rows is wider than one within."""
VALUE = re.compile(r"\W{0,2}[\d.,:/ -]+\s?(?:%|[A-Za-z]{1,5})?|[^\w\s]|[xX]|n/?a", re.IGNORECASE)
"""A cell by itself, and never the second line of one."""
LEADERS = re.compile(r"(?:\. ?){4,}")
UNIT = re.compile(r"[^\W\d_]{1,5}\.?|[^\w\s]{1,2}")
ITEM = re.compile(r"[•‣▪◦●∙*–—-]\s+\S")
"""An item of a list within a cell."""
FIGURE = re.compile(r"\d")
LEAST_BANDS = 3
Groups = list[list[int]]


@dataclass(frozen=True)
class Cell:
    """What a line says in one column; widths in points, ``first`` is that of its first word, and
    ``y`` the height of its base line."""

    text: str
    width: float
    first: float
    y: float = 0.0


@dataclass(frozen=True)
class Line:
    """The cells of a line, one for each column, at a height and in a size of print."""

    cells: tuple[Cell | None, ...]
    y: float
    size: float


def rows_of(lines: Sequence[Line], edges: Sequence[float] = ()) -> Groups | None:
    """The lines of each row; None where no wrapped cell is told for sure.

    ``edges`` are the heights of what may part rows. Else, in each row one line has the cells that
    never wrap, and all its rows stand at their top, at their foot or in their middle; or lines of
    one cell stand closer than cells. The first column may name groups of rows.
    """
    table = _Wrapped(lines)
    banded = _with_labels_alone(parted([line.y for line in lines], edges), lines)
    if len(banded) >= LEAST_BANDS:
        if len(banded[0]) > 1 and not table.is_cell(banded[0]):
            banded[:1] = [banded[0][:1], banded[0][1:]]  # nothing parts the head from the first row
        sure = _each_has_a_figure(banded[1:], lines)
        if table.is_cell(banded[0]) and all(table.is_cell(group, sure) for group in banded[1:]):
            return banded
    for first in range(min(2, len(lines[0].cells) - 1)):
        groups = _told(table, _anchors(lines, first))
        if groups is not None:
            return groups
    return _in_blocks(lines, table, 0) or _in_blocks(lines, table, 1)


def _each_has_a_figure(groups: Groups, lines: Sequence[Line]) -> bool:
    """Whether some column has one figure in each group: then each of these is one row."""
    return any(
        all(
            sum(bool(FIGURE.search(cell.text)) for at in group if (cell := lines[at].cells[n])) == 1
            for group in groups
        )
        for n in range(len(lines[0].cells))
    )


def _with_labels_alone(groups: Groups, lines: Sequence[Line]) -> Groups:
    """The groups, where labels that stand once for several of them are lines by themselves."""
    if all(any(lines[at].cells[0] for at in group) for group in groups):
        return groups
    found: Groups = []
    for group in groups:
        alone = [at for at in group if lines[at].cells[0] and not any(lines[at].cells[1:])]
        rest = [at for at in group if at not in alone]
        found += [*([at] for at in alone), rest] if rest else [group]
    return sorted(found)


def _in_blocks(lines: Sequence[Line], table: "_Wrapped", first: int) -> Groups | None:
    """Lines of one cell stand closer than cells, and what is level with a part of one is of its
    row; of the columns from ``first`` on. What stands before these is in lines of rows."""
    columns = [_column(lines, n) for n in range(first, len(lines[0].cells))]
    steps = [a - b for column in columns for (a, _), (b, _) in pairwise(column)]
    slack = SURE_STEP * lines[0].size
    lead = min(steps, default=0.0)
    if lead < 0.8 * lines[0].size or max(steps) <= lead + slack:
        return None
    blocks = [block for column in columns for block in _blocks(column, lead + slack)]
    groups: Groups = []
    foot = 0.0
    for block in sorted(blocks, key=lambda block: -block[0][0]):
        if not groups or block[0][0] < foot - slack:
            groups.append([])
            foot = block[-1][0]
        groups[-1] += [at for _, at in block]
        foot = min(foot, block[-1][0])
    groups = [sorted({*group}) for group in groups]
    if [at for group in groups for at in group] != [*range(len(lines))]:
        return None
    joins = any(len(group) > 1 for group in groups)
    return groups if joins and all(map(table.is_cell, groups)) else None


def _column(lines: Sequence[Line], column: int) -> list[tuple[float, int]]:
    """The heights of what stands in a column, each with the number of its line."""
    return [(cell.y, at) for at, line in enumerate(lines) if (cell := line.cells[column])]


def _blocks(column: list[tuple[float, int]], most: float) -> list[list[tuple[float, int]]]:
    """Parts of a column in which each line stands at most so far below the one before."""
    blocks: list[list[tuple[float, int]]] = []
    for one in column:
        if not blocks or blocks[-1][-1][0] - one[0] > most:
            blocks.append([])
        blocks[-1].append(one)
    return blocks


def _told(table: "_Wrapped", anchors: list[bool] | None) -> Groups | None:
    if anchors is None:
        return None
    found = [
        groups
        for groups in (_top(anchors), _foot(anchors), _middle(anchors))
        if groups is not None and all(map(table.is_row, groups))
    ]
    if len(found) > 1:
        found = [groups for groups in found if table.are_apart(groups)]
    return found[0] if len(found) == 1 else None


def _anchors(lines: Sequence[Line], first: int) -> list[bool] | None:
    """Which lines hold the cells that never wrap, of the columns from ``first`` on; None where that
    is all or none. What stands before these columns stands in such lines only."""
    filled = [[cell is not None for cell in line.cells] for line in lines]
    counts = [sum(column) for column in zip(*filled, strict=True)]
    least = min(counts[first:])
    if not 2 <= least < len(lines):
        return None
    keys = [n for n, count in enumerate(counts) if n >= first and count == least]
    own = [[line[n] for n in keys] for line in filled]
    if any(any(one) != all(one) for one in own):
        return None
    anchors = [all(one) for one in own]
    outside = any(
        any(line[:first]) and not anchor for line, anchor in zip(filled, anchors, strict=True)
    )
    return None if outside else anchors


def _top(anchors: Sequence[bool]) -> Groups | None:
    if not anchors[0]:
        return None
    groups: Groups = []
    for at, is_anchor in enumerate(anchors):
        if is_anchor:
            groups.append([])
        groups[-1].append(at)
    return groups


def _foot(anchors: Sequence[bool]) -> Groups | None:
    groups = _top(anchors[::-1])
    last = len(anchors) - 1
    return groups and [[last - at for at in reversed(group)] for group in reversed(groups)]


def _middle(anchors: Sequence[bool]) -> Groups | None:
    """As many lines below the line of the values as above it."""
    groups: Groups = []
    at = 0
    while at < len(anchors):
        above = next((n for n, is_anchor in enumerate(anchors[at:]) if is_anchor), None)
        if above is None:
            return None
        end = at + 2 * above + 1
        if end > len(anchors) or any(anchors[at + above + 1 : end]):
            return None
        groups.append([*range(at, end)])
        at = end
    return groups


class _Wrapped:
    """The lines of a table, and whether some of them can be one row."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        self._widest = [
            max((cell.width for cell in cells if cell), default=0.0)
            for cells in zip(*(line.cells for line in lines), strict=True)
        ]

    def is_row(self, group: Sequence[int]) -> bool:
        """Whether each cell of several lines ran into the edge of its column."""
        columns = range(len(self._widest))
        return all(self._flows(n, self._in_column(group, n)) for n in columns)

    def is_cell(self, group: Sequence[int], sure: bool = False) -> bool:
        """Whether what stands apart from other lines can be one row: lines of a list, or such as
        ran into the edge of their column, or any where it is ``sure``."""
        columns = range(len(self._widest))
        return all(self._runs_on(n, self._in_column(group, n), sure) for n in columns)

    def _runs_on(self, column: int, cells: Sequence[tuple[Cell, float]], sure: bool) -> bool:
        texts = [cell.text for cell, _ in cells]
        if any(map(VALUE.fullmatch, texts)) and len(texts) > 1:
            figures = [text for text in texts if any(map(str.isdigit, text))]
            units = [text for text in texts if UNIT.fullmatch(text)]
            return len(texts) == 2 and len(figures) == len(units) == 1
        for (above, size), (below, _) in pairwise(cells):
            reach = above.width + SPACE * size + below.first
            if sure or ITEM.match(below.text):
                continue
            if above.width < LEAST_WRAPPED * size or reach < self._widest[column] - 0.5:
                return False
        return not any(map(LEADERS.search, texts))

    def _in_column(self, group: Sequence[int], column: int) -> list[tuple[Cell, float]]:
        lines = (self._lines[at] for at in group)
        return [(cell, line.size) for line in lines if (cell := line.cells[column])]

    def _flows(self, column: int, cells: Sequence[tuple[Cell, float]]) -> bool:
        if len(cells) > 1 and any(VALUE.fullmatch(cell.text) for cell, _ in cells):
            return False
        for (above, size), (below, _) in pairwise(cells):
            reach = above.width + SPACE * size + below.first
            if above.width < LEAST_WRAPPED * size or reach < self._widest[column] - 0.5:
                return False
            if LEADERS.search(above.text) or LEADERS.search(below.text):
                return False  # contents
            if column == 0 and (not below.text[0].islower() or above.text[-1] in ".:;"):
                return False  # the heading of the rows below it
        return True

    def are_apart(self, groups: Groups) -> bool:
        """Whether rows stand further apart than the lines within them."""
        within = [self._step(a, b) for group in groups for a, b in pairwise(group)]
        between = [self._step(a[-1], b[0]) for a, b in pairwise(groups)]
        return min(between) - max(within) > SURE_STEP * self._lines[0].size

    def _step(self, above: int, below: int) -> float:
        return self._lines[above].y - self._lines[below].y


def joined(
    groups: Groups, cell: Callable[[int, int], str], columns: int
) -> Iterator[tuple[str, ...]]:
    """The cells of each row; ``cell`` is the text of a line in a column."""
    for group in groups:
        yield tuple(
            " ".join(filter(None, (cell(at, column) for at in group))) for column in range(columns)
        )
