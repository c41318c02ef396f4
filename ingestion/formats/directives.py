"""Directives of reStructuredText and MyST: what they show, whichever markup stands in them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from ingestion.formats.markup import (
    ALERTS,
    box,
    comma_separated,
    dedented,
    element,
    options_of,
    preformatted,
    table,
)

UNSEEN = frozenset(
    "contents toctree include literalinclude raw meta index highlight role default-role sectnum "
    "target-notes image figure-md currentmodule module automodule autoclass autofunction only "
    "tocdepth ifconfig tabularcolumns bibliography embed video youtube iframe title".split()
)
"""What shows nothing, or what is not in the file."""
CODE = frozenset({"code-block", "code", "sourcecode", "code-cell", "parsed-literal", "prompt"})
CHANGES = {"versionadded": "Added in version", "versionchanged": "Changed in version"}
CHANGES |= {"deprecated": "Deprecated since version", "versionremoved": "Removed in version"}
TITLED = frozenset(
    "admonition topic sidebar tab tab-item dropdown details grid-item-card card rubric "
    "group-tab code-tab collapse panel option describe object glossary-entry confval envvar".split()
)
"""What stands under its argument."""
BULLET = re.compile(r"[*+-](?:\s+|$)")


@dataclass(frozen=True)
class Directive:
    """Its name, what stands beside that, and the lines of its body."""

    name: str
    argument: str
    body: Sequence[str]


Blocks = Callable[[Sequence[str]], str]
"""Lines of the markup as HTML blocks."""


def shown(one: Directive, blocks: Blocks, inline: Callable[[str], str]) -> str:
    """The directive as HTML; unknown ones show their argument and their body."""
    name = one.name.lower().rpartition(":")[2]
    options, body = options_of(one.body)
    if name in UNSEEN:
        return element("p", inline(options["alt"])) if options.get("alt") else ""
    if name in CODE:
        return preformatted("\n".join(body), one.argument or "text")
    if name in TABLES:
        return TABLES[name](one.argument, options, body, blocks, inline)
    if name in CHANGES:
        version, _, rest = one.argument.partition(" ")
        said = blocks([rest, *body]) if rest or body else ""
        return box(f"{CHANGES[name]} {escape(version)}", said)
    if name == "math":
        return element("p", escape(" ".join([one.argument, *body]).strip()))
    if name == "figure":
        return blocks(body)
    if name in ALERTS:
        lines = [one.argument, "", *body] if one.argument else body
        return box(name.capitalize(), blocks(lines))
    if name in TITLED or (one.argument and body):
        return box(inline(one.argument), blocks(body))
    return blocks([one.argument, "", *body])


def _list_table(
    title: str, options: dict[str, str], body: Sequence[str], blocks: Blocks, inline: object
) -> str:
    """A list of lists: a row an item, a cell each item of it."""
    rows = [[blocks(cell) for cell in items(row)] for row in items(body)]
    return table(rows, _count(options, "header-rows"), _count(options, "stub-columns"), title)


def _csv_table(
    title: str,
    options: dict[str, str],
    body: Sequence[str],
    blocks: Blocks,
    inline: Callable[[str], str],
) -> str:
    delimiter = {"tab": "\t", "space": " "}.get(options.get("delim", ","), options.get("delim"))
    rows = comma_separated([line for line in body if line.strip()], (delimiter or ",")[:1])
    head = comma_separated([options["header"]]) if options.get("header") else []
    told = [[inline(cell) for cell in row] for row in (*head, *rows)]
    return table(told, len(head) or _count(options, "header-rows"), caption=inline(title))


def _table(
    title: str,
    options: dict[str, str],
    body: Sequence[str],
    blocks: Blocks,
    inline: Callable[[str], str],
) -> str:
    return (element("p", inline(title)) if title else "") + blocks(body)


TABLES = {"list-table": _list_table, "flat-table": _list_table, "csv-table": _csv_table}
TABLES |= {"table": _table}


def items(lines: Sequence[str]) -> list[list[str]]:
    """The items of a list, each as its lines without the mark; what stands before is left out."""
    found: list[list[str]] = []
    for line in dedented(lines):
        mark = BULLET.match(line)
        if mark:
            found.append([" " * mark.end() + line[mark.end() :]])
        elif found:
            found[-1].append(line)
    return [dedented(one) for one in found]


def _count(options: dict[str, str], name: str) -> int:
    stated = options.get(name, "")
    return int(stated) if stated.isdecimal() and len(stated) < 3 else 0
