"""Does the question or the answer touch a topic or phrase that the policy names?"""

from collections.abc import Sequence

from guardrails.checks.wording import folded, readable
from guardrails.contract import Case, Finding, Outcome, Stage, Topic


class TopicsCheck:
    """One finding for each matched topic; at stage draft it looks at the answer."""

    name = "topics"
    timeout_s = 3.0

    def __init__(self, topics: Sequence[Topic], stage: Stage) -> None:
        self.stage: Stage = stage
        part = "question" if stage == "question" else "answer"
        self._topics = [topic for topic in topics if topic.where in (part, "both")]

    def run(self, case: Case) -> list[Finding]:
        """A fail for each topic found, else one pass."""
        text = case.question if self.stage == "question" else _answer(case)
        seen = _one_line(readable(text))
        # Look-alike letters hide a word from the pattern, not from its reader.
        bare = "" if seen.isascii() else _one_line(folded(text))
        found = [
            Finding(self.name, Outcome.FAIL, topic.description, topic.name, excerpt[:200])
            for topic in self._topics
            if (excerpt := topic.excerpt(seen) or (bare and topic.excerpt(bare)))
        ]
        return found or [Finding(self.name, Outcome.PASS, "No topic of the policy.")]


def _answer(case: Case) -> str:
    """All words of the answer, the short form too: each may be shown."""
    if case.draft is None:
        return ""
    return " ".join([*(s.text for s in case.draft.sentences), case.draft.short or ""])


def _one_line(text: str) -> str:
    return " ".join(text.replace("\u2019", "'").split())
