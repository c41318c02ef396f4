"""Tables as text: values with commas, semicolons, tabs or bars between them, one row a line."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import pairwise

from app.errors import DocumentRefused
from ingestion.formats.aligned import blocks_of
from ingestion.formats.charset import decode
from ingestion.formats.document import Block, Read
from ingestion.formats.limits import MAX_TEXT_CHARACTERS, too_long
from ingestion.formats.tables import MAX_HEADER, REPEAT_AFTER, cell_text
from ingestion.formats.text import LINE_BREAK

SAMPLE = 20_000
MAX_TITLES = 8
"""Lines among which the one that names the columns is looked for."""
DELIMITERS = ",;\t|"
SELDOM = {"^": 1, "~": 1, "¦": 1, ":": 2}
"""Delimiters of some files, and how many a line must have: one colon may be that of a time."""
LEAST_LINES = 3
DELIMITER_TOLD = re.compile(r"sep=([^\w\s\"]|\t)\s*\n", re.IGNORECASE)
"""The first line of a file for a spreadsheet program, which does not show it."""


def read(data: bytes) -> Read:
    """The rows as ``a | b | c``; the first names the columns, and stands before each group."""
    source = decode(data)
    told = DELIMITER_TOLD.match(source)
    source = source[told.end() :] if told else source
    found = told[1] if told else _delimiter(source)
    if not found and (aligned := list(_aligned(source))):
        return Read("", aligned)

    class Dialect(csv.excel):  # double quotes always
        delimiter = found or DELIMITERS[0]

    try:
        rows = [row for row in csv.reader(io.StringIO(source, newline=""), Dialect) if row]
    except csv.Error as error:
        raise DocumentRefused(
            "corrupt", "The file is damaged; open it in its program and save it again."
        ) from error
    lines = [" | ".join(map(cell_text, row)) for row in rows]
    return Read("", list(grouped([line for line in lines if line.strip(" |")])))


def _delimiter(source: str) -> str:
    """What parts the first lines most evenly; "" where most have none."""
    lines = [line for line in source[:SAMPLE].splitlines()[:-1] or [source[:SAMPLE]] if line]

    def evenness(delimiter: str) -> tuple[int, int]:
        counts = [line.count(delimiter) for line in lines]
        common = max(set(counts), key=counts.count) if counts else 0
        return counts.count(common) if common else 0, common

    best = max(DELIMITERS, key=evenness)
    return best if evenness(best)[1] else _seldom(source)


def _seldom(source: str) -> str:
    """One that every line has as often, below names of columns; else it may be a mark of text."""
    lines = [line for line in source[:MAX_TEXT_CHARACTERS].splitlines() if line]
    if len(lines) < LEAST_LINES or re.search(r"\d", lines[0]):
        return ""
    for delimiter, least in SELDOM.items():
        common = lines[0].count(delimiter)
        named = all(name.strip() for name in lines[0].split(delimiter))
        if named and common >= least and all(line.count(delimiter) == common for line in lines):
            return delimiter
    return ""


def _aligned(source: str) -> Iterator[Block]:
    """Rows whose cells stand below each other; nothing where there is no such table."""
    blocks = list(blocks_of(LINE_BREAK.sub("\n", source).strip("\n")))
    if any(" | " in block.text for block in blocks):
        yield from blocks


def _goes_on(header: str, line: str) -> bool:
    """Whether a row goes on naming columns: a label of the row above, of two rows, stands in it."""
    one, other = header.split(" | "), line.split(" | ")
    same = any(a == b != "" for a, b in zip(one, other, strict=False))
    return same and len(one) == len(other) > 1 and not re.search(r"\d", header + line)


def _names(lines: list[str]) -> int:
    """The place of the row that names the columns: the first over more than half of the width of
    the table; what stands above says something of all of it."""
    widths = [line.rstrip(" |").count(" | ") + 1 for line in lines[: 2 * MAX_TITLES]]
    least = max(2, max(widths, default=0) // 2 + 1)
    return next((n for n, width in enumerate(widths[:MAX_TITLES]) if width >= least), 0)


def grouped(lines: list[str]) -> Iterator[Block]:
    """Rows in groups of a passage's size, each under the row that names the columns, and a title
    above that, where these are short."""
    if sum(map(len, lines)) > MAX_TEXT_CHARACTERS:
        raise too_long()
    first = _names(lines)
    top = first + 1
    top += next((n for n, pair in enumerate(pairwise(lines[first:])) if not _goes_on(*pair)), 0)
    header = "\n".join(lines[:top])
    if len(header) > MAX_HEADER:
        header = ""
    group: list[str] = []
    size = 0
    for line in lines[top:] if header else lines:
        if group and size + len(line) > REPEAT_AFTER:
            yield Block("\n".join([header, *group] if header else group))
            group, size = [], 0
        group.append(line)
        size += len(line)
    yield Block("\n".join([header, *group] if header else group))
