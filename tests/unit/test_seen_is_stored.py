"""What people see in documents of offices, wikis and converters is what is stored."""

import io
import zipfile
from contextlib import suppress
from datetime import datetime, time, timedelta

import pytest
from fpdf import FPDF

from app.errors import DocumentRefused
from benchmarks.reading.together import stand_together
from ingestion.chunk import Cut
from ingestion.formats.extract import extract
from ingestion.formats.number_formats import moment, number, span
from tests.effort import cpu_within
from tests.unit.made_tables import in_lines

NAMES = (
    ("office", "office"),
    ("style", "style"),
    ("text", "text"),
    ("table", "table"),
    ("draw", "drawing"),
    ("presentation", "presentation"),
)
SPACES = " ".join(
    f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{long}:1.0"' for short, long in NAMES
)
SPACES += ' xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0"'


def opened(kind: str, body: str, styles: str = "", stated: str = "") -> bytes:
    """An OpenDocument file of a kind, as programs write it: its type comes first."""
    content = (
        f"<office:document-content {SPACES}><office:automatic-styles>{styles}"
        f"</office:automatic-styles><office:body><office:{kind}>{body}</office:{kind}>"
        "</office:body></office:document-content>"
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", f"application/vnd.oasis.opendocument.{stated or kind}")
        archive.writestr("content.xml", content)
    return buffer.getvalue()


def text_of(data: bytes, name: str) -> str:
    return extract(data, name).text


def headed(data: bytes, name: str) -> list[str]:
    return [one.text for one in extract(data, name).headings if one.text]


def styled(name: str, says: str, family: str = "text") -> str:
    return (
        f'<style:style style:name="{name}" style:family="{family}">'
        f"<style:text-properties {says}/></style:style>"
    )


PRINT = (
    styled("B", 'fo:font-weight="bold"')
    + styled("S", 'style:text-line-through-style="solid"')
    + styled("U", 'style:text-position="super 58%"')
    + '<text:list-style style:name="L"><text:list-level-style-number text:level="1" '
    'style:num-format="1" style:num-suffix="." text:start-value="3"/>'
    '<text:list-level-style-number text:level="2" style:num-format="a" style:num-suffix=")"/>'
    "</text:list-style>"
)


def test_an_open_text_shows_its_numbers_and_no_struck_price() -> None:
    item = "<text:list-item><text:p>{}</text:p>{}</text:list-item>"
    inner = f"<text:list>{item.format('Cars', '')}{item.format('Bicycles', '')}</text:list>"
    body = (
        '<text:list text:style-name="L">' + item.format("Board", inner) + item.format("Sit", "")
    ) + (
        '</text:list><text:p>Fee: <text:span text:style-name="S">€9 </text:span>€25'
        '<text:span text:style-name="U">1</text:span> a day</text:p>'
    )
    said = text_of(opened("text", body, PRINT), "a.odt")
    assert said == "3. Board\n  a) Cars\n  b) Bicycles\n4. Sit\n\nFee: €25 ¹ a day"


def test_questions_in_bold_head_their_answers_in_open_texts() -> None:
    bold = '<text:p><text:span text:style-name="B">{}</text:span>{}</text:p>'
    body = bold.format("May I pay later?", "") + "<text:p>Within 14 days.</text:p>"
    body += bold.format("And by card?", "<text:line-break/>From 5 euros.")
    data = opened("text", body, PRINT)
    assert headed(data, "a.odt") == ["May I pay later?", "And by card?"]


@pytest.mark.parametrize("names", [("List_20_Heading", "List_20_Contents")])
def test_terms_stand_on_the_line_of_what_is_told_of_them(names: tuple[str, str]) -> None:
    pair = '<text:p text:style-name="{}">{}</text:p><text:p text:style-name="{}">{}</text:p>'
    told = [("Wi-Fi", "rill-2210"), ("Toilets", "Floor two")]
    body = "".join(pair.format(names[0], term, names[1], said) for term, said in told)
    assert text_of(opened("text", body), "a.odt") == "Wi-Fi: rill-2210\nToilets: Floor two"


def test_open_sheets_show_what_is_in_sight() -> None:
    cell = "<table:table-cell{}><text:p>{}</text:p></table:table-cell>"
    row = "<table:table-row{}>{}</table:table-row>"
    wide = ' table:number-columns-spanned="2"'
    body = (
        '<table:table table:name="Fees"><table:table-column table:number-columns-repeated="2"/>'
        '<table:table-column/><table:table-column table:visibility="collapse"/>'
        + row.format(
            "", cell.format("", "Club") + cell.format(wide, "Fee") + "<table:covered-table-cell/>"
        )
        + row.format("", "".join(cell.format("", t) for t in ("Chess", "€9.00", "12%", "x 6543")))
        + row.format(' table:visibility="collapse"', cell.format("", "Secret 7777"))
        + row.format(' table:number-rows-repeated="1048570"', "<table:table-cell/>")
        + '</table:table><table:table table:name="Old" table:style-name="H">'
        + row.format("", cell.format("", "Old 31337"))
        + "</table:table>"
    )
    hidden = (
        '<style:style style:name="H" style:family="table">'
        '<style:table-properties table:display="false"/></style:style>'
    )
    data = opened("spreadsheet", body, hidden)
    assert text_of(data, "a.ods") == "Fees\n\nClub | Fee | Fee\nChess | €9.00 | 12%"
    assert extract(data, "a.ods").media_type.endswith("spreadsheet")


def test_an_open_sheet_shows_no_struck_value_and_no_mark_within_a_number() -> None:
    row = "<table:table-row>{}</table:table-row>"
    fee = (
        '<table:table-cell><text:p><text:span text:style-name="S">€60 </text:span>€35'
        '<text:span text:style-name="U">1</text:span></text:p></table:table-cell>'
    )
    name = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
    struck = '<table:table-cell table:style-name="C"><text:p>20</text:p></table:table-cell>'
    body = row.format(name.format("Gym") + fee) + row.format(name.format("Pool") + struck)
    looks = PRINT + styled("C", 'style:text-line-through-style="solid"', "table-cell")
    data = opened("spreadsheet", f'<table:table table:name="Fees">{body}</table:table>', looks)
    assert text_of(data, "a.ods") == "Fees\n\nGym | €35 ¹\nPool"


def test_an_open_sheet_that_repeats_too_much_is_refused() -> None:
    cell = f'<table:table-cell table:number-columns-repeated="200"><text:p>{"x" * 500}</text:p>'
    row = f'<table:table-row table:number-rows-repeated="1000">{cell}</table:table-cell>'
    body = f"<table:table>{(row + '</table:table-row>') * 3}</table:table>"
    with pytest.raises(DocumentRefused) as caught:
        extract(opened("spreadsheet", body), "a.ods")
    assert caught.value.reason == "too_large"


def test_open_texts_nest_as_deeply_as_they_may() -> None:
    for tag in ("text:span", "text:list", "table:table"):
        for depth in (100, 5_000):
            body = f"<text:p>Said.</text:p>{f'<{tag}>' * depth}{f'</{tag}>' * depth}"
            try:
                assert extract(opened("text", body), "a.odt").text == "Said."
            except DocumentRefused as refusal:
                assert depth > 200 and refusal.reason == "corrupt"


def test_open_slides_begin_with_their_titles() -> None:
    frame = (
        '<draw:frame presentation:class="{}"><draw:text-box><text:p>{}</text:p></draw:text-box>'
        "</draw:frame>"
    )
    body = (
        f"<draw:page>{frame.format('outline', 'Every 12 minutes')}"
        f"{frame.format('title', 'Shuttle')}{frame.format('footer', 'ACME')}"
        f"<presentation:notes>{frame.format('notes', 'Not in July')}</presentation:notes>"
        '</draw:page><draw:page draw:style-name="H"><text:p>Hidden</text:p></draw:page>'
    )
    hidden = (
        '<style:style style:name="H" style:family="drawing-page">'
        '<style:drawing-page-properties presentation:visibility="hidden"/></style:style>'
    )
    found = extract(opened("presentation", body, hidden), "a.odp")
    assert found.text == "Shuttle\n\nEvery 12 minutes\n\nNot in July"
    assert (found.title, len(found.pages)) == ("Shuttle", 1)


def test_other_open_documents_are_refused_by_their_name() -> None:
    with pytest.raises(DocumentRefused) as caught:
        extract(opened("drawing", "<draw:page/>", stated="graphics"), "a.odg.odt")
    assert caught.value.reason == "unsupported_type"
    assert "Hi" in text_of(opened("text", "<text:p>Hi</text:p>", stated="text-web"), "a.odt")


CALENDAR = """BEGIN:VCALENDAR\r
X-WR-CALNAME:Village hall\r
BEGIN:VTIMEZONE\r
TZID:Europe/Berlin\r
END:VTIMEZONE\r
BEGIN:VEVENT\r
SUMMARY:AGM\\, yearly\r
DTSTART;TZID=Europe/Berlin:20260512T193000\r
DTEND;TZID=Europe/Berlin:20260512T210000\r
RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TU;COUNT=4\r
DESCRIPTION:Bring the papers\\nVotes: \r
 2\r
BEGIN:VALARM\r
DESCRIPTION:Alarm 99\r
END:VALARM\r
END:VEVENT\r
BEGIN:VEVENT\r
SUMMARY:Sale\r
DTSTART;VALUE=DATE:20260606\r
DTEND;VALUE=DATE:20260608\r
LOCATION:Main hall\r
END:VEVENT\r
END:VCALENDAR\r
"""


def test_a_calendar_says_when_and_where() -> None:
    found = extract(CALENDAR.encode(), "a.ics")
    assert [one.text for one in found.headings] == ["Village hall", "AGM, yearly", "Sale"]
    assert "AGM, yearly: Tuesday, 12 May 2026, 19:30 to 21:00 Europe/Berlin" in found.text
    assert "Repeats every 2 weeks on Tuesday, 4 times" in found.text
    assert "Bring the papers\nVotes: 2" in found.text and "99" not in found.text
    assert "Sale: Saturday, 6 June 2026 to Sunday, 7 June 2026\nLocation: Main hall" in found.text


@pytest.mark.parametrize("data", [b"no calendar", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR"])
def test_what_is_no_calendar_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentRefused):
        extract(data, "a.ics")


def test_rich_text_keeps_rows_notes_and_marks_and_no_struck_price() -> None:
    cells = r"{\pard\intbl %s\par}\cell"
    rows = [("Item", "Fee"), ("Bus", r"{\strike £9} £7{\*\footnote\pard from 2026\par}")]
    rows += [("", r"£25{\super 1}")]
    source = r"{\rtf1\ansi " + "".join(
        r"\trowd"
        + (r"\clvmrg" if not first else "")
        + r"\cellx10\cellx20 "
        + cells % first
        + cells % second
        + r"\row"
        for first, second in rows
    )
    said = text_of((source + r"\pard After.\par}").encode("cp1252"), "a.rtf")
    assert said.startswith("Item | Fee\nBus | £7 (from 2026)\nBus | £25 ¹")


MANY = 100_000
HOSTILE = {
    "a.ics": b"BEGIN:VCALENDAR\n" + b"BEGIN:X\n" * MANY + b"END:X\n" * MANY,
    "b.ics": b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY" + b";A=b" * MANY,
    "a.rtf": b"{\\rtf1 " + b"\\trowd " * MANY + b"x}",
    "b.rtf": b"{\\rtf1 " + b"{\\*\\footnote " * MANY + b"x}",
    "c.rtf": b"{\\rtf1 " + b"\\par " * MANY + b"}" * MANY,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_time_grows_with_the_size_only(name: str) -> None:
    with cpu_within(5), suppress(DocumentRefused):
        extract(HOSTILE[name], name)


FORMATS = [
    (1450, "#,##0.00 [$€-407]", "1,450.00 €"),
    (-1250, "#,##0;[Red](#,##0)", "-1,250"),
    (0, '"yes";;"no"', "no"),
    (5550142, "000-0000", "555-0142"),
    (7, "00000", "00007"),
    (1234567, '#,##0,"k"', "1,235k"),
    (2.0, "0.##", "2"),
    (0, '_-£* #,##0.00_-;-£* #,##0.00_-;_-£* "-"??_-', "£-"),
    (-3.5, '_-£* #,##0.00_-;-£* #,##0.00_-;_-£* "-"??_-', "-£3.50"),
    (0.5, "# ?/?", "0.5"),
    (3, "", "3"),
]


@pytest.mark.parametrize(("value", "style", "shown"), FORMATS)
def test_numbers_are_written_as_their_formats_say(value: float, style: str, shown: str) -> None:
    assert number(value, style) == shown


def test_days_and_times_are_written_as_they_are_seen() -> None:
    day = datetime(2026, 10, 5, 14, 5)
    assert moment(day, "[$-409]ddd d mmm yyyy") == "Mon 5 Oct 2026"
    assert moment(day, "mmm-yy") == "Oct-26" and moment(day, "mm/yyyy") == "10/2026"
    assert moment(day, "dd/mm/yyyy hh:mm") == "2026-10-05 14:05"
    assert (
        moment(time(18, 5), "h:mm AM/PM") == "6:05 PM" and moment(time(6, 45), "hh:mm") == "06:45"
    )
    assert span(timedelta(hours=36), "[h]:mm") == "36:00"


SHEET = "<style>.c0{font-weight:700}.n{font-weight:400}.row{display:flex}</style>"


def test_questions_that_a_sheet_prints_in_bold_head_their_answers() -> None:
    body = (
        "<p><span class=c0>When may I water?</span></p><p>Before nine.</p>"
        "<p><b class=n>Is this plain?</b></p><p>It is.</p>"
        "<p style='font-weight:normal'><b style='font-weight:normal'>Not bold?</b></p><p>No.</p>"
    )
    page = f"<html><head>{SHEET}</head><body><h1>Plots</h1>{body}</body></html>".encode()
    assert headed(page, "a.html") == ["Plots", "When may I water?"]


def test_a_bold_question_of_a_list_stands_on_the_line_of_its_answer() -> None:
    body = "<ul><li><b>Where do I park?</b><br>Deck 3.</li><li>Two<br>lines</li></ul>"
    said = text_of(f"<html><body>{body}</body></html>".encode(), "a.html")
    assert said == "- Where do I park? Deck 3.\n- Two\nlines"


PAGES = {
    "toggles of a notebook": (
        "<ul class=toggle><li><details open><summary>Can I work abroad?</summary>"
        "<p>For 20 days.</p></details></li></ul>",
        ("Can I work abroad?", "20 days"),
    ),
    "expander of a wiki": (
        "<div><div class=expand-control><span>Who pays for damage?</span></div>"
        "<div class=expand-content style='display:none'><p>You pay 150 euros.</p></div></div>",
        ("Who pays for damage?", "150 euros"),
    ),
    "box with a title": (
        "<div class=panel><div class=panelHeader><b>Loan pool</b></div>"
        "<div class=panelContent><p>Room 2.18</p></div></div>",
        ("Loan pool", "Room 2.18"),
    ),
    "row of a sheet": (
        f"{SHEET}<div class=row><div>Suite</div><div>€154</div></div>",
        ("Suite", "€154"),
    ),
    "sign in a cell": (
        "<table><tr><th>Feature<th>Free<th>Pro<tr><td>Backup<td><img alt='not included'>"
        "<td><input type=checkbox checked></table>",
        ("Backup", "Free", "not included"),
    ),
    "labels in boxes": (
        "<table><tr><th>Role<th>Level<tr><td>Senior<td><span class=badge>L3</span>"
        "<span class=badge>L4</span></table>",
        ("Senior", "Level", "L3 L4"),
    ),
    "short word before a time": (
        "<div><span class=k>Check-in</span><span class=v>15:00</span></div>",
        ("Check-in", "15:00"),
    ),
}


@pytest.mark.parametrize("name", PAGES)
def test_what_belongs_together_on_pages_is_read_together(name: str) -> None:
    body, pair = PAGES[name]
    found = extract(f"<html><body><h1>Rules</h1>{body}</body></html>".encode(), "a.html")
    headings = tuple(one.text for one in found.headings)
    cut = Cut(found.text, 0, len(found.text), None, headings=headings)
    assert stand_together([cut], pair), found.text


def test_hidden_parts_stay_hidden_beside_what_opens_others() -> None:
    body = (
        "<div class=toggle>Menu</div><div class=note style='display:none'>Secret one</div>"
        "<td><img alt='Secret two' hidden></td><table><tr><td>A<td>"
        "<img alt='Secret three' style='display:none'></table>"
    )
    assert "Secret" not in text_of(
        f"<html><body><p>Seen.</p>{body}</body></html>".encode(), "a.html"
    )


def test_questions_of_plain_text_head_their_answers() -> None:
    source = b"POOL RULES\n\nQ: Is diving allowed?\nA: Only in lane 6.\n\nSauna: 12 euros\n"
    found = extract(source, "a.txt")
    assert [one.text for one in found.headings] == ["POOL RULES", "Q: Is diving allowed?", ""]
    assert found.headings[-1].start == found.text.index("Sauna")


def test_bold_print_is_told_by_the_name_of_its_font() -> None:
    pdf = FPDF()
    pdf.add_page()
    for y, style, said in ((30, "B", "May I pay later?"), (36, "", "Within 14 days, by bank.")):
        pdf.set_font("helvetica", style, 11)
        pdf.text(20, y, said)
    assert headed(bytes(pdf.output()), "a.pdf") == ["May I pay later?"]


def test_a_heading_in_larger_print_parts_two_tables() -> None:
    rows = [["Day", "Open"], ["Monday", "9 to 5"], ["Friday", "9 to 8"]]
    data = in_lines([*rows, ["", ""], *rows], [1.3] * 7)
    assert "Monday | 9 to 5" in text_of(data, "a.pdf")
    pdf = FPDF(unit="pt")
    pdf.add_page()
    for at, cells in enumerate([*rows, ["Prices"], ["Item", "Fee"], ["Boat", "£7"], ["Oar", "£2"]]):
        pdf.set_font("helvetica", size=14 if len(cells) == 1 else 10)
        for n, cell in enumerate(cells):
            pdf.text(60 + 90 * n, 80 + 15 * at, cell)
    assert headed(bytes(pdf.output()), "a.pdf") == ["Prices"]


def test_names_that_dots_lead_to_their_values_stand_on_lines_of_their_own() -> None:
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("helvetica", size=10)
    for name, value in (("Day ticket", "12.50"), ("Evening", "8.00"), ("Children", "free")):
        dots = "." * int((150 - pdf.get_string_width(name + value)) / pdf.get_string_width("."))
        pdf.cell(0, 5, f"{name} {dots} {value}", new_x="LMARGIN", new_y="NEXT")
    lines = text_of(bytes(pdf.output()), "a.pdf").split("\n")
    assert [(line.split(" ")[0], line.split(" ")[-1]) for line in lines if line] == [
        ("Day", "12.50"),
        ("Evening", "8.00"),
        ("Children", "free"),
    ]
