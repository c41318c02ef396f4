"""Is the answer object well formed, and does it satisfy the caller's own schema?"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry

from guardrails.contract import Case, Draft, Finding, Outcome, Stage, answer_object

SCHEMA = Path(__file__).resolve().parent.parent / "schemas" / "answer.json"
MAX_SCHEMA_BYTES = 16_384
MAX_SCHEMA_DEPTH = 20
MAX_SUBSCHEMAS = 1_000
"""Subschemas when every reference is written out: what one answer costs to validate."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"
OLDER = ("http://json-schema.org/draft-07/schema", "https://json-schema.org/draft/2019-09/schema")
ANOTHER_MEANING = frozenset("dependencies additionalItems $recursiveRef $recursiveAnchor".split())
"""Keywords of these that ``DIALECT`` does not have."""
REFUSED = frozenset(
    "pattern patternProperties $id $anchor $dynamicRef $dynamicAnchor $vocabulary "
    "unevaluatedItems unevaluatedProperties".split()
)
"""Patterns are backtracking expressions that could hold the process, ``unevaluated*`` validates
everything below it twice at each level, and the rest moves references."""
DATA = frozenset({"const", "enum", "default", "examples"})
NAMED = frozenset({"properties", "$defs", "definitions", "dependentSchemas"})
"""Keywords whose keys are names that the author chose, not keywords."""


class SchemaInvalid(ValueError):
    """A caller's schema that cannot be used; the message says why."""

    code = "schema_invalid"


class SchemaCheck:
    """Validates the answer object; a second finding, labelled caller, for the caller's schema."""

    name = "schema"
    stage: Stage = "draft"
    timeout_s = 3.0

    def run(self, case: Case) -> list[Finding]:
        """One finding, or two when the caller passed a schema."""
        if case.draft is None:
            return [Finding(self.name, Outcome.FAIL, "There is no draft.")]
        answer = _as_sent(case.draft)
        findings = [self._finding(_own_validator(), answer, "")]
        if case.caller_schema is not None:
            check_caller_schema(case.caller_schema)
            findings.append(self._finding(_validator(case.caller_schema), answer, "caller"))
        return findings

    def _finding(self, validator: Draft202012Validator, answer: Any, label: str) -> Finding:
        whose = "the caller's" if label else "the service's"
        problem = next(validator.iter_errors(answer), None)
        if problem is None:
            return Finding(self.name, Outcome.PASS, f"The answer fits {whose} schema.", label)
        message = f"The answer does not fit {whose} schema at {problem.json_path}."
        return Finding(self.name, Outcome.FAIL, message, label, problem.message[:200])


def misfit(draft: Draft, caller_schema: Mapping[str, Any] | None) -> str:
    """What of the service's or the caller's schema the draft does not keep, in words for a model
    that tries again: ``$.text must keep to "maxLength": 80``; "" when it fits both."""
    callers = [] if caller_schema is None else [_validator(caller_schema)]
    answer = _as_sent(draft)
    for validator in (_own_validator(), *callers):
        problem = next(validator.iter_errors(answer), None)
        if problem is not None:
            wanted = json.dumps(problem.validator_value, ensure_ascii=False)[:200]
            return f'{problem.json_path} must keep to "{problem.validator}": {wanted}'
    return ""


def in_dialect(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema of an older draft, as many clients write it down, as one of ``DIALECT``; unchanged
    where it would not mean the same. Raises ``SchemaInvalid`` for one that is too large."""
    if str(schema.get("$schema", "")).removesuffix("#") not in OLDER:
        return schema
    _check_size(schema)
    if any(ANOTHER_MEANING & set(subschema) for _, subschema in _subschemas(schema, "$")):
        return schema
    return {name: value for name, value in schema.items() if name != "$schema"}


def check_caller_schema(schema: object) -> None:
    """Raise ``SchemaInvalid`` unless ``schema`` is valid 2020-12, small, free of regular
    expressions, and refers to nothing but its own ``$defs``, never in a circle."""
    if not isinstance(schema, Mapping):
        raise SchemaInvalid("The answer schema must be a JSON object.")
    _check_size(schema)
    for place, subschema in _subschemas(schema, "$"):
        _check_keywords(place, subschema)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise SchemaInvalid(
            f"The answer schema is invalid at {error.json_path}: {error.message[:200]}"
        ) from error
    _check_expansion(schema)


def _as_sent(draft: Draft) -> Any:
    """Through JSON and back: what is judged is what will be sent."""
    return json.loads(json.dumps(answer_object(draft)))


@cache
def _own_validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))


def _validator(schema: Mapping[str, Any]) -> Draft202012Validator:
    # An empty registry: a reference to anywhere else cannot be resolved, let alone fetched.
    return Draft202012Validator(dict(schema), registry=Registry())


def _check_size(schema: Mapping[str, Any]) -> None:
    if _depth(schema, MAX_SCHEMA_DEPTH + 1) > MAX_SCHEMA_DEPTH:
        raise SchemaInvalid(f"The answer schema is nested deeper than {MAX_SCHEMA_DEPTH}.")
    try:
        size = len(json.dumps(schema, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError) as error:
        raise SchemaInvalid("The answer schema is not JSON.") from error
    if size > MAX_SCHEMA_BYTES:
        raise SchemaInvalid(f"The answer schema is larger than {MAX_SCHEMA_BYTES} bytes.")


def _depth(value: Any, limit: int) -> int:
    """Levels of nesting up to ``limit``: hostile values nest deeper than Python recurses."""
    if limit == 0 or not isinstance(value, Mapping | list | tuple):
        return 0
    children = value.values() if isinstance(value, Mapping) else value
    return 1 + max((_depth(child, limit - 1) for child in children), default=0)


def _subschemas(schema: Any, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(JSON path, subschema) of all schemas in ``schema``, itself included, data left out."""
    if isinstance(schema, list):
        for number, entry in enumerate(schema):
            yield from _subschemas(entry, f"{place}[{number}]")
    if not isinstance(schema, Mapping):
        return
    yield place, schema
    for key, child in schema.items():
        if key in NAMED and isinstance(child, Mapping):
            for name, named in child.items():
                yield from _subschemas(named, f"{place}.{key}.{name}")
        elif key not in DATA:
            yield from _subschemas(child, f"{place}.{key}")


def _check_keywords(place: str, schema: Mapping[str, Any]) -> None:
    for key in schema:
        if key in REFUSED:
            raise SchemaInvalid(f"The answer schema may not use {key} (at {place}).")
    if schema.get("$schema", DIALECT) != DIALECT:
        raise SchemaInvalid(f"The answer schema must be of {DIALECT} (at {place}).")
    target = schema.get("$ref")
    if target is not None and _definition(target) is None:
        raise SchemaInvalid(
            f"The answer schema may only refer to its own #/$defs/<name> (at {place})."
        )


def _definition(target: Any) -> tuple[str, str] | None:
    """(keyword, name) that a reference names, or None when it is of another shape."""
    parts = target.split("/") if isinstance(target, str) else []
    plain = len(parts) == 3 and parts[0] == "#" and not set(parts[2]) & set("~%")
    return (parts[1], parts[2]) if plain and parts[1] in ("$defs", "definitions") else None


def _check_expansion(schema: Mapping[str, Any]) -> None:
    """Each reference repeats its target: without a bound 16 KB can describe endless work."""
    sizes: dict[tuple[str, str], int] = {}

    def size(part: Any, above: tuple[tuple[str, str], ...]) -> int:
        total = 0
        for place, subschema in _subschemas(part, "$"):
            total += 1
            if "$ref" in subschema:
                total += target_size(subschema["$ref"], place, above)
        return total

    def target_size(target: str, place: str, above: tuple[tuple[str, str], ...]) -> int:
        key = _definition(target)
        if key is None or key[1] not in schema.get(key[0], {}):
            raise SchemaInvalid(f"The answer schema refers to {target}, which it does not hold.")
        if key in above:
            raise SchemaInvalid(f"The answer schema refers to itself in a circle ({target}).")
        if key not in sizes:
            sizes[key] = size(schema[key[0]][key[1]], (*above, key))
        return sizes[key]

    if size(schema, ()) > MAX_SUBSCHEMAS:
        raise SchemaInvalid(f"The answer schema has more than {MAX_SUBSCHEMAS} parts written out.")
