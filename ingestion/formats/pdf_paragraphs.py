"""Printed lines back to paragraphs, across page ends, without running heads and feet."""

import itertools
import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ingestion.formats.pdf_rows import VALUE
from ingestion.formats.pdf_segments import Line
from ingestion.formats.pdf_strips import ENDS_SENTENCE
from ingestion.formats.tables import MAX_HEADER, REPEAT_AFTER

COMPOUND = re.compile(r"[^\W\d_]+(?:-\w+)*")
ITEM = re.compile(r"(?:[•‣▪◦●∙*\u2013-]|\(?(?:\d{1,2}|[a-z])[.)])\s")
NUMBERED_HEADING = re.compile(
    r"(?:(?:\d{1,2}|[A-Z])(?:\.\d{1,2})*\.?|(?:Appendix|Article|Chapter|Part|Section) \w+)"
    r"\s+\S.{1,80}"
)
LEADS = re.compile(r"\w[ ]?(?:\.[. ]{4,}|…{3,})[^. …]")
"""Dots between a name and what is told of it."""
DANGLING = re.compile(
    r"\b(?:a|an|and|at|but|by|except|for|from|in|is|are|least|most|not|of|on|only|or|than|that|the"
    r"|to|unless|until|was|which|with|within|der|die|das|und|oder|von|mit|le|la|de|et|ou|el|y|o)$"
    r"|,$",
    re.IGNORECASE,
)
"""Words that end no sentence."""
QUESTION = re.compile(
    r"(?:(?:Q|Question|Frage)?\s?\d{0,3}[.:)]?\s+)?[\"'“„«¿]?[^\W\d_a-z].{8,158}\?"
)
ENDED = re.compile(r"[.!?][\"')\]”]*\s+[A-ZÄÖÜ]")
"""A question by itself, and where one sentence ends within a text and another begins."""
SPEAKER = re.compile(r"(?!(?:Q|Question|Frage)\b)[^\W\d_]+(?: [^\W\d_]+)?:\s")
MOST_ABOVE = 2.5
"""In sizes of print, how far above a field its name stands."""
LEAST_ASKED = 2
"""Questions of a document that stand above their answers."""
EDGE = 0.14
"""The share of a page's height, at its top and its foot, where running heads and feet stand."""
NUMBER = re.compile(r"\d+")
PAGE_WORDS = re.compile(
    r"(?:page|seite|página|pagina|strona|p\.?)?\s*[-–]?\s*\d{1,4}\s*[-–]?"
    r"(?:\s*(?:/|of|von|de|di|sur|z)\s*\d{1,4})?",
    re.IGNORECASE,
)


@dataclass
class Paragraph:
    """Lines that belong together, and the page they start on.

    ``gap`` stands before it. ``level`` is that of a heading.
    """

    lines: list[Line]
    text: str
    page: int
    gap: str = "\n\n"
    level: int = 0


@dataclass
class PageLines:
    """The lines of one page in reading order, and the height of the page.

    ``is_scan``: its text is an image, and the lines are what is printed over it.
    """

    number: int
    lines: list[Line] = field(default_factory=list)
    height: float = 0.0
    is_scan: bool = False


# --- Running heads and feet ------------------------------------------------------------------


def without_running(pages: Sequence[PageLines]) -> None:
    """Take out what stands at the edge of page after page: heads, feet, page numbers."""
    groups: dict[tuple[str, bool], list[tuple[PageLines, Line]]] = {}
    for page in pages:
        for line, at_top in _edge_lines(page):
            key = (NUMBER.sub("#", " ".join(line.text.split())), at_top)
            groups.setdefault(key, []).append((page, line))
    for found in groups.values():
        for page, line in _running(found, len(pages)):
            page.lines.remove(line)


def _edge_lines(page: PageLines) -> list[tuple[Line, bool]]:
    """The outermost lines of a page, each with whether it stands at the top."""
    lines = [line for line in page.lines if not line.aside]
    if not lines:
        return []
    by_height = sorted({round(line.y) for line in lines}, reverse=True)
    top, foot = set(by_height[:2]), set(by_height[-3:])
    found = []
    for line in lines:
        if round(line.y) in top and line.y > (1 - EDGE) * page.height:
            found.append((line, True))
        elif round(line.y) in foot and line.y < EDGE * page.height:
            found.append((line, False))
    return found


def _running(found: list[tuple[PageLines, Line]], pages: int) -> list[tuple[PageLines, Line]]:
    """Those of equal lines at the edges of pages that run from page to page."""
    level: list[tuple[PageLines, Line]] = []
    usual = statistics.median(line.y for _, line in found)
    for page, line in found:
        if abs(line.y - usual) <= 6:
            level.append((page, line))
    numbers = {page.number for page, _ in level}
    if len(numbers) < 2 or len(numbers) < 0.15 * pages:
        return []
    if not all(_counts_pages(one, other) for one, other in pairwise(level)):
        return []
    first = level[0][1]
    if first.cells and not any(PAGE_WORDS.fullmatch(cell) for cell in first.cells):
        return []
    numbered = first.text != level[-1][1].text
    apart = all(_stands_apart(page, line) for page, line in level)
    return level if numbered or apart or len(numbers) > 2 else []


def _counts_pages(one: tuple[PageLines, Line], other: tuple[PageLines, Line]) -> bool:
    """Whether the numbers of two lines are equal, but for one that counts pages."""
    pairs = list(zip(NUMBER.findall(one[1].text), NUMBER.findall(other[1].text), strict=True))
    step = other[0].number - one[0].number
    moved = [(a, b) for a, b in pairs if a != b]
    return len(moved) <= 1 and all(int(b) - int(a) == step for a, b in moved)


def _stands_apart(page: PageLines, line: Line) -> bool:
    distances = [abs(other.y - line.y) for other in page.lines if round(other.y) != round(line.y)]
    return not distances or min(distances) > 1.45 * line.size


# --- Lines to paragraphs ---------------------------------------------------------------------


def paragraphs(pages: Sequence[PageLines]) -> list[Paragraph]:
    """All paragraphs of a document; a sentence over a page end goes on after a space."""
    known = {word for p in pages for line in p.lines for word in COMPOUND.findall(line.text)}
    body = _body_size(pages)
    found: list[Paragraph] = []
    scans = {page.number for page in pages if page.is_scan}
    for page in pages:
        main = [line for line in page.lines if not line.aside]
        here = _of_page(main, page.number, known)
        for one in here:
            one.level = _level(one, body)
        if found and here and not scans & {page.number - 1, page.number}:
            _join_pages(found, here, known)
        found += here
        aside = [line for line in page.lines if line.aside]
        found += _of_page(aside, page.number, known)
    _head_by_questions(found)
    return found


def _head_by_questions(found: Sequence[Paragraph]) -> None:
    """Let questions that stand on lines of their own head their answers, where there are some."""
    asking = [
        one
        for one, after in pairwise(found)
        if _asks(one) and not (after.level or _asks(after) or ITEM.match(after.text))
    ]
    if len(asking) + sum(one.level > 0 and one.text[-1] == "?" for one in found) >= LEAST_ASKED:
        for one in asking:
            one.level = 4


def _asks(one: Paragraph) -> bool:
    """Whether a paragraph is one question and no heading yet."""
    if one.text[-1:] != "?":
        return False
    alone = not one.level and len(one.lines) <= 2 and not any(line.cells for line in one.lines)
    return alone and one.gap == "\n\n" and _is_asked(one.text)


def _is_asked(text: str) -> bool:
    """Whether a text is a single question, and nothing that someone says in a play."""
    single = QUESTION.fullmatch(text) is not None and not ENDED.search(text)
    return single and not SPEAKER.match(text)


def _of_page(lines: list[Line], page: int, known: set[str]) -> list[Paragraph]:
    steps = [a.y - b.y for a, b in pairwise(lines) if 0 < a.y - b.y < 3 * a.size]
    step = statistics.median(steps) if steps else 0.0
    found: list[Paragraph] = []
    gap = "\n\n"
    for i, line in enumerate(lines):
        if gap == "\n\n":
            found.append(Paragraph([line], line.text, page))
        else:
            found[-1].lines.append(line)
            found[-1].text += gap + line.text
        if i + 1 < len(lines):
            gap = _between(lines, i, step, known)
    return [part for one in found for part in _table_parts(one)]


def _between(lines: list[Line], i: int, step: float, known: set[str]) -> str:
    line, after = lines[i], lines[i + 1]
    if line.cells or after.cells:
        return "\n" if line.table == after.table else "\n\n"
    return _hyphen(line, after, known) if line.hyphenated else _gap(lines, i, step)


def _table_parts(one: Paragraph) -> list[Paragraph]:
    """A long table in parts, each with its header, so that no passage goes without."""
    header = header_of(one)
    if header is None or len(one.text) <= 1.5 * REPEAT_AFTER:
        return [one]
    return _split(one, header, has_header=True)


def _split(one: Paragraph, header: str, has_header: bool) -> list[Paragraph]:
    """The rows of a table in parts of a passage's size; ``has_header``: the first row is it."""
    parts: list[Paragraph] = []
    for line in one.lines:
        if parts and len(parts[-1].text) + len(line.text) <= REPEAT_AFTER + len(header):
            parts[-1].lines.append(line)
            parts[-1].text += "\n" + line.text
            continue
        own = has_header and not parts
        text = line.text if own else f"{header}\n{line.text}"
        parts.append(Paragraph([line], text, one.page))
    return parts


def header_of(one: Paragraph) -> str | None:
    """The first row of a table that names its columns; None when it seems to be data."""
    rows = [line for line in one.lines if line.cells]
    if len(rows) < 2 or len(rows[0].text) > MAX_HEADER:
        return None
    heads = [row.text for row in itertools.takewhile(lambda row: row.head, rows)]
    if heads:
        return "\n".join(heads) if sum(map(len, heads)) <= MAX_HEADER else None
    first, rest = rows[0], rows[1:]
    if _names_values(first, rest):
        return first.text
    numbered = sum(bool(NUMBER.search(row.text)) for row in rest)
    if NUMBER.search(first.text) or numbered < 0.5 * len(rest) or not all(first.cells[1:]):
        return None
    return first.text


def _names_values(first: Line, rest: Sequence[Line]) -> bool:
    """Whether a row names columns of values, and says none itself, figures in its names or not."""
    columns = list(
        zip(*(row.cells[1:] for row in rest if len(row.cells) == len(first.cells)), strict=True)
    )
    values = [
        2 * sum(VALUE.fullmatch(text) is not None for text in column) > len(column)
        for column in columns
    ]
    named = all(text and not VALUE.fullmatch(text) for text in first.cells[1:])
    return named and len(rest) > 1 and 2 * sum(values) > len(values) > 0


def _body_size(pages: Sequence[PageLines]) -> float:
    sizes: Counter[float] = Counter()
    for page in pages:
        for line in page.lines:
            sizes[round(line.size, 1)] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 1.0


def _level(one: Paragraph, body: float) -> int:
    """1 to 4 for headings, 0 for other text."""
    first = one.lines[0]
    if any(line.cells for line in one.lines) or len(one.lines) > 3 or len(one.text) > 160:
        return 0
    if one.text[-1] in ".,;" or not re.search(r"[^\W\d_]{2}", one.text):
        return 0
    size = min(line.size for line in one.lines)
    # An item of a list has the size of its text; a section's number may look like one's.
    if ITEM.match(one.text) and (size < 1.12 * body or not one.text[0].isalnum()):
        return 0
    if size >= 1.12 * body:
        return 1 if size >= 1.6 * body else 2 if size >= 1.3 * body else 3
    bold = all(line.bold for line in one.lines) and len(one.text) <= 100
    numbered = NUMBERED_HEADING.fullmatch(one.text) is not None and len(one.lines) == 1
    if (bold or (numbered and first.bold)) and size > 0.9 * body:
        return 4
    return 0


# --- Over the end of a page ------------------------------------------------------------------


def _join_pages(before: list[Paragraph], after: list[Paragraph], known: set[str]) -> None:
    """Let a sentence or table that a page end cuts go on in the first paragraph after it."""
    last, first = before[-1], after[0]
    if last.page != first.page - 1:
        return
    if first.lines[0].cells:
        _repeat_header(before, after)
        return
    notes = 0
    while len(before) > notes + 1 and before[-1 - notes].page == last.page:
        if _same_size(before[-1 - notes].lines[-1], first.lines[0]):
            break
        notes += 1
    open_one = before[-1 - notes]
    gap = _over_page(open_one, first, known)
    if gap is None:
        return
    if notes and open_one.page == last.page:
        # Notes at the foot of the page stand before the paragraph that runs over its end.
        before.remove(open_one)
        before.append(open_one)
    first.gap = gap


def _over_page(last: Paragraph, first: Paragraph, known: set[str]) -> str | None:
    """What joins two parts of a sentence; None when the first part is whole."""
    line, after = last.lines[-1], first.lines[0]
    if last.level or first.level or line.cells or not _same_size(line, after):
        return None
    if ITEM.match(after.text):
        return None
    if line.hyphenated or re.search(r"[^\W\d_]-$", line.text):
        if line.text.endswith("-"):
            last.text = last.text[:-1]
            line = Line(line.text[:-1], True, line.left, line.right, line.y, line.size)
        joint = _hyphen(line, after, known)
        return None if "\n" in joint else joint
    if ENDS_SENTENCE.search(line.text) and not line.text.endswith((":", ";")):
        return None
    goes_on = after.text[0].islower() or DANGLING.search(line.text) is not None
    return " " if goes_on else None


def _repeat_header(before: list[Paragraph], after: list[Paragraph]) -> None:
    """Give a table that goes on after a page end the header that it began with."""
    first = after[0]
    start = len(before) - 1
    while start > 0 and before[start - 1].lines[-1].cells and before[start].page == before[-1].page:
        start -= 1
    columns = len(first.lines[0].cells)
    for one in before[start:]:
        header = header_of(one) or (one.text.split("\n", 1)[0] if _is_part(one) else None)
        if header is None or not one.lines[0].cells or len(one.lines[0].cells) != columns:
            continue
        if not first.text.startswith(header) and header_of(first) is None:
            after[:1] = _split(first, header, has_header=False)
        return


def _is_part(one: Paragraph) -> bool:
    return bool(one.lines[0].cells) and one.text.split("\n", 1)[0] != one.lines[0].text


# --- Between two lines -----------------------------------------------------------------------


def _hyphen(line: Line, after: Line, known: set[str]) -> str:
    """What stands between the parts of a word; ``known`` holds the document's words."""
    left, right = re.search(r"[\w-]+$", line.text), re.match(r"[\w-]+", after.text)
    if not left or not right:
        return "-" if _same_size(line, after) else "-\n\n"
    joined, hyphened = left[0] + right[0], f"{left[0]}-{right[0]}"
    if (joined in known) != (hyphened in known):
        return "" if joined in known else "-"
    if right[0][0].islower() or (left[0].isupper() and right[0].isupper() and right[0].isalpha()):
        return ""
    return "-" if _same_size(line, after) else "-\n\n"


def _same_size(line: Line, after: Line) -> bool:
    return 0.87 < line.size / after.size < 1.15


def _gap(lines: list[Line], i: int, step: float) -> str:
    """What stands between line ``i`` and the next: a space, a line end or a blank line."""
    line, after = lines[i], lines[i + 1]
    ended = ENDS_SENTENCE.search(line.text) is not None
    continues = after.text[0].islower() and not ended
    drop = line.y - after.y
    if ended and _is_question(lines, i + 1):
        return "\n\n"
    if after.filled and not ended and 0 < drop <= MOST_ABOVE * line.size:
        return "\n"  # a field below its name
    if not _same_size(line, after) or drop > max(1.45 * step, 1.5 * line.size):
        return "\n\n"
    if drop < -line.size:
        return " " if continues else "\n\n"
    if line.bold != after.bold and not continues and _parts_heading(line, ended):
        return "\n\n"
    if after.bold and not line.bold and not continues and _ends_early(lines, i):
        return "\n\n"  # a term or a heading below a short line
    if ITEM.match(after.text) or _is_row(line.text) or _is_row(after.text):
        return "\n"
    if _ends_early(lines, i):
        heading = NUMBERED_HEADING.fullmatch(line.text) is not None
        return " " if continues else "\n\n" if ended or heading else "\n"
    indented = 0.7 * line.size < after.left - line.left < 4 * line.size
    return "\n\n" if ended and indented else " "


def _is_question(lines: list[Line], i: int) -> bool:
    """Whether a line is a question by itself: its answer would have begun on it if it could."""
    if not lines[i].text.endswith("?") or i + 1 >= len(lines):
        return False
    after = lines[i + 1]
    return (
        _is_asked(lines[i].text)
        and not after.cells
        and not after.text[0].islower()
        and _ends_early(lines, i)
    )


def _parts_heading(line: Line, ended: bool) -> bool:
    """Whether a change of weight after a line parts a heading from text, and no emphasis."""
    if line.bold:
        return len(line.text) < 100 and not DANGLING.search(line.text)
    return ended


def _is_row(text: str) -> bool:
    """True for a table's row: three words or more, and half of them figures; or a name, dots that
    lead from it to the edge, and what is told of it."""
    if (led := LEADS.search(text)) and led[0].count(".") + 2 * led[0].count("…") > 4:
        return True
    words = text.split()
    figures = sum(word == "-" or any(c.isdigit() for c in word) for word in words)
    return len(words) >= 3 and 2 * figures >= len(words)


def _ends_early(lines: list[Line], i: int) -> bool:
    """True when the next line's first word would still have fitted on line ``i``."""
    line, after = lines[i], lines[i + 1]
    column = [
        other.right
        for other in lines[max(0, i - 6) : i + 8]
        if abs(other.left - line.left) < 2.5 * line.size
    ]
    edge = max(*column, after.right)
    width = (line.right - line.left) / len(line.text)
    return edge - line.right > width * (len(after.text.split()[0]) + 1.5)
