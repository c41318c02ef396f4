"""Images as documents: told by their content, bounded in size, read by tesseract behind walls."""

import io
import struct
import zipfile
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image

from app.corpus.scans import installed
from app.errors import DocumentRefused
from ingestion.formats import pictures, recognition
from ingestion.formats.extract import extract
from ingestion.formats.jail import extract_jailed
from ingestion.formats.pictures import kind_of, pages_of
from ingestion.formats.recognition import MARK, completed, recognised
from tests.effort import cpu_within
from tests.unit import sample_documents as samples

SAID = "The excess for storm damage is 250 pounds."
OTHER = "Claims are settled within 14 days."
KINDS = {"PNG": pictures.PNG, "JPEG": pictures.JPEG, "TIFF": pictures.TIFF, "WEBP": pictures.WEBP}
ORIENTATION = 0x0112
EMPTY = DocumentRefused("empty", "No text was found.")


def page(said: str) -> Image.Image:
    with pypdfium2.PdfDocument(samples.pdf([[said]])) as printed:
        image = printed[0].render(scale=150 / 72).to_pil()
    assert isinstance(image, Image.Image)
    return image.convert("RGB")


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    found = io.BytesIO()
    image.save(found, kind, **options)
    return found.getvalue()


def read(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(DocumentRefused) as caught:
        extract_jailed(path, path.name)
    assert caught.value.reason == "empty"
    return recognised(path, path.name, "eng", caught.value).text


@pytest.fixture
def tesseract() -> None:
    if installed() is None:
        pytest.skip("tesseract is not installed")


@pytest.mark.usefixtures("tesseract")
@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_read_whatever_its_name_says(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("photo.png" if kind != "PNG" else "photo.txt")
    path.write_bytes(saved(page(SAID), kind))
    found = recognised(path, path.name, "eng", EMPTY)
    assert (found.text, found.media_type, found.title) == (SAID, KINDS[kind], "photo")
    assert [heading.text for heading in found.headings] == [MARK] and found.pages == ()


@pytest.mark.usefixtures("tesseract")
@pytest.mark.parametrize(("stated", "turn"), [(3, 180), (6, 90), (8, 270)])
def test_a_photo_is_read_as_its_camera_was_held(tmp_path: Path, stated: int, turn: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = stated
    data = saved(page(SAID).rotate(turn, expand=True), "JPEG", exif=exif)
    assert pages_of(data)[0].turned == stated
    assert read(tmp_path / "photo.jpg", data) == SAID


@pytest.mark.usefixtures("tesseract")
def test_all_pages_of_a_fax_are_read_in_their_order(tmp_path: Path) -> None:
    data = saved(page(SAID), "TIFF", save_all=True, append_images=[page(OTHER)])
    assert len(pages_of(data)) == 2
    assert read(tmp_path / "fax.tiff", data) == f"{SAID}\n\n{OTHER}"


@pytest.mark.usefixtures("tesseract")
def test_images_within_an_archive_are_read_in_their_places(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "Before.")
        archive.writestr("scan.png", saved(page(SAID), "PNG"))
        archive.writestr("dot.png", saved(Image.new("L", (16, 16)), "PNG"))
    found = completed(path, path.name, extract_jailed(path, path.name), "eng")
    assert "Before." in found.text and found.text.endswith(f"scan.png\n\n{SAID}")
    assert found.left_out == ("dot.png: empty",)


def test_without_tesseract_the_reason_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognition, "installed", lambda: None)
    path = tmp_path / "photo.png"
    path.write_bytes(saved(page(SAID), "PNG"))
    with pytest.raises(DocumentRefused, match="install tesseract") as caught:
        extract_jailed(path, path.name)
    with pytest.raises(DocumentRefused) as again:
        recognised(path, path.name, "eng", caught.value)
    assert again.value is caught.value


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_are_told_without_the_pixels(kind: str) -> None:
    data = saved(Image.new("RGB", (640, 48)), kind)
    assert kind_of(data) == KINDS[kind]
    assert [(one.width, one.height) for one in pages_of(data)] == [(640, 48)]
    if kind == "WEBP":
        for options in ({"lossless": True}, {"exif": b"Exif\0\0II*\0"}):
            more = saved(Image.new("RGB", (640, 48)), kind, **options)
            assert [(one.width, one.height) for one in pages_of(more)] == [(640, 48)]


def huge() -> dict[str, bytes]:
    """Headers of images with more pixels than anybody has memory for."""
    side = 60_000
    tags = [(256, 4, 1, side), (257, 4, 1, side)]
    tiff = b"II*\0" + struct.pack("<IH", 8, 2) + b"".join(struct.pack("<HHII", *t) for t in tags)
    return {
        "a.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
        + struct.pack(">II", side, side)
        + b"\x08\0\0\0\0",
        "a.jpg": b"\xff\xd8\xff\xc0\0\x11\x08" + struct.pack(">HH", side, side) + b"\3" * 12,
        "a.tif": tiff + b"\0\0\0\0",
        "a.webp": b"RIFF\0\0\0\0WEBPVP8X\n\0\0\0\0\0\0\0" + b"\xff\xff\x0f" * 2,
    }


@pytest.mark.parametrize("name", huge())
def test_an_image_of_too_many_pixels_is_refused_before_it_is_unpacked(name: str) -> None:
    with pytest.raises(DocumentRefused) as caught:
        extract(huge()[name], name)
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_told_and_never_crashes(kind: str) -> None:
    data = saved(page(SAID), kind)
    for size in (*range(1, 60), 200):
        for broken in (data[:size], data[:size] + b"\xff" * 64):
            with pytest.raises(DocumentRefused):
                extract(broken, f"a{sorted(samples_endings(kind))[0]}")


def samples_endings(kind: str) -> tuple[str, ...]:
    return {"PNG": (".png",), "JPEG": (".jpg",), "TIFF": (".tif",), "WEBP": (".webp",)}[kind]


@pytest.mark.usefixtures("tesseract")
def test_half_a_photo_is_refused_or_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "half.jpg"
    path.write_bytes(saved(page(SAID), "JPEG")[:3000])
    with pytest.raises(DocumentRefused) as caught:
        recognised(path, path.name, "eng", EMPTY)
    assert caught.value.reason in ("empty", "unrecognised")


def test_pages_that_lead_in_a_ring_end() -> None:
    ring = b"II*\0" + struct.pack("<IH", 8, 0) + struct.pack("<I", 8)
    many = (
        b"II*\0"
        + struct.pack("<I", 8)
        + b"".join(
            struct.pack("<HHHIII", 1, 256, 4, 1, 50, 8 + 18 * (n + 1)) for n in range(20_000)
        )
    )
    for data in (ring, many, b"\xff\xd8" + b"\xff" * 2_000_000):
        with cpu_within(2), pytest.raises(DocumentRefused):
            extract(data, "a.tif")
