"""Made pairs of sentences from two documents: those that contradict each other, and those that do
not."""

import itertools
from collections.abc import Iterator

import pytest

from guardrails.checks.contradiction import ContradictionCheck
from guardrails.contract import Case, Citation, Draft, Outcome, Passage, Sentence

CHECK = ContradictionCheck()
Pair = tuple[str, str, str]
"""A question, the sentence of one document and that of another."""

DATED = (
    ("When is the spring fair?", "The spring fair takes place {}.", "The spring fair is held {}."),
    ("When does the ferry season end?", "The ferry season ends {}.", "The ferry season ends {}."),
    (
        "When is the rent due?",
        "The rent for the garage is due {}.",
        "The rent for the garage falls due {}.",
    ),
    (
        "When is the annual meeting?",
        "The annual meeting of members is {}.",
        "The annual meeting takes place {}.",
    ),
)
DATES = ("on 3 March", "on 14 June 2026", "in May", "in October", "on Tuesday", "on Fridays")
OTHERS = {
    "on 3 March": "on 8 March",
    "on 14 June 2026": "on 14 July 2026",
    "in May": "in March",
    "in October": "in November",
    "on Tuesday": "on Thursday",
    "on Fridays": "on Sundays",
}
MEASURED = (
    (
        "How long is the notice period?",
        "The notice period is {}.",
        "The notice period for members is {}.",
        "{} days",
        "{} weeks",
    ),
    (
        "What does the day ticket cost?",
        "The day ticket costs {}.",
        "The day ticket costs {} at the door.",
        "{} euros",
        "£{}",
    ),
    (
        "How heavy may a bag be?",
        "A checked bag may weigh {}.",
        "A checked bag may weigh up to {}.",
        "{} kg",
        "{} pounds",
    ),
    (
        "How warm is the pool?",
        "The pool is heated to {}.",
        "The large pool is heated to {}.",
        "{} degrees Celsius",
        "{} °C",
    ),
    (
        "What share does the fund pay?",
        "The fund pays {} of the bill.",
        "The fund pays {} of the whole bill.",
        "{}%",
        "{} percent",
    ),
    (
        "How many rooms has the hostel?",
        "The hostel has {}.",
        "The hostel by the lake has {}.",
        "{} rooms",
        "{} rooms",
    ),
)
NUMBERS = ((14, 21), (30, 35), (45, 54), (12, 18))
SAID = (
    (
        "Are dogs allowed in the garden?",
        "Dogs are allowed in the garden.",
        "Dogs are not allowed in the garden.",
    ),
    (
        "Are dogs allowed in the garden?",
        "Dogs are allowed in the garden.",
        "Dogs are forbidden in the garden.",
    ),
    (
        "Is breakfast included?",
        "Breakfast is included in the price.",
        "Breakfast is not included in the price.",
    ),
    (
        "Is the museum open on Mondays?",
        "The museum is open on Mondays.",
        "The museum is closed on Mondays.",
    ),
    (
        "Can the deposit be refunded?",
        "The deposit can be refunded later.",
        "The deposit cannot be refunded later.",
    ),
    (
        "Do members need a permit?",
        "Members need a permit to fish.",
        "Members do not need a permit to fish.",
    ),
    (
        "Is the lift accepted as step-free?",
        "The lift is accepted as step-free.",
        "The lift is refused as step-free.",
    ),
    (
        "Is the course compulsory?",
        "The safety course is compulsory for staff.",
        "The safety course is optional for staff.",
    ),
)
PLACES = (
    "library",
    "harbour office",
    "swimming club",
    "music school",
    "night shelter",
    "museum shop",
)
PEOPLE = ("Anna Berg", "Tomas Lund", "Farida Noor", "Colm Reilly", "Mei Tanaka")


def contradicting() -> Iterator[Pair]:
    """Pairs of which at most one can be right."""
    for (asked, one, other), date in itertools.product(DATED, DATES):
        yield asked, one.format(date), other.format(OTHERS[date])
        yield asked, other.format(OTHERS[date]), one.format(date)
    for (asked, one, other, unit, _), (low, high) in itertools.product(MEASURED, NUMBERS):
        yield asked, one.format(unit.format(low)), other.format(unit.format(high))
        yield asked, other.format(unit.format(high)), one.format(unit.format(low))
    for asked, one, other in SAID:
        yield asked, one, other
        yield asked, other, one
    for place, (one, other) in itertools.product(PLACES, itertools.permutations(PEOPLE, 2)):
        yield (
            f"Who manages the {place}?",
            f"The manager of the {place} is {one}.",
            f"The manager of the {place} is {other}.",
        )


def consistent() -> Iterator[Pair]:
    """Pairs that say the same, or speak of two things."""
    for (asked, one, other), date in itertools.product(DATED, DATES):
        yield asked, one.format(date), other.format(date)
        yield asked, one.format(date), f"The winter concert takes place {OTHERS[date]}."
    for (asked, one, other, unit, _), (low, high) in itertools.product(MEASURED, NUMBERS):
        yield asked, one.format(unit.format(low)), other.format(unit.format(low))
        yield asked, one.format(unit.format(low)), f"A parking space costs {high} euros a month."
        yield (
            f"{asked} In plan 2?",
            f"In plan 2: {one.format(unit.format(low))}",
            f"In plan 3: {one.format(unit.format(high))}",
        )
    for asked, one, _ in SAID:
        yield asked, one, one
        yield asked, one, "Cats are not allowed in the kitchen."
    for place, person in itertools.product(PLACES, PEOPLE):
        said = f"The manager of the {place} is {person}."
        yield f"Who manages the {place}?", said, said
        yield f"Who manages the {place}?", said, "The manager of the cinema is Olga Petrov."
        yield f"Who manages the {place}?", said, f"{person} has been the manager for ten years."


def is_held(question: str, one: str, other: str) -> bool:
    passages = [Passage("p1", "d1", "main", "A", one, 0, len(one))]
    passages.append(Passage("p2", "d2", "main", "B", other, 0, len(other)))
    citation = Citation(1, "p1", "d1", "A", None, one, 0, len(one))
    draft = Draft((Sentence(one, (1,)),), (citation,), "fake")
    found = CHECK.run(Case(question, draft, tuple(passages)))
    return any(finding.outcome is Outcome.FAIL for finding in found)


def test_most_contradictions_are_found_and_few_consistent_pairs() -> None:
    pairs, same = list(contradicting()), list(consistent())
    assert len(pairs) >= 200 and len(same) >= 200
    missed = [pair for pair in pairs if not is_held(*pair)]
    false = [pair for pair in same if is_held(*pair)]
    assert len(missed) <= 0.2 * len(pairs), missed[:20]
    assert len(false) <= 0.02 * len(same), false[:20]


@pytest.mark.parametrize(
    ("question", "one", "other"),
    [
        (
            "When is the harvest supper?",
            "The harvest supper is in September.",
            "The harvest supper takes place in October.",
        ),
        (
            "On which day is the tip open?",
            "The tip is open on Monday.",
            "The tip is open on Wednesday.",
        ),
    ],
)
def test_two_documents_that_name_two_dates_are_held(question: str, one: str, other: str) -> None:
    assert is_held(question, one, other)


@pytest.mark.parametrize(
    ("question", "one", "other"),
    [
        (
            "What does a day ticket cost?",
            "A day ticket costs £12.",
            "The price of a day ticket is £15.",
        ),
        ("How much is the joining fee?", "The joining fee is £25.", "Joining costs £30."),
        ("What do you charge for a skip?", "A skip is €90.", "We charge 110 euros for a skip."),
        (
            "How long is the course?",
            "The course lasts six weeks.",
            "The course runs for eight weeks.",
        ),
        (
            "How long is the lease?",
            "The lease is valid for 5 years.",
            "The lease runs for three years.",
        ),
    ],
)
def test_values_told_in_other_words_of_price_and_length_are_held(
    question: str, one: str, other: str
) -> None:
    assert is_held(question, one, other) and is_held(question, other, one)


@pytest.mark.parametrize(
    ("question", "one", "other"),
    [
        (
            "What does a day ticket cost?",
            "A day ticket costs £12.",
            "The price of a day ticket is £12.",
        ),
        ("How much is the joining fee?", "The joining fee is £25.", "The cancellation fee is £30."),
        (
            "How long is the course?",
            "The course lasts six weeks.",
            "The advanced course runs for ten weeks.",
        ),
        (
            "How long is the lease?",
            "The lease is valid for 2 years.",
            "The lease runs for 24 months.",
        ),
        ("What does a locker cost?", "A locker costs £2.", "Parking costs £9."),
    ],
)
def test_other_prices_and_lengths_are_not(question: str, one: str, other: str) -> None:
    assert not is_held(question, one, other) and not is_held(question, other, one)
