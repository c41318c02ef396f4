"""FAISS indexes as files: written through Python, so that a full disk is an error, and mapped."""

from pathlib import Path

import faiss


def write_faiss(index: faiss.Index, path: Path) -> None:
    """Raises ``OSError`` when the disk does not take it."""
    with path.open("wb") as stream:
        faiss.write_index(index, faiss.PyCallbackIOWriter(stream.write))  # type: ignore[attr-defined]


def map_faiss(path: Path) -> faiss.Index:
    """The index with its vectors left in the file, where processes share what they read of it.

    Raises ``RuntimeError`` for damage. The file must never change; it may be removed.
    """
    return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
