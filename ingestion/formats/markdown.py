"""Markdown, through HTML: what is hidden there is hidden here."""

import re

from ingestion.formats.document import Block, Read
from ingestion.formats.html import html_text
from ingestion.formats.text import LINE_BREAK, decode

FRONT_MATTER = re.compile(
    r"\A---[ \t]*\n((?:[\w-]+[ \t]*:.*\n|[ \t#-].*\n|\n)*)(?:---|\.\.\.)[ \t]*\n"
)
VALID_UNTIL = re.compile(r"(?m)^valid_until[ \t]*:[ \t]*[\"']?([^\"'\n#]*?)[\"']?[ \t]*(?:#.*)?$")


def read(data: bytes) -> Read:
    """The text as a reader of the rendered page sees it."""
    # Through HTML, so that raw HTML inside Markdown is judged by the same rules: text hidden in
    # a <div> that spans several blocks stays out.
    from markdown_it import MarkdownIt

    source = LINE_BREAK.sub("\n", decode(data))
    front = FRONT_MATTER.match(source)
    rendered = (
        MarkdownIt("commonmark", {"maxNesting": 100})
        .enable("table")
        .render(source[front.end() :] if front else source)
    )
    _, heading, body = html_text(rendered)
    stated = re.search(
        r"(?m)^title[ \t]*:[ \t]*[\"']?(.*?)[\"']?[ \t]*$", front[1] if front else ""
    )
    until = VALID_UNTIL.search(front[1]) if front else None
    title = heading or (stated[1] if stated else "")
    return Read(title, [Block(body)], until[1] if until else None)
