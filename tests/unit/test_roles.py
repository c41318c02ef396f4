"""Who is asked for, and who a pronoun in the answer's sentence stands for."""

import pytest

from guardrails.checks.roles import RolesCheck
from guardrails.contract import Case, Draft, Outcome, Sentence


def is_held(question: str, text: str, short: str) -> bool:
    draft = Draft((Sentence(text, ()),), (), "reader", short)
    return any(f.outcome is Outcome.FAIL for f in RolesCheck().run(Case(question, draft, ())))


@pytest.mark.parametrize(
    ("question", "text", "short"),
    [
        ("Who was the first warden?",
         "She was the first warden; Tom Reed built the hut.", "Tom Reed"),
        ("who is head of finance", "He is head of finance and reports to Ana Silva.", "Ana Silva"),
    ],
)  # fmt: skip
def test_who_stands_after_what_is_said_of_a_pronoun_is_somebody_else(
    question: str, text: str, short: str
) -> None:
    assert is_held(question, text, short)


@pytest.mark.parametrize(
    ("question", "text", "short"),
    [
        ("Who was the first warden?",
         "Ida Lund came in 1950; she was the first warden.", "Ida Lund"),
        ("Who was the first warden?",
         "Ida Lund says she was the first warden. Ida Lund stayed.", "Ida Lund"),
        ("Who is head of finance?", "Ana Silva is head of finance.", "Ana Silva"),
        ("Who is it?", "He is it, says Ana Silva.", "Ana Silva"),
        ("What is head office called?", "It is head office, called Elm House.", "Elm House"),
    ],
)  # fmt: skip
def test_who_is_named_before_is_not_held(question: str, text: str, short: str) -> None:
    assert not is_held(question, text, short)
