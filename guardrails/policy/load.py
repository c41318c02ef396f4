"""Reads a policy file: YAML that its JSON schema allows, and nothing that would do nothing."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from guardrails.checks.schema import SchemaCheck
from guardrails.checks.wording import PatternInvalid, pattern
from guardrails.contract import Action, Outcome, Screen, Topic, canonical_sha256
from guardrails.policy.conditions import Condition, ConditionInvalid
from guardrails.policy.decide import Policy, Rule

HERE = Path(__file__).resolve().parent.parent

DEFAULT_POLICY = HERE / "policies" / "default.yaml"

RELEASING = {"redact": Action.RELEASE, "require_disclaimer": Action.RELEASE}
"""Ways to release that add something to the answer."""


class PolicyInvalid(ValueError):
    """A policy file that cannot be used; the message names the file and the place."""

    code = "policy_invalid"


def load_policy(path: Path | None = None) -> Policy:
    """Read a policy file (None: the packaged default); raises ``PolicyInvalid``."""
    source = path or DEFAULT_POLICY
    try:
        text = source.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyInvalid(f"{source.name}: cannot be read: {error}") from error
    return policy_from_text(text, source.name)


@lru_cache(maxsize=16)
def policy_from_text(text: str, name: str) -> Policy:
    """A policy from YAML, the same one for the same text; ``name`` is used in messages.

    Raises ``PolicyInvalid``.
    """
    return parse_policy(read_yaml(text, name), name)


def _in_short(message: str) -> str:
    """Beginning and end of a message that quotes what may be a whole file."""
    return message if len(message) <= 300 else f"{message[:150]} … {message[-150:]}"


def parse_policy(content: Any, name: str) -> Policy:
    """A policy from its content; ``name`` is used in messages. Raises ``PolicyInvalid``."""
    problem = best_match(_schema().iter_errors(content))
    if problem is not None:
        raise PolicyInvalid(f"{name}: {problem.json_path}: {_in_short(problem.message)}")
    if not math.isfinite(content["min_margin"]):
        raise PolicyInvalid(f"{name}: $.min_margin: it must be finite")
    topics = tuple(_topic(topic, name, place) for place, topic in enumerate(content["topics"]))
    screens = tuple(Screen(**screen) for screen in content.get("screens", ()))
    rules = tuple(_rule(rule, name, place) for place, rule in enumerate(content["rules"]))
    _refuse_unknown_labels("topics", "topic", [topic.name for topic in topics], rules, name)
    _refuse_unknown_labels("screens", "screen", [s.label for s in screens], rules, name)
    _refuse_released_misfits(rules, name)
    return Policy(
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
    return Topic(
        entry["name"],
        entry["description"],
        entry["where"],
        tuple(patterns),
        entry.get("risk_class", ""),
        float(entry.get("loss", 1.0)),
    )


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
        urgency=entry.get("urgency", ""),
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


# In C where PyYAML was built with it: ten times as fast, and a tenth of a second at each start.
_YamlLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MAX_DEPTH = 100
"""Of lists and mappings within each other."""


def read_yaml(text: str, name: str) -> Any:
    """The content of a YAML file; raises ``PolicyInvalid``, also for a key that stands twice."""
    try:
        _refuse_depth(text, name)
        loader = _YamlLoader(text)
        root = loader.get_single_node()
        _refuse_repeated_keys(root, name)
        return None if root is None else loader.construct_document(root)
    except PolicyInvalid:
        raise
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise PolicyInvalid(f"{name}: cannot be read: {error}") from error


def _refuse_depth(text: str, name: str) -> None:
    """The loader in C calls itself for each level: too many end the process."""
    depth = 0
    for event in yaml.parse(text, _YamlLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise PolicyInvalid(f"{name}: cannot be read: it is nested too deeply")


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
