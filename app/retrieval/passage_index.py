"""One index version on disk: vectors, words and a manifest, built, verified and loaded as one."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from app.errors import DependencyFailed
from app.files import sha256_file, to_disk
from app.ports import Vectors
from app.retrieval.lexical import LexicalIndex, Weighted
from app.retrieval.vector import FlatVectors, Positions, from_bytes, to_bytes

FUSION_CONSTANT = 60
"""k of reciprocal rank fusion, from Cormack, Clarke and Büttcher (2009)."""
FUSION_DEPTH = 50
"""How many hits of each search take part in the fusion."""
RankedPositions = list[tuple[int, float]]


@dataclass(frozen=True)
class Entry:
    """One passage of an index version; entries of a collection stand together."""

    passage_id: str
    document_id: str
    collection: str


class PassageIndex:
    """A loaded index version. Positions count the passages from 0, in manifest order."""

    def __init__(self, folder: Path, device: str = "auto", manifest_sha256: str = "") -> None:
        """Raises ``DependencyFailed`` for damage, or for another manifest than the one given."""
        self.manifest = verify_index(folder, manifest_sha256)
        try:
            self.entries = read_entries(folder)
            vectors = from_bytes((folder / "vectors.faiss").read_bytes())
            self._lexical = LexicalIndex(folder / "lexical")
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            # The libraries keep files of their own there, which the manifest does not list.
            raise DependencyFailed(f"Index {folder.name} cannot be opened.") from error
        if len(vectors) != len(self.entries):
            raise DependencyFailed(f"Index {folder.name}: vectors and passages differ in number.")
        self._vectors = FlatVectors(vectors, collection_ranges(self.entries), device)
        self._by_document: dict[str, list[int]] = {}
        for position, entry in enumerate(self.entries):
            self._by_document.setdefault(entry.document_id, []).append(position)

    def __len__(self) -> int:
        return len(self.entries)

    def dense(
        self, query: Vectors, collections: Sequence[str], k: int, deleted: Sequence[str] = ()
    ) -> RankedPositions:
        """The ``k`` nearest (position, cosine) of one unit vector [dimension]."""
        return self._vectors.search(query, collections, k, self._positions_of(deleted))

    def lexical(
        self,
        question: str,
        collections: Sequence[str],
        k: int,
        deleted: Sequence[str] = (),
        earlier: Weighted = (),
    ) -> RankedPositions:
        """The ``k`` best (position, BM25) for the question's words and, by weight, earlier ones."""
        gone = [document for document in deleted if document in self._by_document]
        return self._lexical.search(question, collections, k, gone, earlier)

    def _positions_of(self, documents: Sequence[str]) -> Positions:
        found = [p for document in documents for p in self._by_document.get(document, [])]
        return np.array(found, dtype=np.int64)


def fuse(rankings: Sequence[RankedPositions]) -> RankedPositions:
    """Reciprocal rank fusion: (position, fused score), best first; ties keep the first order."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, (position, _) in enumerate(ranking, start=1):
            scores[position] = scores.get(position, 0.0) + 1 / (FUSION_CONSTANT + rank)
    return sorted(scores.items(), key=lambda hit: -hit[1])


def collection_ranges(entries: Sequence[Entry]) -> dict[str, tuple[int, int]]:
    """[first, last) of each collection; raises ``ValueError`` when one is split."""
    ranges: dict[str, tuple[int, int]] = {}
    first = 0
    for name, group in groupby(entries, key=lambda entry: entry.collection):
        last = first + sum(1 for _ in group)
        if name in ranges:
            raise ValueError(f"collection {name!r} is not contiguous")
        ranges[name] = (first, last)
        first = last
    return ranges


def write_index(
    folder: Path,
    entries: Sequence[Entry],
    texts: Sequence[tuple[str, str]],
    vectors: Vectors,
    embedder: str,
) -> str:
    """Write a new version of (place, text) ``texts`` and unit ``vectors`` [n, dimension].

    Returns the manifest's SHA-256, when all of it has reached the disk. Raises ``OSError`` when
    the disk does not take it; the caller removes the folder.
    """
    folder.mkdir(parents=True)
    (folder / "vectors.faiss").write_bytes(to_bytes(vectors))
    listed = [[e.passage_id, e.document_id, e.collection] for e in entries]
    (folder / "passages.json").write_text(json.dumps(listed), "utf-8")
    LexicalIndex.build(
        folder / "lexical",
        (
            (entry.collection, entry.document_id, place, text)
            for entry, (place, text) in zip(entries, texts, strict=True)
        ),
    )
    manifest = {
        "passages": len(entries),
        "dimension": vectors.shape[1],
        "embedder": embedder,
        "collections": sorted({entry.collection for entry in entries}),
        "files": {
            str(path.relative_to(folder)): sha256_file(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        },
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1), "utf-8")
    to_disk([*folder.rglob("*"), folder, folder.parent])
    return sha256_file(folder / "manifest.json")


def read_entries(folder: Path) -> list[Entry]:
    """The passages an index version names, in position order."""
    return [Entry(*entry) for entry in json.loads((folder / "passages.json").read_text("utf-8"))]


def verify_index(folder: Path, manifest_sha256: str = "") -> dict[str, Any]:
    """The manifest, after checking every file against it; raises ``DependencyFailed``."""
    try:
        if manifest_sha256 not in ("", sha256_file(folder / "manifest.json")):
            raise DependencyFailed(f"Index {folder.name} has another manifest than was promoted.")
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
        broken = [
            name
            for name, digest in manifest["files"].items()
            if sha256_file(folder / name) != digest
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DependencyFailed(f"Index {folder.name} cannot be read.") from error
    if broken:
        raise DependencyFailed(f"Index {folder.name} is damaged: {', '.join(sorted(broken))}.")
    return manifest
