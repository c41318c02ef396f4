"""What parts the rows of a table without a grid: rules across it, and bands of colour."""

from bisect import bisect_left
from collections.abc import Sequence

from ingestion.formats.pdf_sight import PATH, Box, Things

NEAR = 1.5
"""Points within which two edges are one."""
ACROSS = 0.75
"""Of the width of a table, at least so much is under an edge that parts its rows."""
PALEST = 0.985
"""The darkest channel of a colour that is told from white paper."""
MOST_AREAS = 2000
Interval = tuple[float, float]


def edges(things: Things, box: Box) -> list[float]:
    """The heights, from the top, at which something parts the rows in ``box``."""
    left, bottom, right, top = box
    found: dict[int, list[tuple[float, Interval]]] = {}
    for at, start, end in [*_ruled(things, bottom, top), *_shaded(things, box)]:
        if start < right and end > left:
            found.setdefault(round(at / NEAR), []).append((at, (start, end)))
    heights: list[float] = []
    for place in sorted(found, reverse=True):
        near = [*found[place], *found.get(place - 1, [])]
        if _covered([span for _, span in near], left, right) >= ACROSS * (right - left):
            at = max(height for height, _ in found[place])
            if not heights or heights[-1] - at > NEAR:
                heights.append(at)
    return heights


def _ruled(things: Things, bottom: float, top: float) -> list[tuple[float, float, float]]:
    rules = things.by_height
    begin = bisect_left(rules, bottom, key=lambda rule: rule.at)
    end = bisect_left(rules, top, key=lambda rule: rule.at)
    return [(rule.at, rule.start, rule.end) for rule in rules[begin:end]]


def _shaded(things: Things, box: Box) -> list[tuple[float, float, float]]:
    """The upper and the lower edges of what is filled with a colour, but for what is higher than
    the table."""
    found = []
    for area in things.areas[:MOST_AREAS]:
        left, low, right, high = area.box
        if area.kind != PATH or high < box[1] or low > box[3] or high - low > box[3] - box[1]:
            continue
        if area.colour is not None and min(area.colour) < PALEST:
            found += [(low, left, right), (high, left, right)]
    return found


def _covered(spans: Sequence[Interval], left: float, right: float) -> float:
    """How much of the way from ``left`` to ``right`` is under spans, which may overlap."""
    covered, edge = 0.0, left
    for start, end in sorted(spans):
        start, end = max(start - NEAR, edge), min(end + NEAR, right)
        if end > start:
            covered, edge = covered + end - start, end
    return covered


def parted(ys: Sequence[float], heights: Sequence[float]) -> list[list[int]]:
    """Lines at these base lines, from the top, in groups between one edge and the next."""
    groups: list[list[int]] = []
    for at, y in enumerate(ys):
        crossed = at == 0 or any(ys[at - 1] > height > y for height in heights)
        if crossed:
            groups.append([])
        groups[-1].append(at)
    return groups
