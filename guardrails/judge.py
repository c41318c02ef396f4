"""Run every check side by side and let the policy decide. Nothing here fails open.

A check that crashes, is late, says nothing or says something else is a finding "could not
run", and so is a required check that is missing; the policy turns that into review.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from queue import Empty, SimpleQueue
from typing import get_args

from guardrails.contract import Case, Check, Finding, Outcome, Stage, Verdict
from guardrails.policy.decide import Policy

MAX_RUNS = 64
"""Runs of one check at once, hung ones included; beyond it the check could not run."""
PATIENCE_S = 0.05
"""How long the first thread of a round has all checks to itself; see ``_Round``."""


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

    def judge_text(self, case: Case) -> list[Finding]:
        """The findings on a draft alone: for a text that a person wrote, and signs for."""
        findings = self._run("draft", case)
        return [*findings, *_missing(self._policy.required("draft"), findings)]

    def close(self) -> None:
        """Nothing to wait for: hung checks run on daemon threads."""

    def _run(self, stage: Stage, case: Case) -> list[Finding]:
        return _Round([r for r in self._runners if r.stage == stage], case).findings()


class _Runner:
    """One check; its hung runs use up only the places of its own, and then it says so at once."""

    def __init__(self, check: Check) -> None:
        self.name, self.stage, self.timeout_s = check.name, check.stage, check.timeout_s
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"a check of type {type(check).__name__} has no name")
        if self.stage not in get_args(Stage):
            raise ValueError(f"check {self.name}: there is no stage {self.stage!r}")
        if not (math.isfinite(self.timeout_s) and self.timeout_s > 0):
            raise ValueError(f"check {self.name}: the time limit must be a number above 0")
        self._check = check
        self._places = threading.BoundedSemaphore(MAX_RUNS)

    def run(self, case: Case) -> object:
        """What the check returned or raised; waits for it."""
        if not self._places.acquire(blocking=False):
            return [self.could_not_run("too many of its runs are hanging")]
        try:
            return self._check.run(case)
        except BaseException as error:  # noqa: BLE001 - the judge: any crash is a finding
            # SystemExit too: on this thread it would only end the thread, without a word.
            return error
        finally:
            self._places.release()

    def findings(self, found: object) -> list[Finding]:
        """The findings, at least one, of what a run came to."""
        if isinstance(found, BaseException):
            # The type only: a message could hold text that the asker may not see.
            return [self.could_not_run(type(found).__name__)]
        if not isinstance(found, list) or not all(self._is_own(item) for item in found):
            return [self.could_not_run("it returned something else than its findings")]
        # Silence is not approval: a check that looked says so with a pass.
        return found or [self.could_not_run("it returned no findings")]

    def _is_own(self, item: object) -> bool:
        """Whether ``item`` is a finding that a policy can read, and in this check's name."""
        if not isinstance(item, Finding) or not isinstance(item.outcome, Outcome):
            return False
        texts = (item.message, item.label, item.excerpt)
        return item.check == self.name and all(isinstance(text, str) for text in texts)

    def could_not_run(self, why: str) -> Finding:
        """The finding that the check says nothing, and why."""
        message = f"The check {self.name} could not run: {why}."
        return Finding(self.name, Outcome.COULD_NOT_RUN, message)


class _Round:
    """All checks of one stage over one case, begun in order.

    The first thread runs one check after the other: most take less than starting a thread, and
    many threads in one interpreter only wait for each other. When ``PATIENCE_S`` is over, each
    check that has not begun gets a thread of its own: a slow or hung one holds up no other.
    """

    def __init__(self, runners: Sequence[_Runner], case: Case) -> None:
        self._runners, self._case = runners, case
        self._waiting = deque(range(len(runners)))
        self._begun: dict[int, float] = {}
        self._results: dict[int, object] = {}
        self._impatient = False
        self._signal: SimpleQueue[None] = SimpleQueue()

    def findings(self) -> list[Finding]:
        """The findings of each check in order, at least one of each."""
        found: dict[int, list[Finding]] = {}
        self._start_thread()
        while self._lacks(found):
            try:
                self._signal.get(timeout=self._longest_wait(found))
            except Empty:
                self._impatient = True
                for _ in tuple(self._waiting):
                    self._start_thread()
                found |= self._late(found)
        return [finding for place in range(len(self._runners)) for finding in found[place]]

    def _lacks(self, found: dict[int, list[Finding]]) -> bool:
        """Whether findings are still to come; takes up those that have."""
        for place, result in list(self._results.items()):
            if place not in found:
                found[place] = self._runners[place].findings(result)
        return len(found) < len(self._runners)

    def _longest_wait(self, found: dict[int, list[Finding]]) -> float:
        now = time.monotonic()
        ends = [
            began + self._runners[place].timeout_s - now
            for place, began in list(self._begun.items())
            if place not in found
        ]
        return max(0.0, min([*ends, PATIENCE_S] if self._waiting or not ends else ends))

    def _late(self, found: dict[int, list[Finding]]) -> dict[int, list[Finding]]:
        now = time.monotonic()
        return {
            place: [runner.could_not_run(f"no result within {runner.timeout_s:g} s")]
            for place, began in list(self._begun.items())
            if place not in found and now >= began + (runner := self._runners[place]).timeout_s
        }

    def _start_thread(self) -> None:
        """One more thread; without any to be had, what has not begun could not run."""
        try:
            threading.Thread(target=self._work, name="check-", daemon=True).start()
        except RuntimeError:
            while (place := self._next()) is not None:
                refused = self._runners[place].could_not_run("there is no thread for it")
                self._results[place] = [refused]
            self._signal.put(None)

    def _work(self) -> None:
        while (place := self._next()) is not None:
            runner = self._runners[place]
            self._begun[place] = time.monotonic()
            threading.current_thread().name = f"check-{runner.name}"
            self._results[place] = runner.run(self._case)
            if self._impatient or len(self._results) == len(self._runners):
                self._signal.put(None)

    def _next(self) -> int | None:
        try:
            return self._waiting.popleft()
        except IndexError:
            return None


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
