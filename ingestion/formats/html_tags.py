"""What the readers of pages call elements, and what they ask of their attributes."""

import re
from typing import Any

HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
PARAGRAPHS = HEADINGS | {"address", "article", "aside", "blockquote", "dl", "fieldset", "figure"}
ASKED, ANSWERED, BOXED, MARKED = "asked", "answered", "boxed", "marked"
"""A question above its answer or the title of a box, the end of what holds the question and its
answer, that of a box, and a mark that a note begins with; no page has such tags."""
PARAGRAPHS |= {ASKED, "footer", "header", "hr", "main", "p", "pre", "section", "table"}
LINES = frozenset(
    {"body", "br", "caption", "dd", "details", "dialog", "div", "dt", "figcaption", "form"}
    | {"legend", "li", "summary", "tr"}
)
BREAKS = dict.fromkeys(LINES, 1) | dict.fromkeys(PARAGRAPHS | {"ul", "ol"}, 2)
"""Line breaks around an element."""
CONTROLS = ("aria-controls", "data-bs-target", "data-target", "popovertarget")
QUESTION = re.compile(r"[?？؟]\s*$")
LONGEST_TERM = 100
"""Characters of what may head a section."""
LONGEST_PART = 80
"""Characters of a part of a card, or of what a sign says."""
NAMED_FOR_EARS = re.compile(
    r"(?!not-)(?:[a-z]+-)?(?:(?:sr|screen-?reader)(?:-only|-text)"
    r"|(?:visually-?|element-|assistive-)hidden|off-?screen)",
    re.IGNORECASE,
)
"""The class of a text that only screen readers say."""
BACK_LINK = re.compile(r"backref|backlink|reversefootnote", re.IGNORECASE)


def before(node: Any) -> Any | None:
    """The element before one, where only white space parts them."""
    return _beside(node, "prev")


def after(node: Any) -> Any | None:
    """The element after one, where only white space parts them."""
    return _beside(node, "next")


def _beside(node: Any, side: str) -> Any | None:
    beside = getattr(node, side)
    while beside is not None and beside.tag == "-text" and not (beside.text_content or "").strip():
        beside = getattr(beside, side)
    return beside if beside is not None and beside.is_element_node else None


def integer(value: str | None) -> int | None:
    """The number that an attribute states, None where it states none."""
    return int(value) if value and re.fullmatch(r"\s*[+-]?\d{1,9}\s*", value) else None


def names_of(attributes: dict[str, str | None]) -> str:
    """What an element is called: its classes, its role, its kind in a book."""
    return " ".join(attributes.get(name) or "" for name in ("class", "role", "epub:type"))


def toggle_of(attributes: dict[str, str | None]) -> str:
    """What a click on an element opens and closes, as Bootstrap says it."""
    return (attributes.get("data-toggle") or "") + (attributes.get("data-bs-toggle") or "")
