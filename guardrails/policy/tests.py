"""The tests beside a policy file: cases of questions, drafts and findings, and their verdicts."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from guardrails.contract import (
    Asker,
    Case,
    Check,
    Citation,
    Draft,
    Finding,
    Outcome,
    Passage,
    Sentence,
    Verdict,
    sentence_bounds,
)
from guardrails.default_checks import default_checks
from guardrails.judge import Judge
from guardrails.policy.decide import Policy
from guardrails.policy.load import HERE, PolicyInvalid, read_yaml

SUFFIX = ".tests.yaml"
SURE = 1_000.0
"""The margin of a test's draft, where the test names none."""


@dataclass(frozen=True)
class CaseResult:
    """One case: what is not as expected (nothing: it passed), and the rules that applied."""

    name: str
    faults: tuple[str, ...]
    rules: frozenset[int]


def path_of_tests(policy_file: Path) -> Path:
    """Where the tests of a policy file lie: ``own.yaml`` has ``own.tests.yaml``."""
    return policy_file.with_suffix(SUFFIX)


def run_policy_tests(
    policy: Policy,
    text: str,
    name: str,
    checks: Callable[[Policy], Sequence[Check]] = default_checks,
) -> list[CaseResult]:
    """Run every case of a test file; raises ``PolicyInvalid`` when the file cannot be used."""
    content = read_yaml(text, name)
    problem = best_match(_schema().iter_errors(content))
    if problem is not None:
        raise PolicyInvalid(f"{name}: {problem.json_path}: {problem.message}")
    judge = Judge(checks(policy), policy)
    return [_run(policy, judge, entry) for entry in content["cases"]]


def untested_rules(policy: Policy, results: Sequence[CaseResult]) -> list[int]:
    """The numbers of the rules that applied in no case."""
    applied = {number for result in results for number in result.rules}
    return [rule.number for rule in policy.rules if rule.number not in applied]


def _run(policy: Policy, judge: Judge, entry: Mapping[str, Any]) -> CaseResult:
    case = _case(entry, policy)
    screening = "question" in entry and case.draft is None
    findings = _findings(judge, case, entry)
    verdict = policy.decide(findings, case, screening=screening)
    faults = tuple(_faults(verdict, findings, entry["expect"]))
    rules = policy.applying(findings, case, screening=screening)
    return CaseResult(entry["name"], faults, frozenset(rules))


def _case(entry: Mapping[str, Any], policy: Policy) -> Case:
    """What the entry describes; screens that it does not name see nothing."""
    texts = entry.get("evidence", ())
    collection = entry.get("collection", "main")
    evidence = tuple(
        Passage(f"p{n}", "d1", collection, "Source", text, 0, len(text))
        for n, text in enumerate(texts, 1)
    )
    draft = None
    if "draft" in entry:
        draft = _draft(entry["draft"], evidence, entry.get("margin", SURE))
    asker = Asker("tester", tuple(entry.get("roles", ("asker",))))
    calm = {screen.score: 0.0 for screen in policy.screens}
    scores = calm | entry.get("scores", {})
    question, risk = entry.get("question", ""), entry.get("risk")
    return Case(question, draft, evidence, None, asker, risk, scores)


def _draft(text: str, evidence: Sequence[Passage], margin: float) -> Draft:
    """Each sentence cites the whole of every passage."""
    citations = tuple(
        Citation(n, p.id, p.document_id, p.title, None, p.text, 0, len(p.text))
        for n, p in enumerate(evidence, 1)
    )
    numbers = tuple(citation.number for citation in citations)
    sentences = tuple(Sentence(text[a:b], numbers) for a, b in sentence_bounds(text))
    return Draft(sentences, citations, "test", None, {"margin": margin})


def _findings(judge: Judge, case: Case, entry: Mapping[str, Any]) -> list[Finding]:
    """What the checks say; the case's own findings stand in for those of the same checks."""
    given = [
        Finding(one["check"], Outcome(one.get("outcome", "fail")), "given", one.get("label", ""))
        for one in entry.get("findings", ())
    ]
    found: list[Finding] = []
    if "question" in entry:
        found, _ = judge.screen_question(case)
        if case.draft is not None:
            found, _ = judge.judge(case, found)
    names = {finding.check for finding in given}
    return [*(finding for finding in found if finding.check not in names), *given]


def _faults(
    verdict: Verdict, findings: Sequence[Finding], expect: Mapping[str, Any]
) -> Iterator[str]:
    labels = {f.label for f in findings if f.outcome is not Outcome.PASS and f.label}
    actual = {
        "action": verdict.action.value,
        "queue": verdict.queue,
        "urgency": verdict.urgency,
        "four_eyes": verdict.four_eyes,
        "deadline_hours": verdict.deadline_hours,
        "redact": list(verdict.redact),
        "disclaimer": "\n".join(verdict.disclaimers),
        "message": verdict.message,
    }
    for name, wanted in expect.items():
        if name == "labels":
            if set(wanted) != labels:
                yield f"labels: expected {sorted(wanted)}, got {sorted(labels)}"
        elif name == "redact":
            if sorted(wanted) != actual[name]:
                yield f"redact: expected {sorted(wanted)}, got {actual[name]}"
        elif actual[name] != wanted:
            yield f"{name}: expected {wanted!r}, got {actual[name]!r}"


@cache
def _schema() -> Draft202012Validator:
    path = HERE / "schemas" / "policy_tests.json"
    return Draft202012Validator(json.loads(path.read_text("utf-8")))
