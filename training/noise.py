"""Questions as people type them: no capitals, keywords alone, slips of the keys, second thoughts.

The disfluent kind is that of Gupta et al., "Disfl-QA" (2021): a start that is taken back.
"""

import random
import re

from guardrails.words import STOP_WORDS

TAKEN_BACK = (
    "no wait, I mean",
    "sorry, I meant",
    "uh no,",
    "er, make that",
    "actually no,",
    "scratch that,",
    "hmm or rather",
    "I'm sorry,",
)
FILLERS = ("um", "uh", "er", "well", "you know", "please", "hi,", "hello,")
ASKING = frozenset(
    "what which who whom whose when where why how did does do is are was were".split()
)
LEAST_TYPO_WORD = 4
"""Shorter words are not misspelt: too little is left of them."""
MOST_START = 7
"""Words of a start that is taken back."""


def noisy(question: str, other: str, rng: random.Random) -> str:
    """``question`` in another form that asks for the same; ``other`` is another question."""
    kind = rng.randrange(4)
    if kind == 0:
        return question.lower().rstrip(" ?")
    if kind == 1:
        return keywords(question)
    if kind == 2:
        return with_typos(question, rng)
    return disfluent(question, other, rng)


def keywords(question: str) -> str:
    """The question's words that carry meaning; as it is where fewer than two do."""
    words = re.findall(r"[\w'’&%$£€.,/-]+", question.rstrip(" ?.!"))
    kept = [w for w in words if w.lower() not in STOP_WORDS and w.lower() not in ASKING]
    return " ".join(kept).lower() if len(kept) > 1 else question


def with_typos(question: str, rng: random.Random) -> str:
    """One or two words with a letter left out, doubled, or exchanged with its neighbour."""
    words = question.split()
    places = [n for n, w in enumerate(words) if w.isalpha() and len(w) >= LEAST_TYPO_WORD]
    for place in rng.sample(places, min(len(places), rng.randint(1, 2))):
        words[place] = _misspelt(words[place], rng)
    return " ".join(words)


def _misspelt(word: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(word) - 1)
    return rng.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        )
    )


def disfluent(question: str, other: str, rng: random.Random) -> str:
    """``question`` after a start of ``other`` that is taken back, or with a filler."""
    words = question.split()
    if not other or rng.random() < 0.2:
        place = rng.randrange(len(words) + 1)
        return " ".join([*words[:place], rng.choice(FILLERS), *words[place:]])
    start = other.rstrip(" ?").split()[: rng.randint(2, MOST_START)]
    return " ".join([*start, rng.choice(TAKEN_BACK), *words])
