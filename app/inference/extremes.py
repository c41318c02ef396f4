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
    r"widest|deepest|fastest|strongest|most (?:expensive|costly)|the most|most(?: [a-z]+)?\W*$)"
    r"|(?P<least>cheapest|lowest|smallest|shortest|lightest|thinnest|slowest|weakest|the least|"
    r"(?:the )?fewest)|(?P<old>oldest|earliest)|(?P<new>newest|youngest|latest))(?!\w)"
)
_ONE = stems("one ones")
_OF_MONEY = re.compile(r"\b(?:cheapest|dearest|priciest|most (?:expensive|costly))\b")
_UNIT = "|".join(sorted(TIMES, key=len, reverse=True))
_VALUE = re.compile(
    rf"(?P<sign>[£€$])?\s?(?P<number>\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?|\d+(?:\.\d+)?)"
    rf"\s?(?:(?P<time>{_UNIT}|h)s?\b|(?P<unit>[a-z%°]+))?",
    re.IGNORECASE,
)
_CODE = re.compile(r"\b(?:eur|gbp|usd|euros?|pounds?|dollars?)\b", re.IGNORECASE)
_YEARS = range(1000, 2200)
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
    asked for, where the question names rows, where no column or several are meant, and where two
    rows have as much.
    """
    found = _SUPERLATIVE.search(question)
    if found is None:
        return None
    names = [stems(row[0]) for row in rows]
    often = Counter(word for name in names for word in name)
    # What half of the rows are called names none of them: each of the grants is one.
    named = {word for word in set(asked) - set(columns[0]) - _ONE if 2 * often[word] < len(rows)}
    if any(named & name for name in names):
        return None
    money = bool(_OF_MONEY.search(question))
    column = _column(asked, columns, rows, money=money)
    if column is None:
        return None
    values = _values([row[column] if column < len(row) else "" for row in rows])
    most = found["most"] is not None
    if found["old"] or found["new"]:
        if not all(value in _YEARS for value in values.values()):
            return None
        most = found["new"] is not None
    best = (max if most else min)(values.values())
    best_rows = [row for row, value in values.items() if value == best]
    return best_rows[0] if len(best_rows) == 1 else None


def _column(
    asked: Collection[str],
    columns: Sequence[Collection[str]],
    rows: Sequence[Sequence[str]],
    *,
    money: bool,
) -> int | None:
    """The column of values that is named in most words; of prices the only one needs no name."""
    met: dict[int, int] = {}
    for place in range(1, len(columns)):
        cells = [row[place] for row in rows if place < len(row)]
        priced = sum(_is_price(cell) for cell in cells)
        if len(_values(cells)) >= LEAST_ROWS and (not money or 2 * priced > len(rows)):
            met[place] = len(set(asked) & set(columns[place]))
    best = max(met.values(), default=0)
    chosen = [place for place, count in met.items() if count == best]
    return chosen[0] if len(chosen) == 1 and (best or money) else None


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
