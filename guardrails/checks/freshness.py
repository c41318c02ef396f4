"""Is a source that the answer cites past the date until which it is valid?"""

from collections.abc import Callable
from datetime import UTC, date, datetime

from guardrails.contract import Case, Finding, Outcome, Stage


def utc_today() -> date:
    """The day it is, in UTC."""
    return datetime.now(UTC).date()


class FreshnessCheck:
    """Fails for each cited document whose last valid day is over.

    ``today`` is the clock; a case that was recorded brings its own day.
    """

    name = "freshness"
    stage: Stage = "draft"
    timeout_s = 3.0

    def __init__(self, today: Callable[[], date] = utc_today) -> None:
        self._today = today

    def run(self, case: Case) -> list[Finding]:
        """A fail for each stale document, else one pass; raises when a date is none."""
        if case.draft is None:
            return [Finding(self.name, Outcome.FAIL, "There is no draft.")]
        cited = {citation.passage_id for citation in case.draft.citations}
        ends = {
            passage.title: passage.valid_until
            for passage in case.evidence
            if passage.id in cited and passage.valid_until is not None
        }
        today = case.today or self._today()
        found = [
            Finding(self.name, Outcome.FAIL, f"A source was valid until {end} only.", "", title)
            for title, end in ends.items()
            if date.fromisoformat(end) < today
        ]
        return found or [Finding(self.name, Outcome.PASS, "No source is past its date.")]
