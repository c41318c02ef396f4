"""What a page says by a picture alone: ticks and crosses of icon fonts, boxes, texts for ears."""

import re
from typing import Any

from ingestion.formats.html_tags import LONGEST_PART, NAMED_FOR_EARS

TICK, CROSS, FULL_BOX, EMPTY_BOX = "✓", "✗", "☒", "☐"
_SETS = (
    r"(?:fa|bi|bx|glyphicon|dashicons|feather|la|lucide|mdi|octicon|ph|ti|(?:[a-z\d]+[-_])*icons?)"
)
"""What the names of signs begin with in sets of them."""
_HOW = r"(?:alt|bold|circle|fill(?:ed)?|lg|light|line|mark|o|outline|round(?:ed)?|solid|square|\d+)"


def _named(what: str) -> re.Pattern[str]:
    of_set = rf"{_SETS}[-_]+(?:{_HOW}[-_]){{0,4}}(?:{what})(?:[-_]{_HOW}){{0,4}}"
    return re.compile(rf"{of_set}|(?:{what})[-_]+icon", re.IGNORECASE)


_YES, _NO = _named("check|checkmark|tick|ok|yes"), _named("cross|times|xmark|x|close|remove|no|ban")
_ON = re.compile(r"(?:[a-z\d]+[-_])*checkbox(?:--?|__?)(?:on|checked)", re.IGNORECASE)
_OFF = re.compile(r"(?:[a-z\d]+[-_])*checkbox(?:--?|__?)(?:off|unchecked)", re.IGNORECASE)
_NAMES = ((_YES, TICK), (_NO, CROSS), (_ON, FULL_BOX), (_OFF, EMPTY_BOX))
MAY_SIGN = re.compile(
    r"checkbox|task-?list|icon|class=[\"'][^\"']{0,100}[-_](?:check|tick|ok|x|times)"
)
"""A source in small letters without it holds none of these signs."""
SIGN_TAGS = frozenset({"i", "span", "svg", "input", "div", "em", "b"})
_PRESSED = frozenset({"a", "button", "summary", "label", "nav"})
"""What stands in these is a sign of what a click does."""
_LINES = frozenset({"li", "p", "dd", "td"})
_TASKS = re.compile(r"task-?list|to-?do", re.IGNORECASE)


def sign_of(node: Any, tag: str) -> str:
    """The sign that an element without text shows; empty for none."""
    attributes = node.attributes
    if tag == "input":
        return _box(node) if attributes.get("type") == "checkbox" else ""
    names = (attributes.get("class") or "").split()
    found = next((s for pattern, s in _NAMES if any(map(pattern.fullmatch, names))), "")
    if not found or node.text().strip() or node.parent is None or node.parent.tag in _PRESSED:
        return ""
    return "" if "none" in (attributes.get("style") or "") else found


def _box(node: Any) -> str:
    """A box to tick in a line of text; elsewhere it may be what opens a menu."""
    around = [one for one in (node.parent, node.parent and node.parent.parent) if one is not None]
    in_line = any(one.tag in _LINES for one in around)
    if not in_line or "hidden" in node.attributes:
        return ""
    return FULL_BOX if "checked" in node.attributes else EMPTY_BOX


def box_of_task(item: Any) -> str:
    """The box before an item of a list of tasks that a style sheet draws; empty for others."""
    names = (item.parent.attributes.get("class") or "") if item.parent is not None else ""
    if not _TASKS.search(names) or item.css_first("input, [class*=checkbox]") is not None:
        return ""
    return FULL_BOX if "checked" in (item.attributes.get("class") or "").split() else EMPTY_BOX


SIGNS = "img[alt], [title], [aria-label], svg title"


def told_by_sign(cell: Any) -> str:
    """What a cell without text that is seen says by its one picture or sign."""
    if (text := cell.text().strip()) and (len(text) > LONGEST_PART or not _is_for_ears(cell, text)):
        return ""
    signs = cell.css(SIGNS)[:2]
    if len(signs) != 1:
        return text if not signs else ""
    attributes = signs[0].attributes
    if "hidden" in attributes or "none" in (attributes.get("style") or ""):
        return ""
    said = next(
        (said for name in ("alt", "aria-label", "title") if (said := attributes.get(name))), text
    )
    return said if len(said) <= LONGEST_PART else ""


def _is_for_ears(cell: Any, text: str) -> bool:
    """Whether nothing of the text is seen, beside a picture: it tells what that shows."""
    unseen = [one for one in cell.css("svg title, [class]") if _speaks(one)]
    return len(unseen) == 1 and unseen[0].text().strip() == text


def _speaks(node: Any) -> bool:
    names = (node.attributes.get("class") or "").split()
    return node.tag == "title" or any(map(NAMED_FOR_EARS.fullmatch, names))
