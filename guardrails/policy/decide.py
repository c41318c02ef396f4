"""The policy: which findings release, hold or block, and what topics and scores it looks for.

All rules that match a finding apply, and the strictest wins. A failed check without a rule
means review. A check that could not run always means at least review, and so do an answer that
does not fit its schema and a condition that gives no yes or no: no rule can change that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from guardrails.checks.schema import SchemaCheck
from guardrails.contract import (
    SEVERITY,
    URGENCIES,
    Action,
    Case,
    Finding,
    Outcome,
    Screen,
    Stage,
    Topic,
    Verdict,
    sentence_bounds,
)
from guardrails.policy.conditions import Condition, ConditionFailed, Looked, condition_context

MESSAGES = {
    Action.RELEASE: "",
    Action.REVIEW: "A reviewer is checking this answer before it is released. You can leave "
    "this page: the answer will be here when you come back.",
    Action.BLOCK: "This question cannot be answered here.",
}


@dataclass(frozen=True)
class Rule:
    """What follows from a finding of ``check`` with ``outcome`` and, if given, ``label``.

    Without ``check`` the rule speaks of the whole answer. With ``when`` it applies only where the
    condition holds. ``masks`` rules release, and mask the kinds in ``redact``. ``number`` is the
    place in the file, from 1.
    """

    check: str | None
    outcome: Outcome
    label: str | None
    then: Action
    message: str
    when: Condition | None = None
    queue: str = ""
    four_eyes: bool = False
    deadline_hours: float | None = None
    redact: tuple[str, ...] = ()
    disclaimer: str = ""
    urgency: str = ""
    masks: bool = False
    number: int = 0

    def matches(self, finding: Finding) -> bool:
        """Whether the rule speaks about this finding, whatever its condition says."""
        same = self.check == finding.check and self.outcome is finding.outcome
        return same and self.label in (None, finding.label)

    def wants(self, finding: Finding) -> Action:
        """What it asks for: masking other kinds than the one that was found settles nothing."""
        other = finding.check == "personal_data" and finding.label not in self.redact
        return Action.REVIEW if self.masks and other else self.then


@dataclass(frozen=True)
class _Consequence:
    """What follows from one finding or from one rule on the whole answer."""

    action: Action
    reason: str
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class Policy:
    """A loaded policy; ``sha256`` is over its content, not its spelling.

    ``required_checks`` are names, with ``@question`` or ``@draft`` where the stage matters.
    """

    name: str
    version: int
    min_margin: float
    required_checks: tuple[str, ...]
    topics: tuple[Topic, ...]
    rules: tuple[Rule, ...]
    sha256: str
    screens: tuple[Screen, ...] = ()
    content: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What the file says, so that a record can keep it."""

    def required(self, stage: Stage | None) -> list[str]:
        """The checks required at ``stage``; None: those that may run at either stage."""
        pairs = (entry.partition("@") for entry in self.required_checks)
        return [name for name, _, wanted in pairs if wanted == (stage or "")]

    def decide(
        self, findings: Sequence[Finding], case: Case | None = None, *, screening: bool = False
    ) -> Verdict:
        """The verdict on all findings of a draft, or when ``screening``, of a question.

        Conditions look at ``case``. Rules on the whole answer wait until there is one.
        """
        consequences = self._consequences(findings, case, screening)
        if not findings:  # nothing found is not nothing wrong: nobody has looked
            consequences.append(_Consequence(Action.REVIEW, "No check has looked at this."))
        action = max((one.action for one in consequences), key=_severity)
        reasons = [one.reason for one in consequences if one.action is not Action.RELEASE]
        applying = {rule.number: rule for one in consequences for rule in one.rules}
        return Verdict(
            action,
            tuple(dict.fromkeys(reasons)),
            _message(action, consequences),
            f"{self.name} {self.version}",
            self.sha256,
            **_options(action, [applying[number] for number in sorted(applying)]),
        )

    def applying(
        self, findings: Sequence[Finding], case: Case | None = None, *, screening: bool = False
    ) -> set[int]:
        """The numbers of the rules that apply."""
        consequences = self._consequences(findings, case, screening)
        return {rule.number for one in consequences for rule in one.rules}

    def _consequences(
        self, findings: Sequence[Finding], case: Case | None, screening: bool
    ) -> list[_Consequence]:
        conditional = any(rule.when for rule in self.rules)
        looked = Looked(condition_context(findings, case)) if conditional else None
        consequences = [self._consequence(finding, looked) for finding in findings]
        if not screening:
            on_answer = (rule for rule in self.rules if rule.check is None)
            consequences += [c for rule in on_answer if (c := _on_answer(rule, looked))]
        return consequences

    def _consequence(self, finding: Finding, looked: Looked | None) -> _Consequence:
        """What follows from one finding."""
        if finding.outcome is Outcome.PASS:
            return _Consequence(Action.RELEASE, "")
        applying, broken = [], []
        for rule in self.rules:
            if rule.matches(finding):
                try:
                    if _holds(rule, looked, finding):
                        applying.append(rule)
                except ConditionFailed as error:
                    broken.append(_broken(rule, error))
        wanted = [rule.wants(finding) for rule in applying]
        if broken or not wanted or _never_released(finding):
            wanted.append(Action.REVIEW)
        reason = " ".join([finding.message, *broken])
        return _Consequence(max(wanted, key=_severity), reason, tuple(applying))


def _never_released(finding: Finding) -> bool:
    """Whether no rule can release what has this finding: a caller relies on the schema."""
    misfit = finding.check == SchemaCheck.name and finding.outcome is Outcome.FAIL
    return misfit or finding.outcome is Outcome.COULD_NOT_RUN


def _holds(rule: Rule, looked: Looked | None, finding: Finding | None = None) -> bool:
    if rule.when is None:
        return True
    assert looked is not None  # it is there as soon as any rule has a condition
    return rule.when.holds(looked, finding)


def _on_answer(rule: Rule, looked: Looked | None) -> _Consequence | None:
    """What follows from a rule on the whole answer, if it applies."""
    assert rule.when is not None  # the schema asks for a check or a condition
    try:
        if not _holds(rule, looked):
            return None
    except ConditionFailed as error:
        return _Consequence(Action.REVIEW, _broken(rule, error))
    reason = f"Rule {rule.number} of the policy applies: {rule.when.source}"
    return _Consequence(rule.then, reason, (rule,))


def _broken(rule: Rule, error: ConditionFailed) -> str:
    return f"The condition of rule {rule.number} could not be evaluated ({error})."


def _message(action: Action, consequences: Sequence[_Consequence]) -> str:
    """What the deciding rules want the asker to read, no sentence twice, else the usual words."""
    rules = [rule for one in consequences if one.action is action for rule in one.rules]
    said = dict.fromkeys(rule.message for rule in rules if rule.then is action and rule.message)
    if len(said) > 1:
        said = dict.fromkeys(
            message[start:end] for message in said for start, end in sentence_bounds(message)
        )
    return " ".join(said) or MESSAGES[action]


def _options(action: Action, rules: Sequence[Rule]) -> dict[str, Any]:
    """The strictest of what ``rules`` (in the order of the file) say about review and release."""
    options: dict[str, Any] = {}
    if action is Action.REVIEW:
        deadlines = [rule.deadline_hours for rule in rules if rule.deadline_hours is not None]
        options["queue"] = next((rule.queue for rule in rules if rule.queue), "")
        options["urgency"] = min((rule.urgency for rule in rules), key=URGENCIES.index, default="")
        options["four_eyes"] = any(rule.four_eyes for rule in rules)
        options["deadline_hours"] = min(deadlines, default=None)
    if action is not Action.BLOCK:
        options["redact"] = tuple(sorted({kind for rule in rules for kind in rule.redact}))
        said = dict.fromkeys(rule.disclaimer for rule in rules if rule.disclaimer)
        options["disclaimers"] = tuple(said)
    return options


def _severity(action: Action) -> int:
    return SEVERITY[action]
