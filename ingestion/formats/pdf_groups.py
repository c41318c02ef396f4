"""Labels that stand once for several rows of a table without lines: which rows each stands for."""

import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingestion.formats.tables import MAX_LABEL

Cells = tuple[str, ...]
MOST_HEADS = 3
"""Rows that may name columns."""
NEAR = 0.35
"""Of the usual step between rows, how far a label may stand from the middle of its rows."""
FIGURE = re.compile(r"\W{0,3}\d[\d.,' ]*\W{0,3}(?:[A-Z]{3})?")
"""A figure and no more: such a row without a label may be the sum of those above."""


@dataclass(frozen=True)
class _Group:
    """Rows, and the one whose label holds for all of them, by their places in the table."""

    label: int
    rows: tuple[int, ...]


SUM = re.compile(
    r"(?:(?:sub|grand|net)[ -]?)?(?:totals?|sums?|(?:zwischen|gesamt)?summe|totale|suma|somme"
    r"|razem)"
    r"(?: (?:amount|due|net|payable|price|sum|to pay))*|balance|net|tax|vat|mwst\.?",
    re.IGNORECASE,
)
"""What a row that sums up those above begins with."""
LEAST_RULED = 2
"""Groups of more than one row that it takes in a table with lines, where a blank cell may be one
that is left empty."""


def with_labels(
    rows: Sequence[Cells], ys: Sequence[float], *, is_ruled: bool = False
) -> list[Cells]:
    """The rows, each with the label that it stands under; ``ys`` is the height of each one.

    The label stands at the first of its rows, or in the middle of them, in the first column: in
    ruled tables at the first. Where it is not told for sure, the rows stay as they are.
    """
    if len(rows) <= MOST_HEADS or len(rows[0]) < 3 or all(row[0] for row in rows):
        return [*rows]
    table = _Table(rows, ys)
    if is_ruled:
        top = table.from_top()
        fits = top is not None and table.is_told(top) and table.names_groups(top)
        return table.labelled(top) if top is not None and fits else [*rows]
    for groups in (table.from_top(), table.around()):
        if groups is not None and table.is_told(groups):
            return table.labelled(groups)
    return [*rows]


class _Table:
    """The rows of a table, those at its top that name columns aside."""

    def __init__(self, rows: Sequence[Cells], ys: Sequence[float]) -> None:
        self._rows, self._ys = rows, ys
        self._first = _heads(rows)
        self._values = [at for at in range(self._first, len(rows)) if _has_values(rows[at])]

    def from_top(self) -> list[_Group] | None:
        """Each label at the first of its rows; None where a row stands above all labels."""
        groups: list[_Group] = []
        label, under = self._first, list[int]()
        for at in range(self._first, len(self._rows)):
            ends = at not in self._values and any(map(FIGURE.fullmatch, self._rows[at]))
            ends = ends or (not self._rows[at][0] and self._is_sum(at))
            if self._rows[at][0] or ends:
                groups += _grouped(label, under)
                label, under = at, []
            if at in self._values and self._rows[label][0]:
                under.append(at)
        groups += _grouped(label, under)
        return groups if groups and groups[0].label == self._first else None

    def around(self) -> list[_Group] | None:
        """As many rows above each label as below it; None where that does not come out even."""
        steps = [self._ys[a] - self._ys[b] for a, b in pairwise(self._values)]
        body = range(self._first, len(self._rows))
        if not steps or not all(self._rows[at][0] or at in self._values for at in body):
            return None  # some are parts of cells, or sums
        near = NEAR * statistics.median(steps)
        groups: list[_Group] = []
        at = 0
        for label in range(self._first, len(self._rows)):
            if not self._rows[label][0] or at == len(self._values):
                continue
            last = 2 * self._ys[label] - self._ys[self._values[at]]
            ends = [n for n in self._values[at:] if abs(self._ys[n] - last) <= near]
            if not ends:
                return None
            end = self._values.index(ends[0]) + 1
            groups.append(_Group(label, tuple(self._values[at:end])))
            at = end
        return groups if at == len(self._values) else None

    def is_told(self, groups: Sequence[_Group]) -> bool:
        """Whether some rows gain a label, and what follows it tells the rows of each apart."""
        named = Counter(self._rows[at][1] for at in self._values)
        gaining = [at for one in groups for at in one.rows if not self._rows[at][0]]
        figures = [said for at in gaining if FIGURE.fullmatch(said := self._rows[at][1])]
        sums = 2 * sum(named[said] < 2 for said in figures) > len(figures)
        return bool(gaining) and not sums and all(map(self._is_group, groups))

    def _is_sum(self, at: int) -> bool:
        said = next((text for text in self._rows[at][1:] if text), "")
        return SUM.fullmatch(said.rstrip(" .:%0123456789")) is not None

    def names_groups(self, groups: Sequence[_Group]) -> bool:
        """Whether several labels, which are no figures, stand for more than one row each."""
        several = [one for one in groups if len(one.rows) > 1]
        figures = any(FIGURE.fullmatch(self._rows[one.label][0]) for one in several)
        return len(several) >= LEAST_RULED and not figures

    def _is_group(self, one: _Group) -> bool:
        labels = [at for at in one.rows if self._rows[at][0]]
        said = [self._rows[at][1] for at in one.rows]
        return labels in ([], [one.label]) and len({*said}) == len(said)

    def labelled(self, groups: Sequence[_Group]) -> list[Cells]:
        """All rows; a label that has a line of its own is in its rows only."""
        labels = {at: self._rows[one.label][0] for one in groups for at in one.rows}
        alone = {one.label for one in groups} - {*self._values}
        return [
            (labels[at], *row[1:]) if len(labels.get(at, "")) in range(1, MAX_LABEL) else row
            for at, row in enumerate(self._rows)
            if at not in alone
        ]


def _grouped(label: int, rows: Sequence[int]) -> Iterator[_Group]:
    if rows:
        yield _Group(label, tuple(rows))


def _heads(rows: Sequence[Cells]) -> int:
    """How many rows at the top name columns."""
    first = next((at for at, row in enumerate(rows[:MOST_HEADS]) if row[0]), 0)
    while first < MOST_HEADS and not any(map(str.isdigit, "".join(rows[first][1:]))):
        first += 1
        if rows[first][0]:
            break
    return first


def _has_values(row: Cells) -> bool:
    """Whether a row says something in the second column and beside it."""
    return bool(row[1]) and sum(map(bool, row[1:])) > 1
