"""Tables without lines: their columns are told by what the rows share."""

import re
import statistics
from collections.abc import Iterator, Sequence
from copy import copy
from itertools import pairwise

from ingestion.formats.pdf_columns import FAR, Row, columns, parts_of
from ingestion.formats.pdf_heads import MOST_LINES, Head, Name, one_row, two_rows
from ingestion.formats.pdf_rows import Cell
from ingestion.formats.pdf_rows import Line as CellLine
from ingestion.formats.pdf_segments import LevelRow, Segment, segments_of
from ingestion.formats.pdf_strips import (
    ENDS_SENTENCE,
    FIGURE,
    by_gutters,
    columns_are_prose,
    find_band,
    flows_on,
    is_apart,
    is_figure,
    is_larger,
    trimmed_end,
)

MARKER = re.compile(r"[•‣▪◦●∙*\u2013\u2014-]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxlc]{1,6})[.)]")
MOST_WORDS, MOST_FLOWING = (3.5, 9.0), 4.5
LEAST_FILLED, LEAST_OF_COLUMN = 0.35, 0.12
"""Of a table whose columns stand close: words of a cell on average, in half of its columns, in
each, and in one of print; and the share of its places that hold something, in all and in each."""
LEAST_FIGURES = 2
"""Columns that mostly say figures, beside which others may be print."""
MOST_LARGER = 1.15
"""The size of print of a head, by that of the rows below it, and the other way round."""
MOST_SHORT = 0.6
"""Of the rows that share some strips, those that must share more of them."""
LEAST_GAP = 0.5
"""Between two names of columns, in sizes of print."""
MOST_IN_HEAD = 16
"""Words of a line that names columns of those below it."""
LISTED = re.compile(r"\[\w+\]|[\divxlcA-Za-z]{1,4}[.):]?|[•‣▪◦●∙*–—-]")
"""Before the items of a list, or the lines of a program."""


def head_of(
    rows: Sequence[LevelRow], columns: Sequence[Sequence[Segment]], lines: int = 2
) -> Head | None:
    """The head in two rows that a table has, or in one where ``lines`` is 1."""
    first = min(MOST_LINES, len(rows) - 1)
    first = next((n for n in range(1, first) if not _follows(rows[n - 1], rows[n])), first)
    top = rows[first].y
    below = [[one for one in column if one.y <= top + 0.1] for column in columns]
    if not all(below) or first < 2:
        return None
    extents = [(min(o.x0 for o in c), max(o.x1 for o in c)) for c in below]
    if not _follows(rows[first - 1], rows[first]):
        return None
    names = [[Name(o.text, o.x0, o.x1, o.size) for o in row.segments] for row in rows[:first]]
    return one_row(names[0], extents) if lines == 1 else two_rows(names, extents)


def _follows(row: LevelRow, after: LevelRow) -> bool:
    """Whether a row of a table can be right below the other."""
    alike = 1 / MOST_LARGER < row.size / after.size < MOST_LARGER
    return alike and row.y - after.y <= FAR * max(row.size, after.size)


def cells_of(row: LevelRow, column_of: dict[int, int], columns: int) -> CellLine:
    """What a line says in each column."""
    parts: list[list[Segment]] = [[] for _ in range(columns)]
    for one in row.segments:
        parts[column_of[id(one)]].append(one)
    cells = [
        Cell(
            " ".join(one.text for one in some),
            some[-1].x1 - some[0].x0,
            some[0].words[0].x1 - some[0].words[0].x0,
            some[0].y,
        )
        if some
        else None
        for some in parts
    ]
    return CellLine(tuple(cells), row.y, row.size)


def continued_rows(lines: list[list[str]], rows: list[LevelRow]) -> list[list[int]]:
    """The lines of each row, of which some only go on with the row above."""
    groups: list[list[int]] = []
    above: list[str] = []
    steps = [a.y - b.y for a, b in pairwise(rows)]
    usual = statistics.median(steps) if steps else 0.0
    for number, texts in enumerate(lines):
        if number and _continues(texts, above, steps[number - 1], usual):
            groups[-1].append(number)
            above = [f"{a} {b}".strip() for a, b in zip(above, texts, strict=True)]
        else:
            groups.append([number])
            above = texts
    return groups


def _continues(texts: list[str], above: list[str], step: float, usual: float) -> bool:
    """Whether a row only goes on with cells of the row above that were too long for one line."""
    if not any(texts) or all(texts):
        return False
    if any(text and not before for text, before in zip(texts, above, strict=True)):
        return False
    if step < 0.8 * usual:
        return True
    if len(texts) > 2 and all(texts[1:]):
        return False  # a row of its own, whose label stands above it
    pairs = [(before, text) for before, text in zip(above, texts, strict=True) if text]
    return all(text[0].islower() and not ENDS_SENTENCE.search(before) for before, text in pairs)


# --- Words to segments -----------------------------------------------------------------------


CloseTable = tuple[list[LevelRow], list[list[Segment]], Head | None]
"""Rows, columns, and a head that does not fit these."""


def close_table(rows: list[LevelRow], at: int, end: int, gutters: list[float]) -> CloseTable | None:
    """A table that begins here with columns that only its words tell; None where there is none, or
    no more than ``end`` and ``gutters`` say."""
    most = 0
    for skipped, count, cuts in _cuts(rows, at, end - at):
        if count < end - at:
            if not is_apart(rows, at, at + count):
                return None
            end = at + count
        least = len(find_band(rows, at + skipped)[1]) if skipped else len(gutters)
        if len(cuts) < most:
            return None  # the names above the columns are not told
        parted = _parted_rows(rows[at + skipped : at + count], cuts)
        if len(cuts) < least or parted is None or at + skipped + len(parted) < end:
            continue
        close = _below(rows[at : at + skipped], parted, cuts)
        if close is None:
            most = len(cuts)
            continue
        table, found, head = close
        found, table = without_markers(found, table)
        return (table, found, head) if len(found) > 1 else None
    return None


def _parted_rows(rows: list[LevelRow], cuts: Sequence[float]) -> list[LevelRow] | None:
    """The rows of the table that these cuts make; None where there is none."""
    parted = [_parted(row, cuts) for row in rows]
    parted = parted[: trimmed_end(parted, 0, len(parted))]
    found = by_gutters(parted, cuts)
    return parted if _are_cells(found, len(parted)) and not _side_by_side(found) else None


def _below(
    lines: list[LevelRow], parted: list[LevelRow], cuts: Sequence[float]
) -> CloseTable | None:
    """The table below ``lines`` that part less; None where these do not name its columns."""
    found = by_gutters(parted, cuts)
    if not lines:
        return parted, found, head_of(parted, found)
    above = [LevelRow(row.y, row.size, [*map(copy, row.segments)]) for row in lines]
    table = [*above, *parted]
    head = head_of(table, found)
    if head is None and len(lines) == 1:
        first = _parted(lines[0], cuts)
        apart = all(b.x0 - a.x1 >= LEAST_GAP * b.size for a, b in pairwise(first.segments))
        head = head_of([first, *parted], found, 1) if apart else None
    if head is None or head.lines < len(lines):
        return None
    return table, by_gutters(table, cuts), head


def _cuts(rows: list[LevelRow], at: int, least: int) -> list[tuple[int, int, list[float]]]:
    """How many rows stand above others that share strips, how many there are with these, and the
    middles of the strips: first those that reach as far as ``least``, and that share the most."""
    is_long = sum(len(one.words) for one in rows[at].segments) > MOST_IN_HEAD
    found = []
    for skipped in range(1 if is_long else MOST_LINES):
        if at + skipped >= len(rows) or not _goes_on(rows, at, skipped):
            break
        count, cuts = _shared(rows, at + skipped)
        if cuts:
            found.append((skipped, skipped + count, cuts))
    if len(found) < 2:
        return found
    furthest = max(count for _, count, _ in found)
    enough = least if least > 1 else MOST_SHORT * furthest
    return sorted(found, key=lambda one: (-min(one[1], enough), -len(one[2]), one[0]))


def _goes_on(rows: list[LevelRow], at: int, skipped: int) -> bool:
    """Whether so many rows can be a head of what follows: they are near, and say no figure below
    the first of them."""
    if not skipped:
        return True
    last = rows[at + skipped - 1]
    said = skipped > 1 and any(FIGURE.search(one.text) for one in last.segments)
    return not said and _follows(last, rows[at + skipped])


def _shared(rows: list[LevelRow], at: int) -> tuple[int, list[float]]:
    """How many rows from one on share strips between words, and the middles of these."""
    found = rows[at].shared
    if found is None:
        first = next(_words_of(rows, at), None)
        found = columns(_words_of(rows, at)) if first is not None and first.gaps else (0, [])
        rows[at].shared = found
    return found


def _words_of(rows: list[LevelRow], at: int) -> Iterator[Row]:
    """The words of the rows from one on, as far as these are no ruled table."""
    for row in rows[at:]:
        if any(one.tables is not None for one in row.segments) or is_larger(row, rows[at]):
            return
        if row.by_words is None:
            row.by_words = Row.of(row.segments)
        yield row.by_words


def _parted(row: LevelRow, cuts: Sequence[float]) -> LevelRow:
    """A copy of the row, whose segments end where a cut goes through them."""
    parts = [part for one in row.segments for part in parts_of(one.words, cuts)]
    if len(parts) == len(row.segments):
        return LevelRow(row.y, row.size, [copy(one) for one in row.segments])
    segments = [one for part in parts for one in segments_of(part)]
    return LevelRow(row.y, row.size, sorted(segments, key=lambda one: one.x0))


def _are_cells(found: list[list[Segment]], rows: int) -> bool:
    """Whether columns are those of a table: short cells, and no prose and no list."""
    if len(found) < 2 or columns_are_prose(found):
        return False
    texts = [_lines_in(column) for column in found]
    words = [statistics.mean(len(text.split()) for text in column) for column in texts]
    filled = [len(column) for column in texts]
    if min(filled) < max(2, LEAST_OF_COLUMN * rows) or max(words) > MOST_WORDS[1]:
        return False
    if sum(filled) < LEAST_FILLED * rows * len(found):
        return False
    flowing = [
        count > MOST_FLOWING and flows_on(one) for count, one in zip(words, texts, strict=True)
    ]
    figures = sum(2 * sum(map(is_figure, column)) > len(column) for column in texts)
    if figures < LEAST_FIGURES and (flowing[0] or sum(flowing) > 1):
        return False  # columns of print
    listed = sum(bool(LISTED.fullmatch(text)) for text in texts[0])
    if len(found) == 2 and (2 * listed > filled[0] or words[1] > MOST_WORDS[0] * 2):
        return False
    return 2 * sum(count <= MOST_WORDS[0] for count in words) >= len(found)


def _side_by_side(found: list[list[Segment]]) -> bool:
    """Whether columns are of two tables, or of print beside a table: one was drawn after the
    other."""
    orders = [[one.order for one in column] for column in found]
    firsts, lasts = [*map(min, orders)], [*map(max, orders)]
    for at in range(1, len(found)):
        if max(lasts[:at]) > min(firsts[at:]):
            continue
        if 1 < at < len(found) - 1:
            return True
        alone = found[0] if at == 1 else found[-1]
        if statistics.mean(len(text.split()) for text in _lines_in(alone)) > MOST_FLOWING:
            return True
    return False


def _lines_in(column: list[Segment]) -> list[str]:
    """What a column says in each row, from the top."""
    lines: list[str] = []
    y = 0.0
    for one in column:
        if lines and abs(y - one.y) <= 0.45 * one.size:
            lines[-1] += f" {one.text}"
        else:
            lines.append(one.text)
            y = one.y
    return lines


def without_markers(
    columns: list[list[Segment]], rows: list[LevelRow]
) -> tuple[list[list[Segment]], list[LevelRow]]:
    """Numbers and bullets that hang before their items join them; they are no column."""
    at = 0
    while at + 1 < len(columns):
        if not all(MARKER.fullmatch(one.text) for one in columns[at]):
            at += 1
            continue
        for row in rows:
            for marker, item in pairwise(list(row.segments)):
                if marker in columns[at] and item in columns[at + 1]:
                    item.text = f"{marker.text} {item.text}"
                    item.words = [*marker.words, *item.words]
                    item.x0 = marker.x0
                    row.segments.remove(marker)
                    columns[at].remove(marker)
        columns[at + 1] += columns[at]
        del columns[at]
    return columns, rows
