"""Does a draft answer in the way that its question asks: yes or no in words, a count with a number?

Rules over words. A draft that does not fit gives way to the next one.
"""

import math
import re
from dataclasses import replace
from itertools import pairwise

from app.inference.evidence_selection import stems
from app.inference.ranges import holds, in_years, quantities
from app.inference.writing.grounding import Offsets
from app.inference.writing.question_types import QuestionType, core, plain
from app.inference.writing.units import BARE, HEADING, NUMBER, ROW, Layout
from guardrails.contract import Draft, Passage
from guardrails.words import WORD

_SAYS_WHETHER = re.compile(
    r"\b(?:can(?:not|'t)?|may|must(?:n't)?|shall|should|will|won't|need(?:s|n't)?|have to|has to|"
    r"allow(?:ed|s)?|permit(?:ted|s)?|prohibited|forbidden|banned|barred|entitled|eligible|"
    r"includ(?:ed?|es|ing)|exclud(?:ed?|es|ing)|cover(?:ed|s)?|insured?|pays? for|free|charged?|"
    r"required|mandatory|compulsory|optional|voluntary|possible|impossible|available|accept(?:ed|s)?|"
    r"refus(?:ed?|es)|welcome|valid|yes|no|not|never|none|nobody|only|unless|except|without|"
    r"depends|due|payable|refund(?:ed|able)|open|closed|isn't|aren't|doesn't|don't|wasn't|weren't|didn't|if)\b"
    r"|\b(?:darf|durfen|kann|konnen|muss|mussen|nicht|kein\w*|erlaubt|verboten|inbegriffen|"
    r"versichert|peut|peuvent|doit|pas|interdit\w*|permis\w*|compris\w*|inclus\w*|puede\w*|debe\w*|"
    r"prohibid\w*|permitid\w*|incluid\w*|puo|non|vietat\w*|permess\w*|mag|niet|geen|verplicht)\b"
)
"""Words in which a text says whether something is so, may be, or must be."""
_ASKING = stems(
    """am i we you they there any anyone my me our us allowed possible please also still already
    really ever get have do does did know whether tell somebody someone need must may might company
    website site service user users customer customers people"""
)
"""Words of a question that an answer need not repeat."""
_ASKING_ROWS = stems("ok okay come comes use used using come got have has one")
"""Words that ask for what the cell of a row says."""
_WHETHER = re.compile(
    r"(?:yes|no|not|none|never|always|included|optional|free|allowed|possible|required)\b"
    r"|[\u2713\u2714\u2717\u2718\u2013\u2014-]$"
)
"""How a cell says whether something is so."""
_ASKS_MEANING = re.compile(
    r"\b(?:mean(?:s|ing)?|meant|define[ds]?|definition|stands? for|refers? to|"
    r"the (?:term|word|phrase)|bedeutet|heisst|betekent|signifi(?:e|ca)|veut dire)\b"
)
"""Asks what a word means, not what is known of a thing."""
IMPLIED = "reader:implied"
"""The model of a draft that speaks of what was asked without a yes or no in words: the risk model
for the reader's spans does not count, so that a person decides what follows from it."""
_ASKED = re.compile(r"^[^\n|]{5,200}\?[ \t]*$", re.MULTILINE)
_GAP = r"(?: the| first| age| \w{3})?[ \xa3$\u20ac]*(\d[\d.,]*\d|\d)"
_ABOVE = re.compile(rf"\b(?:after|over|above|beyond|more than|longer than|older than|from){_GAP}")
_BELOW = re.compile(
    r"\b(?:within|before|until|up to|under|below|at most|no more than|less than|in the first)"
    rf"{_GAP}"
)
_GIVES_REASON = re.compile(
    r"\b(?:because|since|as|so|due to|owing to|reasons?|why|therefore|thus|otherwise|else|"
    r"in order to|to (?:avoid|prevent|protect|keep|make|ensure))\b"
)
_GIVES_TIME = re.compile(
    r"\d|\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)days?|daily|weekly|monthly|yearly|annually|"
    r"(?:each|every) \w+|days?|weeks?|months?|years?|after|before|until|when|once|always|never)\b"
)
SAYS_IT, NEARLY_SAYS_IT = 0.6, 0.45
"""Share of the question's words that the answer and the place it stands in hold: enough alone, and
enough beside words that say whether."""


def fits(kind: QuestionType, question: str, draft: Draft, passage: Passage) -> bool:
    """Whether ``draft``, taken from ``passage``, is an answer of the type ``kind``."""
    if kind is QuestionType.YES_NO:
        return _in_words(question, draft, passage)
    if kind is QuestionType.COUNT:
        return _counts(draft)
    if kind is QuestionType.DEFINITION:
        return _explains(question, draft, passage)
    return True


def says_besides(added: str, draft: Draft) -> bool:
    """Whether the draft gives what the question ``added`` asks for: a reason, a number, a time."""
    said, asked = plain(" ".join(one.text for one in draft.sentences)), core(added)
    if asked.startswith("why"):
        return bool(_GIVES_REASON.search(said))
    if asked.startswith(("when", "how often")):
        return bool(_GIVES_TIME.search(said))
    return not asked.startswith("how") or bool(NUMBER.search(said))


def may_imply(question: str, draft: Draft, passage: Passage) -> bool:
    """Whether a yes or no can follow from it: it says whether something is so, or its passage has
    a word of what was asked."""
    asked = stems(core(question)) - _ASKING
    near = not asked or bool(asked & stems(plain(f"{passage.place} {passage.text}")))
    return near or bool(_SAYS_WHETHER.search(plain(draft.text)))


def telling(question: str, passage: Passage, span: Offsets) -> Offsets:
    """The sentence of ``passage`` that says yes or no to what was asked, where those that ``span``
    touches neither say so nor speak of it at all; else ``span``."""
    asked = stems(core(question)) - _ASKING - stems(plain(passage.place))
    layout = Layout(passage.text)
    said: list[tuple[Offsets, str]] = []
    for place, kind in enumerate(layout.kinds):
        if kind == ROW and layout.blocks[place][0] <= span[0] < layout.blocks[place][1]:
            return span
        if kind not in (ROW, HEADING):
            said += [(one, plain(passage.text[slice(*one)])) for one in layout.spans(place)]
    own = " ".join(text for one, text in said if one[0] < span[1] and span[0] < one[1])
    asking = _question_above(passage, span[0])
    if BARE.fullmatch(own) or _says(own) or asked & stems(own + asking):
        return span
    told = [(len(asked & stems(text)), one) for one, text in said if _says(text)]
    most, best = max(told, key=lambda one: one[0], default=(0, span))
    return best if most else span


def row_whether(question: str, passage: Passage, said: str) -> Offsets | None:
    """The one row of a table in ``passage`` that says yes or no to most of what was asked, by its
    name and the names of its columns; None where none says half of it, several say as much, or
    ``said`` says as much."""
    asked = stems(core(question)) - _ASKING - _ASKING_ROWS - _amounts(question)
    asked = asked - stems(plain(passage.place)) or asked
    layout = Layout(passage.text)
    told: list[tuple[int, Offsets]] = []
    for place in (n for n, kind in enumerate(layout.kinds) if kind == ROW and asked):
        name, *cells = layout.cells(place)
        whether = [n for n, cell in enumerate(cells, 1) if _WHETHER.match(plain(cell))]
        named = len(asked & stems(plain(name))) or _within(question, name)
        if not whether or place in layout.header(place) or not named:
            continue
        heads = [layout.cells(top) for top in layout.header(place)]
        over = " ".join(head[n] for head in heads for n in whether if n < len(head))
        held = len(asked & stems(plain(f"{name} {over}"))) + _within(question, name)
        told.append((held, layout.blocks[place]))
    most = max((held for held, _ in told), default=0)
    best = [row for held, row in told if held == most]
    enough = 2 * most >= len(asked) and most > len(asked & stems(plain(said)))
    return best[0] if len(best) == 1 and enough else None


def _within(question: str, name: str) -> int:
    """How many of the question's quantities lie within the limit that a row is called by."""
    return sum(holds(one, in_years(name)) is True for one in quantities(question))


def _amounts(question: str) -> frozenset[str]:
    return stems(" ".join(one.said for one in quantities(question)))


def _question_above(passage: Passage, start: int) -> str:
    """The question of a list of such that ``start`` is below; "" where none is."""
    asked = _ASKED.findall(passage.text, 0, start)
    return f" {plain(asked[-1])}" if asked else ""


def _says(text: str) -> bool:
    return bool(_SAYS_WHETHER.search(text)) and not text.rstrip().endswith("?")


def implied(draft: Draft) -> Draft:
    """The draft for a reviewer."""
    return of_unknown_risk(draft, IMPLIED)


def of_unknown_risk(draft: Draft, model: str) -> Draft:
    """The draft as one of ``model``, which no risk model knows, and under any least margin of a
    policy."""
    return replace(draft, model=model, features={**draft.features, "margin": -math.inf})


def _in_words(question: str, draft: Draft, passage: Passage) -> bool:
    """Whether it says in words that something is so or not so."""
    said = plain(" ".join(sentence.text for sentence in draft.sentences))
    if _beyond(core(question), said):
        return False
    said += _question_above(passage, min((one.start for one in draft.citations), default=0))
    asked = stems(core(question)) - _ASKING
    if not asked:
        return bool(_SAYS_WHETHER.search(said))
    words = stems(said) | _joined(said)
    met = len(asked & (words | stems(plain(passage.place)))) / len(asked)
    enough = NEARLY_SAYS_IT if _SAYS_WHETHER.search(said) else SAYS_IT
    return met >= enough and bool(asked & words)


def _joined(text: str) -> frozenset[str]:
    """Neighbouring words as one: "motor boats" says "motorboats"."""
    return stems(" ".join(map("".join, pairwise(WORD.findall(text)))))


def _beyond(question: str, said: str) -> bool:
    """Whether the question is about one side of a number and the answer about the other: "after 14
    days" and "within 14 days"."""
    for here, there in ((_ABOVE, _BELOW), (_BELOW, _ABOVE)):
        numbers = set(here.findall(question))
        if numbers & set(there.findall(said)) and not numbers & set(here.findall(said)):
            return True
    return False


def _explains(question: str, draft: Draft, passage: Passage) -> bool:
    """Whether what a word means is told where the word stands."""
    asked = core(question)
    if not _ASKS_MEANING.search(asked):
        return True
    term = stems(_ASKS_MEANING.sub(" ", asked)) - _ASKING
    # By the whole line: an entry of a glossary begins with its word, as a sentence of its own.
    lines = (passage.text[: one.end].rsplit("\n", 1)[-1] for one in draft.citations)
    said = plain(" ".join([*lines, *(sentence.text for sentence in draft.sentences)]))
    return not term or bool(term & (stems(said) | stems(plain(passage.place))))


def _counts(draft: Draft) -> bool:
    """Whether it says a number, or lists what is counted."""
    said = draft.short if len(draft.sentences) < 2 else draft.text
    listed = len(draft.sentences) > 2
    return listed or bool(said and NUMBER.search(said))
