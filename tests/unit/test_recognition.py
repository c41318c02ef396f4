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
from app.inference.embedder import load_tokenizer
from ingestion.chunk import cut_passages
from ingestion.formats import recognition
from ingestion.formats.document import Block, Doubt, Extracted, Heading, Page
from ingestion.formats.extract import extract, inserted
from ingestion.formats.jail import extract_jailed
from ingestion.formats.limits import JailLimits
from ingestion.formats.one_program import run_program
from ingestion.formats.recognition import (
    MARK,
    Word,
    completed,
    paragraphs,
    recognised,
    words_of,
)
from tests.unit import sample_documents as samples

NO_TESSERACT = "tesseract IS NOT INSTALLED: scanned PDFs were not read (apt install tesseract-ocr)."
SHELL = str(Path(shutil.which("sh") or "/bin/sh").resolve())
LIMITS = JailLimits(cpu_s=5, memory_bytes=1024**3, wall_s=10.0)
EMPTY = DocumentRefused("empty", "No text was found.")
OPEN, CLOSED = "The deposit is paid by those who", "move in on the first of May."
STAMP, OTHER, LAST = "Received 12 June", "Seen by Ann", "Keys are returned to the office."
SHARP = ["The excess for storm damage is 250 pounds.", "Claims are settled within 14 days."]


def scanned(pages: Sequence[Sequence[str]], *, blurred: bool = False) -> bytes:
    """A PDF whose pages are pictures of pages with these lines."""
    pdf = FPDF(format="A4")
    for lines in pages:
        pdf.add_page()
        pdf.image(picture(lines, blurred=blurred), 0, 0, 210, 297)
    return bytes(pdf.output())


def picture(lines: Sequence[str], *, blurred: bool = False) -> io.BytesIO:
    """A page with these lines as a scanner sees it."""
    with pypdfium2.PdfDocument(samples.pdf([lines])) as printed:
        image = printed[0].render(scale=200 / 72, grayscale=True).to_pil()
    paper = image.filter(ImageFilter.GaussianBlur(3.4)) if blurred else image
    noise = np.random.default_rng(1).normal(0, 8, (paper.height, paper.width))
    grainy = np.clip(np.asarray(paper, np.float64) + noise, 0, 255).astype(np.uint8)
    found = io.BytesIO()
    Image.fromarray(grainy).save(found, "JPEG", quality=60)
    return found


def mixed() -> bytes:
    """Printed pages and scans: two, of which the second bears a stamp, stand between printed ones
    of which the first ends within a sentence; page 5 is blank, and page 6 a stamped scan."""
    pdf = FPDF(format="A4")
    pdf.set_font("helvetica", size=11)
    pages = [("", OPEN), (SHARP[0], ""), (SHARP[1], STAMP), ("", CLOSED), ("", ""), (LAST, OTHER)]
    for scan, printed in pages:
        pdf.add_page()
        if scan:
            pdf.image(picture([scan]), 0, 0, 210, 297)
        if printed:
            pdf.text(20, 285 if scan else 20, printed)
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


@pytest.mark.usefixtures("tesseract")
def test_scans_between_printed_pages_are_read_in_their_place(tmp_path: Path) -> None:
    path = tmp_path / "terms.pdf"
    path.write_bytes(mixed())
    printed = extract_jailed(path, path.name)
    assert printed.scans == (2, 3, 6)
    found = completed(path, printed, "eng")
    said = [OPEN, SHARP[0], f"{STAMP}\n\n{SHARP[1]}", CLOSED, "", f"{OTHER}\n\n{LAST}"]
    assert [found.text[page.start : page.end] for page in found.pages] == said
    assert found.text == "\n\n".join(filter(None, said))
    assert (found.scans, found.left_out) == ((), ())
    cuts = cut_passages(found, load_tokenizer())
    marked = [(cut.page, MARK in cut.headings) for cut in cuts]
    assert marked == [(1, False), (2, True), (3, True), (4, False), (6, True)]


def test_without_tesseract_a_scan_between_printed_pages_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "terms.pdf"
    path.write_bytes(mixed())
    printed = extract_jailed(path, path.name)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = completed(path, printed, "eng")
    assert found.left_out == ("pages 2-3, 6: scan",)
    assert found.text == printed.text and OPEN in found.text and CLOSED in found.text


@pytest.mark.usefixtures("tesseract")
def test_a_scan_that_cannot_be_read_leaves_the_printed_pages(tmp_path: Path) -> None:
    path = tmp_path / "terms.pdf"
    path.write_bytes(mixed())
    found = completed(path, extract_jailed(path, path.name), "xxx")
    assert found.left_out == ("pages 2-3, 6: unrecognised",)
    assert OPEN in found.text and CLOSED in found.text


def test_scans_within_an_archive_are_named() -> None:
    found = extract(samples.zipped({"terms.pdf": mixed()}), "all.zip")
    assert found.left_out == ("terms.pdf, pages 2-3, 6: scan",)
    assert OPEN in found.text


def test_what_is_inserted_moves_headings_and_doubts() -> None:
    text = "One\n\nTwo\n\nThree"
    pages = (Page(1, 0, 0), Page(2, 0, 3), Page(3, 3, 3), Page(4, 5, 15))
    whole = Extracted(
        "T", text, "application/pdf", pages, None, (Heading(2, "Two", 5),), (Doubt(10, 15, "why"),)
    )
    read = {1: [Block("Aa")], 3: [Block("Bb", doubt="unsure")], 4: [Block("Cc")]}
    found = inserted(whole, read, MARK)
    assert found.text == "Aa\n\nOne\n\nBb\n\nTwo\n\nThree\n\nCc"
    pieces = [found.text[page.start : page.end] for page in found.pages]
    assert pieces == ["Aa", "One", "Bb", "Two\n\nThree\n\nCc"]
    assert [found.text[one.start : one.end] for one in found.doubts] == ["Bb", "Three"]
    assert [found.text[one.start :][:3] for one in found.headings if one.level == 2] == ["Two"]


def test_a_picture_beside_text_is_no_scan() -> None:
    pdf = FPDF(format="A4")
    pdf.set_font("helvetica", size=11)
    for lines, height in ((["Annual report", "of the house"] * 8, 297), (["A caption."], 100)):
        pdf.add_page()
        pdf.image(picture([]), 0, 0, 210, height)
        for at, line in enumerate(lines):
            pdf.text(20, 110 + 6 * at, line)
    pdf.add_page()
    assert extract(bytes(pdf.output()), "report.pdf").scans == ()


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


@pytest.mark.parametrize("data", [b"", b" \n", b"nothing of a PDF"])
def test_a_file_that_is_no_pdf_is_not_drawn(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognition, "installed", lambda: SHELL)
    path = tmp_path / "stored"
    path.write_bytes(data)
    with pytest.raises(DocumentRefused) as refused:
        recognised(path, "report.pdf", "eng", EMPTY)
    assert refused.value is EMPTY
