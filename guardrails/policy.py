"""The policy file: which findings release, hold or block, and what topics and scores it looks for.

All rules that match a finding apply, and the strictest wins. A failed check without a rule
means review. A check that could not run always means at least review, and so do an answer that
does not fit its schema and a condition that gives no yes or no: no rule can change that.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from guardrails.checks import Stage
from guardrails.checks.schema import SchemaCheck
from guardrails.checks.wording import PatternInvalid, pattern
from guardrails.conditions import (
    Condition,
    ConditionFailed,
    ConditionInvalid,
    Looked,
    condition_context,
)
from guardrails.contract import SEVERITY, Action, Case, Finding, Outcome, Verdict, canonical_sha256

HERE = Path(__file__).resolve().parent
RELEASING = {"redact": Action.RELEASE, "require_disclaimer": Action.RELEASE}
"""Ways to release that add something to the answer."""
DEFAULT_POLICY = HERE / "policies" / "default.yaml"
MESSAGES = {
    Action.RELEASE: "",
    Action.REVIEW: "A reviewer is checking this answer before it is released. You can leave "
    "this page: the answer will be here when you come back.",
    Action.BLOCK: "This question cannot be answered here.",
}


class PolicyInvalid(ValueError):
    """A policy file that cannot be used; the message names the file and the place."""

    code = "policy_invalid"


@dataclass(frozen=True)
class Topic:
    """A sensitive or forbidden topic: RE2 patterns, looked for in question, answer or both."""

    name: str
    description: str
    where: str
    patterns: tuple[Any, ...]

    def excerpt(self, text: str) -> str | None:
        """The first text that any pattern matches, or None."""
        for one in self.patterns:
            match = one.search(text)
            if match:
                return str(match.group(0))
        return None


@dataclass(frozen=True)
class Screen:
    """A question whose ``score`` (a probability) is ``at_least`` this fails with ``label``."""

    label: str
    description: str
    score: str
    at_least: float


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

    @classmethod
    def load(cls, path: Path | None = None) -> "Policy":
        """Read a policy file (None: the packaged default); raises ``PolicyInvalid``."""
        source = path or DEFAULT_POLICY
        try:
            text = source.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PolicyInvalid(f"{source.name}: cannot be read: {error}") from error
        return cls.from_text(text, source.name)

    @classmethod
    def from_text(cls, text: str, name: str) -> "Policy":
        """A policy from YAML; ``name`` is used in messages. Raises ``PolicyInvalid``."""
        return cls.parse(read_yaml(text, name), name)

    @classmethod
    def parse(cls, content: Any, name: str) -> "Policy":
        """A policy from its content; ``name`` is used in messages. Raises ``PolicyInvalid``."""
        problem = best_match(_schema().iter_errors(content))
        if problem is not None:
            raise PolicyInvalid(f"{name}: {problem.json_path}: {problem.message}")
        if not math.isfinite(content["min_margin"]):
            raise PolicyInvalid(f"{name}: $.min_margin: it must be finite")
        topics = tuple(_topic(topic, name, place) for place, topic in enumerate(content["topics"]))
        screens = tuple(Screen(**screen) for screen in content.get("screens", ()))
        rules = tuple(_rule(rule, name, place) for place, rule in enumerate(content["rules"]))
        _refuse_unknown_labels("topics", "topic", [topic.name for topic in topics], rules, name)
        _refuse_unknown_labels("screens", "screen", [s.label for s in screens], rules, name)
        _refuse_released_misfits(rules, name)
        return cls(
            content["name"],
            content["version"],
            float(content["min_margin"]),
            tuple(content["required_checks"]),
            topics,
            rules,
            canonical_sha256(content),
            screens,
            content,
        )

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
    """What the deciding rules want the asker to read, else the usual words."""
    said = [
        rule.message
        for one in consequences
        if one.action is action
        for rule in one.rules
        if rule.then is action and rule.message
    ]
    return " ".join(dict.fromkeys(said)) or MESSAGES[action]


def _options(action: Action, rules: Sequence[Rule]) -> dict[str, Any]:
    """The strictest of what ``rules`` (in the order of the file) say about review and release."""
    options: dict[str, Any] = {}
    if action is Action.REVIEW:
        deadlines = [rule.deadline_hours for rule in rules if rule.deadline_hours is not None]
        options["queue"] = next((rule.queue for rule in rules if rule.queue), "")
        options["four_eyes"] = any(rule.four_eyes for rule in rules)
        options["deadline_hours"] = min(deadlines, default=None)
    if action is not Action.BLOCK:
        options["redact"] = tuple(sorted({kind for rule in rules for kind in rule.redact}))
        said = dict.fromkeys(rule.disclaimer for rule in rules if rule.disclaimer)
        options["disclaimers"] = tuple(said)
    return options


def _severity(action: Action) -> int:
    return SEVERITY[action]


@cache
def _schema() -> Draft202012Validator:
    return Draft202012Validator(json.loads((HERE / "schemas" / "policy.json").read_text("utf-8")))


def _topic(entry: Mapping[str, Any], source: str, place: int) -> Topic:
    patterns = []
    for number, expression in enumerate(entry["patterns"]):
        where = f"{source}: $.topics[{place}].patterns[{number}] (topic {entry['name']})"
        try:
            compiled = pattern(expression)
        except PatternInvalid as error:
            raise PolicyInvalid(f"{where}: {error}") from error
        if compiled.search("") is not None:
            raise PolicyInvalid(f"{where}: it matches the empty text, so everything")
        patterns.append(compiled)
    return Topic(entry["name"], entry["description"], entry["where"], tuple(patterns))


def _rule(entry: Mapping[str, Any], source: str, place: int) -> Rule:
    return Rule(
        check=entry.get("check"),
        outcome=Outcome(entry.get("outcome", "fail")),
        label=entry.get("label"),
        then=RELEASING.get(entry["then"]) or Action(entry["then"]),
        message=entry.get("message", ""),
        when=_condition(entry, f"{source}: $.rules[{place}].when"),
        queue=entry.get("queue", ""),
        four_eyes=entry.get("four_eyes", False),
        deadline_hours=entry.get("deadline_hours"),
        redact=tuple(entry.get("redact", ())),
        disclaimer=entry.get("disclaimer", ""),
        masks=entry["then"] == "redact",
        number=place + 1,
    )


def _condition(entry: Mapping[str, Any], where: str) -> Condition | None:
    if "when" not in entry:
        return None
    try:
        condition = Condition.compile(entry["when"])
    except ConditionInvalid as error:
        raise PolicyInvalid(f"{where}: {error}") from error
    if "check" not in entry and condition.speaks_of_finding:
        raise PolicyInvalid(f"{where}: a rule without a check has no finding")
    return condition


def read_yaml(text: str, name: str) -> Any:
    """The content of a YAML file; raises ``PolicyInvalid``, also for a key that stands twice."""
    try:
        _refuse_repeated_keys(yaml.compose(text, Loader=yaml.SafeLoader), name)
        return yaml.safe_load(text)
    except PolicyInvalid:
        raise
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise PolicyInvalid(f"{name}: cannot be read: {error}") from error


def _refuse_unknown_labels(
    check: str, what: str, names: Sequence[str], rules: Sequence[Rule], source: str
) -> None:
    """A rule for a misspelt topic or screen would never apply, and nobody would notice."""
    if len(set(names)) != len(names):
        raise PolicyInvalid(f"{source}: $.{check}: two {what}s share a name")
    for place, rule in enumerate(rules):
        if rule.check == check and rule.label is not None and rule.label not in names:
            raise PolicyInvalid(f"{source}: $.rules[{place}].label: no {what} {rule.label!r}")


def _refuse_released_misfits(rules: Sequence[Rule], source: str) -> None:
    """Such a rule would do nothing, and whoever wrote it would think otherwise."""
    for rule in rules:
        failed = rule.check == SchemaCheck.name and rule.outcome is Outcome.FAIL
        if failed and rule.then is Action.RELEASE:
            raise PolicyInvalid(
                f"{source}: $.rules[{rule.number - 1}].then: rule {rule.number} would release an "
                "answer that does not fit its schema; it can only mean review or block"
            )


def _refuse_repeated_keys(root: yaml.Node | None, source: str) -> None:
    """YAML lets the last of two equal keys win: half of the rules could vanish in silence."""
    for mapping in _mappings(root):
        seen: set[str] = set()
        for key, _ in mapping.value:
            if str(key.value) in seen:
                line = key.start_mark.line + 1
                raise PolicyInvalid(f"{source}: line {line}: {key.value!r} stands there twice")
            seen.add(str(key.value))


def _mappings(root: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    waiting, visited = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in visited:  # an alias may lead back to where it stands
            continue
        visited.add(id(node))
        if isinstance(node, yaml.MappingNode):
            yield node
            waiting.extend(part for pair in node.value for part in pair)
        elif isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
