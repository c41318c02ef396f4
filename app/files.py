"""Files: JSON lines read row by row, the SHA-256 of a file, and files linked and made durable."""

import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield each line of ``path`` as a dict; blank lines are skipped.

    Raises ``ValueError`` naming the line when a line is not a JSON object.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _parse(line, path, number)


def _parse(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path.name}:{number}: not JSON ({error.msg})") from error
    if not isinstance(row, dict):
        raise ValueError(f"{path.name}:{number}: expected an object, found {type(row).__name__}")
    return row


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def link_or_copy(source: Path, target: Path) -> None:
    """The same file under another name; a copy, where the disk has no links."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def to_disk(paths: Iterable[Path]) -> None:
    """These files, and the names in these folders, survive a loss of power from now on."""
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
