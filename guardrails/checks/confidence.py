"""Is the generator sure enough of its own answer, where no gate weighs the risk?"""

from guardrails.contract import Case, Finding, Outcome, Stage


class ConfidenceCheck:
    """Fails when the draft's margin over "no answer" is under the policy's least margin.

    Where the gate decides by the risk there is nothing to say: the margin is one of its figures.
    """

    name = "confidence"
    stage: Stage = "draft"
    timeout_s = 3.0

    def __init__(self, min_margin: float) -> None:
        self._min_margin = min_margin

    def run(self, case: Case) -> list[Finding]:
        """One finding; a generator without a margin passes."""
        if case.gated:
            return [Finding(self.name, Outcome.PASS, "The gate weighs the risk of this answer.")]
        margin = case.draft.features.get("margin") if case.draft else None
        if margin is None:
            return [Finding(self.name, Outcome.PASS, "The generator gives no margin.")]
        if not margin >= self._min_margin:  # also a NaN is not sure
            return [Finding(self.name, Outcome.FAIL, "The generator is not sure of this answer.")]
        return [Finding(self.name, Outcome.PASS, "The generator is sure enough.")]
