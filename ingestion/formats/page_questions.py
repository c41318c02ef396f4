"""Questions of a page that stand above their answers and are no headings by their tags."""

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Any

LONGEST = 200
"""Characters of a question."""
LEAST_ANSWER = 15
"""Characters of what follows; less is the next link or button."""
ASKS = re.compile(r"[?？؟]$")
BOLD = "b, strong, [style*=font-weight]"
HEAVY = re.compile(r"font-weight:\s*(?:bold|bolder|[6-9]00)\b")
LIGHT = re.compile(r"font-weight:\s*(?:normal|lighter|[1-5]00)\b")
NAMES = ("question", "accordion", "faq", "expand", "collaps", "toggle")
OPENERS = ", ".join(
    ["button", "[role=button]", "[aria-expanded]", *(f"[class*={name} i]" for name in NAMES)]
)
"""What opens an answer, or says by its name that it is a question."""
BLOCKS = frozenset({"p", "div", "section", "article", "span", "header", "em", "i", "u", "font"})
INNER = "p, div, ul, ol, dl, table, form, section, h1, h2, h3, h4, h5, h6, br, details, img, button"
IN_LINE = frozenset("-text a abbr b code em i label small span strong sub sup u".split())
NOT_IN = frozenset(
    "ul ol dl table form nav h1 h2 h3 h4 h5 h6 details label figure pre blockquote select".split()
)
MOST, MOST_PIECES = 2_000, 20
"""Questions of a page, and parts in bold of one."""


@dataclass
class Asked:
    """Elements of a page, by ``mem_id``: those that are questions, and those at whose end the
    answer to the last question in them ends."""

    questions: set[int] = field(default_factory=set)
    around: set[int] = field(default_factory=set)
    titles: set[int] = field(default_factory=set)
    """Questions that are titles of boxes: headings in the box stand below them."""
    boxes: set[int] = field(default_factory=set)
    joins: set[int] = field(default_factory=set)
    """Line breaks after questions in lists, which go on with their answers."""


def asked(tree: Any, heavy: Sequence[Any] = (), light: Container[int] = ()) -> Asked:
    """The questions in bold, or in what opens their answers, that stand on a line of their own.

    ``heavy`` are the elements that a style sheet prints in bold, ``light`` the ids of those of
    which it says that they are not.
    """
    found = Asked()
    styled = {node.mem_id for node in heavy}
    marked = {node.mem_id: node for node in [*tree.css(BOLD)[:MOST], *heavy[:MOST]]}
    strong = [node for id, node in marked.items() if id not in light]
    bold = [_in_bold(node, styled) for node in strong]
    found.joins = {line.mem_id for node in strong if (line := _break_in_item(node)) is not None}
    opening = [_opening(node) for node in tree.css(OPENERS)[:MOST]]
    for question, part in filter(None, [*bold, *opening]):
        if is_within(question, NOT_IN):
            continue
        found.questions.add(question.mem_id)
        outer = _whole(part).parent
        if outer is not None and outer.tag not in ("body", "html", "main"):
            found.around.add(outer.mem_id)
    return found


BOX_TITLES = (
    *("panelheader", "panel-heading", "card-header", "card-title", "callout-title"),
    *("admonition-title", "admonitionheading", "admonition-heading", "step-title"),
)
"""What the top of a box is called by wikis and page builders."""
BOXED = ", ".join(
    [*(f"[class*={name} i]" for name in BOX_TITLES), "[data-component-part$=step-title]"]
)
LONGEST_TITLE = 100


def titled(tree: Any, found: Asked) -> None:
    """Add what stands at the top of a box as its title, above what is in the box."""
    for node in tree.css(BOXED)[:MOST]:
        box, said = node.parent, _said(node)
        plain = all(one.mem_id == node.mem_id for one in node.css(f"{INNER}, a"))
        if not plain or box is None or not 1 < len(said) <= LONGEST_TITLE:
            continue
        first = _beside(node, forward=False) is None and _follows(node, 1)
        if first and box.tag in BLOCKS and not is_within(node, NOT_IN):
            found.questions.add(node.mem_id)
            found.titles.add(node.mem_id)
            found.boxes.add(box.mem_id)


Found = tuple[Any, Any] | None
"""A question, and the element that holds it and stands beside more of its answer."""


def _in_bold(node: Any, heavy: Container[int]) -> Found:
    """The paragraph that is only bold and asks, or the bold line that begins one."""
    styled = node.tag not in ("b", "strong")
    own = node.attributes.get("style") or ""
    if not HEAVY.search(own) and ((styled and node.mem_id not in heavy) or LIGHT.search(own)):
        return None
    if not _asks(node):
        return None
    block = node
    while block is not None and block.tag not in ("p", "div"):
        block = block.parent
    if block is None:
        return None
    pieces = [node] if styled else block.css("b, strong")[:MOST_PIECES]
    if _asks(block) and _solid(_said(block)) == "".join(_solid(_said(one)) for one in pieces):
        return (block, block) if _follows(block, 1) else None
    whole, after = _whole(node), _beside(_whole(node), forward=True)
    is_line = after is not None and after.tag == "br" and _beside(whole, forward=False) is None
    return (whole, whole.parent) if is_line and whole.parent.tag in ("p", "div") else None


def _break_in_item(node: Any) -> Any | None:
    """The line break after a question in bold that begins an item of a list."""
    after = _beside(node, forward=True)
    if after is None or after.tag != "br" or node.parent.tag != "li" or not _asks(node):
        return None
    return after if _beside(node, forward=False) is None else None


def _opening(node: Any) -> Found:
    """What opens an answer, by its name or its tag, and asks."""
    if not _asks(node):
        return None
    inner = [one.tag for one in node.css(INNER) if one.mem_id != node.mem_id]
    beside = [_beside(_whole(node), forward=way) for way in (True, False)]
    in_line = any(one is not None and one.tag in IN_LINE for one in beside)
    plain = inner in ([], ["p"], ["div"]) and not in_line
    named = NAMES[0] in (node.attributes.get("class") or "").lower()
    return (node, node) if plain and _follows(node, 1 if named else LEAST_ANSWER) else None


def _asks(node: Any) -> bool:
    text = _said(node)
    return 2 < len(text) <= LONGEST and ASKS.search(text) is not None


def _said(node: Any) -> str:
    """What an element says, as far as a question could."""
    parts, size = [], 0
    for one in node.traverse(include_text=True):
        if one.tag == "-text":
            parts.append(one.text_content or "")
            size += len(parts[-1].strip())
            if size > LONGEST:
                break
    return " ".join("".join(parts).split())


def _solid(text: str) -> str:
    return text.replace(" ", "")


def _beside(node: Any, *, forward: bool) -> Any | None:
    """The next thing on one side of a node that says something, or a line break."""
    other = node.next if forward else node.prev
    while other is not None and other.tag != "br":
        blank = not (other.text_content or "").strip() if other.tag == "-text" else not _said(other)
        if not blank:
            break
        other = other.next if forward else other.prev
    return other


def _whole(node: Any) -> Any:
    """The outermost element that says no more than this one."""
    while (outer := node.parent) is not None and outer.tag in BLOCKS:
        if any(_beside(node, forward=way) is not None for way in (True, False)):
            break
        node = outer
    return node


def _follows(question: Any, least: int) -> bool:
    """Whether something else follows, of so many characters, that asks nothing itself."""
    after = _beside(_whole(question), forward=True)
    while after is not None and after.tag == "br":
        after = _beside(after, forward=True)
    if after is None or after.tag in ("form", "nav"):
        return False
    text = (after.text_content or "").strip() if after.tag == "-text" else _said(after)
    return len(text) >= least and not (ASKS.search(text) and len(text) <= LONGEST)


def is_within(node: Any, tags: Container[str]) -> bool:
    """Whether an element stands within one with such a tag."""
    outer = node.parent
    while outer is not None:
        if outer.tag in tags:
            return True
        outer = outer.parent
    return False
