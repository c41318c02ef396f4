"""How commands speak: rich tables for people, one JSON value with ``--json`` for programs."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value instead.")]
console = Console()
errors = Console(stderr=True)


def pages_of(page: int | None, last_page: int | None) -> str:
    """ ", page 3" or ", pages 3 to 4", as it follows a title; "" without pages."""
    if not page:
        return ""
    over = last_page not in (None, page)
    return f", pages {page} to {last_page}" if over else f", page {page}"


def print_json(value: Any) -> None:
    """One JSON value on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table; cell text is never read as markup."""
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    console.print(table)


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


def _plain(cell: Any) -> str:
    return "" if cell is None else escape(str(cell))
