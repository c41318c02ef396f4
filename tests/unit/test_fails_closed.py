"""Each check of the service is broken on purpose: the answer is then never released."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from guardrails.contract import SEVERITY, Action, Case, Check, Finding, Outcome, Stage, Verdict
from guardrails.judge import Judge
from guardrails.policy.load import load_policy
from tests.trails import every_check
from tests.unit.test_judge import three_sentences

DEFAULT = load_policy()
CASE = three_sentences()
PLACES = [f"{check.name}@{check.stage}" for check in every_check(DEFAULT)]


class Broken:
    """A check whose work was replaced."""

    def __init__(self, check: Check, work: Callable[[Case], Any], timeout_s: float) -> None:
        self.name, self.stage, self.timeout_s = check.name, check.stage, timeout_s
        self._work = work

    def run(self, case: Case) -> list[Finding]:
        """Whatever the test wants, of whichever type."""
        found: list[Finding] = self._work(case)
        return found


def judged_with(
    place: str, work: Callable[[Case], Any] | None, timeout_s: float = 60.0
) -> tuple[list[Finding], Verdict]:
    """Both stages with the check at ``place`` broken, or left out without ``work``."""
    checks: list[Check] = []
    for check in every_check(DEFAULT):
        if f"{check.name}@{check.stage}" != place:
            checks.append(check)
        elif work is not None:
            checks.append(Broken(check, work, timeout_s))
    judge = Judge(checks, DEFAULT)
    screened, _ = judge.screen_question(CASE)
    return judge.judge(CASE, screened)


def assert_held(place: str, findings: list[Finding], verdict: Verdict) -> None:
    name = place.partition("@")[0]
    outcomes = [finding.outcome for finding in findings if finding.check == name]
    assert Outcome.COULD_NOT_RUN in outcomes
    assert SEVERITY[verdict.action] >= SEVERITY[Action.REVIEW]
    assert any(name in reason for reason in verdict.reasons)
    others = {finding.check for finding in findings if finding.outcome is Outcome.COULD_NOT_RUN}
    assert others == {name}


def test_the_same_draft_is_released_when_nothing_is_broken() -> None:
    judge = Judge(every_check(DEFAULT), DEFAULT)
    screened, _ = judge.screen_question(CASE)
    assert judge.judge(CASE, screened)[1].action is Action.RELEASE


@pytest.mark.parametrize("place", PLACES)
def test_fails_closed_when_it_crashes(place: str) -> None:
    def crash(_case: Case) -> None:
        raise RuntimeError("broken on purpose")

    assert_held(place, *judged_with(place, crash))


@pytest.mark.parametrize("place", PLACES)
def test_fails_closed_when_it_hangs(place: str) -> None:
    released = threading.Event()
    began = time.monotonic()
    held = judged_with(place, lambda _case: released.wait(60), timeout_s=0.1)
    released.set()
    assert_held(place, *held)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("returned", [None, True, [], {}, [None], [Outcome.PASS], "pass"], ids=repr)
def test_fails_closed_when_it_returns_something_else(place: str, returned: object) -> None:
    assert_held(place, *judged_with(place, lambda _case: returned))


@pytest.mark.parametrize("place", PLACES)
def test_fails_closed_when_it_speaks_for_another(place: str) -> None:
    stranger = [Finding("stranger", Outcome.PASS, "All is well.")]
    assert_held(place, *judged_with(place, lambda _case: stranger))


@pytest.mark.parametrize("place", PLACES)
def test_fails_closed_when_it_is_missing(place: str) -> None:
    assert_held(place, *judged_with(place, None))


@pytest.mark.parametrize("place", PLACES)
def test_fails_closed_when_it_finds_a_fault(place: str) -> None:
    """A finding without a rule of its own means review; none of ours is let out unlabelled."""
    name = place.partition("@")[0]
    fault = [Finding(name, Outcome.FAIL, "Broken on purpose.")]
    _, verdict = judged_with(place, lambda _case: fault)
    assert verdict.action is not Action.RELEASE


@pytest.mark.parametrize("stage", ["question", "draft"])
def test_a_slow_check_holds_up_no_other(stage: Stage) -> None:
    """The others begin while it works: together they take little longer than it alone."""

    class Slow:
        timeout_s = 60.0

        def __init__(self, name: str) -> None:
            self.name, self.stage = name, stage

        def run(self, case: Case) -> list[Finding]:
            time.sleep(0.2)
            return [Finding(self.name, Outcome.PASS, "Slow but sure.")]

    judge = Judge([Slow(f"slow{n}") for n in range(100)], DEFAULT)
    began = time.monotonic()
    findings = (judge.screen_question(CASE) if stage == "question" else judge.judge(CASE))[0]
    assert time.monotonic() - began < 100 * 0.2 / 2
    assert {f.check for f in findings if f.outcome is Outcome.PASS} == {
        f"slow{n}" for n in range(100)
    }


def test_each_check_has_a_time_limit_of_its_own() -> None:
    limits = {check.name: check.timeout_s for check in every_check(DEFAULT)}
    assert all(0 < seconds <= 10 for seconds in limits.values())
