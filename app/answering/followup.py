"""Follow-up questions: what a question means after the ones before it, by rules alone.

A question that leans on an earlier one ("Is it free?", "And for theft?") is written so that it
stands alone. The rules change little: a pronoun with nothing before it to point at, and a
question that names only what is new. Whatever they miss, the weighted history still finds.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from app.deadline import Deadline
from app.errors import CountersignError
from app.ports import RewriteRequest

HISTORY_WEIGHTS = (0.25, 0.0625)
"""What the last question counts in a search beside 1 for the question itself, and the one before
it. More of either, or the answers, made the search worse on mtrag_human."""
REWRITE_SHARE = 0.25
"""Share of the time left that a model may spend on the rewrite."""
MAX_GROWTH = 200
"""Characters that a rewrite may be longer than the question."""
Rewrite = Callable[[RewriteRequest, Deadline], str]

_WORD = re.compile(r"[^\W_]+(?:['\u2019.\-&+/][^\W_]+)*")
_FUNCTION_WORDS = frozenset(
    """a about after all also am an and any are as at back be because been before being between both
    but by can could did do does doing for from had has have having he her here hers him his how i
    if in into is it its just like may me might more most much must my no not of off on one ones
    only or other our out over own same shall she should so some such than that the their them then
    there these they this those through to too under until up us very was we were what what's when
    where which while who whom whose why will with would yes you
    your u ur im ive dont cant wont isnt doesnt didnt arent whats hows pls plz else someone somebody
    anyone anybody everyone nobody""".split()
)
_GENERAL_WORDS = frozenset(
    """actually always anything apply approve ask available become begin best better call called
    change come cover covered covers currently define definition describe detect difference
    differences different end enough examples everything exist explain few find first found get give
    go going good great
    happen happened happens hello help hi however important include information kind know known
    large last let list long lot made main make makes many mean meaning means method need needs new
    number offer often ok okay paid pay people place play please possible process provide purpose
    put really reason right say see set show something start started steps still store sure take
    tell thank thanks thing things think time two type types understand use used using usually want
    way well whether without work works year years""".split()
)
_EMPTY = _FUNCTION_WORDS | _GENERAL_WORDS
_SENTENCE_WORDS = frozenset(
    """am are can could did do does had has have he how i is it may might must she should they was
    we were what when where which who why will would you""".split()
)
"""A text with one of these says more than a name of something."""
_PRONOUN = re.compile(r"\b(?:it|its|they|them|their|he|she)\b", re.IGNORECASE)
_CLAUSE = re.compile(
    r"[,.;:?!]|\b(?:if|and|since|because|when|while|but|so|that|mean)\b|\S\s+(?-i:[A-Z])",
    re.IGNORECASE,
)
"""What comes before one of these, names included, may be what a later pronoun points at."""
_EMPTY_IT = re.compile(
    r"\s*(?:is\s+|was\s+)?(?:possible|true|necessary|important|better|best|legal|safe|worth|"
    r"easier|mandatory|required|too late|the same|different|a|an)\b",
    re.IGNORECASE,
)
_ONLY_NEW = re.compile(
    r"(?:(?:and|or|but)\b\s*)?(?:(?:what|how) about\b\s*)"
    r"|(?:and|or|but)\s+",
    re.IGNORECASE,
)
_PREPOSITION = re.compile(
    r"(for|in|on|at|with|from|by|of|during|after|before|under)\s", re.IGNORECASE
)
_NEW_CASE = re.compile(
    r"(?:and|or|but)\s+(?:what (?:about )?)?"
    r"((?:if|when) (?!(?:is|are|am|was|were|do|does|did|can|could|will|would|may|must|should|has|"
    r"have|shall)\b).{3,60})",
    re.IGNORECASE,
)
"""Another case of what was asked: "And if it was a riot?"."""
_OLD_CASE = re.compile(r",? \b(?:if|when|where)\b(?! (?:is|are|do|does|can|will)\b)", re.IGNORECASE)
_MAX_NEW_WORDS = 5
_LEADS = re.compile(
    r"(?:(?:for|in|on|at|with|from|by|of|during|after|before|under)\s+)?(?:(?:the|a|an|my|your)\s+)?",
    re.IGNORECASE,
)
_LAST_LED = re.compile(
    r"\b(?:for|in|on|at|with|from|by|of|during|after|before|under)\s+(?:(?:the|a|an)\s+)?",
    re.IGNORECASE,
)
_LAST_VERB = re.compile(
    r"\s(?:costs?|includes?|means?|lasts?|takes?|needs?|requires?|runs?|starts?|ends?|opens?|closes?"
    r"|works?)$",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"^(?:what|which|who|whom|whose|when|where|why|how|is|are|do|does|did|can|could|will|would|may"
    r"|must|should|has|have)\b",
    re.IGNORECASE,
)
_CODE = re.compile(r"([a-z]+)-?\d+")
_YEAR = re.compile(r"(?:19|20)\d\d")
_ARTICLE = re.compile(r"\b(?:the|an?) $", re.IGNORECASE)
_MEASURES = frozenset(
    """age price cost fee charge rate weight size height length width depth speed amount number
    limit deposit deadline date time hours minimum maximum name address phone colour""".split()
)
"""What is said of a thing: "the minimum age for a chainsaw" is about the chainsaw."""
_KINDS = (
    "morning afternoon evening night",
    "monday tuesday wednesday thursday friday saturday sunday weekend weekday",
    "january february march april may june july august september october november december",
    "spring summer autumn winter",
    "adult child children senior student pensioner baby babies infant teenager",
    "small medium large",
    "hour day week month year",
    "basic standard plus premium bronze silver gold platinum",
    "front rear back",
    "left right",
    "online offline",
)
"""Words of which one may stand in the place of another."""


@dataclass(frozen=True)
class StandAlone:
    """A question that stands alone, and the earlier texts that help to search for it, each with
    its weight beside 1 for the question."""

    question: str
    history: tuple[tuple[str, float], ...] = ()


def make_stand_alone(
    question: str, earlier: Sequence[str], rewrite: Rewrite | None, deadline: Deadline
) -> StandAlone:
    """The question without its ``earlier`` ones (oldest first, standing alone themselves).

    ``rewrite`` is a model that writes, if there is one; when it fails or is late, or writes what
    cannot be the question, the rules do it. A model has read the history, so the search does not
    weigh it in again. Raises ``DeadlineExceeded`` only when no time is left at all.
    """
    if not earlier:
        return StandAlone(question)
    if rewrite is not None:
        limit = deadline.part(REWRITE_SHARE)
        try:
            written = rewrite(RewriteRequest(question, tuple(earlier), limit), limit)
        except CountersignError:
            written = ""
        if usable := _usable(written, question, earlier):
            return StandAlone(usable)
    newest = [past for past in reversed(earlier) if past != question]
    history = tuple(zip(newest, HISTORY_WEIGHTS, strict=False))
    return StandAlone(stand_alone(question, earlier), history)


def _usable(written: str, question: str, earlier: Sequence[str]) -> str:
    """What a model wrote as one line, or "" when it answers, rambles, or brings in a number."""
    line = " ".join(written.split()).strip('"“”')
    known = set(_WORD.findall(" ".join([question, *earlier]).lower()))
    said = set(_WORD.findall(line.lower()))
    numbers = {word for word in said - known if word[0].isdigit()}
    strange = not line.isprintable() or numbers or len(line) > len(question) + MAX_GROWTH
    return "" if strange or not said & known else line


def stand_alone(question: str, earlier: Sequence[str]) -> str:
    """``question`` as it reads without the ``earlier`` ones (oldest first, standing alone).

    The same text comes back when it needs nothing, or when no rule is sure.
    """
    if not earlier:
        return question
    if case := _NEW_CASE.fullmatch(question.strip(" ?.!")):
        last = earlier[-1].rstrip(" ?.!")
        if _ASKS.search(last) or _names_only(last):
            return f"{_OLD_CASE.split(last, maxsplit=1)[0]} {case[1]}?"
    pronoun = _open_pronoun(question)
    if pronoun is None:
        return _completed(question, earlier[-1])
    subject = next(filter(None, map(_topic, reversed(earlier))), None)
    if subject is None or not _fits(pronoun.group(), subject, question):
        return question
    if pronoun.group().lower() in ("its", "their"):
        subject += "'" if subject.endswith("s") else "'s"
    if pronoun.start() == 0:
        subject = subject[0].upper() + subject[1:]
    return question[: pronoun.start()] + subject + question[pronoun.end() :]


def _open_pronoun(question: str) -> re.Match[str] | None:
    """The first pronoun, unless the question itself may say what it points at."""
    pronoun = _PRONOUN.search(question)
    if pronoun is None:
        return None
    before = question[: pronoun.start()]
    if _content(before) and _CLAUSE.search(before):
        return None
    empty = pronoun.group().lower() == "it" and _EMPTY_IT.match(question, pronoun.end())
    return None if empty else pronoun


def _fits(pronoun: str, subject: str, question: str) -> bool:
    """Whether ``subject`` may stand for the pronoun, and is not in the question already."""
    names_person = any(letter.isupper() for letter in subject)
    person = pronoun.lower() in ("he", "she")
    return (names_person or not person) and not _content(subject) <= _content(question)


def _completed(question: str, last: str) -> str:
    """ "What is the fee for theft?" of "And for theft?" after "What is the fee for fire?".

    Without a preposition it stays open what the new words take the place of.
    """
    opening = _ONLY_NEW.match(question)
    new = question[opening.end() :].strip(" ?.!") if opening else ""
    led = _PREPOSITION.match(new)
    said = {word.lower() for word in _WORD.findall(new)}
    if not said or len(said) > _MAX_NEW_WORDS or said & _SENTENCE_WORDS:
        return question
    last = last.rstrip(" ?.!")
    if swapped := _swapped(new, last):
        return f"{swapped}?"
    if not _ASKS.search(last) and not _names_only(last):
        return question
    if led is None:
        return _for_another(new, last) or question
    place = re.compile(rf"\b{led.group(1)}\s", re.IGNORECASE)
    return f"{place.split(last, maxsplit=1)[0].rstrip(' ?')} {new}?"


def _names_only(last: str) -> bool:
    """Whether what was typed is no sentence, and names what is looked for."""
    words = {word.lower() for word in _WORD.findall(last)}
    return not words & (_SENTENCE_WORDS | {"my", "our", "me", "us"})


def _swapped(new: str, last: str) -> str:
    """``last`` with the new words in the place of another of their kind: of a number or name after
    the same word, a code of the same letters, a day, a month, a size; "" where there is none."""
    name = _LEADS.sub("", new)
    words = _WORD.findall(name)
    if len(words) == 2 and words[0].lower() not in _EMPTY:
        before = re.compile(rf"\b{re.escape(words[0])} +{_WORD.pattern}", re.IGNORECASE)
        return _in_place(before.search(last), name, last)
    if len(words) != 1:
        return ""
    kind = _kind_of(words[0])
    alike = (found for found in _WORD.finditer(last) if kind and _kind_of(found[0]) == kind)
    return _in_place(next(alike, None), name, last)


def _in_place(old: re.Match[str] | None, name: str, last: str) -> str:
    same = old is None or old[0].lower() == name.lower()
    return "" if old is None or same else last[: old.start()] + name + last[old.end() :]


def _kind_of(word: str) -> str:
    """What a code, a year or a word of one of the known kinds is one of; "" for others."""
    if code := _CODE.fullmatch(word.lower()):
        return f"code {code[1]}"
    if _YEAR.fullmatch(word):
        return "year"
    one = word.lower().removesuffix("s")
    return next((kinds for kinds in _KINDS if {word.lower(), one} & {*kinds.split()}), "")


def _for_another(new: str, last: str) -> str:
    """``last`` with the new words in the place of what its only preposition leads to."""
    led = list(_LAST_LED.finditer(last))
    if len(led) != 1:
        return ""
    verb = _LAST_VERB.search(last, led[0].end())
    article = _ARTICLE.search(last[: led[0].end()])
    new = _LEADS.sub("", new) if article else new
    return f"{last[: led[0].end()]}{new}{verb[0] if verb else ''}?"


def _topic(text: str) -> str | None:
    """The words that ``text`` is most likely about: a name, else the longest run of words with a
    meaning of their own; None when there are none."""
    runs = list(_runs(text))
    names = [name for run in runs if (name := _name_of(run, text))]
    spans = names or [run for run in runs if run[-1].group().lower() not in _MEASURES] or runs
    if not spans:
        return None
    best = max(spans, key=len)
    first, last = best[0], best[-1]
    article = _ARTICLE.search(text[: first.start()])
    return (article.group().lower() if article else "") + text[first.start() : last.end()]


def _runs(text: str) -> Iterator[list[re.Match[str]]]:
    """Neighbouring words with a meaning of their own, no punctuation between them."""
    run: list[re.Match[str]] = []
    for word in _WORD.finditer(text):
        joined = not run or not text[run[-1].end() : word.start()].strip()
        if run and (not joined or word.group().lower() in _EMPTY):
            yield run
            run = []
        if word.group().lower() not in _EMPTY:
            run.append(word)
    if run:
        yield run


def _name_of(run: Sequence[re.Match[str]], text: str) -> list[re.Match[str]]:
    """A run from its first word with a capital or digit; of a sentence's first word only a capital
    inside it counts."""
    start = len(text) - len(text.lstrip())
    for place, word in enumerate(run):
        letters = word.group()[int(word.start() == start) :]
        if any(not c.islower() for c in letters if c.isalnum()):
            # A number alone is no name: of "fix 24" both.
            return list(run[max(0, place - letters.isdigit()) :])
    return []


def _content(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)} - _EMPTY
