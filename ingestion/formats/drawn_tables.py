"""Tables drawn with characters, as ``+---+`` and ``|`` or as boxes: the cells of their rows."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingestion.formats.tables import MAX_LABEL, cell_text

ACROSS = "─━┄┅┈┉╌╍═╴╶╸╺╼╾"
UPRIGHT = "│┃┆┇┊┋╎╏║╵╷╹╻╽╿"
PLAIN = {code: "+" for code in range(0x2500, 0x2580) if not 0x2571 <= code <= 0x2573}
PLAIN |= dict.fromkeys(map(ord, ACROSS), "-") | dict.fromkeys(map(ord, UPRIGHT), "|")
"""The characters of boxes as those of a typewriter."""
RULE = re.compile(r"\+(?=[-=])[-=:]*[-=](?:\+:?[-=]*[-=]:?)+\+")
"""From edge to edge; with ``=`` it ends a header, and each row has rules of its own."""
OF_RULES = "+-=:"
MOST_LINES, MOST_LINE, MOST_COLUMNS = 2_000, 1_000, 40
LEAST_WIDTH = 2
"""Characters of a column; the drawings of network protocols have one for each bit."""
ENDS_SENTENCE = re.compile(r"[.!?:;]$")
Rows = list[list[str]]


@dataclass(frozen=True)
class Drawn:
    """The cells of each row, a spanning one in each place that it spans; the first ``headers``
    rows name the columns."""

    rows: Rows
    headers: int


def parts(lines: Sequence[str]) -> Iterator[tuple[Sequence[str], Drawn | None]]:
    """The lines in runs, those of a table with what they draw."""
    at = start = 0
    while at < len(lines):
        end, table = _table_at(lines, at)
        if table is None:
            at = end
            continue
        if start < at:
            yield lines[start:at], None
        yield lines[at:end], table
        at = start = end
    if start < at:
        yield lines[start:], None


def _table_at(lines: Sequence[str], at: int) -> tuple[int, Drawn | None]:
    """Where the table ends that begins here, and what it draws; else where to look next."""
    first = _plain(lines[at])
    if not RULE.fullmatch(first.strip()):
        return at + 1, None
    indent, last = len(first) - len(first.lstrip()), at
    end = at + 1
    while end < min(len(lines), at + MOST_LINES):
        line = _plain(lines[end])
        if len(line) - len(line.lstrip()) != indent or not _has_edges(line.strip()):
            break
        last = end if RULE.fullmatch(line.strip()) else last
        end += 1
    if last == at:
        return end, None
    found = _Drawing.of([line[indent:].rstrip() for line in lines[at : last + 1]])
    table = found.table() if found else None
    return (last + 1 if table else end), table


def _plain(line: str) -> str:
    return line.rstrip().translate(PLAIN) if len(line) <= MOST_LINE else ""


def _has_edges(line: str) -> bool:
    return line[:1] in ("+", "|") and line[-1:] in ("+", "|") and len(line) > 1


Cells = list[str | None]
"""Of one line, a column each; None where the cell left of it goes on."""


@dataclass
class _Strip:
    """Lines between two rules; ``parted`` are the columns that the rule below them parts from what
    follows, ``between`` is what stands in that rule's place in the others."""

    lines: list[Cells]
    parted: list[bool]
    between: Cells
    ends_header: bool = False


@dataclass
class _Drawing:
    """The strips between the rules of a table."""

    strips: list[_Strip]
    columns: int

    @classmethod
    def of(cls, lines: Sequence[str]) -> "_Drawing | None":
        """Of lines that begin and end with a rule; None where they draw no table."""
        plain = [_plain(line) for line in lines]
        rules = [line for line in plain if RULE.fullmatch(line)]
        edges = sorted({at for rule in rules for at, one in enumerate(rule) if one == "+"})
        narrow = any(b - a - 1 < LEAST_WIDTH for a, b in pairwise(edges))
        if narrow or len({len(rule) for rule in rules}) > 1 or len(edges) > MOST_COLUMNS:
            return None
        strips, inside = list[_Strip](), list[Cells]()
        for line, drawn in zip(lines[1:], plain[1:], strict=True):
            parted = [_is_ruled(drawn, a, b) for a, b in pairwise(edges)]
            if any(parted) and len(drawn) != edges[-1] + 1:
                return None
            blank: Cells = [None] * len(parted)
            cells = blank if all(parted) else _cells(line, drawn, edges, parted)
            if cells is None:
                return None
            if not any(parted):
                inside.append(cells)
            elif inside:
                strips.append(_Strip(inside, parted, cells, "=" in drawn))
                inside = []
            elif not all(parted):
                return None
        return cls(strips, len(edges) - 1)

    def table(self) -> Drawn | None:
        """The rows; None where there is only one, or one column."""
        strips = self.strips
        told = any(one.ends_header or not all(one.parted) for one in strips)
        if not told:
            strips = [row for strip in strips for row in self._rows_of(strip)]
        rows = _Regions(strips, self.columns).rows()
        if rows is None or len(rows) < 2 or all(len(row) < 2 for row in rows):
            return None
        headers = next((n for n, one in enumerate(strips, start=1) if one.ends_header), 0)
        if not told and len(self.strips) == 2 and len(self.strips[0].lines) == 1:
            headers = 1
        return Drawn(rows, headers if headers < len(rows) else 0)

    def _rows_of(self, strip: _Strip) -> Iterator[_Strip]:
        """Each line as a row of its own, but for one that goes on with words of the one before."""
        row: list[Cells] = []
        for line in strip.lines:
            if row and not _goes_on(line, row[-1]):
                yield _Strip(row, [True] * self.columns, [None] * self.columns)
                row = []
            row.append(line)
        yield _Strip(row, strip.parted, strip.between)


def _is_ruled(drawn: str, left: int, right: int) -> bool:
    """Whether a rule that begins and ends at crossings runs from one place to the other."""
    if len(drawn) <= right or drawn[left : right + 1].strip(OF_RULES):
        return False
    before, after = drawn[: left + 1].rstrip("-=:"), drawn[right:].lstrip("-=:")
    return before.endswith("+") and after.startswith("+")


def _cells(line: str, drawn: str, edges: Sequence[int], parted: Sequence[bool]) -> Cells | None:
    """What stands between the bars; None where these are not where the rules say."""
    bars = [at for at, one in enumerate(drawn) if one == "|"]
    edge = "|+" if any(parted) else "|"
    begins = [n for n, at in enumerate(edges[:-1]) if drawn[at : at + 1] in tuple(edge)]
    fits = len(drawn) == edges[-1] + 1 and begins[:1] == [0]
    if len(begins) < len(parted) or not fits:
        whole = len(bars) == len(edges) and (bars[0], bars[-1]) == (0, len(drawn) - 1)
        if whole and not any(parted):  # wide characters move them
            return [line[a + 1 : b].strip() for a, b in pairwise(bars)]
        if not fits:
            return None
    cells: Cells = [None] * len(parted)
    for n, after in pairwise([*begins, len(parted)]):
        cells[n] = None if parted[n] else line[edges[n] + 1 : edges[after]].strip()
    return cells


def _goes_on(line: Cells, above: Cells) -> bool:
    pairs = [(before, text) for before, text in zip(above, line, strict=True) if text]
    return 0 < len(pairs) < len(line) and all(
        before and text[0].islower() and not ENDS_SENTENCE.search(before) for before, text in pairs
    )


class _Regions:
    """The cells of strips: one may span several columns, and strips that no rule parts."""

    def __init__(self, strips: Sequence[_Strip], columns: int) -> None:
        self._strips, self._columns = strips, columns
        self._first: dict[tuple[int, int], tuple[int, int]] = {}
        """The first place of the cell that holds a place."""
        self._texts: dict[tuple[int, int], list[str]] = {}

    def rows(self) -> Rows | None:
        """The text in each place; None where cells are no rectangles."""
        for row, strip in enumerate(self._strips):
            if not self._place(row, strip):
                return None
        texts = {
            first: cell_text(" ".join(filter(None, parts))) for first, parts in self._texts.items()
        }
        return [self._row(row, texts) for row in range(len(self._strips))]

    def _place(self, row: int, strip: _Strip) -> bool:
        above = self._strips[row - 1] if row else None
        joined = [{line[column] is None for line in strip.lines} for column in range(self._columns)]
        for column in range(self._columns):
            if len(joined[column]) > 1:
                return False
            here, left, up = (row, column), (row, column - 1), (row - 1, column)
            goes_down = above is not None and not above.parted[column]
            is_joined = joined[column] == {True}
            if is_joined and goes_down and self._first[left] != self._first[up]:
                return False
            first = self._first[left] if is_joined else self._first[up] if goes_down else here
            self._first[here] = first
            text = self._texts.setdefault(first, [])
            if goes_down and above is not None and above.between[column]:
                text.append(above.between[column] or "")
            text += [line[column] or "" for line in strip.lines]
        return True

    def _row(self, row: int, texts: Mapping[tuple[int, int], str]) -> list[str]:
        firsts = [self._first[row, column] for column in range(self._columns)]
        cells = [
            texts[first] if first == (row, column) or len(texts[first]) <= MAX_LABEL else ""
            for column, first in enumerate(firsts)
        ]
        return cells[:1] if len(set(firsts)) == 1 else cells
