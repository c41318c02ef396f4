"""The policy in force with its judge, and the one in the shadow; changed files take over.

The files are looked at when a question comes, at most once per second. New content counts when it
was the same at two looks, so that a file that is being written is not taken half-way. An invalid
one changes nothing but ``problem``: the last good policy stays in force.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from app.errors import SettingsInvalid
from guardrails.contract import SEVERITY, Action, Check
from guardrails.default_checks import default_checks
from guardrails.judge import Judge
from guardrails.policy.decide import Policy
from guardrails.policy.load import DEFAULT_POLICY, PolicyInvalid, policy_from_text
from guardrails.policy.redecide import OUTCOMES, JudgedAnswer, redecide

LOOK_EVERY_S = 1.0
RANK = {OUTCOMES[action]: SEVERITY[action] for action in Action} | {"abstained": 0, "answered": 0}
log = structlog.get_logger()


@dataclass(frozen=True)
class InForce:
    """What one question is judged by from beginning to end."""

    judge: Judge
    shadow: Policy | None = None

    @property
    def policy(self) -> Policy:
        """The policy that decides."""
        return self.judge.policy

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of the policy, and of the shadow or ""."""
        return {"policy": self.policy.sha256, "shadow": self.shadow.sha256 if self.shadow else ""}

    def shadow_verdict(self, judged: JudgedAnswer) -> dict[str, Any] | None:
        """What the shadow policy says, for the record; an error in it is part of the record.

        ``agreement`` is agree, milder, stricter or error.
        """
        if self.shadow is None:
            return None
        told = {"policy": f"{self.shadow.name} {self.shadow.version}"}
        told["policy_sha256"] = self.shadow.sha256
        try:
            outcome, verdict = redecide(self.shadow, judged)
            agreement = _agreement(judged.outcome, outcome)
        except Exception as error:  # noqa: BLE001 - the shadow must never touch the answer
            return {**told, "agreement": "error", "error": type(error).__name__}
        reasons = list(verdict.reasons)
        return {**told, "agreement": agreement, "outcome": outcome, "reasons": reasons}


def _agreement(was: str, becomes: str) -> str:
    if was == becomes:
        return "agree"
    return "stricter" if RANK[becomes] > RANK[was] else "milder"


class Policies:
    """Gives each question what is in force; safe to call from any thread.

    ``path`` None is the packaged policy. ``checks`` makes the checks for a policy; it is called
    again when another policy takes over. Raises ``SettingsInvalid`` when ``path`` cannot be used;
    an invalid shadow is a ``problem`` only.
    """

    def __init__(
        self,
        path: Path | None = None,
        shadow_path: Path | None = None,
        *,
        checks: Callable[[Policy], Sequence[Check]] = default_checks,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checks, self._clock = checks, clock
        self._main = _Watched(path or DEFAULT_POLICY)
        self._shadow = _Watched(shadow_path) if shadow_path else None
        # The packaged policy changes with the code only, so it is not looked at again.
        self._watched = [w for w in (self._main if path else None, self._shadow) if w]
        self._lock = threading.Lock()
        for watched in (self._main, self._shadow):
            if watched is not None:
                watched.look(at_once=True)
        if self._main.policy is None:
            raise SettingsInvalid(f"The policy file is invalid: {self._main.problem}")
        self._in_force = InForce(self._judge(self._main.policy), self._shadow_policy())
        self._next_look = clock() + LOOK_EVERY_S

    def current(self) -> InForce:
        """What is in force now."""
        if self._clock() >= self._next_look and self._lock.acquire(blocking=False):
            try:
                self._next_look = self._clock() + LOOK_EVERY_S
                self._look()
            finally:
                self._lock.release()
        return self._in_force

    @property
    def problem(self) -> str:
        """What is wrong with the newest content of the policy file, or nothing."""
        return self._main.problem

    def status(self) -> dict[str, Any]:
        """What is in force, and what is wrong with the files."""
        in_force = self.current()
        shadow = None
        if self._shadow is not None:
            shadow = {**_named(in_force.shadow), "problem": self._shadow.problem}
        return {**_named(in_force.policy), "problem": self.problem, "shadow": shadow}

    def _look(self) -> None:
        changed = [watched.look() for watched in self._watched]
        if not any(changed):
            return
        judge, policy = self._in_force.judge, self._main.policy
        if policy is not None and policy.sha256 != judge.policy.sha256:
            judge = self._judge(policy)
        self._in_force = InForce(judge, self._shadow_policy())
        log.info("policy_in_force", **self._in_force.hashes)

    def _judge(self, policy: Policy) -> Judge:
        return Judge(self._checks(policy), policy)

    def _shadow_policy(self) -> Policy | None:
        return self._shadow.policy if self._shadow else None


def _named(policy: Policy | None) -> dict[str, Any]:
    if policy is None:
        return {"name": "", "version": 0, "sha256": ""}
    return {"name": policy.name, "version": policy.version, "sha256": policy.sha256}


@dataclass
class _Watched:
    """One policy file: the last good policy, and what is wrong with the file now."""

    path: Path
    policy: Policy | None = None
    problem: str = ""
    _digest: str = ""
    _waiting: str = ""
    _content_problem: str = ""

    def look(self, *, at_once: bool = False) -> bool:
        """Read the file; whether another policy came of it."""
        try:
            content = self.path.read_bytes()
        except OSError as error:
            self._tell(f"{self.path.name}: cannot be read: {error.strerror}")
            return False
        digest, changed = hashlib.sha256(content).hexdigest(), False
        if digest != self._digest:
            if not at_once and digest != self._waiting:
                self._waiting = digest
                return False
            self._digest = digest
            changed = self._take(content)
        self._tell(self._content_problem)
        return changed

    def _take(self, content: bytes) -> bool:
        before = self.policy
        self._content_problem = ""
        try:
            self.policy = policy_from_text(content.decode("utf-8"), self.path.name)
        except UnicodeDecodeError:
            self._content_problem = f"{self.path.name}: cannot be read: it is not UTF-8"
        except PolicyInvalid as error:
            self._content_problem = str(error)
        return self.policy is not before

    def _tell(self, problem: str) -> None:
        if problem and problem != self.problem:
            log.warning("policy_invalid", file=self.path.name, problem=problem)
        self.problem = problem
