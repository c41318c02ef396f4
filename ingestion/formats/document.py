"""What a reader makes of a document: its text in blocks, headings, and where pages lie."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from app.errors import DocumentRefused


@dataclass(frozen=True)
class Block:
    """A run of text as a reader found it; ``gap`` stands between it and the block before.

    ``page`` counts from 1, None in formats without pages. ``level`` is that of a heading, 0 for
    other text. ``doubt`` says why people may not see the text, empty when they do. ``ends`` is the
    highest level of the headings that it no longer stands under, 0 where only headings end them.
    ``scan`` is what is still to be recognised and belongs here, in place of text.
    """

    text: str
    page: int | None = None
    gap: str = "\n\n"
    level: int = 0
    doubt: str = ""
    ends: int = 0
    scan: "Scan | None" = None


@dataclass(frozen=True)
class Scan:
    """Pages of a PDF within a document that are images of text.

    ``trail`` is the number of the member, from 0, at each level that it stands in. ``title`` is
    the heading of one of which no page has text; ``level`` is that of it, 0 for another one.
    ``at`` is where in the document's text it belongs.
    """

    name: str
    trail: tuple[int, ...]
    pages: tuple[int, ...]
    title: str = ""
    level: int = 0
    at: int = 0


@dataclass(frozen=True)
class Read:
    """What one format's reader returns; ``title`` is empty when the document states none.

    ``valid_until`` is what the document says of its last valid day, as written.
    ``pages`` is how many there are, 0 for formats without pages. ``members`` are the documents
    that this one holds: (name, content, or why it cannot be had). ``scans`` are the numbers of the
    pages that are images of text, of which nothing, or only what is printed over them, was read.
    ``front`` is its front matter as written, which is no part of its text.
    """

    title: str
    blocks: Sequence[Block]
    valid_until: str | None = None
    pages: int = 0
    members: Iterable[tuple[str, bytes | DocumentRefused]] = ()
    scans: Sequence[int] = ()
    front: str = ""


@dataclass(frozen=True)
class Page:
    """One page; ``start``/``end`` are offsets in the document's text, ``number`` counts from 1."""

    number: int
    start: int
    end: int


@dataclass(frozen=True)
class Heading:
    """A heading of ``level`` 1 to 6; ``start`` is its offset in the document's text.

    One without ``text`` only ends those of its level and below.
    """

    level: int
    text: str
    start: int


@dataclass(frozen=True)
class Doubt:
    """Text from ``start`` to ``end`` that people may not see, and why."""

    start: int
    end: int
    reason: str


@dataclass(frozen=True)
class Extracted:
    """A document's text. ``pages`` is empty for formats without pages.

    ``valid_until`` is the last valid day that the document states, None when it states none.
    ``headings`` and ``doubts`` are in the order of the text. ``left_out`` names the members and
    the pages that could not be read, each with the reason. ``scans`` are the numbers of the pages
    that are images of text and are still to be recognised, in their order; ``held`` are those of
    documents within it. ``fronts`` and ``sidecars`` are what is said of documents within it, as
    written: their front matter, and the files that speak of one of them.
    """

    title: str
    text: str
    media_type: str
    pages: tuple[Page, ...]
    valid_until: date | None = None
    headings: tuple[Heading, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    left_out: tuple[str, ...] = ()
    scans: tuple[int, ...] = ()
    held: tuple[Scan, ...] = ()
    fronts: tuple[str, ...] = ()
    sidecars: tuple[str, ...] = ()
