"""Slips of typing in a question, mended by the words of the passages that the search found.

A search still finds what "tutoin fees" means; a reader hardly does. Only a word that is one slip,
or a long one that is two, from a word of the passages changes, and none that is a word itself, a
name or a code.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from guardrails.contract import Passage

LEAST_LETTERS = 5
"""Of a word that is looked at: one slip makes many a shorter one another word."""
LONG = 8
"""Letters of a word that may hold two slips."""
SAME_FIRST, SAME_LAST = 1, 2
"""Letters that such a word has in common with what is meant: "protestors" is no slip of
"protests". Nor may it be two letters shorter or longer: "prednisone" is none of "prednisolone"."""
MOST_PASSAGES = 8
"""Whose words are looked at, best found first."""
_WORD = re.compile(r"(?<![\w@./-])[^\W\d_]+(?![\w@/-]|\.\w)")
"""A word that is no part of a code, an address or a name of a file."""
_LETTERS = re.compile(r"[^\W\d_]+")


class Respelling:
    """Mends slips; ``is_word`` says whether a lower-case text is a word of the language."""

    def __init__(self, is_word: Callable[[str], bool]) -> None:
        self._is_word = is_word

    def __call__(self, question: str, passages: Sequence[Passage]) -> str:
        """``question`` with its slips mended; the same text where none is."""
        slips = [word for word in _WORD.finditer(question) if self._may_be_slip(word, question)]
        if not slips:  # the usual case: no passage is looked at
            return question
        texts = (f"{one.place} {one.text}" for one in passages[:MOST_PASSAGES])
        known = Counter(word for text in texts for word in _LETTERS.findall(text.casefold()))
        for slip in reversed(slips):
            if meant := _meant(slip[0].casefold(), known):
                meant = meant.capitalize() if slip[0][0].isupper() else meant
                question = question[: slip.start()] + meant + question[slip.end() :]
        return question

    def _may_be_slip(self, word: re.Match[str], question: str) -> bool:
        """Whether it is none of the language's words, and no name: a question may begin with a
        capital letter, or be all in capitals."""
        said = word[0]
        if len(said) < LEAST_LETTERS or not said.isascii():
            return False
        named = said[1:] != said[1:].lower() or (said[0].isupper() and word.start() > 0)
        return (not named or question.isupper()) and not self._is_word(said.casefold())


def _meant(slip: str, known: Counter[str]) -> str:
    """The word of the passages that ``slip`` is one slip from; "" where it is itself one of them or
    the beginning of one, where they differ by an ending, and where two are as near."""
    if any(word.startswith(slip) for word in known):
        return ""
    near = [word for word in known if len(word) >= LEAST_LETTERS - 1 and is_slip(slip, word)]
    near = near or [word for word in known if are_two_slips(slip, word)]
    if any(slip[:-1] == word[: len(slip) - 1] for word in near):
        return ""
    shortest = min(near, key=len, default="")
    if not all(word.startswith(shortest) for word in near):
        return ""
    return max(near, key=known.__getitem__, default="")


def is_slip(word: str, meant: str) -> bool:
    """Whether one letter is missing, doubled, too many or another, or two neighbours changed
    places; the first letter alone may only have changed places."""
    if word == meant or abs(len(word) - len(meant)) > 1:
        return False
    if len(word) == len(meant):
        apart = [n for n, (one, other) in enumerate(zip(word, meant, strict=True)) if one != other]
        if len(apart) == 1:
            return apart[0] > 0
        return len(apart) == 2 and _change_places(word, meant, *apart)
    longer, shorter = sorted((word, meant), key=len, reverse=True)
    return any(shorter == one for one in _without_one(longer))


def _change_places(word: str, meant: str, first: int, second: int) -> bool:
    crossed = word[first] == meant[second] and word[second] == meant[first]
    return second == first + 1 and crossed


def _without_one(word: str) -> Iterator[str]:
    """``word`` without each of its letters but the first."""
    return (word[:n] + word[n + 1 :] for n in range(1, len(word)))


def are_two_slips(word: str, meant: str) -> bool:
    """Whether two slips make a long ``word`` of another that begins and ends as it does."""
    if min(len(word), len(meant)) < LONG or abs(len(word) - len(meant)) > 1:
        return False
    if word[:SAME_FIRST] != meant[:SAME_FIRST] or word[-SAME_LAST:] != meant[-SAME_LAST:]:
        return False
    return slips_between(word, meant) == 2


def slips_between(word: str, meant: str) -> int:
    """How many slips: letters missing, too many or other ones, or neighbours that changed places.

    After Damerau, "A technique for computer detection and correction of spelling errors" (1964).
    """
    before, last = list[int](), list(range(len(meant) + 1))
    for n, letter in enumerate(word, 1):
        row = [n]
        for m, other in enumerate(meant, 1):
            least = min(last[m] + 1, row[m - 1] + 1, last[m - 1] + (letter != other))
            if n > 1 and m > 1 and letter == meant[m - 2] and word[n - 2] == other:
                least = min(least, before[m - 2] + 1)
            row.append(least)
        before, last = last, row
    return last[-1]
