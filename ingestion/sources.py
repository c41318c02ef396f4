"""Which files to ingest: paths and folders to a list of files."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from app.errors import Invalid, NotFound
from app.files import all_below
from ingestion.formats.registry import format_of, spoken_of

LIST = "list:"
"""Before the path of a file with addresses, where a source is meant."""
OFFICE_LOCK = "~$"
"""Begins the name of the file that Office keeps beside a document while somebody has it open."""


def is_address(text: str) -> bool:
    """Whether this is the address of a source, and no path."""
    return "://" in text


def find_files(paths: Iterable[Path]) -> list[Path]:
    """Every named file, and every document below a named folder, resolved, each once.

    A named file is taken whatever its suffix (its content decides); folders are searched for
    the endings of known formats, hidden names and Office's lock files left out. Raises
    ``NotFound`` for a path that does not exist.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if is_gone(path):
            raise NotFound(f"{path} does not exist.")
        for file in _documents_below(path) if _is(stat.S_ISDIR, path) else [path]:
            found[file.resolve()] = None
    return list(found)


def find_folders(paths: Iterable[Path]) -> list[Path]:
    """Those of the paths that are folders, resolved.

    Raises ``Invalid`` where there is none, or one is without documents: a folder that is not
    mounted must not remove what was read from it.
    """
    folders = [path.resolve() for path in paths if _is(stat.S_ISDIR, path)]
    if not folders:
        raise Invalid("Only what was read from a folder can be pruned; name one.")
    for folder in folders:
        if next(_documents_below(folder), None) is None:
            raise Invalid(f"{folder} holds no documents; nothing is removed.")
    return folders


def find_skipped(paths: Iterable[Path]) -> list[Path]:
    """The files below named folders whose ending no reader knows; what is hidden and sidecars are
    left out."""
    named = [path.resolve() for path in paths]
    below = dict.fromkeys(
        one for path in named if _is(stat.S_ISDIR, path) for one in _files_below(path)
    )
    return [one for one in below if format_of(one.name) is None and spoken_of(one.name) is None]


def find_closed(paths: Iterable[Path]) -> list[Path]:
    """The folders below these, or these themselves, that may not be looked into; hidden ones are
    left out. What lies in them is not found, and nobody knows whether it is gone."""
    named = [path.resolve() for path in paths if _is(stat.S_ISDIR, path)]
    below = dict.fromkeys(one for path in named for one in (path, *_below(path)))
    return [p for p in below if _is(stat.S_ISDIR, p) and not os.access(p, os.R_OK | os.X_OK)]


def is_gone(source: Path | str) -> bool:
    """Whether a file is there no more; one that nobody can look at may be there."""
    try:
        Path(source).stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _is(kind: Callable[[int], bool], path: Path) -> bool:
    """As ``Path.is_file`` and ``is_dir``, which raise where a folder may not be looked into."""
    try:
        return kind(path.stat().st_mode)
    except OSError:
        return False


def _documents_below(folder: Path) -> Iterator[Path]:
    return (path for path in _files_below(folder) if has_known_ending(path.name))


def _files_below(folder: Path) -> Iterator[Path]:
    return (path for path in _below(folder) if _is(stat.S_ISREG, path))


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(all_below(folder)):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in parts) or path.name.startswith(OFFICE_LOCK)
        if not hidden:
            yield path


def has_known_ending(name: str) -> bool:
    """Whether a name ends as those of documents do."""
    return format_of(name) is not None and spoken_of(name) is None
