"""Does every number and date of a sentence stand in the passages the sentence cites?"""

from collections.abc import Mapping

from guardrails.checks.bounds import turned_bounds
from guardrails.checks.figures import Figures, missing_figures, read_figures
from guardrails.contract import Case, Draft, Finding, Outcome, Sentence, Stage


class NumbersCheck:
    """Every number and date of a sentence stands in the passages the sentence cites."""

    name = "numbers"
    stage: Stage = "draft"
    timeout_s = 3.0

    def run(self, case: Case) -> list[Finding]:
        """A fail for each number that its sources do not hold, else one pass."""
        if case.draft is None:
            return [Finding(self.name, Outcome.FAIL, "There is no draft.")]
        texts = {p.id: p.text for p in case.evidence}
        held = _held_by_citation(case.draft, texts)
        found = [
            Finding(
                self.name,
                Outcome.FAIL,
                f"The sources do not hold {spelled.rstrip('.')}.",  # "Dec." and the end of a text
                "",
                sentence.text,
            )
            for sentence in case.draft.sentences
            for spelled in unsupported(sentence, held)
        ]
        found += [
            Finding(
                self.name,
                Outcome.FAIL,
                f"The sources give {value} with another bound, range or rate.",
                "",
                sentence.text,
            )
            for sentence in case.draft.sentences
            for value in turned_bounds(sentence.text, _cited(case.draft, sentence, texts), _values)
        ]
        return found or [Finding(self.name, Outcome.PASS, "Every number stands in its source.")]


def _held_by_citation(draft: Draft, texts: Mapping[str, str]) -> dict[int, Figures]:
    cited = {citation.passage_id for citation in draft.citations} & texts.keys()
    figures = {passage_id: read_figures(texts[passage_id], True) for passage_id in cited}
    return {c.number: figures[c.passage_id] for c in draft.citations if c.passage_id in figures}


def _cited(draft: Draft, sentence: Sentence, texts: Mapping[str, str]) -> list[str]:
    cited = {c.passage_id for c in draft.citations if c.number in sentence.citations}
    return [texts[passage_id] for passage_id in sorted(cited & texts.keys())]


def _values(text: str) -> list[str]:
    return [amount.value for _, amount in read_figures(text, False).amounts]


def unsupported(sentence: Sentence, held: Mapping[int, Figures]) -> list[str]:
    """The numbers and dates of ``sentence``, as written, that its citations do not hold."""
    sources = [held[number] for number in sentence.citations if number in held]
    return missing_figures(read_figures(sentence.text, False), sources)
