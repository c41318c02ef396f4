"""Answers joined from several places: both sides of a comparison, the sentences of a summary.

Pure text work on the evidence. Everything that is said is a quote with a citation of its own; only
the name of a side, as a heading or title has it, may stand before a quote that does not hold it.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from app.inference.evidence_selection import stems
from app.inference.tables import LEAST_KIN, akin
from app.inference.writing.grounding import OUR_MARKER_SHAPE, CitationBook, Offsets, one_line
from app.inference.writing.question_types import MOST_READ, QuestionType, core, plain
from app.inference.writing.units import CONTENTS, HEADING, LEANS_BACK, ROW, Layout
from app.ports import Reading
from guardrails.contract import Draft, Passage, Sentence

JOINED = "reader:joined"
"""The model of a joined draft: a risk model for the reader's spans says nothing about it."""
MOST_SENTENCES, LEAST_SENTENCES = 5, 2
"""Of a summary."""
MOST_ROWS = 8
"""Of a table whose columns are compared."""
MOST_LISTED, FIRST_FOUND = 15, 3
"""Rows of a table that are told as a list, and passages that it is looked for in."""
MOST_OF_A_SIDE = 24
"""Places that may speak of a side; pairs of them are weighed."""
LEAST_WORDS = 3
"""Words of a sentence that says something by itself."""


@dataclass(frozen=True)
class Quote:
    """Words of a passage, and the side that they are about where they do not name it."""

    passage: Passage
    span: Offsets
    side: str = ""


@dataclass(frozen=True)
class Unit:
    """A sentence, an item, or a row below its header, which stands first."""

    passage: Passage
    spans: tuple[Offsets, ...]
    place: int

    @property
    def text(self) -> str:
        """Its own words, without the header."""
        return self.passage.text[slice(*self.spans[-1])]


def joined_draft(
    kind: QuestionType, question: str, evidence: Sequence[Passage], readings: Sequence[Reading]
) -> Draft | None:
    """The joined answer to a comparison or a request for a summary.

    None where one quote has to do: other types, a comparison whose sides are not named, a summary
    of what no passage is about. A comparison that no two places make abstains.
    Where the rows of a table are what a list or a count asks for, they answer; so does all of a
    table whose heading is all that is asked for.
    """
    if whole := headed_table(question, evidence):
        return _draft(whole, evidence, readings)
    if kind in (QuestionType.LIST, QuestionType.COUNT) and (
        rows := listed_rows(question, evidence)
    ):
        return _draft(rows, evidence, readings)
    if kind is QuestionType.COMPARISON and (named := sides(question)):
        return _draft(compared(question, named, evidence), evidence, readings)
    if kind is QuestionType.SUMMARY and (chosen := summary(question, evidence)):
        return _draft(chosen, evidence, readings)
    return None


def both_answers(
    drafts: Sequence[Draft], evidence: Sequence[Passage], readings: Sequence[Reading]
) -> Draft | None:
    """The answers to two questions as one; None where one of them has none, or both the same."""
    passages = {passage.id: passage for passage in evidence}
    quoted = [
        [Quote(passages[one.passage_id], (one.start, one.end)) for one in draft.citations]
        for draft in drafts
    ]
    if not all(quoted) or all(one in quoted[0] for one in quoted[-1]):
        return None
    return _draft(list(dict.fromkeys(one for part in quoted for one in part)), evidence, readings)


def _draft(
    quotes: Sequence[Quote], evidence: Sequence[Passage], readings: Sequence[Reading]
) -> Draft:
    book = CitationBook()
    sentences = []
    for quote in quotes:
        # A bracketed number of the source's own would read as a marker of ours.
        words = one_line(OUR_MARKER_SHAPE.sub("", quote.passage.text[slice(*quote.span)]))
        said = f"{quote.side}: {words}" if quote.side else words
        sentences.append(Sentence(said, book.numbers([(quote.passage, quote.span)])))
    cited = {citation.passage_id for citation in book.citations}
    read = [one for one, passage in zip(readings, evidence, strict=False) if passage.id in cited]
    return Draft(tuple(sentences), tuple(book.citations), JOINED, None, _weakest(read))


def _weakest(readings: Sequence[Reading]) -> dict[str, float]:
    """The worst figure of each kind among the passages that are quoted."""
    spans = [reading.span for reading in readings if reading.span is not None]
    answers = [reading.answers for reading in readings if reading.answers is not None]
    if not spans:
        return {}
    return {
        "margin": min(span.margin for span in spans),
        "span_lead": min(span.lead for span in spans),
        "span_entropy": max(span.entropy for span in spans),
        "relevance": min(reading.relevance for reading in readings),
        **({"answers": min(answers)} if answers else {}),
    }


# --- comparison -----------------------------------------------------------------------------

_NAME = (
    r"(?:the |an? |your |our |der |die |das |le |la |les |el |los |las |il |de |het )?(.{1,60}?)"
)
_ENDS = (
    r"(?=$|[?.,;:]| (?:in|for|when|if|with|on|under|at|as|across|regarding|about|plans?|which|who|"
    r"what|differ|compare|cost|have)\b)"
)
_SIDES = [
    re.compile(pattern)
    for pattern in (
        rf"\b(?:between|zwischen|entre|tra|fra|tussen) {_NAME} (?:and|und|et|y|e|en) "
        rf"{_NAME}{_ENDS}",
        rf"^(?:.*\b)?compare (?!to\b|with\b){_NAME} (?:and|with|to|against) {_NAME}{_ENDS}",
        rf"\bhow (?:do|does|did|is|are) {_NAME} (?:differ|different|compare)\w* "
        rf"(?:from|to|with|than|against) {_NAME}{_ENDS}",
        rf"\bhow (?:do|are|is) {_NAME} and {_NAME} (?:differ|different|compare)",
        rf"\b(?:what )?distinguish(?:es)? {_NAME} (?:from|and) {_NAME}{_ENDS}",
        rf"\b(?:advantages?|benefits?) of {_NAME} over {_NAME}{_ENDS}",
        rf"^(?:what|which|who|where)\b.*[,:] ?(?:is it )?{_NAME},? or {_NAME}{_ENDS}",
        r"^(?:what|which|who|where)\b.* (?:better|cheaper|dearer|faster|slower|longer|shorter|"
        rf"larger|bigger|smaller|higher|lower|older|newer|safer) {_NAME} or {_NAME}{_ENDS}",
        rf"^(?:compare )?{_NAME} (?:versus|vs\.?) {_NAME}{_ENDS}",
        rf"^(?:is there (?:a |any )?difference:? )?{_NAME} or {_NAME}\?*$",
    )
]
_COMPARING = stems(
    """difference different differ differs differences distinguish distinguishes compare compared
    comparison comparing better worse best cheaper dearer cheap expensive faster slower longer
    shorter larger bigger smaller higher lower older newer safer stronger easier less main key
    between versus vs any get gets advantage advantages benefit benefits tell please explain"""
)
_ASKING_FOR_ROWS = stems(
    """many much number count which what list all every there exist available possible offer offers
    offered have has got get sell provide give choose choice kinds kind types type sorts sort
    different do we you i me us our the any name show please exactly total currently"""
)
_ASKING_WHOLE = stems("when time tell please") | {"me", "your"}
_ASKS_WHOLE = re.compile(
    r"(?:what|which) are\b|(?:when|what times?) (?:are|do|does|is)\b|(?:tell|show|give) me\b"
    r"|(?:your |the )?\w+(?: \w+)?(?: please)?\W*$"
)
"""Asks for all of something, or only names it."""
_ASKS_NUMBER = re.compile(
    r"\b(?:cheap|cheaper|dearer|expensive|costs?|prices?|fees?|longer|shorter|larger|bigger|smaller|"
    r"higher|lower|older|newer|faster|slower|more|less)\b"
)
_SAYS_BOTH = re.compile(
    r"\b(?:than|whereas|while|unlike|both|more|less|same|differ\w*|instead|but|compared|only|also|"
    r"however)\b",
    re.IGNORECASE,
)
_STOPS = (".", "!", ".)", '."', ".\u201d", "\u3002")
_DIGIT = re.compile(r"\d")
_QUALIFIER = re.compile(r"^(?:an? |the )")


def sides(question: str) -> tuple[str, str] | None:
    """The two things that a comparison names, in lower case; None unless it names two."""
    text = " ".join(plain(question[:MOST_READ]).split())
    for pattern in _SIDES:
        if found := pattern.search(text):
            first, second = (_QUALIFIER.sub("", name.strip(" \"'")) for name in found.groups())
            if stems(first) and stems(second) and first != second:
                return first, second
    return None


def speaks_of_both(question: str, evidence: Sequence[Passage]) -> bool:
    """Whether half the words that tell one side of a comparison from the other stand in the
    evidence, for each side; False where no two sides are named."""
    named = sides(question)
    known = stems(plain("\n".join(f"{one.place}\n{one.text}" for one in evidence)))
    first, second = map(stems, named or ("", ""))
    own = [words for words in (first - second, second - first) if words]
    return bool(own) and all(2 * len(words & known) >= len(words) for words in own)


def compared(question: str, named: tuple[str, str], evidence: Sequence[Passage]) -> list[Quote]:
    """What the evidence says of both sides; [] unless it speaks of each of them."""
    for one in dict.fromkeys([named, _short(named), *_others(named)]):
        if one[0] != one[1] and (quotes := _compared_as(question, one, evidence)):
            return quotes
    return []


def _others(named: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """The two things that one is compared to: "how does A compare to B and C"."""
    parts = [_QUALIFIER.sub("", name) for name in named[1].split(" and ")]
    if len(parts) == 2 and all(map(stems, parts)):
        yield parts[0], parts[1]


def _short(named: tuple[str, str]) -> tuple[str, str]:
    """The names without what is asked of both, which stands at one of them: "silver and gold vet
    fees", "the price of silver and gold"."""
    first, second = (name.split() for name in named)
    return " ".join(first[-len(second) :]), " ".join(second[: len(first)])


def _compared_as(question: str, named: tuple[str, str], evidence: Sequence[Passage]) -> list[Quote]:
    first, second = Side(named[0], named[1]), Side(named[1], named[0])
    shared = stems(named[0]) & stems(named[1])
    asked = stems(plain(question)) - stems(" ".join(named)) - _COMPARING
    priced = bool(_ASKS_NUMBER.search(plain(question)))
    # What both names share may be what is asked ("the phone excess or the bike excess") or only
    # what they are ("the day ticket or the week ticket").
    for wanted in dict.fromkeys([asked | shared, asked]):
        if quotes := _compared(first, second, wanted, evidence, priced=priced):
            return quotes
        if priced:
            break
    return []


def _compared(
    first: "Side",
    second: "Side",
    asked: frozenset[str],
    evidence: Sequence[Passage],
    *,
    priced: bool,
) -> list[Quote]:
    layouts = [(passage, Layout(passage.text)) for passage in evidence]
    for passage, layout in layouts:
        if columns := _columns(passage, layout, first, second, asked):
            return columns
    units = [unit for passage, layout in layouts for unit in _units(passage, layout)]
    if both := _says_both(units, first, second, asked, priced=priced):
        return both
    left, right = (_about(units, *both) for both in ((first, second), (second, first)))
    return _side_by_side(left, right, asked, priced=priced)


def listed_rows(question: str, evidence: Sequence[Passage]) -> list[Quote]:
    """The rows of a table whose first column is what is asked for ("which plans do you have?"), if
    all other words of the question stand above it; of the passages found first."""
    asked = stems(core(question)) - _ASKING_FOR_ROWS
    for passage in evidence[:FIRST_FOUND]:
        layout = Layout(passage.text)
        for top in layout.headers():
            named = asked & stems(plain(layout.cells(top)[0]))
            if not named or not asked <= named | stems(plain(passage.place)):
                continue
            rows = [unit for unit in _units(passage, layout) if unit.spans[0] == layout.whole(top)]
            if 1 < len(rows) <= MOST_LISTED:
                spans = dict.fromkeys(span for unit in rows for span in unit.spans)
                return [Quote(passage, span) for span in spans]
    return []


def headed_table(question: str, evidence: Sequence[Passage]) -> list[Quote]:
    """The table of a section, and what is said beside it, where the question names no more than the
    heading ("what are your opening hours?"): one row alone would be a wrong answer."""
    text = core(question)
    asked = stems(text) - _ASKING_FOR_ROWS - _ASKING_WHOLE
    if not asked or not _ASKS_WHOLE.match(text):
        return []
    for passage in evidence[:FIRST_FOUND]:
        heading = stems(plain(passage.headings[-1])) if passage.headings else frozenset[str]()
        if not all(any(_same_word(word, own) for own in heading) for word in asked):
            continue
        layout = Layout(passage.text)
        units = list(_units(passage, layout))
        rows = [unit for unit in units if layout.kinds[unit.place] == ROW]
        # A first row without a header above it may be one.
        values = [row for place, row in enumerate(rows) if place or len(row.spans) > 1]
        named = any(asked & stems(plain(row.text)) for row in values)
        if len(rows) > 1 and len(units) <= MOST_LISTED and not named:
            spans = dict.fromkeys(span for unit in units for span in unit.spans)
            return [Quote(passage, span) for span in spans]
    return []


def _same_word(word: str, other: str) -> bool:
    """Whether both are forms of one word; a "pro" is no form of "problems"."""
    return word == other or (len(word) > LEAST_KIN and akin(word, other))


class Side:
    """One of the two things that are compared: its name, and how a text names it."""

    def __init__(self, name: str, other: str) -> None:
        words = r"(?:'?s)?\W+".join(map(re.escape, name.split()))
        self._phrase = re.compile(rf"(?<!\w){words}(?:'?s|es)?(?!\w)")
        own = stems(name) - stems(other)
        # A number alone may count anything.
        self._own = own if own and not any(_DIGIT.search(word) for word in own) else None

    def spelled_in(self, text: str) -> bool:
        """Whether ``text``, in lower case, holds the whole name."""
        return self._phrase.search(text) is not None

    def named_in(self, text: str) -> bool:
        """Whether it holds the name, or the words that tell it from the other side."""
        return self.spelled_in(text) or (self._own is not None and self._own <= stems(text))


def _about(units: Sequence[Unit], side: Side, other: Side) -> list[tuple[Unit, str]]:
    """The units that speak of one side alone, with its name where only a heading says it."""
    found = []
    for unit in units:
        text = plain(unit.text)
        if other.spelled_in(text):
            continue
        if side.named_in(text):
            found.append((unit, ""))
        elif heading := _heading(unit.passage, side, other):
            found.append((unit, heading))
    return found[:MOST_OF_A_SIDE]


def _heading(passage: Passage, side: Side, other: Side) -> str:
    """The innermost heading or title that names the one or the other, if it is the one."""
    for name in reversed((passage.title, *passage.headings)):
        text = plain(name)
        if side.named_in(text) or other.named_in(text):
            return "" if other.spelled_in(text) or not side.named_in(text) else one_line(name)
    return ""


def _columns(
    passage: Passage, layout: Layout, first: Side, second: Side, asked: frozenset[str]
) -> list[Quote]:
    """The rows of a table that has a column for each side."""
    for top in layout.headers():
        head = plain(layout.line(top))
        if not (first.named_in(head) and second.named_in(head)):
            continue
        rows = [unit for unit in _units(passage, layout) if unit.spans[0] == layout.whole(top)]
        # What the table is about is no row of it.
        told = asked - stems(plain(f"{passage.place} {head}"))
        met = [unit for unit in rows if told & stems(plain(unit.text))]
        chosen = (met or ([] if told else _differing(rows, layout, top, first, second)))[:MOST_ROWS]
        spans = dict.fromkeys(span for unit in chosen for span in unit.spans)
        return [Quote(passage, span) for span in spans]
    return []


def _differing(
    rows: Sequence[Unit], layout: Layout, top: int, first: Side, second: Side
) -> list[Unit]:
    """The rows that tell the two columns apart; all where none does."""
    names = [plain(name) for name in layout.cells(top)]
    here, there = (
        next((n for n, name in enumerate(names) if side.named_in(name)), 0)
        for side in (first, second)
    )
    cells = [(unit, layout.cells(unit.place)) for unit in rows]
    apart = [
        unit
        for unit, found in cells
        if max(here, there) < len(found) and found[here] != found[there]
    ]
    return apart or list(rows)


def _says_both(
    units: Sequence[Unit], first: Side, second: Side, asked: frozenset[str], *, priced: bool
) -> list[Quote]:
    """The one sentence that compares them itself."""
    best: tuple[int, Unit] | None = None
    for unit in units:
        text = plain(unit.text)
        if not (first.spelled_in(text) and second.spelled_in(text) and _SAYS_BOTH.search(text)):
            continue
        met = len(asked & stems(text))
        if (asked and not met) or (priced and not _DIGIT.search(text)):
            continue
        if best is None or met > best[0]:
            best = met, unit
    return [] if best is None else [Quote(best[1].passage, span) for span in best[1].spans]


def _side_by_side(
    left: Sequence[tuple[Unit, str]],
    right: Sequence[tuple[Unit, str]],
    asked: frozenset[str],
    *,
    priced: bool,
) -> list[Quote]:
    """The pair that speaks of what was asked in words most alike."""
    best: tuple[float, tuple[tuple[Unit, str], tuple[Unit, str]]] | None = None
    words = {id(unit): stems(plain(unit.text)) for unit, _ in (*left, *right)}
    around = {id(unit): stems(plain(unit.passage.place)) for unit, _ in (*left, *right)}
    for one, other in product(left, right):
        pair = (one[0], other[0])
        met = [len(asked & words[id(unit)]) for unit in pair]
        near = [met[n] or len(asked & around[id(unit)]) for n, unit in enumerate(pair)]
        numbers = [bool(_DIGIT.search(unit.text)) for unit in pair]
        if (asked and not all(near)) or (priced and not all(numbers)):
            continue
        same, every = _common(words[id(pair[0])], words[id(pair[1])])
        if same == every:  # they tell nothing apart
            continue
        alike = same
        worth = 3 * sum(met) + 2 * alike + 2 * all(numbers) - 0.01 * sum(map(_length, pair))
        if best is None or worth > best[0]:
            best = worth, (one, other)
    return [] if best is None else list(_quotes(best[1]))


def _common(left: frozenset[str], right: frozenset[str]) -> tuple[int, int]:
    return len(left & right), len(left | right)


def _quotes(pair: tuple[tuple[Unit, str], tuple[Unit, str]]) -> Iterator[Quote]:
    """Both units, a header that they share once."""
    seen = set()
    for unit, side in pair:
        for span in unit.spans:
            if (unit.passage.id, span) not in seen:
                seen.add((unit.passage.id, span))
                yield Quote(unit.passage, span, side if span == unit.spans[-1] else "")


def _length(unit: Unit) -> int:
    start, end = unit.spans[-1]
    return end - start


# --- summary --------------------------------------------------------------------------------

_ASKING = stems(
    """summarise summarize summary summaries overview outline recap gist key points main takeaways
    highlights describe explain discuss introduce tell give short brief briefly say says said state
    about section chapter part page paragraph document handbook manual guide text file all whole
    everything please regarding information know need idea details rule rules policy policies terms
    contract leaflet report"""
)
_DOCUMENT = re.compile(
    r"\b(?:handbook|manual|guide|document|file|policy|contract|leaflet|report)\b"
)


def summary(question: str, evidence: Sequence[Passage]) -> list[Quote]:
    """Two to five sentences: those of the section that is asked about, else those of any passage
    that speak of it; [] where nothing does."""
    topic = stems(core(question)) - _ASKING
    whole = not topic and bool(_DOCUMENT.search(core(question)))
    if not evidence or not (topic or whole):
        return []
    section = _section(topic, evidence) if topic else _document(evidence)
    units = [
        unit
        for passage in section or evidence
        for unit in _sentences(passage, Layout(passage.text))
    ]
    if not section:
        units = [unit for unit in units if _meets(topic, stems(plain(unit.text)))]
    chosen = _covering(units, topic)
    return [Quote(unit.passage, unit.spans[-1]) for unit in chosen]


def _document(evidence: Sequence[Passage]) -> list[Passage]:
    """What was found of the best passage's document, in its order."""
    inside = [one for one in evidence if one.document_id == evidence[0].document_id]
    return sorted(inside, key=lambda passage: passage.start)


def _section(topic: frozenset[str], evidence: Sequence[Passage]) -> list[Passage]:
    """The passages of the section whose headings meet the topic best, in their order."""
    met: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for passage in evidence:
        for depth in range(len(passage.headings) + 1):
            names = (passage.title, *passage.headings[:depth])
            own = stems(plain(" ".join(names)))
            if topic & stems(plain(names[-1])) and (shared := len(topic & own)):
                met[passage.document_id, names] = shared
    if not met:
        return []
    most = max(met.values())
    # Of sections that meet it alike, the one found first.
    for document, names in (key for key in met if met[key] == most):
        inside = [
            passage
            for passage in evidence
            if passage.document_id == document
            and (passage.title, *passage.headings)[: len(names)] == names
        ]
        if _meets(topic, stems(plain(" ".join(f"{one.place} {one.text}" for one in inside)))):
            return sorted(inside, key=lambda passage: passage.start)
    return []


def _meets(topic: frozenset[str], words: frozenset[str]) -> bool:
    """Whether two thirds of the topic are there: a "scheme" alone is another scheme."""
    return 3 * len(topic & words) >= 2 * len(topic)


def _covering(units: Sequence[Unit], topic: frozenset[str]) -> list[Unit]:
    """At most five units with the words that the section uses most, in their order."""
    if len(units) < LEAST_SENTENCES:
        return []
    words = [stems(plain(unit.text)) for unit in units]
    often = Counter(word for held in words for word in held)
    chosen: list[int] = []
    covered: set[str] = set()

    def worth(place: int) -> float:
        new = words[place] - covered
        leans = LEANS_BACK.match(units[place].text) and place - 1 not in chosen
        said = sum(often[word] for word in new) + 2 * len(topic & words[place])
        return -1.0 if leans else said / (len(words[place]) + LEAST_WORDS) + 0.5 * (place == 0)

    while len(chosen) < min(MOST_SENTENCES, len(units)):
        best = max((n for n in range(len(units)) if n not in chosen), key=worth)
        if worth(best) < 0:
            break
        chosen.append(best)
        covered |= words[best]
    return [units[place] for place in sorted(chosen)] if len(chosen) >= LEAST_SENTENCES else []


# --- units ----------------------------------------------------------------------------------


def _units(passage: Passage, layout: Layout) -> Iterator[Unit]:
    """What can be quoted of a passage: no headings, header rows, page numbers, or questions."""
    for place, kind in enumerate(layout.kinds):
        line = layout.line(place)
        if not line or kind == HEADING or CONTENTS.search(line):
            continue
        names = layout.header(place) if kind == ROW else range(0)
        if place in names:
            continue
        head = [layout.whole(top) for top in names]
        for span in layout.spans(place):
            unit = Unit(passage, (*head, span), place)
            if kind == ROW or _speaks(unit.text):
                yield unit


def _sentences(passage: Passage, layout: Layout) -> Iterator[Unit]:
    """The units that can stand alone: rows cannot, nor what leads to a list."""
    for unit in _units(passage, layout):
        text = unit.text.strip()
        if layout.kinds[unit.place] != ROW and text.endswith(_STOPS) and not text[0].islower():
            yield unit


def _speaks(text: str) -> bool:
    return len(text.split()) >= LEAST_WORDS and not text.rstrip().endswith("?")
