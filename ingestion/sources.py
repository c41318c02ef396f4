"""Which files to ingest: paths and folders to a list of files."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from app.errors import Invalid, NotFound
from ingestion.formats.registry import format_of
from ingestion.metadata import is_sidecar

LIST = "list:"
"""Before the path of a file with addresses, where a source is meant."""


def is_address(text: str) -> bool:
    """Whether this is the address of a source, and no path."""
    return "://" in text


def find_files(paths: Iterable[Path]) -> list[Path]:
    """Every named file, and every document below a named folder, resolved, each once.

    A named file is taken whatever its suffix (its content decides); folders are searched for
    the endings of known formats, hidden names left out. Raises ``NotFound`` for a path that does
    not exist.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise NotFound(f"{path} does not exist.")
        for file in _documents_below(path) if path.is_dir() else [path]:
            found[file.resolve()] = None
    return list(found)


def find_folders(paths: Iterable[Path]) -> list[Path]:
    """Those of the paths that are folders, resolved.

    Raises ``Invalid`` where there is none, or one is without documents: a folder that is not
    mounted must not remove what was read from it.
    """
    folders = [path.resolve() for path in paths if path.is_dir()]
    if not folders:
        raise Invalid("Only what was read from a folder can be pruned; name one.")
    for folder in folders:
        if next(_documents_below(folder), None) is None:
            raise Invalid(f"{folder} holds no documents; nothing is removed.")
    return folders


def find_skipped(paths: Iterable[Path]) -> list[Path]:
    """The files below named folders whose ending no reader knows; hidden names and sidecars are
    left out."""
    named = [path.resolve() for path in paths]
    below = dict.fromkeys(one for path in named if path.is_dir() for one in _files_below(path))
    return [one for one in below if format_of(one.name) is None and not is_sidecar(one.name)]


def _documents_below(folder: Path) -> Iterator[Path]:
    return (path for path in _files_below(folder) if has_known_ending(path.name))


def _files_below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


def has_known_ending(name: str) -> bool:
    """Whether a name ends as those of documents do."""
    return format_of(name) is not None and not is_sidecar(name)
