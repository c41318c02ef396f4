"""The line that says why a draft waits."""

from typing import Any

from app.review.why import (
    DRIVERS,
    ESTIMATED,
    EVERY,
    LET_PASS,
    UNWEIGHED,
    WEIGHED,
    faults_line,
    why_line,
)
from guardrails.checks.citations import UNCITED
from guardrails.contract import Finding, Outcome
from guardrails.features import DIRECTIONS

DRAFT = {"sentences": [{"text": "It is £350.", "citations": [1]}]}
EMPTY: dict[str, Any] = {"sentences": []}
FAILED = {"check": "numbers", "outcome": "fail", "label": ""}
HELD = {"action": "review", "reasons": ["The number 350 is not in the source."]}
POLICY = {
    "rules": [
        {"check": "numbers", "when": "risk > 0.5", "then": "review"},
        {"check": "numbers", "outcome": "could_not_run", "then": "review"},
        {"check": "numbers", "then": "review"},
    ]
}
GATE = {"risk": 0.42, "threshold": 0.18, "drivers": ["support", "lead"]}


def test_it_says_the_reason_the_rule_the_risk_and_what_drove_it() -> None:
    assert why_line(DRAFT, [FAILED], HELD, GATE, POLICY) == (
        "The number 350 is not in the source (rule 3 of the policy). "
        "Estimated, not measured on these documents: risk 42%; "
        "up to 18% goes out without a person. "
        "What drove it: the source may not support it, and another passage gives nearly as good "
        "an answer."
    )


def test_other_reasons_are_counted_and_what_is_unknown_is_left_out() -> None:
    two = {**HELD, "reasons": [*HELD["reasons"], "Old."]}
    assert why_line(DRAFT, [FAILED], two, None, None) == (
        "The number 350 is not in the source (1 more)."
    )
    one = why_line(DRAFT, [FAILED], HELD, {"risk": 1.0, "threshold": None}, None)
    assert one == "The number 350 is not in the source. " + ESTIMATED + " 100%."


def test_what_no_rule_held_has_no_figure_that_would_tell_audits_apart() -> None:
    released = {"action": "release", "reasons": []}
    held = why_line(DRAFT, [], released, GATE, POLICY)
    audited = why_line(DRAFT, [], released, {"risk": 0.1, "threshold": 0.18, "drivers": []}, POLICY)
    assert held == audited == WEIGHED
    assert "The gate asks a person" in held and "unlikely to be wrong" in held


def test_what_the_gate_sends_says_its_mode_and_what_a_failed_check_has_to_do_with_it() -> None:
    released = {"action": "release", "reasons": []}

    def said(mode: str, *findings: dict[str, str]) -> str:
        return why_line(DRAFT, findings, released, {**GATE, "mode": mode}, POLICY)

    assert said("review_everything") == EVERY
    assert (said("off"), said("certified"), said("provisional")) == (UNWEIGHED, WEIGHED, WEIGHED)
    passed = {**FAILED, "outcome": "pass"}
    email = {"check": "personal_data", "outcome": "fail", "label": "email"}
    assert said("certified", passed) == WEIGHED
    assert said("certified", passed, email) == f"{WEIGHED} {LET_PASS}"


def test_without_a_draft_it_says_so() -> None:
    said = why_line(EMPTY, [FAILED], HELD, GATE, POLICY)
    assert said.endswith("The documents gave no draft.") and "Risk" not in said
    urgent = why_line(EMPTY, [FAILED], {**HELD, "urgency": "urgent"}, GATE, POLICY)
    assert urgent.endswith("to what is urgent a person writes the answer.")


def test_every_figure_of_the_risk_has_words() -> None:
    assert set(DRIVERS) == set(DIRECTIONS)


def test_faults_of_an_edit_are_said_once_each_with_their_sentences() -> None:
    def fault(check: str, message: str, excerpt: str) -> Finding:
        return Finding(check, Outcome.FAIL, message, "", excerpt)

    no, closed, fee = "No.", "We are closed from 24 December.", "It costs £9 [1]."
    problems = [
        fault("citations", UNCITED, no),
        fault("citations", UNCITED, closed),
        fault("numbers", "The sources do not hold 24 December.", closed),
        fault("support", "The sources may not support this sentence.", no),
        fault("numbers", "The sources do not hold £9.", fee),
        fault("numbers", "The sources do not hold £9.", fee),
        fault("schema", "There is no text.", ""),
    ]
    assert faults_line(problems) == (
        f"A sentence cites no source: “{no}” “{closed}” "
        f"The sources do not hold £9: “{fee}” There is no text."
    )
