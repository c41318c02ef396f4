"""How long the checks take for one answer of three sentences over five passages."""

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.metrics import percentile
from guardrails.contract import Case, Citation, Draft, Passage, Sentence
from guardrails.default_checks import default_checks
from guardrails.judge import Judge
from guardrails.policy.load import load_policy

PASSAGES, SENTENCES, PASSAGE_SENTENCES = 5, 3, 14
THINGS = (
    "claim excess policy member form receipt repair fee refund cover event start notice letter "
    "garage vehicle house water damage theft police report account payment limit travel luggage"
).split()
DOINGS = (
    "keeps sends needs checks returns covers repairs receives leaves reports pays signs".split()
)


def measure_judging(runs: int) -> dict[str, Any]:
    """Milliseconds of all checks together, and of each alone; every run has other texts.

    ``ms`` is the time that passes, ``cpu_ms`` what the process computes in it: on a busy machine
    only the second says something about the code. Without models of settings: the default checks.
    """
    policy = load_policy()
    checks = default_checks(policy)
    judge = Judge(checks, policy)
    cases = list(_cases(random.Random(0), runs))
    for case in cases[:20]:
        judge.judge(case)
    return {
        "question": _figures(cases, judge.screen_question),
        "draft": _figures(cases, judge.judge),
        "checks": {f"{c.name}@{c.stage}": _figures(cases, c.run) for c in checks},
        "n": runs,
    }


def _figures(cases: list[Case], work: Callable[[Case], object]) -> dict[str, float]:
    passed, computed = [], []
    for case in cases:
        began, computing = time.perf_counter(), time.process_time()
        work(case)
        computed.append((time.process_time() - computing) * 1000)
        passed.append((time.perf_counter() - began) * 1000)
    return {
        "ms_p50": round(percentile(passed, 0.5), 3),
        "ms_p95": round(percentile(passed, 0.95), 3),
        "cpu_ms_p50": round(percentile(computed, 0.5), 3),
    }


def _cases(chance: random.Random, count: int) -> Iterator[Case]:
    for number in range(count):
        facts = [_fact(chance) for _ in range(PASSAGES)]
        passages = tuple(
            _passage(f"p{number}-{place}", fact, chance) for place, fact in enumerate(facts)
        )
        citations = tuple(
            Citation(n + 1, p.id, p.document_id, p.title, None, facts[n], 0, len(facts[n]))
            for n, p in enumerate(passages[:SENTENCES])
        )
        sentences = tuple(Sentence(facts[n], (n + 1,)) for n in range(SENTENCES))
        draft = Draft(sentences, citations, "benchmark", None, {"margin": 9.0})
        asked = facts[0].split(" is ", maxsplit=1)[0].lower()
        yield Case(f"How much is {asked}, and when is it due?", draft, passages)


def _fact(chance: random.Random) -> str:
    one, other = chance.sample(THINGS, 2)
    amount, days = chance.randint(10, 999), chance.randint(2, 90)
    return f"The {one} for {other} is £{amount}.50 and is due within {days} days."


def _passage(name: str, fact: str, chance: random.Random) -> Passage:
    text = " ".join([fact, *(_filler(chance) for _ in range(PASSAGE_SENTENCES - 1))])
    return Passage(
        name, f"d-{name}", "main", " ".join(chance.sample(THINGS, 2)), text, 0, len(text)
    )


def _filler(chance: random.Random) -> str:
    one, two, three, four = chance.sample(THINGS, 4)
    if chance.random() < 0.3:
        return f"After {chance.randint(2, 60)} days the {one} {chance.choice(DOINGS)} the {two}."
    return (
        f"The {one} {chance.choice(DOINGS)} the {two} and sends a copy of the {three} and {four}."
    )
