"""What programs add to Markdown (MyST, MDX, Hugo, Obsidian, Material, Quarto), as plain Markdown
and HTML: boxes, tabs, directives, links between notes; comments and settings go."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

from ingestion.formats.directives import Directive, shown
from ingestion.formats.markup import ALERTS, MAX_DEPTH, box, dedented

FENCE = re.compile(r"[ ]{0,3}(`{3,}|~{3,})")
DIRECTIVE = re.compile(r"[ ]{0,3}(`{3,}|:{3,}|~{3,})\{([\w:.+-]{1,40})\}[ \t]*(.*)$")
CELL = re.compile(r"r|python|julia|bash|sql|ojs|mermaid|dot|asis", re.IGNORECASE)
"""Languages of cells that are run: braces around these are no directive."""
COLONS = re.compile(r"[ ]{0,3}(:{3,})[ \t]*(.*?)[ \t]*:*$")
ONE_LINE = re.compile(r":::[ \t]*\w[\w-]* .*[^:\s][ \t]*:::[ \t]*")
OPENED = re.compile(r"\{?\.?(?:callout-)?([\w-]{1,40})\b\}?[ \t]*(.*)$")
TITLE = re.compile(
    r"(?:title|label|summary|header|name)\s*=\s*\{?[\"']([^\"']{1,200})[\"']", re.IGNORECASE
)
TAB = re.compile(r"([ ]*)===[+!]?[ \t]+\"([^\"]{1,200})\"[ \t]*$")
SHORTCODE = re.compile(r"\{\{[<%][ \t]*(/?)[ \t]*([\w./-]{1,60})([^{}]{0,500}?)/?[ \t]*[%>]\}\}")
FIRST_TEXT = re.compile(r"^\s*[\"“]([^\"”]{1,200})[\"”]")
COMPONENT = re.compile("</?[A-Z]")
"""It may be one; faster than all that tells for sure."""
JSX = re.compile(
    r"^[ \t]*<(/?)([A-Z][\w.]{0,60})((?:\s[^<>]{0,1000})?)(/?)>[ \t]*(?:(\S.*?)</\2>[ \t]*)?$",
    re.MULTILINE,
)
MODULE = re.compile(
    r"(?:import\s+.{1,300}\s+from\s+[\"'].{1,200}[\"'];?|import\s+[\"'].{1,200}[\"'];?|export\s+(?:const|default|function)\b.*)$"
)
JSX_NOTE = re.compile(r"\{/\*.*?\*/\}", re.DOTALL)
TWO_PERCENTS = re.compile(r"%%(?:(?!%%).){1,5000}%%", re.DOTALL)
WIKI_LINK = re.compile(r"(!?)\[\[([^\[\]|\n]{1,300}?)(?:\\?\|([^\[\]\n]{1,300}))?\]\]")
BLOCK_NAME = re.compile(r"[ \t]\^[\w-]{1,40}[ \t]*$")
_SETTING = r"(?:[#.][\w:-]+|[\w-]+=(?:\"[^\"{}]*\"|[\w.%-]+))"
ATTRIBUTES = re.compile(
    rf"(?<=[\])`*\w.!?:])[ \t]*\{{:?[ \t]*{_SETTING}(?:[ \t]+{_SETTING})*[ \t]*\}}"
)
MARKED = re.compile(r"(==|\^\^|\+\+)(?=\S)([^=^+\n]{1,300}?)(?<=\S)\1")
RAISED = re.compile(r"(?<=[\w)])\^([\w+-]{1,6})\^")
LOWERED = re.compile(r"(?<=[\w)])(?<!~)~(\w{1,6})~(?!~)")
ROLE = re.compile(r"\{([\w:.-]{1,40})\}(?=`)")
SUGGESTED = re.compile(
    r"\{(?:\+\+(.{1,2000}?)\+\+|--.{1,2000}?--|~~.{0,2000}?~>(.{0,2000}?)~~|==(.{1,2000}?)=="
    r"|>>.{0,2000}?<<)\}"
)
"""What was added, deleted, replaced, marked or said of a text (CriticMarkup)."""
_SIGN_ENDS = r"(?:[-_](?:bold|box|circle|mark|sign|squared?|thick|\d{1,3})){0,4}"
_SIGN_BEGINS = r"(?:[a-z\d]{1,20}[-_]){0,5}"
SIGN_NAME = re.compile(
    rf"(?<![\w:]):(?:({_SIGN_BEGINS}(?:check|tick){_SIGN_ENDS})"
    rf"|{_SIGN_BEGINS}(?:close|cross|no_entry|times|x|xmark){_SIGN_ENDS})"
    r":(?!\w)(?:\{[^{}\n]{0,100}\})?"
)
"""A tick or a cross by its name."""
TARGET = re.compile(r"\([\w:./-]{1,100}\)=[ \t]*$")
SPAN = re.compile(r"(?<!!)\[([^\[\]\n]{0,300})\]\{[^{}\n]{1,200}\}")
CODE_SPAN = re.compile(r"(`+)(?:(?!\1).)+\1(?!`)")
HELD = "\ue000"
HELD_BLOCK = re.compile(f"<p>{HELD}(\\d+){HELD}</p>|{HELD}(\\d+){HELD}")
IN_LINE = ("{", "[[", "^", "==", "~", "++")
FIRST = frozenset("`~:=<({[")
WORDS = ("import ", "export ", "% ")
"""A line that begins with none of these, and holds no mark, has none of it."""


@dataclass
class Dialects:
    """A source to plain Markdown; directives are rendered by ``render`` (Markdown to HTML) and put
    in their places in the HTML afterwards."""

    render: Callable[[str], str]
    held: list[str] = field(default_factory=list)
    _depth: int = 0

    def plain(self, source: str) -> str:
        """The source as Markdown with places for what is rendered already."""
        if self._depth > MAX_DEPTH:
            return source
        self._depth += 1
        source = source.replace(HELD, "")
        is_module = bool(COMPONENT.search(source)) and bool(JSX.search(source))
        is_module = is_module or ("import " in source and _has_tags(source))
        if is_module:
            source = JSX_NOTE.sub("", source)
        if "%%" in source:
            source = _outside_fences(source, lambda text: TWO_PERCENTS.sub("", text))
        if SIGN_NAME.search(source):
            source = _outside_fences(
                source, lambda text: SIGN_NAME.sub(lambda one: "✓" if one[1] else "✗", text)
            )
        made = "\n".join(self._lines(source.split("\n"), is_module))
        self._depth -= 1
        return made

    def filled(self, html: str) -> str:
        """The HTML with what was rendered in its place; it may hold such places itself."""
        for _ in range(MAX_DEPTH):
            if HELD not in html:
                break
            html = HELD_BLOCK.sub(lambda one: self._held(int(one[1] or one[2])), html)
        return html.replace(HELD, "")

    def _held(self, number: int) -> str:
        return self.held[number] if number < len(self.held) else ""

    def _hold(self, html: str) -> list[str]:
        self.held.append(html)
        return ["", f"{HELD}{len(self.held) - 1}{HELD}", ""]

    def _html(self, lines: Sequence[str]) -> str:
        return self.render(self.plain("\n".join(lines)))

    def _inline(self, text: str) -> str:
        return re.sub(r"\A<p>|</p>\s*\Z", "", self._html([text]).strip())

    def _lines(self, lines: Sequence[str], is_module: bool) -> list[str]:
        made, at = list[str](), 0
        while at < len(lines):
            line = lines[at]
            if not _is_special(line):
                made.append(line)
                at += 1
            elif found := self._directive(line):
                end = _end_of_fence(lines, at, found[1])
                made += self._hold(self._shown(found, lines[at + 1 : end]))
                at = end + 1
            elif mark := FENCE.match(line):
                end = _end_of_fence(lines, at, mark[1])
                made += lines[at : end + 1]
                at = end + 1
            elif found := TAB.fullmatch(line):
                inside, at = _indented(lines, at + 1, len(found[1]) + 2)
                made += self._hold(box(self._inline(found[2]), self._html(inside)))
            elif ONE_LINE.fullmatch(line):
                at += 1
            elif (found := COLONS.fullmatch(line)) and found[2]:
                end = _end_of_colons(lines, at)
                made += self._hold(self._boxed(found[2], lines[at + 1 : end]))
                at = end + 1
            elif is_module and (MODULE.fullmatch(line) or JSX.fullmatch(line)):
                inside, at = self._component(lines, at)
                made += inside
            elif SHORTCODE.search(line):
                inside, at = self._shortcode(lines, at)
                made += inside
            else:
                made += self._plain_line(line)
                at += 1
        return made

    def _plain_line(self, line: str) -> list[str]:
        if TARGET.fullmatch(line) or line.strip() in ("[[_TOC_]]", "[TOC]", "[[toc]]"):
            return []
        if COLONS.fullmatch(line):
            return [""]
        if self.held and line.startswith("% "):
            return []
        if any(mark in line for mark in IN_LINE):
            return [_outside_code(line, _unmarked)]
        return [line]

    def _directive(self, line: str) -> re.Match[str] | None:
        found = DIRECTIVE.fullmatch(line)
        return found if found and not CELL.fullmatch(found[2]) else None

    def _shown(self, found: re.Match[str], body: Sequence[str]) -> str:
        """A directive, its options also between dashes."""
        lines = list(body)
        if lines[:1] == ["---"] and "---" in lines[1:]:
            end = lines.index("---", 1)
            lines = [f":{line.replace(': ', ': ', 1)}" for line in lines[1:end]] + lines[end + 1 :]
            lines = [re.sub(r"^:([\w-]+): ?", r":\1: ", line) for line in lines]
        lines = [line for line in lines if not line.startswith("% ")]
        return shown(Directive(found[2], found[3], lines), self._html, self._inline)

    def _boxed(self, said: str, body: Sequence[str]) -> str:
        """What stands between colons: a box, under the title that is told or begins it."""
        title, lines = _title_of(said), dedented(body)
        if not title and lines and (found := re.match(r"#{1,6}[ \t]+(\S.*)$", lines[0])):
            if "panel-tabset" in said:
                return self._tabset(lines)
            title, lines = found[1], lines[1:]
        kind = OPENED.fullmatch(said)
        name = kind[1].lower() if kind else ""
        if not title and name in ALERTS:
            title = name.capitalize()
        return box(self._inline(title) if title else "", self._html(lines))

    def _tabset(self, lines: Sequence[str]) -> str:
        """Each heading of the highest level is a tab."""
        tabs: list[tuple[str, list[str]]] = []
        level = re.match("#+", lines[0])
        begins = re.compile(rf"#{{{len(level[0]) if level else 1}}}[ \t]+(\S.*)$")
        for line in lines:
            if found := begins.match(line):
                tabs.append((found[1], []))
            elif tabs:
                tabs[-1][1].append(line)
        return "".join(box(self._inline(name), self._html(inside)) for name, inside in tabs)

    def _component(self, lines: Sequence[str], at: int) -> tuple[list[str], int]:
        """A component of MDX on a line of its own: what has a title is a box."""
        found = JSX.fullmatch(lines[at])
        if found is None:
            return [], at + 1
        if found[5]:
            return self._hold(box(_title(found[3]), self._inline(found[5]))), at + 1
        if found[1] or found[4]:
            return [""], at + 1
        end = _end_of_tag(lines, at, found[2])
        title = _title(found[3])
        return self._hold(box(title, self._html(dedented(lines[at + 1 : end])))), end + 1

    def _shortcode(self, lines: Sequence[str], at: int) -> tuple[list[str], int]:
        """A code of Hugo: what has an end is a box, under its title; others show nothing."""
        line = lines[at]
        found = SHORTCODE.fullmatch(line.strip())
        if found is None or found[1]:
            rest = SHORTCODE.sub("", line)
            return ([rest] if rest.strip() else [""]), at + 1
        end = _end_of_code(lines, at, found[2])
        if end < 0:
            return [""], at + 1
        own = FIRST_TEXT.match(found[3])
        title = _title(found[3]) or (escape(own[1]) if own else "")
        if not title:
            named = [word.lower() for word in (*found[3].split(), found[2])]
            title = next((word.capitalize() for word in named if word in ALERTS), "")
        return self._hold(box(title, self._html(dedented(lines[at + 1 : end])))), end + 1


def _is_special(line: str) -> bool:
    if line.lstrip()[:1] in FIRST or line.startswith(WORDS):
        return True
    # A loop over the marks takes three times as long, and this is asked of each line.
    in_words = "{" in line or "[[" in line or "==" in line
    return in_words or "^" in line or "~" in line or "++" in line or "%%" in line


def _has_tags(source: str) -> bool:
    return bool(re.search(r"(?m)^import\s.+\sfrom\s+[\"']", source))


def _title(attributes: str) -> str:
    found = TITLE.search(attributes)
    return escape(found[1]) if found else ""


def _title_of(said: str) -> str:
    """The title that stands beside the kind of a box."""
    if found := TITLE.search(said):
        return found[1]
    opened = OPENED.fullmatch(said)
    rest = opened[2].strip() if opened else ""
    return "" if rest.startswith(("{", "}", ".", "#")) else rest.strip("[]").strip()


def _unmarked(text: str) -> str:
    """A piece of a line without names, attributes and marks of links."""
    text = SUGGESTED.sub(lambda one: one[1] or one[2] or one[3] or "", text)
    text = WIKI_LINK.sub(_linked, text)
    text = ROLE.sub("", SPAN.sub(r"\1", ATTRIBUTES.sub("", text)))
    text = LOWERED.sub(r"<sub>\1</sub>", RAISED.sub(r"<sup>\1</sup>", MARKED.sub(r"\2", text)))
    return BLOCK_NAME.sub("", text)


def _linked(found: re.Match[str]) -> str:
    if found[1]:
        return ""
    return found[3] or found[2].replace("#^", "#").replace("#", " ").strip()


def _outside_code(line: str, change: Callable[[str], str]) -> str:
    """The line, changed but for what stands between backticks; a role before these goes too."""
    if "`" not in line:
        return change(line)
    parts, at = list[str](), 0
    for found in CODE_SPAN.finditer(line):
        before = line[at : found.start()]
        parts += [change(f"{before}`")[:-1], found[0]]
        at = found.end()
    return "".join([*parts, change(line[at:])])


def _outside_fences(source: str, change: Callable[[str], str]) -> str:
    parts = re.split(r"(?ms)^([ ]{0,3}(?:```|~~~).*?^[ ]{0,3}(?:```|~~~)[`~]*[ \t]*$)", source)
    return "".join(part if n % 2 else change(part) for n, part in enumerate(parts))


def _end_of_fence(lines: Sequence[str], at: int, mark: str) -> int:
    """The line that closes a fence, or the last one."""
    for place in range(at + 1, len(lines)):
        line = lines[place].strip()
        if line.startswith(mark) and not line.strip(mark[0]):
            return place
    return len(lines)


def _end_of_colons(lines: Sequence[str], at: int) -> int:
    """The line that closes a box of colons: one within it may be as long."""
    depth = 0
    for place in range(at, len(lines)):
        found = COLONS.fullmatch(lines[place])
        if found:
            depth += 1 if found[2] else -1
            if depth == 0:
                return place
    return len(lines)


def _end_of_tag(lines: Sequence[str], at: int, name: str) -> int:
    depth = 0
    for place in range(at, len(lines)):
        found = JSX.fullmatch(lines[place])
        if found and found[2] == name and not found[4] and not found[5]:
            depth += -1 if found[1] else 1
            if depth == 0:
                return place
    return len(lines)


def _end_of_code(lines: Sequence[str], at: int, name: str) -> int:
    """The line with the end of a code; -1 where it has none."""
    depth = 0
    for place in range(at, len(lines)):
        for found in SHORTCODE.finditer(lines[place]):
            if found[2] == name:
                depth += -1 if found[1] else 1
                if depth == 0:
                    return place
    return -1


def _indented(lines: Sequence[str], at: int, by: int) -> tuple[list[str], int]:
    end = at
    while end < len(lines) and (not lines[end].strip() or lines[end][:by].isspace()):
        end += 1
    return dedented([line.expandtabs(4) for line in lines[at:end]]), end
