"""Does the question or the answer hold personal data, or a secret such as a key?"""

from collections.abc import Collection, Iterable

from guardrails.contract import Case, Draft, Finding, Outcome, Stage
from guardrails.personal_data.find import (
    KINDS,
    TYPED_BY_ACCIDENT,
    Match,
    find_personal_data,
    mask,
)

APART = "\n\n\n\n\n"
"""Between texts that are searched together: no pattern reaches over it."""


class PersonalDataCheck:
    """Fails once for each kind of personal data in anything the asker would be shown."""

    name = "personal_data"
    stage: Stage = "draft"
    timeout_s = 3.0

    def run(self, case: Case) -> list[Finding]:
        """A fail for each kind, labelled with it, else one pass."""
        shown = _shown(case.draft) if case.draft else []
        return _findings(self.name, "The answer", shown, KINDS)


class QuestionPersonalDataCheck:
    """Fails for secrets, cards, accounts and identity numbers that the asker typed."""

    name = "personal_data_question"
    stage: Stage = "question"
    timeout_s = 3.0

    def run(self, case: Case) -> list[Finding]:
        """A fail for each such kind, labelled with it, else one pass."""
        return _findings(self.name, "The question", [case.question], TYPED_BY_ACCIDENT)


def _shown(draft: Draft) -> Iterable[str]:
    """Every text of the answer object once; quotes too, as a reader of the answer sees them."""
    texts = [sentence.text for sentence in draft.sentences]
    texts += [draft.short or "", *(citation.quote for citation in draft.citations)]
    return dict.fromkeys(texts)


def _findings(
    check: str, where: str, texts: Iterable[str], kinds: Collection[str]
) -> list[Finding]:
    excerpts: dict[str, str] = {}
    text = APART.join(texts)
    for match in find_personal_data(text):
        if match.kind in kinds and match.kind not in excerpts:
            # Masked: a finding is stored, and the secret need not be stored once more.
            excerpts[match.kind] = _masked_line(text, match)
    found = [
        Finding(check, Outcome.FAIL, f"{where} holds {KINDS[kind]}.", kind, excerpt)
        for kind, excerpt in excerpts.items()
    ]
    return found or [Finding(check, Outcome.PASS, f"{where} holds no personal data.")]


def _masked_line(text: str, match: Match) -> str:
    """What stands around a match, without it and all others."""
    begin = text.rfind(APART, 0, match.start) + 1
    end = text.find(APART, match.end)
    return mask(text[begin : end if end >= 0 else None].strip(), KINDS)[:200]
