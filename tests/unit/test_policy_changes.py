"""What differs between two policies, as operators read it."""

from typing import Any

from guardrails.policy.changes import policy_changes

BEFORE: dict[str, Any] = {
    "version": 1,
    "required_checks": ["topics", "schema"],
    "topics": [{"name": "a", "patterns": ["x", "y"]}, {"name": "b", "patterns": ["z"]}],
    "rules": [
        {"check": "topics", "label": "a", "then": "review"},
        {"check": "topics", "label": "b", "then": "block"},
        {"when": "question.length > 9", "then": "review"},
    ],
}


def told(after: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(one.where, one.before, one.after) for one in policy_changes(BEFORE, after)]


def test_what_only_moved_is_no_change() -> None:
    moved = {**BEFORE, "rules": BEFORE["rules"][::-1], "topics": BEFORE["topics"][::-1]}
    assert told(BEFORE) == told(moved) == []


def test_each_place_is_named_with_what_it_was() -> None:
    rules = [
        {"check": "topics", "label": "a", "then": "review", "queue": "urgent"},
        {"when": "question.length > 9", "then": "block"},
    ]
    topics = [{"name": "a", "patterns": ["x", "w"]}, BEFORE["topics"][1]]
    checks = ["topics", "schema", "numbers"]
    after = {"version": 2, "required_checks": checks, "topics": topics, "rules": rules}
    assert told(after) == [
        ("version", "1", "2"),
        ("required_checks › numbers", "", "numbers"),
        ("topics › a › patterns › w", "", "w"),
        ("topics › a › patterns › y", "y", ""),
        ("rules › topics a › queue", "", "urgent"),
        ("rules › question.length > 9 › then", "review", "block"),
        ("rules › topics b", "check: topics, label: b, then: block", ""),
    ]


def test_two_rules_about_the_same_are_told_apart_and_long_texts_are_cut() -> None:
    rule = {"check": "topics", "label": "a", "then": "review"}
    twice = {**BEFORE, "rules": [*BEFORE["rules"], {**rule, "message": "m" * 900}]}
    (change,) = policy_changes(BEFORE, twice)
    assert change.where == "rules › topics a (2)"
    assert change.before == "" and change.after.endswith("m…") and len(change.after) < 420
