"""Which elements of a page its style sheets and style attributes hide from a reader.

Only what bears on seeing text is computed: a cascade over a few properties, inherited as CSS
inherits them. Screens of 1280 by 800 pixels on a white page are assumed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

import tinycss2
from tinycss2 import color4

from ingestion.formats.seeing import (
    BLACK,
    FAINTEST,
    SMALLEST_PT,
    WHITE,
    Colour,
    blended,
    can_be_told,
)

Declarations = dict[str, str]

INHERITED_START = 16.0
"""Pixels of text whose size nobody sets."""
SMALLEST_PX = SMALLEST_PT * 4 / 3
FAR = 400.0
BEYOND = 5000.0
"""Pixels to the left of the page, and to its right, that nobody scrolls to."""
MAX_SHEET = 2_000_000
MEDIA_WIDTH = 1280.0
PROPERTIES = frozenset(
    {"display", "visibility", "opacity", "color", "background", "background-color", "font"}
    | {"background-image", "font-size", "position", "left", "right", "top", "bottom", "filter"}
    | {"text-indent", "margin-left", "margin-top", "clip", "clip-path", "height", "max-height"}
    | {"width", "max-width", "overflow", "overflow-x", "overflow-y", "transform", "zoom"}
    | {"text-decoration", "text-decoration-line", "list-style", "list-style-type", "scale"}
    | {"content-visibility", "-webkit-text-fill-color", "vertical-align", "font-family"}
)
WEIGHTS = frozenset({"font-weight", "font"})
LAYOUT = WEIGHTS | {"display", "flex-direction"}
"""What tells a question or a label from what it stands above or beside."""
DYNAMIC = re.compile(r"::|:(?:hover|focus|active|target|checked|visited|before|after|first-l)")
AFTER_SIZE = re.compile(r"^.*?\d\S*\s+")
LENGTH = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(px|pt|pc|em|rem|ex|ch|in|cm|mm|vw|vh|%)?")
PIXELS = {"px": 1.0, "": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 37.8, "mm": 3.78}
PIXELS |= {"em": 16.0, "rem": 16.0, "ex": 8.0, "ch": 8.0, "vw": 12.8, "vh": 8.0, "%": 12.8}
SIZES = {"xx-small": 9.0, "x-small": 10.0, "small": 13.0, "medium": 16.0, "large": 18.0}
SIZES |= {"x-large": 24.0, "xx-large": 32.0, "xxx-large": 48.0}


@dataclass(frozen=True)
class Style:
    """What an element passes on: its print, and what lies behind it.

    ``background`` is None where a picture or a gradient may be behind the text.
    """

    font_px: float = INHERITED_START
    colour: Colour = BLACK
    alpha: float = 1.0
    background: Colour | None = WHITE
    opacity: float = 1.0
    visible: bool = True
    list_type: str = ""
    font: str = ""
    mark: str = ""
    """"sup" or "sub" for an element that is itself raised or lowered; it is not passed on."""

    @cached_property
    def unseen(self) -> bool:
        """Whether text of this style cannot be read."""
        if not self.visible or self.font_px < SMALLEST_PX or self.opacity < FAINTEST:
            return True
        if self.alpha < FAINTEST:
            return True
        return self.background is not None and not self._told_from(self.background)

    @cached_property
    def doubtful(self) -> bool:
        """Whether it depends on a picture if this text can be read."""
        return self.background is None and not self._told_from(WHITE)

    def _told_from(self, background: Colour) -> bool:
        shown = blended(self.colour, self.alpha * self.opacity, background)
        return can_be_told(shown, background)


@dataclass
class Sheets:
    """The declarations that a page's sheets make for its elements, by ``mem_id``."""

    _cascade: dict[int, dict[str, tuple[tuple[int, ...], str]]] = field(default_factory=dict)
    _variables: Declarations = field(default_factory=dict)
    _laid_out: dict[int, tuple[Any, dict[str, tuple[tuple[int, ...], str]]]] = field(
        default_factory=dict
    )
    """Elements whose weight of print, or the way they set their parts, is stated."""
    _wanted: frozenset[str] = frozenset()

    @staticmethod
    def of(tree: Any, asks: bool = True) -> "Sheets":
        """Read all ``style`` elements of a page; the weight of print only if it ``asks``."""
        sheets = Sheets(_wanted=LAYOUT if asks else LAYOUT - WEIGHTS)
        source = "\n".join(node.text() for node in tree.css("style"))[:MAX_SHEET]
        if source.strip():
            for order, (selector, declarations) in enumerate(_rules(source)):
                sheets._apply(tree, selector, declarations, order)
        return sheets

    @property
    def are_empty(self) -> bool:
        """Whether only its own attributes say how an element looks."""
        return not self._cascade

    def bold(self) -> list[Any]:
        """The elements that a sheet prints in bold."""
        return [node for node, found in self._laid_out.values() if _is_heavy(_stated(found))]

    def light(self) -> set[int]:
        """Those of which a sheet says that they are not bold."""
        return {
            id
            for id, (_, found) in self._laid_out.items()
            if (stated := _stated(found)).get("font-weight") and not _is_heavy(stated)
        }

    def in_rows(self) -> list[Any]:
        """The elements whose parts a sheet sets side by side."""
        return [
            node
            for node, found in self._laid_out.values()
            if (stated := _stated(found)).get("display") in ("flex", "inline-flex", "grid")
            and not stated.get("flex-direction", "").startswith("column")
        ]

    def declared(self, node: Any, attributes: dict[str, str | None]) -> Declarations:
        """What holds for one element, its own style attribute included."""
        cascade = self._cascade.get(node.mem_id) if self._cascade else None
        style = attributes.get("style")
        if cascade is None and not style:
            return {}
        found = dict(cascade or {})
        for name, value, important in _parsed(style or ""):
            _put(found, name, value, (important, 1, 0, 0, 0, 0))
        return {name: self._resolved(value) for name, (_, value) in found.items()}

    def _apply(self, tree: Any, selector: str, declarations: "list[Parsed]", order: int) -> None:
        for name, value, _ in declarations:
            if name.startswith("--"):
                self._variables[name] = value
        wanted = [one for one in declarations if one[0] in PROPERTIES]
        layout = [one for one in declarations if one[0] in self._wanted and _bears(one)]
        if not wanted and not layout:
            return
        from selectolax.lexbor import SelectolaxError

        for part in selector.split(","):
            if DYNAMIC.search(part) or not part.strip():
                continue
            try:
                nodes = tree.css(part.strip())
            except SelectolaxError:
                continue  # a selector this parser does not know; browsers ignore such rules too
            weight = _specificity(part)
            for node in nodes if layout else ():
                _, stated = self._laid_out.setdefault(node.mem_id, (node, {}))
                for name, value, important in layout:
                    _put(stated, name, value, (important, 0, *weight, order))
            for node in nodes if wanted else ():
                found = self._cascade.setdefault(node.mem_id, {})
                for name, value, important in wanted:
                    _put(found, name, value, (important, 0, *weight, order))

    def _resolved(self, value: str) -> str:
        for _ in range(3):
            if "var(" not in value:
                break
            value = re.sub(
                r"var\(\s*(--[\w-]+)\s*(?:,([^()]*))?\)",
                lambda m: self._variables.get(m[1], (m[2] or "").strip()),
                value,
            )
        return value


Parsed = tuple[str, str, bool]
HEAVY = re.compile(r"bold|bolder|[6-9]00")
WEIGHT = re.compile(r"bold|lighter|normal|[1-9]00")


def _bears(declaration: Parsed) -> bool:
    """Whether a declaration says how parts are set, or how heavy print is."""
    name, value, _ = declaration
    return name == "display" or name.startswith("flex") or WEIGHT.search(value) is not None


def _stated(found: dict[str, tuple[tuple[int, ...], str]]) -> Declarations:
    return {name: value for name, (_, value) in found.items()}


def _is_heavy(stated: Declarations) -> bool:
    font = re.match(r"(?:[a-z-]+\s+)*?(bold|bolder|[6-9]00)\s", stated.get("font", ""))
    return HEAVY.fullmatch(stated.get("font-weight", "")) is not None or font is not None


def _put(
    found: dict[str, tuple[tuple[int, ...], str]], name: str, value: str, weight: tuple[int, ...]
) -> None:
    if name not in found or weight >= found[name][0]:
        found[name] = (weight, value)


def _specificity(selector: str) -> tuple[int, int, int]:
    ids = len(re.findall(r"#[\w-]+", selector))
    classes = len(re.findall(r"\.[\w-]+|\[[^\]]*\]|(?<!:):[\w-]+", selector))
    return ids, classes, len(re.findall(r"(?:^|[\s>+~(])[a-zA-Z][\w-]*", selector))


def _rules(source: str) -> Iterator[tuple[str, list[Parsed]]]:
    pending = tinycss2.parse_stylesheet(source, skip_comments=True, skip_whitespace=True)
    stack = list(reversed(pending))
    while stack:
        rule = stack.pop()
        if rule.type == "qualified-rule":
            yield tinycss2.serialize(rule.prelude), _declarations(rule.content)
        elif rule.type == "at-rule" and rule.content is not None and _holds(rule):
            inner = tinycss2.parse_rule_list(rule.content, True, True)
            stack.extend(reversed(inner))


def _holds(rule: Any) -> bool:
    """Whether an at-rule applies on a screen."""
    if rule.lower_at_keyword in ("supports", "layer"):
        return True
    if rule.lower_at_keyword != "media":
        return False
    query = tinycss2.serialize(rule.prelude).lower()
    if re.search(r"\bprint\b|\bspeech\b|prefers-|\bnot\b", query):
        return False
    least = [_pixels(value) for value in re.findall(r"min-width\s*:\s*([^)]+)", query)]
    most = [_pixels(value) for value in re.findall(r"max-width\s*:\s*([^)]+)", query)]
    return all((v or 0) <= MEDIA_WIDTH for v in least) and all(
        (v or MEDIA_WIDTH) >= MEDIA_WIDTH for v in most
    )


def _declarations(content: Any) -> list[Parsed]:
    return [
        (one.name if one.name.startswith("--") else one.lower_name, _value(one), one.important)
        for one in tinycss2.parse_blocks_contents(content, True, True)
        if one.type == "declaration"
    ]


def _value(declaration: Any) -> str:
    return str(tinycss2.serialize(declaration.value)).strip().lower()


@lru_cache(maxsize=4096)
def _parsed(style: str) -> tuple[Parsed, ...]:
    return tuple(_declarations(style))


def _pixels(value: str, percent: float = 12.8) -> float | None:
    found = LENGTH.fullmatch(value.strip())
    if found is None:
        return None
    unit = found[2] or ""
    return float(found[1]) * (percent if unit == "%" else PIXELS[unit])


def gone(found: Declarations) -> bool:
    """Whether these declarations take an element, with all it holds, out of sight."""
    if found.get("display") == "none" or found.get("content-visibility") == "hidden":
        return True
    if "line-through" in found.get("text-decoration", "") + found.get("text-decoration-line", ""):
        return True
    shifts = found.get("transform", "") + " " + found.get("scale", "")
    if re.search(r"scale(?:[xy3d]*)\(\s*0(?:\.0+)?\s*[,)]|^ *0(?:\.0+)?$", shifts):
        return True
    return _off_page(found, shifts) or _clipped(found) or found.get("zoom") in ("0", "0%")


def _off_page(found: Declarations, shifts: str) -> bool:
    moved = [
        _pixels(value, percent=100.0) or 0.0
        for value in re.findall(r"translate(?:x|y|3d)?\(\s*([^,)]+)", shifts)
    ]
    names = ["text-indent", "margin-left", "margin-top"]
    if found.get("position") in ("absolute", "fixed", "relative", "sticky"):
        names += ["left", "top", "right", "bottom"]
    moved += [_pixels(found.get(name, "")) or 0.0 for name in names]
    return any(value <= -FAR or value >= BEYOND for value in moved)


def _clipped(found: Declarations) -> bool:
    clip = found.get("clip", "")
    if clip.startswith("rect(") and found.get("position") in ("absolute", "fixed"):
        edges = [_pixels(edge) for edge in re.split(r"[\s,]+", clip[5:].rstrip(") "))]
        if len(edges) == 4 and None not in edges:
            top, right, bottom, left = (edge or 0.0 for edge in edges)
            if bottom - top <= 2 or right - left <= 2:
                return True
    path = found.get("clip-path", "")
    if re.match(
        r"inset\(\s*(?:[5-9]\d|100)(?:\.\d+)?%|(?:circle|ellipse)\(\s*0|polygon\(\s*\)", path
    ):
        return True
    overflow = " ".join(found.get(name, "") for name in ("overflow", "overflow-x", "overflow-y"))
    if not re.search("hidden|clip|scroll|auto", overflow):
        return False
    sizes = [found.get(name, "") for name in ("height", "max-height", "width", "max-width")]
    return any(size and (value := _pixels(size)) is not None and value <= 2 for size in sizes)


def inherited(style: Style, found: Declarations) -> Style:
    """The style inside an element with these declarations."""
    changes: dict[str, Any] = {}
    if size := found.get("font-size") or _font_size(found.get("font", "")):
        changes["font_px"] = _font_px(size, style.font_px)
    if families := found.get("font-family") or AFTER_SIZE.sub("", found.get("font", "")):
        changes["font"] = families.split(",")[0].strip()
    if colour := found.get("-webkit-text-fill-color") or found.get("color"):
        changes |= _print(colour)
    if "background" in found or "background-color" in found or "background-image" in found:
        changes |= _behind(found, style)
    if "opacity" in found or "opacity(" in found.get("filter", ""):
        changes["opacity"] = style.opacity * _opacity(found)
    if "visibility" in found:
        changes["visible"] = found["visibility"] not in ("hidden", "collapse")
    if kind := found.get("list-style-type") or found.get("list-style"):
        changes["list_type"] = kind
    changes["mark"] = _mark(found)
    return replace(style, **changes)


def _mark(found: Declarations) -> str:
    """Whether an element stands above its line ("sup"), below it ("sub"), or on it."""
    place = found.get("vertical-align", "")
    shift = _pixels(place, percent=0.16)
    if found.get("position") == "relative" and found.get("font-size") and not place:
        shift = -(_pixels(found.get("top", "")) or 0.0)
    if place in ("super", "sub"):
        return "sup" if place == "super" else "sub"
    if shift is None or not 2 <= abs(shift) <= 20:
        return ""
    return "sup" if shift > 0 else "sub"


def _font_size(font: str) -> str:
    found = re.search(r"(?:^|\s)((?:\d+\.?\d*|\.\d+)(?:px|pt|em|rem|%|)?)(?:/\S+)?\s", font + " ")
    return found[1] if found else ""


def _font_px(size: str, parent: float) -> float:
    if size in SIZES:
        return SIZES[size]
    found = LENGTH.fullmatch(size)
    if found is None:
        return parent
    value, unit = float(found[1]), found[2] or "px"
    if unit in ("em", "%", "ex", "ch"):
        return parent * value * {"em": 1.0, "%": 0.01}.get(unit, 0.5)
    return value * PIXELS[unit]


def _rgba(value: str) -> tuple[Colour, float] | None:
    try:
        colour = color4.parse_color(value)
    except (ValueError, TypeError):
        return None
    if colour is None or isinstance(colour, str):
        return None
    try:
        red, green, blue = (float(c or 0.0) for c in colour.to("srgb").coordinates)
    except (NotImplementedError, ValueError, TypeError, AttributeError):
        return None
    return (min(max(red, 0), 1), min(max(green, 0), 1), min(max(blue, 0), 1)), float(colour.alpha)


def _print(value: str) -> dict[str, Any]:
    found = _rgba(value)
    return {"colour": found[0], "alpha": found[1]} if found else {}


def _behind(found: Declarations, style: Style) -> dict[str, Any]:
    pictures = found.get("background", "") + " " + found.get("background-image", "")
    if re.search(r"url\(|gradient\(|image-set\(", pictures):
        return {"background": None}
    for value in (found.get("background-color", ""), *found.get("background", "").split()):
        colour = _rgba(value)
        if colour is None:
            continue
        (below, (shown, alpha)) = style.background or WHITE, colour
        if alpha < FAINTEST:
            return {}
        return {"background": blended(shown, alpha, below)}
    return {}


def _opacity(found: Declarations) -> float:
    value = found.get("opacity") or "".join(
        re.findall(r"opacity\(([^)]*)\)", found.get("filter", ""))
    )
    match = re.fullmatch(r"\s*(\d*\.?\d+)\s*(%?)\s*", value)
    return float(match[1]) / (100 if match[2] else 1) if match else 1.0
