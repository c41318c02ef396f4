"""What the screens are trained on: rows of the public sets, and texts from our own templates.

Reads ``DATA/train/guard/*.jsonl.gz`` and ``DATA/train/qa/*.jsonl.gz`` (see the model card for the
sources and their licences).
"""

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.files import read_rows
from guardrails.checks.screens import TOPICS
from training.screen_texts import (
    ADVICE,
    ATTACKS,
    FACTS,
    FOREIGN_ATTACKS,
    GERMAN_QUESTIONS,
    LOOK_ALIKES,
    TRIGGERS,
    filled,
)

QUESTION_SAMPLE = 12_000
PASSAGE_SAMPLE = 3_000
JOINTS = (" ", ". ", " ", "\n", "? ")
ADVICE_NAMES = tuple(TOPICS)


@dataclass
class Rows:
    """Texts, their targets (0 or 1 for each output, or one class), and their weights."""

    texts: list[str] = field(default_factory=list)
    targets: list[tuple[float, ...]] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def add(self, texts: Sequence[str], *target: float, weight: float = 1.0) -> None:
        """Add texts that share a target."""
        self.texts += texts
        self.targets += [tuple(target)] * len(texts)
        self.weights += [weight] * len(texts)

    def soften_long_positives(self, characters: int, factor: float) -> None:
        """Positive texts longer than this weigh ``factor`` of what they did."""
        for place, text in enumerate(self.texts):
            if self.targets[place][0] and len(text) > characters:
                self.weights[place] *= factor

    def arrays(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(targets [n, outputs], weights [n])."""
        return np.array(self.targets, np.float32), np.array(self.weights, np.float32)


@dataclass(frozen=True)
class Sources:
    """The public sets in memory: (text, label, intent) rows, questions and passages."""

    guard: dict[str, list[tuple[str, str, str]]]
    questions: list[str]
    passages: list[str]

    def of(self, name: str, *labels: str) -> list[str]:
        """The texts of a set that have one of ``labels``; without labels all."""
        return [text for text, label, _ in self.guard[name] if not labels or label in labels]


GUARD_SETS = (
    "prompt_injections",
    "jailbreaks",
    "indirect_injections",
    "banking77",
    "clinc150",
    "offensive_tweets",
)


def read_sources(data: Path) -> Sources:
    """All sets; of the questions and passages a fixed sample."""
    guard = {
        name: [
            (row["text"], row["label"], row.get("intent", ""))
            for row in read_rows(data / f"train/guard/{name}.jsonl.gz")
        ]
        for name in GUARD_SETS
    }
    rng = random.Random(0)
    questions = sorted({row["question"] for row in read_rows(data / "train/qa/questions.jsonl.gz")})
    passages = [row["text"] for row in read_rows(data / "train/qa/passages.jsonl.gz")]
    return Sources(
        guard, rng.sample(questions, QUESTION_SAMPLE), rng.sample(passages, PASSAGE_SAMPLE)
    )


def held_out(text: str) -> bool:
    """Whether a text is kept from training to measure on: one in five."""
    return hashlib.sha256(text.encode("utf-8")).digest()[0] < 51


def look_alikes() -> list[str]:
    """Honest texts that look like attacks; the same ones for every screen."""
    return filled(LOOK_ALIKES, 3000, random.Random(1))


def injection_rows(sources: Sources, rng: random.Random) -> Rows:
    """Attacks (alone, behind an honest question, inside a passage) and what only looks alike.

    Joined honest texts stand against joined attacks: two sentences alone must mean nothing.
    """
    rows = Rows()
    direct, asked = (
        sources.of("prompt_injections", "attack"),
        sources.of("prompt_injections", "benign"),
    )
    own, foreign = filled(ATTACKS, 3000, rng), filled(FOREIGN_ATTACKS, 1200, rng)
    alike, german = look_alikes(), filled(GERMAN_QUESTIONS, 900, rng)
    questions, passages = sources.questions[:5000], sources.passages[:300]
    honest = asked * 4 + questions[:1500] + german[:400] + sources.of("banking77")[:400]
    attacks = direct + own[:600] + foreign[:300]
    rows.add(direct, 1, weight=2)
    for texts in (
        sources.of("jailbreaks"),
        rng.sample(sources.of("indirect_injections", "attack"), 500),
        own,
        foreign,
        _joined(honest, attacks, 1200, rng),
        [_inside(rng.choice(own), passage, rng) for passage in passages[:200]],
    ):
        rows.add(texts, 1)
    rows.add(asked, 0, weight=2)
    for texts in (
        rng.sample(sources.of("indirect_injections", "benign"), 250),
        rng.sample(sources.of("banking77"), 2500),
        rng.sample(sources.of("clinc150"), 5000),
        rng.sample(sources.of("offensive_tweets"), 1000),
        questions,
        passages,
        alike,
        german,
        _joined(honest, honest + alike[:600], 1200, rng),
        _long_look_alikes(alike, 1500, random.Random(5)),
    ):
        rows.add(texts, 0)
    triggers = filled(TRIGGERS, 1600, random.Random(7))
    rows.add(triggers, 0, weight=2)
    rows.add(_joined(triggers, questions[:800] + triggers, 400, random.Random(8)), 0)
    # Long role-plays of attackers and of honest writers share most of their words.
    rows.soften_long_positives(300, 0.2)
    return rows


def advice_rows(sources: Sources, rng: random.Random) -> Rows:
    """Requests for advice in one's own matter, from our templates only; facts are no advice.

    A question of MedQuAD asks for information and counts as a negative.
    """
    rows = Rows()
    for place, kind in enumerate(ADVICE_NAMES):
        target = [float(place == other) for other in range(len(ADVICE_NAMES))]
        rows.add(filled(ADVICE[kind], 600, rng), *target)
    nothing = [0.0] * len(ADVICE_NAMES)
    for texts in (
        filled(FACTS, 1200, rng),
        look_alikes(),
        rng.sample(sources.of("banking77"), 2000),
        rng.sample(sources.of("clinc150"), 4000),
        sources.of("prompt_injections", "benign"),
        rng.sample(sources.of("offensive_tweets", "neither"), 800),
        sources.questions[:6000],
    ):
        rows.add(texts, *nothing)
    return rows


def toxicity_rows(sources: Sources, rng: random.Random) -> Rows:
    """Offensive and hateful tweets against harmless ones and honest questions."""
    rows = Rows()
    offensive = [t for t in sources.of("offensive_tweets", "offensive") if not held_out(t)]
    rows.add(rng.sample(offensive, 3000), 1)
    rows.add([t for t in sources.of("offensive_tweets", "hateful") if not held_out(t)], 1)
    rows.add([t for t in sources.of("offensive_tweets", "neither") if not held_out(t)], 0, weight=2)
    for texts in (
        rng.sample(sources.of("banking77"), 2000),
        rng.sample(sources.of("clinc150"), 4000),
        sources.of("prompt_injections", "benign"),
        look_alikes(),
        sources.questions[:4000],
    ):
        rows.add(texts, 0)
    return rows


def scope_rows(sources: Sources, rng: random.Random) -> Rows:
    """Classes: the intents of clinc150 in order of name, then "none of them".

    General questions stand for what no intent covers, beside the few rows labelled so.
    """
    rows = Rows()
    inside = [row for row in sources.guard["clinc150"] if row[1] == "in_scope"]
    names = sorted({intent for _, _, intent in inside})
    number = {name: place for place, name in enumerate(names)}
    for text, _, intent in inside:
        rows.add([text], number[intent])
    rows.add(sources.of("clinc150", "out_of_scope"), len(names), weight=5)
    rows.add(sources.questions[:3000], len(names), weight=0.3)
    return rows


ROWS: dict[str, Callable[[Sources, random.Random], Rows]] = {
    "injection": injection_rows,
    "advice": advice_rows,
    "toxicity": toxicity_rows,
    "scope": scope_rows,
}


def _joined(
    first: Sequence[str], second: Sequence[str], count: int, rng: random.Random
) -> list[str]:
    return [rng.choice(first) + rng.choice(JOINTS) + rng.choice(second) for _ in range(count)]


def _long_look_alikes(alike: Sequence[str], count: int, rng: random.Random) -> list[str]:
    return [" ".join(rng.sample(alike, rng.choice((2, 3, 4)))) for _ in range(count)]


def _inside(attack: str, passage: str, rng: random.Random) -> str:
    """``attack`` before, after or in the middle of a passage that was cut at random."""
    text = passage[: rng.choice((300, 600, 900))]
    place = rng.choice((0, len(text), text.find(". ", len(text) // 2) + 2))
    return f"{text[:place]} {attack} {text[place:]}"
