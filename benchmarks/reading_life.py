"""Documents as offices, shops and clubs write them, each with pairs that belong together.

Every one is made here, in the manner of the program that such documents come from: page builders,
wikis, word processors, spreadsheets, mail programs.
"""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any


@dataclass(frozen=True)
class Life:
    """A document, and what a reader of it finds.

    ``pairs`` are (label, value) that stand on one line or in one sentence, or the value stands
    under the label as its heading; of three, (row, column, value), the value also stands below
    the name of its column. ``hidden`` is what nobody sees.
    """

    name: str
    data: bytes
    pairs: tuple[tuple[str, ...], ...]
    hidden: tuple[str, ...] = ()


FIRST: list[Callable[[], Life]] = []
SECOND: list[Callable[[], Life]] = []


def _first(maker: Callable[[], Life]) -> Callable[[], Life]:
    FIRST.append(maker)
    return maker


def _second(maker: Callable[[], Life]) -> Callable[[], Life]:
    SECOND.append(maker)
    return maker


def _zip(entries: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _page(body: str, head: str = "") -> bytes:
    return f"<!doctype html><html lang=en><head>{head}</head><body>{body}</body></html>".encode()


# --- Web pages -------------------------------------------------------------------------------


@_first
def _builder_cards() -> Life:
    def card(plan: str, price: str, users: str) -> str:
        return (
            '<div class="elementor-column elementor-col-33"><div class="elementor-price-table">'
            '<div class="elementor-price-table__header"><h3 '
            f'class="elementor-price-table__heading">{plan}</h3></div>'
            '<div class="elementor-price-table__price"><span '
            f'class="elementor-price-table__currency">£</span><span>{price}</span>'
            '<span class="elementor-price-table__period">per month</span></div>'
            f'<ul><li><span>{users} users</span></li><li><i aria-hidden="true" class="fa">x</i>'
            f'<span>Support by mail</span></li></ul><a href="#">Order {plan}</a></div></div>'
        )

    body = '<nav class="menu"><ul><li><a href="/">Start here</a></li></ul></nav>'
    body += '<main><h1>Prices</h1><section class="elementor-section">'
    body += card("Basic", "9", "2") + card("Team", "29", "15") + card("Works", "99", "80")
    body += "</section></main><div class='cookie-banner' style='display:none'>We bake cookies</div>"
    pairs = (("Basic", "£9"), ("Team", "£29"), ("Works", "£99"), ("Team", "15 users"))
    return Life("prices.html", _page(body), (*pairs, ("Works", "80 users")), ("We bake cookies",))


@_first
def _plain_cards() -> Life:
    rows = [("Day pass", "€12"), ("Week pass", "€45"), ("Year pass", "€390")]
    body = "<h1>Swimming hall</h1><div class=grid>"
    body += "".join(
        f'<div class="card"><div class="name">{a}</div><div class="price">{b}</div></div>'
        for a, b in rows
    )
    body += "</div><p>Children under 4 swim free.</p>"
    return Life("passes.html", _page(body), tuple(rows), ())


@_first
def _wiki() -> Life:
    body = (
        '<div id="main-content" class="wiki-content"><h1 id="title-text">VPN access</h1>'
        '<div class="table-wrap"><table class="confluenceTable"><colgroup><col/><col/></colgroup>'
        '<tbody><tr><th class="confluenceTh"><p>Owner</p></th><td class="confluenceTd"><p><a '
        'class="confluence-userlink">Mira Holt</a></p></td></tr><tr><th class="confluenceTh"><p>'
        'Review date</p></th><td class="confluenceTd"><div class="content-wrapper"><p><time '
        'datetime="2026-03-01">1 Mar 2026</time></p></div></td></tr></tbody></table></div>'
        '<div class="confluence-information-macro confluence-information-macro-note"><p '
        'class="title">Note</p><div class="confluence-information-macro-body"><p>The port is '
        "8443.</p></div></div><h2>Limits</h2><table class='confluenceTable'><tbody><tr><th>Role"
        "</th><th>Sessions</th><th>Idle time</th></tr><tr><td>Staff</td><td>2</td><td>30 min</td>"
        "</tr><tr><td colspan='2'>Contractor</td><td>10 min</td></tr></tbody></table></div>"
    )
    pairs = (("Owner", "Mira Holt"), ("Review date", "1 Mar 2026"), ("port", "8443"))
    return Life(
        "vpn.html",
        _page(body),
        (*pairs, ("Staff", "Idle time", "30 min"), ("Contractor", "Idle time", "10 min")),
    )


@_first
def _definitions() -> Life:
    body = (
        "<h1>Terms</h1><dl><dt>Deposit<dd>300 euros<dt>Notice<dd>14 days, in writing"
        "<div><dt>Quiet hours</dt><dd>22:00 to 06:00</dd></div><dt>Bike</dt><dt>Scooter</dt>"
        "<dd>kept in room B2</dd></dl>"
    )
    pairs = (("Deposit", "300 euros"), ("Notice", "14 days"), ("Quiet hours", "22:00 to 06:00"))
    return Life("terms.html", _page(body), (*pairs, ("Scooter", "room B2"), ("Bike", "room B2")))


@_first
def _accordion() -> Life:
    body = (
        "<h1>Help</h1><details><summary>How long is the warranty?</summary><p>24 months from the "
        "day of delivery.</p></details><details open><summary>Can I return a lamp?</summary>"
        "<div><p>Yes, within 30 days.</p></div></details><div class='accordion-item'><button "
        "aria-expanded='false'>Do you ship to Malta?</button><div class='panel' hidden>Yes, for "
        "€18 a parcel.</div></div>"
    )
    pairs = (("How long is the warranty", "24 months"), ("Can I return a lamp", "within 30 days"))
    return Life("help.html", _page(body), pairs)


@_first
def _nested_tables() -> Life:
    inner = (
        "<table><tr><td>Mon-Fri</td><td>8 am-6 pm</td></tr><tr><td>Sat</td><td>"
        "9 am-1 pm</td></tr></table>"
    )
    body = (
        "<table width=600 role=presentation><tr><td><table border=1><tr><td><b>Branch</b></td><td>"
        "<b>Phone</b></td><td><b>Hours</b></td></tr><tr><td>Oak Road</td><td>0141 496 0101</td><td>"
        f"{inner}</td></tr><tr><td>Mill Lane</td><td>0141 496 0155</td><td>by appointment</td></tr>"
        "</table></td></tr></table>"
    )
    return Life(
        "branches.html",
        _page(body),
        (
            ("Oak Road", "0141 496 0101"),
            ("Mill Lane", "0141 496 0155"),
            ("Sat", "9 am-1 pm"),
            ("Mill Lane", "Hours", "by appointment"),
        ),
    )


@_first
def _bold_head() -> Life:
    body = (
        "<h2>Courier rates</h2><table><tbody><tr><td><strong>Weight</strong></td><td><strong>Zone 1"
        "</strong></td><td><strong>Zone 2</strong></td></tr><tr><td>up to 2&nbsp;kg</td><td>&euro;"
        "4.90</td><td>&euro;9.50</td></tr><tr><td>up to 5&nbsp;kg</td><td>&euro;6.90</td><td>&euro;"
        "13&#46;00</td></tr><tr><td>up to 10&nbsp;kg</td><td colspan=2>&euro;21.00</td>"
        "</tr></table>"
    )
    return Life(
        "rates.html",
        _page(body),
        (
            ("up to 2 kg", "Zone 2", "€9.50"),
            ("up to 5 kg", "Zone 1", "€6.90"),
            ("up to 5 kg", "Zone 2", "€13.00"),
            ("up to 10 kg", "€21.00"),
        ),
    )


@_first
def _lines() -> Life:
    body = (
        "<h1>Contact</h1><p><strong>Reception</strong><br>Phone: 01 555 0100<br/>Mail: desk@"
        "example.org<br>Hours: 7&ndash;19</p><p>Emergencies&nbsp;:&nbsp;01&nbsp;555&nbsp;0199</p>"
        "<address>Pump House<br>4 Weir Street<br>Lowford</address>"
    )
    pairs = (("Phone", "01 555 0100"), ("Hours", "7–19"), ("Emergencies", "01 555 0199"))
    return Life("contact.html", _page(body), (*pairs, ("Mail", "desk@example.org")))


@_first
def _hidden_parts() -> Life:
    head = (
        "<style>.sr-only{position:absolute;width:1px;height:1px;"
        "overflow:hidden;clip:rect(0,0,0,0)}.d-none{display:none!important}</style>"
    )
    body = (
        "<h1>Fees</h1><p>Entry is <s>£8</s> <ins>£6</ins><span class='sr-only'>old price was eight"
        "</span>.</p><p class='d-none'>Entry is £3.</p><template><p>Entry is £4.</p></template>"
        "<noscript><p>Entry is £5.</p></noscript><script>var fee='£7'</script><p>Parking<sup>1"
        "</sup> is £2 an hour.</p><p><small><sup>1</sup> Free after 18:00.</small></p>"
        "<!-- Entry is £1. -->"
    )
    return Life(
        "fees.html",
        _page(body, head),
        (("Entry", "£6"), ("Parking", "£2 an hour"), ("Free", "after 18:00")),
        ("£8", "£3", "£4", "£7", "Entry is £1."),
    )


@_first
def _grid_table() -> Life:
    def row(*cells: str, role: str = "cell") -> str:
        return "<div role=row>" + "".join(f"<div role={role}>{c}</div>" for c in cells) + "</div>"

    body = "<h1>Rooms</h1><div role=table>" + row("Room", "Seats", "Beamer", role="columnheader")
    body += row("Ash", "12", "yes") + row("Birch", "40", "no") + "</div>"
    return Life(
        "rooms.html",
        _page(body),
        (("Ash", "12"), ("Birch", "40"), ("Birch", "Beamer", "no"), ("Ash", "Seats", "12")),
    )


@_first
def _row_headers() -> Life:
    body = (
        "<table><caption>Membership</caption><thead><tr><th rowspan=2>Kind<th colspan=2>Fee<th "
        "rowspan=2>Vote</tr><tr><th>Monthly<th>Yearly</tr></thead><tbody><tr><th scope=row>Adult"
        "<td>£20<td>£200<td>yes<tr><th scope=row>Student<td>£9<td>£90<td>yes<tr><th scope=row>"
        "Friend<td colspan=2>free<td>no</tbody><tfoot><tr><td colspan=4>Fees from 1 May.</tfoot>"
        "</table>"
    )
    return Life(
        "members.html",
        _page(body),
        (
            ("Adult", "Yearly", "£200"),
            ("Student", "Monthly", "£9"),
            ("Friend", "free"),
            ("Friend", "Vote", "no"),
        ),
    )


@_first
def _specs_list() -> Life:
    body = (
        "<h1>Pump X2</h1><ul class=specs><li><span class=label>Flow rate</span><span class=value>"
        "40 l/min</span></li><li><span class=label>Weight</span><span class=value>"
        "3.2 kg</span></li>"
        "<li><b>Noise</b> 48 dB</li></ul><ul><li>Cable<ul><li>Europe: 2 m</li><li>UK: 3 m</li></ul>"
        "</li></ul>"
    )
    pairs = (("Flow rate", "40 l/min"), ("Weight", "3.2 kg"), ("Noise", "48 dB"), ("UK", "3 m"))
    return Life("pump.html", _page(body), pairs)


# --- Markdown --------------------------------------------------------------------------------


@_first
def _notes_md() -> Life:
    text = """---
title: Backup guide
tags: [ops, "nightly"]
valid_until: 2027-01-31
---

# Backups

> [!WARNING]
> The key expires after 90 days.

!!! note "Retention"
    Copies are kept for 35 days.

| Job | Command | Runs at |
|:----|:-------:|--------:|
| db | `dump \\| gzip` | 02:15 |
| files | `rsync -a` | 03:40 |

1. Mount the disk
   - on Linux: `/mnt/b1`
   - on macOS: `/Volumes/b1`
2. Run it

<details><summary>Who is called?</summary>

Call Ines on extension 417.

</details>

<!-- secret draft -->
"""
    pairs = (("key expires", "90 days"), ("Copies are kept", "35 days"), ("db", "Runs at", "02:15"))
    more = (("files", "Runs at", "03:40"), ("on macOS", "/Volumes/b1"), ("Ines", "417"))
    return Life("backup.md", text.encode(), (*pairs, *more), ("secret draft",))


@_first
def _lists_md() -> Life:
    text = """# Kitchen

Opening hours
: 11:00 to 15:00

**Chef:** Lena Ott  
**Allergens list:** at the till

* Soups
    * Tomato — €4
    * Lentil — €5
* Mains
    * Stew — €9.50

- [x] Oven cleaned on 3 May
- [ ] Hood filter due 9 June

Term | Price
--- | ---
Lunch card | 55 €
Coffee card | 18 €

Delivery[^1] costs 3 €.

[^1]: Free from 40 € on.
"""
    pairs = (("Opening hours", "11:00 to 15:00"), ("Chef", "Lena Ott"), ("Lentil", "€5"))
    more = (("Hood filter", "9 June"), ("Coffee card", "18 €"), ("Stew", "€9.50"))
    return Life("kitchen.md", text.encode(), (*pairs, *more))


@_first
def _html_in_md() -> Life:
    text = """# Grants

<table>
<tr><td><b>Fund</b></td><td><b>Ceiling</b></td></tr>
<tr><td>Seed</td><td>5,000 EUR</td></tr>
<tr><td>Bridge</td><td>12,000 EUR</td></tr>
</table>

Apply by<br>**15 September**

<div style="display:none">The real ceiling is 90,000 EUR.</div>

Setext head
-----------

Contact: [the office](mailto:g@example.org) ![logo](x.png "Title text")
"""
    pairs = (("Seed", "5,000 EUR"), ("Bridge", "Ceiling", "12,000 EUR"), ("Contact", "the office"))
    return Life("grants.md", text.encode(), pairs, ("90,000",))


# --- Word ------------------------------------------------------------------------------------


def _word() -> Any:
    import docx

    return docx.Document()


def _saved(document: Any) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def _fill(table: Any, rows: list[list[str]]) -> None:
    for row, said in zip(table.rows, rows, strict=True):
        for cell, text in zip(row.cells, said, strict=True):
            cell.text = text


@_first
def _word_tables() -> Life:
    document = _word()
    document.add_heading("Lease summary", 1)
    table = document.add_table(rows=3, cols=2)
    _fill(table, [["Tenant", "Orla Byrne"], ["Rent", "£840 a month"], ["Charges", ""]])
    inner = table.rows[2].cells[1].add_table(rows=2, cols=2)
    _fill(inner, [["Water", "£18"], ["Heating", "£62"]])
    document.add_paragraph("")
    merged = document.add_table(rows=4, cols=3)
    _fill(
        merged,
        [
            ["Floor", "Flat", "Area"],
            ["First", "1A", "54 m²"],
            ["", "1B", "61 m²"],
            ["Total", "", "115 m²"],
        ],
    )
    merged.cell(1, 0).merge(merged.cell(2, 0))
    merged.cell(3, 0).merge(merged.cell(3, 1))
    return Life(
        "lease.docx",
        _saved(document),
        (
            ("Tenant", "Orla Byrne"),
            ("Rent", "£840"),
            ("Heating", "£62"),
            ("First", "61 m²"),
            ("1B", "Area", "61 m²"),
            ("Total", "115 m²"),
        ),
    )


@_first
def _word_lists() -> Life:
    document = _word()
    document.add_heading("House rules", 0)
    document.add_paragraph("Keys", style="List Number")
    document.add_paragraph("Spare keys: 25 euros each", style="List Number 2")
    document.add_paragraph("Bins", style="List Number")
    document.add_paragraph("Paper: every second Tuesday", style="List Bullet 2")
    paragraph = document.add_paragraph()
    paragraph.add_run("Laundry:\t").bold = True
    paragraph.add_run("6 am\tto\t9 pm")
    line = document.add_paragraph("Janitor: Mr Adeyemi")
    line.add_run().add_break()
    line.add_run("Phone: 030 555 0177")
    secret = document.add_paragraph().add_run("Master code 4711")
    secret.font.hidden = True
    return Life(
        "rules.docx",
        _saved(document),
        (
            ("Spare keys", "25 euros"),
            ("Paper", "every second Tuesday"),
            ("Laundry", "9 pm"),
            ("Janitor", "Mr Adeyemi"),
            ("Phone", "030 555 0177"),
        ),
        ("4711",),
    )


BOX = (
    '<w:r xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
    'xmlns:v="urn:schemas-microsoft-com:vml"><mc:AlternateContent><mc:Choice Requires="wps">'
    "<w:drawing><wps:wsp><wps:txbx><w:txbxContent><w:p><w:r><w:t>{0}</w:t></w:r></w:p>"
    "</w:txbxContent></wps:txbx></wps:wsp></w:drawing></mc:Choice><mc:Fallback><w:pict><v:shape>"
    "<v:textbox><w:txbxContent><w:p><w:r><w:t>{0}</w:t></w:r></w:p></w:txbxContent></v:textbox>"
    "</v:shape></w:pict></mc:Fallback></mc:AlternateContent></w:r>"
)


@_first
def _word_box() -> Life:
    from lxml import etree

    document = _word()
    document.add_paragraph("The clinic is open from Monday to Friday.")
    paragraph = document.add_paragraph("Bring your card.")
    paragraph._p.append(etree.fromstring(BOX.format("Night line: 0800 555 0123")))
    table = document.add_table(rows=2, cols=3)
    _fill(table, [["Test", "Price", "Days"], ["Blood count", "€19", "2"]])
    table.rows[0].cells[0].paragraphs[0].runs[0].bold = True
    section = document.sections[0]
    section.footer.paragraphs[0].text = "Form C-7, page 1"
    return Life(
        "clinic.docx",
        _saved(document),
        (
            ("Night line", "0800 555 0123"),
            ("Blood count", "Price", "€19"),
            ("Blood count", "Days", "2"),
        ),
    )


# --- PDF -------------------------------------------------------------------------------------


def _paper(landscape: bool = False) -> Any:
    from fpdf import FPDF

    pdf = FPDF(orientation="landscape" if landscape else "portrait", format="A4")
    pdf.set_auto_page_break(False)
    pdf.add_page()
    return pdf


def _put(pdf: Any, x: float, y: float, text: str, size: float = 10, style: str = "") -> None:
    pdf.set_font("helvetica", size=size, style=style)
    pdf.text(x, y, text)


@_first
def _pdf_columns() -> Life:
    pdf = _paper()
    _put(pdf, 20, 25, "Newsletter of the allotments", 18, "B")
    left = [
        "Water is turned on again on 4 April.",
        "Please check your taps before that day,",
        "as leaks cost the club 300 pounds a year.",
        "",
        "Compost may be fetched from plot 9",
        "on Saturdays between 10 and 12.",
    ]
    right = [
        "The new rent is 48 pounds a plot.",
        "It is due on 1 March, by transfer or in",
        "cash to Bea Lund at the hut.",
        "",
        "Hedges are cut to 1.2 metres; those",
        "who do not will hear from the board.",
    ]
    for i, (a, b) in enumerate(zip(left, right, strict=True)):
        _put(pdf, 20, 45 + 5 * i, a)
        _put(pdf, 112, 45 + 5 * i, b)
    pairs = (("Water", "4 April"), ("leaks", "300 pounds"), ("rent", "48 pounds"))
    return Life(
        "news.pdf",
        bytes(pdf.output()),
        (*pairs, ("Compost", "between 10 and 12"), ("Hedges", "1.2 metres")),
    )


@_first
def _pdf_table() -> Life:
    pdf = _paper()
    _put(pdf, 20, 25, "Tariff 2026", 18, "B")
    for x, text in ((20, "Service"), (90, "Unit"), (130, "Price")):
        _put(pdf, x, 45, text, 10, "B")
    rows = [
        (["Removal of bulky", "waste, by van"], "per trip", "£65.00"),
        (["Skip hire"], "per week", "£110.00"),
        (["Green waste bag,", "80 litres, with", "collection"], "each", "£4.20"),
        (["Wood"], "per tonne", "£38.50"),
    ]
    y = 53.0
    for lines, unit, price in rows:
        for i, line in enumerate(lines):
            _put(pdf, 20, y + 4.5 * i, line)
        _put(pdf, 90, y, unit)
        _put(pdf, 130, y, price)
        y += 4.5 * len(lines) + 4
    return Life(
        "tariff.pdf",
        bytes(pdf.output()),
        (
            ("Removal of bulky", "£65.00"),
            ("by van", "£65.00"),
            ("Skip hire", "Price", "£110.00"),
            ("80 litres", "£4.20"),
            ("Wood", "per tonne"),
        ),
    )


@_first
def _pdf_spanning() -> Life:
    pdf = _paper()
    _put(pdf, 20, 25, "Ferry timetable", 18, "B")
    _put(pdf, 85, 42, "Weekdays", 10, "B")
    _put(pdf, 140, 42, "Weekend", 10, "B")
    xs = (20, 75, 105, 135, 165)
    for row, cells in enumerate(
        [
            ("Pier", "First", "Last", "First", "Last"),
            ("Northbank", "06:10", "22:40", "08:00", "20:30"),
            ("Isle of Rue", "06:35", "23:05", "08:25", "20:55"),
            ("Capel", "07:00", "21:15", "09:00", "19:45"),
        ]
    ):
        for x, text in zip(xs, cells, strict=True):
            _put(pdf, x, 48 + 6 * row, text, 10, "B" if row == 0 else "")
    pairs = (
        ("Northbank", "22:40"),
        ("Isle of Rue", "06:35"),
        ("Capel", "19:45"),
        ("Capel", "Last", "21:15"),
    )
    return Life("ferry.pdf", bytes(pdf.output()), pairs)


@_first
def _pdf_turned() -> Life:
    pdf = _paper()
    with pdf.rotation(90, x=105, y=148):
        _put(pdf, 0, 60, "Inspection plan of the lifts", 16, "B")
        for row, cells in enumerate(
            [
                ("Lift", "Inspector", "Due"),
                ("A", "R. Vance", "12 Feb"),
                ("B", "T. Osei", "19 Feb"),
                ("Goods", "T. Osei", "4 Mar"),
            ]
        ):
            for x, text in zip((0, 60, 130), cells, strict=True):
                _put(pdf, x, 80 + 7 * row, text)
    pairs = (("A", "R. Vance"), ("B", "Due", "19 Feb"), ("Goods", "Due", "4 Mar"))
    return Life("lifts.pdf", bytes(pdf.output()), pairs)


@_first
def _pdf_side() -> Life:
    pdf = _paper()
    _put(pdf, 75, 25, "Guide to the archive", 18, "B")
    pdf.set_fill_color(235)
    pdf.rect(15, 35, 45, 80, style="F")
    for i, line in enumerate(["At a glance", "Seats: 24", "Lockers: 1 euro", "Copies: 10 cents"]):
        _put(pdf, 18, 45 + 8 * i, line, 10, "B" if i == 0 else "")
    main = [
        "Readers register at the desk with a passport. The",
        "card is valid for two years and costs 15 euros.",
        "Orders placed before noon are brought by 14:00.",
        "Maps may not be copied; photographs without flash",
        "are allowed for 5 euros a day.",
    ]
    for i, line in enumerate(main):
        _put(pdf, 75, 45 + 5.5 * i, line)
    pairs = (("card is valid", "two years"), ("Orders", "14:00"), ("Lockers", "1 euro"))
    return Life(
        "archive.pdf",
        bytes(pdf.output()),
        (*pairs, ("photographs", "5 euros a day"), ("Seats", "24")),
    )


@_first
def _pdf_form() -> Life:
    pdf = _paper()
    _put(pdf, 20, 25, "Invoice 2026-118", 16, "B")
    for i, (a, b) in enumerate(
        [
            ("Customer no.", "40771"),
            ("Due date", "30 June 2026"),
            ("IBAN", "DE02 1203 0000 0000 2020 51"),
            ("VAT ID", "DE811907980"),
        ]
    ):
        _put(pdf, 120, 40 + 5 * i, a, 9)
        _put(pdf, 150, 40 + 5 * i, b, 9)
    for i, line in enumerate(["Lund & Sons", "7 Quay Street", "Harbourton"]):
        _put(pdf, 20, 40 + 5 * i, line)
    for row, cells in enumerate(
        [
            ("Pos", "Item", "Qty", "Amount"),
            ("1", "Rope, 12 mm", "30 m", "54.00"),
            ("2", "Shackle", "8", "31.20"),
            ("", "Total", "", "85.20"),
        ]
    ):
        for x, text in zip((20, 35, 110, 150), cells, strict=True):
            if text:
                _put(pdf, x, 75 + 6 * row, text)
    pairs = (("Customer no.", "40771"), ("Due date", "30 June 2026"), ("VAT ID", "DE811907980"))
    return Life(
        "invoice.pdf",
        bytes(pdf.output()),
        (*pairs, ("Rope", "54.00"), ("Total", "85.20"), ("Shackle", "8")),
    )


@_first
def _pdf_ruled() -> Life:
    pdf = _paper()
    pdf.set_font("helvetica", size=10)
    _put(pdf, 20, 25, "Vaccination plan", 16, "B")
    pdf.set_xy(20, 35)
    pdf.set_font("helvetica", size=10)
    with pdf.table(width=160, col_widths=(40, 70, 50), align="LEFT") as table:
        for cells in [
            ("Animal", "Vaccine and remarks", "Interval"),
            (
                "Dog",
                "Rabies; not before the twelfth week of its life, and only when healthy",
                "3 years",
            ),
            ("Cat", "Leukaemia, for those that leave the house", "1 year"),
            ("Ferret", "Distemper", "1 year"),
        ]:
            row = table.row()
            for text in cells:
                row.cell(text)
    pairs = (
        ("Dog", "Interval", "3 years"),
        ("Cat", "Leukaemia"),
        ("twelfth week", "Dog"),
        ("Ferret", "Interval", "1 year"),
    )
    return Life("vaccines.pdf", bytes(pdf.output()), pairs)


# --- Spreadsheets ----------------------------------------------------------------------------


def _book(fill: Callable[[Any], None]) -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    fill(book)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


@_first
def _sheet_merged() -> Life:
    def fill(book: Any) -> None:
        sheet = book.active
        sheet.title = "Prices"
        sheet["A1"] = "Price list, autumn"
        sheet.merge_cells("A1:E1")
        sheet.append([])
        sheet.append(["Hall", "Weekday", None, "Weekend", None])
        sheet.append([None, "Half day", "Full day", "Half day", "Full day"])
        sheet.merge_cells("A3:A4")
        sheet.merge_cells("B3:C3")
        sheet.merge_cells("D3:E3")
        sheet.append(["Great hall", 120, 210, 160, 290])
        sheet.append(["Stage", 80, 140, 95, 170])
        for row in sheet.iter_rows(min_row=5, min_col=2):
            for cell in row:
                cell.number_format = "#,##0 [$€-407]"

    pairs = (
        ("Great hall", "290 €"),
        ("Great hall", "Full day", "210 €"),
        ("Stage", "95 €"),
        ("Stage", "Half day", "80 €"),
    )
    return Life("halls.xlsx", _book(fill), pairs)


@_first
def _sheet_several() -> Life:
    import datetime

    def fill(book: Any) -> None:
        sheet = book.active
        sheet.append(["Machine", "Serviced", "Hours"])
        sheet.append(["Press 1", datetime.date(2026, 3, 14), 1520.5])
        sheet.append(["Press 2", datetime.date(2025, 11, 2), 980])
        sheet.append([])
        sheet.append([])
        sheet.append(["Spare part", "Stock", "Discount", "Price"])
        sheet.append(["Belt", 14, 0.15, 22.9])
        sheet.append(["Filter", 3, 0.05, 7.5])
        sheet["B2"].number_format = sheet["B3"].number_format = "dd/mm/yyyy"
        for row in (7, 8):
            sheet.cell(row, 3).number_format = "0%"
            sheet.cell(row, 4).number_format = '"$"#,##0.00'
        other = book.create_sheet("Cost")
        other.append(["margin secret 44"])
        other.sheet_state = "veryHidden"

    return Life(
        "machines.xlsx",
        _book(fill),
        (
            ("Press 1", "Serviced", "2026-03-14"),
            ("Press 2", "Hours", "980"),
            ("Belt", "Discount", "15%"),
            ("Filter", "Price", "$7.50"),
            ("Belt", "Stock", "14"),
        ),
        ("margin secret",),
    )


@_first
def _sheet_side() -> Life:
    def fill(book: Any) -> None:
        sheet = book.active
        rows = [
            ["Key figures", None, None, "Team", None],
            ["Members", 412, None, "Chair", "Ada Finn"],
            ["Clubs", 9, None, "Cashier", "Bo Reyes"],
            ["Balance", -1250.4, None, "Coach", "Cy Moss"],
        ]
        for row in rows:
            sheet.append(row)
        sheet["B4"].number_format = "#,##0.00;(#,##0.00)"
        sheet.row_dimensions[3].hidden = True

    pairs = (
        ("Members", "412"),
        ("Chair", "Ada Finn"),
        ("Coach", "Cy Moss"),
        ("Balance", "-1,250.40"),
    )
    return Life("club.xlsx", _book(fill), pairs, ("Bo Reyes",))


@_first
def _csv_semicolons() -> Life:
    text = (
        'Artikel;Preis;Hinweis\r\n"Stuhl ""Oslo""";49,90 €;"Lieferung\r\nin '
        '5 Tagen"\r\nTisch;189,00 '
        '€;\r\n"Regal; weiß";75,50 €;Abholung\r\n'
    )
    pairs = (
        ('Stuhl "Oslo"', "Preis", "49,90 €"),
        ("Tisch", "189,00 €"),
        ("Regal; weiß", "Preis", "75,50 €"),
        ('Stuhl "Oslo"', "5 Tagen"),
    )
    return Life("artikel.csv", text.encode("cp1252"), pairs)


@_first
def _csv_tabs() -> Life:
    text = (
        'sep=,\nname,opens,closes,note\nEast gate,06:00,22:00,\nWest gate,07:30,20:00,"no '
        'cars, no vans"\n'
    )
    pairs = (
        ("East gate", "closes", "22:00"),
        ("West gate", "opens", "07:30"),
        ("West gate", "no cars, no vans"),
    )
    return Life("gates.csv", text.encode("utf-8-sig"), pairs, ("sep=",))


# --- Mail ------------------------------------------------------------------------------------


@_first
def _mail_reply() -> Life:
    message = EmailMessage()
    message["Subject"] = "Re: Order 5512"
    message["From"], message["To"] = "Shop <shop@example.org>", "ann@example.org"
    message["Date"] = "Tue, 03 Mar 2026 10:00:00 +0000"
    message.set_content(
        "Dear Ann,\n\nyour parcel left us today; the tracking number is LX-88123.\nReturns are "
        "free until 17 April.\n\nBest\nTom\n-- \nShop Ltd, hotline 0800 555 0111\n\nOn Mon, 2 Mar "
        "2026 Ann wrote:\n> Where is my order 5512?\n> I paid 89.90 on Friday.\n"
    )
    pairs = (
        ("tracking number", "LX-88123"),
        ("Returns", "17 April"),
        ("hotline", "0800 555 0111"),
        ("From", "shop@example.org"),
    )
    return Life("order.eml", bytes(message), pairs)


@_first
def _mail_html() -> Life:
    message = EmailMessage()
    message["Subject"], message["From"] = "Your booking", "stay@example.org"
    message.set_content(
        '<html><body><div style="display:none;max-height:0">Preview: save 50 now</div><table '
        'role="presentation" width="100%"><tr><td><table role="presentation"><tr><td>Check-in</td>'
        "<td align=right><b>12 August, from 15:00</b></td></tr><tr><td>Room</td><td align=right>"
        "Double, 94.00 EUR</td></tr><tr><td>Code</td><td align=right>HT5Q9</td></tr></table></td>"
        "</tr></table><p>Cancel free of charge until <strong>9 August</strong>.</p></body></html>",
        subtype="html",
    )
    pairs = (
        ("Check-in", "from 15:00"),
        ("Room", "94.00 EUR"),
        ("Code", "HT5Q9"),
        ("Cancel", "9 August"),
    )
    return Life("booking.eml", bytes(message), pairs, ("save 50",))


# --- OpenDocument, books, slides -------------------------------------------------------------

ODF = "urn:oasis:names:tc:opendocument:xmlns"


def _odt(body: str, styles: str = "") -> bytes:
    spaces = " ".join(
        f'xmlns:{n}="{ODF}:{n}:1.0"' for n in ("office", "text", "table", "style", "draw")
    )
    fo = 'xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0"'
    content = (
        f"<office:document-content {spaces} {fo}><office:automatic-styles>{styles}"
        f"</office:automatic-styles><office:body><office:text>{body}</office:text></office:body>"
        "</office:document-content>"
    )
    return _zip({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content})


def _cells(*texts: str, tag: str = "table:table-cell") -> str:
    inner = "".join(f"<{tag}><text:p>{text}</text:p></{tag}>" for text in texts)
    return f"<table:table-row>{inner}</table:table-row>"


@_first
def _open_text() -> Life:
    body = (
        '<text:h text:outline-level="1">Camp</text:h><table:table><table:table-header-rows>'
        + _cells("Age", "Week", "Cost")
        + "</table:table-header-rows>"
        + _cells("6 to 9", "28", "€210")
        + _cells("10 to 13", "30", "€235")
        + "</table:table><text:list><text:list-item><text:p>Bring:</text:p><text:list>"
        "<text:list-item>"
        "<text:p>Sleeping bag, rated to 5<text:s/>°C</text:p></text:list-item></text:list>"
        "</text:list-item></text:list><text:p>Bus<text:tab/>leaves at 08:20<text:line-break/>Return"
        '<text:tab/>at 17:45</text:p><text:p text:style-name="H">Leaders only: 9911</text:p>'
    )
    styles = (
        '<style:style style:name="H" style:family="paragraph"><style:text-properties '
        'text:display="none"/></style:style>'
    )
    pairs = (
        ("6 to 9", "Cost", "€210"),
        ("10 to 13", "Week", "30"),
        ("Bus", "08:20"),
        ("Return", "17:45"),
        ("Sleeping bag", "5 °C"),
    )
    return Life("camp.odt", _odt(body, styles), pairs, ("9911",))


@_first
def _book_epub() -> Life:
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="OEBPS/c.opf"/></rootfiles></container>'
    )
    opf = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata/><manifest><item '
        'id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest><spine>'
        '<itemref idref="a"/></spine></package>'
    )
    page = (
        '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head>'
        "<body><h2>Bread</h2><p>Bake it at 230&#160;°C for 40 minutes.</p><table>"
        "<tr><td>Flour</td><td>500 g</td></tr><tr><td>Salt</td><td>10 g</td></tr>"
        '</table><p>Rest<a epub:type="noteref" xmlns:epub="http://www.idpf.org/2007/ops" '
        'href="#n">1</a> it for an hour.</p><aside epub:type="footnote" '
        'xmlns:epub="http://www.idpf.org/2007/ops" '
        'id="n"><p>1. In winter two hours.</p></aside></body></html>'
    )
    data = _zip(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": container,
            "OEBPS/c.opf": opf,
            "OEBPS/a.xhtml": page,
        }
    )
    return Life(
        "bread.epub",
        data,
        (("Bake", "230 °C"), ("Flour", "500 g"), ("Salt", "10 g"), ("winter", "two hours")),
    )


DRAW = (
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)
RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def _shape(*paragraphs: str, kind: str = "") -> str:
    mark = f'<p:nvPr><p:ph type="{kind}"/></p:nvPr>' if kind else "<p:nvPr/>"
    text = "".join(f"<a:p><a:r><a:t>{one}</a:t></a:r></a:p>" for one in paragraphs)
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="1" name="s"/><p:cNvSpPr/>{mark}</p:nvSpPr>'
        f"<p:txBody>{text}</p:txBody></p:sp>"
    )


def _grid(rows: list[list[str]]) -> str:
    body = "".join(
        "<a:tr>"
        + "".join(
            f"<a:tc><a:txBody><a:p><a:r><a:t>{c}</a:t></a:r></a:p></a:txBody></a:tc>" for c in row
        )
        + "</a:tr>"
        for row in rows
    )
    return (
        f"<p:graphicFrame><a:graphic><a:graphicData><a:tbl>{body}</a:tbl></a:graphicData>"
        f"</a:graphic></p:graphicFrame>"
    )


def _slides(shapes: list[str], notes: str) -> bytes:
    ids = "".join(f'<p:sldId id="{i}" r:id="r{i}"/>' for i in range(len(shapes)))
    related = "".join(
        f'<Relationship Id="r{i}" Type="{RELATION}/slide" Target="slides/s{i}.xml"/>'
        for i in range(len(shapes))
    )
    rels = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        "{}</Relationships>"
    )
    entries = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": rels.format(
            f'<Relationship Id="r0" Type="{RELATION}/officeDocument" '
            f'Target="ppt/presentation.xml"/>'
        ),
        "ppt/presentation.xml": (
            f"<p:presentation {DRAW}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>"
        ),
        "ppt/_rels/presentation.xml.rels": rels.format(related),
        "ppt/slides/_rels/s0.xml.rels": rels.format(
            f'<Relationship Id="r1" Type="{RELATION}/notesSlide" Target="../notes/n.xml"/>'
        ),
        "ppt/notes/n.xml": (
            f"<p:notes {DRAW}><p:cSld><p:spTree>"
            f"{_shape(notes, kind='body')}</p:spTree>"
            f"</p:cSld></p:notes>"
        ),
    }
    for i, shape in enumerate(shapes):
        entries[f"ppt/slides/s{i}.xml"] = (
            f"<p:sld {DRAW}><p:cSld><p:spTree>{shape}</p:spTree></p:cSld></p:sld>"
        )
    return _zip(entries)


@_first
def _slide_deck() -> Life:
    table = _grid([["Plan", "Seats", "Fee"], ["Bronze", "5", "£40"], ["Silver", "20", "£120"]])
    group = f"<p:grpSp>{_shape('Hotline: 020 555 0140')}</p:grpSp>"
    data = _slides(
        [_shape("Plans", kind="title") + table, _shape("Support", kind="title") + group],
        "Say that Silver has a trial of 14 days.",
    )
    pairs = (
        ("Bronze", "Fee", "£40"),
        ("Silver", "Seats", "20"),
        ("Hotline", "020 555 0140"),
        ("trial", "14 days"),
    )
    return Life("plans.pptx", data, pairs)


@_first
def _plain_text() -> Life:
    text = (
        "PARISH HALL\n===========\n\nCaretaker ....... Jo Pike\nKey deposit ..... "
        "40 pounds\n\nHire charges:\n  Morning     £30\n  Evening     £45\n\n* "
        "Heating: 3 pounds an hour\n* Piano: by request\n"
    )
    pairs = (
        ("Caretaker", "Jo Pike"),
        ("Key deposit", "40 pounds"),
        ("Evening", "£45"),
        ("Heating", "3 pounds"),
    )
    return Life("hall.txt", text.encode(), pairs)


@_first
def _rich_text() -> Life:
    text = (
        r"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}\f0\b Rota\b0"
        r"\par\trowd\cellx2000\cellx4000\intbl "
        r"Monday\cell Ruth\cell\row\trowd\cellx2000\cellx4000\intbl Tuesday\cell "
        r"Imran\cell\row\pard Swap with two days\rquote  notice.\par Fee: 5 \'80\par}"
    )
    return Life(
        "rota.rtf",
        text.encode("latin-1"),
        (("Monday", "Ruth"), ("Tuesday", "Imran"), ("Swap", "two days"), ("Fee", "5 €")),
    )


@_first
def _json_lines() -> Life:
    text = (
        '{"sku": "B-17", "price": {"amount": 19.5, "currency": "EUR"}, "sizes": '
        '["S", "M"]}\n{"sku": "B-18", "price": {"amount": 24, "currency": "EUR"}, '
        '"sizes": []}\n'
    )
    return Life(
        "stock.jsonl", text.encode(), (("sku", "B-17"), ("price.amount", "19.5"), ("sizes", "S, M"))
    )


# --- The second set --------------------------------------------------------------------------


@_second
def _block_editor() -> Life:
    body = (
        '<header class="site"><nav><a href="/">Home of nav</a></nav></header><article><h1 class='
        '"entry-title">Ceramics school</h1><div class="wp-block-columns">'
        '<div class="wp-block-column">'
        "<h3>Evening class</h3><p>8 evenings<br><strong>€160</strong>"
        '</p><div class="wp-block-button">'
        '<a>Book now</a></div></div><div class="wp-block-column"><h3>Weekend class</h3>'
        "<p>2 days<br>"
        '<strong>€125</strong></p><div class="wp-block-button"><a>Book now</a></div></div></div>'
        '<figure class="wp-block-table"><table><tbody><tr><td>Glaze</td><td>€4 '
        "a pot</td></tr><tr><td>"
        "Firing</td><td>€7 a kilo</td></tr></tbody></table><figcaption>Extras</figcaption></figure>"
        "</article><footer><p>Theme by Foo</p></footer>"
    )
    pairs = (
        ("Evening class", "€160"),
        ("Weekend class", "€125"),
        ("Firing", "€7 a kilo"),
        ("Weekend class", "2 days"),
    )
    return Life("ceramics.html", _page(body), pairs, ("Home of nav",))


@_second
def _metrics() -> Life:
    body = "<h2>The year in figures</h2><div class=stats>" + "".join(
        (
            f'<div class="stat"><span class="stat-number">{n}</span><span class="stat-label">'
            f"{label}</span></div>"
        )
        for n, label in (("1,204", "Visitors"), ("36", "Concerts"), ("98%", "Seats sold"))
    )
    pairs = (("Visitors", "1,204"), ("Concerts", "36"), ("Seats sold", "98%"))
    return Life("year.html", _page(body + "</div>"), pairs)


@_second
def _product_data() -> Life:
    rows = (("Width", "84 cm"), ("Load", "120 kg"), ("Wood", "Ash, oiled"))
    body = "<h1>Bench Rya</h1><div class=product-attrs>"
    body += "".join(
        f'<div class="row"><div class="col-4 attr">{a}</div><div class="col-8 val">{b}</div></div>'
        for a, b in rows
    )
    body += "</div><p>Price: <del>€310</del> <ins>€279</ins></p>"
    return Life("bench.html", _page(body), (*rows, ("Price", "€279")), ("€310",))


@_second
def _faq_buttons() -> Life:
    body = (
        '<h1>Questions</h1><div class="faq"><h3><button aria-expanded=false aria-controls=a1>'
        "What does "
        "a late return cost?</button></h3><div id=a1 hidden><p>50 cents a day.</p>"
        "</div><h3><button "
        "aria-expanded=false aria-controls=a2>How many books may I borrow?</button></h3><div id=a2 "
        "hidden><ul><li>Adults: 12</li><li>Children: 20</li></ul></div></div>"
    )
    pairs = (
        ("What does a late return cost", "50 cents"),
        ("How many books", "Adults: 12"),
        ("Children", "20"),
    )
    return Life("library.html", _page(body), pairs)


@_second
def _two_level() -> Life:
    body = (
        "<table><thead><tr><th></th><th colspan=2>Indoor</th><th colspan=2>Outdoor</th>"
        "</tr><tr><th>Court"
        "</th><th>Day</th><th>Night</th><th>Day</th><th>Night</th></tr></thead>"
        "<tbody><tr><td>1&ndash;4"
        "</td><td>£18</td><td>£22</td><td>£10</td><td>&mdash;</td></tr><tr><td "
        "rowspan=2>5&ndash;6</td>"
        "<td>£20</td><td>£24</td><td colspan=2>closed</td></tr><tr><td colspan=4>"
        "members only</td></tr>"
        "</tbody></table>"
    )
    pairs = (
        ("1–4", "Night", "£22"),
        ("5–6", "Day", "£20"),
        ("5–6", "closed"),
        ("5–6", "members only"),
        ("1–4", "Day", "£10"),
    )
    return Life("courts.html", _page(body), pairs)


@_second
def _wiki_export() -> Life:
    body = (
        '<div class="pageSection"><div class="panel" style="border-width: 1px;">'
        '<div class="panelHeader">'
        '<b>Escalation</b></div><div class="panelContent"><p>Pager: 4410</p></div></div><div '
        'class="expand-container"><div class="expand-control"><span class="expand-control-text">'
        "Who "
        'approves?</span></div><div class="expand-content"><p>Dana Voss, up to '
        "5,000 EUR.</p></div></div>"
        '<ul class="inline-task-list"><li class="checked"><span>Renew certificate '
        "by 2 Oct</span></li>"
        '</ul><table class="wrapped confluenceTable"><tbody><tr><td class="confluenceTd '
        'highlight-grey">'
        "<strong>System</strong></td><td class='highlight-grey'><strong>Downtime</strong>"
        "</td></tr><tr><td>"
        "<p>Billing</p></td><td><ul><li>Sun 02:00</li><li>Wed 03:00</li></ul></td>"
        "</tr><tr><td><p>Mail</p>"
        "</td><td><p>none</p></td></tr></tbody></table></div>"
    )
    pairs = (
        ("Pager", "4410"),
        ("Who approves", "Dana Voss"),
        ("Renew certificate", "2 Oct"),
        ("Billing", "Wed 03:00"),
        ("Mail", "none"),
    )
    return Life("escalation.html", _page(body), pairs)


@_second
def _sup_and_aria() -> Life:
    body = (
        "<h1>Gym</h1><p>Standard<sup><a href='#f1'>*</a></sup>: €29<span aria-hidden=true>"
        ",90</span> <span "
        "class=visually-hidden>29 euros</span></p><p>Area: 900&nbsp;m<sup>2</sup>"
        "</p><p id=f1>* 12 months "
        "at least</p><dl class=row><dt>Opens</dt><dd>6&nbsp;am</dd><dt>Closes</dt>"
        "<dd>11&nbsp;pm</dd></dl>"
    )
    pairs = (("Standard", "€29"), ("Area", "900 m²"), ("Opens", "6 am"), ("Closes", "11 pm"))
    return Life("gym.html", _page(body), pairs, (",90",))


@_second
def _docs_md() -> Life:
    text = """+++
title = "Install"
+++

# Install

:::tip[Default port]
The service listens on 9095.
:::

??? question "Is Windows supported?"
    From version 4.2 on.

| Flag | Default | Meaning |
|---|---|---|
| `--mode a\\|b` | a | how it runs |
| `--wait` | 30 s | time before a retry<br>at most 5 |

- Linux
    1. Copy the file to `/opt/x`
    2. Start it
- macOS: brew, version 14 or later

> **Note:** logs are kept 7 days.

~~Support ends in 2024.~~
"""
    pairs = (
        ("listens", "9095"),
        ("Is Windows supported", "4.2"),
        ("--wait", "Default", "30 s"),
        ("macOS", "version 14"),
        ("logs", "7 days"),
    )
    return Life(
        "install.md", text.encode(), (*pairs, ("mode", "Meaning", "how it runs")), ("ends in 2024",)
    )


@_second
def _word_forms() -> Life:
    document = _word()
    document.add_heading("Application", 1)
    table = document.add_table(rows=4, cols=4)
    _fill(
        table,
        [
            ["Name", "Ivo Lang", "Born", "4 May 1991"],
            ["Address", "", "", ""],
            ["Income", "€2,900", "Rent limit", "€870"],
            ["Documents", "", "", ""],
        ],
    )
    table.cell(1, 1).merge(table.cell(1, 3)).text = "9 Hill Road, Lowford"
    cell = table.cell(3, 1).merge(table.cell(3, 3))
    cell.text = "Pay slips: 3"
    cell.add_paragraph("References: 2")
    head = document.add_paragraph()
    head.add_run("Fees").bold = True
    for said in ("Viewing\tfree", "Contract\t€45"):
        document.add_paragraph(said)
    return Life(
        "form.docx",
        _saved(document),
        (
            ("Name", "Ivo Lang"),
            ("Born", "4 May 1991"),
            ("Address", "9 Hill Road"),
            ("Rent limit", "€870"),
            ("Documents", "References: 2"),
            ("Contract", "€45"),
        ),
    )


@_second
def _word_plan() -> Life:
    document = _word()
    document.add_heading("Training plan", 1)
    table = document.add_table(rows=5, cols=3)
    _fill(
        table,
        [
            ["Module", "Topic", "Hours"],
            ["A", "Safety", "6"],
            ["", "First aid", "8"],
            ["B", "Forklift", "16"],
            ["Sum", "", "30"],
        ],
    )
    table.cell(1, 0).merge(table.cell(2, 0))
    document.add_heading("Dates", 2)
    document.add_paragraph("Module A runs on 7 and 8 June.", style="List Bullet")
    document.add_paragraph("Module B runs on 21 June.", style="List Bullet")
    return Life(
        "training.docx",
        _saved(document),
        (("First aid", "Hours", "8"), ("First aid", "A"), ("Sum", "30"), ("Module B", "21 June")),
    )


@_second
def _pdf_brochure() -> Life:
    pdf = _paper()
    _put(pdf, 20, 25, "Holiday park Dune", 20, "B")
    for x, head, lines in (
        (20, "Cabin", ["sleeps 4", "from 89 euros a night", "dogs welcome"]),
        (80, "Lodge", ["sleeps 6", "from 129 euros a night", "with sauna"]),
        (140, "Pitch", ["up to 80 m2", "from 24 euros a night", "power 10 A"]),
    ):
        _put(pdf, x, 45, head, 14, "B")
        for i, line in enumerate(lines):
            _put(pdf, x, 53 + 5.5 * i, line)
    _put(
        pdf,
        20,
        90,
        "Arrival is from 15:00, departure until 10:30. The linen costs 9 euros a person.",
    )
    pairs = (
        ("Arrival", "15:00"),
        ("linen", "9 euros"),
        ("Lodge", "129 euros"),
        ("Cabin", "89 euros"),
        ("Pitch", "24 euros"),
    )
    return Life("dune.pdf", bytes(pdf.output()), pairs)


@_second
def _pdf_wrapped_rows() -> Life:
    pdf = _paper()
    _put(pdf, 20, 25, "Schedule of penalties", 16, "B")
    heads = (("Breach", 20), ("Consequence", 85), ("Fine", 160))
    for text, x in heads:
        _put(pdf, x, 40, text, 10, "B")
    y = 48.0
    for a, b, c in (
        (["Noise after 22:00"], ["warning, then removal", "from the hall"], "80"),
        (["Smoking indoors,", "also e-cigarettes"], ["fine"], "150"),
        (
            ["Loss of a key"],
            ["new lock for the whole", "corridor, at the tenant's", "expense"],
            "420",
        ),
    ):
        for x, lines in ((20, a), (85, b), (160, [c])):
            for i, line in enumerate(lines):
                _put(pdf, x, y + 4.5 * i, line)
        y += 4.5 * max(len(a), len(b)) + 3.5
    pairs = (
        ("Noise", "80"),
        ("e-cigarettes", "150"),
        ("Loss of a key", "Fine", "420"),
        ("Loss of a key", "expense"),
        ("Noise", "from the hall"),
    )
    return Life("penalties.pdf", bytes(pdf.output()), pairs)


@_second
def _pdf_letter() -> Life:
    pdf = _paper()
    for i, line in enumerate(
        ["Town council", "Dept. of Parks", "Ref: PK/77-26", "Date: 11 May 2026"]
    ):
        _put(pdf, 140, 25 + 5 * i, line, 9)
    for i, line in enumerate(["Ms Eva Korn", "3 Elm Court", "Lowford"]):
        _put(pdf, 20, 45 + 5 * i, line)
    _put(pdf, 20, 80, "Felling permit", 12, "B")
    for i, line in enumerate(
        [
            "Dear Ms Korn,",
            "",
            "the ash tree may be felled between 1 October and 28 February. The",
            "fee is 62 euros. Please plant a new tree within one year.",
        ]
    ):
        _put(pdf, 20, 92 + 5.5 * i, line)
    for i, (a, b) in enumerate((("Permit no.", "4471"), ("Valid until", "28 February 2027"))):
        _put(pdf, 20, 130 + 6 * i, a)
        _put(pdf, 60, 130 + 6 * i, b)
    pairs = (
        ("felled", "28 February"),
        ("fee", "62 euros"),
        ("Ref", "PK/77-26"),
        ("Permit no.", "4471"),
        ("Valid until", "28 February 2027"),
    )
    return Life("permit.pdf", bytes(pdf.output()), pairs)


@_second
def _pdf_wide() -> Life:
    pdf = _paper(landscape=True)
    pdf.set_font("helvetica", size=10)
    _put(pdf, 20, 20, "Shift rota", 16, "B")
    pdf.set_xy(20, 30)
    pdf.set_font("helvetica", size=10)
    with pdf.table(width=240) as table:
        for cells in (
            ("Ward", "Early", "Late", "Night"),
            ("North", "Kim, Osei", "Varga", "Lund"),
            ("South", "Brandt", "Kim", "Adair and one bank nurse"),
        ):
            row = table.row()
            for text in cells:
                row.cell(text)
    pairs = (
        ("North", "Late", "Varga"),
        ("South", "Night", "Adair"),
        ("North", "Early", "Kim, Osei"),
    )
    return Life("rota.pdf", bytes(pdf.output()), pairs)


@_second
def _sheet_formats() -> Life:
    import datetime

    def fill(book: Any) -> None:
        sheet = book.active
        sheet.title = "Loans"
        sheet.append(["Loan book"])
        sheet.append(["as of 1 June"])
        sheet.append([])
        sheet.append(["Client", "Rate", "Start", "Sum", "Paid"])
        sheet.append(["Hald", 0.0425, datetime.date(2024, 2, 1), 15000, True])
        sheet.append(["Moor", 0.039, datetime.date(2025, 7, 15), 8200.5, False])
        for row in (5, 6):
            sheet.cell(row, 2).number_format = "0.00%"
            sheet.cell(row, 4).number_format = '_-* #,##0.00\\ "€"_-'
        sheet.column_dimensions["E"].hidden = True
        sheet.append(["Total", None, None, 23200.5])
        sheet["D7"].number_format = "#,##0.00 €"

    pairs = (
        ("Hald", "Rate", "4.25%"),
        ("Moor", "Start", "2025-07-15"),
        ("Hald", "Sum", "15,000.00 €"),
        ("Total", "23,200.50 €"),
    )
    return Life("loans.xlsx", _book(fill), pairs, ("TRUE",))


@_second
def _sheet_blocks() -> Life:
    def fill(book: Any) -> None:
        sheet = book.active
        sheet["A1"] = "Branch Lowford"
        sheet["A3"], sheet["B3"] = "Item", "Stock"
        sheet["A4"], sheet["B4"] = "Lamp", 40
        sheet["A6"] = "Branch Capel"
        sheet["A8"], sheet["B8"], sheet["C8"] = "Item", "Stock", "Ordered"
        sheet["A9"], sheet["B9"], sheet["C9"] = "Lamp", 7, 25
        sheet["A10"], sheet["B10"] = "Shade", 12
        note = book.create_sheet("Notes")
        note["A1"] = "Orders: every Thursday, by noon"

    pairs = (
        ("Lamp", "Stock", "40"),
        ("Lamp", "Ordered", "25"),
        ("Shade", "Stock", "12"),
        ("Orders", "every Thursday"),
    )
    return Life("stock.xlsx", _book(fill), pairs)


@_second
def _csv_quotes() -> Life:
    text = (
        '\ufeff"Kurs";"Beginn";"Gebühr"\n"Yoga, sanft";"02.03.2026";"64,50"\n"Ton '
        '& Farbe";"09.04.2026";"1.120,00"\n'
    )
    pairs = (
        ("Yoga, sanft", "Gebühr", "64,50"),
        ("Ton & Farbe", "Beginn", "09.04.2026"),
        ("Ton & Farbe", "Gebühr", "1.120,00"),
    )
    return Life("kurse.csv", text.encode(), pairs)


@_second
def _mail_thread() -> Life:
    message = EmailMessage()
    message["Subject"], message["From"], message["Cc"] = (
        "AW: Boiler",
        "hausmeister@example.org",
        "b@example.org",
    )
    message.set_content(
        "<html><head><style>.x{color:red}</style></head><body><p>Hello,<br>the "
        "fitter comes on <b>14 "
        "November</b> at 8.<br>His number: 0171 555 0132</p><div class=gmail_quote>"
        "<blockquote>On Friday B "
        "wrote:<br>It leaks.</blockquote></div><img src='cid:1' alt=''></body></html>",
        subtype="html",
    )
    message.add_attachment(
        b"Part;Price\nValve;38,00\n", maintype="text", subtype="csv", filename="parts.csv"
    )
    pairs = (("fitter", "14 November"), ("number", "0171 555 0132"), ("Valve", "Price", "38,00"))
    return Life("boiler.eml", bytes(message), pairs, ("color:red",))


@_second
def _open_spans() -> Life:
    body = (
        "<text:h text:outline-level='2'>Boats</text:h><table:table>"
        + _cells("Type", "Hour", "Day")
        + "<table:table-row><table:table-cell><text:p>Canoe</text:p></table:table-cell>"
        "<table:table-cell "
        "table:number-columns-spanned='2'><text:p>€12 flat</text:p></table:table-cell>"
        "<table:covered-table-cell/>"
        "</table:table-row>"
        + _cells("Skiff", "€9", "€41")
        + "</table:table><text:list><text:list-item><text:p>"
        "Deposit: <text:span>€50</text:span></text:p></text:list-item></text:list>"
        "<text:section text:display="
        "'none'><text:p>Draft 7788</text:p></text:section>"
    )
    pairs = (("Canoe", "€12 flat"), ("Skiff", "Day", "€41"), ("Deposit", "€50"))
    return Life("boats.odt", _odt(body), pairs, ("7788",))


@_second
def _slide_boxes() -> Life:
    merged = _grid(
        [["Quarter", "Sales", "Costs"], ["Q1", "€1.2m", "€0.9m"], ["Q2", "€1.5m", "€1.0m"]]
    )
    data = _slides(
        [
            _shape("Results", kind="title") + merged + _shape("Margin: 31%", "Staff: 48"),
            _shape("Outlook", kind="ctrTitle") + _shape("Q3 target: €1.7m"),
        ],
        "Q2 includes a one-off of 80k.",
    )
    pairs = (
        ("Q2", "Costs", "€1.0m"),
        ("Margin", "31%"),
        ("Q3 target", "€1.7m"),
        ("one-off", "80k"),
    )
    return Life("results.pptx", data, pairs)
