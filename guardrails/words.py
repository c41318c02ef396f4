"""The words of a text that carry meaning, whatever their form."""

import re
from collections.abc import Set

UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
WORDS = {word: value for value, word in enumerate(UNITS)} | {
    word: 10 * value for value, word in enumerate(TENS, start=2)
}
"""Numbers in words, with their values."""
WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")
STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        """a an and are as at be been but by can did do does for from had has have he her his how i
        if in is it its may more most of on or our shall she should so such than that the their
        them then there these they this those to was we were what when where which who whom whose
        why will with would yes you your""",
    )
)
_NEGATION = re.compile(r"n['\u2019]t\b|\b(?:no|not|never|none|neither|nor|without|cannot)\b")


def content_words(text: str) -> frozenset[str]:
    """Lower-case words and numbers that carry meaning: no plurals, one word for any negation."""
    words = WORD.findall(_NEGATION.sub(" not ", text.lower()))
    return frozenset(_stem(word) for word in words if word not in STOP_WORDS)


def covered(wanted: Set[str], there: Set[str]) -> float:
    """The share of ``wanted`` that is ``there``; 0 where nothing is wanted."""
    return len(wanted & there) / len(wanted) if wanted else 0.0


def dice(one: Set[str], other: Set[str]) -> float:
    """How alike two sets of words are (Dice's coefficient), from 0 to 1; 0 for two empty ones."""
    return 2 * len(one & other) / max(len(one) + len(other), 1)


def _stem(word: str) -> str:
    if word[0].isdigit():
        return word.replace(",", "")
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
