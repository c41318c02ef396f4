"""Do the screens' scores of the question reach a threshold of the policy?

The scores are probabilities that the service computed from the question's embedding; the
patterns of the other checks are the first tier.
"""

from collections.abc import Sequence

from guardrails.checks.injection import QuestionInjectionCheck
from guardrails.checks.topics import TopicsCheck
from guardrails.contract import Case, Finding, Outcome, Screen, Stage
from guardrails.policy.decide import Policy


class ScreensCheck:
    """One finding for each screen that is reached; a score that is missing could not run."""

    name = "screens"
    stage: Stage = "question"
    timeout_s = 3.0

    def __init__(self, screens: Sequence[Screen]) -> None:
        self._screens = screens

    def run(self, case: Case) -> list[Finding]:
        """A fail for each threshold reached, could-not-run for each score missing, or a pass."""
        scores = case.scores or {}
        found = [
            finding
            for screen in self._screens
            if (finding := self._finding(screen, scores.get(screen.score))) is not None
        ]
        return found or [Finding(self.name, Outcome.PASS, "No screen's threshold is reached.")]

    def _finding(self, screen: Screen, score: float | None) -> Finding | None:
        if score is None or not 0 <= score <= 1:
            message = f"The screen {screen.score} could not run: there is no score."
            return Finding(self.name, Outcome.COULD_NOT_RUN, message, screen.label)
        if score < screen.at_least:
            return None
        return Finding(self.name, Outcome.FAIL, screen.description, screen.label)


TOPICS = {
    "medical_advice": "medical_advice",
    "legal_advice": "legal_advice",
    "financial_advice": "financial_advice",
    "self_harm": "self_harm_or_emergency",
}
"""The topic of the policy whose patterns stand before a screen."""


class FirstTier:
    """What the patterns say before a screen does; for choosing and measuring thresholds."""

    def __init__(self, policy: Policy) -> None:
        self._injection = QuestionInjectionCheck()
        self._topics = {
            score: TopicsCheck([t for t in policy.topics if t.name == topic], "question")
            for score, topic in TOPICS.items()
        }

    def catches(self, score: str, text: str) -> bool:
        """Whether the patterns that stand before the screen ``score`` find something."""
        if score == "injection":
            return bool(self._injection.excerpts(text))
        topics = self._topics.get(score)
        if topics is None:
            return False
        return any(finding.outcome is Outcome.FAIL for finding in topics.run(Case(text)))
