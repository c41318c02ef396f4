"""Jupyter notebooks: their text, and what their code printed when it was last run."""

import json
from collections.abc import Iterator
from typing import Any

from ingestion.formats import html, markdown
from ingestion.formats.aligned import blocks_of
from ingestion.formats.charset import decode
from ingestion.formats.document import Block, Read
from ingestion.formats.limits import MAX_TEXT_CHARACTERS, corrupt

PRINTED = ("text/html", "text/markdown", "text/plain")
"""Forms of one output, the best first: each says the same."""


def read(data: bytes) -> Read:
    """Text, code and outputs in their order; pictures and reports of errors are left out."""
    try:
        book = json.loads(decode(data, MAX_TEXT_CHARACTERS))
        sheets = book.get("worksheets") or [book]
        cells = [cell for sheet in sheets for cell in sheet["cells"] if isinstance(cell, dict)]
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise corrupt() from error
    blocks = [block for cell in cells for block in _cell(cell)]
    headings = [block.text for block in blocks if block.level]
    return Read(next(iter(headings), ""), blocks)


def _cell(cell: dict[str, Any]) -> Iterator[Block]:
    source = _text(cell.get("source", cell.get("input")))
    kind = cell.get("cell_type")
    if kind == "markdown":
        yield from markdown.read(source.encode("utf-8", "replace")).blocks
    elif kind == "code":
        yield Block(source)
        outputs = cell.get("outputs")
        for output in outputs if isinstance(outputs, list) else []:
            if isinstance(output, dict):
                yield from _output(output)
    elif kind == "heading":
        yield Block(source, level=2)


def _output(output: dict[str, Any]) -> Iterator[Block]:
    if output.get("output_type") == "stream" and output.get("name") != "stderr":
        yield from blocks_of(_text(output.get("text")))
        return
    data = output.get("data")
    form = next((one for one in PRINTED if isinstance(data, dict) and data.get(one)), "")
    said = _text(data[form]) if isinstance(data, dict) and form else ""
    if form == "text/html":
        yield from html.page(said).blocks
    elif form == "text/markdown":
        yield from markdown.read(said.encode("utf-8", "replace")).blocks
    elif said:
        yield from blocks_of(said)


def _text(value: Any) -> str:
    """Text that may be told line by line."""
    lines = value if isinstance(value, list) else [value]
    return "".join(line for line in lines if isinstance(line, str))
