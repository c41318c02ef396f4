"""The bytes of one document to its text, with a map of where each page starts and ends."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

from app.errors import DocumentRefused
from ingestion.formats.document import Block, Doubt, Extracted, Heading, Page, Scan
from ingestion.formats.limits import MAX_TEXT_CHARACTERS, too_long
from ingestion.formats.members import MAX_HEADING, Budget, member_blocks
from ingestion.formats.registry import parts_of
from ingestion.formats.sniff import detect_format
from ingestion.formats.text import one_line, tidy
from ingestion.formats.titles import told_apart

GAP = "\n\n"
MOST_TOLD = 5
"""Members that a refusal names."""


def extract(data: bytes, name: str) -> Extracted:
    """The text of a document; raises ``DocumentRefused`` with a reason code.

    ``name`` is the file's name: its ending must agree with the content, and its stem is the
    title of a document that states none.
    """
    format = detect_format(data, name)
    found = format.read(data)
    budget = Budget()
    text, placed = _assemble([*found.blocks, *member_blocks(found, budget)])
    held = tuple(
        replace(block.scan, at=at, level=block.level) for block, at, _ in placed if block.scan
    )
    if not text.strip() and not held:
        raise without_text(budget.left_out)
    return Extracted(
        title=_title(found.title, parts_of(name)[0], text),
        text=text,
        media_type=format.media_type,
        pages=_page_map(placed, found.pages),
        valid_until=_day(found.valid_until),
        headings=_headings(placed),
        doubts=_doubts(placed),
        left_out=tuple(budget.left_out),
        scans=tuple(found.scans),
        held=held,
        fronts=tuple(dict.fromkeys(budget.fronts)),
        sidecars=tuple(dict.fromkeys(budget.sidecars)),
    )


def without_text(left_out: Sequence[str]) -> DocumentRefused:
    """The refusal of a document in which there is no text; these of its members were not read."""
    if left_out:
        some = "; ".join(left_out[:MOST_TOLD])
        return DocumentRefused("empty", f"Nothing in it could be read: {some}.")
    return DocumentRefused(
        "empty",
        "No text was found. If this is a scan or an image of text, install tesseract here, or run "
        "text recognition on it first.",
    )


def assembled(
    blocks: Sequence[Block], pages: int, stem: str, media_type: str, heading: str
) -> Extracted:
    """A document of these blocks, all under one heading that is not in its text."""
    text, placed = _assemble(blocks)
    return Extracted(
        title=_title("", stem, text),
        text=text,
        media_type=media_type,
        pages=_page_map(placed, pages),
        headings=(Heading(1, heading, 0),),
        doubts=_doubts(placed),
    )


def _title(stated: str, stem: str, text: str) -> str:
    title = one_line(stated)
    return told_apart(title, stem, text) if title else one_line(stem) or "Untitled"


Placed = tuple[Block, int, int]
"""A block, and where its text starts and ends in the document's."""


def _assemble(blocks: Sequence[Block]) -> tuple[str, list[Placed]]:
    """The text of all blocks, and where each lies in it; empty ones are left out."""
    parts: list[str] = []
    placed: list[Placed] = []
    at = 0
    for block in blocks:
        text = tidy(block.text)
        if block.scan:
            placed.append((block, at, at))
        if not text.strip():
            continue
        if parts:
            parts.append(block.gap)
            at += len(block.gap)
        parts.append(text)
        placed.append((block, at, at + len(text)))
        at += len(text)
    if at > MAX_TEXT_CHARACTERS:
        raise too_long()
    return "".join(parts), placed


def _headings(placed: Sequence[Placed]) -> tuple[Heading, ...]:
    found = []
    for block, start, end in placed:
        if block.ends:
            found.append(Heading(block.ends, "", start))
        if block.level and end > start:
            found.append(Heading(block.level, one_line(block.text), start))
    return tuple(found)


def _doubts(placed: Sequence[Placed]) -> tuple[Doubt, ...]:
    return tuple(Doubt(start, end, block.doubt) for block, start, end in placed if block.doubt)


def _page_map(placed: Sequence[Placed], pages: int) -> tuple[Page, ...]:
    """Where each page starts and ends; those without text have no length."""
    bounds: dict[int, tuple[int, int]] = {}
    for block, start, end in placed:
        if block.page is not None:
            bounds[block.page] = (bounds.get(block.page, (start, end))[0], end)
    found, end = [], 0
    for number in range(1, pages + 1):
        start, end = bounds.get(number, (end, end))
        found.append(Page(number, start, end))
    return tuple(found)


def _day(stated: str | None) -> date | None:
    if stated is None:
        return None
    try:
        return date.fromisoformat(stated.strip())
    except ValueError as error:
        raise DocumentRefused(
            "bad_date", "valid_until is not a day such as 2026-12-31; correct it."
        ) from error


def inserted(found: Extracted, read: Mapping[int, Sequence[Block]], heading: str) -> Extracted:
    """The document with more text at the end of these pages, each under a heading of its own that
    is not in its text."""
    making = _Inserting(found.text, heading)
    for page in found.pages:
        making.take(page, read.get(page.number, ()))
    return making.made(replace(found, pages=tuple(making.pages), scans=()))


def with_members(
    found: Extracted, read: Sequence[tuple[Scan, Sequence[Block]]], heading: str
) -> Extracted:
    """The document with what was recognised of its members, in their order, each part under a
    heading that is not in its text."""
    making = _Inserting(found.text, heading)
    for scan, blocks in read:
        making.take_member(scan, blocks)
    return making.made(replace(found, held=()))


class _Inserting:
    """A text that more is put into, page by page; ``at`` is how far it was taken over."""

    def __init__(self, source: str, heading: str) -> None:
        self._source, self._heading = source, heading
        self._moves: list[tuple[int, int]] = []
        self.text, self.at = "", 0
        self.pages: list[Page] = []
        self.headings: list[Heading] = []
        self.doubts: list[Doubt] = []

    def take(self, page: Page, blocks: Sequence[Block]) -> None:
        """The next page, and what is to stand at its end."""
        self._take_over(page.end)
        start = len(self.text) - (page.end - page.start)
        new, placed = _assemble(blocks)
        if new:
            self.text += GAP if self.text else ""
            first = len(self.text)
            start = start if page.end > page.start else first
            self.text += new
            self._mark(start, first, placed)
        self.pages.append(Page(page.number, start, len(self.text)))

    def take_member(self, scan: Scan, blocks: Sequence[Block]) -> None:
        """The text before a member, and what was recognised of it."""
        new, placed = _assemble(blocks)
        if not new:
            return
        self._take_over(scan.at)
        title = f"{scan.title}{GAP}" if scan.title else ""
        self.text += GAP if self.text else ""
        start = len(self.text)
        self.text += title + new
        if title:
            self.headings.append(Heading(scan.level, scan.title, start))
        self._mark(start + len(title), start + len(title), placed)

    def made(self, found: Extracted) -> Extracted:
        """The document with all that was put in."""
        self._take_over(len(found.text))
        headings = [replace(one, start=self.moved(one.start)) for one in found.headings]
        doubts = [
            replace(one, start=self.moved(one.start), end=self.moved(one.end))
            for one in found.doubts
        ]
        return replace(
            found,
            text=self.text,
            headings=tuple(sorted([*headings, *self.headings], key=lambda one: one.start)),
            doubts=tuple(sorted([*doubts, *self.doubts], key=lambda one: one.start)),
        )

    def _take_over(self, end: int) -> None:
        own = self._source[self.at : end]
        self.text += GAP + own if own and self.text and not self.at else own
        self.at = end

    def _mark(self, start: int, first: int, placed: Sequence[Placed]) -> None:
        end = len(self.text)
        # A stamp stands under it as well: it may seem to be a heading of the text that it leads.
        self.headings += [Heading(MAX_HEADING, self._heading, start), Heading(MAX_HEADING, "", end)]
        for one in _doubts(placed):
            self.doubts.append(Doubt(first + one.start, first + one.end, one.reason))
        self._moves.append((self.at, end - self.at + (0 if self.at else len(GAP))))

    def moved(self, offset: int) -> int:
        """Where a place of the source is now; what was put before its first letter comes first."""
        before = [by for at, by in self._moves if at < max(offset, 1)]
        return offset + (before[-1] if before else 0)
