"""How the print and the lists of an OpenDocument file look, as its styles say."""

from dataclasses import dataclass, field
from typing import Any

from ingestion.formats.numerals import numeral
from ingestion.formats.ooxml import Package

OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
T = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
FO = "{urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0}"
PARTS = ("styles.xml", "content.xml")
MAX_CHAIN = 30
STRUCK = (f"{STYLE}text-line-through-style", f"{STYLE}text-line-through-type")
STATED = (f"{FO}font-weight", f"{T}display", f"{STYLE}text-position", *STRUCK)
NUMBERS = {"1": "decimal", "a": "lower-alpha", "A": "upper-alpha", "i": "lower-roman"}
NUMBERS |= {"I": "upper-roman", "": "none"}


@dataclass(frozen=True)
class Look:
    """How print looks; ``mark`` is "sup" or "sub" where it is raised or lowered."""

    bold: bool = False
    unseen: bool = False
    mark: str = ""


@dataclass
class Styles:
    """The styles of a document by family and name, and its lists by name."""

    nodes: dict[tuple[str, str], Any] = field(default_factory=dict)
    lists: dict[str, Any] = field(default_factory=dict)
    _known: dict[tuple[str, str], Look] = field(default_factory=dict)

    @staticmethod
    def of(package: Package) -> "Styles":
        """Read both parts that may state some; raises ``DocumentRefused``."""
        found = Styles()
        for part in PARTS:
            if part not in package.archive.NameToInfo:
                continue
            root = package.xml(part)
            for node in root.iter(f"{STYLE}style"):
                key = node.get(f"{STYLE}family") or "", node.get(f"{STYLE}name") or ""
                found.nodes[key] = node
            for node in root.iter(f"{T}list-style"):
                found.lists[node.get(f"{STYLE}name") or ""] = node
        return found

    def look(self, family: str, name: str) -> Look:
        """What holds for print of a style, from its parents down."""
        key = family, name
        if key not in self._known:
            stated: dict[str, str] = {}
            for node in reversed(self._chain(family, name)):
                for one in node.iterchildren(f"{STYLE}text-properties"):
                    stated |= {said: value for said in STATED if (value := one.get(said))}
            self._known[key] = _look(stated)
        return self._known[key]

    def names(self, name: str) -> list[str]:
        """What a paragraph's style and its parents are called, nearest first."""
        chain = self._chain("paragraph", name)
        found = [
            node.get(f"{STYLE}display-name") or node.get(f"{STYLE}name") or "" for node in chain
        ]
        return [one.replace("_20_", " ") for one in found or [name]]

    def _chain(self, family: str, name: str) -> list[Any]:
        found: list[Any] = []
        while (node := self.nodes.get((family, name))) is not None and len(found) < MAX_CHAIN:
            found.append(node)
            name = node.get(f"{STYLE}parent-style-name") or ""
        return found

    def of_list(self, paragraph: str) -> str:
        """The list that a paragraph's style belongs to; empty for none."""
        named = (
            node.get(f"{STYLE}list-style-name") for node in self._chain("paragraph", paragraph)
        )
        return next(filter(None, named), "")

    def level(self, name: str, level: int) -> Any | None:
        """What a list says of its items at a level, from 1."""
        levels = self.lists.get(name)
        for node in () if levels is None else levels:
            if node.get(f"{T}level") == str(level):
                return node
        return None


def _look(stated: dict[str, str]) -> Look:
    struck = {stated.get(one, "none") for one in STRUCK} != {"none"}
    place = (stated.get(f"{STYLE}text-position") or "0%").split()[0]
    lowered = place == "sub" or place.startswith("-")
    raised = place == "super" or (place[:1].isdigit() and place.strip("0%") != "")
    weight = stated.get(f"{FO}font-weight", "")
    return Look(
        weight == "bold" or weight in ("600", "700", "800", "900"),
        struck or stated.get(f"{T}display") == "none",
        "sub" if lowered else "sup" if raised else "",
    )


def label(numbers: list[int], level: Any | None) -> str:
    """What stands before an item of a list, of which the numbers of all its levels are given."""
    if level is None or level.tag != f"{T}list-level-style-number":
        return "-"
    shown = level.get(f"{T}display-levels") or "1"
    count = int(shown) if shown.isdecimal() and len(shown) < 3 else 1
    kind = NUMBERS.get(level.get(f"{STYLE}num-format") or "", "decimal")
    parts = [numeral(number, "decimal") for number in numbers[-count:-1]]
    written = ".".join(filter(None, [*parts, numeral(numbers[-1], kind)]))
    before, after = (level.get(f"{STYLE}num-{side}") or "" for side in ("prefix", "suffix"))
    return f"{before}{written}{after}".strip() if written else ""


def start_of(level: Any | None) -> int:
    """The number of the first item at a level."""
    return whole(None if level is None else level.get(f"{T}start-value"), 1)


def whole(stated: str | None, usual: int) -> int:
    """A whole number that a file states; ``usual`` where it does not."""
    return int(stated) if stated and stated.isdecimal() and len(stated) < 7 else usual
