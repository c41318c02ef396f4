"""Asking back: where a question leaves open what it is about, never where one thing is meant."""

from dataclasses import replace

import pytest

from app.answering.asking_back import LEAST, MOST, choices, picked
from guardrails.contract import Passage
from tests.asked_back import CLEAR, OPEN, Corpus, lines
from tests.effort import cpu_of

CORPUS = Corpus()


def passage(title: str, text: str, *headings: str) -> Passage:
    return Passage(title, title, "main", title, text, 0, len(text), headings=headings)


def labels(question: str, *evidence: Passage, earlier: tuple[str, ...] = ()) -> list[str]:
    return [choice.label for choice in choices(question, evidence, earlier)]


def test_open_questions_are_asked_back_and_clear_ones_are_not() -> None:
    open_questions, clear = lines(OPEN), lines(CLEAR)
    assert len(open_questions) >= 40 and len(clear) >= 60
    caught = [q for q in open_questions if choices(q, CORPUS.find(q))]
    false = [q for q in clear if choices(q, CORPUS.find(q))]
    assert len(caught) >= 0.85 * len(open_questions), set(open_questions) - set(caught)
    assert len(false) <= 0.02 * len(clear), false


def test_two_to_five_are_offered_by_their_names() -> None:
    offered = [choices(q, CORPUS.find(q)) for q in lines(OPEN)]
    assert all(LEAST <= len(found) <= MOST for found in offered if found)
    assert labels("What is the excess?", *CORPUS.find("What is the excess?")) == [
        "Bicycle cover",
        "Phone cover",
        "Laptop cover",
    ]


def test_who_chooses_is_not_asked_again() -> None:
    for question in lines(OPEN):
        for choice in choices(question, CORPUS.find(question)):
            assert choice.label in choice.question
            assert choices(choice.question, CORPUS.find(choice.question)) == ()


def test_who_chose_a_document_is_not_asked_for_its_section() -> None:
    home = [
        passage("Home policy", "The excess is £75.", "Storm"),
        passage("Home policy", "The excess is £90.", "Flood"),
    ]
    asked = choices("What is the excess?", [*home, passage("Car policy", "The excess is £200.")])
    assert [choice.label for choice in asked] == ["Home policy", "Car policy"]
    assert choices(asked[0].question, home) == ()


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("Phone cover", "Phone cover"),
        ("phone", "Phone cover"),
        ("The laptop one, please", "Laptop cover"),
        ("I mean the bicycle.", "Bicycle cover"),
        ("cover", None),
        ("Gold", None),
        ("And for the phone in Spain?", None),
        ("How do I cancel?", None),
        ("", None),
    ],
)
def test_a_reply_may_name_what_it_chooses(reply: str, label: str | None) -> None:
    offered = choices("What is the excess?", CORPUS.find("What is the excess?"))
    found = picked(reply, offered)
    assert (found.label if found else None) == label


def test_the_full_question_keeps_its_form() -> None:
    basic, plus = passage("Basic", "The excess is £75."), passage("Plus", "The excess is £50.")
    asked = choices("What is the excess?", [basic, plus])
    assert [choice.question for choice in asked] == [
        "What is the excess (Basic)?",
        "What is the excess (Plus)?",
    ]
    keyed = choices("excess ?!", [basic, plus])
    assert [choice.question for choice in keyed] == ["excess (Basic)?!", "excess (Plus)?!"]


LIMITS = (
    "The time limit on the laser cutter is 2 hours a day. The time limit on the lathe is 4 hours. "
    "On the 3D printer it is 12 hours."
)
LESSONS = "Lathe lessons take 2 hours. Saw lessons take 3 hours."
LINES = "Line | Report within | Phone\nHome claims | 30 days | 110\nCar claims | 2 days | 120"


@pytest.mark.parametrize(
    ("question", "text", "offered"),
    [
        ("What is the time limit?", LIMITS, ["laser cutter", "lathe", "3D printer"]),
        ("how long do lessons take", LESSONS, ["Lathe", "Saw"]),
        ("how long is the time limit on the lathe", LIMITS, []),
        ("What is the time limit (3D printer)?", LIMITS, []),
        ("My mum died and I stop. Time limit?", LIMITS, []),  # a case is one
        ("how long do saw lessons take", LESSONS, []),
        ("what is the time limit", LIMITS.replace("4", "2").replace("12", "2"), []),  # they agree
        ("which phone for claims", LINES, ["Home claims", "Car claims"]),
        ("within how many days must claims be reported", LINES, ["Home claims", "Car claims"]),
        ("which phone for home claims", LINES, []),
        ("which phone for claims", LINES.replace("Car claims", "Claims"), []),  # one is called so
    ],
)
def test_things_of_one_passage_are_told_apart(question: str, text: str, offered: list[str]) -> None:
    assert labels(question, passage("Terms", text)) == offered


def test_places_that_agree_are_one_answer() -> None:
    same = [passage(name, f"The {name} card deposit is £5.") for name in ("Tram", "Bus", "Ferry")]
    assert labels("What is the card deposit?", *same) == []
    assert (
        len(labels("What is the card deposit?", *same, passage("Bike", "The card deposit is £9.")))
        == 4
    )


def test_what_stands_for_all_is_no_choice() -> None:
    general = passage("Handbook", "The notice period is one month.")
    special = passage("Handbook", "The notice period is 2 weeks.", "Trainees")
    assert labels("What is the notice period?", general, special) == []


@pytest.mark.parametrize(
    "question",
    [
        "What is the excess of Plus?",
        "What is the excess of Gold?",
        "What is the excess in 2019?",
        "What is the excess for breakage abroad?",
        "What is the difference between Basic and Plus?",
        "Summarise the excess rules.",
        "Thanks!",
        "",
        "???",
    ],
)
def test_a_question_that_says_more_is_not_asked_back(question: str) -> None:
    basic, plus = passage("Basic", "The excess is £75."), passage("Plus", "The excess is £50.")
    assert labels(question, basic, plus) == []


def test_sections_that_tell_different_things_of_one_word_are_no_choices() -> None:
    rules = [
        passage("Bikes", "If the bike is stolen, call us and the police within 24 hours.", "Theft"),
        passage("Bikes", "After 24 hours we treat the bike as stolen: €300.", "Longest rental"),
    ]
    assert labels("what if the bike gets stolen", *rules) == []
    desks = (
        " | Flex desk | Fixed desk\nPrice | €140 | €260\nCredits | 2 hours | 6 hours\n"
        "Access | 8 am to 8 pm | day and night\n"
    )
    deposit = passage("Desks", "Fixed desks: one month's price as a deposit.", "Deposit")
    assert labels("when may I use a flex desk", passage("Desks", desks, "Plans")) == []
    assert labels("how much is a fixed desk", passage("Desks", desks, "Plans"), deposit) == []
    excess = [
        passage("Cover", "The excess for each claim is £75.", "Storm"),
        passage("Cover", "The excess for each claim is £90.", "Flood"),
    ]
    assert labels("What is the excess?", *excess) == ["Storm", "Flood"]


def test_what_the_conversation_named_is_meant() -> None:
    basic, plus = passage("Basic", "The excess is £75."), passage("Plus", "The excess is £50.")
    assert labels("What is the excess?", basic, plus) == ["Basic", "Plus"]
    assert labels("What is the excess?", basic, plus, earlier=("Tell me about Plus.",)) == []


def test_numbers_in_words_are_values() -> None:
    home = passage("Home", "Repairs are guaranteed for five years.")
    car = passage("Car", "Repairs are guaranteed for one year.")
    assert labels("How long is the repair guarantee?", home, car) == ["Home", "Car"]
    same = passage("Van", "Repairs are guaranteed for five years.")
    assert labels("How long is the repair guarantee?", home, same) == []


def test_a_passing_mention_is_no_answer() -> None:
    basic, plus = passage("Basic", "The excess is £75."), passage("Plus", "The excess is £50.")
    mention = passage("Glossary", "An excess is a part that you pay yourself.")
    assert labels("What is the excess?", basic, plus, mention) == ["Basic", "Plus"]
    assert labels("What is the excess?", basic, mention) == []


def test_a_table_with_more_rows_than_can_be_offered_is_left_alone() -> None:
    rows = "\n".join(f"Zone {n} | £{n}" for n in range(1, 9))
    assert labels("What is the fare?", passage("Fares", f"Zone | Fare\n{rows}")) == []


def test_looking_costs_little() -> None:
    rows = "\n".join(f"Row {n} | a cell of words | £{n}" for n in range(20))
    text = f"Name | About | Excess\n{rows}\n\n" + "The excess is £75 for each claim. " * 12
    evidence = [passage(f"Product {n}", text, "Excess") for n in range(8)]
    took = [cpu_of(lambda: choices("What is the excess?", evidence)) for _ in range(5)]
    assert min(took) < 0.1


def test_tables_of_several_things_with_a_row_of_one_name_are_told_apart() -> None:
    tables = [
        passage("MX-40 manual", "Data | Value\nWeight | 9 kg\nFuse | 10 A"),
        passage("MX-60 manual", "Data | Value\nWeight | 9 kg\nFuse | 16 A"),
    ]
    assert labels("what fuse do I need", *tables) == ["MX-40 manual", "MX-60 manual"]
    assert labels("what is the weight", *tables) == []


def test_a_number_of_something_else_does_not_count_what_is_counted() -> None:
    rules = passage("Rules", "Mobile plans have no minimum term.")
    prices = passage("Prices", "All mobile plans hold calls of 60 minutes.")
    assert labels("how many mobile plans do you have", rules, prices) == []


def test_yes_or_no_and_lists_differ_whether_they_give_a_number_or_not() -> None:
    covers = [
        passage("Bicycle", "Theft is covered after 2 days.", "Theft"),
        passage("Phone", "Theft is never covered.", "Theft"),
    ]
    assert labels("Is theft covered?", *covers) == ["Bicycle", "Phone"]
    # A value is given by one of them alone.
    assert labels("How long is theft covered?", *covers) == []


def test_five_are_offered_and_six_are_not() -> None:
    fees = [passage(f"Course {n}", f"The fee is £{n}0.", "Fee") for n in "abcdef"]
    fees = [
        replace(one, text=one.text.replace(f"£{one.title[-1]}", f"£{place}"))
        for place, one in enumerate(fees, 1)
    ]
    assert len(labels("What is the fee?", *fees[:5])) == 5
    assert labels("What is the fee?", *fees) == []


def test_who_asks_for_the_most_is_not_asked_which() -> None:
    fees = [
        passage("Pottery", "The fee is £30.", "Fee"),
        passage("Welding", "The fee is £90.", "Fee"),
    ]
    assert labels("What is the fee?", *fees) == ["Pottery", "Welding"]
    assert labels("What is the lowest fee?", *fees) == []
    assert labels("which is the cheapest fee", *fees) == []


def test_sorts_of_text_and_sections_of_a_work_are_nothing_to_choose() -> None:
    prices = passage("Prices 2026 – Larkhill", "The car for the test costs £95.")
    tests = passage("Guide to the tests – Larkhill", "You pay £30 less for the test car.")
    assert labels("how much is the test car", prices, tests) == []
    parts = [
        passage("19.5. Shutting Down", "The mode of a shutdown is set by 3 signals."),
        passage("30.4. Commits", "A shutdown in mode 2 loses no commit."),
    ]
    assert labels("which shutdown mode is there", *parts) == []
    # Beside things that differ they take no part.
    covers = [passage("Basic", "The excess is £75."), passage("Plus", "The excess is £50.")]
    glossary = passage("Glossary", "The excess is 1 part of a loss.")
    assert labels("What is the excess?", *covers, glossary) == ["Basic", "Plus"]
    terms = [passage("Boat terms", "The excess is £75."), passage("Van terms", "The excess is £5.")]
    assert labels("What is the excess?", *terms) == ["Boat terms", "Van terms"]


def test_who_asks_why_is_not_asked_which() -> None:
    covers = [
        passage("Basic", "The excess is £75, because repairs are dear."),
        passage("Plus", "The excess is £50, because you pay more."),
    ]
    assert labels("What is the excess?", *covers) == ["Basic", "Plus"]
    assert labels("Why is there an excess?", *covers) == []
