r"""LaTeX sources, through HTML: sections, lists, tables, notes and plain commands; nothing is run
and nothing included."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape

from ingestion.formats.charset import decode
from ingestion.formats.document import Read
from ingestion.formats.html import page
from ingestion.formats.limits import MAX_TEXT_CHARACTERS, too_long
from ingestion.formats.markup import element, heading, preformatted
from ingestion.formats.text import LINE_BREAK

TOKEN = re.compile(
    r"%[^\n]*\n?[ \t]*|\\begin\s*\{([^{}]{1,40})\}|\\end\s*\{([^{}]{1,40})\}"
    r"|\\([a-zA-Z@]+)\*?[ \t]*\n?[ \t]*"
    r"|\\(.|\n)|(\n[ \t]*\n\s*)|([{}~&$])|``|''|---?|[^\\{}~&$%\n`'-]+|[\n`'-]",
    re.DOTALL,
)
VERBATIM = re.compile(
    r"\\begin\s*\{(verbatim|lstlisting|minted|Verbatim|comment|tikzpicture|filecontents)\*?\}(.*?)"
    r"\\end\s*\{\1\*?\}",
    re.DOTALL,
)
UNSEEN_BLOCKS = frozenset({"comment", "tikzpicture", "filecontents"})
BODY = re.compile(r"\\begin\s*\{document\}(.*?)(?:\\end\s*\{document\}|\Z)", re.DOTALL)
DEFINED = re.compile(
    r"\\(?:(?:re)?newcommand|providecommand|def)\*?\s*\{?\\([a-zA-Z@]+)\}?\s*(?:\[(\d)\])?\s*(?=\{)"
)
SECTIONS = {"part": 1, "chapter": 1, "section": 2, "subsection": 3, "subsubsection": 4}
SECTIONS |= {"paragraph": 5, "subparagraph": 6, "title": 1, "frametitle": 2, "caption": 0}
LISTS = {"itemize": "ul", "enumerate": "ol", "description": "dl", "compactitem": "ul"}
LISTS |= {"compactenum": "ol", "inparaenum": "ol"}
TABLES = frozenset(
    {"tabular", "tabular*", "tabularx", "longtable", "tabulary", "tabu", "supertabular"}
)
DROPPED_WITH = {"label": 1, "ref": 1, "eqref": 1, "pageref": 1, "cite": 1, "citep": 1, "citet": 1}
DROPPED_WITH |= {"vspace": 1, "hspace": 1, "usepackage": 1, "documentclass": 1, "input": 1}
DROPPED_WITH |= {
    "include": 1,
    "bibliography": 1,
    "bibliographystyle": 1,
    "pagestyle": 1,
    "index": 1,
}
DROPPED_WITH |= {"thispagestyle": 1, "setlength": 2, "setcounter": 2, "addtolength": 2, "color": 1}
DROPPED_WITH |= {
    "includegraphics": 1,
    "cline": 1,
    "cmidrule": 1,
    "autoref": 1,
    "phantom": 1,
    "sout": 1,
}
DROPPED_WITH |= {
    "author": 1,
    "date": 1,
    "thanks": 1,
    "vphantom": 1,
    "hphantom": 1,
    "st": 1,
    "cref": 1,
}
DROPPED_WITH |= {"hypersetup": 1, "geometry": 1, "graphicspath": 1, "nocite": 1, "rowcolor": 1}
DROPPED_WITH |= {
    "cellcolor": 1,
    "renewcommand": 2,
    "newcommand": 2,
    "providecommand": 2,
    "selectlanguage": 1,
}
KEEPS_LAST = {"href": 2, "textcolor": 2, "parbox": 2, "colorbox": 2, "hyperref": 1, "multirow": 3}
KEEPS_LAST |= {"resizebox": 3, "scalebox": 2, "raisebox": 2, "rotatebox": 2}
SIGNS = {
    "pounds": "£",
    "textsterling": "£",
    "euro": "€",
    "texteuro": "€",
    "EUR": "€",
    "textdegree": "°",
}
SIGNS |= {
    "degree": "°",
    "copyright": "©",
    "textregistered": "®",
    "texttrademark": "™",
    "S": "§",
    "P": "¶",
}
SIGNS |= {"dots": "…", "ldots": "…", "textellipsis": "…", "textendash": "–", "textemdash": "—"}
SIGNS |= {
    "times": "×",
    "pm": "±",
    "leq": "≤",
    "le": "≤",
    "geq": "≥",
    "ge": "≥",
    "neq": "≠",
    "cdot": "·",
}
SIGNS |= {"approx": "≈", "to": "→", "rightarrow": "→", "alpha": "α", "beta": "β", "gamma": "γ"}
SIGNS |= {
    "delta": "δ",
    "Delta": "Δ",
    "mu": "µ",
    "pi": "π",
    "sigma": "σ",
    "Omega": "Ω",
    "lambda": "λ",
}
SIGNS |= {"infty": "∞", "percent": "%", "textbackslash": "\\", "textasciitilde": "~", "circ": "°"}
SIGNS |= {
    "ss": "ß",
    "ae": "æ",
    "AE": "Æ",
    "oe": "œ",
    "o": "ø",
    "O": "Ø",
    "aa": "å",
    "AA": "Å",
    "l": "ł",
}
SIGNS |= {"LaTeX": "LaTeX", "TeX": "TeX", "quad": " ", "qquad": " ", "space": " ", "newline": "\n"}
SIGNS |= {
    "checkmark": "✓",
    "textbullet": "•",
    "bullet": "•",
    "div": "÷",
    "sum": "∑",
    "textquotesingle": "'",
}
ACCENTS = {"'": "\u0301", "`": "\u0300", "^": "\u0302", '"': "\u0308", "~": "\u0303", "c": "\u0327"}
ACCENTS |= {
    "v": "\u030c",
    "=": "\u0304",
    ".": "\u0307",
    "u": "\u0306",
    "H": "\u030b",
    "k": "\u0328",
    "r": "\u030a",
}
BOXES = frozenset(
    "abstract theorem lemma definition remark example note warning quote proof".split()
)
MOST_EXPANDED = 20_000
"""Characters that commands of the document itself may add, for each time that one is used."""
MAX_DEPTH = 60


def read(data: bytes) -> Read:
    """The text as a reader of the printed document sees it; its title is what it states."""
    source = LINE_BREAK.sub("\n", decode(data, MAX_TEXT_CHARACTERS))
    found = BODY.search(source)
    head = source[: found.start()] if found else ""
    reader = _Reader(found[1] if found else source)
    reader.define(head)
    title = _argument_of(head + reader.source, "title")
    made = reader.document()
    return page((heading(1, reader.inline(title)) if title else "") + made)


def _argument_of(source: str, name: str) -> str:
    found = re.search(rf"(?<!\\)\\{name}\s*(?:\[[^\]]*\])?\s*(?=\{{)", source)
    return _group(source, found.end())[0] if found else ""


def _group(source: str, at: int) -> tuple[str, int]:
    """What stands in the braces that open here, and the place after them."""
    if source[at : at + 1] != "{":
        return source[at : at + 1], min(at + 1, len(source))
    depth = 0
    for brace in re.compile(r"\\.|[{}]", re.DOTALL).finditer(source, at):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return source[at + 1 : brace.start()], brace.end()
    return source[at + 1 :], len(source)


@dataclass
class _Reader:
    """A source to HTML. What is written for people is put out as it comes; cells and notes are
    read by readers of their own."""

    source: str
    commands: dict[str, tuple[int, str]] = field(default_factory=dict)
    depth: int = 0
    _at: int = 0
    _open: list[str] = field(default_factory=list)
    _out: list[str] = field(default_factory=list)
    _math: bool = False
    _spent: list[int] = field(default_factory=lambda: [0])

    def define(self, source: str) -> None:
        """Note the commands that a source defines."""
        for found in DEFINED.finditer(source):
            self.commands[found[1]] = (int(found[2] or 0), _group(source, found.end())[0])

    def document(self) -> str:
        """The whole source as HTML; text as it is set is put aside first."""
        self.define(self.source)
        parts, at = list[str](), 0
        for found in VERBATIM.finditer(self.source):
            parts.append(self._child(self.source[at : found.start()]))
            if found[1] not in UNSEEN_BLOCKS:
                parts.append(preformatted(found[2].strip("\n")))
            at = found.end()
        return "".join([*parts, self._child(self.source[at:])])

    def _child(self, source: str) -> str:
        """A part of the source by a reader of its own."""
        if self.depth >= MAX_DEPTH:
            return escape(source)
        inner = _Reader(source, self.commands, self.depth + 1, _math=self._math, _spent=self._spent)
        return inner._html()

    def inline(self, source: str) -> str:
        """A part of the source as HTML, on one line."""
        return re.sub(r"</?p>", " ", self._child(source)).strip()

    def _html(self) -> str:
        while self._at < len(self.source):
            found = TOKEN.match(self.source, self._at)
            if found is None:
                self._at += 1
                continue
            self._at = found.end()
            self._token(found)
        for environment in reversed(self._open):
            self._out.append(_closing(environment))
        text = "".join(self._out)
        return (
            element("p", text)
            if "<p>" not in text and "\0" not in text and self.depth == 1
            else text.replace("\0", "</p><p>")
        )

    def _token(self, found: re.Match[str]) -> None:
        text = found[0]
        if text[0] == "%":
            return
        if found[1]:
            self._begin(found[1].rstrip("*"))
        elif found[2]:
            self._end(found[2].rstrip("*"))
        elif found[3]:
            self._command(found[3])
        elif found[4]:
            self._sign(found[4])
        elif found[5]:
            self._out.append("\0")
        elif text == "$":
            self._math = not self._math
        elif text in "{}":
            return
        else:
            said = {"~": " ", "``": "“", "''": "”", "---": "—", "--": "–", "&": " "}.get(text, text)
            self._out.append(_in_math(said) if self._math else escape(said, quote=False))

    def _begin(self, name: str) -> None:
        if name in TABLES:
            self._table(name)
            return
        self._open.append(name)
        tag = LISTS.get(name)
        if tag:
            self._option()
            self._out.append(f"\0<{tag}>")
        elif name in BOXES:
            title = self._option() or name.capitalize()
            self._out.append(f"\0<details><summary>{self.inline(title)}</summary>")
        elif name in ("frame", "minipage", "multicols", "wrapfigure", "column", "columns", "block"):
            self._option()
            said = self._argument() if self.source[self._at : self._at + 1] == "{" else ""
            self._out.append(
                heading(2, self.inline(said)) if name in ("frame", "block") and said else "\0"
            )
        elif name in ("equation", "align", "displaymath", "gather", "math"):
            self._math = True
            self._out.append("\0")
        else:
            self._option()
            self._out.append("\0")

    def _end(self, name: str) -> None:
        while self._open:
            last = self._open.pop()
            self._out.append(_closing(last))
            if last in ("equation", "align", "displaymath", "gather", "math"):
                self._math = False
            if last == name:
                break

    def _command(self, name: str) -> None:
        if name in self.commands:
            self._expand(*self.commands[name])
        elif name in SECTIONS:
            self._option()
            said = self._argument()
            if name == "title":
                return
            level = SECTIONS[name]
            html = (
                heading(level, self.inline(said))
                if level
                else element("p", element("b", self.inline(said)))
            )
            self._out.append(f"\0{html}\0")
        elif name == "item":
            self._item()
        elif name in ("footnote", "footnotetext", "marginpar", "endnote"):
            self._option()
            self._out.append(f" ({self.inline(self._argument()).rstrip('.')})")
        elif name in DROPPED_WITH:
            self._option()
            for _ in range(DROPPED_WITH[name]):
                self._argument()
        elif name in KEEPS_LAST:
            self._keep_last(KEEPS_LAST[name])
        elif name in ("verb", "lstinline"):
            mark = self.source[self._at : self._at + 1]
            end = self.source.find(mark, self._at + 1) if mark else -1
            if end > 0:
                self._out.append(element("code", escape(self.source[self._at + 1 : end])))
                self._at = end + 1
        elif name in ("textsuperscript", "textsubscript"):
            self._out.append(
                element(
                    "sup" if name == "textsuperscript" else "sub", self.inline(self._argument())
                )
            )
        elif name in ("frac", "tfrac", "dfrac"):
            self._out.append(f"{self.inline(self._argument())}/{self.inline(self._argument())}")
        elif (
            name in ACCENTS
            and len(name) == 1
            and self.source[self._at : self._at + 1] in ("{", " ")
        ):
            self._out.append(escape(self._argument()) + ACCENTS[name])
        elif name in ("par", "newpage", "clearpage", "medskip", "bigskip", "smallskip"):
            self._out.append("\0")
        elif name in ("qty", "SI"):
            self._out.append(f"{self.inline(self._argument())} {_unit(self._argument())}")
        elif name in ("si", "unit"):
            self._out.append(_unit(self._argument()))
        elif name in ("num",):
            self._out.append(self.inline(self._argument()))
        elif name in ("def", "let", "gdef"):
            self._skip_definition()
        else:
            self._out.append(escape(SIGNS.get(name, "")))

    def _skip_definition(self) -> None:
        end = self.source.find("{", self._at)
        self._at = _group(self.source, end)[1] if end >= 0 else len(self.source)

    def _expand(self, count: int, body: str) -> None:
        """Put what a command stands for in its place; all of them together may add so much."""
        for n in range(1, count + 1):
            body = body.replace(f"#{n}", self._argument()[:MOST_EXPANDED])
        self._spent[0] += len(body)
        if self._spent[0] > MAX_TEXT_CHARACTERS or len(body) > MOST_EXPANDED:
            raise too_long()
        self._out.append(self.inline(body))

    def _keep_last(self, count: int) -> None:
        self._option()
        for _ in range(count):
            said = self._argument()
            self._option()
        self._out.append(self.inline(said))

    def _sign(self, sign: str) -> None:
        if sign == "\\":
            self._option()
            self._out.append("<br>")
        elif sign in ACCENTS:
            self._out.append(escape(self._argument()) + ACCENTS[sign])
        elif sign in "[](" + ")":
            self._math = sign in "[("
        elif sign in ",;:! \n/-@":
            self._out.append(" " if sign in ",;: \n" else "")
        else:
            self._out.append(escape(sign, quote=False))

    def _item(self) -> None:
        tag = next((LISTS[one] for one in reversed(self._open) if one in LISTS), "ul")
        name = self._option()
        if tag == "dl":
            self._out.append(f"<dt>{self.inline(name)}</dt><dd>")
        else:
            self._out.append(f"<li>{self.inline(name) + ': ' if name else ''}")

    def _table(self, name: str) -> None:
        if name in ("tabularx", "tabular*", "tabulary"):
            self._argument()
        self._option()
        self._argument()
        end = re.compile(rf"\\end\s*\{{{re.escape(name)}\*?\}}").search(self.source, self._at)
        inside = self.source[self._at : end.start() if end else len(self.source)]
        self._at = end.end() if end else len(self.source)
        head = re.search(r"\\(?:midrule|endhead|endfirsthead)\b", inside)
        rows = [
            (row, head is not None and start < head.start())
            for start, row in _parts(inside, r"\\\\(?:\[[^\]]*\])?|\\tabularnewline\b")
        ]
        told = [self._row(row, is_head) for row, is_head in rows if _RULES.sub("", row).strip()]
        self._out.append("\0" + element("table", "".join(told)) + "\0")

    def _row(self, row: str, is_head: bool) -> str:
        made = []
        for _, cell in _parts(_RULES.sub("", row), "&"):
            spans, text = _spans(cell)
            tag = "th" if is_head else "td"
            made.append(f"<{tag}{spans}>{self.inline(text)}</{tag}>")
        return element("tr", "".join(made))

    def _option(self) -> str:
        """What stands in brackets here, if anything does."""
        if self.source[self._at : self._at + 1] != "[":
            return ""
        end = self.source.find("]", self._at, self._at + 2000)
        if end < 0:
            return ""
        said, self._at = self.source[self._at + 1 : end], end + 1
        return said

    def _argument(self) -> str:
        while self.source[self._at : self._at + 1] in (" ", "\n") and self._at < len(self.source):
            self._at += 1
        said, self._at = _group(self.source, self._at)
        return said


_RULES = re.compile(
    r"\\(?:hline|toprule|midrule|bottomrule|endhead|endfirsthead|endfoot|endlastfoot|addlinespace"
    r"|(?:cline|cmidrule)(?:\([^)]*\))?\s*\{[^{}]*\})(?:\[[^\]]*\])?"
)
_SPAN = re.compile(
    r"\s*\\multi(?:column\s*\{\s*(\d{1,2})\s*\}|row\s*(?:\[[^\]]*\])?\s*\{\s*(\d{1,3})\s*\})\s*(?=\{)"
)


def _spans(cell: str) -> tuple[str, str]:
    """The attributes of a cell that spans others, and its text."""
    spans = ""
    while found := _SPAN.match(cell):
        _, at = _group(cell, found.end())
        while cell[at : at + 1].isspace():
            at += 1
        inside, _ = _group(cell, at)
        spans += f' colspan="{found[1]}"' if found[1] else f' rowspan="{found[2]}"'
        if len(spans) > 60:
            break
        cell = inside
    return spans, cell


def _parts(source: str, mark: str) -> Iterator[tuple[int, str]]:
    """(place, text) of what a mark parts, outside braces."""
    depth = start = 0
    for found in re.compile(rf"({mark})|\\.|[{{}}]|%[^\n]*", re.DOTALL).finditer(source):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if found[1] and depth <= 0:
            yield start, source[start : found.start()]
            start = found.end()
    yield start, source[start:]


def _closing(environment: str) -> str:
    if environment in LISTS:
        return f"</{LISTS[environment]}>\0"
    return "</details>\0" if environment in BOXES else "\0"


_SCRIPT = re.compile(r"([\^_])(\w)?")


def _in_math(text: str) -> str:
    return _SCRIPT.sub(
        lambda one: element("sup" if one[1] == "^" else "sub", one[2] or ""),
        escape(text, quote=False),
    )


UNITS: dict[str, str] = {
    "metre": "m",
    "meter": "m",
    "kilo": "k",
    "gram": "g",
    "second": "s",
    "celsius": "°C",
}
UNITS |= {
    "degreeCelsius": "°C",
    "percent": "%",
    "litre": "l",
    "liter": "l",
    "per": "/",
    "milli": "m",
    "centi": "c",
}
UNITS |= {
    "hour": "h",
    "minute": "min",
    "watt": "W",
    "volt": "V",
    "ampere": "A",
    "bar": "bar",
    "kilogram": "kg",
}


def _unit(source: str) -> str:
    return escape(re.sub(r"\\([a-zA-Z]+)\s*", lambda one: UNITS.get(one[1], one[1]), source))
