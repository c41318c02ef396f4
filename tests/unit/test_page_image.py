"""A page of a PDF as an image: what is drawn, and that hostile files fail cleanly."""

import hashlib
import struct
import zlib
from pathlib import Path

import pytest

from app.errors import CountersignError, DocumentRefused, NotFound
from ingestion.formats import page_image
from ingestion.formats.jail import JailRun
from ingestion.formats.page_image import HEIGHT, WIDTH, PageImages, draw, is_image
from tests.unit import sample_documents as samples

TWO_PAGES = samples.pdf([["Page one."], []])


def pdf_of(box: str, content: bytes = b"") -> bytes:
    """A PDF of one page with that MediaBox, without a table of objects: readers rebuild it."""
    body = b"<< /Length %d >> stream\n%s\nendstream" % (len(content), content)
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox {box} /Contents 4 0 R >>".encode(),
        body,
    )
    parts = [b"%d 0 obj %s endobj\n" % (n, one) for n, one in enumerate(objects, 1)]
    return b"%PDF-1.7\n" + b"".join(parts) + b"trailer << /Root 1 0 R /Size 5 >>\n%%EOF"


def pixels(image: bytes) -> tuple[int, int, bytes]:
    """Width, height and the grey or coloured bytes of a PNG without filters."""
    width, height, _depth, colour = struct.unpack(">IIBB", image[16:26])
    at, body = 8, b""
    while at < len(image):
        (size,) = struct.unpack(">I", image[at : at + 4])
        name, data = image[at + 4 : at + 8], image[at + 8 : at + 8 + size]
        (crc,) = struct.unpack(">I", image[at + 8 + size : at + 12 + size])
        assert zlib.crc32(name + data) == crc
        body += data if name == b"IDAT" else b""
        at += 12 + size
    rows, step = zlib.decompress(body), width * (3 if colour == 2 else 1) + 1
    assert len(rows) == step * height and set(rows[::step]) == {0}
    return width, height, rows


def test_a_page_is_drawn_as_it_looks() -> None:
    first, second = draw(TWO_PAGES, 1), draw(TWO_PAGES, 2)
    width, height, inked = pixels(first)
    assert WIDTH * 0.95 < width <= WIDTH and height <= HEIGHT and is_image(first)
    assert 1.3 < height / width < 1.5  # A4
    _, _, blank = pixels(second)
    assert min(inked[1:]) == 0 and blank.replace(b"\0", b"").strip(b"\xff") == b""
    red = draw(pdf_of("[0 0 100 50]", b"1 0 0 rg 0 0 100 50 re f"), 1)
    assert pixels(red)[2][1:4] == b"\xff\0\0"  # red first: not blue first


@pytest.mark.parametrize(
    ("data", "page", "error"),
    [
        (TWO_PAGES, 3, NotFound),
        (TWO_PAGES, 0, NotFound),
        (TWO_PAGES[:200], 1, DocumentRefused),
        (b"%PDF-1.7\n" + bytes(range(256)) * 8, 1, DocumentRefused),
        (samples.pdf([["Secret."]], password="x"), 1, DocumentRefused),
        (pdf_of("[0 0 1 90000000]"), 1, DocumentRefused),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    data: bytes, page: int, error: type[CountersignError]
) -> None:
    with pytest.raises(error):
        draw(data, page)


@pytest.mark.parametrize("box", ["[0 0 1e9 1e9]", "[0 0 0 0]", "[9 9 1 1]", "[0 0 0.01 0.01]"])
def test_a_page_of_any_size_makes_an_image_of_usual_size(box: str) -> None:
    assert is_image(draw(pdf_of(box), 1))


def test_in_the_jail_the_same_is_drawn_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, images = tmp_path / "stored", PageImages()
    path.write_bytes(TWO_PAGES)
    sha256 = hashlib.sha256(TWO_PAGES).hexdigest()
    drawn = images.image(path, sha256, 1)
    assert drawn == draw(TWO_PAGES, 1)
    with pytest.raises(NotFound):  # the file is another one by now
        images.image(path, "0" * 64, 1)
    path.unlink()
    assert images.image(path, sha256, 1) == drawn
    with pytest.raises(NotFound):
        images.image(path, sha256, 2)
    monkeypatch.setattr(page_image, "KEPT_BYTES", 1)
    images._keep(("another", 1), drawn)
    with pytest.raises(NotFound):  # it was kept no longer
        images.image(path, sha256, 1)


@pytest.mark.parametrize("output", [b"", b"{}", b"\x89PNG\r\n\x1a\n", page_image.PNG + b"\0" * 99])
def test_what_a_taken_over_child_says_is_no_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: bytes
) -> None:
    run = JailRun(0, output, frozenset())
    monkeypatch.setattr(page_image, "run_jailed", lambda *_: run)
    with pytest.raises(DocumentRefused):
        page_image.draw_jailed(tmp_path / "x", "0" * 64, 1)
