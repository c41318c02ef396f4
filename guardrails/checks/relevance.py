"""Do the sentences of the draft speak of what the question asks?"""

from guardrails.contract import Case, Finding, Outcome, Stage
from guardrails.words import content_words


class RelevanceCheck:
    """Fails when the draft shares no meaningful word with the question.

    An extractive reader that is sure of the wrong row or paragraph is found so: on the project's
    examples six of the seven answers without a shared word were wrong.
    """

    name = "relevance"
    stage: Stage = "draft"
    timeout_s = 3.0

    def run(self, case: Case) -> list[Finding]:
        """One finding; a question without any meaningful word passes."""
        if case.draft is None:
            return [Finding(self.name, Outcome.FAIL, "There is no draft.")]
        asked = content_words(case.question)
        said = content_words(" ".join(sentence.text for sentence in case.draft.sentences))
        if asked and not asked & said:
            message = "The answer shares no word with the question."
            return [Finding(self.name, Outcome.FAIL, message, "", case.draft.text[:200])]
        return [Finding(self.name, Outcome.PASS, "The answer speaks of what was asked.")]
