"""A made corpus of small documents whose facts are easy to read wrong, each with what is right.

Every kind is made in every format in which it can occur, ten documents for each, with names,
figures and spellings that differ from one to the next.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from benchmarks.reading import layout, parts, words
from benchmarks.reading.making import MAKERS, Case

MODULES = (words, layout, parts)
"""What registers its makers by being imported."""
PLACES = "Alder Beck Cove Dunmore Elm Fenwick Glen Harrow Inver Juniper".split()
THINGS = "locker berth garage desk studio cabin pitch chalet booth shed".split()
EACH = 10
SENTENCES = {"abbreviations", "page-end"}
UNDER = {"headings", "questions"}


@dataclass(frozen=True)
class Fact:
    """One labelled fact: ``right`` must stand together in one passage, ``wrong`` in none.

    ``sentence`` asks for more: that ``right`` stands in one sentence. ``under`` is a heading that
    the passage must know it stands under.
    """

    kind: str
    format: str
    name: str
    data: bytes
    right: tuple[str, ...]
    wrong: tuple[str, ...] = ()
    sentence: bool = False
    under: str = ""


def facts(seed: int = 7, numbers: Iterable[int] = range(EACH)) -> Iterator[Fact]:
    """All facts, or those of some documents of each kind; always the same for one seed."""
    chosen = tuple(numbers)
    for (kind, format), maker in MAKERS.items():
        for number in chosen:
            pick = random.Random(f"{seed}-{kind}-{number}")
            figure, other = pick.sample(range(11, 98), 2)
            place, thing = PLACES[number % len(PLACES)], pick.choice(THINGS)
            case = Case(number, place, thing, figure, other, pick)
            data, right, wrong = maker(case)
            under = right[0] if kind in UNDER else ""
            yield Fact(
                kind,
                format,
                f"{kind}-{number}.{format}",
                data,
                right[1:] if under else right,
                wrong,
                kind in SENTENCES,
                under,
            )
