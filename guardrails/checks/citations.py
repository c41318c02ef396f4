"""Does every sentence cite its evidence, and does every citation quote it verbatim?"""

import re
from collections.abc import Iterator, Mapping

from guardrails.contract import Case, Citation, Draft, Finding, Outcome, Passage, Stage

MARKER = re.compile(r"[\[\u3010](\d{1,3}(?:\s*[,;]\s*\d{1,3})*)[\]\u3011]")
"""What a reader takes for our markers: also lists, and the brackets that some models write."""
UNCITED = "A sentence cites no source."
_NUMBER = re.compile(r"\d+")


class CitationsCheck:
    """Every sentence cites, every marker exists, every quote is verbatim in the evidence."""

    name = "citations"
    stage: Stage = "draft"
    timeout_s = 3.0

    def run(self, case: Case) -> list[Finding]:
        """A fail for each fault, else one pass."""
        if case.draft is None:
            return [Finding(self.name, Outcome.FAIL, "There is no draft.")]
        passages = {passage.id: passage for passage in case.evidence}
        faults = [*_marker_faults(case.draft), *_quote_faults(case.draft, passages)]
        found = [Finding(self.name, Outcome.FAIL, fault, "", text) for fault, text in faults]
        return found or [Finding(self.name, Outcome.PASS, "Every sentence quotes its source.")]


def _marker_faults(draft: Draft) -> Iterator[tuple[str, str]]:
    numbers = [citation.number for citation in draft.citations]
    if not draft.sentences:
        yield "The draft has no sentence.", ""
    if len(set(numbers)) != len(numbers):
        yield "Two citations share a number.", ""
    for sentence in draft.sentences:
        if not sentence.citations:
            yield UNCITED, sentence.text
        # A marker written into the text looks like ours to whoever reads the answer.
        written = [
            int(n) for found in MARKER.findall(sentence.text) for n in _NUMBER.findall(found)
        ]
        for number in dict.fromkeys([*sentence.citations, *written]):
            if number not in numbers:
                yield f"There is no citation [{number}].", sentence.text
            elif number not in sentence.citations:
                yield f"The text names [{number}], which its sentence does not cite.", sentence.text


def _quote_faults(draft: Draft, passages: Mapping[str, Passage]) -> Iterator[tuple[str, str]]:
    for citation in draft.citations:
        passage = passages.get(citation.passage_id)
        if passage is None:
            yield f"Citation [{citation.number}] is not of the evidence.", citation.quote
        elif not _is_verbatim(citation, passage):
            yield f"Citation [{citation.number}] does not quote its source.", citation.quote
        elif not _is_attributed(citation, passage):
            yield f"Citation [{citation.number}] names another source than its own.", citation.title


def _is_verbatim(citation: Citation, passage: Passage) -> bool:
    # A negative offset would count from the end and could still slice to the quote.
    inside = 0 <= citation.start < citation.end <= len(passage.text)
    quoted = passage.text[citation.start : citation.end] if inside else ""
    return bool(quoted.strip()) and quoted == citation.quote


def _is_attributed(citation: Citation, passage: Passage) -> bool:
    named = (citation.document_id, citation.title, citation.page)
    return named == (passage.document_id, passage.title, passage.page)
