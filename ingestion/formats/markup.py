"""HTML as readers of markup languages write it, which is then read as any page is."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from html import escape

MAX_DEPTH = 20
"""Lists in lists, boxes in boxes: deeper ones are read as text."""
MAX_HEADING = 6
ALERTS = frozenset(
    "attention caution danger error hint important note tip warning seealso todo info".split()
)
"""Boxes that have no other title than their kind."""

Rows = Sequence[Sequence[str]]
"""Cells of a table, as HTML."""


def element(tag: str, inside: str) -> str:
    """An element around HTML."""
    return f"<{tag}>{inside}</{tag}>"


def heading(level: int, inside: str) -> str:
    """A heading of a level from 1."""
    return element(f"h{max(1, min(level, MAX_HEADING))}", inside)


def box(title: str, inside: str) -> str:
    """What stands under a title of its own, both HTML, and ends with the box."""
    return f"<details><summary>{title}</summary>{inside}</details>" if title else inside


def table(rows: Rows, headers: int = 0, stub: int = 0, caption: str = "") -> str:
    """A table of HTML cells, of which the first ``headers`` rows and ``stub`` columns are names."""
    made = [f"<caption>{caption}</caption>" if caption else ""]
    for number, row in enumerate(rows):
        tags = ["th" if number < headers or at < stub else "td" for at in range(len(row))]
        made.append(
            element("tr", "".join(element(t, cell) for t, cell in zip(tags, row, strict=True)))
        )
    return element("table", "".join(made))


def preformatted(text: str, language: str = "") -> str:
    """Text as it is set; with a language it is code."""
    named = f' class="language-{escape(language)}"' if language else ""
    return f"<pre><code{named}>{escape(text)}</code></pre>"


def comma_separated(lines: Iterable[str], delimiter: str = ",") -> list[list[str]]:
    """The values of rows of text; what is no such row is one value."""
    try:
        found = csv.reader(
            io.StringIO("\n".join(lines)), delimiter=delimiter, skipinitialspace=True
        )
        return [row for row in found if row]
    except csv.Error:
        return [[line] for line in lines]


def dedented(lines: Sequence[str]) -> list[str]:
    """The lines without the blanks that all of them begin with, and without blank ones around."""
    indents = [len(line) - len(line.lstrip()) for line in lines if line.strip()]
    by = min(indents, default=0)
    kept = [line[by:] for line in lines]
    while kept and not kept[0].strip():
        del kept[0]
    while kept and not kept[-1].strip():
        kept.pop()
    return kept


OPTION = re.compile(r"\s*:([\w-]+):(?:\s+(.*))?$")


def options_of(lines: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The options at the beginning of a directive's body, and what follows them."""
    found: dict[str, str] = {}
    at = 0
    while at < len(lines) and (option := OPTION.fullmatch(lines[at])):
        found[option[1].lower()] = (option[2] or "").strip()
        at += 1
    return found, dedented(lines[at:])
