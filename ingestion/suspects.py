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
        return self.with_scores(self.orders(texts), texts, vectors)

    def orders(self, texts: Sequence[str]) -> list[str | None]:
        """What each passage's words alone say of it; raises ``ModelRefused``."""
        found: list[str | None] = []
        for first in range(0, len(texts), AT_ONCE):
            found += self._orders(texts[first : first + AT_ONCE])
        return found

    def with_scores(
        self, orders: Sequence[str | None], texts: Sequence[str], vectors: Vectors
    ) -> list[str | None]:
        """The same with what the meaning says of the others; raises ``ModelRefused``."""
        found = list(orders)
        left = [at for at, why in enumerate(orders) if why is None]
        if self._at_least is None or not left:
            return found
        read = [texts[at] for at in left]
        for at, chance in zip(left, self._screens.chances(SCORE, read, vectors[left]), strict=True):
            if chance >= self._at_least:
                found[at] = "It looks like an injection."
        return found

    def _orders(self, texts: Sequence[str]) -> list[str | None]:
        # All of them at once first: far fewer searches, and mostly there is nothing to find.
        matched = bool(self._patterns.excerpts(APART.join(texts)))
        found = [self._ordered(text) if matched else None for text in texts]
        if self._at_least is None:
            return found
        left = [at for at, why in enumerate(found) if why is None]
        for at, line in zip(left, self._screens.orders_in([texts[at] for at in left]), strict=True):
            if line:
                found[at] = f'A line seems to give orders: "{line}"'[:200]
        return found

    def _ordered(self, text: str) -> str | None:
        if found := self._patterns.excerpts(text):
            return f"It gives orders ({', '.join(label for label, _ in found)})."[:200]
        return None
