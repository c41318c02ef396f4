"""JSON lines: one record a block, each value under its name."""

import json
from collections.abc import Iterator
from typing import Any

from app.errors import DocumentRefused
from ingestion.formats.charset import decode
from ingestion.formats.document import Block, Read

MAX_DEPTH = 20


def read(data: bytes) -> Read:
    """``name: value`` lines; names of nested values are joined by dots, blank values left out."""
    blocks = []
    for number, line in enumerate(decode(data).splitlines(), start=1):
        if line.strip():
            blocks.append(Block("\n".join(_lines("", _parsed(line, number), 0))))
    return Read("", blocks)


def _parsed(line: str, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DocumentRefused(
            "corrupt", f"Line {number} is no JSON; write one record on each line."
        ) from error


def _lines(name: str, value: Any, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        raise DocumentRefused("corrupt", "A record is nested too deeply.")
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _lines(f"{name}.{key}" if name else str(key), below, depth + 1)
    elif isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        for place, below in enumerate(value, start=1):
            yield from _lines(f"{name} {place}".strip(), below, depth + 1)
    else:
        shown = ", ".join(map(_shown, value)) if isinstance(value, list) else _shown(value)
        if shown.strip():
            yield f"{name}: {shown}" if name else shown


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).strip()
