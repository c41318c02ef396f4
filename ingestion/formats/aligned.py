"""Tables of plain text, drawn or with cells below each other: rows with bars between their cells.

A column is told by the blank strip before it, which runs through all lines of the table.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise, zip_longest
from statistics import median

from ingestion.formats import drawn_tables
from ingestion.formats.document import Block
from ingestion.formats.tables import REPEAT_AFTER, cell_text

CURRENCY = "(?:(?<=EUR)|(?<=GBP)|(?<=USD)|(?<=CHF)|(?<=[£$€]))"
GAP = re.compile(
    rf"(?<=\S)(?<![.?!])(?!{CURRENCY} +\d) {{2,}}(?=\S)"
    r"|(?<=[.?!]) {3,}(?=\S)"
)
"""Between two cells; two blanks after a sentence are none, nor are those before a sum."""
LEADER = re.compile(r"(?<=\S) ?(?:\.{4,}|(?:\. ){3,}\.?) ?(?=\S)|(?<=\S) \.{3} (?=\S)")
"""Dots that lead from a name to its value: they are as good as blanks."""
TABS = re.compile(r"\t+")
RULE = re.compile(r"[ \t]*[-=_+|][-=_+| \t]{2,}")
"""Drawn between the header and the rows."""
BAR = re.compile(r"(?:^|\s)\|\s")
MARK = re.compile(r"\(?(?:\d+(?:\.\d+)*|[a-z]|[ivx]+)[.)]?|[-*•–]", re.IGNORECASE)
"""Begins an item or a clause, and is no cell of a table of two columns."""
CLAUSE = re.compile(r"[A-Z]{1,2}\.?\d+(?:\.\d+)*[.)]?")
WIDE, MOST_WIDE = re.compile(r" {3,}"), 3
"""Parts a name from what belongs to it, where nothing stands below each other."""
MOST_EVEN = 0.66
"""Share of the lines whose cells of one column stand below each other: a long cell may push the
next one aside."""
MOST_NAME = 40
"""Characters of the first cell of a table of two columns; a longer one is half of a page."""
MOST_CELL = 70
"""Characters of half of its other cells, at most; longer ones are paragraphs."""
MOST_LINES = 2_000
"""Of one table."""
LEAST_ROWS = {2: 3}
"""Rows that make a table of so many columns; two where there are more."""
MOST_LINE, TAB = 500, 8
"""Characters."""


@dataclass(frozen=True)
class _Line:
    """A line of a table, tabs as blanks, and where in it each cell begins that a gap parts;
    ``tabbed`` are its cells as far as tabs part them."""

    text: str
    begins: tuple[int, ...]
    tabbed: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str) -> "_Line":
        """Of a line of the source; a very long one is no row."""
        if len(text) > MOST_LINE:
            return cls(text, (0,))
        tabbed = TABS.split(text.strip()) if "\t" in text else ()
        text = text.replace("\t", "  \t").expandtabs(TAB).rstrip() if tabbed else text.rstrip()
        text = LEADER.sub(lambda dots: " " * len(dots[0]), text) if text.count(".") > 2 else text
        indent = len(text) - len(text.lstrip())
        return cls(text, (indent, *(gap.end() for gap in GAP.finditer(text))), tuple(tabbed))

    @property
    def ends(self) -> tuple[int, ...]:
        """Where each cell ends."""
        return (*(gap.start() for gap in GAP.finditer(self.text)), len(self.text))

    @property
    def has_gap(self) -> bool:
        return len(self.begins) > 1

    @property
    def indent(self) -> int:
        return self.begins[0]

    @property
    def is_rule(self) -> bool:
        return RULE.fullmatch(self.text) is not None

    def cut(self, begins: Sequence[int]) -> list[str]:
        """The text between these places."""
        return [self.text[a:b].strip() for a, b in pairwise([*begins, len(self.text) + 1])]


def blocks_of(paragraph: str, gap: str = "\n\n", *, aligned: bool = True) -> Iterator[Block]:
    """A paragraph as blocks, its tables as ``a | b | c``; ``gap`` stands before the first one.

    Without ``aligned`` only those that are drawn.
    """
    for lines, table in drawn_tables.parts(paragraph.split("\n")):
        if table is not None:
            yield from grouped_rows(table.rows, gap, table.headers)
        elif aligned:
            yield from _aligned(lines, gap)
        else:
            yield Block("\n".join(lines), gap=gap)
        gap = "\n"


def aligned_rows(source: Sequence[str]) -> list[list[list[str]]]:
    """The rows of each table whose cells stand below each other."""
    return [rows for _, rows in _runs(source) if rows]


def _aligned(source: Sequence[str], gap: str) -> Iterator[Block]:
    for table, lines in groupby(_runs(source), key=lambda run: bool(run[1])):
        if not table:
            yield Block("\n".join(line for source, _ in lines for line in source), gap=gap)
            gap = "\n"
            continue
        for _, rows in lines:
            yield from grouped_rows(rows, gap)
            gap = "\n"


def _runs(source: Sequence[str]) -> Iterator[tuple[Sequence[str], list[list[str]]]]:
    """Runs of lines with the rows of cells that they are, none where they are no table."""
    run: list[tuple[str, _Line]] = []

    def ended() -> tuple[list[str], list[list[str]]]:
        found = [text for text, _ in run], _rows([line for _, line in run])
        run.clear()
        return found

    for text in source:
        line = _Line.of(text)
        first = run[0][1] if run else None
        if first is not None and (not _belongs(line, first) or _opens(run, line)):
            yield ended()
            first = None
        if first is not None or line.has_gap:
            run.append((text, line))
        else:
            yield [text], []
    if run:
        yield ended()


def _belongs(line: _Line, first: _Line) -> bool:
    """Whether a line may be of the table that begins with ``first``: it has cells, is a rule, or
    stands right of the first one and so goes on with a cell of the row above."""
    hangs = bool(line.text) and line.indent > first.indent + 2
    return line.has_gap or line.is_rule or hangs


def _opens(run: Sequence[tuple[str, _Line]], line: _Line) -> bool:
    """Whether what stands above is the number and title of what the line begins."""
    first = run[0][1]
    number = first.cut(first.begins)[0]
    numbered = MARK.fullmatch(number) or CLAUSE.fullmatch(number)
    return len(run) == 1 and line.has_gap and line.indent > first.indent + 1 and bool(numbered)


def _rows(run: Sequence[_Line]) -> list[list[str]]:
    """The cells of each row; [] for what is no table."""
    if len(run) > MOST_LINES or any(BAR.search(line.text) for line in run if not line.is_rule):
        return []  # a log; or its cells are told already
    body = [line for line in run if not line.is_rule]
    full = [line for line in body if line.has_gap]
    if len(full) < 2:
        return []
    if body[0].tabbed and len({len(line.tabbed) for line in body}) == 1:
        rows = [[*map(cell_text, line.tabbed)] for line in body]
        return rows if len(rows) >= LEAST_ROWS.get(len(rows[0]), 2) and _is_table(rows) else []
    begins = _columns(_alike(full)) or _strips(full)
    if len(begins) < 2 or len(full) < LEAST_ROWS.get(len(begins), 2):
        return []
    rows = []
    for line in body:
        cells = _cells(line, begins)
        if cells is None:
            return _pairs(body)
        if rows and not line.has_gap and not cells[0]:
            above = zip_longest(rows[-1], cells, fillvalue="")
            rows[-1] = [" ".join(filter(None, both)) for both in above]
        else:
            rows.append(cells)
    is_ruled = len(body) < len(run)
    return rows if is_ruled or _is_table(rows) else []


def _alike(lines: Sequence[_Line]) -> list[_Line]:
    """Those with the most cells that several of the lines have: a wide blank within one cell of one
    line makes no column."""
    counts = Counter(len(line.begins) for line in lines)
    several = [count for count, times in counts.items() if times > 1]
    return [line for line in lines if len(line.begins) == max(several or counts)]


def _columns(lines: Sequence[_Line]) -> list[int]:
    """Where columns begin, of lines with as many cells; [] where these do not stand below each
    other, at their left or at their right."""
    places = list(zip(*(line.begins for line in lines), strict=True))
    ends = list(zip(*(line.ends for line in lines), strict=True))
    even = all(_is_even(*both) for both in zip(places[1:], ends[1:], strict=True))
    return [min(place) for place in places] if even else []


def _is_even(begins: Sequence[int], ends: Sequence[int]) -> bool:
    def most(places: Sequence[int]) -> int:
        common = Counter(places).most_common(1)[0][0]
        return sum(abs(place - common) <= 1 for place in places)

    return max(most(begins), most(ends)) >= MOST_EVEN * len(begins)


def _strips(lines: Sequence[_Line]) -> list[int]:
    """Where columns begin: after each strip of two blanks that all the lines share."""
    width = max(len(line.text) for line in lines)
    blank = [all(line.text[at : at + 1] in ("", " ") for line in lines) for at in range(width)]
    first = min(line.indent for line in lines)
    begins = range(first + 2, width)
    return [first, *(n for n in begins if blank[n - 1] and blank[n - 2] and not blank[n])]


def _cells(line: _Line, begins: Sequence[int]) -> list[str] | None:
    """What of a line stands in each column, the last maybe in parts; None where it keeps to none
    of them."""
    own = line.cut(line.begins)
    places = [
        next((n for n, begin in enumerate(begins) if abs(begin - at) <= 1), None)
        for at in line.begins
    ]
    if None not in places:
        at_place = dict(zip(places, own, strict=True))
        return [cell_text(at_place.get(n, "")) for n in range(len(begins))]
    if len(own) == len(begins):
        return [*map(cell_text, own)]
    if not all(line.text[at - 1 : at] in ("", " ") for at in begins[1:]):
        return None
    *cells, last = line.cut([min(line.indent, begins[0]), *begins[1:]])  # nothing gets lost
    return [*map(cell_text, (*cells, *WIDE.split(last)))]


def _pairs(body: Sequence[_Line]) -> list[list[str]]:
    """Lines that do not keep to columns, as a name and what stands wide apart from it."""
    rows = [WIDE.split(line.text.strip()) for line in body]
    if len(rows) < LEAST_ROWS[2] or not all(2 <= len(row) <= MOST_WIDE for row in rows):
        return []
    pairs = [[row[0], " | ".join(map(cell_text, row[1:]))] for row in rows]
    return pairs if _is_table(pairs) else []


def _is_table(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the rows say something in their columns, and are no list and no two columns of
    print."""
    names = [row[0] for row in rows]
    if len(rows[0]) == 2:
        listed = any(MARK.fullmatch(name) for name in names if name)
        short = (
            max(map(len, names)) <= MOST_NAME and median(len(row[1]) for row in rows) <= MOST_CELL
        )
        return short and not listed and all(map(all, rows)) and not _are_contents(rows)
    return sum(map(bool, names)) > len(rows) / 2


def _are_contents(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the rows name chapters and the pages they begin on."""
    pages = [int(row[1]) for row in rows if row[1].isdecimal()]
    return len(pages) == len(rows) and pages == sorted(pages)


def grouped_rows(rows: Sequence[Sequence[str]], gap: str, headers: int = 0) -> Iterator[Block]:
    """The rows, below their header once more where the table is long."""
    lines = [" | ".join(row) for row in rows]
    header = lines[: headers or int(has_header(rows))]
    group, size = list(header), 0
    for line in lines[len(header) :]:
        if header and len(group) > len(header) and size + len(line) > REPEAT_AFTER:
            yield Block("\n".join(group), gap=gap)
            group, size, gap = list(header), 0, "\n\n"
        group.append(line)
        size += len(line)
    yield Block("\n".join(group), gap=gap)


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: it has no figures, and those below have."""
    figures = [any(map(str.isdigit, " ".join(row[1:]))) for row in rows]
    return len(rows) > 2 and not figures[0] and sum(figures) > len(rows) / 2
