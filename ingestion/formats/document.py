"""What a reader makes of a document: its text in blocks, and where pages start and end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Block:
    """A run of text as a reader found it; ``gap`` stands between it and the block before.

    ``page`` counts from 1, None in formats without pages.
    """

    text: str
    page: int | None = None
    gap: str = "\n\n"


@dataclass(frozen=True)
class Read:
    """What one format's reader returns; ``title`` is empty when the document states none.

    ``valid_until`` is what the document says of its last valid day, as written.
    ``pages`` is how many there are, 0 for formats without pages.
    """

    title: str
    blocks: Sequence[Block]
    valid_until: str | None = None
    pages: int = 0


@dataclass(frozen=True)
class Page:
    """One page; ``start``/``end`` are offsets in the document's text, ``number`` counts from 1."""

    number: int
    start: int
    end: int


@dataclass(frozen=True)
class Extracted:
    """A document's text. ``pages`` is empty for formats without pages.

    ``valid_until`` is the last valid day that the document states, None when it states none.
    """

    title: str
    text: str
    media_type: str
    pages: tuple[Page, ...]
    valid_until: date | None = None
