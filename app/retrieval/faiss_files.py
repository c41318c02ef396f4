"""FAISS indexes as files: written through Python, so that a full disk is an error, and mapped."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import faiss


@dataclass(frozen=True)
class Listed:
    """A file of one collection in a segment, as the segment's listing of such files describes it;
    subclasses say how it is searched."""

    file: str


Kind = TypeVar("Kind", bound=Listed)


def write_listing(path: Path, listed: Mapping[str, Listed]) -> None:
    """Write what stands for each collection; no file where there is none."""
    if listed:
        found = {name: asdict(one) for name, one in listed.items()}
        path.write_text(json.dumps(found), "utf-8")


def read_listing(path: Path, files: Collection[str], kind: type[Kind]) -> dict[str, Kind]:
    """What stands for each collection, if the listing is one of ``files``, which were checked.

    Raises ``OSError``, ``ValueError`` or ``TypeError`` for damage, and for a file that was not
    checked.
    """
    if path.name not in files:
        return {}
    found = {name: kind(**one) for name, one in json.loads(path.read_text("utf-8")).items()}
    if unknown := {one.file for one in found.values()} - set(files):
        raise ValueError(f"not listed: {', '.join(sorted(unknown))}")
    return found


def write_faiss(index: faiss.Index, path: Path) -> None:
    """Raises ``OSError`` when the disk does not take it."""
    with path.open("wb") as stream:
        faiss.write_index(index, faiss.PyCallbackIOWriter(stream.write))  # type: ignore[attr-defined]


def map_faiss(path: Path) -> faiss.Index:
    """The index with its vectors left in the file, where processes share what they read of it.

    Raises ``RuntimeError`` for damage. The file must never change; it may be removed.
    """
    return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
