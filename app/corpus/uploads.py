"""The files of uploaded documents: each upload has one of its own, kept while it is named."""

import hashlib
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import BinaryIO

from app.errors import TooLarge, from_os_error
from app.files import to_disk

BLOCK = 1 << 20
UNNAMED_S = 3600.0
"""How old a file must be that no document names: an upload in progress is younger."""


@dataclass(frozen=True)
class StoredUpload:
    """A file that was copied here, with the SHA-256 and the bytes of its content."""

    path: Path
    sha256: str
    size: int


class Uploads:
    """The folder of uploads; other files are never touched."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self._max_bytes = folder.resolve(), max_bytes

    def store(self, content: BinaryIO, name: str) -> StoredUpload:
        """Copy an upload to disk under a name of its own; raises ``TooLarge`` or what the disk
        says.

        Two uploads of the same content have two files: removing one leaves the other.
        """
        path = self._folder / f"{secrets.token_hex(16)}{PurePosixPath(name).suffix[:16]}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            digest = self._copied(content, path)
            to_disk([path, self._folder])
        except OSError as error:
            self.remove(path)
            raise from_os_error(error) from error
        except TooLarge:
            self.remove(path)
            raise
        return StoredUpload(path, digest, path.stat().st_size)

    def remove(self, path: str | Path) -> None:
        """Remove a file if it is one of the uploads."""
        if path and Path(path).parent == self._folder:
            Path(path).unlink(missing_ok=True)

    def sweep(self, named: Collection[str]) -> int:
        """Remove what a crash left: old files that no document names; returns how many.

        Names count, not paths: no two uploads share one, and the data folder may have been moved.
        """
        if not self._folder.is_dir():
            return 0
        oldest = time.time() - UNNAMED_S
        names = {PurePath(file).name for file in named}
        left = [
            path
            for path in self._folder.iterdir()
            if path.name not in names and path.is_file() and path.stat().st_mtime < oldest
        ]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def _copied(self, content: BinaryIO, path: Path) -> str:
        digest, size = hashlib.sha256(), 0
        with path.open("xb") as target:
            while block := content.read(BLOCK):
                size += len(block)
                if size > self._max_bytes:
                    raise TooLarge("The document is larger than allowed.")
                digest.update(block)
                target.write(block)
        return digest.hexdigest()
