"""The sentences of a long text that speak of a claim: what the support model is shown."""

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from guardrails.contract import sentence_bounds
from guardrails.words import content_words

MAX_SENTENCE = 400
"""Characters; a longer "sentence" (a table, a list without stops) is cut at a space."""
STEM = 6
"""Letters of a word that count: "found" and "founded" agree."""


def condensed(claim: str, evidence: str, max_chars: int) -> str:
    """At most about ``max_chars`` of ``evidence``: the sentences that share most with ``claim``.

    Sentences keep their order. Each next one is chosen for the words of the claim that those
    before do not hold; rare words count more. A short text comes back whole.
    """
    if len(evidence) <= max_chars:
        return evidence
    pieces = _pieces(evidence)
    held = [stems(piece) for piece in pieces]
    wanted = stems(claim)
    frequency = Counter(word for words in held for word in words & wanted)
    weight = {word: math.log(1 + len(pieces) / n) for word, n in frequency.items()}
    chosen = _choose(pieces, [words & wanted for words in held], weight, max_chars)
    return " ".join(pieces[place] for place in sorted(chosen))


def covered(claim: str, evidence: str) -> float:
    """The share of the claim's content words that ``evidence`` holds; 1.0 without any."""
    wanted = stems(claim)
    return len(wanted & stems(evidence)) / len(wanted) if wanted else 1.0


def _choose(
    pieces: Sequence[str], held: Sequence[frozenset[str]], weight: dict[str, float], max_chars: int
) -> set[int]:
    chosen: set[int] = set()
    covered: set[str] = set()
    spare = max_chars

    def worth(place: int) -> float:
        new = sum(weight[word] for word in held[place] - covered)
        near = 0.1 * bool({place - 1, place + 1} & chosen)
        return new + 0.3 * sum(weight[word] for word in held[place] & covered) + near

    while left := [p for p in range(len(pieces)) if p not in chosen and len(pieces[p]) <= spare]:
        best = max(left, key=worth)
        chosen.add(best)
        covered |= held[best]
        spare -= len(pieces[best]) + 1
    return chosen or {max(range(len(pieces)), key=worth)}


@lru_cache(maxsize=64)  # each sentence of an answer asks for its sources
def _pieces(text: str) -> tuple[str, ...]:
    found: list[str] = []
    for start, end in sentence_bounds(text):
        while end - start > MAX_SENTENCE:
            cut = text.rfind(" ", start + 1, start + MAX_SENTENCE)
            cut = cut if cut > start else start + MAX_SENTENCE
            found.append(text[start:cut])
            start = cut
        found.append(text[start:end].strip())
    return tuple(found)


@lru_cache(maxsize=1024)
def stems(text: str) -> frozenset[str]:
    return frozenset(word[:STEM] for word in content_words(text))
