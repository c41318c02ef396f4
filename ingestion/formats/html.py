"""HTML as a reader of the page sees it."""

import re
from dataclasses import dataclass, field
from typing import Any

from ingestion.formats.document import Block, Read
from ingestion.formats.text import decode

DROPPED = frozenset(
    {"audio", "button", "canvas", "datalist", "footer", "head", "iframe", "math", "nav"}
    | {"noscript", "object", "script", "select", "style", "svg", "template", "textarea", "video"}
)
DROPPED_ROLES = frozenset({"navigation", "contentinfo", "search"})
HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
PARAGRAPHS = HEADINGS | {"address", "article", "aside", "blockquote", "dl", "fieldset", "figure"}
PARAGRAPHS |= {"header", "hr", "main", "p", "pre", "section", "table"}
LINES = frozenset(
    {"body", "br", "caption", "dd", "details", "div", "dt", "figcaption", "form", "legend", "li"}
    | {"summary", "tr"}
)
HIDING_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)"
    r"|(?:font-size|opacity)\s*:\s*0*\.?0+(?:[a-z%]+)?\s*(?:!|;|$)",
    re.IGNORECASE,
)


def read(data: bytes) -> Read:
    """The page without what is hidden or only leads elsewhere."""
    source = decode(data)
    title, heading, body = html_text(source)
    return Read(title or heading, [Block(body)], _meta_valid_until(source))


def html_text(source: str) -> tuple[str, str, str]:
    """(title, first heading, text) of an HTML page or fragment."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(source)
    if tree.root is None:
        return "", "", ""
    title = tree.css_first("head > title")
    writer = _HtmlWriter()
    # An explicit stack: hostile pages nest deeper than Python recurses.
    stack: list[tuple[Any, bool]] = [(tree.root, False)]
    while stack:
        node, closing = stack.pop()
        if closing:
            writer.close(node.tag)
        elif node.tag == "-text":
            writer.text(node.text_content or "")
        elif node.is_element_node and not _unseen(node):
            writer.open(node)
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(list(node.iter(include_text=True))))
    return title.text() if title else "", writer.heading, "".join(writer.parts)


def _unseen(node: Any) -> bool:
    if node.tag in DROPPED:
        return True
    if node.tag == "header" and node.css_first("nav") and not node.css_first("h1"):
        return True
    attributes = node.attributes
    return (
        "hidden" in attributes
        or (attributes.get("aria-hidden") or "").lower() == "true"
        or (attributes.get("role") or "").lower() in DROPPED_ROLES
        or bool(HIDING_STYLE.search(attributes.get("style") or ""))
    )


@dataclass
class _HtmlWriter:
    """Turns opened and closed elements into text as a reader would see it."""

    parts: list[str] = field(default_factory=list)
    heading: str = ""
    _breaks: int = 0
    _space: bool = False
    _after_marker: bool = False
    _pre: int = 0
    _row: int | None = None
    _cell: bool = False
    _lists: list[int | None] = field(default_factory=list)
    _layouts: list[bool] = field(default_factory=list)
    _heading_at: int | None = None

    def open(self, node: Any) -> None:
        tag = node.tag
        self._break_around(tag)
        if tag == "li":
            self._open_item()
        elif tag in ("ul", "ol"):
            self._lists.append(1 if tag == "ol" else None)
        elif tag == "pre":
            self._pre += 1
        elif tag == "table":
            self._layouts.append(_is_layout(node))
        elif tag == "tr":
            self._row = 0
        elif tag in ("td", "th"):
            self._open_cell()
        elif tag in HEADINGS and not self.heading:
            self._heading_at = len(self.parts)

    def close(self, tag: str) -> None:
        if tag in ("ul", "ol"):
            self._lists.pop()
        elif tag == "pre":
            self._pre -= 1
        elif tag == "table":
            self._layouts.pop()
        elif tag in ("td", "th"):
            self._cell = False
        elif tag in HEADINGS and self._heading_at is not None:
            self.heading = "".join(self.parts[self._heading_at :]).strip()
            self._heading_at = None
        self._break_around(tag)

    def text(self, text: str) -> None:
        if self._pre and not self._cell:
            self._flush(space=False)
            self.parts.append(text)
            return
        words = text.split()
        if words:
            self._flush(space=self._space or text[0].isspace())
            self.parts.append(" ".join(words))
        self._space = text[-1:].isspace() or (self._space and not words)

    def _flush(self, space: bool) -> None:
        if self._breaks and self.parts:
            self.parts.append("\n" * self._breaks)
        elif space and self.parts and not self._after_marker:
            self.parts.append(" ")
        self._breaks, self._space, self._after_marker = 0, False, False

    def _break_around(self, tag: str) -> None:
        wanted = 2 if tag in PARAGRAPHS else 1 if tag in LINES else 0
        if tag in ("ul", "ol"):
            wanted = 2
        if tag in ("ul", "ol", "p") and self._lists:
            wanted = 1
        if tag in ("td", "th") and self._layouts and self._layouts[-1]:
            wanted = 1
        if not wanted or self._after_marker:
            return
        if self._cell:
            self._space = True
        else:
            self._breaks = max(self._breaks, wanted)

    def _open_item(self) -> None:
        number = self._lists[-1] if self._lists else None
        if number is not None:
            self._lists[-1] = number + 1
        if self._cell:
            return
        self._flush(space=False)
        indent = "  " * (len(self._lists) - 1)
        self.parts.append(f"{indent}{'-' if number is None else f'{number}.'} ")
        self._after_marker = True

    def _open_cell(self) -> None:
        if self._layouts and self._layouts[-1]:
            return
        if self._row:
            self._flush(space=False)
            self.parts.append(" | ")
            self._after_marker = True
        self._row = (self._row or 0) + 1
        self._cell = True


def _is_layout(table: Any) -> bool:
    """Tables that arrange a page hold blocks; a row of theirs is no line of text."""
    return table.css_first("table table, h1, h2, h3, h4, pre, blockquote, p + p") is not None


def _meta_valid_until(source: str) -> str | None:
    if "valid" not in source.lower():
        return None
    from selectolax.lexbor import LexborHTMLParser

    meta = LexborHTMLParser(source).css_first(
        "meta[name='valid_until' i], meta[name='valid-until' i]"
    )
    return (meta.attributes.get("content") or "") if meta else None
