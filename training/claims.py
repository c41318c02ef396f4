"""Claims made by rule: light paraphrases that stay true, and small edits that make them untrue.

An edited claim knows which of its words the edit changed. Edits imitate what goes wrong in
generated text: another number, date or name, the opposite word, a negation, an added fact.
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from training.lexicon import Lexicon

SUPPORTED, CONTRADICTED, UNKNOWN, REFUTED = 0, 1, 2, -1
"""What a claim is to its evidence; REFUTED: not supported, and the source does not say how."""
PIECE = re.compile(r"[^\W_]+(?:[.,:'’/-][^\W_]+)*|\s+|.", re.S)
NUMBER = re.compile(r"\d+(?:[.,:]\d+)*(?:s|th|st|nd|rd|%|k|m|bn)?$")
YEAR = re.compile(r"(?:1\d|20)\d\d$")
SMALL = "one two three four five six seven eight nine ten eleven twelve".split()
MONTHS = (
    "January February March April May June July August September October November December"
).split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
SETS = (
    SMALL[1:],
    MONTHS,
    DAYS,
    "first second third fourth fifth last".split(),
    "British American French German Chinese Japanese Indian Russian Italian Spanish".split(),
    "north south east west".split(),
    "northern southern eastern western".split(),
    "seconds minutes hours days weeks months years decades centuries".split(),
    "million billion thousand hundred".split(),
    "red blue green yellow black white brown grey".split(),
    "men women children boys girls people".split(),
    "man woman child boy girl".split(),
    "all some no most few many several none".split(),
    "always never often rarely sometimes".split(),
)
OPPOSITES = (
    "increase decrease;increases decreases;increased decreased;rise fall;rose fell;win lose;"
    "won lost;before after;more less;more fewer;most least;highest lowest;largest smallest;"
    "higher lower;larger smaller;above below;over under;with without;inside outside;early late;"
    "earlier later;start end;started ended;began ended;begins ends;open close;opened closed;"
    "buy sell;bought sold;gain loss;success failure;support oppose;supported opposed;"
    "accept reject;accepted rejected;agree disagree;agreed disagreed;include exclude;"
    "included excluded;includes excludes;allow forbid;allowed forbidden;allows prevents;"
    "can cannot;possible impossible;able unable;same different;true false;positive negative;"
    "major minor;long short;old new;young old;hot cold;male female;he she;his her;"
    "father mother;son daughter;brother sister;husband wife;king queen;life death;born killed;"
    "public private;internal external;ancient modern;rich poor;strong weak;light dark;"
    "easy difficult;best worst;better worse;up down;left right;north south;east west;"
    "improve worsen;improved worsened;arrive leave;arrived left;join leave;joined left;"
    "love hate;loved hated;friend enemy;ally enemy;victory defeat;day night;morning evening;"
    "during after;only also;every no;both neither;few many;up to at least;may must;will may;"
    "teacher student;doctor patient;import export;present absent;full empty;fast slow;"
    "strengths weaknesses;advantages disadvantages;benefits drawbacks;profit loss;cheap expensive"
)
SWAPS: dict[str, list[str]] = {}
for _pair in OPPOSITES.split(";"):
    if len(_words := _pair.split()) == 2:
        SWAPS.setdefault(_words[0], []).append(_words[1])
        SWAPS.setdefault(_words[1], []).append(_words[0])
AUXILIARY = set(
    "is are was were can will would has have had could should may might must did does do".split()
)
PLAIN = AUXILIARY | set(
    "the a an of in on at to for from by with and or but as that this these those it its he she "
    "his her they their them who which what when where how not no be been being than then so if "
    "into about over under between during after before".split()
)
INSERTABLE = re.compile(
    r"(?:,| )(?: )?((?:in|at|by|for|from|during|with|after|before|including|because of|due to"
    r"|which|who|and)\b [^,.;:()]{6,60})(?=[,.;])"
)


@dataclass(frozen=True)
class Claim:
    """A claim over its evidence; ``unsupported`` are (start, end) in ``text``, None: not known."""

    text: str
    evidence: str
    label: int
    unsupported: tuple[tuple[int, int], ...] | None


@dataclass(frozen=True)
class Edit:
    """A claim in pieces (words, spaces, signs), and the places of the changed ones."""

    pieces: tuple[str, ...]
    changed: frozenset[int] = field(default_factory=frozenset)

    @property
    def text(self) -> str:
        """The claim as it reads."""
        return "".join(self.pieces)

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """(start, end) in ``text`` of each changed piece."""
        found, at = [], 0
        for place, piece in enumerate(self.pieces):
            if place in self.changed and piece.strip():
                found.append((at, at + len(piece)))
            at += len(piece)
        return tuple(found)

    def put(self, first: int, last: int, text: str) -> "Edit":
        """The pieces ``first`` to ``last`` (inclusive) replaced by ``text``, which is marked."""
        new = PIECE.findall(text)
        shift = len(new) - (last - first + 1)
        kept = {p if p < first else p + shift for p in self.changed if not first <= p <= last}
        pieces = (*self.pieces[:first], *new, *self.pieces[last + 1 :])
        return Edit(pieces, frozenset(kept | set(range(first, first + len(new)))))


@dataclass(frozen=True)
class Source:
    """What an edit may draw from: the evidence, other texts of its kind, and the lexicon."""

    evidence: str
    others: Sequence[str]
    lexicon: Lexicon
    rng: random.Random


def begin(text: str) -> Edit:
    """``text`` in pieces, nothing changed."""
    return Edit(tuple(PIECE.findall(text)))


def names(pieces: Sequence[str]) -> list[tuple[int, int]]:
    """(first, last) of each run of capitalised words that does not begin the text."""
    runs: list[tuple[int, int]] = []
    place = 1
    while place < len(pieces):
        last = place
        while last < len(pieces) and _capital(pieces[last]):
            follows = last + 2 < len(pieces) and pieces[last + 1] == " "
            if not (follows and _capital(pieces[last + 2])):
                break
            last += 2
        if _capital(pieces[place]) and not _opens(pieces, place):
            runs.append((place, last))
        place = last + 1
    return runs


@cache
def _words_of(text: str) -> frozenset[str]:
    return frozenset(PIECE.findall(text))


@cache
def _phrases_of(text: str) -> list[str]:
    return INSERTABLE.findall(text)


def _capital(piece: str) -> bool:
    return piece[0].isupper() and piece not in ("I", "A", "The") and piece.lower() not in PLAIN


def _opens(pieces: Sequence[str], place: int) -> bool:
    before = [piece for piece in pieces[max(0, place - 3) : place] if not piece.isspace()]
    return not before or before[-1] in '.!?:"“('


@cache
def _names_of(text: str) -> list[str]:
    pieces = PIECE.findall(text)
    return ["".join(pieces[first : last + 1]) for first, last in names(pieces)]


# --- edits that make a claim untrue -------------------------------------------------------------


def another_number(edit: Edit, source: Source) -> Edit | None:
    """A number replaced by one of the evidence, or by one close to it."""
    places = [p for p, piece in enumerate(edit.pieces) if NUMBER.match(piece)]
    if not places:
        return None
    place = source.rng.choice(places)
    old = edit.pieces[place]
    alike = YEAR if YEAR.match(old) else NUMBER
    pool = {p for p in _words_of(source.evidence) if alike.match(p) and len(p) == len(old)}
    pool -= set(edit.pieces)
    if pool and source.rng.random() < 0.5:
        return edit.put(place, place, source.rng.choice(sorted(pool)))
    new = _close_number(old, source.rng)
    return edit.put(place, place, new) if new not in edit.pieces else None


def _close_number(old: str, rng: random.Random) -> str:
    digits = re.search(r"\d+", old)
    assert digits
    value = int(digits[0])
    steps = [1, 1, 2, 3, 5, 10, max(1, value // 10), max(1, value // 3)]
    new = max(0, value + rng.choice(steps) * rng.choice((-1, 1)))
    return f"{old[: digits.start()]}{new}{old[digits.end() :]}"


def another_name(edit: Edit, source: Source) -> Edit | None:
    """A name replaced by another name of the evidence or of another text."""
    runs = names(edit.pieces)
    if not runs:
        return None
    first, last = source.rng.choice(runs)
    near = [name for name in _names_of(source.evidence) if name not in edit.text]
    far = [name for text in source.others for name in _names_of(text) if name not in edit.text]
    old = "".join(edit.pieces[first : last + 1])
    if last > first and source.rng.random() < 0.4 and near + far:  # half a name
        place = source.rng.choice(range(first, last + 1, 2))
        new = source.rng.choice(near + far).split()[0]
        return edit.put(place, place, new)
    pool = near if near and source.rng.random() < 0.6 else far
    pool = [name for name in pool if name not in old and old not in name]
    return edit.put(first, last, source.rng.choice(pool)) if pool else None


def exchanged_names(edit: Edit, source: Source) -> Edit | None:
    """Two names of the claim in each other's place."""
    runs = names(edit.pieces)
    if len(runs) < 2:
        return None
    (a, b), (c, d) = sorted(source.rng.sample(runs, 2))
    one, two = "".join(edit.pieces[a : b + 1]), "".join(edit.pieces[c : d + 1])
    between = "".join(edit.pieces[b + 1 : c])
    if re.search(r"^\W*(?:and|or|,)\W*$", between) or one == two:
        return None
    return edit.put(c, d, one).put(a, b, two)


def another_of_set(edit: Edit, source: Source) -> Edit | None:
    """A weekday, month, colour, direction, small number, ... replaced by another."""
    found = [
        (place, kind)
        for place, piece in enumerate(edit.pieces)
        for kind in SETS
        if piece in kind or (piece.lower() in kind and place == 0)
    ]
    if not found:
        return None
    place, kind = source.rng.choice(found)
    old = edit.pieces[place]
    new = source.rng.choice([word for word in kind if word.lower() != old.lower()])
    return edit.put(place, place, new.capitalize() if old[0].isupper() else new)


def opposite(edit: Edit, source: Source) -> Edit | None:
    """A word replaced by its opposite."""
    places = list(range(len(edit.pieces)))
    source.rng.shuffle(places)
    for place in places:
        word = edit.pieces[place]
        pool = SWAPS.get(word.lower(), [])
        if word.islower() and len(word) > 3 and word not in PLAIN:
            pool = pool + source.lexicon.opposites(word)
        if pool:
            new = source.rng.choice(pool).replace("_", " ")
            return edit.put(place, place, new.capitalize() if word[0].isupper() else new)
    return None


def sibling(edit: Edit, source: Source) -> Edit | None:
    """A noun or verb replaced by another of the same kind."""
    places = [p for p, w in enumerate(edit.pieces) if w.islower() and len(w) > 3 and w not in PLAIN]
    source.rng.shuffle(places)
    for place in places:
        pool = source.lexicon.siblings(edit.pieces[place])
        if pool:
            return edit.put(place, place, source.rng.choice(pool).replace("_", " "))
    return None


def another_word(edit: Edit, source: Source) -> Edit | None:
    """A content word replaced by one of the same ending from elsewhere in the evidence."""
    places = [p for p, w in enumerate(edit.pieces) if w.islower() and len(w) > 4 and w not in PLAIN]
    if not places:
        return None
    place = source.rng.choice(places)
    ending = edit.pieces[place][-2:]
    pool = {
        w
        for w in _words_of(source.evidence)
        if w.islower() and len(w) > 4 and w.endswith(ending) and w not in edit.pieces
    }
    return edit.put(place, place, source.rng.choice(sorted(pool))) if pool else None


def negated(edit: Edit, source: Source) -> Edit | None:
    """A "not" taken away, or put in after an auxiliary."""
    for place, piece in enumerate(edit.pieces):
        if piece in ("not", "never") and place + 1 < len(edit.pieces) and place > 1:
            removed = edit.put(place, place + 1, "")
            return replace(removed, changed=removed.changed | {max(0, place - 2)})
    places = [p for p, piece in enumerate(edit.pieces) if piece in AUXILIARY and p > 0]
    if not places:
        return None
    place = source.rng.choice(places)
    word = source.rng.choice(("not", "not", "not", "never", "no longer"))
    old = edit.pieces[place]
    return edit.put(place, place, "cannot" if old == "can" else f"{old} {word}")


def narrowed(edit: Edit, source: Source) -> Edit | None:
    """A word put in that says more than the evidence does."""
    verbs = [p for p, piece in enumerate(edit.pieces) if piece in AUXILIARY and p > 0]
    if not verbs:
        return None
    place = source.rng.choice(verbs)
    word = source.rng.choice("only always allegedly reportedly falsely initially solely".split())
    added = edit.put(place, place, f"{edit.pieces[place]} {word}")
    return replace(added, changed=added.changed - {place})


def added_fact(edit: Edit, source: Source) -> Edit | None:
    """A phrase put in that other texts say and the evidence does not."""
    found = [phrase for text in source.others for phrase in _phrases_of(text)]
    found = [phrase for phrase in found if phrase not in source.evidence]
    if not found or len(edit.pieces) < 5:
        return None
    phrase = source.rng.choice(found)
    commas = [p for p, piece in enumerate(edit.pieces) if piece in ",;" and p > 4]
    ends = edit.pieces[-1] in ".!?"
    place = source.rng.choice([*commas, len(edit.pieces) - ends])
    comma = "," if phrase.startswith(("which", "who", "including")) else ""
    return edit.put(place, place - 1, f"{comma} {phrase}")


EDITS: tuple[tuple[Callable[[Edit, Source], Edit | None], float, int], ...] = (
    (another_number, 4, CONTRADICTED),
    (another_name, 4, REFUTED),
    (exchanged_names, 1, REFUTED),
    (another_of_set, 2, CONTRADICTED),
    (opposite, 4, CONTRADICTED),
    (sibling, 2.5, REFUTED),
    (another_word, 1.5, REFUTED),
    (negated, 2, CONTRADICTED),
    (narrowed, 0.7, UNKNOWN),
    (added_fact, 2.5, UNKNOWN),
)


def corrupted(text: str, source: Source) -> Claim | None:
    """``text`` with one to three edits that make it untrue; None when no edit fits."""
    edit, label = begin(text), None
    wanted = source.rng.choices((1, 2, 3), (6, 3, 1))[0]
    for _ in range(wanted + 5):
        change, _, kind = source.rng.choices(EDITS, [weight for _, weight, _ in EDITS])[0]
        if changed := change(edit, source):
            edit, wanted = changed, wanted - 1
            label = kind if label in (None, kind) else REFUTED
        if not wanted:
            break
    if label is None:
        return None
    return Claim(edit.text, source.evidence, label, edit.spans)


# --- edits that keep a claim true ---------------------------------------------------------------


def paraphrased(text: str, source: Source) -> str:
    """``text`` with some words replaced by synonyms, and sometimes a part left out."""
    rng = source.rng
    if rng.random() < 0.35:
        text = _shortened(text, rng)
    pieces = list(PIECE.findall(text))
    share = rng.choice((0.0, 0.15, 0.3, 0.6))
    for place, piece in enumerate(pieces):
        if piece.isdecimal() and 1 < int(piece) <= 12 and rng.random() < 0.3:
            pieces[place] = SMALL[int(piece) - 1]
        elif piece in SMALL[1:] and rng.random() < 0.3:
            pieces[place] = str(SMALL.index(piece) + 1)
        elif piece.islower() and len(piece) > 3 and piece not in PLAIN and rng.random() < share:
            pool = source.lexicon.synonyms(piece)
            pieces[place] = rng.choice(pool).replace("_", " ") if pool else piece
    return "".join(pieces)


def _shortened(text: str, rng: random.Random) -> str:
    cuts = (r" ?\([^()]*\)", r"^[A-Z][^,.]{3,40}, (?=[a-zA-Z])", r",[^,.;]{8,80}(?=[.,])")
    new = re.sub(rng.choice(cuts), "", text, count=1)
    return new[:1].upper() + new[1:] if len(new.split()) >= 4 else text
