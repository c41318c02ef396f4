"""Names that stand above their values, side by side as in boxes: each name to its own value."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from ingestion.formats.pdf_page import Word

SMALLER = 0.93
"""The size of print of names, by that of their values."""
NEAR, ALIGNED = 2.4, 0.35
"""In sizes of print: how far below its name a value stands, and by how much their left edges, or
their middles, may differ."""
LONGEST = 6
"""Words of a name."""


class Piece(Protocol):
    """Words side by side; lengths in points."""

    text: str
    x0: float
    x1: float
    size: float
    words: list[Word]


One = TypeVar("One", bound=Piece)


class Line(Protocol[One]):
    """Pieces on one base line."""

    y: float
    segments: list[One]


def in_boxes(rows: Sequence[Line[One]]) -> list[list[tuple[One, One]]]:
    """The pairs of the first rows, of which each second one has the values of the one above.

    Names are in smaller print than values, or in bold. Where they are neither it takes two such
    pairs of rows, with figures in each value and in no name. Empty where there are none.
    """
    found: list[list[tuple[One, One]]] = []
    told = True
    for at in range(0, len(rows) - 1, 2):
        pairs = _paired(rows[at], rows[at + 1])
        if not pairs or (not found and len(pairs) < 2) or not _go_on(found, pairs):
            break
        look = all(one.size < SMALLER * other.size for one, other in pairs)
        bold = at > 0 or _is_bold(rows[at + 2 : at + 3], rows[at : at + 1])
        bold = bold and all(_bold(one) and not _bold(other) for one, other in pairs)
        figures = all(_has_figure(other) and not _has_figure(one) for one, other in pairs)
        if not (look or bold or figures):
            break
        told = told and look
        found.append(pairs)
    return found if told or len(found) > 1 else []


def _is_bold(after: Sequence[Line[One]], names: Sequence[Line[One]]) -> bool:
    """Whether names in bold come again after the values: else they are the head of a table."""
    return all(map(_bold, [one for row in [*after, *names] for one in row.segments])) and bool(
        after
    )


def _paired(names: Line[One], values: Line[One]) -> list[tuple[One, One]]:
    """Each name with the value below it; none where one has no value, or a value no name."""
    size = max(one.size for one in [*names.segments, *values.segments])
    if len(names.segments) != len(values.segments) or names.y - values.y > NEAR * size:
        return []
    pairs = list(zip(names.segments, values.segments, strict=True))
    fits = all(_aligned(*pair) and _is_name(pair[0]) for pair in pairs)
    return pairs if fits else []


def _aligned(name: Piece, value: Piece) -> bool:
    near = ALIGNED * value.size
    left, middle = value.x0 - name.x0, (value.x0 + value.x1 - name.x0 - name.x1) / 2
    return abs(left) <= near or abs(middle) <= near


def _is_name(one: Piece) -> bool:
    return bool(one.words) and len(one.text.split()) <= LONGEST


def _go_on(found: Sequence[list[tuple[One, One]]], pairs: Sequence[tuple[One, One]]) -> bool:
    """Whether names stand where those above them do, and in the same print."""
    if not found:
        return True
    starts = [(one.x0, one.size) for one, _ in found[0]]
    return all(
        any(abs(one.x0 - x) <= one.size and 0.95 < one.size / size < 1.05 for x, size in starts)
        for one, _ in pairs
    )


def _bold(one: Piece) -> bool:
    return all(word.bold for word in one.words)


def _has_figure(one: Piece) -> bool:
    return any(map(str.isdigit, one.text))
