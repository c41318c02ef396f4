"""Scanned PDFs are read by tesseract, which can start nothing, write nothing and reach nobody."""

import io
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from fpdf import FPDF
from PIL import Image, ImageFilter

from app.errors import DocumentRefused
from ingestion.formats import recognition
from ingestion.formats.document import Extracted
from ingestion.formats.jail import extract_jailed
from ingestion.formats.limits import JailLimits
from ingestion.formats.one_program import run_program
from ingestion.formats.recognition import MARK, Word, paragraphs, recognised, words_of
from tests.unit import sample_documents as samples

NO_TESSERACT = "tesseract IS NOT INSTALLED: scanned PDFs were not read (apt install tesseract-ocr)."
SHELL = str(Path(shutil.which("sh") or "/bin/sh").resolve())
LIMITS = JailLimits(cpu_s=5, memory_bytes=1024**3, wall_s=10.0)
EMPTY = DocumentRefused("empty", "No text was found.")
SHARP = ["The excess for storm damage is 250 pounds.", "Claims are settled within 14 days."]


def scanned(pages: Sequence[Sequence[str]], *, blurred: bool = False) -> bytes:
    """A PDF whose pages are pictures of pages with these lines."""
    with pypdfium2.PdfDocument(samples.pdf(pages)) as printed:
        images = [page.render(scale=200 / 72, grayscale=True).to_pil() for page in printed]
    pdf = FPDF(format="A4")
    for image in images:
        paper = image.filter(ImageFilter.GaussianBlur(3.4)) if blurred else image
        noise = np.random.default_rng(1).normal(0, 8, (paper.height, paper.width))
        grainy = np.clip(np.asarray(paper, np.float64) + noise, 0, 255).astype(np.uint8)
        picture = io.BytesIO()
        Image.fromarray(grainy).save(picture, "JPEG", quality=60)
        pdf.add_page()
        pdf.image(picture, 0, 0, 210, 297)
    return bytes(pdf.output())


def read(path: Path, data: bytes) -> Extracted:
    """As ``Stages`` reads it: a scan has no text of its own."""
    path.write_bytes(data)
    with pytest.raises(DocumentRefused) as caught:
        extract_jailed(path, path.name)
    assert caught.value.reason == "empty"
    return recognised(path, path.name, "eng", caught.value)


@pytest.fixture
def tesseract() -> None:
    if recognition.installed() is None:
        pytest.skip(NO_TESSERACT)


@pytest.mark.usefixtures("tesseract")
def test_a_scan_is_read_marked_and_placed_on_its_pages(tmp_path: Path) -> None:
    found = read(tmp_path / "terms.pdf", scanned([[SHARP[0]], [SHARP[1]]]))
    pages = [found.text[page.start : page.end].strip() for page in found.pages]
    assert pages == SHARP and found.doubts == ()
    assert [(heading.text, heading.start) for heading in found.headings] == [(MARK, 0)]
    assert (found.title, found.media_type) == ("terms", "application/pdf")


@pytest.mark.usefixtures("tesseract")
def test_what_can_hardly_be_read_is_in_doubt_or_left_out(tmp_path: Path) -> None:
    try:
        found = read(tmp_path / "blurred.pdf", scanned([SHARP], blurred=True))
    except DocumentRefused as refusal:
        assert refusal.reason == "empty"
        return
    wrong = [line for line in found.text.split("\n\n") if line not in SHARP]
    doubtful = {found.text[doubt.start : doubt.end] for doubt in found.doubts}
    assert wrong and set(wrong) <= doubtful


@pytest.mark.usefixtures("tesseract")
def test_a_language_that_is_not_there_is_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(scanned([SHARP]))
    with pytest.raises(DocumentRefused, match="xxx") as caught:
        recognised(path, "a.pdf", "xxx", EMPTY)
    assert caught.value.reason == "unrecognised"


def test_without_tesseract_the_refusal_is_that_of_an_empty_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "a.pdf"
    path.write_bytes(scanned([SHARP]))
    with pytest.raises(DocumentRefused) as caught:
        recognised(path, "a.pdf", "eng", EMPTY)
    assert caught.value is EMPTY
    with pytest.raises(DocumentRefused) as caught:
        recognised(tmp_path / "a.txt", "a.txt", "eng", EMPTY)
    assert caught.value is EMPTY


def row(*cells: object) -> str:
    return "\t".join(map(str, cells))


def test_only_words_in_the_right_form_are_taken_from_the_table() -> None:
    table = [
        row("level", "page_num", *["x"] * 10),
        row(4, 1, 1, 1, 1, 0, 0, 0, 9, 9, -1, ""),
        row(5, 1, 1, 1, 1, 1, 0, 0, 9, 9, 96.5, "Two"),
        row(5, 1, 1, 1, 1, 2, 0, 0, 9, 9, "nan", "no"),
        row(5, 1, 1, 1, 1, 3, 0, 0, 9, 9, 300, "no"),
        row(5, 1, 1, 1, "one", 3, 0, 0, 9, 9, 90, "no"),
        row(5, 1, 1, 1, 1, 3, 0, 0, 9, 9, 90),
        row(5, 1, 1, 2, 1, 1, 0, 0, 9, 9, 88, "words"),
    ]
    assert words_of("\n".join(table).encode()) == [
        Word("Two", 96.5, (1, 1), 1),
        Word("words", 88, (1, 2), 1),
    ]
    assert words_of(b"\xff\xfe\n\t\t") == []


def test_lines_of_a_paragraph_are_joined_and_an_unsure_number_puts_it_in_doubt() -> None:
    lines = [["Insur-"], ["ance", "of", "12-", "month"], ["terms"]]
    words = [Word(text, 95, (1, 1), at) for at, line in enumerate(lines) for text in line]
    assert list(paragraphs(words)) == [("Insurance of 12- month terms", "")]
    unsure = [*words, Word("£250", 70, (1, 1), 3), Word("hazy", 20, (2, 1), 1)]
    (_, first), (_, second) = paragraphs(unsure)
    assert '"£250"' in first and "20 of 100" in second


# The walls


def shell(script: str) -> tuple[int, bytes, frozenset[str]]:
    run = run_program(SHELL, ["-c", script], b"given\n", LIMITS)
    return run.status, run.output, run.walls


def test_the_program_has_its_pipes_and_little_else(tmp_path: Path) -> None:
    assert shell('read line; echo "$line"')[:2] == (0, b"given\n")
    target, secret = tmp_path / "written", tmp_path / "secret"
    secret.write_text("hunter2")
    walls = shell(f"echo x > {target}; exit 0")[2]
    assert not target.exists() or target.read_bytes() == b""
    if "files" in walls:
        assert not target.exists()
        assert shell(f"read line < {secret}; echo $line")[1].strip() == b""
        assert shell("exec /bin/cat")[0] != 0, "another program was started"
    if "calls" in walls:
        assert shell("(echo forked)")[1] == b""


def test_a_program_that_is_late_or_writes_too_much_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(DocumentRefused) as caught:
        run_program(SHELL, ["-c", "while :; do :; done"], b"", JailLimits(wall_s=0.6))
    assert caught.value.reason == "timeout"
    monkeypatch.setattr("ingestion.formats.jail.MAX_OUTPUT_BYTES", 100_000)
    with pytest.raises(DocumentRefused) as caught:
        run_program(SHELL, ["-c", "while :; do echo xxxxxxxxxxxxxxxx; done"], b"", LIMITS)
    assert caught.value.reason == "too_large"
