"""How commands speak: rich tables for people, one JSON value with ``--json`` for programs."""

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from app.errors import CountersignError, Invalid

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value instead.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
UNBOUNDED, RULE = 10_000, 80
"""Cells of a line where nothing says how wide it may be, and of a line that is drawn there."""


def open_console() -> Console:
    """For standard output. Where that is no window but a pipe or a file, a line is as long as what
    it says: nothing is broken in the middle of a key, and no column is left out."""
    found = Console()
    if found.is_terminal:
        return found
    return Console(soft_wrap=True, width=None if "COLUMNS" in os.environ else UNBOUNDED)


console = open_console()
errors = Console(stderr=True)
MOST_ROWS = 1_000_000
"""More than anybody reads of a list; what a database cannot count is beyond."""
UNBROKEN = re.compile(r"(?=.*\d)[0-9a-fA-FTZ:.+-]{10,40}")
"""An id or a time: part of one is of no use."""
LEAST_TEXT, IN_SHORT = 12, 120
"""Characters of a text: a column of a table must have room for, and a list shows."""
BESIDE = 3
"""Cells that a column takes beside its text."""


def pages_of(page: int | None, last_page: int | None) -> str:
    """ ", page 3" or ", pages 3 to 4", as it follows a title; "" without pages."""
    if not page:
        return ""
    over = last_page not in (None, page)
    return f", pages {page} to {last_page}" if over else f", page {page}"


def print_json(value: Any) -> None:
    """One JSON value on standard output; ASCII where that is not UTF-8."""
    plain = (sys.stdout.encoding or "utf-8").lower() != "utf-8"
    sys.stdout.write(json.dumps(value, ensure_ascii=plain, indent=2, default=str) + "\n")


def message_of(error: CountersignError) -> str:
    """What went wrong; of the database also what its driver says of it, which is for whoever runs
    the service and for no caller of it."""
    said = str(getattr(error.__cause__, "orig", None) or "").strip().splitlines()
    return f"{error.message} ({said[0].strip()})" if said else error.message


def what_makes_an_index(documents: Mapping[str, int]) -> str:
    """The next command where no index is live; ``documents``: how many each collection has."""
    if documents:
        return "`countersign index build` makes one of what was ingested."
    return "`countersign ingest FOLDER` adds documents, and makes one."


def refuse_to_ask(yes: bool, as_json: bool) -> None:
    """Raise ``Invalid`` with ``--json`` and without ``--yes``: a program cannot be asked."""
    if as_json and not yes:
        raise Invalid("With --json nobody is asked whether it is meant; --yes says so.")


def ask(question: str, yes: bool, as_json: bool) -> None:
    """Ask whether it is meant, unless ``--yes`` said so; whoever says no ends the command. Raises
    like ``refuse_to_ask``."""
    refuse_to_ask(yes, as_json)
    if not yes:
        typer.confirm(question, abort=True)


def print_rule(title: str) -> None:
    """A heading with a line behind it; never read as markup."""
    width = max(RULE, cell_len(title) + BESIDE)
    console.print(Rule(Text(title), align="left"), width=width, soft_wrap=False)


def in_short(text: str) -> str:
    """A question or an answer as a list shows it: on one line, a long one cut with "…"."""
    line = " ".join(text.split())
    return line if len(line) <= IN_SHORT else f"{line[: IN_SHORT - 1].rstrip()}…"


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table; cell text is never read as markup.

    ``columns`` stand in the order of their weight: where the terminal is too narrow for all, the
    last of them are left out, and named below. Ids, dates and short texts stay whole.
    """
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    wide = [_Width.of([name, *(row[at] for row in cells)]) for at, name in enumerate(columns)]
    shown = _fitting([one.least for one in wide], console.width)
    table = Table(title=title, title_justify="left")
    for at in shown:
        table.add_column(columns[at], overflow="fold", no_wrap=wide[at].least == wide[at].whole)
    for row in cells:
        table.add_row(*(escape(row[at]) for at in shown))
    console.print(table, soft_wrap=False)
    if missing := [name for at, name in enumerate(columns) if at not in shown]:
        left_out = (
            f"Not shown for lack of room: {', '.join(missing)}. A wider window or --json does."
        )
        console.print(left_out, markup=False, highlight=False, style="dim", soft_wrap=False)


@dataclass(frozen=True)
class _Width:
    """Of a column, in cells of the terminal: with its text on one line, and what it needs."""

    whole: int
    least: int

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        lines = [line for text in texts for line in text.splitlines()]
        need = [cell_len(one) if UNBROKEN.fullmatch(one) else LEAST_TEXT for one in lines]
        whole = [cell_len(one) for one in lines]
        return cls(max(whole, default=0), max(map(min, whole, need), default=0))


def _fitting(least: Sequence[int], width: int) -> list[int]:
    """The columns that have room, in their order; the first has it always."""
    shown: list[int] = []
    left = width - 1
    for at, needs in enumerate(least):
        if not shown or needs + BESIDE <= left:
            shown.append(at)
            left -= needs + BESIDE
    return shown


def progress(as_json: bool) -> Progress:
    """A progress bar on standard error; hidden when a program reads the output."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=errors,
        disable=as_json,
    )
