"""Is the answer object well formed, and does it satisfy the caller's own schema?"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable

from guardrails.checks import Stage
from guardrails.contract import Case, Finding, Outcome, answer_object

SCHEMA = Path(__file__).resolve().parent.parent / "schemas" / "answer.json"
MAX_SCHEMA_BYTES = 16_384
MAX_SCHEMA_DEPTH = 20
REFUSED_KEYS = frozenset({"pattern", "patternProperties", "$dynamicRef", "$id", "$anchor"})
"""Patterns are backtracking expressions that could hold the process; the rest moves references."""


class SchemaInvalid(ValueError):
    """A caller's schema that cannot be used."""

    code = "schema_invalid"


class SchemaCheck:
    """Validates the answer object; a second finding, labelled caller, for the caller's schema."""

    name = "schema"
    stage: Stage = "draft"
    timeout_s = 2.0

    def __init__(self) -> None:
        self._own = Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))

    def run(self, case: Case) -> list[Finding]:
        """One finding, or two when the caller passed a schema."""
        if case.draft is None:
            return [Finding(self.name, Outcome.FAIL, "There is no draft.")]
        answer = answer_object(case.draft)
        findings = [self._finding(self._own, answer, "")]
        if case.caller_schema is not None:
            check_caller_schema(case.caller_schema)
            # An empty registry: a reference to anywhere else cannot be resolved.
            theirs = Draft202012Validator(dict(case.caller_schema), registry=Registry())
            findings.append(self._finding(theirs, answer, "caller"))
        return findings

    def _finding(self, validator: Draft202012Validator, answer: Any, label: str) -> Finding:
        whose = "the caller's" if label else "the service's"
        problem = next(validator.iter_errors(answer), None)
        if problem is None:
            return Finding(self.name, Outcome.PASS, f"The answer fits {whose} schema.", label)
        message = f"The answer does not fit {whose} schema at {problem.json_path}."
        return Finding(self.name, Outcome.FAIL, message, label, problem.message[:200])


def check_caller_schema(schema: Mapping[str, Any]) -> None:
    """Raise ``SchemaInvalid`` unless the schema is valid 2020-12, small, and self-contained."""
    try:
        size = len(json.dumps(schema).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise SchemaInvalid("The answer schema is not JSON.") from error
    if size > MAX_SCHEMA_BYTES:
        raise SchemaInvalid(f"The answer schema is larger than {MAX_SCHEMA_BYTES} bytes.")
    for key, value, depth in _walk(schema, 0):
        _check_place(key, value, depth)
    try:
        Draft202012Validator.check_schema(schema)
        next(Draft202012Validator(schema, registry=Registry()).iter_errors({}), None)
    except SchemaError as error:
        raise SchemaInvalid(f"The answer schema is invalid at {error.json_path}.") from error
    except Unresolvable as error:
        raise SchemaInvalid("The answer schema refers to something it does not hold.") from error
    except RecursionError as error:
        raise SchemaInvalid("The answer schema refers to itself without end.") from error


def _walk(value: Any, depth: int) -> Iterator[tuple[str, Any, int]]:
    if depth > MAX_SCHEMA_DEPTH + 1:
        return
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    for key, child in items:
        yield (key if isinstance(key, str) else ""), child, depth + 1
        if isinstance(child, Mapping | list):
            yield from _walk(child, depth + 1)


def _check_place(key: str, value: Any, depth: int) -> None:
    if depth > MAX_SCHEMA_DEPTH:
        raise SchemaInvalid(f"The answer schema is nested deeper than {MAX_SCHEMA_DEPTH}.")
    if key in REFUSED_KEYS and not isinstance(value, Mapping):
        raise SchemaInvalid(f"The answer schema may not use {key}.")
    if key == "patternProperties":
        raise SchemaInvalid("The answer schema may not use patternProperties.")
    if key == "$ref" and isinstance(value, str) and not value.startswith("#"):
        raise SchemaInvalid("The answer schema may only refer to itself.")
