"""Tables as text: values with commas, semicolons or tabs between them, one row a line."""

import csv
import io
from collections.abc import Iterator

from app.errors import DocumentRefused
from ingestion.formats.charset import decode
from ingestion.formats.document import Block, Read
from ingestion.formats.limits import MAX_TEXT_CHARACTERS, too_long
from ingestion.formats.tables import MAX_HEADER, REPEAT_AFTER

SAMPLE = 20_000
MAX_TITLES = 3
"""Lines among which the first one with several cells is looked for."""
DELIMITERS = ",;\t|"


def read(data: bytes) -> Read:
    """The rows as ``a | b | c``; the first names the columns, and stands before each group."""
    source = decode(data)
    try:
        rows = [row for row in csv.reader(io.StringIO(source, newline=""), _dialect(source)) if row]
    except csv.Error as error:
        raise DocumentRefused(
            "corrupt", "The file is damaged; open it in its program and save it again."
        ) from error
    lines = [" | ".join(" ".join(cell.split()) for cell in row) for row in rows]
    return Read("", list(grouped([line for line in lines if line.strip(" |")])))


def _dialect(source: str) -> type[csv.Dialect]:
    """Double quotes always; the delimiter that parts the first lines most evenly."""
    lines = [line for line in source[:SAMPLE].splitlines()[:-1] or [source[:SAMPLE]] if line]

    def evenness(delimiter: str) -> tuple[int, int]:
        counts = [line.count(delimiter) for line in lines]
        common = max(set(counts), key=counts.count) if counts else 0
        return counts.count(common) if common else 0, common

    class Found(csv.excel):
        delimiter = max(DELIMITERS, key=evenness)

    return Found


def grouped(lines: list[str]) -> Iterator[Block]:
    """Rows in groups of a passage's size, each under the row that names the columns, and a title
    above that, where these are short."""
    if sum(map(len, lines)) > MAX_TEXT_CHARACTERS:
        raise too_long()
    top = next((n for n, line in enumerate(lines[:MAX_TITLES]) if " | " in line), 0) + 1
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
