"""Tables as text: values with commas, semicolons or tabs between them, one row a line."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import pairwise

from app.errors import DocumentRefused
from ingestion.formats.charset import decode
from ingestion.formats.document import Block, Read
from ingestion.formats.limits import MAX_TEXT_CHARACTERS, too_long
from ingestion.formats.tables import MAX_HEADER, REPEAT_AFTER, cell_text

SAMPLE = 20_000
MAX_TITLES = 3
"""Lines among which the first one with several cells is looked for."""
DELIMITERS = ",;\t|"
DELIMITER_TOLD = re.compile(r"sep=([,;\t|])\s*\n", re.IGNORECASE)
"""The first line of a file for a spreadsheet program, which does not show it."""


def read(data: bytes) -> Read:
    """The rows as ``a | b | c``; the first names the columns, and stands before each group."""
    source = decode(data)
    told = DELIMITER_TOLD.match(source)
    source = source[told.end() :] if told else source
    dialect = _dialect(source, told[1] if told else DELIMITERS)
    try:
        rows = [row for row in csv.reader(io.StringIO(source, newline=""), dialect) if row]
    except csv.Error as error:
        raise DocumentRefused(
            "corrupt", "The file is damaged; open it in its program and save it again."
        ) from error
    lines = [" | ".join(map(cell_text, row)) for row in rows]
    return Read("", list(grouped([line for line in lines if line.strip(" |")])))


def _dialect(source: str, delimiters: str) -> type[csv.Dialect]:
    """Double quotes always; the delimiter that parts the first lines most evenly."""
    lines = [line for line in source[:SAMPLE].splitlines()[:-1] or [source[:SAMPLE]] if line]

    def evenness(delimiter: str) -> tuple[int, int]:
        counts = [line.count(delimiter) for line in lines]
        common = max(set(counts), key=counts.count) if counts else 0
        return counts.count(common) if common else 0, common

    class Found(csv.excel):
        delimiter = max(delimiters, key=evenness)

    return Found


def _goes_on(header: str, line: str) -> bool:
    """Whether a row goes on naming columns: a label of the row above, of two rows, stands in it."""
    one, other = header.split(" | "), line.split(" | ")
    same = any(a == b != "" for a, b in zip(one, other, strict=False))
    return same and len(one) == len(other) > 1 and not re.search(r"\d", header + line)


def grouped(lines: list[str]) -> Iterator[Block]:
    """Rows in groups of a passage's size, each under the row that names the columns, and a title
    above that, where these are short."""
    if sum(map(len, lines)) > MAX_TEXT_CHARACTERS:
        raise too_long()
    top = next((n for n, line in enumerate(lines[:MAX_TITLES]) if " | " in line), 0) + 1
    top += next((n for n, pair in enumerate(pairwise(lines[top - 1 :])) if not _goes_on(*pair)), 0)
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
