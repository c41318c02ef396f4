"""Which rows, columns and entries a question names, so that no other's value answers it.

A table says whose a value is at its edges, a glossary at the head of each entry, and a list of
questions and answers in each question. Rules over words, for texts that have such a shape: of rows
beside each other, those that hold fewer of the question's words than the best one are less likely
to be meant.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise, zip_longest

from app.inference.evidence_selection import stems
from app.inference.extremes import asks_extreme, extreme_row
from app.inference.ranges import Quantity, names_date, quantities, row_of, row_of_date
from guardrails.contract import block_ends

Offsets = tuple[int, int]
MOST_MISSED = 2
"""Words of the question that a row lacks beside the best one; more count as so many."""
_LINE = re.compile(r"[^\n]+")
_RULE, _GAP = re.compile(r"[|\t]"), re.compile(r"(?<=\S) {2,}(?=\S)")
"""What stands between cells, and where nothing else does, the space between columns."""
_ENTRY = re.compile(
    r"\s*(?:[-*\u2022] +)?([A-Z\d][^\W_]*(?:[ ,'/&()-]+[^\W_]+){0,8}\)?)"
    r"(\.|:| [\u2013\u2014-])\s+(?=\S)"
)
"""The head of an entry: "Flood. Water that …", "- Laptops: £75", "Filling, white: £120"."""
_SPEAKERS = frozenset("q a question answer frage antwort".split())
"""What stands before questions and answers, and heads no entry."""
_QUESTION = re.compile(r"^[^\n|]{5,200}\?[ \t]*$", re.MULTILINE)
"""A line that is a question."""
_ASKING = stems(
    """much many long often high old big large soon late cost costs price get need have take takes
    find know tell give please want would like am not allow allowed one ones"""
)
"""Words that ask, and stand in no row."""
_PAYING = stems("pay pays paid")
_SAME = {
    word: words.split()[0]
    for words in (
        "loud noise noisy sound",
        "heavy weigh weight",
        "wide width broad",
        "tall height high",
        "deep depth",
        "fast speed quick",
        "far range reach",
        "hot temperature warm",
        "big size dimension dimensions",
        "long length duration lasts",
        "cost price fee charge rate tariff",
        "year yearly annual annually",
        "month monthly",
        "week weekly",
        "daily day",
        "hour hourly",
    )
    for one in words.split()
    for word in stems(one)
}
"""What a question and the name of a row or column say in two words, in one."""
_ASKING_FOR = _ASKING | {_SAME[word] for word in _ASKING if word in _SAME}
"""What a cell with an amount need not say."""
_BESIDE_AMOUNTS = stems("old age aged older younger before after later in advance over under about")
"""Words that say how a quantity counts."""
_WEEKEND = stems("saturday sunday saturdays sundays")
_MEASURES = frozenset(
    _SAME.get(word, word)
    for word in stems("speed price amount rate size value level time number charge total")
)
"""What a column with a unit need not say, where it is named in all its words."""
_HOW_MUCH = re.compile(r"\bhow much\b|\b(?:price|cost|fee)s?\b", re.I)
_ASKS = re.compile(
    r"\b(?:how|when|where|who|why|what|which|can|do|does|is|are|may|must|will)\b", re.I
)
ALONE = 99
"""Counts more than any number of words that a row and its column share with a question."""
_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"(?:(?<![\w)])[-+\u2212\u00b1])?\d[\d.,:]*")
_WORDLIKE = re.compile(r"[^\W_]")
_LETTERS = re.compile(r"[^\W\d_]+")
_YEAR = re.compile(r"(?:19|20)\d\d")
LEAST_KIN = 3
"""Letters of a word that may be the beginning of another form of it."""
MOST_ALIKE = 1 / 3
"""Share of the cells below that may have the shape of a name with digits above them."""


@dataclass(frozen=True)
class _Row:
    """A line of a table, or an entry: its head, which is compared, and what it says."""

    cells: tuple[Offsets, ...]
    entry: bool

    @property
    def bounds(self) -> Offsets:
        return self.cells[0][0], self.cells[-1][1]


def misplaced(question: str, text: str) -> list[tuple[Offsets, int]]:
    """Parts of ``text`` that the question does not mean, each with the words it lacks, at most
    ``MOST_MISSED``, beside the row, column or entry that holds most of them.

    Beside one that holds all words, with the names of its columns, others lack the most.
    """
    asked, amounts = _concepts(question), quantities(question)
    found: list[tuple[Offsets, int]] = []
    for rows in _tables(text):
        texts = [[text[slice(*cell)] for cell in row.cells] for row in rows]
        top = 0 if rows[0].entry else header_rows(texts)
        body = rows[top:]
        around = _concepts(" ".join(text[slice(*row.bounds)] for row in rows[:top]))
        sure = _meets_all(asked - around - _ASKING_FOR, body, text)
        found += _fewer([row.bounds for row in body], _held(asked, body, text), sure=sure)
        found += _out_of_range(question, amounts, rows, texts, top)
        found += _less_extreme(question, asked, rows, texts, top)
        # What names a column is no value of it.
        found += [(row.bounds, MOST_MISSED) for row in rows[:top]]
        if top:
            found += _columns(asked, rows[:top], body, text, sure=sure)
    for rows in _answered(text, least=1):
        held = _held_answers(stems(question), [(row, text) for row in rows])
        found += _fewer([row.cells[1] for row in rows], held, sure=False)
        found += [(row.cells[0], MOST_MISSED) for row in rows]  # what asks is no answer
    return found


def _concepts(text: str) -> frozenset[str]:
    """The words of ``text``, of several with one meaning the same; "per" means none."""
    return frozenset(_SAME.get(word, word) for word in stems(text) if word != "per")


def _meets_all(wanted: frozenset[str], rows: Sequence[_Row], text: str) -> bool:
    """Whether one row holds all these words, of which there are some."""
    held = (_concepts(text[slice(*row.bounds)]) for row in rows)
    return bool(wanted) and any(wanted <= words for words in held)


def passed_over(question: str, places: Sequence[tuple[str, int]]) -> list[int]:
    """For each (text, offset), how many words of ``question`` the question above it and its answer
    lack beside the best one in any of the texts, at most ``MOST_MISSED``; 0 where it stands below
    none."""
    asked = stems(question)
    rows = [next(_answered(text, least=1), []) for text, _ in places]
    entries = [(row, text) for found, (text, _) in zip(rows, places, strict=True) for row in found]
    held = iter(_held_answers(asked, entries))
    counts = [[next(held) for _ in found] for found in rows]
    best = max((n for one in counts for n in one), default=0)
    missed = []
    for found, one, (_, offset) in zip(rows, counts, places, strict=True):
        own = [n for row, n in zip(found, one, strict=True) if row.bounds[0] <= offset]
        missed.append(min(best - own[-1], MOST_MISSED) if own else 0)
    return missed


def named_cell(question: str, text: str, place: str = "") -> Offsets | None:
    """The one cell that ``question`` names by its row and its column: all its words stand in their
    names, in the name of the first column, or in ``place``. Where a row says one thing only, its
    name alone will do, if nothing else is asked than how much. None where it names none, or several
    alike."""
    said = _with_weekends(_concepts(question))
    amounts = quantities(question)
    found: list[tuple[int, Offsets]] = []
    for rows in _tables(text):
        texts = [[text[slice(*cell)] for cell in row.cells] for row in rows]
        top = 0 if rows[0].entry else header_rows(texts)
        if amounts and (cell := _ranged(amounts, said, rows, texts, top, place)):
            return cell
        if not top:
            found += _named_entry(said, rows, texts, place) if rows[0].entry else []
            continue
        columns = [_concepts(" ".join(cells)) for cells in zip_longest(*texts[:top], fillvalue="")]
        names = [_concepts(cells[0]) for cells in texts[top:]]
        # "Price" only asks, unless a row or column is called so.
        asked = said - ((_ASKING_FOR | _PAYING) - frozenset().union(*columns, *names))
        around = _concepts(place) | columns[0]
        for row, cells, name in zip(rows[top:], texts[top:], names, strict=True):
            for cell, says, column in zip(row.cells[1:], cells[1:], columns[1:], strict=False):
                both = asked & name - column and asked & column - name
                spelled = name <= asked and column <= asked and len(name | column) > 2
                over = asked - _MEASURES if spelled else asked
                if both and over <= name | column | around and _WORDLIKE.search(says):
                    found.append((len(asked & (name | column)), cell))
            alone = said - _ASKING_FOR - _PAYING - around
            if len(cells) == 2 and alone and alone == name - around:
                found += [(ALONE, row.cells[1])] if _is_asked_alone(question, cells[1]) else []
    most = max((count for count, _ in found), default=0)
    best = [cell for count, cell in found if count == most]
    return best[0] if len(best) == 1 else None


def told_row(question: str, text: str) -> Offsets | None:
    """The one row of the tables in ``text`` that ``question`` means without its name: the one with
    the most or the least of a column, or that a quantity or date falls into; None without one."""
    amounts, found = quantities(question), list[Offsets]()
    if not amounts and not asks_extreme(question.lower()) and not names_date(question):
        return None
    asked = _concepts(question)
    for rows in _tables(text):
        texts = [[text[slice(*cell)] for cell in row.cells] for row in rows]
        top = 0 if rows[0].entry else header_rows(texts)
        if not top:
            continue
        columns = [_concepts(" ".join(cells)) for cells in zip_longest(*texts[:top], fillvalue="")]
        names = [cells[0] for cells in texts[top:]]
        row = extreme_row(question.lower(), asked, columns, texts[top:])
        row = (
            row_of(amounts, names, " ".join(one[0] for one in texts[:top])) if row is None else row
        )
        row = row_of_date(question, names) if row is None else row
        found += [] if row is None else [rows[top + row].bounds]
    return found[0] if len(found) == 1 else None


def named_cells(text: str) -> Iterator[tuple[str, str]]:
    """The names (row, column) of the cells of the tables in ``text`` whose columns have names."""
    for rows in _tables(text):
        texts = [[text[slice(*cell)] for cell in row.cells] for row in rows]
        top = 0 if rows[0].entry else header_rows(texts)
        if top != 1:
            continue
        for name, *cells in texts[1:]:
            columns = texts[0][1 : len(cells) + 1]
            yield from ((name, column) for column in columns if name and column)


def _is_asked_alone(question: str, says: str) -> bool:
    """Whether nothing but a row's name is said, or besides it only how much that is."""
    if _HOW_MUCH.search(question):
        return bool(_DIGIT.search(says))
    return not _ASKS.search(question)


def _named_entry(
    said: frozenset[str], rows: Sequence[_Row], texts: Sequence[Sequence[str]], place: str
) -> Iterator[tuple[int, Offsets]]:
    """What is told at the heads that hold all words of a question but those of ``place``."""
    asked = said - _ASKING - _PAYING
    around = stems(place)
    for row, (head, *_) in zip(rows, texts, strict=True):
        named = stems(head)
        if asked & named - around and asked <= named | around:
            yield len(asked & named), row.cells[1]


def _ranged(
    amounts: Sequence[Quantity],
    said: frozenset[str],
    rows: Sequence[_Row],
    texts: Sequence[Sequence[str]],
    top: int,
    place: str,
) -> Offsets | None:
    """The cell of the row that a quantity of the question falls into: of several columns the one
    that it names, of one alone only if all other words of the question stand above it."""
    heads = [" ".join(cells) for cells in zip_longest(*texts[:top], fillvalue="")] if top else [""]
    row = row_of(amounts, [cells[0] for cells in texts[top:]], heads[0])
    if row is None:
        return None
    cells = rows[top + row].cells
    names = [_concepts(heads[n]) if n < len(heads) else frozenset() for n in range(len(cells))]
    counted = _concepts(" ".join(one.said for one in amounts))
    asked = said - counted - _ASKING_FOR - _PAYING - _BESIDE_AMOUNTS
    if len(cells) == 2:
        known = _concepts(place).union(_concepts(texts[top + row][0]), *names)
        return cells[1] if asked <= known else None
    # Who names one of several columns means this table, in whatever words the rest is.
    held = [len(asked & name) for name in names[1:]]
    best = max(held, default=0)
    return cells[1 + held.index(best)] if best and held.count(best) == 1 else None


def _less_extreme(
    question: str,
    asked: frozenset[str],
    rows: Sequence[_Row],
    texts: Sequence[Sequence[str]],
    top: int,
) -> list[tuple[Offsets, int]]:
    """The other rows, where the question asks for the one that has the most or the least."""
    if not top:
        return []
    columns = [_concepts(" ".join(cells)) for cells in zip_longest(*texts[:top], fillvalue="")]
    best = extreme_row(question.lower(), asked, columns, texts[top:])
    others = [one for place, one in enumerate(rows[top:]) if place != best]
    return [] if best is None else [(one.bounds, MOST_MISSED) for one in others]


def _out_of_range(
    question: str,
    amounts: Sequence[Quantity],
    rows: Sequence[_Row],
    texts: Sequence[Sequence[str]],
    top: int,
) -> list[tuple[Offsets, int]]:
    """The other rows, or columns, where a quantity or a date of the question falls into one of
    them."""
    over = [" ".join(cells) for cells in zip_longest(*texts[:top], fillvalue="")] or [""]
    names = [cells[0] for cells in texts[top:]]
    row = row_of(amounts, names, over[0])
    row = row_of_date(question, names) if row is None else row
    if row is not None:
        others = [one for place, one in enumerate(rows[top:]) if place != row]
        return [(one.bounds, MOST_MISSED) for one in others]
    # A header may have no name for the first column.
    unnamed = all(len(one.cells) > len(over) for one in rows[top:])
    names = over if unnamed else over[1:]
    column = row_of(amounts, names, "" if unnamed else over[0]) if top else None
    column = row_of_date(question, names) if top and column is None else column
    cells = [one.cells[1:] for one in rows[top:] if len(one.cells) == len(names) + 1]
    return [
        (cell, MOST_MISSED)
        for one in cells
        for place, cell in enumerate(one)
        if column is not None and place != column
    ]


def _with_weekends(said: frozenset[str]) -> frozenset[str]:
    """A Sunday is asked for by its name and stands below "weekends"."""
    return said - _WEEKEND | {"weeken"} if said & _WEEKEND else said


def cell_ends(text: str) -> list[int]:
    """Where each cell of the rows of ``text`` ends, in order: no value goes on in the next one."""
    return [cell[1] for rows in _tables(text) for row in rows for cell in row.cells]


def header_rows(rows: Sequence[Sequence[str]]) -> int:
    """How many of the first rows of a table (their cells' texts) name the columns."""
    head, below = rows[0], rows[1:]
    named = _has_empty_corner(rows) or all(
        _is_name(cell, place, below) for place, cell in enumerate(head)
    )
    if not below or not named:
        return 0
    depth = 1
    while depth < len(below) and _goes_on(rows[depth - 1], rows[depth]):
        depth += 1
    # Of two columns the first may be what is told and the second what it is.
    columns = zip(*rows[depth:], strict=False)
    counted = [sum(bool(_DIGIT.search(cell)) for cell in column) for column in columns]
    return depth if len(head) > 2 or 2 * max(counted, default=0) > len(below) else 0


def _has_empty_corner(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first cell alone has no words: names of rows stand below it, of columns beside
    it, whatever they look like ("Fall 2025")."""
    (corner, *head), *below = rows
    return not corner and all(head) and bool(below) and all(row[0] for row in below)


def _goes_on(head: Sequence[str], row: Sequence[str]) -> bool:
    """Whether ``row`` is a second line of the names: a label that reaches down stands in both."""
    both = [cell for cell, under in zip(head, row, strict=False) if cell and cell == under]
    return bool(both) and list(head) != list(row)


def _is_name(cell: str, place: int, below: Sequence[Sequence[str]]) -> bool:
    """Whether it may name a column: what has digits, such as a model, a year or a size, does where
    the values below it have another shape."""
    if not _DIGIT.search(cell):
        return True
    values = [row[place] for row in below if place < len(row)]
    if place == 0 or not values:
        return False
    if _YEAR.fullmatch(cell):
        return not any(_YEAR.fullmatch(value) for value in values)
    alike = sum(_are_alike(shape(value), shape(cell)) for value in values)
    return alike <= MOST_ALIKE * len(values)


def shape(cell: str) -> str:
    """Numbers, with their signs, and words as signs for them: "1.4 litres" is like "12 bar", not
    like "BX-40"."""
    return _LETTERS.sub("a", _NUMBER.sub("0", cell))


def _are_alike(shape: str, other: str) -> bool:
    """Whether two cells may be values of one column: of long ones the beginning tells it, as of
    "Mon-Fri 7-18, Sat 7-12" and "Mon-Fri 6-19"."""
    one, two = shape.split(), other.split()
    long = (len(one) > 2 and len(two) > 1) or (len(two) > 2 and len(one) > 1)
    return one == two or (long and one[:2] == two[:2])


def cells_of(line: str) -> list[Offsets]:
    """Where the cells of a row stand in ``line``; [] where it is none.

    A rule at both ends frames the row; one at the start alone follows a cell that is empty.
    """
    start, end = len(line) - len(line.lstrip()), len(line.rstrip())
    if line[start : start + 1] == "|" and end - start > 1 and line[end - 1] == "|":
        start, end = start + 1, end - 1
    between = _RULE if "|" in line or "\t" in line else _GAP
    edges = [at.span() for at in between.finditer(line, start, end)]
    if not edges:
        return []
    begins = [start, *(after for _, after in edges)]
    ends = [*(before for before, _ in edges), end]
    return [_stripped(line, *cell) for cell in zip(begins, ends, strict=True)]


def _stripped(line: str, start: int, end: int) -> Offsets:
    words = line[start:end]
    if not (own := words.strip()):
        return start, start
    begin = start + len(words) - len(words.lstrip())
    return begin, begin + len(own)


@lru_cache(maxsize=256)
def _tables(text: str) -> tuple[Sequence[_Row], ...]:
    """Runs of at least two rows below each other; entries may stand apart. Kept, as each passage
    that is read is looked at several times."""
    found = []
    for shape, run in groupby(_rows(text), key=lambda row: row and row.entry):
        rows = tuple(row for row in run if row is not None)
        if shape is not None and len(rows) > 1:
            found.append(rows)
    return tuple(found)


def _rows(text: str) -> Iterator[_Row | None]:
    """For each line of a table and each other block, the row that it is."""
    for start, end in pairwise([0, *block_ends(text), len(text)]):
        lines = [row for line in _LINE.finditer(text, start, end) if (row := _cells(line))]
        if lines:
            yield from lines
        elif text[start:end].strip():
            yield _entry(text, start, end)


def _cells(line: re.Match[str]) -> _Row | None:
    cells = cells_of(line[0])
    start = line.start()
    return _Row(tuple((start + a, start + b) for a, b in cells), entry=False) if cells else None


def _entry(text: str, start: int, end: int) -> _Row | None:
    head = _ENTRY.match(text, start, end)
    if head is None or head[1].lower() in _SPEAKERS or head[1].isdigit():  # a step, by its number
        return None
    if "," in head[1] and head[2] == ".":  # a sentence
        return None
    return _Row((head.span(1), (head.end(), end)), entry=True)


def _answered(text: str, least: int = 2) -> Iterator[list[_Row]]:
    """Questions with the answers below them, if there are ``least`` or more: each is an entry."""
    asked = [match.span() for match in _QUESTION.finditer(text)]
    ends = [start for start, _ in asked[1:]] + [len(text)]
    if len(asked) >= least:
        yield [
            _Row((head, (head[1], end)), entry=True) for head, end in zip(asked, ends, strict=True)
        ]


def _held(asked: frozenset[str], rows: Sequence[_Row], text: str) -> list[int]:
    """How many of the words each row holds; of entries the heads, unless none of them says any."""
    heads = [len(asked & _concepts(text[slice(*row.cells[0])])) for row in rows]
    if rows and rows[0].entry and any(heads):
        return heads
    return [len(asked & _concepts(text[slice(*row.bounds)])) for row in rows]


def _held_answers(asked: frozenset[str], rows: Sequence[tuple[_Row, str]]) -> list[int]:
    """How many of the words each question with its answer holds; where one question asks just
    that, how many the questions alone hold."""
    heads = [stems(text[slice(*row.cells[0])]) for row, text in rows]
    wanted = asked - _ASKING
    if wanted and any(wanted <= head for head in heads):
        return [len(wanted & head) for head in heads]
    return [_met(wanted, stems(text[slice(*row.bounds)])) for row, text in rows]


def _met(wanted: frozenset[str], held: frozenset[str]) -> int:
    """How many of the words are held in some form: "payment" where "pay" stands."""
    return sum(word in held or any(akin(word, other) for other in held) for word in wanted)


def akin(word: str, other: str) -> bool:
    """Whether two words, cut as ``stems`` does, may be forms of one: "pay" and "payment"."""
    if word == other:
        return True
    if min(len(word), len(other)) < LEAST_KIN:
        return False
    return word.startswith(other) or other.startswith(word)


def _columns(
    asked: frozenset[str],
    heads: Sequence[_Row],
    body: Sequence[_Row],
    text: str,
    *,
    sure: bool,
) -> list[tuple[Offsets, int]]:
    """The cells of the columns whose names hold fewer of the words; the first names the rows."""
    widest = max(len(head.cells) for head in heads)
    names = [
        " ".join(text[slice(*head.cells[n])] for head in heads if n < len(head.cells))
        for n in range(1, widest)
    ]
    held = [len(asked & _concepts(name)) for name in names]
    found = []
    for row in body:
        cells = row.cells[1:]
        found += _fewer(cells, held, sure=sure) if len(cells) == len(held) else []
    return found


def _fewer(
    parts: Sequence[Offsets], held: Sequence[int], *, sure: bool
) -> list[tuple[Offsets, int]]:
    best = max(held, default=0)
    counted = [(part, best - n) for part, n in zip(parts, held, strict=True) if n < best]
    return [(part, MOST_MISSED if sure else min(n, MOST_MISSED)) for part, n in counted]
