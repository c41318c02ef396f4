"""One index version on disk: segments of vectors, the words of all, and a manifest; built,
verified and loaded as one.

A full build has one segment. A version that extends another links the files of that one, which
never change, adds a segment, and says which documents it replaces: so it costs what changed.
"""

import json
import shutil
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.errors import DependencyFailed
from app.files import link_or_copy, sha256_file, to_disk
from app.ports import Vectors
from app.retrieval.entries import Entry
from app.retrieval.inverted_file import Asked, never_asked
from app.retrieval.lexical import LexicalIndex, Weighted
from app.retrieval.segment import RankedPositions, Segment, write_segment
from app.retrieval.vector import Mask

FUSION_CONSTANT = 60
"""k of reciprocal rank fusion, from Cormack, Clarke and Büttcher (2009)."""
FUSION_DEPTH = 50
"""How many hits of each search take part in the fusion."""
LEXICAL, MANIFEST, REPLACED = "lexical", "manifest.json", "replaced.json"
FORMAT = 2
"""Of what is written: 1, which named no format, had no inverted files."""
FIRST = ""
"""The folder of the only segment of a full build: the version's own."""
Texts = Sequence[tuple[str, str]]
"""(place, text) of passages."""
FileKey = tuple[int, int, int, int]
"""Device, inode, size and time of change: the same file, unchanged."""
NONE_CHECKED: Mapping[FileKey, str] = {}


class PassageIndex:
    """A loaded index version. Positions count the passages of all segments from 0, those that
    count no more too."""

    files: dict[FileKey, str]
    """The hashes of the files that were checked."""

    def __init__(
        self,
        folder: Path,
        device: str = "auto",
        manifest_sha256: str = "",
        like: "PassageIndex | None" = None,
        checked: Mapping[FileKey, str] = NONE_CHECKED,
    ) -> None:
        """``like`` is a loaded version: what both hold is neither read nor checked again. Files
        that another process of this machine has just ``checked`` are read, not checked again.

        Raises ``DependencyFailed`` for damage, or for another manifest than the one given.
        """
        self.folder = folder
        known = {**(like.files if like else {}), **checked}
        self.manifest, self.files = _verified(folder, manifest_sha256, known)
        try:
            self.segments = self._load(device, like)
            dimension = self.manifest["dimension"]
            if any(segment.dimension != dimension for segment in self.segments):
                raise ValueError("vectors of another dimension than the manifest's")
            self.replaced = read_replaced(folder)
            self._lexical = LexicalIndex(folder / LEXICAL, self.manifest["collections"])
        except (OSError, ValueError, TypeError, RuntimeError, KeyError) as error:
            # The libraries keep files of their own there, which the manifest does not list.
            raise DependencyFailed(f"Index {folder.name} cannot be opened.") from error
        self._firsts = np.cumsum([0, *(len(segment) for segment in self.segments)]).tolist()
        self._masks = [self._mask(number) for number in range(len(self.segments))]
        if len(self) != len(self._lexical):
            raise DependencyFailed(f"Index {folder.name}: words and vectors differ in number.")

    def __len__(self) -> int:
        return self.positions - self.removed

    @property
    def positions(self) -> int:
        """How many positions there are: of passages that count, and of those that count no more."""
        last: int = self._firsts[-1]
        return last

    def entry(self, position: int) -> Entry:
        """The passage at a position."""
        number = bisect_right(self._firsts, position) - 1
        return self.segments[number].entries[position - self._firsts[number]]

    @property
    def removed(self) -> int:
        """How many passages count no more."""
        return sum(mask.removed for mask in self._masks)

    @property
    def changed(self) -> int:
        """How many passages were added or removed since the full build beneath."""
        return self.positions - len(self.segments[0]) + self.removed

    def positions_of(self, documents: Sequence[str]) -> list[int]:
        """Where those passages of the documents stand that count."""
        pairs = zip(self.segments, self._masks, self._firsts, strict=False)
        return [
            first + position
            for segment, mask, first in pairs
            for position in segment.positions_of(documents)
            if mask.counts(position)
        ]

    def holding(self, documents: Sequence[str]) -> list[str]:
        """Those of the documents that have passages here that count."""
        found = {
            document
            for segment, mask in zip(self.segments, self._masks, strict=True)
            for document, places in segment.entries.positions(documents).items()
            if any(map(mask.counts, places))
        }
        return [document for document in documents if document in found]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many passages of each collection it holds."""
        pairs = zip(self.segments, self._masks, strict=True)
        return sum((segment.counts(mask) for segment, mask in pairs), Counter[str]())

    def dense(
        self, query: Vectors, collections: Sequence[str], k: int, deleted: Sequence[str] = ()
    ) -> RankedPositions:
        """The ``k`` nearest (position, cosine) of one unit vector [dimension]."""
        found: RankedPositions = []
        for segment, mask, first in zip(self.segments, self._masks, self._firsts, strict=False):
            counting = mask.without(segment.positions_of(deleted)) if deleted else mask
            hits = segment.search(query, collections, k, counting)
            found += [(first + position, score) for position, score in hits]
        return sorted(found, key=lambda hit: -hit[1])[:k]

    def lexical(
        self,
        question: str,
        collections: Sequence[str],
        k: int,
        deleted: Sequence[str] = (),
        earlier: Weighted = (),
    ) -> RankedPositions:
        """The ``k`` best (position, BM25) for the question's words and, by weight, earlier ones."""
        gone = self.holding(deleted) if deleted else ()
        return self._lexical.search(question, collections, k, gone, earlier)

    def _load(self, device: str, like: "PassageIndex | None") -> list[Segment]:
        known = dict(zip(like.segment_keys(), like.segments, strict=True)) if like else {}
        pairs = zip(self.segment_keys(), segment_names(self.manifest), strict=True)
        return [
            known.get(key) or Segment(self.folder / name, dict(key), device) for key, name in pairs
        ]

    def segment_keys(self) -> list[tuple[tuple[str, str], ...]]:
        """What each segment holds, as its files and their hashes."""
        names = segment_names(self.manifest)
        return [tuple(sorted(segment_files(self.manifest, name).items())) for name in names]

    def _mask(self, number: int) -> Mask:
        segment = self.segments[number]
        gone = [document for document, before in self.replaced.items() if before > number]
        return Mask(len(segment), np.array(segment.positions_of(gone), dtype=np.int64))


def fuse(rankings: Sequence[RankedPositions]) -> RankedPositions:
    """Reciprocal rank fusion: (position, fused score), best first; ties keep the first order."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, (position, _) in enumerate(ranking, start=1):
            scores[position] = scores.get(position, 0.0) + 1 / (FUSION_CONSTANT + rank)
    return sorted(scores.items(), key=lambda hit: -hit[1])


def write_index(
    folder: Path,
    entries: Sequence[Entry],
    texts: Texts,
    vectors: Vectors,
    embedder: str,
    asked: Asked = never_asked,
) -> str:
    """Write a full build of ``texts`` and unit ``vectors`` [n, dimension]; ``asked`` as of a
    segment.

    Returns the manifest's SHA-256, when all of it has reached the disk. Raises ``OSError`` when
    the disk does not take it; the caller removes the folder.
    """
    folder.mkdir(parents=True)
    write_segment(folder, entries, vectors, asked)
    LexicalIndex.build(folder / LEXICAL, _worded(entries, texts))
    manifest = {
        "format": FORMAT,
        "passages": len(entries),
        "dimension": vectors.shape[1],
        "embedder": embedder,
        "collections": sorted({entry.collection for entry in entries}),
    }
    return _finish(folder, manifest, {})


def extend_index(
    folder: Path,
    base: PassageIndex,
    replaced: Iterable[str],
    entries: Sequence[Entry],
    texts: Texts,
    vectors: Vectors,
) -> str:
    """Write a version that holds what ``base`` does, but of the documents ``replaced`` only these
    passages; else as ``write_index``. ``vectors`` are [n, dimension], n may be 0.
    """
    names = segment_names(base.manifest)
    folder.mkdir(parents=True)
    linked = [name or "0" for name in names]
    for name, old in zip(linked, names, strict=True):
        _link(base.folder / old, folder / name, [*segment_files(base.manifest, old)])
    gone = {**base.replaced, **dict.fromkeys(replaced, len(names))}
    (folder / REPLACED).write_text(json.dumps(gone), "utf-8")
    if entries:
        linked.append(str(len(names)))
        (folder / linked[-1]).mkdir()
        write_segment(folder / linked[-1], entries, vectors)
    _link(base.folder / LEXICAL, folder / LEXICAL, _files_of(base.folder / LEXICAL))
    words = _worded(entries, texts)
    passages = LexicalIndex.extend(folder / LEXICAL, replaced, words, base.positions)
    manifest = {**base.manifest, "format": FORMAT, "passages": passages, "segments": linked}
    manifest["collections"] = sorted({*manifest["collections"], *(e.collection for e in entries)})
    return _finish(folder, manifest, base.files)


def segment_names(manifest: Mapping[str, Any]) -> list[str]:
    """The folders of a version's segments below its own, in position order."""
    return list(manifest.get("segments", [FIRST]))


def segment_files(manifest: Mapping[str, Any], segment: str) -> dict[str, str]:
    """The names of a segment's files, and their hashes."""
    pairs = [(name.rpartition("/"), digest) for name, digest in manifest["files"].items()]
    found = {name: digest for (within, _, name), digest in pairs if within == segment}
    found.pop(REPLACED, None)  # of the version, not of its first segment
    return found


def listed_in(folder: Path) -> list[tuple[Path, dict[str, str]]]:
    """The folders of the segments of a version on disk, each with its files as above."""
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    return [(folder / name, segment_files(manifest, name)) for name in segment_names(manifest)]


def read_replaced(folder: Path) -> dict[str, int]:
    """The documents that were replaced since the version's first segment, each with the number of
    first segments whose passages of it count no more."""
    path = folder / REPLACED
    found: dict[str, int] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found


def _verified(
    folder: Path, manifest_sha256: str, checked: Mapping[FileKey, str]
) -> tuple[dict[str, Any], dict[FileKey, str]]:
    """The manifest, and the files it lists; those ``checked`` before are not read again."""
    try:
        if manifest_sha256 not in ("", sha256_file(folder / MANIFEST)):
            raise DependencyFailed(f"Index {folder.name} has another manifest than was promoted.")
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
        if manifest.get("format", 1) > FORMAT:
            raise DependencyFailed(f"Index {folder.name} was written by a newer release.")
        digests = {name: _digest(folder / name, checked) for name in manifest["files"]}
        broken = [name for name, digest in manifest["files"].items() if digests[name] != digest]
        files = {_key(folder / name): digest for name, digest in digests.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DependencyFailed(f"Index {folder.name} cannot be read.") from error
    if broken:
        raise DependencyFailed(f"Index {folder.name} is damaged: {', '.join(sorted(broken))}.")
    return manifest, files


def _finish(folder: Path, manifest: dict[str, Any], checked: Mapping[FileKey, str]) -> str:
    """Write the manifest and wait for the disk; returns the manifest's SHA-256."""
    manifest["files"] = {
        str(path.relative_to(folder)): _digest(path, checked)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")
    new = [path for path in folder.rglob("*") if path.is_dir() or _key(path) not in checked]
    to_disk([*new, folder, folder.parent])
    return sha256_file(folder / MANIFEST)


def _worded(entries: Sequence[Entry], texts: Texts) -> Iterable[tuple[str, str, str, str]]:
    for entry, (place, text) in zip(entries, texts, strict=True):
        yield entry.collection, entry.document_id, place, text


def _files_of(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if not path.name.endswith(".lock")]


def _link(source: Path, target: Path, names: Sequence[str]) -> None:
    """The same files under another folder; copies, where the disk has no links."""
    target.mkdir(exist_ok=True)
    for name in names:
        # JSON files of the word index are written anew: a link would change the other version.
        of_words = source.name == LEXICAL and name.endswith(".json")
        share = shutil.copyfile if of_words else link_or_copy
        share(source / name, target / name)


def _digest(path: Path, checked: Mapping[FileKey, str]) -> str:
    return checked.get(_key(path)) or sha256_file(path)


def _key(path: Path) -> FileKey:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
