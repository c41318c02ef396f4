"""Plain text: its encoding, and the characters that people can see."""

import codecs
import re
import unicodedata

from app.errors import DocumentRefused
from ingestion.formats.document import Block, Read

# Text that people cannot see but models read: zero-width and bidirectional controls, tag
# characters, variation selectors, filler letters; also lone surrogates and non-characters.
INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e0fff]"
)
LINE_BREAK = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
WIDE_SPACE = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")
LIGATURE = re.compile("[\ufb00-\ufb06]")


def tidy(text: str) -> str:
    """Visible characters only, composed (NFC), with ``\\n`` ends and at most one blank line."""
    text = LINE_BREAK.sub("\n", unicodedata.normalize("NFC", text))
    text = WIDE_SPACE.sub(" ", INVISIBLE.sub("", text))
    text = LIGATURE.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    text = re.sub(r"[ \t]+(?=\n|\Z)", "", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


def decode(data: bytes) -> str:
    """Text of unknown encoding: UTF-8, UTF-16 with its mark, else Windows-1252 if plausible."""
    try:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text = data.decode("utf-16")
        else:
            text = data.decode("utf-8-sig")
        plausible = "\x00" not in text
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
        plausible = not re.search("[\x00-\x08\x0e-\x1f\x7f\ufffd]", text)
        plausible = plausible and not _declares_other_charset(data)
    if not plausible:
        raise DocumentRefused("not_text", "The file is not readable text; save it as UTF-8.")
    return text


def _declares_other_charset(data: bytes) -> bool:
    found = re.search(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w-]+)", data[:2048], re.IGNORECASE)
    known = (b"utf-8", b"iso-8859-1", b"windows-1252", b"latin1", b"us-ascii")
    return found is not None and found[1].lower() not in known


def one_line(text: str) -> str:
    """The text as a title: one tidy line of at most 200 characters."""
    return " ".join(tidy(text).split())[:200].strip()


def read(data: bytes) -> Read:
    """The decoded text, one block."""
    return Read("", [Block(decode(data))])
