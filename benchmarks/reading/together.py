"""Does what belongs together in documents of every day still stand together when it was read?"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tokenizers import Tokenizer

from app.errors import DocumentRefused
from guardrails.contract import sentence_bounds
from ingestion.chunk import Cut, cut_passages
from ingestion.formats.extract import extract
from ingestion.formats.text import RAISED_DIGITS

FOLDER = Path(__file__).parent / "everyday"
"""The documents, as page builders, wikis, word processors, spreadsheets and mail programs write
them; ``pairs.json`` says what a reader of each finds."""


@dataclass(frozen=True)
class Everyday:
    """A document as offices, shops and clubs write them, and what a reader of it finds.

    ``pairs`` are (label, value) that stand on one line or in one sentence, or the value stands
    under the label as its heading; of three, (row, column, value), the value also stands below
    the name of its column. ``hidden`` is what nobody sees.
    """

    name: str
    data: bytes
    pairs: tuple[tuple[str, ...], ...]
    hidden: tuple[str, ...]


def everyday(which: Literal["first", "second"]) -> list[Everyday]:
    """The documents of one set; readers were written by the first one, and the second came after.

    Raises ``OSError`` where the folder or a document of it is not there.
    """
    listed = json.loads((FOLDER / "pairs.json").read_text("utf-8"))[which]
    return [
        Everyday(
            name,
            (FOLDER / name).read_bytes(),
            tuple(map(tuple, said["pairs"])),
            tuple(said.get("hidden", ())),
        )
        for name, said in listed.items()
    ]


def measure_together(
    documents: Sequence[Everyday], tokenizer: Tokenizer, passage_tokens: int
) -> dict[str, Any]:
    """Pairs found together, and hidden text that was stored, of these documents."""
    missing, shown, pairs = [], [], 0
    for one in documents:
        try:
            cuts = cut_passages(extract(one.data, one.name), tokenizer, passage_tokens)
        except DocumentRefused:
            cuts = []
        pairs += len(one.pairs)
        missing += [[one.name, *pair] for pair in one.pairs if not stand_together(cuts, pair)]
        plain = [cut.text for cut in cuts if not cut.doubt]
        shown += [[one.name, said] for said in one.hidden if any(said in text for text in plain)]
    right = pairs - len(missing)
    return {
        "documents": len(documents),
        "pairs": pairs,
        "right": right,
        "missing": missing,
        "shown": shown,
    }


def stand_together(cuts: Sequence[Cut], pair: Sequence[str]) -> bool:
    """Whether a label and its value stand on one line, in one sentence, or the value stands under
    the label; with a column's name between them, also whether it stands below that."""
    label, value = pair[0], pair[-1]
    for cut in cuts:
        lines = cut.text.split("\n")
        sentences = [cut.text[start:end] for start, end in sentence_bounds(cut.text)]
        near = any(_holds(text, label) and _holds(text, value) for text in lines + sentences)
        headed = any(_holds(one, label) for one in cut.headings) and _holds(cut.text, value)
        if (near or headed) and (len(pair) == 2 or _below(lines, *pair)):
            return True
    return False


def _below(lines: Sequence[str], label: str, column: str, value: str) -> bool:
    rows = [[cell.strip() for cell in line.split(" | ")] for line in lines]
    for at, row in enumerate(rows):
        if not _holds(" | ".join(row), label) or _holds(" | ".join(row), column):
            continue
        places = [i for i, cell in enumerate(row) if _holds(cell, value)]
        if any(i < len(head) and _holds(head[i], column) for head in rows[:at] for i in places):
            return True
        # A cell may say the name of its column itself.
    return any(_holds(line, f"{column}: {value}") and _holds(line, label) for line in lines)


def _holds(text: str, wanted: str) -> bool:
    words = r"\s+".join(map(re.escape, wanted.split()))
    return (
        re.search(
            rf"(?<![^\W{RAISED_DIGITS}]){words}(?![^\W{RAISED_DIGITS}])"
            if wanted[:1].isalnum()
            else words,
            text,
        )
        is not None
    )
