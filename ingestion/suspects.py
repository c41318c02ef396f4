"""Which passages seem to give orders: an answer that rests on one is held."""

from collections.abc import Sequence

from app.ports import Screening, Vectors
from guardrails.checks.injection import APART, EvidenceInjectionCheck
from guardrails.policy.decide import Policy

SCORE = "injection"
AT_ONCE = 32
"""Passages that the patterns look through together first."""


class Suspects:
    """Reads passages: patterns first, then each line by the order head, then the injection score.

    By that score a passage is suspect where a question would be blocked: at the policy's highest
    threshold. A policy that screens no injections asks neither the order head nor the score.
    """

    def __init__(self, screens: Screening, policy: Policy) -> None:
        self._screens, self._patterns = screens, EvidenceInjectionCheck()
        thresholds = [s.at_least for s in policy.screens if s.score == SCORE]
        self._at_least = max(thresholds, default=None)

    def reasons(self, texts: Sequence[str], vectors: Vectors) -> list[str | None]:
        """Why each passage is suspect, or None; raises ``ModelRefused``."""
        found: list[str | None] = []
        for first in range(0, len(texts), AT_ONCE):
            some = texts[first : first + AT_ONCE]
            # All of them at once first: far fewer searches, and mostly there is nothing to find.
            matched = bool(self._patterns.excerpts(APART.join(some)))
            for text, vector in zip(some, vectors[first : first + AT_ONCE], strict=True):
                ordered = self._ordered(text) if matched else None
                found.append(ordered or self._scored(text, vector))
        return found

    def reason(self, text: str, vector: Vectors) -> str | None:
        """Why one passage is suspect, or None; raises ``ModelRefused``."""
        return self._ordered(text) or self._scored(text, vector)

    def _ordered(self, text: str) -> str | None:
        if found := self._patterns.excerpts(text):
            return f"It gives orders ({', '.join(label for label, _ in found)})."[:200]
        return None

    def _scored(self, text: str, vector: Vectors) -> str | None:
        if self._at_least is None:
            return None
        if line := self._screens.order_in(text):
            return f'A line seems to give orders: "{line}"'[:200]
        score = self._screens.scores(text, vector)[SCORE]
        return "It looks like an injection." if score >= self._at_least else None
