"""Run every check side by side and let the policy decide. Nothing here fails open.

A check that crashes, is late, says nothing or says something else is a finding "could not
run", and so is a required check that is missing; the policy turns that into review.
"""

import threading
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue

from guardrails.checks import Check, Stage
from guardrails.contract import Case, Finding, Outcome, Verdict
from guardrails.policy import Policy

MAX_THREADS = 256
"""Threads of checks at once, hung ones included; beyond it a check could not run."""


class Judge:
    """Screens questions and judges drafts with one set of checks and one policy."""

    def __init__(self, checks: Sequence[Check], policy: Policy) -> None:
        self._checks, self._policy = list(checks), policy
        # A thread of its own for each run: a hung check can never starve a later one in a queue.
        self._places = threading.BoundedSemaphore(MAX_THREADS)

    def screen_question(self, case: Case) -> tuple[list[Finding], Verdict]:
        """Findings of the question-stage checks, and the verdict on them."""
        findings = self._run("question", case)
        return findings, self._policy.decide(findings)

    def judge(self, case: Case, earlier: Sequence[Finding] = ()) -> tuple[list[Finding], Verdict]:
        """All findings, ``earlier`` ones included, and the verdict on the draft.

        Required checks count for the question and the draft together.
        """
        findings = [*earlier, *self._run("draft", case)]
        ran = {finding.check for finding in findings}
        findings.extend(
            Finding(name, Outcome.COULD_NOT_RUN, f"The check {name} is required but missing.")
            for name in self._policy.required_checks
            if name not in ran
        )
        return findings, self._policy.decide(findings)

    def close(self) -> None:
        """Nothing to release: hung checks run on daemon threads."""

    def _run(self, stage: Stage, case: Case) -> list[Finding]:
        began = time.monotonic()
        running = [(c, self._start(c, case)) for c in self._checks if c.stage == stage]
        return [
            finding for check, results in running for finding in _collect(check, results, began)
        ]

    def _start(self, check: Check, case: Case) -> "SimpleQueue[object] | None":
        if not self._places.acquire(blocking=False):
            return None
        results: SimpleQueue[object] = SimpleQueue()

        def work() -> None:
            try:
                results.put(check.run(case))
            except Exception as error:  # noqa: BLE001 - the judge: a crash is a finding, never a pass
                results.put(error)
            finally:
                self._places.release()

        threading.Thread(target=work, name=f"check-{check.name}", daemon=True).start()
        return results


def _collect(check: Check, results: "SimpleQueue[object] | None", began: float) -> list[Finding]:
    if results is None:
        return [_could_not_run(check, "too many checks are hanging")]
    try:
        found = results.get(timeout=max(0.0, began + check.timeout_s - time.monotonic()))
    except Empty:
        return [_could_not_run(check, f"no result within {check.timeout_s} s")]
    if isinstance(found, Exception):
        return [_could_not_run(check, type(found).__name__)]
    if not isinstance(found, list) or not all(isinstance(item, Finding) for item in found):
        return [_could_not_run(check, "it returned something else than findings")]
    return found or [Finding(check.name, Outcome.PASS, "Nothing found.")]


def _could_not_run(check: Check, why: str) -> Finding:
    message = f"The check {check.name} could not run: {why}."
    return Finding(check.name, Outcome.COULD_NOT_RUN, message)
