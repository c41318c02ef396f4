"""Does the reader tell a question that a place answers from one that it only seems to answer?

Each pair of ``pairs.jsonl`` beside a company's ``documents/`` is read over the passage that holds
its place, alone: the good question should have the higher margin there, and the bad one no answer.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import Invalid
from app.files import read_rows
from app.inference.embedder import load_tokenizer
from app.inference.reader import Reader
from app.ports import Reading
from app.settings import Settings
from guardrails.calibration import auroc
from guardrails.contract import Passage
from ingestion.chunk import cut_passages
from ingestion.formats.extract import extract
from training.companies import pattern_of

NO_SPAN = -30.0
"""The margin of a passage in which no span was found."""
TOGETHER = 16


@dataclass(frozen=True)
class Place:
    """A pair, the passage that it is about, and where in it."""

    pair: dict[str, Any]
    passage: Passage
    start: int
    end: int


@dataclass(frozen=True)
class Told:
    """What the reader makes of both questions of a pair: margins, and whether the answer to the
    good one was looked for at the place."""

    kind: str
    good: float
    bad: float
    found: bool


def measure_pairs(folder: Path, model: Path | None = None) -> dict[str, Any]:
    """AUROC of good over bad by their margins; the shares of pairs whose good question has the
    higher one, by kind too, and whose place was found; of good and bad questions those that the
    reader would draft from. ``model`` is another reader's folder. Raises ``Invalid`` for a folder
    without pairs."""
    reader = Reader(model or Settings().models_dir / "reader")
    reader.warm_up()
    places = list(places_of(folder))
    if not places:
        raise Invalid(f"{folder} holds no pairs.jsonl whose places stand in its documents.")
    told = list(_told(reader, places))
    good, bad = [one.good for one in told], [one.bad for one in told]
    apart, least = auroc([-one for one in good + bad], _labels(told)), reader.tuning.min_margin
    assert apart is not None  # there are good ones and bad ones
    return {
        "pairs": len(told),
        "auroc": round(apart, 4),
        "told_apart": _share([one.good > one.bad for one in told]),
        "found": _share([one.found for one in told]),
        "good_drafted": _share([one >= least for one in good]),
        "bad_drafted": _share([one >= least for one in bad]),
        "by_kind": {
            kind: _share([one.good > one.bad for one in told if one.kind == kind])
            for kind in sorted({one.kind for one in told})
        },
    }


def places_of(folder: Path) -> Iterator[Place]:
    """Every pair under ``folder`` with the first passage that holds its place."""
    tokenizer, most = load_tokenizer(), Settings().passage_tokens
    for path in sorted(folder.rglob("pairs.jsonl")):
        passages = []
        for file in sorted(one for one in (path.parent / "documents").rglob("*") if one.is_file()):
            read = extract(file.read_bytes(), file.name)
            passages += [
                Passage(
                    "p", "d", "c", read.title, cut.text, 0, len(cut.text), headings=cut.headings
                )
                for cut in cut_passages(read, tokenizer, most)
            ]
        for pair in read_rows(path):
            place = re.compile(pattern_of(pair["tempting"]))
            for passage in passages:
                if match := place.search(passage.text):
                    yield Place(pair, passage, *match.span())
                    break


def _told(reader: Reader, places: Sequence[Place]) -> Iterator[Told]:
    for first in range(0, len(places), TOGETHER):
        some = places[first : first + TOGETHER]
        asked = [(one.pair[kind], [one.passage]) for kind in ("good", "bad") for one in some]
        read = [found[0] for found in reader.read(asked)]
        for one, good, bad in zip(some, read, read[len(some) :], strict=False):
            span = good.span
            found = span is not None and span.start < one.end and one.start < span.end
            yield Told(one.pair["kind"], _margin(good), _margin(bad), found)


def _margin(reading: Reading) -> float:
    return NO_SPAN if reading.span is None else reading.span.margin


def _labels(told: Sequence[Told]) -> list[bool]:
    return [False] * len(told) + [True] * len(told)


def _share(those: Sequence[bool]) -> float:
    return round(sum(those) / len(those), 3)
