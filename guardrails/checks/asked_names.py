"""Which names of a question do the passages behind its answer not speak of?

A name is read strictly, as in ``terms``; the passages are read generously: another ending, a
misspelling and the initials of an acronym count. Where all words begin with a capital (a title, or
German), nothing tells a name, and nothing is said.
"""

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher, get_close_matches

from guardrails.checks.figures import ORDINALS
from guardrails.checks.language import FUNCTION_WORDS
from guardrails.checks.terms import Held, Piece, held_words, holds_term, named_pieces
from guardrails.checks.wording import folded

ALIKE = 0.8
"""Least likeness (difflib's ratio) of a name and its misspelling."""
EVERYDAY = frozenset(
    """ac ad ai am api atm bc bce bmi ce ceo cv dc dna dob dvd english eu faq fm gdp god gps hr id
    ip iq it mr ms nhs ok pc pdf phd pin pm pr qr rna sim sms tv uk un url us usa usb vat vip vod
    vpn wifi internet web earth sun moon monday tuesday wednesday thursday friday saturday sunday
    christmas easter""".split()
)
"""Capitalised, but of no one document: a passage need not say them."""
_DEMONYM = re.compile(r"\w{2,}(?:ish|ese|ian|ean|can|man|ch)s?")
_WORD = re.compile(r"[^\W\d_]+")
_JOINED = re.compile(r"(?:['\u2019]s)?[\s.&-]{1,3}|\s(?:of|the|de|von|van|of the)\s")
_OPENS = re.compile(
    r"\s*(?:(?:what|who|where|when|how|why|which|that|it|there|here)['\u2019]s|since|along|during"
    r"|according|after|before|under|while|although|besides|despite|within|because|please|could"
    r"|would|should|has|had|have|hello|hi|hey|dear|sorry|thanks|ok|okay)\b",
    re.I,
)
"""Words that begin a question with a capital, and no name."""
_ROMAN = "i ii iii iv v vi vii viii ix x xi xii xiii xiv xv xvi xvii xviii xix xx".split()
_VERBS = frozenset("is are was were does did has have can will would should".split())
_FOREIGN = (
    frozenset(FUNCTION_WORDS["German"].split())
    - frozenset(FUNCTION_WORDS["English"].split())
    - {"die", "bin", "den", "war", "hat", "des"}
)


def missing_names(question: str, sources: Sequence[str]) -> list[str]:
    """The names, as written, that ``sources`` do not hold, or hold only as a part of others."""
    if _tells_no_names(question):
        return []
    held = held_words(tuple(sources))
    text = "\n".join(sources)
    return [
        question[name[0].start : name[-1].end]
        for name in _names(question)
        if _is_missing([piece.text for piece in name], held, text)
    ]


def rival_names(question: str, quotes: Sequence[str], sources: Sequence[str]) -> list[str]:
    """The names of several words, as written, that no source holds as they are, where a quote has
    one that differs in a single word: the Studio Pro plan beside the Studio Plus plan."""
    if _tells_no_names(question):
        return []
    text = " ".join(folded("\n".join(sources)).split())
    rivals = [_parts(name) for quote in quotes for name in _names(quote)]
    return [
        question[name[0].start : name[-1].end]
        for name in _names(question)
        if len(parts := _parts(name)) > 1
        and " ".join(parts) not in text
        and any(_differ_once(parts, rival) for rival in rivals)
    ]


def _parts(name: Sequence[Piece]) -> tuple[str, ...]:
    return tuple(folded(piece.text) for piece in name)


def _differ_once(name: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two names differ in one word, which is no other spelling or ending of its own."""
    differ = [pair for pair in zip(name, other, strict=False) if pair[0] != pair[1]]
    return (
        len(name) == len(other)
        and len(differ) == 1
        and SequenceMatcher(None, *differ[0]).ratio() < ALIKE
    )


def _tells_no_names(question: str) -> bool:
    words = _WORD.findall(question)[1:]
    capitals = sum(word[0].isupper() for word in words)
    if not _VERBS.isdisjoint(words) and _FOREIGN.isdisjoint(question.lower().split()):
        return False  # a title writes its verbs with a capital
    return capitals * 2 > len(words) or not _FOREIGN.isdisjoint(question.lower().split())


def _names(question: str) -> Iterator[list[Piece]]:
    """The names of a question, each as its words."""
    name: list[Piece] = []
    opening = _OPENS.match(question)
    for piece in named_pieces(question):
        if opening and piece.start < opening.end():
            continue
        if name and not _JOINED.fullmatch(question[name[-1].end : piece.start]):
            yield name
            name = []
        name = [*name, piece]
    if name:
        yield name


def _is_missing(words: Sequence[str], held: Held, text: str) -> bool:
    found = [_is_held(word, held) for word in words]
    if all(found):
        return False
    if not any(found):
        return not all(_is_everyday(word) for word in words)
    pairs = zip(words, words[1:], found, found[1:], strict=False)
    return any(_has_rival(*pair, text) for pair in pairs)


def _is_everyday(word: str) -> bool:
    plain = folded(word)
    known = plain in EVERYDAY or plain.removesuffix("s") in EVERYDAY
    return known or _DEMONYM.fullmatch(word) is not None


def _has_rival(left: str, right: str, has_left: bool, has_right: bool, text: str) -> bool:
    """Whether a name of two words stands in ``text`` with another word in one place."""
    if has_left == has_right:
        return False
    known = re.escape(left if has_left else right)
    other = r"[A-Z][\w'-]+"
    return bool(re.search(rf"\b{known} {other}" if has_left else rf"\b{other} {known}\b", text))


def _is_held(word: str, held: Held) -> bool:
    plain = folded(word)
    if plain in ORDINALS and _ROMAN[ORDINALS.index(plain)] in held.words:
        return True  # Henry the Seventh
    if holds_term(held, word) or (word.isupper() and plain in held.every_initial):
        return True
    if len(plain) < 5:
        return False
    near = [
        other for other in held.words if other[0] == plain[0] and abs(len(other) - len(plain)) < 3
    ]
    return bool(get_close_matches(plain, near, 1, ALIKE))
