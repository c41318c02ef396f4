"""Does the question or the answer touch a topic or phrase that the policy names?"""

from collections.abc import Sequence

from guardrails.checks import Stage
from guardrails.contract import Case, Finding, Outcome
from guardrails.policy import Topic


class TopicsCheck:
    """One finding for each matched topic; ``stage`` draft looks at the answer."""

    name = "topics"
    timeout_s = 1.0

    def __init__(self, topics: Sequence[Topic], stage: Stage) -> None:
        self.stage: Stage = stage
        part = "question" if stage == "question" else "answer"
        self._topics = [topic for topic in topics if topic.where in (part, "both")]

    def run(self, case: Case) -> list[Finding]:
        """A fail for each topic found, else one pass."""
        if self.stage == "question":
            text = case.question
        else:
            text = " ".join(s.text for s in case.draft.sentences) if case.draft else ""
        text = " ".join(text.replace("’", "'").split())
        found = [
            Finding(self.name, Outcome.FAIL, topic.description, topic.name, excerpt)
            for topic in self._topics
            if (excerpt := topic.excerpt(text)) is not None
        ]
        return found or [Finding(self.name, Outcome.PASS, "No topic of the policy.")]
