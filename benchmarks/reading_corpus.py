"""A made corpus of small documents whose facts are easy to read wrong, each with what is right.

Every kind is made in every format in which it can occur, ten documents for each, with names,
figures and spellings that differ from one to the next.
"""

import io
import random
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.reading_pdf import Sheet

PLACES = "Alder Beck Cove Dunmore Elm Fenwick Glen Harrow Inver Juniper".split()
THINGS = "locker berth garage desk studio cabin pitch chalet booth shed".split()
EACH = 10


@dataclass(frozen=True)
class Fact:
    """One labelled fact: ``right`` must stand together in one passage, ``wrong`` in none.

    ``sentence`` asks for more: that ``right`` stands in one sentence. ``under`` is a heading that
    the passage must know it stands under.
    """

    kind: str
    format: str
    name: str
    data: bytes
    right: tuple[str, ...]
    wrong: tuple[str, ...] = ()
    sentence: bool = False
    under: str = ""


@dataclass(frozen=True)
class _Case:
    """What one document of a kind is made of."""

    number: int
    place: str
    thing: str
    figure: int
    other: int
    pick: random.Random


Made = tuple[bytes, tuple[str, ...], tuple[str, ...]]
Maker = Callable[[_Case], Made]
MAKERS: dict[tuple[str, str], Maker] = {}
SENTENCES = {"abbreviations", "page-end"}
UNDER = {"headings", "questions"}


def _kind(kind: str, format: str) -> Callable[[Maker], Maker]:
    def add(maker: Maker) -> Maker:
        MAKERS[kind, format] = maker
        return maker

    return add


def facts(seed: int = 7, numbers: Iterable[int] = range(EACH)) -> Iterator[Fact]:
    """All facts, or those of some documents of each kind; always the same for one seed."""
    chosen = tuple(numbers)
    for (kind, format), maker in MAKERS.items():
        for number in chosen:
            pick = random.Random(f"{seed}-{kind}-{number}")
            figure, other = pick.sample(range(11, 98), 2)
            place, thing = PLACES[number % len(PLACES)], pick.choice(THINGS)
            case = _Case(number, place, thing, figure, other, pick)
            data, right, wrong = maker(case)
            under = right[0] if kind in UNDER else ""
            yield Fact(
                kind,
                format,
                f"{kind}-{number}.{format}",
                data,
                right[1:] if under else right,
                wrong,
                kind in SENTENCES,
                under,
            )


# --- Formats ---------------------------------------------------------------------------------


def _html(body: str, head: str = "") -> bytes:
    return (
        f"<!doctype html><html><head><title>Rules</title>{head}</head><body>{body}</body>".encode()
    )


def _docx() -> Any:
    import docx

    return docx.Document()


def _saved(document: Any) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def _element(tag: str, **attributes: str) -> Any:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    made = OxmlElement(tag)
    for name, value in attributes.items():
        made.set(qn(f"w:{name}"), value)
    return made


def _with_parts(data: bytes, changes: Callable[[dict[str, bytes]], None]) -> bytes:
    """A Word file with its parts changed."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    changes(parts)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


# --- Raised marks ----------------------------------------------------------------------------


def _marked(case: _Case) -> tuple[str, str, str, str]:
    """A sentence in four parts around a number and its mark, and what would be wrong."""
    if case.number % 2:
        return f"The tank at {case.place} holds ", "10", str(case.number), " litres of water."
    return f"The {case.thing} at {case.place} costs £", str(case.figure), "1", " a month."


def _mark_labels(case: _Case) -> tuple[tuple[str, ...], tuple[str, ...]]:
    _, base, mark, _ = _marked(case)
    right = f"{base}^{mark}" if base == "10" and mark != "1" else base
    return (right,), (base + mark,)


@_kind("raised-marks", "html")
def _raised_html(case: _Case) -> Made:
    before, base, mark, after = _marked(case)
    ways = [f"<sup>{mark}</sup>", f"<sup><a href='#n'>{mark}</a></sup>", f"&sup{mark};"]
    way = ways[case.number % 3] if int(mark) < 4 else ways[case.number % 2]
    return _html(f"<h1>Rules</h1><p>{before}{base}{way}{after}</p>"), *_mark_labels(case)


@_kind("raised-marks", "md")
def _raised_md(case: _Case) -> Made:
    before, base, mark, after = _marked(case)
    way = f"<sup>{mark}</sup>" if case.number % 3 else "⁰¹²³⁴⁵⁶⁷⁸⁹"[int(mark)]
    return f"# Rules\n\n{before}{base}{way}{after}\n".encode(), *_mark_labels(case)


@_kind("raised-marks", "docx")
def _raised_docx(case: _Case) -> Made:
    before, base, mark, after = _marked(case)
    document = _docx()
    paragraph = document.add_paragraph(before + base)
    run = paragraph.add_run(mark)
    if case.number % 3:
        run.font.superscript = True
    else:
        run._r.get_or_add_rPr().append(_element("w:position", val="10"))
    paragraph.add_run(after)
    return _saved(document), *_mark_labels(case)


@_kind("raised-marks", "pdf")
def _raised_pdf(case: _Case) -> Made:
    before, base, mark, after = _marked(case)
    sheet = Sheet()
    sheet.heading(f"Rules of {case.place}")
    x = sheet.at(20, 50, before + base)
    x = sheet.at(x, 50 - 1.6, mark, size=6.5) if case.number % 3 else sheet.rise(x, 50, mark)
    sheet.at(x, 50, after)
    return sheet.bytes(), *_mark_labels(case)


@_kind("raised-marks", "rtf")
def _raised_rtf(case: _Case) -> Made:
    before, base, mark, after = _marked(case)
    way = f"{{\\super {mark}}}" if case.number % 3 else f"{{\\fs16\\super\\f0 {mark}}}"
    said = f"{before}{base}{way}{after}".replace("£", "\\'a3")
    return f"{{\\rtf1\\ansi {said}\\par}}".encode(), *_mark_labels(case)


OPEN = "urn:oasis:names:tc:opendocument:xmlns"


@_kind("raised-marks", "odt")
def _raised_odt(case: _Case) -> Made:
    before, base, mark, after = _marked(case)
    place = "super 58%" if case.number % 3 else "33% 60%"
    content = (
        f"<office:document-content xmlns:office='{OPEN}:office:1.0' xmlns:text='{OPEN}:text:1.0' "
        f"xmlns:style='{OPEN}:style:1.0'><office:automatic-styles><style:style style:name='T1' "
        f"style:family='text'><style:text-properties style:text-position='{place}'/></style:style>"
        "</office:automatic-styles><office:body><office:text><text:p>"
        f"{before}{base}<text:span text:style-name='T1'>{mark}</text:span>{after}"
        "</text:p></office:text></office:body></office:document-content>"
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr("content.xml", content)
    return buffer.getvalue(), *_mark_labels(case)


# --- Labels that stand once ------------------------------------------------------------------


@_kind("labels-once", "pdf")
def _labels_pdf(case: _Case) -> Made:
    spans = ("one hour", "half a day", "a day")
    sheet = Sheet()
    sheet.heading("Prices")
    for x, head in ((20, "Place"), (80, "For"), (130, "Fee")):
        sheet.at(x, 50, head)
    wanted: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    for group, place in enumerate((case.place, "Zennor")):
        top = 58 + 24 * group
        sheet.at(20, top + (8 if case.number % 2 else 0), place)
        for row, span in enumerate(spans):
            fee = f"{case.figure + 3 * row + 10 * group} euros"
            sheet.at(80, top + 8 * row, span)
            sheet.at(130, top + 8 * row, fee)
            if place == case.place and row == case.number % 3:
                wanted, wrong = (f"{place} | {span} | {fee}",), (f"Zennor | {span} | {fee}",)
    return sheet.bytes(), wanted, wrong


# --- Tables, boxes and questions that only the page tells -------------------------------------

WRAPS = ["Entry to all floors and to the", "roof when the weather allows it"]


@_kind("two-heads", "pdf")
def _two_heads(case: _Case) -> Made:
    sheet = Sheet()
    sheet.heading("Seasons")
    for x, text in ((95, "Summer"), (135, "Winter")):
        sheet.at(x, 50, text)
    heads = ("Adult", "Child") * 2
    xs = (95, 115, 135, 155)
    for x, text in zip((20, *xs), ("Offer", *heads), strict=True):
        sheet.at(x, 55, text)
    fees = [f"{case.figure + n}.{case.other}" for n in range(4)]
    rows = ([case.place], WRAPS, [f"{case.thing} by the day"])
    y = 63.0
    for n, lines in enumerate(rows):
        for line in lines:
            sheet.at(20, y + 5 * lines.index(line), line)
        for at, x in enumerate(xs):
            said = fees[at] if n == 1 else f"{7 + at}.{10 + n}"
            sheet.at(x, y + 2.5 * (len(lines) - 1) * (case.number % 2), said)
        y += 5 * len(lines) + 3
    named = "Offer | Summer | Summer | Winter | Winter\nOffer | Adult | Child | Adult | Child"
    return sheet.bytes(), (named, " | ".join([" ".join(WRAPS), *fees])), ()


@_kind("boxes", "pdf")
def _boxes_pdf(case: _Case) -> Made:
    names = ["Berth", "Yearly fee", "Deposit", "Notice", "Valid from", "Place"]
    values = [f"{case.figure + 3 * n}.{case.other}" for n in range(len(names))]
    sheet = Sheet()
    sheet.heading("Your berth at a glance")
    across = 2 + case.number % 2
    for n, (name, value) in enumerate(zip(names, values, strict=True)):
        x, y = 20 + 55 * (n % across), 50 + 16 * (n // across)
        sheet.at(x, y, name, size=7.5)
        sheet.at(x, y + 5, value)
    at = case.number % len(names)
    other = names[(at + across) % len(names)]
    return sheet.bytes(), (f"{names[at]} | {values[at]}",), (f"{other} | {values[at]}",)


@_kind("questions", "pdf")
def _questions_pdf(case: _Case) -> Made:
    said = {
        f"What does the {case.thing} cost?": f"It costs {case.figure} euros a day, and the key is"
        " handed out at the desk, by the door.",
        f"When does {case.place} open?": "It opens at nine on all days of the week but the last one"
        " of them, when it stays shut.",
    }
    sheet = Sheet()
    sheet.heading("Questions and answers")
    y = 50.0
    for question, answer in said.items():
        half = answer.index(" ", 60)
        for line in (question, answer[:half], answer[half + 1 :]):
            sheet.at(20, y, line)
            y += 5
        y += 1.5 * (case.number % 3)
    question, answer = list(said.items())[case.number % 2]
    return sheet.bytes(), (question, answer), ()


# --- Numbers of lists ------------------------------------------------------------------------

STEPS = ["Open the valve", "Close the gate", "Press the bell", "Turn the key", "Lift the bar"]
ROMAN = ["i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii"]


def _numbered(case: _Case) -> tuple[int, str, int]:
    """The start, the kind and the item that is asked for."""
    kinds = ["1", "a", "i", "A", "1"]
    return case.pick.randint(1, 6), kinds[case.number % 5], case.pick.randint(0, 4)


def _numeral(number: int, kind: str) -> str:
    if kind == "i":
        return ROMAN[number - 1]
    return str(number) if kind == "1" else chr(ord(kind) + number - 1)


@_kind("list-numbers", "html")
def _list_html(case: _Case) -> Made:
    start, kind, wanted = _numbered(case)
    items = [f"{step} at {case.place}." for step in STEPS]
    if case.number == 4:
        body = "<ol reversed>" + "".join(f"<li>{item}</li>" for item in items) + "</ol>"
        return _html(body), (f"{5 - wanted}. {items[wanted]}",), (f"{wanted + 9}. ",)
    style = "" if case.number % 2 else " style='list-style-type:decimal'" if kind == "1" else ""
    body = f"<ol type='{kind}' start='{start}'{style}>"
    body += "".join(f"<li>{'<p>' * (case.number % 2)}{item}</li>" for item in items) + "</ol>"
    return _html(body), (f"{_numeral(start + wanted, kind)}. {items[wanted]}",), ()


@_kind("list-numbers", "md")
def _list_md(case: _Case) -> Made:
    start, _, wanted = _numbered(case)
    gap = "\n\n" if case.number % 2 else "\n"
    between = "\n\n```\nwait\n```\n\n" if case.number % 3 == 0 else gap
    items = [f"{start + i}. {step} at {case.place}." for i, step in enumerate(STEPS)]
    text = gap.join(items[:2]) + between + gap.join(items[2:])
    return f"# Steps\n\n{text}\n".encode(), (items[wanted],), ()


WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
NUMBERING = """<w:numbering xmlns:w="{word}"><w:abstractNum w:abstractNumId="7">
<w:lvl w:ilvl="0"><w:start w:val="{start}"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1"/>
</w:lvl><w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="{format}"/>
<w:lvlText w:val="{text}"/></w:lvl>
</w:abstractNum><w:num w:numId="7"><w:abstractNumId w:val="7"/></w:num></w:numbering>"""
LEVELS = [
    ("decimal", "%1.%2"),
    ("lowerLetter", "(%2)"),
    ("upperRoman", "%1-%2"),
    ("decimal", "%2)"),
]


@_kind("list-numbers", "docx")
def _list_docx(case: _Case) -> Made:
    start, _, wanted = _numbered(case)
    format, text = LEVELS[case.number % 4]
    document = _docx()
    for chapter in ("Entry", "Use"):
        for level, said in [(0, chapter), *((1, f"{s} at {case.place}.") for s in STEPS)]:
            paragraph = document.add_paragraph(said)
            number = _element("w:numPr")
            number.append(_element("w:ilvl", val=str(level)))
            number.append(_element("w:numId", val="7"))
            paragraph._p.get_or_add_pPr().append(number)
    second = {"decimal": str(wanted + 1), "lowerLetter": chr(97 + wanted)}
    shown = second.get(format, ROMAN[wanted].upper())
    label = text.replace("%1", str(start + 1)).replace("%2", shown)
    made = NUMBERING.format(word=WORD, start=start, format=format, text=text).encode()
    data = _with_parts(_saved(document), lambda parts: parts.update({"word/numbering.xml": made}))
    return data, (f"{label} {STEPS[wanted]} at {case.place}.", f"{start + 1} Use"), ()


@_kind("list-numbers", "pdf")
def _list_pdf(case: _Case) -> Made:
    start, _, wanted = _numbered(case)
    sheet = Sheet()
    sheet.heading(f"Steps at {case.place}")
    for i, step in enumerate(STEPS):
        sheet.at(20, 50 + 7 * i, f"{start + i}.")
        sheet.at(27 if case.number % 2 else 33, 50 + 7 * i, f"{step} at {case.place}.")
    return sheet.bytes(), (f"{start + wanted}. {STEPS[wanted]} at {case.place}.",), ()


# --- Abbreviations ---------------------------------------------------------------------------

SHORT = ["approx. {} euros", "max. {} euros", "min. {} euros", "para. {} of the rules"]
SHORT += ["Nr. {} der Liste", "vol. {} of the series", "ca. {} minutes", "ext. {} at the desk"]
SHORT += ["Prof. Adams, who is {}", "z. B. Bahn {}"]


def _abbreviated(case: _Case) -> tuple[str, tuple[str, ...]]:
    said = SHORT[case.number].format(case.figure)
    sentence = f"The {case.thing} at {case.place} means {said}."
    return f"It is open. {sentence} All is well.", (f"The {case.thing}", said)


@_kind("abbreviations", "txt")
def _short_txt(case: _Case) -> Made:
    text, right = _abbreviated(case)
    return f"Rules\n\n{text}\n".encode(), right, ()


@_kind("abbreviations", "html")
def _short_html(case: _Case) -> Made:
    text, right = _abbreviated(case)
    return _html(f"<h1>Rules</h1><p>{text}</p>"), right, ()


@_kind("abbreviations", "md")
def _short_md(case: _Case) -> Made:
    text, right = _abbreviated(case)
    return f"# Rules\n\n{text}\n".encode(), right, ()


@_kind("abbreviations", "docx")
def _short_docx(case: _Case) -> Made:
    text, right = _abbreviated(case)
    document = _docx()
    document.add_paragraph(text)
    return _saved(document), right, ()


@_kind("abbreviations", "pdf")
def _short_pdf(case: _Case) -> Made:
    text, right = _abbreviated(case)
    sheet = Sheet()
    sheet.heading("Rules")
    sheet.paragraph(text)
    return sheet.bytes(), right, ()


# --- What nobody sees ------------------------------------------------------------------------


def _seen(case: _Case) -> tuple[str, str]:
    shown = f"The {case.thing} at {case.place} closes at {case.figure} past noon."
    return shown, f"The {case.thing} at {case.place} closes at {case.other} past noon."


UNSEEN_HTML = [
    '<p style="color:#fefefe">{}</p>',
    '<div class="off"><p>{}</p></div>',
    '<p style="font-size:0.1em">{}</p>',
    "<dialog>{}</dialog>",
    '<p style="opacity:.02">{}</p>',
    '<p id="gone">{}</p>',
    '<span style="position:fixed;top:-2000px">{}</span>',
    '<div style="background:#123456"><p style="color:#123457">{}</p></div>',
    '<div style="max-height:0;overflow:hidden">{}</div>',
    '<p style="clip-path:inset(100%)">{}</p>',
]
SHEET = "<style>.off{{visibility:hidden}} body #gone{{display:none}}</style>".format()


@_kind("hidden", "html")
def _hidden_html(case: _Case) -> Made:
    shown, hidden = _seen(case)
    return (
        _html(f"<p>{shown}</p>" + UNSEEN_HTML[case.number].format(hidden), SHEET),
        (shown,),
        (hidden,),
    )


@_kind("hidden", "md")
def _hidden_md(case: _Case) -> Made:
    shown, hidden = _seen(case)
    unseen = UNSEEN_HTML[case.number].format(hidden)
    return f"# Rules\n\n{shown}\n\n{SHEET}\n\n{unseen}\n".encode(), (shown,), (hidden,)


def _hide_run(run: Any, way: int) -> None:
    from docx.shared import Pt, RGBColor

    if way == 0:
        run.font.hidden = True
    elif way == 1:
        run.font.color.rgb = RGBColor(0xFE, 0xFE, 0xFE)
    elif way == 2:
        run.font.size = Pt(1)
    elif way == 3:
        run._r.get_or_add_rPr().append(_element("w:shd", val="clear", fill="224466"))
        run.font.color.rgb = RGBColor(0x22, 0x44, 0x66)


@_kind("hidden", "docx")
def _hidden_docx(case: _Case) -> Made:
    from docx.enum.style import WD_STYLE_TYPE

    shown, hidden = _seen(case)
    document = _docx()
    document.add_paragraph(shown)
    if case.number < 6:
        _hide_run(document.add_paragraph().add_run(hidden), case.number % 4)
    elif case.number < 8:
        style = document.styles.add_style("Faded", WD_STYLE_TYPE.PARAGRAPH)
        document.add_paragraph(hidden, style="Faded")
        _hide_run(style, 0) if case.number == 6 else _style_white(style)
    else:
        row = document.add_table(rows=1, cols=2).rows[0]
        row.cells[0].text = "Note"
        _hide_run(row.cells[1].paragraphs[0].add_run(hidden), case.number % 4)
    return _saved(document), (shown,), (hidden,)


def _style_white(style: Any) -> None:
    from docx.shared import RGBColor

    style.font.color.rgb = RGBColor(0xFF, 0xFF, 0xFF)


@_kind("hidden", "pdf")
def _hidden_pdf(case: _Case) -> Made:
    shown, hidden = _seen(case)
    sheet = Sheet()
    sheet.heading(f"Rules of {case.place}")
    sheet.at(20, 50, shown)
    sheet.hide(hidden, case.number)
    return sheet.bytes(), (shown,), (hidden,)


# --- Struck text -----------------------------------------------------------------------------


def _struck(case: _Case) -> tuple[str, str, str, str]:
    return f"The fee at {case.place} is ", f"£{case.other}", f"£{case.figure}", " a year."


def _struck_labels(case: _Case) -> tuple[tuple[str, ...], tuple[str, ...]]:
    _, old, new, after = _struck(case)
    return (f"{new}{after}",), (old,)


@_kind("struck", "html")
def _struck_html(case: _Case) -> Made:
    before, old, new, after = _struck(case)
    line = "text-decoration:line-through"
    ways = [
        "<del>{}</del>",
        "<s>{}</s>",
        "<strike>{}</strike>",
        f'<span style="{line}">{{}}</span>',
    ]
    ways += ['<span class="old">{}</span>']
    head = f"<style>.old{{{line}}}</style>"
    body = f"<p>{before}{ways[case.number % 5].format(old)} {new}{after}</p>"
    return _html(body, head), *_struck_labels(case)


@_kind("struck", "md")
def _struck_md(case: _Case) -> Made:
    before, old, new, after = _struck(case)
    way = ["~~{}~~", "<del>{}</del>"][case.number % 2]
    return f"# Fees\n\n{before}{way.format(old)} {new}{after}\n".encode(), *_struck_labels(case)


@_kind("struck", "docx")
def _struck_docx(case: _Case) -> Made:
    before, old, new, after = _struck(case)
    document = _docx()
    paragraph = document.add_paragraph(before)
    run = paragraph.add_run(f"{old} ")
    if case.number % 3 == 0:
        run.font.strike = True
    elif case.number % 3 == 1:
        run.font.double_strike = True
    else:
        deleted = _element("w:del", id="1", author="A")
        deleted.append(run._r)
        paragraph._p.append(deleted)
    paragraph.add_run(new + after)
    return _saved(document), *_struck_labels(case)


@_kind("struck", "pdf")
def _struck_pdf(case: _Case) -> Made:
    before, old, new, after = _struck(case)
    sheet = Sheet()
    sheet.heading(f"Fees of {case.place}")
    x = sheet.at(20, 50, before)
    x = sheet.strike(x, 50, old, case.number)
    sheet.at(x + 1.5, 50, new + after)
    return sheet.bytes(), *_struck_labels(case)


# --- Tables ----------------------------------------------------------------------------------


def _priced(case: _Case) -> tuple[list[tuple[str, str, str]], str]:
    """Rows of zone, time and price, and the row that is asked for."""
    rows = [
        (zone, time, f"£{case.figure + 3 * i + j}")
        for i, zone in enumerate((f"{case.place} North", f"{case.place} South"))
        for j, time in enumerate(("One hour", "One day", "One week"))
    ]
    wanted = rows[case.pick.choice([1, 2, 4, 5])]
    return rows, " | ".join(wanted)


@_kind("merged-cells", "html")
def _merged_html(case: _Case) -> Made:
    rows, right = _priced(case)
    cells = []
    for i, (zone, time, price) in enumerate(rows):
        first = f"<td rowspan='3'>{zone}</td>" if i % 3 == 0 else ""
        if case.number % 2 and first:
            first = first.replace("td", "th")
        cells.append(f"<tr>{first}<td>{time}</td><td>{price}</td></tr>")
    head = "<tr><th>Zone</th><th>Time</th><th>Price</th></tr>"
    return _html(f"<h1>Prices</h1><table>{head}{''.join(cells)}</table>"), (right, "Zone"), ()


@_kind("merged-cells", "docx")
def _merged_docx(case: _Case) -> Made:
    rows, right = _priced(case)
    document = _docx()
    table = document.add_table(rows=1 + len(rows), cols=3)
    for cell, text in zip(table.rows[0].cells, ("Zone", "Time", "Price"), strict=True):
        cell.text = text
    for i, (zone, time, price) in enumerate(rows, 1):
        cells = table.rows[i].cells
        cells[1].text, cells[2].text = time, price
        if i % 3 == 1:
            cells[0].merge(table.rows[i + 2].cells[0]).text = zone
    return _saved(document), (right, "Zone"), ()


@_kind("merged-cells", "pdf")
def _merged_pdf(case: _Case) -> Made:
    rows, right = _priced(case)
    sheet = Sheet()
    sheet.heading("Prices")
    sheet.merged_table(("Zone", "Time", "Price"), rows, case.number)
    return sheet.bytes(), (right, "Zone"), ()


@_kind("long-tables", "html")
def _long_html(case: _Case) -> Made:
    rows = [(f"Stop {case.place} {i}", f"{i}.50 euros", f"{i + case.other}") for i in range(60)]
    body = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows)
    head = "<tr><th>Stop</th><th>Fare</th><th>Bus</th></tr>"
    wanted = rows[case.pick.randint(20, 59)]
    data = _html(f"<table><thead>{head}</thead>{body}</table>")
    return data, (" | ".join(wanted), "Stop | Fare | Bus"), ()


@_kind("long-tables", "docx")
def _long_docx(case: _Case) -> Made:
    rows = [(f"Stop {case.place} {i}", f"{i}.50 euros", f"{i + case.other}") for i in range(40)]
    document = _docx()
    table = document.add_table(rows=0, cols=3)
    for row in [("Stop", "Fare", "Bus"), *rows]:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    table.rows[0]._tr.get_or_add_trPr().append(_element("w:tblHeader"))
    wanted = rows[case.pick.randint(20, 39)]
    return _saved(document), (" | ".join(wanted), "Stop | Fare | Bus"), ()


@_kind("long-tables", "pdf")
def _long_pdf(case: _Case) -> Made:
    rows = [(f"Stop {case.place} {i}", f"{i}.50 euros", f"{i + case.other}") for i in range(60)]
    sheet = Sheet()
    sheet.heading("Fares")
    sheet.plain_table([("Stop", "Fare", "Bus"), *rows])
    wanted = rows[case.pick.randint(40, 59)]
    return sheet.bytes(), (" | ".join(wanted), "Stop | Fare | Bus"), ()


# --- PDF: pages, columns, forms --------------------------------------------------------------

BROKEN = [
    ("The kiln at {} must rest for at least", "{} hours before it is opened."),
    ("Dogs at {} are allowed in every room except", "in rooms {} and 99."),
    ("Guests at {} may use the boats, but they are", "not allowed to leave dock {} after dark."),
    ("The yearly fee at {} is payable in Octo-", "ber and amounts to {} euros."),
    ("A tenant at {} who wants to leave must give notice of", "{} weeks to the owner."),
]


@_kind("page-end", "pdf")
def _page_end(case: _Case) -> Made:
    before, after = (part.format(*value) for part, value in zip(
        BROKEN[case.number % 5], ((case.place,), (case.figure,)), strict=True
    ))  # fmt: skip
    sheet = Sheet(footer=case.number % 4, header=case.number % 3 == 2)
    sheet.heading("Handbook")
    for i in range(12):
        sheet.at(20, 45 + 8 * i, f"Room {i} of the house has a lamp and a steel door.")
    sheet.at(20, 250, before)
    sheet.next_page()
    sheet.at(20, 30, after)
    sheet.at(20, 42, "Keys are returned to the desk.")
    whole = before[:-1] + after if before.endswith("-") else f"{before} {after}"
    return sheet.bytes(), (whole,), ()


LEFT = "The bakery in {} opens at six on every weekday and sells rye bread and rolls to all"
RIGHT = "The pool in {} closes at {} past noon and a ticket for it costs three euros for each adult"
THIRD = "The library in {} lends maps for a week and late maps cost forty cents for every day"


@_kind("columns", "pdf")
def _columns(case: _Case) -> Made:
    texts = [LEFT.format(case.place), RIGHT.format(case.place, case.figure)]
    if case.number % 3 == 2:
        texts.append(THIRD.format(case.place))
    sheet = Sheet()
    sheet.heading("Village news")
    sheet.columns([f"{text}." for text in texts], case.number)
    return sheet.bytes(), (f"{texts[case.number % 2]}.",), ()


@_kind("forms", "pdf")
def _form(case: _Case) -> Made:
    value = f"{case.thing.title()} {case.figure}"
    sheet = Sheet()
    sheet.heading("Loan record")
    sheet.at(20, 50, "Borrower:")
    sheet.at(20, 62, "Item:")
    sheet.at(20, 74, "Loans are free of charge for members.")
    sheet.field("a", 60, 50, f"{case.place} Club", case.number)
    sheet.field("b", 60, 62, value, case.number)
    return sheet.bytes(), (f"Item: | {value}",), ()


# --- HTML: buttons and tabs ------------------------------------------------------------------


@_kind("buttons", "html")
def _buttons(case: _Case) -> Made:
    question = f"What does a {case.thing} at {case.place} cost?"
    answer = f"It costs {case.figure} euros."
    tabs = '<div role="tablist"><button role="tab" {0}>Summer</button><button role="tab" {1}>{2}'
    tabs += "</button></div>"
    panel = f"<p>A {case.thing} costs 5 euros.</p>"
    ways = [
        f'<h3><button aria-expanded="false">{question}</button></h3><p>{answer}</p>',
        f'<button aria-controls="p">{question}</button><div id="p" hidden>{answer}</div>',
        f"<details><summary>{question}</summary><p>{answer}</p></details>",
        f'<div role="button">{question}</div><div>{answer}</div>',
        f"<dl><dt><button>{question}</button></dt><dd>{answer}</dd></dl>",
    ]
    if case.number < 5:
        return (
            _html(f"<nav><button>Menu</button></nav>{ways[case.number]}"),
            (question, answer),
            ("Menu",),
        )
    links = [('aria-controls="x"', 'aria-controls="y"'), ("", ""), ('id="s"', 'id="w"')]
    one, two = links[case.number % 3]
    label = f"{case.place} tariff"
    named = ['id="x"', 'id="y"'] if case.number % 3 == 0 else ["", ""]
    if case.number % 3 == 2:
        named = ['aria-labelledby="s"', 'aria-labelledby="w"']
    body = tabs.format(one, two, label)
    body += f'<div role="tabpanel" {named[0]}>{panel}</div>'
    body += f'<div role="tabpanel" {named[1]} hidden><p>{answer}</p></div>'
    return _html(body), (f"{label}\n\n{answer}",), ()


# --- Encodings and invisible characters ------------------------------------------------------

LEGACY = [
    ("cp1250", "Zboží lze vrátit do {} dnů. Poštovné platí příjemce a činí devadesát korun."),
    (
        "iso8859-2",
        "Zwrot jest możliwy w ciągu {} dni. Koszt przesyłki ponosi wysyłający, zgłoś to.",
    ),
    ("cp1251", "Товар можно вернуть в течение {} дней. Доставка оплачивается покупателем."),
    ("koi8-r", "Библиотека закрывается в {} часов. Штраф составляет десять рублей в день."),
    ("iso8859-7", "Η βιβλιοθήκη κλείνει σε {} λεπτά. Το πρόστιμο είναι δέκα λεπτά την ημέρα."),
    ("mac_roman", "Le café ouvre à {} heures. La pénalité s'élève à dix centimes par journée."),
    ("cp437", "Die Bücherei schließt in {} Minuten. Die Gebühr für Bücher beträgt zwölf Cent."),
    ("shift_jis", "商品は{}日以内に返品できます。送料は五百円です。"),
    ("gb18030", "商品可以在{}天内退回。运费为三十元，由买方支付。"),
    ("cp1254", "Kütüphane {} dakika sonra kapanır. Gecikme ücreti günlük beş liradır, ışıklar."),
]


@_kind("encodings", "txt")
def _legacy_txt(case: _Case) -> Made:
    encoding, text = LEGACY[case.number]
    said = text.format(case.figure)
    return f"{said}\n".encode(encoding), (said,), ("Ã", "\ufffd")


@_kind("encodings", "md")
def _legacy_md(case: _Case) -> Made:
    encoding, text = LEGACY[case.number]
    said = text.format(case.figure)
    return f"# {case.place}\n\n{said}\n".encode(encoding), (said,), ("Ã", "\ufffd")


@_kind("encodings", "html")
def _legacy_html(case: _Case) -> Made:
    encoding, text = LEGACY[case.number]
    said = text.format(case.figure)
    meta = f"<meta charset='{encoding}'>" if case.number % 2 and encoding != "cp437" else ""
    page = f"<!doctype html><html><head>{meta}</head><body><p>{said}</p></body></html>"
    return page.encode(encoding), (said,), ("Ã", "\ufffd")


INVISIBLE = [
    ("leaves\u200bat {}\u200bfrom the pier", "leaves at {} from the pier"),
    ("costs {}\u200b euros", "costs {} euros"),
    ("می\u200cخواهم {} کتاب\u200cها", "می\u200cخواهم {} کتاب\u200cها"),
    ("क्\u200dष {} और क्\u200cष", "क्\u200dष {} और क्\u200cष"),
    ("farm 👩\u200d🌾 number {}", "farm 👩\u200d🌾 number {}"),
    ("so\u00adft rule {} holds", "soft rule {} holds"),
    ("join\u2060ed rule {}", "joined rule {}"),
    ("the \ufb01ne is {} euros", "the fine is {} euros"),
    ("room\u00a0{} is\u2009free", "room {} is free"),
    ("rule \u202e{}\u202c holds", "rule {} holds"),
]


def _invisible(case: _Case) -> tuple[str, tuple[str, ...]]:
    written, read = (text.format(case.figure) for text in INVISIBLE[case.number])
    return f"At {case.place}: {written}.", (f"At {case.place}: {read}.",)


@_kind("invisible", "txt")
def _invisible_txt(case: _Case) -> Made:
    text, right = _invisible(case)
    return text.encode(), right, ()


@_kind("invisible", "html")
def _invisible_html(case: _Case) -> Made:
    text, right = _invisible(case)
    return _html(f"<p>{text}</p>", "<meta charset=utf-8>"), right, ()


@_kind("invisible", "docx")
def _invisible_docx(case: _Case) -> Made:
    text, right = _invisible(case)
    document = _docx()
    document.add_paragraph(text)
    return _saved(document), right, ()


# --- Parts of Word documents -----------------------------------------------------------------


@_kind("word-parts", "docx")
def _word_parts(case: _Case) -> Made:
    way, said = case.number % 5, f"The rate at {case.place} is {case.figure} euros."
    document = _docx()
    paragraph = document.add_paragraph("Staff are paid monthly.")
    if way == 0:
        return _footnote(document, paragraph, said), (said, "Staff are paid monthly"), ()
    if way == 1:
        return _controlled(document, case)
    if way == 2:
        box = document.add_paragraph().add_run()._r
        holder = _element("w:pict")
        content = _element("w:txbxContent")
        content.append(document.add_paragraph(said)._p)
        holder.append(content)
        box.append(holder)
    elif way == 3:
        document.sections[0].header.paragraphs[0].text = said
    else:
        document.add_paragraph(said)
        return _strict(_saved(document)), (said,), ()
    return _saved(document), (said,), ()


NOTES = """<w:footnotes xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">
<w:footnote w:id="2"><w:p><w:r><w:footnoteRef/></w:r><w:r><w:t>{}</w:t></w:r></w:p></w:footnote>
</w:footnotes>"""
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
NOTE_RELATION = f'<Relationship Id="rIdN" Type="{OFFICE}/footnotes" Target="footnotes.xml"/>'


def _footnote(document: Any, paragraph: Any, said: str) -> bytes:
    paragraph.add_run()._r.append(_element("w:footnoteReference", id="2"))

    def add(parts: dict[str, bytes]) -> None:
        listed = "word/_rels/document.xml.rels"
        parts["word/footnotes.xml"] = NOTES.format(said).encode()
        end = b"</Relationships>"
        parts[listed] = parts[listed].replace(end, NOTE_RELATION.encode() + end)

    return _with_parts(_saved(document), add)


def _controlled(document: Any, case: _Case) -> Made:
    table = document.add_table(rows=2, cols=3)
    texts = [("Machine", "Owner", "Checked"), (f"Lathe {case.figure}", case.place, "3 May")]
    for row, said in zip(table.rows, texts, strict=True):
        for cell, text in zip(row.cells, said, strict=True):
            cell.text = text
    inside = table.rows[1]._tr if case.number > 4 else table.rows[1].cells[1]._tc
    parent = inside.getparent()
    control, content = _element("w:sdt"), _element("w:sdtContent")
    parent.replace(inside, control)
    content.append(inside)
    control.append(content)
    return _saved(document), (" | ".join(texts[1]),), ()


def _strict(data: bytes) -> bytes:
    swaps = {
        b"http://schemas.openxmlformats.org/wordprocessingml/2006/main": (
            b"http://purl.oclc.org/ooxml/wordprocessingml/main"
        ),
        b"http://schemas.openxmlformats.org/officeDocument/2006/relationships": (
            b"http://purl.oclc.org/ooxml/officeDocument/relationships"
        ),
    }

    def change(parts: dict[str, bytes]) -> None:
        for name in parts:
            for usual, strict in swaps.items():
                parts[name] = parts[name].replace(usual, strict)

    return _with_parts(data, change)


# --- Notes, and headings ---------------------------------------------------------------------


@_kind("notes", "md")
def _notes_md(case: _Case) -> Made:
    note = f"In {case.place} it is {case.other} euros."
    text = f"# Pay\n\nStaff get {case.figure} euros[^a] a day.\n\nMore.\n\n[^a]: {note}\n"
    return text.encode(), (f"Staff get {case.figure}", note), (f"{case.figure}1",)


@_kind("notes", "html")
def _notes_html(case: _Case) -> Made:
    note = f"In {case.place} it is {case.other} euros."
    body = f"<p>Staff get {case.figure}<sup><a href='#n1'>1</a></sup> euros a day.</p>"
    body += "<p>More.</p>" * case.number
    body += f"<section class='footnotes'><ol><li id='n1'>{note}</li></ol></section>"
    return _html(body), (f"Staff get {case.figure}", note), (f"{case.figure}1",)


FILLER = "The hall has a stage, a bar and two hundred chairs that can be stacked by the wall. "


def _headed(case: _Case) -> tuple[str, str, str]:
    """A heading, the one below it, and paragraphs so long that no passage holds both ends."""
    said = f"The notice is {case.figure} days."
    return f"{case.place} terms", "Notice", f"{FILLER * 8}\n\n{FILLER * 8}\n\n{said}"


@_kind("headings", "html")
def _headed_html(case: _Case) -> Made:
    part, section, said = _headed(case)
    body = f"<h1>Handbook</h1><h2>Other</h2><p>Nothing.</p><h2>{part}</h2><h3>{section}</h3>"
    body += "".join(f"<p>{text}</p>" for text in said.split("\n\n"))
    return _html(body), (part, said.split("\n\n")[-1]), ()


@_kind("headings", "md")
def _headed_md(case: _Case) -> Made:
    part, section, said = _headed(case)
    text = f"# Handbook\n\n## Other\n\nNothing.\n\n## {part}\n\n### {section}\n\n{said}\n"
    return text.encode(), (part, said.split("\n\n")[-1]), ()


@_kind("headings", "docx")
def _headed_docx(case: _Case) -> Made:
    part, section, said = _headed(case)
    document = _docx()
    for text, level in (("Handbook", 0), ("Other", 1), (part, 1), (section, 2)):
        document.add_heading(text, level)
    for text in said.split("\n\n"):
        document.add_paragraph(text)
    return _saved(document), (part, said.split("\n\n")[-1]), ()


@_kind("headings", "pdf")
def _headed_pdf(case: _Case) -> Made:
    part, section, said = _headed(case)
    sheet = Sheet()
    sheet.heading("Handbook of the house")
    sheet.at(20, 50, part, size=15)
    sheet.at(20, 60, section, size=12.5)
    sheet.paragraph(said)
    return sheet.bytes(), (part, said.split("\n\n")[-1]), ()


# --- Markup ----------------------------------------------------------------------------------


def _warned(case: _Case) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is right of a table of prices, or of the warning above it by turns, and what stands in
    a comment."""
    priced = f"Thing | Price\n{case.thing} | £{case.figure}"
    waits = f"Wait {case.other} minutes"
    return (waits if case.number % 2 else priced,), (f"{case.figure}999",)


@_kind("markup", "rst")
def _markup_rst(case: _Case) -> Made:
    text = f"{case.place} rules\n=============\n\n.. warning::\n\n   Wait {case.other} minutes.\n\n"
    text += ".. list-table::\n   :header-rows: 1\n\n   * - Thing\n     - Price\n"
    text += f"   * - {case.thing}\n     - £{case.figure}\n\n.. {case.figure}999\n"
    return text.encode(), *_warned(case)


@_kind("markup", "adoc")
def _markup_adoc(case: _Case) -> Made:
    text = f"= {case.place} rules\n:wait: {case.other}\n\nWARNING: Wait {{wait}} minutes.\n\n"
    text += f"|===\n|Thing |Price\n\n|{case.thing}\n|£{case.figure}\n|===\n\n// {case.figure}999\n"
    return text.encode(), *_warned(case)


@_kind("markup", "tex")
def _markup_tex(case: _Case) -> Made:
    text = (
        f"\\newcommand{{\\wait}}{{{case.other}}}\n\\begin{{document}}\nWait \\wait{{}} minutes.\n"
    )
    text += "\\begin{tabular}{lr}\\toprule Thing & Price \\\\ \\midrule "
    text += f"{case.thing} & \\pounds {case.figure} \\\\ \\bottomrule\\end{{tabular}}\n"
    text += f"% {case.figure}999\n\\end{{document}}\n"
    return text.encode(), *_warned(case)


@_kind("markup", "xml")
def _markup_xml(case: _Case) -> Made:
    rows = [("Thing", "Price"), (case.thing, f"£{case.figure}")]
    head, row = ("".join(f"<entry>{one}</entry>" for one in cells) for cells in rows)
    text = (
        f"<article><title>{case.place}</title><note><para>Wait {case.other} minutes.</para></note>"
    )
    text += (
        f"<informaltable><tgroup cols='2'><thead><row>{head}</row></thead><tbody><row>{row}</row>"
    )
    text += f"</tbody></tgroup></informaltable><remark>{case.figure}999</remark></article>"
    return text.encode(), *_warned(case)


@_kind("markup", "md")
def _markup_md(case: _Case) -> Made:
    text = f"# {case.place}\n\n:::warning\nWait {case.other} minutes.\n:::\n\n"
    text += f"```{{csv-table}}\n:header: Thing, Price\n\n{case.thing}, £{case.figure}\n```\n\n"
    return f"{text}%% {case.figure}999 %%\n".encode(), *_warned(case)
