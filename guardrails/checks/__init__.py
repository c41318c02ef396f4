"""The checks: each looks at one case and says what it found."""

from typing import TYPE_CHECKING, Literal, Protocol

from guardrails.contract import Case, Finding

if TYPE_CHECKING:
    from guardrails.policy import Policy

Stage = Literal["question", "draft"]


class Check(Protocol):
    """One check. ``run`` returns at least one finding; it may raise, and may be late."""

    @property
    def name(self) -> str:
        """Its name in findings, policies and docs."""

    @property
    def stage(self) -> Stage:
        """Whether it looks at the question alone, or at the draft."""

    @property
    def timeout_s(self) -> float:
        """Seconds after which it counts as could not run."""

    def run(self, case: Case) -> list[Finding]:
        """What it found."""


def default_checks(policy: "Policy") -> list[Check]:
    """All checks of this project, set up for a policy."""
    from guardrails.checks.citations import CitationsCheck
    from guardrails.checks.confidence import ConfidenceCheck
    from guardrails.checks.contradiction import ContradictionCheck
    from guardrails.checks.evasive import EvasiveCheck
    from guardrails.checks.exfiltration import ExfiltrationCheck
    from guardrails.checks.freshness import FreshnessCheck
    from guardrails.checks.injection import EvidenceInjectionCheck, QuestionInjectionCheck
    from guardrails.checks.language import LanguageCheck
    from guardrails.checks.numbers import NumbersCheck
    from guardrails.checks.personal_data import PersonalDataCheck, QuestionPersonalDataCheck
    from guardrails.checks.relevance import RelevanceCheck
    from guardrails.checks.schema import SchemaCheck
    from guardrails.checks.screens import ScreensCheck
    from guardrails.checks.terms import TermsCheck
    from guardrails.checks.topics import TopicsCheck

    return [
        QuestionInjectionCheck(),
        TopicsCheck(policy.topics, "question"),
        ScreensCheck(policy.screens),
        QuestionPersonalDataCheck(),
        SchemaCheck(),
        CitationsCheck(),
        NumbersCheck(),
        TermsCheck(),
        EvidenceInjectionCheck(),
        TopicsCheck(policy.topics, "draft"),
        ConfidenceCheck(policy.min_margin),
        RelevanceCheck(),
        EvasiveCheck(),
        LanguageCheck(),
        ExfiltrationCheck(),
        PersonalDataCheck(),
        FreshnessCheck(),
        ContradictionCheck(),
    ]
