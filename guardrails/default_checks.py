"""All checks of this project, set up for a policy."""

from guardrails.checks.citations import CitationsCheck
from guardrails.checks.conditions import ConditionsCheck
from guardrails.checks.confidence import ConfidenceCheck
from guardrails.checks.contradiction import ContradictionCheck
from guardrails.checks.evasive import EvasiveCheck
from guardrails.checks.exfiltration import ExfiltrationCheck
from guardrails.checks.freshness import FreshnessCheck
from guardrails.checks.identifiers import IdentifiersCheck
from guardrails.checks.injection import EvidenceInjectionCheck, QuestionInjectionCheck
from guardrails.checks.language import LanguageCheck
from guardrails.checks.numbers import NumbersCheck
from guardrails.checks.personal_data import PersonalDataCheck, QuestionPersonalDataCheck
from guardrails.checks.roles import RolesCheck
from guardrails.checks.schema import SchemaCheck
from guardrails.checks.screens import ScreensCheck
from guardrails.checks.terms import TermsCheck
from guardrails.checks.topics import TopicsCheck
from guardrails.contract import Check
from guardrails.policy.decide import Policy


def default_checks(policy: Policy) -> list[Check]:
    """All checks of this project, set up for a policy."""
    return [
        QuestionInjectionCheck(),
        TopicsCheck(policy.topics, "question"),
        ScreensCheck(policy.screens),
        QuestionPersonalDataCheck(),
        SchemaCheck(),
        CitationsCheck(),
        NumbersCheck(),
        TermsCheck(),
        IdentifiersCheck(),
        RolesCheck(),
        ConditionsCheck(),
        EvidenceInjectionCheck(),
        TopicsCheck(policy.topics, "draft"),
        ConfidenceCheck(policy.min_margin),
        EvasiveCheck(),
        LanguageCheck(),
        ExfiltrationCheck(),
        PersonalDataCheck(),
        FreshnessCheck(),
        ContradictionCheck(),
    ]
