"""Which passages seem to give orders: an answer that rests on one is held."""

from app.ports import Screening, Vectors
from guardrails.checks.injection import EvidenceInjectionCheck
from guardrails.policy.decide import Policy

SCORE = "injection"


class Suspects:
    """Reads passages: patterns first, then each line by the order head, then the injection score.

    By that score a passage is suspect where a question would be blocked: at the policy's highest
    threshold. A policy that screens no injections asks neither the order head nor the score.
    """

    def __init__(self, screens: Screening, policy: Policy) -> None:
        self._screens, self._patterns = screens, EvidenceInjectionCheck()
        thresholds = [s.at_least for s in policy.screens if s.score == SCORE]
        self._at_least = max(thresholds, default=None)

    def reason(self, text: str, vector: Vectors) -> str | None:
        """Why a passage is suspect, or None; raises ``ModelRefused``."""
        if found := self._patterns.excerpts(text):
            return f"It gives orders ({', '.join(label for label, _ in found)})."[:200]
        if self._at_least is None:
            return None
        if line := self._screens.order_in(text):
            return f'A line seems to give orders: "{line}"'[:200]
        score = self._screens.scores(text, vector)[SCORE]
        return "It looks like an injection." if score >= self._at_least else None
