"""Conditions that are exchanged or lost: of the question, of the source, of the next sentence."""

import pytest

from guardrails.checks.conditions import ConditionsCheck, strengthened
from guardrails.checks.contradiction import ContradictionCheck
from guardrails.contract import Case, Citation, Draft, Outcome, Passage, Sentence, sentence_bounds


def case(
    question: str, text: str, quoted: int, said: str = "", others: tuple[str, ...] = ()
) -> Case:
    """A draft that quotes the ``quoted``-th sentence of ``text``, or says ``said`` of it."""
    start, end = sentence_bounds(text)[quoted]
    passages = [
        Passage(f"p{n}", f"d{n}", "main", "Notes", one, 0, len(one))
        for n, one in enumerate((text, *others))
    ]
    cited = Citation(1, "p0", "d0", "Notes", None, text[start:end], start, end)
    draft = Draft((Sentence(said or cited.quote, (1,)),), (cited,), "reader")
    return Case(question, draft, tuple(passages))


def is_held(one: Case) -> bool:
    return any(f.outcome is Outcome.FAIL for f in ConditionsCheck().run(one))


@pytest.mark.parametrize(
    ("question", "text", "quoted"),
    [
        ("When do tours at weekends start?", "Tours on weekdays start at two. Ask.", 0),
        ("What does a ride cost for children?", "A ride costs £9 for adults.", 0),
        ("What do guards without a badge earn?", "Guards with a badge earn £16 an hour.", 0),
        ("How much are movers paid a day?", "Movers are paid £18 an hour.", 0),
        ("Who waters the northern beds?", "The southern beds are watered by Team B.", 0),
        ("What is due with the second letter?", "A fee is due with the first letter.", 0),
        ("What did the youngest sister do?", "The eldest sister kept the shop.", 0),
        ("What is a visit including VAT?", "A visit is £95 plus VAT.", 0),
        ("How are hides sold?", "Until 2023 hides were sold by weight.", 0),
        ("Can sale goods be returned?",
         "Goods can be returned. This does not apply to sale goods.", 0),
        ("Is it free for guests of the annexe?",
         "It is free for guests*.\n\n* Not for the annexe.", 0),
        ("Who replaces the pump that the cover includes?",
         "The cover does not include the pump. The pump is replaced by a fitter.", 1),
        ("Who lends helmets for the outdoor lessons?",
         "Lessons take place indoors. Helmets are lent by the groom.", 1),
        ("What does the Aqua 30 pump weigh?",
         "The Aqua 30 pump is loud. The Aqua 50 pump is not. It weighs 9 kg.", 2),
    ],
)  # fmt: skip
def test_an_exchanged_or_denied_condition_is_held(question: str, text: str, quoted: int) -> None:
    assert is_held(case(question, text, quoted))


@pytest.mark.parametrize(
    ("question", "text", "quoted"),
    [
        ("When do tours from Monday to Friday start?", "Tours on weekdays start at two. Ask.", 0),
        ("What do adults and children pay for a ride?", "A ride costs £9 for adults.", 0),
        ("How much are movers paid per hour?", "Movers are paid £18 an hour.", 0),
        ("Who waters the northern beds?", "The beds north of the path are watered by Team B.", 0),
        ("Which port is the second largest?", "Third in age, Elm is the second-largest port.", 0),
        ("What did both sisters do?", "The eldest sister kept the shop.", 0),
        ("What is a visit without VAT?", "A visit is £95 plus VAT.", 0),
        ("How were hides sold until 2023?", "Until 2023 hides were sold by weight.", 0),
        ("What is data used for today?", "The data is used to plan routes.", 0),
        ("Can goods be returned?", "Goods can be returned. This does not apply to sale goods.", 0),
        ("What does the cover not include?",
         "The cover does not include the pump. The pump is replaced by a fitter.", 0),
        ("Why are tickets not refunded?", "Tickets are not refundable. Ask.", 0),
        ("What does the Aqua 50 pump weigh?",
         "The Aqua 30 pump is loud. The Aqua 50 pump is not. It weighs 9 kg.", 2),
        ("When was Ada born?",
         "Ada taught boys. Her aunt ran the school. She was born in 1815.", 2),
    ],
)  # fmt: skip
def test_the_condition_that_was_asked_for_is_not_held(
    question: str, text: str, quoted: int
) -> None:
    assert not is_held(case(question, text, quoted))


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        ("Some pastries contain nuts.", "All pastries contain nuts."),
        ("Most kayaks have a rudder.", "Every kayak has a rudder."),
        ("Only vans under two metres fit.", "All vans fit."),
        ("The flask may be heated.", "The flask must be heated."),
        ("The works might close in March.", "The works will close in March."),
        ("Visitors should wear ear plugs.", "Visitors must wear ear plugs."),
        ("A ride used to cost a shilling.", "A ride costs a shilling."),
        ("The lido will open on Sundays from next year.", "The lido opens on Sundays."),
        ("The glue is not suitable for metal.", "The glue is suitable for metal."),
        ("Riders need a helmet.", "Riders do not need a helmet."),
        ("The excess for storms is £350.", "The excess for storms is not £350."),
        ("Repairs are free unless the boiler is old.", "Repairs are free."),
        ("If the tank is full, no fee is charged.", "No fee is charged."),
    ],
)
def test_a_claim_that_is_stronger_than_its_source_is_found(source: str, claim: str) -> None:
    assert strengthened(claim, [source])


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        ("Some pastries contain nuts.", "Certain pastries contain nuts."),
        ("Some 12,000 letters are in the archive.", "The archive holds 12,000 letters."),
        ("The flask may be heated.", "Heating the flask is allowed."),
        ("Dogs must be on a lead.", "Dogs are on a lead."),
        ("The glue is not suitable for metal.", "The glue is unsuitable for metal."),
        ("Entry is free except on Saturdays.", "Entry is free, but not on Saturdays."),
        ("Not only members may row.", "Members may row."),
        ("The excess is £350, not £250.", "The excess is not £250."),
        ("The hall can hold 200 guests.", "The hall holds 200 guests."),
    ],
)
def test_the_same_in_other_words_is_not_found(source: str, claim: str) -> None:
    assert not strengthened(claim, [source])


@pytest.mark.parametrize(
    ("said", "other"),
    [
        ("Tap water must be boiled before drinking.", "Tap water can be drunk without boiling."),
        ("A licence is needed to drive the crane.", "The crane may be driven without a licence."),
        ("Visitors pay for showers.", "Showers are free for visitors."),
        ("Chalk is forbidden in the hall.", "You are welcome to use chalk in the hall."),
    ],
)
def test_a_duty_and_its_denial_contradict_each_other(said: str, other: str) -> None:
    question = f"Is it so: {said[0].lower()}{said[1:-1]}?"
    held, honest = (
        ContradictionCheck().run(case(question, said, 0, others=(text,)))
        for text in (other, "Tap water tastes of iron; the crane, chalk and showers are new.")
    )
    assert held[0].outcome is Outcome.FAIL
    assert honest[0].outcome is Outcome.PASS
