"""Makes documents of several parts: notes, text boxes, headings, warnings and comments."""

from typing import Any

from benchmarks.reading.making import Case, Made, element, kind, page, saved, with_parts, word_file
from benchmarks.reading.pdf import Sheet

# --- Parts of Word documents -----------------------------------------------------------------


@kind("word-parts", "docx")
def _word_parts(case: Case) -> Made:
    way, said = case.number % 5, f"The rate at {case.place} is {case.figure} euros."
    document = word_file()
    paragraph = document.add_paragraph("Staff are paid monthly.")
    if way == 0:
        return _footnote(document, paragraph, said), (said, "Staff are paid monthly"), ()
    if way == 1:
        return _controlled(document, case)
    if way == 2:
        box = document.add_paragraph().add_run()._r
        holder = element("w:pict")
        content = element("w:txbxContent")
        content.append(document.add_paragraph(said)._p)
        holder.append(content)
        box.append(holder)
    elif way == 3:
        document.sections[0].header.paragraphs[0].text = said
    else:
        document.add_paragraph(said)
        return _strict(saved(document)), (said,), ()
    return saved(document), (said,), ()


NOTES = """<w:footnotes xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">
<w:footnote w:id="2"><w:p><w:r><w:footnoteRef/></w:r><w:r><w:t>{}</w:t></w:r></w:p></w:footnote>
</w:footnotes>"""
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
NOTE_RELATION = f'<Relationship Id="rIdN" Type="{OFFICE}/footnotes" Target="footnotes.xml"/>'


def _footnote(document: Any, paragraph: Any, said: str) -> bytes:
    paragraph.add_run()._r.append(element("w:footnoteReference", id="2"))

    def add(parts: dict[str, bytes]) -> None:
        listed = "word/_rels/document.xml.rels"
        parts["word/footnotes.xml"] = NOTES.format(said).encode()
        end = b"</Relationships>"
        parts[listed] = parts[listed].replace(end, NOTE_RELATION.encode() + end)

    return with_parts(saved(document), add)


def _controlled(document: Any, case: Case) -> Made:
    table = document.add_table(rows=2, cols=3)
    texts = [("Machine", "Owner", "Checked"), (f"Lathe {case.figure}", case.place, "3 May")]
    for row, said in zip(table.rows, texts, strict=True):
        for cell, text in zip(row.cells, said, strict=True):
            cell.text = text
    inside = table.rows[1]._tr if case.number > 4 else table.rows[1].cells[1]._tc
    parent = inside.getparent()
    control, content = element("w:sdt"), element("w:sdtContent")
    parent.replace(inside, control)
    content.append(inside)
    control.append(content)
    return saved(document), (" | ".join(texts[1]),), ()


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

    return with_parts(data, change)


# --- Notes, and headings ---------------------------------------------------------------------


@kind("notes", "md")
def _notes_md(case: Case) -> Made:
    note = f"In {case.place} it is {case.other} euros."
    text = f"# Pay\n\nStaff get {case.figure} euros[^a] a day.\n\nMore.\n\n[^a]: {note}\n"
    return text.encode(), (f"Staff get {case.figure}", note), (f"{case.figure}1",)


@kind("notes", "html")
def _notes_html(case: Case) -> Made:
    note = f"In {case.place} it is {case.other} euros."
    body = f"<p>Staff get {case.figure}<sup><a href='#n1'>1</a></sup> euros a day.</p>"
    body += "<p>More.</p>" * case.number
    body += f"<section class='footnotes'><ol><li id='n1'>{note}</li></ol></section>"
    return page(body), (f"Staff get {case.figure}", note), (f"{case.figure}1",)


FILLER = "The hall has a stage, a bar and two hundred chairs that can be stacked by the wall. "


def _headed(case: Case) -> tuple[str, str, str]:
    """A heading, the one below it, and paragraphs so long that no passage holds both ends."""
    said = f"The notice is {case.figure} days."
    return f"{case.place} terms", "Notice", f"{FILLER * 8}\n\n{FILLER * 8}\n\n{said}"


@kind("headings", "html")
def _headed_html(case: Case) -> Made:
    part, section, said = _headed(case)
    body = f"<h1>Handbook</h1><h2>Other</h2><p>Nothing.</p><h2>{part}</h2><h3>{section}</h3>"
    body += "".join(f"<p>{text}</p>" for text in said.split("\n\n"))
    return page(body), (part, said.split("\n\n")[-1]), ()


@kind("headings", "md")
def _headed_md(case: Case) -> Made:
    part, section, said = _headed(case)
    text = f"# Handbook\n\n## Other\n\nNothing.\n\n## {part}\n\n### {section}\n\n{said}\n"
    return text.encode(), (part, said.split("\n\n")[-1]), ()


@kind("headings", "docx")
def _headed_docx(case: Case) -> Made:
    part, section, said = _headed(case)
    document = word_file()
    for text, level in (("Handbook", 0), ("Other", 1), (part, 1), (section, 2)):
        document.add_heading(text, level)
    for text in said.split("\n\n"):
        document.add_paragraph(text)
    return saved(document), (part, said.split("\n\n")[-1]), ()


@kind("headings", "pdf")
def _headed_pdf(case: Case) -> Made:
    part, section, said = _headed(case)
    sheet = Sheet()
    sheet.heading("Handbook of the house")
    sheet.at(20, 50, part, size=15)
    sheet.at(20, 60, section, size=12.5)
    sheet.paragraph(said)
    return sheet.bytes(), (part, said.split("\n\n")[-1]), ()


# --- Markup ----------------------------------------------------------------------------------


def _warned(case: Case) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is right of a table of prices, or of the warning above it by turns, and what stands in
    a comment."""
    priced = f"Thing | Price\n{case.thing} | £{case.figure}"
    waits = f"Wait {case.other} minutes"
    return (waits if case.number % 2 else priced,), (f"{case.figure}999",)


@kind("markup", "rst")
def _markup_rst(case: Case) -> Made:
    text = f"{case.place} rules\n=============\n\n.. warning::\n\n   Wait {case.other} minutes.\n\n"
    text += ".. list-table::\n   :header-rows: 1\n\n   * - Thing\n     - Price\n"
    text += f"   * - {case.thing}\n     - £{case.figure}\n\n.. {case.figure}999\n"
    return text.encode(), *_warned(case)


@kind("markup", "adoc")
def _markup_adoc(case: Case) -> Made:
    text = f"= {case.place} rules\n:wait: {case.other}\n\nWARNING: Wait {{wait}} minutes.\n\n"
    text += f"|===\n|Thing |Price\n\n|{case.thing}\n|£{case.figure}\n|===\n\n// {case.figure}999\n"
    return text.encode(), *_warned(case)


@kind("markup", "tex")
def _markup_tex(case: Case) -> Made:
    text = (
        f"\\newcommand{{\\wait}}{{{case.other}}}\n\\begin{{document}}\nWait \\wait{{}} minutes.\n"
    )
    text += "\\begin{tabular}{lr}\\toprule Thing & Price \\\\ \\midrule "
    text += f"{case.thing} & \\pounds {case.figure} \\\\ \\bottomrule\\end{{tabular}}\n"
    text += f"% {case.figure}999\n\\end{{document}}\n"
    return text.encode(), *_warned(case)


@kind("markup", "xml")
def _markup_xml(case: Case) -> Made:
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


@kind("markup", "md")
def _markup_md(case: Case) -> Made:
    text = f"# {case.place}\n\n:::warning\nWait {case.other} minutes.\n:::\n\n"
    text += f"```{{csv-table}}\n:header: Thing, Price\n\n{case.thing}, £{case.figure}\n```\n\n"
    return f"{text}%% {case.figure}999 %%\n".encode(), *_warned(case)
