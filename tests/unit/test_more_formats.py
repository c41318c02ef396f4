"""Spreadsheets, slides, books, mails, records and archives: what they show becomes text."""

import io
import json
import random
import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from functools import partial
from pathlib import Path

import openpyxl
import pytest
from openpyxl.styles import numbers

from app.errors import DocumentRefused
from ingestion.formats.containers import read_zip
from ingestion.formats.extract import extract
from ingestion.formats.members import Budget, member_blocks
from ingestion.formats.registry import EPUB, FORMATS, MAIL, ODT, PPTX, RECORDS, RTF, XLSX, ZIP
from tests.effort import cpu_within
from tests.unit import sample_documents as samples

OFFICE = "urn:oasis:names:tc:opendocument:xmlns"
NAMESPACES = (
    f'xmlns:office="{OFFICE}:office:1.0" xmlns:text="{OFFICE}:text:1.0" '
    f'xmlns:table="{OFFICE}:table:1.0"'
)


def workbook() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Fares"
    sheet.append(["Zone", "Ticket", "Price", "Share", "Secret"])
    sheet.append(["North", "Day", 14.5, 0.05, "hidden column"])
    sheet.append(["North", "Week", 1250, 0.125, "x"])
    sheet.append(["South", "Day", 9, 1, "hidden row"])
    sheet.merge_cells("A2:A3")
    for row in (2, 3, 4):
        sheet.cell(row, 3).number_format = '"£"#,##0.00'
        sheet.cell(row, 4).number_format = numbers.FORMAT_PERCENTAGE_00
    sheet.column_dimensions["E"].hidden = True
    sheet.row_dimensions[4].hidden = True
    other = book.create_sheet("Drafts")
    other.append(["never seen"])
    other.sheet_state = "hidden"
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def test_a_workbook_shows_what_its_formats_write() -> None:
    found = extract(workbook(), "fares.xlsx")
    assert found.media_type == XLSX.media_type
    assert found.text == (
        "Fares\n\nZone | Ticket | Price | Share\n"
        "North | Day | £14.50 | 5.00%\nNorth | Week | £1,250.00 | 12.50%"
    )
    assert [heading.text for heading in found.headings] == ["Fares"]


def test_a_label_merged_over_columns_stands_in_each_of_them() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Prints"
    for row in (["Our prices"], ["Print", "Price"], [None, "standard", "express"]):
        sheet.append(row)
    sheet.append(["Flyer", 49, 72])
    for area in ("A1:C1", "A2:A3", "B2:C2"):
        sheet.merge_cells(area)
    target = io.BytesIO()
    book.save(target)
    assert extract(target.getvalue(), "prints.xlsx").text == (
        "Prints\n\nOur prices\nPrint | Price | Price\nPrint | standard | express\nFlyer | 49 | 72"
    )


A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
PML = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def shape(text: str, kind: str = "", hidden: str = "0") -> str:
    place = f'<p:ph type="{kind}"/>' if kind else ""
    body = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in text.split("\n"))
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="1" name="x" hidden="{hidden}"/><p:nvPr>{place}</p:nvPr>'
        f"</p:nvSpPr><p:txBody>{body}</p:txBody></p:sp>"
    )


def slide(*shapes: str, show: str = "1") -> bytes:
    return f'<p:sld {A} {PML} show="{show}"><p:cSld>{"".join(shapes)}</p:cSld></p:sld>'.encode()


def related(*targets: tuple[str, str, str]) -> bytes:
    rows = "".join(
        f'<Relationship Id="{name}" Type="{RELATIONS}/{kind}" Target="{target}"/>'
        for name, kind, target in targets
    )
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    return f'<Relationships xmlns="{package}">{rows}</Relationships>'.encode()


def presentation() -> bytes:
    ids = "".join(f'<p:sldId id="{n}" r:id="r{n}"/>' for n in (1, 2, 3))
    cells = "".join(
        f"<a:tc><a:txBody><a:p><a:r><a:t>{c}</a:t></a:r></a:p></a:txBody></a:tc>"
        for c in ("Tier", "Fee")
    )
    table = f"<p:graphicFrame><a:tbl><a:tr>{cells}</a:tr></a:tbl></p:graphicFrame>"
    return samples.zipped(
        {
            "[Content_Types].xml": b"<Types/>",
            "_rels/.rels": related(("r1", "officeDocument", "ppt/presentation.xml")),
            "ppt/presentation.xml": f'<p:presentation {PML} xmlns:r="{RELATIONS}"><p:sldIdLst>'
            f"{ids}</p:sldIdLst></p:presentation>".encode(),
            "ppt/_rels/presentation.xml.rels": related(
                ("r1", "slide", "slides/b.xml"),
                ("r2", "slide", "slides/a.xml"),
                ("r3", "slide", "slides/c.xml"),
            ),
            "ppt/slides/b.xml": slide(
                shape("Open daily\nfrom seven"), shape("The pool", "title"), shape("9", "sldNum")
            ),
            "ppt/slides/a.xml": slide(shape("Not for the room"), show="0"),
            "ppt/slides/c.xml": slide(shape("unseen", hidden="1"), table),
            "ppt/slides/_rels/b.xml.rels": related(("r1", "notesSlide", "../notes/n.xml")),
            "ppt/notes/n.xml": slide(shape("Say hello first.", "body")),
        }
    )


def test_a_second_table_of_a_sheet_has_a_header_of_its_own() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    rows: list[list[object]] = [["Machine", "Hours"], *([f"Press {n}", n] for n in range(9))]
    rows += [[], ["Part", "Stock"], *([f"Belt number {n}", n] for n in range(40))]
    for row in rows:
        sheet.append(row)
    sheet["B2"].number_format = "#,##0 [$€-407]"
    sheet["B3"].number_format = '_-* #,##0.00\\ "€"_-'
    target = io.BytesIO()
    book.save(target)
    blocks = extract(target.getvalue(), "a.xlsx").text.split("\n\n")
    assert "Press 0 | 0 €" in blocks[1] and "Press 1 | 1.00 €" in blocks[1]
    assert all(block.startswith("Part | Stock\n") for block in blocks[2:]) and len(blocks) > 3


@pytest.mark.parametrize("mark", [":", "^", "~", "¦"])
def test_a_delimiter_that_is_seldom_is_told_by_every_line(mark: str) -> None:
    rows = ("Room,Floor,Seats", "Oak,2,12", "Elm,1,8")
    told = [row.replace(",", mark).encode() for row in rows]
    as_read = "Room | Floor | Seats\nOak | 2 | 12\nElm | 1 | 8"
    assert extract(b"\n".join(told) + b"\n", "a.csv").text == as_read
    assert extract(b"\n".join([*told[:2], b"Elm, and more"]), "a.csv").text != as_read


@pytest.mark.parametrize(
    "lines",
    [
        "Open\nMon 10:30\nTue 11:00\n",
        "Mon: 10:00 to 18:00\nTue: 10:00 to 18:00\nWed: 10:00 to 18:00\n",
        "Time\n10:30:00\n11:30:00\n",
        "Question\nWhy: because?\nHow: so?\n",
        "Start: here\nThen: there\nEnd: now\n",
        "See https://a.example\nSee https://b.example\nSee https://c.example\n",
        "root:x:0:0:/root\nbin:x:1:1:/bin\nsys:x:2:2:/sys\n",
        "a^b\nc^d\n",
    ],
)
def test_a_list_is_not_taken_for_a_table_by_marks_of_its_text(lines: str) -> None:
    assert extract(lines.encode(), "a.csv").text == lines.rstrip("\n")


def test_a_delimited_file_whose_cells_stand_below_each_other_is_a_table() -> None:
    rows = b"Room       Floor   Seats\nOak        2       12\nGreat Elm  1       8\n"
    found = extract(rows, "a.csv").text
    assert found == "Room | Floor | Seats\nOak | 2 | 12\nGreat Elm | 1 | 8"


def test_the_first_line_of_a_delimited_file_may_tell_the_delimiter() -> None:
    assert extract(b"sep=^\r\na^b:c\r\n1^2:5\r\n", "a.csv").text == "a | b:c\n1 | 2:5"
    assert extract(b"sep=;\r\na;b,c\r\n1;2,5\r\n", "a.csv").text == "a | b,c\n1 | 2,5"


def test_slides_are_pages_with_their_notes() -> None:
    found = extract(presentation(), "pool.pptx")
    assert found.media_type == PPTX.media_type
    assert found.title == "The pool"
    assert found.text == "The pool\n\nOpen daily\nfrom seven\n\nSay hello first.\n\nTier | Fee"
    assert [page.number for page in found.pages] == [1, 2]


def opendocument() -> bytes:
    body = (
        '<text:h text:outline-level="1">Hall rules</text:h>'
        "<text:tracked-changes><text:p>gone</text:p></text:tracked-changes>"
        "<text:p>Rent is £25<text:note><text:note-citation>1</text:note-citation><text:note-body>"
        "<text:p>Weekdays only.</text:p></text:note-body></text:note> a night.</text:p>"
        "<text:list><text:list-item><text:p>Sweep</text:p></text:list-item>"
        "<text:list-item><text:p>Lock up</text:p></text:list-item></text:list>"
        "<table:table><table:table-row><table:table-cell><text:p>Day</text:p></table:table-cell>"
        "<table:table-cell><text:p>Fee</text:p></table:table-cell></table:table-row></table:table>"
    )
    content = (
        f"<office:document-content {NAMESPACES}><office:body><office:text>{body}"
        "</office:text></office:body></office:document-content>"
    )
    return samples.zipped({"mimetype": ODT.media_type.encode(), "content.xml": content.encode()})


def test_an_opendocument_text() -> None:
    found = extract(opendocument(), "hall.odt")
    assert (found.media_type, found.title) == (ODT.media_type, "Hall rules")
    assert "Rent is £25 ¹ a night.\n¹ Weekdays only." in found.text
    assert "- Sweep\n- Lock up" in found.text and "Day | Fee" in found.text
    assert "gone" not in found.text


def book() -> bytes:
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="in/book.opf"/></rootfiles></container>'
    )
    opf = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        "<metadata><dc:title>The Tides</dc:title></metadata><manifest>"
        '<item id="two" href="b%20two.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="one" href="one.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
        '</manifest><spine><itemref idref="nav"/><itemref idref="one"/><itemref idref="two"/>'
        "</spine></package>"
    )
    return samples.zipped(
        {
            "mimetype": EPUB.media_type.encode(),
            "META-INF/container.xml": container.encode(),
            "in/book.opf": opf.encode(),
            "in/one.xhtml": b"<html><body><h1>Ebb</h1><p>It falls.</p></body></html>",
            "in/b two.xhtml": b"<html><body><h1>Flow</h1><p>It rises.</p></body></html>",
            "in/nav.xhtml": b"<html><body><p>Contents</p></body></html>",
        }
    )


def test_a_book_in_the_order_of_its_spine() -> None:
    found = extract(book(), "tides.epub")
    assert (found.media_type, found.title) == (EPUB.media_type, "The Tides")
    assert found.text == "Ebb\n\nIt falls.\n\nFlow\n\nIt rises."


def mail(*attached: tuple[str, bytes]) -> bytes:
    message = EmailMessage()
    message["Subject"], message["From"] = "Köster account", "desk@example.org"
    message["To"], message["Date"] = "all@example.org", "Mon, 02 Nov 2026 09:00:00 +0000"
    message.set_content("The key is at the desk.\n")
    message.add_alternative("<p>The key is at the <b>desk</b>.</p>", subtype="html")
    for name, data in attached:
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return bytes(message)


def test_a_mail_with_its_attachments() -> None:
    data = mail(("fees.csv", b"Tier,Fee\nBasic,9\n"), ("logo.png", b"\x89PNG\r\n"))
    found = extract(data, "a.eml")
    assert (found.media_type, found.title) == (MAIL.media_type, "Köster account")
    assert "From: desk@example.org" in found.text
    assert found.text.count("The key is at the desk.") == 1
    assert found.text.endswith("fees.csv\n\nTier | Fee\nBasic | 9")


def test_rich_text_without_what_is_hidden() -> None:
    data = (
        rb"{\rtf1\ansi{\info{\title Rules}}The gate \v secret\v0 opens at 7.\par Caf\'e9 closes.}"
    )
    found = extract(data, "rules.rtf")
    assert (found.media_type, found.title) == (RTF.media_type, "Rules")
    assert found.text.split() == "The gate opens at 7. Café closes.".split()


def test_records_one_a_line() -> None:
    rows = [
        {"name": "Pump", "spec": {"volts": 24, "on": True}, "tags": ["a", "b"], "no": None},
        {"x": 1},
    ]
    found = extract("\n".join(map(json.dumps, rows)).encode(), "parts.jsonl")
    assert found.media_type == RECORDS.media_type
    assert found.text == "name: Pump\nspec.volts: 24\nspec.on: yes\ntags: a, b\n\nx: 1"


def test_an_archive_holds_documents_under_their_names() -> None:
    data = samples.zipped(
        {
            "rules/hall.md": b"# Hall\n\nSweep it.",
            "../../etc/passwd.txt": b"Only a name.",
            "__MACOSX/._hall.md": b"junk",
            "picture.bmp": b"\x89PNG\r\n",
            "inner.zip": samples.zipped({"pool.txt": b"It opens at seven."}),
        }
    )
    found = extract(data, "all.zip")
    assert found.media_type == ZIP.media_type
    assert [heading.text for heading in found.headings][:2] == ["Hall", "passwd.txt"]
    assert "Sweep it." in found.text and "It opens at seven." in found.text
    assert "junk" not in found.text
    assert found.left_out == ("picture.bmp: unsupported_type",)


def test_members_that_cannot_be_read_are_named_with_the_reason() -> None:
    whole = samples.zipped({"a.txt": b"Sweep the hall.", "b.txt": b"Damaged soon. " * 9})
    at = whole.index(b"b.txt") + len(b"b.txt") + 3
    damaged = whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]
    inner = samples.zipped({"deep.pdf": b"%PDF-1.7 nothing"})
    data = samples.zipped(
        {"damaged.zip": damaged, "inner.zip": inner, "blank.txt": b" ", "d.bin": b"\0\1"}
    )
    found = extract(data, "all.zip")
    assert "Sweep the hall." in found.text
    assert sorted(found.left_out) == [
        "b.txt: corrupt",
        "blank.txt: empty",
        "d.bin: unsupported_type",
        "deep.pdf: corrupt",
        "inner.zip: empty",
    ]


def test_a_member_that_is_too_long_is_left_out_before_it_is_parsed() -> None:
    long = b"It opens at seven.\n\n" * 1_100_000
    both, alone = (
        samples.zipped({"long.txt": long, "a.txt": b"Sweep the hall."}),
        samples.zipped({"long.md": long}),
    )
    with cpu_within(4):  # parsing it takes ten
        found = extract(both, "all.zip")
    assert found.left_out == ("long.txt: too_large",)
    assert "Sweep the hall." in found.text
    with cpu_within(4), pytest.raises(DocumentRefused, match=r"long\.md: too_large"):
        extract(alone, "all.zip")


def test_members_together_may_hold_so_much_text() -> None:
    inner = samples.zipped({"b.txt": b"b" * 30, "c.txt": b"c" * 30})
    outer = samples.zipped({"a.txt": b"a" * 30, "inner.zip": inner})
    said = "".join(block.text for block in member_blocks(read_zip(outer), Budget(characters=90)))
    assert said.count("a" * 30) == said.count("b" * 30) == said.count("c" * 30) == 1
    with pytest.raises(DocumentRefused, match="20 million"):
        [*member_blocks(read_zip(outer), Budget(characters=89))]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_text_that_is_a_page_is_read_as_one(encoding: str) -> None:
    page = "\n <!DOCTYPE html><html><body><p hidden>No.</p><p>Café hours.</p></body></html>"
    assert extract(page.encode(encoding), "a.txt").text == "Café hours."


def nested(depth: int) -> bytes:
    data = samples.zipped({"a.txt": b"deep"})
    for _ in range(depth):
        data = samples.zipped({"a.zip": data})
    return data


def wide() -> bytes:
    return samples.zipped({f"{n}.txt": bytes(30_000_000) for n in range(8)})


def wide_and_nested() -> bytes:
    three = samples.zipped({f"{n}.txt": b"a" * 60_000_000 for n in range(3)})
    one = samples.zipped({"b.txt": b"a" * 60_000_000})
    return samples.zipped({"a.zip": three, "b.zip": one})


@pytest.mark.parametrize("bomb", [partial(nested, 5), wide, wide_and_nested])
def test_archives_that_unpack_to_too_much_are_refused(bomb: Callable[[], bytes]) -> None:
    data = bomb()  # not when tests are collected, which takes as long as the test
    with pytest.raises(DocumentRefused) as caught:
        extract(data, "bomb.zip")
    assert caught.value.reason in ("zip_bomb", "too_large")


XXE = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize(
    ("data", "name", "part"),
    [
        (opendocument(), "a.odt", "content.xml"),
        (presentation(), "a.pptx", "ppt/slides/b.xml"),
        (book(), "a.epub", "in/book.opf"),
        (workbook(), "a.xlsx", "xl/worksheets/sheet1.xml"),
    ],
    ids=["odt", "pptx", "epub", "xlsx"],
)
def test_no_entity_reaches_a_file(data: bytes, name: str, part: str) -> None:
    secret = Path("/etc/hostname").read_text("utf-8").strip()
    changed = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.namelist():
            changed[entry] = archive.read(entry)
    body = changed[part]
    body = body[body.index(b"?>") + 2 :] if body.startswith(b"<?xml") else body
    for old in (b"Hall rules", b"Open daily", b"The Tides", b"Zone"):
        body = body.replace(old, b"x&e;x")
    changed[part] = XXE + body
    try:
        assert f"x{secret}x" not in extract(samples.zipped(changed), name).text
    except DocumentRefused as refused:
        assert refused.reason in ("corrupt", "empty")


SAMPLES = {
    "a.xlsx": workbook(),
    "a.pptx": presentation(),
    "a.odt": opendocument(),
    "a.epub": book(),
    "a.eml": mail(("b.csv", b"a,b\n1,2\n")),
    "a.rtf": rb"{\rtf1\ansi The gate opens at \b 7\b0.\par{\fonttbl{\f0 A;}} \u8364? 5}",
    "a.jsonl": b'{"a": [1, {"b": "c"}]}\n{"d": 2.5}\n',
    "a.zip": samples.zipped({"a.md": b"# A\n\nB", "b.csv": b"a,b\n1,2"}),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_mutated_files_are_read_or_refused(name: str) -> None:
    whole, rng = SAMPLES[name], random.Random(name)
    for _ in range(1000 if len(whole) < 3000 else 250):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 8)):
            place = rng.randrange(len(data))
            data[place : place + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
        try:
            extract(bytes(data), name)
        except DocumentRefused as refused:
            assert refused.reason


def test_each_format_has_endings_of_its_own() -> None:
    endings = [suffix for format in FORMATS for suffix in format.suffixes]
    assert len(endings) == len(set(endings)) and all(one.startswith(".") for one in endings)
