"""HTML as a reader of the page sees it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from ingestion.formats.asked import BOX_TITLES, Asked, asked, is_within, titled
from ingestion.formats.charset import decode
from ingestion.formats.document import Block, Read
from ingestion.formats.equations import from_mathml
from ingestion.formats.numerals import numeral
from ingestion.formats.preformatted import is_marked_up_code, tables_within
from ingestion.formats.tables import Table
from ingestion.formats.text import lowered, raised

DROPPED = frozenset(
    {"audio", "canvas", "datalist", "del", "head", "iframe", "nav", "noscript", "object", "rp"}
    | {"rt", "s", "script", "select", "strike", "style", "svg", "template", "textarea", "video"}
)
DROPPED_ROLES = frozenset({"navigation", "contentinfo", "search"})
HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
PARAGRAPHS = HEADINGS | {"address", "article", "aside", "blockquote", "dl", "fieldset", "figure"}
ASKED, ANSWERED, BOXED = "asked", "answered", "boxed"
"""A question above its answer or the title of a box, the end of what holds the question and its
answer, and that of a box; no page has such tags."""
PARAGRAPHS |= {ASKED, "footer", "header", "hr", "main", "p", "pre", "section", "table"}
LINES = frozenset(
    {"body", "br", "caption", "dd", "details", "dialog", "div", "dt", "figcaption", "form"}
    | {"legend", "li", "summary", "tr"}
)
BREAKS = dict.fromkeys(LINES, 1) | dict.fromkeys(PARAGRAPHS | {"ul", "ol"}, 2)
"""Line breaks around an element."""
OF_TABLES = frozenset({"td", "th", "tr", "thead"})
OWN_FOOTER = frozenset({"article", "blockquote", "section", "figure", "dialog", "li"})
"""A footer in one of these belongs to it; any other is the site's."""
MAX_DEPTH = 400
"""As browsers do: deeper elements are taken as children of the last one."""
LONGEST_TAG = 50_000
"""Characters of a tag beyond which its attributes go: the parser compares each with each."""
MAX_INDENT = 8
CLOSED_BY_OTHERS = frozenset(
    "p li dt dd tr td th thead tbody tfoot colgroup option optgroup rb rt rp body html head".split()
)
VOID = frozenset("area base br col embed hr img input link meta source track wbr param".split())
RAW = frozenset({"script", "style", "textarea", "title"})
CONTROLS = ("aria-controls", "data-bs-target", "data-target", "popovertarget")
QUESTION = re.compile(r"[?？؟]\s*$")


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


# --- What belongs to what --------------------------------------------------------------------


@dataclass
class _Facts:
    """What a first pass over a page finds out, by ``mem_id`` of the elements."""

    layouts: set[int] = field(default_factory=set)
    """Tables that arrange a page: they hold blocks; a row of theirs is no line of text."""
    site_headers: set[int] = field(default_factory=set)
    labels: dict[int, str] = field(default_factory=dict)
    """The tab that opens a panel."""
    placed: set[int] = field(default_factory=set)
    """Tabs whose label stands at their panel."""
    notes: dict[str, Any] = field(default_factory=dict)
    """Footnotes by the address their mark leads to; they stand where they are cited."""
    moved: set[int] = field(default_factory=set)
    """Footnotes that were written already."""
    beside: dict[int, str] = field(default_factory=dict)
    """What stands before the parts of a card, which go on the line of its first one."""
    banners: set[int] = field(default_factory=set)
    """What asks to allow cookies, with its buttons."""
    asked: Asked = field(default_factory=Asked)
    reachable: set[int] = field(default_factory=set)
    """What a button opens: hidden until then, but there for every reader."""


BLOCKS = ("h1", "h2", "h3", "h4", "pre", "blockquote", "p + p", "table")
IN_LAYOUT = ", ".join(f"table {block}" for block in BLOCKS)
"""What stands in a table only where that arranges a page."""
NAMED = re.compile(r"id\b(?<!\wid)")
OPENS = ("<button", "role", "data-t", "data-bs-t", "tabs")
"""Without these a source in small letters has no element with an id, and none that opens another.
What is looked for begins with plain letters: all else takes ten times as long."""


def _facts(tree: Any, source: str, sheets: Any) -> _Facts:
    facts = _Facts()
    lowered_source = source.lower()
    if "<table" in lowered_source:
        arranged = {(outer := _around(node, "table")).mem_id: outer for node in tree.css(IN_LAYOUT)}
        facts.layouts = {id for id, outer in arranged.items() if not _is_table_of_tables(outer)}
    if "<header" in lowered_source:
        headers: dict[int, set[str]] = {}
        for node in tree.css("header nav, header h1"):
            headers.setdefault(_around(node, "header").mem_id, set()).add(node.tag)
        facts.site_headers = {id for id, tags in headers.items() if tags == {"nav"}}
    if lowered_source.count("<div") > 3:
        facts.beside = _cards(tree)
    for row in sheets.in_rows():
        facts.beside |= _side_by_side(row)
    if MAY_ASK.search(source):
        facts.asked = asked(tree, sheets.bold(), sheets.light())
    if any(name in lowered_source for name in BOX_TITLES):
        titled(tree, facts.asked)
    if any(words in lowered_source for words in CONSENT):
        facts.banners = _banners(tree)
    named = NAMED.search(lowered_source)
    targets = {node.id: node for node in tree.css("[id]")} if named else {}
    facts.notes = {f"#{id}": node for id, node in targets.items() if _is_note(node)}
    if any(sign in lowered_source for sign in OPENS):
        _match_tabs(tree, facts, targets)
    if any(sign in lowered_source for sign in OPENED_BY_NAME):
        for node in tree.css(OPENED):
            if (opener := _opener(node)) is not None:
                facts.reachable.add(node.mem_id)
                if _is_plain_title(opener, facts):
                    _place(facts, opener, node)
    if any(name in lowered_source for name in TAB_SETS):
        _match_labels(tree, facts)
    return facts


OPENED_BY_NAME = ("expand", "accordion", "collaps", "toggle")
OPENED = ", ".join(f"[class*={name} i]" for name in OPENED_BY_NAME)


TAB_SETS = ("tabbed-set", "sd-tab-set")


def _match_labels(tree: Any, facts: _Facts) -> None:
    """Tabs that are labels of buttons to panels, in their order: as one box beside the other, or
    each before its own."""
    for labels in tree.css(".tabbed-labels"):
        panels = labels.parent.css(".tabbed-content > .tabbed-block")
        tabs = labels.css("label")
        if len(tabs) == len(panels):
            for tab, panel in zip(tabs, panels, strict=True):
                _place(facts, tab, panel)
    for panel in tree.css(".tabbed-set > .tabbed-content, .sd-tab-set > .sd-tab-content"):
        before = _before(panel)
        if before is not None and before.tag == "label":
            _place(facts, before, panel)


def _is_plain_title(opener: Any, facts: _Facts) -> bool:
    """Whether what opens an element is a short title of it, and no heading or question already."""
    said = " ".join(opener.text().split())
    inner = opener.css_first("h1, h2, h3, h4, h5, h6, p, ul, table, [role=heading], input")
    asked_already = opener.mem_id in facts.asked.questions or QUESTION.search(said)
    is_heading = opener.tag in HEADINGS or opener.tag in ("summary", "td", "th", "li", "label")
    return inner is None and not asked_already and not is_heading and len(said) <= LONGEST_TERM


def _before(node: Any) -> Any | None:
    """The element before one, where only white space parts them."""
    before = node.prev
    while before is not None and before.tag == "-text" and not (before.text_content or "").strip():
        before = before.prev
    return before if before is not None and before.is_element_node else None


def _opener(node: Any) -> Any | None:
    """What stands before an element and says by the same name that it opens it."""
    before = node.prev
    while before is not None and before.tag == "-text" and not (before.text_content or "").strip():
        before = before.prev
    if before is None or not before.is_element_node or not before.text().strip():
        return None
    both = [(one.attributes.get("class") or "").lower() for one in (before, node)]
    opens = any(name in both[0] and name in both[1] for name in OPENED_BY_NAME)
    return before if opens else None


MAY_ASK = re.compile("[?？؟]|&(?:quest|#63|#x3f);", re.IGNORECASE)
CONSENT = ("cookie", "your privacy")
ASKS = re.compile("|".join(CONSENT), re.IGNORECASE)
ANSWERS = re.compile(
    r"(?:yes,? )?(?:i )?(?:accept|agree|allow|consent|decline|deny|disagree|got it|ok(?:ay)?|"
    r"reject|refuse|understood)\b[\w &,]{0,30}[!.]?",
    re.IGNORECASE,
)
"""What a button says by which a visitor answers."""
BUTTONS = "button, a, [role=button], input[type=button], input[type=submit]"
LONGEST_BANNER = 1500
"""Characters; a page about cookies says more."""
NO_BANNER = frozenset({"html", "body", "main", "article", "table", "tbody", "tr", "td", "li"})


def _banners(tree: Any) -> set[int]:
    """The smallest boxes that speak of cookies and hold the button that allows or refuses them."""
    found: set[int] = set()
    seen: set[int] = set()
    for button in tree.css(BUTTONS):
        box = button.parent if ANSWERS.fullmatch(_said_by(button)) else None
        while box is not None and box.mem_id not in seen and _may_be_banner(box):
            seen.add(box.mem_id)
            if _asks(box):
                found.add(box.mem_id)
                break
            box = box.parent
        if box is not None:  # nothing around it is looked at again
            seen.add(box.mem_id)
    return found


def _asks(box: Any) -> bool:
    """Whether the box speaks of cookies outside its buttons."""
    buttons = sum(len(ASKS.findall(_said_by(one))) for one in box.css(BUTTONS))
    return len(ASKS.findall(box.text())) > buttons


def _said_by(button: Any) -> str:
    return " ".join((button.text() or button.attributes.get("value") or "").split())


def _may_be_banner(box: Any) -> bool:
    if box.tag in NO_BANNER or len(box.text()) > LONGEST_BANNER:
        return False
    return box.css_first("main, article, h1, nav") is None


def _is_table_of_tables(table: Any) -> bool:
    """Whether a table has rows of text, of which a cell may hold a table of its own."""
    if table.css_first("h1, h2, h3, h4, pre, blockquote, p + p") is not None:
        return False
    rows = [row for row in table.css("tr") if _around(row, "table").mem_id == table.mem_id]
    plain = [sum(not _holds_table(cell) for cell in row.iter()) for row in rows]
    return sum(count > 1 for count in plain) > 1 and sum(plain) > len(table.css("table"))


def _holds_table(cell: Any) -> bool:
    return cell.css_first("table") is not None or not cell.text().strip()


def _around(node: Any, tag: str) -> Any:
    """The nearest element of this tag that holds the node; there is one."""
    node = node.parent
    while node.tag != tag:
        node = node.parent
    return node


LEAST_CARDS, MOST_PARTS, LONGEST_PART, MOST_CELLS = 2, 4, 80, 200
"""Cards side by side, the parts of one, and the characters of a part."""
LEAF_TAGS = frozenset({"div", "p", "span"})


def _cards(tree: Any) -> dict[int, str]:
    """The parts of cards: of boxes of one class side by side that hold a few short lines each."""
    found: dict[int, str] = {}
    # The innermost boxes only: what holds boxes of boxes is no card.
    alike: dict[tuple[int, str], list[list[Any]]] = {}
    for first in tree.css("div > div:first-child, li > div:first-child, a > div:first-child"):
        card = first.parent
        if parts := _parts_of_card(card):
            key = (card.parent.mem_id, card.attributes.get("class") or "")
            alike.setdefault(key, []).append(parts)
    for cards in alike.values():
        kinds = {tuple(part.attributes.get("class") for part in parts) for parts in cards}
        # Names without a figure among them are no label and what it is told.
        told = sum(any(_has_figure(part) for part in parts[1:]) for parts in cards)
        if len(cards) >= LEAST_CARDS and len(kinds) == 1 and 2 * told >= len(cards):
            for parts in cards:
                found |= {part.mem_id: ", " for part in parts[2:]} | {parts[1].mem_id: ": "}
    return found


def _side_by_side(row: Any) -> dict[int, str]:
    """The second part of a row that a style sheet sets, of a label and what is told of it."""
    if len(pairs := _pairs_of_grid(row)) > 1:
        return {told.mem_id: ": " for _, told in pairs}
    inner = (one.tag for part in row.iter() for one in part.iter())
    if any(tag in PARAGRAPHS or tag in LINES for tag in inner):
        return {}
    parts = _parts_of_card(row)
    pair = len(parts) == 2 and not _has_figure(parts[0]) and _has_figure(parts[1])
    return {parts[1].mem_id: ": "} if pair else {}


def _pairs_of_grid(grid: Any) -> list[tuple[Any, Any]]:
    """The labels of a grid and what is told of each, where both stand by turns; [] for others."""
    parts = [*grid.iter()]
    names = [part.attributes.get("class") or "" for part in parts]
    by_turns = len(set(names[::2])) == len(set(names[1::2])) == 1 and len(set(names)) == 2
    if len(parts) % 2 or not 4 <= len(parts) <= MOST_CELLS or not by_turns:
        return []
    short = all(len(part.text()) <= LONGEST_PART for part in parts)
    if not short or not all(part.tag in LEAF_TAGS and _is_leaf(part) for part in parts):
        return []
    return list(zip(parts[::2], parts[1::2], strict=True))


def _parts_of_card(card: Any) -> list[Any]:
    parts = [*card.iter()]
    if not 2 <= len(parts) <= MOST_PARTS or (card.text(deep=False) or "").strip():
        return []
    texts = [" ".join(part.text().split()) for part in parts]
    plain = all(0 < len(text) <= LONGEST_PART for text in texts)
    leaves = all(part.tag in LEAF_TAGS and _is_leaf(part) for part in parts)
    return parts if plain and leaves else []


def _has_figure(part: Any) -> bool:
    return any(map(str.isdigit, part.text()))


def _is_leaf(part: Any) -> bool:
    within = [one for one in part.css(IN_CARD) if one.mem_id != part.mem_id]
    return not within and "role" not in part.attributes


IN_CARD = "div, p, ul, ol, dl, table, br, button, input, h1, h2, h3, h4, h5, h6"


def _follows_a_part(node: Any) -> bool:
    """Whether two parts of a line touch each other of which one has a name of its own."""
    before = node.prev
    if before is None or before.tag != "span":
        return False
    return bool(node.attributes.get("class") or before.attributes.get("class"))


ENDS_WORD, STARTS_WORD = re.compile(r"[^\W\d_]{3}$"), re.compile(r"[^\W\d_]{3}")
ENDS_SHORT, LONGER_FIGURE = re.compile(r"[^\W\d_]{2}$"), re.compile(r"\d[\d.,:]")
PILL = re.compile(r"\b(?:badge|chip|label|pill|tag|selected-value)s?\b", re.IGNORECASE)


def _are_two_words(before: str, after: str) -> bool:
    """Whether a word and a figure touch each other that a style sheet parts."""
    ends, starts = ENDS_WORD.search(before), STARTS_WORD.match(after)
    figure = before[-1:].isdigit() or before[-1:] == "%"
    if ENDS_SHORT.search(before) and LONGER_FIGURE.match(after):
        return True
    return bool((ends and after[:1].isdigit()) or (figure and starts))


def _are_pills(node: Any) -> bool:
    """Whether two words touch each other that stand in boxes of their own."""
    names = [one.attributes.get("class") or "" for one in (node.prev, node)]
    return names[0] == names[1] and PILL.search(names[1]) is not None


def _match_tabs(tree: Any, facts: _Facts, targets: dict[str, Any]) -> None:
    """Tabs to their panels: by id, by the panel's label, else in order."""
    openers = tree.css("button, [role=tab], [role=button], [data-bs-target], [data-target]")
    openers += tree.css("a[data-toggle], a[data-bs-toggle], a[class*=tab i][href^='#']")
    tabs = []
    # One that several selectors find is found several times.
    for node in {node.mem_id: node for node in openers}.values():
        attributes = node.attributes
        names = [attributes.get(name) or "" for name in (*CONTROLS, "href")]
        found = [targets[n.lstrip("#")] for n in names if n.lstrip("#") in targets]
        facts.reachable.update(one.mem_id for one in found)
        toggle = _toggle(attributes)
        named = node.tag == "a" and found and "tab" in (attributes.get("class") or "").lower()
        if attributes.get("role") == "tab" or "tab" in toggle or "pill" in toggle or named:
            tabs.append(node)
            if found:
                _place(facts, node, found[0])
    panels = [p for p in tree.css("[role=tabpanel]") if p.mem_id not in facts.labels]
    by_id = {tab.id: tab for tab in tabs if tab.id}
    for panel in panels:
        if tab := by_id.get(panel.attributes.get("aria-labelledby") or ""):
            _place(facts, tab, panel)
    free = [tab for tab in tabs if tab.mem_id not in facts.placed]
    panels = [p for p in panels if p.mem_id not in facts.labels]
    if len(free) == len(panels):
        for tab, panel in zip(free, panels, strict=True):
            _place(facts, tab, panel)


NOTE_NAMES = re.compile(r"foot-?notes?\b|end-?notes?\b", re.IGNORECASE)
BACK_LINK = re.compile(r"backref|backlink|reversefootnote", re.IGNORECASE)


def _is_note(node: Any) -> bool:
    if node.tag not in ("li", "p", "div", "aside", "dd"):
        return False
    parent = node.parent
    beside = [node, parent, parent.parent if parent is not None else None]
    return any(one is not None and NOTE_NAMES.search(_named(one.attributes)) for one in beside)


def _named(attributes: dict[str, str | None]) -> str:
    return " ".join(attributes.get(name) or "" for name in ("class", "role", "epub:type"))


def _toggle(attributes: dict[str, str | None]) -> str:
    return (attributes.get("data-toggle") or "") + (attributes.get("data-bs-toggle") or "")


def _place(facts: _Facts, tab: Any, panel: Any) -> None:
    facts.labels[panel.mem_id] = " ".join(tab.text().split())
    facts.placed.add(tab.mem_id)
    facts.reachable.add(panel.mem_id)


# --- The walk --------------------------------------------------------------------------------


def _walk(tree: Any, source: str) -> "_Writer":
    from ingestion.formats.css import Sheets, Style

    sheets = Sheets.of(tree, MAY_ASK.search(source) is not None)
    facts, writer = _facts(tree, source, sheets), _Writer()
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
                writer.text(node.text_content or "")
        elif node.is_element_node:
            inside = _style(node, style, sheets, facts)
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
                tag = ASKED if is_asked else _part_of_table(node, tag)
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
        level = _integer(attributes.get("aria-level")) or 2
        return f"h{max(1, min(level, MAX_HEADING))}"
    return TABLE_ROLES.get(role, tag)


def _cites(link: Any, facts: _Facts) -> bool:
    note = facts.notes.get(link.attributes.get("href") or "")
    if note is None or note.mem_id in facts.moved:
        return False
    return not BACK_LINK.search(_named(link.attributes))


def _noted(links: list[Any], start: Any, sheets: Any, facts: _Facts) -> list[tuple[Any, str, Any]]:
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


def _style_of(node: Any, start: Any, sheets: Any, facts: _Facts) -> Any | None:
    """The style inside an element anywhere in the page, None where no reader sees it."""
    chain = []
    while node is not None and node.is_element_node:
        chain.append(node)
        node = node.parent
    style = start
    for one in reversed(chain):
        style = _style(one, style, sheets, facts) if style is not None else None
    return style


DOUBT = "It is in the colour of the page, over a picture."


def _style(node: Any, style: Any, sheets: Any, facts: _Facts) -> Any | None:
    """The style inside an element, None where no reader sees it."""
    tag, id = node.tag, node.mem_id
    if tag in DROPPED or id in facts.site_headers or id in facts.placed or id in facts.moved:
        return None
    if id in facts.banners:
        return None
    if tag == "footer" and not is_within(node, OWN_FOOTER):
        return None
    attributes = node.attributes
    if not attributes and sheets.are_empty and tag not in JUDGED:  # as most elements
        return replace(style, mark="") if style.mark else style
    if tag == "a" and facts.notes and BACK_LINK.search(_named(attributes)):
        return None
    found = sheets.declared(node, attributes)
    if attributes or tag == "dialog":
        if _switched_off(tag, attributes, id in facts.reachable):
            return None
        if tag == "button" and not _says_something(node, attributes):
            return None
        _legacy(attributes, found)
    if tag == "button" and not attributes and not _says_something(node, attributes):
        return None
    if "display" not in found and _is_hidden_by_name(attributes.get("class")):
        return None
    if not found:
        return replace(style, mark="") if style.mark else style
    from ingestion.formats.css import gone, inherited

    if id in facts.reachable:
        found = {name: value for name, value in found.items() if name in TEXT_PROPERTIES}
    return None if gone(found) else inherited(style, found)


JUDGED = frozenset({"button", "dialog"})
"""What may be left out though it has no attribute."""
INLINE = frozenset({"span", "a", "small", "font", "b", "i", "em", "strong", "u", "big", "abbr"})
LEGACY = (("color", "color"), ("text", "color"), ("bgcolor", "background-color"))
TEXT_PROPERTIES = frozenset({"color", "background-color", "background", "font-size", "font"})
"""A panel that opens later is judged by its print only."""


HIDING_NAMES = frozenset("sr-only visually-hidden screen-reader-text d-none invisible".split())
HIDING_NAMES |= {"govuk-visually-hidden", "mw-editsection", "mw-jump-link", "mw-cite-backlink"}
HIDING_NAMES |= {"govuk-skip-link", "skip-link", "skip-to-content", "skip-nav"}
HIDING_NAMES |= {"headerlink", "header-anchor", "hash-link", "anchorjs-link", "catlinks"}
SHOWN_AGAIN = re.compile(r"d-\w+-\w+|\w+:\S+|\S*focusable")


def _is_hidden_by_name(names: str | None) -> bool:
    """Whether a class hides an element by a convention that the common style sheets share."""
    found = (names or "").split()
    return not HIDING_NAMES.isdisjoint(found) and not any(map(SHOWN_AGAIN.fullmatch, found))


def _legacy(attributes: dict[str, str | None], found: dict[str, str]) -> None:
    for name, wanted in LEGACY:
        if value := attributes.get(name):
            found.setdefault(wanted, value.lower())


def _switched_off(tag: str, attributes: dict[str, str | None], reachable: bool) -> bool:
    if (attributes.get("role") or "").lower() in DROPPED_ROLES:
        return True
    if (attributes.get("aria-hidden") or "").lower() == "true" and not reachable:
        return True
    closed = "hidden" in attributes or "popover" in attributes
    return (closed and not reachable) or (tag == "dialog" and "open" not in attributes)


def _says_something(button: Any, attributes: dict[str, str | None]) -> bool:
    """Whether a button is text to read: a question, a heading, a tab, a word in a sentence."""
    if attributes.get("role") == "tab" or any(name in attributes for name in CONTROLS):
        return True
    if "aria-expanded" in attributes or _toggle(attributes) or QUESTION.search(button.text()):
        return True
    parent = button.parent
    if parent is None:
        return False
    if parent.tag in HEADINGS | {"summary", "dt", "legend", "th", "caption"}:
        return True
    beside = (parent.text(deep=False) or "").strip()
    return len(re.findall(r"\w+", beside)) >= 2


@dataclass
class _List:
    """An open list: the number of its next item, the step, and how numbers are written."""

    number: int | None
    step: int
    kind: str

    def marker(self) -> str:
        """What stands before the next item; the number moves on."""
        if self.number is None:
            return "- "
        number, self.number = self.number, self.number + self.step
        written = numeral(number, self.kind)
        return f"{written}. " if written else ""


LIST_TYPES = {"a": "lower-alpha", "A": "upper-alpha", "i": "lower-roman", "I": "upper-roman"}
GOOGLE_LIST = re.compile(r"\blst-kix_\w+-(\d)\b")
COUNTED = ("decimal", "lower-alpha", "lower-roman")
BULLETS = frozenset({"", "disc", "circle", "square", "none", "inherit", "initial", "unset"})


def _list(node: Any, style: str) -> _List:
    attributes = node.attributes
    style = style.split()[0] if style else ""
    kind = LIST_TYPES.get(attributes.get("type") or "", "")
    if style not in BULLETS and not style.startswith(("url", "'", '"')):
        kind = style
    if node.tag == "ul" and kind in ("", *BULLETS):
        return _List(None, 0, "")
    if style == "none" and node.tag == "ol":
        # Some programs write the numbers by counters of a style sheet.
        counted = GOOGLE_LIST.search(attributes.get("class") or "")
        kind = COUNTED[int(counted[1]) % len(COUNTED)] if counted else style
        return _List(_integer(attributes.get("start")) or 1, 1, kind)
    step = -1 if "reversed" in attributes else 1
    start = _integer(attributes.get("start"))
    if start is None:
        start = 1 if step > 0 else sum(child.tag == "li" for child in node.iter())
    return _List(start, step, kind or "decimal")


def _integer(value: str | None) -> int | None:
    return int(value) if value and re.fullmatch(r"\s*[+-]?\d{1,9}\s*", value) else None


LONGEST_QUESTION = 200
LONGEST_TERM, LONGEST_MEANING = 100, 300
"""Characters of what may head a section, and of what is told of it on the same line."""
MEANING_BLOCKS = "p, ul, ol, table, pre, dl, blockquote"
_SAID_WHOLE = re.compile(r"[.:;,?!\u2013\u2014-]\s*$")


class _Terms(Enum):
    """How the terms of a description list are written."""

    PLAIN = "lines of their own"
    ENTRIES = "items, on one line with what is told of them"
    SECTIONS = "headings of what is told of them"


def _terms(node: Any) -> _Terms:
    """Short meanings stand beside their terms; of long ones each is a section, so that every part
    of it knows whose it is."""
    terms = [len(" ".join(term.text().split())) for term in node.css("dt")]
    if not terms or max(terms) > LONGEST_TERM:
        return _Terms.PLAIN
    if any(QUESTION.search(term.text()) for term in node.css("dt")):
        return _Terms.PLAIN
    told = node.css("dd")
    if any(len(one.text()) > LONGEST_MEANING or _has_blocks(one) for one in told):
        return _Terms.SECTIONS
    return _Terms.ENTRIES


def _has_blocks(told: Any) -> bool:
    """Whether what is told of a term is more than one paragraph."""
    blocks = told.css(MEANING_BLOCKS)
    return len(blocks) > 1 or any(block.tag != "p" for block in blocks)


@dataclass
class _Writer:
    """Turns opened and closed elements into blocks of text as a reader would see them."""

    blocks: list[Block] = field(default_factory=list)
    doubt: str = ""
    heading: str = ""
    """The first one, but for questions that are none by their tags."""
    _parts: list[str] = field(default_factory=list)
    _state: tuple[int, str] = (0, "")
    _gap: str = ""
    _level: int = 0
    _tail: str = ""
    _breaks: int = 0
    _space: bool = False
    _after_marker: bool = False
    _marker: str = ""
    """What stands before the text of an item that has begun."""
    _pre: int = 0
    _set_from: int = -1
    """How many blocks stood before the open text as it is set, -1 where it is no table."""
    _lists: list[_List] = field(default_factory=list)
    _tables: list[Table | None] = field(default_factory=list)
    """Open tables; None for one that arranges the page."""
    _table: Table | None = None
    """The last one of them."""
    _marks: list[tuple[str, list[str]]] = field(default_factory=list)
    """Open raised and lowered marks, and what they hold so far."""
    _last_level: int = 0
    _described: list[tuple[_Terms, int]] = field(default_factory=list)
    """Open description lists, and the level of the headings that their terms are."""
    _in_summary: bool = False
    _opened: list[int] = field(default_factory=list)
    """Open details, and the level of the heading that each summary is, 0 for none."""
    _edge: bool = False
    """Whether a part with a name of its own begins directly after another one."""
    _in_term: bool = False
    _after_term: bool = False
    _question: int = 0
    """The level of the question whose answer is open, 0 for none."""
    _is_question: bool = False
    _floors: list[int] = field(default_factory=list)
    """The levels of the titles of open boxes: headings in them are below these."""
    _ends: int = 0
    """The level of headings that a description list was, which has been closed."""

    @property
    def _in_cell(self) -> bool:
        return self._table is not None and self._table.in_cell

    def open(self, node: Any, tag: str, facts: _Facts, list_type: str) -> None:
        """Before the content of an element, read as ``tag``; ``list_type`` is what its style says
        of lists."""
        if tag == "br" and self._in_term:
            self._beside(", ")
        self._break_around(tag)
        if facts.labels and (label := facts.labels.get(node.mem_id)):
            self._write_heading(label)
        if facts.beside and (between := facts.beside.get(node.mem_id)):
            self._beside(between)
        if tag in OF_TABLES:
            self._open_part(node, tag)
        elif tag in HEADINGS:
            self._level = 0 if self._in_cell else max(int(tag[1]), min(self._floor + 1, 6))
        elif tag == ASKED:
            self._cut()
            self._level = min(max(self._last_level, self._floor) + 1, 6)
            self._question, self._is_question = self._level, True
            if node.mem_id in facts.asked.titles:
                self._floors.append(self._level)
        elif tag == "li":
            self._open_item(_integer(node.attributes.get("value")))
        elif tag in ("ul", "ol"):
            self._lists.append(_list(node, list_type))
        elif tag in ("dl", "dt", "dd"):
            self._open_description(node)
        elif tag == "pre":
            self._open_pre(node)
        elif tag == "table":
            self._table = None if node.mem_id in facts.layouts else Table()
            self._tables.append(self._table)
        elif tag in ("sup", "sub"):
            self.open_mark(tag)
        elif tag == "q":
            self.text("“")
            self._after_marker = True
        elif tag == "button" and not _is_inline(node):
            self._breaks = max(self._breaks, 2)
        elif tag in ("details", "summary"):
            self._open_details(node)
        elif tag == "span":
            self._edge = not self._pre and _follows_a_part(node)
            self._space = self._space or (self._edge and _are_pills(node))

    def open_mark(self, tag: str) -> None:
        """A raised or lowered mark begins: "sup" or "sub"."""
        self._marks.append((tag, []))

    def _open_part(self, node: Any, tag: str) -> None:
        table = self._table
        if table is None:
            return
        if tag in ("tr", "thead"):
            table.open_row(in_head=tag == "thead")
            return
        columns, rows = 1, 1
        if attributes := node.attributes:
            columns = _integer(attributes.get("colspan")) or 1
            below = _integer(attributes.get("rowspan"))
            rows = 1 if below is None else below
        table.open_cell(columns, rows, tag == "th")
        if not node.text().strip():
            self.text(_told_by_sign(node))

    def close(self, tag: str) -> None:
        """After the content of an element."""
        if tag in ("td", "th"):
            if self._table is not None:
                self._table.close_cell()
                self._space = False
        elif tag in ("ul", "ol"):
            self._lists.pop()
        elif tag in ("dl", "dt"):
            self._close_description(tag)
        elif tag in ("details", "summary"):
            self._close_details(tag)
        elif tag == "pre":
            self._close_pre()
        elif tag == "table":
            self._tables.pop()
            self._table = self._tables[-1] if self._tables else None
        elif tag == "tr" and self._table is not None:
            self._write_row(self._table)
        elif tag in ("sup", "sub") and self._marks:
            self._write_mark()
        elif tag == "q":
            self._space, self._after_marker = False, True
            self.text("”")
            self._after_marker = False
        elif tag in HEADINGS or tag == ASKED:
            self._level = 0
            self._cut()
            self._is_question = False
        elif tag == ANSWERED:
            self._end_answer()
        elif tag == BOXED:
            self._end_box()
        elif tag == "li":
            self._marker, self._after_marker = "", False  # of an item without text
        self._break_around(tag)

    def text(self, text: str) -> None:
        """A text node."""
        if self._marks:
            self._marks[-1][1].append(text)
            return
        if self._pre and not self._in_cell:
            self._write(text, space=False)
            return
        words = text.split()
        if words:
            space = self._space or text[0].isspace()
            if self._edge and not space:
                space = _are_two_words(self._tail, words[0])
            self._edge = False
            self._write(" ".join(words), space=space)
        self._space = text[-1:].isspace() or (self._space and not words)

    @property
    def between_blocks(self) -> bool:
        """Whether a block has ended and no cell is open."""
        return self._breaks > 0 and not self._in_cell

    def note(self, mark: str) -> None:
        """A note begins, on a line of its own."""
        self._breaks = 1
        self._write(raised(mark.strip("[]() "), "") or "*", space=False)
        self._write(" ", space=False)
        self._after_marker = True

    def finish(self) -> None:
        """After the last element."""
        self._cut()

    def _open_pre(self, node: Any) -> None:
        """Text whose line ends and blanks count; it may be a table, where it is no code."""
        self._pre += 1
        if self._pre == 1 and not self._in_cell and not self._marker:
            self._cut()
            self._set_from = -1 if is_marked_up_code(node) else len(self.blocks)

    def _close_pre(self) -> None:
        self._pre -= 1
        if self._pre or self._set_from < 0:
            return
        is_one_block = self._parts and self._set_from == len(self.blocks) and not self._level
        self._set_from = -1
        if is_one_block and (found := tables_within("".join(self._parts), self._gap)):
            self.blocks += [replace(block, doubt=self._state[1]) for block in found]
            self._parts = []

    def _write(self, text: str, space: bool) -> None:
        table = self._table
        if table is not None and table.in_cell:
            table.write(text, space and not self._after_marker, self.doubt)
            self._tail = text
        else:
            self._put(self._marker + text, space)
            self._breaks, self._marker = 0, ""
        self._space, self._after_marker = False, False

    def _put(self, text: str, space: bool) -> None:
        gap = "\n" * self._breaks or (" " if space and not self._after_marker else "")
        state = (self._level, self.doubt)
        if state != self._state or not self._parts:
            self._cut()
            self._state, self._gap = state, gap
            self._parts.append(text)
        else:
            self._parts += [gap, text] if gap else [text]
        self._tail = text

    def _cut(self) -> None:
        """End the open block."""
        if self._parts:
            level, doubt = self._state
            text = "".join(self._parts)
            ends, self._ends = self._ends, 0
            self.blocks.append(Block(text, gap=self._gap, level=level, doubt=doubt, ends=ends))
            if level and not self._is_question:
                self._last_level, self._question = level, 0
                self.heading = self.heading or ("" if self._in_summary else text)
        self._parts = []

    def _end_answer(self) -> None:
        """What follows is no part of the answer to the last question."""
        if self._question:
            self._cut()
            self._breaks = max(self._breaks, 2)
            self._ends, self._question = self._question, 0

    @property
    def _floor(self) -> int:
        return self._floors[-1] if self._floors else 0

    def _end_box(self) -> None:
        """What follows stands no longer under the title of the box."""
        if self._floors:
            self._cut()
            self._breaks, self._ends = max(self._breaks, 2), self._floors.pop()
            self._last_level, self._question = self._ends - 1, 0

    def _write_heading(self, label: str) -> None:
        self._cut()
        self._breaks = 2
        self._level = min(self._last_level + 1, 6)
        self._write(label, space=False)
        self._level = 0
        self._cut()
        self._breaks = 2

    def _open_description(self, node: Any) -> None:
        """A description list, a term, or what is told of it."""
        if node.tag == "dl":
            how = _Terms.PLAIN if self._in_cell else _terms(node)
            self._described.append((how, min(self._last_level + 1, 6)))
            self._after_term = False
        elif self._described:
            how, level = self._described[-1]
            sections = how is _Terms.SECTIONS
            if node.tag == "dd":
                self._breaks = max(self._breaks, 2 if sections else 1)
                if how is _Terms.ENTRIES and self._after_term:
                    self._beside(": ")
                self._after_term = False
                return
            self._level = level if sections else 0
            self._in_term = sections
            if how is not _Terms.PLAIN and self._after_term:
                self._beside(", ")
            elif sections:
                self._breaks = 2
            elif how is _Terms.ENTRIES:
                self._marker, self._after_marker = "- ", True

    def _open_details(self, node: Any) -> None:
        """What opens is a section below what is clicked, where that is short."""
        if node.tag == "details":
            said = node.css_first("summary")
            short = said is not None and 0 < len(" ".join(said.text().split())) <= LONGEST_QUESTION
            plain = short and said.css_first("h1, h2, h3, h4, h5, h6") is None
            alone = _is_alone_in_item(node)
            inside = (self._lists and not alone) or self._tables or self._described
            if alone and not inside:
                self._marker, self._after_marker = "", False
            self._opened.append(0 if inside or not plain else min(self._last_level + 1, 6))
        elif self._opened and self._opened[-1]:
            self._breaks = max(self._breaks, 2)
            self._level, self._in_summary = self._opened[-1], True

    def _close_details(self, tag: str) -> None:
        if tag == "summary":
            if self._opened and self._opened[-1]:
                self._level = 0
                self._cut()
                self._breaks, self._in_summary = 2, False
        elif self._opened and (level := self._opened.pop()):
            self._cut()
            self._breaks = 2
            self._ends, self._last_level = level, level - 1

    def _close_description(self, tag: str) -> None:
        if not self._described:
            return
        if tag == "dt":
            self._level, self._in_term, self._after_term = 0, False, True
            return
        how, level = self._described.pop()
        self._after_term = False
        if how is _Terms.SECTIONS:
            self._cut()
            self._ends, self._last_level = level, level - 1

    def _beside(self, between: str) -> None:
        """What follows stands on the line of the term before it, unless that is a whole saying."""
        if not self._parts or _SAID_WHOLE.search(self._parts[-1]):
            return
        self._breaks = 0
        self._write(between, space=False)
        self._after_marker = True

    def _write_mark(self) -> None:
        tag, parts = self._marks.pop()
        text = "".join(parts)
        if not text.strip():
            return
        if self._marks:
            self._marks[-1][1].append(text)
            return
        before = " " if self._space else self._tail
        mark = raised(text, before) if tag == "sup" else lowered(text, before)
        self._write(mark if len(mark) <= 40 else " ".join(text.split()), space=self._space)

    def _write_row(self, table: Table) -> None:
        outer = next((one for one in self._tables[-2::-1] if one is not None and one.in_cell), None)
        if outer is not None:
            for line, _ in table.close_row()[-1:]:
                outer.write_row(line)
            return
        doubt, self.doubt = self.doubt, table.doubt
        for line, breaks in table.close_row():
            self._breaks = max(self._breaks, breaks)
            self._write(line, space=False)
            self._breaks = 1
        self.doubt = doubt

    def _break_around(self, tag: str) -> None:
        wanted = BREAKS.get(tag, 0)
        if wanted == 2 and self._lists and tag in ("ul", "ol", "p"):
            wanted = 1
        if not wanted and tag in ("td", "th") and self._tables and self._table is None:
            wanted = 1
        if not wanted or self._after_marker:
            return
        if self._in_cell:
            self._space = True
        else:
            self._breaks = max(self._breaks, wanted)

    def _open_item(self, value: int | None) -> None:
        item = self._lists[-1] if self._lists else _List(None, 0, "")
        if value is not None and item.number is not None:
            item.number = value
        marker = item.marker()
        if self._in_cell:
            if item.number is not None:
                self.text(marker)
            return
        indent = "  " * min(len(self._lists) - 1, MAX_INDENT)
        self._marker = (self._marker or indent) + marker
        self._after_marker = True


SIGNS = "img[alt], [title], [aria-label], input[type=checkbox]"


def _told_by_sign(cell: Any) -> str:
    """What a cell without text says by its one picture, sign or box."""
    signs = cell.css(SIGNS)[:2]
    if len(signs) != 1:
        return ""
    attributes = signs[0].attributes
    if "hidden" in attributes or "none" in (attributes.get("style") or ""):
        return ""
    if signs[0].tag == "input":
        return "☒" if "checked" in attributes else "☐"
    said = next(
        (said for name in ("alt", "aria-label", "title") if (said := attributes.get(name))), ""
    )
    return said if len(said) <= LONGEST_PART else ""


def _is_alone_in_item(node: Any) -> bool:
    """Whether an item of a list is nothing but what opens: then it is no list to a reader."""
    item = node.parent
    if item is None or item.tag != "li" or (item.text(deep=False) or "").strip():
        return False
    return [one.tag for one in item.iter()] == ["details"]


def _is_inline(button: Any) -> bool:
    parent = button.parent
    if parent is None or parent.tag in HEADINGS:
        return True
    return len(re.findall(r"\w+", (parent.text(deep=False) or ""))) >= 2
