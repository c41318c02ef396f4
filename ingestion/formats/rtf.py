"""Rich text: what it shows, without what is marked as hidden, struck or deleted."""

import re
from collections.abc import Iterator

from ingestion.formats.delimited import grouped
from ingestion.formats.document import Block, Read
from ingestion.formats.limits import corrupt
from ingestion.formats.text import raised

_UNSEEN = re.compile(
    r"\\(?:v|deleted|striked?1?)(?![a-z0-9])(.*?)(?=\\(?:v|deleted|striked?)0|\\plain(?![a-z])|[{}]|\Z)",
    re.DOTALL,
)
_TITLE = re.compile(r"\{\\title\s+([^{}\\]{1,200})\}")
_NOTE = r"{\*\footnote"
_BRACE = re.compile(r"\\[{}\\]|[{}]")
_NO_TEXT = re.compile(r"\\(?:par|pard|chftn|super|nosupersub)\b ?")
_RAISED = re.compile(r"\{([^{}]*\\super(?![a-z])[^{}]*)\}")
_CODE = re.compile(r"\\[a-z]+-?\d* ?")
_BEGINS, _ENDS = "\\trowd", re.compile(r"(?<=\\row)(?![a-z])")
_EDGE = re.compile(r"\\cellx-?\d+")
_LAST_BREAK = re.compile(r"\\par\b(?=[}\s]*\\(?:nest)?cell\b)")
_CELL = re.compile(r"\\cell\b")
MERGED = "\ue000"
"""Stands in a cell that is one with the cell above it."""


def read(data: bytes) -> Read:
    """The text with one blank line between paragraphs; running lines are left out, and notes stand
    where they are cited."""
    from striprtf.striprtf import rtf_to_text

    source = data.decode("latin-1")
    try:
        shown = _with_notes(_RAISED.sub(_mark, _UNSEEN.sub("", source)))
        shown = "".join(map(_row, _ENDS.split(shown)))
        text = str(rtf_to_text(shown, errors="replace"))  # type: ignore[no-untyped-call]
    except (ValueError, LookupError, IndexError, OverflowError) as error:
        raise corrupt() from error
    title = _TITLE.search(source)
    paragraphs = re.split(r"\n\s*\n|\n(?![^\n]*\|)", text)
    blocks = [block for paragraph in paragraphs for block in _blocks(paragraph)]
    return Read(title[1].strip() if title else "", blocks)


def _with_notes(source: str) -> str:
    """The source with its notes in brackets within the text, where the parser would drop them."""
    parts, at = list[str](), 0
    while (start := source.find(_NOTE, at)) >= 0:
        end = _end_of_group(source, start)
        inner = _NO_TEXT.sub(" ", source[start + len(_NOTE) : end - 1])
        parts += [source[at:start], "{ (", inner.strip(), ")}"]
        at = end
    return "".join([*parts, source[at:]])


def _end_of_group(source: str, start: int) -> int:
    depth = 0
    for brace in _BRACE.finditer(source, start):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return brace.end()
    return len(source)


def _mark(match: re.Match[str]) -> str:
    """A raised number as raised digits, which melt into no number before them."""
    said = _CODE.sub("", match[1]).strip()
    if not said.isdecimal() or len(said) > 3:
        return match[0]
    return "{" + "".join(rf"\u{ord(one)}?" for one in raised(said, "")) + "}"


def _row(source: str) -> str:
    """What ends with a table's row, with that on one line; a cell that is one with the cell above
    it says so."""
    begins = source.rfind(_BEGINS)
    if begins < 0 or not source.endswith("\\row"):
        return source
    row = _LAST_BREAK.sub("", source[begins:])
    merged = iter([r"\clvmrg" in edge for edge in _EDGE.split(row)[:-1]])
    code = rf"\u{ord(MERGED) - 0x10000}?\cell"
    row = _CELL.sub(lambda one: code if next(merged, False) else one[0], row)
    return source[:begins] + row


def _blocks(paragraph: str) -> Iterator[Block]:
    """A paragraph, or the rows of a table."""
    lines = paragraph.split("\n")
    if not any(line.rstrip().endswith("|") for line in lines):
        yield Block(paragraph)
        return
    rows: list[str] = []
    above: list[str] = []
    for line in lines:
        cells = [cell.strip() for cell in line.rstrip().removesuffix("|").split("|")]
        same = [one == MERGED and at < len(above) for at, one in enumerate(cells)]
        cells = [above[at] if same[at] else one.replace(MERGED, "") for at, one in enumerate(cells)]
        rows.append(" | ".join(cells))
        above = cells
    yield from grouped(rows)
