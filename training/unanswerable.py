"""Questions that look answerable and are not: one word of a good question is changed.

The kinds are those that people use to write such questions (Rajpurkar, Jia and Liang, 2018):
another name or number, the opposite word, a negation, another noun or verb of the passage.
"""

import random
import re
from collections.abc import Callable

from guardrails.words import STOP_WORDS

_PAIRS = """
first last|first second|early late|earlier later|earliest latest|before after|begin end|began ended|
begins ends|beginning end|start stop|started stopped|starts stops|start finish|open close|
opened closed|opens closes|largest smallest|larger smaller|large small|big little|biggest smallest|
bigger smaller|highest lowest|higher lower|high low|tallest shortest|longest shortest|
longer shorter|long short|more less|more fewer|most least|maximum minimum|many few|much little|
increase decrease|increased decreased|increases decreases|increasing decreasing|rise fall|
rose fell|rising falling|gain lose|gained lost|won lost|win lose|winner loser|victory defeat|
north south|northern southern|east west|eastern western|northeast southwest|left right|
upper lower|above below|inside outside|internal external|inner outer|import export|
imported exported|imports exports|accept reject|accepted rejected|allow forbid|allowed forbidden|
allowed prevented|allows prevents|permit prohibit|permitted prohibited|support oppose|
supported opposed|supports opposes|agree disagree|agreed disagreed|join leave|joined left|
arrive depart|arrived departed|create destroy|created destroyed|built demolished|build demolish|
found lose|born buried|male female|men women|man woman|boys girls|father mother|son daughter|
brother sister|husband wife|king queen|majority minority|public private|rural urban|
ancient modern|old new|older newer|oldest newest|older younger|young old|youngest oldest|
strong weak|stronger weaker|strongest weakest|hot cold|warm cool|warmer cooler|wet dry|
summer winter|positive negative|advantage disadvantage|advantages disadvantages|benefit harm|
good bad|better worse|best worst|success failure|successful unsuccessful|cause prevent|
caused prevented|causes prevents|include exclude|included excluded|includes excludes|
add remove|added removed|buy sell|bought sold|buys sells|import ban|common rare|
popular unpopular|famous unknown|rich poor|wealthy poor|cheap expensive|fast slow|
faster slower|light heavy|lighter heavier|thick thin|deep shallow|wide narrow|near far|
nearest farthest|closest farthest|same different|similar different|always never|
often rarely|usually rarely|can cannot|with without|for against|to from|offense defense|
attack defend|attacked defended|friend enemy|friends enemies|ally enemy|allies enemies|
peace war|civilian military|birth death|alive dead|true false|legal illegal|possible impossible|
known unknown|necessary unnecessary|required forbidden|required optional|expand shrink|
expanded shrank|expansion contraction|growth decline|grew declined|appear disappear|
appeared disappeared|enter leave|entered left|teach learn|taught learned|borrow lend|
employer employee|buyer seller|teacher student|doctor patient|liquid solid|plural singular|
primary secondary|major minor|senior junior|top bottom|front back|full empty|day night|
morning evening|natural artificial|simple complex|easy difficult|simplest hardest|even odd|
odds chances|domestic foreign|national local|formal informal|direct indirect|active inactive|
protect harm|protected harmed|encourage discourage|encouraged discouraged|praised criticized|
praise criticize|approve reject|approved rejected|passed failed|pass fail|keep discard|
kept discarded|raise lower|raised lowered|send receive|sent received|give take|gave took|
given taken|lead follow|led followed|precede follow|preceded followed|replaced preserved
"""
OPPOSITES: dict[str, list[str]] = {}
for _pair in _PAIRS.replace("\n", "").split("|"):
    _left, _right = _pair.split()
    OPPOSITES.setdefault(_left, []).append(_right)
    OPPOSITES.setdefault(_right, []).append(_left)

WORD = re.compile(r"[A-Za-z][A-Za-z'\u2019-]*|\d[\d,.]*\d|\d")
NAME = re.compile(r"(?<![.!?] )(?<!^)\b[A-Z][\w'\u2019-]*(?: (?:of |the )?[A-Z][\w'\u2019-]*)*")
NUMBER = re.compile(r"\b\d[\d,.]*\d\b|\b\d\b")
AUXILIARY = re.compile(
    r"\b(is|are|was|were|did|does|do|has|have|had|can|could|will|would|should|must|may)\b", re.I
)
ENDINGS = ("ing", "ed", "ly", "ion", "s", "")


def alter(question: str, passage: str, answer: str, rng: random.Random) -> str | None:
    """``question`` with one change after which ``passage`` hardly answers it, or None.

    ``answer`` is never put into the question.
    """
    kinds: list[Callable[[str, str, str, random.Random], str | None]] = [
        _other_name,
        _other_number,
        _opposite,
        _other_word,
        _negated,
    ]
    weights = [6, 5, 6, 3, 2]
    while kinds:
        place = rng.choices(range(len(kinds)), weights)[0]
        changed = kinds[place](question, passage, answer, rng)
        if changed is not None and changed.casefold() != question.casefold():
            return changed
        del kinds[place], weights[place]
    return None


def exchange(
    question: str, altered: str, passage: str, answer: str, at: int
) -> tuple[str, int] | None:
    """``passage`` with the words in which both questions differ exchanged, and the answer's place.

    What results answers ``altered`` and no longer ``question``: who looks only at how odd a
    question sounds is wrong on one of them. ``answer`` stands at ``at`` and is not touched. None
    where a word was only put in, or does not stand in the passage.
    """
    old, new = _difference(question, altered)
    if not old or not new:
        return None
    others = {old.casefold(): new, new.casefold(): old}
    pattern = re.compile("|".join(rf"\b{re.escape(word)}\b" for word in (old, new)), re.I)

    def other(match: re.Match[str]) -> str:
        return others.get(match.group().casefold(), match.group())  # "İ" folds to two letters

    before, after = passage[:at], passage[at + len(answer) :]
    if not re.search(rf"\b{re.escape(old)}\b", f"{before} {after}", re.I):
        return None
    changed = pattern.sub(other, before)
    return changed + answer + pattern.sub(other, after), len(changed)


def _difference(first: str, second: str) -> tuple[str, str]:
    """The words of each text that lie between the words that both begin and end with."""
    left, right = WORD.findall(first), WORD.findall(second)
    start = _common(left, right)
    end = _common(left[start:][::-1], right[start:][::-1])
    return " ".join(left[start : len(left) - end]), " ".join(right[start : len(right) - end])


def _common(first: list[str], second: list[str]) -> int:
    """How many words both lists begin with."""
    pairs = zip(first, second, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))


def _replace(question: str, match: re.Match[str], word: str) -> str:
    return question[: match.start()] + word + question[match.end() :]


def _swap(
    question: str, pattern: re.Pattern[str], others: list[str], rng: random.Random
) -> str | None:
    """One match of ``pattern`` in the question becomes one of ``others`` that is no part of it."""
    places = list(pattern.finditer(question))
    spoken = {word[:5].casefold() for word in WORD.findall(question)}
    fresh = sorted(
        {o for o in others if not spoken & {word[:5].casefold() for word in WORD.findall(o)}}
    )
    return _replace(question, rng.choice(places), rng.choice(fresh)) if places and fresh else None


def _other_name(question: str, passage: str, answer: str, rng: random.Random) -> str | None:
    names = [m.group() for m in NAME.finditer(passage)]
    return _swap(question, NAME, [n for n in names if n not in answer and answer not in n], rng)


def _other_number(question: str, passage: str, answer: str, rng: random.Random) -> str | None:
    numbers = [m.group() for m in NUMBER.finditer(passage) if m.group() not in answer]
    for match in NUMBER.finditer(question):
        if match.group().isdigit():
            near = int(match.group()) + rng.choice((-10, -3, -2, -1, 1, 2, 3, 10))
            if near > 0 and str(near) not in passage:
                numbers.append(str(near))
    return _swap(question, NUMBER, numbers, rng)


def _opposite(question: str, passage: str, answer: str, rng: random.Random) -> str | None:
    places = [m for m in WORD.finditer(question) if m.group().casefold() in OPPOSITES]
    places = [
        m for m in places if m.group().casefold() not in ("to", "for", "with", "can")
    ] or places
    if not places:
        return None
    match = rng.choice(places)
    return _replace(question, match, rng.choice(OPPOSITES[match.group().casefold()]))


def _negated(question: str, passage: str, answer: str, rng: random.Random) -> str | None:
    match = AUXILIARY.search(question)
    if match is None or re.search(r"\b(?:not|never|no)\b|n't", question):
        return None
    # "When did the king sign it" becomes "When did the king not sign it": after the subject.
    rest = question[match.end() :]
    verb = re.search(r"\b[a-z]+(?:ed|en|e|t|d|k|n)\b(?=[ ?])", rest)
    word = rng.choice(("not", "never"))
    if match.group().casefold() in ("did", "does", "do") and verb:
        at = match.end() + verb.start()
        return f"{question[:at]}{word} {question[at:]}"
    return f"{question[: match.end()]} {word}{rest}"


def _other_word(question: str, passage: str, answer: str, rng: random.Random) -> str | None:
    """A word of the question that the passage holds becomes another one with its ending."""
    held = {m.group() for m in WORD.finditer(passage)}
    usable = {
        w
        for w in held
        if _content(w) and w not in answer and w.casefold() not in question.casefold()
    }
    places = [m for m in WORD.finditer(question) if m.group() in held and _content(m.group())]
    rng.shuffle(places)
    for match in places:
        ending = next(e for e in ENDINGS if match.group().endswith(e))
        others = sorted(w for w in usable if w.endswith(ending) and w[0].islower())
        if others and match.group()[0].islower():
            return _replace(question, match, rng.choice(others))
    return None


def _content(word: str) -> bool:
    return len(word) > 3 and word.isalpha() and word.casefold() not in STOP_WORDS
