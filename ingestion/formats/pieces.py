"""Paragraphs, items and rows of a text document to blocks: questions in bold, terms, lists."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from ingestion.formats.document import Block

MAX_HEADING, LONGEST_QUESTION = 6, 200
LIST, ROW, END, NOTE, TERM, TOLD = "List", "Row", "End", "Note", "Term", "Told"
TERMS = frozenset({"definition term", "definition term tight", "list heading"})
MEANINGS = frozenset({"definition", "list contents", "definition description"})
MEANINGS |= {"definition definition", "definition definition tight"}
"""Styles of description lists, as word processors and converters name them."""


@dataclass(frozen=True)
class Piece:
    """A paragraph, list item or table row; ``kind`` is one of those above or a style's name."""

    kind: str
    text: str
    level: int = 0
    doubt: str = ""
    asks: bool = False
    """Whether it is a question in bold: the heading of what follows."""


def kind_of(style: str) -> str:
    """The kind of a paragraph in a style of this name: a term, what is told of it, or the name."""
    name = style.lower()
    return TERM if name in TERMS else TOLD if name in MEANINGS else style


def is_question(text: str) -> bool:
    """Whether a line asks, and may head what follows."""
    return text.endswith("?") and 2 < len(text) <= LONGEST_QUESTION and "\n" not in text


def with_questions(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """The pieces, questions in bold with a level below that of the heading that they stand under,
    where something else follows."""
    last = 0
    for piece, after in zip_longest(pieces, pieces[1:], fillvalue=Piece(END, "")):
        if piece.asks and after.text and not after.asks and not after.level:
            yield replace(piece, level=min(last + 1, MAX_HEADING))
        else:
            yield piece
        last = piece.level or last


def joined(pieces: Sequence[Piece]) -> Iterator[Block]:
    """The blocks; a term stands on the line of the first thing that is told of it."""
    last, above = "", ""
    for piece in pieces:
        if piece.text:
            gap = _gap(piece.kind, last, above)
            yield Block(piece.text, gap=gap, level=piece.level, doubt=piece.doubt)
            above = piece.text
        last = piece.kind


def _gap(kind: str, last: str, above: str) -> str:
    if (last, kind) == (TERM, TOLD):
        return "\n" if above[-1:] in ".:;?!" else ": "
    close = kind == last and kind in (LIST, ROW)
    entries = {kind, last} <= {TERM, TOLD}
    return "\n" if close or entries or kind == NOTE else "\n\n"
