"""What people see is what is stored: marks, numbers, tables, columns, and nothing unseen."""

import io
import random
from collections.abc import Callable
from typing import Any

import docx
import pytest
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Pt, RGBColor
from fpdf import FPDF

from app.errors import DocumentRefused
from benchmarks.reading.facts import facts
from benchmarks.reading.measure import PASSAGE_TOKENS, read_fact
from benchmarks.reading.together import everyday, measure_together
from ingestion.chunk import Cut, cut_passages
from ingestion.formats.charset import decode
from ingestion.formats.document import Extracted
from ingestion.formats.extract import extract
from ingestion.formats.html import MAX_DEPTH, shallow
from ingestion.formats.numerals import numeral
from ingestion.formats.seeing import can_be_told
from ingestion.formats.tables import Table
from ingestion.formats.text import raised, tidy
from tests.effort import cpu_within
from tests.unit.sample_documents import saved, word_with
from tests.unit.test_chunk import TOKENIZER


def html(body: str, head: str = "") -> str:
    return extract(f"<html><head>{head}</head><body>{body}</body></html>".encode(), "a.html").text


def markdown(text: str) -> str:
    return extract(text.encode(), "a.md").text


def sheet() -> FPDF:
    pdf = FPDF(unit="pt", format=(595, 842))
    pdf.set_auto_page_break(False)
    pdf.add_page()
    pdf.set_font("helvetica", size=11)
    return pdf


def read_pdf(pdf: FPDF) -> Extracted:
    return extract(bytes(pdf.output()), "a.pdf")


def cuts(found: Extracted) -> list[Cut]:
    return cut_passages(found, TOKENIZER)


# --- The made corpus, a part of it ------------------------------------------------------------


def test_facts_of_every_kind_are_read_right_and_no_wrong_value_is_stored() -> None:
    outcomes = [read_fact(fact, TOKENIZER) for fact in facts(numbers=[6])]
    assert [one.fact.name for one in outcomes if not one.right] == []
    assert [(one.fact.name, one.stored) for one in outcomes if one.stored] == []
    assert len(outcomes) >= 40


def test_what_belongs_together_in_documents_of_every_day_stands_together() -> None:
    found = measure_together([*everyday("first"), *everyday("second")], TOKENIZER, PASSAGE_TOKENS)
    assert found["missing"] == []
    assert found["shown"] == []
    assert found["pairs"] > 240


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ("<p><span class=d>T</span><span class=r>2000</span> and", "T2000 and"),
        ("<p><span class=a>H</span><span class=b>2</span>O", "H2O"),
        ("<p><span>Windows</span><span>95</span>", "Windows95"),
        ("<pre><span class=a>call</span><span class=b>2</span></pre>", "call2"),
        ("<p><span class=a>3</span><span class=b>kg</span>", "3kg"),
        ("<p><span class=a>Weight</span><span class=b>3 kg</span>", "Weight 3 kg"),
        ("<p><span class=a>£9</span><span class=b>per month</span>", "£9 per month"),
    ],
)
def test_a_word_and_a_figure_that_a_style_sheet_parts(body: str, read: str) -> None:
    assert html(body) == read


def card(*parts: str) -> str:
    return f"<div class=c>{''.join(f'<div>{part}</div>' for part in parts)}</div>"


def test_the_parts_of_a_card_stand_on_its_line() -> None:
    two = card("Day", "€12") + card("Week", "€45")
    assert html(f"<div>{two}</div>") == "Day: €12\nWeek: €45"
    three = card("Day", "€12", "one") + card("Week", "€45", "all")
    assert html(f"<div>{three}</div>") == "Day: €12, one\nWeek: €45, all"


@pytest.mark.parametrize(
    "cards",
    [
        card("Day", "€12"),
        card("Ann", "Bo") + card("Cy", "Di"),
        card("Day", "<p>€12</p><p>each</p>") + card("Week", "<p>€45</p><p>each</p>"),
        card("Day", "€12") + "<div class=other><div>Week</div><div>€45</div></div>",
        card("Day", "1 " + "long " * 20) + card("Week", "2 " + "long " * 20),
    ],
)
def test_what_is_no_card_keeps_its_lines(cards: str) -> None:
    assert ": " not in html(f"<div>{cards}</div>")


def test_what_opens_is_a_section_that_ends_with_it() -> None:
    body = "<h1>Help</h1><details><summary>Can I pay late?</summary><p>Within 9 days.</p></details>"
    found = cuts(extract(f"<body>{body}<p>Call us.</p></body>".encode(), "a.html"))
    assert [(cut.text, cut.headings) for cut in found] == [
        ("Help\n\nCan I pay late?\n\nWithin 9 days.", ("Help", "Can I pay late?")),
        ("Call us.", ("Help",)),
    ]


def test_a_table_in_a_cell_stays_on_its_row_and_tables_that_arrange_do_not() -> None:
    inner = "<table><tr><td>Mon<td>8-18<tr><td>Sat<td>9-13</table>"
    rows = (
        f"<tr><td>Branch<td>Phone<td>Hours<tr><td>Oak<td>0101<td>{inner}<tr><td>Mill<td>0155<td>-"
    )
    read = "Branch | Phone | Hours\nOak | 0101 | Mon 8-18; Sat 9-13\nMill | 0155 | -"
    assert html(f"<table>{rows}</table>") == read
    arranged = html(f"<table><tr><td>Left<td>{inner}</table>")
    assert "Mon | 8-18\nSat | 9-13" in arranged


def test_a_bar_in_a_cell_parts_no_cells() -> None:
    assert html("<table><tr><td>a | b<td>c</table>") == "a|b | c"
    assert extract(b"x,y\na | b,1\n", "a.csv").text == "x | y\na|b | 1"


def test_boxes_of_markdown_and_facts_before_it() -> None:
    source = '+++\ntitle = "T"\n+++\n\n> [!NOTE]\n> Nine days.\n\n'
    source += '!!! tip "Late"\n    Ten.\n\n    More.\n'
    found = extract(f"{source}\n:::info[Port]\nIt is 80.\n:::\n".encode(), "a.md")
    assert found.title == "T"
    assert found.text == "Note: Nine days.\n\nLate\n\nTen.\n\nMore.\n\nPort\n\nIt is 80."


def test_what_seems_to_lead_to_a_heading_belongs_to_the_section_before() -> None:
    body = "<h2>Basic</h2><p>£9<p><a>Order now</a></p><h2>Team</h2><p>£29"
    found = cuts(extract(f"<body><h1>Plans</h1>{body}</body>".encode(), "a.html"))
    assert [(cut.headings[-1], "£29" in cut.text) for cut in found] == [
        ("Basic", False),
        ("Team", True),
    ]


# --- Characters ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("£25¹ a month", "£25 ¹ a month"),
        ("10³ litres, 10⁻⁶ g", "10^3 litres, 10^-6 g"),
        ("£10² and 110²", "£10 ² and 110 ²"),
        ("5½ cm and H₂O", "5 ½ cm and H₂O"),
        ("20 m² each", "20 m² each"),
        ("25① 3₂", "25 ① 3 ₂"),
    ],
)
def test_no_number_takes_in_a_mark(written: str, read: str) -> None:
    assert tidy(written) == read


@pytest.mark.parametrize(
    ("before", "mark", "read"),
    [
        ("25", "1", "¹"),
        ("25", "1, 2", "¹, ²"),
        ("1", "st", "st"),
        ("25", "[3]", "³"),
        ("25", "a", "ᵃ"),
        ("25", "*", "*"),
        ("Acme", "TM", "TM"),
    ],
)
def test_raised_marks(before: str, mark: str, read: str) -> None:
    assert raised(mark, before) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("at\u200b7:40\u200bfrom", "at 7:40 from"),
        ("5\u200b euros", "5 euros"),
        ("ห้อง\u200bสมุด", "ห้องสมุด"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("क्\u200dष", "क्\u200dष"),
        ("👩\u200d🌾", "👩\u200d🌾"),
        ("pay\u200droll\u200c", "payroll"),
        ("\u200d\u200d\u200d", ""),
    ],
)
def test_joiners_stay_where_a_script_needs_them(written: str, read: str) -> None:
    assert tidy(written) == read


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Knihovna se zavírá v osm. Příští týden bude otevřeno déle než obvykle.", "cp1250"),
        ("Biblioteka jest czynna do ósmej. Opłata wynosi pięć złotych za każdy dzień.", "latin2"),
        ("Музей открыт до шести часов вечера. Билет стоит триста рублей.", "cp866"),
        ("Το μουσείο κλείνει στις έξι. Το εισιτήριο κοστίζει πέντε ευρώ.", "cp1253"),
        ("The naïve café costs £5 – every day.", "mac_roman"),
        ("Le musée ferme à six heures; l'entrée coûte cinq francs.", "cp850"),
        ("美術館は六時に閉まります。入場料は五百円です。", "euc_jp"),
        ("박물관은 여섯 시에 문을 닫습니다. 입장료는 오천 원입니다.", "cp949"),
        ("It costs 5 euros.", "utf-16-le"),
        ("The price is 5 €. It’s low.", "cp1252"),
    ],
)
def test_legacy_encodings_are_read(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_a_declared_encoding_counts() -> None:
    page = "<meta charset='iso-8859-2'><p>łąka</p>"
    assert decode(page.encode("iso-8859-2")) == page


def test_noise_is_refused() -> None:
    for data in (bytes(range(256)) * 8, b"\x00\x01" * 50, random.Random(1).randbytes(999)):
        with pytest.raises(DocumentRefused):
            decode(data)


# --- HTML and Markdown -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ("<ol start=4><li>a<li>b</ol>", "4. a\n5. b"),
        ("<ol type=i><li>a<li value=9>b</ol>", "i. a\nix. b"),
        ("<ol reversed start=3><li>a<li>b</ol>", "3. a\n2. b"),
        ("<ol style='list-style: upper-alpha'><li>a<li>b</ol>", "A. a\nB. b"),
        ("<ol><li>a<ol type=a><li>b</ol><li>c</ol>", "1. a\n  a. b\n2. c"),
        ("<p>x<sup>2</sup>, 7<sub>2</sub>, 1<sup>st</sup></p>", "x², 7 ₂, 1st"),
        ("<p>He said <q>no</q>.</p>", "He said “no”."),
        ("<p>25<span style='vertical-align:super'>1</span> euros</p>", "25 ¹ euros"),
        ("<ul><li></li><li>a</li></ul>", "- a"),
        ("<p class='sr-only'>x</p><p class='d-none d-md-block'>y</p>", "y"),
        ("<div bgcolor='#000'><font color='#fff'>a</font></div><font color=white>b</font>", "a"),
        ("<ruby>東<rt>とう</rt></ruby>", "東"),
        ("<p><math><mfrac><mn>1</mn><mn>3</mn></mfrac></math> of it", "1/3 of it"),
        ("<p><math><msup><mn>10</mn><mn>3</mn></msup></math> l", "10^3 l"),
        ("<article><p>A.</p><footer>Tel. 5</footer></article><footer>x</footer>", "A.\n\nTel. 5"),
        (
            "<p>Press <button>Save</button> to keep it</p><button>Menu</button>",
            "Press Save to keep it",
        ),
    ],
)
def test_html_shows(body: str, read: str) -> None:
    assert html(body) == read


def test_merged_cells_are_filled_in_each_row_and_column() -> None:
    body = "<table><tr><th>A<th>B<th>C</tr><tr><td rowspan=2>x<td colspan=2>y</tr>"
    assert html(body + "<tr><td>1<td>2</tr></table>") == "A | B | C\nx | y | y\nx | 1 | 2"


def test_a_hostile_span_makes_no_huge_row() -> None:
    body = "<table><tr><td colspan=9999999 rowspan=9999999>x</td><td>y</td></tr></table>"
    assert len(html(body)) < 2_000


HIDDEN = [
    ".x{display:none}",
    "p.x{visibility:hidden}",
    "#y{opacity:0.02}",
    "body .x{position:absolute;left:-5000px}",
    "@media screen{.x{font-size:1px}}",
    ":root{--c:#fff}.x{color:var(--c)}",
    ".x{clip:rect(0 0 0 0);position:absolute}",
    ".x{color:rgba(0,0,0,.01)}",
    ".x{text-indent:-9999px}",
    ".x{transform:scale(0)}",
    ".x{height:0;overflow:hidden}",
]


@pytest.mark.parametrize("rule", HIDDEN)
def test_style_sheets_hide(rule: str) -> None:
    assert html("<p class=x id=y>Unseen.</p><p>Seen.</p>", f"<style>{rule}</style>") == "Seen."


SHOWN = [
    ".x{display:none} .x{display:block}",
    "@media print{.x{display:none}}",
    "@media (max-width:600px){.x{display:none}}",
    ".x:hover{display:none}",
    ".x{color:#fff;background:#003}",
    ".x{display:none!important} #y{display:block!important}",
    ".x{font-size:0.7em}",
]


@pytest.mark.parametrize("rule", SHOWN)
def test_style_sheets_that_hide_nothing(rule: str) -> None:
    assert "Text." in html("<p class=x id=y>Text.</p>", f"<style>{rule}</style>")


def test_white_print_over_a_picture_is_stored_with_a_doubt() -> None:
    body = "<div style='background:url(a.png)'><p style='color:#fff'>Maybe.</p></div><p>Sure.</p>"
    found = extract(f"<html><body>{body}".encode(), "a.html")
    assert [found.text[d.start : d.end] for d in found.doubts] == ["Maybe."]
    assert cuts(found)[0].doubt


def test_a_tab_stands_before_its_panel() -> None:
    body = (
        "<div role=tablist><a role=tab href='#s'>Summer</a><a role=tab href='#w'>Winter</a></div>"
    )
    body += "<div id=s><p>31 euros.</p></div><div id=w style='display:none'><p>12 euros.</p></div>"
    assert html(body) == "Summer\n\n31 euros.\n\nWinter\n\n12 euros."


def test_notes_stand_where_they_are_cited() -> None:
    text = markdown("It costs 5[^a] euros.\n\nMore.\n\n[^a]: Children: 3 euros.\n")
    assert text == "It costs 5 ¹ euros.\n¹ Children: 3 euros.\n\nMore."


def test_a_hidden_note_does_not_come_to_light() -> None:
    body = "<p>It costs 5<sup><a href='#n'>1</a></sup>.</p><div style='display:none'>"
    assert "secret" not in html(body + "<ol class=footnotes><li id=n>secret</ol></div>")


def test_markdown_shows_what_it_renders() -> None:
    text = "# A\n\n3. c\n4. d\n\nOld ~~£9~~ £6, see [the list][l].\n\n[l]: https://example.org\n"
    assert markdown(text) == "A\n\n3. c\n4. d\n\nOld £6, see the list."


def test_every_passage_knows_its_title_and_headings() -> None:
    filler = "<p>" + "The hall has a stage, a bar and chairs along the wall. " * 20 + "</p>"
    page = f"<title>House</title><h1>Rules</h1><h2>Hall</h2>{filler}{filler}<h2>Pool</h2>{filler}"
    found = extract(page.encode(), "a.html")
    paths = [cut.headings for cut in cuts(found)]
    assert found.title == "House"
    assert paths[0] == ("Rules", "Hall") and paths[-1] == ("Rules", "Pool")
    assert ("Rules", "Hall") in paths


# --- Tables and numerals ---------------------------------------------------------------------


def test_a_long_table_repeats_its_header() -> None:
    rows = "".join(f"<tr><td>Stop {i}</td><td>{i} euros</td></tr>" for i in range(100))
    found = extract(f"<table><tr><th>Stop<th>Fare</tr>{rows}</table>".encode(), "a.html")
    assert all("Stop | Fare" in cut.text for cut in cuts(found))


def test_no_cell_of_a_wide_table_is_lost() -> None:
    cells = "".join(f"<td>n{i}</td>" for i in range(400))
    assert html(f"<table><tr>{cells}</tr></table>").count("n") == 400


def test_a_row_without_text_makes_no_line() -> None:
    table = Table()
    table.open_row()
    table.open_cell(2, 1, is_header=False)
    table.close_cell()
    assert table.close_row() == []


NUMERALS = [(4, "lower-roman", "iv"), (28, "upper-alpha", "AB"), (0, "lower-alpha", "0")]
NUMERALS += [(3, "lower-greek", "γ"), (5, "decimal-leading-zero", "05"), (7, "none", "")]


@pytest.mark.parametrize(("number", "kind", "written"), [*NUMERALS, (-1, "upper-roman", "-1")])
def test_numerals(number: int, kind: str, written: str) -> None:
    assert numeral(number, kind) == written


def test_print_must_differ_from_its_ground() -> None:
    assert can_be_told((0.4, 0.4, 0.4), (1, 1, 1))
    assert not can_be_told((0.98, 0.98, 0.98), (1, 1, 1))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_rows_of_a_delimited_file_stand_under_their_header(delimiter: str) -> None:
    rows = [["Stop", "Fare"], *([f"Stop {i}", f'"{i},50; euros"'] for i in range(60))]
    data = "\n".join(delimiter.join(row) for row in rows).encode()
    found = extract(data, "fares.csv" if delimiter != "\t" else "fares.tsv")
    assert "Stop 7 | 7,50; euros" in found.text
    assert all("Stop | Fare" in cut.text for cut in cuts(found))


def test_a_delimited_file_that_is_damaged_is_refused() -> None:
    with pytest.raises(DocumentRefused) as caught:
        extract(b"a,b\n" + b'"' + b"x" * 200_000, "a.csv")
    assert caught.value.reason == "corrupt"


# --- Word ------------------------------------------------------------------------------------


def word(build: Callable[[Any], None]) -> str:
    document = docx.Document()
    build(document)
    return extract(saved(document), "a.docx").text


def element(tag: str, **attributes: str) -> Any:
    made = OxmlElement(tag)
    for name, value in attributes.items():
        made.set(qn(f"w:{name}"), value)
    return made


def test_word_leaves_out_what_is_struck_white_or_tiny() -> None:
    def build(document: Any) -> None:
        paragraph = document.add_paragraph("Fee: ")
        paragraph.add_run("£60 ").font.strike = True
        paragraph.add_run("£35")
        paragraph.add_run(" white").font.color.rgb = RGBColor(255, 255, 255)
        paragraph.add_run(" tiny").font.size = Pt(1)

    assert word(build) == "Fee: £35"


def test_white_print_on_a_dark_cell_stays() -> None:
    def build(document: Any) -> None:
        cell = document.add_table(rows=1, cols=1).rows[0].cells[0]
        cell._tc.get_or_add_tcPr().append(element("w:shd", val="clear", fill="203060"))
        run = cell.paragraphs[0].add_run("Seen")
        run.font.color.rgb = RGBColor(255, 255, 255)

    assert word(build) == "Seen"


def test_a_paragraph_whose_end_was_deleted_goes_on() -> None:
    def build(document: Any) -> None:
        first = document.add_paragraph("It takes ")
        mark = element("w:rPr")
        mark.append(element("w:del", id="1", author="A"))
        first._p.get_or_add_pPr().append(mark)
        document.add_paragraph("nine days.")

    assert word(build) == "It takes nine days."


def test_word_equations_and_page_numbers() -> None:
    def build(document: Any) -> None:
        paragraph = document.add_paragraph("It is ")
        math = "http://schemas.openxmlformats.org/officeDocument/2006/math"
        from lxml import etree

        formula = f'<m:oMath xmlns:m="{math}"><m:f><m:num><m:r><m:t>3</m:t></m:r></m:num><m:den>'
        formula += "<m:r><m:t>4</m:t></m:r></m:den></m:f></m:oMath>"
        paragraph._p.append(etree.fromstring(formula))
        field = element("w:fldSimple", instr=" PAGE ")
        field.append(document.add_paragraph("17").runs[0]._r)
        paragraph._p.append(field)

    assert word(build) == "It is 3/4"


def test_a_nested_table_stays_in_its_cell() -> None:
    def build(document: Any) -> None:
        cells = document.add_table(rows=1, cols=2).rows[0].cells
        cells[0].text = "Fee"
        inner = cells[1].add_table(rows=1, cols=2)
        inner.rows[0].cells[0].text, inner.rows[0].cells[1].text = "day", "£4"

    assert word(build) == "Fee | day £4"


def test_an_entity_in_a_part_is_not_resolved() -> None:
    w = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    body = (
        f'<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd">]><w:document xmlns:w="{w}"><w:body>'
    )
    body += "<w:p><w:r><w:t>Seen &e; only</w:t></w:r></w:p></w:body></w:document>"
    assert "root:" not in extract(word_with("word/document.xml", body.encode()), "a.docx").text


# --- PDF -------------------------------------------------------------------------------------


def test_a_sentence_over_a_page_end_is_one_passage_with_both_pages() -> None:
    pdf = sheet()
    pdf.text(60, 60, "House rules")
    pdf.text(60, 700, "The kiln must rest for at least")
    pdf.text(280, 820, "House rules, page 1")
    pdf.add_page()
    pdf.text(60, 60, "nineteen hours. Then it may be opened.")
    pdf.text(280, 820, "House rules, page 2")
    found = read_pdf(pdf)
    passage = next(cut for cut in cuts(found) if "at least nineteen hours." in cut.text)
    assert (passage.page, passage.last_page) == (1, 2)
    assert "page 1" not in found.text
    assert [cut.page for cut in cuts(found) if cut.text.startswith("Then")] == [2]


def test_equal_content_on_two_pages_is_no_running_head() -> None:
    pdf = sheet()
    pdf.text(60, 60, "Fee A")
    pdf.text(60, 76, "The fee of part one is 5 euros.")
    pdf.add_page()
    pdf.text(60, 60, "Fee B")
    pdf.text(60, 76, "The fee of part two is 9 euros.")
    assert {"Fee A", "Fee B"} <= set(read_pdf(pdf).text.split("\n"))


def test_columns_that_are_drawn_row_by_row_are_read_one_by_one() -> None:
    pdf = sheet()
    left = ["The bakery opens at six on", "every day but sells bread", "only until noon."]
    right = ["The pool closes at eight and", "a ticket costs three euros", "for each adult."]
    for i, pair in enumerate(zip(left, right, strict=True)):
        for x, line in zip((60, 320), pair, strict=True):
            pdf.text(x, 100 + 14 * i, line)
    assert read_pdf(pdf).text == f"{' '.join(left)}\n\n{' '.join(right)}"


@pytest.mark.parametrize(
    "gaps",
    [
        ({}, {0: 5.5}),
        ({}, {0: 5.5, 8: -5.5, 14: 7}),
        ({14: 7}, {0: 6.5, 8: -6.5}),
        ({14: 7}, {}),
    ],
    ids=["all", "at both ends", "right, then left", "at the end"],
)
def test_lines_of_two_columns_may_take_turns(
    gaps: tuple[dict[int, float], dict[int, float]],
) -> None:
    """As on pages on which a heading or a gap moves one column down by a part of a line."""
    pdf = sheet()
    pdf.set_font_size(9)
    left = [f"the left column of the page goes on with its line {n} of text" for n in range(24)]
    right = [f"while the right column of it says this in line {n} as well" for n in range(24)]
    for x, lines, gap in zip((60, 312), (left, right), gaps, strict=True):
        y = 100.0
        for n, line in enumerate(lines):
            y += 12 + gap.get(n, 0)
            pdf.text(x, y, line)
    pdf.text(300, 430, "7")
    text = read_pdf(pdf).text.replace("\n\n", " ")
    assert " ".join(left) in text and " ".join(right) in text


def test_notes_at_the_foot_of_a_column_do_not_part_what_goes_on_in_the_next() -> None:
    pdf = sheet()
    left = [f"the left column goes on with its line {n} and says it of" for n in range(12)]
    right = [f"while the right one says this in its own line {n} of the" for n in range(12)]
    for x, lines in ((60, left), (312, right)):
        pdf.set_font_size(10)
        for n, line in enumerate(lines):
            pdf.text(x, 100 + 12 * n, line)
    pdf.set_font_size(6)
    pdf.text(60, 241, "1")
    pdf.set_font_size(8)
    pdf.text(64, 244, "A note to the left column that is short.")
    text = read_pdf(pdf).text.replace("\n\n", " ")
    assert " ".join([*left, *right]) in text
    assert text.endswith("A note to the left column that is short.")


def test_what_stands_a_little_lower_beside_a_line_is_no_column() -> None:
    pdf = sheet()
    pdf.text(60, 100, "The fee for a berth")
    pdf.text(320, 104, "12 March 2026")
    for n, line in enumerate(["A berth costs nine euros a night", "and six for each day."]):
        pdf.text(60, 140 + 14 * n, line)
    text = read_pdf(pdf).text
    assert "|" not in text and "A berth costs nine euros a night and six for each day." in text


def test_a_shaded_box_beside_text_is_read_by_itself() -> None:
    pdf = sheet()
    pdf.set_fill_color(230)
    pdf.rect(50, 80, 130, 120, style="F")
    for at, line in enumerate(["Seats: 24", "Lockers: 1 euro", "Copies: 10 cents"]):
        pdf.text(60, 100 + 26 * at, line)
    said = [
        "Readers show a passport,",
        "and those who have none",
        "bring a letter of their school.",
    ]
    for at, line in enumerate(said):
        pdf.text(220, 106 + 14 * at, line)
    text = read_pdf(pdf).text
    assert " ".join(said) in text and "|" not in text and "Lockers: 1 euro" in text


def test_a_shaded_column_or_cell_of_a_table_stays_in_its_rows() -> None:
    pdf = sheet()
    pdf.set_fill_color(230)
    pdf.rect(190, 80, 100, 120, style="F")
    for at, (day, fee) in enumerate([("Monday", "£4"), ("Friday", "£6"), ("Sunday", "£9")]):
        pdf.text(60, 100 + 20 * at, day)
        pdf.text(200, 100 + 20 * at, fee)
    assert "Friday | £6" in read_pdf(pdf).text
    pdf = sheet()
    for x, width in ((50, 100), (150, 160)):
        for y, height in ((80, 20), (100, 90)):
            pdf.set_fill_color(230 if x > 100 and y > 90 else 255)
            pdf.rect(x, y, width, height, style="DF")
    pdf.text(60, 94, "Task")
    pdf.text(160, 94, "Steps")
    pdf.text(60, 150, "Sweep")
    for at, step in enumerate(["fetch the broom,", "open the door,", "sweep it all"]):
        pdf.text(160, 116 + 25 * at, step)
    assert "Sweep | fetch the broom, open the door, sweep it all" in read_pdf(pdf).text


def test_rows_of_a_table_without_lines_stay_rows() -> None:
    pdf = sheet()
    for i, row in enumerate([("Stop", "Fare"), ("North", "3 euros"), ("South", "4 euros")]):
        for x, text in zip((60, 260), row, strict=True):
            pdf.text(x, 100 + 14 * i, text)
    assert read_pdf(pdf).text == "Stop | Fare\nNorth | 3 euros\nSouth | 4 euros"


def test_a_ruled_cell_over_two_rows_names_both() -> None:
    pdf = sheet()
    pdf.rect(60, 100, 100, 40)
    pdf.text(65, 124, "South")
    for i, price in enumerate(("4 euros", "19 euros")):
        pdf.rect(160, 100 + 20 * i, 100, 20)
        pdf.text(165, 114 + 20 * i, price)
    assert read_pdf(pdf).text == "South | 4 euros\nSouth | 19 euros"


def test_the_text_of_a_scan_stays_and_other_invisible_text_goes() -> None:
    from PIL import Image, ImageDraw

    picture = Image.new("L", (600, 120), 255)
    ImageDraw.Draw(picture).text((20, 40), "Plants return in 21 days", fill=0)
    scan = io.BytesIO()
    picture.save(scan, "PNG")
    pdf = sheet()
    pdf.image(scan, 60, 100, 300, 60)
    with pdf.local_context(text_mode="INVISIBLE"):
        pdf.text(70, 126, "Plants return in 21 days")
        pdf.text(70, 400, "Plants return in 400 days")
    assert read_pdf(pdf).text == "Plants return in 21 days"


def test_white_print_on_a_dark_box_stays() -> None:
    pdf = sheet()
    pdf.set_fill_color(20, 30, 80)
    pdf.rect(50, 80, 300, 40, style="F")
    pdf.set_text_color(255)
    pdf.text(60, 104, "Seen on dark ground.")
    assert read_pdf(pdf).text == "Seen on dark ground."


def test_letters_that_are_squeezed_together_are_not_read() -> None:
    pdf = sheet()
    pdf.text(60, 60, "Plants return in 21 days.")
    pdf.set_stretching(1)
    pdf.set_xy(60, 100)
    pdf.cell(text="Plants return in 400 days.")
    assert read_pdf(pdf).text == "Plants return in 21 days."


def test_an_underlined_word_is_not_struck() -> None:
    pdf = sheet()
    pdf.text(60, 100, "Underlined words stay here.")
    pdf.line(60, 102, 200, 102)
    assert read_pdf(pdf).text == "Underlined words stay here."


def test_spaced_out_letters_are_words() -> None:
    pdf = sheet()
    pdf.text(60, 100, "O F F I C E   H O U R S")
    assert read_pdf(pdf).text == "OFFICE HOURS"


@pytest.mark.parametrize("boilerplate", ["CONFIDENTIAL", "Page 1 of 9", "www.example.org"])
def test_boilerplate_in_large_print_is_no_title(boilerplate: str) -> None:
    pdf = sheet()
    pdf.set_font("helvetica", size=22)
    pdf.text(60, 60, boilerplate)
    pdf.set_font("helvetica", size=18)
    pdf.text(60, 100, "Travel allowances")
    pdf.set_font("helvetica", size=11)
    for i in range(4):
        pdf.text(60, 140 + 14 * i, "The allowance is paid at the end of each month of travel.")
    assert read_pdf(pdf).title == "Travel allowances"


# --- Slow inputs -----------------------------------------------------------------------------


def test_deep_nesting_is_made_shallow_before_it_is_parsed() -> None:
    assert shallow("<div>" * 50_000 + "x").count("<div>") == MAX_DEPTH
    page = "<p>" * 1000 + "<li>" * 1000 + "<!-- <div> -->" * 500 + "<b>x</b>" * 500
    assert shallow(page) == page
    assert len(shallow("<p " + " ".join(f"a{i}=1" for i in range(20_000)) + ">x")) < 10


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"a" + b" " * 3_000_000 + b"b", "a.txt"),
        (b"<p>a" + b" " * 2_000_000 + b"b", "a.html"),
        (b"<div>" * 100_000 + b"x", "a.html"),
        (b"[" * 100_000, "a.md"),
        (b"![a](" * 8_000, "a.md"),
        (b"x<!--" * 100_000, "a.html"),
        (b"From: " + b"a@b.c, " * 300_000 + b"\nSubject: x\n\nhello", "a.eml"),
        (b"From: a@b.c\nSubject: " + b"=?utf-8?q?a?= " * 100_000 + b"\n\nhello", "a.eml"),
    ],
)
def test_hostile_text_takes_no_long_time(data: bytes, name: str) -> None:
    with cpu_within(5):
        extract(data, name)


@pytest.mark.parametrize("opening", ["From: " + "(" * 20_000, "Content-Type: a/b; " + "(" * 20_000])
def test_a_mail_with_endless_comments_is_damaged(opening: str) -> None:
    with pytest.raises(DocumentRefused) as caught:
        extract(f"Subject: x\n{opening}\n\nhello".encode(), "a.eml")
    assert caught.value.reason == "corrupt"
