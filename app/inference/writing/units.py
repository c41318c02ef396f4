"""From a span to an answer: the sentence, row, list or steps around it, verbatim.

Pure text work on one passage. Offsets are character offsets in ``Passage.text``, end exclusive.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping
from itertools import pairwise

from app.inference.tables import cells_of, header_rows
from app.inference.writing.grounding import (
    OUR_MARKER_SHAPE,
    CitationBook,
    Offsets,
    one_line,
    quotable_bounds,
)
from app.inference.writing.question_types import QuestionType, question_type
from guardrails.contract import Draft, Passage, Sentence, block_ends
from guardrails.words import STOP_WORDS

MAX_BLOCKS = 15
"""Items of the longest list that is answered whole."""
MAX_UNIT = 1_500
"""Characters of the longest answer that is more than the sentence around its span."""
MAX_TITLE = 60
"""Characters of the longest line that is taken for a heading."""

ITEM, ROW, HEADING, PROSE, BLANK = "item", "row", "heading", "prose", "blank"
_ITEM = re.compile(r"\s*(?:[-*•‣◦\u2013]|\d{1,2}[.)]|\(?(?:[a-z]|[ivx]{1,4})\))[ \t]+\S")
CONTENTS = re.compile(
    r"(?:\.[ \t]?){4,}[ \t]*\d{1,4}\s*$"
    r"|^\W*(?:page\s+)?\d{1,4}(?:\s*(?:/|of)\s*\d{1,4})?\W*$",
    re.IGNORECASE,
)
"""A line of a table of contents, or a number of a page."""
_ASKS_LIST = re.compile(
    r"\b(?:list|steps?|stages|procedure|process|requirements|options|ways|kinds|types|examples|"
    r"benefits|conditions|criteria|reasons|rules|documents|items|things)\b"
    r"|\bwhat (?:are|happens|do (?:i|we|you) (?:need|have)|should (?:i|we|you))\b"
    r"|\bwhat is (?:\w+ ){0,3}(?:included|covered|excluded|needed|required|allowed)\b"
    r"|\bhow (?:do|does|can|could|should|to|must|may|is|are)\b|\bwhich \w+s\b",
    re.IGNORECASE,
)
LEANS_BACK = re.compile(
    r"(?:it|its|they|their|them|he|she|his|her|this|these|that|those|such|both|otherwise|"
    r"in (?:this|that|these|such) (?:case|cases|event)|if so|if not|then)\b",
    re.IGNORECASE,
)
_IF = re.compile(
    r"(?:if|when|where|only|as long as|subject to|provided|in (?:that|this|such) case|"
    r"(?:that|this|it) depends|you (?:must|need|have to)|ask|exclu|not)\b"
    r"|.{0,60}\bdepend(?:s|ing)? on\b",
    re.IGNORECASE,
)
"""What a yes or no hangs on, beside what limits any sentence."""
_DEPENDS = re.compile(r"\bdepends\b", re.IGNORECASE)
MAX_CONDITIONS = 2
"""Sentences after a yes or no that may limit it."""
NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|"
    r"fifty|sixty|seventy|eighty|ninety|(?:thir|four|fif|six|seven|eigh|nine)teen|hundred|thousand|"
    r"million|billion|dozens?|half|none|no|single|pair|couple|several|once|twice|unlimited)\b",
    re.IGNORECASE,
)
"""How many there are, in digits or in words."""
_CELLS = re.compile(r"[|\t]")
BARE = re.compile(r"(?:(?:a|answer) ?[.:] *)?(?:yes|no|never|always)\b\W*", re.IGNORECASE)
"""An answer that says nothing without its question."""
_STEP = re.compile(r"\s*\d{1,2}[.)]\s")
_DIGIT = re.compile(r"\d")
_CONDITION = re.compile(
    r"(?:however|unless|except|but|otherwise|only if|provided that|(?:this|that|it) (?:does|do|is|"
    r"will|applies|apply) (?:not|only)|exceptions?)\b",
    re.IGNORECASE,
)


def span_answer(
    passage: Passage,
    start: int,
    end: int,
    question: str,
    model: str,
    features: Mapping[str, float],
) -> Draft:
    """The draft for an extracted span: the unit of text around it that answers ``question``.

    Each quoted part is a sentence of the draft with a citation of its own, in the order of the
    text; ``short`` is the span, white space normalised. A blank span abstains, and so does one in
    a header row, a page number or a table of contents: they answer nothing. Raises ``ValueError``
    for offsets outside the text.
    """
    if not 0 <= start <= end <= len(passage.text):
        raise ValueError(f"span {start}:{end} is outside passage {passage.id}")
    short = one_line(passage.text[start:end])
    unit = Layout(passage.text).unit(start, end, question) if short else []
    book = CitationBook()
    sentences = []
    for span in unit:
        # A bracketed number of the source's own would read as a marker of ours.
        words = one_line(OUR_MARKER_SHAPE.sub("", passage.text[slice(*span)]))
        sentences.append(Sentence(words or short, book.numbers([(passage, span)])))
    if not sentences:
        return Draft((), (), model, features=dict(features))
    return Draft(tuple(sentences), tuple(book.citations), model, short, dict(features))


class Layout:
    """A text as blocks (paragraphs, headings, list items, table rows) of quotable spans."""

    def __init__(self, text: str) -> None:
        self.text = text
        edges = [0, *block_ends(text), len(text)]
        self.blocks = list(pairwise(edges))
        self.kinds = [self._kind(place) for place in range(len(self.blocks))]
        self._starts = [start for start, _ in self.blocks]
        self._quotable = quotable_bounds(text)
        self._names: dict[int, int] = {}

    def unit(self, start: int, end: int, question: str) -> list[Offsets]:
        """The quotable spans that answer ``question``, around ``start:end``; [] for none."""
        place = self._place(start)
        if self.kinds[place] == ROW:
            return self._row(place, start, end)
        if CONTENTS.search(self.line(place)):
            return []
        own = self._around(start, end)
        wider = self._wider(place, own, self._asks_whole(start, end, question), question)
        return wider if wider and wider[-1][1] - wider[0][0] <= MAX_UNIT else [own]

    def _asks_whole(self, start: int, end: int, question: str) -> bool:
        """Whether a list answers whole: asked for, or counted without a number that says it."""
        kind = question_type(question)
        if kind is QuestionType.COUNT:
            return not NUMBER.search(self.text[start:end])
        asks = kind in (QuestionType.LIST, QuestionType.PROCEDURE)
        return asks or bool(_ASKS_LIST.search(question))

    def _wider(self, place: int, own: Offsets, whole: bool, question: str) -> list[Offsets]:
        if self.kinds[place] == ITEM:
            return self._of_list(place, own, whole=whole)
        if question_type(question) is QuestionType.PROCEDURE and (step := self._step_below(place)):
            return self._of_list(step, own, whole=True)
        following = self._next(place, 1)
        leads_on = self.text[slice(*own)].endswith(":")
        if leads_on and following is not None and self.kinds[following] == ITEM:
            return self._of_list(following, own, whole=True)
        if leads_on or self.kinds[place] == HEADING:
            return [own, *self._first_of(following)]
        if question_type(question) is QuestionType.YES_NO:
            return self._with_conditions(place, own)
        return self._with_context(place, own)

    def _step_below(self, place: int) -> int | None:
        """The first of the numbered steps that follow in the same section."""
        following = self._next(place, 1)
        while following is not None and self.kinds[following] != HEADING:
            if self.kinds[following] == ITEM and _STEP.match(self.text, *self.blocks[following]):
                return following
            following = self._next(following, 1)
        return None

    def _row(self, place: int, start: int, end: int) -> list[Offsets]:
        """The row with its header; nothing for the header itself."""
        names = self.header(place)
        if place in names:
            return []
        return [*map(self.whole, names), self._around(start, end)]

    def whole(self, place: int) -> Offsets:
        """The block ``place`` without the white space around it: a row that names columns keeps its
        empty first cell."""
        start, end = self.blocks[place]
        text = self.text[start:end]
        return start + len(text) - len(text.lstrip()), start + len(text.rstrip())

    def header(self, place: int) -> range:
        """The blocks that name the columns of the row ``place``; empty where none does."""
        top = place
        while top > 0 and self.kinds[top - 1] == ROW:
            top -= 1
        return range(top, top + self._named(top))

    def headers(self) -> list[int]:
        """The blocks that name the columns of a table."""
        rows = [place for place, kind in enumerate(self.kinds) if kind == ROW]
        tops = [place for place in rows if place == 0 or self.kinds[place - 1] != ROW]
        return [place for place in tops if self._named(place)]

    def cells(self, place: int) -> list[str]:
        """The texts of the cells of the row ``place``."""
        text = self.text[slice(*self.blocks[place])].strip("\n")
        return [text[slice(*cell)] for cell in cells_of(text)] or [text.strip()]

    def _named(self, top: int) -> int:
        """How many rows at the top of a table name its columns."""
        if top not in self._names:
            self._names[top] = header_rows(self._rows(top))
        return self._names[top]

    def _rows(self, top: int) -> list[list[str]]:
        rows = []
        for place in range(top, len(self.blocks)):
            if self.kinds[place] != ROW:
                break
            rows.append(self.cells(place))
        return rows

    def _of_list(self, place: int, own: Offsets, *, whole: bool) -> list[Offsets]:
        """The list of the item ``place``, or the item alone, with the words that lead to it."""
        first = last = place
        while (before := self._next(first, -1)) is not None and self.kinds[before] == ITEM:
            first = before
        while (after := self._next(last, 1)) is not None and self.kinds[after] == ITEM:
            last = after
        lead = self._lead(self._next(first, -1), whole)
        items = [n for n in range(first, last + 1) if self.kinds[n] == ITEM]
        if not whole or len(items) > MAX_BLOCKS:
            chosen = [own]
        else:
            chosen = [span for item in items for span in self.spans(item)]
        return list(dict.fromkeys([*lead, *chosen]))

    def _lead(self, place: int | None, whole: bool) -> list[Offsets]:
        """The sentence that a list continues; before a whole list also the one above it."""
        if place is None or self.kinds[place] != PROSE:
            return []
        last = self.spans(place)[-1:]
        leads = [span for span in last if self.text[slice(*span)].rstrip().endswith(":")]
        return leads or (last if whole else [])

    def _with_context(self, place: int, own: Offsets) -> list[Offsets]:
        """A sentence with the one it leans on, and with the one that limits it; a bare yes or no
        with its question, and with what is said of it."""
        spans = self.spans(place)
        before = [span for span in spans if span[1] <= own[0]][-1:]
        after = [span for span in spans if span[0] >= own[1]][:1]
        leans = LEANS_BACK.match(self.text, own[0])
        limited = after and _CONDITION.match(self.text, after[0][0])
        if BARE.fullmatch(self.text, *own):
            return [*(before or self._question(place)), own, *after]
        return [*(before if leans else []), own, *(after if limited else [])]

    def _question(self, place: int) -> list[Offsets]:
        """The question that stands above an answer."""
        above = self._next(place, -1)
        last = self.spans(above)[-1:] if above is not None else []
        return [span for span in last if self.text[slice(*span)].rstrip().endswith("?")]

    def _with_conditions(self, place: int, own: Offsets) -> list[Offsets]:
        """A yes or no with what it leans on, and all that it hangs on."""
        found = self._with_context(place, own)
        after = [span for span in self.spans(place) if span[0] >= found[-1][1]]
        depends = _DEPENDS.search(self.text, *own)
        for span in after[: MAX_CONDITIONS + 1 - len([s for s in found if s[0] >= own[0]])]:
            if not (depends or _IF.match(self.text, *span) or _CONDITION.match(self.text, *span)):
                break
            found.append(span)
        return found

    def _first_of(self, place: int | None) -> list[Offsets]:
        return [] if place is None or self.kinds[place] == ROW else self.spans(place)[:1]

    def _around(self, start: int, end: int) -> Offsets:
        """The quotable spans that ``start:end`` touches, as one; the span itself if in none."""
        touched = [span for span in self._quotable if span[0] < end and start < span[1]]
        return (touched[0][0], touched[-1][1]) if touched else (start, end)

    def spans(self, place: int) -> list[Offsets]:
        """The quotable spans of the block ``place``."""
        start, end = self.blocks[place]
        return [span for span in self._quotable if start <= span[0] < end]

    def _place(self, offset: int) -> int:
        return max(0, bisect_right(self._starts, offset) - 1)

    def _next(self, place: int, step: int) -> int | None:
        """The nearest block that is not blank; None at the ends."""
        place += step
        while 0 <= place < len(self.blocks):
            if self.kinds[place] != BLANK:
                return place
            place += step
        return None

    def line(self, place: int) -> str:
        """The text of the block ``place``, stripped."""
        return self.text[slice(*self.blocks[place])].strip()

    def _kind(self, place: int) -> str:
        line = self.line(place)
        if not line:
            return BLANK
        if _CELLS.search(line):
            return ROW
        if _ITEM.match(line):
            return ITEM
        short = len(line) <= MAX_TITLE and line[-1] not in ".,;:!?"
        more = place + 1 < len(self.blocks)
        return HEADING if short and more and line.split()[-1].lower() not in STOP_WORDS else PROSE
