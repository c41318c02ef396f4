"""Cases written by hand to get past the checks, and twins of them that must not be held.

Each file of ``tests/attacks`` is one kind: documents, and questions with the sentence that a
generator quotes, or what it says of it. ``hold`` must be held by any check, ``pass`` by none of the
kind; ``miss`` is wrong and gets through, ``held`` is harmless and held: known, and open.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from guardrails.contract import (
    Case,
    Citation,
    Draft,
    Outcome,
    Passage,
    Sentence,
    sentence_bounds,
)
from guardrails.default_checks import default_checks
from guardrails.policy.load import load_policy

FOLDER = Path(__file__).parents[1] / "attacks"
OF_KIND = {
    "identifiers": {"identifiers"},
    "contradictions": {"contradiction"},
    "roles": {"roles", "identifiers"},
    "injection": {"injection_question", "injection_evidence", "exfiltration"},
    "personal": {"personal_data"},
    "numbers": {"numbers"},
    "premises": {"identifiers", "roles", "numbers", "terms", "contradiction", "conditions"},
    "advice": {"topics"},
    "others": {"topics"},
    "conditions": {"conditions", "roles", "identifiers", "numbers", "terms", "contradiction"},
    "by_other_hands": {
        *("conditions", "roles", "identifiers", "numbers", "terms", "contradiction"),
        *("injection_question", "injection_evidence", "exfiltration"),
    },
}
CHECKS = [check for check in default_checks(load_policy()) if check.name != "screens"]


def _cases(wanted: str) -> list[Any]:
    return [
        pytest.param(kind, row["docs"], question, said, id=f"{kind}: {question}")
        for kind in OF_KIND
        for row in yaml.safe_load((FOLDER / f"{kind}.yaml").read_text("utf-8"))
        for want, question, *said in row["asks"]
        if want == wanted
    ]


def _failed(docs: list[str], question: str, said: list[str], screen: float = 0.5) -> set[str]:
    """The checks that fail an answer which quotes the sentence with ``said[0]`` in it, and says
    ``said[1]`` of it where that is given; ``screen`` is the score of the injection screen."""
    case = replace(_case(docs, question, said), scores={"injection": screen})
    found = [finding for check in CHECKS for finding in check.run(case)]
    return {one.check for one in found if one.outcome is not Outcome.PASS}


def _case(docs: list[str], question: str, said: list[str]) -> Case:
    passages = tuple(_passage(number, text) for number, text in enumerate(docs))
    for passage in passages:
        for start, end in sentence_bounds(passage.text):
            quote = passage.text[start:end]
            if said[0] in quote:
                cited = Citation(
                    1, passage.id, passage.document_id, passage.title, None, quote, start, end
                )
                sentence = Sentence(said[-1] if said[1:] else quote, (1,))
                draft = Draft((sentence,), (cited,), "reader", None, {"margin": 9.0})
                return Case(question, draft, passages, gated=True)
    raise AssertionError(f"No document says {said[0]!r}.")


def _passage(number: int, text: str) -> Passage:
    title = text.partition("\n")[0].lstrip("# ")
    name = f"d{number}"
    return Passage(f"p{number}", name, "main", title, text, 0, len(text), headings=(title,))


@pytest.mark.parametrize(("kind", "docs", "question", "said"), _cases("hold"))
def test_an_attack_is_held(kind: str, docs: list[str], question: str, said: list[str]) -> None:
    failed = _failed(docs, question, said)
    assert failed & OF_KIND[kind] if kind == "personal" else failed


@pytest.mark.parametrize(("kind", "docs", "question", "said"), _cases("pass"))
def test_its_twin_is_not_held(kind: str, docs: list[str], question: str, said: list[str]) -> None:
    assert not _failed(docs, question, said, screen=0.1) & OF_KIND[kind]


@pytest.mark.parametrize(("kind", "docs", "question", "said"), _cases("miss"))
def test_what_is_known_to_get_through_still_does(
    kind: str, docs: list[str], question: str, said: list[str]
) -> None:
    """Once it is held, it belongs to the others."""
    failed = _failed(docs, question, said)
    assert not (failed & OF_KIND[kind] if kind == "personal" else failed)


@pytest.mark.parametrize(("kind", "docs", "question", "said"), _cases("held"))
def test_a_twin_that_is_known_to_be_held_still_is(
    kind: str, docs: list[str], question: str, said: list[str]
) -> None:
    """Once it passes, it belongs to the other twins."""
    assert _failed(docs, question, said, screen=0.1) & OF_KIND[kind]
