"""Words that mean the same, the opposite, or something beside: read from WordNet's own files.

Used only to make training rows. A word counts under its commonest part of speech and its first
sense, so that most replacements read well; words are found and given back in the same form.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

FILES = {"n": "data.noun", "v": "data.verb", "a": "data.adj", "r": "data.adv"}
KINDS = {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a"}
MAX_RANK = 2
"""A synonym must have the shared sense among its own first senses: "can" is no "prison"."""
ENDINGS = (
    ("ies", "y", "s"),
    ("es", "", "s"),
    ("es", "e", "s"),
    ("s", "", "s"),
    ("ied", "y", "ed"),
    ("ed", "", "ed"),
    ("ed", "e", "ed"),
    ("ing", "", "ing"),
    ("ing", "e", "ing"),
)
"""(what a word ends in, what its base form ends in instead, the form): regular ones only."""
VOWELS = "aeiou"


@dataclass(frozen=True)
class Synset:
    """One sense: its words, and what its pointers lead to."""

    words: tuple[str, ...]
    antonyms: tuple[tuple[int, str, int], ...]
    """(number of the word here from 1, part and offset) of lexical opposites"""
    above: tuple[str, ...]
    alike: tuple[str, ...]


@dataclass
class Lexicon:
    """Words by their relations; ``load_lexicon`` fills it."""

    synsets: dict[str, Synset] = field(default_factory=dict)
    below: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    senses: dict[str, list[str]] = field(default_factory=dict)
    """word to the keys of its senses, commonest first, all of its commonest part of speech"""
    counts: Counter[str] = field(default_factory=Counter)
    """how often WordNet's own texts use the word"""

    def synonyms(self, word: str) -> list[str]:
        """Words that mean the same, in the form of ``word``."""
        return list(self._in_form(word, self._synonyms))

    def opposites(self, word: str) -> list[str]:
        """Words that mean the opposite, in the form of ``word``."""
        return list(self._in_form(word, self._opposites))

    def siblings(self, word: str) -> list[str]:
        """Other common words of the same kind ("cat" for "dog"), in the form of ``word``."""
        return list(self._in_form(word, self._siblings))

    def _in_form(self, word: str, related: Callable[[str], Iterator[str]]) -> Iterator[str]:
        lower = word.lower()
        for lemma, form in _lemmas(lower):
            if lemma in self.senses:
                found = (other for other in related(lemma) if other != lemma)
                for other in found:
                    formed = _formed(other, form)
                    yield formed.capitalize() if word[0].isupper() else formed
                return

    def _synonyms(self, lemma: str) -> Iterator[str]:
        first = self.senses[lemma][0]
        for other in self.synsets[first].words:
            if first in self.senses.get(other, [])[:MAX_RANK]:
                yield other

    def _opposites(self, lemma: str) -> Iterator[str]:
        for sense in self.senses[lemma][:MAX_RANK]:
            synset = self.synsets[sense]
            yield from self._direct(synset, lemma)
            for near in synset.alike:
                head = self.synsets[near]
                yield from self._direct(head, head.words[0])

    def _direct(self, synset: Synset, lemma: str) -> Iterator[str]:
        for number, key, place in synset.antonyms:
            other = self.synsets.get(key)
            if other and synset.words[number - 1] == lemma and place:
                yield other.words[place - 1]

    def _siblings(self, lemma: str) -> Iterator[str]:
        for parent in self.synsets[self.senses[lemma][0]].above:
            for child in self.below[parent]:
                word = self.synsets[child].words[0]
                common = self.counts[word] > 1 and self.senses.get(word, [""])[0] == child
                if common and lemma not in self.synsets[child].words:
                    yield word


def load_lexicon(folder: Path) -> Lexicon:
    """WordNet 3.x from a folder with its files ``data.*`` and ``index.sense``."""
    lexicon = Lexicon()
    for kind, name in FILES.items():
        with (folder / name).open(encoding="latin-1") as lines:
            for line in lines:
                if line[0] != " ":
                    _read_synset(lexicon, kind, line)
    _read_senses(lexicon, folder / "index.sense")
    return lexicon


def _read_synset(lexicon: Lexicon, kind: str, line: str) -> None:
    parts = line.split(" | ")[0].split()
    key = kind + parts[0]
    count = int(parts[3], 16)
    words = tuple(re.sub(r"\(\w+\)$", "", parts[4 + 2 * i]) for i in range(count))
    pointers = parts[4 + 2 * count :]
    antonyms, above, alike = [], [], []
    for i in range(int(pointers[0])):
        symbol, offset, part, places = pointers[1 + 4 * i : 5 + 4 * i]
        target = ("a" if part == "s" else part) + offset
        if symbol == "!":
            antonyms.append((int(places[:2], 16), target, int(places[2:], 16)))
        elif symbol == "@":
            above.append(target)
            lexicon.below[target].append(key)
        elif symbol == "&":
            alike.append(target)
    lexicon.synsets[key] = Synset(words, tuple(antonyms), tuple(above), tuple(alike))


def _read_senses(lexicon: Lexicon, path: Path) -> None:
    found: dict[str, dict[str, list[tuple[int, str, int]]]] = {}
    with path.open(encoding="latin-1") as lines:
        for line in lines:
            key, offset, rank, count = line.split()
            word, _, rest = key.partition("%")
            kind = KINDS[rest[0]]
            if word.isalpha() and len(word) > 2:
                senses = found.setdefault(word, {}).setdefault(kind, [])
                senses.append((int(rank), kind + offset, int(count)))
    for word, kinds in found.items():
        weights = {kind: sum(n for _, _, n in senses) + 0.5 for kind, senses in kinds.items()}
        kind = max(weights, key=weights.__getitem__)
        if weights[kind] >= 0.75 * sum(weights.values()):
            lexicon.senses[word] = [sense for _, sense, _ in sorted(kinds[kind])]
            lexicon.counts[word] = int(sum(weights.values()))


def _lemmas(word: str) -> Iterator[tuple[str, str]]:
    """Possible base forms with the form that ``word`` is of them; the word itself first."""
    yield word, ""
    for ending, base, form in ENDINGS:
        if word.endswith(ending) and len(word) > len(ending) + 2:
            stem = word[: -len(ending)]
            yield stem + base, form
            if not base and len(stem) > 3 and stem[-1] == stem[-2]:
                yield stem[:-1], form


def _formed(lemma: str, kind: str) -> str:
    """``lemma`` in a regular form: s, ed or ing, or "" for itself."""
    if not kind:
        return lemma
    if lemma.endswith("y") and lemma[-2] not in VOWELS and kind != "ing":
        return lemma[:-1] + ("ies" if kind == "s" else "ied")
    if kind == "s":
        return lemma + ("es" if re.search(r"(?:s|x|z|ch|sh)$", lemma) else "s")
    if lemma.endswith("e") and not lemma.endswith(("ee", "oe", "ye")):
        return lemma[:-1] + kind
    return lemma + kind
