"""What an old Office file says of itself: the title among its properties (MS-OLEPS)."""

import struct

from ingestion.formats.charset import decode
from ingestion.formats.compound import Compound
from ingestion.formats.titles import is_garbage_title

STREAM = ("\x05SummaryInformation",)
SECTION_AT, MOST_PROPERTIES, MOST_BYTES = 44, 100, 2_000
CODE_PAGE, TITLE = 1, 2
BYTES_TEXT, WIDE_TEXT = 30, 31
UTF_8, UTF_16 = 65001, 1200


def title_of(file: Compound) -> str:
    """The title that its author gave it; empty where a program wrote it, or it is damaged."""
    try:
        stated = _title(file.read(STREAM))
    except (struct.error, IndexError, LookupError, UnicodeDecodeError):
        return ""
    return "" if is_garbage_title(stated) else stated


def _title(data: bytes) -> str:
    if len(data) < SECTION_AT + 4:
        return ""
    section = struct.unpack_from("<I", data, SECTION_AT)[0]
    count = struct.unpack_from("<I", data, section + 4)[0]
    places = {}
    for number in range(min(count, MOST_PROPERTIES)):
        key, offset = struct.unpack_from("<II", data, section + 8 + 8 * number)
        places[key] = section + offset
    if TITLE not in places:
        return ""
    page = struct.unpack_from("<H", data, places[CODE_PAGE] + 4)[0] if CODE_PAGE in places else 0
    kind, size = struct.unpack_from("<II", data, places[TITLE])
    text = data[places[TITLE] + 8 :][: min(size * (1 + (kind == WIDE_TEXT)), MOST_BYTES)]
    if kind == WIDE_TEXT or (kind == BYTES_TEXT and page == UTF_16):
        return text.decode("utf-16-le", "ignore").split("\0")[0]
    text = text.split(b"\0")[0]
    if kind != BYTES_TEXT:
        return ""
    name = "utf-8" if page == UTF_8 else f"cp{page}"
    return text.decode(name) if page else decode(text)
