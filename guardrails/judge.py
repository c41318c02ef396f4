"""Run every check side by side and let the policy decide. Nothing here fails open.

A check that crashes, is late, says nothing or says something else is a finding "could not
run", and so is a required check that is missing; the policy turns that into review.
"""

import math
import threading
import time
from collections.abc import Iterable, Sequence
from queue import Empty, SimpleQueue
from typing import get_args

from guardrails.checks import Check, Stage
from guardrails.contract import Case, Finding, Outcome, Verdict
from guardrails.policy import Policy

MAX_RUNS = 64
"""Runs of one check at once, hung ones included; beyond it the check could not run."""


class Judge:
    """Screens questions and judges drafts with one set of checks and one policy.

    Raises ``ValueError`` for a check it could never run rightly: without a name, of an unknown
    stage (it would be skipped in silence), or without a time limit.
    """

    def __init__(self, checks: Sequence[Check], policy: Policy) -> None:
        self._runners = [_Runner(check) for check in checks]
        self._policy = policy

    @property
    def policy(self) -> Policy:
        """The policy that decides."""
        return self._policy

    def screen_question(self, case: Case) -> tuple[list[Finding], Verdict]:
        """Findings of the question-stage checks, and the verdict on them."""
        findings = self._run("question", case)
        findings += _missing(self._policy.required("question"), findings)
        return findings, self._policy.decide(findings, case, screening=True)

    def judge(self, case: Case, earlier: Sequence[Finding] = ()) -> tuple[list[Finding], Verdict]:
        """All findings, ``earlier`` ones of the question included, and the verdict on the draft.

        A check required at stage question must be among ``earlier``: a draft whose question
        nobody screened is not released.
        """
        findings = self._run("draft", case)
        missing = [
            *_missing(self._policy.required("question"), earlier),
            *_missing(self._policy.required("draft"), findings),
            *_missing(self._policy.required(None), [*earlier, *findings]),
        ]
        everything = [*earlier, *findings, *missing]
        return everything, self._policy.decide(everything, case)

    def close(self) -> None:
        """Nothing to wait for: hung checks run on daemon threads."""

    def _run(self, stage: Stage, case: Case) -> list[Finding]:
        began = time.monotonic()
        running = [(r, r.start(case)) for r in self._runners if r.stage == stage]
        return [
            finding for runner, results in running for finding in runner.collect(results, began)
        ]


class _Runner:
    """One check, each run on a daemon thread of its own.

    A pool with a queue would let one hung check starve all others. Here hung runs use up only
    the places of their own check, and then that check says so at once instead of waiting.
    """

    def __init__(self, check: Check) -> None:
        self.name, self.stage, self._timeout_s = check.name, check.stage, check.timeout_s
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"a check of type {type(check).__name__} has no name")
        if self.stage not in get_args(Stage):
            raise ValueError(f"check {self.name}: there is no stage {self.stage!r}")
        if not (math.isfinite(self._timeout_s) and self._timeout_s > 0):
            raise ValueError(f"check {self.name}: the time limit must be a number above 0")
        self._check = check
        self._places = threading.BoundedSemaphore(MAX_RUNS)

    def start(self, case: Case) -> "SimpleQueue[object] | None":
        """Where the result will arrive, or None when no thread is to be had."""
        if not self._places.acquire(blocking=False):
            return None
        results: SimpleQueue[object] = SimpleQueue()
        work = threading.Thread(
            target=self._work, args=(case, results), name=f"check-{self.name}", daemon=True
        )
        try:
            work.start()
        except RuntimeError:  # the system has no thread left
            self._places.release()
            return None
        return results

    def _work(self, case: Case, results: "SimpleQueue[object]") -> None:
        try:
            results.put(self._check.run(case))
        except BaseException as error:  # noqa: BLE001 - the judge: any crash is a finding
            # SystemExit too: on this thread it would only end the thread, without a word.
            results.put(error)
        finally:
            self._places.release()

    def collect(self, results: "SimpleQueue[object] | None", began: float) -> list[Finding]:
        """The findings, at least one; waits until ``timeout_s`` after ``began`` at most."""
        if results is None:
            return [self._could_not_run("too many of its runs are hanging")]
        try:
            left = began + self._timeout_s - time.monotonic()
            found = results.get(timeout=max(0.0, left))
        except Empty:
            return [self._could_not_run(f"no result within {self._timeout_s:g} s")]
        if isinstance(found, BaseException):
            # The type only: a message could hold text that the asker may not see.
            return [self._could_not_run(type(found).__name__)]
        if not isinstance(found, list) or not all(self._is_own(item) for item in found):
            return [self._could_not_run("it returned something else than its findings")]
        # Silence is not approval: a check that looked says so with a pass.
        return found or [self._could_not_run("it returned no findings")]

    def _is_own(self, item: object) -> bool:
        """Whether ``item`` is a finding that a policy can read, and in this check's name."""
        if not isinstance(item, Finding) or not isinstance(item.outcome, Outcome):
            return False
        texts = (item.message, item.label, item.excerpt)
        return item.check == self.name and all(isinstance(text, str) for text in texts)

    def _could_not_run(self, why: str) -> Finding:
        message = f"The check {self.name} could not run: {why}."
        return Finding(self.name, Outcome.COULD_NOT_RUN, message)


def missing_checks(policy: Policy, findings: Sequence[Finding], *, judged: bool) -> list[Finding]:
    """A finding for each required check that is not among ``findings``, whatever its stage."""
    required = policy.required("question")
    if judged:
        required += [*policy.required("draft"), *policy.required(None)]
    return _missing(dict.fromkeys(required), findings)


def _missing(required: Iterable[str], findings: Iterable[Finding]) -> list[Finding]:
    ran = {finding.check for finding in findings}
    return [
        Finding(name, Outcome.COULD_NOT_RUN, f"The check {name} is required but did not run.")
        for name in required
        if name not in ran
    ]
