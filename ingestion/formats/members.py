"""The documents that another one holds, as its sections: members of archives, attachments."""

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import PurePosixPath

from app.errors import DocumentRefused
from ingestion.formats.document import Block, Read, Scan
from ingestion.formats.limits import (
    MAX_DOCUMENT_BYTES,
    MAX_INFLATED_BYTES,
    MAX_TEXT_CHARACTERS,
    too_long,
)
from ingestion.formats.registry import spoken_of
from ingestion.formats.sniff import detect_format
from ingestion.formats.text import one_line

MAX_DEPTH = 3
"""How deep documents may stand in documents."""
MAX_HEADING = 6
MOST_LEFT_OUT, MAX_NAME = 100, 200
"""Members that are named, and characters of a name."""


@dataclass
class Budget:
    """Bytes of members that may still be read, over all levels, characters of text that they may
    still hold, the members left out, and what is said of the others beside their text."""

    left: int = MAX_INFLATED_BYTES
    characters: int = MAX_TEXT_CHARACTERS
    left_out: list[str] = field(default_factory=list)
    fronts: list[str] = field(default_factory=list)
    sidecars: list[str] = field(default_factory=list)

    def spend(self, size: int) -> None:
        """Raises ``DocumentRefused`` once all together is too much."""
        self.left -= size
        if self.left < 0:
            raise DocumentRefused(
                "zip_bomb", "The document unpacks to more than 200 MB; remove large embedded files."
            )

    def spend_text(self, texts: Iterable[str]) -> None:
        """Raises ``DocumentRefused`` once the text of all together is too long."""
        self.characters -= sum(map(len, texts))
        if self.characters < 0:
            raise too_long()

    def hear(self, sidecars: Mapping[str, bytes], names: Collection[str]) -> None:
        """Keep the sidecars of these members, by the names that they speak of."""
        for name, data in sidecars.items():
            if name in names:
                text = data.decode("utf-8-sig", "replace")
                self.spend_text([text])
                self.sidecars.append(text)

    def leave_out(self, name: str, reason: str) -> None:
        """Note a member that could not be read."""
        if len(self.left_out) < MOST_LEFT_OUT:
            self.left_out.append(f"{one_line(name)[:MAX_NAME]}: {reason}")


def member_blocks(outer: Read, budget: Budget, depth: int = 1) -> Iterator[Block]:
    """The blocks of each member that can be read, under its title or name; the budget notes the
    others with their reasons, and what is said of them."""
    names: set[str] = set()
    sidecars: dict[str, bytes] = {}
    for number, (name, data) in enumerate(outer.members):
        if depth > MAX_DEPTH:
            raise DocumentRefused("zip_bomb", "Archives are nested too deeply; unpack them first.")
        if _is_junk(name):
            continue
        try:
            if isinstance(data, DocumentRefused):
                raise data
            budget.spend(len(data))
            if (of := spoken_of(name)) is not None:
                sidecars[of] = data
                continue
            names.add(name)
            for block in _member(name, data, budget, depth):
                scan = block.scan and replace(block.scan, trail=(number, *block.scan.trail))
                yield replace(block, scan=scan)
        except DocumentRefused as refused:
            if refused.reason == "zip_bomb" or budget.characters < 0:
                raise
            budget.leave_out(name, refused.reason)
    budget.hear(sidecars, names)


def _member(name: str, data: bytes, budget: Budget, depth: int) -> Iterator[Block]:
    found = detect_format(data, name).read(data)
    budget.spend_text([found.front, *(block.text for block in found.blocks)])
    if found.front:
        budget.fronts.append(found.front)
    blocks = [*found.blocks, *member_blocks(found, budget, depth + 1)]
    said = [block for block in blocks if block.text.strip() or block.scan]
    title = PurePosixPath(name).name
    if not said and found.pages:
        every = tuple(range(1, found.pages + 1))
        yield Block("", level=1, scan=Scan(name, (), every, one_line(title)))
        return
    if not said:
        raise DocumentRefused("empty", "No text was found.")
    if found.scans:
        said.append(Block("", scan=Scan(name, (), tuple(found.scans))))
    if any(block.text.strip() for block in said):
        heading = found.title or title
        yield Block(heading, level=1)
        if said[0].level and one_line(said[0].text) == one_line(heading):
            del said[0]
    for block in said:
        # The pages of one member are not those of the whole.
        level = min(block.level + 1, MAX_HEADING) if block.level else 0
        yield replace(block, page=None, level=level)


def child_main(name: str, *trail: str) -> None:
    """In the child: reads a document from stdin, writes the member that the trail leads to."""
    data = sys.stdin.buffer.read(MAX_DOCUMENT_BYTES + 1)
    for number in map(int, trail):
        members = detect_format(data, name).read(data).members
        name, found = next(islice(members, number, None))
        if isinstance(found, DocumentRefused):
            raise found
        data = found
    sys.stdout.buffer.write(data)


def pages_named(pages: Sequence[int]) -> str:
    """Numbers of pages for people: ``pages 2, 4-6``."""
    runs: list[list[int]] = []
    for page in pages:
        if runs and page == runs[-1][-1] + 1:
            runs[-1][1:] = [page]
        else:
            runs.append([page])
    said = ", ".join("-".join(map(str, run)) for run in runs)
    return f"{'pages' if len(pages) > 1 else 'page'} {said}"


def _is_junk(name: str) -> bool:
    """Whether a program put it there and no author; ".." is only part of a name here."""
    parts = [part for part in PurePosixPath(name).parts if part != ".."]
    return any(part.startswith((".", "__MACOSX")) for part in parts)
