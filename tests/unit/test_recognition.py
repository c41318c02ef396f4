"""Scanned PDFs are read by tesseract, which can start nothing, write nothing and reach nobody."""

import io
import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from fpdf import FPDF
from PIL import Image, ImageFilter

from app.corpus.scans import gains_scans, installed
from app.errors import DocumentRefused
from app.inference.embedder import load_tokenizer
from ingestion.chunk import cut_passages
from ingestion.formats import recognition
from ingestion.formats.document import Block, Doubt, Extracted, Heading, Page, Scan
from ingestion.formats.extract import extract, inserted, with_members
from ingestion.formats.jail import extract_jailed
from ingestion.formats.limits import JailLimits
from ingestion.formats.one_program import run_program
from ingestion.formats.recognition import (
    MARK,
    completed,
    recognised,
    words_of,
)
from ingestion.formats.reply import parsed
from ingestion.formats.scan_layout import Told, Word, paragraphs
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
    if installed() is None:
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
def test_of_a_blank_scan_nobody_is_told_to_install_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "blank.png"
    Image.new("RGB", (600, 400), "white").save(path)
    with pytest.raises(DocumentRefused, match="nor did tesseract") as caught:
        recognised(path, path.name, "eng", EMPTY)
    assert caught.value.reason == "empty"


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
    found = completed(path, path.name, printed, "eng")
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
    found = completed(path, path.name, printed, "eng")
    assert found.left_out == ("pages 2-3, 6: scan",)
    assert found.text == printed.text and OPEN in found.text and CLOSED in found.text


@pytest.mark.usefixtures("tesseract")
def test_a_scan_that_cannot_be_read_leaves_the_printed_pages(tmp_path: Path) -> None:
    path = tmp_path / "terms.pdf"
    path.write_bytes(mixed())
    found = completed(path, path.name, extract_jailed(path, path.name), "xxx")
    assert found.left_out == ("pages 2-3, 6: unrecognised",)
    assert OPEN in found.text and CLOSED in found.text


def within(path: Path, languages: str = "eng") -> Extracted:
    """An archive as ``Stages`` reads it."""
    return completed(path, path.name, extract_jailed(path, path.name), languages)


def packed() -> bytes:
    """An archive with a scan first, text, a PDF with printed pages and scans, and an archive."""
    return samples.zipped(
        {
            "first.pdf": scanned([[SHARP[0]], [SHARP[1]]]),
            "note.md": b"# Note\n\nDogs are welcome.\n",
            "terms.pdf": mixed(),
            "more.zip": samples.zipped({"a.txt": b"Cats too.", "last.pdf": scanned([[LAST]])}),
            "end.txt": b"The end.",
        }
    )


@pytest.mark.usefixtures("tesseract")
def test_scans_within_archives_are_read_in_their_place(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    path.write_bytes(packed())
    found = within(path)
    first = f"first.pdf\n\n{SHARP[0]}\n\n{SHARP[1]}\n\nNote\n\nDogs are welcome.\n\n"
    assert found.text.startswith(first)
    printed = [OPEN, STAMP, CLOSED, OTHER, *SHARP, LAST, "more.zip", "a.txt", "Cats too."]
    places = [found.text.index(one, len(first)) for one in printed]
    assert places == sorted(places)
    assert found.text.endswith(f"last.pdf\n\n{LAST}\n\nend.txt\n\nThe end.")
    assert (found.held, found.left_out, found.pages) == ((), (), ())
    marks = {cut.text: MARK in cut.headings for cut in cut_passages(found, load_tokenizer())}
    said = [(text, mark) for text, mark in marks.items() if SHARP[1] in text or "welcome" in text]
    assert sorted(mark for _, mark in said) == [False, True, True]
    heads = [heading for heading in found.headings if heading.text]
    assert [found.text[one.start :].startswith(one.text) or one.text == MARK for one in heads]


@pytest.mark.usefixtures("tesseract")
def test_scans_within_mails_are_read(tmp_path: Path) -> None:
    message = EmailMessage()
    message["Subject"], message["From"] = "The terms", "ann@example.org"
    message.set_content("As asked.")
    for name in ("a.pdf", "b.pdf"):
        data = scanned([[SHARP[name == "b.pdf"]]])
        message.add_attachment(data, maintype="application", subtype="pdf", filename=name)
    path = tmp_path / "terms.eml"
    path.write_bytes(bytes(message))
    text = within(path).text
    assert text.endswith(f"As asked.\n\na.pdf\n\n{SHARP[0]}\n\nb.pdf\n\n{SHARP[1]}")


@pytest.mark.usefixtures("tesseract")
def test_an_archive_of_scans_only_is_read_or_refused_as_a_scan_is(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    path.write_bytes(samples.zipped({"a.pdf": scanned([[SHARP[0]]])}))
    assert within(path).text == f"a.pdf\n\n{SHARP[0]}"
    with pytest.raises(DocumentRefused, match=r"a\.pdf, page 1: unrecognised") as caught:
        within(path, "xxx")
    assert caught.value.reason == "empty"
    path.write_bytes(samples.zipped({"a.pdf": samples.pdf([[]])}))
    with pytest.raises(DocumentRefused, match=r"a\.pdf: empty"):
        within(path)


@pytest.mark.usefixtures("tesseract")
def test_the_pages_of_all_members_count_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognition, "MOST_PAGES", 3)
    path = tmp_path / "all.zip"
    path.write_bytes(
        samples.zipped({f"{name}.pdf": scanned([[SHARP[0]], [SHARP[1]]]) for name in "ab"})
    )
    found = within(path)
    assert found.left_out == ("b.pdf, page 2: too_large",)
    assert (found.text.count(SHARP[0]), found.text.count(SHARP[1])) == (2, 1)


def test_without_tesseract_scans_within_an_archive_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "all.zip"
    path.write_bytes(packed())
    found = extract_jailed(path, path.name)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = completed(path, path.name, found, "eng")
    assert found.left_out == (
        "first.pdf, pages 1-2: scan",
        "terms.pdf, pages 2-3, 6: scan",
        "last.pdf, page 1: scan",
    )
    assert OPEN in found.text and "first.pdf" not in found.text
    assert gains_scans(found.left_out) is False
    monkeypatch.undo()
    assert gains_scans(found.left_out) is (installed() is not None)
    assert not gains_scans(["a.pdf: empty", "a: scan.pdf: unrecognised"])


def test_what_a_reader_says_of_members_is_checked() -> None:
    scan = Scan("a.pdf", (0, 1), (1, 2), "a.pdf", 1, 3)
    whole = Extracted("T", "One\n\nTwo", "application/zip", (), held=(scan,))
    fields = {**vars(whole), "held": [tuple(vars(scan).values())]}
    assert parsed(json.dumps(fields).encode()) == whole
    for at in (-1, 99, "x"):
        fields["held"] = [tuple(vars(replace(scan, at=at)).values())]  # type: ignore[arg-type]
        with pytest.raises(DocumentRefused, match="not usable"):
            parsed(json.dumps(fields).encode())


def test_random_texts_keep_their_places_when_members_are_put_in() -> None:
    pick = random.Random(6)
    for _ in range(1500):
        parts = [f"P{n}" * pick.randint(1, 3) for n in range(pick.randint(0, 5))]
        text, starts = "\n\n".join(parts), [0]
        for part in parts:
            starts.append(starts[-1] + len(part) + 2)
        ends = [0, *(start + len(part) for start, part in zip(starts, parts, strict=False))]
        headings = tuple(Heading(1, part, at) for part, at in zip(parts, starts, strict=False))
        doubts = tuple(
            Doubt(at, at + len(part), part) for part, at in zip(parts, starts, strict=False)
        )
        places = sorted(pick.choice(ends) for _ in range(pick.randint(0, 4)))
        scans = [
            (
                Scan(f"s{n}", (n,), (1,), f"S{n}" if pick.random() < 0.5 else "", 1, at),
                [Block(f"R{n}", doubt=f"R{n}")] if pick.random() < 0.8 else [],
            )
            for n, at in enumerate(places)
        ]
        whole = Extracted("T", text, "application/zip", (), None, headings, doubts)
        found = with_members(whole, scans, MARK)
        words = [*parts, *(f"R{n}" for n, (_, some) in enumerate(scans) if some)]
        words += [scan.title for scan, some in scans if some and scan.title]
        assert sorted(found.text.split()) == sorted(words)
        assert found.text == "\n\n".join(found.text.split())
        for one in found.doubts:
            assert found.text[one.start : one.end] == one.reason
        for heading in found.headings:
            said = found.text[heading.start :]
            assert heading.text in ("", MARK) or said.startswith(heading.text)
        starts = [heading.start for heading in found.headings]
        assert starts == sorted(starts)


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
    (tmp_path / "a.txt").write_bytes(b" ")
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
        Word("Two", 96.5, (1, 1), 1, (0, 0, 9, 9)),
        Word("words", 88, (1, 2), 1, (0, 0, 9, 9)),
    ]
    assert words_of(b"\xff\xfe\n\t\t") == []


def test_lines_of_a_paragraph_are_joined_and_an_unsure_number_puts_it_in_doubt() -> None:
    lines = [["Insur-"], ["ance", "of", "12-", "month"], ["terms"]]
    words = [Word(text, 95, (1, 1), at) for at, line in enumerate(lines) for text in line]
    assert list(paragraphs(words)) == [Told("Insurance of 12- month terms", "")]
    unsure = [*words, Word("£250", 70, (1, 1), 3), Word("hazy", 20, (2, 1), 1)]
    first, second = paragraphs(unsure)
    assert '"£250"' in first.doubt and "20 of 100" in second.doubt


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
