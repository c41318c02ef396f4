"""Which row of a table is meant by who asks for the most or the least of something.

"The cheapest ticket", "which has the longest guarantee", "what pays the most a month": words alone
never meet the row, but the values of one column tell it.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from app.inference.evidence_selection import stems
from app.inference.ranges import TIMES

_SUPERLATIVE = re.compile(
    r"\b(?:(?P<most>dearest|priciest|highest|largest|biggest|greatest|longest|heaviest|tallest|"
    r"widest|deepest|fastest|strongest|most (?:expensive|costly)|the most|costs? most|farthest|"
    r"most(?: [a-z]+)?\W*$)"
    r"|(?P<least>cheapest|lowest|smallest|shortest|lightest|thinnest|slowest|weakest|the least|"
    r"least expensive|costs? least|closest|nearest|(?:the )?fewest)|(?P<old>oldest|earliest)"
    r"|(?P<new>newest|youngest|latest))(?!\w)"
)
_ONE = stems("one ones")
_OF_MONEY = re.compile(
    r"\b(?:cheapest|dearest|priciest|(?:most|least) (?:expensive|costly)"
    r"|costs? (?:the )?(?:most|least))\b"
)
_UNIT = "|".join(sorted(TIMES, key=len, reverse=True))
_VALUE = re.compile(
    rf"(?P<sign>[£€$])?\s?(?P<number>\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?|\d+(?:\.\d+)?)"
    rf"\s?(?:(?P<time>{_UNIT}|h)s?\b|(?P<unit>[a-z%°]+))?",
    re.IGNORECASE,
)
_CODE = re.compile(r"\b(?:eur|gbp|usd|euros?|pounds?|dollars?)\b", re.IGNORECASE)
_YEARS = range(1000, 2200)
LEAST_NAMED = 2
"""Rows that are compared where the question names some."""
LEAST_ROWS = 3
"""Rows with values of a column, and at least two thirds of all."""


def asks_extreme(question: str) -> bool:
    """Whether ``question``, in lower case, asks for the one that has the most or the least."""
    return _SUPERLATIVE.search(question) is not None


def extreme_row(
    question: str,
    asked: Collection[str],
    columns: Sequence[Collection[str]],
    rows: Sequence[Sequence[str]],
) -> int | None:
    """The one row that has the most or the least in the column that ``question`` names.

    ``asked`` are the words of the question, ``columns`` those of each column's name; the first
    column names the ``rows``, which are the texts of their cells. None where no superlative is
    asked for, where the question names one row, where no column is meant or several that do not
    agree, and where two rows have as much.
    """
    found = _SUPERLATIVE.search(question)
    if found is None:
        return None
    among = _named_rows(set(asked) - set(columns[0]) - _ONE, [stems(row[0]) for row in rows])
    if len(among) < LEAST_NAMED:
        return None
    chosen = _columns(asked, columns, rows, money=bool(_OF_MONEY.search(question)))
    best = {_best(found, rows, column, among) for column in chosen}
    return best.pop() if len(best) == 1 else None


def _named_rows(asked: Collection[str], names: Sequence[Collection[str]]) -> Sequence[int]:
    """The rows that the question names ("the cheapest twin room"); all where it names none."""
    often = Counter(word for name in names for word in name)
    # What half of the rows are called names none of them: each of the grants is one.
    named = {word for word in asked if 0 < 2 * often[word] < len(names)}
    return [row for row, name in enumerate(names) if named <= set(name)]


def _best(
    asks: re.Match[str], rows: Sequence[Sequence[str]], column: int, among: Collection[int]
) -> int | None:
    """The one row of those with the most or the least of the column."""
    values = _values([row[column] if column < len(row) else "" for row in rows])
    values = {row: value for row, value in values.items() if row in among}
    most = asks["most"] is not None
    if asks["old"] or asks["new"]:
        if not all(value in _YEARS for value in values.values()):
            return None
        most = asks["new"] is not None
    if not values:
        return None
    best = (max if most else min)(values.values())
    best_rows = [row for row, value in values.items() if value == best]
    return best_rows[0] if len(best_rows) == 1 else None


def _columns(
    asked: Collection[str],
    columns: Sequence[Collection[str]],
    rows: Sequence[Sequence[str]],
    *,
    money: bool,
) -> Sequence[int]:
    """The columns of values that are named in most words; prices need no name."""
    met: dict[int, int] = {}
    for place in range(1, len(columns)):
        cells = [row[place] for row in rows if place < len(row)]
        priced = sum(_is_price(cell) for cell in cells)
        if len(_values(cells)) >= LEAST_ROWS and (not money or 2 * priced > len(rows)):
            met[place] = len(set(asked) & set(columns[place]))
    best = max(met.values(), default=0)
    chosen = [place for place, count in met.items() if count == best]
    return chosen if best or money else []


def _is_price(cell: str) -> bool:
    return any(sign in cell for sign in "£€$") or bool(_CODE.search(cell))


def _values(cells: Sequence[str]) -> Mapping[int, float]:
    """The first number of each cell that has one, times in days; {} where they are of several
    measures, or too few."""
    found: dict[int, float] = {}
    units = set()
    for place, cell in enumerate(cells):
        if not (value := _VALUE.search(cell)):
            continue
        number = float(value["number"].replace(",", ""))
        time = (value["time"] or "").lower()
        units.add("time" if time else (value["sign"] or value["unit"] or "").lower())
        found[place] = number * (TIMES.get(time) or (TIMES["hour"] if time else 1.0))
    return found if len(units) == 1 and len(found) >= max(LEAST_ROWS, 2 * len(cells) // 3) else {}
