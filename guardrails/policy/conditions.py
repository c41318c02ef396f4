"""The ``when:`` of a policy rule: an expression in CEL, bounded at load, never open on failure."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from guardrails.contract import Case, Finding, Outcome

MAX_CHARS = 1000
MAX_BRACKETS = 20
"""Brackets inside each other."""
MAX_LOOPS = 2
"""Loops inside each other; the language has no cost limit of its own."""
VARIABLES = frozenset(
    {"findings", "finding", "topics", "risk", "question", "answer", "collections", "principal"}
)
FUNCTIONS = frozenset({"size", "contains", "startsWith", "endsWith", "int", "double", "string"})
LOOPS = frozenset({"all", "exists", "exists_one", "map", "filter"})
TOKEN = re.compile(
    r"""(?P<text>[rb]{0,2}(?:\"(?:[^"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'))"""
    r"|(?P<note>//[^\n]*)|(?P<name>[A-Za-z_]\w*)|(?P<sign>\S)"
)


@cache
def _library() -> Any:
    """The condition language, when it is first needed, without the command line that it brings:
    the library of terminals below that takes longer to import than all that is used here."""
    name = "cel.cli"
    missing = name not in sys.modules
    if missing:
        sys.modules[name] = ModuleType(name)
    try:
        import cel
    finally:
        if missing:
            del sys.modules[name]
    return cel


class ConditionInvalid(ValueError):
    """A condition that cannot be used; the message says why."""


class ConditionFailed(Exception):
    """A condition that gave no yes or no for this answer; the message is a type's name."""


class Looked:
    """What conditions look at, handed to the language once for all rules of a decision."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self._variables = _library().Context()
        self._problem = ""
        self._finding: Finding | None = None
        for name, value in variables.items():
            self._set(name, value)

    def value(self, program: Any, finding: Finding | None) -> Any:
        """What the program gives; raises ``ConditionFailed``."""
        if finding is not None and finding is not self._finding:
            self._finding = finding
            self._set("finding", _finding_map(finding))
        if self._problem:
            raise ConditionFailed(self._problem)
        try:
            return program.execute(self._variables)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic of the library is no Exception
            raise ConditionFailed(type(error).__name__) from error

    def _set(self, name: str, value: Any) -> None:
        try:
            self._variables.add_variable(name, value)
        except (ValueError, TypeError, OverflowError) as error:  # text that is no text
            self._problem = type(error).__name__


@dataclass(frozen=True)
class Condition:
    """A compiled condition; ``holds`` may be called from any thread."""

    source: str
    program: Any
    speaks_of_finding: bool

    @classmethod
    def compile(cls, source: str) -> "Condition":
        """Compile and try it on a sample; raises ``ConditionInvalid``."""
        _check_size(source)
        try:
            program = _library().compile(source)
        except ValueError as error:
            raise ConditionInvalid(_first_line(error)) from error
        used = program.references()
        _refuse_unknown("name", set(used["variables"]) - VARIABLES - _bound(source))
        _refuse_unknown("function", {f for f in used["functions"] if f[0].isalpha()} - FUNCTIONS)
        made = cls(source, program, "finding" in used["variables"])
        try:
            made.holds(Looked(SAMPLE), SAMPLE_FINDING)
        except ConditionFailed as error:
            raise ConditionInvalid(f"it gives no true or false for a sample: {error}") from error
        return made

    def holds(self, looked: Looked, finding: Finding | None = None) -> bool:
        """Whether it holds; raises ``ConditionFailed`` for anything but true or false."""
        value = looked.value(self.program, finding)
        if not isinstance(value, bool):
            raise ConditionFailed(f"a {type(value).__name__}")
        return value


def condition_context(findings: Sequence[Finding], case: Case | None) -> dict[str, Any]:
    """What conditions may look at, by the names of ``VARIABLES``, without ``finding``.

    All but ``findings`` and ``topics`` is empty when there is no case.
    """
    seen = case or Case("")
    failed = [f for f in findings if f.check == "topics" and f.outcome is Outcome.FAIL]
    sentences = seen.draft.sentences if seen.draft else ()
    return {
        "findings": [_finding_map(finding) for finding in findings],
        "topics": sorted({finding.label for finding in failed}),
        "risk": seen.risk,
        "question": {"text": seen.question, "length": len(seen.question)},
        "answer": {"sentences": len(sentences), "length": sum(len(s.text) for s in sentences)},
        "collections": sorted({passage.collection for passage in seen.evidence}),
        "principal": {"name": seen.asker.name, "roles": list(seen.asker.roles)},
    }


def _finding_map(finding: Finding) -> dict[str, str]:
    return {"check": finding.check, "outcome": finding.outcome.value, "label": finding.label}


SAMPLE_FINDING = Finding("topics", Outcome.FAIL, "", "sample")
SAMPLE: dict[str, Any] = {
    **condition_context([SAMPLE_FINDING, SAMPLE_FINDING], Case("What is it?")),
    "risk": 0.5,
    "collections": ["main", "other"],
    "principal": {"name": "sample", "roles": ["asker", "reviewer"]},
}


def _tokens(source: str) -> Iterator[tuple[str, str]]:
    for match in TOKEN.finditer(source):
        yield str(match.lastgroup), match.group(0)


def _check_size(source: str) -> None:
    """Refuse what could take long or go deep, before any parser sees it."""
    if len(source) > MAX_CHARS:
        raise ConditionInvalid(f"it has more than {MAX_CHARS} characters")
    open_brackets: list[bool] = []
    previous = ""
    for kind, token in _tokens(source):
        if kind == "sign" and token in "([{":
            open_brackets.append(token == "(" and previous in LOOPS)
            if len(open_brackets) > MAX_BRACKETS:
                raise ConditionInvalid(f"more than {MAX_BRACKETS} brackets stand inside each other")
            if sum(open_brackets) > MAX_LOOPS:
                raise ConditionInvalid(f"more than {MAX_LOOPS} loops stand inside each other")
        elif kind == "sign" and token in ")]}" and open_brackets:
            open_brackets.pop()
        previous = previous if kind == "note" else token


def _bound(source: str) -> set[str]:
    """The names that loops give to their items: ``f`` in ``findings.exists(f, ...)``."""
    tokens = [token for kind, token in _tokens(source) if kind != "note"]
    triples = zip(tokens, tokens[1:], tokens[2:], strict=False)
    return {name for loop, bracket, name in triples if loop in LOOPS and bracket == "("}


def _refuse_unknown(what: str, names: set[str]) -> None:
    if names:
        raise ConditionInvalid(f"there is no {what} {min(names)!r}")


def _first_line(error: Exception) -> str:
    return str(error).split("ERROR: ", 1)[-1].splitlines()[0].replace("<input>:", "at ")
