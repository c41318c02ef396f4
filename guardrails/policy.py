"""The policy file: which findings release, hold or block, and which topics it looks for.

All rules that match a finding apply, and the strictest wins. A failed check without a rule
means review. A check that could not run always means at least review: no rule can change that.
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
from guardrails.checks.wording import PatternInvalid, pattern
from guardrails.contract import SEVERITY, Action, Finding, Outcome, Verdict, canonical_sha256

HERE = Path(__file__).resolve().parent
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
class Rule:
    """What follows from a finding of ``check`` with ``outcome`` and, if given, ``label``."""

    check: str
    outcome: Outcome
    label: str | None
    then: Action
    message: str

    def matches(self, finding: Finding) -> bool:
        """Whether the rule speaks about this finding."""
        same = self.check == finding.check and self.outcome is finding.outcome
        return same and self.label in (None, finding.label)


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
    content: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What the file says, so that a record can keep it."""

    @classmethod
    def load(cls, path: Path | None = None) -> "Policy":
        """Read a policy file (None: the packaged default); raises ``PolicyInvalid``."""
        source = path or DEFAULT_POLICY
        try:
            text = source.read_text("utf-8")
            _refuse_repeated_keys(yaml.compose(text, Loader=yaml.SafeLoader), source.name)
            content = yaml.safe_load(text)
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise PolicyInvalid(f"{source.name}: cannot be read: {error}") from error
        return cls.parse(content, source.name)

    @classmethod
    def parse(cls, content: Any, name: str) -> "Policy":
        """A policy from its content; ``name`` is used in messages. Raises ``PolicyInvalid``."""
        problem = best_match(_schema().iter_errors(content))
        if problem is not None:
            raise PolicyInvalid(f"{name}: {problem.json_path}: {problem.message}")
        if not math.isfinite(content["min_margin"]):
            raise PolicyInvalid(f"{name}: $.min_margin: it must be finite")
        topics = tuple(_topic(topic, name, place) for place, topic in enumerate(content["topics"]))
        rules = tuple(_rule(rule) for rule in content["rules"])
        _refuse_unknown_topics(topics, rules, name)
        return cls(
            content["name"],
            content["version"],
            float(content["min_margin"]),
            tuple(content["required_checks"]),
            topics,
            rules,
            canonical_sha256(content),
            content,
        )

    def required(self, stage: Stage | None) -> list[str]:
        """The checks required at ``stage``; None: those that may run at either stage."""
        pairs = (entry.partition("@") for entry in self.required_checks)
        return [name for name, _, wanted in pairs if wanted == (stage or "")]

    def decide(self, findings: Sequence[Finding]) -> Verdict:
        """The verdict on all findings of a question or a draft."""
        consequences = [(finding, *self._consequence(finding)) for finding in findings]
        # Nothing found is not nothing wrong: without any finding nobody has looked.
        action = max(
            (wanted for _, wanted, _ in consequences), key=_severity, default=Action.REVIEW
        )
        reasons = [f.message for f, wanted, _ in consequences if wanted is not Action.RELEASE]
        messages = [m for _, wanted, said in consequences if wanted is action for m in said]
        return Verdict(
            action,
            tuple(dict.fromkeys(reasons)) if findings else ("No check has looked at this.",),
            " ".join(dict.fromkeys(messages)) or MESSAGES[action],
            f"{self.name} {self.version}",
            self.sha256,
        )

    def _consequence(self, finding: Finding) -> tuple[Action, list[str]]:
        """What follows from one finding, and what its rules want the asker to read."""
        if finding.outcome is Outcome.PASS:
            return Action.RELEASE, []
        matching = [rule for rule in self.rules if rule.matches(finding)]
        action = max((rule.then for rule in matching), key=_severity, default=Action.REVIEW)
        if finding.outcome is Outcome.COULD_NOT_RUN and action is Action.RELEASE:
            return Action.REVIEW, []
        return action, [rule.message for rule in matching if rule.then is action and rule.message]


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


def _rule(entry: Mapping[str, Any]) -> Rule:
    return Rule(
        entry["check"],
        Outcome(entry.get("outcome", "fail")),
        entry.get("label"),
        Action(entry["then"]),
        entry.get("message", ""),
    )


def _refuse_unknown_topics(topics: Sequence[Topic], rules: Sequence[Rule], source: str) -> None:
    """A rule for a misspelt topic would never apply, and nobody would notice."""
    names = [topic.name for topic in topics]
    if len(set(names)) != len(names):
        raise PolicyInvalid(f"{source}: $.topics: two topics share a name")
    for place, rule in enumerate(rules):
        if rule.check == "topics" and rule.label is not None and rule.label not in names:
            raise PolicyInvalid(f"{source}: $.rules[{place}].label: no topic {rule.label!r}")


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
