"""From a span to an answer: the sentence, row, list or steps around it, verbatim.

Pure text work on one passage. Offsets are character offsets in ``Passage.text``, end exclusive.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise, takewhile

from app.inference.asides import pointing
from app.inference.evidence_selection import stems
from app.inference.tables import akin, cells_of, header_rows
from app.inference.writing.grounding import (
    OUR_MARKER_SHAPE,
    CitationBook,
    Offsets,
    one_line,
    quotable_bounds,
)
from app.inference.writing.question_types import QuestionType, core, plain, question_type
from guardrails.contract import Draft, Passage, Sentence, block_ends
from guardrails.features import CORE_FROM, CORE_TO
from guardrails.words import STOP_WORDS

MAX_BLOCKS = 15
"""Items of the longest list that is answered whole."""
MAX_UNIT = 1_500
"""Characters of the longest answer that is more than the sentence around its span."""
MAX_PARAGRAPH = 600
"""Characters of a paragraph that is answered whole."""
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
    r"|\bwhat (?:are|happens|do (?:i|we|you) (?:need|have)|am i not"
    r"|(?:should|can|may|must)(?:n?['\u2019]?t|not| not)? (?:i|we|you))\b"
    r"|\bwhat is(?:n't)? (?:\w+ ){0,3}(?:included|covered|excluded|needed|required|allowed)\b"
    r"|\bhow (?:do|does|can|could|should|to|must|may|is|are)\b|\bwhich \w+s\b",
    re.IGNORECASE,
)
_ASKS_WHAT_TO_DO = re.compile(
    r"\bwhat (?:happens|(?:do|should|can|could|may|must|shall) (?:i|we|you))\b"
)
_TELLS_FIRST = re.compile(
    r"(?:(?:hi|hello|hey|dear \w+)\W+)?"
    r"(?:i|i'm|im|i've|ive|i'd|my|we|we're|we've|our|someone|somebody)\b"
    r"[^?]{6,}?(?:[.,;!\u2026]| -|:)\s*\w",
)
"""Tells of a case before it asks: "My dog ate it. Guarantee?"."""
_ASKS_VALUE = re.compile(r"\b(?:how (?:much|many|long|often|soon|late)|when|who|where|which)\b")
_ASKS_REASON = re.compile(
    r"^(?:what|which|in what ways?)\b.*\b(?:roles?|purpose|reasons?|impact|effects?|goals?|aims?|"
    r"approach|method\w*|strateg\w+|significance|importance|benefits?|advantages?|consequences?|"
    r"implications?|limitations?|challenges?|motivation|ways?|contribut\w+)\b"
)
LEANS_BACK = re.compile(
    r"(?:it|its|they|their|them|he|she|his|her|this|these|that|those|such|both|otherwise|"
    r"in (?:this|that|these|such) (?:case|cases|event)|if so|if not|then)\b",
    re.IGNORECASE,
)
_LEANS_INSIDE = re.compile(
    r"(?:[\w-]+ ){1,3}(?:this|these|that|such) (?!(?:work|paper|section|article|policy|document|"
    r"agreement|manual|guide|page|chapter|contract|report|study|table|figure|year|month|week|day)\b)"
    r"\w+(?: \w+)?,",
    re.IGNORECASE,
)
"""An opening phrase that points at what was said before: "Because of these limits, …"."""
_ASKS_WHY = re.compile(
    r"(?:why|explain|describe|in what way|how (?:do|does|did|is|are|was|were))\b", re.IGNORECASE
)
_EXPLAINS = re.compile(
    r"(?:this|these|it|they|thus|therefore|hence|so|because|as a result|in this way|specifically|"
    r"in particular|for example|for instance|that is|concretely|to do so|by doing so)\b",
    re.IGNORECASE,
)
"""How a sentence begins that goes on with a reason or a way."""
_CLOSES = ".!?:;)\"'\u2019\u201d\u3002"
_IF = re.compile(
    r"(?:if|when|where|only|as long as|subject to|provided|in (?:that|this|such) case|"
    r"(?:that|this|it) depends|you (?:must|need|have to)|ask|exclu|not)\b"
    r"|.{0,60}\bdepend(?:s|ing)? on\b",
    re.IGNORECASE,
)
"""What a yes or no hangs on, beside what limits any sentence."""
_SUPPOSES = re.compile(r"(?:and |but )?(?:what (?:if|happens? (?:if|when))|if)\b")
_DEPENDS = re.compile(r"\bdepends\b", re.IGNORECASE)
MAX_CONDITIONS = 2
"""Sentences after a yes or no that may limit it."""
_FOLLOWS = re.compile(
    r"\b(?:as follows|as below|(?:listed|shown|set out|given) below|in the (?:following )?table"
    r"(?: below)?|the following(?: \w+){0,3})\W*$",
    re.IGNORECASE,
)
"""How a sentence ends that leads to a list or a table."""
NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|"
    r"fifty|sixty|seventy|eighty|ninety|(?:thir|four|fif|six|seven|eigh|nine)teen|hundred|thousand|"
    r"million|billion|dozens?|half|none|no|single|pair|couple|several|once|twice|unlimited)\b",
    re.IGNORECASE,
)
"""How many there are, in digits or in words."""
_ENTRY = re.compile(
    r"(?!(?:q|a|question|answer|frage|antwort)\b)[^\W_][^:\n|?!]{0,59}: +\S", re.IGNORECASE
)
"""A term or a name with what is told of it."""
_CELLS = re.compile(r"[|\t]")
BARE = re.compile(r"(?:(?:a|answer) ?[.:] *)?(?:yes|no|never|always)\b\W*", re.IGNORECASE)
"""An answer that says nothing without its question."""
_ASKING_FOR_LISTS = stems(
    """do i we you my our your me us get make take find go use have need must should what which all
    list step steps procedure process instructions there please works work exactly correct way"""
)
_NO_LISTS = (QuestionType.COUNT, QuestionType.COMPARISON, QuestionType.SUMMARY)
_CODE = re.compile(r"\b[a-z]+-\d+\b")
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
    layout = Layout(passage.text)
    unit = layout.unit(start, end, question) if short else []
    core = layout.unit(start, end, question, around=False) if short else []
    inside = [n for n, (a, b) in enumerate(unit) if any(c <= a and b <= d for c, d in core)]
    if inside and len(unit) > len(core):
        features = {**features, CORE_FROM: inside[0], CORE_TO: inside[-1] + 1}
    return _quoting(passage, unit, short, model, features)


def with_paragraph(draft: Draft, passage: Passage) -> Draft:
    """The draft, of one quote from ``passage``, with the rest of that quote's paragraph: for a
    reviewer, who decides what follows from it. As it is where the paragraph is long, or none."""
    if len(draft.citations) != 1 or draft.short is None:
        return draft
    layout = Layout(passage.text)
    place = layout.place(draft.citations[0].start)
    own = draft.citations[0].start, draft.citations[0].end
    unit = layout.paragraph(place, own) if layout.kinds[place] in (PROSE, ITEM) else []
    return _quoting(passage, unit, draft.short, draft.model, draft.features) if unit else draft


def _quoting(
    passage: Passage, unit: Sequence[Offsets], short: str, model: str, features: Mapping[str, float]
) -> Draft:
    book = CitationBook()
    sentences = []
    for span in unit:
        # A bracketed number of the source's own would read as a marker of ours.
        words = one_line(OUR_MARKER_SHAPE.sub("", passage.text[slice(*span)]))
        sentences.append(Sentence(words or short, book.numbers([(passage, span)])))
    if not sentences:
        return Draft((), (), model, features=dict(features))
    return Draft(tuple(sentences), tuple(book.citations), model, short, dict(features))


def named_list(question: str, passage: Passage) -> Offsets | None:
    """The first item of the list, or of the numbered steps, that a question asks for in the words
    of the headings above it and of what leads to it; None where there is none. What asks for
    something else may have a list for its answer that is led to in all its words."""
    asked = stems(core(question)) - _ASKING_FOR_LISTS
    if not asked or question_type(question) in _NO_LISTS:
        return None
    layout = Layout(passage.text)
    for items, lead in layout.lists():
        if len(items) < 2 or not layout.spans(items[0]):
            continue
        led = " ".join(passage.text[slice(*span)] for span in lead)
        numbered = bool(_STEP.match(passage.text, *layout.blocks[items[0]]))
        above = layout.heading_above(items[0])
        said = _spoken(led) | _headed(question, passage, above, numbered=numbered)
        whole = said if led.rstrip().endswith(":") or len(said) > len(_spoken(led)) else frozenset()
        if all(any(akin(word, one) for one in whole) for word in asked):
            return layout.spans(items[0])[0]
    return None


def _headed(question: str, passage: Passage, above: str, *, numbered: bool) -> frozenset[str]:
    """The words over a list, where these say that it is asked for: steps under any heading of a
    text on what is asked, other lists only where the heading next above, ``above`` where the text
    itself has one, speaks of it."""
    kind, around = question_type(question), _spoken(f"{passage.place}\n{above}")
    if kind is QuestionType.PROCEDURE:
        return around if numbered else frozenset()
    nearest = stems(plain(above or (passage.headings or (passage.title,))[-1]))
    asked = stems(core(question)) - _ASKING_FOR_LISTS
    return around if kind is QuestionType.LIST and asked & nearest else frozenset()


def _spoken(text: str) -> frozenset[str]:
    """Its words, codes such as VT-8 also as one word."""
    return stems(plain(text)) | {word.replace("-", "") for word in _CODE.findall(plain(text))}


@lru_cache(maxsize=512)
def _tells_first(question: str) -> bool:
    """Whether a case is told before it is asked what comes of it, and not only how much."""
    text = plain(question)
    return bool(_TELLS_FIRST.match(text)) and not _ASKS_VALUE.search(text)


class Layout:
    """A text as blocks (paragraphs, headings, list items, table rows) of quotable spans."""

    def __init__(self, text: str) -> None:
        self.text = text
        edges = [0, *block_ends(text), len(text)]
        self.blocks = list(pairwise(edges))
        self.kinds = [self._kind(place) for place in range(len(self.blocks))]
        for place in self._entries():
            self.kinds[place] = ITEM
        self._starts = [start for start, _ in self.blocks]
        self._quotable = quotable_bounds(text)
        self._names: dict[int, int] = {}

    def unit(self, start: int, end: int, question: str, *, around: bool = True) -> list[Offsets]:
        """The quotable spans that answer ``question``, around ``start:end``; [] for none.

        Without ``around`` these are the fewest: not the paragraph of what to do.
        """
        place = self.place(start)
        if self.kinds[place] == ROW:
            return self._row(place, start, end, around=around)
        if CONTENTS.search(self.line(place)):
            return []
        own = self._around(start, end)
        whole = self._asks_whole(start, end, question)
        wider = self._wider(place, own, question, whole=whole, around=around)
        return wider if wider and wider[-1][1] - wider[0][0] <= MAX_UNIT else [own]

    def _asks_whole(self, start: int, end: int, question: str) -> bool:
        """Whether a list answers whole: asked for, or counted without a number that says it."""
        kind = question_type(question)
        if kind is QuestionType.COUNT:
            return not NUMBER.search(self.text[start:end])
        asks = kind in (QuestionType.LIST, QuestionType.PROCEDURE)
        return asks or bool(_ASKS_LIST.search(question))

    def _entries(self) -> list[int]:
        """Lines below each other that are entries: a term alone is no list."""
        lines = [n for n, kind in enumerate(self.kinds) if kind in (HEADING, PROSE, ITEM)]
        told = [n for n in lines if _ENTRY.match(self.line(n))]
        beside = {n for one, n in pairwise(told) if n == one + 1}
        return [n for n in told if n in beside or n + 1 in beside]

    def _wider(
        self, place: int, own: Offsets, question: str, *, whole: bool, around: bool
    ) -> list[Offsets]:
        if self.kinds[place] == ITEM:
            whole = whole or self._asks_for_all(place, question)
            whole = whole or (around and self._tells(own, question))
            other = question_type(question) is QuestionType.OTHER
            whole = whole or (around and other and self._is_led_step(place))
            return self._of_list(place, own, whole=whole)
        if question_type(question) is QuestionType.PROCEDURE and (step := self._step_below(place)):
            return self._of_list(step, own, whole=True)
        following = self._next(place, 1)
        below = self.kinds[following] if following is not None else BLANK
        leads_on = self._leads_on(place, own, below)
        if leads_on and following is not None and below == ITEM:
            return self._of_list(following, own, whole=True)
        if leads_on and following is not None and below == ROW:
            return [own, *self._rows_from(following)]
        if leads_on or self.kinds[place] == HEADING:
            return [own, *self._first_of(following)]
        if question_type(question) is QuestionType.YES_NO and not (
            around and _tells_first(question)
        ):
            return self._with_conditions(place, own)
        asks = around and self._asks_around(own, question)
        if asks and (paragraph := self.paragraph(place, own)):
            return paragraph
        asked = core(question)
        supposes, explains = _SUPPOSES.match(asked), _ASKS_WHY.match(asked)
        return self._with_context(place, own, _IF if supposes else _EXPLAINS if explains else None)

    def _tells(self, own: Offsets, question: str) -> bool:
        """Whether the question only tells of something, in words that ``own`` does not have."""
        if question_type(question) is not QuestionType.OTHER:
            return False
        return not stems(core(question)) & stems(plain(self.text[slice(*own)]))

    def _asks_around(self, own: Offsets, question: str) -> bool:
        """Whether more than the sentence ``own`` is asked for: what to do, or what comes of
        something that is only told of."""
        kind, asked = question_type(question), core(question)
        if kind is QuestionType.PROCEDURE or _ASKS_WHAT_TO_DO.search(asked):
            return True
        if _tells_first(question):
            return True
        if _ASKS_WHY.match(asked) or _ASKS_REASON.search(asked):
            return True
        said = stems(plain(self.text[slice(*own)]))
        return kind is QuestionType.OTHER and not stems(asked) <= said

    def paragraph(self, place: int, own: Offsets) -> list[Offsets]:
        """The paragraph ``place`` around ``own``, unless it is long; a procedure in prose, or what
        happens next, is told over several sentences. Without the sentences that a passage cuts."""
        idle = set(pointing(self.text))
        spans = [
            span
            for span in self.spans(place)
            if span == own or (span not in idle and self._is_whole(place, span))
        ]
        return spans if spans and spans[-1][1] - spans[0][0] <= MAX_PARAGRAPH else []

    def _is_whole(self, place: int, span: Offsets) -> bool:
        """Whether it is no part of a sentence at an edge of the paragraph ``place``, which the end
        of a passage or a table cuts."""
        said, (start, end) = self.text[slice(*span)], self.blocks[place]
        begins = bool(self.text[start : span[0]].strip()) or not said[0].islower()
        return begins and (bool(self.text[span[1] : end].strip()) or said[-1] in _CLOSES)

    def _leads_on(self, place: int, own: Offsets, below: str) -> bool:
        """Whether a sentence only says that something follows, and it does."""
        said = self.text[slice(*own)]
        last = own[1] >= self.whole(place)[1]
        shown = last and below in (ITEM, ROW) and _FOLLOWS.search(said)
        return said.endswith(":") or bool(shown)

    def _rows_from(self, place: int) -> list[Offsets]:
        """The rows of the table that begins there; none of one that is too long to be shown."""
        rows = list(takewhile(lambda n: self.kinds[n] == ROW, range(place, len(self.blocks))))
        return [self.whole(n) for n in rows] if len(rows) <= MAX_BLOCKS else []

    def _step_below(self, place: int) -> int | None:
        """The first of the numbered steps that follow in the same section."""
        following = self._next(place, 1)
        while following is not None and self.kinds[following] != HEADING:
            if self.kinds[following] == ITEM and _STEP.match(self.text, *self.blocks[following]):
                return following
            following = self._next(following, 1)
        return None

    def _row(self, place: int, start: int, end: int, *, around: bool) -> list[Offsets]:
        """The row with its header, all its sentences unless they are long; nothing for the header
        itself."""
        names = self.header(place)
        if place in names:
            return []
        said = self.spans(place) if around else []
        short = said and said[-1][1] - said[0][0] <= MAX_PARAGRAPH
        return [*map(self.whole, names), *(said if short else [self._around(start, end)])]

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

    def lists(self) -> Iterator[tuple[list[int], list[Offsets]]]:
        """The items of each list, and the sentences that lead to it."""
        items: list[int] = []
        for place in [*range(len(self.blocks)), None]:
            if place is not None and self.kinds[place] in (ITEM, BLANK):
                items += [place] if self.kinds[place] == ITEM else []
            elif items:
                yield items, self._lead(self._next(items[0], -1), whole=True)
                items = []

    def heading_above(self, place: int) -> str:
        """The heading that the list with the first item ``place`` stands right below, or ""."""
        above = self._next(place, -1)
        return self.line(above) if above is not None and self.kinds[above] == HEADING else ""

    def _is_led_step(self, place: int) -> bool:
        """Whether the item is one of numbered steps that a sentence leads to."""
        first = place
        while (before := self._next(first, -1)) is not None and self.kinds[before] == ITEM:
            first = before
        return bool(_STEP.match(self.text, *self.blocks[place])) and bool(
            self._lead(before, whole=False)
        )

    def _asks_for_all(self, place: int, question: str) -> bool:
        """Whether the question says what leads to the list, and no word of the item itself."""
        first = place
        while (before := self._next(first, -1)) is not None and self.kinds[before] == ITEM:
            first = before
        lead = self._lead(before, whole=False)
        asked = stems(core(question))
        said = stems(" ".join(plain(self.text[slice(*span)]) for span in lead))
        item = stems(plain(self.line(place))) - said
        return bool(asked) and asked <= said and not asked & item

    def _lead(self, place: int | None, whole: bool) -> list[Offsets]:
        """The sentence that a list continues; before a whole list also the one above it."""
        if place is None or self.kinds[place] != PROSE:
            return []
        last = self.spans(place)[-1:]
        leads = [span for span in last if self.text[slice(*span)].rstrip().endswith(":")]
        return leads or (last if whole else [])

    def _with_context(
        self, place: int, own: Offsets, goes_on: re.Pattern[str] | None = None
    ) -> list[Offsets]:
        """A sentence with the one it leans on, and with the one that limits it; a bare yes or no
        with its question, and with what is said of it; with the next one if that ``goes_on`` so."""
        spans = self.spans(place)
        before = [span for span in spans if span[1] <= own[0]][-1:]
        after = [span for span in spans if span[0] >= own[1]][:1]
        leans = LEANS_BACK.match(self.text, own[0]) or _LEANS_INSIDE.match(self.text, own[0])
        if leans and not before:
            before = self._above(place)
        limited = after and _CONDITION.match(self.text, after[0][0])
        if BARE.fullmatch(self.text, *own):
            return [*(before or self._question(place)), own, *after]
        if goes_on is not None:
            limited = limited or (after and goes_on.match(self.text, after[0][0]))
        return [*(before if leans else []), own, *(after if limited else [])]

    def _above(self, place: int) -> list[Offsets]:
        """The last sentence of the paragraph before, in the same section."""
        above = self._next(place, -1)
        return self.spans(above)[-1:] if above is not None and self.kinds[above] == PROSE else []

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
        """The quotable spans that ``start:end`` touches, as one; of the number of an item what it
        numbers; the span itself if in none."""
        touched = [span for span in self._quotable if span[0] < end and start < span[1]]
        touched = touched or [span for span in self.spans(self.place(start)) if end <= span[0]][:1]
        return (touched[0][0], touched[-1][1]) if touched else (start, end)

    def spans(self, place: int) -> list[Offsets]:
        """The quotable spans of the block ``place``."""
        start, end = self.blocks[place]
        return [span for span in self._quotable if start <= span[0] < end]

    def place(self, offset: int) -> int:
        """The block that the character ``offset`` is in."""
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
