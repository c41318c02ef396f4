"""From the elements of a page to blocks of text, as a reader would see them."""

import re
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from ingestion.formats.document import Block
from ingestion.formats.html_facts import Facts
from ingestion.formats.html_signs import box_of_task, told_by_sign
from ingestion.formats.html_tags import (
    ANSWERED,
    ASKED,
    BOXED,
    BREAKS,
    HEADINGS,
    LONGEST_TERM,
    MARKED,
    QUESTION,
    integer,
)
from ingestion.formats.numerals import numeral
from ingestion.formats.preformatted import is_marked_up_code, tables_within
from ingestion.formats.tables import Table
from ingestion.formats.text import lowered, raised

OF_TABLES = frozenset({"td", "th", "tr", "thead"})
MAX_INDENT = 8


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
        return _List(integer(attributes.get("start")) or 1, 1, kind)
    step = -1 if "reversed" in attributes else 1
    start = integer(attributes.get("start"))
    if start is None:
        start = 1 if step > 0 else sum(child.tag == "li" for child in node.iter())
    return _List(start, step, kind or "decimal")


LONGEST_QUESTION = 200
LONGEST_MEANING = 300
"""Characters of what is told of a term on the same line."""
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
class Writer:
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

    def open(self, node: Any, tag: str, facts: Facts, list_type: str) -> None:
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
            self._open_item(integer(node.attributes.get("value")))
            if facts.may_sign and (box := box_of_task(node)):
                self.text(f"{box} ")
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
            columns = integer(attributes.get("colspan")) or 1
            below = integer(attributes.get("rowspan"))
            rows = 1 if below is None else below
        table.open_cell(columns, rows, tag == "th")
        self.text(told_by_sign(node))

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
        elif tag == MARKED:
            self._space = True
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
    def at_start(self) -> bool:
        """Whether what follows begins a line."""
        return self._breaks > 0 or not self._parts

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
