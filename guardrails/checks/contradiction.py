"""Does another passage of the evidence give a different value for what the answer states?

Compared are amounts with what they count, dates, months and days of the week, names, and yes and
no. Two sentences speak of the same thing when they share most of their words or all that the
question asks about, hold the same plain numbers and codes, and cover the same words of the
question; a document about another product is another subject. In doubt there is no contradiction: a
reviewer who sees many false ones stops reading them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property

from guardrails.checks.figures import CURRENCIES, SCALES, Date, exact, read_figures
from guardrails.checks.roles import stem
from guardrails.checks.terms import named_pieces
from guardrails.contract import Case, Draft, Finding, Outcome, Passage, Sentence, Stage
from guardrails.words import STOP_WORDS, WORDS, content_words

ALIKE, LEAST_SHARED = 0.6, 2
"""Least share (Jaccard) and number of the words that two sentences about the same thing have in
common, unless all their words are the same."""
SENTENCE = re.compile(r"\s(?<=[.!?]\s)\s*(?=[^a-z\s])|\n(?![a-z])")
"""Cuts too often rather than too rarely: a part of a sentence is less like another one."""
OF_VALUES = frozenset(
    "january february march april may june july august september october november december pound "
    "euro dollar per cent percent second minute hour day week month year monday tuesday"
    " wednesday thursday friday saturday sunday".split()
).union(WORDS, SCALES)
"""Words that are part of a value, not of what it is the value of."""

WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_WEEKDAY = re.compile(rf"\b({'|'.join(WEEKDAYS)})s?\b", re.I)
_COUNTED = re.compile(r"(?<![\w.,:/-])(\d{1,6}) ([a-z]{3,}s|people|children|men|women)\b(?!\s?\d)")
_AGE = re.compile(rf"\bage[ds]?(?: of)? (\d{{1,3}}|{'|'.join(WORDS)})\b", re.I)
DIMENSIONS = {
    **{"second": ("time", "1/86400"), "minute": ("time", "1/1440"), "hour": ("time", "1/24")},
    **{"day": ("time", "1"), "week": ("time", "7"), "month": ("time", "30.4375")},
    "year": ("time", "365.25"),
    **{"mm": ("length", "0.001"), "cm": ("length", "0.01"), "metre": ("length", "1")},
    **{"km": ("length", "1000"), "mile": ("length", "1609.344"), "yard": ("length", "0.9144")},
    **{"foot": ("length", "0.3048"), "inch": ("length", "0.0254")},
    **{"mg": ("mass", "0.001"), "gram": ("mass", "1"), "kg": ("mass", "1000")},
    **{"tonne": ("mass", "1000000"), "lb": ("mass", "453.6"), "ounce": ("mass", "28.35")},
    **{"ml": ("volume", "0.001"), "litre": ("volume", "1"), "m3": ("volume", "1000")},
    **{"km/h": ("speed", "1"), "mph": ("speed", "1.609344")},
    **{"kb": ("data", "0.001"), "mb": ("data", "1"), "gb": ("data", "1000")},
    **{"tb": ("data", "1000000"), "watt": ("power", "1"), "kw": ("power", "1000")},
    "mw": ("power", "1000000"),
}
GALLONS = frozenset("gallon pint litre".split())
"""Units of volume, two of which are not the same in every country."""
"""What units of one kind are worth in a common one."""
ROUNDED, ROUNDED_TIME = Fraction(1, 25), Fraction(1, 10)
"""How far the same may be apart in two units: 5 km are three miles, a month is four weeks."""


def _both_ways(*pairs: str) -> dict[str, frozenset[str]]:
    """The words that deny each word of ``pairs``: those before "/" and those after it."""
    found: dict[str, frozenset[str]] = {}
    for pair in pairs:
        one, other = (frozenset(side.split()) for side in pair.split("/"))
        found |= {word: found.get(word, frozenset()) | other for word in one}
        found |= {word: found.get(word, frozenset()) | one for word in other}
    return found


RELATIONS = _both_ways(
    "warmer hotter / colder cooler",
    "heavier / lighter",
    "longer / shorter",
    "taller / shorter lower smaller",
    "higher / lower",
    "larger bigger / smaller",
    "older / younger newer",
    "faster quicker / slower",
    "cheaper / dearer",
    "earlier / later",
    "wider / narrower",
    "stronger / weaker",
    "better / worse",
    "above / below",
    "left / right",
    "inside / outside",
    "upstairs / downstairs",
    "before / after",
    "north / south",
    "east / west",
)
"""Words of which one denies the other where the same stands before it."""
OPPOSITES = RELATIONS | _both_ways(
    "allowed permitted / forbidden prohibited banned",
    "included / excluded",
    "include / exclude",
    "open / closed shut",
    "free / charged",
    "compulsory mandatory obligatory required / optional voluntary unnecessary",
    "accepted / refused rejected",
    "accept / refuse reject",
    "safe harmless / dangerous toxic poisonous harmful hazardous",
    "minimum / maximum",
    "indoors / outdoors",
    "indoor / outdoor",
    "automatically / manually",
    "automatic / manual",
    "clockwise / anticlockwise counterclockwise",
    "rise increase / fall decrease drop",
    "rose increased / fell decreased dropped",
    "temporary / permanent",
    "fixed / variable",
    "public / private",
    "full / empty",
    "wet / dry",
    "succeeded / failed",
    "hourly / daily weekly fortnightly monthly quarterly yearly annually",
    "daily / weekly fortnightly monthly quarterly yearly annually",
    "weekly / fortnightly monthly quarterly yearly annually",
    "monthly / quarterly yearly annually",
)
"""Words of which one denies the other, with those."""
_SPELLED = {**{f"{word}s": word for word in OPPOSITES}, **{word: word for word in OPPOSITES}}
_LOWER = re.compile("[a-z]+(?:-[a-z]+)*")
_DENYING = ("un", "in", "im", "ir", "il", "dis", "non")
_NO_DENIAL = frozenset("inflammable invaluable".split())
"""What begins as a denial and is none."""
FREE = frozenset("free gratis complimentary".split())
CHARGED = frozenset("cost price fee charge charged pay paid payable".split())
OF_MONEY = CHARGED.union(
    """costs prices priced fees charges charging pays paying amount amounts ask asks asked sell
    sells sold come comes""".split()
)
OF_TIME = frozenset(
    "last lasts lasting period take takes taking duration run runs running valid length".split()
)
"""Words that say no more than that what follows is a price, or how long something is."""
MOST_OF_SHORTER = 0.5
"""Least share of the shorter sentence's words that the longer one has, where both cover all that
the question asks about."""
ASKING = frozenset(
    "date day month year time much many long often cost price take place happen held hold begin"
    " start end name called open close there per please tell".split()
)
"""Words of a question that say what kind of answer is wanted, not of what."""
Value = tuple[str, ...]


@dataclass(frozen=True)
class Claim:
    """The plain numbers of a sentence, its values by what they count, and its names' words."""

    numbers: frozenset[str]
    values: dict[str, frozenset[Value]]
    names: frozenset[str]
    text: str

    @classmethod
    def read(cls, text: str) -> "Claim":
        """What ``text`` claims."""
        figures = read_figures(text, generous=False)
        values: dict[str, set[Value]] = {}
        for _, amount in figures.amounts:
            if amount.unit:
                values.setdefault(amount.unit, set()).add((amount.value,))
        for _, readings in figures.dates:
            values.setdefault("date", set()).add(_day(readings[0]))
        counted = {(value, f"number of {noun}") for value, noun in _COUNTED.findall(text)}
        for value, unit in counted:
            values.setdefault(unit, set()).add((value,))
        for day in _WEEKDAY.findall(text):
            values.setdefault("weekday", set()).add((day.lower(),))
        ages = {str(WORDS.get(age.lower(), age)) for age in _AGE.findall(text)}
        if ages:
            values["age"] = {(age,) for age in ages}
        plain = {amount.value for _, amount in figures.amounts if not amount.unit}
        return cls(
            frozenset(plain - ages - {value for value, _ in counted}),
            {unit: frozenset(found) for unit, found in values.items()},
            frozenset(p.text.lower() for p in named_pieces(text) if not _WEEKDAY.match(p.text)),
            text,
        )

    @cached_property
    def says(self) -> frozenset[str]:
        """Which of ``OPPOSITES`` it says ("not" turns it around); seldom asked for."""
        words = _LOWER.findall(self.text.lower())
        return frozenset(_SPELLED[word] for word in words if word in _SPELLED)

    def contradicts(self, other: "Claim") -> bool:
        """Whether both are of the same number, code or level, and one kind of value stands once
        in each and differs."""
        if self.numbers != other.numbers:
            return False
        same_unit = any(
            len(mine) == len(theirs) == 1 and mine != theirs
            for unit, mine in self.values.items()
            if (theirs := other.values.get(unit))
        )
        differ = same_unit or _differ_in_kind(self.values, other.values)
        return differ or _differ_in_unit(self.values, other.values)

    def before(self, word: str) -> frozenset[str]:
        """The words that stand before ``word``."""
        return _words(self.text.lower().partition(word)[0])


def _differ_in_kind(
    one: Mapping[str, frozenset[Value]], other: Mapping[str, frozenset[Value]]
) -> bool:
    """Whether both give one value of a kind, in different units, and not about the same."""
    for unit, mine in _by_dimension(one).items():
        theirs = _by_dimension(other).get(unit, {})
        if len(mine) == len(theirs) == 1 and mine.keys() != theirs.keys():
            low, high = sorted([*mine.values(), *theirs.values()])
            apart = ROUNDED_TIME if unit == "time" else ROUNDED
            if high - low > apart * abs(high):
                return True
    return False


def _differ_in_unit(
    one: Mapping[str, frozenset[Value]], other: Mapping[str, frozenset[Value]]
) -> bool:
    """Whether both give the same number alone, of another money or measure: £120 and €120."""
    for units in (CURRENCIES.values(), GALLONS):
        mine, theirs = (
            [(u, v) for u in found for v in found[u] if u in units] for found in (one, other)
        )
        if len(mine) == len(theirs) == 1 and mine != theirs and mine[0][1] == theirs[0][1]:
            return True
    return False


def _by_dimension(values: Mapping[str, frozenset[Value]]) -> dict[str, dict[Value, Fraction]]:
    """The values of each kind in its common unit, by unit and spelling."""
    found: dict[str, dict[Value, Fraction]] = {}
    for unit, given in values.items():
        dimension, worth = DIMENSIONS.get(unit, ("", "0"))
        for (value,) in given if dimension else ():
            if (number := exact(value)) is not None:
                found.setdefault(dimension, {})[unit, value] = number * Fraction(worth)
    return found


_STANCES = {
    "spared": re.compile(
        r"\bwithout\b|\bno(?:t)? (?:need|needed|required|necessary|compulsory)\b|\bnever needs?\b"
        r"|\bneed(?:s)? (?:not|no)\b|\b(?:do|does) not (?:need|have to|require)\b"
    ),
    "forbidden": re.compile(
        r"\b(?:forbidden|prohibited|banned|refused|(?:must|may|can|should) not|cannot"
        r"|not (?:allowed|permitted))\b"
    ),
    "free": re.compile(r"\b(?:exempt|free (?:of charge|for|to all)|(?:is|are) free)\b"),
    "paid": re.compile(r"\b(?:pays?|(?:is|are) charged|must be paid for)\b"),
    "required": re.compile(
        r"\b(?:must|ha(?:s|ve) to|need(?:s|ed)?|required|compulsory|mandatory|necessary)\b"
    ),
    "allowed": re.compile(r"\b(?:welcome to|may|allowed|permitted|free to|can)\b"),
}
"""How a sentence says that something need not, must not, must or may be; the first found counts."""
_OPPOSED = {
    frozenset({"required", "spared"}),
    frozenset({"paid", "spared"}),
    frozenset({"paid", "free"}),
    frozenset({"forbidden", "allowed"}),
    frozenset({"forbidden", "required"}),
}
_OF_STANCE = frozenset(
    map(
        stem,
        """must has have need needs needed required compulsory mandatory necessary pay pays exempt
        without not never no forbidden prohibited banned refused may can cannot should allowed
        permitted welcome free charge charged before always any every time times""".split(),
    )
)


@dataclass(frozen=True)
class Stance:
    """What a sentence says of a duty, a key of ``_STANCES``, and the stems of what it is to."""

    kind: str
    stems: frozenset[str]

    @classmethod
    def read(cls, text: str) -> "Stance | None":
        """The stance of a sentence, if it takes one."""
        plain = _NOT.sub(" not", text.lower())
        kind = next((kind for kind, found in _STANCES.items() if found.search(plain)), "")
        return cls(kind, stems(plain)) if kind else None


_NOT = re.compile(r"n['\u2019]t\b")


def stems(text: str) -> frozenset[str]:
    """The stems of the words of content, but those that say what is allowed."""
    words = _LOWER.findall(text.lower())
    return frozenset(stem(word) for word in words if word not in STOP_WORDS) - _OF_STANCE


def _denying(
    stance: Stance, asked: frozenset[str], lower: str, pieces: Sequence[tuple[str, str]]
) -> Iterator[str]:
    """The sentences of another passage that take the other stance on what was asked."""
    wanted = stance.stems & asked
    if _may_hold(wanted, lower):
        for piece, low in pieces:
            if _may_hold(wanted, low) and opposed(asked, stance, piece):
                yield piece.strip()


def opposed(asked: frozenset[str], one: Stance | None, text: str) -> bool:
    """Whether another sentence says of what was ``asked`` that it need not be where one says that
    it must, or that it may where one says that it must not: in any words."""
    if one is None:
        return False
    other = Stance.read(text)
    if other is None or frozenset({one.kind, other.kind}) not in _OPPOSED:
        return False
    shared, smaller = one.stems & other.stems, min(len(one.stems), len(other.stems))
    alike = len(shared) >= max(LEAST_SHARED, ALIKE * len(one.stems | other.stems))
    whole = len(shared) == smaller >= LEAST_SHARED
    return (alike or whole) and len(asked & shared) >= LEAST_SHARED and asked & one.stems <= shared


class ContradictionCheck:
    """Fails for each other sentence of the evidence that gives another value."""

    name = "contradiction"
    stage: Stage = "draft"
    timeout_s = 3.0

    def run(self, case: Case) -> list[Finding]:
        """A fail for each contradicting sentence, else one pass."""
        if case.draft is None:
            return [Finding(self.name, Outcome.FAIL, "There is no draft.")]
        others = _Search(case, case.draft).contradicting()
        message = "Another source gives a different value."
        found = [Finding(self.name, Outcome.FAIL, message, "", other[:200]) for other in others]
        return found or [Finding(self.name, Outcome.PASS, "No source gives a different value.")]


class _Search:
    """One look through the evidence; each sentence is read once."""

    def __init__(self, case: Case, draft: Draft) -> None:
        self._case, self._draft = case, draft
        self._asked = content_words(case.question)
        self._read, self._words, self._pieces = cache(Claim.read), cache(_words), cache(_pieces)

    def contradicting(self) -> list[str]:
        """The sentences that give another value, each once."""
        found = (other for one in self._draft.sentences for other in self._against(one))
        return list(dict.fromkeys(found))

    def _against(self, sentence: Sentence) -> Iterator[str]:
        claim, words = self._read(sentence.text), _words(sentence.text)
        cited = {c.passage_id for c in self._draft.citations if c.number in sentence.citations}
        sources = [passage for passage in self._case.evidence if passage.id in cited]
        stance = Stance.read(sentence.text)
        asked = stems(self._case.question) if stance else frozenset()
        subject = (self._asked & _subject(words, sources)) - OPPOSITES.keys() - FREE
        told = words - _plain_words(claim, claim) or words
        wanted = told if len(told) < LEAST_SHARED else words
        for passage in self._case.evidence:
            if stance and passage.id not in cited:
                yield from _denying(stance, asked, *self._pieces(passage.text))
            lower, pieces = self._pieces(passage.text)
            if not _may_hold(wanted, lower):
                continue
            for text in (text for text, low in pieces if _may_hold(wanted, low)):
                theirs = self._words(text)
                if passage.id in cited and not _is_repeated(text, words, theirs):
                    continue
                said = _subject(theirs, [passage])
                if not _covers(said, subject - (words - told)):
                    continue
                covers = _covers(said, subject) and self._of_asked(subject)
                if _contradict(claim, self._read(text), words, theirs, covers):
                    yield text.strip()

    def _of_asked(self, subject: frozenset[str]) -> bool:
        """Whether a sentence that covers ``subject`` covers all that the question asks about."""
        return len(subject) >= LEAST_SHARED and subject >= self._asked - ASKING


def _covers(theirs: frozenset[str], subject: frozenset[str]) -> bool:
    """Whether a sentence says all that it is to be about, or denies it: locked, unlocked."""
    missing = subject - theirs
    return not missing or (
        len(missing) == 1 and any(_is_denied(missing, frozenset({word})) for word in theirs)
    )


def _is_repeated(text: str, words: frozenset[str], theirs: frozenset[str]) -> bool:
    """Whether a passage says the quoted sentence again in the same words; its rows differ."""
    return "|" not in text and theirs == words and len(words) >= LEAST_SHARED


def _contradict(
    one: Claim, other: Claim, words: frozenset[str], theirs: frozenset[str], covers: bool
) -> bool:
    """Whether two sentences speak of the same thing and differ; ``covers``: both cover all that was
    asked."""
    near = covers and len(words & theirs) >= MOST_OF_SHORTER * min(len(words), len(theirs))
    plain = _plain_words(one, other)
    alike = _are_alike(words, theirs) or _are_alike(words - plain, theirs - plain)
    if (near or alike) and one.contradicts(other):
        return True
    if covers and _denies_plainly(one, other, words, theirs):
        return True
    if _charges(one, other, words, theirs):
        return True
    if one.numbers != other.numbers or one.values != other.values:
        return False
    return _denies(one, other, words, theirs) or _renames(one, other, words, theirs)


def _plain_words(one: Claim, other: Claim) -> frozenset[str]:
    """The words that the kind of value which both give says already."""
    units = one.values.keys() & other.values.keys()
    money = OF_MONEY if units & set(CURRENCIES.values()) else frozenset()
    times = [unit for claim in (one, other) for unit in claim.values if _is_of_time(unit)]
    return money | (OF_TIME if len(times) > 1 else frozenset())


def _is_of_time(unit: str) -> bool:
    return DIMENSIONS.get(unit, ("", ""))[0] == "time"


def _denies(one: Claim, other: Claim, words: frozenset[str], theirs: frozenset[str]) -> bool:
    """Whether one says yes and the other no, in the same words."""
    turned = ("not" in words) != ("not" in theirs)
    if one.says == other.says:
        mine, their = words - theirs - {"not"}, theirs - words - {"not"}
        denied = not mine | their if turned else _is_denied(mine, their)
        return denied and one.names == other.names
    mine, their = one.says - other.says, other.says - one.says
    if len(mine) != 1 or len(their) != 1 or not their <= OPPOSITES.get(min(mine), frozenset()):
        return False
    rest = {"not"} | {part for word in mine | their for part in content_words(word)}
    same = one.names == other.names and words - rest == theirs - rest
    return same and not turned and _are_of_the_same(one, min(mine), other, min(their))


def _are_of_the_same(one: Claim, word: str, other: Claim, denied: str) -> bool:
    """Whether two words that relate things to others relate the same: "the bath is warmer than the
    hall" and "the hall is colder than the bath" do not deny each other."""
    return word not in RELATIONS or one.before(word) == other.before(denied)


def _is_denied(mine: frozenset[str], theirs: frozenset[str]) -> bool:
    """Whether the only word in which each differs is the other's denial: paid, unpaid."""
    if mine | theirs == {"non"}:
        return True
    if len(mine) != 1 or len(theirs) != 1:
        return False
    short, long = sorted((min(mine), min(theirs)), key=len)
    return long not in _NO_DENIAL and any(long == prefix + short for prefix in _DENYING)


def _charges(one: Claim, other: Claim, words: frozenset[str], theirs: frozenset[str]) -> bool:
    """Whether one calls free what the other gives a price of, in the same words."""
    (free, plain), (paid, price) = sorted(
        [(words, one), (theirs, other)], key=lambda pair: not pair[0] & FREE
    )
    if not free & FREE or paid & FREE or "not" in free | paid or plain.values or plain.numbers:
        return False
    of_money = price.values.keys() and price.values.keys() <= set(CURRENCIES.values())
    return bool(of_money) and free - FREE - CHARGED == paid - CHARGED and one.names == other.names


def _denies_plainly(
    one: Claim, other: Claim, words: frozenset[str], theirs: frozenset[str]
) -> bool:
    """Whether one says no, without figures, where the other says yes and more about it."""
    if ("not" in words) == ("not" in theirs) or one.says != other.says:
        return False
    (short, plain), (rest, _) = sorted(
        [(words - {"not"}, one), (theirs - {"not"}, other)], key=lambda pair: len(pair[0])
    )
    return len(short) >= LEAST_SHARED and short <= rest and not (plain.values or plain.numbers)


def _renames(one: Claim, other: Claim, words: frozenset[str], theirs: frozenset[str]) -> bool:
    """Whether both say the same of another name."""
    mine, their = (content_words(" ".join(claim.names)) for claim in (one, other))
    if not mine or not their or mine & their or one.says != other.says:
        return False
    rest = words - mine
    return len(rest) >= LEAST_SHARED and rest == theirs - their


def _are_alike(words: frozenset[str], others: frozenset[str]) -> bool:
    shared = len(words & others)
    if words == others:
        return bool(words)
    return shared >= LEAST_SHARED and shared >= ALIKE * len(words | others)


def _pieces(text: str) -> tuple[str, list[tuple[str, str]]]:
    """A passage in lower case, and its sentences, each as written and in lower case."""
    return text.lower(), [(piece, piece.lower()) for piece in SENTENCE.split(text)]


def _may_hold(words: frozenset[str], lower: str) -> bool:
    """Whether a text holds so many of the words that it can be alike: a cheap first look."""
    missing = min(LEAST_SHARED, len(words))
    for word in words if missing else ():
        if word in lower:
            missing -= 1
            if not missing:
                return True
    return False


def _words(text: str) -> frozenset[str]:
    return frozenset(w for w in content_words(text) - OF_VALUES if not w[0].isdigit())


def _subject(words: frozenset[str], sources: Iterable[Passage]) -> frozenset[str]:
    """Words of a sentence and of the titles and headings it stands under."""
    return words.union(*(content_words(source.place) for source in sources))


def _day(date: Date) -> Value:
    return (str(date.day), str(date.month), str(date.year))
