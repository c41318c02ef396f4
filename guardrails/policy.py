"""The policy file: which findings release, hold or block, and which topics it looks for.

All rules that match a finding apply, and the strictest wins. A failed check without a rule
means review. A check that could not run always means at least review: no rule can change that.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import re2
import yaml
from jsonschema import Draft202012Validator

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
        for pattern in self.patterns:
            match = pattern.search(text)
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
    """A loaded policy; ``sha256`` is over its content, not its spelling."""

    name: str
    version: int
    min_margin: float
    required_checks: tuple[str, ...]
    topics: tuple[Topic, ...]
    rules: tuple[Rule, ...]
    sha256: str

    @classmethod
    def load(cls, path: Path | None = None) -> "Policy":
        """Read a policy file (None: the packaged default); raises ``PolicyInvalid``."""
        source = path or DEFAULT_POLICY
        try:
            content = yaml.safe_load(source.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise PolicyInvalid(f"{source.name}: cannot be read: {error}") from error
        return cls.parse(content, source.name)

    @classmethod
    def parse(cls, content: Any, name: str) -> "Policy":
        """A policy from its content; ``name`` is used in messages."""
        problem = next(_schema().iter_errors(content), None)
        if problem is not None:
            raise PolicyInvalid(f"{name}: {problem.json_path}: {problem.message}")
        topics = tuple(_topic(entry, name) for entry in content.get("topics", []))
        rules = tuple(_rule(entry) for entry in content.get("rules", []))
        unknown = (
            {r.label for r in rules if r.check == "topics"} - {t.name for t in topics} - {None}
        )
        if unknown:
            raise PolicyInvalid(f"{name}: a rule names unknown topics: {sorted(map(str, unknown))}")
        return cls(
            content["name"],
            content["version"],
            float(content["min_margin"]),
            tuple(content["required_checks"]),
            topics,
            rules,
            canonical_sha256(content),
        )

    def decide(self, findings: Sequence[Finding]) -> Verdict:
        """The verdict on all findings of a question or a draft."""
        action, reasons, message = Action.RELEASE, [], ""
        for finding in findings:
            wanted, said = self._consequence(finding)
            if wanted is not Action.RELEASE:
                reasons.append(finding.message)
            if SEVERITY[wanted] > SEVERITY[action]:
                action, message = wanted, said
        return Verdict(
            action,
            tuple(dict.fromkeys(reasons)),
            message or MESSAGES[action],
            f"{self.name} {self.version}",
            self.sha256,
        )

    def _consequence(self, finding: Finding) -> tuple[Action, str]:
        if finding.outcome is Outcome.PASS:
            return Action.RELEASE, ""
        matching = [rule for rule in self.rules if rule.matches(finding)]
        if not matching:
            return Action.REVIEW, ""
        strictest = max(matching, key=lambda rule: SEVERITY[rule.then])
        if finding.outcome is Outcome.COULD_NOT_RUN and strictest.then is Action.RELEASE:
            return Action.REVIEW, ""
        return strictest.then, strictest.message


@cache
def _schema() -> Draft202012Validator:
    return Draft202012Validator(json.loads((HERE / "schemas" / "policy.json").read_text("utf-8")))


def _topic(entry: Mapping[str, Any], source: str) -> Topic:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    patterns = []
    for pattern in entry["patterns"]:
        try:
            patterns.append(re2.compile(pattern, options))
        except re2.error as error:
            place = f"topic {entry['name']}: pattern {pattern!r}"
            raise PolicyInvalid(f"{source}: {place}: {error}") from error
    return Topic(entry["name"], entry["description"], entry["where"], tuple(patterns))


def _rule(entry: Mapping[str, Any]) -> Rule:
    return Rule(
        entry["check"],
        Outcome(entry.get("outcome", "fail")),
        entry.get("label"),
        Action(entry["then"]),
        entry.get("message", ""),
    )
