"""Does the answer keep the conditions of the question, of its source, and of what stands near?

"Tours on weekdays start at two" does not say when tours at weekends start, "Some pastries contain
nuts" is not "All pastries contain nuts", and "Goods may be returned" answers nothing about sale
goods where the next sentence excepts them. A swap counts only where the rest is alike, and a claim
is looked at only where its words are its source's own: in doubt nothing is said.
"""

import itertools
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from functools import lru_cache

from guardrails.checks.actuality import not_so
from guardrails.checks.roles import BE, stem
from guardrails.checks.terms import named_pieces
from guardrails.checks.wording import folded
from guardrails.contract import Case, Citation, Draft, Finding, Outcome, Passage, Stage
from guardrails.words import STOP_WORDS

KINDS_OF_CONDITIONS = """weekday weekdays / weekend weekends
adult adults / child children kids / pensioner pensioners
left / right
inbound incoming / outbound outgoing
northbound / southbound / eastbound / westbound
morning mornings / afternoon afternoons / evening evenings
summer / winter / spring / autumn
new / existing
indoor indoors / outdoor outdoors
with / without
domestic / international
front / rear
upper / lower
inner / outer
boys / girls
full-time / part-time
buyer buyers / seller sellers
tenant tenants / landlord landlords
arrival arrivals / departure departures
gross / net
debit / credit
opens open / closes close
earliest / latest
highest / lowest
hourly / daily / weekly / monthly / quarterly / yearly annual annually""".split("\n")
"""Words of one line, of different sides, tell things apart that are otherwise called the same."""
OPPOSITES = """eldest oldest / youngest
north northern northward / south southern southward / east eastern eastward / west western westward
first / second / third / fourth / fifth
hundreds / thousands / millions / billions
increase increases increased / decrease decreases decreased
largest biggest / smallest
longest / shortest
minimum / maximum
positive / negative
input inputs / output outputs
import imports imported / export exports exported
internal / external
public / private
male / female
men / women
husband / wife""".split("\n")
"""Words that name no conditions, but are not said of one thing either."""


def _sides(lines: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Of each word its line, and which side of it."""
    return {
        word: (line, side)
        for line in lines
        for side, words in enumerate(line.split("/"))
        for word in words.split()
    }


_SIDES = _sides(KINDS_OF_CONDITIONS)
_EXCLUSIVE = _SIDES | _sides(OPPOSITES)
_TOKEN = re.compile(r"[a-z]+(?:-[a-z]+)*|\d[\d.,:]*")
_PLAIN = STOP_WORDS | frozenset("by not no how long often per there also any".split())
ASKING = frozenset(
    "what which who whom whose when where how much many time cost costs price prices".split()
)
UNKNOWN = 1
"""Words of content of the question, besides the condition, that the sentence may lack."""
SHORT = 4
"""Words of content of a sentence that says little else."""
NEAR = 400
"""Characters after a quote in which an exception is looked for."""
_EXCEPTION = re.compile(
    r"^\W*(?:exceptions?|except(?:ed)?|excluded|unless|not (?:for|on|in|at|valid)"
    r"|with the exception)\b"
    r"|\b(?:(?:does|do|is|are) not (?:apply|valid|included|cover(?:ed)?)|(?:excluded|exempt) from"
    r"|(?:is|are) (?:excluded|exempt|excepted)|not apply)\b",
    re.I,
)
SIGNS = ("not ", "excep", "exclu", "exempt", "unless")
"""Without one of these there is no exception."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_NOTE = re.compile(r"^\s*\*\s*(\S.*)$", re.M)


class ConditionsCheck:
    """No condition of the question, the source or the sentence after it is lost or exchanged."""

    name = "conditions"
    stage: Stage = "draft"
    timeout_s = 3.0

    def run(self, case: Case) -> list[Finding]:
        """A fail for each condition that is not kept, else one pass."""
        if case.draft is None:
            return [Finding(self.name, Outcome.FAIL, "There is no draft.")]
        failed = [
            Finding(self.name, Outcome.FAIL, f"{message}: {what}.", "", excerpt)
            for message, what, excerpt in _broken(case, case.draft)
        ]
        return failed or [Finding(self.name, Outcome.PASS, "Every condition is kept.")]


def _broken(case: Case, draft: Draft) -> Iterator[tuple[str, str, str]]:
    """(what is wrong, with what, where) of each fault."""
    passages = {passage.id: passage for passage in case.evidence}
    cited = [
        (one, passages[one.passage_id]) for one in draft.citations if one.passage_id in passages
    ]
    asked = _words(case.question)
    places = " ".join(dict.fromkeys(passage.place for _, passage in cited))
    for sentence in draft.sentences:
        yield from _in_sentence(case.question, sentence.text, places)
        sources = [pair for pair in cited if pair[0].number in sentence.citations]
        if not any(sentence.text in passage.text for _, passage in sources):
            yield from _in_own_words(sentence.text, [one.quote for one, _ in sources])
    for one, passage in cited:
        yield from _around_quote(asked, one, passage)
        if what := not_so(case.question, one.quote, passage.place):
            yield "The source does not say that it is so today", what, one.quote
    quotes = [one.quote for one, _ in cited]
    for passage in dict.fromkeys(passage for _, passage in cited):
        what = denied(case.question, asked, passage.text, quotes)
        if what := what or of_another_kind(asked, passage):
            yield "The passage denies what the question takes for granted", what, what[:200]


def _in_sentence(question: str, text: str, places: str) -> Iterator[tuple[str, str, str]]:
    if what := exchanged(_words(question), _words(text), places):
        yield "Another condition than asked for", what, text
    if _taxed(question) * _taxed(text) < 0:
        yield "Another condition than asked for", "tax", text
    if what := other_rate(question, text):
        yield "The rate is for another span of time", what, text


def _in_own_words(claim: str, quotes: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    if what := strengthened(claim, quotes):
        yield "The source says it only with", what, claim
    if what := renamed(claim, quotes):
        yield "The quote is about another", what, claim


def _around_quote(
    asked: tuple[str, ...], cited: Citation, passage: Passage
) -> Iterator[tuple[str, str, str]]:
    if what := of_a_rival(asked, cited, passage):
        yield "The quote is about another", what, cited.quote
    if what := excepted(asked, cited, passage):
        yield "An exception stands near", what, cited.quote


@lru_cache(maxsize=256)
def _words(text: str) -> tuple[str, ...]:
    plain = folded(text).replace("n't", " not")
    return tuple(_TOKEN.findall(plain.replace("cannot", "can not")))


@lru_cache(maxsize=256)
def _content(words: tuple[str, ...]) -> frozenset[str]:
    """The stems of the words of content."""
    return frozenset(
        stem(word) for word in words if word not in _PLAIN and word[0].isalpha() and len(word) > 1
    )


def _without(words: Iterable[str], others: Container[str]) -> tuple[str, ...]:
    return tuple(word for word in words if word not in others)


# Conditions exchanged


def conditions_of(text: str) -> frozenset[tuple[str, int]]:
    """The conditions and opposites that a text names: of each its kind and its side."""
    return frozenset(_EXCLUSIVE[word] for word in _words(text) if word in _EXCLUSIVE)


def exchanged(asked: tuple[str, ...], said: tuple[str, ...], places: str) -> str:
    """A condition that was ``asked`` for and the other one that is ``said`` instead, or "".

    ``places`` are titles and headings, which may say the condition too.
    """
    for mine in _EXCLUSIVE.keys() & asked:
        kind, side = _EXCLUSIVE[mine]
        theirs = _of_kind(kind, said)
        known = [*theirs, *_of_kind(kind, _words(places))]
        if not theirs or side in {_EXCLUSIVE[part][1] for _, part in known}:
            continue
        sides = {_EXCLUSIVE[part][1] for _, part in _of_kind(kind, asked)}
        if sides == {side} and _alike(asked, mine, said, theirs[0][0]):
            return f"{theirs[0][1]}, not {mine}"
    return ""


def _of_kind(kind: str, words: Iterable[str]) -> list[tuple[str, str]]:
    """The words that name a side of it, by themselves or, as "second-busiest", in a part."""
    parts = ((word, part) for word in words for part in {word, word.partition("-")[0]})
    return [pair for pair in parts if pair[1] in _EXCLUSIVE and _EXCLUSIVE[pair[1]][0] == kind]


_SPAN = r"(hour|day|night|week|fortnight|month|quarter|year)"
_PER = re.compile(rf"\b(?:per|an?|each|every) {_SPAN}\b(?! (?:and|or|pass|ticket|card))")
_HOW_MUCH = re.compile(r"\b(?:how much|what)\b.*\b(?:costs?|pay|paid|earns?|price|fee|rent|wage)\b")
_RATE = re.compile(rf"[\u00a3\u20ac$]?\d[\d.,]*(?: [a-z]+)?? (?:per|an?|each|every) {_SPAN}\b")
_TAX = r"(?:vat|gst|sales tax|taxe?s?)\b"
_NET = re.compile(rf"\b(?:plus|excluding|excl\.?|exclusive of|without|before) {_TAX}")
_GROSS = re.compile(rf"\b(?:including|incl\.?|inclusive of|with|after) {_TAX}")


def _taxed(text: str) -> int:
    """1 for a price with tax, -1 for one without, 0 for neither or both."""
    low = text.lower()
    if "tax" not in low and "vat" not in low and "gst" not in low:
        return 0
    return bool(_GROSS.search(low)) - bool(_NET.search(low))


def other_rate(question: str, sentence: str) -> str:
    """The span of time of the only rate in a sentence, where money for another one is asked."""
    asked = folded(question)
    spans = set(_PER.findall(asked))
    spans = spans if spans and _HOW_MUCH.search(asked) else set()
    if len(spans) != 1:
        return ""
    said = folded(sentence)
    given = set(_RATE.findall(said))
    return f"a {min(given)}" if given and not any(span in said for span in spans) else ""


def _alike(asked: Sequence[str], mine: str, said: Sequence[str], theirs: str) -> bool:
    """Whether two sentences say the same but for one word, beside the same neighbour or with all
    words of the question."""
    rest = _content(_without(asked, ASKING | {mine}))
    lacking = rest - _content(said)
    if len(lacking) > UNKNOWN or len(rest) - len(lacking) < 1:
        return False
    beside = _neighbours(asked, mine) & _neighbours(said, theirs)
    return bool(beside) or len(rest) - len(lacking) > 1


def _neighbours(words: Sequence[str], word: str) -> frozenset[str]:
    """The nearest words of content on both sides of a word."""
    place = words.index(word)
    before, after = (
        [w for w in side if w[0].isalpha() and w not in _PLAIN and w not in ASKING]
        for side in (words[:place], words[place + 1 :])
    )
    return frozenset(map(stem, [*before[-1:], *after[:1]]))


def of_another_kind(asked: tuple[str, ...], passage: Passage) -> str:
    """A sentence that knows what was asked about only as the other kind: the outdoor lessons, where
    lessons take place indoors."""
    for mine, noun in itertools.pairwise(asked):
        if mine not in _SIDES or noun in _PLAIN or noun in _SIDES:
            continue
        group, side = _SIDES[mine]
        known = [w for w in _words(f"{passage.place}\n{passage.text}") if w in _SIDES]
        if {_SIDES[word][1] for word in known if _SIDES[word][0] == group} & {side}:
            continue
        for piece in _SENTENCE.split(passage.text):
            words = _words(piece)
            others = [w for w in words if w in _SIDES and _SIDES[w][0] == group]
            if others and stem(noun) in (content := _content(words)):
                beside = (others[0], noun) in itertools.pairwise(words)
                if beside or len(content) <= SHORT:
                    return piece
    return ""


_POINTS = re.compile(r"^\W*(?:it|its|they|their|this|these)\b", re.I)


def of_a_rival(asked: tuple[str, ...], cited: Citation, passage: Passage) -> str:
    """What a quote that begins with a pronoun is about, where that is another of what was asked for
    and the passage speaks of this too: "It weighs 9 kg" after the Aqua 50 pump, not the Aqua 30."""
    if not _POINTS.match(cited.quote):
        return ""
    before = passage.text[: cited.start].rstrip()
    last = _SENTENCE.split(before)[-1]
    pairs, near = _pairs(asked), _pairs(_words(last))
    heard = {*_words(last), *_words(cited.quote)}
    for word, noun in pairs - near:
        others = {other for other, same in near if same == noun and other not in asked}
        if others and word not in heard and (word, noun) in _pairs(_words(before)):
            return f"{min(others)} {noun}"
    return ""


def _pairs(words: Sequence[str]) -> set[tuple[str, str]]:
    """Neighbouring words of content; the second is no number."""
    return {
        (one, other)
        for one, other in itertools.pairwise(words)
        if other[0].isalpha() and not {one, other} & (_PLAIN | ASKING)
    }


# Exceptions after the quote


def excepted(asked: tuple[str, ...], cited: Citation, passage: Passage) -> str:
    """What the question asks about, the quote does not say, and a sentence after it excepts."""
    after = passage.text[cited.end : cited.end + NEAR]
    starred, lower = "*" in passage.text, after.lower()
    if not starred and not any(sign in lower for sign in SIGNS):
        return ""
    pieces = [piece for piece in _SENTENCE.split(after)[:3] if _EXCEPTION.search(piece)]
    if starred and "*" in cited.quote:
        pieces += _NOTE.findall(passage.text)
    wanted = _content(_without(asked, ASKING))
    missing = wanted - (said := _content(_words(cited.quote)))
    for piece in pieces if missing and wanted & said else ():
        if missing <= _content(_words(piece)):
            return piece.strip()
    return ""


# What a draft says in other words than its source

_LIMITS = {
    **dict.fromkeys("some certain partly sometimes occasionally".split(), "some"),
    **dict.fromkeys("most mostly many usually often generally normally".split(), "most"),
    **dict.fromkeys("few rarely seldom hardly".split(), "few"),
    "only": "only",
}
"""Words that limit what follows them, by how far."""
_MODALS = {
    **{"may": "may", "can": "can", "could": "can", "might": "might", "should": "should"},
    **{"ought": "should", "must": "must", "shall": "must", "will": "will"},
}
_NO_LONGER = {
    "may": frozenset({"must", "will", "plain"}),
    "might": frozenset({"must", "will", "plain"}),
    "can": frozenset({"must"}),
    "should": frozenset({"must"}),
    "must": frozenset({"may", "can", "might", "should"}),
}
"""What a modal of the source must not become: "may" told as "must", or as what is so."""
_HAVE_TO = re.compile(r"\b(?:(?:has|have|had) to|need(?:s|ed)? to|(?:is|are) required)\b")
_ALLOWED = re.compile(r"\b(?:allowed|permitted|possible|perhaps|possibly|able|free) ?")
_CONDITION = re.compile(
    r"\b(?:if|unless|except|provided|as long as|subject to|but not|apart from)\b"
)
_CONDITIONAL = re.compile(
    rf"{_CONDITION.pattern}|\b(?:only|excluding|other than|depends?|in case|when|with"
    r"|not (?:on|for|at|in))\b"
)
_PAST = frozenset("was were used formerly once had did previously past".split())
_AHEAD = re.compile(r"\bwill\b.*\b(next|soon|planned)\b")
_NO = frozenset("not no never none nobody nothing neither nor without unable".split())
_EXCEPT = frozenset("except excepting excluding unless".split())
_DENIES = re.compile(r"(?:un|in|im|ir|il|dis|non)(?=[a-z]{4})")
_NO_DENIAL = frozenset("only longer more less later just necessarily alway yet until".split())
"""Stems after "not" that make no denial of it: not only, no longer than."""
_OPERATORS = frozenset(
    map(
        stem,
        """all every each always any everybody everyone have to had need used next soon planned
        formerly once previously past if unless except required allowed permitted""".split(),
    )
).union(map(stem, [*_LIMITS, *_MODALS, *_NO]))
"""Stems of words that are compared apart from what a claim says."""


def strengthened(claim: str, quotes: Sequence[str]) -> str:
    """What limits the sentence that a claim is made of, and the claim does not say, or ""."""
    mine = _words(claim)
    content = _content(mine) - _OPERATORS
    for quote in quotes if len(content) > 1 else ():
        for source in _SENTENCE.split(quote):
            theirs = _words(source)
            if content <= _content(theirs):
                return _lost(mine, content, theirs)
    return ""


def renamed(claim: str, quotes: Sequence[str]) -> str:
    """The name in a claim that its quotes lack, where they say the same of another name; or ""."""
    words = _content(_words(claim))
    for quote in quotes:
        theirs = _content(_words(quote))
        other = words - theirs
        names = {stem(folded(one.text)) for one in named_pieces(claim)}
        rivals = {stem(folded(one.text)) for one in named_pieces(quote)} - words
        if len(other) == 1 and other <= names and rivals and len(words) > 2:
            return min(rivals)
    return ""


def _lost(mine: tuple[str, ...], content: frozenset[str], theirs: tuple[str, ...]) -> str:
    said, given = " ".join(mine), " ".join(theirs)
    condition = _CONDITION.search(given)
    if condition and not _CONDITIONAL.search(said):
        return condition[0]
    if "used to" in given and _PAST.isdisjoint(mine):
        return "used to"
    if (ahead := _AHEAD.search(given)) and ahead[1] not in mine and "will" not in mine:
        return ahead[1]
    if _denies(mine, theirs, content) or _denies(theirs, mine, content):
        return "not"
    return _lost_limit(mine, content, theirs) or _other_modal(said, mine, content, theirs)


def _lost_limit(mine: Sequence[str], content: frozenset[str], theirs: Sequence[str]) -> str:
    kept = {_LIMITS[word] for word in mine if word in _LIMITS}
    for place, word in enumerate(theirs):
        kind = _LIMITS.get(word)
        if theirs[place - 1 : place] == ("not",):  # not only
            continue
        whole = kind == "only" or _following(theirs, place) in content
        if kind and kind not in kept and whole:
            return word
    return ""


def _other_modal(
    said: str, mine: Sequence[str], content: frozenset[str], theirs: Sequence[str]
) -> str:
    """A modal of the source that the claim turns into another, or leaves out, or ""."""
    kept = {_MODALS[word] for word in mine if word in _MODALS}
    kept |= {"must"} if _HAVE_TO.search(said) else set()
    if _ALLOWED.search(said):
        return ""
    for place, word in enumerate(theirs):
        turned = _NO_LONGER.get(_MODALS.get(word, ""), frozenset())
        if turned & (kept or {"plain"}) and _following(theirs, place) in content:
            return word
    return ""


def _following(words: Sequence[str], place: int) -> str:
    """The stem of the next word that says what, and not how surely."""
    after = (stem(word) for word in words[place + 1 :] if word not in _PLAIN)
    found = next((one for one in after if one not in _OPERATORS or one in _NO_DENIAL), "")
    return found if found[:1].isalpha() else ""  # "some 400" is about so many


def _denies(mine: Sequence[str], theirs: Sequence[str], content: frozenset[str]) -> bool:
    """Whether the second says no to what the first says yes to."""
    if not (_NO | _EXCEPT).isdisjoint(mine) or any(
        _DENIES.match(word) for word in set(mine) - set(theirs)
    ):
        return False
    figures = {word for word in mine if word[0].isdigit()}
    return any(
        word in _NO
        and (
            ((after := _following(theirs, place)) in content and after not in _NO_DENIAL)
            or not figures.isdisjoint(theirs[place + 1 : place + 2])
        )
        for place, word in enumerate(theirs)
    )


# What the question takes for granted

_OPEN = re.compile(r"\b(?:not|no|never|without|if|cannot|why)\b|n['\u2019]t\b", re.I)
_ASKS = re.compile(r"\b(?:what|which|who|whom|whose|when|where|how)\b", re.I)
DENIALS = (" not ", "n't", "n\u2019t", "cannot", "no ", "never ")
"""Without one of these nothing is denied."""
_DENIAL = re.compile(r"\b(?:not|cannot|no|never)\b|n['\u2019]t\b", re.I)
_KNOWN = frozenset("the my our your their his her this these".split())
_LIGHT = frozenset(map(stem, "made given taken needed done there offered available paid".split()))


def denied(question: str, asked: tuple[str, ...], text: str, quotes: Sequence[str]) -> str:
    """What a passage says is not so, and the question, which asks for something else, takes for
    granted; or ""."""
    if not _ASKS.search(question) or _OPEN.search(question):
        return ""
    if free := "much" not in asked and "free" not in asked and _is_free(asked, text, quotes):
        return free
    lower = text.lower()
    if not any(sign in lower for sign in DENIALS):
        return ""
    content = _content(_without(asked, ASKING))
    for match in _DENIAL.finditer(text):
        start, end = _around(text, match.start())
        sentence = text[start:end]
        if any(sentence in quote or quote in sentence for quote in quotes):
            continue
        words = _words(sentence)
        said = _content(words) - _LIGHT - _OPERATORS
        if (
            said
            and all(_is_asked(one, content) for one in said)
            and (len(said) > 1 or (not BE.isdisjoint(words) and _is_known(min(said), asked)))
        ):
            return sentence
    return ""


_FREE = re.compile(
    r"^([^.\n|]*?)\b(?:free(?: of charge)?|at no (?:extra )?(?:cost|charge))[.!]?$", re.M | re.I
)
_PAYING = frozenset("fee charge pay payment price surcharge".split())


def _is_free(asked: tuple[str, ...], text: str, quotes: Sequence[str]) -> str:
    """What a passage calls free, and nothing more, and the question speaks of the price of."""
    if ("free" not in text and "at no " not in text) or _PAYING.isdisjoint(asked):
        return ""
    content = _content(asked)
    for piece in _SENTENCE.split(text):
        found = _FREE.match(piece)
        named = found and [word for word in _words(found[1]) if word not in _PLAIN]
        if named and stem(named[0]) in content and not any(piece in quote for quote in quotes):
            return piece
    return ""


def _is_known(one: str, asked: Sequence[str]) -> bool:
    """Whether a question speaks of "the" or "my" such thing."""
    pairs = itertools.pairwise(asked)
    return any(stem(word) == one and before in _KNOWN for before, word in pairs)


def _is_asked(one: str, content: frozenset[str]) -> bool:
    """Whether a word is one of ``content``, in any form: refundable, refund."""
    return one in content or any(
        len(other) > 4 and (one.startswith(other) or other.startswith(one)) for other in content
    )


def _around(text: str, at: int) -> tuple[int, int]:
    """The bounds of the sentence or line around a place."""
    start = max(text.rfind("\n", 0, at), text.rfind(". ", 0, at)) + 1
    ends = [end for end in (text.find("\n", at), text.find(". ", at)) if end > 0]
    end = min(ends, default=len(text))
    return start + len(text[start:end]) - len(text[start:end].lstrip()), end
