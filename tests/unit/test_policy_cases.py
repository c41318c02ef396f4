"""The tests beside a policy file: the default's own pass, and a wrong expectation is told."""

from pathlib import Path

import pytest

from guardrails.policy.load import DEFAULT_POLICY, PolicyInvalid, load_policy, parse_policy
from guardrails.policy.tests import path_of_tests, run_policy_tests, untested_rules
from tests.trails import every_check

DEFAULT = load_policy()
SMALL = parse_policy(
    {
        "name": "small",
        "version": 1,
        "min_margin": 2.0,
        "required_checks": [],
        "topics": [],
        "rules": [
            {"check": "odd", "label": "mild", "then": "release", "disclaimer": "Mild."},
            {"when": "risk != null && risk > 0.5", "then": "review", "queue": "risky"},
            {"when": "'board' in collections", "then": "block", "message": "No."},
            {"check": "odd", "label": "mail", "then": "redact", "redact": ["phone", "email"]},
        ],
    },
    "small",
)


def faults(case: str) -> list[str]:
    (result,) = run_policy_tests(SMALL, f"cases:\n  - {{name: one, {case}}}\n", "small.tests.yaml")
    return list(result.faults)


@pytest.mark.simulation
def test_the_default_policy_passes_its_tests_and_they_cover_every_rule() -> None:
    text = path_of_tests(DEFAULT_POLICY).read_text("utf-8")
    results = run_policy_tests(DEFAULT, text, "default.tests.yaml", every_check)
    assert [(r.name, r.faults) for r in results if r.faults] == []
    assert untested_rules(DEFAULT, results) == []


def test_tests_lie_beside_their_policy() -> None:
    assert path_of_tests(Path("/etc/own.yaml")) == Path("/etc/own.tests.yaml")


@pytest.mark.parametrize(
    "case",
    [
        "findings: [{check: odd, label: mild}], expect: {action: release, disclaimer: Mild.}",
        "findings: [{check: odd}], expect: {action: review, disclaimer: '', labels: []}",
        "findings: [{check: odd, outcome: pass}], risk: 0.4, expect: {action: release}",
        "findings: [{check: odd, outcome: pass}], risk: 0.6, "
        "expect: {queue: risky, action: review}",
        "findings: [{check: odd, label: mail}], "
        "expect: {action: release, redact: [phone, email], labels: [mail]}",
        "question: 'What is it?', risk: 0.9, expect: {action: release}",
        "question: 'What is it?', draft: It is red., evidence: [It is red.], collection: board, "
        "expect: {action: block, message: 'No.'}",
        "question: 'Which kettle is red?', draft: The large kettle is red., "
        "evidence: [The large kettle is red.], margin: 1, expect: {action: review}",
        "question: 'Which kettle is red?', draft: The large kettle is red., "
        "evidence: [The large kettle is red.], margin: 1, "
        "findings: [{check: confidence, outcome: pass}], expect: {action: release}",
    ],
)
def test_a_case_that_fits_passes(case: str) -> None:
    assert faults(case) == []


@pytest.mark.parametrize(
    ("expect", "told"),
    [
        ("action: block", "action: expected 'block', got 'release'"),
        ("action: release, labels: [wild]", "labels: expected ['wild'], got ['mail']"),
        ("action: release, redact: [card]", "redact: expected ['card'], got ['email', 'phone']"),
        ("action: release, four_eyes: true", "four_eyes: expected True, got False"),
        ("action: release, queue: x", "queue: expected 'x', got ''"),
        ("action: release, message: Hm., deadline_hours: 2", "message: expected 'Hm.', got ''"),
    ],
)
def test_a_case_that_does_not_fit_says_so(expect: str, told: str) -> None:
    found = faults(f"findings: [{{check: odd, label: mail}}], expect: {{{expect}}}")
    assert told in found


def test_rules_that_no_case_reaches_are_named() -> None:
    text = "cases:\n  - {name: a, findings: [{check: odd, label: mild}], expect: {action: block}}"
    assert untested_rules(SMALL, run_policy_tests(SMALL, text, "t")) == [2, 3, 4]


@pytest.mark.parametrize(
    "text",
    [
        "cases: []",
        "cases: [{name: a, expect: {action: review}}]",
        "cases: [{name: a, question: b, draft: c, expect: {action: review}}]",
        "cases: [{name: a, question: b, expect: {action: redact}}]",
        "cases: [{name: a, question: b, expect: {acton: review}}]",
        "cases: [{name: a, name: b, question: b, expect: {action: review}}]",
        "cases: [unclosed",
    ],
)
def test_an_unusable_test_file_is_refused(text: str) -> None:
    with pytest.raises(PolicyInvalid, match=r"^own\.tests\.yaml: "):
        run_policy_tests(SMALL, text, "own.tests.yaml")
