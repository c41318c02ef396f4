"""Conditions of rules: what they may say, and that trouble with them is neither yes nor no."""

import math
import threading

import pytest

from guardrails.contract import Asker, Case, Draft, Finding, Outcome, Passage, Sentence
from guardrails.policy.conditions import (
    MAX_BRACKETS,
    MAX_CHARS,
    VARIABLES,
    Condition,
    ConditionFailed,
    ConditionInvalid,
    Looked,
    condition_context,
)

FINDINGS = [
    Finding("topics", Outcome.FAIL, "", "money"),
    Finding("topics", Outcome.PASS, "", "nothing"),
    Finding("numbers", Outcome.FAIL, "", "date"),
]
CASE = Case(
    "What is it?",
    Draft((Sentence("It is £5.", (1,)), Sentence("Yes.", (1,))), (), "test"),
    (
        Passage("p1", "d1", "main", "T", "It is £5.", 0, 9),
        Passage("p2", "d1", "board", "T", "Yes.", 0, 4),
        Passage("p3", "d1", "main", "T", "No.", 0, 3),
    ),
    asker=Asker("ann", ("asker", "reviewer")),
    risk=0.25,
)
CONTEXT = condition_context(FINDINGS, CASE)


def holds(source: str) -> bool:
    return Condition.compile(source).holds(Looked(CONTEXT), FINDINGS[0])


def test_the_context_is_what_was_judged() -> None:
    assert condition_context(FINDINGS, CASE) == {
        "findings": [
            {"check": "topics", "outcome": "fail", "label": "money"},
            {"check": "topics", "outcome": "pass", "label": "nothing"},
            {"check": "numbers", "outcome": "fail", "label": "date"},
        ],
        "topics": ["money"],
        "risk": 0.25,
        "question": {"text": "What is it?", "length": 11},
        "answer": {"sentences": 2, "length": 13},
        "collections": ["board", "main"],
        "principal": {"name": "ann", "roles": ["asker", "reviewer"]},
    }
    assert set(CONTEXT) | {"finding"} == VARIABLES


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("risk > 0.2", True),
        ("risk > 0.25", False),
        ("risk == null || risk > 0.5", False),
        ("'money' in topics", True),
        ("'date' in topics", False),
        ("finding.label == 'money' && finding.check == 'topics'", True),
        ("finding.outcome == 'could_not_run'", False),
        ("findings.exists(f, f.check == 'numbers' && f.outcome == 'fail')", True),
        ("findings.all(f, f.outcome == 'fail')", False),
        ("findings.filter(f, f.outcome == 'fail').size() == 2", True),
        ("size(collections) > 1 && 'board' in collections", True),
        ("principal.name == 'ann' && !('operator' in principal.roles)", True),
        ("question.length > 10 && question.text.contains('What')", True),
        ("answer.sentences == 2 && answer.length < 14", True),
        ("'((((([[[[[{{{{' != ')' // ((((", True),
    ],
)
def test_conditions_read_the_context(source: str, expected: bool) -> None:
    assert holds(source) is expected


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("risk >", "at 1:7"),
        ("", "at 1:1"),
        ("risky > 0.5", "no name 'risky'"),
        ("finding.lable == 'x'", "KeyError"),
        ("question.length + 1", "a int"),
        ("'yes'", "a str"),
        ("risk > 'high'", "TypeError"),
        ("question.text.matches('(a+)+$')", "no function 'matches'"),
        ("now() > 1", "no function 'now'"),
        ("size(topics) / 0 > 1", "ZeroDivisionError"),
        ("risk > 0.5 " + "|| risk > 0.5 " * 80, f"more than {MAX_CHARS} characters"),
        ("(" * 21 + "true" + ")" * 21, f"more than {MAX_BRACKETS} brackets"),
        (
            "topics.all(a, topics.all(b, topics.all(c, a == b)))",
            "more than 2 loops",
        ),
        ("topics.all // (\n(a, topics.all(b, topics.all(c, a == b)))", "more than 2 loops"),
    ],
)
def test_what_cannot_be_used_is_refused_at_load(source: str, why: str) -> None:
    with pytest.raises(ConditionInvalid) as caught:
        Condition.compile(source)
    assert why in str(caught.value)


def test_the_limits_are_the_last_that_pass() -> None:
    assert holds("(" * MAX_BRACKETS + "true" + ")" * MAX_BRACKETS)
    padding = "risk > 0.0 // "
    assert holds(padding + "x" * (MAX_CHARS - len(padding)))
    assert holds("topics.all(a, topics.all(b, a == b)) && topics.exists(c, c == 'money')")


@pytest.mark.parametrize(
    ("source", "case", "why"),
    [
        ("risk > 0.5", Case("What?"), "TypeError"),
        ("risk > 0.5", Case("What?", risk=math.nan), "TypeError"),
        ("risk >= 0.0", Case("What?", risk=math.nan), "TypeError"),
        ("1 / question.length > 0", Case(""), "ZeroDivisionError"),
        ("question.length > 0", Case("\ud800"), "ValueError"),
        ("size(collections[0]) > 0", Case("What?"), "IndexError"),
    ],
)
def test_trouble_is_neither_yes_nor_no(source: str, case: Case, why: str) -> None:
    condition = Condition.compile(source)
    with pytest.raises(ConditionFailed, match=why):
        condition.holds(Looked(condition_context([], case)))


def test_a_condition_without_its_finding_fails() -> None:
    condition = Condition.compile("finding.label == 'money'")
    assert condition.speaks_of_finding
    assert not Condition.compile("risk > 0.5").speaks_of_finding
    with pytest.raises(ConditionFailed, match="RuntimeError"):
        condition.holds(Looked(CONTEXT))


def test_a_condition_may_run_on_another_thread() -> None:
    condition = Condition.compile("risk > 0.2")
    results: list[bool] = []
    work = threading.Thread(target=lambda: results.append(condition.holds(Looked(CONTEXT))))
    work.start()
    work.join()
    assert results == [True]
