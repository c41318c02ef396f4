"""Which passages seem to give orders: an answer that rests on one is held."""

from collections.abc import Mapping
from typing import Protocol

from app.ports import Vectors
from guardrails.checks.injection import EvidenceInjectionCheck
from guardrails.policy.decide import Policy

SCORE = "injection"


class Scores(Protocol):
    """The screens of questions, as far as they are needed here."""

    def scores(self, text: str, vector: Vectors) -> Mapping[str, float]:
        """The probability of each screen's name; raises ``ModelRefused``."""


class Suspects:
    """The screen of questions, run over passages: patterns first, then the injection score.

    A passage is suspect where a question would be blocked: at the policy's highest threshold.
    """

    def __init__(self, screens: Scores, policy: Policy) -> None:
        self._screens, self._patterns = screens, EvidenceInjectionCheck()
        thresholds = [s.at_least for s in policy.screens if s.score == SCORE]
        self._at_least = max(thresholds, default=None)

    def reason(self, text: str, vector: Vectors) -> str | None:
        """Why a passage is suspect, or None; raises ``ModelRefused``."""
        if found := self._patterns.excerpts(text):
            return f"It gives orders ({', '.join(label for label, _ in found)})."[:200]
        if self._at_least is None:
            return None
        score = self._screens.scores(text, vector)[SCORE]
        return "It looks like an injection." if score >= self._at_least else None
