"""Which rows, columns and entries a question names, so that no other's value answers it.

A table says whose a value is at its edges, and a glossary at the head of each entry. Rules over
words, for texts that have such a shape: of rows beside each other, those that hold fewer of the
question's words than the best one are less likely to be meant.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from app.inference.evidence_selection import stems
from guardrails.contract import block_ends

Offsets = tuple[int, int]
MOST_MISSED = 2
"""Words of the question that a row lacks beside the best one; more count as so many."""
_LINE = re.compile(r"[^\n]+")
_BETWEEN_CELLS = re.compile(r"\s*\|\s*|\s*\t\s*|(?<=\S) {2,}(?=\S)")
_ENTRY = re.compile(
    r"\s*(?:[-*\u2022] +)?([A-Z\d][^\W_]*(?:[ '/&()-]+[^\W_]+){0,5}\)?)"
    r"(?:\.|:| [\u2013\u2014-])\s+(?=\S)"
)
"""The head of an entry: "Flood. Water that …", "- Laptops: £75"."""
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class _Row:
    """A line of a table, or an entry of a glossary; of an entry only the head is compared."""

    cells: tuple[Offsets, ...]
    entry: bool

    @property
    def bounds(self) -> Offsets:
        return self.cells[0][0], self.cells[-1][1]


def misplaced(question: str, text: str) -> list[tuple[Offsets, int]]:
    """Parts of ``text`` that the question does not mean, each with the words it lacks, at most
    ``MOST_MISSED``, beside the row, column or entry that holds most of them."""
    asked = stems(question)
    found: list[tuple[Offsets, int]] = []
    for rows in _tables(text):
        texts = [[text[slice(*cell)] for cell in row.cells] for row in rows]
        named = not rows[0].entry and names_columns(texts)
        body = rows[1:] if named else rows
        found += _fewer([row.bounds for row in body], [_held(asked, row, text) for row in body])
        if named:
            found.append((rows[0].bounds, MOST_MISSED))  # what names a column is no value of it
            found += _columns(asked, rows[0], body, text)
    return found


def cell_ends(text: str) -> list[int]:
    """Where each cell of the rows of ``text`` ends, in order: no value goes on in the next one."""
    return [cell[1] for rows in _tables(text) for row in rows for cell in row.cells]


def names_columns(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row of a table (its cells' texts) names the columns."""
    head, below = rows[0], rows[1:]
    if not below or any(_DIGIT.search(cell) for cell in head):
        return False
    # Of two columns the first may be what is told and the second what it is.
    columns = zip(*below, strict=False)
    counted = [sum(bool(_DIGIT.search(cell)) for cell in column) for column in columns]
    return len(head) > 2 or 2 * max(counted, default=0) > len(below)


def _tables(text: str) -> Iterator[list[_Row]]:
    """Runs of at least two rows below each other; entries may stand apart."""
    for shape, run in groupby(_rows(text), key=lambda row: row and row.entry):
        rows = [row for row in run if row is not None]
        if shape is not None and len(rows) > 1:
            yield rows


def _rows(text: str) -> Iterator[_Row | None]:
    """For each line of a table and each other block, the row that it is."""
    for start, end in pairwise([0, *block_ends(text), len(text)]):
        lines = [row for line in _LINE.finditer(text, start, end) if (row := _cells(line))]
        if lines:
            yield from lines
        elif text[start:end].strip():
            yield _entry(text, start, end)


def _cells(line: re.Match[str]) -> _Row | None:
    words = line[0].strip().strip("|").strip()
    edges = [match.span() for match in _BETWEEN_CELLS.finditer(words)]
    if not edges:
        return None
    start = line.start() + line[0].index(words)
    begins = [0, *(end for _, end in edges)]
    ends = [*(begin for begin, _ in edges), len(words)]
    cells = zip(begins, ends, strict=True)
    return _Row(tuple((start + a, start + b) for a, b in cells), entry=False)


def _entry(text: str, start: int, end: int) -> _Row | None:
    head = _ENTRY.match(text, start, end)
    return head and _Row((head.span(1), (head.end(), end)), entry=True)


def _held(asked: frozenset[str], row: _Row, text: str) -> int:
    compared = row.cells[0] if row.entry else row.bounds
    return len(asked & stems(text[slice(*compared)]))


def _columns(
    asked: frozenset[str], head: _Row, body: Sequence[_Row], text: str
) -> list[tuple[Offsets, int]]:
    """The cells of the columns whose names hold fewer of the words; the first names the rows."""
    held = [len(asked & stems(text[slice(*cell)])) for cell in head.cells[1:]]
    found = []
    for row in body:
        cells = row.cells[1:]
        found += _fewer(cells, held) if len(cells) == len(held) else []
    return found


def _fewer(parts: Sequence[Offsets], held: Sequence[int]) -> list[tuple[Offsets, int]]:
    best = max(held, default=0)
    counted = zip(parts, held, strict=True)
    return [(part, min(best - n, MOST_MISSED)) for part, n in counted if n < best]
