"""Draws the PDF pages of the made corpus: marks, columns, tables, forms, and text nobody sees."""

import io
import re

Row = tuple[str, str, str]


class Sheet:
    """A small PDF; places are millimetres from the left and the top, sizes points."""

    def __init__(self, footer: int = 0, header: bool = False) -> None:
        from fpdf import FPDF

        self._pdf = FPDF()
        self._pdf.set_auto_page_break(False)
        self._footer, self._header = footer, header
        self._fields: list[tuple[str, float, float, str, int]] = []
        self._y = 60.0
        self.next_page()

    def next_page(self) -> None:
        """A new page with its running head and foot."""
        self._pdf.add_page()
        number = self._pdf.page_no()
        if self._header:
            self.at(20, 12, "The house and its rules", size=9)
        feet = ["", f"Handbook page {number}", f"{number}", f"The house - {number} of 2"]
        if self._footer:
            self.at(90, 285, feet[self._footer], size=9)

    def at(self, x: float, y: float, text: str, size: float = 11.0) -> float:
        """Text on a base line; returns where it ends."""
        self._pdf.set_font("helvetica", size=size)
        self._pdf.text(x, y, text)
        return x + float(self._pdf.get_string_width(text))

    def heading(self, text: str) -> None:
        """The title of the page, in large print."""
        self.at(20, 35, text, size=20)

    def paragraph(self, text: str) -> None:
        """Wrapped text below what stands there already."""
        self._pdf.set_font("helvetica", size=11)
        self._pdf.set_xy(19, 66)
        self._pdf.multi_cell(150, 6, text)

    def rise(self, x: float, y: float, mark: str) -> float:
        """A mark raised as a text processor raises it."""
        self._pdf.set_font("helvetica", size=11)
        self._pdf.set_xy(x, y - 3.9)
        self._pdf.set_char_spacing(0)
        self._pdf.char_vpos = "SUP"
        self._pdf.write(5.5, mark)
        end = float(self._pdf.get_x())
        self._pdf.char_vpos = "LINE"
        return end - 1.0

    def strike(self, x: float, y: float, text: str, way: int) -> float:
        """Struck text: by a line, a thin box, or the font's own strike."""
        end = self.at(x, y, text)
        middle = y - 1.25
        if way % 3 == 0:
            self._pdf.line(x, middle, end, middle)
        elif way % 3 == 1:
            self._pdf.set_fill_color(0)
            self._pdf.rect(x, middle, end - x, 0.25, style="F")
        else:
            self._pdf.set_line_width(0.3)
            self._pdf.line(x - 0.3, middle, end + 0.3, middle)
        return end

    def hide(self, text: str, way: int) -> None:
        """Text that nobody sees, in one of ten ways."""
        pdf = self._pdf
        if way == 0:
            pdf.set_text_color(255)
            self.at(20, 70, text)
        elif way == 1:
            self.at(20, 70, text, size=0.5)
        elif way == 2:
            self.at(20, 400, text)
        elif way == 3:
            self.at(-300, 70, text)
        elif way == 4:
            self.at(20, 70, text)
            pdf.set_fill_color(255)
            pdf.rect(15, 60, 180, 20, style="F")
        elif way == 5:
            with pdf.local_context(fill_opacity=0.0):
                self.at(20, 70, text)
        elif way == 6:
            with pdf.local_context(text_mode="INVISIBLE"):
                self.at(20, 70, text)
        elif way == 7:
            with pdf.rect_clip(x=150, y=150, w=10, h=10):
                self.at(20, 70, text)
        elif way == 8:
            pdf.set_fill_color(20, 40, 90)
            pdf.rect(15, 60, 180, 20, style="F")
            pdf.set_text_color(20, 40, 92)
            self.at(20, 70, text)
        else:
            pdf.set_text_color(252)
            self.at(20, 70, text)
        pdf.set_text_color(0)

    def merged_table(self, head: Row, rows: list[Row], way: int) -> None:
        """Rows whose first cell spans three of them, with ruled lines."""
        pdf, widths, height, top = self._pdf, (50, 40, 30), 8, 50.0
        pdf.set_font("helvetica", size=11)
        pdf.set_xy(20, top)
        for text, width in zip(head, widths, strict=True):
            pdf.cell(width, height, text, border=1)
        for i, (zone, time, price) in enumerate(rows):
            y = top + height * (i + 1)
            if i % 3 == 0:
                pdf.rect(20, y, widths[0], 3 * height)
                pdf.text(22, y + (5.5 if way % 2 else 1.5 * height + 1.4), zone)
            pdf.set_xy(20 + widths[0], y)
            pdf.cell(widths[1], height, time, border=1)
            pdf.cell(widths[2], height, price, border=1)

    def plain_table(self, rows: list[Row]) -> None:
        """A table without lines that goes on over the end of a page."""
        y = 50.0
        for row in rows:
            if y > 270:
                self.next_page()
                y = 25.0
            for x, text in zip((20, 90, 140), row, strict=True):
                self.at(x, y, text)
            y += 6.5

    def columns(self, texts: list[str], way: int) -> None:
        """Columns of prose, drawn row by row, one after the other, or not level."""
        count = len(texts)
        width = 170 / count - 8
        self._pdf.set_font("helvetica", size=10)
        wrapped = [self._wrapped(text, width) for text in texts]
        places = [
            (20 + column * (width + 8), 50 + 5 * row + (1.2 * column if way % 2 else 0), line)
            for column, lines in enumerate(wrapped)
            for row, line in enumerate(lines)
        ]
        if way % 4 != 3:
            places.sort(key=lambda place: (round(place[1] / 5), place[0]))
        for x, y, line in places:
            self.at(x, y, line, size=10)

    def _wrapped(self, text: str, width: float) -> list[str]:
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if float(self._pdf.get_string_width(longer)) > width:
                lines.append(word)
            else:
                lines[-1] = longer
        return lines

    def field(self, name: str, x: float, y: float, value: str, way: int) -> None:
        """A filled text field; its value is drawn by the viewer."""
        self._fields.append((name, x, y, value, way))

    def bytes(self) -> bytes:
        """The finished file."""
        data = bytes(self._pdf.output())
        return _with_fields(data, self._fields) if self._fields else data


def _with_fields(data: bytes, fields: list[tuple[str, float, float, str, int]]) -> bytes:
    """The file with form fields on its first page, added as a change at its end."""
    point = 72 / 25.4
    page = re.search(rb"(\d+) 0 obj\s*<<(?:(?!endobj).)*?/Type /Page\b(?!s).*?endobj", data, re.S)
    catalog = re.search(rb"(\d+) 0 obj\s*<<(?:(?!endobj).)*?/Type /Catalog.*?endobj", data, re.S)
    assert page and catalog
    first = max(int(n) for n in re.findall(rb"(\d+) 0 obj", data)) + 1
    references = " ".join(f"{first + i} 0 R" for i in range(len(fields)))
    added: dict[int, bytes] = {}
    for i, (name, x, y, value, way) in enumerate(fields):
        bottom = 842 - y * point - 4
        kind = f"/FT /Tx /V ({value})" if way % 2 == 0 else f"/FT /Ch /Ff 131072 /V ({value}) "
        options = "" if way % 2 == 0 else f"/Opt [(Other) ({value})]"
        box = f"[{x * point:.1f} {bottom:.1f} {x * point + 150:.1f} {bottom + 16:.1f}]"
        added[first + i] = (
            f"<< /Type /Annot /Subtype /Widget {kind} {options} /T ({name}) /F 4 /Rect {box} "
            f"/DA (/Helv 11 Tf 0 g) >>"
        ).encode("latin-1")
    added[int(page[1])] = _changed(page[0], f" /Annots [{references}] >>")
    form = f" /AcroForm << /Fields [{references}] /NeedAppearances true >> >>"
    added[int(catalog[1])] = _changed(catalog[0], form)
    return _appended(data, added)


def _changed(object: bytes, ending: str) -> bytes:
    body = object[object.index(b"<<") : object.rindex(b">>")]
    return body + ending.encode("latin-1")


def _appended(data: bytes, added: dict[int, bytes]) -> bytes:
    out = io.BytesIO()
    out.write(data + b"\n")
    places = {}
    for number, body in added.items():
        places[number] = out.tell()
        out.write(b"%d 0 obj\n" % number + body + b"\nendobj\n")
    start = out.tell()
    out.write(b"xref\n")
    for number, place in sorted(places.items()):
        out.write(b"%d 1\n%010d 00000 n \n" % (number, place))
    root = re.search(rb"/Root (\d+ 0 R)", data)
    last = re.findall(rb"startxref\s+(\d+)", data)[-1]
    assert root
    size = max(places) + 1
    out.write(b"trailer\n<< /Size %d /Root %s /Prev %s >>\n" % (size, root[1], last))
    out.write(b"startxref\n%d\n%%%%EOF\n" % start)
    return out.getvalue()
