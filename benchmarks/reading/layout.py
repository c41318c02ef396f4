"""Makes documents whose layout is easy to read wrong: lists, tables, columns, forms, tabs."""

from benchmarks.reading.making import Case, Made, element, kind, page, saved, with_parts, word_file
from benchmarks.reading.pdf import Sheet

# --- Labels that stand once ------------------------------------------------------------------


@kind("labels-once", "pdf")
def _labels_pdf(case: Case) -> Made:
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


@kind("two-heads", "pdf")
def _two_heads(case: Case) -> Made:
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


@kind("boxes", "pdf")
def _boxes_pdf(case: Case) -> Made:
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


@kind("questions", "pdf")
def _questions_pdf(case: Case) -> Made:
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


def _numbered(case: Case) -> tuple[int, str, int]:
    """The start, the kind and the item that is asked for."""
    kinds = ["1", "a", "i", "A", "1"]
    return case.pick.randint(1, 6), kinds[case.number % 5], case.pick.randint(0, 4)


def _numeral(number: int, kind: str) -> str:
    if kind == "i":
        return ROMAN[number - 1]
    return str(number) if kind == "1" else chr(ord(kind) + number - 1)


@kind("list-numbers", "html")
def _list_html(case: Case) -> Made:
    start, kind, wanted = _numbered(case)
    items = [f"{step} at {case.place}." for step in STEPS]
    if case.number == 4:
        body = "<ol reversed>" + "".join(f"<li>{item}</li>" for item in items) + "</ol>"
        return page(body), (f"{5 - wanted}. {items[wanted]}",), (f"{wanted + 9}. ",)
    style = "" if case.number % 2 else " style='list-style-type:decimal'" if kind == "1" else ""
    body = f"<ol type='{kind}' start='{start}'{style}>"
    body += "".join(f"<li>{'<p>' * (case.number % 2)}{item}</li>" for item in items) + "</ol>"
    return page(body), (f"{_numeral(start + wanted, kind)}. {items[wanted]}",), ()


@kind("list-numbers", "md")
def _list_md(case: Case) -> Made:
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


@kind("list-numbers", "docx")
def _list_docx(case: Case) -> Made:
    start, _, wanted = _numbered(case)
    format, text = LEVELS[case.number % 4]
    document = word_file()
    for chapter in ("Entry", "Use"):
        for level, said in [(0, chapter), *((1, f"{s} at {case.place}.") for s in STEPS)]:
            paragraph = document.add_paragraph(said)
            number = element("w:numPr")
            number.append(element("w:ilvl", val=str(level)))
            number.append(element("w:numId", val="7"))
            paragraph._p.get_or_add_pPr().append(number)
    second = {"decimal": str(wanted + 1), "lowerLetter": chr(97 + wanted)}
    shown = second.get(format, ROMAN[wanted].upper())
    label = text.replace("%1", str(start + 1)).replace("%2", shown)
    made = NUMBERING.format(word=WORD, start=start, format=format, text=text).encode()
    data = with_parts(saved(document), lambda parts: parts.update({"word/numbering.xml": made}))
    return data, (f"{label} {STEPS[wanted]} at {case.place}.", f"{start + 1} Use"), ()


@kind("list-numbers", "pdf")
def _list_pdf(case: Case) -> Made:
    start, _, wanted = _numbered(case)
    sheet = Sheet()
    sheet.heading(f"Steps at {case.place}")
    for i, step in enumerate(STEPS):
        sheet.at(20, 50 + 7 * i, f"{start + i}.")
        sheet.at(27 if case.number % 2 else 33, 50 + 7 * i, f"{step} at {case.place}.")
    return sheet.bytes(), (f"{start + wanted}. {STEPS[wanted]} at {case.place}.",), ()


# --- Tables ----------------------------------------------------------------------------------


def _priced(case: Case) -> tuple[list[tuple[str, str, str]], str]:
    """Rows of zone, time and price, and the row that is asked for."""
    rows = [
        (zone, time, f"£{case.figure + 3 * i + j}")
        for i, zone in enumerate((f"{case.place} North", f"{case.place} South"))
        for j, time in enumerate(("One hour", "One day", "One week"))
    ]
    wanted = rows[case.pick.choice([1, 2, 4, 5])]
    return rows, " | ".join(wanted)


@kind("merged-cells", "html")
def _merged_html(case: Case) -> Made:
    rows, right = _priced(case)
    cells = []
    for i, (zone, time, price) in enumerate(rows):
        first = f"<td rowspan='3'>{zone}</td>" if i % 3 == 0 else ""
        if case.number % 2 and first:
            first = first.replace("td", "th")
        cells.append(f"<tr>{first}<td>{time}</td><td>{price}</td></tr>")
    head = "<tr><th>Zone</th><th>Time</th><th>Price</th></tr>"
    return page(f"<h1>Prices</h1><table>{head}{''.join(cells)}</table>"), (right, "Zone"), ()


@kind("merged-cells", "docx")
def _merged_docx(case: Case) -> Made:
    rows, right = _priced(case)
    document = word_file()
    table = document.add_table(rows=1 + len(rows), cols=3)
    for cell, text in zip(table.rows[0].cells, ("Zone", "Time", "Price"), strict=True):
        cell.text = text
    for i, (zone, time, price) in enumerate(rows, 1):
        cells = table.rows[i].cells
        cells[1].text, cells[2].text = time, price
        if i % 3 == 1:
            cells[0].merge(table.rows[i + 2].cells[0]).text = zone
    return saved(document), (right, "Zone"), ()


@kind("merged-cells", "pdf")
def _merged_pdf(case: Case) -> Made:
    rows, right = _priced(case)
    sheet = Sheet()
    sheet.heading("Prices")
    sheet.merged_table(("Zone", "Time", "Price"), rows, case.number)
    return sheet.bytes(), (right, "Zone"), ()


@kind("long-tables", "html")
def _long_html(case: Case) -> Made:
    rows = [(f"Stop {case.place} {i}", f"{i}.50 euros", f"{i + case.other}") for i in range(60)]
    body = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows)
    head = "<tr><th>Stop</th><th>Fare</th><th>Bus</th></tr>"
    wanted = rows[case.pick.randint(20, 59)]
    data = page(f"<table><thead>{head}</thead>{body}</table>")
    return data, (" | ".join(wanted), "Stop | Fare | Bus"), ()


@kind("long-tables", "docx")
def _long_docx(case: Case) -> Made:
    rows = [(f"Stop {case.place} {i}", f"{i}.50 euros", f"{i + case.other}") for i in range(40)]
    document = word_file()
    table = document.add_table(rows=0, cols=3)
    for row in [("Stop", "Fare", "Bus"), *rows]:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    table.rows[0]._tr.get_or_add_trPr().append(element("w:tblHeader"))
    wanted = rows[case.pick.randint(20, 39)]
    return saved(document), (" | ".join(wanted), "Stop | Fare | Bus"), ()


@kind("long-tables", "pdf")
def _long_pdf(case: Case) -> Made:
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


@kind("page-end", "pdf")
def _page_end(case: Case) -> Made:
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


@kind("columns", "pdf")
def _columns(case: Case) -> Made:
    texts = [LEFT.format(case.place), RIGHT.format(case.place, case.figure)]
    if case.number % 3 == 2:
        texts.append(THIRD.format(case.place))
    sheet = Sheet()
    sheet.heading("Village news")
    sheet.columns([f"{text}." for text in texts], case.number)
    return sheet.bytes(), (f"{texts[case.number % 2]}.",), ()


@kind("forms", "pdf")
def _form(case: Case) -> Made:
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


@kind("buttons", "html")
def _buttons(case: Case) -> Made:
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
            page(f"<nav><button>Menu</button></nav>{ways[case.number]}"),
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
    return page(body), (f"{label}\n\n{answer}",), ()
