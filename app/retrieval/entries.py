"""The passages that a segment names, in files that are mapped: to load a version parses nothing.

A list that was parsed would keep every question of the process waiting for as long as that takes.
"""

import json
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

PASSAGES, DOCUMENTS, BELONGS = "passages.npy", "documents.npy", "belongs.npy"
COLLECTIONS = "collections.json"
PARSED = "passages.json"
"""What releases before this one wrote in their place, and read: the next one need not write it."""
Names = NDArray[np.bytes_]
Numbers = NDArray[np.integer[Any]]
Span = tuple[int, int]
"""[first, last)."""


class Entry(NamedTuple):
    """One passage of an index version; entries of a collection stand together in a segment."""

    passage_id: str
    document_id: str
    collection: str


class Entries:
    """The entries of a segment by their positions, each made when it is asked for."""

    def __init__(
        self, ids: Names, documents: Names, belongs: Numbers, ranges: Mapping[str, Span]
    ) -> None:
        """``ids`` [n] of passages and ``documents`` [m], sorted, are in UTF-8; ``belongs`` [n] says
        which of the documents each passage is of, ``ranges`` where each collection stands.

        Raises ``ValueError`` where these do not fit each other.
        """
        edges = [0, *(edge for span in ranges.values() for edge in span), len(ids)]
        if edges[::2] != edges[1::2] or len(belongs) != len(ids):
            raise ValueError("passages, documents and collections differ in number")
        if len(ids) and int(belongs.max()) >= len(documents):
            raise ValueError("a passage is of no document")
        self._ids, self._documents, self._belongs = ids, documents, belongs
        self.ranges = ranges
        self._names, self._firsts = list(ranges), [first for first, _ in ranges.values()]

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, position: int) -> Entry:
        document = self._documents[self._belongs[position]]
        collection = self._names[bisect_right(self._firsts, position) - 1]
        return Entry(self._ids[position].decode(), document.decode(), collection)

    def positions(self, documents: Sequence[str]) -> dict[str, list[int]]:
        """Where the passages of those of the documents stand that have some here."""
        width = self._documents.dtype.itemsize
        names = [name for name in documents if len(name.encode()) <= width]
        wanted = np.array([name.encode() for name in names], dtype=self._documents.dtype)
        places = np.searchsorted(self._documents, wanted)
        found = {}
        for name, one, at in zip(names, wanted.tolist(), places.tolist(), strict=True):
            if at < len(self._documents) and self._documents[at] == one:
                first, last = self._bounds[at], self._bounds[at + 1]
                found[name] = self._order[first:last].tolist()
        return found

    def naming(self, ids: Collection[str]) -> set[str]:
        """Those of ``ids`` that passages here have."""
        known = np.array([name.encode() for name in ids], dtype="S")
        return {name.decode() for name in known[np.isin(known, self._ids)].tolist()}

    def save(self, folder: Path) -> None:
        """Write them into an existing folder; raises ``OSError``."""
        for name, array in self._files():
            np.save(folder / name, array, allow_pickle=False)
        listed = [[name, *span] for name, span in self.ranges.items()]
        (folder / COLLECTIONS).write_text(json.dumps(listed), "utf-8")
        (folder / PARSED).write_text(json.dumps([self[at] for at in range(len(self))]), "utf-8")

    def _files(self) -> tuple[tuple[str, NDArray[Any]], ...]:
        return (PASSAGES, self._ids), (DOCUMENTS, self._documents), (BELONGS, self._belongs)

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """The positions, those of a document together."""
        return np.argsort(self._belongs, kind="stable")

    @cached_property
    def _bounds(self) -> NDArray[np.int64]:
        """Where each document's positions begin among those, and where the last one's end."""
        counts = np.bincount(self._belongs, minlength=len(self._documents))
        return np.concatenate(([0], np.cumsum(counts)))


def entries_of(listed: Sequence[Entry]) -> Entries:
    """The same in memory; raises ``ValueError`` when a collection is split."""
    documents = sorted({entry.document_id.encode() for entry in listed})
    number = {name: at for at, name in enumerate(documents)}
    return Entries(
        np.array([entry.passage_id.encode() for entry in listed], dtype="S"),
        np.array(documents, dtype="S"),
        np.array([number[entry.document_id.encode()] for entry in listed], dtype="<u4"),
        collection_ranges(listed),
    )


def read_entries(folder: Path, files: Collection[str]) -> Entries:
    """The passages that a segment on disk names; only ``files`` are read.

    Raises ``OSError``, ``ValueError`` or ``TypeError`` for damage.
    """
    if PASSAGES not in files:
        listed = json.loads((folder / PARSED).read_text("utf-8"))
        return entries_of([Entry(passage, document, name) for passage, document, name in listed])
    ids, documents, belongs = (_mapped(folder / name) for name in (PASSAGES, DOCUMENTS, BELONGS))
    ranges = json.loads((folder / COLLECTIONS).read_text("utf-8"))
    return Entries(ids, documents, belongs, {name: (first, last) for name, first, last in ranges})


def collection_ranges(entries: Sequence[Entry]) -> dict[str, Span]:
    """[first, last) of each collection; raises ``ValueError`` when one is split."""
    ranges: dict[str, Span] = {}
    first = 0
    for name, group in groupby(entries, key=lambda entry: entry.collection):
        last = first + sum(1 for _ in group)
        if name in ranges:
            raise ValueError(f"collection {name!r} is not contiguous")
        ranges[name] = (first, last)
        first = last
    return ranges


def _mapped(path: Path) -> NDArray[Any]:
    """An array that is left in its file, which must never change; it may be removed."""
    try:
        found: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except EOFError as error:
        raise ValueError(f"{path.name} is empty") from error
    return found
