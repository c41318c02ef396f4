"""The numbers that Word writes before paragraphs: counted here as Word counts them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ingestion.formats.docx_styles import W, value, w
from ingestion.formats.numerals import numeral

KINDS = {"lowerLetter": "lower-alpha", "upperLetter": "upper-alpha", "none": "none"}
KINDS |= {"lowerRoman": "lower-roman", "upperRoman": "upper-roman", "bullet": "bullet"}
KINDS |= {"decimalZero": "decimal-leading-zero"}
BULLET = "-"
LONGEST = 100
"""Characters that a list writes around its numbers."""


@dataclass(frozen=True)
class Level:
    """How the numbers of a list are written at one level."""

    start: int
    kind: str
    text: str
    style: str
    legal: bool
    """Whether all its numbers are written in figures."""
    restarts: bool


@dataclass
class Numbering:
    """All lists of a document, and how far each has counted."""

    _abstract: dict[str, dict[int, Level]] = field(default_factory=dict)
    _lists: dict[str, tuple[str, dict[int, int], dict[int, Level]]] = field(default_factory=dict)
    """By number id: the abstract list, where levels start anew, and levels of its own."""
    _counts: dict[str, dict[int, int]] = field(default_factory=dict)
    _begun: set[tuple[str, int]] = field(default_factory=set)

    @staticmethod
    def of(root: Any | None) -> "Numbering":
        """Read the part ``numbering``; None for a document without."""
        found = Numbering()
        if root is None:
            return found
        links, linked = {}, {}
        for node in root.iterchildren(f"{W}abstractNum"):
            id = node.get(f"{W}abstractNumId") or ""
            found._abstract[id] = dict(_levels(node))
            links[value(node, "styleLink")] = id
            linked[id] = value(node, "numStyleLink")
        for id, name in linked.items():
            if name and name in links:
                found._abstract[id] = found._abstract[links[name]]
        for node in root.iterchildren(f"{W}num"):
            overrides: dict[int, int] = {}
            own: dict[int, Level] = {}
            for one in node.iterchildren(f"{W}lvlOverride"):
                level = _int(one.get(f"{W}ilvl"), 0)
                if start := value(one, "startOverride"):
                    overrides[level] = _int(start, 1)
                own |= dict(_levels(one))
            id = node.get(f"{W}numId") or ""
            found._lists[id] = (value(node, "abstractNumId"), overrides, own)
        return found

    @staticmethod
    def made(
        abstract: dict[str, dict[int, Level]],
        lists: dict[str, tuple[str, dict[int, int], dict[int, Level]]],
    ) -> "Numbering":
        """Of the levels of lists, and of their uses: the list, starts anew, own levels."""
        return Numbering(abstract, lists)

    def level_of_style(self, num_id: str, style: str) -> int:
        """The level that a style stands for in a list."""
        if num_id not in self._lists:
            return 0
        levels = self._abstract.get(self._lists[num_id][0], {})
        return next((at for at, level in levels.items() if style and level.style == style), 0)

    def label(self, num_id: str, at: int) -> str:
        """What stands before the next paragraph of a list at a level; empty for no list."""
        if num_id not in self._lists:
            return ""
        abstract, overrides, own = self._lists[num_id]
        levels = self._abstract.get(abstract, {}) | own
        if at not in levels:
            return ""
        counts = self._counts.setdefault(abstract, {})
        # Where a list starts anew counts at its first number of that level, not at others.
        if (num_id, at) not in self._begun and at in overrides:
            counts[at] = overrides[at] - 1
        self._begun.add((num_id, at))
        counts[at] = counts[at] + 1 if at in counts else levels[at].start
        for deeper in [level for level in counts if level > at]:
            if deeper not in levels or levels[deeper].restarts:
                del counts[deeper]
        return _written(levels, counts, at)


def _levels(node: Any) -> Iterator[tuple[int, Level]]:
    for one in node.iterchildren(f"{W}lvl"):
        stated = value(one, "numFmt") or "decimal"
        legal = one.find(w("isLgl"))
        yield (
            _int(one.get(f"{W}ilvl"), 0),
            Level(
                start=_int(value(one, "start"), 1),
                kind=KINDS.get(stated, "decimal"),
                text=value(one, "lvlText"),
                style=value(one, "pStyle"),
                legal=legal is not None and legal.get(f"{W}val", "1") not in ("0", "false"),
                restarts=value(one, "lvlRestart") != "0",
            ),
        )


def _written(levels: dict[int, Level], counts: dict[int, int], at: int) -> str:
    level = levels[at]
    if level.kind == "bullet":
        return BULLET

    def number(match: re.Match[str]) -> str:
        wanted = int(match[1]) - 1
        if wanted not in levels:
            return ""
        kind = "decimal" if level.legal else levels[wanted].kind
        return numeral(counts.get(wanted, levels[wanted].start), kind)

    return re.sub(r"%([1-9])", number, level.text[:LONGEST]).strip()


def _int(stated: str | None, otherwise: int) -> int:
    return int(stated) if stated and re.fullmatch(r"-?\d{1,9}", stated) else otherwise
