"""What no reader of a page sees, or what only leads elsewhere."""

import re
from dataclasses import replace
from functools import lru_cache
from typing import Any

from ingestion.formats.html_facts import Facts
from ingestion.formats.html_tags import (
    BACK_LINK,
    CONTROLS,
    HEADINGS,
    NAMED_FOR_EARS,
    QUESTION,
    after,
    before,
    names_of,
    toggle_of,
)
from ingestion.formats.page_questions import is_within

DROPPED = frozenset(
    {"audio", "canvas", "datalist", "del", "head", "iframe", "nav", "noscript", "object", "rp"}
    | {"rt", "s", "script", "select", "strike", "style", "svg", "template", "textarea", "video"}
)
DROPPED_ROLES = frozenset({"navigation", "contentinfo", "search"})
OWN_FOOTER = frozenset({"article", "blockquote", "section", "figure", "dialog", "li"})
"""A footer in one of these belongs to it; any other is the site's."""


def style_inside(node: Any, style: Any, sheets: Any, facts: Facts) -> Any | None:
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
    if tag == "a" and facts.notes and BACK_LINK.search(names_of(attributes)):
        return None
    found = sheets.declared(node, attributes)
    if attributes or tag == "dialog":
        if _switched_off(node, attributes, id in facts.reachable):
            return None
        if tag == "button" and not _says_something(node, attributes):
            return None
        _legacy(attributes, found)
    if tag == "button" and not attributes and not _says_something(node, attributes):
        return None
    if "display" not in found and _is_hidden_by_name(attributes.get("class")):
        return None
    if "class" in attributes and _is_struck_by_name(node, attributes["class"] or "", found):
        return None
    if not found:
        return replace(style, mark="") if style.mark else style
    from ingestion.formats.css import gone, inherited

    if id in facts.reachable:
        found = {name: value for name, value in found.items() if name in TEXT_PROPERTIES}
    return None if gone(found) else inherited(style, found)


JUDGED = frozenset({"button", "dialog"})
"""What may be left out though it has no attribute."""
LEGACY = (
    ("color", "color"),
    ("text", "color"),
    ("bgcolor", "background-color"),
    ("face", "font-family"),
)
TEXT_PROPERTIES = frozenset({"color", "background-color", "background", "font-size", "font"})
"""A panel that opens later is judged by its print only."""


HIDING_NAMES = frozenset({"d-none", "invisible", "mw-editsection"})
HIDING_NAMES |= {"mw-jump-link", "mw-cite-backlink"}
HIDING_NAMES |= {"govuk-skip-link", "skip-link", "skip-to-content", "skip-nav"}
HIDING_NAMES |= {"headerlink", "header-anchor", "hash-link", "anchorjs-link", "catlinks"}
SHOWN_AGAIN = re.compile(r"d-\w+-\w+|\w+:\S+|\S*focusable")


@lru_cache(1024)
def _is_hidden_by_name(names: str | None) -> bool:
    """Whether a class hides an element by a convention that the common style sheets share."""
    found = (names or "").split()
    hides = not HIDING_NAMES.isdisjoint(found) or any(map(NAMED_FOR_EARS.fullmatch, found))
    return hides and not any(map(SHOWN_AGAIN.fullmatch, found))


STRUCK_NAMES = frozenset({"line-through", "strike", "strike-through", "strikethrough", "struck"})
STRUCK_NAMES |= {"text-decoration-line-through", "text-line-through", "text-strike"}
_OLD = r"(?:before|compare(?:-at)?|crossed|old|original|regular|retail|rrp|was)"
_NEW = r"(?:actual|current|discount(?:ed)?|final|new|now|offer|promo|sale|special)"
OLD_PRICE = re.compile(rf"(?:[a-z\d]+[-_]+)*(?:{_OLD}[-_]*price|price[-_]+{_OLD})", re.IGNORECASE)
NEW_PRICE = re.compile(rf"(?:[a-z\d]+[-_]+)*(?:{_NEW}[-_]*price|price[-_]+{_NEW})", re.IGNORECASE)
WORD = re.compile(r"[^\W\d_]{4}")


def _is_struck_by_name(node: Any, names: str, found: dict[str, str]) -> bool:
    """Whether a class strikes a text by a common convention, or says that a price is the old one
    of two: the page need not hold the style sheet that draws the line."""
    classes = names.split()
    if not STRUCK_NAMES.isdisjoint(classes):
        return not any(name.startswith("text-decoration") for name in found)
    if "price" not in names.lower() or not any(map(OLD_PRICE.fullmatch, classes)):
        return False
    beside = [one for one in (before(node), after(node)) if one is not None]
    return _is_amount(node) and any(
        any(map(NEW_PRICE.fullmatch, (one.attributes.get("class") or "").split()))
        and any(map(str.isdigit, one.text()))
        for one in beside
    )


def _is_amount(node: Any) -> bool:
    """Whether an element shows a figure and no words that would say of what."""
    text = node.text(separator=" ")
    for one in node.css("[class]"):
        if _is_hidden_by_name(one.attributes.get("class")):
            text = text.replace(one.text(separator=" "), " ")
    return any(map(str.isdigit, text)) and WORD.search(text) is None


SHOWN_ONLY = frozenset({"b", "bdi", "em", "i", "ins", "small", "span", "strong", "time"})
FIGURE = re.compile(r"(?:[A-Z]{3}|[£$€¥])?\s?\d|[✓✔✗✘☐☑☒✅❌]")
AMOUNT = re.compile(r"(?:[A-Z]{3}|[£$€¥])\s?[\d.,]*\d|[\d.,]*\d\s?(?:[A-Z]{3}|[£$€¥])|[✓✔✗✘✅❌]")


def _is_for_eyes(node: Any) -> bool:
    """Whether what screen readers leave out is a figure or sign, which they say in other words or
    which tells all by itself."""
    text = node.text().strip()
    if node.tag not in SHOWN_ONLY or not FIGURE.match(text):
        return False
    return AMOUNT.fullmatch(text) is not None or any(
        one is not None and _is_hidden_by_name(one.attributes.get("class"))
        for one in (before(node), after(node))
    )


def _legacy(attributes: dict[str, str | None], found: dict[str, str]) -> None:
    for name, wanted in LEGACY:
        if value := attributes.get(name):
            found.setdefault(wanted, value.lower())


def _switched_off(node: Any, attributes: dict[str, str | None], reachable: bool) -> bool:
    if (attributes.get("role") or "").lower() in DROPPED_ROLES:
        return True
    is_silent = (attributes.get("aria-hidden") or "").lower() == "true"
    if is_silent and not reachable and not _is_for_eyes(node):
        return True
    closed = "hidden" in attributes or "popover" in attributes
    return (closed and not reachable) or (node.tag == "dialog" and "open" not in attributes)


def _says_something(button: Any, attributes: dict[str, str | None]) -> bool:
    """Whether a button is text to read: a question, a heading, a tab, a word in a sentence."""
    if attributes.get("role") == "tab" or any(name in attributes for name in CONTROLS):
        return True
    if "aria-expanded" in attributes or toggle_of(attributes) or QUESTION.search(button.text()):
        return True
    parent = button.parent
    if parent is None:
        return False
    if parent.tag in HEADINGS | {"summary", "dt", "legend", "th", "caption"}:
        return True
    beside = (parent.text(deep=False) or "").strip()
    return len(re.findall(r"\w+", beside)) >= 2
