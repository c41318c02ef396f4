"""Files of Word, Excel and PowerPoint of 1997 to 2003: what people see is what is stored.

The packed files were written by LibreOffice and xlwt; the streams of the slides are in a new
container, without a picture of the first one.
"""

import random
import struct

import pytest

from app.errors import DocumentRefused
from ingestion.formats.extract import extract
from tests.unit.sample_documents import compound, old_office

FILES = old_office()

SEEN = {
    "rules.doc": (
        "A berth costs £83 a month¹ and the tank holds 10^3 litres of H2O.\n¹ Members pay £64.",
        "The key is at the west door [i].\n[i] Ring twice.",
        "Yes, on a lead, to pier seven.",
        "1. Open the gate.\na) Push bolt.\nb) Turn key.\n2. Close it.",
        "Beside the box 𝒜 stands.\n\nIn the box: the winch lifts 450 kg.",
        "Boat | Small | Large\nCanoe | £11 | £12\nCanoe | £13 at night | £13 at night",
        "Punt | am £21; pm £22 | first second",
        "After the table; non breaking 5-7 and a softhyphen.",
        "Boat house rules, edition of May",
        "Call 0800 555 0177 at night, page",
    ),
    "fees.xls": (
        "Boat | Day | Week | Note\nCanoe | £1,250.50 | 07300 | by the day\n"
        "Punt | £71.00 | 00412 | by the day\nAll | £1,321.50 | up | #DIV/0!",
        "Opens | 2026-03-04\nBegins | 09:30\nLasts | 26:30\nShare | 7.3%\nOpen | TRUE",
        "Phone | 0800 555 0123\nMonth | July 2026",
        "Größe Ω end 11",
        "plain words end 10",
    ),
    "rates.xls": (
        "Room | Rate | From\nStudio | $12.50 | 1-May-26\nHall | -3.00 | ask\nClosed in winter",
    ),
    "deck.ppt": (
        "Members' evening 1\n\nAlder Hall\nNovember\n\nLast words\n\nStraße 12 日本語 𝒜",
        "Fees from May\n\nA locker costs £21 a month\n- Members pay half\n"
        "The tank holds 10^3 litres at 21 °C – “dry”",
        "Card: Fee 31\n\nSay that the deposit is £51.",
        "Room | Small | Large\nStudio | £41 | £61\nHall | ask | closed\nKitchen | £71 | £71",
        "In a group: gate 1",
    ),
}
UNSEEN = {
    "rules.doc": ("£71", "4711", "east", "White words", "HYPERLINK", "PAGE", "boats.example"),
    "fees.xls": ("Raft", "912", "Drafts", "7123", "SUM"),
    "rates.xls": ("820",),
    "deck.ppt": ("Hidden", "Secret", "Never seen", "103", "Click to"),
}
HEADINGS = {
    "rules.doc": ["Rules of the boat house", "Fees", "May I bring a dog?", "Steps"],
    "fees.xls": ["Fees", "Texts"],
    "rates.xls": ["Rates"],
    "deck.ppt": ["Members' evening 1", "Last words", "Fees from May", "Prices"],
}


@pytest.mark.parametrize(("name", "said"), [(n, one) for n, all in SEEN.items() for one in all])
def test_what_people_see_is_read(name: str, said: str) -> None:
    assert said in extract(FILES[name], name).text


@pytest.mark.parametrize("name", FILES)
def test_what_nobody_sees_is_left_out(name: str) -> None:
    found = extract(FILES[name], name)
    assert not [said for said in UNSEEN[name] if said in found.text]
    assert [heading.text for heading in found.headings] == HEADINGS[name]


def test_titles_and_pages_are_told() -> None:
    assert extract(FILES["rules.doc"], "a.doc").title == "Rules of the boat house"
    assert extract(FILES["fees.xls"], "a.xls").title == "Fees of the boat house"
    deck = extract(FILES["deck.ppt"], "a.ppt")
    assert [page.number for page in deck.pages] == [1, 2, 3, 4, 5]
    assert deck.text[deck.pages[3].start :].startswith("Prices")


@pytest.mark.parametrize("name", FILES)
def test_the_content_tells_them_not_the_ending(name: str) -> None:
    for ending in ("bin", "docx", "msg", "doc"):
        assert extract(FILES[name], f"a.{ending}").text == extract(FILES[name], name).text


@pytest.mark.parametrize(
    ("data", "name", "media_type", "said"),
    [
        (b"<html><body><p>Fee: 12 euros</p></body></html>", "a.xls", "text/html", "Fee: 12 euros"),
        (b"Place\tFee\nCove\t12\nElm\t13\n", "a.xls", "text/csv", "Cove | 12"),
        ("Place\tFee\nElm\t13\n".encode("utf-16"), "a.xls", "text/csv", "Elm | 13"),
        (b"{\\rtf1 A berth costs 12 euros.}", "a.doc", "application/rtf", "costs 12 euros"),
        (b"A berth costs 12 euros.", "a.doc", "text/plain", "costs 12 euros"),
    ],
)
def test_text_under_their_endings_is_read_as_text(
    data: bytes, name: str, media_type: str, said: str
) -> None:
    found = extract(data, name)
    assert found.media_type == media_type and said in found.text


# --- Workbooks made record by record ---------------------------------------------------------


def record(kind: int, data: bytes) -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def begun(kind: int, version: int = 0x600) -> bytes:
    return record(0x809, struct.pack("<HH12x", version, kind))


def workbook(*cells: bytes, before: bytes = b"", version: int = 0x600, name: bytes = b"") -> bytes:
    """A workbook of one sheet that has these records, and others of the whole before it."""
    named = name or (b"\5\0Sheet" if version == 0x600 else b"\5Sheet")
    end = record(0x0A, b"")
    start = len(begun(5)) + len(before) + len(record(0x85, bytes(6) + named)) + len(end)
    sheet = record(0x85, struct.pack("<IBB", start, 0, 0) + named)
    whole = begun(5, version) + before + sheet + end
    whole += begun(0x10, version) + b"".join(cells) + end
    return compound({("Workbook" if version == 0x600 else "Book",): whole.ljust(4096, b"\0")})


def cell(kind: int, row: int, column: int, data: bytes) -> bytes:
    return record(kind, struct.pack("<HHH", row, column, 0) + data)


def test_every_kind_of_cell_is_read() -> None:
    text = b"\x03\0\0abc"
    rich = struct.pack("<HBH", 3, 9, 1) + "äΩb".encode("utf-16-le") + bytes(4)
    shared = record(0xFC, struct.pack("<II", 2, 2) + text + b"\x04\0\0de") + record(
        0x3C, b"\1f\0g\0"
    )
    found = extract(
        workbook(
            cell(0x204, 0, 0, text),
            cell(0xD6, 0, 1, rich),
            cell(0xFD, 0, 2, struct.pack("<I", 1)),
            cell(0x27E, 1, 0, struct.pack("<I", 1234 << 2 | 3)),
            cell(0x27E, 1, 1, struct.pack("<I", 0xFFFFFFF6)),
            record(0xBD, struct.pack("<HHHIHIH", 2, 0, 0, 7 << 2 | 2, 0, 0x40080000, 1)),
            cell(0x205, 3, 0, b"\1\0"),
            cell(0x205, 3, 1, b"\x2a\1"),
            cell(0x06, 4, 0, b"\0\0\0\0\0\0\xff\xff" + bytes(8)),
            record(0x207, text),
            cell(0x06, 4, 1, struct.pack("<d", 2.5) + bytes(8)),
            cell(0x06, 4, 2, b"\1\0\1\0\0\0\xff\xff" + bytes(8)),
            before=shared,
        ),
        "a.xls",
    ).text
    assert found == ("Sheet\n\nabc | äΩb | defg\n12.34 | -3\n7 | 3\nTRUE | #N/A\nabc | 2.5 | TRUE")


def test_boxes_are_read_and_comments_are_not() -> None:
    def box(kind: int, said: bytes) -> bytes:
        told = struct.pack("<10xHH4x", len(said), 0)
        drawn = record(0x5D, struct.pack("<HHHH", 0x15, 18, kind, 1) + bytes(18))
        return drawn + record(0x1B6, told) + record(0x3C, b"\0" + said)

    found = extract(
        workbook(cell(0x204, 0, 0, b"\1\0\0a"), box(6, b"seen"), box(25, b"noted")), "a.xls"
    )
    assert found.text == "Sheet\n\na\n\nseen"


def test_workbooks_of_excel_95_are_read() -> None:
    before = record(0x42, struct.pack("<H", 1251))
    said = cell(0x204, 0, 0, struct.pack("<H", 4) + "цена".encode("cp1251"))
    assert "цена" in extract(workbook(said, before=before, version=0x500), "a.xls").text


def test_one_text_in_many_cells_is_refused_before_it_is_written_out() -> None:
    text = record(0xFC, struct.pack("<IIHB", 1, 1, 8000, 0) + b"x" * 8000)
    cells = b"".join(cell(0xFD, n // 200, n % 200, bytes(4)) for n in range(4000))
    with pytest.raises(DocumentRefused) as caught:
        extract(workbook(cells, before=text), "a.xls")
    assert caught.value.reason == "too_large"


# --- What is refused -------------------------------------------------------------------------

WORD_LOCKED = struct.pack("<HH6xH", 0xA5EC, 0xC1, 0x100) + bytes(900)
WORD_95 = struct.pack("<HH", 0xA5DC, 0x68) + bytes(900)
SLIDES: dict[tuple[str, ...], bytes] = {("PowerPoint Document",): bytes(600)}
USER_LOCKED = struct.pack("<HHIIII", 0, 0xFF6, 20, 20, 0xF3D1C4DF, 0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (workbook(before=record(0x2F, bytes(54))), "encrypted"),
        (compound({("WordDocument",): WORD_LOCKED}), "encrypted"),
        (compound({**SLIDES, ("Current User",): USER_LOCKED}), "encrypted"),
        (compound({("WordDocument",): WORD_95}), "unsupported_type"),
        (compound(SLIDES), "unsupported_type"),
        (compound({("VisioDocument",): bytes(600)}), "unsupported_type"),
        (compound({("WordDocument",): bytes(900)}), "corrupt"),
        (compound({("Workbook",): bytes(900)}), "corrupt"),
        (compound({**SLIDES, ("Current User",): bytes(40)}), "corrupt"),
        (FILES["rules.doc"][:9000], "corrupt"),
        (FILES["fees.xls"][:9000], "corrupt"),
        (FILES["deck.ppt"][:9000], "corrupt"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(DocumentRefused) as caught:
        extract(data, "a.bin")
    assert caught.value.reason == reason


def test_sectors_in_a_circle_are_refused() -> None:
    data = bytearray(compound({("WordDocument",): bytes(1024)}))
    table = len(data) - 512
    struct.pack_into("<II", data, table, 1, 0)
    with pytest.raises(DocumentRefused) as caught:
        extract(bytes(data), "a.doc")
    assert caught.value.reason == "corrupt"


def test_groups_within_groups_end() -> None:
    def part(kind: int, data: bytes, marks: int = 15) -> bytes:
        return struct.pack("<HHI", marks, kind, len(data)) + data

    said = part(3999, struct.pack("<I", 4), 0) + part(4008, b"deep", 0)
    drawn = part(0xF004, part(0xF00D, said))
    for _ in range(3000):
        drawn = part(0xF003, drawn)
    slide = part(1006, part(1036, part(0xF002, drawn)))
    listed = part(4080, part(1011, struct.pack("<IIiII", 2, 0, 0, 256, 0), 0))
    document = part(1000, listed)
    places = struct.pack("<III", 2 << 20 | 1, 0, len(document))
    edit = struct.pack("<IIIIIIHH", 0, 0, 0, len(document + slide), 1, 2, 0, 0)
    stream = document + slide + part(6002, places, 0) + part(4085, edit, 0)
    at = len(stream) - len(edit) - 8
    user = struct.pack("<HHIIII", 0, 0xFF6, 20, 20, 0xE391C05F, at)
    data = compound({("PowerPoint Document",): stream, ("Current User",): user})
    assert extract(data, "a.ppt").text == "deep"


@pytest.mark.parametrize("name", FILES)
def test_mutated_files_are_read_or_refused(name: str) -> None:
    whole, rng = FILES[name], random.Random(name)
    live = [place for place, byte in enumerate(whole) if byte]
    for _ in range(250):
        data = bytearray(whole)
        for place in rng.choices(live, k=rng.randint(1, 20)):
            data[place] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        try:
            extract(bytes(data), name)
        except DocumentRefused as refused:
            assert refused.reason
