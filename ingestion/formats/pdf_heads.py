"""Heads of tables in two rows: which columns each name of the upper row stands over."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

Interval = tuple[float, float]
Cells = tuple[str, ...]
MOST_LINES = 4
"""Lines of a head, from the first that stands over several columns to the last that names one."""
CENTRED, ALIGNED = 0.6, 0.4
"""In sizes of print, by how much a middle, or a left edge, may miss that of its columns."""
LONGEST = 60
"""Characters of a name over several columns."""
CAPTION = re.compile(r"(?:table|tab\.|figure|fig\.|tabelle|abb\.)\s*\d", re.IGNORECASE)
LETTERS = re.compile(r"[^\W\d_]{2}")
FIGURES = re.compile(r"\d.*\d|\d\W*$")


@dataclass(frozen=True)
class Name:
    """Print in the head of a table: its text and where it stands, in points."""

    text: str
    left: float
    right: float
    size: float


@dataclass(frozen=True)
class Head:
    """A head of one row or two, and how many lines of print it takes."""

    lines: int
    rows: tuple[Cells, ...]


@dataclass(frozen=True)
class _Over:
    """The columns that a name stands over, from the first to the last; ``is_open``: to the next."""

    name: Name
    first: int
    last: int
    is_open: bool = False

    @property
    def several(self) -> bool:
        return self.last > self.first


def two_rows(lines: Sequence[Sequence[Name]], columns: Sequence[Interval]) -> Head | None:
    """The head that the first lines of a table make, None where no name stands over several
    columns; ``columns`` is where what is below the head begins and ends in each."""
    if not lines or any(CAPTION.match(name.text) for name in lines[0]):
        return None
    for end in range(2, min(MOST_LINES, len(lines)) + 1):
        below = _named(lines[1:end], columns)
        if not below:
            return None
        wide = _widened(columns, lines[1:end])
        for to_left in (True, False):
            last = {n for n, _ in _each_over(lines[end - 1], columns)}
            told = _told(_over(lines[0], wide, below, to_left), below, last)
            if told and not _is_title(lines[0], wide):
                return Head(end, _rows(told, below, len(columns)))
    return None


def _is_title(line: Sequence[Name], columns: Sequence[Interval]) -> bool:
    """Whether a line stands in the middle of the whole table: then it does not name columns."""
    middle, whole = (line[0].left + line[0].right) / 2, (columns[0][0] + columns[-1][1]) / 2
    return len(line) == 1 and abs(middle - whole) <= CENTRED * line[0].size


def _widened(columns: Sequence[Interval], lines: Iterable[Sequence[Name]]) -> list[Interval]:
    """The columns with the names that stand over them."""
    found = [*columns]
    for own, name in (one for line in lines for one in _each_over(line, columns)):
        left, right = found[own]
        found[own] = min(left, name.left), max(right, name.right)
    return found


def _nearest(middle: float, columns: Sequence[Interval]) -> int:
    return min(range(len(columns)), key=lambda n: _outside(middle, columns[n]))


def one_row(line: Sequence[Name], columns: Sequence[Interval]) -> Head | None:
    """The head that a line makes, each of whose names stands over a column of its own."""
    named = _named([line], columns)
    if named is None or not 1 < len(named) == len(line) or 0 not in named:
        return None
    return Head(1, (tuple(named.get(n, "") for n in range(len(columns))),))


def _over(
    line: Sequence[Name], columns: Sequence[Interval], below: dict[int, str], to_left: bool
) -> list[_Over]:
    """Where each name of a line stands; none where two stand over one column. ``to_left``: rather
    at the left of columns than in their middle, where it may be both."""
    tiles = (
        {}
        if to_left and any(_starts(name, columns) for name in line)
        else (_tiles(line, columns, below))
    )
    found = [
        tiles.get(at) or _place(name, columns, [o for o in line if o is not name], to_left)
        for at, name in enumerate(line)
    ]
    apart = all(after.first > before.last for before, after in pairwise(found))
    return found if apart else []


def _tiles(
    line: Sequence[Name], columns: Sequence[Interval], below: dict[int, str]
) -> dict[int, _Over]:
    """Names that stand in the middle of equally many columns each, by their places in the line."""
    spans = [_spans(name, columns) for name in line]
    for width in range(len(columns) - 1, 1, -1):
        wide = {
            at: one
            for at, some in enumerate(spans)
            for one in some
            if one.last - one.first + 1 == width
        }
        apart = all(a.last < b.first for a, b in pairwise(wide.values()))
        if len(wide) < 2 or not apart:
            continue
        said = {tuple(below.get(n) for n in range(o.first, o.last + 1)) for o in wide.values()}
        alone = any(_fits(one.name, columns[_own(one.name, columns)]) for one in wide.values())
        if len(said) == 1 or not alone:
            return wide
    return {}


def _own(name: Name, columns: Sequence[Interval]) -> int:
    return min(range(len(columns)), key=lambda n: _apart(name, columns[n]))


def _fits(name: Name, column: Interval) -> bool:
    """Whether a name stands in the middle of one column and is no wider."""
    near = CENTRED * name.size / 2
    inside = column[0] - near <= name.left and name.right <= column[1] + near
    return inside and _apart(name, column) <= near


def _starts(name: Name, columns: Sequence[Interval]) -> list[int]:
    return [
        n for n, (left, _) in enumerate(columns) if abs(left - name.left) <= ALIGNED * name.size
    ]


def _place(name: Name, columns: Sequence[Interval], others: Sequence[Name], to_left: bool) -> _Over:
    """A name over one column, in the middle over several, or at the left of some; ``others`` are
    beside it."""
    own, starts = _own(name, columns), _starts(name, columns)
    under = [n for n, (a, b) in enumerate(columns) if min(name.right, b) > max(name.left, a)]
    is_amid = len(under) < 2 and _apart(name, columns[own]) <= CENTRED * name.size / 2
    if not starts and (is_amid or _fits(name, columns[own])):
        return _Over(name, own, own)
    if not (starts and to_left):
        spans = [
            one
            for one in _spans(name, columns)
            if all(
                o.right <= columns[one.first][0] or o.left >= columns[one.last][1] for o in others
            )
        ]
        if spans:
            return min(spans, key=lambda one: _off(one, columns))
    if starts:
        return _Over(name, starts[0], max([starts[0], *under]), is_open=starts[0] > 0)
    return _Over(name, min([own, *under]), max([own, *under]))


def _spans(name: Name, columns: Sequence[Interval]) -> list[_Over]:
    """The columns side by side in whose middle a name may stand. Cells are wider than their text,
    so that their middle lies between what their text says and what the cells beside them do."""
    near, middle = CENTRED * name.size, (name.left + name.right) / 2
    found = []
    for first in range(1, len(columns)):
        for last in range(first + 1, len(columns)):
            left, right = columns[first][0], columns[last][1]
            before = columns[first - 1][1]
            after = columns[last + 1][0] if last + 1 < len(columns) else right
            low = max((before + right) / 2, (left + right) / 2 - 2 * near)
            high = min((left + after) / 2, (left + right) / 2 + 2 * near)
            inside = left - near <= name.left and name.right <= right + near
            if inside and low - near <= middle <= high + near:
                found.append(_Over(name, first, last))
    return [one for one in found if _holds(one, columns)]


def _holds(over: _Over, columns: Sequence[Interval]) -> bool:
    """Whether a name reaches over no column beside those that it stands over."""
    beside = (*columns[: over.first], *columns[over.last + 1 :])
    return all(over.name.right <= left or over.name.left >= right for left, right in beside)


def _off(over: _Over, columns: Sequence[Interval]) -> float:
    middle = (columns[over.first][0] + columns[over.last][1]) / 2
    return abs((over.name.left + over.name.right) / 2 - middle)


def _apart(name: Name, column: Interval) -> float:
    return abs((name.left + name.right) / 2 - sum(column) / 2)


def _named(lines: Iterable[Sequence[Name]], columns: Sequence[Interval]) -> dict[int, str] | None:
    """What lines say over each column; None where something stands over several, or is a value."""
    found: dict[int, str] = {}
    for line in lines:
        each = _each_over(line, columns)
        if len({own for own, _ in each}) < len(each):
            return None
        if any(FIGURES.search(name.text) and not LETTERS.search(name.text) for name in line):
            return None
        for own, name in each:
            found[own] = f"{found[own]} {name.text}" if own in found else name.text
    return found


def _each_over(line: Sequence[Name], columns: Sequence[Interval]) -> list[tuple[int, Name]]:
    """The column that each name of a line stands over: the next where two would stand over one and
    the second ends near that."""
    if len(line) == len(columns):
        return [*enumerate(line)]
    found: list[tuple[int, Name]] = []
    for name in line:
        own = _nearest((name.left + name.right) / 2, columns)
        after = found[-1][0] + 1 if found else 0
        if own < after < len(columns) and columns[after][0] - name.right <= name.size:
            own = after
        found.append((own, name))
    return found


def _outside(middle: float, column: Interval) -> float:
    return max(column[0] - middle, middle - column[1], 0.0) + 1e-3 * abs(middle - sum(column) / 2)


def _told(over: Sequence[_Over], below: dict[int, str], last: set[int]) -> list[_Over] | None:
    """The names with the columns that they stand over, of which each has a name below; ``last``
    are those that the line above the rows names."""
    closed = [one for one in over if one.several and not one.is_open]
    found = [*over]
    if any(one.is_open for one in over):
        sizes = _sizes(over, below) or _all_that_follow(over, last)
        if sizes is not None:
            found = [
                replace(one, last=one.first + n - 1) for one, n in zip(over, sizes, strict=True)
            ]
        elif not closed:
            return None
    wide = [one for one in found if one.several]
    fits = all(a.last < b.first for a, b in pairwise(found))
    named = all(n in below for one in wide for n in range(one.first, one.last + 1))
    short = all(len(one.name.text) <= LONGEST and one.first > 0 for one in wide)
    return found if wide and fits and named and short else None


def _sizes(over: Sequence[_Over], below: dict[int, str]) -> list[int] | None:
    """Over how many columns each name stands that begins with the first of them: up to the next
    one, and all over the same number; None where that is not told."""
    ends = [after.first for after in over[1:]]
    sizes = [
        (end - one.first if one.is_open else one.last - one.first + 1)
        for one, end in zip(over, ends, strict=False)
    ]
    wide = {n for n, one in zip(sizes, over, strict=False) if one.is_open and n > 1}
    last = over[-1]
    if not last.is_open:
        sizes.append(last.last - last.first + 1)
    elif len(wide) == 1 and last.first + min(wide) - 1 in below:
        sizes.append(min(wide))
    else:
        sizes.append(1)
    return sizes if len(wide) == 1 and sum(n in wide for n in sizes) > 1 else None


def _all_that_follow(over: Sequence[_Over], last: set[int]) -> list[int] | None:
    """As ``_sizes``, where one name stands over all columns that the last line names, and no other
    name over any of these."""
    wide = [one for one in over if one.is_open and one.first in last]
    if len(wide) != 1 or len(last) < 2:
        return None
    named = {*range(wide[0].first, max(last) + 1)}
    others = {n for one in over if one is not wide[0] for n in range(one.first, one.last + 1)}
    if named != last or named & others:
        return None
    return [len(named) if one is wide[0] else one.last - one.first + 1 for one in over]


def _rows(over: Sequence[_Over], named: dict[int, str], columns: int) -> tuple[Cells, Cells]:
    """Both rows; a name without one above it or below it stands in both."""
    upper, lower = (
        [named.get(n, "") for n in range(columns)],
        [named.get(n, "") for n in range(columns)],
    )
    for one in over:
        for n in range(one.first, one.last + 1):
            upper[n] = one.name.text
            if not one.several:
                upper[n] = lower[n] = " ".join(filter(None, (one.name.text, named.get(n))))
    return tuple(upper), tuple(lower)
