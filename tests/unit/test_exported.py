"""Documents as everyday programs export them are stored as people see them."""

import io

import openpyxl
import pytest
from docx import Document
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.styles import Font

from ingestion.formats.extract import extract
from tests.unit import sample_documents as samples


def of_page(body: str, head: str = "") -> str:
    """The text of a page."""
    page = f"<html><head>{head}</head><body>{body}</body></html>"
    return extract(page.encode(), "a.html").text


def of_sheet(book: openpyxl.Workbook) -> str:
    """The text of a workbook."""
    buffer = io.BytesIO()
    book.save(buffer)
    return extract(buffer.getvalue(), "a.xlsx").text


def of_runs(*runs: str) -> str:
    """The text of a Word document with one paragraph of these runs."""
    document = Document()
    inside = "".join(f"<w:r>{run}</w:r>" for run in runs)
    document.element.body.insert(0, parse_xml(f"<w:p {nsdecls('w')}>{inside}</w:p>"))
    return extract(samples.saved(document), "a.docx").text


SIGNS = [
    ("Wingdings", "ü \uf0fb", "✓ ✗"),
    ("Wingdings 2", "P O", "✓ ✗"),
    ("Symbol", "£ 5 \uf0b1 m", "≤ 5 ± μ"),
    ("Webdings", "a r", "✓ ✗"),
    ("Arial", "£ 5", "£ 5"),
]
"""A font, what a file holds, and what is seen."""


@pytest.mark.parametrize(("font", "held", "seen"), SIGNS)
def test_fonts_of_signs_are_read_as_what_they_print(font: str, held: str, seen: str) -> None:
    looks = f'<w:rPr><w:rFonts w:ascii="{font}" w:hAnsi="{font}"/></w:rPr>'
    assert of_runs("<w:t>At most: </w:t>", f"{looks}<w:t>{held}</w:t>") == f"At most: {seen}"
    assert of_page(f"<p>At most: <span style=\"font-family:'{font}'\">{held}</span>") == (
        f"At most: {seen}"
    )
    assert of_page(f'<p>At most: <font face="{font}">{held}</font>') == f"At most: {seen}"
    book = openpyxl.Workbook()
    book.active.append(["Limit", held])
    book.active["B1"].font = Font(name=font)
    assert of_sheet(book) == f"Sheet\n\nLimit | {seen}"


def test_a_character_of_a_font_is_read_by_the_font_that_it_names() -> None:
    signs = [("Symbol", "F0B3"), ("Wingdings", "F0FB"), ("Wingdings 2", "F050")]
    runs = [f'<w:sym w:font="{font}" w:char="{code}"/>' for font, code in signs]
    assert of_runs(*runs) == "≥✗✓"


def test_a_sheet_shows_no_struck_value_and_no_mark_within_a_number() -> None:
    book = openpyxl.Workbook()
    struck, raised = InlineFont(strike=True), InlineFont(vertAlign="superscript")
    price = CellRichText(TextBlock(struck, "€60 "), "€35", TextBlock(raised, "1"))
    for row in [["Item", "Fee"], ["Gym", price], ["Pool", 20], ["Sauna", 9]]:
        book.active.append(row)
    book.active["B3"].font = Font(strike=True)
    assert of_sheet(book) == "Sheet\n\nItem | Fee\nGym | €35 ¹\nPool\nSauna | 9"


def test_a_format_that_shows_nothing_stores_nothing() -> None:
    book = openpyxl.Workbook()
    for row in [["Zone", 7], ["Hidden", 99], ["None", 0], ["Note", "secret"]]:
        book.active.append(row)
    book.active["B2"].number_format = book.active["B4"].number_format = ";;;"
    book.active["B3"].number_format = "0;-0;;@"
    assert of_sheet(book) == "Sheet\n\nZone | 7\nHidden\nNone\nNote"


def test_each_group_of_a_sheet_stands_under_the_names_of_its_columns() -> None:
    book = openpyxl.Workbook()
    for row in [["Prices"], ["valid from", "1 May"], ["Article", "Net", "Gross", "Code"]]:
        book.active.append(row)
    for number in range(60):
        book.active.append([f"Lamp {number}", number, number + 1, f"L{number}"])
    groups = of_sheet(book).split("\n\n")[1:]
    assert len(groups) > 2
    assert all("Article | Net | Gross | Code\nLamp" in group for group in groups)


ROWS = [
    ("<td><p>Blue<td><p>€35", "<td><p>Red<td><p>€40<p>(attic €45)", "Red | €40 (attic €45)"),
    ("<th><h3>Plan</h3><th>Fee", "<td>Pro<td>9", "Plan | Fee\nPro | 9"),
    ("<td>Room<td>Rules", f"<td>Red<td><p>{'Rule. ' * 40}<p>No pets.", "Rule. No pets."),
]
"""Two rows of a table whose cells hold blocks, and what is read of it."""


@pytest.mark.parametrize(("first", "second", "seen"), ROWS)
def test_a_table_with_paragraphs_in_its_cells_keeps_its_rows(
    first: str, second: str, seen: str
) -> None:
    found = of_page(f"<table><tr>{first}<tr>{second}</table>")
    assert seen in found and "\n\n" not in found


def test_a_table_that_arranges_a_page_is_read_as_its_parts() -> None:
    parts = f"<h2>News</h2><p>{'We have moved. ' * 50}<p>Soon more."
    found = of_page(f"<table><tr><td>Menu<td>{parts}<tr><td>Foot<td>Imprint</table>")
    assert "Menu\n\nNews\n\nWe have" in found and "\n\nSoon more." in found


SHOWN = {
    "a price in a shop": (
        '<p>Tent: <del aria-hidden="true">£249</del> <span class="screen-reader-text">Original '
        'price was: £249.</span> <ins aria-hidden="true"><span>£</span>199.00</ins>'
        '<span class="screen-reader-text">Current price is: £199.00.</span>',
        "Tent: £199.00",
    ),
    "a price for eyes and one for ears": (
        '<p>Tent: <span class="a-offscreen">$19.99</span><span aria-hidden="true"><span>$</span>'
        "<span>19<span>.</span></span><span>99</span></span>",
        "Tent: $19.99",
    ),
    "a formula that is drawn beside its text": (
        "<p>Area <span class=katex><math><mi>r</mi><mo>=</mo><mn>3</mn></math>"
        '<span class=katex-html aria-hidden="true">r=33</span></span>',
        "Area r = 3",
    ),
    "icons of a list": (
        '<ul><li><i class="fa fa-check" aria-hidden="true"></i> Wifi'
        '<li><i class="fas fa-circle-xmark"></i>Pets<li><i class="fa fa-wifi"></i>Desk</ul>',
        "- ✓ Wifi\n- ✗ Pets\n- Desk",
    ),
    "icons of cells": (
        "<table><tr><td>API<td><svg class=icon-check></svg><td><svg><title>Not included</title>"
        '</svg><td><i class="fa"></i><span class=sr-only>Yes</span><td><b>5</b>'
        "<span class=sr-only>seats</span></table>",
        "API | ✓ | Not included | Yes | 5",
    ),
    "boxes of tasks": (
        "<ul><li><input type=checkbox checked> Paid<li><input type=checkbox> Sent</ul>"
        "<ul class=inline-task-list><li class=checked>Seen<li>Signed</ul>"
        '<p><span class="checkbox checkbox-off"></span> Car',
        "- ☒ Paid\n- ☐ Sent\n\n- ☒ Seen\n- ☐ Signed\n\n☐ Car",
    ),
    "an old price by its name": (
        '<p>Fee: <span class="old-price">$12</span> <span class="new-price">$9</span>'
        '<p>Hat: <span class="line-through">€8</span> €5'
        '<p>Cap: <span class="regular-price">Usual price $7</span> <b class="sale-price">$6</b>'
        '<p>Bag: <span class="price-old">€4</span>',
        "Fee: $9\n\nHat: €5\n\nCap: Usual price $7 $6\n\nBag: €4",
    ),
    "a price that a theme hides": (
        '<div class="price price--on-sale"><div class="price__regular"><span '
        'class="visually-hidden">Regular price</span><span>$90</span></div><div '
        'class="price__sale"><s>$90</s><span>$70</span></div></div>',
        "$70",
    ),
    "what a style sheet does not strike": (
        "<style>.strike{text-decoration:none}</style><p class=strike>Open daily",
        "Open daily",
    ),
    "signs to press": (
        '<p>Filter: red <a href="#"><i class="fa fa-times"></i></a> '
        '<span class="grid-x"></span><input type=checkbox hidden></p>',
        "Filter: red",
    ),
}
"""A part of a page, and what is seen of it."""


@pytest.mark.parametrize("name", SHOWN)
def test_signs_and_figures_for_eyes_only_are_read(name: str) -> None:
    body, seen = SHOWN[name]
    assert of_page(body) == seen


def test_a_stated_encoding_holds_for_letters_that_stand_alone() -> None:
    page = "<meta charset=windows-1252><p>· Vans<p>Allowed: <font face=Wingdings>û</font><p>Ñ"
    assert extract(page.encode("cp1252"), "a.html").text == "· Vans\n\nAllowed: ✗\n\nÑ"


def test_the_mark_of_a_note_does_not_melt_into_its_first_number() -> None:
    note = '<div id="sdfootnote1"><p><a name="sym" href="#anc">1</a>30 days, <a href="#x">2</a>0'
    assert of_page(f"<p>Text.{note}") == "Text.\n\n1 30 days, 20"


COMMENTED = {
    "Google": '<p>It costs 5.<sup><a href="#cmnt1" id="cmnt_ref1">[a]</a></sup></p>'
    '<div><p><a href="#cmnt_ref1" id="cmnt1">[a]</a><span>Is it 6?</span></p><p>Yes.</p></div>',
    "Word": '<p>It costs 5.<a class=msocomanchor href="#_msocom_1">[B1]</a></p>'
    "<div style='mso-element:comment-list'><div><p>Is it 6?</p></div></div>",
}


@pytest.mark.parametrize("program", COMMENTED)
def test_what_reviewers_said_of_a_document_is_no_part_of_its_page(program: str) -> None:
    assert of_page(COMMENTED[program]) == "It costs 5."


MARKDOWN = [
    ("It costs {--5--}{++6++} a day{>>sure?<<}.", "It costs 6 a day."),
    ("Open {~~daily~>on Monday~~}, {==not==} at night.", "Open on Monday, not at night."),
    ("Text `{++as it is++}`.", "Text {++as it is++}."),
    ("| API | :x: |\n|---|---|\n| SSO | :white_check_mark: |", "API | ✗\nSSO | ✓"),
    ("- :material-close:{ .red } Pets\n- :octicons-check-16: Wifi", "- ✗ Pets\n- ✓ Wifi"),
    ("At 10:x:5 and :tada: now", "At 10:x:5 and :tada: now"),
    ("> [!warning]- Limits\n> Ends at 12.", "Warning: Limits\nEnds at 12."),
    ("> Text.\n>\n> > [!note]\n> > Not on Sundays.", "Text.\n\nNote: Not on Sundays."),
]
"""Markdown, and what is seen of it."""


@pytest.mark.parametrize(("source", "seen"), MARKDOWN)
def test_marks_of_markdown_are_read_as_they_are_shown(source: str, seen: str) -> None:
    assert extract(source.encode(), "a.md").text == seen


TABS = [
    "<div class=tabs><div class=tabs-menu><span class=tabs-link>Monthly</span>"
    "<span class=tabs-link>Annual</span></div><div class=tab><p>7 days.</div>"
    '<div class="tab hidden"><p>30 days.</div></div>',
    "<ul class=tab-nav><li class=tab-item>Monthly<li class=tab-item>Annual</ul><div class=box>"
    "<div class=tab-pane><p>7 days.</div><div class=tab-pane><p>30 days.</div></div>",
]


@pytest.mark.parametrize("tabs", TABS)
def test_tabs_that_only_classes_tell_of_head_their_panels(tabs: str) -> None:
    assert of_page(f"<h1>Refunds</h1>{tabs}") == (
        "Refunds\n\nMonthly\n\n7 days.\n\nAnnual\n\n30 days."
    )


def test_names_of_tabs_without_panels_stay_where_they_are() -> None:
    body = "<div class=tabs><a class=tab>One</a> <a class=tab>Two</a></div><p>Text.<p>More."
    assert of_page(body) == "One Two\n\nText.\n\nMore."


def test_rows_and_cells_of_boxes_are_no_tabs() -> None:
    rows = [
        f"<div class=table-row><div class=table-cell>{name}</div>"
        f"<div class=table-cell>{fee}</div></div>"
        for name, fee in (("Plan", "Fee"), ("Pro", "9"), ("Max", "20"))
    ]
    found = of_page(f"<div class=tabs>{''.join(rows)}</div>").replace(":", "")
    assert found.split() == ["Plan", "Fee", "Pro", "9", "Max", "20"]


def test_boxes_of_old_forms_show_whether_they_are_ticked() -> None:
    box = (
        '<w:fldChar w:fldCharType="begin"><w:ffData><w:checkBox>{}</w:checkBox></w:ffData>'
        "</w:fldChar>"
    )
    code, end = "<w:instrText> FORMCHECKBOX </w:instrText>", '<w:fldChar w:fldCharType="end"/>'
    pets = [box.format('<w:default w:val="0"/><w:checked/>'), code, end, "<w:t> Pets, </w:t>"]
    loud = [box.format('<w:default w:val="0"/>'), code, end, "<w:t> Loud</w:t>"]
    assert of_runs(*pets, *loud) == "☒ Pets, ☐ Loud"
