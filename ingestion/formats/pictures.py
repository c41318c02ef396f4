"""Images as documents: what kind, size and how many pages their content says, read by bytes alone.

Their text is recognised behind the walls, as that of a scan (``recognition``).
"""

import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from app.errors import DocumentRefused
from ingestion.formats.document import Read
from ingestion.formats.limits import MAX_DOCUMENT_BYTES, corrupt

PNG, JPEG, TIFF, WEBP = "image/png", "image/jpeg", "image/tiff", "image/webp"
MARKS = {b"\x89PNG\r\n\x1a\n": PNG, b"\xff\xd8\xff": JPEG, b"II*\0": TIFF, b"MM\0*": TIFF}
RIFF, WEBP_AT, NEEDED = b"RIFF", 8, 16
"""How WebP begins, where it says that it is, and the bytes that tell all kinds."""
MOST_PIXELS = 80_000_000
"""Beyond it text recognition would need more memory than it is given."""
LEAST_WIDTH, LEAST_HEIGHT = 40, 12
"""Pixels; smaller images are dots and lines, and hold no text."""
MOST_PAGES, MOST_TAGS, MOST_SEGMENTS = 501, 1_000, 10_000
AS_IT_IS = b"as it is"
"""What the child says of a page that needs no turning."""
POINTS_A_PIXEL = 72 / 300
TURNS = {3: 180, 6: 90, 8: 270}
"""Clockwise degrees by the orientation that a camera states."""


@dataclass(frozen=True)
class Page:
    """Pixels of one page; ``turned`` is the orientation that is stated, 1 for upright."""

    width: int
    height: int
    turned: int = 1


def kind_of(data: bytes) -> str:
    """The media type that the first bytes show; empty for what is no image that can be read."""
    if data.startswith(RIFF) and data[WEBP_AT:].startswith(b"WEBP"):
        return WEBP
    return next((kind for mark, kind in MARKS.items() if data.startswith(mark)), "")


def read(data: bytes) -> Read:
    """An image has no text of its own; raises ``DocumentRefused`` for one that is too large."""
    return Read("", [], pages=len(pages_of(data)))


def pages_of(data: bytes) -> list[Page]:
    """The pages of an image; raises ``DocumentRefused``: ``corrupt``, ``empty``, ``too_large``."""
    readers = {PNG: _png, JPEG: _jpeg, TIFF: _tiff, WEBP: _webp}
    try:
        found = list(readers[kind_of(data)](data))
    except (KeyError, IndexError, struct.error, ValueError) as error:
        raise corrupt() from error
    if not found or any(min(page.width, page.height) < 1 for page in found):
        raise corrupt()
    if any(page.width * page.height > MOST_PIXELS for page in found):
        raise DocumentRefused(
            "too_large", "The image has more than 80 million pixels; save it in a smaller size."
        )
    if all(page.width < LEAST_WIDTH or page.height < LEAST_HEIGHT for page in found):
        raise DocumentRefused("empty", "The image is too small to hold text.")
    return found


def child_main(page: str) -> None:
    """In the child: reads the image from stdin; writes nothing where there is no such page (from
    1), that page upright as PGM where its camera was turned, else that it can be read as it is."""
    data = sys.stdin.buffer.read(MAX_DOCUMENT_BYTES + 1)
    found = pages_of(data)[int(page) - 1 : int(page)]
    if found:
        degrees = TURNS.get(found[0].turned)
        sys.stdout.buffer.write(_upright(data, found[0], degrees) if degrees else AS_IT_IS)


def _upright(data: bytes, shape: Page, degrees: int) -> bytes:
    import io

    import pypdfium2

    from ingestion.formats.scan import drawn

    width, height = shape.width * POINTS_A_PIXEL, shape.height * POINTS_A_PIXEL
    document = pypdfium2.PdfDocument.new()
    page, image = document.new_page(width, height), pypdfium2.PdfImage.new(document)
    image.load_jpeg(io.BytesIO(data), inline=True)
    image.set_matrix(pypdfium2.PdfMatrix().scale(width, height))
    page.insert_obj(image)
    page.gen_content()
    page.set_rotation(degrees)
    return drawn(page)


# --- What each kind says of its size ---------------------------------------------------------


def _png(data: bytes) -> Iterator[Page]:
    if data[12:16] != b"IHDR":
        raise ValueError
    yield Page(*struct.unpack_from(">II", data, 16))


def _webp(data: bytes) -> Iterator[Page]:
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    elif kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = (one & 0x3FFF for one in struct.unpack_from("<HH", data, 26))
    else:
        raise ValueError
    yield Page(width, height)


SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The markers of JPEG that state a size."""
ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length."""
EXIF, APP1 = b"Exif\0\0", 0xE1


def _jpeg(data: bytes) -> Iterator[Page]:
    at, turned = 2, 1
    for _ in range(MOST_SEGMENTS):
        if data[at] != 0xFF:
            raise ValueError
        marker = data[at + 1]
        if marker == 0xFF or marker in ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        (size,) = struct.unpack_from(">H", data, at + 2)
        body = data[at + 4 : at + 2 + size]
        if marker in SOF:
            height, width = struct.unpack_from(">HH", body, 1)
            yield Page(width, height, turned)
            return
        if marker == APP1 and body.startswith(EXIF):
            turned = _orientation(body[len(EXIF) :])
        at += 2 + size
    raise ValueError


def _orientation(exif: bytes) -> int:
    """What a camera states; 1 where it says nothing that can be read."""
    try:
        first = next(_directories(exif), {})
    except (struct.error, ValueError):
        return 1
    return first.get(ORIENTATION, 1)


WIDTH, HEIGHT, ORIENTATION = 256, 257, 274
SHORT, LONG = 3, 4


def _tiff(data: bytes) -> Iterator[Page]:
    for tags in _directories(data):
        yield Page(tags[WIDTH], tags[HEIGHT])


def _directories(data: bytes) -> Iterator[dict[int, int]]:
    """The tags of each page of a TIFF file that hold one number."""
    order = "<" if data.startswith(b"II") else ">"
    (at,) = struct.unpack_from(f"{order}I", data, 4)
    seen: set[int] = set()
    while at and at not in seen and len(seen) < MOST_PAGES:
        seen.add(at)
        (count,) = struct.unpack_from(f"{order}H", data, at)
        if count > MOST_TAGS:
            raise ValueError
        tags: dict[int, int] = {}
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            tag, kind, _ = struct.unpack_from(f"{order}HHI", data, entry)
            if kind in (SHORT, LONG):
                form = "H" if kind == SHORT else "I"
                (tags[tag],) = struct.unpack_from(order + form, data, entry + 8)
        yield tags
        (at,) = struct.unpack_from(f"{order}I", data, at + 2 + 12 * count)
