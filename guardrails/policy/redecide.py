"""What another policy would have said of an answer that was judged before."""

from collections.abc import Sequence
from dataclasses import dataclass

from guardrails.checks.confidence import ConfidenceCheck
from guardrails.checks.topics import TopicsCheck
from guardrails.contract import Action, Case, Check, Finding, Verdict
from guardrails.judge import missing_checks
from guardrails.policy.decide import Policy

OUTCOMES = {Action.RELEASE: "released", Action.REVIEW: "held", Action.BLOCK: "blocked"}
UNKNOWN = "answered"
"""The outcome when a question is no longer blocked: nobody knows what the draft would be."""


@dataclass(frozen=True)
class JudgedAnswer:
    """An answer as it was judged. ``case.draft`` is None when nothing was drafted.

    A draft without sentences was not judged either: only its question was screened.
    """

    case: Case
    findings: tuple[Finding, ...]
    outcome: str

    @property
    def has_answer(self) -> bool:
        """Whether there was an answer to judge."""
        return self.case.draft is not None and not self.case.draft.abstained


def redecide(policy: Policy, judged: JudgedAnswer) -> tuple[str, Verdict]:
    """The outcome and the verdict under ``policy``.

    The findings stay as they were, but for checks that the policy sets up: topics are looked for
    again, and the margin is compared again where the draft still has one.
    """
    findings = _findings(policy, judged)
    verdict = policy.decide(findings, judged.case, screening=not judged.has_answer)
    if judged.has_answer or verdict.action is not Action.RELEASE:
        return OUTCOMES[verdict.action], verdict
    return (UNKNOWN if judged.outcome == "blocked" else "abstained"), verdict


def _findings(policy: Policy, judged: JudgedAnswer) -> list[Finding]:
    again: list[Check] = [TopicsCheck(policy.topics, "question")]
    if judged.has_answer:
        again.append(TopicsCheck(policy.topics, "draft"))
        if judged.case.draft is not None and "margin" in judged.case.draft.features:
            again.append(ConfidenceCheck(policy.min_margin))
    names = {check.name for check in again}
    kept = [finding for finding in judged.findings if finding.check not in names]
    fresh: list[Finding] = [finding for check in again for finding in check.run(judged.case)]
    found = [*kept, *fresh]
    return [*found, *missing_checks(policy, found, judged=judged.has_answer)]


def tally(pairs: Sequence[tuple[str, str]]) -> dict[str, int]:
    """How many answers more (or fewer, below 0) have each outcome; ``pairs`` are (was, becomes)."""
    names = dict.fromkeys(name for pair in pairs for name in pair)
    change = {n: sum((b == n) - (a == n) for a, b in pairs) for n in names}
    return {name: count for name, count in change.items() if count}
