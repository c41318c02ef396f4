"""The policy in force: valid changes take over, invalid ones do not; a shadow only looks."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from app.answering.policies import Policies
from app.errors import SettingsInvalid
from guardrails.contract import Case, Draft, Finding, Outcome, Sentence
from guardrails.policy.load import DEFAULT_POLICY, load_policy, parse_policy
from guardrails.policy.redecide import JudgedAnswer, redecide, tally

DRAFT = Draft((Sentence("It is £5.", (1,)),), (), "test", None, {"margin": 1.0})


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def content(version: int = 1, **values: Any) -> str:
    base = {
        "name": "own",
        "version": version,
        "min_margin": 0.5,
        "required_checks": [],
        "topics": [],
        "rules": [],
    }
    return yaml.safe_dump({**base, **values})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text(content(), "utf-8")
    return path


@pytest.fixture
def clock() -> Clock:
    return Clock()


def look(policies: Policies, clock: Clock, times: int = 2) -> int:
    """The version in force after so many looks."""
    for _ in range(times):
        clock.now += 1.0
        policies.current()
    return policies.current().policy.version


def test_a_valid_change_takes_over_with_its_own_judge(file: Path, clock: Clock) -> None:
    policies = Policies(file, clock=clock)
    before = policies.current()
    file.write_text(content(2), "utf-8")
    assert look(policies, clock) == 2
    after = policies.current()
    assert after.judge is not before.judge
    assert after.judge.policy.sha256 == after.policy.sha256 != before.policy.sha256
    assert before.policy.version == 1  # whoever works with it keeps it
    assert policies.problem == ""


def test_new_content_must_be_the_same_at_two_looks(file: Path, clock: Clock) -> None:
    policies = Policies(file, clock=clock)
    for version in (2, 3, 4):  # a file that is still being written
        file.write_text(content(version), "utf-8")
        assert look(policies, clock, times=1) == 1
    assert look(policies, clock, times=1) == 4


def test_the_file_is_looked_at_once_a_second_at_most(file: Path, clock: Clock) -> None:
    policies = Policies(file, clock=clock)
    file.write_text(content(2), "utf-8")
    clock.now = 0.99
    for _ in range(5):
        assert policies.current().policy.version == 1
    clock.now = 1.0
    for _ in range(5):
        assert policies.current().policy.version == 1
    clock.now = 2.0
    assert policies.current().policy.version == 2


@pytest.mark.parametrize("spoilt", ["", "name: [", content(rules=[{"then": "review"}]), "\x00"])
def test_an_invalid_change_is_told_and_the_last_good_policy_stays(
    file: Path, clock: Clock, spoilt: str
) -> None:
    policies = Policies(file, clock=clock)
    file.write_text(spoilt, "utf-8")
    assert look(policies, clock) == 1
    assert policies.problem.startswith("own.yaml: ")
    assert policies.status()["problem"] == policies.problem
    file.write_text(content(), "utf-8")
    assert look(policies, clock) == 1
    assert policies.problem == ""


def test_a_file_that_vanishes_or_is_no_text_changes_nothing(file: Path, clock: Clock) -> None:
    policies = Policies(file, clock=clock)
    file.unlink()
    assert look(policies, clock) == 1
    assert "cannot be read" in policies.problem
    file.write_bytes(b"name: caf\xe9")
    assert look(policies, clock) == 1
    assert "UTF-8" in policies.problem
    file.write_text(content(), "utf-8")
    assert look(policies, clock) == 1
    assert policies.problem == ""


def test_at_start_an_invalid_policy_is_refused(file: Path) -> None:
    file.write_text(content(rules=[{"check": "a", "then": "allow"}]), "utf-8")
    with pytest.raises(SettingsInvalid, match=r"policy file is invalid: own\.yaml: "):
        Policies(file)
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        Policies(file.with_name("none.yaml"))


def test_without_a_file_the_packaged_policy_is_in_force() -> None:
    policies = Policies()
    assert policies.current().policy.sha256 == load_policy(DEFAULT_POLICY).sha256
    assert policies.status()["shadow"] is None


# The shadow


def judged(outcome: str = "released", *findings: Finding) -> JudgedAnswer:
    found = findings or (Finding("odd", Outcome.PASS, ""),)
    return JudgedAnswer(Case("How are loans paid?", DRAFT), found, outcome)


LOANS = [{"name": "money", "description": "M.", "where": "question", "patterns": ["loans?"]}]


@pytest.mark.parametrize(
    ("values", "outcome", "agreement"),
    [
        ({}, "released", "agree"),
        ({"topics": LOANS}, "released", "stricter"),
        ({"rules": [{"when": "answer.sentences == 1", "then": "block"}]}, "held", "stricter"),
        ({}, "held", "milder"),
        ({"min_margin": 2.0}, "released", "stricter"),
    ],
)
def test_the_shadow_says_how_it_would_have_decided(
    file: Path, tmp_path: Path, values: dict[str, Any], outcome: str, agreement: str
) -> None:
    shadow = tmp_path / "shadow.yaml"
    shadow.write_text(content(7, name="dark", **values), "utf-8")
    told = Policies(file, shadow).current().shadow_verdict(judged(outcome))
    assert told is not None
    assert (told["policy"], told["agreement"]) == ("dark 7", agreement)


def test_an_invalid_shadow_is_a_problem_and_no_more(file: Path, clock: Clock) -> None:
    shadow = file.with_name("shadow.yaml")
    policies = Policies(file, shadow, clock=clock)
    assert policies.current().shadow_verdict(judged()) is None
    assert "cannot be read" in policies.status()["shadow"]["problem"]
    shadow.write_text(content(3), "utf-8")
    judge = policies.current().judge
    assert look(policies, clock) == 1
    assert policies.current().judge is judge
    told = policies.status()["shadow"]
    assert (told["version"], told["problem"]) == (3, "")


def test_an_error_in_the_shadow_is_recorded_and_never_raised(file: Path) -> None:
    in_force = Policies(file, file).current()
    broken = JudgedAnswer(Case("Q", DRAFT), (Finding(None, Outcome.FAIL, ""),), "none such")  # type: ignore[arg-type]
    told = in_force.shadow_verdict(broken)
    assert told is not None
    assert (told["agreement"], told["error"]) == ("error", "KeyError")


# Deciding again


def test_topics_are_looked_for_again_and_other_findings_stay() -> None:
    old = (
        Finding("topics", Outcome.FAIL, "Old.", "old_topic"),
        Finding("numbers", Outcome.FAIL, "A number."),
    )
    made = parse_policy(yaml.safe_load(content(topics=LOANS)), "own")
    outcome, verdict = redecide(made, judged("held", *old))
    assert outcome == "held"
    assert set(verdict.reasons) == {"M.", "A number."}


def test_a_check_that_never_ran_holds_what_the_policy_requires_it_for() -> None:
    made = parse_policy(yaml.safe_load(content(required_checks=["names@draft"])), "own")
    outcome, verdict = redecide(made, judged())
    assert (outcome, verdict.reasons) == ("held", ("The check names is required but did not run.",))


@pytest.mark.parametrize(
    ("was", "draft", "topics", "becomes"),
    [
        ("blocked", None, [], "answered"),
        ("blocked", None, LOANS, "held"),
        ("abstained", None, [], "abstained"),
        ("abstained", None, LOANS, "held"),
        ("held", Draft((), (), "test"), [], "abstained"),
    ],
)
def test_a_question_that_had_no_answer_is_decided_by_its_screening(
    was: str, draft: Draft | None, topics: list[Any], becomes: str
) -> None:
    made = parse_policy(
        yaml.safe_load(content(topics=topics, required_checks=["names@draft"])), "own"
    )
    case = Case("How are loans paid?", draft)
    passed = (Finding("injection_question", Outcome.PASS, ""),)
    assert redecide(made, JudgedAnswer(case, passed, was))[0] == becomes


def test_the_tally_says_how_many_more_have_each_outcome() -> None:
    pairs = [("released", "held"), ("released", "held"), ("held", "released"), ("held", "held")]
    assert tally([*pairs, ("blocked", "answered")]) == {
        "released": -1, "held": 1, "blocked": -1, "answered": 1,
    }  # fmt: skip
    assert tally([]) == {}
