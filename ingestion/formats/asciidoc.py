"""AsciiDoc, through HTML: sections, lists, tables, boxes and attributes; nothing is included."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from ingestion.formats.charset import decode
from ingestion.formats.document import Read
from ingestion.formats.html import page
from ingestion.formats.limits import MAX_TEXT_CHARACTERS
from ingestion.formats.markup import (
    ALERTS,
    MAX_DEPTH,
    box,
    comma_separated,
    element,
    heading,
    preformatted,
    table,
)
from ingestion.formats.text import LINE_BREAK

TITLE = re.compile(r"(={1,6}|#{1,6})\s+(\S.*)$")
ATTRIBUTE = re.compile(r":(!?[\w-]+!?):(?:\s+(.*))?$")
USED = re.compile(r"\{([\w-]{1,60})\}")
LISTED = re.compile(r"\s*(\*{1,5}|-|\.{1,5}|\d{1,4}\.|<\d+>|<\.>)\s+(\S.*)$")
TERM = re.compile(r"\s*(\S.{0,200}?)(:{2,4}|;;)(?:\s+(.*))?$")
STYLE = re.compile(r"\[([^\[\]]*)\]\s*$")
ANCHOR_LINE = re.compile(r"\[\[[^\[\]]*\]\]\s*$")
CAPTION = re.compile(r"\.([^\s.].*)$")
ALERT = re.compile(r"([A-Z]{3,9}):\s+(.*)$")
FENCE = re.compile(
    r"(-{4,}|={4,}|\.{4,}|\*{4,}|_{4,}|\+{4,}|/{4,}|--|```+|\|===+|,===+|:===+|!===+)\s*\w*$"
)
CONDITION = re.compile(r"(ifn?def|ifeval)::([^\[]*)\[(.*)\]\s*$")
MACRO = re.compile(r"(?:include|image|video|audio|toc|icon)::[^\[]*\[([^\]]*)\]\s*$")
SPECIFIED = re.compile(r"(?:(\d+)?(?:\.(\d+))?\+|(\d+)\*)?[<^>.]{0,4}([adehlmsv])?$")
"""Before the bar of a cell: what it spans, how often it stands there, and how it is written."""
MOST_REPEATS = 100
AUTHOR = re.compile(r"[^:{}\[\]|=*.]{1,80}(?:<[^<>]+>)?$|v?\d[\w.,: -]*$")


def read(data: bytes) -> Read:
    """The text as a reader of the rendered document sees it; its title is that of level 0."""
    source = LINE_BREAK.sub("\n", decode(data, MAX_TEXT_CHARACTERS))
    reader = _Reader()
    return page(reader.document([line.rstrip() for line in source.split("\n")]))


@dataclass
class _About:
    """What stands above a block: its caption, and its style with attributes."""

    caption: str = ""
    style: str = ""

    @property
    def kind(self) -> str:
        return re.split(r"[,%.#]", self.style, maxsplit=1)[0].strip().lower()

    @property
    def has_header(self) -> bool:
        return "%header" in self.style or bool(re.search(r"options=\"?[^\"]*header", self.style))

    @property
    def columns(self) -> int:
        found = re.search(r"cols=\"?([^\"\]]*)\"?", self.style)
        parts = re.split("[,;]", found[1]) if found else []
        counts = [re.match(r"\s*(\d+)\*", part) for part in parts]
        return sum(min(int(one[1]), 40) if one else 1 for one in counts)


@dataclass
class _Reader:
    """Lines to HTML."""

    _attributes: dict[str, str] = field(default_factory=dict)
    _depth: int = 0

    def document(self, lines: list[str]) -> str:
        """The whole: the lines below the title that name authors and the version are left out."""
        at = next((n for n, line in enumerate(lines) if line.startswith("= ")), None)
        if at is not None and not any(
            line.strip(" /") and line[0] != ":"
            for line in lines[:at]
            if line and not line.startswith("//")
        ):
            end = at + 1
            while end < len(lines) and lines[end] and end < at + 3 and AUTHOR.fullmatch(lines[end]):
                end += 1
            del lines[at + 1 : end]
        return self.blocks(lines)

    def blocks(self, lines: Sequence[str]) -> str:
        """The lines as HTML."""
        if self._depth >= MAX_DEPTH:
            return element("p", escape("\n".join(lines)))
        self._depth += 1
        made, at, about = list[str](), 0, _About()
        while at < len(lines):
            line = lines[at]
            if ANCHOR_LINE.match(line):
                at += 1
            elif STYLE.match(line):
                about.style = f"{about.style},{line[1:-1]}".lstrip(",")
                at += 1
            elif (found := CAPTION.match(line)) and not LISTED.match(line):
                about.caption = self.inline(found[1])
                at += 1
            else:
                html, at = self._block(lines, at, about)
                made.append(html)
                about = _About() if line.strip() else about
        self._depth -= 1
        return "\n".join(made)

    def _block(self, lines: Sequence[str], at: int, about: _About) -> tuple[str, int]:
        """The block that begins here, and the line after it."""
        line = lines[at]
        if not line.strip() or line in ("'''", "<<<", "+"):
            return "", at + 1
        if found := TITLE.match(line):
            return heading(len(found[1]), self.inline(found[2])), at + 1
        if found := ATTRIBUTE.match(line):
            self._attributes[found[1]] = found[2] or ""
            return "", at + 1
        if found := CONDITION.match(line):
            return self._conditional(lines, at, found)
        if line.startswith("endif::") or (line.startswith("//") and not line.startswith("////")):
            return "", at + 1
        if found := MACRO.match(line):
            said = found[1].split(",")[0].strip('"') if line.startswith("image") else ""
            return element("p", self.inline(said)) if said else "", at + 1
        if FENCE.match(line):
            return self._fenced(lines, at, about)
        if LISTED.match(line) or TERM.match(line):
            return self._list(lines, at, about)
        return self._paragraph(lines, at, about)

    def _conditional(self, lines: Sequence[str], at: int, found: re.Match[str]) -> tuple[str, int]:
        """What depends on an attribute, where it holds; an expression never does."""
        names = re.split("[,+]", found[2])
        is_set = any(name in self._attributes for name in names)
        holds = found[1] != "ifeval" and is_set == (found[1] == "ifdef")
        if found[3] and found[1] != "ifeval":
            return (self.blocks([found[3]]) if holds else ""), at + 1
        if holds:
            return "", at + 1
        depth, end = 0, at
        while end < len(lines):
            depth += bool(CONDITION.match(lines[end])) - lines[end].startswith("endif::")
            end += 1
            if depth == 0:
                break
        return "", end

    def _fenced(self, lines: Sequence[str], at: int, about: _About) -> tuple[str, int]:
        fence = lines[at].split(",")[0] if lines[at].startswith("```") else lines[at]
        mark = "```" if fence.startswith("```") else fence
        end = next((n for n in range(at + 1, len(lines)) if lines[n] == mark), len(lines))
        inside = lines[at + 1 : end]
        return self._of_kind(mark, inside, about), end + 1

    def _of_kind(self, mark: str, inside: Sequence[str], about: _About) -> str:
        if mark.endswith("===") and mark[0] in "|!,:":
            return self._table(inside, about, mark[0])
        if mark[0] == "/" or about.kind in ("comment", "stem", "latexmath"):
            return ""
        if mark[0] in "-.`" and mark != "--":
            language = (
                about.style.split(",")[1] if about.kind == "source" and "," in about.style else ""
            )
            title = element("p", about.caption) if about.caption else ""
            return title + preformatted("\n".join(inside), language or ("text" * (mark[0] == "`")))
        if mark[0] == "+":
            return "\n".join(inside)
        return self._boxed(self.blocks(inside), about)

    def _boxed(self, inside: str, about: _About) -> str:
        alert = about.kind if about.kind in ALERTS else ""
        title = about.caption or escape(alert.capitalize())
        return box(title, inside)

    def _paragraph(self, lines: Sequence[str], at: int, about: _About) -> tuple[str, int]:
        end = at + 1
        while end < len(lines) and lines[end].strip() and not self._begins(lines[end]):
            end += 1
        run = lines[at:end]
        if about.kind in ("comment", "stem"):
            return "", end
        if about.kind in ("source", "listing", "literal") or run[0][0] == " ":
            return preformatted("\n".join(run)), end
        if (found := ALERT.match(run[0])) and found[1].lower() in ALERTS:
            text = self.inline(" ".join([found[2], *run[1:]]))
            return box(found[1].capitalize(), element("p", text)), end
        breaks = "%hardbreaks" in about.style
        text = ("<br>" if breaks else " ").join(self._lines(run))
        return self._boxed(element("p", text), about), end

    def _lines(self, run: Sequence[str]) -> list[str]:
        """The lines of a paragraph; one that ends with a plus is one of its own."""
        kept = [line for line in run if not line.startswith("//")]
        whole = self.inline("\n".join(kept)).split("\n")
        return [f"{line[:-2]}<br>" if line.endswith(" +") else line for line in whole]

    def _begins(self, line: str) -> bool:
        """Whether a line begins another block, though no blank line stands before it."""
        fenced = (
            FENCE.match(line)
            or STYLE.match(line)
            or ANCHOR_LINE.match(line)
            or CONDITION.match(line)
        )
        return bool(fenced) or line == "+" or line.startswith("endif::")

    def _list(self, lines: Sequence[str], at: int, about: _About) -> tuple[str, int]:
        """Items in items, as nested lists; what a plus joins to an item stands in it."""
        asks = about.kind == "qanda"
        items: list[tuple[str, str, str]] = []
        while at < len(lines):
            line = lines[at]
            listed, term = LISTED.match(line), TERM.match(line)
            if not listed and not term:
                break
            mark, text, name = "", "", ""
            if listed:
                mark, text = _mark(listed[1]), listed[2]
            elif term:
                mark, text, name = term[2], term[3] or "", term[1]
            inside, at = self._of_item(lines, at + 1, is_term=bool(name))
            html = self.blocks([text, *inside])
            items.append((mark, self.inline(name), html))
            at = self._next_item(lines, at)
        return _nested(items, asks), at

    def _of_item(self, lines: Sequence[str], at: int, *, is_term: bool) -> tuple[list[str], int]:
        inside: list[str] = []
        if is_term and at + 1 < len(lines) and not lines[at] and lines[at + 1][:1] == " ":
            at += 1
        while at < len(lines) and lines[at].strip():
            line = lines[at]
            if line == "+":
                block, at = self._joined(lines, at + 1)
                inside += ["", *block, ""]
            elif LISTED.match(line) or TERM.match(line) or self._begins(line):
                break
            else:
                inside.append(line.strip())
                at += 1
        return inside, at

    def _joined(self, lines: Sequence[str], at: int) -> tuple[list[str], int]:
        """The lines of the block that a plus joins to an item."""
        start = at
        while at < len(lines) and (STYLE.match(lines[at]) or CAPTION.match(lines[at])):
            at += 1
        if at < len(lines) and FENCE.match(lines[at]):
            end = next((n for n in range(at + 1, len(lines)) if lines[n] == lines[at]), len(lines))
            return list(lines[start : end + 1]), end + 1
        end = at
        while end < len(lines) and lines[end].strip() and lines[end] != "+":
            end += 1
        return list(lines[start:end]), end

    def _next_item(self, lines: Sequence[str], at: int) -> int:
        """Where the list goes on after blank lines; here where it does not."""
        place = at
        while place < len(lines) and not lines[place].strip():
            place += 1
        goes_on = place < len(lines) and (LISTED.match(lines[place]) or TERM.match(lines[place]))
        return place if goes_on else at

    def _table(self, lines: Sequence[str], about: _About, mark: str) -> str:
        named = re.search(r"format=\"?(\w+)", about.style)
        if mark in ",:" or (named and named[1] in ("csv", "tsv", "dsv")):
            kind = named[1] if named else ""
            delimiter = "\t" if kind == "tsv" else ":" if mark == ":" or kind == "dsv" else ","
            rows = comma_separated([line for line in lines if line], delimiter)
            told = [[self.inline(cell) for cell in row] for row in rows]
            return table(told, int(about.has_header), caption=about.caption)
        return self._barred(lines, about, mark)

    def _barred(self, lines: Sequence[str], about: _About, mark: str) -> str:
        """Cells that begin with a bar: as many in a row as columns are told, else as stand on the
        first line."""
        first = next((n for n, line in enumerate(lines) if line.strip()), 0)
        cells: list[tuple[int, int, str]] = []
        of_first = 0
        for at, line in enumerate(lines):
            parts = re.split(rf"(?<!\\){re.escape(mark)}", line)
            if cells and parts[0].strip() and len(parts) == 1:
                cells[-1] = (*cells[-1][:2], f"{cells[-1][2]}\n{parts[0]}")
                continue
            cells += _cells_of(parts)
            of_first = len(cells) if at == first else of_first
        columns = about.columns or of_first or 1
        implied = first + 1 < len(lines) and not lines[first + 1] and first == 0 and of_first > 1
        is_head = about.has_header or (implied and of_first >= columns)
        return self._spanned(cells, columns, is_head, about.caption)

    def _spanned(
        self, cells: Sequence[tuple[int, int, str]], columns: int, is_head: bool, caption: str
    ) -> str:
        rows, below = list[str](), [0] * columns
        at = 0
        while at < len(cells):
            row, width = "", sum(1 for left in below if left > 0)
            below = [max(0, left - 1) for left in below]
            tag = "th" if is_head and not rows else "td"
            while at < len(cells) and width < columns:
                across, down, text = cells[at]
                inside = self.inline(" ".join(text.replace("\\|", "|").split()))
                row += f'<{tag} colspan="{across}" rowspan="{down}">{inside}</{tag}>'
                for n in range(width, min(width + across, columns)):
                    below[n] = max(below[n], down - 1)
                width += across
                at += 1
            rows.append(element("tr", row))
        titled = f"<caption>{caption}</caption>" if caption else ""
        return element("table", titled + "".join(rows))

    def inline(self, text: str) -> str:
        """The text of a line as HTML, without marks of links, of print and of attributes."""
        kept: list[str] = []

        def keep(html: str) -> str:
            kept.append(html)
            return f"\0{len(kept) - 1}\0"

        text = text.replace("\0", "")
        text = USED.sub(lambda one: self._attributes.get(one[1], SIGNS.get(one[1], one[0])), text)
        text = PASSED.sub(lambda one: keep(escape(one[1] or one[2])), text)
        text = CODE.sub(lambda one: keep(element("code", escape(one[1]))), text)
        text = NOTE.sub(lambda one: f" ({one[1].rstrip('.')})" if one[1] else "", text)
        text = REFERENCE.sub(lambda one: one[1] or "", text)
        text = ANCHOR.sub("", text)
        text = INLINE_MACRO.sub(_macro, text)
        text = STRUCK.sub("", text)
        text = PRINT.sub(lambda one: one[2], text)
        text = RAISED.sub(lambda one: keep(element("sup", escape(one[1]))), text)
        text = LOWERED.sub(lambda one: keep(element("sub", escape(one[1]))), text)
        text = text.replace("(C)", "©").replace("(R)", "®").replace("->", "→")
        return KEPT.sub(
            lambda one: kept[int(one[1])] if int(one[1]) < len(kept) else "",
            escape(text, quote=False),
        )


SIGNS = {"nbsp": " ", "zwsp": "", "amp": "&", "lt": "<", "gt": ">", "deg": "°", "plus": "+"}
SIGNS |= {"empty": "", "sp": " ", "vbar": "|", "asterisk": "*", "two-colons": "::", "startsb": "["}
PASSED = re.compile(r"\+{2,3}(.{1,500}?)\+{2,3}|pass:\w*\[(.{0,500}?)\]")
CODE = re.compile(r"`{1,2}\+?([^`\n]{1,500}?)\+?`{1,2}")
NOTE = re.compile(r"\s?footnote(?:ref)?:[\w-]{0,60}\[([^\[\]]{0,1000})\]")
REFERENCE = re.compile(r"<<[^<>,]{1,200}(?:,\s*([^<>]{1,200}))?>>")
ANCHOR = re.compile(r"\[\[[^\[\]]{1,200}\]\]|\(\(\([^()]{1,200}\)\)\)")
INLINE_MACRO = re.compile(
    r"(?:(kbd|btn|menu|link|xref|image|icon|mailto|stem|latexmath|indexterm2?|anchor):([^\s\[\]:][^\s\[\]]{0,500}|)"
    r"|(https?://[^\s\[\]<>]{1,500}))\[([^\[\]]{0,500})\]"
)
STRUCK = re.compile(r"\[\.?line-through\]#{1,2}[^#\n]{1,500}#{1,2}")
PRINT = re.compile(
    r"(?:\[[^\[\]]{1,60}\])?(?<![\w*_#])([*_#]{1,2})(\S(?:[^*_#\n]{0,500}?\S)?)\1(?![\w*_#])"
)
RAISED = re.compile(r"\^([^\s^]{1,60})\^")
LOWERED = re.compile(r"(?<!~)~([^\s~]{1,60})~(?!~)")
KEPT = re.compile("\0(\\d+)\0")


def _macro(found: re.Match[str]) -> str:
    said = found[4].split(",")[0].strip('"^') if found[1] not in ("kbd",) else found[4]
    if found[1] == "menu":
        return f"{found[2]} > {found[4]}" if found[4] else found[2]
    if found[1] in ("indexterm", "anchor", "icon"):
        return ""
    return said or found[2] or found[3] or ""


def _mark(mark: str) -> str:
    """Items of one mark are of one list; the numbers of items are."""
    return "1." if mark[0].isdigit() else "<>" if mark[0] == "<" else mark


def _cells_of(parts: Sequence[str]) -> list[tuple[int, int, str]]:
    """(columns, rows, text) of the cells of a line that its bars part; what stands before a bar
    and says what a cell spans is no text."""
    found: list[tuple[int, int, str]] = []
    before = parts[0]
    for n, part in enumerate(parts[1:], start=1):
        text = part
        word = text.rpartition(" ")[2] if n + 1 < len(parts) else ""
        specified = SPECIFIED.fullmatch(word) if word and not word.isalpha() else None
        told = SPECIFIED.fullmatch(before.strip())
        if specified:
            text = text[: len(text) - len(word)]
        across, down = (
            (int(told[1] or 1), int(told[2] or 1)) if told and (told[1] or told[2]) else (1, 1)
        )
        times = min(int(told[3]), MOST_REPEATS) if told and told[3] else 1
        found += [(min(across, 40), min(down, MOST_REPEATS * 100), text)] * times
        before = word if specified else ""
    return found


def _nested(items: Sequence[tuple[str, str, str]], asks: bool) -> str:
    """Items with their marks as lists in lists: a mark that is open already ends those in it."""
    if asks:
        return "".join(box(name, html) for _, name, html in items)
    made, marks = list[str](), list[str]()
    for mark, name, html in items:
        while mark in marks and marks[-1] != mark:
            made.append(_closed(marks.pop()))
        if not marks or marks[-1] != mark:
            marks.append(mark)
            made.append(f"<{_tag(mark)}>")
        elif not name:
            made.append("</li>")
        if name:
            ended = "</dd>" if made[-1] != f"<{_tag(mark)}>" else ""
            made.append(f"{ended}<dt>{name}</dt><dd>{html}")
        else:
            made.append(f"<li>{html}")
    return "".join([*made, *(_closed(mark) for mark in reversed(marks))])


def _tag(mark: str) -> str:
    return "dl" if mark[0] in ":;" else "ol" if mark[0] in ".1<" else "ul"


def _closed(mark: str) -> str:
    tag = _tag(mark)
    return f"</dd></{tag}>" if tag == "dl" else f"</li></{tag}>"
