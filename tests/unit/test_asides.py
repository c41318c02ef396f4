"""What a text says beside its matter is no answer, unless just that is asked."""

import pytest

from app.inference.asides import asides, pointing
from app.inference.tables import MOST_MISSED
from guardrails.contract import Passage


@pytest.mark.parametrize(
    ("question", "text", "taken"),
    [
        ("what does the manual say of frost", "MX-40\n\nEdition 3, May 2025.", False),
        ("which edition is this", "MX-40\n\nEdition 3, May 2025.", True),
        ("does the guide fit the MX-60", "MX-40\n\nApplies to MX-40 and MX-60.", True),
        ("how heavy is it", "MX-40\n\nIt weighs 9 kg.", True),
    ],
)
def test_which_edition_a_text_is_answers_only_who_asks_for_that(
    question: str, text: str, taken: bool
) -> None:
    passage = Passage("p", "d", "main", "MX-40", text, 0, len(text), headings=("MX-40",))
    start = text.index("\n") + 1
    parts = [] if taken else [((start, len(text)), MOST_MISSED)]
    assert asides(question, passage, start) == parts


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("The effect of age is explored more thoroughly in Section 5.2.", True),
        ("Results for older pumps are shown in Table 2.", True),
        ("We compare our pumps to theirs in the following.", True),
        ("See Tables 1 and 2 for details of each pump.", True),
        ("Prices are listed below.", True),
        ("Figure 3.", True),
        ("As shown in Table 2, it is 40% smaller.", False),
        ("It took 9 hours, as reported in Table 2.", False),
        ("Damage is covered under section 5.", False),
        ("You find the form in the leaflet.", False),
        ("No refund is given for the following night.", False),
    ],
)
def test_a_sentence_may_only_say_where_something_is_told(text: str, points: bool) -> None:
    around = f"We sell pumps. {text} They last, whatever Section 1 says."
    found = [around[start:end] for start, end in pointing(around)]
    assert found == ([text] if points else [])


def test_who_asks_for_the_place_may_have_it() -> None:
    text = "The effect of age is explored in Section 5.2."
    passage = Passage("p", "d", "main", "Pumps", text, 0, len(text))
    assert asides("how does age count", passage, 0) == [((0, len(text)), MOST_MISSED)]
    assert asides("which section is on age", passage, 0) == []


def test_cited_works_answer_only_who_asks_for_them() -> None:
    text = "A. Rowe. 2019. Pumps: a short history of heat. Heat Letters, 32."
    passage = Passage("p", "d", "main", "Pumps", text, 0, len(text), headings=("References",))
    assert asides("how do pumps work", passage, 0) == [((0, len(text)), MOST_MISSED)]
    assert asides("who wrote on the history of heat", passage, 0) == []
