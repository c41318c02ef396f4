"""The judge never fails open: whatever a check does or omits, only real passes release."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from guardrails.contract import (
    SEVERITY,
    Action,
    Case,
    Citation,
    Draft,
    Finding,
    Outcome,
    Passage,
    Sentence,
    Stage,
    Verdict,
)
from guardrails.judge import MAX_RUNS, Judge
from guardrails.policy.decide import Policy
from guardrails.policy.load import load_policy, parse_policy
from tests.effort import wait_until
from tests.fakes import CALM
from tests.trails import every_check

CASE = Case("What is the excess?")


@dataclass(frozen=True)
class FakeCheck:
    """A check that does what the test says."""

    work: Callable[[], Any]
    name: str = "odd"
    stage: Stage = "draft"
    timeout_s: float = 60.0

    def run(self, case: Case) -> list[Finding]:
        """Whatever ``work`` gives, of whichever type."""
        found: list[Finding] = self.work()
        return found


def passing(name: str = "sound", stage: Stage = "draft") -> FakeCheck:
    return FakeCheck(lambda: [Finding(name, Outcome.PASS, "Fine.")], name, stage)


def policy(required: tuple[str, ...] = (), rules: tuple[dict[str, str], ...] = ()) -> Policy:
    content = {
        "name": "test",
        "version": 1,
        "min_margin": 0.0,
        "required_checks": list(required),
        "topics": [],
        "rules": list(rules),
    }
    return parse_policy(content, "test")


def crash() -> list[Finding]:
    raise RuntimeError("the words of an error stay inside")


def outcomes(findings: list[Finding], name: str) -> list[Outcome]:
    return [finding.outcome for finding in findings if finding.check == name]


def assert_held(findings: list[Finding], verdict: Verdict, name: str = "odd") -> None:
    assert outcomes(findings, name) == [Outcome.COULD_NOT_RUN]
    assert SEVERITY[verdict.action] >= SEVERITY[Action.REVIEW]
    assert any(name in reason for reason in verdict.reasons)


@pytest.fixture
def hang() -> Iterator[Callable[[], list[Finding]]]:
    """Work that does not end before the test does, and would then say pass."""
    released = threading.Event()

    def work() -> list[Finding]:
        released.wait(60)
        return [Finding("odd", Outcome.PASS, "Far too late.")]

    yield work
    released.set()


def test_all_passes_release() -> None:
    findings, verdict = Judge([passing(), passing("other")], policy(("sound",))).judge(CASE)
    assert [finding.outcome for finding in findings] == [Outcome.PASS, Outcome.PASS]
    assert verdict.action is Action.RELEASE


def test_fails_closed_when_a_check_crashes() -> None:
    findings, verdict = Judge([passing(), FakeCheck(crash)], policy()).judge(CASE)
    assert_held(findings, verdict)
    assert "RuntimeError" in findings[-1].message
    assert "stay inside" not in findings[-1].message


@pytest.mark.parametrize("error", [MemoryError, RecursionError, AssertionError, OSError])
def test_fails_closed_whatever_the_error_is(error: type[Exception]) -> None:
    def work() -> list[Finding]:
        raise error

    assert_held(*Judge([FakeCheck(work)], policy()).judge(CASE))


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_fails_closed_when_a_check_ends_its_thread(error: type[BaseException]) -> None:
    def work() -> list[Finding]:
        raise error

    assert_held(*Judge([FakeCheck(work)], policy()).judge(CASE))


@pytest.mark.parametrize("stage", ["question", "draft"])
def test_fails_closed_when_a_check_is_late(hang: Callable[[], list[Finding]], stage: Stage) -> None:
    judge = Judge([FakeCheck(hang, stage=stage, timeout_s=0.05)], policy())
    judged = judge.screen_question(CASE) if stage == "question" else judge.judge(CASE)
    assert_held(*judged)


@pytest.mark.parametrize(
    "returned",
    [
        None,
        True,
        "pass",
        Outcome.PASS,
        {},
        [None],
        ["pass"],
        [Outcome.PASS],
        [Finding("odd", Outcome.PASS, "Fine."), "pass"],
        [Finding("another", Outcome.PASS, "In its name.")],
        [Finding("odd", "pass", "Not an outcome.")],  # type: ignore[arg-type]
        [Finding("odd", Outcome.PASS, None)],  # type: ignore[arg-type]
        (Finding("odd", Outcome.PASS, "Fine."),),
        Finding("odd", Outcome.PASS, "Fine."),
    ],
    ids=repr,
)
def test_fails_closed_when_a_check_returns_something_else(returned: object) -> None:
    assert_held(*Judge([FakeCheck(lambda: returned)], policy()).judge(CASE))


@pytest.mark.parametrize("stage", ["question", "draft"])
def test_fails_closed_when_a_check_returns_no_finding(stage: Stage) -> None:
    judge = Judge([FakeCheck(list, stage=stage)], policy())
    judged = judge.screen_question(CASE) if stage == "question" else judge.judge(CASE)
    assert_held(*judged)


def test_fails_closed_when_a_required_check_is_missing() -> None:
    findings, verdict = Judge([passing()], policy(("sound", "odd"))).judge(CASE)
    assert_held(findings, verdict)


def test_fails_closed_without_any_check() -> None:
    findings, verdict = Judge([], load_policy()).judge(CASE)
    required = {name.partition("@")[0] for name in load_policy().required_checks}
    assert {finding.check for finding in findings} == required
    assert {finding.outcome for finding in findings} == {Outcome.COULD_NOT_RUN}
    assert verdict.action is Action.REVIEW


@pytest.mark.parametrize("stage", ["question", "draft"])
def test_fails_closed_when_a_check_required_at_a_stage_did_not_run_there(stage: str) -> None:
    elsewhere: Stage = "draft" if stage == "question" else "question"
    judge = Judge([passing("odd", elsewhere)], policy((f"odd@{stage}",)))
    earlier, _ = judge.screen_question(CASE)
    assert judge.judge(CASE, earlier)[1].action is Action.REVIEW
    if stage == "question":
        assert_held(*judge.screen_question(CASE))


def test_fails_closed_when_the_question_was_never_screened() -> None:
    judge = Judge([passing("asked", "question"), passing()], policy(("asked@question",)))
    assert_held(*judge.judge(CASE), "asked")
    earlier, _ = judge.screen_question(CASE)
    assert judge.judge(CASE, earlier)[1].action is Action.RELEASE


def test_fails_closed_when_all_thread_places_are_taken(
    hang: Callable[[], list[Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guardrails.judge.MAX_RUNS", 2)
    turns = iter([hang, hang, passing("odd").work])
    judge = Judge([FakeCheck(lambda: next(turns)(), timeout_s=0.05)], policy())
    judged = [judge.judge(CASE) for _ in range(3)]
    for findings, verdict in judged:
        assert_held(findings, verdict)
    assert "hanging" in judged[2][0][0].message


def test_fails_closed_when_the_system_has_no_thread_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    judge = Judge([FakeCheck(passing("odd").work)], policy())
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        judged = [judge.judge(CASE) for _ in range(MAX_RUNS + 1)]
    for findings, verdict in judged:
        assert_held(findings, verdict)
    assert judge.judge(CASE)[1].action is Action.RELEASE


def test_a_hung_check_takes_no_place_of_another(
    hang: Callable[[], list[Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guardrails.judge.MAX_RUNS", 1)
    judge = Judge([FakeCheck(hang, timeout_s=0.01), passing()], policy())
    for _ in range(3):
        assert outcomes(judge.judge(CASE)[0], "sound") == [Outcome.PASS]
        wait_until(lambda: not running_checks("sound"))


def test_places_of_ended_checks_are_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guardrails.judge.MAX_RUNS", 1)
    judge = Judge([passing()], policy())
    actions = []
    for _ in range(5):
        actions.append(judge.judge(CASE)[1].action)
        wait_until(lambda: not running_checks("sound"))
    assert actions == [Action.RELEASE] * 5


def test_hung_checks_over_many_judgements_never_release(
    hang: Callable[[], list[Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guardrails.judge.MAX_RUNS", 4)
    judge = Judge([FakeCheck(hang, timeout_s=0.01), passing()], policy())
    judged = [judge.judge(CASE) for _ in range(12)]
    for findings, verdict in judged:
        assert_held(findings, verdict)
    messages = {findings[0].message for findings, _ in judged}
    assert any("within" in message for message in messages)
    assert any("hanging" in message for message in messages)
    assert len(running_checks()) <= 4 + 1


def test_a_hung_check_delays_nothing_beyond_its_own_timeout(
    hang: Callable[[], list[Finding]],
) -> None:
    judge = Judge([FakeCheck(hang, timeout_s=0.05), passing("after")], policy())
    began = time.monotonic()
    findings, verdict = judge.judge(CASE)
    assert time.monotonic() - began < 30  # it hangs for twice as long
    assert outcomes(findings, "after") == [Outcome.PASS]
    assert_held(findings, verdict)


def test_timeouts_run_side_by_side(hang: Callable[[], list[Finding]]) -> None:
    judge = Judge([FakeCheck(hang, f"hung{n}", timeout_s=0.2) for n in range(100)], policy())
    began = time.monotonic()
    findings, _ = judge.judge(CASE)
    assert time.monotonic() - began < 100 * 0.2 / 2
    assert [finding.outcome for finding in findings] == [Outcome.COULD_NOT_RUN] * 100


def test_a_hung_check_does_not_hurt_the_next_judgement(
    hang: Callable[[], list[Finding]],
) -> None:
    turns = iter([hang, passing().work, passing().work])
    judge = Judge([FakeCheck(lambda: next(turns)(), "sound", timeout_s=1.0)], policy())
    actions = [judge.judge(CASE)[1].action for _ in range(3)]
    assert actions == [Action.REVIEW, Action.RELEASE, Action.RELEASE]


def test_no_rule_lets_a_late_check_release(hang: Callable[[], list[Finding]]) -> None:
    lenient = ({"check": "odd", "outcome": "could_not_run", "then": "release"},)
    judge = Judge([FakeCheck(hang, timeout_s=0.05)], policy(rules=lenient))
    assert_held(*judge.judge(CASE))


def test_earlier_findings_are_part_of_the_verdict() -> None:
    judge = Judge([passing()], policy(rules=({"check": "early", "then": "block"},)))
    early = Finding("early", Outcome.FAIL, "Found in the question.")
    findings, verdict = judge.judge(CASE, [early])
    assert findings[0] is early
    assert verdict.action is Action.BLOCK and verdict.reasons == ("Found in the question.",)


def test_an_earlier_finding_counts_for_the_required_checks() -> None:
    judge = Judge([passing()], policy(("early",)))
    assert_held(*judge.judge(CASE), "early")
    assert judge.judge(CASE, [Finding("early", Outcome.PASS, "")])[1].action is Action.RELEASE


def test_each_stage_runs_its_own_checks() -> None:
    judge = Judge([passing("asked", "question"), passing("drafted", "draft")], policy())
    assert [finding.check for finding in judge.screen_question(CASE)[0]] == ["asked"]
    assert [finding.check for finding in judge.judge(CASE)[0]] == ["drafted"]


def test_checks_see_the_case() -> None:
    seen: list[Case] = []

    class Looking:
        name, timeout_s = "looking", 5.0
        stage: Stage = "draft"

        def run(self, case: Case) -> list[Finding]:
            seen.append(case)
            return [Finding(self.name, Outcome.PASS, "")]

    Judge([Looking()], policy()).judge(CASE)
    assert len(seen) == 1 and seen[0] is CASE


@pytest.mark.parametrize(
    "check",
    [
        replace(passing(), name=""),
        replace(passing(), name=None),  # type: ignore[arg-type]
        replace(passing(), stage="answer"),  # type: ignore[arg-type]
        replace(passing(), timeout_s=0.0),
        replace(passing(), timeout_s=float("inf")),
        replace(passing(), timeout_s=float("nan")),
    ],
    ids=["no name", "name None", "unknown stage", "no time", "endless", "time nan"],
)
def test_a_check_that_could_never_run_rightly_is_refused(check: FakeCheck) -> None:
    with pytest.raises(ValueError, match="check"):
        Judge([check], policy())


def running_checks(name: str = "") -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith(f"check-{name}")]


def three_sentences() -> Case:
    """Five passages of about 190 words; a draft of three sentences that cites three of them."""
    filler = "The member keeps the receipt and sends a copy of it with the form. " * 12
    facts = [f"The fee number {n} is £{n}5.00 and is due within {n}0 days." for n in range(1, 6)]
    passages = tuple(
        Passage(f"p{n}", "d", "main", "Fees", f"{fact} {filler}", 0, 1, None)
        for n, fact in enumerate(facts)
    )
    citations = tuple(
        Citation(n + 1, f"p{n}", "d", "Fees", None, facts[n], 0, len(facts[n])) for n in range(3)
    )
    sentences = tuple(Sentence(facts[n], (n + 1,)) for n in range(3))
    draft = Draft(sentences, citations, "m", "£15.00", {"margin": 4.0})
    return Case("How much is fee number 1?", draft, passages, scores=CALM)


def test_a_good_draft_is_released_by_the_default_checks() -> None:
    default = load_policy()
    judge = Judge(every_check(default), default)
    case = three_sentences()
    screened, _ = judge.screen_question(case)
    findings, verdict = judge.judge(case, screened)
    assert verdict.reasons == ()
    assert verdict.action is Action.RELEASE
    assert {f.check for f in findings} == {e.partition("@")[0] for e in default.required_checks}
