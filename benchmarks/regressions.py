"""Worse models and policies, planted on purpose: does ``countersign regress`` block them?

Answering, judging, deciding and comparing are the service's own. The models are stand-ins without
weights, so that hundreds of candidates take a minute: one that answers well, and copies of it that
make one kind of mistake on a share of the questions.
"""

import itertools
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.access.principals import Principal
from app.answering.answerer import Answerer
from app.answering.policies import Policies
from app.answering.regress import Correction, corrections, replay_corrections, says_the_same
from app.answering.stages import Ask
from app.db import migrate
from app.gate.sampling import fraction
from app.ports import DraftRequest
from app.review.decisions import Decision
from app.review.views import EvidenceView
from benchmarks.kills import ASKER, House
from guardrails.contract import Citation, Draft, Passage, Sentence, sentence_bounds
from guardrails.words import content_words

PRODUCTS = "Bronze Silver Amber Orchard Harbour Meadow".split()
QUESTIONS = (
    "What is the excess of the {name} plan?",
    "How fast are claims under the {name} plan paid?",
    "Does the {name} plan cover theft abroad?",
    "Can the {name} plan be cancelled in writing?",
)
SENTENCES = (
    "The excess of the {name} plan is £{excess} for water damage.",
    "Claims under the {name} plan are paid within {days} working days.",
    "The {name} plan does not cover theft abroad.",
    "The {name} plan can be cancelled in writing within {weeks} weeks of the start.",
)
CHECKS = ("citations", "numbers", "terms", "identifiers", "confidence", "contradiction")
"""What a looser policy lets pass."""
MARGIN = 2.0
SHARES = (1.0, 0.6, 0.35)
"""Of the questions, how many a worse model gets wrong."""
RITA = Principal("rita", frozenset({"reviewer"}))
Corrupt = Callable[[str, Sequence[str]], str]


@dataclass(frozen=True)
class Candidate:
    """A model and a policy that somebody wants to put in force."""

    kind: str
    seed: int
    share: float
    loose: tuple[str, ...]
    min_margin: float = MARGIN


class Speaker:
    """Answers with the sentence of the evidence that shares most words with the question; of a
    share of the questions it says it wrong."""

    name = "speaker"

    def __init__(self, kind: str = "none", share: float = 0.0, seed: int = 0) -> None:
        self._kind, self._share, self._seed = kind, share, seed

    def submit(self, item: DraftRequest, _deadline: Any) -> Draft:
        """One sentence with its citation, and the margin that the policy looks at."""
        ranked = sorted(_sentences(item), key=lambda one: -_fit(item.question, one[3]))
        hit = fraction(f"{self._kind} {self._seed}", item.question) < self._share
        passage, start, end, quote = ranked[0]
        if hit and self._kind == "other passage":
            passage, start, end, quote = ranked[-1]
        said = quote
        if hit and self._kind in CORRUPTIONS:
            said = CORRUPTIONS[self._kind](quote, [one[3] for one in ranked])
        cited = Citation(1, passage.id, passage.document_id, passage.title, None, quote, start, end)
        sure = hit and self._kind == "other passage"
        features = {"margin": MARGIN - 1 if sure else MARGIN + 1}
        return Draft((Sentence(said, (1,)),), (cited,), self.name, None, features)


def _sentences(item: DraftRequest) -> list[tuple[Passage, int, int, str]]:
    return [
        (passage, start, end, passage.text[start:end])
        for passage in item.evidence
        for start, end in sentence_bounds(passage.text)
    ]


def _fit(question: str, sentence: str) -> int:
    return len(content_words(question) & content_words(sentence))


# One kind of mistake each


def _figures(said: str, _others: Sequence[str]) -> str:
    return re.sub(r"\d+", lambda match: str(int(match[0]) + 7), said)


def _negated(said: str, _others: Sequence[str]) -> str:
    if " not " in said:
        return said.replace("does not cover", "covers")
    return re.sub(r"\b(is|are|can)\b", r"\1 not", said, count=1)


def _truncated(said: str, _others: Sequence[str]) -> str:
    words = said.rstrip(".").split()
    return " ".join(words[: len(words) // 2]) + "."


def _renamed(said: str, _others: Sequence[str]) -> str:
    name = next(name for name in PRODUCTS if name in said)
    return said.replace(name, PRODUCTS[(PRODUCTS.index(name) + 1) % len(PRODUCTS)])


def _unit(said: str, _others: Sequence[str]) -> str:
    swaps = {"£": "€", "working days": "months", "weeks": "years", "not cover": "cover"}
    for before, after in swaps.items():
        if before in said:
            return said.replace(before, after)
    return said


CORRUPTIONS: dict[str, Corrupt] = {
    "figures": _figures,
    "negation": _negated,
    "truncation": _truncated,
    "name": _renamed,
    "unit": _unit,
}
KINDS = (*CORRUPTIONS, "other passage")


def candidates(number: int) -> Iterator[Candidate]:
    """Worse models under policies that let their mistakes pass, and worse policies over the model
    of before; the same ``number`` gives the same ones."""
    models = (
        Candidate(kind, seed, share, CHECKS)
        for seed in itertools.count()
        for share in SHARES
        for kind in KINDS
    )
    policies = (
        Candidate("policy", seed, 0.0, _subset(seed), min_margin=MARGIN - 2 * (seed % 2))
        for seed in itertools.count()
    )
    for place in range(number):  # every fourth is a policy
        yield next(policies) if place % 4 == 3 else next(models)


def _subset(seed: int) -> tuple[str, ...]:
    chosen = [name for name in CHECKS if fraction("policy", f"{seed} {name}") < 0.7]
    return tuple(chosen or CHECKS[:1])


# The house: documents, a model of before with its mistakes, and what reviewers said of them


def measure_regress(number: int = 240) -> dict[str, Any]:
    """How many of ``number`` planted candidates are blocked.

    ``worse`` are those that would send something wrong out without a person; ``blocked`` those of
    them that ``regress`` fails. ``passed`` names the others. ``good_blocked`` is whether the good
    model under the strict policy, or under the loosest one, is blocked by mistake.
    """
    with tempfile.TemporaryDirectory(prefix="countersign-regress-") as name:
        folder = Path(name)
        house = House(f"sqlite:///{folder / 'c.db'}", folder)
        truth = _stock(house)
        _history(house, folder, truth)
        cases = corrections(house.database, approved=100)
        found = [(one, *_tried(house, folder, cases, truth, one)) for one in candidates(number)]
        good = [_blocked(house, _answerer(house, folder, one), cases) for one in GOOD]
        house.database.close()
    worse = [(one, blocked) for one, is_worse, blocked in found if is_worse]
    blocked = sum(blocked for _, blocked in worse)
    return {
        "planted": number,
        "cases": len(cases),
        "worse": len(worse),
        "blocked": blocked,
        "blocked_share": round(blocked / len(worse), 4) if worse else None,
        "good_blocked": sum(good),
        "by_kind": _by_kind(worse),
        "passed": [str(one) for one, blocked in worse if not blocked],
    }


GOOD = (Candidate("none", 0, 0.0, ()), Candidate("none", 0, 0.0, CHECKS))
BEFORE = ("figures", "negation", "other passage", "truncation", "name", "unit")
"""The mistakes of the model of before, one kind after the other."""


def _by_kind(worse: Sequence[tuple[Candidate, bool]]) -> dict[str, dict[str, int]]:
    worse_of = Counter(one.kind for one, _ in worse)
    blocked_of = Counter(one.kind for one, blocked in worse if blocked)
    return {kind: {"worse": n, "blocked": blocked_of[kind]} for kind, n in sorted(worse_of.items())}


def _stock(house: House) -> dict[str, str]:
    """Documents, one for each product; returns the right sentence of each question."""
    migrate(house.database)
    house.files.mkdir(parents=True)
    truth: dict[str, str] = {}
    for place, name in enumerate(PRODUCTS):
        values = {"excess": 110 + 40 * place, "days": 4 + 3 * place, "weeks": 2 + place}
        said = [one.format(name=name, **values) for one in SENTENCES]
        (house.files / f"{name.lower()}.txt").write_text(" ".join(said), "utf-8")
        truth |= {asked.format(name=name): one for asked, one in zip(QUESTIONS, said, strict=True)}
    house.ingest()
    return truth


def _history(house: House, folder: Path, truth: dict[str, str]) -> None:
    """The model of before is asked everything; reviewers edit, reject and approve."""
    policies = _policies(folder, (), MARGIN, held=True)
    for place, (question, right) in enumerate(truth.items()):
        kind = BEFORE[place // 3 % len(BEFORE)] if place % 3 else "none"
        answerer = house.answering(Speaker(kind, 1.0, place), policies)
        answer_id = answerer.answer(ASKER, Ask(question)).answer_id
        tasks = house.desk.tasks(RITA, "open", 200).tasks
        (task_id,) = [one.task_id for one in tasks if one.answer_id == answer_id]
        _decide(house, task_id, right)


def _decide(house: House, task_id: str, right: str) -> None:
    """Approve what is right; of what is wrong, correct two of three and reject one."""
    seen = house.desk.task(RITA, task_id)
    said = seen.draft.text
    if says_the_same(said, right) and _is_right(said, right):
        decision = Decision("approve", seen.content_sha256, None)
    elif fraction("reject", seen.question) < 1 / 3:
        decision = Decision("reject", seen.content_sha256, None, "It is wrong.")
    else:
        number = _number_of(seen.evidence, right)
        text = f"{right.rstrip('.')} [{number}]."
        decision = Decision("edit", seen.content_sha256, None, "", text)
    house.desk.decide(RITA, task_id, decision)


def _number_of(evidence: Sequence[EvidenceView], right: str) -> int:
    return next(one.number for one in evidence if right in one.text)


def _is_right(said: str, right: str) -> bool:
    return re.sub(r"\s*\[\d+\]", "", said) == right


# Trying a candidate


def _tried(
    house: House, folder: Path, cases: list[Correction], truth: dict[str, str], one: Candidate
) -> tuple[bool, bool]:
    """(whether something wrong would go out, whether it is blocked)."""
    answerer = _answerer(house, folder, one)
    worse = any(_sends_wrong(answerer, question, right) for question, right in truth.items())
    return worse, _blocked(house, answerer, cases)


def _sends_wrong(answerer: Answerer, question: str, right: str) -> bool:
    trail = answerer.rehearse(ASKER, Ask(question))
    draft = trail.draft_object()
    released = trail.outcome == "released" and draft is not None
    return released and not _is_right(draft["text"], right)  # type: ignore[index]


def _blocked(house: House, answerer: Answerer, cases: list[Correction]) -> bool:
    replayed = replay_corrections(cases, answerer, house.corpus)
    return any(found.outcome != "passed" for found in replayed)


def _answerer(house: House, folder: Path, one: Candidate) -> Answerer:
    if one.kind == "policy":
        speaker: Any = Mixed(seed=one.seed)
    else:
        speaker = Speaker(one.kind, one.share, one.seed)
    return house.answering(speaker, _policies(folder, one.loose, one.min_margin))


class Mixed(Speaker):
    """The model of before: each question may have another kind of mistake."""

    def submit(self, item: DraftRequest, deadline: Any) -> Draft:
        """As the model that makes the mistake of this question."""
        place = int(fraction(f"mixed {self._seed}", item.question) * 2 * len(BEFORE))
        kind = BEFORE[place] if place < len(BEFORE) else "none"
        draft = Speaker(kind, 1.0, self._seed).submit(item, deadline)
        return replace(draft, model=self.name)


def _policies(
    folder: Path, loose: Sequence[str], min_margin: float, *, held: bool = False
) -> Policies:
    """A policy whose ``loose`` checks let what fails them pass; ``held``: a person sees all."""
    required = [f"{name}@draft" for name in (*CHECKS, *(("support",) if held else ()))]
    rules = ", ".join(f"{{check: {name}, then: release}}" for name in loose)
    text = (
        f"{{name: planted, version: 1, min_margin: {min_margin}, topics: [], "
        f"required_checks: [{', '.join(required)}], rules: [{rules}]}}"
    )
    path = folder / "policy.yaml"
    path.write_text(text, "utf-8")
    return Policies(path)
