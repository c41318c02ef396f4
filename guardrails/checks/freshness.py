"""Is a source that the answer cites valid on the day of the answer?"""

from collections.abc import Callable
from datetime import UTC, date, datetime

from guardrails.contract import Case, Finding, Outcome, Passage, Stage


def utc_today() -> date:
    """The day it is, in UTC."""
    return datetime.now(UTC).date()


class FreshnessCheck:
    """Fails for each cited document whose last valid day is over, or whose first is to come.

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
        sources = [passage for passage in case.evidence if passage.id in cited]
        today = case.today or self._today()
        said = {passage.title: why for passage in sources if (why := _problem(passage, today))}
        found = [Finding(self.name, Outcome.FAIL, why, "", title) for title, why in said.items()]
        return found or [Finding(self.name, Outcome.PASS, "No source is past its date.")]


def _problem(passage: Passage, today: date) -> str:
    """Why the passage's document is not valid ``today``; "" when it is."""
    begin, end = passage.valid_from, passage.valid_until
    if end is not None and date.fromisoformat(end) < today:
        return f"A source was valid until {end} only."
    if begin is not None and date.fromisoformat(begin) > today:
        return f"A source is valid from {begin} only."
    return ""
