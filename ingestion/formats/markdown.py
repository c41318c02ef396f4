"""Markdown, through HTML: what is hidden there is hidden here."""

import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from ingestion.formats import drawn_tables
from ingestion.formats.aligned import has_header
from ingestion.formats.charset import decode
from ingestion.formats.document import Read
from ingestion.formats.html import page
from ingestion.formats.limits import MAX_TEXT_CHARACTERS
from ingestion.formats.markdown_dialects import Dialects
from ingestion.formats.text import LINE_BREAK

FRONT_MATTER = re.compile(
    r"\A(?:---[ \t]*\n((?:\w[\w-]*[ \t]*:.*\n|[ \t#-].*\n|\n)*)(?:---|\.\.\.)[ \t]*\n"
    r"|\+\+\+[ \t]*\n((?:[\w.-]+[ \t]*=.*\n|[ \t#\[\]\"'].*\n|\n)*)\+\+\+[ \t]*\n)"
)
"""Between dashes as YAML, between plus signs as TOML."""
VALID_UNTIL = re.compile(
    r"(?m)^valid_until[ \t]*[:=][ \t]*[\"']?([^\"'\n#]*?)[\"']?[ \t]*(?:#.*)?$"
)
TITLE = re.compile(r"(?m)^title[ \t]*[:=][ \t]*[\"']?(.*?)[\"']?[ \t]*$")


ALERT = re.compile(r"(?m)^((?:[ \t]{0,9}>){1,9}[ \t]*)\[!(\w{1,20})\][-+]?[ \t]*(.*)$")
BOX = re.compile(
    r"(?m)^([ ]*)(?:!!!|\?\?\?\+?)[ \t]+([\w-]{1,30})(?:[ \t][\w -]*)?(?:[ \t]+\"(.*)\")?[ \t]*\n"
    r"((?:(?:\1(?:[ ]{4}|\t).*|[ \t]*)(?:\n|\Z))+)"
)
FENCE = re.compile(r"[ ]{0,3}(`{3,}|~{3,})")
QUESTION = re.compile(r"(?m)^[ ]{0,3}(\*\*|__)[^*_\n]{1,200}\?\1[ \t]*\\?$")
INDENT = re.compile(r"(?m)^[ ]*(?:[ ]{4}|\t)")
"""Notes, warnings and the like: quoted, or indented below a line."""
PAGE_TITLE = re.compile(r"\A(?:%[ \t]+\S.*\n){1,3}(?=\n)")
"""Title, author and date as pandoc writes them."""
TOLD = re.compile(r"(?m)^[ ]{0,3}[:~][ \t]")
"""What is told of a term."""
DENSE = 1000
"""Brackets in one paragraph beyond which they are no links: the parser tries each with each."""
STARTS_UNIT = re.compile(r"[ \t]*(?:[-*+|#>]|\d+[.)]|$)")
LINKS = ("link", "image", "footnote_ref", "footnote_inline")


def read(data: bytes) -> Read:
    """The text as a reader of the rendered page sees it."""
    # Through HTML, so that raw HTML inside Markdown is judged by the same rules: text hidden in
    # a <div> that spans several blocks stays out.
    from markdown_it import MarkdownIt
    from mdit_py_plugins.deflist import deflist_plugin
    from mdit_py_plugins.footnote import footnote_plugin

    source = LINE_BREAK.sub("\n", decode(data, MAX_TEXT_CHARACTERS))
    front = FRONT_MATTER.match(source)
    body = PAGE_TITLE.sub("", source[front.end() :] if front else source)
    parser = MarkdownIt("commonmark", {"maxNesting": 100}).enable(["table", "strikethrough"])
    parser.use(footnote_plugin)
    if TOLD.search(body):
        parser.use(deflist_plugin)
    if _is_dense(body):
        parser.disable(LINKS)
    dialects = Dialects(lambda text: parser.render(_prepared(text)))
    found = page(dialects.filled(parser.render(_prepared(dialects.plain(body)))))
    facts = (front[1] or front[2] or "") if front else ""
    stated, until = TITLE.search(facts), VALID_UNTIL.search(facts)
    title = found.title or (stated[1] if stated else "")
    return Read(title, found.blocks, until[1] if until else None, front=front[0] if front else "")


def _prepared(source: str) -> str:
    return _with_questions(_with_rows(_without_boxes(source)))


def _without_boxes(source: str) -> str:
    """The source with the boxes of several programs as paragraphs under their titles."""
    source = ALERT.sub(_titled, source)
    return BOX.sub(_unboxed, source) if "!!!" in source or "???" in source else source


def _titled(alert: re.Match[str]) -> str:
    """The first line of a quoted box; a title of its own stands on a line of its own."""
    title = alert[3].rstrip()
    return f"{alert[1]}**{alert[2].capitalize()}:** {title}{'  ' if title else ''}"


def _with_rows(source: str) -> str:
    """The source with the tables that are drawn outside fences as rows between bars."""
    if "+--" not in source and "┬" not in source and "╦" not in source and "┳" not in source:
        return source
    made: list[str] = []
    for fenced, lines in groupby(_told_fenced(source.split("\n")), key=lambda told: told[0]):
        run = [line for _, line in lines]
        for part, table in [(run, None)] if fenced else drawn_tables.parts(run):
            is_set = part[0].startswith(("    ", "\t"))
            made += part if table is None or is_set else ["", *_piped(table), ""]
    return "\n".join(made)


def _with_questions(source: str) -> str:
    """The source with questions in bold as paragraphs of their own, where they begin one."""
    if not QUESTION.search(source):
        return source
    made: list[str] = []
    begins = True
    for fenced, line in _told_fenced(source.split("\n")):
        asks = begins and not fenced and QUESTION.fullmatch(line)
        made += [line.rstrip().removesuffix("\\"), ""] if asks else [line]
        begins = not line.strip()
    return "\n".join(made)


def _told_fenced(lines: Sequence[str]) -> Iterator[tuple[bool, str]]:
    """Each line, and whether it stands between fences or is one."""
    fence = ""
    for line in lines:
        mark = FENCE.match(line)
        yield bool(fence or mark), line
        if not fence:
            fence = mark[1] if mark else ""
        elif mark and mark[1].startswith(fence) and not line.strip(" `~"):
            fence = ""


def _piped(table: drawn_tables.Drawn) -> Iterator[str]:
    columns = max(map(len, table.rows))
    headers = min(table.headers, 1) or int(has_header(table.rows))
    rows = [row if len(row) > 1 else row * columns for row in table.rows]
    for row in [*(rows[:headers] or [[""] * columns]), ["---"] * columns, *rows[headers:]]:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _unboxed(box: re.Match[str]) -> str:
    title = (box[3] if box[3] is not None else box[2].capitalize()).strip()
    inside = re.sub(INDENT, box[1], box[4])
    if not title or box[1]:
        return f"{box[1]}**{title}**\n\n{inside}\n" if title else f"\n{inside}\n"
    return f"<details><summary>{escape(title)}</summary>\n\n{inside}\n\n</details>\n\n"


def _is_dense(source: str) -> bool:
    """Whether a paragraph, item or row holds more brackets than links could need."""
    if source.count("[") <= DENSE:
        return False
    count = 0
    for line in source.split("\n"):
        count = line.count("[") + (0 if STARTS_UNIT.match(line) else count)
        if count > DENSE:
            return True
    return False
