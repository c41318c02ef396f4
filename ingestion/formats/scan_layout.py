"""Recognised words by their places: rows of tables, and lines that their writer broke.

Places are in pixels, from the top left.
"""

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import median

from ingestion.formats.aligned import MARK, has_header
from ingestion.formats.tables import REPEAT_AFTER, cell_text

LEAST_CONFIDENCE, LEAST_OF_NUMBERS = 75.0, 80.0
"""Of 100, of a paragraph's words on average, and of each word with a digit; less is in doubt."""
GAP, STRIP = 1.4, 0.7
"""Between two cells of a row, and of the strip between two columns, in heights of a line."""
PITCH, NEXT, APART = 5.0, 1.9, 1.6
"""From a row to the next one of a table, to a line that goes on with its cells, and between two
lines that are not of one paragraph, in heights."""
ITEM = re.compile(r"\(?\d{1,2}[.)]|[•●▪*–-]")
LEAST_ROWS = {2: 3}
"""Rows that make a table of so many columns; two where there are more."""
MOST_WORDS, MOST_COLUMNS, MOST_WORDS_OF_PAGE = 4, 12, 20_000
"""Half of the cells of a column have no more words, else it may be a column of print."""
RULES = re.compile(r"[|\[\]_—–=¦!]+")
"""What the lines of a table are recognised as."""


@dataclass(frozen=True)
class Word:
    """A word that was recognised, how surely (0 to 100), and the lines it stands among; ``place``
    is where it begins, at its left and top, and ends."""

    text: str
    confidence: float
    paragraph: tuple[int, int]
    line: int
    place: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def left(self) -> int:
        return self.place[0]

    @property
    def right(self) -> int:
        return self.place[2]

    @property
    def middle(self) -> float:
        return (self.place[1] + self.place[3]) / 2

    @property
    def height(self) -> int:
        return self.place[3] - self.place[1]


@dataclass(frozen=True)
class Told:
    """A paragraph or a row: its text, why it is in doubt if it is, and what stands before it."""

    text: str
    doubt: str
    gap: str = "\n\n"


def laid_out(words: Sequence[Word]) -> Iterator[Told]:
    """The paragraphs in the order in which they were recognised, a table in the place of its first
    word."""
    tables = _tables(words) if len(words) <= MOST_WORDS_OF_PAGE else []
    of_table = {id(word): table for table in tables for word in table.words}
    words = _from_the_top(words, of_table) if tables else words
    told: set[int] = set()
    run: list[Word] = []
    for word in words:
        table = of_table.get(id(word))
        if table is None:
            run.append(word)
        elif id(table) not in told:
            yield from paragraphs(run)
            run = []
            told.add(id(table))
            yield from table.told()
    yield from paragraphs(run)


def _from_the_top(words: Sequence[Word], tabled: Container[int]) -> Sequence[Word]:
    """The words with paragraphs from the top, where none stands beside another one: what is above
    a table may be recognised after it. Of words in tables the ids are in ``tabled``."""
    runs = [list(within) for _, within in groupby(words, key=lambda word: word.paragraph)]
    runs.sort(key=lambda run: min(word.place[1] for word in run))
    plain = [run for run in runs if not any(id(word) in tabled for word in run)]
    beside = any(
        max(word.place[3] for word in a) > min(word.place[3] for word in b)
        for a, b in pairwise(plain)
    )
    if beside:
        return words
    return [word for run in runs for word in run]


def paragraphs(words: Sequence[Word]) -> Iterator[Told]:
    """The text of each paragraph."""
    for _, within in groupby(words, key=lambda word: word.paragraph):
        some = list(within)
        lines = [list(line) for _, line in groupby(some, key=lambda word: word.line)]
        yield Told(_joined(lines), doubt_of(some))


def _joined(lines: Sequence[Sequence[Word]]) -> str:
    """The lines as one, but for those that end though the next word would have fitted on them."""
    edge = max(line[-1].right for line in lines)
    text = _text(lines[0])
    for before, line in pairwise(lines):
        if re.search(r"[^\W\d_]-$", text) and line[0].text[:1].islower():
            text = f"{text[:-1]}{_text(line)}"
            continue
        text += ("\n" if _is_broken(before, line, edge) else " ") + _text(line)
    return text


def _is_broken(before: Sequence[Word], line: Sequence[Word], edge: int) -> bool:
    """Whether the writer began a line here, and not the edge of the page."""
    first, height = line[0], max(word.height for word in line)
    need = first.right - first.left + first.height // 2
    fits = 0 < need < edge - before[-1].right
    bottom, top = max(word.place[3] for word in before), min(word.place[1] for word in line)
    is_item = ITEM.fullmatch(first.text) is not None and before[-1].text[-1:] in ".:;!?"
    return fits or is_item or (0 < APART * height < top - bottom)


def _text(line: Sequence[Word]) -> str:
    return " ".join(word.text for word in line)


def doubt_of(words: Sequence[Word]) -> str:
    """Why words are in doubt; empty where they are not."""
    mean = sum(word.confidence for word in words) / len(words)
    if mean < LEAST_CONFIDENCE:
        return f"It was recognised from an image with little certainty ({mean:.0f} of 100)."
    for word in words:
        if word.confidence < LEAST_OF_NUMBERS and any(map(str.isdigit, word.text)):
            return f'"{word.text}" was recognised with little certainty.'[:200]
    return ""


# --- Tables ----------------------------------------------------------------------------------


Cell = list[Word]


@dataclass(frozen=True)
class _Row:
    """What stands side by side, in cells that gaps part."""

    cells: list[Cell]
    height: float

    @property
    def middle(self) -> float:
        words = [word for cell in self.cells for word in cell]
        return sum(word.middle for word in words) / len(words)


@dataclass(frozen=True)
class _Table:
    """Rows of cells, each in its column; ``words`` are all that stand in it."""

    rows: list[list[Cell]]
    words: list[Word]

    def told(self) -> Iterator[Told]:
        """The rows, below their header once more where there are many."""
        texts = [[cell_text(_text(cell)) for cell in row] for row in self.rows]
        lines = [" | ".join(row) for row in texts]
        header = has_header(texts)
        size = 0
        for at, (line, row) in enumerate(zip(lines, self.rows, strict=True)):
            if header and at > 1 and size + len(line) > REPEAT_AFTER:
                yield Told(lines[0], doubt_of(self._words_of(self.rows[0])))
                size = 0
            size += len(line)
            yield Told(line, doubt_of(self._words_of(row)), gap="\n" if at else "\n\n")

    def _words_of(self, row: Sequence[Cell]) -> list[Word]:
        return [word for cell in row for word in cell]


def _tables(words: Sequence[Word]) -> list[_Table]:
    placed = [word for word in words if word.height > 0]
    found = [_table(run) for run in _runs(_rows(placed))]
    return [table for table in found if table is not None]


def _rows(words: Sequence[Word]) -> list[_Row]:
    """All that stands at one height, from the left."""
    if not words:
        return []
    usual = median(word.height for word in words)
    lines: list[list[Word]] = []
    for word in sorted(words, key=lambda one: one.middle):
        if lines and word.middle - lines[-1][0].middle <= usual * 0.6:
            lines[-1].append(word)
        else:
            lines.append([word])
    return [_row(line, usual) for line in lines]


def _row(line: Sequence[Word], usual: float) -> _Row:
    said = [word for word in line if not RULES.fullmatch(word.text)]
    cells: list[Cell] = []
    for word in sorted(said or line, key=lambda one: one.left):
        if cells and word.left - cells[-1][-1].right < GAP * usual:
            cells[-1].append(word)
        else:
            cells.append([word])
    return _Row(cells, usual)


def _runs(rows: Sequence[_Row]) -> Iterator[list[_Row]]:
    """Rows of several cells below each other, with lines between them that go on with a cell."""
    run: list[_Row] = []
    for row in rows:
        near = bool(run) and row.middle - run[-1].middle <= PITCH * row.height
        several = len(row.cells) > 1
        goes_on = near and row.middle - run[-1].middle <= NEXT * row.height
        if run and not (near and (several or (goes_on and _is_below(row, run)))):
            yield _trimmed(run)
            run = []
        if several or run:
            run.append(row)
    if run:
        yield _trimmed(run)


def _is_below(row: _Row, run: Sequence[_Row]) -> bool:
    """Whether a line of one cell stands below a cell of the table that is not its first."""
    first = min(one.cells[0][0].left for one in run)
    begins = sorted(cell[0].left for one in run for cell in one.cells[1:])
    left = row.cells[0][0].left
    return left > first + 2 * row.height and any(abs(left - one) < row.height for one in begins)


def _trimmed(run: list[_Row]) -> list[_Row]:
    while run and len(run[-1].cells) == 1:
        run.pop()
    return run


def _table(run: Sequence[_Row]) -> _Table | None:
    columns = _columns(run)
    if not 2 <= len(columns) <= MOST_COLUMNS or len(run) < LEAST_ROWS.get(len(columns), 2):
        return None
    rows: list[list[Cell]] = []
    for row in run:
        cells = _in_columns(row, columns)
        if rows and not cells[0] and _goes_on(cells, rows[-1]):
            rows[-1] = [[*a, *b] for a, b in zip(rows[-1], cells, strict=True)]
        else:
            rows.append(cells)
    if not _is_table(rows, len(columns)):
        return None
    return _Table(rows, [word for row in run for cell in row.cells for word in cell])


def _columns(run: Sequence[_Row]) -> list[tuple[int, int]]:
    """From where to where each column reaches: strips part them in which no cell stands, but for
    one of a row with fewer cells."""
    most = max(len(row.cells) for row in run)
    full = [row for row in run if len(row.cells) == most]
    several = [row for row in run if 2 * len(row.cells) >= most] if len(full) < 2 else full
    spans = sorted((cell[0].left, cell[-1].right) for row in several for cell in row.cells)
    columns: list[tuple[int, int]] = []
    for left, right in spans:
        if columns and left - columns[-1][1] < STRIP * run[0].height:
            columns[-1] = columns[-1][0], max(columns[-1][1], right)
        else:
            columns.append((left, right))
    return columns


def _in_columns(row: _Row, columns: Sequence[tuple[int, int]]) -> list[Cell]:
    """The cells of a row, each in the column that it covers most of or stands nearest to."""
    cells: list[Cell] = [[] for _ in columns]
    for cell in row.cells:
        left, right = cell[0].left, cell[-1].right
        apart = [max(left - b, a - right) for a, b in columns]
        at = (
            apart.index(min(apart))
            if min(apart) > 0
            else next(n for n, space in enumerate(apart) if space <= 0)
        )
        cells[at] += cell
    return cells


def _goes_on(cells: Sequence[Cell], above: Sequence[Cell]) -> bool:
    filled = [(cell, before) for cell, before in zip(cells, above, strict=True) if cell]
    return len(filled) < len(cells) and all(
        before and not cell[0].text[:1].isupper() and not _text(cell)[:1].isdigit()
        for cell, before in filled
    )


def _is_table(rows: Sequence[Sequence[Cell]], columns: int) -> bool:
    """Whether the rows say something in their columns, and are no list and no columns of print."""
    names = [_text(row[0]) for row in rows if row[0]]
    if len(names) <= len(rows) / 2 or all(map(MARK.fullmatch, names)):
        return False
    long = sum(
        median([len(row[at]) for row in rows if row[at]] or [0]) > MOST_WORDS
        for at in range(columns)
    )
    filled = sum(1 for row in rows for cell in row if cell)
    return long < 2 and not (long and columns > 2 and long > columns / 2) and filled > len(rows)
