"""Made passages as companies write them, with questions: tables, lists, terms, rules, steps.

Public questions are about encyclopedia articles and stories. A service reads price lists and
terms, where one row or plan says what the next one says with another number. Each passage here is
drawn from words and patterns of this file: what things there are, what is said of them, and how
people ask. The questions that it does not answer name a thing or a property that it does not have,
beside ones that it has.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from tokenizers import Tokenizer

from guardrails.contract import PLACE, sentence_bounds
from training.data import MAX_QUESTION_TOKENS, MAX_TITLE_TOKENS, ReaderExample, SpanExample

TIERS = (
    "Basic Plus Premier Silver Gold Platinum Saver Family Student Standard Complete Classic Light "
    "Flex Start Business Senior Junior Day Annual Single Weekend Comfort Core Pro Team Essential"
).split()
KINDS = (
    "plan|cover|membership|ticket|pass|tariff|account|package|policy|subscription|room|card|bundle"
).split("|")
THINGS = (
    "lost keys|a broken window|escape of water|windscreen repair|a late return|a double room|"
    "the swimming pool|visitor parking|a replacement card|an international parcel|"
    "a dental check-up|an MRI scan|a locker|a company laptop|hand luggage|a folding bicycle|"
    "an extra driver|a pet|a school lunch|a library book|a meeting room|a garden waste bin|"
    "bulky rubbish|a birth certificate|a provisional licence|a blood test|physiotherapy|"
    "a wheelchair|home delivery|click and collect|a sofa|a washing machine|the dishwasher|"
    "the boiler service|an emergency call-out|a wasp nest|overnight stays|business travel|"
    "client dinners|training courses|a mobile phone|a bank transfer|a cash withdrawal|"
    "an overdraft|a duplicate statement|a season ticket|a group booking|a hall|"
    "a children's party|a tennis court|the sauna|personal training|a guide dog|a caravan|"
    "a tent pitch|electric hook-up|firewood|a boat mooring|a fishing permit|a market stall|"
    "a street party|a skip|accidental damage|storm damage|theft from a car|jewellery|"
    "musical instruments|contact lenses|hearing aids|maternity leave|paternity leave|"
    "jury service|sick leave|a farewell gift|the shuttle bus|the night train|"
    "a seat reservation|a bicycle ticket|a cancelled train|a delayed flight|lost luggage|"
    "the adult dose|the child dose|the X200 printer|the X300 printer|the KM-4 pump|"
    "the KM-6 pump|filter cartridges|the ground floor|the annexe|hall A|hall B"
).split("|")


@dataclass(frozen=True)
class Property:
    """What can be said of a thing: ``names``, a value drawn by ``draw``, and how people ask."""

    names: tuple[str, ...]
    draw: Callable[[random.Random], str]
    asks: tuple[str, ...]


def _money(rng: random.Random) -> str:
    amount = rng.choice([rng.randint(2, 99), rng.randint(10, 99) * 10, rng.randint(1, 90) * 100])
    tail = rng.choice(["", "", "", ".50", ".99", ".90"]) if amount < 100 else ""
    unit = rng.choice(["", "", "", " a month", " a year", " per day", " per person", " each"])
    sign = rng.choice(["£{}", "£{}", "${}", "€{}", "{} euros", "EUR {}", "CHF {}", "{} pounds"])
    return sign.format(f"{amount:,}{tail}") + unit


def _duration(rng: random.Random) -> str:
    number = rng.choice([str(rng.randint(2, 60)), *("two three four six ten twelve".split())])
    kind = "days days working_days calendar_days weeks months hours minutes years nights".split()
    return f"{number} {rng.choice(kind).replace('_', ' ')}"


def _percent(rng: random.Random) -> str:
    return rng.choice(["{}%", "{} %", "{} per cent", "{} percent"]).format(
        rng.choice([rng.randint(1, 95), rng.randint(1, 19) / 2])
    )


def _count(rng: random.Random) -> str:
    number = rng.choice([str(rng.randint(2, 40)), *"two three four five six eight ten".split()])
    return rng.choice(["{}", "{}", "up to {}", "at least {}", "no more than {}"]).format(number)


def _measure(rng: random.Random) -> str:
    unit = "kg kg cm m litres ml mg GB MB kW bar square_metres miles km".split()
    return (
        f"{rng.choice([rng.randint(2, 900), rng.randint(2, 99) / 2])} {rng.choice(unit)}".replace(
            "_", " "
        )
    )


def _time(rng: random.Random) -> str:
    hour = rng.randint(6, 11)
    late = rng.randint(1, 10)
    return rng.choice(
        [
            f"{hour} am to {late} pm",
            f"{hour}:30-{late + 12}:00",
            f"{hour:02d}:00 to {late + 12}:30",
            f"{late} pm",
            f"{hour}.15 am",
            f"noon on {rng.choice(_DAYS)}",
            f"every {rng.choice(_DAYS)}",
            f"{rng.randint(1, 28)} {rng.choice(_MONTHS)}",
            f"{rng.randint(1, 28)} {rng.choice(_MONTHS)} {rng.randint(2019, 2027)}",
        ]
    )


_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_MONTHS = (
    "January February March April May June July August September October November December".split()
)


def _person(rng: random.Random) -> str:
    return rng.choice(
        "the duty manager|your line manager|the finance team|the site office|reception|"
        "the pharmacist|the head of operations|the claims desk|the night porter|"
        "two directors|the school nurse|the data protection officer|the shift supervisor|"
        "the membership secretary|the regional office|a registered electrician|"
        "the box office|the ward sister".split("|")
    )


def _contact(rng: random.Random) -> str:
    word = rng.choice("claims help desk office booking returns studio front team".split())
    return rng.choice(
        [
            f"0{rng.randint(300, 899)} {rng.randint(100, 999)} {rng.randint(1000, 9999)}",
            f"{word}@{rng.choice('harbour lindenhof quayside oakfield norvale'.split())}.example",
            f"extension {rng.randint(100, 9999)}",
            f"form {rng.choice('ABCKR')}{rng.randint(1, 60)}",
            f"room {rng.randint(1, 420)}",
        ]
    )


_HOW_MUCH = (
    "What is the {p} for {t}?",
    "How much is the {p} for {t}?",
    "{t} {p}",
    "{p} {t}?",
    "What {p} applies to {t}?",
    "what's the {p} on {t}",
    "How high is the {p} for {t}?",
    "Which {p} do I pay for {t}?",
    "I have a question about {t}: what is the {p}?",
)
PROPERTIES = (
    Property(
        tuple(
            "excess|call-out charge|monthly fee|deposit|late fee|delivery charge|price|"
            "surcharge|registration fee|annual premium|cancellation charge|hourly rate|"
            "yearly limit|allowance|fine|refundable deposit|maximum payment|handling fee|"
            "minimum spend".split("|")
        ),
        _money,
        _HOW_MUCH,
    ),
    Property(
        tuple(
            "waiting period|notice period|cooling-off period|guarantee|retention period|"
            "loan period|probation period|turnaround time|booking window|maximum stay|"
            "delivery time|processing time|maximum duration|response time|minimum term".split("|")
        ),
        _duration,
        (
            "How long is the {p} for {t}?",
            "What is the {p} for {t}?",
            "{t} {p}",
            "{p} for {t}?",
            "What {p} applies to {t}?",
            "how long does the {p} for {t} last",
        ),
    ),
    Property(
        tuple(
            "discount|interest rate|service charge|tax rate|commission|early-payment discount|"
            "member share|co-payment|refund share|loyalty bonus".split("|")
        ),
        _percent,
        (
            "What is the {p} for {t}?",
            "How high is the {p} on {t}?",
            "What percentage is the {p} for {t}?",
            "{p} {t}",
            "How much {p} is there for {t}?",
        ),
    ),
    Property(
        tuple(
            "number of guests|number of visits|maximum number of items|number of free changes|"
            "number of seats|number of claims|minimum number of people|number of users".split("|")
        ),
        _count,
        ("What is the {p} for {t}?", "{p} {t}", "What {p} does {t} have?", "{p} with {t}?"),
    ),
    Property(
        tuple(
            "weight limit|height limit|data allowance|capacity|maximum length|power rating|"
            "storage space|maximum dose|baggage allowance|working pressure|range".split("|")
        ),
        _measure,
        (
            "What is the {p} for {t}?",
            "{p} {t}",
            "What {p} applies to {t}?",
            "how big is the {p} for {t}?",
        ),
    ),
    Property(
        tuple(
            "opening time|deadline|collection time|quiet hours|check-in time|application deadline|"
            "last entry|inspection date|closing date|payment date".split("|")
        ),
        _time,
        (
            "When is the {p} for {t}?",
            "What is the {p} for {t}?",
            "{p} {t}",
            "What time is the {p} for {t}?",
            "when's the {p} of {t}",
        ),
    ),
    Property(
        tuple("approver|contact person|point of contact|responsible person|signatory".split("|")),
        _person,
        ("Who is the {p} for {t}?", "{p} {t}", "Who do I see as {p} for {t}?"),
    ),
    Property(
        tuple("contact|hotline|reporting address|form to use|enquiry desk".split("|")),
        _contact,
        ("What is the {p} for {t}?", "{p} {t}", "Which {p} do I use for {t}?"),
    ),
)
NATURAL = {
    "price": "How much does {t} cost?|What do I pay for {t}?|cost of {t}|How expensive is {t}?",
    "deposit": "How much do I have to leave as security for {t}?|security for {t}",
    "excess": "How much do I pay myself when I claim for {t}?|deductible for {t}",
    "allowance": "How much may I spend on {t}?|What can I claim back for {t}?",
    "yearly limit": "What is the most that is paid in a year for {t}?|limit per year {t}",
    "maximum payment": "Up to how much is paid for {t}?|What is the most I get for {t}?",
    "late fee": "What does it cost when I am late with {t}?",
    "delivery charge": "How much is postage for {t}?|shipping cost {t}",
    "cancellation charge": "What does it cost to cancel {t}?|cancel {t} cost",
    "hourly rate": "How much is an hour of {t}?",
    "notice period": "How much notice do I have to give for {t}?|notice for {t}",
    "guarantee": "How long is {t} guaranteed?|warranty on {t}|How long is the warranty for {t}?",
    "retention period": "How long are records of {t} kept?|How long do you keep data on {t}?",
    "delivery time": "How long does {t} take to arrive?|When will {t} come?",
    "processing time": "How long does it take to process {t}?|How long will {t} take?",
    "turnaround time": "How soon is {t} done?|How quickly do you deal with {t}?",
    "response time": "How soon do I get an answer about {t}?",
    "loan period": "How long can I keep {t}?|How long may I borrow {t}?",
    "maximum stay": "How long can I stay with {t}?",
    "waiting period": "How long do I have to wait before {t} counts?|How soon can I use {t}?",
    "cooling-off period": "How long can I change my mind about {t}?",
    "minimum term": "For how long am I bound with {t}?",
    "discount": "How much is taken off for {t}?|reduction for {t}",
    "refund share": "How much of the price do I get back for {t}?",
    "number of guests": "How many guests are allowed with {t}?|guests with {t}?",
    "number of visits": "How many visits are included in {t}?|How often can I come with {t}?",
    "number of users": "How many users does {t} include?|How many people can use {t}?",
    "number of claims": "How many claims may I make for {t}?|How often can I claim for {t}?",
    "number of free changes": "How often can I change {t} for free?",
    "weight limit": "How heavy may {t} be?|What may {t} weigh at most?",
    "height limit": "How high may {t} be?|What is the tallest {t} can be?",
    "data allowance": "How much data comes with {t}?|How many gigabytes does {t} have?",
    "storage space": "How much storage does {t} give me?",
    "maximum dose": "How much may be taken of {t} at most?",
    "deadline": "By when do I have to apply for {t}?|Until when can I send {t} in?",
    "opening time": "When is {t} open?|opening hours {t}|From when is {t} open?",
    "check-in time": "From when can I check in for {t}?",
    "last entry": "Until when can I get in with {t}?",
    "approver": "Who has to approve {t}?|Who signs off {t}?|Who says yes to {t}?",
    "contact person": "Who do I talk to about {t}?|Who is in charge of {t}?",
    "contact": "Who do I contact about {t}?|How do I reach somebody about {t}?",
    "hotline": "Which number do I call about {t}?|phone number for {t}",
    "form to use": "Which form do I need for {t}?|form for {t}?",
}
"""How people ask for a property without its name."""
SENTENCES = (
    "The {p} for {t} is {v}.",
    "For {t}, the {p} is {v}.",
    "For {t} we apply a {p} of {v}.",
    "{T}: the {p} is {v}.",
    "The {p} is {v} for {t}.",
    "In the case of {t} the {p} comes to {v}.",
    "As {p} for {t}, {v} has been agreed.",
    "Please note that the {p} for {t} is {v}, whatever was said before.",
    "Since {year}, the {p} for {t} has been {v}.",
    "If you choose {t}, the {p} is {v}.",
)
FILLERS = (
    "These terms are reviewed every year.",
    "Please keep your receipt.",
    "Members are told of changes in writing.",
    "Our team will be happy to help you in person.",
    "The rules apply to all sites unless a notice says otherwise.",
    "Prices include value added tax.",
    "Exceptions must be agreed in advance.",
    "Nothing in this section limits your statutory rights.",
    "You find the full terms on the notice board.",
    "We wrote this page in plain words on purpose.",
)
BANNED = (
    "dogs|bicycles|glass bottles|pushchairs|drones|barbecues|candles|e-scooters|hot drinks|"
    "balloons|suitcases|fireworks|skateboards|cameras|umbrellas|loudspeakers|tripods|"
    "picnic blankets"
).split("|")
PLACES = (
    "the main hall|the library|the changing rooms|the garden|the lifts|the ward|the stairwells|"
    "the car park|the kitchen|the laboratory|the lounge|the stadium|the guest rooms|the pool area"
).split("|")
RULES = (
    ("{N} are not allowed in {l}.", False),
    ("{N} may not be taken into {l}.", False),
    ("You cannot bring {n} into {l}.", False),
    ("{N} are welcome in {l} as long as they are kept under control.", True),
    ("You may bring {n} into {l} if the staff agree.", True),
    ("{N} are allowed in {l} after 6 pm.", True),
    ("We do not permit {n} in {l}, except on open days.", False),
)
MAY_I = (
    "Can I bring {n} into {l}?",
    "Are {n} allowed in {l}?",
    "May visitors take {n} into {l}?",
    "{n} in {l} ok?",
    "Is it permitted to have {n} in {l}?",
    "are {n} banned from {l}",
)
TASKS = (
    "cancel a booking|change your address|report a fault|claim expenses|renew a pass|"
    "return an item|book a visit|reset the alarm|order supplies|apply for leave|"
    "register a guest|pay an invoice|replace a filter|appeal against a decision|get a refund|"
    "close an account|add a driver"
).split("|")
DOINGS = (
    "ring the office before noon|fill in the form at reception|sign in and choose Settings|"
    "write to us with your customer number|ask your supervisor to sign|"
    "press and hold the red key|bring proof of identity to any branch|"
    "send the receipt within a month|scan the code on the door|"
    "enter the request in the portal|hand it in with its packaging|wait for the green light|"
    "call the hotline and give the reference|upload a photo of the damage|tell the steward"
).split("|")
HOW_TO = (
    "How do I {k}?",
    "how to {k}",
    "What do I have to do to {k}?",
    "I want to {k}, what now?",
    "What are the steps to {k}?",
)


@dataclass(frozen=True)
class Made:
    """A passage, the answer's place in it, a question, and questions it does not answer."""

    title: str
    text: str
    question: str
    start: int
    end: int
    others: tuple[str, ...]


TOGETHER = 0.4
"""How many passages hold a second one, about other things."""
Fact = tuple[str, Property, str, str]
"""A thing, a property, the name used for it here, and its value."""


def made_examples(tokenizer: Tokenizer, count: int, seed: int) -> Iterator[ReaderExample]:
    """``count`` passages with a question each, as token ids."""
    rng = random.Random(seed)
    for _ in range(count):
        yield _encoded(made(rng), tokenizer)


def made(rng: random.Random) -> Made:
    """One passage of a kind that is drawn, or of two under each other."""
    one = _alone(rng)
    if rng.random() < TOGETHER:
        text = _alone(rng).text
        if rng.random() < 0.5:
            return replace(one, text=f"{one.text}\n\n{text}")
        shift = len(text) + 2
        start, end = one.start + shift, one.end + shift
        return replace(one, text=f"{text}\n\n{one.text}", start=start, end=end)
    return one


def _alone(rng: random.Random) -> Made:
    return rng.choice([_table, _table, _sheet, _listed, _prose, _prose, _rules, _steps])(rng)


def _encoded(one: Made, tokenizer: Tokenizer) -> ReaderExample:
    passage = tokenizer.encode(one.text, add_special_tokens=False)
    first, last = passage.char_to_token(one.start), passage.char_to_token(one.end - 1)
    if first is None or last is None:
        raise ValueError(f"no tokens for {one.text[one.start : one.end]!r}")

    def ids(text: str, most: int) -> tuple[int, ...]:
        return tuple(tokenizer.encode(text, add_special_tokens=False).ids[:most])

    title, tokens = ids(one.title, MAX_TITLE_TOKENS), tuple(passage.ids)
    gold = SpanExample(ids(one.question, MAX_QUESTION_TOKENS), tokens, first, last, title)
    others = tuple(
        SpanExample(ids(other, MAX_QUESTION_TOKENS), tokens, -1, -1, title, (first, last))
        for other in one.others
    )
    touched = [(a, b) for a, b in sentence_bounds(one.text) if a < one.end and one.start < b]
    low, high = min(a for a, _ in touched), max(b for _, b in touched)
    inside = [n for n, (a, b) in enumerate(passage.offsets) if a < high and low < b]
    return ReaderExample(gold, (), None, None, (inside[0], inside[-1]), others)


def _things(rng: random.Random, count: int) -> list[str]:
    """Things of one kind (plans of several tiers), or of any."""
    if rng.random() < 0.5:
        kind = rng.choice(KINDS)
        return [f"the {tier} {kind}" for tier in rng.sample(TIERS, count)]
    return rng.sample(THINGS, count)


def _properties(rng: random.Random, count: int) -> list[tuple[Property, str]]:
    chosen = [rng.choice(PROPERTIES) for _ in range(count * 2)]
    named = [(one, rng.choice(one.names)) for one in chosen]
    unique = {name: (one, name) for one, name in named}
    return list(unique.values())[:count]


def _ask(one: Property, name: str, thing: str, rng: random.Random) -> str:
    thing = thing if rng.random() < 0.7 else thing.removeprefix("the ").removeprefix("a ")
    natural = NATURAL.get(name, "").split("|")
    pattern = rng.choice(natural if natural[0] and rng.random() < 0.5 else one.asks)
    asked = pattern.format(p=name, t=thing)
    return asked if rng.random() < 0.3 else asked[0].upper() + asked[1:]


def _unmet(
    facts: Sequence[Fact], spare: tuple[str, Property, str], rng: random.Random
) -> tuple[str, ...]:
    """Questions that the facts do not answer: one half known, the other not, or not together."""
    thing, one, name = spare
    known = {(t, n) for t, _, n, _ in facts}
    mine = rng.choice(facts)
    found = [_ask(mine[1], mine[2], thing, rng), _ask(one, name, mine[0], rng)]
    crossed = [(t, p, n) for t, *_ in facts for _, p, n, _ in facts if (t, n) not in known]
    if crossed:
        t, p, n = rng.choice(crossed)
        found.append(_ask(p, n, t, rng))
    return tuple(rng.sample(found, rng.choice([1, 1, 2])))


def _bare(thing: str) -> str:
    plain = thing.removeprefix("the ").removeprefix("a ").removeprefix("an ")
    return plain[0].upper() + plain[1:]


def _title(rng: random.Random, *headings: str) -> str:
    document = rng.choice(
        "Price list|Terms and conditions|Staff handbook|House rules|Service guide|Visitor guide|"
        "Members' handbook|Fees and charges|Data sheet|Frequently asked questions|Tariffs".split(
            "|"
        )
    )
    return PLACE.join([document, *headings])


def _located(
    title: str, text: str, before: str, value: str, question: str, others: tuple[str, ...]
) -> Made:
    """The example whose answer ``value`` follows ``before`` in the text."""
    start = text.index(before) + len(before)
    return Made(title, text, question, start, start + len(value), others)


def _table(rng: random.Random) -> Made:
    things = _things(rng, rng.randint(4, 8))
    *things, spare = things
    named = _properties(rng, rng.randint(2, 5))
    *named, (spare_property, spare_name) = named
    named = named or [(spare_property, spare_name)]
    head = " | ".join(
        [rng.choice(["", "Type", "Item", "Plan"]), *(n.capitalize() for _, n in named)]
    )
    values = {(t, n): p.draw(rng) for t in things for p, n in named}
    rows = [" | ".join([_bare(t), *(values[t, n] for _, n in named)]) for t in things]
    lead = rng.choice(["", "", rng.choice(FILLERS) + "\n"])
    thing, (one, name) = rng.choice(things), rng.choice(named)
    at = [n for _, n in named].index(name)
    before = " | ".join([_bare(thing), *(values[thing, n] for _, n in named[:at])]) + " | "
    facts = [(t, p, n, values[t, n]) for t in things for p, n in named]
    missing = spare_name if spare_name not in {n for _, n in named} else "parking fee"
    others = _unmet(facts, (spare, spare_property, missing), rng)
    text = lead + "\n".join([head, *rows])
    start = text.index("\n" + before) + 1 + len(before)
    end = start + len(values[thing, name])
    return Made(_title(rng), text, _ask(one, name, thing, rng), start, end, others)


def _sheet(rng: random.Random) -> Made:
    """Lines "property: value" under a heading that says of what."""
    thing, other = _things(rng, 2)
    named = _properties(rng, rng.randint(4, 7))
    *named, (spare_property, spare_name) = named
    mark = rng.choice(["", "- ", "* "])
    facts = [(thing, p, n, p.draw(rng)) for p, n in named]
    text = "\n".join(f"{mark}{n.capitalize()}: {v}" for _, _, n, v in facts)
    _, one, name, value = rng.choice(facts)
    others = _unmet(facts, (other, spare_property, spare_name), rng)
    question = _ask(one, name, thing, rng)
    return _located(
        _title(rng, _bare(thing)), text, f"{mark}{name.capitalize()}: ", value, question, others
    )


def _listed(rng: random.Random) -> Made:
    """One property of many things, as a list."""
    *things, other = _things(rng, rng.randint(4, 9))
    (one, name), (spare_property, spare_name) = _properties(rng, 2)
    mark = rng.choice(["- ", "* ", "\u2022 "])
    facts = [(t, one, name, one.draw(rng)) for t in things]
    lead = rng.choice([f"{name.capitalize()}:", f"The {name} depends on what you have:", name])
    text = "\n".join([lead, *(f"{mark}{_bare(t)}: {v}" for t, _, _, v in facts)])
    thing, _, _, value = rng.choice(facts)
    others = _unmet(facts, (other, spare_property, spare_name), rng)
    question = _ask(one, name, thing, rng)
    return _located(_title(rng), text, f"{mark}{_bare(thing)}: ", value, question, others)


def _prose(rng: random.Random) -> Made:
    *things, other = _things(rng, rng.randint(3, 5))
    *named, (spare_property, spare_name) = _properties(rng, rng.randint(3, 5))
    pairs = [(t, p, n) for t in things for p, n in named]
    chosen = rng.sample(pairs, min(len(pairs), rng.randint(3, 7)))
    facts = [(t, p, n, p.draw(rng)) for t, p, n in chosen]
    sentences = [_sentence(t, n, v, rng) for t, _, n, v in facts]
    order = list(range(len(facts)))
    text, places = "", {}
    for place in order:
        if rng.random() < 0.3:
            text += rng.choice(FILLERS) + " "
        said, at = sentences[place]
        places[place] = len(text) + at
        text += said + rng.choice([" ", " ", " ", "\n\n"])
    place = rng.choice(order)
    thing, one, name, value = facts[place]
    others = _unmet(facts, (other, spare_property, spare_name), rng)
    question = _ask(one, name, thing, rng)
    start = places[place]
    return Made(_title(rng), text.strip(), question, start, start + len(value), others)


def _sentence(thing: str, name: str, value: str, rng: random.Random) -> tuple[str, int]:
    """A sentence that says the fact, and where its value starts."""
    pattern = rng.choice(SENTENCES)
    before, after = pattern.split("{v}")
    words = {"p": name, "t": thing, "T": _bare(thing), "year": str(rng.randint(1998, 2025))}
    left = before.format(**words)
    left = left[0].upper() + left[1:]
    return left + value + after.format(**words), len(left)


def _rules(rng: random.Random) -> Made:
    banned = rng.sample(BANNED, rng.randint(4, 6))
    *banned, spare = banned
    location, elsewhere = rng.sample(PLACES, 2)
    said = []
    for one in banned:
        pattern, _ = rng.choice(RULES)
        said.append(pattern.format(n=one, N=one.capitalize(), l=location))
    place = rng.randrange(len(said))
    mixed = [rng.choice(FILLERS), *said] if rng.random() < 0.5 else said
    glue = rng.choice([" ", "\n", "\n- "])
    text = glue.join(mixed)
    start = text.index(said[place])
    ask = rng.choice(MAY_I)
    others = (
        rng.choice(MAY_I).format(n=spare, l=location),
        rng.choice(MAY_I).format(n=banned[place], l=elsewhere),
    )
    question = ask.format(n=banned[place], l=location)
    end = start + len(said[place]) - 1
    return Made(_title(rng), text, question, start, end, (rng.choice(others),))


def _steps(rng: random.Random) -> Made:
    """How something is done: in a sentence, or as numbered steps."""
    *tasks, spare = rng.sample(TASKS, rng.randint(3, 4))
    blocks, answers = [], []
    for task in tasks:
        doings = rng.sample(DOINGS, rng.randint(1, 3))
        answer = ", then ".join(doings)
        lead = f"To {task}, "
        if len(doings) > 1 and rng.random() < 0.5:
            lead = f"To {task}:\n"
            answer = "\n".join(
                f"{n}. {doing[0].upper()}{doing[1:]}." for n, doing in enumerate(doings, 1)
            )
        blocks.append(f"{lead}{answer}" + ("" if answer.endswith(".") else "."))
        answers.append((lead, answer))
    place = rng.randrange(len(tasks))
    question = rng.choice(HOW_TO).format(k=tasks[place])
    others = (rng.choice(HOW_TO).format(k=spare),)
    return _located(_title(rng), "\n".join(blocks), *answers[place], question, others)
