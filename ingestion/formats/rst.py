"""reStructuredText, through HTML: sections, lists, tables, notes and directives, also Sphinx's."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

from ingestion.formats import drawn_tables
from ingestion.formats.charset import decode
from ingestion.formats.directives import Directive, shown
from ingestion.formats.document import Read
from ingestion.formats.html import page
from ingestion.formats.limits import MAX_TEXT_CHARACTERS
from ingestion.formats.markup import (
    MAX_DEPTH,
    dedented,
    element,
    heading,
    preformatted,
    table,
)
from ingestion.formats.text import LINE_BREAK

RULE = re.compile(r"([!-/:-@\[-`{-~])\1{2,}\s*")
DIRECTIVE = re.compile(r"\.\.\s+(?:\|([^|]{1,80})\|\s+)?([\w.+:-]{1,60})::(?:\s+(.*))?$")
NOTE = re.compile(r"\.\.\s+\[(#?[\w.-]*|\*)\]\s*(.*)$")
EXPLICIT = re.compile(r"(?:\.\.|__)(?:\s|$)")
BULLET = re.compile(r"([*+•–-])\s+(?=\S)")
NUMBER = re.compile(r"\(?(\d{1,4}|#|[a-zA-Z]|[ivxIVX]{1,5})([.)])\s+(?=\S)")
FIELD = re.compile(r":((?:[^:\\\n]|\\.){1,80}):(?:\s+(.*))?$")
OPTION = re.compile(r"(--?[\w-]+(?:[ =]\S+)?(?:, --?[\w-]+(?:[ =]\S+)?)*|/\w+)(?:\s{2,}(.*))?$")
LINE_BLOCK = re.compile(r"\|(?:\s|$)")
RULER = re.compile(r"=+(?:\s+=+)+\s*")
"""Above and below the columns of a simple table."""
LITERAL = re.compile(r"\s*::\s*$")
SUBSTITUTES = frozenset({"replace", "unicode", "date"})


def read(data: bytes) -> Read:
    """The text as a reader of the rendered document sees it; its title is the first section."""
    source = LINE_BREAK.sub("\n", decode(data, MAX_TEXT_CHARACTERS)).expandtabs(8)
    reader = _Reader()
    lines = [line.rstrip() for line in source.split("\n")]
    reader.collect(lines)
    return page(reader.blocks(lines))


@dataclass
class _Reader:
    """Blocks of lines to HTML; ``_depth`` is how deep the open block stands in others."""

    _adornments: list[str] = field(default_factory=list)
    """Of the sections, in the order of their levels."""
    _replaced: dict[str, str] = field(default_factory=dict)
    _depth: int = 0

    def collect(self, lines: Sequence[str]) -> None:
        """Note what stands for a name between bars, wherever that is told."""
        for at, line in enumerate(lines):
            found = DIRECTIVE.match(line.lstrip()) if "::" in line else None
            if found and found[1] and found[2] in SUBSTITUTES:
                more = self._indented(lines, at + 1, 1)[0]
                self._replaced[found[1].lower()] = " ".join([found[3] or "", *more]).strip()

    def blocks(self, lines: Sequence[str]) -> str:
        """The lines as HTML."""
        if self._depth >= MAX_DEPTH:
            return element("p", escape("\n".join(lines)))
        self._depth += 1
        made, at = list[str](), 0
        while at < len(lines):
            if not lines[at].strip():
                at += 1
                continue
            html, at = self._block(lines, at)
            made.append(html)
        self._depth -= 1
        return "\n".join(made)

    def _block(self, lines: Sequence[str], at: int) -> tuple[str, int]:
        """The block that begins here, and the line after it."""
        if lines[at][0] == " ":
            inside, after = self._indented(lines, at, 1)
            return element("blockquote", self.blocks(inside)), after
        for reader in (self._section, self._explicit, self._table, self._listed):
            found = reader(lines, at)
            if found is not None:
                return found
        return self._paragraph(lines, at)

    def _section(self, lines: Sequence[str], at: int) -> tuple[str, int] | None:
        line, below = lines[at], lines[at + 1] if at + 1 < len(lines) else ""
        over = RULE.fullmatch(line)
        if over and below.strip() and at + 2 < len(lines) and lines[at + 2] == line:
            return self._heading(below, line[0] * 2), at + 3
        if over:
            return ("", at + 1) if not below.strip() else None
        if RULE.fullmatch(below) and len(below) >= min(len(line), 4) and not RULER.fullmatch(below):
            return self._heading(line, below[0]), at + 2
        return None

    def _heading(self, title: str, adornment: str) -> str:
        if self._depth > 1:
            return element("p", element("b", self.inline(title.strip())))
        if adornment not in self._adornments:
            self._adornments.append(adornment)
        return heading(self._adornments.index(adornment) + 1, self.inline(title.strip()))

    def _explicit(self, lines: Sequence[str], at: int) -> tuple[str, int] | None:
        """A directive, a note, or a comment or a target, which show nothing."""
        if not EXPLICIT.match(lines[at]):
            return None
        body, after = self._indented(lines, at + 1, 1)
        if found := DIRECTIVE.match(lines[at]):
            if found[1]:
                return "", after
            goes_on = at + 1 < len(lines) and bool(lines[at + 1])
            told = self._argument(found[3] or "", body) if goes_on else (found[3] or "", body)
            one = Directive(found[2], *told)
            return shown(one, self.blocks, self.inline), after
        if found := NOTE.match(lines[at]):
            mark = escape(found[1].lstrip("#*"))
            said = self.blocks([found[2], *body])
            return f'<aside class="footnote" id="note-{mark}">{said}</aside>', after
        return "", after

    def _argument(self, argument: str, body: list[str]) -> tuple[str, list[str]]:
        """An argument with the lines that go on with it, up to options or a blank line."""
        if not argument or not body or body[0].startswith(":"):
            return argument, body
        end = next(
            (n for n, line in enumerate(body) if not line or line.startswith(":")), len(body)
        )
        return " ".join([argument, *body[:end]]), body[end:]

    def _table(self, lines: Sequence[str], at: int) -> tuple[str, int] | None:
        if lines[at][0] == "+":
            run = self._paragraph_lines(lines, at)
            found = next(iter(drawn_tables.parts(run)), None)
            if found is None or found[1] is None:
                return None
            made = found[1]
            rows = [[self.inline(cell) for cell in row] for row in made.rows]
            return table(rows, made.headers), at + len(found[0])
        return self._simple_table(lines, at) if RULER.fullmatch(lines[at]) else None

    def _simple_table(self, lines: Sequence[str], at: int) -> tuple[str, int] | None:
        """Columns under a ruler: a row may go on where its first cell is blank."""
        rulers = [at]
        for place in range(at + 1, len(lines)):
            if RULER.fullmatch(lines[place]) or (
                set(lines[place]) <= {"=", " "} and "=" in lines[place]
            ):
                rulers.append(place)
                if len(rulers) == 3 or not lines[place + 1 : place + 2] or not lines[place + 1]:
                    break
        if len(rulers) < 2:
            return None
        begins = [found.start() for found in re.finditer("=+", lines[at])]
        headers = self._rows(lines[at + 1 : rulers[1]], begins) if len(rulers) == 3 else []
        rows = self._rows(lines[rulers[-2] + 1 : rulers[-1]], begins)
        told = [[self.inline(cell) for cell in row] for row in (*headers, *rows)]
        return table(told, len(headers)), rulers[-1] + 1

    def _rows(self, lines: Sequence[str], begins: Sequence[int]) -> list[list[str]]:
        rows: list[list[str]] = []
        for line in lines:
            if not line.strip() or set(line) <= {"-", " "}:
                continue
            cells = [line[a:b].strip() for a, b in pairwise([*begins[:-1], begins[-1], None])]
            if rows and not cells[0]:
                rows[-1] = [f"{a} {b}".strip() for a, b in zip(rows[-1], cells, strict=True)]
            else:
                rows.append(["" if cell == "\\" else cell for cell in cells])
        return rows

    def _listed(self, lines: Sequence[str], at: int) -> tuple[str, int] | None:
        """A list, a line block, or names with what is told of them."""
        line = lines[at]
        if BULLET.match(line):
            return self._items(lines, at, BULLET, "ul")
        if (found := NUMBER.match(line)) and self._is_item(lines, at, found.end()):
            return self._items(lines, at, NUMBER, _ordered(found[1]))
        if LINE_BLOCK.match(line):
            run = self._paragraph_lines(lines, at)
            return element("p", "<br>".join(self.inline(one[1:].strip()) for one in run)), at + len(
                run
            )
        if FIELD.fullmatch(line):
            return self._terms(lines, at, lambda one: FIELD.fullmatch(one))
        if OPTION.fullmatch(line):
            return self._terms(lines, at, lambda one: OPTION.fullmatch(one))
        if lines[at + 1 : at + 2] and lines[at + 1][:1] == " " and not LITERAL.search(line):
            return self._terms(lines, at, lambda one: re.fullmatch(r"(\S.*)()", one))
        return None

    def _is_item(self, lines: Sequence[str], at: int, indent: int) -> bool:
        """Whether what begins as an item goes on as one: "A. Smith came" at a line's start does
        not."""
        below = lines[at + 1] if at + 1 < len(lines) else ""
        return not below or below[:indent].isspace() or bool(NUMBER.match(below))

    def _items(
        self, lines: Sequence[str], at: int, mark: re.Pattern[str], opening: str
    ) -> tuple[str, int]:
        made = []
        while at < len(lines) and (found := mark.match(lines[at])):
            inside, after = self._indented(lines, at + 1, min(found.end(), 2))
            made.append(element("li", self.blocks([lines[at][found.end() :], *inside])))
            while after < len(lines) and not lines[after]:
                after += 1
            at = after
        return f"<{opening}>{''.join(made)}</{opening[:2]}>", at

    def _terms(
        self, lines: Sequence[str], at: int, named: Callable[[str], re.Match[str] | None]
    ) -> tuple[str, int]:
        made = []
        while at < len(lines) and lines[at] and (found := named(lines[at])):
            inside, after = self._indented(lines, at + 1, 1)
            if not inside and not found[2]:
                break
            term = self.inline(found[1].split(" : ")[0])
            told = self.blocks([found[2] or "", *inside])
            made.append(element("dt", term) + element("dd", told))
            while after < len(lines) and not lines[after]:
                after += 1
            at = after
        return (element("dl", "".join(made)), at) if made else self._paragraph(lines, at)

    def _paragraph(self, lines: Sequence[str], at: int) -> tuple[str, int]:
        run = self._paragraph_lines(lines, at)
        after = at + len(run)
        text = " ".join(run)
        if not LITERAL.search(text):
            return element("p", self.inline(text)), after
        inside, after = self._indented(lines, after, 1)
        said = LITERAL.sub("" if text.rstrip(": ") == "" else ":", text)
        made = element("p", self.inline(said)) if said.strip() else ""
        return made + preformatted("\n".join(inside)), after

    def _paragraph_lines(self, lines: Sequence[str], at: int) -> list[str]:
        end = at + 1
        while end < len(lines) and lines[end].strip():
            end += 1
        return list(lines[at:end])

    def _indented(self, lines: Sequence[str], at: int, by: int) -> tuple[list[str], int]:
        """The lines from here that stand at least so far to the right, and the line after them."""
        end = at
        while end < len(lines) and (not lines[end] or lines[end][:by].isspace()):
            end += 1
        return dedented(lines[at:end]), end

    def inline(self, text: str) -> str:
        """The text of a line as HTML, without marks of links, roles and names."""
        kept: list[str] = []

        def keep(html: str) -> str:
            kept.append(html)
            return f"\0{len(kept) - 1}\0"

        text = text.replace("\0", "")
        text = LITERAL_TEXT.sub(lambda one: keep(element("code", escape(one[1]))), text)
        text = ESCAPED.sub(lambda one: keep(escape(one[1].strip())), text)
        text = BARS.sub(lambda one: self._replaced.get(one[1].lower(), one[1]), text)
        text = ROLE.sub(lambda one: keep(_role(one[1], one[2])), text)
        text = LINK.sub(lambda one: one[1] or one[2], text)
        text = CITED.sub(lambda one: keep(_cited(one[1])), text)
        text = NAMED.sub(r"\1", text)
        text = BOLD.sub(lambda one: keep(element("b", escape(one[1]))), text)
        text = ITALIC.sub(lambda one: one[1], text)
        return KEPT.sub(lambda one: _restored(kept, int(one[1])), escape(text, quote=False))


def _restored(kept: Sequence[str], at: int) -> str:
    """What was put aside; it may hold what was put aside before it."""
    return KEPT.sub(lambda one: _restored(kept, int(one[1])) if int(one[1]) < at else "", kept[at])


LITERAL_TEXT = re.compile(r"``(.{1,1000}?)``")
ESCAPED = re.compile(r"\\(.)")
BARS = re.compile(r"\|(\w[^|\n]{0,80})\|(?:_{1,2})?")
ROLE = re.compile(r":([\w.+:-]{1,40}):`([^`]{1,500})`")
LINK = re.compile(r"`(?:([^`<]{1,300}?)\s*<[^`>]{1,500}>|([^`]{1,300}))`(?:_{0,2})")
CITED = re.compile(r"\[(#?[\w.-]{0,20}|\*)\]_(?!\w)")
NAMED = re.compile(r"\b([\w.-]*\w)__?(?![\w/])")
BOLD = re.compile(r"\*\*(\S(?:[^*\n]{0,500}\S)?)\*\*")
ITALIC = re.compile(r"(?<![\w*])\*(\S(?:[^*\n]{0,500}?\S)?)\*(?![\w*])")
KEPT = re.compile("\0(\\d+)\0")
TARGET = re.compile(r"^!?~?(.*?)(?:\s*<[^>]*>)?$", re.DOTALL)


def _cited(mark: str) -> str:
    name = escape(mark.lstrip("#*"))
    return f'<a href="#note-{name}"><sup>[{name or "*"}]</sup></a>'


def _role(name: str, text: str) -> str:
    short = text.startswith("~")
    said = TARGET.sub(r"\1", text)
    said = said.rpartition(".")[2] if short else said
    tag = {"sup": "sup", "sub": "sub", "superscript": "sup", "subscript": "sub"}.get(name)
    return element(tag, escape(said)) if tag else escape(said)


def _ordered(mark: str) -> str:
    if mark.isdecimal():
        return f'ol start="{mark}"'
    kind = "1" if mark == "#" else "i" if mark in "ivx" else "a" if mark.islower() else "A"
    return f'ol type="{kind}"' if mark != "#" else "ol"
