"""Makes documents whose words are easy to read wrong: raised, struck, hidden, encoded, cut."""

import io
import zipfile
from typing import Any

from benchmarks.reading.making import Case, Made, element, kind, page, saved, word_file
from benchmarks.reading.pdf import Sheet

# --- Raised marks ----------------------------------------------------------------------------


def _marked(case: Case) -> tuple[str, str, str, str]:
    """A sentence in four parts around a number and its mark, and what would be wrong."""
    if case.number % 2:
        return f"The tank at {case.place} holds ", "10", str(case.number), " litres of water."
    return f"The {case.thing} at {case.place} costs £", str(case.figure), "1", " a month."


def _mark_labels(case: Case) -> tuple[tuple[str, ...], tuple[str, ...]]:
    _, base, mark, _ = _marked(case)
    right = f"{base}^{mark}" if base == "10" and mark != "1" else base
    return (right,), (base + mark,)


@kind("raised-marks", "html")
def _raised_html(case: Case) -> Made:
    before, base, mark, after = _marked(case)
    ways = [f"<sup>{mark}</sup>", f"<sup><a href='#n'>{mark}</a></sup>", f"&sup{mark};"]
    way = ways[case.number % 3] if int(mark) < 4 else ways[case.number % 2]
    return page(f"<h1>Rules</h1><p>{before}{base}{way}{after}</p>"), *_mark_labels(case)


@kind("raised-marks", "md")
def _raised_md(case: Case) -> Made:
    before, base, mark, after = _marked(case)
    way = f"<sup>{mark}</sup>" if case.number % 3 else "⁰¹²³⁴⁵⁶⁷⁸⁹"[int(mark)]
    return f"# Rules\n\n{before}{base}{way}{after}\n".encode(), *_mark_labels(case)


@kind("raised-marks", "docx")
def _raised_docx(case: Case) -> Made:
    before, base, mark, after = _marked(case)
    document = word_file()
    paragraph = document.add_paragraph(before + base)
    run = paragraph.add_run(mark)
    if case.number % 3:
        run.font.superscript = True
    else:
        run._r.get_or_add_rPr().append(element("w:position", val="10"))
    paragraph.add_run(after)
    return saved(document), *_mark_labels(case)


@kind("raised-marks", "pdf")
def _raised_pdf(case: Case) -> Made:
    before, base, mark, after = _marked(case)
    sheet = Sheet()
    sheet.heading(f"Rules of {case.place}")
    x = sheet.at(20, 50, before + base)
    x = sheet.at(x, 50 - 1.6, mark, size=6.5) if case.number % 3 else sheet.rise(x, 50, mark)
    sheet.at(x, 50, after)
    return sheet.bytes(), *_mark_labels(case)


@kind("raised-marks", "rtf")
def _raised_rtf(case: Case) -> Made:
    before, base, mark, after = _marked(case)
    way = f"{{\\super {mark}}}" if case.number % 3 else f"{{\\fs16\\super\\f0 {mark}}}"
    said = f"{before}{base}{way}{after}".replace("£", "\\'a3")
    return f"{{\\rtf1\\ansi {said}\\par}}".encode(), *_mark_labels(case)


OPEN = "urn:oasis:names:tc:opendocument:xmlns"


@kind("raised-marks", "odt")
def _raised_odt(case: Case) -> Made:
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


# --- Abbreviations ---------------------------------------------------------------------------

SHORT = ["approx. {} euros", "max. {} euros", "min. {} euros", "para. {} of the rules"]
SHORT += ["Nr. {} der Liste", "vol. {} of the series", "ca. {} minutes", "ext. {} at the desk"]
SHORT += ["Prof. Adams, who is {}", "z. B. Bahn {}"]


def _abbreviated(case: Case) -> tuple[str, tuple[str, ...]]:
    said = SHORT[case.number].format(case.figure)
    sentence = f"The {case.thing} at {case.place} means {said}."
    return f"It is open. {sentence} All is well.", (f"The {case.thing}", said)


@kind("abbreviations", "txt")
def _short_txt(case: Case) -> Made:
    text, right = _abbreviated(case)
    return f"Rules\n\n{text}\n".encode(), right, ()


@kind("abbreviations", "html")
def _short_html(case: Case) -> Made:
    text, right = _abbreviated(case)
    return page(f"<h1>Rules</h1><p>{text}</p>"), right, ()


@kind("abbreviations", "md")
def _short_md(case: Case) -> Made:
    text, right = _abbreviated(case)
    return f"# Rules\n\n{text}\n".encode(), right, ()


@kind("abbreviations", "docx")
def _short_docx(case: Case) -> Made:
    text, right = _abbreviated(case)
    document = word_file()
    document.add_paragraph(text)
    return saved(document), right, ()


@kind("abbreviations", "pdf")
def _short_pdf(case: Case) -> Made:
    text, right = _abbreviated(case)
    sheet = Sheet()
    sheet.heading("Rules")
    sheet.paragraph(text)
    return sheet.bytes(), right, ()


# --- What nobody sees ------------------------------------------------------------------------


def _seen(case: Case) -> tuple[str, str]:
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


@kind("hidden", "html")
def _hidden_html(case: Case) -> Made:
    shown, hidden = _seen(case)
    return (
        page(f"<p>{shown}</p>" + UNSEEN_HTML[case.number].format(hidden), SHEET),
        (shown,),
        (hidden,),
    )


@kind("hidden", "md")
def _hidden_md(case: Case) -> Made:
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
        run._r.get_or_add_rPr().append(element("w:shd", val="clear", fill="224466"))
        run.font.color.rgb = RGBColor(0x22, 0x44, 0x66)


@kind("hidden", "docx")
def _hidden_docx(case: Case) -> Made:
    from docx.enum.style import WD_STYLE_TYPE

    shown, hidden = _seen(case)
    document = word_file()
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
    return saved(document), (shown,), (hidden,)


def _style_white(style: Any) -> None:
    from docx.shared import RGBColor

    style.font.color.rgb = RGBColor(0xFF, 0xFF, 0xFF)


@kind("hidden", "pdf")
def _hidden_pdf(case: Case) -> Made:
    shown, hidden = _seen(case)
    sheet = Sheet()
    sheet.heading(f"Rules of {case.place}")
    sheet.at(20, 50, shown)
    sheet.hide(hidden, case.number)
    return sheet.bytes(), (shown,), (hidden,)


# --- Struck text -----------------------------------------------------------------------------


def _struck(case: Case) -> tuple[str, str, str, str]:
    return f"The fee at {case.place} is ", f"£{case.other}", f"£{case.figure}", " a year."


def _struck_labels(case: Case) -> tuple[tuple[str, ...], tuple[str, ...]]:
    _, old, new, after = _struck(case)
    return (f"{new}{after}",), (old,)


@kind("struck", "html")
def _struck_html(case: Case) -> Made:
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
    return page(body, head), *_struck_labels(case)


@kind("struck", "md")
def _struck_md(case: Case) -> Made:
    before, old, new, after = _struck(case)
    way = ["~~{}~~", "<del>{}</del>"][case.number % 2]
    return f"# Fees\n\n{before}{way.format(old)} {new}{after}\n".encode(), *_struck_labels(case)


@kind("struck", "docx")
def _struck_docx(case: Case) -> Made:
    before, old, new, after = _struck(case)
    document = word_file()
    paragraph = document.add_paragraph(before)
    run = paragraph.add_run(f"{old} ")
    if case.number % 3 == 0:
        run.font.strike = True
    elif case.number % 3 == 1:
        run.font.double_strike = True
    else:
        deleted = element("w:del", id="1", author="A")
        deleted.append(run._r)
        paragraph._p.append(deleted)
    paragraph.add_run(new + after)
    return saved(document), *_struck_labels(case)


@kind("struck", "pdf")
def _struck_pdf(case: Case) -> Made:
    before, old, new, after = _struck(case)
    sheet = Sheet()
    sheet.heading(f"Fees of {case.place}")
    x = sheet.at(20, 50, before)
    x = sheet.strike(x, 50, old, case.number)
    sheet.at(x + 1.5, 50, new + after)
    return sheet.bytes(), *_struck_labels(case)


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


@kind("encodings", "txt")
def _legacy_txt(case: Case) -> Made:
    encoding, text = LEGACY[case.number]
    said = text.format(case.figure)
    return f"{said}\n".encode(encoding), (said,), ("Ã", "\ufffd")


@kind("encodings", "md")
def _legacy_md(case: Case) -> Made:
    encoding, text = LEGACY[case.number]
    said = text.format(case.figure)
    return f"# {case.place}\n\n{said}\n".encode(encoding), (said,), ("Ã", "\ufffd")


@kind("encodings", "html")
def _legacy_html(case: Case) -> Made:
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


def _invisible(case: Case) -> tuple[str, tuple[str, ...]]:
    written, read = (text.format(case.figure) for text in INVISIBLE[case.number])
    return f"At {case.place}: {written}.", (f"At {case.place}: {read}.",)


@kind("invisible", "txt")
def _invisible_txt(case: Case) -> Made:
    text, right = _invisible(case)
    return text.encode(), right, ()


@kind("invisible", "html")
def _invisible_html(case: Case) -> Made:
    text, right = _invisible(case)
    return page(f"<p>{text}</p>", "<meta charset=utf-8>"), right, ()


@kind("invisible", "docx")
def _invisible_docx(case: Case) -> Made:
    text, right = _invisible(case)
    document = word_file()
    document.add_paragraph(text)
    return saved(document), right, ()
