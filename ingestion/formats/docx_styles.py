"""How a run of a Word document looks: its own properties, and those of its styles."""

from dataclasses import dataclass, field
from typing import Any

from ingestion.formats.seeing import SMALLEST_PT, WHITE, can_be_told

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
OFF = frozenset({"0", "false", "off", "none"})
MAX_CHAIN = 30
Properties = dict[str, str]


def w(path: str) -> str:
    """A path of tags in the namespace of Word."""
    return "/".join(W + step for step in path.split("/"))


def value(node: Any, path: str) -> str:
    """The ``val`` of a descendant; empty when there is none."""
    found = node.find(w(path))
    return "" if found is None else str(found.get(f"{W}val", ""))


@dataclass(frozen=True)
class _Style:
    kind: str
    name: str
    based_on: str
    node: Any


@dataclass
class Styles:
    """The styles of a document, and what follows from them."""

    by_id: dict[str, _Style] = field(default_factory=dict)
    defaults: Properties = field(default_factory=dict)
    default_paragraph: str = ""
    _known: dict[str, Properties] = field(default_factory=dict)

    @staticmethod
    def of(root: Any | None) -> "Styles":
        """Read the part ``styles``; None for a document without."""
        styles = Styles()
        if root is None:
            return styles
        defaults = root.find(w("docDefaults/rPrDefault/rPr"))
        styles.defaults = {} if defaults is None else _run_properties(defaults)
        for node in root.iterchildren(f"{W}style"):
            id = node.get(f"{W}styleId") or ""
            kind = node.get(f"{W}type") or "paragraph"
            name = value(node, "name")
            styles.by_id[id] = _Style(kind, name, value(node, "basedOn"), node)
            if kind == "paragraph" and node.get(f"{W}default") in ("1", "true", "on"):
                styles.default_paragraph = id
        return styles

    def chain(self, id: str) -> list[_Style]:
        """A style and what it is based on, nearest first."""
        found: list[_Style] = []
        while id in self.by_id and len(found) < MAX_CHAIN:
            found.append(self.by_id[id])
            id = self.by_id[id].based_on
        return found

    def name(self, id: str) -> str:
        """A style's own name; empty for an unknown one."""
        return self.by_id[id].name if id in self.by_id else ""

    def paragraph_value(self, id: str, path: str) -> Any | None:
        """The nearest element at ``path`` in the paragraph properties of a style's chain."""
        for style in self.chain(id):
            found = style.node.find(w(f"pPr/{path}"))
            if found is not None:
                return found
        return None

    def run(self, run: Any, paragraph_style: str) -> Properties:
        """What holds for a run, from its own properties down to the document's defaults."""
        own = run.find(f"{W}rPr")
        character = "" if own is None else value(own, "rStyle")
        found = self._of_style(paragraph_style or self.default_paragraph)
        found = self.defaults | found | self._of_style(character)
        return found if own is None else found | _run_properties(own)

    def _of_style(self, id: str) -> Properties:
        if id not in self._known:
            found: Properties = {}
            for style in reversed(self.chain(id)):
                node = style.node.find(f"{W}rPr")
                if node is not None:
                    found |= _run_properties(node)
            self._known[id] = found
        return self._known[id]


def _run_properties(node: Any) -> Properties:
    found = {}
    for name in ("b", "vanish", "strike", "dstrike", "webHidden"):
        one = node.find(f"{W}{name}")
        if one is not None:
            found[name] = "0" if one.get(f"{W}val", "true") in OFF else "1"
    for name in ("color", "sz", "vertAlign", "highlight", "position"):
        if stated := value(node, name):
            found[name] = stated
    fonts = node.find(f"{W}rFonts")
    if fonts is not None and (font := fonts.get(f"{W}hAnsi") or fonts.get(f"{W}ascii")):
        found["font"] = font
    shade = node.find(f"{W}shd")
    if shade is not None:
        found["fill"] = shade.get(f"{W}fill") or "auto"
    return found


def is_hidden(found: Properties, background: str | None) -> bool:
    """Whether no reader sees a run on a background (six hex digits; None: it is not known)."""
    if "1" in (found.get("vanish"), found.get("strike"), found.get("dstrike")):
        return True
    size = found.get("sz", "")
    if size.isascii() and size.isdigit() and int(size) < 2 * SMALLEST_PT:
        return True  # sizes are in half points
    print_colour = colour(found.get("color", ""))
    if found.get("highlight", "none") != "none":
        return False
    behind = colour(found.get("fill", "")) or (None if background is None else colour(background))
    if print_colour is None or behind is None:
        return False
    return not can_be_told(print_colour, behind)


def is_doubtful(found: Properties) -> bool:
    """Whether a run is white, so that it can be read on a dark ground only."""
    shown = colour(found.get("color", ""))
    return shown is not None and not can_be_told(shown, WHITE) and "fill" not in found


def colour(stated: str) -> tuple[float, float, float] | None:
    """Six hex digits as red, green and blue from 0 to 1; None for "auto" and the like."""
    try:
        red, green, blue = (int(stated[i : i + 2], 16) / 255 for i in (0, 2, 4))
    except ValueError:
        return None
    return red, green, blue
