"""Asks back: what a question may be about, where it leaves that open and the documents differ.

"What is the excess?" has several right answers when three products each give one. Pure text work on
the evidence: the passages that hold all that the question names, told apart by what their titles,
headings or row names add, and only where they give different values.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile, zip_longest

from app.inference.evidence_selection import stems
from app.inference.extremes import asks_extreme
from app.inference.tables import shape
from app.inference.writing.grounding import Offsets, one_line, quotable_bounds
from app.inference.writing.question_types import QuestionType, core, plain, question_type
from app.inference.writing.units import CONTENTS, HEADING, NUMBER, ROW, Layout
from guardrails.contract import Passage

LEAST, MOST = 2, 5
"""Choices that are offered."""
MOST_NAMED = 4
"""Words of a question that may leave open what it is about; one that names more does not."""
MAX_LABEL = 80
"""Characters of a name that is offered."""
_ASKED_BACK = frozenset(
    {
        QuestionType.FACT,
        QuestionType.YES_NO,
        QuestionType.COUNT,
        QuestionType.LIST,
        QuestionType.PROCEDURE,
    }
)
_ASKS_FOR_VALUES = (QuestionType.FACT, QuestionType.COUNT)
_GENERAL = stems(
    """long much many often high soon late early good best there need get
    have take takes last lasts cost costs pay pays start starts begin begins end ends open opens
    close closes run runs apply applies valid given give tell please know want like current
    currently usual usually happen happens exactly use used work works say says look find got i me
    my we our you your it its one someone somebody anyone people about let like
    would must should within s t re ve ll d"""
)
"""Words that ask and name nothing."""
_KINDS = stems(
    """price prices pricing fee fees fare fares charge charges rate rates tariff tariffs cost costs
    payment payments billing bills excesses discounts refunds refund changes change terms conditions
    rules regulations ordinance schedule schedules annex appendix glossary guide guides guidance
    handbook overview information info notes faq faqs questions answers help visit visiting contact
    wording list all general our your extract"""
)
"""Words of titles that say what sort of text it is: "Prices 2026" is nothing to choose."""
_SECTION = re.compile(
    r"(?:\d+(?:\.\d+)*\.|\d+(?:\.\d+)+|§ ?\d+[a-z]?|(?:section|chapter|part|article) \w+)[: ]", re.I
)
"""How a section of one work begins, which is no thing of its own."""
_UNITS_ASKED = re.compile(r"\bhow many (?:minutes|hours|days|weeks|months|years)\b")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NAMED = re.compile(r"(?<=[^.?!]\s)[A-Z]\w+|\w*\d\w*")
"""Names and numbers of a question; the word it begins with is no name."""
FIRST_FOUND = 2
"""Passages whose sentences are compared with each other."""
_VERB = r"(?P<verb>can be \w+|may be \w+|must be \w+|\w+)"
_TELLS = re.compile(r"is|are|lasts?|takes?|costs?|runs?|has|have|(?:can|may|must) be \w+")
"""A verb that gives a value; of others that which the question has ("when do they leave")."""
_VALUE = (
    r"(?P<value>(?:about |around |at |most |up to |on |from |for |a |an |only )*[£€$]?\d.*"
    r"|(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|none|free)\b.*)"
)
_OF_WHAT = re.compile(
    rf"(?P<frame>[^,;:]{{4,60}}? (?:on|at|for|in|with|of|to|from|by) )(?:(?:the|our|a|an) )?"
    rf"(?P<name>[\w-]+(?: [\w-]+){{0,3}}?) {_VERB} {_VALUE}",
    re.IGNORECASE,
)
_WHAT_FIRST = re.compile(
    rf"(?:(?:the|our|a|an) )?(?P<name>[\w-]+(?: [\w-]+)?)(?P<frame>(?: [\w-]+){{1,4}}?) "
    rf"{_VERB} {_VALUE}",
    re.IGNORECASE,
)
"""A sentence that gives a value of something: what is told before its name, or after it."""
_GOES_ON = re.compile(
    r"(?:on|at|for|in|with|of|to|from|by) (?:(?:the|our|a|an) )?"
    r"(?P<name>[\w-]+(?: [\w-]+){0,3}?),? "
    rf"(?:it|this|that|they) {_VERB} {_VALUE}",
    re.IGNORECASE,
)
_COUNTS = re.compile(r"\b\d+\b")
_WHETHER = frozenset(("yes", "no"))
"""What a cell says that gives no value."""
COUNTED = 30
"""Characters after a number in which stands what it counts."""
_CHOICE = re.compile(r"\((.{1,80})\)[?!. ]*$")
_ASKS_WHY = re.compile(r"\bwhy\b")
_ASKS_VALUE = re.compile(
    r"\bhow (?:much|many|long|often|far|high|old|big|large|soon|late)\b|\bwhen\b"
)


@dataclass(frozen=True)
class Choice:
    """Something that the question may be about, as the documents name it, and the full question."""

    label: str
    question: str


@dataclass(frozen=True)
class _Candidate:
    """An answer that a place of the evidence gives, and the names that this place stands under.

    ``counts`` says whether it gives a number; a cell answers with whatever stands in it.
    ``words`` are those of a sentence; a row has none.
    """

    names: tuple[str, ...]
    value: frozenset[str]
    counts: bool
    words: frozenset[str] = frozenset()


def choices(
    question: str, evidence: Sequence[Passage], earlier: Iterable[str] = ()
) -> tuple[Choice, ...]:
    """Two to five things that ``question`` may be about; () where one is meant or all agree.

    ``earlier`` are the questions that it follows: what they name is not asked again.
    """
    if question_type(question) not in _ASKED_BACK or _chosen(question, evidence):
        return ()
    if _ASKS_WHY.search(core(question)):  # each reason is one
        return ()
    if asks_extreme(core(question)):  # which of them is what is asked
        return ()
    asked = stems(_UNITS_ASKED.sub(" ", core(question))) - _GENERAL
    if not asked or len(asked) > MOST_NAMED:
        return ()
    if beside := _beside_each_other(question, asked, evidence[:FIRST_FOUND]):
        said = plain(" ".join((question, *earlier)))
        named = any(_spelled(label, said) for label in beside)
        return () if named else tuple(Choice(one, _full(question, one)) for one in beside)
    found = list(_candidates(question, asked, evidence))
    labels = _told_apart(found, asked, values=question_type(question) in _ASKS_FOR_VALUES)
    labels = [label for label in labels if not _speaks_for_all(label, evidence)]
    said = plain(" ".join((question, *earlier)))
    if not LEAST <= len(labels) <= MOST or any(_spelled(label, said) for label in labels):
        return ()
    return tuple(Choice(label, _full(question, label)) for label in labels)


def picked(reply: str, offered: Sequence[Choice]) -> Choice | None:
    """The one choice that a reply names ("Plus", "the phone one"); None for any other text."""
    named = stems(core(reply)) - _GENERAL
    meant = [one for one in offered if named and named <= stems(plain(one.label))]
    return meant[0] if len(meant) == 1 else None


def _chosen(question: str, evidence: Sequence[Passage]) -> bool:
    """Whether it ends with the name that was chosen, as ``_full`` writes it: who has chosen a
    document is not asked for its section next."""
    found = _CHOICE.search(question)
    names = {_label(name) for one in evidence for name in (one.title, *one.headings)}
    return found is not None and found[1] in names


def _candidates(
    question: str, asked: frozenset[str], evidence: Sequence[Passage]
) -> Iterator[_Candidate]:
    """What each passage, and each row of a table, says of all that was asked."""
    names = stems(plain(" ".join(_NAMED.findall(question))))
    # Sections of one document that say yes and no say it of different things.
    sections = question_type(question) is not QuestionType.YES_NO
    needs_number = bool(_ASKS_VALUE.search(core(question)))
    for passage in evidence:
        if not _may_hold(passage, asked):
            continue
        around = stems(plain(passage.place))
        layout = Layout(passage.text)
        for own, span in _speaking(layout, asked, around):
            words = stems(plain(passage.text[slice(*span)]))
            if names <= words | around and (own or not names):
                text = passage.text[slice(*span)]
                if needs_number and not NUMBER.search(text):
                    continue
                if not _counts(question, asked, plain(text)):
                    continue
                headings = passage.headings if sections else ()
                parts = (passage.title, *headings)
                counts = bool(NUMBER.search(text))
                yield _Candidate(parts, _value(text, asked | around), counts, words)
                break
        for row in (
            *_rows(passage, layout, asked, around),
            *_named_rows(passage, layout, asked, around),
        ):
            if not needs_number or not row.value <= _WHETHER:
                yield row


def _beside_each_other(
    question: str, asked: frozenset[str], evidence: Sequence[Passage]
) -> list[str]:
    """The things that sentences of one passage tell of in the same words, with other values: "The
    time limit on the lathe is 4 hours", "The time limit on the saw is 2 hours". [] where the
    passage says it without a name too, or the question names one."""
    told_of = stems(plain(question)) - _GENERAL - asked
    if question_type(question) not in _ASKS_FOR_VALUES or told_of:  # a case is one
        return []
    for passage in evidence:
        if not _may_hold(passage, asked):
            continue
        told: dict[str, dict[str, frozenset[str]]] = {}
        layout = Layout(passage.text)
        around = stems(plain(passage.place))
        for _, span in _speaking(layout, asked, around):
            for frame, name, value in _frames(one_line(passage.text[slice(*span)]), asked):
                if asked <= stems(frame) | around and asked & stems(frame):
                    told.setdefault(frame, {})[name] = _value(value, frozenset())
        for names in told.values():
            if len(names) >= LEAST:
                names |= _going_on(passage.text)
            if LEAST <= len(names) <= MOST and len(set(names.values())) > 1:
                return list(names)
    return []


def _going_on(text: str) -> dict[str, frozenset[str]]:
    """The things of which sentences go on to tell the same: "On the drill it is 1 hour"."""
    spans = (one_line(text[slice(*span)]) for span in quotable_bounds(text))
    found = filter(None, map(_GOES_ON.fullmatch, spans))
    return {one["name"]: _value(one["value"], frozenset()) for one in found}


def _may_tell(verb: str, asked: frozenset[str]) -> bool:
    return bool(_TELLS.fullmatch(verb)) or bool(stems(verb) & asked)


def _frames(sentence: str, asked: frozenset[str]) -> Iterator[tuple[str, str, str]]:
    """How a sentence may be read as (what is told, of what, value)."""
    for pattern in (_OF_WHAT, _WHAT_FIRST):
        if found := pattern.match(sentence):
            name = found["name"].strip()
            if not _COUNTS.search(name) and stems(name) and _may_tell(found["verb"], asked):
                frame = plain(f"{found['frame']} {found['verb']}")
                yield frame, name, found["value"]


def _counts(question: str, asked: frozenset[str], text: str) -> bool:
    """Whether a sentence says how many there are of what is counted, if that is asked."""
    if question_type(question) is not QuestionType.COUNT:
        return True
    counted = (stems(text[at.start() : at.end() + COUNTED]) for at in NUMBER.finditer(text))
    return any(asked & words for words in counted)


def _may_hold(passage: Passage, asked: frozenset[str]) -> bool:
    """Whether the passage can hold all words: a quick look that most passages fail."""
    text = plain(f"{passage.place}\n{passage.text}").replace(",", "")
    return all(word in text or word == "not" for word in asked)


def _speaking(
    layout: Layout, asked: frozenset[str], around: frozenset[str]
) -> Iterator[tuple[frozenset[str], Offsets]]:
    """The sentences that say all that was asked, themselves or with the headings above them: the
    shared words and the span, those that say most themselves first."""
    found = []
    for place, kind in enumerate(layout.kinds):
        if kind in (ROW, HEADING) or CONTENTS.search(layout.line(place)):
            continue
        for span in layout.spans(place):
            own = asked & stems(plain(layout.text[slice(*span)]))
            if own and asked <= own | around:
                found.append((own, span))
    return iter(sorted(found, key=lambda one: -len(one[0])))


def _rows(
    passage: Passage, layout: Layout, asked: frozenset[str], around: frozenset[str]
) -> Iterator[_Candidate]:
    """The rows of a table that has a column for what was asked."""
    for top in layout.headers():
        names = layout.header(top)
        head = _joined([layout.cells(place) for place in names])
        columns = [n for n, cell in enumerate(head) if n and asked & stems(plain(cell))]
        if not columns:
            continue
        below = takewhile(lambda n: layout.kinds[n] == ROW, range(names.stop, len(layout.blocks)))
        body = [cells for place in below if len(cells := layout.cells(place)) > columns[0]]
        rows = _called(body, asked - around - stems(plain(" ".join(head))))
        told = [(cells[0], cells[columns[0]]) for cells in rows if cells[0] and cells[columns[0]]]
        if _of_one_kind([value for _, value in told]):
            for name, value in told:
                under = (passage.title, *passage.headings, name)
                yield _Candidate(under, _value(value, frozenset()), counts=True)


def _called(rows: Sequence[Sequence[str]], words: frozenset[str]) -> Sequence[Sequence[str]]:
    """The rows whose names hold the words, as "Home claims" and "Car claims" do; [] where one is
    called just so, and is meant."""
    held = [(cells, stems(plain(cells[0]))) for cells in rows]
    if words and any(name == words for _, name in held):
        return []
    return [cells for cells, name in held if words <= name]


def _named_rows(
    passage: Passage, layout: Layout, asked: frozenset[str], around: frozenset[str]
) -> Iterator[_Candidate]:
    """The row that is called what was asked: a table of another thing may have one too."""
    for top in layout.headers():
        names = layout.header(top)
        below = takewhile(lambda n: layout.kinds[n] == ROW, range(names.stop, len(layout.blocks)))
        for cells in map(layout.cells, below):
            name = stems(plain(cells[0]))
            if asked & name and asked <= name | around and any(cells[1:]):
                value = _value(" ".join(cells[1:]), frozenset())
                yield _Candidate((passage.title, *passage.headings), value, counts=True)
                return


def _of_one_kind(values: Sequence[str]) -> bool:
    """Whether most values look alike, as those of several things do: a price, some hours and a
    notice period are of one thing."""
    shapes = Counter(map(shape, values))
    return bool(shapes) and 2 * max(shapes.values()) > len(values)


def _joined(rows: Sequence[Sequence[str]]) -> list[str]:
    """The names of columns that stand in one row or in several below each other."""
    return [" ".join(dict.fromkeys(cells)) for cells in zip_longest(*rows, fillvalue="")]


def _value(text: str, known: frozenset[str]) -> frozenset[str]:
    """What tells one answer from another: its numbers, or without any its own words."""
    numbers = frozenset(number.replace(",", "") for number in _NUMBER.findall(text))
    numbers |= {word for word in NUMBER.findall(text.lower()) if not word.isdigit()}
    return numbers or stems(plain(text)) - known


def _told_apart(
    found: Sequence[_Candidate], asked: frozenset[str], *, values: bool = True
) -> list[str]:
    """The names of candidates that give different values; [] where they agree, or where one of
    them stands under no name of its own and so speaks for all, or where sections of one document
    say it in other words: what they tell is not the same of several things."""
    shared = set.intersection(*(set(one.names) for one in found)) if found else set()
    # Where a value is asked for, a place without a number beside others only mentions it.
    counting = values and any(one.counts for one in found)
    told: dict[str, frozenset[str]] = {}
    for one in found:
        own = [name for name in one.names if name not in shared and not stems(plain(name)) <= asked]
        if not own:
            return []
        if one.counts or not counting:
            told.setdefault(_label(own[0]), one.value)
    if len({one.names[0] for one in found}) == 1 and not _said_alike(found):
        return []
    first, *others = told.values() or [frozenset()]
    return list(told) if any(not _same(first, other) for other in others) else []


def _said_alike(found: Sequence[_Candidate]) -> bool:
    """Whether the sentences share two thirds of their words, beside the numbers and names that
    tell them apart."""
    if len({bool(one.words) for one in found}) > 1:
        return False
    texts = []
    for one in found:
        own = one.words - stems(plain(" ".join(one.names)))
        texts.append({word for word in own if not word[0].isdigit()})
    texts = [words for words in texts if words]
    return not texts or 3 * len(set.intersection(*texts)) >= 2 * len(set.union(*texts))


def _speaks_for_all(label: str, evidence: Sequence[Passage]) -> bool:
    """Whether a name is that of a section of a work, or says no more than what sort of text it is
    and, as other titles do, whose."""
    if _SECTION.match(label):
        return True
    own = {word for word in stems(plain(label)) if not word[0].isdigit()}
    titles = {one.title for one in evidence} - {label}
    others = frozenset[str]().union(*(stems(plain(title)) for title in titles))
    return own - others <= _KINDS and bool(own & _KINDS)


def _label(name: str) -> str:
    return one_line(name)[:MAX_LABEL].strip()


def _same(left: frozenset[str], right: frozenset[str]) -> bool:
    return left <= right or right <= left


def _spelled(label: str, text: str) -> bool:
    """Whether ``text`` names ``label``, whole."""
    words = r"\W+".join(map(re.escape, plain(label).split()))
    return bool(re.search(rf"(?<!\w){words}(?!\w)", text))


def _full(question: str, label: str) -> str:
    """The question with what it is about."""
    stem = question.rstrip()
    ends = stem[len(stem.rstrip("?!. ")) :].strip()
    return f"{stem.rstrip('?!. ')} ({label}){ends}"
