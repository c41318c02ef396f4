"""A page of a PDF as an image: drawn in the jail, kept in memory by content and page."""

import hashlib
import json
import struct
import sys
import threading
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

from app.errors import DocumentRefused, NotFound, Overloaded
from ingestion.formats.jail import run_jailed
from ingestion.formats.limits import MAX_DOCUMENT_BYTES, JailLimits, corrupt

WIDTH, HEIGHT = 1000, 1600
"""Most pixels of an image; the page is scaled to fit."""
MAX_IMAGE_BYTES = WIDTH * HEIGHT * 3 + 100_000
KEPT_BYTES = 32_000_000
WAIT_S = 20.0
"""How long a page waits for the one that is being drawn."""
LIMITS = JailLimits(cpu_s=20, memory_bytes=1024**3, wall_s=30.0)
PNG = b"\x89PNG\r\n\x1a\n"


class PageImages:
    """Draws one page at a time, and keeps what was drawn last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._lock, self._drawing = threading.Lock(), threading.Lock()

    def image(self, path: Path, sha256: str, page: int) -> bytes:
        """The page (from 1) as PNG, of the file with that content.

        Raises ``NotFound`` where the file is gone, has other content or no such page;
        ``DocumentRefused`` for a PDF that cannot be drawn; ``Overloaded``.
        """
        key = sha256, page
        if (found := self._look(key)) is not None:
            return found
        if not self._drawing.acquire(timeout=WAIT_S):
            raise Overloaded
        try:
            found = self._look(key)  # whoever waited may have waited for this very page
            if found is None:
                found = draw_jailed(path, sha256, page)
                self._keep(key, found)
            return found
        finally:
            self._drawing.release()

    def _look(self, key: tuple[str, int]) -> bytes | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _keep(self, key: tuple[str, int], image: bytes) -> None:
        with self._lock:
            self._kept[key] = image
            while sum(map(len, self._kept.values())) > KEPT_BYTES:
                self._kept.popitem(last=False)


def draw_jailed(path: Path, sha256: str, page: int) -> bytes:
    """``draw`` in a child process; what it says is believed only in the form of an image."""
    program = "from ingestion.formats import page_image; page_image.child_main(*sys.argv[3:])"
    try:
        run = run_jailed(program, [sha256, str(page)], path, LIMITS)
    except OSError as error:
        raise _gone() from error
    if run.status != 0:
        raise DocumentRefused("crashed", "This page could not be drawn within its limits.")
    if is_image(run.output):
        return run.output
    try:
        reply = json.loads(run.output)
        reason, message = str(reply["reason"]), str(reply["message"])
    except (ValueError, KeyError, TypeError) as error:
        raise corrupt() from error
    raise NotFound(message) if reason == "not_found" else DocumentRefused(reason, message)


def child_main(sha256: str, page: str) -> None:
    """In the child: reads the PDF from stdin, writes the image, or as JSON why there is none."""
    data = sys.stdin.buffer.read(MAX_DOCUMENT_BYTES + 1)
    try:
        if hashlib.sha256(data).hexdigest() != sha256:
            raise _gone()
        reply = draw(data, int(page))
    except DocumentRefused as refusal:
        reply = _reason(refusal.reason, refusal.message)
    except NotFound as missing:
        reply = _reason("not_found", missing.message)
    sys.stdout.buffer.write(reply)


def draw(data: bytes, number: int) -> bytes:
    """The page as PNG; raises ``NotFound`` for one that is not there, ``DocumentRefused``."""
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(data) as document:
            if not 1 <= number <= len(document):
                raise NotFound("The document has no such page.")
            if document.get_formtype():
                document.init_forms()
            return _drawn(document[number - 1])
    except pypdfium2.PdfiumError as error:
        raise corrupt() from error


def is_image(data: bytes) -> bool:
    """Whether the bytes are a PNG of the size that ``draw`` makes."""
    if len(data) > MAX_IMAGE_BYTES or not data.startswith(PNG) or data[12:16] != b"IHDR":
        return False
    width, height = struct.unpack(">II", data[16:24])
    return bool(1 <= width <= WIDTH and 1 <= height <= HEIGHT)


def _drawn(page: Any) -> bytes:
    width, height = page.get_size()
    if not (width > 0 and height > 0):
        raise corrupt()
    scale = min(WIDTH / width, HEIGHT / height)
    # An extreme strip of a page would be rounded to nothing, or up beyond the limits.
    if min(width, height) * scale < 1:
        raise corrupt()
    bitmap = page.render(scale=scale * 0.999, rev_byteorder=True, fill_color=(255, 255, 255, 255))
    rows, size = bytes(bitmap.buffer), bitmap.width * bitmap.n_channels
    lines = [rows[at : at + size] for at in range(0, bitmap.height * bitmap.stride, bitmap.stride)]
    return _png(bitmap.width, bitmap.height, bitmap.n_channels, lines)


def _png(width: int, height: int, channels: int, lines: list[bytes]) -> bytes:
    """RGB, RGBX or grey lines as PNG (RFC 2083), each line without a filter."""
    if channels == 4:  # the fourth byte of RGBX says nothing
        lines = [b"".join(line[at : at + 3] for at in range(0, len(line), 4)) for line in lines]
    colour = 0 if channels == 1 else 2
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + line for line in lines), 6)
    parts = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return PNG + b"".join(map(_chunk, parts))


def _chunk(part: tuple[bytes, bytes]) -> bytes:
    name, body = part
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _reason(reason: str, message: str) -> bytes:
    return json.dumps({"reason": reason, "message": message}).encode()


def _gone() -> NotFound:
    return NotFound("The file of this document is not there as it was read.")
