"""Rich text: what it shows, without what is marked as hidden or deleted."""

import re

from ingestion.formats.document import Block, Read
from ingestion.formats.limits import corrupt

_UNSEEN = re.compile(
    r"\\(?:v|deleted)(?![a-z0-9])(.*?)(?=\\(?:v|deleted)0|\\plain(?![a-z])|[{}]|\Z)", re.DOTALL
)
_TITLE = re.compile(r"\{\\title\s+([^{}\\]{1,200})\}")


def read(data: bytes) -> Read:
    """The text with one blank line between paragraphs; notes and running lines are left out."""
    from striprtf.striprtf import rtf_to_text

    source = data.decode("latin-1")
    try:
        text = str(rtf_to_text(_UNSEEN.sub("", source), errors="replace"))  # type: ignore[no-untyped-call]
    except (ValueError, LookupError, IndexError, OverflowError) as error:
        raise corrupt() from error
    title = _TITLE.search(source)
    paragraphs = re.split(r"\n\s*\n|\n(?![^\n]*\|)", text)
    blocks = [Block(paragraph.replace("|\n", "\n").rstrip("|")) for paragraph in paragraphs]
    return Read(title[1].strip() if title else "", blocks)
