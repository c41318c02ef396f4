"""What belongs to what on a page: tabs and panels, cards, notes and marks, banners, layouts."""

import re
from dataclasses import dataclass, field
from typing import Any

from ingestion.formats.html_signs import MAY_SIGN
from ingestion.formats.html_tags import (
    CONTROLS,
    HEADINGS,
    LINES,
    LONGEST_PART,
    LONGEST_TERM,
    PARAGRAPHS,
    QUESTION,
    after,
    before,
    names_of,
    toggle_of,
)
from ingestion.formats.page_questions import BOX_TITLES, Asked, asked, titled


@dataclass
class Facts:
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
    """Footnotes that were written already, and comments."""
    beside: dict[int, str] = field(default_factory=dict)
    """What stands before the parts of a card, which go on the line of its first one."""
    banners: set[int] = field(default_factory=set)
    """What asks to allow cookies, with its buttons."""
    asked: Asked = field(default_factory=Asked)
    may_sign: bool = False
    """Whether signs without text may stand in it."""
    reachable: set[int] = field(default_factory=set)
    """What a button opens: hidden until then, but there for every reader."""


BLOCKS = ("h1", "h2", "h3", "h4", "pre", "blockquote", "p + p", "table")
LONGEST_CELL = 600
"""Characters of a cell that holds no part of a page."""
IN_LAYOUT = ", ".join(f"table {block}" for block in BLOCKS)
"""What stands in a table only where that arranges a page."""
NAMED = re.compile(r"id\b(?<!\wid)")
OPENS = ("<button", "role", "data-t", "data-bs-t", "tabs")
"""Without these a source in small letters has no element with an id, and none that opens another.
What is looked for begins with plain letters: all else takes ten times as long."""


def facts_of(tree: Any, source: str, sheets: Any) -> Facts:
    """Of a parsed page, its source and its style sheets."""
    facts = Facts()
    lowered_source = source.lower()
    if "<table" in lowered_source:
        arranged = {(outer := _around(node, "table")).mem_id: outer for node in tree.css(IN_LAYOUT)}
        facts.layouts = {id for id, outer in arranged.items() if not _holds_data(outer)}
    if "<header" in lowered_source:
        headers: dict[int, set[str]] = {}
        for node in tree.css("header nav, header h1"):
            headers.setdefault(_around(node, "header").mem_id, set()).add(node.tag)
        facts.site_headers = {id for id, tags in headers.items() if tags == {"nav"}}
    facts.may_sign = MAY_SIGN.search(lowered_source) is not None
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
    if any(sign in lowered_source for sign in COMMENTED):
        facts.moved |= {_comment(node).mem_id for node in tree.css(COMMENTS)}
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
    if TABS_BY_CLASS.search(lowered_source):
        _match_menus(tree, facts)
    return facts


COMMENTED = ("#cmnt", "#_msocom", "mso-element:comment")
COMMENTS = "a[href^='#cmnt'], a[href^='#_msocom'], [style*='mso-element:comment-list']"
"""What reviewers said of a document of Google or Word that became a page, and the marks of it."""


def _comment(node: Any) -> Any:
    """The box of the comment that a link leads back from, else the node."""
    is_back = (node.attributes.get("href") or "").startswith("#cmnt_ref")
    box = node.parent.parent if is_back and node.parent is not None else None
    return box if box is not None and box.tag == "div" else node


OPENED_BY_NAME = ("expand", "accordion", "collaps", "toggle")
OPENED = ", ".join(f"[class*={name} i]" for name in OPENED_BY_NAME)


TAB_SETS = ("tabbed-set", "sd-tab-set")
MENU_OF_TABS = "[class*=tab i] > [class*=tab i]:first-child"
TAB_TAGS = frozenset({"a", "button", "div", "li", "span"})
MOST_TABS = 20


def _match_menus(tree: Any, facts: Facts) -> None:
    """Tabs that only their classes tell of: short names side by side, and after them, or in the
    next box, as many panels."""
    for first in tree.css(MENU_OF_TABS):
        tabs = [*first.parent.iter()]
        if 2 <= len(tabs) <= MOST_TABS and all(_may_be_tab(tab, facts) for tab in tabs):
            for tab, panel in zip(tabs, _panels_after(first.parent, len(tabs)), strict=False):
                _place(facts, tab, panel)


def _may_be_tab(tab: Any, facts: Facts) -> bool:
    if tab.tag not in TAB_TAGS or not TAB.search(tab.attributes.get("class") or ""):
        return False
    is_taken = tab.mem_id in facts.placed or tab.mem_id in facts.labels
    return not is_taken and 0 < len(tab.text().strip()) <= LONGEST_PART and _is_leaf(tab)


def _panels_after(menu: Any, count: int) -> list[Any]:
    """So many boxes named as panels that follow a menu, or stand in the box after it; else none."""
    follows: list[Any] = []
    one = after(menu)
    while one is not None and len(follows) <= count:
        follows.append(one)
        one = after(one)
    within = [*follows[0].iter()] if follows else []
    for panels in (follows, within):
        named = [PANEL.search(one.attributes.get("class") or "") for one in panels]
        if len(panels) == count and all(named) and all(one.text().strip() for one in panels):
            return panels
    return []


TABS_BY_CLASS = re.compile(r"class=[\"']?[^\"'>]{0,60}\btabs?\b")
TAB = re.compile("tab(?!l)", re.IGNORECASE)
PANEL = re.compile(r"tab(?!l)|panel|pane\b", re.IGNORECASE)


def _match_labels(tree: Any, facts: Facts) -> None:
    """Tabs that are labels of buttons to panels, in their order: as one box beside the other, or
    each before its own."""
    for labels in tree.css(".tabbed-labels"):
        panels = labels.parent.css(".tabbed-content > .tabbed-block")
        tabs = labels.css("label")
        if len(tabs) == len(panels):
            for tab, panel in zip(tabs, panels, strict=True):
                _place(facts, tab, panel)
    for panel in tree.css(".tabbed-set > .tabbed-content, .sd-tab-set > .sd-tab-content"):
        beside = before(panel)
        if beside is not None and beside.tag == "label":
            _place(facts, beside, panel)


def _is_plain_title(opener: Any, facts: Facts) -> bool:
    """Whether what opens an element is a short title of it, and no heading or question already."""
    said = " ".join(opener.text().split())
    inner = opener.css_first("h1, h2, h3, h4, h5, h6, p, ul, table, [role=heading], input")
    asked_already = opener.mem_id in facts.asked.questions or QUESTION.search(said)
    is_heading = opener.tag in HEADINGS or opener.tag in ("summary", "td", "th", "li", "label")
    return inner is None and not asked_already and not is_heading and len(said) <= LONGEST_TERM


def _opener(node: Any) -> Any | None:
    """What stands before an element and says by the same name that it opens it."""
    opener = before(node)
    if opener is None or not opener.text().strip():
        return None
    both = [(one.attributes.get("class") or "").lower() for one in (opener, node)]
    opens = any(name in both[0] and name in both[1] for name in OPENED_BY_NAME)
    return opener if opens else None


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


def _holds_data(table: Any) -> bool:
    """Whether a table with blocks in its cells has rows to read all the same."""
    if len(table.css("table")) > 1:
        return _is_table_of_tables(table)
    rows = [[len(" ".join(cell.text().split())) for cell in row.iter()] for row in table.css("tr")]
    counts = [len(row) for row in rows if len(row) > 1]
    if len(counts) < 2 or 2 * counts.count(max(counts, key=counts.count)) < len(rows):
        return False
    lengths = [length for row in rows for length in row]
    names = [row[0] for row in rows if row]
    short = sum(length <= LONGEST_PART for length in lengths)
    named = 0 not in names and max(names) <= LONGEST_PART
    return max(lengths) <= LONGEST_CELL and (named or 3 * short > 2 * len(lengths))


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


LEAST_CARDS, MOST_PARTS, MOST_CELLS = 2, 4, 200
"""Cards side by side, and the parts of one."""
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


def _match_tabs(tree: Any, facts: Facts, targets: dict[str, Any]) -> None:
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
        toggle = toggle_of(attributes)
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


def _is_note(node: Any) -> bool:
    if node.tag not in ("li", "p", "div", "aside", "dd"):
        return False
    parent = node.parent
    beside = [node, parent, parent.parent if parent is not None else None]
    return any(one is not None and NOTE_NAMES.search(names_of(one.attributes)) for one in beside)


def _place(facts: Facts, tab: Any, panel: Any) -> None:
    facts.labels[panel.mem_id] = " ".join(tab.text().split())
    facts.placed.add(tab.mem_id)
    facts.reachable.add(panel.mem_id)
