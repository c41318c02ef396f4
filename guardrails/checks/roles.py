"""Does the answer say who does what to whom as the question does, or the other way round?

"What town surrounds Jacksonville?" is not answered by "Jacksonville surrounds the town of Baldwin",
although every word is there. Compared is the order of shared words around a shared one: a verb, or
a word of direction such as "into" or "above". A passive is turned into the active first. In doubt
nothing is said.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from guardrails.checks.wording import folded
from guardrails.contract import Case, Finding, Outcome, Stage
from guardrails.words import STOP_WORDS

DIRECTIONS = frozenset("into to above below over under before after than until behind".split())
OPPOSITE_WORDS = (
    ("before", "after"),
    ("above", "below"),
    ("at least", "at most"),
    ("more than", "less than"),
    ("minimum", "maximum"),
)
"""Words of which one turns the other around, where the same follows."""
BE = frozenset("is are was were be been being".split())
HELPERS = BE | frozenset("do does did can could may might must shall should will would".split())
MUTUAL = frozenset(
    "marri marry meet met border equal resembl play fac fight fought match differ with between and"
    " or vs versus compar share".split()
)
"""Stems of what both do to each other."""
REACH, REACH_OF_TO = 4, 2
"""Words on each side of a direction that it may order; "to" is mostly no direction."""
LEAST_PREDICATE, PREDICATE = 2, 4
"""Words of what is asked of somebody that a sentence must hold, if there are as many."""
SUBJECT_ENDS = 3
"""Words before the verb of a question that asks for its subject: "What old town surrounds"."""
LONGEST, OFTEN = 2000, 4
"""Characters of a text, and places of one word in it, that are looked at."""
UNKNOWN = 1
"""Words of content of the question, such as "day" of "on which day", that the sentence may lack."""
ASKING = frozenset("how long far many much soon often what which who whom whose when where".split())
SUBJECTS = frozenset("what which who whose many much".split())
IRREGULAR = {
    form: verb
    for verb, *forms in map(
        str.split,
        """beat beat beaten|cut cut|hit hit|put put|set set|let let|hurt hurt
        |bring brought|build built|buy bought|catch caught|choose chose chosen
        |draw drew drawn|drive drove driven|eat ate eaten|feed fed|find found|forgive forgave
        |give gave given|hold held|keep kept|know knew known|lead led|leave left|lend lent|lose lost
        |make made|pay paid|run ran|see saw seen|sell sold|send sent|show shown|strike struck
        |take took taken|teach taught|tell told|throw threw thrown|win won|write wrote written
        |drink drank drunk|wear wore worn|ride rode ridden|break broke broken|steal stole stolen
        |grow grew grown|speak spoke spoken|spend spent|swim swam swum|begin began begun
        |become became|overtake overtook overtaken|succeed succeeded""".split("|"),
    )
    for form in forms
}
_TOKEN = re.compile(
    r"\d[\d.,/:]*\d|[^\W_]+(?:['\u2019-][^\W_]+)*['\u2019]?|[,;:()?!.\u2013\u2014]+"
)
_ENDING = re.compile(r"(?:['\u2019]s?)?$")
_PLAIN = STOP_WORDS | HELPERS | ASKING | DIRECTIONS | {"by", "from", "not", "also", "only", "up"}


class RolesCheck:
    """No sentence of the answer has the roles of the question turned around."""

    name = "roles"
    stage: Stage = "draft"
    timeout_s = 3.0

    def run(self, case: Case) -> list[Finding]:
        """A fail for each such sentence, else one pass."""
        if case.draft is None:
            return [Finding(self.name, Outcome.FAIL, "There is no draft.")]
        found = [
            Finding(self.name, Outcome.FAIL, f"Turned around: {why}.", "", sentence.text)
            for sentence in case.draft.sentences
            if (why := turned_around(case.question, sentence.text))
            or (why := somebody_else(case.question, sentence.text, case.draft.short or ""))
        ]
        return found or [Finding(self.name, Outcome.PASS, "Nothing is turned around.")]


def turned_around(question: str, sentence: str) -> str:
    """What ``sentence`` says the other way round than ``question``, in a few words, or ""."""
    asked, said = _Text(question), _Text(sentence)
    return next(_swaps(asked, said), "") or next(_opposites(asked, said), "")


_WHO = re.compile(r"\W*who (is|was|are|were) (.+)")


def somebody_else(question: str, sentence: str, short: str) -> str:
    """The words that say of a pronoun what was asked, where the answer stands after them: "She was
    the first warden; Tom Reed built the hut" does not say who she was."""
    asked, said = _WHO.match(folded(question)), folded(sentence)
    words = re.findall(r"\w+", asked[2])[:PREDICATE] if asked else []
    if asked is None or len(words) < LEAST_PREDICATE or not short:
        return ""
    rest = r"\W+".join(map(re.escape, words))
    found = re.search(rf"\b(?:he|she|they) {asked[1]} {rest}\b", said)
    return found[0] if found and said.find(folded(short)) > found.start() else ""


@dataclass(frozen=True)
class _Sides:
    """The words that come before a pivot in the active, and those after it."""

    left: frozenset[str]
    right: frozenset[str]


class _Text:
    """The words of a text, with what stands on both sides of each."""

    def __init__(self, text: str) -> None:
        found = _TOKEN.findall(folded(text[:LONGEST]))
        self.tokens = [_ENDING.sub("", token) for token in found]
        self.stems = [stem(token) for token in self.tokens]

    @cached_property
    def content(self) -> frozenset[str]:
        """The stems of all words of content."""
        return self._words(0, len(self.tokens))

    @cached_property
    def pivots(self) -> dict[str, list[int]]:
        """Where each direction and each word of content stands."""
        found: dict[str, list[int]] = {}
        for place, token in enumerate(self.tokens):
            if token in DIRECTIONS or (token not in _PLAIN and token.isalpha()):
                found.setdefault(self.stems[place], []).append(place)
        return {stem: places[:OFTEN] for stem, places in found.items()}

    def sides(self, place: int) -> _Sides:
        """What stands before and after the word at ``place``, as its roles are in the active."""
        start, end = self._clause(place)
        helper = self._helper(start, place)
        if self.tokens[place] in DIRECTIONS:
            return self._around_direction(place, start, end, helper)
        passive = self._is_passive(start, place)
        if passive and "by" in self.tokens[place:end]:
            agent = self.tokens.index("by", place) + 1
            return _Sides(self._words(agent, end), self._words(start, agent))
        if passive:
            return _Sides(frozenset(), self._words(start, end))
        if helper is not None and self._asks(start, helper):
            after = self._words(start, helper) | self._words(place + 1, end)
            return _Sides(self._words(helper + 1, place), after)
        return _Sides(self._words(start, place), self._words(place + 1, end))

    def _around_direction(self, place: int, start: int, end: int, helper: int | None) -> _Sides:
        after = next((n for n in range(place, end) if self.tokens[n] in HELPERS), None)
        if after is not None and not self._words(start, place):  # "How far above the hut is the"
            return _Sides(self._words(after + 1, end), self._words(place + 1, after))
        first = helper + 1 if helper is not None and self._asks(start, helper) else start
        left, right = range(place - 1, first - 1, -1), range(place + 1, end)
        reach = REACH_OF_TO if self.tokens[place] == "to" else REACH
        return _Sides(self._near(left, reach), self._near(right, reach))

    def _near(self, places: Sequence[int], reach: int) -> frozenset[str]:
        found: list[str] = []
        for place in places:
            word = self.tokens[place]
            if word in DIRECTIONS | {"from", "by"} or len(found) == reach:
                break
            if word not in _PLAIN and word[0].isalpha():
                found.append(self.stems[place])
        return frozenset(found)

    def _words(self, start: int, end: int) -> frozenset[str]:
        return frozenset(
            self.stems[place]
            for place in range(start, end)
            if self.tokens[place] not in _PLAIN and self.tokens[place][0].isalpha()
        )

    def _clause(self, place: int) -> tuple[int, int]:
        marks = [n for n, token in enumerate(self.tokens) if not token[:1].isalnum()]
        start = max((n + 1 for n in marks if n < place), default=0)
        return start, min((n for n in marks if n > place), default=len(self.tokens))

    def _helper(self, start: int, place: int) -> int | None:
        return next((n for n in range(start, place) if self.tokens[n] in HELPERS), None)

    def _asks(self, start: int, helper: int) -> bool:
        """Whether the clause begins as a question: its helper stands before the subject."""
        return helper == start or not ASKING.isdisjoint(self.tokens[start:helper])

    def _is_passive(self, start: int, place: int) -> bool:
        if not _is_past(self.tokens[place]):
            return False
        led = not BE.isdisjoint(self.tokens[start:place])
        return led or self.tokens[place + 1 : place + 2] == ["by"]

    def has_agent(self, place: int) -> bool:
        """Whether the word at ``place`` is a passive that says by whom."""
        start, end = self._clause(place)
        return self._is_passive(start, place) and "by" in self.tokens[place:end]

    def asks_subject(self, place: int) -> bool:
        """Whether a question asks for the subject of a verb at ``place``: "What town surrounds"."""
        return place <= SUBJECT_ENDS and not SUBJECTS.isdisjoint(self.tokens[:2])

    def helper_of(self, place: int) -> str:
        """The helping verb before the word at ``place`` in its clause, or ""."""
        helper = self._helper(self._clause(place)[0], place)
        return "" if helper is None else self.tokens[helper]


def _is_past(token: str) -> bool:
    return token.endswith("ed") or token in IRREGULAR


def _are_verbs(asked: "_Text", mine: int, said: "_Text", theirs: int) -> bool:
    """Whether the same word of both is a verb, as far as its forms tell."""
    helper, one, other = asked.helper_of(mine), asked.tokens[mine], said.tokens[theirs]
    if _is_past(other):
        return bool(helper) or (_is_past(one) and asked.asks_subject(mine))
    if helper == "does":
        return other.endswith("s") and one != other
    if helper:
        return helper not in BE | {"did"} and other in (one, f"{one}s") and not one.endswith("s")
    return (
        asked.asks_subject(mine) and one == other and one.endswith("s") and not one.endswith("ss")
    )


def _swaps(asked: _Text, said: _Text) -> Iterator[str]:
    if len(asked.content - said.content) > UNKNOWN:
        return
    for pivot in asked.pivots.keys() & said.pivots.keys() - MUTUAL:
        for mine in asked.pivots[pivot]:
            for theirs in said.pivots[pivot]:
                if pivot not in DIRECTIONS and not _are_verbs(asked, mine, said, theirs):
                    continue
                if pivot == "than" and asked.tokens[mine - 1] != said.tokens[theirs - 1]:
                    continue  # longer than, shorter than
                one, other = asked.sides(mine), said.sides(theirs)
                first = (other.left & one.right) - other.right - one.left
                second = (other.right & one.left) - other.left - one.right
                if first and second:
                    yield f"{min(first)} {said.tokens[theirs]} {min(second)}"
                elif (
                    second
                    and not one.right - {pivot}
                    and asked.has_agent(mine)
                    and said.has_agent(theirs)
                ):
                    yield f"{said.tokens[theirs]} {min(second)}"


def _opposites(asked: _Text, said: _Text) -> Iterator[str]:
    one, other = (f" {' '.join(text.tokens)} " for text in (asked, said))
    for pair in OPPOSITE_WORDS:
        for mine, theirs in (pair, pair[::-1]):
            if f" {mine} " not in one or f" {theirs} " in one or f" {mine} " in other:
                continue
            objects = {_object(text, word) for text, word in ((one, mine), (other, theirs))}
            if len(objects) == 1 and objects != {""}:
                yield f"{theirs} {objects.pop()}"


def _object(text: str, word: str) -> str:
    """The first word of content after ``word`` that is no number."""
    following = text.partition(f" {word} ")[2].split()
    return next((stem(w) for w in following if w not in _PLAIN | _NUMBERS and w.isalpha()), "")


_NUMBERS = frozenset("one two three four five six seven eight nine ten twelve".split())


def stem(word: str) -> str:
    """A word without the endings of its forms; a crude one serves, as both sides are cut alike."""
    word = IRREGULAR.get(word, word)
    if len(word) < 3:
        return word
    return re.sub("(?<=..)e$", "", re.sub("(?<=..)(?:ing|ed|es|s)$", "", word))
