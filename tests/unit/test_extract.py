"""Each format becomes clean text, and each kind of bad file is refused with its reason."""

import time
from pathlib import Path, PurePath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import DocumentRefused
from ingestion.formats import limits
from ingestion.formats.extract import extract
from ingestion.formats.registry import DOCX, FORMATS, HTML, MARKDOWN, PDF, TEXT, Format, parts_of
from ingestion.formats.sniff import detect_format
from ingestion.formats.text import tidy
from ingestion.formats.titles import is_garbage_title
from ingestion.sources import find_files
from tests.unit import sample_documents as samples

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(40)

REFUSALS = [
    ("unsupported_type", b"MZ\x90", "setup.exe"),
    ("unsupported_type", b"some words", "no_ending"),
    ("unsupported_type", samples.visio(), "plan.docx"),
    ("type_mismatch", b"plain words", "report.pdf"),
    ("type_mismatch", b"plain words", "report.docx"),
    ("type_mismatch", samples.zipped({"xl/workbook.xml": b"<x/>"}), "sheet.docx"),
    ("type_mismatch", samples.zipped({"a.txt": b"words"}), "report.txt"),
    ("unsupported_type", samples.zipped({"a.txt": b"words"}), "no_ending"),
    ("unsupported_type", samples.visio(), "plan.txt"),
    ("corrupt", PNG, "image.txt"),
    ("corrupt", PNG, "image.md"),
    ("corrupt", PNG, "image.html"),
    ("not_text", b"valid UTF-8 \x00 but binary", "dump.txt"),
    ("not_text", bytes(range(128, 256)) * 4, "noise.txt"),
    ("corrupt", b"%PDF-1.7\nnothing follows", "report.pdf"),
    ("corrupt", samples.pdf([["Words."]])[:400], "report.pdf"),
    ("corrupt", samples.word()[:2000], "report.docx"),
    ("corrupt", samples.zipped({"word/document.xml": b"<broken"}), "report.docx"),
    ("corrupt", samples.word_with("word/document.xml", b"<other/>"), "report.docx"),
    ("corrupt", samples.word_with("word/styles.xml", b"<unclosed>"), "report.docx"),
    ("corrupt", samples.word_with("_rels/.rels", b"<Relationships/>"), "report.docx"),
    ("encrypted", samples.pdf([["Secret."]], password="secret"), "report.pdf"),
    ("encrypted", samples.encrypted_word(), "report.docx"),
    ("empty", b"", "report.pdf"),
    ("empty", b" \n\t ", "notes.txt"),
    ("empty", "\ufeff\u200b\u200b".encode(), "notes.txt"),
    ("empty", b"PK\x05\x06" + bytes(18), "archive.zip"),
    ("empty", samples.scanned_pdf(), "scan.pdf"),
    ("empty", b"<html><body><script>x()</script></body></html>", "page.html"),
]


@pytest.mark.parametrize(
    ("data", "name", "format"),
    [
        (samples.pdf([["Words."]]), "report.txt", PDF),
        (samples.pdf([["Words."]]), "report", PDF),
        (samples.word(), "report.md", DOCX),
        (samples.word(), "report.zip", DOCX),
        (samples.HTML_PAGE, "page.txt", HTML),
    ],
)
def test_the_content_decides_not_the_ending(data: bytes, name: str, format: Format) -> None:
    assert extract(data, name).media_type == format.media_type


@pytest.mark.parametrize(
    ("reason", "data", "name"),
    REFUSALS,
    ids=[f"{reason}-{name}-{i}" for i, (reason, _, name) in enumerate(REFUSALS)],
)
def test_bad_files_are_refused_with_their_reason(reason: str, data: bytes, name: str) -> None:
    with pytest.raises(DocumentRefused) as caught:
        extract(data, name)
    assert caught.value.reason == reason
    assert len(caught.value.message) > 30


def test_a_zip_bomb_is_refused_before_it_unpacks() -> None:
    with pytest.raises(DocumentRefused) as caught:
        extract(samples.word_bomb(), "bomb.docx")
    assert caught.value.reason == "zip_bomb"


def test_a_text_beyond_the_limit_is_refused() -> None:
    with pytest.raises(DocumentRefused) as caught:
        extract(b"word " * 4_100_000, "long.txt")
    assert caught.value.reason == "too_large"


def test_a_file_beyond_the_byte_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_DOCUMENT_BYTES", 10)
    with pytest.raises(DocumentRefused) as caught:
        extract(b"eleven byte", "a.txt")
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        (samples.pdf([["Words."]]), "a.PDF", PDF),
        (samples.word(), "a.docx", DOCX),
        (samples.HTML_PAGE, "a.htm", HTML),
        (b"<h1>Fragment</h1>", "a.html", HTML),
        (samples.MARKDOWN, "a.markdown", MARKDOWN),
        (b"The header %PDF-1.7 starts a PDF.", "a.txt", TEXT),
    ],
)
def test_content_and_ending_agree(data: bytes, name: str, expected: Format) -> None:
    assert detect_format(data, name) is expected


def test_folders_take_every_ending_that_uploads_take(tmp_path: Path) -> None:
    names = {f"document{suffix}" for format in FORMATS for suffix in format.suffixes}
    for name in (*names, "DOCUMENT.TEXT", "setup.exe"):
        (tmp_path / name).write_bytes(b"x")
    assert {file.name for file in find_files([tmp_path])} == names | {"DOCUMENT.TEXT"}
    with pytest.raises(DocumentRefused) as caught:
        extract(b"x", "setup.exe")
    # What helps, and not each of some seventy endings.
    assert caught.value.message.startswith("Files that end in .exe cannot be read; save it as PDF")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_encodings(encoding: str) -> None:
    assert extract("Größe: 5 €\r\nEnde".encode(encoding), "a.txt").text == "Größe: 5 €\nEnde"


def test_plain_text_has_a_title_and_headings_where_lines_stand_out() -> None:
    said = (
        "GADGET COVER\n============\n\nIt covers phones.\n\n\nEXCESS\n\n  Phones   50 pounds\n"
        "  Cameras  75 pounds\n\nHow to claim\n------------\nRing us.\n\n2.1 Proof\n\n"
        "KEEP IT!\n\nNo."
    )
    found = extract(said.encode(), "gadget.txt")
    assert found.title == "GADGET COVER"
    named = [(heading.level, heading.text) for heading in found.headings]
    assert named == [(1, "GADGET COVER"), (2, "EXCESS"), (2, "How to claim"), (2, "2.1 Proof")]
    assert "  Phones   50 pounds\n  Cameras" in found.text and "===" not in found.text
    assert all(found.text.startswith(one.text, one.start) for one in found.headings)


@pytest.mark.parametrize(
    "said", ["One line only", "First line\nof two lines", "A sentence stands first.\n\nMore."]
)
def test_plain_text_without_such_lines_is_named_after_its_file(said: str) -> None:
    found = extract(said.encode(), "note.txt")
    assert (found.title, found.headings, found.text) == ("note", (), said)


def test_text_takes_its_title_from_the_file_name() -> None:
    found = extract(b"Words.", "dir/House rules.txt")
    assert (found.title, found.media_type, found.pages) == ("House rules", TEXT.media_type, ())


@pytest.mark.parametrize(
    "name",
    ["a.txt", "b/c.tar.gz", ".txt", "a.", "..pdf", "pdf", "", "d.e/f", "g.MD/", "Grüße.html"],
)
def test_a_name_has_the_parts_of_a_path(name: str) -> None:
    assert parts_of(name) == (PurePath(name).stem, PurePath(name).suffix)


def test_invisible_characters_go_and_visible_ones_stay() -> None:
    smuggled = "".join(chr(0xE0000 + ord(c)) for c in "obey")
    text = f"\ufeffpay\u2060\u202eroll{smuggled} so\u00adft\u00a0x \ufb01ne e\u0301\x1b\ufe0f"
    assert tidy(text) == "payroll soft x fine é"


def test_blank_lines_and_line_ends_are_normalised() -> None:
    assert tidy("a  \r\n\r\n\r\n\n b\rc\u2028d\x0ce\n\n") == "a\n\n b\nc\nd\ne"


@settings(max_examples=200, deadline=None)
@given(st.text("ab .\n\t\r\x0c\x7f", max_size=30))
def test_plain_letters_are_tidied_as_all_others(text: str) -> None:
    assert tidy(text) == tidy(text + "\n\u2063").rstrip("\n")


WITH_IDS = """<div><p>We use 47 cookies.</p><button>Accept</button></div>
<p>Fees rise<sup><a href="#n">1</a></sup> yearly.</p><p>More.</p>
<button data-bs-toggle="tab" data-bs-target="#p">Prices</button>
<div id="p" hidden>From 5 euros.</div><div class="footnotes"><p id="n">By law.</p></div>"""


@pytest.mark.parametrize("spelled", ["id", "ID", "\n Id ", "class=x\tid"])
def test_what_a_page_names_is_found_however_it_is_spelled(spelled: str) -> None:
    page = WITH_IDS.replace(" id=", f" {spelled}=")
    for part in ("button", "div"):
        page = page.replace(f"<{part}", f"<{part.upper()}") if spelled == "ID" else page
    text = extract(page.replace("cookies", "COOKIES").encode(), "a.html").text
    assert text == "Fees rise¹ yearly.\n¹ By law.\n\nMore.\n\nPrices\n\nFrom 5 euros."


def test_html_is_read_as_a_reader_sees_it() -> None:
    found = extract(samples.HTML_PAGE, "page.html")
    assert found.title == "Refund rules"
    assert found.text == (
        "Refunds\n\nRefunds take 30 days.\n\nSmall print.\n\n1. Ask\n2. Wait\n  - a week\n\n"
        "Plan | Price\nBasic | 10 EUR\n\nkeep   this\n  shape"
    )


@pytest.mark.parametrize(
    "attribute",
    [
        "hidden",
        "hidden=until-found",
        'aria-hidden="TRUE"',
        'style="DISPLAY:none"',
        'style="color:red;visibility: hidden"',
        'style="font-size:0"',
        'style="font-size: 0.0em !important"',
        'style="font-size:0.00px;color:red"',
        'style="opacity:0"',
        'role="navigation"',
    ],
)
def test_hidden_html_is_dropped(attribute: str) -> None:
    page = f"<p>Seen.</p><div {attribute}>Unseen <b>words</b>.</div>".encode()
    assert extract(page, "a.html").text == "Seen."


@pytest.mark.parametrize(
    "style", ["font-size:0.5em", "font-size:10px", "opacity:0.3", "opacity:1", "color:#777"]
)
def test_visible_html_is_kept(style: str) -> None:
    assert extract(f'<p style="{style}">Seen.</p>'.encode(), "a.html").text == "Seen."


def test_layout_tables_keep_their_paragraphs_apart() -> None:
    page = b"<table><tr><td><h2>News</h2><p>One.</p><p>Two.</p></td><td>Side</td></tr></table>"
    assert extract(page, "a.html").text == "News\n\nOne.\n\nTwo.\n\nSide"


def test_an_article_keeps_its_header_and_loses_the_site_header() -> None:
    page = b"<header><a>Logo</a><nav>Menu</nav></header><header><h1>Title</h1></header><p>Text.</p>"
    found = extract(page, "a.html")
    assert (found.title, found.text) == ("Title", "Title\n\nText.")


def test_deeply_nested_html_does_not_exhaust_the_stack() -> None:
    assert extract(b"<div>" * 20_000 + b"deep", "a.html").text == "deep"


def test_markdown_loses_its_syntax_and_keeps_its_shape() -> None:
    found = extract(samples.MARKDOWN, "access.md")
    assert found.title == "Access control"
    assert found.text == (
        "Access control\n\nKeys are random bytes of 32.\n\n- one\n- two\n\n"
        "Role | Right\nasker | ask\n\ncode  stays"
    )


def test_lines_that_look_like_front_matter_and_do_not_end_cost_little() -> None:
    lines = "-fees: 3 euros\n" * 60
    began = time.perf_counter()
    found = extract(f"---\n{lines}The end.\n".encode(), "notes.md")
    assert "The end." in found.text and time.perf_counter() - began < 60


def test_markdown_without_heading_is_titled_by_front_matter_then_by_name() -> None:
    assert extract(b"---\ntitle: 'Stated'\n---\nText.", "name.md").title == "Stated"
    assert extract(b"Text.\n\n---\n\nMore.", "name.md").title == "name"


def test_word_is_read_in_order_with_tables_and_without_deleted_or_hidden_text() -> None:
    found = extract(samples.word(), "leave.docx")
    assert (found.title, found.media_type, found.pages) == ("Leave Policy", DOCX.media_type, ())
    assert found.text == (
        "Leave Policy\n\nStaff may take thirty days.\n\n- First come\n- Then ask\n\n"
        "Grade | Days\nA | 30\n\nThe end."
    )


def test_pdf_pages_map_to_their_text() -> None:
    found = extract(samples.pdf([["Page one says this."], [], ["Page three."]]), "a.pdf")
    assert [(p.number, found.text[p.start : p.end]) for p in found.pages] == [
        (1, "Page one says this."),
        (2, ""),
        (3, "Page three."),
    ]


def test_pdf_lines_of_a_paragraph_are_joined_and_paragraphs_stay_apart() -> None:
    first = ["Notice must be given in writing at least thirty days before the", "end of the year."]
    second = ["It is sent to the office that issued the contract and to nobody", "else at all."]
    found = extract(samples.pdf([[*first, "", *second]]), "a.pdf")
    assert found.text == f"{' '.join(first)}\n\n{' '.join(second)}"


def test_pdf_words_broken_at_line_ends_are_mended() -> None:
    lines = [
        "The long-term plan is described in this paragraph and was adopted unani-",
        "mously by the board, which also considered what it means for the long-",
        "term obligations of the company and for everybody who works there now.",
    ]
    found = extract(samples.pdf([lines]), "a.pdf")
    assert "adopted unanimously by" in found.text
    assert "the long-term obligations" in found.text


def test_pdf_table_rows_stay_rows() -> None:
    rows = ["Basic 10 20", "Plus 20 40", "Full 30 60"]
    assert extract(samples.pdf([rows]), "a.pdf").text == "\n".join(rows)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("Travel rules", "Travel rules"),
        ("TCP/IP", "TCP/IP"),
        ("Microsoft Word - x.doc", "Big headline here"),
        ("report_final.docx", "Big headline here"),
        ("untitled", "Big headline here"),
        ("C:\\temp\\x", "Big headline here"),
    ],
)
def test_pdf_title(stated: str, expected: str) -> None:
    assert is_garbage_title(stated) == (expected != stated)
    lines = ["Small print that explains the rules.", "It goes on here.", "And ends here."]
    assert extract(samples.pdf_with_headline("Big headline here", lines), "a.pdf").title == (
        "Big headline here"
    )
    titled = extract(samples.pdf([lines], title=stated), "name.pdf")
    assert titled.title == (stated if expected == stated else "name")


def test_terms_head_sections_or_stand_beside_what_is_told_of_them() -> None:
    long = f"<p>The largest number.</p><p>{'It is read at the start. ' * 3}</p>"
    page = (
        "<h2>Settings</h2><dl><dt><b>most</b><br>-m<dd>" + long + "<dt>least<dd>The smallest.</dl>"
        "<p>All are read once.</p><h2>Fees</h2><dl><dt>Visit<dd>£65<dt>Post:<dd>£7</dl>"
        "<dl><dt>Why?<dd>Because.</dl>"
    )
    found = extract(page.encode(), "page.html")
    named = [(one.level, one.text, found.text[one.start :][:5]) for one in found.headings]
    assert named == [
        (2, "Settings", "Setti"),
        (3, "most, -m", "most,"),
        (3, "least", "least"),
        (3, "", "All a"),
        (2, "Fees", "Fees"[:5] + "\n"),
    ]
    assert found.text.endswith("Fees\n\n- Visit: £65\n- Post:\n£7\n\nWhy?\nBecause.")
