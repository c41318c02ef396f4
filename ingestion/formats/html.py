"""HTML as a reader of the page sees it."""

import re
from collections.abc import Iterator
from typing import Any

from ingestion.formats.charset import decode
from ingestion.formats.document import Read
from ingestion.formats.equations import from_mathml
from ingestion.formats.html_facts import MAY_ASK, Facts, facts_of
from ingestion.formats.html_hidden import style_inside
from ingestion.formats.html_signs import SIGN_TAGS, sign_of
from ingestion.formats.html_tags import ANSWERED, ASKED, BACK_LINK, BOXED, MARKED, integer, names_of
from ingestion.formats.html_writer import Writer
from ingestion.formats.symbol_fonts import printed

MAX_DEPTH = 400
"""As browsers do: deeper elements are taken as children of the last one."""
LONGEST_TAG = 50_000
"""Characters of a tag beyond which its attributes go: the parser compares each with each."""
CLOSED_BY_OTHERS = frozenset(
    "p li dt dd tr td th thead tbody tfoot colgroup option optgroup rb rt rp body html head".split()
)
VOID = frozenset("area base br col embed hr img input link meta source track wbr param".split())
RAW = frozenset({"script", "style", "textarea", "title"})
DOUBT = "It is in the colour of the page, over a picture."
INLINE = frozenset({"span", "a", "small", "font", "b", "i", "em", "strong", "u", "big", "abbr"})


def read(data: bytes) -> Read:
    """The page without what is hidden or only leads elsewhere."""
    return page(decode(data))


def page(source: str) -> Read:
    """The text of an HTML page or fragment; its title, else its first heading."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(shallow(source))
    if tree.root is None:
        return Read("", [])
    title = tree.css_first("head > title")
    writer = _walk(tree, source)
    return Read(
        (title.text() if title else "") or writer.heading, writer.blocks, _valid_until(tree)
    )


def shallow(source: str) -> str:
    """The source without the tags that nest beyond what any page needs.

    The parser looks through all open elements at many tags: the time grows with the square of the
    depth.
    """
    if source.count("<") < MAX_DEPTH and len(source) < LONGEST_TAG:
        return source
    parts, depth, at = [], 0, 0
    for start, end, tag, closing in _tags(source):
        if end - start > LONGEST_TAG:
            parts += [source[at:start], f"<{tag}>"]
            at = end
        if tag in VOID or tag in CLOSED_BY_OTHERS:
            continue
        if depth >= MAX_DEPTH + closing:
            parts.append(source[at:start])
            at = end
        depth = max(0, depth - 1) if closing else depth + 1
    return "".join([*parts, source[at:]])


TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]{0,40})[^>]*>|<!--")


def _tags(source: str) -> Iterator[tuple[int, int, str, bool]]:
    """(start, end, name, is it an end tag) of each tag outside comments and scripts."""
    at = 0
    while found := TAG.search(source, at):
        at = found.end()
        if found[2] is None:
            end = source.find("-->", at)
            at = len(source) if end < 0 else end + 3
            continue
        tag = found[2].lower()
        yield found.start(), at, tag, found[1] == "/"
        if tag in RAW and not found[1]:
            close = re.compile(f"</{tag}", re.IGNORECASE).search(source, at)
            at = close.start() if close else len(source)


def _valid_until(tree: Any) -> str | None:
    meta = tree.css_first("meta[name='valid_until' i], meta[name='valid-until' i]")
    return (meta.attributes.get("content") or "") if meta else None


def _walk(tree: Any, source: str) -> Writer:
    from ingestion.formats.css import Sheets, Style

    sheets = Sheets.of(tree, MAY_ASK.search(source) is not None)
    facts, writer = facts_of(tree, source, sheets), Writer()
    start = Style()
    # An explicit stack: hostile pages nest deeper than Python recurses.
    # What is closed is named by its tag; a raised span closes as a sup does.
    stack: list[tuple[Any, str, Style]] = [(tree.root, "", start)]
    notes: list[Any] = []
    while stack or notes:
        if not stack:
            stack.extend(_noted(notes, start, sheets, facts))
            continue
        node, closing, style = stack.pop()
        if isinstance(node, str):
            writer.note(node)
        elif closing:
            writer.close(closing)
            if notes and writer.between_blocks:
                stack.extend(_noted(notes, start, sheets, facts))
        elif (tag := node.tag) == "-text":
            if not style.unseen:
                writer.doubt = DOUBT if style.doubtful else ""
                said = node.text_content or ""
                writer.text(printed(said, style.font) if style.font else said)
        elif node.is_element_node:
            if facts.may_sign and tag in SIGN_TAGS and (sign := sign_of(node, tag)):
                if not style.unseen:
                    writer.text(f" {sign} ")
                continue
            inside = style_inside(node, style, sheets, facts)
            if inside is None:
                continue
            if tag == "br" and node.mem_id in facts.asked.joins:
                writer.text(" ")
                continue
            if tag == "math":
                writer.text(from_mathml(node))
                continue
            if tag == "a" and facts.notes and _cites(node, facts):
                notes.append(node)
            if inside.mark and tag in INLINE:
                writer.open_mark(inside.mark)
                stack.append((node, inside.mark, inside))
            else:
                if node.mem_id in facts.asked.boxes:
                    stack.append((node, BOXED, inside))
                if node.mem_id in facts.asked.around:
                    stack.append((node, ANSWERED, inside))
                is_asked = node.mem_id in facts.asked.questions
                begins = tag == "a" and writer.at_start and _is_mark(node)
                tag = ASKED if is_asked else MARKED if begins else _part_of_table(node, tag)
                writer.open(node, tag, facts, inside.list_type)
                stack.append((node, tag, inside))
            children = node.iter(include_text=True) if tag != "table" else _in_order(node)
            stack += [(child, "", inside) for child in children][::-1]
    writer.finish()
    return writer


PLACES = {"caption": 0, "colgroup": 0, "thead": 1, "tfoot": 3}


def _in_order(table: Any) -> list[Any]:
    """The parts of a table as they are shown: its head first and its foot last, wherever they
    stand."""
    return sorted(table.iter(include_text=True), key=lambda part: PLACES.get(part.tag, 2))


TABLE_ROLES = {"table": "table", "grid": "table", "row": "tr", "cell": "td", "gridcell": "td"}
TABLE_ROLES |= {"columnheader": "th", "rowheader": "th"}
MAX_HEADING = 6
MAY_BE_TABLE = frozenset({"div", "span", "ul", "ol", "li", "section", "a", "p", "h3", "h4"})


def _part_of_table(node: Any, tag: str) -> str:
    """The tag that an element stands for: one that arranges a table says so by its role."""
    if tag not in MAY_BE_TABLE:
        return tag
    attributes = node.attributes
    role = attributes.get("role") or ""
    if role == "heading":
        level = integer(attributes.get("aria-level")) or 2
        return f"h{max(1, min(level, MAX_HEADING))}"
    return TABLE_ROLES.get(role, tag)


MARK = re.compile(r"\[?(?:\d{1,3}|[a-z]|[ivx]{2,4}|[*†‡]+)\]?")


def _is_mark(link: Any) -> bool:
    """Whether a link is the mark of a note, which leads back to where it is cited."""
    leads_within = (link.attributes.get("href") or "").startswith("#")
    return leads_within and MARK.fullmatch(link.text().strip()) is not None


def _cites(link: Any, facts: Facts) -> bool:
    note = facts.notes.get(link.attributes.get("href") or "")
    if note is None or note.mem_id in facts.moved:
        return False
    return not BACK_LINK.search(names_of(link.attributes))


def _noted(links: list[Any], start: Any, sheets: Any, facts: Facts) -> list[tuple[Any, str, Any]]:
    """What to walk for the notes that ``links`` cite, last first; empties ``links``."""
    found: list[tuple[Any, str, Any]] = []
    for link in links:
        note = facts.notes[link.attributes.get("href") or ""]
        if note.mem_id in facts.moved:
            continue
        style = _style_of(note, start, sheets, facts)
        facts.moved.add(note.mem_id)
        if style is not None:
            found.append((" ".join(link.text().split()), "", style))
            found.extend((child, "", style) for child in note.iter(include_text=True))
    links.clear()
    return found[::-1]


def _style_of(node: Any, start: Any, sheets: Any, facts: Facts) -> Any | None:
    """The style inside an element anywhere in the page, None where no reader sees it."""
    chain = []
    while node is not None and node.is_element_node:
        chain.append(node)
        node = node.parent
    style = start
    for one in reversed(chain):
        style = style_inside(one, style, sheets, facts) if style is not None else None
    return style
