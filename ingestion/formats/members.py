"""The documents that another one holds, as its sections: members of archives, attachments."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from app.errors import DocumentRefused
from ingestion.formats.document import Block, Read
from ingestion.formats.limits import MAX_INFLATED_BYTES
from ingestion.formats.sniff import detect_format

MAX_DEPTH = 2
"""How deep documents may stand in documents."""
MAX_HEADING = 6


@dataclass
class Budget:
    """Bytes of members that may still be read, over all levels."""

    left: int = MAX_INFLATED_BYTES

    def spend(self, size: int) -> None:
        """Raises ``DocumentRefused`` once all together is too much."""
        self.left -= size
        if self.left < 0:
            raise DocumentRefused(
                "zip_bomb", "The document unpacks to more than 200 MB; remove large embedded files."
            )


def member_blocks(outer: Read, budget: Budget, depth: int = 1) -> Iterator[Block]:
    """The blocks of each member that can be read, under its title or name; others are left out."""
    for name, data in outer.members:
        if depth > MAX_DEPTH:
            raise DocumentRefused("zip_bomb", "Archives are nested too deeply; unpack them first.")
        budget.spend(len(data))
        if data and not _is_junk(name):
            yield from _member(name, data, budget, depth)


def _member(name: str, data: bytes, budget: Budget, depth: int) -> Iterator[Block]:
    try:
        found = detect_format(data, name).read(data)
        blocks = [*found.blocks, *member_blocks(found, budget, depth + 1)]
    except DocumentRefused as refused:
        if refused.reason == "zip_bomb":
            raise
        return
    said = [block for block in blocks if block.text.strip()]
    if said:
        yield Block(found.title or PurePosixPath(name).name, level=1)
    for block in said:
        # The pages of one member are not those of the whole.
        level = min(block.level + 1, MAX_HEADING) if block.level else 0
        yield replace(block, page=None, level=level)


def _is_junk(name: str) -> bool:
    """Whether a program put it there and no author; ".." is only part of a name here."""
    parts = [part for part in PurePosixPath(name).parts if part != ".."]
    return any(part.startswith((".", "__MACOSX")) for part in parts)
