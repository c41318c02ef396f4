"""Columns of print: rows that keep a strip free from top to bottom."""

import re
import statistics
from collections.abc import Sequence
from itertools import pairwise

from ingestion.formats.pdf_segments import LevelRow, Segment

ENDS_SENTENCE = re.compile(r"[.!?:;][\"')\]\u2019\u201d]*$")
FIGURE = re.compile(r"\d")
GUTTER = 0.9
"""The least width of the free strip between columns, in sizes of print."""
MOST_TURNS = 12
"""Rows above a line among which the one that it stands under is looked for."""
LARGER = 1.12
"""The size of print of a heading below a table, by that of the table."""
FAR_BELOW = 4.0
"""Rows further apart than so many sizes belong to different bands."""
APART, ALIGNED = 2.0, 2.5
"""The least step from one table to the next, in sizes of print; points by which edges that stand
below each other may differ."""
FLOWS = 0.25
"""Of the line ends of a column of prose, at least this share lies inside a sentence."""
LEAST_OF_PRINT = 6
"""Words of a line of print, in which figures say nothing of a table."""
Interval = tuple[float, float]


def find_strips(rows: list[LevelRow], at: int) -> tuple[int, list[float], bool]:
    """As ``find_band``, and whether it is print in columns: only that goes on over headings."""
    for over_headings in (True, False):
        end, gutters = find_band(rows, at, over_headings)
        end, is_prose = _prose_end(rows, at, end, gutters) if gutters else (end, False)
        if is_prose:
            break
    return end, gutters, is_prose


def find_band(
    rows: list[LevelRow], at: int, over_headings: bool = False
) -> tuple[int, list[float]]:
    """Where the rows end that share free strips from ``at`` on, and the middles of the strips."""
    free = _gaps(rows[at]) or _between(rows[at : at + 2])
    end, many = at + 1, 1
    while free and end < len(rows):
        row = rows[end]
        if rows[end - 1].y - row.y > FAR_BELOW * max(row.size, rows[end - 1].size):
            break
        if not over_headings and is_larger(row, rows[at]):
            break
        left = _still_free(free, row)
        if not left or (
            is_apart(rows, at, end)
            and _begins(rows, at, end, len(left) < max(len(free), len(_gaps(row))))
        ):
            break
        free, many = left, many + is_beside(rows[end - 1], row)
        end += 1
    end = trimmed_end(rows, at, end)
    if many < 2 or end - at < 2:
        return at + 1, []
    return end, [(left + right) / 2 for left, right in free]


def _begins(rows: list[LevelRow], at: int, row: int, parts_less: bool) -> bool:
    """Whether another table may begin with a row that stands further apart than those above: it
    has not their columns, as ``parts_less`` says or its edges do."""
    if not _by_rows(rows[at:row]):
        return False
    above, here = [o for one in rows[at:row] for o in one.segments], rows[row].segments
    aligned = any(min(abs(a.x0 - b.x0), abs(a.x1 - b.x1)) <= ALIGNED for a in above for b in here)
    return parts_less or not aligned


def _by_rows(rows: list[LevelRow]) -> bool:
    """Whether rows were drawn one after the other, and not what stands at the left first."""
    return all(
        min(o.order for o in after.segments) > max(o.order for o in row.segments)
        for row, after in pairwise(rows)
    )


def is_apart(rows: list[LevelRow], at: int, row: int) -> bool:
    """Whether a row stands further below the one before than those from ``at`` on do."""
    step = rows[row - 1].y - rows[row].y
    if row - at < 2 or step < APART * max(rows[row].size, rows[row - 1].size):
        return False
    return step >= 1.5 * max(a.y - b.y for a, b in pairwise(rows[at:row]))


def _prose_end(rows: list[LevelRow], at: int, end: int, gutters: list[float]) -> tuple[int, bool]:
    """Where columns of print end, and whether they are such: lines below them that stand in one
    column only may be of what follows."""
    if columns_are_prose(by_gutters(rows[at:end], gutters)):
        return end, True
    last = max(i for i in range(at, end) if i == at or _spreads(rows[i], gutters))
    for shorter in range(end - 1, max(last, at + 1), -1):
        if columns_are_prose(by_gutters(rows[at:shorter], gutters)):
            return shorter, True
    return end, False


def _spreads(row: LevelRow, gutters: list[float]) -> bool:
    """Whether a row stands in more than one column."""
    return len(by_gutters([row], gutters)) > 1


def is_larger(row: LevelRow, first: LevelRow) -> bool:
    """Whether a line by itself is in larger print than the row that a table begins with."""
    return len(row.segments) == 1 and row.size >= LARGER * first.size


def _gaps(row: LevelRow) -> list[Interval]:
    return [
        (a.x1, b.x0)
        for a, b in pairwise(row.segments)
        if b.x0 - a.x1 >= GUTTER * min(a.size, b.size)
    ]


def _between(rows: list[LevelRow]) -> list[Interval]:
    """The strip between two rows that take turns."""
    if len(rows) < 2 or not is_beside(*rows) or any(len(row.segments) > 1 for row in rows):
        return []
    left, right = sorted((row.segments[0] for row in rows), key=lambda one: one.x0)
    return [(left.x1, right.x0)]


def _still_free(free: list[Interval], row: LevelRow) -> list[Interval]:
    for one in row.segments:
        left = []
        for start, end in free:
            if one.x1 <= start or one.x0 >= end:
                left.append((start, end))
                continue
            left += [(start, one.x0), (one.x1, end)]
        free = left
    return [(start, end) for start, end in free if end - start >= 0.6 * row.size]


def trimmed_end(rows: list[LevelRow], at: int, end: int) -> int:
    """Without single lines at the end that stand further down than the lines of a column do."""
    last = max(i for i in range(at, end) if i == at or is_beside(rows[i - 1], rows[i]))
    steps = [_step(rows, at, i) for i in range(at + 1, last + 1)]
    usual = statistics.median(steps) if steps else 0.0
    while last + 1 < end and _step(rows, at, last + 1) <= 1.3 * max(usual, rows[last].size):
        last += 1
    return last + 1


def is_beside(above: LevelRow, row: LevelRow) -> bool:
    """Whether a row has print in two columns, or takes turns with the row above, whose base line
    is a little higher."""
    near = above.y - row.y < min(above.size, row.size)
    return len(row.segments) > 1 or (near and not _is_under(above, row))


def _step(rows: list[LevelRow], at: int, below: int) -> float:
    """How far a row stands below what is printed above it, among the rows from ``at`` on."""
    row, above = rows[below], range(below - 1, max(at, below - MOST_TURNS) - 1, -1)
    over = next((i for i in above if _is_under(rows[i], row)), below - 1)
    return rows[over].y - row.y


def _is_under(above: LevelRow, row: LevelRow) -> bool:
    return any(a.x0 < b.x1 and b.x0 < a.x1 for a in above.segments for b in row.segments)


def by_gutters(rows: Sequence[LevelRow], gutters: Sequence[float]) -> list[list[Segment]]:
    columns: list[list[Segment]] = [[] for _ in range(len(gutters) + 1)]
    for row in rows:
        for one in row.segments:
            columns[sum(gutter < (one.x0 + one.x1) / 2 for gutter in gutters)].append(one)
    return [column for column in columns if column]


def columns_are_prose(columns: list[list[Segment]]) -> bool:
    """Whether columns are read one after the other, and not row by row."""
    if any(one.tables is not None for column in columns for one in column):
        return True
    if any(word.filled for column in columns for one in column for word in one.words):
        return False
    lines = [[one.text for one in column] for column in columns]
    figures = [sum(map(is_figure, texts)) / len(texts) for texts in lines]
    ends = [(min(o.order for o in c), max(o.order for o in c)) for c in columns]
    in_turn = all(before[1] < after[0] for before, after in pairwise(ends))
    if in_turn and max(figures[1:]) < 0.5 and min(len(texts) for texts in lines) > 1:
        return True
    return min(len(texts) for texts in lines) > 1 and all(map(flows_on, lines))


def is_figure(text: str) -> bool:
    """Whether a line says a figure in a few words, as a cell does."""
    return FIGURE.search(text) is not None and len(text.split()) < LEAST_OF_PRINT


def flows_on(texts: list[str]) -> bool:
    """Whether the lines of a column run on from one to the next."""
    words = statistics.mean(len(text.split()) for text in texts)
    within = sum(
        after[:1].islower() and not ENDS_SENTENCE.search(before)
        for before, after in pairwise(texts)
    )
    return words >= (2.5 if len(texts) > 2 else 4) and within >= FLOWS * (len(texts) - 1)
