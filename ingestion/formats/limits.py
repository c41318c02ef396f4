"""What one document may cost, and the refusals that all readers share."""

import lzma
import struct
import zipfile
import zlib
from dataclasses import dataclass

from app.errors import DocumentRefused

MAX_DOCUMENT_BYTES = 100_000_000
MAX_TEXT_CHARACTERS = 20_000_000
MAX_INFLATED_BYTES = 200_000_000
MAX_ARCHIVE_ENTRIES = 10_000
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    NotImplementedError,
    OSError,
    EOFError,
    LookupError,
    ValueError,
    RuntimeError,
)
"""How a damaged archive shows, or one with a password."""


@dataclass(frozen=True)
class JailLimits:
    """What one document may cost: seconds of CPU, bytes of address space, seconds of waiting."""

    cpu_s: int = 60
    memory_bytes: int = 2 * 1024**3
    wall_s: float = 90.0


def guard_zip(entries: list[zipfile.ZipInfo]) -> None:
    """Raises ``DocumentRefused`` for an archive that unpacks to too much, or is encrypted."""
    # zipfile never inflates an entry beyond its declared size, so the declared sum is a bound.
    inflated = sum(entry.file_size for entry in entries)
    if inflated > MAX_INFLATED_BYTES or len(entries) > MAX_ARCHIVE_ENTRIES:
        raise DocumentRefused(
            "zip_bomb", "The document unpacks to more than 200 MB; remove large embedded files."
        )
    if any(entry.flag_bits & 1 for entry in entries):
        raise protected()


def too_long() -> DocumentRefused:
    """The refusal of more text than one document may have."""
    return DocumentRefused(
        "too_large", "The text is longer than 20 million characters; split the document."
    )


def corrupt() -> DocumentRefused:
    """The refusal of a file that its own program could not open either."""
    return DocumentRefused(
        "corrupt", "The file is damaged; open it in its program and save it again."
    )


def protected() -> DocumentRefused:
    """The refusal of a file that only its password opens."""
    return DocumentRefused(
        "encrypted", "The document is protected by a password; save it without one."
    )
